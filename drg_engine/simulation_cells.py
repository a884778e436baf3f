"""Sums over groups of cases: what every table of a simulation is added up from.

A case stands in a place (hospital, department, doctor) and in a cell (DRG, insurance type).  The
cases are given both once; a scenario adds up by both at the same time, exactly in fen, and every
table is a sum of places or of cells.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from drg_engine._kernels_payment_sums import MEASURES, SumArrays
from drg_engine.payment_columns import Coded, PaymentColumns
from drg_engine.payment_words import KINDS

__all__ = ["CELL_KEYS", "PLACE_KEYS", "Cells", "Margin", "Sums", "exact_sums"]

Ints = npt.NDArray[np.int64]
Small = npt.NDArray[np.int32]
Groups = tuple[Ints, int, dict[str, list[str]]]

PLACE_KEYS = ("hospital", "department", "doctor")
CELL_KEYS = ("drg", "insurance")
_EXACT = 2**53
_USUAL = ((), ("department",), ("drg",))
_WIDTH = 16  # so that what moves of a group lies in one line of the processor's cache


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
class Sums:
    """Measures added up: ``place`` and ``cell`` int64 (groups, MEASURES), ``kinds`` (kinds, 2).

    ``kinds``: cases and paid fen by kind of case.
    """

    place: Ints
    cell: Ints
    kinds: Ints

    @classmethod
    def of(cls, arrays: Sequence[SumArrays]) -> Sums:
        """Sums of the threads together."""
        used = len(MEASURES)
        return cls(
            _summed([one.place[:, :used] for one in arrays]),
            _summed([one.cell[:, :used] for one in arrays]),
            _summed([one.kinds for one in arrays]),
        )

    def plus(self, other: Sums) -> Sums:
        """Both together."""
        return Sums(self.place + other.place, self.cell + other.cell, self.kinds + other.kinds)

    def minus(self, other: Sums) -> Sums:
        """What goes beyond the other."""
        return Sums(self.place - other.place, self.cell - other.cell, self.kinds - other.kinds)

    def whole(self) -> dict[str, int]:
        """Each measure over all cases."""
        return dict(zip(MEASURES, self.cell.sum(axis=0).tolist(), strict=True))


def _summed(arrays: Sequence[Ints]) -> Ints:
    whole = arrays[0].copy()
    for more in arrays[1:]:
        whole += more
    return whole


@dataclass(frozen=True, slots=True, eq=False)
class Margin:
    """One way to cut the cases: ``of`` int32 (n,) the group of each, and the groups' texts.

    ``keys``: for each key the code (size,) of the group, and the texts that the codes stand for.
    """

    of: Small
    size: int
    keys: dict[str, Coded]

    @classmethod
    def made(cls, columns: PaymentColumns, names: Sequence[str]) -> Margin:
        """Number the groups that occur, sorted by their texts."""
        labels = {name: _ordered(columns.label(name), columns.n) for name in names}
        of = np.zeros(columns.n, dtype=np.int64)
        for label in labels.values():
            of = _dense(of * len(label.names) + label.codes)
        size = int(of.max(initial=-1)) + 1
        a_case = np.zeros(size, dtype=np.int64)
        a_case[of] = np.arange(columns.n)
        keys = {name: Coded(label.codes[a_case], label.names) for name, label in labels.items()}
        return cls(of.astype(np.int32), size, keys)

    def groups(self, by: Sequence[str]) -> Groups:
        """Coarser groups by some keys: that of each group, how many, their texts, sorted."""
        of = np.zeros(self.size, dtype=np.int64)
        for name in by:
            of = _dense(of * len(self.keys[name].names) + self.keys[name].codes)
        count = int(of.max(initial=-1)) + 1
        a_group = np.zeros(count, dtype=np.int64)
        a_group[of] = np.arange(self.size)
        texts = {name: [self.keys[name].names[c] for c in self.keys[name].codes[a_group]]
                 for name in by}  # fmt: skip
        return of, count, texts


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """The place and the cell of each case."""

    place: Margin
    cell: Margin
    usual: Mapping[tuple[str, ...], Groups] = field(default_factory=dict)

    @classmethod
    def made(cls, columns: PaymentColumns) -> Cells:
        """Number the places and cells that occur, and group them as tables usually do."""
        made = cls(Margin.made(columns, PLACE_KEYS), Margin.made(columns, CELL_KEYS))
        return replace(made, usual={by: made.groups(by) for by in _USUAL})

    def margin(self, by: Sequence[str]) -> str:
        """``place`` or ``cell``: which has all the keys.  Raises KeyError where neither has."""
        for name, keys in (("cell", CELL_KEYS), ("place", PLACE_KEYS)):
            if set(by) <= set(keys):
                return name
        raise KeyError(f"不能同时按这些汇总：{'、'.join(by)}")

    def groups(self, by: Sequence[str]) -> Groups:
        """Groups by some keys of one margin; see Margin.groups."""
        if tuple(by) in self.usual:
            return self.usual[tuple(by)]
        found: Margin = getattr(self, self.margin(by))
        return found.groups(by)

    def room(self) -> SumArrays:
        """Room for one thread to add up in."""
        return SumArrays(
            place=np.zeros((self.place.size, _WIDTH), dtype=np.int64),
            cell=np.zeros((self.cell.size, _WIDTH), dtype=np.int64),
            kinds=np.zeros((len(KINDS), 2), dtype=np.int64),
            seen=np.zeros(3, dtype=np.int64),
        )


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
