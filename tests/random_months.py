"""Random plans and small random months as facts, made fast enough for ten thousand of them."""

from __future__ import annotations

from typing import Any

import numpy as np
from plan_month import IN, STEPS
from test_allocation_hospital import REMOVED, make_plan

from performance import Plan
from performance.facts import DrgFacts, Facts, Posts, Singles

KINDS = ("surgery", "medicine", "icu", "surgery", "medicine")
UNITS = tuple(f"D{i}" for i in range(5))
TITLES = ("主任医师", "护师", "")
SERIES = ("doctor", "nurse", "administration")
SCORED = "阶梯(质量得分; <80: 0.8; <95: 0.95; 其余: 1)"
FORMULAS = (
    "点数 × 点值 × 科室系数 + DRG部分 − 承担成本",
    "点数 × 点值 × 科室系数 × 1.1 + 单项.手术 + DRG部分 × 50% − 成本.水电 × 20%",
    "执行点数 × 点值 + 开单点数 × 点值 × 0.5 + 限幅(DRG部分, −300, 500)",
)


def random_plan(rng: np.random.Generator) -> Plan:
    """A plan with every section drawn at random; always one that its own checks accept."""

    def one(*choices: Any) -> Any:
        return choices[int(rng.integers(len(choices)))]

    redistribute = one(True, False)
    changes: dict[str, Any] = {
        "series.technician": REMOVED,
        "series.administration": one(
            _mean(one), {"basis": "staff", "value": "budget", "pool": 900.0}
        ),
        "department_amounts": {"*": {"doctor": 0.6, "nurse": 0.4}},
        "points.unknown": one("withhold", "exclude"),
        "pool.floor": one("zero", "zero", "zero", "refuse"),
        "pool.approved_total": 1e8,
        "series.doctor": _series(rng, one, fixed=not redistribute),
        "series.nurse.pool": float(rng.integers(5_000, 900_000)) / 100,
        "series.nurse.basis": one("points", "staff"),
        "series.nurse.reserve": one(0.0, 3.33),
        "drg": _drg(one),
        "costs.funding": one("within", "outside"),
        "single_items.funding": one("within", "outside"),
        "quality": _quality(one, redistribute=redistribute),
        "staff.coefficients": one(["post"], ["post", "title"], ["score", "points"], []),
        "staff.combine": one("product", "sum"),
        "staff.attendance": one("ratio", "days", "ignore"),
        "staff.remainder": one("largest", "first"),
        "staff.average_share": one(0.0, 0.3),
        "staff.head_fund_share": one(0.0, 0.07),
        "staff.order": one(
            ["fixed", "head_fund", "average", "sub_pools"],
            ["average", "fixed", "head_fund", "sub_pools"],
        ),
        "staff.fixed": one([], [{"name": "津贴", "share": 0.1, "titles": ["护师"]}]),
        "staff.sub_pools": one(
            [],
            [
                {"name": "甲", "share": 0.35},
                {"name": "乙", "share": 0.65, "coefficients": ["title"]},
            ],
            [{"name": "丙", "share": 1.0, "formula": "岗位系数 × 出勤率 + 个人得分 / 100"}],
        ),
    }
    if changes["series.doctor"]["value"] == "budget" and one(True, False, False):
        changes["bounds"] = {"floor": one(0.5, 0.88), "cap": one(1.25, 3.0)}
    if "bounds" in changes and changes["series.administration"]["value"] == "mean":
        del changes["bounds"]
    if changes["drg"]["kind"] == "kpi_only" and changes["quality"]["kind"] in ("none", "ladder"):
        changes["drg"] = {"kind": "none"}
    if changes["drg"]["kind"] == "split_pools" and changes["series.doctor"]["value"] != "budget":
        changes["drg"]["inpatient_share"] = {"nurse": 0.4}  # a floating series has no pool to split
    return make_plan(changes)


def _series(rng: np.random.Generator, one: Any, *, fixed: bool) -> dict[str, Any]:
    formula = one(None, None, *FORMULAS)
    more = {} if formula is None else {"formula": formula}
    if fixed and one(True, False, False):
        if one(True, False):
            return {
                "basis": "points",
                "value": "baseline",
                "base_value": 7.31,
                "base_percent": 93.7,
            } | more
        price = float(rng.integers(1, 90_000)) / 10_000
        return {"basis": "points", "value": "fixed", "price": price, "prices": {"D1": 1.25}} | more
    pool = float(rng.integers(5_000, 2_000_000)) / 100
    share = one(0.0, 0.02)
    return {"basis": "points", "value": "budget", "pool": pool, "reserve_share": share} | more


def _mean(one: Any) -> dict[str, Any]:
    return {
        "basis": "staff",
        "value": "mean",
        "mean": {
            "of_series": one(["doctor"], ["doctor", "nurse"]),
            "per": one("head", "attendance"),
            "share": 0.8,
            "evaluation": one("apply", "ignore"),
            "satisfaction": one("apply", "ignore"),
            "attendance": one("apply", "ignore"),
        },
    }


