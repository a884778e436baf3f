"""A month's facts out of its tables (see :mod:`performance.facts`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from drg_engine.errors import AllocationError, Fault
from performance.cells import Cells
from performance.drg_facts import DrgSurplus
from performance.facts import DrgFacts, Facts
from performance.income import pool_of_income
from performance.inputs import Inputs
from performance.money_sources import placed_singles
from performance.plan import Plan
from performance.plan_keys import fen
from performance.posts import posts_of
from performance.table_list import NO_NUMBER, SERIES

__all__ = ["Built", "build_facts", "counted_surplus"]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

_BASES = {"insurance": "医保盈亏", "cost": "成本盈亏"}


@dataclass(frozen=True)
class Built:
    """Facts, and what the tables behind them say: posts, single items, what could not be used.

    posts: the rows of :attr:`Facts.posts` with names and titles.  singles: every row of the
    single-items table with funding, taxable and status.  lost_costs: rows of unknown departments.
    """

    facts: Facts
    posts: pd.DataFrame
    singles: pd.DataFrame
    lost_costs: pd.DataFrame


def counted_surplus(plan: Plan, surplus: DrgSurplus | None) -> DrgSurplus | None:
    """The surplus, where the plan uses one.

    Raises AllocationError where it is missing or of the wrong basis.
    """
    drg = plan.model.drg
    if drg.kind == "none":
        return None
    wrong = drg.kind == "surplus_share" and surplus is not None and surplus.basis != drg.surplus
    if surplus is None or wrong:
        found = "没有给出" if surplus is None else _BASES.get(surplus.basis, surplus.basis)
        wanted = _BASES[str(drg.surplus or "insurance")]
        raise AllocationError(f"方案用{wanted}，实际{found}：请给出{wanted}")
    needed = {"rw", "cases", "drg_count", "cost_index", "time_index", "low_risk_mortality"}
    if drg.kind != "surplus_share" and not needed <= set(surplus.table.columns):
        raise AllocationError("方案的 DRG 部分要用权重和病例数，请由结算结果给出")
    return surplus


def build_facts(
    plan: Plan,
    inputs: Inputs,
    cells: Cells,
    items: pd.DataFrame,
    by_department: pd.DataFrame,
    personal: pd.DataFrame | None,
    surplus: DrgSurplus | None,
) -> Built:
    """Facts of a month; tables in any order give the same facts.

    Raises AllocationError where the tables contradict the plan or each other.
    """
    departments = inputs.departments
    place = pd.Index(departments["department"])
    n = len(departments)
    costs, lost = _costs(inputs, place)
    frame, posts = posts_of(plan, inputs, personal)
    table, singles = placed_singles(plan, inputs, frame)
    coefficient = np.append(departments["coefficient_e4"].to_numpy(np.float64) / 1e4, 1.0)
    if plan.model.points.department_coefficient == "ignore":
        coefficient[:] = 1.0
    scores = inputs.quality.set_index("department")["score_e4"]
    past, has_past = _by_series(plan, inputs.history, place)
    opening, _ = _by_series(plan, inputs.head_funds, place)
    facts = Facts(
        departments=tuple(str(d) for d in departments["department"]),
        kinds=tuple(str(k) for k in departments["kind"]),
        coefficient=coefficient,
        points_e6=_points(plan, by_department, place, "points_e6"),
        order_e6=_points(plan, by_department, place, "order_e6"),
        execution_e6=_points(plan, by_department, place, "execution_e6"),
        score=departments["department"].map(scores).to_numpy(dtype=np.float64) / 1e4,
        costs=costs,
        indicators=_indicators(inputs.indicators, place),
        incomes=_incomes(plan, cells, items, n),
        drg=_drg(surplus, departments["department"]),
        pools=_pools(plan, inputs),
        past_fen=past,
        has_past=has_past,
        opening_fen=opening,
        posts=posts,
        singles=singles,
    )
    return Built(facts, frame, table, lost)


def _points(plan: Plan, frame: pd.DataFrame, place: pd.Index, column: str) -> Ints:
    """Sums by series and department, UNKNOWN last; other series than the plan's are left aside."""
    whole = np.zeros((len(plan.series), len(place) + 1), dtype=np.int64)
    row = place.get_indexer(pd.Index(frame["department"]))
    series = pd.Index(plan.series).get_indexer(pd.Index(frame["series"]))
    keep = series >= 0
    np.add.at(whole, (series[keep], row[keep]), frame[column].to_numpy(np.int64)[keep])
    return whole


def _by_series(
    plan: Plan, frame: pd.DataFrame, place: pd.Index
) -> tuple[Ints, npt.NDArray[np.bool_]]:
    """Amounts (fen) of a table by series and department, and whether there is a row."""
    whole = np.zeros((len(plan.series), len(place)), dtype=np.int64)
    there = np.zeros(whole.shape, dtype=np.bool_)
    row = place.get_indexer(pd.Index(frame["department"]))
    series = pd.Index(plan.series).get_indexer(pd.Index(frame["series"]))
    keep = (series >= 0) & (row >= 0)
    np.add.at(whole, (series[keep], row[keep]), frame["amount_fen"].to_numpy(np.int64)[keep])
    there[series[keep], row[keep]] = True
    return whole, there


