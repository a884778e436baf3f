"""Cells by key: a growing hash table of exact sums."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from performance._kernels_points import add_cells, refill_cells

__all__ = ["CHUNK", "MOST", "CellTable", "ordered"]

Ints = npt.NDArray[np.int64]
Codes = npt.NDArray[np.int32]

CHUNK = 1 << 16
MOST = 9e18
_FILL = 0.5


class CellTable:
    """Cells by key, growing as needed; wants room for a chunk of new cells each time."""

    def __init__(self) -> None:
        self._empty()

    def _empty(self) -> None:
        self.used = 0
        self._bits = 12
        self._table = np.full((1 << self._bits, 2), -1, dtype=np.int64)
        self.keys = np.empty(0, dtype=np.int64)
        self.sums = np.empty((0, 3), dtype=np.int64)

    def add(self, keys: Ints, quantity: Ints, amount: Ints, counts: Ints) -> Codes:
        """Add lines (at most a chunk) to their cells; returns the cell of each, int32 (n,)."""
        self._reserve(self.used + len(keys))
        slots = np.empty(len(keys), dtype=np.int32)
        self.used = add_cells(
            keys, quantity, amount, counts, self._table, 63 - self._bits, self.keys, self.sums,
            self.used, slots,
        )  # fmt: skip
        return slots

    def taken(self) -> tuple[Ints, Ints]:
        """Keys (m,) and sums (m, 3) of the cells; the table is empty afterwards."""
        keys, sums = self.keys[: self.used], self.sums[: self.used]
        self._empty()
        return keys, sums

    def _reserve(self, cells: int) -> None:
        if cells > len(self.keys):
            room = max(cells, len(self.keys) + len(self.keys) // 2)
            keys, sums = np.empty(room, dtype=np.int64), np.zeros((room, 3), dtype=np.int64)
            keys[: self.used], sums[: self.used] = self.keys[: self.used], self.sums[: self.used]
            self.keys, self.sums = keys, sums
        if cells > (1 << self._bits) * _FILL:
            while cells > (1 << self._bits) * _FILL:
                self._bits += 1
            self._table = np.full((1 << self._bits, 2), -1, dtype=np.int64)
            refill_cells(self.keys, self.used, self._table, 63 - self._bits)


def ordered(columns: Sequence[Ints]) -> Ints:
    """Order of rows by columns, the first weighing most."""
    whole = np.zeros(len(columns[0]), dtype=np.int64)
    spans = [(int(c.min(initial=0)), int(c.max(initial=0))) for c in columns]
    room = 1
    for low, high in spans:
        room *= high - low + 1
    if room > MOST:
        return np.asarray(np.lexsort(list(reversed(columns))), dtype=np.int64)
    for (low, high), column in zip(spans, columns, strict=True):
        whole = whole * (high - low + 1) + (column - low)
    return np.asarray(np.argsort(whole, kind="stable"), dtype=np.int64)
