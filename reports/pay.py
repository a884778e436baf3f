"""The workbooks of a month's allocation: the finance office's, and each department's own."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
from openpyxl.drawing.image import Image

from drg_engine.pool_parts import POOL_PARTS
from reports import page
from reports.book import Book, Canvas, write_book
from reports.charts import Step, ranking, waterfall
from reports.pay_second_sheet import SecondSheet, draw_second
from reports.summary import COLUMNS

__all__ = [
    "DEPARTMENT_LAYOUT",
    "PAY_LAYOUT",
    "DepartmentPay",
    "PayReport",
    "write_department_workbook",
    "write_pay_workbook",
]

PAY_LAYOUT = Path(__file__).with_name("pay.toml")
DEPARTMENT_LAYOUT = Path(__file__).with_name("pay_department.toml")

Chart = Callable[[Canvas, int], int]

_CHART_ROWS = 18
_ENDS = 8
_PICTURE_WIDTH = 1150
_ROW_PIXELS = 24


@dataclass(frozen=True, slots=True, eq=False)
class PayReport:
    """What the finance office gets.

    tables: by the sources of ``pay.toml``.  figures: of the tiles, by period.  findings: sentences.
    flow: the plan's picture as PNG.  has_last: whether there is a month before to compare with.
    """

    hospital: str
    period: str
    tables: Mapping[str, pd.DataFrame]
    figures: Sequence[tuple[str, Mapping[str, Any]]]
    findings: Sequence[str]
    flow: bytes
    has_last: bool


@dataclass(frozen=True, slots=True, eq=False)
class DepartmentPay:
    """What one department gets: its own rows only, and the sheet to fill in."""

    hospital: str
    period: str
    department: str
    name: str
    tables: Mapping[str, pd.DataFrame]
    figures: Sequence[tuple[str, Mapping[str, Any]]]
    findings: Sequence[str]
    second: SecondSheet
    has_last: bool


def write_pay_workbook(report: PayReport, path: Path) -> None:
    """Write the finance office's workbook (xlsx); the same report gives the same bytes."""
    book = Book(
        report.hospital,
        _month_words(report.period),
        _stamp(report.period),
        report.tables,
        report.figures,
        report.findings,
        _words(report.has_last),
    )
    charts: dict[str, Chart] = {
        "summary": partial(_summary_charts, report),
        "flow": partial(_flow, report.flow),
    }
    write_book(PAY_LAYOUT, book, path, charts=charts)


def write_department_workbook(report: DepartmentPay, path: Path) -> None:
    """Write a department's workbook (xlsx); the same report gives the same bytes."""
    book = Book(
        f"{report.hospital}　{report.department} {report.name}",
        _month_words(report.period),
        _stamp(report.period),
        report.tables,
        report.figures,
        report.findings,
        _words(report.has_last),
    )
    charts: dict[str, Chart] = {"summary": _pool_chart, "second": partial(_second, report.second)}
    write_book(DEPARTMENT_LAYOUT, book, path, charts=charts)


def _stamp(period: str) -> datetime:
    return datetime.strptime(period, "%Y-%m")


def _month_words(period: str) -> str:
    year, month = period.split("-")
    return f"{year} 年 {int(month)} 月"


def _words(has_last: bool) -> dict[str, str]:
    return {
        "last": "" if has_last else "账本中没有上月的运行，不列上月。",
        "shown": "行数很多时只列前 60,000 行，其余用 drg-engine explain 查看。",
    }


def _summary_charts(report: PayReport, canvas: Canvas, top: int) -> int:
    """How the approved money goes, and the departments at both ends of pay per head."""
    totals = canvas.tables["series_totals"]
    steps = [Step("批准总额", int(totals["approved_fen"].sum()) / 100.0, whole=True)]
    for label, key, sign in (
        ("动用基金", "fund_used_fen", 1), ("预留", "reserve_fen", -1),
        ("质量扣留", "withheld_fen", -1), ("主任基金", "department_head_fund_fen", -1),
        ("未知留存", "unknown_fen", -1),
    ):  # fmt: skip
        amount = int(totals[key].sum()) if key in totals else 0
        if amount:
            steps.append(Step(label, sign * amount / 100.0))
    paid = int(canvas.tables["by_series"]["total_fen"].sum())
    steps.append(Step("发放到人", paid / 100.0, whole=True))
    chart = waterfall(canvas.data, "批准的钱到哪里去了", steps)
    half = COLUMNS // 2
    page.fit(canvas.sheet, chart, top, 1, half, _CHART_ROWS)
    table = canvas.tables["by_department"]
    table = table[table["people"] > 0].sort_values("per_head_fen", ascending=False, kind="stable")
    ends = table if len(table) <= 2 * _ENDS else pd.concat([table.head(_ENDS), table.tail(_ENDS)])
    bars = [
        (str(row["department_name"]), int(row["per_head_fen"]) / 100.0)
        for row in ends.to_dict("records")
    ]
    if bars:
        chart = ranking(canvas.data, "科室人均应发：两端的科室", bars)
        page.fit(canvas.sheet, chart, top, half + 1, COLUMNS, _CHART_ROWS)
    return top + _CHART_ROWS + 1


def _pool_chart(canvas: Canvas, top: int) -> int:
    """How the department's money comes about, all its series together."""
    pools = canvas.tables["department_pools"]
    if pools.empty:
        return top
    steps = [
        Step(label, sign * int(pools[key].sum()) / 100.0)
        for label, key, sign in POOL_PARTS
        if int(pools[key].sum())
    ]
    steps.append(Step("科室奖金", int(pools["pool_fen"].sum()) / 100.0, whole=True))
    chart = waterfall(canvas.data, "科室奖金怎样得出", steps)
    page.fit(canvas.sheet, chart, top, 1, COLUMNS, _CHART_ROWS)
    return top + _CHART_ROWS + 1


def _second(second: SecondSheet, canvas: Canvas, top: int) -> int:
    return draw_second(second, canvas.sheet, canvas.painter, top)


class _Picture(Image):
    """A PNG that is put into a sheet as it is, without an image library."""

    def __init__(self, data: bytes, width: int) -> None:
        wide, high = struct.unpack(">II", data[16:24])
        self.ref = io.BytesIO(data)
        self._bytes = data
        self.width, self.height = width, round(high * width / wide)
        self.format = "png"

    def _data(self) -> bytes:
        return self._bytes


def _flow(png: bytes, canvas: Canvas, top: int) -> int:
    """The plan's picture above its rows."""
    if not png:
        return top
    picture = _Picture(png, _PICTURE_WIDTH)
    canvas.sheet.add_image(picture, f"A{top}")
    return top + picture.height // _ROW_PIXELS + 2
