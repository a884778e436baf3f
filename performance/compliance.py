"""What pay must not depend on: findings before approval (allocation.md §7).

The rules, their sources and thresholds are data (data/compliance.toml).
"""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any

import numpy as np
import pandas as pd

from drg_engine.money import format_fen
from performance.cells import Cells
from performance.formula_fields import fields_of
from performance.formula_show import field_label
from performance.formula_sign import Use, uses_of
from performance.plan import Plan

__all__ = ["FINDING_COLUMNS", "check_compliance", "check_plan_alone", "explained", "open_findings"]

FINDING_COLUMNS = (
    "rule", "title", "severity", "subject", "message", "source", "rows", "amount_fen", "places",
    "reason", "status",
)  # fmt: skip
_POINTS = ("points_e4", "points_doctor_e4", "points_technician_e4", "points_nurse_e4")


@dataclass(frozen=True, slots=True)
class _Finding:
    rule: int
    severity: str
    subject: str
    message: str
    rows: int = 0
    amount_fen: int = 0
    places: str = ""


@functools.cache
def _data() -> Mapping[str, Any]:
    source = resources.files("performance") / "data" / "compliance.toml"
    return tomllib.loads(source.read_text(encoding="utf-8"))


def check_compliance(
    plan: Plan,
    items: pd.DataFrame,
    cells: Cells,
    approved_and_paid: tuple[int, int],
    matters: Sequence[str] = (),
) -> pd.DataFrame:
    """Check plan and data against §7.

    matters: what the month's single items are for.  Returns one row a finding, sorted by rule and
    subject: rule (number in §7), title, severity (error blocks approval, warning needs a reason),
    subject, message, source, rows and amount_fen of the charge lines concerned, places (rows of
    the item table, keys of the plan), reason (from the plan) and status (blocks, open, explained).
    """
    facts = _item_facts(items, cells)
    found = [
        *_goods(plan, facts),
        *_tests(plan, facts),
        *_formulas(plan, facts),
        *_hidden_commission(facts),
        *_income_words(plan, matters),
        *_surplus_gate(plan),
        *_total(approved_and_paid),
    ]
    return _told(plan, found)


def check_plan_alone(plan: Plan) -> pd.DataFrame:
    """What §7 finds in a plan without a month's data, as :func:`check_compliance` tells it."""
    none = pd.DataFrame({"item_class": [], "rows": [], "amount_fen": []})
    found = [*_formulas(plan, none), *_income_words(plan, ()), *_surplus_gate(plan)]
    return _told(plan, found)


def _told(plan: Plan, found: list[_Finding]) -> pd.DataFrame:
    """Findings as a table, with the reasons that the plan gives."""
    rules = {int(rule["number"]): rule for rule in _data()["rules"]}
    rows = [
        (
            one.rule, str(rules[one.rule]["title"]), one.severity, one.subject, one.message,
            str(rules[one.rule]["source"]), one.rows, one.amount_fen, one.places, "",
            "blocks" if one.severity == "error" else "open",
        )
        for one in found
    ]  # fmt: skip
    frame = pd.DataFrame(rows, columns=list(FINDING_COLUMNS))
    frame = frame.sort_values(
        ["rule", "subject", "places", "message"], kind="stable", ignore_index=True
    )
    given = {(entry.rule, entry.subject): entry.reason for entry in plan.model.compliance.reasons}
    return explained(frame, given)


def explained(findings: pd.DataFrame, reasons: Mapping[tuple[int, str], str]) -> pd.DataFrame:
    """The findings with reasons for warnings, by (rule, subject) or (rule, ``*``).

    A warning with a reason has status ``explained``; no reason lifts an error.
    """
    frame = findings.copy()
    for i, row in enumerate(findings.to_dict("records")):
        rule, subject = int(row["rule"]), str(row["subject"])
        reason = reasons.get((rule, subject), reasons.get((rule, "*"), ""))
        if row["severity"] == "warning" and reason.strip():
            frame.loc[i, ["reason", "status"]] = [reason, "explained"]
    return frame


def open_findings(findings: pd.DataFrame) -> pd.DataFrame:
    """The findings that stand in the way of approval: errors, and warnings without a reason."""
    return findings[findings["status"] != "explained"].reset_index(drop=True)


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
        yield _of_item(1, "error", row, f"{row['item_class']}不得带点数")


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
        yield _of_group(2, "error", name, message, group)
    for row in _rows(ordering[ordering["reason"].eq("")]):
        message = f"{row['item_class']}项目有开单点数而没有写明赋分理由"
        yield _of_item(2, "warning", row, message)


def _proportional(facts: pd.DataFrame, column: str) -> Iterator[tuple[str, pd.DataFrame, float]]:
    """Classes of 20 items or more whose points are a constant share of the price (CV < 2 %).

    Prices are those of the month's charge lines; items without charges do not count.
    """
    least = _data()["thresholds"]
    priced = facts[(facts[column] > 0) & (facts["quantity_e4"] > 0) & (facts["amount_fen"] > 0)]
    ratio = priced[column] * priced["quantity_e4"] / priced["amount_fen"]
    for name, group in priced.assign(ratio=ratio).groupby("item_class", sort=True):
        if len(group) < int(least["least_items"]):
            continue
        spread = float(group["ratio"].std(ddof=0) / group["ratio"].mean())
        if spread < float(least["least_cv"]):
            yield str(name), group, spread


