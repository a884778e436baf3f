"""Kernels that turn text into numbers: joined codes into dictionary places, case ids into a set."""

from __future__ import annotations

from typing import Any

import numpy as np

from drg_engine._jit import kernel

__all__ = ["LONGEST_CODE", "ROW_MASK", "encode_rows", "find_repeats", "hash_ids", "spread_rows"]

LONGEST_CODE = 64
"""Bytes of the longest text taken for a code."""

LONGEST_ROW = 1 << 16
"""Bytes of the longest cell taken for codes; a longer one marks its row at once."""

_FNV_START = np.uint64(0xCBF29CE484222325)
_FNV_PRIME = np.uint64(0x100000001B3)
_MIX = np.uint64(0xFF51AFD7ED558CCD)
_FOLD = np.uint64(32)
ROW_MASK = 0xFFFFFF
"""Largest row number that the set of ids holds."""
_ROW_BITS = np.uint64(ROW_MASK)
_PLUS, _DASH, _LOWER_X, _UPPER_X = 43, 45, 120, 88

PLAIN, SEPARATOR, BLANK, LINE_END = range(4)
_KINDS = np.zeros(256, dtype=np.uint8)
_KINDS[list(b"|,;")] = SEPARATOR
_KINDS[list(b" \t\v\f")] = BLANK
_KINDS[list(b"\n\r")] = LINE_END
"""What a byte is to a row of codes."""
_FORMS = np.arange(256, dtype=np.uint8)
_FORMS[ord("a") : ord("z") + 1] -= 32
_FORMS[ord("X")] = _LOWER_X
_FORMS[ord("x")] = _LOWER_X
"""A byte's normal form within a code; an x that begins a part becomes a capital."""


@kernel
def encode_rows(
    offsets: Any,
    text: Any,
    first_row: int,
    out_offsets: Any,
    out: Any,
    unfit: Any,
    slots: Any,
    hashes: Any,
    data: Any,
    starts: Any,
    counts: Any,
) -> int:
    """Split, normalise and number the codes of rows first_row onwards.

    offsets int64 (n+1,), text uint8: rows of codes joined by ``|`` (``,`` and ``;`` also).  Writes
    places to ``out`` and their bounds to ``out_offsets``.  An empty first code is kept where others
    follow it; other empty ones are passed over.  One or two dashes alone are empty.  Marks rows
    with a code over LONGEST_CODE bytes or with a line's end within.  counts are the codes and the
    bytes in the dictionary so far.
    Returns the row it stopped before, because the dictionary must grow, or n.
    """
    word = np.zeros(LONGEST_CODE + 8, dtype=np.uint8)
    chunks = word.view(np.uint64)
    kinds, forms = _KINDS, _FORMS
    mask = np.uint64(slots.size - 1)
    rows = offsets.size - 1
    written = out_offsets[first_row]
    for i in range(first_row, rows):
        begin, end = offsets[i], offsets[i + 1]
        if end - begin > LONGEST_ROW:
            unfit[i] = True
            out_offsets[i + 1] = written
            continue
        room = 1 + (end - begin) // 2 + 1
        if (
            counts[0] + room >= hashes.size
            or (counts[0] + room) * 2 >= slots.size
            or counts[1] + (end - begin) + room >= data.size
        ):
            return i
        at = begin
        number = 0
        row_start = written
        while at <= end:
            while at < end and kinds[text[at]] >= BLANK:
                at += 1
            length = 0
            last = 0
            previous = _PLUS
            broken = False
            while at < end:
                kind = kinds[text[at]]
                if kind == SEPARATOR:
                    break
                letter = forms[text[at]]
                if letter == _LOWER_X and previous == _PLUS:
                    letter = _UPPER_X
                if length < LONGEST_CODE:
                    word[length] = letter
                length += 1
                if kind == PLAIN:
                    last = length
                    if broken:
                        unfit[i] = True
                elif kind == LINE_END:
                    broken = True
                previous = letter
                at += 1
            at += 1
            if last > LONGEST_CODE:
                unfit[i] = True
                last = 0
            if 0 < last <= 2 and word[0] == _DASH and word[last - 1] == _DASH:
                last = 0
            if last > 0 or number == 0:
                parts = (last + 7) >> 3
                for j in range(last, parts * 8):
                    word[j] = 0
                key = _FNV_START
                for j in range(parts):
                    key = (key ^ chunks[j]) * _MIX
                    key ^= key >> _FOLD
                slot = np.int64(key & mask)
                place = slots[slot]
                while place >= 0:
                    start = starts[place]
                    if hashes[place] == key and starts[place + 1] - start == last:
                        same = 0
                        while same < last and data[start + same] == word[same]:
                            same += 1
                        if same == last:
                            break
                    slot = (slot + 1) & np.int64(mask)
                    place = slots[slot]
                if place < 0:
                    place = counts[0]
                    start = counts[1]
                    for j in range(last):
                        data[start + j] = word[j]
                    hashes[place] = key
                    starts[place + 1] = start + last
                    slots[slot] = place
                    counts[0] = place + 1
                    counts[1] = start + last
                out[written] = place
                written += 1
            number += 1
        if written == row_start + 1 and starts[out[row_start]] == starts[out[row_start] + 1]:
            written = row_start
        out_offsets[i + 1] = written
    return int(rows)


@kernel
def spread_rows(places: Any, value_offsets: Any, values: Any, out_offsets: Any, out: Any) -> None:
    """Rows of a dictionary column from its encoded values: row i repeats value places[i]."""
    written = 0
    for i in range(places.size):
        place = places[i]
        if place >= 0:
            for k in range(value_offsets[place], value_offsets[place + 1]):
                out[written] = values[k]
                written += 1
        out_offsets[i + 1] = written


@kernel
def hash_ids(offsets: Any, text: Any, keys: Any) -> None:
    """Write a 64-bit hash of each id to ``keys`` (n,)."""
    for i in range(keys.size):
        key = _FNV_START
        for k in range(offsets[i], offsets[i + 1]):
            key = (key ^ np.uint64(text[k])) * _FNV_PRIME
        key = (key ^ (key >> _FOLD)) * _MIX
        keys[i] = key ^ (key >> _FOLD)


@kernel
def find_repeats(keys: Any, rows: Any, slots: Any, adding: bool, repeats: Any) -> None:
    """Look each id's hash up in a table of slots; where it stands, note the row it first stood in.

    slots uint64 (a power of two): the hash's upper 40 bits and the row in the lower 24, 0 free; the
    lower bits of the hash are the place.  Rows past ROW_MASK are held as ROW_MASK.  Writes
    ``repeats`` int64 (n,) where it is 0; adds the ids not found when ``adding``.
    """
    mask = np.uint64(slots.size - 1)
    for i in range(keys.size):
        if repeats[i] != 0:
            continue
        mark = keys[i] & ~_ROW_BITS
        at = keys[i] & mask
        while slots[at] != 0 and (slots[at] & ~_ROW_BITS) != mark:
            at = (at + np.uint64(1)) & mask
        if slots[at] != 0:
            repeats[i] = np.int64(slots[at] & _ROW_BITS)
        elif adding:
            slots[at] = mark | np.uint64(min(rows[i], ROW_MASK))
