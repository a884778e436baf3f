"""What a month's cases are checked for before they are paid: that there are any, and of this month.

What is not refused is told as rows of the exceptions: ``kind, file, row, column, found, message,
rows, amount_fen``.
"""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from drg_engine.case_needs import useful_lacking
from drg_engine.cases import CaseReader, Cases
from drg_engine.errors import Fault, InputError
from drg_engine.money import MISSING_FEN, format_fen
from drg_engine.payment import PaymentColumns, Settlement
from drg_engine.payment_words import INSURANCE_TITLES, UNRATED, basis_of
from drg_engine.policy import Policy

__all__ = ["exception_frame", "month_warnings", "refuse_no_cases"]

Mask = npt.NDArray[np.bool_]
Days = npt.NDArray[np.datetime64]

_TOLD = 5
_DATES = {"discharge_date": "出院日期", "settlement_date": "结算日期"}


def exception_frame(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Rows of the exceptions; numbers as Int64, so that a row may lack them."""
    frame = pd.DataFrame(list(rows))
    numbers = [name for name in ("row", "rows", "amount_fen") if name in frame]
    return frame.astype(dict.fromkeys(numbers, "Int64"))


def refuse_no_cases(reader: CaseReader, cases: Cases) -> None:
    """Raise InputError for a file without a case, or whose cases were all rejected.

    Nothing of a DRG month can be computed of it, and an export that failed looks just so.
    """
    if cases.n:
        return
    if not reader.counts.read:
        mend = "重新导出本月出院病例；导出时核对日期范围"
        raise InputError(
            f"{reader.file} 没有病例，不能计算",
            [Fault(reader.file, "只有表头，一例病例也没有", mend=mend)],
        )
    lines = cases.rejects.lines.slice(0, _TOLD).to_pylist()
    faults = [
        Fault(line["file"], line["reason"], line["row"], line["column"], line["value"] or None)
        for line in lines
    ]
    raise InputError(
        f"{reader.file} 的 {reader.counts.read:,} 行全部被拒收，没有一例可用"
        f"（列出前 {len(faults)} 处）",
        faults,
    )


def month_warnings(
    reader: CaseReader,
    period: str,
    cases: Cases,
    settlement: Settlement,
    parts: Iterable[Settlement],
) -> pd.DataFrame:
    """What is told of a month's cases; ``parts`` are the settlements of each policy.

    Raises InputError where every case that has a date is of another month.
    """
    columns = settlement.cases
    rows = [
        {"kind": "缺少列", "file": reader.file, "row": 1, "column": title, "message": message}
        for title, message in useful_lacking(reader)
    ]
    rows += _other_month(reader.file, period, cases, columns)
    rows += [row for part in parts for row in _rates(reader.file, part)]
    return exception_frame(rows)


def _other_month(
    file: str, period: str, cases: Cases, columns: PaymentColumns
) -> list[dict[str, Any]]:
    """Cases none of whose dates, of discharge and of settlement, is of the month."""
    first = np.datetime64(period, "M")
    start, stop = first.astype("datetime64[D]"), (first + 1).astype("datetime64[D]")
    dated, inside = np.zeros(cases.n, np.bool_), np.zeros(cases.n, np.bool_)
    for name in _DATES:
        days: Days | None = getattr(columns, name)
        if days is not None:
            dated |= ~np.isnat(days)
            inside |= (days >= start) & (days < stop)
    out = np.flatnonzero(dated & ~inside)
    if not out.size:
        return []
    name = "settlement_date" if columns.discharge_date is None else "discharge_date"
    title, days = _DATES[name], getattr(columns, name)[out]
    days = days[~np.isnat(days)]
    found = f"{days.min()} 至 {days.max()}" if days.size else ""
    rows = None if cases.rows is None else cases.rows[out]
    row = None if rows is None else int(rows[0])
    if out.size == int(dated.sum()):
        fault = Fault(
            file, f"{out.size:,} 例的出院日期、结算日期没有一例在 {period}", row, title, found,
            "核对月份，或换上本月的病例文件",
        )  # fmt: skip
        raise InputError(f"{file} 不是 {period} 的病例", [fault])
    told = "" if rows is None else "（第 " + "、".join(f"{at}" for at in rows[:_TOLD])
    told += "" if rows is None else (" 等行）" if out.size > _TOLD else " 行）")
    message = f"{out.size:,} 例的出院日期、结算日期都不在 {period}{told}，仍计入本月"
    return [
        {
            "kind": "不在本月的病例", "file": file, "row": row, "column": title, "found": found,
            "message": message, "rows": int(out.size), "amount_fen": _sum(columns, out),
        }
    ]  # fmt: skip


def _sum(columns: PaymentColumns, rows: npt.NDArray[np.intp]) -> int:
    charges = columns.charges[rows]
    return int(charges[charges != MISSING_FEN].sum())


def _rates(file: str, part: Settlement) -> list[dict[str, Any]]:
    """Insurances of the cases without a rate, and rates without a case, of one policy."""
    rules, columns = part.policy.rules, part.cases
    where, keys = _rate_keys(part.policy)
    if where is None:
        return []
    label, unrated = columns.insurance, part.basis == basis_of("out_of_scope", "no_rate")
    counts = Counter(label.codes[unrated].tolist())
    there = set(np.unique(label.codes[label.codes >= 0]).tolist())
    present = {label.names[code] for code in there}
    known = [*present, *INSURANCE_TITLES]
    strange = [key for key in keys if key not in known]
    rows: list[dict[str, Any]] = []
    for code, count in sorted(counts.items()):
        insurance = label.names[code] if code >= 0 else ""
        if insurance in UNRATED:
            continue
        at = np.flatnonzero(unrated & (label.codes == code))
        fen = _sum(columns, at)
        message = (
            f"险种{_titled(insurance) or '空白'}在政策 {rules.policy.title} 的 {where} 里没有："
            f"{count:,} 例、总费用 {format_fen(fen)} 元不纳入 DRG 支付、据实支付"
            f"{_hint(insurance, strange)}"
        )
        rows.append(
            {
                "kind": "险种没有费率", "file": file, "column": "险种", "found": insurance,
                "message": message, "rows": count, "amount_fen": fen,
            }
        )  # fmt: skip
    for key in keys:
        if key in present:
            continue
        unknown = "不是已知的险种编码，" if key in strange else ""
        hint = _hint(key, known) if unknown else ""
        message = f"政策的 {where}.{key} {unknown}本月没有这个险种的病例{hint}"
        rows.append(
            {
                "kind": "费率没有病例", "file": part.policy.file, "column": f"{where}.{key}",
                "found": key, "message": message, "rows": 0,
            }
        )  # fmt: skip
    return rows


def _titled(insurance: str) -> str:
    title = INSURANCE_TITLES.get(insurance)
    return f" {insurance}（{title}）" if title else (f" {insurance} " if insurance else "")


def _hint(text: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(text, [one for one in known if one != text], 1, 0.5)
    return f"；是不是“{near[0]}”" if near else ""


def _rate_keys(policy: Policy) -> tuple[str | None, list[str]]:
    """Where a policy's prices by insurance stand, and the insurances named there."""
    rules = policy.rules
    if rules.standard.method == "rate":
        return "rates", list(rules.rates)
    if rules.standard.method == "points":
        given = rules.points.find == "given"
        where = "points.values" if given else "points.budgets"
        return where, list(rules.points.values if given else rules.points.budgets)
    named = dict.fromkeys(row.insurance for row in rules.standard.prices)
    if None in named:
        return None, []
    return "standard.prices", [name for name in named if name is not None]
