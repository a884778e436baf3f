"""Recording a run: leased, written aside, committed, shown; whatever a kill leaves is mended.

The order is what makes a run whole or nothing::

    lease        the month is ours, and still open
    write aside  runs/月份/.运行号.part
    commit       run, tables, entry of the audit chain, current run: one transaction
    settle       the folder aside gets its own name
    publish      out/月份 shows it
    let go       the lease ends, so that nobody mends what is only not done yet

Before the commit nothing has happened; after it, :func:`mend` does what is left to do.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from shutil import rmtree
from types import MappingProxyType
from typing import Any

import sqlalchemy as sa

from drg_engine._ledger_chain import Receipt, append, canonical, text_hash
from drg_engine._ledger_tables import PERIOD, RUN, RUN_TABLE
from drg_engine.errors import DrgEngineError, Fault, LedgerError
from drg_engine.ledger import Ledger
from drg_engine.ledger_lease import MonthBusyError, lease_of, refuse_busy, take_lease
from drg_engine.ledger_states import (
    CLOSED_STATES,
    OPEN_STATES,
    STATE_WORDS,
    Clock,
    Signature,
    now,
)
from drg_engine.run_folders import (
    aside_folder,
    file_faults,
    file_list,
    left_aside,
    leftovers,
    publish,
    run_folder,
    settle,
    shown_run,
)

__all__ = ["Recorded", "Recording", "mend", "recording", "release"]

_NO_TABLES: Mapping[str, bytes] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Recorded:
    """What became of a run: its id and number, whether it had been made before, the receipt.

    state: the month's state before and after.
    """

    run_id: str
    number: int
    repeated: bool
    state: tuple[str, str]
    receipt: Receipt


@dataclass
class Recording:
    """A month that this process may run now."""

    ledger: Ledger
    period: str
    signature: Signature
    clock: Clock
    token: str = field(default_factory=lambda: secrets.token_hex(8))
    _held_at: float = 0.0

    def renew(self, after: float = 0.0) -> None:
        """Hold the month for longer, where more than ``after`` seconds of its time are gone.

        Raises LedgerError where somebody else has taken it over.
        """
        if self.clock().timestamp() < self._held_at + after:
            return
        with self.ledger.database.writing() as connection:
            self._still_ours(connection)
            self._lease(connection, self.token)

    def folder(self, run_id: str) -> Path:
        """An empty folder to write the run's files to."""
        return aside_folder(self.ledger.workspace, self.period, run_id)

    def record(
        self,
        run_id: str,
        folder: Path,
        content: Mapping[str, Any],
        tables: Mapping[str, bytes] = _NO_TABLES,
    ) -> Recorded:
        """Commit a run whose files are in ``folder``, settle it and show it.

        content: what is kept with the run (no floats).  tables: Parquet bytes by name, kept for
        comparing.  A run that the ledger has must have come out the same to the byte.  Raises
        LedgerError where it did not, where the month is no longer ours or no longer open, or where
        a month that it corrects is no longer closed with the same run.
        """
        whole = {
            **content,
            "run": run_id,
            "period": self.period,
            "files": file_list(folder),
            "tables": {name: _bytes_hash(data) for name, data in tables.items()},
        }
        text = canonical(whole)
        with self.ledger.changing() as connection:
            row = self._still_ours(connection)
            _refuse_reopened(connection, self.period, whole.get("adjustments", []))
            recorded = self._enter(connection, row, run_id, text, tables)
            values = {"run_id": run_id, "state": recorded.state[1]}
            chosen = PERIOD.c.period == self.period
            connection.execute(PERIOD.update().where(chosen).values(**values))
        workspace = self.ledger.workspace
        settle(workspace, self.period, run_id, folder)
        publish(workspace, self.period, run_id)
        return recorded

    def _enter(
        self,
        connection: sa.Connection,
        row: sa.Row[Any],
        run_id: str,
        text: str,
        tables: Mapping[str, bytes],
    ) -> Recorded:
        digest = text_hash(text)
        columns = (RUN.c.number, RUN.c.content, RUN.c.sha256)
        held = connection.execute(sa.select(*columns).where(RUN.c.run_id == run_id)).one_or_none()
        if held is None:
            last = sa.select(sa.func.max(RUN.c.number)).where(RUN.c.period == self.period)
            number = int(connection.execute(last).scalar() or 0) + 1
            values = {"run_id": run_id, "period": self.period, "number": number}
            connection.execute(RUN.insert().values(**values, content=text, sha256=digest))
            for name, data in sorted(tables.items()):
                kept = {"run_id": run_id, "name": name, "content": data}
                connection.execute(RUN_TABLE.insert().values(**kept, sha256=_bytes_hash(data)))
        else:
            number = int(held.number)
            if held.sha256 != digest:
                raise _not_repeated(run_id, str(held.content), text)
        same = held is not None and row.run_id == run_id
        state = (str(row.state), str(row.state) if same else "draft")
        entry = {
            "actor": self.signature.actor,
            "account": self.signature.account,
            "time": self.signature.time,
            "action": "run",
            "period": self.period,
            "run": run_id,
            "number": number,
            "repeated": held is not None,
            "sha256": digest,
            "state": list(state),
        }
        return Recorded(run_id, number, held is not None, state, append(connection, entry))

    def _still_ours(self, connection: sa.Connection) -> sa.Row[Any]:
        chosen = sa.select(PERIOD).where(PERIOD.c.period == self.period)
        row = connection.execute(chosen).one()
        if row.lease_token != self.token:
            mend_words = "看清现在的结果：drg-engine ledger status；需要时重跑"
            who = f"已由 {row.lease_owner or '别人'} 接手"
            fault = Fault(self.period, who, mend=mend_words)
            raise LedgerError(f"{self.period} 的这次运行没有入账", [fault])
        _refuse_closed(self.period, str(row.state))  # by somebody while the lease was over
        return row

    def _lease(self, connection: sa.Connection, token: str | None) -> None:
        moment, since = self.clock().timestamp(), self.signature.time
        self._held_at = moment
        take_lease(connection, self.period, token, self.signature.actor, since, moment)


