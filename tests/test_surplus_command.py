"""``drg-engine surplus``: its figures are the month's own, and a department sees only itself."""

from __future__ import annotations

import csv
import json
import re
import shutil
import zipfile
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from drg_engine.cli import app
from drg_engine.errors import DrgEngineError

RUN = CliRunner()
MONTH = "2026-10"


def _surplus(*arguments: object) -> str:
    done = RUN.invoke(app, ["surplus", *map(str, arguments)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return str(done.output)


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as stream:
        return list(csv.DictReader(stream))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, demo_hospital: Path) -> Path:
    out = tmp_path_factory.mktemp("surplus")
    _surplus(demo_hospital, MONTH, "--out", out)
    return out


def test_the_figures_are_those_of_the_months_run(made: Path, demo_hospital: Path) -> None:
    (path,) = sorted((demo_hospital / "out" / MONTH).glob("病例-*.parquet"))
    cases = pq.read_table(path, columns=["department", "charges_fen", "surplus_fen"]).to_pandas()
    own = cases.groupby("department", observed=True)[["charges_fen", "surplus_fen"]].sum()
    told = {
        row["科室编码"]: (
            int(Decimal(row["费用与支付·总费用"]) * 100), int(Decimal(row["医保盈亏·盈亏"]) * 100)
        )
        for row in _rows(made / "科室.csv")
    }  # fmt: skip
    wanted = {str(k): (int(v["charges_fen"]), int(v["surplus_fen"])) for k, v in own.iterrows()}
    assert told == wanted


def test_the_causes_add_up_to_the_fen_for_each_department_and_group(made: Path) -> None:
    # Against itself the hospital has no causes by group.
    assert not (made / "因何增减-按病组.csv").exists()
    tables = {name: _rows(made / f"{name}.csv") for name in ("因何增减-按科室", "科室病组因何")}
    for heading in ("医保盈亏·盈亏", "参照盈亏", "增减", "因何增减·病组构成"):
        sums: Counter[str] = Counter()
        for row in tables["科室病组因何"]:
            sums[row["科室编码"]] += Decimal(row[heading])  # type: ignore[assignment]
        assert sums == {r["科室编码"]: Decimal(r[heading]) for r in tables["因何增减-按科室"]}
    idle = [row for row in tables["科室病组因何"] if row["工作量·出院例数"] == "0"]
    assert {row["病组名称"] for row in idle} == {"本科室没有的病组"}
    assert len(idle) == len({row["科室编码"] for row in idle})
    for rows in tables.values():
        assert rows
        for row in rows:
            groups = ("因何增减·", "同病组次均费用·", "标准之外·")
            parts = [Decimal(v) for k, v in row.items() if k.startswith(groups)]
            assert sum(parts) == Decimal(row["增减"]), row
            assert Decimal(row["医保盈亏·盈亏"]) - Decimal(row["参照盈亏"]) == Decimal(row["增减"])


def test_every_table_adds_up_to_the_header(made: Path) -> None:
    (whole,) = _rows(made / "指标.csv")
    for name in ("科室", "病组", "医生", "险种与类型-险种", "险种与类型-病例类型"):
        rows = _rows(made / f"{name}.csv")
        for heading in ("费用与支付·总费用", "费用与支付·应得支付", "医保盈亏·盈亏"):
            assert sum(Decimal(row[heading]) for row in rows) == Decimal(whole[heading]), name
        assert sum(int(row["工作量·出院例数"]) for row in rows) == int(whole["工作量·出院例数"])


def test_the_same_inputs_give_the_same_bytes(
    tmp_path: Path, made: Path, demo_hospital: Path
) -> None:
    _surplus(demo_hospital, MONTH, "--out", tmp_path)
    names = sorted(path.name for path in made.iterdir())
    assert names == sorted(path.name for path in tmp_path.iterdir())
    for name in names:
        assert (made / name).read_bytes() == (tmp_path / name).read_bytes(), name


def test_a_departments_edition_holds_only_itself(tmp_path: Path, demo_hospital: Path) -> None:
    departments = _rows(demo_hospital / "tables" / "departments.csv")
    staff = _rows(demo_hospital / "tables" / "staff.csv")
    (path,) = sorted((demo_hospital / "out" / MONTH).glob("病例-*.parquet"))
    cases = pq.read_table(path, columns=["case_id", "department", "doctor"]).to_pandas()
    own = str(cases["department"].mode()[0])
    _surplus(demo_hospital, MONTH, "--out", tmp_path, "--department", own, "--unmask")
    mine = cases[cases["department"] == own]
    foreign = {row["科室编码"] for row in departments} - {own}
    foreign |= set(cases["case_id"]) - set(mine["case_id"])
    foreign |= set(cases["doctor"].dropna()) - set(mine["doctor"])
    known = {row["工号"]: row["姓名"] for row in staff}
    ours = {known.get(doctor) for doctor in mine["doctor"]}
    names = {row["科室名称"] for row in departments if row["科室编码"] != own}
    names |= {known[one] for one in foreign if one in known and known[one] not in ours}
    for written in sorted(tmp_path.iterdir()):
        text = _text_of(written)
        found = sorted(foreign & _texts_in(text, written.suffix))
        assert not found, (written.name, found[:5])
        found = sorted(name for name in names if name and name in text)
        assert not found, (written.name, found[:5])
    page = _text_of(tmp_path / "医保盈亏分析.html")
    assert set(mine["doctor"]) <= _texts_in(page, ".html")


def _page_data(path: Path) -> dict[str, Any]:
    text = (path / "医保盈亏分析.html").read_text(encoding="utf-8")
    found = re.search(r'id="page-data">(.*?)</script>', text)
    assert found is not None
    return dict(json.loads(found.group(1)))


def test_an_edition_has_the_hospitals_cut_and_tells_why(
    made: Path, tmp_path: Path, demo_hospital: Path
) -> None:
    # D109's own CMI has so many digits that a chart of it alone had no width.
    _surplus(demo_hospital, MONTH, "--out", tmp_path, "--department", "D109")
    whole, own = _page_data(made), _page_data(tmp_path)
    assert own["cut"] == whole["cut"]
    assert len(own["paths"]["grouped"]) == len(own["paths"]["paid"]) == own["cases"]
    told = {row["科室编码"]: row["象限"] for row in _rows(made / "科室.csv")}
    assert [row["象限"] for row in _rows(tmp_path / "科室.csv")] == [told["D109"]]


def test_a_month_without_cases_is_refused_in_words(tmp_path: Path, demo_hospital: Path) -> None:
    workspace = tmp_path / "院"
    shutil.copytree(demo_hospital, workspace, ignore=shutil.ignore_patterns("out", "runs"))
    file = workspace / "inputs" / MONTH / "cases.csv"
    heading, *_ = file.read_text(encoding="utf-8-sig").splitlines(keepends=True)
    file.write_text(heading, encoding="utf-8")
    with pytest.raises(DrgEngineError, match="没有病例"):
        _surplus(workspace, MONTH, "--out", tmp_path / "x")
    assert not (tmp_path / "x").exists()


_QUOTED = {".html": r'"([^"\n]*)"', ".xlsx": r">([^<]*)<", ".csv": r"([^,\n\r]*)"}


def _texts_in(text: str, suffix: str) -> set[str]:
    """What stands in a file as a text of its own: an id within a longer number is none."""
    return set(re.findall(_QUOTED[suffix], text))


def _text_of(path: Path) -> str:
    if path.suffix == ".xlsx":
        with zipfile.ZipFile(path) as archive:
            parts = [archive.read(name).decode("utf-8", "replace") for name in archive.namelist()]
        return "\n".join(parts)
    return path.read_text(encoding="utf-8-sig")


def test_last_month_and_a_reference_table(tmp_path: Path, demo_hospital: Path) -> None:
    workspace = tmp_path / "医院"
    shutil.copytree(demo_hospital, workspace, ignore=shutil.ignore_patterns("out", "runs"))
    shutil.copytree(workspace / "inputs" / MONTH, workspace / "inputs" / "2026-09")
    said = _surplus(workspace, MONTH, "--out", tmp_path / "一", "--against", "last")
    assert "示范医院" in said
    rows = _rows(tmp_path / "一" / "因何增减-按科室.csv")
    assert {Decimal(row["增减"]) for row in rows} == {Decimal(0)}
    labels = [row["期间"] for row in _rows(tmp_path / "一" / "指标.csv")]
    assert labels == ["本期", "上期"]
    drgs = _rows(tmp_path / "一" / "病组.csv")
    dear = drgs[0]
    mean = Decimal(dear["费用与支付·例均费用"]) - 100
    reference = workspace / "tables" / "参考均值.csv"
    reference.write_text(f"DRG 编码,次均费用\n{dear['DRG 编码']},{mean:.2f}\n", encoding="utf-8")
    _surplus(workspace, MONTH, "--out", tmp_path / "二", "--against", "reference")
    rows = _rows(tmp_path / "二" / "因何增减-按病组.csv")
    moved = {row["DRG 编码"]: Decimal(row["增减"]) for row in rows if Decimal(row["增减"])}
    assert set(moved) == {dear["DRG 编码"]}
    assert moved[dear["DRG 编码"]] < 0


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--against", "tomorrow"), "没有这种参照"),
        (("--against", "last"), "没有可参照的期间"),
        (("--against", "reference"), "没有参考表"),
        (("--department", "D999"), "没有这个科室"),
    ],
)
def test_what_cannot_be_done_is_said_in_words(
    tmp_path: Path, demo_hospital: Path, options: tuple[str, str], words: str
) -> None:
    with pytest.raises(DrgEngineError, match=words):
        _surplus(demo_hospital, MONTH, "--out", tmp_path / "x", *options)
    assert not (tmp_path / "x").exists()
