"""Two runs side by side: what changed and why; the causes add up to the fen."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import openpyxl
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drg_engine.compare import PERSON_CAUSES, UNIT_CAUSES, Comparison, RunTables, compare_runs
from drg_engine.compare_paid import planned_against_paid, planned_by_department
from drg_engine.money import share_out, to_fen
from reports.compare import write_compare_workbook

PARTS = ("formula", "drg", "cost", "quality", "quality_pool", "floor", "bounds", "single")


def unit(
    department: str, points: float, coefficient: float, value: float, **fen: int
) -> dict[str, Any]:
    """A row of department_pools; ``extra`` is money that no part names."""
    row: dict[str, Any] = {
        "department": department, "series": "doctor", "department_name": f"{department} 科",
        "basis": "points", "points_e6": round(points * 1e6), "staff_weight": 0.0,
        "coefficient": coefficient, "weight": points * coefficient, "value": value,
        "head_fund_fen": fen.get("head_fund", 0),
        **{f"{name}_fen": fen.get(name, 0) for name in PARTS},
    }  # fmt: skip
    row["points_fen"] = int(to_fen(points * coefficient * value))
    row["pool_fen"] = row["points_fen"] - row["cost_fen"] + fen.get("extra", 0)
    row["pool_fen"] += sum(row[f"{name}_fen"] for name in PARTS if name != "cost")
    return row


def pay(units: list[dict[str, Any]], staff: list[tuple[str, str, float, float, int]],
        average: float = 0.0) -> list[dict[str, Any]]:  # fmt: skip
    """Rows of staff_pay, cut from the pools: id, department, coefficient, attendance, single."""
    rows = []
    for row in units:
        own = [person for person in staff if person[1] == row["department"]]
        if not own:
            continue
        weights = np.array([c * a for _, _, c, a, _ in own])
        ids = [name for name, *_ in own]
        shared = row["pool_fen"] - row["head_fund_fen"]
        even = int(to_fen(shared / 100 * average))
        evens = share_out(even, np.ones(len(own)), ids)
        parts = share_out(shared - even, weights, ids)
        for person, weight, part, by_head in zip(own, weights, parts, evens, strict=True):
            name, department, coefficient, attendance, single = person
            rows.append({
                "staff_id": name, "name": f"某{name}", "department": department,
                "series": "doctor", "coefficient": coefficient, "attendance": attendance,
                "weight": weight, "average_fen": int(by_head), "performance_fen": int(part),
                "single_fen": single, "total_fen": int(part) + int(by_head) + single,
            })  # fmt: skip
    return rows


def tables(label: str, units: list[dict[str, Any]], people: list[dict[str, Any]],
           corrections: list[dict[str, Any]] | None = None) -> RunTables:  # fmt: skip
    series = pd.DataFrame([{
        "series": "doctor", "label": "医生", "pool_fen": sum(row["pool_fen"] for row in units),
        "weight": sum(row["weight"] for row in units), "value": units[0]["value"] if units else 0.0,
    }])  # fmt: skip
    return RunTables(label, pd.DataFrame(units), pd.DataFrame(people), series,
                     pd.DataFrame(corrections or []))  # fmt: skip


STAFF = [("1", "D1", 1.5, 1.0, 0), ("2", "D1", 1.0, 1.0, 0), ("3", "D2", 1.0, 0.5, 0)]
UNITS = [unit("D1", 1000.0, 1.1, 6.5), unit("D2", 400.0, 1.0, 6.5)]


def month(units: list[dict[str, Any]] = UNITS, staff: list[Any] = STAFF, **more: Any) -> RunTables:
    return tables("某月", units, pay(units, staff, more.pop("average", 0.0)), **more)


def assert_adds_up(compared: Comparison, old: RunTables, new: RunTables) -> None:
    """Added up by this test: every row's causes, and all rows."""
    for frame, causes in ((compared.units, UNIT_CAUSES), (compared.people, PERSON_CAUSES)):
        told = sum(frame[f"{cause}_fen"] for cause in causes)
        assert (told == frame["difference_fen"]).all()
        assert (frame["new_fen"] - frame["old_fen"] == frame["difference_fen"]).all()
    for name, column in (("units", "pool_fen"), ("people", "total_fen")):
        before, after = (getattr(side, name) for side in (old, new))
        sums = [int(side[column].sum()) if len(side) else 0 for side in (before, after)]
        assert int(getattr(compared, name)["old_fen"].sum()) == sums[0]
        assert int(getattr(compared, name)["new_fen"].sum()) == sums[1]


