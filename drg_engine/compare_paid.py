"""What was planned against what was paid, person by person (allocation.md §8)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

__all__ = ["planned_against_paid", "planned_by_department", "read_paid"]


def read_paid(path: Path) -> pd.DataFrame:
    """Read a list of what was paid (工号, 实发; CSV, Excel or Parquet): staff_id, paid_fen.

    Raises InputError with every fault: an amount that is none, a person twice.
    """
    from performance import read_table

    return read_table(path, "paid")[["staff_id", "paid_fen"]]


def planned_against_paid(people: pd.DataFrame, paid: pd.DataFrame) -> pd.DataFrame:
    """Planned and paid of every person, the sum last.

    people: staff_pay.  paid: from :func:`read_paid`.  Returns staff_id, name, department,
    planned_fen, paid_fen, difference_fen (planned − paid; int64 fen), ratio (planned / paid,
    missing where paid is 0) and note.
    """
    rules = {"name": "first", "department": "first", "total_fen": "sum"}
    planned = people.groupby("staff_id", sort=True, as_index=False).agg(rules)
    planned = planned.rename(columns={"total_fen": "planned_fen"}).assign(planned=True)
    whole = planned.merge(paid.assign(paid=True), on="staff_id", how="outer")
    whole = whole.sort_values("staff_id", kind="stable", ignore_index=True)
    in_plan, in_paid = whole["planned"].notna(), whole["paid"].notna()
    note = np.where(~in_plan, "不在应发名单", np.where(~in_paid, "不在实发名单", ""))
    whole = whole.assign(note=note)
    for name in ("planned_fen", "paid_fen"):
        whole[name] = whole[name].fillna(0).astype(np.int64)
    for name in ("name", "department"):
        whole[name] = whole[name].astype(object).where(in_plan, "")
    return _with_ratio(_with_sum(whole[["staff_id", *_SHOWN]], "staff_id"))


_SHOWN = ["name", "department", "planned_fen", "paid_fen", "note"]


def planned_by_department(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of :func:`planned_against_paid` by department, the sum last."""
    rows = table.iloc[:-1]
    summed = rows.groupby("department", sort=True, as_index=False)[["planned_fen", "paid_fen"]]
    return _with_ratio(_with_sum(summed.sum(), "department"))


def _with_sum(rows: pd.DataFrame, key: str) -> pd.DataFrame:
    amounts = {name: int(rows[name].sum()) for name in ("planned_fen", "paid_fen")}
    texts = {str(name): "" for name in rows.columns if name not in amounts}
    last = pd.DataFrame([{**texts, **amounts, key: "合计"}], columns=rows.columns)
    return pd.concat([rows, last.astype(rows.dtypes.to_dict())], ignore_index=True)


def _with_ratio(rows: pd.DataFrame) -> pd.DataFrame:
    planned, paid = (rows[name].to_numpy(np.float64) for name in ("planned_fen", "paid_fen"))
    ratio = np.divide(planned, paid, out=np.full(len(rows), np.nan), where=paid != 0)
    place = list(rows.columns).index("paid_fen") + 1
    whole = rows.copy()
    whole.insert(place, "difference_fen", rows["planned_fen"] - rows["paid_fen"])
    whole.insert(place + 1, "ratio", ratio)
    return whole
