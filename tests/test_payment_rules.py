"""Further rules, the fund's part and point values: the figures P2, P3, P8, P9, P16, P18."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from drg_engine.errors import PolicyError
from drg_engine.payment import BASES, KINDS, MISSING_FEN, PaymentColumns, settle
from drg_engine.payment_dated import settle_dated
from drg_engine.payment_explain import explain_payment
from drg_engine.payment_fund import split_fund
from drg_engine.payment_points import annual_settlement, fund_of_points, point_value
from drg_engine.policy import Policy, load_policy
from drg_engine.surplus import rollup

DATA = Path(__file__).parent / "data" / "payment"
AMOUNTS = (
    "review_paid",
    "new_drug",
    "fee_tcm",
    "own_expense",
    "pre_expense",
    "deductible",
    "personal_pay",
    "other_fund",
)


def policy(name: str = "rate", **changes: Any) -> Policy:
    dotted = {key.replace("__", "."): value for key, value in changes.items()}
    return load_policy(DATA / f"{name}_example.toml").with_changes(dotted)


def cases(*rows: dict[str, Any]) -> PaymentColumns:
    """Cases of one DRG with RW 1.0 (S 10,000 by the rate example); amounts in whole yuan."""
    made = []
    for number, row in enumerate(rows):
        base = {"case_id": f"{number}", "drg": "BB13", "weight": 1.0, "insurance": "310"}
        base |= {"charges": 9_000, "los": 5, "hospital": "甲", "principal_dx": "K80.100"} | row
        for name in ("charges", *AMOUNTS):
            if base.get(name) is not None:
                base[name] = round(float(base[name]) * 100)
        made.append(base)
    frame = pd.DataFrame(made, dtype=object)
    return PaymentColumns.from_frame(frame, ["BB13", "CC15", "0000"], amounts=AMOUNTS)


P3 = {"charges": 15_000, "own_expense": 1_000, "pre_expense": 500, "deductible": 800}


@pytest.mark.parametrize(
    ("way", "fund"), [("proportional", 941_800), ("share", 926_500), ("residual", 899_500)]
)
def test_p3_three_ways(way: str, fund: int) -> None:
    row = P3 | {"weight": 1.32, "personal_pay": 4_205}
    settled = settle(cases(row), policy(fund__way=way, fund__k={"310": 0.85}))
    assert settled.paid.tolist() == [1_320_000]
    split = split_fund(settled)
    assert split.fund.tolist() == [fund]
    assert split.received.tolist() == [fund + 420_500]
    assert split.difference.tolist() == [fund + 420_500 - 1_320_000]


def test_p2_residual_may_be_negative() -> None:
    row = {"charges": 59_444.09, "personal_pay": 26_006.32, "other_fund": 12_751.96}
    changes = {"rates": {"310": 24_227.05}, "high__bound": 3.0}
    settled = settle(cases(row), policy(**changes))
    assert split_fund(settled).fund.tolist() == [-1_453_123]
    assert settled.surplus.tolist() == [-3_521_704]


@pytest.mark.parametrize("way", ["residual", "proportional", "share", "full"])
def test_parts_make_what_is_received(way: str) -> None:
    rng = np.random.default_rng(3)
    rows = [
        {
            "charges": float(rng.integers(100, 60_000)),
            "own_expense": float(rng.integers(0, 90)),
            "pre_expense": 5.0,
            "deductible": 800.0,
            "personal_pay": float(rng.integers(0, 20_000)),
            "other_fund": None if i % 3 else 250.0,
        }
        for i in range(60)
    ]
    settled = settle(cases(*rows), policy(fund__way=way, fund__default_k=0.7))
    split = split_fund(settled)
    assert np.array_equal(split.fund + split.patient + split.other, split.received)
    assert np.array_equal(split.received - settled.paid, split.difference)
    by_charges = settled.kind == KINDS.index("low")
    assert by_charges.any()
    assert not split.difference[by_charges].any()
    assert (way == "residual") == (not split.difference.any())


def test_explain_tells_who_pays() -> None:
    row = P3 | {"weight": 1.32, "personal_pay": 4_205}
    words = explain_payment(settle(cases(row), policy()), 0)
    assert "基金支付（余额法）= 支付 13,200.00 − 个人 4,205.00 − 其他 0.00 = 8,995.00" in words
    assert "基金 8,995.00 + 个人 4,205.00 + 其他 0.00 = 13,200.00" in words
    share = policy(fund__way="share", fund__default_k=0.85)
    assert "与结算金额相差 270.00" in explain_payment(settle(cases(row), share), 0)
    lacking = settle(cases({"personal_pay": None}), policy())
    assert "算不出" in explain_payment(lacking, 0)


def test_fund_of_a_case_paid_as_charged_and_of_one_without_columns() -> None:
    rows = [{"charges": 3_000, "personal_pay": 1_000}, {"charges": 9_000}]
    split = split_fund(settle(cases(*rows), policy(fund__way="share", fund__prepaid=0.85)))
    assert split.fund.tolist() == [200_000, MISSING_FEN]
    assert split.prepaid.tolist() == [170_000, MISSING_FEN]
    assert split.difference.tolist() == [0, MISSING_FEN]


def test_p8_readmission_halves_the_earlier_stay() -> None:
    """150 points count as 75: the earlier stay is paid half, the later one in full."""
    stay = {"person_id": "a", "weight": 1.5, "charges": 12_000}
    rows = [
        stay | {"admission_date": "2026-10-01", "discharge_date": "2026-10-05"},
        stay | {"admission_date": "2026-10-20", "discharge_date": "2026-10-25"},
        stay | {"admission_date": "2026-11-10", "discharge_date": "2026-11-12"},
        stay | {"person_id": "b", "admission_date": "2026-10-06", "discharge_date": "2026-10-07"},
    ]
    points = policy("points", coefficient__default=1.0, readmission__days=15)
    settled = settle(cases(*rows), points)
    assert settled.paid.tolist() == [75 * 7_600, 150 * 7_600, 150 * 7_600, 150 * 7_600]
    assert settled.parts["readmission"].tolist() == [-570_000, 0, 0, 0]
    assert settled.basis_words()[0] == "正常病例，按支付标准支付；短期再入院"
    assert settled.formula[0] + settled.adjustment[0] == settled.paid[0] - 1_200_000
    shuffled = settle(
        cases(*[row | {"case_id": str(i)} for i, row in enumerate(rows)][::-1]), points
    )
    assert shuffled.paid.tolist() == settled.paid.tolist()[::-1]
    spared = settle(cases(*rows), points.with_changes({"readmission.except_dx": ["K80."]}))
    assert spared.paid[0] == 150 * 7_600


def test_p9_extra_items() -> None:
    rule = {"code": "new", "title": "新药", "column": "new_drug", "means": {"BB13": 4_000.0}}
    changes = {"extra": [rule], "standard__overall_mean": 20_000.0, "rates": {"310": 20_000.0}}
    rows = [
        {"charges": 60_000, "new_drug": 45_000},
        {"charges": 60_000, "new_drug": 38_400},
        {"charges": 40_000, "new_drug": 39_000},
        {"charges": 80_000, "new_drug": 70_000},
    ]
    settled = settle(cases(*rows), policy(**changes))
    assert settled.paid.tolist() == [6_100_000, 2_000_000, 2_000_000, 2_000_000 + 6_600_000]
    assert settled.parts["extra"].tolist() == [4_100_000, 0, 0, 6_600_000]
    assert settled.basis_words()[0] == "除外支付病例，按支付标准加新项目费用支付：新药"
    words = explain_payment(settled, 0)
    assert "支付 = S = 20,000.00\n除外支付：41,000.00（新药 45,000.00 − 该类次均 4,000.00" in words
    assert "合计支付 = 61,000.00" in words


def test_tcm_share() -> None:
    changes = {"tcm__drgs": ["BB13"], "tcm__minimum": 0.5, "tcm__otherwise": 0.8}
    rows = [{"fee_tcm": 4_500}, {"fee_tcm": 4_499.99}, {"fee_tcm": None}]
    settled = settle(cases(*rows), policy(**changes))
    assert settled.paid.tolist() == [1_000_000, 800_000, 800_000]


def test_special_review_is_capped_and_ranked() -> None:
    rows: list[dict[str, Any]] = [{} for _ in range(38)]
    rows += [{"charges": 50_000, "review_paid": 44_000}, {"charges": 60_000, "review_paid": 50_000}]
    rows[0] = {"charges": 20_000, "review_paid": 18_000}
    settled = settle(cases(*rows), policy(review__column="review_paid", review__cap_share=0.05))
    assert settled.paid[[0, 38, 39]].tolist() == [1_000_000, 4_400_000, 5_000_000]
    assert KINDS[settled.kind[39]] == "review"
    assert BASES[settled.basis[39]] == "review_decision"


def test_bed_days() -> None:
    rule = {"code": "psy", "title": "精神专科床日", "dx_prefixes": ["F"], "per_day": 350.0}
    rows = [{"principal_dx": "F20.000", "los": 10}, {"principal_dx": "F20.000", "los": None}, {}]
    settled = settle(cases(*rows), policy(bed_day=[rule]))
    assert settled.standard.tolist() == [350_000, 1_000_000, 1_000_000]
    assert settled.paid[0] == 350_000
    assert settled.basis_words()[0] == "床日病例，按床日标准支付：精神专科床日"


def test_rules_without_their_columns_are_told() -> None:
    frame = pd.DataFrame({"case_id": ["1"], "drg": ["BB13"], "weight": 1.0, "charges": 900_000})
    rule = {"code": "new", "title": "新药", "column": "new_drug", "means": {"BB13": 4_000.0}}
    asked = policy(
        review__column="review_paid",
        readmission__days=15,
        tcm__drgs=["BB13"],
        extra=[rule],
        standard__overall_mean=10_000.0,
    )
    settled = settle(PaymentColumns.from_frame(frame.assign(insurance="310"), ["BB13"]), asked)
    assert len(settled.notices) == 4
    assert all("未执行" in notice for notice in settled.notices)
    assert settled.paid.tolist() == [1_000_000]


def test_p16_point_value_from_a_budget() -> None:
    assert point_value(70e6, 1_000_000, personal=30e6, basis="fund") == 70.0
    assert point_value(70e6, 1_000_000, personal=30e6, basis="total") == 100.0
    assert fund_of_points(174_000, 70.0, basis="fund") == 1_218_000_000
    assert fund_of_points(174_000, 100.0, personal_fen=500_000_000, basis="total") == 1_240_000_000
    with pytest.raises(ValueError, match="点数"):
        point_value(1.0, 0.0, basis="fund")
    with pytest.raises(ValueError, match="口径"):
        point_value(1.0, 1.0, basis="both")


def test_p18_monthly_report() -> None:
    """174,098 points at 64 are 11,142,272 yuan, 0.09 % below the charges of 11.1523 million."""
    paid = fund_of_points(174_098, 64.0, basis="fund")
    assert paid == 1_114_227_200
    assert round((paid - 1_115_230_000) / 1_115_230_000 * 100, 2) == -0.09


def test_annual_settlement() -> None:
    due = annual_settlement(
        1_000.0, 70.0, prepaid_fen=5_950_000, deductions_fen=10_000, assessment_fen=-5_000
    )
    assert due == 7_000_000 - 5_950_000 - 10_000 - 5_000


def test_found_point_values_spend_the_budget() -> None:
    rows = [
        {"weight": 1.0, "personal_pay": 2_000},
        {"weight": 3.0, "charges": 20_000, "personal_pay": 3_000},
        {"weight": 1.0, "insurance": "390", "personal_pay": 1_000},
        {"weight": 9.0, "los": 61, "personal_pay": 5_000},
        {"weight": 2.0, "insurance": "self", "personal_pay": 9_000},
    ]
    changes: dict[str, Any] = {
        "coefficient__default": 1.0,
        "scope": [{"code": "x", "title": "长", "los_over": 60}],
        "low__bound": 0.0,
        "points__budgets": {"310": 28_000.0, "390": 6_500.0},
    }
    fund = settle(cases(*rows), policy("points", points__find="fund", **changes))
    assert fund.standard.tolist()[:3] == [700_000, 2_100_000, 650_000]
    assert KINDS[fund.kind[4]] == "out_of_scope"
    total = settle(cases(*rows), policy("points", points__find="total", **changes))
    assert total.standard.tolist()[:3] == [825_000, 2_475_000, 750_000]
    pooled = policy("points", points__find="fund", points__pooled=True, **changes)
    assert settle(cases(*rows), pooled).standard.tolist()[:3] == [690_000, 2_070_000, 690_000]


def test_budget_by_total_needs_what_patients_paid() -> None:
    frame = pd.DataFrame({"case_id": ["1"], "drg": ["BB13"], "weight": 1.0, "charges": 900_000})
    asked = policy("points", points__find="total", points__budgets={"310": 1.0})
    with pytest.raises(PolicyError, match="personal_pay"):
        settle(PaymentColumns.from_frame(frame.assign(insurance="310"), ["BB13"]), asked)


def test_parts_and_kind_make_the_adjustment() -> None:
    rng = np.random.default_rng(5)
    rows = [
        {
            "charges": float(rng.integers(1_000, 60_000)),
            "new_drug": float(rng.integers(0, 50_000)),
            "fee_tcm": float(rng.integers(0, 9_000)),
            "person_id": f"p{i % 20}",
            "admission_date": str(
                np.datetime64("2026-10-01") + np.timedelta64(int(rng.integers(0, 60)), "D")
            ),
        }
        for i in range(100)
    ]
    for row in rows:
        row["discharge_date"] = row["admission_date"]
    rule = {"code": "new", "title": "新药", "column": "new_drug", "means": {"BB13": 4_000.0}}
    asked = policy(
        readmission__days=15,
        tcm__drgs=["BB13"],
        tcm__minimum=0.3,
        tcm__otherwise=0.9,
        extra=[rule],
        standard__overall_mean=10_000.0,
    )
    settled = settle(cases(*rows), asked)
    plain = settle(cases(*rows), policy())
    assert all(np.any(part) for part in settled.parts.values())
    same = settled.parts["extra"] == 0
    more = sum(settled.parts.values())
    assert np.array_equal(settled.paid[same], (plain.paid + more)[same])
    assert np.array_equal(settled.formula + settled.adjustment, settled.surplus)


def test_dates_choose_the_policy() -> None:
    first = policy(policy__effective_to=date(2024, 7, 1), scope=[])
    second = policy(policy__effective_from=date(2024, 7, 1), rates={"310": 9_000.0})
    rows = [
        {"discharge_date": "2024-07-01", "los": 61},
        {"discharge_date": "2024-06-30", "los": 61},
        {"discharge_date": "2024-12-31"},
    ]
    dated = settle_dated(cases(*rows), [second, first])
    assert dated.whole.paid.tolist() == [900_000, 1_000_000, 900_000]
    assert dated.whole.standard.tolist() == [900_000, 1_000_000, 900_000]
    assert list(dated.whole.basis_words()) == [
        "不纳入 DRG 支付，据实支付：住院超过 60 天",
        "正常病例，按支付标准支付",
        "正常病例，按支付标准支付",
    ]
    assert "费率 9,000.00" in explain_payment(*dated.locate(2))
    assert "费率 10,000.00" in explain_payment(*dated.locate(1))
    with pytest.raises(IndexError):
        dated.locate(3)
    assert rollup(dated.whole)["paid_fen"].tolist() == [2_800_000]


def test_dates_without_a_policy_or_with_two() -> None:
    first = policy(policy__effective_to=date(2024, 7, 1))
    row = {"discharge_date": "2024-07-01"}
    with pytest.raises(PolicyError, match="2024-07-01 至 2024-07-01，1 例"):
        settle_dated(cases(row), [first])
    with pytest.raises(PolicyError, match="缺出院日期"):
        settle_dated(cases({"discharge_date": None}), [first])
    with pytest.raises(PolicyError, match="重叠"):
        settle_dated(cases(row), [first, policy()])
    with pytest.raises(PolicyError, match="没有出院日期"):
        settle_dated(cases({}), [first])
