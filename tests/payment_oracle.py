"""A slow settlement written from specs/payment.md: one case at a time, plain Python, no numpy.

Shares nothing with the engine but the checked policy; rounding is done in fractions.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import date
from fractions import Fraction
from itertools import pairwise
from typing import Any

CAN_BE_HIGH = ("normal", "low", "high")


@dataclass
class Case:
    """One case; amounts in fen, None where missing."""

    case_id: str
    drg: str
    status: int
    weight: float | None
    insurance: str | None
    charges: int | None
    cost: int | None
    los: int | None
    dx: str | None
    hospital: str | None
    level: int
    person: str | None
    admitted: date | None
    left: date | None
    amounts: dict[str, int | None] = field(default_factory=dict)


@dataclass
class Paid:
    """What the oracle says of a case."""

    kind: str
    mode: str
    standard: int | None
    paid: int | None
    high_before_cap: bool = False
    extra: int = 0
    fund: int | None = None


def fen(yuan: float) -> int:
    """Half up in magnitude; four units in the last place below a half count as the half."""
    product = yuan * 100.0
    size = abs(product)
    whole = math.floor(size + size * 2.0**-50 + 0.5)
    return whole if product >= 0 else -whole


class Oracle:
    """Settles cases under the rules of a policy (``Policy.rules``)."""

    def __init__(self, rules: Any) -> None:
        self.rules = rules

    def settle(self, cases: list[Case]) -> list[Paid]:
        """Every case, in the order of the specification."""
        self.prices = self._prices(cases)
        found = [self._kind(case) for case in cases]
        self._review(cases, found)
        for case, paid in zip(cases, found, strict=True):
            self._extra(case, paid)
        self._cap(cases, found)
        for case, paid in zip(cases, found, strict=True):
            self._pay(case, paid)
            self._tcm(case, paid)
        self._readmissions(cases, found)
        for case, paid in zip(cases, found, strict=True):
            paid.fund = self._fund(case, paid)
        return found

    # ---- §2

    def _weight(self, case: Case) -> float | None:
        known = case.weight is not None and case.weight > 0
        return case.weight if known else None

    def _h(self, case: Case) -> float:
        said = self.rules.coefficient
        if case.drg in said.base_list:
            return 1.0
        level = str(case.level)
        if level in said.by_drg.get(case.drg, {}):
            value = said.by_drg[case.drg][level]
        elif case.hospital in said.by_hospital:
            value = said.by_hospital[case.hospital]
        else:
            value = said.by_level.get(level, said.default)
        return min(max(value, said.minimum), said.maximum)

    def _points(self, case: Case) -> float | None:
        if case.charges is None or self._scope(case) is not None:
            return None
        for rule in self.rules.bed_day:
            if self._fits(rule, case) and case.los is not None:
                return case.los * rule.per_day
        weight = self._weight(case)
        if case.status != 0 or weight is None:
            return None
        return weight * self.rules.points.scale * self._h(case)

    def _prices(self, cases: list[Case]) -> dict[str, float]:
        rules, points = self.rules, self.rules.points
        if rules.standard.method != "points":
            return dict(rules.rates)
        if points.find == "given":
            return {name: value * points.scale for name, value in points.values.items()}
        units: dict[str, int] = defaultdict(int)
        personal: dict[str, int] = defaultdict(int)
        for case in cases:
            own = self._points(case)
            if own is not None and case.insurance is not None:
                units[case.insurance] += round(own * 1_000_000)
                personal[case.insurance] += case.amounts.get("personal_pay") or 0
        named = [name for name in sorted(units) if name in points.budgets]
        pools = [named] if points.pooled else [[name] for name in named]
        prices = {}
        for pool in pools:
            total = sum(units[name] for name in pool) / 1_000_000
            if total <= 0:
                continue
            budget = sum(points.budgets.values()) if points.pooled else points.budgets[pool[0]]
            if points.find == "total":
                budget += sum(personal[name] for name in pool) / 100.0
            prices |= dict.fromkeys(pool, budget / total * points.scale)
        return prices

    def _standard(self, case: Case) -> int | None:
        rules = self.rules
        if case.status != 0:
            return None
        if rules.standard.method == "table":
            rows = [
                row
                for row in rules.standard.prices
                if row.drg == case.drg
                and row.level in (None, str(case.level))
                and row.insurance in (None, case.insurance)
            ]
            if not rows:
                return None
            best = max(rows, key=lambda r: (r.level is not None) + (r.insurance is not None))
            return fen(best.yuan)
        weight, price = self._weight(case), self.prices.get(case.insurance or "")
        if weight is None or price is None:
            return None
        return fen(weight * price * self._h(case))

    def _mean(self, case: Case) -> float | None:
        said = self.rules.standard
        if case.drg in said.means:
            return float(said.means[case.drg])
        weight = self._weight(case)
        if weight is None or said.overall_mean is None:
            return None
        return weight * float(said.overall_mean)

    # ---- §3

    def _fits(self, rule: Any, case: Case) -> bool:
        if rule.los_over is not None and (case.los is None or case.los <= rule.los_over):
            return False
        most = getattr(rule, "los_at_most", None)
        if most is not None and (case.los is None or case.los > most):
            return False
        below = getattr(rule, "charges_below", None)
        if below is not None and (case.charges is None or case.charges >= fen(below)):
            return False
        if rule.dx_prefixes:
            heads = tuple(prefix.rstrip("*") for prefix in rule.dx_prefixes)
            if case.dx is None or not case.dx.startswith(heads):
                return False
        types = getattr(rule, "insurances", ())
        if types and case.insurance not in types:
            return False
        return not rule.drgs or case.drg in rule.drgs

    def _scope(self, case: Case) -> Any:
        return next((rule for rule in self.rules.scope if self._fits(rule, case)), None)

    def _priced(self, case: Case) -> bool:
        if self.rules.standard.method == "table":
            return any(
                row.insurance in (None, case.insurance) for row in self.rules.standard.prices
            )
        return (case.insurance or "") in self.prices

    def _kind(self, case: Case) -> Paid:
        rules = self.rules
        standard = self._standard(case)
        group = standard
        beds = [rule for rule in rules.bed_day if self._fits(rule, case) and case.los is not None]
        price = self.prices.get(case.insurance or "")
        outside = self._scope(case) is not None or not self._priced(case)
        bed = None if outside or not beds else beds[0]
        if bed is not None:
            yuan = case.los * bed.per_day
            if rules.standard.method == "points":
                yuan = yuan * (price / rules.points.scale)
            standard = fen(yuan)
        if case.charges is None:
            return Paid("unpriced", "none", standard, None)
        if self._scope(case) is not None or not self._priced(case):
            return Paid("out_of_scope", "as_charged", standard, case.charges)
        if bed is not None:
            return Paid("bed_day", "bed_day", standard, standard)
        if case.status > 0:
            name = "ambiguous" if case.status == 1 else "ungrouped"
            return Paid(name, getattr(rules, name).mode, None, None)
        if group is None:
            return Paid("no_weight", rules.no_weight.mode, None, None)
        ratio, bound = self._ratio(case, group), self._bound(case)
        if ratio is not None:
            low, high = rules.low, rules.high
            if ratio < low.bound or (low.inclusive and low.bound > 0 and ratio == low.bound):
                return Paid("low", low.mode, group, None)
            if bound is not None and (ratio > bound or (high.inclusive and ratio == bound)):
                return Paid("high", high.mode, group, None)
        return Paid("normal", "standard", group, group)

    def _ratio(self, case: Case, standard: int) -> float | None:
        below: int | None = standard
        if self.rules.standard.ratio_of == "mean":
            mean = self._mean(case)
            below = None if mean is None else fen(mean)
        return None if below is None or below <= 0 else case.charges / below

    def _bound(self, case: Case) -> float | None:
        high = self.rules.high
        if high.by == "single":
            return float(high.bound)
        if high.by == "level":
            return float(high.levels[str(case.level)])
        weight = self._weight(case)
        if weight is None:
            return None
        points = round(weight * self.rules.points.scale, 6)
        value = points if high.by == "points" else weight
        for tier in high.tiers:
            if tier.upper is None or value < tier.upper:
                return float(tier.bound)
            if high.tier_inclusive and value == tier.upper:
                return float(tier.bound)
        raise AssertionError("the last tier has no upper bound")

    def _places(self, share: float, cases: list[Case], counted: list[bool]) -> dict[Any, int]:
        counts: dict[Any, int] = defaultdict(int)
        for case, on in zip(cases, counted, strict=True):
            counts[case.hospital] += on
        return {name: math.floor(Fraction(str(share)) * n) for name, n in counts.items()}

    def _first(
        self, cases: list[Case], found: list[Paid], asked: list[int], places: Any
    ) -> set[int]:
        """Of the cases asking for a place those that get one: largest C − S, then least id."""
        by: dict[Any, list[int]] = defaultdict(list)
        for i in asked:
            by[cases[i].hospital].append(i)
        kept: set[int] = set()
        for name, members in by.items():
            members.sort(key=lambda i: (-(cases[i].charges - (found[i].standard or 0)),
                                        cases[i].case_id.encode()))  # fmt: skip
            kept.update(members[: places[name]])
        return kept

    def _review(self, cases: list[Case], found: list[Paid]) -> None:
        said = self.rules.review
        asked = [
            i
            for i, case in enumerate(cases)
            if said.column
            and case.amounts.get(said.column) is not None
            and found[i].kind not in ("out_of_scope", "unpriced")
        ]
        places = self._places(said.cap_share, cases, [True] * len(cases))
        for i in self._first(cases, found, asked, places):
            found[i].kind, found[i].mode = "review", "decision"
            found[i].paid = cases[i].amounts[said.column]

    def _extra(self, case: Case, paid: Paid) -> None:
        if paid.kind not in ("normal", "high"):
            return
        for rule in self.rules.extra:
            item, mean = case.amounts.get(rule.column), self._mean(case)
            if item is None or mean is None or case.drg not in rule.means:
                continue
            share = item / case.charges if case.charges > 0 else 0.0
            times = Fraction(str(rule.charges_over)) * fen(mean)
            if case.charges > times and fen(mean) > 0 and share > rule.share_over:
                paid.extra = max(item - fen(rule.means[case.drg]), 0)
                paid.kind, paid.mode = "normal", "standard"
                return

    def _cap(self, cases: list[Case], found: list[Paid]) -> None:
        high = self.rules.high
        if high.cap_share >= 1:
            return
        counted = [high.cap_of == "discharges" or paid.kind in CAN_BE_HIGH for paid in found]
        asked = [i for i, paid in enumerate(found) if paid.kind == "high"]
        places = self._places(high.cap_share, cases, counted)
        for i in set(asked) - self._first(cases, found, asked, places):
            found[i].kind, found[i].mode = "normal", "standard"

    def _pay(self, case: Case, paid: Paid) -> None:
        rules, mode = self.rules, paid.mode
        if mode in ("none", "decision"):
            return
        if mode == "as_charged":
            paid.paid = case.charges
        elif mode in ("standard", "bed_day"):
            paid.paid = paid.standard + paid.extra
        elif mode == "share":
            paid.paid = fen(case.charges / 100.0 * getattr(rules, paid.kind).share)
        else:
            paid.paid = fen(self._formula(mode, case, paid))

    def _formula(self, mode: str, case: Case, paid: Paid) -> float:
        rules = self.rules
        c, s = case.charges / 100.0, paid.standard / 100.0
        r, k = self._ratio(case, paid.standard), self._bound(case)
        if mode == "ratio_standard":
            return s * min(r, 1.0)
        if mode == "excess_share":
            return s + rules.high.share * (c - k * s)
        price, weight, h = self.prices[case.insurance], self._weight(case), self._h(case)
        if mode == "ratio_points":
            return weight * min(r, 1.0) * price
        control = price / rules.standard.overall_mean
        if mode == "charged_times_control":
            return c * control
        if mode == "deduct":
            return (c / rules.standard.overall_mean - (k - 1.0) * weight * h) * price
        mean, z = self._mean(case), h * control
        if mode == "linear_add":
            return mean * z + (c - k * mean) * control
        assert mode == "cap"
        return mean * k * z

    def _tcm(self, case: Case, paid: Paid) -> None:
        said = self.rules.tcm
        if case.drg not in said.drgs or paid.kind not in CAN_BE_HIGH:
            return
        if said.column not in case.amounts:
            return
        own = case.amounts[said.column] or 0
        share = own / case.charges if case.charges > 0 else 0.0
        if share < said.minimum:
            paid.paid = fen(paid.paid / 100.0 * said.otherwise)

    def _readmissions(self, cases: list[Case], found: list[Paid]) -> None:
        said = self.rules.readmission
        if said.days is None:
            return
        by: dict[Any, list[int]] = defaultdict(list)
        for i, (case, paid) in enumerate(zip(cases, found, strict=True)):
            whole = case.person is not None and case.admitted and case.left
            if whole and paid.kind in CAN_BE_HIGH:
                by[case.person, case.drg].append(i)
        heads = tuple(prefix.rstrip("*") for prefix in said.except_dx)
        for stays in by.values():
            stays.sort(key=lambda i: (cases[i].admitted, cases[i].left, cases[i].case_id.encode()))
            for one, two in pairwise(stays):
                gap = (cases[two].admitted - cases[one].left).days
                spared = heads and any((cases[i].dx or "").startswith(heads) for i in (one, two))
                if 0 <= gap <= said.days and not spared:
                    found[one].paid = fen(found[one].paid / 100.0 * said.factor)

    # ---- §4

    def _fund(self, case: Case, paid: Paid) -> int | None:
        said = self.rules.fund
        patient = case.amounts.get("personal_pay")
        other = case.amounts.get("other_fund") or 0
        if paid.paid is None or patient is None:
            return None
        if said.way == "residual" or paid.mode == "as_charged":
            return paid.paid - patient - other
        if said.way == "full":
            return paid.paid
        parts = [case.amounts.get(n) for n in ("own_expense", "pre_expense", "deductible")]
        if None in parts or case.charges <= 0:
            return None
        own, pre, ded = (part / 100.0 for part in parts if part is not None)
        s, c = paid.paid / 100.0, case.charges / 100.0
        k = said.k.get(case.insurance or "", said.default_k)
        if said.way == "proportional":
            return fen((s * (1.0 - (own + pre) / c) - ded) * k)
        return fen((s - own - pre - ded) * k)
