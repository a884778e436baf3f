"""How each series' money goes to its departments, and the proof that it closes (see pools.py)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from drg_engine.errors import AllocationError, Fault
from drg_engine.money import to_fen
from performance.control import Ledger
from performance.inputs import Inputs
from performance.plan import Plan
from performance.plan_model import fen
from performance.points import UNKNOWN
from performance.pools import SeriesInput, SeriesResult, share_series
from performance.staff import head_fund
from performance.tables import SERIES
from performance.words import pool_words

__all__ = ["DepartmentParts", "close_totals", "series_pools", "spread"]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class DepartmentParts:
    """What departments (n) bring to every series (s); drg, cost and single int64 fen (n, s)."""

    score: Floats
    quality: Floats
    surplus: Ints
    drg: Ints
    cost: Ints
    single: Ints
    drg_words: list[str]
    cost_words: list[str]


def series_pools(
    plan: Plan,
    inputs: Inputs,
    by_department: pd.DataFrame,
    staff: pd.DataFrame,
    parts: DepartmentParts,
    personal: pd.Series,
    ledger: Ledger,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Department pools of all series, and how each series closes."""
    person_series = staff.set_index("staff_id")["series"]
    personal_by_series = personal.groupby(person_series.reindex(personal.index)).sum()
    frame = _frame(plan, inputs, by_department, staff, parts)
    ledger.negative_points(plan, frame)
    columns = {name: frame[name].to_numpy() for name in _GIVEN}
    ids, of_series = (frame[name].to_numpy(dtype=object) for name in ("department", "series"))
    results, totals = [], []
    for series in plan.series:
        rows = np.flatnonzero(of_series == series)
        own = {name: values[rows] for name, values in columns.items()}
        given = SeriesInput(SERIES[series], tuple(str(d) for d in ids[rows]), **own)
        result, total = _share(plan, inputs, series, given, int(personal_by_series.get(series, 0)))
        results.append(result)
        totals.append(total)
    return _with_results(plan, frame, results), pd.DataFrame(totals)


_GIVEN = (
    "weights",
    "drg_fen",
    "cost_fen",
    "single_fen",
    "quality",
    "low_fen",
    "high_fen",
)


def _share(
    plan: Plan, inputs: Inputs, series: str, given: SeriesInput, personal: int
) -> tuple[SeriesResult, dict[str, object]]:
    """Share one series' money, and what its line of the totals says."""
    model = plan.model
    pool, reserve = _pool_and_reserve(plan, inputs, series)
    outside, stage = _stage(plan, series, given, pool - reserve, personal)
    result = share_series(
        given,
        stage_fen=stage,
        price=plan.series_model(series).price,
        floor=model.pool.floor,
        redistribute=model.quality.deduction == "redistribute",
        quality_on_points=model.quality.applies_to == "points",
        bounded=model.bounds is not None,
    )
    if stage is None:
        pool = int(result.pool_fen.sum()) + personal
    return result, {
        "series": series,
        "label": SERIES[series],
        "pool_fen": pool,
        "outside_fen": outside,
        "approved_fen": pool + outside,
        "reserve_fen": reserve,
        "personal_single_fen": personal,
        "withheld_fen": result.withheld_fen if stage is not None else 0,
        "weight": float(given.weights.sum()),
        "value": result.value,
        "bounds_factor": result.factor,
    }


def _pool_and_reserve(plan: Plan, inputs: Inputs, series: str) -> tuple[int, int]:
    """The series' pool and its reserve in fen; both 0 for a fixed price."""
    model = plan.series_model(series)
    if model.value == "fixed":
        return 0, 0
    if plan.model.pool.source == "plan":
        pool = fen(model.pool or 0.0)
    else:
        known = inputs.pool.set_index("series")["amount_fen"]
        if series not in known.index:
            fault = Fault("pool", "本期奖金池表没有这个系列", found=SERIES[series], mend="请加一行")
            raise AllocationError("缺少奖金池", [fault])
        pool = int(known[series])
    reserve = fen(model.reserve) + int(to_fen(pool / 100.0 * model.reserve_share))
    return pool, reserve


