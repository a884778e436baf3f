"""Points of persons against exact arithmetic in plain Python, small numbers and vast ones."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from performance._kernels_points import add_persons

STAFF, UNITS, CELLS = 6, 3, 5
NO_ONE = -1


def _earned(
    line: tuple[int, int, int, int], rates: np.ndarray, units: np.ndarray, staff: np.ndarray
) -> dict[tuple[int, int], Fraction]:
    """Points of one line by (person, unit), as allocation.md §6 says them."""
    cell, quantity, doctor, executor = line
    series, home = staff
    found: dict[tuple[int, int], Fraction] = {}
    for column in range(7):
        role = (column - 1) % 3
        unit = int(units[cell, 1 if 1 <= column < 4 else 0])
        person = NO_ONE
        if column == 0:
            if doctor >= 0 and series[doctor] == 0:
                person = doctor
        elif executor >= 0 and series[executor] == role:
            person = executor
        elif doctor >= 0 and series[doctor] == role and home[doctor] == unit:
            person = doctor
        if person >= 0 and unit >= 0:
            worth = Fraction(quantity, 10**4) * Fraction(int(rates[cell, column]), 10**12)
            found[person, unit] = found.get((person, unit), Fraction(0)) + worth
    return found


@pytest.mark.parametrize("reach", [10**8, 9 * 10**13])
@given(data=st.data())
def test_points_of_persons_are_exact(reach: int, data: st.DataObject) -> None:
    """Rates and quantities below and beyond what one int64 product holds."""
    most_rate = 9 * 10**18 if reach < 10**9 else 10**14
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    rates = rng.integers(0, most_rate, (CELLS, 7), dtype=np.int64) >> rng.integers(
        0, 60, (CELLS, 7)
    )
    units = rng.integers(-1, UNITS, (CELLS, 2))
    staff = np.stack([rng.integers(0, 3, STAFF), rng.integers(0, UNITS, STAFF)])
    n = 40
    cells = rng.integers(0, CELLS, n).astype(np.int32)
    quantity = rng.integers(-reach, reach, n) >> rng.integers(0, 40, n)
    doctor = rng.integers(-1, STAFF, n).astype(np.int32)
    executor = rng.integers(-1, STAFF, n).astype(np.int32)
    held = np.zeros((STAFF, UNITS, 2), dtype=np.int64)
    add_persons(cells, quantity, doctor, executor, rates, units, staff[0], staff[1], 0, held)
    expected: dict[tuple[int, int], Fraction] = {}
    for line in zip(*(c.tolist() for c in (cells, quantity, doctor, executor)), strict=True):
        for key, worth in _earned(line, rates, units, staff).items():
            expected[key] = expected.get(key, Fraction(0)) + worth
    for person in range(STAFF):
        for unit in range(UNITS):
            whole, left = held[person, unit].tolist()
            assert 0 <= left < 10**10
            exact = Fraction(whole, 10**6) + Fraction(left, 10**16)
            assert exact == expected.get((person, unit), Fraction(0))
