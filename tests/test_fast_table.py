"""Bodies of tables written as XML: what a reader of workbooks finds is what was put in."""

from __future__ import annotations

import datetime as dt
import zipfile
from pathlib import Path

import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl import Workbook
from python_calamine import CalamineWorkbook

from drg_engine.workbook_bytes import save_same_bytes
from reports.fast_table import BodyColumn
from reports.grid import put
from reports.style import Painter, Style

STAMP = dt.datetime(2026, 10, 1)


@pytest.fixture(scope="module")
def style() -> Style:
    return Style.load()


def written(
    path: Path,
    style: Style,
    columns: list[list[object]],
    *,
    first: int = 2,
    looks: list[dict[str, object]] | None = None,
    heights: dict[int, float] | None = None,
) -> Workbook:
    book = Workbook()
    painter = Painter(book, style)
    sheet = book.active
    assert sheet is not None
    put(sheet, 1, 1, "头", painter.look(bold=True))
    put(sheet, first + len(columns[0]) + 1, 1, "尾", painter.look(bold=True))
    made = [
        BodyColumn(values, painter.look("code"), (looks or [{}] * len(columns))[at])  # type: ignore[arg-type]
        for at, values in enumerate(columns)
    ]
    painter.rows.add(sheet, first, made, heights)
    save_same_bytes(book, path, STAMP, painter.rows.entries())
    return book


def test_every_kind_of_value(tmp_path: Path, style: Style) -> None:
    columns: list[list[object]] = [
        ["甲<乙>&\"'", None, " 前后有空格 ", "两\n行", "=1+1"],
        [1, None, -3, 2**53, 0],
        [0.1, 123456789012.34, None, -1e-7, 1e16],
        [dt.date(2026, 10, 1), None, dt.date(1999, 12, 31), dt.date(2026, 2, 28), None],
        [None, None, None, None, None],
    ]
    path = tmp_path / "a.xlsx"
    written(path, style, columns, first=3, heights={4: 40.0})
    sheet = openpyxl.load_workbook(path)["Sheet"]
    found = [[sheet.cell(row, at).value for row in range(3, 8)] for at in range(1, 6)]
    assert found[:3] == columns[:3]
    days = [
        None if day is None else (dt.date(1899, 12, 30) + dt.timedelta(day)) for day in found[3]
    ]
    assert days == columns[3]
    assert found[4] == columns[4]
    assert (sheet["A1"].value, sheet["A9"].value) == ("头", "尾")
    assert all(cell.data_type != "f" for row in sheet for cell in row)
    assert sheet.row_dimensions[4].height == 40.0
    assert sheet.row_dimensions[3].height is None
    assert sheet.dimensions == "A1:E9"
    rows = CalamineWorkbook.from_path(path).get_sheet_by_name("Sheet").to_python()
    assert [row[1] for row in rows[2:7]] == [1.0, "", -3.0, float(2**53), 0.0]


def test_looks_by_text(tmp_path: Path, style: Style) -> None:
    book = Workbook()
    painter = Painter(book, style)
    sheet = book.active
    assert sheet is not None
    marked = painter.look("badge", fill="loss_light", ink="loss", bold=True)
    column = BodyColumn(["低", "高", None, "低"], painter.look("text"), {"低": marked})
    painter.rows.add(sheet, 1, [column])
    save_same_bytes(book, tmp_path / "a.xlsx", STAMP, painter.rows.entries())
    cells = [cell for (cell,) in openpyxl.load_workbook(tmp_path / "a.xlsx").active["A1:A4"]]
    assert [cell.font.b for cell in cells] == [True, False, False, True]
    assert cells[0].fill.fgColor.rgb.endswith(style.colour["loss_light"])


def test_blocks_stand_in_the_order_of_rows(tmp_path: Path, style: Style) -> None:
    book = Workbook()
    painter = Painter(book, style)
    sheet = book.active
    assert sheet is not None
    look = painter.look()
    put(sheet, 3, 1, "中", look)
    painter.rows.add(sheet, 4, [BodyColumn(["丁", "戊"], look)])
    painter.rows.add(sheet, 1, [BodyColumn(["甲", "乙"], look)])
    painter.rows.add(sheet, 9, [BodyColumn([], look)])
    save_same_bytes(book, tmp_path / "a.xlsx", STAMP, painter.rows.entries())
    with zipfile.ZipFile(tmp_path / "a.xlsx") as archive:
        text = archive.read("xl/worksheets/sheet1.xml").decode()
    assert [text.index(word) for word in "甲乙"] == sorted(text.index(word) for word in "甲乙")
    found = openpyxl.load_workbook(tmp_path / "a.xlsx").active
    assert [found.cell(row, 1).value for row in range(1, 6)] == ["甲", "乙", "中", "丁", "戊"]
    assert text.index("丁") > text.index('<row r="3"') > text.index("乙")


_TEXTS = st.text(
    st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="\ufffe\uffff"), max_size=20
)


@settings(max_examples=25)
@given(st.lists(st.one_of(st.none(), _TEXTS.filter(bool)), min_size=1, max_size=20))
def test_any_text_is_read_back(tmp_path_factory, style: Style, texts: list[str | None]) -> None:
    path = tmp_path_factory.mktemp("t") / "a.xlsx"
    written(path, style, [list(texts)])
    sheet = openpyxl.load_workbook(path)["Sheet"]
    assert [sheet.cell(row, 1).value for row in range(2, 2 + len(texts))] == texts


def test_many_rows_are_joined_without_a_seam(tmp_path: Path, style: Style, monkeypatch) -> None:
    monkeypatch.setattr("reports.fast_table._BATCH", 7)
    numbers = list(range(23))
    written(tmp_path / "a.xlsx", style, [numbers, [str(n) for n in numbers]])
    sheet = openpyxl.load_workbook(tmp_path / "a.xlsx")["Sheet"]
    assert [sheet.cell(row, 1).value for row in range(2, 25)] == numbers
    assert [sheet.cell(row, 2).value for row in range(2, 25)] == [str(n) for n in numbers]
