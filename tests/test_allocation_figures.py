"""The acceptance figures of allocation.md §9."""

from __future__ import annotations

import csv
import itertools
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from test_allocation_hospital import (
    assert_closed,
    make_inputs,
    make_plan,
    pay_of,
    pool_of,
    run_small,
    surplus_of,
)

from drg_engine.errors import AllocationError
from performance import Allocation, allocate
from performance.compliance import open_findings
from performance.drg_part import drg_amount
from performance.plan_model import DrgKind
from performance.pools import clip_to_total
from performance.staff import cut_pool

TABLES = Path(__file__).parent / "data" / "allocation"
ALL_IN = dict.fromkeys(
    (
        "transferred", "self_pay", "out_of_region", "ungrouped", "ambiguous", "low", "high",
        "out_of_scope",
    ),
    "in",
)  # fmt: skip
ONE_WARD = "科室编码,科室名称,类型\nS1,外科,外科\n"
ITEM = "项目编码,类别,点数,开单系数\n0102,医疗服务,1.5,0.2\n"
SHARES = "科室编码,项目类别,医生,医技,护理\nS1,*,0.6,0,0.4\n"
NO_QUALITY = {"quality": {"kind": "none"}, "department_amounts": {"*": {"doctor": 1.0}}}


def one_ward(folder: Path, changes: dict[str, object], surplus: float, **texts: str) -> Allocation:
    """One surgical ward with one doctor and one nurse."""
    given = {
        "departments": ONE_WARD,
        "items": ITEM,
        "role_shares": SHARES,
        "staff": "工号,科室编码,系列\n1,S1,医生\n2,S1,护理\n",
        "attendance": "工号,应出勤天数,实际出勤天数\n1,20,20\n2,20,20\n",
        "charges": "收费日期,项目编码,数量,金额,开单科室,执行科室\n2026-10-01,0102,200,1,S1,S1\n",
        "costs": "科室编码,成本项目,金额\n",
        "quality": "科室编码,质量得分\nS1,100\n",
        "single_items": "科室编码,工号,事项,金额\n",
    } | texts
    return allocate(make_plan(changes), make_inputs(folder, **given), surplus_of(S1=surplus))


def cases(name: str) -> list[dict[str, str]]:
    """The rows of a case table of tests/data/allocation."""
    with (TABLES / f"{name}.csv").open(encoding="utf-8-sig", newline="") as stream:
        return list(csv.DictReader(stream))


def grouped_cases(name: str) -> list[list[dict[str, str]]]:
    """The same, rows of one 算例 together."""
    return [list(rows) for _, rows in itertools.groupby(cases(name), key=lambda row: row["算例"])]


def first_case(rows: list[dict[str, str]]) -> str:
    return rows[0]["算例"]


def fen_of(text: str) -> int:
    return int(Decimal(text) * 100)


SERIES = {
    "doctor": {"basis": "points", "value": "budget", "pool": 1000.0},
    "nurse": {"basis": "points", "value": "budget", "pool": 1000.0},
}


def test_a5_points(tmp_path: Path) -> None:
    result = one_ward(tmp_path, {"series": SERIES} | NO_QUALITY, 0)
    points = result.department_points.set_index("series")
    assert points.loc["doctor", "order_e6"] == 60_000_000
    assert points.loc["doctor", "execution_e6"] == 180_000_000
    assert points.loc["nurse", "execution_e6"] == 120_000_000


def test_a7_refused_with_both_sums() -> None:
    raw, history = np.array([10_000.0, 10_000.0]), np.array([10_000.0, 10_000.0])
    with pytest.raises(ValueError, match=r"保底合计 180\.00 超过可分金额 150\.00"):
        clip_to_total(raw, history * 0.9, history * 1.2, 15_000.0)
    with pytest.raises(ValueError, match=r"封顶合计 240\.00 不足可分金额 300\.00"):
        clip_to_total(raw, history * 0.9, history * 1.2, 30_000.0)


