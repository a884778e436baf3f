"""Opening CSV files: encoding, delimiter, headings, quotes, and rows that are no rows.

Every way in which a file may not be the table it should be is told in words, with the row.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv

from drg_engine.errors import Fault, InputError
from drg_engine.text_tables import BadRow, TextPart, TextTable, gathered, named

__all__ = ["open_csv"]

BLOCK_BYTES = 1 << 21
PART_ROWS = 1 << 16
_SNIFF_BYTES = 1 << 16
_SURVEY_BYTES = 1 << 19
_FEWEST_BYTES = 10
"""Bytes of the shortest row that is likely to come often."""
_QUOTE = ord('"')
_NOT_FIRST, *_LEADS = 0x80, 0xC0, 0xE0, 0xF0
"""Bytes of UTF-8 from which on they are not ASCII, and first of two, three and four."""
_DELIMITERS = (",", "\t", ";")
_UTF8_HANZI = re.compile(rb"(?<![\x80-\xff])(?:[\xe4-\xe9][\x80-\xbf]{2}){2,}(?![\x80-\xff])")
_NOT_ASCII = re.compile(rb"[\x80-\xff]+")


def open_csv(path: Path, headings: tuple[str, ...] | None = None) -> TextTable:
    """Open a CSV file in UTF-8 or GB18030.  Raises InputError where it is not one.

    headings: names of the columns of a file that has none of its own.
    """
    encoding, quotes = _encoding(path)
    start = _csv_start(path, encoding)
    body = start.lstrip("\r\n")
    blank_lines = len(start[: len(start) - len(body)].replace("\r\n", "\n"))
    delimiter = _delimiter(body)
    heading_rows = 0 if headings else 1
    headings = headings or _csv_headings(path, body, delimiter)
    if heading_rows and "\n" not in body and "\r" not in body:
        return TextTable(path.name, headings, iter(()))
    if quotes % 2 == 1:
        _check_quotes(path, encoding, delimiter)
    bad: list[BadRow] = []
    swallowed: list[int] = []
    separators = len(headings) - 1

    def on_bad_row(row: Any) -> str:
        text = row.text or ""
        if _holds_rows(text, delimiter, separators):
            swallowed.append(row.number)
        message = f"应有 {row.expected_columns} 列，实有 {row.actual_columns} 列"
        bad.append(BadRow(row.number, text[:80], message))
        return "skip"

    try:
        stream = pacsv.open_csv(
            path,
            read_options=pacsv.ReadOptions(
                encoding=encoding,
                block_size=BLOCK_BYTES,
                use_threads=False,
                column_names=[str(place) for place in range(len(headings))],
                skip_rows=0,
                skip_rows_after_names=blank_lines + heading_rows,
            ),
            parse_options=pacsv.ParseOptions(
                delimiter=delimiter,
                newlines_in_values=True,
                ignore_empty_lines=False,
                invalid_row_handler=on_bad_row,
            ),
            convert_options=pacsv.ConvertOptions(
                column_types={str(place): pa.string() for place in range(len(headings))},
                strings_can_be_null=False,
            ),
        )
    except (pa.ArrowInvalid, UnicodeError) as error:
        raise _csv_error(path, error) from error
    most_rows = path.stat().st_size // _FEWEST_BYTES
    source = TextTable(path.name, headings, iter(()), bad, most_rows)
    first_row = blank_lines + heading_rows + 1
    parts = _csv_parts(path, stream, source, (delimiter, first_row, swallowed))
    source.parts = gathered(parts, PART_ROWS)
    return source


def _csv_parts(
    path: Path, stream: Any, source: TextTable, layout: tuple[str, int, list[int]]
) -> Iterator[TextPart]:
    """Parts of a CSV stream without its blank rows; ``layout`` is delimiter, first row, swallowed.

    The parser may be ahead of the part it gives, so the numbers of all bad rows met are passed
    over, wherever they stand.  Raises InputError where a cell or bad row holds whole rows.
    """
    delimiter, row, swallowed = layout
    passed = 0
    try:
        for batch in stream:
            table = pa.table(batch.columns, names=list(source.headings))
            while passed < len(source.bad_rows) and source.bad_rows[passed].row < row:
                passed += 1
            bad = np.array([one.row for one in source.bad_rows[passed:]], dtype=np.int64)
            rows = np.arange(row, row + table.num_rows + len(bad), dtype=np.int64)
            rows = rows[~np.isin(rows, bad)][: table.num_rows]
            row = int(rows[-1]) + 1 if len(rows) else row
            swallowed.extend(_swallowing_rows(table, rows, delimiter))
            if swallowed:
                raise _unpaired(path, min(swallowed))
            yield _without_blank_rows(table, rows)
    except (pa.ArrowInvalid, UnicodeError) as error:
        raise _csv_error(path, error) from error
    if swallowed:
        raise _unpaired(path, min(swallowed))


def _holds_rows(text: str, delimiter: str, separators: int) -> bool:
    """Whether a later line of ``text`` has the separators of a whole row: a quote ran over it.

    One separator would be too weak a sign.
    """
    return separators > 1 and any(
        line.count(delimiter) >= separators for line in text.split("\n")[1:]
    )


def _swallowing_rows(table: pa.Table, rows: npt.NDArray[np.int64], delimiter: str) -> list[int]:
    """Numbers of the rows with a cell that holds whole rows."""
    found: list[int] = []
    separators = table.num_columns - 1
    for column in table.columns:
        for place in _multi_line(column):
            if _holds_rows(column[place].as_py(), delimiter, separators):
                found.append(int(rows[place]))
    return found


def _multi_line(column: pa.ChunkedArray) -> list[int]:
    """Places of the cells that hold a line break; the bytes are looked through first."""
    data = [chunk.buffers()[2] for chunk in column.chunks]
    if not any(buffer is not None and re.search(b"\n", buffer) for buffer in data):
        return []
    return [int(at) for at in np.flatnonzero(np.asarray(pc.match_substring(column, "\n")))]


def _without_blank_rows(table: pa.Table, rows: npt.NDArray[np.int64]) -> TextPart:
    """The part without rows that have nothing in any cell."""
    blank = np.ones(len(rows), dtype=np.bool_)
    for column in table.columns:
        blank &= np.asarray(pc.equal(column, ""))
        if not blank.any():
            return TextPart(table, rows)
    return TextPart(table.filter(pa.array(~blank)), rows[~blank])


def _check_quotes(path: Path, encoding: str, delimiter: str) -> None:
    """Raise InputError with the row where a quoted cell does not end."""
    whole = 0
    with path.open(encoding=encoding, newline="") as stream:
        try:
            for _ in csv.reader(stream, delimiter=delimiter, strict=True):
                whole += 1
        except csv.Error as error:
            raise _unpaired(path, whole + 1) from error


def _unpaired(path: Path, row: int) -> InputError:
    mend = "补上该行的引号，或删去多余的引号"
    return InputError(
        f"{path.name} 读不下去",
        [Fault(path.name, "引号没有配对，后面的行会被并入这一行", row=row, mend=mend)],
    )


def _encoding(path: Path) -> tuple[str, int]:
    """utf-8 or gb18030, whichever reads the whole file, and how many quotes there are.

    A byte-order mark is allowed.
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
    good, quotes = _utf8(path)
    bad = None if good else _first_bad(path, "utf-8")
    if bad is None:
        return "utf-8", quotes
    mend = "同一文件里混有不同编码，请用一种编码（UTF-8 或 GB18030）重新导出"
    bad_line = _line_at(path, bad)
    if _first_bad(path, "gb18030") is None:
        if not _holds_utf8(path):
            return "gb18030", quotes
        raise InputError(
            f"{path.name} 的编码不能识别",
            [Fault(path.name, "一部分是 UTF-8，一部分是 GB18030", row=bad_line, mend=mend)],
        )
    raise InputError(
        f"{path.name} 的编码不能识别",
        [Fault(path.name, "既不是 UTF-8 也不是 GB18030", row=bad_line, mend=mend)],
    )


