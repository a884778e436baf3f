"""The point value from a budget, prepayment and the year's settlement (payment.md §2).

``PV = fund budget / Σ points`` (basis ``fund``: the standard is the fund's own payment) or
``PV = (fund budget + personal payments) / Σ points`` (basis ``total``).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from drg_engine.errors import Fault, PolicyError
from drg_engine.money import to_fen
from drg_engine.payment_columns import MISSING_FEN, PaymentColumns
from drg_engine.payment_standard import Lookups, Rows, by_name
from drg_engine.policy import Policy

__all__ = [
    "annual_settlement",
    "find_point_values",
    "fund_of_points",
    "point_value",
    "points_of",
    "with_found_values",
]

Floats = npt.NDArray[np.float64]

_UNITS = 1_000_000
_BLOCK = 32_768


def point_value(budget: float, points: float, *, personal: float = 0.0, basis: str) -> float:
    """Yuan per point.  budget, personal: yuan; basis: ``fund`` or ``total``.

    Raises ValueError where there are no points or the basis is neither.
    """
    if basis not in ("fund", "total"):
        raise ValueError(f"点值口径只能是 fund 或 total：{basis}")
    if points <= 0:
        raise ValueError("总点数不是正数，求不出点值")
    return (budget + (personal if basis == "total" else 0.0)) / points


def fund_of_points(points: float, value: float, *, personal_fen: int = 0, basis: str) -> int:
    """Fund's payment in fen for a hospital's points; under ``total`` personal payments go off."""
    whole = int(to_fen(points * value))
    return whole - personal_fen if basis == "total" else whole


def annual_settlement(
    points: float,
    value: float,
    *,
    prepaid_fen: int,
    deductions_fen: int = 0,
    assessment_fen: int = 0,
) -> int:
    """Fen still due at the year's end: Σ points × PV − Σ prepaid − deductions ± assessment."""
    return int(to_fen(points * value)) - prepaid_fen - deductions_fen + assessment_fen


def points_of(rows: Rows) -> Floats:
    """Points of some rows: base points × H, or bed-day points × days; NaN without points."""
    scale = rows.policy.rules.points.scale
    points = rows.weight() * scale * rows.coefficient()
    points = np.where(rows.cases.status[rows.at] == 0, points, np.nan)
    for number in range(len(rows.lookups.bed_day) - 1, -1, -1):
        hit = rows.in_rule(rows.lookups.bed_day[number])
        days = np.where(rows.cases.los[rows.at] >= 0, rows.cases.los[rows.at], np.nan)
        points = np.where(hit, days * rows.policy.rules.bed_day[number].per_day, points)
    outside = rows.cases.charges[rows.at] == MISSING_FEN
    for rule in rows.lookups.scope:
        outside |= rows.in_rule(rule)
    return np.where(outside, np.nan, points)


def find_point_values(cases: PaymentColumns, lookups: Lookups, policy: Policy) -> dict[str, float]:
    """Point value of each insurance type that has a budget, from the cases' standard points.

    Points of in-scope cases count in full, whatever the outlier rules then pay.  Pooled types share
    one value.  Sums are exact (1e-6 points, fen), so the order of rows does not matter.
    """
    said = policy.rules.points
    units, personal = _sums(cases, lookups, policy)
    budgets = by_name(cases.insurance.names, said.budgets)
    named = np.flatnonzero(np.isfinite(budgets[:-1]))
    pools = [named] if said.pooled else [np.array([place]) for place in named]
    found: dict[str, float] = {}
    for pool in pools:
        points = int(units[pool].sum()) / _UNITS
        if pool.size == 0 or points <= 0:
            continue
        value = point_value(
            sum(said.budgets.values()) if said.pooled else float(budgets[pool].sum()),
            points,
            personal=int(personal[pool].sum()) / 100.0,
            basis=said.find,
        )
        found |= {cases.insurance.names[place]: value for place in pool}
    return found


def with_found_values(cases: PaymentColumns, lookups: Lookups, policy: Policy) -> Lookups:
    """The lookups with prices by found point values, where the policy has them found."""
    rules = policy.rules
    if rules.standard.method != "points" or rules.points.find == "given":
        return lookups
    if rules.points.find == "total" and "personal_pay" not in cases.amounts:
        fault = Fault(
            policy.file,
            "按总额求点值需要个人支付列",
            column="points.find",
            mend="请补列 personal_pay",
        )
        raise PolicyError("政策不能用于这些病例", [fault])
    values = find_point_values(cases, lookups, policy)
    price = by_name(cases.insurance.names, values) * rules.points.scale
    return replace(lookups, price=price, has_rate=np.isfinite(price))


def _sums(
    cases: PaymentColumns, lookups: Lookups, policy: Policy
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Points (1e-6) and personal payments (fen) by insurance type, the last place for missing."""
    units = np.zeros(len(cases.insurance.names) + 1, dtype=np.int64)
    personal = np.zeros_like(units)
    paid = cases.amounts.get("personal_pay")
    for start in range(0, cases.n, _BLOCK):
        at = slice(start, min(start + _BLOCK, cases.n))
        points = points_of(Rows(cases, at, lookups, policy))
        known = np.isfinite(points)
        types = cases.insurance.codes[at][known]
        np.add.at(units, types, np.rint(points[known] * _UNITS).astype(np.int64))
        if paid is not None:
            own = paid[at][known]
            np.add.at(personal, types, np.where(own == MISSING_FEN, 0, own))
    return units, personal
