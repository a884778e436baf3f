"""The insurance office's workbook: indicators, departments, DRGs, doctors, causes of a change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from drg_engine.decomposition import by_drg, by_unit, causes_of
from drg_engine.desk_edition import UNCOMPARED
from drg_engine.desk_frame import DeskMonth
from drg_engine.desk_tables import Desk, per_case_fen
from drg_engine.money import format_fen
from reports import page
from reports.book import Book, Canvas, write_book
from reports.charts import Step, lines, pareto, waterfall
from reports.derive import with_derived
from reports.layout import Column, Layout
from reports.quadrant import Bubble, quadrant_chart
from reports.style import Style
from reports.summary import COLUMNS

__all__ = ["DESK_LAYOUT", "DeskReport", "cause_titles", "desk_book_tables", "write_desk_workbook"]

DESK_LAYOUT = Path(__file__).with_name("desk.toml")

_CHART_ROWS = 18
_BIG_ROWS = 26
_SHOWN = 14
_CHARTED = 3
_NOTHING = "没有可参照的期间。"
_WITHIN = "全院与自己相比没有增减（只剩尾差），故只列各科室，不列全院的因何增减。"
_CAUSES = ("causes", "causes_departments", "causes_drgs")
_REFERRED = frozenset(
    ("reference_charges", "over_reference", "reference_days", "cost_index", "time_index")
)


@dataclass(frozen=True, slots=True, eq=False)
class DeskReport:
    """What the insurance office gets of some months.

    period: in words.  causes: drg_engine.decomposition.decompose by department and DRG (empty where
    there is nothing to compare with); against: what with, in words.  names: code to name for
    department, doctor, drg and insurance.  made_from: section, name, content.
    months: as they were read, for the path of a case.  within: what it is compared with is the
    hospital itself, so that the departments' changes come to nothing but roundings.
    """

    hospital: str
    period: str
    stamp: datetime
    desk: Desk
    causes: pd.DataFrame
    against: str
    names: Mapping[str, Mapping[str, str]]
    made_from: pd.DataFrame
    months: Sequence[DeskMonth] = field(default_factory=tuple)
    within: bool = False

    @property
    def against_words(self) -> str:
        """What it is compared with as a sentence of the sheets' notes."""
        if self.causes.empty:
            return f"{UNCOMPARED}。" if self.uncompared else _NOTHING
        return f"参照：{self.against}。{_WITHIN if self.within else ''}"

    @property
    def uncompared(self) -> bool:
        """Whether it is a department's edition that has nothing it may be compared with."""
        return self.causes.empty and self.desk.reference.source == UNCOMPARED

    @property
    def aside(self) -> frozenset[str]:
        """Columns that say nothing, as there are no means to compare with."""
        return _REFERRED if self.desk.reference.table.empty else frozenset()


def write_desk_workbook(report: DeskReport, path: Path, *, show_ids: bool = False) -> None:
    """Write the workbook (xlsx) at ``path``; the same report gives the same bytes."""
    layout = Layout.load(DESK_LAYOUT, Style.load())
    header = report.desk.tables["header"]
    figures = [
        (str(row["label"]), {str(k): v for k, v in row.items() if not pd.isna(v)})
        for row in header.to_dict("records")
    ]
    book = Book(
        report.hospital,
        report.period,
        report.stamp,
        desk_book_tables(report, layout),
        figures,
        _findings(report),
        {"against": report.against_words, "reference": report.desk.reference.source},
        frozenset(_CAUSES) if report.within else frozenset(),
    )
    charts = {
        "summary": partial(_summary_charts, report),
        "departments": partial(_department_chart, report),
        "drgs": partial(_drg_charts, report),
        "causes": partial(_cause_chart, report),
    }
    write_book(DESK_LAYOUT, book, path, show_ids=show_ids, charts=charts)


def desk_book_tables(report: DeskReport, layout: Layout) -> dict[str, pd.DataFrame]:
    """The tables as the workbook shows them: names joined, classes of the quadrant, in order."""
    cut = report.desk.cmi_cut
    tables = {name: _named(frame, report.names) for name, frame in report.desk.tables.items()}
    for name in ("departments", "drgs"):
        table = tables[name].assign(surplus_per_case_fen=per_case_fen(tables[name]))
        tables[name] = with_derived(table, layout.quadrant, cut).sort_values(
            "surplus_fen", kind="stable", ignore_index=True
        )
    for name in ("doctors", "doctor_groups"):
        tables[name] = tables[name].sort_values("surplus_fen", kind="stable", ignore_index=True)
        tables[name]["few"] = tables[name]["few"].astype(str)
    for name in ("drgs", "drg_doctors"):
        tables[name] = tables[name].assign(few=tables[name]["few"].astype(str))
    tables["fees"] = tables["fees"].rename(columns={"title": "fee_title"})
    if tables["months"].shape[0] < 2:
        tables["months"] = tables["months"].iloc[:0]
    causes = report.causes.rename(columns={"unit": "department"})
    tables |= {"causes": causes, "causes_departments": causes, "causes_drgs": causes}
    if not causes.empty:
        departments = by_unit(report.causes).rename(columns={"unit": "department"})
        tables["causes_departments"] = departments
        drgs = by_drg(report.causes)
        tables["causes_drgs"] = drgs.iloc[:0] if report.within else drgs
    for name in _CAUSES:
        table = _named(tables[name], report.names)
        if not table.empty:
            table = table.sort_values("change_fen", kind="stable", ignore_index=True)
        tables[name] = table
    if report.aside:
        kept = report.aside
        tables = {n: t.drop(columns=[c for c in t.columns if c in kept]) for n, t in tables.items()}
    return tables | {"made_from": report.made_from}


