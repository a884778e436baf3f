"""The acceptance figures of allocation.md §9."""

from __future__ import annotations

from pathlib import Path

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
from performance.drg_part import drg_amount, quality_factor
from performance.plan_model import DrgKind
from performance.pools import clip_to_total
from performance.staff import administration_pay, cut_pool

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


def test_a6_point_value(tmp_path: Path) -> None:
    """3,000,000 less single items of 200,000 over 400,000 points is 7.00."""
    changes = {
        "series": {"doctor": {"basis": "points", "value": "budget", "pool": 3_000_000.0}},
        "department_amounts": {"*": {"doctor": 1.0}},
        "quality": {"kind": "none"},
    }
    result = one_ward(
        tmp_path,
        changes,
        0,
        items="项目编码,类别,点数\n0102,医疗服务,1\n",
        role_shares="科室编码,项目类别,医生\nS1,*,1\n",
        charges="收费日期,项目编码,数量,金额,开单科室,执行科室\n2026-10-01,0102,400000,1,S1,S1\n",
        single_items="科室编码,工号,事项,金额\n,1,奖励,200000\n",
    )
    assert f"{result.series_totals['value'][0]:.8f}" == "7.00000000"
    assert pay_of(result, "1")["total_fen"] == 300_000_000


def test_a7_floor_and_cap() -> None:
    history = np.array([100.0, 120, 60, 80, 40]) * 100
    raw = np.array([95.0, 165, 45, 70, 45]) * 100
    factor, amounts = clip_to_total(raw, history * 0.88, history * 1.25, 42_000.0)
    assert f"{factor:.7f}" == "1.0342857"
    assert [f"{x / 100:.4f}" for x in amounts] == [
        "98.2571", "150.0000", "52.8000", "72.4000", "46.5429",
    ]  # fmt: skip


def five_wards(folder: Path, pool: float) -> Allocation:
    """Five wards with the raw points of A7, one doctor each."""
    raw, past = (95, 165, 45, 70, 45), (100, 120, 60, 80, 40)
    lines = "".join(f"2026-10-01,0102,{p},1,S{i},S{i}\n" for i, p in enumerate(raw))
    return one_ward(
        folder,
        {
            "series": {"doctor": {"basis": "points", "value": "budget", "pool": pool}},
            "bounds": {"floor": 0.88, "cap": 1.25},
        }
        | NO_QUALITY,
        0,
        departments="科室编码,类型\n" + "".join(f"S{i},外科\n" for i in range(5)),
        items="项目编码,类别,点数\n0102,医疗服务,1\n",
        role_shares="科室编码,项目类别,医生\n*,*,1\n",
        staff="工号,科室编码,系列\n" + "".join(f"{i},S{i},医生\n" for i in range(5)),
        attendance="工号,应出勤天数,实际出勤天数\n" + "".join(f"{i},1,1\n" for i in range(5)),
        charges="收费日期,项目编码,数量,金额,开单科室,执行科室\n" + lines,
        history="科室编码,系列,金额\n" + "".join(f"S{i},医生,{p}\n" for i, p in enumerate(past)),
    )


def test_a7_in_a_month(tmp_path: Path) -> None:
    result = five_wards(tmp_path, 420.0)
    assert_closed(result)
    assert f"{result.series_totals['bounds_factor'][0]:.7f}" == "1.0342857"
    assert result.staff_pay["total_fen"].tolist() == [9_826, 15_000, 5_280, 7_240, 4_654]


def test_a7_in_a_month_refused(tmp_path: Path) -> None:
    with pytest.raises(AllocationError, match=r"医生：保底合计 352\.00 超过可分金额 300\.00"):
        five_wards(tmp_path / "low", 300.0)
    with pytest.raises(AllocationError, match=r"医生：封顶合计 500\.00 不足可分金额 600\.00"):
        five_wards(tmp_path / "high", 600.0)


def test_a7_refused_with_both_sums() -> None:
    raw, history = np.array([10_000.0, 10_000.0]), np.array([10_000.0, 10_000.0])
    with pytest.raises(ValueError, match=r"保底合计 180\.00 超过可分金额 150\.00"):
        clip_to_total(raw, history * 0.9, history * 1.2, 15_000.0)
    with pytest.raises(ValueError, match=r"封顶合计 240\.00 不足可分金额 300\.00"):
        clip_to_total(raw, history * 0.9, history * 1.2, 30_000.0)


@pytest.mark.parametrize(("surplus", "expected"), [(380_000, 27_380_000), (-380_000, 19_020_000)])
def test_a8_department_formula(tmp_path: Path, surplus: float, expected: int) -> None:
    """50,000 × 6.5 + operations 45,000 + intervention 12,000 ± 0.11 × 380,000 − 150,000."""
    changes = {
        "series": {"doctor": {"basis": "points", "value": "fixed", "price": 6.5}},
        "pool.approved_total": 500_000.0,
        "drg": {
            "kind": "surplus_share",
            "surplus": "insurance",
            "funding": "outside",
            "shares": {"外科": {"k": 0.11}},
        },
        "costs": {"borne": {"直接成本": 1.0}, "funding": "outside"},
        "single_items.funding": "outside",
    } | NO_QUALITY
    result = one_ward(
        tmp_path,
        changes,
        surplus,
        items="项目编码,类别,点数\n0102,医疗服务,1\n",
        role_shares="科室编码,项目类别,医生\nS1,*,1\n",
        charges="收费日期,项目编码,数量,金额,开单科室,执行科室\n2026-10-01,0102,50000,1,S1,S1\n",
        costs="科室编码,成本项目,金额\nS1,直接成本,150000\n",
        single_items="科室编码,工号,事项,金额\nS1,,手术,45000\nS1,,介入,12000\n",
    )
    row = pool_of(result, "S1", "doctor")
    assert row["points_fen"] == 32_500_000
    assert row["pool_fen"] == expected
    assert pay_of(result, "1")["total_fen"] == expected


