"""A reviewed catalogue read back: decisions, faults, round trips, versions, charges covered."""

from __future__ import annotations

import datetime as dt
import subprocess
from pathlib import Path

import openpyxl
import pandas as pd
import pytest
from catalogue_cases import DATA, decision_frame, fill_in, item_frame, read_out, sample, value_frame
from commands import command_variables
from hypothesis import given, settings
from hypothesis import strategies as st

from drg_engine.errors import InputError
from drg_engine.points_command import show_coverage, show_diff, show_methods
from performance import read_lines, read_table
from performance.catalogue import build_catalogue
from performance.catalogue_coverage import charged_coverage
from performance.catalogue_methods import load_methods
from performance.catalogue_review import is_review, read_decisions, read_review
from performance.catalogue_versions import compare_versions, read_version
from performance.line_files import LineFile

WHO = {"决定人": "赵六", "决定日期": dt.date(2026, 11, 2)}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return sample(tmp_path_factory.mktemp("catalogue"))


def copy(path: Path, folder: Path) -> Path:
    target = folder / path.name
    target.write_bytes(path.read_bytes())
    return target


def test_the_items_table_is_the_workspaces(built: Path, tmp_path: Path) -> None:
    table = read_out(built, tmp_path / "items.csv", dates=("2027-01-01", "2028-01-01"))
    rows = table.set_index("项目编码")
    assert rows.loc["0102", ["点数", "医技点数", "开单系数", "执行系数"]].tolist() == [
        "1.04", "1.04", "0", "1",
    ]  # fmt: skip
    assert rows.loc["0104", "赋分理由"] == "人工决定：检验科测时（张三，2026-10-02）"
    assert rows.loc["0501", ["点数", "赋分理由"]].tolist() == ["0", "药品不计点"]
    assert not {"0105", "0701", "0303"} & set(rows.index)
    read = read_table(tmp_path / "items.csv", "items")
    assert read["points_e4"].to_numpy()[0] == 10_400
    assert set(read["version"]) == {"2027-01"}
    assert set(table["失效日期"]) == {"2028-01-01"}


def test_proposals_nobody_looked_at_need_a_word(built: Path, tmp_path: Path) -> None:
    plain = set(read_out(built, tmp_path / "a.csv")["项目编码"])
    some = read_out(built, tmp_path / "b.csv", accept=0.8).set_index("项目编码")
    assert set(some.index) - plain == {"0103", "0202"} & set(some.index)
    assert "0202" in some.index
    assert some.loc["0202", "赋分理由"].startswith("未经复核的建议（可信度 0.8")
    every = read_out(built, tmp_path / "c.csv", accept=0.6, zero=True)
    assert len(every) == 18
    assert every.set_index("项目编码").loc["0701", "项目名称"] == "'=1+1 特殊名称处置"
    named = read_version(tmp_path / "c.csv").points.set_index("item_code")
    assert named.loc["0701", "item_name"] == "=1+1 特殊名称处置"
    assert every.set_index("项目编码").loc["0303", ["点数", "赋分理由"]].tolist() == [
        "0", "未赋分，暂按 0 点",
    ]  # fmt: skip


def test_what_people_type_is_read_back(built: Path, tmp_path: Path) -> None:
    path = copy(built, tmp_path)
    fill_in(path, "待复核", {
        "0202": {"复核结论": "同意", **WHO},
        "0203": {"定点数": 45.5, "定医生点数": 40, "理由": "讨论", "定开单系数": 0.2, **WHO},
        "0701": {"复核结论": "不计点", "理由": "停用", **WHO},
        "0703": {"复核结论": "待定", "理由": "再议"},
    })  # fmt: skip
    fill_in(path, "全部项目", {"0402": {"定点数": 3.5}})
    rows = read_out(path, tmp_path / "items.csv").set_index("项目编码")
    assert rows.loc["0202", "点数"] == "38.35"
    assert rows.loc["0202", "赋分理由"].startswith("人工决定：同意建议：0201 单膝关节表面置换术")
    assert rows.loc["0203", ["点数", "医生点数", "开单系数"]].tolist() == ["45.5", "40", "0.2"]
    assert rows.loc["0701", "点数"] == "0"
    assert rows.loc["0402", "点数"] == "3.5"
    assert "0703" not in rows.index


