"""Tables whose rows hold on half-open intervals [from, to): what holds on a day.

The boundaries of all such tables cut time into segments; within one nothing changes, so that a
table is looked up once a segment and not once a line.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from performance.columns import NO_DATE

__all__ = ["Segments", "holding", "row_of_key"]

Ints = npt.NDArray[np.int64]


class Segments:
    """Time cut at every day on which a row of some table begins or ends to hold."""

    def __init__(self, tables: Iterable[pd.DataFrame]) -> None:
        days = [table[name].to_numpy(dtype=np.int64) for table in tables for name in _ENDS]
        whole = np.unique(np.concatenate([np.empty(0, dtype=np.int64), *days]))
        self._edges = whole[whole != NO_DATE]

    @property
    def count(self) -> int:
        """Number of segments."""
        return len(self._edges) + 1

    def of(self, days: npt.ArrayLike) -> Ints:
        """Segment of each day (since 1970-01-01)."""
        return np.asarray(np.searchsorted(self._edges, days, side="right"), dtype=np.int64)

    def day(self, segment: int) -> int:
        """A day of a segment."""
        if not len(self._edges):
            return 0
        return int(self._edges[segment - 1]) if segment else int(self._edges[0]) - 1


_ENDS = ("effective_from", "effective_to")


def holding(table: pd.DataFrame, day: int) -> npt.NDArray[np.bool_]:
    """Which rows hold on a day."""
    start, stop = (table[name].to_numpy(dtype=np.int64) for name in _ENDS)
    began = (start == NO_DATE) | (start <= day)
    return np.asarray(began & ((stop == NO_DATE) | (day < stop)))


def row_of_key(table: pd.DataFrame, column: str, keys: Sequence[str], day: int) -> Ints:
    """For each key the row of the table that holds on the day, -1 where none does.

    At most one row of a key holds on a day (the table's check sees to that).
    """
    rows = np.flatnonzero(holding(table, day))
    index = pd.Index(table[column].to_numpy(dtype=object)[rows])
    place = index.get_indexer(pd.Index(np.array(keys, dtype=object)))
    return np.where(place >= 0, np.append(rows, -1)[place], -1).astype(np.int64)
