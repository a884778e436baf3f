"""All the work of a month as points: charge lines, operations, nursing (allocation.md §2)."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from drg_engine.errors import AllocationError, Fault
from performance.calendar import DayFactors, day_factors
from performance.cells import Cells, Ground
from performance.dated import Segments
from performance.inputs import Inputs, period_days
from performance.line_sums import aggregate
from performance.measures import valued_items
from performance.month_checks import check_lines
from performance.personal import PersonalPoints, personal_table
from performance.plan import Plan
from performance.plan_model import PlanModel
from performance.points import Points, Rules, joined_points, points_of
from performance.roles import operation_points
from performance.sessions import Sessions
from performance.shares import Shares, check_shares
from performance.tables import complete
from performance.workload import nursing_points

__all__ = ["Work", "work_points"]


@dataclass(frozen=True)
class Work:
    """A month's points.

    items: the item table with points out of RVU filled in.  cells, points: see there.
    by_department: department, series, order_e6, execution_e6, operation_e6, nursing_e6, points_e6.
    personal: department, series, staff_id, points_e6, by unit and series summing to by_department;
    no rows unless the plan keeps them.  totals: rows of the control totals (see control.py).
    """

    items: pd.DataFrame
    cells: Cells
    points: Points
    by_department: pd.DataFrame
    personal: pd.DataFrame


def work_points(plan: Plan, inputs: Inputs) -> Work:
    """Points of a month from all the sources that the plan names.

    Raises InputError where tables contradict the plan, AllocationError where numbers leave the
    exact range.  The result does not depend on the order of any input's rows.
    """
    model = plan.model
    ground, rules = _ground(model, inputs), None
    names = ground.departments["department"].tolist()
    role_shares = complete(inputs.role_shares, "role_shares")
    check_shares(role_shares, names, split=model.points.attribution == "split")
    shares = Shares(role_shares, ground.items, names, ground.segments)
    rules = Rules(shares, ground.factors, model.points.order_series, _instead(model))
    keep = model.points.personal == "keep"
    personal = PersonalPoints(ground, rules) if keep else None
    cells = aggregate(inputs.lines, ground, personal)
    check_lines(plan, inputs, cells)
    points = points_of(cells, ground.items, ground.departments, rules)
    more, persons = [], [] if personal is None else [personal.frame()]
    if model.roles is not None:
        done = operation_points(model.roles, inputs.operations, ground, cells)
        more.append(done.points)
        persons.append(done.personal)
    if model.nursing is not None:
        wards = nursing_points(
            model.nursing, inputs.nursing, inputs.shifts, ground.items, ground.departments,
            ground.staff,
        )  # fmt: skip
        more.append(wards.points)
        persons.append(wards.personal)
    points = joined_points(points, more)
    table = personal_table(points.by_department, persons if keep else [])
    return Work(ground.items, cells, points, points.by_department, table if keep else table[:0])


def _ground(model: PlanModel, inputs: Inputs) -> Ground:
    items = valued_items(complete(inputs.items, "items"), model.points)
    units = complete(inputs.units, "units")
    role_shares = complete(inputs.role_shares, "role_shares")
    inside = inputs.period is not None and model.points.out_of_period == "unknown"
    return Ground(
        items=items,
        departments=inputs.departments,
        staff=inputs.staff,
        units=units,
        segments=Segments([items, units, role_shares]),
        factors=_factors(model, inputs),
        dates=model.dates,
        sessions=Sessions(model.sessions),
        period=period_days(inputs.period) if inside and inputs.period is not None else None,
    )


def _factors(model: PlanModel, inputs: Inputs) -> DayFactors:
    if model.calendar is not None and not len(inputs.calendar):
        mend = "请在 tables 文件夹放入 calendar.csv（日期，类型），或删去方案的 [calendar]"
        fault = Fault("calendar", "方案用日历系数，而没有日历表", mend=mend)
        raise AllocationError("缺少日历表", [fault])
    return day_factors(model.calendar, inputs.calendar)


def _instead(model: PlanModel) -> dict[str, frozenset[str]]:
    """Item classes whose executing points come from operations or nursing workload."""
    found = {}
    if model.roles is not None:
        found["*"] = frozenset(model.roles.instead_of)
    if model.nursing is not None:
        found["nurse"] = frozenset(model.nursing.instead_of)
    return found
