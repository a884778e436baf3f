"""Small tables of amounts that people keep: read into exact columns, every row accounted for."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from drg_engine.columns import CaseFormat, find_columns
from drg_engine.door import Ledger, Rejects, one_array, read_column, read_money
from drg_engine.readers import open_table
from drg_engine.text_tables import TextPart
from drg_engine.values import Reading
from drg_engine.values import date as read_date

__all__ = ["MoneyTable", "read_money_table", "read_month", "read_number"]

_MONTH = re.compile(r"(\d{4})[-/年.]?(\d{1,2})月?(?:[-/.]\d{1,2})?")
_NUMBER = re.compile(r"\d{1,12}(?:\.\d{0,12})?%?")
_MOST_YUAN = 1e12


@dataclass(frozen=True, slots=True, eq=False)
class MoneyTable:
    """The rows that could be read: text as object, months and days int64, amounts int64 fen.

    Numbers are float64, NaN where blank.

    Amounts stand in columns ``<name>_fen``, months (months since year 0) in ``month``, days since
    1970-01-01 in ``date``; ``row`` is the row of the file.
    """

    file: str
    frame: pd.DataFrame
    read: int
    rejects: Rejects


def read_money_table(
    path: Path, columns: Mapping[str, Mapping[str, Any]], *, sheet: str | None = None
) -> MoneyTable:
    """Read a table whose ``columns`` have title, kind and headings.

    Kinds: text, month, date, money, number.

    Raises InputError where the file cannot be read or lacks a required column.
    """
    source = open_table(path, sheet=sheet)
    headings = find_columns(source.headings, CaseFormat(columns, {}, {}), path.name)
    frames, rejects, read = [], [], 0
    for part in source.parts:
        read += len(part.rows)
        frame, told = _typed(path.name, part, columns, headings)
        frames.append(frame)
        rejects.append(told)
    nothing = TextPart(pa.table({}), np.zeros(0, dtype=np.int64))
    bad = Ledger(path.name, nothing, pa.array([], pa.string())).rejects(source.bad_rows)
    if not frames:
        empty = pa.table({name: pa.array([], pa.string()) for name in source.headings})
        part = TextPart(empty, np.zeros(0, dtype=np.int64))
        frames = [_typed(path.name, part, columns, headings)[0]]
    whole = pd.concat(frames, ignore_index=True)
    return MoneyTable(
        path.name, whole, read + len(source.bad_rows), Rejects.joined([bad, *rejects])
    )


def _typed(
    file: str,
    part: TextPart,
    columns: Mapping[str, Mapping[str, Any]],
    headings: Mapping[str, str],
) -> tuple[pd.DataFrame, Rejects]:
    blank = pa.array([""] * len(part.rows), pa.string())
    ledger = Ledger(file, part, blank)
    found: dict[str, Any] = {"row": part.rows}
    for name, spec in columns.items():
        column = one_array(part.table[headings[name]]) if name in headings else blank
        title = headings.get(name, str(spec["title"]))
        if spec["kind"] == "money":
            fen = read_money(column, title, ledger, _MOST_YUAN)
            if spec.get("required"):
                ledger.refuse(np.asarray(fen.is_null()), title, column, "不能为空")
            found[f"{name}_fen"] = np.asarray(pc.fill_null(fen, 0), dtype=np.int64)
        elif spec["kind"] == "number":
            found[name] = read_column(column, read_number, title, ledger)
        elif spec["kind"] == "text":
            found[name] = pc.utf8_trim_whitespace(pc.fill_null(column, "")).to_numpy(
                zero_copy_only=False
            )
        else:
            reader = read_month if spec["kind"] == "month" else read_date
            days = read_column(column, reader, title, ledger)
            ledger.refuse(np.isnan(days) & ~ledger.out, title, column, "不能为空")
            found[name] = np.where(np.isnan(days), 0, days).astype(np.int64)
    frame = pd.DataFrame(found)[~ledger.out]
    return frame, ledger.rejects(())


def read_number(text: str) -> Reading:
    """A number that is not negative; empty is missing (NaN)."""
    word = unicodedata.normalize("NFKC", text).strip()
    if not word:
        return float("nan"), "", ""
    if not _NUMBER.fullmatch(word):
        return float("nan"), "应为不小于 0 的数", ""
    share = word.endswith("%")
    return float(word.removesuffix("%")) / (100.0 if share else 1.0), "", ""


def read_month(text: str) -> Reading:
    """Months since year 0 (12 × year + month − 1) from ``2026-10``, ``202610``, ``2026年10月``."""
    word = unicodedata.normalize("NFKC", text).strip()
    if not word:
        return float("nan"), "", ""
    match = _MONTH.fullmatch(word)
    if not match or not 1 <= int(match.group(2)) <= 12:
        return float("nan"), "应为月份，如 2026-10", ""
    return float(int(match.group(1)) * 12 + int(match.group(2)) - 1), "", ""
