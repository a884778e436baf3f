"""Reading tables and charge lines: every fault told, nothing dropped, nothing guessed."""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from test_allocation_hospital import (
    SMALL,
    SURPLUS,
    assert_closed,
    make_inputs,
    make_plan,
    run_small,
)

from drg_engine.errors import AllocationError, InputError
from performance import allocate, read_inputs, read_lines, read_table
from performance.columns import days_of, fixed

CHARGES = (SMALL / "inputs" / "charges.csv").read_text(encoding="utf-8-sig")
ITEMS = (SMALL / "tables" / "items.csv").read_text(encoding="utf-8-sig")
STAFF = (SMALL / "tables" / "staff.csv").read_text(encoding="utf-8-sig")


def write(folder: Path, name: str, text: str, encoding: str = "utf-8") -> Path:
    path = folder / f"{name}.csv"
    path.write_bytes(text.encode(encoding))
    return path


def control(result: object, name: str) -> pd.Series:
    frame = result.control_totals  # type: ignore[attr-defined]
    return frame.set_index("control").loc[name]


def test_ids_are_text(tmp_path: Path) -> None:
    items = read_table(SMALL / "tables" / "items.csv", "items")
    assert "0102" in set(items["item_code"])
    assert list(items["item_code"]) == sorted(items["item_code"])


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
def test_encodings(tmp_path: Path, encoding: str) -> None:
    path = write(tmp_path, "staff", STAFF, encoding)
    pd.testing.assert_frame_equal(
        read_table(path, "staff"), read_table(SMALL / "tables" / "staff.csv", "staff")
    )


def test_excel_and_parquet_read_as_csv(tmp_path: Path) -> None:
    rows = [line.split(",") for line in STAFF.splitlines()]
    frame = pd.DataFrame(rows[1:], columns=rows[0])
    frame.to_excel(tmp_path / "staff.xlsx", index=False)
    pq.write_table(pa.Table.from_pandas(frame), tmp_path / "staff.parquet")
    expected = read_table(SMALL / "tables" / "staff.csv", "staff")
    for suffix in ("xlsx", "parquet"):
        pd.testing.assert_frame_equal(read_table(tmp_path / f"staff.{suffix}", "staff"), expected)


def test_english_headings(tmp_path: Path) -> None:
    path = write(tmp_path, "quality", "score,department\n96.5,D101\n")
    assert read_table(path, "quality")["score_e4"].tolist() == [965_000]


def test_numbers_are_exact() -> None:
    texts = ["1.5", " 2 ", "-0.0001", "1,234.50", "0.10000", "+3", ".5", "7."]
    values, good, blank = fixed(pa.chunked_array([texts]), 4)
    assert good.all()
    assert not blank.any()
    assert values.tolist() == [15_000, 20_000, -1, 12_345_000, 1_000, 30_000, 5_000, 70_000]
    bad = ["", ".", "-", "1e3", "1.23456", "二", "1.2.3", "nan", "=1+1", "9" * 20]
    values, good, blank = fixed(pa.chunked_array([bad]), 4)
    assert not good.any()
    assert blank.tolist() == [True] + [False] * 9
    assert values.tolist() == [0] * 10


@pytest.mark.parametrize(
    "text", ["2026-10-03", "2026/10/3", "20261003", "2026年10月3日", "2026-10-03 08:30:00"]
)
def test_dates(text: str) -> None:
    assert days_of(text) == 20_729


@pytest.mark.parametrize("text", ["2026-02-30", "2026-13-01", "10-03", "45933", "昨天"])
def test_no_dates(text: str) -> None:
    assert days_of(text) is None


# ---------------------------------------------------------------------------------- faulty tables


def faults_of(path: Path, name: str) -> str:
    with pytest.raises(InputError) as caught:
        read_table(path, name)
    return str(caught.value)


def test_missing_column(tmp_path: Path) -> None:
    told = faults_of(write(tmp_path, "quality", "科室编码,质量分数\nD1,90\n"), "quality")
    assert "缺少“质量得分”列" in told
    assert "最接近的列是“质量分数”" in told


def test_duplicate_column(tmp_path: Path) -> None:
    told = faults_of(write(tmp_path, "quality", "科室编码,质量得分,得分\nD1,90,91\n"), "quality")
    assert "同一列出现两次" in told


@pytest.mark.parametrize("text", ["", "\n\n"])
def test_empty_file(tmp_path: Path, text: str) -> None:
    with pytest.raises(InputError):
        read_table(write(tmp_path, "staff", text), "staff")
    with pytest.raises(InputError):
        read_lines(write(tmp_path, "charges", text))