def test_every_fault_is_told_with_sheet_row_and_column(built: Path, tmp_path: Path) -> None:
    path = copy(built, tmp_path)
    fill_in(path, "待复核", {
        "0202": {"复核结论": "行", **WHO},
        "0203": {"复核结论": "改为", "理由": "讨论", **WHO},
        "0105": {"复核结论": "同意", "定点数": 9, **WHO},
        "0103": {"复核结论": "不计点", "定点数": 2, **WHO},
        "0701": {"复核结论": "同意", **WHO},
        "0703": {"定点数": "很多"},
    })  # fmt: skip
    fill_in(path, "全部项目", {
        "0501": {"复核结论": "改为", "定点数": 1, "理由": "x", **WHO},
        "0104": {"决定人": None},
        "0402": {"定点数": -3},
        "0102": {"理由": "忘了结论"},
    })  # fmt: skip
    with pytest.raises(InputError) as caught:
        read_review(path)
    rows = {
        name: {cell.value: cell.row for cell in openpyxl.load_workbook(path)[name]["A"]}
        for name in ("待复核", "全部项目")
    }
    file = path.name
    told = {(fault.file, fault.row, fault.column) for fault in caught.value.faults}
    expected = {("待复核", "0202", "复核结论"), ("待复核", "0203", "定点数"),
                ("待复核", "0105", "定点数"), ("待复核", "0103", "定点数"),
                ("待复核", "0103", "理由"), ("待复核", "0701", "复核结论"),
                ("待复核", "0703", "定点数"), ("全部项目", "0501", "定点数"),
                ("全部项目", "0104", "决定人"), ("全部项目", "0402", "定点数"),
                ("全部项目", "0102", "复核结论")}  # fmt: skip
    wanted = {(f"{file}（{sheet}）", rows[sheet][code], column) for sheet, code, column in expected}
    # -3 leaves the row without points, which is told as well
    assert wanted <= told
    assert all(fault.mend for fault in caught.value.faults)


def test_the_two_sheets_must_not_contradict_each_other(built: Path, tmp_path: Path) -> None:
    path = copy(built, tmp_path)
    one = {"0202": {"定点数": 50, "理由": "甲", **WHO}}
    fill_in(path, "待复核", one)
    fill_in(path, "全部项目", one)
    assert read_review(path).decisions.set_index("item_code").loc["0202", "points_e4"] == 500_000
    fill_in(path, "全部项目", {"0202": {"定点数": 51}})
    with pytest.raises(InputError, match="决定不同"):
        read_review(path)


def test_rows_added_repeated_or_renamed(built: Path, tmp_path: Path) -> None:
    path = copy(built, tmp_path)
    book = openpyxl.load_workbook(path)
    book["待复核"]["A2"].value = "9999"
    book["全部项目"]["A3"].value = book["全部项目"]["A2"].value
    book.save(path)
    with pytest.raises(InputError) as caught:
        read_review(path)
    told = {(fault.row, fault.message) for fault in caught.value.faults}
    assert {(2, "“全部项目”里没有这个编码"), (3, "重复，第 2 行已有")} <= told
    book["全部项目"]["A1"].value = "代号"
    book.save(path)
    with pytest.raises(InputError, match="缺少“项目编码”列"):
        read_review(path)


# ---- round trips


def test_build_read_build_is_stable_to_the_byte(built: Path, tmp_path: Path) -> None:
    path = copy(built, tmp_path)
    fill_in(path, "待复核", {
        "0202": {"复核结论": "同意", **WHO},
        "0203": {"定点数": 45.5, "理由": "讨论\n两行", **WHO},
        "0701": {"复核结论": "不计点", "理由": "停用", **WHO},
    })  # fmt: skip
    first = read_out(path, tmp_path / "first.csv")
    second = sample(tmp_path, "二.xlsx", decisions=path, previous=path)
    read_out(second, tmp_path / "second.csv")
    assert (tmp_path / "second.csv").read_bytes() == (tmp_path / "first.csv").read_bytes()
    assert len(first) == 14
    third = sample(tmp_path, "三.xlsx", decisions=second, previous=second)
    fourth = sample(tmp_path, "四.xlsx", decisions=third, previous=third)
    assert fourth.read_bytes() == third.read_bytes()
    said = pd.read_excel(third, sheet_name="与上版比较", engine="calamine")
    assert said.iloc[:, 0].tolist() == ["没有变化。"]


