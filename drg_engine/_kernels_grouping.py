"""The grouping kernel: encoded cases in, group numbers out, in the order of specs/grouping.md."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from drg_engine._jit import kernel

__all__ = ["CaseColumns", "ResultColumns", "group_rows"]

KNOWN, GREY, COUNTED = 1, 2, 4
NO_CODE = -2
"""Place of an empty code among ``dx_at`` and ``proc_at``; -1 is an unknown one."""
GROUPED, AMBIGUOUS, UNGROUPED, INVALID = 0, 1, 2, 3
(
    OK,
    AMBIGUOUS_GROUP,
    NO_PRINCIPAL,
    UNKNOWN_PRINCIPAL,
    GREY_PRINCIPAL,
    GREY_PROCEDURE,
    NO_MDC,
    NO_ADRG,
    NO_GROUP,
) = range(9)

_ONE = np.uint64(1)
_NONE = np.uint64(0)
_DE_BRUIJN = np.uint64(0x03F79D71B4CB0A89)
_DE_BRUIJN_SHIFT = np.uint64(58)
_PLACE = np.zeros(64, dtype=np.int64)
for _bit in range(64):
    _PLACE[((0x03F79D71B4CB0A89 << _bit) & 0xFFFFFFFFFFFFFFFF) >> 58] = _bit
_SET_SHIFT = 18
_LEVEL_SHIFT = 16
_LEVEL_MASK = 3
_EXCLUSION_MASK = 0xFFFF


class CaseColumns(NamedTuple):
    """n cases; codes are places in a dictionary, which the ``*_at`` arrays take to the scheme's."""

    sex: npt.NDArray[np.int8]
    age: npt.NDArray[np.int16]
    age_days: npt.NDArray[np.int32]
    birth_weight: npt.NDArray[np.int32]
    los: npt.NDArray[np.int32]
    discharge_mode: npt.NDArray[np.int8]
    icu_hours: npt.NDArray[np.float32]  # (n,) or (0,) where no case has it
    vent_hours: npt.NDArray[np.float32]  # (n,) or (0,)
    flags: npt.NDArray[np.uint64]  # (n,) or (0,)
    dx_offsets: npt.NDArray[np.int64]
    dx: npt.NDArray[np.int32]
    proc_offsets: npt.NDArray[np.int64]
    proc: npt.NDArray[np.int32]
    dx_at: npt.NDArray[np.int32]
    dx_other_at: npt.NDArray[np.uint32]
    proc_at: npt.NDArray[np.int32]
    proc_sets_at: npt.NDArray[np.int32]


class ResultColumns(NamedTuple):
    """What the kernel writes, one row a case."""

    status: npt.NDArray[np.int8]
    mdc: npt.NDArray[np.int8]
    adrg: npt.NDArray[np.int16]
    drg: npt.NDArray[np.int32]
    severity: npt.NDArray[np.int8]
    reason: npt.NDArray[np.int8]


@kernel
def _lowest(word: Any) -> Any:
    """Place of the lowest bit set in a word that has one."""
    return _PLACE[((word & (~word + _ONE)) * _DE_BRUIJN) >> _DE_BRUIJN_SHIFT]


@kernel
def _within_bounds(rules: Any, cases: Any, i: int, alternative: int) -> bool:
    for row in range(rules.bound_rows[alternative, 0], rules.bound_rows[alternative, 1]):
        field = rules.bound_field[row]
        value = -1.0
        if field == 0:
            value = float(cases.age[i])
        elif field == 1:
            value = float(cases.age_days[i])
        elif field == 2:
            value = float(cases.birth_weight[i])
        elif field == 3:
            value = float(cases.los[i])
        elif field == 4 and cases.icu_hours.size > 0:
            value = float(cases.icu_hours[i])
        elif field == 5 and cases.vent_hours.size > 0:
            value = float(cases.vent_hours[i])
        holds = value >= 0.0 and rules.bound_range[row, 0] <= value <= rules.bound_range[row, 1]
        if holds == (rules.bound_negated[row] == 1):
            return False
    return True


@kernel
def _sites(mask: Any, bits: Any) -> int:
    """How many of the sets in ``mask`` are among ``bits``."""
    count = 0
    for w in range(mask.size):
        left = mask[w] & bits[w]
        while left != _NONE:
            left &= left - _ONE
            count += 1
    return count


