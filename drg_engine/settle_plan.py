"""Which column of a table of grouped cases is which: headings, words and ranges are data.

data/settle.toml holds what is a grouped case's own; the rest is shared with data/columns.toml.
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from drg_engine.columns import case_format
from drg_engine.errors import Fault, InputError
from drg_engine.policy import Policy

__all__ = ["CasePlan", "SettleFormat", "amount_names", "plan_cases", "settle_format"]

_FEN = "_fen"
_SHARED = ("text", "category", "money", "date", "stay")
_NOT_LABELS = ("hospital", "hospital_level", "insurance", "person_id", "drg")
_NOT_AMOUNTS = ("total_charges", "cost")


@dataclass(frozen=True, slots=True)
class SettleFormat:
    """The columns, words and ranges of data/settle.toml."""

    columns: Mapping[str, Mapping[str, Any]]
    required: tuple[str, ...]
    statuses: Mapping[str, int]
    patterns: Mapping[str, tuple[tuple[re.Pattern[str], int], ...]]
    ranges: Mapping[str, float]

    def told(self, what: str, text: str, otherwise: int) -> int:
        """Number that the first pattern of ``what`` (status_of_drg, level) gives a text."""
        found = (value for pattern, value in self.patterns[what] if pattern.search(text))
        return next(found, otherwise)


@dataclass(frozen=True, slots=True)
class CasePlan:
    """Heading of each canonical column and amount; ``fen``: amounts that are whole fen already."""

    sources: Mapping[str, str]
    kinds: Mapping[str, str]
    fen: frozenset[str]

    def amounts(self) -> list[str]:
        """Names of the amounts beside charges and cost."""
        money = [name for name, kind in self.kinds.items() if kind == "money"]
        return [name for name in money if name not in _NOT_AMOUNTS]

    def labels(self) -> list[str]:
        """Names of the further texts to roll up by or to be asked for by rules."""
        listed = [name for name, kind in self.kinds.items() if kind == "category"]
        return [name for name in listed if name not in _NOT_LABELS]


def settle_format() -> SettleFormat:
    """Read the format that ships with the engine (data/settle.toml over data/columns.toml)."""
    text = files("drg_engine").joinpath("data/settle.toml").read_text(encoding="utf-8")
    data = tomllib.loads(text)
    shared = case_format()
    patterns = {
        what: tuple((re.compile(one["pattern"]), int(one["value"])) for one in data[what])
        for what in ("status_of_drg", "level")
    }
    columns = {name: said for name, said in shared.columns.items() if said["kind"] in _SHARED}
    columns |= {"diagnoses": {**shared.columns["diagnoses"], "kind": "code"}}
    ranges = {name: high for name, (_, high) in shared.ranges.items()} | data["ranges"]
    return SettleFormat(
        columns | data["columns"],
        tuple(data["required"]["columns"]),
        data["values"]["status"],
        patterns,
        ranges,
    )


def amount_names(policies: Iterable[Policy]) -> tuple[str, ...]:
    """Columns of amounts that policies name: decisions, new items, TCM charges."""
    found: dict[str, None] = {}
    for policy in policies:
        rules = policy.rules
        named = [rules.review.column, *(rule.column for rule in rules.extra)]
        named += [rules.tcm.column] if rules.tcm.drgs else []
        found |= dict.fromkeys(name for name in named if name)
    return tuple(found)


def plan_cases(
    headings: Sequence[str], form: SettleFormat, file: str, amounts: Sequence[str] = ()
) -> CasePlan:
    """Match headings to columns; ``amounts`` are further columns of money by their own names.

    Raises InputError where a required column is missing.
    """
    seen: dict[str, str] = {}
    for heading in headings:
        seen.setdefault(_plain(heading), heading)
    sources: dict[str, str] = {}
    kinds: dict[str, str] = {}
    in_fen: set[str] = set()
    extra = {name: {"kind": "money", "headings": []} for name in amounts}
    for name, said in {**extra, **form.columns}.items():
        wanted = [name, *said["headings"]]
        found = next((seen[_plain(one)] for one in wanted if _plain(one) in seen), None)
        if found is None and said["kind"] == "money":
            whole = (seen[_plain(one + _FEN)] for one in wanted if _plain(one + _FEN) in seen)
            found = next(whole, None)
            in_fen |= {name} if found is not None else set()
        if found is not None:
            sources[name], kinds[name] = found, str(said["kind"])
    missing = [name for name in form.required if name not in sources]
    if missing:
        raise _lacking(missing, headings, form, file)
    return CasePlan(sources, kinds, frozenset(in_fen))


def _plain(heading: str) -> str:
    text = unicodedata.normalize("NFKC", heading).strip().lower()
    return re.sub(r"\(.*?\)|[\s_]", "", text)


def _lacking(
    missing: Sequence[str], headings: Sequence[str], form: SettleFormat, file: str
) -> InputError:
    faults = [
        Fault(
            file,
            f"缺少列“{form.columns[name]['title']}”",
            column=name,
            found="，".join(headings[:12]),
            mend=f"可用的表头：{'、'.join(form.columns[name]['headings'])}"
            + ("；还没有分组的病例请给分组方案（--scheme）" if name == "drg" else ""),
        )
        for name in missing
    ]
    return InputError(f"{file} 不能用作已分组病例", faults)
