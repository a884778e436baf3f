"""What an item's unit is worth: its points by series, its modifier; sums of cells by their keys."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from performance.model_keys import e4
from performance.points_model import PointsModel
from performance.sessions import Modifier
from performance.table_list import BLANK, ROLES

__all__ = ["Cut", "Grouped", "item_points", "modified_points", "ranks", "valued_items"]

Ints = npt.NDArray[np.int64]

_MOST = 9e18


def valued_items(items: pd.DataFrame, model: PointsModel) -> pd.DataFrame:
    """Items whose points are blank get them from their RVU: Σ part × geographic index.

    Rounded half up to ten-thousandths (allocation.md §2).
    """
    blank = (items["points_e4"] == BLANK).to_numpy()
    if not blank.any():
        return items
    total = np.zeros(len(items), dtype=np.int64)
    for name, index in zip(("work", "practice", "malpractice"), model.indices, strict=True):
        part = np.maximum(items[f"{name}_e4"].to_numpy(dtype=np.int64), 0)
        total += part * e4(index)
    points = np.where(blank, (total + 5_000) // 10_000, items["points_e4"])
    return items.assign(points_e4=points.astype(np.int64))


def item_points(items: pd.DataFrame, series: str) -> Ints:
    """Points of one unit of each item for a series; the general ones where it has no own."""
    general = items["points_e4"].to_numpy(dtype=np.int64)
    if series not in ROLES:
        return general
    own = items[f"points_{series}_e4"].to_numpy(dtype=np.int64)
    return np.where(own >= 0, own, general)


@dataclass(frozen=True)
class Cut:
    """Rows of cells: ``row`` (m,) is the cell of each, ``part`` 1 technical, 2 professional.

    points_e4 (m, k): points by series, base taken off.  base_e4, factor_e4: (m,).
    """

    row: Ints
    part: Ints
    points_e4: Ints
    base_e4: Ints
    factor_e4: Ints


def modified_points(
    items: pd.DataFrame,
    item: Ints,
    modifier: Ints,
    modifiers: Sequence[Modifier],
    series: Sequence[str],
) -> Cut:
    """Points of cells (n,) by series after their modifiers; images in parts give two rows."""
    points = np.stack([item_points(items, name) for name in series], axis=1)[item]
    n = len(item)
    row, part = np.arange(n, dtype=np.int64), np.zeros(n, dtype=np.int64)
    factor = np.array([one.factor for one in modifiers], dtype=np.int64)[modifier]
    less = np.array([one.less_base for one in modifiers], dtype=bool)[modifier]
    base = np.where(less, items["base_e4"].to_numpy(dtype=np.int64)[item], 0)
    if less.any():
        base = np.minimum(base, points.min(axis=1))
        points = points - base[:, None]
    images = np.array([one.technical >= 0 for one in modifiers], dtype=bool)[modifier]
    if not images.any():
        return Cut(row, part, points, base, factor)
    row = np.sort(np.concatenate([row, np.flatnonzero(images)]))
    second = np.append(False, row[1:] == row[:-1])
    part = np.where(images[row], np.where(second, 2, 1), 0)
    points, base, factor = points[row].copy(), base[row], factor[row]
    for number, name in ((1, "technical"), (2, "professional")):
        here = np.flatnonzero(part == number)
        points[here] = items[f"{name}_e4"].to_numpy(dtype=np.int64)[item[row[here]]][:, None]
        own = np.array([getattr(one, name) for one in modifiers], dtype=np.int64)
        factor[here] = own[modifier[row[here]]]
    return Cut(row, part.astype(np.int64), points, base, factor)


class Grouped:
    """Quantities (int64, n) summed over rows whose columns are equal, sorted by the columns."""

    def __init__(self, columns: Sequence[Ints], quantity: Ints) -> None:
        key = _packed(columns)
        order = np.argsort(key, kind="stable")
        ordered = key[order]
        first = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1])[: len(key)])
        self.columns = [np.asarray(column)[order[first]] for column in columns]
        self.quantity: Ints = (
            np.add.reduceat(quantity[order], first) if len(key) else quantity.astype(np.int64)
        )


def _packed(columns: Sequence[Ints]) -> Ints:
    """One number for each row, in the order of the columns, the first weighing most."""
    spans = [(int(c.min(initial=0)), int(c.max(initial=0))) for c in columns]
    room = 1
    for low, high in spans:
        room *= high - low + 1
    if room > _MOST:
        return _packed(
            [_packed(columns[:-1]) if len(columns) > 2 else _dense(columns[0]), _dense(columns[-1])]
        )
    key = np.zeros(len(columns[0]), dtype=np.int64)
    for (low, high), column in zip(spans, columns, strict=True):
        key *= high - low + 1
        key += column - low
    return key


def _dense(column: Ints) -> Ints:
    return np.unique(column, return_inverse=True)[1].astype(np.int64)


def ranks(columns: Sequence[Any]) -> Ints:
    """Place of each row in the order of its texts (equal rows keep theirs)."""
    order = np.lexsort(
        [np.asarray(column, dtype=object).astype(str) for column in reversed(columns)]
    )
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    return place
