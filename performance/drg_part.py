"""The DRG part and borne costs of a department (allocation.md §4)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from drg_engine.errors import AllocationError, Fault
from drg_engine.money import format_fen, share_out, to_fen
from performance.columns import nearest
from performance.facts import Facts
from performance.plan import Plan
from performance.plan_keys import StepModel, fen, step_rate
from performance.plan_model_drg import DrgKind
from performance.words import number_text

__all__ = [
    "DrgPart",
    "borne_costs",
    "cmi_factor",
    "drg_amount",
    "drg_part",
    "over_series",
    "series_shares",
]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class DrgPart:
    """DRG part of the departments (n): fen, the factor of their points, and words."""

    amount_fen: Ints
    factor: Floats
    words: list[str]


def drg_amount(surplus_fen: npt.ArrayLike, kind: DrgKind) -> Ints:
    """Share of a surplus (fen, any shape) by k, or in tiers; rounded once, to fen.

    Symmetric: k × surplus.  Tiers: min(x·a, cap) of a gain, max(x·b, −cap) of a loss.  Caps hold in
    both forms (allocation.md §4).
    """
    surplus = np.asarray(surplus_fen, dtype=np.int64)
    gain = float((kind.k if kind.k is not None else kind.gain) or 0.0)
    loss = float((kind.k if kind.k is not None else kind.loss) or 0.0)
    share: Floats = np.where(surplus >= 0, gain, loss)
    part = to_fen(surplus / 100.0 * share)
    high = np.iinfo(np.int64).max if kind.gain_cap is None else fen(kind.gain_cap)
    low = -np.iinfo(np.int64).max if kind.loss_cap is None else -fen(kind.loss_cap)
    return np.asarray(np.clip(part, low, high), dtype=np.int64)


def cmi_factor(plan: Plan, facts: Facts) -> tuple[Floats, list[str]]:
    """f(CMI) of every department, 1 without cases, and its words.

    ``none``: 1; ``ratio``: CMI / target; ``ladder``: the rate of CMI / target.  Raises
    AllocationError for a kind of department without a target.
    """
    drg, cmi = plan.model.drg, facts.drg.cmi
    factor, words = np.ones(facts.n), [""] * facts.n
    if drg.cmi not in ("ratio", "ladder"):
        return factor, words
    faults = []
    for i, kind in enumerate(facts.kinds):
        if np.isnan(cmi[i]):
            continue
        target = drg.cmi_target.get(kind, drg.cmi_target.get("*"))
        if target is None:
            faults.append(_open_kind(plan, facts.departments[i], kind, "drg.cmi_target"))
            continue
        ratio = float(cmi[i]) / target
        factor[i] = ratio if drg.cmi == "ratio" else _rate(ratio, drg.cmi_steps)
        words[i] = f"CMI {number_text(float(cmi[i]), 4)} ÷ {number_text(target, 4)}"
        words[i] += f" = {number_text(ratio, 6)}"
        if drg.cmi == "ladder":
            words[i] += f"，系数 {number_text(factor[i])}"
    if faults:
        raise AllocationError("方案没有写明 CMI 目标", faults)
    return factor, words


def _rate(ratio: float, steps: list[StepModel]) -> float:
    rate = step_rate(ratio, steps)
    return 1.0 if rate is None else rate


def drg_part(plan: Plan, facts: Facts, score: Floats) -> DrgPart:
    """DRG part of every department (allocation.md §4), before it is cut over the series.

    ``split_pools`` and ``kpi_only`` have none here: the one divides the pool, the other is inside
    the quality score.  Raises AllocationError where the plan leaves a kind of department open.
    """
    drg = plan.model.drg
    zero, one = np.zeros(facts.n, dtype=np.int64), np.ones(facts.n)
    if drg.kind == "surplus_share":
        amount, words = _surplus_shares(plan, facts, score)
        return DrgPart(amount, one, words)
    if drg.kind not in ("rw_price", "cmi_factor"):
        return DrgPart(zero, one, [""] * facts.n)
    factor, words = cmi_factor(plan, facts)
    if drg.kind == "cmi_factor":
        told = [f"点数 × {word}" if word else "" for word in words]
        return DrgPart(zero, factor, told)
    amount, words = _rw_prices(plan, facts, score, factor, words)
    return DrgPart(amount, one, words)


def _rw_prices(
    plan: Plan, facts: Facts, score: Floats, factor: Floats, words: list[str]
) -> tuple[Ints, list[str]]:
    """ΣRW × yuan per RW × f(CMI), capped, and nothing below the quality gate."""
    drg = plan.model.drg
    price = float(drg.rw_price or 0.0)
    amount = to_fen(facts.drg.rw * price * factor)
    told = []
    for i, word in enumerate(words):
        if not facts.drg.rw[i]:
            told.append("")
            continue
        text = f"ΣRW {number_text(float(facts.drg.rw[i]), 6)} × {number_text(price)}"
        text += f" × f（{word}）" if word else ""
        told.append(f"{text} = {format_fen(int(amount[i]))}")
    if drg.rw_cap is not None:
        cap = fen(drg.rw_cap)
        for i in np.flatnonzero(amount > cap).tolist():
            told[i] += f"，限额 {format_fen(cap)}"
        amount = np.minimum(amount, cap)
    gate = drg.quality_gate
    if gate is not None:
        for i in np.flatnonzero((score < gate) & (amount > 0)).tolist():
            told[i] += f"，质量低于 {number_text(gate)} 分不予奖励"
            amount[i] = 0
    return amount, told


def _surplus_shares(plan: Plan, facts: Facts, score: Floats) -> tuple[Ints, list[str]]:
    chosen = plan.model.drg
    amount = facts.drg.surplus_fen
    part = np.zeros(facts.n, dtype=np.int64)
    words, faults = [], []
    for i, (name, kind_name) in enumerate(zip(facts.departments, facts.kinds, strict=True)):
        kind = plan.drg_kind(kind_name)
        if kind is None:
            if amount[i] != 0:
                faults.append(_open_kind(plan, name, kind_name, "drg.shares"))
            words.append("")
            continue
        part[i] = drg_amount(amount[i : i + 1], kind)[0]
        gate = chosen.quality_gate
        gated = gate is not None and part[i] > 0 and score[i] < gate
        words.append(_drg_words(int(amount[i]), int(part[i]), kind, gated, gate))
        if gated:
            part[i] = 0
    if faults:
        raise AllocationError("方案没有写明 DRG 份额", faults)
    return part, words


def _drg_words(surplus: int, part: int, kind: DrgKind, gated: bool, gate: float | None) -> str:
    if surplus == 0:
        return ""
    share = kind.k if kind.k is not None else (kind.gain if surplus > 0 else kind.loss)
    plain = int(to_fen(surplus / 100.0 * float(share or 0.0)))
    text = f"DRG 盈亏 {format_fen(surplus)} × {number_text(float(share or 0.0))}"
    text += f" = {format_fen(plain)}"
    if part != plain:
        text += f"，限额 {format_fen(part)}"
    return text + (f"，质量低于 {number_text(float(gate or 0.0))} 分不予奖励" if gated else "")


def _open_kind(plan: Plan, department: str, kind: str, key: str) -> Fault:
    known = plan.model.drg.shares if key == "drg.shares" else plan.model.drg.cmi_target
    near = nearest(kind, list(known))
    mend = f"请在 [{key}] 写明类型 {kind}，或写 '*'" + (f"；最接近 {near}" if near else "")
    what = "科室类型没有份额" if key == "drg.shares" else "科室类型没有目标"
    return Fault(plan.file, what, column=key, found=f"{department} {kind}", mend=mend)


def borne_costs(plan: Plan, costs: Mapping[str, Ints], n: int) -> tuple[Ints, list[str]]:
    """Borne costs of each department in fen, and in words.

    Each subject's amount × its borne share is rounded once to the fen.  Raises AllocationError
    where the plan names no share for a cost subject.
    """
    total = np.zeros(n, dtype=np.int64)
    chosen = plan.model.costs
    if chosen is None:
        return total, [""] * n
    borne = chosen.borne
    faults = [
        Fault(
            plan.file,
            "成本项目没有承担比例",
            column="costs.borne",
            found=subject,
            mend=_near(subject, borne),
        )
        for subject in sorted(costs)
        if subject not in borne and "*" not in borne
    ]
    if faults:
        raise AllocationError("方案没有写明成本的承担比例", faults)
    pieces: list[list[str]] = [[] for _ in range(n)]
    for subject, gross in sorted(costs.items()):
        share = borne.get(subject, borne.get("*", 0.0))
        part = to_fen(gross / 100.0 * share)
        total += part
        for i in np.flatnonzero(part):
            pieces[i].append(f"{subject} {format_fen(int(gross[i]))} × {number_text(share)}")
    words = [
        f"承担成本 {' + '.join(p)} = {format_fen(int(t))}" if p else ""
        for p, t in zip(pieces, total, strict=True)
    ]
    return total, words


def _near(item: str, borne: Mapping[str, float]) -> str:
    near = nearest(item, list(borne))
    return "请写明 0 至 1 的比例，或写 '*'" + (f"；最接近“{near}”" if near else "")


def over_series(
    plan: Plan, facts: Facts, present: npt.NDArray[np.bool_], amounts: Ints, what: str
) -> Ints:
    """Amounts of whole departments (fen, n) cut over the plan's series: int64 (s, n).

    present: whether a department has staff at work in a series (bool, (s, n)); the share of a
    series that it has none in goes to its other series in proportion.  Where it has staff in none
    of the series named, the plan's shares stand.  Columns sum to the amount exactly.  Raises
    AllocationError where the plan names no shares for the kind of a department with an amount.
    """
    cut = np.zeros((len(plan.series), facts.n), dtype=np.int64)
    faults = []
    for i in np.flatnonzero(amounts):
        kind = facts.kinds[i]
        shares = plan.amount_shares(kind)
        if shares is None:
            mend = f"请写 [department_amounts.{kind}]，或 [department_amounts.'*']"
            name = f"{facts.departments[i]} {kind}"
            faults.append(Fault(plan.file, f"{what}没有系列份额", found=name, mend=mend))
            continue
        weights = _series_weights(plan, shares, present[:, i])
        cut[:, i] = share_out(int(amounts[i]), weights, np.arange(len(plan.series)))
    if faults:
        raise AllocationError("方案没有写明科室整体金额在各系列间的份额", faults)
    return cut


def series_shares(plan: Plan, facts: Facts, present: npt.NDArray[np.bool_]) -> Floats:
    """What share of a whole department's amount each series has, by :func:`over_series`: (s, n).

    NaN where the plan names no shares for the department's kind.
    """
    found = np.full((len(plan.series), facts.n), np.nan)
    for i, kind in enumerate(facts.kinds):
        shares = plan.amount_shares(kind)
        if shares is not None:
            weights = _series_weights(plan, shares, present[:, i])
            found[:, i] = weights / weights.sum() if weights.sum() > 0 else np.nan
    return found


def _series_weights(
    plan: Plan, shares: Mapping[str, float], present: npt.NDArray[np.bool_]
) -> Floats:
    weights = np.array([shares.get(series, 0.0) for series in plan.series])
    there = weights * present
    return there if there.sum() > 0 else weights
