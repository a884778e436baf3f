"""``drg-engine reconcile …``: what is written and shown, from files as people have them."""

from __future__ import annotations

import csv
from pathlib import Path

import openpyxl
import pandas as pd
import pyarrow.parquet as pq
import pytest
from test_reconcile import _day_settlements, _written
from test_settlement_lists import _uploaded
from test_settlement_lists import _written as _written_json
from typer.testing import CliRunner

from drg_engine.cli import app
from drg_engine.errors import InputError

RUN = CliRunner()


def _run(*arguments: object) -> str:
    done = RUN.invoke(app, ["reconcile", *map(str, arguments)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return str(done.output)


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as stream:
        return list(csv.DictReader(stream))


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    """The published day on both sides, but for one settlement missing and one of another amount."""
    rows = _day_settlements()
    other = [dict(row) for row in rows if row["结算编号"] != "S000003"]
    other[0]["个人账户支付"] = "0.01"
    return _written(tmp_path / "医院.csv", rows), _written(tmp_path / "医保.csv", other)


def test_settlements_are_reconciled_into_a_workbook_and_tables(
    tmp_path: Path, pair: tuple[Path, Path]
) -> None:
    out = tmp_path / "对账"
    said = _run("settlements", *pair, "--out", out)
    assert "仅医院端有" in said
    assert "金额不符" in said
    differences = _rows(out / "逐笔差异.csv")
    assert {row["类别"] for row in differences} == {"仅医院端有", "金额不符"}
    summary = _rows(out / "汇总.csv")
    assert len(summary) == 10
    assert sum(row["结果"] == "平" for row in summary) == 9
    assert sum(float(row["基金支付总额·医院端"]) for row in summary) == pytest.approx(237634.89)
    book = openpyxl.load_workbook(out / "对账.xlsx")
    assert book.sheetnames == ["概况", "汇总", "差异类别", "逐笔差异", "读不懂的行", "编制依据"]
    shown = [cell.value for cell in book["逐笔差异"]["B"][4:6]]
    assert [str(text)[-1] for text in shown] == ["3", "0"]
    assert not any("S0000" in str(text) for text in shown)  # masked


def test_the_same_files_give_the_same_bytes(tmp_path: Path, pair: tuple[Path, Path]) -> None:
    for name in ("一", "二"):
        _run("settlements", *pair, "--out", tmp_path / name, "--unmask")
    for path in sorted((tmp_path / "一").iterdir()):
        assert path.read_bytes() == (tmp_path / "二" / path.name).read_bytes(), path.name


@pytest.mark.parametrize("wrong", ["-1", "0.001", "一元"])
def test_a_tolerance_that_is_no_amount_is_refused(
    tmp_path: Path, pair: tuple[Path, Path], wrong: str
) -> None:
    with pytest.raises(InputError, match="允许差额"):
        _run("settlements", *pair, "--out", tmp_path / "x", f"--tolerance={wrong}")
    assert not (tmp_path / "x").exists()


def test_three_offices_and_receivables(tmp_path: Path) -> None:
    totals = tmp_path / "三方.csv"
    totals.write_text(
        "来源,月份,险种,医疗费总额,基金支付总额\n收费处,2026-09,310,150,80\n"
        "医保办,2026-09,310,150,80\n财务,2026-09,310,150,79.99\n总务,2026-09,310,1,1\n",
        encoding="gb18030",
    )
    said = _run("months", totals, "--out", tmp_path / "三方")
    assert "不平" in said
    assert [row["结果"] for row in _rows(tmp_path / "三方" / "三方核对.csv")] == [
        "平",
        "不平",
        "平",
    ]
    advances, receipts = tmp_path / "垫付.csv", tmp_path / "回款.csv"
    advances.write_text("所属月份,险种,垫付金额\n2026-06,310,500.00\n", encoding="utf-8")
    receipts.write_text(
        "回款日期,所属月份,险种,回款金额\n2026-08-01,2026-06,310,499.99\n", encoding="utf-8"
    )
    out = tmp_path / "回款"
    said = _run("receivables", advances, receipts, "--day", "2026-10-31", "--out", out)
    assert "0.01" in said
    (row,) = _rows(out / "各月.csv")
    assert (row["未回款"], row["最近回款日"], row["账龄段"]) == ("0.01", "2026-08-01", "91–180 天")
    with pytest.raises(InputError, match="截止日期"):
        _run("receivables", advances, receipts, "--day", "十月", "--out", out)


def test_identities_of_settlement_lists(tmp_path: Path) -> None:
    lists = [_uploaded(1), _uploaded(2, inscp_scp_amt=849)]
    path = _written_json(tmp_path / "清单.json", lists)
    said = _run("identities", path, "--out", tmp_path / "核对", "--unmask")
    assert "费用构成" in said
    (row,) = _rows(tmp_path / "核对" / "不符的行.csv")
    assert (row["病案号"], row["等式"], row["差额"]) == ("M002", "费用构成", "1.00")


def test_groups_of_the_demonstration_hospital(tmp_path: Path, demo_hospital: Path) -> None:
    """What the month's run found, told back by the bureau but for a few planted changes."""
    (path,) = sorted((demo_hospital / "out" / "2026-10").glob("病例-*.parquet"))
    cases = pq.read_table(path, columns=["case_id", "drg", "paid_fen"]).to_pandas()
    grouped = cases[cases["drg"].str.fullmatch(r"[A-Z][A-Z]\d\d")].sample(4, random_state=3)
    cases.loc[grouped.index[:3], "drg"] = "0000"
    cases["paid"] = [f"{int(fen) / 100:.2f}" for fen in cases["paid_fen"].fillna(0)]
    cases.loc[grouped.index[3], "paid"] = "0.00"
    told = cases.drop(columns="paid_fen").set_axis(["病案号", "病组编码", "支付金额"], axis=1)
    told.to_csv(tmp_path / "返回.csv", index=False, encoding="utf-8-sig")
    out = tmp_path / "比较"
    said = _run("groups", demo_hospital, "2026-10", tmp_path / "返回.csv", "--out", out)
    assert f"两端都有 {len(cases):,} 例" in said
    counts = {row["一致与分歧"]: int(row["例数"]) for row in _rows(out / "一致与分歧.csv")}
    assert counts["医保端未入组，我方入组"] == 3
    assert counts["一致"] == len(cases) - 3
    book = pd.read_excel(out / "入组比较.xlsx", sheet_name="分歧病例", header=2, engine="openpyxl")
    assert book["我方入组路径"].iloc[:3].str.contains("主要诊断").all()
    paid = int(grouped["paid_fen"].iloc[3])
    difference = sum(float(row["支付差额"]) for row in _rows(out / "一致与分歧.csv"))
    assert round(difference * 100) == paid
