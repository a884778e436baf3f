"""A month's allocation: charge lines → points → department pools → staff pay, exact to the fen."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from drg_engine.errors import AllocationError, Fault
from performance.columns import nearest
from performance.compliance import check_compliance
from performance.control import Ledger, control_totals, exception_rows
from performance.core import Core, compute
from performance.drg_facts import DrgSurplus
from performance.facts_build import Built, build_facts, counted_surplus
from performance.inputs import Inputs, period_days
from performance.month_checks import check_month, month_exceptions
from performance.pay_tables import person_pay, staff_parts, staff_pay
from performance.plan import Plan
from performance.points import UNKNOWN, Points
from performance.series import department_pools, head_funds, series_totals
from performance.tables import KINDS, SERIES
from performance.words import decimal_text
from performance.work import Work, work_points

__all__ = ["Allocation", "allocate"]


@dataclass(frozen=True)
class Allocation:
    """A month's result.  Amounts are int64 fen, points int64 millionths, quantities int64 e-4.

    item_points: department, series, source, item_code, item_version, item_name, item_class,
    quantity_e4, item_points_e4, coefficient_e4, share_e4, points_e6 (words by ``item_words``).
    department_points: department, series, order_e6, execution_e6, points_e6 and the other sources.
    personal_points: department, series, staff_id ("" nobody), points_e6, where the plan keeps them.
    department_pools: one row a department and series: every factor, every part in fen
    (points + formula + drg − cost + quality + quality_pool + floor + bounds + single = pool; pool =
    staff + head_fund + department_single) and the calculation in words.
    staff_pay: one row a post (person, department, series).  staff_parts: one row a post and part of
    its pay.  person_pay: one row a person.  single_items: one row an item, how it was paid.
    head_funds: one row a department and series, opening + kept − used = closing.
    series_totals: one row a series, how its money closes.
    control_totals: what went in and what came out.  exceptions: what could not be placed.
    findings: compliance (allocation.md §7), see :func:`performance.compliance.check_compliance`.
    """

    points: Points = field(repr=False)
    department_points: pd.DataFrame
    personal_points: pd.DataFrame
    department_pools: pd.DataFrame
    staff_pay: pd.DataFrame
    staff_parts: pd.DataFrame
    person_pay: pd.DataFrame
    single_items: pd.DataFrame
    head_funds: pd.DataFrame
    series_totals: pd.DataFrame
    control_totals: pd.DataFrame
    exceptions: pd.DataFrame
    findings: pd.DataFrame
    plan_hash: str
    period: str | None

    @property
    def item_points(self) -> pd.DataFrame:
        """Every product behind the points; made when it is first asked for."""
        return self.points.table

    @property
    def paid_fen(self) -> int:
        """What the staff are paid in all, in fen."""
        return int(self.staff_pay["total_fen"].sum())


def allocate(plan: Plan, inputs: Inputs, drg_surplus: DrgSurplus | None = None) -> Allocation:
    """Run one month (allocation.md §§2-7).

    Raises AllocationError where the money cannot be shared as the plan says, InputError where
    inputs contradict the plan.  The result does not depend on the order of any input's rows.
    """
    _check_period(plan, inputs.period)
    check_month(plan, inputs)
    work = work_points(plan, inputs)
    _refuse_unpooled(plan, work.by_department)
    surplus = counted_surplus(plan, drg_surplus)
    personal = work.personal if len(work.personal) else None
    built = build_facts(plan, inputs, work.cells, work.items, work.by_department, personal, surplus)
    core = compute(plan, built.facts)
    names = [str(name) for name in inputs.departments["department_name"]]
    pools = department_pools(plan, built.facts, core, names)
    pay = staff_pay(plan, built.facts, core, built.posts)
    totals = series_totals(plan, built.facts, core)
    ledger = _told(plan, inputs, built, core, surplus, pools, pay)
    control = control_totals(
        plan, work.cells, work.points, work.by_department, inputs, totals, ledger
    )
    exceptions = exception_rows(
        [
            work.cells.exceptions,
            work.points.exceptions,
            ledger.frame(),
            _left_out(surplus),
            _unused(plan, built),
            month_exceptions(plan, inputs),
        ]
    )
    return Allocation(
        points=work.points,
        department_points=work.by_department,
        personal_points=work.personal,
        department_pools=pools,
        staff_pay=pay,
        staff_parts=staff_parts(plan, built.facts, core, built.posts),
        person_pay=person_pay(pay),
        single_items=built.singles,
        head_funds=head_funds(plan, built.facts, core, names),
        series_totals=totals,
        control_totals=control,
        exceptions=exceptions,
        findings=_findings(plan, inputs, work, totals),
        plan_hash=plan.hash,
        period=inputs.period,
    )


def _findings(plan: Plan, inputs: Inputs, work: Work, totals: pd.DataFrame) -> pd.DataFrame:
    matters = [str(matter) for matter in inputs.single_items["matter"]]
    approved = approved_and_paid(plan, totals)
    return check_compliance(plan, work.items, work.cells, approved, matters)


def approved_and_paid(plan: Plan, totals: pd.DataFrame) -> tuple[int, int]:
    """The approved total and what is paid out or kept for staff, in fen."""
    pools = dict(zip(totals["series"], totals["pool_fen"].astype(int), strict=True))
    return plan.approved_fen(pools), int(totals["approved_fen"].sum())


def _check_period(plan: Plan, period: str | None) -> None:
    if period is None:
        return
    day = dt.date(1970, 1, 1) + dt.timedelta(days=period_days(period)[0])
    if not plan.holds_on(day):
        head = plan.model.plan
        until = "长期" if head.effective_to is None else str(head.effective_to)
        fault = Fault(plan.file, "方案不在有效期内", found=period, mend="请换用当月有效的方案")
        raise AllocationError(
            f"方案有效期为 {head.effective_from} 至 {until}，不含 {period}", [fault]
        )


def _refuse_unpooled(plan: Plan, by_department: pd.DataFrame) -> None:
    """Points of a series that the plan gives no pool would be lost."""
    summed = by_department.groupby("series", sort=True)["points_e6"].sum()
    faults = [
        Fault(
            plan.file,
            "有点数而方案没有这个系列",
            column="series",
            found=f"{SERIES.get(str(name), str(name))} {decimal_text(int(total), 6)} 点",
            mend=f"请加 [series.{name}]，或改正角色份额",
        )
        for name, total in summed.items()
        if total and name not in plan.series and name != UNKNOWN
    ]
    if faults:
        raise AllocationError("点数没有对应的奖金池", faults)


def _told(
    plan: Plan,
    inputs: Inputs,
    built: Built,
    core: Core,
    surplus: DrgSurplus | None,
    pools: pd.DataFrame,
    pay: pd.DataFrame,
) -> Ledger:
    """Exceptions beside those of the charge lines."""
    ledger = Ledger()
    posts = built.facts.posts
    absent = sorted({posts.ids[posts.person[i]] for i in core.weights.absent})
    ledger.absent(plan, absent)
    unscored = [built.facts.departments[i] for i in core.quality.missing]
    ledger.departments(plan, inputs, surplus, unscored, built.lost_costs)
    paid = built.singles["status"] == "paid"
    ledger.single_items(inputs.single_items, paid, pd.Series(np.zeros(len(paid), dtype=bool)))
    ledger.negative_points(plan, pools)
    ledger.staff(plan, inputs.departments, pay)
    return ledger


def _unused(plan: Plan, built: Built) -> pd.DataFrame:
    """What the plan names and the month does not have: indicators, units with prices, kinds."""
    facts = built.facts
    units = {*facts.departments, *facts.kinds}
    named = [
        (kind, file, name, known)
        for kind, file, names, known in (
            (
                "方案的指标本月没有数据",
                "indicators",
                [ladder.indicator for ladder in plan.model.quality.ladders],
                set(facts.indicators),
            ),
            (
                "方案的单价没有对应科室",
                "departments",
                [key for name in plan.series for key in plan.prices(plan.series_model(name))],
                units,
            ),
            ("方案的科室类型没有对应科室", "departments", _kinds(plan), set(facts.kinds)),
        )
        for name in dict.fromkeys(names)
        if name not in known
    ]
    told = []
    for kind, file, name, known in named:
        near = nearest(name, sorted(known))
        told.append(
            {
                "kind": kind,
                "file": file,
                "found": name,
                "rows": 0,
                "quantity_e4": 0,
                "amount_fen": 0,
                "first_row": 0,
                "message": "没有用到，请核对名称" + (f"；最接近“{near}”" if near else ""),
            }
        )
    return pd.DataFrame(told)


def _kinds(plan: Plan) -> list[str]:
    """Own kinds of department that the plan names; one mistyped would silently be of the rest."""
    model = plan.model
    named = [*model.department_amounts, *model.drg.shares, *model.drg.cmi_target]
    for series in model.series.values():
        named += [] if series.mean is None else sorted(plan.kinds(series.mean.of_kinds))
    return [name for name in named if name not in ("*", *KINDS.values())]


def _left_out(surplus: DrgSurplus | None) -> pd.DataFrame:
    """Cases that the plan does not count in the DRG part, as exceptions."""
    rows = [] if surplus is None else surplus.left_out.to_dict("records")
    told = [
        {
            "kind": "病例不计入 DRG 部分",
            "file": "cases",
            "found": str(row["mark"]),
            "rows": int(row["cases"]),
            "quantity_e4": 0,
            "amount_fen": int(row["surplus_fen"]),
            "first_row": 0,
            "message": "方案规定不计入（drg.cases）",
        }
        for row in rows
    ]
    return pd.DataFrame(told)
