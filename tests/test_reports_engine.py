"""The workbook shows what payment and allocation really give, under headings of its own."""

from __future__ import annotations

import re

import openpyxl
from test_allocation_hospital import run_small
from test_payment import example
from test_surplus import small_month

from drg_engine.payment import settle
from drg_engine.surplus import MEASURES, rollup
from reports import MonthReport, ReportMeta, write_month_workbook
from reports.layout import MONTH_LAYOUT, Layout
from reports.style import Style

LAYOUT = Layout.load(MONTH_LAYOUT, Style.load())
# Counted in other columns, or shown as a share.
NOT_SHOWN = {"rw2", "cost_cases"}


def month(folder):
    settlement = settle(small_month(), example())
    paid = run_small(folder)
    return MonthReport(
        meta=ReportMeta("示范医院", "2026-10"),
        hospital=rollup(settlement),
        departments=rollup(settlement, ["department"]),
        drgs=rollup(settlement, ["drg"]),
        doctors=rollup(settlement, ["department", "doctor"]),
        insurances=rollup(settlement, ["insurance"]),
        kinds=rollup(settlement, ["kind"]),
        cases=settlement.to_frame(),
        department_pools=paid.department_pools,
        staff_pay=paid.staff_pay,
        series_totals=paid.series_totals,
        control_totals=paid.control_totals,
        findings=paid.findings,
        exceptions=paid.exceptions,
    )


def cells(sheet):
    return [cell.value for row in sheet.iter_rows() for cell in row if cell.value is not None]


def test_every_measure_has_a_heading():
    missing = set(MEASURES) - set(LAYOUT.columns) - NOT_SHOWN
    assert not missing


def test_a_month_of_the_engine(tmp_path):
    report = month(tmp_path / "small")
    path = tmp_path / "month.xlsx"
    write_month_workbook(report, path)
    book = openpyxl.load_workbook(path)
    verdicts = [value for value in cells(book["核对"]) if value in ("一致", "不一致")]
    assert len(verdicts) > 20
    assert set(verdicts) == {"一致"}
    for name in ("科室盈亏", "病组", "医生", "病例", "科室奖金池", "人员发放", "异常"):
        # Headings are words; no key of the engine shows through.
        assert not [v for v in cells(book[name]) if re.fullmatch(r"[a-z]+(_[a-z0-9]+)+", str(v))]
    pay = cells(book["人员发放"])
    assert report.staff_pay["total_fen"].sum() / 100 in pay
    assert set(report.staff_pay["name"]) <= set(pay)
    assert set(report.department_pools["words"]) <= set(cells(book["科室奖金池"]))
