"""Sweeps, break-even, the neutral rate, drawing again."""

from __future__ import annotations

import numpy as np
import pytest
from simulation_cases import columns, policy, scenario, simulation

from drg_engine.errors import PolicyError
from drg_engine.montecarlo import montecarlo
from drg_engine.payment import MISSING_FEN, settle
from drg_engine.scenario import WeightChange
from drg_engine.simulation import Simulation
from drg_engine.sweep import Axis, breakeven, neutral, parse_axis, sweep

ROWS = [
    {"drg": "AA11", "charges": 4_000, "cost": 2_000, "department": "D2"},
    {"drg": "BB13", "charges": 12_000, "cost": 6_000},
    {"drg": "BB13", "charges": 4_000, "cost": None},
    {"drg": "CC15", "charges": 70_000, "cost": 63_000, "insurance": "390"},
    {"drg": "0000", "charges": 6_000},
]


def test_axes() -> None:
    assert parse_axis("low.bound=0.3:0.5:0.05") == Axis("low.bound", (0.3, 0.35, 0.4, 0.45, 0.5))
    assert parse_axis("cost.percent = 0:-10:-5").values == (0, -5, -10)
    assert parse_axis("readmission.days=7,15").values == (7, 15)
    assert parse_axis('low.mode="standard","as_charged"').values == ("standard", "as_charged")


@pytest.mark.parametrize(
    "text", ["low.bound", "=1", "x=1:2:0", "x=1:2:-1", "x=", "x=a,b", "x=0:9:1e-9"]
)
def test_axes_that_cannot_be_read(text: str) -> None:
    with pytest.raises(PolicyError, match="扫描的参数有误"):
        parse_axis(text)


def test_a_sweep_is_many_settlements() -> None:
    run = simulation(columns(*ROWS))
    found = sweep(run, [Axis("low.bound", (0.3, 0.5)), Axis("rates.310", (9_000.0, 11_000.0))])
    assert found[["low.bound", "rates.310"]].to_numpy().tolist() == [
        [0.3, 9_000.0],
        [0.3, 11_000.0],
        [0.5, 9_000.0],
        [0.5, 11_000.0],
    ]
    for row in found.to_dict("records"):
        changes = {key: row[key] for key in ("low.bound", "rates.310")}
        whole = settle(run.base.columns, policy().with_changes(changes))
        assert row["paid_fen"] == int(whole.paid.sum())
        assert row["change_fen"] == row["paid_fen"] - int(run.base.settlement.paid.sum())
    assert found["low_cases"].tolist() == [0, 0, 1, 1]


def test_sweeping_weights_costs_and_factors_over_a_scenario() -> None:
    run = simulation(columns(*ROWS[:2]))
    dear = {"rates.310": 20_000.0, "low.bound": 0.0}
    paid = sweep(run, [Axis("weights.scale", (1.0, 1.1))], scenario("r", dear))
    assert paid["paid_fen"].tolist() == [30_000_00, 33_000_00]
    costs = sweep(run, [Axis("cost.percent", (-10, 0))])
    assert costs["cost_surplus_fen"].tolist() == [7_800_00, 7_000_00]
    assert costs["change_fen"].tolist() == [0, 0]
    assert sweep(run, [Axis("factors.rates", (0.5,))])["paid_fen"].tolist() == [7_500_00]


def test_a_sweep_has_one_or_two_known_axes() -> None:
    run = simulation(columns(*ROWS))
    with pytest.raises(PolicyError, match="一个或两个"):
        sweep(run, [])
    with pytest.raises(PolicyError, match="不认识的键"):
        sweep(run, [Axis("low.bond", (0.3,))])
    with pytest.raises(PolicyError, match="须是正数"):
        sweep(run, [Axis("weights.scale", (0.0,))])


def test_breakeven_by_hand() -> None:
    found = breakeven(simulation(columns(*ROWS)).base).set_index("drg")
    assert list(found.index) == ["AA11", "BB13", "CC15"]
    bb13 = found.loc["BB13"]
    # C 16,000 of two cases, S 20,000: turns at a mean of 10,000
    assert (bb13["cases"], bb13["mean_charges_fen"], bb13["turn_charges_fen"]) == (
        2,
        8_000_00,
        10_000_00,
    )
    assert (bb13["ratio"], bb13["turn_ratio"], bb13["room"]) == (0.8, 1.0, 0.25)
    # the one with a cost has half of its charges
    assert (bb13["cost_turn_charges_fen"], bb13["cost_turn_ratio"]) == (20_000_00, 2.0)
    assert (bb13["cost_room"], bb13["bound"], bb13["beyond"]) == (1.5, 3.0, False)
    assert found.loc["CC15", "cost_turn_ratio"] == pytest.approx(1 / 0.9)
    dear = simulation(columns({"charges": 9_000, "cost": 2_000})).base
    assert breakeven(dear)["beyond"].tolist() == [True]
    bare = breakeven(simulation(columns({"charges": 9_000})).base).iloc[0]
    assert bare["cost_turn_charges_fen"] == MISSING_FEN
    assert np.isnan(bare["cost_turn_ratio"])


