"""From a department's money to its people: order of work, posts, funds, single items; by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from test_allocation_figures import NO_QUALITY, ONE_DOCTOR, charges_of, one_ward
from test_allocation_hospital import assert_closed, make_plan, pay_of, pool_of

from drg_engine.errors import AllocationError, DrgEngineError, InputError, PlanError
from performance import Allocation

THREE = """工号,姓名,科室编码,系列,职称,岗位系数
1,甲,S1,医生,主任医师,1.5
2,乙,S1,医生,主治医师,1
3,丙,S1,医生,主治医师,0.5
"""
PRESENT = "工号,应出勤天数,实际出勤天数\n1,20,20\n2,20,20\n3,20,10\n"
TWO_WARDS = "科室编码,类型\nS1,外科\nS2,内科\n"


def ward(folder: Path, money: float, changes: dict[str, Any], **texts: str) -> Allocation:
    """One ward of three doctors with all of the pool."""
    given = {"staff": THREE, "attendance": PRESENT} | ONE_DOCTOR | texts
    doctor = {"basis": "points", "value": "budget", "pool": money}
    result = one_ward(folder, {"series": {"doctor": doctor}} | NO_QUALITY | changes, 0, **given)
    assert_closed(result)
    return result


def paid(result: Allocation) -> list[int]:
    return result.person_pay["total_fen"].tolist()


def test_the_order_of_work_is_the_plans(tmp_path: Path) -> None:
    """1,000: 100 fixed, then 20 % of 900 kept, then 50 % of 720 by head, 360 by points.

    Points 1.5, 1 and 0.5 × 0.5 = 0.25 of 2.75.
    """
    changes = {
        "staff.fixed": [{"name": "主任津贴", "amount": 100.0, "titles": ["主任医师"]}],
        "staff.head_fund_share": 0.2,
        "staff.average_share": 0.5,
    }
    result = ward(tmp_path, 1000.0, changes)
    assert pool_of(result, "S1", "doctor")["head_fund_fen"] == 18_000
    assert paid(result) == [10_000 + 12_000 + 19_636, 12_000 + 13_091, 12_000 + 3_273]
    parts = result.staff_parts[result.staff_parts["staff_id"] == "1"]
    assert parts[["kind", "part", "amount_fen"]].to_numpy().tolist() == [
        ["fixed", "主任津贴", 10_000],
        ["average", "平均", 12_000],
        ["sub_pool", "绩效", 19_636],
    ]
    assert "360.00 × 1.5 × 1 ÷ 2.75 = 196.36" in str(pay_of(result, "1")["words"])
    other = {"staff.order": ["head_fund", "average", "fixed", "sub_pools"]}
    result = ward(tmp_path / "b", 1000.0, changes | other)
    assert pool_of(result, "S1", "doctor")["head_fund_fen"] == 20_000
    assert paid(result)[1] == 13_333 + 10_909


def test_sub_pools_by_points_of_their_own(tmp_path: Path) -> None:
    """60 % by post × attendance; 40 % by score + satisfaction: 1.9, 1.8 and 1.5 of 5.2."""
    changes = {
        "staff.sub_pools": [
            {"name": "工作量", "share": 0.6},
            {
                "name": "考核", "share": 0.4, "coefficients": ["score", "satisfaction"],
                "combine": "sum", "attendance": "ignore",
            },
        ]
    }  # fmt: skip
    scores = "工号,个人得分,满意度系数\n1,95,0.95\n2,90,0.9\n3,80,0.7\n"
    result = ward(tmp_path, 1000.0, changes, staff_scores=scores)
    assert paid(result) == [32_727 + 14_615, 21_818 + 13_846, 5_455 + 11_539]


def test_a_formula_of_personal_points(tmp_path: Path) -> None:
    """个人点数 × 2 + 10点: 110, 210 and 10, and attendance no more than the formula says."""
    changes = {
        "staff.sub_pools": [{"name": "绩效", "share": 1.0, "formula": "个人点数 × 2 + 10点"}]
    }
    scores = "工号,个人点数\n1,50\n2,100\n3,0\n"
    assert paid(ward(tmp_path, 330.0, changes, staff_scores=scores)) == [11_000, 21_000, 1_000]


@pytest.mark.parametrize(
    ("way", "expected"), [("zero", [20_000, 10_000, 0]), ("full", [10_000, 5_000, 10_000])]
)
def test_days_of_somebody_without_attendance_are_what_the_plan_says(
    way: str, expected: list[int], tmp_path: Path
) -> None:
    """出勤天数 20, 10 and none: 0, or the days due of the others; as 出勤率 always was."""
    changes = {
        "staff.sub_pools": [{"name": "绩效", "share": 1.0, "formula": "出勤天数 ÷ 应出勤天数"}],
        "staff.missing_attendance": way,
    }
    present = "工号,应出勤天数,实际出勤天数\n1,20,20\n2,20,10\n"
    result = ward(tmp_path / way, sum(expected) / 100, changes, attendance=present)
    assert paid(result) == expected


def test_days_above_due_are_capped_in_formulas_too(tmp_path: Path) -> None:
    changes = {
        "staff.sub_pools": [{"name": "绩效", "share": 1.0, "formula": "出勤天数"}],
        "staff.above_full": "cap",
    }
    above = "工号,应出勤天数,实际出勤天数\n1,20,30\n2,20,20\n3,20,10\n"
    assert paid(ward(tmp_path, 500.0, changes, attendance=above)) == [20_000, 20_000, 10_000]


def test_no_points_are_refused_and_never_paid_as_zero(tmp_path: Path) -> None:
    changes = {"staff.sub_pools": [{"name": "绩效", "share": 1.0, "formula": "个人点数"}]}
    scores = "工号,个人点数\n1,0\n2,0\n3,0\n"
    with pytest.raises(AllocationError, match=r"S1 / doctor：.*合计为 0（读到“奖金 330\.00 元”）"):
        ward(tmp_path, 330.0, changes, staff_scores=scores)


def test_fixed_amounts_above_the_pool_are_refused(tmp_path: Path) -> None:
    changes = {"staff.fixed": [{"name": "津贴", "amount": 50.0}]}
    with pytest.raises(AllocationError, match=r"S1 / doctor：余额不足以支付固定份额"):
        ward(tmp_path, 149.99, changes)


# ------------------------------------------------------------------ several posts


def test_a_person_with_two_departments(tmp_path: Path) -> None:
    """Half of person 2 moves to S2 on 11 October: 0.5 there for 21 of 31 days."""
    posts = "工号,科室编码,系列,岗位占比,生效日期,失效日期\n2,S1,医生,0.5,2026-01-01,\n" \
        "2,S2,医生,0.5,2026-10-11,\n"  # fmt: skip
    doctor = {"basis": "points", "value": "budget", "pool": 1000.0}
    texts = {
        "departments": TWO_WARDS,
        "staff": THREE + "4,丁,S2,医生,主治医师,1\n",
        "attendance": PRESENT + "4,20,20\n",
        "charges": charges_of(S1="600", S2="400"),
        "posts": posts,
        "single_items": "科室编码,工号,事项,金额\n,2,奖,10\n",
    } | ONE_DOCTOR
    plan = {"series": {"doctor": doctor}} | NO_QUALITY
    result = one_ward(tmp_path, plan, 0, **texts)
    assert_closed(result)
    own = result.staff_pay[result.staff_pay["staff_id"] == "2"]
    assert own["department"].tolist() == ["S1", "S2"]
    assert own["main"].tolist() == [True, False]
    assert own["single_fen"].tolist() == [1_000, 0]
    first, second = 0.5, 0.5 * 21 / 31
    whole = 99_000
    wanted = [
        round(whole * 0.6 * first / (1.5 + first + 0.25)),
        round(whole * 0.4 * second / (1 + second)),
    ]
    assert own["performance_fen"].tolist() == wanted
    person = result.person_pay.set_index("staff_id").loc["2"]
    assert person["departments"] == "S1、S2"
    assert person["total_fen"] == sum(wanted) + 1_000
    words = own["words"].tolist()
    assert "岗位占比 0.5 ÷ 2.25" in words[0]


def test_posts_above_one_and_posts_of_nobody(tmp_path: Path) -> None:
    posts = "工号,科室编码,系列,岗位占比\n2,S1,医生,0.6\n2,S1,护理,0.6\n"
    with pytest.raises(AllocationError, match=r"各岗折合超过 1（读到“2 1\.2000”）"):
        ward(tmp_path / "a", 100.0, {}, posts=posts)
    with pytest.raises(AllocationError, match="人员不在人员表（读到“22”）。最接近 2"):
        ward(tmp_path / "b", 100.0, {}, posts=posts.replace("\n2,S1,护理", "\n22,S1,护理"))


# ------------------------------------------------------------------ single items and funds

TYPES = [
    {"name": "新技术奖", "direction": "add", "taxable": False},
    {"name": "病历扣款", "direction": "deduct", "funding": "department"},
    {"name": "会诊费", "direction": "add", "funding": "department", "limit": 100.0},
    {"name": "主任奖", "direction": "add", "funding": "head_fund"},
]
ITEMS = "科室编码,工号,事项,金额\n,1,新技术奖,60\n,2,病历扣款,30\n,3,会诊费,80\n,3,主任奖,40\n"
FUNDS = "科室编码,系列,上期余额\nS1,医生,100\n"


def test_single_items_come_out_of_their_own_money(tmp_path: Path) -> None:
    """1,060 less 60 is 1,000 for the ward; it bears 80 − 30; 5 % of 950 is kept; 40 from the fund.

    902.50 by 1.5, 1 and 0.25 of 2.75.
    """
    changes = {"single_items.types": TYPES, "staff.head_fund_share": 0.05}
    result = ward(tmp_path, 1060.0, changes, single_items=ITEMS, head_funds=FUNDS)
    row = pool_of(result, "S1", "doctor")
    assert (row["pool_fen"], row["department_single_fen"]) == (100_000, 5_000)
    assert (row["head_fund_fen"], row["staff_fen"]) == (4_750, 90_250)
    assert paid(result) == [49_227 + 6_000, 32_818 - 3_000, 8_205 + 12_000]
    fund = result.head_funds.iloc[0]
    assert fund["used_fen"] == 4_000
    assert fund["closing_fen"] == 10_000 + 4_750 - 4_000
    assert result.series_totals["fund_used_fen"].tolist() == [4_000]
    assert result.person_pay["taxable_fen"].tolist() == [49_227, 29_818, 20_205]
    told = result.single_items.set_index("matter")
    assert told.loc["病历扣款", "amount_fen"] == -3_000
    assert told["funding"].to_dict() == {
        "新技术奖": "within", "病历扣款": "department", "会诊费": "department",
        "主任奖": "head_fund",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("items", "words"),
    [
        (ITEMS.replace("会诊费", "会诊"), "方案没有这个单项类型（读到“会诊”）"),
        (ITEMS.replace("病历扣款,30", "病历扣款,-30"), "金额应为正数（读到“-30.00”）"),
        (ITEMS.replace("会诊费,80", "会诊费,100.01"), "“会诊费”每笔不超过 100.00 元"),
        (ITEMS.replace("主任奖,40", "主任奖,100.01"), "余额 100.00 元，要付 100.01 元"),
        (ITEMS.replace("会诊费,80", "会诊费,99").replace("新技术奖,60", "新技术奖,1060"),
         "由科室承担的个人单项超过科室奖金"),
    ],
)  # fmt: skip
def test_single_items_against_their_types(items: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(AllocationError) as caught:
        ward(tmp_path, 1060.0, {"single_items.types": TYPES}, single_items=items, head_funds=FUNDS)
    assert words in str(caught.value)


# ------------------------------------------------------------------ administration


def test_means_of_a_stated_group(tmp_path: Path) -> None:
    """Doctors of surgery only; per attendance 1 + 1 + 0.5: 1,000 / 2.5 is 400."""
    mean: dict[str, Any] = {
        "of_series": ["doctor"], "of_kinds": ["外科"], "per": "attendance", "share": 0.5,
        "evaluation": "ignore", "satisfaction": "ignore", "attendance": "apply",
    }  # fmt: skip
    series = {
        "doctor": {"basis": "points", "value": "budget", "pool": 2000.0},
        "administration": {"basis": "staff", "value": "mean", "mean": mean},
    }
    texts = {
        "departments": TWO_WARDS + "D9,行政\n",
        "staff": THREE + "4,丁,S2,医生,,1\n9,己,D9,行政,,1.2\n",
        "attendance": PRESENT + "4,20,20\n9,20,15\n",
        "charges": charges_of(S1="5", S2="5"),
    } | ONE_DOCTOR
    plan = {"series": series, "pool.approved_total": 1e6} | NO_QUALITY
    result = one_ward(tmp_path, plan, 0, **texts)
    assert_closed(result)
    assert pay_of(result, "9")["total_fen"] == 18_000
    assert "400.00 × 0.5 × 1.2 × 0.75 = 180.00" in str(pay_of(result, "9")["words"])
    assert pool_of(result, "D9", "administration")["pool_fen"] == 18_000
    empty = {"of_kinds": ["门诊"]}
    series["administration"]["mean"] = mean | empty
    with pytest.raises(AllocationError, match="均值所指的人群没有人"):
        one_ward(tmp_path / "b", plan, 0, **texts)
    series["administration"]["mean"] = mean
    cost = {"costs": {"borne": {"*": 1.0}, "funding": "outside"}, "department_amounts": {
        "*": {"administration": 1.0}}}  # fmt: skip
    with pytest.raises(AllocationError, match="按均值发放的系列不能有承担成本"):
        one_ward(tmp_path / "c", plan | cost, 0, **texts | {
            "costs": "科室编码,成本项目,金额\nD9,水电,5\n"})  # fmt: skip


# ------------------------------------------------------------------ faulty input


@pytest.mark.parametrize(
    ("texts", "words"),
    [
        ({"staff": THREE + "1,甲,S1,医生,,1\n"}, "staff.csv 第 5 行 [工号]：同一键值出现多次"),
        ({"pool": "系列,金额\n医生,1\n医生,2\n"}, "pool.csv 第 3 行 [系列]：同一键值出现多次"),
        ({"pool": "系列,金额\n医生,-5\n"}, "超出范围（读到“-5”）。允许范围：0 ≤ 金额"),
        ({"staff_scores": "工号,个人得分\n1,90\n1,80\n"}, "staff_scores.csv 第 3 行 [工号]"),
        ({"income": "类别,项目,金额\n药品收,,5\n"}, "不认识的类别（读到“药品收”）"),
        ({"posts": "工号,科室编码,系列,生效日期,失效日期\n1,S1,医生,2026-10-05,2026-10-01\n"},
         "失效日期不晚于生效日期"),
        ({"posts": "工号,科室编码,系列,岗位占比\n1,S1,医生,1.2\n"}, "允许范围：0 ≤ 岗位占比 ≤ 1"),
        ({"attendance": PRESENT.replace("20,20\n3", "20,21\n3")},
         "实际出勤多于应出勤（读到“工号 2：实际 21，应出勤 20”）"),
    ],
)  # fmt: skip
def test_faulty_tables(texts: dict[str, str], words: str, tmp_path: Path) -> None:
    with pytest.raises(DrgEngineError) as caught:
        ward(tmp_path, 100.0, {}, **texts)
    assert words in str(caught.value)


def test_a_unit_in_two_series(tmp_path: Path) -> None:
    """A unit stands in one kind only, and the shares of its amounts come to 1."""
    twice = "科室编码,类型\nS1,外科\nS1,医技\n"
    with pytest.raises(InputError, match=r"departments.csv 第 3 行 \[科室编码\]：同一键值出现多次"):
        ward(tmp_path, 100.0, {}, departments=twice)
    with pytest.raises(PlanError, match=r"份额合计不是 1（读到“1\.2”）"):
        make_plan({"department_amounts": {"*": {"doctor": 0.6, "nurse": 0.6}}})


def test_person_pay_is_one_row_a_person(tmp_path: Path) -> None:
    result = ward(tmp_path, 100.0, {})
    assert result.person_pay["staff_id"].tolist() == ["1", "2", "3"]
    assert isinstance(result.person_pay, pd.DataFrame)


def test_points_of_persons_out_of_the_charge_lines(tmp_path: Path) -> None:
    """30 and 10 points of two executors share 400 yuan; the third has none."""
    lines = "收费日期,项目编码,数量,金额,开单科室,执行科室,执行人\n"
    lines += "2026-10-01,0102,30,1,S1,S1,1\n2026-10-02,0102,10,1,S1,S1,2\n"
    changes = {
        "points.personal": "keep",
        "staff.coefficients": ["points"],
        "staff.attendance": "ignore",
    }
    result = ward(tmp_path, 400.0, changes, charges=lines)
    assert paid(result) == [30_000, 10_000, 0]


def test_a_person_of_refunds_takes_nothing_from_the_others(tmp_path: Path) -> None:
    """30 points and −40: the one has all 400 yuan; weights below 0 are 0."""
    lines = "收费日期,项目编码,数量,金额,开单科室,执行科室,执行人\n"
    lines += "2026-10-01,0102,30,1,S1,S1,1\n2026-10-02,0102,-40,1,S1,S1,2\n"
    lines += "2026-10-03,0102,100,1,S1,S1,\n"
    changes: dict[str, Any] = {
        "points.personal": "keep",
        "staff.coefficients": ["points"],
        "staff.attendance": "ignore",
    }
    result = ward(tmp_path / "a", 400.0, changes, charges=lines)
    assert paid(result) == [40_000, 0, 0]
    pools = {"staff.sub_pools": [{"name": "绩效", "share": 1.0, "formula": "个人点数"}]}
    with pytest.raises(AllocationError, match=r"结果为负（读到“2”）。.*最大（公式，0）"):
        ward(tmp_path / "b", 400.0, changes | pools, charges=lines)


def test_who_has_no_points_is_at_work_all_the_same(tmp_path: Path) -> None:
    """Half by head (but for who was absent), half by points 3, 1 and 0; then by a formula."""
    changes: dict[str, Any] = {"staff.coefficients": ["points"], "staff.average_share": 0.6}
    scores = "工号,个人点数\n1,3\n2,1\n3,0\n"
    result = ward(tmp_path / "a", 1000.0, changes, staff_scores=scores)
    assert paid(result) == [20_000 + 30_000, 20_000 + 10_000, 20_000]
    absent = PRESENT.replace("3,20,10", "3,20,0")
    result = ward(tmp_path / "b", 1000.0, changes, staff_scores=scores, attendance=absent)
    assert paid(result) == [30_000 + 30_000, 30_000 + 10_000, 0]
    changes = {
        "staff.coefficients": ["points"],
        "staff.sub_pools": [{"name": "绩效", "share": 1.0, "formula": "出勤天数"}],
    }
    result = ward(tmp_path / "c", 1000.0, changes, staff_scores=scores)
    assert paid(result) == [40_000, 40_000, 20_000]


def test_attendance_above_full_is_refused_wherever_it_counts(tmp_path: Path) -> None:
    """Not where nothing depends on it; but in a fixed amount or a formula it does."""
    above = PRESENT.replace("2,20,20", "2,20,21")
    changes: dict[str, Any] = {"staff.attendance": "ignore"}
    assert len(paid(ward(tmp_path / "a", 100.0, changes, attendance=above))) == 3
    fixed = {"staff.fixed": [{"name": "津贴", "amount": 1.0, "attendance": "apply"}]}
    pools = {"staff.sub_pools": [{"name": "绩效", "share": 1.0, "formula": "岗位系数 × 出勤率"}]}
    for more in (fixed, pools):
        with pytest.raises(
            AllocationError, match="实际出勤多于应出勤（读到“工号 2：实际 21，应出勤 20”）"
        ):
            ward(tmp_path / "b", 100.0, changes | more, attendance=above)
