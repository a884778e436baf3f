"""Reading second allocations that department heads hand back, with every fault row by row."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from drg_engine.errors import Fault, InputError
from drg_engine.money import fen_from_text, format_fen
from drg_engine.pay_second import SECOND_COLUMNS, SecondRows, check_code

__all__ = ["SECOND_SHEET", "SERIES_WORDS", "read_second"]

SECOND_SHEET = "二次分配"
SERIES_WORDS: Mapping[str, str] = {
    "doctor": "医生",
    "nurse": "护理",
    "technician": "医技",
    "administration": "行政",
}
_LABELS = ("月份", "科室编码", "校验码")
_ROW_HEADINGS = ("工号", "姓名", "系列", "二次分配")
_NEAR = 1e-4
_MOST_ROWS = 20_000
_BACK = "请用本月发下的工作簿填写，只改着色的格子"


@dataclass
class _Handed:
    """A file's cells before they are judged: who it says it is for, and its rows."""

    place: str
    head: dict[str, tuple[int, str]] = field(default_factory=dict)
    rows: list[tuple[int, dict[str, Any]]] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)


def read_second(
    path: Path, period: str, known: Mapping[str, pd.DataFrame]
) -> tuple[SecondRows | None, list[Fault]]:
    """Read a department's second allocation: the workbook it got, or a stored CSV.

    known: each department's first allocation (staff_id, series, name, first_fen).  Returns the rows
    (None where anything is wrong) and all faults, each with sheet, row and column.
    """
    try:
        handed = _opened(path)
    except InputError as error:
        return None, list(error.faults) or [Fault(path.name, str(error))]
    faults = handed.faults
    department = _judge_head(handed, period, known)
    if department is None:
        return None, faults
    first = known[department]
    frame = _judge_rows(handed, first)
    if not faults:
        faults += _sum_faults(handed, frame, first)
    return (None if faults else SecondRows(department, path.name, frame)), faults


def _opened(path: Path) -> _Handed:
    if path.suffix.lower() in (".csv", ".txt"):
        return _from_csv(path)
    if not path.is_file():
        raise InputError(f"找不到文件：{path.name}", [Fault(path.name, "没有这个文件")])
    if path.suffix.lower() not in (".xlsx", ".xlsm"):
        fault = Fault(
            path.name, "二次分配只收 .xlsx 或 .csv", found=path.suffix or None, mend=_BACK
        )
        raise InputError(f"{path.name}：不认识这种文件", [fault])
    from drg_engine.workbook_files import sheet_rows

    return _from_sheet(path, sheet_rows(path, SECOND_SHEET))


def _from_csv(path: Path) -> _Handed:
    """A stored file, or one written by another system: the labels are columns."""
    from drg_engine.readers import open_table

    source, handed = open_table(path), _Handed(path.name)
    missing = [
        name for name in (*_LABELS, "工号", "系列", "二次分配") if name not in source.headings
    ]
    if missing:
        mend = f"应有：{'、'.join(SECOND_COLUMNS.values())}"
        handed.faults += [Fault(path.name, "缺少这一列", 1, name, mend=mend) for name in missing]
        return handed
    for part in source.parts:
        for row, cells in zip(part.rows.tolist(), part.table.to_pylist(), strict=True):
            values = {name: cells.get(name) or "" for name in (*_LABELS, *_ROW_HEADINGS, "理由")}
            for label in _LABELS:
                held = handed.head.setdefault(label, (row, str(values[label]).strip()))
                if held[1] != str(values[label]).strip():
                    message = f"与第 {held[0]} 行不同，一个文件只放一个科室"
                    handed.faults.append(Fault(path.name, message, row, label, str(values[label])))
            handed.rows.append((row, values))
    for bad in source.bad_rows:
        handed.faults.append(Fault(path.name, bad.message, bad.row, found=bad.found))
    return handed


def _from_sheet(path: Path, cells: Sequence[Sequence[Any]]) -> _Handed:
    handed = _Handed(f"{path.name} {SECOND_SHEET}")
    top = -1
    for at, row in enumerate(cells[:_MOST_ROWS]):
        texts = [_text(cell) for cell in row]
        if "工号" in texts and "二次分配" in texts:
            top = at
            break
        for place, text in enumerate(texts):
            if text in _LABELS and text not in handed.head:
                value = next((t for t in texts[place + 1 :] if t), "")
                handed.head[text] = (at + 1, value)
    if top < 0:
        fault = Fault(handed.place, "找不到有“工号”和“二次分配”的表头行", mend=_BACK)
        handed.faults.append(fault)
        return handed
    headings = [_text(cell) for cell in cells[top]]
    lacking = [name for name in _ROW_HEADINGS if name not in headings]
    handed.faults += [
        Fault(handed.place, "表头缺少这一列", top + 1, n, mend=_BACK) for n in lacking
    ]
    for at, row in enumerate(cells[top + 1 : top + 1 + _MOST_ROWS], start=top + 2):
        values = dict(zip(headings, row, strict=False))
        if any(_text(values.get(name)) for name in ("工号", "姓名", "二次分配")):
            handed.rows.append((at, values))
    return handed


