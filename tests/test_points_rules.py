"""Dates, mappings, shares, calendar, operations, sessions: each rule of allocation.md §2."""

from __future__ import annotations

from pathlib import Path

import pytest
from points_month import HEAD, TABLES, persons, plan_of, points, told, work_of

from drg_engine.errors import AllocationError, InputError
from performance import item_words

FIVE = "2026-10-{day:02d},C1,0102,{q},{q},{order},1,{execution},2\n"


def lines(*rows: tuple[int, float, str, str]) -> str:
    """Charge lines of day, quantity, ordering and executing department."""
    return HEAD + "".join(
        FIVE.format(day=day, q=q, order=order, execution=execution)
        for day, q, order, execution in rows
    )


# ------------------------------------------------------------------------------ dated tables


def test_units_hold_half_open(tmp_path: Path) -> None:
    units = (
        "HIS科室编码,核算单元,生效日期,失效日期\nH9,S1,2026-01-01,2026-10-15\nH9,S2,2026-10-15,\n"
    )
    charges = lines((14, 10, "H9", "H9"), (15, 100, "H9", "H9"), (16, 1, "S1", "S1"))
    found = points(work_of(tmp_path, units=units, charges=charges), "execution")
    assert found["S1", "doctor"] == 9.9
    assert found["S2", "doctor"] == 90


def test_a_code_without_a_unit_on_the_day_is_unknown(tmp_path: Path) -> None:
    units = "HIS科室编码,核算单元,生效日期,失效日期\nH9,S1,2026-10-10,\nS1,S2,2026-01-01,\n"
    work = work_of(tmp_path, units=units, charges=lines((9, 10, "H9", "H9"), (9, 1, "S1", "S1")))
    assert points(work, "execution")["UNKNOWN", "doctor"] == 9
    assert points(work, "execution")["S2", "doctor"] == 0.9
    assert told(work).loc["开单科室无有效对照", "found"] == "H9"
    assert told(work).loc["执行科室无有效对照", "quantity_e4"] == 100_000


