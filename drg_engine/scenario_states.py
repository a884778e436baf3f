"""The states that scenarios lead to, told without the cases: policies, weights, scheme, costs.

A baseline has one policy or several, each paying the cases of its time; a state changes each of
them.  What must be known of the cases (points, numbers by DRG) is given as sums.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel

from drg_engine.attribution import SECTIONS
from drg_engine.errors import Fault, PolicyError
from drg_engine.payment_points import PointSums, is_found
from drg_engine.policy import Policy
from drg_engine.scenario import (
    PART_TITLES,
    Scenario,
    SchemeChange,
    Step,
    changed_policy,
    check_dates,
    covers,
)
from drg_engine.scenario_weights import changed_weights
from drg_engine.settle_phases import priced

__all__ = [
    "CaseFacts",
    "Planned",
    "StreamState",
    "planned",
    "scheme_key",
    "with_changed",
    "with_scenario",
    "with_values",
]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Weights = tuple[Floats | None, ...]


@dataclass(frozen=True, slots=True, eq=False)
class StreamState:
    """What cases are settled by.

    ``policies``: point values given, in the order of the baseline's; ``weights``: by DRG for each
    policy, None for the cases' own; ``scheme``: the one they are grouped by, None as they came.
    """

    policies: tuple[Policy, ...]
    weights: Weights
    scheme: SchemeChange | None = None
    cost_factor: float = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class CaseFacts:
    """What planning needs to know of the cases.

    ``codes``, ``weights``, by policy ``counts`` of grouped cases: by DRG, for the cases as they
    came (key "") and as other schemes group them (key of the scheme).
    """

    codes: Mapping[str, tuple[str, ...]]
    weights: Mapping[str, Floats]
    counts: Mapping[str, Sequence[Ints]]
    names: Mapping[str, str]


@dataclass(frozen=True, slots=True, eq=False)
class Planned:
    """A scenario with the states on its way: each part that changes something, the last is it."""

    scenario: Scenario
    steps: tuple[tuple[str, StreamState], ...]
    order: tuple[str, ...]


def scheme_key(change: SchemeChange | None) -> str:
    """Name of a scheme and its options; "" for the cases as they came."""
    if change is None:
        return ""
    return repr((change.name, sorted(change.options.items())))


def with_changed(policies: Sequence[Policy], scenarios: Sequence[Scenario]) -> list[Policy]:
    """The policies and what every scenario makes of each, for the columns and DRGs they name.

    Raises PolicyError where the changes make no policy.
    """
    changed = [changed_policy(one, policy) for one in scenarios for policy in policies]
    return [*policies, *changed]


def with_scenario(base: StreamState, scenario: Scenario, facts: CaseFacts) -> StreamState:
    """The baseline under a scenario; its point values may still have to be found (with_values).

    Raises PolicyError where the changes make no policy, weights are of another edition, a new
    scheme has none, or its dates meet no policy.
    """
    check_dates(scenario, base.policies)
    key = scheme_key(scenario.scheme)
    own = facts.weights[key]
    weights: list[Floats] = [own] * len(base.policies)
    for change in scenario.weights:
        meant = [covers(change, policy) for policy in base.policies]
        listed = [n for n, on in zip(facts.counts[key], meant, strict=True) if on]
        counts = np.sum(listed or [facts.counts[key][0]], axis=0)
        weights = [
            changed_weights(held, facts.codes[key], change, counts, scheme=facts.names[key])
            if on
            else held
            for held, on in zip(weights, meant, strict=True)
        ]
    if scenario.scheme is not None and not all(np.isfinite(one).any() for one in weights):
        mend = "请在 [weights] 写明新方案的权重文件"
        fault = Fault(facts.names[key], "新方案没有权重，不能付费", column="scheme.name", mend=mend)
        raise PolicyError("情景不能运行", [fault])
    kept = tuple(
        one if scenario.scheme is not None or not np.array_equal(one, own, equal_nan=True) else None
        for one in weights
    )
    policies = tuple(changed_policy(scenario, policy) for policy in base.policies)
    return StreamState(policies, kept, scenario.scheme, scenario.cost_factor)


def with_values(
    scenario: Scenario,
    base: StreamState,
    after: StreamState,
    before_sums: Sequence[PointSums],
    after_sums: Sequence[PointSums],
) -> StreamState:
    """The state with its point values found, or its prices found again under a closed budget."""
    made = []
    for place, policy in enumerate(after.policies):
        if scenario.point_value == "closed":
            old = base.policies[place]
            made.append(_closed(old, policy, before_sums[place], after_sums[place]))
        elif scenario.point_value == "fixed" and is_found(policy):
            values = base.policies[place].rules.points.values
            made.append(policy.with_changes({"points.find": "given", "points.values": values}))
        else:
            made.append(priced(policy, after_sums[place]))
    return replace(after, policies=tuple(made))


def planned(
    base: StreamState, after: StreamState, scenario: Scenario, order: Sequence[Step], own: Floats
) -> Planned:
    """The states on the way to a scenario in the order of its parts.

    own: weights that a new scheme brings by itself (the baseline's where the scheme stays).
    """
    names = [name for name in ("scheme", *order) if _touched(base, after, name, own)]
    costs = after.cost_factor != 1.0
    steps: list[tuple[str, StreamState]] = []
    state = base
    for name in names if costs else names[:-1]:
        try:
            state = _with_step(state, after, name, own)
        except PolicyError as error:
            title = PART_TITLES[name]
            message = f"归因到“{title}”一步时不成其为政策，请换次序（attribution.order）"
            raise PolicyError(message, error.faults) from error
        steps.append((name, state))
    last = "cost" if costs else names[-1] if names else ""
    if last:
        steps.append((last, after))
    return Planned(scenario, tuple(steps), ("scheme", *order, "cost"))


def _touched(base: StreamState, after: StreamState, name: str, own: Floats) -> bool:
    if name == "scheme":
        return after.scheme is not None
    if name == "weights":
        if after.scheme is not None and not np.isfinite(own).any():
            return False
        return any(
            one is not None and not np.array_equal(one, own, equal_nan=True)
            for one in after.weights
        )
    pairs = zip(base.policies, after.policies, strict=True)
    return any(dict(_sections(one, two, name)) for one, two in pairs)


def _with_step(state: StreamState, after: StreamState, name: str, own: Floats) -> StreamState:
    if name == "scheme":
        weights = after.weights
        if np.isfinite(own).any():
            weights = (own,) * len(after.weights)
        return replace(state, scheme=after.scheme, weights=weights)
    if name == "weights":
        return replace(state, weights=after.weights)
    made = []
    for policy, two in zip(state.policies, after.policies, strict=True):
        sections = dict(_sections(policy, two, name))
        made.append(policy.with_changes(sections) if sections else policy)
    return replace(state, policies=tuple(made))


def _sections(one: Policy, two: Policy, step: str) -> Iterator[tuple[str, Any]]:
    """Sections of a step in which two policies differ, as the second has them."""
    names = next(listed for name, listed in SECTIONS.items() if name == step)
    for name in names:
        value = getattr(two.rules, name)
        if value != getattr(one.rules, name):
            yield name, _plain(value)


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(exclude_unset=True)
    return tuple(_plain(entry) for entry in value) if isinstance(value, tuple) else value


def _closed(base: Policy, policy: Policy, before: PointSums, after: PointSums) -> Policy:
    """Prices found again so that the standards of the cases come to what they were."""
    method = policy.rules.standard.method
    if method == "table" or method != base.rules.standard.method:
        message = "总额不变只用于同一种费率法或点数法"
        fault = Fault(policy.file, message, column="budget.point_value")
        raise PolicyError("情景不能运行", [fault])
    if is_found(policy):
        return priced(policy, after)
    rules = base.rules
    old = dict(rules.points.values if method == "points" else rules.rates)
    were, are = before.points(), after.points()
    types = [name for name in old if were.get(name, 0.0) > 0 and are.get(name, 0.0) > 0]
    if policy.rules.points.pooled and types:
        whole = sum(are[name] for name in types)
        price = sum(old[name] * were[name] for name in types) / whole
        fresh = dict.fromkeys(types, price)
    else:
        fresh = {name: old[name] * (were[name] / are[name]) for name in types}
    key = "points.values" if method == "points" else "rates"
    return policy.with_changes({key: old | fresh})
