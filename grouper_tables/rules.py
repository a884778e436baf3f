"""The rule language: conditions as rows of a table, read, checked and resolved to code sets.

Rows of the same owner and alternative must all hold; one alternative suffices.  ``not_`` before a
condition is its plain logical negation.  A missing number satisfies no bound.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from drg_engine.code_form import normal_code
from drg_engine.errors import Fault
from grouper_tables._source import OPTIONS, SchemeSource, Table

__all__ = [
    "CODE_CONDITIONS",
    "NUMERIC_FIELDS",
    "Alternative",
    "CodeSets",
    "Condition",
    "read_alternatives",
]

CODE_CONDITIONS: Mapping[str, str] = {
    "principal_dx": "dx",
    "other_dx": "dx",
    "any_dx": "dx",
    "principal_proc": "proc",
    "any_proc": "proc",
}
"""Conditions on codes, and which kind of code each is about."""

NUMERIC_FIELDS = ("age", "age_days", "birth_weight", "los", "icu_hours", "vent_hours")
_BOUNDS = frozenset(f"{name}_{end}" for name in NUMERIC_FIELDS for end in ("min", "max"))
_PLAIN = frozenset({"always", "has_or_procedure", "sex", "flag", "discharge_mode", "sites_min"})
_MODES = range(32)


@dataclass(frozen=True, slots=True)
class Condition:
    """One row: what must (or, negated, must not) hold."""

    kind: str
    value: str
    negated: bool
    origin: tuple[str, int]

    @property
    def on_codes(self) -> bool:
        """Whether it is about diagnosis or procedure codes."""
        return self.kind in CODE_CONDITIONS


@dataclass(frozen=True, slots=True)
class Alternative:
    """Conditions that must all hold; ``owner`` is the MDC, ADRG or DRG they lead to."""

    owner: str
    number: str
    conditions: tuple[Condition, ...]


def read_alternatives(
    table: Table, owner_column: str, options: Mapping[str, object], faults: list[Fault]
) -> dict[str, list[Alternative]]:
    """Alternatives by owner in the table's order; rows under another option are passed over."""
    grouped: dict[tuple[str, str], list[Condition]] = {}
    under = table.column("option")
    wanted = [owner_column, "alternative", "condition", "value"]
    for i, (owner, number, word, value) in enumerate(table.pick(*wanted)):
        origin = table.where(i)
        if not _option_holds(under[i], options, origin, faults):
            continue
        condition = _read_condition(word, value, origin, faults)
        if condition is not None:
            grouped.setdefault((owner, number), []).append(condition)
    result: dict[str, list[Alternative]] = {}
    for (owner, number), conditions in grouped.items():
        result.setdefault(owner, []).append(Alternative(owner, number, tuple(conditions)))
    return result


def _option_holds(
    text: str, options: Mapping[str, object], origin: tuple[str, int], faults: list[Fault]
) -> bool:
    if not text:
        return True
    name, _, value = text.partition("=")
    if name not in options:
        file, row = origin
        faults.append(Fault(file, "option 应写作 选项名=值", row, "option", text))
        return False
    known = [str(one) for one in OPTIONS[name]]
    if value not in known:
        file, row = origin
        faults.append(Fault(file, f"选项 {name} 只能取 {'、'.join(known)}", row, "option", text))
    return str(options[name]) == value


def _read_condition(
    word: str, value: str, origin: tuple[str, int], faults: list[Fault]
) -> Condition | None:
    negated = word.startswith("not_")
    kind = word.removeprefix("not_")
    message = _fault_of(kind, value) if word != "not_always" else "条件 always 不能否定"
    if message:
        file, row = origin
        column = "condition" if "条件" in message else "value"
        faults.append(Fault(file, message, row, column, word if column == "condition" else value))
        return None
    if kind in CODE_CONDITIONS and value.startswith("code:"):
        value = f"code:{normal_code(value.removeprefix('code:'))}"
    return Condition(kind, value, negated, origin)


