"""Writing tables by suffix (CSV, Excel, Parquet), part by part, aside and then renamed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from drg_engine.codes import text_buffers
from drg_engine.errors import Fault, InputError
from drg_engine.files import written_aside

__all__ = ["TableWriter", "check_suffix", "open_writer", "write_table"]

_SUFFIXES = (".csv", ".xlsx", ".parquet")
_FORMULA_BYTES = np.frombuffer(b"=+-@\t\r", dtype=np.uint8)
_SHEET_ROWS = 1_048_576
_BOM = b"\xef\xbb\xbf"


class TableWriter(Protocol):
    """Takes a table's parts in order; all must have the same columns."""

    def write(self, table: pa.Table) -> None:
        """Append rows."""


def check_suffix(path: Path) -> None:
    """Raise InputError unless the suffix is one that can be written."""
    if path.suffix.lower() not in _SUFFIXES:
        raise InputError(
            f"不能写成这种文件：{path.name}",
            [Fault(path.name, "可用 .csv、.xlsx、.parquet", found=path.suffix or "没有扩展名")],
        )


@contextmanager
def open_writer(path: Path, *, bom: bool = False) -> Iterator[TableWriter]:
    """Open a writer for ``path``; the file stands under its name only when all is written.

    bom: begin a CSV with a byte-order mark, so that Excel reads its Chinese.  Text that a
    spreadsheet would take for a formula is marked in CSV by an apostrophe; in Excel files it is a
    text cell.
    """
    check_suffix(path)
    with written_aside(path) as aside:
        kind = path.suffix.lower()
        writer: Any
        if kind == ".csv":
            writer = _CsvWriter(aside, bom)
        elif kind == ".parquet":
            writer = _ParquetWriter(aside)
        else:
            writer = _SheetWriter(aside, path.name)
        try:
            yield writer
        finally:
            writer.close()


def write_table(path: Path, table: pa.Table, *, bom: bool = False) -> None:
    """Write one whole table by its suffix."""
    with open_writer(path, bom=bom) as writer:
        writer.write(table)


class _CsvWriter:
    def __init__(self, path: Path, bom: bool) -> None:
        self._sink = path.open("wb")
        if bom:
            self._sink.write(_BOM)
        self._writer: Any = None

    def write(self, table: pa.Table) -> None:
        safe = pa.table([_safe(column) for column in table.columns], names=table.column_names)
        if self._writer is None:
            options = pacsv.WriteOptions(quoting_style="needed", batch_size=1 << 16)
            self._writer = pacsv.CSVWriter(self._sink, safe.schema, write_options=options)
        self._writer.write_table(safe)

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
        self._sink.close()


def _safe(column: pa.ChunkedArray) -> pa.Array:
    """Text with an apostrophe before what would be read as a formula."""
    array = column.combine_chunks()
    if isinstance(array, pa.ChunkedArray):
        array = pa.concat_arrays(array.chunks)
    if pa.types.is_dictionary(array.type):
        values = _safe_text(array.dictionary.cast(pa.string()))
        return values.take(array.indices)
    is_text = pa.types.is_string(array.type) or pa.types.is_large_string(array.type)
    return _safe_text(array) if is_text else array


def _safe_text(array: pa.Array) -> pa.Array:
    array = array.cast(pa.string())
    offsets, text = text_buffers(array, fold=False)
    if text.size == 0:
        return array
    filled = np.diff(offsets) > 0
    first = text[np.minimum(offsets[:-1], text.size - 1)]
    risky = filled & np.isin(first, _FORMULA_BYTES)
    if not risky.any():
        return array
    marked = pc.binary_join_element_wise("'", array, "")
    return pc.if_else(pa.array(risky), marked, array)


class _ParquetWriter:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._writer: Any = None

    def write(self, table: pa.Table) -> None:
        if self._writer is None:
            self._writer = pq.ParquetWriter(self._path, table.schema)
        self._writer.write_table(table.cast(self._writer.schema))

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()


class _SheetWriter:
    """Streams rows to a single sheet; a sheet has room for 1,048,575 rows below its heading."""

    def __init__(self, path: Path, name: str) -> None:
        import openpyxl
        from openpyxl.cell import WriteOnlyCell

        self._path = path
        self._name = name
        self._cell = WriteOnlyCell
        self._book = openpyxl.Workbook(write_only=True)
        self._sheet = self._book.create_sheet("数据")
        self._sheet.freeze_panes = "A2"
        self._rows = 0

    def write(self, table: pa.Table) -> None:
        if self._rows == 0:
            self._sheet.append([self._shown(name) for name in table.column_names])
            self._rows = 1
        if self._rows + table.num_rows > _SHEET_ROWS:
            mend = "改用 .csv 或 .parquet"
            raise InputError(
                f"{self._name} 放不下", [Fault(self._name, "超过 Excel 的行数上限", mend=mend)]
            )
        columns = [column.to_pylist() for column in table.columns]
        for row in zip(*columns, strict=True):
            self._sheet.append([self._shown(value) for value in row])
        self._rows += table.num_rows

    def _shown(self, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        cell = self._cell(self._sheet, value=_printable(value))
        cell.data_type = "s"
        return cell

    def close(self) -> None:
        self._book.save(self._path)


def _printable(text: str) -> str:
    """Text without the control characters that a workbook cannot hold."""
    return "".join(sign for sign in text if sign >= " " or sign in "\t\n\r")
