"""Running scenarios on grouped cases: only what a scenario touches is computed again.

Decisions where the specification leaves room (payment.md §8):

- Found point values are made explicit first (``fixed``: those of the baseline; ``closed``: found
  again so that the standards come to what they were), so that every later step has given prices.
- Under ``closed`` the new value is old value × Σ points before / Σ points after, by insurance type
  or pooled as the policy says; with rates the same, Σ RW·H in place of points.
- The cap on high cases counts the cases simulated together, months joined; where several policies
  were in force, those of each policy's time.  Found and closed point values likewise.
- A scenario's changes and weights go to every policy in force, or to those in force on some day of
  the dates that the scenario states; another scheme and costs go to all cases.
- Costs change each case's cost, rounded once; charges never change.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from drg_engine.errors import Fault, PolicyError
from drg_engine.payment import PaymentColumns
from drg_engine.payment_dated import chosen_policies
from drg_engine.payment_points import find_point_values, is_found, sum_points
from drg_engine.payment_rules import Stays, spared_rows, stays_of
from drg_engine.payment_standard import compile_lookups
from drg_engine.policy import Policy
from drg_engine.scenario import (
    Scenario,
    SchemeChange,
    changed_policy,
    check_dates,
    covers,
    stack,
)
from drg_engine.scenario_weights import changed_weights, check_one_weight, held_weights
from drg_engine.simulation_cells import Cells, Margin
from drg_engine.simulation_parts import BasePart, Changed, base_part, funded, same_part
from drg_engine.simulation_state import State, changed_state, with_readmissions

__all__ = [
    "FREE_SECTIONS",
    "Outcome",
    "Regrouped",
    "Simulation",
    "State",
    "check_names",
    "points_by_type",
    "with_prices",
]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

FREE_SECTIONS = ("policy", "fund", "indicators", "sources")
"""Sections of a policy that do not move what a case is paid."""


@dataclass(frozen=True, slots=True, eq=False)
class Regrouped:
    """The same cases grouped by another scheme: columns as in Grouping, weights by DRG."""

    status: npt.NDArray[np.int8]
    drg: npt.NDArray[np.int32]
    drg_codes: tuple[str, ...]
    drg_names: tuple[str, ...]
    weights: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """A scenario beside its baseline.

    ``scheme_weights``: by DRG, those a new scheme brings by itself (the baseline's where the scheme
    stays), over which the scenario's own weights go.  ``simulation``: that ran it.
    """

    scenario: Scenario
    base: State
    after: State
    scheme_weights: Floats
    simulation: Simulation

    @property
    def notices(self) -> tuple[str, ...]:
        """What the analyst must know of the scenario's settlement."""
        told = list(self.after.notices)
        lacking, was = self.after.unweighted, self.base.unweighted
        if lacking > was:
            told.append(f"入组而无权重的病例由 {was:,} 例增至 {lacking:,} 例")
        return tuple(told)

    @property
    def regrouped(self) -> bool:
        """Whether the scenario brought another scheme."""
        return self.scenario.scheme is not None


