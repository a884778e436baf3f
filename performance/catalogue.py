"""A point catalogue: every price item with its points, where they come from, and what is open.

What gives an item its points, the first that applies (issue 4 §1, allocation.md §7):

1. drugs and consumables get none;
2. a person decided (with reason, who and when): never overwritten;
3. a table the hospital has: RVU, relative value, time × staff × scores, in the methods' order;
4. the earlier version (before the tables where asked for);
5. a proposal from the nearest items of the class, which does not count until somebody agrees;
6. nothing: the item stays open.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd

from drg_engine.errors import Fault, InputError
from drg_engine.money import MISSING_FEN
from performance.catalogue_coverage import class_coverage, source_coverage
from performance.catalogue_methods import Methods
from performance.catalogue_review import DECIDED, GOODS_WORD
from performance.catalogue_similar import Tell, propose
from performance.catalogue_values import NONE, VALUES
from performance.catalogue_versions import (
    CHANGE_COLUMNS,
    POINT_COLUMNS,
    Version,
    apply_decisions,
    compare_versions,
)
from performance.columns import NO_DATE
from performance.words import decimal_text

__all__ = ["METHOD_WORDS", "SOURCES", "Catalogue", "build_catalogue"]

METHOD_WORDS: Mapping[str, str] = {
    "rvu": "RVU 表",
    "relative_value": "人力资源消耗相对值",
    "work": "耗时×人员×难度×风险",
}
_DECIDED, _PREVIOUS, _PROPOSED, _OPEN = "人工决定", "上版", "建议", "未赋分"
SOURCES = (
    _DECIDED,
    *METHOD_WORDS.values(),
    _PREVIOUS,
    _PROPOSED,
    _OPEN,
    f"{GOODS_WORD}（药品）",
    f"{GOODS_WORD}（卫生材料）",
)
"""Where points come from, in the order of listing."""

_MINE = ("points_e4", "points_doctor_e4", "points_technician_e4", "points_nurse_e4")
_FULL = 10_000


@dataclass(frozen=True)
class Catalogue:
    """A built catalogue.

    items: one row for each price item, sorted by code: item_code, item_name, unit, item_class,
    price_fen, quantity_e4, amount_fen, format, source, VALUES (NONE without), order_e4,
    execution_e4, reason, the proposed VALUES (``p_`` before the name), confidence_e4, basis, note,
    uncertainty_e4, review (bool) and DECIDED as people filled them in.
    changes: what moved since the earlier version (CHANGE_COLUMNS), empty without one.
    """

    version: str
    items: pd.DataFrame
    changes: pd.DataFrame
    notices: tuple[str, ...] = ()
    compared: bool = False
    sources: pd.DataFrame = field(init=False)
    classes: pd.DataFrame = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "sources", source_coverage(self.items, SOURCES))
        object.__setattr__(self, "classes", class_coverage(self.items))

    @property
    def to_review(self) -> pd.DataFrame:
        """The items that somebody should look at, the largest amount × uncertainty first."""
        rows = self.items[self.items["review"]]
        amount = rows["amount_fen"].where(rows["amount_fen"].ne(MISSING_FEN), 0).clip(lower=0)
        quantity = rows["quantity_e4"].where(rows["quantity_e4"].ne(MISSING_FEN), 0)
        order = rows.assign(
            _weight=-(amount / 100.0 * rows["uncertainty_e4"]),
            _sure=-rows["uncertainty_e4"],
            _quantity=-quantity,
        )
        keys = ["_weight", "_sure", "_quantity", "item_code"]
        return order.sort_values(keys, kind="stable", ignore_index=True).drop(columns=keys[:3])


def build_catalogue(
    items: pd.DataFrame,
    methods: Methods,
    *,
    values: Mapping[str, pd.DataFrame],
    decisions: Sequence[pd.DataFrame] = (),
    previous: Version | None = None,
    keep_previous: bool = False,
    formats: Sequence[str] = (),
    version: str = "",
    tell: Tell | None = None,
) -> Catalogue:
    """Build a catalogue from price items (see read_items) and what is known about them.

    values: by method (rvu, relative_value, work): item_code, VALUES, reason.  decisions: tables of
    item_code and DECIDED, the later before the earlier; those of ``previous`` come last.
    keep_previous: points of the earlier version stand above tables.  formats: what each item's code
    looks like.  Raises InputError where a decision gives points to drugs or consumables.
    """
    table = items.sort_values("item_code", kind="stable").reset_index(drop=True)
    formats = list(formats) or [""] * len(items)
    by_code = dict(zip(items["item_code"], formats, strict=True))
    table["format"] = table["item_code"].map(by_code)
    decided = _decisions([*decisions, *([previous.decisions] if previous else [])])
    notices = _missing_decisions(table, decided)
    goods = table["item_class"].map(methods.goods_classes)
    _refuse_goods(table, goods, decided)
    ranked = [(METHOD_WORDS[name], values[name]) for name in methods.order if name in values]
    if previous is not None:
        old = previous.points[previous.points["points_e4"] >= 0]
        ranked.insert(0 if keep_previous else len(ranked), (_PREVIOUS, old))
    _fill(table, ranked)
    _carry_coefficients(table, previous)
    _put_decisions(table, decided)
    _no_points_for_goods(table, goods)
    notices += _proportional(table, methods)
    _put_proposals(table, methods, tell)
    _mark(table, previous)
    changes = pd.DataFrame({name: [] for name in CHANGE_COLUMNS})
    if previous is not None:
        amounts = dict(zip(table["item_code"], _known(table["amount_fen"]), strict=True))
        new = table[list(POINT_COLUMNS)]
        changes = compare_versions(previous.points, new, amounts)
    return Catalogue(version, table, changes, tuple(notices), previous is not None)


def _known(column: pd.Series[int]) -> list[int]:
    return [int(value) for value in column.where(column.ne(MISSING_FEN), 0)]


def _decisions(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """All decisions, one for each item: that of the first table that has one."""
    if not tables:
        return pd.DataFrame({name: [] for name in ("item_code", *DECIDED)})
    whole = pd.concat(tables, ignore_index=True).drop_duplicates("item_code", keep="first")
    return whole.sort_values("item_code", kind="stable", ignore_index=True)


def _missing_decisions(table: pd.DataFrame, decided: pd.DataFrame) -> list[str]:
    gone = decided["item_code"][~decided["item_code"].isin(table["item_code"])]
    if not len(gone):
        return []
    shown = "、".join(gone.head(5))
    return [f"{len(gone):,} 个有人工决定的项目不在价格项目里，决定未采用（{shown}）"]


def _refuse_goods(table: pd.DataFrame, goods: pd.Series[str], decided: pd.DataFrame) -> None:
    scored = decided[decided[list(_MINE)].gt(0).any(axis=1)]["item_code"]
    bad = table[goods.notna() & table["item_code"].isin(scored)]
    faults = [
        Fault("人工决定", f"{name} 不得计点（allocation.md §7）", column="项目编码", found=code,
              mend="改为不计点，或改正项目类别")
        for name, code in zip(bad["item_class"], bad["item_code"], strict=True)
    ]  # fmt: skip
    if faults:
        raise InputError(f"人工决定有 {len(faults)} 处错误", faults)


def _fill(table: pd.DataFrame, ranked: Sequence[tuple[str, pd.DataFrame]]) -> None:
    """Points of the best source that has them."""
    n = len(table)
    columns = {name: np.full(n, NONE, dtype=np.int64) for name in VALUES}
    source, reason = np.full(n, _OPEN, dtype=object), np.full(n, "", dtype=object)
    codes = pd.Index(table["item_code"])
    for name, found in reversed(ranked):
        place = codes.get_indexer(pd.Index(found["item_code"]))
        rows = place[place >= 0]
        for value in VALUES:
            columns[value][rows] = found[value].to_numpy(np.int64)[place >= 0]
        source[rows] = name
        reason[rows] = found["reason"].to_numpy(dtype=object)[place >= 0]
    for value, filled in columns.items():
        table[value] = filled
    table["source"], table["reason"] = source, reason


def _carry_coefficients(table: pd.DataFrame, previous: Version | None) -> None:
    table["order_e4"], table["execution_e4"] = 0, _FULL
    if previous is not None:
        old = previous.points.set_index("item_code")
        for name in ("order_e4", "execution_e4"):
            carried = table["item_code"].map(old[name])
            table[name] = carried.fillna(table[name]).astype(np.int64)


def _put_decisions(table: pd.DataFrame, decided: pd.DataFrame) -> None:
    """Put decisions over everything, and what was filled in into the columns DECIDED."""
    settled = decided[decided["verdict"].ne("待定")]
    indexed = table.set_index("item_code", drop=False)
    apply_decisions(indexed, settled)
    mine = indexed.index.isin(settled["item_code"])
    indexed.loc[mine, "source"] = _DECIDED
    for name in indexed.columns:
        table[name] = indexed[name].to_numpy()
    known = decided.set_index("item_code").reindex(table["item_code"])
    blanks: Mapping[str, object] = {"verdict": "", "why": "", "who": "", "when": NO_DATE}
    for name in DECIDED:
        blank = blanks.get(name, NONE)
        kept = known[name].where(known["verdict"].notna(), blank).to_numpy()
        table[f"in_{name}"] = kept.astype(object if isinstance(blank, str) else np.int64)


def _no_points_for_goods(table: pd.DataFrame, goods: pd.Series[str]) -> None:
    mine = goods.notna().to_numpy()
    table.loc[mine, list(VALUES[:1])] = 0
    table.loc[mine, list(VALUES[1:])] = NONE
    table.loc[mine, "order_e4"] = 0
    table.loc[mine, "source"] = [f"{GOODS_WORD}（{name}）" for name in goods[mine]]
    table.loc[mine, "reason"] = [f"{name}不计点" for name in goods[mine]]


def _proportional(table: pd.DataFrame, methods: Methods) -> list[str]:
    """Classes whose points are a constant share of the price (allocation.md §7, rule 4)."""
    priced = table[(table["points_e4"] > 0) & (table["price_fen"] > 0)]
    ratio = priced["points_e4"] / priced["price_fen"]
    notices = []
    for name, group in ratio.groupby(priced["item_class"], sort=True):
        if len(group) < methods.commission.least_items:
            continue
        spread = float(group.std(ddof=0) / group.mean())
        if spread < methods.commission.least_variation:
            notices.append(
                f"{name}：{len(group):,} 个项目的点数与单价成比例（变异系数 {spread:.2%}），"
                "疑为变相提成（allocation.md §7 第 4 条）"
            )
    return notices


def _put_proposals(table: pd.DataFrame, methods: Methods, tell: Tell | None) -> None:
    source = table["source"]
    wanted = source.eq(_OPEN).to_numpy()
    goods = source.str.startswith(GOODS_WORD).to_numpy(dtype=bool)
    found = propose(table, ~wanted & ~goods, wanted, (methods.proposal, methods.decimals), tell)
    for name in VALUES:
        table[f"p_{name}"] = NONE
    table["confidence_e4"], table["basis"] = NONE, ""
    rows = found["place"].to_numpy(np.int64)
    for name in VALUES:
        table.loc[rows, f"p_{name}"] = found[name].to_numpy()
    table.loc[rows, "confidence_e4"] = found["confidence_e4"].to_numpy()
    table.loc[rows, "basis"] = found["basis"].to_numpy()
    table.loc[rows, "source"] = _PROPOSED


def _mark(table: pd.DataFrame, previous: Version | None) -> None:
    """Notes, uncertainty, and what is to be reviewed."""
    notes: list[list[str]] = [[] for _ in range(len(table))]
    moved = np.zeros(len(table), dtype=bool)
    if previous is not None:
        moved = _note_moves(table, previous, notes)
    table["note"] = ["；".join(one) for one in notes]
    open_ = table["source"].isin((_PROPOSED, _OPEN)).to_numpy()
    unsure = np.where(table["source"].eq(_PROPOSED), _FULL - table["confidence_e4"], _FULL)
    table["review"] = open_ | moved
    table["uncertainty_e4"] = np.where(table["review"], unsure, 0).astype(np.int64)


def _note_moves(
    table: pd.DataFrame, previous: Version, notes: list[list[str]]
) -> npt.NDArray[np.bool_]:
    """Note what differs from the earlier version; returns where a table moved the points."""
    old = previous.points.set_index("item_code").reindex(table["item_code"])
    there = old["item_class"].notna().to_numpy()
    for name, label in (("item_name", "名称"), ("item_class", "类别")):
        before = old[name].to_numpy(dtype=object)
        for at in np.flatnonzero(there & (before != table[name].to_numpy(dtype=object))):
            notes[at].append(f"{label}与上版不同：{before[at]}")
    points = old["points_e4"].fillna(NONE).to_numpy().astype(np.int64)
    decided = table["source"].eq(_DECIDED).to_numpy()
    goods = table["source"].str.startswith(GOODS_WORD).to_numpy(dtype=bool)
    moved = (points >= 0) & (points != table["points_e4"].to_numpy()) & ~decided & ~goods
    for at in np.flatnonzero(moved):
        notes[at].append(f"上版 {decimal_text(int(points[at]), 4)} 点")
    return np.asarray(moved, dtype=bool)
