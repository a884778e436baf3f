"""Indicators of a hospital or of any part of it (payment.md §6)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from drg_engine.payment import MISSING_FEN, Coded, PaymentColumns, Settlement
from drg_engine.surplus import exact_weights, sum_weights

__all__ = [
    "HeaderFigures",
    "consumption_index",
    "control_accuracy",
    "fee_shares",
    "grouping_rate",
    "header_figures",
]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class HeaderFigures:
    """The figures at the head of a report; NaN where a divisor is 0.

    ``rw`` ΣRW of grouped cases; ``cmi`` = ΣRW / grouped; ``charges_per_rw`` yuan and
    ``days_per_rw`` days per 1.0 RW, over grouped cases that have a weight and the amount;
    ``control_accuracy`` the share of cases with charges and a standard whose C/S lies between the
    policy's bounds (both out).
    ``rw2`` counts the cases at or above the policy's heavy weight.
    """

    cases: int
    grouped: int
    grouping_rate: float
    drg_count: int
    rw: float
    cmi: float
    rw2_cases: int
    rw2_share: float
    charges_per_rw: float
    days_per_rw: float
    control_accuracy: float


def header_figures(settlement: Settlement) -> HeaderFigures:
    """Header figures of all cases of a settlement."""
    cases = settlement.cases
    grouped = cases.status == 0
    weighted = grouped & (cases.weight > 0)
    count = int(grouped.sum())
    rw = _rw(cases, grouped)
    said = settlement.policy.rules.indicators
    heavy = int((grouped & (cases.weight >= said.heavy_weight)).sum())
    priced = weighted & (cases.charges != MISSING_FEN)
    stayed = weighted & (cases.los >= 0)
    charges = int(cases.charges[priced].sum()) / 100.0
    days = int(cases.los[stayed].sum(dtype=np.int64))
    return HeaderFigures(
        cases=cases.n,
        grouped=count,
        grouping_rate=grouping_rate(count, cases.n),
        drg_count=int(np.unique(cases.drg[grouped]).size),
        rw=rw,
        cmi=_over(rw, count),
        rw2_cases=heavy,
        rw2_share=_over(heavy, count),
        charges_per_rw=_over(charges, _rw(cases, priced)),
        days_per_rw=_over(days, _rw(cases, stayed)),
        control_accuracy=control_accuracy(
            cases.charges, settlement.standard, said.accuracy_above, said.accuracy_below
        ),
    )


def grouping_rate(grouped: int, cases: int) -> float:
    """Grouped cases over all; ambiguous (QY) and ungrouped (0000) cases are not grouped."""
    return _over(grouped, cases)


def control_accuracy(
    charges: npt.NDArray[np.int64],
    standard: npt.NDArray[np.int64],
    above: float,
    below: float,
) -> float:
    """Share of cases with above < C/S < below, of those that have both (fen, MISSING_FEN)."""
    both = (charges != MISSING_FEN) & (standard != MISSING_FEN) & (standard > 0)
    ratio = charges[both] / standard[both]
    near = (ratio > above) & (ratio < below)
    return _over(int(near.sum()), int(both.sum()))


def fee_shares(cases: PaymentColumns, by: str | None = None) -> pd.DataFrame:
    """Share of each fee class (``fee_*``) in the charges of all cases, or of each text of ``by``.

    One row per group sorted by text; columns: ``by`` if given, then the fee classes (float64).
    Cases without total charges are left out; a missing fee counts as none.
    """
    label = Coded.same("全部", cases.n) if by is None else cases.label(by)
    if label is None:
        raise KeyError(f"没有可汇总的列：{by}")
    known = cases.charges != MISSING_FEN
    names = sorted(name for name in cases.amounts if name.startswith("fee_"))
    columns = {
        name: np.where(cases.amounts[name] == MISSING_FEN, 0, cases.amounts[name])[known]
        for name in names
    }
    sums = pd.DataFrame({"charges": cases.charges[known], **columns})
    totals = sums.groupby(_names(label, known)).sum().sort_index()
    shares = {
        name: _divide(totals[name].to_numpy(), totals["charges"].to_numpy()) for name in names
    }
    frame = pd.DataFrame(shares, index=range(len(totals)))
    if by is not None:
        frame.insert(0, by, list(totals.index))
    return frame


def consumption_index(
    counts: Sequence[int],
    actual: Sequence[float],
    reference: Sequence[float],
    *,
    sums: bool = False,
) -> float:
    """Cost or time index against reference means by DRG: Σ n·(c / c*) / Σ n.

    ``sums=True`` gives the ratio of sums Σ n·c / Σ n·c*.  Groups without a positive reference are
    left out; NaN where none remains.
    """
    n, own, ref = (np.asarray(values, dtype=np.float64) for values in (counts, actual, reference))
    kept = np.isfinite(own) & (ref > 0)
    n, own, ref = n[kept], own[kept], ref[kept]
    if sums:
        return _over(float((n * own).sum()), float((n * ref).sum()))
    return _over(float((n * (own / ref)).sum()), float(n.sum()))


def _rw(cases: PaymentColumns, rows: npt.NDArray[np.bool_]) -> float:
    return float(sum_weights(exact_weights(cases.weight[rows]).sum()))


def _names(label: Coded, rows: npt.NDArray[np.bool_]) -> npt.NDArray[np.object_]:
    return np.array([*label.names, ""], dtype=object)[label.codes[rows]]


def _divide(above: npt.NDArray[np.int64], below: npt.NDArray[np.int64]) -> Floats:
    out = np.full(above.shape, np.nan)
    return np.asarray(np.divide(above, below, out=out, where=below != 0), dtype=np.float64)


def _over(above: float, below: float) -> float:
    return above / below if below else float("nan")
