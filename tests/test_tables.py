"""Schemes as data: the shipped ones, the faults told, differences, snapshots."""

from __future__ import annotations

import csv
import functools
import json
import math
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from oracle import read_csv
from small_scheme import OPTIONS, Tables, agreed, few_codes, loaded, small, written  # noqa: F401

import grouper_tables
from drg_engine import code_form, group_one, load_scheme
from drg_engine.errors import TableError
from grouper_tables import _snapshot, scheme_names
from grouper_tables._checks import unknown_codes
from grouper_tables._compile import compile_scheme
from grouper_tables._source import SchemeSource, read_source

SHIPPED = ("chs_drg_1_1", "chs_drg_2_0", "harbin_2024")
normal_code = functools.cache(code_form.normal_code)
FACTS = Path(__file__).resolve().parents[2] / "shared" / "facts"


# --- the shipped schemes --------------------------------------------------------------------------


def test_the_names_of_the_shipped_schemes() -> None:
    assert scheme_names() == SHIPPED


@pytest.mark.parametrize(
    ("name", "mdcs", "adrgs", "groups", "weights"),
    [("chs_drg_1_1", 26, 376, 628, 0), ("chs_drg_2_0", 26, 409, 634, 0),
     ("harbin_2024", 26, 369, 703, 703)],
)  # fmt: skip
def test_what_a_shipped_scheme_holds(
    name: str, mdcs: int, adrgs: int, groups: int, weights: int
) -> None:
    scheme = load_scheme(name)
    assert scheme.name == name
    assert len(scheme.mdc_codes) == len(scheme.mdc_names) == mdcs
    assert len(scheme.adrg_codes) == len(scheme.adrg_names) == adrgs
    assert len(scheme.drg_codes) == len(scheme.drg_names) == groups + mdcs + 1
    assert scheme.drg_codes[-1] == "0000"
    assert scheme.drg_codes[groups:-1] == tuple(f"{mdc}QY" for mdc in scheme.mdc_codes)
    assert len(set(scheme.drg_codes)) == len(scheme.drg_codes)
    assert int(np.isfinite(scheme.weights).sum()) == weights
    assert len(scheme.weights) == len(scheme.drg_codes)
    assert scheme.mdc_codes[:7] == ("A", "P", "Y", "Z", "M", "N", "O")
    assert not scheme.tables_changed
    assert len(scheme.tables_hash) == 64


def test_the_published_rates() -> None:
    assert load_scheme("harbin_2024").rates == {"310": 12252.70, "390": 9649.24}
    assert load_scheme("chs_drg_2_0").rates == {}


@pytest.mark.parametrize("name", SHIPPED)
def test_a_loaded_scheme_does_not_depend_on_the_cache(name: str, tmp_path: Path) -> None:
    fresh, kept = load_scheme(name, cache=tmp_path), load_scheme(name, cache=tmp_path)
    assert fresh.names == kept.names
    for made, read in zip(fresh.rules, kept.rules, strict=True):
        assert made.dtype == read.dtype
        assert np.array_equal(made, read)


def test_codes_in_tables_but_in_no_list_are_told() -> None:
    told = unknown_codes(load_scheme("chs_drg_2_0").source)
    assert ("chs_drg_2_0/procedure_sets.csv", "43.4100x026") in {(w.file, w.code) for w in told}
    listed = {"procedure_sets.csv", "or_procedures.csv"}
    assert {w.file.split("/")[1] for w in told if w.code == "43.4100x026"} <= listed


def facts(path: str) -> list[dict[str, str]]:
    with (FACTS / path).open(encoding="utf-8-sig", newline="") as stream:
        return list(csv.DictReader(stream))


@functools.cache
def source_of(name: str) -> SchemeSource:
    return load_scheme(name).source


def own(name: str, table: str, *columns: str) -> list[tuple[str, ...]]:
    return list(source_of(name).tables[table].pick(*columns))


