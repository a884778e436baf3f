"""Compiles a scheme's tables to flat arrays for the grouping kernel.

Every alternative of every MDC entry, ADRG and conditional group is one bit.  Diagnoses that stand
in the same sets share a class, so that a class's row of words says which alternatives its principal
diagnosis allows; procedures likewise.  Two words and-ed leave the candidates, lowest bit first in
the order of trial.  What a principal code cannot decide is kept in the ``x_`` arrays.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from drg_engine.errors import Fault, TableError
from grouper_tables._arrays import COUNTED, GREY, KNOWN, LEVEL_CC, LEVEL_MCC, Ints, Rules, Words
from grouper_tables._bits import Findings, Layout, Membership, Slot, allowed_classes
from grouper_tables._checks import check_structure
from grouper_tables._conditions import condition_arrays
from grouper_tables._source import SchemeSource
from grouper_tables.rules import (
    CODE_CONDITIONS,
    Alternative,
    CodeSets,
    Condition,
    read_alternatives,
)

__all__ = ["Compiled", "compile_scheme"]


@dataclass(frozen=True, slots=True)
class Compiled:
    """The arrays and the names they index."""

    rules: Rules
    names: Mapping[str, tuple[str, ...]]
    weights: npt.NDArray[np.float64]


_RULE_TABLES = (("rules", "adrg"), ("mdc_entry", "mdc"), ("group_rules", "drg"))
_MOST_ROWS, _MOST_EXCLUSIONS = 1 << 14, 1 << 16


def compile_scheme(source: SchemeSource, options: Mapping[str, Any]) -> Compiled:
    """Compile a scheme under the given options.

    Raises TableError with every fault of structure, rules and code sets.
    """
    faults: list[Fault] = []
    read = {
        table: read_alternatives(source.tables[table], owner, options, faults)
        for table, owner in _RULE_TABLES
    }
    faults.extend(check_structure(source, read["rules"]))
    compiler = _Compiler(source, options, read)
    faults.extend(compiler.unresolved())
    if faults:
        raise TableError(f"分组方案 {source.manifest.name} 的表格有误", faults)
    return compiler.compiled()


_LADDER = ("all", "mcc", "cc", "none")


class _Compiler:
    def __init__(
        self,
        source: SchemeSource,
        options: Mapping[str, Any],
        read: Mapping[str, Mapping[str, list[Alternative]]],
    ) -> None:
        self.source = source
        self.options = options
        self.read = read
        self.rules = rules = read["rules"]
        self.faults: list[Fault] = []
        self.dx = _universe(
            source, "diagnoses", ("mdc_diagnoses", "diagnosis_sets", "complications", "exclusions")
        )
        self.proc = _universe(source, "procedures", ("procedure_sets", "or_procedures"))
        self._add_named_codes()
        self.sets = CodeSets(source, {"dx": self.dx, "proc": self.proc}, rules, self.faults)

    def _add_named_codes(self) -> None:
        """A code that only a rule names (``code:``) is known, too."""
        for condition, _ in self._code_conditions():
            if condition.value.startswith("code:"):
                codes = self.dx if CODE_CONDITIONS[condition.kind] == "dx" else self.proc
                codes.setdefault(condition.value.removeprefix("code:"), len(codes))

    def _code_conditions(self) -> Iterator[tuple[Condition, str]]:
        """Every condition on codes with the MDC whose table it may name."""
        for table, owned in self.read.items():
            for owner, alternatives in owned.items():
                mdc = owner if table == "mdc_entry" else ""
                for alternative in alternatives:
                    yield from ((c, mdc) for c in alternative.conditions if c.on_codes)

    def unresolved(self) -> list[Fault]:
        """Faults of conditions whose value names no codes."""
        for condition, mdc in self._code_conditions():
            self.sets.codes(condition, mdc)
        found = list(dict.fromkeys(self.faults))
        self.faults.clear()
        return found

    def _read_groups(self) -> None:
        mdc = self.source.tables["mdc"]
        self.mdcs = [m for _, m in sorted((int(r), m) for m, r in mdc.pick("mdc", "rank"))]
        groups = self.source.tables["groups"]
        self.drgs = groups.column("drg")
        grouped = set(groups.column("adrg"))
        rank = {m: i for i, m in enumerate(self.mdcs)}
        rows = self.source.tables["adrg"].pick("adrg", "mdc", "rank", "partition")
        kept = sorted((rank[m], int(r), a, p) for a, m, r, p in rows if a in grouped)
        self.adrgs = [adrg for _, _, adrg, _ in kept]
        self.adrg_mdc = [mdc for mdc, _, _, _ in kept]
        self.medical = [partition == "medical" for _, _, _, partition in kept]

    def compiled(self) -> Compiled:
        """The arrays; the tables must be sound."""
        self._read_groups()
        self._lay_out()
        parts = {
            **self._code_arrays(),
            **self._word_arrays(),
            **self._group_arrays(),
        }
        if self.faults:
            raise TableError(f"分组方案 {self.source.manifest.name} 的规则有误", self.faults)
        return Compiled(Rules(**parts), self._names(), self._weights())

    def _lay_out(self) -> None:
        layout = Layout()
        entries = self.read["mdc_entry"]
        owned = [(i, alt) for i, mdc in enumerate(self.mdcs) for alt in entries.get(mdc, [])]
        self.entry_words = layout.block(owned)
        self.mdc_words = [
            layout.block(
                (j, alt)
                for j, adrg in enumerate(self.adrgs)
                if self.adrg_mdc[j] == i
                for alt in self.rules[adrg]
            )
            for i in range(len(self.mdcs))
        ]
        conditional = self.read["group_rules"]
        self.group_words = {
            drg: layout.block((i, alt) for alt in conditional[drg])
            for i, drg in enumerate(self.drgs)
            if drg in conditional
        }
        self.layout = layout

    def _mdc_of(self, slot: Slot) -> str:
        return self.mdcs[slot.owner] if slot.word < self.entry_words[1] else ""

    def _code_arrays(self) -> dict[str, Any]:
        self.principal = {"dx": Membership(self.dx), "proc": Membership(self.proc)}
        self.anywhere = {"dx": Membership(self.dx), "proc": Membership(self.proc)}
        in_table = [
            self.principal["dx"].want(f"dx|@mdc:{mdc}", self.sets.mdc_tables.get(mdc, []))
            for mdc in self.mdcs
        ]
        self.wanted = [self._want_sets(slot) for _, slot in self.layout.placed()]
        dx_class, self.dx_holds = self.principal["dx"].classes()
        proc_class, self.proc_holds = self.principal["proc"].classes()
        severity, exclusion_row, counting = self._severities()
        dx_in_mdc = np.zeros(len(self.dx_holds), dtype=np.uint64)
        for i, number in enumerate(in_table):
            dx_in_mdc |= self.dx_holds[:, number].astype(np.uint64) << np.uint64(i)
        dx_rows, dx_any = self.anywhere["dx"].classes()
        proc_rows, proc_any = self.anywhere["proc"].classes()
        if int(dx_rows.max()) >= _MOST_ROWS or counting.shape[1] > _MOST_EXCLUSIONS:
            self.faults.append(Fault(self.source.folder.name, "编码集或排除表过多，超出编译的上限"))
        findings = Findings()
        conditions = condition_arrays(self.layout, self.wanted, findings, self.flag_names())
        return {
            **conditions,
            "dx_first": _packed_first(dx_class, exclusion_row, self._flags("dx")),
            "dx_other": (dx_rows.astype(np.uint32) << np.uint32(18)) | severity,
            "proc_first": _packed_first(proc_class, 0 * proc_class, self._flags("proc")),
            "proc_other": proc_rows,
            "as_principal": findings.words(dx_any, ("any",)),
            "as_other": findings.words(dx_any, ("any", "other")),
            "as_procedure": findings.words(proc_any, ("proc",)),
            "counting": counting,
            "dx_in_mdc": dx_in_mdc,
        }

    def _want_sets(self, slot: Slot) -> dict[str, list[tuple[int, bool]]]:
        """Numbers of the sets an alternative looks for, by condition, with its negation."""
        wanted: dict[str, list[tuple[int, bool]]] = {}
        owner = self._mdc_of(slot)
        for condition in slot.alternative.conditions:
            if condition.on_codes:
                kind = CODE_CONDITIONS[condition.kind]
                is_principal = condition.kind.startswith("principal")
                place = (self.principal if is_principal else self.anywhere)[kind]
                members = self.sets.codes(condition, owner)
                number = place.want(self.sets.key(condition, owner), members)
                wanted.setdefault(condition.kind, []).append((number, condition.negated))
            if condition.kind == "has_or_procedure":
                counted = self.source.tables["or_procedures"].column("code")
                number = self.principal["proc"].want("proc|@counted", counted)
                negated = (condition.value == "yes") == condition.negated
                wanted.setdefault("principal_proc", []).append((number, negated))
        if any(c.kind == "sites_min" for c in slot.alternative.conditions):
            wanted["sites"] = [(n, False) for n in self._sites(owner)]
        return wanted

    def _sites(self, mdc: str) -> list[int]:
        """Sets of the body sites of an MDC's table; of all tables where no MDC asks."""
        by_site: dict[str, list[str]] = {}
        for owner, site, code in self.source.tables["mdc_diagnoses"].pick("mdc", "site", "code"):
            if site and mdc in ("", owner):
                by_site.setdefault(site, []).append(code)
        return [
            self.anywhere["dx"].want(f"dx|@site:{mdc}:{site}", codes)
            for site, codes in sorted(by_site.items())
        ]

    def _severities(self) -> tuple[npt.NDArray[np.uint32], Ints, npt.NDArray[np.uint8]]:
        """Level and exclusion number of each diagnosis; which principal excludes which number."""
        tables = self.source.tables
        numbers: dict[str, int] = {}
        principal = Membership(self.dx)
        lists: dict[str, list[str]] = {}
        for number, code in tables["exclusions"].pick("exclusion", "code"):
            lists.setdefault(number, []).append(code)
        for number, codes in sorted(lists.items()):
            numbers[number] = principal.want(number, codes)
        severity = np.zeros(len(self.dx) + 1, dtype=np.uint32)
        for code, level, number in tables["complications"].pick("code", "level", "exclusion"):
            rank = LEVEL_MCC if level == "mcc" else LEVEL_CC
            column = numbers.setdefault(number, len(numbers))
            severity[self.dx[code]] = rank << 16 | column
        row_of, holds = principal.classes()
        counting = np.full((len(holds), len(numbers) + 1), LEVEL_MCC | LEVEL_CC, dtype=np.uint8)
        counting[:, : holds.shape[1]][holds] = 0
        return severity, row_of, counting

    def _flags(self, kind: str) -> npt.NDArray[np.uint8]:
        """Known, grey and counted bits.  A grey procedure that stands in some set is not grey."""
        codes = self.dx if kind == "dx" else self.proc
        flags = np.zeros(len(codes) + 1, dtype=np.uint8)
        flags[:-1] = KNOWN
        listed = self.source.codes["diagnoses" if kind == "dx" else "procedures"]
        used = self._used_procedures() if kind == "proc" else set()
        for code, grey in listed.pick("code", "grey"):
            if grey == "1" and code not in used:
                flags[codes[code]] |= GREY
        if kind == "proc":
            for code in self.source.tables["or_procedures"].column("code"):
                flags[codes[code]] |= COUNTED
        return flags

    def _used_procedures(self) -> set[str]:
        """Procedures in a named set or looked for by some rule in another form."""
        used = set(self.source.tables["procedure_sets"].column("code"))
        for alternatives in self.rules.values():
            for alternative in alternatives:
                for condition in alternative.conditions:
                    if condition.kind.endswith("proc") and ":" in condition.value:
                        used.update(self.sets.codes(condition, alternative.owner))
        return used

    def _word_arrays(self) -> dict[str, Any]:
        words = self.layout.words
        dx_words = np.zeros((len(self.dx_holds), words), dtype=np.uint64)
        proc_words = np.zeros((len(self.proc_holds), words), dtype=np.uint64)
        for (_, slot), wanted in zip(self.layout.placed(), self.wanted, strict=True):
            bit = np.uint64(1) << np.uint64(slot.bit)
            by_dx = allowed_classes(self.dx_holds, wanted.get("principal_dx", []))
            by_proc = allowed_classes(self.proc_holds, wanted.get("principal_proc", []))
            dx_words[:, slot.word] |= by_dx * bit
            proc_words[:, slot.word] |= by_proc * bit
        return {
            "dx_words": dx_words,
            "proc_words": proc_words,
            "entry_words": np.array(self.entry_words, dtype=np.int32),
            "mdc_words": np.array(self.mdc_words, dtype=np.int32),
        }

    def _group_arrays(self) -> dict[str, Any]:
        groups = self.source.tables["groups"]
        index = {adrg: i for i, adrg in enumerate(self.adrgs)}
        number = {drg: i for i, drg in enumerate(self.drgs)}
        rungs: list[tuple[int, int, int, int]] = []
        by_adrg: list[list[tuple[int, int]]] = [[] for _ in self.adrgs]
        by_parent: list[list[int]] = [[] for _ in self.drgs]
        for i, (adrg, severity) in enumerate(groups.pick("adrg", "severity")):
            parent = groups.column("parent")[i] if "parent" in groups.columns else ""
            if parent:
                by_parent[number[parent]].append(i)
            else:
                by_adrg[index[adrg]].append((_LADDER.index(severity), i))
        least = {"all": 0, "mcc": LEVEL_MCC, "cc": LEVEL_CC, "none": 0}

        def rung(group: int, severity: int) -> None:
            first, last = self.group_words.get(self.drgs[group], (0, 0))
            rungs.append((severity, group, first, last))

        ladder = np.zeros((len(self.adrgs), 2), dtype=np.int32)
        children = np.zeros((len(self.drgs), 2), dtype=np.int32)
        plain = np.full((len(self.adrgs), 3), -1, dtype=np.int32)
        for j, owned in enumerate(by_adrg):
            ladder[j, 0] = len(rungs)
            for level, group in sorted(owned):
                rung(group, least[_LADDER[level]])
            ladder[j, 1] = len(rungs)
            own = rungs[ladder[j, 0] :]
            if any(last > first or by_parent[group] for _, group, first, last in own):
                plain[j] = -2
            else:
                for reached in range(3):
                    fit = [group for need, group, _, _ in own if need <= reached]
                    plain[j, reached] = fit[0] if fit else -1
        for group, owned_by in enumerate(by_parent):
            children[group, 0] = len(rungs)
            for child in owned_by:
                rung(child, 0)
            children[group, 1] = len(rungs)
        return {
            "adrg_medical": np.array(self.medical, dtype=np.uint8),
            "plain_group": plain,
            "ladder": ladder,
            "rungs": np.array(rungs, dtype=np.int32).reshape(-1, 4),
            "children": children,
            "ambiguous_group": np.arange(len(self.mdcs), dtype=np.int32) + len(self.drgs),
            "options": np.array(
                [
                    bool(self.options["ambiguous_groups"]),
                    self.options["gray_codes"] == "reject",
                    len(self.drgs) + len(self.mdcs),
                ],
                dtype=np.int64,
            ),
        }

    def flag_names(self) -> tuple[str, ...]:
        """Flags the rules ask for, sorted; a flag's place is its bit."""
        named = {
            condition.value
            for _, slot in self.layout.placed()
            for condition in slot.alternative.conditions
            if condition.kind == "flag"
        }
        if len(named) > 64:
            self.faults.append(Fault(self.source.folder.name, "病例标志多于 64 种"))
        return tuple(sorted(named))[:64]

    def _names(self) -> dict[str, tuple[str, ...]]:
        tables = self.source.tables
        titles: dict[str, str] = {}
        for table in ("mdc", "adrg"):
            titles.update((code, name) for code, name in tables[table].pick(table, "name"))
        suffix = self.source.manifest.ambiguous_suffix
        ambiguous = [f"{mdc}{suffix}" for mdc in self.mdcs]
        return {
            "dx": tuple(self.dx),
            "proc": tuple(self.proc),
            "mdc_codes": tuple(self.mdcs),
            "mdc_names": tuple(titles[mdc] for mdc in self.mdcs),
            "adrg_codes": tuple(self.adrgs),
            "adrg_names": tuple(titles[adrg] for adrg in self.adrgs),
            "drg_codes": (*self.drgs, *ambiguous, self.source.manifest.ungrouped_code),
            "drg_names": (
                *tables["groups"].column("name"),
                *(f"{titles[mdc]}歧义组" for mdc in self.mdcs),
                "未入组",
            ),
            "flags": self.flag_names(),
        }

    def _weights(self) -> npt.NDArray[np.float64]:
        groups = self.source.tables["groups"].column("weight")
        weights = [float(text) if text else np.nan for text in groups]
        return np.array(weights + [np.nan] * (len(self.mdcs) + 1), dtype=np.float64)


def _packed_first(classes: Ints, rows: Ints, flags: npt.NDArray[np.uint8]) -> Words:
    """What matters of a code as the principal one, in one word."""
    packed = classes.astype(np.uint64) << np.uint64(40)
    packed |= rows.astype(np.uint64) << np.uint64(16)
    packed |= flags.astype(np.uint64)
    return np.asarray(packed, dtype=np.uint64)


def _universe(source: SchemeSource, listed: str, tables: Sequence[str]) -> dict[str, int]:
    """Place of every known code: the code list's order, then the tables' codes beside it."""
    codes = dict.fromkeys(source.codes[listed].column("code"))
    extra = {code for name in tables for code in source.tables[name].column("code")}
    codes.update(dict.fromkeys(sorted(extra.difference(codes))))
    return {code: place for place, code in enumerate(codes)}
