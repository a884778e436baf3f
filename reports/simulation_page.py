"""A simulation as one page of HTML: choose a scenario, see its figures, click to drill.

The tables are the workbook's; where a page cannot hold all rows it holds those that change most,
and says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import pandas as pd

from reports.html_page import Chooser, Page, PageTable, Tile, page_table, write_page
from reports.layout import Layout, Sheet, Table
from reports.simulation import (
    MASKED,
    SIMULATION_LAYOUT,
    SimulationReport,
    prepared_tables,
)
from reports.simulation_charts import simulation_charts
from reports.style import Style

__all__ = ["simulation_page", "write_simulation_page"]

_MOST_ROWS = 15_000
_FEWEST = 10
_DIMENSIONS = {"": "scenario", "department": "科室", "drg": "病组", "doctor": "医生"}
_LINKS = {
    "scenario": "scenario",
    "department_name": "department",
    "doctor_name": "doctor",
    "base_drg": "drg",
}
_FACTS_OF_SCENARIOS = "情景"


def write_simulation_page(
    report: SimulationReport, path: Path, *, show_case_ids: bool = False
) -> None:
    """Write the page at ``path``; the same report gives the same bytes.

    Long tables hold the rows that change most; the workbook has them all.  Case ids are masked
    unless ``show_case_ids``.  The file is written aside and renamed.
    """
    write_page(simulation_page(report, show_case_ids=show_case_ids), path)


def simulation_page(report: SimulationReport, *, show_case_ids: bool = False) -> Page:
    """The page of a simulation, before it is written."""
    style = Style.load()
    layout = Layout.load(SIMULATION_LAYOUT, style)
    tables = prepared_tables(report, show_case_ids=show_case_ids)
    comparison = tables["comparison"]
    names = [str(name) for name in comparison["scenario"]]
    made_from = tables["made_from"]
    facts = [
        (f"{section}　{name}", content)
        for section, name, content in made_from[["section", "name", "content"]].itertuples(
            index=False
        )
        if section != _FACTS_OF_SCENARIOS
    ]
    return Page(
        title=f"{report.hospital}　{report.title}　{layout.summary.title}",
        subtitle=report.head,
        note=layout.summary.note,
        facts=facts,
        chooser=Chooser("情景", names, base=names[0]),
        tiles=[
            Tile(
                tile.label,
                tile.format,
                dict(zip(names, comparison[tile.key], strict=True)),
                tile.unit,
            )
            for tile in layout.summary.tiles
            if tile.key in comparison.columns
        ],
        charts=simulation_charts(tables, layout),
        tables=list(_tables(tables, layout, style, len(names), "" if show_case_ids else MASKED)),
        file_name=f"{report.title}-{layout.summary.title}",
        dimensions=_DIMENSIONS,
    )


def _tables(
    tables: Mapping[str, pd.DataFrame], layout: Layout, style: Style, count: int, masked: str
) -> Iterable[PageTable]:
    listed = [
        (sheet, table)
        for sheet in layout.sheets
        for table in sheet.tables
        if not tables[table.source].empty and table.source != "made_from"
    ]
    most = _room([len(tables[table.source]) // count for _, table in listed], _MOST_ROWS // count)
    for sheet, table in listed:
        frame = tables[table.source]
        shown = frame if table.source == "comparison" else _largest(frame, most)
        yield _table(sheet, table, shown, len(frame), layout, style, masked)


def _table(
    sheet: Sheet,
    table: Table,
    frame: pd.DataFrame,
    rows: int,
    layout: Layout,
    style: Style,
    masked: str,
) -> PageTable:
    every = table.source == "comparison"
    note = sheet.note.replace("{masking}", masked)
    if len(frame) < rows:
        note += f"全部情景共 {rows:,} 行；此页各情景只列增减最大的，全部见工作簿。"
    columns = [
        column
        for column in table.columns
        if (every or column.key != "scenario")
        and not (column.optional and _says_nothing(frame, column.key))
    ]
    home = "base_drg" if "base_drg" in frame.columns else "drg"
    links = _LINKS if home == "base_drg" else {**_LINKS, "drg": "drg"}
    return page_table(
        f"{sheet.title}：{table.title}" if table.title else sheet.title,
        note,
        columns,
        frame,
        style,
        layout.values,
        chosen_by="scenario",
        dimensions={"department": "department", "doctor": "doctor", "drg": home},
        links=links,
        whole=len(frame) == rows and table.source not in ("attribution", "changes"),
        every=every,
    )


def _says_nothing(frame: pd.DataFrame, key: str) -> bool:
    column = frame.get(key)
    return column is None or bool((column.isna() | column.isin([0, ""])).all())


def _room(counts: Sequence[int], room: int) -> int:
    """Rows for each table of a scenario so that all together take up ``room``: small ones first."""
    left, order = room, sorted(counts)
    for at, count in enumerate(order):
        share = left // (len(order) - at)
        if count > share:
            return max(share, _FEWEST)
        left -= count
    return max(order, default=0) + room


def _largest(frame: pd.DataFrame, most: int) -> pd.DataFrame:
    """The rows of each scenario that change most, in the frame's order."""
    if "scenario" not in frame.columns or "change_fen" not in frame.columns:
        return frame
    size = frame["change_fen"].abs()
    order = size.sort_values(ascending=False, kind="stable").index
    place = frame.loc[order].groupby("scenario", sort=False).cumcount()
    return frame[place.reindex(frame.index) < most]
