"""Charge lines behind points and money, for telling: the first few, and the rest summed."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from drg_engine.money import format_fen
from performance.columns import Coded
from performance.inputs import period_days
from performance.words import decimal_text
from reports.values import masked_ids

if TYPE_CHECKING:
    from performance import Inputs
    from performance.lines import ChargeLines

__all__ = ["Lines", "Wanted", "find_lines", "his_codes", "line_words", "month_of"]

Mask = npt.NDArray[np.bool_]

_EPOCH = dt.date(1970, 1, 1)
_MOST = 10


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which lines: None asks for all.  period: days [from, to) of the charge date."""

    items: Collection[str] | None = None
    order: Collection[str] | None = None
    execution: Collection[str] | None = None
    doctor: Collection[str] | None = None
    executor: Collection[str] | None = None
    period: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Lines:
    """The first lines in order of their row, and the sums of all: rows, quantity e-4, fen."""

    file: str
    first: pd.DataFrame
    rows: int
    quantity_e4: int
    amount_fen: int


def his_codes(inputs: Inputs, department: str) -> list[str]:
    """The codes under which a unit's lines come: its HIS departments, or its own code."""
    if not len(inputs.units):
        return [department]
    units = inputs.units
    return sorted(set(units.loc[units["department"] == department, "his_code"].astype(str)))


def month_of(inputs: Inputs) -> tuple[int, int] | None:
    """Days of the month, where one is given."""
    return None if inputs.period is None else period_days(inputs.period)


def find_lines(inputs: Inputs, wanted: Wanted, most: int = _MOST) -> Lines:
    """Find a month's lines; reads the file once, part by part."""
    kept: list[pd.DataFrame] = []
    rows = quantity = amount = 0
    left = most
    for part in inputs.lines.parts():
        hit = _hits(part, wanted)
        places = np.flatnonzero(hit)
        rows += len(places)
        quantity += int(part.quantity_e4[places].sum())
        amount += int(part.amount_fen[places].sum())
        if left > 0 and len(places):
            kept.append(_frame(part, places[:left]))
            left -= min(left, len(places))
    first = pd.concat(kept, ignore_index=True) if kept else pd.DataFrame()
    return Lines(inputs.lines.file, first, rows, quantity, amount)


def _hits(part: ChargeLines, wanted: Wanted) -> Mask:
    hit = np.ones(part.n, dtype=np.bool_)
    for column, codes in (
        (part.item, wanted.items), (part.order_department, wanted.order),
        (part.execution_department, wanted.execution), (part.order_doctor, wanted.doctor),
        (part.executor, wanted.executor),
    ):  # fmt: skip
        if codes is not None:
            hit &= _among(column, codes)
    if wanted.period is not None:
        first, last = wanted.period
        hit &= (part.date >= first) & (part.date < last)
    return hit


def _among(column: Coded, codes: Collection[str]) -> Mask:
    known = set(codes)
    inside = np.array([str(value) in known for value in column.values], dtype=np.bool_)
    return np.asarray(inside[column.codes], dtype=np.bool_)


def _frame(part: ChargeLines, places: npt.NDArray[np.intp]) -> pd.DataFrame:
    def texts(column: Coded | None) -> list[str]:
        if column is None:
            return [""] * len(places)
        return [str(column.values[code]) for code in column.codes[places]]

    return pd.DataFrame(
        {
            "row": part.row[places],
            "date": part.date[places],
            "item_code": texts(part.item),
            "order": texts(part.order_department),
            "execution": texts(part.execution_department),
            "doctor": texts(part.order_doctor),
            "executor": texts(part.executor),
            "case_id": texts(part.case),
            "quantity_e4": part.quantity_e4[places],
            "amount_fen": part.amount_fen[places],
        }
    )


def line_words(lines: Lines, *, unmask: bool) -> Iterator[str]:
    """The lines in words: the first by row of the file, then the rest, then the whole."""
    frame = lines.first
    if frame.empty:
        yield f"{lines.file}：没有明细"
        return
    shown = frame["case_id"] if unmask else masked_ids(frame["case_id"])
    cases = [str(case) if own else "" for case, own in zip(shown, frame["case_id"], strict=True)]
    for row, case in zip(frame.to_dict("records"), cases, strict=True):
        yield _one(row, case)
    rest = lines.rows - len(frame)
    if rest:
        quantity = lines.quantity_e4 - int(frame["quantity_e4"].sum())
        amount = lines.amount_fen - int(frame["amount_fen"].sum())
        yield (f"其余 {rest:,} 行：数量 {decimal_text(quantity, 4)}，金额 {format_fen(amount)} 元")
    yield (
        f"合计 {lines.rows:,} 行：数量 {decimal_text(lines.quantity_e4, 4)}，"
        f"金额 {format_fen(lines.amount_fen)} 元"
    )


def _one(row: dict[Any, Any], case: str) -> str:
    people = "".join(
        f" {word} {row[key]}"
        for key, word in (("doctor", "医生"), ("executor", "执行人"))
        if row[key]
    )
    day = _EPOCH + dt.timedelta(days=int(row["date"])) if int(row["date"]) > -(10**6) else "无日期"
    whose = f" 病案 {case}" if case else ""
    return (
        f"第 {row['row']} 行 {day} {row['item_code']} × {decimal_text(row['quantity_e4'], 4)} "
        f"= {format_fen(row['amount_fen'])} 元；开单 {row['order']}，执行 {row['execution']}"
        f"{people}{whose}"
    )
