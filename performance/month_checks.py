"""What a plan asks of a month's tables: files that are there, numbers and names that fit."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import pandas as pd

from drg_engine.errors import AllocationError, Fault, InputError
from performance.cells import Cells
from performance.columns import likely
from performance.inputs import Inputs
from performance.line_checks import EXCEPTION_COLUMNS
from performance.plan import Plan
from performance.staff import uses_attendance
from performance.table_list import TABLES
from performance.words import decimal_text

__all__ = ["check_lines", "check_month", "month_exceptions"]

_FULL_SCORE = 100 * 10_000
_NEAREST = 50
"""Unknown names that are compared with all known ones; comparing is slow."""


@dataclass(frozen=True, slots=True)
class _Use:
    """A table that the plan uses: by which key, and what is told where it may be missing."""

    name: str
    key: str
    told: str | None = None


def check_month(plan: Plan, inputs: Inputs) -> None:
    """Refuse a month whose tables are not what the plan needs.

    Raises InputError for tables that the plan uses and the folder lacks, unless the plan says what
    then holds, and for quality scores above the plan's maximum; AllocationError for people present
    for more days than due where the plan refuses them.
    """
    faults = [*_lacking_faults(plan, inputs), *_score_faults(plan, inputs)]
    if faults:
        raise InputError(f"输入不合方案的要求，有 {len(faults)} 处", faults)
    faults = [*_absent(plan, inputs), *_above_full(plan, inputs)]
    if faults:
        raise AllocationError("考勤不合方案要求", faults)


def check_lines(plan: Plan, inputs: Inputs, cells: Cells) -> None:
    """Refuse a charge file without one line of the month where points come from its lines.

    Raises InputError that says which dates there are.
    """
    model = plan.model
    by_lines = any(s.basis == "points" and s.value == "budget" for s in model.series.values())
    if inputs.files is None or not by_lines or model.roles or model.nursing:
        return
    if (cells.rows[cells.segment >= 0] > 0).any():
        return
    file = _file(inputs, "charges")
    outside = cells.exceptions[cells.exceptions["kind"] == "日期不在本期"]
    months = "、".join(
        f"{month} 有 {int(rows):,} 行"
        for month, rows in zip(outside["found"], outside["rows"], strict=True)
    )
    if not cells.rows_read:
        message, found, mend = "没有一行明细", None, "请放入本月的收费明细"
    elif cells.rows_rejected == cells.rows_read:
        message, found = "没有一行读得出来", f"{cells.rows_read:,} 行"
        mend = "请核对日期、数量、金额各列"
    else:
        message = f"没有 {inputs.period or '本月'} 日期的收费明细"
        found, mend = (
            months or "计入日期都是空的",
            "请换成本月的收费明细，或核对日期列和方案的 [dates]",
        )
    raise InputError("没有本月的收费明细", [Fault(file, message, None, "收费日期", found, mend)])


def month_exceptions(plan: Plan, inputs: Inputs) -> pd.DataFrame:
    """What is paid all the same and must be told: missing tables, unknown names, scores over 100.

    Returns EXCEPTION_COLUMNS.
    """
    rows = [
        *_lacking_rows(plan, inputs),
        *_unknown_staff(plan, inputs),
        *_unknown_departments(plan, inputs),
        *_high_scores(plan, inputs),
    ]
    return pd.DataFrame(rows, columns=list(EXCEPTION_COLUMNS))


def _used(plan: Plan) -> Iterator[_Use]:
    """Tables that change this plan's result."""
    model = plan.model
    fields = {
        name for _, scope, text in plan.formulas() for name in plan.formula_fields(text, scope)
    }
    if uses_attendance(plan):
        full = model.staff.missing_attendance == "full"
        yield _Use("attendance", "staff.attendance", "全体按全勤计" if full else None)
    yield from _quality_uses(plan, fields)
    if (model.costs is not None and any(model.costs.borne.values())) or (
        {"cost", "cost_of"} & fields
    ):
        yield _Use("costs", "costs.borne")
    if model.single_items.types or "single_of" in fields:
        yield _Use("single_items", "single_items.types")
    if model.bounds is not None:
        yield _Use("history", "bounds")
    if model.pool.source == "inputs":
        yield _Use("pool", "pool.source")
    if model.pool.source == "income":
        yield _Use("income", "pool.source")
    if model.roles is not None:
        yield _Use("operations", "roles")
    if model.nursing is not None:
        yield _Use("nursing", "nursing")
        if model.nursing.shifts:
            yield _Use("shifts", "nursing.shifts")
    if _uses_scores(plan, fields):
        full = model.staff.missing_score == "full"
        told = "个人得分按 100 分、考核和满意度系数按 1 计" if full else None
        yield _Use("staff_scores", "staff.coefficients", told)


