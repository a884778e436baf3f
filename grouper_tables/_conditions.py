"""Conditions that the principal codes alone cannot decide, as arrays for the kernel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from grouper_tables._arrays import AGES, ANY_MODE, MOST_SITES
from grouper_tables._bits import Findings, Layout
from grouper_tables.rules import NUMERIC_FIELDS, Alternative, Condition

__all__ = ["Wanted", "condition_arrays"]

Wanted = Mapping[str, Sequence[tuple[int, bool]]]
"""Numbers of the sets an alternative looks for, by condition, each with its negation."""

_PLACES = {"any_dx": "any", "other_dx": "other", "any_proc": "proc"}


def condition_arrays(
    layout: Layout,
    wanted_sets: Sequence[Wanted],
    findings: Findings,
    flag_names: tuple[str, ...],
) -> dict[str, Any]:
    """Arrays of the conditions on sex, age, findings, sites, marks and bounds."""
    _give_bits(wanted_sets, findings)
    count = len(layout.slots)
    made: dict[str, Any] = {
        "owner": np.full(count, -1, dtype=np.int32),
        "by_dx": np.zeros(count, dtype=np.uint8),
        "sex_words": np.zeros((3, layout.words), dtype=np.uint64),
        "age_words": np.zeros((AGES, layout.words), dtype=np.uint64),
        "simple": np.zeros(layout.words, dtype=np.uint64),
        "seeking": np.zeros(layout.words, dtype=np.uint64),
        "sought": np.zeros(layout.words, dtype=np.uint64),
        "need": np.zeros((count, findings.width), dtype=np.uint64),
        "ban": np.zeros((count, findings.width), dtype=np.uint64),
        "sites": np.zeros((count, findings.width), dtype=np.uint64),
        "site_range": np.tile(np.array([0, MOST_SITES], dtype=np.int32), (count, 1)),
        "marks": np.zeros((count, 3), dtype=np.uint64),
        "rest": np.zeros(count, dtype=np.uint8),
        "bound_rows": np.zeros((count, 2), dtype=np.int32),
    }
    made["marks"][:, 2] = ANY_MODE
    bounds: list[tuple[int, float, float, bool]] = []
    for (i, slot), wanted in zip(layout.placed(), wanted_sets, strict=True):
        conditions = slot.alternative.conditions
        made["owner"][i] = slot.owner
        made["by_dx"][i] = any(c.kind.endswith("_dx") and not c.negated for c in conditions)
        bit = np.uint64(1) << np.uint64(slot.bit)
        for sex in range(3):
            if all((str(sex) == c.value) != c.negated for c in conditions if c.kind == "sex"):
                made["sex_words"][sex, slot.word] |= bit
        for age in range(AGES):
            if _age_allowed(age - 1, slot.alternative):
                made["age_words"][age, slot.word] |= bit
        _write_findings(made, i, wanted, findings)
        made["bound_rows"][i, 0] = len(bounds)
        made["rest"][i] = _write_rest(made, i, conditions, flag_names, bounds)
        made["bound_rows"][i, 1] = len(bounds)
        if made["need"][i, 0]:
            made["seeking"][slot.word] |= bit
            made["sought"][slot.word] |= made["need"][i, 0]
        if not (made["need"][i].any() or made["ban"][i].any() or made["rest"][i]):
            made["simple"][slot.word] |= bit
    made["bounds"] = np.array(bounds, dtype=np.float64).reshape(-1, 4)
    return made


def _give_bits(wanted_sets: Sequence[Wanted], findings: Findings) -> None:
    for wanted in wanted_sets:
        for kind, numbers in wanted.items():
            for number, _ in numbers:
                if kind in _PLACES:
                    findings.bit(_PLACES[kind], number)
                elif kind == "sites":
                    findings.bit("any", number)


def _write_findings(made: dict[str, Any], i: int, wanted: Wanted, findings: Findings) -> None:
    for kind, place in _PLACES.items():
        for number, negated in wanted.get(kind, []):
            bit = findings.bit(place, number)
            array = made["ban" if negated else "need"]
            array[i, bit // 64] |= np.uint64(1) << np.uint64(bit % 64)
    for number, _ in wanted.get("sites", []):
        bit = findings.bit("any", number)
        made["sites"][i, bit // 64] |= np.uint64(1) << np.uint64(bit % 64)


def _bound(condition: Condition) -> tuple[str, float, float] | None:
    """Field and inclusive range of a numeric condition, or None."""
    field, _, end = condition.kind.rpartition("_")
    if field not in NUMERIC_FIELDS:
        return None
    limit = float(condition.value)
    return (field, limit, np.inf) if end == "min" else (field, -np.inf, limit)


def _age_allowed(age: int, alternative: Alternative) -> bool:
    for condition in alternative.conditions:
        bound = _bound(condition)
        if bound is None or bound[0] != "age":
            continue
        holds = age >= 0 and bound[1] <= age <= bound[2]
        if holds == condition.negated:
            return False
    return True


def _write_rest(
    made: dict[str, Any],
    i: int,
    conditions: Sequence[Condition],
    flag_names: tuple[str, ...],
    bounds: list[tuple[int, float, float, bool]],
) -> bool:
    """Write sites, marks and bounds other than of age; True where there are any."""
    found = False
    for condition in conditions:
        kind, value, negated = condition.kind, condition.value, condition.negated
        bound = _bound(condition)
        if kind == "sites_min":
            least, most = (0, int(value) - 1) if negated else (int(value), MOST_SITES)
            made["site_range"][i, 0] = max(made["site_range"][i, 0], least)
            made["site_range"][i, 1] = min(made["site_range"][i, 1], most)
        elif kind == "discharge_mode":
            modes = sum({1 << int(part) for part in value.split("|")})
            made["marks"][i, 2] &= np.uint64(ANY_MODE ^ modes if negated else modes)
        elif kind == "flag":
            place = flag_names.index(value) if value in flag_names else 0  # else a fault is told
            bit = np.uint64(1) << np.uint64(place)
            made["marks"][i, 1 if negated else 0] |= bit
        elif bound is not None and bound[0] != "age":
            bounds.append((NUMERIC_FIELDS.index(bound[0]), bound[1], bound[2], negated))
        else:
            continue
        found = True
    return found
