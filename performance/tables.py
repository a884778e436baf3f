"""The small tables of a workspace: items, departments, role shares, staff and the month's inputs.

Each becomes a pandas table under canonical names, sorted by its key, with numbers as int64:
``*_e4`` counts ten-thousandths (points, coefficients, shares, days, scores), ``*_fen`` fen, dates
days since 1970-01-01 (``NO_DATE`` where open).  Ids are text, so ``0102`` keeps its zero.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from drg_engine.errors import Fault, InputError
from performance.columns import NO_DATE, Opened, coded, dates, fixed, nearest, open_table
from performance.sheet_hints import with_sheet_hints
from performance.table_list import (
    BLANK,
    INCOME_CLASSES,
    KINDS,
    NO_NUMBER,
    ORDERING,
    ROLES,
    SERIES,
    SERIES_NAMES,
    TABLES,
    Column,
    Table,
)

__all__ = [
    "INCOME_CLASSES",
    "KINDS",
    "NO_NUMBER",
    "ROLES",
    "SERIES",
    "TABLES",
    "Column",
    "Table",
    "complete",
    "read_table",
]


def read_table(path: Path, name: str) -> pd.DataFrame:
    """Read one of :data:`TABLES` from CSV, Excel or Parquet.

    Returns the table sorted by its columns, with a column ``row`` (int64, row in the file).  Raises
    InputError with every fault of the file: file, row, column, what was found, how to mend.
    """
    table = TABLES[name]
    required = [column.name for column in table.columns if column.default is None]
    opened = open_table(path, {c.name: c.headings for c in table.columns}, required)
    faults = [Fault(path.name, bad.message, bad.row, found=bad.found) for bad in opened.bad]
    data: dict[str, Any] = {"row": opened.rows}
    for column in table.columns:
        if column.name in opened.table.column_names:
            data[column.field] = _values(_Cells(opened, column), faults)
        else:
            data[column.field] = np.full(len(opened.rows), column.default)
    frame = pd.DataFrame(data)
    frame = _canonical(name, frame)
    faults += _repeated(path.name, table, frame)
    faults += _CHECKS.get(name, _no_check)(path.name, frame)
    if faults:
        faults = with_sheet_hints(path, faults, _places(table, opened))
        raise InputError(f"{table.title} {path.name} 有 {len(faults)} 处错误", faults)
    fields = [column.field for column in table.columns]
    order = [*table.key, *(name for name in fields if name not in table.key), "row"]
    return frame.sort_values(order, kind="stable", ignore_index=True)


def _places(table: Table, opened: Opened) -> dict[str, int]:
    """Column in the file (from 0) of each heading that faults name."""
    return {c.headings[0]: opened.places[c.name] for c in table.columns if c.name in opened.places}


def complete(frame: pd.DataFrame, name: str) -> pd.DataFrame:
    """A table put together by a caller, with the columns of :data:`TABLES` that it lacks.

    They get their defaults; a column without a default must be there.
    """
    lacking = {
        column.field: column.default
        for column in TABLES[name].columns
        if column.field not in frame.columns and column.default is not None
    }
    return frame.assign(**lacking) if lacking else frame


def _canonical(name: str, frame: pd.DataFrame) -> pd.DataFrame:
    if "series" in frame.columns:
        frame["series"] = frame["series"].map(lambda text: SERIES_NAMES.get(text, text))
    if name == "departments":
        frame["kind"] = frame["kind"].map(lambda text: KINDS.get(text, text))
    if name == "income":
        frame["income_class"] = frame["income_class"].map(
            lambda text: INCOME_CLASSES.get(text, text)
        )
    if name == "role_shares":
        for column in ("item_class", "item_code"):
            frame[column] = frame[column].replace("", "*")
    return frame


@dataclass(frozen=True, slots=True)
class _Cells:
    """One column of an opened file, and how to tell what is wrong in it."""

    opened: Opened
    column: Column

    @property
    def cells(self) -> Any:
        return self.opened.table[self.column.name]

    def faults(self, bad: npt.NDArray[np.bool_], message: str, mend: str) -> list[Fault]:
        if not bad.any():
            return []
        texts, heading = coded(self.cells).texts(), self.column.headings[0]
        return [
            Fault(
                self.opened.file,
                message,
                int(self.opened.rows[i]),
                heading,
                str(texts[i])[:80],
                mend,
            )
            for i in np.flatnonzero(bad)
        ]


def _values(source: _Cells, faults: list[Fault]) -> npt.NDArray[Any]:
    column = source.column
    if column.kind in ("text", "id"):
        values = coded(source.cells).texts()
        blank = np.asarray(values == "", dtype=bool)
        if column.kind == "id":
            faults += source.faults(blank, "不能为空", "请填写")
        elif column.default:
            values[blank] = column.default
        return values
    if column.kind == "choice":
        return _choices(source, faults)
    if column.kind == "date":
        days, good, blank = dates(source.cells)
        faults += source.faults(~good & ~blank, "不是日期", "写作 2026-10-01")
        if column.default is None:
            faults += source.faults(blank, "不能为空", "写作 2026-10-01")
        return days.astype(np.int64)
    return _numbers(source, faults)


def _choices(source: _Cells, faults: list[Fault]) -> npt.NDArray[Any]:
    """Canonical names of a column of choices; a blank is the default."""
    column = source.column
    known = {**column.choices, **{name: name for name in column.choices.values()}}
    if column.default is not None:
        known[""] = column.default
    texts = coded(source.cells).texts()
    bad = np.array([text not in known for text in texts], dtype=bool)
    faults += source.faults(bad, "不在可选值之内", "可用：" + "、".join(column.choices))
    return np.array([known.get(text, text) for text in texts], dtype=object)


def _numbers(source: _Cells, faults: list[Fault]) -> npt.NDArray[np.int64]:
    column = source.column
    money = column.kind == "money"
    values, good, blank = fixed(source.cells, 2 if money else 4)
    what = "不是金额（元，至多两位小数）" if money else "不是数字（至多四位小数）"
    faults += source.faults(~good & ~blank, what, "请改为普通数字")
    if column.default is None:
        faults += source.faults(blank, "不能为空", "请填写数字")
    unit = 100 if money else 10_000
    low = -np.inf if column.low is None else column.low * unit
    high = np.inf if column.high is None else column.high * unit
    outside = good & ((values < low) | (values > high))
    faults += source.faults(outside, "超出范围", f"允许范围：{_bounds(column)}")
    return values if column.default is None else np.where(blank, column.default, values)


def _bounds(column: Column) -> str:
    low = "" if column.low is None else f"{column.low:g} ≤ "
    high = "" if column.high is None else f" ≤ {column.high:g}"
    return f"{low}{column.headings[0]}{high}"


def _repeated(file: str, table: Table, frame: pd.DataFrame) -> list[Fault]:
    if not table.key:
        return []
    again = frame[frame.duplicated(list(table.key), keep="first")]
    again = again[again[table.key[0]] != ""]  # a blank key is told as such
    first = table.columns[[c.name for c in table.columns].index(table.key[0])]
    return [
        Fault(file, "同一键值出现多次", int(row), first.headings[0], str(found), "请只保留一行")
        for row, found in zip(again["row"], again[table.key[0]], strict=True)
    ]


def _no_check(file: str, frame: pd.DataFrame) -> list[Fault]:
    return []


def _check_intervals(file: str, frame: pd.DataFrame, keys: list[str], what: str) -> list[Fault]:
    """Half-open intervals [from, to) of one key neither inverted nor overlapping."""
    faults = []
    names = frame[keys[0]].astype(str)
    inverted = (frame["effective_to"] != NO_DATE) & (
        frame["effective_to"] <= frame["effective_from"]
    )
    for row, name in zip(frame["row"][inverted], names[inverted], strict=True):
        faults.append(
            Fault(file, "失效日期不晚于生效日期", int(row), "失效日期", name, "请改正日期")
        )
    ordered = frame.sort_values([*keys, "effective_from"], kind="stable")
    same = (ordered[keys] == ordered[keys].shift()).all(axis=1)
    before = ordered["effective_to"].shift(fill_value=NO_DATE)
    again = ordered["effective_from"] == ordered["effective_from"].shift()
    overlap = same & ~again & ((before == NO_DATE) | (before > ordered["effective_from"]))
    for row, name in zip(ordered["row"][overlap], ordered[keys[0]][overlap], strict=True):
        faults.append(
            Fault(file, f"{what}的有效期重叠", int(row), "生效日期", str(name), "上一版本须先失效")
        )
    return faults


def _check_items(file: str, frame: pd.DataFrame) -> list[Fault]:
    faults = _check_intervals(file, frame, ["item_code"], "同一项目")
    rvu = frame[["work_e4", "practice_e4", "malpractice_e4"]]
    nothing = (frame["points_e4"] == BLANK) & (rvu == BLANK).all(axis=1)
    if len(frame) > 1 and nothing.all():
        mend = "请加上“点数”列（单价不是点数），或三项 RVU"
        faults.append(Fault(file, "没有一个项目有点数", column="点数", mend=mend))
    else:
        faults += _item_faults(file, frame[nothing], "点数", "不能为空", "请填写点数或三项 RVU")
    own = (frame[[f"points_{role}_e4" for role in ROLES]] != BLANK).any(axis=1)
    lone = frame["session"].isin(["endoscopy", "imaging"]) & own
    faults += _item_faults(
        file, frame[lone], "同次规则", "内镜和影像折算只能用总点数", "请删去分系列的点数"
    )
    scopes = (frame["session"] == "endoscopy") & (frame["family"] == "")
    faults += _item_faults(file, frame[scopes], "内镜族", "不能为空", "请写明属于哪一族")
    parts = frame["technical_e4"] + frame["professional_e4"]
    images = (frame["session"] == "imaging") & (parts != frame["points_e4"])
    images &= frame["points_e4"] != BLANK
    mend = "技术点数 + 专业点数应等于点数"
    return faults + _item_faults(file, frame[images], "技术点数", "与点数不符", mend)


def _item_faults(
    file: str, rows: pd.DataFrame, column: str, message: str, mend: str
) -> list[Fault]:
    return [
        Fault(file, message, int(row), column, str(code), mend)
        for row, code in zip(rows["row"], rows["item_code"], strict=True)
    ]


def _check_units(file: str, frame: pd.DataFrame) -> list[Fault]:
    return _check_intervals(file, frame, ["his_code"], "同一 HIS 科室")


def _check_shares(file: str, frame: pd.DataFrame) -> list[Fault]:
    keys = ["department", "item_class", "item_code", "to_unit"]
    return _check_intervals(file, frame, keys, "同一份额")


def _check_series(file: str, frame: pd.DataFrame) -> list[Fault]:
    faults = []
    for row, text in zip(frame["row"], frame["series"], strict=True):
        if text not in SERIES and text != "":
            near = nearest(text, SERIES_NAMES)
            mend = "可用：" + "、".join(SERIES.values()) + (f"；最接近“{near}”" if near else "")
            faults.append(Fault(file, "不认识的系列", int(row), "系列", text, mend))
    return faults


def _check_departments(file: str, frame: pd.DataFrame) -> list[Fault]:
    reserved = frame[frame["department"].isin(["UNKNOWN", "*", ORDERING])]
    return [
        Fault(file, "这个编码是保留字", int(row), "科室编码", str(name), "请换一个科室编码")
        for row, name in zip(reserved["row"], reserved["department"], strict=True)
    ]


def _check_single_items(file: str, frame: pd.DataFrame) -> list[Fault]:
    nobody = frame[(frame["department"] == "") & (frame["staff_id"] == "")]
    return _check_series(file, frame) + [
        Fault(file, "科室编码和工号不能都为空", int(row), "科室编码", "", "请至少填写一项")
        for row in nobody["row"]
    ]


def _check_income(file: str, frame: pd.DataFrame) -> list[Fault]:
    faults = []
    for row, text in zip(frame["row"], frame["income_class"], strict=True):
        if text not in INCOME_CLASSES.values():
            near = nearest(text, INCOME_CLASSES)
            mend = "可用：" + "、".join(INCOME_CLASSES) + (f"；最接近“{near}”" if near else "")
            faults.append(Fault(file, "不认识的类别", int(row), "类别", text, mend))
    return faults


def _check_posts(file: str, frame: pd.DataFrame) -> list[Fault]:
    ends = (frame["effective_to"] != NO_DATE) & (frame["effective_to"] <= frame["effective_from"])
    return _check_series(file, frame) + [
        Fault(file, "失效日期不晚于生效日期", int(row), "失效日期", str(name), "请改正日期")
        for row, name in zip(frame["row"][ends], frame["staff_id"][ends], strict=True)
    ]


_CHECKS = {
    "items": _check_items,
    "units": _check_units,
    "role_shares": _check_shares,
    "departments": _check_departments,
    "staff": _check_series,
    "pool": _check_series,
    "history": _check_series,
    "single_items": _check_single_items,
    "adjustments": _check_single_items,
    "head_funds": _check_series,
    "income": _check_income,
    "posts": _check_posts,
}
