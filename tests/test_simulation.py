"""Running scenarios: what changes and what does not, migration, budgets, costs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simulation_cases import case_rows, columns, policy, scenario, scenarios, simulation

from drg_engine.errors import PolicyError
from drg_engine.payment import MISSING_FEN, settle
from drg_engine.scenario import Scenario, SchemeChange, WeightChange, changed_policy, stack
from drg_engine.simulation import Simulation, check_names, points_by_type
from drg_engine.simulation_cells import Cells, exact_sums
from drg_engine.simulation_tables import (
    LEVELS,
    Comparer,
    kind_table,
    largest_changes,
    migration,
    totals,
    totals_row,
)
from drg_engine.surplus import rollup

ROWS = (
    {"drg": "AA11", "charges": 4_000, "cost": 3_000, "department": "D2"},
    {"drg": "BB13", "charges": 12_000, "cost": 9_000},
    {"drg": "BB13", "charges": 3_900, "insurance": "390", "doctor": "Z2"},
    {"drg": "CC15", "charges": 70_000, "department": "D2"},
    {"drg": "DD29", "charges": 5_000},
    {"drg": "0000", "charges": 6_000, "department": None},
    {"drg": "BB13", "charges": None},
)


def test_p15_weights_and_rate() -> None:
    """payment.md P15: n 100, RW 1.0 → 1.1, BR 8,000 → 7,600, H 1.05."""
    cases = columns(*[{"charges": 8_000}] * 100)
    base = policy(rates={"310": 8_000.0}, coefficient__default=1.05)
    run = Simulation(cases, base)
    change = scenario("p15", {"rates.310": 7_600.0}, weights=(WeightChange(scale=1.1),))
    outcome = run.run(change)
    assert totals(outcome.base).paid_fen == 840_000_00
    assert totals(outcome.after).paid_fen == 877_800_00


def test_totals_by_hand() -> None:
    outcome = simulation(columns(*ROWS)).run(scenario("s", {"low.bound": 0.5}))
    base, after = totals(outcome.base), totals(outcome.after)
    # 5,000 + 10,000 + 8,000 + (20,000 + 0.8 × (70,000 − 60,000)) + 5,000 + 6,000
    assert base.paid_fen == 62_000_00
    assert base.charges_fen == 100_900_00
    assert base.surplus_fen == -38_900_00
    # 3,900 of 8,000 is low now, and paid as charged
    assert after.paid_fen == base.paid_fen - 4_100_00
    assert (base.cases, base.grouped, base.rw) == (7, 6, 5.5)
    assert base.cmi == pytest.approx(5.5 / 6)
    assert (base.standard_fen, base.breakeven) == (43_000_00, pytest.approx(43_000 / 89_900))
    assert (base.cost_fen, base.cost_surplus_fen) == (12_000_00, 3_000_00)
    row = totals_row(after, base)
    assert (row["change_fen"], row["low_cases"], row["normal_cases"]) == (-4_100_00, 1, 2)
    kinds = kind_table(base, after).set_index("kind")
    assert kinds.loc["low"].tolist() == [0, 1, 0, 3_900_00, 3_900_00]
    assert kinds.loc["normal", "change_fen"] == -8_000_00


def test_nothing_changed_is_not_computed_again() -> None:
    run = simulation(columns(*ROWS))
    outcome = run.run(scenario())
    assert outcome.after.settlement.paid is run.base.settlement.paid
    assert outcome.after.columns is run.base.columns
    fund = run.run(scenario("fund", {"fund.prepaid": 0.85})).after
    assert fund.settlement.paid is run.base.settlement.paid
    assert fund.settlement.policy.rules.fund.prepaid == 0.85
    same = run.run(scenario("w", weights=(WeightChange(scale=1.0),))).after
    assert same.columns.weight is run.base.columns.weight
    rates = run.run(scenario("r", {"rates.310": 9_000.0})).after
    assert rates.columns is run.base.columns


def test_costs_move_only_the_cost_surplus() -> None:
    run = simulation(columns(*ROWS, {"charges": 9_000, "cost": 0.3}))
    after = run.run(scenario("cost", cost_factor=0.95)).after
    assert after.columns.cost[[0, 1, 7]].tolist() == [2_850_00, 8_550_00, 29]  # 28.5 up
    assert (after.columns.cost[2:7] == MISSING_FEN).all()
    assert after.settlement.paid is run.base.settlement.paid
    assert after.settlement.cost_surplus[:2].tolist() == [2_150_00, 1_450_00]
    whole = settle(after.columns, run.base.policy)
    assert after.settlement.cost_surplus.tolist() == whole.cost_surplus.tolist()


def test_another_scheme() -> None:
    run = simulation(columns(*ROWS))
    outcome = run.run(scenario("new", scheme=SchemeChange("new")))
    moved = migration(outcome)
    assert moved[["base_drg", "drg", "cases"]].to_numpy().tolist() == [
        ["AA11", "AA19", 1],
        ["CC15", "CC11", 1],
        ["DD29", "BB13", 1],
    ]
    # AA19 0.6, CC11 2.5 with C below 3·S, DD29's 5,000 paid as charged → 11,000
    assert moved["change_fen"].tolist() == [1_000_00, -3_000_00, 6_000_00]
    assert outcome.after.columns.weight[1] == 1.1
    assert outcome.notices == ()
    drgs = Comparer(run).compare(outcome).tables["drgs"].set_index("drg")
    assert drgs.loc["DD29", "change_fen"] == 6_000_00
    assert drgs.loc["BB13", "turn"] == ""


def test_a_scheme_needs_weights_of_its_own() -> None:
    run = simulation(columns(*ROWS))
    with pytest.raises(PolicyError, match="新方案没有权重，不能付费"):
        run.run(scenario("bare", scheme=SchemeChange("bare")))
    with pytest.raises(PolicyError, match="没有这个病组（读到“CC15”）"):
        weights = (WeightChange(by_drg={"CC15": 2.0}),)
        run.run(scenario("wrong", scheme=SchemeChange("bare"), weights=weights))
    with pytest.raises(PolicyError, match="权重是另一个方案的"):
        weights = (WeightChange(scheme="old", by_drg={"CC11": 2.0}),)
        run.run(scenario("old", scheme=SchemeChange("bare"), weights=weights))
    outcome = run.run(
        scenario(
            "given", scheme=SchemeChange("bare"), weights=(WeightChange(by_drg={"CC11": 2.0}),)
        )
    )
    assert outcome.after.settlement.paid[3] == 28_000_00
    assert outcome.notices == ("入组而无权重的病例由 1 例增至 5 例",)
    with pytest.raises(PolicyError, match="没有原始病例，不能重新分组"):
        Simulation(columns(*ROWS), policy()).run(scenario("new", scheme=SchemeChange("new")))


def test_closed_budget_finds_prices_again() -> None:
    cases = columns({"charges": 9_000}, {"drg": "CC15", "charges": 18_000})
    run = simulation(cases)
    change = scenario(
        "closed", weights=(WeightChange(factors={"CC15": 1.5}),), point_value="closed"
    )
    outcome = run.run(change)
    # ΣRW 3 → 4 and the rate 10,000 → 7,500
    assert outcome.after.policy.rules.rates["310"] == 7_500.0
    assert totals(outcome.after).standard_fen == totals(outcome.base).standard_fen == 30_000_00
    assert points_by_type(cases, policy()) == {"310": 300.0}


def test_point_values_fixed_found_and_closed() -> None:
    budget = {"points.find": "fund", "points.budgets": {"310": 30_000.0}, "points.scale": 100.0}
    changes = {"standard.method": "points"} | budget
    cases = columns({"charges": 9_000}, {"drg": "CC15", "charges": 18_000})
    base = policy().with_changes(changes)
    run = Simulation(cases, base)
    assert run.base.policy.rules.points.values == {"310": 100.0}
    double = (WeightChange(scale=2.0),)
    for point_value, value, paid in (
        ("as_policy", 50.0, 30_000_00),
        ("closed", 50.0, 30_000_00),
        ("fixed", 100.0, 60_000_00),
    ):
        after = run.run(scenario("x", weights=double, point_value=point_value)).after
        assert after.policy.rules.points.values == {"310": value}
        assert int(after.settlement.standard.sum()) == paid
    given = base.with_changes({"points.find": "given", "points.values": {"310": 100.0}})
    after = Simulation(cases, given).run(scenario("x", weights=double, point_value="closed")).after
    assert after.policy.rules.points.values == {"310": 50.0}
    pooled = given.with_changes({"points.pooled": True})
    after = Simulation(cases, pooled).run(scenario("x", weights=double, point_value="closed")).after
    assert after.policy.rules.points.values == {"310": 50.0}
    with pytest.raises(PolicyError, match="总额不变只用于同一种"):
        rate = {"standard.method": "rate"}
        Simulation(cases, given).run(scenario("x", rate, point_value="closed"))


def test_largest_changes() -> None:
    run = simulation(columns(*ROWS))
    outcome = run.run(scenario("r", {"rates.310": 11_000.0}))
    paid = outcome.after.settlement.paid - outcome.base.settlement.paid
    assert paid[[0, 1]].tolist() == [500_00, 1_000_00]
    # S 22,000 + 0.8 × (70,000 − 66,000) = 25,200, before 28,000
    assert paid[3] == -2_800_00
    assert largest_changes(outcome, 2).tolist() == [3, 1]
    assert largest_changes(outcome, 99).tolist() == [3, 1, 0]


def test_names_differ() -> None:
    check_names([scenario("a"), scenario("b")])
    with pytest.raises(PolicyError, match="a：情景名称重复"):
        check_names([scenario("a"), scenario("a")])
    with pytest.raises(PolicyError, match="基准：情景名称重复"):
        check_names([scenario("基准")], taken="基准")


def test_the_split_between_fund_and_patient() -> None:
    """payment.md P2: C 59,444.09, S 24,227.05, patient 26,006.32, other funds 12,751.96."""
    bare = columns({"charges": 59_444.09}, {"charges": 9_000})
    paid = {"personal_pay": [26_006_32, MISSING_FEN], "other_fund": [12_751_96, MISSING_FEN]}
    cases = replace(bare, amounts={name: np.array(fen) for name, fen in paid.items()})
    base = policy(rates={"310": 24_227.05}, high__bound=90.0)
    run = Simulation(cases, base)
    found = totals(run.base)
    assert (found.fund_cases, found.fund_fen) == (1, -14_531_23)
    assert (found.patient_fen, found.other_fen) == (26_006_32, 12_751_96)
    after = totals(run.run(scenario("r", {"rates.310": 25_227.05})).after)
    assert totals_row(after, found)["fund_change_fen"] == 1_000_00
    full = totals(run.run(scenario("f", {"fund.way": "full"})).after)
    assert (full.fund_fen, full.paid_fen) == (24_227_05, found.paid_fen)


def test_sums_are_exact_beyond_float64() -> None:
    big = np.array([2**53, 1, 1, -5], dtype=np.int64)
    assert exact_sums(np.array([0, 0, 0, 1]), big, 3).tolist() == [2**53 + 2, -5, 0]
    assert exact_sums(np.zeros(0, dtype=np.int64), big[:0], 2).tolist() == [0, 0]


@settings(max_examples=40)
@given(case_rows, scenarios(), st.randoms(use_true_random=False))
def test_levels_agree_and_order_does_not_matter(rows, change: Scenario, random) -> None:
    run = simulation(columns(*rows))
    outcome = run.run(change)
    compared = Comparer(run).compare(outcome)
    tables, found = compared.tables, totals(outcome.after)
    assert str(compared.totals) == str(found)
    for name in LEVELS:
        assert int(tables[name]["paid_fen"].sum()) == found.paid_fen
        assert int(tables[name]["surplus_fen"].sum()) == found.surplus_fen
        assert int(tables[name]["cost_surplus_fen"].sum()) == found.cost_surplus_fen
    assert sum(found.kinds) == found.cases == len(rows)
    assert sum(found.kinds_paid) == found.paid_fen
    shuffled = [{"case_id": f"{i:04d}"} | row for i, row in enumerate(rows)]
    random.shuffle(shuffled)
    again = simulation(columns(*shuffled))
    others = Comparer(again).compare(again.run(change)).tables
    for name in LEVELS:
        pd.testing.assert_frame_equal(tables[name], others[name])
    pd.testing.assert_frame_equal(migration(outcome), migration(again.run(change)))


@settings(max_examples=40)
@given(case_rows, scenarios())
def test_a_run_is_a_settlement(rows, change: Scenario) -> None:
    """What was taken over is what settling anew gives, and tables equal the surplus roll-ups."""
    run = simulation(columns(*rows))
    after = run.run(change).after
    whole = settle(after.columns, after.policy)
    for name in ("paid", "standard", "surplus", "formula", "adjustment", "cost_surplus", "kind"):
        assert getattr(after.settlement, name).tolist() == getattr(whole, name).tolist()
    if change.scheme is None:
        tables = Comparer(run).compare(run.run(change)).tables
        rolled = rollup(whole, ("department",)).sort_values("department", ignore_index=True)
        for name in ("cases", "paid_fen", "surplus_fen", "cost_surplus_fen", "rw"):
            assert tables["departments"][name].tolist() == rolled[name].tolist()


@settings(max_examples=25)
@given(case_rows, scenarios())
def test_empty_scenario_changes_nothing(rows, change: Scenario) -> None:
    run = simulation(columns(*rows))
    nothing = run.run(scenario("empty"))
    assert str(totals(nothing.after)) == str(totals(run.base))
    assert not any(
        frame["change_fen"].any() for frame in Comparer(run).compare(nothing).tables.values()
    )
    stacked = run.run(change, scenario("empty", order=change.order))
    assert stacked.after.settlement.paid.tolist() == run.run(change).after.settlement.paid.tolist()


@settings(max_examples=25)
@given(case_rows, scenarios(), scenarios())
def test_stacking_is_combining(rows, one: Scenario, two: Scenario) -> None:
    """Stacked scenarios give what the policy with the changes of both gives."""
    run = simulation(columns(*rows))
    one = replace(one, point_value="as_policy", cost_factor=1.0)
    two = replace(two, point_value="as_policy", cost_factor=1.0, scheme=None)
    found = run.run(one, two).after
    first = run.run(one).after
    both = changed_policy(two, changed_policy(one, run.policy))
    merged = dict(one.layers[0].changes if one.layers else {})
    merged |= dict(two.layers[0].changes if two.layers else {})
    at_once = changed_policy(scenario("both", merged), run.policy)
    assert at_once.rules == both.rules == found.policy.rules
    if not two.weights:
        assert found.settlement.paid.tolist() == settle(first.columns, both).paid.tolist()
    assert (
        found.settlement.paid.tolist() == run.run(stack([one, two])).after.settlement.paid.tolist()
    )


def test_cells_of_cases_without_labels() -> None:
    cells = Cells.made(columns({"department": None, "doctor": None}, {"drg": "CC15"}))
    of, count, texts = cells.groups(("department", "doctor"))
    assert (count, texts) == (2, {"department": ["", "D1"], "doctor": ["", "Z1"]})
    assert of.tolist() == [0, 1]
