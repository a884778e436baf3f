"""Which column of a case file is which: canonical names, headings recognised, values, ranges."""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from drg_engine.errors import Fault, InputError
from drg_engine.toml_faults import read_toml

__all__ = [
    "CaseFormat",
    "ColumnPlan",
    "case_format",
    "find_columns",
    "plan_columns",
    "read_mapping",
]

_CODES = "codes"
_LONGEST_SHOWN = 200


@dataclass(frozen=True, slots=True)
class CaseFormat:
    """The canonical columns and the words and ranges their values are judged by."""

    columns: Mapping[str, Mapping[str, Any]]
    values: Mapping[str, Mapping[str, Any]]
    ranges: Mapping[str, tuple[float, float]]

    def title(self, name: str) -> str:
        """Chinese name of a canonical column."""
        return str(self.columns[name]["title"]) if name in self.columns else name


def case_format() -> CaseFormat:
    """Read the format that ships with the engine (data/columns.toml)."""
    text = files("drg_engine").joinpath("data/columns.toml").read_text(encoding="utf-8")
    data = tomllib.loads(text)
    ranges = {name: (float(low), float(high)) for name, (low, high) in data["ranges"].items()}
    return CaseFormat(data["columns"], data["values"], ranges)


@dataclass(frozen=True, slots=True)
class ColumnPlan:
    """Where each canonical column comes from: one heading, or several for codes, principal first.

    ``others`` are the headings that no canonical column claims.
    """

    sources: Mapping[str, tuple[str, ...]]
    joined: frozenset[str]
    others: tuple[str, ...]


def _plain(heading: str) -> str:
    text = unicodedata.normalize("NFKC", heading).strip().lower()
    return re.sub(r"\(.*?\)|[\s_]", "", text)


def read_mapping(path: Path) -> dict[str, str | list[str]]:
    """Read a mapping file (TOML ``canonical = "heading"`` or a list of headings for codes).

    Raises InputError where it cannot be read or names no canonical column.
    """
    data = read_toml(path, InputError, f"列对照文件 {path.name} 读不出来")
    faults = [
        Fault(path.name, '应写作 规范列 = "表头"，编码列可为表头的清单', column=name)
        for name, wanted in data.items()
        if not all(
            isinstance(one, str) for one in (wanted if isinstance(wanted, list) else [wanted])
        )
    ]
    if faults:
        raise InputError(f"列对照文件 {path.name} 有误", faults)
    return data


def plan_columns(
    headings: Sequence[str],
    form: CaseFormat,
    file: str,
    mapping: Mapping[str, str | list[str]] | None = None,
) -> ColumnPlan:
    """Match headings to canonical columns; ``mapping`` goes before what is recognised.

    Raises InputError where a required column is missing, a heading stands twice, or the mapping
    names what is not there.
    """
    faults: list[Fault] = []
    seen: dict[str, str] = {}
    for heading, count in Counter(headings).items():
        if count > 1:
            faults.append(Fault(file, "表头重复", 1, heading, mend="删去或改名其中一列"))
        seen.setdefault(_plain(heading), heading)
    sources: dict[str, tuple[str, ...]] = {}
    joined: set[str] = set()
    claimed: set[str] = set()
    for name, wanted in (mapping or {}).items():
        given = [wanted] if isinstance(wanted, str) else list(wanted)
        if name not in form.columns:
            known = "、".join(form.columns)
            faults.append(Fault("列对照", f"没有规范列 {name}", mend=f"可用：{known}"))
            continue
        if not given or (len(given) > 1 and form.columns[name]["kind"] != _CODES):
            fault = Fault("列对照", f"{name} 应对应一列", found="、".join(given) or "空")
            faults.append(fault)
            continue
        absent = [heading for heading in given if heading not in headings]
        if absent:
            faults.append(Fault(file, "列对照所指的列不在文件中", 1, "、".join(absent)))
            continue
        sources[name] = tuple(given)
        claimed.update(given)
        if len(given) == 1:
            joined.add(name)
    for name, spec in form.columns.items():
        if name in sources:
            continue
        whole = _find(seen, [name, *spec["headings"]])
        if whole is not None and whole not in claimed:
            sources[name] = (whole,)
            joined.add(name)
        elif spec["kind"] == _CODES:
            principal, others = _numbered(seen, spec)
            if principal is not None:
                sources[name] = (principal, *others)
            elif others:
                message = f"有 {others[0]} 等列，却没有{spec['principal'][0]}列"
                faults.append(Fault(file, message, 1, mend="补上该列，或用列对照文件指明"))
        claimed.update(sources.get(name, ()))
    missing = [n for n, s in form.columns.items() if s.get("required") and n not in sources]
    if "diagnoses" not in sources:
        missing.append("diagnoses")
    if missing:
        faults.append(_missing_fault(missing, headings, form, file))
    if faults:
        raise InputError(f"{file} 的表头不能用", faults)
    unclaimed = tuple(heading for heading in headings if heading not in claimed)
    return ColumnPlan(sources, frozenset(joined), unclaimed)


