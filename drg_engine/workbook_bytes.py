"""Saving a workbook so that the same content gives the same bytes."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from types import MappingProxyType

from openpyxl import Workbook
from openpyxl.writer.excel import ExcelWriter

from drg_engine.files import written_aside

__all__ = ["save_same_bytes"]

_EPOCH = (1980, 1, 1, 0, 0, 0)
_CORE = "docProps/core.xml"
_MODIFIED = re.compile(rb"(<dcterms:modified[^>]*>)[^<]*(</dcterms:modified>)")


def save_same_bytes(
    workbook: Workbook,
    path: Path,
    stamp: datetime,
    entries: Mapping[str, Callable[[bytes], bytes]] = MappingProxyType({}),
) -> None:
    """Save ``workbook`` at ``path``; it says it was made and changed at ``stamp``.

    openpyxl puts the clock into the properties and into every entry of the archive: both are
    replaced, and the entries are put in order.  ``entries``: what else is done to the content of
    an entry, by its name.  Written aside and renamed.
    """
    workbook.properties.created = stamp
    plain = io.BytesIO()
    with zipfile.ZipFile(plain, "w", zipfile.ZIP_STORED) as archive:
        ExcelWriter(workbook, archive).save()
    modified = stamp.strftime("%Y-%m-%dT%H:%M:%SZ").encode()
    with (
        written_aside(path) as aside,
        zipfile.ZipFile(plain) as source,
        zipfile.ZipFile(aside, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as target,
    ):
        for name in sorted(source.namelist()):
            content = source.read(name)
            if name == _CORE:
                content = _MODIFIED.sub(rb"\g<1>" + modified + rb"\g<2>", content)
            if name in entries:
                content = entries[name](content)
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o600 << 16
            # The system that made it is in each entry's header.
            entry.create_system = 3
            target.writestr(entry, content)
