"""A scenario beside its baseline as tables (payment.md §8): money in fen, sums of cases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from drg_engine._kernels_payment_sums import MEASURES
from drg_engine.payment import KINDS, MISSING_FEN
from drg_engine.simulation import Outcome, Simulation, State
from drg_engine.simulation_cells import Sums, exact_sums
from drg_engine.surplus import sum_weights

__all__ = [
    "LEVELS",
    "Compared",
    "Comparer",
    "Totals",
    "kind_table",
    "largest_changes",
    "migration",
    "totals",
    "totals_row",
]

Ints = npt.NDArray[np.int64]

LEVELS: Mapping[str, tuple[str, ...]] = {
    "hospitals": ("hospital",),
    "departments": ("department",),
    "drgs": ("drg",),
    "doctors": ("department", "doctor"),
    "insurances": ("insurance",),
}
"""The tables of a comparison and what each is by (the baseline's departments, doctors, DRGs)."""

_KINDS = pd.array(list(KINDS), dtype="str")
_TURNS = pd.array(["", "转盈", "转亏"], dtype="str")
"""What a group turns to, by how much its sign moves (-1 is the last)."""


@dataclass(frozen=True, slots=True)
class Totals:
    """What all cases come to.  ``*_fen`` int fen; NaN where a divisor is 0.

    ``breakeven`` Σ S / Σ C of the cases that have a standard: charges may move to this multiple
    before the formula's surplus turns.  The fund's split covers ``fund_cases``, those whose
    amounts it needs are known.  ``kinds`` cases and ``kinds_paid`` fen by kind.
    """

    cases: int
    grouped: int
    rw: float
    cmi: float
    charges_fen: int
    standard_fen: int
    paid_fen: int
    surplus_fen: int
    surplus_rate: float
    breakeven: float
    cost_fen: int
    cost_surplus_fen: int
    fund_cases: int
    fund_fen: int
    patient_fen: int
    other_fen: int
    kinds: tuple[int, ...]
    kinds_paid: tuple[int, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Compared:
    """A scenario's totals, and its tables of LEVELS, sorted by key (columns: see _beside)."""

    totals: Totals
    tables: dict[str, pd.DataFrame]


@dataclass(frozen=True, slots=True, eq=False)
class _Level:
    """One table: which margin it is of, the groups put in order, their texts, the baseline's sums.

    ``order``, ``starts``: the margin's groups by group of the table, and where each begins.
    """

    margin: str
    order: Ints
    starts: Ints
    texts: dict[str, Any]
    before: dict[str, Ints]

    def add(self, sums: Sums) -> dict[str, Ints]:
        """Measures by group of the table."""
        values = getattr(sums, self.margin)[self.order]
        return _named(np.add.reduceat(values, self.starts, axis=0) if self.starts.size else values)


class Comparer:
    """Sets scenarios beside the baseline of a simulation; groups and baseline are done once."""

    def __init__(self, simulation: Simulation) -> None:
        self.base = simulation.base
        self.cells = simulation.cells
        self.totals = totals(self.base)
        self._levels = {name: self._level(by) for name, by in LEVELS.items()}

    def compare(self, outcome: Outcome) -> Compared:
        """What a scenario comes to."""
        tables = {}
        for name, level in self._levels.items():
            columns = _beside(level.before, level.add(outcome.after.sums))
            index = pd.RangeIndex(level.starts.size)
            tables[name] = pd.DataFrame(level.texts | columns, index=index, copy=False)
        return Compared(totals(outcome.after), tables)

    def _level(self, by: Sequence[str]) -> _Level:
        of, count, texts = self.cells.groups(by)
        order = np.argsort(of, kind="stable")
        starts = np.searchsorted(of[order], np.arange(count))
        arrays = {key: pd.array(found, dtype="str") for key, found in texts.items()}
        level = _Level(self.cells.margin(by), order, starts, arrays, {})
        return replace(level, before=level.add(self.base.sums))


def _named(values: Ints) -> dict[str, Ints]:
    """Measures by name from columns in the order of MEASURES, with the cost surplus."""
    found = dict(zip(MEASURES, values.T, strict=True))
    return found | {"cost_surplus": found["costed_paid"] - found["cost"]}


def totals(state: State) -> Totals:
    """Sums over all cases of a state."""
    held, kinds = state.sums.whole(), state.sums.kinds.T.tolist()
    fund_cases, fund, patient, other = state.fund
    rw = float(sum_weights(held["units"]))
    return Totals(
        cases=held["cases"],
        grouped=held["grouped"],
        rw=rw,
        cmi=_over(rw, held["grouped"]),
        charges_fen=held["charges"],
        standard_fen=held["standard"],
        paid_fen=held["paid"],
        surplus_fen=held["paid"] - held["charges"],
        surplus_rate=_over(held["paid"] - held["charges"], held["charges"]),
        breakeven=_over(held["standard"], held["priced"]),
        cost_fen=held["cost"],
        cost_surplus_fen=held["costed_paid"] - held["cost"],
        fund_cases=fund_cases,
        fund_fen=fund,
        patient_fen=patient,
        other_fen=other,
        kinds=tuple(kinds[0]),
        kinds_paid=tuple(kinds[1]),
    )


def migration(outcome: Outcome) -> pd.DataFrame:
    """Cases whose DRG changes: base_drg, drg, cases, base_paid_fen, paid_fen, change_fen.

    Sorted by cases (falling), then codes; the rows in which the DRG stays are left out.
    """
    old, new = outcome.base.columns, outcome.after.columns
    names = sorted({*old.drg_codes, *new.drg_codes})
    place = {name: at for at, name in enumerate(names)}
    before = np.array([place[name] for name in old.drg_codes], dtype=np.int64)[old.drg]
    after = np.array([place[name] for name in new.drg_codes], dtype=np.int64)[new.drg]
    moved = np.flatnonzero(before != after)
    pairs, of = np.unique(before[moved] * len(names) + after[moved], return_inverse=True)
    paid = [
        exact_sums(of, _known(state.paid[moved], old.charges[moved]), pairs.size)
        for state in (outcome.base, outcome.after)
    ]
    frame = pd.DataFrame(
        {
            "base_drg": [names[pair // len(names)] for pair in pairs],
            "drg": [names[pair % len(names)] for pair in pairs],
            "cases": np.bincount(of, minlength=pairs.size).astype(np.int64),
            "base_paid_fen": paid[0],
            "paid_fen": paid[1],
            "change_fen": paid[1] - paid[0],
        }
    )
    order = ["cases", "base_drg", "drg"]
    return frame.sort_values(order, ascending=[False, True, True], ignore_index=True)


def largest_changes(outcome: Outcome, most: int) -> npt.NDArray[np.intp]:
    """Rows of the cases whose payment changes most, at most ``most``; ties by case id."""
    old, new = outcome.base.paid, outcome.after.paid
    found = np.flatnonzero(new != old)  # what is not known is the same in both
    size = np.abs(new[found] - old[found])
    if found.size > most:
        least = np.partition(size, found.size - most)[found.size - most]
        found, size = found[size >= least], size[size >= least]
    ids = np.asarray(outcome.base.columns.case_id.take(found).to_pylist(), dtype=np.str_)
    return found[np.lexsort((ids, -size))][:most]


def _known(fen: Ints, charges: Ints) -> Ints:
    """Amounts of settled cases, 0 elsewhere."""
    return np.where((charges != MISSING_FEN) & (fen != MISSING_FEN), fen, 0)


def _beside(before: dict[str, Ints], after: dict[str, Ints]) -> dict[str, Any]:
    """Columns of a comparison.

    cases, charges_fen; base_rw, rw; base_paid_fen, paid_fen, change_fen, change_rate;
    base_surplus_fen, surplus_fen; base_cost_surplus_fen, cost_surplus_fen; breakeven (Σ S / Σ C
    under the scenario); turn (转盈, 转亏 or empty).
    """
    old, new = before["paid"] - before["charges"], after["paid"] - after["charges"]
    turn = (old < 0).astype(np.int64) - (new < 0)
    change = after["paid"] - before["paid"]
    return {
        "cases": before["cases"],
        "charges_fen": before["charges"],
        "base_rw": sum_weights(before["units"]),
        "rw": sum_weights(after["units"]),
        "base_paid_fen": before["paid"],
        "paid_fen": after["paid"],
        "change_fen": change,
        "change_rate": _shares(change, before["paid"]),
        "base_surplus_fen": old,
        "surplus_fen": new,
        "base_cost_surplus_fen": before["cost_surplus"],
        "cost_surplus_fen": after["cost_surplus"],
        "breakeven": _shares(after["standard"], after["priced"]),
        "turn": _TURNS.take(turn),
    }


def _shares(above: Ints, below: Ints) -> npt.NDArray[np.float64]:
    out = np.full(above.shape, np.nan)
    return np.asarray(np.divide(above, below, out=out, where=below != 0), dtype=np.float64)


def _over(above: float, below: float) -> float:
    return above / below if below else float("nan")


def totals_row(found: Totals, base: Totals) -> dict[str, Any]:
    """One row of a comparison: the totals, the change of what is paid, cases by kind."""
    shown = {
        name: getattr(found, name) for name in Totals.__slots__ if not name.startswith("kinds")
    }
    change = found.paid_fen - base.paid_fen
    more: dict[str, Any] = {
        "change_fen": change,
        "change_rate": _over(change, base.paid_fen),
        "cost_change_fen": found.cost_surplus_fen - base.cost_surplus_fen,
        "fund_change_fen": found.fund_fen - base.fund_fen,
    }
    kinds = {f"{kind}_cases": n for kind, n in zip(KINDS, found.kinds, strict=True)}
    return shown | more | kinds


def kind_table(base: Totals, after: Totals) -> pd.DataFrame:
    """By kind of case: kind, base_cases, cases, base_paid_fen, paid_fen, change_fen."""
    cases = np.array([base.kinds, after.kinds], dtype=np.int64)
    paid = np.array([base.kinds_paid, after.kinds_paid], dtype=np.int64)
    some = np.flatnonzero(cases.any(axis=0))
    columns = {
        "kind": _KINDS.take(some),
        "base_cases": cases[0, some],
        "cases": cases[1, some],
        "base_paid_fen": paid[0, some],
        "paid_fen": paid[1, some],
        "change_fen": (paid[1] - paid[0])[some],
    }
    return pd.DataFrame(columns, index=pd.RangeIndex(some.size), copy=False)
