"""Checking a scheme as a whole: every fault, what is worth telling, and the tables' own hash."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from drg_engine.errors import Fault, TableError
from drg_engine.files import written_aside
from grouper_tables._checks import check_structure, unknown_codes
from grouper_tables._source import (
    SchemeSource,
    Table,
    folders_of,
    own_tables_hash,
    read_manifest,
)
from grouper_tables.rules import CodeSets, read_alternatives

__all__ = ["Notice", "Seal", "all_faults", "notices", "seals", "with_seal", "write_seal"]

_OWNERS = (("mdc_entry", "mdc"), ("rules", "adrg"), ("group_rules", "drg"))
_SEAL_LINE = re.compile(r'^tables_sha256[ \t]*=[ \t]*(?:"[^"\n]*"|\'[^\'\n]*\')', re.MULTILINE)
_SECTION = re.compile(r"^[ \t]*\[", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Seal:
    """The hash of one folder's own tables, as it is and as its manifest states it (None: not)."""

    scheme: str
    actual: str
    stated: str | None

    @property
    def broken(self) -> bool:
        """Whether the tables are not those of the stated hash."""
        return self.stated is not None and self.stated != self.actual


@dataclass(frozen=True, slots=True)
class Notice:
    """Something to know of the tables, with what it is about."""

    words: str
    items: tuple[str, ...]


def seals(folder: Path) -> list[Seal]:
    """Seals of the scheme's folder and of its bases', nearest first."""
    return [
        Seal(place.name, own_tables_hash(place), read_manifest(place).tables_sha256)
        for place in folders_of(folder)
    ]


def with_seal(text: str, digest: str) -> str:
    """A manifest's text with ``tables_sha256`` set; all else, comments too, as it was.

    A new line goes before the first section, as the key belongs to the manifest itself.
    """
    section = _SECTION.search(text)
    head_end = section.start() if section else len(text)
    head, rest = text[:head_end], text[head_end:]
    line = f'tables_sha256 = "{digest}"'
    if _SEAL_LINE.search(head):
        return _SEAL_LINE.sub(line, head, count=1) + rest
    newline = "\r\n" if "\r\n" in text else "\n"
    body = head.rstrip()
    gap = head[len(body) :] if section else newline
    return f"{body}{newline}{line}{gap}{rest}"


def write_seal(folder: Path) -> str:
    """Write the hash of the folder's own tables into its manifest; returns it.

    Raises TableError where the manifest cannot be written.
    """
    path = folder / "scheme.toml"
    digest = own_tables_hash(folder)
    try:
        changed = with_seal(path.read_bytes().decode("utf-8"), digest).encode()
        with written_aside(path) as aside:
            aside.write_bytes(changed)
    except OSError as error:
        raise TableError(f"{folder.name}/scheme.toml 写不进去：{error.strerror}") from error
    return digest


def all_faults(source: SchemeSource, options: Mapping[str, Any]) -> list[Fault]:
    """Faults of structure, rules and the code sets that conditions name; empty when sound."""
    faults: list[Fault] = []
    read = {
        table: read_alternatives(source.tables[table], owner, options, faults)
        for table, owner in _OWNERS
    }
    faults.extend(check_structure(source, read["rules"]))
    sets = CodeSets(source, {"dx": {}, "proc": {}}, read["rules"])
    for table, alternatives in read.items():
        for alternative in (a for owned in alternatives.values() for a in owned):
            mdc = alternative.owner if table == "mdc_entry" else ""
            for condition in (c for c in alternative.conditions if c.on_codes):
                sets.codes(condition, mdc)
    return list(dict.fromkeys([*faults, *sets.faults]))


def notices(source: SchemeSource, options: Mapping[str, Any]) -> list[Notice]:
    """What is no fault but should be known: unknown codes, tables without use or counterpart."""
    tables = source.tables
    found = [
        Notice("不在编码清单内的编码（照表使用）", _unknown_by_code(source)),
        Notice("没有病组、分组时跳过的 ADRG", _without_groups(source)),
        Notice("没有对应排除表、因而从不被排除的 CC/MCC", _without_table(source)),
        Notice("没有规则用到的编码集", _unused_sets(source, options)),
        Notice("没有权重的病组", _without_weight(tables["groups"])),
        Notice("名称里有字在转录时丢失、写作问号的编码", _lost_names(source)),
    ]
    return [notice for notice in found if notice.items]


def _unknown_by_code(source: SchemeSource) -> tuple[str, ...]:
    places: dict[str, list[str]] = {}
    for warning in unknown_codes(source):
        places.setdefault(warning.code, []).append(f"{warning.file} 第 {warning.row} 行")
    return tuple(
        f"{code}（{where[0]}{f'，等 {len(where)} 张表' if len(where) > 1 else ''}）"
        for code, where in sorted(places.items())
    )


def _lost_names(source: SchemeSource) -> tuple[str, ...]:
    """Codes whose name holds a question mark where its transcription lost a character."""
    return tuple(
        f"{code} {name}"
        for table in source.codes.values()
        if "name" in table.columns
        for code, name in table.pick("code", "name")
        if "?" in name or "\ufffd" in name
    )


def _without_groups(source: SchemeSource) -> tuple[str, ...]:
    grouped = set(source.tables["groups"].column("adrg"))
    rows = source.tables["adrg"].pick("adrg", "name")
    return tuple(f"{adrg} {name}" for adrg, name in rows if adrg not in grouped)


def _without_table(source: SchemeSource) -> tuple[str, ...]:
    listed = set(source.tables["exclusions"].column("exclusion"))
    rows = source.tables["complications"].pick("code", "exclusion")
    return tuple(f"{code}（表号 {number}）" for code, number in rows if number not in listed)


def _unused_sets(source: SchemeSource, options: Mapping[str, Any]) -> tuple[str, ...]:
    used = {
        condition.value
        for table, owner in _OWNERS
        for owned in read_alternatives(source.tables[table], owner, options, []).values()
        for alternative in owned
        for condition in alternative.conditions
        if condition.on_codes
    }
    names = [source.tables[kind].column("set") for kind in ("diagnosis_sets", "procedure_sets")]
    return tuple(sorted({name for column in names for name in column} - used))


def _without_weight(groups: Table) -> tuple[str, ...]:
    """Groups without a weight, where the scheme gives weights at all."""
    weights = groups.column("weight")
    if not any(weights):
        return ()
    rows = zip(groups.column("drg"), groups.column("name"), weights, strict=True)
    return tuple(f"{drg} {name}" for drg, name, weight in rows if not weight)
