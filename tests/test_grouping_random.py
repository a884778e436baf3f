"""Random cases: the engine against the oracle, every one equal in every column.

200,000 cases over the three schemes, made to reach every ADRG, group and severity; then the same
over small random schemes that use every condition of later editions; then properties.  Plain
Python kernels (``DRG_ENGINE_NO_JIT=1``) get 6,000 cases, which reach everything as well.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd
import pytest
from case_factory import CaseFactory, coverage_report, write_scheme
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import Oracle, Result, Row, read_csv

import grouper_tables
from drg_engine import Cases, Scheme, group, load_scheme, read_cases
from drg_engine._jit import JIT

CASES = (
    {"chs_drg_2_0": 66_700, "chs_drg_1_1": 66_700, "harbin_2024": 66_600}
    if JIT
    else {"chs_drg_2_0": 2_000, "chs_drg_1_1": 2_000, "harbin_2024": 2_000}
)
SEED = 20260101


@dataclass(frozen=True)
class Compared:
    oracle: Oracle
    rows: list[Row]
    expected: list[Result]


def engine_cases(rows: Sequence[Row]) -> Cases:
    """Rows as the engine reads them.

    Reading refuses a case without age and a case of age 0 without days; a caller of the library can
    still have such cases, so they are read with a number that is then taken away.
    """
    frame = pd.DataFrame(rows, dtype="str")
    no_age = frame["age"] == ""
    no_days = (frame["age"] == "0") & (frame["age_days"] == "")
    frame.loc[no_age, "age"] = "50"
    frame.loc[no_days, "age_days"] = "1"
    cases = read_cases(frame)
    assert cases.case_id.to_pylist() == [row["case_id"] for row in rows]
    age, days = cases.age.copy(), cases.age_days.copy()
    age[no_age] = -1
    days[no_days] = -1
    return replace(cases, age=age, age_days=days)


def engine_results(rows: Sequence[Row], scheme: Scheme) -> list[Result]:
    """The engine's results of rows, in the rows' order; no row may be lost or moved."""
    table = group(engine_cases(rows), scheme).table()
    columns = (table[name].to_pylist() for name in Result._fields)
    return [Result(*values) for values in zip(*columns, strict=True)]


def differences(
    rows: Sequence[Row], expected: Sequence[Result], got: Sequence[Result]
) -> list[tuple[Row, Result, Result]]:
    """Cases on which engine and oracle differ (the first ten), with what each says."""
    triples = zip(rows, expected, got, strict=True)
    return [(row, want, have) for row, want, have in triples if want != have][:10]


@pytest.fixture(scope="module", params=tuple(CASES))
def compared(request: pytest.FixtureRequest) -> Compared:
    oracle = Oracle(request.param)
    rows = CaseFactory(oracle, SEED).cases(CASES[request.param])
    return Compared(oracle, rows, list(oracle.group_rows(rows)))


def test_every_random_case_is_equal(compared: Compared) -> None:
    got = engine_results(compared.rows, load_scheme(compared.oracle.name))
    assert differences(compared.rows, compared.expected, got) == []


def test_the_cases_reach_everything(
    compared: Compared, record_property: Callable[[str, object], None]
) -> None:
    report = coverage_report(compared.oracle, compared.expected)
    for line in report.lines():
        record_property("coverage", line)
        print(line)  # noqa: T201
    assert report.cases == CASES[compared.oracle.name]
    assert report.unexplained == []
    assert report.groups[0] == report.groups[1]


def test_there_are_200000_cases() -> None:
    assert sum(CASES.values()) == (200_000 if JIT else 6_000)


# --- small random schemes with every condition ----------------------------------------------------

SCHEMES = 6
CASES_OF_A_SCHEME = 700
MDCS = "APYZMNOBC"
DX = tuple(f"{letter}{number}0" for letter in "PYZMNOBC" for number in range(6))
MARKS = ("Z37.001", "Z37.999", "P07.001", "K80.101", "A00.000")
PROC = tuple(f"{number}0" for number in range(1, 12))
GREY_PROC = ("00.0100", "00.0200")
FLAGS = ("icu", "several sites", "day surgery")
KINDS = {
    "principal_dx": 1,
    "other_dx": 1,
    "any_dx": 1,
    "principal_proc": 1,
    "any_proc": 1,
    "has_or_procedure": 1,
    "sex": 1,
    "flag": 1,
    "discharge_mode": 1,
    "sites_min": 1,
    "bound": 4,
}
EDGES = {
    "age": (0, 1, 17, 18, 60),
    "age_days": (0, 27, 28, 29),
    "birth_weight": (1499, 1500, 2500),
    "los": (0, 1, 2, 60),
    "icu_hours": (0, 48, 96),
    "vent_hours": (0, 48, 96),
}
VALUES = {
    "has_or_procedure": ("yes", "no"),
    "sex": ("1", "2"),
    "flag": FLAGS,
    "discharge_mode": ("5", "4|5", "1|2|3"),
    "sites_min": ("1", "2", "3"),
}


class SchemeMaker:
    """Tables of a small scheme in which any condition may stand anywhere, half of them negated."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(f"scheme {seed}")
        self.dx_sets = {f"D{i}": self._some((*DX, *MARKS), 14) for i in range(8)}
        self.proc_sets = {f"Q{i}": self._some((*PROC, GREY_PROC[0]), 4) for i in range(6)}
        self.adrgs = [f"{mdc}{part}1" for mdc in MDCS for part in "ABKRS"]

    def _some(self, codes: Sequence[str], most: int) -> list[str]:
        return self.random.sample(codes, self.random.randint(1, most))

    def tables(self) -> dict[str, list[str]]:
        entry = grouper_tables.__path__[0]
        rules = read_csv(Path(entry) / "schemes" / "chs_drg_2_0" / "mdc_entry.csv")
        pick = self.random.choice
        return {
            "mdc": ["mdc,rank,name", *(f"{mdc},{i},-" for i, mdc in enumerate(MDCS, 1))],
            "mdc_entry": [
                "mdc,option,alternative,condition,value",
                *(",".join(row.values()) for row in rules if row["mdc"] in MDCS),
            ],
            "mdc_diagnoses": ["mdc,site,code", *self._mdc_diagnoses()],
            "adrg": ["adrg,mdc,rank,partition,name", *self._adrgs()],
            "rules": ["adrg,alternative,condition,value", *self._rules(self.adrgs)],
            "groups": ["drg,adrg,severity,name,parent", *self._groups()],
            "group_rules": ["drg,alternative,condition,value", *self._rules(self.conditional)],
            "diagnosis_sets": ["set,code", *self._members(self.dx_sets)],
            "procedure_sets": ["set,code", *self._members(self.proc_sets)],
            "complications": [
                "code,level,exclusion",
                *(f"{code},{pick(('mcc', 'cc'))},{pick('123')}" for code in self._some(DX, 24)),
            ],
            "exclusions": [
                "exclusion,code",
                *(f"{number},{code}" for number in "12" for code in self._some(DX, 20)),
            ],
            "or_procedures": ["code", *self._some(PROC, 6)],
        }

    def _mdc_diagnoses(self) -> list[str]:
        sites = {f"Z{i}0": ("head", "arm", "leg")[i % 3] for i in range(6)}
        own = [f"{code[0]},{sites.get(code, '')},{code}" for code in DX]
        foreign = [f"{self.random.choice('BCMNO')},,{code}" for code in self._some(DX, 30)]
        return list(dict.fromkeys([*own, *foreign, "B,,K80.101", "B,,A00.000"]))

    def _adrgs(self) -> list[str]:
        parts = {"A": "surgical", "B": "surgical", "K": "procedure", "R": "medical", "S": "medical"}
        return [
            f"{adrg},{adrg[0]},{rank},{parts[adrg[1]]},-" for rank, adrg in enumerate(self.adrgs, 1)
        ]

    def _groups(self) -> list[str]:
        lines: list[str] = []
        self.conditional: list[str] = []
        for adrg in self.adrgs:
            levels = self.random.choice(("all", "mcc cc none", "cc none", "mcc", "all cc none"))
            codes = [(f"{adrg}{i}", level) for i, level in enumerate(levels.split())]
            lines += [f"{code},{adrg},{level},-," for code, level in codes]
            if self.random.random() < 0.4:
                self.conditional.append(codes[0][0])
            if self.random.random() < 0.5:
                parent, level = self.random.choice(codes)
                for letter in "ab":
                    sub = f"{adrg}{letter}"
                    lines.append(f"{sub},{adrg},{level},-,{parent}")
                    self.conditional.append(sub)
        return lines

    def _rules(self, owners: Sequence[str]) -> list[str]:
        """One to three alternatives each; ADRGs begin with a plain condition on a code."""
        lines = []
        for owner in owners:
            for alternative in range(1, self.random.randint(1, 3) + 1):
                conditions = [self._condition() for _ in range(self.random.randint(1, 3))]
                if owner in self.adrgs:
                    conditions.insert(0, self._plain_condition(owner))
                lines += [f"{owner},{alternative},{condition}" for condition in conditions]
        return [*lines, "ZS1,9,always,"] if "ZS1" in owners else lines

    def _plain_condition(self, adrg: str) -> str:
        if adrg[1] in "RS":
            kinds = ("principal_dx", "principal_dx", "other_dx", "any_dx")
            return f"{self.random.choice(kinds)},{self.random.choice(list(self.dx_sets))}"
        earlier = [code for code in self.adrgs if code < adrg and code[1] in "ABK"]
        sets = [*self.proc_sets, *(f"adrg:{code}" for code in earlier[:2])]
        return f"{self.random.choice(('principal_proc', 'any_proc'))},{self.random.choice(sets)}"

    def _condition(self) -> str:
        pick = self.random.choice
        kind = self.random.choices(list(KINDS), list(KINDS.values()))[0]
        if kind == "bound":
            name = pick(list(EDGES))
            kind, value = f"{name}_{pick(('min', 'max'))}", str(pick(EDGES[name]))
        elif kind.endswith("_dx"):
            value = pick((*self.dx_sets, "prefix:Z37.", "prefix:B1", f"code:{pick(DX)}"))
        elif kind.endswith("_proc"):
            value = pick((*self.proc_sets, f"code:{pick(PROC)}", "prefix:1"))
        else:
            value = pick(VALUES[kind])
        return f"{'not_' if self.random.random() < 0.5 else ''}{kind},{value}"

    @staticmethod
    def _members(sets: dict[str, list[str]]) -> list[str]:
        return [f"{name},{code}" for name, codes in sets.items() for code in codes]

    def options(self) -> str:
        """The manifest's options, every value of each with equal chance."""
        pick = self.random.choice
        return (
            "[options]\n"
            f'newborn_entry = "{pick(("age", "principal_dx"))}"\n'
            f'hiv_entry = "{pick(("any", "principal"))}"\n'
            f'delivery_entry = "{pick(("any_z37", "principal_dx"))}"\n'
            f"ambiguous_groups = {pick(('true', 'true', 'false'))}\n"
            f'gray_codes = "{pick(("reject", "ignore"))}"\n'
        )

    def case(self, number: int) -> Row:
        """A blind case over the scheme's codes, on and beside every limit."""
        pick = self.random.choice
        days = pick((*EDGES["age_days"], 200))
        newborn = self.random.random() < 0.3
        numbers = {name: str(pick(EDGES[name])) for name in ("los", "icu_hours", "vent_hours")}
        return {
            "case_id": f"S{number}",
            "sex": pick(("1", "2", "")),
            "age": "0" if newborn else pick(("", "1", "17", "18", "60")),
            "age_days": pick((str(days), str(days), "")) if newborn else "",
            "birth_weight": pick(("1499", "1500", "2500", "")) if newborn and days <= 28 else "",
            "discharge_mode": pick(("1", "2", "3", "4", "5", "9", "")),
            "diagnoses": "|".join(self.random.choices((*DX, *DX, *MARKS), k=pick((1, 2, 3, 6)))),
            "procedures": "|".join(self.random.choices((*PROC, *GREY_PROC), k=pick((0, 1, 2, 4)))),
            "flags": "|".join(self.random.sample(FLAGS, pick((0, 0, 1, 2)))),
            **{name: pick((value, "")) for name, value in numbers.items()},
        }


