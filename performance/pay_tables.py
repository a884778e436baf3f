"""Tables of what people are paid: posts, their parts, persons, single items."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from drg_engine.money import format_fen
from performance.core import Core
from performance.facts import Facts
from performance.plan import Plan
from performance.staff import Part
from performance.words import number_text

__all__ = ["person_pay", "staff_parts", "staff_pay"]

_KINDS = {"fixed": "固定", "average": "平均"}


def staff_pay(plan: Plan, facts: Facts, core: Core, posts: pd.DataFrame) -> pd.DataFrame:
    """One row a post, sorted by department, series and person; amounts int64 fen.

    average (fixed and average shares) + performance (sub-pools) + single = total.  A person's own
    single items stand at the main post.
    """
    own = facts.posts
    single = np.where(own.main, core.single_fen[own.person], 0)
    taxable = np.where(own.main, core.taxable_fen[own.person], 0)
    pay = core.pay
    total = pay.average_fen + pay.performance_fen + single
    return posts.assign(
        coefficient=core.weights.coefficient,
        attendance=core.weights.attendance,
        weight=core.weights.weight,
        average_fen=pay.average_fen,
        performance_fen=pay.performance_fen,
        single_fen=single,
        taxable_fen=pay.average_fen + pay.performance_fen + taxable,
        total_fen=total,
        words=_words(plan, facts, core, pay.parts, single),
    )


def _words(
    plan: Plan, facts: Facts, core: Core, parts: list[Part], single: npt.NDArray[np.int64]
) -> list[str]:
    pieces: list[list[str]] = [[] for _ in range(facts.posts.m)]
    several = len(parts) > 1
    for part in parts:
        told = _part_words(plan, facts, core, part)
        for i in np.flatnonzero(part.amount_fen):
            pieces[i].append(f"{part.name}：{told[i]}" if several else told[i])
    for i in np.flatnonzero(single):
        pieces[i].append(f"单项 {format_fen(int(single[i]))}")
    return ["；".join(piece) for piece in pieces]


def _part_words(plan: Plan, facts: Facts, core: Core, part: Part) -> list[str]:
    """The calculation of one part for each post with anything in it."""
    posts, weights = facts.posts, core.weights
    known = (posts.series >= 0) & (posts.department >= 0)
    group = np.where(known, posts.series * facts.n + posts.department, 0)
    whole = np.bincount(
        group[known], weights=part.weight[known], minlength=len(plan.series) * facts.n
    )
    told = [""] * posts.m
    own_pool = {pool.name: pool for pool in plan.model.staff.sub_pools}.get(part.name)
    plain = part.kind == "sub_pool" and (
        own_pool is None
        or (own_pool.coefficients, own_pool.combine, own_pool.attendance, own_pool.formula)
        == (None, None, None, None)
    )
    for i in np.flatnonzero(part.amount_fen).tolist():
        amount, pot = format_fen(int(part.amount_fen[i])), format_fen(int(part.whole_fen[i]))
        share = number_text(float(posts.share[i]), 6)
        post = "" if share == "1" else f" × 岗位占比 {share}"
        if part.kind == "administration":
            told[i] = _mean_words(plan, facts, core, i, pot, amount)
        elif plain:
            told[i] = (
                f"{pot} × {number_text(weights.coefficient[i], 4)} × "
                f"{number_text(weights.attendance[i], 6)}{post} ÷ "
                f"{number_text(float(whole[group[i]]), 6)} = {amount}"
            )
        elif part.kind == "fixed" and not part.weight[i] * posts.share[i]:
            told[i] = amount
        elif part.kind == "fixed" and _fixed_amount(plan, part.name):
            each = format_fen(round(float(_fixed_amount(plan, part.name) or 0.0) * 100))
            told[i] = f"{each} × {number_text(float(part.weight[i]), 6)}{post} = {amount}"
        else:
            told[i] = (
                f"{pot} × {number_text(float(part.weight[i]), 6)} ÷ "
                f"{number_text(float(whole[group[i]]), 6)} = {amount}"
            )
    return told


def _fixed_amount(plan: Plan, name: str) -> float | None:
    return {entry.name: entry.amount for entry in plan.model.staff.fixed}.get(name)


def _mean_words(plan: Plan, facts: Facts, core: Core, i: int, mean: str, amount: str) -> str:
    posts = facts.posts
    chosen = plan.series_model(plan.series[int(posts.series[i])]).mean
    if chosen is None:
        return amount
    factors = [mean, number_text(chosen.share), number_text(float(core.weights.coefficient[i]), 4)]
    for name, values in (
        ("evaluation", posts.evaluation),
        ("satisfaction", posts.satisfaction),
        ("attendance", core.weights.ratio),
    ):
        if getattr(chosen, name) == "apply":
            factors.append(number_text(float(values[i]), 6))
    if posts.share[i] != 1:
        factors.append(f"岗位占比 {number_text(float(posts.share[i]), 6)}")
    return f"{' × '.join(factors)} = {amount}"


def staff_parts(plan: Plan, facts: Facts, core: Core, posts: pd.DataFrame) -> pd.DataFrame:
    """One row a post and part of its pay that is not 0, in the plan's order; amounts int64 fen."""
    frames = []
    for step, part in enumerate(core.pay.parts):
        rows = np.flatnonzero(part.amount_fen)
        told = _part_words(plan, facts, core, part)
        own = posts.iloc[rows]
        frames.append(
            pd.DataFrame(
                {
                    "staff_id": own["staff_id"].to_numpy(dtype=object),
                    "department": own["department"].to_numpy(dtype=object),
                    "series": own["series"].to_numpy(dtype=object),
                    "step": step,
                    "kind": part.kind,
                    "part": part.name,
                    "weight": part.weight[rows],
                    "amount_fen": part.amount_fen[rows],
                    "words": [told[i] for i in rows],
                }
            )
        )
    if not frames:
        return pd.DataFrame(columns=[*_PARTS])
    whole = pd.concat(frames, ignore_index=True)
    return whole.sort_values(
        ["department", "series", "staff_id", "step"], kind="stable", ignore_index=True
    )


_PARTS = (
    "staff_id", "department", "series", "step", "kind", "part", "weight", "amount_fen", "words",
)  # fmt: skip


def person_pay(pay: pd.DataFrame) -> pd.DataFrame:
    """One row a person, sorted by id: the sums of the person's posts, int64 fen."""
    amounts = ["average_fen", "performance_fen", "single_fen", "taxable_fen", "total_fen"]
    by = pay.groupby("staff_id", sort=True)
    main = pay[pay["main"]].set_index("staff_id")
    sums = by[amounts].sum()
    joined = by["department"].agg(lambda texts: "、".join(dict.fromkeys(map(str, texts))))
    return pd.DataFrame(
        {
            "staff_id": sums.index.to_numpy(dtype=object),
            "name": main["name"].reindex(sums.index).to_numpy(dtype=object),
            "departments": joined.to_numpy(dtype=object),
            "series": main["series"].reindex(sums.index).to_numpy(dtype=object),
            **{name: sums[name].to_numpy(dtype=np.int64) for name in amounts},
        }
    )
