"""Building a catalogue: items read, sources in order, proposals, the workbook, hostile files."""

from __future__ import annotations

import math
from pathlib import Path

import openpyxl
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from catalogue_cases import DATA, METHODS, built, decision_frame, item_frame, sample, value_frame
from hypothesis import given, settings
from hypothesis import strategies as st
from rapidfuzz.distance import LCSseq

from drg_engine.errors import InputError
from drg_engine.money import MISSING_FEN
from performance.catalogue import SOURCES, build_catalogue
from performance.catalogue_coverage import class_coverage
from performance.catalogue_items import read_items
from performance.catalogue_similar import plain_name
from performance.catalogue_versions import Version

HEAD = "项目编码,项目名称,单位,类别,单价,数量,金额\n"
ITEMS = (DATA / "items.csv").read_text(encoding="utf-8")
SURGERY = [
    ("01", "单膝关节表面置换术", "手术", 3600.0, 12),
    ("02", "双膝关节表面置换术", "手术", 6200.0, 3),
    ("03", "冠状动脉搭桥术", "手术", 7800.0, 4),
    ("04", "膝关节清理", "治疗", 3600.0, 12),
    ("05", "甲药", "药品", 12.0, 900),
    ("06", "乙耗材", "卫生材料", 2.0, 700),
]


def write(folder: Path, text: str, encoding: str = "utf-8") -> Path:
    path = folder / "items.csv"
    path.write_bytes(text.encode(encoding))
    return path


# ---- reading price items


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
def test_items_in_any_encoding(tmp_path: Path, encoding: str) -> None:
    expected, _ = read_items(DATA / "items.csv")
    found, _ = read_items(write(tmp_path, ITEMS, encoding))
    pd.testing.assert_frame_equal(found, expected)
    assert "0102" in set(found["item_code"])


def test_items_from_excel_and_parquet(tmp_path: Path) -> None:
    plain = ITEMS.replace("=1+1", "1+1")  # pandas would write it as a formula
    rows = [line.split(",") for line in plain.splitlines()]
    frame = pd.DataFrame(rows[1:], columns=rows[0])
    frame.to_excel(tmp_path / "items.xlsx", index=False)
    pq.write_table(pa.Table.from_pandas(frame), tmp_path / "items.parquet")
    expected, _ = read_items(write(tmp_path, plain))
    for kind in ("xlsx", "parquet"):
        found, _ = read_items(tmp_path / f"items.{kind}")
        pd.testing.assert_frame_equal(found, expected)


def test_headings_below_a_title(tmp_path: Path) -> None:
    expected, _ = read_items(DATA / "items.csv")
    titled = "某医院价格项目一览,,\n（2026年10月）\n" + ITEMS
    found, _ = read_items(write(tmp_path, titled))
    assert (found["row"] - expected["row"]).unique().tolist() == [2]
    pd.testing.assert_frame_equal(found.drop(columns="row"), expected.drop(columns="row"))
    with pytest.raises(InputError) as caught:
        read_items(write(tmp_path, titled + "0801,甲,次,治疗,1,1,1,,多余\n"))
    assert [(fault.row, fault.message) for fault in caught.value.faults] == [
        (22, "应有 8 列，后面还有内容"),
    ]  # fmt: skip
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.append(["某医院价格项目一览"])
    for line in ITEMS.replace("=1+1", "1+1").splitlines():
        sheet.append(line.split(","))
    book.save(tmp_path / "items.xlsx")
    found, _ = read_items(tmp_path / "items.xlsx")
    assert found["item_code"].tolist() == expected["item_code"].tolist()


def test_every_fault_of_an_items_file_is_told(tmp_path: Path) -> None:
    text = HEAD + "0102,甲,次,手术,-1,1,1\n0102,乙,次,手术,1,1,1\n,丙,次,手术,1,1,1\n"
    text += "0103,,次,手术,1,1,1\n0104,丁,次,,1,x,1\n"
    with pytest.raises(InputError) as caught:
        read_items(write(tmp_path, text))
    told = {(fault.row, fault.column) for fault in caught.value.faults}
    assert told == {
        (2, "单价"), (3, "项目编码"), (4, "项目编码"), (5, "项目名称"), (6, "类别"), (6, "数量"),
    }  # fmt: skip
    assert "第 2 行已有" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("", "没有内容"),
        (HEAD, "只有表头"),
        ("编号,品名,类别\n1,2,3\n", "缺少“项目编码”列"),
        ("项目编码,项目名称,项目名称,类别\n1,2,2,3\n", "同一列出现两次"),
    ],
)
def test_what_is_no_items_file(tmp_path: Path, text: str, word: str) -> None:
    with pytest.raises(InputError, match=word):
        read_items(write(tmp_path, text))


