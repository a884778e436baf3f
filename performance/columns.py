"""Text columns to exact numbers: the one door through which table and charge files enter.

Every number in a file is decimal text.  It becomes an int64 count of a fixed small unit (fen,
ten-thousandths) without passing through a float, so sums are exact and the order of rows does not
matter.  Work is done on the distinct texts of a column, never row by row.
"""

from __future__ import annotations

import datetime as dt
import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from drg_engine import readers
from drg_engine.errors import Fault, InputError
from performance.sheet_hints import heading_below

__all__ = [
    "NO_DATE",
    "Coded",
    "Opened",
    "coded",
    "columns_of",
    "dates",
    "days_of",
    "find_columns",
    "fixed",
    "likely",
    "nearest",
    "open_table",
]

Ints = npt.NDArray[np.int64]
Codes = npt.NDArray[np.int32]
Mask = npt.NDArray[np.bool_]

NO_DATE = int(np.iinfo(np.int32).min)
"""Stands for a date that is missing."""

_EPOCH = dt.date(1970, 1, 1).toordinal()
_DATE = re.compile(r"(\d{4})[-/.年](\d{1,2})[-/.月](\d{1,2})日?|(\d{4})(\d{2})(\d{2})")


@dataclass(frozen=True, slots=True)
class Coded:
    """A text column as codes (int32, n) into trimmed texts (an Arrow array); '' is a blank cell.

    Texts may repeat in ``dictionary``; what counts is the text, not its code.
    """

    codes: Codes
    dictionary: pa.Array

    @property
    def values(self) -> tuple[str, ...]:
        """The texts that the codes stand for."""
        return tuple(self.dictionary.to_pylist())

    @classmethod
    def same(cls, text: str, n: int) -> Coded:
        """One text n times."""
        return cls(np.zeros(n, dtype=np.int32), pa.array([text]))

    def take(self, keep: npt.NDArray[Any]) -> Coded:
        """The rows where ``keep`` (bool, n) is true, or the rows whose places it holds."""
        return Coded(self.codes[keep], self.dictionary)

    def texts(self) -> npt.NDArray[np.object_]:
        """The column as text, n rows."""
        return np.array(self.dictionary.to_pylist(), dtype=object)[self.codes]


@dataclass(frozen=True, slots=True)
class Opened:
    """A file's columns under canonical names; ``rows`` int64 (n,) are their rows in the file.

    bad: rows of the file that are no rows of the table (wrong number of cells).  places: column of
    each name in the file, from 0.
    """

    file: str
    table: pa.Table
    rows: npt.NDArray[np.int64]
    bad: tuple[readers.BadRow, ...]
    places: Mapping[str, int] = field(default_factory=dict)


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name most like ``name``, or None where nothing is like it."""
    found = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return found[0] if found else None


def likely(name: str, known: Sequence[str]) -> str | None:
    """The known code that a mistyped one stands for: letters for digits, zeros lost, or nearest."""
    digits = name.upper().translate(_LOOKS_LIKE)
    for one in known:
        if digits == one.upper() or (digits.isdigit() and digits.lstrip("0") == one.lstrip("0")):
            return one
    return nearest(name, known)


_LOOKS_LIKE = str.maketrans("OＯIＩL", "00111")


def open_table(
    path: Path, headings: Mapping[str, tuple[str, ...]], required: Iterable[str]
) -> Opened:
    """Read a file as text columns under canonical names.

    headings: canonical name -> other names it may bear in the file.  Columns that nobody knows are
    left aside; a column missing or there twice raises InputError, all at once.
    """
    opened = readers.open_table(path)
    parts = list(opened.parts)
    places = columns_of(path, opened.headings, headings, required)
    columns = [_whole([p.table for p in parts], place) for place in places.values()]
    rows = np.concatenate([part.rows for part in parts] or [np.empty(0, dtype=np.int64)])
    table = pa.table(columns, names=list(places))
    return Opened(path.name, table, rows, tuple(opened.bad_rows), places)


def columns_of(
    path: Path,
    found: Sequence[str],
    headings: Mapping[str, tuple[str, ...]],
    required: Iterable[str],
) -> dict[str, int]:
    """As :func:`find_columns`, telling a heading that stands below a title as what it is."""
    needed = list(required)
    try:
        return find_columns(path.name, found, headings, needed)
    except InputError as error:
        below = heading_below(path, headings, needed)
        if below is None:
            raise
        raise InputError(f"{path.name} 的表头不对", [below]) from error


def find_columns(
    file: str,
    found: Sequence[str],
    headings: Mapping[str, tuple[str, ...]],
    required: Iterable[str],
) -> dict[str, int]:
    """Place of each known column among a file's headings, in the order of ``headings``.

    Raises InputError with every required column that is missing and every one that is there twice.
    """
    canonical = {alias: name for name, names in headings.items() for alias in (name, *names)}
    places: dict[str, list[int]] = {}
    for place, heading in enumerate(found):
        name = canonical.get(heading.strip())
        if name is not None:
            places.setdefault(name, []).append(place)
    faults = [
        _missing(file, headings[name][0] if headings[name] else name, list(found))
        for name in required
        if name not in places
    ]
    faults += [
        Fault(file, "同一列出现两次", row=1, column=headings[name][0], mend="删去多余的一列")
        for name, there in places.items()
        if len(there) > 1
    ]
    if faults:
        raise InputError(f"{file} 的表头不对", faults)
    return {name: places[name][0] for name in headings if name in places}


def _whole(tables: list[pa.Table], place: int) -> pa.ChunkedArray:
    chunks = [c.cast(pa.string()) for table in tables for c in table.column(place).chunks]
    return pa.chunked_array(chunks, pa.string())


def _missing(file: str, heading: str, found: list[str]) -> Fault:
    near = nearest(heading, found)
    mend = f"最接近的列是“{near}”，请改名" if near else f"请加上“{heading}”列"
    return Fault(file, f"缺少“{heading}”列", row=1, found="，".join(found)[:200], mend=mend)


def _dictionary(column: pa.ChunkedArray | pa.Array) -> pa.DictionaryArray:
    """A column as a dictionary of text; whole numbers lose their ``.0``."""
    array = readers.text_column(column)
    if not pa.types.is_dictionary(array.type):
        return array.cast(pa.string()).dictionary_encode()
    return array if array.dictionary.type == pa.string() else array.cast(_TEXTS)


_TEXTS = pa.dictionary(pa.int32(), pa.string())


def _distinct(column: pa.ChunkedArray | pa.Array) -> tuple[Codes, pa.Array]:
    """Codes of each row into the column's trimmed texts, blanks for nulls."""
    encoded = _dictionary(column)
    codes, texts = encoded.indices, pc.fill_null(encoded.dictionary, "")
    if codes.null_count:
        codes = codes.cast(pa.int32()).fill_null(len(texts))
        texts = pa.concat_arrays([texts, pa.array([""], pa.string())])
    places = np.asarray(codes.to_numpy(zero_copy_only=False), dtype=np.int32)
    return places, pc.utf8_trim_whitespace(texts)


