"""From a department's pool to its staff, exact to the fen (allocation.md §6)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from drg_engine.errors import AllocationError, Fault
from drg_engine.money import format_fen, to_fen
from performance.cutting import cut_groups, cut_pool
from performance.facts import Facts, Posts
from performance.formula_columns import staff_columns
from performance.formula_eval import evaluate, formula_of
from performance.plan import Plan
from performance.plan_keys import fen
from performance.plan_model_staff import FixedModel, MeanModel, SubPoolModel

__all__ = [
    "Part",
    "StaffPay",
    "Weights",
    "cut_pool",
    "mean_pay",
    "pay_staff",
    "staff_weights",
    "uses_attendance",
]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Weights:
    """Coefficient, attendance as the plan takes it, and weight = both × share of the post (m).

    ratio: days present / days due with what is missing filled in.  score: personal score, filled
    in.  absent: places of posts without attendance.
    """

    coefficient: Floats
    attendance: Floats
    weight: Floats
    ratio: Floats
    days: Floats
    score: Floats
    absent: npt.NDArray[np.intp]


@dataclass(frozen=True)
class Part:
    """One part of the pay of the posts: what each got (fen, m) and by which weight."""

    kind: str
    name: str
    weight: Floats
    amount_fen: Ints
    whole_fen: Ints


@dataclass(frozen=True)
class StaffPay:
    """Pay of the posts (m) and what the departments keep ((s, n)), all int64 fen."""

    average_fen: Ints
    performance_fen: Ints
    head_fund_fen: Ints
    parts: list[Part] = field(default_factory=list)


def staff_weights(plan: Plan, posts: Posts) -> Weights:
    """Each post's combined coefficient, attendance and weight.

    Raises AllocationError, naming each person, where the plan refuses a person without attendance,
    one present for more days than due, or one without a score that the plan uses.
    """
    chosen = plan.model.staff
    missing = np.isnan(posts.attendance)
    above = np.nan_to_num(posts.attendance) > 1.0
    faults = _attendance_faults(plan, posts, missing, above)
    no_score = np.isnan(posts.score) & (posts.series >= 0)
    if _uses_score(plan) and chosen.missing_score == "refuse":
        faults += [
            Fault(
                "staff_scores", "没有个人得分", found=posts.ids[posts.person[i]],
                mend="请补个人考核表，或改 staff.missing_score = full",
            )
            for i in np.flatnonzero(no_score)
        ]  # fmt: skip
    if faults:
        raise AllocationError("考勤或个人得分不合方案要求", faults)
    full = chosen.missing_attendance == "full"
    ratio = np.where(missing, 1.0 if full else 0.0, posts.attendance)
    days = np.where(missing, _full_days(posts.days_due) if full else 0.0, posts.days_present)
    if chosen.above_full == "cap":
        ratio = np.minimum(ratio, 1.0)
        days = np.where(above, posts.days_due, days)
    score = np.where(np.isnan(posts.score), 100.0, posts.score)
    filled = Weights(posts.share, ratio, ratio, ratio, days, score, np.flatnonzero(missing))
    coefficient = _combined(chosen.coefficients, chosen.combine, posts, filled)
    factor = _attended(chosen.attendance, filled)
    absent = np.flatnonzero(missing & (chosen.attendance != "ignore"))
    weight = np.maximum(coefficient * factor * posts.share, 0.0)  # points may be all refunds
    return Weights(coefficient, factor, weight, ratio, days, score, absent)


def _uses_score(plan: Plan) -> bool:
    chosen = plan.model.staff
    lists = [chosen.coefficients, *(pool.coefficients or [] for pool in chosen.sub_pools)]
    formulas = [pool.formula for pool in chosen.sub_pools if pool.formula]
    named = any("personal_score" in plan.formula_fields(text, "staff") for text in formulas)
    return named or any("score" in names for names in lists)


def _attended(how: str, weights: Weights) -> Floats:
    one = np.ones(len(weights.ratio))
    return {"ratio": weights.ratio, "days": weights.days, "ignore": one}[how]


def _full_days(due: Floats) -> float:
    """Days due of someone without attendance: the most common in the table's own figures."""
    known = due[~np.isnan(due)]
    if not len(known):
        return 1.0
    days, count = np.unique(known, return_counts=True)
    return float(days[np.argmax(count)])


def _combined(names: Sequence[str], combine: str, posts: Posts, weights: Weights) -> Floats:
    columns = {
        "post": posts.post,
        "title": posts.title,
        "attendance": weights.ratio,
        "score": weights.score / 100.0,
        "evaluation": posts.evaluation,
        "satisfaction": posts.satisfaction,
        "points": posts.points,
    }
    chosen = [columns[name] for name in names]
    if not chosen:
        return np.ones(posts.m)
    stacked = np.stack(chosen)
    return np.asarray(stacked.prod(axis=0) if combine == "product" else stacked.sum(axis=0))


