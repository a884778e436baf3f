"""Reconciling the hospital's settlements with the bureau's, to the fen (insurance_office.md §3).

Decisions where the specification leaves room:

- A settlement is one id: what undoes it (a negative or marked row, or one that names it as its
  original) is set against it.  A side counts rows that settle less rows that undo.
- An id that a side settles more often than it undoes by more than one is there twice.
- An id undone on one side and standing on the other is reversed but still counted.
- Amounts that only one of the files has are not compared.
- The category (insurance, agency, clearing class) of an id is each side's own; where a side has
  none of these columns at all it takes the other side's, so that packets without them reconcile.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from drg_engine._jit import run_together
from drg_engine._kernels_codes import hash_ids
from drg_engine._kernels_settlements import add_by_code, count_rows, name_causes, number_keys
from drg_engine.codes import text_buffers
from drg_engine.settlement_files import AMOUNTS, Settlements

__all__ = ["CATEGORY", "CAUSES", "Reconciliation", "reconcile"]

CATEGORY = ("insurance", "agency", "clearing")

CAUSES = (
    "equal",
    "duplicate_hospital",
    "duplicate_bureau",
    "reversed_hospital",
    "reversed_bureau",
    "only_bureau",
    "only_hospital",
    "amounts",
    "category",
)
"""What became of a settlement; the first that holds, in this order after ``equal``."""

_HOSPITAL, _BUREAU = 0, 1
Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Reconciliation:
    """Both sides by settlement, and summed by category.

    fields: the amounts compared.  summary: one row a category with, for both sides, ``<field>_fen``
    and cases (suffixes ``_hospital``, ``_bureau``, ``_difference``), ``even`` and a count for each
    cause.  differences: one row a settlement that is not equal, of the cause, with rows and amounts
    of both sides.  cause: int8 (ids,), places in CAUSES.
    To the fen (no tolerance), what a category's sides differ by is what its rows in ``differences``
    differ by, each side's amounts taken by that side's own category.
    """

    fields: tuple[str, ...]
    summary: pd.DataFrame
    differences: pd.DataFrame
    cause: npt.NDArray[np.int8]
    hospital: Settlements
    bureau: Settlements

    @property
    def even(self) -> bool:
        """Whether every category is 平 and nothing differs."""
        return self.differences.empty

    @property
    def counts(self) -> dict[str, int]:
        """Settlements by cause."""
        found = np.bincount(self.cause, minlength=len(CAUSES))
        return {name: int(count) for name, count in zip(CAUSES, found, strict=True)}


@dataclass(frozen=True, slots=True, eq=False)
class _Joined:
    """Both sides by settlement.

    sums: int64 (2, fields, ids) fen.  net: int32 (2, ids), settlements less those undone.  undone:
    bool (2, ids).  row: int32 (2, ids), the first row, -1 where there is none.
    """

    sums: Ints
    net: npt.NDArray[np.int32]
    undone: Mask
    row: npt.NDArray[np.int32]


def reconcile(
    hospital: Settlements, bureau: Settlements, *, tolerance_fen: int = 0
) -> Reconciliation:
    """Set two sides against each other by settlement id.

    tolerance_fen: amounts of a settlement that differ by no more are equal (0: to the fen).
    The order of rows on either side does not matter, but for which row of a duplicate is shown.
    """
    fields = tuple(n for n in AMOUNTS if n in hospital.amounts and n in bureau.amounts)
    joined = _join(hospital, bureau, fields)
    codes, names = _categories((hospital, bureau), joined)
    cause = _causes(joined, codes, tolerance_fen)
    differences = _differences(joined, cause, codes, names, (hospital, bureau), fields)
    summary = _summary(joined, cause, codes, names, fields)
    return Reconciliation(fields, summary, differences, cause, hospital, bureau)


def _join(hospital: Settlements, bureau: Settlements, fields: tuple[str, ...]) -> _Joined:
    sides = (hospital, bureau)
    keys = np.concatenate(run_together(partial(_keys, side.ids) for side in sides))
    slots = np.zeros(1 << max(4, int(keys.size * 2).bit_length()), dtype=np.int32)
    places = np.empty(keys.size, dtype=np.int32)
    found = number_keys(keys, slots, np.empty(keys.size, dtype=np.uint64), places)
    joined = _Joined(
        np.zeros((2, len(fields), found), dtype=np.int64),
        np.zeros((2, found), dtype=np.int32),
        np.zeros((2, found), dtype=np.bool_),
        np.full((2, found), -1, dtype=np.int32),
    )
    at = (places[: hospital.n], places[hospital.n :])

    def add(number: int) -> None:
        side = sides[number]
        for field, name in enumerate(fields):
            add_by_code(at[number], side.amounts[name], joined.sums[number, field])
        count_rows(
            at[number], side.back, joined.net[number], joined.undone[number], joined.row[number]
        )

    run_together(partial(add, number) for number in (_HOSPITAL, _BUREAU))
    return joined


def _keys(ids: pa.Array) -> npt.NDArray[np.uint64]:
    offsets, text = text_buffers(ids)
    keys = np.empty(len(ids), dtype=np.uint64)
    hash_ids(offsets, text, keys)
    return keys


def _categories(
    sides: tuple[Settlements, Settlements], joined: _Joined
) -> tuple[Ints, list[tuple[str, ...]]]:
    """Codes (2, ids) of the categories of both sides, and the categories in their order."""
    codes = np.zeros(joined.row.shape, dtype=np.int64)
    words: list[list[str]] = []
    for name in CATEGORY:
        own = [_part_codes(side, name, row) for side, row in zip(sides, joined.row, strict=True)]
        known = sorted({"", *own[_HOSPITAL][1], *own[_BUREAU][1]})
        place = {word: at for at, word in enumerate(known)}
        parts = [np.array([place[word] for word in told] or [0])[code] for code, told in own]
        for number, side in enumerate(sides):
            part = parts[number] if name in side.texts else parts[1 - number]
            codes[number] = codes[number] * len(known) + part
        words.append(known)
    sizes = [len(known) for known in words]
    found, places = _dense(codes, int(np.prod(sizes)))
    names = [
        tuple(words[part][at] for part, at in enumerate(np.unravel_index(code, sizes)))
        for code in found
    ]
    return places.reshape(codes.shape), names


def _dense(codes: Ints, most: int) -> tuple[Ints, Ints]:
    """Codes that occur, in order, and the place of each among them."""
    if most > codes.size + 1024:
        found, places = np.unique(codes, return_inverse=True)
        return found, places.astype(np.int64)
    there = np.zeros(most, dtype=np.bool_)
    there[codes] = True
    return np.flatnonzero(there), (np.cumsum(there) - 1)[codes]


def _part_codes(side: Settlements, name: str, row: npt.NDArray[np.int32]) -> tuple[Ints, list[str]]:
    """A side's codes of one part of the category by id, into its words; '' where it has none."""
    if name not in side.texts or not side.n:
        return np.zeros(row.size, dtype=np.int64), [""]
    column = side.texts[name]
    words = [*column.dictionary.to_pylist(), ""]
    codes = column.indices.to_numpy(zero_copy_only=False)[np.maximum(row, 0)]
    return np.where(row >= 0, codes, len(words) - 1).astype(np.int64), words


