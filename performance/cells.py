"""Charge lines summed into cells: item version × ordering × executing department, exactly.

Quantities are int64 ten-thousandths and amounts int64 fen, so sums do not depend on the order of
rows or on how a month is cut into parts.  Nothing is dropped: what is not known is -1 and is told.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from drg_engine.errors import AllocationError
from performance.columns import NO_DATE, Coded
from performance.lines import ChargeLines

__all__ = ["EXCEPTION_COLUMNS", "Cells", "aggregate"]

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Cells:
    """Lines summed over (item version, ordering department, executing department).

    item: row of the item table, -1 unknown.  order, execution: row of the department table, -1
    unknown.  rows, quantity_e4, amount_fen: int64 sums.  exceptions: what was not known, with
    rows, quantity and amount.  rows_read, quantity_read_e4, amount_read_fen: of all lines read.
    """

    item: Ints
    order: Ints
    execution: Ints
    rows: Ints
    quantity_e4: Ints
    amount_fen: Ints
    exceptions: pd.DataFrame
    rows_read: int
    rows_rejected: int
    quantity_read_e4: int
    amount_read_fen: int


def _places(column: Coded, known: pd.Series) -> Ints:
    """Row of each line's text in a sorted column of known ids, -1 where it is not there."""
    where = pd.Index(known).get_indexer(pd.Index(column.values, dtype=object))
    return np.asarray(where, dtype=np.int64)[column.codes]


def _item_rows(lines: ChargeLines, items: pd.DataFrame) -> tuple[Ints, npt.NDArray[np.bool_]]:
    """Row of the item version in force on each line's date, and whether the code is known at all.

    ``items`` is sorted by code and date; versions hold on [effective_from, effective_to).
    """
    codes = items["item_code"].drop_duplicates().reset_index(drop=True)
    code = _places(lines.item, codes)
    version_code = np.asarray(pd.Index(codes).get_indexer(pd.Index(items["item_code"])))
    start = items["effective_from"].to_numpy(dtype=np.int64)
    stop = items["effective_to"].to_numpy(dtype=np.int64)
    width = np.int64(1) << 33
    keys = version_code.astype(np.int64) * width + (start - NO_DATE)
    wanted = code * width + (lines.date.astype(np.int64) - NO_DATE)
    row = np.searchsorted(keys, wanted, side="right") - 1
    safe = np.maximum(row, 0)
    if not len(items):
        return np.full(lines.n, -1, dtype=np.int64), np.zeros(lines.n, dtype=bool)
    open_end = stop[safe] == NO_DATE
    holds = (row >= 0) & (version_code[safe] == code) & (open_end | (lines.date < stop[safe]))
    known = code >= 0
    return np.where(known & holds, row, -1).astype(np.int64), known


def aggregate(
    lines: ChargeLines,
    items: pd.DataFrame,
    departments: pd.DataFrame,
    staff: pd.DataFrame,
    period: tuple[int, int] | None = None,
) -> Cells:
    """Sum charge lines into cells; nothing is dropped.

    period: days [from, to) outside which a line is UNKNOWN; None counts every date.  Unknown items,
    departments and persons become -1 and a row of the exceptions, with the first row in the file.
    """
    item, known = _item_rows(lines, items)
    order = _places(lines.order_department, departments["department"])
    execution = _places(lines.execution_department, departments["department"])
    inside = np.ones(lines.n, dtype=bool)
    if period is not None:
        inside = (lines.date >= period[0]) & (lines.date < period[1])
    persons = pd.Series(staff["staff_id"].to_numpy())
    unknown = [
        ("未知项目", lines.item, ~known, "项目编码不在点数表；数量归入 UNKNOWN"),
        ("无有效版本", lines.item, known & (item < 0), "项目在收费日期没有有效版本；归入 UNKNOWN"),
        ("未知开单科室", lines.order_department, order < 0, "科室不在科室表；点数归入 UNKNOWN"),
        (
            "未知执行科室",
            lines.execution_department,
            execution < 0,
            "科室不在科室表；点数归入 UNKNOWN",
        ),
        ("未知开单医生", lines.order_doctor, _unnamed(lines.order_doctor, persons), _KEPT),
        ("未知执行人", lines.executor, _unnamed(lines.executor, persons), _KEPT),
    ]
    told = [row for what in unknown for row in _exceptions(lines, *what)]
    told += _outside(lines, ~inside) + _rejected(lines)
    exceptions = pd.DataFrame(told, columns=list(EXCEPTION_COLUMNS))
    return _summed(lines, np.where(inside, item, -1), order, execution, exceptions)


