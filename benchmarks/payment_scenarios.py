"""A hundred scenarios as an analyst tries them: every kind of change, alone and stacked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from drg_engine.scenario import Layer, Scenario, WeightChange, stack
from grouper_tables import Scheme

__all__ = ["hundred_scenarios"]

_TIERS = ((1.0, 3.0), (2.0, 2.5), (3.0, 2.0), (5.0, 1.5), (None, 1.3))


def hundred_scenarios(scheme: Scheme, count: int = 100) -> list[Scenario]:
    """Scenarios over payment_data.every_rule, each kind in turn, no two alike."""
    known = [code for code, w in zip(scheme.drg_codes, scheme.weights, strict=True) if w > 0]
    random = np.random.default_rng(7)
    edition = {code: float(random.uniform(0.8, 1.25)) for code in known}
    kinds: list[Callable[[int], Scenario]] = [
        lambda i: _keys(i, {"rates.310": 12_000.0 + i}),
        lambda i: _weights(i, factors={known[i % 50]: 1.1 + i / 1_000}),
        lambda i: _weights(i, factors={c: f * (1 + i / 1e4) for c, f in edition.items()}),
        lambda i: _keys(i, {f"coefficient.by_hospital.H{i % 40:02d}": 1.2 + i / 1_000}),
        lambda i: _keys(i, {"low.bound": 0.3 + i / 1_000}),
        lambda i: _keys(i, {"high.tiers": _tiers(i)}),
        lambda i: _keys(i, {"high.cap_share": 0.03 + i / 5_000}),
        lambda i: _keys(i, {"low.mode": "as_charged", "low.bound": 0.4 + i / 10_000}),
        lambda i: _keys(i, {"fund.way": "share", "fund.default_k": 0.5 + i / 1_000}),
        lambda i: stack(
            [
                _keys(i, {"rates.390": 9_000.0 + i}),
                _keys(i, {"low.bound": 0.35 + i / 10_000, "high.share": 0.5 + i / 1_000}),
            ],
            title=f"叠加 {i}",
        ),
        lambda i: _made(i, cost_factor=0.95 - i / 10_000),
        lambda i: _keys(i, {"readmission.days": 5 + i % 25, "review.cap_share": 0.002 + i / 1e5}),
        lambda i: stack(
            [
                _weights(i, factors={known[i % 70]: 0.9 - i / 1_000}),
                _keys(i, {f"coefficient.by_hospital.H{i % 39:02d}": 0.9 + i / 1_000}),
                _made(i, cost_factor=0.97 - i / 10_000),
            ],
            title=f"叠加 {i}",
        ),
    ]
    return [kinds[i % len(kinds)](i) for i in range(count)]


def _made(i: int, **more: Any) -> Scenario:
    return Scenario(name=f"s{i}", title=f"情景 {i}", **more)


def _keys(i: int, changes: dict[str, Any], factors: dict[str, float] | None = None) -> Scenario:
    return _made(i, layers=(Layer(f"s{i}.toml", changes, factors or {}),))


def _weights(i: int, **more: Any) -> Scenario:
    return _made(i, weights=(WeightChange(f"s{i}.toml", **more),))


def _tiers(i: int) -> list[dict[str, float]]:
    return [
        {"bound": bound + i / 1_000} | ({} if upper is None else {"upper": upper})
        for upper, bound in _TIERS
    ]
