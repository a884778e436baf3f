"""Scenarios over a region's year in bounded memory: sums to the fen as Simulation gives them.

Cases are gone through for the facts that scenarios ask for (numbers by DRG, points), for the points
under changed weights, for the cases that compete, and to settle every state.  Only sums are held.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from drg_engine.errors import Fault, PolicyError
from drg_engine.grouping import CodeLookup, group
from drg_engine.money import to_fen
from drg_engine.payment import MISSING_FEN, PaymentColumns, settle_with_marks
from drg_engine.payment_points import PointSums, is_found
from drg_engine.policy import Policy
from drg_engine.scenario import Scenario, SchemeChange, Step, in_order
from drg_engine.scenario_states import (
    CaseFacts,
    Planned,
    StreamState,
    planned,
    scheme_key,
    with_scenario,
    with_values,
)
from drg_engine.scenario_sums import StateSums
from drg_engine.scenario_weights import check_one_weight, held_weights, widened
from drg_engine.settle_files import CaseBatch, CaseSource
from drg_engine.settle_phases import point_sums, priced
from drg_engine.settle_stream import (
    mark_cases,
    parts_by_policy,
    read_batches,
)
from grouper_tables import Scheme

__all__ = [
    "FactsGathered",
    "Runner",
    "ScenarioSums",
    "StateView",
    "in_time",
    "plus",
    "run_scenarios",
    "run_with",
    "weighing",
]

Rows = npt.NDArray[np.int64]
Tell = Callable[[str, int], None]


@dataclass(frozen=True, slots=True, eq=False)
class ScenarioSums:
    """A scenario: the states on its way and what each comes to; the last is the scenario itself."""

    planned: Planned
    sums: tuple[StateSums, ...]
    notices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class StateView:
    """Cases as a state has them: grouped by its scheme, with its weights and costs.

    ``dated``: the baseline's policies, whose dates say which case is whose.
    """

    state: StreamState
    dated: tuple[Policy, ...]
    schemes: Mapping[str, Scheme]
    _lookups: dict[tuple[str, int], CodeLookup] = field(default_factory=dict)

    @property
    def policies(self) -> tuple[Policy, ...]:
        """The state's policies."""
        return self.state.policies

    def parts(self, batch: CaseBatch) -> Iterable[tuple[int, Rows, PaymentColumns]]:
        """Each policy's cases as the state has them."""
        columns = self._columns(batch)
        for place, rows, cases in parts_by_policy(columns, self.dated):
            weights = self.state.weights[place]
            if weights is not None:
                yield place, rows, replace(cases, weight=weights[cases.drg])
            else:
                yield place, rows, cases

    def _columns(self, batch: CaseBatch) -> PaymentColumns:
        columns = _with_costs(batch.columns, self.state.cost_factor)
        if self.state.scheme is None:
            return columns
        if batch.raw is None or batch.keep is None:
            name = self.state.scheme.name
            fault = Fault(name, "没有原始病例，不能重新分组", column="scheme.name")
            raise PolicyError("情景不能运行", [fault])
        key = scheme_key(self.state.scheme)
        scheme = self.schemes[key]
        lookup = self._lookups.setdefault((key, batch.file), CodeLookup(scheme))
        found = group(batch.raw, scheme, lookup=lookup)
        return replace(
            columns,
            status=found.status[batch.keep],
            drg=found.drg[batch.keep].astype(np.int32),
            drg_codes=tuple(scheme.drg_codes),
        )


class Runner(Protocol):
    """Goes through the cases for what scenarios need: on this machine, or on several."""

    def facts(self, scenarios: Sequence[Scenario]) -> tuple[CaseFacts, list[PointSums]]:
        """Weights and numbers by DRG; the baseline's points by policy where they are needed."""

    def points(self, states: Sequence[StreamState]) -> list[list[PointSums]]:
        """Points of each state by policy."""

    def settled(self, states: Sequence[StreamState]) -> list[StateSums]:
        """What each state comes to."""


