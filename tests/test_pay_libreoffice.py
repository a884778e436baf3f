"""LibreOffice opens what people receive, works out its sums, and hands the sheet back intact."""

from __future__ import annotations

import warnings
from pathlib import Path

import openpyxl
import pytest
from pay_cases import PERIOD, fill, two_months
from test_reports_libreoffice import convert, values

from drg_engine.month import compute_month
from drg_engine.pay_handed import read_second
from drg_engine.pay_second import first_shares
from drg_engine.workspace import open_workspace

pytestmark = pytest.mark.program("soffice")


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return two_months(tmp_path_factory, "office")[1]


def office_values(path: Path) -> dict[tuple[str, str], object]:
    """Values, those of formulas as LibreOffice worked them out."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "(Unknown|Conditional Formatting) extension")
        book = openpyxl.load_workbook(path, data_only=True)
    return {
        (sheet.title, cell.coordinate): cell.value
        for sheet in book
        for row in sheet.iter_rows()
        for cell in row
        if cell.value is not None
    }


def test_values_survive(out: Path, tmp_path: Path) -> None:
    for source in (out / f"绩效分配-{PERIOD}.xlsx", out / f"工资条-{PERIOD}.xlsx"):
        before, after = values(source), values(convert(source, "xlsx", tmp_path))
        assert set(after) == set(before)
        for place, value in before.items():
            if isinstance(value, float):
                assert after[place] == pytest.approx(value, rel=1e-14, abs=0), place
            else:
                assert after[place] == value, place


def test_the_second_sheet_sums_and_comes_back(out: Path, tmp_path: Path) -> None:
    source = next((out / "科室").glob("科室-D101-*.xlsx"))
    changed = fill(source, tmp_path / "交回.xlsx", {(1, 9): 10547.53 - 100, (2, 9): 6392.45 + 100})
    uneven = fill(source, tmp_path / "不平.xlsx", {(1, 9): 10547.53 - 100})
    back = convert(changed, "xlsx", tmp_path / "office")
    shown = office_values(back)
    verdicts = [v for (sheet, _), v in shown.items() if sheet == "二次分配" and v in ("平", "不平")]
    assert verdicts == ["平", "平"]
    shown = office_values(convert(uneven, "xlsx", tmp_path / "office"))
    texts = [v for (sheet, _), v in shown.items() if sheet == "二次分配" and v in ("平", "不平")]
    assert texts == ["不平", "平"]
    assert 100.0 in [v for (sheet, _), v in shown.items() if sheet == "二次分配"]
    month = compute_month(open_workspace(out.parent / "医院"), PERIOD, lambda _: None)
    assert month.allocation is not None
    first = first_shares(month.allocation.staff_pay)
    known = {str(name): frame for name, frame in first.groupby("department")}
    rows, faults = read_second(back, PERIOD, known)
    assert faults == []
    assert rows is not None
    assert rows.frame["second_fen"].tolist() == [1044753, 649245, 619515, 538165]
