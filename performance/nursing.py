"""Nursing workload (allocation.md §2, A12) and ladders (§5, A11)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TypeVar

__all__ = ["Step", "grade_points", "ladder_factor", "nurse_points", "ward_points"]


Number = TypeVar("Number", float, Fraction)


def ward_points(bed_days: Number, admissions: Number, discharges: Number, points: Number) -> Number:
    """Points of a ward's workload: (bed-days + ½ admissions + ½ discharges) × nursing points."""
    return (bed_days + (admissions + discharges) / 2) * points


def grade_points(
    charges: Number, hours: Number, bed_days: Number, posts: Number, coefficient: Number
) -> Number:
    """Points of the nursing grades: charges × hours / (bed-days × posts) × coefficient.

    charges: nursing and nursing treatment charges in yuan.  Raises ValueError without bed-days or
    posts.
    """
    if bed_days <= 0 or posts <= 0:
        raise ValueError("床日和护理岗位数必须大于 0")
    return charges * hours / (bed_days * posts) * coefficient


def nurse_points(ward: Number, own_shifts: Number, all_shifts: Number) -> Number:
    """A nurse's part of the ward's points by Σ shifts × (post + shift coefficient)."""
    if all_shifts <= 0:
        raise ValueError("班次系数合计必须大于 0")
    return ward * own_shifts / all_shifts


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a ladder: ``lower`` ≤ ratio < ``upper`` gives ``factor``."""

    lower: float
    upper: float
    factor: float


def ladder_factor(
    actual: float | None, reference: float | None, steps: Sequence[Step]
) -> tuple[float, str]:
    """Factor of a ladder on actual / reference, and the reason where it leaves all unchanged."""
    if actual is None:
        return 1.0, "没有实际值，不变"
    if reference is None or reference == 0:
        return 1.0, "没有参考值，不变"
    ratio = actual / reference
    for step in steps:
        if step.lower <= ratio < step.upper:
            return step.factor, ""
    return 1.0, "没有对应的档，不变"
