"""What Spark's workers do with their part of the cases: the functions of the single machine.

Nothing here knows Spark.  A task takes Arrow batches and gives Arrow batches, or one row with what
it added up.  Policies travel as they are, being small; schemes by name, loaded by each task.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from drg_engine.cases import read_cases
from drg_engine.door import Rejects
from drg_engine.grouping import group
from drg_engine.payment import Settlement, settle_with_marks
from drg_engine.payment_fund import split_fund
from drg_engine.payment_points import PointSums, is_found
from drg_engine.policy import Policy
from drg_engine.scenario import Scenario
from drg_engine.scenario_states import StreamState
from drg_engine.scenario_stream import FactsGathered, StateView
from drg_engine.scenario_sums import StateSums
from drg_engine.settle_columns import admit
from drg_engine.settle_drgs import DrgIndex, named_drgs
from drg_engine.settle_files import CaseBatch
from drg_engine.settle_output import CASE_COLUMNS, case_schema, case_table
from drg_engine.settle_phases import (
    Candidates,
    Limits,
    asks_for_stays,
    looks_around,
    marks_by_limits,
    point_sums,
    reviewed_rows,
    settle_bare,
)
from drg_engine.settle_plan import plan_cases, settle_format
from drg_engine.settle_stays import followed_stays, stay_table
from grouper_tables import load_scheme

__all__ = [
    "CHUNK_ROWS",
    "GROUPED",
    "KEY",
    "REJECT",
    "Job",
    "add_candidates",
    "add_facts",
    "add_points",
    "add_state_sums",
    "group_batches",
    "read_part",
    "settle_batches",
    "summed",
    "unpacked",
]

Batches = Iterator[pa.RecordBatch]
Rows = npt.NDArray[np.int64]

CHUNK_ROWS = 1 << 17
GROUPED = ("status", "mdc", "adrg", "drg", "severity", "reason")
"""Columns that grouping adds."""
KEY = "__person"
"""Column that keeps the cases of a person together, where it is there."""
REJECT = "reject"
"""Column with the reason why a row stays out; null for the others."""


@dataclass(frozen=True, slots=True)
class Job:
    """What every task is told.  ``dated``: the policies whose dates say which case is whose.

    ``drgs``: DRGs known beside the scheme's, in the order of their places; ``amounts``: columns of
    money that the policies and scenarios name.
    """

    dated: tuple[Policy, ...]
    scheme: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    drgs: tuple[str, ...] = ()
    amounts: tuple[str, ...] = ()

    def index(self) -> DrgIndex:
        """Places of the DRGs; loads the scheme."""
        if self.scheme is None:
            return DrgIndex(None, self.drgs or named_drgs(self.dated))
        return DrgIndex(load_scheme(self.scheme, options=dict(self.options)))


def group_batches(batches: Batches, scheme: str, options: Mapping[str, Any]) -> Batches:
    """The rows with status, mdc, adrg, drg, severity, reason and REJECT, in their order."""
    loaded = load_scheme(scheme, options=dict(options))
    for table in _chunks(batches):
        cases = read_cases(table)
        lines = cases.rejects.lines
        out = np.asarray(lines["row"], dtype=np.int64) - 1
        reasons = np.full(table.num_rows, None, dtype=object)
        words = zip(lines["column"].to_pylist(), lines["reason"].to_pylist(), strict=True)
        for row, (column, reason) in zip(out.tolist(), words, strict=True):
            reasons[row] = reasons[row] or f"{column}：{reason}"
        there = np.ones(table.num_rows, dtype=np.bool_)
        there[out] = False
        at = np.cumsum(there) - 1
        made = group(cases, loaded).table()
        places = pa.array(at, mask=~there)
        added = [made[name].combine_chunks().cast(pa.string()).take(places) for name in GROUPED]
        whole = pa.table(
            [*table.columns, *added, pa.array(reasons, pa.string())],
            names=[*table.column_names, *GROUPED, REJECT],
        )
        yield from whole.to_batches()


def settle_batches(
    batches: Batches, job: Job, policies: tuple[Policy, ...], limits: Sequence[Limits]
) -> Batches:
    """The settled cases as settle_output.case_table, rows that stay out with REJECT alone."""
    view = StateView(StreamState(policies, (None,) * len(policies)), job.dated, {})
    for batch in read_part(batches, job):
        parts = _settled(batch, view, limits)
        tables = [case_table(part, split_fund(part)) for _, _, part in parts]
        if batch.columns.n:
            whole = pa.concat_tables([_plain(table) for table in tables])
            rows = np.concatenate([rows for _, rows, _ in parts])
            whole = whole.take(pa.array(np.argsort(rows, kind="stable")))
            none = pa.nulls(whole.num_rows, pa.string())
            yield from whole.append_column(REJECT, none).combine_chunks().to_batches()
        if batch.rejects.row_count:
            yield from _rejected(batch).to_batches()


def add_points(batch: CaseBatch, views: Sequence[StateView], held: list[list[PointSums]]) -> None:
    """Add a part's points by view and policy."""
    for view, sums in zip(views, held, strict=True):
        for place, _, cases in view.parts(batch):
            more = point_sums(cases, view.policies[place])
            sums[place] = PointSums.merged([sums[place], more])