def test_amounts_that_lack_are_worked_out_and_lost_zeros_are_told(tmp_path: Path) -> None:
    rows = [f"{n:04d},项目{n},次,手术,2.50,3," for n in range(990, 1010)]
    rows[3] = "993,项目993,次,手术,2.50,,"
    items, notices = read_items(write(tmp_path, HEAD + "\n".join(rows) + "\n"))
    by_code = items.set_index("item_code")["amount_fen"]
    assert (by_code["0990"], by_code["993"]) == (750, MISSING_FEN)
    assert ["金额" in notices[0], "993" in notices[1]] == [True, True]
    plain, notices = read_items(write(tmp_path, "项目编码,项目名称,类别\n1,甲,手术\n"))
    assert plain["price_fen"].tolist() == [MISSING_FEN]
    assert [notice for notice in notices if "没有数量列" in notice]


# ---- where points come from


def test_sources_in_their_order() -> None:
    made = built(
        SURGERY,
        values={
            "relative_value": value_frame({"01": 5, "02": 6, "05": 9}),
            "rvu": value_frame({"01": 38.35}),
        },
        decisions=[decision_frame([("02", "改为", 60)])],
    ).items.set_index("item_code")
    assert made["source"].to_dict() == {
        "01": "RVU 表", "02": "人工决定", "03": "未赋分", "04": "未赋分",
        "05": "不计点（药品）", "06": "不计点（卫生材料）",
    }  # fmt: skip
    assert made["points_e4"].tolist() == [383_500, 600_000, -1, -1, 0, 0]
    assert set(made["source"]) <= set(SOURCES)
    assert made["review"].tolist() == [False, False, True, True, False, False]


def test_the_earlier_version_stands_below_tables_or_above() -> None:
    old = built(SURGERY, values={"rvu": value_frame({"01": 30, "03": 50}, "旧")})
    points = old.items[["item_code", "item_name", "unit", "item_class", "points_e4",
                        "points_doctor_e4", "points_technician_e4", "points_nurse_e4", "order_e4",
                        "execution_e4", "reason"]].assign(order_e4=2_000)  # fmt: skip
    none = decision_frame([]).astype({"points_e4": "int64"})
    previous = Version("旧版", points, none)
    values = {"rvu": value_frame({"01": 38.35}, "新")}
    below = built(SURGERY, values=values, previous=previous).items.set_index("item_code")
    assert below["source"][["01", "03"]].tolist() == ["RVU 表", "上版"]
    assert below["points_e4"][["01", "03"]].tolist() == [383_500, 500_000]
    assert (below["reason"]["03"], below["order_e4"]["03"]) == ("旧", 2_000)
    assert below["note"]["01"] == "上版 30 点"
    assert below["review"][["01", "03"]].tolist() == [True, False]
    above = built(SURGERY, values=values, previous=previous, keep_previous=True)
    kept = above.items.set_index("item_code")
    assert kept["points_e4"]["01"] == 300_000
    assert not kept["review"]["01"]


def test_points_for_drugs_are_refused_whoever_decided() -> None:
    with pytest.raises(InputError, match="药品 不得计点"):
        built(SURGERY, decisions=[decision_frame([("05", "改为", 1)])])
    made = built(SURGERY, decisions=[decision_frame([("05", "不计点", 0)])])
    assert made.items.set_index("item_code")["source"]["05"] == "不计点（药品）"


def test_decisions_for_items_that_went_are_told() -> None:
    made = built(SURGERY, decisions=[decision_frame([("99", "改为", 1)])])
    assert ["99" in notice for notice in made.notices] == [True]


def test_points_in_proportion_to_prices_are_told() -> None:
    """allocation.md §7, rule 4: 20 items of a class whose points are 2 % of the price."""
    rows = [(f"{n:02d}", f"项目{n}", "检查", 10.0 + n, 1) for n in range(20)]
    shares = {code: price * 0.02 for code, _, _, price, _ in rows}
    told = built(rows, values={"rvu": value_frame(shares)}).notices
    assert ["检查" in notice and "成比例" in notice for notice in told] == [True]
    apart = {**shares, "07": 5.0}
    assert built(rows, values={"rvu": value_frame(apart)}).notices == ()
    few = built(rows[1:], values={"rvu": value_frame(shares)})
    assert few.notices == ()


# ---- proposals


def likeness(left: str, right: str) -> float:
    """2 × the longest common subsequence / both lengths: another way to the same number."""
    one, two = plain_name(left), plain_name(right)
    return 2 * LCSseq.similarity(one, two) / (len(one) + len(two))


