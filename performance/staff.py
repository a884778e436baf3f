"""From a department's pool to its staff, exact to the fen (allocation.md §6)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from drg_engine.errors import AllocationError, Fault
from drg_engine.money import format_fen, share_out, to_fen
from performance.plan import Plan
from performance.plan_model import StaffModel
from performance.words import number_text

__all__ = ["administration_pay", "cut_pool", "head_fund", "pay_staff", "staff_weights"]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


def cut_pool(total: int, weights: npt.ArrayLike, ids: list[str], remainder: str) -> Ints:
    """Cut a pool (fen, >= 0) by weights: ``largest`` remainder, or the remainder to the ``first``.

    Ties, and who is first, go by id.  The sum of the parts is the pool.  Raises ValueError where
    the weights sum to 0 with a pool above 0.
    """
    if remainder == "largest":
        return share_out(total, weights, ids)
    shares = np.asarray(weights, dtype=np.float64)
    whole = float(shares.sum())
    if total and whole <= 0:
        raise ValueError("份额合计为 0，无法分配")
    if not total:
        return np.zeros(len(shares), dtype=np.int64)
    exact = total * (shares / whole)
    parts = np.floor(exact + exact * 2.0**-50).astype(np.int64)
    earning = np.flatnonzero(shares > 0)
    first = min(earning, key=lambda i: ids[i])
    parts[first] += total - int(parts.sum())
    return parts


def staff_weights(
    plan: Plan, staff: pd.DataFrame, attendance: pd.DataFrame
) -> tuple[pd.DataFrame, list[str]]:
    """Each person's combined coefficient, attendance and weight (their product).

    Returns the staff table with columns coefficient, attendance and weight (float64), and those
    without attendance.  Raises AllocationError, naming each person, where the plan refuses a person
    without attendance or one present for more days than due.
    """
    chosen = plan.model.staff
    known = attendance.set_index("staff_id")
    due = staff["staff_id"].map(known["days_due_e4"]).to_numpy(dtype=np.float64)
    present = staff["staff_id"].map(known["days_present_e4"]).to_numpy(dtype=np.float64)
    missing = np.isnan(due)
    above = present > due
    faults = _attendance_faults(chosen, staff, missing, above)
    if faults:
        raise AllocationError("考勤不合方案要求", faults)
    if chosen.above_full == "cap":
        present = np.where(above, due, present)
    full = chosen.missing_attendance == "full"
    ratio = np.where(missing, 1.0 if full else 0.0, present / due)
    days = np.where(missing, _full_days(due) if full else 0.0, present / 1e4)
    factor = {"ratio": ratio, "days": days, "ignore": np.ones(len(staff))}[chosen.attendance]
    coefficient = _combined(chosen, staff)
    result = staff.assign(coefficient=coefficient, attendance=factor, weight=coefficient * factor)
    absent = [] if chosen.attendance == "ignore" else [str(s) for s in staff["staff_id"][missing]]
    return result, absent


def _full_days(due: Floats) -> float:
    """Days due of someone without attendance: the most common in the table's own figures."""
    known = due[~np.isnan(due)]
    if not len(known):
        return 1.0
    days, count = np.unique(known, return_counts=True)
    return float(days[np.argmax(count)]) / 1e4


def _combined(chosen: StaffModel, staff: pd.DataFrame) -> Floats:
    columns = [staff[f"{name}_coefficient_e4"].to_numpy(np.float64) for name in chosen.coefficients]
    if not columns:
        return np.ones(len(staff))
    stacked = np.stack(columns) / 1e4
    return np.asarray(stacked.prod(axis=0) if chosen.combine == "product" else stacked.sum(axis=0))


def _attendance_faults(
    chosen: StaffModel,
    staff: pd.DataFrame,
    missing: npt.NDArray[np.bool_],
    above: npt.NDArray[np.bool_],
) -> list[Fault]:
    if chosen.attendance == "ignore":
        return []
    faults = []
    if chosen.missing_attendance == "refuse":
        faults += [
            Fault("attendance", "没有考勤", found=str(name)) for name in staff["staff_id"][missing]
        ]
    if chosen.above_full == "refuse":
        faults += [
            Fault(
                "attendance", "实际出勤多于应出勤", found=str(name), mend="请改正，或在方案中允许"
            )
            for name in staff["staff_id"][above]
        ]
    return faults


