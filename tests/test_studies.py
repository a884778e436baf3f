"""Sweep, break-even, neutral rate and resampling as files: figures, charts, same bytes."""

from __future__ import annotations

import csv
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path

import openpyxl
import pyarrow.parquet as pq
import pytest
import typer
from browser import Browser, browser
from typer.testing import CliRunner

from drg_engine.cli_simulate import register
from drg_engine.errors import InputError

MONTH = "2026-10"
SCENARIO = """[scenario]
title = "费率与权重"
author = "医保办"
source = "测算"
[factors]
rates = 0.97
[weights]
scale = 1.02
[changes]
low.bound = 0.45
"""


@pytest.fixture(scope="module")
def app() -> typer.Typer:
    made = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)
    register(made)
    return made


@pytest.fixture(scope="module")
def scenario(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("情景") / "情景.toml"
    path.write_text(SCENARIO, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def hospital(tmp_path_factory: pytest.TempPathFactory, demo_hospital: Path) -> Path:
    """A part of the demonstration hospital's month, so that forty ways to pay it take no time."""
    folder = tmp_path_factory.mktemp("医院")
    place = folder / "inputs" / MONTH
    place.mkdir(parents=True)
    lines = (demo_hospital / "inputs" / MONTH / "cases.csv").read_text("utf-8-sig").splitlines()
    (place / "cases.csv").write_text("\n".join(lines[:500]) + "\n", encoding="utf-8")
    shutil.copytree(demo_hospital / "tables", folder / "tables")
    shutil.copy(demo_hospital / "hospital.toml", folder)
    return folder


@pytest.fixture(scope="module")
def studies(hospital: Path, scenario: Path) -> dict[str, list[str]]:
    """The commands' words by name; a file name and ``--out`` are to be added."""
    start = [str(hospital), MONTH]
    return {
        "line": ["sweep", *start, "low.bound=0.3:0.5:0.1"],
        "sides": ["sweep", *start, 'low.mode="standard","as_charged"'],
        "grid": ["sweep", *start, "low.bound=0.3:0.4:0.1", "factors.rates=0.9:1.1:0.1"],
        "turns": ["breakeven", *start],
        "neutral": ["neutral", *start, str(scenario)],
        "draws": ["montecarlo", *start, str(scenario), "--seed", "7", "--draws", "40"],
    }


@pytest.fixture(scope="module")
def files(
    tmp_path_factory: pytest.TempPathFactory, app: typer.Typer, studies: dict[str, list[str]]
) -> Path:
    folder = tmp_path_factory.mktemp("studies")
    for name, words in studies.items():
        for suffix in ("xlsx", "html", "csv"):
            said(app, *words, "--out", str(folder / f"{name}.{suffix}"))
    return folder


def said(app: typer.Typer, *words: str) -> str:
    done = CliRunner().invoke(app, [*words], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as stream:
        return list(csv.DictReader(stream))


def sheet_rows(path: Path, name: str, key: str) -> list[dict[str, object]]:
    """The rows below the heading that begins with ``key``."""
    rows = list(openpyxl.load_workbook(path)[name].iter_rows(values_only=True))
    head = next(at for at, row in enumerate(rows) if row[0] == key)
    found = [dict(zip(rows[head], row, strict=True)) for row in rows[head + 1 :]]
    return [row for row in found if row[key] is not None and row[key] != "合计"]


@pytest.mark.parametrize(
    ("name", "sheets", "charts"),
    [
        ("line", ["扫描", "编制依据", "图表数据"], 1),
        ("sides", ["扫描", "编制依据", "图表数据"], 1),
        ("grid", ["扫描", "支付增减", "编制依据"], 0),
        ("turns", ["平衡点", "编制依据", "图表数据"], 1),
        ("neutral", ["持平费率", "编制依据", "图表数据"], 1),
        ("draws", ["区间", "科室", "分布", "编制依据", "图表数据"], 2),
    ],
)
def test_workbooks_have_their_sheets_and_charts(
    files: Path, name: str, sheets: list[str], charts: int
) -> None:
    path = files / f"{name}.xlsx"
    book = openpyxl.load_workbook(path)
    assert book.sheetnames == sheets
    with zipfile.ZipFile(path) as archive:
        assert sum("charts/chart" in entry for entry in archive.namelist()) == charts
    facts = {(row[0], row[1]): row[2] for row in book["编制依据"].iter_rows(values_only=True)}
    assert ("分组方案", "指纹") in facts
    assert ("基准政策", "指纹") in facts
    assert len(str(facts["输入文件", "inputs/2026-10/cases.csv"])) == 64
    if name == "draws":
        assert facts["程序", "随机种子"] == "7"
        assert facts["程序", "重抽次数"] == "40"


def test_a_workbook_has_the_figures_of_the_table(files: Path) -> None:
    for name, sheet, key, column in (
        ("line", "扫描", "low.bound", "支付"),
        ("turns", "平衡点", "DRG 编码", "平衡费用"),
        ("draws", "区间", "口径", "下限"),
    ):
        rows = sheet_rows(files / f"{name}.xlsx", sheet, key)
        plain = rows_of(files / f"{name}.csv")
        assert len(rows) == len(plain) > 0
        assert [f"{row[column]:.2f}" for row in rows] == [row[column] for row in plain]


def test_the_grid_is_the_sweep_crossed(files: Path) -> None:
    grid = sheet_rows(files / "grid.xlsx", "支付增减", "low.bound ＼ factors.rates")
    crossed = {
        (str(row["low.bound ＼ factors.rates"]), rate): amount
        for row in grid
        for rate, amount in row.items()
        if rate in ("0.9", "1.0", "1.1")
    }
    plain = rows_of(files / "grid.csv")
    assert len(plain) == len(crossed) == 6
    for row in plain:
        amount = crossed[row["low.bound"], f"{float(row['factors.rates']):.1f}"]
        assert f"{amount:.2f}" == row["支付增减"]


def test_draws_are_all_counted(files: Path) -> None:
    spread = sheet_rows(files / "draws.xlsx", "分布", "自")
    assert sum(int(str(row["次数"])) for row in spread) == 40


def test_the_same_command_gives_the_same_bytes(
    tmp_path: Path, app: typer.Typer, studies: dict[str, list[str]], files: Path
) -> None:
    for name in ("draws", "turns"):
        for suffix in ("xlsx", "html"):
            path = tmp_path / f"{name}.{suffix}"
            said(app, *studies[name], "--out", str(path))
            assert path.read_bytes() == (files / path.name).read_bytes(), path.name


def test_parquet_holds_exact_amounts(
    tmp_path: Path, app: typer.Typer, studies: dict[str, list[str]], files: Path
) -> None:
    path = tmp_path / "turns.parquet"
    said(app, *studies["turns"], "--out", str(path))
    table = pq.read_table(path)
    plain = rows_of(files / "turns.csv")
    assert [f"{amount:.2f}" for amount in table["平衡费用"].to_pylist()] == [
        row["平衡费用"] for row in plain
    ]


def test_an_ending_that_cannot_be_written_is_told_first(
    tmp_path: Path, app: typer.Typer, studies: dict[str, list[str]]
) -> None:
    for words in studies.values():
        with pytest.raises(InputError, match="不能写成这种文件"):
            CliRunner().invoke(
                app, [*words, "--out", str(tmp_path / "a.docx")], catch_exceptions=False
            )


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browser(tmp_path_factory.mktemp("profile")) as started:
        yield started


@pytest.mark.program("chromium")
@pytest.mark.parametrize("name", ["line", "sides", "grid", "turns", "neutral", "draws"])
def test_pages_are_drawn(chromium: Browser, files: Path, name: str) -> None:
    path = files / f"{name}.html"
    chromium.open(path)
    assert chromium.complaints == []
    assert chromium.requests == [path.resolve().as_uri()]
    marks = (
        "[...document.querySelectorAll('figure')]"
        ".map((one) => one.querySelectorAll('svg path').length)"
    )
    drawn = chromium.run(marks)
    assert drawn
    assert all(drawn)
    heads = chromium.run(
        "[...document.querySelector('.sheet thead').rows[0].cells].map((one) => one.textContent)"
    )
    first = chromium.run(
        "[...document.querySelector('.sheet tbody').rows[0].cells].map((one) => one.textContent)"
    )
    shown = dict(zip(heads, first, strict=True))
    for heading, value in rows_of(files / f"{name}.csv")[0].items():
        if heading in ("支付", "支付增减", "平衡费用", "下限", "上限"):
            assert shown[heading] == f"{float(value):,.2f}"
