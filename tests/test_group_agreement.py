"""Our groups against the bureau's: every kind of disagreement, and counts that add up."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from small_scheme import few_codes, loaded, small, written

from drg_engine import Scheme
from drg_engine.group_agreement import AGREEMENTS, compare_groups

__all__ = ["few_codes"]

CODES = ("AA19", "BA11", "BA15", "BK19", "BR11", "AQY", "BQY", "0000")


@pytest.fixture
def scheme(tmp_path: Path, few_codes: None) -> Scheme:
    return loaded(written(tmp_path / "small", small()))


def _ours(*rows: tuple[str, str, int]) -> pd.DataFrame:
    return pd.DataFrame(list(rows), columns=["case_id", "drg", "paid_fen"])


def _theirs(*rows: tuple[str, str, int]) -> pd.DataFrame:
    frame = pd.DataFrame(list(rows), columns=["case_id", "drg", "paid_fen"])
    return frame.assign(row=range(2, len(frame) + 2))


@pytest.mark.parametrize(
    ("mine", "other", "agreement"),
    [
        ("BA11", "BA11", "same"),
        ("0000", "0000", "same"),
        ("BA11", None, "only_hospital"),
        (None, "BA11", "only_bureau"),
        ("BA11", "ZZ99", "unknown"),
        ("0000", "BA11", "hospital_ungrouped"),
        ("BA11", "0000", "bureau_ungrouped"),
        ("BQY", "BA11", "hospital_ambiguous"),
        ("BA11", "BQY", "bureau_ambiguous"),
        ("BQY", "0000", "both_out"),
        ("BA11", "BA15", "severity"),
        ("BA11", "BR11", "adrg"),
        ("AA19", "BR11", "mdc"),
    ],
)
def test_each_kind_of_disagreement(
    scheme: Scheme, mine: str | None, other: str | None, agreement: str
) -> None:
    ours = _ours(*([("1", mine, 100)] if mine else []))
    theirs = _theirs(*([("1", other, 90)] if other else []))
    found = compare_groups(ours, theirs, scheme)
    assert found.cases["agreement"].tolist() == [agreement]
    wanted = (100 if mine else 0) - (90 if other else 0)
    assert found.cases["paid_fen_difference"].tolist() == [wanted]


def test_shares_of_agreement_and_repeated_rows(scheme: Scheme) -> None:
    ours = _ours(("1", "BA11", 0), ("2", "BA15", 0), ("3", "BR11", 0), ("4", "AA19", 0))
    theirs = _theirs(
        ("2", "BA11", 0), ("1", "BA11", 0), ("3", "BK19", 0), ("1", "AA19", 0), ("9", "BA11", 0)
    )
    found = compare_groups(ours, theirs, scheme)
    assert (found.both, found.same_drg, found.same_adrg) == (3, 1, 2)
    assert found.repeated["row"].tolist() == [5]
    assert found.cases.set_index("case_id")["place"].to_dict() == {
        "1": 0, "2": 1, "3": 2, "4": 3, "9": -1,
    }  # fmt: skip


_sides = st.dictionaries(st.sampled_from("123456789"), st.sampled_from((*CODES, "ZZ99")))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(_sides, _sides)
def test_every_case_of_either_side_is_there_once(
    scheme: Scheme, mine: dict[str, str], theirs: dict[str, str]
) -> None:
    ours = _ours(*((key, code, 7) for key, code in mine.items() if code != "ZZ99"))
    other = _theirs(*((key, code, 5) for key, code in theirs.items()))
    found = compare_groups(ours, other, scheme)
    assert sorted(found.cases["case_id"]) == sorted({*ours["case_id"], *theirs})
    assert found.counts["agreement"].tolist() == list(AGREEMENTS)
    assert found.counts["cases"].sum() == len(found.cases)
    difference = 7 * len(ours) - 5 * len(other)
    assert found.cases["paid_fen_difference"].sum() == difference
    assert found.counts["paid_fen_difference"].sum() == difference
    again = compare_groups(ours.iloc[::-1].reset_index(drop=True), other.iloc[::-1], scheme)
    columns = ["case_id", "agreement", "paid_fen_difference"]
    pd.testing.assert_frame_equal(found.cases[columns], again.cases[columns])


def test_a_return_without_payments_compares_groups_alone(scheme: Scheme) -> None:
    theirs = _theirs(("1", "BA11", 0)).drop(columns="paid_fen")
    found = compare_groups(_ours(("1", "BA15", 5)), theirs, scheme)
    assert found.cases["agreement"].tolist() == ["severity"]
    assert "paid_fen_difference" not in found.cases.columns
