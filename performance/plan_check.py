"""What one section of a plan demands of another, and its formulas."""

from __future__ import annotations

from collections.abc import Iterator

from drg_engine.errors import Fault
from performance.columns import nearest
from performance.formula_columns import degree_in
from performance.formula_fields import unit_of
from performance.formula_parse import parse_formula
from performance.formula_tree import FormulaError
from performance.formula_units import check_formula
from performance.plan_model import PlanModel

__all__ = ["cross_faults"]


def cross_faults(model: PlanModel, file: str) -> Iterator[Fault]:
    """What no section can see alone."""
    if not model.series:
        yield Fault(file, "至少要有一个系列", column="series", mend="请加 [series.doctor]")
    for name, series in model.series.items():
        key = f"series.{name}"
        budget = series.value == "budget"
        if budget:
            yield from _pool_faults(model, file, str(name))
        if name == "administration" and series.basis == "points":
            yield Fault(file, "行政没有工作点数", column=f"{key}.basis", mend="请改为 staff")
        if series.formula is not None and series.basis == "staff":
            mend = "公式只用于 basis = points 的系列"
            yield Fault(file, "按人员系数分配的系列不能写公式", column=f"{key}.formula", mend=mend)
        if not budget and model.quality.deduction == "redistribute" and series.value != "mean":
            mend = "固定单价的系列请用 withhold"
            yield Fault(file, "没有可再分的奖金池", column="quality.deduction", mend=mend)
        if not budget and model.bounds is not None and series.value != "mean":
            yield Fault(
                file, "固定单价没有可保底封顶的总额", column="bounds", mend="请删去 [bounds]"
            )
        if series.mean is not None:
            yield from _mean_faults(model, file, str(name))
    if model.drg.kind == "kpi_only" and model.quality.kind in ("none", "ladder"):
        mend = "请把 quality.kind 改为 multiply、threshold、pool 或 formula"
        yield Fault(file, "指标进入质量得分，而方案不用质量得分", column="drg.kind", mend=mend)
    yield from _idle_faults(model, file)
    yield from _funding_faults(model, file)
    yield from _share_faults(model, file)
    yield from _formula_faults(model, file)


def _pool_faults(model: PlanModel, file: str, name: str) -> Iterator[Fault]:
    series = {str(key): value for key, value in model.series.items()}[name]
    key = f"series.{name}"
    source = model.pool.source
    if source == "plan" and series.pool is None:
        yield Fault(file, "未写奖金池", column=f"{key}.pool", mend="请写金额（元）")
    if source != "plan" and series.pool is not None:
        mend = f"pool.source = {source} 时请删去"
        yield Fault(file, "奖金池已取自本期表", column=f"{key}.pool", mend=mend)
    if source == "income" and series.pool_share is None:
        yield Fault(file, "未写占总奖金池的份额", column=f"{key}.pool_share", mend="请写 0 至 1")
    if source != "income" and series.pool_share is not None:
        mend = "pool_share 只在 pool.source = income 时写"
        yield Fault(file, "奖金池不由收入计算", column=f"{key}.pool_share", mend=mend)


def _idle_faults(model: PlanModel, file: str) -> Iterator[Fault]:
    """Shares of a pool that is not there: they would do nothing."""
    pools = [str(name) for name, series in model.series.items() if series.value == "budget"]
    for name in model.drg.inpatient_share:
        if name not in pools:
            mend = "只写 value = budget 的系列：" + ("、".join(pools) or "本方案没有")
            yield Fault(
                file, "这个系列没有可分出住院部分的奖金池", column=f"drg.inpatient_share.{name}",
                mend=mend,
            )  # fmt: skip
    if model.quality.kind == "pool" and not pools:
        mend = "请改 quality.kind，或设 value = budget 的系列"
        yield Fault(file, "没有系列有奖金池可分出质量奖金", column="quality.pool_share", mend=mend)