def test_a_workbook_with_decisions_is_not_written_over(built: Path, tmp_path: Path) -> None:
    path = copy(built, tmp_path)
    assert sample(tmp_path).read_bytes() == path.read_bytes()
    fill_in(path, "待复核", {"0202": {"复核结论": "同意", **WHO}})
    typed = path.read_bytes()
    with pytest.raises(InputError, match="1 项人工决定会丢失"):
        sample(tmp_path)
    assert path.read_bytes() == typed
    sample(tmp_path, decisions=path)
    assert read_review(path).decisions["item_code"].tolist() == ["0104", "0202", "0303", "0402"]
    sample(tmp_path, decisions=None, previous=path)
    assert len(read_review(path).decisions) == 4


def test_decisions_are_carried_without_the_table_that_held_them(tmp_path: Path) -> None:
    first = sample(tmp_path, "一.xlsx")
    second = sample(tmp_path, "二.xlsx", decisions=None, previous=first, rvu=None, mapping=None,
                    values=None)  # fmt: skip
    items = read_review(second).items.set_index("item_code")
    assert items.loc["0104", ["source", "points_e4"]].tolist() == ["人工决定", 8_000]
    assert items.loc["0201", ["source", "points_e4"]].tolist() == ["上版", 383_500]
    assert items.loc["0201", "reason"].startswith("RVU 27447")
    pending = read_review(second).decisions.set_index("item_code")
    assert pending.loc["0303", ["verdict", "who"]].tolist() == ["待定", "王五"]


def test_a_workspaces_table_gives_back_its_decisions(built: Path, tmp_path: Path) -> None:
    read_out(built, tmp_path / "items.csv")
    version = read_version(tmp_path / "items.csv")
    decided = version.decisions.set_index("item_code")
    assert decided.loc["0104", ["verdict", "points_e4", "why", "who"]].tolist() == [
        "改为", 8_000, "检验科测时", "张三",
    ]  # fmt: skip
    again = sample(tmp_path, previous=tmp_path / "items.csv", decisions=None)
    read_out(again, tmp_path / "again.csv")
    assert (tmp_path / "again.csv").read_bytes() == (tmp_path / "items.csv").read_bytes()


def test_a_new_version_beside_the_old(built: Path, tmp_path: Path) -> None:
    out = tmp_path / "items.csv"
    read_out(built, out, dates=("2026-01-01", None))
    table = read_out(built, out, version="2027-02", dates=("2027-02-01", None), keep_old=True)
    rows = table[table["项目编码"] == "0201"][["版本", "生效日期", "失效日期"]]
    assert rows.values.tolist() == [
        ["2027-01", "2026-01-01", "2027-02-01"], ["2027-02", "2027-02-01", ""],
    ]  # fmt: skip
    assert len(read_table(out, "items")) == len(table)
    with pytest.raises(InputError, match="已有同日或更晚生效的版本"):
        read_out(built, out, dates=("2026-06-01", None), keep_old=True)
    with pytest.raises(InputError, match="--from"):
        read_out(built, out, keep_old=True)
    with pytest.raises(InputError, match="不是日期"):
        read_out(built, out, dates=("明年", None))
    with pytest.raises(InputError, match="不晚于"):
        read_out(built, out, dates=("2027-01-01", "2027-01-01"))


RULES = """项目编码,项目名称,类别,点数,工作量RVU,业务成本RVU,责任险RVU,同次规则,内镜族,基础点数,\
技术点数,专业点数
0201,单膝关节表面置换术,手术,38.35,,,,手术,,,,
0102,血常规（五分类）,化验,2,,,,影像,,,1.5,0.5
0204,冠状动脉搭桥术,手术,,33.75,13.26,7.89,手术,,,,
0203,膝关节置换翻修术,手术,,20,10,5,,,,,
"""


