"""Steps of ladders and names of series, shared by the sections of a plan."""

from __future__ import annotations

from itertools import pairwise
from typing import Literal

from performance.model_keys import SPEC, Section, Share, Yuan, fen, key
from performance.steps import step_of

__all__ = ["SPEC", "Section", "SeriesName", "Share", "Shares", "StepModel", "Yuan", "fen", "key",
           "ordered_steps", "step_rate"]  # fmt: skip

SeriesName = Literal["doctor", "technician", "nurse", "administration"]
Shares = dict[SeriesName, Share]


class StepModel(Section):
    """One step of a ladder: lower <= ratio < upper."""

    lower: float | None = key(
        "下限（含）；首级不写为无下限", default=None, ge=-1e9, le=1e9, source=f"{SPEC} §5"
    )
    upper: float | None = key(
        "上限（不含）；末级不写为无上限", default=None, ge=-1e9, le=1e9, source=f"{SPEC} §5"
    )
    rate: float = key("本级的系数", unit="倍", ge=0, le=10, source=f"{SPEC} §5")


def ordered_steps(steps: list[StepModel]) -> list[StepModel]:
    """Refuse steps with a gap or an overlap between them.  Raises ValueError."""
    for i, step in enumerate(steps):
        if step.lower is not None and step.upper is not None and step.upper <= step.lower:
            raise ValueError(f"第 {i + 1} 级的上限不大于下限")
    for i, (before, after) in enumerate(pairwise(steps)):
        if before.upper is None or after.lower is None:
            raise ValueError(f"第 {i + 1} 级与第 {i + 2} 级之间须写明界限")
        if before.upper < after.lower:
            raise ValueError(f"阶梯有空档：{before.upper:g} 至 {after.lower:g} 没有系数")
        if before.upper > after.lower:
            raise ValueError(f"阶梯重叠：{after.lower:g} 至 {before.upper:g} 有两个系数")
    return steps


def step_rate(ratio: float, steps: list[StepModel]) -> float | None:
    """Rate of the step with lower <= ratio < upper; None where there is none."""
    for step in steps:
        above = step.lower is None or bool(step_of(ratio, [step.lower]))
        if above and (step.upper is None or not step_of(ratio, [step.upper])):
            return step.rate
    return None
