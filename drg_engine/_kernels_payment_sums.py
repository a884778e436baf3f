"""What a simulation adds up of the cases, and by how much a change of policy moves it."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from drg_engine._jit import kernel_bare, kernel_part
from drg_engine._kernels_payment import verdict
from drg_engine._kernels_payment_rules import (
    CANDIDATE,
    MISSING,
    yuan_fen,
)

__all__ = [
    "MEASURES",
    "LeanArrays",
    "SumArrays",
    "TouchArrays",
    "cost_rows",
    "lean_rows",
    "sum_rows",
]

(
    M_PAID, M_COSTED_PAID, M_STANDARD, M_PRICED, M_UNITS, M_GROUPED, M_COST, M_CASES, M_SETTLED,
    M_CHARGES,
) = range(10)  # fmt: skip
MEASURES = (
    "paid", "costed_paid", "standard", "priced", "units", "grouped", "cost", "cases", "settled",
    "charges",
)  # fmt: skip
"""What a simulation adds up, in the order of the M_ numbers; those that scenarios move go first."""


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
        cost[i] = yuan_fen(old / 100.0 * factor)
        if cases.charges[i] != MISSING and lean.paid[i] != MISSING:
            _add(sums, place[i], cell[i], M_COST, cost[i] - old)


@kernel_part
def _move(
    cases: Any, rules: Any, mark: Any, old: Any, new: Any, place: Any, cell: Any, sums: Any, i: Any
) -> None:
    """Decide a row with a mark, write it, and add up what it differs by from ``old``."""
    kind, mode, _, _, standard, _, _, paid, _, _, _, told = verdict(cases, rules, mark, i)
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