def _quality_uses(plan: Plan, fields: set[str]) -> Iterator[_Use]:
    quality, drg = plan.model.quality, plan.model.drg
    by_score = quality.kind in ("multiply", "threshold", "pool") or "score" in fields
    by_score &= sum(kpi.weight for kpi in drg.kpis) < 100
    if by_score or drg.quality_gate is not None:
        full = quality.missing == "full"
        key = "quality.kind" if by_score else "drg.quality_gate"
        yield _Use("quality", key, "各科室按满分计" if full else None)
    if quality.kind == "ladder" or {"indicator_of", "actual_of", "reference_of"} & fields:
        yield _Use("indicators", "quality")


def _uses_scores(plan: Plan, fields: set[str]) -> bool:
    staff = plan.model.staff
    names = {*staff.coefficients, *(n for pool in staff.sub_pools for n in pool.coefficients or ())}
    asked = {"score", "evaluation", "satisfaction"}
    asked_fields = {"personal_score", "evaluation", "satisfaction"}
    if plan.model.points.personal != "keep":
        asked.add("points")
        asked_fields.add("personal_points")
    means = [plan.series_model(name).mean for name in plan.series]
    by_mean = any(m is not None and "apply" in (m.evaluation, m.satisfaction) for m in means)
    return by_mean or bool(asked & names) or bool(asked_fields & fields)


def _lacking(plan: Plan, inputs: Inputs) -> Iterator[tuple[_Use, str, bool]]:
    """Tables that the plan uses and the folder lacks, how to mend that, and if one is misnamed."""
    if inputs.files is None:
        return
    used = {use.name: use for use in _used(plan)}
    used.setdefault("single_items", _Use("single_items", "single_items", "按没有单项奖惩计"))
    for name, use in used.items():
        if name in inputs.files:
            continue
        strays = [stray for stray in inputs.strays if stray.meant == name]
        mend = f"请放入本月的 {name}.csv"
        if name not in ("pool", "income"):
            mend += "；本月确实没有的，放一个只有表头的"
        if strays:
            mend = "；".join(f"有 {one.folder}/{one.file}，{one.mend}" for one in strays)
        yield use, mend, any(stray.sure for stray in strays)


def _lacking_faults(plan: Plan, inputs: Inputs) -> list[Fault]:
    return [
        Fault(
            f"{use.name}.csv", f"缺少{TABLES[use.name].title}，方案用到它（{use.key}）", mend=mend
        )
        for use, mend, misnamed in _lacking(plan, inputs)
        if use.told is None or misnamed
    ]


def _lacking_rows(plan: Plan, inputs: Inputs) -> list[tuple[object, ...]]:
    return [
        _row("缺少表", f"{use.name}.csv", TABLES[use.name].title, 0,
             f"{use.told}；若应有，请放入后重跑", count=0)
        for use, _, _ in _lacking(plan, inputs)
    ]  # fmt: skip


def _file(inputs: Inputs, name: str) -> str:
    return name if inputs.files is None else inputs.files.get(name, name)


def _score_faults(plan: Plan, inputs: Inputs) -> list[Fault]:
    most = plan.model.quality.max_score
    table = inputs.quality
    high = table[table["score_e4"] > round(most * 10_000)]
    mend = f"方案最高 {most:g} 分（quality.max_score）；请改正得分"
    return [
        Fault(_file(inputs, "quality"), "质量得分超过方案的最高分", int(row), "质量得分",
              f"{name} {decimal_text(int(score), 4)}", mend)
        for row, name, score in zip(_rows(high), high["department"], high["score_e4"], strict=True)
    ]  # fmt: skip


def _high_scores(plan: Plan, inputs: Inputs) -> list[tuple[object, ...]]:
    """Scores over 100 where they raise pay."""
    kind = plan.model.quality.kind
    if kind not in ("multiply", "pool", "formula"):
        return []
    table = inputs.quality
    high = table[table["score_e4"] > _FULL_SCORE]
    file, most = _file(inputs, "quality"), f"{plan.model.quality.max_score:g}"
    told = []
    for row, name, score in zip(_rows(high), high["department"], high["score_e4"], strict=True):
        points = decimal_text(int(score), 4)
        message = f"高于 100 分，增加绩效；得分 {points}，方案最高 {most}，请核对"
        told.append(_row("质量得分高于 100", file, str(name), row, message))
    return told


