"""Who pays what: the fund's part of each case, by the way the policy chooses (payment.md §4).

What the patient and other funds pay is given by item; the cases bring it as columns of fen:
``own_expense`` (全自费), ``pre_expense`` (先行自付、超限价), ``deductible`` (起付线),
``personal_pay`` (the patient in all), ``other_fund`` (其他基金).  A case that lacks
an amount which its way needs has fund MISSING_FEN; other funds count as 0 where they are missing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from drg_engine.money import to_fen
from drg_engine.payment_columns import MISSING_FEN
from drg_engine.payment_result import Settlement
from drg_engine.payment_standard import by_name
from drg_engine.payment_words import mode_of

__all__ = ["FundSplit", "proportional_fund", "share_fund", "split_fund"]

Fen = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


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


def proportional_fund(
    standard: Floats, charges: Floats, own: Floats, pre: Floats, deductible: Floats, k: Floats
) -> Floats:
    """[S × (1 − own/C − pre/C) − ded] × k, yuan."""
    return (standard * (1.0 - (own + pre) / charges) - deductible) * k


def share_fund(standard: Floats, own: Floats, pre: Floats, deductible: Floats, k: Floats) -> Floats:
    """(S − own − pre − ded) × k, yuan."""
    return (standard - own - pre - deductible) * k


def split_fund(settlement: Settlement) -> FundSplit:
    """Split what each case is paid by the policy's way; S is the amount settled.

    A case paid as charged is split by the residual way: the fund pays what the settlement says.
    """
    said = settlement.policy.rules.fund
    patient = _amount(settlement, "personal_pay")
    other = _amount(settlement, "other_fund")
    other = np.where(other == MISSING_FEN, 0, other)
    known = (settlement.paid != MISSING_FEN) & (patient != MISSING_FEN)
    fund = np.where(known, settlement.paid - np.where(known, patient, 0) - other, MISSING_FEN)
    by_rule = known & (settlement.mode != mode_of("as_charged"))
    if said.way == "full":
        fund = np.where(by_rule, settlement.paid, fund)
    elif said.way != "residual":
        fund = _by_item(settlement, fund, by_rule)
    whole = fund != MISSING_FEN
    held = np.where(whole, fund, 0)
    received = np.where(whole, held + np.where(known, patient, 0) + other, MISSING_FEN)
    yuan = held / 100.0
    return FundSplit(
        fund=fund,
        patient=patient,
        other=other,
        received=received,
        difference=np.where(whole, received - settlement.paid, MISSING_FEN),
        prepaid=np.where(whole, to_fen(yuan * said.prepaid), MISSING_FEN),
        retained=np.where(whole, to_fen(yuan * said.retained), MISSING_FEN),
    )


def _by_item(settlement: Settlement, fund: Fen, by_rule: Bools) -> Fen:
    """Replace the fund's part by the proportional or the share way where its amounts are known."""
    cases, said = settlement.cases, settlement.policy.rules.fund
    names = ("own_expense", "pre_expense", "deductible")
    amounts = [_amount(settlement, name) for name in names]
    lacking = np.logical_or.reduce([amount == MISSING_FEN for amount in amounts])
    rows = np.flatnonzero(by_rule & ~lacking & (cases.charges > 0))
    own, pre, deductible = (amount[rows] / 100.0 for amount in amounts)
    ks = by_name(cases.insurance.names, said.k)
    k = np.where(np.isnan(ks), said.default_k, ks)[cases.insurance.codes[rows]]
    standard, charges = settlement.paid[rows] / 100.0, cases.charges[rows] / 100.0
    if said.way == "proportional":
        yuan = proportional_fund(standard, charges, own, pre, deductible, k)
    else:
        yuan = share_fund(standard, own, pre, deductible, k)
    found = np.where(by_rule, MISSING_FEN, fund)
    found[rows] = to_fen(yuan)
    return found


def _amount(settlement: Settlement, name: str) -> Fen:
    held = settlement.cases.amounts.get(name)
    return np.full(settlement.n, MISSING_FEN, dtype=np.int64) if held is None else held
