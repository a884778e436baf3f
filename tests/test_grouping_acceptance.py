"""The 15,000 cases of the acceptance files: the oracle and the engine, every row equal."""

from __future__ import annotations

from pathlib import Path

import pytest
from oracle import Oracle, read_csv

from drg_engine import group, load_scheme, read_cases

SCHEMES = ("chs_drg_2_0", "chs_drg_1_1", "harbin_2024")
ROWS = 5_000


def acceptance_file(scheme: str) -> Path:
    return Path(__file__).parent / "data" / "acceptance" / f"grouping_{scheme}.csv"


@pytest.mark.parametrize("name", SCHEMES)
def test_the_oracle_gives_the_expected_group(name: str) -> None:
    rows = read_csv(acceptance_file(name))
    results = Oracle(name).group_rows(rows)
    got = {
        row["case_id"]: (result.drg, row["drg"]) for row, result in zip(rows, results, strict=True)
    }
    assert len(got) == ROWS
    assert [(case, *pair) for case, pair in got.items() if pair[0] != pair[1]] == []


@pytest.mark.parametrize("name", SCHEMES)
def test_the_engine_gives_the_expected_group(name: str) -> None:
    expected = {row["case_id"]: row["drg"] for row in read_csv(acceptance_file(name))}
    cases = read_cases(acceptance_file(name))
    drgs = group(cases, load_scheme(name)).table()["drg"].to_pylist()
    got = dict(zip(cases.case_id.to_pylist(), drgs, strict=True))
    assert len(got) == cases.n == ROWS
    assert [(case, drg, expected[case]) for case, drg in got.items() if drg != expected[case]] == []
