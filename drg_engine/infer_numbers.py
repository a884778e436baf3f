"""Finding a number that many rounded observations share, and a bound that parts two kinds.

Each observation gives an interval in which the number must lie.  Where most intervals overlap the
number explains the most cases; cases that follow another rule do not disturb it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["Found", "Parting", "best_overlap", "inside", "parting", "plainest"]

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

_SLACK = 1e-12
_MOST_DECIMALS = 12


@dataclass(frozen=True, slots=True)
class Found:
    """A number between ``low`` and ``high`` that ``cases`` of ``of`` observations allow.

    ``value`` is the plainest number (fewest decimals) in between.
    """

    value: float
    low: float
    high: float
    cases: int
    of: int


def best_overlap(low: Floats, high: Floats) -> Found | None:
    """Where the most intervals [low, high] overlap; None without any proper interval.

    Of several places alike the narrowest counts, then the lowest.
    """
    good = np.isfinite(low) & np.isfinite(high) & (low <= high)
    if not good.any():
        return None
    slack = _SLACK * np.maximum(np.abs(low[good]), np.abs(high[good]))
    points = np.concatenate([low[good] - slack, high[good] + slack])
    opens = np.repeat([0, 1], int(good.sum()))
    order = np.lexsort((opens, points))
    points = points[order]
    depth = np.cumsum(1 - 2 * opens[order])
    most = int(depth.max())
    at = np.flatnonzero(depth == most)
    width = points[at + 1] - points[at]
    best = int(at[np.lexsort((points[at], width))[0]])
    left, right = float(points[best]), float(points[best + 1])
    return Found(plainest(left, right), left, right, most, int(good.sum()))


def inside(low: Floats, high: Floats, value: float) -> Bools:
    """Which intervals hold the value (NaN bounds hold nothing)."""
    slack = _SLACK * abs(value)
    return np.asarray((low - slack <= value) & (value <= high + slack), dtype=np.bool_)


def plainest(low: float, high: float) -> float:
    """Give the number of fewest decimals in [low, high], of these the nearest to the middle."""
    middle = (low + high) / 2.0
    if not (math.isfinite(low) and math.isfinite(high)) or low > high:
        return middle
    for decimals in range(_MOST_DECIMALS + 1):
        step = 10.0**-decimals
        for value in (middle, math.ceil(low / step) * step, math.floor(high / step) * step):
            rounded = round(value, decimals)
            if low <= rounded <= high:
                return rounded
    return middle


@dataclass(frozen=True, slots=True)
class Parting:
    """A bound in [``low``, ``high``]; ``errors`` cases lie on the wrong side of it.

    ``value`` is the plainest number in between.  ``at_bound``: whether cases exactly at ``value``
    belong to those below it, None where there are none or they disagree.
    """

    value: float
    low: float
    high: float
    errors: int
    at_bound: bool | None


def parting(below: Floats, above: Floats, floor: float, ceiling: float) -> Parting:
    """Find the bound that best parts ratios ``below`` from ratios ``above``.

    floor, ceiling: what the bound can be at least and at most.  Of several bounds alike the one in
    the widest gap counts.
    """
    edges = np.unique(np.concatenate([below, above, [floor, ceiling]]))
    edges = edges[(edges >= floor) & (edges <= ceiling)]
    if edges.size < 2:
        edges = np.array([floor, ceiling])
    lefts, rights = edges[:-1], edges[1:]
    wrong_above = below.size - np.searchsorted(np.sort(below), lefts, side="right")
    wrong_below = np.searchsorted(np.sort(above), rights, side="left")
    errors = wrong_above + wrong_below
    best = np.flatnonzero(errors == errors.min())
    at = int(best[np.argmax((rights - lefts)[best])])
    low, high = float(lefts[at]), float(rights[at])
    value = plainest(low, high)
    near = _SLACK * 10 * max(value, 1.0)
    low_there = bool((np.abs(below - value) <= near).any())
    high_there = bool((np.abs(above - value) <= near).any())
    at_bound = None if low_there == high_there else low_there
    return Parting(value, low, high, int(errors[at]), at_bound)
