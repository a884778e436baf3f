"""What people do to a sheet that makes a table unreadable, seen again when a table is refused.

A title above the heading, merged cells, formulas that were never calculated.
"""

from __future__ import annotations

import csv
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from drg_engine.errors import Fault, InputError
from drg_engine.workbook_files import sheet_rows

__all__ = ["heading_below", "with_sheet_hints"]

_FIRST_ROWS = 12
_FIRST_BYTES = 1 << 14
_LARGEST = 5 << 20
_BOOKS = (".xlsx", ".xlsm", ".xls", ".ods", ".xlsb")
_DELIMITERS = (",", "\t", ";")


def heading_below(
    path: Path, headings: Mapping[str, tuple[str, ...]], required: Iterable[str]
) -> Fault | None:
    """Where the heading stands below the first row, as a fault; None where it is not seen.

    headings, required: as :func:`performance.columns.open_table` takes them.
    """
    wanted = [{name, *headings[name]} for name in required]
    for number, cells in _first_rows(path):
        there = {str(cell).strip() for cell in cells if cell is not None}
        if number > 1 and wanted and all(there & names for names in wanted):
            above = "第 1 行" if number == 2 else f"第 1 至 {number - 1} 行"
            mend = f"请删去{above}（标题、说明），让表头在第一行"
            return Fault(path.name, f"表头不在第一行，而在第 {number} 行", row=1, mend=mend)
    return None


def _first_rows(path: Path) -> list[tuple[int, Sequence[Any]]]:
    if path.suffix.lower() in _BOOKS:
        try:
            return list(enumerate(sheet_rows(path)[:_FIRST_ROWS], 1))
        except InputError:
            return []
    if path.suffix.lower() not in (".csv", ".txt", ".tsv"):
        return []
    with path.open("rb") as stream:
        data = stream.read(_FIRST_BYTES)
    lines = _decoded(data).splitlines()[:_FIRST_ROWS]
    found: list[tuple[int, Sequence[Any]]] = []
    for number, line in enumerate(lines, 1):
        delimiter = max(_DELIMITERS, key=line.count)
        found += [(number, cells) for cells in csv.reader([line], delimiter=delimiter)]
    return found


def _decoded(data: bytes) -> str:
    """Text of the first bytes of a file, the last letter of which may be cut."""
    try:
        return data[: data.rfind(b"\n") + 1].decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("gb18030", errors="replace")


def with_sheet_hints(path: Path, faults: Sequence[Fault], places: Mapping[str, int]) -> list[Fault]:
    """The faults of a workbook, blank cells told as merged or as formulas without a value.

    places: column (from 0) of each heading that the faults name.
    """
    blank = [f for f in faults if f.found == "" and f.row is not None and f.column in places]
    if not blank or path.suffix.lower() not in (".xlsx", ".xlsm"):
        return list(faults)
    if path.stat().st_size > _LARGEST:
        return list(faults)
    import openpyxl
    from openpyxl.utils.exceptions import InvalidFileException

    try:
        book = openpyxl.load_workbook(path)
    except (InvalidFileException, zipfile.BadZipFile, KeyError, ValueError, OSError, TypeError):
        return list(faults)  # what can be told is told without
    sheet = book.worksheets[0]
    merged = [(r.min_row, r.max_row, r.min_col, r.max_col) for r in sheet.merged_cells.ranges]
    told = []
    for fault in faults:
        if fault not in blank or fault.row is None or fault.column is None:
            told.append(fault)
            continue
        row, column = fault.row, places[fault.column] + 1
        if any(r0 <= row <= r1 and c0 <= column <= c1 for r0, r1, c0, c1 in merged):
            mend = "在 Excel 里取消合并单元格，每一行都填上"
            told.append(replace(fault, message="是合并单元格，这一行没有内容", mend=mend))
        elif sheet.cell(row, column).data_type == "f":
            found = str(sheet.cell(row, column).value)[:80]
            mend = "在 Excel 里打开、重算并保存，或复制后粘贴为数值"
            told.append(replace(fault, message="公式没有算出的值", found=found, mend=mend))
        else:
            told.append(fault)
    book.close()
    return told