@pytest.mark.parametrize("seed", range(SCHEMES))
def test_random_schemes_with_every_condition(seed: int, tmp_path: Path) -> None:
    maker = SchemeMaker(seed)
    folder = write_scheme(tmp_path / f"random_{seed}", maker.tables(), maker.options())
    rows = [maker.case(number) for number in range(CASES_OF_A_SCHEME)]
    expected = list(Oracle(folder).group_rows(rows))
    assert len({result.drg for result in expected}) > 20
    got = engine_results(rows, load_scheme(folder, cache=tmp_path))
    assert differences(rows, expected, got) == []


# --- properties -----------------------------------------------------------------------------------

UNKNOWN = "QQ9.999"
STILL = settings(max_examples=15, deadline=None, derandomize=True, database=None)


@pytest.fixture(scope="module")
def scheme() -> Scheme:
    return load_scheme("chs_drg_2_0")


@pytest.fixture(scope="module")
def pool() -> list[Row]:
    return CaseFactory(Oracle("chs_drg_2_0"), SEED + 1).cases(2_500)


def some_rows() -> st.SearchStrategy[list[int]]:
    return st.lists(st.integers(0, 2_499), min_size=1, max_size=60, unique=True)


def with_dx(row: Row, others: Callable[[list[str]], list[str]]) -> Row:
    principal, *rest = row["diagnoses"].split("|")
    return {**row, "diagnoses": "|".join([principal, *others(rest)])}