def _drg(one: Any) -> dict[str, Any]:
    shares = {"surgery": {"k": 0.11}, "*": {"gain": 0.2, "loss": 0.1, "gain_cap": 300.0}}
    ladder = {"cmi": "ladder", "cmi_target": {"*": 1.1}, "cmi_steps": STEPS}
    return one(
        {"kind": "none"},
        {
            "kind": "surplus_share", "surplus": "insurance", "funding": one("within", "outside"),
            "shares": shares, "cases": IN, "quality_gate": 75.0,
        },
        {
            "kind": "rw_price", "rw_price": 3.7, "funding": one("within", "outside"),
            "cases": IN, **one({"cmi": "none"}, ladder),
        },
        {"kind": "cmi_factor", "cases": IN, **ladder},
        {"kind": "split_pools", "inpatient_share": {"doctor": 0.3}, "cases": IN},
        {"kind": "kpi_only", "cases": IN, "kpis": [
            {"indicator": "cmi", "weight": 30.0, "target": 1.1, "better": "higher"}]},
    )  # fmt: skip


def _quality(one: Any, *, redistribute: bool) -> dict[str, Any]:
    flow = {"deduction": "redistribute" if redistribute else "withhold", "missing": "full"}
    where = {"applies_to": one("points", "total")}
    return one(
        {"kind": "none"},
        {"kind": "multiply", **flow, **where},
        {"kind": "threshold", "threshold": 85.0, **flow, **where},
        {"kind": "formula", "formula": SCORED, **flow, **where},
        {"kind": "pool", "pool_share": 0.1, "missing": "full", "pool_by": one(
            "score", "score_points", "score_staff")},
        {"kind": "ladder", "deduction": flow["deduction"], "ladders": [
            {"indicator": "住院日", "node": one("points", "total"), "steps": [
                {"upper": 1.0, "rate": 1.0}, {"lower": 1.0, "rate": 0.9}]}]},
    )  # fmt: skip


def random_facts(rng: np.random.Generator, plan: Plan) -> Facts:
    """A month of 5 departments, 3 series and about 20 posts, one person with two of them."""
    n, s = 5, 3
    order = rng.integers(0, 300_000_000, (s, n + 1))
    execution = rng.integers(0, 900_000_000, (s, n + 1)) * (rng.random((s, n + 1)) < 0.9)
    order[2] = execution[2] = 0
    rw = np.round(rng.random(n) * 90, 4)
    cases = np.floor(rw * rng.random(n) * 2) + 1
    posts = _posts(rng, n, s)
    budgets = [plan.series_model(name) for name in SERIES]
    pools = [round((model.pool or 0.0) * 100) for model in budgets]
    score = np.where(rng.random(n) < 0.15, np.nan, np.round(rng.uniform(60, 101, n), 2))
    one = rng.random(n)
    past = (
        np.array([pools[0] // 5, pools[1] // 5, 0])[:, None] * rng.integers(60, 140, (s, n)) // 100
    )
    return Facts(
        departments=UNITS,
        kinds=KINDS,
        coefficient=np.append(rng.integers(5_000, 20_000, n) / 1e4, 1.0),
        points_e6=order + execution,
        order_e6=order,
        execution_e6=execution,
        score=score,
        costs={"水电": rng.integers(0, 30_000, n), "维修": rng.integers(0, 9_000, n)},
        indicators={"住院日": (np.round(one * 9, 2), np.where(one < 0.1, 0.0, 7.0))},
        incomes={},
        drg=DrgFacts(rng.integers(-90_000, 90_000, n), rw, cases, cases, one, one, one),
        pools=np.array(pools, dtype=np.int64),
        past_fen=past,
        has_past=(rng.random((s, n)) < 0.7) & (np.arange(s) < 2)[:, None],
        opening_fen=rng.integers(0, 5_000, (s, n)),
        posts=posts,
        singles=_singles(rng, posts),
    )


def _posts(rng: np.random.Generator, n: int, s: int) -> Posts:
    size = 19
    person = np.arange(size) % 18
    department = np.where(np.arange(size) < n * s, np.arange(size) % n, rng.integers(0, n, size))
    series = np.where(np.arange(size) < n * s, np.arange(size) // n, rng.integers(0, s, size))
    sort = np.lexsort((person, series, department))
    person, department, series = person[sort], department[sort], series[sort]
    present = rng.integers(1, 23, 18)[person].astype(np.float64)
    first = np.zeros(size, dtype=bool)
    first[np.unique(person, return_index=True)[1]] = True
    two = np.isin(person, [0])
    return Posts(
        ids=tuple(f"{i:03d}" for i in range(18)),
        person=person,
        department=department,
        series=series,
        titles=tuple(TITLES[i] for i in rng.integers(0, 3, size)),
        share=np.where(two, 0.5, 1.0),
        post=rng.integers(5_000, 20_000, size) / 1e4,
        title=rng.integers(5_000, 20_000, size) / 1e4,
        attendance=present / 22.0,
        days_present=present,
        days_due=np.full(size, 22.0),
        score=rng.integers(60, 101, size).astype(np.float64),
        evaluation=rng.integers(80, 121, size) / 100,
        satisfaction=rng.integers(80, 121, size) / 100,
        points=rng.integers(1, 400, size) * 1.0,
        income=np.zeros(size),
        main=first,
    )


def _singles(rng: np.random.Generator, posts: Posts) -> Singles:
    """Three items of persons (the third out of any money) and two of departments."""
    main = np.flatnonzero(posts.main)
    whose = main[rng.integers(0, len(main), 3)]
    return Singles(
        amount_fen=np.append(rng.integers(-50, 400, 2), rng.integers(0, 3_000, 3)),
        person=np.append(posts.person[whose], [-1, -1]),
        department=np.append(posts.department[whose], rng.integers(0, 5, 2)),
        series=np.append(posts.series[whose], [-1, 0]),
        funding=np.array([0, 1, 0, 0, 1]),
        taxable=np.array([True, False, True, True, True]),
        matter=("奖", "奖", "罚", "手术", "介入"),
    )
