"""Why a person's pay differs between two runs, cause by cause, adding up to the fen.

A person's part of a unit's money is a share of what is cut by weight (coefficient × attendance)
and a share of what is cut evenly.  The unit's money first goes through its own causes (compare.py),
of which the person gets or bears the old shares; then the person's coefficient, attendance and the
others of the unit change; single items and corrections are the person's own.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from drg_engine.money import format_fen, to_fen

__all__ = ["PERSON_CAUSES", "change_words", "number_text", "person_changes"]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

PERSON_CAUSES: Mapping[str, str] = MappingProxyType(
    {
        "moved": "新进、离开或调动",
        "points": "科室点数",
        "coefficient": "科室系数",
        "drg_factor": "DRG 系数",
        "value": "点值",
        "formula": "公式部分",
        "drg": "DRG 部分",
        "cost": "承担成本",
        "quality": "质量",
        "bounds": "保底封顶等",
        "unit_single": "科室单项",
        "unit_rest": "基金与平均份额",
        "own": "本人系数",
        "attendance": "本人出勤",
        "others": "同组人员",
        "single": "本人单项",
        "correction": "更正",
        "rest": "其他与尾差",
    }
)
"""The causes of a person's difference in the order in which they are taken."""

_KEY = ["staff_id", "department", "series"]
_UNIT = ["department", "series"]
_FROM_UNIT: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "points": ("points",),
        "coefficient": ("coefficient",),
        "drg_factor": ("drg_factor",),
        "value": ("value",),
        "formula": ("formula",),
        "drg": ("drg",),
        "cost": ("cost",),
        "quality": ("quality", "quality_pool"),
        "bounds": ("floor", "bounds", "rest"),
        "unit_single": ("single", "correction"),
    }
)
"""Which causes of the unit make up each cause of the person, in order."""


def person_changes(
    old: pd.DataFrame,
    new: pd.DataFrame,
    units: pd.DataFrame,
    corrections: tuple[pd.DataFrame, pd.DataFrame],
) -> pd.DataFrame:
    """Old and new pay of every person with the causes of the difference.

    old, new: staff_pay of the two runs.  units: their units, joined, with causes.  Returns one row
    a person: staff_id, name, department, series, old_fen, new_fen, difference_fen, a column a cause
    and words; amounts int64 fen.
    """
    posts = _posts(old, corrections[0]).merge(
        _posts(new, corrections[1]), on=_KEY, how="outer", suffixes=("_old", "_new")
    )
    moved = units[[*_UNIT, *(f"{name}_fen" for names in _FROM_UNIT.values() for name in names)]]
    moved = moved.rename(columns=lambda name: name if name in _UNIT else f"unit_{name}")
    posts = posts.merge(moved, on=_UNIT, how="left")
    posts = posts.sort_values(_KEY, kind="stable", ignore_index=True)
    posts = posts.assign(**_causes(_filled(posts)))
    return _by_person(posts)


def _column(frame: pd.DataFrame, name: str, default: Any) -> pd.Series[Any]:
    if name in frame.columns:
        return frame[name].fillna(default)
    return pd.Series([default] * len(frame), index=frame.index)


def _posts(frame: pd.DataFrame, corrections: pd.DataFrame) -> pd.DataFrame:
    """One run's people under the names used here, one row a person and unit.

    ``shared`` is what comes by weight, ``even`` by head; both with their sums over the unit.
    """
    held = pd.DataFrame({name: _column(frame, name, "").astype(object) for name in _KEY})
    held["name"] = _column(frame, "name", "").astype(object)
    for name, default in (("coefficient", 1.0), ("attendance", 1.0), ("weight", 0.0)):
        held[name] = _column(frame, name, default).to_numpy(dtype=np.float64)
    for name in ("total_fen", "single_fen", "average_fen"):
        held[name] = _column(frame, name, 0).to_numpy(dtype=np.int64)
    rules: dict[str, Any] = dict.fromkeys(("name", "coefficient", "attendance"), "first")
    rules |= dict.fromkeys(("weight", "total_fen", "single_fen", "average_fen"), "sum")
    held = held.groupby(_KEY, sort=True, as_index=False).agg(rules)
    held["correction_fen"] = _personal(held, corrections)
    held["shared_fen"] = held["total_fen"] - held["single_fen"] - held["average_fen"]
    held["single_fen"] -= held["correction_fen"]
    whole = held.groupby(_UNIT)[["weight", "shared_fen", "average_fen"]].transform("sum")
    held["unit_weight"] = whole["weight"]
    held["unit_shared_fen"] = whole["shared_fen"]
    held["unit_average_fen"] = whole["average_fen"]
    held["there"] = True
    return held


