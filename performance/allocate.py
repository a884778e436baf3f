"""A month's allocation: charge lines → points → department pools → staff pay, exact to the fen."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from drg_engine.errors import AllocationError, Fault
from performance.cells import aggregate
from performance.compliance import check_compliance
from performance.control import Ledger, control_totals, exception_rows
from performance.drg_part import (
    DrgSurplus,
    borne_costs,
    drg_parts,
    over_series,
    quality_factors,
)
from performance.inputs import Inputs, period_days
from performance.plan import Plan
from performance.points import UNKNOWN, department_points, points_of
from performance.series import DepartmentParts, close_totals, series_pools, spread
from performance.staff import pay_staff, staff_weights
from performance.tables import SERIES
from performance.words import decimal_text

__all__ = ["Allocation", "allocate"]

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Allocation:
    """A month's result.  Amounts are int64 fen, points int64 millionths, quantities int64 e-4.

    item_points: department, series, source, item_code, item_version, item_name, item_class,
    quantity_e4, item_points_e4, coefficient_e4, share_e4, points_e6 (words by ``item_words``).
    department_points: department, series, order_e6, execution_e6, points_e6.
    department_pools: one row a department and series: every factor, every part in fen
    (points + drg − cost + quality + floor + bounds + single = pool) and the calculation in words.
    staff_pay: one row a person.  series_totals: one row a series, how its money closes.
    control_totals: what went in and what came out.  exceptions: what could not be placed.
    findings: compliance (allocation.md §7).
    """

    item_points: pd.DataFrame
    department_points: pd.DataFrame
    department_pools: pd.DataFrame
    staff_pay: pd.DataFrame
    series_totals: pd.DataFrame
    control_totals: pd.DataFrame
    exceptions: pd.DataFrame
    findings: pd.DataFrame
    plan_hash: str
    period: str | None

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
    departments = inputs.departments
    inside = inputs.period is not None and plan.model.points.out_of_period == "unknown"
    period = period_days(inputs.period) if inside and inputs.period is not None else None
    cells = aggregate(inputs.lines, inputs.items, departments, inputs.staff, period)
    points = points_of(
        cells,
        inputs.items,
        departments,
        inputs.role_shares,
        attribution=plan.model.points.attribution,
        order_series=plan.model.points.order_series,
    )
    by_department = department_points(points)
    _refuse_unpooled(plan, by_department)
    staff, absent = staff_weights(plan, inputs.staff, inputs.attendance)
    ledger = Ledger()
    ledger.absent(plan, absent)
    parts, personal = _parts(plan, inputs, drg_surplus, staff, ledger)
    pools, totals = series_pools(plan, inputs, by_department, staff, parts, personal, ledger)
    known = pools[pools["department"] != UNKNOWN]
    pay = pay_staff(plan, staff, known, personal)
    ledger.staff(plan, departments, pay)
    totals = close_totals(totals, pools, pay)
    control = control_totals(plan, cells, points, by_department, inputs, totals, ledger)
    findings = check_compliance(plan, inputs.items, cells, approved_and_paid(plan, totals))
    exceptions = exception_rows([cells.exceptions, points.exceptions, ledger.frame()])
    return Allocation(
        item_points=points.table,
        department_points=by_department,
        department_pools=pools,
        staff_pay=pay,
        series_totals=totals,
        control_totals=control,
        exceptions=exceptions,
        findings=findings,
        plan_hash=plan.hash,
        period=inputs.period,
    )


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


def _parts(
    plan: Plan,
    inputs: Inputs,
    surplus: DrgSurplus | None,
    staff: pd.DataFrame,
    ledger: Ledger,
) -> tuple[DepartmentParts, pd.Series]:
    """DRG parts, costs and single items of departments by series, and personal single items."""
    departments = inputs.departments
    quality, score, unscored = quality_factors(plan, departments, inputs.quality)
    amount, drg, drg_words = drg_parts(plan, departments, surplus, score)
    cost, cost_words, lost = borne_costs(plan, departments, inputs.costs)
    ledger.departments(plan, inputs, surplus, unscored, lost)
    present = spread(plan, departments, staff, "weight", np.float64, unknown=False)[:, :-1].T > 0
    personal, single = _single_items(plan, inputs, present, ledger)
    parts = DepartmentParts(
        score=score,
        quality=quality,
        surplus=amount,
        drg=over_series(plan, departments, present, drg, "DRG 部分"),
        cost=over_series(plan, departments, present, cost, "承担成本"),
        single=single,
        drg_words=drg_words,
        cost_words=cost_words,
    )
    return parts, personal


def _single_items(
    plan: Plan, inputs: Inputs, present: npt.NDArray[np.bool_], ledger: Ledger
) -> tuple[pd.Series, Ints]:
    """Personal single items by staff id, and those of departments by series (n, s); all fen."""
    rows, staff = inputs.single_items, inputs.staff
    person = rows["staff_id"] != ""
    payable = staff["series"].isin(plan.series)
    known = rows["staff_id"].isin(staff.loc[payable, "staff_id"])
    personal = rows[person & known].groupby("staff_id")["amount_fen"].sum()
    place = pd.Index(inputs.departments["department"]).get_indexer(pd.Index(rows["department"]))
    named = (rows["series"] == "") | rows["series"].isin(plan.series)
    whole = ~person & (place >= 0) & named
    ledger.single_items(rows, person & known, whole)
    shared, direct = _department_singles(plan, inputs, rows, whole, place)
    single = over_series(plan, inputs.departments, present, shared, "科室单项") + direct
    return personal, single


def _department_singles(
    plan: Plan, inputs: Inputs, rows: pd.DataFrame, whole: pd.Series, place: npt.NDArray[np.intp]
) -> tuple[Ints, Ints]:
    shared = np.zeros(len(inputs.departments), dtype=np.int64)
    direct = np.zeros((len(inputs.departments), len(plan.series)), dtype=np.int64)
    chosen = rows[whole]
    for i, series, amount in zip(
        place[whole.to_numpy()], chosen["series"], chosen["amount_fen"], strict=True
    ):
        if series == "":
            shared[i] += amount
        else:
            direct[i, plan.series.index(series)] += amount
    return shared, direct
