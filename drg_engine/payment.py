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

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from drg_engine._jit import run_split, run_together
from drg_engine._kernels_payment import SettledArrays, settle_rows
from drg_engine._kernels_payment_rules import CANDIDATE, OVER_CAP, READMITTED, REVIEWED
from drg_engine.payment_columns import MISSING_FEN, Coded, PaymentColumns
from drg_engine.payment_points import with_found_values
from drg_engine.payment_result import Settlement, empty_settlement
from drg_engine.payment_rules import (
    Stays,
    notices,
    over_places,
    part_names,
    readmitted,
    reviewed,
    stays_of,
)
from drg_engine.payment_standard import compile_lookups
from drg_engine.payment_tables import case_arrays, rule_arrays
from drg_engine.payment_words import (
    BASES,
    BASIS_TITLES,
    KIND_TITLES,
    KINDS,
    MODE_TITLES,
    MODES,
    PART_TITLES,
    PARTS,
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
    "settle_with_marks",
]

Rows = npt.NDArray[np.int64]
Marks = npt.NDArray[np.int8]

_NOTHING = np.zeros(0, dtype=np.int64)
_NO_MARKS = np.zeros(0, dtype=np.int8)


def settle(cases: PaymentColumns, policy: Policy) -> Settlement:
    """Settle cases under a policy.

    Amounts are rounded once at the case (money.to_fen).  The order of rows does not matter.
    Raises PolicyError where the policy names DRGs the scheme does not have, or lacks the bound of a
    hospital level that occurs.
    """
    return settle_with_marks(cases, policy, None)[0]


def settle_with_marks(
    cases: PaymentColumns,
    policy: Policy,
    marks: tuple[Rows, Marks] | None,
    stays: Stays | None = None,
) -> tuple[Settlement, Marks]:
    """Settle, and tell the marks int8 (n,) of what was found by looking at other rows.

    marks: rows and bits that were found already, over parts of the cases; None looks for them here.
    stays: of these cases, where they are known already.
    """
    lookups = with_found_values(cases, compile_lookups(cases, policy), policy)
    result = empty_settlement(cases, policy, part_names(policy), notices(cases, policy))
    told = np.empty(cases.n, dtype=np.int8)
    columns, rules = case_arrays(cases, policy), rule_arrays(cases, lookups, policy)
    out = _arrays(result, told)

    def work(rows: Rows, bits: Marks, n: int) -> None:
        run_split(lambda *part: settle_rows(columns, rules, out, rows, bits, *part), n)

    def again(rows: Rows, bit: int) -> None:
        if rows.size:
            work(rows, told[rows] | np.int8(bit), rows.size)

    def all_rows() -> Stays | None:
        work(_NOTHING, _NO_MARKS, cases.n)
        return stays

    works = [all_rows]
    if marks is None and stays is None and policy.rules.readmission.days is not None:
        works.append(lambda: stays_of(cases))
    found = run_together(works)[-1]
    if marks is None:
        _look_around(result, told, again, found)
    elif marks[0].size:
        work(*marks, marks[0].size)
    return result, told


def _look_around(
    result: Settlement, told: Marks, again: Callable[[Rows, int], None], stays: Stays | None
) -> None:
    """The rules that look at other rows, in their order; rows they catch are settled again."""
    cases, policy = result.cases, result.policy
    again(reviewed(cases, policy, result.kind, result.standard), REVIEWED)
    if policy.rules.high.cap_share < 1:
        high = np.flatnonzero(told & CANDIDATE)
        again(high[over_places(cases, policy, high, result.kind, result.standard)], OVER_CAP)
    if stays is not None:
        again(readmitted(cases, policy, stays, result.kind), READMITTED)


def _arrays(result: Settlement, told: Marks) -> SettledArrays:
    parts = result.parts
    return SettledArrays(
        kind=result.kind,
        mode=result.mode,
        basis=result.basis,
        rule=result.rule,
        standard=result.standard,
        ratio=result.ratio,
        bound=result.bound,
        paid=result.paid,
        formula=result.formula,
        adjustment=result.adjustment,
        surplus=result.surplus,
        cost_surplus=result.cost_surplus,
        extra=parts.get("extra", _NOTHING),
        tcm_cut=parts.get("tcm", _NOTHING),
        readmission=parts.get("readmission", _NOTHING),
        mark=told,
    )
