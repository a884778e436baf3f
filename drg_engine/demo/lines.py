"""Charge lines: whole quantities of priced items, about a hundred to a case, and the out-patients'.

In-patient lines come first and make the charges of their cases; nothing is added afterwards that
would change a case's sum.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from drg_engine.demo.diagnoses import Coding
from drg_engine.demo.items import Catalogue, Pool
from drg_engine.demo.people import People
from drg_engine.demo.profile import Profile, Stream, chosen
from drg_engine.demo.stays import Stays

__all__ = ["Lines", "inpatient_lines", "joined_lines", "outpatient_lines"]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

_FEES = ("drug", "consumable", "test", "service", "other")
_PLAIN = {"drug": "drug", "consumable": "consumable", "other": "other"}
_OPERATION = ("surgery", "anaesthesia", "theatre")


@dataclass(frozen=True)
class Lines:
    """n charge lines: case (-1 out-patient), item, whole quantity, and ordering ward or clinic."""

    case: Ints
    item: Ints
    quantity: Ints
    department: Ints

    @property
    def n(self) -> int:
        """Number of lines."""
        return len(self.case)


def joined_lines(parts: list[Lines]) -> Lines:
    """Lines one after another."""
    return Lines(
        *(
            np.concatenate([getattr(part, name) for part in parts])
            for name in ("case", "item", "quantity", "department")
        )
    )


def inpatient_lines(
    rng: Stream,
    profile: Profile,
    catalogue: Catalogue,
    coding: Coding,
    people: People,
    stays: Stays,
) -> Lines:
    """Lines of every case, whose amounts come near the charges meant for it."""
    daily = _daily(profile, catalogue, coding, people, stays)
    spent = np.bincount(
        daily.case, weights=catalogue.price[daily.item] * daily.quantity, minlength=len(stays.los)
    )
    amounts = _amounts(rng, profile, coding, people, stays, spent / 100)
    counts = _counts(rng, profile, coding, stays, daily.n)
    parts = [daily]
    for name, amount in amounts.items():
        parts.append(_priced(rng, profile, catalogue, name, people, amount, counts[name]))
    return joined_lines(parts)


def _daily(
    profile: Profile, catalogue: Catalogue, coding: Coding, people: People, stays: Stays
) -> Lines:
    """Bed, nursing and the doctor's round: one line a day each."""
    wards = profile.wards
    n = len(stays.los)
    intensive = (wards["kind"] == "重症").to_numpy()[people.department]
    light = (coding.severity == 0) & (stays.los <= 3)
    grade = np.where(light, "light", np.array(["none", "cc", "mcc"])[coding.severity])
    grade = np.where(intensive, "mcc", grade)
    place = np.where(intensive, "icu", "ward")
    bed = catalogue.table["family"].to_numpy()
    cases = np.repeat(np.arange(n), stays.los)
    parts = []
    for stream, family in (("bed", place), ("nursing", grade), ("round", place)):
        item = np.zeros(n, dtype=np.int64)
        for name in np.unique(family):
            pool = np.flatnonzero(
                (catalogue.table["stream"] == stream).to_numpy() & (bed == str(name))
            )
            rows = np.flatnonzero(family == name)
            item[rows] = pool[rows % len(pool)]
        parts.append(
            Lines(cases, item[cases], np.ones(len(cases), dtype=np.int64), people.department[cases])
        )
    return joined_lines(parts)


def _amounts(
    rng: Stream,
    profile: Profile,
    coding: Coding,
    people: People,
    stays: Stays,
    daily: Floats,
) -> dict[str, Floats]:
    """Yuan meant for each stream of each case."""
    settings = profile.settings
    wards = profile.wards
    shares = wards[[f"fee_{name}" for name in _FEES]].to_numpy(float)[people.department]
    shares *= np.exp(rng.normal(0.0, settings["charges"]["fee_sd"], shares.shape))
    shares[~coding.surgical, 1] *= settings["streams"]["medical_consumables"]
    shares /= shares.sum(axis=1, keepdims=True)
    fees = shares * stays.target[:, None]
    rest = np.maximum(fees[:, 3] - daily, 0.12 * fees[:, 3])
    over = np.maximum(daily - fees[:, 3], 0.0)
    others = fees[:, [0, 1, 2, 4]]
    others *= np.maximum(1 - over / np.maximum(others.sum(axis=1), 1.0), 0.15)[:, None]
    drug, consumable, test, other = others.T
    streams = settings["streams"]
    exam = streams["exam_of_test"]
    amounts = {"drug": drug, "consumable": consumable, "other": other}
    amounts |= {"exam": test * exam, "lab": test * (1 - exam)}
    for name in _OPERATION:
        amounts[name] = np.where(coding.surgical, rest * streams[name], 0.0)
    amounts["treatment"] = np.where(coding.surgical, rest * streams["treatment"], rest)
    return amounts


