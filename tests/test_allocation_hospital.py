"""The small hospital of tests/data/allocation, ways to change it, and one month worked by hand."""

from __future__ import annotations

import shutil
import tomllib
from pathlib import Path
from typing import Any

import pandas as pd

from performance import (
    Allocation,
    DrgSurplus,
    Inputs,
    Plan,
    allocate,
    check_plan,
    item_words,
    read_inputs,
)

SMALL = Path(__file__).parent / "data" / "allocation" / "small"
STANDING = ("items", "departments", "role_shares", "staff", "posts")
REMOVED = object()


def make_plan(changes: dict[str, Any] | None = None) -> Plan:
    """The small hospital's plan with changed keys (dotted paths; REMOVED takes a key away)."""
    raw = tomllib.loads((SMALL / "plan.toml").read_text(encoding="utf-8"))
    for key, value in (changes or {}).items():
        *path, last = key.split(".")
        place = raw
        for part in path:
            place = place.setdefault(part, {})
        if value is REMOVED:
            del place[last]
        else:
            place[last] = value
    return check_plan(raw)


def make_inputs(folder: Path, period: str | None = "2026-10", **texts: str) -> Inputs:
    """The small hospital's inputs with whole files replaced by other text."""
    shutil.copytree(SMALL, folder, dirs_exist_ok=True)
    for name, text in texts.items():
        place = folder / ("tables" if name in STANDING else "inputs") / f"{name}.csv"
        place.write_text(text, encoding="utf-8")
    return read_inputs(folder / "tables", folder / "inputs", period)


def surplus_of(basis: str = "insurance", **yuan: float) -> DrgSurplus:
    table = {"department": list(yuan), "surplus_fen": [round(x * 100) for x in yuan.values()]}
    return DrgSurplus(basis, pd.DataFrame(table))


SURPLUS = surplus_of(D101=50_000, D201=-30_000, D301=2_000)


def run_small(
    folder: Path, changes: dict[str, Any] | None = None, surplus: DrgSurplus = SURPLUS, **texts: str
) -> Allocation:
    return allocate(make_plan(changes), make_inputs(folder, **texts), surplus)


def pool_of(result: Allocation, department: str, series: str) -> pd.Series:
    pools = result.department_pools
    row = pools[(pools["department"] == department) & (pools["series"] == series)]
    assert len(row) == 1
    return row.iloc[0]


def pay_of(result: Allocation, staff_id: str) -> pd.Series:
    row = result.staff_pay[result.staff_pay["staff_id"] == staff_id]
    assert len(row) == 1
    return row.iloc[0]


def assert_closed(result: Allocation) -> None:
    """Every level adds up to the fen, told by this test's own sums."""
    pools, pay, totals = result.department_pools, result.staff_pay, result.series_totals
    known = pools[pools["department"] != "UNKNOWN"]
    shared = pay.assign(shared=pay["average_fen"] + pay["performance_fen"])
    staff = shared.groupby(["department", "series"])["shared"].sum()
    for row in known.to_dict("records"):
        key = (row["department"], row["series"])
        kept = row["head_fund_fen"] + row["department_single_fen"]
        assert staff.get(key, 0) + kept == row["pool_fen"], key
        parts = row["points_fen"] + row["formula_fen"] + row["drg_fen"] - row["cost_fen"]
        parts += row["quality_fen"] + row["quality_pool_fen"]
        parts += row["floor_fen"] + row["bounds_fen"] + row["single_fen"]
        assert parts == row["pool_fen"], key
    held = known["head_fund_fen"].sum() + known["department_single_fen"].sum()
    assert known["pool_fen"].sum() - held == shared["shared"].sum()
    for row in totals.to_dict("records"):
        own = pools[pools["series"] == row["series"]]["pool_fen"].sum()
        borne = pools[pools["series"] == row["series"]]["department_single_fen"].sum()
        kept = row["withheld_fen"] + row["reserve_fen"] + row["personal_single_fen"] - borne
        assert own + kept == row["approved_fen"] + row["fund_used_fen"], row["series"]
        assert row["difference_fen"] == 0
    assert (pay["total_fen"] == shared["shared"] + pay["single_fen"]).all()
    assert result.person_pay["total_fen"].sum() == pay["total_fen"].sum() == result.paid_fen
    assert result.staff_parts["amount_fen"].sum() == shared["shared"].sum()
    funds = result.head_funds
    left = funds["opening_fen"] + funds["kept_fen"] - funds["used_fen"]
    assert (left == funds["closing_fen"]).all()
    assert (funds["closing_fen"] >= 0).all()
    assert (result.control_totals["difference"] == 0).all()


