"""Puts the sheets of the month's workbook together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd
from openpyxl import Workbook
from openpyxl.worksheet.worksheet import Worksheet

from reports import derive, page
from reports.charts import ChartData, Step, columns, pareto, ranking, waterfall
from reports.grid import put, write_table
from reports.layout import Layout, Sheet
from reports.page import TABLE_ROW
from reports.quadrant import Bubble, quadrant_chart
from reports.style import Painter
from reports.summary import (
    COLUMNS,
    link,
    period_rows,
    write_findings,
    write_indicators,
    write_tiles,
)
from reports.values import masked_ids, sorted_rows
from reports.workbook import close_data_sheet, close_first_sheet, open_sheets

__all__ = ["write_sheets"]

_TITLE_ROW = 1
_CHART_ROWS = 18
_CHECKED = {
    "departments": "科室",
    "drgs": "病组",
    "doctors": "医生",
    "insurances": "险种",
    "kinds": "病例类型",
    "cases": "病例",
}
_VERDICTS = ("counts", "money_checks", "count_checks", "control_totals")
_CASE_ID_COLUMNS = ("case_id", "病案号")
_MASKED = "病案号只显示末四位。"


@dataclass(frozen=True, slots=True)
class _Book:
    """What every sheet needs."""

    workbook: Workbook
    hospital: str
    period: str
    tables: Mapping[str, pd.DataFrame]
    rows: list[tuple[str, dict[str, Any]]]
    layout: Layout
    painter: Painter
    cmi_cut: float
    masked: bool

    @property
    def whole(self) -> dict[str, Any]:
        """The hospital's values this period."""
        return self.rows[0][1]


def write_sheets(
    workbook: Workbook,
    hospital: str,
    period: str,
    tables: Mapping[str, pd.DataFrame],
    layout: Layout,
    painter: Painter,
    *,
    cmi_cut: float | None,
    show_case_ids: bool,
) -> None:
    """Write all sheets: the summary, those of the layout in their order, the charts' data."""
    rows = period_rows(derive.with_derived(tables["hospital"], layout.quadrant, 1.0))
    cut = float(cmi_cut if cmi_cut is not None else rows[0][1].get("cmi", 1.0))
    ready = _prepared(tables, rows[0][1], layout, cut, show_case_ids)
    book = _Book(workbook, hospital, period, ready, rows, layout, painter, cut, not show_case_ids)
    opened = open_sheets(workbook, layout, painter)
    _write_summary(book, opened.first, opened.data)
    for entry, sheet in opened.listed:
        _write_sheet(book, entry, sheet, opened.data)
    close_data_sheet(opened.data, hospital, period)


def _prepared(
    tables: Mapping[str, pd.DataFrame],
    whole: Mapping[str, Any],
    layout: Layout,
    cut: float,
    show_case_ids: bool,
) -> dict[str, pd.DataFrame]:
    """The tables with what is derived from them, in the layout's order, case ids masked."""
    ready = dict(tables)
    for name in ("departments", "drgs", "doctors", "insurances", "kinds"):
        ready[name] = derive.with_derived(ready[name], layout.quadrant, cut)
    cases = ready["cases"]
    counted = cases if cases.empty else cases.assign(cases=1)
    ready["money_checks"], ready["count_checks"] = derive.checked(
        whole,
        {label: counted if name == "cases" else ready[name] for name, label in _CHECKED.items()},
        ready["department_pools"],
        ready["staff_pay"],
    )
    ready["staff_pay"] = derive.with_department_names(ready["staff_pay"], ready["department_pools"])
    ready["counts"] = derive.counts_with_verdict(ready["counts"])
    # Before the ids are hidden, and before the charts take their rows.
    for entry in layout.sheets:
        for table in entry.tables:
            ready[table.source] = sorted_rows(ready[table.source], table.sort)
    ready["control_totals"] = derive.scaled_controls(ready["control_totals"])
    ready["exceptions"] = derive.with_blank_rows(ready["exceptions"])
    if not show_case_ids:
        ready["cases"] = _masked(ready["cases"])
        ready["exceptions"] = _masked(ready["exceptions"])
    return ready


