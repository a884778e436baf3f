"""Exceptions and control totals: what could not be placed, and proof that nothing was dropped."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from performance.cells import Cells
from performance.drg_facts import DrgSurplus
from performance.inputs import Inputs
from performance.line_checks import EXCEPTION_COLUMNS
from performance.plan import Plan
from performance.points import UNKNOWN, Points
from performance.tables import SERIES
from performance.words import number_text

__all__ = ["Ledger", "control_totals", "exception_rows"]


class Ledger:
    """Exceptions beside those of the charge lines, collected while the money is shared."""

    def __init__(self) -> None:
        self._rows: list[tuple[object, ...]] = []
        self.single_read = self.single_placed = 0
        self.surplus_read = self.surplus_placed = 0

    def _add(
        self, kind: str, file: str, found: str, message: str, *, amount: int = 0, row: int = 0
    ) -> None:
        self._rows.append((kind, file, found, 1, 0, int(amount), int(row), message))

    def absent(self, plan: Plan, absent: Sequence[str]) -> None:
        """Staff without attendance."""
        full = plan.model.staff.missing_attendance == "full"
        for name in absent:
            self._add("没有考勤", "attendance", name, f"按{'全勤' if full else ' 0 出勤'}计")

    def departments(
        self,
        plan: Plan,
        inputs: Inputs,
        surplus: DrgSurplus | None,
        unscored: Sequence[str],
        lost_costs: pd.DataFrame,
    ) -> None:
        """Departments without a score, and inputs of departments nobody knows."""
        for name in unscored:
            self._add("没有质量得分", "quality", name, "按满分计")
        if plan.model.costs is not None:
            for row in lost_costs.itertuples():
                message = "科室不在科室表；这笔成本没有扣"
                self._add(
                    "未知科室的成本", "costs", str(row.department), message,
                    amount=int(str(row.amount_fen)), row=int(str(row.row)),
                )  # fmt: skip
        known = set(inputs.departments["department"])
        for name, row in zip(inputs.quality["department"], inputs.quality["row"], strict=True):
            if name not in known:
                self._add("未知科室的得分", "quality", name, "科室不在科室表；未用", row=row)
        if surplus is not None and plan.model.drg.kind != "none":
            self._surplus(known, surplus)

    def _surplus(self, known: set[str], surplus: DrgSurplus) -> None:
        summed = surplus.table.groupby("department", sort=True, dropna=False)["surplus_fen"].sum()
        self.surplus_read = int(summed.sum())
        for name, amount in summed.items():
            if name in known:
                self.surplus_placed += int(amount)
            else:
                found = str(name) if isinstance(name, str) and name else "（空）"
                message = "病例的出院科室不在科室表；盈亏未分"
                self._add("未知科室的盈亏", "cases", found, message, amount=int(amount))

    def single_items(self, rows: pd.DataFrame, personal: pd.Series, whole: pd.Series) -> None:
        """Single items for persons, departments or series that nobody knows are not paid."""
        self.single_read = int(rows["amount_fen"].sum())
        self.single_placed = int(rows.loc[personal | whole, "amount_fen"].sum())
        for row in rows[~(personal | whole)].itertuples():
            found = f"{row.department} {row.staff_id} {row.matter}".strip()
            message = "人员、科室或系列不在表中；没有支付"
            self._add(
                "未知对象的单项", "single_items", found, message,
                amount=int(str(row.amount_fen)), row=int(str(row.row)),
            )  # fmt: skip

    def negative_points(self, plan: Plan, frame: pd.DataFrame) -> None:
        """Departments whose refunds exceed their work count as 0 points."""
        negative = frame["points_e6"].to_numpy() < 0
        for row in frame[negative].itertuples() if negative.any() else ():
            found = f"{row.department} {SERIES[str(row.series)]}"
            message = f"点数合计 {number_text(int(str(row.points_e6)) / 1e6)}，按 0 计"
            self._add("点数为负", "charges", found, message)

    def staff(self, plan: Plan, departments: pd.DataFrame, pay: pd.DataFrame) -> None:
        """Staff that no pool reaches, and pay below zero."""
        known = set(departments["department"])
        for row in pay.itertuples():
            staff_id = str(row.staff_id)
            if row.department not in known:
                self._add("人员的科室未知", "staff", staff_id, f"科室 {row.department} 不在科室表")
            if row.series not in plan.series:
                self._add("人员的系列无奖金池", "staff", staff_id, f"方案没有 {row.series} 系列")
            if int(str(row.total_fen)) < 0:
                message = "个人合计为负，请核对单项扣款"
                self._add(
                    "个人合计为负",
                    "single_items",
                    staff_id,
                    message,
                    amount=int(str(row.total_fen)),
                )

    def frame(self) -> pd.DataFrame:
        """What was collected, as exceptions."""
        return pd.DataFrame(self._rows, columns=list(EXCEPTION_COLUMNS))


def exception_rows(parts: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """All exceptions in one sorted table of EXCEPTION_COLUMNS.

    first_row 0 means that no row of a file is meant.
    """
    filled = [part for part in parts if len(part)]
    if not filled:
        return pd.DataFrame(columns=list(EXCEPTION_COLUMNS))
    whole = pd.concat(filled, ignore_index=True)
    for column in ("rows", "quantity_e4", "amount_fen", "first_row"):
        whole[column] = whole[column].astype(np.int64)
    keys = ["kind", "file", "found", "first_row"]
    return whole.sort_values(keys, kind="stable", ignore_index=True)


def control_totals(
    plan: Plan,
    cells: Cells,
    points: Points,
    by_department: pd.DataFrame,
    inputs: Inputs,
    totals: pd.DataFrame,
    ledger: Ledger,
) -> pd.DataFrame:
    """What went in and what came out; every difference is 0, or something was lost.

    Columns: control, unit, decimals, total_in, placed, unknown, rejected, difference (int64 counts
    of 10**-decimals of the unit), note.
    """
    rows = [
        *_line_totals(cells, inputs),
        *_point_totals(plan, points, by_department),
        ("单项奖惩", "元", 2, ledger.single_read, ledger.single_placed, None, 0, ""),
    ]
    if plan.model.drg.kind != "none":
        rows.append(("DRG 盈亏", "元", 2, ledger.surplus_read, ledger.surplus_placed, None, 0, ""))
    for row in totals.to_dict("records"):
        kept = int(row["reserve_fen"] + row["withheld_fen"] + row["department_head_fund_fen"])
        placed = int(row["staff_fen"] + row["personal_single_fen"]) + kept
        note = "批准 + 动用科主任基金 = 到人 + 个人单项 + 基金留存 + 质量留存 + 预留；UNKNOWN 待查"
        control, unknown = f"资金（{row['label']}）", int(row["unknown_fen"])
        received = int(row["approved_fen"] + row["fund_used_fen"])
        rows.append((control, "元", 2, received, placed, unknown, 0, note))
    return _control_frame(rows)


_Row = tuple[str, str, int, int, int, int | None, int, str]


def _line_totals(cells: Cells, inputs: Inputs) -> list[_Row]:
    item = cells.item >= 0
    ordered, executed = item & (cells.order >= 0), item & (cells.execution >= 0)
    both = ordered & executed
    rows: list[_Row] = [
        (
            "收费明细", "行", 0, cells.rows_read, int(cells.rows[both].sum()),
            int(cells.rows[~both].sum()), cells.rows_rejected, "",
        )
    ]  # fmt: skip
    for side, known in (("开单", ordered), ("执行", executed)):
        placed = int(cells.quantity_e4[known].sum())
        unknown = int(cells.quantity_e4[~known].sum())
        rows.append((f"数量（{side}）", "次", 4, cells.quantity_read_e4, placed, unknown, 0, ""))
    rows += _source_totals(cells, both)
    placed, unknown = int(cells.amount_fen[both].sum()), int(cells.amount_fen[~both].sum())
    rows.append(("收费金额", "元", 2, cells.amount_read_fen, placed, unknown, 0, ""))
    return rows


def _source_totals(cells: Cells, known: npt.NDArray[np.bool_]) -> list[_Row]:
    """Quantity by where the lines come from, where the file says so."""
    rows: list[_Row] = []
    if cells.sources == ("",):
        return rows
    for place, name in enumerate(cells.sources):
        own = cells.source == place
        placed = int(cells.quantity_e4[own & known].sum())
        unknown = int(cells.quantity_e4[own & ~known].sum())
        label = f"其中来源 {name}" if name else "其中无来源或不在本期"
        rows.append((label, "次", 4, placed + unknown, placed, unknown, 0, ""))
    return rows


def _point_totals(plan: Plan, points: Points, by_department: pd.DataFrame) -> list[_Row]:
    lost = (by_department["department"] == UNKNOWN) | (by_department["series"] == UNKNOWN)
    rows: list[_Row] = []
    for side, name in _POINT_SOURCES.items():
        if side not in points.cell_points_e6:
            continue
        column = by_department[f"{side}_e6"]
        note = ""
        if side == "execution":
            note = _attribution_note(plan, points)
        placed, unknown = int(column[~lost].sum()), int(column[lost].sum())
        rows.append((name, "点", 6, points.cell_points_e6[side], placed, unknown, 0, note))
    return rows


_POINT_SOURCES = {
    "order": "开单点数",
    "execution": "执行点数",
    "operation": "手术角色点数",
    "nursing": "护理工作量点数",
}


def _attribution_note(plan: Plan, points: Points) -> str:
    plain, counted = points.plain_points_e6, points.cell_points_e6["execution"]
    way = "拆分" if plan.model.points.attribution == "split" else "重复计算"
    if points.duplicate_points_e6:
        way += f"（另有重复计入 {number_text(points.duplicate_points_e6 / 1e6, 6)} 点）"
    ratio = f"，为其 {number_text(counted / plain, 6)} 倍" if plain else ""
    return f"{way}：每项只计一次时 {number_text(plain / 1e6, 6)} 点{ratio}"


def _control_frame(rows: Sequence[_Row]) -> pd.DataFrame:
    filled = [
        (*row[:5], row[3] - row[4] - row[6] if row[5] is None else row[5], *row[6:]) for row in rows
    ]
    names = ["control", "unit", "decimals", "total_in", "placed", "unknown", "rejected", "note"]
    frame = pd.DataFrame(filled, columns=names)
    frame["difference"] = frame["total_in"] - frame["placed"] - frame["unknown"] - frame["rejected"]
    return frame[[*names[:-1], "difference", "note"]]
