"""Acceptance figures A1-A5 and A12 of allocation.md §9, through a plan and files."""

from __future__ import annotations

import csv
from decimal import Decimal
from pathlib import Path

import pytest
from points_month import HEAD, persons, plan_of, points, work_of

from drg_engine.money import to_fen
from performance import item_words

CASES = Path(__file__).parent / "data" / "allocation"
FACTOR_2023 = 33.8872
DOCTORS = "科室编码,项目类别,医生\n*,*,1\n"


def cases(name: str) -> list[dict[str, str]]:
    with (CASES / f"{name}.csv").open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def money_of(point: float) -> str:
    """Points × the conversion factor of 2023, rounded once, in dollars."""
    return str((Decimal(int(to_fen(point * FACTOR_2023))) / 100).quantize(Decimal("0.01")))


@pytest.mark.parametrize("case", cases("rvu"), ids=lambda case: f"{case['figure']} {case['code']}")
def test_values_of_rvu(tmp_path: Path, case: dict[str, str]) -> None:
    items = "项目编码,类别,工作量RVU,业务成本RVU,责任险RVU\n"
    items += f"X,医疗服务,{case['work']},{case['practice']},{case['malpractice']}\n"
    plan = plan_of(points={"indices": [float(x) for x in case["indices"].split()]})
    charges = HEAD + "2026-10-12,C1,X,1,1,S1,1,S1,1\n"
    work = work_of(tmp_path, plan, items=items, role_shares=DOCTORS, charges=charges)
    point = points(work, "execution")["S1", "doctor"]
    assert f"{point:.6f}" == f"{float(case['points']):.6f}"
    assert money_of(point) == f"{float(case['money']):.2f}"


@pytest.mark.parametrize("case", cases("sessions"), ids=lambda case: case["what"])
def test_sessions(tmp_path: Path, case: dict[str, str]) -> None:
    charges = HEAD.strip() + ",修饰\n"
    for line in case["lines"].split(";"):
        code, _, mark = line.partition(":")
        charges += f"2026-10-12,C1,{code},1,1,S1,1,S1,1,{mark}\n"
    items = (CASES / "session_items.csv").read_text(encoding="utf-8")
    given = {"items": items, "role_shares": DOCTORS, "charges": charges}
    work = work_of(tmp_path, plan_of(sessions={}), **given)
    point = points(work, "execution")["S1", "doctor"]
    assert f"{point:.6f}" == f"{float(case['points']):.6f}"
    assert money_of(point) == case["money"]


@pytest.mark.parametrize("case", cases("line_points"), ids=lambda case: case["figure"])
def test_points_of_a_line(tmp_path: Path, case: dict[str, str]) -> None:
    items = "项目编码,类别,点数,开单系数\n"
    items += f"0102,医疗服务,{case['points']},{case['order_coefficient']}\n"
    shares = f"科室编码,项目类别,医生,医技,护理\n*,*,{case['doctor']},0,{case['nurse']}\n"
    charges = HEAD + f"2026-10-12,C1,0102,{case['quantity']},1,S1,1,S1,2\n"
    work = work_of(tmp_path, items=items, role_shares=shares, charges=charges)
    found = (points(work, "order"), points(work, "execution"))
    for side, series, name in (
        (0, "doctor", "order"),
        (1, "doctor", "doctor"),
        (1, "nurse", "nurse"),
    ):
        wanted = float(case[f"{name}_points"])
        assert round(found[side].get(("S1", series), 0.0) * 1e6) == round(wanted * 1e6), name


def test_a5_in_words(tmp_path: Path) -> None:
    table = work_of(tmp_path).points.table
    words = dict(
        zip(zip(table["source"], table["series"], strict=True), item_words(table), strict=True)
    )
    assert words == {
        ("order", "doctor"): "200 × 1.5 × 0.2 = 60",
        ("execution", "doctor"): "200 × 1.5 × 0.6 = 180",
        ("execution", "nurse"): "200 × 1.5 × 0.4 = 120",
    }


@pytest.mark.parametrize("case", cases("nursing"), ids=lambda case: case["figure"])
def test_nursing_workload(tmp_path: Path, case: dict[str, str]) -> None:
    nursing = "科室编码,床日,入院人次,出院人次,护理费,护理治疗费,护理时数,护理岗位数\n"
    nursing += f"S1,{case['bed_days']},{case['admissions']},{case['discharges']},"
    nursing += f"{float(case['charges']) / 4:.2f},{float(case['charges']) * 3 / 4:.2f},"
    nursing += f"{case['hours']},{case['posts']}\n"
    rest = Decimal(case["shifts"]) - Decimal(case["share"])
    shifts = f"工号,科室编码,班次,次数\n2,S1,白班,{case['share']}\n5,,白班,{rest}\n"
    section = {"points": float(case["points"]), "coefficient": float(case["coefficient"])}
    plan = plan_of(nursing=section | {"shifts": {"白班": 0.0}})
    work = work_of(tmp_path, plan, charges=HEAD, nursing=nursing, shifts=shifts)
    assert points(work, "nursing") == {("S1", "nurse"): float(case["ward"])}
    assert persons(work)["S1", "nurse", "2"] == float(case["nurse"])
    table = work.points.table
    parts = {
        name: value / 1e6
        for name, value in zip(table["item_name"], table["points_e6"], strict=True)
    }
    assert parts["护理工作量"] == float(case["workload"])
    assert parts.get("护理等级", 0.0) == float(case["grade"])


def test_a12_in_words(tmp_path: Path) -> None:
    nursing = "科室编码,床日,入院,出院,护理费,护理时数,岗位数\nS1,900,120,118,90000,3.2,20\n"
    plan = plan_of(nursing={"points": 2.5, "coefficient": 1.1})
    work = work_of(tmp_path, plan, charges=HEAD, nursing=nursing)
    assert sorted(item_words(work.points.table)) == [
        "(900 + 0.5 × 120 + 0.5 × 118) × 2.5 = 2547.5",
        "90000 × 3.2 ÷ (900 × 20) × 1.1 = 17.6",
    ]
