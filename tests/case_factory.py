"""Random cases that reach everything a scheme can say, and a report of what they reached.

The makers know a scheme only through the oracle's reading of its tables.  Three kinds are mixed:
blind ones (any codes at all), aimed ones (made for one alternative of one ADRG at one severity)
and near misses (an aimed one with one thing changed).  The same seed gives the same cases.

What no case can reach is not listed by hand: :func:`coverage_report` derives it from the tables.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import takewhile
from pathlib import Path

from oracle import Adrg, Case, Condition, Oracle, Result, Row

SEVERITIES = ("mcc", "cc", "none")
REASONS = (
    "",
    "ambiguous",
    "no_principal_dx",
    "unknown_principal_dx",
    "grey_principal_dx",
    "grey_principal_proc",
    "no_mdc",
    "no_adrg",
    "no_group",
)
WEIGHTS = ("1", "900", "1499", "1500", "1999", "2000", "2499", "2500", "3300", "")
DAYS = (0, 1, 5, 14, 27, 28, 29, 30)
MODES = ("1", "1", "1", "2", "3", "4", "5", "9", "")
UNKNOWN_DX = ("A00.999x999", "K99.900", "Z37.999", "P07.999", "X00.0", "O80", "B20")
UNKNOWN_PROC = ("00.0000x999", "99.9999", "47", "33.6x99")
FULL_WIDTH = {half: half + 0xFEE0 for half in range(0x21, 0x7F)}


@dataclass
class Draft:
    """A case in the making: the canonical columns as text, the codes still as lists."""

    dx: list[str]
    proc: list[str] = field(default_factory=list)
    sex: str = "1"
    age: str = "50"
    age_days: str = ""
    birth_weight: str = ""
    los: str = "7"
    discharge_mode: str = "1"

    def row(self, case_id: str = "") -> Row:
        return {
            "case_id": case_id,
            "sex": self.sex,
            "age": self.age,
            "age_days": self.age_days,
            "birth_weight": self.birth_weight,
            "los": self.los,
            "discharge_mode": self.discharge_mode,
            "diagnoses": "|".join(self.dx),
            "procedures": "|".join(self.proc),
        }


class CaseFactory:
    """Makes cases for one scheme; ``seed`` decides all of them."""

    def __init__(self, oracle: Oracle, seed: int) -> None:
        self.oracle = oracle
        self.random = random.Random(f"{oracle.name} {seed}")
        self.adrgs = [
            adrg for mdc in oracle.mdcs for adrg in oracle.adrgs[mdc] if oracle.groups[adrg.code]
        ]
        self.dx = sorted(oracle.known_dx)
        self.grey_dx = sorted(oracle.grey_dx)
        self.proc = sorted(oracle.in_a_proc_set | oracle.or_procedures | oracle.grey_proc)
        self.grey_proc = sorted(oracle.grey_proc - oracle.in_a_proc_set)
        self.or_proc = sorted(oracle.or_procedures)
        self.mdc_dx = {mdc: sorted(table) for mdc, table in oracle.mdc_dx.items()}
        self.deliveries = [code for code in self.dx if code.startswith("Z37.")]
        self.preterm = [code for code in self.dx if code.startswith("P07.")]
        self.hiv = self.mdc_dx.get("Y", [])
        self._sort_sites()
        self._sort_complications()
        self._choices: dict[tuple[int, str], list[str]] = {}

    def _sort_sites(self) -> None:
        by_site: dict[str, list[str]] = defaultdict(list)
        for code, site in sorted(self.oracle.site_of.items()):
            by_site[site].append(code)
        self.sites = list(by_site.values())

    def _sort_complications(self) -> None:
        self.by_level: dict[str, list[str]] = {"mcc": [], "cc": []}
        by_exclusion: dict[str, list[str]] = defaultdict(list)
        for code, (level, exclusion) in sorted(self.oracle.complications.items()):
            self.by_level[level].append(code)
            by_exclusion[exclusion].append(code)
        self.excluded_by: dict[str, list[list[str]]] = defaultdict(list)
        for exclusion, principals in sorted(self.oracle.exclusions.items()):
            for principal in principals:
                if by_exclusion[exclusion]:
                    self.excluded_by[principal].append(by_exclusion[exclusion])

    # the mix

    def cases(self, n: int) -> list[Row]:
        """``n`` cases, ids ``R0``, ``R1`` ...: the targets (as many as fit), then the mix."""
        drafts = list(self.targets())[:n]
        makers = (self.blind, self.aimed, self.aimed, self.near_miss)
        drafts += [self.random.choice(makers)() for _ in range(n - len(drafts))]
        self.random.shuffle(drafts)
        for draft in drafts:
            if self.random.random() < 0.02:
                self._disguise(draft)
        return [draft.row(f"R{i}") for i, draft in enumerate(drafts)]

    def targets(self) -> Iterator[Draft]:
        """A case for each rejection, and for each ADRG at each severity and as ambiguous."""
        yield from self.rejected()
        for adrg in self.adrgs:
            for level in SEVERITIES:
                yield self._arriving(partial(self.aim, adrg, level, padded=False), adrg, level)
            if adrg.medical:
                yield self._arriving(partial(self.ambiguous, adrg), adrg, "")

    def _arriving(self, make: Callable[[], Draft], adrg: Adrg, severity: str) -> Draft:
        """Cases of one maker until one arrives (without severity: as ambiguous), else the last."""
        wanted = (adrg.mdc, adrg.code, severity) if severity else (adrg.mdc, "", "")
        for _ in range(100):
            draft = make()
            result = self.oracle.group(Case.from_row(draft.row()))
            if (result.mdc, result.adrg, result.severity) == wanted:
                break
        return draft

    def _disguise(self, draft: Draft) -> None:
        """The same codes as people write them: small letters, full width, blanks around."""
        way = self.random.choice(
            (
                str.lower,
                str.upper,
                lambda code: f" {code} ",
                lambda code: code.translate(FULL_WIDTH),
            )
        )
        draft.dx = [way(code) for code in draft.dx]
        draft.proc = [way(code) for code in draft.proc]

    # aimed

    def aimed(self) -> Draft:
        adrg = self.random.choice(self.adrgs)
        if adrg.medical and self.random.random() < 0.15:
            return self.ambiguous(adrg)
        return self.aim(adrg, self.random.choice((*SEVERITIES, "excluded")))

    def aim(self, adrg: Adrg, severity: str, *, padded: bool = True) -> Draft:
        """A case that fulfils one alternative of ``adrg``, with a diagnosis of that severity."""
        wishes: dict[str, list[Condition]] = defaultdict(list)
        for condition in self.random.choice(adrg.alternatives):
            wishes[condition.kind].append(condition)
        draft = self._patient(adrg.mdc)
        self._give_diagnoses(draft, wishes, adrg.mdc)
        self._give_procedures(draft, wishes)
        self._give_numbers(draft, wishes)
        self._give_severity(draft, severity)
        if padded:
            self._pad(draft)
        return draft

    def ambiguous(self, adrg: Adrg) -> Draft:
        """A case for a medical ADRG whose principal procedure is an OR procedure."""
        draft = self.aim(adrg, self.random.choice(SEVERITIES), padded=False)
        draft.proc.insert(0, self.random.choice(self.or_proc))
        return draft

    def _patient(self, mdc: str) -> Draft:
        """A patient whom the MDC takes: sex, age and a principal diagnosis from its table."""
        pick = self.random.choice
        draft = Draft([pick(self.mdc_dx[mdc] or self.dx)], [], pick("12"))
        draft.age = str(self.random.randint(1, 95))
        draft.los = str(self.random.randint(1, 60))
        draft.discharge_mode = pick(MODES)
        if mdc == "P":
            self._newborn(draft)
        elif mdc == "Y" and self.oracle.options["hiv_entry"] == "any":
            draft.dx = self.random.sample([pick(self.dx), *draft.dx], 2)
        elif mdc == "Z":
            draft.dx += [pick(listed) for listed in self.random.sample(self.sites, 2)]
        elif mdc == "O" and self.random.random() < 0.3:
            draft.dx.append(pick(self.deliveries))
        if mdc in ("M", "N", "O"):
            draft.sex = "1" if mdc == "M" else "2"
        return draft

    def _newborn(self, draft: Draft) -> None:
        days = self.random.choice((*DAYS, *DAYS, self.random.randint(0, 364)))
        draft.age, draft.age_days = "0", str(days)
        draft.birth_weight = self.random.choice(WEIGHTS) if days <= 28 else ""

    def _give_diagnoses(self, draft: Draft, wishes: dict[str, list[Condition]], mdc: str) -> None:
        for condition in wishes["principal_dx"]:
            draft.dx[0] = self._one_of(condition, mdc)
        for condition in wishes["other_dx"]:
            draft.dx.append(self._one_of(condition))
        for condition in wishes["any_dx"]:
            draft.dx.insert(self.random.randint(0, len(draft.dx)), self._one_of(condition))

    def _give_procedures(self, draft: Draft, wishes: dict[str, list[Condition]]) -> None:
        several = [self._one_of(condition) for condition in wishes["any_proc"]]
        self.random.shuffle(several)
        draft.proc = [self._one_of(condition) for condition in wishes["principal_proc"]] + several
        if wishes["has_or_procedure"] and not draft.proc:
            draft.proc = [self.random.choice(self.or_proc)]

    def _one_of(self, condition: Condition, mdc: str = "") -> str:
        """A code that fulfils the condition; from the MDC's table as well, if there is such."""
        key = (id(condition), mdc)
        if key not in self._choices:
            listed = condition.codes
            self._choices[key] = sorted(listed & self.oracle.mdc_dx.get(mdc, listed) or listed)
        return self.random.choice(self._choices[key])

    def _give_numbers(self, draft: Draft, wishes: dict[str, list[Condition]]) -> None:
        for name, values in (("age_days", range(365)), ("birth_weight", range(1, 4000))):
            low = max([int(c.value) for c in wishes[f"{name}_min"]], default=values[0])
            high = min([int(c.value) for c in wishes[f"{name}_max"]], default=values[-1])
            if low > values[0] or high < values[-1]:
                edges = (low, high, self.random.randint(low, high))
                setattr(draft, name, str(self.random.choice(edges)))

    def _give_severity(self, draft: Draft, severity: str) -> None:
        if severity == "excluded":
            lists = self.excluded_by.get(draft.dx[0])
            if lists:
                draft.dx.append(self.random.choice(self.random.choice(lists)))
        elif severity != "none":
            draft.dx.append(self.random.choice(self.by_level[severity]))

    def _pad(self, draft: Draft) -> None:
        """Further diagnoses and procedures, known or not, behind the ones that matter."""
        pick = self.random.choice
        for _ in range(pick((0, 0, 1, 2, 4, 9))):
            draft.dx.insert(self.random.randint(1, len(draft.dx)), self._any_dx())
        for _ in range(pick((0, 0, 0, 1, 2))):
            if draft.proc:
                draft.proc.append(self._any_proc())

    def _any_dx(self) -> str:
        chance = self.random.random()
        if chance < 0.02:
            return self.random.choice(UNKNOWN_DX)
        if chance < 0.15:
            return self.random.choice(self.by_level[self.random.choice(("mcc", "cc"))])
        if chance < 0.20:
            return self.random.choice((*self.hiv, *self.deliveries, *self.preterm))
        return self.random.choice(self.grey_dx if chance < 0.22 else self.dx)

    def _any_proc(self) -> str:
        chance = self.random.random()
        if chance < 0.03:
            return self.random.choice(UNKNOWN_PROC)
        if chance < 0.40:
            return self.random.choice(self.or_proc)
        return self.random.choice(self.grey_proc if chance < 0.43 else self.proc)

    # near misses and blind ones

    def near_miss(self) -> Draft:
        """An aimed case with one thing changed."""
        draft = self.aim(
            self.random.choice(self.adrgs), self.random.choice(SEVERITIES), padded=False
        )
        change = self.random.choice(
            (
                self._turn_dx,
                self._turn_proc,
                self._drop_proc,
                self._new_principal,
                self._new_first_proc,
                self._repeat,
                self._other_patient,
                self._near_edge,
            )
        )
        change(draft)
        return draft

    def _turn_dx(self, draft: Draft) -> None:
        draft.dx = draft.dx[1:] + draft.dx[:1]

    def _turn_proc(self, draft: Draft) -> None:
        draft.proc = [self._any_proc(), *draft.proc] if len(draft.proc) < 2 else draft.proc[::-1]

    def _drop_proc(self, draft: Draft) -> None:
        if draft.proc:
            draft.proc.pop(self.random.randrange(len(draft.proc)))

    def _new_principal(self, draft: Draft) -> None:
        draft.dx.insert(0, self._any_dx())

    def _new_first_proc(self, draft: Draft) -> None:
        draft.proc.insert(0, self._any_proc())

    def _repeat(self, draft: Draft) -> None:
        draft.dx.append(self.random.choice(draft.dx))
        if draft.proc:
            draft.proc.append(draft.proc[0])

    def _other_patient(self, draft: Draft) -> None:
        draft.sex = {"1": "2", "2": "1"}[draft.sex]
        if self.random.random() < 0.3:
            self._newborn(draft)

    def _near_edge(self, draft: Draft) -> None:
        draft.age, draft.age_days = "0", str(self.random.choice((27, 28, 29)))
        draft.birth_weight = self.random.choice(WEIGHTS)

    def blind(self) -> Draft:
        """Any codes, any patient, any field missing."""
        pick = self.random.choice
        draft = Draft(
            dx=[self._any_dx() for _ in range(pick((0, 1, 1, 1, 2, 3, 5, 10)))],
            proc=[self._any_proc() for _ in range(pick((0, 0, 1, 1, 2, 3, 6)))],
            sex=pick(("1", "1", "1", "2", "2", "2", "", "0", "9")),
            age=pick(("", *(str(self.random.randint(1, 105)) for _ in range(9)))),
            los=pick(("", "0", "1", "400", str(self.random.randint(1, 90)))),
            discharge_mode=pick(MODES),
        )
        for codes in (draft.dx, draft.proc):
            if self.random.random() < 0.01:
                codes.insert(self.random.randint(0, len(codes)), "")
        if self.random.random() < 0.2:
            self._newborn(draft)
            draft.age_days = pick((draft.age_days, draft.age_days, draft.age_days, ""))
        return draft

    def rejected(self) -> Iterator[Draft]:
        """Cases for the reasons without a group, whether or not the scheme's options say so."""
        pick = self.random.choice
        for proc in ([], [pick(self.or_proc)]):
            yield Draft([], list(proc))
            yield Draft([pick(UNKNOWN_DX)], list(proc))
            yield Draft([pick(self.grey_dx)], list(proc))
        yield from (Draft([pick(self.dx)], [pick(self.grey_proc)]) for _ in range(10))
        for sex, mdc in (("2", "M"), ("1", "N"), ("1", "O")):
            yield from (Draft([pick(self.mdc_dx[mdc])], sex=sex) for _ in range(5))
        in_some_mdc = set().union(*self.oracle.mdc_dx.values())
        homeless = sorted(set(self.dx) - in_some_mdc - set(self.grey_dx))
        yield from (Draft([pick(homeless)]) for _ in range(5))
        yield from (Draft([pick(homeless), code], sex="2") for code in self.deliveries)
        for mdc in self.oracle.mdcs:
            rest = sorted(self.oracle.mdc_dx[mdc].difference(*self._principals_of(mdc)))
            yield from (Draft([pick(rest)], sex=sex) for sex in "12" for _ in range(3) if rest)

    def _principals_of(self, mdc: str) -> list[frozenset[str]]:
        """The code sets of principal diagnoses that an MDC's ADRGs ask for."""
        return [
            condition.codes
            for adrg in self.oracle.adrgs[mdc]
            for conditions in adrg.alternatives
            for condition in conditions
            if condition.kind == "principal_dx"
        ]


