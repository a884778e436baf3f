"""The keys of an allocation plan, each described with unit, range, default and source.

A key without a default is a choice that hospitals make differently: a plan must state it.
"""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator
from pydantic.config import JsonDict

from drg_engine.money import fen_from_text

__all__ = ["DrgKind", "PlanModel", "SeriesModel", "fen"]

SPEC = "allocation.md"


def fen(yuan: float) -> int:
    """An amount of a plan (yuan, as written in the file) in fen, exactly."""
    return fen_from_text(str(Decimal(repr(yuan))))


def _two_decimals(yuan: float) -> float:
    try:
        fen(yuan)
    except ValueError as error:
        raise ValueError("金额至多两位小数") from error
    return yuan


Yuan = Annotated[float, Field(ge=0, le=1e11), AfterValidator(_two_decimals)]
Share = Annotated[float, Field(ge=0, le=1)]
SeriesName = Literal["doctor", "technician", "nurse", "administration"]
Shares = dict[SeriesName, Share]


def _key(
    description: str, *, unit: str = "", source: str = SPEC, default: Any = ..., **bounds: Any
) -> Any:
    """A described field; ``...`` as default means that the plan must state it."""
    extra: JsonDict = {"unit": unit, "source": source}
    return Field(default, description=description, json_schema_extra=extra, **bounds)


class _Section(BaseModel):
    model_config = ConfigDict(
        strict=True, extra="forbid", frozen=True, allow_inf_nan=False, hide_input_in_errors=True
    )


class HeadModel(_Section):
    """Who made the plan and when it holds."""

    name: str = _key("方案代号（英文、数字、下划线）", pattern=r"^[A-Za-z0-9_]+$")
    title: str = _key("方案名称", min_length=1)
    document: str = _key("依据文件或会议纪要", default="")
    effective_from: dt.date = _key("生效日期（含当日）")
    effective_to: dt.date | None = _key("失效日期（不含当日）；不写为长期有效", default=None)

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.effective_to is not None and self.effective_to <= self.effective_from:
            raise ValueError("失效日期必须晚于生效日期")
        return self


class PointsModel(_Section):
    """How charge lines become points."""

    attribution: Literal["split", "duplicate"] = _key(
        "执行点数怎样归各角色：split 按份额拆分（合计为 1）；duplicate 各角色重复计算",
        source=f"{SPEC} §2",
    )
    order_series: Literal["doctor", "technician", "nurse"] = _key(
        "开单（判读）点数归哪个系列", source=f"{SPEC} §2"
    )
    unknown: Literal["withhold", "exclude"] = _key(
        "归不到已知科室的点数：withhold 参与计算点值、所得留存待查；exclude 不参与计算点值",
        source=f"{SPEC} §2",
    )
    out_of_period: Literal["unknown", "count"] = _key(
        "收费日期不在本期的明细：unknown 归入 UNKNOWN；count 照常计算",
        default="unknown",
        source=f"{SPEC} §2",
    )
    department_coefficient: Literal["apply", "ignore"] = _key(
        "科室系数是否乘入点数", default="apply", source=f"{SPEC} §3"
    )


class PoolModel(_Section):
    """Where the money comes from and how a department below zero is met."""

    source: Literal["plan", "inputs"] = _key(
        "各系列奖金池金额的出处：plan 写在本方案；inputs 取自本期 pool 表", source=f"{SPEC} §3"
    )
    floor: Literal["zero", "refuse"] = _key(
        "科室应得为负时：zero 记为 0，差额由同系列其他科室承担；refuse 停止并指出科室",
        source=f"{SPEC} §3",
    )
    approved_total: Yuan | None = _key(
        "批准的发放总额；有池外资金或固定单价时必填，不写即为各系列奖金池之和",
        unit="元",
        default=None,
        source=f"{SPEC} §7",
    )


class BoundsModel(_Section):
    """Floor and cap of each department against its history."""

    floor: float = _key("保底：不低于历史金额的多少", unit="倍", ge=0, le=10, source=f"{SPEC} §3")
    cap: float = _key("封顶：不高于历史金额的多少", unit="倍", ge=0, le=10, source=f"{SPEC} §3")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.cap < self.floor:
            raise ValueError("封顶不能低于保底")
        return self


