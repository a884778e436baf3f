"""A month's cases that cannot be what the clerk meant: told or refused, never paid in silence."""

from __future__ import annotations

import csv
import re
import zipfile
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

import openpyxl
import pytest
from ledger_cases import PERIOD, make_small
from policy_workspace import make_workspace
from typer.testing import CliRunner

from drg_engine.cases import read_cases
from drg_engine.cli import app
from drg_engine.errors import DrgEngineError, InputError
from drg_engine.month import Month, compute_month
from drg_engine.month_run import run_month
from drg_engine.month_tables import exceptions_by_kind, month_exceptions
from drg_engine.policy_set import load_policies
from drg_engine.settle_files import CaseSource
from drg_engine.surplus_command import surplus_and_show
from drg_engine.workbook_files import sheet_rows
from drg_engine.workspace import open_workspace
from grouper_tables import load_scheme

HEADING = (
    "病案号,性别,年龄,主要诊断编码,主要手术编码,住院天数,入院日期,出院日期,"
    "出院科室,主治医生,险种,总费用,成本"
)
ROWS = (
    "A00001,女,56,K80.100,51.2300,6,2026-10-01,2026-10-03,D101,100002,310,15000.00,14000.00",
    "A00002,男,61,I63.900,,9,2026-10-01,2026-10-09,D201,100005,390,9000.50,8000.00",
)


@pytest.fixture
def hospital(tmp_path: Path) -> Path:
    folder = make_small(tmp_path / "院")
    write_cases(folder)
    return folder


def write_cases(folder: Path, *rows: str, heading: str = HEADING) -> None:
    text = "\n".join([heading, *(rows or ROWS)]) + "\n"
    (folder / "inputs" / PERIOD / "cases.csv").write_text(text, encoding="utf-8-sig")


def computed(folder: Path, period: str = PERIOD) -> Month:
    return compute_month(open_workspace(folder), period, lambda _: None)


def refusal(folder: Path) -> str:
    with pytest.raises(InputError) as error:
        computed(folder)
    return str(error.value)


def shown(folder: Path) -> str:
    done = CliRunner().invoke(app, ["run", str(folder), PERIOD], env={"COLUMNS": "400"})
    assert done.exit_code == 0, done.exception
    return done.output


def told(folder: Path, kind: str) -> dict[str, object]:
    exceptions = month_exceptions(computed(folder))
    return dict(exceptions[exceptions["kind"] == kind].iloc[0])


@pytest.mark.parametrize(
    ("heading", "wrong", "words"),
    [
        ("总费用", "总废用", ["缺少“总费用”列", "是不是“总废用”"]),
        ("险种", "险钟", ["缺少“险种”列", "是不是“险钟”"]),
        ("出院科室", "出院课室", ["缺少“出院科室”列", "是不是“出院课室”"]),
        ("出院日期", "出院曰期", ["缺少“出院日期”列", "是不是“出院曰期”"]),
        ("总费用", "Q", ["缺少“总费用”列", "请加上“总费用”列", "住院总费用"]),
    ],
)
def test_a_column_that_the_month_needs(
    hospital: Path, heading: str, wrong: str, words: list[str]
) -> None:
    write_cases(hospital, heading=HEADING.replace(heading, wrong))
    text = refusal(hospital)
    assert "cases.csv 第 1 行" in text
    assert all(word in text for word in words), text


def test_all_columns_that_lack_are_told_at_once(hospital: Path) -> None:
    write_cases(hospital, heading=HEADING.replace("险种", "别的").replace("出院科室", "其他"))
    text = refusal(hospital)
    assert "缺少“险种”列" in text
    assert "缺少“出院科室”列" in text


@pytest.mark.parametrize(("value", "title"), [("15000.00", "总费用"), ("310", "险种")])
def test_a_column_that_is_there_and_blank(hospital: Path, value: str, title: str) -> None:
    write_cases(hospital, ROWS[0].replace(value, ""))
    assert f"[{title}]：整列都是空的" in refusal(hospital)


