"""Attribution: parts add up to the fen, in any order, at every level."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from simulation_cases import case_rows, columns, policy, scenario, scenarios, simulation

from drg_engine._policy_model import PolicyRules
from drg_engine.attribution import PARTS, SECTIONS, Attribution, attribute
from drg_engine.errors import PolicyError
from drg_engine.scenario import Scenario, SchemeChange, WeightChange
from drg_engine.simulation import FREE_SECTIONS, Outcome, Simulation
from drg_engine.simulation_cells import Cells
from drg_engine.simulation_tables import LEVELS, Comparer, totals


def parts(outcome: Outcome, *order: str, measure: str = "surplus") -> dict[str, int]:
    """Parts of the whole that are not 0, in fen."""
    cells = Cells.made(outcome.base.columns)
    found = attribute(outcome, cells, order=order)  # type: ignore[arg-type]
    row = found.table(measure=measure).iloc[0]
    return {name: int(row[f"{name}_fen"]) for name in PARTS if row[f"{name}_fen"]}


def p15() -> Outcome:
    base = policy(rates={"310": 8_000.0}, coefficient__default=1.05)
    run = Simulation(columns(*[{"charges": 8_000}] * 100), base)
    return run.run(scenario("p15", {"rates.310": 7_600.0}, weights=(WeightChange(scale=1.1),)))


def test_p15() -> None:
    """payment.md P15: 840,000 → 877,800: weights + 84,000, rates − 46,200."""
    assert parts(p15()) == {"weights": 84_000_00, "rates": -46_200_00}
    # The other way round: 400 × 1.05 × 100 less, then a tenth of 798,000 more.
    assert parts(p15(), "rates") == {"weights": 79_800_00, "rates": -42_000_00}


def test_every_part() -> None:
    cases = columns(
        {"charges": 4_500, "cost": 4_000},
        {"drg": "AA11", "charges": 4_000, "cost": 1_000},
        {"drg": "DD29", "charges": 7_000},
    )
    change = scenario(
        "all",
        {"rates.310": 9_000.0, "coefficient.default": 1.1, "low.bound": 0.5},
        scheme=SchemeChange("new"),
        weights=(WeightChange(by_drg={"AA19": 0.5}),),
        cost_factor=0.9,
    )
    outcome = simulation(cases).run(change)
    # baseline 10,000 + 5,000 + 7,000; new scheme 11,000 + 6,000 + 11,000; AA19 0.5: − 1,000;
    # rate 9,900 + 4,500 + 9,900; H 10,890 + 4,950 + 10,890; the first is low and paid as charged
    assert parts(outcome) == {
        "scheme": 6_000_00,
        "weights": -1_000_00,
        "rates": -2_700_00,
        "coefficient": 2_430_00,
        "outlier": -6_390_00,
    }
    assert parts(outcome, measure="cost_surplus") == {
        "scheme": 2_000_00,
        "weights": -1_000_00,
        "rates": -1_600_00,
        "coefficient": 1_440_00,
        "outlier": -6_390_00,
        "cost": 500_00,
    }


def test_weights_given_for_a_scheme_without_any_count_to_the_scheme() -> None:
    run = simulation(columns({"charges": 9_000}))
    change = scenario(
        "bare", scheme=SchemeChange("bare"), weights=(WeightChange(by_drg={"BB13": 2.0}),)
    )
    assert parts(run.run(change)) == {"scheme": 10_000_00}


def test_point_values_found_again_are_rates() -> None:
    changes = {
        "standard.method": "points",
        "points.find": "fund",
        "points.budgets": {"310": 20_000.0},
        "low.bound": 0.0,
    }
    run = Simulation(columns({}, {"drg": "AA11"}), policy().with_changes(changes))
    outcome = run.run(scenario("double", weights=(WeightChange(scale=2.0),)))
    assert parts(outcome) == {"weights": 20_000_00, "rates": -20_000_00}


def test_every_section_that_pays_belongs_to_a_step() -> None:
    named = [name for listed in SECTIONS.values() for name in listed]
    assert sorted([*named, *FREE_SECTIONS]) == sorted(PolicyRules.model_fields)


def test_an_order_that_is_no_policy_is_told() -> None:
    run = simulation(columns({"charges": 90_000}))
    changes = {"high.mode": "cap", "standard.overall_mean": 9_000.0}
    outcome = run.run(scenario("cap", changes))
    assert list(parts(outcome)) == ["outlier"]
    with pytest.raises(PolicyError, match="归因到“倍率与特殊病例规则”一步时不成其为政策"):
        parts(outcome, "outlier", "rates")


def _sums(found: Attribution, by: tuple[str, ...], measure: str) -> tuple[list[int], list[int]]:
    table = found.table(by, measure=measure)
    added = table[[f"{name}_fen" for name in PARTS]].sum(axis=1)
    return added.tolist(), table["change_fen"].tolist()


@settings(max_examples=40)
@given(case_rows, scenarios())
def test_parts_add_up_at_every_level(rows, change: Scenario) -> None:
    run = simulation(columns(*rows))
    outcome = run.run(change)
    comparer = Comparer(run)
    found = attribute(outcome, comparer.cells)
    assert found.order == ("scheme", *change.order, "cost")
    tables = comparer.compare(outcome).tables
    base, after = totals(outcome.base), totals(outcome.after)
    for measure in ("surplus", "cost_surplus"):
        added, whole = _sums(found, (), measure)
        difference = getattr(after, f"{measure}_fen") - getattr(base, f"{measure}_fen")
        assert added == whole == [difference]
        for name, by in LEVELS.items():
            added, change_fen = _sums(found, by, measure)
            table = tables[name]
            moved = table[f"{measure}_fen"] - table[f"base_{measure}_fen"]
            assert added == change_fen == moved.tolist()


@settings(max_examples=30)
@given(case_rows)
def test_nothing_changed_has_no_parts(rows) -> None:
    outcome = simulation(columns(*rows)).run(scenario("empty"))
    table = attribute(outcome, Cells.made(outcome.base.columns)).table(("drg",))
    assert not np.any(table.drop(columns="drg").to_numpy())
