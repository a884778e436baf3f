"""The small tables of a workspace: items, departments, role shares, staff and the month's inputs.

Each becomes a pandas table under canonical names, sorted by its key, with numbers as int64:
``*_e4`` counts ten-thousandths (points, coefficients, shares, days, scores), ``*_fen`` fen, dates
days since 1970-01-01 (``NO_DATE`` where open).  Ids are text, so ``0102`` keeps its zero.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from drg_engine.errors import Fault, InputError
from performance.columns import NO_DATE, Opened, coded, dates, fixed, nearest, open_table

__all__ = ["KINDS", "ROLES", "SERIES", "TABLES", "Column", "Table", "read_table"]

ROLES = ("doctor", "technician", "nurse")
SERIES: Mapping[str, str] = {
    "doctor": "医生",
    "technician": "医技",
    "nurse": "护理",
    "administration": "行政",
}
KINDS: Mapping[str, str] = {
    "外科": "surgery",
    "内科": "medicine",
    "重症": "icu",
    "医技": "technology",
    "门诊": "outpatient",
    "行政": "administration",
}
_SERIES_NAMES = {**{label: name for name, label in SERIES.items()}, **{n: n for n in SERIES}}
_SERIES_NAMES |= {"技师": "technician", "护士": "nurse", "医师": "doctor", "管理": "administration"}


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table file.

    kind: id (text, never blank), text, number (int64 ten-thousandths), money (int64 fen), date.
    default: value of a blank cell or an absent column; None makes both faults.
    low and high bound a number inclusively, in its own unit (not in ten-thousandths).
    """

    name: str
    headings: tuple[str, ...]
    kind: str = "text"
    default: Any = None
    low: float | None = None
    high: float | None = None

    @property
    def field(self) -> str:
        """Name of the column in the table read."""
        return self.name + {"number": "_e4", "money": "_fen"}.get(self.kind, "")


@dataclass(frozen=True, slots=True)
class Table:
    """A table file: its columns and the columns whose values must not repeat together."""

    title: str
    columns: tuple[Column, ...]
    key: tuple[str, ...] = ()


_BLANK = -1
_DEPARTMENT = Column("department", ("科室编码", "科室", "核算单元"), "id")
_STAFF_ID = Column("staff_id", ("工号", "人员编号", "职工编号"), "id")

TABLES: Mapping[str, Table] = {
    "items": Table(
        "项目点数表",
        (
            Column("version", ("版本",), default=""),
            Column("item_code", ("项目编码", "收费项目编码"), "id"),
            Column("item_name", ("项目名称",), default=""),
            Column("unit", ("单位", "计价单位"), default=""),
            Column("item_class", ("类别", "项目类别"), "id"),
            Column("points", ("点数", "点值分"), "number", low=0, high=100_000),
            Column("order_coefficient", ("开单系数", "判读系数"), "number", 0, low=0, high=10),
            Column("execution_coefficient", ("执行系数",), "number", 10_000, low=0, high=10),
            Column("points_doctor", ("医生点数",), "number", _BLANK, low=0, high=100_000),
            Column("points_technician", ("医技点数",), "number", _BLANK, low=0, high=100_000),
            Column("points_nurse", ("护理点数",), "number", _BLANK, low=0, high=100_000),
            Column("reason", ("赋分理由",), default=""),
            Column("effective_from", ("生效日期",), "date", NO_DATE),
            Column("effective_to", ("失效日期",), "date", NO_DATE),
        ),
        ("item_code", "effective_from"),
    ),
    "departments": Table(
        "科室表",
        (
            _DEPARTMENT,
            Column("department_name", ("科室名称",), default=""),
            Column("kind", ("类型", "科室类型"), "id"),
            Column("coefficient", ("科室系数",), "number", 10_000, low=0, high=100),
            Column("beds", ("编制床位", "床位"), "number", 0, low=0, high=100_000),
        ),
        ("department",),
    ),
    "role_shares": Table(
        "角色份额表",
        (
            _DEPARTMENT,
            Column("item_class", ("项目类别", "类别"), default="*"),
            Column("item_code", ("项目编码",), default="*"),
            Column("doctor", ("医生",), "number", 0, low=0, high=1),
            Column("technician", ("医技",), "number", 0, low=0, high=1),
            Column("nurse", ("护理",), "number", 0, low=0, high=1),
        ),
        ("department", "item_class", "item_code"),
    ),
    "staff": Table(
        "人员表",
        (
            _STAFF_ID,
            Column("name", ("姓名",), default=""),
            _DEPARTMENT,
            Column("series", ("系列", "人员系列"), "id"),
            Column("title", ("职称",), default=""),
            Column("post_coefficient", ("岗位系数",), "number", 10_000, low=0, high=100),
            Column("title_coefficient", ("职称系数",), "number", 10_000, low=0, high=100),
        ),
        ("staff_id",),
    ),
    "attendance": Table(
        "考勤表",
        (
            _STAFF_ID,
            Column("days_due", ("应出勤天数", "应出勤"), "number", low=0.0001, high=366),
            Column("days_present", ("实际出勤天数", "实际出勤"), "number", low=0, high=366),
        ),
        ("staff_id",),
    ),
    "costs": Table(
        "科室成本表",
        (
            _DEPARTMENT,
            Column("cost_item", ("成本项目",), "id"),
            Column("amount", ("金额",), "money"),
        ),
    ),
    "quality": Table(
        "质量得分表",
        (_DEPARTMENT, Column("score", ("质量得分", "得分"), "number", low=0, high=200)),
        ("department",),
    ),
    "single_items": Table(
        "单项奖惩表",
        (
            Column("department", ("科室编码", "科室"), default=""),
            Column("staff_id", ("工号", "人员编号"), default=""),
            Column("matter", ("事项",), default=""),
            Column("amount", ("金额",), "money"),
            Column("series", ("系列",), default=""),
        ),
    ),
    "pool": Table(
        "奖金池表",
        (Column("series", ("系列",), "id"), Column("amount", ("金额",), "money", low=0)),
        ("series",),
    ),
    "history": Table(
        "历史绩效表",
        (
            _DEPARTMENT,
            Column("series", ("系列",), "id"),
            Column("amount", ("金额",), "money", low=0),
        ),
        ("department", "series"),
    ),
}


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
    frame = _canonical(frame)
    faults += _repeated(path.name, table, frame)
    faults += _CHECKS.get(name, _no_check)(path.name, frame)
    if faults:
        raise InputError(f"{table.title} {path.name} 有 {len(faults)} 处错误", faults)
    fields = [column.field for column in table.columns]
    order = [*table.key, *(name for name in fields if name not in table.key), "row"]
    return frame.sort_values(order, kind="stable", ignore_index=True)


