"""Cells of a workbook that hold an error (``#DIV/0!``, ``#N/A`` …), which the reader leaves blank.

They are told by their type in the sheet's XML, so that a sum that failed is never taken for a cell
left empty.  Workbooks of the old binary kinds (.xls, .xlsb) and .ods are not looked into.
"""

from __future__ import annotations

import posixpath
import re
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from drg_engine.errors import Fault, InputError

__all__ = ["error_cells"]

_CHUNK = 1 << 20
_ERROR_TYPE = b't="e"'
_CELL = re.compile(
    rb'<(?:\w+:)?c(?=\s[^>]*\bt="e")[^>]*?\br="([A-Z]{1,3})([0-9]{1,7})"[^>]*(?<!/)>'
    rb"(?:(?!</(?:\w+:)?c>).)*?<(?:\w+:)?v>([^<]{1,20})</",
    re.DOTALL,
)
_KEPT = 1 << 14
_UNREADABLE = (OSError, ValueError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error)
_RELATION = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"


def error_cells(path: Path, sheet: str) -> Iterator[tuple[int, int, str]]:
    """Row and column (from 0) and text of each error cell of a sheet of an .xlsx or .xlsm file."""
    with zipfile.ZipFile(path) as archive:
        try:
            part = _part_of(archive, sheet)
            if part is not None:
                with archive.open(part) as stream:
                    yield from _in_stream(stream)
        except _UNREADABLE as error:
            fault = Fault(path.name, "工作表读不下去", found=str(error)[:120], mend="重新导出")
            raise InputError(f"{path.name} 打不开", [fault]) from error


def _in_stream(stream: IO[bytes]) -> Iterator[tuple[int, int, str]]:
    rest, last = b"", (-1, -1)
    while chunk := stream.read(_CHUNK):
        text = rest + chunk
        rest = text[-_KEPT:]
        if _ERROR_TYPE not in text:
            continue
        for cell in _CELL.finditer(text):
            place = (int(cell[2]) - 1, _column(cell[1]))
            if place > last:  # the end of a chunk is looked through again with the next
                last = place
                yield *place, cell[3].decode("utf-8", "replace")


def _column(letters: bytes) -> int:
    column = 0
    for letter in letters:
        column = column * 26 + letter - 64
    return column - 1


def _part_of(archive: zipfile.ZipFile, sheet: str) -> str | None:
    """The XML part of a sheet by its name; None where the workbook does not say."""
    from defusedxml import ElementTree

    try:
        book = ElementTree.fromstring(archive.read("xl/workbook.xml"))
        links = ElementTree.fromstring(archive.read("xl/_rels/workbook.xml.rels"))
    except (KeyError, ValueError, SyntaxError):  # another layout, or no XML: nothing is told of it
        return None
    targets = {link.get("Id"): link.get("Target", "") for link in links}
    for one in book.iter():
        if one.tag.rpartition("}")[2] == "sheet" and one.get("name") == sheet:
            target = targets.get(one.get(_RELATION), "")
            part = posixpath.normpath(posixpath.join("xl", target)).lstrip("/")
            return part if target and part in archive.namelist() else None
    return None