def test_a_month_without_doctors_is_told(hospital: Path) -> None:
    write_cases(hospital, heading=HEADING.replace("主治医生", "主治大夫"))
    assert "没有“主治医生”列" in shown(hospital)
    row = told(hospital, "缺少列")
    assert (row["file"], row["column"]) == ("cases.csv", "主治医生")
    assert "是不是“主治大夫”" in str(row["message"])


def test_the_surplus_asks_for_the_same_columns(hospital: Path, tmp_path: Path) -> None:
    write_cases(hospital, heading=HEADING.replace("总费用", "总废用"))
    with pytest.raises(InputError, match="是不是“总废用”"):
        surplus_and_show(hospital, PERIOD, tmp_path / "析")


def test_settling_raw_cases_asks_for_charges_and_insurance(hospital: Path, tmp_path: Path) -> None:
    write_cases(hospital, heading=HEADING.replace("总费用", "总废用").replace("险种", "险钟"))
    file = hospital / "inputs" / PERIOD / "cases.csv"
    source = CaseSource(
        [file], scheme=load_scheme("chs_drg_1_1"), policies=load_policies(["harbin_2024"])
    )
    with pytest.raises(InputError) as error:
        list(source.batches())
    assert "是不是“总废用”" in str(error.value)
    assert "是不是“险钟”" in str(error.value)


def test_policies_by_date_ask_for_the_date(tmp_path: Path) -> None:
    folder = make_workspace(tmp_path / "院")
    path = folder / "inputs" / "2026-07" / "cases.csv"
    text = path.read_text(encoding="utf-8-sig").replace("出院日期", "离院的日子")
    path.write_text(text, encoding="utf-8-sig")
    with pytest.raises(InputError, match="缺少“出院日期”列"):
        computed(folder, "2026-07")


def test_cases_of_another_month_alone_are_refused(hospital: Path) -> None:
    write_cases(hospital, *(row.replace("2026-10-0", "2026-08-0") for row in ROWS))
    text = refusal(hospital)
    assert "cases.csv 不是 2026-10 的病例" in text
    assert "2026-08-03 至 2026-08-09" in text


def test_some_cases_of_another_month_are_told(hospital: Path) -> None:
    write_cases(hospital, ROWS[0], ROWS[1].replace("2026-10-0", "2026-08-0"))
    words = "1 例的出院日期、结算日期都不在 2026-10（第 3 行）"
    assert words in shown(hospital)
    row = told(hospital, "不在本月的病例")
    assert (row["row"], row["rows"], row["amount_fen"]) == (3, 1, 900_050)
    assert words in str(row["message"])


def test_a_case_settled_in_the_month_is_of_the_month(hospital: Path) -> None:
    rows = [f"{row.replace('2026-10-0', '2026-09-0')},2026-10-31" for row in ROWS]
    write_cases(hospital, *rows, heading=f"{HEADING},结算日期")
    assert computed(hospital).warnings.empty


def test_a_file_with_a_heading_alone(hospital: Path) -> None:
    path = hospital / "inputs" / PERIOD / "cases.csv"
    path.write_text(f"{HEADING}\n", encoding="utf-8-sig")
    assert "只有表头，一例病例也没有" in refusal(hospital)


def test_a_month_whose_cases_are_all_rejected(hospital: Path) -> None:
    write_cases(hospital, *(row.replace("2026-10-01", "2026-11-01") for row in ROWS))
    text = refusal(hospital)
    assert "2 行全部被拒收" in text
    assert "cases.csv 第 2 行 [出院日期]：出院日期早于入院日期（读到“2026-10-03”）" in text


