"""The slow oracle: specs/grouping.md once more, in plain Python, to hold the engine to.

Nothing here comes from the engine.  The tables are read as CSV and TOML, the entry rules of the
MDCs are written out from the spec (``mdc_entry.csv`` is not read), and every step is done the way
the spec tells it: the MDCs by rank, in each its ADRGs by rank, of each its alternatives.  The
oracle is also the baseline against which the kernel's speed is measured, so it is neither slowed
down nor tuned.

Decisions where the spec leaves room, all of them here:

- A numeric bound includes its limit and is not satisfied by a missing value.  ``not_`` is the
  plain logical negation of the condition, so ``not_age_min`` 18 holds where the age is missing.
- ``adrg:XX1`` means every procedure set that XX1's own rules name, negated conditions excepted.
- Of a list of codes the first place is the principal one even if it is blank: ``|A01.000`` is a
  case without a principal diagnosis.  Blank places after the first are dropped.
- An unknown code other than the principal diagnosis matches nothing, so no prefix either: an
  unknown ``Z37.999`` is no delivery.
- ``no_adrg`` if some MDC was entered through a condition on a diagnosis or has the principal
  diagnosis in its table; the MDC shown is the last such.  Otherwise ``no_mdc``.
- An ambiguous case stands in no ADRG; it and every case without a group have no severity.
- A sub-group is looked for after its parent was chosen, whatever the severity.
"""

from __future__ import annotations

import csv
import tomllib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import grouper_tables

PACKAGED = Path(next(iter(grouper_tables.__path__)))

Row = dict[str, str]

OPTIONS = {
    "newborn_entry": "age",
    "hiv_entry": "any",
    "delivery_entry": "any_z37",
    "ambiguous_groups": True,
    "gray_codes": "reject",
    "clinical_codes": False,
}
RESULT_CODES = {"ungrouped": "0000", "ambiguous_suffix": "QY"}
BOUNDS = ("age", "age_days", "birth_weight", "los", "icu_hours", "vent_hours")
HALF_WIDTH = {0x3000: " "} | {full: chr(full - 0xFEE0) for full in range(0xFF01, 0xFF5F)}


# --- a case ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Case:
    """A discharged case: codes normalised, the principal ones first, None for a missing number."""

    dx: tuple[str, ...] = ()
    proc: tuple[str, ...] = ()
    sex: int = 0
    age: int | None = None
    age_days: int | None = None
    birth_weight: int | None = None
    los: int | None = None
    icu_hours: int | None = None
    vent_hours: int | None = None
    discharge_mode: int | None = None
    flags: frozenset[str] = field(default_factory=frozenset)

    @property
    def principal_dx(self) -> str:
        return self.dx[0] if self.dx else ""

    @property
    def other_dx(self) -> tuple[str, ...]:
        return self.dx[1:]

    @property
    def principal_proc(self) -> str:
        return self.proc[0] if self.proc else ""

    @classmethod
    def from_row(cls, row: Mapping[str, str]) -> Case:
        """A case from the text of the canonical columns; a column that is not there is missing."""
        numbers = {name: number(row.get(name, "")) for name in (*BOUNDS, "discharge_mode")}
        return cls(
            dx=codes(row.get("diagnoses", "")),
            proc=codes(row.get("procedures", "")),
            sex=number(row.get("sex", "")) or 0,
            flags=frozenset(flag for flag in row.get("flags", "").split("|") if flag),
            **numbers,
        )


def number(text: str) -> int | None:
    return int(text) if text else None


def codes(text: str) -> tuple[str, ...]:
    principal, *others = (normal_code(code) for code in text.split("|"))
    others = [code for code in others if code]
    return (principal, *others) if principal or others else ()


def normal_code(text: str) -> str:
    """Half width, no space around, letters upper-cased except the extension's ``x``.

    An ``X`` at the start of a code, or of its asterisk part, is the chapter X of ICD-10.
    """
    half = text.translate(HALF_WIDTH).strip().upper()
    return "+".join(part[:1] + part[1:].replace("X", "x") for part in half.split("+"))


