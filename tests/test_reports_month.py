"""The month's workbook: content, totals, text that stays text, same bytes."""

from __future__ import annotations

import re
import zipfile
from dataclasses import replace

import numpy as np
import openpyxl
import pandas as pd
import pytest
from reports_demo import demo_report

from reports import MonthReport, ReportMeta, write_month_workbook
from reports.layout import MONTH_LAYOUT

SHEETS = [
    *("概况", "科室盈亏", "病组", "医生", "险种与病例类型", "病例", "科室奖金池", "人员发放"),
    *("异常", "核对", "编制依据", "图表数据"),
]
CASES, STAFF = 300, 160


@pytest.fixture(scope="module")
def report():
    return demo_report(CASES, staff=STAFF, malicious=True)


@pytest.fixture(scope="module")
def small():
    return demo_report(40, staff=12)


@pytest.fixture(scope="module")
def path(report, tmp_path_factory):
    path = tmp_path_factory.mktemp("month") / "月报.xlsx"
    write_month_workbook(report, path)
    return path


@pytest.fixture(scope="module")
def book(path):
    return openpyxl.load_workbook(path)


def table(sheet, top=1):
    """The table whose headings begin with 序号 (or the first filled row below ``top``)."""
    head = next(r for r in range(top, 12) if sheet.cell(r, 1).value == "序号")
    headings = [cell.value for cell in sheet[head]]
    rows = []
    for row in sheet.iter_rows(min_row=head + 1, values_only=True):
        if row[0] is None:
            return headings, rows, dict(zip(headings, row, strict=True))
        rows.append(dict(zip(headings, row, strict=True)))
    raise AssertionError("no total row")


def fen(yuan):
    return round(yuan * 100)


def test_sheets_in_order(book):
    assert book.sheetnames == SHEETS


def test_nothing_is_a_formula(path):
    with zipfile.ZipFile(path) as archive:
        sheets = [name for name in archive.namelist() if name.startswith("xl/worksheets/sheet")]
        assert len(sheets) == len(SHEETS)
        for name in sheets:
            assert re.search(rb"<f[ >/]", archive.read(name)) is None


def test_text_that_looks_like_a_formula_stays_text(book, report):
    names = [str(value) for value in report.departments["department_name"]]
    suspects = [name for name in names if name[0] in "=+-@"]
    assert len(suspects) == 3
    suspects += ["=1+1", "-2+3", "@cmd|' /C calc'!A0"]
    found = {}
    for sheet in book:
        for row in sheet.iter_rows():
            for cell in row:
                if cell.value in suspects:
                    assert cell.data_type == "s"
                    found.setdefault(cell.value, []).append(cell)
    assert set(found) == set(suspects)
    staff = [cell for cell in found["=1+1"] if cell.parent.title == "人员发放"]
    assert staff
    assert all(cell.quotePrefix for cell in staff)


def test_departments_add_up_to_the_hospital(book, report):
    _, rows, total = table(book["科室盈亏"])
    whole = report.hospital.iloc[0]
    assert len(rows) == 35
    assert total["科室编码"] == "合计"
    for heading, key in (
        ("总费用", "charges_fen"),
        ("应得支付", "paid_fen"),
        ("盈亏", "surplus_fen"),
    ):
        assert sum(fen(row[heading]) for row in rows) == whole[key] == fen(total[heading])
    assert total["出院例数"] == CASES == sum(row["出院例数"] for row in rows)
    assert total["CMI"] == pytest.approx(whole["cmi"], rel=1e-15)
    assert total["DRG 组数"] == whole["drg_count"]


def test_departments_fall_by_surplus_and_have_their_quadrant(book, report):
    _, rows, _ = table(book["科室盈亏"])
    surplus = [row["盈亏"] for row in rows]
    assert surplus == sorted(surplus, reverse=True)
    cut = report.hospital["cmi"].iloc[0]
    classes = {
        (True, True): "优势",
        (True, False): "重点控费",
        (False, True): "潜力",
        (False, False): "调整",
    }
    for row in rows:
        assert row["象限"] == classes[row["CMI"] >= round(cut, 12), row["例均盈亏"] >= 0]
        assert abs(row["例均盈亏"] - row["盈亏"] / row["出院例数"]) <= 0.005 + 1e-9


def test_loss_shares_sum_to_one(book):
    _, rows, total = table(book["病组"])
    assert total["占亏损比"] == pytest.approx(1.0)
    assert all((row["盈亏"] < 0) == (row["占亏损比"] > 0) for row in rows)


def test_cases_are_complete_and_masked(book, report, small, tmp_path):
    headings, rows, total = table(book["病例"])
    assert len(rows) == CASES
    assert [row["序号"] for row in rows] == list(range(1, CASES + 1))
    assert fen(total["盈亏"]) == int(report.cases["surplus_fen"].sum())
    ids = set(report.cases["case_id"])
    assert all(row["病案号"].startswith("＊＊＊") for row in rows)
    assert "病案号" in headings
    for sheet in book:
        for row in sheet.iter_rows(values_only=True):
            assert not ids & {value for value in row if isinstance(value, str)}
    plain = tmp_path / "plain.xlsx"
    write_month_workbook(small, plain, show_case_ids=True)
    shown = table(openpyxl.load_workbook(plain, read_only=False)["病例"])[1]
    assert {row["病案号"] for row in shown} == set(small.cases["case_id"])


