"""Surplus rolled up: every level is a sum of cases, so all levels agree to the fen.

Sums of money are int64 fen.  Weights are added as whole 1e-8 of a weight, so that sums do not
depend on the order of rows and levels agree exactly there too.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from drg_engine.payment import KIND_TITLES, KINDS, MISSING_FEN, Coded, Settlement

__all__ = [
    "MEASURES",
    "MEASURE_TITLES",
    "ROLLUP_KEYS",
    "case_measures",
    "derived_measures",
    "exact_weights",
    "rollup",
    "sum_weights",
]

ROLLUP_KEYS = ("hospital", "department", "doctor", "drg", "insurance", "kind")

_WEIGHT_UNITS = 100_000_000
_MONEY = ("charges", "standard", "paid", "formula", "adjustment", "surplus", "cost", "cost_surplus")

MEASURE_TITLES = {
    "cases": "病例数",
    "grouped": "入组病例数",
    "grouping_rate": "入组率",
    "rw": "总权重 ΣRW",
    "cmi": "CMI",
    "drg_count": "DRG 组数",
    "rw2": "RW 达疑难线病例数",
    "rw2_share": "RW 达疑难线占比",
    "charges_fen": "总费用",
    "standard_fen": "支付标准",
    "paid_fen": "支付金额",
    "formula_fen": "公式盈亏",
    "adjustment_fen": "调整",
    "surplus_fen": "医保盈亏",
    "surplus_rate": "盈亏率",
    "cost_cases": "有成本的病例数",
    "cost_fen": "成本",
    "cost_surplus_fen": "成本盈亏",
    "mean_charges": "次均费用",
    "mean_los": "平均住院日",
    **{f"{kind}_cases": f"{title}病例数" for kind, title in zip(KINDS, KIND_TITLES, strict=True)},
}
"""Chinese headings of the columns of :func:`rollup`, in their order."""

MEASURES = tuple(MEASURE_TITLES)


def exact_weights(weights: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """Weights as whole 1e-8 (int64), 0 where there is none."""
    known = np.where(np.isnan(weights), 0.0, weights)
    return np.asarray(np.rint(known * _WEIGHT_UNITS), dtype=np.int64)


def sum_weights(units: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Sums of :func:`exact_weights` back as weights (float64)."""
    return np.asarray(np.asarray(units, dtype=np.int64) / _WEIGHT_UNITS, dtype=np.float64)


def rollup(settlement: Settlement, by: Sequence[str] = ()) -> pd.DataFrame:
    """Sum a settlement by any of ROLLUP_KEYS or a label of its cases, in the order of ``by``.

    One row for each combination that occurs, sorted by the texts of ``by`` (a missing text last,
    as an empty text); without ``by`` one row for all.  Columns: ``by``, then MEASURES: cases
    and ``<kind>_cases`` int64, ``*_fen`` int64, ``*_rate``, ``*_share``, ``cmi`` and
    ``mean_*`` float64 (NaN where the divisor is 0), ``mean_charges`` in yuan, ``mean_los`` in days.

    Sums leave out what is missing: unpriced cases carry no money, ``standard_fen`` covers settled
    cases that have a standard, costs cover settled cases that have a cost (``cost_cases``).
    ``rw``, ``cmi``, ``drg_count`` and ``rw2`` count grouped cases (payment.md §6).
    Raises KeyError for an unknown key.
    """
    keys = [_key(settlement, name) for name in by]
    group, first = _groups(keys, settlement.n)
    sums = _sums(settlement, group, len(first))
    frame = pd.DataFrame({name: _texts(key, first) for name, key in zip(by, keys, strict=True)})
    for name, values in derived_measures(sums).items():
        frame[name] = values
    return frame


def _key(settlement: Settlement, name: str) -> Coded:
    if name == "kind":
        return Coded(settlement.kind.astype(np.int32), KINDS)
    found = settlement.cases.label(name)
    if found is None:
        if name in ROLLUP_KEYS:
            return Coded.same("", settlement.n)
        raise KeyError(f"没有可汇总的列：{name}")
    return found


