"""The DRG part, borne costs and quality of a department (allocation.md §§4-5)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from drg_engine.errors import AllocationError, Fault
from drg_engine.money import format_fen, share_out, to_fen
from performance.columns import nearest
from performance.plan import Plan
from performance.plan_model import DrgKind, fen
from performance.words import number_text

__all__ = [
    "DrgSurplus",
    "borne_costs",
    "drg_amount",
    "drg_parts",
    "over_series",
    "quality_factor",
    "quality_factors",
]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class DrgSurplus:
    """The DRG surplus of departments in fen.

    basis: ``insurance`` (paid − charges) or ``cost`` (paid − cost), see payment.md §5.  table:
    columns department (text) and surplus_fen (int64); rows of one department are summed.
    """

    basis: str
    table: pd.DataFrame

    @classmethod
    def from_rollup(cls, rollup: pd.DataFrame, basis: str) -> DrgSurplus:
        """From ``drg_engine.surplus.rollup(settlement, ["department"])``.

        basis ``insurance`` takes surplus_fen, ``cost`` takes cost_surplus_fen.
        """
        column = {"insurance": "surplus_fen", "cost": "cost_surplus_fen"}[basis]
        return cls(
            basis,
            pd.DataFrame(
                {
                    "department": rollup["department"].to_numpy(dtype=object),
                    "surplus_fen": rollup[column].to_numpy(dtype=np.int64),
                }
            ),
        )


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


def quality_factor(score: float, kind: str, threshold: float | None) -> float:
    """Factor of a score: ``multiply`` score/100; ``threshold`` so below it only."""
    if kind == "none" or (kind == "threshold" and threshold is not None and score >= threshold):
        return 1.0
    return score / 100.0


def quality_factors(
    plan: Plan, departments: pd.DataFrame, quality: pd.DataFrame
) -> tuple[Floats, Floats, list[str]]:
    """Factor and score of each department, and the departments without a score.

    The score is NaN where there is none.  Raises AllocationError where the plan refuses that.
    """
    chosen = plan.model.quality
    known = quality.set_index("department")["score_e4"]
    score = departments["department"].map(known).to_numpy(dtype=np.float64) / 1e4
    missing = [str(d) for d in departments["department"][np.isnan(score)]]
    if chosen.kind == "none":
        return np.ones(len(score)), score, []
    if missing and chosen.missing == "refuse":
        faults = [Fault("quality", "科室没有质量得分", found=name) for name in missing]
        raise AllocationError("质量得分不全，方案要求停止", faults)
    factor = [
        1.0 if np.isnan(x) else quality_factor(float(x), chosen.kind, chosen.threshold)
        for x in score
    ]
    return np.array(factor, dtype=np.float64), score, missing


def drg_parts(
    plan: Plan, departments: pd.DataFrame, surplus: DrgSurplus | None, score: Floats
) -> tuple[Ints, Ints, list[str]]:
    """Surplus and DRG part of each department in fen, and the calculation in words.

    Raises AllocationError where the surplus is missing or of the wrong basis, or where the plan
    names no share for a kind of department that has a surplus.
    """
    zero = np.zeros(len(departments), dtype=np.int64)
    chosen = plan.model.drg
    if chosen.kind == "none":
        return zero, zero, [""] * len(departments)
    if surplus is None or surplus.basis != chosen.surplus:
        found = "没有给出" if surplus is None else _BASES.get(surplus.basis, surplus.basis)
        wanted = _BASES[str(chosen.surplus)]
        raise AllocationError(f"方案用{wanted}，实际{found}：请给出{wanted}")
    summed = surplus.table.groupby("department")["surplus_fen"].sum()
    amount = departments["department"].map(summed).fillna(0).to_numpy(dtype=np.int64)
    part = zero.copy()
    words, faults = [], []
    for i, (name, kind_name) in enumerate(
        zip(departments["department"], departments["kind"], strict=True)
    ):
        kind = plan.drg_kind(str(kind_name))
        if kind is None:
            if amount[i] != 0:
                faults.append(_open_kind(plan, str(name), str(kind_name), "drg.shares"))
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
    return amount, part, words


_BASES = {"insurance": "医保盈亏", "cost": "成本盈亏"}


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
    near = nearest(kind, plan.model.drg.shares)
    mend = f"请在 [{key}] 写明类型 {kind}，或写 '*'" + (f"；最接近 {near}" if near else "")
    return Fault(plan.file, "科室类型没有份额", column=key, found=f"{department} {kind}", mend=mend)


def borne_costs(
    plan: Plan, departments: pd.DataFrame, costs: pd.DataFrame
) -> tuple[Ints, list[str], pd.DataFrame]:
    """Borne costs of each department in fen, in words, and the cost rows of unknown departments.

    Each row's amount × the borne share of its cost item is rounded once to the fen.  Raises
    AllocationError where the plan names no share for a cost item.
    """
    total = np.zeros(len(departments), dtype=np.int64)
    place = pd.Index(departments["department"]).get_indexer(pd.Index(costs["department"]))
    unknown = costs[place < 0]
    chosen = plan.model.costs
    if chosen is None:
        return total, [""] * len(departments), unknown
    borne = chosen.borne
    items = [str(item) for item in costs["cost_item"]]
    faults = [
        Fault(
            plan.file,
            "成本项目没有承担比例",
            column="costs.borne",
            found=item,
            mend=_near(item, borne),
        )
        for item in sorted(set(items))
        if item not in borne and "*" not in borne
    ]
    if faults:
        raise AllocationError("方案没有写明成本的承担比例", faults)
    share = np.array([borne.get(item, borne.get("*", 0.0)) for item in items], dtype=np.float64)
    amount = to_fen(costs["amount_fen"].to_numpy(dtype=np.int64) / 100.0 * share)
    pieces: list[list[str]] = [[] for _ in total]
    for i, item, gross, rate, part in zip(
        place, items, costs["amount_fen"], share, amount, strict=True
    ):
        if i >= 0:
            total[i] += part
            if part:
                pieces[i].append(f"{item} {format_fen(gross)} × {number_text(float(rate))}")
    words = [
        f"承担成本 {' + '.join(p)} = {format_fen(int(t))}" if p else ""
        for p, t in zip(pieces, total, strict=True)
    ]
    return total, words, unknown


def _near(item: str, borne: dict[str, float]) -> str:
    near = nearest(item, borne)
    return "请写明 0 至 1 的比例，或写 '*'" + (f"；最接近“{near}”" if near else "")


def over_series(
    plan: Plan,
    departments: pd.DataFrame,
    present: npt.NDArray[np.bool_],
    amounts: Ints,
    what: str,
) -> npt.NDArray[np.int64]:
    """Amounts of whole departments (fen, n) cut over the plan's series: int64 (n, series).

    present: whether a department has staff at work in a series (bool, n × series); the share of a
    series that it has none in goes to its other series in proportion.  Where it has staff in none
    of the series named, the plan's shares stand.  Rows sum to the amount exactly.  Raises
    AllocationError where the plan names no shares for the kind of a department with an amount.
    """
    cut = np.zeros((len(departments), len(plan.series)), dtype=np.int64)
    faults = []
    for i in np.flatnonzero(amounts):
        kind = str(departments["kind"].iloc[i])
        shares = plan.amount_shares(kind)
        if shares is None:
            name = f"{departments['department'].iloc[i]} {kind}"
            mend = f"请写 [department_amounts.{kind}]，或 [department_amounts.'*']"
            faults.append(Fault(plan.file, f"{what}没有系列份额", found=name, mend=mend))
            continue
        weights = np.array([shares.get(series, 0.0) for series in plan.series])
        if (weights * present[i]).sum() > 0:
            weights = weights * present[i]
        order: Sequence[int] = range(len(plan.series))
        cut[i] = share_out(int(amounts[i]), weights, list(order))
    if faults:
        raise AllocationError("方案没有写明科室整体金额在各系列间的份额", faults)
    return cut