def moved(row: pd.Series[Any], causes: Any) -> dict[str, int]:
    return {name: int(row[f"{name}_fen"]) for name in causes if row[f"{name}_fen"]}


def one(frame: pd.DataFrame, column: str, key: str) -> pd.Series[Any]:
    found = frame[frame[column] == key]
    assert len(found) == 1
    return found.iloc[0]


def test_a_run_against_itself_differs_in_nothing() -> None:
    compared = compare_runs(month(), month())
    assert not compared.units["difference_fen"].any()
    assert not compared.people["difference_fen"].any()
    assert set(compared.units["words"]) == set(compared.people["words"]) == {""}


def test_points_coefficient_and_value_worked_by_hand() -> None:
    """D1: 1000 × 1.1 × 6.5 = 7,150.00, then 1200 × 1.2 × 6.0 = 8,640.00.

    Points 1200 × 1.1 × 6.5 = 8,580.00 (+1,430.00); coefficient 1200 × 1.2 × 6.5 = 9,360.00
    (+780.00); value −720.00.
    """
    changed = [unit("D1", 1200.0, 1.2, 6.0), UNITS[1]]
    old, new = month(), month(changed)
    compared = compare_runs(old, new)
    row = one(compared.units, "department", "D1")
    assert (row["old_fen"], row["new_fen"]) == (715_000, 864_000)
    wanted = {"points": 143_000, "coefficient": 78_000, "value": -72_000}
    assert moved(row, UNIT_CAUSES) == wanted
    assert row["words"] == (
        "点数 1000 → 1200 +1,430.00；科室系数 1.1 → 1.2 +780.00；点值 6.5 → 6 −720.00"
    )
    # person 1 has 1.5 of 2.5: 4,290.00, then 5,184.00; 60 % of every cause
    person = one(compared.people, "staff_id", "1")
    assert (person["old_fen"], person["new_fen"]) == (429_000, 518_400)
    wanted = {"points": 85_800, "coefficient": 46_800, "value": -43_200}
    assert moved(person, PERSON_CAUSES) == wanted
    assert_adds_up(compared, old, new)


@pytest.mark.parametrize(
    ("given", "cause", "fen"),
    [
        ({"drg": 50_000}, "drg", 50_000),
        ({"cost": 30_000}, "cost", -30_000),
        ({"quality": -2_000}, "quality", -2_000),
        ({"quality_pool": 4_000}, "quality_pool", 4_000),
        ({"formula": 5_500}, "formula", 5_500),
        ({"floor": 7}, "floor", 7),
        ({"bounds": -900}, "bounds", -900),
        ({"single": 10_001}, "single", 10_001),
        ({"extra": 123}, "rest", 123),
    ],
)
def test_every_part_of_a_unit_is_a_cause(given: dict[str, int], cause: str, fen: int) -> None:
    old, new = month(), month([unit("D1", 1000.0, 1.1, 6.5, **given), UNITS[1]])
    compared = compare_runs(old, new)
    assert moved(one(compared.units, "department", "D1"), UNIT_CAUSES) == {cause: fen}
    assert_adds_up(compared, old, new)
    person = one(compared.people, "staff_id", "1")
    others = {"single": "unit_single", "floor": "bounds", "rest": "bounds"}
    name = (others | {"quality_pool": "quality"}).get(cause, cause)
    assert set(moved(person, PERSON_CAUSES)) <= {name, "rest"}
    assert abs(int(person[f"{name}_fen"]) - 0.6 * fen) <= 1