def _above_full(plan: Plan, inputs: Inputs) -> Iterator[Fault]:
    if plan.model.staff.above_full != "refuse" or not uses_attendance(plan):
        return
    table = inputs.attendance
    above = table[table["days_present_e4"] > table["days_due_e4"]]
    above = above[above["staff_id"].isin(set(inputs.staff["staff_id"]))]
    mend = "请改正天数；加班照算或按全勤计的，改方案的 staff.above_full（allow 或 cap）"
    for row, one in zip(_rows(above), above.to_dict("records"), strict=True):
        due, present = (decimal_text(int(one[f"days_{what}_e4"]), 4) for what in ("due", "present"))
        found = f"工号 {one['staff_id']}：实际 {present}，应出勤 {due}"
        file = _file(inputs, "attendance")
        yield Fault(file, "实际出勤多于应出勤", int(row), "实际出勤天数", found, mend)


def _absent(plan: Plan, inputs: Inputs) -> Iterator[Fault]:
    """Staff without attendance where the plan refuses them, then the numbers that nobody has."""
    if plan.model.staff.missing_attendance != "refuse" or not uses_attendance(plan):
        return
    file, present = _file(inputs, "attendance"), set(inputs.attendance["staff_id"])
    absent = sorted({str(name) for name in inputs.staff["staff_id"]} - present)
    for name in absent:
        mend = "请补考勤，或改 staff.missing_attendance"
        yield Fault(file, "没有考勤", None, "工号", name, mend)
    if absent:
        for row, name, near in _with_nearest(*_strangers(inputs, inputs.attendance)):
            mend = "请改正工号，或在人员表加上" + near
            yield Fault(file, "工号不在人员表", row, "工号", name, mend)


def _strangers(inputs: Inputs, table: pd.DataFrame) -> tuple[pd.DataFrame, str, list[str]]:
    """Rows of a table whose staff numbers nobody has, the column, and the known numbers."""
    known = sorted({str(name) for name in inputs.staff["staff_id"]})
    return table[~table["staff_id"].isin(set(known))], "staff_id", known


def _unknown_staff(plan: Plan, inputs: Inputs) -> list[tuple[object, ...]]:
    """Staff numbers of the month's tables that are not in the staff table."""
    tables = []
    if uses_attendance(plan):
        tables.append(("attendance", inputs.attendance))
    tables.append(("staff_scores", inputs.staff_scores))
    told = []
    for name, table in tables:
        for row, found, near in _with_nearest(*_strangers(inputs, table)):
            message = f"工号不在人员表；这一行没有用到{near}"
            told.append(_row(f"{TABLES[name].title}的工号未知", _file(inputs, name), found, row,
                             message))  # fmt: skip
    return told


def _unknown_departments(plan: Plan, inputs: Inputs) -> list[tuple[object, ...]]:
    """Departments of tables that are otherwise left aside without a word."""
    known = sorted({str(name) for name in inputs.departments["department"]})
    tables = [("indicators", inputs.indicators), ("head_funds", inputs.head_funds)]
    if plan.model.bounds is not None:
        tables.append(("history", inputs.history))
    told = []
    for name, table in tables:
        lost = table[~table["department"].isin(set(known))]
        for row, found, near in _with_nearest(lost, "department", known):
            message = f"科室不在科室表；这一行没有用到{near}"
            told.append(_row(f"{TABLES[name].title}的科室未知", _file(inputs, name), found, row,
                             message))  # fmt: skip
    return told


def _with_nearest(
    table: pd.DataFrame, column: str, known: list[str]
) -> Iterator[tuple[int, str, str]]:
    """Row, name and the nearest known name in words, of each row of a table."""
    for place, (row, name) in enumerate(zip(_rows(table), table[column], strict=True)):
        near = likely(str(name), known) if place < _NEAREST else None
        yield row, str(name), f"；最接近“{near}”" if near else ""


def _rows(table: pd.DataFrame) -> Iterable[int]:
    """Rows in the file; 0 for tables put together by a caller."""
    return [int(row) for row in table["row"]] if "row" in table.columns else [0] * len(table)


def _row(
    kind: str, file: str, found: str, row: int, message: str, count: int = 1
) -> tuple[object, ...]:
    return (kind, file, found, count, 0, 0, row, message)
