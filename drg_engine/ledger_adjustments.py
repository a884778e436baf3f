"""Corrections of a locked month, paid as single items of an open one (allocation.md §8).

``inputs/月份/adjustments.csv``: the month corrected, department or person, amount, reason.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from drg_engine.errors import Fault, InputError
from drg_engine.ledger_states import CLOSED_STATES

if TYPE_CHECKING:
    from drg_engine.ledger import Ledger, StoredRun

__all__ = ["Adjustments", "adjustment_rows", "read_adjustments", "run_tables"]

_NAME = "adjustments"
_SUFFIXES = (".csv", ".xlsx", ".parquet")


@dataclass(frozen=True)
class Adjustments:
    """A month's corrections of others.

    table: row, for_period, department, staff_id, series, amount_fen, reason, run_id (the locked run
    that is corrected), before_fen and after_fen (what the person or unit gets for that month in
    all, without and with this row and those above it; int64 fen).
    """

    file: Path
    table: pd.DataFrame

    @property
    def matters(self) -> list[str]:
        """What each row is for, as a single item."""
        table = self.table
        return [
            f"更正 {period}（{run}）：{reason}"
            for period, run, reason in zip(
                table["for_period"], table["run_id"], table["reason"], strict=True
            )
        ]

    def single_items(self) -> pd.DataFrame:
        """The rows as single items of ``performance.tables``."""
        return self.table[["row", "department", "staff_id", "amount_fen", "series"]].assign(
            matter=self.matters
        )


def run_tables(ledger: Ledger, run: StoredRun) -> dict[str, pd.DataFrame]:
    """The tables kept with a run: ``units``, ``people`` and ``series``; none without a plan.

    Raises LedgerError where they are not what the run's record says.
    """
    import pyarrow.parquet as pq

    from drg_engine.ledger_verify import stored_tables

    return {
        name: pq.read_table(io.BytesIO(data)).to_pandas()
        for name, data in stored_tables(ledger, run).items()
    }


def read_adjustments(ledger: Ledger, period: str) -> Adjustments | None:
    """Read a month's corrections; None where it has none.

    Raises InputError with every row that names a month which is not locked or paid, or nobody.
    """
    folder = ledger.workspace.inputs(period)
    found = [folder / f"{_NAME}{suffix}" for suffix in _SUFFIXES]
    found = [path for path in found if path.is_file()]
    if not found:
        return None
    if len(found) > 1:
        names = "、".join(path.name for path in found)
        fault = Fault(f"inputs/{period}", "同时有几个更正表", found=names, mend="只留一个")
        raise InputError(f"{period} 的更正表有误", [fault])
    path = found[0]
    from performance import read_table

    table = read_table(path, _NAME).sort_values("row", kind="stable", ignore_index=True)
    states = {held.period: held for held in ledger.periods()}
    faults = []
    for row, month in zip(table["row"], table["for_period"], strict=True):
        held = states.get(str(month))
        if held is None or held.state not in CLOSED_STATES or month == period:
            mend = "只更正已锁定或已发放的月份；没有锁定的，改它的输入并重跑"
            faults.append(Fault(path.name, "这个月没有锁定", int(row), "原月份", str(month), mend))
    if faults:
        raise InputError(f"更正表 {path.name} 有 {len(faults)} 处错误", faults)
    run_ids = {month: str(states[month].run_id) for month in sorted(set(table["for_period"]))}
    before = _before(ledger, period, run_ids, table)
    table = table.assign(run_id=[run_ids[month] for month in table["for_period"]])
    targets = [_target(row) for row in table.to_dict("records")]
    given = table["amount_fen"].groupby(pd.Series(targets, dtype=object))
    after = before + given.cumsum().to_numpy(dtype=np.int64)
    return Adjustments(
        path, table.assign(before_fen=after - table["amount_fen"].to_numpy(), after_fen=after)
    )


def adjustment_rows(adjustments: Adjustments | None) -> list[dict[str, Any]]:
    """The rows as the ledger keeps them with the run."""
    if adjustments is None:
        return []
    return [
        {
            str(name): int(v) if isinstance(v, int | np.integer) else str(v)
            for name, v in row.items()
        }
        for row in adjustments.table.to_dict("records")
    ]


def _before(
    ledger: Ledger, period: str, run_ids: Mapping[str, str], table: pd.DataFrame
) -> np.ndarray[Any, np.dtype[np.int64]]:
    """What each row's person or unit gets for its month before this month's corrections, in fen."""
    tables = {month: run_tables(ledger, ledger.run(run)) for month, run in run_ids.items()}
    current = {held.run_id for held in ledger.periods() if held.period != period}
    earlier = [
        row
        for run in ledger.runs()
        if run.run_id in current
        for row in run.content.get("adjustments", [])
    ]
    sums = []
    for row in table.to_dict("records"):
        whole = _of_run(tables[str(row["for_period"])], row)
        whole += sum(int(e["amount_fen"]) for e in earlier if _target(e) == _target(row))
        sums.append(whole)
    return np.array(sums, dtype=np.int64)


def _target(row: Mapping[Any, Any]) -> str:
    """Whose money for which month a row corrects."""
    person = str(row["staff_id"])
    whose = ("person", person) if person else ("unit", row["department"], row["series"])
    return repr((str(row["for_period"]), *map(str, whose)))


def _of_run(tables: Mapping[str, pd.DataFrame], row: Mapping[Any, Any]) -> int:
    """A person's pay or a unit's pool in the run that is corrected, in fen."""
    person = str(row["staff_id"])
    frame = tables.get("people" if person else "units", pd.DataFrame())
    if frame.empty:
        return 0
    if person:
        return int(frame.loc[frame["staff_id"] == person, "total_fen"].sum())
    chosen = frame["department"] == row["department"]
    if row["series"]:
        chosen &= frame["series"] == row["series"]
    return int(frame.loc[chosen, "pool_fen"].sum())