def _holds_utf8(path: Path) -> bool:
    """Whether a file that reads as GB18030 has words in UTF-8 at its beginning or its end.

    Chinese words in UTF-8 often pass for GB18030 and come out as other characters; words in GB18030
    hardly ever pass for UTF-8.
    """
    size = 1 << 20
    with path.open("rb") as stream:
        sample = stream.read(size)
        stream.seek(max(size, path.stat().st_size - size))
        sample += stream.read(size)
    words = len(_NOT_ASCII.findall(sample))
    return len(_UTF8_HANZI.findall(sample)) * 50 > words


def _utf8(path: Path) -> tuple[bool, int]:
    """Whether the whole file is UTF-8, and how many quotes there are.

    One pass, in pieces that stay in the processor's cache.  Arrow's check is many times faster than
    Python's decoder, and leaves other threads to their work.
    """
    good, quotes, held = True, 0, 0
    piece = bytearray(_SURVEY_BYTES)
    with path.open("rb", buffering=0) as stream:
        while read := stream.readinto(memoryview(piece)[held:]):
            letters = np.frombuffer(piece, dtype=np.uint8, count=held + read)
            quotes += int(np.count_nonzero(letters[held:] == _QUOTE))
            whole = _whole_letters(letters)
            good = good and _is_utf8(letters[:whole])
            held = len(letters) - whole
            piece[:held] = letters[whole:].tobytes()
    return good and not held, quotes


