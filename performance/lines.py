"""Charge lines as columns: hundreds of thousands of rows, read without a Python loop."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from drg_engine.text_tables import BadRow
from performance.columns import Coded, coded, dates, fixed, open_table

__all__ = [
    "HEADINGS",
    "REQUIRED",
    "ChargeLines",
    "lines_from_table",
    "no_rejects",
    "read_lines",
    "taken",
    "with_bad_rows",
]

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
    "execution_date": ("执行日期",),
    "payment_date": ("结算日期", "缴费日期"),
    "source": ("来源", "收费来源"),
    "mark": ("修饰", "手术修饰"),
}
REQUIRED = ("date", "item_code", "quantity", "amount", "order_department", "execution_department")


@dataclass(frozen=True, slots=True)
class ChargeLines:
    """n readable charge lines as columns, and the rows that could not be read.

    date, and the optional execution_date and payment_date: int32 days since 1970-01-01 (NO_DATE
    where the cell is blank).  quantity_e4: int64 ten-thousandths, refunds negative.  amount_fen:
    int64 fen.  row: int64 row in the file.  rejects: one row for each line set aside (row, column,
    found, reason, amount_fen: 0 where the amount could not be read).
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
    case: Coded | None = None
    execution_date: npt.NDArray[np.int32] | None = None
    payment_date: npt.NDArray[np.int32] | None = None
    source: Coded | None = None
    mark: Coded | None = None

    @property
    def n(self) -> int:
        """Number of readable lines."""
        return len(self.row)

    def parts(self) -> Iterator[ChargeLines]:
        """The lines themselves, as the one part of a source in memory."""
        yield self


def read_lines(path: Path) -> ChargeLines:
    """Read the charge lines of a CSV, Excel or Parquet file into memory.

    A line whose date, quantity or amount cannot be read is set aside into ``rejects``.  Raises
    InputError where the file or its heading is not what it should be.
    """
    opened = open_table(path, HEADINGS, REQUIRED)
    lines = lines_from_table(opened.table, path.name, opened.rows)
    return replace(lines, rejects=with_bad_rows(lines.rejects, opened.bad))


def with_bad_rows(rejects: pd.DataFrame, bad: Sequence[BadRow]) -> pd.DataFrame:
    """Rejects and the rows that had a wrong number of cells, by row."""
    if not bad:
        return rejects
    more = pd.DataFrame(
        {
            "row": np.array([b.row for b in bad], dtype=np.int64),
            "column": "",
            "found": [b.found for b in bad],
            "reason": [b.message for b in bad],
            "amount_fen": np.zeros(len(bad), dtype=np.int64),
        }
    )
    whole = pd.concat([rejects, more], ignore_index=True)
    return whole.sort_values("row", kind="stable", ignore_index=True)


def lines_from_table(
    table: pa.Table, file: str = "charges", rows: npt.NDArray[np.int64] | None = None
) -> ChargeLines:
    """Charge lines from a table under canonical names (see ``HEADINGS``), text or typed columns.

    rows: row of each line in its file; counted from 2 where it is not given.
    """
    n = table.num_rows
    checked = {name: dates(table[name]) for name in _DATES if name in table.column_names}
    row = np.arange(2, n + 2, dtype=np.int64) if rows is None else rows
    quantity, quantity_good, _ = fixed(table["quantity"], 4)
    amount, amount_good, _ = fixed(table["amount"], 2)
    checks = [("date", checked["date"][1], "收费日期不是日期")]
    checks += [
        (name, good | blank, f"{HEADINGS[name][0]}不是日期")
        for name, (_, good, blank) in checked.items()
        if name != "date"
    ]
    checks.append(("quantity", quantity_good, "数量不是数字（至多四位小数）"))
    checks.append(("amount", amount_good, "金额不是数字（至多两位小数）"))
    keep = np.logical_and.reduce([good for _, good, _ in checks])
    columns: dict[str, Any] = {name: _ids(table, name) for name in _ALWAYS}
    columns |= {name: _ids(table, head) for name, head in _SOMETIMES if head in table.column_names}
    columns |= {name: days for name, (days, _, _) in checked.items()}
    lines = ChargeLines(
        file=file,
        row=row,
        quantity_e4=quantity,
        amount_fen=amount,
        rejects=_rejects(table, row, checks, np.where(amount_good, amount, 0)),
        **columns,
    )
    return lines if keep.all() else taken(lines, keep)


_DATES = ("date", "execution_date", "payment_date")
_IDS = {"item": "item_code"}
_ALWAYS = ("item", "order_department", "order_doctor", "execution_department", "executor")
_SOMETIMES = (("case", "case_id"), ("source", "source"), ("mark", "mark"))


def _ids(table: pa.Table, name: str) -> Coded:
    heading = _IDS.get(name, name)
    return coded(table[heading]) if heading in table.column_names else Coded.same("", len(table))


def no_rejects() -> pd.DataFrame:
    """Rejects of lines that could all be read."""
    return pd.DataFrame({name: [] for name in ("row", "column", "found", "reason", "amount_fen")})


def taken(lines: ChargeLines, keep: npt.NDArray[Any]) -> ChargeLines:
    """The lines where ``keep`` (bool, n) is true, or those whose places it holds."""
    changed: dict[str, Any] = {}
    for name in _COLUMNS:
        held = getattr(lines, name)
        if held is not None:
            changed[name] = held.take(keep) if isinstance(held, Coded) else held[keep]
    return replace(lines, **changed)


_COLUMNS = (
    "row", "quantity_e4", "amount_fen", *_DATES, *_ALWAYS, *(name for name, _ in _SOMETIMES),
)  # fmt: skip


def _rejects(
    table: pa.Table,
    row: npt.NDArray[np.int64],
    checks: Sequence[tuple[str, npt.NDArray[np.bool_], str]],
    amount_fen: npt.NDArray[np.int64],
) -> pd.DataFrame:
    """The first fault of each line that cannot be read."""
    left = np.ones(len(row), dtype=bool)
    parts = []
    for name, good, reason in checks:
        bad = left & ~good
        left &= good
        if not bad.any():
            continue
        found = table[name].cast(pa.string()).take(pa.array(np.flatnonzero(bad))).to_pylist()
        parts.append(
            pd.DataFrame(
                {
                    "row": row[bad],
                    "column": HEADINGS[name][0],
                    "found": [str(text or "")[:80] for text in found],
                    "reason": reason,
                    "amount_fen": amount_fen[bad],
                }
            )
        )
    if not parts:
        return no_rejects()
    frame = pd.concat(parts, ignore_index=True)
    return frame.sort_values("row", kind="stable", ignore_index=True)
