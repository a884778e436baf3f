"""Which rows a change of policy may move, found by comparing the two policies' tables.

A row is left alone only where no table that differs speaks of it: that is always safe, and a table
not named here counts as speaking of every row.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from drg_engine._kernels_payment_rules import RuleArrays
from drg_engine._kernels_payment_sums import TouchArrays
from drg_engine.policy import Policy

__all__ = ["NO_TOUCH", "Touch", "column_key", "touched"]

Bools = npt.NDArray[np.bool_]

_NONE = np.zeros(1, dtype=np.bool_)
NO_TOUCH = TouchArrays(
    False, _NONE, _NONE, _NONE, np.zeros(4, dtype=np.bool_), False, False, -np.inf, np.inf
)
"""No row at all."""

_BY_DRG = ("drg_h", "mean", "table", "tcm_drg")
_BY_INSURANCE = ("price", "has_rate")
_LOW = ("low_bound", "low_inclusive", "low_mode", "low_basis")
_HIGH = (
    "level_bounds", "tier_uppers", "tier_bounds", "tier_scale", "tier_inclusive", "bound",
    "high_inclusive", "high_mode", "high_basis", "high_share",
)  # fmt: skip
_OFF = ("off_modes", "off_bases", "off_shares")


@dataclass(slots=True)
class Touch:
    """Masks over the codes, to be filled; see TouchArrays."""

    drg: Bools
    insurance: Bools
    hospital: Bools
    status: Bools
    all_rows: bool = False
    no_standard: bool = False
    reweighed: bool = False
    low_top: float = -np.inf
    high_least: float = np.inf

    def some(self) -> bool:
        """Whether any row is touched."""
        masks = (self.drg, self.insurance, self.hospital, self.status)
        return (
            self.all_rows or self.no_standard or self.bounds() or any(mask.any() for mask in masks)
        )

    def bounds(self) -> bool:
        """Whether rows are touched by their ratio."""
        return self.low_top > -np.inf or self.high_least < np.inf

    def weights(self, old: npt.NDArray[np.float64], new: npt.NDArray[np.float64]) -> None:
        """Touch the DRGs whose weights differ."""
        self.drg[:-1] |= _differ(old, new)

    def arrays(self) -> TouchArrays:
        """The same for the kernel."""
        return TouchArrays(
            self.all_rows, self.drg, self.insurance, self.hospital, self.status,
            self.no_standard, self.reweighed, self.low_top, self.high_least,
        )  # fmt: skip


def column_key(policy: Policy) -> tuple[Any, ...]:
    """Which columns of the cases a policy reads beyond those that all read."""
    rules = policy.rules
    return (
        rules.review.column,
        rules.tcm.column if rules.tcm.drgs else "",
        tuple(rule.column for rule in rules.extra),
        any(rule.listed for rule in rules.scope),
        any(rule.regions_outside for rule in rules.scope),
    )


def touched(old: RuleArrays, new: RuleArrays, before: Policy, after: Policy) -> Touch:
    """Compare every table of two policies over the same codes, but what is by weights."""
    touch = Touch(
        drg=np.zeros(new.drg_fits.shape[0], dtype=np.bool_),
        insurance=np.zeros(new.price.size, dtype=np.bool_),
        hospital=np.zeros(new.hospital_h.shape[0], dtype=np.bool_),
        status=np.zeros(4, dtype=np.bool_),
    )
    for name in RuleArrays._fields:
        one, two = getattr(old, name), getattr(new, name)
        if name in ("drg_weight", "drg_bound") or _same(one, two):
            continue
        if name in _BY_INSURANCE:
            touch.insurance |= _differ(one, two)
        elif name == "hospital_h":
            touch.hospital |= _differ(one, two)
        elif name in _BY_DRG:
            touch.drg |= _by_drg(one, two, touch.drg.size)
        elif name in _LOW:
            touch.low_top = max(old.low_bound, new.low_bound)
        elif name in _HIGH:
            touch.high_least = min(_least_bound(old), _least_bound(new))
        elif name in _OFF:
            moved = _differ(one, two)
            touch.status[2:] |= moved[0]
            touch.status[1] |= moved[1]
            touch.no_standard |= bool(moved[2])
        else:
            touch.all_rows = True
    touch.all_rows |= before.rules.standard.method != after.rules.standard.method
    return touch


def _same(one: Any, two: Any) -> bool:
    if one is two:
        return True
    if isinstance(one, np.ndarray):
        return np.array_equal(one, two, equal_nan=one.dtype.kind == "f")
    return bool(one == two or (np.isnan(one) and np.isnan(two)))


def _differ(one: npt.NDArray[Any], two: npt.NDArray[Any]) -> Bools:
    """By first place: whether anything differs; NaN equals NaN."""
    unequal = one != two
    if one.dtype.kind == "f":
        unequal &= ~(np.isnan(one) & np.isnan(two))
    return np.asarray(unequal.reshape(unequal.shape[0], -1).any(axis=1), dtype=np.bool_)


def _by_drg(one: npt.NDArray[Any], two: npt.NDArray[Any], size: int) -> Bools:
    """Which DRGs differ, where a table may be there in one policy only."""
    if one.shape == two.shape:
        return _differ(one, two)
    there = two if one.size == 0 else one
    if there.shape[0] != size or (one.size and two.size):
        return np.ones(size, dtype=np.bool_)
    if there.ndim == 3:  # without a direct table every case has another standard
        return np.ones(size, dtype=np.bool_)
    said = there if there.dtype == np.bool_ else ~np.isnan(there)
    return np.asarray(said.reshape(size, -1).any(axis=1), dtype=np.bool_)


def _least_bound(rules: RuleArrays) -> float:
    """The smallest K there is."""
    bounds = rules.level_bounds if rules.level_bounds.size else rules.tier_bounds
    known = bounds[np.isfinite(bounds)]
    return float(known.min()) if known.size else rules.bound
