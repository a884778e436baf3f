"""A report's tables as CSV for Excel, in the columns and words of its workbook."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from drg_engine.money import MISSING_FEN
from drg_engine.writers import write_table
from reports.layout import Layout, Sheet, Table
from reports.style import Style

__all__ = ["drop_csvs", "write_csvs"]

_DIGITS = {"decimal1": 1, "decimal2": 2, "decimal4": 4, "decimal8": 8, "percent": 6}
"""Decimals of quotients by the workbook's format."""


def write_csvs(layout_file: Path, tables: Mapping[str, pd.DataFrame], out: Path) -> None:
    """Write each table that has rows as ``<sheet>.csv`` in ``out``, under the layout's headings.

    Columns of one heading in several groups are told apart by the group's name; amounts are exact
    yuan.  Several tables of one sheet are numbered by their titles.
    """
    layout = Layout.load(layout_file, Style.load())
    for sheet in layout.sheets:
        for table in sheet.tables:
            frame = tables.get(table.source, pd.DataFrame())
            if frame.empty:
                continue
            headings = {
                column.key: f"{column.group}·{column.heading}" if column.group else column.heading
                for column in table.columns
                if column.key in frame.columns
            }
            if table.unknown == "show":
                known = {column.key for column in table.columns}
                headings |= {
                    str(key): str(key).removesuffix("_fen")
                    for key in frame.columns
                    if key not in known
                }
            words = {c.key: layout.values[c.values] for c in table.columns if c.values}
            digits = {c.key: _DIGITS[c.format] for c in table.columns if c.format in _DIGITS}
            columns = [_column(frame[key], words.get(key, {}), digits.get(key)) for key in headings]
            whole = pa.table(columns, names=list(headings.values()))
            write_table(out / _file_name(sheet, table), whole, bom=True)


def drop_csvs(layout_file: Path, tables: Mapping[str, pd.DataFrame], out: Path) -> None:
    """Remove from ``out`` the files of :func:`write_csvs` that these tables don't give."""
    for sheet in Layout.load(layout_file, Style.load()).sheets:
        for table in sheet.tables:
            if tables.get(table.source, pd.DataFrame()).empty:
                (out / _file_name(sheet, table)).unlink(missing_ok=True)


def _file_name(sheet: Sheet, table: Table) -> str:
    return f"{sheet.name}-{table.title}.csv" if table.title else f"{sheet.name}.csv"


def _column(
    column: pd.Series[Any], words: Mapping[str, str], digits: int | None = None
) -> pa.Array:
    """A column as it is shown: fen as exact yuan, codes in words, missing as nothing.

    digits: decimals that a quotient keeps.
    """
    if "_fen" in str(column.name):
        filled = [None if pd.isna(fen) or fen == MISSING_FEN else int(fen) for fen in column]
        yuan = [None if fen is None else Decimal(fen).scaleb(-2) for fen in filled]
        return pa.array(yuan, pa.decimal128(20, 2))
    if words:
        return pa.array([words.get(str(value), str(value)) for value in column], pa.string())
    if pd.api.types.is_bool_dtype(column.dtype):
        return pa.array(["是" if value else "" for value in column])
    if digits is not None and pd.api.types.is_float_dtype(column.dtype):
        column = column.round(digits)
    return pa.Array.from_pandas(column)
