"""Versions of a point catalogue: earlier ones read, the items table written, two compared."""

from __future__ import annotations

import datetime as dt
import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from drg_engine.errors import Fault, InputError
from performance.catalogue_review import DECIDED, Review, is_review, read_review
from performance.catalogue_rules import OTHER_COLUMNS, latest_rows, points_of_parts
from performance.catalogue_values import NONE, VALUES
from performance.columns import NO_DATE
from performance.tables import Column, read_table
from performance.words import decimal_text

__all__ = [
    "CHANGE_COLUMNS",
    "POINT_COLUMNS",
    "Version",
    "compare_versions",
    "decided_reason",
    "in_force",
    "items_table",
    "joined_versions",
    "read_version",
]

POINT_COLUMNS = (
    "item_code",
    "item_name",
    "unit",
    "item_class",
    *VALUES,
    "order_e4",
    "execution_e4",
    "reason",
)
"""Columns of an item with its points; points are NONE where there are none."""

CHANGE_COLUMNS = (
    "change",
    "item_code",
    "item_name",
    "item_class",
    "old_e4",
    "new_e4",
    "difference_e4",
    "amount_fen",
    "detail",
    "old_reason",
    "new_reason",
)
_DECIDED_REASON = re.compile(r"人工决定：(.*)（([^（）]*)，(\d{4}-\d{2}-\d{2})）", re.DOTALL)
_EPOCH = dt.date(1970, 1, 1)
_QUOTED = re.compile(r"^'(?=[=+\-@])")


@dataclass(frozen=True)
class Version:
    """An earlier version: points (POINT_COLUMNS, sorted by code) and decisions (see Review).

    fingerprint: SHA-256 of the content, whatever the file's name and kind.
    """

    label: str
    points: pd.DataFrame
    decisions: pd.DataFrame

    @property
    def fingerprint(self) -> str:
        """SHA-256 over points and decisions, in hexadecimal."""
        text = self.points.to_csv(index=False) + self.decisions.to_csv(index=False)
        return hashlib.sha256(text.encode()).hexdigest()


def day_text(day: int) -> str:
    """Days since 1970-01-01 as 2026-10-01; '' where open."""
    return "" if day == NO_DATE else (_EPOCH + dt.timedelta(days=int(day))).isoformat()


def decided_reason(why: str, who: str, day: int) -> str:
    """How a decision's reason stands in the items table, from which it can be read back."""
    who = who.replace("（", "(").replace("）", ")").replace("，", "、")
    return f"人工决定：{' '.join(why.split())}（{who}，{day_text(day)}）"


def read_version(path: Path) -> Version:
    """Read an earlier version: a reviewed workbook, or an items table (its latest rows).

    Raises InputError with every fault of the file.
    """
    if is_review(path):
        review = read_review(path)
        return Version(review.version, in_force(review), review.decisions)
    table = latest_rows(path)
    table["points_e4"] = points_of_parts(table)
    table = table.rename(
        columns={"order_coefficient_e4": "order_e4", "execution_coefficient_e4": "execution_e4"}
    )
    for name in ("item_name", "unit", "reason"):
        table[name] = table[name].str.replace(_QUOTED, "", regex=True)
    labels = sorted(set(table["version"]) - {""})
    decisions = _parsed_decisions(table)
    return Version(labels[-1] if labels else "", table[list(POINT_COLUMNS)], decisions)


def _parsed_decisions(table: pd.DataFrame) -> pd.DataFrame:
    """Decisions that stand in the reasons of an items table."""
    found = [_DECIDED_REASON.fullmatch(text) for text in table["reason"]]
    kept = np.array([one is not None for one in found], dtype=bool)
    words = [one.groups() for one in found if one is not None]
    rows = table[kept].reset_index(drop=True)
    data: dict[str, object] = {
        "item_code": rows["item_code"],
        "verdict": np.where(rows["points_e4"] == 0, "不计点", "改为"),
    }
    data |= {name: rows[name] for name in (*VALUES, "order_e4", "execution_e4")}
    data["why"] = [why for why, _, _ in words]
    data["who"] = [who for _, who, _ in words]
    days = [(dt.date.fromisoformat(day) - _EPOCH).days for _, _, day in words]
    data["when"] = np.array(days, dtype=np.int64)
    return pd.DataFrame(data)[["item_code", *DECIDED]]


