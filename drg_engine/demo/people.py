"""Sex, age, newborns' days and weights: who the patients are, fit for what they have."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt

from drg_engine.demo.facts import SchemeFacts
from drg_engine.demo.profile import Profile, Stream, chosen, looked_up, truncated_normal

__all__ = ["People", "choose_insurance", "make_people"]

Ints = npt.NDArray[np.int64]
Texts = npt.NDArray[np.object_]

_MISSING = -1


@dataclass
class People:
    """The patients of n cases: sex 1 or 2, age in years, days and grams -1 where none are kept."""

    department: Ints
    sex: Ints
    age: Ints
    age_days: Ints
    birth_weight: Ints


def make_people(
    rng: Stream, profile: Profile, facts: SchemeFacts, department: Ints, adrg: Texts
) -> People:
    """Draw the patients of the cases, by department and, where the data say so, by ADRG."""
    wards = profile.wards
    columns = ["male", "age_mean", "age_sd", "age_min", "age_max"]
    traits = wards[columns].to_numpy(float)[department]
    own = profile.people.reindex(adrg)[columns].to_numpy(float)
    child = (wards["age_max"].to_numpy(float) < 18)[department]
    traits = np.where(np.isnan(own) | child[:, None], traits, own)
    mdc = looked_up(adrg, lambda name: facts.mdc_of[name])
    for letter, share in profile.settings["sex_of_mdc"].items():
        traits[mdc == letter, 0] = share
    n = len(adrg)
    sex = np.where(rng.random(n) < traits[:, 0], 1, 2)
    years = truncated_normal(rng, traits[:, 1], traits[:, 2], traits[:, 3], traits[:, 4])
    newborn = profile.settings["newborn"]
    age = np.where(mdc == newborn["mdc"], 0, np.floor(years)).astype(np.int64)
    days, weight = _newborns(rng, newborn, facts, adrg, age)
    return People(department, sex.astype(np.int64), age, days, weight)


def _bound(facts: SchemeFacts, bound: str, adrg: str) -> int:
    return facts.bounds[adrg].get(bound, _MISSING)


def _newborns(
    rng: Stream, settings: dict[str, float], facts: SchemeFacts, adrg: Texts, age: Ints
) -> tuple[Ints, Ints]:
    """Days since birth under one year, and birth weight of newborns, within the ADRG's bounds."""
    n = len(adrg)
    last, low, high = (
        looked_up(adrg, partial(_bound, facts, bound))
        for bound in ("age_days_max", "birth_weight_min", "birth_weight_max")
    )
    newborn = last >= 0
    upper = np.where(newborn, np.minimum(last, int(settings["usual_days"])), 364)
    lower = np.where(newborn, 0, 29)
    days = lower + np.floor(rng.random(n) * (upper - lower + 1)).astype(np.int64)
    usual = rng.normal(settings["weight_mean"], settings["weight_sd"], n)
    usual = np.clip(usual, settings["weight_low"], settings["weight_high"])
    floor = np.maximum(low, int(settings["lightest"]))
    top = np.where(high >= 0, high, floor + 450)
    bounded = floor + rng.random(n) * (top - floor)
    grams = np.round(np.where(low >= 0, bounded, usual) / 10) * 10
    grams = np.where((high >= 0) & (grams > high), high, grams)
    return (
        np.where(age == 0, days, _MISSING),
        np.where(newborn & (age == 0), grams.astype(np.int64), _MISSING),
    )


def choose_insurance(rng: Stream, profile: Profile, age: Ints) -> Texts:
    """Insurance of each case, by the shares of its band of age."""
    bands = profile.settings["insurance"]["bands"]
    band = np.searchsorted([entry["below"] for entry in bands], age, side="right")
    result = np.empty(len(age), dtype=object)
    for place, entry in enumerate(bands):
        rows = np.flatnonzero(band == place)
        names = np.array(list(entry["shares"]), dtype=object)
        result[rows] = names[chosen(rng, list(entry["shares"].values()), len(rows))]
    return result
