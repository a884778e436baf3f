"""The keys of a plan for the DRG part, costs and quality (allocation.md §§4-5)."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from performance.plan_keys import (
    SPEC,
    Section,
    Share,
    Shares,
    StepModel,
    Yuan,
    key,
    ordered_steps,
)

__all__ = ["CaseScope", "CostModel", "DrgKind", "DrgModel", "KpiModel", "LadderModel",
           "QualityModel", "Steps"]  # fmt: skip

_DRG = f"{SPEC} §4"
_QUALITY = f"{SPEC} §5"
_InOut = Literal["in", "out"]
Steps = Annotated[list[StepModel], AfterValidator(ordered_steps)]
_Positive = Annotated[float, Field(gt=0, le=1e9)]


class DrgKind(Section):
    """The share of a DRG surplus that departments of one kind get or bear."""

    k: Share | None = key(
        "对称份额：盈亏 × k（外科 0.11、内科 0.09 为实践示例）",
        unit="比例",
        default=None,
        source=_DRG,
    )
    gain: Share | None = key("盈余份额 a（分档时）", unit="比例", default=None, source=_DRG)
    loss: Share | None = key("亏损份额 b（分档时）", unit="比例", default=None, source=_DRG)
    gain_cap: Yuan | None = key("盈余奖励封顶", unit="元", default=None, source=_DRG)
    loss_cap: Yuan | None = key("亏损扣减封顶", unit="元", default=None, source=_DRG)

    @model_validator(mode="after")
    def _one_form(self) -> Self:
        tiers = self.gain is not None and self.loss is not None
        partial = (self.gain is None) != (self.loss is None)
        if partial or tiers == (self.k is not None):
            raise ValueError("请写 k（对称），或同时写 gain 和 loss（分档），二者取一")
        return self


class CaseScope(Section):
    """Which cases count in the DRG part; a case with two marks is out if either is."""

    transferred: _InOut = key("转科病例（在两个以上科室住过）：in 计入；out 不计", source=_DRG)
    self_pay: _InOut = key("自费病例：in 计入；out 不计", source=_DRG)
    out_of_region: _InOut = key("异地病例：in 计入；out 不计", source=_DRG)
    ungrouped: _InOut = key("未入组（含不能分组）病例：in 计入；out 不计", source=_DRG)
    ambiguous: _InOut = key("歧义组病例：in 计入；out 不计", source=_DRG)
    low: _InOut = key("低倍率病例：in 计入；out 不计", source=_DRG)
    high: _InOut = key("高倍率病例：in 计入；out 不计", source=_DRG)
    out_of_scope: _InOut = key("不纳入 DRG 付费的其他病例：in 计入；out 不计", source=_DRG)


class KpiModel(Section):
    """One DRG indicator inside the quality score."""

    indicator: Literal["cmi", "drg_count", "cost_index", "time_index", "low_risk_mortality"] = key(
        "指标：cmi、drg_count 组数、cost_index 费用消耗指数、time_index 时间消耗指数、"
        "low_risk_mortality 低风险死亡率",
        source=_DRG,
    )
    weight: float = key("本指标的分值；各指标合计不超过 100", unit="分", ge=0, le=100, source=_DRG)
    target: float = key("目标值", ge=0, le=1e6, source=_DRG)
    better: Literal["higher", "lower"] = key(
        "higher 越高越好（得分 = 分值 × 实际/目标）；lower 越低越好（分值 × 目标/实际）",
        source=_DRG,
    )
    cap: float = key("得分不超过分值的多少倍", unit="倍", default=1.0, ge=0, le=2, source=_DRG)


class DrgModel(Section):
    """The part of a department's money that depends on its DRG cases."""

    kind: Literal["none", "surplus_share", "rw_price", "cmi_factor", "split_pools", "kpi_only"] = (
        key(
            "DRG 部分的算法：none 不设；surplus_share 盈亏 × 份额；rw_price ΣRW × 单价 × f(CMI)；"
            "cmi_factor 点数 × CMI 系数；split_pools 住院部分按 RW、其余按点数；"
            "kpi_only 只进质量得分",
            source=_DRG,
        )
    )
    surplus: Literal["insurance", "cost"] | None = key(
        "用哪一种盈亏：insurance 医保盈亏；cost 成本盈亏", default=None, source="payment.md §5"
    )
    funding: Literal["within", "outside"] | None = key(
        "资金来源：within 盘内（从奖金池出，总额不变）；outside 盘外（在奖金池之外增减总额）",
        default=None,
        source=_DRG,
    )
    quality_gate: float | None = key(
        "质量门槛：质量得分低于此数的科室不得奖励（盈余、RW 单价）",
        unit="分",
        default=None,
        ge=0,
        le=200,
        source=f"{SPEC} §7",
    )
    shares: dict[str, DrgKind] = key(
        "按科室类型的份额；键为科室类型，'*' 表示其余", default={}, source=_DRG
    )
    rw_price: float | None = key(
        "每 1.0 RW 的金额（kind = rw_price 时必填）",
        unit="元/RW",
        default=None,
        ge=0,
        le=1e6,
        source=_DRG,
    )
    rw_cap: Yuan | None = key(
        "每科室 RW 奖励封顶（kind = rw_price）", unit="元", default=None, source=_DRG
    )
    cmi: Literal["none", "ratio", "ladder"] | None = key(
        "f(CMI)：none 为 1；ratio 为 CMI/目标；ladder 按 CMI/目标分级（无级可入则为 1）",
        default=None,
        source=_DRG,
    )
    cmi_target: dict[str, _Positive] = key(
        "CMI 目标；键为科室类型，'*' 表示其余", default={}, source=_DRG
    )
    cmi_steps: Steps = key("CMI 分级（cmi = ladder）", default=[], source=_DRG)
    inpatient_share: Shares = key(
        "各系列奖金池中按 RW 分配的住院部分（kind = split_pools）",
        unit="比例",
        default={},
        source=_DRG,
    )
    kpis: list[KpiModel] = key(
        "进入质量得分的 DRG 指标（kind = kpi_only）", default=[], source=_DRG
    )
    self_pay_insurances: list[str] = key("哪些险种算自费病例", default=["self"], source=_DRG)
    local_regions: list[str] = key(
        "本地参保地（编码开头）；cases.out_of_region = out 时必填", default=[], source=_DRG
    )
    low_risk_drgs: list[str] = key(
        "低风险病组；用 low_risk_mortality 指标时必填", default=[], source=_DRG
    )
    cases: CaseScope | None = key("哪些病例计入（设有 DRG 部分时必填）", default=None, source=_DRG)

    @model_validator(mode="after")
    def _complete(self) -> Self:
        written = {
            name for name in self.model_fields_set if getattr(self, name) not in (None, {}, [])
        }
        extra = sorted(written - _ALLOWED[self.kind] - {"kind"})
        if extra:
            raise ValueError(f"kind = {self.kind} 时不能写 {'、'.join(extra)}（不能写其他 drg 键）")
        for name in _NEEDED[self.kind]:
            if getattr(self, name) in (None, {}, []):
                what = "各科室类型的份额 [drg.shares.类型]" if name == "shares" else name
                raise ValueError(f"kind = {self.kind} 时必须写 {what}")
        if self.cmi in ("ratio", "ladder") and not self.cmi_target:
            raise ValueError("cmi = ratio 或 ladder 时必须写 cmi_target")
        if (self.cmi == "ladder") != bool(self.cmi_steps):
            raise ValueError("cmi_steps 只在 cmi = ladder 时写，且必须写")
        if self.kind == "cmi_factor" and self.cmi == "none":
            raise ValueError("kind = cmi_factor 时 cmi 应为 ratio 或 ladder")
        if self.cases is not None and self.cases.out_of_region == "out" and not self.local_regions:
            raise ValueError("cases.out_of_region = out 时必须写 local_regions")
        if any(kpi.indicator == "low_risk_mortality" for kpi in self.kpis) != bool(
            self.low_risk_drgs
        ):
            raise ValueError("low_risk_drgs 只在用 low_risk_mortality 指标时写，且必须写")
        if sum(kpi.weight for kpi in self.kpis) > 100:
            raise ValueError("各指标的分值合计超过 100")
        return self


