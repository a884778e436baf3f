"""Roll-ups: levels agree to the fen; indicators by hand."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_payment import CASE, columns, example, with_status

from drg_engine.indicators import (
    consumption_index,
    control_accuracy,
    fee_shares,
    grouping_rate,
    header_figures,
)
from drg_engine.payment import KINDS, MISSING_FEN, settle
from drg_engine.surplus import MEASURES, rollup

SUMMED = [name for name in MEASURES if name.endswith(("_fen", "_cases"))] + [
    "cases",
    "grouped",
    "rw",
    "rw2",
]


def small_month() -> Any:
    """Six cases that can be added up in the head."""
    return columns(
        {"drg": "AA11", "charges": 4_000, "cost": 3_000, "los": 4, "department": "D2"},
        {"drg": "BB13", "charges": 9_000, "cost": 9_500, "los": 6, "department": "D1"},
        {"drg": "CC15", "charges": 22_000, "los": 10, "department": "D1"},
        {"drg": "CC15", "charges": 3_000, "cost": 2_000, "los": None, "department": "D1"},
        {"drg": "0000", "status": 2, "charges": 5_000, "los": 5, "department": "D2"},
        {"drg": "BB13", "charges": None, "los": 5, "department": None},
    )


def test_rollup_by_hand() -> None:
    frame = rollup(settle(small_month(), example()), ["department"])
    assert list(frame.columns) == ["department", *MEASURES]
    assert frame["department"].tolist() == ["D1", "D2", ""]
    first = frame.iloc[0]
    assert first["cases"] == 3
    assert first["rw"] == 5.0
    assert first["cmi"] == 5 / 3
    assert first["drg_count"] == 2
    assert first["rw2"] == 2
    assert first["charges_fen"] == 3_400_000
    assert first["standard_fen"] == 5_000_000
    assert first["paid_fen"] == 1_000_000 + 2_000_000 + 300_000
    assert first["formula_fen"] == 1_600_000
    assert first["adjustment_fen"] == -1_700_000
    assert first["surplus_fen"] == -100_000
    assert first["surplus_rate"] == -100_000 / 3_400_000
    assert first["cost_cases"] == 2
    assert first["cost_fen"] == 1_150_000
    assert first["cost_surplus_fen"] == 50_000 + 100_000
    assert first["mean_los"] == 8.0
    assert first["low_cases"] == 1
    assert first["normal_cases"] == 2
    second = frame.iloc[1]
    assert second["grouping_rate"] == 0.5
    assert second["ungrouped_cases"] == 1
    last = frame.iloc[2]
    assert last["unpriced_cases"] == 1
    assert last["paid_fen"] == 0
    assert math.isnan(last["surplus_rate"])
    assert math.isnan(last["mean_charges"])


def test_rollup_by_kind_keeps_the_order_of_kinds() -> None:
    frame = rollup(settle(small_month(), example()), ["kind", "drg"])
    assert frame["kind"].tolist() == ["normal", "normal", "normal", "low", "ungrouped", "unpriced"]
    assert frame["drg"].tolist() == ["AA11", "BB13", "CC15", "CC15", "0000", "BB13"]


def test_unknown_and_absent_keys() -> None:
    settled = settle(small_month(), example())
    with pytest.raises(KeyError, match="ward"):
        rollup(settled, ["ward"])
    assert rollup(settled)["cases"].tolist() == [6]


@settings(max_examples=40, deadline=None)
@given(st.lists(CASE, min_size=1, max_size=30), st.randoms(use_true_random=False))
def test_levels_agree(rows: list[dict[str, Any]], random: Any) -> None:
    rows = [row | {"case_id": f"{i}"} for i, row in enumerate(with_status(rows))]
    settled = settle(columns(*rows), example(high__cap_share=0.1))
    whole = rollup(settled).iloc[0]
    levels = [
        ["hospital"],
        ["department"],
        ["department", "doctor"],
        ["drg", "insurance"],
        ["kind"],
    ]
    for by in levels:
        frame = rollup(settled, by)
        for name in SUMMED:
            assert frame[name].sum() == whole[name], (by, name)
        parts = frame["formula_fen"] + frame["adjustment_fen"]
        assert (parts == frame["surplus_fen"]).all()
        assert (frame["paid_fen"] - frame["charges_fen"] == frame["surplus_fen"]).all()
        assert (frame[[f"{kind}_cases" for kind in KINDS]].sum(axis=1) == frame["cases"]).all()
    shuffled = list(rows)
    random.shuffle(shuffled)
    again = rollup(settle(columns(*shuffled), example(high__cap_share=0.1)), ["department", "drg"])
    pd.testing.assert_frame_equal(again, rollup(settled, ["department", "drg"]), check_exact=True)


def test_header_figures_by_hand() -> None:
    figures = header_figures(settle(small_month(), example()))
    assert figures.cases == 6
    assert figures.grouped == 5
    assert figures.drg_count == 3
    assert figures.rw == 6.5
    assert figures.cmi == 1.3
    assert figures.rw2_cases == 2
    assert figures.rw2_share == 0.4
    assert figures.charges_per_rw == 38_000 / 5.5
    assert figures.days_per_rw == 25 / 4.5
    # C/S: 0.8, 0.9 (out), 1.1 (out), 0.15
    assert figures.control_accuracy == 0.0


def test_control_accuracy_bounds_are_out() -> None:
    charges = np.array([90, 91, 109, 110, MISSING_FEN])
    standard = np.array([100, 100, 100, 100, 100])
    assert control_accuracy(charges, standard, 0.9, 1.1) == 0.5


def test_p13_consumption_index() -> None:
    counts, actual, reference = [30, 10, 5], [8000, 12000, 52000], [9000, 10000, 50000]
    assert round(consumption_index(counts, actual, reference), 6) == 0.974815
    assert round(consumption_index(counts, actual, reference, sums=True), 6) == 1.0
    assert math.isnan(consumption_index([1], [5.0], [0.0]))


def test_p18_grouping_rate() -> None:
    assert round(grouping_rate(1529, 2266) * 100, 2) == 67.48
    assert math.isnan(grouping_rate(0, 0))


def test_fee_shares() -> None:
    cases = columns({"charges": 100, "department": "D1"}, {"charges": 300, "department": "D2"})
    amounts = {"fee_drug": np.array([2_500, MISSING_FEN]), "fee_test": np.array([1_000, 3_000])}
    object.__setattr__(cases, "amounts", amounts)
    assert fee_shares(cases).to_dict("list") == {"fee_drug": [0.0625], "fee_test": [0.1]}
    by = fee_shares(cases, "department")
    assert by["fee_drug"].tolist() == [0.25, 0.0]
    assert by["department"].tolist() == ["D1", "D2"]
    with pytest.raises(KeyError):
        fee_shares(cases, "ward")