def test_exceptions_without_amounts_stay_whole_numbers(hospital: Path) -> None:
    """A rejected row beside an unknown item made the amounts floats, and the report a traceback."""
    write_cases(hospital, ROWS[1], ROWS[1].replace("A00002", "A00009").replace(",61,", ",610,"))
    charges = hospital / "inputs" / PERIOD / "charges.csv"
    text = charges.read_text(encoding="utf-8-sig")
    charges.write_text(text + "2026-10-09,C1,9999,2,10,D101,,D101,\n", encoding="utf-8-sig")
    exceptions = month_exceptions(run_month(hospital, PERIOD))
    assert {"病例拒收", "未知项目"} <= set(exceptions["kind"])
    assert str(exceptions["amount_fen"].dtype) == "Int64"


def own_policy(hospital: Path, change: Callable[[str], str]) -> None:
    shipped = files("drg_engine").joinpath("policies/harbin_2024.toml")
    text = change(shipped.read_text(encoding="utf-8"))
    (hospital / "own.toml").write_text(text, encoding="utf-8")
    settings = hospital / "hospital.toml"
    said = settings.read_text(encoding="utf-8").replace('"harbin_2024"', '"own.toml"')
    settings.write_text(said, encoding="utf-8")


def test_an_insurance_without_a_rate(hospital: Path) -> None:
    own_policy(hospital, lambda text: text.replace("310 = ", "31O = "))
    output = shown(hospital)
    assert re.search(r"险种 310（职工）.*没有：1 例、总费用 15,000.00 元.*是不是“31O”", output)
    assert re.search(r"rates\.31O 不是已知的险种编码，本月没有这个险种的病例；是不是“310”", output)
    row = told(hospital, "险种没有费率")
    assert (row["found"], row["rows"], row["amount_fen"]) == ("310", 1, 1_500_000)
    assert told(hospital, "费率没有病例")["column"] == "rates.31O"


def test_insured_elsewhere_needs_no_rate(hospital: Path) -> None:
    write_cases(hospital, *ROWS, ROWS[0].replace("A00001", "A00003").replace(",310,", ",other,"))
    assert computed(hospital).warnings.empty


def excel_cases(path: Path, name: str, value: str) -> Path:
    """The cases as a workbook whose second case has a formula that failed."""
    book = openpyxl.Workbook()
    book.active.append(["#REF!"])
    sheet = book.create_sheet("病例")
    for row in (HEADING, *ROWS):
        sheet.append(row.split(","))
    sheet.cell(3, HEADING.split(",").index(name) + 1, value)
    plain = path.with_name("plain.xlsx")
    book.save(plain)
    # As Excel has it: the formula, and what came of it.
    failed = f"<v>{value}</v>".encode()
    with zipfile.ZipFile(plain) as old, zipfile.ZipFile(path, "w") as new:
        for part in old.namelist():
            new.writestr(part, old.read(part).replace(failed, b"<f>1/0</f>" + failed))
    return path


@pytest.mark.parametrize(
    ("name", "value"),
    [("总费用", "#DIV/0!"), ("成本", "#N/A"), ("总费用", "#VALUE!"), ("年龄", "#N/A")],
)
def test_an_error_value_of_excel_is_no_blank(tmp_path: Path, name: str, value: str) -> None:
    cases = read_cases(excel_cases(tmp_path / "cases.xlsx", name, value), sheet="病例")
    (line,) = cases.rejects.lines.to_pylist()
    assert (line["row"], line["column"], line["value"]) == (3, name, value)
    assert cases.case_id.to_pylist() == ["A00001"]