def add_candidates(
    batch: CaseBatch, views: Sequence[StateView], held: list[list[Candidates]]
) -> None:
    """Gather a part's cases that compete, by view and policy."""
    for view, gathered in zip(views, held, strict=True):
        if any(looks_around(policy) for policy in view.policies):
            for place, rows, cases in view.parts(batch):
                bare, told = settle_bare(cases, view.policies[place])
                gathered[place].add(bare, told, rows)


def add_state_sums(
    batch: CaseBatch,
    views: Sequence[StateView],
    limits: Sequence[Sequence[Limits]],
    held: list[StateSums],
) -> None:
    """Add what a part comes to in each state."""
    groups = held[0].groups(batch.columns)
    for view, mine, sums in zip(views, limits, held, strict=True):
        for _, rows, settled in _settled(batch, view, mine):
            sums.add(settled, {name: of[rows] for name, of in groups.items()})


def add_facts(
    batch: CaseBatch, policies: tuple[Policy, ...], scenarios: Sequence[Scenario]
) -> tuple[Any, ...]:
    """A part's DRGs with the weights they have, their numbers by policy, and the points."""
    view = StateView(StreamState(policies, (None,) * len(policies)), policies, {})
    gathered = FactsGathered(policies, scenarios, {"": view})
    gathered.add(batch)
    codes = batch.columns.drg_codes
    points = gathered.points() if _asks_points(policies, scenarios) else None
    return codes, gathered.held, gathered.counts[""], points


def _asks_points(policies: Sequence[Policy], scenarios: Sequence[Scenario]) -> bool:
    closed = any(scenario.point_value == "closed" for scenario in scenarios)
    return closed or any(is_found(policy) for policy in policies)


def summed(
    batches: Batches, job: Job, begin: Callable[[], Any], add: Callable[[CaseBatch, Any], None]
) -> Batches:
    """One row: what a part of the cases was added up to by ``add`` in what ``begin`` made."""
    held = begin()
    for batch in read_part(batches, job):
        if batch.columns.n:
            add(batch, held)
    yield pa.RecordBatch.from_arrays([pa.array([pickle.dumps(held)], pa.binary())], ["payload"])


def unpacked(payload: bytes) -> Any:
    """What :func:`summed` packed, in a task of this program."""
    return pickle.loads(payload)  # noqa: S301 -- written by our own task, never by a user


def read_part(batches: Batches, job: Job) -> Iterator[CaseBatch]:
    """Cases of Arrow batches; those of one person stay together where KEY is there."""
    form, drgs, plan, start = settle_format(), job.index(), None, 0
    for table in _chunks(batches):
        if plan is None:
            known = [name for name in table.column_names if name not in (KEY, REJECT)]
            plan = plan_cases(known, form, "Spark", job.amounts)
        rows = np.arange(1, table.num_rows + 1, dtype=np.int64)
        there = np.ones(rows.size, dtype=np.bool_)
        if REJECT in table.column_names:
            there = np.asarray(table[REJECT].is_null())
        kept = table if there.all() else table.filter(pa.array(there))
        found = admit(kept, rows[there], plan, form, drgs, file="Spark")
        rejects = found.rejects
        if not there.all():
            ids = table[plan.sources["case_id"]]
            rejects = Rejects.joined([_out_before(table, ids, rows, ~there), rejects])
        columns = found.columns_with_person()
        yield CaseBatch(0, start, columns, found.person, rejects, table.num_rows)
        start += found.columns.n


