"""How long cases stay, how they leave, what they are meant to cost, and who treats them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from drg_engine.demo.diagnoses import Coding
from drg_engine.demo.people import People
from drg_engine.demo.profile import Profile, Stream, chosen

__all__ = ["Stays", "make_stays", "treating_doctors"]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Texts = npt.NDArray[np.object_]

_LEVELS = ("none", "cc", "mcc")


@dataclass
class Stays:
    """n cases: days, way of leaving (1 to 5, 9), charges meant in yuan, doctor of the department.

    ``cancelled`` marks operations not done, ``early`` stays broken off.
    """

    los: Ints
    mode: Ints
    target: Floats
    doctor: Ints
    cancelled: npt.NDArray[np.bool_]
    early: npt.NDArray[np.bool_]


def treating_doctors(profile: Profile) -> Ints:
    """How many doctors of each ward treat in-patients."""
    doctors = profile.wards["doctors"].to_numpy(float) * profile.settings["doctors"]["treating"]
    return np.asarray(np.maximum(1, np.round(doctors)), dtype=np.int64)


def make_stays(rng: Stream, profile: Profile, coding: Coding, people: People) -> Stays:
    """Draw stays and charges: log-normal around what the group's weight would earn."""
    settings = profile.settings
    wards = profile.wards
    department = people.department
    n = len(department)
    relative = coding.weight / _mean_by(department, coding.weight, len(wards))[department]
    expected = (
        wards["los"].to_numpy(float)[department] * relative ** settings["stay"]["weight_power"]
    )
    spread = settings["stay"]["sd"]
    drawn = expected * np.exp(rng.normal(-spread * spread / 2, spread, n))
    doctor, effect = _doctors(rng, profile, department)
    long_stay, cancelled, early, high = _kinds(rng, settings, n)
    low, top = settings["out_of_scope"]["long_days"]
    los = np.maximum(1, np.round(drawn)).astype(np.int64)
    los = np.where(high, np.round(los * settings["stay"]["high_factor"]).astype(np.int64), los)
    los = np.where(
        early,
        np.maximum(1, np.minimum(los, rng.integers(1, settings["stay"]["early"] + 1, n))),
        los,
    )
    los = np.where(
        long_stay, rng.integers(low, top, n), np.minimum(los, settings["stay"]["longest"])
    )
    los = np.where(cancelled, rng.integers(1, 3, n), los)
    target = _charges(rng, settings, coding.weight, drawn / expected)
    target *= wards["charge_bias"].to_numpy(float)[department] * effect
    for rows, name in ((early, "low_factor"), (high, "high_factor")):
        least, most = settings["charges"][name]
        target = np.where(rows, target * rng.uniform(least, most, n), target)
    target = np.where(long_stay, target * settings["out_of_scope"]["long_factor"], target)
    least, most = settings["out_of_scope"]["cancelled_charges"]
    target = np.where(cancelled, rng.uniform(least, most, n), target)
    mode = _modes(rng, profile, coding, department, early | cancelled)
    return Stays(los, mode, target, doctor, cancelled, early)


def _mean_by(groups: Ints, values: Floats, size: int) -> Floats:
    counts = np.bincount(groups, minlength=size)
    return np.bincount(groups, weights=values, minlength=size) / np.maximum(counts, 1)


def _doctors(rng: Stream, profile: Profile, department: Ints) -> tuple[Ints, Floats]:
    """Doctor of each case within the department, and his or her lasting effect on charges."""
    treating = treating_doctors(profile)
    share = rng.random(len(department)) ** 1.25
    doctor = np.minimum((share * treating[department]).astype(np.int64), treating[department] - 1)
    effects = rng.normal(0.0, profile.settings["charges"]["doctor_sd"], (len(treating), 64))
    return doctor, np.exp(effects[department, doctor])


def _kinds(rng: Stream, settings: Mapping[str, Any], n: int) -> list[npt.NDArray[np.bool_]]:
    """Long stay, operation not done, broken off, very dear: disjoint."""
    shares = [
        settings["out_of_scope"]["long_share"],
        settings["out_of_scope"]["cancelled_share"],
        settings["charges"]["low_share"],
        settings["charges"]["high_share"],
    ]
    edges = np.cumsum(shares)
    place = np.searchsorted(edges, rng.random(n), side="right")
    return [place == kind for kind in range(len(shares))]


def _charges(rng: Stream, settings: Mapping[str, Any], weight: Floats, stay: Floats) -> Floats:
    """Yuan around weight × rate; a stay longer than expected costs more."""
    tiers = settings["charges"]["tiers"]
    uppers = np.array([tier["upper"] for tier in tiers])
    spreads = np.array([tier["sd"] for tier in tiers])
    place = np.minimum(np.searchsorted(uppers, weight, side="right"), len(tiers) - 1)
    spread = spreads[place]
    rate = settings["charges"]["yuan_per_weight"]
    power = settings["stay"]["charge_power"]
    noise = np.exp(rng.normal(-spread * spread / 2, spread))
    return np.asarray(weight * rate * noise * stay ** (power * spread / spreads.max()))


def _modes(
    rng: Stream,
    profile: Profile,
    coding: Coding,
    department: Ints,
    early: npt.NDArray[np.bool_],
) -> Ints:
    settings = profile.settings["discharge_modes"]
    n = len(department)
    mode = np.empty(n, dtype=np.int64)
    for rows, shares in ((~early, settings["shares"]), (early, settings["early"])):
        names = np.array([int(name) for name in shares])
        mode[rows] = names[chosen(rng, list(shares.values()), int(rows.sum()))]
    factor = np.array([settings["deaths"][name] for name in _LEVELS])[coding.severity]
    rate = profile.wards["deaths_per_mille"].to_numpy(float)[department] / 1000
    died = (rng.random(n) < np.minimum(rate * factor, 0.6)) & ~early
    return np.where(died, 5, mode)
