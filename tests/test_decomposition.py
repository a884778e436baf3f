"""Why a surplus changed: worked figures, and causes that add up on random months."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from simulation_cases import case_rows, columns, policy

from drg_engine.decomposition import (
    ADJUSTED,
    by_drg,
    by_unit,
    causes_of,
    cells,
    decompose,
    hospital_reference,
    means_reference,
)
from drg_engine.payment import settle
from drg_engine.surplus import rollup


def _cells(rows: list[dict[str, Any]], by: str = "department", **changes: Any) -> pd.DataFrame:
    return cells(settle(columns(*rows), policy(**changes)), by)


def _plain(**given_: float) -> pd.DataFrame:
    """One cell from yuan: n, s and c per case, fees per case."""
    n = int(given_.get("n", 0))
    row: dict[str, Any] = {"unit": "D1", "drg": "BB13", "cases": n, "n": n}
    row["units"] = round(n * given_.get("w", 1.0) * 1e8)
    row["standard_fen"] = round(n * given_["s"] * 100)
    row["charges_fen"] = round(n * given_["c"] * 100)
    row["surplus_fen"] = row["standard_fen"] - row["charges_fen"]
    for name in sorted(given_):
        if name.startswith("fee_"):
            row[f"{name}_fen"] = round(n * given_[name] * 100)
    for cause in ADJUSTED:
        row |= {f"{cause}_fen": 0, f"{cause}_cases": 0}
    return pd.DataFrame([row])


def test_a_worked_department() -> None:
    """10 cases at 10,000 paid and 9,000 charged, then 12 at 10,200 and 9,600 with dearer drugs."""
    then = _plain(n=10, s=10_000, c=9_000, fee_drug=3_000)
    now = _plain(n=12, s=10_200, c=9_600, fee_drug=3_500)
    row = decompose(now, then).iloc[0]
    told = {name: row[name] / 100 for name in ("change_fen", *causes_of(decompose(now, then)))}
    assert told == {
        "change_fen": -2_800.0,
        "volume_fen": 2_000.0,
        "mix_fen": 0.0,
        "weight_fen": 0.0,
        "price_fen": 2_400.0,
        "charges_fee_drug_fen": -6_000.0,
        "charges_rest_fen": -1_200.0,
        **{f"{cause}_fen": 0.0 for cause in ADJUSTED},
    }


def test_a_changed_weight_is_told_from_a_changed_price() -> None:
    """P15: n 100, RW 1.0 → 1.1, base rate 8,000 → 7,600, H 1.05: weights +84,000, rates −46,200."""
    then = _plain(n=100, s=8_000 * 1.05, c=8_000, w=1.0)
    now = _plain(n=100, s=1.1 * 7_600 * 1.05, c=8_000, w=1.1)
    row = decompose(now, then).iloc[0]
    assert (row["weight_fen"], row["price_fen"], row["change_fen"]) == (
        84_000_00,
        -46_200_00,
        37_800_00,
    )


def test_a_case_mix_moves_between_groups() -> None:
    """Two groups, gains 1,000 and −500 a case: 5 and 5 become 2 and 8; the number stays."""

    def side(first: int, second: int) -> pd.DataFrame:
        one = _plain(n=first, s=10_000, c=9_000)
        two = _plain(n=second, s=4_500, c=5_000).assign(drg="CC15")
        return pd.concat([one, two], ignore_index=True)

    table = by_unit(decompose(side(2, 8), side(5, 5)))
    assert table["mix_fen"].tolist() == [-(3 * 1_000 + 3 * 500) * 100]
    assert table["volume_fen"].tolist() == [0]
    assert table["change_fen"].tolist() == table["mix_fen"].tolist()


def test_new_units_and_groups_have_a_cause_of_their_own() -> None:
    now = _plain(n=3, s=10_000, c=9_000)
    nothing = now.iloc[:0]
    assert decompose(now, nothing)["volume_fen"].tolist() == [300_000]
    assert decompose(nothing, now)["volume_fen"].tolist() == [-300_000]
    other = _plain(n=3, s=6_000, c=7_000).assign(drg="CC15")
    table = decompose(now, other)
    assert by_unit(table)["mix_fen"].tolist() == [600_000]
    assert by_unit(table)["volume_fen"].tolist() == [0]


def test_against_the_region_only_charges_differ() -> None:
    now = _plain(n=4, s=10_000, c=9_500, fee_drug=3_000)
    means = pd.DataFrame({"drg": ["BB13"], "charges": [9_000.0], "fee_drug": [2_700.0]})
    row = decompose(now, means_reference(now, means)).iloc[0]
    assert row["change_fen"] == -4 * 500_00
    assert row["charges_fee_drug_fen"] == -4 * 300_00
    assert row["charges_rest_fen"] == -4 * 200_00
    assert decompose(now, means_reference(now, means.assign(drg="ZZ11")))["change_fen"].sum() == 0


@given(case_rows, case_rows)
def test_the_causes_add_up_for_every_cell_unit_and_group(
    first: list[dict[str, Any]], second: list[dict[str, Any]]
) -> None:
    now, then = _cells(first), _cells(second)
    table = decompose(now, then)
    causes = causes_of(table)
    for frame in (table, by_unit(table), by_drg(table)):
        assert frame[causes].sum(axis=1).tolist() == frame["change_fen"].tolist()
        assert (frame["surplus_fen"] - frame["reference_fen"]).tolist() == (
            frame["change_fen"].tolist()
        )
    assert table["surplus_fen"].sum() == now["surplus_fen"].sum()
    assert table["reference_fen"].sum() == then["surplus_fen"].sum()


@given(case_rows)
def test_units_agree_with_the_rolled_up_surplus(rows: list[dict[str, Any]]) -> None:
    settlement = settle(columns(*rows), policy())
    table = by_unit(decompose(cells(settlement), cells(settlement).iloc[:0]))
    rolled = rollup(settlement, ["department"])
    priced = rolled[rolled["cases"] > rolled["unpriced_cases"]]
    told = dict(zip(table["unit"], table["surplus_fen"], strict=True))
    assert told == dict(zip(priced["department"], priced["surplus_fen"], strict=True))


@given(case_rows)
def test_against_the_hospital_the_units_cancel_out(rows: list[dict[str, Any]]) -> None:
    """Scaled to their cases, the units' references come to the hospital itself."""
    now = _cells(rows)
    table = decompose(now, hospital_reference(now))
    assert table[causes_of(table)].sum(axis=1).tolist() == table["change_fen"].tolist()
    by_standard = table[["volume_fen", "mix_fen", "weight_fen", "price_fen"]].to_numpy().sum()
    charges = table[[n for n in table.columns if n.startswith("charges_")]].to_numpy().sum()
    # Each cell of each unit is rounded once.
    assert abs(int(by_standard + charges)) <= len(table)
    assert np.abs(table["volume_fen"]).sum() == 0


def test_an_unknown_label_is_refused() -> None:
    settlement = settle(columns({}), policy())
    with pytest.raises(KeyError, match="没有可汇总的列"):
        cells(settlement, "ward")
