"""Who pays what: the fund's part of each case, by the way the policy chooses (payment.md §4).

What the patient and other funds pay is given by item; the cases bring it as columns of fen:
``own_expense`` (全自费), ``pre_expense`` (先行自付、超限价), ``deductible`` (起付线),
``personal_pay`` (the patient in all), ``other_fund`` (其他基金).  A case that lacks
an amount which its way needs has fund MISSING_FEN; other funds count as 0 where they are missing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from drg_engine._jit import run_split
from drg_engine._kernels_payment_fund import FundArrays, FundRules, fund_moved, fund_rows
from drg_engine._kernels_payment_sums import LeanArrays
from drg_engine.payment_columns import PaymentColumns
from drg_engine.payment_result import Settlement
from drg_engine.payment_standard import by_name
from drg_engine.payment_tables import case_arrays, read_only
from drg_engine.policy import Policy

__all__ = ["FundSplit", "fund_difference", "fund_totals", "split_fund"]

Fen = npt.NDArray[np.int64]

_WAYS = ("residual", "proportional", "share", "full")
_COLUMNS = {
    "patient": "personal_pay",
    "other": "other_fund",
    "own": "own_expense",
    "pre": "pre_expense",
    "deductible": "deductible",
}


@dataclass(frozen=True, slots=True, eq=False)
class FundSplit:
    """Fen (n,), MISSING_FEN where not known: ``fund + patient + other == received``.

    ``difference`` = received − paid: 0 by the residual way and for cases paid as charged; the other
    ways leave the hospital with more or less than the settlement.  ``prepaid`` and ``retained`` are
    shares of the fund's part: the monthly prepayment and the guarantee kept until the year ends.
    """

    fund: Fen
    patient: Fen
    other: Fen
    received: Fen
    difference: Fen
    prepaid: Fen
    retained: Fen


def split_fund(settlement: Settlement) -> FundSplit:
    """Split what each case is paid by the policy's way; S is the amount settled.

    A case paid as charged is split by the residual way: the fund pays what the settlement says.
    """
    split = FundSplit(*(np.empty(settlement.n, dtype=np.int64) for _ in fields(FundSplit)))
    columns = FundArrays(*(getattr(split, field.name) for field in fields(FundSplit)))
    _split(settlement.cases, settlement.policy, settlement.mode, settlement.paid, columns)
    return split


def fund_totals(
    cases: PaymentColumns, policy: Policy, mode: npt.NDArray[np.int8], paid: Fen
) -> tuple[int, int, int, int]:
    """Cases whose split is known; what fund, patients and others pay for them, in fen.

    mode int8 (n,) and paid (n,) as in a settlement of ``cases`` under ``policy``.
    """
    if "personal_pay" not in cases.amounts:
        return 0, 0, 0, 0
    none = FundArrays(*([np.zeros(0, dtype=np.int64)] * len(FundArrays._fields)))
    cases_known, fund, patient, other = _split(cases, policy, mode, paid, none).tolist()
    return cases_known, fund, patient, other


def fund_difference(
    cases: PaymentColumns, policy: Policy, old: LeanArrays, new: LeanArrays
) -> tuple[int, int, int, int]:
    """By how much :func:`fund_totals` of two settlements under one [fund] section differ."""
    if "personal_pay" not in cases.amounts:
        return 0, 0, 0, 0
    columns, rules = case_arrays(cases, policy), _rules(cases, policy)
    known, fund, patient, other = _summed(
        lambda totals, start, stop: fund_moved(columns, rules, old, new, totals, start, stop),
        cases.n,
    ).tolist()
    return known, fund, patient, other


def _split(
    cases: PaymentColumns, policy: Policy, mode: npt.NDArray[np.int8], paid: Fen, out: FundArrays
) -> Fen:
    """Fill the columns; totals int64 (4,)."""
    columns, rules = case_arrays(cases, policy), _rules(cases, policy)
    return _summed(
        lambda totals, start, stop: fund_rows(columns, rules, mode, paid, out, totals, start, stop),
        cases.n,
    )


def _summed(work: Callable[[Fen, int, int], None], n: int) -> Fen:
    parts: list[Fen] = []

    def part(start: int, stop: int) -> None:
        totals = np.zeros(4, dtype=np.int64)
        work(totals, start, stop)
        parts.append(totals)

    run_split(part, n)
    whole = np.zeros(4, dtype=np.int64)
    for totals in parts:
        whole += totals
    return whole


def _rules(cases: PaymentColumns, policy: Policy) -> FundRules:
    said = policy.rules.fund
    ks = by_name(cases.insurance.names, said.k)
    return FundRules(
        **{field: _amount(cases, name) for field, name in _COLUMNS.items()},
        k=np.where(np.isnan(ks), said.default_k, ks),
        way=_WAYS.index(said.way),
        prepaid=said.prepaid,
        retained=said.retained,
    )


def _amount(cases: PaymentColumns, name: str) -> Fen:
    return read_only(cases.amounts.get(name, np.zeros(0, dtype=np.int64)), np.int64)