# --- a scheme's tables ----------------------------------------------------------------------------


def read_csv(path: Path) -> list[Row]:
    with path.open(encoding="utf-8-sig", newline="") as stream:
        return [{k: (v or "").strip() for k, v in row.items()} for row in csv.DictReader(stream)]


@cache
def code_list(name: str) -> list[Row]:
    return read_csv(PACKAGED / "codes" / f"{name}.csv")


def find_folder(name: str | Path, beside: Path | None = None) -> Path:
    """The folder of a scheme given by path or by name (beside another one, or packaged)."""
    if isinstance(name, Path):
        return name
    if beside is not None and (beside.parent / name / "scheme.toml").exists():
        return beside.parent / name
    return PACKAGED / "schemes" / name


class Tables:
    """The files of a scheme, with those of its base where it says nothing of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.manifest = tomllib.loads((folder / "scheme.toml").read_text(encoding="utf-8-sig"))
        base = self.manifest.get("base")
        self.base = Tables(find_folder(base, folder)) if base else None

    def section(self, name: str) -> dict[str, Any]:
        inherited = self.base.section(name) if self.base else {}
        return {**inherited, **self.manifest.get(name, {})}

    def rows(self, table: str) -> list[Row]:
        path = self.folder / f"{table}.csv"
        inherited = self.base.rows(table) if self.base and not path.exists() else []
        rows = read_csv(path) if path.exists() else inherited
        changes = self.folder / f"{table}.changes.csv"
        for change in read_csv(changes) if changes.exists() else []:
            what = change.pop("change")
            if what == "add":
                rows.append(change)
            else:
                rows = [row for row in rows if not same_row(row, change)]
        return rows


def same_row(row: Row, change: Row) -> bool:
    return all(row.get(column, "") == value for column, value in change.items() if value)


def by_key(rows: Iterable[Row], key: str, value: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        found[row[key]].append(row[value])
    return dict(found)


# --- conditions -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Condition:
    """One row of rules.csv or group_rules.csv."""

    kind: str
    negated: bool
    value: str
    codes: frozenset[str]

    def holds(self, case: Case, scheme: Oracle) -> bool:
        return self.said_of(case, scheme) != self.negated

    def said_of(self, case: Case, scheme: Oracle) -> bool:
        match self.kind:
            case "principal_dx":
                return case.principal_dx in self.codes
            case "principal_proc":
                return case.principal_proc in self.codes
            case "any_proc":
                return any(code in self.codes for code in case.proc)
            case "other_dx":
                return any(code in self.codes for code in case.other_dx)
            case "any_dx":
                return any(code in self.codes for code in case.dx)
            case "has_or_procedure":
                return scheme.has_or_procedure(case) == (self.value == "yes")
            case "always":
                return True
            case "sex":
                return str(case.sex) in self.value.split("|")
            case "discharge_mode":
                return str(case.discharge_mode) in self.value.split("|")
            case "flag":
                return self.value in case.flags
            case "sites_min":
                return len(scheme.sites(case)) >= int(self.value)
            case _:
                return self.in_bound(case)

    def in_bound(self, case: Case) -> bool:
        name, _, side = self.kind.rpartition("_")
        if name not in BOUNDS or side not in ("min", "max"):
            raise ValueError(f"unknown condition {self.kind}")
        value: int | None = getattr(case, name)
        if value is None:
            return False
        return value >= float(self.value) if side == "min" else value <= float(self.value)


Alternatives = list[list[Condition]]


@dataclass(frozen=True)
class Adrg:
    code: str
    mdc: str
    medical: bool
    alternatives: Alternatives

    def matches(self, case: Case, scheme: Oracle) -> bool:
        return any_alternative(self.alternatives, case, scheme)


@dataclass(frozen=True)
class Group:
    drg: str
    severity: str
    parent: str
    alternatives: Alternatives

    def open_to(self, case: Case, scheme: Oracle) -> bool:
        return not self.alternatives or any_alternative(self.alternatives, case, scheme)


def any_alternative(alternatives: Alternatives, case: Case, scheme: Oracle) -> bool:
    return any(
        all(condition.holds(case, scheme) for condition in conditions)
        for conditions in alternatives
    )


# --- grouping -------------------------------------------------------------------------------------


class Result(NamedTuple):
    """What the engine's result table says of a case, as text; blank where nothing applies."""

    status: str
    mdc: str
    adrg: str
    drg: str
    severity: str
    reason: str


