"""The one seam to the chart library: Vega-Lite, carried by vl-convert and put into the page.

A chart is a Vega-Lite description and its rows.  Colours are names of style.toml and become CSS
variables, so that one drawing serves light, dark and paper.  The library's expressions run in its
interpreter (``ast``), so that a page needs no ``eval`` and can forbid it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from reports.style import Style

__all__ = [
    "Chart",
    "Drill",
    "chart_library",
    "config",
    "font_stack",
    "ink",
    "script_json",
    "script_text",
]

_FALLBACKS = ("PingFang SC", "Noto Sans CJK SC", "Source Han Sans SC", "WenQuanYi Micro Hei")


@dataclass(frozen=True, slots=True)
class Drill:
    """What a click on a mark chooses: the page's ``dimension``, its value from ``field``."""

    dimension: str
    field: str


@dataclass(frozen=True, slots=True, eq=False)
class Chart:
    """A chart of a page.

    spec: Vega-Lite without data, config, title.  columns: (key, heading) of the figures that are
    shown beside the chart.  rows: by what the page's chooser says, or under "" where they are the
    same for all.
    """

    name: str
    title: str
    spec: Mapping[str, Any]
    columns: Sequence[tuple[str, str]]
    rows: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)
    note: str = ""
    wide: bool = False
    drill: Drill | None = None

    def data(self) -> dict[str, Any]:
        """The chart as the page's script takes it."""
        return {
            "name": self.name,
            "title": self.title,
            "note": self.note,
            "wide": self.wide,
            "spec": self.spec,
            "columns": [list(pair) for pair in self.columns],
            "rows": self.rows,
            "drill": [self.drill.dimension, self.drill.field] if self.drill else None,
        }


def chart_library() -> str:
    """The JavaScript of Vega, Vega-Lite and Vega-Embed, as ``window.vegaEmbed``.

    It comes out of the installed package; nothing is fetched.  The same version of the package
    gives the same text.
    """
    import vl_convert

    # The package keeps this text once it is made (two seconds); one with a snippet it makes anew.
    return script_text(vl_convert.javascript_bundle())  # type: ignore[call-arg]


def script_text(text: str) -> str:
    """JavaScript that cannot end the element it stands in."""
    return text.replace("</script", "<\\/script").replace("<!--", "<\\!--")


def script_json(value: Any) -> str:
    """JSON that can stand in a ``script`` element: no ``<``, ``>`` or ``&``, no NaN."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for sign in "<>&\u2028\u2029":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text


def ink(name: str) -> str:
    """A colour of style.toml as the page has it."""
    return f"var(--{name.replace('_', '-')})"


def font_stack(style: Style) -> str:
    """The fonts of a page, for Windows, macOS and Linux."""
    return ", ".join([*(f'"{name}"' for name in (style.font, *_FALLBACKS)), "sans-serif"])


def config(style: Style) -> dict[str, Any]:
    """Fonts, sizes, quiet axes: the look of every chart."""
    axis = {
        "labelColor": ink("muted"),
        "titleColor": ink("muted"),
        "domainColor": ink("line"),
        "gridColor": ink("line"),
        "gridOpacity": 0.7,
        "tickColor": ink("line"),
        "ticks": False,
        "labelPadding": 6,
        "labelFontSize": 11,
        "titleFontSize": 11,
        "titleFontWeight": "normal",
    }
    return {
        "font": font_stack(style),
        "background": None,
        "padding": {"left": 2, "right": 6, "top": 4, "bottom": 2},
        "view": {"stroke": None},
        "axis": axis,
        "text": {"color": ink("ink"), "fontSize": 11},
        "rule": {"color": ink("grey")},
        "legend": {
            "labelColor": ink("ink"),
            "titleColor": ink("muted"),
            "orient": "top",
            "labelFontSize": 11,
            "symbolType": "square",
            "title": None,
        },
        "aria": True,
    }
