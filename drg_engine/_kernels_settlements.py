"""Kernels of reconciliation: settlement ids to places, sums of both sides by place."""

from __future__ import annotations

from typing import Any

import numpy as np

from drg_engine._jit import kernel

__all__ = ["add_by_code", "count_rows", "name_causes", "number_keys"]

(
    EQUAL, DUPLICATE_HOSPITAL, DUPLICATE_BUREAU, REVERSED_HOSPITAL, REVERSED_BUREAU, ONLY_BUREAU,
    ONLY_HOSPITAL, AMOUNTS, CATEGORY,
) = range(9)  # fmt: skip


@kernel
def number_keys(keys: Any, slots: Any, known: Any, places: Any) -> int:
    """Give each distinct key a place, in the order of their first appearance.

    keys uint64 (n,).  slots int32 (a power of two, more than n), all 0.  Writes ``known`` uint64
    (n,), the key of each place, and ``places`` int32 (n,).  Returns how many places there are.
    """
    mask = np.uint64(slots.size - 1)
    found = 0
    for i in range(keys.size):
        at = np.int64(keys[i] & mask)
        while slots[at] > 0 and known[slots[at] - 1] != keys[i]:
            at = (at + 1) & np.int64(mask)
        if slots[at] == 0:
            known[found] = keys[i]
            found += 1
            slots[at] = found
        places[i] = slots[at] - 1
    return found


@kernel
def count_rows(places: Any, back: Any, net: Any, undone: Any, row: Any) -> None:
    """Count a side's settlements by place.

    places int32 (n,), back bool (n,): reversals.  Adds to net int32 (places,) what settles less
    what undoes, and sets undone bool (places,); row int32 (places,), all -1, becomes the first row
    that is no reversal, or the first there is.
    """
    for i in range(places.size):
        place = places[i]
        if row[place] < 0 or (back[row[place]] and not back[i]):
            row[place] = i
        if back[i]:
            net[place] -= 1
            undone[place] = True
        else:
            net[place] += 1


@kernel
def name_causes(
    net: Any, undone: Any, row: Any, sums: Any, codes: Any, tolerance: int, cause: Any
) -> None:
    """Write int8 (places,) what became of each settlement: the first that holds.

    net, undone, row, codes (2, places): of the hospital, of the bureau; row -1 where a side never
    had it.  sums int64 (2, fields, places) fen; tolerance fen.
    """
    for i in range(cause.size):
        here, there = row[0, i] >= 0, row[1, i] >= 0
        apart = False
        for field in range(sums.shape[1]):
            if abs(sums[0, field, i] - sums[1, field, i]) > tolerance:
                apart = True
        # An id that neither side counts any more is even though only one of them ever had it.
        idle = net[0, i] <= 0 and net[1, i] <= 0 and not apart
        found = EQUAL
        if net[0, i] > 1:
            found = DUPLICATE_HOSPITAL
        elif net[1, i] > 1:
            found = DUPLICATE_BUREAU
        elif here and there and undone[1, i] and net[1, i] <= 0 and net[0, i] > 0:
            found = REVERSED_HOSPITAL
        elif here and there and undone[0, i] and net[0, i] <= 0 and net[1, i] > 0:
            found = REVERSED_BUREAU
        elif not here and not idle:
            found = ONLY_BUREAU
        elif not there and not idle:
            found = ONLY_HOSPITAL
        elif apart:
            found = AMOUNTS
        elif here and there and codes[0, i] != codes[1, i] and not idle:
            found = CATEGORY
        cause[i] = found


@kernel
def add_by_code(codes: Any, values: Any, sums: Any) -> None:
    """Add whole numbers (n,) up by their codes (n,) into sums int64."""
    for i in range(codes.size):
        sums[codes[i]] += values[i]