def uses_attendance(plan: Plan) -> bool:
    """Whether anyone's pay depends on attendance."""
    chosen = plan.model.staff
    pools = chosen.sub_pools
    names = [chosen.coefficients, *(pool.coefficients or [] for pool in pools)]
    ways = [chosen.attendance, *(pool.attendance or "ignore" for pool in pools)]
    means = [plan.series_model(name).mean for name in plan.series]
    fields = {"attendance", "days_present", "days_due", "headcount"}
    return (
        any(way != "ignore" for way in ways)
        or any("attendance" in name for name in names)
        or any(entry.attendance == "apply" for entry in chosen.fixed)
        or any(m is not None and (m.per, m.attendance) != ("head", "ignore") for m in means)
        or any(fields & plan.formula_fields(text, scope) for _, scope, text in plan.formulas())
    )


def _attendance_faults(
    plan: Plan, posts: Posts, missing: npt.NDArray[np.bool_], above: npt.NDArray[np.bool_]
) -> list[Fault]:
    chosen = plan.model.staff
    if not uses_attendance(plan):
        return []
    faults = []
    for bad, refused, message, mend in (
        (
            missing,
            chosen.missing_attendance == "refuse",
            "没有考勤",
            "请补考勤，或改 staff.missing_attendance",
        ),
        (
            above,
            chosen.above_full == "refuse",
            "实际出勤多于应出勤",
            "请改正天数，或改方案的 staff.above_full",
        ),
    ):
        names = sorted({posts.ids[posts.person[i]] for i in np.flatnonzero(bad)}) if refused else []
        faults += [Fault("attendance", message, found=name, mend=mend) for name in names]
    return faults


class _Rest:
    """What is left of every group's money while the plan's steps go on."""

    def __init__(self, plan: Plan, facts: Facts, weights: Weights, money: Ints) -> None:
        self.plan, self.facts, self.weights = plan, facts, weights
        self.n = facts.n
        posts = facts.posts
        known = (posts.series >= 0) & (posts.department >= 0)
        self.group = np.where(known, posts.series * self.n + posts.department, -1)
        self.left = money.ravel().copy()
        self.rank = posts.person
        # Whose coefficient is 0 (no points, no score) is at work all the same.
        self.present = (weights.attendance > 0) & (posts.share > 0) & known
        self.average = np.zeros(posts.m, dtype=np.int64)
        self.performance = np.zeros(posts.m, dtype=np.int64)
        self.fund = np.zeros(self.left.shape, dtype=np.int64)
        self.parts: list[Part] = []

    def cut(self, money: Ints, weights: Floats, kind: str, name: str) -> Ints:
        """Cut group money by weight; what a group has nobody for stays in the rest."""
        known = self.group >= 0
        whole = np.bincount(self.group[known], weights=weights[known], minlength=len(money))
        money = np.where(whole > 0, money, 0)
        amount = cut_groups(money, weights, self.group, self.rank, self.plan.model.staff.remainder)
        self.left = self.left - money
        of_post = np.where(known, money[self.group], 0)
        self.parts.append(Part(kind, name, weights, amount, of_post))
        return amount


def pay_staff(plan: Plan, facts: Facts, weights: Weights, money: Ints) -> StaffPay:
    """Share the departments' money (fen, (s, n)) among the posts in the plan's order.

    Raises AllocationError naming every department that has money and nobody to receive it, or too
    little for its fixed amounts.
    """
    rest = _Rest(plan, facts, weights, money)
    chosen = plan.model.staff
    for step in chosen.order:
        if step == "fixed":
            for entry in chosen.fixed:
                _fixed(rest, entry)
        elif step == "head_fund":
            fund = to_fen(rest.left / 100.0 * chosen.head_fund_share)
            rest.fund += fund
            rest.left = rest.left - fund
        elif step == "average" and chosen.average_share:
            even = to_fen(rest.left / 100.0 * chosen.average_share)
            heads = np.where(rest.present, facts.posts.share, 0.0)
            rest.average += rest.cut(even, heads, "average", "平均")
        elif step == "sub_pools":
            _sub_pools(rest)
    _refuse_left(rest)
    return StaffPay(
        rest.average, rest.performance, rest.fund.reshape(money.shape), rest.parts
    )  # fmt: skip


def _fixed(rest: _Rest, entry: FixedModel) -> None:
    posts = rest.facts.posts
    named = np.array([not entry.titles or t in entry.titles for t in posts.titles], dtype=bool)
    named &= rest.present
    if entry.share is not None:
        money = to_fen(rest.left / 100.0 * entry.share)
        rest.average += rest.cut(money, np.where(named, posts.share, 0.0), "fixed", entry.name)
        return
    factor = rest.weights.ratio if entry.attendance == "apply" else np.ones(posts.m)
    each = to_fen(fen(entry.amount or 0.0) / 100.0 * posts.share * factor)
    amount = np.where(named, each, 0)
    known = rest.group >= 0
    whole = np.zeros(len(rest.left), dtype=np.int64)
    np.add.at(whole, rest.group[known], amount[known])
    short = np.flatnonzero(whole > rest.left)
    if len(short):
        faults = [
            Fault(
                _place(rest, int(g)), "余额不足以支付固定份额",
                found=f"{entry.name} {format_fen(int(whole[g]))} 元，余 "
                f"{format_fen(int(rest.left[g]))} 元",
                mend="请减少 staff.fixed 的金额，或用 titles 限定人员",
            )
            for g in short
        ]  # fmt: skip
        raise AllocationError("固定份额超过科室奖金", faults)
    rest.left = rest.left - whole
    rest.average += amount
    of_post = np.where(known, whole[rest.group], 0)
    rest.parts.append(Part("fixed", entry.name, factor, amount, of_post))


