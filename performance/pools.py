"""One series' pool to its departments, closed to the fen (allocation.md §§3-5).

**How the budget closes.**  For a series with a ``budget``::

    stage total   = pool − reserve − single items (within) + DRG parts (outside) − costs (outside)
                    − quality pool
    subtotal      = points × department coefficient × v + DRG part − borne cost
    withhold      : v is found so that Σ max(0, subtotal)          = stage total; the quality
                    deductions then stay with the hospital
    redistribute  : v is found so that Σ max(0, subtotal, quality) = stage total; what one
                    department loses by quality, the others gain through v
    department pool = the result + its part of the quality pool, clipped to floor and cap where the
                      plan has them, ± single items of the department

With a formula of the plan, subtotal = slope × v + addend.  With DRG parts *within* the pool,
Σ subtotal = pool, so v absorbs them; *outside*, they add to the stage total, so v does not move.  A
series with a ``fixed`` or ``baseline`` price takes v as given and its total floats.  The stage is
cut to the fen by the largest remainder; the column ``points_fen`` takes the remainder, so that in
every row the parts equal the department pool exactly::

    points + formula + DRG − cost + quality + quality pool + floor + bounds + single items = pool
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from drg_engine.errors import AllocationError, Fault
from drg_engine.money import format_fen, share_out, to_fen

__all__ = ["SeriesInput", "SeriesResult", "clip_to_total", "point_value", "share_series"]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class SeriesInput:
    """What one series' departments (n, sorted by code) bring.

    weights: points × department coefficient, or staff coefficients, or a formula's slope in v
    (float64; >= 0 but in a formula).  formula_fen, drg_fen, cost_fen, single_fen: int64 fen.
    on_points, on_total: quality factors of the points and of the whole, 1 where they do nothing.
    pool_weights: shares of the quality pool.  low_fen, high_fen: floor and cap against history in
    fen (float64, 0 and inf where there is none).
    """

    label: str
    departments: tuple[str, ...]
    weights: Floats
    formula_fen: Ints
    drg_fen: Ints
    cost_fen: Ints
    single_fen: Ints
    on_points: Floats
    on_total: Floats
    pool_weights: Floats
    low_fen: Floats
    high_fen: Floats

    @property
    def net_fen(self) -> Ints:
        """What does not depend on v."""
        return self.formula_fen + self.drg_fen - self.cost_fen


@dataclass(frozen=True)
class SeriesResult:
    """Parts of each department's pool in fen (int64, n); they sum to ``pool_fen`` row by row.

    value: yuan per point (n,).  withheld_fen: quality deductions kept by the hospital.  factor: the
    one factor t of floor and cap, 1 where the plan has none.
    """

    value: Floats
    points_fen: Ints
    quality_fen: Ints
    quality_pool_fen: Ints
    floor_fen: Ints
    bounds_fen: Ints
    pool_fen: Ints
    withheld_fen: int
    factor: float


def point_value(
    slopes: Floats, addends: Floats, total: float, *, floor: bool
) -> tuple[float, Mask]:
    """Find v >= 0 with Σ (slope·v + addend) = total over the departments that stay above zero.

    With ``floor``, departments whose result would be negative are left out, one after another,
    and the rest share the total; v only falls as they leave, so none comes back.  Returns v and
    the departments that stay (bool, n).  Raises ValueError where no v >= 0 exists.
    """
    stays = (slopes > 0) | (addends > 0) if floor else np.ones(len(slopes), dtype=bool)
    for _ in range(len(slopes) + 1):
        slope, addend = float(slopes[stays].sum()), float(addends[stays].sum())
        if slope <= 0:
            if addend > total + 0.5:
                raise ValueError(_too_much(addend))
            if addend < total - 0.5:
                raise ValueError("没有点数（或人员系数）可分，余下金额无处可去")
            return 0.0, stays
        value = (total - addend) / slope
        if value < 0:
            raise ValueError(_too_much(addend))
        falls = stays & (slopes * value + addends < 0)
        if not floor or not falls.any():
            return value, stays
        stays = stays & ~falls
    return value, stays


def _too_much(addend: float) -> str:
    return f"DRG 部分与成本之和 {format_fen(round(addend))} 已超过可分金额"


def clip_to_total(raw: Floats, low: Floats, high: Floats, total: float) -> tuple[float, Floats]:
    """The one factor t with Σ clip(raw × t, low, high) = total (allocation.md §3).

    Exact, by the breakpoints of the piecewise linear sum.  Raises ValueError with both sums where
    the floors exceed the total or the caps fall short of it.
    """
    if low.sum() > total + 0.5:
        raise ValueError(
            f"保底合计 {format_fen(round(low.sum()))} 超过可分金额 {format_fen(round(total))}"
        )
    reach = np.where(raw > 0, high, low)
    if reach.sum() < total - 0.5:
        raise ValueError(
            f"封顶合计 {format_fen(round(reach.sum()))} 不足可分金额 {format_fen(round(total))}"
        )
    moving = raw > 0
    edges = np.concatenate([low[moving] / raw[moving], high[moving] / raw[moving]])
    edges = np.unique(edges[np.isfinite(edges)])
    sums = np.clip(raw * edges[:, None], low, high).sum(axis=1)
    below = int(np.searchsorted(sums, total, side="left"))
    if below == 0:
        start, left = 0.0, total - float(np.clip(raw * 0.0, low, high).sum())
    else:
        start, left = float(edges[below - 1]), total - float(sums[below - 1])
    middle = start + 1.0 if below == len(edges) else (start + float(edges[below])) / 2
    free = moving & (raw * middle > low) & (raw * middle < high)
    slope = float(raw[free].sum())
    factor = start + (left / slope if slope > 0 else 0.0)
    return factor, np.clip(raw * factor, low, high)


def share_series(
    given: SeriesInput,
    *,
    stage_fen: int | None,
    quality_pool_fen: int,
    price: Floats | None,
    floor: str,
    redistribute: bool,
    bounded: bool,
) -> SeriesResult:
    """Share one series' money over its departments.

    stage_fen: the stage total of a budget, without its quality pool; None with ``price`` (yuan per
    point, n) for a fixed value.  floor: ``zero`` or ``refuse``.  Raises AllocationError, naming the
    departments, where the money cannot be shared as the plan says.
    """
    if stage_fen is None:
        value = np.zeros(len(given.weights)) if price is None else price
        stage, stays = _fixed(given, value, floor)
    else:
        value, stage, stays = _budget(given, stage_fen, floor, redistribute)
    points, effect, shortage = _parts(given, value, stage, stays, redistribute)
    result = stage if redistribute else stage + effect
    withheld = 0 if redistribute else -int(effect.sum())
    if withheld < 0 and stage_fen is not None:
        what = f"质量加分合计超出扣减 {format_fen(-withheld)} 元"
        mend = "请改 quality.deduction = redistribute，加分由同系列其他科室承担"
        raise AllocationError(f"{given.label}：{what}", [Fault(given.label, what, mend=mend)])
    extra = _quality_pool(given, quality_pool_fen)
    result = result + extra
    factor, bounds = _bounds(given, result) if bounded else (1.0, np.zeros_like(result))
    pool = result + bounds + given.single_fen
    _refuse_negative(given, pool)
    return SeriesResult(
        value, points, effect, extra, shortage, bounds, pool, withheld, factor
    )  # fmt: skip


def _budget(
    given: SeriesInput, total: int, floor: str, redistribute: bool
) -> tuple[Floats, Ints, Mask]:
    """Value (yuan, n), stage in fen, and the departments that stay above zero."""
    if total < 0:
        what = f"奖金池不足以支付预留、单项和盘外扣减，差 {format_fen(-total)} 元"
        mend = "请增加奖金池，或减少预留、单项"
        raise AllocationError(f"{given.label}：{what}", [Fault(given.label, what, mend=mend)])
    slopes, addends = given.weights, given.net_fen.astype(np.float64)
    if redistribute:
        slopes, addends = slopes * given.on_points * given.on_total, addends * given.on_total
    try:
        value, stays = point_value(slopes, addends, float(total), floor=floor == "zero")
    except ValueError as error:
        found = f"可分 {format_fen(total)} 元，点数（人员系数）合计 {slopes.sum():.4f}"
        mend = "请核对收费明细、角色份额、人员表、考勤、DRG 部分和成本，或改奖金池"
        fault = Fault(given.label, str(error), found=found, mend=mend)
        raise AllocationError(f"{given.label}：奖金池分不下去", [fault]) from error
    raw = slopes * value + addends
    if floor == "refuse":
        _refuse(given, raw)
    raw = np.where(stays, np.maximum(raw, 0.0), 0.0)
    stage = share_out(total, raw, list(given.departments))
    return np.full(len(raw), value / 100.0), stage, stays


def _fixed(given: SeriesInput, price: Floats, floor: str) -> tuple[Ints, Mask]:
    stage = to_fen(given.weights * price) + given.net_fen
    if floor == "refuse":
        _refuse(given, stage.astype(np.float64))
    return np.maximum(stage, 0), stage >= 0


def _parts(
    given: SeriesInput, value: Floats, stage: Ints, stays: Mask, redistribute: bool
) -> tuple[Ints, Ints, Ints]:
    """Points part, quality effect and what lifts a department to zero, in fen.

    redistribute: points + net + quality + lift = stage; withhold: without the quality.
    """
    worth = given.weights * value
    net = given.net_fen
    if redistribute:
        plain = worth + net / 100.0
        effect = to_fen((worth * given.on_points + net / 100.0) * given.on_total - plain)
        points = stage - net - effect
    else:
        effect = np.zeros_like(stage)
        points = stage - net
    points = np.where(stays, points, to_fen(worth))
    shortage = stage - points - net - effect
    if not redistribute:
        base = np.where(shortage == 0, points, np.maximum(stage, 0))
        after = to_fen(base / 100.0 * given.on_points) + (stage - base)
        after = to_fen(after / 100.0 * given.on_total)
        effect = np.maximum(after, 0) - stage
    return points, effect, shortage


def _quality_pool(given: SeriesInput, total: int) -> Ints:
    if not total:
        return np.zeros(len(given.weights), dtype=np.int64)
    if not given.pool_weights.sum() > 0:
        what = f"质量奖金池 {format_fen(total)} 元，而得分合计为 0，无法分配"
        mend = "请核对质量得分表，或改 quality.pool_by、quality.pool_share"
        raise AllocationError(f"{given.label}：{what}", [Fault(given.label, what, mend=mend)])
    return share_out(total, given.pool_weights, list(given.departments))


def _bounds(given: SeriesInput, result: Ints) -> tuple[float, Ints]:
    total = int(result.sum())
    try:
        factor, clipped = clip_to_total(
            result.astype(np.float64), given.low_fen, given.high_fen, float(total)
        )
    except ValueError as error:
        mend = "请改 bounds.floor、bounds.cap，或核对历史绩效表和奖金池"
        fault = Fault(given.label, str(error), mend=mend)
        raise AllocationError(f"{given.label}：保底封顶不能满足", [fault]) from error
    return factor, share_out(total, clipped, list(given.departments)) - result


def _refuse(given: SeriesInput, raw: Floats) -> None:
    bad = np.flatnonzero(raw < -0.5)
    faults = [
        Fault(
            given.label,
            "科室应得为负",
            found=f"{given.departments[i]} {format_fen(round(raw[i]))}",
            mend="请核对该科室的成本和 DRG 部分，或改 pool.floor = zero",
        )
        for i in bad
    ]
    if faults:
        raise AllocationError("科室应得为负，方案要求停止（pool.floor = refuse）", faults)


def _refuse_negative(given: SeriesInput, pool: Ints) -> None:
    faults = [
        Fault(
            given.label,
            "科室单项扣款大于科室应得",
            found=f"{given.departments[i]} {format_fen(int(pool[i]))}",
            mend="请把扣款改到下月，或改为对个人的单项",
        )
        for i in np.flatnonzero(pool < 0)
    ]
    if faults:
        raise AllocationError("科室奖金为负", faults)