def test_a_mapping_to_no_unit_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="核算单元不在科室表（读到“X9”）"):
        work_of(tmp_path, units="HIS科室编码,核算单元\nH9,X9\n")


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        (
            "units",
            "HIS科室编码,核算单元,生效日期,失效日期\nH,S1,,\nH,S2,2026-10-15,\n",
            "有效期重叠",
        ),
        (
            "role_shares",
            "科室编码,项目类别,医生,生效日期\n*,*,1,\n*,*,1,2026-10-02\n",
            "有效期重叠",
        ),
        ("role_shares", "科室编码,项目类别,医生,方式\n*,*,1,平分\n", "不在可选值之内"),
        ("calendar", "日期,类型\n2026-10-01,圣诞\n", "不在可选值之内"),
        ("calendar", "日期,类型\n,周末\n", "不能为空"),
        ("items", "项目编码,类别,点数,同次规则\n1,检查,1,内镜\n", "内镜族"),
        ("items", "项目编码,类别,点数,同次规则,技术点数\n1,检查,2,影像,1\n", "与点数不符"),
        ("items", "项目编码,类别,点数,医生点数,同次规则\n1,检查,2,1,影像\n", "分系列"),
        ("items", "项目编码,类别,点数\n1,检查,\n", "请填写点数或三项 RVU"),
        ("operations", "日期,项目编码,角色,工号\n,0102,主刀,1\n", "不能为空"),
    ],
)
def test_faulty_tables(tmp_path: Path, name: str, text: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        work_of(tmp_path, **{name: text})


SHARES = "科室编码,项目类别,医生,护理,生效日期,失效日期\n"


def test_shares_hold_half_open(tmp_path: Path) -> None:
    shares = SHARES + "*,*,1,0,,2026-10-15\n*,*,0.25,0.75,2026-10-15,\n"
    charges = lines((14, 10, "S1", "S1"), (15, 100, "S1", "S1"))
    found = points(work_of(tmp_path, role_shares=shares, charges=charges), "execution")
    assert found["S1", "doctor"] == 1.5 * (10 + 25)
    assert found["S1", "nurse"] == 1.5 * 75


def test_shares_must_sum_to_one_on_every_day(tmp_path: Path) -> None:
    shares = SHARES + "*,*,1,0,,2026-10-15\n*,*,0.25,0.7,2026-10-15,\n"
    with pytest.raises(InputError, match=r"份额合计须为 1（读到“0\.95”）"):
        work_of(tmp_path, role_shares=shares)


def test_an_item_version_of_the_day_counts(tmp_path: Path) -> None:
    items = (
        "版本,项目编码,类别,点数,生效日期,失效日期\n1,0102,手术,1,2026-01-01,2026-10-15\n"
        "2,0102,手术,3,2026-10-15,\n"
    )
    charges = lines((14, 10, "S1", "S1"), (15, 10, "S1", "S1"))
    work = work_of(tmp_path, items=items, charges=charges)
    assert points(work)["S1", "doctor"] == 0.6 * (10 + 30)
    assert sorted(set(work.points.table["item_version"])) == ["1", "2"]


# ------------------------------------------------------------------- split, duplicate, other units


def test_theatre_beside_the_ward(tmp_path: Path) -> None:
    """The surgeon's part goes to the ordering ward; the theatre's nurses count beside it."""
    shares = (
        "科室编码,项目类别,医生,护理,归属科室,方式\n*,*,1,0,,\n"
        "T1,手术,1,0,开单科室,\nT1,手术,0,0.5,,重复\n"
    )
    work = work_of(tmp_path, role_shares=shares, charges=lines((12, 200, "S1", "T1")))
    assert points(work, "execution") == {("S1", "doctor"): 300.0, ("T1", "nurse"): 150.0}
    assert work.points.cell_points_e6["execution"] == 450_000_000
    assert work.points.plain_points_e6 == 300_000_000
    assert work.points.duplicate_points_e6 == 150_000_000
    table = work.points.table
    from_theatre = table[(table["department"] == "S1") & (table["source"] == "execution")]
    assert from_theatre["from_department"].tolist() == ["T1"]


def test_split_parts_of_several_units_sum_to_the_whole(tmp_path: Path) -> None:
    shares = (
        "科室编码,项目类别,医生,护理,归属科室\n*,*,1,0,\nT1,手术,0.3333,0,开单科室\n"
        "T1,手术,0,0.3333,\nT1,手术,0.3334,0,S2\n"
    )
    items = "项目编码,类别,点数\n0102,手术,0.0001\n"
    work = work_of(tmp_path, items=items, role_shares=shares, charges=lines((12, 1, "S1", "T1")))
    assert sum(points(work, "execution").values()) == pytest.approx(0.0001, abs=1e-12)
    assert set(points(work, "execution")) == {("S1", "doctor"), ("T1", "nurse"), ("S2", "doctor")}


def test_a_share_to_a_strange_unit_is_refused(tmp_path: Path) -> None:
    shares = "科室编码,项目类别,医生,归属科室\n*,*,1,Z9\n"
    with pytest.raises(InputError, match="归属科室不在科室表（读到“Z9”）"):
        work_of(tmp_path, role_shares=shares)


# ------------------------------------------------------------------------------ calendar and dates

OCTOBER = (
    "日期,类型\n2026-10-01,节假日\n2026-10-10,补班\n2026-10-11,周末\n2026-10-03,周末\n"
    "2026-10-03,节假日\n"
)


@pytest.mark.parametrize(
    ("day", "factor"),
    [(1, 2.5), (3, 2.5), (9, 1.0), (10, 1.1), (11, 2.0), (17, 2.0), (18, 2.0), (19, 1.0)],
)
def test_the_first_kind_of_day_counts(tmp_path: Path, day: int, factor: float) -> None:
    """1, 3 holidays (3 a Saturday too); 10 a make-up Saturday; 17, 18 a weekend not in the file."""
    plan = plan_of(calendar={"holiday": 2.5, "makeup": 1.1})
    work = work_of(tmp_path, plan, calendar=OCTOBER, charges=lines((day, 10, "S1", "S1")))
    assert points(work, "order")["S1", "doctor"] == pytest.approx(3 * factor)
    assert points(work, "execution")["S1", "nurse"] == pytest.approx(6 * factor)


def test_calendar_in_words(tmp_path: Path) -> None:
    plan = plan_of(calendar={})
    work = work_of(tmp_path, plan, calendar=OCTOBER, charges=lines((3, 10, "S1", "S1")))
    assert "10 × 1.5 × 0.6 × 2 = 18" in item_words(work.points.table)


def test_calendar_for_some_points_only(tmp_path: Path) -> None:
    given = {"calendar": OCTOBER, "charges": lines((1, 10, "S1", "S1"))}
    work = work_of(tmp_path, plan_of(calendar={"applies_to": ["order"]}), **given)
    assert points(work, "order")["S1", "doctor"] == 6
    assert points(work, "execution")["S1", "doctor"] == 9
    work = work_of(tmp_path, plan_of(calendar={"item_classes": ["检查"]}), **given)
    assert points(work, "order")["S1", "doctor"] == 3


def test_a_calendar_plan_needs_a_calendar(tmp_path: Path) -> None:
    with pytest.raises(AllocationError, match="缺少日历表"):
        work_of(tmp_path, plan_of(calendar={}))


DATED = (
    "收费日期,执行日期,结算日期,来源,项目编码,数量,金额,开单科室,执行科室\n"
    "2026-09-30,2026-10-01,2026-10-31,住院,0102,1,1,S1,S1\n"
    "2026-10-01,2026-11-01,2026-10-02,住院,0102,10,1,S1,S1\n"
    "2026-10-02,2026-10-02,2026-11-02,门诊,0102,100,1,S1,S1\n"
    "2026-10-03,,2026-10-03,门诊,0102,1000,1,S1,S1\n"
)


@pytest.mark.parametrize(
    ("section", "quantity"),
    [
        ({}, 1110),
        ({"default": "execution"}, 101),
        ({"default": "payment"}, 1011),
        ({"rules": [{"source": "门诊", "date": "execution"}]}, 110),
        ({"rules": [{"item_class": "手术", "date": "payment"}]}, 1011),
        ({"rules": [{"item_class": "检查", "date": "payment"}]}, 1110),
        (
            {
                "rules": [
                    {"source": "住院", "item_class": "手术", "date": "execution"},
                    {"date": "payment"},
                ]
            },
            1001,
        ),
    ],
)
def test_which_date_counts(tmp_path: Path, section: dict[str, object], quantity: int) -> None:
    work = work_of(tmp_path, plan_of(dates=section), charges=DATED)
    assert points(work, "order")["S1", "doctor"] == pytest.approx(quantity * 0.3)


def test_a_line_without_the_date_that_counts_is_told(tmp_path: Path) -> None:
    work = work_of(tmp_path, plan_of(dates={"default": "execution"}), charges=DATED)
    assert told(work).loc["没有计入日期", "quantity_e4"] == 10_000_000
    assert told(work).loc["日期不在本期", "found"] == "2026-11"
    assert set(work.cells.sources) == {"", "住院", "门诊"}


def test_a_plan_of_dates_that_the_file_lacks(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="缺少“执行日期”列"):
        work_of(tmp_path, plan_of(dates={"default": "execution"}))


def test_a_refund_counts_in_its_own_month(tmp_path: Path) -> None:
    charges = DATED + "2026-10-20,2026-09-15,2026-09-16,住院,0102,-5,-1,S1,S1\n"
    work = work_of(tmp_path, plan_of(dates={"default": "execution"}), charges=charges)
    assert points(work, "order")["S1", "doctor"] == pytest.approx((101 - 5) * 0.3)


# ----------------------------------------------------------------------------------- operations

OPERATIONS = (
    "日期,手术编号,项目编码,角色,工号,科室编码\n2026-10-12,O1,0102,主刀,1,\n"
    "2026-10-12,O1,0102,一助,4,\n2026-10-12,O1,0102,洗手护士,3,\n2026-10-12,O1,0102,二助,4,S1\n"
)
NO_LINES = HEAD


def test_roles_of_an_operation(tmp_path: Path) -> None:
    work = work_of(tmp_path, plan_of(roles={}), charges=NO_LINES, operations=OPERATIONS)
    assert points(work, "operation") == {
        ("S1", "doctor"): 1.5 + 0.225, ("S2", "doctor"): 0.6, ("T1", "nurse"): 0.3,
    }  # fmt: skip
    assert persons(work)["S1", "doctor", "4"] == 0.225
    assert "1 × 1.5 × 0.4 = 0.6" in item_words(work.points.table)


def test_titles_and_days_of_operations(tmp_path: Path) -> None:
    plan = plan_of(roles={"titles": {"主任医师": 1.2, "*": 1.0}}, calendar={"weekend": 2.0})
    rows = OPERATIONS.replace("2026-10-12", "2026-10-11")
    work = work_of(tmp_path, plan, charges=NO_LINES, operations=rows, calendar=OCTOBER)
    assert points(work, "operation")["S1", "doctor"] == pytest.approx(1.5 * 1.2 * 2 + 0.45)


def test_strange_operations_are_told(tmp_path: Path) -> None:
    rows = OPERATIONS + (
        "2026-10-12,O2,9999,主刀,1,\n2026-10-12,O2,0102,三助,1,\n2026-10-12,O2,0102,主刀,77,\n"
        "2026-10-12,O2,0102,主刀,1,Z9\n2026-11-12,O2,0102,主刀,1,\n"
    )
    plan = plan_of(roles={"titles": {"主任医师": 1.0}})
    work = work_of(tmp_path, plan, charges=NO_LINES, operations=rows)
    found = told(work)
    for kind, text in (
        ("手术项目未知", "9999"),
        ("手术角色未知", "三助"),
        ("手术人员未知", "77"),
        ("手术日期不在本期", "2026-11-12"),
    ):
        assert found.loc[kind, "found"] == text, kind
    assert "Z9" in found.loc[["手术科室未知"], "found"].tolist()
    assert set(found.loc[["职称没有系数"], "found"]) == {"3", "4"}
    lost = {key for key in points(work, "operation") if "UNKNOWN" in key}
    assert lost == {("UNKNOWN", "UNKNOWN"), ("UNKNOWN", "doctor")}


def test_operations_instead_of_lines(tmp_path: Path) -> None:
    plan = plan_of(roles={"instead_of": ["手术"]})
    work = work_of(tmp_path, plan, operations=OPERATIONS.replace("0102", "0103"))
    assert points(work, "execution") == {}
    assert points(work, "order")["S1", "doctor"] == 60
    assert told(work).loc["有收费无手术记录", "found"] == "0102"


# --------------------------------------------------------------------------------------- nursing


def test_nurses_share_by_shifts(tmp_path: Path) -> None:
    """8 nights at 1 + 0.3 and 10 days at 1: 10.4 and 10 of 20.4."""
    nursing = "科室编码,床日\nS1,204\n"
    shifts = "工号,科室编码,班次,次数\n2,S1,夜班,8\n5,S1,白班,10\n77,S1,白班,1\n5,S1,小夜,0\n"
    plan = plan_of(nursing={"points": 1.0, "shifts": {"夜班": 0.3, "白班": 0.0}})
    work = work_of(tmp_path, plan, charges=NO_LINES, nursing=nursing, shifts=shifts)
    assert persons(work) == {("S1", "nurse", "2"): 104.0, ("S1", "nurse", "5"): 100.0}
    assert told(work).loc["班次的护士未知", "found"] == "77"
    assert told(work).loc["班次没有系数", "found"] == "小夜"


def test_strange_wards_are_told(tmp_path: Path) -> None:
    nursing = "科室编码,床日,护理费,护理时数,岗位数\nZ9,10,0,0,0\nS1,10,100,1,0\n"
    work = work_of(tmp_path, plan_of(nursing={"points": 1.0}), charges=NO_LINES, nursing=nursing)
    assert points(work, "nursing") == {("UNKNOWN", "nurse"): 10.0, ("S1", "nurse"): 10.0}
    assert told(work).loc["护理工作量的科室未知", "found"] == "Z9"
    assert told(work).loc["护理等级点数缺床日或岗位", "found"] == "S1"


def test_workload_instead_of_nursing_lines(tmp_path: Path) -> None:
    plan = plan_of(nursing={"points": 1.0, "instead_of": ["手术"]})
    work = work_of(tmp_path, plan, nursing="科室编码,床日\nS1,10\n")
    assert points(work, "execution") == {("S1", "doctor"): 180.0}
    assert points(work)["S1", "nurse"] == 10.0


# --------------------------------------------------------------------------------------- persons


def test_points_of_persons(tmp_path: Path) -> None:
    """Order points to the ordering doctor; nurse's part to the executing nurse; doctor's to his."""
    work = work_of(tmp_path)
    assert persons(work) == {("S1", "doctor", "1"): 60.0 + 180.0, ("S1", "nurse", "2"): 120.0}


def test_points_of_nobody(tmp_path: Path) -> None:
    """The ordering doctor is not of the executing unit, the executor is unknown."""
    charges = HEAD + "2026-10-12,C1,0102,200,1,S1,1,S2,88\n"
    work = work_of(tmp_path, charges=charges)
    assert persons(work) == {
        ("S1", "doctor", "1"): 60.0, ("S2", "doctor", ""): 180.0, ("S2", "nurse", ""): 120.0,
    }  # fmt: skip
    assert told(work).loc["未知执行人", "found"] == "88"


def test_persons_are_kept_only_where_the_plan_says_so(tmp_path: Path) -> None:
    assert len(work_of(tmp_path, plan_of(points={"personal": "none"})).personal) == 0


# -------------------------------------------------------------------------------------- sessions

ITEMS = (Path(__file__).parent / "data" / "allocation" / "session_items.csv").read_text(
    encoding="utf-8"
)
DOCTOR = "科室编码,项目类别,医生\n*,*,1\n"


def session(folder: Path, rows: list[str], section: dict[str, object] | None = None) -> float:
    """Points of lines ``day case code quantity unit``."""
    charges = HEAD
    for row in rows:
        day, case, code, quantity, unit = row.split()
        name = "" if case == "-" else case
        charges += f"2026-10-{day},{name},{code},{quantity},1,S1,1,{unit},1\n"
    plan = plan_of(sessions={} if section is None else section)
    work = work_of(folder, plan, items=ITEMS, role_shares=DOCTOR, charges=charges)
    assert int(work.cells.quantity_e4.sum()) == work.cells.quantity_read_e4
    assert int(work.cells.rows.sum()) == work.cells.rows_read
    return sum(points(work, "execution").values())


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (["12 A 27447 1 S1", "12 A 64721 1 S1"], 38.35 + 6.6),
        (["12 A 27447 1 S1", "13 A 64721 1 S1"], 38.35 + 13.2),
        (["12 A 27447 1 S1", "12 B 64721 1 S1"], 38.35 + 13.2),
        (["12 A 27447 1 S1", "12 A 64721 1 S2"], 38.35 + 13.2),
        (["12 - 27447 1 S1", "12 - 64721 1 S1"], 38.35 + 13.2),
        (["12 A 64721 1.5 S1"], 13.2 + 3.3),
        (["12 A 64721 1 S1", "12 A 64721 1 S1"], 13.2 + 6.6),
        (["12 A 27447 1 S1", "12 A 64721 1 S1", "12 A 27447 -1 S1"], 13.2),
        (["12 A 27447 -1 S1", "12 A 64721 -1 S1"], -38.35 - 6.6),
        (["12 A 27447 1 S1", "12 A 45385 1 S1", "12 A 74177 1 S1"], 38.35 + 7.45 + 9.52),
        (["12 A 74177 2 S1"], 9.52 + 3.47 + 2.58 * 0.95),
    ],
)
def test_what_a_session_is(tmp_path: Path, rows: list[str], expected: float) -> None:
    assert session(tmp_path, rows) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(
    ("section", "rows", "expected"),
    [
        ({"procedures": "off"}, ["12 A 27447 1 S1", "12 A 64721 1 S1"], 51.55),
        ({"steps": [1.0, 0.25]}, ["12 A 27447 1 S1", "12 A 64721 2 S1"], 38.35 + 6.6),
        ({"endoscopy": "off"}, ["12 A 45385 1 S1", "12 A 45380 1 S1"], 13.34),
        ({"imaging": "off"}, ["12 A 74177 1 S1", "12 A 70450 1 S1"], 12.81),
        ({"technical": 1.0}, ["12 A 74177 1 S1", "12 A 70450 1 S1"], 9.52 + 2.09 + 1.14),
        ({"professional": 0.5}, ["12 A 74177 1 S1", "12 A 70450 1 S1"], 9.52 + 1.045 + 0.6),
    ],
)
def test_session_rules_are_switchable(
    tmp_path: Path, section: dict[str, object], rows: list[str], expected: float
) -> None:
    assert session(tmp_path, rows, section) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (["27447 1 双主刀", "27447 2 双主刀"], 38.35 * 0.625 * 2),
        (["27447 1 ", "27447 2 助手"], 38.35 * 1.16),
        (["27447 1 ", "64721 1 ", "27447 2 助手", "64721 2 助手"], (38.35 + 6.6) * 1.16),
        (["27447 1 双主刀", "27447 2 双主刀", "64721 1 "], 38.35 * 1.25 + 6.6),
        (["27447 1 ", "27447 2 助手", "27447 3 助手"], 38.35 * 1.32),
        (["27447 1 双主刀", "27447 2 双主刀", "27447 -2 双主刀"], 38.35 * 0.625),
        (["64721 1 双侧", "64721 1 "], 13.2 * 1.5 + 6.6),
        (["70450 1 助手", "70450 1 "], 3.29 * 1.16),
    ],
)
def test_who_else_stands_at_the_table(tmp_path: Path, rows: list[str], expected: float) -> None:
    """Lines ``code executor mark`` of one session; a second pair of hands is no second procedure.

    allocation.md §2: assistant surgeon 16 %; two surgeons 62.5 % each; bilateral 150 %.
    """
    charges = HEAD.strip() + ",修饰\n"
    for row in rows:
        code, person, mark = row.split(" ")
        quantity = -1 if person.startswith("-") else 1
        charges += f"2026-10-12,A,{code},{quantity},1,S1,1,S1,{person.strip('-')},{mark}\n"
    plan = plan_of(sessions={})
    work = work_of(tmp_path, plan, items=ITEMS, role_shares=DOCTOR, charges=charges)
    assert sum(points(work, "execution").values()) == pytest.approx(expected, abs=1e-9)


