"""Charge lines as columns: hundreds of thousands of rows, read without a Python loop."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from performance.columns import Coded, coded, dates, fixed, open_table

__all__ = ["ChargeLines", "lines_from_table", "read_lines"]

HEADINGS: Mapping[str, tuple[str, ...]] = {
    "date": ("收费日期", "日期", "计费日期"),
    "case_id": ("病案号",),
    "item_code": ("项目编码", "收费项目编码"),
    "quantity": ("数量",),
    "amount": ("金额",),
    "order_department": ("开单科室", "开单科室编码"),
    "order_doctor": ("开单医生", "开单医生工号"),
    "execution_department": ("执行科室", "执行科室编码"),
    "executor": ("执行人", "执行人工号"),
}
_REQUIRED = ("date", "item_code", "quantity", "amount", "order_department", "execution_department")


@dataclass(frozen=True, slots=True)
class ChargeLines:
    """n readable charge lines as columns, and the rows that could not be read.

    date: int32 days since 1970-01-01.  quantity_e4: int64 ten-thousandths, refunds negative.
    amount_fen: int64 fen.  row: int64 row in the file.  rejects: one row for each line set aside
    (row, column, found, reason).
    """

    file: str
    row: npt.NDArray[np.int64]
    date: npt.NDArray[np.int32]
    item: Coded
    order_department: Coded
    order_doctor: Coded
    execution_department: Coded
    executor: Coded
    quantity_e4: npt.NDArray[np.int64]
    amount_fen: npt.NDArray[np.int64]
    rejects: pd.DataFrame

    @property
    def n(self) -> int:
        """Number of readable lines."""
        return len(self.row)


def read_lines(path: Path) -> ChargeLines:
    """Read charge lines from CSV, Excel or Parquet.

    A line whose date, quantity or amount cannot be read is set aside into ``rejects``.  Raises
    InputError where the file or its heading is not what it should be.
    """
    opened = open_table(path, HEADINGS, _REQUIRED)
    lines = lines_from_table(opened.table, path.name, opened.rows)
    if not opened.bad:
        return lines
    bad = pd.DataFrame(
        {
            "row": np.array([b.row for b in opened.bad], dtype=np.int64),
            "column": "",
            "found": [b.found for b in opened.bad],
            "reason": [b.message for b in opened.bad],
        }
    )
    rejects = pd.concat([lines.rejects, bad], ignore_index=True)
    return replace(lines, rejects=rejects.sort_values("row", kind="stable", ignore_index=True))


def lines_from_table(
    table: pa.Table, file: str = "charges", rows: npt.NDArray[np.int64] | None = None
) -> ChargeLines:
    """Charge lines from a table of text columns under canonical names (see ``HEADINGS``).

    rows: row of each line in its file; counted from 2 where it is not given.
    """
    n = table.num_rows
    blank = Coded(np.zeros(n, dtype=np.int32), ("",))

    def ids(name: str) -> Coded:
        return coded(table[name]) if name in table.column_names else blank

    day, day_good, _ = dates(table["date"])
    quantity, quantity_good, _ = fixed(table["quantity"], 4)
    amount, amount_good, _ = fixed(table["amount"], 2)
    row = np.arange(2, n + 2, dtype=np.int64) if rows is None else rows
    checks = (
        ("date", day_good, "收费日期不是日期"),
        ("quantity", quantity_good, "数量不是数字（至多四位小数）"),
        ("amount", amount_good, "金额不是数字（至多两位小数）"),
    )
    keep = day_good & quantity_good & amount_good
    return ChargeLines(
        file=file,
        row=row[keep],
        date=day[keep],
        item=ids("item_code").take(keep),
        order_department=ids("order_department").take(keep),
        order_doctor=ids("order_doctor").take(keep),
        execution_department=ids("execution_department").take(keep),
        executor=ids("executor").take(keep),
        quantity_e4=quantity[keep],
        amount_fen=amount[keep],
        rejects=_rejects(table, row, checks),
    )


def _rejects(
    table: pa.Table,
    row: npt.NDArray[np.int64],
    checks: tuple[tuple[str, npt.NDArray[np.bool_], str], ...],
) -> pd.DataFrame:
    """The first fault of each line that cannot be read."""
    left = np.ones(len(row), dtype=bool)
    parts = []
    for name, good, reason in checks:
        bad = left & ~good
        left &= good
        found = table[name].cast(pa.string()).take(pa.array(np.flatnonzero(bad))).to_pylist()
        parts.append(
            pd.DataFrame(
                {
                    "row": row[bad],
                    "column": HEADINGS[name][0],
                    "found": [str(text or "")[:80] for text in found],
                    "reason": reason,
                }
            )
        )
    frame = pd.concat(parts, ignore_index=True)
    return frame.sort_values("row", kind="stable", ignore_index=True)
