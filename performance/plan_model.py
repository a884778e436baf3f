"""The keys of an allocation plan, each described with unit, range, default and source.

A key without a default is a choice that hospitals make differently: a plan must state it.
"""

from __future__ import annotations

import datetime as dt
from typing import Literal, Self

from pydantic import model_validator

from performance.model_keys import SPEC, Section, Share, Yuan, fen, key
from performance.plan_keys import SeriesName, Shares
from performance.plan_model_drg import CostModel, DrgKind, DrgModel, QualityModel
from performance.plan_model_staff import ComplianceModel, MeanModel, SingleModel, StaffModel
from performance.points_model import (
    CalendarModel,
    DatesModel,
    NursingModel,
    PointsModel,
    RolesModel,
    SessionsModel,
)

__all__ = ["BoundsModel", "DrgKind", "IncomeModel", "PlanModel", "PointsModel", "PoolModel",
           "SeriesModel", "StaffModel", "fen"]  # fmt: skip

_POOL = f"{SPEC} §3"


class HeadModel(Section):
    """Who made the plan and when it holds."""

    name: str = key("方案代号（英文、数字、下划线）", pattern=r"^[A-Za-z0-9_]+$")
    title: str = key("方案名称", min_length=1)
    document: str = key("依据文件或会议纪要", default="")
    effective_from: dt.date = key("生效日期（含当日）")
    effective_to: dt.date | None = key("失效日期（不含当日）；不写为长期有效", default=None)

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.effective_to is not None and self.effective_to <= self.effective_from:
            raise ValueError("失效日期必须晚于生效日期")
        return self


class IncomeModel(Section):
    """The pool out of income: min(effective × share, effective − borne cost − reserve)."""

    share: Share = key(
        "有效收入（医疗收入 − 药品 − 卫生材料 − 剔除）提取的份额", unit="比例", source=_POOL
    )
    reserve: Yuan = key("从有效收入减成本后再预留的金额", unit="元", source=_POOL)


class PoolModel(Section):
    """Where the money comes from and how a department below zero is met."""

    source: Literal["plan", "inputs", "income"] = key(
        "奖金池金额的出处：plan 写在本方案；inputs 取自本期 pool 表；"
        "income 由本期 income 表按 [pool.income] 计算，再按各系列 pool_share 分",
        source=_POOL,
    )
    floor: Literal["zero", "refuse"] = key(
        "科室应得为负时：zero 记为 0，差额由同系列其他科室承担；refuse 停止并指出科室",
        source=_POOL,
    )
    income: IncomeModel | None = key(
        "由收入计算奖金池（source = income 时必填）", default=None, source=_POOL
    )
    approved_total: Yuan | None = key(
        "批准的发放总额；有池外资金或总额浮动的系列时必填，不写即为各系列奖金池之和",
        unit="元",
        default=None,
        source=f"{SPEC} §7",
    )

    @model_validator(mode="after")
    def _income(self) -> Self:
        if (self.source == "income") != (self.income is not None):
            raise ValueError("[pool.income] 只在 source = income 时写，且必须写")
        return self


class BoundsModel(Section):
    """Floor and cap of each department against its history."""

    floor: float = key("保底：不低于历史金额的多少", unit="倍", ge=0, le=10, source=_POOL)
    cap: float = key("封顶：不高于历史金额的多少", unit="倍", ge=0, le=10, source=_POOL)

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.cap < self.floor:
            raise ValueError("封顶不能低于保底")
        return self


