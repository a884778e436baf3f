"""What the payment standard is looked up from: the policy as arrays over the cases' codes.

Arrays over texts have one more entry at the end, which the code -1 (missing) reads.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from drg_engine._policy_check import unknown_codes
from drg_engine._policy_model import BedDay, ScopeRule
from drg_engine.errors import Fault, PolicyError
from drg_engine.money import to_fen
from drg_engine.payment_columns import PaymentColumns
from drg_engine.policy import Policy

__all__ = ["Lookups", "Rows", "ScopeLookup", "by_name", "compile_lookups", "prefixed"]

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

_LEVELS = 4


@dataclass(frozen=True, slots=True, eq=False)
class ScopeLookup:
    """One out-of-scope rule: bounds and what each code says, None where the rule does not ask.

    ``labels``: further text columns by name and what each of their codes says; a rule that asks
    for a column the cases do not have holds for none.
    """

    los_over: int | None
    los_at_most: int | None
    charges_below: int | None
    dx: Bools | None
    insurance: Bools | None
    drg: Bools | None
    labels: tuple[tuple[str, Bools], ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Lookups:
    """A policy compiled for one set of cases.

    ``price`` float64 (insurances + 1,): yuan per 1.0 RW, NaN without a rate; ``hospital_h``
    (hospitals + 1, levels) and ``drg_h`` (DRGs + 1, levels; NaN where none is said): coefficients;
    ``mean`` (DRGs + 1,): the region's mean of the DRG where stated, else NaN; ``table`` (DRGs + 1,
    levels, insurances + 1): the direct table in yuan.
    """

    price: Floats
    has_rate: Bools
    hospital_h: Floats
    drg_h: Floats | None
    mean: Floats | None
    table: Floats | None
    scope: tuple[ScopeLookup, ...]
    bed_day: tuple[ScopeLookup, ...]
    level_bounds: Floats
    tier_uppers: Floats
    tier_bounds: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Some rows of the cases with what they are priced by (float64 each, yuan where money)."""

    cases: PaymentColumns
    at: slice | npt.NDArray[np.intp]
    lookups: Lookups
    policy: Policy

    def weight(self) -> Floats:
        """RW, NaN where there is none; a weight that is not positive is none."""
        weight = self.cases.weight[self.at]
        return np.where(weight > 0, weight, np.nan)

    def price(self) -> Floats:
        """Yuan per 1.0 RW of the case's insurance type, NaN without a rate."""
        return self.lookups.price[self.cases.insurance.codes[self.at]]

    def coefficient(self) -> Floats:
        """Hospital coefficient H (payment.md §2)."""
        level = self.cases.level[self.at]
        found = self.lookups.hospital_h[self.cases.hospital.codes[self.at], level]
        if self.lookups.drg_h is None:
            return found
        special = self.lookups.drg_h[self.cases.drg[self.at], level]
        return np.where(np.isnan(special), found, special)

    def mean(self) -> Floats:
        """Region's mean charges A of the case's DRG in yuan, NaN where not known."""
        overall = self.policy.rules.standard.overall_mean
        derived = self.weight() * (np.nan if overall is None else overall)
        if self.lookups.mean is None:
            return derived
        stated = self.lookups.mean[self.cases.drg[self.at]]
        return np.where(np.isnan(stated), derived, stated)

    def control(self) -> Floats:
        """Price of 1.0 RW over the region's mean: PV / (overall mean / scale) in points."""
        overall = self.policy.rules.standard.overall_mean
        return self.price() / (np.nan if overall is None else overall)


