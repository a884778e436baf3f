"""From typed columns to what a cell holds."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from drg_engine.money import MISSING_FEN
from reports.layout import Column
from reports.style import Format

__all__ = ["as_cells", "column_total", "guessed_column", "masked_ids", "missing", "sorted_rows"]

_DIVISORS = {"fen": 1e2, "wan": 1e6, "e4": 1e4, "e6": 1e6}
_ENDINGS = {
    "_fen": "yuan",
    "_e4": "quantity",
    "_e6": "points",
    "_rate": "percent",
    "_share": "percent",
}
_MASK = "＊＊＊"
_SHOWN_DIGITS = 4
_MOST_CHARACTERS = 32_767
# What XML 1.0 cannot hold at all.
_ILLEGAL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


def missing(column: pd.Series[Any]) -> pd.Series[bool]:
    """Which values are absent: NA, NaN, NaT and the amount that stands for none."""
    absent = column.isna()
    if pd.api.types.is_integer_dtype(column.dtype):
        absent |= (column == MISSING_FEN).fillna(True).astype(bool)
    return absent


def as_cells(column: pd.Series[Any], shown: Format, names: Mapping[str, str]) -> list[Any]:
    """The values of one column as Python objects for cells; absent ones are None.

    ``fen`` (int64) becomes yuan and ``wan`` ten thousand yuan, as the nearest float64, which a
    spreadsheet shows as the exact decimal.  Text goes through ``names`` where it is listed there.
    """
    absent = missing(column)
    if shown.kind == "text":
        return _text_cells(column, absent, names)
    if shown.kind == "date":
        dates = pd.to_datetime(column, errors="coerce")
        return [None if pd.isna(day) else day.date() for day in dates]
    if not pd.api.types.is_numeric_dtype(column.dtype):
        column = pd.to_numeric(column, errors="coerce")
        absent = column.isna()
    divisor = _DIVISORS.get(shown.kind)
    kept = column.where(~absent, 0)
    if divisor is not None:
        values = (kept.to_numpy(dtype=np.int64) / divisor).tolist()
    elif pd.api.types.is_float_dtype(kept.dtype):
        floats = kept.to_numpy(dtype=np.float64)
        absent |= ~np.isfinite(floats)
        values = floats.tolist()
    else:
        values = kept.to_numpy(dtype=np.int64).tolist()
    return [None if gone else value for value, gone in zip(values, absent.tolist(), strict=True)]


def _text_cells(
    column: pd.Series[Any], absent: pd.Series[bool], names: Mapping[str, str]
) -> list[Any]:
    """Distinct values are cleaned once: a column of 5,000 cases has a few dozen of most."""
    codes, distinct = pd.factorize(column.astype(object).where(~absent, None))
    words = [_clean(names.get(str(value), str(value))) or None for value in distinct]
    return [None if code < 0 else words[code] for code in codes.tolist()]


def _clean(text: str) -> str:
    return _ILLEGAL.sub("�", text)[:_MOST_CHARACTERS]


def column_total(column: pd.Series[Any]) -> int | float:
    """Sum of the values that are there: exact for integers, rounded once for others.

    So it doesn't depend on the order of rows.
    """
    kept = column[~missing(column)]
    if pd.api.types.is_integer_dtype(kept.dtype) or pd.api.types.is_bool_dtype(kept.dtype):
        return int(kept.sum())
    return math.fsum(pd.to_numeric(kept, errors="coerce").dropna().tolist())


def masked_ids(column: pd.Series[Any]) -> pd.Series[Any]:
    """Case ids with all but their last four characters hidden (short ids: but the last one).

    The number of hidden characters isn't shown.
    """
    words = column.astype(object).tolist()
    absent = missing(column).tolist()
    hidden = [
        None if gone else _hidden(str(word)) for word, gone in zip(words, absent, strict=True)
    ]
    return pd.Series(hidden, index=column.index, dtype=object)


def _hidden(text: str) -> str:
    return _MASK + text[-_SHOWN_DIGITS if len(text) > 2 * _SHOWN_DIGITS else -1 :]


def guessed_column(key: str, column: pd.Series[Any]) -> Column:
    """How to show a column that the layout doesn't describe: by its name and type."""
    known = next((name for end, name in _ENDINGS.items() if key.endswith(end)), "")
    if known:
        chosen = Column(key, key.removesuffix("_fen"), known, width=16)
    elif pd.api.types.is_bool_dtype(column.dtype) or not pd.api.types.is_numeric_dtype(
        column.dtype
    ):
        dated = pd.api.types.is_datetime64_any_dtype(column.dtype)
        chosen = Column(key, key, "date" if dated else "text", width=16)
    elif pd.api.types.is_integer_dtype(column.dtype):
        chosen = Column(key, key, "int", width=12)
    else:
        chosen = Column(key, key, "general", width=14)
    return chosen


def sorted_rows(frame: pd.DataFrame, order: Sequence[str]) -> pd.DataFrame:
    """Rows in the layout's order (a key with ``-`` before it: descending), stable."""
    keys = [(key.lstrip("-"), not key.startswith("-")) for key in order]
    keys = [(key, rising) for key, rising in keys if key in frame.columns]
    if not keys or frame.empty:
        return frame
    return frame.sort_values(
        [key for key, _ in keys],
        ascending=[rising for _, rising in keys],
        kind="stable",
        na_position="last",
    )