def test_department_without_receivers_is_refused(tmp_path: Path) -> None:
    attendance = "工号,应出勤天数,实际出勤天数\n100009,22,0\n100010,22,0\n"
    full = {"staff.missing_attendance": "full"}
    with pytest.raises(AllocationError, match="D401 / technician") as caught:
        run_small(tmp_path, full, attendance=attendance)
    assert "合计为 0" in str(caught.value)


def test_series_are_separate(tmp_path: Path) -> None:
    """More work of the doctors moves no fen of another series."""
    before = run_small(tmp_path / "a")
    after = run_small(tmp_path / "b", {"series.doctor.pool": 60_000.0})
    for frame in (before.staff_pay, after.staff_pay):
        assert isinstance(frame, pd.DataFrame)
    others = before.staff_pay["series"] != "doctor"
    assert (before.staff_pay[others]["total_fen"] == after.staff_pay[others]["total_fen"]).all()
    assert (before.staff_pay[~others]["total_fen"] != after.staff_pay[~others]["total_fen"]).all()


ONE_DOCTOR = {
    "role_shares": "科室编码,项目类别,医生\n*,*,1\n",
    "items": "项目编码,类别,点数\n0102,医疗服务,1\n",
}


def charges_of(**points: str) -> str:
    lines = (f"2026-10-01,0102,{p},1,{name},{name}\n" for name, p in points.items())
    return "收费日期,项目编码,数量,金额,开单科室,执行科室\n" + "".join(lines)


def fixed(price: float, **more: Any) -> dict[str, Any]:
    """A plan of one floating series, with nothing else in it."""
    return {
        "series": {"doctor": {"basis": "points", "value": "fixed", "price": price} | more},
        "pool.approved_total": 1e9,
        "drg": {"kind": "none"},
        "costs": {"borne": {"*": 1.0}, "funding": "outside"},
        "single_items.funding": "outside",
    } | NO_QUALITY


@pytest.mark.parametrize("row", cases("a06_point_value"), ids=lambda row: row["说明"])
def test_a6_point_value(row: dict[str, str], tmp_path: Path) -> None:
    pool = float(row["奖金池"])
    result = one_ward(
        tmp_path,
        {"series": {"doctor": {"basis": "points", "value": "budget", "pool": pool}}} | NO_QUALITY,
        0,
        charges=charges_of(S1=row["点数"]),
        single_items=f"科室编码,工号,事项,金额\n,1,奖惩,{row['单项奖惩']}\n",
        **ONE_DOCTOR,
    )
    assert f"{result.series_totals['value'][0]:.8f}" == row["点值"]
    assert pay_of(result, "1")["total_fen"] == fen_of(row["奖金池"])


@pytest.mark.parametrize(
    "rows", grouped_cases("a07_floor_and_cap"), ids=lambda rows: rows[0]["算例"]
)
def test_a7_floor_and_cap(rows: list[dict[str, str]]) -> None:
    raw, past = (np.array([float(row[name]) * 100 for row in rows]) for name in ("原始", "历史"))
    low, high = past * float(rows[0]["保底"]), past * float(rows[0]["封顶"])
    factor, amounts = clip_to_total(raw, low, high, float(rows[0]["奖金池"]) * 100)
    assert f"{factor:.7f}" == rows[0]["系数t"]
    assert [f"{x / 100:.4f}" for x in amounts] == [row["结果"] for row in rows]


def wards(folder: Path, rows: list[dict[str, str]], pool: float) -> Allocation:
    """A month in which each ward has its raw points and one doctor."""
    names = [row["科室"] for row in rows]
    return one_ward(
        folder,
        {
            "series": {"doctor": {"basis": "points", "value": "budget", "pool": pool}},
            "bounds": {"floor": float(rows[0]["保底"]), "cap": float(rows[0]["封顶"])},
        }
        | NO_QUALITY,
        0,
        departments="科室编码,类型\n" + "".join(f"{name},外科\n" for name in names),
        staff="工号,科室编码,系列\n" + "".join(f"{name},{name},医生\n" for name in names),
        attendance="工号,应出勤天数,实际出勤天数\n" + "".join(f"{name},1,1\n" for name in names),
        charges=charges_of(**{row["科室"]: row["原始"] for row in rows}),
        history="科室编码,系列,金额\n" + "".join(f"{r['科室']},医生,{r['历史']}\n" for r in rows),
        **ONE_DOCTOR,
    )


