"""Random months: parts equal the whole, nothing is lost, order is irrelevant."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st
from plan_month import BASE, LADDERS, MEAN, POOLS, rich_inputs, settled
from random_months import random_facts, random_plan
from test_allocation_hospital import REMOVED, assert_closed, make_plan

from drg_engine.errors import AllocationError
from performance import Allocation, DrgSurplus, Inputs, Plan, allocate, read_inputs
from performance.columns import NO_DATE
from performance.core import Core, compute
from performance.facts import Facts
from performance.lines import lines_from_table
from performance.points import rate_parts
from performance.pools import clip_to_total, point_value
from performance.staff import cut_pool

SLOW = settings(
    max_examples=20,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)

TWO_SERIES = {
    "series.technician": REMOVED,
    "series.administration": REMOVED,
    "department_amounts": {"*": {"doctor": 0.6, "nurse": 0.4}},
}

plans = st.fixed_dictionaries(
    {
        "points.attribution": st.sampled_from(["split", "duplicate"]),
        "points.order_series": st.sampled_from(["doctor", "nurse"]),
        "points.unknown": st.sampled_from(["withhold", "exclude"]),
        "points.out_of_period": st.sampled_from(["unknown", "count"]),
        "points.department_coefficient": st.sampled_from(["apply", "ignore"]),
        "pool.approved_total": st.just(1e7),
        "series.doctor.pool": st.integers(0, 10_000_000).map(lambda fen: fen / 100),
        "series.nurse.basis": st.sampled_from(["points", "staff"]),
        "series.nurse.reserve": st.sampled_from([0.0, 33.33]),
        "drg.funding": st.sampled_from(["within", "outside"]),
        "costs.funding": st.sampled_from(["within", "outside"]),
        "single_items.funding": st.sampled_from(["within", "outside"]),
        "quality.kind": st.sampled_from(["multiply", "none"]),
        "quality.applies_to": st.sampled_from(["points", "total"]),
        "quality.deduction": st.sampled_from(["redistribute", "withhold"]),
        "staff.combine": st.sampled_from(["product", "sum"]),
        "staff.attendance": st.sampled_from(["ratio", "days", "ignore"]),
        "staff.remainder": st.sampled_from(["largest", "first"]),
        "staff.average_share": st.sampled_from([0.0, 0.3]),
        "staff.head_fund_share": st.sampled_from([0.0, 0.07]),
    }
)


def random_month(seed: int) -> tuple[Inputs, DrgSurplus]:
    """A month of 5 departments, with unknown ids, refunds and small amounts of everything."""
    rng = np.random.default_rng(seed)
    units = [f"D{i}" for i in range(5)]
    n = int(rng.integers(20, 80))

    def pick(values: list[str]) -> list[str]:
        return [values[i] for i in rng.integers(0, len(values), n)]

    days = ["2026-10-01", "2026-10-17", "2026-10-31", "2026-09-30"]
    table = pa.table(
        {
            "date": pick(days),
            "item_code": pick(["01", "02", "03", "04", "?"]),
            "quantity": [f"{x / 10_000:.4f}" for x in rng.integers(-5_000, 90_000, n)],
            "amount": [f"{x / 100:.2f}" for x in rng.integers(-1_000, 90_000, n)],
            "order_department": pick([*units, "?"]),
            "execution_department": pick([*units, "?"]),
        }
    )
    items = pd.DataFrame(
        {
            "row": range(2, 6),
            "version": "1",
            "item_code": ["01", "02", "03", "04"],
            "item_name": "",
            "unit": "",
            "item_class": ["医疗服务", "医疗服务", "检查", "药品"],
            "points_e4": [*rng.integers(1, 500_000, 3), 0],
            "order_coefficient_e4": [*rng.integers(0, 10_000, 3), 0],
            "execution_coefficient_e4": 10_000,
            "points_doctor_e4": -1,
            "points_technician_e4": -1,
            "points_nurse_e4": [-1, int(rng.integers(0, 90_000)), -1, -1],
            "reason": "",
            "effective_from": NO_DATE,
            "effective_to": NO_DATE,
        }
    )
    doctor = int(rng.integers(1, 9_999))
    shares = pd.DataFrame(
        {
            "row": [2, 3],
            "department": "*",
            "item_class": ["医疗服务", "检查"],
            "item_code": "*",
            "doctor_e4": [doctor, 0],
            "technician_e4": [0, 0],
            "nurse_e4": [10_000 - doctor, 10_000],
        }
    )
    shares = shares[: int(rng.integers(1, 3))]
    return _inputs(rng, units, table, items, shares)


def _inputs(
    rng: np.random.Generator,
    units: list[str],
    table: pa.Table,
    items: pd.DataFrame,
    shares: pd.DataFrame,
) -> tuple[Inputs, DrgSurplus]:
    departments = pd.DataFrame(
        {
            "row": range(2, 7),
            "department": units,
            "department_name": "",
            "kind": ["surgery", "medicine", "icu", "surgery", "medicine"],
            "coefficient_e4": rng.integers(5_000, 20_000, 5),
            "beds_e4": 0,
        }
    )
    size = 20
    staff = pd.DataFrame(
        {
            "row": range(2, size + 2),
            "staff_id": [f"{i:03d}" for i in range(size)],
            "name": "",
            "department": [units[i // 2 % 5] for i in range(size)],
            "series": ["doctor", "nurse"] * (size // 2),
            "title": "",
            "post_coefficient_e4": rng.integers(5_000, 20_000, size),
            "title_coefficient_e4": rng.integers(5_000, 20_000, size),
        }
    )
    attendance = pd.DataFrame(
        {
            "row": range(2, size + 2),
            "staff_id": staff["staff_id"],
            "days_due_e4": 220_000,
            "days_present_e4": rng.integers(1, 23, size) * 10_000,
        }
    )
    costs = pd.DataFrame(
        {
            "row": [2, 3, 4],
            "department": ["D0", "D1", "?"],
            "cost_item": ["水电", "维修", "维修"],
            "amount_fen": rng.integers(0, 30_000, 3),
        }
    )
    quality = pd.DataFrame(
        {"row": range(2, 7), "department": units, "score_e4": rng.integers(600_000, 1_000_001, 5)}
    )
    single = pd.DataFrame(
        {
            "row": [2, 3, 4],
            "department": ["", "D2", "?"],
            "staff_id": ["004", "", ""],
            "matter": "事",
            "amount_fen": rng.integers(0, 3_000, 3),
            "series": "",
        }
    )
    surplus = pd.DataFrame(
        {"department": [*units, "?"], "surplus_fen": rng.integers(-50_000, 50_000, 6)}
    )
    inputs = Inputs(
        items=items,
        departments=departments,
        role_shares=shares,
        staff=staff,
        lines=lines_from_table(table),
        attendance=attendance,
        costs=costs,
        quality=quality,
        single_items=single,
        period="2026-10",
    )
    return inputs, DrgSurplus("insurance", surplus)


def run(plan: Plan, inputs: Inputs, surplus: DrgSurplus) -> Allocation:
    """A run; months that the plan rightly refuses are no examples."""
    try:
        return allocate(plan, inputs, surplus)
    except AllocationError as error:
        assert "内部错误" not in str(error)
        return reject()


@SLOW
@given(st.integers(0, 2**32), plans)
def test_parts_equal_the_whole(seed: int, changes: dict[str, Any]) -> None:
    inputs, surplus = random_month(seed)
    plan = make_plan(TWO_SERIES | changes)
    result = run(plan, inputs, surplus)
    assert_closed(result)
    assert (result.staff_pay["performance_fen"] >= 0).all()
    table = result.item_points
    control = result.control_totals.set_index("control")
    for side, name in (("order", "开单点数"), ("execution", "执行点数")):
        own = int(table.loc[table["source"] == side, "points_e6"].sum())
        assert own == control.loc[name, "total_in"]
    assert control.loc["收费明细", "total_in"] == inputs.lines.n
    assert control.loc["数量（开单）", "total_in"] == inputs.lines.quantity_e4.sum()


@SLOW
@given(st.integers(0, 2**32), st.integers(0, 2**32), plans)
def test_order_of_lines_is_irrelevant(seed: int, order: int, changes: dict[str, Any]) -> None:
    inputs, surplus = random_month(seed)
    plan = make_plan(TWO_SERIES | changes)
    lines = inputs.lines
    mixed = np.random.default_rng(order).permutation(lines.n)
    shuffled = replace(
        lines,
        date=lines.date[mixed],
        item=replace(lines.item, codes=lines.item.codes[mixed]),
        order_department=replace(lines.order_department, codes=lines.order_department.codes[mixed]),
        order_doctor=replace(lines.order_doctor, codes=lines.order_doctor.codes[mixed]),
        execution_department=replace(
            lines.execution_department, codes=lines.execution_department.codes[mixed]
        ),
        executor=replace(lines.executor, codes=lines.executor.codes[mixed]),
        quantity_e4=lines.quantity_e4[mixed],
        amount_fen=lines.amount_fen[mixed],
    )
    first = run(plan, inputs, surplus)
    second = run(plan, replace(inputs, lines=shuffled), surplus)
    for name in ("item_points", "department_pools", "staff_pay", "control_totals"):
        pd.testing.assert_frame_equal(getattr(first, name), getattr(second, name), check_exact=True)


@given(
    st.lists(st.integers(-(10**9), 10**9), min_size=1, max_size=5),
    st.lists(st.integers(0, 3 * 10**14), min_size=3, max_size=3),
)
def test_points_are_rounded_once(quantities: list[int], rates: list[int]) -> None:
    """Against whole-number arithmetic of Python: half up at the cell, parts equal it."""
    quantity = np.array(quantities, dtype=np.int64)
    parts = rate_parts(quantity, np.tile(np.array(rates, dtype=np.int64), (len(quantity), 1)))
    for amount, row in zip(quantities, parts, strict=True):
        whole = (abs(amount) * sum(rates) + 5 * 10**9) // 10**10
        assert abs(int(row.sum())) == whole
        for part, rate in zip(row, rates, strict=True):
            assert abs(abs(int(part)) * 10**10 - abs(amount) * rate) <= 10**10


@given(
    st.integers(0, 10**10),
    st.lists(st.integers(0, 10**6), min_size=1, max_size=30).filter(lambda w: sum(w) > 0),
    st.sampled_from(["largest", "first"]),
)
def test_staff_parts_equal_the_pool(pool: int, weights: list[int], remainder: str) -> None:
    ids = [f"{i:03d}" for i in range(len(weights))]
    parts = cut_pool(pool, np.array(weights, dtype=np.float64), ids, remainder)
    assert int(parts.sum()) == pool
    assert (parts >= 0).all()
    assert all(part == 0 for part, weight in zip(parts, weights, strict=True) if weight == 0)
    again = cut_pool(pool, np.array(weights[::-1], dtype=np.float64), ids[::-1], remainder)
    assert again[::-1].tolist() == parts.tolist()


@given(
    st.lists(
        st.tuples(st.integers(0, 10**6), st.integers(-(10**6), 10**6)), min_size=1, max_size=9
    ),
    st.integers(0, 10**8),
)
def test_value_closes_the_budget(rows: list[tuple[int, int]], total: int) -> None:
    slopes = np.array([row[0] for row in rows], dtype=np.float64)
    addends = np.array([row[1] for row in rows], dtype=np.float64)
    try:
        value, stays = point_value(slopes, addends, float(total), floor=True)
    except ValueError:
        gains = np.maximum(addends, 0).sum()
        assert gains > total or not (slopes > 0).any() or gains == 0
        return
    result = np.where(stays, np.maximum(slopes * value + addends, 0), 0)
    assert abs(result.sum() - total) <= 0.5 + 1e-6 * total
    assert value >= 0


@given(
    st.lists(
        st.tuples(st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 10**6)),
        min_size=1,
        max_size=9,
    ),
    st.floats(0, 1),
)
def test_floors_and_caps_hold(rows: list[tuple[int, int, int]], place: float) -> None:
    raw = np.array([float(row[0]) for row in rows])
    low = np.array([float(min(row[1:])) for row in rows])
    high = np.array([float(max(row[1:])) for row in rows])
    reach = np.where(raw > 0, high, low).sum()
    total = float(low.sum() + place * (reach - low.sum()))
    factor, amounts = clip_to_total(raw, low, high, total)
    assert abs(amounts.sum() - total) <= 1e-6 * max(total, 1.0)
    assert (amounts >= low - 1e-9).all()
    assert (amounts <= high + 1e-9).all()
    assert factor >= 0


# ------------------------------------------------------------------ ten thousand plans and months

MONTHS_A_PART = 2_500
MONTHS_A_PLAN = 5
Grid = npt.NDArray[np.int64]


def by_department(facts: Facts, values: Grid, shape: tuple[int, ...]) -> Grid:
    """Sums of the posts' fen by series and department, one post after another."""
    whole = np.zeros(shape, dtype=np.int64)
    posts = facts.posts
    for s, i, value in zip(posts.series, posts.department, values, strict=True):
        whole[s, i] += value
    return whole


