"""Proposals for items without a value, from the nearest items of the same class.

Likeness of two names is the share of characters they have in common in order (normalised Indel
similarity, 0 to 1) of the names without signs and blanks, in one width and case; closeness of two
prices falls with the distance of their logarithms.  The value proposed is the mean of the nearest,
weighted by confidence; it is never scaled by price, or points would hide a commission
(allocation.md §7, rule 4).  Results do not depend on the order of rows: ties go to the lower code.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from performance.catalogue_methods import Proposal
from performance.catalogue_values import NONE, VALUES, round_points

__all__ = ["plain_name", "propose"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Tell = Callable[[int], None]

_SIGNS = re.compile(r"[\W_]+")
_BLOCK_CELLS = 8_000_000
_STEPS = 1_000_000
_SHOWN = 3


def plain_name(name: str) -> str:
    """A name for comparing: one width and case, without signs and blanks."""
    return _SIGNS.sub("", unicodedata.normalize("NFKC", name)).casefold()


def propose(
    items: pd.DataFrame,
    known: npt.NDArray[np.bool_],
    wanted: npt.NDArray[np.bool_],
    how: tuple[Proposal, int],
    tell: Tell | None = None,
) -> pd.DataFrame:
    """Proposals for the items in ``wanted`` from those in ``known`` (bool, n each).

    items: sorted by item_code; item_code, item_name, item_class, price_fen and VALUES.  how: the
    proposal's parameters and the decimals of points.  tell: called with the number of items done.
    Returns one row for each proposal: place (row in items), VALUES, confidence_e4, basis.
    """
    parameters, decimals = how
    names = np.array([plain_name(name) for name in items["item_name"]], dtype=object)
    classes, _ = pd.factorize(items["item_class"], sort=True)
    parts = []
    for one in np.unique(classes[wanted]):
        rows = np.flatnonzero(wanted & (classes == one))
        sources = np.flatnonzero(known & (classes == one))
        if len(sources):
            block = max(1, _BLOCK_CELLS // len(sources))
            for start in range(0, len(rows), block):
                part = rows[start : start + block]
                nearest = _nearest(items, names, (part, sources), parameters)
                parts.append(_proposals(items, part, nearest, parameters, decimals))
                if tell is not None:
                    tell(len(part))
        elif tell is not None:
            tell(len(rows))
    columns = ["place", *VALUES, "confidence_e4", "basis"]
    if not parts:
        return pd.DataFrame({name: [] for name in columns}).astype({"place": np.int64})
    return pd.concat(parts, ignore_index=True)[columns].sort_values("place", ignore_index=True)


def _nearest(
    items: pd.DataFrame,
    names: npt.NDArray[np.object_],
    pair: tuple[Ints, Ints],
    how: Proposal,
) -> tuple[Ints, Floats]:
    """Places of the nearest items (n, k), best first, and their confidence; -1 and 0 where none."""
    from rapidfuzz.distance import Indel
    from rapidfuzz.process import cdist

    rows, sources = pair
    least_name = _least_likeness(how)
    likeness = cdist(
        names[rows], names[sources], scorer=Indel.normalized_similarity,
        score_cutoff=least_name, dtype=np.float32, workers=-1,
    )  # fmt: skip
    # Few pairs are alike enough to be worth a price: the rest is never touched again.
    line, column = np.nonzero(likeness >= np.float32(least_name))
    price = items["price_fen"].to_numpy()
    close = _closeness(price[rows[line]], price[sources[column]], how)
    sure = how.name_weight * likeness[line, column].astype(np.float64) + how.price_weight * close
    steps = np.round(sure * _STEPS).astype(np.int64)
    enough = steps >= round(how.least * _STEPS)
    line, column, steps = line[enough], column[enough], steps[enough]
    order = np.lexsort((column, -steps, line))
    line, column, steps = line[order], column[order], steps[order]
    rank = np.arange(len(line)) - np.searchsorted(line, line)
    best = rank < how.neighbours
    places = np.full((len(rows), how.neighbours), -1, dtype=np.int64)
    confidence = np.zeros((len(rows), how.neighbours))
    places[line[best], rank[best]] = sources[column[best]]
    confidence[line[best], rank[best]] = steps[best] / _STEPS
    return places, confidence


def _least_likeness(how: Proposal) -> float:
    """Names less alike than this can't reach the least confidence whatever the prices."""
    if how.name_weight == 0:
        return 0.0
    # A little lower than the sum says, as likeness comes with the digits of float32.
    return max(0.0, (how.least - how.price_weight) / how.name_weight - 1e-6)


