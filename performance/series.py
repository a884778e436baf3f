"""Tables of a computed month: department pools with the calculation in words, and totals."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pandas as pd

from performance.core import Core
from performance.drg_part import series_shares
from performance.facts import Facts
from performance.formula_columns import department_columns
from performance.formula_show import show_formula
from performance.formula_tree import Field
from performance.month_money import SeriesCore
from performance.plan import Plan
from performance.points import UNKNOWN
from performance.pool_words import pool_words
from performance.table_list import SERIES
from performance.words import number_text

__all__ = ["department_pools", "head_funds", "series_totals"]

Ints = npt.NDArray[np.int64]

_LOST = "未知科室（留存待查）"
_FOR_WORDS = (
    "drg_words",
    "cost_words",
    "quality_words",
    "formula_words",
    "drg_share",
    "cost_share",
)


def department_pools(plan: Plan, facts: Facts, core: Core, names: list[str]) -> pd.DataFrame:
    """One row a department and series: every factor, every part in fen, and the words.

    points + formula + drg − cost + quality + quality_pool + floor + bounds + single = pool;
    pool = staff + head_fund + department_single, or, for UNKNOWN, what is withheld.
    """
    frames = [
        _series(plan, facts, core, s, one, names)
        for s, one in enumerate(core.series)
        if len(one.rows)
    ]
    if not frames:
        return pd.DataFrame(columns=[*_COLUMNS, "words"])
    return pd.concat(frames, ignore_index=True)


def _series(
    plan: Plan, facts: Facts, core: Core, s: int, one: SeriesCore, names: list[str]
) -> pd.DataFrame:
    n, rows, given, result = facts.n, one.rows, one.given, one.result
    series = plan.series[s]
    lost = rows == n
    at = np.where(lost, 0, rows)

    def mine(values: npt.NDArray[np.generic], missing: object) -> npt.NDArray[np.generic]:
        return np.append(values, np.array([missing], dtype=values.dtype))[rows]

    def words(texts: list[str]) -> npt.NDArray[np.object_]:
        return np.array([*texts, ""], dtype=object)[rows]

    fund = np.where(lost, 0, core.pay.head_fund_fen[s][at])
    borne = np.where(lost, 0, core.department_single_fen[s][at])
    base = plan.series_model(series).base_value
    coefficient = facts.coefficient[rows]
    frame = pd.DataFrame(
        {
            "department": np.array([*facts.departments, UNKNOWN], dtype=object)[rows],
            "department_name": np.array([*names, _LOST], dtype=object)[rows],
            "kind": np.array([*facts.kinds, ""], dtype=object)[rows],
            "series": series,
            "basis": plan.series_model(series).basis,
            "points_e6": facts.points_e6[s][rows],
            "staff_weight": mine(core.staff_weight[s], 0.0),
            "coefficient": coefficient,
            "drg_factor": mine(core.drg.factor, 1.0),
            "weight": given.weights,
            "surplus_fen": mine(facts.drg.surplus_fen, 0),
            "rw": mine(facts.drg.rw, 0.0),
            "cases": mine(facts.drg.cases, 0.0),
            "cmi": mine(facts.drg.cmi, np.nan),
            "quality_score": mine(core.quality.score, np.nan),
            "quality_factor": given.on_points * given.on_total,
            "value": result.value,
            "base_value": np.nan if base is None else base,
            "value_ratio": np.nan if base is None else result.value / base,
            "points_fen": result.points_fen,
            "formula_fen": given.formula_fen,
            "drg_fen": given.drg_fen,
            "cost_fen": given.cost_fen,
            "quality_fen": result.quality_fen,
            "quality_pool_fen": result.quality_pool_fen,
            "floor_fen": result.floor_fen,
            "bounds_fen": result.bounds_fen,
            "single_fen": given.single_fen,
            "pool_fen": result.pool_fen,
            "head_fund_fen": fund,
            "department_single_fen": borne,
            "staff_fen": np.where(lost, 0, result.pool_fen - fund - borne),
        }
    )
    frame["drg_words"] = _drg_words(core, one, words, mine(facts.drg.rw, 0.0))
    frame["cost_words"] = np.where(frame["cost_fen"] != 0, words(core.cost_words), "")
    frame["quality_words"] = words(core.quality.words)
    frame["formula_words"] = words(_formula_words(plan, facts, core, s))
    shares = series_shares(plan, facts, core.staff_weight > 0)
    frame["cost_share"] = np.append(shares[s], np.nan)[rows]
    split = plan.model.drg.kind == "split_pools"
    frame["drg_share"] = np.nan if split else frame["cost_share"]
    told = [pool_words(row) for row in frame.to_dict("records")]
    if one.mean is not None:
        told = [f"按均值 {number_text(one.mean)} 元发放，个人合计"] * len(frame)
    return frame.drop(columns=list(_FOR_WORDS)).assign(words=told)


def _drg_words(
    core: Core,
    one: SeriesCore,
    words: Callable[[list[str]], npt.NDArray[np.object_]],
    rw: npt.NDArray[np.generic],
) -> npt.NDArray[np.object_]:
    told = words(core.drg.words)
    given = one.given
    whole = number_text(float(given.drg_fen.sum()) / 100.0, 2)
    weights = rw.astype(np.float64)
    divided = [
        f"住院部分 {whole} × RW {number_text(own, 4)} ÷ {number_text(float(weights.sum()), 4)}"
        for own in weights.tolist()
    ]
    inpatient = (given.drg_fen != 0) & (told == "")
    return np.where(inpatient, np.array(divided, dtype=object), told)


def _formula_words(plan: Plan, facts: Facts, core: Core, s: int) -> list[str]:
    """The plan's formula with each department's own figures in place of its fields."""
    text = plan.series_model(plan.series[s]).formula
    if text is None:
        return [""] * facts.n
    tree, _ = plan.formula(text, "department")
    columns = department_columns(facts, s)
    one = core.series[s]
    value = float(one.result.value[0]) if len(one.result.value) else 0.0
    told = []
    for i in range(facts.n):

        def figure(node: Field, i: int = i) -> str:
            if node.name == "value":
                return number_text(value)
            column = columns.get((node.name, node.key))
            return show_formula(node) if column is None else number_text(float(column[i]), 6)

        told.append(f"{show_formula(tree)}：{show_formula(tree, figure)}")
    return told


_COLUMNS = (
    "department", "department_name", "kind", "series", "basis", "points_e6", "staff_weight",
    "coefficient", "drg_factor", "weight", "surplus_fen", "rw", "cases", "cmi", "quality_score",
    "quality_factor", "value", "base_value", "value_ratio", "points_fen", "formula_fen", "drg_fen",
    "cost_fen", "quality_fen", "quality_pool_fen", "floor_fen", "bounds_fen", "single_fen",
    "pool_fen", "head_fund_fen", "department_single_fen", "staff_fen",
)  # fmt: skip


def series_totals(plan: Plan, facts: Facts, core: Core) -> pd.DataFrame:
    """One row a series: where its money came from and where it went, to the fen.

    approved + fund_used = staff + personal single items + head's funds + UNKNOWN + quality withheld
    + reserve.
    """
    rows = []
    for s, one in enumerate(core.series):
        given, result, name = one.given, one.result, plan.series[s]
        base = plan.series_model(name).base_value
        value = float(result.value[0]) if len(result.value) else 0.0
        if np.ptp(result.value) > 0 if len(result.value) else False:
            weight = float(given.weights.sum())
            value = float((given.weights * result.value).sum()) / weight if weight else 0.0
        fund = int(core.pay.head_fund_fen[s].sum())
        borne = int(core.department_single_fen[s].sum())
        lost = int(result.pool_fen[one.rows == facts.n].sum())
        row = {
            "series": name,
            "label": SERIES[name],
            "pool_fen": one.pool_fen,
            "outside_fen": one.outside_fen,
            "approved_fen": one.pool_fen + one.outside_fen,
            "fund_used_fen": one.fund_used_fen,
            "reserve_fen": one.reserve_fen,
            "personal_single_fen": one.personal_fen,
            "withheld_fen": result.withheld_fen,
            "quality_pool_total_fen": one.quality_pool_fen,
            "weight": float(given.weights.sum()),
            "value": value if one.mean is None else one.mean,
            "base_value": np.nan if base is None else base,
            "value_ratio": np.nan if base is None else value / base,
            "bounds_factor": result.factor,
            **{f"department_{part}_fen": int(amount.sum()) for part, amount in _parts(one).items()},
            "department_head_fund_fen": fund,
            "unknown_fen": lost,
            "staff_fen": int(result.pool_fen.sum()) - lost - fund - borne,
        }
        out = sum(int(str(row[column])) for column in _OUT)
        row["difference_fen"] = one.pool_fen + one.outside_fen + one.fund_used_fen - out
        rows.append(row)
    return pd.DataFrame(rows)


_OUT = (
    "reserve_fen", "withheld_fen", "unknown_fen", "department_head_fund_fen", "staff_fen",
    "personal_single_fen",
)  # fmt: skip


def _parts(one: SeriesCore) -> dict[str, Ints]:
    given, result = one.given, one.result
    return {
        "points": result.points_fen,
        "formula": given.formula_fen,
        "drg": given.drg_fen,
        "cost": given.cost_fen,
        "quality": result.quality_fen,
        "quality_pool": result.quality_pool_fen,
        "floor": result.floor_fen,
        "bounds": result.bounds_fen,
        "single": given.single_fen,
        "pool": result.pool_fen,
    }


def head_funds(plan: Plan, facts: Facts, core: Core, names: list[str]) -> pd.DataFrame:
    """Head's funds of departments by series in fen: opening + kept − used = closing.

    Closing is the next month's opening (table head_funds).  Only rows with anything in them.
    """
    opening, kept, used = facts.opening_fen, core.pay.head_fund_fen, core.fund_used_fen
    s, i = np.nonzero((opening != 0) | (kept != 0) | (used != 0))
    return pd.DataFrame(
        {
            "department": np.array([*facts.departments, ""], dtype=object)[i],
            "department_name": np.array([*names, ""], dtype=object)[i],
            "series": np.array([*plan.series, ""], dtype=object)[s],
            "opening_fen": opening[s, i],
            "kept_fen": kept[s, i],
            "used_fen": used[s, i],
            "closing_fen": (opening + kept - used)[s, i],
        }
    ).sort_values(["department", "series"], kind="stable", ignore_index=True)
