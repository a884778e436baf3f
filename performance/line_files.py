"""A month's charge lines in a file, read part by part in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from drg_engine import readers
from drg_engine.errors import Fault, InputError
from drg_engine.text_tables import TextPart, gathered
from performance.columns import columns_of, find_columns
from performance.lines import (
    HEADINGS,
    REQUIRED,
    ChargeLines,
    lines_from_table,
    no_rejects,
    with_bad_rows,
)

__all__ = ["LineFile"]

PART_ROWS = 1 << 18
_UNREADABLE = (OSError, ValueError, KeyError, RuntimeError, pa.ArrowException)


class LineFile:
    """Charge lines of a CSV, Excel or Parquet file.

    The heading is checked at once (InputError); the lines are read when :meth:`parts` is iterated,
    any number of times.  ``n`` and ``rejects`` are known when all has been read; asked before, they
    read the file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._n: int | None = None
        self._rejects = pd.DataFrame()
        _open(path)

    @property
    def file(self) -> str:
        """Name of the file."""
        return self.path.name

    @property
    def n(self) -> int:
        """Number of readable lines."""
        self._read_through()
        return self._n or 0

    @property
    def rejects(self) -> pd.DataFrame:
        """One row for each line set aside: row, column, found, reason, amount_fen; by row."""
        self._read_through()
        return self._rejects

    def _read_through(self) -> None:
        if self._n is None:
            for _ in self.parts():
                pass

    def parts(self) -> Iterator[ChargeLines]:
        """The lines in parts of about a quarter of a million.  Raises InputError on damage."""
        n = 0
        rejects: list[pd.DataFrame] = []
        tables, bad = _open(self.path)
        for table, rows in tables:
            lines = lines_from_table(table, self.file, rows)
            n += lines.n
            if len(lines.rejects) or not rejects:
                rejects.append(lines.rejects)
            yield lines
        whole = pd.concat(rejects, ignore_index=True) if rejects else no_rejects()
        self._n, self._rejects = n, with_bad_rows(whole, bad)


_Tables = Iterator[tuple[pa.Table, Any]]


def _open(path: Path) -> tuple[_Tables, list[readers.BadRow]]:
    """Tables under canonical names with their rows in the file, and the bad rows met so far."""
    if path.suffix.lower() in (".parquet", ".pq") and path.is_file():
        return _parquet_tables(path), []
    opened = readers.open_table(path)
    places = columns_of(path, opened.headings, HEADINGS, REQUIRED)
    return _text_tables(opened.parts, places), opened.bad_rows


def _text_tables(parts: Iterator[TextPart], places: dict[str, int]) -> _Tables:
    for part in gathered(parts, PART_ROWS):
        columns = [part.table.column(place) for place in places.values()]
        yield pa.table(columns, names=list(places)), part.rows


def _parquet_tables(path: Path) -> _Tables:
    """Columns of a Parquet file as they are, text as dictionaries: strings once per distinct value.

    The heading is read at once, the rest as it is asked for.
    """
    import pyarrow.parquet as pq

    try:
        schema = pq.read_schema(path)
        places = find_columns(path.name, schema.names, HEADINGS, REQUIRED)
        names = [schema.names[place] for place in places.values()]
        texts = [name for name in names if _is_text(schema.field(name).type)]
        source = pq.ParquetFile(path, read_dictionary=texts, pre_buffer=False)
    except InputError:
        raise
    except _UNREADABLE as error:
        raise InputError(f"{path.name} 打不开", [_damage(path, error)]) from error
    return _batches(path, source, dict(zip(places, names, strict=True)))


def _batches(path: Path, source: Any, names: dict[str, str]) -> _Tables:
    row = 2
    try:
        for batch in source.iter_batches(batch_size=PART_ROWS, columns=list(names.values())):
            columns = [batch.column(name) for name in names.values()]
            table = pa.table(columns, names=list(names))
            yield table, np.arange(row, row + batch.num_rows, dtype=np.int64)
            row += batch.num_rows
    except _UNREADABLE as error:
        raise InputError(f"{path.name} 读不下去", [_damage(path, error)]) from error


def _is_text(kind: Any) -> bool:
    return bool(pa.types.is_string(kind))


def _damage(path: Path, error: Exception) -> Fault:
    found, mend = str(error)[:120], "文件可能没有传完整，请重新导出"
    return Fault(path.name, "Parquet 文件读不出来", found=found, mend=mend)
