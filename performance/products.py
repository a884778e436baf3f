"""Exact products of quantities, points and factors, rounded once (allocation.md §1).

Quantities are int64 ten-thousandths, points per unit int64 ten-thousandths and factors the product
of four factors of four decimals each, so int64 of 10**-16.  Their product is a count of 10**-24; it
is rounded once, half up, to *millionths of a point*.  Where the factors need no more than eight
decimals, which is usual, the product of points and factor fits into 64 bits; else the numbers are
multiplied in limbs of nine digits.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from drg_engine.errors import AllocationError

__all__ = ["FACTOR", "product_parts", "rate_parts", "rates_of", "refuse_large"]

Ints = npt.NDArray[np.int64]

FACTOR = 10**16
"""The factor 1."""

_RATE = 10**10  # quantity e-4 x rate e-12 -> e-16; millionths are 10**10 of those
_LIMB = 10**9
_FINE = 10**8
_TOO_LARGE = "点数合计超出可精确计算的范围，请核对数量和点数"


def rate_parts(quantity_e4: Ints, rates_e12: Ints) -> Ints:
    """Points (millionths) of cells, cut into parts that equal the rounded whole.

    quantity_e4: (n,).  rates_e12: (n, k), points per unit, each >= 0.  Returns int64 (n, k); the
    sum of a row is quantity x the sum of rates, rounded half up once, and goes to the parts by the
    largest remainder.  Raises AllocationError where the points leave the range of int64.
    """
    _refuse(quantity_e4, rates_e12.astype(np.float64))
    whole, left = _scaled(np.abs(quantity_e4)[:, None], rates_e12)
    return _rounded(quantity_e4, whole, left.astype(np.uint64), _RATE)


def product_parts(quantity_e4: Ints, points_e4: Ints, factors_e16: Ints) -> Ints:
    """Points (millionths) of cells, cut into parts that equal the rounded whole.

    quantity_e4: (n,).  points_e4, factors_e16: (n, k), each >= 0, k at most 18.  Returns int64
    (n, k), as :func:`rate_parts` does for rates of points x factor.
    """
    if _fits(points_e4, factors_e16):
        return rate_parts(quantity_e4, points_e4 * (factors_e16 // _FINE))
    _refuse(quantity_e4, points_e4.astype(np.float64) * (factors_e16 / _FINE))
    whole, left = _multiplied(np.abs(quantity_e4)[:, None], points_e4, factors_e16)
    return _rounded(quantity_e4, whole, left.astype(np.uint64), _LIMB * _LIMB)


def rates_of(points_e4: Ints, factors_e16: Ints) -> Ints:
    """Points per unit in 10**-12, rounded half up; of one shape, each >= 0."""
    if _fits(points_e4, factors_e16):
        return points_e4 * (factors_e16 // _FINE)
    if (points_e4.astype(np.float64) * (factors_e16 / _FINE)).max(initial=0.0) > _MOST:
        raise AllocationError(_TOO_LARGE)
    high, low = np.divmod(factors_e16, _FINE)
    upper, lower = np.divmod(points_e4, 10**4)
    carry = (upper * low) * 10**4 + lower * low
    return np.asarray(points_e4 * high + (carry + _FINE // 2) // _FINE, dtype=np.int64)


_MOST = 9e18


def _fits(points_e4: Ints, factors_e16: Ints) -> bool:
    """Whether points x factor is an int64 of 10**-12 exactly."""
    if not points_e4.size:
        return True
    most = int(points_e4.max()) * (int(factors_e16.max()) // _FINE)
    return most <= _MOST and not bool((factors_e16 % _FINE).any())


def _refuse(quantity_e4: Ints, rates: npt.NDArray[np.float64]) -> None:
    reach = np.abs(quantity_e4.astype(np.float64))
    if (reach[:, None] * rates).sum() / _RATE > _MOST or reach.max(initial=0.0) > 9e13:
        raise AllocationError(_TOO_LARGE)


def refuse_large(total: float) -> None:
    """Raise AllocationError where a sum of points (millionths) leaves the range of int64."""
    if total > _MOST:
        raise AllocationError(_TOO_LARGE)


def _scaled(amount: Ints, rate_e12: Ints) -> tuple[Ints, Ints]:
    """Amount (>= 0) x rate in whole millionths and what is left, in 10**-10 of one; exact."""
    rate1, rate0 = np.divmod(rate_e12, _RATE)
    amount1, amount0 = np.divmod(amount, 10**5)
    upper, middle = np.divmod(amount1 * rate0, 10**5)
    carry, left = np.divmod(middle * 10**5 + amount0 * rate0, _RATE)
    return amount * rate1 + upper + carry, left


def _multiplied(amount: Ints, points: Ints, factor: Ints) -> tuple[Ints, Ints]:
    """Amount x points x factor (e-24) in whole millionths and the rest, in 10**-18 of one."""
    first = _carried(_convolved(_limbs(amount, 2), _limbs(points, 2)))
    limbs = _carried(_convolved(first, _limbs(factor, 3)))
    whole = np.zeros_like(limbs[0])
    for limb in reversed(limbs[2:]):
        whole = whole * _LIMB + limb
    return whole, limbs[1] * _LIMB + limbs[0]


def _limbs(number: Ints, count: int) -> list[Ints]:
    parts = []
    for _ in range(count - 1):
        number, part = np.divmod(number, _LIMB)
        parts.append(part)
    return [*parts, number]


def _convolved(left: list[Ints], right: list[Ints]) -> list[Ints]:
    shape = np.broadcast_shapes(left[0].shape, right[0].shape)
    whole = [np.zeros(shape, dtype=np.int64) for _ in range(len(left) + len(right) - 1)]
    for i, a in enumerate(left):
        for j, b in enumerate(right):
            whole[i + j] += a * b
    return whole


def _carried(limbs: list[Ints]) -> list[Ints]:
    carry = np.zeros_like(limbs[0])
    done = []
    for limb in limbs:
        carry, part = np.divmod(limb + carry, _LIMB)
        done.append(part)
    return [*done, carry]


def _rounded(quantity_e4: Ints, whole: Ints, left: npt.NDArray[np.uint64], unit: int) -> Ints:
    """Whole parts and the millionths still to give, which go to the largest remainders."""
    extra = ((left.sum(axis=1) + np.uint64(unit // 2)) // np.uint64(unit)).astype(np.int64)
    if whole.shape[1] == 1:
        whole = whole + extra[:, None]
    else:
        order = np.argsort(left.max(initial=0) - left, axis=1, kind="stable")
        rank = np.argsort(order, axis=1, kind="stable")
        whole = whole + (rank < extra[:, None])
    return np.asarray(np.where(quantity_e4[:, None] < 0, -whole, whole), dtype=np.int64)