def _masked(frame: pd.DataFrame) -> pd.DataFrame:
    """Hide case ids, also where a fault quotes one."""
    new: dict[str, pd.Series[Any]] = {}
    if "case_id" in frame.columns:
        new["case_id"] = masked_ids(frame["case_id"])
    if {"column", "found"} <= set(frame.columns):
        quoted = frame["column"].astype(object).isin(_CASE_ID_COLUMNS)
        new["found"] = frame["found"].astype(object).where(~quoted, masked_ids(frame["found"]))
    return frame.assign(**new)


def _write_summary(book: _Book, sheet: Worksheet, data: ChartData) -> None:
    layout, painter = book.layout, book.painter
    page.write_title(
        sheet, layout.summary.title, layout.summary.note, book.hospital, book.period, painter
    )
    row = write_tiles(sheet, TABLE_ROW + 1, layout.summary, book.rows, painter)
    faults = sum(
        derive.faults(book.tables[name])
        for name in ("money_checks", "count_checks", "counts", "control_totals")
    )
    lines = derive.findings(
        book.whole,
        book.tables["departments"],
        book.tables["drgs"],
        book.tables["department_pools"],
        book.tables["staff_pay"],
        faults,
    )
    row = write_findings(sheet, row, lines, painter)
    row = _summary_charts(book, sheet, row, data)
    row = write_indicators(sheet, row, layout.summary, book.rows, painter)
    entries = [
        (
            entry.name,
            entry.note.replace("{masking}", _MASKED if book.masked else ""),
            sum(len(book.tables[table.source]) for table in entry.tables),
        )
        for entry in layout.sheets
    ]
    close_first_sheet(sheet, row, entries, book.hospital, book.period, painter)


def _summary_charts(book: _Book, sheet: Worksheet, top: int, data: ChartData) -> int:
    """Waterfall and ranking side by side, the Pareto below; returns the next free row."""
    tables, charts = book.tables, book.layout.charts
    row, half = top, COLUMNS // 2
    if not tables["kinds"].empty:
        steps = _steps(tables["kinds"], book.layout.values.get("kind", {}))
        chart = waterfall(data, "盈亏怎样构成：各类病例的公式盈亏与调整", steps)
        page.fit(sheet, chart, row, 1, half, _CHART_ROWS)
    if not tables["departments"].empty:
        ends = _ends(tables["departments"], charts.ranking_bars)
        chart = ranking(data, "科室盈亏：两端的科室", ends)
        page.fit(sheet, chart, row, half + 1, COLUMNS, _CHART_ROWS)
        row += _CHART_ROWS + 1
    losses = _losses(tables["drgs"], charts.pareto_bars)
    if losses:
        chart = pareto(data, f"亏损最多的 {len(losses)} 个病组及累计占比", losses)
        page.fit(sheet, chart, row, 1, COLUMNS, _CHART_ROWS)
        row += _CHART_ROWS + 1
    return row


def _steps(kinds: pd.DataFrame, names: Mapping[str, str]) -> list[Step]:
    """The formula's surplus of each kind of case, what the rules adjust, then the whole.

    payment.md §5: surplus = formula + adjustment.
    """
    column = "formula_fen" if {"formula_fen", "adjustment_fen"} <= set(kinds.columns) else ""
    steps = [
        Step(names.get(str(kind), str(kind)), int(fen) / 100.0)
        for kind, fen in zip(kinds["kind"], kinds[column or "surplus_fen"], strict=True)
        if fen
    ]
    if column:
        steps.append(Step("调整", int(kinds["adjustment_fen"].sum()) / 100.0))
    return [*steps, Step("盈亏合计", int(kinds["surplus_fen"].sum()) / 100.0, whole=True)]


def _ends(departments: pd.DataFrame, count: int) -> list[tuple[str, float]]:
    """The departments that gain most and lose most, falling."""
    frame = departments.sort_values("surplus_fen", ascending=False, kind="stable")
    if len(frame) > 2 * count:
        frame = pd.concat([frame.head(count), frame.tail(count)])
    return [
        (str(name), int(fen) / 100.0)
        for name, fen in zip(_names(frame, "department"), frame["surplus_fen"], strict=True)
    ]


