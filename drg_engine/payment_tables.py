"""Cases and a policy as the arrays that the payment kernel reads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from drg_engine._jit import run_split
from drg_engine._kernels_payment_rules import ANYTHING, CaseArrays, RuleArrays, rule_rows
from drg_engine.money import to_fen
from drg_engine.payment_columns import MISSING_FEN, PaymentColumns
from drg_engine.payment_standard import Lookups, ScopeLookup, by_name
from drg_engine.payment_words import basis_of, mode_of
from drg_engine.policy import Policy

__all__ = ["case_arrays", "read_only", "rule_arrays", "with_fixed_rules"]

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

_OFF = ("ungrouped", "ambiguous", "no_weight")
_MOST_FIXED = 126
_NO_FEN = np.zeros(0, dtype=np.int64)


def read_only(column: npt.ArrayLike, kind: Any) -> npt.NDArray[Any]:
    """The column as it is, in one type for the kernels: never written, whoever owns it."""
    view = np.ascontiguousarray(column, dtype=kind).view()
    view.flags.writeable = False
    return view


def case_arrays(cases: PaymentColumns, policy: Policy) -> CaseArrays:
    """The columns that settling by ``policy`` reads; none is copied but several new items."""
    rules = policy.rules
    items = [cases.amounts.get(rule.column) for rule in rules.extra]
    return CaseArrays(
        status=read_only(cases.status, np.int8),
        drg=read_only(cases.drg, np.int32),
        weight=read_only(cases.weight, np.float64),
        insurance=read_only(cases.insurance.codes, np.int32),
        charges=read_only(cases.charges, np.int64),
        cost=read_only(cases.cost, np.int64),
        los=read_only(cases.los, np.int32),
        principal=read_only(cases.principal, np.int32),
        hospital=read_only(cases.hospital.codes, np.int32),
        level=read_only(cases.level, np.int8),
        decided=read_only(_amount(cases, rules.review.column), np.int64),
        tcm=read_only(_amount(cases, rules.tcm.column) if rules.tcm.drgs else _NO_FEN, np.int64),
        items=read_only(_stacked(items, cases.n), np.int64),
        listed=_label(cases, "scope_list", any(rule.listed for rule in rules.scope)),
        region=_label(cases, "region", any(rule.regions_outside for rule in rules.scope)),
        fixed=read_only(np.zeros(0, dtype=np.int16), np.int16),
    )


def with_fixed_rules(columns: CaseArrays, rules: RuleArrays) -> CaseArrays:
    """The cases with the scope and bed-day rules that fit them looked up once."""
    if max(rules.scopes, rules.per_day.size) > _MOST_FIXED:
        return columns
    fixed = np.empty(columns.status.size, dtype=np.int16)
    run_split(lambda start, stop: rule_rows(columns, rules, fixed, start, stop), fixed.size)
    return columns._replace(fixed=read_only(fixed, np.int16))


def rule_arrays(
    cases: PaymentColumns,
    lookups: Lookups,
    policy: Policy,
    drg_weight: Floats | None = None,
    like: tuple[Policy, RuleArrays] | None = None,
) -> RuleArrays:
    """The policy's tables.  drg_weight: by DRG, in place of the cases' own weights.

    like: another policy's tables for the same cases; new items' means are taken over where they
    are the same.
    """
    rules = policy.rules
    same_extra = like is not None and like[0].rules.extra == rules.extra
    low, high = rules.low, rules.high
    listed = (*lookups.scope, *lookups.bed_day)
    off = [(name, getattr(rules, name)) for name in _OFF]
    overall = rules.standard.overall_mean
    tiered = high.by in ("weight", "points")
    tcm = bool(rules.tcm.drgs) and rules.tcm.column in cases.amounts
    weights = np.zeros(0) if drg_weight is None else np.append(drg_weight, np.nan)
    tier_scale = rules.points.scale if high.by == "points" else 1.0
    return RuleArrays(
        drg_weight=weights,
        drg_bound=_tier_bounds(weights, lookups, tier_scale, high.tier_inclusive)
        if tiered and weights.size
        else np.zeros(0),
        price=lookups.price,
        has_rate=lookups.has_rate,
        hospital_h=lookups.hospital_h,
        drg_h=np.zeros((0, 0)) if lookups.drg_h is None else lookups.drg_h,
        mean=np.zeros(0) if lookups.mean is None else lookups.mean,
        table=np.zeros((0, 0, 0)) if lookups.table is None else lookups.table,
        limits=_limits(listed),
        dx_fits=_fits([rule.dx for rule in listed], len(cases.dx_names)),
        insurance_fits=_fits([rule.insurance for rule in listed], len(cases.insurance.names)),
        drg_fits=_fits([rule.drg for rule in listed], len(cases.drg_codes)),
        listed_fits=_label_fits(cases, listed, "scope_list"),
        region_fits=_label_fits(cases, listed, "region"),
        scopes=len(lookups.scope),
        per_day=np.array([rule.per_day for rule in rules.bed_day], dtype=np.float64),
        by_points=rules.standard.method == "points",
        scale=rules.points.scale,
        overall=np.nan if overall is None else overall,
        ratio_of_mean=rules.standard.ratio_of == "mean",
        level_bounds=lookups.level_bounds if high.by == "level" else np.zeros(0),
        tier_uppers=lookups.tier_uppers,
        tier_bounds=lookups.tier_bounds if tiered else np.zeros(0),
        tier_scale=tier_scale,
        tier_inclusive=high.tier_inclusive,
        bound=high.bound,
        low_bound=low.bound,
        low_inclusive=low.inclusive and low.bound > 0,
        low_mode=mode_of(low.mode),
        low_basis=basis_of("low", low.mode),
        high_inclusive=high.inclusive,
        high_mode=mode_of(high.mode),
        high_basis=basis_of("high", high.mode),
        high_share=high.share,
        off_modes=np.array([mode_of(said.mode) for _, said in off], dtype=np.int8),
        off_bases=np.array([basis_of(name, said.mode) for name, said in off], dtype=np.int8),
        off_shares=np.array([said.share for _, said in off], dtype=np.float64),
        extra_over=np.array([rule.charges_over for rule in rules.extra], dtype=np.float64),
        extra_share=np.array([rule.share_over for rule in rules.extra], dtype=np.float64),
        extra_usual=like[1].extra_usual if like and same_extra else _usual(cases, policy),
        tcm_drg=_listed(cases.drg_codes, rules.tcm.drgs) if tcm else np.zeros(0, dtype=np.bool_),
        tcm_minimum=rules.tcm.minimum,
        tcm_otherwise=rules.tcm.otherwise,
        readmission_factor=rules.readmission.factor,
    )


def _tier_bounds(weights: Floats, lookups: Lookups, scale: float, inclusive: bool) -> Floats:
    """K by DRG where it is by tiers of weights or points, NaN without a weight."""
    known = weights > 0
    side: Literal["left", "right"] = "left" if inclusive else "right"
    values = np.where(known, weights, 0.0) * scale
    if scale != 1.0:  # as in the kernel
        values = np.rint(values * 1e6) / 1e6
    tier = np.searchsorted(lookups.tier_uppers, values, side=side)
    found = lookups.tier_bounds[np.minimum(tier, lookups.tier_bounds.size - 1)]
    return np.where(known, found, np.nan)


def _amount(cases: PaymentColumns, name: str) -> npt.NDArray[np.int64]:
    return cases.amounts.get(name, _NO_FEN) if name else _NO_FEN


def _label(cases: PaymentColumns, name: str, asked: bool) -> npt.NDArray[np.int32]:
    held = cases.labels.get(name) if asked else None
    return read_only(np.zeros(0, np.int32) if held is None else held.codes, np.int32)


def _label_fits(cases: PaymentColumns, rules: Sequence[ScopeLookup], name: str) -> Bools:
    held = cases.labels.get(name)
    found = [dict(rule.labels).get(name) for rule in rules]
    return _fits([None] * len(rules) if held is None else found, len(held.names) if held else 0)


def _stacked(items: Sequence[npt.NDArray[np.int64] | None], n: int) -> npt.NDArray[np.int64]:
    """New items as (rules, n); the one item of one rule is not copied."""
    if not items:
        return np.zeros((0, 0), dtype=np.int64)
    if len(items) == 1 and items[0] is not None:
        return items[0].reshape(1, n)
    none = np.full(n, MISSING_FEN, dtype=np.int64)
    return np.stack([none if item is None else item for item in items])


def _limits(rules: Sequence[ScopeLookup]) -> npt.NDArray[np.int64]:
    """LOS over, LOS at most, charges below, by rule."""
    rows = [
        (
            ANYTHING
            if any(said.size == 0 for _, said in rule.labels)  # asks for a column not there
            else -2
            if rule.los_over is None
            else rule.los_over,
            ANYTHING if rule.los_at_most is None else rule.los_at_most,
            ANYTHING if rule.charges_below is None else rule.charges_below,
        )
        for rule in rules
    ]
    return np.array(rows, dtype=np.int64).reshape(len(rows), 3)


def _fits(conditions: Sequence[Bools | None], known: int) -> Bools:
    """(names + 1, rules): which codes satisfy each rule; all where it does not ask."""
    found = np.ones((known + 1, len(conditions)), dtype=np.bool_)
    for place, condition in enumerate(conditions):
        if condition is not None:
            found[:, place] = condition
    return found


def _usual(cases: PaymentColumns, policy: Policy) -> npt.NDArray[np.int64]:
    """Fen that a DRG usually has of each new item, MISSING_FEN where not stated."""
    extra = policy.rules.extra
    found = np.full((len(extra), len(cases.drg_codes) + 1), MISSING_FEN, dtype=np.int64)
    for place, rule in enumerate(extra):
        usual = by_name(cases.drg_codes, rule.means)
        known = np.isfinite(usual)
        found[place, known] = to_fen(usual[known])
    return found


def _listed(names: Sequence[str], wanted: Sequence[str]) -> Bools:
    there = frozenset(wanted)
    return np.array([*(name in there for name in names), False], dtype=np.bool_)
