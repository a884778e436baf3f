"""Two runs of the allocation side by side: what changed for every unit and person, and why.

The causes of a difference are taken one after another in a stated order, each with what came before
it already changed and what comes after it still as it was.  Every running amount is rounded to the
fen by the one rule (money.py) and a cause is the difference of two of them, so the causes add up to
the difference exactly; what no cause explains stands last.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from drg_engine.compare_people import (
    PERSON_CAUSES,
    change_words,
    number_text,
    person_changes,
)
from drg_engine.money import to_fen

__all__ = [
    "PERSON_CAUSES",
    "UNIT_CAUSES",
    "Comparison",
    "RunTables",
    "compare_runs",
]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

UNIT_CAUSES: Mapping[str, str] = MappingProxyType(
    {
        "unit": "新增或撤销",
        "points": "点数",
        "coefficient": "科室系数",
        "drg_factor": "DRG 系数",
        "value": "点值",
        "formula": "公式部分",
        "drg": "DRG 部分",
        "cost": "承担成本",
        "quality": "质量",
        "quality_pool": "质量奖金池",
        "floor": "补至零",
        "bounds": "保底封顶",
        "single": "科室单项",
        "correction": "更正",
        "rest": "其他与尾差",
    }
)
"""The causes of a unit's difference in the order in which they are taken."""

_KEY = ["department", "series"]
_PARTS = {
    "formula": 1, "drg": 1, "cost": -1, "quality": 1, "quality_pool": 1, "floor": 1, "bounds": 1,
    "single": 1,
}  # fmt: skip
_FACTORS = ("coefficient", "drg_factor", "value")
_NEAR = 0.05
"""Yuan by which points × value may miss what was paid for points: every part is whole fen."""


@dataclass(frozen=True)
class RunTables:
    """What is compared: a run's units, people and series as ``performance.Allocation`` has them.

    units: department_pools.  people: staff_pay.  series: series_totals.  corrections: the run's
    adjustments of other months (for_period, department, staff_id, series, amount_fen).
    """

    label: str
    units: pd.DataFrame
    people: pd.DataFrame
    series: pd.DataFrame
    corrections: pd.DataFrame = field(default_factory=pd.DataFrame)


@dataclass(frozen=True)
class Comparison:
    """Old, new, difference and causes (``*_fen``, int64); why, in words.

    units: a row a department and series.  people: a row a person.  series: a row a series with
    pool, Σ points and point value.
    """

    old: str
    new: str
    units: pd.DataFrame
    people: pd.DataFrame
    series: pd.DataFrame


def compare_runs(old: RunTables, new: RunTables) -> Comparison:
    """Compare two runs, ``new`` against ``old``.

    Rows come in the order of their keys.  In every row the causes sum to the difference, and over
    all rows differences sum to the difference of the totals, exactly.
    """
    units = _units(old, new)
    people = person_changes(old.people, new.people, units, (old.corrections, new.corrections))
    return Comparison(
        old.label, new.label, _told_units(units), people, _series(old.series, new.series)
    )


def _column(frame: pd.DataFrame, name: str, default: Any) -> pd.Series[Any]:
    if name in frame.columns:
        return frame[name].fillna(default)
    return pd.Series([default] * len(frame), index=frame.index)


def _facts(frame: pd.DataFrame, corrections: pd.DataFrame) -> pd.DataFrame:
    """One run's units under the names used here, one row a key.

    A unit paid by the mean of a group has no point value and no coefficient of its own: its value
    is what it pays for one of its weight.
    """
    base = np.where(
        _column(frame, "basis", "points").to_numpy(dtype=object) == "points",
        np.maximum(_column(frame, "points_e6", 0).to_numpy(dtype=np.float64) / 1e6, 0.0),
        _column(frame, "staff_weight", 0.0).to_numpy(dtype=np.float64),
    )
    factors = {
        name: _column(frame, name, 1.0).to_numpy(dtype=np.float64)
        for name in ("coefficient", "drg_factor")
    }
    factors["value"] = _column(frame, "value", 0.0).to_numpy(dtype=np.float64)
    weight = _column(frame, "weight", 0.0).to_numpy(dtype=np.float64)
    paid = _column(frame, "points_fen", 0).to_numpy(dtype=np.int64) / 100.0
    by_mean = (weight > 0) & (
        np.abs(weight * factors["value"] - paid) > _NEAR + np.abs(paid) * 1e-6
    )
    factors["value"] = np.divide(paid, weight, out=factors["value"].copy(), where=by_mean)
    for name in ("coefficient", "drg_factor"):
        factors[name] = np.where(by_mean, 1.0, factors[name])
    scale = factors["coefficient"] * factors["drg_factor"]
    held = pd.DataFrame(
        {
            "department": _column(frame, "department", "").astype(object),
            "series": _column(frame, "series", "").astype(object),
            "department_name": _column(frame, "department_name", "").astype(object),
            "base": np.divide(weight, scale, out=base, where=scale > 0),
            **factors,
        }
    )
    for name in ("points", "pool", "head_fund", *_PARTS):
        held[f"{name}_fen"] = _column(frame, f"{name}_fen", 0).to_numpy(dtype=np.int64)
    held["correction_fen"] = _corrections(held, corrections)
    held["single_fen"] -= held["correction_fen"]
    held["present"] = True
    return held.drop_duplicates(_KEY, keep="first")


def _corrections(units: pd.DataFrame, corrections: pd.DataFrame) -> Ints:
    """Corrections paid to whole units by the series they name, in fen."""
    if corrections.empty:
        return np.zeros(len(units), dtype=np.int64)
    whole = corrections[(corrections["staff_id"] == "") & (corrections["series"] != "")]
    summed = whole.groupby(_KEY)["amount_fen"].sum()
    keys = pd.MultiIndex.from_frame(units[_KEY])
    return np.asarray(summed.reindex(keys, fill_value=0).to_numpy(), dtype=np.int64)