def _whole_letters(letters: npt.NDArray[np.uint8]) -> int:
    """How many bytes there are up to the last character that UTF-8 does not cut in two."""
    for back, byte in enumerate(reversed(letters[-3:].tolist()), 1):
        if byte >= _LEADS[0]:
            wanted = 2 + (byte >= _LEADS[1]) + (byte >= _LEADS[2])
            return len(letters) - back if wanted > back else len(letters)
        if byte < _NOT_FIRST:
            break
    return len(letters)


def _is_utf8(letters: npt.NDArray[np.uint8]) -> bool:
    ends = pa.py_buffer(np.array([0, len(letters)], dtype=np.int32))
    text = pa.Array.from_buffers(pa.string(), 1, [None, ends, pa.py_buffer(letters)])
    try:
        text.validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


def _first_bad(path: Path, encoding: str) -> int | None:
    """Place of the first byte that is not in the encoding, or None."""
    decoder = codecs.getincrementaldecoder(encoding)()
    place = 0
    with path.open("rb", buffering=0) as stream:
        while chunk := stream.read(_SURVEY_BYTES):
            try:
                decoder.decode(chunk)
            except UnicodeDecodeError as error:
                return place + max(0, error.start)
            place += len(chunk)
    try:
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return place
    return None


def _line_at(path: Path, place: int) -> int:
    """Number of the line in which the byte at ``place`` stands."""
    line = 1
    with path.open("rb") as stream:
        while place > 0 and (chunk := stream.read(min(place, _SURVEY_BYTES))):
            line += chunk.count(b"\n")
            place -= len(chunk)
    return line


def _csv_start(path: Path, encoding: str) -> str:
    """The first characters of the file, without a byte-order mark.  Raises InputError for none."""
    with path.open("rb") as stream:
        start = stream.read(_SNIFF_BYTES)
    text = start.decode(encoding, errors="ignore").removeprefix("\ufeff")
    if not text.strip():
        raise InputError(
            f"{path.name} 是空文件", [Fault(path.name, "文件里没有内容", mend="重新导出")]
        )
    return text


def _delimiter(text: str) -> str:
    """Comma, tab or semicolon: the one that cuts the heading into the most columns."""
    heading = text.splitlines()[0]
    return max(_DELIMITERS, key=lambda sign: (heading.count(sign), -_DELIMITERS.index(sign)))


def _csv_headings(path: Path, text: str, delimiter: str) -> tuple[str, ...]:
    reader = csv.reader(io.StringIO(text, newline=None), delimiter=delimiter)
    try:
        cells = next(reader)
        cut_off = path.stat().st_size > _SNIFF_BYTES and next(reader, None) is None
    except csv.Error as error:
        raise InputError(
            f"{path.name} 的表头读不出来", [Fault(path.name, str(error), row=1)]
        ) from error
    if cut_off:
        message = f"表头超过 {_SNIFF_BYTES >> 10} KB（多半是引号没有配对，或没有表头）"
        raise InputError(f"{path.name} 的表头读不出来", [Fault(path.name, message, row=1)])
    return named([cell.strip() for cell in cells])


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
