"""The path of a case in Chinese: a second reading of the rules, held to the result."""

from __future__ import annotations

import re
from pathlib import Path

import pyarrow as pa
import pytest
from case_factory import CaseFactory
from oracle import Oracle, Row
from small_scheme import few_codes, loaded, small, written  # noqa: F401

from drg_engine import explain, group, load_scheme, read_cases
from drg_engine.grouping import REASON_WORDS, REASONS

SCHEMES = ("chs_drg_1_1", "chs_drg_2_0", "harbin_2024")


def told(rows: list[Row], scheme_or_folder: str | Path) -> tuple[list[str], list[dict[str, str]]]:
    """Path and result of each row, with the path's lines joined."""
    small_one = isinstance(scheme_or_folder, Path)
    scheme = loaded(scheme_or_folder) if small_one else load_scheme(scheme_or_folder)  # type: ignore[arg-type]
    cases = read_cases(pa.Table.from_pylist(rows))
    assert cases.rejects.row_count == 0
    grouping = group(cases, scheme)
    paths = ["\n".join(lines) for lines in explain(cases, grouping)]
    return paths, grouping.table().to_pylist()


@pytest.mark.parametrize("name", SCHEMES)
def test_the_path_leads_to_the_result(name: str) -> None:
    rows = [
        row
        for row in CaseFactory(Oracle(name), 3).cases(2_500)
        if row["age"] and (row["age"] != "0" or row["age_days"])
    ][:900]
    paths, results = told(rows, name)
    for row, path, result in zip(rows, paths, results, strict=True):
        assert path.startswith(f"病例 {row['case_id']}：")
        entered = re.findall(r"^进入 MDC (\w)", path, re.M)
        matched = re.findall(r"^符合 ADRG (\w+)", path, re.M)
        severity = re.findall(r"^严重程度：(\w+)", path, re.M)
        if result["status"] == "grouped":
            assert entered[-1] == result["mdc"]
            assert matched == [result["adrg"]]
            assert severity == [{"none": "无", "cc": "CC", "mcc": "MCC"}[result["severity"]]]
            assert path.splitlines()[-1].startswith(f"病组 {result['drg']} ")
        elif result["status"] == "ambiguous":
            assert entered[-1] == result["mdc"]
            assert len(matched) == 1
            assert severity == []
            assert result["drg"] in path.splitlines()[-1]
        else:
            words = REASON_WORDS[REASONS.index(result["reason"])]
            assert f"原因：{words}" in path
            if result["reason"] in ("no_mdc", "no_adrg"):
                assert matched == []
                assert path.count("没有符合的 ADRG，离开") == len(entered)
            if result["status"] == "invalid":
                assert entered == []


def row(**cells: str) -> Row:
    return {"case_id": "1", "sex": "1", "age": "50", "diagnoses": "B10", "procedures": "", **cells}


def test_what_the_path_says(tmp_path: Path, few_codes: None) -> None:  # noqa: F811
    folder = written(tmp_path / "mini", small())
    rows = [
        row(case_id="a", diagnoses="B10|C10|C20|C10"),
        row(case_id="b", diagnoses="B20|C10"),
        row(case_id="c", diagnoses="B10", procedures="9.9"),
        row(case_id="d", diagnoses="B30"),
        row(case_id="e", diagnoses="QQ9"),
        row(case_id="f", diagnoses=""),
    ]
    paths, _ = told(rows, folder)
    first = paths[0].splitlines()
    assert first[0] == "病例 a：已入组 BR11 stroke mcc"
    assert first[1] == "方案：mini"
    assert "主要诊断：B10 -；主要手术：（无）" in first
    assert any(line.startswith("进入 MDC A first（") and "离开" in line for line in first)
    assert any(
        line.startswith("符合 ADRG BR1 stroke：主要诊断属于编码集 BR1.dx：B10") for line in first
    )
    assert [line for line in first if "计入" in line and "CC" in line] == [
        "MCC C10（不在编码清单内）：计入",
        "CC C20（不在编码清单内）：计入",
    ]
    assert "严重程度：MCC" in first
    assert "MCC C10（不在编码清单内）：被排除表 1 排除（主要诊断在表内）" in paths[1]
    assert "严重程度：无" in paths[1]
    assert "内科组，而主要手术计入手术" in paths[2]
    assert "BQY" in paths[2]
    assert "原因：进入了 MDC，但不符合其中任何 ADRG" in paths[3]
    assert "原因：主要诊断不是已知编码" in paths[4]
    assert "原因：没有主要诊断" in paths[5]
    assert "主要诊断：（无）" in paths[5]


def test_conditions_in_words(tmp_path: Path, few_codes: None) -> None:  # noqa: F811
    conditions = [
        "not_any_dx,two.dx", "age_min,18", "not_los_max,3", "sex,1", "flag,day", "not_flag,icu",
        "discharge_mode,4|5", "has_or_procedure,no", "not_sites_min,2", "any_proc,adrg:BA1",
        "icu_hours_min,48",
    ]  # fmt: skip
    tables = small(
        rules=[f"BX1,1,{condition}" for condition in conditions],
        adrg=["BX1,B,9,surgical,asked"],
        groups=["BX19,BX1,all,asked,,"],
    )
    tables["rules"] = [line for line in tables["rules"] if not line.startswith(("BA1", "BR1"))]
    tables["rules"] += ["BA1,1,any_proc,BA1.proc", "BA1,1,sex,2", "BR1,1,sex,2"]
    case = row(flags="day", discharge_mode="5", los="9", procedures="7.7|1.1", icu_hours="50")
    (path,), (result,) = told([case], written(tmp_path / "mini", tables))
    assert result["drg"] == "BX19"
    line = next(line for line in path.splitlines() if line.startswith("符合 ADRG BX1"))
    for words in ("编码集 two.dx", "18", "50", "day", "icu", "1.1", "死亡", "48"):
        assert words in line


def test_rows_may_be_chosen() -> None:
    scheme = load_scheme("chs_drg_2_0")
    cases = read_cases(pa.Table.from_pylist([row(case_id=str(i)) for i in range(5)]))
    grouping = group(cases, scheme)
    assert explain(cases, grouping, 3) == [explain(cases, grouping)[3]]
    assert [lines[0][3] for lines in explain(cases, grouping, [4, 0])] == ["4", "0"]
