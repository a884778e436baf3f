"""Totals by month: three offices against each other, and what was advanced against what came back.

insurance_office.md §3.  All amounts are int64 fen; months count 12 × year + month − 1.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

__all__ = ["ageing", "month_end", "month_text", "receivables", "three_way", "told_sources"]

_AMOUNTS = ("charges_fen", "fund_fen", "account_fen")


def three_way(rows: pd.DataFrame, sources: Sequence[str]) -> pd.DataFrame:
    """The totals of three offices beside each other, by month and insurance type.

    rows: source, month, insurance, charges_fen, fund_fen, account_fen; rows of one source are
    added up.  Returns month, insurance, ``field``, one column of fen for each source (NA where
    it reported nothing), ``spread`` (largest less smallest) and ``even``, which asks all of them.
    """
    given = rows[rows["source"].isin(list(sources))]
    long = given.melt(
        ["source", "month", "insurance"],
        [name for name in _AMOUNTS if name in given.columns],
        "field",
        "fen",
    )
    keys = ["month", "insurance", "field"]
    table = long.groupby([*keys, "source"], sort=True)["fen"].sum().unstack("source")
    table = table.reindex(columns=list(sources)).astype("Int64")
    table["spread"] = table.max(axis=1) - table.min(axis=1)
    told = table[list(sources)].notna().all(axis=1)
    table["even"] = told & (table["spread"] == 0)
    order = {name: at for at, name in enumerate(_AMOUNTS)}
    table = table.reset_index().assign(_at=lambda frame: frame["field"].map(order))
    table.columns.name = None
    table = table.sort_values(["month", "insurance", "_at"], kind="stable", ignore_index=True)
    return table.drop(columns="_at")


def receivables(
    advances: pd.DataFrame, receipts: pd.DataFrame, today: dt.date, limits: Sequence[int]
) -> pd.DataFrame:
    """What was advanced, what came back by ``today`` and what is open, by month and insurance.

    advances: month, insurance, amount_fen.  receipts: date (days since 1970-01-01), month,
    insurance, amount_fen; those after ``today`` are left out.  Returns month, insurance,
    advanced_fen, received_fen, open_fen (negative where more came than was advanced), last_receipt
    (days, NA where none came), age_days since the month's end (0 before it), ``bucket``: the place
    of the age in ``limits``.
    """
    keys = ["month", "insurance"]
    day = (today - dt.date(1970, 1, 1)).days
    come = receipts[receipts["date"] <= day]
    paid = come.groupby(keys, sort=True).agg(
        received_fen=("amount_fen", "sum"), last_receipt=("date", "max")
    )
    owed = advances.groupby(keys, sort=True).agg(advanced_fen=("amount_fen", "sum"))
    table = owed.join(paid, how="outer").sort_index().reset_index()
    for name in ("advanced_fen", "received_fen"):
        table[name] = table[name].fillna(0).astype(np.int64)
    table["last_receipt"] = table["last_receipt"].astype("Int64")
    table["open_fen"] = table["advanced_fen"] - table["received_fen"]
    ends = [(month_end(int(month)) - dt.date(1970, 1, 1)).days for month in table["month"]]
    table["age_days"] = np.maximum(day - np.array(ends, dtype=np.int64), 0)
    table["bucket"] = np.searchsorted(np.asarray(limits), table["age_days"], side="left")
    return table


def ageing(table: pd.DataFrame, titles: Sequence[str]) -> pd.DataFrame:
    """What is open by insurance type and age: one column of fen for each title, and ``open_fen``.

    The last row (insurance ``合计``) adds them up.
    """
    open_ = table[table["open_fen"] != 0]
    wide = open_.pivot_table(
        index="insurance", columns="bucket", values="open_fen", aggfunc="sum", fill_value=0
    )
    wide = wide.reindex(columns=range(len(titles)), fill_value=0).astype(np.int64)
    wide.columns = pd.Index(list(titles))
    wide["open_fen"] = wide.sum(axis=1)
    wide = wide.sort_index()
    wide.loc["合计"] = wide.sum(axis=0)
    return wide.reset_index(names="insurance")


def month_end(month: int) -> dt.date:
    """The last day of a month (12 × year + month − 1)."""
    year, place = divmod(month + 1, 12)
    return dt.date(year, place + 1, 1) - dt.timedelta(days=1)


def month_text(month: int) -> str:
    """A month as ``2026-10``."""
    year, place = divmod(int(month), 12)
    return f"{year:04d}-{place + 1:02d}"


def told_sources(rows: pd.DataFrame, sources: Sequence[str]) -> Mapping[str, int]:
    """Rows of sources that are none of the three, by name."""
    other = rows.loc[~rows["source"].isin(list(sources)), "source"]
    return {str(name): int(count) for name, count in other.value_counts().sort_index().items()}