def _canonical(frame: pd.DataFrame) -> pd.DataFrame:
    for column, names in (("series", _SERIES_NAMES), ("kind", KINDS)):
        if column in frame.columns:
            frame[column] = frame[column].map(lambda text, names=names: names.get(text, text))
    for column in ("item_class", "item_code"):
        if column in frame.columns and "doctor_e4" in frame.columns:
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
    if column.kind == "date":
        days, good, blank = dates(source.cells)
        faults += source.faults(~good & ~blank, "不是日期", "写作 2026-10-01")
        return days.astype(np.int64)
    return _numbers(source, faults)


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
    first = table.columns[[c.name for c in table.columns].index(table.key[0])]
    return [
        Fault(file, "同一键值出现多次", int(row), first.headings[0], str(found), "请只保留一行")
        for row, found in zip(again["row"], again[table.key[0]], strict=True)
    ]


def _no_check(file: str, frame: pd.DataFrame) -> list[Fault]:
    return []


def _check_items(file: str, frame: pd.DataFrame) -> list[Fault]:
    faults = []
    inverted = frame[
        (frame["effective_to"] != NO_DATE) & (frame["effective_to"] <= frame["effective_from"])
    ]
    for row, code in zip(inverted["row"], inverted["item_code"], strict=True):
        faults.append(
            Fault(file, "失效日期不晚于生效日期", int(row), "失效日期", code, "请改正日期")
        )
    ordered = frame.sort_values(["item_code", "effective_from"], kind="stable")
    same = ordered["item_code"].eq(ordered["item_code"].shift())
    before = ordered["effective_to"].shift(fill_value=NO_DATE)
    overlap = ordered[same & ((before == NO_DATE) | (before > ordered["effective_from"]))]
    for row, code in zip(overlap["row"], overlap["item_code"], strict=True):
        faults.append(
            Fault(file, "同一项目的有效期重叠", int(row), "生效日期", code, "上一版本须先失效")
        )
    return faults


def _check_series(file: str, frame: pd.DataFrame) -> list[Fault]:
    faults = []
    for row, text in zip(frame["row"], frame["series"], strict=True):
        if text not in SERIES and text != "":
            near = nearest(text, _SERIES_NAMES)
            mend = "可用：" + "、".join(SERIES.values()) + (f"；最接近“{near}”" if near else "")
            faults.append(Fault(file, "不认识的系列", int(row), "系列", text, mend))
    return faults


def _check_departments(file: str, frame: pd.DataFrame) -> list[Fault]:
    reserved = frame[frame["department"].isin(["UNKNOWN", "*"])]
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


_CHECKS = {
    "items": _check_items,
    "departments": _check_departments,
    "staff": _check_series,
    "pool": _check_series,
    "history": _check_series,
    "single_items": _check_single_items,
}