def assert_month_closes(plan: Plan, facts: Facts, core: Core) -> None:
    """Every level to the fen, from the money of a series to a person's parts."""
    shared = core.pay.average_fen + core.pay.performance_fen
    assert (sum(part.amount_fen for part in core.pay.parts) == shared).all()
    assert (core.pay.performance_fen >= 0).all()
    staff = by_department(facts, shared, core.money_fen.shape)
    kept = core.pay.head_fund_fen + core.department_single_fen
    assert (staff + kept == core.money_fen).all()
    singles = facts.singles
    assert core.single_fen.sum() == singles.amount_fen[singles.person >= 0].sum()
    paid = int(shared.sum()) + int(core.single_fen.sum()) + int(core.pay.head_fund_fen.sum())
    for s, one in enumerate(core.series):
        r, g = one.result, one.given
        own = r.points_fen + g.formula_fen + g.drg_fen - g.cost_fen + r.quality_fen
        own = own + r.quality_pool_fen + r.floor_fen + r.bounds_fen + g.single_fen
        assert (own == r.pool_fen).all()
        assert r.quality_pool_fen.sum() == one.quality_pool_fen
        assert (r.pool_fen >= 0).all()
        lost = int(r.pool_fen[one.rows == facts.n].sum())
        paid += lost + one.reserve_fen + r.withheld_fen - one.pool_fen - one.outside_fen
        paid -= one.fund_used_fen
        if plan.model.bounds is not None:
            clipped = r.pool_fen - g.single_fen
            assert (clipped >= g.low_fen).all()
            assert (clipped <= g.high_fen).all()
            if (r.bounds_fen != 0).any():
                assert_one_factor(one)
        if plan.series_model(plan.series[s]).value == "budget" and not one.outside_fen:
            assert one.pool_fen == facts.pools[s]
    assert paid == 0