def _counts(
    rng: Stream, profile: Profile, coding: Coding, stays: Stays, daily: int
) -> dict[str, Ints]:
    """How many lines of each stream each case has."""
    n = len(stays.los)
    volume = profile.settings["volume"]
    operations = {
        "surgery": np.where(coding.surgical, 1 + (rng.random(n) < 0.25), 0),
        "anaesthesia": np.where(coding.surgical, 2, 0),
        "theatre": np.where(coding.surgical, 1, 0),
    }
    fixed = daily + sum(int(part.sum()) for part in operations.values())
    mean = max(10.0, volume["lines_per_case"] - fixed / n)
    size = (stays.los + 3.0) ** 0.8 * np.maximum(stays.target, 500.0) ** 0.15
    total = rng.poisson(mean * size / size.mean())
    shares = profile.settings["streams"]["lines"]
    drawn = rng.multinomial(np.maximum(total, 6), list(shares.values()))
    counts = {name: np.maximum(drawn[:, i], 1) for i, name in enumerate(shares)}
    return counts | {name: part.astype(np.int64) for name, part in operations.items()}


def _priced(
    rng: Stream,
    profile: Profile,
    catalogue: Catalogue,
    name: str,
    people: People,
    amount: Floats,
    count: Ints,
) -> Lines:
    """Lines of one stream: the case's amount cut at random, each part met by an item near it."""
    case = np.repeat(np.arange(len(count)), count)
    cut = rng.exponential(1.0, len(case)) + 0.15
    share = cut / np.bincount(case, weights=cut, minlength=len(count))[case]
    meant = np.maximum(amount[case] * share * 100, 1.0)
    usual = np.array(profile.settings["streams"]["quantities"][name])
    wanted = usual[rng.integers(0, len(usual), len(case))]
    department = people.department[case]
    item = np.empty(len(case), dtype=np.int64)
    families = profile.wards["surgery_family"].to_numpy()
    if name == "surgery":
        for family in np.unique(families):
            rows = np.flatnonzero((families == family)[department])
            pool = catalogue.pool(name, str(family))
            item[rows] = _near(rng, pool, meant[rows] / wanted[rows])
    else:
        item = _near(rng, catalogue.pool(name), meant / wanted)
    price = catalogue.price[item]
    most = np.where(usual.max() == 1, 4, 40)
    quantity = np.clip(np.round(meant / price), 1, most).astype(np.int64)
    return Lines(case, item, quantity, department)


def _near(rng: Stream, pool: Pool, price: Floats) -> Ints:
    """An item of about the price, not always the nearest."""
    place = np.searchsorted(pool.log_price, np.log(price))
    reach = max(1, len(pool.items) // 40)
    place = place + rng.integers(-reach, reach + 1, len(price))
    return pool.items[np.clip(place, 0, len(pool.items) - 1)]


def outpatient_lines(rng: Stream, profile: Profile, catalogue: Catalogue, n: int) -> Lines:
    """Lines of out-patients: cheaper items, ordered by the wards' clinics and by the emergency."""
    settings = profile.settings
    share = settings["outpatient"]["emergency"]
    wards = profile.wards["discharges"].to_numpy(float)
    department = chosen(rng, wards, n)
    codes = profile.departments["code"]
    emergency = int(codes[codes == settings["outpatient"]["department"]].index[0])
    department = np.where(rng.random(n) < share, emergency, department)
    shares = settings["streams"]["outpatient"]
    stream = chosen(rng, list(shares.values()), n)
    item = np.empty(n, dtype=np.int64)
    quantity = np.ones(n, dtype=np.int64)
    for place, name in enumerate(shares):
        rows = np.flatnonzero(stream == place)
        pool = catalogue.pool(name)
        cheap = max(1, round(len(pool.items) * settings["outpatient"]["cheapest"]))
        if name in ("visit", "exam"):
            cheap = len(pool.items)
        item[rows] = pool.items[(rng.random(len(rows)) ** 1.4 * cheap).astype(np.int64)]
        usual = np.array(settings["streams"]["quantities"].get(name, [1]))
        quantity[rows] = usual[rng.integers(0, len(usual), len(rows))]
    return Lines(np.full(n, -1, dtype=np.int64), item, quantity, department)


def fees_of(catalogue: Catalogue, lines: Lines, fee: pd.Series, cases: int) -> dict[str, Ints]:
    """Fen of each fee class by case, exact sums of the lines."""
    amount = catalogue.price[lines.item] * lines.quantity
    inside = lines.case >= 0
    names = fee.to_numpy()[lines.item]
    result = {}
    for name in _FEES:
        rows = inside & (names == name)
        total = np.zeros(cases, dtype=np.int64)
        np.add.at(total, lines.case[rows], amount[rows])
        result[name] = total
    return result
