"""The payment kernel: what one case is paid, in the order of specs/payment.md §§2 and 3.

:func:`_verdict` decides one row from the columns, the policy's tables and the row's mark, which
tells what was found by looking at other rows (a place under a cap, a later stay).  Everything else
calls it over rows: settling writes every column, a simulation only what it adds up.

Amounts are int64 fen; a product is rounded once, by the rule of drg_engine.money.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from drg_engine._jit import kernel_bare, kernel_part

__all__ = [
    "ANYTHING",
    "CANDIDATE",
    "MEASURES",
    "OVER_CAP",
    "READMITTED",
    "REVIEWED",
    "CaseArrays",
    "FundArrays",
    "FundRules",
    "LeanArrays",
    "RuleArrays",
    "SettledArrays",
    "SumArrays",
    "TouchArrays",
    "close_stays",
    "cost_rows",
    "count_cases",
    "find_stays",
    "fund_moved",
    "fund_rows",
    "lean_rows",
    "point_rows",
    "rank_cases",
    "rule_rows",
    "settle_rows",
    "sum_rows",
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

(
    M_PAID, M_COSTED_PAID, M_STANDARD, M_PRICED, M_UNITS, M_GROUPED, M_COST, M_CASES, M_SETTLED,
    M_CHARGES,
) = range(10)  # fmt: skip
MEASURES = (
    "paid", "costed_paid", "standard", "priced", "units", "grouped", "cost", "cases", "settled",
    "charges",
)  # fmt: skip
"""What a simulation adds up, in the order of the M_ numbers; those that scenarios move go first."""

RESIDUAL, PROPORTIONAL, BY_SHARE, FULL = range(4)
"""Ways to the fund's part."""

_LAST_PLACES = 2.0**-50
_ROW = (1 << 32) - 1


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


class FundRules(NamedTuple):
    """What patients pay by case, (n,), or (0,) where there is no such column; how to split."""

    patient: npt.NDArray[np.int64]
    other: npt.NDArray[np.int64]
    own: npt.NDArray[np.int64]
    pre: npt.NDArray[np.int64]
    deductible: npt.NDArray[np.int64]
    k: npt.NDArray[np.float64]  # (insurances + 1,)
    way: int
    prepaid: float
    retained: float


class FundArrays(NamedTuple):
    """Columns of a FundSplit."""

    fund: npt.NDArray[np.int64]
    patient: npt.NDArray[np.int64]
    other: npt.NDArray[np.int64]
    received: npt.NDArray[np.int64]
    difference: npt.NDArray[np.int64]
    prepaid: npt.NDArray[np.int64]
    retained: npt.NDArray[np.int64]


class LeanArrays(NamedTuple):
    """What a simulation keeps of a settlement."""

    kind: npt.NDArray[np.int8]
    mode: npt.NDArray[np.int8]
    mark: npt.NDArray[np.int8]
    standard: npt.NDArray[np.int64]
    paid: npt.NDArray[np.int64]


class TouchArrays(NamedTuple):
    """Which rows a change of policy may move; the rest is taken over."""

    all_rows: bool
    drg: npt.NDArray[np.bool_]
    insurance: npt.NDArray[np.bool_]
    hospital: npt.NDArray[np.bool_]
    status: npt.NDArray[np.bool_]  # (4,)
    no_standard: bool
    reweighed: bool
    low_top: float  # rows whose ratio is at most this
    high_least: float  # rows whose ratio is at least this


class SumArrays(NamedTuple):
    """Sums of one thread: by place and by cell (groups, measures), by kind (cases, paid)."""

    place: npt.NDArray[np.int64]
    cell: npt.NDArray[np.int64]
    kinds: npt.NDArray[np.int64]
    seen: npt.NDArray[np.int64]  # (3,): high candidates, kinds, decided cases that were touched


@kernel_part
def _fen(yuan: Any) -> Any:
    """Yuan to fen by the rounding rule of drg_engine.money."""
    fen = yuan * 100.0
    magnitude = abs(fen)
    rounded = np.floor(magnitude + magnitude * _LAST_PLACES + 0.5)
    return np.int64(rounded) if fen >= 0.0 else -np.int64(rounded)


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
    value = weight * rules.tier_scale
    place = 0
    while place < rules.tier_uppers.size and (
        value > rules.tier_uppers[place]
        or (value == rules.tier_uppers[place] and not rules.tier_inclusive)
    ):
        place += 1
    return rules.tier_bounds[min(place, rules.tier_bounds.size - 1)]


