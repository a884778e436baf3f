"""What must hold of every settlement, whatever the cases and the policy: Hypothesis draws both."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from drg_engine.payment import KINDS, MISSING_FEN, PaymentColumns, Settlement, settle
from drg_engine.payment_dated import settle_dated
from drg_engine.payment_fund import split_fund
from drg_engine.policy import Policy, load_policy
from drg_engine.surplus import rollup

DATA = Path(__file__).parent / "data" / "payment"
DRGS = ("AA11", "BB13", "CC15", "DD29", "AQY", "0000")
WEIGHTS = {"AA11": 0.5, "BB13": 1.0, "CC15": 2.0}
STATUS = {"AQY": 1, "0000": 2}
AMOUNTS = ("own_expense", "pre_expense", "deductible", "personal_pay", "other_fund",
           "review_paid", "extra_drug", "fee_tcm")  # fmt: skip
LEVELS = ((), ("department",), ("department", "doctor_group"), ("drg",), ("insurance", "kind"))
MONEY = ("charges", "standard", "paid", "formula", "adjustment", "surplus", "cost", "cost_surplus")

FEN = st.integers(0, 9_000_000)
MAYBE = st.one_of(st.none(), FEN)
DAY = st.integers(0, 60)
CASE = st.fixed_dictionaries(
    {
        "drg": st.sampled_from(DRGS),
        "insurance": st.sampled_from(["310", "390", "340", "self", None]),
        "charges": st.one_of(st.none(), FEN, st.sampled_from([400_000, 1_000_000, 3_000_000])),
        "cost": MAYBE,
        "los": st.one_of(st.none(), st.integers(0, 80)),
        "principal_dx": st.sampled_from(["K80.100", "Z53.900", "Z51.100", None]),
        "hospital": st.sampled_from(["甲", "乙", None]),
        "level": st.sampled_from([2, 3]),
        "department": st.sampled_from(["D1", "D2", None]),
        "doctor_group": st.sampled_from(["G1", "G2", None]),
        "doctor": st.sampled_from(["Z1", "Z2", None]),
        "person_id": st.sampled_from(["p1", "p2", "p3", None]),
        "region": st.sampled_from(["230100", "110000", None]),
        "scope_list": st.sampled_from([None, None, "bureau"]),
        "admitted": DAY,
        "stayed": st.integers(0, 20),
        **dict.fromkeys(AMOUNTS, MAYBE),
    }
)
CASES = st.lists(CASE, min_size=1, max_size=24)

POINTS = {"standard.method": "points", "points.values": {"310": 90.0, "390": 70.0}}
FOUND = {"standard.method": "points", "points.find": "total",
         "points.budgets": {"310": 60_000.0, "390": 30_000.0}}  # fmt: skip
TABLE = {"standard.method": "table", "standard.prices_file": "prices_example.csv"}
MODES = ("as_charged", "standard", "charged_times_control", "ratio_points", "ratio_standard")
HIGHS = ("as_charged", "standard", "excess_share", "linear_add", "deduct", "cap")
SCOPE = [
    {"code": "bureau", "title": "名单", "listed": True},
    {"code": "away", "title": "异地", "regions_outside": ["230100"]},
    {"code": "long", "title": "长", "los_over": 60},
]
NEW = {"code": "n", "title": "新药", "column": "extra_drug", "means": {"BB13": 2_000.0}}


def either(changes: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.sampled_from([{}, changes])


CHANGES = st.tuples(
    st.sampled_from([{}, POINTS, FOUND, TABLE]),
    either({"standard.ratio_of": "mean"}),
    st.sampled_from(MODES).map(lambda mode: {"low.mode": mode}),
    st.sampled_from(HIGHS).map(lambda mode: {"high.mode": mode}),
    st.sampled_from([0.0, 0.1, 0.5, 1.0]).map(lambda share: {"high.cap_share": share}),
    either({"high.cap_of": "in_scope"}),
    either({"low.inclusive": True, "high.inclusive": True}),
    either({"scope": SCOPE}),
    either({"ungrouped.mode": "share", "ungrouped.share": 0.7}),
    either({"bed_day": [{"code": "b", "title": "床日", "drgs": ["CC15"], "per_day": 3.0}]}),
    either({"review.column": "review_paid", "review.cap_share": 0.3}),
    either({"readmission.days": 15, "readmission.except_dx": ["Z51."]}),
    either({"extra": [NEW]}),
    either({"tcm.drgs": ["BB13"], "tcm.minimum": 0.4, "tcm.otherwise": 0.8}),
    either({"coefficient.default": 1.05, "coefficient.base_list": ["AA11"]}),
    st.sampled_from(["residual", "proportional", "share", "full"]).map(
        lambda way: {"fund.way": way, "fund.k": {"310": 0.85}, "fund.default_k": 0.6}
    ),
    either({"fund.prepaid": 0.85, "fund.retained": 0.05}),
)


def made(parts: tuple[dict[str, Any], ...]) -> Policy:
    changes: dict[str, Any] = {"standard.overall_mean": 9_000.0}
    for part in parts:
        changes |= part
    if changes.get("standard.method") == "table":  # modes that need a rate or point value
        changes |= {"low.mode": "ratio_standard", "high.mode": "excess_share"}
        changes["standard.means"] = {"BB13": 9_000.0}
    return load_policy(DATA / "rate_example.toml").with_changes(changes)


POLICIES = CHANGES.map(made)


def columns(rows: list[dict[str, Any]]) -> PaymentColumns:
    frame = pd.DataFrame(rows, dtype=object)
    frame["case_id"] = [row.get("case_id", f"{i:03d}") for i, row in enumerate(rows)]
    frame["status"] = [STATUS.get(drg, 0) for drg in frame["drg"]]
    frame["weight"] = [WEIGHTS.get(drg) for drg in frame["drg"]]
    start = np.datetime64("2026-05-15")
    admitted = np.array(frame.pop("admitted"), dtype=np.int64)
    left = admitted + np.array(frame.pop("stayed"), dtype=np.int64)
    frame["admission_date"], frame["discharge_date"] = start + admitted, start + left
    return PaymentColumns.from_frame(frame, DRGS, amounts=AMOUNTS)


def check_reconciled(settled: Settlement) -> None:
    """Surplus = formula + adjustment = paid − charges, for each case and at every level."""
    charges = settled.cases.charges
    priced = charges != MISSING_FEN
    assert np.array_equal(priced, settled.kind != KINDS.index("unpriced"))
    assert np.array_equal(priced, settled.paid != MISSING_FEN)
    assert np.array_equal((settled.formula + settled.adjustment)[priced], settled.surplus[priced])
    assert np.array_equal((settled.paid - charges)[priced], settled.surplus[priced])
    whole = rollup(settled).iloc[0]
    for by in LEVELS:
        frame = rollup(settled, by)
        assert (frame["formula_fen"] + frame["adjustment_fen"] == frame["surplus_fen"]).all()
        assert (frame["paid_fen"] - frame["charges_fen"] == frame["surplus_fen"]).all()
        kinds = [f"{kind}_cases" for kind in KINDS]
        assert (frame[kinds].sum(axis=1) == frame["cases"]).all()
        for name in (*(f"{money}_fen" for money in MONEY), *kinds, "cases", "grouped"):
            assert frame[name].sum() == whole[name], (by, name)
        assert round(frame["rw"].sum(), 8) == round(whole["rw"], 8)


def check_fund(settled: Settlement) -> None:
    """Fund + patient + others = received; less what the way leaves the hospital = paid."""
    split = split_fund(settled)
    known = split.fund != MISSING_FEN
    received = (split.fund + split.patient + split.other)[known]
    assert np.array_equal(received, split.received[known])
    assert np.array_equal((split.received - split.difference)[known], settled.paid[known])
    by_charges = settled.basis_words().astype(str)
    as_charged = np.array(["据实支付" in word for word in by_charges]) & known
    plain = as_charged & ~np.array(["；" in word for word in by_charges])
    assert not split.difference[plain].any()
    if settled.policy.rules.fund.way == "residual":
        assert not split.difference[known].any()
    for column in (split.patient, split.received, split.difference, split.prepaid):
        assert column.shape == settled.paid.shape
    assert not (known & (settled.paid == MISSING_FEN)).any()


@settings(max_examples=40, deadline=None)
@given(CASES, POLICIES)
def test_every_level_reconciles(rows: list[dict[str, Any]], policy: Policy) -> None:
    settled = settle(columns(rows), policy)
    check_reconciled(settled)
    check_fund(settled)


@settings(max_examples=40, deadline=None)
@given(CASES, POLICIES, st.randoms(use_true_random=False))
def test_order_of_rows_does_not_matter(
    rows: list[dict[str, Any]], policy: Policy, random: Any
) -> None:
    rows = [row | {"case_id": f"{i:03d}"} for i, row in enumerate(rows)]
    order = list(range(len(rows)))
    random.shuffle(order)
    one, two = settle(columns(rows), policy), settle(columns([rows[i] for i in order]), policy)
    for name in ("kind", "mode", "basis", "standard", "paid", "formula", "adjustment", "surplus"):
        assert getattr(two, name).tolist() == getattr(one, name)[order].tolist(), name
    for name, part in one.parts.items():
        assert two.parts[name].tolist() == part[order].tolist()
    for name in ("fund", "patient", "other", "prepaid", "retained"):
        ours, theirs = getattr(split_fund(one), name), getattr(split_fund(two), name)
        assert theirs.tolist() == ours[order].tolist(), name
    assert list(two.basis_words()) == [one.basis_words()[i] for i in order]


@settings(max_examples=20, deadline=None)
@given(CASES, POLICIES, POLICIES)
def test_a_year_of_two_policies_reconciles(
    rows: list[dict[str, Any]], first: Policy, second: Policy
) -> None:
    """Each case is paid by the policy of its day, and the whole is the sum of both times."""
    july = date(2026, 7, 1)
    early = first.with_changes({"policy.effective_to": july})
    late = second.with_changes({"policy.effective_from": july})
    cases = columns(rows)
    dated = settle_dated(cases, [late, early])
    check_reconciled(dated.whole)
    assert cases.discharge_date is not None
    after = cases.discharge_date >= np.datetime64(july)
    assert np.array_equal(dated.chosen, after.astype(np.int64))
    assert sum(part.n for _, part in dated.parts) == cases.n
    split = dated.fund()
    for at, part in dated.parts:
        check_fund(part)
        assert np.array_equal(split.fund[at], split_fund(part).fund)
        assert np.array_equal(dated.whole.paid[at], part.paid)
    sums = dated.fund_sums()
    known = split.fund != MISSING_FEN
    assert sums["cases"] == int(known.sum())
    assert sums["fund"] == int(split.fund[known].sum())
    assert sums["patient"] == int(split.patient[known].sum())


@settings(max_examples=40, deadline=None)
@given(CASES, POLICIES, st.integers(0, 60))
def test_the_same_policy_twice_in_time_is_the_policy(
    rows: list[dict[str, Any]], policy: Policy, day: int
) -> None:
    """Cut in two at any day it pays the same; only caps and budgets count by time."""
    plain = policy.with_changes(
        {"high.cap_share": 1.0, "review.cap_share": 1.0, "points.find": "given",
         "points.values": {"310": 80.0}}
    )  # fmt: skip
    cut = date(2026, 5, 15).toordinal() + day
    early = plain.with_changes({"policy.effective_to": date.fromordinal(cut)})
    late = plain.with_changes({"policy.effective_from": date.fromordinal(cut)})
    cases = columns(rows)
    one, two = settle(cases, plain), settle_dated(cases, [early, late]).whole
    for name in ("kind", "paid", "formula", "adjustment", "surplus", "cost_surplus"):
        assert getattr(two, name).tolist() == getattr(one, name).tolist(), name
    assert list(two.basis_words()) == list(one.basis_words())
