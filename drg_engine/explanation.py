"""Why a case grouped as it did, in Chinese, with the names of the codes.

The path is read from the scheme's own tables, not from the compiled arrays, so that it is a second
reading of the rules; a test holds the two to the same result.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from drg_engine.cases import Cases
from drg_engine.grouping import REASON_WORDS, STATUS, Grouping
from grouper_tables import Scheme
from grouper_tables.rules import (
    CODE_CONDITIONS,
    NUMERIC_FIELDS,
    Alternative,
    CodeSets,
    Condition,
    read_alternatives,
)
from grouper_tables.words import condition_words

__all__ = ["Explainer", "explain"]

_LEVELS = {"mcc": "MCC", "cc": "CC", "none": "无"}
_STATUS_WORDS = dict(zip(STATUS, ("已入组", "歧义组", "未入组", "不能分组"), strict=True))


@dataclass(frozen=True, slots=True)
class _Case:
    dx: list[str]
    proc: list[str]
    sex: int
    numbers: Mapping[str, float]
    mode: int
    flags: frozenset[str]


@dataclass(frozen=True)
class Explainer:
    """Explains cases of one scheme; holds the tables as sets, made once."""

    scheme: Scheme

    @cached_property
    def _rules(self) -> dict[str, list[Alternative]]:
        return read_alternatives(self._table("rules"), "adrg", self.scheme.options, [])

    @cached_property
    def _entries(self) -> dict[str, list[Alternative]]:
        return read_alternatives(self._table("mdc_entry"), "mdc", self.scheme.options, [])

    @cached_property
    def _sets(self) -> CodeSets:
        names = self.scheme.names
        known: dict[str, dict[str, int]] = {
            kind: dict.fromkeys(names[kind], 0) for kind in ("dx", "proc")
        }
        return CodeSets(self.scheme.source, known, self._rules)

    @cached_property
    def _members(self) -> dict[str, frozenset[str]]:
        return {}

    @cached_property
    def _names(self) -> dict[str, str]:
        codes = self.scheme.source.codes
        named: dict[str, str] = {}
        for listed in ("procedures", "diagnoses"):
            named.update((code, name) for code, name in codes[listed].pick("code", "name"))
        return named

    @cached_property
    def _levels(self) -> dict[str, tuple[str, str]]:
        rows = self._table("complications").pick("code", "level", "exclusion")
        return {code: (level, number) for code, level, number in rows}

    @cached_property
    def _exclusions(self) -> frozenset[tuple[str, str]]:
        return frozenset(
            (number, code) for number, code in self._table("exclusions").pick("exclusion", "code")
        )

    @cached_property
    def _counted(self) -> frozenset[str]:
        return frozenset(self._table("or_procedures").column("code"))

    @cached_property
    def _site_of(self) -> dict[tuple[str, str], set[str]]:
        sites: dict[tuple[str, str], set[str]] = {}
        for mdc, site, code in self._table("mdc_diagnoses").pick("mdc", "site", "code"):
            if site:
                sites.setdefault((mdc, code), set()).add(site)
        return sites

    @cached_property
    def _mdc_of(self) -> dict[str, str]:
        rows = self._table("adrg").pick("adrg", "mdc")
        return {str(adrg): str(mdc) for adrg, mdc in rows}

    def _table(self, name: str) -> Any:
        return self.scheme.source.tables[name]

    def lines(self, cases: Cases, grouping: Grouping, row: int) -> list[str]:
        """The path of case ``row``, a line for each step."""
        case = _case(cases, row)
        result = _result(grouping, row)
        told = [
            f"病例 {cases.case_id[row].as_py()}：{_STATUS_WORDS[result['status']]}"
            f" {result['drg']} {result['drg_name']}",
            f"方案：{self.scheme.title}",
            f"主要诊断：{self._named(case.dx[0]) if case.dx else '（无）'}；"
            f"主要手术：{self._named(case.proc[0]) if case.proc else '（无）'}",
        ]
        if result["reason"] and result["status"] != "ambiguous":
            told.append(f"原因：{result['reason']}")
        if result["status"] != "invalid":
            told.extend(self._search(case, result))
        return told

    def _search(self, case: _Case, result: Mapping[str, str]) -> Iterator[str]:
        """MDCs entered in order, up to the ADRG found; then ambiguity, severity and group."""
        for place, mdc in enumerate(self.scheme.mdc_codes):
            entry = self._first(self._entries.get(mdc, []), case, mdc)
            if entry is None:
                continue
            title = f"MDC {mdc} {self.scheme.mdc_names[place]}"
            found = self._adrg(case, mdc)
            why = self._why(entry, case, mdc) or "所有病例"
            if found is None:
                yield f"进入 {title}（{why}），没有符合的 ADRG，离开"
                continue
            adrg, alternative = found
            name = self.scheme.adrg_names[self.scheme.adrg_codes.index(adrg)]
            yield f"进入 {title}（{why}）"
            yield f"符合 ADRG {adrg} {name}：{self._why(alternative, case, mdc) or '无条件'}"
            if result["status"] == "ambiguous":
                yield f"{adrg} 是内科组，而主要手术计入手术：{REASON_WORDS[1]} {result['drg']}"
            else:
                yield from self._severity(case)
                yield f"病组 {result['drg']} {result['drg_name']}"
            return

    def _adrg(self, case: _Case, mdc: str) -> tuple[str, Alternative] | None:
        owners = self._mdc_of
        for adrg in self.scheme.adrg_codes:
            if owners[adrg] == mdc:
                alternative = self._first(self._rules[adrg], case, "")
                if alternative is not None:
                    return adrg, alternative
        return None

    def _first(
        self, alternatives: Iterable[Alternative], case: _Case, mdc: str
    ) -> Alternative | None:
        for alternative in alternatives:
            if all(self._holds(c, case, mdc) != c.negated for c in alternative.conditions):
                return alternative
        return None

    def _codes_looked_at(self, kind: str, case: _Case) -> Sequence[str]:
        whole = case.dx if CODE_CONDITIONS[kind] == "dx" else case.proc
        if kind.startswith("principal"):
            return whole[:1]
        return whole[1:] if kind == "other_dx" else whole

    def _matches(self, condition: Condition, case: _Case, mdc: str) -> list[str]:
        key = self._sets.key(condition, mdc)
        if key not in self._members:
            self._members[key] = frozenset(self._sets.codes(condition, mdc))
        looked_at = self._codes_looked_at(condition.kind, case)
        return [code for code in looked_at if code in self._members[key]]

    def _holds(self, condition: Condition, case: _Case, mdc: str) -> bool:
        kind, value = condition.kind, condition.value
        if condition.on_codes:
            return bool(self._matches(condition, case, mdc))
        if kind == "sites_min":
            return len(self._sites(case, mdc)) >= int(value)
        if kind == "has_or_procedure":
            return (value == "yes") == bool(case.proc and case.proc[0] in self._counted)
        if kind == "sex":
            return str(case.sex) == value
        if kind == "flag":
            return value in case.flags
        if kind == "discharge_mode":
            return str(case.mode) in value.split("|")
        field, _, end = kind.rpartition("_")
        if field in NUMERIC_FIELDS:
            number = case.numbers[field]
            within = number >= float(value) if end == "min" else number <= float(value)
            return number >= 0 and within
        return True

    def _sites(self, case: _Case, mdc: str) -> set[str]:
        """Body sites that the diagnoses cover, by the MDC's table; by all where no MDC asks."""
        covered: set[str] = set()
        for (owner, code), sites in self._site_of.items():
            if mdc in ("", owner) and code in case.dx:
                covered |= sites
        return covered

    def _why(self, alternative: Alternative, case: _Case, mdc: str) -> str:
        """The alternative's conditions with the codes that met them."""
        return "；".join(
            self._words(c, case, mdc) for c in alternative.conditions if c.kind != "always"
        )

    def _words(self, condition: Condition, case: _Case, mdc: str) -> str:
        """The condition and what of the case met it."""
        words = condition_words(condition, mdc)
        if condition.on_codes:
            codes = "、".join(self._named(code) for code in self._matches(condition, case, mdc))
            return f"{words}：{codes}" if codes else words
        if condition.kind == "sites_min":
            return f"{words}（本例：{'、'.join(sorted(self._sites(case, mdc))) or '无'}）"
        number = case.numbers.get(condition.kind.rpartition("_")[0])
        if number is None:
            return words
        return f"{words}（本例 {f'{number:g}' if number >= 0 else '缺'}）"

    def _severity(self, case: _Case) -> Iterator[str]:
        principal = case.dx[0]
        worst = "none"
        for code in dict.fromkeys(case.dx[1:]):
            if code not in self._levels:
                continue
            level, number = self._levels[code]
            if (number, principal) in self._exclusions:
                counts = f"被排除表 {number} 排除（主要诊断在表内）"
            else:
                counts = "计入"
                worst = "mcc" if "mcc" in (level, worst) else "cc"
            yield f"{_LEVELS[level]} {self._named(code)}：{counts}"
        yield f"严重程度：{_LEVELS[worst]}"

    def _named(self, code: str) -> str:
        if not code:
            return "（空）"
        name = self._names.get(code)
        return f"{code} {name}" if name else f"{code}（不在编码清单内）"


