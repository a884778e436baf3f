"""Kernels over charge lines: summing cells, sharing a session's quantities over its steps, persons.

All numbers are int64 counts, so that results do not depend on the order of lines.
"""

from __future__ import annotations

from typing import Any

from drg_engine._jit import kernel

__all__ = ["add_cells", "add_persons", "refill_cells", "session_steps"]

_MIX = 0x9E3779B97F4A7C15 >> 1
_STEP = 10_000
_WHOLE = 10**10
_HALF = 10**5
_MOST = 9e18


@kernel
def add_cells(
    keys: Any,
    quantity: Any,
    amount: Any,
    counts: Any,
    table: Any,
    shift: int,
    cell_keys: Any,
    sums: Any,
    used: int,
    slots: Any,
) -> int:
    """Add lines (n) to their cells; returns how many cells there are now.

    keys: int64 >= 0.  counts: rows that each line stands for, (n,) or (0,) where it is one.  table:
    int64 (2**bits, 2), key and cell of each place, -1 where it is free; it must keep free places.
    shift: 63 - bits.  cell_keys (m,), sums (m, 3): key; rows, quantity and amount of each cell.
    slots: int32 (n,), written: the cell of each line.
    """
    mask = table.shape[0] - 1
    single = counts.shape[0] == 0
    for i in range(keys.shape[0]):
        key = keys[i]
        place = ((key * _MIX) & 0x7FFFFFFFFFFFFFFF) >> shift
        while table[place, 0] != key:
            if table[place, 0] < 0:
                table[place, 0] = key
                table[place, 1] = used
                cell_keys[used] = key
                used += 1
                break
            place = (place + 1) & mask
        cell = table[place, 1]
        sums[cell, 0] += 1 if single else counts[i]
        sums[cell, 1] += quantity[i]
        sums[cell, 2] += amount[i]
        slots[i] = cell
    return used


@kernel
def refill_cells(cell_keys: Any, used: int, table: Any, shift: int) -> None:
    """Put the first ``used`` cells into an empty table (see :func:`add_cells`)."""
    mask = table.shape[0] - 1
    for cell in range(used):
        key = cell_keys[cell]
        place = ((key * _MIX) & 0x7FFFFFFFFFFFFFFF) >> shift
        while table[place, 0] >= 0:
            place = (place + 1) & mask
        table[place, 0] = key
        table[place, 1] = cell


@kernel
def session_steps(group: Any, item: Any, quantity: Any, parts: Any) -> None:
    """Cut the quantities of each session's lines over its steps.

    group, item: int64 (n,), lines of one session together, in it those of one item together, the
    items in order of value, lines above 0 first.  quantity: int64 (n,) ten-thousandths.  parts:
    int64 (n, steps), written; each row sums to its quantity.  Units take steps one after another,
    those beyond the last step the last; a line below 0 gives back the units its item took last.
    An item with less than nothing takes steps of its own, counted from the first.
    """
    n = group.shape[0]
    last = parts.shape[1] - 1
    taken = 0
    owed = 0
    i = 0
    while i < n:
        if i > 0 and group[i] != group[i - 1]:
            taken = 0
            owed = 0
        stop = i
        above = 0
        below = 0
        while stop < n and group[stop] == group[i] and item[stop] == item[i]:
            if quantity[stop] > 0:
                above += quantity[stop]
            else:
                below -= quantity[stop]
            stop += 1
        net = above - below
        start = taken if net >= 0 else owed
        up = start if net >= 0 else start - net
        down = start + net if net >= 0 else start
        for k in range(i, stop):
            sign = 1 if quantity[k] > 0 else -1
            left = quantity[k] * sign
            place = up if sign > 0 else down
            while left > 0:
                step = place // _STEP
                room = (step + 1) * _STEP - place
                if step >= last:
                    step = last
                    room = left
                some = left if left < room else room
                parts[k, step] += some * sign
                place += some
                left -= some
            if sign > 0:
                up = place
            else:
                down = place
        if net >= 0:
            taken += net
        else:
            owed -= net
        i = stop


@kernel
def add_persons(
    slots: Any,
    quantity: Any,
    doctor: Any,
    executor: Any,
    rates: Any,
    units: Any,
    series: Any,
    home: Any,
    order_series: int,
    held: Any,
) -> None:
    """Add the points of lines (n) to the persons who earned them.

    slots: int32 (n,), cell of each line.  quantity: int64 ten-thousandths.  doctor, executor:
    int32, row of the staff, -1 nobody.  rates: int64 (cells, 7), points per unit in 10**-12:
    ordering; executing for three series to the executing unit; the same to the ordering unit.
    units: int64 (cells, 2), ordering and executing unit, -1 unknown.  series, home: int64 (staff,).
    held: int64 (staff, units, 2), added to: millionths of a point and 10**-16 of one (below
    10**10).

    Ordering points go to the ordering doctor.  Executing points of a series go to the executor of
    that series, else to the ordering doctor where he is of that series and of the unit.
    """
    for i in range(slots.shape[0]):
        cell = slots[i]
        for column in range(7):
            rate = rates[cell, column]
            if rate == 0:
                continue
            person = -1
            if column == 0:
                unit = units[cell, 0]
                if doctor[i] >= 0 and series[doctor[i]] == order_series:
                    person = doctor[i]
            else:
                role = (column - 1) % 3
                unit = units[cell, 1] if column < 4 else units[cell, 0]
                if executor[i] >= 0 and series[executor[i]] == role:
                    person = executor[i]
                elif doctor[i] >= 0 and series[doctor[i]] == role and home[doctor[i]] == unit:
                    person = doctor[i]
            if person < 0 or unit < 0:
                continue
            amount = abs(quantity[i])
            sign = 1 if quantity[i] > 0 else -1
            if amount * float(rate) < _MOST:
                product = amount * rate
                whole = product // _WHOLE
                rest = product - whole * _WHOLE
            else:
                upper = amount // _HALF
                lower = amount - upper * _HALF
                high = rate // _WHOLE
                low = rate - high * _WHOLE
                first = upper * low
                carried = first // _HALF
                small = (first - carried * _HALF) * _HALF + lower * low
                more = small // _WHOLE
                whole = amount * high + carried + more
                rest = small - more * _WHOLE
            left = held[person, unit, 1] + sign * rest
            over = 0
            if left >= _WHOLE:
                over = 1
            elif left < 0:
                over = -1
            held[person, unit, 0] += sign * whole + over
            held[person, unit, 1] = left - over * _WHOLE
