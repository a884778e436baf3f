"""Settling a region's year in bounded memory: the same to the fen as all cases in memory.

The cases are gone through up to three times: for the points, where a point value is found from a
budget; for the cases that compete with others, where there is a cap, a review or a readmission
rule; and to settle.  Between, only sums, the competing cases and stays on disk are held.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from drg_engine.ahead import ahead
from drg_engine.errors import Fault, PolicyError
from drg_engine.payment import PaymentColumns, Settlement, settle_with_marks
from drg_engine.payment_dated import in_force
from drg_engine.payment_points import PointSums, is_found
from drg_engine.policy import Policy
from drg_engine.settle_files import CaseBatch, CaseSource
from drg_engine.settle_phases import (
    Candidates,
    Marked,
    asks_for_stays,
    looks_around,
    point_sums,
    priced,
    settle_bare,
)
from drg_engine.settle_stays import StayBuckets, stay_table

__all__ = [
    "AsTheyCame",
    "Prepared",
    "SettledPart",
    "View",
    "mark_cases",
    "outside_days",
    "parts_by_policy",
    "prepare",
    "read_batches",
    "settle_batches",
]

Rows = npt.NDArray[np.int64]
Tell = Callable[[str, int], None]


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """Policies in order of time, point values given, and for each the cases it marks."""

    policies: tuple[Policy, ...]
    marked: tuple[Marked, ...]


@dataclass(frozen=True, slots=True, eq=False)
class SettledPart:
    """The cases of a batch that one policy pays; ``rows`` are their places in the batch."""

    batch: CaseBatch
    rows: Rows
    policy: int
    settlement: Settlement


def prepare(
    source: CaseSource, policies: Sequence[Policy], scratch: Path, tell: Tell = lambda _, __: None
) -> Prepared:
    """Find out what the rules over all cases need; nothing is read where there are none.

    scratch: an empty folder for stays.  tell: told the stage and the cases gone through.
    Raises PolicyError where the policies cannot be used for the cases.
    """
    ordered = tuple(sorted(policies, key=lambda one: one.rules.policy.effective_from))
    if any(is_found(policy) for policy in ordered):
        ordered = _with_points(source, ordered, tell)
    return Prepared(ordered, mark_cases(source, [AsTheyCame(ordered)], scratch, tell)[0])


def _with_points(source: CaseSource, policies: Sequence[Policy], tell: Tell) -> tuple[Policy, ...]:
    sums: list[list[PointSums]] = [[] for _ in policies]
    for batch in read_batches(source, "求点值", tell):
        for place, _, cases in parts_by_policy(batch.columns, policies):
            if is_found(policies[place]):
                sums[place].append(point_sums(cases, policies[place]))
    return tuple(
        priced(policy, PointSums.merged(found))
        for policy, found in zip(policies, sums, strict=True)
    )


class View(Protocol):
    """Cases as some policies settle them: what a scenario changes of them is done here."""

    @property
    def policies(self) -> tuple[Policy, ...]:
        """The policies, point values given."""

    def parts(self, batch: CaseBatch) -> Iterable[tuple[int, Rows, PaymentColumns]]:
        """As :func:`parts_by_policy`."""


@dataclass(frozen=True, slots=True)
class AsTheyCame:
    """Cases as they were read, each paid by the policy in force."""

    policies: tuple[Policy, ...]

    def parts(self, batch: CaseBatch) -> Iterable[tuple[int, Rows, PaymentColumns]]:
        """Each policy's cases."""
        return parts_by_policy(batch.columns, self.policies)


def mark_cases(
    source: CaseSource, views: Sequence[View], scratch: Path, tell: Tell = lambda _, __: None
) -> list[tuple[Marked, ...]]:
    """For each view and policy the cases it marks; nothing is read where none looks around."""
    asking = [any(looks_around(policy) for policy in view.policies) for view in views]
    if not any(asking):
        return [tuple(Marked.none() for _ in view.policies) for view in views]
    gathered = [
        _Gathered(view.policies, scratch / str(number)) if asks else None
        for number, (view, asks) in enumerate(zip(views, asking, strict=True))
    ]
    for batch in read_batches(source, "找高倍率、特例单议与再入院病例", tell):
        for view, one in zip(views, gathered, strict=True):
            if one is not None:
                one.add(batch, view)
    return [
        tuple(Marked.none() for _ in view.policies) if one is None else one.decide()
        for view, one in zip(views, gathered, strict=True)
    ]


