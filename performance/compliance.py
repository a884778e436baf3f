"""What pay must not depend on: findings before approval (allocation.md §7)."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from drg_engine.money import format_fen
from performance.cells import Cells
from performance.plan import Plan

__all__ = ["check_compliance"]

_RULES = "《医疗机构工作人员廉洁从业九项准则》（国卫医发〔2021〕37号）"
_GUIDE = "《关于深化公立医院薪酬制度改革的指导意见》（人社部发〔2021〕52号）"
_COLUMNS = ("rule", "severity", "subject", "message", "source", "rows", "amount_fen")
_POINTS = ("points_e4", "points_doctor_e4", "points_technician_e4", "points_nurse_e4")
_LEAST_ITEMS = 20
_LEAST_CV = 0.02


@dataclass(frozen=True, slots=True)
class _Finding:
    rule: int
    severity: str
    subject: str
    message: str
    source: str
    rows: int = 0
    amount_fen: int = 0


def check_compliance(
    plan: Plan, items: pd.DataFrame, cells: Cells, approved_and_paid: tuple[int, int]
) -> pd.DataFrame:
    """Check plan and data against §7.

    Returns one row a finding: rule (number in §7), severity (error blocks approval, warning needs a
    reason), subject, message, source, rows and amount_fen of the charge lines concerned.
    """
    facts = _item_facts(items, cells)
    findings = [
        *_goods(plan, facts),
        *_tests(plan, facts),
        *_hidden_commission(facts),
        *_surplus_gate(plan),
        *_total(approved_and_paid),
    ]
    rows = [tuple(getattr(finding, name) for name in _COLUMNS) for finding in findings]
    return pd.DataFrame(rows, columns=list(_COLUMNS)).sort_values(
        ["rule", "subject"], kind="stable", ignore_index=True
    )


def _item_facts(items: pd.DataFrame, cells: Cells) -> pd.DataFrame:
    """Items with the rows, quantity and amount of their charge lines."""
    known = cells.item >= 0
    sums = pd.DataFrame(
        {
            "item": cells.item[known],
            "rows": cells.rows[known],
            "quantity_e4": cells.quantity_e4[known],
            "amount_fen": cells.amount_fen[known],
        }
    )
    summed = sums.groupby("item").sum().reindex(range(len(items)), fill_value=0)
    return pd.concat([items.reset_index(drop=True), summed], axis=1)


def _goods(plan: Plan, facts: pd.DataFrame) -> Iterator[_Finding]:
    """Rule 1: drugs and consumables carry points."""
    classes = [*plan.model.compliance.drug_classes, *plan.model.compliance.consumable_classes]
    scored = facts[list(_POINTS)].gt(0).any(axis=1)
    for row in _rows(facts[scored & facts["item_class"].isin(classes)]):
        yield _of_item(1, "error", row, f"{row['item_class']}不得带点数", _RULES)


def _tests(plan: Plan, facts: pd.DataFrame) -> Iterator[_Finding]:
    """Rule 2: ordering points on tests and examinations.

    Error where they are a constant share of the price, whatever the reason given; else a warning
    for each item without a reason.
    """
    chosen = facts["item_class"].isin(plan.model.compliance.test_classes)
    order = f"points_{plan.model.points.order_series}_e4"
    points = np.where(facts[order] >= 0, facts[order], facts["points_e4"])
    ordering = facts.assign(worth=points * facts["order_coefficient_e4"])
    ordering = ordering[chosen & (ordering["worth"] > 0)]
    for name, group, spread in _proportional(ordering, "worth"):
        message = f"{len(group)} 个项目的开单点数与单价成比例（变异系数 {spread:.2%}）"
        rows, amount = int(group["rows"].sum()), int(group["amount_fen"].sum())
        yield _Finding(2, "error", name, message, _GUIDE, rows, amount)
    for row in _rows(ordering[ordering["reason"].eq("")]):
        message = f"{row['item_class']}项目有开单点数而没有写明赋分理由"
        yield _of_item(2, "warning", row, message, _GUIDE)


def _proportional(facts: pd.DataFrame, column: str) -> Iterator[tuple[str, pd.DataFrame, float]]:
    """Classes of 20 items or more whose points are a constant share of the price (CV < 2 %).

    Prices are those of the month's charge lines; items without charges do not count.
    """
    priced = facts[(facts[column] > 0) & (facts["quantity_e4"] > 0) & (facts["amount_fen"] > 0)]
    ratio = priced[column] * priced["quantity_e4"] / priced["amount_fen"]
    for name, group in priced.assign(ratio=ratio).groupby("item_class", sort=True):
        if len(group) < _LEAST_ITEMS:
            continue
        spread = float(group["ratio"].std(ddof=0) / group["ratio"].mean())
        if spread < _LEAST_CV:
            yield str(name), group, spread


def _rows(frame: pd.DataFrame) -> Iterable[dict[Hashable, Any]]:
    return frame.to_dict("records")


def _of_item(
    rule: int, severity: str, row: dict[Hashable, Any], message: str, source: str
) -> _Finding:
    subject = f"{row['item_code']} {row['item_name']}".strip()
    rows, amount = int(row["rows"]), int(row["amount_fen"])
    return _Finding(rule, severity, subject, message, source, rows, amount)


def _hidden_commission(facts: pd.DataFrame) -> Iterator[_Finding]:
    """Rule 4: points that are a constant share of the price within a class."""
    for name, group, spread in _proportional(facts, "points_e4"):
        message = f"{len(group)} 个项目的点数与单价成比例（变异系数 {spread:.2%}），疑为变相提成"
        rows, amount = int(group["rows"].sum()), int(group["amount_fen"].sum())
        yield _Finding(4, "warning", name, message, _RULES, rows, amount)


def _surplus_gate(plan: Plan) -> Iterator[_Finding]:
    """Rule 6: a share of the DRG surplus without a quality gate and a cap."""
    drg = plan.model.drg
    if drg.kind == "none":
        return
    if drg.quality_gate is None:
        message = "DRG 盈亏份额没有质量门槛（drg.quality_gate）"
        yield _Finding(6, "warning", "DRG 部分", message, "allocation.md §7")
    for name, kind in drg.shares.items():
        if kind.gain_cap is None and (kind.k or kind.gain):
            message = "DRG 盈余奖励没有封顶（gain_cap）"
            yield _Finding(6, "warning", f"DRG 部分 {name}", message, "allocation.md §7")


def _total(approved_and_paid: tuple[int, int]) -> Iterator[_Finding]:
    """Rule 7: pay above the approved total."""
    approved, paid = approved_and_paid
    if paid > approved:
        message = f"合计 {format_fen(paid)} 元，超过批准总额 {format_fen(approved)} 元"
        yield _Finding(7, "error", "发放总额", message, "allocation.md §7", 0, paid - approved)
