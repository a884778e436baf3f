"""The cases of a simulation under one policy or several: what they come to, part by part."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from drg_engine._kernels_payment_rules import READMITTED
from drg_engine.payment import PaymentColumns, Settlement
from drg_engine.payment_dated import settle_dated
from drg_engine.payment_rules import Stays, followed, notices, stays_of
from drg_engine.policy import Policy
from drg_engine.simulation_cells import Sums
from drg_engine.simulation_parts import Changed, Part, changed_part, funded, with_mark

__all__ = ["State", "changed_state", "with_readmissions"]

Fen = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class State:
    """Cases, weights by DRG, policies in order of time (point values given), what they come to.

    ``kind``, ``standard`` and ``paid`` are what the simulation worked out; ``settlement`` has every
    column and is made when it is asked for.
    """

    scheme: str
    whole: PaymentColumns
    parts: tuple[Part, ...]

    @property
    def policies(self) -> tuple[Policy, ...]:
        """The policies that pay the cases."""
        return tuple(part.change.policy for part in self.parts)

    @property
    def policy(self) -> Policy:
        """The latest policy."""
        return self.parts[-1].change.policy

    @property
    def weights(self) -> npt.NDArray[np.float64]:
        """Weights by DRG, under the latest policy."""
        last = self.parts[-1]
        return last.base.weights if last.change.weights is None else last.change.weights

    @cached_property
    def sums(self) -> Sums:
        """The measures added up over all parts."""
        sums = self.parts[0].sums
        for part in self.parts[1:]:
            sums = sums.plus(part.sums)
        return sums

    @cached_property
    def fund(self) -> tuple[int, int, int, int]:
        """Cases whose split is known; what fund, patients and others pay for them, in fen."""
        found = [funded(part).fund for part in self.parts]
        cases, fund, patient, other = (sum(column) for column in zip(*found, strict=True))
        return cases, fund, patient, other

    @cached_property
    def columns(self) -> PaymentColumns:
        """The cases, with the weights and costs of this state."""
        if len(self.parts) == 1:
            return self.parts[0].columns
        made = [part.columns for part in self.parts]
        if all(one is part.base.columns for one, part in zip(made, self.parts, strict=True)):
            return self.whole
        names = ("status", "drg", "weight", "cost")
        joined: dict[str, Any] = {
            name: self._placed([getattr(one, name) for one in made]) for name in names
        }
        return replace(self.whole, drg_codes=made[0].drg_codes, **joined)

    @cached_property
    def settlement(self) -> Settlement:
        """Every column of the settlement."""
        if len(self.parts) == 1:
            return self.parts[0].settlement()
        return settle_dated(self.columns, self.policies).whole

    @cached_property
    def paid(self) -> Fen:
        """What each case is paid, fen (n,)."""
        return self._placed([part.lean.paid for part in self.parts])

    @cached_property
    def standard(self) -> Fen:
        """Payment standards, fen (n,)."""
        return self._placed([part.lean.standard for part in self.parts])

    @cached_property
    def kind(self) -> npt.NDArray[np.int8]:
        """Kind of each case, int8 (n,) into KINDS."""
        return self._placed([part.lean.kind for part in self.parts])

    @property
    def notices(self) -> tuple[str, ...]:
        """Rules that are on and cannot be applied."""
        found = (notices(part.base.columns, part.change.policy) for part in self.parts)
        return tuple(dict.fromkeys(notice for told in found for notice in told))

    @property
    def unweighted(self) -> int:
        """Grouped cases without a weight."""
        return sum(_unweighted(part) for part in self.parts)

    def _placed(self, columns: Sequence[npt.NDArray[Any]]) -> npt.NDArray[Any]:
        """A column of all cases in their order, from that of each part."""
        if self.parts[0].base.rows is None:
            return columns[0]
        found = np.empty(self.whole.n, dtype=columns[0].dtype)
        for part, column in zip(self.parts, columns, strict=True):
            found[part.base.rows] = column
        return found


def changed_state(
    base: State, changes: Sequence[Changed], scheme: str, stays: Callable[[], Stays | None]
) -> State:
    """The baseline under a change of each part; ``stays``: those of the baseline's DRGs."""
    parts = tuple(
        changed_part(part.base, change) for part, change in zip(base.parts, changes, strict=True)
    )
    state = State(scheme, base.whole, parts)
    if not _stays_moved(parts):
        return state
    regrouped = any(part.change.columns is not part.base.columns for part in parts)
    return with_readmissions(state, stays_of(state.columns) if regrouped else stays())


def with_readmissions(state: State, stays: Stays | None) -> State:
    """Look for later stays again, under whichever policy they fall."""
    if stays is None:
        return state
    made = []
    kind = state.kind
    for part in state.parts:
        found = followed(state.whole, part.change.policy, stays, kind)
        rows = stays.rows
        if part.base.rows is not None:  # stays of this policy's cases, by place among them
            theirs = np.isin(rows, part.base.rows)
            rows = np.searchsorted(part.base.rows, rows[theirs]).astype(np.int32)
            found = found[theirs]
        if part.change.columns is not part.base.columns:  # stays that were of one DRG before
            had = np.flatnonzero(part.lean.mark & np.int8(READMITTED))
            rows = np.concatenate([rows, np.setdiff1d(had, rows)])
            found = np.append(found, np.zeros(rows.size - found.size, dtype=np.bool_))
        made.append(with_mark(part, rows, found, READMITTED))
    return replace(state, parts=tuple(made))


def _stays_moved(parts: Sequence[Part]) -> bool:
    """Whether the rows that readmission looks at moved, or what it says.

    A stay may be followed by one that another policy pays, be it one that cuts none.
    """
    said = [(part.change.policy.rules.readmission, part.base.policy.rules.readmission)
            for part in parts]  # fmt: skip
    if all(new.days is None and old.days is None for new, old in said):
        return False
    moved = any(part.seen[1] or part.change.columns is not part.base.columns for part in parts)
    return moved or any((new.days, new.except_dx) != (old.days, old.except_dx) for new, old in said)


def _unweighted(part: Part) -> int:
    weights, columns = part.change.weights, part.change.columns
    if weights is None and columns is part.base.columns:
        return part.base.unweighted
    if columns is part.base.columns:
        counts = part.base.counts
    else:
        counts = np.bincount(columns.drg[columns.status == 0], minlength=len(columns.drg_codes))
    table = part.base.weights if weights is None else weights
    return int(counts[~(table > 0)].sum())