class Simulation:
    """Cases under a baseline, ready for any number of scenarios.

    columns: grouped cases.  policies: one policy, or several of which each case's date chooses one
    (payment_dated).  scheme: name of the scheme the cases were grouped by.  weights: by DRG,
    aligned with ``columns.drg_codes``; those that grouped cases carry where None.  regroup: gives
    the cases grouped by another scheme; each scheme is asked for once and kept.

    ``policies``: those that pay some case, in order of time; ``policy`` the latest of them;
    ``cells`` the groups that tables are by; ``base`` the baseline.
    Raises PolicyError where a case has no policy in force, or a policy does not fit the cases.
    """

    def __init__(
        self,
        columns: PaymentColumns,
        policies: Policy | Sequence[Policy],
        *,
        scheme: str = "",
        weights: Floats | None = None,
        regroup: Callable[[SchemeChange], Regrouped] | None = None,
    ) -> None:
        self._regroup = regroup
        self._regrouped: dict[str, Regrouped] = {}
        size, grouped = len(columns.drg_codes), columns.status == 0
        self._held = held_weights(columns.drg, columns.weight, grouped, size)
        self._weights_told = weights is not None
        held = self._held[0] if weights is None else np.asarray(weights, dtype=np.float64)
        listed = (policies,) if isinstance(policies, Policy) else tuple(policies)
        self.cells = Cells.made(columns)
        asked = any(policy.rules.readmission.days is not None for policy in listed)
        self._stays: Stays | None = stays_of(columns) if asked else None
        if self._stays is not None:
            spared = listed[-1].rules.readmission.except_dx
            kept = spared, spared_rows(columns, spared, self._stays.rows)
            self._stays = replace(self._stays, spared=kept)
        self._stays_known = asked
        if len(listed) == 1:
            self.policies: tuple[Policy, ...] = listed
            priced = with_prices(columns, listed[0])
            parts = [base_part(columns, priced, held, self.cells, stays=self._stays)]
        else:
            self.policies, parts = self._dated(columns, listed, held)
        self.policy = self.policies[-1]
        self.base = State(scheme, columns, tuple(same_part(part) for part in parts))
        if len(parts) > 1 and asked:
            self.base = _rebased(with_readmissions(self.base, self._stays))

    def run(self, *scenarios: Scenario) -> Outcome:
        """Run a scenario, or several stacked on each other.

        Raises PolicyError where the changes make no policy, weights are of another edition, or a
        new scheme has none.
        """
        scenario = stack(scenarios) if len(scenarios) != 1 else scenarios[0]
        check_dates(scenario, self.policies)
        scheme, columns, weights, own = self._grouped(scenario)
        changes = []
        for part, policy, made, by_drg in zip(
            self.base.parts, self.policies, columns, weights, strict=True
        ):
            base = part.base
            priced = _policy(scenario, base, policy, made, by_drg)
            changes.append(Changed(priced, made, by_drg, scenario.cost_factor))
        after = self.changed(changes, scheme)
        return Outcome(scenario, self.base, after, own, self)

    def changed(self, changes: Sequence[Changed], scheme: str) -> State:
        """The baseline under a change of each of its parts."""
        return changed_state(self.base, changes, scheme, self._known_stays)

    def regrouped(self, change: SchemeChange) -> Regrouped:
        """The cases grouped by another scheme."""
        key = repr((change.name, sorted(change.options.items())))
        if key not in self._regrouped:
            if self._regroup is None:
                fault = Fault(change.name, "没有原始病例，不能重新分组", column="scheme.name")
                raise PolicyError("情景不能运行", [fault])
            self._regrouped[key] = self._regroup(change)
        return self._regrouped[key]

    def _known_stays(self) -> Stays | None:
        """Looked for once, when a scenario first turns readmission on."""
        if not self._stays_known:
            self._stays, self._stays_known = stays_of(self.base.whole), True
        return self._stays

    def _dated(
        self, columns: PaymentColumns, policies: Sequence[Policy], weights: Floats
    ) -> tuple[tuple[Policy, ...], list[BasePart]]:
        """The policies that pay some case, and their parts."""
        ordered, chosen = chosen_policies(columns, policies)
        used = np.unique(chosen).tolist() or [len(ordered) - 1]
        parts = []
        for place in used:
            rows = np.flatnonzero(chosen == place)
            taken = columns.take(rows)
            cells = Cells(_taken(self.cells.place, rows), _taken(self.cells.cell, rows))
            priced = with_prices(taken, ordered[place])
            parts.append(base_part(taken, priced, weights, cells, rows=rows))
        return tuple(ordered[place] for place in used), parts

    def _grouped(
        self, scenario: Scenario
    ) -> tuple[str, list[PaymentColumns], list[Floats | None], Floats]:
        """Scheme; columns and weights of each part (None where they stay); the scheme's own."""
        if scenario.weights and scenario.scheme is None and not self._weights_told:
            check_one_weight(self.base.whole.drg_codes, self._held)
        bases = [part.base for part in self.base.parts]
        scheme, own = self.base.scheme, bases[0].weights
        columns = [base.columns for base in bases]
        counts = [base.counts for base in bases]
        if scenario.scheme is not None:
            found = self.regrouped(scenario.scheme)
            scheme, own = scenario.scheme.name, found.weights
            columns = [_regrouped_columns(base, found) for base in bases]
            if any(change.rescale for change in scenario.weights):
                counts = [np.bincount(c.drg[c.status == 0], minlength=own.size) for c in columns]
        weights = [own] * len(bases)
        for change in scenario.weights:
            meant = [covers(change, policy) for policy in self.policies]
            together = np.sum([n for n, on in zip(counts, meant, strict=True) if on] or [counts[0]],
                              axis=0)  # fmt: skip
            weights = [
                changed_weights(held, columns[0].drg_codes, change, together, scheme=scheme)
                if on
                else held
                for held, on in zip(weights, meant, strict=True)
            ]
        if scenario.scheme is not None and not all(np.isfinite(one).any() for one in weights):
            mend = "请在 [weights] 写明新方案的权重文件"
            fault = Fault(scheme, "新方案没有权重，不能付费", column="scheme.name", mend=mend)
            raise PolicyError("情景不能运行", [fault])
        kept = [
            one if scenario.scheme is not None or _differ(one, own) else None for one in weights
        ]
        return scheme, columns, kept, own


