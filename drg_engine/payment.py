"""Settling: what each case is paid under a policy (payment.md §§2, 3 and 5).

Decisions where the specification leaves room:

- A case without total charges cannot be settled: kind ``unpriced``, all amounts but the standard
  are MISSING_FEN, never zero; roll-ups count it and leave it out of the sums.
- An insurance type that the policy gives no price is out of scope, paid as charged, with its own
  basis (``out_of_scope_no_rate``); rules in [[scope]] go first and give a named reason.
- Status ``invalid`` is paid as ``ungrouped``.
- A case with no standard (ungrouped, ambiguous, no weight, no rate) has standard MISSING_FEN and
  formula 0; what it gains or loses is adjustment.
- A case in an [[extra]] rule is paid its standard and the extra, in place of the high rule.
- The cap counts places by hospital over the cases settled together.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from drg_engine._jit import run_split
from drg_engine.money import to_fen
from drg_engine.payment_cap import over_cap, places
from drg_engine.payment_columns import MISSING_FEN, Coded, PaymentColumns
from drg_engine.payment_modes import Facts, formula_fen
from drg_engine.payment_points import with_found_values
from drg_engine.payment_result import Settlement, empty_settlement
from drg_engine.payment_rules import (
    apply_extra,
    apply_review,
    cut_readmissions,
    cut_tcm,
    discharges,
    new_parts,
    notices,
)
from drg_engine.payment_standard import Lookups, Rows, compile_lookups
from drg_engine.payment_words import (
    BASES,
    BASIS_TITLES,
    KIND_TITLES,
    KINDS,
    MODE_TITLES,
    MODES,
    PART_TITLES,
    PARTS,
    basis_of,
    kind_of,
    mode_of,
)
from drg_engine.policy import Policy

__all__ = [
    "BASES",
    "BASIS_TITLES",
    "KINDS",
    "KIND_TITLES",
    "MISSING_FEN",
    "MODES",
    "MODE_TITLES",
    "PARTS",
    "PART_TITLES",
    "Coded",
    "PaymentColumns",
    "Settlement",
    "settle",
]

Fen = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

_BLOCK = 32_768
_GROUPED, _AMBIGUOUS = 0, 1
_SHARED = ("ungrouped", "ambiguous", "no_weight")
_IN_SCOPE = np.isin(np.array(KINDS), ("normal", "low", "high"))
_PLAIN = tuple(mode_of(name) for name in ("standard", "bed_day", "as_charged", "share", "none"))
_DECISION = mode_of("decision")


def settle(cases: PaymentColumns, policy: Policy) -> Settlement:
    """Settle cases under a policy.

    Amounts are rounded once at the case (money.to_fen).  The order of rows does not matter.
    Raises PolicyError where the policy names DRGs the scheme does not have, or lacks the bound of a
    hospital level that occurs.
    """
    lookups = with_found_values(cases, compile_lookups(cases, policy), policy)
    result = replace(
        empty_settlement(cases, policy),
        parts=new_parts(cases, policy),
        notices=notices(cases, policy),
    )

    def classify(start: int, stop: int) -> None:
        for at in _blocks(start, stop):
            _classify(result, Rows(cases, at, lookups, policy))

    def reconcile(start: int, stop: int) -> None:
        for at in _blocks(start, stop):
            _reconcile(result, at)

    run_split(classify, cases.n)
    apply_review(result)
    apply_extra(result, lookups)
    _apply_cap(result)
    _pay(result, lookups)
    cut_tcm(result)
    cut_readmissions(result)
    run_split(reconcile, cases.n)
    return result


def _blocks(start: int, stop: int) -> list[slice]:
    """Rows in blocks that stay in the processor's cache, so that no column is copied whole."""
    return [slice(at, min(at + _BLOCK, stop)) for at in range(start, stop, _BLOCK)]


def _classify(result: Settlement, rows: Rows) -> None:
    """Standard, ratio, bound and kind of some rows."""
    at = rows.at
    standard = _fen_or_missing(rows.standard(), rows.cases.status[at] == _GROUPED)
    ratio, bound = _ratio_and_bound(rows, standard)
    by_ratio = _IN_SCOPE[_kinds(result, rows, standard, ratio, bound)]
    result.standard[at] = standard
    ratio = np.where(by_ratio, ratio, np.nan)
    result.ratio[at] = ratio
    result.bound[at] = np.where(np.isnan(ratio), np.nan, bound)


def _fen_or_missing(yuan: Floats, where: npt.NDArray[np.bool_]) -> Fen:
    """Rounded fen where it is asked for and known, else MISSING_FEN."""
    known = where & np.isfinite(yuan)
    return np.where(known, to_fen(np.where(known, yuan, 0.0)), MISSING_FEN)


def _ratio_and_bound(rows: Rows, standard: Fen) -> tuple[Floats, Floats]:
    """Compute r over the rounded S or A, and K; NaN where charges or the divisor are missing."""
    charges = rows.cases.charges[rows.at]
    below = standard
    if rows.policy.rules.standard.ratio_of == "mean":
        below = _fen_or_missing(rows.mean(), standard != MISSING_FEN)
    unknown = (charges == MISSING_FEN) | (below <= 0)
    ratio = charges / np.where(unknown, 1, below)
    ratio[unknown] = np.nan
    return ratio, rows.high_bound()