def _fault_of(kind: str, value: str) -> str:
    if kind in CODE_CONDITIONS:
        form, colon, rest = value.partition(":")
        if colon and form in ("adrg", "prefix", "code") and not rest:
            return f"{form}: 后面缺少编码"
        if colon and form == "adrg" and CODE_CONDITIONS[kind] == "dx":
            return "adrg: 指手术，不能用于诊断"
        return "" if value else "缺少编码集名"
    if kind in _BOUNDS:
        return "" if _is_number(value) else "应为数字"
    if kind not in _PLAIN:
        known = "、".join([*CODE_CONDITIONS, *sorted(_BOUNDS), *sorted(_PLAIN)])
        return f"没有这种条件；可用条件：{known}（前加 not_ 表示否定）"
    if kind == "has_or_procedure" and value not in ("yes", "no"):
        return "应为 yes 或 no"
    if kind == "sex" and value not in ("1", "2"):
        return "应为 1（男）或 2（女）"
    if kind == "flag" and not value:
        return "缺少标志名"
    if kind == "sites_min" and not value.isdecimal():
        return "应为整数"
    if kind == "discharge_mode" and not all(
        part.isdecimal() and int(part) in _MODES for part in value.split("|")
    ):
        return "应为离院方式代码，多个用 | 分开"
    return ""


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


@dataclass
class CodeSets:
    """Resolves a condition's value to its codes.

    It is a named set, or one of the forms ``adrg:XX1`` (all procedure sets of that ADRG's rules),
    ``prefix:Z37.``, ``code:Z51.100`` and ``@mdc`` (the table of the MDC that owns the condition).
    """

    source: SchemeSource
    known: Mapping[str, Mapping[str, int]]
    rules: Mapping[str, list[Alternative]]
    faults: list[Fault] = field(default_factory=list)

    @cached_property
    def named(self) -> dict[str, dict[str, list[str]]]:
        """Codes of each named set, by kind."""
        sets: dict[str, dict[str, list[str]]] = {"dx": {}, "proc": {}}
        for kind, name in (("dx", "diagnosis_sets"), ("proc", "procedure_sets")):
            for set_name, code in self.source.tables[name].pick("set", "code"):
                sets[kind].setdefault(set_name, []).append(code)
        return sets

    @cached_property
    def mdc_tables(self) -> dict[str, list[str]]:
        """Diagnoses of each MDC's table."""
        tables: dict[str, list[str]] = {}
        for mdc, code in self.source.tables["mdc_diagnoses"].pick("mdc", "code"):
            tables.setdefault(mdc, []).append(code)
        return tables

    def key(self, condition: Condition, owner: str) -> str:
        """Name under which the condition's codes are kept; equal keys mean equal codes."""
        kind = CODE_CONDITIONS[condition.kind]
        return f"{kind}|@mdc:{owner}" if condition.value == "@mdc" else f"{kind}|{condition.value}"

    def codes(self, condition: Condition, owner: str, via: tuple[str, ...] = ()) -> list[str]:
        """Codes the condition looks for; empty, and a fault noted, where its value names none.

        via: the ADRGs whose references led here.
        """
        kind = CODE_CONDITIONS[condition.kind]
        form, colon, rest = condition.value.partition(":")
        if condition.value == "@mdc":
            if not owner:
                self._fault(condition, "@mdc 只能用于 MDC 的入口条件")
            return self.mdc_tables.get(owner, [])
        if colon and form == "prefix":
            return [code for code in self.known[kind] if code.startswith(rest)]
        if colon and form == "code":
            return [rest]
        if colon and form == "adrg":
            return self._procedures_of(rest, condition, via)
        found = self.named[kind].get(condition.value)
        if found is None:
            other = "proc" if kind == "dx" else "dx"
            wrong_kind = condition.value in self.named[other]
            text = "编码集是另一类编码（诊断/手术）" if wrong_kind else "没有这个编码集"
            self._fault(condition, text)
            return []
        return found

    def _procedures_of(self, adrg: str, condition: Condition, via: tuple[str, ...]) -> list[str]:
        """Codes of the procedure sets that the ADRG's rules look for, not of those ruled out."""
        if adrg not in self.rules:
            self._fault(condition, "没有这个 ADRG")
            return []
        if adrg in via:
            self._fault(condition, f"ADRG 互相引用，成了环：{' → '.join((*via, adrg))}")
            return []
        codes: list[str] = []
        for alternative in self.rules[adrg]:
            for other in alternative.conditions:
                if CODE_CONDITIONS.get(other.kind) == "proc" and not other.negated:
                    codes.extend(self.codes(other, adrg, (*via, adrg)))
        return list(dict.fromkeys(codes))

    def _fault(self, condition: Condition, message: str) -> None:
        file, row = condition.origin
        self.faults.append(Fault(file, message, row, "value", condition.value))
