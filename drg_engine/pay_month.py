"""A month's allocation as it is given out: computed, beside last month, its run named."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from drg_engine.errors import Fault, LedgerError, WorkspaceError
from drg_engine.month import Month, compute_month
from drg_engine.workspace import Workspace, open_workspace

if TYPE_CHECKING:
    from drg_engine.compare import Comparison, RunTables
    from drg_engine.ledger import Ledger
    from drg_engine.pay_second import Second
    from performance import Allocation, Inputs, Plan

__all__ = ["PayMonth", "load_pay_month", "month_state", "open_month", "previous_period",
           "run_inputs"]  # fmt: skip


@dataclass(frozen=True)
class PayMonth:
    """A computed month and what is told of it.

    before: the kept tables of the month before, compared: against them; None without such a run.
    run_id: the run that ``run`` would record now.  standing: how it stands to the ledger, in words.
    state: of the month in the ledger.
    """

    month: Month
    plan: Plan
    inputs: Inputs
    allocation: Allocation
    second: Second
    names: Mapping[str, str]
    before: RunTables | None
    compared: Comparison | None
    run_id: str
    standing: str
    state: str

    @property
    def hospital(self) -> str:
        """The hospital's name."""
        return self.month.workspace.hospital.name

    @property
    def period(self) -> str:
        """``2026-10``."""
        return self.month.period


def previous_period(period: str) -> str:
    """The month before a month, both like ``2026-10``."""
    year, month = (int(part) for part in period.split("-"))
    return f"{year - (month == 1)}-{(month - 2) % 12 + 1:02d}"


def load_pay_month(
    folder: Path, period: str, begin: Callable[[str], None], ledger: str | None = None
) -> PayMonth:
    """Compute a month as ``run`` does, without recording it.

    Raises WorkspaceError where the settings name no plan, and the DrgEngineError of whatever else
    is wrong.
    """
    workspace = _opened(folder, period)
    with _ledger(workspace, period, ledger) as book:
        return _loaded(workspace, period, begin, book)


def open_month(
    folder: Path, period: str, begin: Callable[[str], None], ledger: str | None = None
) -> Month:
    """As :func:`load_pay_month`, without last month and the ledger's standing."""
    workspace = _opened(folder, period)
    with _ledger(workspace, period, ledger) as book:
        return _month(workspace, period, begin, book)[0]


def _opened(folder: Path, period: str) -> Workspace:
    workspace = open_workspace(folder)
    workspace.inputs(period)
    if workspace.run.plan is None:
        fault = Fault("hospital.toml", "没有分配方案", column="run.plan", mend="写明 [run] plan")
        raise WorkspaceError("没有分配方案，没有绩效可发放", [fault])
    return workspace


def month_state(workspace: Workspace, period: str, ledger: str | None = None) -> str:
    """State of a month in the ledger; "" where there is no ledger."""
    with _ledger(workspace, period, ledger) as book:
        return "" if book is None else book.period(period).state


def run_inputs(workspace: Workspace, period: str, ledger: str | None = None) -> set[str]:
    """SHA-256 of every input file of a month's current run; nothing where it has no run."""
    with _ledger(workspace, period, ledger) as book:
        if book is None or book.period(period).run_id is None:
            return set()
        return {str(file["sha256"]) for file in book.run(period).content["identity"]["inputs"]}


def _ledger(workspace: Workspace, period: str, url: str | None) -> Ledger | nullcontext[None]:
    """The ledger where there is one; it must be where the month has corrections."""
    from drg_engine.ledger import open_ledger

    named = url or os.environ.get("DRG_ENGINE_LEDGER") or workspace.ledger.url
    folder = workspace.inputs(period)
    if named or any(folder.glob("adjustments.*")) or (workspace.folder / "ledger.sqlite").is_file():
        return open_ledger(workspace, url)
    return nullcontext()


