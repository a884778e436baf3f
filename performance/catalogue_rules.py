"""What an items table says beyond points: session rules and RVU parts, carried to a new version.

A catalogue's workbook holds points, coefficients and reasons.  The other columns of the items table
(see performance/tables.py) stay with their items when the table is written anew.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from performance.tables import TABLES, Column, read_table

__all__ = ["OTHER_COLUMNS", "carry_rules", "latest_rows", "points_of_parts", "without_rules"]

_OWN = (
    "version", "item_code", "item_name", "unit", "item_class", "points", "order_coefficient",
    "execution_coefficient", "points_doctor", "points_technician", "points_nurse", "reason",
    "effective_from", "effective_to",
)  # fmt: skip
OTHER_COLUMNS: tuple[Column, ...] = tuple(c for c in TABLES["items"].columns if c.name not in _OWN)
"""Columns of the items table that a catalogue doesn't make."""

_PARTS = ("work_e4", "practice_e4", "malpractice_e4")
_IMAGING, _ENDOSCOPY = "imaging", "endoscopy"
_SERIES = ("points_doctor_e4", "points_technician_e4", "points_nurse_e4")


def latest_rows(path: Path) -> pd.DataFrame:
    """The last version of each item of an items table, sorted by code."""
    table = read_table(path, "items")
    table = table.sort_values(["item_code", "effective_from"], kind="stable")
    latest: pd.DataFrame = table.drop_duplicates("item_code", keep="last").reset_index(drop=True)
    return latest


def points_of_parts(table: pd.DataFrame) -> npt.NDArray[np.int64]:
    """Points (ten-thousandths) of an items table; blank ones are the sum of the RVU parts."""
    points = table["points_e4"].to_numpy(np.int64)
    if not set(_PARTS) <= set(table.columns):
        return points
    parts = table[list(_PARTS)].to_numpy(np.int64)
    total = np.maximum(parts, 0).sum(axis=1)
    return np.where((points < 0) & (parts >= 0).any(axis=1), total, points)


def without_rules(frame: pd.DataFrame) -> pd.DataFrame:
    """The table with the other columns at their defaults."""
    return frame.assign(**{column.field: column.default for column in OTHER_COLUMNS})


def carry_rules(frame: pd.DataFrame, old: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Give the items of a new version what else the old table says of them.

    frame: item_code and points; old: latest_rows.  An item whose points were the sum of its RVU
    parts, and still are, keeps the parts and blank points, so that a plan's geographic indices go
    on to apply.  Session rules that no longer fit the points are left out and told.  Returns the
    table with OTHER_COLUMNS and the notices.
    """
    kept = old.set_index("item_code").reindex(frame["item_code"])
    there = kept["item_class"].notna().to_numpy()
    out = frame.reset_index(drop=True)
    for column in OTHER_COLUMNS:
        values = kept[column.field].where(kept["item_class"].notna(), column.default).to_numpy()
        out[column.field] = values.astype(object if isinstance(column.default, str) else np.int64)
    held = kept["points_e4"].fillna(0).to_numpy()
    blank = np.zeros(len(out), dtype=bool)
    if there.any():
        total = np.full(len(out), -1, dtype=np.int64)
        whole = kept[there].astype(dict.fromkeys(_parts(old), np.int64))
        total[there] = points_of_parts(whole)
        blank = there & (held < 0) & (out["points_e4"].to_numpy() == total)
    notices = _drop_unfit(out, ~blank)
    out.loc[blank, "points_e4"] = -1
    return out, notices


def _parts(table: pd.DataFrame) -> list[str]:
    return [name for name in ("points_e4", *_PARTS) if name in table.columns]


def _drop_unfit(out: pd.DataFrame, scored: npt.NDArray[np.bool_]) -> list[str]:
    """Take away session rules that contradict the new points."""
    if "session" not in out.columns:
        return []
    imaging = out["session"].eq(_IMAGING)
    parts = out["technical_e4"] + out["professional_e4"]
    unfit = imaging & scored & parts.ne(out["points_e4"])
    by_series = out[list(_SERIES)].ge(0).any(axis=1)
    unfit |= out["session"].isin((_IMAGING, _ENDOSCOPY)) & by_series
    if not unfit.any():
        return []
    session = ("session", "family", "base_e4", "technical_e4", "professional_e4")
    for column in OTHER_COLUMNS:
        if column.field in session:
            out[column.field] = out[column.field].mask(unfit, column.default)
    shown = "、".join(out["item_code"][unfit].head(5))
    return [
        f"{int(unfit.sum()):,} 个项目的同次规则与新点数不符，没有带过来（{shown}）："
        "影像的技术点数 + 专业点数须等于点数，内镜和影像不能分系列"
    ]
