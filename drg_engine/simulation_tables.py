"""A scenario beside its baseline as tables (payment.md §8): money in fen, sums of cases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from drg_engine.payment import KINDS, MISSING_FEN, Settlement
from drg_engine.payment_fund import split_fund
from drg_engine.simulation import Outcome, Simulation, State
from drg_engine.simulation_cells import Cells, exact_sums
from drg_engine.surplus import exact_weights, sum_weights

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

_COUNTED = ("cases", "settled", "grouped", "units")
_MONEY = ("charges", "standard", "priced", "paid", "cost", "cost_surplus")


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
    """Cells of one table: the group of each, how many, their texts, the baseline's sums."""

    of: Ints
    count: int
    texts: dict[str, list[str]]
    before: dict[str, Ints]


class Comparer:
    """Adds scenarios up beside the baseline of a simulation; cells and baseline are done once."""

    def __init__(self, simulation: Simulation) -> None:
        self.base = simulation.base
        self.cells = Cells.made(self.base.columns)
        self._sums = _cell_sums(self.cells, self.base)
        self.totals = _totals(self.base, self._sums)
        self._levels = {name: self._level(by) for name, by in LEVELS.items()}

    def compare(self, outcome: Outcome) -> Compared:
        """What a scenario comes to; only what it moved is added up again."""
        sums = _cell_sums(self.cells, outcome.after, (self.base, self._sums))
        tables = {}
        for name, level in self._levels.items():
            after = {
                key: level.before[key]
                if values is self._sums[key]
                else exact_sums(level.of, values, level.count)
                for key, values in sums.items()
            }
            frame = pd.DataFrame(level.texts, index=range(level.count))
            tables[name] = frame.assign(**_beside(level.before, after))
        return Compared(_totals(outcome.after, sums), tables)

    def _level(self, by: Sequence[str]) -> _Level:
        of, count, texts = self.cells.groups(by)
        before = {key: exact_sums(of, values, count) for key, values in self._sums.items()}
        return _Level(of, count, texts, before)


def totals(state: State) -> Totals:
    """Sums over all cases of a state."""
    return _totals(state, _measures(state))


def _totals(state: State, sums: Mapping[str, Ints]) -> Totals:
    """Totals from the measures of cases, or their sums by cell."""
    columns, settlement = state.columns, state.settlement
    held = {name: int(values.sum()) for name, values in sums.items()}
    rw = float(sum_weights(held["units"]))
    kinds = np.bincount(settlement.kind, minlength=len(KINDS))
    paid = exact_sums(settlement.kind, _known(settlement.paid, columns.charges), len(KINDS))
    return Totals(
        cases=columns.n,
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
        cost_surplus_fen=held["cost_surplus"],
        **_fund(settlement),
        kinds=tuple(kinds.tolist()),
        kinds_paid=tuple(paid.tolist()),
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
        exact_sums(of, _known(state.settlement.paid, old.charges)[moved], pairs.size)
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
    old, new = outcome.base.settlement.paid, outcome.after.settlement.paid
    known = outcome.base.columns.charges != MISSING_FEN
    size = np.where(known, np.abs(new - old), 0)
    found = np.flatnonzero(size)
    if found.size > most:
        least = np.partition(size[found], found.size - most)[found.size - most]
        found = found[size[found] >= least]
    ids = np.asarray(outcome.base.columns.case_id.take(found).to_pylist(), dtype=np.str_)
    return found[np.lexsort((ids, -size[found]))][:most]


def _known(fen: Ints, charges: Ints) -> Ints:
    """Amounts of settled cases, 0 elsewhere."""
    return np.where((charges != MISSING_FEN) & (fen != MISSING_FEN), fen, 0)


def _measures(state: State, of: Sequence[str] = (*_COUNTED, *_MONEY)) -> dict[str, Ints]:
    """Columns to add up, by name."""
    columns, settled = state.columns, state.settlement
    charges, standard = columns.charges, settled.standard
    costed = settled.cost_surplus != MISSING_FEN
    made: dict[str, Any] = {
        "cases": lambda: np.ones(columns.n, dtype=np.int64),
        "settled": lambda: (charges != MISSING_FEN).astype(np.int64),
        "grouped": lambda: (columns.status == 0).astype(np.int64),
        "units": lambda: np.where(columns.status == 0, exact_weights(columns.weight), 0),
        "charges": lambda: _known(charges, charges),
        "standard": lambda: _known(standard, charges),
        "priced": lambda: np.where(standard != MISSING_FEN, _known(charges, charges), 0),
        "paid": lambda: _known(settled.paid, charges),
        "cost": lambda: np.where(costed, columns.cost, 0),
        "cost_surplus": lambda: np.where(costed, settled.cost_surplus, 0),
    }
    return {name: made[name]() for name in of}


def _cell_sums(
    cells: Cells, state: State, held: tuple[State, dict[str, Ints]] | None = None
) -> dict[str, Ints]:
    """Measures by cell; those that are the held state's own are taken over."""
    kept = {} if held is None else {name: held[1][name] for name in _same(state, held[0])}
    missing = [name for name in (*_COUNTED, *_MONEY) if name not in kept]
    return kept | {name: cells.sums(values) for name, values in _measures(state, missing).items()}


def _same(state: State, base: State) -> list[str]:
    """Measures that a state has in common with its baseline."""
    names = ["cases", "settled", "charges"]
    if state.columns.status is base.columns.status:
        names.append("grouped")
        names += ["units"] if state.columns.weight is base.columns.weight else []
    one, two = state.settlement, base.settlement
    if one.paid is two.paid:
        names += ["standard", "priced", "paid"]
    elif np.array_equal(one.standard == MISSING_FEN, two.standard == MISSING_FEN):
        names.append("priced")
    if state.columns.cost is base.columns.cost:
        names += ["cost"] if one.paid is not two.paid else ["cost", "cost_surplus"]
    return names


def _beside(before: dict[str, Ints], after: dict[str, Ints]) -> dict[str, Any]:
    """Columns of a comparison.

    cases, charges_fen; base_rw, rw; base_paid_fen, paid_fen, change_fen, change_rate;
    base_surplus_fen, surplus_fen; base_cost_surplus_fen, cost_surplus_fen; breakeven (Σ S / Σ C
    under the scenario); turn (转盈, 转亏 or empty).
    """
    old, new = before["paid"] - before["charges"], after["paid"] - after["charges"]
    turn = np.where((old < 0) & (new >= 0), "转盈", np.where((old >= 0) & (new < 0), "转亏", ""))
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
        "turn": turn.astype(object),
    }


def _fund(settlement: Settlement) -> dict[str, int]:
    """The split between fund, patient and others, over the cases where it is known."""
    if "personal_pay" not in settlement.cases.amounts:
        return {"fund_cases": 0, "fund_fen": 0, "patient_fen": 0, "other_fen": 0}
    split = split_fund(settlement)
    known = split.fund != MISSING_FEN
    return {
        "fund_cases": int(known.sum()),
        "fund_fen": int(split.fund[known].sum()),
        "patient_fen": int(split.patient[known].sum()),
        "other_fen": int(split.other[known].sum()),
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
    paid = np.array([base.kinds_paid, after.kinds_paid], dtype=np.int64)
    frame = pd.DataFrame(
        {
            "kind": KINDS,
            "base_cases": base.kinds,
            "cases": after.kinds,
            "base_paid_fen": paid[0],
            "paid_fen": paid[1],
            "change_fen": paid[1] - paid[0],
        }
    )
    some = (frame["base_cases"] > 0) | (frame["cases"] > 0)
    return frame[some].reset_index(drop=True)
