"""The payment kernel: what one case is paid, in the order of specs/payment.md §§2 and 3.

:func:`verdict` decides one row from the columns, the policy's tables and the row's mark, which
tells what was found by looking at other rows (a place under a cap, a later stay).  Everything else
calls it over rows: settling writes every column, a simulation only what it adds up
(drg_engine._kernels_payment_sums).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from drg_engine._jit import kernel_bare, kernel_part
from drg_engine._kernels_payment_rules import (
    AMBIGUOUS,
    AS_CHARGED,
    B_BED_DAY,
    B_EXTRA,
    B_NO_MEAN,
    B_NO_RATE,
    B_NORMAL,
    B_OUT_OF_SCOPE,
    B_OVER_CAP,
    B_REVIEW,
    B_UNPRICED,
    BED_DAY,
    BY_DAY,
    BY_STANDARD,
    CANDIDATE,
    CHARGED_TIMES_CONTROL,
    DECISION,
    DEDUCT,
    EXCESS_SHARE,
    HIGH,
    LINEAR_ADD,
    LOW,
    MISSING,
    NO_WEIGHT,
    NONE,
    NORMAL,
    OUT_OF_SCOPE,
    OVER_CAP,
    RATIO_POINTS,
    RATIO_STANDARD,
    READMITTED,
    REVIEW,
    REVIEWED,
    SHARE,
    UNGROUPED,
    UNPRICED,
    rules_of,
    yuan_fen,
)

__all__ = [
    "SettledArrays",
    "point_rows",
    "settle_rows",
    "verdict",
]


_POINT_UNITS = 1_000_000.0


class SettledArrays(NamedTuple):
    """Columns that settling writes (see Settlement); parts (0,) where the rule is off."""

    kind: npt.NDArray[np.int8]
    mode: npt.NDArray[np.int8]
    basis: npt.NDArray[np.int8]
    rule: npt.NDArray[np.int16]
    standard: npt.NDArray[np.int64]
    ratio: npt.NDArray[np.float64]
    bound: npt.NDArray[np.float64]
    paid: npt.NDArray[np.int64]
    formula: npt.NDArray[np.int64]
    adjustment: npt.NDArray[np.int64]
    surplus: npt.NDArray[np.int64]
    cost_surplus: npt.NDArray[np.int64]
    extra: npt.NDArray[np.int64]
    tcm_cut: npt.NDArray[np.int64]
    readmission: npt.NDArray[np.int64]
    mark: npt.NDArray[np.int8]


@kernel_part
def _bound(rules: Any, weight: Any, level: Any, drg: Any) -> Any:
    """K of a case: one number, by level, or of the first tier whose upper bound exceeds."""
    if rules.drg_bound.size > 0:
        return rules.drg_bound[drg]
    if rules.level_bounds.size > 0:
        return rules.level_bounds[level]
    if rules.tier_bounds.size == 0:
        return rules.bound
    if np.isnan(weight):
        return np.nan
    value = weight
    if rules.tier_scale != 1.0:  # 1.1 × 100 is 110 points, not 110.00000000000001
        value = np.rint(weight * rules.tier_scale * _POINT_UNITS) / _POINT_UNITS
    place = 0
    while place < rules.tier_uppers.size and (
        value > rules.tier_uppers[place]
        or (value == rules.tier_uppers[place] and not rules.tier_inclusive)
    ):
        place += 1
    return rules.tier_bounds[min(place, rules.tier_bounds.size - 1)]


@kernel_part
def _formula(
    mode: Any,
    rules: Any,
    charges: Any,
    standard: Any,
    ratio: Any,
    bound: Any,
    mean: Any,
    weight: Any,
    price: Any,
    h: Any,
) -> Any:
    """What a low or high case is paid in yuan, not rounded (payment.md §3).

    Control = PV / (overall mean / scale) = price of 1.0 RW / overall mean; Z = H × control.
    """
    control = price / rules.overall
    if mode == CHARGED_TIMES_CONTROL:
        return charges * control
    if mode == RATIO_POINTS:
        return weight * min(ratio, 1.0) * price
    if mode == RATIO_STANDARD:
        return standard * min(ratio, 1.0)
    if mode == EXCESS_SHARE:
        return standard + rules.high_share * (charges - bound * standard)
    if mode == LINEAR_ADD:
        return mean * (h * control) + (charges - bound * mean) * control
    if mode == DEDUCT:
        return (charges / rules.overall - (bound - 1.0) * weight * h) * price
    return mean * bound * (h * control)  # cap: A·K·Z


@kernel_part
def verdict(cases: Any, rules: Any, mark: Any, i: Any) -> Any:
    """Decide a row: kind, mode, basis, rule, standard, ratio, bound, paid, the parts, the mark."""
    status = cases.status[i]
    drg = cases.drg[i]
    insurance = cases.insurance[i]
    charges = cases.charges[i]
    level = cases.level[i]
    los = np.int64(cases.los[i])
    weight = rules.drg_weight[drg] if rules.drg_weight.size > 0 else cases.weight[i]
    if not weight > 0.0:
        weight = np.nan
    price = rules.price[insurance]
    h = rules.hospital_h[cases.hospital[i], level]
    if rules.drg_h.size > 0 and not np.isnan(rules.drg_h[drg, level]):
        h = rules.drg_h[drg, level]
    mean = weight * rules.overall
    if rules.mean.size > 0 and not np.isnan(rules.mean[drg]):
        mean = rules.mean[drg]

    standard = MISSING
    if status == 0:
        yuan = rules.table[drg, level, insurance] if rules.table.size > 0 else weight * price * h
        if np.isfinite(yuan):
            standard = yuan_fen(yuan)
    mean_fen = yuan_fen(mean) if np.isfinite(mean) else MISSING
    below = standard
    if rules.ratio_of_mean and standard != MISSING:
        below = mean_fen
    ratio = np.nan
    if charges != MISSING and below > 0:
        ratio = charges / below
    bound = _bound(rules, weight, level, drg)
    has_standard = standard != MISSING

    out, bed = rules_of(cases, rules, i)
    if out >= 0 or not rules.has_rate[insurance]:
        bed = -1
    if bed >= 0:
        by_day = los * rules.per_day[bed]
        if rules.by_points:
            by_day = by_day * (price / rules.scale)
        if np.isfinite(by_day):
            standard = yuan_fen(by_day)
        else:
            bed = -1

    rule = -1
    if charges == MISSING:
        kind, mode, basis = UNPRICED, NONE, B_UNPRICED
    elif out >= 0:
        kind, mode, basis, rule = OUT_OF_SCOPE, AS_CHARGED, B_OUT_OF_SCOPE, out
    elif not rules.has_rate[insurance]:
        kind, mode, basis = OUT_OF_SCOPE, AS_CHARGED, B_NO_RATE
    elif bed >= 0:
        kind, mode, basis, rule = BED_DAY, BY_DAY, B_BED_DAY, rules.scopes + bed
    elif status > 1:
        kind, mode, basis = UNGROUPED, rules.off_modes[0], rules.off_bases[0]
    elif status == 1:
        kind, mode, basis = AMBIGUOUS, rules.off_modes[1], rules.off_bases[1]
    elif not has_standard:
        kind, mode, basis = NO_WEIGHT, rules.off_modes[2], rules.off_bases[2]
    elif ratio < rules.low_bound or (rules.low_inclusive and ratio == rules.low_bound):
        kind, mode, basis = LOW, rules.low_mode, rules.low_basis
    elif ratio > bound or (rules.high_inclusive and ratio == bound):
        kind, mode, basis = HIGH, rules.high_mode, rules.high_basis
    else:
        kind, mode = NORMAL, BY_STANDARD
        basis = B_NO_MEAN if np.isnan(ratio) else B_NORMAL
    if kind > HIGH:
        ratio = np.nan
    if np.isnan(ratio):
        bound = np.nan

    told = 0
    extra = np.int64(0)
    listed = cases.decided.size > 0 and cases.decided[i] != MISSING
    if mark & REVIEWED != 0 and listed and kind != OUT_OF_SCOPE and kind != UNPRICED:
        kind, mode, basis, rule = REVIEW, DECISION, B_REVIEW, -1
        told |= REVIEWED
    if kind == NORMAL or kind == HIGH:
        for e in range(rules.extra_over.size):
            item = cases.items[e, i]
            usual = rules.extra_usual[e, drg]
            if item == MISSING or usual == MISSING:
                continue
            share = item / charges if charges > 0 else 0.0
            times = charges / mean_fen if mean_fen > 0 else np.nan
            if times > rules.extra_over[e] and share > rules.extra_share[e]:
                extra = max(item - usual, np.int64(0))
                rule = rules.limits.shape[0] + e
                kind, mode, basis = NORMAL, BY_STANDARD, B_EXTRA
                break
    if kind == HIGH:
        told |= CANDIDATE
        if mark & OVER_CAP != 0:
            kind, mode, basis = NORMAL, BY_STANDARD, B_OVER_CAP
            told |= OVER_CAP

    paid = charges
    if mode == BY_STANDARD or mode == BY_DAY:
        paid = standard + extra
    elif mode == SHARE:
        paid = yuan_fen(charges / 100.0 * rules.off_shares[kind - UNGROUPED])
    elif mode == DECISION:
        paid = cases.decided[i]
    elif mode != AS_CHARGED and mode != NONE:
        paid = yuan_fen(
            _formula(
                mode, rules, charges / 100.0, standard / 100.0, ratio, bound, mean, weight, price, h
            )
        )
    tcm_cut = np.int64(0)
    cut = np.int64(0)
    if kind <= HIGH:
        if rules.tcm_drg.size > 0 and rules.tcm_drg[drg]:
            counted = np.int64(0) if cases.tcm[i] == MISSING else cases.tcm[i]
            counted_share = counted / charges if charges > 0 else 0.0
            if counted_share < rules.tcm_minimum:
                kept = yuan_fen(paid / 100.0 * rules.tcm_otherwise)
                tcm_cut = kept - paid
                paid = kept
        if mark & READMITTED != 0:
            kept = yuan_fen(paid / 100.0 * rules.readmission_factor)
            cut = kept - paid
            paid = kept
            told |= READMITTED
    return kind, mode, basis, rule, standard, ratio, bound, paid, extra, tcm_cut, cut, told


@kernel_part
def _write(cases: Any, rules: Any, mark: Any, out: Any, i: Any) -> None:
    """Settle a row into every column; formula = S − C, adjustment the rest of the surplus."""
    kind, mode, basis, rule, standard, ratio, bound, paid, extra, tcm_cut, cut, told = verdict(
        cases, rules, mark, i
    )
    out.mark[i] = told
    out.kind[i] = kind
    out.mode[i] = mode
    out.basis[i] = basis
    out.rule[i] = rule
    out.standard[i] = standard
    out.ratio[i] = ratio
    out.bound[i] = bound
    out.paid[i] = paid
    if out.extra.size > 0:
        out.extra[i] = extra
    if out.tcm_cut.size > 0:
        out.tcm_cut[i] = tcm_cut
    if out.readmission.size > 0:
        out.readmission[i] = cut
    charges = cases.charges[i]
    cost = cases.cost[i]
    if charges == MISSING:
        out.formula[i] = MISSING
        out.adjustment[i] = MISSING
        out.surplus[i] = MISSING
        out.cost_surplus[i] = MISSING
        return
    formula = standard - charges if standard != MISSING else np.int64(0)
    out.formula[i] = formula
    out.surplus[i] = paid - charges
    out.adjustment[i] = paid - charges - formula
    out.cost_surplus[i] = paid - cost if cost != MISSING else MISSING


@kernel_bare
def settle_rows(
    cases: Any, rules: Any, out: Any, rows: Any, marks: Any, start: int, stop: int
) -> None:
    """Settle the rows from ``start`` to ``stop``, as if no rule looked at other rows.

    rows int64 (m,), marks int8 (m,): settle those of these rows, with their marks; or both (0,).
    """
    for at in range(start, stop):
        i = np.int64(at)
        mark = np.int8(0)
        if rows.size > 0:
            i = rows[at]
            mark = marks[at]
        _write(cases, rules, mark, out, i)


@kernel_bare
def point_rows(
    cases: Any, rules: Any, personal: Any, coefficient: bool, units: Any, paid: Any,
    start: int, stop: int,
) -> None:  # fmt: skip
    """Add up standard points (1e-6) and personal payments (fen) by insurance type.

    Base points × H, or bed-day points × days, of the cases that are in scope and have charges.  A
    day that is priced in yuan, not in points, has none.  coefficient: False leaves out H.
    """
    for i in range(start, stop):
        charges = cases.charges[i]
        if charges == MISSING:
            continue
        drg, insurance, level = cases.drg[i], cases.insurance[i], cases.level[i]
        los = np.int64(cases.los[i])
        weight = rules.drg_weight[drg] if rules.drg_weight.size > 0 else cases.weight[i]
        if not weight > 0.0:
            weight = np.nan
        h = rules.hospital_h[cases.hospital[i], level]
        if rules.drg_h.size > 0 and not np.isnan(rules.drg_h[drg, level]):
            h = rules.drg_h[drg, level]
        points = weight * rules.scale * h if cases.status[i] == 0 else np.nan
        out, bed = rules_of(cases, rules, i)
        if bed >= 0:
            points = los * rules.per_day[bed] if rules.by_points else np.nan
        if out >= 0 or not np.isfinite(points):
            continue
        if not coefficient and bed < 0:
            points = weight * rules.scale
        units[insurance] += np.int64(np.rint(points * _POINT_UNITS))
        if personal.size > 0 and personal[i] != MISSING:
            paid[insurance] += personal[i]
