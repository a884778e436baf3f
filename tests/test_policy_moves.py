"""Every key of a policy moves an output: the keys are enumerated from the model itself.

A key that is added to the model and to no list here fails, and so does one that moves nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pydantic import BaseModel, create_model

import drg_engine._policy_keys as policy_keys
from drg_engine._policy_fields import Section
from drg_engine._policy_fields import key as described
from drg_engine._policy_model import Low, PolicyRules
from drg_engine.indicators import header_figures
from drg_engine.payment import PaymentColumns
from drg_engine.payment_dated import settle_policies
from drg_engine.policy import Policy, catalogue, load_policy, policy_schema
from drg_engine.policy_files import FILE_KEYS

DATA = Path(__file__).parent / "data" / "payment"

TIERS = [{"upper": 1.0, "bound": 3.0}, {"upper": 2.0, "bound": 2.5}, {"bound": 2.0}]
PRICES = [{"drg": "BB13", "level": "3", "insurance": "310", "yuan": 9000.0}]
SCOPE = {"code": "x", "title": "试"}
BY_WEIGHT = {"high.by": "weight", "high.tiers": TIERS}
TABLE = {"standard.method": "table", "standard.prices": [*PRICES, {"drg": "CC15", "yuan": 7.0}]}
MEAN = {"standard.overall_mean": 12_000.0}

BUDGET = {"points.budgets": {"310": 80_000.0}}
BED = {"code": "b", "title": "床日", "per_day": 300.0}
NEW = {"code": "n", "title": "新药", "column": "extra_drug", "means": {"BB13": 4_000.0}}
EXTRA = {"standard.overall_mean": 10_000.0, "extra": [NEW]}
TCM = {"tcm.drgs": ["BB13"], "tcm.minimum": 0.5, "tcm.otherwise": 0.5}

# key: (policy, what is set before, the key's new value)
MOVES: dict[str, tuple[str, dict[str, Any], Any]] = {
    "standard.method": ("rate", {"points.values": {"310": 99.0}}, "points"),
    "standard.ratio_of": ("rate", MEAN, "mean"),
    "standard.overall_mean": ("points", {}, 9_000.0),
    "standard.means": ("points", {}, {"BB13": 20_000.0}),
    "standard.prices[].drg": ("rate", TABLE, [{**PRICES[0], "drg": "AA11"}]),
    "standard.prices[].level": ("rate", TABLE, [{**PRICES[0], "level": "2"}]),
    "standard.prices[].insurance": ("rate", TABLE, [{**PRICES[0], "insurance": "390"}]),
    "standard.prices[].yuan": ("rate", TABLE, [{**PRICES[0], "yuan": 9_001.0}]),
    "rates": ("rate", {}, {"310": 10_001.0}),
    "points.scale": ("points", {}, 10.0),
    "points.values": ("points", {}, {"310": 77.0}),
    "coefficient.default": ("rate", {}, 1.1),
    "coefficient.by_level": ("rate", {}, {"3": 1.1}),
    "coefficient.by_hospital": ("rate", {}, {"甲": 1.1}),
    "coefficient.by_drg": ("rate", {}, {"BB13": {"3": 1.1}}),
    "coefficient.base_list": ("rate", {"coefficient.default": 1.1}, ["BB13"]),
    "coefficient.minimum": ("rate", {}, 1.1),
    "coefficient.maximum": ("rate", {}, 0.9),
    "scope[].los_over": ("rate", {}, [SCOPE | {"los_over": 19}]),
    "scope[].los_at_most": ("rate", {}, [SCOPE | {"los_at_most": 1}]),
    "scope[].charges_below": ("rate", {}, [SCOPE | {"charges_below": 900.0}]),
    "scope[].dx_prefixes": ("rate", {}, [SCOPE | {"dx_prefixes": ["A0"]}]),
    "scope[].insurances": ("rate", {}, [SCOPE | {"insurances": ["390"]}]),
    "scope[].drgs": ("rate", {}, [SCOPE | {"drgs": ["CC15"]}]),
    "ungrouped.mode": ("rate", {"ungrouped.share": 0.5}, "share"),
    "ungrouped.share": ("rate", {"ungrouped.mode": "share"}, 0.5),
    "ambiguous.mode": ("rate", {"ambiguous.share": 0.5}, "share"),
    "ambiguous.share": ("rate", {"ambiguous.mode": "share"}, 0.5),
    "no_weight.mode": ("rate", {"no_weight.share": 0.5}, "share"),
    "no_weight.share": ("rate", {"no_weight.mode": "share"}, 0.5),
    "low.bound": ("rate", {}, 0.3),
    "low.inclusive": ("rate", {}, True),
    "low.mode": ("rate", {}, "standard"),
    "high.by": ("rate", {"high.tiers": TIERS}, "weight"),
    "high.bound": ("rate", {}, 2.0),
    "high.levels": ("rate", {"high.by": "level", "high.levels": {"3": 3.0}}, {"3": 2.0}),
    "high.tiers[].upper": ("rate", BY_WEIGHT, [{"upper": 1.5, "bound": 3.0}, {"bound": 2.0}]),
    "high.tiers[].bound": ("rate", BY_WEIGHT, [{"bound": 2.0}]),
    "high.tier_inclusive": ("rate", BY_WEIGHT, True),
    "high.inclusive": ("rate", {}, True),
    "high.mode": ("rate", {}, "standard"),
    "high.share": ("rate", {}, 0.5),
    "high.cap_share": ("rate", {}, 0.05),
    "high.cap_of": ("rate", {"high.cap_share": 0.1}, "in_scope"),
    "points.find": ("points", BUDGET, "fund"),
    "points.budgets": ("points", BUDGET | {"points.find": "fund"}, {"310": 90_000.0}),
    "points.pooled": (
        "points",
        {"points.find": "fund", "points.budgets": {"310": 80_000.0, "390": 70_000.0}},
        True,
    ),
    "bed_day[].drgs": ("rate", {}, [BED | {"drgs": ["BB13"]}]),
    "bed_day[].dx_prefixes": ("rate", {}, [BED | {"dx_prefixes": ["A0"]}]),
    "bed_day[].los_over": ("rate", {}, [BED | {"los_over": 10}]),
    "bed_day[].per_day": ("rate", {"bed_day": [BED | {"los_over": 9}]}, [BED | {"los_over": 10}]),
    "review.column": ("rate", {}, "review_paid"),
    "review.cap_share": ("rate", {"review.column": "review_paid"}, 0.0),
    "readmission.days": ("rate", {}, 15),
    "readmission.factor": ("rate", {"readmission.days": 15}, 0.4),
    "readmission.except_dx": ("rate", {"readmission.days": 15}, ["K80"]),
    "extra[].column": ("rate", EXTRA, [NEW | {"column": "fee_tcm"}]),
    "extra[].charges_over": ("rate", EXTRA, [NEW | {"charges_over": 3.5}]),
    "extra[].share_over": ("rate", EXTRA, [NEW | {"share_over": 0.9}]),
    "extra[].means": ("rate", EXTRA, [NEW | {"means": {"BB13": 1.0}}]),
    "tcm.drgs": ("rate", {"tcm.minimum": 0.5, "tcm.otherwise": 0.5}, ["BB13"]),
    "tcm.column": ("rate", TCM, "extra_drug"),
    "tcm.minimum": ("rate", TCM, 0.001),
    "tcm.otherwise": ("rate", TCM, 0.6),
    "fund.way": ("rate", {}, "share"),
    "fund.k": ("rate", {"fund.way": "share"}, {"310": 0.8}),
    "fund.default_k": ("rate", {"fund.way": "proportional"}, 0.8),
    "fund.prepaid": ("rate", {}, 0.85),
    "fund.retained": ("rate", {}, 0.05),
    "policy.dated_by": ("rate", {"policy.effective_to": date(2026, 12, 1)}, "settlement"),
    "standard.prices_file": ("rate", TABLE, "prices_example.csv"),
    "standard.means_file": ("points", {}, "means_example.csv"),
    "coefficient.by_hospital_file": ("rate", {}, "hospitals_example.csv"),
    "coefficient.by_drg_file": ("rate", {}, "drg_levels_example.csv"),
    "coefficient.base_list_file": ("rate", {"coefficient.default": 1.1}, "drgs_example.csv"),
    "scope[].regions_outside": ("rate", {}, [SCOPE | {"regions_outside": ["230100"]}]),
    "scope[].listed": ("rate", {}, [SCOPE | {"listed": True}]),
    "scope[].dx_file": ("rate", {}, [SCOPE | {"dx_file": "dx_example.csv"}]),
    "scope[].drgs_file": ("rate", {}, [SCOPE | {"drgs_file": "drgs_example.csv"}]),
    "bed_day[].drgs_file": ("rate", {}, [BED | {"drgs_file": "drgs_example.csv"}]),
    "readmission.except_file": ("rate", {"readmission.days": 15}, "dx_example.csv"),
    "extra[].means_file": (
        "rate",
        EXTRA,
        [{**NEW, "means": {}, "means_file": "means_example.csv"}],
    ),
    "tcm.drgs_file": ("rate", {"tcm.minimum": 0.5, "tcm.otherwise": 0.5}, "drgs_example.csv"),
    "indicators.heavy_weight": ("rate", {}, 1.0),
    "indicators.accuracy_above": ("rate", {}, 0.8),
    "indicators.accuracy_below": ("rate", {}, 1.3),
}


AMOUNTS = (
    "review_paid",
    "fee_tcm",
    "extra_drug",
    "personal_pay",
    "own_expense",
    "pre_expense",
    "deductible",
)


def telling_cases() -> PaymentColumns:
    """Cases at and around every bound of the example policies."""
    charges = [2_500, 3_500, 35_000, 4_000, 9_000, 8_500, 12_000, 26_000, 30_000, 40_000, 800]
    rows = [
        {"drg": "BB13", "weight": 1.0, "insurance": "310", "charges": yuan * 100, "los": 5 + i}
        for i, yuan in enumerate(charges)
    ]
    rows += [
        {"drg": "CC15", "weight": 2.0, "insurance": "310", "charges": 5_000_000, "los": 1},
        {"drg": "BB13", "weight": 1.0, "insurance": "390", "charges": 750_000, "los": 20},
        {"drg": "0000", "status": 2, "insurance": "310", "charges": 500_000, "los": 5},
        {"drg": "AQY", "status": 1, "insurance": "310", "charges": 500_000, "los": 5},
        {"drg": "DD29", "insurance": "310", "charges": 500_000, "los": 5},
        *({"drg": "BB13", "weight": 1.0, "insurance": "self", "charges": 1, "los": 5},) * 10,
    ]
    frame = pd.DataFrame(rows).assign(level=3, hospital="甲", principal_dx="K80.100")
    frame.loc[5, "principal_dx"] = "A00.000"
    frame["person_id"] = [f"人{i // 2}" for i in range(len(frame))]
    frame["admission_date"] = np.datetime64("2026-10-01") + np.arange(len(frame)) * 10
    frame["discharge_date"] = np.datetime64("2026-10-06") + np.arange(len(frame)) * 10
    frame["review_paid"] = None
    frame.loc[2, "review_paid"] = 3_300_000
    frame["fee_tcm"] = 5_000
    frame["extra_drug"] = frame["charges"] // 10 * 8
    frame["personal_pay"] = 100_000
    frame["own_expense"], frame["pre_expense"], frame["deductible"] = 10_000, 5_000, 80_000
    frame["case_id"] = [f"{i:03d}" for i in range(len(frame))]
    frame["settlement_date"] = frame["discharge_date"] + np.timedelta64(90, "D")
    frame["region"] = "230100"
    frame.loc[7, "region"] = "110000"
    frame["scope_list"] = None
    frame.loc[8, "scope_list"] = "x"
    drgs = ["AA11", "BB13", "CC15", "DD29", "AQY", "0000"]
    return PaymentColumns.from_frame(frame, drgs, amounts=AMOUNTS)


def in_time(policy: Policy) -> list[Policy]:
    """The policy and, where it ends, one that pays half as much again after it."""
    _, end = policy.span()
    if end is None:
        return [policy]
    after = {"policy.effective_from": end, "policy.effective_to": None, "coefficient.default": 1.5}
    return [policy, policy.with_changes(after)]


def outcome(policy: Policy) -> tuple[Any, ...]:
    dated = settle_policies(telling_cases(), in_time(policy))
    settled, split = dated.whole, dated.fund()
    figures = header_figures(settled)
    return (
        settled.kind.tolist(),
        settled.paid.tolist(),
        settled.standard.tolist(),
        split.fund.tolist(),
        split.prepaid.tolist(),
        split.retained.tolist(),
        figures.rw2_share,
        figures.control_accuracy,
    )


def moves(key: str, said: tuple[str, dict[str, Any], Any]) -> bool:
    """Whether the key's new value changes what comes out."""
    name, before, value = said
    base = load_policy(DATA / f"{name}_example.toml").with_changes(before)
    return outcome(base) != outcome(base.with_changes({key.partition("[]")[0]: value}))


