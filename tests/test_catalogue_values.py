"""Values of price items: RVU files, relative values, time × staff × scores, and code formats."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from drg_engine.errors import InputError, PlanError
from performance.catalogue_items import read_items
from performance.catalogue_methods import describe_methods, load_methods
from performance.catalogue_rvu import read_rvu
from performance.catalogue_staffing import staffing
from performance.catalogue_values import read_value_table, round_points, rvu_values
from performance.price_item_formats import load_formats, recognised

DATA = Path(__file__).parent / "data" / "catalogue"
METHODS = load_methods()
OWN = (Path(__file__).parent.parent / "performance" / "data" / "point_methods.toml").read_text(
    encoding="utf-8"
)


def save(folder: Path, name: str, text: str, encoding: str = "utf-8") -> Path:
    path = folder / name
    path.write_bytes(text.encode(encoding))
    return path


def items_of(folder: Path, *rows: str) -> pd.DataFrame:
    text = "项目编码,项目名称,类别,单价,国家编码\n" + "\n".join(rows) + "\n"
    return read_items(save(folder, "items.csv", text))[0]


def methods_with(folder: Path, old: str, new: str) -> Path:
    assert old in OWN
    return save(folder, "methods.toml", OWN.replace(old, new))


# ---- RVU files

STACKED = """,,Invented file,,,,,,,,
,,"A notice, longer than any caption, about who owns the descriptions",,,,,,,,
,,,STATUS,MEDICARE,WORK,NON-FAC,NA,FACILITY,NA,MP
HCPCS,MOD,DESCRIPTION,CODE,PAYMENT,RVU,PE RVU,INDICATOR,PE RVU,INDICATOR,RVU
99213,,x,A,,1.30,1.28,,0.55,,0.10
88305,26,x,A,,0.75,0.32,,0.32,,0.01
27447,,x,A,,19.60,NA,NA,14.82,,3.93
"""
FLAT = """HCPCS,MOD,DESCRIPTION,WORK RVU,NON-FAC PE RVU,FACILITY PE RVU,MP RVU
99213,,x,1.30,1.28,0.55,0.10
88305,26,x,0.75,0.32,0.32,0.01
27447,,x,19.60,,14.82,3.93
"""
BARE = """HCPCS,MOD,DESCRIPTION,CODE,PAYMENT,RVU,PE RVU,INDICATOR,PE RVU,INDICATOR,RVU
99213,,x,A,,1.30,1.28,,0.55,,0.10
88305,26,x,A,,0.75,0.32,,0.32,,0.01
27447,,x,A,,19.60,NA,NA,14.82,,3.93
"""


@pytest.mark.parametrize("text", [STACKED, FLAT, BARE, FLAT.replace(" RVU", "_RVU")])
def test_layouts_of_an_rvu_file(tmp_path: Path, text: str) -> None:
    table = read_rvu(save(tmp_path, "rvu.csv", text)).set_index(["hcpcs", "modifier"])
    assert list(table.index) == [("27447", ""), ("88305", "26"), ("99213", "")]
    columns = ["work_e4", "non_facility_e4", "facility_e4", "malpractice_e4"]
    assert table.loc[("99213", ""), columns].tolist() == [13_000, 12_800, 5_500, 1_000]
    assert table.loc[("27447", ""), columns].tolist() == [196_000, 0, 148_200, 39_300]


def test_an_rvu_file_in_a_workbook_and_in_an_old_encoding(tmp_path: Path) -> None:
    rows = [line.split(",") for line in FLAT.splitlines()]
    frame = pd.DataFrame([["", "title"] + [""] * 5, *rows])
    frame.to_excel(tmp_path / "rvu.xlsx", header=False, index=False)
    old = save(tmp_path, "rvu.csv", FLAT.replace(",x,", ",caf\u00e9 \u2019x,"), "cp1252")
    expected = read_rvu(save(tmp_path, "plain.csv", FLAT)).drop(columns="row")
    for path in (tmp_path / "rvu.xlsx", old):
        pd.testing.assert_frame_equal(read_rvu(path).drop(columns="row"), expected)


def test_faults_of_an_rvu_file_are_told_at_once(tmp_path: Path) -> None:
    text = FLAT + "99213,,x,1,1,1,1\n70450,,x,much,1,1,-2\n"
    with pytest.raises(InputError) as caught:
        read_rvu(save(tmp_path, "rvu.csv", text))
    told = {(fault.row, fault.column, fault.found) for fault in caught.value.faults}
    assert told == {(5, "HCPCS", "99213"), (6, "WORK RVU", "much"), (6, "MP RVU", "-2")}


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("a,b,c\n1,2,3\n", "HCPCS"),
        (FLAT.replace("MP RVU", "XX"), "MP RVU"),
        (FLAT.replace("MOD,", "WORK RVU,"), "2 列"),
        ("", "没有内容"),
    ],
)
def test_what_is_no_rvu_file(tmp_path: Path, text: str, word: str) -> None:
    with pytest.raises(InputError, match=word):
        read_rvu(save(tmp_path, "rvu.csv", text))


def test_points_from_rvu_by_the_published_figures(tmp_path: Path) -> None:
    """allocation.md §9 A1 and A2: 99213 is 1.95 and 2.68; 27447 is 19.60 + 14.82 + 3.93."""
    items = items_of(tmp_path, "0201,膝,手术,1,", "0401,诊,诊查,1,", "0402,读片,检查,1,")
    rvu = save(tmp_path, "rvu.csv", STACKED)
    mapping = "项目编码,HCPCS,修饰符,折算系数\n0201,27447,,\n0401,99213,,\n0402,88305,26,0.5\n"
    path = save(tmp_path, "map.csv", mapping)
    made, notices = rvu_values(items, rvu, path, METHODS)
    # 1.08 × 0.5 = 0.54
    assert dict(zip(made["item_code"], made["points_e4"], strict=True)) == {
        "0201": 383_500, "0401": 19_500, "0402": 5_400,
    }  # fmt: skip
    assert notices == []
    assert "工作 19.6 + 执业成本 14.82 + 责任 3.93" in made["reason"][0]
    own = methods_with(tmp_path, 'setting = "facility"', 'setting = "non_facility"')
    made, _ = rvu_values(items, rvu, path, load_methods(own))
    assert made.set_index("item_code")["points_e4"]["0401"] == 26_800


def test_rvu_series_indices_and_sums(tmp_path: Path) -> None:
    """GPCI 1, 1, 1.724 on 1.30, 0.55, 0.10 = 2.0224; the doctor gets work and malpractice."""
    own = OWN.replace("[1.0, 1.0, 1.0]", "[1.0, 1.0, 1.724]").replace("decimals = 2", "decimals=4")
    own = own.replace("# [rvu.series.doctor]", "[rvu.series.doctor]")
    for name in ("work = 1.0", "practice = 0.0", "malpractice = 1.0"):
        own = own.replace(f"# {name}", name)
    methods = load_methods(save(tmp_path, "own.toml", own))
    items = items_of(tmp_path, "1,诊,诊查,1,")
    mapping = save(tmp_path, "map.csv", "项目编码,CPT\n1,99213\n")
    made, _ = rvu_values(items, save(tmp_path, "rvu.csv", FLAT), mapping, methods)
    assert made["points_e4"].tolist() == [20_224]
    assert made["points_doctor_e4"].tolist() == [14_724]
    assert made["points_nurse_e4"].tolist() == [-1]
    both = save(tmp_path, "both.csv", "项目编码,CPT,修饰符\n1,99213,\n1,88305,26\n")
    made, _ = rvu_values(items, tmp_path / "rvu.csv", both, METHODS)
    assert made["points_e4"].tolist() == [19_500 + 10_800]


def test_a_mapping_to_what_is_not_there(tmp_path: Path) -> None:
    items = items_of(tmp_path, "1,诊,诊查,1,")
    rvu = save(tmp_path, "rvu.csv", FLAT + "0001F,,x,0,0,0,0\n")
    wrong = save(tmp_path, "wrong.csv", "项目编码,HCPCS\n1,99213\n1,11111\n,99213\n")
    with pytest.raises(InputError) as caught:
        rvu_values(items, rvu, wrong, METHODS)
    assert [(fault.row, fault.column) for fault in caught.value.faults] == [(4, "项目编码")]
    unknown = save(tmp_path, "unknown.csv", "项目编码,HCPCS\n1,99213\n1,11111\n")
    with pytest.raises(InputError) as caught:
        rvu_values(items, rvu, unknown, METHODS)
    assert [(fault.row, fault.found) for fault in caught.value.faults] == [(3, "11111")]
    other = save(tmp_path, "other.csv", "项目编码,HCPCS\n9,99213\n1,0001F\n")
    made, notices = rvu_values(items, rvu, other, METHODS)
    assert made.empty
    assert ["不在价格项目里" in notices[0], "合计为 0" in notices[1]] == [True, True]


# ---- relative values; time × staff × scores


def test_relative_value_and_its_series(tmp_path: Path) -> None:
    """3.4 split over one doctor (1) and one nurse (0.7): 2 and 1.4."""
    text = "项目编码,基本人力消耗及耗时,人力资源消耗相对值\nA,医1，护1,3.4\nB,,2\n"
    table = read_value_table(save(tmp_path, "v.csv", text), METHODS)
    items = items_of(tmp_path, "A,甲,手术,1,", "X,乙,手术,1,B", "Z,丙,手术,1,C")
    made = table.values(items, METHODS, "relative_value").set_index("item_code")
    assert made["points_e4"].to_dict() == {"A": 34_000, "X": 20_000}
    series = made[["points_doctor_e4", "points_technician_e4", "points_nurse_e4"]]
    assert series.loc["A"].tolist() == [20_000, 0, 14_000]
    assert series.loc["X"].tolist() == [-1, -1, -1]
    assert "按国家编码 B" in made["reason"]["X"]
    assert table.holds(items).tolist() == [True, True, False]


def test_time_staff_difficulty_and_risk(tmp_path: Path) -> None:
    """0.1 × 60 × (1 + 2 × 0.7) × 1.5 × 1.1 = 23.76; doctor 9.90, nurses 13.86."""
    text = "项目编码,耗时,医生人数,护士人数,技术难度,风险程度\nA,60,1,2,50,20\nB,60,1,2,,20\n"
    text += "C,60,0,0,1,1\n"
    table = read_value_table(save(tmp_path, "v.csv", text), METHODS)
    items = items_of(tmp_path, "A,甲,手术,1,", "B,乙,手术,1,", "C,丙,手术,1,")
    made = table.values(items, METHODS, "work")
    assert made["item_code"].tolist() == ["A"]
    row = made.iloc[0]
    assert [row["points_e4"], row["points_doctor_e4"], row["points_nurse_e4"]] == [
        237_600, 99_000, 138_600,
    ]  # fmt: skip
    assert "耗时 60 分钟 × 人员 2.4 × 难度 1.5 × 风险 1.1 = 23.76" in row["reason"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("医1，护2，平均耗时30分钟", (30, 1, -1, 2)),
        ("医师2 技师1 护士1；2小时", (120, 2, 1, 1)),
        ("医技1，10-20分钟", (15, -1, 1, -1)),
        ("医1-2", (-1, 1.5, -1, -1)),
        ("视病情而定", (-1, -1, -1, -1)),
        ("", (-1, -1, -1, -1)),
    ],
)
def test_staffing_in_words(text: str, expected: tuple[float, ...]) -> None:
    read = staffing(pd.Series([text]), METHODS.staff_words)
    found = [int(read.values[n][0]) for n in ("minutes", "doctor", "technician", "nurse")]
    assert found == [-1 if number < 0 else round(number * 10_000) for number in expected]
    assert read.unread == ((text,) if text.startswith("视") else ())


def test_a_table_below_titles_with_its_heading_again(tmp_path: Path) -> None:
    table = read_value_table(DATA / "values.csv", METHODS)
    assert table.frame["item_code"].tolist() == ["ABAA0001", "250101015", "0302", "0702", "0703"]
    assert [notice for notice in table.notices if "协商" in notice]
    again = "标题,\n项目编码,相对值\nA,1\n项目编码,相对值\nB,2\n"
    read = read_value_table(save(tmp_path, "v.csv", again), METHODS).frame
    assert read["item_code"].tolist() == ["A", "B"]
    assert read["row"].tolist() == [3, 5]


def test_faults_of_a_value_table(tmp_path: Path) -> None:
    text = "项目编码,相对值,技术难度,风险程度\nA,1,20,30\nA,2,,\nB,许多,,\nC,,101,0\n"
    with pytest.raises(InputError) as caught:
        read_value_table(save(tmp_path, "v.csv", text), METHODS)
    told = {(fault.row, fault.column) for fault in caught.value.faults}
    assert told == {(3, "项目编码"), (4, "人力资源消耗相对值"), (5, "技术难度")}
    with pytest.raises(InputError, match="缺少“项目编码”列"):
        read_value_table(save(tmp_path, "w.csv", "代号,相对值\nA,1\n"), METHODS)
    with pytest.raises(InputError, match="没有一行有可用的值"):
        read_value_table(save(tmp_path, "x.csv", "项目编码,相对值\nA,\n"), METHODS)


def test_rounding_is_half_up_to_the_decimals() -> None:
    assert round_points([2.675, 0.005, 0.0049], 2).tolist() == [26_800, 100, 0]
    assert round_points([2.5, 1.49], 0).tolist() == [30_000, 10_000]
    assert round_points([0.00005], 4).tolist() == [1]


# ---- methods and formats as data


def test_every_method_is_described() -> None:
    rows = describe_methods(METHODS)
    assert all(key and value and meaning for key, value, meaning in rows)
    assert {key: value for key, value, _ in rows}["proposal.least"] == "0.6"


@pytest.mark.parametrize(
    ("old", "new", "column"),
    [
        ("least = 0.6", "least = 1.6", "proposal.least"),
        ("least = 0.6", "", "proposal.least"),
        ("decimals = 2", "decimals = 2.5", "decimals"),
        ("name_weight = 0.8", "name_weight = 0.9", "proposal"),
        ('order = ["rvu", "relative_value", "work"]', 'order = ["rvu", "price"]', "order.1"),
        ("highest = 100.0, low = 1.0, high = 2.0", "highest = 0.0, low = 1.0, high = 2.0",
         "work.difficulty.highest"),
        ("high = 1.5", "high = 0.5", "work.risk"),
        ("points_per_rvu = 1.0", "points_per_rvu = 1.0\nprice = 2", "rvu.price"),
    ],
)  # fmt: skip
def test_a_methods_file_is_checked(tmp_path: Path, old: str, new: str, column: str) -> None:
    with pytest.raises(PlanError) as caught:
        load_methods(methods_with(tmp_path, old, new))
    assert [fault.column for fault in caught.value.faults] == [column]


@pytest.mark.parametrize("data", [b"\xff\xfe", b"a = ", None])
def test_what_is_no_methods_file(tmp_path: Path, data: bytes | None) -> None:
    path = tmp_path / "m.toml"
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(PlanError):
        load_methods(path)


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("331505038", "2001年版 33 手术治疗"),
        ("250101015a", "2001年版 25 检验"),
        ("110200001-1", "2001年版 11 一般医疗服务"),
        ("002501010150200", "医保15位（内含2001年版编码） 25 检验"),
        ("ABCA0001", "2012年版 A 综合医疗服务 或 2023年版 A"),
        ("caa01lb1", "2023年版 C"),
        ("ABCDEFGH", ""),
        ("510000001", ""),
        ("351505038", ""),
        ("33150503", ""),
        ("0102", ""),
        ("", ""),
    ],
)
def test_code_formats_are_proposals(code: str, expected: str) -> None:
    assert recognised([code, code], load_formats()) == [expected, expected]


def test_every_format_says_its_source_and_trust() -> None:
    formats = load_formats()
    assert [one.key for one in formats] == ["2001", "nhsa", "2012", "2023"]
    assert all(one.source and one.note and one.trust_words for one in formats)