class _Gathered:
    """What competes in one view."""

    def __init__(self, policies: Sequence[Policy], scratch: Path) -> None:
        self._policies = policies
        self._candidates = [Candidates(policy) for policy in policies]
        asked = any(asks_for_stays(policy) for policy in policies)
        self._stays = StayBuckets(scratch) if asked else None

    def add(self, batch: CaseBatch, view: View) -> None:
        for place, rows, cases in view.parts(batch):
            bare, told = settle_bare(cases, self._policies[place])
            self._candidates[place].add(bare, told, rows + batch.start)
            if self._stays is not None:
                stays = stay_table(bare, _taken(batch, rows), rows + batch.start, place)
                self._stays.add(stays)

    def decide(self) -> tuple[Marked, ...]:
        decided = [candidates.decide() for candidates in self._candidates]
        reviewed = np.sort(np.concatenate([chosen for _, chosen, _ in decided]))
        cut = np.zeros(0, dtype=np.int64)
        if self._stays is not None:
            cut = self._stays.followed(self._policies, reviewed)
        return tuple(Marked(chosen, over, cut) for _, chosen, over in decided)


def _taken(batch: CaseBatch, rows: Rows) -> pa.Array | None:
    """The persons of some rows of a batch."""
    if batch.person is None or rows.size == batch.columns.n:
        return batch.person
    return batch.person.take(pa.array(rows))


def settle_batches(
    source: CaseSource, prepared: Prepared, tell: Tell = lambda _, __: None
) -> Iterator[tuple[CaseBatch, list[SettledPart]]]:
    """Settle batch by batch; each with the parts that its policies pay."""
    for batch in read_batches(source, "付费", tell):
        parts = []
        for place, rows, cases in parts_by_policy(batch.columns, prepared.policies):
            marks = prepared.marked[place].marks(batch.start, batch.columns.n, rows)
            settled, _ = settle_with_marks(cases, prepared.policies[place], marks)
            parts.append(SettledPart(batch, rows, place, settled))
        yield batch, parts


def parts_by_policy(
    cases: PaymentColumns, policies: Sequence[Policy]
) -> Iterable[tuple[int, Rows, PaymentColumns]]:
    """Place of each policy that pays some of the cases, their rows, and those cases.

    One policy pays all, whatever the dates; of several the one in force on the date they go by.
    Raises PolicyError where there is no such date or no policy in force.
    """
    if cases.n == 0:
        return
    if len(policies) == 1:
        yield 0, np.arange(cases.n, dtype=np.int64), cases
        return
    chosen = _chosen(cases, policies)
    for place in np.unique(chosen).tolist():
        rows = np.flatnonzero(chosen == place)
        yield place, rows, cases if rows.size == cases.n else cases.take(rows)


def _chosen(cases: PaymentColumns, policies: Sequence[Policy]) -> Rows:
    by = {policy.rules.policy.dated_by for policy in policies}
    names = "、".join(policy.name for policy in policies)
    if len(by) > 1:
        fault = Fault(names, "各政策选用的日期不同", column="policy.dated_by")
        raise PolicyError("不能按日期选政策", [fault])
    by_discharge = by == {"discharge"}
    dates = cases.discharge_date if by_discharge else cases.settlement_date
    word = "出院日期" if by_discharge else "结算日期"
    if dates is None:
        raise PolicyError(f"病例没有{word}，不能按日期选政策")
    chosen = in_force(dates, policies)
    if (chosen < 0).any():
        days = dates[chosen < 0]
        found = f"{int(np.isnat(days).sum()):,} 例缺{word}"
        dated = days[~np.isnat(days)]
        if dated.size:
            found += f"，{dated.size:,} 例在 {dated.min()} 至 {dated.max()}"
        fault = Fault(names, f"有病例在{word}没有生效的政策", found=found)
        raise PolicyError("不能按日期选政策", [fault])
    return chosen


def outside_days(cases: PaymentColumns, policy: Policy) -> int:
    """Cases whose date lies outside the policy's days in force."""
    by_discharge = policy.rules.policy.dated_by == "discharge"
    dates = cases.discharge_date if by_discharge else cases.settlement_date
    if dates is None:
        return 0
    return int(((in_force(dates, [policy]) < 0) & ~np.isnat(dates)).sum())


def read_batches(source: CaseSource, stage: str, tell: Tell) -> Iterator[CaseBatch]:
    """The batches that have a case, read ahead; ``tell`` is kept up to date."""
    done = 0
    for batch in ahead(source.batches()):
        done += batch.read
        tell(stage, done)
        yield batch
