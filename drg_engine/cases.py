"""Cases as columns, and how they are read from files and tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from drg_engine.codes import CodeBook
from drg_engine.columns import CaseFormat, ColumnPlan, case_format, plan_columns
from drg_engine.door import Door, Rejects, no_columns
from drg_engine.errors import Fault, InputError
from drg_engine.money import MISSING_FEN
from drg_engine.readers import BadRow, TextPart, TextTable, open_table, text_column

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["MISSING_FEN", "CaseReader", "Cases", "ReadCounts", "joined", "read_cases"]

_IN_MEMORY = "（内存中的表）"


@dataclass(frozen=True)
class Cases:
    """n cases as columns.  Missing: 0 for sex and discharge mode, -1 for the other numbers.

    ``dx`` and ``proc`` are places in the two code books; those of case i stand between its offsets,
    the principal one first.  ``extra`` holds the other canonical columns: text as dictionaries,
    amounts as int64 fen, dates as date32.  ``others`` holds what came in under no known heading.
    ``rows`` int64 (n,): the row of the file that each case was.
    """

    case_id: pa.Array
    sex: npt.NDArray[np.int8]
    age: npt.NDArray[np.int16]
    age_days: npt.NDArray[np.int32]
    birth_weight: npt.NDArray[np.int32]
    los: npt.NDArray[np.int32]
    discharge_mode: npt.NDArray[np.int8]
    icu_hours: npt.NDArray[np.float32]
    vent_hours: npt.NDArray[np.float32]
    flags: pa.DictionaryArray | None
    dx_offsets: npt.NDArray[np.int64]
    dx: npt.NDArray[np.int32]
    proc_offsets: npt.NDArray[np.int64]
    proc: npt.NDArray[np.int32]
    diagnoses: CodeBook
    procedures: CodeBook
    extra: pa.Table
    others: pa.Table
    rejects: Rejects = field(default_factory=Rejects)
    rows: npt.NDArray[np.int64] | None = None

    @property
    def n(self) -> int:
        """Number of cases."""
        return len(self.sex)

    def __len__(self) -> int:
        return self.n

    def text(self, name: str) -> pd.Categorical | None:
        """A text column (department, doctor, insurance …) as a categorical; None if not there."""
        import pandas as pd

        if name not in self.extra.column_names:
            return None
        column = self.extra[name].combine_chunks()
        if isinstance(column, pa.ChunkedArray):
            column = pa.concat_arrays(column.chunks)
        categories = column.dictionary.to_pylist()
        places = column.indices.fill_null(-1).to_numpy(zero_copy_only=False)
        return pd.Categorical.from_codes(places, categories=categories)

    def fen(self, name: str) -> npt.NDArray[np.int64] | None:
        """An amount column in fen, MISSING_FEN where empty; None if not there."""
        if name not in self.extra.column_names:
            return None
        filled = pc.fill_null(self.extra[name], MISSING_FEN)
        return np.asarray(filled.to_numpy(), dtype=np.int64)

    def principal_diagnoses(self) -> npt.NDArray[np.object_]:
        """Principal diagnosis code of each case (n,), empty text where there is none."""
        strings = np.array([*self.diagnoses.strings, ""], dtype=np.object_)
        has = np.diff(self.dx_offsets) > 0
        places = np.full(self.n, len(strings) - 1, dtype=np.int64)
        places[has] = self.dx[self.dx_offsets[:-1][has]]
        return strings[places]

    def codes_of(self, row: int) -> tuple[list[str], list[str]]:
        """Diagnosis and procedure codes of one case, the principal ones first."""
        dx = self.dx[self.dx_offsets[row] : self.dx_offsets[row + 1]].tolist()
        proc = self.proc[self.proc_offsets[row] : self.proc_offsets[row + 1]].tolist()
        diagnoses, procedures = self.diagnoses.strings, self.procedures.strings
        return [diagnoses[at] for at in dx], [procedures[at] for at in proc]


@dataclass(slots=True)
class ReadCounts:
    """Rows read and what became of them: ``read == cases + rejected``."""

    read: int = 0
    cases: int = 0
    rejected: int = 0
    notices: int = 0


class CaseReader:
    """Reads a source in parts, each a :class:`Cases`; code books and the ids seen are shared.

    ``wanted`` names the canonical columns to read (all by default).  ``counts`` is complete once
    the parts have been read through.
    """

    def __init__(
        self,
        source: str | Path | pd.DataFrame | pa.Table | TextTable,
        *,
        mapping: Mapping[str, str | list[str]] | None = None,
        sheet: str | None = None,
        wanted: Sequence[str] | None = None,
    ) -> None:
        self.form: CaseFormat = case_format()
        self.table: TextTable = _opened(source, sheet)
        self.plan: ColumnPlan = plan_columns(
            self.table.headings, self.form, self.table.file, mapping
        )
        self.counts = ReadCounts()
        self._door = Door(self.form, self.plan, self.table, wanted)
        self._told_bad_rows = 0

    @property
    def file(self) -> str:
        """Name of the file, or what stands for it."""
        return self.table.file

    def parts(self) -> Iterator[Cases]:
        """The cases, part by part.  Raises InputError where the source cannot be read on."""
        any_part = False
        for part in self.table.parts:
            any_part = True
            yield self._through(part, self._bad_rows_before(part))
        left = self.table.bad_rows[self._told_bad_rows :]
        if left or not any_part:
            yield self._through(_empty_part(self.table.headings), left)

    def _bad_rows_before(self, part: TextPart) -> list[BadRow]:
        """Bad rows not yet told that stand before the part's last row.

        The parser may have met some further on; they wait, so that rows are told in their order.
        """
        last = int(part.rows[-1]) if len(part.rows) else 0
        waiting = self.table.bad_rows[self._told_bad_rows :]
        return [bad for bad in waiting if bad.row < last]

    def _through(self, part: TextPart, fresh: Sequence[BadRow]) -> Cases:
        self._told_bad_rows += len(fresh)
        columns, rejects = self._door.admit(part, fresh)
        self.counts.read += part.table.num_rows + len(fresh)
        self.counts.cases += len(columns["sex"])
        self.counts.rejected += rejects.row_count
        self.counts.notices += rejects.notices.num_rows
        return Cases(**columns, rejects=rejects)


def read_cases(
    source: str | Path | pd.DataFrame | pa.Table,
    *,
    mapping: Mapping[str, str | list[str]] | None = None,
    sheet: str | None = None,
    wanted: Sequence[str] | None = None,
) -> Cases:
    """Read all cases of a file (CSV, Excel, Parquet), a pandas or an Arrow table.

    Rows that cannot be read are left out and told in ``rejects``.  mapping: canonical column to
    heading, before what is recognised.  wanted: canonical columns to read, all by default.
    Raises InputError where the source as a whole cannot be read.
    """
    reader = CaseReader(source, mapping=mapping, sheet=sheet, wanted=wanted)
    return joined(list(reader.parts()))


def _opened(
    source: str | Path | pd.DataFrame | pa.Table | TextTable, sheet: str | None
) -> TextTable:
    if isinstance(source, TextTable):
        return source
    if isinstance(source, (str, Path)):
        return open_table(Path(source), sheet=sheet)
    table = source if isinstance(source, pa.Table) else _from_pandas(source)
    headings = tuple(str(name) for name in table.column_names)
    columns = [
        _text_or_fault(column, name) for name, column in zip(headings, table.columns, strict=True)
    ]
    text = pa.table(columns, names=list(headings))
    rows = np.arange(1, table.num_rows + 1, dtype=np.int64)
    return TextTable(_IN_MEMORY, headings, iter([TextPart(text, rows)]), most_rows=table.num_rows)


def _text_or_fault(column: pa.ChunkedArray, name: str) -> pa.Array:
    try:
        return text_column(column)
    except (pa.ArrowException, ValueError) as error:
        fault = Fault(_IN_MEMORY, "这一列不能当作文本", column=name, found=str(column.type))
        raise InputError(f"{_IN_MEMORY}不能读", [fault]) from error


def _from_pandas(frame: pd.DataFrame) -> pa.Table:
    columns = [_from_series(frame.iloc[:, place]) for place in range(frame.shape[1])]
    return pa.table(columns, names=[str(name) for name in frame.columns])


def _from_series(series: pd.Series[Any]) -> pa.Array:
    """A pandas column; one of mixed values becomes text."""
    try:
        return pa.Array.from_pandas(series)
    except (pa.ArrowException, UnicodeError):
        empty = series.isna()
        words = [
            None if gone else str(value).encode("utf-8", "replace").decode()
            for value, gone in zip(series.tolist(), empty.tolist(), strict=True)
        ]
        return pa.array(words, pa.string())


def _empty_part(headings: Sequence[str]) -> TextPart:
    none = pa.array([], pa.string())
    return TextPart(
        pa.table([none] * len(headings), names=list(headings)), np.zeros(0, dtype=np.int64)
    )


def joined(parts: Sequence[Cases]) -> Cases:
    """One Cases of many that share their code books."""
    if len(parts) == 1:
        return parts[0]
    columns: dict[str, Any] = {
        "case_id": pa.concat_arrays([part.case_id for part in parts]),
        "flags": None,
        "diagnoses": parts[0].diagnoses,
        "procedures": parts[0].procedures,
        "extra": _concat([part.extra for part in parts]),
        "others": _concat([part.others for part in parts]),
        "rejects": Rejects.joined([part.rejects for part in parts]),
    }
    if parts[0].flags is not None:
        columns["flags"] = _one_array([part.flags for part in parts])
    for name in ("rows", "sex", "age", "age_days", "birth_weight", "los", "discharge_mode"):
        columns[name] = np.concatenate([getattr(part, name) for part in parts])
    for name in ("icu_hours", "vent_hours", "dx", "proc"):
        columns[name] = np.concatenate([getattr(part, name) for part in parts])
    for name in ("dx_offsets", "proc_offsets"):
        lengths = np.concatenate([np.diff(getattr(part, name)) for part in parts])
        columns[name] = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    return Cases(**columns)


def _concat(tables: Sequence[pa.Table]) -> pa.Table:
    if not tables[0].column_names:
        return no_columns(sum(table.num_rows for table in tables))
    return pa.concat_tables(tables).unify_dictionaries().combine_chunks()


def _one_array(arrays: Sequence[pa.Array]) -> pa.Array:
    whole = pa.chunked_array(arrays).unify_dictionaries().combine_chunks()
    return pa.concat_arrays(whole.chunks) if isinstance(whole, pa.ChunkedArray) else whole
