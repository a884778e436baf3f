"""The rule language of later editions, engine and oracle alike, on small hand-written schemes."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from oracle import Result, Row
from small_scheme import Tables, agreed, few_codes, small, written  # noqa: F401

from drg_engine._jit import JIT

pytestmark = pytest.mark.usefixtures("few_codes")

HEADS = {"group_rules": "drg,alternative,condition,value"}


def drgs(
    tmp_path: Path,
    rows: Sequence[Row],
    options: Mapping[str, object] | None = None,
    **more: Sequence[str],
) -> list[str]:
    """Results of the small scheme with lines added, as both give them."""
    tables = small()
    for name, lines in more.items():
        tables.setdefault(name, [HEADS[name]] if name in HEADS else []).extend(lines)
    results = agreed(written(tmp_path / "mini", tables), rows, **(options or {}))
    return [result.drg for result in results]


def one_rule(tmp_path: Path, conditions: Sequence[str], rows: Sequence[Row]) -> list[bool]:
    """Whether rows of B99 match an ADRG that asks for the conditions; it is the only one."""
    tables = small()
    tables["mdc_diagnoses"].append("B,,B99")
    tables["adrg"].append("BX1,B,9,surgical,asked")
    tables["rules"] += [f"BX1,1,{condition}" for condition in conditions]
    tables["groups"].append("BX19,BX1,all,asked,,")
    full = [{"diagnoses": "B99", **row} for row in rows]
    return [result.drg == "BX19" for result in agreed(written(tmp_path / "mini", tables), full)]


def test_alternatives_and_conditions(tmp_path: Path) -> None:
    rules = ["BK1,2,principal_dx,BR1.dx", "BK1,2,other_dx,other.dx", "BK1,2,sex,2"]
    rows: list[Row] = [
        {"diagnoses": "B10|C10", "sex": "2"},
        {"diagnoses": "B10|C10", "sex": "1"},
        {"diagnoses": "B10|C10", "sex": ""},
        {"diagnoses": "B10", "sex": "2"},
        {"diagnoses": "B30|C10", "sex": "2"},
        {"diagnoses": "B30", "procedures": "7.7|2.1"},
    ]
    expected = ["BK19", "BR11", "BR11", "BR15", "0000", "BK19"]
    assert drgs(tmp_path, rows, rules=rules) == expected


@pytest.mark.parametrize(
    ("condition", "rows", "holds"),
    [
        ("any_dx,two.dx", ["B99", "B99|B20", "B99|I10"], [0, 1, 0]),
        ("not_any_dx,two.dx", ["B99", "B99|B20", "B99|I10"], [1, 0, 1]),
        ("other_dx,code:C10", ["B99|C10", "B99|c10", "B99"], [1, 1, 0]),
        ("not_other_dx,prefix:C1", ["B99|C10", "B99|C20", "B99"], [0, 1, 1]),
        ("any_dx,prefix:Z37.", ["B99|Z37.000", "B99|Z37.999x999", "B99"], [1, 0, 0]),
        ("any_dx,code:QQ9.9", ["B99|qq9.9", "B99|QQ9.99"], [1, 0]),
        ("principal_dx,prefix:B9", ["B99", "B99|B10"], [1, 1]),
        ("not_principal_dx,code:B99", ["B99"], [0]),
    ],
)
def test_conditions_on_diagnoses(
    tmp_path: Path, condition: str, rows: list[str], holds: list[int]
) -> None:
    cases: list[Row] = [{"diagnoses": codes} for codes in rows]
    assert one_rule(tmp_path, [condition], cases) == [bool(one) for one in holds]


@pytest.mark.parametrize(
    ("conditions", "holds"),
    [
        (["principal_proc,BA1.proc"], [0, 0, 0, 0, 0]),  # BA1 itself comes first
        (["not_principal_proc,adrg:BA1"], [1, 0, 1, 1, 1]),
        (["any_proc,adrg:BA1"], [0, 0, 1, 0, 0]),
        (["not_any_proc,adrg:BA1"], [1, 0, 0, 1, 1]),
        (["any_proc,code:9.9"], [0, 0, 0, 1, 1]),
        (["any_proc,code:9.9", "any_proc,code:8.8"], [0, 0, 0, 0, 1]),
        (["principal_proc,prefix:9."], [0, 0, 0, 1, 0]),
        (["has_or_procedure,yes"], [0, 0, 0, 1, 0]),
        (["has_or_procedure,no"], [1, 0, 1, 0, 1]),
        (["not_has_or_procedure,yes"], [1, 0, 1, 0, 1]),
        (["not_has_or_procedure,no"], [0, 0, 0, 1, 0]),
    ],
)
def test_conditions_on_procedures(tmp_path: Path, conditions: list[str], holds: list[int]) -> None:
    rows: list[Row] = [{"procedures": codes} for codes in ("", "1.1", "7.7|1.1", "9.9", "8.8|9.9")]
    assert one_rule(tmp_path, conditions, rows) == [bool(one) for one in holds]


NUMBERS = {
    "los": ("0", "4", "5", "6", ""),
    "icu_hours": ("0", "4", "5", "6", ""),
    "vent_hours": ("0", "4", "5", "6", ""),
    "age": ("1", "4", "5", "6", "150"),
}


@pytest.mark.parametrize("field", NUMBERS)
@pytest.mark.parametrize(
    ("kind", "holds"),
    [
        ("{}_min,5", [0, 0, 1, 1, 0]),
        ("{}_max,5", [1, 1, 1, 0, 0]),
        ("not_{}_min,5", [1, 1, 0, 0, 1]),
        ("not_{}_max,5", [0, 0, 0, 1, 1]),
        ("{}_min,4.5", [0, 0, 1, 1, 0]),
    ],
)
def test_bounds(tmp_path: Path, field: str, kind: str, holds: list[int]) -> None:
    rows: list[Row] = [{field: value} for value in NUMBERS[field]]
    expected = [bool(one) for one in holds]
    if field == "age":  # the last is old, not missing
        expected[-1] = "min" in kind if not kind.startswith("not_") else "max" in kind
    assert one_rule(tmp_path, [kind.format(field)], rows) == expected


def test_bounds_of_the_newborn(tmp_path: Path) -> None:
    rows: list[Row] = [
        {"age": "0", "age_days": days, "birth_weight": weight}
        for days in ("0", "27", "28", "29")
        for weight in ("1499", "1500", "1999", "2000", "")
    ]
    conditions = [
        "age_days_max,28",
        "age_days_min,1",
        "birth_weight_min,1500",
        "birth_weight_max,1999",
    ]
    expected = [
        r["age_days"] in ("27", "28") and r["birth_weight"] in ("1500", "1999") for r in rows
    ]
    assert one_rule(tmp_path, conditions, rows) == expected


def test_discharge_modes(tmp_path: Path) -> None:
    rows: list[Row] = [{"discharge_mode": mode} for mode in ("", "1", "4", "5", "9")]
    assert one_rule(tmp_path / "a", ["discharge_mode,5"], rows) == [
        False,
        False,
        False,
        True,
        False,
    ]
    assert one_rule(tmp_path / "b", ["discharge_mode,4|5"], rows) == [
        False,
        False,
        True,
        True,
        False,
    ]
    assert one_rule(tmp_path / "c", ["not_discharge_mode,4|5"], rows) == [
        True,
        True,
        False,
        False,
        True,
    ]
    both = ["discharge_mode,4|5", "not_discharge_mode,4"]
    assert one_rule(tmp_path / "d", both, rows) == [False, False, False, True, False]


def test_flags(tmp_path: Path) -> None:
    rows: list[Row] = [{"flags": flags} for flags in ("", "日间手术", "多部位|日间手术", "多部位")]
    conditions = ["flag,日间手术", "not_flag,多部位"]
    assert one_rule(tmp_path, conditions, rows) == [False, True, False, False]


def test_sites(tmp_path: Path) -> None:
    rows: list[Row] = [
        {"diagnoses": codes}
        for codes in ("B99", "B99|B30", "B99|B30|B40", "B99|B30|B30", "B99|B30|B40|B50")
    ]
    assert one_rule(tmp_path / "a", ["sites_min,2"], rows) == [False, False, True, False, True]
    assert one_rule(tmp_path / "b", ["not_sites_min,2"], rows) == [True, True, False, True, False]
    both = ["sites_min,1", "not_sites_min,3"]
    assert one_rule(tmp_path / "c", both, rows) == [False, True, True, True, False]


def test_a_reference_takes_no_sets_that_are_ruled_out(tmp_path: Path) -> None:
    rules = ["BA1,2,principal_proc,BA2.proc", "BA1,2,not_any_proc,BK1.proc"]
    tables = small()
    tables["rules"] += [*rules, "BX1,1,any_proc,adrg:BA1"]
    tables["procedure_sets"].append("BA2.proc,5.5")
    tables["adrg"].append("BX1,B,9,surgical,-")
    tables["groups"].append("BX19,BX1,all,-,,")
    tables["mdc_diagnoses"].append("B,,B99")
    rows: list[Row] = [
        {"diagnoses": "B99", "procedures": codes} for codes in ("7.7|5.5", "7.7|2.1", "7.7|1.2")
    ]
    results = agreed(written(tmp_path / "mini", tables), rows)
    assert [result.drg for result in results] == ["BX19", "BK19", "BX19"]


def test_groups_with_conditions_and_sub_groups(tmp_path: Path) -> None:
    groups = [
        "BR1d,BR1,mcc,died,,",
        "BR15a,BR1,none,stroke long,,BR15",
        "BR15b,BR1,none,stroke very long,,BR15a",
        "BR15c,BR1,none,stroke young,,BR15",
    ]
    group_rules = [
        "BR11,1,discharge_mode,1",
        "BR1d,1,discharge_mode,5",
        "BR15a,1,los_min,10",
        "BR15b,1,los_min,30",
        "BR15b,2,icu_hours_min,48",
        "BR15c,1,age_max,17",
    ]
    rows: list[Row] = [
        {"diagnoses": "B10|C10", "discharge_mode": "1"},
        {"diagnoses": "B10|C10", "discharge_mode": "5"},
        {"diagnoses": "B10|C10", "discharge_mode": "4"},
        {"diagnoses": "B10", "los": "3"},
        {"diagnoses": "B10", "los": "10"},
        {"diagnoses": "B10", "los": "30"},
        {"diagnoses": "B10", "los": "12", "icu_hours": "48"},
        {"diagnoses": "B10", "los": "3", "icu_hours": "48"},
        {"diagnoses": "B10", "los": "3", "age": "17"},
        {"diagnoses": "B10", "los": "40", "age": "17"},
    ]
    expected = ["BR11", "BR1d", "BR13", "BR15", "BR15a", "BR15b", "BR15b", "BR15", "BR15c", "BR15b"]
    assert drgs(tmp_path, rows, groups=groups, group_rules=group_rules) == expected


def test_no_group_fits(tmp_path: Path) -> None:
    rows: list[Row] = [{"diagnoses": "B10", "procedures": "2.1", "los": los} for los in ("2", "3")]
    assert drgs(tmp_path, rows, group_rules=["BK19,1,los_min,3"]) == ["0000", "BK19"]


def test_severity_and_exclusions(tmp_path: Path) -> None:
    rows: list[Row] = [
        {"diagnoses": codes}
        for codes in (
            "B10|C10",
            "B20|C10",
            "B10|C20",
            "B20|C10|C20",
            "B10|B20",
            "C10|B10",
            "B10|C20|C10",
        )
    ]
    expected = ["BR11", "BR15", "BR13", "BR13", "BR13", "0000", "BR11"]
    assert drgs(tmp_path, rows) == expected


def test_ambiguous_cases(tmp_path: Path) -> None:
    rows: list[Row] = [
        {"diagnoses": "B10", "procedures": codes} for codes in ("9.9", "7.7|9.9", "9.9|1.1", "33.1")
    ]
    assert drgs(tmp_path / "on", rows) == ["BQY", "BR15", "BQY", "AA19"]
    off = drgs(tmp_path / "off", rows, {"ambiguous_groups": False})
    assert off == ["BR15", "BR15", "BR15", "AA19"]


# --- more than a word ----------------------------------------------------------------------------


def wide(count: int) -> Tables:
    """An MDC of many ADRGs, each with its own set looked for anywhere and a second alternative."""
    tables = small()
    tables["adrg"] = tables["adrg"][:2]
    tables["rules"] = tables["rules"][:2]
    tables["groups"] = tables["groups"][:2]
    for i in range(count):
        adrg = f"B{i:03d}"
        tables["adrg"].append(f"{adrg},B,{i + 1},{'surgical' if i % 3 else 'medical'},-")
        tables["diagnosis_sets"] += [f"{adrg}.dx,D{i}0", f"{adrg}.dx,D{(i * 7) % count}1"]
        tables["procedure_sets"] += [f"{adrg}.proc,5.{i}", f"{adrg}.proc,6.{(i * 5) % count}"]
        tables["rules"] += [
            f"{adrg},1,other_dx,{adrg}.dx",
            f"{adrg},1,any_proc,{adrg}.proc",
            f"{adrg},2,any_proc,{adrg}.proc",
            f"{adrg},2,not_any_dx,B{(i + 1) % count:03d}.dx",
            f"{adrg},2,age_min,{i % 90}",
            f"{adrg},3,any_dx,{adrg}.dx",
            f"{adrg},3,any_proc,B{(i + 9) % count:03d}.proc",
            f"{adrg},3,los_min,{i % 40}",
        ]
        tables["groups"] += [f"{adrg}1,{adrg},mcc,-,,", f"{adrg}3,{adrg},none,-,,"]
    return tables


@pytest.mark.parametrize("count", [64, 65, 150])
def test_more_sets_and_alternatives_than_a_word_holds(tmp_path: Path, count: int) -> None:
    folder = written(tmp_path / "wide", wide(count))
    random_of = random.Random(count)
    codes = [f"D{i}{part}" for i in range(count) for part in "01"] + ["C10", "B20", "X1"]
    procedures = [f"{part}.{i}" for i in range(count) for part in "56"] + ["9.9", "7.7"]
    rows: list[Row] = [
        {
            "diagnoses": "|".join(["B10", *random_of.choices(codes, k=random_of.randint(0, 4))]),
            "procedures": "|".join(random_of.choices(procedures, k=random_of.randint(0, 4))),
            "age": str(random_of.randint(1, 100)),
            "los": str(random_of.randint(0, 60)),
        }
        for _ in range(900 if JIT else 300)
    ]
    results = agreed(folder, rows)
    assert len({result.adrg for result in results}) > count // 3
    assert {result.status for result in results} >= {"grouped", "ungrouped"}


def test_sixty_four_flags_and_no_more(tmp_path: Path) -> None:
    from drg_engine.errors import TableError

    names = [f"flag {i:02d}" for i in range(64)]
    tables = small(rules=[f"BR1,{i + 2},flag,{name}" for i, name in enumerate(names)])
    tables["rules"].remove("BR1,1,principal_dx,BR1.dx")
    rows: list[Row] = [{"diagnoses": "B10", "flags": name} for name in (*names, "flag 64", "")]
    results = agreed(written(tmp_path / "all", tables), rows)
    assert [result.drg for result in results] == ["BR15"] * 64 + ["0000"] * 2
    tables["rules"].append("BR1,99,flag,one more")
    with pytest.raises(TableError, match="病例标志多于 64 种"):
        agreed(written(tmp_path / "more", tables), rows[:1])


def test_the_reasons_without_a_group(tmp_path: Path) -> None:
    rows: list[Row] = [
        {"diagnoses": ""}, {"diagnoses": "|B10"}, {"diagnoses": "QQ9"}, {"diagnoses": "I10.x00"},
        {"diagnoses": "B30"}, {"diagnoses": "B10"},
    ]  # fmt: skip
    results: list[Result] = agreed(written(tmp_path / "mini", small()), rows)
    assert [(result.status, result.reason, result.mdc) for result in results] == [
        ("invalid", "no_principal_dx", ""),
        ("invalid", "no_principal_dx", ""),
        ("invalid", "unknown_principal_dx", ""),
        ("ungrouped", "no_mdc", ""),
        ("ungrouped", "no_adrg", "B"),
        ("grouped", "", "B"),
    ]