def _stage(
    plan: Plan, series: str, given: SeriesInput, free: int, personal: int
) -> tuple[int, int | None]:
    """Money from outside the pool, and the stage total (None for a fixed price), in fen.

    free: pool less reserve.
    """
    model = plan.model
    if plan.series_model(series).value == "fixed":
        return 0, None
    drg, cost = int(given.drg_fen.sum()), int(given.cost_fen.sum())
    single = int(given.single_fen.sum()) + personal
    outside, stage = 0, free
    if model.drg.funding == "outside":
        outside, stage = outside + drg, stage + drg
    if model.costs is not None and model.costs.funding == "outside":
        outside, stage = outside - cost, stage - cost
    if model.single_items.funding == "outside":
        outside += single
    else:
        stage -= single
    return outside, stage


def _frame(
    plan: Plan,
    inputs: Inputs,
    by_department: pd.DataFrame,
    staff: pd.DataFrame,
    parts: DepartmentParts,
) -> pd.DataFrame:
    """Rows of the departments that have anything in a series, series by series.

    UNKNOWN is the last row of a series where the plan withholds its share.
    """
    table, size = inputs.departments, len(plan.series)
    points = spread(plan, table, by_department, "points_e6", np.int64, unknown=True)
    weights = spread(plan, table, staff, "weight", np.float64, unknown=False)
    low, high = _history(plan, inputs)
    coefficient = np.append(table["coefficient_e4"].to_numpy(np.float64) / 1e4, 1.0)
    if plan.model.points.department_coefficient == "ignore":
        coefficient[:] = 1.0
    amounts = {
        name: np.vstack([values, np.zeros((1, size), dtype=np.int64)]).T
        for name, values in (("drg", parts.drg), ("cost", parts.cost), ("single", parts.single))
    }
    by_staff = np.array([plan.series_model(s).basis == "staff" for s in plan.series])[:, None]
    active = np.logical_or.reduce([points != 0, *(values != 0 for values in amounts.values())])
    active |= by_staff & (weights > 0)
    withhold = plan.model.points.unknown == "withhold"
    active[:, -1] &= withhold & ~by_staff[:, 0]
    series, row = np.nonzero(active)
    base = np.where(by_staff, weights, np.maximum(points, 0) / 1e6)
    return pd.DataFrame(
        {
            "department": np.append(table["department"].to_numpy(object), UNKNOWN)[row],
            "department_name": np.append(table["department_name"].to_numpy(object), _LOST)[row],
            "kind": np.append(table["kind"].to_numpy(object), "")[row],
            "series": np.array(plan.series, dtype=object)[series],
            "basis": np.where(by_staff[series, 0], "staff", "points").astype(object),
            "points_e6": points[series, row],
            "staff_weight": weights[series, row],
            "coefficient": coefficient[row],
            "weights": (base * coefficient)[series, row],
            "surplus_fen": np.append(parts.surplus, 0)[row],
            **{f"{name}_fen": values[series, row] for name, values in amounts.items()},
            "quality_score": np.append(parts.score, np.nan)[row],
            "quality": np.append(parts.quality, 1.0)[row],
            "low_fen": low[series, row],
            "high_fen": high[series, row],
            "drg_words": np.array([*parts.drg_words, ""], dtype=object)[row],
            "cost_words": np.array([*parts.cost_words, ""], dtype=object)[row],
        }
    )


_LOST = "未知科室（留存待查）"


def spread(
    plan: Plan,
    departments: pd.DataFrame,
    frame: pd.DataFrame,
    column: str,
    kind: type[np.int64] | type[np.float64],
    *,
    unknown: bool,
) -> npt.NDArray[Any]:
    """Sums of a column as (series, departments + 1); rows of unknown departments go last.

    Rows of a series that is not the plan's, and without ``unknown`` those of departments that
    nobody knows, are left aside (they are told among the exceptions).
    """
    whole = np.zeros((len(plan.series), len(departments) + 1), dtype=kind)
    row = pd.Index(departments["department"]).get_indexer(pd.Index(frame["department"]))
    series = pd.Index(plan.series).get_indexer(pd.Index(frame["series"]))
    keep = (series >= 0) & ((row >= 0) | unknown)
    np.add.at(whole, (series[keep], row[keep]), frame[column].to_numpy()[keep])
    return whole