_INCOME_CLASSES = {
    "drug_income": ("drug_classes", 1),
    "consumable_income": ("consumable_classes", 1),
    "test_income": ("test_classes", 2),
}


def _formulas(plan: Plan, facts: pd.DataFrame) -> Iterator[_Finding]:
    """Rules 1, 2, 3 and 5 inside formulas: income and prices that raise pay or decide about it."""
    known = fields_of()
    for key, scope, text in plan.formulas():
        tree, _ = plan.formula(text, scope)
        told: set[tuple[int, str]] = set()
        for use in uses_of(tree):
            kind = known[use.field.name].kind
            if kind not in ("income", "price") or (use.sign < 0 and not use.decides):
                continue
            label = field_label(use.field)
            for rule, message in _of_use(use, kind, label):
                if (rule, label) not in told:
                    told.add((rule, label))
                    rows, amount = _charged(plan, facts, use.field.name)
                    yield _Finding(rule, "error", label, message, rows, amount, key)


def _of_use(use: Use, kind: str, label: str) -> Iterator[tuple[int, str]]:
    what = "单价" if kind == "price" else "收入"
    if use.decides:
        yield 5, f"公式以{what}“{label}”作条件或分级，等于设定{what}指标"
    else:
        yield 3, f"{what}“{label}”进入发放公式，且不是成本扣减"
    _, rule = _INCOME_CLASSES.get(use.field.name, ("", 0))
    if rule:
        goods = "药品、卫生材料" if rule == 1 else "检查化验"
        yield rule, f"公式按{goods}的金额“{label}”发放"


def _charged(plan: Plan, facts: pd.DataFrame, name: str) -> tuple[int, int]:
    """Charge lines behind an income field: rows and fen."""
    attribute, _ = _INCOME_CLASSES.get(name, ("", 0))
    own = facts
    if attribute:
        own = facts[facts["item_class"].isin(getattr(plan.model.compliance, attribute))]
    return int(own["rows"].sum()), int(own["amount_fen"].sum())


def _rows(frame: pd.DataFrame) -> Iterable[dict[Hashable, Any]]:
    return frame.to_dict("records")


def _of_item(rule: int, severity: str, row: dict[Hashable, Any], message: str) -> _Finding:
    subject = f"{row['item_code']} {row['item_name']}".strip()
    places = f"项目点数表第 {int(row['row'])} 行"
    rows, amount = int(row["rows"]), int(row["amount_fen"])
    return _Finding(rule, severity, subject, message, rows, amount, places)


def _of_group(rule: int, severity: str, name: str, message: str, group: pd.DataFrame) -> _Finding:
    lines = sorted(int(row) for row in group["row"])
    places = "项目点数表第 " + "、".join(str(line) for line in lines[:20])
    places += f" 行等 {len(lines)} 行" if len(lines) > 20 else " 行"
    rows, amount = int(group["rows"].sum()), int(group["amount_fen"].sum())
    return _Finding(rule, severity, name, message, rows, amount, places)


def _hidden_commission(facts: pd.DataFrame) -> Iterator[_Finding]:
    """Rule 4: points that are a constant share of the price within a class."""
    for name, group, spread in _proportional(facts, "points_e4"):
        message = f"{len(group)} 个项目的点数与单价成比例（变异系数 {spread:.2%}），疑为变相提成"
        yield _of_group(4, "warning", name, message, group)


def _income_words(plan: Plan, matters: Sequence[str]) -> Iterator[_Finding]:
    """Rule 5: names that say an income target."""
    model = plan.model
    named = [("quality.ladders", ladder.indicator) for ladder in model.quality.ladders]
    named += [("single_items.types", entry.name) for entry in model.single_items.types]
    named += [("staff.fixed", entry.name) for entry in model.staff.fixed]
    named += [("staff.sub_pools", pool.name) for pool in model.staff.sub_pools]
    named += [("单项奖惩表", matter) for matter in sorted(set(matters))]
    words = [str(word) for word in _data()["words"]["income_targets"]]
    for place, name in named:
        hit = next((word for word in words if word in name), None)
        if hit is not None:
            message = f"名称中有“{hit}”，视为收入指标"
            yield _Finding(5, "error", name, message, places=place)


def _surplus_gate(plan: Plan) -> Iterator[_Finding]:
    """Rule 6: a share of the DRG surplus without a quality gate and a cap."""
    drg = plan.model.drg
    if drg.kind != "surplus_share":
        return
    if drg.quality_gate is None:
        message = "DRG 盈亏份额没有质量门槛（drg.quality_gate）"
        yield _Finding(6, "warning", "DRG 部分", message, places="drg.quality_gate")
    for name, kind in drg.shares.items():
        if kind.gain_cap is None and (kind.k or kind.gain):
            message = "DRG 盈余奖励没有封顶（gain_cap）"
            place = f"drg.shares.{name}.gain_cap"
            yield _Finding(6, "warning", f"DRG 部分 {name}", message, places=place)


def _total(approved_and_paid: tuple[int, int]) -> Iterator[_Finding]:
    """Rule 7: pay above the approved total."""
    approved, paid = approved_and_paid
    if paid > approved:
        message = f"合计 {format_fen(paid)} 元，超过批准总额 {format_fen(approved)} 元"
        yield _Finding(7, "error", "发放总额", message, 0, paid - approved, "pool.approved_total")
