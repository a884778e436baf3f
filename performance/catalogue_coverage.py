"""How much of the work a point catalogue covers: by items, by quantity, by amount.

Shares are whole millionths by the largest remainder, so that the parts of a whole are exactly
100 %.  Net quantities and amounts below 0 (more refunds than charges) count as 0 in shares.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from drg_engine.errors import InputError
from drg_engine.money import MISSING_FEN, share_out
from performance.catalogue_review import GOODS_WORD
from performance.catalogue_versions import read_version
from performance.line_files import LineFile
from performance.lines import ChargeLines

__all__ = ["charged_coverage", "class_coverage", "source_coverage"]

Ints = npt.NDArray[np.int64]

LineSource = ChargeLines | LineFile

_WHOLE = 1_000_000
_MEASURES = ("items", "quantity_e4", "amount_fen")
UNCOVERED = ("建议", "未赋分")


def _sums(frame: pd.DataFrame, by: str) -> pd.DataFrame:
    """Number of items, quantity and amount of each group, sorted; what is not known counts as 0."""
    known = frame.assign(items=1)
    for name in ("quantity_e4", "amount_fen"):
        known[name] = known[name].where(known[name].ne(MISSING_FEN), 0)
    return known.groupby(by, sort=True)[list(_MEASURES)].sum().reset_index()


def _shares(sums: pd.DataFrame, ids: Sequence[str]) -> pd.DataFrame:
    out = sums.copy()
    for name in _MEASURES:
        weights = np.maximum(sums[name].to_numpy(np.float64), 0.0)
        total = _WHOLE if weights.sum() > 0 else 0
        out[f"{name.split('_')[0]}_share"] = share_out(total, weights, list(ids)) / _WHOLE
    return out


def source_coverage(items: pd.DataFrame, order: Sequence[str]) -> pd.DataFrame:
    """Items, quantity and amount by source of the points, with shares that sum to 1.

    items: source, quantity_e4, amount_fen.  order: sources as they are to be listed.
    Returns source, items, items_share, quantity_e4, quantity_share, amount_fen, amount_share.
    """
    sums = _sums(items, "source").set_index("source")
    listed = [name for name in order if name in sums.index]
    listed += [name for name in sums.index if name not in listed]
    return _shares(sums.loc[listed].reset_index(), listed)


def class_coverage(items: pd.DataFrame) -> pd.DataFrame:
    """Coverage by class and of the whole, without the classes that get no points.

    Returns item_class, items, covered, items_rate, quantity_e4, covered_quantity_e4, quantity_rate,
    amount_fen, covered_amount_fen, amount_rate; the last row is the whole.  A rate is NaN where
    there is nothing to cover.
    """
    work = items[~items["source"].str.startswith(GOODS_WORD)]
    covered = work[~work["source"].isin(UNCOVERED)]
    whole, part = (_sums(one, "item_class") for one in (work, covered))
    table = whole.merge(part, on="item_class", how="left", suffixes=("", "_covered")).fillna(0)
    numbers = [name for name in table.columns if name != "item_class"]
    total = table[numbers].sum().to_frame().T.assign(item_class="合计（不含不计点的类别）")
    table = pd.concat([table, total], ignore_index=True)
    out = pd.DataFrame({"item_class": table["item_class"]})
    for name in _MEASURES:
        all_of, some = (table[column].to_numpy(np.int64) for column in (name, f"{name}_covered"))
        label = name.split("_")[0]
        out[name] = all_of
        out["covered" if label == "items" else f"covered_{name}"] = some
        rate = np.full(len(table), np.nan)
        out[f"{label}_rate"] = np.divide(some, all_of, out=rate, where=all_of > 0)
    return out


def charged_coverage(items_path: Path, charges: LineSource) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Coverage of a month's charge lines by an items table or a reviewed workbook.

    charges: the lines, read in parts (LineFile), or in memory.
    Returns (by status: status, items, quantity_e4, amount_fen and shares; the items without
    points: item_code, item_name, status, rows, quantity_e4, amount_fen, largest amount first).
    """
    names, status = _item_status(items_path)
    parts = [_line_sums(part) for part in charges.parts() if part.n]
    if not parts:
        raise InputError(f"{charges.file} 没有可用的收费行")
    sums = pd.concat(parts).groupby("item_code", sort=True).sum().reset_index()
    sums["source"] = sums["item_code"].map(status).fillna("不在点数表")
    sums["item_name"] = sums["item_code"].map(names).fillna("")
    found = source_coverage(sums, ("有点数", "0 点", "未赋分", "不在点数表"))
    open_ = sums[sums["source"].isin(("未赋分", "不在点数表"))].rename(columns={"source": "status"})
    order = open_.assign(_size=-open_["amount_fen"].abs())
    order = order.sort_values(["_size", "item_code"], kind="stable", ignore_index=True)
    columns = ["item_code", "item_name", "status", "rows", "quantity_e4", "amount_fen"]
    return found.rename(columns={"source": "status"}), order[columns]


def _line_sums(lines: ChargeLines) -> pd.DataFrame:
    size = len(lines.item.values)
    sums = {}
    ones = np.ones(lines.n, dtype=np.int64)
    for name, values in (
        ("rows", ones), ("quantity_e4", lines.quantity_e4), ("amount_fen", lines.amount_fen),
    ):  # fmt: skip
        total = np.zeros(size, dtype=np.int64)
        np.add.at(total, lines.item.codes, values)
        sums[name] = total
    frame = pd.DataFrame({"item_code": list(lines.item.values), **sums})
    summed: pd.DataFrame = frame.groupby("item_code", sort=True).sum().reset_index()
    return summed[summed["rows"] > 0]


def _item_status(path: Path) -> tuple[Mapping[str, str], Mapping[str, str]]:
    """Name and status of each item of a catalogue, by code."""
    points = read_version(path).points
    series = points[[name for name in points.columns if name.startswith("points_")]]
    most = series.max(axis=1)
    status = np.select([most > 0, most == 0], ["有点数", "0 点"], default="未赋分")
    names = dict(zip(points["item_code"], points["item_name"], strict=True))
    return names, dict(zip(points["item_code"], status.tolist(), strict=True))