if FACTS.is_dir():
    EDITIONS = ("chs_drg_1_1", "chs_drg_2_0")

    @pytest.mark.parametrize("name", EDITIONS)
    def test_the_tables_equal_the_facts(name: str) -> None:
        def rows(path: str, *columns: str, code: str = "code") -> list[tuple[str, ...]]:
            return [
                tuple(normal_code(row[c]) if c == code else row[c] for c in columns)
                for row in facts(f"{name}/{path}.csv")
            ]

        assert own(name, "mdc", "mdc", "rank", "name") == rows("mdc", "mdc", "rank", "name")
        columns = ("adrg", "mdc", "rank", "partition", "name")
        assert own(name, "adrg", *columns) == rows("adrg", *columns)
        columns = ("drg", "adrg", "severity", "name")
        assert own(name, "groups", *columns) == rows("drg", *columns)
        assert sorted(own(name, "mdc_diagnoses", "mdc", "site", "code")) == sorted(
            rows("mdc_diagnoses", "mdc", "site", "code")
        )
        assert sorted(own(name, "complications", "code", "level", "exclusion")) == sorted(
            rows("cc", "code", "severity", "exclusion")
        )
        assert sorted(own(name, "exclusions", "exclusion", "code")) == sorted(
            rows("exclusions", "exclusion", "principal_dx", code="principal_dx")
        )
        assert set(own(name, "or_procedures", "code")) == set(rows("or_procedures", "code"))
        sets = rows("code_sets", "set", "kind", "code")
        for kind, table in (("dx", "diagnosis_sets"), ("proc", "procedure_sets")):
            expected = [(name, code) for name, what, code in sets if what == kind]
            assert sorted(own(name, table, "set", "code")) == sorted(expected)

    @pytest.mark.parametrize("name", EDITIONS)
    def test_the_rules_equal_the_facts(name: str) -> None:
        stated = json.loads((FACTS / name / "rules.json").read_text(encoding="utf-8"))
        expected = {
            (adrg, str(number), key, value)
            for adrg, alternatives in stated.items()
            for number, alternative in enumerate(alternatives, 1)
            for key, value in plain(alternative)
        }
        got = own(name, "rules", "adrg", "alternative", "condition", "value")
        assert len(set(got)) == len(got)
        assert set(got) == expected

    def plain(alternative: dict[str, Any]) -> Iterator[tuple[str, str]]:
        if not alternative:
            yield "always", ""
        for key, value in alternative.items():
            for one in value if isinstance(value, list) else [value]:
                yield (
                    key,
                    {True: "yes", False: "no"}.get(one, str(one))
                    if isinstance(one, bool)
                    else str(one),
                )

    def test_the_code_lists_equal_the_facts() -> None:
        """But for the characters that their transcription lost, as the provenance lists them."""
        codes = load_scheme("chs_drg_2_0").source.codes
        place = Path(grouper_tables.__file__).parent / "codes" / "provenance.toml"
        provenance = tomllib.loads(place.read_text(encoding="utf-8"))
        for name in ("diagnoses", "procedures"):
            mended = {
                code: one
                for one in provenance["mended"]
                if one["table"] == f"{name}.csv"
                for code in one["codes"]
            }
            expected = []
            for row in facts(f"icd/{name}.csv"):
                told = row["name"]
                if row["code"] in mended:
                    one = mended.pop(row["code"])
                    assert told.count(one["lost"]) == 1
                    told = told.replace(one["lost"], one["written"])
                expected.append((row["code"], row["gray"], told))
            assert not mended
            assert list(codes[name].pick("code", "grey", "name")) == expected
        for name in ("diagnosis_crosswalk", "procedure_crosswalk"):
            assert list(codes[name].pick("clinical", "insurance")) == [
                (normal_code(row["clinical"]), normal_code(row["insurance"]))
                for row in facts(f"icd/{name}.csv")
            ]

    def test_the_regional_groups_and_weights_equal_the_facts() -> None:
        scheme = load_scheme("harbin_2024")
        weights = {
            code: weight
            for code, weight in zip(scheme.drg_codes, scheme.weights.tolist(), strict=True)
            if math.isfinite(weight)
        }
        rows = facts("local/harbin_2024_weights.csv")
        assert weights == {row["drg"]: float(row["weight"]) for row in rows}
        assert dict(zip(scheme.drg_codes, scheme.drg_names, strict=True)).items() >= {
            (row["drg"], row["name"]) for row in rows
        }
        levels = {"1": "mcc", "3": "cc", "5": "none", "9": "all"}
        assert own("harbin_2024", "groups", "drg", "adrg", "severity") == [
            (row["drg"], row["drg"][:3], levels[row["drg"][3]]) for row in rows
        ]


