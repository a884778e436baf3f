"""Bounds that a product of floating numbers would miss by its last digit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from drg_engine.payment import KINDS, MISSING_FEN, PaymentColumns, settle
from drg_engine.payment_explain import explain_payment
from drg_engine.payment_standard import compile_lookups
from drg_engine.payment_tables import rule_arrays
from drg_engine.policy import load_policy

DATA = Path(__file__).parent / "data" / "payment"


BED = {"code": "b", "title": "床日", "drgs": ["BB13"], "per_day": 300.0}


def one_case(
    weight: float, yuan: float, insurance: str = "310", **amounts: float
) -> PaymentColumns:
    fen = {name: round(amount * 100) for name, amount in amounts.items()}
    row: dict[str, Any] = {
        "case_id": "1", "drg": "BB13", "weight": weight, "insurance": insurance, "level": 3,
        "charges": round(yuan * 100), "los": 7, "hospital": "甲", **fen,
    }  # fmt: skip
    return PaymentColumns.from_frame(pd.DataFrame([row]), ("BB13",), amounts=tuple(fen))


@pytest.mark.parametrize(
    ("weight", "inclusive", "bound"),
    [(1.1, True, 3.0), (1.1, False, 2.0), (1.1001, True, 2.0), (1.0999, False, 3.0)],
)
def test_tiers_by_points(weight: float, inclusive: bool, bound: float) -> None:
    """Base points of RW 1.1 at a scale of 100 are 110; in binary 1.1 × 100 is a hair more."""
    tiers = [{"upper": 110.0, "bound": 3.0}, {"bound": 2.0}]
    changes = {"high.by": "points", "high.tiers": tiers, "high.tier_inclusive": inclusive}
    used = load_policy(DATA / "points_example.toml").with_changes(changes)
    cases = one_case(weight, 9_000)
    assert settle(cases, used).bound.tolist() == [bound]
    by_drg = rule_arrays(cases, compile_lookups(cases, used), used, np.array([weight]))
    assert by_drg.drg_bound[0] == bound


@pytest.mark.parametrize(("over", "extra"), [(0.0, 0), (0.01, 190_73)])
def test_charges_of_twice_the_mean_are_not_over_it(over: float, extra: int) -> None:
    """payment.md §3, C > 2·A strict: RW 0.0163 × 8,000 = 130.40; C 260.80 is not over twice it."""
    rule = {
        "code": "x", "title": "新药", "column": "new_drug", "charges_over": 2.0,
        "share_over": 0.64, "means": {"BB13": 10.0},
    }  # fmt: skip
    changes = {"standard.overall_mean": 8_000.0, "extra": [rule], "high.bound": 90.0}
    used = load_policy(DATA / "rate_example.toml").with_changes(changes)
    cases = one_case(0.0163, 260.80 + over, new_drug=200.73)
    settled = settle(cases, used)
    assert settled.parts["extra"].tolist() == [extra]
    assert KINDS[settled.kind[0]] == "normal"


@pytest.mark.parametrize("method", ["rate", "points"])
def test_days_give_no_standard_to_a_case_out_of_scope(method: str) -> None:
    """Without a rate there is no standard; a rule of [[scope]] goes before the days (§3)."""
    used = load_policy(DATA / f"{method}_example.toml").with_changes({"bed_day": [BED]})
    settled = settle(one_case(1.0, 9_000, insurance="none"), used)
    assert settled.standard.tolist() == [MISSING_FEN]
    assert (settled.formula[0], settled.adjustment[0], settled.paid[0]) == (0, 0, 9_000_00)
    assert "支付标准 S" not in explain_payment(settled, 0)


def test_a_decision_on_a_case_of_days_is_explained_by_days() -> None:
    changes = {"bed_day": [BED], "review": {"column": "review_paid", "cap_share": 1.0}}
    used = load_policy(DATA / "rate_example.toml").with_changes(changes)
    settled = settle(one_case(1.0, 9_000, review_paid=8_500.0), used)
    assert (KINDS[settled.kind[0]], settled.paid[0]) == ("review", 8_500_00)
    assert "床日标准 = 7 天 × 300 元/天 = 2,100.00" in explain_payment(settled, 0)


def test_tiers_are_told_by_the_value() -> None:
    """Two tiers of one bound: RW 1.1 is in the third."""
    tiers = [
        {"upper": 0.5, "bound": 3.0}, {"upper": 1.0, "bound": 2.0}, {"upper": 2.0, "bound": 3.0},
        {"bound": 1.5},
    ]  # fmt: skip
    changes = {"high.by": "weight", "high.tiers": tiers}
    used = load_policy(DATA / "rate_example.toml").with_changes(changes)
    assert "（RW 1.1，RW < 2 档）" in explain_payment(settle(one_case(1.1, 9_000), used), 0)
