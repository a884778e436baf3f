"""Settling: kinds in their order, the cap, missing data, invariants, every parameter."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drg_engine.errors import PolicyError
from drg_engine.payment import (
    BASES,
    KINDS,
    MISSING_FEN,
    PaymentColumns,
    Settlement,
    settle,
)
from drg_engine.payment_cap import places
from drg_engine.payment_explain import explain_payment
from drg_engine.policy import Policy, load_policy

DATA = Path(__file__).parent / "data" / "payment"
DRGS = ("AA11", "BB13", "CC15", "DD29", "AQY", "0000")
WEIGHTS = {"AA11": 0.5, "BB13": 1.0, "CC15": 2.0, "DD29": np.nan, "AQY": np.nan, "0000": np.nan}


def example(**changes: Any) -> Policy:
    dotted = {name.replace("__", "."): value for name, value in changes.items()}
    policy = load_policy(DATA / "rate_example.toml")
    return policy.with_changes(dotted) if dotted else policy


def columns(*rows: dict[str, Any]) -> PaymentColumns:
    """Cases from dictionaries; charges in whole yuan."""
    made = []
    for number, row in enumerate(rows):
        base = {"case_id": f"{number:04d}", "drg": "BB13", "status": 0, "insurance": "310"}
        base |= {"charges": 9_000, "cost": None, "los": 7, "principal_dx": "A00.000", "level": 3}
        base |= {"hospital": "甲", "department": "D1", "doctor": "Z1"} | row
        base["weight"] = row.get("weight", WEIGHTS[str(base["drg"])])
        for name in ("charges", "cost"):
            base[name] = None if base[name] is None else round(float(str(base[name])) * 100)
        made.append(base)
    return PaymentColumns.from_frame(pd.DataFrame(made, dtype=object), DRGS)


def kinds(settled: Settlement) -> list[str]:
    return [KINDS[kind] for kind in settled.kind]


def bases(settled: Settlement) -> list[str]:
    return [BASES[basis] for basis in settled.basis]


def test_kinds_in_their_order() -> None:
    settled = settle(
        columns(
            {"los": 61, "status": 2, "drg": "0000"},
            {"los": 60},
            {"charges": 4.99},
            {"charges": 5},
            {"principal_dx": "Z53.900", "los": 2},
            {"principal_dx": "Z53.900", "los": 3},
            {"principal_dx": "Z53.900", "los": None},
            {"insurance": "self"},
            {"insurance": "340"},
            {"insurance": None},
            {"status": 2, "drg": "0000"},
            {"status": 3, "drg": "0000"},
            {"status": 1, "drg": "AQY"},
            {"drg": "DD29"},
            {"charges": 30_000.01},
            {"charges": None, "los": 61},
        ),
        example(),
    )
    assert kinds(settled) == [
        "out_of_scope",
        "normal",
        "out_of_scope",
        "low",
        "out_of_scope",
        "normal",
        "normal",
        "out_of_scope",
        "out_of_scope",
        "out_of_scope",
        "ungrouped",
        "ungrouped",
        "ambiguous",
        "no_weight",
        "high",
        "unpriced",
    ]
    assert bases(settled)[7:10] == [
        "out_of_scope_as_charged",
        "out_of_scope_no_rate",
        "out_of_scope_no_rate",
    ]
    assert settled.rule.tolist()[:5] == [0, -1, 1, -1, 2]
    words = settled.basis_words()
    assert words[0] == "不纳入 DRG 支付，据实支付：住院超过 60 天"
    assert words[8] == "该险种没有支付标准，不纳入 DRG 支付，据实支付"


def test_unpriced_is_missing_and_never_zero() -> None:
    settled = settle(columns({"charges": None, "cost": 100}), example())
    assert settled.standard.tolist() == [1_000_000]
    for name in ("paid", "formula", "adjustment", "surplus", "cost_surplus"):
        assert getattr(settled, name).tolist() == [MISSING_FEN]
    assert settled.to_frame()["paid_fen"].isna().all()
    assert "不能结算" in explain_payment(settled, 0)


def test_three_columns_reconcile() -> None:
    """A low case paid as charged shows zero surplus: 6,500 of formula and as much taken back."""
    settled = settle(columns({"charges": 3_500, "cost": 3_000}), example())
    assert settled.formula.tolist() == [650_000]
    assert settled.adjustment.tolist() == [-650_000]
    assert settled.surplus.tolist() == [0]
    assert settled.cost_surplus.tolist() == [50_000]


def test_without_a_standard_the_formula_is_zero() -> None:
    changes = {"mode": "share", "share": 0.9}
    settled = settle(columns({"status": 2, "drg": "0000"}), example(ungrouped=changes))
    assert (settled.formula[0], settled.adjustment[0], settled.surplus[0]) == (0, -90_000, -90_000)


def test_tiers_of_weight() -> None:
    tiers = [{"upper": 1.0, "bound": 3.0}, {"upper": 2.0, "bound": 2.5}, {"bound": 2.0}]
    cases = columns({"drg": "AA11"}, {"drg": "BB13"}, {"drg": "CC15"})
    settled = settle(cases, example(high__by="weight", high__tiers=tiers))
    assert settled.bound.tolist() == [3.0, 2.5, 2.0]
    closed = example(high__by="weight", high__tiers=tiers, high__tier_inclusive=True)
    assert settle(cases, closed).bound.tolist() == [3.0, 3.0, 2.5]


def test_tiers_of_points() -> None:
    tiers = [{"upper": 100.0, "bound": 3.0}, {"upper": 300.0, "bound": 2.0}, {"bound": 1.5}]
    rows = [{"weight": weight} for weight in (1.0, 1.01, 3.0, 3.01)]
    policy = example(high__by="points", high__tiers=tiers, high__tier_inclusive=True)
    assert settle(columns(*rows), policy).bound.tolist() == [3.0, 2.0, 2.0, 1.5]


def test_bound_by_level() -> None:
    cases = columns({"level": 3}, {"level": 2})
    policy = example(high__by="level", high__levels={"3": 3.0, "2": 2.0})
    assert settle(cases, policy).bound.tolist() == [3.0, 2.0]
    with pytest.raises(PolicyError, match="未知"):
        settle(columns({"level": 0}), policy)


def test_coefficients_most_specific_first() -> None:
    policy = example(
        coefficient__default=1.01,
        coefficient__by_level={"3": 1.02},
        coefficient__by_hospital={"甲": 1.5},
        coefficient__by_drg={"CC15": {"3": 1.04}},
        coefficient__base_list=["AA11"],
        coefficient__maximum=1.03,
    )
    rows = [
        {"level": 1, "hospital": "乙"},
        {"hospital": "乙"},
        {},
        {"drg": "CC15"},
        {"drg": "AA11"},
    ]
    settled = settle(columns(*rows), policy)
    assert settled.standard.tolist() == [1_010_000, 1_020_000, 1_030_000, 2_060_000, 500_000]


def test_direct_table() -> None:
    prices = [
        {"drg": "BB13", "yuan": 7_000.0},
        {"drg": "BB13", "level": "3", "yuan": 9_000.0},
        {"drg": "BB13", "level": "3", "insurance": "390", "yuan": 8_000.0},
    ]
    policy = example(standard__method="table", standard__prices=prices)
    rows = [{"level": 2}, {}, {"insurance": "390"}, {"drg": "AA11"}]
    settled = settle(columns(*rows), policy)
    assert settled.standard.tolist() == [700_000, 900_000, 800_000, MISSING_FEN]
    assert kinds(settled)[3] == "no_weight"


def test_ratio_of_the_regional_mean() -> None:
    policy = example(standard__ratio_of="mean", standard__means={"BB13": 12_000.0})
    settled = settle(columns({"charges": 4_799.99}, {"charges": 4_800}, {"drg": "AA11"}), policy)
    assert kinds(settled) == ["low", "normal", "normal"]
    assert bases(settled)[2] == "normal_no_mean"
    assert np.isnan(settled.bound).tolist() == [False, False, True]


def test_cap_counts_by_hospital_and_breaks_ties_by_id() -> None:
    rows: list[dict[str, Any]] = [{"hospital": "乙"} for _ in range(18)]
    rows += [{"charges": 40_000, "case_id": name, "hospital": "乙"} for name in ("b", "a")]
    rows += [{"hospital": "甲"} for _ in range(18)]
    rows += [{"charges": 50_000, "case_id": name, "hospital": "甲"} for name in ("d", "c")]
    settled = settle(columns(*rows), example(high__cap_share=0.05))
    assert [i for i, kind in enumerate(kinds(settled)) if kind == "high"] == [19, 39]


def test_cap_of_cases_in_scope() -> None:
    rows: list[dict[str, Any]] = [{"insurance": "self"} for _ in range(15)]
    rows += [{} for _ in range(4)] + [{"charges": 40_000}]
    assert kinds(settle(columns(*rows), example(high__cap_share=0.05)))[-1] == "high"
    in_scope = example(high__cap_share=0.05, high__cap_of="in_scope")
    assert kinds(settle(columns(*rows), in_scope))[-1] == "normal"


@pytest.mark.parametrize(
    ("share", "count", "expected"),
    [(0.05, 200, 10), (0.05, 199, 9), (0.29, 100, 29), (0.0, 50, 0), (0.07, 100, 7)],
)
def test_places_are_exact(share: float, count: int, expected: int) -> None:
    assert places(share, np.array([count])).tolist() == [expected]


def test_no_cases() -> None:
    frame = pd.DataFrame({"case_id": [], "drg": []})
    settled = settle(PaymentColumns.from_frame(frame, DRGS), example(high__cap_share=0.05))
    assert settled.n == 0
    assert len(settled.to_frame()) == 0


def test_policy_that_names_an_unknown_drg() -> None:
    with pytest.raises(PolicyError, match=r"base_list.*AA12.*AA11"):
        settle(columns({}), example(coefficient__base_list=["AA12"]))


def test_explain_fills_the_formula_in() -> None:
    settled = settle(columns({"charges": 40_000, "cost": 30_000}), example())
    assert explain_payment(settled, 0).splitlines() == [
        "病例 0000：病组 BB13，险种 310",
        "支付标准 S = RW 1 × 费率 10,000.00 × 机构系数 1 = 10,000.00",
        "倍率 = C 40,000.00 ÷ S 10,000.00 = 4.0000；低倍率 < 0.4，高倍率 > 3",
        "病例类型：高倍率",
        "依据：高倍率病例，支付标准加超界部分的比例",
        "支付 = S 10,000.00 + 0.8 × (C 40,000.00 − K 3 × S 10,000.00) = 18,000.00",
        "医保盈亏 = 支付 18,000.00 − C 40,000.00 = -22,000.00"
        "（公式盈亏 S − C -30,000.00，调整 8,000.00）",
        "成本盈亏 = 支付 18,000.00 − 成本 30,000.00 = -12,000.00",
    ]


def test_explain_tells_every_mode() -> None:
    points = load_policy(DATA / "points_example.toml")
    low, high = {"charges": 3_000, "weight": 1.5}, {"charges": 45_000, "weight": 1.5}
    for key, case in (("low.mode", low), ("high.mode", high)):
        section = points.rules.low if key == "low.mode" else points.rules.high
        for mode in type(section).model_fields["mode"].annotation.__args__:  # type: ignore[union-attr]
            settled = settle(columns(case), points.with_changes({key: mode}))
            paid = f"{settled.paid[0] / 100:,.2f}"
            last = explain_payment(settled, 0).splitlines()[-2]
            assert last.startswith("支付 = ")
            assert last.endswith(f"= {paid}")
    with pytest.raises(IndexError):
        explain_payment(settled, 1)


def test_from_cases_reads_columns_of_cases_and_groups() -> None:
    text = {"insurance": pd.Categorical(["310", None]), "department": pd.Categorical(["D1", "D2"])}
    fen = {"total_charges": np.array([900_000, MISSING_FEN]), "fee_drug": np.array([1, 2])}
    cases = SimpleNamespace(
        n=2,
        case_id=pa.array(["a", "b"]),
        los=np.array([3, -1], dtype=np.int32),
        dx_offsets=np.array([0, 2, 2]),
        dx=np.array([4, 1], dtype=np.int32),
        diagnoses=SimpleNamespace(strings=["", "", "", "", "Z53.900"]),
        extra=pa.table({"fee_drug": [1, 2], "discharge_date": pa.array([None, 0], pa.date32())}),
        text=text.get,
        fen=fen.get,
    )
    weights = np.array([WEIGHTS[code] for code in DRGS])
    grouping = SimpleNamespace(
        scheme=SimpleNamespace(drg_codes=DRGS, weights=weights),
        status=np.array([0, 2], dtype=np.int8),
        drg=np.array([1, 5], dtype=np.int32),
    )
    made = PaymentColumns.from_cases(cases, grouping, hospital="甲", level=3)  # type: ignore[arg-type]
    assert made.principal.tolist() == [4, -1]
    assert made.weight[0] == 1.0
    assert made.insurance.codes.tolist() == [0, -1]
    assert made.cost.tolist() == [MISSING_FEN, MISSING_FEN]
    assert made.amounts["fee_drug"].tolist() == [1, 2]
    settled = settle(made, example(high__cap_share=0.05))
    assert kinds(settled) == ["normal", "unpriced"]


CASE = st.fixed_dictionaries(
    {
        "drg": st.sampled_from(DRGS),
        "insurance": st.sampled_from(["310", "390", "340", "self", None]),
        "charges": st.one_of(
            st.none(), st.floats(0, 100_000).map(lambda x: round(x, 2)), st.just(40_000.0)
        ),
        "cost": st.one_of(st.none(), st.floats(0, 50_000).map(lambda x: round(x, 2))),
        "los": st.one_of(st.none(), st.integers(0, 80)),
        "hospital": st.sampled_from(["甲", "乙", None]),
        "department": st.sampled_from(["D1", "D2", "D3", None]),
        "doctor": st.sampled_from(["Z1", "Z2", None]),
    }
)


def with_status(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    status = {"AQY": 1, "0000": 2}
    return [row | {"status": status.get(row["drg"], 0)} for row in rows]


@settings(max_examples=60, deadline=None)
@given(st.lists(CASE, max_size=30), st.randoms(use_true_random=False))
def test_invariants(rows: list[dict[str, Any]], random: Any) -> None:
    rows = [row | {"case_id": f"{i}"} for i, row in enumerate(with_status(rows))]
    if not rows:
        return
    policy = example(high__cap_share=0.1)
    settled = settle(columns(*rows), policy)
    priced = settled.paid != MISSING_FEN
    surplus = settled.paid[priced] - settled.cases.charges[priced]
    assert np.array_equal(settled.formula[priced] + settled.adjustment[priced], surplus)
    assert np.array_equal(settled.surplus[priced], surplus)
    assert np.array_equal(priced, settled.kind != KINDS.index("unpriced"))
    assert set(np.unique(settled.basis)) <= set(range(len(BASES)))

    order = list(range(len(rows)))
    random.shuffle(order)
    again = settle(columns(*[rows[i] for i in order]), policy)
    assert again.paid.tolist() == settled.paid[order].tolist()
    assert again.basis.tolist() == settled.basis[order].tolist()