_CMI = {"cmi", "cmi_target", "cmi_steps"}
_CASES = {"cases", "self_pay_insurances", "local_regions"}
_ALLOWED: dict[str, set[str]] = {
    "none": set(),
    "surplus_share": {"surplus", "funding", "quality_gate", "shares", *_CASES},
    "rw_price": {"funding", "quality_gate", "rw_price", "rw_cap", *_CMI, *_CASES},
    "cmi_factor": _CMI | _CASES,
    "split_pools": {"inpatient_share", *_CASES},
    "kpi_only": {"kpis", "low_risk_drgs", *_CASES},
}
_NEEDED: dict[str, tuple[str, ...]] = {
    "none": (),
    "surplus_share": ("surplus", "funding", "shares", "cases"),
    "rw_price": ("funding", "rw_price", "cmi", "cases"),
    "cmi_factor": ("cmi", "cases"),
    "split_pools": ("inpatient_share", "cases"),
    "kpi_only": ("kpis", "cases"),
}


class CostModel(Section):
    """Costs that departments bear out of their money."""

    borne: dict[str, Share] = key(
        "各成本项目的承担比例；键为成本项目，'*' 表示其余", unit="比例", source=_DRG
    )
    funding: Literal["within", "outside"] = key(
        "扣下的成本：within 盘内（退回奖金池再分，总额不变）；outside 盘外（减少总额）",
        source=_DRG,
    )