@contextmanager
def recording(
    ledger: Ledger, period: str, signature: Signature, clock: Clock = now
) -> Iterator[Recording]:
    """Take a month for running, mend what an earlier run left, and let go of it at the end.

    Raises LedgerError where the month is not open, somebody else is running it, or the ledger does
    not hold what its receipt names.
    """
    held = Recording(ledger, period, signature, clock)
    _take(held, must_be_open=True)
    try:
        _mend_month(ledger, period)
        yield held
    finally:
        _let_go(held)


def _take(held: Recording, *, must_be_open: bool) -> None:
    with held.ledger.database.writing() as connection:
        held.ledger.refuse_cut(connection)
        chosen = sa.select(PERIOD).where(PERIOD.c.period == held.period)
        row = connection.execute(chosen).one_or_none()
        if row is None:
            connection.execute(PERIOD.insert().values(period=held.period, state="draft"))
        else:
            refuse_busy(held.period, lease_of(row), held.clock().timestamp())
            if must_be_open:
                _refuse_closed(held.period, str(row.state))
        held._lease(connection, held.token)


def _refuse_closed(period: str, state: str) -> None:
    """A month that is approved, locked or paid is not run again; say what to do instead."""
    if state in OPEN_STATES:
        return
    adjust = "更正写入未锁定月份的 inputs/月份/adjustments.csv"
    undo = {
        "approved": f"先退回：drg-engine ledger return 文件夹 {period} --reason 原因",
        "locked": f"{adjust}；或解锁重跑：drg-engine ledger unlock 文件夹 {period} --reason 原因",
        "paid": adjust,
    }[state]
    fault = Fault(period, f"现在是{STATE_WORDS[state]}", mend=undo)
    raise LedgerError(f"{period} {STATE_WORDS[state]}，不能再跑", [fault])


def _refuse_reopened(
    connection: sa.Connection, period: str, adjustments: Sequence[Mapping[str, Any]]
) -> None:
    """Corrections stand on a closed month's run; it may have been unlocked since they were read."""
    columns = (PERIOD.c.period, PERIOD.c.state, PERIOD.c.run_id)
    held = {str(row.period): row for row in connection.execute(sa.select(*columns))}
    faults = []
    for month, run_id in sorted({(str(a["for_period"]), str(a["run_id"])) for a in adjustments}):
        row = held.get(month)
        if row is None or row.state not in CLOSED_STATES or row.run_id != run_id:
            mend_words = f"等 {month} 重新锁定后再跑 {period}"
            faults.append(
                Fault(month, "所更正的月份已解锁或换了运行", found=run_id, mend=mend_words)
            )
    if faults:
        raise LedgerError(f"{period} 的这次运行没有入账", faults)