# --- faults ---------------------------------------------------------------------------------------


quick = pytest.mark.usefixtures("few_codes")


def faults_of(folder: Path) -> str:
    with pytest.raises(TableError) as error:
        loaded(folder)
    for fault in error.value.faults:
        assert fault.file
        assert str(fault) in str(error.value)
    return str(error.value)


Change = Callable[[Tables], None]


def add(table: str, *lines: str) -> Change:
    def change(tables: Tables) -> None:
        tables[table].extend(lines)

    return change


def swap(table: str, line: str, other: str | None) -> Change:
    def change(tables: Tables) -> None:
        at = tables[table].index(line)
        tables[table][at : at + 1] = [] if other is None else [other]

    return change


FAULTS: dict[str, tuple[Change, str]] = {
    "an unknown set": (
        add("rules", "BR1,2,any_dx,no.dx"),
        "rules.csv 第 6 行 [value]：没有这个编码集（读到“no.dx”）",
    ),
    "a set of the other kind": (add("rules", "BR1,2,any_dx,BA1.proc"), "编码集是另一类编码"),
    "an unknown ADRG referred to": (
        add("rules", "BK1,2,any_proc,adrg:BX9"),
        "没有这个 ADRG（读到“adrg:BX9”）",
    ),
    "ADRGs that refer to each other": (add("rules", "BK1,2,any_proc,adrg:BK1"), "成了环"),
    "procedures of an ADRG as diagnoses": (add("rules", "BK1,2,any_dx,adrg:BA1"), "不能用于诊断"),
    "an empty reference": (add("rules", "BK1,2,any_proc,adrg:"), "后面缺少编码"),
    "an empty prefix": (add("rules", "BK1,2,any_dx,prefix:"), "后面缺少编码"),
    "no set": (add("rules", "BK1,2,any_dx,"), "缺少编码集名"),
    "the table of no MDC": (add("rules", "BR1,2,any_dx,@mdc"), "@mdc 只能用于"),
    "a rule for no ADRG": (add("rules", "BX9,1,always,"), "规则所属的 ADRG 不存在（读到“BX9”）"),
    "an unknown condition": (add("rules", "BR1,2,main_dx,two.dx"), "没有这种条件"),
    "a negated always": (add("rules", "BR1,2,not_always,"), "不能否定"),
    "a bound that is no number": (add("rules", "BR1,2,age_min,old"), "应为数字（读到“old”）"),
    "a bound that is nan": (add("rules", "BR1,2,los_max,nan"), "应为数字"),
    "a sex that is none": (add("rules", "BR1,2,sex,男"), "应为 1（男）或 2（女）"),
    "yes or no": (add("rules", "BR1,2,has_or_procedure,1"), "应为 yes 或 no"),
    "a flag without a name": (add("rules", "BR1,2,flag,"), "缺少标志名"),
    "a number of sites": (add("rules", "BR1,2,sites_min,²"), "应为整数"),
    "a mode that is none": (add("rules", "BR1,2,discharge_mode,5|x"), "应为离院方式代码"),
    "an MDC nobody knows": (
        add("mdc_diagnoses", "Q,,B10"),
        "mdc_diagnoses.csv 第 7 行 [mdc]：没有这个 MDC（读到“Q”）",
    ),
    "an ADRG of no MDC": (
        add("adrg", "QA1,Q,1,surgical,-"),
        "adrg.csv 第 6 行 [mdc]：没有这个 MDC",
    ),
    "an entry to no MDC": (add("mdc_entry", "Q,,1,always,"), "没有这个 MDC"),
    "an MDC without entry": (swap("mdc_entry", "B,,1,principal_dx,@mdc", None), "MDC 没有入口条件"),
    "a missing rank": (swap("mdc", "B,2,nerves", "B,,nerves"), "缺少次序"),
    "an odd rank": (swap("mdc", "B,2,nerves", "B,²,nerves"), "缺少次序"),
    "a rank twice": (swap("mdc", "B,2,nerves", "B,1,nerves"), "次序与第 2 行相同"),
    "an ADRG's rank twice": (add("adrg", "BZ1,B,3,medical,-"), "次序与第 5 行相同"),
    "an ADRG without group": (add("adrg", "BZ1,B,9,medical,-"), "ADRG 没有病组（读到“BZ1”）"),
    "an ADRG without rules": (add("adrg", "BZ1,B,9,medical,-"), "ADRG 没有入组规则（读到“BZ1”）"),
    "a partition that is none": (
        add("adrg", "BZ1,B,9,other,-"),
        "只能是 surgical、procedure、medical",
    ),
    "a group without ADRG": (add("groups", "BZ19,BZ1,all,-,,"), "病组所属的 ADRG 不存在"),
    "a group twice": (
        add("groups", "BA11,BA1,all,-,,"),
        "groups.csv 第 9 行 [drg]：重复，第 3 行已有",
    ),
    "a group without a name": (add("groups", ",BA1,all,-,,"), "不能为空"),
    "a severity that is none": (add("groups", "BA19,BA1,high,-,,"), "只能是 all、mcc、cc、none"),
    "a weight that is none": (add("groups", "BA19,BA1,all,-,heavy,"), "应为非负数字或空"),
    "a negative weight": (add("groups", "BA19,BA1,all,-,-1,"), "应为非负数字或空"),
    "a parent that is none": (add("groups", "BA19,BA1,all,-,,BA99"), "上级病组不存在"),
    "a parent elsewhere": (add("groups", "BA19,BA1,all,-,,BR15"), "上级病组属于另一个 ADRG"),
    "parents in a circle": (
        add("groups", "BA1x,BA1,all,-,,BA1y", "BA1y,BA1,all,-,,BA1x"),
        "上级病组成了环",
    ),
    "its own parent": (add("groups", "BA1x,BA1,all,-,,BA1x"), "上级病组成了环"),
    "a level that is none": (add("complications", "C99,high,1"), "只能是 mcc、cc"),
    "a complication twice": (add("complications", "C10,cc,1"), "重复，第 2 行已有"),
    "an ADRG twice": (add("adrg", "AA1,A,9,surgical,-"), "重复，第 2 行已有"),
    "a short row": (add("groups", "BA19,BA1"), "groups.csv 第 9 行：应有 6 列，实有 2 列"),
    "a missing column": (swap("mdc", "mdc,rank,name", "mdc,order,name"), "缺少列 rank"),
    "a missing table": (
        lambda tables: tables.pop("exclusions") and None,
        "exclusions.csv：缺少这张表",
    ),
    "an empty table file": (lambda tables: tables["exclusions"].clear(), "缺少列 exclusion、code"),
    "an unknown option in an entry": (add("mdc_entry", "B,colour=red,2,always,"), "option 应写作"),
    "an unknown value of an option": (
        add("mdc_entry", "B,hiv_entry=some,2,always,"),
        "选项 hiv_entry 只能取 any、principal",
    ),
    "too many MDCs": (
        lambda tables: (
            [
                add("mdc", f"M{i},{i + 9},-")(tables) or add("mdc_entry", f"M{i},,1,sex,1")(tables)
                for i in range(64)
            ]
            and None
        ),
        "MDC 多于 64 个",
    ),
}


