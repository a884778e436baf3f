"""Sweeps over parameters, break-even by DRG, and the rate that spends the same (payment.md §8)."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from drg_engine.errors import Fault, PolicyError
from drg_engine.money import to_fen
from drg_engine.payment import KINDS, MISSING_FEN
from drg_engine.payment_standard import Rows, compile_lookups
from drg_engine.policy import Policy
from drg_engine.scenario import Layer, Scenario, WeightChange
from drg_engine.simulation import Simulation, State, points_by_type
from drg_engine.simulation_cells import exact_sums
from drg_engine.simulation_parts import Part
from drg_engine.simulation_tables import totals, totals_row

__all__ = ["Axis", "Neutral", "breakeven", "neutral", "parse_axis", "sweep"]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

_MOST_POINTS = 10_000
_BY_STANDARD = [KINDS.index(name) for name in ("normal", "low", "high")]
_STEPS = 60


@dataclass(frozen=True, slots=True)
class Axis:
    """One parameter of a sweep.

    ``key``: a dotted key of the policy; ``factors.<key>`` multiplies what stands there;
    ``weights.scale`` multiplies all weights; ``cost.percent`` moves costs by per cent.
    """

    key: str
    values: tuple[Any, ...]


def parse_axis(text: str) -> Axis:
    """Read ``low.bound=0.3:0.5:0.05`` (both ends belong to it) or ``low.mode="standard","…"``.

    Steps are decimal, so that 0.3:0.5:0.05 ends at 0.5.  Raises PolicyError.
    """
    key, sign, listed = text.partition("=")
    key = key.strip()
    try:
        if not sign or not key:
            raise ValueError
        parts = listed.split(":")
        values = _range(*parts) if len(parts) == 3 else _listed(listed)
        if not 0 < len(values) <= _MOST_POINTS:
            raise ValueError
    except (ValueError, InvalidOperation, tomllib.TOMLDecodeError) as error:
        mend = "写作 键=起:止:步长 或 键=值,值,值"
        raise PolicyError("扫描的参数有误", [Fault(text, "读不懂", mend=mend)]) from error
    return Axis(key, values)


def _range(first: str, last: str, step: str) -> tuple[Any, ...]:
    start, stop, by = (Decimal(part.strip()) for part in (first, last, step))
    if by == 0 or (stop - start) / by < 0:
        raise ValueError
    count = int((stop - start) // by) + 1
    whole = all("." not in part and "e" not in part.lower() for part in (first, last, step))
    made = [start + by * place for place in range(min(count, _MOST_POINTS + 1))]
    return tuple(int(value) if whole else float(value) for value in made)


def _listed(text: str) -> tuple[Any, ...]:
    return tuple(tomllib.loads(f"v = [{text}]")["v"])


def sweep(
    simulation: Simulation, axes: Sequence[Axis], scenario: Scenario | None = None
) -> pd.DataFrame:
    """What the cases come to on each point of a grid of one or two parameters.

    scenario: the axes go over it.  Rows in the order of the axes' values; columns: the axes' keys,
    then those of simulation_tables.totals_row, against the simulation's baseline.
    """
    if not 1 <= len(axes) <= 2:
        raise PolicyError("扫描只能有一个或两个参数")
    base = totals(simulation.base)
    rows = []
    for point in product(*(axis.values for axis in axes)):
        placed = dict(zip((axis.key for axis in axes), point, strict=True))
        steps = [_step(key, value) for key, value in placed.items()]
        outcome = simulation.run(*([scenario] if scenario else []), *steps)
        rows.append(placed | totals_row(totals(outcome.after), base))
    return pd.DataFrame(rows)


def _step(key: str, value: Any) -> Scenario:
    made = Scenario(name=key, title=f"{key} = {value}")
    if key == "weights.scale":
        return replace(made, weights=(WeightChange(scale=_positive(key, value)),))
    if key == "cost.percent":
        return replace(made, cost_factor=_positive(key, 1.0 + value / 100.0))
    if key.startswith("factors."):
        factors = {key.removeprefix("factors."): _positive(key, value)}
        return replace(made, layers=(Layer("sweep", factors=factors),))
    return replace(made, layers=(Layer("sweep", {key: value}),))


def _positive(key: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
        raise PolicyError("扫描的参数有误", [Fault(key, "须是正数", found=str(value))])
    return float(value)


def breakeven(state: State) -> pd.DataFrame:
    """Where each DRG turns, over its cases that have a standard and are within scope.

    drg, cases; mean_charges_fen and ratio now (Σ C / Σ D, D the ratio's denominator, S or A);
    turn_charges_fen and turn_ratio at which the formula's surplus is nil (mean S, Σ S / Σ D); room
    by which charges may rise; bound: the smallest K of its cases.  The same by cost, where cases
    have one, a case's cost being its present share of its charges: cost_turn_charges_fen,
    cost_turn_ratio, cost_room.  ``beyond``: that ratio is over K, where other rules pay.
    """
    columns, settled = state.columns, state.settlement
    rows = np.flatnonzero(np.isin(settled.kind, _BY_STANDARD) & (settled.standard > 0))
    count = len(columns.drg_codes)
    drg, charges, standard = columns.drg[rows], columns.charges[rows], settled.standard[rows]
    below = standard
    for part in state.parts:
        policy = part.change.policy
        if policy.rules.standard.ratio_of == "mean":
            theirs = slice(None) if part.base.rows is None else np.isin(rows, part.base.rows)
            found = Rows(columns, rows[theirs], compile_lookups(columns, policy), policy).mean()
            below = below.copy()
            below[theirs] = to_fen(np.where(np.isfinite(found), found, 0.0))
    bounds = np.full(count, np.inf)
    np.fmin.at(bounds, drg, settled.bound[rows])
    cases = np.bincount(drg, minlength=count)
    c, s, d = (exact_sums(drg, values, count) for values in (charges, standard, below))
    cost = columns.cost[rows]
    costed = cost != MISSING_FEN
    cost_c = exact_sums(drg, np.where(costed, charges, 0), count)
    cost_share = _over(exact_sums(drg, np.where(costed, cost, 0), count), cost_c)
    cost_share = np.where(cost_share > 0, cost_share, np.nan)
    at = np.flatnonzero(cases)
    order = at[np.argsort(np.array(columns.drg_codes)[at], kind="stable")]
    mean, turn = _over(c, cases), _over(s, cases)
    frame = pd.DataFrame(
        {
            "drg": np.array(columns.drg_codes, dtype=object),
            "cases": cases.astype(np.int64),
            "mean_charges_fen": _fen(mean),
            "ratio": _over(c, d),
            "turn_charges_fen": _fen(turn),
            "turn_ratio": _over(s, d),
            "room": _over(s, c) - 1.0,
            "cost_turn_charges_fen": _fen(turn / cost_share),
            "cost_turn_ratio": _over(s, d) / cost_share,
            "cost_room": _over(s, c) / cost_share - 1.0,
            "bound": np.where(np.isfinite(bounds), bounds, np.nan),
        }
    )
    frame["beyond"] = frame["cost_turn_ratio"] > frame["bound"]
    return frame.iloc[order].reset_index(drop=True)


@dataclass(frozen=True, slots=True, eq=False)
class Neutral:
    """The rate that spends the same as the baseline.

    ``table``: policy (its name, where there are several), insurance, base_price (BR0 or point
    value), base_rw, rw (Σ RW of in-scope cases), neutral_price = base_price · Σ RW0 / Σ RW1
    (payment.md §8), price, solved_price.  ``factor`` on the scenario's prices brings Σ paid, every
    rule applied, nearest to the baseline's; ``remaining`` fen are left (bounds make Σ paid jump).
    """

    table: pd.DataFrame
    factor: float
    paid_fen: int
    remaining: int


def neutral(simulation: Simulation, scenario: Scenario) -> Neutral:
    """Find the rates (or point values) under which a scenario spends what the baseline does."""
    outcome = simulation.run(scenario)
    pairs = list(zip(outcome.base.parts, outcome.after.parts, strict=True))
    methods = {part.change.policy.rules.standard.method for pair in pairs for part in pair}
    if len(methods) > 1 or methods == {"table"}:
        raise PolicyError("求持平费率只用于同一种费率法或点数法")
    key = "points.values" if methods == {"points"} else "rates"
    target = totals(outcome.base).paid_fen

    def left(factor: float) -> int:
        changes = [
            replace(part.change, policy=_multiplied(part.change.policy, key, factor))
            for _, part in pairs
        ]
        return totals(simulation.changed(changes, outcome.after.scheme)).paid_fen - target

    factor, remaining = _solved(left)
    rows = [row for pair in pairs for row in _neutral_rows(*pair, key=key, factor=factor)]
    table = pd.DataFrame(rows)
    if len(pairs) == 1 and not table.empty:
        table = table.drop(columns="policy")
    return Neutral(table, factor, target + remaining, remaining)


def _neutral_rows(old: Part, new: Part, *, key: str, factor: float) -> list[dict[str, Any]]:
    """The prices of one policy by insurance type."""
    one, two = old.change.policy, new.change.policy
    before, after = _prices(one, key), _prices(two, key)
    weights = [
        points_by_type(
            part.change.columns,
            part.change.policy,
            weights=part.change.weights,
            coefficient=False,
        )
        for part in (old, new)
    ]
    scale = one.rules.points.scale, two.rules.points.scale
    rows = []
    for name in sorted(set(before) & set(after) & set(weights[0])):
        rw = [found[name] / by for found, by in zip(weights, scale, strict=True)]
        rows.append(
            {
                "policy": one.name,
                "insurance": name,
                "base_price": before[name],
                "base_rw": rw[0],
                "rw": rw[1],
                "neutral_price": before[name] * rw[0] / rw[1] if rw[1] > 0 else float("nan"),
                "price": after[name],
                "solved_price": after[name] * factor,
            }
        )
    return rows


def _prices(policy: Policy, key: str) -> dict[str, float]:
    return dict(policy.rules.rates if key == "rates" else policy.rules.points.values)


def _multiplied(policy: Policy, key: str, factor: float) -> Policy:
    """The policy with all its prices multiplied, given."""
    fresh = {f"{key}.{name}": value * factor for name, value in _prices(policy, key).items()}
    return policy.with_changes({"points.find": "given"} | fresh if key != "rates" else fresh)


def _solved(left: Any) -> tuple[float, int]:
    """Factor at which ``left`` (fen, rising) is nearest to 0, by halving; the first one wins."""
    tried: dict[float, int] = {1.0: left(1.0)}
    low = high = 1.0
    while tried[low] > 0 and low > 1e-3:
        low /= 2.0
        tried[low] = left(low)
    while tried[high] < 0 and high < 1e3:
        high *= 2.0
        tried[high] = left(high)
    for _ in range(_STEPS):
        if 0 in tried.values():
            break
        middle = (low + high) / 2.0
        tried[middle] = left(middle)
        low, high = (low, middle) if tried[middle] > 0 else (middle, high)
        if high - low < 1e-13:
            break
    best = min(tried, key=lambda factor: (abs(tried[factor]), abs(factor - 1.0)))
    return best, tried[best]


def _over(above: npt.ArrayLike, below: npt.ArrayLike) -> Floats:
    top, bottom = np.asarray(above, dtype=np.float64), np.asarray(below, dtype=np.float64)
    out = np.full(top.shape, np.nan)
    return np.asarray(np.divide(top, bottom, out=out, where=bottom != 0), dtype=np.float64)


def _fen(mean: Floats) -> Ints:
    """Means in fen, rounded; MISSING_FEN where there is none."""
    known = np.isfinite(mean)
    return np.where(known, to_fen(np.where(known, mean, 0.0) / 100.0), MISSING_FEN)
