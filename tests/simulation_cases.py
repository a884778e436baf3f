"""Cases and scenarios that the simulation's tests share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from hypothesis import strategies as st

from drg_engine.payment import PaymentColumns
from drg_engine.policy import Policy, load_policy
from drg_engine.scenario import Layer, Scenario, WeightChange
from drg_engine.simulation import Regrouped, SchemeChange, Simulation

DATA = Path(__file__).parent / "data" / "payment"
DRGS = ("AA11", "BB13", "CC15", "DD29", "0000")
WEIGHTS = np.array([0.5, 1.0, 2.0, np.nan, np.nan])
NEW_DRGS = ("AA19", "BB13", "CC11", "0000")
NEW_WEIGHTS = np.array([0.6, 1.1, 2.5, np.nan])


def policy(name: str = "rate_example", **changes: Any) -> Policy:
    loaded = load_policy(DATA / f"{name}.toml")
    dotted = {key.replace("__", "."): value for key, value in changes.items()}
    return loaded.with_changes(dotted) if dotted else loaded


def columns(*rows: dict[str, Any], weights: Any = WEIGHTS) -> PaymentColumns:
    """Cases from dictionaries; charges and cost in yuan."""
    made = []
    for number, row in enumerate(rows):
        base: dict[str, Any] = {"case_id": f"{number:04d}", "drg": "BB13", "insurance": "310"}
        base |= {"charges": 9_000, "cost": None, "los": 7, "principal_dx": "A00.000", "level": 3}
        base |= {"hospital": "甲", "department": "D1", "doctor": "Z1"} | row
        code = DRGS.index(base["drg"])
        base["status"] = row.get("status", 2 if base["drg"] == "0000" else 0)
        base["weight"] = weights[code]
        for name in ("charges", "cost"):
            base[name] = None if base[name] is None else round(float(base[name]) * 100)
        made.append(base)
    return PaymentColumns.from_frame(pd.DataFrame(made, dtype=object), DRGS)


def regrouped(cases: PaymentColumns) -> Any:
    """A second scheme: AA11 → AA19, CC15 → CC11, DD29 → BB13, the rest as it was."""
    moved = np.array([0, 1, 2, 1, 3], dtype=np.int32)

    def again(change: SchemeChange) -> Regrouped:
        weights = NEW_WEIGHTS if change.name != "bare" else np.full(4, np.nan)
        names = tuple(f"组{code}" for code in NEW_DRGS)
        return Regrouped(cases.status, moved[cases.drg], NEW_DRGS, names, weights)

    return again


def simulation(cases: PaymentColumns, base: Policy | None = None) -> Simulation:
    return Simulation(
        cases, base or policy(), scheme="old", weights=WEIGHTS, regroup=regrouped(cases)
    )


def scenario(name: str = "s", changes: dict[str, Any] | None = None, **more: Any) -> Scenario:
    layers = (Layer(f"{name}.toml", changes),) if changes else ()
    return Scenario(name=name, title=name, layers=layers, **more)


_CASE = st.fixed_dictionaries(
    {
        "drg": st.sampled_from(DRGS),
        "charges": st.one_of(st.none(), st.integers(100, 8_000_000).map(lambda fen: fen / 100)),
        "cost": st.one_of(st.none(), st.integers(100, 6_000_000).map(lambda fen: fen / 100)),
        "insurance": st.sampled_from(["310", "390", "self"]),
        "department": st.sampled_from(["D1", "D2", None]),
        "hospital": st.sampled_from(["甲", "乙"]),
    }
)
case_rows = st.lists(_CASE, min_size=1, max_size=25)

_CHANGES = {
    "rates.310": st.sampled_from([9_500.0, 12_345.67]),
    "rates.390": st.sampled_from([7_777.77]),
    "coefficient.default": st.sampled_from([0.95, 1.1]),
    "coefficient.by_hospital.甲": st.sampled_from([1.2]),
    "low.bound": st.sampled_from([0.0, 0.3, 0.5]),
    "low.mode": st.sampled_from(["standard", "ratio_standard"]),
    "high.bound": st.sampled_from([1.5, 2.5]),
    "high.share": st.sampled_from([0.0, 0.5]),
    "high.cap_share": st.sampled_from([0.1, 0.5]),
    "ungrouped": st.just({"mode": "share", "share": 0.7}),
}


@st.composite
def scenarios(draw: Any) -> Scenario:
    keys = draw(st.lists(st.sampled_from(sorted(_CHANGES)), unique=True, max_size=5))
    changes = {key: draw(_CHANGES[key]) for key in keys}
    regroup = draw(st.booleans())
    factors = {"BB13": draw(st.sampled_from([0.9, 1.0, 1.3]))}
    rescale, scale = draw(st.booleans()), draw(st.sampled_from([1.0, 1.07]))
    weight = WeightChange(factors=factors, scale=scale, rescale=rescale)
    return scenario(
        "random",
        changes,
        scheme=SchemeChange("new") if regroup else None,
        weights=(weight,) if draw(st.booleans()) else (),
        cost_factor=draw(st.sampled_from([1.0, 0.95])),
        point_value=draw(st.sampled_from(["as_policy", "closed"])),
        order=tuple(draw(st.permutations(["weights", "rates", "coefficient", "outlier"]))),
    )