def find_columns(
    headings: Sequence[str],
    form: CaseFormat,
    file: str,
    mapping: Mapping[str, str | list[str]] | None = None,
) -> dict[str, str]:
    """Heading of each canonical column that is there; ``mapping`` goes before what is recognised.

    Raises InputError where a required column is missing, a heading stands twice, or the mapping
    names what is not there.
    """
    faults = [
        Fault(file, "表头重复", 1, heading, mend="删去或改名其中一列")
        for heading, count in Counter(headings).items()
        if count > 1
    ]
    found: dict[str, str] = {}
    for name, wanted in (mapping or {}).items():
        if name not in form.columns:
            known = "、".join(form.columns)
            faults.append(Fault("列对照", f"没有规范列 {name}", mend=f"可用：{known}"))
        elif not isinstance(wanted, str) or wanted not in headings:
            faults.append(Fault(file, "列对照所指的列不在文件中", 1, str(wanted)))
        else:
            found[name] = wanted
    seen = {_plain(heading): heading for heading in reversed(headings)}
    for name, spec in form.columns.items():
        heading = _find(seen, [name, *spec["headings"]])
        if name not in found and heading is not None and heading not in found.values():
            found[name] = heading
    missing = [n for n, s in form.columns.items() if s.get("required") and n not in found]
    if missing:
        faults.append(_missing_fault(missing, headings, form, file))
    if faults:
        raise InputError(f"{file} 的表头不能用", faults)
    return found


def _find(seen: Mapping[str, str], names: Sequence[str]) -> str | None:
    for name in names:
        if _plain(name) in seen:
            return seen[_plain(name)]
    return None


def _numbered(seen: Mapping[str, str], spec: Mapping[str, Any]) -> tuple[str | None, list[str]]:
    """Heading of the principal code, and those of the other codes in the order of their numbers."""
    principal = _find(seen, spec["principal"])
    found: list[tuple[int, int, str]] = []
    whole = _find(seen, spec["others"])
    if whole is not None:
        found.append((0, 0, whole))
    for rank, pattern in enumerate(spec["numbered"]):
        before, _, after = _plain(pattern.replace("{nn}", "{n}")).partition("{n}")
        matcher = re.compile(f"{re.escape(before)}0*([0-9]+){re.escape(after)}")
        for plain, heading in seen.items():
            match = matcher.fullmatch(plain)
            if match and heading != principal:
                found.append((int(match.group(1)), rank, heading))
    return principal, list(dict.fromkeys(heading for _, _, heading in sorted(found)))


def _missing_fault(
    missing: Sequence[str], headings: Sequence[str], form: CaseFormat, file: str
) -> Fault:
    names = "、".join(f"{form.title(name)}（{name}）" for name in missing)
    shown = "，".join(headings[:12])
    found = shown[:_LONGEST_SHOWN] + ("…" if len(headings) > 12 or shown[_LONGEST_SHOWN:] else "")
    mend = "第一行应为表头；若列名不同，请用 --mapping 给出列对照文件"
    if len(headings) == 1:
        mend = "只读到一列，请检查分隔符（应为逗号、制表符或分号）；" + mend
    return Fault(file, f"缺少列 {names}", row=1, found=found, mend=mend)
