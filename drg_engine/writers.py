"""Writing tables by suffix (CSV, Excel, Parquet), part by part, aside and then renamed."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv

from drg_engine.codes import text_buffers
from drg_engine.errors import Fault, InputError
from drg_engine.files import plain_text, written_aside

__all__ = ["TableWriter", "check_suffix", "open_writer", "write_table"]

_SUFFIXES = (".csv", ".xlsx", ".parquet")
_STARTS_FORMULA = np.isin(np.arange(256), list(b"=+-@\t\r"))
_CSV_BATCH = 1 << 16
_STAMP = datetime(2000, 1, 1)
"""The moment written into workbooks, so that the same table gives the same bytes."""
_SHEET_ROWS = 1_048_576
_NOT_IN_XML = dict.fromkeys([*range(9), 11, 12, *range(14, 32), 0xFFFE, 0xFFFF])
_BOM = b"\xef\xbb\xbf"


class TableWriter(Protocol):
    """Takes a table's parts in order; all must have the same columns."""

    def write(self, table: pa.Table) -> None:
        """Append rows."""


def check_suffix(path: Path) -> None:
    """Raise InputError unless the suffix is one that can be written and no folder is there."""
    if path.is_dir():
        fault = Fault(path.name, "这是文件夹", mend="给出文件名")
        raise InputError(f"写不进 {path}", [fault])
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
    with _told(path), written_aside(path) as aside:
        kind = path.suffix.lower()
        writer: Any
        if kind == ".csv":
            writer = _CsvWriter(aside, bom)
        elif kind == ".parquet":
            writer = _ParquetWriter(aside)
        else:
            writer = _SheetWriter(aside, path.name)
        try:
            yield _Telling(writer, path)
        finally:
            writer.close()


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """Tell in words where the system does not let a file be written."""
    try:
        yield
    except OSError as error:
        mend = "检查文件夹是否存在、可写，磁盘是否已满，文件是否正被 Excel 打开"
        raise InputError(
            f"写不进 {path}", [Fault(path.name, "系统不让写", found=error.strerror, mend=mend)]
        ) from error


class _Telling:
    """A writer whose failures name its own file, wherever several are open."""

    def __init__(self, writer: TableWriter, path: Path) -> None:
        self._writer = writer
        self._path = path

    def write(self, table: pa.Table) -> None:
        with _told(self._path):
            self._writer.write(table)


def write_table(path: Path, table: pa.Table, *, bom: bool = False) -> None:
    """Write one whole table by its suffix."""
    with open_writer(path, bom=bom) as writer:
        writer.write(table)


class _CsvWriter:
    """Quotes text only in the parts where some of it needs quotes."""

    def __init__(self, path: Path, bom: bool) -> None:
        self._sink = path.open("wb")
        if bom:
            self._sink.write(_BOM)
        self._begun = False

    def write(self, table: pa.Table) -> None:
        columns = [_safe(column) for column in table.columns]
        if not self._begun:
            self._write_headings([plain_text(name) for name in table.column_names])
            self._begun = True
        style = "needed" if any(_needs_quotes(column) for column in columns) else "none"
        options = pacsv.WriteOptions(
            include_header=False, quoting_style=style, batch_size=_CSV_BATCH
        )
        texts = [
            column.dictionary.take(column.indices)
            if pa.types.is_dictionary(column.type)
            else column
            for column in columns
        ]
        pacsv.write_csv(pa.table(texts, names=table.column_names), self._sink, options)

    def _write_headings(self, names: list[str]) -> None:
        line = io.StringIO()
        csv.writer(line, lineterminator="\n").writerow(names)
        self._sink.write(line.getvalue().encode())

    def close(self) -> None:
        self._sink.close()


def _needs_quotes(column: pa.Array) -> bool:
    """Whether some text holds a separator, a quote or a line break."""
    text = column.dictionary if pa.types.is_dictionary(column.type) else column
    if not (pa.types.is_string(text.type) or pa.types.is_large_string(text.type)):
        return False
    _, data = text_buffers(text, fold=False)
    return any(bool((data == sign).any()) for sign in b',"\n\r')


def _safe(column: pa.ChunkedArray) -> pa.Array:
    """Text with an apostrophe before what would be read as a formula."""
    array = column.combine_chunks()
    if isinstance(array, pa.ChunkedArray):
        array = pa.concat_arrays(array.chunks)
    if pa.types.is_dictionary(array.type):
        values = _safe_text(array.dictionary.cast(pa.string()))
        return pa.DictionaryArray.from_arrays(array.indices, values)
    is_text = pa.types.is_string(array.type) or pa.types.is_large_string(array.type)
    return _safe_text(array) if is_text else array


def _safe_text(array: pa.Array) -> pa.Array:
    array = array.cast(pa.string())
    offsets, text = text_buffers(array, fold=False)
    if text.size == 0:
        return array
    filled = np.diff(offsets) > 0
    first = text[np.minimum(offsets[:-1], text.size - 1)]
    risky = filled & _STARTS_FORMULA[first]
    if not risky.any():
        return array
    marked = pc.binary_join_element_wise("'", array, "")
    return pc.if_else(pa.array(risky), marked, array)


def _decoded(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Text as such, where it came as a dictionary."""
    return column.cast(pa.string()) if pa.types.is_dictionary(column.type) else column


class _ParquetWriter:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._writer: Any = None

    def write(self, table: pa.Table) -> None:
        plain = pa.Table.from_arrays(
            [_decoded(column) for column in table.columns], names=table.column_names
        )
        if self._writer is None:
            import pyarrow.parquet as pq

            self._writer = pq.ParquetWriter(self._path, plain.schema)
        self._writer.write_table(plain.cast(self._writer.schema))

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
        from drg_engine.workbook_bytes import save_same_bytes

        save_same_bytes(self._book, self._path, _STAMP)


def _printable(text: str) -> str:
    """Text without the characters that a workbook cannot hold."""
    return text.translate(_NOT_IN_XML)
