"""The fields that formulas may name: a described list in data/formula_fields.toml."""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import resources

from performance.columns import nearest

__all__ = [
    "BASES",
    "SCOPES",
    "FieldInfo",
    "Unit",
    "field_names",
    "fields_of",
    "near_field",
    "unit_of",
    "unit_text",
]

Unit = tuple[int, int, int, int]
"""Powers of 点, 元, 人, 天; all 0 is 比例."""

BASES = ("点", "元", "人", "天")
SCOPES: Mapping[str, str] = {"department": "科室", "staff": "个人", "quality": "质量"}


@dataclass(frozen=True, slots=True)
class FieldInfo:
    """One field: what it is called, its unit, what it means, and what kind of thing it is.

    kind: work, money, cost, income, price, drg, quality or person; ``income`` and ``price`` must
    not raise pay (allocation.md §7).  keyed: one of several, named after a dot (``成本.水电``).
    """

    name: str
    label: str
    unit: Unit
    scopes: tuple[str, ...]
    kind: str
    keyed: bool
    description: str


def unit_of(text: str) -> Unit:
    """A unit out of text such as ``元/点`` or ``比例``.  Raises KeyError for any other word."""
    power = dict.fromkeys(BASES, 0)
    for place, part in enumerate(text.split("/")):
        for word in part.split("·"):
            if word not in ("比例", "1", ""):
                power[word] += 1 if place == 0 else -1
    return (power["点"], power["元"], power["人"], power["天"])


def unit_text(unit: Unit) -> str:
    """A unit as text: ``元/点``, ``比例``."""

    def words(sign: int) -> list[str]:
        return [name for name, power in zip(BASES, unit, strict=True) for _ in range(sign * power)]

    over, under = "·".join(words(1)), words(-1)
    if not under:
        return over or "比例"
    return "/".join([over or "1", *under])


@functools.cache
def _catalogue() -> Mapping[str, FieldInfo]:
    source = resources.files("performance") / "data" / "formula_fields.toml"
    raw = tomllib.loads(source.read_text(encoding="utf-8"))
    return {
        name: FieldInfo(
            name=name,
            label=entry["label"],
            unit=unit_of(entry["unit"]),
            scopes=tuple(entry["scopes"]),
            kind=entry["kind"],
            keyed=bool(entry.get("keyed", False)),
            description=entry["description"],
        )
        for name, entry in raw["fields"].items()
    }


def fields_of(scope: str | None = None) -> Mapping[str, FieldInfo]:
    """The fields of a scope (``department``, ``staff``, ``quality``), or all, by id."""
    return {
        name: info for name, info in _catalogue().items() if scope is None or scope in info.scopes
    }


@functools.cache
def field_names() -> Mapping[str, str]:
    """Every name that a formula may write, id or Chinese, with the id it stands for."""
    known = _catalogue()
    return {**{info.label: name for name, info in known.items()}, **{name: name for name in known}}


def near_field(name: str, scope: str | None) -> str | None:
    """The Chinese name of the known field most like ``name``."""
    known = fields_of(scope)
    by_name: Iterable[str] = [*(info.label for info in known.values()), *known]
    found = nearest(name, by_name)
    return known[found].label if found is not None and found in known else found
