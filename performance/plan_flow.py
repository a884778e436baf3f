"""The plan as a picture: how tables become points, pools and pay, as boxes and arrows.

:func:`plan_flow` gives the boxes and arrows, :func:`flow_svg` draws them (own layout, the same
bytes every time), :func:`flow_rows` tells the same in rows for a sheet of cells.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from drg_engine.money import format_fen
from performance.formula_show import show_formula
from performance.plan import Plan
from performance.plan_keys import fen
from performance.plan_model import SeriesModel
from performance.table_list import KINDS, SERIES
from performance.words import number_text

__all__ = ["STAGES", "Flow", "FlowBox", "flow_rows", "plan_flow"]

STAGES = ("数据", "计算", "科室", "到人", "结果")
"""The columns of the picture, from left to right."""


@dataclass(frozen=True, slots=True)
class FlowBox:
    """One box: its id, stage (place in STAGES), title and the lines under it."""

    name: str
    stage: int
    title: str
    lines: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Flow:
    """Boxes from top to bottom within their stages, and arrows (from, to) between them."""

    title: str
    boxes: tuple[FlowBox, ...]
    arrows: tuple[tuple[str, str], ...]


def plan_flow(plan: Plan) -> Flow:
    """Boxes and arrows of a plan: only what the plan uses is drawn."""
    boxes, arrows = [], []
    for box, sources in _boxes(plan):
        boxes.append(box)
        arrows += [(source, box.name) for source in sources]
    known = {box.name for box in boxes}
    drawn = tuple(dict.fromkeys(arrow for arrow in arrows if arrow[0] in known))
    head = plan.model.plan
    until = "" if head.effective_to is None else f" 至 {head.effective_to}（不含）"
    return Flow(f"{head.title}（{head.effective_from} 起{until}）", tuple(boxes), drawn)


def flow_rows(plan: Plan) -> list[tuple[str, str, str, str]]:
    """The picture as rows for a sheet: stage, box, what it says, where it goes."""
    flow = plan_flow(plan)
    titles = {box.name: box.title for box in flow.boxes}
    return [
        (
            STAGES[box.stage],
            box.title,
            "；".join(box.lines),
            "、".join(titles[to] for source, to in flow.arrows if source == box.name),
        )
        for box in sorted(flow.boxes, key=lambda box: box.stage)
    ]


# Kinds of cost in a line of their box, of which the picture shows four rows at most.
_A_LINE = 4
_KINDS = {**{name: label for label, name in KINDS.items()}, "*": "其余"}
_Drawn = Iterator[tuple[FlowBox, list[str]]]


def _boxes(plan: Plan) -> _Drawn:
    """Every box with the boxes that it draws from."""
    yield from _tables(plan)
    yield from _steps(plan)
    for name in plan.series:
        yield _series(plan, name)
    yield from _staff(plan)
    yield from _results(plan)


def _tables(plan: Plan) -> _Drawn:
    model = plan.model
    yield FlowBox("charges", 0, "收费明细", ("数量、科室、日期",)), []
    yield FlowBox("items", 0, "项目点数表、角色份额表"), []
    if model.drg.kind != "none":
        yield FlowBox("cases", 0, "病例结算结果", (_scope(plan),)), []
    if model.quality.kind not in ("none", "ladder"):
        yield FlowBox("scores", 0, "质量得分表"), []
    if model.quality.kind == "ladder" or "indicator_of" in _named(plan):
        yield FlowBox("indicators", 0, "指标表（实际、参照）"), []
    if model.costs is not None:
        yield FlowBox("costs", 0, "科室成本表"), []
    yield FlowBox("singles", 0, "单项奖惩表"), []
    source = {"plan": "方案写定的奖金池", "inputs": "本期奖金池表", "income": "收入成本表"}
    yield FlowBox("money", 0, source[model.pool.source]), []
    if model.bounds is not None:
        yield FlowBox("history", 0, "历史绩效表"), []
    yield FlowBox("people", 0, "人员、岗位、考勤、个人考核"), []


def _scope(plan: Plan) -> str:
    cases = plan.model.drg.cases
    if cases is None:
        return ""
    from performance.drg_facts import CASE_MARKS

    out = [title for mark, title in CASE_MARKS.items() if getattr(cases, mark) == "out"]
    return (
        "不计：" + "、".join(title.removesuffix("病例").removesuffix("的") for title in out)
        if out
        else "病例全部计入"
    )


def _named(plan: Plan) -> set[str]:
    return {name for _, scope, text in plan.formulas() for name in plan.formula_fields(text, scope)}


def _steps(plan: Plan) -> _Drawn:
    model = plan.model
    how = "按份额拆分" if model.points.attribution == "split" else "各角色重复计"
    lines = (f"开单点数归{SERIES[model.points.order_series]}", f"执行点数{how}")
    yield FlowBox("points", 1, "工作点数", lines), ["charges", "items"]
    if model.drg.kind != "none":
        yield FlowBox("drg", 1, "DRG 部分", tuple(_drg(plan))), ["cases"]
    if model.quality.kind != "none":
        yield FlowBox("quality", 1, "质量", tuple(_quality(plan))), [
            "scores", "indicators", *(["drg"] if model.drg.kind == "kpi_only" else []),
        ]  # fmt: skip
    if model.costs is not None:
        borne = [
            f"{'其余' if name == '*' else name} {share:.0%}"
            for name, share in model.costs.borne.items()
            if share
        ]
        rows = ["、".join(borne[at : at + _A_LINE]) for at in range(0, len(borne), _A_LINE)]
        yield (
            FlowBox("borne", 1, "承担成本", (*rows, _funding(model.costs.funding))),
            ["costs"],
        )
    yield FlowBox("pools", 1, "奖金池", tuple(_pools(plan))), ["money"]
    yield FlowBox("items_paid", 1, "单项", tuple(_singles(plan))), ["singles"]
    names = list(model.staff.coefficients)
    line = _coefficients(names, model.staff.combine, model.staff.attendance)
    yield FlowBox("weights", 1, "个人系数", (line,)), ["people"]


def _singles(plan: Plan) -> Iterator[str]:
    chosen = plan.model.single_items
    yield _funding(chosen.funding)
    if chosen.types:
        yield "、".join(entry.name for entry in chosen.types)


def _funding(funding: str | None) -> str:
    return {"within": "盘内（总额不变）", "outside": "盘外（增减总额）"}.get(str(funding), "")


def _drg(plan: Plan) -> Iterator[str]:
    drg = plan.model.drg
    if drg.kind == "surplus_share":
        basis = "医保盈亏" if drg.surplus == "insurance" else "成本盈亏"
        for name, kind in drg.shares.items():
            part = f"{kind.k:g}" if kind.k is not None else f"盈 {kind.gain:g} 亏 {kind.loss:g}"
            yield f"{basis} × {part}（{_KINDS.get(name, name)}）"
    elif drg.kind == "rw_price":
        factor = {"none": "", "ratio": " × CMI/目标", "ladder": " × CMI 分级"}[str(drg.cmi)]
        yield f"ΣRW × {drg.rw_price:g} 元{factor}"
    elif drg.kind == "cmi_factor":
        yield "点数 × " + ("CMI/目标" if drg.cmi == "ratio" else "CMI 分级系数")
    elif drg.kind == "split_pools":
        for series, share in drg.inpatient_share.items():
            yield f"{SERIES[str(series)]}：住院 {share:.0%} 按 RW，其余按点数"
    else:
        yield f"{len(drg.kpis)} 个指标进入质量得分"
    if drg.quality_gate is not None:
        yield f"质量低于 {drg.quality_gate:g} 分不奖"
    if drg.funding is not None:
        yield _funding(drg.funding)


def _quality(plan: Plan) -> Iterator[str]:
    chosen = plan.model.quality
    where = "点数" if chosen.applies_to == "points" else "合计"
    if chosen.kind == "multiply":
        yield f"{where} × 得分/100"
    elif chosen.kind == "threshold":
        yield f"低于 {chosen.threshold:g} 分，{where} × 得分/100"
    elif chosen.kind == "ladder":
        yield "按指标分级连乘：" + "、".join(ladder.indicator for ladder in chosen.ladders)
    elif chosen.kind == "pool":
        yield f"质量奖金池 {chosen.pool_share:.0%}，按得分分"
    else:
        yield f"系数 = {_shown(plan, chosen.formula, 'quality')}"
    if chosen.deduction is not None:
        yield "扣减再分配" if chosen.deduction == "redistribute" else "扣减留存医院"


def _shown(plan: Plan, text: str | None, scope: str) -> str:
    return "" if text is None else show_formula(plan.formula(text, scope)[0])


def _pools(plan: Plan) -> Iterator[str]:
    pool = plan.model.pool
    if pool.income is not None:
        yield f"min（有效收入 × {pool.income.share:.2%}，"
        yield "有效收入 − 承担成本 − 预留）"
    if pool.approved_total is not None:
        yield f"批准总额 {format_fen(fen(pool.approved_total))} 元"


def _series(plan: Plan, name: str) -> tuple[FlowBox, list[str]]:
    series = plan.series_model(name)
    lines = [_value(series), *_reserve(series)]
    if series.formula is not None:
        lines.append(_shown(plan, series.formula, "department"))
    elif series.value != "mean":
        base = "点数" if series.basis == "points" else "人员系数 × 出勤"
        lines.append(f"{base} × 科室系数 × 点值 + DRG − 成本")
    if plan.model.bounds is not None and series.value == "budget":
        lines.append(f"保底 {plan.model.bounds.floor:.0%}，封顶 {plan.model.bounds.cap:.0%}")
    sources = ["pools", "quality", "items_paid", "history"]
    sources += ["points"] if series.basis == "points" else ["weights"]
    sources += ["drg"] if plan.model.drg.kind != "kpi_only" else []
    if series.mean is not None:
        own = [f"series.{other}" for other in series.mean.of_series]
        return FlowBox(f"series.{name}", 2, f"{SERIES[name]}", tuple(lines)), [*own, "weights"]
    return FlowBox(f"series.{name}", 2, f"{SERIES[name]}", tuple(lines)), [*sources, "borne"]


def _value(series: SeriesModel) -> str:
    if series.value == "fixed":
        return f"固定单价 {number_text(series.price or 0.0)} 元/点"
    if series.value == "baseline":
        return f"基期点值 {series.base_value:g} 元的 {series.base_percent:g}%"
    if series.mean is not None:
        whose = "、".join(SERIES[str(name)] for name in series.mean.of_series)
        return f"{whose}人均 × {series.mean.share:g} × 个人系数"
    if series.pool is not None:
        return f"奖金池 {format_fen(fen(series.pool))} 元，反推点值"
    if series.pool_share is not None:
        return f"总奖金池的 {series.pool_share:.2%}，反推点值"
    return "奖金池反推点值"


def _reserve(series: SeriesModel) -> Iterator[str]:
    if series.reserve or series.reserve_share:
        fixed = f"{format_fen(fen(series.reserve))} 元" if series.reserve else ""
        share = f"{series.reserve_share:.1%}" if series.reserve_share else ""
        yield f"预留 {' + '.join(part for part in (fixed, share) if part)}"


def _staff(plan: Plan) -> _Drawn:
    chosen = plan.model.staff
    before = [f"series.{name}" for name in plan.series if plan.series_model(name).mean is None]
    for step in chosen.order:
        if step == "fixed" and chosen.fixed:
            told = tuple(f"{one.name} {_fixed(one.amount, one.share)}" for one in chosen.fixed)
            yield FlowBox("fixed", 3, "固定份额", told), [*before, "weights"]
            before = ["fixed"]
        elif step == "head_fund" and chosen.head_fund_share:
            line = f"余额的 {chosen.head_fund_share:.1%}，逐月结转"
            yield FlowBox("head_fund", 3, "科主任基金", (line,)), before
            before = ["head_fund"]
        elif step == "average" and chosen.average_share:
            line = f"余额的 {chosen.average_share:.1%}，按人头"
            yield FlowBox("average", 3, "平均份额", (line,)), [*before, "weights"]
            before = ["average"]
        elif step == "sub_pools":
            yield (
                FlowBox("sub_pools", 3, "按个人点数", tuple(_sub_pools(plan))),
                [*before, "weights"],
            )


def _fixed(amount: float | None, share: float | None) -> str:
    return f"{amount:g} 元/人" if amount is not None else f"余额的 {share:.1%}"


_COEFFICIENTS = {
    "post": "岗位", "title": "职称", "attendance": "出勤率", "score": "得分",
    "evaluation": "考核", "satisfaction": "满意度", "points": "个人点数",
}  # fmt: skip
_ATTENDANCE = {"ratio": "出勤率", "days": "出勤天数", "ignore": ""}


def _sub_pools(plan: Plan) -> Iterator[str]:
    chosen = plan.model.staff
    if not chosen.sub_pools:
        yield _coefficients(list(chosen.coefficients), chosen.combine, chosen.attendance)
    for pool in chosen.sub_pools:
        if pool.formula is not None:
            how = _shown(plan, pool.formula, "staff")
        else:
            names = chosen.coefficients if pool.coefficients is None else pool.coefficients
            how = _coefficients(
                list(names), pool.combine or chosen.combine, pool.attendance or chosen.attendance
            )
        yield f"{pool.name} {pool.share:.0%}：{how}"


def _coefficients(names: Sequence[str], combine: str, attendance: str) -> str:
    sign = " × " if combine == "product" else " + "
    words = sign.join(_COEFFICIENTS[name] for name in names) or "1"
    extra = _ATTENDANCE[attendance]
    if extra and len(names) > 1 and combine == "sum":
        words = f"（{words}）"
    return f"{words} × {extra}" if extra else words


def _results(plan: Plan) -> _Drawn:
    chosen = plan.model.staff
    sources = ["sub_pools"]
    sources += ["average"] if chosen.average_share else []
    sources += ["fixed"] if chosen.fixed else []
    sources += [
        f"series.{name}" for name in plan.series if plan.series_model(name).mean is not None
    ]
    lines = ("尾差：最大余数法" if chosen.remainder == "largest" else "尾差归工号最前者",)
    yield FlowBox("pay", 4, "个人发放", lines), [*sources, "items_paid"]
    kept = []
    if any(plan.series_model(name).reserve_share or plan.series_model(name).reserve
           for name in plan.series):  # fmt: skip
        kept.append("预留")
    if plan.model.quality.deduction == "withhold":
        kept.append("质量扣减")
    if plan.model.points.unknown == "withhold":
        kept.append("未知待查")
    if kept:
        own = [f"series.{name}" for name in plan.series if plan.series_model(name).mean is None]
        yield FlowBox("kept", 4, "留存医院", ("、".join(kept),)), own
    if chosen.head_fund_share:
        yield FlowBox("funds", 4, "科主任基金余额", ("结转下月",)), ["head_fund"]
