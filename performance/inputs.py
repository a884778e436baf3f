"""A month's inputs for the allocation, read from a workspace or put together by a caller."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from drg_engine.errors import Fault, InputError
from performance.columns import likely
from performance.line_files import LineFile
from performance.lines import ChargeLines
from performance.stray_files import Stray, stray_files
from performance.tables import TABLES, read_table

__all__ = ["Inputs", "empty_table", "input_files", "period_days", "read_inputs",
           "unread_files"]  # fmt: skip

_SUFFIXES = (".csv", ".xlsx", ".parquet")
_STANDING = ("items", "departments", "role_shares", "staff")
_STANDING_OPTIONAL = ("posts", "units", "calendar")
_MONTHLY = (
    "attendance",
    "costs",
    "quality",
    "single_items",
    "pool",
    "history",
    "staff_scores",
    "indicators",
    "income",
    "head_funds",
    "operations",
    "nursing",
    "shifts",
)
_EPOCH = dt.date(1970, 1, 1)


def empty_table(name: str) -> pd.DataFrame:
    """A table of :data:`performance.tables.TABLES` without rows."""
    kinds = {"number": np.int64, "money": np.int64, "date": np.int64}
    columns = {
        column.field: np.empty(0, dtype=kinds.get(column.kind, object))
        for column in TABLES[name].columns
    }
    return pd.DataFrame({"row": np.empty(0, dtype=np.int64), **columns})


@dataclass(frozen=True)
class Inputs:
    """Everything a month's allocation reads; tables as :func:`performance.tables.read_table` gives.

    period: ``2026-10``; None takes lines of every date and checks no plan's dates.  files: name of
    each table's file; None where a caller put the tables together.  strays: files nobody reads.
    """

    items: pd.DataFrame
    departments: pd.DataFrame
    role_shares: pd.DataFrame
    staff: pd.DataFrame
    lines: ChargeLines | LineFile
    attendance: pd.DataFrame = field(default_factory=partial(empty_table, "attendance"))
    costs: pd.DataFrame = field(default_factory=partial(empty_table, "costs"))
    quality: pd.DataFrame = field(default_factory=partial(empty_table, "quality"))
    single_items: pd.DataFrame = field(default_factory=partial(empty_table, "single_items"))
    pool: pd.DataFrame = field(default_factory=partial(empty_table, "pool"))
    history: pd.DataFrame = field(default_factory=partial(empty_table, "history"))
    posts: pd.DataFrame = field(default_factory=partial(empty_table, "posts"))
    staff_scores: pd.DataFrame = field(default_factory=partial(empty_table, "staff_scores"))
    indicators: pd.DataFrame = field(default_factory=partial(empty_table, "indicators"))
    income: pd.DataFrame = field(default_factory=partial(empty_table, "income"))
    head_funds: pd.DataFrame = field(default_factory=partial(empty_table, "head_funds"))
    units: pd.DataFrame = field(default_factory=partial(empty_table, "units"))
    calendar: pd.DataFrame = field(default_factory=partial(empty_table, "calendar"))
    operations: pd.DataFrame = field(default_factory=partial(empty_table, "operations"))
    nursing: pd.DataFrame = field(default_factory=partial(empty_table, "nursing"))
    shifts: pd.DataFrame = field(default_factory=partial(empty_table, "shifts"))
    period: str | None = None
    files: Mapping[str, str] | None = None
    strays: tuple[Stray, ...] = ()


def period_days(period: str) -> tuple[int, int]:
    """First day of a month and of the next, as days since 1970-01-01.

    Raises InputError where the text is not like ``2026-10``.
    """
    found = re.fullmatch(r"(\d{4})-(0[1-9]|1[0-2])", period)
    if found is None:
        raise InputError(f"期间应写作 2026-10，读到“{period}”")
    year, month = int(found[1]), int(found[2])
    start = dt.date(year, month, 1)
    stop = dt.date(year + month // 12, month % 12 + 1, 1)
    return (start - _EPOCH).days, (stop - _EPOCH).days


def _find(folder: Path, name: str) -> Path | None:
    for suffix in _SUFFIXES:
        path = folder / f"{name}{suffix}"
        if path.is_file():
            return path
    return None


def input_files(tables: Path, inputs: Path) -> Mapping[str, Path]:
    """The files that :func:`read_inputs` will read, by the name of the table."""
    places = [(name, tables) for name in (*_STANDING, *_STANDING_OPTIONAL)]
    places += [(name, inputs) for name in (*_MONTHLY, "charges")]
    found = {name: _find(folder, name) for name, folder in places}
    return {name: path for name, path in found.items() if path is not None}


def unread_files(tables: Path, inputs: Path) -> tuple[Stray, ...]:
    """Data files of a workspace's tables and a month's inputs that nobody reads."""
    month = f"{inputs.parent.name}/{inputs.name}" if inputs.name != "inputs" else inputs.name
    places = [
        (tables.name, tables, (*_STANDING, *_STANDING_OPTIONAL)),
        (month, inputs, (*_MONTHLY, "charges")),
    ]
    return stray_files(places)


def read_inputs(tables: Path, inputs: Path, period: str | None = None) -> Inputs:
    """Read a workspace's tables and a month's inputs (CSV, Excel or Parquet).

    Required: items, departments, role_shares, staff and charges; the rest may be absent and are
    then empty.  Raises InputError once, with the faults of all files.
    """
    files, strays = input_files(tables, inputs), unread_files(tables, inputs)
    faults = [
        Fault(f"{name}.csv", "缺少文件", mend=_where(name, folder, strays))
        for name, folder in [*((n, tables) for n in _STANDING), ("charges", inputs)]
        if name not in files
    ]
    frames: dict[str, pd.DataFrame] = {}
    lines: LineFile | None = None
    for name, path in files.items():
        try:
            if name == "charges":
                lines = LineFile(path)
            else:
                frames[name] = read_table(path, name)
        except InputError as error:
            faults += error.faults or (Fault(path.name, str(error)),)
    faults += _doubled(tables, inputs) + _strange_units(frames)
    faults += _strange_departments(files, frames)
    if faults or lines is None:
        raise InputError(f"输入文件有 {len(faults)} 处错误", faults)
    named = {name: path.name for name, path in files.items()}
    return Inputs(lines=lines, period=period, files=named, strays=strays, **frames)


def _where(name: str, folder: Path, strays: tuple[Stray, ...]) -> str:
    """How to bring a missing table: the file that was probably meant, else where to put it."""
    meant = [f"有 {one.folder}/{one.file}，{one.mend}" for one in strays if one.meant == name]
    return "；".join(meant) or f"请放入 {folder.name} 文件夹"


def _doubled(tables: Path, inputs: Path) -> list[Fault]:
    """Tables that are there in several files: nobody knows which counts."""
    faults = []
    for folder, names in (
        (tables, (*_STANDING, *_STANDING_OPTIONAL)),
        (inputs, (*_MONTHLY, "charges")),
    ):
        for name in names:
            files = [f"{name}{suffix}" for suffix in _SUFFIXES]
            there = [file for file in files if (folder / file).is_file()]
            if len(there) > 1:
                message, found = "同一个表有几个文件", "、".join(there)
                faults.append(Fault(folder.name, message, found=found, mend="只留一个"))
    return faults


def _strange_units(frames: Mapping[str, pd.DataFrame]) -> list[Fault]:
    """Rows of the mapping of HIS departments that lead to no unit."""
    if "units" not in frames or "departments" not in frames:
        return []
    units, known = frames["units"], set(frames["departments"]["department"])
    lost = units[~units["department"].isin(known)]
    return [
        Fault("units", "核算单元不在科室表", int(row), "科室编码", str(name), "请补入科室表或改正")
        for row, name in zip(lost["row"], lost["department"], strict=True)
    ]


def _strange_departments(
    files: Mapping[str, Path], frames: Mapping[str, pd.DataFrame]
) -> list[Fault]:
    """Staff and posts of departments that nobody knows: nothing could reach them."""
    people = [table for table in ("staff", "posts") if table in frames and len(frames[table])]
    if "departments" not in frames or not people:
        return []
    known = [str(name) for name in frames["departments"]["department"]]
    if not known:
        return [Fault(files["departments"].name, "没有一个科室", mend="请填写各科室")]
    faults = []
    for table in people:
        frame = frames[table]
        lost = frame[~frame["department"].isin(known)]
        for row, name in zip(lost["row"], lost["department"], strict=True):
            near = likely(str(name), known)
            mend = "请改正，或在科室表加上" + (f"；最接近“{near}”" if near else "")
            file, found = files[table].name, str(name)
            faults.append(Fault(file, "科室不在科室表", int(row), "科室编码", found, mend))
    return faults
