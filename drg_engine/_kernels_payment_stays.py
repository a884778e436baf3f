"""Several stays of one person: found, put in order, and those that another follows too soon."""

from __future__ import annotations

from typing import Any

import numpy as np

from drg_engine._jit import kernel_bare
from drg_engine._kernels_payment_rules import (
    HIGH,
    MISSING,
)

__all__ = [
    "close_stays",
    "find_stays",
]

_ROW = (1 << 32) - 1


@kernel_bare
def find_stays(
    person: Any, drg: Any, admitted: Any, left: Any, starts: Any, keys: Any, rows: Any, group: Any
) -> Any:
    """Rows of persons with several stays in one DRG, in the order of the stays.

    person int32 (n,), -1 unknown; admitted, left int64 days, MISSING unknown; starts int32
    (persons + 1,) zeros and keys int64 (n,) are room to work in.  ``rows`` int32 (n,) gets the rows
    by person, DRG, admission, discharge and row; ``group`` int32 (n,) numbers person and DRG.
    Returns how many rows there are, and whether two stays are alike but for the row.
    """
    n = person.size
    for i in range(n):
        if person[i] >= 0 and admitted[i] != MISSING and left[i] != MISSING:
            starts[person[i] + 1] += 1
    for p in range(starts.size - 1):
        starts[p + 1] += starts[p]
    for i in range(n):
        if person[i] >= 0 and admitted[i] != MISSING and left[i] != MISSING:
            keys[starts[person[i]]] = (np.int64(drg[i]) << 32) | np.int64(i)
            starts[person[i]] += 1
    kept = 0
    groups = 0
    alike = False
    first = np.int64(0)
    for p in range(starts.size - 1):
        stop = np.int64(starts[p])
        if stop - first >= 2:
            _sort_stays(keys, first, stop - first, admitted, left, False)
            at = first
            while at < stop:
                end = at + 1
                while end < stop and keys[end] >> 32 == keys[at] >> 32:
                    end += 1
                if end - at >= 2:
                    for place in range(at, end):
                        keys[place] &= _ROW
                    _sort_stays(keys, at, end - at, admitted, left, True)
                    for place in range(at, end):
                        row = keys[place]
                        if place > at:
                            other = keys[place - 1]
                            alike |= admitted[row] == admitted[other] and left[row] == left[other]
                        rows[kept] = row
                        group[kept] = groups
                        kept += 1
                    groups += 1
                at = end
        first = stop
    return kept, alike


@kernel_bare
def _later(a: Any, b: Any, admitted: Any, left: Any, dated: bool) -> bool:
    """Whether key ``a`` goes after key ``b``: by date where the keys are rows, or as numbers."""
    if dated:
        if admitted[a] != admitted[b]:
            return bool(admitted[a] > admitted[b])
        if left[a] != left[b]:
            return bool(left[a] > left[b])
    return bool(a > b)


@kernel_bare
def _sort_stays(keys: Any, first: Any, size: Any, admitted: Any, left: Any, dated: bool) -> None:
    """Sort some keys in place: by heap, so that one person with all the stays is no harm."""
    if size <= 12:
        for at in range(first + 1, first + size):
            row = keys[at]
            place = at
            while place > first and _later(keys[place - 1], row, admitted, left, dated):
                keys[place] = keys[place - 1]
                place -= 1
            keys[place] = row
        return
    heaped = size // 2
    last = size
    while last > 1:
        if heaped > 0:
            heaped -= 1
            row = keys[first + heaped]
        else:
            last -= 1
            row = keys[first + last]
            keys[first + last] = keys[first]
            if last == 1:
                keys[first] = row
                return
        place = heaped
        child = 2 * place + 1
        while child < last:
            if child + 1 < last and _later(
                keys[first + child + 1], keys[first + child], admitted, left, dated
            ):
                child += 1
            if not _later(keys[first + child], row, admitted, left, dated):
                break
            keys[first + place] = keys[first + child]
            place = child
            child = 2 * place + 1
        keys[first + place] = row


@kernel_bare
def close_stays(
    rows: Any, group: Any, kind: Any, admitted: Any, left: Any, spared: Any, days: Any, found: Any
) -> None:
    """Earlier stays that the same person follows by another in the same DRG within ``days``.

    All by place in the order of find_stays (m,), but kind int8 (n,): only cases paid by DRG count.
    spared bool: a stay that never counts.  Writes found bool (m,).
    """
    earlier = -1
    for at in range(rows.size):
        found[at] = False
        if kind[rows[at]] > HIGH:
            continue
        if earlier >= 0 and group[earlier] == group[at]:
            gap = admitted[at] - left[earlier]
            if 0 <= gap <= days and not spared[earlier] and not spared[at]:
                found[earlier] = True
        earlier = at