class SeriesModel(Section):
    """One series of staff with a pool of its own, from which no other series can draw."""

    basis: Literal["points", "staff"] = key(
        "科室间的分配依据：points 按工作点数；staff 按人员系数 × 出勤", source=_POOL
    )
    value: Literal["budget", "fixed", "baseline", "mean"] = key(
        "点值：budget 由奖金池反推；fixed 固定单价（可按科室）；baseline 基期点值的百分比；"
        "mean 按所指人群的均值发放（行政）；后三种奖金池随之浮动",
        source=_POOL,
    )
    pool: Yuan | None = key("本系列奖金池", unit="元", default=None, source=_POOL)
    pool_share: Share | None = key(
        "本系列占总奖金池的份额（pool.source = income 时必填，合计 1）",
        unit="比例",
        default=None,
        source=_POOL,
    )
    price: float | None = key(
        "固定单价（value = fixed 时必填）",
        unit="元/点",
        default=None,
        ge=0,
        le=1e6,
        source=_POOL,
    )
    prices: dict[str, float] = key(
        "各科室的固定单价；键为科室编码或科室类型，其余用 price", unit="元/点", default={},
        source=_POOL,
    )  # fmt: skip
    base_value: float | None = key(
        "基期点值（value = baseline 时必填；其他算法只用来显示本月是基期的百分之几）",
        unit="元/点",
        default=None,
        gt=0,
        le=1e6,
        source=_POOL,
    )
    base_percent: float | None = key(
        "按基期点值的百分之几计（value = baseline 时必填）",
        unit="%",
        default=None,
        ge=0,
        le=1000,
        source=_POOL,
    )
    mean: MeanModel | None = key(
        "按均值发放（value = mean 时必填）", default=None, source=f"{SPEC} §6"
    )
    reserve: Yuan = key("预留金额", unit="元", default=0.0, source=_POOL)
    reserve_share: Share = key("预留占奖金池的份额", unit="比例", default=0.0, source=_POOL)
    formula: str | None = key(
        "科室应得的公式（元，质量与单项之前），代替 点数 × 科室系数 × 点值 + DRG 部分 − 成本；"
        "由奖金池反推点值时，公式须为点值的一次式",
        default=None,
        source=f"{SPEC} §4",
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        for name, owner in _OWNERS.items():
            if self.value == owner and getattr(self, name) is None:
                raise ValueError(f"value = {owner} 时必须写 {name}")
            if self.value != owner and getattr(self, name) is not None and name != "base_value":
                raise ValueError(f"value = {self.value} 时不能写 {name}")
        if self.prices and self.value != "fixed":
            raise ValueError("prices 只在 value = fixed 时写")
        if any(not 0 <= price <= 1e6 for price in self.prices.values()):
            raise ValueError("prices 的单价应在 0 至 1000000 之间")
        money = self.pool is not None or self.pool_share is not None
        if self.value != "budget" and (money or self.reserve or self.reserve_share):
            raise ValueError(
                f"value = {self.value} 时不能写 pool、pool_share、reserve、reserve_share"
            )
        if self.value == "mean" and (self.basis != "staff" or self.formula):
            raise ValueError("value = mean 时 basis 应为 staff，且不能写 formula")
        return self


_OWNERS = {"price": "fixed", "base_value": "baseline", "base_percent": "baseline", "mean": "mean"}


class PlanModel(Section):
    """A whole plan file."""

    plan: HeadModel = key("方案抬头")
    points: PointsModel = key("点数")
    calendar: CalendarModel | None = key("日历系数；不写即不计", default=None)
    dates: DatesModel = key("计入哪一个日期", default=DatesModel())
    roles: RolesModel | None = key("手术角色；不写即不计", default=None)
    nursing: NursingModel | None = key("护理工作量；不写即不计", default=None)
    sessions: SessionsModel | None = key("同次多项手术的折算；不写即不折算", default=None)
    pool: PoolModel = key("奖金池")
    bounds: BoundsModel | None = key("对照历史的保底与封顶；不写即不设", default=None)
    series: dict[SeriesName, SeriesModel] = key(
        "各系列；键为 doctor 医生、technician 医技、nurse 护理、administration 行政"
    )
    department_amounts: dict[str, Shares] = key(
        "科室整体金额（DRG 部分、成本、科室单项）在各系列间的份额，合计 1；键为科室类型或 '*'；"
        "科室没有在岗人员的系列，其份额按比例归其余系列",
        unit="比例",
        default={},
    )
    drg: DrgModel = key("DRG 部分")
    costs: CostModel | None = key("成本承担；不写即不扣成本", default=None)
    single_items: SingleModel = key("单项奖惩")
    quality: QualityModel = key("质量")
    staff: StaffModel = key("到人")
    compliance: ComplianceModel = key("合规检查", default=ComplianceModel())