def run_scenarios(
    source: CaseSource,
    policies: Sequence[Policy],
    scenarios: Sequence[Scenario],
    scratch: Path,
    *,
    order: Sequence[Step] = (),
    load: Callable[[SchemeChange], Scheme] | None = None,
    tell: Tell = lambda _, __: None,
) -> tuple[StateSums, list[ScenarioSums]]:
    """The baseline's sums and every scenario's.

    order: of the attribution, before the scenarios' own.  load: gives another scheme, where raw
    cases can be grouped again.  Raises PolicyError where a scenario cannot be run.
    """
    ordered = in_time(policies)
    runner = _Local(source, ordered, _schemes(scenarios, load), scratch, tell)
    return run_with(runner, ordered, scenarios, order=order)


def in_time(policies: Sequence[Policy]) -> tuple[Policy, ...]:
    """Policies in the order of the days they begin."""
    return tuple(sorted(policies, key=lambda one: one.rules.policy.effective_from))


def run_with(
    runner: Runner,
    policies: tuple[Policy, ...],
    scenarios: Sequence[Scenario],
    *,
    order: Sequence[Step] = (),
) -> tuple[StateSums, list[ScenarioSums]]:
    """As :func:`run_scenarios`, over whatever goes through the cases."""
    facts, before = runner.facts(scenarios)
    values = tuple(priced(policy, sums) for policy, sums in zip(policies, before, strict=True))
    base = StreamState(values, (None,) * len(policies))
    plain = StreamState(policies, base.weights)
    afters = [with_scenario(plain, scenario, facts) for scenario in scenarios]
    needed = [
        scenario.point_value == "closed" or any(is_found(policy) for policy in after.policies)
        for scenario, after in zip(scenarios, afters, strict=True)
    ]
    points = runner.points([one for one, on in zip(afters, needed, strict=True) if on])
    plans = []
    for scenario, after, on in zip(scenarios, afters, needed, strict=True):
        sums = points.pop(0) if on else [PointSums({}, {})] * len(policies)
        valued = with_values(scenario, base, after, before, sums)
        steps = in_order(order) if order else scenario.order
        own = facts.weights[scheme_key(scenario.scheme)]
        plans.append(planned(base, valued, scenario, steps, own))
    found = runner.settled([base, *(state for plan in plans for _, state in plan.steps)])
    rest = found[1:]
    outcomes = []
    for plan in plans:
        mine, rest = rest[: len(plan.steps)], rest[len(plan.steps) :]
        outcomes.append(ScenarioSums(plan, tuple(mine), _notices(found[0], mine)))
    return found[0], outcomes


def _schemes(
    scenarios: Sequence[Scenario], load: Callable[[SchemeChange], Scheme] | None
) -> dict[str, Scheme]:
    found: dict[str, Scheme] = {}
    for change in (scenario.scheme for scenario in scenarios if scenario.scheme is not None):
        if load is None:
            fault = Fault(change.name, "没有原始病例，不能重新分组", column="scheme.name")
            raise PolicyError("情景不能运行", [fault])
        found.setdefault(scheme_key(change), load(change))
    return found


@dataclass(frozen=True, slots=True, eq=False)
class _Local:
    """Goes through the cases of a source on this machine."""

    source: CaseSource
    policies: tuple[Policy, ...]
    schemes: Mapping[str, Scheme]
    scratch: Path
    tell: Tell

    def facts(self, scenarios: Sequence[Scenario]) -> tuple[CaseFacts, list[PointSums]]:
        nothing: tuple[None, ...] = (None,) * len(self.policies)
        changes = {scheme_key(s.scheme): s.scheme for s in scenarios if s.scheme is not None}
        views = {
            key: StateView(StreamState(self.policies, nothing, change), self.policies, self.schemes)
            for key, change in {"": None, **changes}.items()
        }
        drgs = self.source.drgs
        gathered = FactsGathered(self.policies, scenarios, views)
        for batch in read_batches(self.source, "清点病例", self.tell):
            gathered.add(batch)
        codes = {"": drgs.codes} | {key: tuple(s.drg_codes) for key, s in self.schemes.items()}
        held = {key: np.asarray(s.weights, dtype=np.float64) for key, s in self.schemes.items()}
        names = {"": drgs.scheme.name if drgs.scheme is not None else ""}
        names |= {key: change.name for key, change in changes.items()}
        counts = {
            key: [plus(one, np.zeros(len(codes[key]), dtype=np.int64)) for one in listed]
            for key, listed in gathered.counts.items()
        }
        if weighing(scenarios):
            check_one_weight(drgs.codes, gathered.held)
        weights = {"": gathered.weights_over(drgs.weights()), **held}
        return CaseFacts(codes, weights, counts, names), gathered.points()

    def points(self, states: Sequence[StreamState]) -> list[list[PointSums]]:
        views = [StateView(state, self.policies, self.schemes) for state in states]
        found: list[list[list[PointSums]]] = [[[] for _ in view.policies] for view in views]
        if views:
            for batch in read_batches(self.source, "求情景的点数", self.tell):
                for view, held in zip(views, found, strict=True):
                    for place, _, cases in view.parts(batch):
                        held[place].append(point_sums(cases, view.policies[place]))
        return [[PointSums.merged(one) for one in held] for held in found]

    def settled(self, states: Sequence[StreamState]) -> list[StateSums]:
        views = [StateView(state, self.policies, self.schemes) for state in states]
        marked = mark_cases(self.source, views, self.scratch, self.tell)
        sums = [StateSums(None)]
        sums += [StateSums(sums[0]) for _ in states[1:]]
        for batch in read_batches(self.source, "基准与情景付费", self.tell):
            groups = sums[0].groups(batch.columns)
            for view, marks, one in zip(views, marked, sums, strict=True):
                for place, rows, cases in view.parts(batch):
                    mine = marks[place].marks(batch.start, batch.columns.n, rows)
                    settled, _ = settle_with_marks(cases, view.policies[place], mine)
                    one.add(settled, {name: of[rows] for name, of in groups.items()})
        return sums