def _out_before(
    table: pa.Table, ids: pa.ChunkedArray, rows: Rows, out: npt.NDArray[np.bool_]
) -> Rejects:
    """Rows that stayed out when they were grouped."""
    empty, n = Rejects(), int(out.sum())
    told = pa.array(out)
    columns = [
        pa.array(["Spark"] * n, pa.string()),
        pa.array(rows[out]),
        ids.filter(told).cast(pa.string()),
        pa.array(["分组"] * n, pa.string()),
        pa.array([""] * n, pa.string()),
        table[REJECT].filter(told).cast(pa.string()),
    ]
    return Rejects(pa.table(columns, schema=empty.lines.schema), empty.notices, n)


def _settled(
    batch: CaseBatch, view: StateView, limits: Sequence[Limits]
) -> list[tuple[int, Rows, Settlement]]:
    """Settle a part by the limits; the stays of a person must all be in it."""
    if not batch.columns.n:
        return []
    policies = view.policies
    parts = [
        (place, rows, *settle_bare(cases, policies[place]))
        for place, rows, cases in view.parts(batch)
    ]
    cut = np.zeros(0, dtype=np.int64)
    if any(asks_for_stays(policy) for policy in policies):
        tables, reviewed = [], []
        for place, rows, bare, _ in parts:
            person = batch.person
            if person is not None and rows.size < batch.columns.n:
                person = person.take(pa.array(rows))
            tables.append(stay_table(bare, person, rows, place))
            reviewed.append(rows[reviewed_rows(bare, policies[place], limits[place])])
        without = np.sort(np.concatenate(reviewed))
        cut = followed_stays(_joined(tables), policies, without)
    found = []
    for place, rows, bare, told in parts:
        mine = np.flatnonzero(np.isin(rows, cut))
        marks = marks_by_limits(bare, told, policies[place], limits[place], mine)
        settled = (
            settle_with_marks(bare.cases, policies[place], marks)[0] if marks[0].size else bare
        )
        found.append((place, rows, settled))
    return found


def _joined(tables: Sequence[pa.Table]) -> pa.Table:
    return pa.concat_tables(tables).unify_dictionaries().combine_chunks()


def _chunks(batches: Batches) -> Iterator[pa.Table]:
    """Batches put together to about CHUNK_ROWS; rows of one KEY, which follow each other, too."""
    waiting: list[pa.RecordBatch] = []
    rows = 0
    for batch in batches:
        waiting.append(batch)
        rows += batch.num_rows
        if rows >= CHUNK_ROWS:
            table = pa.Table.from_batches(waiting)
            stop = _last_of_key(table)
            if stop:
                yield table.slice(0, stop).combine_chunks()
            waiting = table.slice(stop).combine_chunks().to_batches()
            rows = table.num_rows - stop
    if rows:
        yield pa.Table.from_batches(waiting).combine_chunks()


def _last_of_key(table: pa.Table) -> int:
    """Where the rows of the last KEY begin; all rows where there is no such column."""
    if KEY not in table.column_names:
        return int(table.num_rows)
    keys = table[KEY].combine_chunks().dictionary_encode()
    codes = np.asarray(keys.indices)
    return int(np.argmax(codes == codes[-1]))


def _plain(table: pa.Table) -> pa.Table:
    kinds = [
        pa.field(f.name, f.type.value_type if pa.types.is_dictionary(f.type) else f.type)
        for f in table.schema
    ]
    return table.cast(pa.schema(kinds))


def _rejected(batch: CaseBatch) -> pa.Table:
    """One row for each that stays out: its id and the first reason."""
    lines = batch.rejects.lines
    _, first = np.unique(np.asarray(lines["row"]), return_index=True)
    told = lines.take(pa.array(first))
    schema = case_schema()
    columns = {name: pa.nulls(told.num_rows, schema.field(name).type) for name in schema.names}
    columns["case_id"] = told["case_id"].combine_chunks()
    pairs = zip(told["column"].to_pylist(), told["reason"].to_pylist(), strict=True)
    reasons = pa.array([f"{column}：{reason}" for column, reason in pairs], pa.string())
    names = [column.name for column in CASE_COLUMNS]
    return pa.table([*(columns[name] for name in names), reasons], names=[*names, REJECT])