@kernel
def _holds(
    rules: Any,
    cases: Any,
    i: int,
    alternative: int,
    any_bits: Any,
    other_bits: Any,
    proc_bits: Any,
    counted: bool,
) -> bool:
    """Whether what the principal codes could not decide holds for one alternative."""
    for w in range(any_bits.size):
        need = rules.x_any_need[alternative, w]
        if (any_bits[w] & need) != need or (any_bits[w] & rules.x_any_ban[alternative, w]) != _NONE:
            return False
        need = rules.x_other_need[alternative, w]
        ban = rules.x_other_ban[alternative, w]
        if (other_bits[w] & need) != need or (other_bits[w] & ban) != _NONE:
            return False
    for w in range(proc_bits.size):
        need = rules.x_proc_need[alternative, w]
        ban = rules.x_proc_ban[alternative, w]
        if (proc_bits[w] & need) != need or (proc_bits[w] & ban) != _NONE:
            return False
    asked = rules.x_counted[alternative]
    if asked != 0 and (asked == 1) != counted:
        return False
    if ((rules.x_modes[alternative] >> np.uint32(cases.discharge_mode[i])) & np.uint32(1)) == 0:
        return False
    carried = cases.flags[i] if cases.flags.size > 0 else _NONE
    need = rules.x_flags_need[alternative]
    if (carried & need) != need or (carried & rules.x_flags_ban[alternative]) != _NONE:
        return False
    if rules.x_sites_range[alternative, 0] > 0 or rules.x_sites_range[alternative, 1] < 999:
        found = _sites(rules.x_sites[alternative], any_bits)
        if not rules.x_sites_range[alternative, 0] <= found <= rules.x_sites_range[alternative, 1]:
            return False
    return bool(_within_bounds(rules, cases, i, alternative))


@kernel
def _first_match(
    rules: Any,
    cases: Any,
    i: int,
    first: int,
    last: int,
    dx_class: int,
    proc_class: int,
    any_bits: Any,
    other_bits: Any,
    proc_bits: Any,
    counted: bool,
) -> int:
    """First alternative of the words first..last that holds, or -1."""
    for w in range(first, last):
        left = (
            rules.dx_words[dx_class, w]
            & rules.proc_words[proc_class, w]
            & rules.sex_words[cases.sex[i], w]
        )
        while left != _NONE:
            place = _lowest(left)
            alternative = w * 64 + place
            if (rules.simple[w] >> np.uint64(place)) & _ONE != _NONE or _holds(
                rules, cases, i, alternative, any_bits, other_bits, proc_bits, counted
            ):
                return int(alternative)
            left &= left - _ONE
    return -1


@kernel
def _severity(rules: Any, cases: Any, first: int, last: int, exclusion_row: int) -> int:
    """2 mcc, 1 cc, 0 none, over the other diagnoses that the principal does not exclude."""
    worst = 0
    for k in range(first + 1, last):
        other = np.int64(cases.dx_other_at[cases.dx[k]])
        level = (other >> _LEVEL_SHIFT) & _LEVEL_MASK
        if level > worst and rules.excluded[exclusion_row, other & _EXCLUSION_MASK] == 0:
            worst = level
            if worst == 2:
                break
    return int(worst)


@kernel
def _climb(
    rules: Any,
    cases: Any,
    i: int,
    first: int,
    last: int,
    severity: int,
    dx_class: int,
    proc_class: int,
    any_bits: Any,
    other_bits: Any,
    proc_bits: Any,
    counted: bool,
) -> int:
    """First rung whose severity is reached and whose conditions hold: its group, or -1."""
    for row in range(first, last):
        if rules.rungs[row, 0] > severity:
            continue
        start, stop = rules.rungs[row, 2], rules.rungs[row, 3]
        if (
            start == stop
            or _first_match(
                rules,
                cases,
                i,
                start,
                stop,
                dx_class,
                proc_class,
                any_bits,
                other_bits,
                proc_bits,
                counted,
            )
            >= 0
        ):
            return int(rules.rungs[row, 1])
    return -1


@kernel
def _refuse(result: Any, i: int, status: int, mdc: int, reason: int, group: int) -> None:
    result.status[i] = status
    result.mdc[i] = mdc
    result.adrg[i] = -1
    result.drg[i] = group
    result.severity[i] = -1
    result.reason[i] = reason


