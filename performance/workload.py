"""The wards' nursing workload as a source of points, and each nurse's part (allocation.md §2, A12).

Computed in exact fractions and rounded once, half up, to millionths of a point.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd

from drg_engine.money import share_out
from performance.line_checks import EXCEPTION_COLUMNS
from performance.model_keys import e4
from performance.nursing import grade_points, ward_points
from performance.points import UNKNOWN, OtherPoints
from performance.points_model import NursingModel
from performance.points_table import table_like
from performance.words import decimal_text

__all__ = ["WardPoints", "nursing_points"]

_SERIES = "nurse"


@dataclass(frozen=True)
class WardPoints:
    """Points of the wards and of their nurses (department, series, staff_id, points_e6)."""

    points: OtherPoints
    personal: pd.DataFrame


def nursing_points(
    model: NursingModel,
    nursing: pd.DataFrame,
    shifts: pd.DataFrame,
    items: pd.DataFrame,
    departments: pd.DataFrame,
    staff: pd.DataFrame,
) -> WardPoints:
    """Points of each row of the nursing table: workload, and grade points where the plan has them.

    A ward nobody knows is UNKNOWN; a ward with nursing charges but without bed-days or posts gets
    no grade points and is told.  The points of a ward are cut over its nurses by Σ shifts × (post +
    shift coefficient), the parts summing to the ward's; without shifts they stay with nobody.
    """
    known = set(departments["department"])
    rows: list[dict[str, Any]] = []
    told: list[tuple[object, ...]] = []
    for ward in nursing.to_dict("records"):
        department = str(ward["department"])
        if department not in known:
            told.append(
                _exception("护理工作量的科室未知", department, ward, "点数归入未知，留存待查")
            )
        own = {"department": department if department in known else UNKNOWN, "series": _SERIES}
        rows.append(own | _workload(model, ward))
        if model.grade == "apply":
            grade = _grade(model, ward)
            if grade is None:
                told.append(
                    _exception("护理等级点数缺床日或岗位", department, ward, "没有计等级点数")
                )
            elif grade["points_e6"]:
                rows.append(own | grade)
    frame = pd.DataFrame(rows, columns=[*_COLUMNS]).assign(source="nursing")
    personal, lost = _nurses(model, frame, shifts, staff)
    exceptions = pd.DataFrame([*told, *lost], columns=list(EXCEPTION_COLUMNS))
    table = table_like(frame, items)
    return WardPoints(OtherPoints("nursing", table, exceptions), personal)


_COLUMNS = ("department", "series", "item_name", "part", "points_e6", "formula")


def _workload(model: NursingModel, ward: dict[Any, Any]) -> dict[str, Any]:
    days, admitted, left = (Fraction(int(ward[f"{name}_e4"]), 10_000) for name in _BED)
    points = Fraction(e4(model.points), 10_000)
    value = _millionths(ward_points(days, admitted, left, points))
    texts = [decimal_text(int(ward[f"{name}_e4"]), 4) for name in _BED]
    words = (
        f"({texts[0]} + 0.5 × {texts[1]} + 0.5 × {texts[2]}) × {decimal_text(e4(model.points), 4)}"
    )
    return _row("护理工作量", value, words)


_BED = ("bed_days", "admissions", "discharges")


def _grade(model: NursingModel, ward: dict[Any, Any]) -> dict[str, Any] | None:
    """Grade points of a ward; None where it has charges but no bed-days or posts."""
    charges = int(ward["nursing_charges_fen"]) + int(ward["treatment_charges_fen"])
    hours, bed_days, posts = (int(ward[f"{n}_e4"]) for n in ("hours", "bed_days", "posts"))
    if not charges or not hours:
        return _row("护理等级", 0, "")
    if bed_days <= 0 or posts <= 0:
        return None
    time, beds, people, coefficient = (
        Fraction(n, 10_000) for n in (hours, bed_days, posts, e4(model.coefficient))
    )
    value = _millionths(grade_points(Fraction(charges, 100), time, beds, people, coefficient))
    texts = [decimal_text(charges, 2), *(decimal_text(n, 4) for n in (hours, bed_days, posts))]
    words = f"{texts[0]} × {texts[1]} ÷ ({texts[2]} × {texts[3]})"
    return _row("护理等级", value, f"{words} × {decimal_text(e4(model.coefficient), 4)}")


def _row(name: str, value: int, words: str) -> dict[str, Any]:
    return {"item_name": name, "part": "", "points_e6": value, "formula": words}


def _millionths(points: Fraction) -> int:
    scaled = abs(points) * 10**6
    whole = (2 * scaled.numerator + scaled.denominator) // (2 * scaled.denominator)
    return -whole if points < 0 else whole


def _nurses(
    model: NursingModel, wards: pd.DataFrame, shifts: pd.DataFrame, staff: pd.DataFrame
) -> tuple[pd.DataFrame, list[tuple[object, ...]]]:
    """Parts of the nurses in their wards' points, and shifts that could not be used."""
    people = staff.set_index("staff_id")
    coefficients = {name: e4(value) for name, value in model.shifts.items()}
    weights: dict[tuple[str, str], int] = {}
    told = []
    for row in shifts.to_dict("records"):
        name, shift = str(row["staff_id"]), str(row["shift"])
        if name not in people.index or people.loc[name, "series"] != _SERIES:
            told.append(
                _exception("班次的护士未知", name, row, "人员表没有这名护士；班次未用", "shifts")
            )
            continue
        if shift not in coefficients:
            told.append(
                _exception("班次没有系数", shift, row, "方案没有这个班次；系数按 0 计", "shifts")
            )
        ward = str(row["department"]) or str(people.loc[name, "department"])
        post = int(str(people.loc[name, "post_coefficient_e4"]))
        weight = int(row["count_e4"]) * (post + coefficients.get(shift, 0))
        weights[ward, name] = weights.get((ward, name), 0) + weight
    parts = []
    totals = wards.groupby("department")["points_e6"].sum()
    for ward in sorted({ward for ward, _ in weights}):
        names = sorted(name for place, name in weights if place == ward)
        own = np.array([weights[ward, name] for name in names], dtype=np.float64)
        total = int(totals.get(ward, 0))
        if total and own.sum() > 0:
            cut = share_out(total, own, names).tolist()
            parts += [(ward, _SERIES, name, int(p)) for name, p in zip(names, cut, strict=True)]
    columns = ["department", "series", "staff_id", "points_e6"]
    return pd.DataFrame(parts, columns=columns), told


def _exception(
    kind: str, found: str, row: dict[Any, Any], message: str, file: str = "nursing"
) -> tuple[object, ...]:
    return (kind, file, found, 1, 0, 0, int(row["row"]), message)