def _case(cases: Cases, row: int) -> _Case:
    dx, proc = cases.codes_of(row)
    numbers = {
        name: float(column[row]) if len(column) else -1.0
        for name, column in ((name, getattr(cases, name)) for name in NUMERIC_FIELDS)
    }
    text = None if cases.flags is None else cases.flags[row].as_py()
    flags = frozenset(word.strip() for word in (text or "").split("|"))
    return _Case(dx, proc, int(cases.sex[row]), numbers, int(cases.discharge_mode[row]), flags)


def _result(grouping: Grouping, row: int) -> dict[str, str]:
    scheme = grouping.scheme
    drg = int(grouping.drg[row])
    return {
        "status": STATUS[grouping.status[row]],
        "drg": scheme.drg_codes[drg],
        "drg_name": scheme.drg_names[drg],
        "reason": REASON_WORDS[grouping.reason[row]],
    }


def explain(
    cases: Cases, grouping: Grouping, rows: int | Iterable[int] | None = None
) -> list[list[str]]:
    """Paths of the given rows (all by default): for each a list of lines in Chinese."""
    explainer = Explainer(grouping.scheme)
    if rows is None:
        rows = range(cases.n)
    wanted = [rows] if isinstance(rows, (int, np.integer)) else rows
    return [explainer.lines(cases, grouping, row) for row in wanted]