@quick
@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_told_with_its_place(name: str, tmp_path: Path) -> None:
    change, words = FAULTS[name]
    tables = small()
    change(tables)
    assert words in faults_of(written(tmp_path / "mini", tables))


@quick
def test_the_small_scheme_itself_is_sound(tmp_path: Path) -> None:
    scheme = loaded(written(tmp_path / "mini", small()))
    assert scheme.drg_codes[-3:] == ("AQY", "BQY", "0000")
    assert group_one(scheme, ["B10", "C10"], ["1.1"]).drg == "BA11"


@quick
def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    tables = small()
    lines = {
        "no rank": swap("mdc", "B,2,nerves", "B,x,nerves"),
        "no group": add("adrg", "BZ1,B,9,medical,-"),
        "no ADRG": add("groups", "BX19,BX1,all,-,,"),
        "twice": add("groups", "BA11,BA1,all,-,,"),
        "condition": add("rules", "BR1,2,main_dx,two.dx", "BR1,3,age_min,old"),
    }
    for change in lines.values():
        change(tables)
    told = faults_of(written(tmp_path / "mini", tables))
    for words in ("缺少次序", "ADRG 没有病组", "ADRG 不存在", "重复", "没有这种条件", "应为数字"):
        assert words in told


@quick
def test_tables_that_are_no_text(tmp_path: Path) -> None:
    folder = written(tmp_path / "mini", small())
    (folder / "mdc.csv").write_bytes("mdc,rank,name\nA,1,首\nB,2,神经\n".encode("gb18030"))
    (folder / "adrg.csv").write_bytes(b'"' + b"x" * 200_000)
    told = faults_of(folder)
    assert "mini/mdc.csv：读不出来，应为 UTF-8" in told
    assert "mini/adrg.csv：读不出来" in told


