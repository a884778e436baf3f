"""The figures of a report for any part of its cases (payment.md §6, insurance_office.md §1).

Every figure is a sum of cases, or a quotient of two such sums, so a part's figures and those of the
cases they are made from always agree.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from drg_engine.desk_frame import FEES
from drg_engine.surplus import sum_weights

__all__ = ["ADDED", "looked_up", "measures", "summed", "with_reference"]

_COUNTS = ("grouped", "surgical", "heavy", "priced", "standing", "near", "died")
_MONEY = (
    "charges",
    "standard",
    "paid",
    "formula",
    "adjustment",
    "surplus",
    "cost",
    "cost_surplus",
    "personal",
    "review",
    *FEES,
)
ADDED = (
    "cases",
    *(f"{name}_cases" for name in _COUNTS if name != "priced"),
    *(f"{name}_fen" for name in _MONEY),
)
"""Columns of :func:`measures` that are sums, so that a part's parts add up to it."""

_KIND_CASES = {
    "normal_cases": ("normal",),
    "low_cases": ("low",),
    "high_cases": ("high",),
    "ungrouped_cases": ("ungrouped", "ambiguous", "no_weight"),
    "outside_cases": ("out_of_scope", "bed_day", "unpriced", "review"),
}


def with_reference(frame: pd.DataFrame, reference: pd.DataFrame) -> pd.DataFrame:
    """The cases with what their DRG costs and lasts elsewhere.

    reference: drg, ``charges_fen`` and ``days`` per case (NaN or 0 where unknown).  Adds
    ``cost_ratio`` and ``time_ratio``: the case over its DRG's mean, NaN where there is none; their
    means over cases are the cost and time index (Σ n·(c/c*) / Σ n).
    """
    table = reference.set_index("drg")
    mean = looked_up(frame["drg"], table["charges_fen"])
    days = looked_up(frame["drg"], table["days"])
    grouped = frame["grouped"].to_numpy()
    return frame.assign(
        cost_ratio=_ratio(frame["charges_fen"], mean, grouped & frame["priced"].to_numpy()),
        time_ratio=_ratio(frame["los"], days, grouped & frame["stayed"].to_numpy()),
    )


def looked_up(keys: pd.Series[Any], table: pd.Series[Any]) -> npt.NDArray[np.float64]:
    """Numbers of a table by its index, float64 (n,), NaN where a key is not there."""
    found = table.reindex(keys.to_numpy(dtype=object))
    return np.asarray(found, dtype=np.float64)


def _ratio(above: pd.Series[Any], below: npt.NDArray[np.float64], where: Any) -> Any:
    good = where & (below > 0)
    return np.where(good, above / np.where(good, below, 1.0), np.nan)