def _losses(drgs: pd.DataFrame, count: int) -> list[tuple[str, float, float]]:
    if drgs.empty:
        return []
    frame = drgs[drgs["surplus_fen"] < 0].sort_values("surplus_fen", kind="stable")
    total = -int(frame["surplus_fen"].sum())
    running = (-frame["surplus_fen"]).cumsum()
    return [
        (str(drg), -int(fen) / 100.0, int(so_far) / total)
        for drg, fen, so_far in zip(
            frame["drg"].head(count), frame["surplus_fen"], running, strict=False
        )
    ]


def _names(frame: pd.DataFrame, key: str) -> list[str]:
    name = f"{key}_name"
    return [str(value) for value in frame[name if name in frame.columns else key]]


def _write_sheet(book: _Book, entry: Sheet, sheet: Worksheet, data: ChartData) -> None:
    painter = book.painter
    note = entry.note.replace("{masking}", _MASKED if book.masked else "")
    page.write_title(sheet, entry.title, note, book.hospital, book.period, painter)
    row, areas = TABLE_ROW, []
    for table in entry.tables:
        frame = book.tables[table.source]
        if table.title:
            put(sheet, row, 1, table.title, painter.look(bold=True, ink="primary", align="left"))
            row += 1
        if frame.empty:
            put(sheet, row, 1, "本月没有此项数据。", painter.look(ink="muted"))
            row += 2
            continue
        area = write_table(sheet, row, table, frame, book.layout, painter, book.whole)
        areas.append(area)
        row = area.end + 3
    only = areas[0] if len(entry.tables) == 1 and areas else None
    page.freeze(sheet, entry.freeze, only)
    repeat = only.head if only else None
    page.set_up(sheet, book.hospital, book.period, entry.tab, painter, repeat=repeat)
    if entry.chart and areas:
        _add_chart(book, entry, sheet, row, data)


def _add_chart(book: _Book, entry: Sheet, sheet: Worksheet, row: int, data: ChartData) -> None:
    """The quadrant below the table, with a link to it beside the note."""
    quadrant = book.layout.quadrant
    if entry.chart == "departments":
        frame, key, title = book.tables["departments"], "department", "科室象限图"
        x_title = f"CMI（竖线为 {book.cmi_cut:.4f}）"
    elif entry.chart == "drgs":
        frame, key, title = book.tables["drgs"], "drg", "病组象限图"
        x_title = f"权重 RW（竖线为 {book.cmi_cut:.4f}）"
    else:
        _add_insurance_chart(book, sheet, row, data)
        return
    bubbles = _bubbles(frame, key, quadrant.unclassed)
    if not bubbles:
        return
    chart = quadrant_chart(
        data,
        f"{title}（气泡大小为出院例数）",
        bubbles,
        quadrant,
        book.cmi_cut,
        x_title=x_title,
        size_cm=page.WIDE_CHART,
    )
    page.place(sheet, chart, f"A{row}", page.WIDE_CHART)
    put(sheet, _TITLE_ROW, 9, f"▼ {title}", book.painter.look(ink="blue", bold=True))
    link(sheet, _TITLE_ROW, 9, entry.name, f"A{row}")


def _add_insurance_chart(book: _Book, sheet: Worksheet, row: int, data: ChartData) -> None:
    frame = book.tables["insurances"]
    shown = [key for key in ("charges_fen", "standard_fen", "paid_fen") if key in frame.columns]
    if frame.empty or not shown:
        return
    chart = columns(
        data,
        "各险种的费用与支付",
        [book.layout.columns[key].heading for key in shown],
        [
            (name, [int(fen) / 100.0 for fen in amounts])
            for name, *amounts in zip(
                _names(frame, "insurance"), *(frame[key] for key in shown), strict=True
            )
        ],
    )
    page.place(sheet, chart, f"A{row}", (24.0, 11.0))


def _bubbles(frame: pd.DataFrame, key: str, unclassed: str) -> list[Bubble]:
    if not {"cmi", "quadrant"} <= set(frame.columns):
        return []
    classed = frame[(frame["quadrant"] != unclassed) & (frame["cases"] > 0)]
    return [
        Bubble(name, float(x), int(y) / 100.0, float(size), str(group))
        for name, x, y, size, group in zip(
            _names(classed, key) if key == "department" else classed[key].astype(str),
            classed["cmi"],
            classed["surplus_per_case_fen"],
            classed["cases"],
            classed["quadrant"],
            strict=True,
        )
    ]