def _history(plan: Plan, inputs: Inputs) -> tuple[Floats, Floats]:
    """Floor and cap in fen against history; a department without history has neither."""
    bounds, past = plan.model.bounds, inputs.history
    known = spread(plan, inputs.departments, past.assign(n=1), "n", np.int64, unknown=False) > 0
    amount = spread(plan, inputs.departments, past, "amount_fen", np.int64, unknown=False)
    if bounds is None:
        known = np.zeros_like(known)
    low = np.where(known, amount * (0.0 if bounds is None else bounds.floor), 0.0)
    high = np.where(known, amount * (0.0 if bounds is None else bounds.cap), np.inf)
    return low, high


def _with_results(plan: Plan, frame: pd.DataFrame, results: list[SeriesResult]) -> pd.DataFrame:
    """The rows with what each series' sharing gave, in the same order, and the words."""
    names = ("points_fen", "quality_fen", "floor_fen", "bounds_fen", "pool_fen")
    columns = {name: np.concatenate([getattr(r, name) for r in results]) for name in names}
    value = np.concatenate([np.full(len(r.pool_fen), r.value) for r in results])
    fund = [head_fund(plan.model.staff, int(p)) for p in columns["pool_fen"]]
    lost = frame["department"].to_numpy(dtype=object) == UNKNOWN
    funds = np.where(lost, 0, np.array(fund, dtype=np.int64))
    frame = frame.rename(columns={"weights": "weight", "quality": "quality_factor"})
    frame = frame.assign(
        value=value,
        **columns,
        head_fund_fen=funds,
        staff_fen=np.where(lost, 0, columns["pool_fen"] - funds),
    )
    words = [pool_words(row) for row in frame.to_dict("records")]
    return frame.assign(words=words).drop(
        columns=["drg_words", "cost_words", "low_fen", "high_fen"]
    )


def close_totals(totals: pd.DataFrame, pools: pd.DataFrame, pay: pd.DataFrame) -> pd.DataFrame:
    """Add what was paid and kept to the totals, and prove that they close to the fen.

    approved = staff + personal single items + head funds + UNKNOWN + quality withheld + reserve.
    """

    def summed(frame: pd.DataFrame, names: list[str]) -> pd.DataFrame:
        whole = frame.groupby("series")[names].sum()
        return whole.reindex(totals["series"], fill_value=0).reset_index(drop=True)

    names = ("points", "drg", "cost", "quality", "floor", "bounds", "single", "pool", "head_fund")
    parts = summed(pools, [f"{name}_fen" for name in names])
    columns = {f"department_{name}_fen": parts[f"{name}_fen"] for name in names}
    lost = pools[pools["department"] == UNKNOWN]
    columns["unknown_fen"] = summed(lost, ["pool_fen"])["pool_fen"]
    columns["staff_fen"] = summed(pay, ["average_fen", "performance_fen"]).sum(axis=1)
    totals = totals.assign(**columns)
    kept = ["reserve_fen", "withheld_fen", "unknown_fen", "department_head_fund_fen"]
    out = totals[[*kept, "staff_fen", "personal_single_fen"]].sum(axis=1)
    totals = totals.assign(difference_fen=totals["approved_fen"] - out)
    _prove(totals, pools)
    return totals


def _prove(totals: pd.DataFrame, pools: pd.DataFrame) -> None:
    parts = (
        pools["points_fen"] + pools["drg_fen"] - pools["cost_fen"] + pools["quality_fen"]
        + pools["floor_fen"] + pools["bounds_fen"] + pools["single_fen"]
    )  # fmt: skip
    if (totals["difference_fen"] != 0).any() or (parts != pools["pool_fen"]).any():
        raise AllocationError("内部错误：各级金额不闭合，请报告此问题")
