"""One self-contained page of HTML: figures, charts, tables that filter, sort and drill.

Everything is in the file (the chart library too); its security policy forbids any request and any
``eval``.  ``page.html.j2`` is the frame, ``page.css`` the look, ``page.js`` what moves;
``words.js`` is in every page's script.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup

from drg_engine.files import written_aside
from reports.layout import Column
from reports.style import Format, Style
from reports.values import as_cells, missing
from reports.vega import Chart, chart_library, config, font_stack, script_json, script_text

__all__ = [
    "Chooser",
    "Page",
    "PageTable",
    "Tile",
    "page_heading",
    "page_script",
    "page_table",
    "page_template",
    "script_hash",
    "style_sheet",
    "write_page",
]

_TEMPLATES = Path(__file__).with_name("templates")
_CENTS = ("fen", "wan")
_WORDS = "words.js"


@dataclass(frozen=True, slots=True)
class Tile:
    """A large figure; ``values`` by the page's choice (fen where the kind is fen or wan)."""

    label: str
    format: str
    values: Mapping[str, Any]
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Chooser:
    """What the whole page is about at a time: a label, and the values to choose from.

    ``base``: the value of tiles to compare with, or "".
    """

    label: str
    values: Sequence[str]
    base: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class PageTable:
    """A table of a page, ready for its script (see page_table)."""

    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True, eq=False)
class Page:
    """A page.  ``facts``: pairs of what the page was made from, shown in its head."""

    title: str
    subtitle: str
    note: str
    facts: Sequence[tuple[str, str]] = ()
    chooser: Chooser | None = None
    tiles: Sequence[Tile] = ()
    charts: Sequence[Chart] = ()
    tables: Sequence[PageTable] = ()
    file_name: str = "报表"
    dimensions: Mapping[str, str] = field(default_factory=dict)


def page_table(
    title: str,
    note: str,
    columns: Sequence[Column],
    frame: pd.DataFrame,
    style: Style,
    values: Mapping[str, Mapping[str, str]],
    *,
    chosen_by: str = "",
    dimensions: Mapping[str, str] | None = None,
    links: Mapping[str, str] | None = None,
    whole: bool = True,
    every: bool = False,
) -> PageTable:
    """A frame as the page's script takes it: columns of integers (fen), numbers or coded text.

    chosen_by: the key of the column that the chooser chooses by.  dimensions: dimension to the key
    of the column that it filters.  links: key of a shown column to the dimension that a click on it
    chooses.  whole: all rows are here, so that sums may be shown.  every: rows that aren't chosen
    are shown too, the chosen one marked.
    """
    names = values
    dimensions, links = dict(dimensions or {}), dict(links or {})
    shown = [column for column in columns if column.key in frame.columns]
    keys = [column.key for column in shown]
    hidden = [key for key in dict.fromkeys([chosen_by, *dimensions.values()]) if key]
    hidden = [key for key in hidden if key in frame.columns and key not in keys]
    data = {
        column.key: _column(
            frame[column.key], style.formats[column.format], names.get(column.values, {})
        )
        for column in shown
    }
    text = style.formats["text"]
    data |= {key: _column(frame[key], text, {}) for key in hidden}
    return PageTable(
        {
            "title": title,
            "note": note,
            "rows": len(frame),
            "columns": [page_heading(column, style, links) for column in shown],
            "data": data,
            "chosen": chosen_by if chosen_by in frame.columns else None,
            "dimensions": {d: key for d, key in dimensions.items() if key in frame.columns},
            "whole": whole,
            "all": every,
        }
    )


def page_heading(column: Column, style: Style, links: Mapping[str, str]) -> dict[str, Any]:
    """A column's heading and how its values are shown, for a page's script."""
    shown = style.formats[column.format]
    return {
        "key": column.key,
        "heading": column.heading,
        "kind": shown.kind if shown.kind in ("text", "date", *_CENTS) else "number",
        "form": column.format if column.format in ("badge", "wrap", "mono", "code") else "",
        "digits": _digits(shown),
        "percent": shown.code.startswith("0.00%"),
        "sum": column.key.endswith("_fen") or column.key.endswith("cases"),
        "link": links.get(column.key),
    }


def _digits(shown: Format) -> int:
    """Decimals of a number format; -1 for as many as there are."""
    if shown.code == "General":
        return -1
    return len(shown.code.partition(";")[0].partition(".")[2].rstrip("%"))


