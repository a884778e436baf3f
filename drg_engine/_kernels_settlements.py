"""Kernels of reconciliation: settlement ids to places, sums of both sides by place."""

from __future__ import annotations

from typing import Any

import numpy as np

from drg_engine._jit import kernel

__all__ = ["add_by_code", "add_sides", "number_keys"]


@kernel
def number_keys(keys: Any, slots: Any, places: Any, first: Any) -> int:
    """Give each distinct key a place, in the order of their first appearance.

    keys uint64 (n,).  slots int64 (a power of two, more than n), all -1.  Writes ``places`` int64
    (n,) and ``first`` int64 (n,): the row of each place's first key.  Returns how many there are.
    """
    mask = np.uint64(slots.size - 1)
    found = 0
    for i in range(keys.size):
        at = np.int64(keys[i] & mask)
        while slots[at] >= 0 and keys[first[slots[at]]] != keys[i]:
            at = (at + 1) & np.int64(mask)
        if slots[at] < 0:
            slots[at] = found
            first[found] = i
            found += 1
        places[i] = slots[at]
    return found


@kernel
def add_sides(
    places: Any, side: int, amounts: Any, back: Any, sums: Any, counted: Any, undone: Any, row: Any
) -> None:
    """Add a side's settlements up by place.

    places int64 (n,), amounts int64 (fields, n), back bool (n,): reversals.  Adds to sums int64
    (2, fields, places), counted and undone int32 (2, places); row int64 (2, places) becomes the
    first row that is no reversal, or the first there is (-1 none).
    """
    for i in range(places.size):
        place = places[i]
        for field in range(amounts.shape[0]):
            sums[side, field, place] += amounts[field, i]
        if back[i]:
            undone[side, place] += 1
        else:
            counted[side, place] += 1
        if row[side, place] < 0 or (counted[side, place] == 1 and not back[i]):
            row[side, place] = i


@kernel
def add_by_code(codes: Any, values: Any, sums: Any) -> None:
    """Add whole numbers (n,) up by their codes int64 (n,) into sums int64."""
    for i in range(codes.size):
        sums[codes[i]] += values[i]
