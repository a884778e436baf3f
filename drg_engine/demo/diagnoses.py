"""Which ADRG, diagnoses and procedures each case has, and the severity that follows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from drg_engine.demo.facts import SchemeFacts, rubric
from drg_engine.demo.people import People
from drg_engine.demo.profile import Profile, Stream, chosen, looked_up, text_groups
from drg_engine.money import share_out

__all__ = ["Coding", "choose_adrgs", "code_cases"]

Texts = npt.NDArray[np.object_]
Ints = npt.NDArray[np.int64]

PRINCIPAL, OTHER, EXTRA, OPERATION = "主要诊断", "其他诊断", "附加手术", "手术"
_NO_CODE = -1


@dataclass
class Coding:
    """Codes of n cases: text columns, '' where there is none, and what they amount to.

    ``others`` (n, m) and ``procedures`` (n, k) hold no gaps; ``severity`` int8 (0, 1, 2);
    ``weight`` RW of the group meant.
    """

    adrg: Texts
    principal: Texts
    others: Texts
    procedures: Texts
    severity: npt.NDArray[np.int8]
    weight: npt.NDArray[np.float64]
    surgical: npt.NDArray[np.bool_]


def choose_adrgs(rng: Stream, profile: Profile, total: int) -> tuple[Ints, Texts]:
    """Department (place in ``profile.wards``) and ADRG of each case, departments in order."""
    wards = profile.wards
    counts = share_out(total, wards["discharges"].to_numpy(float), wards["code"].to_numpy(str))
    department = np.repeat(np.arange(len(wards)), counts)
    adrg = np.empty(total, dtype=object)
    for place, code in enumerate(wards["code"]):
        rows = np.flatnonzero(department == place)
        mine = profile.mix[profile.mix["department"] == code]
        adrg[rows] = mine["adrg"].to_numpy()[chosen(rng, mine["weight"].to_numpy(), len(rows))]
    return department, adrg


@dataclass(frozen=True)
class _Usual:
    """Usual codes of one role of an ADRG; ``starts`` binds a procedure to diagnoses."""

    codes: list[str]
    weights: list[float]
    starts: list[tuple[str, ...]]
    sexes: list[str]

    def fitting(self, diagnosis: str) -> _Usual:
        """Those bound to the diagnosis; where none is, those bound to nothing."""
        bound = [
            i for i, starts in enumerate(self.starts) if starts and diagnosis.startswith(starts)
        ]
        free = [i for i, starts in enumerate(self.starts) if not starts]
        kept = bound or free or range(len(self.codes))
        return _Usual(
            [self.codes[i] for i in kept],
            [self.weights[i] for i in kept],
            [self.starts[i] for i in kept],
            [self.sexes[i] for i in kept],
        )


def _usual_codes(profile: Profile) -> dict[str, dict[str, _Usual]]:
    found: dict[str, dict[str, _Usual]] = {}
    table = profile.case_codes
    texts = [table[name].tolist() for name in ("adrg", "role", "code", "with_diagnosis", "sex")]
    for adrg, role, code, starts, sex, weight in zip(*texts, table["weight"].tolist(), strict=True):
        usual = found.setdefault(adrg, {}).setdefault(role, _Usual([], [], [], []))
        usual.codes.append(code)
        usual.weights.append(float(weight))
        usual.sexes.append(sex)
        usual.starts.append(tuple(part for part in starts.split("|") if part))
    return found


def code_cases(
    rng: Stream, profile: Profile, facts: SchemeFacts, adrg: Texts, people: People
) -> Coding:
    """Principal diagnosis, procedures, other diagnoses and severity of every case."""
    n = len(adrg)
    principal = np.full(n, "", dtype=object)
    companion = np.full(n, "", dtype=object)
    columns = np.full((n, 4), "", dtype=object)
    by_adrg = _usual_codes(profile)
    share = profile.settings["codes"]["dx_tail"]
    for name, at in text_groups(adrg):
        roles = by_adrg[name]
        pool, weights = _with_tail(roles[PRINCIPAL], facts, facts.principal_sets[name], share)
        principal[at] = pool[chosen(rng, weights, len(at))]
        if OTHER in roles:
            others = np.array(roles[OTHER].codes, dtype=object)
            for sex in (1, 2):
                some = at[people.sex[at] == sex]
                fit = [text in ("", str(sex)) for text in roles[OTHER].sexes]
                companion[some] = others[
                    chosen(rng, np.array(roles[OTHER].weights) * fit, len(some))
                ]
        _operate(rng, profile, facts, name, roles, at, principal, columns)
    others = _comorbidities(rng, profile, facts, people, principal, companion)
    severity = _severity(facts, principal, others)
    table = looked_up(adrg, lambda name: facts.weights[name])
    return Coding(
        adrg=adrg,
        principal=principal,
        others=np.where(others == _NO_CODE, "", facts.codes[others]),
        procedures=_packed(columns),
        severity=severity,
        weight=table[np.arange(n), severity],
        surgical=looked_up(adrg, lambda name: name in facts.surgical),
    )


def _with_tail(
    usual: _Usual, facts: SchemeFacts, allowed: frozenset[str], share: float
) -> tuple[Texts, npt.NDArray[np.float64]]:
    """The usual codes and, for variety, rarer ones of the same rubrics that the set allows."""
    common = usual.codes
    weights = np.array(usual.weights)
    tail = [
        code
        for name in dict.fromkeys(rubric(code) for code in common)
        for code in facts.siblings.get(name, ())
        if code in allowed and code not in common
    ][:40]
    if not tail or share <= 0:
        return np.array(common, dtype=object), weights
    rare = 1.0 / np.arange(2, len(tail) + 2)
    rare *= share / (1 - share) * weights.sum() / rare.sum()
    return np.array([*common, *tail], dtype=object), np.concatenate([weights, rare])


def _operate(
    rng: Stream,
    profile: Profile,
    facts: SchemeFacts,
    adrg: str,
    roles: dict[str, _Usual],
    at: Ints,
    principal: Texts,
    columns: Texts,
) -> None:
    """Fill the procedures of one ADRG's cases: one for each set its rule names, then extras."""
    share = profile.settings["codes"]["procedure_tail"]
    sets = facts.procedure_sets[adrg]
    slots = sorted(role for role in roles if role.startswith(OPERATION))
    for slot, role in enumerate(slots):
        allowed = sets[slot] if slot < len(sets) else frozenset()
        for code, rows in text_groups(principal[at]):
            pool, weights = _with_tail(roles[role].fitting(code), facts, allowed, share)
            columns[at[rows], slot] = pool[chosen(rng, weights, len(rows))]
    if EXTRA in roles:
        for code, chance in zip(roles[EXTRA].codes, roles[EXTRA].weights, strict=True):
            some = at[rng.random(len(at)) < chance]
            columns[some, min(len(slots), columns.shape[1] - 1)] = code