def compile_lookups(
    cases: PaymentColumns, policy: Policy, like: tuple[Policy, Lookups] | None = None
) -> Lookups:
    """Look the policy's codes up once.  Raises PolicyError for DRGs the scheme does not have.

    like: another policy looked up for the same cases; sections it has in common are taken over.
    """
    _check_codes(cases, policy)
    rules = policy.rules
    old = like[0].rules if like else None
    kept = like[1] if like else None
    same_h = old is not None and old.coefficient == rules.coefficient
    same_rules = old is not None and (old.scope, old.bed_day) == (rules.scope, rules.bed_day)
    if kept is not None and old is not None and old.standard == rules.standard:
        table = kept.table
    else:
        table = _table(cases, policy) if rules.standard.method == "table" else None
    price = _price(cases, policy)
    has_rate = np.isfinite(price)
    if table is not None:
        has_rate = np.asarray(np.isfinite(table).any(axis=(0, 1)), dtype=np.bool_)
    return Lookups(
        price=price,
        has_rate=has_rate,
        hospital_h=_hospital_h(cases, policy) if not same_h or kept is None else kept.hospital_h,
        drg_h=_drg_h(cases, policy) if not same_h or kept is None else kept.drg_h,
        mean=by_name(cases.drg_codes, rules.standard.means) if rules.standard.means else None,
        table=table,
        scope=kept.scope
        if kept is not None and same_rules
        else tuple(_scope(rule, cases) for rule in rules.scope),
        bed_day=kept.bed_day
        if kept is not None and same_rules
        else tuple(_bed_day(rule, cases) for rule in rules.bed_day),
        level_bounds=_level_bounds(cases, policy),
        tier_uppers=np.array(
            [t.upper for t in rules.high.tiers if t.upper is not None], np.float64
        ),
        tier_bounds=np.array([t.bound for t in rules.high.tiers] or [rules.high.bound]),
    )


def by_name(names: Sequence[str], values: dict[str, float]) -> Floats:
    """Values aligned with names, NaN where none is said and for the code -1."""
    return np.array([values.get(name, np.nan) for name in (*names, "")], dtype=np.float64)


def _price(cases: PaymentColumns, policy: Policy) -> Floats:
    """Yuan per 1.0 RW by insurance type: the rate, or the point value × the scale."""
    rules = policy.rules
    if rules.standard.method == "points":
        values = rules.points.values if rules.points.find == "given" else {}
        return by_name(cases.insurance.names, values) * rules.points.scale
    return by_name(cases.insurance.names, rules.rates)


def _hospital_h(cases: PaymentColumns, policy: Policy) -> Floats:
    """Most specific first: the hospital's own, its level's, the default; then clipped."""
    said = policy.rules.coefficient
    levels = [said.by_level.get(str(level), said.default) for level in range(_LEVELS)]
    rows = [
        [said.by_hospital.get(name, by_level) for by_level in levels]
        for name in (*cases.hospital.names, "")
    ]
    return np.clip(np.array(rows, dtype=np.float64), said.minimum, said.maximum)


def _drg_h(cases: PaymentColumns, policy: Policy) -> Floats | None:
    said = policy.rules.coefficient
    if not said.by_drg and not said.base_list:
        return None
    found = np.full((len(cases.drg_codes) + 1, _LEVELS), np.nan)
    places = {code: index for index, code in enumerate(cases.drg_codes)}
    for code, levels in said.by_drg.items():
        for level, value in levels.items():
            found[places[code], int(level)] = min(max(value, said.minimum), said.maximum)
    found[[places[code] for code in said.base_list]] = 1.0
    return found


def _table(cases: PaymentColumns, policy: Policy) -> Floats:
    """The direct table; a row that names more goes before one that names less."""
    shape = (len(cases.drg_codes) + 1, _LEVELS, len(cases.insurance.names) + 1)
    found = np.full(shape, np.nan)
    drgs = {code: index for index, code in enumerate(cases.drg_codes)}
    types = {name: index for index, name in enumerate(cases.insurance.names)}
    rows = policy.rules.standard.prices
    for row in sorted(rows, key=lambda r: (r.level is not None) + (r.insurance is not None)):
        level = slice(None) if row.level is None else int(row.level)
        if row.insurance is None:
            found[drgs[row.drg], level, :] = row.yuan
        elif row.insurance in types:
            found[drgs[row.drg], level, types[row.insurance]] = row.yuan
    return found


