"""What people decided on a point catalogue: the reviewed workbook, or a plain table of decisions.

A decision has a verdict, points, a reason, who and when.  It stands above every proposal and every
table, and is carried from version to version.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from drg_engine.errors import Fault, InputError
from drg_engine.money import MISSING_FEN
from performance.catalogue_rows import open_sheet, repeated_keys, typed_columns
from performance.catalogue_values import NONE, VALUES
from performance.columns import NO_DATE, Opened
from performance.tables import Column

__all__ = [
    "ALL_SHEET",
    "DECIDED",
    "GOODS_WORD",
    "REVIEW_SHEET",
    "VERDICTS",
    "Review",
    "is_review",
    "read_decisions",
    "read_review",
]

ALL_SHEET, REVIEW_SHEET = "全部项目", "待复核"
VERDICTS = ("同意", "改为", "不计点", "待定")
GOODS_WORD = "不计点"
"""How the source of items of the classes without points begins."""

_WORKBOOKS = (".xlsx", ".xlsm")
_NUMBERS = (
    ("points_e4", "定点数", 100_000),
    ("points_doctor_e4", "定医生点数", 100_000),
    ("points_technician_e4", "定医技点数", 100_000),
    ("points_nurse_e4", "定护理点数", 100_000),
    ("order_e4", "定开单系数", 10),
    ("execution_e4", "定执行系数", 10),
)
DECIDED = ("verdict", *(name for name, _, _ in _NUMBERS), "why", "who", "when")
"""Columns of a decision: text verdict, why, who; int64 ten-thousandths; int64 days."""

_INPUTS = (
    Column("verdict", ("复核结论",), default=""),
    *(
        Column(f"d_{name.removesuffix('_e4')}", (heading,), "number", NONE, 0, most)
        for name, heading, most in _NUMBERS
    ),
    Column("why", ("理由",), default=""),
    Column("who", ("决定人",), default=""),
    Column("when", ("决定日期",), "date", NO_DATE),
)
_CODE = Column("item_code", ("项目编码",), "id")
_SHOWN = (
    ("points_e4", "点数"),
    ("points_doctor_e4", "医生点数"),
    ("points_technician_e4", "医技点数"),
    ("points_nurse_e4", "护理点数"),
)
_PROPOSED = tuple(
    Column(f"p_{name.removesuffix('_e4')}", (f"建议{heading}",), "number", NONE, 0, 100_000)
    for name, heading in _SHOWN
)
_VALUE = tuple(
    Column(name.removesuffix("_e4"), (heading,), "number", NONE, 0, 100_000)
    for name, heading in _SHOWN
)
_BASIS = Column("basis", ("建议依据",), default="")
_REVIEW = (_CODE, *_VALUE[:1], *_PROPOSED, _BASIS, *_INPUTS)
_ALL = (
    _CODE,
    Column("item_name", ("项目名称",), default=""),
    Column("unit", ("单位",), default=""),
    Column("item_class", ("类别",), "id"),
    Column("amount", ("金额",), "money", MISSING_FEN),
    Column("source", ("来源",), "id"),
    *_VALUE,
    Column("order", ("开单系数",), "number", 0, 0, 10),
    Column("execution", ("执行系数",), "number", 10_000, 0, 10),
    Column("reason", ("赋分理由",), default=""),
    *_PROPOSED,
    Column("confidence", ("可信度",), "number", NONE, 0, 1),
    _BASIS,
    Column("version", ("版本",), default=""),
    *_INPUTS,
)  # fmt: skip
_PLAIN = (
    _CODE,
    Column("verdict", ("复核结论", "结论"), default=""),
    *(
        Column(f"d_{name.removesuffix('_e4')}", (heading, heading[1:]), "number", NONE, 0, most)
        for name, heading, most in _NUMBERS
    ),
    Column("why", ("理由", "赋分理由"), default=""),
    Column("who", ("决定人",), default=""),
    Column("when", ("决定日期",), "date", NO_DATE),
)


@dataclass(frozen=True)
class Review:
    """A reviewed workbook: its items as they stand, and what was decided in it.

    items: one row for each item, sorted: item_code, item_name, unit, item_class, amount_fen,
    source, VALUES, order_e4, execution_e4, reason, the proposed VALUES (``p_`` before the name),
    confidence_e4, basis.  decisions: item_code and DECIDED, sorted by code.
    """

    version: str
    items: pd.DataFrame
    decisions: pd.DataFrame = field(repr=False)


def is_review(path: Path) -> bool:
    """Whether a file is a workbook with the sheet of all items, as ``points build`` writes it."""
    if path.suffix.lower() not in _WORKBOOKS or not path.is_file():
        return False
    try:
        with zipfile.ZipFile(path) as archive, archive.open("xl/workbook.xml") as book:
            return f'name="{ALL_SHEET}"'.encode() in book.read(1 << 20)
    except (OSError, KeyError, RuntimeError, zipfile.BadZipFile, zlib.error):
        return False


def read_review(path: Path) -> Review:
    """Read a reviewed workbook back.

    Raises InputError with every fault of both sheets at once: sheet, row, column, what was found.
    """
    opened = open_sheet(path, _ALL, ALL_SHEET)
    items, faults = typed_columns(opened, _ALL)
    faults += repeated_keys(opened.file, items, ["item_code"], {"item_code": "项目编码"})
    parts = [_decided(opened, items, faults)]
    review = open_sheet(path, _REVIEW, REVIEW_SHEET)
    rows, more = typed_columns(review, _REVIEW)
    faults += more
    faults += repeated_keys(review.file, rows, ["item_code"], {"item_code": "项目编码"})
    faults += _strangers(review.file, rows, items)
    merged = rows.merge(
        items[["item_code", "source"]].drop_duplicates("item_code"), on="item_code", how="left"
    )
    parts.append(_decided(review, merged.fillna({"source": ""}), faults))
    decisions, clashes = _joined(parts)
    faults += clashes
    if faults:
        raise InputError(f"点数目录 {path.name} 有 {len(faults)} 处错误", faults)
    versions = sorted(set(items["version"]) - {""})
    kept = items.drop(columns=[c.field for c in _INPUTS] + ["row", "version"])
    kept = kept.sort_values("item_code", kind="stable", ignore_index=True)
    return Review(versions[-1] if versions else "", kept, decisions)


def read_decisions(path: Path) -> pd.DataFrame:
    """Read decisions from a reviewed workbook, or from a plain table of them.

    A table has 项目编码, 点数, 理由, 决定人 and 决定日期.  Returns item_code and DECIDED, sorted by
    code.  Raises InputError with every fault.
    """
    if is_review(path):
        return read_review(path).decisions
    opened = open_sheet(path, _PLAIN)
    rows, faults = typed_columns(opened, _PLAIN)
    faults += repeated_keys(opened.file, rows, ["item_code"], {"item_code": "项目编码"})
    rows = rows.assign(source="", points_e4=NONE)
    rows = rows.assign(**{f"p_{name}": NONE for name in VALUES})
    decisions, _ = _joined([_decided(opened, rows, faults)])
    if faults:
        raise InputError(f"决定表 {opened.file} 有 {len(faults)} 处错误", faults)
    return decisions


def _strangers(file: str, rows: pd.DataFrame, items: pd.DataFrame) -> list[Fault]:
    strange = rows[~rows["item_code"].isin(items["item_code"]) & rows["item_code"].ne("")]
    mend = f"编码须在“{ALL_SHEET}”中；新项目请先加进价格项目"
    return [
        Fault(file, f"“{ALL_SHEET}”里没有这个编码", int(row), "项目编码", code, mend)
        for row, code in zip(strange["row"], strange["item_code"], strict=True)
    ]


def _decided(opened: Opened, rows: pd.DataFrame, faults: list[Fault]) -> pd.DataFrame:
    """The decisions of one sheet; what is wrong with them is added to ``faults``."""
    verdict = rows["verdict"].to_numpy(dtype=object).copy()
    numbers = {name: rows[f"d_{name}"].to_numpy(np.int64) for name, _, _ in _NUMBERS}
    numbered = np.zeros(len(rows), dtype=bool)
    for values in numbers.values():
        numbered |= values >= 0
    verdict[(verdict == "") & (numbers["points_e4"] >= 0)] = "改为"
    told = _Teller(opened.file, rows, faults)
    text = np.zeros(len(rows), dtype=bool)
    for name in ("why", "who"):
        text |= rows[name].ne("").to_numpy()
    strange = ~np.isin(verdict, ("", *VERDICTS))
    told(strange, "复核结论", "不认识的结论", "可用：" + "、".join(VERDICTS), "verdict")
    told((verdict == "") & (numbered | text), "复核结论", "填了内容而没有结论", "请选一项结论")
    agreed, changed, nothing = (verdict == word for word in VERDICTS[:3])
    base = _base(rows)
    _check_points(told, (agreed, changed, nothing), numbers["points_e4"], base[:, 0])
    effective = agreed | changed | nothing
    told(effective & rows["who"].eq("").to_numpy(), "决定人", "没有写决定人", "请填写姓名")
    told(effective & rows["when"].eq(NO_DATE).to_numpy(), "决定日期", "没有写决定日期",
         "写作 2026-10-01")  # fmt: skip
    told((changed | nothing) & rows["why"].eq("").to_numpy(), "理由", "没有写理由", "请写明为什么")
    points = np.where(agreed & (numbers["points_e4"] < 0), base[:, 0], numbers["points_e4"])
    points = np.where(nothing, 0, points)
    goods = rows["source"].str.startswith(GOODS_WORD).to_numpy(dtype=bool)
    told(goods & effective & (points > 0), "定点数", "药品和卫生材料不得计点",
         "选“不计点”或清空（allocation.md §7）")  # fmt: skip
    out = pd.DataFrame({"item_code": rows["item_code"], "verdict": verdict})
    out["points_e4"] = points
    for at, name in enumerate(VALUES[1:], start=1):
        own = numbers[name]
        taken = np.where(agreed & (own < 0), base[:, at], own)
        out[name] = np.where(nothing, NONE, taken)
    out["order_e4"], out["execution_e4"] = numbers["order_e4"], numbers["execution_e4"]
    agreed_words = "同意建议：" + rows.get("basis", pd.Series("", rows.index)).astype(str)
    out["why"] = np.where(agreed & rows["why"].eq(""), agreed_words, rows["why"])
    out["who"], out["when"] = rows["who"], rows["when"]
    out["row"], out["file"] = rows["row"], opened.file
    chosen: pd.DataFrame = out[verdict != ""].reset_index(drop=True)
    return chosen


def _base(rows: pd.DataFrame) -> npt.NDArray[np.int64]:
    """What agreeing means (n, VALUES): the proposal, else the points in force."""
    proposed = rows[[f"p_{name}" for name in VALUES]].to_numpy(np.int64)
    held = np.full(proposed.shape, NONE, dtype=np.int64)
    for at, name in enumerate(VALUES):
        if name in rows.columns:
            held[:, at] = rows[name]
    return np.where(proposed[:, :1] >= 0, proposed, held)


def _check_points(
    told: _Teller,
    verdicts: Sequence[npt.NDArray[np.bool_]],
    points: npt.NDArray[np.int64],
    base: npt.NDArray[np.int64],
) -> None:
    agreed, changed, nothing = verdicts
    told(agreed & (base < 0) & (points < 0), "复核结论", "没有建议可同意",
         "请选“改为”并填定点数")  # fmt: skip
    told(agreed & (base >= 0) & (points >= 0) & (points != base), "定点数",
         "结论是同意，定点数却与建议不同", "要改请选“改为”，要同意请清空定点数")  # fmt: skip
    told(changed & (points < 0), "定点数", "结论是改为，却没有定点数", "请填写点数")
    told(nothing & (points > 0), "定点数", "结论是不计点，却填了定点数", "请清空，或选“改为”")


class _Teller:
    """Adds a fault for each row of a mask."""

    def __init__(self, file: str, rows: pd.DataFrame, faults: list[Fault]) -> None:
        self._file, self._rows, self._faults = file, rows, faults

    def __call__(
        self,
        bad: npt.NDArray[np.bool_],
        heading: str,
        message: str,
        mend: str,
        shown: str = "item_code",
    ) -> None:
        for at in np.flatnonzero(bad):
            row = self._rows.iloc[int(at)]
            found = str(row[shown])[:80]
            self._faults.append(Fault(self._file, message, int(row["row"]), heading, found, mend))


def _joined(parts: Sequence[pd.DataFrame]) -> tuple[pd.DataFrame, list[Fault]]:
    """Decisions of all sheets; an item decided twice must be decided alike."""
    whole = pd.concat(parts, ignore_index=True)
    whole["_open"] = whole["verdict"].eq(VERDICTS[3])
    whole = whole.sort_values("_open", kind="stable", ignore_index=True)
    settled = set(whole["item_code"][~whole["_open"]])
    whole = whole[~(whole["_open"] & whole["item_code"].isin(settled))]
    told: list[Fault] = []
    alike = [name for name in DECIDED if name != "why"]
    twice = whole[whole.duplicated("item_code", keep=False)]
    for code, rows in twice.groupby("item_code", sort=True):
        if len(rows[alike].drop_duplicates()) > 1:
            first, second = rows.iloc[0], rows.iloc[1]
            message = f"与 {first['file']} 第 {first['row']} 行的决定不同"
            mend = "两张表只在一处填写，或填成一样"
            told.append(
                Fault(second["file"], message, int(second["row"]), "复核结论", str(code), mend)
            )
    kept = whole.drop_duplicates("item_code", keep="first")[["item_code", *DECIDED]]
    ordered: pd.DataFrame = kept.sort_values("item_code", kind="stable", ignore_index=True)
    return ordered, told