class SeriesModel(_Section):
    """One series of staff with a pool of its own, from which no other series can draw."""

    basis: Literal["points", "staff"] = _key(
        "科室间的分配依据：points 按工作点数；staff 按人员系数 × 出勤", source=f"{SPEC} §3"
    )
    value: Literal["budget", "fixed"] = _key(
        "点值：budget 由奖金池反推；fixed 固定单价，奖金池随点数浮动", source=f"{SPEC} §3"
    )
    pool: Yuan | None = _key("本系列奖金池", unit="元", default=None, source=f"{SPEC} §3")
    price: float | None = _key(
        "固定单价（value = fixed 时必填）",
        unit="元/点",
        default=None,
        ge=0,
        le=1e6,
        source=f"{SPEC} §3",
    )
    reserve: Yuan = _key("预留金额", unit="元", default=0.0, source=f"{SPEC} §3")
    reserve_share: Share = _key("预留占奖金池的份额", unit="比例", default=0.0, source=f"{SPEC} §3")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.value == "fixed":
            if self.price is None:
                raise ValueError("value = fixed 时必须写 price")
            if self.pool is not None or self.reserve or self.reserve_share:
                raise ValueError("value = fixed 时不能写 pool、reserve、reserve_share")
        elif self.price is not None:
            raise ValueError("value = budget 时不能写 price")
        return self


class DrgKind(_Section):
    """The share of a DRG surplus that departments of one kind get or bear."""

    k: Share | None = _key(
        "对称份额：盈亏 × k（外科 0.11、内科 0.09 为实践示例）",
        unit="比例",
        default=None,
        source=f"{SPEC} §4",
    )
    gain: Share | None = _key(
        "盈余份额 a（分档时）", unit="比例", default=None, source=f"{SPEC} §4"
    )
    loss: Share | None = _key(
        "亏损份额 b（分档时）", unit="比例", default=None, source=f"{SPEC} §4"
    )
    gain_cap: Yuan | None = _key("盈余奖励封顶", unit="元", default=None, source=f"{SPEC} §4")
    loss_cap: Yuan | None = _key("亏损扣减封顶", unit="元", default=None, source=f"{SPEC} §4")

    @model_validator(mode="after")
    def _one_form(self) -> Self:
        tiers = self.gain is not None and self.loss is not None
        partial = (self.gain is None) != (self.loss is None)
        if partial or tiers == (self.k is not None):
            raise ValueError("请写 k（对称），或同时写 gain 和 loss（分档），二者取一")
        return self


class DrgModel(_Section):
    """The part of a department's money that depends on its DRG surplus."""

    kind: Literal["none", "surplus_share"] = _key(
        "DRG 部分的算法：none 不设；surplus_share 盈亏 × 份额", source=f"{SPEC} §4"
    )
    surplus: Literal["insurance", "cost"] | None = _key(
        "用哪一种盈亏：insurance 医保盈亏；cost 成本盈亏", default=None, source="payment.md §5"
    )
    funding: Literal["within", "outside"] | None = _key(
        "资金来源：within 盘内（从奖金池出，总额不变）；outside 盘外（在奖金池之外增减总额）",
        default=None,
        source=f"{SPEC} §4",
    )
    quality_gate: float | None = _key(
        "质量门槛：质量得分低于此数的科室不得盈余奖励",
        unit="分",
        default=None,
        ge=0,
        le=200,
        source=f"{SPEC} §7",
    )
    shares: dict[str, DrgKind] = _key(
        "按科室类型的份额；键为科室类型，'*' 表示其余", default={}, source=f"{SPEC} §4"
    )

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.kind == "none":
            if self.surplus or self.funding or self.shares or self.quality_gate is not None:
                raise ValueError("kind = none 时不能写其他 drg 键")
            return self
        for name in ("surplus", "funding"):
            if getattr(self, name) is None:
                raise ValueError(f"kind = surplus_share 时必须写 {name}")
        if not self.shares:
            raise ValueError("kind = surplus_share 时必须写各科室类型的份额 [drg.shares.类型]")
        return self


class CostModel(_Section):
    """Costs that departments bear out of their money."""

    borne: dict[str, Share] = _key(
        "各成本项目的承担比例；键为成本项目，'*' 表示其余", unit="比例", source=f"{SPEC} §4"
    )
    funding: Literal["within", "outside"] = _key(
        "扣下的成本：within 盘内（退回奖金池再分，总额不变）；outside 盘外（减少总额）",
        source=f"{SPEC} §4",
    )


class SingleModel(_Section):
    """Single items: rewards and deductions decided one by one."""

    funding: Literal["within", "outside"] = _key(
        "单项奖惩：within 盘内（先从奖金池扣出）；outside 盘外（另加）", source=f"{SPEC} §3"
    )


