"""The plan file: every choice stated, every fault told at once, every key moves something."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from test_allocation_hospital import (
    REMOVED,
    SMALL,
    assert_closed,
    make_inputs,
    make_plan,
    run_small,
    surplus_of,
)
from test_plan_parameters import SECTIONS_HERE, TRIED_HERE
from test_points_parameters import TRIED_THERE

from drg_engine.errors import AllocationError, InputError, PlanError
from performance import Allocation, Inputs, allocate, describe_plan, load_plan, parse_plan
from performance.plan import Plan

REQUIRED = [
    "plan.name",
    "plan.title",
    "plan.effective_from",
    "points.attribution",
    "points.order_series",
    "points.unknown",
    "pool.source",
    "pool.floor",
    "series.doctor.basis",
    "series.doctor.value",
    "series.doctor.pool",
    "drg.kind",
    "drg.surplus",
    "drg.funding",
    "costs.funding",
    "single_items.funding",
    "quality.kind",
    "quality.deduction",
    "quality.missing",
    "staff.coefficients",
    "staff.combine",
    "staff.attendance",
    "staff.missing_attendance",
]


def test_the_bundled_plan_loads() -> None:
    plan = load_plan("demo_plan")
    assert plan.name == "demo"
    assert plan.series == ("doctor", "nurse", "technician", "administration")


@pytest.mark.parametrize("key", REQUIRED)
def test_an_open_choice_is_refused(key: str) -> None:
    with pytest.raises(PlanError) as caught:
        make_plan({key: REMOVED})
    told = " ".join(str(fault) for fault in caught.value.faults)
    assert key.rsplit(".", 1)[-1] in told


def test_all_faults_are_told_at_once() -> None:
    text = (SMALL / "plan.toml").read_text(encoding="utf-8")
    text = text.replace('floor = "zero"', 'flor = "zero"')
    text = text.replace('attribution = "split"', 'attribution = "splt"')
    text = text.replace("reserve_share = 0.02", "reserve_share = 3.0", 1)
    text = text.replace("pool = 20000.00", "pool = 20000.005")
    with pytest.raises(PlanError) as caught:
        parse_plan(text.encode(), "方案.toml")
    told = str(caught.value)
    assert len(caught.value.faults) == 5
    assert "方案.toml [pool.flor]：不认识的键" in told
    assert "最接近的键是 floor" in told
    assert "最接近 split" in told
    assert "[series.doctor.reserve_share]：大于允许的最大值（读到“3.0”）。界限 1" in told
    assert "金额至多两位小数" in told


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"department_amounts": {"*": {"doctor": 0.6}}}, "份额合计不是 1"),
        ({"series.nurse": REMOVED}, "方案没有这个系列"),
        ({"drg.shares.surgery": {"k": 0.1, "gain": 0.1, "loss": 0.1}}, "二者取一"),
        ({"drg.shares.surgery": {"gain": 0.1}}, "二者取一"),
        ({"drg.funding": "outside"}, "请写批准的发放总额"),
        ({"series.doctor.price": 3.0}, "不能写 price"),
        ({"series.doctor.pool": -1.0}, "小于允许的最小值"),
        ({"series.doctor.pool": float("nan")}, "不是有限的数"),
        ({"series.doctor.pool": "30000"}, "应为数字"),
        ({"series.administration.basis": "points"}, "行政没有工作点数"),
        ({"pool.source": "inputs"}, "奖金池已取自本期表"),
        ({"bounds": {"floor": 1.2, "cap": 0.8}}, "封顶不能低于保底"),
        ({"quality.threshold": 85.0}, "threshold 只在"),
        ({"drg": {"kind": "none", "surplus": "cost"}}, "不能写其他 drg 键"),
        ({"series": {}}, "至少要有一个系列"),
        ({"plan.name": "方 案"}, "只用英文字母"),
        ({"plan.effective_to": "2027-01-01"}, "应为日期"),
        ({"drg.shares.外科": {"k": 0.1}, "drg.shares.surgery": {"k": 0.2}}, "外科就是 surgery"),
        (
            {"department_amounts.外科": {"doctor": 1.0},
             "department_amounts.surgery": {"nurse": 1.0}},
            "同一科室类型写了两次",
        ),
    ],
)  # fmt: skip
def test_contradictions(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(PlanError, match=words):
        make_plan(changes)


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ('floor = "zero"', 'floor = "zero"\nfloor = "zero"', "第 {} 行：这个键或节写了两次"),
        ('floor = "zero"', 'floor ＝ "zero"', "第 {} 行：键的后面应为等号"),
        ('floor = "zero"', "floor = “zero”", "第 {} 行：值的写法不对"),
        ('floor = "zero"', 'floor = "zero', "文字没有收尾的引号"),
        ('floor = "zero"', 'floor = "D:\\表"', "第 {} 行：文字里的反斜线"),
        ('floor = "zero"', 'floor = "zero" 记零', "第 {} 行：这一行值的后面还有别的内容"),
        ("[pool]", "[pool]\nx = " + "[" * 9000, "括号一层套一层"),
        ("[pool]", "[pool]\nx = " + "9" * 9000, "数字太长"),
        ("[pool]", "[pool]\n" + "#" * 1_000_000, "文件太大"),
    ],
)
def test_text_that_is_no_toml_is_told_in_chinese(before: str, after: str, words: str) -> None:
    """By the line of the file, whatever the parser says; no traceback for what is too deep."""
    text = (SMALL / "plan.toml").read_text(encoding="utf-8")
    line = text[: text.index(before)].count("\n") + 1
    with pytest.raises(PlanError) as caught:
        parse_plan(text.replace(before, after, 1).encode(), "方案.toml")
    told = re.sub(r" \[第 \d+ 列\]", "", str(caught.value))
    assert words.format(line) in told or words.format(line + 1) in told
    assert " at " not in told


def test_files_that_are_no_plans(tmp_path: Path) -> None:
    with pytest.raises(PlanError, match="不是 UTF-8"):
        parse_plan("标题 = 1".encode("gb18030"))
    with pytest.raises(PlanError, match="不是合法的 TOML"):
        parse_plan(b"[plan\n")
    with pytest.raises(PlanError, match="读不到分配方案"):
        load_plan(tmp_path / "none.toml")
    with pytest.raises(PlanError, match="没有名为 nowhere"):
        load_plan("nowhere")
    with pytest.raises(PlanError, match="应为一节"):
        make_plan({"quality": 3})


def test_every_key_is_described() -> None:
    keys = describe_plan()
    assert keys["key"].is_unique
    assert (keys["description"].str.len() > 0).all()
    assert (keys["source"].str.len() > 0).all()
    row = keys.set_index("key").loc["series.*.reserve_share"]
    assert (row["unit"], row["range"], row["default"]) == ("比例", "0 至 1", "0.0")
    assert keys.set_index("key").loc["points.attribution", "range"] == "split | duplicate"


def test_hash_follows_content_not_layout() -> None:
    data = (SMALL / "plan.toml").read_bytes()
    plain = parse_plan(data)
    assert parse_plan(data.replace(b"\n", b"\r\n") + "\n# 注释\n".encode()).hash == plain.hash
    assert parse_plan(b"\xef\xbb\xbf" + data).hash == plain.hash
    assert make_plan({"staff.combine": "sum"}).hash != plain.hash


def test_chinese_kinds_are_understood() -> None:
    plan = make_plan({"drg.shares": {"外科": {"k": 0.2}}})
    kind = plan.drg_kind("surgery")
    assert kind is not None
    assert kind.k == 0.2


# ------------------------------------------------------------------ every parameter moves an output

CHARGES = (SMALL / "inputs" / "charges.csv").read_text(encoding="utf-8-sig")
BUSY = {
    "charges": CHARGES
    + "2026-09-30,C9,0102,1,1200,D101,100001,D101,100002\n"
    + "2026-10-30,C9,0102,1,1200,D999,100001,D999,100002\n",
    "history": "科室编码,系列,金额\nD101,医生,9000\nD201,医生,5000\nD301,医生,9000\n"
    "D402,医生,9000\n",
    "pool": "系列,金额\n医生,31000\n护理,20000\n医技,12000\n行政,5000\n",
    "attendance": "\n".join(
        line
        for line in (SMALL / "inputs" / "attendance.csv")
        .read_text(encoding="utf-8-sig")
        .splitlines()
        if not line.startswith("100004")
    ).replace("100001,22,22", "100001,22,23"),
}
BASE: dict[str, Any] = {
    "pool.approved_total": 100_000.0,
    "staff.above_full": "allow",
    "staff.head_fund_share": 0.0,
}
FIXED = {
    "series.technician": {"basis": "points", "value": "fixed", "price": 50.0},
    "quality.deduction": "withhold",
}
MOVES: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("plan.effective_from", {}, {"plan.effective_from": "2027"}),
    ("plan.effective_to", {}, {"plan.effective_to": "2026"}),
    ("points.attribution", {}, {"points.attribution": "duplicate"}),
    ("points.order_series", {}, {"points.order_series": "nurse"}),
    ("points.unknown", {}, {"points.unknown": "exclude"}),
    ("points.out_of_period", {}, {"points.out_of_period": "count"}),
    ("points.department_coefficient", {}, {"points.department_coefficient": "ignore"}),
    (
        "pool.source",
        {},
        {"pool.source": "inputs"}
        | {f"series.{s}.pool": REMOVED for s in ("doctor", "nurse")}
        | {f"series.{s}.pool": REMOVED for s in ("technician", "administration")},
    ),
    ("pool.floor", {"drg.shares.medicine": {"k": 1.0}}, {"pool.floor": "refuse"}),
    ("pool.approved_total", {}, {"pool.approved_total": 1.0}),
    ("bounds.floor", {"bounds": {"floor": 0.1, "cap": 5.0}}, {"bounds.floor": 0.5}),
    ("bounds.cap", {"bounds": {"floor": 0.1, "cap": 5.0}}, {"bounds.cap": 1.5}),
    ("series.*.basis", {}, {"series.nurse.basis": "staff"}),
    ("series.*.value", {}, FIXED),
    ("series.*.pool", {}, {"series.nurse.pool": 20_000.01}),
    ("series.*.price", FIXED, {"series.technician.price": 50.5}),
    ("series.*.reserve", {}, {"series.nurse.reserve": 10.0}),
    ("series.*.reserve_share", {}, {"series.nurse.reserve_share": 0.021}),
    ("department_amounts", {}, {"department_amounts.*": {"doctor": 0.5, "nurse": 0.5}}),
    ("drg.kind", {}, {"drg": {"kind": "none"}}),
    ("drg.surplus", {}, {"drg.surplus": "cost"}),
    ("drg.funding", {}, {"drg.funding": "outside"}),
    ("drg.quality_gate", {}, {"drg.quality_gate": 97.0}),
    ("drg.shares", {}, {"drg.shares.icu": {"k": 0.5}}),
    ("drg.shares.*.k", {}, {"drg.shares.surgery.k": 0.12}),
    (
        "drg.shares.*.gain",
        {"drg.shares.surgery": {"gain": 0.1, "loss": 0.1}},
        {"drg.shares.surgery.gain": 0.2},
    ),
    (
        "drg.shares.*.loss",
        {"drg.shares.medicine": {"gain": 0.1, "loss": 0.1}},
        {"drg.shares.medicine.loss": 0.2},
    ),
    ("drg.shares.*.gain_cap", {}, {"drg.shares.surgery.gain_cap": 1000.0}),
    ("drg.shares.*.loss_cap", {}, {"drg.shares.medicine.loss_cap": 1000.0}),
    ("costs.borne", {}, {"costs.borne.水电": 0.9}),
    ("costs.funding", {}, {"costs.funding": "outside"}),
    ("single_items.funding", {}, {"single_items.funding": "outside"}),
    ("quality.kind", {}, {"quality": {"kind": "none"}}),
    (
        "quality.threshold",
        {"quality.kind": "threshold", "quality.threshold": 70.0},
        {"quality.threshold": 80.0},
    ),
    ("quality.applies_to", {}, {"quality.applies_to": "points"}),
    ("quality.deduction", {}, {"quality.deduction": "redistribute"}),
    ("quality.missing", {}, {"quality.missing": "refuse"}),
    ("quality.max_score", {}, {"quality.max_score": 90.0}),
    ("staff.coefficients", {}, {"staff.coefficients": ["post"]}),
    ("staff.combine", {}, {"staff.combine": "sum"}),
    ("staff.attendance", {}, {"staff.attendance": "ignore"}),
    ("staff.missing_attendance", {}, {"staff.missing_attendance": "full"}),
    ("staff.above_full", {}, {"staff.above_full": "cap"}),
    ("staff.remainder", {}, {"staff.remainder": "first"}),
    ("staff.average_share", {}, {"staff.average_share": 0.1}),
    ("staff.head_fund_share", {}, {"staff.head_fund_share": 0.1}),
    ("compliance.drug_classes", {}, {"compliance": {"drug_classes": ["医疗服务"]}}),
    ("compliance.consumable_classes", {}, {"compliance": {"consumable_classes": ["化验"]}}),
    ("compliance.test_classes", {}, {"compliance": {"test_classes": ["医疗服务"]}}),
]
REFUSING = {"plan.effective_from", "plan.effective_to", "pool.floor", "quality.missing"} | {
    "quality.max_score"
}
SPOKEN_ONLY = {"plan.name", "plan.title", "plan.document"}


def _dated(changes: dict[str, Any]) -> dict[str, Any]:
    import datetime as dt

    dates = {"plan.effective_from": dt.date(2027, 1, 1), "plan.effective_to": dt.date(2026, 5, 1)}
    return {key: dates.get(key, value) for key, value in changes.items()}


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Inputs:
    items = (SMALL / "tables" / "items.csv").read_text(encoding="utf-8-sig")
    folder = tmp_path_factory.mktemp("busy") / "month"
    return make_inputs(folder, items=items.replace("手术难度", ""), **BUSY)


def _outcome(plan: Plan, inputs: Inputs) -> Allocation | str:
    surplus = surplus_of(str(plan.model.drg.surplus), D101=50_000, D201=-30_000, D301=2_000)
    if plan.model.drg.surplus == "cost":
        surplus = surplus_of("cost", D101=10_000, D201=-30_000)
    try:
        return allocate(plan, inputs, surplus)
    except (AllocationError, InputError) as error:
        return str(error)


@pytest.mark.parametrize(("key", "before", "after"), MOVES, ids=[key for key, *_ in MOVES])
def test_every_parameter_moves_an_output(
    key: str, before: dict[str, Any], after: dict[str, Any], busy: Inputs
) -> None:
    plan = make_plan(BASE | before)
    first = _outcome(plan, busy)
    second = _outcome(make_plan(BASE | before | _dated(after)), busy)
    assert isinstance(first, Allocation), first
    assert_closed(first)
    if isinstance(second, str):
        assert key in REFUSING, second
        return
    assert_closed(second)
    tables = ("department_pools", "staff_pay", "series_totals", "control_totals", "findings")
    same = all(getattr(first, name).equals(getattr(second, name)) for name in tables)
    assert not same


def test_every_parameter_is_tried() -> None:
    sections = {"plan", "points", "pool", "bounds", "series", "drg", "costs", "single_items"}
    sections |= {"quality", "staff", "compliance"}
    sections |= {"calendar", "dates", "roles", "nursing", "sessions"}
    keys = set(describe_plan()["key"]) - sections - SPOKEN_ONLY - set(TRIED_THERE)
    keys -= SECTIONS_HERE | set(TRIED_HERE)
    assert keys == {key for key, *_ in MOVES}


def test_a_plan_for_another_time_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AllocationError, match="不含 2025-12"):
        allocate(make_plan(), make_inputs(tmp_path, period="2025-12"), surplus_of())


def test_wrong_surplus_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AllocationError, match="方案用医保盈亏，实际成本盈亏"):
        run_small(tmp_path, surplus=surplus_of("cost", D101=1))


def test_kind_without_a_share_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AllocationError, match="科室类型没有份额") as caught:
        run_small(tmp_path, {"drg.shares": {"medicin": {"k": 0.1}}})
    assert "最接近 medicin" in str(caught.value)


def test_cost_item_without_a_share_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AllocationError, match="成本项目没有承担比例") as caught:
        run_small(tmp_path, {"costs.borne": {"办公耗材费": 0.5, "水电": 0.1}})
    assert "最接近“办公耗材费”" in str(caught.value)