def coded(column: pa.ChunkedArray | pa.Array) -> Coded:
    """A column as codes into its texts, without the blanks around them."""
    return Coded(*_distinct(column))


def fixed(column: pa.ChunkedArray | pa.Array, decimals: int) -> tuple[Ints, Mask, Mask]:
    """Decimal numbers as int64 counts of 10**-decimals, exactly.

    Returns (values, good, blank), each (n,).  In text thousands separators are allowed; more
    decimals than that count, exponents and anything else are not good, a blank is neither.  Typed
    columns (whole numbers, decimals, floats) must be such counts as well: a float is good where it
    is the nearest float of a number with so few decimals.
    """
    kind = column.type
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if isinstance(array, pa.ChunkedArray):
        array = pa.concat_arrays(array.chunks) if array.num_chunks else pa.array([], kind)
    if pa.types.is_integer(kind) and kind != pa.uint64():
        return _fixed_whole(array, decimals)
    if pa.types.is_decimal128(kind) and kind.scale >= 0:
        return _fixed_decimal(array, decimals)
    if pa.types.is_floating(kind):
        return _fixed_float(array.cast(pa.float64()), decimals)
    codes, texts = _distinct(array)
    parsed = _fixed_text(texts, decimals)
    return parsed[0][codes], parsed[1][codes], parsed[2][codes]


def _given(array: pa.Array) -> Mask:
    """Where a column has a value."""
    if not array.null_count:
        return np.ones(len(array), dtype=bool)
    return np.asarray(array.is_valid().to_numpy(zero_copy_only=False), dtype=bool)


def _kept(values: Ints, good: Mask, given: Mask) -> tuple[Ints, Mask, Mask]:
    good &= given
    return (values if good.all() else np.where(good, values, 0)), good, ~given


def _fixed_whole(array: pa.Array, decimals: int) -> tuple[Ints, Mask, Mask]:
    given = _given(array)
    filled = array.fill_null(0) if array.null_count else array
    values = np.asarray(filled.to_numpy(zero_copy_only=False)).astype(np.int64)
    limit = 10 ** (_DIGITS - decimals)
    good = (values < limit) & (values > -limit)
    return _kept(np.where(good, values, 0) * 10**decimals, good, given)