class QualityModel(_Section):
    """What a department's quality score does to its money."""

    kind: Literal["none", "multiply", "threshold"] = _key(
        "质量的作用：none 不设；multiply 乘以得分/100；threshold 低于门槛时乘以得分/100，否则不变",
        source=f"{SPEC} §5",
    )
    threshold: float | None = _key(
        "门槛得分（kind = threshold 时必填）",
        unit="分",
        default=None,
        ge=0,
        le=200,
        source=f"{SPEC} §5",
    )
    applies_to: Literal["points", "total"] = _key(
        "乘在哪里：points 只乘点数；total 乘点数、DRG 与成本之和",
        default="total",
        source=f"{SPEC} §5",
    )
    deduction: Literal["redistribute", "withhold"] | None = _key(
        "质量扣减的去向：redistribute 经点值分给同系列其他科室；withhold 留存医院",
        default=None,
        source=f"{SPEC} §5",
    )
    missing: Literal["refuse", "full"] | None = _key(
        "没有得分的科室：refuse 停止并指出科室；full 按满分计并列入异常",
        default=None,
        source=f"{SPEC} §5",
    )

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.kind == "none":
            return self
        for name in ("deduction", "missing"):
            if getattr(self, name) is None:
                raise ValueError(f"设有质量时必须写 {name}")
        if (self.kind == "threshold") != (self.threshold is not None):
            raise ValueError("threshold 只在 kind = threshold 时写，且必须写")
        return self


class StaffModel(_Section):
    """From a department's pool to its staff."""

    coefficients: list[Literal["post", "title"]] = _key(
        "个人系数的组成：post 岗位系数、title 职称系数", source=f"{SPEC} §6"
    )
    combine: Literal["product", "sum"] = _key(
        "个人系数怎样合成：product 相乘；sum 相加", source=f"{SPEC} §6"
    )
    attendance: Literal["ratio", "days", "ignore"] = _key(
        "出勤：ratio 乘以实际/应出勤；days 乘以实际出勤天数；ignore 不计", source=f"{SPEC} §6"
    )
    missing_attendance: Literal["refuse", "full", "zero"] = _key(
        "没有考勤的人员：refuse 停止并指出；full 按全勤并列入异常；zero 按 0 并列入异常",
        source=f"{SPEC} §6",
    )
    above_full: Literal["refuse", "cap", "allow"] = _key(
        "实际出勤多于应出勤：refuse 停止并指出；cap 按全勤；allow 照算",
        default="refuse",
        source=f"{SPEC} §6",
    )
    remainder: Literal["largest", "first"] = _key(
        "分到分的尾差：largest 最大余数法；first 归工号最前者",
        default="largest",
        source=f"{SPEC} §6",
    )
    average_share: Share = _key(
        "科室奖金中平均分配（按人头，出勤为 0 者除外）的份额",
        unit="比例",
        default=0.0,
        source=f"{SPEC} §6",
    )
    head_fund_share: Share = _key(
        "科主任基金：科室奖金中留存的份额", unit="比例", default=0.0, source=f"{SPEC} §6"
    )


class ComplianceModel(_Section):
    """Which item classes the rules of conduct look at."""

    drug_classes: list[str] = _key("药品类别名", default=["药品"], source=f"{SPEC} §7")
    consumable_classes: list[str] = _key(
        "卫生材料类别名", default=["卫生材料"], source=f"{SPEC} §7"
    )
    test_classes: list[str] = _key("检查化验类别名", default=["检查", "化验"], source=f"{SPEC} §7")


class PlanModel(_Section):
    """A whole plan file."""

    plan: HeadModel = _key("方案抬头")
    points: PointsModel = _key("点数")
    pool: PoolModel = _key("奖金池")
    bounds: BoundsModel | None = _key("对照历史的保底与封顶；不写即不设", default=None)
    series: dict[SeriesName, SeriesModel] = _key(
        "各系列；键为 doctor 医生、technician 医技、nurse 护理、administration 行政"
    )
    department_amounts: dict[str, Shares] = _key(
        "科室整体金额（DRG 部分、成本、科室单项）在各系列间的份额，合计 1；键为科室类型或 '*'；"
        "科室没有在岗人员的系列，其份额按比例归其余系列",
        unit="比例",
        default={},
    )
    drg: DrgModel = _key("DRG 部分")
    costs: CostModel | None = _key("成本承担；不写即不扣成本", default=None)
    single_items: SingleModel = _key("单项奖惩")
    quality: QualityModel = _key("质量")
    staff: StaffModel = _key("到人")
    compliance: ComplianceModel = _key("合规检查", default=ComplianceModel())