def _sub_pools(rest: _Rest) -> None:
    pools = rest.plan.model.staff.sub_pools or [SubPoolModel(name="绩效", share=1.0)]
    groups = len(rest.left)
    if len(pools) == 1:
        cut = rest.left[:, None]
    else:
        count = len(pools)
        group = np.repeat(np.arange(groups), count)
        shares = np.tile(np.array([pool.share for pool in pools]), groups)
        place = np.tile(np.arange(count), groups)
        cut = cut_groups(rest.left, shares, group, place, "largest").reshape(groups, count)
    for i, pool in enumerate(pools):
        weights = _pool_weights(rest, pool)
        rest.performance += rest.cut(cut[:, i], weights, "sub_pool", pool.name)


def _pool_weights(rest: _Rest, pool: SubPoolModel) -> Floats:
    plan, posts, filled = rest.plan, rest.facts.posts, rest.weights
    chosen = plan.model.staff
    if pool.formula:
        tree, text = plan.formula(pool.formula, "staff")
        names = [posts.ids[p] for p in posts.person]
        key = f"staff.sub_pools {pool.name}"
        due = np.where(np.isnan(posts.days_due), _full_days(posts.days_due), posts.days_due)
        columns = staff_columns(posts, filled.ratio, (filled.days, due), filled.score)
        with formula_of(plan.file, key):
            values = evaluate(tree, columns, names, text)
        if (values < 0).any():
            bad = "、".join(names[i] for i in np.flatnonzero(values < 0)[:8])
            mend = "请核对退费，或写作 最大（公式，0）"
            fault = Fault(plan.file, "公式的结果为负", None, key, bad, mend)
            raise AllocationError(f"分池“{pool.name}”的个人点数为负", [fault])
        return np.where(rest.present, values * posts.share, 0.0)
    if pool.coefficients is None and pool.combine is None and pool.attendance is None:
        return filled.weight
    names_of = chosen.coefficients if pool.coefficients is None else pool.coefficients
    own = _combined(list(names_of), pool.combine or chosen.combine, posts, filled)
    weight = own * _attended(pool.attendance or chosen.attendance, filled) * posts.share
    return np.maximum(weight, 0.0)


def _place(rest: _Rest, group: int) -> str:
    series, department = divmod(group, rest.n)
    return f"{rest.facts.departments[department]} / {rest.plan.series[series]}"


def _refuse_left(rest: _Rest) -> None:
    faults = []
    for g in np.flatnonzero(rest.left):
        someone = bool((rest.group == g).any())
        what = "人员系数 × 出勤（个人点数）合计为 0" if someone else "该科室没有这个系列的人员"
        faults.append(
            Fault(
                _place(rest, int(g)),
                what,
                found=f"奖金 {format_fen(int(rest.left[g]))} 元",
                mend="请核对人员表、考勤、角色份额和科室整体金额的系列份额",
            )
        )
    if faults:
        raise AllocationError("有奖金而无人可分", faults)


def mean_pay(
    plan: Plan, facts: Facts, weights: Weights, series: int, chosen: MeanModel, paid: Ints
) -> tuple[float, Ints]:
    """Mean of the stated group (yuan, unrounded) and the pay of the series' posts (fen, m).

    mean × share (0.8, say) × personal coefficient × evaluation × satisfaction × attendance, as far
    as the plan applies them (allocation.md §6), rounded once.

    paid: fixed, average and performance shares of the posts so far.  Raises AllocationError where
    the group is empty.
    """
    posts = facts.posts
    group = np.isin(posts.series, [plan.series.index(name) for name in chosen.of_series])
    group &= posts.department >= 0
    if chosen.of_kinds:
        kinds = plan.kinds(chosen.of_kinds)
        inside = np.array([kind in kinds for kind in facts.kinds], dtype=bool)
        group &= inside[posts.department]
    if chosen.per == "head":
        count = float(len(np.unique(posts.person[group & (paid > 0)])))
    else:
        count = float((weights.ratio * posts.share)[group].sum())
    if not count > 0:
        raise AllocationError(
            "均值所指的人群没有人",
            [
                Fault(
                    plan.file,
                    "无人可取均值",
                    column="series.*.mean",
                    mend="请核对 of_series、of_kinds 与科室表、人员表、考勤表",
                )
            ],
        )
    mean = float(paid[group].sum()) / 100.0 / count
    factor = weights.coefficient * chosen.share * posts.share
    for name, values in (
        ("evaluation", posts.evaluation),
        ("satisfaction", posts.satisfaction),
        ("attendance", weights.ratio),
    ):
        if getattr(chosen, name) == "apply":
            factor = factor * values
    own = (posts.series == series) & (posts.department >= 0)
    return mean, np.where(own, to_fen(mean * factor), 0)
