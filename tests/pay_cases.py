"""A small month with everything that people receive, for the tests of what is given out."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import pytest
from ledger_cases import PERIOD, WANG, make_small

from drg_engine.month_run import record_month
from drg_engine.pay_command import write_pay

__all__ = [
    "BEFORE",
    "PERIOD",
    "amounts",
    "copy_of",
    "fill",
    "make_two_months",
    "second_of",
    "two_months",
]

BEFORE = "2026-09"
SHEET = "二次分配"


def make_two_months(folder: Path) -> Path:
    """The small hospital with two months, both run; the first has other single items."""
    make_small(folder, BEFORE, PERIOD)
    for period in (BEFORE, PERIOD):  # ids that are no cell's address
        cases = folder / "inputs" / period / "cases.csv"
        text = cases.read_text(encoding="utf-8-sig")
        text = text.replace("A1,", "ZY20260001,").replace("A2,", "ZY20260002,")
        cases.write_text(text, encoding="utf-8-sig")
    items = folder / "inputs" / BEFORE / "single_items.csv"
    items.write_text("科室编码,工号,事项,金额\nD101,100001,新技术奖,500\n", encoding="utf-8-sig")
    record_month(folder, BEFORE, signature=WANG)
    record_month(folder, PERIOD, signature=WANG)
    return folder


def two_months(factory: pytest.TempPathFactory, name: str) -> tuple[Path, Path]:
    """A copy of the small hospital, and what was given out of its second month; made once."""
    base = factory.getbasetemp() / "pay-two-months"
    if not base.exists():
        write_pay(make_two_months(base / "医院"), PERIOD, base / "out")
    made = factory.mktemp(name)
    return copy_of(base / "医院", made / "医院"), copy_of(base / "out", made / "out")


def heading_row(sheet: object) -> int:
    return next(r for r in range(1, 60) if sheet.cell(r, 2).value == "工号")  # type: ignore[attr-defined]


def fill(source: Path, target: Path, changes: dict[tuple[int, int], object]) -> Path:
    """A department's workbook as its head hands it back.

    changes: by (row below the heading from 1, column) what is typed there.
    """
    import openpyxl

    book = openpyxl.load_workbook(source)
    sheet = book[SHEET]
    top = heading_row(sheet)
    for (row, column), value in changes.items():
        sheet.cell(top + row, column).value = value
    book.save(target)
    return target


def amounts(source: Path) -> list[tuple[str, str, float]]:
    """Id, series and amount of each row of the sheet to fill in."""
    import openpyxl

    sheet = openpyxl.load_workbook(source)[SHEET]
    rows, at = [], heading_row(sheet) + 1
    while sheet.cell(at, 2).value:
        rows.append((sheet.cell(at, 2).value, sheet.cell(at, 4).value, sheet.cell(at, 9).value))
        at += 1
    return rows


def second_of(folder: Path, department: str, period: str = PERIOD) -> list[dict[str, str]]:
    """A stored second allocation as it stands in the file."""
    path = folder / "inputs" / period / "second" / f"{department}.csv"
    with path.open(encoding="utf-8-sig", newline="") as stream:
        return list(csv.DictReader(stream))


def copy_of(folder: Path, target: Path) -> Path:
    return Path(shutil.copytree(folder, target))
