"""The point value from a budget, prepayment and the year's settlement (payment.md §2).

``PV = fund budget / Σ points`` (basis ``fund``: the standard is the fund's own payment) or
``PV = (fund budget + personal payments) / Σ points`` (basis ``total``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from drg_engine._jit import run_split
from drg_engine._kernels_payment import point_rows
from drg_engine.errors import Fault, PolicyError
from drg_engine.money import to_fen
from drg_engine.payment_columns import PaymentColumns
from drg_engine.payment_standard import Lookups, by_name
from drg_engine.payment_tables import case_arrays, read_only, rule_arrays
from drg_engine.policy import Policy

__all__ = [
    "PointSums",
    "annual_settlement",
    "check_personal",
    "find_point_values",
    "fund_of_points",
    "is_found",
    "point_value",
    "sum_points",
    "values_of",
    "with_found_values",
]

Floats = npt.NDArray[np.float64]

_UNITS = 1_000_000


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


@dataclass(frozen=True, slots=True)
class PointSums:
    """Standard points (whole 1e-6) and personal payments (fen) by insurance type.

    Of the cases in scope that have charges; exact, so that sums of parts are sums of the whole.
    """

    units: Mapping[str, int] = field(default_factory=dict)
    personal: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def merged(cls, parts: Iterable[PointSums]) -> PointSums:
        """The sums of several parts of the cases together."""
        units: Counter[str] = Counter()
        personal: Counter[str] = Counter()
        for part in parts:
            units.update(part.units)
            personal.update(part.personal)
        return cls(dict(sorted(units.items())), dict(sorted(personal.items())))

    def points(self) -> dict[str, float]:
        """Points by insurance type."""
        return {name: units / _UNITS for name, units in self.units.items()}


def sum_points(
    cases: PaymentColumns,
    lookups: Lookups,
    policy: Policy,
    *,
    drg_weight: Floats | None = None,
    coefficient: bool = True,
) -> PointSums:
    """Add up what cases come to in points: base points × H, or bed-day points × days.

    Under the rate method Σ RW × scale × H, without the cases that are paid by days in yuan.
    drg_weight: weights by DRG in place of the cases' own.  coefficient: False leaves out H.
    """
    columns = case_arrays(cases, policy)
    rules = rule_arrays(cases, lookups, policy, drg_weight)
    own = read_only(cases.amounts.get("personal_pay", np.zeros(0, np.int64)), np.int64)
    known = len(cases.insurance.names)
    parts: list[npt.NDArray[np.int64]] = []

    def work(start: int, stop: int) -> None:
        found = np.zeros((2, known + 1), dtype=np.int64)
        point_rows(columns, rules, own, coefficient, found[0], found[1], start, stop)
        parts.append(found)

    run_split(work, cases.n)
    whole = np.zeros((2, known + 1), dtype=np.int64)
    for part in parts:
        whole += part
    units, personal = whole[:, :known].tolist()
    names = cases.insurance.names
    return PointSums(dict(zip(names, units, strict=True)), dict(zip(names, personal, strict=True)))


def values_of(sums: PointSums, policy: Policy) -> dict[str, float]:
    """Point value of each insurance type that has a budget and points; pooled types share one."""
    said = policy.rules.points
    named = [name for name in sums.units if name in said.budgets]
    pools = [named] if said.pooled else [[name] for name in named]
    found: dict[str, float] = {}
    for pool in pools:
        points = sum(sums.units[name] for name in pool) / _UNITS
        if points <= 0:
            continue
        budgets = said.budgets.values() if said.pooled else [said.budgets[name] for name in pool]
        value = point_value(
            sum(budgets),
            points,
            personal=sum(sums.personal[name] for name in pool) / 100.0,
            basis=said.find,
        )
        found |= dict.fromkeys(pool, value)
    return found


def find_point_values(
    cases: PaymentColumns, lookups: Lookups, policy: Policy, *, drg_weight: Floats | None = None
) -> dict[str, float]:
    """Point value of each insurance type that has a budget, from the cases' standard points.

    Points of in-scope cases count in full, whatever the outlier rules then pay.
    """
    return values_of(sum_points(cases, lookups, policy, drg_weight=drg_weight), policy)


def is_found(policy: Policy) -> bool:
    """Whether the policy has its point values found from budgets."""
    return policy.rules.standard.method == "points" and policy.rules.points.find != "given"


def check_personal(cases: PaymentColumns, policy: Policy) -> None:
    """Raise PolicyError where point values are found by total and personal payments are lacking."""
    if policy.rules.points.find == "total" and "personal_pay" not in cases.amounts:
        fault = Fault(
            policy.file,
            "按总额求点值需要个人支付列",
            column="points.find",
            mend="请补列 personal_pay",
        )
        raise PolicyError("政策不能用于这些病例", [fault])


def with_found_values(cases: PaymentColumns, lookups: Lookups, policy: Policy) -> Lookups:
    """The lookups with prices by found point values, where the policy has them found."""
    if not is_found(policy):
        return lookups
    check_personal(cases, policy)
    values = find_point_values(cases, lookups, policy)
    price = by_name(cases.insurance.names, values) * policy.rules.points.scale
    return replace(lookups, price=price, has_rate=np.isfinite(price))