def _groups(keys: list[Coded], n: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Group number of each row (sorted by text) and a row of each group."""
    if not keys:
        return np.zeros(n, dtype=np.int64), np.zeros(1, dtype=np.int64)
    combined = np.zeros(n, dtype=np.int64)
    for key in keys:
        order = _text_order(key)
        combined = _dense(combined * (len(key.names) + 1) + order[key.codes])
    first = np.zeros(int(combined.max(initial=-1)) + 1, dtype=np.int64)
    first[combined[::-1]] = np.arange(n - 1, -1, -1)
    return combined, first


def _dense(numbers: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Renumber 0, 1, 2 ... in the same order; without sorting the rows where the range is small."""
    top = int(numbers.max(initial=0)) + 1
    if top > 4 * numbers.size + 1024:
        return np.unique(numbers, return_inverse=True)[1].astype(np.int64)
    there = np.zeros(top, dtype=np.bool_)
    there[numbers] = True
    return (np.cumsum(there) - 1)[numbers].astype(np.int64)


def _text_order(key: Coded) -> npt.NDArray[np.int64]:
    """Place of each code's text in the order of texts; equal texts share one, missing goes last.

    The kinds keep their own order.
    """
    if key.names == KINDS:
        return np.arange(len(KINDS) + 1)
    _, places = np.unique(np.array([*key.names], dtype=np.str_), return_inverse=True)
    return np.append(places.astype(np.int64), len(key.names))


def _texts(key: Coded, rows: npt.NDArray[np.int64]) -> list[str]:
    return [key.names[code] if code >= 0 else "" for code in key.codes[rows]]


def case_measures(
    settlement: Settlement,
) -> tuple[dict[str, npt.NDArray[np.bool_]], dict[str, npt.NDArray[np.int64]]]:
    """What of each case is counted (bool), and what is added up (int64), by name.

    With ``drg_count`` (how many DRGs the grouped cases have) their sums are what
    :func:`derived_measures` takes.
    """
    cases = settlement.cases
    grouped = cases.status == 0
    settled = cases.charges != MISSING_FEN
    stays = cases.los >= 0
    heavy = settlement.policy.rules.indicators.heavy_weight
    counted = {
        "cases": np.ones(settlement.n, dtype=np.bool_),
        "grouped": grouped,
        "rw2": grouped & (cases.weight >= heavy),
        "settled": settled,
        "stays": stays,
        "cost_cases": settlement.cost_surplus != MISSING_FEN,
        **{f"{kind}_cases": settlement.kind == i for i, kind in enumerate(KINDS)},
    }
    added: dict[str, npt.NDArray[np.int64]] = {
        "units": np.where(grouped, exact_weights(cases.weight), 0),
        "days": np.where(stays, cases.los, 0).astype(np.int64),
    }
    for name in _MONEY:
        held = getattr(cases if name in ("charges", "cost") else settlement, name)
        added[f"{name}_fen"] = np.where(settled & (held != MISSING_FEN), held, 0)
    return counted, added


def _sums(
    settlement: Settlement, group: npt.NDArray[np.int64], size: int
) -> dict[str, npt.NDArray[np.int64]]:
    """Exact sums by group, int64 throughout."""
    counted, added = case_measures(settlement)
    sums = {name: np.bincount(group[rows], minlength=size) for name, rows in counted.items()}
    add = _Adder(group, size)
    sums |= {name: add(values) for name, values in added.items()}
    grouped = counted["grouped"]
    sums["drg_count"] = _distinct(group[grouped], settlement.cases.drg[grouped], size)
    return sums


class _Adder:
    """Adds int64 columns by group, exactly; the rows are put in order once."""

    def __init__(self, group: npt.NDArray[np.int64], size: int) -> None:
        self._size = size
        self._order = np.argsort(group, kind="stable") if size > 1 else None
        self._starts = np.searchsorted(group[self._order], np.arange(size)) if size > 1 else None

    def __call__(self, values: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        if self._order is None or self._starts is None:
            return np.full(self._size, values.sum(dtype=np.int64))
        return np.asarray(np.add.reduceat(values[self._order], self._starts, dtype=np.int64))


def _distinct(
    group: npt.NDArray[np.int64], drg: npt.NDArray[np.int32], size: int
) -> npt.NDArray[np.int64]:
    """How many different DRGs each group has."""
    if group.size == 0:
        return np.zeros(size, dtype=np.int64)
    width = int(drg.max()) + 1
    pairs = np.unique(group * width + drg)
    return np.bincount(pairs // width, minlength=size).astype(np.int64)


def derived_measures(
    held: dict[str, npt.NDArray[np.int64]],
) -> dict[str, npt.NDArray[np.int64] | npt.NDArray[np.float64]]:
    """MEASURES from exact sums by group (see :func:`case_measures`)."""
    rw = sum_weights(held["units"])
    derived: dict[str, npt.NDArray[np.float64]] = {
        "grouping_rate": _over(held["grouped"], held["cases"]),
        "rw": rw,
        "cmi": _over(rw, held["grouped"]),
        "rw2_share": _over(held["rw2"], held["grouped"]),
        "surplus_rate": _over(held["surplus_fen"], held["charges_fen"]),
        "mean_charges": _over(held["charges_fen"] / 100.0, held["settled"]),
        "mean_los": _over(held["days"], held["stays"]),
    }
    return {name: derived[name] if name in derived else held[name] for name in MEASURES}


def _over(above: npt.ArrayLike, below: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Quotient, NaN where the divisor is 0."""
    top = np.asarray(above, dtype=np.float64)
    bottom = np.asarray(below, dtype=np.float64)
    found = np.full(top.shape, np.nan)
    np.divide(top, bottom, out=found, where=bottom != 0)
    return found
