"""Conditions that the principal codes alone cannot decide, as arrays for the kernel."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from grouper_tables._bits import Layout, Membership
from grouper_tables._rules import NUMERIC_FIELDS, Alternative

__all__ = ["extra_arrays"]

_ANY_MODE = 0xFFFFFFFF


def extra_arrays(
    layout: Layout,
    wanted_sets: list[dict[str, list[tuple[int, bool]]]],
    anywhere: Mapping[str, Membership],
    flag_names: tuple[str, ...],
) -> dict[str, Any]:
    """The ``x_`` arrays: conditions that the principal codes alone cannot decide."""
    count = len(layout.slots)
    width = {kind: max(1, -(-len(anywhere[kind].sets) // 64)) for kind in ("dx", "proc")}
    made: dict[str, Any] = {
        f"x_{name}_{end}": np.zeros((count, width[kind]), dtype=np.uint64)
        for name, kind in (("any", "dx"), ("other", "dx"), ("proc", "proc"))
        for end in ("need", "ban")
    }
    made["x_sites"] = np.zeros((count, width["dx"]), dtype=np.uint64)
    made["x_sites_range"] = np.tile(np.array([0, 999], dtype=np.int16), (count, 1))
    made["x_counted"] = np.zeros(count, dtype=np.int8)
    made["x_modes"] = np.full(count, _ANY_MODE, dtype=np.uint32)
    made["x_flags_need"] = np.zeros(count, dtype=np.uint64)
    made["x_flags_ban"] = np.zeros(count, dtype=np.uint64)
    made["owner"] = np.full(count, -1, dtype=np.int32)
    made["by_dx"] = np.zeros(count, dtype=np.uint8)
    made["simple"] = np.zeros(layout.words, dtype=np.uint64)
    bound_rows = np.zeros((count, 2), dtype=np.int32)
    bounds: list[tuple[int, float, float, bool]] = []
    for (i, slot), wanted in zip(layout.placed(), wanted_sets, strict=True):
        made["owner"][i] = slot.owner
        made["by_dx"][i] = any(
            c.kind in ("principal_dx", "other_dx", "any_dx") and not c.negated
            for c in slot.alternative.conditions
        )
        bound_rows[i, 0] = len(bounds)
        hard = _set_conditions(made, i, wanted)
        hard |= _other_conditions(made, i, slot.alternative, flag_names, bounds)
        bound_rows[i, 1] = len(bounds)
        if not hard:
            made["simple"][slot.word] |= np.uint64(1) << np.uint64(slot.bit)
    made["bound_rows"] = bound_rows
    made["bound_field"] = np.array([b[0] for b in bounds], dtype=np.int8)
    made["bound_range"] = np.array([b[1:3] for b in bounds], dtype=np.float64).reshape(-1, 2)
    made["bound_negated"] = np.array([b[3] for b in bounds], dtype=np.uint8)
    return made


def _set_conditions(
    made: dict[str, Any], i: int, wanted: dict[str, list[tuple[int, bool]]]
) -> bool:
    """Write the conditions on codes anywhere in the case; True where there are any."""
    found = False
    for kind, name in (("any_dx", "any"), ("other_dx", "other"), ("any_proc", "proc")):
        for number, negated in wanted.get(kind, []):
            array = made[f"x_{name}_{'ban' if negated else 'need'}"]
            array[i, number // 64] |= np.uint64(1) << np.uint64(number % 64)
            found = True
    for number, _ in wanted.get("sites", []):
        made["x_sites"][i, number // 64] |= np.uint64(1) << np.uint64(number % 64)
        found = True
    return found


def _other_conditions(
    made: dict[str, Any],
    i: int,
    alternative: Alternative,
    flag_names: tuple[str, ...],
    bounds: list[tuple[int, float, float, bool]],
) -> bool:
    """Write bounds, flags, modes and the like; True where there are any."""
    found = False
    for condition in alternative.conditions:
        kind, value, negated = condition.kind, condition.value, condition.negated
        if kind == "has_or_procedure":
            made["x_counted"][i] = 1 if (value == "yes") != negated else 2
        elif kind == "sites_min":
            end = (0, int(value) - 1) if negated else (int(value), 999)
            made["x_sites_range"][i] = end
        elif kind == "discharge_mode":
            modes = sum(1 << int(part) for part in value.split("|"))
            made["x_modes"][i] &= np.uint32(_ANY_MODE ^ modes if negated else modes)
        elif kind == "flag":
            bit = np.uint64(1) << np.uint64(flag_names.index(value))
            made[f"x_flags_{'ban' if negated else 'need'}"][i] |= bit
        elif kind.rpartition("_")[0] in NUMERIC_FIELDS:
            name, _, end_name = kind.rpartition("_")
            limit = float(value)
            low, high = (limit, np.inf) if end_name == "min" else (-np.inf, limit)
            bounds.append((NUMERIC_FIELDS.index(name), low, high, negated))
        else:
            continue
        found = True
    return found
