"""What must be true of a scheme's tables before they are compiled: all faults told at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from drg_engine.errors import Fault
from grouper_tables._source import SchemeSource, Table
from grouper_tables.rules import Alternative

__all__ = ["CodeWarning", "check_structure", "unknown_codes"]

PARTITIONS = ("surgical", "procedure", "medical")
SEVERITIES = ("all", "mcc", "cc", "none")
LEVELS = ("mcc", "cc")
MOST_MDCS = 64
"""Tables of MDCs that a diagnosis stands in are the bits of one word."""


@dataclass(frozen=True, slots=True)
class CodeWarning:
    """A code in a table that stands in no code list: kept, and told."""

    file: str
    row: int
    code: str


def check_structure(source: SchemeSource, rules: Mapping[str, list[Alternative]]) -> list[Fault]:
    """Faults in ranks, names and references between the tables; empty when sound."""
    tables = source.tables
    faults: list[Fault] = []
    mdcs = _unique(tables["mdc"], "mdc", faults)
    adrgs = _unique(tables["adrg"], "adrg", faults)
    drgs = _unique(tables["groups"], "drg", faults)
    for name, within in (("mdc", None), ("adrg", "mdc")):
        _check_ranks(tables[name], within, faults)
    _one_of(tables["adrg"], "partition", PARTITIONS, faults)
    _one_of(tables["groups"], "severity", SEVERITIES, faults)
    _one_of(tables["complications"], "level", LEVELS, faults)
    _refers(tables["adrg"], "mdc", mdcs, "没有这个 MDC", faults)
    _refers(tables["mdc_entry"], "mdc", mdcs, "没有这个 MDC", faults)
    _refers(tables["mdc_diagnoses"], "mdc", mdcs, "没有这个 MDC", faults)
    _refers(tables["groups"], "adrg", adrgs, "病组所属的 ADRG 不存在", faults)
    _refers(tables["group_rules"], "drg", drgs, "没有这个病组", faults)
    _refers(tables["rules"], "adrg", adrgs, "规则所属的 ADRG 不存在", faults)
    _refers(tables["groups"], "parent", drgs | {""}, "上级病组不存在", faults)
    _check_parents(tables["groups"], faults)
    _unique(tables["complications"], "code", faults)
    _check_numbers(tables["groups"], "weight", faults)
    _check_numbers(tables["rates"], "yuan_per_weight", faults, empty=False)
    if len(mdcs) > MOST_MDCS:
        faults.append(Fault(source.folder.name, f"MDC 多于 {MOST_MDCS} 个"))
    _check_complete(source, rules, faults)
    return faults


def _check_complete(
    source: SchemeSource,
    rules: Mapping[str, list[Alternative]],
    faults: list[Fault],
) -> None:
    tables = source.tables
    grouped = set(tables["groups"].column("adrg"))
    is_difference = source.manifest.base is not None
    for i, adrg in enumerate(tables["adrg"].column("adrg")):
        file, row = tables["adrg"].where(i)
        if adrg not in rules:
            faults.append(Fault(file, "ADRG 没有入组规则", row, "adrg", adrg))
        if adrg not in grouped and not is_difference:
            faults.append(Fault(file, "ADRG 没有病组", row, "adrg", adrg))
    entered = set(tables["mdc_entry"].column("mdc"))
    for i, mdc in enumerate(tables["mdc"].column("mdc")):
        if mdc not in entered:
            file, row = tables["mdc"].where(i)
            faults.append(Fault(file, "MDC 没有入口条件（mdc_entry.csv）", row, "mdc", mdc))


def _unique(table: Table, column: str, faults: list[Fault]) -> set[str]:
    first: dict[str, int] = {}
    for i, value in enumerate(table.column(column)):
        file, row = table.where(i)
        if value in first:
            faults.append(Fault(file, f"重复，第 {first[value]} 行已有", row, column, value))
        elif not value:
            faults.append(Fault(file, "不能为空", row, column))
        else:
            first[value] = row
    return set(first)


def _check_ranks(table: Table, within: str | None, faults: list[Fault]) -> None:
    seen: dict[tuple[str, int], int] = {}
    ranks = table.column("rank")
    owners = table.column(within) if within else [""] * len(ranks)
    for i, (owner, text) in enumerate(zip(owners, ranks, strict=True)):
        file, row = table.where(i)
        if not text.isdecimal():
            faults.append(Fault(file, "缺少次序，应为正整数", row, "rank", text or "空"))
            continue
        key = (owner, int(text))
        if key in seen:
            faults.append(Fault(file, f"次序与第 {seen[key]} 行相同", row, "rank", text))
        seen.setdefault(key, row)


def _one_of(table: Table, column: str, allowed: Iterable[str], faults: list[Fault]) -> None:
    words = tuple(allowed)
    for i, value in enumerate(table.column(column)):
        if value not in words:
            file, row = table.where(i)
            faults.append(Fault(file, f"只能是 {'、'.join(words)}", row, column, value))


def _refers(table: Table, column: str, known: set[str], message: str, faults: list[Fault]) -> None:
    for i, value in enumerate(table.column(column)):
        if value not in known:
            file, row = table.where(i)
            faults.append(Fault(file, message, row, column, value))


def _check_parents(table: Table, faults: list[Fault]) -> None:
    """A sub-group stands in its parent's ADRG, and going up from it ends at a group of its own."""
    adrg_of = {drg: adrg for drg, adrg in table.pick("drg", "adrg")}  # noqa: C416
    parent_of = {drg: parent for drg, parent in table.pick("drg", "parent") if parent in adrg_of}
    for i, drg in enumerate(table.column("drg")):
        file, row = table.where(i)
        parent = parent_of.get(drg)
        if parent is None:
            continue
        if adrg_of[parent] != adrg_of[drg]:
            faults.append(Fault(file, "上级病组属于另一个 ADRG", row, "parent", parent))
        path = [drg]
        while parent is not None and parent not in path:
            path.append(parent)
            parent = parent_of.get(parent)
        if parent == drg:
            message = f"上级病组成了环：{' → '.join((*path, drg))}"
            faults.append(Fault(file, message, row, "parent", parent))


def _check_numbers(table: Table, column: str, faults: list[Fault], *, empty: bool = True) -> None:
    for i, value in enumerate(table.column(column)):
        try:
            good = (empty and value == "") or 0 <= float(value) < 1e6
        except ValueError:
            good = False
        if not good:
            file, row = table.where(i)
            message = "应为非负数字或空" if empty else "应为非负数字"
            faults.append(Fault(file, message, row, column, value))


def unknown_codes(source: SchemeSource) -> list[CodeWarning]:
    """Codes of the scheme's tables that stand in no code list, with where each first stands."""
    lists = {
        "dx": set(source.codes["diagnoses"].column("code")),
        "proc": set(source.codes["procedures"].column("code")),
    }
    kinds = {
        "mdc_diagnoses": "dx",
        "diagnosis_sets": "dx",
        "complications": "dx",
        "exclusions": "dx",
        "procedure_sets": "proc",
        "or_procedures": "proc",
    }
    warnings: list[CodeWarning] = []
    for name, kind in kinds.items():
        told: set[str] = set()
        table = source.tables[name]
        for i, code in enumerate(table.column("code")):
            if code not in lists[kind] and code not in told:
                told.add(code)
                file, row = table.where(i)
                warnings.append(CodeWarning(file, row, code))
    return warnings
