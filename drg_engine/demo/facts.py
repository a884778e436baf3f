"""What the generator needs of a grouping scheme's tables: codes, severities, weights, bounds."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from grouper_tables._source import SchemeSource, Table, read_source, scheme_folder

__all__ = ["SchemeFacts", "read_facts"]

LEVELS = ("none", "cc", "mcc")
_BOUNDS = ("age_days_max", "birth_weight_min", "birth_weight_max")


@dataclass(frozen=True)
class SchemeFacts:
    """Facts of a scheme's tables.

    ``codes`` are the known diagnosis codes, sorted; ``level`` (int8: 0 none, 1 cc, 2 mcc) and
    ``exclusion`` (int64, -1 none) are aligned with them; ``excluded`` are sorted keys
    ``exclusion × len(codes) + principal``.  ``weights`` gives an ADRG's RW by severity (3,).
    ``rates`` are yuan per 1.0 RW by insurance.
    """

    codes: npt.NDArray[np.object_]
    place: Mapping[str, int]
    level: npt.NDArray[np.int8]
    exclusion: npt.NDArray[np.int64]
    excluded: npt.NDArray[np.int64]
    weights: Mapping[str, npt.NDArray[np.float64]]
    bounds: Mapping[str, Mapping[str, int]]
    mdc_of: Mapping[str, str]
    surgical: frozenset[str]
    siblings: Mapping[str, tuple[str, ...]]
    principal_sets: Mapping[str, frozenset[str]]
    procedure_sets: Mapping[str, tuple[frozenset[str], ...]]
    grey: tuple[str, ...]
    clinical: tuple[str, ...]


def read_facts(scheme: str) -> SchemeFacts:
    """Read the facts of a scheme given by name or path.  Raises TableError."""
    source = read_source(scheme_folder(scheme))
    tables = source.tables
    listed = _pairs(source.codes["diagnoses"], "code", "grey")
    codes = sorted({*listed, *tables["mdc_diagnoses"].column("code")})
    place = {code: i for i, code in enumerate(codes)}
    level, exclusion = _complications(source, place)
    excluded = [
        int(number) * len(codes) + place[code]
        for number, code in tables["exclusions"].pick("exclusion", "code")
        if code in place
    ]
    mdc_of = _pairs(tables["adrg"], "adrg", "mdc")
    names = ("adrg", "condition", "value")
    rules = defaultdict(list)
    for adrg, condition, value in tables["rules"].pick(*names):
        rules[adrg].append((condition, value))
    dx_sets = _sets(tables["diagnosis_sets"].pick("set", "code"))
    by_mdc = _sets(tables["mdc_diagnoses"].pick("mdc", "code"))
    procedures = _sets(tables["procedure_sets"].pick("set", "code"))
    operating = frozenset(tables["or_procedures"].column("code"))
    clinical = source.codes["diagnosis_crosswalk"].column("clinical")
    return SchemeFacts(
        codes=np.array(codes, dtype=object),
        place=place,
        level=level,
        exclusion=exclusion,
        excluded=np.unique(np.array(excluded, dtype=np.int64)),
        weights=_weights(source),
        bounds={a: {c: int(v) for c, v in r if c in _BOUNDS} for a, r in rules.items()},
        mdc_of=mdc_of,
        surgical=frozenset(
            adrg for adrg, part in tables["adrg"].pick("adrg", "partition") if part == "surgical"
        ),
        siblings=_siblings([*(c for c, g in listed.items() if g == "0"), *operating]),
        principal_sets={
            adrg: _first(r, "principal_dx", dx_sets) or by_mdc.get(mdc_of[adrg], frozenset())
            for adrg, r in rules.items()
        },
        procedure_sets={adrg: _procedures(r, procedures, operating) for adrg, r in rules.items()},
        grey=tuple(sorted(code for code, grey in listed.items() if grey == "1")),
        clinical=tuple(sorted(code for code in set(clinical) if code not in place)),
    )


def _pairs(table: Table, key: str, value: str) -> dict[str, str]:
    return dict(zip(table.column(key), table.column(value), strict=True))


def _complications(
    source: SchemeSource, place: Mapping[str, int]
) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.int64]]:
    level = np.zeros(len(place), dtype=np.int8)
    exclusion = np.full(len(place), -1, dtype=np.int64)
    for code, name, number in source.tables["complications"].pick("code", "level", "exclusion"):
        if code in place:
            level[place[code]] = LEVELS.index(name)
            exclusion[place[code]] = int(number) if number else -1
    return level, exclusion


def _sets(pairs: Iterable[tuple[str, ...]]) -> dict[str, frozenset[str]]:
    found = defaultdict(set)
    for name, code in pairs:
        found[name].add(code)
    return {name: frozenset(codes) for name, codes in found.items()}


def _first(
    rules: list[tuple[str, str]], condition: str, sets: Mapping[str, frozenset[str]]
) -> frozenset[str] | None:
    return next((sets.get(value, frozenset()) for name, value in rules if name == condition), None)


def _procedures(
    rules: list[tuple[str, str]], sets: Mapping[str, frozenset[str]], operating: frozenset[str]
) -> tuple[frozenset[str], ...]:
    named = [sets.get(v, frozenset()) for c, v in rules if c in ("principal_proc", "any_proc")]
    if not named and any(c == "has_or_procedure" for c, _ in rules):
        return (operating,)
    return tuple(named)


def _siblings(codes: list[str]) -> dict[str, tuple[str, ...]]:
    """Codes of the same rubric: the category of a diagnosis, the four digits of a procedure."""
    found = defaultdict(list)
    for code in sorted(codes):
        if "+" not in code:
            found[rubric(code)].append(code)
    return {name: tuple(group) for name, group in found.items()}


def rubric(code: str) -> str:
    """The category of a diagnosis (I63), the subcategory of a procedure (51.23)."""
    return code[:3] if code[:1].isalpha() else code[:5]


def _weights(source: SchemeSource) -> dict[str, npt.NDArray[np.float64]]:
    """RW by severity as the grouping rules pick the group: all, else mcc, cc, none."""
    found: dict[str, dict[str, float]] = defaultdict(dict)
    for adrg, severity, weight in source.tables["groups"].pick("adrg", "severity", "weight"):
        found[adrg][severity] = float(weight) if weight else np.nan
    result = {}
    for adrg, groups in found.items():
        base = groups.get("all", groups.get("none", next(iter(groups.values()))))
        minor = groups.get("cc", base)
        major = groups.get("mcc", minor)
        result[adrg] = np.array([base, minor, major])
    return result