def test_a9_tiers() -> None:
    kind = DrgKind(gain=0.30, gain_cap=60_000.0, loss=0.15, loss_cap=40_000.0)
    surplus = np.array([150_000, 300_000, -120_000, -400_000], dtype=np.int64) * 100
    assert (drg_amount(surplus, kind) / 100).tolist() == [45_000, 60_000, -18_000, -40_000]


def test_a10_threshold() -> None:
    factors = [quality_factor(score, "threshold", 85.0) for score in (83, 85, 92)]
    assert [1000 * factor for factor in factors] == [830, 1000, 1000]


def test_a10_on_points_in_a_month(tmp_path: Path) -> None:
    """Two wards of 1,000 points, one at 83: 830 and 1,000 parts of the pool."""
    quality = {
        "kind": "threshold",
        "threshold": 85.0,
        "applies_to": "points",
        "deduction": "redistribute",
        "missing": "refuse",
    }
    changes = {
        "series": {"doctor": {"basis": "points", "value": "budget", "pool": 1830.0}},
        "quality": quality,
    }
    result = one_ward(
        tmp_path,
        changes | {"department_amounts": {"*": {"doctor": 1.0}}},
        0,
        departments="科室编码,科室名称,类型\nS1,一,外科\nS2,二,外科\n",
        items="项目编码,类别,点数\n0102,医疗服务,1\n",
        role_shares="科室编码,项目类别,医生\n*,*,1\n",
        staff="工号,科室编码,系列\n1,S1,医生\n2,S2,医生\n",
        charges=(
            "收费日期,项目编码,数量,金额,开单科室,执行科室\n"
            "2026-10-01,0102,1000,1,S1,S1\n2026-10-01,0102,1000,1,S2,S2\n"
        ),
        quality="科室编码,质量得分\nS1,83\nS2,85\n",
    )
    assert [pay_of(result, name)["total_fen"] for name in "12"] == [83_000, 100_000]


def test_a13_administration() -> None:
    assert administration_pay(320_000, 0.8, 1.2, 0.98, 0.99) == 298_045


@pytest.mark.parametrize(
    ("remainder", "expected"),
    [("largest", [404_288, 306_279, 289_433]), ("first", [404_289, 306_278, 289_433])],
)
def test_a14_largest_remainder(remainder: str, expected: list[int]) -> None:
    weights = np.array([1.2 * 22, 1.0 * 20, 0.9 * 21])
    assert cut_pool(1_000_000, weights, ["1", "2", "3"], remainder).tolist() == expected


@pytest.mark.parametrize(
    ("remainder", "expected"),
    [("largest", [404_288, 306_279, 289_433]), ("first", [404_289, 306_278, 289_433])],
)
def test_a14_in_a_month(tmp_path: Path, remainder: str, expected: list[int]) -> None:
    changes = {
        "series": {"doctor": {"basis": "points", "value": "budget", "pool": 10_000.0}},
        "staff.attendance": "days",
        "staff.remainder": remainder,
    } | NO_QUALITY
    result = one_ward(
        tmp_path,
        changes,
        0,
        role_shares="科室编码,项目类别,医生\nS1,*,1\n",
        staff="工号,科室编码,系列,岗位系数\n1,S1,医生,1.2\n2,S1,医生,1\n3,S1,医生,0.9\n",
        attendance="工号,应出勤天数,实际出勤天数\n1,22,22\n2,22,20\n3,22,21\n",
    )
    assert result.staff_pay["total_fen"].tolist() == expected


def test_a15_average_of_three(tmp_path: Path) -> None:
    """6,156.34 × 80 % × 1.0 / 3, the rest being the head's fund."""
    changes = {
        "series": {"doctor": {"basis": "points", "value": "budget", "pool": 6156.34}},
        "staff.head_fund_share": 0.2,
    } | NO_QUALITY
    result = one_ward(
        tmp_path,
        changes,
        0,
        role_shares="科室编码,项目类别,医生\nS1,*,1\n",
        staff="工号,科室编码,系列\n1,S1,医生\n2,S1,医生\n3,S1,医生\n",
        attendance="工号,应出勤天数,实际出勤天数\n1,22,22\n2,22,22\n3,22,22\n",
    )
    assert result.staff_pay["total_fen"].tolist() == [164_169, 164_169, 164_169]
    assert pool_of(result, "S1", "doctor")["head_fund_fen"] == 615_634 - 3 * 164_169


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
