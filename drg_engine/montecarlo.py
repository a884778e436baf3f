"""How sure a scenario's surplus is: cases drawn again with replacement, under a seed."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from drg_engine.payment import MISSING_FEN, Coded, PaymentColumns, settle
from drg_engine.payment_dated import settle_dated
from drg_engine.simulation import Outcome, State
from drg_engine.simulation_cells import exact_sums

__all__ = ["Drawn", "montecarlo"]

Ints = npt.NDArray[np.int64]

_MEASURES = ("base_surplus", "surplus", "change")


@dataclass(frozen=True, slots=True, eq=False)
class Drawn:
    """Sums of ``draws`` samples in fen: int64 (draws, 3) base_surplus, surplus, change.

    ``whole``: the same of the cases as they are.  ``by_department``: int64 (draws, departments).
    """

    sums: Ints
    whole: tuple[int, int, int]
    departments: tuple[str, ...]
    by_department: Ints
    by_department_whole: Ints

    def intervals(self, level: float = 0.95) -> pd.DataFrame:
        """measure, value_fen, mean_fen, low_fen, high_fen, loss_share (share of draws below 0).

        Bounds are quantiles (linear, type 7) of the draws, rounded to the fen.
        """
        frame = _intervals(self.sums, np.array(self.whole, dtype=np.int64), level)
        frame.insert(0, "measure", list(_MEASURES))
        return frame

    def department_intervals(self, level: float = 0.95) -> pd.DataFrame:
        """The change's interval by department, sorted by department."""
        frame = _intervals(self.by_department, self.by_department_whole, level)
        frame.insert(0, "department", list(self.departments))
        return frame


def montecarlo(outcome: Outcome, *, draws: int = 1_000, seed: int, resettle: bool = False) -> Drawn:
    """Draw the cases with replacement ``draws`` times and add up what they come to.

    Each case keeps what it was paid; ``resettle`` settles every draw anew, so that the cap on high
    cases is cut again (slow).  Cases are drawn by their order of case id, so that the order of rows
    does not matter.  The same seed gives the same draws.
    """
    base = outcome.base.columns
    known = np.flatnonzero(base.charges != MISSING_FEN)
    ids = pa.array(base.case_id).take(pa.array(known))
    rows = known[np.asarray(pc.sort_indices(ids))]
    names, department = _departments(outcome, rows)
    amounts = [_surplus(state, rows) for state in (outcome.base, outcome.after)]
    random = np.random.default_rng(seed)
    sums = np.zeros((draws, 3), dtype=np.int64)
    by_department = np.zeros((draws, len(names)), dtype=np.int64)
    for draw in range(draws):
        at = random.integers(0, rows.size, rows.size) if rows.size else rows
        if resettle:
            one, two = (_settled(state, rows[at]) for state in (outcome.base, outcome.after))
        else:
            one, two = (amount[at] for amount in amounts)
        sums[draw] = one.sum(), two.sum(), (two - one).sum()
        by_department[draw] = exact_sums(department[at], two - one, len(names))
    before, after = amounts
    whole = int(before.sum()), int(after.sum()), int((after - before).sum())
    as_is = exact_sums(department, after - before, len(names))
    return Drawn(sums, whole, names, by_department, as_is)


def _surplus(state: State, rows: npt.NDArray[np.intp]) -> Ints:
    """Surplus of settled cases."""
    return state.paid[rows] - state.whole.charges[rows]


def _settled(state: State, rows: npt.NDArray[np.intp]) -> Ints:
    taken = _apart(state.columns.take(rows), rows)
    if len(state.policies) == 1:
        return settle(taken, state.policy).surplus
    return settle_dated(taken, state.policies).whole.surplus


def _apart(cases: PaymentColumns, rows: npt.NDArray[np.intp]) -> PaymentColumns:
    """The drawn cases, the copies of one case told apart: none is a stay after itself.

    The first copies of all cases are of their persons, the second ones of other persons, and so on.
    """
    person = cases.labels.get("person_id")
    if person is None or rows.size == 0:
        return cases
    order = np.argsort(rows, kind="stable")
    first = np.flatnonzero(np.r_[True, np.diff(rows[order]) != 0])
    copy = np.empty(rows.size, dtype=np.int64)
    copy[order] = np.arange(rows.size) - np.repeat(first, np.diff(np.r_[first, rows.size]))
    told = person.codes >= 0
    keys = person.codes[told].astype(np.int64) * (int(copy.max()) + 1) + copy[told]
    found, at = np.unique(keys, return_inverse=True)
    codes = np.full(rows.size, -1, dtype=np.int32)
    codes[told] = at
    apart = Coded(codes, ("",) * found.size)
    return replace(cases, labels={**cases.labels, "person_id": apart})


def _departments(
    outcome: Outcome, rows: npt.NDArray[np.intp]
) -> tuple[tuple[str, ...], npt.NDArray[np.int64]]:
    label = outcome.base.columns.label("department")
    if label is None:
        return ("",), np.zeros(rows.size, dtype=np.int64)
    names = sorted({*label.names, ""})
    place = np.array([*(names.index(name) for name in label.names), names.index("")], np.int64)
    codes = place[label.codes[rows]]
    there = np.unique(codes)
    return tuple(names[code] for code in there), np.searchsorted(there, codes).astype(np.int64)


def _intervals(sums: Ints, whole: Ints, level: float) -> pd.DataFrame:
    edge = (1.0 - level) / 2.0
    low, high = np.quantile(sums, [edge, 1.0 - edge], axis=0)
    return pd.DataFrame(
        {
            "value_fen": whole,
            "mean_fen": np.rint(sums.mean(axis=0)).astype(np.int64),
            "low_fen": np.rint(low).astype(np.int64),
            "high_fen": np.rint(high).astype(np.int64),
            "loss_share": (sums < 0).mean(axis=0),
        }
    )
