"""Compared with the hospital itself: departments have causes, the hospital has none."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from desk_report import DEPARTMENTS, desk_report

from drg_engine.decomposition import (
    by_unit,
    causes_of,
    decompose,
    frame_cells,
    gathered,
    hospital_reference,
)
from drg_engine.money import format_fen
from reports.desk import DeskReport, write_desk_workbook
from reports.desk_page import write_desk_page
from reports.layout import Tile
from reports.style import Painter, Style
from reports.summary import _compared


@pytest.fixture(scope="module")
def report() -> DeskReport:
    base = desk_report()
    now = frame_cells(base.desk.frame)
    causes = gathered(decompose(now, hospital_reference(now)))
    return replace(base, causes=causes, against="全院（同样例数）", within=True)


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory, report: DeskReport) -> Any:
    path = tmp_path_factory.mktemp("within") / "书.xlsx"
    write_desk_workbook(report, path)
    return openpyxl.load_workbook(path)


def _texts(sheet: Any) -> list[str]:
    return [str(c) for row in sheet.iter_rows(values_only=True) for c in row if c is not None]


def _titles(sheet: Any) -> list[str]:
    return [
        "".join(run.t for part in chart.title.tx.rich.p for run in part.r or ())
        for chart in sheet._charts
    ]


def test_the_hospitals_own_causes_are_not_shown(book: Any, report: DeskReport) -> None:
    texts = _texts(book["因何增减"])
    assert "按科室" in texts
    assert "按病组" not in texts
    assert "合计" not in texts
    assert "合计" not in _texts(book["科室病组因何"])
    assert any("全院与自己相比没有增减" in text for text in texts)
    change = format_fen(int(report.causes["change_fen"].sum()))
    assert not any(f"盈亏增减 {change} 元" in text for text in _texts(book["概况"]))


def test_charts_and_key_points_are_of_the_largest_losses(book: Any, report: DeskReport) -> None:
    frame = report.desk.frame
    losing = frame.groupby("department")["surplus_fen"].sum().sort_values().index
    names = [DEPARTMENTS[unit] for unit in losing]
    assert _titles(book["因何增减"]) == [f"{name}：盈亏因何增减" for name in names]
    change = by_unit(report.causes).set_index("unit").loc[losing[0], "change_fen"]
    told = [text for text in _texts(book["概况"]) if "盈亏增减" in text]
    assert any(f"{names[0]}盈亏增减 {format_fen(int(change))} 元" in text for text in told)


def test_against_last_month_the_hospital_is_shown(tmp_path: Path) -> None:
    write_desk_workbook(desk_report(), tmp_path / "书.xlsx")
    sheet = openpyxl.load_workbook(tmp_path / "书.xlsx")["因何增减"]
    assert _titles(sheet)[0] == "全院：盈亏因何增减"
    assert len(_titles(sheet)) == 1 + len(DEPARTMENTS)
    assert {"按科室", "按病组", "合计"} <= set(_texts(sheet))


def test_the_page_is_told_and_names_what_has_no_cases(tmp_path: Path, report: DeskReport) -> None:
    names = {**report.names, "drg": {**report.names["drg"], "—": "本科室没有的病组"}}
    causes = report.causes.copy()
    causes.loc[causes["drg"] == "X010", "drg"] = "—"
    write_desk_page(replace(report, causes=causes, names=names), tmp_path / "页.html")
    text = (tmp_path / "页.html").read_text(encoding="utf-8")
    found = re.search(r'id="page-data">(.*?)</script>', text)
    assert found is not None
    data = json.loads(found.group(1))
    assert data["causes"]["within"] is True
    assert data["names"]["drg"]["—"] == "本科室没有的病组"
    rows = report.causes[causes_of(report.causes)]
    assert rows.sum(axis=1).tolist() == report.causes["change_fen"].tolist()


def test_the_charts_data_is_not_printed(book: Any) -> None:
    sheet = book["图表数据"]
    area = str(sheet.print_area).rpartition("!")[2].replace("$", "")
    assert area == "A3"
    assert sheet[area].value is None
    head = next(c for row in sheet.iter_rows() for c in row if c.value == "例数")
    first = sheet.cell(head.row + 1, head.column)
    assert isinstance(first.value, int)
    assert first.number_format.startswith("#,##0;")


def test_long_names_of_groups_are_wrapped(tmp_path: Path, report: DeskReport) -> None:
    long = "源于新生儿诊断的婴儿疾患，伴并发症或合并症，入院时体重低于一千五百克，非首次住院"
    names = {**report.names, "drg": {**report.names["drg"], "X010": long}}
    write_desk_workbook(replace(report, names=names), tmp_path / "书.xlsx")
    sheet = openpyxl.load_workbook(tmp_path / "书.xlsx")["病组"]
    cell = next(c for row in sheet.iter_rows() for c in row if c.value == long)
    assert cell.alignment.wrap_text
    assert sheet.row_dimensions[cell.row].height > 30


@pytest.mark.parametrize(
    ("now", "then", "words"),
    [
        (-532_000_00, 1_000_000_00, "较基准 -153.20"),
        (532_000_00, 1_000_000_00, "较基准 -46.8%"),
        (532_000_00, -1_000_000_00, "基准 -100.00"),
    ],
)
def test_across_zero_there_is_no_per_cent(now: int, then: int, words: str) -> None:
    painter = Painter(openpyxl.Workbook(), Style.load())
    tile = Tile("surplus_fen", "医保盈亏（万元）", "wan")
    value = now / 1e6
    assert _compared(tile, value, [("基准", {"surplus_fen": then})], painter) == words
