"""A hospital's price items: the beginning of its point catalogue."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from drg_engine.errors import Fault, InputError
from drg_engine.money import MISSING_FEN, to_fen
from performance.catalogue_rows import open_below_titles, repeated_keys, typed_columns
from performance.tables import Column

__all__ = ["ITEM_COLUMNS", "read_items"]

_MISSING_E4 = MISSING_FEN
_MOST = 1e12

ITEM_COLUMNS = (
    Column("item_code", ("项目编码", "收费项目编码", "物价编码", "收费编码", "院内编码", "编码"),
           "id"),
    Column("item_name", ("项目名称", "收费项目名称", "名称"), "id"),
    Column("unit", ("单位", "计价单位"), default=""),
    Column("item_class", ("类别", "项目类别", "收费类别", "费用类别", "项目分类"), "id"),
    Column("price", ("单价", "价格", "标准价", "收费标准", "标准价格", "现行价格"), "money",
           MISSING_FEN, low=0, high=100_000_000),
    Column("quantity", ("数量", "月数量", "本月数量", "工作量"), "number", _MISSING_E4, low=-_MOST,
           high=_MOST),
    Column("amount", ("金额", "月金额", "本月金额", "收入"), "money", MISSING_FEN, low=-_MOST,
           high=_MOST),
    Column("national_code", ("国家编码", "国家项目编码", "对照编码", "技术规范编码", "医保编码"),
           default=""),
)  # fmt: skip
"""Columns of a file of price items; price, quantity, amount and the national code may lack."""

_HEADINGS: Mapping[str, str] = {"item_code": "项目编码"}
_FEWEST, _MOST_ALIKE = 10, 0.8


def read_items(path: Path, sheet: str | None = None) -> tuple[pd.DataFrame, list[str]]:
    """Read price items from CSV, Excel or Parquet; the first sheet unless one is named.

    The headings may stand below titles.

    Returns (items, notices).  items is sorted by item_code: item_code, item_name, unit, item_class,
    price_fen, quantity_e4, amount_fen (int64, MISSING_FEN where not known), national_code, row.  An
    amount that lacks is price × quantity.  Raises InputError with every fault of the file.
    """
    opened = open_below_titles(path, ITEM_COLUMNS, sheet)
    frame, faults = typed_columns(opened, ITEM_COLUMNS)
    faults += repeated_keys(opened.file, frame, ["item_code"], _HEADINGS)
    if frame.empty and not faults:
        faults.append(Fault(opened.file, "只有表头，没有项目", mend="重新导出价格项目"))
    if faults:
        raise InputError(f"价格项目 {opened.file} 有 {len(faults)} 处错误", faults)
    price, quantity = frame["price_fen"].to_numpy(), frame["quantity_e4"].to_numpy()
    lacking = (
        frame["amount_fen"].eq(MISSING_FEN).to_numpy()
        & (price != MISSING_FEN)
        & (quantity != _MISSING_E4)
    )
    known_price, known_quantity = np.where(lacking, price, 0), np.where(lacking, quantity, 0)
    worked_out = to_fen(known_price / 100.0 * (known_quantity / 10_000.0))
    frame["amount_fen"] = np.where(lacking, worked_out, frame["amount_fen"].to_numpy())
    notices = _notices(opened.file, frame, int(lacking.sum()))
    return frame.sort_values("item_code", kind="stable", ignore_index=True), notices


def _notices(file: str, frame: pd.DataFrame, lacking: int) -> list[str]:
    notices = []
    if lacking:
        notices.append(f"{file}：{lacking:,} 个项目没有金额，按单价 × 数量计算")
    short = _short_codes(frame["item_code"].tolist())
    if short:
        shown = "、".join(short[:5]) + (" 等" if len(short) > 5 else "")
        notices.append(
            f"{file}：{len(short):,} 个数字编码比其余的短（{shown}），"
            "可能在 Excel 中丢了前导零，请把该列设为文本后重新填写"
        )
    if frame["quantity_e4"].eq(_MISSING_E4).all():
        notices.append(f"{file}：没有数量列，覆盖率只按项目数计算")
    return notices


def _short_codes(codes: list[str]) -> list[str]:
    """Digit codes one or two shorter than nearly all others: a leading zero may be lost."""
    digits = [code for code in codes if code.isascii() and code.isdigit()]
    lengths = Counter(map(len, digits))
    if len(digits) < _FEWEST:
        return []
    length, count = max(lengths.items(), key=lambda entry: (entry[1], entry[0]))
    if count < _MOST_ALIKE * len(digits):
        return []
    return sorted(code for code in digits if length - 2 <= len(code) < length)