def _closeness(left: Ints, right: Ints, how: Proposal) -> Floats:
    """Closeness of pairs of prices (n): 1 where equal, 0 from a ratio of ``price_ratio`` on."""
    logs = [np.log(np.maximum(price, 1).astype(np.float64)) for price in (left, right)]
    distance = np.abs(logs[0] - logs[1]) / np.log(how.price_ratio)
    unknown = (left <= 0) | (right <= 0)
    return np.asarray(np.where(unknown, how.no_price, np.maximum(0.0, 1.0 - distance)))


def _proposals(
    items: pd.DataFrame,
    rows: Ints,
    nearest: tuple[Ints, Floats],
    how: Proposal,
    decimals: int,
) -> pd.DataFrame:
    places, confidence = nearest
    found = places[:, 0] >= 0
    rows, places, confidence = rows[found], places[found], confidence[found]
    data: dict[str, npt.NDArray[np.int64]] = {"place": rows}
    for name in VALUES:
        data[name] = _means(items[name].to_numpy(), places, confidence, decimals)
    agreed = 1.0 - how.disagreement * (1.0 - _agreement(items["points_e4"].to_numpy(), places))
    data["confidence_e4"] = np.round(confidence[:, 0] * agreed * 10_000).astype(np.int64)
    frame = pd.DataFrame(data)
    frame["basis"] = _bases(items, places, confidence)
    return frame[frame["confidence_e4"] >= round(how.least * 10_000)]


def _means(values: Ints, places: Ints, weights: Floats, decimals: int) -> Ints:
    """Mean of the nearest items' points by confidence; none where one of them has none."""
    there = places >= 0
    picked = np.where(there, values[places], 0)
    given = ((picked >= 0) | ~there).all(axis=1)
    mean = (picked * weights).sum(axis=1) / weights.sum(axis=1) / 10_000
    rounded = round_points(np.where(given, mean, 0.0), decimals)
    return np.asarray(np.where(given, rounded, NONE), dtype=np.int64)


def _agreement(points: Ints, places: Ints) -> Floats:
    """Least of the nearest items' points as a share of the most; 1 where all are equal."""
    there = places >= 0
    picked = points[places].astype(np.float64)
    most = np.where(there, picked, 0.0).max(axis=1)
    least = np.where(there, picked, np.inf).min(axis=1)
    return np.asarray(np.divide(least, most, out=np.ones_like(most), where=most > 0))


def _bases(items: pd.DataFrame, places: Ints, confidence: Floats) -> list[str]:
    codes, names = items["item_code"].to_numpy(), items["item_name"].to_numpy()
    points = items["points_e4"].to_numpy()
    return [
        "；".join(_one(codes[p], names[p], points[p], sure) for p, sure in _pairs(row, line))
        for row, line in zip(places.tolist(), confidence.tolist(), strict=True)
    ]


def _pairs(places: Sequence[int], confidence: Sequence[float]) -> list[tuple[int, float]]:
    pairs = zip(places, confidence, strict=True)
    return [(place, sure) for place, sure in pairs if place >= 0][:_SHOWN]


def _one(code: str, name: str, points_e4: int, sure: float) -> str:
    text = f"{points_e4 / 10_000:.4f}".rstrip("0").rstrip(".")
    return f"{code} {name} {text} 点（{sure:.2f}）"