def _kinds(
    result: Settlement, rows: Rows, standard: Fen, ratio: Floats, bound: Floats
) -> npt.NDArray[np.int8]:
    """Decide kind, mode, basis and rule in the order of payment.md §3, last first.

    Bed-day cases get their own standard in ``standard``.
    """
    cases, at, rules, lookups = rows.cases, rows.at, rows.policy.rules, rows.lookups
    status, charges = cases.status[at], cases.charges[at]
    verdicts = _Verdicts(status.size)
    low, high = rules.low, rules.high
    verdicts.set(np.isnan(ratio), "normal", "standard", "no_mean")
    verdicts.set(ratio >= bound if high.inclusive else ratio > bound, "high", high.mode)
    closed = low.inclusive and low.bound > 0
    verdicts.set(ratio <= low.bound if closed else ratio < low.bound, "low", low.mode)
    verdicts.set(standard == MISSING_FEN, "no_weight", rules.no_weight.mode)
    verdicts.set(status == _AMBIGUOUS, "ambiguous", rules.ambiguous.mode)
    verdicts.set(status > _AMBIGUOUS, "ungrouped", rules.ungrouped.mode)
    for number in range(len(lookups.bed_day) - 1, -1, -1):
        by_day = rows.by_day(number)
        hit = rows.in_rule(lookups.bed_day[number]) & np.isfinite(by_day)
        standard[hit] = to_fen(by_day[hit])
        verdicts.set(hit, "bed_day", "bed_day", number=len(lookups.scope) + number)
    no_rate = ~lookups.has_rate[cases.insurance.codes[at]]
    verdicts.set(no_rate, "out_of_scope", "as_charged", "no_rate")
    for number in range(len(lookups.scope) - 1, -1, -1):
        hit = rows.in_rule(lookups.scope[number])
        verdicts.set(hit, "out_of_scope", "as_charged", number=number)
    verdicts.set(charges == MISSING_FEN, "unpriced", "none")
    kind = verdicts.column(0)
    result.kind[at], result.mode[at] = kind, verdicts.column(1)
    result.basis[at], result.rule[at] = verdicts.column(2), verdicts.column(3)
    return kind.astype(np.int8)


class _Verdicts:
    """What is decided of each row: one number by row, into (kind, mode, basis, rule)."""

    def __init__(self, n: int) -> None:
        self._of = np.zeros(n, dtype=np.int16)
        self._known = [(kind_of("normal"), mode_of("standard"), basis_of("normal", "standard"), -1)]

    def set(
        self, where: npt.NDArray[np.bool_], kind: str, mode: str, why: str = "", number: int = -1
    ) -> None:
        """Decide the rows of ``where``, over what was decided of them before."""
        np.copyto(self._of, len(self._known), where=where)
        self._known.append((kind_of(kind), mode_of(mode), basis_of(kind, why or mode), number))

    def column(self, place: int) -> npt.NDArray[np.int16]:
        """Kind (0), mode (1), basis (2) or rule (3) of each row."""
        return np.array([known[place] for known in self._known], dtype=np.int16)[self._of]


def _apply_cap(result: Settlement) -> None:
    """Pay as normal the high cases for which the cap leaves no place."""
    cases, high = result.cases, result.policy.rules.high
    if high.cap_share >= 1:
        return
    codes = cases.hospital.codes
    counted = codes[_IN_SCOPE[result.kind]] if high.cap_of == "in_scope" else codes
    found = np.flatnonzero(result.kind == kind_of("high"))
    excess = cases.charges[found] - result.standard[found]
    allowed = places(high.cap_share, discharges(counted, len(cases.hospital.names)))
    over = over_cap(found, excess, cases.case_id, codes[found], allowed)
    result.kind[over] = kind_of("normal")
    result.mode[over] = mode_of("standard")
    result.basis[over] = basis_of("normal", "over_cap")


def _pay(result: Settlement, lookups: Lookups) -> None:
    """Fill ``paid``: the standard, the charges, or a formula over the rows that need one."""
    cases, rules = result.cases, result.policy.rules
    by_standard = (result.mode == mode_of("standard")) | (result.mode == mode_of("bed_day"))
    np.copyto(result.paid, np.where(by_standard, result.standard, cases.charges))
    for name in _SHARED:
        rows = np.flatnonzero((result.kind == kind_of(name)) & (result.mode == mode_of("share")))
        share = getattr(rules, name).share
        result.paid[rows] = to_fen(cases.charges[rows] / 100.0 * share)
    decided = np.flatnonzero(result.mode == _DECISION)
    if decided.size:
        result.paid[decided] = cases.amounts[rules.review.column][decided]
    formulas = np.flatnonzero(~np.isin(result.mode, (*_PLAIN, _DECISION)))
    for mode in np.unique(result.mode[formulas]):
        rows = formulas[result.mode[formulas] == mode]
        facts = Facts(
            Rows(cases, rows, lookups, result.policy),
            charges=cases.charges[rows] / 100.0,
            standard=result.standard[rows] / 100.0,
            ratio=result.ratio[rows],
            bound=result.bound[rows],
        )
        result.paid[rows] = formula_fen(MODES[mode], facts)
    if "extra" in result.parts:
        np.add(result.paid, result.parts["extra"], out=result.paid)


def _reconcile(result: Settlement, at: slice) -> None:
    """Split the surplus: formula = S − C where there is a standard, adjustment the rest."""
    charges, cost = result.cases.charges[at], result.cases.cost[at]
    paid, standard = result.paid[at], result.standard[at]
    known = charges != MISSING_FEN
    has_standard = standard != MISSING_FEN
    formula = np.where(has_standard, standard - charges, 0)
    surplus = paid - charges
    result.formula[at] = np.where(known, formula, MISSING_FEN)
    result.surplus[at] = np.where(known, surplus, MISSING_FEN)
    result.adjustment[at] = np.where(known, surplus - formula, MISSING_FEN)
    costed = known & (cost != MISSING_FEN)
    result.cost_surplus[at] = np.where(costed, paid - cost, MISSING_FEN)