def write_scheme(folder: Path, tables: Mapping[str, Sequence[str]], manifest: str = "") -> Path:
    """Write a small scheme; each table as lines of CSV, its heading first."""
    folder.mkdir(parents=True)
    head = f'name = "{folder.name}"\ntitle = "{folder.name}"\nedition = "1"\n'
    head += 'authority = "test"\ndocument = "test"\neffective_from = 2024-01-01\n'
    (folder / "scheme.toml").write_text(head + manifest, encoding="utf-8")
    for name, lines in tables.items():
        (folder / f"{name}.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


# --- what was reached -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Coverage:
    """What results reached of a scheme; ``missing`` says of the rest why no case can reach it."""

    scheme: str
    cases: int
    adrgs: tuple[int, int]
    groups: tuple[int, int]
    ambiguous: tuple[int, int]
    severities: tuple[int, int]
    reasons: tuple[int, int]
    missing: dict[str, str]

    @property
    def unexplained(self) -> list[str]:
        return [what for what, why in self.missing.items() if not why]

    def lines(self) -> list[str]:
        head = (
            f"{self.scheme}: {self.cases} cases; reached "
            f"ADRGs {self.adrgs[0]}/{self.adrgs[1]}, groups {self.groups[0]}/{self.groups[1]}, "
            f"QY {self.ambiguous[0]}/{self.ambiguous[1]}, "
            f"severities {self.severities[0]}/{self.severities[1]}, "
            f"reasons {self.reasons[0]}/{self.reasons[1]}"
        )
        return [
            head,
            *(f"  not {what}: {why or 'NOT EXPLAINED'}" for what, why in self.missing.items()),
        ]


def coverage_report(oracle: Oracle, results: Sequence[Result]) -> Coverage:
    """Compare results with everything the scheme could say."""
    listed = [adrg for mdc in oracle.mdcs for adrg in oracle.adrgs[mdc]]
    parts: dict[str, tuple[list[str], set[str]]] = {
        "ADRG": ([adrg.code for adrg in listed], {r.adrg for r in results}),
        "group": (
            [group.drg for groups in oracle.groups.values() for group in groups],
            {r.drg for r in results},
        ),
        "QY": (list(oracle.mdcs), {r.mdc for r in results if r.status == "ambiguous"}),
        "severity": (list(SEVERITIES), {r.severity for r in results}),
        "reason": (list(REASONS), {r.reason for r in results}),
    }
    missing = {
        f"{part} {what}": why_unreachable(oracle, part, what)
        for part, (possible, reached) in parts.items()
        for what in possible
        if what not in reached
    }
    counts = {
        part: (len(set(possible) & reached), len(possible))
        for part, (possible, reached) in parts.items()
    }
    return Coverage(
        scheme=oracle.name,
        cases=len(results),
        adrgs=counts["ADRG"],
        groups=counts["group"],
        ambiguous=counts["QY"],
        severities=counts["severity"],
        reasons=counts["reason"],
        missing=missing,
    )


def why_unreachable(oracle: Oracle, part: str, what: str) -> str:
    """The argument, checked against the tables, that no case reaches it; "" if none holds."""
    if part == "ADRG" and not oracle.groups.get(what):
        return "the scheme has no group for it, so it is passed over"
    if part == "QY":
        return _why_never_ambiguous(oracle, what)
    if part == "reason" and what.startswith("grey_") and oracle.options["gray_codes"] != "reject":
        return "option gray_codes is not reject"
    if part == "reason" and what == "ambiguous" and not oracle.options["ambiguous_groups"]:
        return "option ambiguous_groups is off"
    if part == "reason" and what == "no_group" and _always_a_group(oracle):
        return "every ADRG that has groups has one without conditions for all or none"
    return ""


def _why_never_ambiguous(oracle: Oracle, mdc: str) -> str:
    if not oracle.options["ambiguous_groups"]:
        return "option ambiguous_groups is off"
    tried = [adrg for adrg in oracle.adrgs[mdc] if oracle.groups.get(adrg.code)]
    before_medical = list(takewhile(lambda adrg: not adrg.medical, tried))
    if len(before_medical) == len(tried):
        return "the MDC has no medical ADRG"
    for adrg in before_medical:
        for conditions in adrg.alternatives:
            if [(c.kind, c.negated, c.value) for c in conditions] == [
                ("has_or_procedure", False, "yes")
            ]:
                return f"{adrg.code} takes every OR procedure before any medical ADRG is tried"
    return ""


def _always_a_group(oracle: Oracle) -> bool:
    return all(
        any(
            group.severity in ("all", "none") and not group.parent and not group.alternatives
            for group in groups
        )
        for groups in oracle.groups.values()
        if groups
    )
