"""The grouping kernel: encoded cases in, group numbers out, in the order of specs/grouping.md."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from drg_engine._jit import kernel

__all__ = ["CaseColumns", "ResultColumns", "group_rows"]

KNOWN, GREY, COUNTED, NO_CODE = 1, 2, 4, 8
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
_PLACE = np.zeros(64, dtype=np.uint64)
for _bit in range(64):
    _PLACE[((0x03F79D71B4CB0A89 << _bit) & 0xFFFFFFFFFFFFFFFF) >> 58] = _bit
_SET_SHIFT = np.uint64(18)
_LEVEL_SHIFT = np.uint64(16)
_EXCLUSION_MASK = np.uint64(0xFFFF)
_CLASS_SHIFT = np.uint64(40)
_WORD_SHIFT = np.uint64(6)
_ROW_SHIFT = np.uint64(16)
_ROW_MASK = np.uint64(0xFFFFFF)
_FLAG_MASK = np.uint64(0xFFFF)
_MOST_SITES = 999
_ON_LADDER = -2
NOTHING, MDC, ADRG, RUNG = range(4)
_OLDEST = 150
_FEMALE = np.uint64(2)
_MODES = np.uint64(32)


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
    dx_first_at: npt.NDArray[np.uint64]  # by place in the dictionary: the scheme's dx_first
    dx_other_at: npt.NDArray[np.uint32]
    proc_first_at: npt.NDArray[np.uint64]
    proc_other_at: npt.NDArray[np.int32]


class ResultColumns(NamedTuple):
    """What the kernel writes, one row a case."""

    status: npt.NDArray[np.int8]
    mdc: npt.NDArray[np.int8]
    adrg: npt.NDArray[np.int16]
    drg: npt.NDArray[np.int32]
    severity: npt.NDArray[np.int8]
    reason: npt.NDArray[np.int8]


@kernel
def _within_bounds(bound_rows: Any, bounds: Any, numbers: Any, alternative: int) -> bool:
    for row in range(bound_rows[alternative, 0], bound_rows[alternative, 1]):
        value = numbers[int(bounds[row, 0])]
        holds = value >= 0.0 and bounds[row, 1] <= value <= bounds[row, 2]
        if holds == (bounds[row, 3] > 0.0):
            return False
    return True


@kernel
def _rest_holds(
    sites: Any,
    site_range: Any,
    marks: Any,
    bound_rows: Any,
    bounds: Any,
    found: Any,
    carried: Any,
    numbers: Any,
    alternative: int,
) -> bool:
    """Whether sites, marks and bounds of one alternative hold.

    carried (2,) uint64: flags, bit of the discharge mode.  numbers (6,) float64.
    """
    need = marks[alternative, 0]
    if (carried[0] & need) != need or (carried[0] & marks[alternative, 1]) != _NONE:
        return False
    if marks[alternative, 2] & carried[1] == _NONE:
        return False
    least, most = site_range[alternative, 0], site_range[alternative, 1]
    if least > 0 or most < _MOST_SITES:
        covered = 0
        for w in range(found.size):
            left = sites[alternative, w] & found[w]
            while left != _NONE:
                left &= left - _ONE
                covered += 1
        if covered < least or covered > most:
            return False
    return bool(_within_bounds(bound_rows, bounds, numbers, alternative))


@kernel
def group_rows(rules: Any, cases: Any, result: Any, start: int, stop: int) -> None:
    """Group cases start..stop; writes every column of ``result`` for each.

    The search for a match (words and-ed, lowest bit first) serves the MDC entries, the ADRGs and
    the conditional groups in turn.  It stands in one loop, and arrays are taken out of their tuples
    once, because a call counts references to every array it is given: that would cost more than
    the work.
    """
    dx_words, proc_words = rules.dx_words, rules.proc_words
    sex_words, age_words = rules.sex_words, rules.age_words
    simple, seeking, sought = rules.simple, rules.seeking, rules.sought
    need, ban, rest = rules.need, rules.ban, rules.rest
    sites, site_range, marks = rules.sites, rules.site_range, rules.marks
    bound_rows, bounds = rules.bound_rows, rules.bounds
    as_principal, as_other = rules.as_principal, rules.as_other
    as_procedure, counting = rules.as_procedure, rules.counting
    dx_in_mdc, owner, by_dx = rules.dx_in_mdc, rules.owner, rules.by_dx
    mdc_words, adrg_medical = rules.mdc_words, rules.adrg_medical
    plain_group, ladder, rungs = rules.plain_group, rules.ladder, rules.rungs
    children, ambiguous_group = rules.children, rules.ambiguous_group
    entry_first, entry_last = rules.entry_words[0], rules.entry_words[1]
    ambiguous_on = rules.options[0] != 0
    refused_procedure = GREY if rules.options[1] != 0 else 0
    refused = KNOWN | NO_CODE | refused_procedure
    no_group = rules.options[2]
    sexes, ages, age_days = cases.sex, cases.age, cases.age_days
    birth_weight, los, discharge_mode = cases.birth_weight, cases.los, cases.discharge_mode
    icu_hours, vent_hours, flags_of = cases.icu_hours, cases.vent_hours, cases.flags
    dx_offsets, dx = cases.dx_offsets, cases.dx
    proc_offsets, proc = cases.proc_offsets, cases.proc
    dx_first_at, dx_other_at = cases.dx_first_at, cases.dx_other_at
    proc_first_at, proc_other_at = cases.proc_first_at, cases.proc_other_at
    out_status, out_mdc, out_adrg = result.status, result.mdc, result.adrg
    out_drg, out_severity, out_reason = result.drg, result.severity, result.reason
    place_of_bit = _PLACE
    width = need.shape[1]
    found = np.zeros(width, dtype=np.uint64)
    numbers = np.full(6, -1.0)
    carried = np.zeros(2, dtype=np.uint64)
    for i in range(np.uint64(start), np.uint64(stop)):
        status, mdc, adrg, severity, reason = INVALID, -1, -1, -1, NO_PRINCIPAL
        drg = no_group
        first, last = np.uint64(dx_offsets[i]), np.uint64(dx_offsets[i + _ONE])
        proc_start = np.uint64(proc_offsets[i])
        proc_stop = np.uint64(proc_offsets[i + _ONE])
        principal = np.uint64(NO_CODE)
        procedure = _NONE
        if first < last:
            principal = dx_first_at[np.uint64(dx[first])]
        if proc_start < proc_stop:
            procedure = proc_first_at[np.uint64(proc[proc_start])]
        flags = np.int64(principal & _FLAG_MASK)
        proc_flags = np.int64(procedure & _FLAG_MASK)
        valid = (flags & refused) == KNOWN and (proc_flags & refused_procedure) == 0
        if not valid:
            if flags & NO_CODE != 0:
                reason = NO_PRINCIPAL
            elif flags & KNOWN == 0:
                reason = UNKNOWN_PRINCIPAL
            elif flags & refused != KNOWN:
                reason = GREY_PRINCIPAL
            else:
                reason = GREY_PROCEDURE
        else:
            dx_class = principal >> _CLASS_SHIFT
            proc_class = procedure >> _CLASS_SHIFT
            sex = np.uint64(sexes[i])
            if sex > _FEMALE:
                sex = _NONE
            years = max(np.int64(-1), min(np.int64(ages[i]), np.int64(_OLDEST)))
            age = np.uint64(years + np.int64(1))
            exclusion_row = (principal >> _ROW_SHIFT) & _ROW_MASK
            row = np.uint64(dx_other_at[np.uint64(dx[first])]) >> _SET_SHIFT
            found_0 = as_principal[row, 0]
            for f in range(1, width):
                found[f] = as_principal[row, f]
            worst = np.int64(0)
            for k in range(first + _ONE, last):
                other = np.uint64(dx_other_at[np.uint64(dx[k])])
                row = other >> _SET_SHIFT
                found_0 |= as_other[row, 0]
                for f in range(1, width):
                    found[f] |= as_other[row, f]
                counts = np.uint64(counting[exclusion_row, other & _EXCLUSION_MASK])
                level = np.int64((other >> _LEVEL_SHIFT) & counts)
                worst = level if level > worst else worst
            for k in range(proc_start, proc_stop):
                row = np.uint64(proc_other_at[np.uint64(proc[k])])
                found_0 |= as_procedure[row, 0]
                for f in range(1, width):
                    found[f] |= as_procedure[row, f]
            found[0] = found_0
            tried = -1
            shown = -1
            rung = 0
            rung_stop = 0
            group = -1
            looking_for = MDC
            w = np.uint64(entry_first)
            limit = np.uint64(entry_last)
            left = _NONE
            entry_w = w
            entry_left = _NONE
            while looking_for != NOTHING:
                match = np.int64(-1)
                while match < 0:
                    if left == _NONE:
                        if w >= limit:
                            break
                        left = dx_words[dx_class, w] & proc_words[proc_class, w]
                        left &= sex_words[sex, w] & age_words[age, w]
                        if found_0 & sought[w] == _NONE:
                            left &= ~seeking[w]
                        w += _ONE
                    else:
                        at = w - _ONE
                        lowest = left & (~left + _ONE)
                        left ^= lowest
                        trial = (at << _WORD_SHIFT) | place_of_bit[
                            (lowest * _DE_BRUIJN) >> _DE_BRUIJN_SHIFT
                        ]
                        holds = True
                        if simple[at] & lowest == _NONE:
                            wanted = need[trial, 0]
                            holds = (found_0 & wanted) == wanted
                            holds = holds and (found_0 & ban[trial, 0]) == _NONE
                            for f in range(1, width):
                                wanted = need[trial, f]
                                holds = holds and (found[f] & wanted) == wanted
                                holds = holds and (found[f] & ban[trial, f]) == _NONE
                            if holds and rest[trial] != 0:
                                numbers[1] = age_days[i]
                                numbers[2] = birth_weight[i]
                                numbers[3] = los[i]
                                if icu_hours.size > 0:
                                    numbers[4] = icu_hours[i]
                                if vent_hours.size > 0:
                                    numbers[5] = vent_hours[i]
                                if flags_of.size > 0:
                                    carried[0] = flags_of[i]
                                mode = np.uint64(discharge_mode[i])
                                carried[1] = _ONE << (mode if mode < _MODES else _NONE)
                                holds = _rest_holds(
                                    sites,
                                    site_range,
                                    marks,
                                    bound_rows,
                                    bounds,
                                    found,
                                    carried,
                                    numbers,
                                    trial,
                                )
                        if holds:
                            match = np.int64(trial)
                if looking_for == MDC:
                    if match < 0:
                        status = UNGROUPED
                        mdc = shown
                        reason = NO_MDC if shown < 0 else NO_ADRG
                        looking_for = NOTHING
                    elif owner[match] != tried:
                        mdc = owner[match]
                        tried = mdc
                        in_table = (dx_in_mdc[dx_class] >> np.uint64(mdc)) & _ONE != _NONE
                        if in_table or by_dx[match] != 0:
                            shown = mdc
                        entry_w, entry_left = w, left
                        w, limit = np.uint64(mdc_words[mdc, 0]), np.uint64(mdc_words[mdc, 1])
                        left = _NONE
                        looking_for = ADRG
                elif looking_for == ADRG:
                    if match < 0:
                        w, left, limit = entry_w, entry_left, np.uint64(entry_last)
                        looking_for = MDC
                    elif (
                        ambiguous_on
                        and (proc_flags & COUNTED) != 0
                        and adrg_medical[owner[match]] != 0
                    ):
                        status = AMBIGUOUS
                        drg = ambiguous_group[mdc]
                        reason = AMBIGUOUS_GROUP
                        looking_for = NOTHING
                    else:
                        adrg = owner[match]
                        severity = int(worst)
                        group = plain_group[adrg, severity]
                        looking_for = NOTHING
                        if group == _ON_LADDER:
                            group = -1
                            rung, rung_stop = ladder[adrg, 0], ladder[adrg, 1]
                            looking_for = RUNG
                elif match >= 0 or rungs[rung, 2] == rungs[rung, 3]:
                    group = rungs[rung, 1]
                    rung, rung_stop = children[group, 0], children[group, 1]
                else:
                    rung += 1
                if looking_for == RUNG:
                    while rung < rung_stop and rungs[rung, 0] > severity:
                        rung += 1
                    if rung < rung_stop:
                        w, limit = np.uint64(rungs[rung, 2]), np.uint64(rungs[rung, 3])
                        left = _NONE
                    else:
                        looking_for = NOTHING
            if adrg >= 0:
                if group < 0:
                    status = UNGROUPED
                    severity = -1
                    reason = NO_GROUP
                else:
                    status = GROUPED
                    drg = group
                    reason = OK
        out_status[i] = status
        out_mdc[i] = mdc
        out_adrg[i] = adrg
        out_drg[i] = drg
        out_severity[i] = severity
        out_reason[i] = reason
