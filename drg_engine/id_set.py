"""The set of case ids met so far, in bounded memory."""

from __future__ import annotations

import mmap

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from drg_engine._kernels_codes import find_repeats, hash_ids
from drg_engine.codes import text_buffers

__all__ = ["IdSet"]

_LEAST_BITS, _MOST_BITS = 12, 24


class IdSet:
    """The case ids met so far, as hashes with the row each first stood in.

    A table has room for all the ids expected, at most 11 million, from the start, so that reading
    more rows takes no more memory; more ids get further tables.  Two different ids are taken for
    one with a chance of about 2⁻⁴⁰ each.
    """

    @classmethod
    def for_rows(cls, most: int) -> IdSet:
        """A set with room for about ``most`` ids."""
        return cls(min(_MOST_BITS, max(_LEAST_BITS, (most * 10 // 7).bit_length())))

    def __init__(self, bits: int = 24) -> None:
        self._room = (7 << bits) // 10
        self._tables: list[npt.NDArray[np.uint64]] = []
        self._size = 1 << bits
        self._left = 0

    def repeats(self, ids: pa.Array, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """For each id, the row it first stood in, or 0 when it is new; adds the new ones.

        Of rows past ROW_MASK only that they are not the first is known: then ROW_MASK.
        """
        offsets, text = text_buffers(ids)
        keys = np.empty(len(ids), dtype=np.uint64)
        hash_ids(offsets, text, keys)
        found = np.zeros(len(ids), dtype=np.int64)
        start = 0
        while start < len(ids):
            if self._left == 0:
                self._tables.append(_zeros(self._size))
                self._left = self._room
            stop = min(len(ids), start + self._left)
            piece = slice(start, stop)
            for table in self._tables[:-1]:
                find_repeats(keys[piece], rows[piece], table, False, found[piece])
            find_repeats(keys[piece], rows[piece], self._tables[-1], True, found[piece])
            self._left -= stop - start
            start = stop
        return found


def _zeros(size: int) -> npt.NDArray[np.uint64]:
    """Zeros (uint64) in large pages where the system has them.

    The set is written all over at once; with small pages the system would take longer to hand
    them out than the set takes to fill.
    """
    held = mmap.mmap(-1, size * 8)
    if hasattr(mmap, "MADV_HUGEPAGE"):
        held.madvise(mmap.MADV_HUGEPAGE)
    return np.frombuffer(held, dtype=np.uint64)