def _causes(joined: _Joined, codes: Ints, tolerance_fen: int) -> npt.NDArray[np.int8]:
    cause = np.empty(joined.net.shape[1], dtype=np.int8)
    name_causes(joined.net, joined.undone, joined.row, joined.sums, codes, tolerance_fen, cause)
    return cause


def _differences(
    joined: _Joined,
    cause: npt.NDArray[np.int8],
    codes: Ints,
    names: list[tuple[str, ...]],
    sides: tuple[Settlements, Settlements],
    fields: tuple[str, ...],
) -> pd.DataFrame:
    at = np.flatnonzero(cause)
    columns: dict[str, Any] = {
        "setl_id": _ids(joined, sides, at),
        "cause": np.array(CAUSES, dtype=object)[cause[at]],
    }
    words = np.array([*names, ("",) * len(CATEGORY)], dtype=object)
    for number, name in enumerate(("hospital", "bureau")):
        there = joined.row[number, at] >= 0
        place = np.where(there, codes[number, at], len(names))
        for part, column in enumerate(CATEGORY):
            columns[f"{column}_{name}"] = words[place, part]
        row = np.append(sides[number].rows, 0)[joined.row[number, at]]
        columns[f"row_{name}"] = pd.arrays.IntegerArray(row, ~there)
        columns[f"cases_{name}"] = joined.net[number, at].astype(np.int64)
        for index, field in enumerate(fields):
            columns[f"{field}_fen_{name}"] = joined.sums[number, index, at]
    for index, field in enumerate(fields):
        columns[f"{field}_fen_difference"] = (
            joined.sums[_HOSPITAL, index, at] - joined.sums[_BUREAU, index, at]
        )
    frame = pd.DataFrame(columns)
    frame["_cause"] = cause[at]
    frame = frame.sort_values(["_cause", "setl_id"], kind="stable", ignore_index=True)
    return frame.drop(columns="_cause")


