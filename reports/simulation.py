"""The workbook of a simulation: scenarios beside their baseline.

``simulation.toml`` says which columns are shown where.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import ClassVar

import pandas as pd
from openpyxl.worksheet.worksheet import Worksheet

from drg_engine.workbook_bytes import save_same_bytes
from reports import page
from reports.charts import ChartData, Step, ranking, waterfall
from reports.grid import put
from reports.layout import Column, Layout, Sheet
from reports.page import TABLE_ROW
from reports.style import Painter, Style
from reports.summary import (
    COLUMNS,
    period_rows,
    write_indicators,
    write_tiles,
)
from reports.values import masked_ids
from reports.workbook import (
    close_data_sheet,
    close_first_sheet,
    new_workbook,
    open_sheets,
    write_tables,
)

__all__ = [
    "MASKED",
    "SIMULATION_LAYOUT",
    "SimulationReport",
    "attribution_steps",
    "months_in_words",
    "prepared_tables",
    "table_columns",
    "write_simulation_workbook",
]

SIMULATION_LAYOUT = Path(__file__).with_name("simulation.toml")

_CHART_ROWS = 18
MASKED = "病案号只显示末四位。"
"""What notes say where ids are masked."""
_SUMMED = 3
_FIRST_MEASURE = "医保盈亏"
_SIDES = ((1, 5), (6, 10))
_SIGNS = ("增加", "减少")


@dataclass(frozen=True, slots=True, eq=False)
class SimulationReport:
    """Scenarios as tables, all scenarios of a table under each other (column ``scenario``).

    ``comparison``: one row for the baseline, then one for each scenario.  Amounts are ``*_fen``.
    A table that is empty gives a sheet that says so.  The columns are those of simulation.toml.
    ``head``: scheme, policies, cases and version in one line.
    """

    TABLES: ClassVar[tuple[str, ...]] = (
        "comparison",
        "changes",
        "departments",
        "hospitals",
        "drgs",
        "doctors",
        "kinds",
        "insurances",
        "cases",
        "migration",
        "attribution",
        "attribution_departments",
        "attribution_drgs",
        "made_from",
    )

    hospital: str
    periods: tuple[str, ...]
    tables: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    head: str = ""

    @property
    def title(self) -> str:
        """The months in words."""
        return months_in_words(self.periods)

    @property
    def stamp(self) -> datetime:
        """The moment written into the file: the last month, not the clock."""
        try:
            return datetime.strptime(self.periods[-1][:7], "%Y-%m")
        except ValueError:
            return datetime(2000, 1, 1)


@dataclass(frozen=True, slots=True)
class _Book:
    """What every sheet needs."""

    report: SimulationReport
    tables: Mapping[str, pd.DataFrame]
    layout: Layout
    painter: Painter
    data: ChartData
    masked: bool

    def note(self, text: str) -> str:
        """A sheet's note."""
        return text.replace("{masking}", MASKED if self.masked else "")


def months_in_words(periods: Sequence[str]) -> str:
    """``2026-10``, or the first and the last month and how many there are."""
    first, last = periods[0], periods[-1]
    return first if first == last else f"{first} 至 {last}（{len(periods)} 个月）"


def write_simulation_workbook(
    report: SimulationReport, path: Path, *, show_case_ids: bool = False
) -> None:
    """Write the workbook (xlsx) at ``path``; the same report gives the same bytes.

    Case ids are masked unless ``show_case_ids``.  The file is written aside and renamed.
    """
    style = Style.load()
    layout = Layout.load(SIMULATION_LAYOUT, style)
    title = f"{report.hospital} {report.title} {layout.summary.title}"
    workbook, painter = new_workbook(title, style)
    opened = open_sheets(workbook, layout, painter)
    book = _Book(
        report,
        prepared_tables(report, show_case_ids=show_case_ids),
        layout,
        painter,
        opened.data,
        not show_case_ids,
    )
    _write_summary(book, opened.first)
    for entry, sheet in opened.listed:
        _write_sheet(book, entry, sheet)
    close_data_sheet(opened.data, report.hospital, report.title)
    save_same_bytes(workbook, path, report.stamp, painter.rows.entries())


def table_columns() -> dict[str, tuple[Column, ...]]:
    """The columns of each table as the workbook shows them, by table, for other writers."""
    layout = Layout.load(SIMULATION_LAYOUT, Style.load())
    return {table.source: table.columns for sheet in layout.sheets for table in sheet.tables}


def prepared_tables(report: SimulationReport, *, show_case_ids: bool) -> dict[str, pd.DataFrame]:
    """Tables with case ids masked, in their order: scenarios as given, the largest gain first."""
    ready = {name: report.tables.get(name, pd.DataFrame()) for name in SimulationReport.TABLES}
    names = ready["comparison"]["scenario"].tolist()
    place = {name: at for at, name in enumerate(names)}
    for name in ("departments", "hospitals", "drgs", "doctors"):
        frame = ready[name]
        if not frame.empty:
            frame = frame.assign(_at=frame["scenario"].map(place))
            order = frame.sort_values(["_at", "change_fen"], ascending=[True, False], kind="stable")
            ready[name] = order.drop(columns="_at")
    if not show_case_ids and not ready["cases"].empty:
        ready["cases"] = ready["cases"].assign(case_id=masked_ids(ready["cases"]["case_id"]))
    return ready


