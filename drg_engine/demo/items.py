"""The charge catalogue: priced items with invented names, and points where work is rewarded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from drg_engine.demo.profile import Profile, Stream

__all__ = ["FEES", "Catalogue", "Pool", "make_catalogue"]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

FEES: Mapping[str, str] = {
    "药品": "drug",
    "卫生材料": "consumable",
    "检查": "test",
    "化验": "test",
    "手术": "service",
    "麻醉": "service",
    "护理": "service",
    "床位": "service",
    "诊查": "service",
    "治疗": "service",
    "其他": "other",
}
"""Which fee class of a case an item class belongs to."""

_PREFIXES = {
    "药品": "01", "卫生材料": "02", "检查": "11", "化验": "12", "手术": "21", "麻醉": "22",
    "护理": "31", "床位": "32", "诊查": "33", "治疗": "41", "其他": "90",
}  # fmt: skip


@dataclass(frozen=True)
class Pool:
    """The items of one stream in the order of price: places in the catalogue and ln(price)."""

    items: Ints
    log_price: Floats


@dataclass(frozen=True)
class Catalogue:
    """All items, n rows.  ``price`` int64 fen; ``table``: code, class, stream, executing ..."""

    table: pd.DataFrame
    price: Ints

    def pool(self, stream: str, family: str | None = None) -> Pool:
        """Items of a stream, of one family where it is given and known."""
        rows = (self.table["stream"] == stream).to_numpy()
        if family is not None:
            own = rows & (self.table["family"] == family).to_numpy()
            rows = own if own.any() else rows
        items = np.flatnonzero(rows)
        items = items[np.argsort(self.price[items], kind="stable")]
        return Pool(items, np.log(self.price[items]))


def make_catalogue(rng: Stream, profile: Profile) -> Catalogue:
    """Expand the item stems into items with code, price and points."""
    stems = profile.items
    counts = stems["count"].to_numpy(np.int64)
    stem = np.repeat(np.arange(len(stems)), counts)
    rank = np.arange(len(stem)) - np.repeat(np.cumsum(counts) - counts, counts)
    row = stems.iloc[stem].reset_index(drop=True)
    share = rank / np.maximum(counts[stem] - 1, 1)
    low = np.log(row["price_low"].to_numpy(float))
    high = np.log(row["price_high"].to_numpy(float))
    fen = np.exp(low + (high - low) * share) * 100
    step = np.where(fen >= 10_000, 100, np.where(fen >= 1_000, 10, 1))
    price = np.maximum(1, np.round(fen / step) * step).astype(np.int64)
    number = row.groupby("class").cumcount().to_numpy() + 1
    code = [_PREFIXES[c] + f"{i:06d}" for c, i in zip(row["class"], number, strict=True)]
    several = counts[stem] > 1
    name = np.where(several, row["name"] + [f"{i + 1:03d}" for i in rank], row["name"])
    noise = np.exp(rng.normal(0.0, 0.25, len(row)))
    points = np.round(row["points_per_yuan"].to_numpy(float) * price / 100 * noise, 1)
    rewarded = row["points_per_yuan"].to_numpy(float) > 0
    table = pd.DataFrame(
        {
            "code": code,
            "name": name,
            "unit": row["unit"],
            "class": row["class"],
            "stream": row["stream"],
            "family": row["family"],
            "executing": row["executing"],
            "order_coefficient": row["order_coefficient"],
            "reason": row["reason"],
            "points": np.where(rewarded, np.maximum(points, 0.1), 0.0),
        }
    )
    return Catalogue(table, price)