_KEPT = "人员不在人员表；点数仍归科室"


def _unnamed(persons: Coded, known: pd.Series) -> npt.NDArray[np.bool_]:
    """Lines that name a person nobody knows; a blank names no one."""
    named = np.array([text != "" for text in persons.values], dtype=bool)
    return np.asarray((_places(persons, known) < 0) & named[persons.codes])


def _summed(
    lines: ChargeLines, item: Ints, order: Ints, execution: Ints, exceptions: pd.DataFrame
) -> Cells:
    for values, what in ((lines.quantity_e4, "数量"), (lines.amount_fen, "金额")):
        if float(np.abs(values.astype(np.float64)).sum()) > 9e18:
            raise AllocationError(f"{what}合计超出可精确计算的范围，请核对收费明细")
    table = pa.table(
        {
            "item": item,
            "order": order,
            "execution": execution,
            "quantity": lines.quantity_e4,
            "amount": lines.amount_fen,
        }
    )
    wanted = [("quantity", "sum"), ("amount", "sum"), ("quantity", "count")]
    keys = ["item", "order", "execution"]
    found = (
        table.group_by(keys, use_threads=False)
        .aggregate(wanted)
        .sort_by([(k, "ascending") for k in keys])
    )

    def column(name: str) -> Ints:
        return np.asarray(found[name].to_numpy(), dtype=np.int64)

    return Cells(
        item=column("item"),
        order=column("order"),
        execution=column("execution"),
        rows=column("quantity_count"),
        quantity_e4=column("quantity_sum"),
        amount_fen=column("amount_sum"),
        exceptions=exceptions,
        rows_read=lines.n + len(lines.rejects),
        rows_rejected=len(lines.rejects),
        quantity_read_e4=int(lines.quantity_e4.sum()),
        amount_read_fen=int(lines.amount_fen.sum()),
    )


_ExceptionRow = tuple[str, str, str, int, int, int, int, str]
EXCEPTION_COLUMNS = (
    "kind",
    "file",
    "found",
    "rows",
    "quantity_e4",
    "amount_fen",
    "first_row",
    "message",
)


def _exceptions(
    lines: ChargeLines, kind: str, column: Coded, bad: npt.NDArray[np.bool_], message: str
) -> list[_ExceptionRow]:
    """One row for each distinct text among the bad lines."""
    where = np.flatnonzero(bad)
    if not len(where):
        return []
    codes, group = np.unique(column.codes[where], return_inverse=True)
    sums = np.zeros((3, len(codes)), dtype=np.int64)
    for i, values in enumerate(
        (np.ones(lines.n, dtype=np.int64), lines.quantity_e4, lines.amount_fen)
    ):
        np.add.at(sums[i], group, values[where])
    first = np.full(len(codes), np.iinfo(np.int64).max)
    np.minimum.at(first, group, lines.row[where])
    return [
        (kind, lines.file, column.values[code] or "（空）", int(n), int(q), int(a), int(f), message)
        for code, n, q, a, f in zip(codes, *sums, first, strict=True)
    ]


def _outside(lines: ChargeLines, bad: npt.NDArray[np.bool_]) -> list[_ExceptionRow]:
    if not bad.any():
        return []
    months = lines.date[bad].astype("datetime64[D]").astype("datetime64[M]")
    values, codes = np.unique(months, return_inverse=True)
    whole = np.zeros(lines.n, dtype=np.int32)
    whole[bad] = codes
    named = Coded(whole, tuple(str(value) for value in values))
    return _exceptions(lines, "日期不在本期", named, bad, "收费日期不在本期；归入 UNKNOWN")


def _rejected(lines: ChargeLines) -> list[_ExceptionRow]:
    grouped = lines.rejects.groupby(["reason", "found"], sort=True)["row"]
    return [
        (
            "无法读取",
            lines.file,
            str(found) or "（空）",
            len(rows),
            0,
            0,
            int(rows.min()),
            f"{why}；该行未计入",
        )
        for (why, found), rows in (grouped if len(lines.rejects) else ())
    ]