def _fixed_decimal(array: pa.Array, decimals: int) -> tuple[Ints, Mask, Mask]:
    """Decimals of up to 128 bits; only those that fit into 64 are good."""
    halves = np.frombuffer(array.buffers()[1], dtype=np.int64)
    halves = halves.reshape(-1, 2)[array.offset : array.offset + len(array)]
    low, high = halves[:, 0], halves[:, 1]
    good = high == (low >> 63)
    scale = array.type.scale
    if scale <= decimals:
        values = low * 10 ** (decimals - scale)
        limit = 10 ** (_DIGITS - decimals + scale)
        good &= (low < limit) & (low > -limit)
    else:
        values, rest = np.divmod(low, 10 ** min(scale - decimals, 18))
        good &= (rest == 0) & (np.abs(values) < 10**_DIGITS)
    return _kept(values, good, _given(array))


def _fixed_float(array: pa.Array, decimals: int) -> tuple[Ints, Mask, Mask]:
    floats = np.asarray(array.to_numpy(zero_copy_only=False), dtype=np.float64)
    given = ~np.isnan(floats)
    counts = np.rint(floats * 10.0**decimals)
    good = (np.abs(counts) < _WHOLE_FLOATS) & (counts / 10.0**decimals == floats)
    return _kept(np.where(good, counts, 0).astype(np.int64), good, given)


_DIGITS = 17
_WHOLE_FLOATS = 2.0**53


def _fixed_text(texts: pa.Array, decimals: int) -> tuple[Ints, Mask, Mask]:
    cleaned = pc.replace_substring_regex(texts, "[,，]", "")
    parts = pc.extract_regex(
        cleaned,
        rf"^(?P<sign>[+-]?)(?P<whole>[0-9]{{0,{_DIGITS - decimals}}})"
        rf"(?:\.(?P<part>[0-9]{{0,{decimals}}})0*)?$",
    )
    sign, whole, part = (pc.fill_null(pc.struct_field(parts, i), "") for i in range(3))
    digits = pc.add(pc.utf8_length(whole), pc.utf8_length(part))
    good = np.asarray(
        pc.and_(parts.is_valid(), pc.greater(digits, 0)).to_numpy(zero_copy_only=False), dtype=bool
    )
    number = pc.binary_join_element_wise(
        whole, pc.utf8_rpad(part, width=decimals, padding="0") if decimals else "", ""
    )
    number = pc.if_else(pa.array(good), number, "0").cast(pa.int64())
    values = np.asarray(number.to_numpy(zero_copy_only=False), dtype=np.int64)
    values = np.where(np.asarray(pc.equal(sign, "-")), -values, values)
    return values, good, np.asarray(pc.equal(texts, ""), dtype=bool)


def days_of(text: str) -> int | None:
    """A date as days since 1970-01-01; None where it is no date.  A time after it is ignored."""
    found = _DATE.fullmatch(re.split(r"[ T]", text.strip(), maxsplit=1)[0])
    if found is None:
        return None
    year, month, day = (int(x) for x in found.groups() if x is not None)
    try:
        return dt.date(year, month, day).toordinal() - _EPOCH
    except ValueError:
        return None


def dates(column: pa.ChunkedArray | pa.Array) -> tuple[Codes, Mask, Mask]:
    """Dates as days since 1970-01-01 (int32), NO_DATE where there is none.

    Returns (days, good, blank), each (n,).  Columns of dates or times are taken as they are, a time
    of day is ignored.
    """
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if isinstance(array, pa.Array) and pa.types.is_temporal(array.type):
        return _typed_dates(array)
    codes, texts = _distinct(array)
    short = pc.utf8_slice_codeunits(texts, 0, 11)
    again = short.dictionary_encode()
    places = np.asarray(again.indices.to_numpy(zero_copy_only=False), dtype=np.int32)[codes]
    found = [days_of(text) for text in again.dictionary.to_pylist()]
    days = np.array([NO_DATE if day is None else day for day in found], dtype=np.int32)
    good = np.array([day is not None for day in found], dtype=bool)
    blank = np.asarray(pc.equal(texts, ""), dtype=bool)
    return days[places], good[places], blank[codes]


def _typed_dates(array: pa.Array) -> tuple[Codes, Mask, Mask]:
    """Days of a column of dates or times; other temporal kinds and far years are not good."""
    given = _given(array)
    try:
        whole = array.cast(pa.date32(), safe=False).cast(pa.int32())
    except pa.ArrowInvalid:
        whole = pa.nulls(len(array), pa.int32())
    days = whole.fill_null(NO_DATE) if whole.null_count else whole
    values = np.asarray(days.to_numpy(zero_copy_only=False), dtype=np.int32)
    good = (values >= _FIRST_DAY) & (values <= _LAST_DAY)
    return np.where(good, values, NO_DATE).astype(np.int32), good, ~given


_FIRST_DAY = 1 - _EPOCH
_LAST_DAY = dt.date.max.toordinal() - _EPOCH