def _month(
    workspace: Workspace, period: str, begin: Callable[[str], None], book: Ledger | None
) -> tuple[Month, pd.DataFrame]:
    from drg_engine.ledger_adjustments import adjustment_rows, read_adjustments

    adjustments = None if book is None else read_adjustments(book, period)
    month = compute_month(workspace, period, begin, adjustments)
    return month, pd.DataFrame(adjustment_rows(adjustments))


def _loaded(
    workspace: Workspace, period: str, begin: Callable[[str], None], book: Ledger | None
) -> PayMonth:
    from drg_engine.compare import RunTables, compare_runs
    from drg_engine.run_identity import run_id, run_identity

    month, corrections = _month(workspace, period, begin, book)
    assert month.allocation is not None and month.plan is not None  # noqa: S101 -- a plan is named
    assert month.inputs is not None and month.second is not None  # noqa: S101
    begin("与上月比较")
    before = None if book is None else _before(book, previous_period(period))
    allocation = month.allocation
    compared = None
    if before is not None:
        now = RunTables(
            period, allocation.department_pools, allocation.staff_pay, allocation.series_totals,
            corrections,
        )  # fmt: skip
        compared = compare_runs(before, now)
    runs = [run_id(run_identity(month, {"unmask": unmask})) for unmask in (False, True)]
    current, standing, state = _standing(book, period, runs)
    if book is not None:
        _refuse_other_pay(book, period, runs, allocation.staff_pay)
    held = allocation.department_pools.drop_duplicates("department")
    names = dict(zip(held["department"], held["department_name"], strict=True))
    known = month.inputs.departments
    names |= dict(zip(known["department"], known["department_name"], strict=True))
    return PayMonth(
        month, month.plan, month.inputs, allocation, month.second, names, before, compared,
        current, standing, state,
    )  # fmt: skip


def _before(book: Ledger, period: str) -> RunTables | None:
    """The current run of the month before; None where it was not run or allocated nothing."""
    from drg_engine.compare_command import tables_of_run

    if book.period(period).run_id is None:
        return None
    try:
        return tables_of_run(book, book.run(period))
    except LedgerError:
        if any(file["name"].startswith("人员发放-") for file in book.run(period).files):
            raise
        return None


def _refuse_other_pay(book: Ledger, period: str, runs: list[str], pay: pd.DataFrame) -> None:
    """A closed month gives out what was closed; a newer program that pays the same may write it."""
    from drg_engine.ledger_adjustments import run_tables
    from drg_engine.ledger_states import OPEN_STATES, STATE_WORDS

    held = book.period(period)
    if held.run_id is None or held.run_id in runs or held.state in OPEN_STATES:
        return
    kept = run_tables(book, book.run(held.run_id)).get("people", pd.DataFrame())
    keys = ["staff_id", "department", "series", "total_fen"]
    rows = [sorted(map(tuple, table[keys].to_numpy().tolist())) if len(table) else []
            for table in (kept, pay)]  # fmt: skip
    if rows[0] != rows[1]:
        word = STATE_WORDS[held.state]
        mend = f"取回{word}时的输入和方案；要改的先退回或解锁重跑，或写更正（adjustments）"
        what = f"现在算出的发放与{word}的运行 {held.run_id} 不同"
        raise LedgerError(f"{period} {word}，没有写出发放文件", [Fault(period, what, mend=mend)])


def _standing(book: Ledger | None, period: str, runs: list[str]) -> tuple[str, str, str]:
    """Run id, how it stands to the ledger in words, state."""
    from drg_engine.ledger_states import STATE_WORDS

    held = None if book is None else book.period(period)
    if held is None or held.run_id is None:
        return runs[0], "没有入账：先执行 drg-engine run", ""
    if held.run_id in runs:
        return held.run_id, f"账本当前运行，{STATE_WORDS[held.state]}", held.state
    return runs[0], f"与账本当前运行 {held.run_id} 不同：输入、方案或程序已变", held.state
