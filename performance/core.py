"""A month's money, from facts to pay, on plain arrays: the whole of allocation.md §§3-6.

:mod:`performance.allocate` makes the facts out of tables and tables out of the result.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from drg_engine.errors import AllocationError, Fault
from drg_engine.money import format_fen, to_fen
from performance.drg_part import DrgPart, borne_costs, drg_part, over_series
from performance.facts import Facts
from performance.month_money import MonthMoney, SeriesCore, spread_posts
from performance.plan import Plan
from performance.quality import Quality, quality_of
from performance.staff import Part, StaffPay, Weights, mean_pay, pay_staff, staff_weights

__all__ = ["Core", "compute"]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Core:
    """A computed month.  (s, n) and (m,) arrays are int64 fen.

    money_fen: department pools without UNKNOWN; department_single_fen: personal single items that
    departments bear; fund_used_fen: single items out of the head's funds.
    """

    quality: Quality
    drg: DrgPart
    cost_fen: Ints
    cost_words: list[str]
    weights: Weights
    staff_weight: Floats
    series: list[SeriesCore]
    money_fen: Ints
    department_single_fen: Ints
    pay: StaffPay
    single_fen: Ints
    taxable_fen: Ints
    fund_used_fen: Ints


def compute(plan: Plan, facts: Facts) -> Core:
    """Share a month's money.

    Raises AllocationError (FormulaError for its formulas) where the money cannot be shared as the
    plan says.  Proves that every level closes to the fen before it returns.
    """
    s, n = len(plan.series), facts.n
    weights = staff_weights(plan, facts.posts)
    heads = spread_posts(facts, weights.weight, s)
    present = heads > 0
    quality = quality_of(plan, facts)
    drg = drg_part(plan, facts, quality.score)
    cost, cost_words = borne_costs(plan, facts.costs, n)
    month = MonthMoney(plan, facts, weights, heads, quality, drg)
    month.drg_fen = over_series(plan, facts, present, drg.amount_fen, "DRG 部分")
    month.cost_fen = over_series(plan, facts, present, cost, "承担成本")
    month.place_singles(present)
    money = np.zeros((s, n), dtype=np.int64)
    done: dict[int, SeriesCore] = {}
    floating = [i for i, name in enumerate(plan.series) if plan.series_model(name).mean is None]
    for i in floating:
        done[i] = month.share(i)
        known = done[i].rows < n
        money[i, done[i].rows[known]] = done[i].result.pool_fen[known]
    _refuse_short(plan, facts, money - month.borne_fen)
    pay = pay_staff(plan, facts, weights, money - month.borne_fen)
    pay = _with_means(month, pay, money, done)
    single, taxable = _personal(facts)
    core = Core(
        quality, drg, cost, cost_words, weights, heads, [done[i] for i in range(s)], money,
        month.borne_fen, pay, single, taxable, month.fund_fen,
    )  # fmt: skip
    _prove(facts, core)
    return core


def _with_means(
    month: MonthMoney, pay: StaffPay, money: Ints, done: dict[int, SeriesCore]
) -> StaffPay:
    """Add the series that are paid by the mean of a group, after all others."""
    plan, facts = month.plan, month.facts
    paid = pay.average_fen + pay.performance_fen
    performance, parts = pay.performance_fen, list(pay.parts)
    for s, name in enumerate(plan.series):
        chosen = plan.series_model(name).mean
        if chosen is None:
            continue
        _refuse_amounts(month, s)
        mean, amount = mean_pay(plan, facts, month.weights, s, chosen, paid)
        known = facts.posts.department >= 0
        np.add.at(money[s], facts.posts.department[known], amount[known])
        performance = performance + amount
        whole = np.full(len(amount), int(to_fen(mean)), dtype=np.int64)
        parts.append(Part("administration", "按均值", month.weights.coefficient, amount, whole))
        done[s] = month.by_mean(s, mean, money[s])
    return replace(pay, performance_fen=performance, parts=parts)


def _refuse_amounts(month: MonthMoney, s: int) -> None:
    amounts = {
        "DRG 部分": month.drg_fen[s],
        "承担成本": month.cost_fen[s],
        "科室单项": month.within[s] + month.outside[s],
        "由科室承担的个人单项": month.borne_fen[s],
    }
    faults = [
        Fault(
            month.plan.file, f"按均值发放的系列不能有{what}",
            found=f"{month.facts.departments[i]} {format_fen(int(amount[i]))} 元",
            mend="请改 department_amounts 的系列份额，或改为对个人的单项",
        )
        for what, amount in amounts.items()
        for i in np.flatnonzero(amount)
    ]  # fmt: skip
    if faults:
        raise AllocationError("按均值发放的系列有科室金额", faults)


def _personal(facts: Facts) -> tuple[Ints, Ints]:
    """Personal single items and the taxable part of them, by person (p,)."""
    singles, people = facts.singles, len(facts.posts.ids)
    whole, taxable = np.zeros(people, dtype=np.int64), np.zeros(people, dtype=np.int64)
    mine = singles.person >= 0
    np.add.at(whole, singles.person[mine], singles.amount_fen[mine])
    taxed = mine & singles.taxable
    np.add.at(taxable, singles.person[taxed], singles.amount_fen[taxed])
    return whole, taxable


def _refuse_short(plan: Plan, facts: Facts, left: Ints) -> None:
    faults = [
        Fault(
            f"{facts.departments[i]} / {plan.series[s]}", "由科室承担的个人单项超过科室奖金",
            found=f"超出 {format_fen(-int(left[s, i]))} 元", mend="请改由盘内或盘外支付",
        )
        for s, i in zip(*np.nonzero(left < 0), strict=True)
    ]  # fmt: skip
    if faults:
        raise AllocationError("科室奖金不足", faults)


def _prove(facts: Facts, core: Core) -> None:
    """Every level closes to the fen, or nothing is paid."""
    posts, n = facts.posts, facts.n
    known = (posts.series >= 0) & (posts.department >= 0)
    got = np.zeros(core.money_fen.size, dtype=np.int64)
    shared = core.pay.average_fen + core.pay.performance_fen
    np.add.at(got, (posts.series * n + posts.department)[known], shared[known])
    given = core.money_fen - core.department_single_fen - core.pay.head_fund_fen
    closed = bool((got == given.ravel()).all())
    for s, one in enumerate(core.series):
        result, own = one.result, one.given
        parts = result.points_fen + own.net_fen + result.quality_fen + result.quality_pool_fen
        parts = parts + result.floor_fen + result.bounds_fen + own.single_fen
        closed &= bool((parts == result.pool_fen).all())
        lost = int(result.pool_fen.sum()) - int(core.money_fen[s].sum())
        own_money = int(core.money_fen[s].sum()) - int(core.department_single_fen[s].sum())
        out = one.reserve_fen + result.withheld_fen + lost + own_money + one.personal_fen
        closed &= out == one.pool_fen + one.outside_fen + one.fund_used_fen
    if not closed:
        raise AllocationError("内部错误：各级金额不闭合，请报告此问题")
