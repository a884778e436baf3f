"""Risk grades: the specification's figures (a table to extend) and what must always hold."""

from __future__ import annotations

import csv
import math
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drg_engine.risk import GRADES, low_risk_mortality, risk_grades

TABLE = Path(__file__).parent / "data" / "payment" / "risk.csv"


def test_the_published_grades() -> None:
    """Rows of one number before the dash are graded together."""
    groups: dict[str, list[dict[str, str]]] = defaultdict(list)
    with TABLE.open(encoding="utf-8") as stream:
        for row in csv.DictReader(stream):
            groups[row["编号"].split("-")[0]].append(row)
    assert groups
    for rows in groups.values():
        shares = [float(row["死亡率"]) for row in rows]
        found = risk_grades(shares, sample=rows[0]["标准差除数"] == "样本")
        assert [GRADES[grade] for grade in found] == [row["风险等级"] for row in rows]


@given(st.lists(st.floats(1e-6, 1.0), min_size=2, max_size=30), st.booleans())
def test_grades_follow_the_definition(shares: list[float], sample: bool) -> None:
    logs = [math.log(share) for share in shares]
    mean = math.fsum(logs) / len(logs)
    divisor = len(logs) - 1 if sample else len(logs)
    spread = math.sqrt(math.fsum((one - mean) ** 2 for one in logs) / divisor)
    for grade, one in zip(risk_grades(shares, sample=sample), logs, strict=True):
        bounds = [-math.inf, mean - spread, mean, mean + spread, math.inf]
        low, high = bounds[int(grade) - 1 : int(grade) + 1]
        assert low - 1e-9 <= one <= high + 1e-9


def test_what_is_not_known_has_no_grade_and_shares_have_bounds() -> None:
    assert risk_grades([np.nan, 0.0]).tolist() == [-1, 0]
    for wrong in (-0.1, 1.5):
        with pytest.raises(ValueError, match="死亡率"):
            risk_grades([wrong])


def test_low_risk_mortality_counts_the_low_groups_alone() -> None:
    grades = risk_grades([0.0001, 0.0008, 0.003, 0.012, 0.06, 0])
    cases = np.array([400, 100, 100, 100, 100, 100])
    deaths = np.array([1, 9, 9, 9, 9, 9])
    assert low_risk_mortality(grades, cases, deaths) == 1 / 400
    assert math.isnan(low_risk_mortality(grades[1:], cases[1:], deaths[1:]))