def test_error_cells_as_openpyxl_writes_them(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    book.active.append(["甲", "乙"])
    book.active.append(["#DIV/0!", 3])
    book.active.append(["=A2", "#N/A"])
    book.save(tmp_path / "a.xlsx")
    rows = sheet_rows(tmp_path / "a.xlsx")
    assert [rows[1][0], rows[1][1], rows[2][1]] == ["#DIV/0!", 3, "#N/A"]


@pytest.mark.parametrize(("name", "value"), [("总费用", "15000.00"), ("成本", "14000.00")])
def test_an_amount_below_zero(tmp_path: Path, name: str, value: str) -> None:
    path = tmp_path / "a.csv"
    text = "\n".join([HEADING, ROWS[0].replace(value, f"-{value}"), ROWS[1]])
    path.write_text(text, encoding="utf-8")
    (line,) = read_cases(path).rejects.lines.to_pylist()
    assert (line["row"], line["column"]) == (2, name)
    assert line["reason"].startswith("金额为负")


def test_run_counts_the_exceptions(hospital: Path) -> None:
    """A rate that lacks weighs most, a rejected case more than a case without a group."""
    write_cases(
        hospital, *ROWS,
        ROWS[1].replace("A00002", "A00003").replace("I63.900", "X99.999"),
        ROWS[1].replace("A00002", "A00004").replace("I63.900", "X99.998"),
        ROWS[1].replace("A00002", "A00005").replace(",61,", ",610,"),
        ROWS[1].replace("A00002", "A00006").replace(",390,", ",39O,"),
    )  # fmt: skip
    kinds = exceptions_by_kind(month_exceptions(computed(hospital)))
    names = [kind for kind, _ in kinds]
    places = [names.index(one) for one in ("险种没有费率", "病例拒收", "不能分组", "不认识的编码")]
    assert places == sorted(places)
    assert dict(kinds)["不能分组"] == 2
    (line,) = [one for one in shown(hospital).splitlines() if one.startswith("异常 ")]
    total = int(line.split()[1])
    assert total == sum(count for _, count in kinds)
    assert line.startswith(f"异常 {total} 行（险种没有费率 1、")
    assert line.endswith("），见异常表")


def test_a_case_without_a_group_is_told_with_its_row(hospital: Path) -> None:
    write_cases(hospital, *ROWS, ROWS[1].replace("A00002", "B00003").replace("I63.900", "X99.999"))
    run_month(hospital, PERIOD)
    path = hospital / "out" / PERIOD / f"月报-{PERIOD}.xlsx"
    sheet = openpyxl.load_workbook(path)["异常"]
    heading, *rows = [row for row in sheet.iter_rows(values_only=True) if row[2] is not None]
    (row,) = [dict(zip(heading, row, strict=True)) for row in rows if row[1] == "不能分组"]
    assert (row["行"], row["病案号"]) == (4, "＊＊＊3")


def test_charge_lines_that_cannot_be_read(hospital: Path) -> None:
    charges = hospital / "inputs" / PERIOD / "charges.csv"
    text = charges.read_text(encoding="utf-8-sig")
    last = len(text.splitlines())
    more = "十月三日,C1,0103,1,15,D101,,D101,\n2026-10-09,C1,0103,一,16.50,D101,,D101,\n"
    charges.write_text(text + more, encoding="utf-8-sig")
    month = run_month(hospital, PERIOD)
    rows = month_exceptions(month).query("kind == '无法读取'").to_dict("records")
    said = {row["column"]: (row["first_row"], row["found"], row["amount_fen"]) for row in rows}
    assert said == {
        "收费日期": (last + 1, "十月三日", 1_500),
        "数量": (last + 2, "一", 1_650),
    }
    with (hospital / "out" / PERIOD / f"拒收-{PERIOD}.csv").open(encoding="utf-8-sig") as stream:
        lines = [list(row.values()) for row in csv.DictReader(stream)]
    assert lines == [
        ["charges.csv", str(last + 1), "", "收费日期", "十月三日", "收费日期不是日期"],
        ["charges.csv", str(last + 2), "", "数量", "一", "数量不是数字（至多四位小数）"],
    ]


def test_nothing_is_said_of_a_good_month(hospital: Path) -> None:
    assert computed(hospital).warnings.empty


def test_every_refusal_is_an_error_of_the_engine(hospital: Path) -> None:
    write_cases(hospital, heading=HEADING.replace("总费用", "Q"))
    done = CliRunner().invoke(app, ["run", str(hospital), PERIOD])
    assert isinstance(done.exception, DrgEngineError)