@quick
def test_cells_are_trimmed_and_blank_lines_passed_over(tmp_path: Path) -> None:
    tables = small()
    tables["rules"][2:2] = ["", ",,,", " BA1 , 2 ,any_proc, BK1.proc "]
    folder = written(tmp_path / "mini", tables)
    assert group_one(loaded(folder), ["B10"], ["7.7", "2.1"]).adrg == "BA1"


MANIFESTS: dict[str, tuple[str, str]] = {
    "an unknown option": ('[options]\ncolour = "red"\n', "没有选项 colour"),
    "a value that is none": ('[options]\nhiv_entry = "some"\n', "选项 hiv_entry 只能取"),
    "options that are no table": ("options = 3\n", "应写作 [options] 一节"),
    "result codes that are no table": ("result_codes = 3\n", "应写作 [result_codes] 一节"),
    "no TOML": ("x = \n", "scheme.toml 读不出来"),
    "a base that is none": ('base = "nowhere"\n', "没有名为“nowhere”的分组方案"),
    "its own base": ('base = "mini"\n', "成了环"),
    "its own base by another way": ('base = "../here/mini"\n', "成了环"),
}


@quick
@pytest.mark.parametrize("name", MANIFESTS)
def test_faults_of_a_manifest(name: str, tmp_path: Path) -> None:
    text, words = MANIFESTS[name]
    assert words in faults_of(written(tmp_path / "here" / "mini", small(), text))


@quick
def test_a_manifest_lacks_what_it_must_say(tmp_path: Path) -> None:
    folder = written(tmp_path / "mini", small())
    (folder / "scheme.toml").write_text('name = 5\ntitle = "t"\neffective_from = "2024"\n')
    told = faults_of(folder)
    for words in ("缺少必填项 edition", "应为加引号的文字", "应为日期"):
        assert words in told
    with pytest.raises(TableError, match="chs_drg_1_1、chs_drg_2_0、harbin_2024"):
        load_scheme("nowhere")
    with pytest.raises(TableError, match="没有选项 colour"):
        load_scheme("chs_drg_2_0", options={"colour": "red"})
    with pytest.raises(TableError, match="只能取"):
        load_scheme("chs_drg_2_0", options={"hiv_entry": "all"})