def in_force(review: Review, least_e4: int | None = None, zero: bool = False) -> pd.DataFrame:
    """Points (POINT_COLUMNS) of a reviewed workbook with its decisions put in.

    least_e4: take proposals that nobody looked at from this confidence on; None takes none.  zero:
    items without points get 0 instead of NONE.
    """
    items = review.items.set_index("item_code", drop=False)
    table = items[list(POINT_COLUMNS)].copy()
    decided = review.decisions[review.decisions["verdict"].ne("待定")]
    if least_e4 is not None:
        open_ = table["points_e4"].lt(0) & items["confidence_e4"].ge(max(least_e4, 0))
        open_ &= items["p_points_e4"].ge(0) & ~table.index.isin(decided["item_code"])
        for name in VALUES:
            table.loc[open_, name] = items.loc[open_, f"p_{name}"]
        table.loc[open_, "reason"] = [
            f"未经复核的建议（可信度 {decimal_text(int(sure), 4)}）：{basis}"
            for sure, basis in zip(
                items.loc[open_, "confidence_e4"], items.loc[open_, "basis"], strict=True
            )
        ]
    apply_decisions(table, decided)
    if zero:
        none = table["points_e4"].lt(0)
        table.loc[none, "points_e4"] = 0
        table.loc[none, "reason"] = "未赋分，暂按 0 点"
    return table.sort_index(kind="stable").reset_index(drop=True)


def apply_decisions(table: pd.DataFrame, decided: pd.DataFrame) -> None:
    """Put decisions into a table of points whose index is the code; others are left aside."""
    known = decided[decided["item_code"].isin(table.index)]
    codes = known["item_code"].tolist()
    for name in VALUES:
        table.loc[codes, name] = known[name].to_numpy()
    for name in ("order_e4", "execution_e4"):
        given = known[known[name] >= 0]
        table.loc[given["item_code"].tolist(), name] = given[name].to_numpy()
    table.loc[codes, "reason"] = [
        decided_reason(why, who, day)
        for why, who, day in zip(known["why"], known["who"], known["when"], strict=True)
    ]


_ITEM_HEADINGS: Mapping[str, str] = {
    "version": "版本",
    "item_code": "项目编码",
    "item_name": "项目名称",
    "unit": "单位",
    "item_class": "类别",
    "points_e4": "点数",
    "order_e4": "开单系数",
    "execution_e4": "执行系数",
    "points_doctor_e4": "医生点数",
    "points_technician_e4": "医技点数",
    "points_nurse_e4": "护理点数",
    "reason": "赋分理由",
    "effective_from": "生效日期",
    "effective_to": "失效日期",
}


def items_table(frame: pd.DataFrame) -> pa.Table:
    """The items table of a workspace (performance/tables.py) as text columns, ready to write.

    frame: version, POINT_COLUMNS, effective_from and effective_to (days, NO_DATE open), and
    OTHER_COLUMNS, which are written where an item has something in them.
    """
    texts = {heading: _texts(frame[name], name) for name, heading in _ITEM_HEADINGS.items()}
    for column in OTHER_COLUMNS:
        if frame[column.field].ne(column.default).any():
            texts[column.headings[0]] = _other_texts(frame[column.field], column)
    arrays = [
        pa.array([" ".join(text.split()) for text in one], pa.string()) for one in texts.values()
    ]
    return pa.table(arrays, names=list(texts))


def _texts(values: pd.Series[Any], name: str) -> list[str]:
    if name.endswith("_e4"):
        return _distinct(values, _decimal)
    return _distinct(values, day_text) if name.startswith("effective") else list(values.astype(str))


def _other_texts(values: pd.Series[Any], column: Column) -> list[str]:
    """Texts of a column that the catalogue only carries; blank where it says nothing."""
    if column.kind == "number":
        return _distinct(values, lambda n: "" if n == column.default else decimal_text(n, 4))
    labels: dict[str, str] = {}
    for label, name in column.choices.items():
        labels.setdefault(name, label)
    return [labels.get(text, text) for text in values.astype(str)]


def _distinct(values: pd.Series[int], shown: Callable[[int], str]) -> list[str]:
    codes, distinct = pd.factorize(values)
    words = np.array([shown(int(value)) for value in distinct], dtype=object)
    return list(words[codes]) if len(codes) else []


def _decimal(count: int) -> str:
    return "" if count < 0 else decimal_text(count, 4)


