"""Kernel that adds many columns of cases up by group, in one pass over the rows."""

from __future__ import annotations

from typing import Any

from drg_engine._jit import kernel

__all__ = ["add_rows", "mark_rows"]


@kernel
def add_rows(group: Any, flags: Any, values: Any, out: Any) -> None:
    """Count and add rows by group.

    group int32 (n,): row of ``out``; flags bool (k, n) are counted, values int64 (m, n) added;
    out int64 (groups, k + m).
    """
    counted, added = flags.shape[0], values.shape[0]
    for row in range(group.size):
        at = group[row]
        for column in range(counted):
            out[at, column] += flags[column, row]
        for column in range(added):
            out[at, counted + column] += values[column, row]


@kernel
def mark_rows(group: Any, code: Any, where: Any, bits: Any) -> None:
    """Set the bit of each row's code in its group's bits.

    group int32, code int32, where bool (n,); bits uint8 (groups, bytes).
    """
    for row in range(group.size):
        if where[row]:
            bits[group[row], code[row] >> 3] |= 1 << (code[row] & 7)
