"""The year's settlement: what the fund owes after prepayments, by insurance type."""

from __future__ import annotations

import csv
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from policy_workspace import make_workspace
from typer.testing import CliRunner, Result

from drg_engine.annual import Adjusted, adjustments, annual_detail, annual_due
from drg_engine.cli import app
from drg_engine.errors import InputError
from drg_engine.fit_inputs import read_fit_table
from drg_engine.payment import PaymentColumns
from drg_engine.payment_dated import settle_dated, settle_policies
from drg_engine.policy import load_policy

DATA = Path(__file__).parent / "data" / "payment"


def cases() -> PaymentColumns:
    """310: RW 1.0 and 3.0; 390: RW 1.0; each month one, the patient pays 1,000 of each."""
    frame = pd.DataFrame(
        {
            "case_id": list("abc"),
            "drg": "A",
            "weight": [1.0, 3.0, 1.0],
            "insurance": ["310", "310", "390"],
            "charges": [900_000, 2_500_000, 900_000],
            "personal_pay": [100_000, 100_000, None],
            "discharge_date": pd.to_datetime(["2026-01-05", "2026-08-05", "2026-08-06"]),
        }
    )
    return PaymentColumns.from_frame(frame, ["A"], amounts=["personal_pay"])


def test_points_found_from_the_years_budget() -> None:
    """310: 400 points for 28,000 + 2,000 of patients is 75 a point; prepaid 85 %."""
    policy = load_policy(DATA / "points_example.toml").with_changes(
        {"points.find": "total", "points.budgets": {"310": 28_000.0, "390": 5_000.0},
         "coefficient.default": 1.0, "fund.prepaid": 0.85, "fund.retained": 0.05}
    )  # fmt: skip
    detail = annual_detail(settle_policies(cases(), [policy])).set_index("insurance")
    assert detail["points"].tolist() == [400.0, 100.0]
    assert detail["value"].tolist() == [75.0, 50.0]
    assert detail.loc["310", "paid_fen"] == 750_000 + 2_250_000
    assert detail.loc["310", "fund_fen"] == 2_800_000
    assert detail.loc["310", "prepaid_fen"] == 2_380_000
    assert detail.loc["310", "retained_fen"] == 140_000
    assert detail["unknown"].tolist() == [0, 1]
    assert detail.loc["390", "fund_fen"] == 0


def test_what_is_due() -> None:
    """310: 38,000 of fund − 30,000 − 100 + (−50)."""
    policy = load_policy(DATA / "rate_example.toml")
    detail = annual_detail(settle_policies(cases(), [policy]))
    said = {"310": Adjusted(prepaid=3_000_000, deductions=10_000, assessment=-5_000)}
    due = annual_due(detail, said).set_index("insurance")
    assert due.loc["310", "due_fen"] == 3_800_000 - 3_000_000 - 10_000 - 5_000
    assert due.loc["310", "prepaid_from"] == "调整表"
    assert due.loc["390", ["fund_fen", "prepaid_fen", "due_fen"]].tolist() == [0, 0, 0]
    assert due.loc["合计", "due_fen"] == 785_000
    with pytest.raises(InputError, match="没有这个险种"):
        annual_due(detail, {"340": Adjusted()})


def test_a_year_of_two_policies() -> None:
    first = load_policy(DATA / "rate_example.toml")
    early = first.with_changes({"policy.effective_to": date(2026, 7, 1)})
    late = first.with_changes({"policy.effective_from": date(2026, 7, 1), "rates.310": 9_000.0})
    detail = annual_detail(settle_dated(cases(), [early, late]))
    assert detail["insurance"].tolist() == ["310", "310", "390"]
    assert detail["paid_fen"].tolist() == [1_000_000, 2_700_000, 800_000]
    assert detail["policy"].tolist()[1] == "费率法算例（示例）（rate_example，2026-07-01 起）"
    assert np.isnan(detail["points"]).all()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("险种,扣款\n310,1\n310,2\n", "第 3 行 [险种]：同一险种写了两行"),
        ("险种,扣款\n,1\n", "第 2 行 [险种]：不能为空"),
        ("险种,扣款\n310,壹\n", "不是金额"),
        ("扣款\n1\n", "缺少列“险种”"),
    ],
)
def test_faulty_adjustments(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "调整.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as caught:
        adjustments(read_fit_table(path, "annual"))
    assert words in str(caught.value)


def run(*words: str | Path) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words], env={"COLUMNS": "400"})


def test_the_command(tmp_path: Path) -> None:
    folder = make_workspace(tmp_path / "医院")
    adjust = tmp_path / "调整.csv"
    adjust.write_text("险种,扣款,考核\n310,100.50,200\n", encoding="utf-8")
    result = run("annual", folder, "2026", "--adjust", adjust, "--out", tmp_path / "清算")
    assert result.exit_code == 0, result.exception
    assert "上半年（spring，2026-01-01 至 2026-07-01 前）：2 例" in result.output
    with (tmp_path / "清算" / "年终清算-2026.csv").open(encoding="utf-8-sig") as stream:
        rows = {row["险种"]: row for row in csv.DictReader(stream)}
    with (tmp_path / "清算" / "年终清算-明细-2026.csv").open(encoding="utf-8-sig") as stream:
        detail = list(csv.DictReader(stream))
    fund = sum(round(float(row["基金应付"]) * 100) for row in detail if row["险种"] == "310")
    prepaid = sum(round(float(row["月度预付"]) * 100) for row in detail if row["险种"] == "310")
    due = round(float(rows["310"]["年终应补（负为应退）"]) * 100)
    assert due == fund - prepaid - 10_050 + 20_000
    assert rows["合计"]["基金应付"] == f"{sum(float(row['基金应付']) for row in detail):.2f}"


def test_a_case_of_two_months_is_told(tmp_path: Path) -> None:
    folder = make_workspace(tmp_path / "医院")
    assert "计了两次" not in run("annual", folder, "2026").output
    july = folder / "inputs" / "2026-07"
    heading, first, *_ = (july / "cases.csv").read_text(encoding="utf-8-sig").splitlines()
    august = folder / "inputs" / "2026-08"
    august.mkdir()
    moved = first.replace("A00000001", "A00000099").replace("2026-07-02", "2026-08-02")
    text = "\n".join([heading, first, moved]) + "\n"
    (august / "cases.csv").write_text(text, encoding="utf-8-sig")
    result = run("annual", folder, "2026")
    assert "1 例与另一个月的病例同病案号、同出院日期（末四位 0001），计了两次" in result.output


def test_the_command_without_what_patients_pay(tmp_path: Path) -> None:
    folder = make_workspace(tmp_path / "医院")
    path = folder / "inputs" / "2026-07" / "cases.csv"
    text = path.read_text(encoding="utf-8-sig").replace("个人负担", "别的")
    path.write_text(text, encoding="utf-8-sig")
    result = run("annual", folder, "2026")
    assert isinstance(result.exception, InputError)
    assert "个人负担" in str(result.exception)