def measures(
    frame: pd.DataFrame, by: Sequence[str] = (), held: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Figures of the cases by some of their texts, sorted by them; one row for all without.

    cases and ``*_cases`` are counts; ``*_fen`` int64 sums of cases that have charges; rates, shares
    and means float64, NaN where the divisor is 0.  cost_index and time_index where the frame comes
    from :func:`with_reference`.  held: what is summed (:func:`summed`), where it is known already.
    """
    held = summed(frame) if held is None else held
    keys = [frame[name] for name in by] or [pd.Series(0, index=frame.index)]
    sums: pd.DataFrame = held.groupby(keys, sort=True).sum()
    drgs = frame["drg"].where(frame["grouped"])
    sums["drg_count"] = drgs.groupby(keys, sort=True).nunique()
    index = sums.index.to_frame(index=False) if by else pd.DataFrame(index=range(len(sums)))
    index.columns = pd.Index(list(by))
    figures = _figures(sums.reset_index(drop=True))
    return pd.concat([index, figures], axis=1)


def summed(frame: pd.DataFrame) -> pd.DataFrame:
    """What is summed, one row a case."""
    held: dict[str, Any] = {"cases": np.ones(len(frame), dtype=np.int64)}
    for name in _COUNTS:
        held[f"{name}_cases"] = frame[name].to_numpy(dtype=np.int64)
    for name, kinds in _KIND_CASES.items():
        held[name] = frame["kind"].isin(list(kinds)).to_numpy(dtype=np.int64)
    for name in _MONEY:
        held[f"{name}_fen"] = frame[f"{name}_fen"].to_numpy(dtype=np.int64)
    weighted = (frame["grouped"] & (frame["units"] > 0)).to_numpy()
    priced, stayed = frame["priced"].to_numpy(), frame["stayed"].to_numpy()
    units = frame["units"].to_numpy(dtype=np.int64)
    charges = frame["charges_fen"].to_numpy(dtype=np.int64)
    days = frame["los"].to_numpy(dtype=np.int64)
    held |= {
        "units": units,
        "stays": stayed.astype(np.int64),
        "days": days,
        "priced_units": np.where(weighted & priced, units, 0),
        "priced_charges": np.where(weighted & priced, charges, 0),
        "stayed_units": np.where(weighted & stayed, units, 0),
        "stayed_days": np.where(weighted & stayed, days, 0),
        "costed": frame["costed"].to_numpy(dtype=np.int64),
        "costed_charges": np.where(frame["costed"], charges, 0),
    }
    for name in ("cost_ratio", "time_ratio"):
        if name in frame.columns:
            known = frame[name].notna().to_numpy()
            held[name] = np.where(known, frame[name], 0.0)
            held[f"{name}_cases"] = known.astype(np.int64)
    return pd.DataFrame(held, index=frame.index)


def _figures(sums: pd.DataFrame) -> pd.DataFrame:
    def over(above: Any, below: Any) -> npt.NDArray[np.float64]:
        top, bottom = np.asarray(above, np.float64), np.asarray(below, np.float64)
        found = np.full(top.shape, np.nan)
        np.divide(top, bottom, out=found, where=bottom != 0)
        return found

    rw = sum_weights(sums["units"])
    found: dict[str, Any] = {
        "cases": sums["cases"],
        "grouped_cases": sums["grouped_cases"],
        "grouping_rate": over(sums["grouped_cases"], sums["cases"]),
        "rw": rw,
        "cmi": over(rw, sums["grouped_cases"]),
        "drg_count": sums["drg_count"].astype(np.int64),
        "heavy_cases": sums["heavy_cases"],
        "heavy_share": over(sums["heavy_cases"], sums["grouped_cases"]),
        "surgical_cases": sums["surgical_cases"],
        "surgical_share": over(sums["surgical_cases"], sums["grouped_cases"]),
        "charges_per_rw": over(sums["priced_charges"] / 100.0, sum_weights(sums["priced_units"])),
        "mean_charges": over(sums["charges_fen"] / 100.0, sums["priced_cases"]),
        "days_per_rw": over(sums["stayed_days"], sum_weights(sums["stayed_units"])),
        "mean_los": over(sums["days"], sums["stays"]),
        "standing_cases": sums["standing_cases"],
        "near_cases": sums["near_cases"],
        "control_accuracy": over(sums["near_cases"], sums["standing_cases"]),
        # Nothing at all is what no case states: then the share is not known.
        "personal_share": over(
            sums["personal_fen"].where(sums["personal_fen"] != 0), sums["charges_fen"]
        ),
        "died_cases": sums["died_cases"],
    }
    for name in _MONEY:
        found[f"{name}_fen"] = sums[f"{name}_fen"]
    found["surplus_rate"] = over(sums["surplus_fen"], sums["charges_fen"])
    found["surplus_per_case"] = over(sums["surplus_fen"] / 100.0, sums["priced_cases"])
    found["mean_standard"] = over(sums["standard_fen"] / 100.0, sums["standing_cases"])
    for name in FEES:
        found[f"{name}_share"] = over(sums[f"{name}_fen"], sums["charges_fen"])
        found[f"mean_{name}"] = over(sums[f"{name}_fen"] / 100.0, sums["priced_cases"])
    found |= {name: sums[name] for name in _KIND_CASES}
    for name, index in (("cost_ratio", "cost_index"), ("time_ratio", "time_index")):
        if name in sums.columns:
            found[index] = over(sums[name], sums[f"{name}_cases"])
    return pd.DataFrame(found)