def _column(column: pd.Series[Any], shown: Format, names: Mapping[str, str]) -> Any:
    """Integers (fen) exactly, numbers, or text by codes."""
    if shown.kind in _CENTS:
        gone = missing(column).tolist()
        return [None if no else int(fen) for no, fen in zip(gone, column.tolist(), strict=True)]
    values = as_cells(column, shown, names)
    if shown.kind in ("text", "date"):
        words = pd.Series(["" if value is None else str(value) for value in values], dtype=object)
        codes, distinct = pd.factorize(words)
        return {"words": list(distinct), "codes": codes.tolist()}
    return [_short(value) for value in values]


def _short(value: Any) -> Any:
    """A whole number without its decimal point, which JSON needn't carry."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def write_page(page: Page, path: Path) -> None:
    """Write the page at ``path``; the same page gives the same bytes.

    The file is written aside and renamed.
    """
    style = Style.load()
    library = chart_library() if page.charts else ""
    script = page_script("page.js")
    text = page_template("page.html.j2").render(
        page=page,
        style=Markup(style_sheet(style)),  # noqa: S704 - our own file and colours
        data=Markup(script_json(_data(page, style))),  # noqa: S704 - escaped for the element
        library=Markup(library),  # noqa: S704 - the chart library, escaped for the element
        script=Markup(script),  # noqa: S704 - our own files
        hashes=" ".join(script_hash(part) for part in (library, script) if part),
    )
    with written_aside(path) as aside:
        aside.write_bytes(text.encode("utf-8"))


def _data(page: Page, style: Style) -> dict[str, Any]:
    chooser = page.chooser
    return {
        "file": page.file_name,
        "chooser": chooser and {"values": list(chooser.values), "base": chooser.base},
        "tiles": [_tile(tile, style) for tile in page.tiles],
        "charts": [_plain(chart.data()) for chart in page.charts],
        "config": config(style),
        "tables": [table.data for table in page.tables],
        "dimensions": page.dimensions,
        "badges": {
            word: [name.replace("_", "-") for name in colours]
            for word, colours in style.badge.items()
        },
    }


def _tile(tile: Tile, style: Style) -> dict[str, Any]:
    shown = style.formats[tile.format]
    return {
        "label": tile.label,
        "unit": tile.unit,
        "kind": shown.kind if shown.kind in _CENTS else "number",
        "digits": _digits(shown),
        "percent": shown.code.startswith("0.00%"),
        "values": _plain(tile.values),
    }


def _plain(value: Any) -> Any:
    """Python's own numbers; what is not finite is nothing."""
    if isinstance(value, Mapping):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        return value if np.isfinite(value) else None
    return value


def page_template(name: str) -> Template:
    """A page's frame, in which everything is escaped that isn't marked as safe."""
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(name)


def page_script(*names: str) -> str:
    """The words of all pages and the scripts of one as one script, whose names nobody else sees."""
    parts = [(_TEMPLATES / name).read_text(encoding="utf-8") for name in (_WORDS, *names)]
    return script_text(f'"use strict";\n(() => {{\n{"".join(parts)}}})();\n')


def script_hash(text: str) -> str:
    """What allows a script in the page's security policy."""
    digest = hashlib.sha256(text.encode("utf-8")).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def style_sheet(style: Style) -> str:
    """The colours of style.toml as variables, then the look."""
    light = _variables(style.colour)
    dark = _variables({**style.colour, **style.dark})
    rules = [
        f":root{{color-scheme:light;--font:{font_stack(style)};{light}}}",
        f":root[data-theme=dark]{{color-scheme:dark;{dark}}}",
        "@media (prefers-color-scheme:dark){:root:not([data-theme=light])"
        f"{{color-scheme:dark;{dark}}}}}",
        f"@media print{{:root,:root[data-theme]{{color-scheme:light;{light}}}}}",
        f"@media print and (prefers-color-scheme:dark){{:root:not([data-theme=light]){{{light}}}}}",
    ]
    return "\n".join([*rules, (_TEMPLATES / "page.css").read_text(encoding="utf-8")])


def _variables(colours: Mapping[str, str]) -> str:
    return "".join(f"--{name.replace('_', '-')}:#{value};" for name, value in colours.items())
