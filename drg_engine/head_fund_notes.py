"""Whether the heads' funds begin a month with what the month before left (allocation.md §6)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from drg_engine.errors import LedgerError
from drg_engine.money import format_fen
from drg_engine.pay_month import previous_period

if TYPE_CHECKING:
    from drg_engine.ledger import Ledger

__all__ = ["head_fund_notes"]

_KEY = ["department", "series"]
_SHOWN = 5


def head_fund_notes(ledger: Ledger, period: str, funds: pd.DataFrame) -> list[str]:
    """Funds whose opening is not the closing of the month before's current run, in words.

    funds: the month's ``head_funds``.  None where the month before has no run.
    """
    from drg_engine.ledger_adjustments import run_tables

    before = previous_period(period)
    run_id = ledger.period(before).run_id
    if run_id is None:
        return []
    try:
        kept = run_tables(ledger, ledger.run(run_id)).get("head_funds", pd.DataFrame())
    except LedgerError as error:
        return [f"科主任基金没有与 {before} 核对：{error.faults[0].message}"]
    closing = _by_unit(kept, "closing_fen")
    opening = _by_unit(funds, "opening_fen")
    units = sorted({*closing, *opening})
    wrong = [unit for unit in units if closing.get(unit, 0) != opening.get(unit, 0)]
    if not wrong:
        return []
    shown = [
        f"{'/'.join(unit)} {before} 结余 {format_fen(closing.get(unit, 0))}，"
        f"本月期初 {format_fen(opening.get(unit, 0))}"
        for unit in wrong[:_SHOWN]
    ]
    more = f"；共 {len(wrong)} 处" if len(wrong) > _SHOWN else ""
    mend = f"请核对 inputs/{period} 的科主任基金余额表 head_funds（上期余额）"
    return [f"科主任基金没有接上：{'；'.join(shown)}{more}。{mend}"]


def _by_unit(frame: pd.DataFrame, column: str) -> dict[tuple[str, str], int]:
    if frame.empty:
        return {}
    units = zip(frame["department"].astype(str), frame["series"].astype(str), strict=True)
    return dict(zip(units, (int(fen) for fen in frame[column]), strict=True))
