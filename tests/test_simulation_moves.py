"""What a scenario does not compute again is right all the same: against settling anew.

Random policies with every rule change into each other, alone and by date; the sums that tables are
made of are added up here again from the settlement.
"""

from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np
import pytest
from test_payment_oracle import columns_of, random_cases, random_policy

from drg_engine._jit import JIT
from drg_engine.attribution import PARTS, attribute
from drg_engine.errors import PolicyError
from drg_engine.payment import MISSING_FEN, PaymentColumns, Settlement, settle
from drg_engine.payment_dated import settle_dated
from drg_engine.payment_fund import fund_totals
from drg_engine.policy import Policy
from drg_engine.scenario import Layer, Scenario, WeightChange, changed_policy, parse_scenario
from drg_engine.simulation import FREE_SECTIONS, Outcome, Simulation
from drg_engine.simulation_tables import LEVELS, Comparer, totals
from drg_engine.surplus import rollup
from drg_engine.sweep import breakeven, neutral

ROUNDS, CASES = (23, 120) if JIT else (4, 40)
SMALL: tuple[dict[str, Any], ...] = (
    {"coefficient.by_hospital.甲": 1.04},
    {"coefficient.by_drg": {"BB13": {"3": 1.5, "2": 0.7}}},
    {"low.bound": 0.45},
    {"low.inclusive": True},
    {"low.mode": "ratio_standard"},
    {"high.cap_share": 0.05},
    {"high.cap_share": 1.0, "high.bound": 1.6, "high.by": "single"},
    {"high.mode": "standard"},
    {"high.share": 0.33},
    {"high.cap_of": "in_scope"},
    {"ungrouped": {"mode": "share", "share": 0.2}},
    {"ambiguous": {"mode": "share", "share": 0.2}},
    {"no_weight": {"mode": "share", "share": 0.2}},
    {"review": {"column": "review_paid", "cap_share": 0.05}},
    {"review": {"column": "new_drug", "cap_share": 0.5}},
    {"readmission": {"days": 20, "factor": 0.4}},
    {"tcm": {"drgs": ["AA11"], "minimum": 0.5, "otherwise": 0.5}},
    {"scope": []},
    {"bed_day": []},
    {"extra": []},
    {"standard.means": {"AA11": 5_000.0}},
    {"standard.ratio_of": "mean"},
    {"fund": {"way": "share", "default_k": 0.4}},
)


def sections(policy: Policy) -> dict[str, Any]:
    """Everything a policy says, as changes."""
    rules = policy.rules.model_dump(exclude_unset=True)
    return {name: value for name, value in rules.items() if name not in ("policy", "sources")}


def same(outcome: Outcome, settled: Settlement) -> None:
    """State, sums and fund of an outcome are those of the settlement."""
    state = outcome.after
    assert state.paid.tolist() == settled.paid.tolist()
    assert state.kind.tolist() == settled.kind.tolist()
    assert state.standard.tolist() == settled.standard.tolist()
    made = state.settlement
    for name in ("mode", "basis", "rule", "formula", "adjustment", "surplus", "cost_surplus"):
        if name != "rule" or len(state.parts) == 1:
            assert getattr(made, name).tolist() == getattr(settled, name).tolist()
    assert {k: v.tolist() for k, v in made.parts.items()} == {
        k: v.tolist() for k, v in settled.parts.items()
    }
    assert made.notices == settled.notices
    tables = Comparer(outcome.simulation).compare(outcome).tables
    for level in ("hospitals", "drgs"):
        if level == "drgs" and outcome.regrouped:
            continue
        rolled = rollup(settled, LEVELS[level])
        rolled = rolled.sort_values(LEVELS[level][0], ignore_index=True)
        for name in ("cases", "charges_fen", "paid_fen", "surplus_fen", "cost_surplus_fen", "rw"):
            assert tables[level][name].tolist() == rolled[name].tolist(), (level, name)
    found, whole = totals(state), rollup(settled).iloc[0]
    assert found.standard_fen == whole["standard_fen"]
    assert found.cost_fen == whole["cost_fen"]
    assert found.kinds == tuple(np.bincount(settled.kind, minlength=10).tolist())
    known = settled.paid != MISSING_FEN
    by_kind = [int(settled.paid[known & (settled.kind == k)].sum()) for k in range(10)]
    assert list(found.kinds_paid) == by_kind


def adds_up(outcome: Outcome, order: tuple[Any, ...] = ()) -> None:
    cells = outcome.simulation.cells
    found = attribute(outcome, cells, order=order)
    before, after = totals(outcome.base), totals(outcome.after)
    for measure in ("surplus", "cost_surplus"):
        row = found.table(measure=measure).iloc[0]
        moved = getattr(after, f"{measure}_fen") - getattr(before, f"{measure}_fen")
        assert sum(row[f"{name}_fen"] for name in PARTS) == row["change_fen"] == moved


def test_one_policy_into_another() -> None:
    random = np.random.default_rng(31)
    for _ in range(ROUNDS):
        cases = columns_of(random_cases(random, CASES))
        one, two = random_policy(random), random_policy(random)
        change = Scenario("s", "s", layers=(Layer("s", sections(two)),))
        outcome = Simulation(cases, one).run(change)
        settled = settle(cases, changed_policy(change, one))
        same(outcome, settled)
        policy = outcome.after.policy
        assert outcome.after.fund == fund_totals(cases, policy, settled.mode, settled.paid)


