"""Risk grades of DRGs by reference mortality, and what they say of a hospital (payment.md §6)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["GRADES", "GRADE_TITLES", "low_risk_mortality", "risk_grades"]

GRADES = ("none", "low", "medium_low", "medium_high", "high")
GRADE_TITLES = ("无死亡", "低风险", "中低风险", "中高风险", "高风险")

Grades = npt.NDArray[np.int8]


def risk_grades(mortality: npt.ArrayLike, *, sample: bool = False) -> Grades:
    """Grade DRGs by mortality M (shares 0 to 1, n of them) as places in GRADES.

    With L = ln M over the DRGs with deaths, μ its mean and σ its deviation: low below μ − σ,
    medium-low below μ, medium-high below μ + σ, high the rest; none where M is 0.  A NaN, where
    nothing is known, gives −1.  sample: σ divides by n − 1 instead of n.
    Raises ValueError for a mortality outside 0 to 1.
    """
    shares = np.asarray(mortality, dtype=np.float64)
    known = ~np.isnan(shares)
    if bool(((shares[known] < 0) | (shares[known] > 1)).any()):
        raise ValueError("死亡率应在 0 到 1 之间")
    deadly = known & (shares > 0)
    grades = np.where(known, 0, -1).astype(np.int8)
    logs = np.log(shares[deadly])
    if logs.size:
        mean = float(logs.mean())
        spread = float(logs.std(ddof=1)) if sample and logs.size > 1 else float(logs.std())
        edges = np.array([mean - spread, mean, mean + spread])
        grades[deadly] = 1 + np.searchsorted(edges, logs, side="right")
    return grades


def low_risk_mortality(
    grades: Grades, cases: npt.NDArray[np.int64], deaths: npt.NDArray[np.int64]
) -> float:
    """Deaths in DRGs of low risk over the cases in them; NaN where there is no such case.

    grades: places in GRADES by DRG (n,); cases and deaths: counts by DRG (n,).
    """
    low = grades == GRADES.index("low")
    total = int(cases[low].sum())
    return int(deaths[low].sum()) / total if total else float("nan")