def _policy(
    scenario: Scenario,
    base: BasePart,
    policy: Policy,
    columns: PaymentColumns,
    weights: Floats | None,
) -> Policy:
    """A part's policy under a scenario, with its point values given."""
    changed = changed_policy(scenario, policy)
    if scenario.point_value == "closed":
        return _closed(base, columns, weights, changed)
    if scenario.point_value == "fixed" and is_found(changed):
        values = base.policy.rules.points.values
        return changed.with_changes({"points.find": "given", "points.values": values})
    if changed is policy and columns is base.columns and weights is None:
        return base.policy
    return with_prices(columns, changed, weights)


def with_prices(columns: PaymentColumns, policy: Policy, weights: Floats | None = None) -> Policy:
    """The policy with point values given: those found from its budgets where it has them found.

    weights: by DRG, in place of the cases' own.
    """
    if not is_found(policy):
        return policy
    if policy.rules.points.find == "total" and "personal_pay" not in columns.amounts:
        return policy  # settling tells of the missing column
    lookups = compile_lookups(columns, policy)
    values = find_point_values(columns, lookups, policy, drg_weight=weights)
    if not values:
        return policy
    return policy.with_changes({"points.find": "given", "points.values": values})


def points_by_type(
    columns: PaymentColumns,
    policy: Policy,
    *,
    weights: Floats | None = None,
    coefficient: bool = True,
) -> dict[str, float]:
    """Σ points of each insurance type (scale × Σ RW × H, or × days), standard ones, in scope.

    weights: by DRG, in place of the cases' own.  coefficient: False leaves out H.
    Sums are exact to 1e-6.
    """
    lookups = compile_lookups(columns, policy)
    return sum_points(
        columns, lookups, policy, drg_weight=weights, coefficient=coefficient
    ).points()


def _closed(
    base: BasePart, columns: PaymentColumns, weights: Floats | None, policy: Policy
) -> Policy:
    """Prices found again so that the standards of the cases come to what they were."""
    method = policy.rules.standard.method
    if method == "table" or method != base.policy.rules.standard.method:
        fault = Fault(
            policy.file, "总额不变只用于同一种费率法或点数法", column="budget.point_value"
        )
        raise PolicyError("情景不能运行", [fault])
    if is_found(policy):
        return with_prices(columns, policy, weights)
    rules = base.policy.rules
    old = dict(rules.points.values if method == "points" else rules.rates)
    before = points_by_type(base.columns, base.policy)
    after = points_by_type(columns, policy, weights=weights)
    types = [name for name in old if before.get(name, 0.0) > 0 and after.get(name, 0.0) > 0]
    if policy.rules.points.pooled and types:
        whole = sum(after[name] for name in types)
        factors = sum(old[name] * before[name] for name in types)
        fresh = dict.fromkeys(types, factors / whole)
    else:
        fresh = {name: old[name] * (before[name] / after[name]) for name in types}
    key = "points.values" if method == "points" else "rates"
    return policy.with_changes({key: old | fresh})


def _rebased(state: State) -> State:
    """The state as a baseline, its stays cut across policies."""
    made = []
    for part in state.parts:
        base = replace(part.base, lean=part.lean, sums=part.sums, fund=funded(part).fund)
        made.append(same_part(base))
    return replace(state, parts=tuple(made))


def _taken(margin: Margin, rows: Ints) -> Margin:
    return replace(margin, of=margin.of[rows])


def _regrouped_columns(base: BasePart, found: Regrouped) -> PaymentColumns:
    at = slice(None) if base.rows is None else base.rows
    return replace(
        base.columns, status=found.status[at], drg=found.drg[at], drg_codes=found.drg_codes
    )


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
