"""The cases of one policy in a simulation: settled once, then only what a change moves.

A part holds the baseline of the cases that one policy pays.  A change is compared with it table by
table; only the rows that some differing table speaks of are decided again, and only what they
differ by is added up.  The rules that look at other rows (places, later stays) are looked through
again where the rows they look at moved, and the few rows whose mark changes are decided once more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from drg_engine._jit import run_split
from drg_engine._kernels_payment_rules import (
    CANDIDATE,
    OVER_CAP,
    READMITTED,
    REVIEWED,
    CaseArrays,
    RuleArrays,
)
from drg_engine._kernels_payment_sums import (
    LeanArrays,
    SumArrays,
    TouchArrays,
    cost_rows,
    lean_rows,
    sum_rows,
)
from drg_engine.payment import MISSING_FEN, PaymentColumns, Settlement, settle_with_marks
from drg_engine.payment_fund import fund_difference, fund_totals
from drg_engine.payment_rules import (
    Stays,
    decided_rows,
    notices,
    over_places,
    part_names,
    reviewed,
)
from drg_engine.payment_standard import Lookups, compile_lookups
from drg_engine.payment_tables import case_arrays, rule_arrays, with_fixed_rules
from drg_engine.policy import Policy
from drg_engine.simulation_cells import Cells, Sums
from drg_engine.simulation_touch import NO_TOUCH, column_key, touched

__all__ = [
    "BasePart",
    "Changed",
    "Part",
    "base_part",
    "changed_part",
    "funded",
    "same_part",
    "with_mark",
]

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]

_NO_ROWS = np.zeros(0, dtype=np.int64)
_NO_MARKS = np.zeros(0, dtype=np.int8)
_NO_RATIO = np.zeros(0, dtype=np.float64)


@dataclass(frozen=True, slots=True, eq=False)
class BasePart:
    """The baseline of the cases that one policy pays.

    ``rows`` int64 (m,) of all cases, rising, or None for all; ``policy`` with point values given;
    ``weights`` by DRG, ``uniform``: each grouped case has its DRG's.  ``counts`` grouped cases
    by DRG, ``unweighted`` those of them without a weight; ``decided`` rows with a decision.
    """

    rows: Rows | None
    columns: PaymentColumns
    policy: Policy
    weights: Floats
    uniform: bool
    cells: Cells
    settlement: Settlement
    lookups: Lookups
    cases: CaseArrays
    rules: RuleArrays
    lean: LeanArrays
    sums: Sums
    fund: tuple[int, int, int, int]
    counts: npt.NDArray[np.int64]
    unweighted: int
    decided: Rows


@dataclass(frozen=True, slots=True, eq=False)
class Changed:
    """What a scenario makes of a part: the policy, columns regrouped or as they were, weights.

    ``weights`` by DRG, None where the cases keep theirs; ``cost_factor`` multiplies every cost.
    """

    policy: Policy
    columns: PaymentColumns
    weights: Floats | None = None
    cost_factor: float = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """A part under a change.  ``cost`` fen (m,); ``seen``: what the change moved (see SumArrays).

    Nothing here is copied where it is the baseline's.
    """

    base: BasePart
    change: Changed
    cases: CaseArrays
    rules: RuleArrays
    lean: LeanArrays
    cost: npt.NDArray[np.int64]
    sums: Sums
    fund: tuple[int, int, int, int]
    seen: tuple[bool, bool, bool]

    @property
    def columns(self) -> PaymentColumns:
        """The cases with the weights and costs of the change."""
        columns, weights = self.change.columns, self.change.weights
        if weights is not None:
            columns = replace(columns, weight=weights[columns.drg])
        return columns if self.cost is columns.cost else replace(columns, cost=self.cost)

    def settlement(self) -> Settlement:
        """Every column of the settlement, from the marks that are known."""
        base, columns, policy = self.base.settlement, self.columns, self.change.policy
        same_rules = (part_names(policy), notices(columns, policy)) == (
            tuple(base.parts),
            base.notices,
        )
        same_cases = self.change.columns is self.base.columns
        if self.lean is self.base.lean and same_cases and same_rules:
            cost = base.cost_surplus
            if columns.cost is not base.cases.cost:
                known = cost != MISSING_FEN
                cost = np.where(known, base.paid - np.where(known, columns.cost, 0), MISSING_FEN)
            return replace(base, cases=columns, policy=policy, cost_surplus=cost)
        asked = np.int8(REVIEWED | OVER_CAP | READMITTED)
        rows = np.flatnonzero(self.lean.mark & asked)
        return settle_with_marks(columns, policy, (rows, self.lean.mark[rows]))[0]


def base_part(
    columns: PaymentColumns,
    policy: Policy,
    weights: Floats,
    cells: Cells,
    *,
    rows: Rows | None = None,
    stays: Stays | None = None,
) -> BasePart:
    """Settle the cases of a policy (point values given) and add them up.

    cells: of these cases; stays: of these cases, where they are known already.
    """
    settlement, told = settle_with_marks(columns, policy, None, stays)
    lookups = compile_lookups(columns, policy)
    grouped = columns.status == 0
    uniform = np.array_equal(columns.weight[grouped], weights[columns.drg[grouped]], equal_nan=True)
    rules = rule_arrays(columns, lookups, policy, weights if uniform else None)
    cases = with_fixed_rules(case_arrays(columns, policy), rules)
    lean = LeanArrays(settlement.kind, settlement.mode, told, settlement.standard, settlement.paid)
    threads: list[SumArrays] = []

    def work(start: int, stop: int) -> None:
        threads.append(cells.room())
        sum_rows(cases, lean, cells.place.of, cells.cell.of, threads[-1], start, stop)

    run_split(work, columns.n)
    counts = np.bincount(columns.drg[grouped], minlength=weights.size).astype(np.int64)
    return BasePart(
        rows=rows,
        columns=columns,
        policy=policy,
        weights=weights,
        uniform=uniform,
        cells=cells,
        settlement=settlement,
        lookups=lookups,
        cases=cases,
        rules=rules,
        lean=lean,
        sums=Sums.of(threads),
        fund=fund_totals(columns, policy, settlement.mode, settlement.paid),
        counts=counts,
        unweighted=int(counts[~(weights > 0)].sum()),
        decided=decided_rows(columns, policy),
    )


def same_part(base: BasePart) -> Part:
    """The baseline itself as a part."""
    change = Changed(base.policy, base.columns)
    return Part(
        base, change, base.cases, base.rules, base.lean, base.columns.cost, base.sums, base.fund,
        (False, False, False),
    )  # fmt: skip


def changed_part(base: BasePart, change: Changed) -> Part:
    """Decide again what a change moves; readmissions are left to :func:`with_mark`."""
    policy, columns = change.policy, change.columns
    regrouped = columns is not base.columns
    like = None if regrouped else (base.policy, base.lookups)
    lookups = compile_lookups(columns, policy, like)
    kept = base.weights if base.uniform and not regrouped else None
    weights = kept if change.weights is None else change.weights
    known = None if regrouped else (base.policy, base.rules)
    rules = rule_arrays(columns, lookups, policy, weights, known)
    same_columns = not regrouped and column_key(policy) == column_key(base.policy)
    said, old = policy.rules, base.policy.rules
    if same_columns and (said.scope, said.bed_day) == (old.scope, old.bed_day):
        cases = base.cases
    else:
        cases = case_arrays(columns, policy)
    touch = touched(base.rules, rules, base.policy, policy)
    if change.weights is not None and not regrouped:
        touch.weights(base.weights, change.weights)
    if not same_columns or (change.weights is not None and not base.uniform):
        touch.all_rows = True
    touch.reweighed = change.weights is not None
    part = Part(
        base, change, cases, rules, base.lean, columns.cost, base.sums, base.fund,
        (False, False, False),
    )  # fmt: skip
    if touch.some():
        part = _moved(part, touch.arrays(), base.settlement.ratio if touch.bounds() else _NO_RATIO)
    part = _placed(part)
    return _costed(part) if change.cost_factor != 1.0 else part


def with_mark(
    part: Part, rows: npt.NDArray[np.integer], marked: npt.NDArray[np.bool_], bit: int
) -> Part:
    """The part with those of ``rows`` marked that are to be; a row that keeps its mark stays.

    rows (m,) in any order, each once: all that can have the mark.
    """
    had = part.lean.mark[rows] & np.int8(bit) != 0
    turned = np.sort(rows[marked != had]).astype(np.int64)
    if turned.size == 0:
        return part
    return _decided(part, turned, part.lean.mark[turned] ^ np.int8(bit))


def _moved(part: Part, touch: TouchArrays, ratio: Floats) -> Part:
    """Decide the rows that some table speaks of; the rest is taken over."""
    base = part.base
    old = base.lean
    new = old._replace(**{n: np.empty_like(getattr(old, n)) for n in LeanArrays._fields})
    threads: list[SumArrays] = []

    def work(start: int, stop: int) -> None:
        threads.append(base.cells.room())
        lean_rows(
            base.cases, part.cases, part.rules, touch, ratio, _NO_ROWS, _NO_MARKS, old, new,
            base.cells.place.of, base.cells.cell.of, threads[-1], start, stop,
        )  # fmt: skip

    run_split(work, base.columns.n)
    return _with(part, new, threads)


def _decided(part: Part, rows: Rows, marks: npt.NDArray[np.int8]) -> Part:
    """Decide some rows again with other marks."""
    lean, base = part.lean, part.base
    if lean is base.lean:
        lean = lean._replace(**{n: getattr(lean, n).copy() for n in LeanArrays._fields})
    room = base.cells.room()
    lean_rows(
        base.cases, part.cases, part.rules, NO_TOUCH, _NO_RATIO, rows, marks, lean, lean,
        base.cells.place.of, base.cells.cell.of, room, 0, rows.size,
    )  # fmt: skip
    return _with(part, lean, [room])


def _with(part: Part, lean: LeanArrays, threads: Sequence[SumArrays]) -> Part:
    more = np.sum([one.seen for one in threads], axis=0).tolist()
    seen = tuple(bool(one or two) for one, two in zip(part.seen, more, strict=True))
    sums = part.sums.plus(Sums.of(threads))
    return replace(part, lean=lean, sums=sums, seen=(seen[0], seen[1], seen[2]))


def _placed(part: Part) -> Part:
    """Give the places for review and for high cases again, where what competes for them moved."""
    policy, base = part.change.policy, part.base
    rules, old = policy.rules, base.policy.rules
    columns = part.change.columns
    if part.seen[2] or rules.review != old.review or columns is not base.columns:
        part = _reviewed(part)
    by_count = rules.high.cap_of == "in_scope" and part.seen[1]
    limits = (rules.high.cap_share, rules.high.cap_of)
    if part.seen[0] or by_count or limits != (old.high.cap_share, old.high.cap_of):
        high = np.flatnonzero(part.lean.mark & np.int8(CANDIDATE))
        over = over_places(columns, policy, high, part.lean.kind, part.lean.standard)
        part = with_mark(part, high, over, OVER_CAP)
    return part


def _reviewed(part: Part) -> Part:
    """Choose the cases paid by decision again, of all that have a decision or had one."""
    base, lean, policy = part.base, part.lean, part.change.policy
    rows = base.decided
    if policy.rules.review.column != base.policy.rules.review.column:
        rows = np.union1d(rows, decided_rows(base.columns, policy))
    listed = rows if policy.rules.review.column == base.policy.rules.review.column else None
    chosen = reviewed(part.change.columns, policy, lean.kind, lean.standard, listed)
    marked = np.zeros(rows.size, dtype=np.bool_)
    marked[np.searchsorted(rows, chosen)] = True
    return with_mark(part, rows, marked, REVIEWED)


def _costed(part: Part) -> Part:
    """Multiply the costs and add up by how much they differ."""
    base = part.base
    cost = np.empty_like(base.columns.cost)
    threads: list[SumArrays] = []

    def work(start: int, stop: int) -> None:
        threads.append(base.cells.room())
        cost_rows(
            base.cases, part.lean, part.change.cost_factor, base.cells.place.of,
            base.cells.cell.of, threads[-1], cost, start, stop,
        )  # fmt: skip

    run_split(work, base.columns.n)
    return replace(part, cost=cost, sums=part.sums.plus(Sums.of(threads)))


def funded(part: Part) -> Part:
    """Who pays what of the part, added up anew where it moved."""
    base, policy = part.base, part.change.policy
    if policy.rules.fund != base.policy.rules.fund:
        found = fund_totals(base.columns, policy, part.lean.mode, part.lean.paid)
    elif part.lean is not base.lean:
        more = fund_difference(base.columns, policy, base.lean, part.lean)
        cases, fund, patient, other = (a + b for a, b in zip(base.fund, more, strict=True))
        found = cases, fund, patient, other
    else:
        return part
    return replace(part, fund=found)
