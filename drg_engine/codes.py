"""Codes as numbers: the dictionary of a data set's distinct codes, and their normal form."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from drg_engine._kernels_codes import LONGEST_CODE, encode_rows, spread_rows
from drg_engine.code_form import normal_code

__all__ = ["CodeBook", "Encoded", "normal_code", "text_buffers"]

_ASCII = 128


@dataclass(frozen=True, slots=True)
class Encoded:
    """Codes of n rows: places in a book between offsets, and rows with what is no code.

    ``unfit`` marks an overlong code or one that runs over a line's end.
    """

    offsets: npt.NDArray[np.int64]
    places: npt.NDArray[np.int32]
    unfit: npt.NDArray[np.bool_]


def _starts() -> npt.NDArray[np.int64]:
    return np.zeros((1 << 12) + 1, dtype=np.int64)


@dataclass(slots=True)
class CodeBook:
    """The distinct codes of a data set in normal form, numbered as first met.

    It grows while a file is read in parts; places once given stay.
    """

    _slots: npt.NDArray[np.int32] = field(default_factory=lambda: np.full(1 << 13, -1, np.int32))
    _hashes: npt.NDArray[np.uint64] = field(default_factory=lambda: np.zeros(1 << 12, np.uint64))
    _data: npt.NDArray[np.uint8] = field(default_factory=lambda: np.zeros(1 << 16, np.uint8))
    _starts: npt.NDArray[np.int64] = field(default_factory=_starts)
    _counts: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(2, np.int64))
    _strings: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return int(self._counts[0])

    @property
    def strings(self) -> list[str]:
        """Every code, by its place."""
        if len(self._strings) < len(self):
            content = self._data[: self._counts[1]].tobytes()
            edges = self._starts[len(self._strings) : len(self) + 1].tolist()
            self._strings.extend(
                content[start:stop].decode("utf-8", "replace") for start, stop in pairwise(edges)
            )
        return self._strings

    @classmethod
    def of(cls, codes: Sequence[str]) -> CodeBook:
        """A book of given codes in their order, each put in normal form."""
        book = cls()
        book.encode(pa.array(list(dict.fromkeys(codes)), pa.string()))
        return book

    def encode(self, column: pa.Array) -> Encoded:
        """Number the codes of a text or dictionary column: rows of codes joined by ``|``.

        Null rows have no codes.  New codes are added to the book.
        """
        if pa.types.is_dictionary(column.type):
            return self._encode_dictionary(column)
        offsets, text = text_buffers(column)
        rows = len(column)
        out_offsets = np.zeros(rows + 1, dtype=np.int64)
        separators = int(np.count_nonzero((text == 124) | (text == 44) | (text == 59)))
        out = np.empty(rows + separators + 1, dtype=np.int32)
        unfit = np.zeros(rows, dtype=np.bool_)
        row = 0
        while row < rows:
            row = encode_rows(
                offsets, text, row, out_offsets, out, unfit,
                self._slots, self._hashes, self._data, self._starts, self._counts,
            )  # fmt: skip
            if row < rows:
                self._grow(int(offsets[row + 1] - offsets[row]))
        return Encoded(out_offsets, out[: out_offsets[rows]], unfit)

    def _encode_dictionary(self, column: pa.DictionaryArray) -> Encoded:
        """Number each distinct value once, then repeat it for its rows."""
        values = self.encode(column.dictionary)
        places = column.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
        if len(column.dictionary) == 0:
            rows = len(column)
            none = np.zeros(0, dtype=np.int32)
            return Encoded(np.zeros(rows + 1, np.int64), none, np.zeros(rows, np.bool_))
        lengths = np.where(places >= 0, np.diff(values.offsets)[places], 0)
        out = np.empty(int(lengths.sum()), dtype=np.int32)
        out_offsets = np.zeros(len(column) + 1, dtype=np.int64)
        spread_rows(places, values.offsets, values.places, out_offsets, out)
        return Encoded(out_offsets, out, (places >= 0) & values.unfit[places])

    def _grow(self, row_bytes: int) -> None:
        """Double what is full and number the codes' slots again."""
        room = len(self) + row_bytes + 2
        codes = max(self._hashes.size, 1 << (2 * room - 1).bit_length())
        self._hashes = _longer(self._hashes, codes)
        self._starts = _longer(self._starts, codes + 1)
        needed = int(self._counts[1]) + 2 * row_bytes + LONGEST_CODE
        self._data = _longer(self._data, max(self._data.size * 2, needed))
        self._slots = np.full(codes * 4, -1, dtype=np.int32)
        _refill(self._slots, self._hashes[: len(self)])


def _refill(slots: npt.NDArray[np.int32], hashes: npt.NDArray[np.uint64]) -> None:
    """Give every code a slot by its hash; clashes move to the next free one, in place order."""
    mask = slots.size - 1
    wanted = (hashes & np.uint64(mask)).astype(np.int64)
    left = np.arange(hashes.size, dtype=np.int64)
    while left.size:
        at = wanted[left]
        free = slots[at] < 0
        slots[at[free][::-1]] = left[free][::-1].astype(np.int32)
        left = left[slots[at] != left]
        wanted[left] = (wanted[left] + 1) & mask


def _longer(array: npt.NDArray[Any], size: int) -> npt.NDArray[Any]:
    grown = np.zeros(size, dtype=array.dtype)
    grown[: array.size] = array
    return grown


def text_buffers(
    column: pa.Array, *, fold: bool = True
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint8]]:
    """Offsets (n+1,) from 0 and bytes of a text column; null rows are empty.

    fold: full width becomes half width (Unicode NFKC).
    """
    text = column.cast(pa.large_string())
    if text.null_count:
        text = pc.fill_null(text, "")
    offsets, content = _buffers(text)
    if fold and content.size and int(content.max()) >= _ASCII:
        offsets, content = _buffers(pc.utf8_normalize(text, form="NFKC"))
    return offsets, content


def _buffers(text: pa.Array) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint8]]:
    _, edges, data = text.buffers()
    offsets = np.frombuffer(edges, dtype=np.int64)[text.offset : text.offset + len(text) + 1]
    if data is None:
        return offsets - offsets[0], np.zeros(0, dtype=np.uint8)
    content = np.frombuffer(data, dtype=np.uint8)[offsets[0] : offsets[-1]]
    return offsets - offsets[0], content