def joined_versions(path: Path, frame: pd.DataFrame, start: int) -> pd.DataFrame:
    """Earlier rows of an items table, ended where the new version begins, and the new rows.

    frame: the new version with effective_from = ``start`` (days).  Rows that would begin on or
    after ``start`` are refused, as they would be overwritten unseen.
    """
    old = read_table(path, "items").rename(
        columns={"order_coefficient_e4": "order_e4", "execution_coefficient_e4": "execution_e4"}
    )
    late = old[old["effective_from"] >= start]
    if len(late):
        mend = "换一个更晚的生效日期，或先删去这些行"
        faults = [
            Fault(path.name, "已有同日或更晚生效的版本", int(row), "生效日期", code, mend)
            for row, code in zip(late["row"], late["item_code"], strict=True)
        ]
        raise InputError(f"不能把新版本加进 {path.name}", faults)
    open_ = (old["effective_to"] == NO_DATE) | (old["effective_to"] > start)
    old["effective_to"] = np.where(open_, start, old["effective_to"])
    whole = pd.concat([old[frame.columns], frame], ignore_index=True)
    return whole.sort_values(["item_code", "effective_from"], kind="stable", ignore_index=True)


def compare_versions(
    old: pd.DataFrame, new: pd.DataFrame, amounts: Mapping[str, int] | None = None
) -> pd.DataFrame:
    """What moved between two versions (POINT_COLUMNS each): CHANGE_COLUMNS, largest amount first.

    amounts: fen of a month by item code.  Items without change are left out; NONE stands for points
    that are not there.
    """
    both = old.merge(new, on="item_code", how="outer", suffixes=("_old", "_new"), indicator=True)
    place = both["_merge"].astype(str)
    numbers = {name: _pair(both, name) for name in (*VALUES, "order_e4", "execution_e4")}
    points = numbers["points_e4"]
    detail = _details(both)
    kinds = np.select(
        [
            place.eq("right_only"),
            place.eq("left_only"),
            (points[0] < 0) & (points[1] >= 0),
            (points[0] >= 0) & (points[1] < 0),
            points[0] != points[1],
            np.array([bool(text) for text in detail], dtype=bool),
        ],
        ["新增", "取消", "新赋分", "失去赋分", "点数变化", "其他变化"],
        default="",
    )
    changes = pd.DataFrame({"change": kinds, "item_code": both["item_code"]})
    for name in ("item_name", "item_class"):
        changes[name] = both[f"{name}_new"].fillna(both[f"{name}_old"])
    changes["old_e4"], changes["new_e4"] = points
    known = (points[0] >= 0) & (points[1] >= 0)
    changes["difference_e4"] = np.where(known, points[1] - points[0], 0)
    given = amounts or {}
    changes["amount_fen"] = [given.get(code, 0) for code in changes["item_code"]]
    changes["detail"] = detail
    changes["old_reason"] = both["reason_old"].fillna("")
    changes["new_reason"] = both["reason_new"].fillna("")
    changes = changes[changes["change"].ne("")]
    order = changes.assign(_size=-changes["amount_fen"].abs())
    order = order.sort_values(["_size", "change", "item_code"], kind="stable", ignore_index=True)
    return order[list(CHANGE_COLUMNS)]


def _pair(both: pd.DataFrame, name: str) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    old, new = (
        both[f"{name}_{side}"].fillna(NONE).to_numpy().astype(np.int64) for side in ("old", "new")
    )
    return old, new


_DETAILS = {
    "item_name": "名称",
    "item_class": "类别",
    "unit": "单位",
    "points_doctor_e4": "医生点数",
    "points_technician_e4": "医技点数",
    "points_nurse_e4": "护理点数",
    "order_e4": "开单系数",
    "execution_e4": "执行系数",
}


def _details(both: pd.DataFrame) -> list[str]:
    """What else than the points changed, in words; '' for items that came or went."""
    there = both["_merge"].eq("both").to_numpy()
    said: list[list[str]] = [[] for _ in range(len(both))]
    for name, label in _DETAILS.items():
        old, new = both[f"{name}_old"], both[f"{name}_new"]
        for at in np.flatnonzero(there & old.ne(new).to_numpy()):
            words = [_shown(one.iloc[at], name) or "（空）" for one in (old, new)]
            said[at].append(f"{label} {' → '.join(words)}")
    return ["；".join(parts) for parts in said]


def _shown(value: object, name: str) -> str:
    return _decimal(int(float(str(value)))) if name.endswith("_e4") else str(value)
