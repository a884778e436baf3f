"""Settling part by part: what the rules that look over all cases need to know of the parts.

The cap on high cases and the one on reviewed cases rank the cases of a hospital, and only the cases
that compete are gathered; a readmission joins the stays of a person (:mod:`settle_stays`); a point
value is found from the points of all.  What comes out are the marks of rows that
:func:`drg_engine.payment.settle_with_marks` takes, so that no rule is told twice.  Where rows have
no lasting numbers (Spark), a limit for each hospital tells the same: the first case of its ranking
that has no place.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from drg_engine._kernels_payment_rules import CANDIDATE, OVER_CAP, READMITTED, REVIEWED
from drg_engine.payment import MISSING_FEN, PaymentColumns, Settlement, settle_with_marks
from drg_engine.payment_cap import over_cap, places
from drg_engine.payment_points import PointSums, check_personal, is_found, sum_points, values_of
from drg_engine.payment_rules import BY_DRG, review_candidates
from drg_engine.payment_standard import compile_lookups
from drg_engine.policy import Policy

__all__ = [
    "Candidates",
    "Limit",
    "Limits",
    "Marked",
    "Marks",
    "asks_for_stays",
    "looks_around",
    "marks_by_limits",
    "point_sums",
    "priced",
    "ranks_cases",
    "reviewed_rows",
    "settle_bare",
]

Rows = npt.NDArray[np.int64]
Fen = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Marks = tuple[Rows, npt.NDArray[np.int8]]
"""Rows of a part (rising) and their bits, as settle_with_marks takes them."""
Limit = tuple[int, str]
"""The first case without a place: its C − S in fen and its id."""

_IS_HIGH, _LISTED, _IN_SCOPE = 1, 2, 4


@dataclass(frozen=True, slots=True)
class Limits:
    """By hospital name, the first reviewed and the first high case that has no place."""

    review: Mapping[str, Limit] = field(default_factory=dict)
    high: Mapping[str, Limit] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Marked:
    """Numbers (sorted) of the cases that are reviewed, over the cap, and cut as readmissions."""

    reviewed: Rows
    over: Rows
    cut: Rows

    @classmethod
    def none(cls) -> Marked:
        """No case at all."""
        nothing = np.zeros(0, dtype=np.int64)
        return cls(nothing, nothing, nothing)

    def marks(self, start: int, n: int, rows: Rows) -> Marks:
        """Marks of the ``rows`` (rising) of a batch of n cases, numbered from ``start``."""
        sorts = []
        kinds = ((self.reviewed, REVIEWED), (self.over, OVER_CAP), (self.cut, READMITTED))
        for numbers, bit in kinds:
            first, last = np.searchsorted(numbers, [start, start + n])
            found = numbers[first:last] - start
            if rows.size < n:
                found = np.flatnonzero(np.isin(rows, found))
            sorts.append((found, bit))
        return _marks(sorts)


def ranks_cases(policy: Policy) -> bool:
    """Whether the policy has a cap for which the cases of a hospital compete."""
    return policy.rules.high.cap_share < 1 or bool(policy.rules.review.column)


def asks_for_stays(policy: Policy) -> bool:
    """Whether the policy cuts stays that are followed by another."""
    return policy.rules.readmission.days is not None


def looks_around(policy: Policy) -> bool:
    """Whether what a case is paid depends on other cases (point values left aside)."""
    return ranks_cases(policy) or asks_for_stays(policy)


def point_sums(cases: PaymentColumns, policy: Policy) -> PointSums:
    """What some of the cases add to the points.  Raises PolicyError without what it needs."""
    if is_found(policy):
        check_personal(cases, policy)
    return sum_points(cases, compile_lookups(cases, policy), policy)


def priced(policy: Policy, sums: PointSums) -> Policy:
    """The policy with the point values found from its budgets given; itself where none is found."""
    values = values_of(sums, policy) if is_found(policy) else {}
    if not values:
        return policy
    return policy.with_changes({"points.find": "given", "points.values": values})


def settle_bare(cases: PaymentColumns, policy: Policy) -> tuple[Settlement, npt.NDArray[np.int8]]:
    """Settle as if no case competed with another, with the marks told (policy priced)."""
    return settle_with_marks(cases, policy, _marks([]))


class Candidates:
    """Cases that compete for places, gathered part by part: listed ones and high ones.

    The rest is only counted, by hospital.
    """

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._hospitals: dict[str, int] = {}
        self._discharges = np.zeros(0, dtype=np.int64)
        self._in_scope = np.zeros(0, dtype=np.int64)
        self._held: list[tuple[npt.NDArray[np.int32], Fen, npt.NDArray[np.uint8], Rows]] = []
        self._ids: list[pa.Array] = []

    def add(self, bare: Settlement, told: npt.NDArray[np.int8], numbers: Rows) -> None:
        """Gather a part settled bare; ``numbers`` of its cases among all."""
        cases = bare.cases
        codes = self._places([*cases.hospital.names, ""])[cases.hospital.codes]
        listed = np.zeros(bare.n, dtype=np.bool_)
        listed[review_candidates(cases, self._policy, bare.kind)] = True
        high, in_scope = (told & CANDIDATE) != 0, np.isin(bare.kind, BY_DRG)
        size = len(self._hospitals)
        self._discharges += np.bincount(codes, minlength=size)
        self._in_scope += np.bincount(codes[in_scope & ~listed], minlength=size)
        rows = np.flatnonzero(high | listed)
        flags = _IS_HIGH * high[rows] + _LISTED * listed[rows] + _IN_SCOPE * in_scope[rows]
        excess = _excess(bare, rows)
        self._held.append((codes[rows], excess, flags.astype(np.uint8), numbers[rows]))
        self._ids.append(cases.case_id.take(pa.array(rows)).cast(pa.large_string()))

    def tables(self) -> tuple[pa.Table, pa.Table]:
        """The candidates and the counts by hospital as tables, to be sent and merged."""
        codes, excess, flags, rows, ids = self._joined()
        table = {"hospital": codes, "excess": excess, "flags": flags, "row": rows, "case_id": ids}
        counts = {
            "hospital": pa.array(list(self._hospitals), pa.string()),
            "discharges": self._discharges,
            "in_scope": self._in_scope,
        }
        return pa.table(table), pa.table(counts)

    def merge(self, table: pa.Table, counts: pa.Table) -> None:
        """Take over what :meth:`tables` gave elsewhere."""
        at = self._places(counts["hospital"].to_pylist())
        np.add.at(self._discharges, at, np.asarray(counts["discharges"]))
        np.add.at(self._in_scope, at, np.asarray(counts["in_scope"]))
        codes = at[np.asarray(table["hospital"])] if table.num_rows else at[:0]
        flags, rows = np.asarray(table["flags"]), np.asarray(table["row"])
        self._held.append((codes, np.asarray(table["excess"]), flags, rows))
        self._ids += [chunk.cast(pa.large_string()) for chunk in table["case_id"].chunks]

    def decide(self) -> tuple[Limits, Rows, Rows]:
        """The limits; the numbers (sorted) of cases reviewed, and of those over the cap."""
        codes, excess, flags, rows, ids = self._joined()
        names, rules = list(self._hospitals), self._policy.rules
        listed = np.flatnonzero(flags & _LISTED)
        allowed = places(rules.review.cap_share, self._discharges)
        out = over_cap(listed, excess[listed], ids, codes[listed], allowed)
        review = _first_over(out, excess, ids, codes, names)
        chosen = np.zeros(flags.size, dtype=np.bool_)
        chosen[np.setdiff1d(listed, out)] = True
        over = out[:0]
        if rules.high.cap_share < 1:
            counted = self._discharges
            if rules.high.cap_of == "in_scope":
                again = (flags & _LISTED > 0) & (flags & _IN_SCOPE > 0) & ~chosen
                counted = self._in_scope + np.bincount(codes[again], minlength=len(names))
            found = np.flatnonzero((flags & _IS_HIGH > 0) & ~chosen)
            allowed = places(rules.high.cap_share, counted)
            over = over_cap(found, excess[found], ids, codes[found], allowed)
        high = _first_over(over, excess, ids, codes, names)
        return Limits(review, high), np.sort(rows[chosen]), np.sort(rows[over])

    def _joined(
        self,
    ) -> tuple[npt.NDArray[np.int32], Fen, npt.NDArray[np.uint8], Rows, pa.Array]:
        none = (np.zeros(0, np.int32), np.zeros(0, np.int64), np.zeros(0, np.uint8))
        parts = [(*none, np.zeros(0, np.int64)), *self._held]
        codes = np.concatenate([part[0] for part in parts])
        excess = np.concatenate([part[1] for part in parts])
        flags = np.concatenate([part[2] for part in parts])
        rows = np.concatenate([part[3] for part in parts])
        ids = pa.concat_arrays(self._ids) if self._ids else pa.array([], pa.large_string())
        return codes, excess, flags, rows, ids

    def _places(self, names: Sequence[str]) -> npt.NDArray[np.int32]:
        at = [self._hospitals.setdefault(name, len(self._hospitals)) for name in names]
        more = np.zeros(len(self._hospitals) - self._discharges.size, dtype=np.int64)
        self._discharges = np.append(self._discharges, more)
        self._in_scope = np.append(self._in_scope, more)
        return np.array(at, dtype=np.int32)


def marks_by_limits(
    bare: Settlement, told: npt.NDArray[np.int8], policy: Policy, limits: Limits, cut: Rows
) -> Marks:
    """Marks of a part settled bare, from the limits of its hospitals; ``cut``: rows readmitted."""
    chosen = reviewed_rows(bare, policy, limits)
    high = np.setdiff1d(np.flatnonzero(told & CANDIDATE), chosen)
    over = high[_is_over(bare.cases, high, _excess(bare, high), limits.high)]
    return _marks([(chosen, REVIEWED), (over, OVER_CAP), (cut, READMITTED)])


def reviewed_rows(bare: Settlement, policy: Policy, limits: Limits) -> Rows:
    """Rows of a part settled bare that are paid by decision."""
    listed = review_candidates(bare.cases, policy, bare.kind)
    return listed[~_is_over(bare.cases, listed, _excess(bare, listed), limits.review)]


def _marks(sorts: Sequence[tuple[Rows, int]]) -> Marks:
    """Rows of each sort with its bit, as one rising list."""
    parts = [rows for rows, _ in sorts if rows.size]
    if not parts:
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int8)
    whole = np.unique(np.concatenate(parts)).astype(np.int64)
    bits = np.zeros(whole.size, dtype=np.int8)
    for rows, bit in sorts:
        bits[np.searchsorted(whole, rows)] |= np.int8(bit)
    return whole, bits


def _excess(settled: Settlement, rows: Rows) -> Fen:
    """C − S of some rows; a missing standard counts as none."""
    standard = settled.standard[rows]
    return settled.cases.charges[rows] - np.where(standard == MISSING_FEN, 0, standard)


def _is_over(cases: PaymentColumns, rows: Rows, excess: Fen, limits: Mapping[str, Limit]) -> Bools:
    """Which rows come at or after the first case of their hospital that has no place."""
    least = np.iinfo(np.int64).min
    names = [*cases.hospital.names, ""]
    bound = np.array([limits[n][0] if n in limits else least for n in names], dtype=np.int64)
    codes = cases.hospital.codes[rows]
    over = excess < bound[codes]
    tied = np.flatnonzero((excess == bound[codes]) & (bound[codes] != least))
    ids = cases.case_id.take(pa.array(rows[tied])).to_pylist()
    for row, case in zip(tied.tolist(), ids, strict=True):
        over[row] = case >= limits[names[codes[row]]][1]
    return np.asarray(over, dtype=np.bool_)


def _first_over(
    over: Rows, excess: Fen, ids: pa.Array, codes: npt.NDArray[np.int32], names: Sequence[str]
) -> dict[str, Limit]:
    """Of the cases without a place, the first of each hospital: largest excess, then least id."""
    if not over.size:
        return {}
    best = np.full(len(names), np.iinfo(np.int64).min)
    np.maximum.at(best, codes[over], excess[over])
    tied = over[excess[over] == best[codes[over]]]
    found: dict[str, Limit] = {}
    for row, case in zip(tied.tolist(), ids.take(pa.array(tied)).to_pylist(), strict=True):
        name = names[codes[row]]
        if name not in found or case < found[name][1]:
            found[name] = (int(excess[row]), case)
    return found
