"""Cases as columns: one table through every door, headings, values, parts, rejects."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import numpy as np
import openpyxl
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drg_engine import Cases, read_cases
from drg_engine.cases import MISSING_FEN, CaseReader
from drg_engine.columns import read_mapping
from drg_engine.errors import InputError
from drg_engine.id_set import IdSet
from drg_engine.values import readers_of

NUMBERS = ("sex", "age", "age_days", "birth_weight", "los", "discharge_mode")
ROWS = [
    {
        "病案号": "0001",
        "性别": "男",
        "年龄": "34",
        "日龄": "",
        "住院天数": "5",
        "离院方式": "1",
        "主要诊断编码": "k80.100",
        "其他诊断编码1": "I10.x00",
        "其他诊断编码2": "",
        "主要手术编码": "51.2300",
        "出院科室": "普外科",
        "险种": "310",
        "总费用": "1,234.50",
        "出院日期": "2026-10-06",
        "备注": "甲",
    },
    {
        "病案号": "0002",
        "性别": "女",
        "年龄": "0",
        "日龄": "12",
        "住院天数": "12",
        "离院方式": "5",
        "主要诊断编码": "P07.300",
        "其他诊断编码1": "",
        "其他诊断编码2": "P22.000",
        "主要手术编码": "",
        "出院科室": "新生儿科",
        "险种": "390",
        "总费用": "",
        "出院日期": "",
        "备注": "",
    },
    {
        "病案号": "0003",
        "性别": "2",
        "年龄": "80",
        "日龄": "",
        "住院天数": "",
        "离院方式": "",
        "主要诊断编码": "A01.000x005+J17.0*",
        "其他诊断编码1": "E11.900",
        "其他诊断编码2": "I50.900",
        "主要手术编码": "33.6X00",
        "出院科室": "普外科",
        "险种": "",
        "总费用": "¥99.99",
        "出院日期": "2026-10-31",
        "备注": "丙",
    },
]


def comparable(cases: Cases) -> dict[str, Any]:
    """Everything of the cases as plain values, however dictionaries and books are numbered."""
    told: dict[str, Any] = {name: getattr(cases, name).tolist() for name in NUMBERS}
    told["case_id"] = cases.case_id.to_pylist()
    told["codes"] = [cases.codes_of(row) for row in range(cases.n)]
    told["extra"] = cases.extra.to_pylist()
    told["others"] = cases.others.to_pylist()
    told["hours"] = [cases.icu_hours.tolist(), cases.vent_hours.tolist()]
    told["flags"] = None if cases.flags is None else cases.flags.to_pylist()
    return told


@pytest.fixture(scope="module")
def expected() -> dict[str, Any]:
    return comparable(read_cases(pa.Table.from_pylist(ROWS)))


def test_what_the_rows_say(expected: dict[str, Any]) -> None:
    assert expected["case_id"] == ["0001", "0002", "0003"]
    assert expected["sex"] == [1, 2, 2]
    assert expected["age"] == [34, 0, 80]
    assert expected["age_days"] == [-1, 12, -1]
    assert expected["birth_weight"] == [-1, -1, -1]
    assert expected["los"] == [5, 12, -1]
    assert expected["discharge_mode"] == [1, 5, 0]
    assert expected["codes"] == [
        (["K80.100", "I10.x00"], ["51.2300"]),
        (["P07.300", "P22.000"], []),
        (["A01.000x005+J17.0*", "E11.900", "I50.900"], ["33.6x00"]),
    ]
    assert expected["extra"] == [
        {
            "department": "普外科",
            "insurance": "310",
            "total_charges": 123450,
            "discharge_date": dt.date(2026, 10, 6),
        },
        {
            "department": "新生儿科",
            "insurance": "390",
            "total_charges": None,
            "discharge_date": None,
        },
        {
            "department": "普外科",
            "insurance": None,
            "total_charges": 9999,
            "discharge_date": dt.date(2026, 10, 31),
        },
    ]
    assert expected["others"] == [{"备注": "甲"}, {"备注": ""}, {"备注": "丙"}]


def csv_text(delimiter: str = ",") -> str:
    def quoted(text: str) -> str:
        return f'"{text}"' if delimiter in text else text

    lines = [delimiter.join(ROWS[0])]
    lines += [delimiter.join(quoted(text) for text in row.values()) for row in ROWS]
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
@pytest.mark.parametrize(("suffix", "delimiter"), [(".csv", ","), (".tsv", "\t"), (".txt", ";")])
def test_csv_in_every_encoding(
    tmp_path: Path, expected: dict[str, Any], encoding: str, suffix: str, delimiter: str
) -> None:
    path = tmp_path / f"cases{suffix}"
    path.write_text(csv_text(delimiter), encoding=encoding)
    assert comparable(read_cases(path)) == expected


@pytest.mark.parametrize("ending", ["\r\n", "\r", "\n\n"])
def test_line_ends_and_blank_lines(tmp_path: Path, expected: dict[str, Any], ending: str) -> None:
    path = tmp_path / "cases.csv"
    path.write_bytes((ending + csv_text().replace("\n", ending)).encode())
    assert comparable(read_cases(path)) == expected


def test_excel(tmp_path: Path, expected: dict[str, Any]) -> None:
    path = tmp_path / "cases.xlsx"
    book = openpyxl.Workbook()
    book.create_sheet("别的", 0).append(["空"])
    sheet = book["Sheet"]
    sheet.append([])
    sheet.append(list(ROWS[0]))
    for row in ROWS:
        cells: list[Any] = [text or None for text in row.values()]
        cells[2] = int(row["年龄"])
        cells[4] = float(row["住院天数"]) if row["住院天数"] else None
        cells[13] = dt.datetime.fromisoformat(row["出院日期"]) if row["出院日期"] else None
        sheet.append(cells)
        sheet.append([None, " "])
    book.save(path)
    assert comparable(read_cases(path, sheet="Sheet")) == expected
    with pytest.raises(InputError, match="没有工作表"):
        read_cases(path, sheet="无")


def test_parquet_pandas_and_arrow(tmp_path: Path, expected: dict[str, Any]) -> None:
    frame = pd.DataFrame(ROWS, dtype="str")
    typed = frame.assign(
        年龄=frame["年龄"].astype(int),
        日龄=pd.to_numeric(frame["日龄"]),
        住院天数=pd.to_numeric(frame["住院天数"]).astype("Int64"),
        出院日期=pd.to_datetime(frame["出院日期"]),
        总费用=[1234.5, np.nan, 99.99],
        出院科室=frame["出院科室"].astype("category"),
        主要诊断编码=frame["主要诊断编码"].astype("category"),
    )
    for table in (frame, typed, pa.Table.from_pandas(typed)):
        assert comparable(read_cases(table)) == expected
    for name, one in (("text", frame), ("typed", typed)):
        path = tmp_path / f"{name}.parquet"
        one.to_parquet(path)
        assert comparable(read_cases(path)) == expected
    pq.write_table(pa.Table.from_pandas(typed), tmp_path / "rows.pq", row_group_size=1)
    assert comparable(read_cases(tmp_path / "rows.pq")) == expected


def test_dictionary_columns(expected: dict[str, Any]) -> None:
    plain = pa.Table.from_pylist(ROWS)
    coded = pa.table([column.dictionary_encode() for column in plain.columns], plain.column_names)
    chunks = pa.concat_tables([coded.slice(i, 1) for i in range(3)]).unify_dictionaries()
    for table in (coded, chunks, plain.cast(pa.schema([(n, pa.large_string()) for n in ROWS[0]]))):
        got = comparable(read_cases(table))
        assert got.pop("others") == expected["others"]
        assert got == {key: value for key, value in expected.items() if key != "others"}


def test_pandas_columns_of_mixed_values() -> None:
    frame = pd.DataFrame(
        {
            "病案号": ["a", 2, 3.5],
            "性别": [1, "女", None],
            "年龄": [3, "4", 5.0],
            "主要诊断编码": ["K80.1", "I10", "I10"],
        }
    )
    cases = read_cases(frame)
    assert cases.case_id.to_pylist() == ["a", "2", "3.5"]
    assert cases.sex.tolist() == [1, 2, 0]
    assert cases.age.tolist() == [3, 4, 5]


def one(**cells: Any) -> Cases:
    row = {"case_id": "1", "sex": "1", "age": "30", "diagnoses": "I10", **cells}
    return read_cases(pa.Table.from_pylist([row]))


# --- headings -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "headings",
    [
        ("case_id", "sex", "age", "age_days", "diagnosis_1", "diagnosis_2", "procedure_1"),
        ("病案号", "性别", "年龄（岁）", "日龄", "主要诊断编码", "其他诊断编码1", "主要手术编码"),
        ("A48", "A12C", "A14", "A16", "C03C", "C06x01C", "C14x01C"),
        ("a48", "a12c", "a14", "a16", "c03c", "C06X01C", "C14X01C"),
        ("BAH", "XB", "NL", "BZYZSNL", "JBDM", "JBDM1", "SSJCZBM1"),
        (" Case ID ", "SEX", "Age", "age days", "DIAGNOSIS 1", "Diagnosis 2", "Procedure_1"),
    ],
)
def test_headings_in_use(headings: tuple[str, ...]) -> None:
    values = ["7", "2", "0", "3", "P07.3", "P22.0", "96.04"]
    cases = read_cases(pa.table([[value] for value in values], names=list(headings)))
    assert cases.case_id.to_pylist() == ["7"]
    assert (cases.sex[0], cases.age[0], cases.age_days[0]) == (2, 0, 3)
    assert cases.codes_of(0) == (["P07.3", "P22.0"], ["96.04"])
    assert cases.others.column_names == []


def test_the_whole_of_hqms_and_n041() -> None:
    hqms = {
        "A48": "1", "A12C": "1", "A14": "0", "A16": "5", "A18x01": "2500", "B20": "9",
        "B34C": "1", "C03C": "P07.3", "C06x02C": "B2", "C06x01C": "B1", "C06x10C": "B10",
        "C14x01C": "96.04", "C35x02C": "99.2", "C35x01C": "99.1",
    }  # fmt: skip
    n041 = {
        "BAH": "1", "XB": "1", "NL": "0", "BZYZSNL": "5", "XSECSTZ": "2500", "SJZYTS": "9",
        "LYFS": "1", "JBDM": "P07.3", "JBDM2": "B2", "JBDM1": "B1", "JBDM10": "B10",
        "SSJCZBM1": "96.04", "SSJCZBM3": "99.2", "SSJCZBM2": "99.1",
    }  # fmt: skip
    hqms_cases, n041_cases = (read_cases(pa.Table.from_pylist([row])) for row in (hqms, n041))
    assert comparable(hqms_cases) == comparable(n041_cases)
    assert (hqms_cases.birth_weight[0], hqms_cases.los[0]) == (2500, 9)
    assert hqms_cases.codes_of(0) == (["P07.3", "B1", "B2", "B10"], ["96.04", "99.1", "99.2"])


def test_other_codes_stand_in_the_order_of_their_numbers() -> None:
    row = {f"其他诊断编码{n}": f"B{n}" for n in (10, 2, 1, 11)}
    assert one(**{"主要诊断编码": "A1", **row}, diagnoses="A1|B1")  # joined goes before numbered
    table = {"病案号": "1", "性别": "1", "年龄": "3", "主要诊断编码": "A1", **row}
    assert read_cases(pa.Table.from_pylist([table])).codes_of(0)[0] == [
        "A1",
        "B1",
        "B2",
        "B10",
        "B11",
    ]


def test_a_principal_code_left_empty_is_never_filled_by_another() -> None:
    row = {
        "病案号": "1", "性别": "1", "年龄": "3",
        "主要诊断编码": " ", "其他诊断编码1": "I10", "其他诊断编码2": "",
        "主要手术编码": None, "其他手术编码1": "51.2300",
    }  # fmt: skip
    cases = read_cases(pa.Table.from_pylist([row, {**row, "病案号": "2", "其他诊断编码1": ""}]))
    assert cases.codes_of(0) == (["", "I10"], ["", "51.2300"])
    assert cases.codes_of(1) == ([], ["", "51.2300"])
    assert cases.principal_diagnoses().tolist() == ["", ""]
    joined = one(diagnoses="|I10", procedures="|51.2300")
    assert joined.codes_of(0) == (["", "I10"], ["", "51.2300"])


def test_other_codes_without_a_principal_column_are_a_fault() -> None:
    row = {"病案号": "1", "性别": "1", "年龄": "3", "主要诊断编码": "I10", "其他手术编码1": "1"}
    with pytest.raises(InputError, match="却没有主要手术编码列"):
        read_cases(pa.Table.from_pylist([row]))


def test_a_mapping_goes_before_what_is_recognised(tmp_path: Path) -> None:
    table = pa.Table.from_pylist(
        [{"id": "9", "病案号": "x", "s": "女", "岁": "44", "zd": "K80", "zd2": "I10", "病名": "石"}]
    )
    file = tmp_path / "mapping.toml"
    file.write_text('case_id = "id"\nsex = "s"\nage = "岁"\ndiagnoses = ["zd", "zd2"]\n')
    cases = read_cases(table, mapping=read_mapping(file))
    assert cases.case_id.to_pylist() == ["9"]
    assert cases.sex.tolist() == [2]
    assert cases.codes_of(0)[0] == ["K80", "I10"]
    assert cases.others.column_names == ["病案号", "病名"]


@pytest.mark.parametrize(
    ("mapping", "told"),
    [
        ({"who": "id"}, "没有规范列 who"),
        ({"case_id": "nowhere"}, "不在文件中"),
        ({"case_id": []}, "应对应一列"),
        ({"age": ["年龄", "病案号"]}, "应对应一列"),
    ],
)
def test_faults_of_a_mapping(mapping: dict[str, Any], told: str) -> None:
    table = pa.Table.from_pylist(ROWS)
    with pytest.raises(InputError, match=told):
        read_cases(table, mapping=mapping)


@pytest.mark.parametrize("text", ["age = 3", "[age]\nx = 1", "case_id = [1, 2]", "=", "\x00"])
def test_a_mapping_file_that_is_none(tmp_path: Path, text: str) -> None:
    file = tmp_path / "mapping.toml"
    file.write_text(text)
    with pytest.raises(InputError, match="列对照文件"):
        read_mapping(file)
    with pytest.raises(InputError, match="列对照文件"):
        read_mapping(tmp_path / "absent.toml")


def test_blank_and_repeated_headings() -> None:
    cases = read_cases(
        pa.table([["1"], ["1"], ["30"], ["I10"]], ["病案号", "性别", "年龄", "主诊断编码"])
    )
    assert cases.n == 1
    with pytest.raises(InputError, match="表头重复"):
        read_cases(pa.table([["1"]] * 5, ["病案号", "性别", "年龄", "主诊断编码", "性别"]))


# --- values ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "sex", "notices"),
    [
        ("男", 1, 0), ("女", 2, 0), ("1", 1, 0), ("2.0", 2, 0), ("１", 1, 0), ("女性", 2, 0),
        ("m", 1, 0), ("Female", 2, 0), (" 男 ", 1, 0), (None, 0, 1), ("", 0, 1), ("9", 0, 1),
        ("未知", 0, 1), ("😀", 0, 1), ("3", 0, 1),
    ],
)  # fmt: skip
def test_sex(typed: str | None, sex: int, notices: int) -> None:
    cases = one(sex=typed)
    assert cases.sex.tolist() == [sex]
    assert cases.rejects.notices.num_rows == notices
    assert cases.rejects.row_count == 0


@pytest.mark.parametrize(
    ("column", "typed", "value"),
    [
        ("age", "34.0", 34), ("age", "３４", 34), ("age", "34岁", 34), ("age", " 34 岁 ", 34),
        ("age", "150", 150), ("age", "1e1", 10), ("los", "0", 0), ("los", "5天", 5),
        ("los", "", -1), ("los", "-", -1), ("los", "36500", 36500),
        ("birth_weight", "3200克", 3200), ("birth_weight", "0", -1),
        ("discharge_mode", "死亡", 5), ("discharge_mode", "5.0", 5), ("discharge_mode", "", 0),
        ("vent_hours", "1/13/24", np.float32(37.4)), ("vent_hours", "0/0/0", 0),
        ("vent_hours", "96.5", 96.5), ("icu_hours", "", -1),
    ],
)  # fmt: skip
def test_numbers(column: str, typed: str, value: float) -> None:
    assert getattr(one(**{column: typed}), column).tolist() == [value]


@pytest.mark.parametrize(
    ("column", "typed", "reason"),
    [
        ("age", "", "缺少年龄"), ("age", "-1", "应在 0 到 150"), ("age", "151", "应在 0 到 150"),
        ("age", "3.5", "应为整数"), ("age", "nan", "不是数字"), ("age", "inf", "不是数字"),
        ("age", "1e999", "不是数字"), ("age", "1_0", "不是数字"), ("age", "2026-10-01", "这是日期"),
        ("age", "2026年10月1日", "这是日期"), ("age", "0", "必须有日龄"),
        ("age", "三十", "不是数字"),
        ("age", "9" * 5000, "不是数字"), ("age", "0x10", "不是数字"), ("age", "\x00", "不是数字"),
        ("los", "-3", "应在 0 到"), ("los", "99999999999", "应在 0 到"), ("los", "5.5", "应为整数"),
        ("birth_weight", "10000", "应在 0 到"), ("birth_weight", "-1", "应在 0 到"),
        ("age_days", "-2", "应在 0 到"), ("discharge_mode", "7", "不认识的离院方式"),
        ("vent_hours", "-1", "应为小时数"), ("vent_hours", "1/2", "应为小时数"),
        ("vent_hours", "9" * 5000 + "/1/1", "应为小时数"), ("icu_hours", "99999/0/0", "应为小时数"),
        ("discharge_date", "45678", "应为日期"), ("discharge_date", "2026-02-30", "没有这一天"),
        ("discharge_date", "0000-01-01", "没有这一天"), ("discharge_date", "昨天", "应为日期"),
        ("total_charges", "abc", "不是金额"), ("total_charges", "1.234", "多于两位小数"),
        ("total_charges", "9" * 20, "金额超过"), ("total_charges", "100000000000", "金额超过"),
        ("total_charges", "2026-10-01", "不是金额"),
        ("case_id", "", "不能为空"), ("case_id", " \t", "不能为空"), ("case_id", None, "不能为空"),
        ("diagnoses", "K" * 65, "超过 64 个字节"), ("diagnoses", "K1\nK2", "中间有换行"),
    ],
)  # fmt: skip
def test_values_that_keep_a_row_out(column: str, typed: str | None, reason: str) -> None:
    cases = one(**{column: typed})
    assert cases.n == 0
    assert cases.rejects.row_count == 1
    (line,) = cases.rejects.lines.to_pylist()
    assert line["row"] == 1
    assert line["column"] == column
    assert reason in line["reason"]
    assert line["value"] == (typed or "").strip()[:60] or column != "case_id"
    assert len(line["value"]) <= 60


@pytest.mark.parametrize(
    ("typed", "day"),
    [
        ("2026-10-01", dt.date(2026, 10, 1)), ("2026/1/2", dt.date(2026, 1, 2)),
        ("2026年10月1日", dt.date(2026, 10, 1)), ("20261001", dt.date(2026, 10, 1)),
        ("2026-10-01 08:30:00", dt.date(2026, 10, 1)), ("20261001083000", dt.date(2026, 10, 1)),
        ("2026-10-01T08:30:00.000+08:00", dt.date(2026, 10, 1)), ("", None), ("-", None),
    ],
)  # fmt: skip
def test_dates(typed: str, day: dt.date | None) -> None:
    assert one(discharge_date=typed).extra["discharge_date"].to_pylist() == [day]


def test_the_stay_is_reckoned_from_the_dates_where_it_is_missing() -> None:
    dates = {"admission_date": "2026-10-01", "discharge_date": "2026-10-06"}
    assert one(**dates).los.tolist() == [5]
    assert one(**dates, los="7").los.tolist() == [7]
    assert one(admission_date="2026-10-01", discharge_date="2026-10-01").los.tolist() == [1]
    assert one(admission_date="2026-10-01", discharge_date="").los.tolist() == [-1]
    backwards = one(admission_date="2026-10-06", discharge_date="2026-10-01")
    assert backwards.rejects.lines["reason"].to_pylist() == ["出院日期早于入院日期"]


@pytest.mark.parametrize(
    ("age", "days", "weight", "expected"),
    [
        ("0", "12", "2500", (0, 12, 2500)),
        ("0", "0", "0", (0, 0, -1)),
        ("", "12", "", (0, 12, -1)),
        ("", "400", "", (1, 400, -1)),
        ("40", "0", "", (40, -1, -1)),
        ("1", "365", "", (1, 365, -1)),
        ("40", "12", "", (40, -1, -1)),
        ("0", "366", "", None),
        ("0", "", "", None),
    ],
)
def test_age_and_days(age: str, days: str, weight: str, expected: tuple[int, ...] | None) -> None:
    cases = one(age=age, age_days=days, birth_weight=weight)
    if expected is None:
        assert cases.n == 0
        return
    assert (cases.age[0], cases.age_days[0], cases.birth_weight[0]) == expected
    assert cases.rejects.notices.num_rows == (age == "40" and days == "12")


def test_text_amounts_and_their_absence() -> None:
    cases = read_cases(pa.Table.from_pylist(ROWS))
    departments = cases.text("department")
    assert departments is not None
    assert list(departments) == ["普外科", "新生儿科", "普外科"]
    fen = cases.fen("total_charges")
    assert fen is not None
    assert fen.tolist() == [123450, MISSING_FEN, 9999]
    assert cases.text("doctor") is None
    assert cases.fen("cost") is None


def test_only_the_columns_wanted_are_read() -> None:
    cases = read_cases(pa.Table.from_pylist(ROWS), wanted=("case_id", "sex", "age", "diagnoses"))
    assert cases.extra.column_names == cases.others.column_names == []
    assert cases.case_id.to_pylist() == ["0001", "0003"]
    assert cases.los.tolist() == [-1, -1]


# --- parts, rows and rejects ----------------------------------------------------------------------


def many_rows(count: int) -> tuple[str, list[int], list[int]]:
    """CSV text whose case ids are row numbers; rows let in; rows that must stay out."""
    lines = ["病案号,性别,年龄,主要诊断编码,总费用,科室"]
    good, bad = [], []
    for row in range(2, count):
        kept_out = row % 7 == 0 or row % 11 == 0 or row % 13 == 0
        (bad if kept_out else good).append(row)
        if row % 7 == 0:
            lines.append(f"{row},1")
        elif row % 29 == 0 and not kept_out:
            lines.append(f'"{row}",1,30,"K80.1","1,000.00","a{row % 17}"')
        else:
            age = "x" if row % 11 == 0 else "30"
            case = 2 if row % 13 == 0 else row
            lines.append(f"{case},1,{age},K{row % 40}.1,{row}.50,d{row % 17}")
    return "\n".join(lines) + "\n", good, bad


def test_parts_equal_the_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text, good, bad = many_rows(900)
    path = tmp_path / "cases.csv"
    path.write_text(text)
    whole = read_cases(path)
    monkeypatch.setattr("drg_engine.csv_files.BLOCK_BYTES", 700)
    monkeypatch.setattr("drg_engine.csv_files.PART_ROWS", 1)
    reader = CaseReader(path)
    parts = list(reader.parts())
    assert len(parts) > 10
    in_parts = read_cases(path)
    assert comparable(in_parts) == comparable(whole)
    assert in_parts.rejects.lines.to_pylist() == whole.rejects.lines.to_pylist()
    assert whole.case_id.to_pylist() == [str(row) for row in good]
    lines = whole.rejects.lines.to_pylist()
    assert [line["row"] for line in lines] == bad
    assert {line["file"] for line in lines} == {"cases.csv"}
    for line in lines:
        if line["column"] == "整行":
            assert line["value"] == f"{line['row']},1"
            assert line["reason"] == "应有 6 列，实有 2 列"
        elif line["column"] == "病案号":
            assert line["reason"] == "重复，第 2 行已有同一编号"
        else:
            assert (line["case_id"], line["value"]) in ((str(line["row"]), "x"), ("2", "x"))
    counts = reader.counts
    assert (counts.read, counts.cases, counts.rejected) == (898, len(good), len(bad))


def test_parquet_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "cases.parquet"
    ids = [str(i) for i in range(1, 500)]
    ids[400] = "5"
    pq.write_table(
        pa.table({"case_id": ids, "sex": ["1"] * 499, "age": [9] * 499, "diagnoses": ["I1"] * 499}),
        path,
    )
    monkeypatch.setattr("drg_engine.readers.PARQUET_ROWS", 64)
    reader = CaseReader(path)
    assert len(list(reader.parts())) > 5
    cases = read_cases(path)
    assert cases.n == 498
    (line,) = cases.rejects.lines.to_pylist()
    assert (line["row"], line["reason"]) == (402, "重复，第 6 行已有同一编号")


def test_a_rejected_row_does_not_claim_its_id() -> None:
    rows = [
        {"case_id": "1", "sex": "1", "age": "x", "diagnoses": "I10"},
        {"case_id": "1", "sex": "1", "age": "30", "diagnoses": "I10"},
        {"case_id": "1", "sex": "1", "age": "31", "diagnoses": "I10"},
    ]
    cases = read_cases(pa.Table.from_pylist(rows))
    assert cases.age.tolist() == [30]
    assert [line["row"] for line in cases.rejects.lines.to_pylist()] == [1, 3]


def test_every_fault_of_a_row_is_told_once_and_the_row_counted_once() -> None:
    cases = one(age="x", los="y", total_charges="z")
    lines = cases.rejects.lines.to_pylist()
    assert sorted(line["column"] for line in lines) == ["age", "los", "total_charges"]
    assert cases.rejects.row_count == 1


@settings(max_examples=20, deadline=None)
@given(st.lists(st.lists(st.integers(0, 60), max_size=40), max_size=8))
def test_ids_met_before_are_found_however_often_the_set_grows(parts: list[list[int]]) -> None:
    met: dict[int, int] = {}
    ids = IdSet(bits=2)
    row = 1
    for part in parts:
        expected = []
        for number in part:
            expected.append(met.get(number, 0))
            met.setdefault(number, row + len(expected) - 1)
        rows = np.arange(row, row + len(part), dtype=np.int64)
        texts = pa.array([f"id {number}" for number in part], pa.string())
        assert ids.repeats(texts, rows).tolist() == expected
        row += len(part)


def test_every_reader_of_values_takes_any_text() -> None:
    from drg_engine.columns import case_format

    form = case_format()
    words = ["", " ", "-", "\x00", "9" * 10_000, "1/1/1", "²", "٣", "½", "1e308", "\u200b", "ﷺ"]
    for reader in readers_of(form.values, form.ranges).values():
        for word in words:
            value, refusal, notice = reader(word)
            assert isinstance(value, float)
            assert isinstance(refusal, str)
            assert isinstance(notice, str)