def _personal(held: pd.DataFrame, corrections: pd.DataFrame) -> Ints:
    """Corrections paid to each person, in fen, on the person's first row."""
    if corrections.empty:
        return np.zeros(len(held), dtype=np.int64)
    summed = corrections[corrections["staff_id"] != ""].groupby("staff_id")["amount_fen"].sum()
    found = held["staff_id"].map(summed).fillna(0).to_numpy(dtype=np.int64)
    return np.where(held.duplicated("staff_id"), 0, found)


def _filled(posts: pd.DataFrame) -> dict[str, npt.NDArray[Any]]:
    """The columns as arrays; 0 where a row is not there."""
    arrays: dict[str, npt.NDArray[Any]] = {}
    for name in posts.columns:
        column = posts[name]
        if str(name).startswith("there_"):
            arrays[str(name)] = column.notna().to_numpy()
        elif pd.api.types.is_numeric_dtype(column.dtype):
            kind = np.int64 if "_fen" in str(name) else np.float64
            arrays[str(name)] = column.fillna(0).to_numpy(dtype=kind)
    return arrays


def _ratio(part: npt.NDArray[Any], whole: npt.NDArray[Any]) -> Floats:
    """Part / whole, 0 where there is no whole."""
    top, bottom = part.astype(np.float64), whole.astype(np.float64)
    return np.divide(top, bottom, out=np.zeros_like(top), where=bottom != 0)


def _causes(column: Mapping[str, npt.NDArray[Any]]) -> dict[str, Ints]:
    """The causes of each post's difference in fen; they sum to the difference."""
    both = column["there_old"] & column["there_new"]
    causes = {f"{name}_fen": np.zeros(len(both), dtype=np.int64) for name in PERSON_CAUSES}
    before = column["shared_fen_old"] + column["average_fen_old"]
    after = column["shared_fen_new"] + column["average_fen_new"]
    causes["moved_fen"] = np.where(both, 0, after - before)
    for name in ("single", "correction"):
        causes[f"{name}_fen"] = column[f"{name}_fen_new"] - column[f"{name}_fen_old"]
    running = before.copy()
    for name, amount in _steps(column):
        change = np.where(both, amount - running, 0)
        causes[f"{name}_fen"] = change
        running = running + change
    difference = column["total_fen_new"] - column["total_fen_old"]
    told = np.sum([causes[f"{name}_fen"] for name in PERSON_CAUSES if name != "rest"], axis=0)
    causes["rest_fen"] = difference - told
    return causes


def _steps(column: Mapping[str, npt.NDArray[Any]]) -> list[tuple[str, Ints]]:
    """The running amount of each post after each cause, in fen."""
    shared = {side: column[f"unit_shared_fen_{side}"] for side in ("old", "new")}
    even = {side: column[f"unit_average_fen_{side}"] for side in ("old", "new")}
    staff = {side: shared[side] + even[side] for side in ("old", "new")}
    shape = np.where(staff["old"] != 0, _ratio(shared["old"], staff["old"]), 1.0)
    shape = np.where(
        (staff["old"] == 0) & (staff["new"] != 0), _ratio(shared["new"], staff["new"]), shape
    )
    weight_share = _share(column, "old")
    evenly = _ratio(column["average_fen_new"], even["new"])
    even_share = np.where(even["old"] != 0, _ratio(column["average_fen_old"], even["old"]), evenly)
    mixed = shape * weight_share + (1.0 - shape) * even_share
    # The unit's money as it goes through its causes; the last of them ends at the new sum.
    money = staff["old"].astype(np.float64)
    steps: list[tuple[str, Ints]] = []
    for name, parts in _FROM_UNIT.items():
        for part in parts:
            money = money + column[f"unit_{part}_fen"]
        steps.append((name, to_fen(money * mixed / 100.0)))

    def paid(share: Floats, by_head: Floats) -> Ints:
        return to_fen((shared["new"] * share + even["new"] * by_head) / 100.0)

    steps.append(("unit_rest", paid(weight_share, even_share)))
    own = _rescaled(column, weight_share, "coefficient", ("new", "old"))
    steps.append(("own", paid(own, even_share)))
    present = _rescaled(column, own, "attendance", ("new", "new"))
    steps.append(("attendance", paid(present, even_share)))
    steps.append(("others", paid(_share(column, "new"), evenly)))
    return steps


