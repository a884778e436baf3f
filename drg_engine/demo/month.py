"""The month put together: cases with codes, dates, people and charges; charge lines in full."""

from __future__ import annotations

import calendar
import datetime as dt
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from drg_engine.demo.diagnoses import Coding, choose_adrgs, code_cases
from drg_engine.demo.facts import SchemeFacts
from drg_engine.demo.items import FEES, Catalogue
from drg_engine.demo.lines import Lines, fees_of, inpatient_lines
from drg_engine.demo.mistakes import Rejected, miscode, plant_rejected
from drg_engine.demo.people import People, choose_insurance, make_people
from drg_engine.demo.profile import Profile, Stream, chosen, stream
from drg_engine.demo.stays import Stays, make_stays

__all__ = ["Month", "make_month", "month_days"]

Ints = npt.NDArray[np.int64]
Texts = npt.NDArray[np.object_]


@dataclass(frozen=True)
class Month:
    """A month's cases and their charge lines.  Dates are days since 1970-01-01; money is fen."""

    coding: Coding
    people: People
    stays: Stays
    rejected: Rejected
    discharge: Ints
    person: Ints
    insurance: Texts
    fees: dict[str, Ints]
    cost: Ints
    lines: Lines

    @property
    def n(self) -> int:
        """Number of cases."""
        return len(self.discharge)

    @property
    def charges(self) -> Ints:
        """Total charges of each case in fen: the sum of its fee classes."""
        return np.asarray(np.sum(list(self.fees.values()), axis=0), dtype=np.int64)


def month_days(period: str) -> tuple[int, int]:
    """First day of the month ``2026-10`` (days since 1970-01-01) and the number of its days."""
    year, month = (int(part) for part in period.split("-"))
    first = dt.date(year, month, 1).toordinal() - dt.date(1970, 1, 1).toordinal()
    return first, calendar.monthrange(year, month)[1]


def make_month(
    seed: int, period: str, scale: float, profile: Profile, facts: SchemeFacts, catalogue: Catalogue
) -> Month:
    """Make all cases of a month and the charge lines that their charges consist of."""
    total = max(1, round(profile.settings["volume"]["discharges"] * scale))
    department, adrg = choose_adrgs(stream(seed, "departments"), profile, total)
    people = make_people(stream(seed, "people"), profile, facts, department, adrg)
    coding = code_cases(stream(seed, "codes"), profile, facts, adrg, people)
    stays = make_stays(stream(seed, "stays"), profile, coding, people)
    lines = inpatient_lines(stream(seed, "lines"), profile, catalogue, coding, people, stays)
    rng = stream(seed, "month")
    discharge = _discharges(rng, profile, period, total)
    miscode(stream(seed, "mistakes"), profile, facts, coding, people, stays)
    person = _persons(rng, profile, people, stays, discharge)
    insurance = choose_insurance(rng, profile, people.age)[person]
    fee = catalogue.table["class"].map(FEES)
    fees = fees_of(catalogue, lines, fee, total)
    rejected = plant_rejected(stream(seed, "rejected"), profile, people, stays.los, scale)
    cost = _costs(rng, profile, people, np.sum(list(fees.values()), axis=0).astype(np.int64))
    return Month(coding, people, stays, rejected, discharge, person, insurance, fees, cost, lines)


def _discharges(rng: Stream, profile: Profile, period: str, n: int) -> Ints:
    """Days of discharge: fewer at the week's end."""
    first, days = month_days(period)
    share = np.array(profile.settings["volume"]["by_weekday"])
    return first + chosen(rng, share[(first + np.arange(days) + 3) % 7], n)


def _persons(rng: Stream, profile: Profile, people: People, stays: Stays, discharge: Ints) -> Ints:
    """Number of the person of each case; a few come back to the same ward in the month."""
    n = len(discharge)
    person = np.arange(n)
    wanted = round(profile.settings["people"]["readmitted"] * n)
    order = np.lexsort((rng.random(n), people.sex, people.department))
    first, second = order[:-1], order[1:]
    again = (
        (people.department[first] == people.department[second])
        & (people.sex[first] == people.sex[second])
        & (np.abs(people.age[first] - people.age[second]) <= 12)
        & (people.age[first] > 0)
        & (people.age[second] > 0)
        & (discharge[second] - stays.los[second] >= discharge[first])
        & (stays.mode[first] != 5)
    )
    places = np.flatnonzero(again)
    places = places[np.concatenate([[True], np.diff(places) > 1])] if len(places) else places
    places = np.sort(rng.permutation(places)[:wanted])
    person[second[places]] = first[places]
    people.age[second[places]] = people.age[first[places]]
    return person


def _costs(rng: Stream, profile: Profile, people: People, charges: Ints) -> Ints:
    """The hospital's own cost of each case in fen, somewhat below its charges on average."""
    settings = profile.settings["charges"]
    ward = rng.normal(settings["cost_mean"], settings["cost_department_sd"], len(profile.wards))
    case = rng.normal(0.0, settings["cost_case_sd"], len(charges))
    ratio = np.clip(ward[people.department] + case, 0.7, 1.3)
    return np.asarray(np.round(charges * ratio), dtype=np.int64)
