"""The insurance office's months as one page of HTML: filter, follow a figure down to a case.

Everything is in the file; its security policy forbids any request and any ``eval``.  The page adds
up the cases itself (templates/desk*.js), so that figures and what they are made of always agree.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
from markupsafe import Markup

from drg_engine.desk_edition import own_cut, own_means, own_names
from drg_engine.desk_tables import LEVELS, desk_tables
from drg_engine.errors import Fault, InputError
from drg_engine.files import written_aside
from reports.desk import DESK_LAYOUT, DeskReport
from reports.desk_page_charts import desk_charts
from reports.desk_page_data import desk_data, tables_of
from reports.html_page import page_script, page_template, script_hash, style_sheet
from reports.layout import Layout
from reports.style import Style
from reports.values import masked_ids
from reports.vega import chart_library, config, script_json

__all__ = ["MOST_PATHS", "department_edition", "desk_page_data", "write_desk_page"]

MOST_PATHS = 10_000
"""With more cases than that, paths are left to ``drg-engine explain``."""

_TEMPLATES = Path(__file__).with_name("templates")
_SCRIPTS = (
    "desk_cases.js", "desk_figures.js", "desk_words.js", "desk_rows.js", "desk_tables.js",
    "desk_charts.js", "desk_case.js", "desk.js",
)  # fmt: skip
_CAUSES = ("causes", "causes_departments", "causes_drgs")
_OWN = "本科室"
_MASKED = "编号只显示末四位。"


def write_desk_page(
    report: DeskReport, path: Path, *, show_ids: bool = False, department: str | None = None
) -> None:
    """Write the page at ``path``; the same report gives the same bytes.

    Ids of cases are masked unless ``show_ids``.  department: a code; the page then holds that
    department only (:func:`department_edition`).  The file is written aside and renamed.
    Raises InputError where there is no such department.
    """
    style = Style.load()
    layout = Layout.load(DESK_LAYOUT, style)
    if department is not None:
        report = department_edition(report, department)
    data = desk_page_data(report, layout, style, show_ids=show_ids)
    library, script = chart_library(), page_script(*_SCRIPTS)
    text = page_template("desk.html.j2").render(
        title=data["title"],
        hospital=report.hospital,
        period=report.period,
        note=layout.summary.note,
        facts=_facts(report),
        masked="" if show_ids else _MASKED,
        style=Markup(style_sheet(style) + _look()),  # noqa: S704 - our own file
        data=Markup(script_json(data)),  # noqa: S704 - escaped for the element
        library=Markup(library),  # noqa: S704 - the chart library, escaped for the element
        script=Markup(script),  # noqa: S704 - our own files
        hashes=f"{script_hash(library)} {script_hash(script)}",
    )
    with written_aside(path) as aside:
        aside.write_bytes(text.encode("utf-8"))


def desk_page_data(
    report: DeskReport,
    layout: Layout,
    style: Style,
    *,
    show_ids: bool = False,
) -> dict[str, Any]:
    """What the page's script gets: columns of cases, tables, charts.

    A report of one department alone is called by its name; where no case has a department, it is
    the hospital's.
    """
    desk = report.desk
    departments = sorted(set(desk.frame["department"].astype(str)))
    department = departments[0] if len(departments) == 1 and departments[0] else None
    shown = desk.frame["case_id"] if show_ids else masked_ids(desk.frame["case_id"])
    ids = shown.astype(object).where(shown.notna(), "").astype(str).tolist()
    whole = "全院" if department is None else _name(report, department)
    title = layout.summary.title if department is None else f"{whole}{layout.summary.title}"
    words = {"against": report.against_words, "reference": desk.reference.source, "masking": ""}
    months = sorted(set(desk.frame["period"].astype(str)))
    own = whole if department is None else _OWN
    return {
        "title": title,
        "whole": whole,
        "edition": department is not None,
        "file": f"{report.hospital}-{report.period}-{title}".replace("　", " "),
        "against": report.against,
        **desk_data(report, layout, ids, most_paths=MOST_PATHS),
        "tiles": [_tile(tile, style) for tile in layout.summary.tiles],
        "sheets": tables_of(layout, style, _there(report), words, own, report.aside),
        "charts": [
            chart.data()
            for chart in desk_charts(
                layout.quadrant,
                desk.cmi_cut,
                desk.settings.fees,
                months=len(months),
                caused=not report.causes.empty,
            )
        ],
        "config": config(style),
        "bars": layout.charts.pareto_bars,
        "badges": {
            word: [name.replace("_", "-") for name in colours]
            for word, colours in style.badge.items()
        },
    }


def department_edition(report: DeskReport, department: str) -> DeskReport:
    """The report of one department alone, as drg_engine.desk_edition rules it.

    Comparisons of the header, which are the hospital's, go.  Raises InputError where no case is of
    the department.
    """
    desk = report.desk
    whole = desk.frame
    frame = whole[whole["department"] == department].reset_index(drop=True)
    if frame.empty:
        fault = Fault("病例", "没有这个科室的病例", column="department", found=department)
        raise InputError("不能编制科室版", [fault])
    plain = frame.drop(columns=["cost_ratio", "time_ratio"], errors="ignore")
    made = desk_tables(plain, own_means(desk.reference, [frame]), desk.settings)
    cut = own_cut(whole, department, desk.settings.cmi_cut)
    names = {kind: words for kind, words in report.names.items() if kind in frame.columns}
    causes = report.causes
    if not causes.empty:
        causes = causes[causes["unit"] == department].reset_index(drop=True)
    return replace(
        report,
        desk=replace(made, cmi_cut=cut),
        causes=causes.iloc[:0] if report.within else causes,
        against="" if report.within else report.against,
        names=own_names(names, [frame, causes.reindex(columns=["drg"])]),
        within=False,
    )


def _there(report: DeskReport) -> list[str]:
    """Sources of tables that have rows."""
    desk = report.desk
    found = ["header", *LEVELS, "drg_doctors", "fees", "cases"]
    for name, wanted in (("months", 1), ("doctor_groups", 0), ("drg_doctors", 0)):
        if len(desk.tables[name]) <= wanted:
            found.remove(name)
    return found + ([] if report.causes.empty else list(_CAUSES))


def _tile(tile: Any, style: Style) -> dict[str, Any]:
    shown = style.formats[tile.format]
    digits = shown.code.partition(";")[0].partition(".")[2].rstrip("%")
    return {
        "key": tile.key,
        "heading": tile.label,
        "unit": tile.unit,
        "kind": shown.kind if shown.kind in ("fen", "wan") else "number",
        "digits": len(digits),
        "percent": shown.code.startswith("0.00%"),
    }


def _facts(report: DeskReport) -> list[tuple[str, str]]:
    rows: pd.DataFrame = report.made_from[["section", "name", "content"]]
    return [
        (f"{section}　{name}", str(content))
        for section, name, content in rows.itertuples(index=False)
    ]


def _name(report: DeskReport, department: str) -> str:
    names: Mapping[str, str] = report.names.get("department", {})
    return names.get(department, department)


def _look() -> str:
    return (_TEMPLATES / "desk.css").read_text(encoding="utf-8")