@kernel
def group_rows(rules: Any, cases: Any, result: Any, start: int, stop: int) -> None:
    """Group cases start..stop; writes every column of ``result`` for each."""
    any_bits = np.zeros(rules.x_any_need.shape[1], dtype=np.uint64)
    other_bits = np.zeros(rules.x_any_need.shape[1], dtype=np.uint64)
    proc_bits = np.zeros(rules.x_proc_need.shape[1], dtype=np.uint64)
    ambiguous_on = rules.options[0] != 0
    reject_grey = rules.options[1] != 0
    no_group = rules.options[2]
    for i in range(start, stop):
        first, last = cases.dx_offsets[i], cases.dx_offsets[i + 1]
        if first == last:
            _refuse(result, i, INVALID, -1, NO_PRINCIPAL, no_group)
            continue
        principal = cases.dx_at[cases.dx[first]]
        if principal == NO_CODE:
            _refuse(result, i, INVALID, -1, NO_PRINCIPAL, no_group)
            continue
        flags = rules.dx_flags[principal]
        if flags & KNOWN == 0:
            _refuse(result, i, INVALID, -1, UNKNOWN_PRINCIPAL, no_group)
            continue
        proc_first, proc_last = cases.proc_offsets[i], cases.proc_offsets[i + 1]
        proc_class = 0
        proc_flags = 0
        if proc_first < proc_last:
            procedure = max(cases.proc_at[cases.proc[proc_first]], -1)
            proc_class = rules.proc_class[procedure]
            proc_flags = rules.proc_flags[procedure]
        if reject_grey and (flags & GREY) != 0:
            _refuse(result, i, INVALID, -1, GREY_PRINCIPAL, no_group)
            continue
        if reject_grey and (proc_flags & GREY) != 0:
            _refuse(result, i, INVALID, -1, GREY_PROCEDURE, no_group)
            continue
        counted = (proc_flags & COUNTED) != 0
        dx_class = rules.dx_class[principal]
        for w in range(other_bits.size):
            other_bits[w] = _NONE
        for w in range(proc_bits.size):
            proc_bits[w] = _NONE
        for k in range(first + 1, last):
            row = cases.dx_other_at[cases.dx[k]] >> np.uint32(_SET_SHIFT)
            if row != 0:
                for w in range(other_bits.size):
                    other_bits[w] |= rules.dx_bits[row, w]
        row = cases.dx_other_at[cases.dx[first]] >> np.uint32(_SET_SHIFT)
        for w in range(other_bits.size):
            any_bits[w] = other_bits[w] | rules.dx_bits[row, w]
        for k in range(proc_first, proc_last):
            row = cases.proc_sets_at[cases.proc[k]]
            if row != 0:
                for w in range(proc_bits.size):
                    proc_bits[w] |= rules.proc_bits[row, w]
        tried = -1
        shown = -1
        alternative = -1
        mdc = -1
        for w in range(rules.entry_words[0], rules.entry_words[1]):
            left = (
                rules.dx_words[dx_class, w]
                & rules.proc_words[proc_class, w]
                & rules.sex_words[cases.sex[i], w]
            )
            while left != _NONE and alternative < 0:
                place = _lowest(left)
                left &= left - _ONE
                entry = w * 64 + place
                if rules.owner[entry] == tried:
                    continue
                if (rules.simple[w] >> np.uint64(place)) & _ONE == _NONE and not _holds(
                    rules, cases, i, entry, any_bits, other_bits, proc_bits, counted
                ):
                    continue
                mdc = rules.owner[entry]
                tried = mdc
                in_table = (rules.dx_in_mdc[dx_class] >> np.uint64(mdc)) & _ONE != _NONE
                if in_table or rules.by_dx[entry] != 0:
                    shown = mdc
                alternative = _first_match(
                    rules,
                    cases,
                    i,
                    rules.mdc_words[mdc, 0],
                    rules.mdc_words[mdc, 1],
                    dx_class,
                    proc_class,
                    any_bits,
                    other_bits,
                    proc_bits,
                    counted,
                )
            if alternative >= 0:
                break
        if alternative < 0:
            reason = NO_MDC if shown < 0 else NO_ADRG
            _refuse(result, i, UNGROUPED, shown, reason, no_group)
            continue
        adrg = rules.owner[alternative]
        if ambiguous_on and counted and rules.adrg_medical[adrg] != 0:
            _refuse(result, i, AMBIGUOUS, mdc, AMBIGUOUS_GROUP, rules.ambiguous_group[mdc])
            continue
        severity = _severity(rules, cases, first, last, rules.dx_exclusion[principal])
        group = rules.plain_group[adrg, severity]
        if group == -2:
            group = _climb(
                rules,
                cases,
                i,
                rules.ladder[adrg, 0],
                rules.ladder[adrg, 1],
                severity,
                dx_class,
                proc_class,
                any_bits,
                other_bits,
                proc_bits,
                counted,
            )
            if group >= 0:
                child = _climb(
                    rules,
                    cases,
                    i,
                    rules.children[group, 0],
                    rules.children[group, 1],
                    severity,
                    dx_class,
                    proc_class,
                    any_bits,
                    other_bits,
                    proc_bits,
                    counted,
                )
                group = child if child >= 0 else group
        result.status[i] = GROUPED if group >= 0 else UNGROUPED
        result.mdc[i] = mdc
        result.adrg[i] = adrg
        result.drg[i] = group if group >= 0 else no_group
        result.severity[i] = severity
        result.reason[i] = OK if group >= 0 else NO_GROUP
