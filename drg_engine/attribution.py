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

from drg_engine._kernels_payment_sums import MEASURES
from drg_engine.errors import PolicyError
from drg_engine.policy import Policy
from drg_engine.scenario import PART_TITLES, Step, in_order
from drg_engine.simulation import Outcome
from drg_engine.simulation_cells import Cells, Sums
from drg_engine.simulation_parts import Changed

__all__ = ["PARTS", "SECTIONS", "Attribution", "attribute"]

Ints = npt.NDArray[np.int64]

_PAID, _COST, _COSTED_PAID = (MEASURES.index(name) for name in ("paid", "cost", "costed_paid"))

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
    """Parts of the difference; ``sums``: what each part that changes something moved.

    Of the surplus (= of what is paid, as charges stay) the cost part is 0; the cost surplus is over
    cases that have a cost.  ``order``: the parts in the order in which they were put on.
    """

    cells: Cells
    order: tuple[str, ...]
    sums: Mapping[str, Sums]

    def table(self, by: Sequence[str] = (), *, measure: str = "surplus") -> pd.DataFrame:
        """Parts by keys of a margin: ``<part>_fen`` for each of PARTS, then ``change_fen``.

        measure: ``surplus`` or ``cost_surplus``.
        """
        of, count, texts = self.cells.groups(by)
        margin = self.cells.margin(by)
        columns: dict[str, Any] = {}
        change = np.zeros(count, dtype=np.int64)
        for name in PARTS:
            found = np.zeros(count, dtype=np.int64)
            if name in self.sums:
                np.add.at(found, of, _moved(getattr(self.sums[name], margin), measure))
            columns[f"{name}_fen"] = found
            change += found
        made = texts | columns | {"change_fen": change}
        return pd.DataFrame(made, index=pd.RangeIndex(count), copy=False)


def _moved(sums: Ints, measure: str) -> Ints:
    """The measure from columns in the order of MEASURES."""
    if measure == "surplus":
        return sums[:, _PAID]
    return sums[:, _COSTED_PAID] - sums[:, _COST]


def attribute(outcome: Outcome, cells: Cells, *, order: Sequence[Step] = ()) -> Attribution:
    """Attribute the difference of a scenario; ``order`` goes before the scenario's own.

    Raises PolicyError where a state on the way is no policy, as the order is then not possible.
    """
    steps = in_order(order) if order else outcome.scenario.order
    found: dict[str, Sums] = {}
    last = outcome.base.sums
    for name, sums in _along(outcome, steps):
        found[name] = sums.minus(last)
        last = sums
    return Attribution(cells, ("scheme", *steps, "cost"), found)


def _along(outcome: Outcome, steps: Sequence[Step]) -> Iterator[tuple[str, Sums]]:
    """What the cases come to after each part that changes something; the last is the scenario."""
    names = [name for name in ("scheme", *steps) if _touched(outcome, name)]
    changes = [part.change for part in outcome.base.parts]
    scheme = outcome.after.scheme if outcome.regrouped else outcome.base.scheme
    for name in names[:-1]:
        try:
            changes = _with_step(outcome, changes, name)
        except PolicyError as error:
            words = f"归因到“{PART_TITLES[name]}”一步时不成其为政策，请改变 [attribution] 的 order"
            raise PolicyError(words, error.faults) from error
        yield name, outcome.simulation.changed(changes, scheme).sums
    if names:
        yield names[-1], _at_old_cost(outcome)
    if outcome.scenario.cost_factor != 1.0:
        yield "cost", outcome.after.sums


def _at_old_cost(outcome: Outcome) -> Sums:
    """What the scenario comes to before costs change."""
    base, after = outcome.base.sums, outcome.after.sums
    place, cell = after.place.copy(), after.cell.copy()
    place[:, _COST], cell[:, _COST] = base.place[:, _COST], base.cell[:, _COST]
    return replace(after, place=place, cell=cell)


def _touched(outcome: Outcome, name: str) -> bool:
    """Whether a step changes something in some part."""
    if name == "scheme":
        return outcome.regrouped
    parts = outcome.after.parts
    if name == "weights":
        own = outcome.scheme_weights
        held = [part.change.weights for part in parts]
        if outcome.regrouped and not np.isfinite(own).any():
            return False
        return any(one is not None and not np.array_equal(one, own, equal_nan=True) for one in held)
    return any(_sections(part.base.policy, part.change.policy, name) for part in parts)


def _with_step(outcome: Outcome, changes: Sequence[Changed], name: str) -> list[Changed]:
    """The change of each part with one more step of the scenario's."""
    made = []
    for change, part in zip(changes, outcome.after.parts, strict=True):
        after = part.change
        if name == "scheme":
            own = outcome.scheme_weights
            weights = own if np.isfinite(own).any() else after.weights
            made.append(replace(change, columns=after.columns, weights=weights))
        elif name == "weights":
            made.append(replace(change, weights=after.weights))
        else:
            sections = _sections(change.policy, after.policy, name)
            policy = change.policy.with_changes(sections) if sections else change.policy
            made.append(replace(change, policy=policy))
    return made


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