def test_attendance_and_the_others_worked_by_hand() -> None:
    """Person 2 at half: weights 1.5 + 0.5 = 2; 7,150.00 is cut 5,362.50 and 1,787.50.

    Person 2 had 1/2.5 = 2,860.00; own attendance at the old sum 0.5/2.5 = 1,430.00 (−1,430.00),
    then the others' sum falls to 2: 1,787.50 (+357.50).  Person 1 gets it all from the others.
    """
    staff = [STAFF[0], ("2", "D1", 1.0, 0.5, 0), STAFF[2]]
    old, new = month(), month(staff=staff)
    compared = compare_runs(old, new)
    person = one(compared.people, "staff_id", "2")
    assert moved(person, PERSON_CAUSES) == {"attendance": -143_000, "others": 35_750}
    assert person["words"] == "本人出勤 1 → 0.5 −1,430.00；同组人员 +357.50"
    assert moved(one(compared.people, "staff_id", "1"), PERSON_CAUSES) == {"others": 107_250}
    assert not compared.units["difference_fen"].any()
    assert_adds_up(compared, old, new)


def test_a_factor_of_the_drg_part_is_a_cause() -> None:
    """1000 × 1.1 × 6.5 × 1.2 = 8,580.00."""
    changed = unit("D1", 1000.0, 1.1, 6.5 * 1.2)  # its points part is what the factor makes it
    changed |= {"drg_factor": 1.2, "weight": 1000.0 * 1.1 * 1.2, "value": 6.5}
    row = one(compare_runs(month(), month([changed, UNITS[1]])).units, "department", "D1")
    assert moved(row, UNIT_CAUSES) == {"drg_factor": 143_000}
    assert row["words"] == "DRG 系数 1 → 1.2 +1,430.00"


def test_a_series_paid_by_a_mean_has_causes_of_its_own() -> None:
    """The mean is no point value, and the department's coefficient has no part in the pay.

    8,000 for 10 of weight, then 10,800 for 12: 2 × 800 by weight, 12 × 100 by what one gets.
    """
    old = unit("D1", 10.0, 0.5, 1000.0) | {"weight": 10.0, "basis": "staff", "staff_weight": 10.0}
    old |= {"points_fen": 800_000, "pool_fen": 800_000}
    new = old | {"weight": 12.0, "staff_weight": 12.0, "value": 1300.0, "coefficient": 0.8}
    new |= {"points_fen": 1_080_000, "pool_fen": 1_080_000}
    given = [month([row], [("1", "D1", 1.0, 1.0, 0)]) for row in (old, new)]
    compared = compare_runs(*given)
    assert_adds_up(compared, *given)
    row = compared.units.iloc[0]
    assert moved(row, UNIT_CAUSES) == {"points": 160_000, "value": 120_000}
    assert (row["value_old"], row["value_new"]) == (800.0, 900.0)
    assert moved(compared.people.iloc[0], PERSON_CAUSES) == {"points": 160_000, "value": 120_000}


def test_pay_that_is_not_by_weight_keeps_its_causes() -> None:
    """Cut 80 : 20 by something else than coefficient × attendance; the pool falls by a tenth."""
    sides = []
    for points in (1000.0, 900.0):
        units = [unit("D1", points, 1.0, 10.0)]
        rows = pay(units, STAFF[:2])
        for row, share in zip(rows, (0.8, 0.2), strict=True):
            row["performance_fen"] = row["total_fen"] = round(share * units[0]["pool_fen"])
        sides.append(tables("某月", units, rows))
    people = compare_runs(*sides).people.set_index("staff_id")
    assert moved(people.loc["1"], PERSON_CAUSES) == {"points": -80_000}
    assert moved(people.loc["2"], PERSON_CAUSES) == {"points": -20_000}


