"""Grouping through the library: columns, one case, options, codes looked up."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from case_factory import CaseFactory
from oracle import Case, Oracle, Row

import drg_engine
from drg_engine import (
    CaseResult,
    Cases,
    Grouping,
    Scheme,
    group,
    group_one,
    load_scheme,
    read_cases,
)
from drg_engine._jit import JIT
from drg_engine.cases import CaseReader
from drg_engine.grouping import REASON_WORDS, REASONS, SEVERITIES, STATUS, CodeLookup

MANY = 2_500
ONE_BY_ONE = 1_500 if JIT else 200


@pytest.fixture(scope="module")
def scheme() -> Scheme:
    return load_scheme("chs_drg_2_0")


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    return CaseFactory(Oracle("chs_drg_2_0"), 5).cases(MANY)


@pytest.fixture(scope="module")
def cases(rows: list[Row]) -> Cases:
    return read_cases(pa.Table.from_pylist(rows))


@pytest.fixture(scope="module")
def grouping(cases: Cases, scheme: Scheme) -> Grouping:
    return group(cases, scheme)


def test_the_columns_of_a_result(cases: Cases, grouping: Grouping, scheme: Scheme) -> None:
    kinds = {name: getattr(grouping, name).dtype for name in
             ("status", "mdc", "adrg", "drg", "severity", "reason")}  # fmt: skip
    assert kinds == {"status": np.int8, "mdc": np.int8, "adrg": np.int16, "drg": np.int32,
                     "severity": np.int8, "reason": np.int8}  # fmt: skip
    assert all(len(getattr(grouping, name)) == cases.n for name in kinds)
    table = grouping.table()
    assert table.column_names == ["status", "mdc", "adrg", "drg", "severity", "reason"]
    assert set(table["status"].to_pylist()) == set(STATUS)
    assert set(table["severity"].to_pylist()) == {"", *SEVERITIES}
    assert set(table["drg"].to_pylist()) <= set(scheme.drg_codes)
    assert len(REASONS) == len(REASON_WORDS)
    assert sum(grouping.counts().values()) == cases.n
    assert grouping.counts() == dict(
        Counter(dict.fromkeys(STATUS, 0)) | Counter(table["status"].to_pylist())
    )


def test_what_stands_where(grouping: Grouping) -> None:
    for row in grouping.table().to_pylist():
        if row["status"] == "grouped":
            assert row["adrg"] and row["drg"].startswith(row["adrg"]) and not row["reason"]
            assert row["severity"] in SEVERITIES
        elif row["status"] == "ambiguous":
            assert row["drg"] == f"{row['mdc']}QY"
            assert (row["adrg"], row["severity"], row["reason"]) == ("", "", "ambiguous")
        else:
            assert (row["drg"], row["severity"]) == ("0000", "")
            assert row["reason"] in REASONS[2:]
            assert (row["mdc"] == "") == (row["status"] == "invalid" or row["reason"] == "no_mdc")


def test_one_case_equals_a_column_of_one(rows: list[Row], scheme: Scheme) -> None:
    oracle = Oracle("chs_drg_2_0")
    for row in rows[:ONE_BY_ONE]:
        case = Case.from_row(row)
        numbers = {
            name: -1 if getattr(case, name) is None else getattr(case, name)
            for name in ("age", "age_days", "birth_weight", "los")
        }
        got = group_one(
            scheme, case.dx, case.proc, sex=case.sex,
            discharge_mode=case.discharge_mode or 0, **numbers,
        )  # fmt: skip
        assert isinstance(got, CaseResult)
        assert tuple(got) == tuple(oracle.group(case))


def test_one_case_in_words(scheme: Scheme) -> None:
    assert group_one(scheme, ["k80.101 "], ["５１．２３００"], sex=1, age=40).status == "grouped"
    assert group_one(scheme, []).reason == "no_principal_dx"
    assert group_one(scheme, [""]).reason == "no_principal_dx"
    assert group_one(scheme, ["-"]).reason == "no_principal_dx"
    assert group_one(scheme, ["QQ9.999"]).reason == "unknown_principal_dx"
    assert group_one(scheme, ["A00.000"]).reason == "grey_principal_dx"


def test_a_sex_that_is_neither_is_unknown(scheme: Scheme) -> None:
    for sex in (9, 3, -1, 127):
        assert group_one(scheme, ["K80.101"], sex=sex, age=40).drg == "HZ29"


def test_no_cases_at_all(scheme: Scheme) -> None:
    empty = read_cases(pa.table({name: pa.array([], pa.string()) for name in
                                 ("case_id", "sex", "age", "diagnoses")}))  # fmt: skip
    assert len(empty) == 0
    assert group(empty, scheme).table().num_rows == 0
    assert group(empty, scheme).counts() == dict.fromkeys(STATUS, 0)
    assert drg_engine.explain(empty, group(empty, scheme)) == []


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_threads_do_not_matter(
    cases: Cases, scheme: Scheme, grouping: Grouping, threads: int
) -> None:
    assert group(cases, scheme, threads=threads).table().equals(grouping.table())


def test_one_reading_serves_several_schemes(cases: Cases) -> None:
    drgs = {name: group(cases, load_scheme(name)).table()["drg"].to_pylist()
            for name in ("chs_drg_1_1", "chs_drg_2_0", "harbin_2024")}  # fmt: skip
    for name, got in drgs.items():
        few = [
            {
                "case_id": str(i),
                "sex": "1",
                "age": "50",
                "diagnoses": "|".join(cases.codes_of(i)[0]),
            }
            for i in range(3)
        ]
        alone = read_cases(pa.Table.from_pylist(few))
        assert len(got) == cases.n
        assert group(alone, load_scheme(name)).table().num_rows == 3
    assert drgs["chs_drg_1_1"] != drgs["chs_drg_2_0"]


def test_options_override_the_manifest() -> None:
    ignoring = load_scheme("chs_drg_2_0", options={"gray_codes": "ignore"})
    assert group_one(load_scheme("chs_drg_2_0"), ["A00.000"]).status == "invalid"
    assert group_one(ignoring, ["A00.000"], age=40).status != "invalid"
    mapped = load_scheme("chs_drg_2_0", options={"clinical_codes": True})
    clinical, insurance = "A01.000x002", "A01.003"
    assert group_one(mapped, [clinical], age=40) == group_one(mapped, [insurance], age=40)
    assert group_one(load_scheme("chs_drg_2_0"), [clinical], age=40).status == "invalid"


def test_unknown_codes_are_counted(scheme: Scheme) -> None:
    table = pa.table({
        "case_id": ["1", "2", "3"], "sex": ["1"] * 3, "age": ["30"] * 3,
        "diagnoses": ["K80.100|QQ1", "QQ1|QQ2|K80.100", "|K80.100"], "procedures": ["", "77.x", ""],
    })  # fmt: skip
    cases = read_cases(table)
    assert CodeLookup(scheme).unknown(cases) == {"QQ1": 2, "QQ2": 1, "77.x": 1}


def test_a_lookup_serves_parts(
    rows: list[Row], scheme: Scheme, grouping: Grouping, monkeypatch: pytest.MonkeyPatch
) -> None:
    import pyarrow.parquet as pq

    monkeypatch.setattr("drg_engine.readers.PARQUET_ROWS", 100)
    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pylist(rows), sink)
    import tempfile
    from pathlib import Path

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.parquet"
        path.write_bytes(sink.getvalue().to_pybytes())
        lookup = CodeLookup(scheme)
        drgs: list[str] = []
        for part in CaseReader(path).parts():
            drgs += group(part, scheme, lookup=lookup).table()["drg"].to_pylist()
    assert drgs == grouping.table()["drg"].to_pylist()


def test_cases_left_as_they_were(cases: Cases, scheme: Scheme) -> None:
    before = {name: getattr(cases, name).copy() for name in ("sex", "age", "dx", "proc", "los")}
    group(cases, scheme)
    assert all(np.array_equal(getattr(cases, name), column) for name, column in before.items())
    old = replace(cases, age=np.full(cases.n, 150, np.int16))
    assert group(old, scheme).table().num_rows == cases.n
