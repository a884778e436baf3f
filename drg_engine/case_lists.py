"""Lists of a month's cases that the bureau or the insurance office hands over beside the cases.

``review``        特例单议：病案号、决定的金额，into the column that the policy names
``new_items``     除外支付：病案号、金额、费用列（不写为政策唯一的一列）
``out_of_scope``  不纳入支付：病案号、规则代号（政策 [[scope]] 中 listed 的规则）

Each is ``inputs/YYYY-MM/NAME.csv`` or ``.xlsx``; what a list says of a case goes before what the
case file says.  Cases that are not there are told, not refused: their rows may have been rejected.
"""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from drg_engine.errors import Fault, InputError
from drg_engine.fit_inputs import FitTable, read_fit_table
from drg_engine.payment_columns import MISSING_FEN, Coded, PaymentColumns
from drg_engine.policy import Policy

__all__ = ["LIST_NAMES", "Listed", "list_files", "with_lists"]

LIST_NAMES = ("review", "new_items", "out_of_scope")
_TITLES = {"review": "特例单议", "new_items": "除外支付", "out_of_scope": "不纳入支付"}
_SUFFIXES = (".csv", ".xlsx")
_TOLD = 5
_RULE = "scope_list"

Fen = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Listed:
    """Cases with what the lists say of them; the files read; notices in Chinese."""

    columns: PaymentColumns
    files: Mapping[str, Path]
    notices: tuple[str, ...]


def list_files(folder: Path) -> dict[str, Path]:
    """The lists of a month's folder by name.  Raises InputError where one stands twice."""
    found: dict[str, Path] = {}
    faults = []
    for name in LIST_NAMES:
        there = [path for path in (folder / f"{name}{s}" for s in _SUFFIXES) if path.is_file()]
        if len(there) > 1:
            names = "、".join(path.name for path in there)
            faults.append(Fault(folder.name, "同一名单有两个文件", found=names, mend="只留一个"))
        elif there:
            found[name] = there[0]
    if faults:
        raise InputError("名单文件有误", faults)
    return found


def with_lists(columns: PaymentColumns, folder: Path, policies: Sequence[Policy]) -> Listed:
    """Join the lists of a month's folder to its cases.

    Raises InputError with every fault of the files: columns, cells, repeats, columns and rules that
    no policy has.
    """
    files = list_files(folder)
    notices: list[str] = []
    faults: list[Fault] = []
    for name, path in files.items():
        try:
            table = read_fit_table(path, name)
            if table.n:
                columns = _JOINS[name](columns, table, policies, notices)
        except InputError as error:
            faults += error.faults
    if faults:
        raise InputError("名单文件有误", faults)
    return Listed(columns, files, tuple(notices))


def _with_review(
    columns: PaymentColumns, table: FitTable, policies: Sequence[Policy], notices: list[str]
) -> PaymentColumns:
    wanted = sorted({p.rules.review.column for p in policies if p.rules.review.column})
    if not wanted:
        notices.append(f"有名单 {table.file}，但政策没有特例单议（review.column），未执行")
        return columns
    rows, places = _matched(columns, table, "review", notices)
    amounts = {name: _filled(columns, name, rows, table.fen["amount"][places]) for name in wanted}
    return replace(columns, amounts={**columns.amounts, **amounts})


def _with_new_items(
    columns: PaymentColumns, table: FitTable, policies: Sequence[Policy], notices: list[str]
) -> PaymentColumns:
    wanted = sorted({rule.column for policy in policies for rule in policy.rules.extra})
    if not wanted:
        notices.append(f"有名单 {table.file}，但政策没有除外支付（[[extra]]），未执行")
        return columns
    label = table.text("column")
    only = wanted[0] if len(wanted) == 1 else ""
    said = np.array([*label.names, only], dtype=object)[label.codes]
    _check_known(table, said, wanted, "费用列", "政策的 [[extra]] 没有这一列")
    faults = _repeats(table, said)
    if faults:
        raise InputError(f"{table.file} 有误", faults)
    amounts = dict(columns.amounts)
    for name in wanted:
        part = _only(table, said == name)
        rows, places = _matched(columns, part, "new_items", notices)
        amounts[name] = _filled(columns, name, rows, part.fen["amount"][places])
    return replace(columns, amounts=amounts)