def test_a_bilateral_procedure_stands_in_order_by_its_worth(tmp_path: Path) -> None:
    """10 twice over is 15 and comes before 13.2, which is halved."""
    more = ITEMS.splitlines()
    row = next(line for line in more if ",64721," in line or line.startswith("64721,"))
    items = "\n".join([*more, row.replace("64721", "64722").replace("13.2", "10")]) + "\n"
    charges = HEAD.strip() + ",修饰\n2026-10-12,A,64721,1,1,S1,1,S1,1,\n"
    charges += "2026-10-12,A,64722,1,1,S1,1,S1,1,双侧\n"
    plan = plan_of(sessions={})
    work = work_of(tmp_path, plan, items=items, role_shares=DOCTOR, charges=charges)
    assert sum(points(work, "execution").values()) == pytest.approx(15 + 6.6, abs=1e-9)


def test_sessions_in_words(tmp_path: Path) -> None:
    charges = HEAD + "".join(
        f"2026-10-12,A,{code},1,1,S1,1,S1,1\n" for code in ("27447", "64721", "45385", "45380")
    )
    work = work_of(tmp_path, plan_of(sessions={}), items=ITEMS, role_shares=DOCTOR, charges=charges)
    words = item_words(work.points.table)
    assert "1 × 13.2 × 0.5 = 6.6" in words
    assert "1 × (5.89 − 5.42) = 0.47" in words


def test_strange_marks_and_lines_without_a_case_are_told(tmp_path: Path) -> None:
    charges = HEAD.strip() + ",修饰\n2026-10-12,,27447,1,1,S1,1,S1,1,左\n"
    work = work_of(tmp_path, plan_of(sessions={}), items=ITEMS, role_shares=DOCTOR, charges=charges)
    assert told(work).loc["不认识的修饰", "found"] == "左"
    assert told(work).loc["同次折算缺病案号", "found"] == "27447"
    assert points(work)["S1", "doctor"] == 38.35


def test_the_usual_tables_have_no_exceptions(tmp_path: Path) -> None:
    assert len(told(work_of(tmp_path))) == 0
    assert "charges" in TABLES
