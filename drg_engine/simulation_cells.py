"""Sums over cells of cases: what every table of a simulation is added up from.

A cell is what cases have in common (hospital, department, doctor, DRG, insurance).  The cases are
given their cells once; each scenario is added up by cell, exactly in fen, and cells by table.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from drg_engine.payment_columns import Coded, PaymentColumns

__all__ = ["CELL_KEYS", "Cells", "exact_sums"]

Ints = npt.NDArray[np.int64]

CELL_KEYS = ("hospital", "department", "doctor", "drg", "insurance")
_EXACT = 2**53


def exact_sums(group: npt.NDArray[np.integer], values: Ints, size: int) -> Ints:
    """Sums of whole numbers by group (int64 (size,)), exactly.

    Adding in float64 is exact while no sum of magnitudes can reach 2**53; else integers are added.
    """
    if values.size == 0:
        return np.zeros(size, dtype=np.int64)
    most = max(abs(int(values.max())), abs(int(values.min())))
    if most * values.size < _EXACT:
        return np.bincount(group, weights=values, minlength=size).astype(np.int64)
    found = np.zeros(size, dtype=np.int64)
    np.add.at(found, group, values)
    return found


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """The cell of each case, and the texts of each cell.

    ``of`` int64 (n,): the cell of each case; ``keys``: for each of CELL_KEYS the code (size,) of
    the cell, and the texts that the codes stand for.
    """

    of: Ints
    size: int
    keys: dict[str, Coded]

    @classmethod
    def made(cls, columns: PaymentColumns) -> Cells:
        """Number the cells that occur."""
        labels = {name: _ordered(columns.label(name), columns.n) for name in CELL_KEYS}
        of = np.zeros(columns.n, dtype=np.int64)
        for label in labels.values():
            of = _dense(of * len(label.names) + label.codes)
        size = int(of.max(initial=-1)) + 1
        a_case = np.zeros(size, dtype=np.int64)
        a_case[of] = np.arange(columns.n)
        keys = {name: Coded(label.codes[a_case], label.names) for name, label in labels.items()}
        return cls(of, size, keys)

    def sums(self, values: Ints) -> Ints:
        """Sums of a column of the cases by cell."""
        return exact_sums(self.of, values, self.size)

    def groups(self, by: Sequence[str]) -> tuple[Ints, int, dict[str, list[str]]]:
        """Group of each cell by some keys, how many, and the texts of each, sorted by texts."""
        of = np.zeros(self.size, dtype=np.int64)
        for name in by:
            of = _dense(of * len(self.keys[name].names) + self.keys[name].codes)
        count = int(of.max(initial=-1)) + 1
        a_cell = np.zeros(count, dtype=np.int64)
        a_cell[of] = np.arange(self.size)
        texts = {
            name: [self.keys[name].names[code] for code in self.keys[name].codes[a_cell]]
            for name in by
        }
        return of, count, texts


def _ordered(label: Coded | None, n: int) -> Coded:
    """Codes in the order of the texts, so that groups come out sorted; missing is an empty text."""
    if label is None:
        return Coded(np.zeros(n, dtype=np.int32), ("",))
    names = sorted({*label.names, ""})
    place = {name: at for at, name in enumerate(names)}
    at = np.array([*(place[name] for name in label.names), place[""]], dtype=np.int32)
    return Coded(at[label.codes], tuple(names))


def _dense(numbers: Ints) -> Ints:
    """Renumber 0, 1, 2 … in the same order."""
    top = int(numbers.max(initial=0)) + 1
    if top > 8 * numbers.size + 1024:
        return np.unique(numbers, return_inverse=True)[1].astype(np.int64)
    there = np.zeros(top, dtype=np.bool_)
    there[numbers] = True
    return (np.cumsum(there) - 1)[numbers].astype(np.int64)