def test_cells_have_types_and_formats(book):
    sheet = book["病例"]
    head = next(r for r in range(1, 9) if sheet.cell(r, 1).value == "序号")
    place = {cell.value: cell.column for cell in sheet[head]}
    first = {name: sheet.cell(head + 1, column) for name, column in place.items()}
    assert first["总费用"].data_type == "n"
    assert first["总费用"].number_format == "#,##0.00;[Red]-#,##0.00"
    assert first["出院日期"].is_date
    assert first["病案号"].data_type == "s"
    assert sheet.freeze_panes == f"C{head + 1}"
    assert (
        sheet.auto_filter.ref
        == f"A{head}:{sheet.cell(head, len(place)).column_letter}{head + CASES}"
    )
    rates = book["科室盈亏"]
    column = next(c.column for c in rates[4] if c.value == "入组率")
    assert rates.cell(5, column).number_format.startswith("0.00%")


def test_pages_are_set_up(book):
    for sheet in book:
        assert sheet.page_setup.fitToWidth == 1
        assert sheet.sheet_properties.pageSetUpPr.fitToPage
        assert "&P" in sheet.oddFooter.right.text
        assert sheet["A1"].value.startswith("松江示范医院（虚构）　2026 年 10 月")
    assert book["病例"].page_setup.orientation == "landscape"
    assert book["病例"].print_title_rows == "$1:$4"


def test_pools_and_pay_agree(book, report):
    _, pools, pool_total = table(book["科室奖金池"])
    _, staff, pay_total = table(book["人员发放"])
    assert len(staff) == STAFF
    singles = int(report.staff_pay["single_fen"].sum())
    assert fen(pool_total["人员分配"]) + singles == fen(pay_total["应发合计"])
    assert fen(pay_total["应发合计"]) == sum(fen(row["应发合计"]) for row in staff)
    assert all("点值" in row["计算过程"] for row in pools)
    assert {row["系列"] for row in staff} == {"医生", "护理"}


def verdicts(book):
    return [
        cell.value
        for row in book["核对"].iter_rows()
        for cell in row
        if cell.value in ("一致", "不一致")
    ]


def test_checks_hold(book):
    found = verdicts(book)
    # 3 files, 6 tables × 3 amounts, 6 counts, pay in all and by group, 2 control totals
    assert found == ["一致"] * (3 + 18 + 1 + 6 + 1 + 2)


def test_a_difference_of_one_fen_is_named(small, tmp_path):
    wrong = small.doctors.copy()
    wrong.loc[0, "paid_fen"] += 1
    path = tmp_path / "wrong.xlsx"
    write_month_workbook(replace(small, doctors=wrong), path)
    book = openpyxl.load_workbook(path)
    assert verdicts(book).count("不一致") == 1
    row = next(r for r in book["核对"].iter_rows(values_only=True) if "不一致" in r)
    assert row[0] == "医生合计：应得支付"
    assert row[3] == 0.01
    assert any("1 项不一致" in str(cell.value) for row in book["概况"] for cell in row)


def test_summary_shows_the_month(book, report):
    values = [cell.value for row in book["概况"] for cell in row if cell.value is not None]
    whole = report.hospital.iloc[0]
    for expected in (CASES, whole["charges_fen"] / 1e6, whole["surplus_fen"] / 100):
        assert expected in values
    assert any(isinstance(v, float) and v == pytest.approx(whole["cmi"], rel=1e-15) for v in values)
    links = {cell.hyperlink.location for row in book["概况"] for cell in row if cell.hyperlink}
    assert links == {f"'{name}'!A1" for name in SHEETS[1:-1]}


def test_charts_are_native_and_draw_from_cells(path):
    with zipfile.ZipFile(path) as archive:
        charts = {
            name: archive.read(name).decode()
            for name in archive.namelist()
            if name.startswith("xl/charts/chart")
        }
    assert len(charts) == 6
    everything = "".join(charts.values())
    assert everything.count("<bubbleChart>") == 2
    assert "<lineChart>" in everything
    bubble = next(text for text in charts.values() if "科室象限图" in text)
    for name in ("优势", "重点控费", "潜力", "调整"):
        assert f"<a:t>{name}</a:t>" in bubble
    assert re.search(r'<crossesAt val="0(\.0)?" ?/>', bubble)
    assert "'图表数据'!$" in bubble


def test_quadrant_axes_cross_at_the_cut(small, tmp_path):
    path = tmp_path / "cut.xlsx"
    write_month_workbook(replace(small, meta=ReportMeta("甲医院", "2026-10", cmi_cut=1.0)), path)
    with zipfile.ZipFile(path) as archive:
        bubble = next(
            text
            for name in archive.namelist()
            if name.startswith("xl/charts/chart")
            and "科室象限图" in (text := archive.read(name).decode())
        )
    assert sorted(map(float, re.findall(r'<crossesAt val="([\d.]+)"', bubble))) == [0.0, 1.0]