class LadderModel(Section):
    """A ladder on actual / reference of an indicator."""

    indicator: str = key("指标名（本期指标表中的名称）", min_length=1, source=_QUALITY)
    node: Literal["points", "total"] = key(
        "乘在哪里：points 只乘点数；total 乘点数、DRG 与成本之和", source=_QUALITY
    )
    steps: Steps = key("各级：下限 ≤ 实际/参照 < 上限", min_length=1, source=_QUALITY)


class QualityModel(Section):
    """What a department's quality score does to its money."""

    kind: Literal["none", "multiply", "threshold", "ladder", "pool", "formula"] = key(
        "质量的作用：none 不设；multiply 乘以得分/100；threshold 低于门槛时乘以得分/100，否则不变；"
        "ladder 按指标分级的系数连乘；pool 另设质量奖金池按得分分；formula 由公式给出系数",
        source=_QUALITY,
    )
    threshold: float | None = key(
        "门槛得分（kind = threshold 时必填）",
        unit="分",
        default=None,
        ge=0,
        le=200,
        source=_QUALITY,
    )
    max_score: float = key(
        "质量得分最高多少；表中高于此数的停止并指出，100 与此数之间的列入异常",
        unit="分",
        default=120.0,
        ge=1,
        le=200,
        source=_QUALITY,
    )
    applies_to: Literal["points", "total"] = key(
        "乘在哪里：points 只乘点数；total 乘点数、DRG 与成本之和（ladder 由各级自己写明）",
        default="total",
        source=_QUALITY,
    )
    deduction: Literal["redistribute", "withhold"] | None = key(
        "质量扣减的去向：redistribute 经点值分给同系列其他科室；withhold 留存医院",
        default=None,
        source=_QUALITY,
    )
    missing: Literal["refuse", "full"] | None = key(
        "没有得分的科室：refuse 停止并指出科室；full 按满分计并列入异常",
        default=None,
        source=_QUALITY,
    )
    ladders: list[LadderModel] = key(
        "指标阶梯（kind = ladder），同一处的各阶梯按本方案的次序连乘", default=[], source=_QUALITY
    )
    pool_share: Share | None = key(
        "质量奖金池占各系列可分金额的份额（kind = pool）",
        unit="比例",
        default=None,
        source=_QUALITY,
    )
    pool_by: Literal["score", "score_points", "score_staff"] | None = key(
        "质量奖金池的分法（kind = pool）：score 按得分；score_points 按得分 × 点数；"
        "score_staff 按得分 × 人员系数",
        default=None,
        source=_QUALITY,
    )
    formula: str | None = key(
        "质量系数的公式（kind = formula），结果为比例", default=None, source=_QUALITY
    )

    @model_validator(mode="after")
    def _complete(self) -> Self:
        for name, owner in _QUALITY_OWNERS.items():
            if (self.kind == owner) != (getattr(self, name) not in (None, [])):
                raise ValueError(f"{name} 只在 kind = {owner} 时写，且必须写")
        needed = _QUALITY_NEEDED.get(self.kind, ("deduction", "missing"))
        for name in needed:
            if getattr(self, name) is None:
                raise ValueError(f"设有质量时必须写 {name}")
        return self


_QUALITY_OWNERS = {
    "threshold": "threshold",
    "ladders": "ladder",
    "pool_share": "pool",
    "pool_by": "pool",
    "formula": "formula",
}
_QUALITY_NEEDED: dict[str, tuple[str, ...]] = {
    "none": (),
    "pool": ("missing",),
    "ladder": ("deduction",),
}
