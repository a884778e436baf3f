"""What reading a file gives: text columns in parts, with the row of the file each row was."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa

__all__ = ["BadRow", "TextPart", "TextTable", "gathered", "named"]


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that is not a row of the table: wrong number of cells."""

    row: int
    found: str
    message: str


@dataclass(frozen=True, slots=True)
class TextPart:
    """Some rows as text columns; ``rows`` int64 (n,) are their numbers in the file."""

    table: pa.Table
    rows: npt.NDArray[np.int64]


@dataclass
class TextTable:
    """A file opened for reading: its headings, then its parts once through.

    ``bad_rows`` fills up while the parts are read.  ``most_rows`` bounds the number of rows from
    above, roughly.
    """

    file: str
    headings: tuple[str, ...]
    parts: Iterator[TextPart]
    bad_rows: list[BadRow] = field(default_factory=list)
    most_rows: int = 1 << 24


def gathered(parts: Iterator[TextPart], least: int) -> Iterator[TextPart]:
    """Put parts together until each has at least ``least`` rows; the last may have fewer."""
    waiting: list[TextPart] = []
    for part in parts:
        waiting.append(part)
        if sum(len(one.rows) for one in waiting) >= least:
            yield _one_part(waiting)
            waiting = []
    if waiting:
        yield _one_part(waiting)


def _one_part(parts: Sequence[TextPart]) -> TextPart:
    if len(parts) == 1:
        return parts[0]
    table = pa.concat_tables([part.table for part in parts]).combine_chunks()
    return TextPart(table, np.concatenate([part.rows for part in parts]))


def named(headings: Sequence[str]) -> tuple[str, ...]:
    """Headings with a name for those left blank, as spreadsheets' empty columns are."""
    return tuple(text or f"（第 {place} 列）" for place, text in enumerate(headings, 1))
