"""Who pays what a case is paid: the fund, the patient, other funds (payment.md §4)."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from drg_engine._jit import kernel_bare, kernel_part
from drg_engine._kernels_payment_rules import (
    AS_CHARGED,
    MISSING,
    yuan_fen,
)

__all__ = [
    "FundArrays",
    "FundRules",
    "fund_moved",
    "fund_rows",
]

RESIDUAL, PROPORTIONAL, BY_SHARE, FULL = range(4)
"""Ways to the fund's part."""


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
            out.prepaid[i] = yuan_fen(held / 100.0 * fund.prepaid)
            out.retained[i] = yuan_fen(held / 100.0 * fund.retained)


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
        return yuan_fen((standard * (1.0 - (o + p) / c) - d) * k)
    return yuan_fen((standard - o - p - d) * k)