def test_same_report_same_bytes(report, path, tmp_path):
    again = tmp_path / "again.xlsx"
    write_month_workbook(demo_report(CASES, staff=STAFF, malicious=True), again)
    assert again.read_bytes() == path.read_bytes()
    with zipfile.ZipFile(again) as archive:
        assert {info.date_time for info in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert archive.namelist() == sorted(archive.namelist())
        core = archive.read("docProps/core.xml").decode()
    assert core.count("2026-10-01T00:00:00Z") == 2


def test_order_of_rows_does_not_matter(small, tmp_path):
    rng = np.random.default_rng(1)
    names = ("departments", "drgs", "doctors", "insurances", "cases", "staff_pay")
    shuffled = {
        name: frame.iloc[rng.permutation(len(frame))]
        for name in names
        if (frame := getattr(small, name)) is not None
    }
    again = tmp_path / "shuffled.xlsx"
    write_month_workbook(replace(small, **shuffled), again)
    straight = tmp_path / "straight.xlsx"
    write_month_workbook(small, straight)
    assert again.read_bytes() == straight.read_bytes()


def test_an_empty_month_says_so(tmp_path):
    hospital = pd.DataFrame(
        {"label": ["本月"], "cases": [0], "charges_fen": [0], "surplus_fen": [0]}
    )
    path = tmp_path / "empty.xlsx"
    write_month_workbook(MonthReport(ReportMeta("甲 & 乙医院", "2026-10"), hospital), path)
    book = openpyxl.load_workbook(path)
    assert book.sheetnames == SHEETS
    assert book["病例"]["A3"].value == "本月没有此项数据。"
    assert book["病例"].oddHeader.left.text == "甲 && 乙医院"


def test_hospital_or_amounts_of_the_wrong_type_are_refused(small):
    with pytest.raises(TypeError, match="surplus_fen: 应为整数分"):
        replace(small, departments=small.departments.astype({"surplus_fen": float}))
    with pytest.raises(TypeError, match=r"cases\.case_id: 缺少"):
        replace(small, cases=small.cases.drop(columns="case_id"))
    with pytest.raises(TypeError, match="hospital: 没有行"):
        replace(small, hospital=small.hospital.iloc[:0])


def test_a_column_is_added_by_the_layout_alone(small, tmp_path):
    text = MONTH_LAYOUT.read_text(encoding="utf-8")
    text += '\n[column.beds]\nheading = "编制床位"\nformat = "int"\nwidth = 9\ntotal = "sum"\n'
    text = text.replace('"quadrant", "cases", "grouped"', '"quadrant", "beds", "cases", "grouped"')
    layout = tmp_path / "own.toml"
    layout.write_text(text, encoding="utf-8")
    wider = replace(small, departments=small.departments.assign(beds=20))
    path = tmp_path / "wider.xlsx"
    write_month_workbook(wider, path, layout_file=layout)
    headings, rows, total = table(openpyxl.load_workbook(path)["科室盈亏"])
    assert headings.index("编制床位") == headings.index("出院例数") - 1
    assert total["编制床位"] == 20 * len(rows)


def test_unknown_columns_come_last_or_not_at_all(small, tmp_path):
    wider = replace(
        small,
        exceptions=small.exceptions.assign(extra_fen=12_345),
        departments=small.departments.assign(extra_fen=12_345),
    )
    path = tmp_path / "unknown.xlsx"
    write_month_workbook(wider, path)
    book = openpyxl.load_workbook(path)
    headings, rows, _ = table(book["异常"])
    assert headings[-1] == "extra"
    assert rows[0]["extra"] == 123.45
    assert "extra" not in table(book["科室盈亏"])[0]


def test_long_lists_are_cut_and_say_so(small, tmp_path):
    text = MONTH_LAYOUT.read_text(encoding="utf-8").replace("max_rows = 20000", "max_rows = 2")
    layout = tmp_path / "short.toml"
    layout.write_text(text, encoding="utf-8")
    path = tmp_path / "short.xlsx"
    write_month_workbook(small, path, layout_file=layout)
    sheet = openpyxl.load_workbook(path)["异常"]
    _, rows, total = table(sheet)
    assert len(rows) == 2
    # The total is of all rows, not of those shown.
    assert total["行数"] == 413
    assert any("共 3 行，此处列出前 2 行" in str(cell.value) for row in sheet for cell in row)


def test_a_failed_write_leaves_the_old_file(small, tmp_path, monkeypatch):
    path = tmp_path / "month.xlsx"
    path.write_bytes(b"old")
    monkeypatch.setattr(zipfile.ZipFile, "namelist", lambda self: ["nothing"])
    with pytest.raises(KeyError):
        write_month_workbook(small, path)
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["month.xlsx"]
