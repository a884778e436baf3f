"""Every key of a plan's money sections moves an output (the rest is in test_allocation_plan)."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from plan_month import (
    BASE,
    CMI_LADDER,
    FIXED,
    IN,
    INCOME,
    KPI,
    LADDERS,
    MEAN,
    POOLS,
    RW_PRICE,
    STEPS,
    TEXTS,
    TYPES,
    rich_inputs,
    settled,
)
from test_allocation_hospital import REMOVED, assert_closed, make_plan

from drg_engine.errors import AllocationError
from performance import Allocation, DrgSurplus, Inputs, allocate

Changes = dict[str, Any]
PRICED = {
    "series.technician": {"basis": "points", "value": "fixed", "price": 50.0},
    "quality.deduction": "withhold",
}
BASELINE = {
    "series.technician": {
        "basis": "points", "value": "baseline", "base_value": 50.0, "base_percent": 90.0,
    }
}  # fmt: skip
QUALITY_POOL = {
    "quality": {"kind": "pool", "missing": "full", "pool_share": 0.1, "pool_by": "score"}
}
FORMULA = {
    "quality": {
        "kind": "formula", "formula": "质量得分 / 100", "deduction": "withhold", "missing": "full",
    }
}  # fmt: skip


def edited(section: Changes, *path: Any, value: Any) -> Changes:
    """A copy of nested changes with one place set (dots of the keys are part of the path)."""
    whole = copy.deepcopy(section)
    place: Any = whole
    for part in path[:-1]:
        place = place[part]
    if value is REMOVED:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return whole


def drg_out(mark: str) -> Changes:
    return {"drg.cases": IN | {mark: "out"}, "drg.local_regions": ["11"]}


ALL_IN: Changes = {"drg.cases": IN, "drg.local_regions": ["11"]}
LADDER_PATH = ("quality", "ladders", 0)
MEAN_PATH = ("series.administration", "mean")
SCORED: Changes = {"staff.coefficients": ["score"]}
POOLED: Changes = {"staff.sub_pools": POOLS, "staff.missing_score": "full"}
SIX = "compliance.reasons"
OPEN_SIX: Changes = {"drg.quality_gate": REMOVED, "drg.shares.surgery": {"k": 0.11}}
REASON = {"rule": 6, "subject": "DRG 部分", "reason": "试行一季度"}
SPLIT: Changes = {"drg": {"kind": "split_pools", "inpatient_share": {"doctor": 0.4}, "cases": IN}}
MORTALITY: Changes = edited(
    KPI, "drg", "kpis", 0,
    value={"indicator": "low_risk_mortality", "weight": 20.0, "target": 0.1, "better": "lower"},
)  # fmt: skip
MORTALITY["drg"]["low_risk_drgs"] = ["AA1", "BB1"]

MOVES: list[tuple[str, Changes, Changes]] = [
    *(
        (f"drg.cases.{mark}", ALL_IN, drg_out(mark))
        for mark in IN
        if mark != "out_of_region"
    ),
    ("drg.cases.out_of_region", ALL_IN, drg_out("out_of_region")),
    ("drg.local_regions", drg_out("out_of_region"), {"drg.local_regions": ["32"]}),
    ("drg.self_pay_insurances", drg_out("self_pay"), {"drg.self_pay_insurances": ["310"]}),
    ("drg.rw_price", RW_PRICE, edited(RW_PRICE, "drg", "rw_price", value=91.0)),
    ("drg.rw_cap", RW_PRICE, edited(RW_PRICE, "drg", "rw_cap", value=500.0)),
    ("drg.cmi", RW_PRICE, edited(RW_PRICE, "drg", "cmi", value="none")),
    ("drg.cmi_target", RW_PRICE, edited(RW_PRICE, "drg", "cmi_target", value={"*": 1.2})),
    ("drg.cmi_steps", CMI_LADDER, edited(CMI_LADDER, "drg", "cmi_steps", value=STEPS[:2])),
    (
        "drg.cmi_steps.lower",
        edited(CMI_LADDER, "drg", "cmi_steps", value=[{"lower": 0.1, "rate": 1.3}]),
        edited(CMI_LADDER, "drg", "cmi_steps", value=[{"lower": 1.0, "rate": 1.3}]),
    ),
    (
        "drg.cmi_steps.upper",
        edited(CMI_LADDER, "drg", "cmi_steps", value=[{"upper": 5.0, "rate": 1.3}]),
        edited(CMI_LADDER, "drg", "cmi_steps", value=[{"upper": 1.0, "rate": 1.3}]),
    ),
    (
        "drg.cmi_steps.rate", CMI_LADDER,
        edited(CMI_LADDER, "drg", "cmi_steps", 2, "rate", value=2.0),
    ),
    ("drg.inpatient_share", SPLIT, {"drg.inpatient_share": {"doctor": 0.5}}),
    ("drg.kpis", KPI, edited(KPI, "drg", "kpis", value=KPI["drg"]["kpis"][:1])),
    ("drg.kpis.indicator", KPI, edited(KPI, "drg", "kpis", 1, "indicator", value="cost_index")),
    ("drg.kpis.weight", KPI, edited(KPI, "drg", "kpis", 1, "weight", value=15.0)),
    ("drg.kpis.target", KPI, edited(KPI, "drg", "kpis", 0, "target", value=1.5)),
    ("drg.kpis.better", KPI, edited(KPI, "drg", "kpis", 1, "better", value="higher")),
    ("drg.kpis.cap", KPI, edited(KPI, "drg", "kpis", 1, "cap", value=0.8)),
    (
        "drg.low_risk_drgs", MORTALITY,
        edited(MORTALITY, "drg", "low_risk_drgs", value=["AA1"]),
    ),
    ("pool.income.share", INCOME, {"pool.income.share": 0.16}),
    ("pool.income.reserve", INCOME | {"pool.income.share": 0.9}, {"pool.income.reserve": 2000.0}),
    (
        "series.*.pool_share", INCOME,
        {"series.doctor.pool_share": 0.49, "series.nurse.pool_share": 0.31},
    ),
    ("series.*.prices", PRICED, {"series.technician.prices": {"D401": 40.0}}),
    ("series.*.base_value", BASELINE, {"series.technician.base_value": 51.0}),
    ("series.*.base_percent", BASELINE, {"series.technician.base_percent": 91.0}),
    (
        "series.*.formula", {},
        {"series.technician.formula": "点数 × 点值 × 1.1 + DRG部分 − 成本.维修 × 10%"},
    ),
    ("series.*.mean.of_series", MEAN, edited(MEAN, *MEAN_PATH, "of_series", value=["nurse"])),
    ("series.*.mean.of_kinds", MEAN, edited(MEAN, *MEAN_PATH, "of_kinds", value=["外科"])),
    ("series.*.mean.per", MEAN, edited(MEAN, *MEAN_PATH, "per", value="attendance")),
    ("series.*.mean.share", MEAN, edited(MEAN, *MEAN_PATH, "share", value=0.81)),
    *(
        (f"series.*.mean.{name}", MEAN, edited(MEAN, *MEAN_PATH, name, value="ignore"))
        for name in ("evaluation", "satisfaction", "attendance")
    ),
    ("quality.formula", FORMULA, {"quality.formula": "max(质量得分, 90) / 100"}),
    ("quality.ladders", LADDERS, {"quality.ladders": [
        *LADDERS["quality"]["ladders"],
        {"indicator": "药占比", "node": "total", "steps": [{"lower": 1.0, "rate": 0.95}]},
    ]}),
    (
        "quality.ladders.indicator", LADDERS,
        edited(LADDERS, *LADDER_PATH, "indicator", value="药占比"),
    ),
    ("quality.ladders.node", LADDERS, edited(LADDERS, *LADDER_PATH, "node", value="points")),
    (
        "quality.ladders.steps", LADDERS,
        edited(LADDERS, *LADDER_PATH, "steps", value=[{"lower": 1.02, "rate": 0.9}]),
    ),
    (
        "quality.ladders.steps.lower",
        edited(LADDERS, *LADDER_PATH, "steps", value=[{"lower": 1.02, "rate": 0.9}]),
        edited(LADDERS, *LADDER_PATH, "steps", value=[{"lower": 1.01, "rate": 0.9}]),
    ),
    (
        "quality.ladders.steps.upper",
        edited(LADDERS, *LADDER_PATH, "steps", value=[{"upper": 1.02, "rate": 0.9}]),
        edited(LADDERS, *LADDER_PATH, "steps", value=[{"upper": 1.01, "rate": 0.9}]),
    ),
    (
        "quality.ladders.steps.rate", LADDERS,
        edited(LADDERS, *LADDER_PATH, "steps", 2, "rate", value=0.8),
    ),
    ("quality.pool_share", QUALITY_POOL, {"quality.pool_share": 0.2}),
    ("quality.pool_by", QUALITY_POOL, {"quality.pool_by": "score_points"}),
    ("single_items.types", {}, {"single_items.types": TYPES}),
    (
        "single_items.types.name", {"single_items.types": TYPES},
        edited({"single_items.types": TYPES}, "single_items.types", 0, "name", value="新技术"),
    ),
    (
        "single_items.types.direction", {"single_items.types": TYPES},
        edited({"single_items.types": TYPES}, "single_items.types", 0, "direction", value="deduct"),
    ),
    (
        "single_items.types.taxable", {"single_items.types": TYPES},
        edited({"single_items.types": TYPES}, "single_items.types", 0, "taxable", value=False),
    ),
    *(
        (
            "single_items.types.funding", {"single_items.types": TYPES},
            edited({"single_items.types": TYPES}, "single_items.types", 0, "funding", value=source),
        )
        for source in ("outside", "department", "head_fund")
    ),
    (
        "single_items.types.limit", {"single_items.types": TYPES},
        edited({"single_items.types": TYPES}, "single_items.types", 0, "limit", value=1000.0),
    ),
    (
        "staff.missing_score", SCORED | {"staff.missing_score": "full"},
        {"staff.missing_score": "refuse"},
    ),
    ("staff.posts", {}, {"staff.posts": "share"}),
    (
        "staff.posts_above_one", {"staff.posts_above_one": "allow"},
        {"staff.posts_above_one": "refuse"},
    ),
    (
        "staff.order",
        {"staff.average_share": 0.2, "staff.head_fund_share": 0.1},
        {"staff.order": ["average", "head_fund", "sub_pools"]},
    ),
    ("staff.fixed.name", {"staff.fixed": FIXED}, {"staff.fixed": [FIXED[0] | {"name": "津贴"}]}),
    ("staff.fixed.amount", {"staff.fixed": FIXED}, {"staff.fixed": [FIXED[0] | {"amount": 99.0}]}),
    (
        "staff.fixed.share", {"staff.fixed": FIXED},
        {"staff.fixed": [{"name": "主任津贴", "share": 0.05, "titles": ["主任医师"]}]},
    ),
    (
        "staff.fixed.titles", {"staff.fixed": FIXED},
        {"staff.fixed": [FIXED[0] | {"titles": ["护师"]}]},
    ),
    (
        "staff.fixed.attendance", {"staff.fixed": [FIXED[0] | {"titles": ["护师"]}]},
        {"staff.fixed": [FIXED[0] | {"titles": ["护师"], "attendance": "apply"}]},
    ),
    ("staff.sub_pools.name", POOLED, edited(
        POOLED, "staff.sub_pools", 0, "name", value="工作")),
    ("staff.sub_pools.share", POOLED, {
        "staff.sub_pools": [POOLS[0] | {"share": 0.5}, POOLS[1] | {"share": 0.5}]}),
    ("staff.sub_pools.coefficients", POOLED, edited(
        POOLED, "staff.sub_pools", 1, "coefficients", value=["post"])),
    ("staff.sub_pools.combine", POOLED, edited(
        POOLED, "staff.sub_pools", 1, "combine", value="sum")),
    ("staff.sub_pools.attendance", POOLED, edited(
        POOLED, "staff.sub_pools", 1, "attendance", value="ignore")),
    ("staff.sub_pools.formula", POOLED, {"staff.sub_pools": [
        POOLS[0], {"name": "考核", "share": 0.4, "formula": "个人得分 × 岗位系数 + 出勤率"}]}),
    ("compliance.reasons.rule", OPEN_SIX | {SIX: [REASON]}, {SIX: [REASON | {"rule": 4}]}),
    (
        "compliance.reasons.subject", OPEN_SIX | {SIX: [REASON]},
        {SIX: [REASON | {"subject": "DRG 部分 surgery"}]},
    ),
    (
        "compliance.reasons.reason", OPEN_SIX | {SIX: [REASON]},
        {SIX: [REASON | {"reason": "另有文件"}]},
    ),
]  # fmt: skip
TRIED_HERE = sorted({key for key, *_ in MOVES})
SECTIONS_HERE = {
    "pool.income", "drg.cases", "series.*.mean", "staff.fixed", "staff.sub_pools",
    "compliance.reasons",
}  # fmt: skip
REFUSING = {
    "single_items.types.name", "single_items.types.limit", "staff.missing_score",
    "staff.posts_above_one",
}  # fmt: skip
TABLES = (
    "department_pools", "staff_pay", "staff_parts", "person_pay", "single_items", "head_funds",
    "series_totals", "control_totals", "findings",
)  # fmt: skip
ABOVE = TEXTS["posts"] + "100001,D101,医生,1,2026-01-01,\n100001,D201,医生,0.5,2026-01-01,\n"


@pytest.fixture(scope="module")
def months(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Inputs]:
    folder = tmp_path_factory.mktemp("months")
    return {
        "plain": rich_inputs(folder / "plain"),
        "above": rich_inputs(folder / "above", posts=ABOVE),
    }


def outcome(changes: Changes, inputs: Inputs) -> Allocation | str:
    plan = make_plan(BASE | changes)
    settlement, transferred, died = settled()
    surplus = DrgSurplus.from_settlement(
        settlement, plan.model.drg, transferred=transferred, died=died
    )
    try:
        return allocate(plan, inputs, surplus)
    except AllocationError as error:
        return str(error)


@pytest.mark.parametrize(("key", "before", "after"), MOVES, ids=[key for key, *_ in MOVES])
def test_every_parameter_moves_an_output(
    key: str, before: Changes, after: Changes, months: dict[str, Inputs]
) -> None:
    inputs = months["above" if key == "staff.posts_above_one" else "plain"]
    first = outcome(before, inputs)
    second = outcome(before | after, inputs)
    assert isinstance(first, Allocation), first
    assert_closed(first)
    if isinstance(second, str):
        assert key in REFUSING, second
        return
    assert_closed(second)
    assert not all(getattr(first, name).equals(getattr(second, name)) for name in TABLES)
