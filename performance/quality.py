"""What quality does to a department: score, ladders, formula, DRG indicators (allocation.md §5)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from drg_engine.errors import AllocationError, Fault
from performance.facts import Facts
from performance.formula_columns import quality_columns
from performance.formula_eval import evaluate, formula_of
from performance.plan import Plan
from performance.plan_keys import StepModel, step_rate
from performance.plan_model_drg import LadderModel
from performance.words import number_text

__all__ = ["Quality", "kpi_scores", "ladder_rate", "quality_factor", "quality_of"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Quality:
    """Quality of the departments (n): scores (NaN where there is none) and factors.

    on_points, on_total: factors of the points and of the whole, 1 where they do nothing.
    words: how the factors came about.  missing: places of departments without a score.
    """

    score: Floats
    on_points: Floats
    on_total: Floats
    words: list[str]
    missing: npt.NDArray[np.intp]


def quality_factor(score: float, kind: str, threshold: float | None) -> float:
    """Factor of a score: ``multiply`` score/100; ``threshold`` so below it only."""
    if kind == "none" or (kind == "threshold" and threshold is not None and score >= threshold):
        return 1.0
    return score / 100.0


def ladder_rate(actual: float, reference: float, steps: list[StepModel]) -> tuple[float, str]:
    """Rate of actual / reference by ``lower <= ratio < upper``, and the reason in words.

    Without an actual figure, with no or a zero reference, or with no step for the ratio, the rate
    is 1 (allocation.md §5).
    """
    if np.isnan(actual):
        return 1.0, "没有实际值，不变"
    if np.isnan(reference):
        return 1.0, "没有参照值，不变"
    if reference == 0:
        return 1.0, "参照值为 0，不变"
    ratio = actual / reference
    text = f"{number_text(actual, 4)} ÷ {number_text(reference, 4)} = {number_text(ratio, 6)}"
    rate = step_rate(ratio, steps)
    if rate is None:
        return 1.0, f"{text}，无级可入，不变"
    return rate, f"{text}，系数 {number_text(rate)}"


def kpi_scores(plan: Plan, facts: Facts) -> tuple[Floats, list[str]]:
    """Scores with the DRG indicators in them (kind ``kpi_only``), and their words.

    score = table score × (1 − Σ weight / 100) + Σ weight × min(cap, actual/target or its inverse);
    a department without cases keeps its table score.
    """
    drg = plan.model.drg
    words = [""] * facts.n
    if drg.kind != "kpi_only":
        return facts.score, words
    figures = {name: getattr(facts.drg, name) for name in _KPIS}
    whole = sum(kpi.weight for kpi in drg.kpis)
    table = np.where(np.isnan(facts.score) & (whole >= 100.0), 0.0, facts.score)
    score = table * (1.0 - whole / 100.0)
    for i in range(facts.n):
        known = [kpi for kpi in drg.kpis if not np.isnan(figures[kpi.indicator][i])]
        if len(known) < len(drg.kpis):
            score[i], words[i] = facts.score[i], "没有可算的 DRG 指标，按原得分"
            continue
        pieces = []
        for kpi in drg.kpis:
            actual = float(figures[kpi.indicator][i])
            over, under = (actual, kpi.target) if kpi.better == "higher" else (kpi.target, actual)
            ratio = kpi.cap if under == 0 else min(kpi.cap, over / under)
            score[i] += kpi.weight * ratio
            pieces.append(f"{_KPIS[kpi.indicator]} {number_text(actual, 4)} 得 "
                          f"{number_text(kpi.weight * ratio, 4)} 分")  # fmt: skip
        words[i] = "，".join(pieces)
    return score, words


_KPIS = {
    "cmi": "CMI",
    "drg_count": "DRG 组数",
    "cost_index": "费用消耗指数",
    "time_index": "时间消耗指数",
    "low_risk_mortality": "低风险死亡率",
}


def quality_of(plan: Plan, facts: Facts) -> Quality:
    """Score and factors of every department.

    Raises AllocationError where the plan refuses departments without a score, and FormulaError
    where its formula can't be computed.
    """
    chosen = plan.model.quality
    score, words = kpi_scores(plan, facts)
    one = np.ones(facts.n)
    if chosen.kind == "none":
        return Quality(score, one, one, words, np.array([], dtype=np.intp))
    if chosen.kind == "ladder":
        return _by_ladders(plan, facts, score, words)
    missing = np.flatnonzero(np.isnan(score))
    if len(missing) and chosen.missing == "refuse":
        mend = "请补质量得分表，或改 quality.missing = full"
        faults = [
            Fault("quality", "科室没有质量得分", found=facts.departments[i], mend=mend)
            for i in missing
        ]
        raise AllocationError("质量得分不全，方案要求停止", faults)
    known = np.where(np.isnan(score), 100.0, score)
    if chosen.kind == "pool":
        return Quality(score, one, one, words, missing)
    if chosen.kind == "formula":
        tree, text = plan.formula(chosen.formula or "", "quality")
        with formula_of(plan.file, "quality.formula"):
            factor = evaluate(tree, quality_columns(facts, known), facts.departments, text)
        if (factor < 0).any():
            bad = "、".join(facts.departments[i] for i in np.flatnonzero(factor < 0))
            mend = "请写作 最大（公式，0）"
            fault = Fault(plan.file, "结果为负", None, "quality.formula", bad, mend)
            raise AllocationError("质量公式的结果为负", [fault])
    else:
        factor = np.array([quality_factor(float(x), chosen.kind, chosen.threshold) for x in known])
    if chosen.applies_to == "points":
        return Quality(score, factor, one, words, missing)
    return Quality(score, one, factor, words, missing)


def _by_ladders(plan: Plan, facts: Facts, score: Floats, words: list[str]) -> Quality:
    """Ladders multiply in the plan's order, on their own node."""
    on = {"points": np.ones(facts.n), "total": np.ones(facts.n)}
    none = np.full(facts.n, np.nan)
    pieces: list[list[str]] = [[word] if word else [] for word in words]
    for ladder in plan.model.quality.ladders:
        actual, reference = facts.indicators.get(ladder.indicator, (none, none))
        for i in range(facts.n):
            rate, why = ladder_rate(float(actual[i]), float(reference[i]), ladder.steps)
            on[ladder.node][i] *= rate
            pieces[i].append(f"{_on(ladder)} {ladder.indicator} {why}")
    told = ["；".join(piece) for piece in pieces]
    return Quality(score, on["points"], on["total"], told, np.array([], dtype=np.intp))


def _on(ladder: LadderModel) -> str:
    return "点数 ×" if ladder.node == "points" else "总额 ×"
