"""Role shares of executed items: who has what part of the points, by unit, item and date.

A rule is all rows of the role-shares table with one unit, class and item code that hold on a day.
Rows of way ``split`` share the points (their parts sum to 1 where the plan splits); rows of way
``duplicate`` count in full beside them, as the operating theatre beside the surgical ward.  A row
may name another unit to which its parts go: a unit's code, or ``开单科室`` for each line's ordering
unit.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from drg_engine.errors import Fault, InputError
from performance.dated import Segments, holding
from performance.table_list import ORDERING, ROLES

__all__ = ["TO_ORDER", "TO_SELF", "Shares", "check_shares"]

Ints = npt.NDArray[np.int64]

TO_SELF = -1
"""Stands for the executing unit as the unit a part goes to."""

TO_ORDER = -2
"""Stands for the ordering unit."""

_LEVELS = (
    (True, True, True),
    (True, False, True),
    (True, True, False),
    (True, False, False),
    (False, True, True),
    (False, False, True),
    (False, True, False),
    (False, False, False),
)
"""Unit, class and item code named or not, the most particular first."""

_NAMES = ("department", "item_class", "item_code")
_SHARES = [f"{role}_e4" for role in ROLES]


def check_shares(role_shares: pd.DataFrame, departments: Sequence[str], *, split: bool) -> None:
    """Raise InputError where parts do not sum to 1 in ``split``, or go to a unit nobody knows."""
    faults = _unknown_units(role_shares, departments)
    if split:
        own = role_shares[role_shares["way"] == "split"]
        segments = Segments([role_shares])
        wrong: dict[int, int] = {}
        for segment in range(segments.count):
            rows = own[holding(own, segments.day(segment))]
            total = rows.groupby(list(_NAMES))[_SHARES].transform("sum").sum(axis=1)
            bad = total != 10_000
            wrong |= dict(zip(rows["row"][bad].tolist(), total[bad].tolist(), strict=True))
        faults += [
            Fault(
                "role_shares",
                "拆分时医生、医技、护理份额合计须为 1",
                row,
                "医生",
                f"{wrong[row] / 1e4:g}",
            )
            for row in sorted(wrong)
        ]
    if faults:
        raise InputError("角色份额表与方案的拆分方式不符", faults)


def _unknown_units(role_shares: pd.DataFrame, departments: Sequence[str]) -> list[Fault]:
    known = {"", ORDERING, *departments}
    rows = role_shares[~role_shares["to_unit"].isin(known)]
    mend = f"写科室表里的编码，或“{ORDERING}”；留空即执行科室"
    return [
        Fault("role_shares", "归属科室不在科室表", int(row), "归属科室", str(name), mend)
        for row, name in zip(rows["row"], rows["to_unit"], strict=True)
    ]


class Shares:
    """The rules of a role-shares table, found by unit, item and segment.

    Parts of all rules stand in arrays: rule r has parts ``start[r]`` to ``start[r + 1]``; ``role``
    (place in ROLES), ``to`` (TO_SELF, TO_ORDER or a unit's row), ``share_e4``, ``duplicate``.
    """

    def __init__(
        self,
        role_shares: pd.DataFrame,
        items: pd.DataFrame,
        departments: Sequence[str],
        segments: Segments,
    ) -> None:
        self._table, self._segments = role_shares, segments
        self._class, classes = pd.factorize(items["item_class"].to_numpy(dtype=object))
        self._code, codes = pd.factorize(items["item_code"].to_numpy(dtype=object))
        self._sizes = (len(departments) + 2, len(classes) + 1, len(codes) + 1)
        named = (pd.Index(list(departments), dtype=object), pd.Index(classes), pd.Index(codes))
        texts = [role_shares[name].to_numpy(dtype=object) for name in _NAMES]
        self._named = [text != "*" for text in texts]
        self._places = [
            np.asarray(index.get_indexer(pd.Index(text, dtype=object)), dtype=np.int64)
            for index, text in zip(named, texts, strict=True)
        ]
        self._row_to = _targets(role_shares["to_unit"], named[0])
        self._rules: list[list[int]] = []
        self._found: dict[int, list[tuple[tuple[bool, ...], Any, Ints]]] = {}
        self._parts: tuple[Ints, ...] | None = None

    def rules(self, unit: Ints, item: Ints, segment: Ints) -> Ints:
        """Rule of each (executing unit, item row, segment), (n,); -1 where no row covers it."""
        rule = np.full(len(unit), -1, dtype=np.int64)
        for one in np.unique(segment):
            self._prepare(int(one))
        for one in np.unique(segment):
            rows = np.flatnonzero(segment == one)
            for level, index, numbers in self._found[int(one)]:
                left = rows[rule[rows] < 0]
                key = self._key(level, unit[left], self._class[item[left]], self._code[item[left]])
                place = index.get_indexer(pd.Index(key))
                rule[left] = np.where(place >= 0, numbers[place], -1)
        return rule

    def parts(self) -> tuple[Ints, Ints, Ints, Ints, Ints]:
        """Start, role, to, share_e4 and duplicate of all rules found so far, in a flat form."""
        start, rows, roles = [0], list[int](), list[int]()
        held = self._table[_SHARES].to_numpy(dtype=np.int64)
        for rule in self._rules:
            for own in rule:
                some = np.flatnonzero(held[own]).tolist()
                rows += [own] * len(some)
                roles += some
            start.append(len(rows))
        row, role = np.array(rows, dtype=np.int64), np.array(roles, dtype=np.int64)
        duplicate = (self._table["way"] == "duplicate").to_numpy().astype(np.int64)[row]
        return np.array(start, dtype=np.int64), role, self._row_to[row], held[row, role], duplicate

    def _key(self, level: tuple[bool, ...], *columns: npt.NDArray[np.integer]) -> Ints:
        key = np.zeros(len(columns[0]), dtype=np.int64)
        for used, size, column in zip(level, self._sizes, columns, strict=True):
            key = key * size + (column.astype(np.int64) + 1 if used else 0)
        return key

    def _prepare(self, segment: int) -> None:
        """The rules that hold in a segment, by level."""
        if segment in self._found:
            return
        rows = np.flatnonzero(holding(self._table, self._segments.day(segment)))
        levels: list[tuple[tuple[bool, ...], Any, Ints]] = []
        for level in _LEVELS:
            both = list(zip(self._named, self._places, strict=True))
            fits = [(n[rows] == used) for n, used in zip(self._named, level, strict=True)]
            known = [~n[rows] | (p[rows] >= 0) for n, p in both]
            here = rows[np.logical_and.reduce([*fits, *known])]
            if not len(here):
                continue
            keys = self._key(level, *(place[here] for place in self._places))
            unique, inverse = np.unique(keys, return_inverse=True)
            first = len(self._rules)
            self._rules += [here[inverse == i].tolist() for i in range(len(unique))]
            numbers = first + np.arange(len(unique), dtype=np.int64)
            levels.append((level, pd.Index(unique), numbers))
        self._found[segment] = levels


def _targets(column: pd.Series[str], departments: pd.Index) -> Ints:
    texts = column.to_numpy(dtype=object)
    place = np.asarray(departments.get_indexer(pd.Index(texts, dtype=object)), dtype=np.int64)
    place = np.where(texts == ORDERING, TO_ORDER, place)
    return np.where(texts == "", TO_SELF, place).astype(np.int64)