def assert_one_factor(one: Any) -> None:
    """Departments between floor and cap all moved by the one factor t (to a fen)."""
    before = one.result.pool_fen - one.given.single_fen - one.result.bounds_fen
    after = before + one.result.bounds_fen
    free = (after > one.given.low_fen + 1) & (after < one.given.high_fen - 1)
    assert (np.abs(after - before * one.result.factor)[free] <= 1.0 + 1e-6).all()


@pytest.mark.parametrize("part", range(4))
def test_ten_thousand_random_plans_and_months(part: int) -> None:
    """10,000 months that the plan can share, over 2,000 plans or more; the rest are refused."""
    rng = np.random.default_rng([2026, part])
    shared, refused = 0, 0
    while shared < MONTHS_A_PART:
        plan = random_plan(rng)
        for _ in range(MONTHS_A_PLAN):
            facts = random_facts(rng, plan)
            try:
                core = compute(plan, facts)
            except AllocationError as error:
                assert "内部错误" not in str(error)
                refused += 1
                continue
            assert_month_closes(plan, facts, core)
            shared += 1
    assert refused < shared / 5


@pytest.mark.parametrize("seed", range(3))
def test_order_of_every_table_is_irrelevant(seed: int, tmp_path: Path) -> None:
    """All files of the month with their rows in another order: the same tables, bit for bit."""
    rich_inputs(tmp_path / "a")
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    rng = np.random.default_rng(seed)
    for path in sorted((tmp_path / "b").rglob("*.csv")):
        head, *rows = path.read_text(encoding="utf-8-sig").splitlines()
        mixed = [rows[i] for i in rng.permutation(len(rows))]
        path.write_text("\n".join([head, *mixed]) + "\n", encoding="utf-8")
    plan = make_plan(BASE | MEAN | LADDERS | {"staff.sub_pools": POOLS} | FILLED)
    settlement, transferred, died = settled()
    surplus = DrgSurplus.from_settlement(
        settlement, plan.model.drg, transferred=transferred, died=died
    )
    first, second = (
        allocate(plan, read_inputs(folder / "tables", folder / "inputs", "2026-10"), surplus)
        for folder in (tmp_path / "a", tmp_path / "b")
    )
    assert_closed(first)
    for name in (
        "department_pools", "staff_pay", "staff_parts", "person_pay", "series_totals",
        "head_funds", "control_totals",
    ):  # fmt: skip
        pd.testing.assert_frame_equal(getattr(first, name), getattr(second, name), check_exact=True)


FILLED = {"staff.missing_score": "full"}
