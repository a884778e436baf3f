"""Running scenarios on grouped cases: only what a scenario touches is computed again.

Decisions where the specification leaves room (payment.md §8):

- Found point values are made explicit first (``fixed``: those of the baseline; ``closed``: found
  again so that the standards come to what they were), so that every later step has given prices.
- Under ``closed`` the new value is old value × Σ points before / Σ points after, by insurance type
  or pooled as the policy says; with rates the same, Σ RW·H in place of points.
- The cap on high cases counts the cases simulated together, months joined.
- Costs change each case's cost, rounded once; charges never change.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from drg_engine.errors import Fault, PolicyError
from drg_engine.money import to_fen
from drg_engine.payment import MISSING_FEN, PaymentColumns, Settlement, settle
from drg_engine.payment_points import find_point_values, points_of
from drg_engine.payment_standard import Rows, compile_lookups
from drg_engine.policy import Policy
from drg_engine.scenario import Scenario, SchemeChange, changed_policy, stack
from drg_engine.scenario_weights import changed_weights
from drg_engine.simulation_cells import exact_sums

__all__ = [
    "FREE_SECTIONS",
    "Outcome",
    "Regrouped",
    "Simulation",
    "State",
    "check_names",
    "points_by_type",
    "settled_again",
    "with_prices",
]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

FREE_SECTIONS = ("policy", "fund", "indicators", "sources")
"""Sections of a policy that do not move what a case is paid."""

_UNITS = 1_000_000


@dataclass(frozen=True, slots=True, eq=False)
class Regrouped:
    """The same cases grouped by another scheme: columns as in Grouping, weights by DRG."""

    status: npt.NDArray[np.int8]
    drg: npt.NDArray[np.int32]
    drg_codes: tuple[str, ...]
    drg_names: tuple[str, ...]
    weights: Floats


@dataclass(frozen=True, slots=True, eq=False)
class State:
    """Cases, weights by DRG, policy (point values given) and what they come to."""

    scheme: str
    columns: PaymentColumns
    weights: Floats
    policy: Policy
    settlement: Settlement


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """A scenario beside its baseline.

    ``scheme_weights``: by DRG, those a new scheme brings by itself (the baseline's where the scheme
    stays), over which the scenario's own weights go.
    """

    scenario: Scenario
    base: State
    after: State
    scheme_weights: Floats

    @property
    def notices(self) -> tuple[str, ...]:
        """What the analyst must know of the scenario's settlement."""
        lacking = (self.after.columns.status == 0) & ~(self.after.columns.weight > 0)
        was = (self.base.columns.status == 0) & ~(self.base.columns.weight > 0)
        told = list(self.after.settlement.notices)
        if int(lacking.sum()) > int(was.sum()):
            told.append(f"入组而无权重的病例由 {int(was.sum()):,} 例增至 {int(lacking.sum()):,} 例")
        return tuple(told)

    @property
    def regrouped(self) -> bool:
        """Whether the scenario brought another scheme."""
        return self.scenario.scheme is not None


class Simulation:
    """Cases under a baseline, ready for any number of scenarios.

    columns: grouped cases.  scheme: name of the scheme they were grouped by.  weights: by DRG,
    aligned with ``columns.drg_codes``; taken from the cases where None.  regroup: gives the cases
    grouped by another scheme; each scheme is asked for once and kept.
    """

    def __init__(
        self,
        columns: PaymentColumns,
        policy: Policy,
        *,
        scheme: str = "",
        weights: Floats | None = None,
        regroup: Callable[[SchemeChange], Regrouped] | None = None,
    ) -> None:
        self._regroup = regroup
        self._regrouped: dict[str, Regrouped] = {}
        held = _weights_of(columns) if weights is None else np.asarray(weights, dtype=np.float64)
        self.policy = policy
        priced = with_prices(columns, policy)
        self.base = State(scheme, columns, held, priced, settle(columns, priced))

    def run(self, *scenarios: Scenario) -> Outcome:
        """Run a scenario, or several stacked on each other.

        Raises PolicyError where the changes make no policy, weights are of another edition, or a
        new scheme has none.
        """
        scenario = stack(scenarios) if len(scenarios) != 1 else scenarios[0]
        scheme, columns, weights, own = self._grouped(scenario)
        policy = self._policy(scenario, columns)
        columns = _with_costs(columns, scenario.cost_factor)
        settlement = settled_again(self.base, columns, policy)
        after = State(scheme, columns, weights, policy, settlement)
        return Outcome(scenario, self.base, after, own)

    def regrouped(self, change: SchemeChange) -> Regrouped:
        """The cases grouped by another scheme."""
        key = repr((change.name, sorted(change.options.items())))
        if key not in self._regrouped:
            if self._regroup is None:
                fault = Fault(change.name, "没有原始病例，不能重新分组", column="scheme.name")
                raise PolicyError("情景不能运行", [fault])
            self._regrouped[key] = self._regroup(change)
        return self._regrouped[key]

    def _grouped(self, scenario: Scenario) -> tuple[str, PaymentColumns, Floats, Floats]:
        """Scheme, columns, weights by DRG after the changes, and the scheme's own weights."""
        base = self.base
        scheme, columns, weights = base.scheme, base.columns, base.weights
        if scenario.scheme is not None:
            found = self.regrouped(scenario.scheme)
            scheme, weights = scenario.scheme.name, found.weights
            columns = replace(
                columns, status=found.status, drg=found.drg, drg_codes=found.drg_codes
            )
        before = weights
        counts = np.zeros(0, dtype=np.int64)
        if any(change.rescale for change in scenario.weights):
            counts = np.bincount(columns.drg[columns.status == 0], minlength=len(weights))
        for change in scenario.weights:
            weights = changed_weights(weights, columns.drg_codes, change, counts, scheme=scheme)
        if scenario.scheme is not None and not np.isfinite(weights).any():
            mend = "请在 [weights] 写明新方案的权重文件"
            fault = Fault(scheme, "新方案没有权重，不能付费", column="scheme.name", mend=mend)
            raise PolicyError("情景不能运行", [fault])
        if scenario.scheme is not None or _differ(weights, before):
            columns = replace(columns, weight=weights[columns.drg])
        return scheme, columns, weights, before

    def _policy(self, scenario: Scenario, columns: PaymentColumns) -> Policy:
        changed = changed_policy(scenario, self.policy)
        if scenario.point_value == "closed":
            return _closed(self.base, columns, changed)
        if scenario.point_value == "fixed" and _is_found(changed):
            values = self.base.policy.rules.points.values
            return changed.with_changes({"points.find": "given", "points.values": values})
        if changed is self.policy and columns is self.base.columns:
            return self.base.policy
        return with_prices(columns, changed)