def test_small_changes_touch_what_they_should() -> None:
    random = np.random.default_rng(32)
    for turn in range(ROUNDS):
        cases = columns_of(random_cases(random, CASES))
        policy = random_policy(random)
        run = Simulation(cases, policy)
        picked = [SMALL[(turn * 3 + k) % len(SMALL)] for k in range(3)]
        weights = (WeightChange("w", factors={"BB13": 1.3}),) if turn % 2 else ()
        for changes in (*picked, {}):
            layers = (Layer("s", changes),) if changes else ()
            change = Scenario("s", "s", layers=layers, weights=weights, cost_factor=0.93)
            outcome = run.run(change)
            after = outcome.after
            settled = settle(after.columns, changed_policy(change, policy))
            same(outcome, settled)
            assert after.fund == fund_totals(cases, after.policy, settled.mode, settled.paid)
            adds_up(outcome)


def dated(random: np.random.Generator) -> tuple[Policy, Policy]:
    """Two policies of the same way of pricing, changing on 1 February 2026."""
    one = random_policy(random)
    two = one.with_changes(
        {"low.bound": 0.35, "high.cap_share": 0.08, "readmission": {"days": 30, "factor": 0.6}}
    )
    change = date(2026, 2, 1)
    return (
        one.with_changes({"policy.effective_to": change}),
        two.with_changes({"policy.effective_from": change, "policy.name": "later"}),
    )


def with_dates(random: np.random.Generator) -> PaymentColumns:
    cases = random_cases(random, CASES)
    return columns_of([case for case in cases if case.left is not None])


def test_several_policies_by_date() -> None:
    random = np.random.default_rng(33)
    for turn in range(ROUNDS // 2):
        cases, policies = with_dates(random), dated(random)
        run = Simulation(cases, policies)
        assert run.base.paid.tolist() == settle_dated(cases, policies).whole.paid.tolist()
        layer = Layer("s", SMALL[turn % len(SMALL)], start=None, stop=None)
        change = Scenario("s", "s", layers=(layer,), cost_factor=0.9)
        outcome = run.run(change)
        changed = [changed_policy(change, policy) for policy in policies]
        same(outcome, settle_dated(outcome.after.columns, changed).whole)
        adds_up(outcome)
        adds_up(outcome, ("outlier", "coefficient"))


def test_a_change_of_some_dates_leaves_the_other_policy_alone() -> None:
    random = np.random.default_rng(34)
    policies = dated(random)
    cases = with_dates(random)
    run = Simulation(cases, policies)
    early = cases.discharge_date < np.datetime64("2026-02-01")  # type: ignore[operator]
    assert 0 < int(early.sum()) < cases.n
    off = {"low.mode": "standard", "low.bound": 0.0, "readmission": {}, "high.cap_share": 0.0}
    for start, stop, left in (
        (date(2026, 2, 1), None, early),
        (date(2026, 3, 1), date(2026, 4, 1), early),
        (None, date(2026, 2, 1), ~early),
    ):
        layer = Layer("s", off, start=start, stop=stop)
        weights = (WeightChange("s", scale=1.5, start=start, stop=stop),)
        outcome = run.run(Scenario("s", "s", layers=(layer,), weights=weights))
        moved = outcome.after.paid != run.base.paid
        assert moved.any()
        assert not moved[left].any()
        assert run.base.policies == tuple(part.base.policy for part in run.base.parts)
        adds_up(outcome)
    before = Layer("s", off, stop=date(2020, 1, 1))
    with pytest.raises(PolicyError, match="情景写明的日期内没有生效的政策"):
        run.run(Scenario("s", "s", layers=(before,)))


def test_other_figures_of_several_policies() -> None:
    """Break-even over all cases; the neutral rate is told by policy."""
    random = np.random.default_rng(36)
    one, two = (
        policy.with_changes({"standard.method": "rate", "standard.ratio_of": "mean"})
        for policy in dated(random)
    )
    two = two.with_changes({"standard.overall_mean": 9_000.0})
    run = Simulation(with_dates(random), [two, one])
    assert [policy.name for policy in run.policies] == [one.name, "later"]
    table = breakeven(run.base)
    assert table["cases"].sum() == int(np.isin(run.base.kind, [0, 1, 2]).sum())
    found = neutral(run, Scenario("s", "s", weights=(WeightChange(scale=1.25),)))
    assert set(found.table["policy"]) == {one.name, "later"}
    assert np.allclose(found.table["neutral_price"] * 1.25, found.table["base_price"])


def test_dates_of_a_file() -> None:
    head = '[scenario]\ntitle = "t"\nauthor = "a"\nsource = "测算"\n'
    dates = "dates_from = 2026-07-01\ndates_to = 2026-10-01\n"
    body = "[weights]\nscale = 1.1\n[changes]\nrates.310 = 9000.0\n"
    found = parse_scenario((head + dates + body).encode(), file="s.toml")
    for one in (*found.layers, *found.weights):
        assert (one.start, one.stop) == (date(2026, 7, 1), date(2026, 10, 1))
    for wrong, message in (
        ("dates_from = 2026-07-01\ndates_to = 2026-07-01\n", "须晚于 dates_from"),
        ("dates_from = 2026-07-01\n[scheme]\nname = 'x'\n", "换分组方案时不能限定日期"),
        ("dates_from = 7\n", "只改这一天及以后有效的政策"),
    ):
        with pytest.raises(PolicyError, match=message):
            parse_scenario((head + wrong).encode(), file="s.toml")


def test_sections_that_do_not_pay_are_named() -> None:
    assert set(FREE_SECTIONS) >= {"policy", "sources"}