def test_breakeven_over_the_mean_of_the_region() -> None:
    base = policy(standard__ratio_of="mean", standard__overall_mean=8_000.0)
    found = breakeven(Simulation(columns({"charges": 4_000}), base).base).iloc[0]
    # S 10,000, A 8,000
    assert (found["ratio"], found["turn_ratio"], found["turn_charges_fen"]) == (
        0.5,
        1.25,
        10_000_00,
    )


def test_neutral_rate() -> None:
    """payment.md §8: BR1 = BR0 · ΣRW0 / ΣRW1; P15's weights: 8,000 / 1.1."""
    run = Simulation(columns(*[{"charges": 8_000}] * 100), policy(rates={"310": 8_000.0}))
    found = neutral(run, scenario("w", weights=(WeightChange(scale=1.1),)))
    row = found.table.iloc[0]
    assert (row["insurance"], row["base_price"]) == ("310", 8_000.0)
    assert (row["base_rw"], row["rw"]) == pytest.approx((100.0, 110.0))
    assert row["neutral_price"] == pytest.approx(7_272.7272727)
    assert row["solved_price"] == pytest.approx(7_272.7272727)
    assert (found.paid_fen, found.remaining) == (800_000_00, 0)


def test_neutral_with_every_rule_applied() -> None:
    run = simulation(columns(*ROWS))
    found = neutral(run, scenario("share", {"high.share": 0.0}))
    # 8,000 less for the high case; ΣRW is the same, so the formula alone would keep the rates.
    assert found.table["neutral_price"].tolist() == [10_000.0, 8_000.0]
    assert found.factor > 1.0
    again = run.run(
        scenario(
            "x",
            {
                "high.share": 0.0,
                "rates": dict(found.table[["insurance", "solved_price"]].to_numpy()),
            },
        )
    )
    assert int(again.after.settlement.paid.sum()) == found.paid_fen
    assert found.paid_fen - found.remaining == int(run.base.settlement.paid.sum())
    assert abs(found.remaining) <= 1
    points = {"standard.method": "points", "points.values": {"310": 100.0, "390": 80.0}}
    same = neutral(Simulation(columns(*ROWS), policy().with_changes(points)), scenario("none"))
    assert same.table["solved_price"].tolist() == [100.0, 80.0]
    assert (same.factor, same.remaining) == (1.0, 0)


def test_drawing_again() -> None:
    run = simulation(columns(*ROWS))
    outcome = run.run(scenario("r", {"rates.310": 11_000.0, "low.bound": 0.3}))
    found = montecarlo(outcome, draws=200, seed=7)
    change = outcome.after.settlement.paid - outcome.base.settlement.paid
    assert found.whole[2] == int(change.sum()) == 2_500_00
    assert (found.sums[:, 1] - found.sums[:, 0] == found.sums[:, 2]).all()
    assert (found.by_department.sum(axis=1) == found.sums[:, 2]).all()
    assert found.departments == ("D1", "D2")
    assert found.by_department_whole.tolist() == [2_000_00, 500_00]
    shown = found.intervals(0.9).set_index("measure")
    low, value, high = (shown.loc["change", f"{name}_fen"] for name in ("low", "value", "high"))
    assert low < value < high
    # five draws of five cases that move by 500, 1,000, 1,000, 0 and 0 yuan
    assert low >= 0
    assert high <= 5_000_00
    assert list(found.department_intervals()["department"]) == ["D1", "D2"]
    again = montecarlo(outcome, draws=200, seed=7)
    assert (again.sums == found.sums).all()
    assert not (montecarlo(outcome, draws=200, seed=8).sums == found.sums).all()


def test_drawing_does_not_mind_the_order_of_rows() -> None:
    rows = [{"case_id": f"{i:04d}"} | row for i, row in enumerate(ROWS)]
    change = scenario("r", {"rates.310": 11_000.0, "high.cap_share": 0.2})
    found = [
        montecarlo(simulation(columns(*listed)).run(change), draws=20, seed=1, resettle=resettle)
        for listed in (rows, rows[::-1])
        for resettle in (False, True)
    ]
    assert (found[0].sums == found[2].sums).all()
    assert (found[1].sums == found[3].sums).all()
