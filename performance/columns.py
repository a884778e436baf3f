"""Text columns to exact numbers: the one door through which table and charge files enter.

Every number in a file is decimal text.  It becomes an int64 count of a fixed small unit (fen,
ten-thousandths) without passing through a float, so sums are exact and the order of rows does not
matter.  Work is done on the distinct texts of a column, never row by row.
"""

from __future__ import annotations

import datetime as dt
import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from drg_engine import readers
from drg_engine.errors import Fault, InputError

__all__ = [
    "NO_DATE",
    "Coded",
    "Opened",
    "coded",
    "dates",
    "days_of",
    "fixed",
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
    """A text column as codes (int32, n) into its distinct trimmed texts; '' is a blank cell."""

    codes: Codes
    values: tuple[str, ...]

    def take(self, keep: npt.NDArray[np.bool_]) -> Coded:
        """The rows where ``keep`` (bool, n) is true."""
        return Coded(self.codes[keep], self.values)

    def texts(self) -> npt.NDArray[np.object_]:
        """The column as text, n rows."""
        return np.array(self.values, dtype=object)[self.codes]


@dataclass(frozen=True, slots=True)
class Opened:
    """A file's columns under canonical names; ``rows`` int64 (n,) are their rows in the file.

    bad: rows of the file that are no rows of the table (wrong number of cells).
    """

    file: str
    table: pa.Table
    rows: npt.NDArray[np.int64]
    bad: tuple[readers.BadRow, ...]


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name most like ``name``, or None where nothing is like it."""
    found = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return found[0] if found else None


def open_table(
    path: Path, headings: Mapping[str, tuple[str, ...]], required: Iterable[str]
) -> Opened:
    """Read a file as text columns under canonical names.

    headings: canonical name -> other names it may bear in the file.  Columns that nobody knows are
    left aside; a column missing or there twice raises InputError, all at once.
    """
    opened = readers.open_table(path)
    parts = list(opened.parts)
    headings_found = list(opened.headings)
    canonical = {alias: name for name, names in headings.items() for alias in (name, *names)}
    places: dict[str, list[int]] = {}
    for place, heading in enumerate(headings_found):
        name = canonical.get(heading.strip())
        if name is not None:
            places.setdefault(name, []).append(place)
    faults = [
        _missing(path.name, headings[name][0] if headings[name] else name, headings_found)
        for name in required
        if name not in places
    ]
    faults += [
        Fault(path.name, "同一列出现两次", row=1, column=headings[name][0], mend="删去多余的一列")
        for name, found in places.items()
        if len(found) > 1
    ]
    if faults:
        raise InputError(f"{path.name} 的表头不对", faults)
    order = [name for name in headings if name in places]
    columns = [
        pa.chunked_array([c for p in parts for c in _chunks(p.table, places[name][0])], pa.string())
        for name in order
    ]
    rows = np.concatenate([part.rows for part in parts] or [np.empty(0, dtype=np.int64)])
    return Opened(path.name, pa.table(columns, names=order), rows, tuple(opened.bad_rows))


def _chunks(table: pa.Table, place: int) -> list[pa.Array]:
    return [chunk.cast(pa.string()) for chunk in table.column(place).chunks]


def _missing(file: str, heading: str, found: list[str]) -> Fault:
    near = nearest(heading, found)
    mend = f"最接近的列是“{near}”，请改名" if near else f"请加上“{heading}”列"
    return Fault(file, f"缺少“{heading}”列", row=1, found="，".join(found)[:200], mend=mend)


def _distinct(column: pa.ChunkedArray) -> tuple[Codes, pa.Array]:
    """Codes of each row into the column's distinct trimmed texts."""
    text = column.cast(pa.string()).combine_chunks()
    if isinstance(text, pa.ChunkedArray):
        text = pa.concat_arrays(text.chunks) if text.num_chunks else pa.array([], pa.string())
    encoded = pc.fill_null(text, "").dictionary_encode()
    codes = np.asarray(encoded.indices.to_numpy(zero_copy_only=False), dtype=np.int32)
    return codes, pc.utf8_trim_whitespace(encoded.dictionary)


def coded(column: pa.ChunkedArray) -> Coded:
    """A text column as codes; texts that differ only in blanks around them become one."""
    codes, texts = _distinct(column)
    again = texts.dictionary_encode()
    merged = np.asarray(again.indices.to_numpy(zero_copy_only=False), dtype=np.int32)
    return Coded(merged[codes], tuple(again.dictionary.to_pylist()))


def fixed(column: pa.ChunkedArray, decimals: int) -> tuple[Ints, Mask, Mask]:
    """Decimal text as int64 counts of 10**-decimals.

    Returns (values, good, blank), each (n,).  Thousands separators are allowed; more decimals than
    that count, exponents and anything else are not good, a blank is neither.
    """
    codes, texts = _distinct(column)
    cleaned = pc.replace_substring_regex(texts, "[,，]", "")
    parts = pc.extract_regex(
        cleaned,
        rf"^(?P<sign>[+-]?)(?P<whole>[0-9]{{0,{17 - decimals}}})"
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
    blank = np.asarray(pc.equal(texts, ""), dtype=bool)
    return values[codes], good[codes], blank[codes]


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


def dates(column: pa.ChunkedArray) -> tuple[Codes, Mask, Mask]:
    """Date text as days since 1970-01-01 (int32).  Returns (days, good, blank), each (n,)."""
    short = pc.utf8_slice_codeunits(pc.utf8_trim_whitespace(column.cast(pa.string())), 0, 11)
    codes, texts = _distinct(short)
    found = [days_of(text) for text in texts.to_pylist()]
    days = np.array([NO_DATE if day is None else day for day in found], dtype=np.int32)
    good = np.array([day is not None for day in found], dtype=bool)
    blank = np.asarray(pc.equal(texts, ""), dtype=bool)
    return days[codes], good[codes], blank[codes]
