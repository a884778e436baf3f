"""Points of items from the tables a hospital has: RVU, relative value, time × staff × scores.

Sources: allocation.md §2 (RBRVS values; items) and issue 4 §1.  Every number that is not in a table
is in the methods file.  Values are int64 ten-thousandths of a point, rounded once by the one rule
to the decimals of the methods; each comes with its calculation in words.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from drg_engine.errors import Fault, InputError
from drg_engine.money import to_fen
from performance.catalogue_methods import Methods, Scale
from performance.catalogue_rows import find_table, open_sheet, repeated_keys, typed_columns
from performance.catalogue_rvu import read_rvu
from performance.catalogue_staffing import staffing
from performance.rbrvs import total_rvu
from performance.tables import ROLES, Column
from performance.words import decimal_text, number_text

__all__ = ["NONE", "VALUES", "ValueTable", "read_value_table", "round_points", "rvu_values"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

NONE = -1
"""Stands for points that are not given."""

VALUES = ("points_e4", *(f"points_{role}_e4" for role in ROLES))
"""Columns of points: the whole, then by series."""

_PARTS = ("work", "practice", "malpractice")
_MAPPING = (
    Column("item_code", ("项目编码", "收费项目编码", "院内编码"), "id"),
    Column("hcpcs", ("HCPCS", "CPT", "CPT/HCPCS", "HCPCS编码", "CPT编码"), "id"),
    Column("modifier", ("修饰符", "MOD"), default=""),
    Column("factor", ("折算系数", "系数"), "number", 10_000, low=0.0001, high=100),
)
_VALUE_COLUMNS = (
    Column("item_code", ("项目编码", "国家编码", "项目代码", "编码"), "id"),
    Column("relative_value", ("人力资源消耗相对值", "相对值"), "number", NONE, 0, 100_000),
    Column("difficulty", ("技术难度", "难度"), "number", NONE, 0, 1_000),
    Column("risk", ("风险程度", "风险"), "number", NONE, 0, 1_000),
    Column("minutes", ("耗时", "耗时分钟", "平均耗时", "耗时(分钟)", "耗时（分钟）"), "number",
           NONE, 0, 100_000),
    Column("doctor", ("医生人数", "医师人数"), "number", NONE, 0, 100),
    Column("technician", ("医技人数", "技师人数"), "number", NONE, 0, 100),
    Column("nurse", ("护士人数", "护理人数"), "number", NONE, 0, 100),
    Column("staffing", ("基本人力消耗及耗时",), default=""),
)  # fmt: skip


class ValueTable:
    """A table of national or own values, ready to be asked for items by either of their codes."""

    def __init__(self, file: str, frame: pd.DataFrame, notices: list[str]) -> None:
        self.file = file
        self.frame = frame
        self.notices = notices

    def values(self, items: pd.DataFrame, methods: Methods, method: str) -> pd.DataFrame:
        """Values of the items by ``relative_value`` or ``work``: item_code, VALUES, reason."""
        rows = self._rows(items)
        known = np.flatnonzero(rows >= 0)
        table = self.frame.iloc[rows[known]].reset_index(drop=True)
        made = _relative(table, methods) if method == "relative_value" else _work(table, methods)
        made.insert(0, "item_code", items["item_code"].to_numpy()[known])
        given = items["national_code"].to_numpy()[known]
        own = items["item_code"].to_numpy()[known]
        through = table["item_code"].to_numpy()
        made["reason"] = [
            f"{reason}（按国家编码 {code}）" if code == national and code != mine else reason
            for reason, code, national, mine in zip(
                made["reason"], through, given, own, strict=True
            )
        ]
        return made[made["points_e4"] >= 0].reset_index(drop=True)

    def holds(self, items: pd.DataFrame) -> npt.NDArray[np.bool_]:
        """Which items (bool, n) have a code in the table."""
        return np.asarray(self._rows(items) >= 0)

    def _rows(self, items: pd.DataFrame) -> Ints:
        codes = pd.Index(self.frame["item_code"])
        own = codes.get_indexer(pd.Index(items["item_code"]))
        national = codes.get_indexer(pd.Index(items["national_code"]))
        return np.asarray(np.where(own >= 0, own, national), dtype=np.int64)


def read_value_table(path: Path, methods: Methods, sheet: str | None = None) -> ValueTable:
    """Read a table with relative values, or with time, staff, difficulty and risk.

    The headings may stand below titles, as in the national specification; rows that are headings
    of chapters (a code without any value) are passed over.  Raises InputError with every fault.
    """
    opened = find_table(path, _VALUE_COLUMNS, sheet)
    frame, faults = typed_columns(opened, _VALUE_COLUMNS)
    faults = [fault for fault in faults if fault.column != _VALUE_COLUMNS[0].headings[0]]
    named = [column.field for column in _VALUE_COLUMNS[1:-1]]
    said = frame[named].ge(0).any(axis=1) | frame["staffing"].ne("")
    frame = frame[said & frame["item_code"].ne("")].reset_index(drop=True)
    faults += repeated_keys(opened.file, frame, ["item_code"], {"item_code": "项目编码"})
    if frame.empty and not faults:
        mend = "至少要有人力资源消耗相对值，或耗时、人数、技术难度、风险程度"
        faults.append(Fault(opened.file, "没有一行有可用的值", mend=mend))
    faults += _scores_outside(opened.file, frame, methods)
    if faults:
        raise InputError(f"赋分依据表 {opened.file} 有 {len(faults)} 处错误", faults)
    read = staffing(frame["staffing"], methods.staff_words)
    for name, found in read.values.items():
        own = frame[f"{name}_e4"].to_numpy()
        frame[f"{name}_e4"] = np.where(own >= 0, own, found)
    notices = []
    if read.unread:
        shown = "；".join(f"“{text}”" for text in read.unread[:3])
        count = len(read.unread)
        notices.append(f"{opened.file}：{count:,} 种人力消耗写法读不出来，未采用：{shown}")
    return ValueTable(opened.file, frame, notices)


def _scores_outside(file: str, frame: pd.DataFrame, methods: Methods) -> list[Fault]:
    faults = []
    scales = (("difficulty", "技术难度"), ("risk", "风险程度"))
    for name, heading in scales:
        scale: Scale = getattr(methods.work, name)
        score = frame[f"{name}_e4"] / 10_000
        outside = frame[(score >= 0) & ((score < scale.lowest) | (score > scale.highest))]
        for row, value in zip(outside["row"], outside[f"{name}_e4"], strict=True):
            mend = f"方法文件 work.{name} 的范围是 {scale.lowest:g} 至 {scale.highest:g}"
            found = decimal_text(int(value), 4)
            faults.append(Fault(file, "分数超出范围", int(row), heading, found, mend))
    return faults


def round_points(points: npt.ArrayLike, decimals: int) -> Ints:
    """Points (float64) as int64 ten-thousandths, rounded half up to ``decimals`` places."""
    whole = to_fen(np.asarray(points, dtype=np.float64) * 10.0 ** (decimals - 2))
    return np.asarray(whole * 10 ** (4 - decimals), dtype=np.int64)


def _relative(table: pd.DataFrame, methods: Methods) -> pd.DataFrame:
    """Points = relative value × points per unit; by series as the weighted staff is."""
    value = table["relative_value_e4"].to_numpy(np.float64) / 10_000
    given = value >= 0
    how = methods.relative_value
    points = np.where(given, value, 0.0) * how.points_per_unit
    staff = _weighted_staff(table, methods)
    total = staff.sum(axis=1)
    split = given & how.by_staff & (total > 0)
    shares = np.divide(staff, total[:, None], out=np.zeros_like(staff), where=split[:, None])
    reasons = [
        f"人力资源消耗相对值 {number_text(one, 4)} × {how.points_per_unit:g} 点" for one in value
    ]
    return _made(points, shares * points[:, None], given, split, reasons, methods)


def _work(table: pd.DataFrame, methods: Methods) -> pd.DataFrame:
    """Points = points per minute × minutes × Σ weighted staff × difficulty factor × risk factor."""
    how = methods.work
    minutes, difficulty, risk = (
        table[f"{name}_e4"].to_numpy(np.float64) / 10_000
        for name in ("minutes", "difficulty", "risk")
    )
    staff = _weighted_staff(table, methods)
    given = (minutes >= 0) & (difficulty >= 0) & (risk >= 0) & (staff.sum(axis=1) > 0)
    factors = _factor(difficulty, how.difficulty), _factor(risk, how.risk)
    rate = np.where(given, how.points_per_minute * minutes * factors[0] * factors[1], 0.0)
    reasons = [
        f"{how.points_per_minute:g} 点 × 耗时 {number_text(time, 4)} 分钟 × 人员 "
        f"{number_text(people, 4)} × 难度 {number_text(hard, 4)} × 风险 {number_text(risky, 4)}"
        for time, people, hard, risky in zip(minutes, staff.sum(axis=1), *factors, strict=True)
    ]
    return _made(rate * staff.sum(axis=1), staff * rate[:, None], given, given, reasons, methods)


def _weighted_staff(table: pd.DataFrame, methods: Methods) -> Floats:
    """Number of staff × weight, (n, series); a number that is not given counts as none."""
    numbers = table[[f"{role}_e4" for role in ROLES]].to_numpy(np.float64)
    weights = np.array([getattr(methods.staff_weights, role) for role in ROLES])
    return np.asarray(np.maximum(numbers, 0.0) / 10_000 * weights)


def _factor(score: Floats, scale: Scale) -> Floats:
    share = (score - scale.lowest) / (scale.highest - scale.lowest)
    return np.asarray(scale.low + share * (scale.high - scale.low))


def _made(
    points: Floats,
    by_series: Floats,
    given: npt.NDArray[np.bool_],
    split: npt.NDArray[np.bool_],
    reasons: list[str],
    methods: Methods,
) -> pd.DataFrame:
    """The columns of values; the whole of items with series points is their sum."""
    series = np.where(split[:, None], round_points(by_series, methods.decimals), NONE)
    alone = round_points(points, methods.decimals)
    whole = np.where(split, series.sum(axis=1), alone)
    data = {"points_e4": np.where(given, whole, NONE)}
    data |= {name: series[:, at] for at, name in enumerate(VALUES[1:])}
    frame = pd.DataFrame(data)
    frame["reason"] = [
        f"{words} = {decimal_text(max(0, int(value)), 4)}"
        for words, value in zip(reasons, frame["points_e4"], strict=True)
    ]
    return frame


def rvu_values(
    items: pd.DataFrame, rvu_file: Path, mapping_file: Path, methods: Methods
) -> tuple[pd.DataFrame, list[str]]:
    """Values of the items from an RVU file, by a mapping of item codes to CPT/HCPCS.

    An item mapped to several codes gets their sum, each × its factor.  Returns (item_code, VALUES,
    reason; notices).  Raises InputError where the mapping names a code the RVU file doesn't have.
    """
    mapping, notices = _read_mapping(mapping_file)
    rvu = read_rvu(rvu_file)
    keys = pd.MultiIndex.from_frame(mapping[["hcpcs", "modifier"]])
    place = pd.MultiIndex.from_frame(rvu[["hcpcs", "modifier"]]).get_indexer(keys)
    missing = mapping[place < 0]
    faults = [
        Fault(mapping_file.name, f"{rvu_file.name} 里没有这个编码", int(row), "HCPCS",
              f"{code} {modifier}".strip(), "核对编码和修饰符")
        for row, code, modifier in zip(
            missing["row"], missing["hcpcs"], missing["modifier"], strict=True
        )
    ]  # fmt: skip
    if faults:
        raise InputError(f"对照表 {mapping_file.name} 有 {len(faults)} 处错误", faults)
    known = mapping["item_code"].isin(items["item_code"])
    if not known.all():
        strange = sorted(set(mapping["item_code"][~known]))
        shown = "、".join(strange[:5])
        notices.append(f"{mapping_file.name}：{len(strange):,} 个编码不在价格项目里（{shown}）")
    parts = rvu.iloc[place[known.to_numpy()]].reset_index(drop=True)
    made, empty = _rvu_sums(mapping[known].reset_index(drop=True), parts, methods)
    if empty:
        shown = "、".join(empty[:5])
        notices.append(f"{rvu_file.name}：{len(empty):,} 个项目的 RVU 合计为 0，未采用（{shown}）")
    return made, notices


def _read_mapping(path: Path) -> tuple[pd.DataFrame, list[str]]:
    opened = open_sheet(path, _MAPPING)
    frame, faults = typed_columns(opened, _MAPPING)
    frame["hcpcs"] = frame["hcpcs"].str.upper()
    key = ["item_code", "hcpcs", "modifier"]
    faults += repeated_keys(opened.file, frame, key, {"item_code": "项目编码"})
    if faults:
        raise InputError(f"对照表 {opened.file} 有 {len(faults)} 处错误", faults)
    return frame.sort_values(key, kind="stable", ignore_index=True), []


def _rvu_sums(
    mapping: pd.DataFrame, rvu: pd.DataFrame, methods: Methods
) -> tuple[pd.DataFrame, list[str]]:
    """Sum the mapped codes of each item; also the items whose sum is nothing."""
    how = methods.rvu
    factor = mapping["factor_e4"].to_numpy(np.float64) / 10_000
    names = {"work": "work_e4", "practice": f"{how.setting}_e4", "malpractice": "malpractice_e4"}
    parts = {name: rvu[column].to_numpy(np.float64) / 10_000 for name, column in names.items()}
    whole = total_rvu(parts["work"], parts["practice"], parts["malpractice"], how.indices)
    data = {"item_code": mapping["item_code"], "whole": whole * factor}
    for role in ROLES:
        data[role] = _series_rvu(parts, methods, role) * factor
    data["words"] = pd.Series(_rvu_words(mapping, rvu, parts, methods), dtype=object)
    grouped = pd.DataFrame(data).groupby("item_code", sort=True)
    sums = grouped[["whole", *ROLES]].sum()
    words = grouped["words"].agg(" + ".join)
    split = np.array([getattr(how.series, role) is not None for role in ROLES])
    points = round_points(sums["whole"] * how.points_per_rvu, methods.decimals)
    series = round_points(sums[list(ROLES)] * how.points_per_rvu, methods.decimals)
    made = pd.DataFrame({"item_code": sums.index.to_numpy(), "points_e4": points})
    for at, name in enumerate(VALUES[1:]):
        made[name] = series[:, at] if split[at] else np.full(len(made), NONE)
    made["reason"] = [
        f"{text}，每 RVU {how.points_per_rvu:g} 点 = {decimal_text(int(value), 4)}"
        for text, value in zip(words, points, strict=True)
    ]
    empty = made["points_e4"].eq(0)
    return made[~empty].reset_index(drop=True), made["item_code"][empty].tolist()


def _series_rvu(parts: Mapping[str, Floats], methods: Methods, role: str) -> Floats:
    shares = getattr(methods.rvu.series, role)
    if shares is None:
        return np.zeros(len(parts["work"]))
    weighted = [
        parts[name] * getattr(shares, name) * index
        for name, index in zip(_PARTS, methods.rvu.indices, strict=True)
    ]
    return np.asarray(sum(weighted))


def _rvu_words(
    mapping: pd.DataFrame, rvu: pd.DataFrame, parts: Mapping[str, Floats], methods: Methods
) -> list[str]:
    """``RVU 27447（工作 19.6 + 执业成本 14.82 + 责任 3.93）``, with index and factor unless 1."""
    indexed = methods.rvu.indices != [1.0, 1.0, 1.0]
    suffix = [f" × {index:g}" if indexed else "" for index in methods.rvu.indices]
    labels = ("工作", "执业成本", "责任")
    words = []
    for at, (code, modifier, factor) in enumerate(
        zip(rvu["hcpcs"], rvu["modifier"], mapping["factor_e4"], strict=True)
    ):
        inside = " + ".join(
            f"{label} {number_text(float(parts[name][at]), 4)}{one}"
            for label, name, one in zip(labels, _PARTS, suffix, strict=True)
        )
        name = f"{code}-{modifier}" if modifier else code
        times = "" if factor == 10_000 else f" × {decimal_text(int(factor), 4)}"
        words.append(f"RVU {name}（{inside}）{times}")
    return words