def _costs(inputs: Inputs, place: pd.Index) -> tuple[dict[str, Ints], pd.DataFrame]:
    """Amounts by cost subject, and the rows of departments that nobody knows."""
    rows = place.get_indexer(pd.Index(inputs.costs["department"]))
    found: dict[str, Ints] = {}
    for subject in sorted(set(inputs.costs["cost_item"].astype(str))):
        own = (inputs.costs["cost_item"] == subject).to_numpy() & (rows >= 0)
        found[subject] = np.zeros(len(place), dtype=np.int64)
        np.add.at(found[subject], rows[own], inputs.costs["amount_fen"].to_numpy(np.int64)[own])
    return found, inputs.costs[rows < 0]


def _indicators(frame: pd.DataFrame, place: pd.Index) -> dict[str, tuple[Floats, Floats]]:
    rows = place.get_indexer(pd.Index(frame["department"]))
    found: dict[str, tuple[Floats, Floats]] = {}
    for name in sorted(set(frame["indicator"].astype(str))):
        own = (frame["indicator"] == name).to_numpy() & (rows >= 0)
        columns = []
        for column in ("actual_e4", "reference_e4"):
            given = frame[column].to_numpy(np.int64)[own]
            values = np.full(len(place), np.nan)
            values[rows[own]] = np.where(given == NO_NUMBER, np.nan, given / 1e4)
            columns.append(values)
        found[name] = (columns[0], columns[1])
    return found


def _drg(surplus: DrgSurplus | None, departments: pd.Series) -> DrgFacts:
    if surplus is None:
        return DrgFacts.nothing(len(departments))
    table = surplus.table
    amount = departments.map(table.groupby("department")["surplus_fen"].sum())
    facts = {"surplus_fen": amount.fillna(0).to_numpy(dtype=np.int64)}
    nothing = DrgFacts.nothing(len(departments))
    once = table.drop_duplicates("department").set_index("department")
    for name in ("rw", "cases", "drg_count", "cost_index", "time_index", "low_risk_mortality"):
        if name not in table.columns:
            facts[name] = getattr(nothing, name)
            continue
        values = departments.map(once[name]).to_numpy(dtype=np.float64)
        empty = name in ("rw", "cases", "drg_count")
        facts[name] = np.nan_to_num(values) if empty else values
    return DrgFacts(**facts)


def _incomes(plan: Plan, cells: Cells, items: pd.DataFrame, n: int) -> Mapping[str, Floats]:
    """Charged amounts (fen) of the departments by the income fields of formulas."""
    chosen = plan.model.compliance
    known = cells.item >= 0
    classes = items["item_class"].to_numpy(dtype=object)[np.maximum(cells.item, 0)]

    def summed(side: Ints, names: list[str] | None, values: Ints) -> Floats:
        keep = (side >= 0) & known
        if names is not None:
            keep &= np.isin(classes.astype(str), names)
        whole = np.zeros(n, dtype=np.int64)
        np.add.at(whole, side[keep], values[keep])
        return whole.astype(np.float64)

    amount = cells.amount_fen
    executed = summed(cells.execution, None, amount)
    quantity = summed(cells.execution, None, cells.quantity_e4) / 1e4
    with np.errstate(all="ignore"):
        price = np.where(quantity != 0, executed / quantity, 0.0)
    return {
        "order_income": summed(cells.order, None, amount),
        "execution_income": executed,
        "drug_income": summed(cells.order, chosen.drug_classes, amount),
        "consumable_income": summed(cells.order, chosen.consumable_classes, amount),
        "test_income": summed(cells.order, chosen.test_classes, amount),
        "mean_price": price,
    }


def _pools(plan: Plan, inputs: Inputs) -> Ints:
    """Pools of the series in fen; 0 where the total floats."""
    budget = [name for name in plan.series if plan.series_model(name).value == "budget"]
    if plan.model.pool.source == "plan":
        found = {name: fen(plan.series_model(name).pool or 0.0) for name in budget}
    elif plan.model.pool.source == "income":
        found = pool_of_income(plan, inputs.income, budget)
    else:
        known = inputs.pool.set_index("series")["amount_fen"]
        missing = [name for name in budget if name not in known.index]
        if missing:
            faults = [
                Fault("pool", "本期奖金池表没有这个系列", found=SERIES[name], mend="请加一行")
                for name in missing
            ]
            raise AllocationError("缺少奖金池", faults)
        found = {name: int(known[name]) for name in budget}
    return np.array([found.get(name, 0) for name in plan.series], dtype=np.int64)