def test_a_proposal_comes_from_the_nearest_of_its_class() -> None:
    made = built(SURGERY, values={"rvu": value_frame({"01": 38.35, "03": 54.9, "04": 3})})
    row = made.items.set_index("item_code").loc["02"]
    close = 1 - math.log(6200 / 3600) / math.log(10)
    expected = 0.8 * likeness("单膝关节表面置换术", "双膝关节表面置换术") + 0.2 * close
    assert row["source"] == "建议"
    assert row["points_e4"] == -1
    assert (row["p_points_e4"], row["confidence_e4"]) == (383_500, round(expected * 10_000))
    assert row["basis"] == f"01 单膝关节表面置换术 38.35 点（{expected:.2f}）"
    assert row["uncertainty_e4"] == 10_000 - row["confidence_e4"]


def test_neighbours_that_disagree_are_believed_less() -> None:
    """Equal names and prices: confidence 1; points 2 and 4 take away half of one half."""
    rows = [(code, "同名检查", "检查", 50.0, 1) for code in ("1", "2", "3")]
    agreed = built(rows, values={"rvu": value_frame({"1": 2, "2": 2})}).items.iloc[2]
    assert (agreed["p_points_e4"], agreed["confidence_e4"]) == (20_000, 10_000)
    apart = built(rows, values={"rvu": value_frame({"1": 2, "2": 4})}).items.iloc[2]
    assert (apart["p_points_e4"], apart["confidence_e4"]) == (30_000, 7_500)


def test_below_the_least_confidence_nothing_is_proposed() -> None:
    rows = [("1", "腹腔镜胆囊切除术", "手术", 900.0, 1), ("2", "白内障摘除", "手术", 900.0, 1)]
    assert built(rows, values={"rvu": value_frame({"1": 9})}).items["source"][1] == "未赋分"


def test_a_price_that_lacks_is_neither_near_nor_far() -> None:
    rows = [("1", "同名", "检查", 50.0, 1), ("2", "同名", "检查", -1.0, 0)]
    item = built(rows, values={"rvu": value_frame({"1": 2})}).items.iloc[1]
    assert item["confidence_e4"] == 9_000


def test_names_are_compared_in_one_width_and_case() -> None:
    assert plain_name("Ｘ线 ＣＴ（平扫）_A") == plain_name("x线ct(平扫)a")


def test_review_is_sorted_by_amount_times_uncertainty() -> None:
    made = built(SURGERY, values={"rvu": value_frame({"01": 38.35})})
    rows = made.to_review
    weights = (rows["amount_fen"] * rows["uncertainty_e4"]).tolist()
    assert weights == sorted(weights, reverse=True)
    assert rows["item_code"].tolist() == ["04", "03", "02"]


# ---- whatever the items, decisions and tables are


CODES = [f"{n:02d}" for n in range(12)]
PARTS = st.lists(
    st.sampled_from(["膝", "髋", "置换", "切除", "术", "检查"]), min_size=1, max_size=4
)
CLASSES = ("手术", "检查", "药品", "卫生材料")
ITEM = st.tuples(PARTS.map("".join), st.sampled_from(CLASSES), st.integers(-1, 500),
                 st.integers(-5, 900))  # fmt: skip
POINTS = st.dictionaries(st.sampled_from(CODES), st.integers(0, 99), max_size=8)


@settings(max_examples=20)
@given(st.lists(ITEM, min_size=1, max_size=12), POINTS, POINTS, st.randoms(use_true_random=False))
def test_whatever_comes(items: list, values: dict, decided: dict, random: object) -> None:
    rows = [(code, *item) for code, item in zip(CODES, items, strict=False)]
    goods = {code for code, _, kind, _, _ in rows if kind in CLASSES[2:]}
    decided = {code: 0 if code in goods else points for code, points in decided.items()}
    given_values = {"rvu": value_frame(values)}
    choices = [decision_frame([(code, "改为", n) for code, n in decided.items()])]
    made = built(rows, values=given_values, decisions=choices)
    table = made.items.set_index("item_code")
    for code, name, kind, _, _ in rows:
        item = table.loc[code]
        if code in goods:
            assert (item["points_e4"], item["p_points_e4"]) == (0, -1)
        elif code in decided:
            assert (item["source"], item["points_e4"]) == ("人工决定", decided[code] * 10_000)
        elif code in values:
            assert item["points_e4"] == values[code] * 10_000
        else:
            assert item["points_e4"] == -1
            assert item["source"] in ("建议", "未赋分")
        assert (item["item_name"], item["item_class"]) == (name, kind)
    for share in ("items_share", "quantity_share", "amount_share"):
        total = round(made.sources[share] * 1_000_000).sum()
        assert total in (0, 1_000_000)
    assert (
        made.sources["items"].sum()
        == len(rows)
        == made.classes["items"].iloc[-1] + len(goods & {row[0] for row in rows})
    )
    shuffled = item_frame(rows).sample(frac=1, random_state=random.randint(0, 9999))  # type: ignore[attr-defined]
    again = build_catalogue(shuffled, METHODS, values=given_values, decisions=choices)
    pd.testing.assert_frame_equal(again.items.drop(columns="row"), made.items.drop(columns="row"))