def test_heading_only(tmp_path: Path) -> None:
    assert len(read_table(write(tmp_path, "costs", "科室编码,成本项目,金额\n"), "costs")) == 0
    lines = read_lines(write(tmp_path, "charges", CHARGES.splitlines()[0] + "\n"))
    assert lines.n == 0
    with pytest.raises(InputError, match="没有一行明细"):
        run_small(tmp_path / "h", charges=CHARGES.splitlines()[0] + "\n")


def test_attendance_faults_with_file_and_row(tmp_path: Path) -> None:
    text = "工号,应出勤天数,实际出勤天数\n1,22,-3\n2,0,5\n3,廿二,20\n4,22,\n,22,20\n1,22,20\n"
    told = faults_of(write(tmp_path, "attendance", text), "attendance")
    for words in (
        "attendance.csv 第 2 行 [实际出勤天数]：超出范围（读到“-3”）",
        "第 3 行 [应出勤天数]：超出范围（读到“0”）",
        "第 4 行 [应出勤天数]：不是数字（至多四位小数）（读到“廿二”）",
        "第 5 行 [实际出勤天数]：不能为空",
        "第 6 行 [工号]：不能为空",
        "第 7 行 [工号]：同一键值出现多次（读到“1”）",
    ):
        assert words in told, words
    assert "有 6 处错误" in told


def test_duplicate_staff_id(tmp_path: Path) -> None:
    text = STAFF + "100002,又一人,D201,护理,护士,1,1\n"
    told = faults_of(write(tmp_path, "staff", text), "staff")
    assert "staff.csv 第 16 行 [工号]：同一键值出现多次（读到“100002”）" in told


def test_unknown_series(tmp_path: Path) -> None:
    told = faults_of(write(tmp_path, "staff", STAFF.replace("护理", "护理部")), "staff")
    assert "不认识的系列（读到“护理部”）" in told
    assert "最接近“护理”" in told


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("1,09,甲,次,药品,-1,0,0,,,,,,", "超出范围（读到“-1”）"),
        ("1,09,甲,次,药品,1.23456,0,0,,,,,,", "不是数字（至多四位小数）"),
        ("1,09,甲,次,药品,1,0,0,,,,,2026-10-02,2026-10-02", "失效日期不晚于生效日期"),
        ("1,0102,甲,次,药品,1,0,0,,,,,2026-06-01,", "同一项目的有效期重叠"),
        ("1,0102,甲,次,药品,1,0,0,,,,,2026-01-01,2026-02-01", "同一键值出现多次"),
        ("1,,甲,次,药品,1,0,0,,,,,,", "不能为空"),
        ("1,09,甲,次,药品,1,0,0,,,,,去年,", "不是日期（读到“去年”）"),
        ("1,09,甲,次,药品,1,0,0,,,,", "列"),
    ],
)
def test_item_faults(tmp_path: Path, row: str, words: str) -> None:
    assert words in faults_of(write(tmp_path, "items", ITEMS + row + "\n"), "items")


def test_reserved_department_ids(tmp_path: Path) -> None:
    text = "科室编码,类型\nUNKNOWN,外科\n*,外科\n"
    told = faults_of(write(tmp_path, "departments", text), "departments")
    assert told.count("这个编码是保留字") == 2


def test_faults_of_all_files_are_told_at_once(tmp_path: Path) -> None:
    make_inputs(tmp_path)
    write(tmp_path / "tables", "staff", STAFF + "100002,又,D201,护理,护士,1,1\n")
    write(tmp_path / "inputs", "quality", "科室编码,质量得分\nD101,九十\n")
    (tmp_path / "tables" / "items.csv").unlink()
    with pytest.raises(InputError) as caught:
        read_inputs(tmp_path / "tables", tmp_path / "inputs", "2026-10")
    told = str(caught.value)
    assert "staff.csv 第 16 行" in told
    assert "quality.csv 第 2 行 [质量得分]" in told
    assert "items.csv：缺少文件" in told


def test_a_table_in_two_files_is_refused(tmp_path: Path) -> None:
    """costs.csv beside last month's costs.xlsx: nobody knows which was meant."""
    tables, inputs = tmp_path / "tables", tmp_path / "inputs"
    shutil.copytree(SMALL / "tables", tables)
    shutil.copytree(SMALL / "inputs", inputs)
    (inputs / "costs.xlsx").write_bytes(b"")
    (tables / "staff.parquet").write_bytes(b"")
    with pytest.raises(InputError) as caught:
        read_inputs(tables, inputs)
    assert [fault.found for fault in caught.value.faults] == [
        "staff.csv、staff.parquet",
        "costs.csv、costs.xlsx",
    ]


