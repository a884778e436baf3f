"""The pool out of income: min(effective × share, effective − borne cost − reserve) (§3)."""

from __future__ import annotations

import pandas as pd

from drg_engine.errors import AllocationError, Fault
from drg_engine.money import format_fen, share_out, to_fen
from performance.plan import Plan
from performance.plan_keys import fen

__all__ = ["effective_income", "pool_of_income"]


def effective_income(income: pd.DataFrame) -> tuple[int, int]:
    """Effective income and borne cost in fen.

    income: columns income_class (medical, drugs, consumables, excluded, cost) and amount_fen.
    Effective income = medical income − drugs − consumables − excluded.
    """
    summed = income.groupby("income_class")["amount_fen"].sum()
    of = {str(name): int(amount) for name, amount in summed.items()}
    out = of.get("drugs", 0) + of.get("consumables", 0) + of.get("excluded", 0)
    return of.get("medical", 0) - out, of.get("cost", 0)


def pool_of_income(plan: Plan, income: pd.DataFrame, series: list[str]) -> dict[str, int]:
    """Pools (fen) of the series that have a share of it; their sum is the pool exactly.

    Raises AllocationError where there is no income table, or where the pool would be negative.
    """
    chosen = plan.model.pool.income
    if chosen is None or not len(income):
        fault = Fault("income", "没有本期收入成本表", mend="请放入 inputs 文件夹")
        raise AllocationError("缺少奖金池", [fault])
    effective, cost = effective_income(income)
    by_share = int(to_fen(effective / 100.0 * chosen.share))
    by_rest = effective - cost - fen(chosen.reserve)
    pool = min(by_share, by_rest)
    if pool < 0:
        found = f"按份额 {format_fen(by_share)} 元，减成本和预留后 {format_fen(by_rest)} 元"
        fault = Fault("income", "算出的奖金池为负", found=found, mend="请核对收入成本表")
        raise AllocationError("奖金池为负", [fault])
    shares = [plan.series_model(name).pool_share or 0.0 for name in series]
    parts = share_out(pool, shares, list(range(len(series))))
    return dict(zip(series, (int(part) for part in parts), strict=True))
