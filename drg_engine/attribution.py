"""Attribution: what each part of a scenario makes of the difference (payment.md §8).

The parts are put on one after the other in a stated order, and each is given what the total moves
by when it is put on; so they add up to the difference exactly, in fen, for the whole and for every
group of cases.  Weights of a scheme that has none of its own count to the scheme.  Departments,
doctors and DRGs are those of the baseline: a case is counted where it is today.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import BaseModel

from drg_engine.errors import PolicyError
from drg_engine.payment import MISSING_FEN, settle
from drg_engine.policy import Policy
from drg_engine.scenario import PART_TITLES, Step, in_order
from drg_engine.simulation import Outcome, State
from drg_engine.simulation_cells import Cells

__all__ = ["PARTS", "SECTIONS", "Attribution", "attribute"]

Ints = npt.NDArray[np.int64]

PARTS = tuple(PART_TITLES)
"""Names of all parts: scheme, the steps, cost."""

SECTIONS: Mapping[Step, tuple[str, ...]] = {
    "weights": (),
    "rates": ("standard", "rates", "points"),
    "coefficient": ("coefficient",),
    "outlier": (
        "scope",
        "ungrouped",
        "ambiguous",
        "no_weight",
        "low",
        "high",
        "bed_day",
        "review",
        "readmission",
        "extra",
        "tcm",
    ),
}
"""Sections of a policy that belong to each step."""


@dataclass(frozen=True, slots=True, eq=False)
class Attribution:
    """Parts of the difference by cell, in fen (int64 (cells,)).

    ``surplus``: parts of the insurance surplus (= of what is paid, as charges stay); its cost part
    is 0.  ``cost_surplus``: parts of the cost surplus, over cases that have a cost.
    ``order``: the parts in the order in which they were put on.
    """

    cells: Cells
    order: tuple[str, ...]
    surplus: Mapping[str, Ints]
    cost_surplus: Mapping[str, Ints]

    def table(self, by: Sequence[str] = (), *, measure: str = "surplus") -> pd.DataFrame:
        """Parts by keys of the cells: ``<part>_fen`` for each of PARTS, then ``change_fen``."""
        of, count, texts = self.cells.groups(by)
        parts: Mapping[str, Ints] = getattr(self, measure)
        frame = pd.DataFrame(texts, index=range(count))
        change = np.zeros(count, dtype=np.int64)
        for name in PARTS:
            found = np.zeros(count, dtype=np.int64)
            np.add.at(found, of, parts[name])
            frame[f"{name}_fen"] = found
            change += found
        return frame.assign(change_fen=change)


def attribute(outcome: Outcome, cells: Cells, *, order: Sequence[Step] = ()) -> Attribution:
    """Attribute the difference of a scenario; ``order`` goes before the scenario's own.

    Raises PolicyError where a state on the way is no policy, as the order is then not possible.
    """
    steps = in_order(order) if order else outcome.scenario.order
    base, after = outcome.base, outcome.after
    settled = base.columns.charges != MISSING_FEN
    costed = settled & (base.columns.cost != MISSING_FEN)
    nothing = np.zeros(cells.size, dtype=np.int64)
    surplus = dict.fromkeys(PARTS, nothing)
    cost = dict.fromkeys(PARTS, nothing)
    last = base.settlement.paid
    for name, paid in _along(outcome, steps):
        moved = np.where(settled, paid - last, 0)
        surplus[name] = cells.sums(moved)
        cost[name] = cells.sums(np.where(costed, moved, 0))
        last = paid
    if after.columns.cost is not base.columns.cost:
        less = np.where(costed, base.columns.cost - after.columns.cost, 0)
        cost["cost"] = cells.sums(less)
    return Attribution(cells, ("scheme", *steps, "cost"), surplus, cost)


def _along(outcome: Outcome, steps: Sequence[Step]) -> Iterator[tuple[str, Ints]]:
    """What is paid after each part that changes something; the last is the scenario itself."""
    names = [name for name in ("scheme", *steps) if _touched(outcome, name)]
    state = outcome.base
    for name in names[:-1]:
        try:
            state = _with_part(outcome, state, name)
        except PolicyError as error:
            words = f"归因到“{PART_TITLES[name]}”一步时不成其为政策，请改变 [attribution] 的 order"
            raise PolicyError(words, error.faults) from error
        yield name, state.settlement.paid
    if names:
        yield names[-1], outcome.after.settlement.paid


def _touched(outcome: Outcome, name: str) -> bool:
    if name == "scheme":
        return outcome.regrouped
    if name == "weights":
        return not np.array_equal(outcome.after.weights, _scheme_weights(outcome), equal_nan=True)
    return bool(_sections(outcome.base.policy, outcome.after.policy, name))


def _scheme_weights(outcome: Outcome) -> npt.NDArray[np.float64]:
    """Weights before the weights' own step: those of the scheme, where it has any."""
    own = outcome.scheme_weights
    return own if np.isfinite(own).any() or not outcome.regrouped else outcome.after.weights


def _with_part(outcome: Outcome, state: State, name: str) -> State:
    after = outcome.after
    columns, weights, policy, scheme = state.columns, state.weights, state.policy, state.scheme
    if name == "scheme":
        new = after.columns
        scheme, weights = after.scheme, _scheme_weights(outcome)
        columns = replace(
            columns, status=new.status, drg=new.drg, drg_codes=new.drg_codes,
            weight=weights[new.drg],
        )  # fmt: skip
    elif name == "weights":
        weights = after.weights
        columns = replace(columns, weight=weights[columns.drg])
    else:
        policy = policy.with_changes(_sections(policy, after.policy, name))
    return State(scheme, columns, weights, policy, settle(columns, policy))


def _sections(one: Policy, two: Policy, step: str) -> dict[str, Any]:
    """Sections of a step in which two policies differ, as the second has them."""
    names = next(listed for name, listed in SECTIONS.items() if name == step)
    found = {}
    for name in names:
        value = getattr(two.rules, name)
        if value != getattr(one.rules, name):
            found[name] = _plain(value)
    return found


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(exclude_unset=True)
    return tuple(_plain(entry) for entry in value) if isinstance(value, tuple) else value