def _ids(joined: _Joined, sides: tuple[Settlements, Settlements], at: Ints) -> list[str]:
    hospital = joined.row[_HOSPITAL, at]
    bureau = joined.row[_BUREAU, at]
    mine = sides[_HOSPITAL].ids.take(pa.array(np.maximum(hospital, 0), mask=hospital < 0))
    theirs = sides[_BUREAU].ids.take(pa.array(np.maximum(bureau, 0), mask=bureau < 0))
    return [
        a if a is not None else b for a, b in zip(mine.to_pylist(), theirs.to_pylist(), strict=True)
    ]


def _summary(
    joined: _Joined,
    cause: npt.NDArray[np.int8],
    codes: Ints,
    names: list[tuple[str, ...]],
    fields: tuple[str, ...],
) -> pd.DataFrame:
    count = len(names)
    columns: dict[str, Any] = {
        column: [name[part] for name in names] for part, column in enumerate(CATEGORY)
    }
    for index, field in enumerate(fields):
        for number, side in enumerate(("hospital", "bureau")):
            columns[f"{field}_fen_{side}"] = _sums(codes[number], joined.sums[number, index], count)
    for number, side in enumerate(("hospital", "bureau")):
        columns[f"cases_{side}"] = _sums(codes[number], joined.net[number], count)
    frame = pd.DataFrame(columns)
    for what in (*(f"{field}_fen" for field in fields), "cases"):
        frame[f"{what}_difference"] = frame[f"{what}_hospital"] - frame[f"{what}_bureau"]
    there = joined.row >= 0
    for place, name in enumerate(CAUSES[1:], start=1):
        # A settlement that the sides put in two categories is a cause of both.
        own = (cause == place) & there[_HOSPITAL]
        other = (cause == place) & there[_BUREAU] & ~(own & (codes[_HOSPITAL] == codes[_BUREAU]))
        frame[name] = _sums(codes[_HOSPITAL], own, count) + _sums(codes[_BUREAU], other, count)
    used = (frame[["cases_hospital", "cases_bureau"]] != 0).any(axis=1)
    used |= (frame[list(CAUSES[1:])] != 0).any(axis=1)
    used |= (frame.filter(regex="_fen_") != 0).any(axis=1)
    frame["even"] = (frame[list(CAUSES[1:])] == 0).all(axis=1)
    return frame[used].reset_index(drop=True)


def _sums(codes: Ints, values: npt.NDArray[Any], count: int) -> Ints:
    """Exact sums int64 (count,) of whole numbers by code."""
    found = np.zeros(count, dtype=np.int64)
    add_by_code(codes, values.astype(np.int64), found)
    return found
