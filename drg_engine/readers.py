"""Reading tables of text from CSV, Excel and Parquet files in bounded parts, hostile ones included.

Every cell leaves here as text; nothing is interpreted.  Each part says which row of the file each
of its rows was (the heading is row 1).
"""

from __future__ import annotations

import codecs
import csv
import datetime as dt
import io
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from drg_engine.errors import Fault, InputError

__all__ = ["BadRow", "TextPart", "TextTable", "open_table", "read_text_table", "text_column"]

BLOCK_BYTES = 1 << 24
PARQUET_ROWS = 1 << 17
_SNIFF_BYTES = 1 << 16
_LARGEST_ARCHIVE = 2 << 30
_LARGEST_RATIO = 300
_RATIO_MATTERS = 64 << 20
_DELIMITERS = (",", "\t", ";")
_UNREADABLE = (OSError, ValueError, KeyError, RuntimeError)


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

    ``bad_rows`` fills up while the parts are read.
    """

    file: str
    headings: tuple[str, ...]
    parts: Iterator[TextPart]
    bad_rows: list[BadRow] = field(default_factory=list)


def open_table(path: Path, *, sheet: str | None = None) -> TextTable:
    """Open a CSV (.csv, .txt, .tsv), Excel (.xlsx, .xls, .xlsm, .ods) or Parquet file by suffix.

    Raises InputError where the file is missing, empty, damaged, dangerous or of no known kind.
    """
    if not path.is_file():
        raise InputError(f"找不到文件：{path}", [Fault(path.name, "没有这个文件", mend="检查路径")])
    suffix = path.suffix.lower()
    if suffix in (".csv", ".txt", ".tsv"):
        return _open_csv(path)
    if suffix in (".xlsx", ".xlsm", ".xls", ".ods", ".xlsb"):
        return _open_workbook(path, sheet)
    if suffix in (".parquet", ".pq"):
        return _open_parquet(path)
    raise InputError(
        f"{path.name}：不认识这种文件",
        [Fault(path.name, "可用 .csv、.xlsx、.parquet", found=suffix)],
    )


def read_text_table(path: Path, *, sheet: str | None = None) -> tuple[pa.Table, TextTable]:
    """Read a whole file as one table of text columns, with what was opened (for its bad rows)."""
    source = open_table(path, sheet=sheet)
    tables = [part.table for part in source.parts]
    schema = pa.schema([(name, pa.string()) for name in source.headings])
    whole = pa.concat_tables(tables) if tables else schema.empty_table()
    return whole.combine_chunks(), source


def text_column(column: pa.ChunkedArray | pa.Array) -> pa.Array:
    """A column as text, or as a dictionary of text; whole numbers lose their ``.0``."""
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if isinstance(array, pa.ChunkedArray):
        array = pa.concat_arrays(array.chunks)
    kind = array.type
    if pa.types.is_dictionary(kind):
        return array
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return array
    if pa.types.is_floating(kind) and len(array):
        whole = pc.fill_null(pc.equal(pc.floor(array), array), True)
        if pc.all(whole).as_py():
            return pc.cast(pc.cast(array, pa.int64()), pa.string())
    return pc.cast(array, pa.string())


def _open_csv(path: Path) -> TextTable:
    encoding = _encoding(path)
    delimiter = _delimiter(path, encoding)
    bad: list[BadRow] = []
    met: list[int] = []

    def on_bad_row(row: Any) -> str:
        met.append(row.number or 0)
        found = (row.text or "")[:80]
        message = f"应有 {row.expected_columns} 列，实有 {row.actual_columns} 列"
        bad.append(BadRow(row.number or 0, found, message))
        return "skip"

    headings = _csv_headings(path, encoding, delimiter)
    try:
        stream = pacsv.open_csv(
            path,
            read_options=pacsv.ReadOptions(
                encoding=encoding,
                block_size=BLOCK_BYTES,
                use_threads=False,
                column_names=[str(place) for place in range(len(headings))],
                skip_rows=0,
                skip_rows_after_names=1,
            ),
            parse_options=pacsv.ParseOptions(
                delimiter=delimiter, newlines_in_values=True, invalid_row_handler=on_bad_row
            ),
            convert_options=pacsv.ConvertOptions(
                column_types={str(place): pa.string() for place in range(len(headings))},
                strings_can_be_null=False,
            ),
        )
    except (pa.ArrowInvalid, UnicodeError) as error:
        raise _csv_error(path, error) from error
    return TextTable(path.name, headings, _csv_parts(path, stream, headings, met), bad)


def _csv_parts(
    path: Path, stream: Any, headings: tuple[str, ...], bad_rows: list[int]
) -> Iterator[TextPart]:
    """Parts of a CSV stream; rows are counted past those that were passed over."""
    next_row = 2
    passed = 0
    try:
        for batch in stream:
            table = pa.table(batch.columns, names=list(headings))
            skipped = bad_rows[passed:]
            passed += len(skipped)
            count = table.num_rows + len(skipped)
            rows = np.arange(next_row, next_row + count, dtype=np.int64)
            if skipped:
                rows = rows[~np.isin(rows, np.array(skipped))][: table.num_rows]
            next_row += count
            yield TextPart(table, rows)
    except (pa.ArrowInvalid, UnicodeError) as error:
        raise _csv_error(path, error) from error


def _encoding(path: Path) -> str:
    """utf-8 or gb18030, whichever reads the whole file; a byte-order mark is allowed.

    Raises InputError for an empty file, another kind of file, or bytes that are neither.
    """
    with path.open("rb") as stream:
        start = stream.read(_SNIFF_BYTES)
    if not start.strip():
        raise InputError(
            f"{path.name} 是空文件", [Fault(path.name, "文件里没有内容", mend="重新导出")]
        )
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        mend = "在 Excel 中另存为“CSV UTF-8（逗号分隔）”"
        raise InputError(f"{path.name} 不能读", [Fault(path.name, "编码是 UTF-16", mend=mend)])
    if b"\0" in start or start.startswith(b"PK\x03\x04"):
        mend = "若是 Excel 文件，请把扩展名改为 .xlsx；否则重新导出为 CSV"
        raise InputError(f"{path.name} 不能读", [Fault(path.name, "不是文本文件", mend=mend)])
    bad_line = _first_bad_line(path, "utf-8")
    if bad_line is None:
        return "utf-8"
    if _first_bad_line(path, "gb18030") is None:
        return "gb18030"
    mend = "同一文件里混有不同编码，请用一种编码（UTF-8 或 GB18030）重新导出"
    raise InputError(
        f"{path.name} 的编码不能识别",
        [Fault(path.name, "既不是 UTF-8 也不是 GB18030", row=bad_line, mend=mend)],
    )


def _first_bad_line(path: Path, encoding: str) -> int | None:
    """Number of the first line that is not in the encoding, or None."""
    decoder = codecs.getincrementaldecoder(encoding)()
    line = 1
    with path.open("rb") as stream:
        while chunk := stream.read(1 << 22):
            if not chunk.isascii() or decoder.getstate()[0]:
                try:
                    decoder.decode(chunk)
                except UnicodeDecodeError as error:
                    return line + chunk[: max(0, error.start)].count(b"\n")
            line += chunk.count(b"\n")
    try:
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return line
    return None


def _first_line(path: Path, encoding: str) -> str:
    with path.open("rb") as stream:
        start = stream.read(_SNIFF_BYTES)
    text = start.decode("utf-8-sig" if encoding == "utf-8" else encoding, errors="ignore")
    return text.lstrip("\r\n")


def _delimiter(path: Path, encoding: str) -> str:
    """Comma, tab or semicolon: the one that cuts the heading into the most columns."""
    heading = _first_line(path, encoding).splitlines()[0]
    return max(_DELIMITERS, key=lambda sign: (heading.count(sign), -_DELIMITERS.index(sign)))


def _csv_headings(path: Path, encoding: str, delimiter: str) -> tuple[str, ...]:
    try:
        cells = next(csv.reader(io.StringIO(_first_line(path, encoding)), delimiter=delimiter))
    except csv.Error as error:
        raise InputError(
            f"{path.name} 的表头读不出来", [Fault(path.name, str(error), row=1)]
        ) from error
    return tuple(cell.strip() for cell in cells)


def _csv_error(path: Path, error: Exception) -> InputError:
    text = str(error)
    if "straddl" in text:
        limit = BLOCK_BYTES >> 20
        message = f"有一行超过 {limit} MB（多半是引号没有配对，或单元格里粘进了大段内容）"
        mend = "找到该行，补上引号或删去多余内容"
    elif "UTF8" in text or "utf-8" in text or isinstance(error, UnicodeError):
        message, mend = "混有别的编码", "用一种编码（UTF-8 或 GB18030）重新导出"
    else:
        message, mend = "不是完整的 CSV", "用 Excel 打开检查后另存为 CSV"
    return InputError(
        f"{path.name} 读不下去", [Fault(path.name, message, found=text[:120], mend=mend)]
    )


def _check_archive(path: Path) -> None:
    """Refuse a workbook whose archive is damaged or unfolds beyond reason."""
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        mend = "文件可能没有传完整，请重新导出或重新复制"
        raise InputError(
            f"{path.name} 打不开", [Fault(path.name, "Excel 文件已损坏或被截断", mend=mend)]
        ) from error
    unfolded = sum(entry.file_size for entry in entries)
    folded = max(1, path.stat().st_size)
    if unfolded > _LARGEST_ARCHIVE or (
        unfolded > _RATIO_MATTERS and unfolded / folded > _LARGEST_RATIO
    ):
        found = f"{unfolded >> 20} MB，压缩前后相差 {unfolded // folded} 倍"
        mend = "来历不明的文件不要打开；确为业务数据请改存为 CSV"
        raise InputError(
            f"{path.name} 展开后过大，拒绝读取",
            [Fault(path.name, "压缩包展开后过大", found=found, mend=mend)],
        )


def _open_workbook(path: Path, sheet: str | None) -> TextTable:
    import python_calamine

    if path.stat().st_size == 0:
        raise InputError(
            f"{path.name} 是空文件", [Fault(path.name, "文件里没有内容", mend="重新导出")]
        )
    if path.suffix.lower() != ".xls":
        _check_archive(path)
    try:
        book = python_calamine.CalamineWorkbook.from_path(str(path))
        names = book.sheet_names
        if sheet is not None and sheet not in names:
            raise InputError(
                f"{path.name} 里没有工作表 {sheet}",
                [Fault(path.name, "没有这张工作表", found=sheet, mend="、".join(names))],
            )
        rows = book.get_sheet_by_name(sheet or names[0]).to_python(skip_empty_area=False)
    except InputError:
        raise
    except (*_UNREADABLE, python_calamine.CalamineError, IndexError) as error:
        mend = "文件可能没有传完整，请重新导出或重新复制"
        raise InputError(
            f"{path.name} 打不开",
            [Fault(path.name, "Excel 文件读不出来", found=str(error)[:120], mend=mend)],
        ) from error
    return _sheet_table(path, rows)


def _sheet_table(path: Path, rows: Sequence[Sequence[Any]]) -> TextTable:
    filled = [i for i, row in enumerate(rows) if any(cell not in ("", None) for cell in row)]
    if not filled:
        raise InputError(
            f"{path.name} 的工作表是空的", [Fault(path.name, "没有内容", mend="重新导出")]
        )
    headings = [_cell_text(cell) for cell in rows[filled[0]]]
    while headings and not headings[-1]:
        headings.pop()
    body = filled[1:]
    columns = [
        pa.array([_cell_text(rows[i][place]) for i in body], pa.string())
        for place in range(len(headings))
    ]
    table = pa.table(columns, names=headings)
    part = TextPart(table, np.array(body, dtype=np.int64) + 1)
    return TextTable(path.name, tuple(headings), iter([part]))


def _cell_text(cell: Any) -> str:
    """A cell as a person sees it: whole numbers without ``.0``, dates as 2026-10-01."""
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return "1" if cell else "0"
    if isinstance(cell, float):
        return str(int(cell)) if cell.is_integer() and abs(cell) < 1e15 else repr(cell)
    if isinstance(cell, dt.datetime) and cell.time() == dt.time():
        return cell.date().isoformat()
    return str(cell).strip()


def _open_parquet(path: Path) -> TextTable:
    try:
        source = pq.ParquetFile(path)
        headings = tuple(str(name) for name in source.schema_arrow.names)
    except (*_UNREADABLE, pa.ArrowException) as error:
        mend = "文件可能没有传完整，请重新导出"
        raise InputError(
            f"{path.name} 打不开",
            [Fault(path.name, "Parquet 文件读不出来", found=str(error)[:120], mend=mend)],
        ) from error
    return TextTable(path.name, headings, _parquet_parts(path, source, headings))


def _parquet_parts(
    path: Path, source: pq.ParquetFile, headings: tuple[str, ...]
) -> Iterator[TextPart]:
    row = 2
    try:
        for batch in source.iter_batches(batch_size=PARQUET_ROWS):
            table = pa.table([text_column(column) for column in batch.columns], list(headings))
            yield TextPart(table, np.arange(row, row + table.num_rows, dtype=np.int64))
            row += table.num_rows
    except (*_UNREADABLE, pa.ArrowException) as error:
        raise InputError(
            f"{path.name} 读不下去",
            [Fault(path.name, "Parquet 文件已损坏", found=str(error)[:120], mend="请重新导出")],
        ) from error