def test_session_rules_and_rvu_parts_stay_with_their_items(
    built: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """0102 changes to 1.04 points, so 1.5 + 0.5 no longer fit; 33.75 + 13.26 + 7.89 = 54.90."""
    out = tmp_path / "items.csv"
    out.write_text(RULES, encoding="utf-8")
    rows = read_out(built, out).set_index("项目编码")
    assert rows.loc["0201", ["点数", "同次规则"]].tolist() == ["38.35", "手术"]
    assert rows.loc["0204", ["点数", "工作量RVU", "同次规则"]].tolist() == ["", "33.75", "手术"]
    assert rows.loc["0102", ["点数", "同次规则"]].tolist() == ["1.04", ""]
    assert rows.loc["0501", "同次规则"] == ""
    assert "1 个项目的同次规则与新点数不符，没有带过来（0102）" in capsys.readouterr().err
    assert read_table(out, "items")["session"].tolist().count("procedure") == 2
    out.write_text(RULES, encoding="utf-8")
    version = read_version(out).points.set_index("item_code")
    assert version.loc["0203", "points_e4"] == 350_000
    again = sample(tmp_path, previous=out)
    assert read_out(again, out).set_index("项目编码").loc["0203", "工作量RVU"] == "20"


def test_a_table_of_decisions(tmp_path: Path) -> None:
    found = read_decisions(DATA / "decisions.csv").set_index("item_code")
    assert found.loc["0104", ["verdict", "points_e4"]].tolist() == ["改为", 8_000]
    assert not is_review(DATA / "decisions.csv")
    path = tmp_path / "d.csv"
    path.write_text("项目编码,点数,理由,决定人,决定日期\nA,1,,张三,2026-10-01\nB,2,因,,某日\nA,1,因,甲,\n",
                    encoding="utf-8")  # fmt: skip
    with pytest.raises(InputError) as caught:
        read_decisions(path)
    told = [(fault.row, fault.column) for fault in caught.value.faults]
    assert sorted(told) == [
        (2, "理由"), (3, "决定人"), (3, "决定日期"), (3, "决定日期"), (4, "决定日期"),
        (4, "项目编码"),
    ]  # fmt: skip


# ---- versions and charges


def test_what_moved_between_two_versions(built: Path, tmp_path: Path) -> None:
    path = copy(built, tmp_path)
    fill_in(path, "待复核", {"0202": {"复核结论": "同意", **WHO}})
    fill_in(path, "全部项目", {"0402": {"定点数": 3.5, "定开单系数": 0.1}})
    old, new = read_version(built).points, read_version(path).points
    new = new[new["item_code"] != "0601"].reset_index(drop=True)
    extra = new[new["item_code"] == "0501"].assign(item_code="0502", item_name="新药")
    new.loc[new["item_code"] == "0204", "item_name"] = "搭桥"
    changes = compare_versions(old, pd.concat([new, extra]), {"0402": 900}).set_index("item_code")
    assert changes["change"].to_dict() == {
        "0202": "新赋分", "0402": "点数变化", "0601": "取消", "0502": "新增", "0204": "其他变化",
    }  # fmt: skip
    assert changes.index[0] == "0402"
    assert changes.loc["0402", ["old_e4", "new_e4", "difference_e4"]].tolist() == [
        30_000, 35_000, 5_000,
    ]  # fmt: skip
    assert changes.loc["0402", "detail"] == "开单系数 0 → 0.1"
    assert changes.loc["0204", "detail"] == "名称 冠状动脉搭桥术 → 搭桥"
    assert compare_versions(old, old).empty
    back = compare_versions(new, old).set_index("item_code")
    assert back.loc["0202", "change"] == "失去赋分"


def charges(folder: Path, *rows: str) -> Path:
    path = folder / "charges.csv"
    head = "收费日期,项目编码,数量,金额,开单科室,执行科室\n"
    path.write_text(head + "\n".join(rows) + "\n", encoding="utf-8")
    return path


def test_how_much_of_a_month_has_points(built: Path, tmp_path: Path) -> None:
    """0201 has points, 0501 has none by rule, 0303 is open, 9999 is not in the table."""
    path = charges(tmp_path, "2026-10-01,0201,1,3600,A,A", "2026-10-01,0501,4,50,A,A",
                   "2026-10-02,0303,5,30,A,A", "2026-10-02,9999,2,320,A,A",
                   "2026-10-03,0201,-1,-3600,A,A", "2026-10-03,0201,2,7200,A,A")  # fmt: skip
    found, open_ = charged_coverage(built, LineFile(path))
    rows = found.set_index("status")
    assert rows["amount_fen"].to_dict() == {
        "有点数": 720_000, "0 点": 5_000, "未赋分": 3_000, "不在点数表": 32_000,
    }  # fmt: skip
    assert rows["quantity_e4"].tolist() == [20_000, 40_000, 50_000, 20_000]
    # millionths of 7,600: 947368.4, 6578.9, 3947.4, 42105.3; two are missing to a million
    assert rows["amount_share"].tolist() == [0.947369, 0.006579, 0.003947, 0.042105]
    assert open_["item_code"].tolist() == ["9999", "0303"]
    read_out(built, tmp_path / "items.csv")
    by_table, _ = charged_coverage(tmp_path / "items.csv", read_lines(path))
    assert by_table.set_index("status")["amount_fen"]["不在点数表"] == 35_000


@settings(max_examples=20)
@given(st.lists(st.tuples(st.sampled_from("abcde"), st.integers(-50, 900)), min_size=1))
def test_coverage_is_a_hundred_per_cent(rows: list) -> None:
    table = item_frame([(code, "名", "手术", 1.0, 1) for code in "abc"])
    made = build_catalogue(table, load_methods(), values={"rvu": value_frame({"a": 1, "b": 0})})
    from performance.catalogue_coverage import source_coverage

    spread = pd.DataFrame(rows, columns=["source", "amount_fen"]).assign(quantity_e4=1)
    found = source_coverage(spread, ())
    for name in ("items_share", "quantity_share", "amount_share"):
        assert round(found[name] * 1_000_000).sum() in (0, 1_000_000)
    assert round(made.sources["items_share"] * 1_000_000).sum() == 1_000_000


def test_a_later_table_of_decisions_wins() -> None:
    items = item_frame([("a", "名", "手术", 1.0, 1)])
    tables = [decision_frame([("a", "改为", 2)]), decision_frame([("a", "改为", 1)])]
    made = build_catalogue(items, load_methods(), values={}, decisions=tables)
    assert made.items["points_e4"].tolist() == [20_000]


# ---- the commands


def test_the_commands(drg_engine_command: Path, tmp_path: Path) -> None:
    def run(*words: str) -> tuple[int, str]:
        done = subprocess.run(
            [str(drg_engine_command), "points", *words],
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=command_variables(drg_engine_command.parent),
            encoding="utf-8",
            check=False,
        )
        return done.returncode, done.stdout

    code, said = run("build", "--items", str(DATA / "items.csv"), "--decisions",
                     str(DATA / "decisions.csv"))  # fmt: skip
    assert code == 0, said
    assert "覆盖率（不含药品、卫生材料）：项目 12.50%" in said
    code, said = run("read", "点数目录.xlsx", "--out", "tables/items.csv")
    assert code == 0, said
    assert "写入 4 个项目，其中人工决定 2 个" in said
    charges(tmp_path, "2026-10-01,0104,1,12,A,A")
    code, said = run("coverage", "tables/items.csv", "charges.csv")
    assert code == 0, said
    assert "100.00%" in said
    code, said = run("diff", "tables/items.csv", "点数目录.xlsx", "--out", "diff.csv")
    assert code == 0, said
    assert "新增 14" in said
    assert (tmp_path / "diff.csv").is_file()
    code, said = run("build", "--items", "no.csv")
    assert (code, "找不到文件" in said) == (3, True)


def test_showing_all_or_some(
    built: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    read_out(built, tmp_path / "items.csv")
    show_methods(None)
    assert "proposal.least" in capsys.readouterr().out
    show_diff(tmp_path / "items.csv", built, 2, None)
    assert "此处列出前 2 项" in capsys.readouterr().out
    show_diff(built, built, 0, None)
    assert "没有变化" in capsys.readouterr().out
    show_coverage(built, charges(tmp_path, "2026-10-01,0701,1,12,A,A"), 0)
    assert "没有点数的项目 1 个" in capsys.readouterr().out
    with pytest.raises(InputError, match="没有可用的收费行"):
        show_coverage(built, charges(tmp_path, "某日,0701,1,12,A,A"), 0)