def test_own_coefficient_single_items_and_corrections() -> None:
    staff = [("1", "D1", 1.5, 1.0, 0), ("2", "D1", 1.25, 1.0, 30_000), STAFF[2]]
    corrections = [{"for_period": "2026-09", "staff_id": "2", "department": "", "series": "",
                    "amount_fen": 20_000}]  # fmt: skip
    old, new = month(), month(staff=staff, corrections=corrections)
    person = one(compare_runs(old, new).people, "staff_id", "2")
    # own: 7,150.00 × 1.25 / 2.5 = 3,575.00 from 2,860.00; others: 7,150.00 × 1.25 / 2.75
    assert moved(person, PERSON_CAUSES) == {
        "own": 71_500, "others": 325_000 - 357_500, "single": 10_000, "correction": 20_000,
    }  # fmt: skip
    assert_adds_up(compare_runs(old, new), old, new)


def test_who_comes_goes_and_moves() -> None:
    staff = [("1", "D2", 1.5, 1.0, 0), ("2", "D1", 1.0, 1.0, 0), ("4", "D2", 1.0, 1.0, 50)]
    old, new = month(), month(staff=staff)
    people = compare_runs(old, new).people
    moving = one(people, "staff_id", "1")
    assert moving["department"] == "D2"
    assert set(moved(moving, PERSON_CAUSES)) == {"moved"}
    gone, come = one(people, "staff_id", "3"), one(people, "staff_id", "4")
    assert moved(gone, PERSON_CAUSES) == {"moved": -260_000}
    assert (gone["new_fen"], come["old_fen"]) == (0, 0)
    assert moved(come, PERSON_CAUSES) == {"moved": 104_000, "single": 50}
    assert_adds_up(compare_runs(old, new), old, new)


def test_units_that_open_and_close() -> None:
    old, new = month(), month([UNITS[0], unit("D9", 100.0, 1.0, 6.5)])
    units = compare_runs(old, new).units
    assert moved(one(units, "department", "D9"), UNIT_CAUSES) == {"unit": 65_000}
    assert moved(one(units, "department", "D2"), UNIT_CAUSES) == {"unit": -260_000}
    assert one(units, "department", "D2")["department_name"] == "D2 科"
    assert_adds_up(compare_runs(old, new), old, new)


def test_head_fund_and_even_shares_are_told_apart() -> None:
    """A tenth is cut evenly now: person 1 gets 0.1 × 7,150 / 2 + 0.9 × 4,290 = 4,218.50."""
    old, new = month(), month(average=0.1)
    person = one(compare_runs(old, new).people, "staff_id", "1")
    assert moved(person, PERSON_CAUSES) == {"unit_rest": 421_850 - 429_000}
    assert_adds_up(compare_runs(old, new), old, new)


def test_a_correction_of_a_unit_is_told_apart_from_its_single_items() -> None:
    corrections = [{"for_period": "2026-09", "staff_id": "", "department": "D1",
                    "series": "doctor", "amount_fen": 4_000}]  # fmt: skip
    changed = [unit("D1", 1000.0, 1.1, 6.5, single=5_000), UNITS[1]]
    old, new = month(), month(changed, corrections=corrections)
    row = one(compare_runs(old, new).units, "department", "D1")
    assert moved(row, UNIT_CAUSES) == {"single": 1_000, "correction": 4_000}
    assert_adds_up(compare_runs(old, new), old, new)


AMOUNT = st.integers(0, 50_000)
FACTOR = st.sampled_from([0.0, 0.5, 0.8, 1.0, 1.25, 2.0])