def pay_staff(
    plan: Plan, weighted: pd.DataFrame, pools: pd.DataFrame, single: pd.Series
) -> pd.DataFrame:
    """Share the department pools among the staff.

    weighted: from :func:`staff_weights`.  pools: columns department, series, pool_fen.  single:
    personal single items in fen by staff id.  Returns one row a person with average_fen,
    performance_fen, single_fen and total_fen, the calculation in words; the head's fund of each
    department is what the pool has over its staff (see :func:`head_fund`).  Raises AllocationError
    naming every department that has money and nobody to receive it.
    """
    chosen = plan.model.staff
    staff = weighted.sort_values(
        ["department", "series", "staff_id"], kind="stable", ignore_index=True
    )
    groups = staff.groupby(["department", "series"], sort=True).indices
    average = np.zeros(len(staff), dtype=np.int64)
    performance = np.zeros(len(staff), dtype=np.int64)
    words = np.full(len(staff), "", dtype=object)
    faults = []
    for department, series, pool in zip(
        pools["department"], pools["series"], pools["pool_fen"], strict=True
    ):
        rows = np.asarray(groups.get((department, series), ()), dtype=np.int64)
        weight = staff["weight"].to_numpy()[rows]
        if pool and not weight.sum() > 0:
            faults.append(_nobody(str(department), str(series), int(pool), len(rows)))
            continue
        if not pool:
            continue
        ids = [str(name) for name in staff["staff_id"].to_numpy()[rows]]
        shared = int(pool) - head_fund(chosen, int(pool))
        even = int(to_fen(shared / 100.0 * chosen.average_share))
        average[rows] = cut_pool(even, (weight > 0).astype(np.float64), ids, chosen.remainder)
        performance[rows] = cut_pool(shared - even, weight, ids, chosen.remainder)
        words[rows] = _words(staff, rows, shared - even, performance)
    if faults:
        raise AllocationError("有奖金而无人可分", faults)
    staff = staff.assign(average_fen=average, performance_fen=performance)
    staff["single_fen"] = staff["staff_id"].map(single).fillna(0).astype(np.int64)
    staff["total_fen"] = staff["average_fen"] + staff["performance_fen"] + staff["single_fen"]
    staff["words"] = words
    return staff.drop(columns="row")


def head_fund(chosen: StaffModel, pool: int) -> int:
    """The head's fund out of a department pool, in fen."""
    return int(to_fen(pool / 100.0 * chosen.head_fund_share))


def _nobody(department: str, series: str, pool: int, count: int) -> Fault:
    what = "该科室没有这个系列的人员" if count == 0 else "人员系数 × 出勤合计为 0"
    return Fault(
        f"{department} / {series}",
        what,
        found=f"奖金 {format_fen(pool)} 元",
        mend="请核对人员表、考勤、角色份额和科室整体金额的系列份额",
    )


def _words(staff: pd.DataFrame, rows: Ints, pool: int, amount: Ints) -> list[str]:
    weights = staff["weight"].to_numpy()[rows]
    whole = number_text(float(weights.sum()), 6)
    start = f"{format_fen(pool)} × "
    return [
        f"{start}{number_text(c, 4)} × {number_text(a, 6)} ÷ {whole} = {format_fen(amount[row])}"
        for c, a, row in zip(
            staff["coefficient"].to_numpy()[rows],
            staff["attendance"].to_numpy()[rows],
            rows,
            strict=True,
        )
    ]


def administration_pay(
    mean_fen: int, share: float, coefficient: float, evaluation: float, satisfaction: float
) -> int:
    """Pay of one person in administration, in fen (allocation.md §6).

    mean × share (0.8, say) × personal coefficient × evaluation × satisfaction; the mean is that of
    a stated group before the administrative run.
    """
    return int(to_fen(mean_fen / 100.0 * share * coefficient * evaluation * satisfaction))
