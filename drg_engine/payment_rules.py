"""The rules that look at other rows: places for special review and high cases, readmission.

Each gives the rows to mark; the kernel settles a marked row again (drg_engine._kernels_payment).
A rule whose column the cases do not have is told in the settlement's notices and pays nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from drg_engine._kernels_payment_stays import close_stays, find_stays
from drg_engine.payment_cap import discharges, places, without_place
from drg_engine.payment_columns import MISSING_FEN, PaymentColumns
from drg_engine.payment_standard import prefixed
from drg_engine.payment_tables import read_only
from drg_engine.payment_words import kind_of
from drg_engine.policy import Policy

__all__ = [
    "BY_DRG",
    "Stays",
    "close_rows",
    "decided_rows",
    "followed",
    "notices",
    "order_stays",
    "over_places",
    "part_names",
    "readmitted",
    "review_candidates",
    "reviewed",
    "spared_rows",
    "stays_of",
]

Fen = npt.NDArray[np.int64]
Rows = npt.NDArray[np.int64]
Small = npt.NDArray[np.int8]

_NOT_REVIEWED = tuple(kind_of(name) for name in ("out_of_scope", "unpriced"))
_ASKED = (("listed", "scope_list", "名单"), ("regions_outside", "region", "参保地"))

BY_DRG = tuple(kind_of(name) for name in ("normal", "low", "high"))
"""Kinds of case that are paid by DRG: those that readmission and the TCM share look at."""


@dataclass(frozen=True, slots=True, eq=False)
class Stays:
    """Rows of persons with several stays in one DRG.

    ``rows`` int32 (m,) by person, DRG, admission, discharge and case id; ``group`` int32 (m,): the
    number of person and DRG; ``admitted``, ``left`` int64 (m,): days.  ``spared``: prefixes of
    diagnoses and what :func:`spared_rows` gives for them, where it is kept.
    """

    rows: npt.NDArray[np.int32]
    group: npt.NDArray[np.int32]
    admitted: Fen
    left: Fen
    spared: tuple[tuple[str, ...], npt.NDArray[np.bool_]] | None = None


def notices(cases: PaymentColumns, policy: Policy) -> tuple[str, ...]:
    """Rules that are on and cannot be applied, in Chinese."""
    rules = policy.rules
    found = [
        f"不纳入规则“{rule.title}”按{word}判断，但病例没有“{column}”列，未执行"
        for rule in rules.scope
        for key, column, word in _ASKED
        if getattr(rule, key) and column not in cases.labels
    ]
    if rules.review.column and rules.review.column not in cases.amounts:
        found.append(f"政策有特例单议，但病例没有“{rules.review.column}”列，未执行")
    lacking = [rule for rule in rules.extra if rule.column not in cases.amounts]
    found += [f"除外支付“{rule.title}”：病例没有“{rule.column}”列，未执行" for rule in lacking]
    if rules.tcm.drgs and rules.tcm.column not in cases.amounts:
        found.append(f"政策有中医费用占比，但病例没有“{rules.tcm.column}”列，未执行")
    if rules.readmission.days is not None and not _has_stays(cases):
        found.append("政策有再入院规则，但病例没有人员编号或入院、出院日期，未执行")
    return tuple(found)


def part_names(policy: Policy) -> tuple[str, ...]:
    """The further rules that are on, as in payment_words.PARTS."""
    rules = policy.rules
    on = {
        "extra": bool(rules.extra),
        "tcm": bool(rules.tcm.drgs),
        "readmission": rules.readmission.days is not None,
    }
    return tuple(name for name, used in on.items() if used)


def decided_rows(cases: PaymentColumns, policy: Policy) -> Rows:
    """Rows with a decision, where the policy pays by decision."""
    column = policy.rules.review.column
    decided = cases.amounts.get(column) if column else None
    if decided is None:
        return np.zeros(0, dtype=np.int64)
    return np.flatnonzero(decided != MISSING_FEN)


def review_candidates(
    cases: PaymentColumns, policy: Policy, kind: Small, decided: Rows | None = None
) -> Rows:
    """Rows with a decision that may be paid by it; ``kind`` as if none were.

    decided: what :func:`decided_rows` gives, where it is known already.
    """
    found = decided_rows(cases, policy) if decided is None else decided
    return found[~np.isin(kind[found], _NOT_REVIEWED)]


def reviewed(
    cases: PaymentColumns, policy: Policy, kind: Small, standard: Fen, decided: Rows | None = None
) -> Rows:
    """Rows paid by decision: at most a share of discharges, the largest C − S first."""
    found = review_candidates(cases, policy, kind, decided)
    if found.size == 0:
        return found
    codes = cases.hospital.codes
    allowed = places(policy.rules.review.cap_share, discharges(cases.hospital))
    base = np.where(standard[found] == MISSING_FEN, 0, standard[found])
    excess = cases.charges[found] - base
    return found[~without_place(found, excess, cases.case_id, codes[found], allowed)]


def over_places(
    cases: PaymentColumns, policy: Policy, candidates: Rows, kind: Small, standard: Fen
) -> npt.NDArray[np.bool_]:
    """Which high cases (m,) have no place under the cap; they are paid as normal."""
    high = policy.rules.high
    if high.cap_share >= 1 or candidates.size == 0:
        return np.zeros(candidates.size, dtype=np.bool_)
    codes = cases.hospital.codes
    counted = discharges(cases.hospital, kind if high.cap_of == "in_scope" else None)
    allowed = places(high.cap_share, counted)
    excess = cases.charges[candidates] - standard[candidates]
    return without_place(candidates, excess, cases.case_id, codes[candidates], allowed)


def stays_of(cases: PaymentColumns) -> Stays | None:
    """Stays that could be readmissions, whatever the policy; None where the columns lack."""
    if not _has_stays(cases):
        return None
    person = cases.labels["person_id"]
    admitted, left = cases.admission_date, cases.discharge_date
    assert admitted is not None and left is not None  # noqa: S101 -- see _has_stays
    return order_stays(
        person.codes,
        len(person.names),
        cases.drg,
        admitted.view(np.int64),
        left.view(np.int64),
        cases.case_id,
    )


def order_stays(
    person: npt.NDArray[np.int32],
    persons: int,
    drg: npt.NDArray[np.int32],
    admitted: Fen,
    left: Fen,
    case_id: pa.Array,
) -> Stays:
    """Put the stays of persons with several in one DRG in order; dates are days, n rows each."""
    n = person.size
    days = [read_only(column, np.int64) for column in (admitted, left)]
    starts = np.zeros(persons + 1, dtype=np.int32)
    keys = np.empty(n, dtype=np.int64)
    rows = np.empty(n, dtype=np.int32)
    group = np.empty(n, dtype=np.int32)
    codes, drgs = read_only(person, np.int32), read_only(drg, np.int32)
    count, alike = find_stays(codes, drgs, days[0], days[1], starts, keys, rows, group)
    rows, group = rows[:count].copy(), group[:count].copy()
    if alike:
        rows = _ties_by_id(rows, group, days, case_id)
    return Stays(rows, group, days[0][rows], days[1][rows])


def readmitted(cases: PaymentColumns, policy: Policy, stays: Stays | None, kind: Small) -> Rows:
    """Earlier stays that the same person follows by another in the same DRG: rows, sorted."""
    if stays is None:
        return np.zeros(0, dtype=np.int64)
    return np.sort(stays.rows[followed(cases, policy, stays, kind)]).astype(np.int64)


def followed(
    cases: PaymentColumns, policy: Policy, stays: Stays, kind: Small
) -> npt.NDArray[np.bool_]:
    """Which of the stays (m,) are followed by another within the policy's days.

    kind int8 (n,): only cases paid by DRG count.
    """
    said = policy.rules.readmission
    if said.days is None:
        return np.zeros(stays.rows.size, dtype=np.bool_)
    if stays.spared is not None and stays.spared[0] == said.except_dx:
        return _close(stays, kind, stays.spared[1], said.days)
    return _close(stays, kind, spared_rows(cases, said.except_dx, stays.rows), said.days)


def close_rows(stays: Stays, kind: Small, spared: npt.NDArray[np.bool_], days: int) -> Rows:
    """Rows of the stays followed by another within ``days``, sorted.

    kind int8 (n,): only cases paid by DRG count; spared bool (m,) by place in ``stays``.
    """
    return np.sort(stays.rows[_close(stays, kind, spared, days)]).astype(np.int64)


def _close(
    stays: Stays, kind: Small, spared: npt.NDArray[np.bool_], days: int
) -> npt.NDArray[np.bool_]:
    found = np.empty(stays.rows.size, dtype=np.bool_)
    columns = (stays.rows, stays.group, kind, stays.admitted, stays.left, spared)
    close_stays(*columns, days, found)
    return found


def spared_rows(
    cases: PaymentColumns, prefixes: Sequence[str], rows: npt.NDArray[np.integer]
) -> npt.NDArray[np.bool_]:
    """Which of the rows have a principal diagnosis that begins with one of the prefixes."""
    if not prefixes:
        return np.zeros(rows.size, dtype=np.bool_)
    hit = prefixed(cases.dx_names, prefixes)
    return np.asarray(hit[cases.principal[rows]], dtype=np.bool_)


def _ties_by_id(
    rows: npt.NDArray[np.int32], group: npt.NDArray[np.int32], days: list[Fen], case_id: pa.Array
) -> npt.NDArray[np.int32]:
    """Stays of one person, DRG and day in the order of case ids, so that rows may stand anyhow."""
    same = group[1:] == group[:-1]
    for column in days:
        same &= column[rows[1:]] == column[rows[:-1]]
    if not same.any():
        return rows
    run = np.cumsum(np.r_[True, ~same])
    tied = np.flatnonzero(np.r_[False, same] | np.r_[same, False])
    ids = case_id.take(pa.array(rows[tied]))
    table = pa.table({"run": run[tied], "id": ids})
    keys = [("run", "ascending"), ("id", "ascending")]
    rows[tied] = rows[tied][np.asarray(pc.sort_indices(table, sort_keys=keys))]
    return rows


def _has_stays(cases: PaymentColumns) -> bool:
    dated = cases.admission_date is not None and cases.discharge_date is not None
    return dated and "person_id" in cases.labels