def _with_scope(
    columns: PaymentColumns, table: FitTable, policies: Sequence[Policy], notices: list[str]
) -> PaymentColumns:
    wanted = sorted({r.code for policy in policies for r in policy.rules.scope if r.listed})
    if not wanted:
        notices.append(f"有名单 {table.file}，但政策没有按名单不纳入的规则（listed），未执行")
        return columns
    label = table.text("rule")
    said = np.array([*label.names, ""], dtype=object)[label.codes]
    _check_known(table, said, wanted, "规则代号", "政策的 [[scope]] 没有这条按名单的规则")
    rows, places = _matched(columns, table, "out_of_scope", notices)
    held = columns.labels.get(_RULE) or Coded.same("", columns.n)
    names = tuple(sorted({*held.names, *wanted}))
    place = {name: at for at, name in enumerate(names)}
    codes = np.array([*(place[name] for name in held.names), -1], dtype=np.int32)[held.codes]
    codes[rows] = [place[text] for text in said[places].tolist()]
    return replace(columns, labels={**columns.labels, _RULE: Coded(codes, names)})


_JOINS = {"review": _with_review, "new_items": _with_new_items, "out_of_scope": _with_scope}


def _matched(
    columns: PaymentColumns, table: FitTable, name: str, notices: list[str]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Rows of the cases and the places in the table that speak of them; the rest is told."""
    if name != "new_items":
        faults = _repeats(table, np.full(table.n, "", dtype=object))
        if faults:
            raise InputError(f"{table.file} 有误", faults)
    label = table.text("case_id")
    if (label.codes < 0).any():
        row = int(table.rows[np.flatnonzero(label.codes < 0)[0]])
        raise InputError(f"{table.file} 有误", [Fault(table.file, "不能为空", row, "病案号")])
    ids = columns.case_id
    names = pa.array(label.names, pa.string()).take(pa.array(label.codes))
    at = pc.index_in(names, value_set=ids.cast(pa.string())).fill_null(-1)
    found = np.asarray(at.to_numpy(zero_copy_only=False), dtype=np.int64)
    lost = np.flatnonzero(found < 0)
    if lost.size:
        told = "、".join(names[int(place)].as_py()[-4:] for place in lost[:_TOLD])
        more = " 等" if lost.size > _TOLD else ""
        notices.append(
            f"{_TITLES[name]}名单 {table.file} 有 {lost.size} 例不在本月病例中"
            f"（病案号末四位 {told}{more}），未执行"
        )
    places = np.flatnonzero(found >= 0)
    return found[places], places


def _filled(columns: PaymentColumns, name: str, rows: npt.NDArray[np.int64], amounts: Fen) -> Fen:
    held = columns.amounts.get(name)
    found = np.full(columns.n, MISSING_FEN, dtype=np.int64) if held is None else held.copy()
    found[rows] = amounts
    return found


def _only(table: FitTable, rows: npt.NDArray[np.bool_]) -> FitTable:
    at = np.flatnonzero(rows)
    return FitTable(
        table.file,
        at.size,
        table.rows[at],
        {name: label.take(at) for name, label in table.texts.items()},
        {name: fen[at] for name, fen in table.fen.items()},
        {name: numbers[at] for name, numbers in table.numbers.items()},
    )


def _check_known(
    table: FitTable, said: npt.NDArray[np.object_], known: Sequence[str], column: str, words: str
) -> None:
    faults = []
    for row, text in zip(table.rows.tolist(), said.tolist(), strict=True):
        if text not in known:
            near = difflib.get_close_matches(text, known, 1)
            mend = f"是否想写 {near[0]}？" if near else f"可用：{'、'.join(known)}"
            faults.append(Fault(table.file, words, row, column, text or "空", mend))
    if faults:
        raise InputError(f"{table.file} 有误", faults)


def _repeats(table: FitTable, beside: npt.NDArray[np.object_]) -> list[Fault]:
    """A fault for each case told twice (of one column, where the list tells columns)."""
    label = table.text("case_id")
    keys = list(zip(label.codes.tolist(), beside.tolist(), strict=True))
    counts = Counter(keys)
    seen: dict[tuple[int, str], int] = {}
    faults = []
    for row, key in zip(table.rows.tolist(), keys, strict=True):
        if key in seen and counts[key] > 1 and key[0] >= 0:
            mend = f"第 {seen[key]} 行已有；删去其中一行"
            faults.append(Fault(table.file, "同一病例写了两行", row, "病案号", mend=mend))
        seen.setdefault(key, row)
    return faults
