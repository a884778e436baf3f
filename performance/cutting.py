"""Cutting money to the fen: one pool, or many groups at once (allocation.md §6, exactness)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from drg_engine.money import share_out

__all__ = ["cut_groups", "cut_pool", "group_sums"]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
_LAST_PLACES = 2.0**-50


def cut_pool(total: int, weights: npt.ArrayLike, ids: list[str], remainder: str) -> Ints:
    """Cut a pool (fen, >= 0) by weights: ``largest`` remainder, or the remainder to the ``first``.

    Ties, and who is first, go by id.  The sum of the parts is the pool.  Raises ValueError where
    the weights sum to 0 with a pool above 0.
    """
    if remainder == "largest":
        return share_out(total, weights, ids)
    shares = np.asarray(weights, dtype=np.float64)
    if total and not shares.sum() > 0:
        raise ValueError("份额合计为 0，无法分配")
    order = np.argsort(np.asarray(ids), kind="stable")
    rank = np.empty(len(ids), dtype=np.int64)
    rank[order] = np.arange(len(ids))
    group = np.zeros(len(ids), dtype=np.int64)
    return cut_groups(np.array([total]), shares, group, rank, remainder)


def group_sums(values: npt.NDArray[np.float64], group: Ints, count: int) -> Floats:
    """Sums of float64 ``values`` by group number (0 … count - 1); -1 is left aside."""
    keep = group >= 0
    sums = np.bincount(group[keep], weights=values[keep], minlength=count)
    return np.asarray(sums, dtype=np.float64)


def cut_groups(totals: Ints, weights: Floats, group: Ints, rank: Ints, remainder: str) -> Ints:
    """Cut the money of many groups (fen >= 0, int64 (g,)) among their rows (m,) by weight.

    group: number of each row's group, -1 for none.  rank: order of the rows' ids, for ties and for
    who is first.  Every group's parts sum to its total exactly; a row of weight 0 gets nothing.
    The caller makes sure that a group with money has a weight above 0.
    """
    parts = np.zeros(len(group), dtype=np.int64)
    here = np.flatnonzero((group >= 0) & (weights > 0))
    if not len(here) or not totals.any():
        return parts
    own, weight = group[here], weights[here]
    whole = np.bincount(own, weights=weight, minlength=len(totals))
    exact = totals[own] * (weight / whole[own])
    if remainder == "first":
        floor = np.floor(exact + exact * _LAST_PLACES).astype(np.int64)
    else:
        floor = np.floor(exact).astype(np.int64)
    given = np.bincount(own, weights=floor, minlength=len(totals)).astype(np.int64)
    missing = np.where(whole > 0, totals - given, 0)
    if remainder == "first":
        order = np.lexsort((rank[here], own))
    else:
        order = np.lexsort((rank[here], -np.round(exact - floor, 9), own))
    first = np.searchsorted(own[order], np.arange(len(totals)))
    place = np.arange(len(order)) - first[own[order]]
    if remainder == "first":
        extra = np.where(place == 0, missing[own[order]], 0)
    else:
        extra = _one_each(own[order], place, missing, floor[order], len(totals))
    floor[order] += extra
    parts[here] = floor
    return parts


def _one_each(own: Ints, place: Ints, missing: Ints, floor: Ints, count: int) -> Ints:
    """+1 to the first rows of each group; where too much was given, -1 from the last that have."""
    extra = (place < missing[own]).astype(np.int64)
    for g in np.flatnonzero(missing < 0):
        rows = np.flatnonzero((own == g) & (floor > 0))[::-1]
        extra[rows[: -missing[g]]] = -1
    return extra