def _comorbidities(
    rng: Stream,
    profile: Profile,
    facts: SchemeFacts,
    people: People,
    principal: Texts,
    companion: Texts,
) -> Ints:
    """Places of the other diagnoses in ``facts.codes``, (n, most), -1 beyond the last."""
    table = profile.comorbidities
    wards = profile.wards
    n = len(principal)
    band = np.digitize(people.age, [*profile.settings["age_bands"].values()])
    by_age = table[["child", "young", "middle", "old"]].to_numpy(float)[:, band].T
    chance = by_age * _where(table, wards)[people.department]
    for sex in (1, 2):
        only = (table["sex"] == str(sex)).to_numpy()
        chance[:, only] *= (people.sex == sex)[:, None]
    frail = rng.normal(0.0, profile.settings["codes"]["frailty"], n)
    chance *= (np.exp(frail) * wards["comorbidity"].to_numpy()[people.department])[:, None]
    drawn = rng.random(chance.shape) < np.minimum(chance, 0.85)
    own = looked_up(principal, rubric)
    rubrics = np.array([rubric(code) for code in table["code"]])
    drawn &= rubrics[None, :] != own[:, None]
    for name in np.unique(rubrics):
        same = np.flatnonzero(rubrics == name)
        drawn[:, same] &= np.cumsum(drawn[:, same], axis=1) == 1
    order = np.argsort(np.where(drawn, rng.random(drawn.shape), 2.0), axis=1)
    most = int(profile.settings["codes"]["most_others"])
    picked = order[:, :most]
    kept = np.take_along_axis(drawn, picked, axis=1)
    places = np.array([facts.place[code] for code in table["code"]])
    found = np.where(kept, places[picked], _NO_CODE)
    first = looked_up(companion, lambda code: facts.place.get(code, _NO_CODE))
    first = np.where(companion == principal, _NO_CODE, first)
    repeated = found == first[:, None]
    found[repeated] = _NO_CODE
    joined = np.concatenate([first[:, None], found], axis=1)
    gaps = np.argsort(joined == _NO_CODE, axis=1, kind="stable")
    return np.take_along_axis(joined, gaps, axis=1)[:, :most]


def _where(table: pd.DataFrame, wards: pd.DataFrame) -> npt.NDArray[np.float64]:
    """1 where a department has the comorbidity, (departments, comorbidities)."""
    allowed = np.zeros((len(wards), len(table)))
    for column, text in enumerate(table["departments"]):
        wanted = set(text.split("|"))
        hit = wards["code"].isin(wanted) | wards["kind"].isin(wanted)
        allowed[:, column] = 1.0 if text == "*" else hit.to_numpy(float)
    return allowed


def _severity(facts: SchemeFacts, principal: Texts, others: Ints) -> npt.NDArray[np.int8]:
    """The highest level among other diagnoses that the principal one does not exclude."""
    known = looked_up(principal, lambda code: facts.place.get(code, _NO_CODE))
    level = np.where(others >= 0, facts.level[others], 0)
    key = facts.exclusion[others] * len(facts.codes) + known[:, None]
    at = np.minimum(np.searchsorted(facts.excluded, key), len(facts.excluded) - 1)
    level = np.where(facts.excluded[at] == key, 0, level)
    return np.asarray(level.max(axis=1, initial=0), dtype=np.int8)


def _packed(codes: Texts) -> Texts:
    """Codes moved to the front of each row."""
    order = np.argsort(codes == "", axis=1, kind="stable")
    return np.take_along_axis(codes, order, axis=1)