def _mean_faults(model: PlanModel, file: str, name: str) -> Iterator[Fault]:
    series = {str(key): value for key, value in model.series.items()}
    chosen = series[name].mean
    for other in chosen.of_series if chosen is not None else ():
        found = series.get(str(other))
        if found is None or found.value == "mean":
            yield Fault(
                file,
                "均值须取自另有奖金池的系列",
                column=f"series.{name}.mean.of_series",
                found=str(other),
                mend="请改为 budget、fixed 或 baseline 的系列",
            )


def _funding_faults(model: PlanModel, file: str) -> Iterator[Fault]:
    outside = [
        name
        for name, section in (("drg", model.drg), ("single_items", model.single_items))
        if section.funding == "outside"
    ]
    outside += [
        f"single_items.types {entry.name}"
        for entry in model.single_items.types
        if entry.funding == "outside"
    ]
    floating = [str(name) for name, series in model.series.items() if series.value != "budget"]
    if (outside or floating) and model.pool.approved_total is None:
        yield Fault(
            file,
            "有盘外资金或总额浮动的系列，总额不封闭",
            column="pool.approved_total",
            found="、".join(outside + floating),
            mend="请写批准的发放总额（元）",
        )
    if model.pool.source == "income":
        whole = sum(series.pool_share or 0.0 for series in model.series.values())
        if abs(whole - 1) > 1e-9:
            mend = "请改为合计 1"
            yield Fault(
                file, "各系列占总奖金池的份额合计不是 1", column="series.*.pool_share",
                found=f"{whole:g}", mend=mend,
            )  # fmt: skip


def _share_faults(model: PlanModel, file: str) -> Iterator[Fault]:
    for kind, shares in model.department_amounts.items():
        key = f"department_amounts.{kind}"
        if abs(sum(shares.values()) - 1) > 1e-9:
            found = f"{sum(shares.values()):g}"
            yield Fault(file, "份额合计不是 1", column=key, found=found, mend="请改为合计 1")
        for name in shares:
            if name not in model.series:
                near = nearest(name, model.series)
                mend = f"请加 [series.{name}]" + (f"，或改为 {near}" if near else "")
                yield Fault(file, "方案没有这个系列", column=key, found=name, mend=mend)


def _formula_faults(model: PlanModel, file: str) -> Iterator[Fault]:
    """Formulas that can't be read, don't fit their place, or are not linear in the point value."""
    for name, series in model.series.items():
        if series.formula is not None:
            key = f"series.{name}.formula"
            yield from _one_formula(file, key, series.formula, "department", "元")
            if series.value == "budget":
                yield from _linear_faults(file, key, series.formula)
    if model.quality.formula is not None:
        yield from _one_formula(file, "quality.formula", model.quality.formula, "quality", "比例")
    for i, pool in enumerate(model.staff.sub_pools):
        if pool.formula is not None:
            key = f"staff.sub_pools[{i}].formula"
            yield from _one_formula(file, key, pool.formula, "staff", None)


def _one_formula(file: str, key: str, text: str, scope: str, unit: str | None) -> Iterator[Fault]:
    try:
        tree = parse_formula(text, scope)
        check_formula(tree, scope, None if unit is None else unit_of(unit), text)
    except FormulaError as error:
        for fault in error.faults:
            message = f"{fault.file}：{fault.message}"
            yield Fault(file, message, column=key, found=fault.found, mend=fault.mend)


def _linear_faults(file: str, key: str, text: str) -> Iterator[Fault]:
    try:
        degree = degree_in(parse_formula(text, "department"), "value")
    except FormulaError:
        return
    if degree != 1:
        what = "公式中没有点值" if degree == 0 else "公式不是点值的一次式"
        mend = "由奖金池反推点值时，点值只可乘以系数后相加减；或改用 value = fixed"
        yield Fault(file, what, column=key, found=text[:80], mend=mend)