class Oracle:
    """A scheme that groups one case at a time."""

    def __init__(self, scheme: str | Path, options: Mapping[str, Any] | None = None) -> None:
        tables = Tables(find_folder(scheme))
        self.tables = tables
        self.name: str = tables.manifest["name"]
        self.options = {**OPTIONS, **tables.section("options"), **(options or {})}
        self.result_codes = {**RESULT_CODES, **tables.section("result_codes")}
        self._read_codes(tables)
        self._read_mdcs(tables)
        self._read_rules(tables)
        self._read_severities(tables)

    # reading

    def _read_codes(self, tables: Tables) -> None:
        diagnoses, procedures = code_list("diagnoses"), code_list("procedures")
        self.grey_dx = {row["code"] for row in diagnoses if row["grey"] == "1"}
        self.grey_proc = {row["code"] for row in procedures if row["grey"] == "1"}
        self.known_dx = {row["code"] for row in diagnoses}
        self.known_proc = {row["code"] for row in procedures}
        for table in ("mdc_diagnoses", "diagnosis_sets", "complications", "exclusions"):
            self.known_dx.update(row["code"] for row in tables.rows(table))
        for table in ("procedure_sets", "or_procedures"):
            self.known_proc.update(row["code"] for row in tables.rows(table))
        for row in tables.rows("rules") + tables.rows("group_rules"):
            if row["value"].startswith("code:"):
                known = self.known_dx if row["condition"].endswith("_dx") else self.known_proc
                known.add(row["value"].removeprefix("code:"))
        self.clinical_dx = self._crosswalk("diagnosis")
        self.clinical_proc = self._crosswalk("procedure")

    def _crosswalk(self, kind: str) -> dict[str, str]:
        return {row["clinical"]: row["insurance"] for row in code_list(f"{kind}_crosswalk")}

    def _read_mdcs(self, tables: Tables) -> None:
        ranked = sorted(tables.rows("mdc"), key=lambda row: int(row["rank"]))
        self.mdcs = [row["mdc"] for row in ranked]
        self.mdc_dx: dict[str, set[str]] = {mdc: set() for mdc in self.mdcs}
        self.site_of: dict[str, str] = {}
        for row in tables.rows("mdc_diagnoses"):
            self.mdc_dx[row["mdc"]].add(row["code"])
            if row["site"]:
                self.site_of[row["code"]] = row["site"]

    def _read_rules(self, tables: Tables) -> None:
        dx_sets = by_key(tables.rows("diagnosis_sets"), "set", "code")
        proc_sets = by_key(tables.rows("procedure_sets"), "set", "code")
        self.sets = {name: frozenset(listed) for name, listed in (dx_sets | proc_sets).items()}
        self.in_a_proc_set = {code for listed in proc_sets.values() for code in listed}
        self.or_procedures = {row["code"] for row in tables.rows("or_procedures")}
        self.rules = tables.rows("rules")
        alternatives = self._alternatives(self.rules, "adrg")
        for row in self.rules:
            if row["condition"].endswith("_proc"):
                self.in_a_proc_set |= self._codes(row["value"], self.known_proc)
        group_rules = self._alternatives(tables.rows("group_rules"), "drg")

        self.groups: dict[str, list[Group]] = defaultdict(list)
        for row in tables.rows("groups"):
            group = Group(
                row["drg"], row["severity"], row.get("parent", ""), group_rules.get(row["drg"], [])
            )
            self.groups[row["adrg"]].append(group)

        self.adrgs: dict[str, list[Adrg]] = {mdc: [] for mdc in self.mdcs}
        for row in sorted(tables.rows("adrg"), key=lambda row: int(row["rank"])):
            adrg = Adrg(
                row["adrg"],
                row["mdc"],
                row["partition"] == "medical",
                alternatives.get(row["adrg"], []),
            )
            self.adrgs[row["mdc"]].append(adrg)

    def _alternatives(self, rules: list[Row], key: str) -> dict[str, Alternatives]:
        found: dict[str, dict[str, list[Condition]]] = defaultdict(lambda: defaultdict(list))
        for row in rules:
            found[row[key]][row["alternative"]].append(self._condition(row))
        return {code: list(numbered.values()) for code, numbered in found.items()}

    def _condition(self, row: Row) -> Condition:
        kind = row["condition"].removeprefix("not_")
        if kind.endswith("_dx"):
            codes = self._codes(row["value"], self.known_dx)
        elif kind.endswith("_proc"):
            codes = self._codes(row["value"], self.known_proc)
        else:
            codes = frozenset()
        return Condition(kind, kind != row["condition"], row["value"], codes)

    def _codes(self, value: str, known: set[str]) -> frozenset[str]:
        """The codes that a condition's value stands for."""
        what, _, rest = value.partition(":")
        if not rest:
            return self.sets[value]
        if what == "code":
            return frozenset([rest])
        if what == "prefix":
            return frozenset(code for code in known if code.startswith(rest))
        if what != "adrg":
            raise ValueError(f"unknown codes {value}")
        return frozenset().union(
            *(
                self._codes(row["value"], known)
                for row in self.rules
                if row["adrg"] == rest and row["condition"] in ("principal_proc", "any_proc")
            )
        )

    def _read_severities(self, tables: Tables) -> None:
        self.complications = {
            row["code"]: (row["level"], row["exclusion"]) for row in tables.rows("complications")
        }
        exclusions = by_key(tables.rows("exclusions"), "exclusion", "code")
        self.exclusions = {name: frozenset(listed) for name, listed in exclusions.items()}

    # grouping

    def group(self, case: Case) -> Result:
        """Group one case: rejections first, then the MDCs in their order."""
        if self.options["clinical_codes"]:
            case = self._of_insurance_edition(case)
        rejection = self._rejection(case)
        if rejection:
            return self._without_group("invalid", rejection)

        last_by_dx = ""
        for mdc in self.mdcs:
            if not self._enters(mdc, case):
                continue
            adrg = self._first_adrg(mdc, case)
            if adrg is not None:
                return self._in_adrg(adrg, case)
            if self._entered_by_dx(mdc, case):
                last_by_dx = mdc
        if last_by_dx:
            return self._without_group("ungrouped", "no_adrg", last_by_dx)
        return self._without_group("ungrouped", "no_mdc")

    def _of_insurance_edition(self, case: Case) -> Case:
        return replace(
            case,
            dx=tuple(self.clinical_dx.get(code, code) for code in case.dx),
            proc=tuple(self.clinical_proc.get(code, code) for code in case.proc),
        )

    def _without_group(self, status: str, reason: str, mdc: str = "", adrg: str = "") -> Result:
        return Result(status, mdc, adrg, self.result_codes["ungrouped"], "", reason)

    def _rejection(self, case: Case) -> str:
        if not case.principal_dx:
            return "no_principal_dx"
        if case.principal_dx not in self.known_dx:
            return "unknown_principal_dx"
        if self.options["gray_codes"] == "reject":
            if case.principal_dx in self.grey_dx:
                return "grey_principal_dx"
            proc = case.principal_proc
            if proc in self.grey_proc and proc not in self.in_a_proc_set:
                return "grey_principal_proc"
        return ""

    def _enters(self, mdc: str, case: Case) -> bool:
        in_table = case.principal_dx in self.mdc_dx[mdc]
        match mdc:
            case "A":
                return True
            case "P":
                if self.options["newborn_entry"] == "principal_dx":
                    return case.age == 0 and (in_table or self._begins_with("P07.", case.dx))
                return case.age == 0
            case "Y":
                if self.options["hiv_entry"] == "any":
                    return any(code in self.mdc_dx[mdc] for code in case.dx)
                return in_table
            case "Z":
                return in_table and len(self.sites(case)) >= 2
            case "M":
                return case.sex == 1 and in_table
            case "N":
                return case.sex == 2 and in_table
            case "O":
                delivered = self._begins_with("Z37.", case.dx)
                if self.options["delivery_entry"] == "principal_dx":
                    delivered = False
                return case.sex == 2 and (in_table or delivered)
            case _:
                return in_table

    def _begins_with(self, prefix: str, codes: Sequence[str]) -> bool:
        return any(code.startswith(prefix) and code in self.known_dx for code in codes)

    def _entered_by_dx(self, mdc: str, case: Case) -> bool:
        """Whether an MDC that the case entered was entered through a diagnosis at all."""
        if mdc == "A" or (mdc == "P" and self.options["newborn_entry"] != "principal_dx"):
            return case.principal_dx in self.mdc_dx[mdc]
        return True

    def _first_adrg(self, mdc: str, case: Case) -> Adrg | None:
        for adrg in self.adrgs[mdc]:
            if self.groups.get(adrg.code) and adrg.matches(case, self):
                return adrg
        return None

    def _in_adrg(self, adrg: Adrg, case: Case) -> Result:
        if adrg.medical and self.options["ambiguous_groups"] and self.has_or_procedure(case):
            drg = adrg.mdc + self.result_codes["ambiguous_suffix"]
            return Result("ambiguous", adrg.mdc, "", drg, "", "ambiguous")
        severity = self._severity(case)
        group = self._group_of(adrg, severity, case)
        if group is None:
            return self._without_group("ungrouped", "no_group", adrg.mdc, adrg.code)
        return Result("grouped", adrg.mdc, adrg.code, group.drg, severity, "")

    def _severity(self, case: Case) -> str:
        levels = set()
        for code in case.other_dx:
            if code in self.complications:
                level, exclusion = self.complications[code]
                if case.principal_dx not in self.exclusions.get(exclusion, ()):
                    levels.add(level)
        return "mcc" if "mcc" in levels else "cc" if "cc" in levels else "none"

    def _group_of(self, adrg: Adrg, severity: str, case: Case) -> Group | None:
        levels = {"mcc": ["all", "mcc", "cc", "none"], "cc": ["all", "cc", "none"]}
        for level in levels.get(severity, ["all", "none"]):
            for group in self.groups[adrg.code]:
                if group.severity == level and not group.parent and group.open_to(case, self):
                    return self._sub_group(adrg, group, case)
        return None

    def _sub_group(self, adrg: Adrg, chosen: Group, case: Case) -> Group:
        for group in self.groups[adrg.code]:
            if group.parent == chosen.drg and group.open_to(case, self):
                return self._sub_group(adrg, group, case)
        return chosen

    def has_or_procedure(self, case: Case) -> bool:
        return case.principal_proc in self.or_procedures

    def sites(self, case: Case) -> set[str]:
        """The body sites that the diagnoses together cover."""
        return {self.site_of[code] for code in case.dx if code in self.site_of}

    # whole tables

    def group_rows(self, rows: Iterable[Mapping[str, str]]) -> Iterator[Result]:
        """Results of rows of canonical columns, in their order."""
        for row in rows:
            yield self.group(Case.from_row(row))