@quick
def test_bases_in_a_circle(tmp_path: Path) -> None:
    for name, base in (("one", "two"), ("two", "three"), ("three", "one")):
        written(tmp_path / name, {}, f'base = "{base}"\n')
    assert "成了环" in faults_of(tmp_path / "one")


# --- differences ----------------------------------------------------------------------------------


@quick
def test_a_difference_edits_rows_replaces_tables_and_overrides_options(tmp_path: Path) -> None:
    written(tmp_path / "base", small())
    changes = {
        "rules.changes": [
            "change,adrg,alternative,condition,value",
            "remove,BK1,1,any_proc,BK1.proc",
            "add,BK1,1,any_proc,new.proc",
        ],
        "procedure_sets.changes": ["change,set,code", "add,new.proc,9.9", "remove,BA1.proc,1.2"],
        "groups.changes": [
            "change,drg,adrg,severity,name,weight",
            "remove,BR13,BR1,cc,stroke cc,",
            "add,BR12,BR1,cc,changed,7",
        ],
        "complications": ["code,level,exclusion", "C20,mcc,"],
    }
    folder = written(
        tmp_path / "region", changes, 'base = "base"\n[options]\nambiguous_groups = false\n'
    )
    scheme = loaded(folder)
    assert scheme.options["ambiguous_groups"] is False
    assert scheme.options["gray_codes"] == "ignore"
    assert "BR13" not in scheme.drg_codes
    assert scheme.weights[scheme.drg_codes.index("BR12")] == 7.0
    rows = [
        {"diagnoses": "B10", "procedures": "9.9"},
        {"diagnoses": "B10", "procedures": "2.1"},
        {"diagnoses": "B10", "procedures": "1.2"},
        {"diagnoses": "B10|C20"},
        {"diagnoses": "B10|C10"},
    ]
    results = agreed(folder, rows)
    assert [result.drg for result in results] == ["BK19", "BR15", "BR15", "BR11", "BR15"]


@quick
def test_a_difference_may_bring_a_column_its_base_has_not(tmp_path: Path) -> None:
    tables = small()
    tables["groups"] = [",".join(line.split(",")[:4]) for line in tables["groups"]]
    written(tmp_path / "base", tables)
    changes = ["change,drg,adrg,severity,name,weight", "add,BK1x,BK1,mcc,-,2.5"]
    scheme = loaded(written(tmp_path / "region", {"groups.changes": changes}, 'base = "base"\n'))
    assert scheme.weights[scheme.drg_codes.index("BK1x")] == 2.5
    assert math.isnan(scheme.weights[0])


@quick
def test_faults_of_changes(tmp_path: Path) -> None:
    written(tmp_path / "base", small())
    lines = ["change,set,code", "remove,BA1.proc,9.9", "take,BA1.proc,1.1", "add,x,"]
    folder = written(tmp_path / "region", {"procedure_sets.changes": lines}, 'base = "base"\n')
    told = faults_of(folder)
    assert "procedure_sets.changes.csv 第 2 行：要删除的行在原表中没有" in told
    assert "procedure_sets.changes.csv 第 3 行 [change]：change 只能写 add 或 remove" in told


@quick
def test_a_difference_may_leave_an_adrg_without_group(tmp_path: Path) -> None:
    written(tmp_path / "base", small())
    groups = ["drg,adrg,severity,name", "BR19,BR1,all,-"]
    folder = written(tmp_path / "region", {"groups": groups}, f'base = "base"\n{OPTIONS}')
    (result,) = agreed(folder, [{"diagnoses": "B10", "procedures": "1.1"}])
    assert result.drg == "BQY"


# --- snapshots ------------------------------------------------------------------------------------


def snapshot(folder: Path) -> Path:
    (path,) = (folder.parent / "cache").glob("*.snapshot")
    return path