def _text(cell: Any) -> str:
    """A cell as text; a whole number without its ``.0``."""
    if cell is None:
        return ""
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < 1e15:
        return str(int(cell))
    return str(cell).strip().removeprefix("'")


def _judge_head(handed: _Handed, period: str, known: Mapping[str, pd.DataFrame]) -> str | None:
    """Whose file it is, of which month, made from which first allocation."""
    faults, place = handed.faults, handed.place
    if faults:
        return None
    lacking = [name for name in _LABELS if not handed.head.get(name, (0, ""))[1]]
    if lacking:
        faults += [Fault(place, "没有写明", column=name, mend=_BACK) for name in lacking]
        return None
    (at, month), (row, department), (line, code) = (handed.head[name] for name in _LABELS)
    if month != period:
        faults.append(Fault(place, f"不是 {period} 的二次分配", at, "月份", month, _BACK))
        return None
    if department not in known:
        mend = f"现有：{'、'.join(sorted(known)[:20])}" if len(known) > 1 else _BACK
        faults.append(Fault(place, "没有这个科室，或它没有人员", row, "科室编码", department, mend))
        return None
    if code != check_code(period, department, known[department]):
        message = "首次分配已变（重跑过，或不是这次的文件）"
        mend = "用新发的工作簿重填：drg-engine pay"
        faults.append(Fault(place, message, line, "校验码", code, mend))
        return None
    return department


def _judge_rows(handed: _Handed, first: pd.DataFrame) -> pd.DataFrame:
    """The rows that can be read, one a post; what is wrong goes to the faults."""
    names = dict(zip(first["staff_id"], first["name"], strict=True))
    posts = set(zip(first["staff_id"], first["series"], strict=True))
    words = {**{word: key for key, word in SERIES_WORDS.items()}, **{k: k for k in SERIES_WORDS}}
    seen: dict[tuple[str, str], int] = {}
    kept = []

    def fault(row: int, column: str, message: str, found: str, mend: str | None = None) -> None:
        handed.faults.append(Fault(handed.place, message, row, column, found or None, mend))

    for row, values in handed.rows:
        person, series = _text(values.get("工号")), _text(values.get("系列"))
        name, key = _text(values.get("姓名")), words.get(series, "")
        if not person:
            fault(row, "工号", "没有工号", name, "不要加行；合计不写在人员下面")
            continue
        if person not in names:
            fault(row, "工号", "本科室名单中没有这个人", person, "新增人员先改人员表并重跑")
            continue
        if (person, key) not in posts:
            fault(row, "系列", "系列与名单不同", series, _BACK)
            continue
        if (person, key) in seen:
            fault(row, "工号", f"与第 {seen[person, key]} 行重复", person, "每人每个系列只留一行")
            continue
        seen[person, key] = row
        if name and name != str(names[person]):
            fault(row, "姓名", f"与工号不符，名单中是 {names[person]}", name, _BACK)
        amount = _amount(values.get("二次分配"))
        if isinstance(amount, str):
            fault(row, "二次分配", amount, _text(values.get("二次分配")), "写元，至多两位小数")
        elif amount < 0:
            fault(row, "二次分配", "不能为负数", format_fen(amount), "最少为 0")
        else:
            reason = _text(values.get("理由"))
            kept.append({"staff_id": person, "series": key, "second_fen": amount, "reason": reason})
    handed.faults += [
        Fault(handed.place, "名单中的人不见了", column="工号", found=person, mend="不发的写 0")
        for person, key in sorted(posts - set(seen))
    ]
    return pd.DataFrame(kept, columns=["staff_id", "series", "second_fen", "reason"])


def _amount(cell: Any) -> int | str:
    """Fen of a cell, or what is wrong with it."""
    if isinstance(cell, bool) or cell is None or _text(cell) == "":
        return "没有金额（公式请先算好再存）"
    if isinstance(cell, int | float):
        fen = float(cell) * 100.0
        if not math.isfinite(fen) or abs(fen) > 1e13:
            return "数字过大"
        if abs(fen - round(fen)) > _NEAR:
            return "多于两位小数"
        return round(fen)
    try:
        return fen_from_text(str(cell))
    except ValueError:
        return "不是金额"


def _sum_faults(handed: _Handed, frame: pd.DataFrame, first: pd.DataFrame) -> list[Fault]:
    """A series whose amounts do not come to the department's money of that series."""
    given = frame.groupby("series")["second_fen"].sum()
    faults = []
    for series, whole in first.groupby("series", sort=True)["first_fen"].sum().items():
        second = int(given.get(series, 0))
        if second != int(whole):
            word = SERIES_WORDS.get(str(series), str(series))
            message = (
                f"{word}合计应为 {format_fen(int(whole))} 元，差 "
                f"{format_fen(int(whole) - second)} 元"
            )
            mend = "各系列合计须与首次分配的合计相等，分文不差"
            faults.append(
                Fault(handed.place, message, column="二次分配", found=format_fen(second), mend=mend)
            )
    return faults
