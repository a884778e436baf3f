"""Reading tables of text from CSV, Excel and Parquet files in bounded parts, hostile ones included.

Every cell leaves here as text; nothing is interpreted.  Each part says which row of the file each
of its rows was (the heading is row 1).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from drg_engine.csv_files import open_csv
from drg_engine.errors import Fault, InputError
from drg_engine.text_tables import BadRow, TextPart, TextTable
from drg_engine.workbook_files import open_workbook

__all__ = ["BadRow", "TextPart", "TextTable", "open_table", "read_text_table", "text_column"]

PARQUET_ROWS = 1 << 17
_WHOLE_FLOATS = 2.0**53
_UNREADABLE = (OSError, ValueError, KeyError, RuntimeError, pa.ArrowException)


def open_table(path: Path, *, sheet: str | None = None) -> TextTable:
    """Open a CSV, Excel, Parquet or JSON (settlement lists) file by its suffix.

    Raises InputError where the file is missing, empty, damaged, dangerous or of no known kind.
    """
    try:
        return _open_by_suffix(path, sheet)
    except OSError as error:
        raise InputError(
            f"{path.name} 打不开",
            [Fault(path.name, "系统不让读", found=str(error)[:120], mend="检查路径和权限")],
        ) from error


def _open_by_suffix(path: Path, sheet: str | None) -> TextTable:
    if path.is_dir():
        fault = Fault(path.name, "这是文件夹，不是文件", mend="给出其中的文件")
        raise InputError(f"{path} 不能读", [fault])
    if not path.is_file():
        raise InputError(f"找不到文件：{path}", [Fault(path.name, "没有这个文件", mend="检查路径")])
    suffix = path.suffix.lower()
    if suffix in (".csv", ".txt", ".tsv"):
        return open_csv(path)
    if suffix in (".xlsx", ".xlsm", ".xls", ".ods", ".xlsb"):
        return open_workbook(path, sheet)
    if suffix in (".parquet", ".pq"):
        return _open_parquet(path)
    if suffix in (".json", ".jsonl"):
        from drg_engine.settlement_lists import open_settlement_lists

        return open_settlement_lists(path)
    raise InputError(
        f"{path.name}：不认识这种文件",
        [Fault(path.name, "可用 .csv、.xlsx、.parquet、.json", found=suffix or "没有扩展名")],
    )


def read_text_table(path: Path, *, sheet: str | None = None) -> tuple[pa.Table, TextTable]:
    """Read a whole file as one table of text columns, with what was opened (for its bad rows)."""
    source = open_table(path, sheet=sheet)
    tables = [part.table for part in source.parts]
    schema = pa.schema([(name, pa.string()) for name in source.headings])
    whole = pa.concat_tables(tables) if tables else schema.empty_table()
    return whole.combine_chunks(), source


def text_column(column: pa.ChunkedArray | pa.Array) -> pa.Array:
    """A column as text, or as a dictionary of text; whole numbers lose their ``.0``.

    Raises ArrowException where it is no text, or text that is not UTF-8.
    """
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if isinstance(array, pa.ChunkedArray):
        array = pa.concat_arrays(array.chunks)
    kind = array.type
    is_text = pa.types.is_string(kind) or pa.types.is_large_string(kind)
    if is_text or pa.types.is_dictionary(kind):
        array.validate(full=True)
        return array
    if pa.types.is_floating(kind) and len(array):
        array = pc.if_else(pc.is_nan(array), pa.scalar(None, kind), array)
        small = pc.less(pc.abs(array), _WHOLE_FLOATS)
        whole = pc.and_(small, pc.equal(pc.floor(array), array))
        if pc.all(pc.fill_null(whole, True)).as_py():
            return pc.cast(pc.cast(array, pa.int64()), pa.string())
    return pc.cast(array, pa.string())


def _open_parquet(path: Path) -> TextTable:
    try:
        import pyarrow.parquet as pq

        source = pq.ParquetFile(path)
        headings = tuple(str(name) for name in source.schema_arrow.names)
    except _UNREADABLE as error:
        mend = "文件可能没有传完整，请重新导出"
        raise InputError(
            f"{path.name} 打不开",
            [Fault(path.name, "Parquet 文件读不出来", found=str(error)[:120], mend=mend)],
        ) from error
    rows = int(source.metadata.num_rows)
    return TextTable(path.name, headings, _parquet_parts(path, source, headings), most_rows=rows)


def _parquet_parts(path: Path, source: Any, headings: tuple[str, ...]) -> Iterator[TextPart]:
    row = 2
    try:
        for batch in source.iter_batches(batch_size=PARQUET_ROWS):
            table = pa.table([text_column(column) for column in batch.columns], list(headings))
            yield TextPart(table, np.arange(row, row + table.num_rows, dtype=np.int64))
            row += table.num_rows
    except _UNREADABLE as error:
        raise InputError(
            f"{path.name} 读不下去",
            [Fault(path.name, "Parquet 文件已损坏", found=str(error)[:120], mend="请重新导出")],
        ) from error