class FactsGathered:
    """Weights and numbers by DRG, and points of the baseline, gathered part by part."""

    def __init__(
        self,
        policies: Sequence[Policy],
        scenarios: Sequence[Scenario],
        views: Mapping[str, StateView],
    ) -> None:
        self._policies = policies
        self._views = views
        self._closed = any(scenario.point_value == "closed" for scenario in scenarios)
        self.held = np.zeros((2, 0))
        self._points: list[list[PointSums]] = [[] for _ in policies]
        self.counts: dict[str, list[npt.NDArray[np.int64]]] = {
            key: [np.zeros(0, dtype=np.int64) for _ in policies] for key in views
        }

    def add(self, batch: CaseBatch) -> None:
        """Gather a part."""
        cases, size = batch.columns, len(batch.columns.drg_codes)
        more = held_weights(cases.drg, cases.weight, cases.status == 0, size)
        self.held = widened(self.held, more)
        for key, view in self._views.items():
            for place, _, cases in view.parts(batch):
                counts = self.counts[key]
                counts[place] = plus(counts[place], np.bincount(cases.drg[cases.status == 0]))
                if not key and (self._closed or is_found(self._policies[place])):
                    self._points[place].append(point_sums(cases, self._policies[place]))

    def weights_over(self, own: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Weights as the cases carry them, over those of the scheme."""
        found = own.copy()
        told = np.flatnonzero(np.isfinite(self.held[0]))
        found[told] = self.held[0][told]
        return found

    def points(self) -> list[PointSums]:
        """The baseline's points by policy."""
        return [PointSums.merged(one) for one in self._points]


def _notices(base: StateSums, steps: Sequence[StateSums]) -> tuple[str, ...]:
    """What the analyst must know of a scenario."""
    if not steps:
        return tuple(base.notices)
    told = list(steps[-1].notices)
    was, lacking = base.unweighted, steps[-1].unweighted
    if lacking > was:
        told.append(f"入组而无权重的病例由 {was:,} 例增至 {lacking:,} 例")
    return tuple(told)


def weighing(scenarios: Sequence[Scenario]) -> bool:
    """Whether a scenario changes the weights that the cases came with."""
    return any(scenario.weights and scenario.scheme is None for scenario in scenarios)


def plus(one: npt.NDArray[np.int64], two: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Sums of counts by DRG, of which later ones may know more DRGs."""
    whole = np.zeros(max(one.size, two.size), dtype=np.int64)
    whole[: one.size] += one
    whole[: two.size] += two
    return whole


def _with_costs(columns: PaymentColumns, factor: float) -> PaymentColumns:
    if factor == 1.0:
        return columns
    known = columns.cost != MISSING_FEN
    changed = to_fen(np.where(known, columns.cost, 0) / 100.0 * factor)
    return replace(columns, cost=np.where(known, changed, MISSING_FEN))
