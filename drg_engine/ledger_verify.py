"""Proving a ledger: the chain unbroken, states and runs as it tells, stored outputs untouched."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
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
from drg_engine.ledger import Ledger, StoredRun
from drg_engine.ledger_states import STATE_WORDS
from drg_engine.run_folders import file_faults, shown_faults

__all__ = ["Proof", "stored_tables", "verify_ledger"]

_CLOSED = ("locked", "paid")


@dataclass(frozen=True, slots=True)
class Proof:
    """What was proved: ``faults`` in words (none: all is as it was), how much was looked at.

    notes: copies under ``out`` that are no longer what was recorded; the recorded files are.
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
        rows = connection.execute(sa.select(RUN)).all()
        columns = (RUN_TABLE.c.run_id, RUN_TABLE.c.name, RUN_TABLE.c.content)
        tables: dict[str, dict[str, str]] = {}
        for run_id, name, data in connection.execute(sa.select(*columns)):
            tables.setdefault(str(run_id), {})[str(name)] = _bytes_hash(bytes(data))
    faults = chain_faults(chain, last, wanted)
    faults += _state_faults(chain, states)
    faults += _run_faults(chain, rows)
    notes: list[str] = []
    files = 0
    for run in ledger.runs():
        faults += _table_faults(run, tables.get(run.run_id, {}))
        current = states.get(run.period)
        is_current = current is not None and current.run_id == run.run_id
        if every_run or (current is not None and is_current and current.state in _CLOSED):
            named = file_faults(ledger.workspace, run.period, run.run_id, run.files)
            faults += [f"{name}：{words}" for name, words in named]
            files += len(run.files)
            if is_current and not named:
                changed = shown_faults(ledger.workspace, run.period, run.files)
                notes += [f"{name}：{words}" for name, words in changed]
    return Proof(tuple(faults), tuple(notes), last, len(rows), files)


def _state_faults(chain: Sequence[Entry], states: dict[str, Any]) -> list[str]:
    """Months whose state or current run is not the one that the chain leads to."""
    told: dict[str, tuple[str, str]] = {}
    for entry in chain:
        fields = entry.fields
        moved = fields.get("state")
        if isinstance(moved, list) and len(moved) == 2:
            period = str(fields.get("period"))
            before = told.get(period, ("draft", ""))[0]
            if before != moved[0]:
                return [
                    f"第 {entry.seq} 条：{period} 此前是{_word(before)}，却记为{_word(moved[0])}"
                ]
            told[period] = (str(moved[1]), str(fields.get("run")))
    faults = []
    for period in sorted({*told, *states}):
        row = states.get(period)
        state, run = told.get(period, ("draft", ""))
        if row is None:
            faults.append(f"{period}：审计链里有，账本里没有")
        elif (str(row.state), str(row.run_id or "")) != (state, run):
            found = f"{_word(str(row.state))} {row.run_id or ''}".strip()
            faults.append(f"{period}：账本写的是 {found}，审计链得出 {_word(state)} {run}")
    return faults


def _word(state: Any) -> str:
    return STATE_WORDS.get(str(state), str(state))


def _run_faults(chain: Sequence[Entry], rows: Sequence[sa.Row[Any]]) -> list[str]:
    """Runs that are not as the chain recorded them."""
    told = {
        str(entry.fields.get("run")): str(entry.fields.get("sha256"))
        for entry in chain
        if entry.fields.get("action") == "run"
    }
    faults = []
    held = {str(row.run_id): row for row in rows}
    for run_id in sorted({*told, *held}):
        row = held.get(run_id)
        if row is None:
            faults.append(f"运行 {run_id}：审计链里有，账本里没有：被删去")
        elif run_id not in told:
            faults.append(f"运行 {run_id}：不在审计链上：被插入")
        elif str(row.sha256) != told[run_id] or text_hash(str(row.content)) != told[run_id]:
            faults.append(f"运行 {run_id}：内容与审计链的指纹不符：被改动")
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
