"""The rows of large tables: written as a sheet's XML by columns, not cell by cell.

openpyxl keeps what it is good at (styles, headings, charts, print set-up).  The bodies of tables
are made here with pyarrow, about thirty times as fast, and put into the sheet when it is saved.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from openpyxl import Workbook
from openpyxl.utils import get_column_letter
from openpyxl.utils.datetime import to_excel
from openpyxl.worksheet.worksheet import Worksheet

__all__ = ["BodyColumn", "FastRows"]

_BATCH = 50_000
_ROW = re.compile(rb'<row r="(\d+)"')
_DIMENSION = re.compile(rb'<dimension ref="[^"]*"\s*/>')


@dataclass(frozen=True, slots=True, eq=False)
class BodyColumn:
    """One column of a table's body.

    values: str, int, float, bool, date or None for each row; of one kind.  look: the style of its
    cells (Painter.look).  looks: other styles for certain texts.
    """

    values: Sequence[Any]
    look: Any
    looks: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Block:
    """Rows of one sheet, ready."""

    first: int
    last: int
    right: int
    xml: bytes


class FastRows:
    """Bodies of tables of one workbook, until it is saved."""

    def __init__(self, workbook: Workbook) -> None:
        self._workbook: Any = workbook
        self._blocks: dict[str, list[_Block]] = {}

    def add(
        self,
        sheet: Worksheet,
        first: int,
        columns: Sequence[BodyColumn],
        heights: Mapping[int, float] | None = None,
    ) -> None:
        """Put a body into ``sheet`` from row ``first`` on, column A; nothing else may be there.

        heights: points by row, for those that are higher than the others.
        """
        count = len(columns[0].values) if columns else 0
        if not count:
            return
        parts = []
        for start in range(0, count, _BATCH):
            stop = min(start + _BATCH, count)
            parts.append(self._rows(first + start, columns, slice(start, stop), heights or {}))
        block = _Block(first, first + count - 1, len(columns), b"".join(parts))
        self._blocks.setdefault(sheet.title, []).append(block)

    def entries(self) -> Mapping[str, Callable[[bytes], bytes]]:
        """What is to be done to which entry of the saved archive (see save_same_bytes)."""
        names = {
            sheet.title: f"xl/worksheets/sheet{at}.xml"
            for at, sheet in enumerate(self._workbook.worksheets, start=1)
        }
        return {names[title]: _Inserted(blocks) for title, blocks in self._blocks.items()}

    def _rows(
        self,
        first: int,
        columns: Sequence[BodyColumn],
        part: slice,
        heights: Mapping[int, float],
    ) -> bytes:
        count = part.stop - part.start
        numbers = pa.array(np.arange(first, first + count)).cast(pa.string())
        pieces: list[Any] = ['<row r="', numbers, _row_heads(first, count, heights)]
        for at, column in enumerate(columns, start=1):
            pieces += [f'<c r="{get_column_letter(at)}', numbers, self._tails(column, part)]
        joined = pc.binary_join_element_wise(*pieces, "</row>", "")
        return _bytes(joined)

    def _tails(self, column: BodyColumn, part: slice) -> pa.Array:
        """Everything of a cell after its row number."""
        values = column.values[part]
        style = self._number(column.look)
        some = next((value for value in values if value is not None), None)
        if some is None:
            return pa.array([f'" s="{style}"/>']).take(pa.array(np.zeros(len(values), np.int32)))
        if isinstance(some, str):
            coded = pa.array(values, pa.string()).dictionary_encode()
            words = [self._text(word, column) for word in coded.dictionary.to_pylist()]
            blank = pa.scalar(len(words), pa.int32())
            return pa.array([*words, f'" s="{style}"/>']).take(coded.indices.fill_null(blank))
        if isinstance(some, dt.date):
            values = [None if day is None else int(to_excel(day)) for day in values]  # type: ignore[no-untyped-call]
        figures = pa.array(values).cast(pa.string())
        full = pc.binary_join_element_wise(f'" s="{style}"><v>', figures, "</v></c>", "")
        return full.fill_null(f'" s="{style}"/>')

    def _text(self, word: str, column: BodyColumn) -> str:
        style = self._number(column.looks.get(word, column.look))
        kept = ' xml:space="preserve"' if word != word.strip() or "\n" in word else ""
        shown = escape(word, quote=False).replace("\r", "&#13;")
        return f'" s="{style}" t="inlineStr"><is><t{kept}>{shown}</t></is></c>'

    def _number(self, look: Any) -> int:
        return int(self._workbook._cell_styles.add(look))


def _row_heads(first: int, count: int, heights: Mapping[int, float]) -> Any:
    """What follows the number of each row."""
    if not heights:
        return '">'
    given = (heights.get(row) for row in range(first, first + count))
    return pa.array(['">' if h is None else f'" ht="{h:g}" customHeight="1">' for h in given])


class _Inserted:
    """Puts blocks of rows into a sheet's XML, in the order of rows."""

    def __init__(self, blocks: Sequence[_Block]) -> None:
        self._blocks = sorted(blocks, key=lambda block: block.first)

    def __call__(self, content: bytes) -> bytes:
        content = content.replace(b"<sheetData/>", b"<sheetData></sheetData>", 1)
        content = content.replace(b"<sheetData />", b"<sheetData></sheetData>", 1)
        end = content.index(b"</sheetData>")
        places = [(int(found[1]), found.start()) for found in _ROW.finditer(content, 0, end)]
        parts, done = [], 0
        for block in self._blocks:
            place = next((at for row, at in places if row > block.first), end)
            parts += [content[done:place], block.xml]
            done = place
        whole = b"".join([*parts, content[done:]])
        last = max([row for row, _ in places] + [block.last for block in self._blocks])
        right = get_column_letter(max(block.right for block in self._blocks))
        return _DIMENSION.sub(f'<dimension ref="A1:{right}{last}"/>'.encode(), whole, count=1)


def _bytes(texts: pa.Array) -> bytes:
    """The texts of an array one after the other."""
    if isinstance(texts, pa.ChunkedArray):
        texts = texts.combine_chunks()
    _, offsets, data = texts.buffers()
    bounds = np.frombuffer(offsets, dtype=np.int32)[texts.offset : texts.offset + len(texts) + 1]
    return bytes(memoryview(data)[bounds[0] : bounds[-1]])