def keys_of_the_model(model: type[BaseModel], head: str = "") -> Iterator[str]:
    """Every key of the pydantic model, walked here without the engine's own catalogue."""
    for name, field in model.model_fields.items():
        place = f"{head}.{name}" if head else name
        texts = str(field.annotation)
        inner = [
            one
            for one in (field.annotation, *getattr(field.annotation, "__args__", ()))
            if isinstance(one, type) and issubclass(one, BaseModel)
        ]
        if inner:
            yield from keys_of_the_model(inner[0], place + ("[]" if "tuple" in texts else ""))
        else:
            yield place


LABELS = {
    "policy.name", "policy.title", "policy.authority", "policy.document", "policy.effective_from",
    "policy.effective_to", "policy.source", "policy.notes", "scope[].code", "scope[].title",
    "bed_day[].code", "bed_day[].title", "extra[].code", "extra[].title", "sources",
}  # fmt: skip


def test_every_key_of_the_model_is_moved_or_a_label() -> None:
    assert set(keys_of_the_model(PolicyRules)) == set(MOVES) | LABELS


def test_the_catalogue_and_the_schema_hold_the_same_keys() -> None:
    known = catalogue()
    inner = {key for key in known if known[key].range not in ("一节", "若干节")}
    assert inner == set(keys_of_the_model(PolicyRules))
    assert {key for key in inner if known[key].pays} == set(MOVES)
    schema = policy_schema()
    assert set(schema["properties"]) == set(PolicyRules.model_fields)
    assert set(schema["$defs"]["Low"]["properties"]) == set(Low.model_fields)


