"""A case and a policy as the payment kernels see them: arrays, numbers, rounding, scope rules.

Amounts are int64 fen; a product is rounded once, by the rule of drg_engine.money.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from drg_engine._jit import kernel_bare, kernel_part

__all__ = [
    "AMBIGUOUS",
    "ANYTHING",
    "AS_CHARGED",
    "BED_DAY",
    "BY_DAY",
    "BY_STANDARD",
    "B_BED_DAY",
    "B_EXTRA",
    "B_NORMAL",
    "B_NO_MEAN",
    "B_NO_RATE",
    "B_OUT_OF_SCOPE",
    "B_OVER_CAP",
    "B_REVIEW",
    "B_UNPRICED",
    "CANDIDATE",
    "CAP",
    "CHARGED_TIMES_CONTROL",
    "DECISION",
    "DEDUCT",
    "EXCESS_SHARE",
    "HIGH",
    "LINEAR_ADD",
    "LOW",
    "MISSING",
    "NONE",
    "NORMAL",
    "NO_WEIGHT",
    "OUT_OF_SCOPE",
    "OVER_CAP",
    "RATIO_POINTS",
    "RATIO_STANDARD",
    "READMITTED",
    "REVIEW",
    "REVIEWED",
    "SHARE",
    "UNGROUPED",
    "UNPRICED",
    "CaseArrays",
    "RuleArrays",
    "rule_rows",
    "rules_of",
    "yuan_fen",
]

MISSING = np.iinfo(np.int64).min
ANYTHING = np.iinfo(np.int64).max
"""A condition that a rule does not ask for."""

# Numbers of payment_words (a test holds them equal).
(
    NORMAL, LOW, HIGH, UNGROUPED, AMBIGUOUS, NO_WEIGHT, OUT_OF_SCOPE, UNPRICED, BED_DAY, REVIEW
) = range(10)  # fmt: skip
(
    BY_STANDARD, AS_CHARGED, SHARE, CHARGED_TIMES_CONTROL, RATIO_POINTS, EXCESS_SHARE, LINEAR_ADD,
    DEDUCT, CAP, NONE, RATIO_STANDARD, BY_DAY, DECISION,
) = range(13)  # fmt: skip
(
    B_NORMAL, B_OVER_CAP, B_NO_MEAN, B_OUT_OF_SCOPE, B_NO_RATE, B_UNPRICED, B_BED_DAY, B_REVIEW,
    B_EXTRA,
) = (0, 12, 13, 20, 21, 22, 23, 24, 25)  # fmt: skip

REVIEWED, OVER_CAP, READMITTED, CANDIDATE = 1, 2, 4, 8
"""Bits of a mark; CANDIDATE (high before the cap) is told back, the others are asked."""

_LAST_PLACES = 2.0**-50


class CaseArrays(NamedTuple):
    """n cases.  ``weight`` (n,), or (0,) where the rules have it by DRG; amounts (0,) where off."""

    status: npt.NDArray[np.int8]
    drg: npt.NDArray[np.int32]
    weight: npt.NDArray[np.float64]
    insurance: npt.NDArray[np.int32]
    charges: npt.NDArray[np.int64]
    cost: npt.NDArray[np.int64]
    los: npt.NDArray[np.int32]
    principal: npt.NDArray[np.int32]
    hospital: npt.NDArray[np.int32]
    level: npt.NDArray[np.int8]
    decided: npt.NDArray[np.int64]  # special review
    tcm: npt.NDArray[np.int64]
    items: npt.NDArray[np.int64]  # (extra rules, n)
    listed: npt.NDArray[np.int32]  # (n,) or (0,): names of scope rules that a list gives a case
    region: npt.NDArray[np.int32]  # (n,) or (0,)
    fixed: npt.NDArray[np.int16]  # (n,) or (0,): the rules that fit, found before (rule_rows)


class RuleArrays(NamedTuple):
    """A policy over the codes of the cases; arrays over texts end with an entry for code -1."""

    drg_weight: npt.NDArray[np.float64]  # (DRGs + 1,) or (0,)
    drg_bound: npt.NDArray[np.float64]  # (DRGs + 1,) or (0,): K by tiers of drg_weight
    price: npt.NDArray[np.float64]
    has_rate: npt.NDArray[np.bool_]
    hospital_h: npt.NDArray[np.float64]  # (hospitals + 1, levels)
    drg_h: npt.NDArray[np.float64]  # (DRGs + 1, levels) or (0, 0)
    mean: npt.NDArray[np.float64]  # (DRGs + 1,) or (0,)
    table: npt.NDArray[np.float64]  # (DRGs + 1, levels, insurances + 1) or (0, 0, 0)
    limits: npt.NDArray[np.int64]  # (scope, then bed-day rules; los over, at most, charges below)
    dx_fits: npt.NDArray[np.bool_]  # (diagnoses + 1, rules)
    insurance_fits: npt.NDArray[np.bool_]
    drg_fits: npt.NDArray[np.bool_]
    listed_fits: npt.NDArray[np.bool_]
    region_fits: npt.NDArray[np.bool_]
    scopes: int
    per_day: npt.NDArray[np.float64]
    by_points: bool
    scale: float
    overall: float  # NaN where not stated
    ratio_of_mean: bool
    level_bounds: npt.NDArray[np.float64]  # (levels,) or (0,): K by level
    tier_uppers: npt.NDArray[np.float64]
    tier_bounds: npt.NDArray[np.float64]  # (tiers,) or (0,): K by tier
    tier_scale: float
    tier_inclusive: bool
    bound: float
    low_bound: float
    low_inclusive: bool
    low_mode: int
    low_basis: int
    high_inclusive: bool
    high_mode: int
    high_basis: int
    high_share: float
    off_modes: npt.NDArray[np.int8]  # ungrouped, ambiguous, no weight
    off_bases: npt.NDArray[np.int8]
    off_shares: npt.NDArray[np.float64]
    extra_over: npt.NDArray[np.float64]
    extra_share: npt.NDArray[np.float64]
    extra_usual: npt.NDArray[np.int64]  # (rules, DRGs + 1), fen
    tcm_drg: npt.NDArray[np.bool_]
    tcm_minimum: float
    tcm_otherwise: float
    readmission_factor: float


@kernel_part
def yuan_fen(yuan: Any) -> Any:
    """Yuan to fen by the rounding rule of drg_engine.money."""
    fen = yuan * 100.0
    magnitude = abs(fen)
    rounded = np.floor(magnitude + magnitude * _LAST_PLACES + 0.5)
    return np.int64(rounded) if fen >= 0.0 else -np.int64(rounded)


@kernel_part
def _fits(cases: Any, rules: Any, r: int, i: int) -> bool:
    """Whether a scope or bed-day rule applies; what is missing never satisfies a condition."""
    los = np.int64(cases.los[i])
    most = rules.limits[r, 1]
    return bool(
        los > rules.limits[r, 0]
        and (most == ANYTHING or 0 <= los <= most)
        and cases.charges[i] < rules.limits[r, 2]
        and (cases.charges[i] != MISSING or rules.limits[r, 2] == ANYTHING)
        and rules.insurance_fits[cases.insurance[i], r]
        and rules.drg_fits[cases.drg[i], r]
        and rules.dx_fits[cases.principal[i], r]
        and (cases.listed.size == 0 or rules.listed_fits[cases.listed[i], r])
        and (cases.region.size == 0 or rules.region_fits[cases.region[i], r])
    )


@kernel_part
def rules_of(cases: Any, rules: Any, i: int) -> Any:
    """The first scope rule that fits a row, and the first bed-day rule, -1 where none does."""
    if cases.fixed.size > 0:
        return np.int64(cases.fixed[i] & 127) - 1, np.int64(cases.fixed[i] >> 7) - 1
    out = -1
    bed = -1
    for r in range(rules.limits.shape[0]):
        if _fits(cases, rules, r, i):
            if r < rules.scopes:
                if out < 0:
                    out = r
            elif bed < 0 and cases.los[i] >= 0:
                bed = r - rules.scopes
    return out, bed


@kernel_bare
def rule_rows(cases: Any, rules: Any, fixed: Any, start: int, stop: int) -> None:
    """Write the rules that fit each row for CaseArrays.fixed (at most 126 of each sort)."""
    for i in range(start, stop):
        out, bed = rules_of(cases, rules, i)
        fixed[i] = (out + 1) | (bed + 1) << 7
