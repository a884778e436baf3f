"""The workbook of a comparison: two runs, or planned against paid (``compare.toml``)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

import pandas as pd

from drg_engine.workbook_bytes import save_same_bytes
from reports import page
from reports.grid import write_table
from reports.layout import Layout
from reports.style import Style
from reports.workbook import new_workbook

__all__ = ["COMPARE_LAYOUT", "write_compare_workbook"]

COMPARE_LAYOUT = Path(__file__).with_name("compare.toml")
_STAMP = datetime(2000, 1, 1)
_TABLE_ROW = 4


def write_compare_workbook(
    hospital: str, title: str, tables: Mapping[str, pd.DataFrame], path: Path
) -> None:
    """Write the tables that there are, each on its sheet of the layout.

    tables: by the layout's ``source``.  The same tables give the same bytes.  Written aside and
    renamed; raises OSError where ``path`` can't be written.
    """
    style = Style.load()
    layout = Layout.load(COMPARE_LAYOUT, style)
    workbook, painter = new_workbook(f"{hospital} {title}", style)
    workbook.remove(workbook.worksheets[0])
    for entry in layout.sheets:
        table = entry.tables[0]
        frame = tables.get(table.source)
        if frame is None:
            continue
        sheet = workbook.create_sheet(entry.name)
        page.write_title(sheet, entry.title, entry.note, hospital, title, painter)
        area = write_table(sheet, _TABLE_ROW, table, frame, layout, painter)
        page.freeze(sheet, entry.freeze, area)
        page.set_up(sheet, hospital, title, entry.tab, painter, repeat=area.head)
    save_same_bytes(workbook, path, _STAMP, painter.rows.entries())