@st.composite
def months(draw: st.DrawFn) -> RunTables:
    """A month of up to four units, and up to eight people with weight where there is money."""
    value = draw(st.floats(0.01, 50.0))
    units = [
        unit(
            f"D{n}", draw(st.integers(0, 10**6)) / 100, draw(FACTOR), value,
            **{name: draw(AMOUNT) for name in PARTS if name not in ("cost", "quality")},
            extra=draw(AMOUNT), head_fund=draw(st.integers(0, 0) | AMOUNT),
        )
        for n in draw(st.lists(st.integers(1, 4), unique=True, min_size=1))
    ]  # fmt: skip
    for row in units:
        row["head_fund_fen"] = min(row["head_fund_fen"], row["pool_fen"])
    staff = [
        (str(n), draw(st.sampled_from([row["department"] for row in units])), draw(FACTOR),
         draw(FACTOR), draw(AMOUNT))
        for n in draw(st.lists(st.integers(1, 8), unique=True))
    ]  # fmt: skip
    staff += [(f"h{row['department']}", row["department"], 1.0, 1.0, 0) for row in units]
    return tables("某月", units, pay(units, staff, draw(st.sampled_from([0.0, 0.3, 1.0]))))


@settings(max_examples=25)
@given(months(), months())
def test_causes_add_up_whatever_changed(old: RunTables, new: RunTables) -> None:
    assert_adds_up(compare_runs(old, new), old, new)


@settings(max_examples=6)
@given(months(), months(), st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(old: RunTables, new: RunTables, chance: Any) -> None:
    order = list(range(len(new.people)))
    chance.shuffle(order)
    mixed = copy.copy(new)
    object.__setattr__(mixed, "people", new.people.iloc[order])
    object.__setattr__(mixed, "units", new.units.iloc[::-1])
    one_way, other = compare_runs(old, new), compare_runs(old, mixed)
    pd.testing.assert_frame_equal(one_way.people, other.people)
    pd.testing.assert_frame_equal(one_way.units, other.units)


# ---- planned against paid


def test_planned_against_paid() -> None:
    people = pd.DataFrame(
        {
            "staff_id": ["1", "1", "2", "3"],
            "name": ["甲", "甲", "乙", "丙"],
            "department": ["D1", "D2", "D1", "D2"],
            "total_fen": [10_000, 5_000, 20_000, 700],
        }
    )
    paid = pd.DataFrame({"staff_id": ["2", "1", "9"], "paid_fen": [0, 12_000, 300]})
    table = planned_against_paid(people, paid)
    assert table["staff_id"].tolist() == ["1", "2", "3", "9", "合计"]
    assert table["planned_fen"].tolist() == [15_000, 20_000, 700, 0, 35_700]
    assert table["paid_fen"].tolist() == [12_000, 0, 0, 300, 12_300]
    assert table["difference_fen"].tolist() == [3_000, 20_000, 700, -300, 23_400]
    assert table["ratio"].tolist()[0] == 1.25
    assert table["ratio"].isna().tolist() == [False, True, True, False, False]
    assert table["note"].tolist() == ["", "", "不在实发名单", "不在应发名单", ""]
    by_department = planned_by_department(table)
    assert by_department["department"].tolist() == ["", "D1", "D2", "合计"]
    assert by_department["difference_fen"].tolist() == [-300, 23_000, 700, 23_400]


def test_the_workbook_holds_what_was_compared(tmp_path: Any) -> None:
    compared = compare_runs(month(), month([unit("D1", 1200.0, 1.2, 6.0), UNITS[1]]))
    about = pd.DataFrame([("=原", "甲")], columns=["section", "content"])
    held = {"about": about, "series": compared.series, "units": compared.units,
            "people": compared.people}  # fmt: skip
    for name in ("一.xlsx", "二.xlsx"):
        write_compare_workbook("测试医院", "甲 → 乙", held, tmp_path / name)
    assert (tmp_path / "一.xlsx").read_bytes() == (tmp_path / "二.xlsx").read_bytes()
    opened = openpyxl.load_workbook(tmp_path / "一.xlsx")
    assert opened.sheetnames == ["说明", "系列", "科室", "人员"]
    cells = [[cell.value for cell in row] for row in opened["科室"].iter_rows()]
    row = next(row for row in cells if row[1] == "D1")
    assert row[4:7] == [7150, 8640, 1490]
    assert not [c for r in opened["说明"].iter_rows() for c in r if c.data_type == "f"]
