"""Proving a ledger: the chain unbroken, states and runs as it tells, stored outputs untouched."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from drg_engine._ledger_chain import (
    Entry,
    Receipt,
    chain_faults,
    entries,
    head,
    kept_receipt,
    text_hash,
)
from drg_engine._ledger_tables import PERIOD, RUN, RUN_TABLE
from drg_engine.errors import Fault, LedgerError
from drg_engine.ledger import Ledger, StoredRun, stored_runs
from drg_engine.ledger_states import CLOSED_STATES, MOVES, OPEN_STATES, STATE_WORDS
from drg_engine.run_folders import file_faults, left_aside, shown_faults

__all__ = ["Proof", "stored_tables", "verify_ledger"]

_NO_RECEIPT = (
    "没有回执可核对，证明不了尾部没有被截去：用抄存的回执再验，drg-engine ledger verify --receipt"
)


@dataclass(frozen=True, slots=True)
class Proof:
    """What was proved: ``faults`` in words (none: all is as it was), how much was looked at.

    notes: what is no fault and still worth knowing: copies under ``out`` that are no longer what
    was recorded (the recorded files are), no receipt to prove the tail by.
    """

    faults: tuple[str, ...]
    notes: tuple[str, ...]
    receipt: Receipt
    runs: int
    files: int


def stored_tables(ledger: Ledger, run: StoredRun) -> dict[str, bytes]:
    """The tables kept with a run, as Parquet bytes by name.

    Raises LedgerError where they are not those of the run's record.
    """
    chosen = sa.select(RUN_TABLE.c.name, RUN_TABLE.c.content).where(
        RUN_TABLE.c.run_id == run.run_id
    )
    with ledger.database.reading() as connection:
        held = {str(name): bytes(data) for name, data in connection.execute(chosen)}
    faults = _table_faults(run, {name: _bytes_hash(data) for name, data in held.items()})
    if faults:
        place = ledger.database.shown
        raise LedgerError("运行的存档被改动", [Fault(place, words) for words in faults])
    return held


def verify_ledger(
    ledger: Ledger, *, receipts: Iterable[Receipt] = (), every_run: bool = False
) -> Proof:
    """Prove the ledger, or say where it breaks.

    receipts: printed ones, besides the one kept in the workspace.  every_run: hash the stored
    outputs of every run, not only those of locked and paid months.
    """
    kept = kept_receipt(ledger.workspace.folder)
    wanted = [*receipts, *([] if kept is None else [kept])]
    with ledger.database.reading() as connection:
        chain, last = entries(connection), head(connection)
        states = {str(r.period): r for r in connection.execute(sa.select(PERIOD))}
        rows = connection.execute(sa.select(RUN).order_by(RUN.c.period, RUN.c.number)).all()
        columns = (RUN_TABLE.c.run_id, RUN_TABLE.c.name, RUN_TABLE.c.content)
        tables: dict[str, dict[str, str]] = {}
        for run_id, name, data in connection.execute(sa.select(*columns)):
            tables.setdefault(str(run_id), {})[str(name)] = _bytes_hash(bytes(data))
    faults = chain_faults(chain, last, wanted)
    faults += _state_faults(chain, states)
    faults += _run_faults(chain, rows)
    strange = sorted(set(tables) - {str(row.run_id) for row in rows})
    faults += [f"存档属于账本里没有的运行 {run_id}：被插入" for run_id in strange]
    notes = [] if wanted or not chain else [_NO_RECEIPT]
    files = 0
    for run in stored_runs(rows):
        faults += _table_faults(run, tables.get(run.run_id, {}))
        current = states.get(run.period)
        is_current = current is not None and current.run_id == run.run_id
        if every_run or (current is not None and is_current and current.state in CLOSED_STATES):
            named = file_faults(ledger.workspace, run.period, run.run_id, run.files)
            if named and current is not None and current.state in OPEN_STATES:
                aside = {run_id for run_id, _ in left_aside(ledger.workspace, run.period)}
                if run.run_id in aside:  # committed this moment, its folder not yet in place
                    notes.append(f"运行 {run.run_id} 正在写入，文件没有验：稍后再验")
                    continue
            faults += [f"{name}：{words}" for name, words in named]
            files += len(run.files)
            if is_current and not named:
                changed = shown_faults(ledger.workspace, run.period, run.files)
                notes += [f"{name}：{words}" for name, words in changed]
    return Proof(tuple(faults), tuple(notes), last, len(rows), files)


def _state_faults(chain: Sequence[Entry], states: dict[str, Any]) -> list[str]:
    """Moves that no month may make, and months that are not where the chain leads to."""
    told: dict[str, tuple[str, str]] = {}
    faults = []
    for entry in chain:
        fields = entry.fields
        moved = fields.get("state")
        if isinstance(moved, list) and len(moved) == 2:
            period, run = str(fields.get("period")), str(fields.get("run"))
            before, current = told.get(period, ("draft", ""))
            if before != moved[0]:
                return [
                    f"第 {entry.seq} 条：{period} 此前是{_word(before)}，却记为{_word(moved[0])}"
                ]
            if not _is_allowed(fields, current):
                faults.append(
                    f"第 {entry.seq} 条：{period} 由{_word(moved[0])}到{_word(moved[1])}，"
                    f"运行 {run}：账本不会这样记"
                )
            told[period] = (str(moved[1]), run)
    for period in sorted({*told, *states}):
        row = states.get(period)
        state, run = told.get(period, ("draft", ""))
        if row is None:
            faults.append(f"{period}：审计链里有，账本里没有")
        elif (str(row.state), str(row.run_id or "")) != (state, run):
            found = f"{_word(str(row.state))} {row.run_id or ''}".strip()
            faults.append(f"{period}：账本写的是 {found}，审计链得出 {_word(state)} {run}")
    return faults


def _is_allowed(fields: Mapping[str, Any], current: str) -> bool:
    """Whether an entry's change of state is one of the MOVES, or a run of an open month.

    current: the month's run before it.
    """
    before, after = (str(state) for state in fields["state"])
    action, run = str(fields.get("action")), str(fields.get("run"))
    if action == "run":
        return before in OPEN_STATES and after == (before if run == current else "draft")
    move = MOVES.get(action)
    return move is not None and before in move.sources and after == move.target and run == current


def _word(state: Any) -> str:
    return STATE_WORDS.get(str(state), str(state))


def _run_faults(chain: Sequence[Entry], rows: Sequence[sa.Row[Any]]) -> list[str]:
    """Runs that are not as the chain recorded them."""
    made = [entry.fields for entry in chain if entry.fields.get("action") == "run"]
    told = {str(fields.get("run")): fields for fields in made}
    faults = []
    held = {str(row.run_id): row for row in rows}
    for run_id in sorted({*told, *held}):
        row = held.get(run_id)
        if row is None:
            faults.append(f"运行 {run_id}：审计链里有，账本里没有：被删去")
        elif run_id not in told:
            faults.append(f"运行 {run_id}：不在审计链上：被插入")
        elif {str(row.sha256), text_hash(str(row.content))} != {str(told[run_id].get("sha256"))}:
            faults.append(f"运行 {run_id}：内容与审计链的指纹不符：被改动")
        elif (row.period, row.number) != (told[run_id].get("period"), told[run_id].get("number")):
            faults.append(f"运行 {run_id}：月份或次数与审计链不符：被改动")
    return faults


def _table_faults(run: StoredRun, found: dict[str, str]) -> list[str]:
    told = run.content.get("tables", {})
    return [
        f"运行 {run.run_id} 的存档 {name} 与指纹不符：被改动"
        for name in sorted({*told, *found})
        if told.get(name) != found.get(name)
    ]


def _bytes_hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
