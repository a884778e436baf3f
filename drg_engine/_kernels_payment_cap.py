"""Which high cases have a place under the cap of their hospital."""

from __future__ import annotations

from typing import Any

from drg_engine._jit import kernel_bare
from drg_engine._kernels_payment_rules import (
    ANYTHING,
    HIGH,
    MISSING,
)

__all__ = [
    "count_cases",
    "rank_cases",
]


@kernel_bare
def rank_cases(
    hospital: Any,
    excess: Any,
    allowed: Any,
    room: Any,
    starts: Any,
    least: Any,
    free: Any,
    over: Any,
) -> int:
    """Which candidates have no place: all but the largest excesses of their hospital.

    hospital int32 (m,), -1 the last; allowed int64 (h,) places; room int64 (m,), starts int64
    (h + 1,) zeros: to work in.  Writes over bool (m,), and by hospital the least excess that has a
    place with how many of that excess have one.  Returns how many candidates of a least excess
    are to be told apart otherwise: of a hospital that has fewer places for them than them.
    """
    hospitals = allowed.size
    for i in range(hospital.size):
        h = hospital[i] if hospital[i] >= 0 else hospitals - 1
        starts[h + 1] += 1
    for h in range(hospitals):
        starts[h + 1] += starts[h]
    for h in range(hospitals - 1, -1, -1):
        starts[h + 1] = starts[h]
    starts[0] = 0
    for i in range(hospital.size):
        h = hospital[i] if hospital[i] >= 0 else hospitals - 1
        room[starts[h + 1]] = excess[i]
        starts[h + 1] += 1
    for h in range(hospitals):
        first, stop = starts[h], starts[h + 1]
        least[h] = MISSING
        free[h] = stop - first
        if stop - first <= allowed[h]:
            continue
        if allowed[h] == 0:
            least[h] = ANYTHING
            free[h] = 0
            continue
        at = stop - allowed[h]
        _select(room, first, stop - 1, at)
        least[h] = room[at]
        above = 0
        for place in range(at, stop):
            if room[place] > least[h]:
                above += 1
        free[h] = allowed[h] - above
        alike = allowed[h] - above
        for place in range(first, at):
            if room[place] == least[h]:
                alike += 1
        if alike == free[h]:
            free[h] = ANYTHING  # all of them
    open_ones = 0
    for i in range(hospital.size):
        h = hospital[i] if hospital[i] >= 0 else hospitals - 1
        over[i] = excess[i] < least[h]
        if excess[i] == least[h] and least[h] != MISSING and free[h] != ANYTHING:
            open_ones += 1
    return open_ones


@kernel_bare
def _select(values: Any, low: Any, high: Any, k: Any) -> None:
    """Put in order so far that ``values[k]`` is in its place, nothing larger before it."""
    while low < high:
        pivot = values[(low + high) // 2]
        i, j = low, high
        while i <= j:
            while values[i] < pivot:
                i += 1
            while pivot < values[j]:
                j -= 1
            if i <= j:
                values[i], values[j] = values[j], values[i]
                i += 1
                j -= 1
        if k <= j:
            high = j
        elif k >= i:
            low = i
        else:
            return


@kernel_bare
def count_cases(codes: Any, kind: Any, counts: Any) -> None:
    """Cases by hospital code (-1 the last); kind (n,): only cases paid by DRG, or (0,): all."""
    for i in range(codes.size):
        if kind.size == 0 or kind[i] <= HIGH:
            counts[codes[i]] += 1