@STILL
@given(chosen=some_rows(), seed=st.integers())
def test_the_order_of_rows_does_not_matter(
    pool: list[Row], scheme: Scheme, chosen: list[int], seed: int
) -> None:
    rows = [pool[i] for i in chosen]
    order = random.Random(seed).sample(range(len(rows)), len(rows))
    straight = engine_results(rows, scheme)
    assert engine_results([rows[i] for i in order], scheme) == [straight[i] for i in order]


@STILL
@given(chosen=some_rows(), seed=st.integers())
def test_other_diagnoses_may_be_shuffled_repeated_and_joined_by_an_unknown_one(
    pool: list[Row], scheme: Scheme, chosen: list[int], seed: int
) -> None:
    rows = [pool[i] for i in chosen if pool[i]["diagnoses"]]
    mixer = random.Random(seed)
    plain = engine_results(rows, scheme) if rows else []
    for change in (
        lambda others: mixer.sample(others, len(others)),
        lambda others: others + others[:1],
        lambda others: [*others, UNKNOWN],
    ):
        changed = [with_dx(row, change) for row in rows]
        assert (engine_results(changed, scheme) if rows else []) == plain


@STILL
@given(chosen=some_rows())
def test_counts_reconcile(pool: list[Row], scheme: Scheme, chosen: list[int]) -> None:
    rows = [pool[i] for i in chosen]
    grouping = group(engine_cases(rows), scheme)
    results = [Result(*row.values()) for row in grouping.table().to_pylist()]
    by_status = Counter(result.status for result in results)
    assert sum(by_status.values()) == len(rows)
    assert {k: v for k, v in grouping.counts().items() if v} == dict(by_status)
    without = sum(result.drg == "0000" for result in results)
    assert without == by_status["ungrouped"] + by_status["invalid"]
    assert sum(result.reason == "" for result in results) == by_status["grouped"]
    assert sum(result.drg.endswith("QY") for result in results) == by_status["ambiguous"]