@quick
def test_a_snapshot_has_the_same_bytes_twice(tmp_path: Path) -> None:
    folder = written(tmp_path / "mini", small())
    loaded(folder)
    first = snapshot(folder).read_bytes()
    snapshot(folder).unlink()
    loaded(folder)
    assert snapshot(folder).read_bytes() == first
    source = read_source(folder)
    options = loaded(folder).options
    made = [_snapshot.snapshot_bytes(compile_scheme(source, options), "key") for _ in range(2)]
    assert made[0] == made[1]


@quick
def test_a_snapshot_is_made_again_when_the_tables_change(tmp_path: Path) -> None:
    folder = written(tmp_path / "mini", small())
    before = loaded(folder)
    assert group_one(before, ["B10"], ["9.1"]).drg == "BR15"
    with (folder / "procedure_sets.csv").open("a") as stream:
        stream.write("BA1.proc,9.1\n")
    after = loaded(folder)
    assert after.tables_hash != before.tables_hash
    assert group_one(after, ["B10"], ["9.1"]).drg == "BA15"
    assert len(list((tmp_path / "cache").iterdir())) == 2
    other = loaded(folder, ambiguous_groups=False)
    assert other.tables_hash == after.tables_hash
    assert group_one(other, ["B10"], ["33.9"]).drg == "BR15"


@quick
def test_line_ends_do_not_change_the_hash(tmp_path: Path) -> None:
    folder = written(tmp_path / "mini", small())
    before = loaded(folder).tables_hash
    for path in folder.iterdir():
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert loaded(folder).tables_hash == before


@quick
@pytest.mark.parametrize("damage", ["empty", "half", "last byte", "flip", "foreign", "folder"])
def test_a_damaged_snapshot_is_made_again(damage: str, tmp_path: Path) -> None:
    folder = written(tmp_path / "mini", small())
    loaded(folder)
    path = snapshot(folder)
    sound = path.read_bytes()
    for share in (0.0, 0.01, 0.1, 0.5, 0.9, 0.999) if damage == "flip" else (0.0,):
        content = bytearray(sound)
        content[int(share * len(sound))] ^= 0x40
        path.unlink()
        if damage == "folder":
            path.mkdir()
        else:
            path.write_bytes(
                {
                    "empty": b"",
                    "half": sound[: len(sound) // 2],
                    "last byte": sound[:-1],
                    "flip": bytes(content),
                    "foreign": b"something else",
                }[damage]
            )
        assert group_one(loaded(folder), ["B10"]).drg == "BR15"
        assert damage == "folder" or path.read_bytes() == sound


@quick
def test_a_cache_that_cannot_be_written(tmp_path: Path) -> None:
    folder = written(tmp_path / "mini", small())
    (tmp_path / "file").write_text("in the way")
    scheme = load_scheme(folder, cache=tmp_path / "file" / "cache")
    assert group_one(scheme, ["B10"]).drg == "BR15"


@quick
def test_a_snapshot_of_other_tables_is_not_taken(tmp_path: Path) -> None:
    folder = written(tmp_path / "mini", small())
    loaded(folder)
    content = snapshot(folder).read_bytes()
    with (folder / "procedure_sets.csv").open("a") as stream:
        stream.write("BA1.proc,9.1\n")
    loaded(folder)
    for path in (tmp_path / "cache").glob("*.snapshot"):
        path.write_bytes(content)
    assert group_one(loaded(folder), ["B10"], ["9.1"]).drg == "BA15"


@quick
def test_a_folder_may_be_given_by_name_or_path(tmp_path: Path) -> None:
    folder = written(tmp_path / "mini", small())
    assert load_scheme(str(folder), cache=tmp_path).folder == folder
    (result,) = agreed(folder, [{"diagnoses": "B10"}])
    assert result.drg == "BR15"


def test_every_code_list_row_is_whole() -> None:
    folder = load_scheme("chs_drg_2_0").folder.parents[1] / "codes"
    for name in ("diagnoses", "procedures"):
        rows = read_csv(folder / f"{name}.csv")
        assert len({row["code"] for row in rows}) == len(rows)
        assert {row["grey"] for row in rows} == {"0", "1"}
        assert all(row["code"] == normal_code(row["code"]) for row in rows)