def _let_go(held: Recording) -> None:
    """Take away what was not recorded, finish what was, end the lease."""
    if not _is_ours(held):
        return
    with suppress(DrgEngineError, OSError):  # the next command mends what is left
        _mend_month(held.ledger, held.period)
    with held.ledger.database.writing() as connection:
        mine = (PERIOD.c.period == held.period) & (PERIOD.c.lease_token == held.token)
        if connection.execute(sa.select(PERIOD.c.period).where(mine)).one_or_none() is not None:
            held._lease(connection, None)


def _is_ours(held: Recording) -> bool:
    lease = held.ledger.period(held.period).lease
    return lease is not None and lease.token == held.token


def _bytes_hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _not_repeated(run_id: str, before: str, after: str) -> LedgerError:
    """The same inputs and the same program gave something else."""
    old, new = json.loads(before), json.loads(after)
    hashes = {file["name"]: file["sha256"] for file in old["files"]}
    found = {file["name"]: file["sha256"] for file in new["files"]}
    names = sorted(n for n in {*hashes, *found} if hashes.get(n) != found.get(n))
    names += sorted(n for n in new["tables"] if old["tables"].get(n) != new["tables"][n])
    faults = [Fault(name, "与上次运行不同", mend="请报告此问题") for name in names]
    return LedgerError(f"{run_id}：同样的输入得到不同的结果，没有入账", faults)


def release(ledger: Ledger, period: str, signature: Signature, reason: str) -> Receipt:
    """Take a month away from whoever is running it (a computer that is gone).

    Raises LedgerError where nobody is, or no reason is given.
    """
    if not reason.strip():
        raise LedgerError(
            f"释放 {period} 要写原因", [Fault(period, "没有原因", mend="加 --reason 原因")]
        )
    with ledger.changing() as connection:
        chosen = sa.select(PERIOD).where(PERIOD.c.period == period)
        row = connection.execute(chosen).one_or_none()
        lease = None if row is None else lease_of(row)
        if lease is None:
            raise LedgerError(f"{period} 没有人在运行")
        take_lease(connection, period, None, "", "", 0.0)
        content = {
            "actor": signature.actor,
            "account": signature.account,
            "time": signature.time,
            "action": "release",
            "period": period,
            "reason": reason.strip(),
            "owner": f"{lease.owner}@{lease.host}",
        }
        return append(connection, content)


def mend(ledger: Ledger, signature: Signature, clock: Clock = now) -> list[str]:
    """Finish or take away what killed runs left; returns what was done, in words.

    Months that somebody is running now are left alone.
    """
    done = []
    for period in ledger.periods():
        if not _unfinished(ledger, period.period, period.run_id):
            continue
        if period.lease is not None and period.lease.is_live(clock().timestamp()):
            continue
        held = Recording(ledger, period.period, signature, clock)
        try:
            _take(held, must_be_open=False)
        except MonthBusyError:  # begun since the months were read
            continue
        try:
            done += _mend_month(ledger, period.period)
        finally:
            _let_go(held)
    return done


def _unfinished(ledger: Ledger, period: str, run_id: str | None) -> bool:
    workspace = ledger.workspace
    if left_aside(workspace, period) or leftovers(workspace, period):
        return True
    return run_id is not None and _is_hidden(ledger, period, run_id)


def _is_hidden(ledger: Ledger, period: str, run_id: str) -> bool:
    """Whether a run whose files are here is not the one that ``out`` shows."""
    workspace = ledger.workspace
    there = run_folder(workspace, period, run_id).is_dir()
    return there and shown_run(workspace, period) != run_id


def _mend_month(ledger: Ledger, period: str) -> list[str]:
    """Finish a month's runs that were committed, take away those that were not."""
    workspace, done = ledger.workspace, []
    known = {run.run_id: run for run in ledger.runs(period)}
    for run_id, aside in left_aside(workspace, period):
        run = known.get(run_id)
        if run is None:
            done.append(f"{period}：撤去没有入账的运行 {run_id}")
        elif file_faults(workspace, period, run_id, run.files):
            kept = file_list(aside) == run.files
            if kept:
                settle(workspace, period, run_id, aside)
                done.append(f"{period}：补齐已入账的运行 {run_id}")
        rmtree(aside, ignore_errors=True)
    current = ledger.period(period).run_id
    if current is not None and _is_hidden(ledger, period, current):
        publish(workspace, period, current)
        done.append(f"{period}：out 换上当前的运行 {current}")
    for folder in leftovers(workspace, period):
        rmtree(folder, ignore_errors=True)
    return done
