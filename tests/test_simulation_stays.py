"""Simulation where a case is paid by what comes after it, and budgets beside bed-days."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import numpy as np
from simulation_cases import columns, policy, regrouped, scenario

from drg_engine.montecarlo import montecarlo
from drg_engine.payment import MISSING_FEN, PaymentColumns, settle
from drg_engine.payment_dated import settle_dated
from drg_engine.policy import Policy
from drg_engine.scenario import SchemeChange, WeightChange
from drg_engine.simulation import Simulation
from drg_engine.simulation_tables import totals
from drg_engine.sweep import neutral

READMISSION = {"readmission.days": 15, "readmission.factor": 0.5}
JULY = date(2024, 7, 1)


def stay(begin: date, days: int = 5, **more: Any) -> dict[str, Any]:
    dates = {"admission_date": begin, "discharge_date": begin + timedelta(days=days)}
    return {"person_id": "P1", "charges": 9_000} | dates | more


def two_policies(
    early: dict[str, Any] | None = None, late: dict[str, Any] | None = None
) -> list[Policy]:
    """One until the end of June, one from July, by the date of discharge or as ``early`` says."""
    first = policy().with_changes({**READMISSION, "policy.effective_to": JULY, **(early or {})})
    after = {"policy.effective_from": JULY, "policy.name": "late", **(late or {})}
    return [first, policy().with_changes({**READMISSION, **after})]


def paid(cases: PaymentColumns, *policies: Policy) -> list[int]:
    settled = settle_dated(cases, policies).whole if policies[1:] else settle(cases, policies[0])
    return settled.paid.tolist()


def test_stays_that_another_scheme_parts_are_not_cut() -> None:
    """Two stays in BB13; the new scheme puts the later one into another DRG: nothing is halved."""
    cases = columns(stay(date(2024, 3, 1)), stay(date(2024, 3, 10)))
    run = Simulation(cases, policy().with_changes(READMISSION), scheme="old", regroup=None)
    assert run.base.paid.tolist() == [5_000_00, 10_000_00]
    moved = regrouped(cases)(SchemeChange("new"))
    moved.drg[1] = 0  # AA19, weight 0.6
    run = Simulation(
        cases, policy().with_changes(READMISSION), scheme="old", regroup=lambda _: moved
    )
    after = run.run(scenario("new", scheme=SchemeChange("new"))).after
    assert after.paid.tolist() == [11_000_00, 6_000_00]
    assert after.settlement.paid.tolist() == [11_000_00, 6_000_00]


def test_fund_of_a_stay_that_the_next_policy_shows_to_be_followed() -> None:
    """Stays in June and July: the fund of the first is 5,000 − 1,000, not 10,000 − 1,000."""
    cases = columns(stay(date(2024, 6, 20)), stay(date(2024, 7, 1)))
    cases.amounts["personal_pay"] = np.array([1_000_00, 2_000_00])  # type: ignore[index]
    run = Simulation(cases, two_policies())
    assert run.base.paid.tolist() == [5_000_00, 10_000_00]
    assert totals(run.base).fund_fen == 4_000_00 + 8_000_00
    after = run.run(scenario("r", {"rates.310": 12_000.0})).after
    assert totals(after).fund_fen == 5_000_00 + 10_000_00


def test_a_stay_that_no_longer_counts_frees_one_under_another_policy() -> None:
    """The later stay is July's, whose policy cuts none: out of scope there, June's is whole."""
    cases = columns(stay(date(2024, 6, 20)), stay(date(2024, 7, 1), principal_dx="Z99.000"))
    scope = ({"code": "z", "title": "其他", "dx_prefixes": ("Z99.",)},)
    run = Simulation(cases, two_policies(late={"readmission": {}}))
    assert run.base.paid.tolist() == [5_000_00, 10_000_00]
    after = run.run(scenario("scope", {"scope": scope})).after
    assert after.paid.tolist() == [10_000_00, 9_000_00]
    assert after.paid.tolist() == paid(cases, *after.policies)


def test_stays_are_in_one_line_whatever_policy_pays_them() -> None:
    """One stay lies in another: it is the next of the first, and the third is not.

    The policies go by the day of settlement, so that the first and third have one policy and the
    second the other; they are cut as one policy would cut all three.
    """
    first, second = date(2024, 5, 10), date(2024, 5, 12)
    cases = columns(
        stay(date(2024, 5, 1), 10, settlement_date=date(2024, 6, 1)),
        stay(first, 20, settlement_date=JULY),
        stay(second, 1, settlement_date=date(2024, 6, 1)),
    )
    whole = policy().with_changes(READMISSION)
    by_settlement = {"policy.dated_by": "settlement"}
    both = two_policies(by_settlement, by_settlement)
    assert paid(cases, whole) == [10_000_00] * 3
    assert paid(cases, *both) == [10_000_00] * 3
    assert Simulation(cases, both).base.paid.tolist() == [10_000_00] * 3


def test_a_case_drawn_twice_is_no_readmission() -> None:
    """Stays of one day, of two persons: each copy is paid 10,000 against 9,000, whatever is drawn.

    Of P1's two stays the first is halved wherever both are drawn as often.
    """
    day = {"days": 0, "cost": None}
    cases = columns(stay(date(2024, 3, 1), **day), stay(date(2024, 3, 1), person_id="P2", **day))
    run = Simulation(cases, policy().with_changes(READMISSION))
    drawn = montecarlo(run.run(scenario("same")), draws=20, seed=1, resettle=True)
    assert drawn.sums.tolist() == [[2_000_00, 2_000_00, 0]] * 20
    two = columns(stay(date(2024, 3, 1), **day), stay(date(2024, 3, 5), **day))
    run = Simulation(two, policy().with_changes(READMISSION))
    drawn = montecarlo(run.run(scenario("same")), draws=20, seed=1, resettle=True)
    assert set(drawn.sums[:, 0].tolist()) == {2_000_00, -3_000_00}


def test_closed_budget_beside_days_priced_in_yuan() -> None:
    """20 days at 300 yuan stay 6,000; ΣRW of the others goes 3 → 4, so the rate to 7,500."""
    bed = {"code": "b", "title": "床日", "dx_prefixes": ["F2"], "per_day": 300.0}
    days = {"charges": 6_000, "los": 20, "principal_dx": "F20.100"}
    cases = columns({"charges": 9_000}, {"drg": "CC15", "charges": 18_000}, days)
    run = Simulation(cases, policy(rates={"310": 10_000.0}, bed_day=[bed]))
    heavier = (WeightChange(factors={"CC15": 1.5}),)
    outcome = run.run(scenario("closed", weights=heavier, point_value="closed"))
    assert outcome.after.policy.rules.rates["310"] == 7_500.0
    assert totals(outcome.base).standard_fen == totals(outcome.after).standard_fen == 36_000_00
    found = neutral(run, scenario("heavier", weights=heavier)).table.iloc[0]
    assert (found["base_rw"], found["rw"], found["neutral_price"]) == (3.0, 4.0, 7_500.0)


def test_missing_amounts_stay_missing() -> None:
    cases = columns(stay(date(2024, 6, 20), charges=None), stay(date(2024, 7, 1)))
    run = Simulation(cases, two_policies())
    assert run.base.paid.tolist() == [MISSING_FEN, 10_000_00]
