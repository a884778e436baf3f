"""The ledger of a hospital's months: states, allowed moves, who and when (allocation.md §8).

Everything that is done is an entry of the audit chain, made in the same transaction as the change.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Self

import sqlalchemy as sa

from drg_engine._ledger_chain import (
    Entry,
    Receipt,
    append,
    canonical,
    chain_faults,
    entries,
    head,
    keep_receipt,
    kept_receipt,
    text_hash,
)
from drg_engine._ledger_tables import ENTRY, PERIOD, RUN, Database
from drg_engine.errors import Fault, LedgerError
from drg_engine.ledger_lease import Lease, lease_of, refuse_busy
from drg_engine.ledger_states import MOVES, STATE_WORDS, Clock, Move, Signature, now
from drg_engine.run_folders import file_faults
from drg_engine.workspace import Workspace

__all__ = ["Ledger", "PeriodState", "StoredRun", "open_ledger", "stored_runs"]

_NO_REASONS: Mapping[str, str] = MappingProxyType({})
_REFERENCE = re.compile(r"(\d{4}-\d{2})(?:#(\d+))?")


@dataclass(frozen=True, slots=True)
class PeriodState:
    """Where a month stands: its state, its current run, and who is running it."""

    period: str
    state: str
    run_id: str | None
    lease: Lease | None


@dataclass(frozen=True, slots=True)
class StoredRun:
    """A run as the ledger keeps it; ``content`` is what its SHA-256 was made from."""

    run_id: str
    period: str
    number: int
    content: Mapping[str, Any]
    sha256: str

    @property
    def findings(self) -> list[dict[str, Any]]:
        """Compliance findings (allocation.md §7) kept with the run."""
        return list(self.content.get("findings", []))

    @property
    def files(self) -> list[dict[str, Any]]:
        """Output files: name, bytes, sha256."""
        return list(self.content.get("files", []))

    def __str__(self) -> str:
        return f"{self.run_id}（第 {self.number} 次）"


def open_ledger(workspace: Workspace, url: str | None = None, *, create: bool = False) -> Ledger:
    """Open a workspace's ledger: ``url``, ``DRG_ENGINE_LEDGER``, hospital.toml, or its own SQLite.

    create: make it where there is none.  Raises LedgerError where it is not there, cannot be
    reached, or belongs to another hospital.
    """
    chosen = url or os.environ.get("DRG_ENGINE_LEDGER") or workspace.ledger.url
    database = Database(chosen, workspace.folder)
    owner = workspace.ledger.owner or workspace.hospital.name
    if create:
        database.create(owner)
    elif not database.exists:
        receipt = kept_receipt(workspace.folder)
        lost = "" if receipt is None else f"；而回执记有 {receipt.count} 条，账本被移走或删去"
        mend = "先跑一个月：drg-engine run 文件夹 月份"
        raise LedgerError("还没有账本", [Fault(database.shown, f"没有账本{lost}", mend=mend)])
    database.check_owner(owner)
    return Ledger(workspace, database)


class Ledger:
    """An opened ledger of a workspace; use it in a ``with``."""

    def __init__(self, workspace: Workspace, database: Database) -> None:
        self.workspace = workspace
        self.database = database

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.database.close()

    # ---- reading

    def periods(self) -> list[PeriodState]:
        """All months in order."""
        with self.database.reading() as connection:
            rows = connection.execute(sa.select(PERIOD).order_by(PERIOD.c.period)).all()
        return [_state(row) for row in rows]

    def period(self, period: str) -> PeriodState:
        """One month; a month never run is a draft without a run."""
        with self.database.reading() as connection:
            return _period(connection, period)

    def runs(self, period: str | None = None) -> list[StoredRun]:
        """The runs of a month, or all, in the order in which they were recorded."""
        chosen = sa.select(RUN).order_by(RUN.c.period, RUN.c.number)
        if period is not None:
            chosen = chosen.where(RUN.c.period == period)
        with self.database.reading() as connection:
            return stored_runs(connection.execute(chosen).all())

    def run(self, reference: str) -> StoredRun:
        """A run by ``2026-10`` (its current one), ``2026-10#2``, its id, or the id's beginning.

        Raises LedgerError where there is none, or more than one.
        """
        found = _REFERENCE.fullmatch(reference)
        if found is None:
            matching = [run for run in self.runs() if run.run_id.startswith(reference)]
        elif found[2] is not None:
            matching = [run for run in self.runs(found[1]) if run.number == int(found[2])]
        else:
            current = self.period(reference).run_id
            matching = [run for run in self.runs(reference) if run.run_id == current]
        if len(matching) == 1 and reference:
            return matching[0]
        words = "对上几次运行，请写全" if matching else "账本里没有这次运行"
        held = "、".join(f"{run.period}#{run.number}" for run in self.runs()[-12:]) or "没有"
        mend = f"现有：{held}；也可写月份，取其当前运行"
        raise LedgerError(
            "找不到运行", [Fault(self.database.shown, words, found=reference, mend=mend)]
        )

    def history(self, period: str | None = None) -> list[Entry]:
        """The audit entries, of one month or all."""
        with self.database.reading() as connection:
            found = entries(connection)
        return [e for e in found if period is None or e.fields.get("period") == period]

    def receipt(self) -> Receipt:
        """Count and hash of the last entry: keep it elsewhere to prove later that none is cut."""
        with self.database.reading() as connection:
            return head(connection)

    # ---- changing

    @contextmanager
    def changing(self) -> Iterator[sa.Connection]:
        """Give a connection for one change with its entry; keep the receipt once it stands.

        Raises LedgerError where the ledger does not hold the entry that its receipt names.
        """
        with self.database.writing() as connection:
            self.refuse_cut(connection)
            yield connection
            last = head(connection)
        keep_receipt(self.workspace.folder, last)

    def refuse_cut(self, connection: sa.Connection) -> None:
        """Raise LedgerError where the ledger does not hold the entry that its receipt names."""
        held = kept_receipt(self.workspace.folder)
        if held is None or held == head(connection):
            return
        chosen = sa.select(ENTRY.c.hash).where(ENTRY.c.seq == held.count)
        if connection.execute(chosen).scalar_one_or_none() != held.hash:
            mend = "drg-engine ledger verify 查看；确是恢复了旧备份的，用 ledger resume 写明原因"
            fault = Fault(
                self.database.shown, "账本没有回执所记的那一条", found=str(held), mend=mend
            )
            raise LedgerError("账本与回执不符，不再往下记", [fault])

    def move(
        self,
        period: str,
        name: str,
        signature: Signature,
        *,
        reason: str = "",
        reasons: Mapping[str, str] = _NO_REASONS,
        run: str | None = None,
        facts: Mapping[str, Any] = _NO_REASONS,
        clock: Clock = now,
    ) -> Receipt:
        """Make one of the MOVES with a month, or raise LedgerError that says why not.

        reason: why, where the move needs one.  reasons: for each rule with warnings, why it is
        approved all the same.  run: refuse unless this is the current run.  facts: told in the
        entry besides.
        """
        move = MOVES[name]
        if move.needs_reason and not reason.strip():
            raise LedgerError(
                f"{move.word} {period} 要写原因",
                [Fault(period, "没有原因", mend="加 --reason 原因")],
            )
        with self.changing() as connection:
            held = _period(connection, period)
            refuse_busy(held.period, held.lease, clock().timestamp())
            stored = self._allowed(connection, held, move, run)
            content: dict[str, Any] = {
                **_signed(signature),
                "action": name,
                "period": period,
                "run": stored.run_id,
                "state": [held.state, move.target],
            }
            if reason.strip():
                content["reason"] = reason.strip()
            if name == "approve":
                self._refuse_same_person(connection, period, signature)
                content["findings"] = _approved(stored, reasons)
            if name == "unlock":
                self._refuse_corrected(connection, period)
            receipt = append(connection, {**facts, **content})
            connection.execute(
                PERIOD.update().where(PERIOD.c.period == period).values(state=move.target)
            )
        return receipt

    def _allowed(
        self, connection: sa.Connection, held: PeriodState, move: Move, run: str | None
    ) -> StoredRun:
        if held.run_id is None:
            mend = f"先跑：drg-engine run 文件夹 {held.period}"
            raise LedgerError(
                f"{held.period} 还没有运行", [Fault(held.period, f"不能{move.word}", mend=mend)]
            )
        if held.state not in move.sources:
            raise LedgerError(*_refusal(connection, held, move))
        if run is not None and run != held.run_id:
            mend = "先看清现在的结果再办"
            fault = Fault(held.period, f"现在的运行是 {held.run_id}", found=run, mend=mend)
            raise LedgerError(f"{held.period} 的运行已换，没有{move.word}", [fault])
        row = connection.execute(sa.select(RUN).where(RUN.c.run_id == held.run_id)).one()
        stored = _run(row)
        if move.target != "draft":
            faults = file_faults(self.workspace, stored.period, stored.run_id, stored.files)
            if faults:
                what = f"{held.period} 的结果文件与入账时不同，没有{move.word}"
                mend = _mend_files(held)
                raise LedgerError(what, [Fault(n, message, mend=mend) for n, message in faults])
        return stored

    def _refuse_same_person(
        self, connection: sa.Connection, period: str, signature: Signature
    ) -> None:
        if not self.workspace.ledger.separate_duties:
            return
        checked = _last(entries(connection), period, ("check",))
        if checked is not None and checked.fields.get("actor") == signature.actor:
            mend = "由另一人批准（hospital.toml [ledger] separate_duties = true）"
            fault = Fault(period, "核对与批准是同一人", found=signature.actor, mend=mend)
            raise LedgerError(f"{period} 没有批准", [fault])

    def _refuse_corrected(self, connection: sa.Connection, period: str) -> None:
        """A month whose money another month corrects must not change under that correction."""
        joined = sa.select(RUN).join(PERIOD, PERIOD.c.run_id == RUN.c.run_id)
        for row in connection.execute(joined.order_by(RUN.c.period)):
            other = _run(row)
            rows = other.content.get("adjustments", [])
            if other.period != period and any(a["for_period"] == period for a in rows):
                mend = f"{other.period} 未锁定时，先删去其 adjustments 中更正 {period} 的行并重跑"
                fault = Fault(other.period, f"已更正 {period}，解锁重跑会算重", mend=mend)
                raise LedgerError(f"{period} 没有解锁", [fault])

    def note(self, action: str, signature: Signature, content: Mapping[str, Any]) -> Receipt:
        """Add an entry that moves nothing."""
        with self.changing() as connection:
            return append(connection, {**content, **_signed(signature), "action": action})

    def resume(self, signature: Signature, reason: str) -> Receipt:
        """Go on with a ledger that does not hold what its receipt names (a restored backup).

        The old receipt and the reason become an entry, so that the gap stays told.  Raises
        LedgerError where receipt and ledger agree, where there is no reason, or where the chain
        itself is broken.
        """
        if not reason.strip():
            raise LedgerError(
                "接续要写原因", [Fault(self.database.shown, "没有原因", mend="加 --reason")]
            )
        folder = self.workspace.folder
        with self.database.writing() as connection:
            held, chain = kept_receipt(folder), entries(connection)
            if held is None or not chain_faults(chain, head(connection), [held]):
                raise LedgerError("账本与回执相符，不必接续")
            broken = chain_faults(chain, head(connection), [])
            if broken:
                faults = [Fault(self.database.shown, words) for words in broken]
                raise LedgerError("审计链本身已断，不能接续：请恢复完好的备份", faults)
            told = {"reason": reason.strip(), "receipt": str(held)}
            receipt = append(connection, {**told, **_signed(signature), "action": "resume"})
        (folder / "ledger.receipt.json").unlink(missing_ok=True)
        keep_receipt(folder, receipt)
        return receipt


def _signed(signature: Signature) -> dict[str, str]:
    return {"actor": signature.actor, "account": signature.account, "time": signature.time}


def _state(row: sa.Row[Any]) -> PeriodState:
    return PeriodState(str(row.period), str(row.state), row.run_id, lease_of(row))


def _period(connection: sa.Connection, period: str) -> PeriodState:
    chosen = sa.select(PERIOD).where(PERIOD.c.period == period)
    row = connection.execute(chosen).one_or_none()
    return PeriodState(period, "draft", None, None) if row is None else _state(row)


def _run(row: sa.Row[Any]) -> StoredRun:
    return StoredRun(
        str(row.run_id), str(row.period), int(row.number), json.loads(row.content), str(row.sha256)
    )


def stored_runs(rows: Iterable[sa.Row[Any]]) -> list[StoredRun]:
    """Rows of the table of runs, as they were read in one moment."""
    return [_run(row) for row in rows]


def _last(chain: Sequence[Entry], period: str, actions: Sequence[str]) -> Entry | None:
    for entry in reversed(chain):
        if entry.fields.get("period") == period and entry.fields.get("action") in actions:
            return entry
    return None


def _mend_files(held: PeriodState) -> str:
    """How the files of a run come back: its own folder from a backup, or the run once more."""
    again = f"drg-engine run 文件夹 {held.period}（输入未变时写回同样的文件）"
    back = {
        "approved": f"先 drg-engine ledger return 文件夹 {held.period} --reason 原因，再 ",
        "locked": f"先 drg-engine ledger unlock 文件夹 {held.period} --reason 原因，再 ",
    }
    return f"从备份取回 runs/{held.period}/{held.run_id}；或{back.get(held.state, '')}{again}"


def _refusal(connection: sa.Connection, held: PeriodState, move: Move) -> tuple[str, list[Fault]]:
    """Why a month in this state does not make this move, who brought it there, what to do."""
    arriving = [name for name, other in MOVES.items() if other.target == held.state]
    arriving += ["run"] if held.state == "draft" else []
    last = _last(entries(connection), held.period, arriving)
    by = ""
    if last is not None:
        by = f"（{last.fields.get('actor')} 于 {last.fields.get('time')}）"
    word = STATE_WORDS[held.state]
    if held.state == move.target:
        what = f"{held.period} 已由别人{move.word}{by}" if by else f"{held.period} {word}"
        return what, [Fault(held.period, f"{word}；你的{move.word}没有执行")]
    ways = "、".join(
        f"{other.word}（drg-engine ledger {name}）"
        for name, other in MOVES.items()
        if held.state in other.sources
    )
    mend = f"现在可以：{ways}" if ways else "更正请写入未锁定月份的 adjustments 表"
    return f"{held.period} 没有{move.word}", [Fault(held.period, f"现在是{word}{by}", mend=mend)]


def _approved(stored: StoredRun, reasons: Mapping[str, str]) -> dict[str, Any]:
    """The findings as they were approved: their hash and the reasons.

    A warning's reason is the one given now, or the one that the plan gives for its subject.  Raises
    LedgerError with every error, every warning without a reason and every reason without a warning
    (allocation.md §7).
    """
    faults, kept = [], dict[str, str]()
    refused = set()
    for finding in stored.findings:
        rule, place = str(finding["rule"]), f"规则 {finding['rule']} {finding['subject']}"
        if finding["severity"] == "error":
            mend = "改正后重跑"
            faults.append(Fault(place, str(finding["message"]), mend=mend))
            continue
        own = finding.get("reason", "") if finding.get("status") == "explained" else ""
        why = reasons.get(rule, "").strip() or str(own).strip()
        if not why and rule not in refused:
            mend = f"写明理由：--reason {rule}=理由，或写入方案的 [[compliance.reasons]]"
            faults.append(Fault(place, str(finding["message"]), mend=mend))
            refused.add(rule)
        kept.setdefault(rule, why)
    faults += [
        Fault(f"规则 {rule}", "这次运行没有这条提示", mend="删去这个理由")
        for rule in reasons
        if rule not in kept
    ]
    if faults:
        raise LedgerError(f"{stored.period} 没有批准：合规检查有 {len(faults)} 处未决", faults)
    return {
        "count": len(stored.findings),
        "sha256": text_hash(canonical({"findings": stored.findings})),
        "reasons": dict(sorted(kept.items())),
    }
