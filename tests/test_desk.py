"""The insurance office's tables: every figure is a sum of its cases, at every level."""

from __future__ import annotations

import math
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from drg_engine.desk_frame import FEES
from drg_engine.desk_measures import ADDED, measures
from drg_engine.desk_reference import (
    DeskSettings,
    Reference,
    desk_settings,
    own_reference,
    read_reference,
)
from drg_engine.desk_tables import LEVELS, desk_tables, previous_periods
from drg_engine.errors import InputError, WorkspaceError

SETTINGS = DeskSettings(
    small_cases=3,
    death_modes=(5,),
    cmi_cut=None,
    sample_deviation=False,
    fees=dict(zip(FEES, ("药品", "耗材", "检查化验", "医疗服务", "其他"), strict=True)),
)
KINDS = ("normal", "low", "high", "ungrouped", "out_of_scope", "unpriced")


def _case(**given_: Any) -> dict[str, Any]:
    """One row of the cases; amounts in fen."""
    kind = given_.get("kind", "normal")
    charges = given_.get("charges", 1_000_000)
    priced = kind != "unpriced"
    grouped = kind not in ("ungrouped",)
    standard = given_.get("standard", 900_000) if grouped and priced else 0
    paid = given_.get("paid", standard if grouped else charges) if priced else 0
    charges = charges if priced else 0
    formula = standard - charges if standard else 0
    row: dict[str, Any] = {
        "period": "2026-10", "place": 0, "case_id": "1", "department": "D1", "doctor_group": "",
        "doctor": "Z1", "insurance": "310", "drg": "BR11", "adrg": "BR1", "basis_words": "",
        "principal_dx": "", "kind": kind, "grouped": grouped, "surgical": False,
        "heavy": False, "priced": priced, "standing": bool(standard), "costed": False,
        "near": bool(standard) and 0.9 < charges / standard < 1.1,
        "died": False, "stayed": True, "units": 100_000_000 if grouped else 0, "los": 7,
        "charges_fen": charges, "standard_fen": standard, "paid_fen": paid,
        "formula_fen": formula, "adjustment_fen": paid - charges - formula,
        "surplus_fen": paid - charges, "cost_fen": 0, "cost_surplus_fen": 0, "personal_fen": 0,
        "review_fen": 0, **{f"{name}_fen": charges // 5 for name in FEES},
    }  # fmt: skip
    known = {key: value for key, value in given_.items() if key in row}
    nothing = {} if grouped else {"units": 0, "surgical": False}
    return row | known | nothing


def _frame(*rows: dict[str, Any]) -> pd.DataFrame:
    frame = pd.DataFrame([_case(**row) for row in rows])
    return frame.assign(place=range(len(frame)), case_id=[str(at) for at in range(len(frame))])


# Each example makes a whole report.
_few = settings(max_examples=12, phases=(Phase.explicit, Phase.reuse, Phase.generate))
_rows = st.lists(
    st.fixed_dictionaries(
        {
            "period": st.sampled_from(["2026-09", "2026-10"]),
            "department": st.sampled_from(["D1", "D2", ""]),
            "doctor_group": st.sampled_from(["甲组", ""]),
            "doctor": st.sampled_from(["Z1", "Z2", "Z3"]),
            "insurance": st.sampled_from(["310", "390"]),
            "drg": st.sampled_from(["BR11", "BR13", "AA19"]),
            "kind": st.sampled_from(KINDS),
            "charges": st.integers(1, 9_000_000),
            "standard": st.integers(1, 5_000_000),
            "paid": st.integers(0, 9_000_000),
            "units": st.sampled_from([50_000_000, 123_456_789]),
            "los": st.integers(0, 60),
            "died": st.booleans(),
            "surgical": st.booleans(),
        }
    ),
    min_size=1,
    max_size=30,
)


def test_the_share_of_persons_is_not_known_where_no_case_states_it() -> None:
    frame = _frame({"charges": 1_000_000}, {"charges": 3_000_000})
    bare = desk_tables(frame, own_reference(frame), SETTINGS).tables["header"].iloc[0]
    assert np.isnan(bare["personal_share"])
    given_ = frame.assign(personal_fen=[200_000, 800_000])
    told = desk_tables(given_, own_reference(given_), SETTINGS).tables["header"].iloc[0]
    assert told["personal_share"] == 0.25


@_few
@given(_rows)
def test_every_level_adds_up_to_the_hospital_and_to_its_cases(rows: list[dict[str, Any]]) -> None:
    frame = _frame(*rows)
    desk = desk_tables(frame, own_reference(frame), SETTINGS)
    whole = desk.tables["header"].iloc[0]
    for name in LEVELS:
        table = desk.tables[name]
        if name == "doctor_groups" and table.empty:
            continue
        for column in ADDED:
            assert table[column].sum() == whole[column], (name, column)
    for column in ("charges_fen", "standard_fen", "paid_fen", "surplus_fen"):
        assert whole[column] == frame[column].sum()
    drill = measures(frame, ("department", "doctor", "drg"))
    again = drill.groupby("department")[list(ADDED)].sum()
    pd.testing.assert_frame_equal(
        again.reset_index(drop=True).astype("int64"),
        desk.tables["departments"][list(ADDED)].astype("int64"),
    )
    assert (frame["formula_fen"] + frame["adjustment_fen"] == frame["surplus_fen"]).all()


@_few
@given(_rows)
def test_rates_and_indices_are_what_a_plain_reading_gives(rows: list[dict[str, Any]]) -> None:
    frame = _frame(*rows)
    reference = Reference(
        pd.DataFrame(
            {
                "drg": ["BR11", "BR13"], "charges_fen": [500_000.0, np.nan], "days": [6.0, 9.0],
                "mortality": [0.01, 0.0],
            }
        ),
        "表", own=False,
    )  # fmt: skip
    found = desk_tables(frame, reference, SETTINGS).tables["departments"]
    parts: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in frame.to_dict("records"):
        parts[row["department"]].append(row)
    for row in found.to_dict("records"):
        own = parts[row["department"]]
        grouped = [case for case in own if case["grouped"]]
        weight = sum(case["units"] for case in grouped) / 1e8
        _same(row["cmi"], weight, len(grouped))
        _same(row["grouping_rate"], len(grouped), len(own))
        charges = sum(case["charges_fen"] for case in own)
        _same(row["surplus_rate"], sum(case["surplus_fen"] for case in own), charges)
        _same(row["mean_los"], sum(case["los"] for case in own), len(own))
        known = [c for c in grouped if c["drg"] == "BR11" and c["priced"]]
        _same(row["cost_index"], sum(c["charges_fen"] / 500_000 for c in known), len(known))
        timed = [c for c in grouped if c["drg"] in ("BR11", "BR13")]
        days = {"BR11": 6.0, "BR13": 9.0}
        _same(row["time_index"], sum(c["los"] / days[c["drg"]] for c in timed), len(timed))
        assert row["low_cases"] == sum(case["kind"] == "low" for case in own)
        assert row["drg_count"] == len({case["drg"] for case in grouped})


def _same(value: float, above: float, below: float) -> None:
    if below:
        assert math.isclose(value, above / below, rel_tol=1e-12, abs_tol=1e-12)
    else:
        assert math.isnan(value)


def test_doctors_inside_a_group_and_small_numbers() -> None:
    rows = [{"doctor": "Z1", "charges": 1_000_000}] * 4
    rows += [{"doctor": "Z2", "charges": 1_300_000}] * 3
    rows += [{"doctor": "Z3", "charges": 9_000_000}]
    frame = _frame(*rows, {"doctor": "Z1", "drg": "AA19"})
    table = desk_tables(frame, own_reference(frame), SETTINGS).tables["drg_doctors"]
    assert set(table["drg"]) == {"BR11"}
    by_doctor = table.set_index("doctor")
    assert by_doctor["rank"].tolist()[:2] == [1, 2]
    assert pd.isna(by_doctor.loc["Z3", "rank"])
    assert by_doctor["few"].tolist() == [False, False, True]
    mean = (4 * 10_000 + 3 * 13_000 + 90_000) / 8
    assert by_doctor.loc["Z2", "over_mean"] == pytest.approx(13_000 - mean)
    assert by_doctor.loc["Z2", "drg_cases"] == 8


def test_shares_of_the_loss_and_the_reference() -> None:
    frame = _frame(
        {"drg": "BR11", "charges": 1_200_000}, {"drg": "BR13", "charges": 1_000_000},
        {"drg": "AA19", "charges": 100_000},
    )  # fmt: skip
    table = pd.DataFrame(
        {"drg": ["BR11"], "charges_fen": [1_000_000.0], "days": [5.0], "mortality": [0.02]}
    )
    found = desk_tables(frame, Reference(table, "表", own=False), SETTINGS).tables["drgs"]
    by_drg = found.set_index("drg")
    assert by_drg["loss_share"].to_dict() == {"AA19": 0.0, "BR11": 0.75, "BR13": 0.25}
    assert by_drg.loc["BR11", "over_reference"] == pytest.approx(0.2)
    assert np.isnan(by_drg.loc["BR13", "over_reference"])
    assert by_drg["few"].all()


def test_comparisons_are_the_same_figures_of_other_cases() -> None:
    frame, before = _frame({}, {}), _frame({"charges": 800_000})
    header = desk_tables(
        frame, own_reference(frame), SETTINGS, {"上期": before, "去年同期": before.iloc[:0]}
    ).tables["header"]
    assert header["label"].tolist() == ["本期", "上期"]
    assert header["charges_fen"].tolist() == [2_000_000, 800_000]


@pytest.mark.parametrize(
    ("periods", "last", "year"),
    [
        (["2026-01"], ("2025-12",), ("2025-01",)),
        (["2026-01", "2026-02", "2026-03"], ("2025-10", "2025-11", "2025-12"),
         ("2025-01", "2025-02", "2025-03")),
    ],
)  # fmt: skip
def test_the_periods_before(
    periods: list[str], last: tuple[str, ...], year: tuple[str, ...]
) -> None:
    assert previous_periods(periods) == {"last": last, "year": year}


def test_a_reference_table_is_read_with_all_its_faults(tmp_path: Path) -> None:
    path = tmp_path / "参考均值.csv"
    path.write_text(
        "DRG 编码,次均费用,平均住院日,死亡率\nBR11,12000.00,8.5,0.5%\nBR13,,,\n", encoding="gb18030"
    )
    found = read_reference(path).table.set_index("drg")
    assert found.loc["BR11", "charges_fen"] == 1_200_000
    assert found.loc["BR11", "mortality"] == pytest.approx(0.005)
    assert np.isnan(found.loc["BR13", "charges_fen"])
    path.write_text("DRG 编码,次均费用,平均住院日\nBR11,一万,8\nBR13,1,-2\nBR13,1,2\nBR13,1,2\n")
    with pytest.raises(InputError) as caught:
        read_reference(path)
    assert [fault.row for fault in caught.value.faults] == [2, 3, 5]


def test_settings_of_the_desk_are_checked(tmp_path: Path) -> None:
    assert desk_settings(tmp_path).small_cases == 5
    (tmp_path / "desk.toml").write_text("small_cases = 10\ncmi_cut = 1.0\n", encoding="utf-8")
    assert (desk_settings(tmp_path).small_cases, desk_settings(tmp_path).cmi_cut) == (10, 1.0)
    text = 'small_cases = 0\ncmi_cut = "全院"\nrisk_deviation = 1\nother = 2\ndeath_modes = 5\n'
    (tmp_path / "desk.toml").write_text(text, encoding="utf-8")
    with pytest.raises(WorkspaceError) as caught:
        desk_settings(tmp_path)
    assert {fault.column for fault in caught.value.faults} == {
        "small_cases", "cmi_cut", "risk_deviation", "other", "death_modes",
    }  # fmt: skip