def _named(frame: pd.DataFrame, names: Mapping[str, Mapping[str, str]]) -> pd.DataFrame:
    found = {}
    for name, words in names.items():
        if name in frame.columns and f"{name}_name" not in frame.columns:
            found[f"{name}_name"] = [words.get(str(code), str(code)) for code in frame[name]]
    return frame.assign(**found)


def cause_titles(layout: Layout, causes: pd.DataFrame) -> list[tuple[str, str]]:
    """The causes' columns and their names, in the order of the table."""
    columns: Mapping[str, Column] = layout.columns
    told = []
    for name in causes_of(causes):
        column = columns.get(name)
        told.append((name, name if column is None else column.heading))
    return told


def _findings(report: DeskReport) -> list[str]:
    """The months in sentences: the result, who loses and gains most, and why."""
    tables, names = report.desk.tables, report.names
    whole = tables["header"].iloc[0]
    word = "盈余" if whole["surplus_fen"] >= 0 else "亏损"
    said = [
        f"出院 {whole['cases']:,} 例，总费用 {format_fen(whole['charges_fen'])} 元，应得支付 "
        f"{format_fen(whole['paid_fen'])} 元，{word} {format_fen(abs(whole['surplus_fen']))} 元。"
    ]
    said += [
        text
        for table, key, title in (("departments", "department", "科室"), ("drgs", "drg", "病组"))
        if (text := _extremes(tables[table], key, title, names.get(key, {})))
    ]
    return said + _told_change(report)


def _told_change(report: DeskReport) -> list[str]:
    """What the change is made of; of the department that loses most where the hospital has none."""
    if report.causes.empty:
        return [f"{UNCOMPARED}。"] if report.uncompared else []
    name, causes = _told_causes(report)
    sums = causes[causes_of(causes)].sum()
    layout = Layout.load(DESK_LAYOUT, Style.load())
    titles = dict(cause_titles(layout, causes))
    order = sums.abs().sort_values(ascending=False, kind="stable").index[:3]
    parts = "，".join(
        f"{titles[cause]} {'+' if sums[cause] > 0 else ''}{format_fen(int(sums[cause]))}"
        for cause in order
        if sums[cause]
    )
    change = format_fen(int(causes["change_fen"].sum()))
    told = f"对{report.against}，{name}盈亏增减 {change} 元" + (
        f"：{parts} 元。" if parts else "。"
    )
    return [told + (_WITHIN if report.within else "")]


def _extremes(table: pd.DataFrame, key: str, title: str, names: Mapping[str, str]) -> str:
    kept = table[table[key] != ""].sort_values("surplus_fen", kind="stable")
    if len(kept) < 2:
        return ""
    worst, best = kept.iloc[0], kept.iloc[-1]

    def told(row: pd.Series[Any]) -> str:
        return f"{names.get(row[key], row[key])} {format_fen(row['surplus_fen'])} 元"

    return f"{title}：亏损最多 {told(worst)}；盈余最多 {told(best)}。"


def _summary_charts(report: DeskReport, canvas: Canvas, top: int) -> int:
    row, half = top, COLUMNS // 2
    name, causes = _told_causes(report)
    steps = _steps(report, canvas.layout, causes)
    if steps:
        chart = waterfall(canvas.data, f"{name}盈亏因何增减（对{report.against}）", steps)
        page.fit(canvas.sheet, chart, row, 1, half, _CHART_ROWS)
    losses = _losses(canvas)
    if losses:
        chart = pareto(canvas.data, f"亏损最多的 {len(losses)} 个病组", losses)
        left = half + 1 if steps else 1
        page.fit(canvas.sheet, chart, row, left, COLUMNS, _CHART_ROWS)
    if steps or losses:
        row += _CHART_ROWS + 1
    months = report.desk.tables["months"]
    if len(months) > 1:
        points = [
            (str(one["period"]), [one[f"{n}_fen"] / 100.0 for n in ("charges", "paid", "surplus")])
            for one in months.to_dict("records")
        ]
        trend = lines(
            canvas.data, "各月总费用、应得支付与盈亏", ("总费用", "应得支付", "盈亏"), points
        )
        page.fit(canvas.sheet, trend, row, 1, COLUMNS, _CHART_ROWS)
        row += _CHART_ROWS + 1
    return row