def _write_summary(book: _Book, sheet: Worksheet) -> None:
    layout, painter, report = book.layout, book.painter, book.report
    summary = layout.summary
    page.write_title(sheet, summary.title, report.head, report.hospital, report.title, painter)
    comparison = book.tables["comparison"].rename(columns={"scenario": "label"})
    if not comparison["fund_cases"].any():
        comparison = comparison.drop(columns=["fund_fen", "patient_fen", "other_fen"])
    rows = period_rows(comparison.head(_SUMMED))
    base, scenarios = rows[0], rows[1:]
    shown = scenarios[0] if scenarios else base
    put(sheet, TABLE_ROW, 1, summary.note, painter.look(size="note", ink="muted"))
    row = TABLE_ROW + 1
    put(sheet, row, 1, f"情景“{shown[0]}”与基准", painter.look(bold=True, ink="primary"))
    row = write_tiles(sheet, row + 1, summary, [shown, base], painter)
    row = _summary_charts(book, sheet, row, shown[0])
    # Two columns for the baseline and the scenario leave room between the lists.
    row = write_indicators(sheet, row, summary, [base, *scenarios[:2]], painter)
    entries = [
        (entry.name, entry.title, sum(len(book.tables[table.source]) for table in entry.tables))
        for entry in layout.sheets
    ]
    close_first_sheet(sheet, row, entries, report.hospital, report.title, painter)


def _summary_charts(book: _Book, sheet: Worksheet, top: int, name: str) -> int:
    """Waterfall of the first scenario and tornados; returns the next free row."""
    row, half = top, COLUMNS // 2
    steps = attribution_steps(book.tables, book.layout, name)
    if steps:
        chart = waterfall(book.data, f"增减归因：{name}", steps)
        page.fit(sheet, chart, row, 1, half, _CHART_ROWS)
    comparison = book.tables["comparison"]
    several = comparison.iloc[1:] if len(comparison) > 2 else comparison.iloc[:0]
    drgs = _of(book.tables["drgs"], name)
    departments = _of(book.tables["departments"], name)
    if not several.empty:
        _tornado(book, sheet, "各情景的支付增减", several, "scenario", (row, half + 1, COLUMNS))
    elif not departments.empty:
        title = f"科室支付增减：{name}"
        _tornado(book, sheet, title, departments, "department_name", (row, half + 1, COLUMNS))
    row += _CHART_ROWS + 1
    if not drgs.empty:
        _tornado(book, sheet, f"病组支付增减：{name}", drgs, "drg", (row, 1, COLUMNS))
        row += _CHART_ROWS + 1
    return row


def _of(frame: pd.DataFrame, scenario: str) -> pd.DataFrame:
    """Rows of one scenario in which something changes."""
    if frame.empty:
        return frame
    return frame[(frame["scenario"] == scenario) & (frame["change_fen"] != 0)]


def _tornado(
    book: _Book, sheet: Worksheet, title: str, frame: pd.DataFrame, key: str, at: tuple[int, ...]
) -> None:
    """The largest changes to both sides, the largest on top."""
    order = frame.assign(_size=frame["change_fen"].abs())
    order = order.sort_values(["_size", key], ascending=[False, True], kind="stable")
    top = order.head(book.layout.charts.ranking_bars)
    bars = [
        (str(name), int(fen) / 100.0) for name, fen in zip(top[key], top["change_fen"], strict=True)
    ]
    chart = ranking(book.data, title, bars, _SIGNS)
    page.fit(sheet, chart, at[0], at[1], at[2], _CHART_ROWS)


def attribution_steps(
    tables: Mapping[str, pd.DataFrame], layout: Layout, scenario: str
) -> list[Step]:
    """From the baseline's surplus, part by part, to the scenario's; in yuan.

    By the first measure that moves: the insurance surplus, else the cost surplus.
    """
    frame = _of(tables["attribution"], scenario)
    if frame.empty:
        return []
    row = frame.iloc[0]
    key = "surplus_fen" if str(row["measure"]) == _FIRST_MEASURE else "cost_surplus_fen"
    surplus = tables["comparison"].set_index("scenario")[key]
    steps = [
        Step(column.heading, int(row[column.key]) / 100.0)
        for table in _tables_of(layout, "attribution")
        for column in table
        if column.key.endswith("_fen") and column.key != "change_fen" and row.get(column.key, 0)
    ]
    words = str(row["measure"])
    first = Step(f"基准{words}", int(surplus.iloc[0]) / 100.0, whole=True)
    return [first, *steps, Step(f"情景{words}", int(surplus[scenario]) / 100.0, whole=True)]


def _tables_of(layout: Layout, source: str) -> list[tuple[Column, ...]]:
    return [t.columns for sheet in layout.sheets for t in sheet.tables if t.source == source]


def _write_sheet(book: _Book, entry: Sheet, sheet: Worksheet) -> None:
    painter, report = book.painter, book.report
    note = book.note(entry.note)
    page.write_title(sheet, entry.title, note, report.hospital, report.title, painter)
    row = TABLE_ROW
    if entry.chart == "attribution":
        row = _waterfalls(book, sheet, row)
    areas = write_tables(sheet, row, entry.tables, book.tables, book.layout, painter)
    only = areas[0] if len(areas) == 1 else None
    page.freeze(sheet, entry.freeze, only)
    page.set_up(
        sheet, report.hospital, report.title, entry.tab, painter,
        repeat=only.head if only else None, freeze=entry.freeze,
    )  # fmt: skip


def _waterfalls(book: _Book, sheet: Worksheet, top: int) -> int:
    """One waterfall for each of the first scenarios, two side by side; returns the next row."""
    names = book.tables["comparison"]["scenario"].tolist()[1:]
    drawn = 0
    for name in names[: book.layout.charts.pareto_bars]:
        steps = attribution_steps(book.tables, book.layout, name)
        if steps:
            chart = waterfall(book.data, f"增减归因：{name}", steps)
            left, right = _SIDES[drawn % 2]
            page.fit(sheet, chart, top + drawn // 2 * _CHART_ROWS, left, right, _CHART_ROWS - 1)
            drawn += 1
    return top + (drawn + 1) // 2 * _CHART_ROWS