def _units(old: RunTables, new: RunTables) -> pd.DataFrame:
    """Units of both runs, joined, with causes."""
    whole = _facts(old.units, old.corrections).merge(
        _facts(new.units, new.corrections), on=_KEY, how="outer", suffixes=("_old", "_new")
    )
    whole = whole.sort_values(_KEY, kind="stable", ignore_index=True)
    for side in ("old", "new"):
        there = whole[f"present_{side}"].notna()
        whole[f"present_{side}"] = there
        for name in (n for n in whole.columns if n.endswith(f"_{side}") and n[:7] != "present"):
            kept = object if str(name).startswith("department_name") else None
            filled = whole[name].where(there, "" if kept is object else 0)
            whole[name] = filled.astype(np.int64) if "_fen_" in str(name) else filled
    return whole.assign(**_unit_causes(whole))


def _unit_causes(whole: pd.DataFrame) -> dict[str, Ints]:
    """The causes of every unit's difference in fen, in their order; they sum to the difference."""
    amount: dict[str, tuple[Ints, Ints]] = {}
    for name in ("pool", "points", "correction", *_PARTS):
        both = (whole[f"{name}_fen_{side}"].to_numpy(dtype=np.int64) for side in ("old", "new"))
        old, new = both
        amount[name] = (old, new)
    both_there = (whole["present_old"] & whole["present_new"]).to_numpy(dtype=bool)
    pairs = {
        name: tuple(whole[f"{name}_{side}"].to_numpy(dtype=np.float64) for side in ("old", "new"))
        for name in ("base", *_FACTORS)
    }
    causes: dict[str, Ints] = {}
    difference = amount["pool"][1] - amount["pool"][0]
    causes["unit_fen"] = np.where(both_there, 0, difference)
    now = {name: pair[0] for name, pair in pairs.items()}
    before = to_fen(np.prod([*now.values()], axis=0))
    for name, cause in (("base", "points"), *((name, name) for name in _FACTORS)):
        now[name] = pairs[name][1]
        after = to_fen(np.prod([*now.values()], axis=0))
        causes[f"{cause}_fen"] = np.where(both_there, after - before, 0)
        before = after
    for name, sign in (*_PARTS.items(), ("correction", 1)):
        change = sign * (amount[name][1] - amount[name][0])
        causes[f"{name}_fen"] = np.where(both_there, change, 0)
    told = np.sum([causes[f"{name}_fen"] for name in UNIT_CAUSES if name != "rest"], axis=0)
    causes["rest_fen"] = difference - told
    return causes


def _told_units(whole: pd.DataFrame) -> pd.DataFrame:
    old, new = whole["pool_fen_old"], whole["pool_fen_new"]
    name = whole["department_name_new"].where(
        whole["department_name_new"] != "", whole["department_name_old"]
    )
    told = pd.DataFrame(
        {
            "department": whole["department"],
            "department_name": name,
            "series": whole["series"],
            "old_fen": old,
            "new_fen": new,
            "difference_fen": new - old,
            **{f"{cause}_fen": whole[f"{cause}_fen"] for cause in UNIT_CAUSES},
            **{
                f"{fact}_{side}": whole[f"{fact}_{side}"]
                for fact in ("base", *_FACTORS)
                for side in ("old", "new")
            },
        }
    )
    return told.assign(words=_unit_words(told))


_MOVED = (
    ("points", "base", 4), ("coefficient", "coefficient", 4), ("drg_factor", "drg_factor", 6),
    ("value", "value", 8),
)  # fmt: skip


def _unit_words(told: pd.DataFrame) -> list[str]:
    words = []
    for row in told.to_dict("records"):
        text = dict.fromkeys(UNIT_CAUSES, "")
        for cause, fact, places in _MOVED:
            before, after = (number_text(row[f"{fact}_{side}"], places) for side in ("old", "new"))
            text[cause] = f" {before} → {after}" if before != after else ""
        words.append(change_words(row, UNIT_CAUSES, text))
    return words


def _series(old: pd.DataFrame, new: pd.DataFrame) -> pd.DataFrame:
    """Pool, weight (Σ points × coefficient) and value of each series, old and new."""
    kept: Sequence[tuple[str, Any]] = (("pool_fen", 0), ("weight", 0.0), ("value", 0.0))
    sides = []
    for frame, side in ((old, "old"), (new, "new")):
        held = pd.DataFrame({"series": _column(frame, "series", "").astype(object)})
        held["label"] = _column(frame, "label", "").to_numpy(dtype=object)
        for name, default in kept:
            held[f"{name}_{side}"] = _column(frame, name, default).to_numpy()
        sides.append(held)
    whole = sides[0].merge(sides[1], on="series", how="outer", suffixes=("", "_new"))
    whole = whole.sort_values("series", kind="stable", ignore_index=True)
    whole["label"] = whole["label"].fillna(whole["label_new"])
    for side in ("old", "new"):
        whole[f"pool_fen_{side}"] = whole[f"pool_fen_{side}"].fillna(0).astype(np.int64)
        for name in ("weight", "value"):
            whole[f"{name}_{side}"] = whole[f"{name}_{side}"].fillna(0.0).astype(np.float64)
    whole = whole.rename(columns={"pool_fen_old": "old_fen", "pool_fen_new": "new_fen"})
    return whole.drop(columns="label_new").assign(
        difference_fen=whole["new_fen"] - whole["old_fen"]
    )
