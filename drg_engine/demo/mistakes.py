"""Coding errors and rows that cannot be read, planted so that the reports have something to say."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from drg_engine.demo.diagnoses import Coding
from drg_engine.demo.facts import SchemeFacts, rubric
from drg_engine.demo.people import People
from drg_engine.demo.profile import Profile, Stream, looked_up
from drg_engine.demo.stays import Stays

__all__ = ["Rejected", "miscode", "plant_rejected"]

Texts = npt.NDArray[np.object_]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Rejected:
    """Rows to be spoilt when written (places of cases)."""

    duplicated: Ints
    negative_stay: Ints
    newborn_without_days: Ints
    impossible_age: Ints


def miscode(
    rng: Stream, profile: Profile, facts: SchemeFacts, coding: Coding, people: People, stays: Stays
) -> None:
    """Spoil the codes of a few per cent of the cases in place; each is spoilt in one way only."""
    settings = profile.settings["mistakes"]
    n = len(coding.principal)
    order = rng.permutation(np.flatnonzero(~stays.cancelled))
    mdc = looked_up(coding.adrg, lambda name: facts.mdc_of[name])
    sexed = np.isin(mdc, list(profile.settings["sex_of_mdc"]))
    adult = people.age >= profile.settings["age_bands"]["young"]
    operated = coding.surgical & adult & (coding.others[:, 0] != "") & ~sexed
    medical = ~coding.surgical & adult & (coding.procedures[:, 0] == "") & ~sexed
    free = np.ones(n, dtype=bool)

    def take(name: str, fit: npt.NDArray[np.bool_]) -> Ints:
        rows: Ints = order[(fit & free)[order]][: round(settings[name] * n)]
        free[rows] = False
        return rows

    everyone = np.ones(n, dtype=bool)
    rows = take("contradicted_sex", sexed)
    people.sex[rows] = 3 - people.sex[rows]
    rows = take("wrong_principal", operated)
    coding.principal[rows], coding.others[rows, 0] = coding.others[rows, 0], coding.principal[rows]
    rows = take("stray_procedure", medical)
    coding.procedures[rows, 0] = rng.choice(settings["stray_procedures"], len(rows))
    rows = take("missing_principal", everyone)
    coding.principal[rows] = ""
    rows = take("unknown_code", everyone)
    coding.principal[rows] = [f"{rubric(code)}.999x99" for code in coding.principal[rows]]
    rows = take("clinical_code", everyone)
    coding.principal[rows] = _nearby(rng, facts.clinical, coding.principal[rows])
    rows = take("grey_code", everyone)
    coding.principal[rows] = _nearby(rng, facts.grey, coding.principal[rows])
    rows = take("external_cause", adult)
    coding.principal[rows] = rng.choice(settings["external_causes"], len(rows))
    rows = np.flatnonzero(stays.cancelled)
    codes = profile.settings["out_of_scope"]["cancelled_codes"]
    coding.others[rows, 0] = coding.principal[rows]
    coding.principal[rows] = rng.choice(codes, len(rows))
    coding.procedures[rows] = ""


def _nearby(rng: Stream, pool: tuple[str, ...], codes: Texts) -> list[str]:
    """For each code one of the pool from the same category, or any where there is none."""
    return [
        str(rng.choice([code for code in pool if code.startswith(rubric(own))] or list(pool)))
        for own in codes
    ]


def plant_rejected(
    rng: Stream, profile: Profile, people: People, los: Ints, scale: float
) -> Rejected:
    """Choose the rows that no reader may accept."""
    counts = {k: max(1, round(v * scale)) for k, v in profile.settings["rejected"].items()}
    order = rng.permutation(len(los))
    newborn = order[people.age_days[order] >= 0]
    grown = order[people.age_days[order] < 0]
    first, second = counts["duplicated"], counts["duplicated"] + counts["negative_stay"]
    return Rejected(
        duplicated=np.sort(grown[:first]),
        negative_stay=np.sort(grown[first:second]),
        impossible_age=np.sort(grown[second : second + counts["impossible_age"]]),
        newborn_without_days=np.sort(newborn[: counts["newborn_without_days"]]),
    )