def _told_causes(report: DeskReport) -> tuple[str, pd.DataFrame]:
    """Whose causes the first sheet shows, by name ('' all cases).

    Against the hospital itself it is the department that loses most.
    """
    causes = report.causes
    if causes.empty or not report.within:
        return "", causes
    worst = _losing(causes)[0]
    return report.names.get("department", {}).get(worst, worst), causes[causes["unit"] == worst]


def _losing(causes: pd.DataFrame) -> list[str]:
    """Departments from the largest loss on; who has none comes last."""
    units = by_unit(causes).sort_values("surplus_fen", kind="stable")["unit"]
    return [str(unit) for unit in units if unit] or [str(unit) for unit in units]


def _steps(report: DeskReport, layout: Layout, causes: pd.DataFrame) -> list[Step]:
    """From the reference's surplus over the causes to the surplus."""
    if causes.empty:
        return []
    sums = causes[[*causes_of(causes), "reference_fen", "surplus_fen"]].sum()
    steps = [Step("参照", int(sums["reference_fen"]) / 100.0, whole=True)]
    steps += [
        Step(title, int(sums[name]) / 100.0)
        for name, title in cause_titles(layout, causes)
        if sums[name]
    ]
    return [*steps, Step("本期", int(sums["surplus_fen"]) / 100.0, whole=True)]


def _losses(canvas: Canvas) -> list[tuple[str, float, float]]:
    table = canvas.tables["drgs"]
    losing = table[table["surplus_fen"] < 0].head(canvas.layout.charts.pareto_bars)
    running = np.cumsum(losing["loss_share"].to_numpy(dtype=np.float64))
    return [
        (str(drg), -int(fen) / 100.0, float(share))
        for drg, fen, share in zip(losing["drg"], losing["surplus_fen"], running, strict=True)
    ]


def _bubbles(table: pd.DataFrame, key: str) -> list[Bubble]:
    kept = table[(table["cmi"] > 0) & table["quadrant"].notna()]
    return [
        Bubble(
            str(row[key]), float(row["cmi"]), int(row["surplus_per_case_fen"]) / 100.0,
            float(row["cases"]), str(row["quadrant"]),
        )
        for row in kept.to_dict("records")
    ]  # fmt: skip


def _quadrant(report: DeskReport, canvas: Canvas, top: int, key: str, title: str) -> int:
    source = {"department_name": "departments", "drg": "drgs"}[key]
    bubbles = _bubbles(canvas.tables[source], key)
    if not bubbles:
        return top
    words = canvas.layout.quadrant
    chart = quadrant_chart(canvas.data, title, bubbles, words, report.desk.cmi_cut, x_title="CMI")
    page.fit(canvas.sheet, chart, top, 1, _SHOWN, _BIG_ROWS)
    return top + _BIG_ROWS + 1


def _department_chart(report: DeskReport, canvas: Canvas, top: int) -> int:
    return _quadrant(report, canvas, top, "department_name", "科室象限：CMI 与例均盈亏")


def _drg_charts(report: DeskReport, canvas: Canvas, top: int) -> int:
    row = _quadrant(report, canvas, top, "drg", "病组象限：权重与例均盈亏")
    losses = _losses(canvas)
    if losses:
        chart = pareto(canvas.data, "亏损病组及累计占比", losses)
        page.fit(canvas.sheet, chart, row, 1, _SHOWN, _CHART_ROWS)
        row += _CHART_ROWS + 1
    return row


def _cause_chart(report: DeskReport, canvas: Canvas, top: int) -> int:
    """The hospital's waterfall, then those of the departments with the largest losses.

    The hospital has none against itself, and a department alone only its own.
    """
    causes, row = report.causes, top
    if causes.empty:
        return row
    names = report.names.get("department", {})
    losing = _losing(causes)[:_CHARTED]
    alone = causes["unit"].nunique() == 1
    shown = [] if report.within or alone else [("全院", causes)]
    shown += [(names.get(unit, unit), causes[causes["unit"] == unit]) for unit in losing]
    for place, (name, part) in enumerate(shown):
        steps = _steps(report, canvas.layout, part)
        chart = waterfall(canvas.data, f"{name}：盈亏因何增减", steps)
        left, right = ((1, 7), (8, 14))[place % 2]
        at = row + place // 2 * _CHART_ROWS
        page.fit(canvas.sheet, chart, at, left, right, _CHART_ROWS - 1)
    return row + (len(shown) + 1) // 2 * _CHART_ROWS