@pytest.mark.parametrize(
    "rows", grouped_cases("a07_floor_and_cap"), ids=lambda rows: rows[0]["算例"]
)
def test_a7_in_a_month(rows: list[dict[str, str]], tmp_path: Path) -> None:
    result = wards(tmp_path, rows, float(rows[0]["奖金池"]))
    assert_closed(result)
    assert f"{result.series_totals['bounds_factor'][0]:.7f}" == rows[0]["系数t"]
    assert result.staff_pay["total_fen"].tolist() == [fen_of(row["分到分"]) for row in rows]


@pytest.mark.parametrize("row", cases("a07_refused"), ids=lambda row: row["算例"])
def test_a7_refused_in_a_month(row: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(AllocationError) as caught:
        wards(tmp_path, cases("a07_floor_and_cap"), float(row["奖金池"]))
    assert row["说法"] in str(caught.value)


def a8_inputs(row: dict[str, str]) -> dict[str, str]:
    names = ("手术", "造影", "介入")
    return {
        "departments": f"科室编码,科室名称,类型,科室系数\nS1,外科,外科,{row['系数']}\n",
        "charges": charges_of(S1=row["点数"]),
        "costs": f"科室编码,成本项目,金额\nS1,直接成本,{row['直接成本']}\n",
        "single_items": "科室编码,工号,事项,金额\n"
        + "".join(f"S1,,{name},{row[name]}\n" for name in names),
    } | ONE_DOCTOR


def a8_plan(row: dict[str, str], **series: Any) -> dict[str, Any]:
    return fixed(float(row["单价"]), **series) | {
        "drg": {
            "kind": "surplus_share",
            "surplus": "insurance",
            "funding": "outside",
            "shares": {"外科": {"k": float(row["k"])}},
            "cases": ALL_IN,
        },
        "costs": {"borne": {"直接成本": float(row["承担比例"])}, "funding": "outside"},
    }


@pytest.mark.parametrize("row", cases("a08_department_formula"), ids=lambda row: row["说明"])
def test_a8_department_formula(row: dict[str, str], tmp_path: Path) -> None:
    """points × price × coefficient + operations + angiography + intervention + DRG part − cost."""
    result = one_ward(tmp_path, a8_plan(row), float(row["DRG盈亏"]), **a8_inputs(row))
    points = Decimal(row["点数"]) * Decimal(row["单价"]) * Decimal(row["系数"])
    assert pool_of(result, "S1", "doctor")["points_fen"] == fen_of(str(points))
    assert pool_of(result, "S1", "doctor")["pool_fen"] == fen_of(row["合计"])
    assert pay_of(result, "1")["total_fen"] == fen_of(row["合计"])


@pytest.mark.parametrize("row", cases("a08_department_formula"), ids=lambda row: row["说明"])
def test_a8_written_as_a_formula(row: dict[str, str], tmp_path: Path) -> None:
    """The standard form is itself a formula of the language."""
    text = (
        "点数 × 点值 × 科室系数 + 单项.手术 + 单项.造影 + 单项.介入 + DRG部分 − "
        f"成本.直接成本 × {row['承担比例']}"
    )
    plan = a8_plan(row, formula=text)
    result = one_ward(tmp_path, plan, float(row["DRG盈亏"]), **a8_inputs(row))
    ward = pool_of(result, "S1", "doctor")
    assert ward["pool_fen"] == fen_of(row["合计"])
    assert ward["single_fen"] == ward["drg_fen"] == ward["cost_fen"] == 0
    assert "点数 × 点值 × 科室系数 + 单项.手术" in ward["words"]
    assert_closed(result)


@pytest.mark.parametrize("row", cases("a09_tiers"), ids=lambda row: row["盈亏"])
def test_a9_tiers(row: dict[str, str]) -> None:
    kind = DrgKind(
        gain=float(row["a"]), gain_cap=float(row["盈余封顶"]),
        loss=float(row["b"]), loss_cap=float(row["亏损封顶"]),
    )  # fmt: skip
    surplus = np.array([fen_of(row["盈亏"])], dtype=np.int64)
    assert drg_amount(surplus, kind).tolist() == [fen_of(row["DRG部分"])]


@pytest.mark.parametrize("row", cases("a10_threshold"), ids=lambda row: row["得分"])
def test_a10_threshold(row: dict[str, str], tmp_path: Path) -> None:
    """At 1 yuan a point, the ward's yuan are its points after the threshold."""
    quality = {
        "kind": "threshold",
        "threshold": float(row["门槛"]),
        "applies_to": "points",
        "deduction": "withhold",
        "missing": "refuse",
    }
    result = one_ward(
        tmp_path,
        fixed(1.0) | {"quality": quality},
        0,
        charges=charges_of(S1=row["点数"]),
        quality=f"科室编码,质量得分\nS1,{row['得分']}\n",
        **ONE_DOCTOR,
    )
    assert pay_of(result, "1")["total_fen"] == fen_of(row["结果"])


@pytest.mark.parametrize("row", cases("a11_ladders"), ids=lambda row: row["说明"])
def test_a11_ladders_multiply(row: dict[str, str], tmp_path: Path) -> None:
    """Two ladders on the total, one after another, on base × share."""
    ladders = [
        {
            "indicator": name,
            "node": "total",
            "steps": [
                {"upper": 0.9, "rate": 0.5},
                {"lower": 0.9, "upper": 1.1, "rate": float(row[name])},
            ],
        }
        for name in ("阶梯一", "阶梯二")
    ]
    plan = fixed(float(row["份额"])) | {
        "quality": {"kind": "ladder", "deduction": "withhold", "ladders": ladders}
    }
    result = one_ward(
        tmp_path,
        plan,
        0,
        charges=charges_of(S1=row["基数"]),
        indicators="科室编码,指标,实际值,参照值\nS1,阶梯一,0.9,1\nS1,阶梯二,7,7\n",
        **ONE_DOCTOR,
    )
    assert pay_of(result, "1")["total_fen"] == fen_of(row["结果"])


@pytest.mark.parametrize("row", cases("a13_administration"), ids=lambda row: row["说明"])
def test_a13_administration(row: dict[str, str], tmp_path: Path) -> None:
    """Two doctors with the mean between them; then the office by that mean."""
    mean = {
        "of_series": ["doctor"], "per": "head", "share": float(row["份额"]),
        "evaluation": "apply", "satisfaction": "apply", "attendance": "ignore",
    }  # fmt: skip
    plan = {
        "series": {
            "doctor": {"basis": "points", "value": "budget", "pool": 2 * float(row["均值"])},
            "administration": {"basis": "staff", "value": "mean", "mean": mean},
        },
        "pool.approved_total": 1e6,
    } | NO_QUALITY
    result = one_ward(
        tmp_path,
        plan,
        0,
        departments="科室编码,类型\nS1,外科\nD9,行政\n",
        staff="工号,科室编码,系列,岗位系数\n1,S1,医生,1.5\n2,S1,医生,0.7\n"
        f"9,D9,行政,{row['个人系数']}\n",
        attendance="工号,应出勤天数,实际出勤天数\n1,20,20\n2,20,20\n9,20,20\n",
        staff_scores=f"工号,考核系数,满意度系数\n9,{row['考核系数']},{row['满意度系数']}\n",
        **ONE_DOCTOR,
    )
    assert_closed(result)
    assert pay_of(result, "9")["total_fen"] == fen_of(row["应发"])
    assert result.series_totals["value"].tolist()[1] == float(row["均值"])


def a14_plan(row: dict[str, str], remainder: str) -> dict[str, Any]:
    pool = float(row["奖金池"])
    return {
        "series": {"doctor": {"basis": "points", "value": "budget", "pool": pool}},
        "staff.attendance": "days",
        "staff.remainder": remainder,
    } | NO_QUALITY


@pytest.mark.parametrize("rows", grouped_cases("a14_remainder"), ids=first_case)
@pytest.mark.parametrize(
    ("remainder", "column"), [("largest", "最大余数法"), ("first", "尾差归首位")]
)
def test_a14_remainder(
    rows: list[dict[str, str]], remainder: str, column: str, tmp_path: Path
) -> None:
    expected = [fen_of(row[column]) for row in rows]
    weights = np.array([float(row["岗位系数"]) * float(row["出勤天数"]) for row in rows])
    ids = [row["工号"] for row in rows]
    assert cut_pool(fen_of(rows[0]["奖金池"]), weights, ids, remainder).tolist() == expected
    result = one_ward(
        tmp_path,
        a14_plan(rows[0], remainder),
        0,
        staff="工号,科室编码,系列,岗位系数\n"
        + "".join(f"{row['工号']},S1,医生,{row['岗位系数']}\n" for row in rows),
        attendance="工号,应出勤天数,实际出勤天数\n"
        + "".join(f"{row['工号']},22,{row['出勤天数']}\n" for row in rows),
        **ONE_DOCTOR,
    )
    assert result.staff_pay["total_fen"].tolist() == expected


@pytest.mark.parametrize("row", cases("a15_average"), ids=lambda row: row["说明"])
def test_a15_average(row: dict[str, str], tmp_path: Path) -> None:
    """A share kept back as the head's fund, the rest by equal coefficients."""
    plan = {
        "series": {
            "doctor": {"basis": "points", "value": "budget", "pool": float(row["科室奖金"])}
        },
        "staff.head_fund_share": float(row["留存份额"]),
    } | NO_QUALITY
    people = range(1, int(row["人数"]) + 1)
    result = one_ward(
        tmp_path,
        plan,
        0,
        staff="工号,科室编码,系列,岗位系数\n"
        + "".join(f"{i},S1,医生,{row['个人系数']}\n" for i in people),
        attendance="工号,应出勤天数,实际出勤天数\n" + "".join(f"{i},22,22\n" for i in people),
        head_funds="科室编码,系列,上期余额\nS1,医生,100.50\n",
        **ONE_DOCTOR,
    )
    each = fen_of(row["每人"])
    assert result.staff_pay["total_fen"].tolist() == [each] * len(people)
    fund = result.head_funds.iloc[0]
    kept = fen_of(row["科室奖金"]) - each * len(people)
    assert (fund["opening_fen"], fund["kept_fen"], fund["used_fen"]) == (10_050, kept, 0)
    assert fund["closing_fen"] == 10_050 + kept


@pytest.mark.parametrize("row", cases("a16_compliance"), ids=lambda row: row["说明"])
def test_a16_refused(row: dict[str, str], tmp_path: Path) -> None:
    """Findings of §7 in formulas, and whether they stand in the way of approval."""
    plan = fixed(1.0)
    if row["公式的键"] == "staff.sub_pools":
        plan["staff.sub_pools"] = [{"name": "分池", "share": 1.0, "formula": row["公式"]}]
    else:
        plan["series"]["doctor"]["formula"] = row["公式"]
    charges = charges_of(S1="100") + "2026-10-01,0201,2,500,S1,S1\n2026-10-01,0202,1,80,S1,S1\n"
    result = one_ward(
        tmp_path,
        plan,
        0,
        staff="工号,科室编码,系列\n1,S1,医生\n2,S1,医生\n",
        staff_scores="工号,个人得分\n1,90\n2,80\n",
        charges=charges,
        items="项目编码,类别,点数\n0102,医疗服务,1\n0201,化验,1\n0202,检查,1\n",
        role_shares="科室编码,项目类别,医生\n*,*,1\n",
    )
    found = result.findings
    assert "、".join(str(rule) for rule in sorted(set(found["rule"]))) == row["规则"]
    assert (set(found["status"]) == {"blocks"}) == (row["是否拒绝"] == "是")
    assert len(open_findings(found)) == len(found)
    tests = found[found["rule"] == 2]
    assert tests["amount_fen"].tolist() == [58_000] * len(tests)
    assert tests["rows"].tolist() == [2] * len(tests)
    assert found["places"].str.startswith(row["公式的键"]).all()