def test_a_price_in_place_of_points_is_told_once(tmp_path: Path) -> None:
    told = faults_of(write(tmp_path, "items", ITEMS.replace("点数", "单价", 1)), "items")
    assert told.count("\n") == 1
    assert "没有一个项目有点数。请加上“点数”列（单价不是点数）" in told


def test_wrong_period(tmp_path: Path) -> None:
    inputs = make_inputs(tmp_path, period="2026-13")
    with pytest.raises(InputError, match="期间应写作 2026-10"):
        allocate(make_plan(), inputs, SURPLUS)


# -------------------------------------------------------------------------------- nothing dropped


def test_unknown_items_units_and_persons(tmp_path: Path) -> None:
    more = (
        "2026-10-09,C1,9999,2.5,10.01,D101,100001,D101,100001\n"
        "2026-10-09,C1,9999,-1,-4,D101,100001,D101,100001\n"
        "2026-10-09,C1,0103,4,60,D777,100001,D101,888888\n"
        "2026-10-09,C1,0103,4,60,D101,777777,,100001\n"
        "2024-12-31,C1,0103,4,60,D101,100001,D101,100001\n"
    )
    result = run_small(tmp_path, charges=CHARGES + more)
    assert_closed(result)
    told = result.exceptions.set_index(["kind", "found"])
    assert told.loc[("未知项目", "9999")].tolist()[1:5] == [2, 15_000, 601, 17]
    assert told.loc[("未知开单科室", "D777"), "rows"] == 1
    assert told.loc[("未知执行科室", "（空）"), "quantity_e4"] == 40_000
    assert told.loc[("未知开单医生", "777777"), "first_row"] == 20
    assert told.loc[("未知执行人", "888888"), "message"] == "人员不在人员表；点数仍归科室"
    assert told.loc[("日期不在本期", "2024-12"), "rows"] == 1
    lines = control(result, "收费明细")
    assert (lines["total_in"], lines["placed"], lines["unknown"]) == (20, 15, 5)
    points = control(result, "执行点数")
    # 4 dressings of 1.5 points at a department nobody knows
    assert points["unknown"] == 6_000_000
    withheld = result.department_pools[result.department_pools["department"] == "UNKNOWN"]
    assert set(withheld["series"]) == {"doctor", "nurse"}
    assert (withheld["pool_fen"] > 0).all()
    assert (withheld["staff_fen"] == 0).all()


def test_unreadable_lines_are_set_aside_and_counted(tmp_path: Path) -> None:
    more = (
        "十月三日,C1,0103,1,15,D101,100001,D101,100001\n"
        "2026-10-09,C1,0103,一,15,D101,100001,D101,100001\n"
        "2026-10-09,C1,0103,1,,D101,100001,D101,100001\n"
        "2026-10-09,C1,0103\n"
    )
    lines = read_lines(write(tmp_path, "charges", CHARGES + more))
    assert lines.n == 15
    assert lines.rejects["row"].tolist() == [17, 18, 19, 20]
    result = run_small(tmp_path / "h", charges=CHARGES + more)
    row = control(result, "收费明细")
    assert (row["total_in"], row["placed"], row["rejected"], row["difference"]) == (19, 15, 4, 0)
    assert (result.exceptions["kind"] == "无法读取").sum() == 4


def test_item_versions_hold_half_open(tmp_path: Path) -> None:
    items = ITEMS.replace("2025,0201,血常规,次,化验,2,0,1,,,,,2025-01-01,2026-10-15\n", "")
    result = run_small(tmp_path, items=items)
    told = result.exceptions.set_index("kind").loc["无有效版本"]
    assert (told["found"], told["rows"], told["quantity_e4"]) == ("0201", 2, 370_000)


def test_uncovered_roles_go_to_unknown(tmp_path: Path) -> None:
    shares = "科室编码,项目类别,医生,医技,护理\n*,医疗服务,0.6,0,0.4\nD402,检查,0,1,0\n"
    changes = {"series.technician.pool": 1000.0}
    result = run_small(tmp_path, changes, role_shares=shares)
    told = result.exceptions.set_index("kind").loc["没有角色份额"]
    assert told["found"] == "D401 / 化验"
    assert control(result, "执行点数")["unknown"] == 94_000_000


def test_split_shares_must_sum_to_one(tmp_path: Path) -> None:
    shares = "科室编码,项目类别,医生,医技,护理\n*,*,0.6,0.3,0.2\n"
    with pytest.raises(InputError, match=r"份额合计须为 1（读到“1\.1”）"):
        run_small(tmp_path, role_shares=shares)