def _share(column: Mapping[str, npt.NDArray[Any]], side: str) -> Floats:
    """Share of what the unit cuts by weight: as it was paid, or by weight where nothing was."""
    whole = column[f"unit_shared_fen_{side}"]
    paid = _ratio(column[f"shared_fen_{side}"], whole)
    by_weight = _ratio(column[f"weight_{side}"], column[f"unit_weight_{side}"])
    return np.where(whole != 0, paid, by_weight)


def _rescaled(
    column: Mapping[str, npt.NDArray[Any]], share: Floats, factor: str, sides: tuple[str, str]
) -> Floats:
    """The share after a factor of the person's weight has changed, the unit's sum as it was.

    sides: of which run coefficient and attendance are by then.
    """
    before, after = column[f"{factor}_old"], column[f"{factor}_new"]
    made = column["coefficient_new"] * column["attendance_new"]
    beside = np.where(made > 0, _ratio(column["weight_new"], made), 1.0)
    weight = column[f"coefficient_{sides[0]}"] * column[f"attendance_{sides[1]}"] * beside
    anew = _ratio(weight, column["unit_weight_old"])
    return np.where(before > 0, share * _ratio(after, before), anew)


def _by_person(posts: pd.DataFrame) -> pd.DataFrame:
    """One row a person: amounts summed over posts, the unit of the new run where there is one."""
    new_first = posts.assign(_late=posts["there_new"].isna()).sort_values(
        ["staff_id", "_late"], kind="stable"
    )
    name = new_first["name_new"].fillna(new_first["name_old"])
    held = new_first.assign(
        name=name,
        old_fen=new_first["total_fen_old"].fillna(0).astype(np.int64),
        new_fen=new_first["total_fen_new"].fillna(0).astype(np.int64),
    )
    rules: dict[str, Any] = dict.fromkeys(("name", "department", "series"), "first")
    rules |= dict.fromkeys(("old_fen", "new_fen"), "sum")
    rules |= {f"{cause}_fen": "sum" for cause in PERSON_CAUSES}
    for fact in ("coefficient", "attendance"):
        rules |= {f"{fact}_{side}": "first" for side in ("old", "new")}
    whole = held.groupby("staff_id", sort=True, as_index=False).agg(rules)
    whole.insert(6, "difference_fen", whole["new_fen"] - whole["old_fen"])
    return whole.assign(words=_words(whole))


def _words(people: pd.DataFrame) -> list[str]:
    words = []
    for row in people.to_dict("records"):
        details = {}
        for cause, fact in (("own", "coefficient"), ("attendance", "attendance")):
            before, after = (number_text(row[f"{fact}_{side}"], 4) for side in ("old", "new"))
            details[cause] = f" {before} → {after}" if before != after else ""
        words.append(change_words(row, PERSON_CAUSES, details))
    return words


def change_words(
    row: Mapping[Any, Any], causes: Mapping[str, str], details: Mapping[str, str]
) -> str:
    """The causes that moved something, in words: `点数 120 → 130 +500.00；点值 −20.00`."""
    return "；".join(
        f"{label}{details.get(cause, '')} {_signed(int(row[f'{cause}_fen']))}"
        for cause, label in causes.items()
        if int(row[f"{cause}_fen"])
    )


def number_text(value: float, places: int) -> str:
    """A number with at most ``places`` decimals, without idle zeros."""
    text = f"{float(value):.{places}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _signed(amount: int) -> str:
    return f"{'−' if amount < 0 else '+'}{format_fen(abs(amount))}"