def _scope(rule: ScopeRule, cases: PaymentColumns) -> ScopeLookup:
    below = None if rule.charges_below is None else int(to_fen(rule.charges_below))
    return ScopeLookup(
        los_over=rule.los_over,
        los_at_most=rule.los_at_most,
        charges_below=below,
        dx=prefixed(cases.dx_names, rule.dx_prefixes) if rule.dx_prefixes else None,
        insurance=_named(cases.insurance.names, rule.insurances) if rule.insurances else None,
        drg=_named(cases.drg_codes, rule.drgs) if rule.drgs else None,
        labels=tuple(_label_conditions(rule, cases)),
    )


def _label_conditions(rule: ScopeRule, cases: PaymentColumns) -> Iterator[tuple[str, Bools]]:
    """Conditions on text columns that cases may lack; then an empty array, which holds for none."""
    nothing = np.zeros(0, dtype=np.bool_)
    if rule.listed:
        held = cases.labels.get("scope_list")
        yield "scope_list", nothing if held is None else _named(held.names, (rule.code,))
    if rule.regions_outside:
        held = cases.labels.get("region")
        local = frozenset(rule.regions_outside)
        names = () if held is None else held.names
        outside = np.array([*(name not in local for name in names), False], dtype=np.bool_)
        yield "region", nothing if held is None else outside


def _bed_day(rule: BedDay, cases: PaymentColumns) -> ScopeLookup:
    return ScopeLookup(
        los_over=rule.los_over,
        los_at_most=None,
        charges_below=None,
        dx=prefixed(cases.dx_names, rule.dx_prefixes) if rule.dx_prefixes else None,
        insurance=None,
        drg=_named(cases.drg_codes, rule.drgs) if rule.drgs else None,
    )


def _named(names: Sequence[str], wanted: Iterable[str]) -> Bools:
    there = frozenset(wanted)
    return np.array([*(name in there for name in names), False], dtype=np.bool_)


def prefixed(names: Sequence[str], prefixes: Iterable[str]) -> Bools:
    """Which names begin with a prefix (a closing ``*`` may stand there); False for code -1."""
    texts = pa.array(names, pa.string())
    hit = np.zeros(len(names) + 1, dtype=np.bool_)
    for prefix in prefixes:
        starts = pc.starts_with(texts, prefix.rstrip("*"))
        hit[:-1] |= np.asarray(starts.fill_null(False).to_numpy(zero_copy_only=False), np.bool_)
    return hit


def _level_bounds(cases: PaymentColumns, policy: Policy) -> Floats:
    """K by level.  A level that occurs and has no bound is a fault, not a guess."""
    high = policy.rules.high
    bounds = np.array([high.levels.get(str(level), np.nan) for level in range(_LEVELS)])
    if high.by == "level":
        there = np.bincount(cases.level, minlength=_LEVELS) > 0
        lacking = [str(level) for level in np.flatnonzero(there & np.isnan(bounds))]
        if lacking:
            words = "、".join("未知" if level == "0" else level for level in lacking)
            mend = "请补上该级别的界值，或在医院资料里写明级别"
            fault = Fault(
                policy.file,
                "有病例的医院级别没有界值",
                column="high.levels",
                found=words,
                mend=mend,
            )
            raise PolicyError("政策不能用于这些病例", [fault])
    return bounds


def _check_codes(cases: PaymentColumns, policy: Policy) -> None:
    rules = policy.rules
    named = {
        "standard.means": list(rules.standard.means),
        "standard.prices": [row.drg for row in rules.standard.prices],
        "coefficient.by_drg": list(rules.coefficient.by_drg),
        "coefficient.base_list": list(rules.coefficient.base_list),
        "scope[].drgs": [code for rule in rules.scope for code in rule.drgs],
        "bed_day[].drgs": [code for bed in rules.bed_day for code in bed.drgs],
        "extra[].means": [code for extra in rules.extra for code in extra.means],
        "tcm.drgs": list(rules.tcm.drgs),
    }
    faults = [
        fault
        for key, codes in named.items()
        for fault in policy.located(unknown_codes(key, codes, cases.drg_codes, policy.file))
    ]
    if faults:
        raise PolicyError("政策里的病组与分组方案不符", faults)