def test_duplicate_attribution_counts_each_role_in_full(tmp_path: Path) -> None:
    shares = "科室编码,项目类别,医生,医技,护理\n*,医疗服务,1,0,1\nD401,*,0,1,0\nD402,*,0.3,0.7,0\n"
    result = run_small(tmp_path, {"points.attribution": "duplicate"}, role_shares=shares)
    row = control(result, "执行点数")
    assert row["note"].startswith("重复计算：每项只计一次时 944.25 点")
    assert row["total_in"] > 944_250_000


def test_most_particular_share_wins(tmp_path: Path) -> None:
    shares = (
        "科室编码,项目类别,项目编码,医生,医技,护理\n*,*,*,0,1,0\n*,*,0103,1,0,0\n"
        "*,医疗服务,*,0.5,0,0.5\nD101,医疗服务,*,0.6,0,0.4\nD101,*,0102,0.9,0,0.1\n"
    )
    result = run_small(tmp_path, role_shares=shares)
    table = result.item_points[result.item_points["source"] == "execution"]
    found = table.set_index(["department", "item_code", "series"])["share_e4"]
    assert found["D101", "0102", "doctor"] == 9_000
    assert found["D101", "0104", "doctor"] == 6_000
    assert found["D201", "0104", "doctor"] == 5_000
    assert found["D201", "0103", "doctor"] == 10_000
    assert found["D401", "0201", "technician"].tolist() == [10_000, 10_000]


def test_unknown_objects_of_small_tables(tmp_path: Path) -> None:
    result = run_small(
        tmp_path,
        costs="科室编码,成本项目,金额\nD888,水电,100\n",
        quality="科室编码,质量得分\nD888,90\n",
        single_items="科室编码,工号,事项,金额\n,999999,奖,50.5\nD888,,奖,10\n,100001,奖,5\n",
    )
    assert_closed(result)
    kinds = result.exceptions["kind"].value_counts()
    assert kinds["未知科室的成本"] == 1
    assert kinds["未知科室的得分"] == 1
    assert kinds["未知对象的单项"] == 2
    row = control(result, "单项奖惩")
    assert (row["total_in"], row["placed"], row["unknown"]) == (6_550, 500, 6_050)


def test_staff_of_an_unknown_department_is_a_fault(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        run_small(tmp_path, staff=STAFF + "100099,某,D10l,护理,护士,1,1\n")
    told = str(caught.value)
    assert "staff.csv 第 16 行 [科室编码]：科室不在科室表（读到“D10l”）" in told
    assert "最接近“D101”" in told


def test_attendance_above_due_is_refused(tmp_path: Path) -> None:
    rows = (SMALL / "inputs" / "attendance.csv").read_text(encoding="utf-8-sig")
    with pytest.raises(AllocationError) as caught:
        run_small(tmp_path, attendance=rows.replace("100001,22,22", "100001,22,22.5"))
    assert "attendance.csv 第 2 行 [实际出勤天数]：实际出勤多于应出勤" in str(caught.value)
    assert "工号 100001：实际 22.5，应出勤 22" in str(caught.value)
    assert "staff.above_full" in str(caught.value)


def test_negative_points_count_as_none(tmp_path: Path) -> None:
    more = "2026-10-09,C1,0201,-500,-100,D101,100001,D401,100009\n"
    result = run_small(tmp_path, charges=CHARGES + more)
    assert_closed(result)
    told = result.exceptions.set_index("kind").loc["点数为负"]
    assert told["found"] == "D401 医技"


def test_deduction_larger_than_the_pool_is_refused(tmp_path: Path) -> None:
    single = "科室编码,工号,事项,金额\nD301,,罚,-9000\n"
    with pytest.raises(AllocationError, match="科室单项扣款大于科室应得"):
        run_small(tmp_path, single_items=single)


@pytest.mark.parametrize("quantity", ["9999999999999", "9000000000"])
def test_absurd_quantities_are_refused_not_wrapped(tmp_path: Path, quantity: str) -> None:
    more = f"2026-10-09,C1,0102,{quantity},1,D101,100001,D101,100001\n" * 3
    with pytest.raises(AllocationError, match="超出可精确计算的范围"):
        run_small(tmp_path, charges=CHARGES + more)


def test_absurd_amounts_are_refused_not_wrapped(tmp_path: Path) -> None:
    more = "2026-10-09,C1,0102,1,999999999999999,D101,100001,D101,100001\n" * 100
    with pytest.raises(AllocationError, match="金额合计超出可精确计算的范围"):
        run_small(tmp_path, charges=CHARGES + more)


def test_formula_text_stays_text(tmp_path: Path) -> None:
    result = run_small(tmp_path, staff=STAFF.replace("甲一", "=HYPERLINK(1)"))
    assert "=HYPERLINK(1)" in set(result.staff_pay["name"])