def test_coverage_by_hand() -> None:
    """手术: 2 of 3 items; 43,200 + 31,200 of 93,000 yuan.  治疗: none."""
    made = built(SURGERY, values={"rvu": value_frame({"01": 38.35, "03": 54.9})})
    rows = class_coverage(made.items).set_index("item_class")
    assert rows.loc["手术", ["items", "covered"]].tolist() == [3, 2]
    assert rows.loc["手术", "covered_amount_fen"] == 7_440_000
    assert rows.loc["手术", "amount_rate"] == 74_400 / 93_000
    assert rows.loc["治疗", "items_rate"] == 0
    assert rows.iloc[-1]["items"] == 4
    assert rows.iloc[-1]["quantity_rate"] == 16 / 31
    only = class_coverage(made.items[made.items["item_code"].isin(("05", "06"))])
    assert only["items"].tolist() == [0]
    assert math.isnan(only["items_rate"].iloc[0])


# ---- the workbook


@pytest.fixture(scope="module")
def workbook(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return sample(tmp_path_factory.mktemp("catalogue"))


def test_the_workbook_holds_text_numbers_and_inputs(workbook: Path) -> None:
    book = openpyxl.load_workbook(workbook)
    assert book.sheetnames == ["待复核", "全部项目", "覆盖率", "与上版比较", "说明"]
    sheet = book["全部项目"]
    places = {cell.value: cell.column for cell in sheet[1]}
    rows = {sheet.cell(row, 1).value: row for row in range(2, sheet.max_row + 1)}
    assert len(rows) == 18
    assert isinstance(next(iter(rows)), str) and "0102" in rows
    cell = sheet.cell(rows["0201"], places["点数"])
    assert (cell.value, cell.data_type) == (38.35, "n")
    named = sheet.cell(rows["0701"], places["项目名称"])
    assert (named.value, named.data_type) == ("=1+1 特殊名称处置", "s")
    assert sheet.cell(rows["0201"], places["国家格式（建议）"]).value == "2001年版 33 手术治疗"
    assert sheet.freeze_panes == "C2"
    filled = sheet.cell(rows["0201"], places["定点数"]).fill.fgColor.rgb
    assert filled != sheet.cell(rows["0201"], places["点数"]).fill.fgColor.rgb
    kinds = {rule.type for rule in sheet.data_validations.dataValidation}
    assert kinds == {"list", "decimal", "date"}
    assert sheet.cell(rows["0104"], places["决定人"]).value == "张三"


def test_the_workbook_says_what_made_it(workbook: Path) -> None:
    sheet = openpyxl.load_workbook(workbook)["说明"]
    said = {sheet.cell(row, 1).value: sheet.cell(row, 2).value for row in range(2, sheet.max_row)}
    assert said["价格项目"].startswith("items.csv　SHA-256 ")
    assert "未能" in said["国家格式：2012年版"] or "核实" in said["国家格式：2012年版"]
    assert said["方法：低于此可信度的不提建议"].startswith("0.6")
    assert said["版本"] == "2027-01"


def test_two_builds_are_equal_to_the_byte(workbook: Path, tmp_path: Path) -> None:
    assert sample(tmp_path, "另一个.xlsx").read_bytes() == workbook.read_bytes()


def test_row_order_of_the_items_file_is_irrelevant(tmp_path: Path) -> None:
    head, *rows = ITEMS.splitlines()
    write(tmp_path, "\n".join([head, *reversed(rows)]) + "\n")
    made = sample(tmp_path, items=tmp_path / "items.csv"), sample(tmp_path, "b.xlsx")
    turned, straight = (pd.read_excel(path, dtype=str, engine="calamine") for path in made)
    pd.testing.assert_frame_equal(turned, straight)


def test_what_build_refuses(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="对照"):
        sample(tmp_path, mapping=None)
    with pytest.raises(InputError, match="xlsx"):
        sample(tmp_path, out=tmp_path / "a.csv")
    with pytest.raises(InputError, match="没有这张工作表"):
        pd.DataFrame({"项目编码": ["1"]}).to_excel(tmp_path / "i.xlsx", index=False)
        sample(tmp_path, items=tmp_path / "i.xlsx", sheet="别的")
