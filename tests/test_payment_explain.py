"""One case in words: every formula is filled in with figures that make it true."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from drg_engine.payment import MISSING_FEN, PaymentColumns, settle
from drg_engine.payment_explain import explain_payment
from drg_engine.policy import load_policy

DATA = Path(__file__).parent / "data" / "payment"
TIERS = [{"upper": 1.0, "bound": 3.0}, {"upper": 3.0, "bound": 2.5}, {"bound": 2.0}]
BED = {"code": "b", "title": "床日", "drgs": ["BB13"], "per_day": 70.0}
AMOUNTS = ("own_expense", "pre_expense", "deductible", "personal_pay", "other_fund", "fee_tcm")


def told(name: str = "rate", changes: dict[str, Any] | None = None, **case: Any) -> str:
    row = {"case_id": "A1", "drg": "BB13", "weight": 1.5, "insurance": "310", "charges": 1_200_000}
    row |= {"los": 5, "hospital": "甲", "level": 3} | case
    cases = PaymentColumns.from_frame(
        pd.DataFrame([row], dtype=object), ["BB13", "0000"], amounts=AMOUNTS
    )
    policy = load_policy(DATA / f"{name}_example.toml").with_changes(changes or {})
    settled = settle(cases, policy)
    words = explain_payment(settled, 0)
    assert settled.paid[0] == MISSING_FEN or f"{settled.paid[0] / 100:,.2f}" in words
    assert sum(holds(line) for line in words.splitlines()) >= 2
    return words


NUMBER = r"-?[\d,]+(?:\.\d+)?"


def holds(line: str) -> bool:
    """Whether the line is ``name = product or sum = result``; then it must be true."""
    line = re.sub(r"（[^）]*）", "", line)
    match = re.search(rf"[=＝] ([^=]*[×÷+−][^=]*) = ({NUMBER})$", line)
    if match is None:
        return False
    text = re.sub(r"[A-Za-z\u4e00-\u9fff/]+|·", " ", match[1].replace("1.0 RW", ""))
    sum_ = (
        text.replace(",", "").replace("×", "*").replace("÷", "/").replace("−", "-")
        .replace("[", "(").replace("]", ")")
    )  # fmt: skip
    sum_ = re.sub(r"min\(\s*,\s*1\)", "", sum_)
    if not re.fullmatch(r"[\d\s.*/()+-]+", sum_):
        return False
    assert eval(sum_) == pytest.approx(float(match[2].replace(",", "")), abs=0.6)  # noqa: S307
    return True


def test_bed_days() -> None:
    words = told(changes={"bed_day": [BED]})
    assert "床日标准 = 5 天 × 70 元/天 = 350.00" in words
    points = told("points", {"bed_day": [BED]})
    assert "床日标准 = 5 天 × 70 点/天 × 点值 76 = 26,600.00" in points


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"high.by": "weight", "high.tiers": TIERS}, "高倍率 > 2.5（RW 1.5，RW < 3 档）"),
        ({"high.by": "points", "high.tiers": TIERS}, "（基准点数 150，最后一档）"),
        ({"high.by": "level", "high.levels": {"3": 4.0}}, "高倍率 > 4（3 级医院）"),
        ({"coefficient.base_list": ["BB13"]}, "机构系数 1（基层病组） = 15,000.00"),
        ({"coefficient.by_level": {"3": 1.1}}, "机构系数 1.1（按级别） = 16,500.00"),
        ({"coefficient.by_hospital": {"甲": 1.2}}, "机构系数 1.2（按医院） = 18,000.00"),
        ({"coefficient.by_drg": {"BB13": {"3": 1.3}}}, "机构系数 1.3（按病组和级别） = 19,500.00"),
    ],
)
def test_where_bounds_and_coefficients_come_from(changes: dict[str, Any], words: str) -> None:
    assert words in told(changes=changes)


@pytest.mark.parametrize("way", ["residual", "proportional", "share", "full"])
def test_every_way_of_the_fund(way: str) -> None:
    amounts = {"own_expense": 100_000, "pre_expense": 50_000, "deductible": 80_000}
    words = told(
        changes={"fund.way": way, "fund.k": {"310": 0.85}, "fund.prepaid": 0.85,
                 "fund.retained": 0.05},
        **amounts, personal_pay=400_000, other_fund=20_000,
    )  # fmt: skip
    expected = {
        "residual": "= 支付 15,000.00 − 个人 4,000.00 − 其他 200.00 = 10,800.00",
        "proportional": "− 起付线 800.00] × 0.85 = 10,476.25",
        "share": "(支付 15,000.00 − 全自费 1,000.00 − 先行自付 500.00 − 起付线 800.00)"
        " × 0.85 = 10,795.00",
        "full": "= 支付 15,000.00 = 15,000.00",
    }
    assert expected[way] in words
    assert "月度预付 = 基金" in words
    assert "保证金留存 = 基金" in words


def test_tcm_share() -> None:
    changes = {"tcm.drgs": ["BB13"], "tcm.minimum": 0.5, "tcm.otherwise": 0.8}
    words = told(changes=changes, fee_tcm=300_000)
    assert "（中医费用占比 25.00% 低于 0.5，按 0.8 支付）" in words
    assert "合计支付 = 12,000.00" in words


def test_the_id_may_be_hidden() -> None:
    cases = PaymentColumns.from_frame(
        pd.DataFrame({"case_id": ["A123"], "drg": ["BB13"], "insurance": "310",
                      "charges": 1_000, "weight": 1.0}), ["BB13"])  # fmt: skip
    settled = settle(cases, load_policy(DATA / "rate_example.toml"))
    words = explain_payment(settled, 0, shown_id="＊＊＊")
    assert words.startswith("病例 ＊＊＊：")
    assert "A123" not in words
    assert np.isfinite(settled.ratio).all()