def test_every_file_key_of_the_model_is_read() -> None:
    assert {key for key in keys_of_the_model(PolicyRules) if key.endswith("_file")} == set(
        FILE_KEYS
    )


def test_a_new_key_that_nobody_lists_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    low = create_model("Low", __base__=Low, silent=(float, described(1.0, title="静", why="静")))
    grown = create_model("Rules", __base__=PolicyRules, low=(low, described(low(), title="低")))
    assert set(keys_of_the_model(grown)) - set(MOVES) - LABELS == {"low.silent"}
    monkeypatch.setattr(policy_keys, "PolicyRules", grown)
    fresh = getattr(catalogue, "__wrapped__", catalogue)  # not what was kept of the real model
    assert "low.silent" in fresh()
    assert issubclass(low, Section)


@pytest.mark.parametrize("key", MOVES)
def test_key_moves_an_output(key: str) -> None:
    assert moves(key, MOVES[key])


@pytest.mark.parametrize("key", ["policy.notes", "policy.authority"])
def test_a_key_that_moves_nothing_is_found(key: str) -> None:
    assert not moves(key, ("rate", {}, "另一段话"))


def test_nothing_moves_by_itself() -> None:
    policy = load_policy(DATA / "rate_example.toml")
    assert outcome(policy) == outcome(policy)
    assert np.isfinite(outcome(policy)[-1])