@kernel_part
def _fits(cases: Any, rules: Any, r: int, i: int) -> bool:
    """Whether a scope or bed-day rule applies; what is missing never satisfies a condition."""
    los = np.int64(cases.los[i])
    most = rules.limits[r, 1]
    return bool(
        los > rules.limits[r, 0]
        and (most == ANYTHING or 0 <= los <= most)
        and cases.charges[i] < rules.limits[r, 2]
        and rules.insurance_fits[cases.insurance[i], r]
        and rules.drg_fits[cases.drg[i], r]
        and rules.dx_fits[cases.principal[i], r]
        and (cases.listed.size == 0 or rules.listed_fits[cases.listed[i], r])
        and (cases.region.size == 0 or rules.region_fits[cases.region[i], r])
    )


@kernel_part
def _rules_of(cases: Any, rules: Any, i: int) -> Any:
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
        out, bed = _rules_of(cases, rules, i)
        fixed[i] = (out + 1) | (bed + 1) << 7


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
def _verdict(cases: Any, rules: Any, mark: Any, i: Any) -> Any:
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
            standard = _fen(yuan)
    below = standard
    if rules.ratio_of_mean and standard != MISSING:
        below = _fen(mean) if np.isfinite(mean) else MISSING
    ratio = np.nan
    if charges != MISSING and below > 0:
        ratio = charges / below
    bound = _bound(rules, weight, level, drg)
    has_standard = standard != MISSING

    out, bed = _rules_of(cases, rules, i)
    if bed >= 0:
        by_day = los * rules.per_day[bed]
        if rules.by_points:
            by_day = by_day * (price / rules.scale)
        if np.isfinite(by_day):
            standard = _fen(by_day)
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
            if charges > rules.extra_over[e] * (mean * 100.0) and share > rules.extra_share[e]:
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
        paid = _fen(charges / 100.0 * rules.off_shares[kind - UNGROUPED])
    elif mode == DECISION:
        paid = cases.decided[i]
    elif mode != AS_CHARGED and mode != NONE:
        paid = _fen(
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
                kept = _fen(paid / 100.0 * rules.tcm_otherwise)
                tcm_cut = kept - paid
                paid = kept
        if mark & READMITTED != 0:
            kept = _fen(paid / 100.0 * rules.readmission_factor)
            cut = kept - paid
            paid = kept
            told |= READMITTED
    return kind, mode, basis, rule, standard, ratio, bound, paid, extra, tcm_cut, cut, told


@kernel_part
def _write(cases: Any, rules: Any, mark: Any, out: Any, i: Any) -> None:
    """Settle a row into every column; formula = S − C, adjustment the rest of the surplus."""
    kind, mode, basis, rule, standard, ratio, bound, paid, extra, tcm_cut, cut, told = _verdict(
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


@kernel_part
def _units(weight: Any) -> Any:
    """A weight as whole 1e-8, 0 where there is none (drg_engine.surplus)."""
    return np.int64(0) if np.isnan(weight) else np.int64(np.rint(weight * 100_000_000.0))


@kernel_part
def _add(sums: Any, place: Any, cell: Any, measure: int, value: Any) -> None:
    sums.place[place, measure] += value
    sums.cell[cell, measure] += value


@kernel_bare
def sum_rows(
    cases: Any, lean: Any, place: Any, cell: Any, sums: Any, start: int, stop: int
) -> None:
    """Add up the measures of rows by place, cell and kind."""
    for i in range(start, stop):
        p, c = place[i], cell[i]
        charges, cost, paid = cases.charges[i], cases.cost[i], lean.paid[i]
        _add(sums, p, c, M_CASES, 1)
        if cases.status[i] == 0:
            _add(sums, p, c, M_GROUPED, 1)
            _add(sums, p, c, M_UNITS, _units(cases.weight[i]))
        sums.kinds[lean.kind[i], 0] += 1
        if charges == MISSING:
            continue
        _add(sums, p, c, M_SETTLED, 1)
        _add(sums, p, c, M_CHARGES, charges)
        if lean.standard[i] != MISSING:
            _add(sums, p, c, M_STANDARD, lean.standard[i])
            _add(sums, p, c, M_PRICED, charges)
        if paid != MISSING:
            _add(sums, p, c, M_PAID, paid)
            sums.kinds[lean.kind[i], 1] += paid
            if cost != MISSING:
                _add(sums, p, c, M_COST, cost)
                _add(sums, p, c, M_COSTED_PAID, paid)


@kernel_bare
def cost_rows(
    cases: Any, lean: Any, factor: Any, place: Any, cell: Any, sums: Any, cost: Any,
    start: int, stop: int,
) -> None:  # fmt: skip
    """Multiply the costs, each rounded once, and add up by how much they differ."""
    for i in range(start, stop):
        old = cases.cost[i]
        if old == MISSING:
            cost[i] = MISSING
            continue
        cost[i] = _fen(old / 100.0 * factor)
        if cases.charges[i] != MISSING and lean.paid[i] != MISSING:
            _add(sums, place[i], cell[i], M_COST, cost[i] - old)


@kernel_part
def _move(
    cases: Any, rules: Any, mark: Any, old: Any, new: Any, place: Any, cell: Any, sums: Any, i: Any
) -> None:
    """Decide a row with a mark, write it, and add up what it differs by from ``old``."""
    kind, mode, _, _, standard, _, _, paid, _, _, _, told = _verdict(cases, rules, mark, i)
    before, unpaid, kept = old.paid[i], old.standard[i], old.kind[i]
    marked = old.mark[i]
    new.kind[i] = kind
    new.mode[i] = mode
    new.mark[i] = told
    new.standard[i] = standard
    new.paid[i] = paid
    if (marked | told) & CANDIDATE != 0:
        sums.seen[0] = 1
    if kind != kept:
        sums.seen[1] = 1
        sums.kinds[kept, 0] -= 1
        sums.kinds[kind, 0] += 1
    charges = cases.charges[i]
    if charges == MISSING:
        return
    p, c = place[i], cell[i]
    if paid != before or kind != kept:
        if before != MISSING:
            sums.kinds[kept, 1] -= before
        if paid != MISSING:
            sums.kinds[kind, 1] += paid
    if paid != before and paid != MISSING and before != MISSING:
        _add(sums, p, c, M_PAID, paid - before)
        if cases.cost[i] != MISSING:
            _add(sums, p, c, M_COSTED_PAID, paid - before)
    if standard != unpaid:
        if standard != MISSING:
            _add(sums, p, c, M_STANDARD, standard)
        if unpaid != MISSING:
            _add(sums, p, c, M_STANDARD, -unpaid)
        if (standard == MISSING) != (unpaid == MISSING):
            _add(sums, p, c, M_PRICED, charges if unpaid == MISSING else -charges)


@kernel_bare
def lean_rows(
    was: Any, cases: Any, rules: Any, touch: Any, ratio: Any, rows: Any, marks: Any, old: Any,
    new: Any, place: Any, cell: Any, sums: Any, start: int, stop: int,
) -> None:  # fmt: skip
    """Decide the rows that ``touch`` names with their old marks; take over the rest.

    was: the baseline's cases; ratio: the baseline's r (n,), or (0,) where no bound changed.
    rows int64 (m,), marks int8 (m,): decide those of these rows again, with their marks.
    """
    bounds = ratio.size > 0
    listed = rows.size > 0
    for at in range(start, stop):
        i = np.int64(at)
        mark = np.int8(0)
        if listed:
            i = rows[at]
            mark = marks[at]
        else:
            mark = old.mark[i]
        touched = (
            listed
            or touch.all_rows
            or touch.drg[cases.drg[i]]
            or touch.insurance[cases.insurance[i]]
            or touch.hospital[cases.hospital[i]]
            or touch.status[cases.status[i]]
            or (touch.no_standard and old.standard[i] == MISSING)
            or (bounds and (ratio[i] <= touch.low_top or ratio[i] >= touch.high_least))
        )
        if not touched:
            new.kind[i] = old.kind[i]
            new.mode[i] = old.mode[i]
            new.mark[i] = old.mark[i]
            new.standard[i] = old.standard[i]
            new.paid[i] = old.paid[i]
            continue
        if cases.decided.size > 0 and cases.decided[i] != MISSING:
            sums.seen[2] = 1
        _move(cases, rules, mark, old, new, place, cell, sums, i)
        if touch.reweighed and not listed:
            units = np.int64(0)
            if cases.status[i] == 0:
                units = _units(rules.drg_weight[cases.drg[i]])
            before = np.int64(0)
            if was.status[i] == 0:
                before = _units(was.weight[i])
            if units != before:
                _add(sums, place[i], cell[i], M_UNITS, units - before)
            grouped = np.int64(cases.status[i] == 0) - np.int64(was.status[i] == 0)
            if grouped != 0:
                _add(sums, place[i], cell[i], M_GROUPED, grouped)


@kernel_bare
def point_rows(
    cases: Any, rules: Any, personal: Any, coefficient: bool, units: Any, paid: Any,
    start: int, stop: int,
) -> None:  # fmt: skip
    """Add up standard points (1e-6) and personal payments (fen) by insurance type.

    Base points × H, or bed-day points × days, of the cases that are in scope and have charges.
    coefficient: False for Σ RW × scale of the same cases, without H.
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
        out, bed = _rules_of(cases, rules, i)
        if bed >= 0:
            points = los * rules.per_day[bed]
        if out >= 0 or not np.isfinite(points):
            continue
        if not coefficient:
            points = weight * rules.scale
            if not np.isfinite(points):
                continue
        units[insurance] += np.int64(np.rint(points * 1_000_000.0))
        if personal.size > 0 and personal[i] != MISSING:
            paid[insurance] += personal[i]


@kernel_bare
def find_stays(
    person: Any, drg: Any, admitted: Any, left: Any, starts: Any, keys: Any, rows: Any, group: Any
) -> Any:
    """Rows of persons with several stays in one DRG, in the order of the stays.

    person int32 (n,), -1 unknown; admitted, left int64 days, MISSING unknown; starts int32
    (persons + 1,) zeros and keys int64 (n,) are room to work in.  ``rows`` int32 (n,) gets the rows
    by person, DRG, admission, discharge and row; ``group`` int32 (n,) numbers person and DRG.
    Returns how many rows there are, and whether two stays are alike but for the row.
    """
    n = person.size
    for i in range(n):
        if person[i] >= 0 and admitted[i] != MISSING and left[i] != MISSING:
            starts[person[i] + 1] += 1
    for p in range(starts.size - 1):
        starts[p + 1] += starts[p]
    for i in range(n):
        if person[i] >= 0 and admitted[i] != MISSING and left[i] != MISSING:
            keys[starts[person[i]]] = (np.int64(drg[i]) << 32) | np.int64(i)
            starts[person[i]] += 1
    kept = 0
    groups = 0
    alike = False
    first = np.int64(0)
    for p in range(starts.size - 1):
        stop = np.int64(starts[p])
        if stop - first >= 2:
            _sort_stays(keys, first, stop - first, admitted, left, False)
            at = first
            while at < stop:
                end = at + 1
                while end < stop and keys[end] >> 32 == keys[at] >> 32:
                    end += 1
                if end - at >= 2:
                    for place in range(at, end):
                        keys[place] &= _ROW
                    _sort_stays(keys, at, end - at, admitted, left, True)
                    for place in range(at, end):
                        row = keys[place]
                        if place > at:
                            other = keys[place - 1]
                            alike |= admitted[row] == admitted[other] and left[row] == left[other]
                        rows[kept] = row
                        group[kept] = groups
                        kept += 1
                    groups += 1
                at = end
        first = stop
    return kept, alike


@kernel_bare
def _later(a: Any, b: Any, admitted: Any, left: Any, dated: bool) -> bool:
    """Whether key ``a`` goes after key ``b``: by date where the keys are rows, or as numbers."""
    if dated:
        if admitted[a] != admitted[b]:
            return bool(admitted[a] > admitted[b])
        if left[a] != left[b]:
            return bool(left[a] > left[b])
    return bool(a > b)


@kernel_bare
def _sort_stays(keys: Any, first: Any, size: Any, admitted: Any, left: Any, dated: bool) -> None:
    """Sort some keys in place: by heap, so that one person with all the stays is no harm."""
    if size <= 12:
        for at in range(first + 1, first + size):
            row = keys[at]
            place = at
            while place > first and _later(keys[place - 1], row, admitted, left, dated):
                keys[place] = keys[place - 1]
                place -= 1
            keys[place] = row
        return
    heaped = size // 2
    last = size
    while last > 1:
        if heaped > 0:
            heaped -= 1
            row = keys[first + heaped]
        else:
            last -= 1
            row = keys[first + last]
            keys[first + last] = keys[first]
            if last == 1:
                keys[first] = row
                return
        place = heaped
        child = 2 * place + 1
        while child < last:
            if child + 1 < last and _later(
                keys[first + child + 1], keys[first + child], admitted, left, dated
            ):
                child += 1
            if not _later(keys[first + child], row, admitted, left, dated):
                break
            keys[first + place] = keys[first + child]
            place = child
            child = 2 * place + 1
        keys[first + place] = row


@kernel_bare
def rank_cases(
    hospital: Any,
    excess: Any,
    allowed: Any,
    room: Any,
    starts: Any,
    least: Any,
    free: Any,
    over: Any,
) -> int:
    """Which candidates have no place: all but the largest excesses of their hospital.

    hospital int32 (m,), -1 the last; allowed int64 (h,) places; room int64 (m,), starts int64
    (h + 1,) zeros: to work in.  Writes over bool (m,), and by hospital the least excess that has a
    place with how many of that excess have one.  Returns how many candidates of a least excess
    are to be told apart otherwise: of a hospital that has fewer places for them than them.
    """
    hospitals = allowed.size
    for i in range(hospital.size):
        h = hospital[i] if hospital[i] >= 0 else hospitals - 1
        starts[h + 1] += 1
    for h in range(hospitals):
        starts[h + 1] += starts[h]
    for h in range(hospitals - 1, -1, -1):
        starts[h + 1] = starts[h]
    starts[0] = 0
    for i in range(hospital.size):
        h = hospital[i] if hospital[i] >= 0 else hospitals - 1
        room[starts[h + 1]] = excess[i]
        starts[h + 1] += 1
    for h in range(hospitals):
        first, stop = starts[h], starts[h + 1]
        least[h] = MISSING
        free[h] = stop - first
        if stop - first <= allowed[h]:
            continue
        if allowed[h] == 0:
            least[h] = ANYTHING
            free[h] = 0
            continue
        at = stop - allowed[h]
        _select(room, first, stop - 1, at)
        least[h] = room[at]
        above = 0
        for place in range(at, stop):
            if room[place] > least[h]:
                above += 1
        free[h] = allowed[h] - above
        alike = allowed[h] - above
        for place in range(first, at):
            if room[place] == least[h]:
                alike += 1
        if alike == free[h]:
            free[h] = ANYTHING  # all of them
    open_ones = 0
    for i in range(hospital.size):
        h = hospital[i] if hospital[i] >= 0 else hospitals - 1
        over[i] = excess[i] < least[h]
        if excess[i] == least[h] and least[h] != MISSING and free[h] != ANYTHING:
            open_ones += 1
    return open_ones


@kernel_bare
def _select(values: Any, low: Any, high: Any, k: Any) -> None:
    """Put in order so far that ``values[k]`` is in its place, nothing larger before it."""
    while low < high:
        pivot = values[(low + high) // 2]
        i, j = low, high
        while i <= j:
            while values[i] < pivot:
                i += 1
            while pivot < values[j]:
                j -= 1
            if i <= j:
                values[i], values[j] = values[j], values[i]
                i += 1
                j -= 1
        if k <= j:
            high = j
        elif k >= i:
            low = i
        else:
            return


@kernel_bare
def count_cases(codes: Any, kind: Any, counts: Any) -> None:
    """Cases by hospital code (-1 the last); kind (n,): only cases paid by DRG, or (0,): all."""
    for i in range(codes.size):
        if kind.size == 0 or kind[i] <= HIGH:
            counts[codes[i]] += 1


@kernel_bare
def fund_rows(
    cases: Any, fund: Any, mode: Any, paid: Any, out: Any, totals: Any, start: int, stop: int
) -> None:
    """Split what each case is paid between fund, patient and others (payment.md §4).

    out: columns (n,), or (0,) where only totals int64 (4,) are asked for: cases, fund, patient and
    other fen of the cases whose split is known.
    """
    for i in range(start, stop):
        patient, other, held = _held(cases, fund, mode[i], paid[i], i)
        if held != MISSING:
            totals[0] += 1
            totals[1] += held
            totals[2] += patient
            totals[3] += other
        if out.fund.size == 0:
            continue
        out.fund[i] = held
        out.patient[i] = patient
        out.other[i] = other
        if held == MISSING:
            out.received[i] = MISSING
            out.difference[i] = MISSING
            out.prepaid[i] = MISSING
            out.retained[i] = MISSING
        else:
            out.received[i] = held + patient + other
            out.difference[i] = held + patient + other - paid[i]
            out.prepaid[i] = _fen(held / 100.0 * fund.prepaid)
            out.retained[i] = _fen(held / 100.0 * fund.retained)


@kernel_bare
def fund_moved(
    cases: Any, fund: Any, old: Any, new: Any, totals: Any, start: int, stop: int
) -> None:
    """By how much the totals of :func:`fund_rows` move where what is paid moves."""
    for i in range(start, stop):
        if old.paid[i] == new.paid[i] and old.mode[i] == new.mode[i]:
            continue
        patient, other, held = _held(cases, fund, old.mode[i], old.paid[i], i)
        if held != MISSING:
            totals[0] -= 1
            totals[1] -= held
            totals[2] -= patient
            totals[3] -= other
        patient, other, held = _held(cases, fund, new.mode[i], new.paid[i], i)
        if held != MISSING:
            totals[0] += 1
            totals[1] += held
            totals[2] += patient
            totals[3] += other


@kernel_part
def _held(cases: Any, fund: Any, mode: Any, paid: Any, i: int) -> Any:
    """What patient, other funds and the fund pay of a row; the fund's MISSING where not known."""
    patient = fund.patient[i] if fund.patient.size > 0 else MISSING
    other = fund.other[i] if fund.other.size > 0 else MISSING
    if other == MISSING:
        other = np.int64(0)
    held = MISSING
    if paid != MISSING and patient != MISSING:
        held = paid - patient - other
        if mode != AS_CHARGED:
            if fund.way == FULL:
                held = paid
            elif fund.way != RESIDUAL:
                held = _by_item(cases, fund, paid, i)
    return patient, other, held


@kernel_part
def _by_item(cases: Any, fund: Any, paid: Any, i: int) -> Any:
    """The fund's part by the proportional or the share way, MISSING without its amounts."""
    if fund.own.size == 0 or fund.pre.size == 0 or fund.deductible.size == 0:
        return MISSING
    own, pre, deductible = fund.own[i], fund.pre[i], fund.deductible[i]
    charges = cases.charges[i]
    if own == MISSING or pre == MISSING or deductible == MISSING or charges <= 0:
        return MISSING
    standard, c = paid / 100.0, charges / 100.0
    o, p, d = own / 100.0, pre / 100.0, deductible / 100.0
    k = fund.k[cases.insurance[i]]
    if fund.way == PROPORTIONAL:
        return _fen((standard * (1.0 - (o + p) / c) - d) * k)
    return _fen((standard - o - p - d) * k)


@kernel_bare
def close_stays(
    rows: Any, group: Any, kind: Any, admitted: Any, left: Any, spared: Any, days: Any, found: Any
) -> None:
    """Earlier stays that the same person follows by another in the same DRG within ``days``.

    All by place in the order of find_stays (m,), but kind int8 (n,): only cases paid by DRG count.
    spared bool: a stay that never counts.  Writes found bool (m,).
    """
    earlier = -1
    for at in range(rows.size):
        found[at] = False
        if kind[rows[at]] > HIGH:
            continue
        if earlier >= 0 and group[earlier] == group[at]:
            gap = admitted[at] - left[earlier]
            if 0 <= gap <= days and not spared[earlier] and not spared[at]:
                found[earlier] = True
        earlier = at