def test_points_of_the_month(tmp_path: Path) -> None:
    """Points worked out by hand from the fifteen charge lines."""
    result = run_small(tmp_path)
    points = result.department_points.set_index(["department", "series"])["points_e6"] / 1e6
    # D101 doctor: order 3x120x0.2; executed 0.6 x (3x120 + 12x1.5 + 30x3.25)
    assert points["D101", "doctor"] == 72 + 216 + 10.8 + 58.5
    # D101 nurse: the nurse's own 4 points for nursing days
    assert points["D101", "nurse"] == 144 + 7.2 + 48
    # D401: 15 + 22 at 2 points, then 9 - 1 at 2.5 from 15 October
    assert points["D401", "technician"] == 37 * 2 + 8 * 2.5
    assert points["D402", "doctor"] == 7 * 20 * 0.3
    assert points["D402", "technician"] == 7 * 20 * 0.7


def test_technicians_worked_by_hand(tmp_path: Path) -> None:
    """12,000 less 2 % reserve; costs of 250.03 return to the pool; quality stays with the hospital.

    v = (11,760.00 + 250.03) / (94 + 98) = 62.55223958; D401: 94 v = 5,879.91, less 250.03 is
    5,629.88, at 92 points 5,179.49; D402: 98 v = 6,130.12.
    """
    result = run_small(tmp_path)
    row = pool_of(result, "D401", "technician")
    assert f"{row['value']:.8f}" == "62.55223958"
    assert (row["points_fen"], row["cost_fen"], row["pool_fen"]) == (587_991, 25_003, 517_949)
    assert pool_of(result, "D402", "technician")["pool_fen"] == 613_012
    assert pay_of(result, "100009")["total_fen"] == 339_021
    assert pay_of(result, "100010")["total_fen"] == 178_928
    totals = result.series_totals.set_index("series").loc["technician"]
    assert totals["withheld_fen"] == 1_200_000 - 24_000 - 517_949 - 613_012
    assert "点数 94 × 点值 62.55223958 = 5,879.91" in row["words"]
    assert "维修 2,500.25 × 0.1 = 250.03" in row["words"]
    assert row["words"].endswith(
        "点数部分 5,879.91 − 承担成本 250.03 − 质量调整 450.39 = 科室奖金 5,179.49"
    )


def test_the_month_closes(tmp_path: Path) -> None:
    result = run_small(tmp_path)
    assert_closed(result)
    totals = result.series_totals
    assert totals["approved_fen"].sum() == 6_700_000
    assert list(totals["series"]) == ["doctor", "nurse", "technician", "administration"]
    assert len(result.findings) == 0
    assert list(result.exceptions["kind"]) == ["没有质量得分"]


def test_the_same_inputs_give_the_same_result(tmp_path: Path) -> None:
    first, second = run_small(tmp_path / "a"), run_small(tmp_path / "b")
    for name in ("item_points", "department_pools", "staff_pay", "control_totals", "exceptions"):
        pd.testing.assert_frame_equal(getattr(first, name), getattr(second, name), check_exact=True)
    assert first.plan_hash == second.plan_hash


def test_order_of_rows_does_not_matter(tmp_path: Path) -> None:
    texts = {}
    for path in [*(SMALL / "tables").iterdir(), *(SMALL / "inputs").iterdir()]:
        head, *rows = path.read_text(encoding="utf-8-sig").splitlines()
        texts[path.stem] = "\n".join([head, *reversed(rows)]) + "\n"
    first, second = run_small(tmp_path / "a"), run_small(tmp_path / "b", **texts)
    for name in ("item_points", "department_points", "department_pools", "staff_pay"):
        pd.testing.assert_frame_equal(getattr(first, name), getattr(second, name), check_exact=True)
    pd.testing.assert_frame_equal(first.series_totals, second.series_totals, check_exact=True)


def test_surplus_from_a_rollup() -> None:
    rollup = pd.DataFrame(
        {"department": ["D101", ""], "surplus_fen": [5, -1], "cost_surplus_fen": [7, 2]}
    )
    assert DrgSurplus.from_rollup(rollup, "insurance").table["surplus_fen"].tolist() == [5, -1]
    assert DrgSurplus.from_rollup(rollup, "cost").table["surplus_fen"].tolist() == [7, 2]


def test_shares_of_series_without_staff_go_to_the_others(tmp_path: Path) -> None:
    """D402 has doctors and technicians at work, D401 technicians only."""
    shares = {"technology": {"doctor": 0.3, "technician": 0.5, "nurse": 0.2}}
    changes = {"department_amounts": {"*": {"doctor": 1.0}} | shares}
    single = "科室编码,工号,事项,金额\nD401,,奖,80\nD402,,奖,80\n"
    result = run_small(tmp_path, changes, single_items=single)
    assert_closed(result)
    assert pool_of(result, "D401", "technician")["single_fen"] == 8_000
    assert pool_of(result, "D402", "technician")["single_fen"] == 5_000
    assert pool_of(result, "D402", "doctor")["single_fen"] == 3_000


def test_words_are_exact() -> None:
    """`200 × 1.5 × 0.2 = 60`, as the specification writes it."""
    row = {
        "quantity_e4": [2_000_000],
        "item_points_e4": [15_000],
        "coefficient_e4": [2_000],
        "share_e4": [10_000],
        "points_e6": [60_000_000],
    }
    assert item_words(pd.DataFrame(row)) == ["200 × 1.5 × 0.2 = 60"]