def settled_again(base: State, columns: PaymentColumns, policy: Policy) -> Settlement:
    """Settle, or take over the base's columns where nothing moved what is paid."""
    old = base.columns
    same = columns.status is old.status and columns.drg is old.drg and columns.weight is old.weight
    if not same or not _pays_the_same(base.policy, policy):
        return settle(columns, policy)
    settled = base.settlement
    cost = settled.cost_surplus
    if columns.cost is not old.cost:
        known = cost != MISSING_FEN
        cost = np.where(known, settled.paid - np.where(known, columns.cost, 0), MISSING_FEN)
    return replace(settled, cases=columns, policy=policy, cost_surplus=cost)


def with_prices(columns: PaymentColumns, policy: Policy) -> Policy:
    """The policy with point values given: those found from its budgets where it has them found."""
    if not _is_found(policy):
        return policy
    if policy.rules.points.find == "total" and "personal_pay" not in columns.amounts:
        return policy  # settling tells of the missing column
    values = find_point_values(columns, compile_lookups(columns, policy), policy)
    if not values:
        return policy
    return policy.with_changes({"points.find": "given", "points.values": values})


def points_by_type(
    columns: PaymentColumns, policy: Policy, *, coefficient: bool = True
) -> dict[str, float]:
    """Σ points of each insurance type (scale × Σ RW × H, or × days), standard ones, in scope.

    coefficient: False for Σ RW × scale without H.  Sums are exact to 1e-6.
    """
    rows = Rows(columns, slice(None), compile_lookups(columns, policy), policy)
    points = points_of(rows)
    known = np.isfinite(points)
    if not coefficient:
        points = rows.weight() * policy.rules.points.scale
        known &= np.isfinite(points)
    units = np.rint(points[known] * _UNITS).astype(np.int64)
    names = columns.insurance.names
    found = exact_sums(columns.insurance.codes[known] + 1, units, len(names) + 1)
    return {name: int(total) / _UNITS for name, total in zip(names, found[1:], strict=True)}


def _is_found(policy: Policy) -> bool:
    rules = policy.rules
    return rules.standard.method == "points" and rules.points.find != "given"


def _closed(base: State, columns: PaymentColumns, policy: Policy) -> Policy:
    """Prices found again so that the standards of the cases come to what they were."""
    method = policy.rules.standard.method
    if method == "table" or method != base.policy.rules.standard.method:
        fault = Fault(
            policy.file, "总额不变只用于同一种费率法或点数法", column="budget.point_value"
        )
        raise PolicyError("情景不能运行", [fault])
    if _is_found(policy):
        return with_prices(columns, policy)
    rules = base.policy.rules
    old = dict(rules.points.values if method == "points" else rules.rates)
    before = points_by_type(base.columns, base.policy)
    after = points_by_type(columns, policy)
    types = [name for name in old if before.get(name, 0.0) > 0 and after.get(name, 0.0) > 0]
    if policy.rules.points.pooled and types:
        whole = sum(after[name] for name in types)
        factors = sum(old[name] * before[name] for name in types)
        fresh = dict.fromkeys(types, factors / whole)
    else:
        fresh = {name: old[name] * (before[name] / after[name]) for name in types}
    key = "points.values" if method == "points" else "rates"
    return policy.with_changes({key: old | fresh})


def _pays_the_same(one: Policy, two: Policy) -> bool:
    if one is two:
        return True
    names = [name for name in type(one.rules).model_fields if name not in FREE_SECTIONS]
    return all(getattr(one.rules, name) == getattr(two.rules, name) for name in names)


def _with_costs(columns: PaymentColumns, factor: float) -> PaymentColumns:
    if factor == 1.0:
        return columns
    known = columns.cost != MISSING_FEN
    changed = to_fen(np.where(known, columns.cost, 0) / 100.0 * factor)
    return replace(columns, cost=np.where(known, changed, MISSING_FEN))


def _weights_of(columns: PaymentColumns) -> Floats:
    """Weight of each DRG as the cases carry it."""
    found = np.full(len(columns.drg_codes), np.nan)
    found[columns.drg] = columns.weight
    return found


def _differ(one: Floats, two: Floats) -> bool:
    return not np.array_equal(one, two, equal_nan=True)


def check_names(scenarios: Sequence[Scenario], *, taken: str = "") -> None:
    """Raise PolicyError where two scenarios of one run have the same title, or the one taken."""
    seen = {taken}
    faults = []
    for scenario in scenarios:
        if scenario.title in seen:
            mend = "请改 scenario.title，每个情景一个名称"
            faults.append(Fault(scenario.name, "情景名称重复", found=scenario.title, mend=mend))
        seen.add(scenario.title)
    if faults:
        raise PolicyError("情景不能一起运行", faults)
