"""DRG figures of departments out of a settlement: only the cases that the plan counts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from performance.plan_model_drg import DrgModel

if TYPE_CHECKING:
    from drg_engine.cases import Cases
    from drg_engine.payment import Settlement

__all__ = ["CASE_MARKS", "DrgSurplus", "died_cases", "left_out_of", "transferred_cases"]

Mask = npt.NDArray[np.bool_]

CASE_MARKS = {
    "transferred": "转科病例",
    "self_pay": "自费病例",
    "out_of_region": "异地病例",
    "ungrouped": "未入组病例",
    "ambiguous": "歧义组病例",
    "low": "低倍率病例",
    "high": "高倍率病例",
    "out_of_scope": "不纳入 DRG 付费的病例",
}
"""Marks of a case that a plan may count or leave out, in the order in which they are told."""

_KINDS = {
    "ungrouped": ("ungrouped", "no_weight"),
    "ambiguous": ("ambiguous",),
    "low": ("low",),
    "high": ("high",),
    "out_of_scope": ("out_of_scope", "bed_day", "unpriced"),
}


_TRANSFER_HEADINGS = ("转科科别", "转科科室", "转经科别", "转科")
_DIED = 5


def transferred_cases(cases: Cases) -> Mask:
    """Cases that moved between departments: the column 转科科别 says one (bool, n)."""
    hit = next((name for name in _TRANSFER_HEADINGS if name in cases.others.column_names), None)
    if hit is None:
        return np.zeros(cases.n, dtype=np.bool_)
    texts = cases.others[hit].to_pandas().astype("string").fillna("").str.strip()
    return np.asarray(~texts.isin(["", "-", "—", "无", "0", "否"]), dtype=np.bool_)


def died_cases(cases: Cases) -> Mask:
    """Cases discharged dead: discharge mode 5 of the front page (bool, n)."""
    return np.asarray(cases.discharge_mode == _DIED, dtype=np.bool_)


def _nothing_left_out() -> pd.DataFrame:
    return pd.DataFrame({"mark": [], "cases": [], "surplus_fen": []})


@dataclass(frozen=True)
class DrgSurplus:
    """The DRG figures of departments.

    basis: ``insurance`` (paid − charges) or ``cost`` (paid − cost), see payment.md §5.  table:
    department (text), surplus_fen (int64) and, where known, rw, cases, drg_count, cost_index,
    time_index, low_risk_mortality (float64); surplus of rows of one department is summed.
    left_out: cases that the plan does not count: mark, cases, surplus_fen.
    """

    basis: str
    table: pd.DataFrame
    left_out: pd.DataFrame = field(default_factory=_nothing_left_out)

    @classmethod
    def from_rollup(cls, rollup: pd.DataFrame, basis: str) -> DrgSurplus:
        """From ``drg_engine.surplus.rollup(settlement, ["department"])``: every case counts.

        basis ``insurance`` takes surplus_fen, ``cost`` takes cost_surplus_fen.
        """
        column = {"insurance": "surplus_fen", "cost": "cost_surplus_fen"}[basis]
        return cls(
            basis,
            pd.DataFrame(
                {
                    "department": rollup["department"].to_numpy(dtype=object),
                    "surplus_fen": rollup[column].to_numpy(dtype=np.int64),
                }
            ),
        )

    @classmethod
    def from_settlement(
        cls,
        settlement: Settlement,
        drg: DrgModel,
        *,
        transferred: Mask | None = None,
        died: Mask | None = None,
    ) -> DrgSurplus:
        """Figures of the cases (n) that the plan counts.

        transferred, died: bool (n), all false where not given.  ΣRW and CMI count grouped cases.
        The cost and time index compare each DRG's mean charges and stay with the mean of the same
        cases of the whole hospital (Σ n·c/c* ÷ Σ n).
        """
        basis = drg.surplus or "insurance"
        surplus = _surplus(settlement, basis)
        reasons = left_out_of(settlement, drg, transferred)
        told = [
            (title, int(own.sum()), int(surplus[own].sum()))
            for title in CASE_MARKS.values()
            if (own := reasons == title).any()
        ]
        out = reasons != ""
        frame = _cases(settlement, surplus, died)[~out]
        frame = frame[frame["department"] != ""]
        left = pd.DataFrame(told, columns=["mark", "cases", "surplus_fen"])
        return cls(basis, _by_department(frame, drg), left)


def left_out_of(
    settlement: Settlement, drg: DrgModel, transferred: Mask | None = None
) -> npt.NDArray[np.object_]:
    """Why the plan does not count each case: the first mark that it leaves out; "" where it counts.

    transferred: bool (n), all false where not given.
    """
    marks = _marks(settlement, drg, transferred)
    reasons = np.full(settlement.n, "", dtype=object)
    for mark, title in CASE_MARKS.items():
        if drg.cases is not None and getattr(drg.cases, mark) == "out":
            reasons[marks[mark] & (reasons == "")] = title
    return reasons


def _surplus(settlement: Settlement, basis: str) -> npt.NDArray[np.int64]:
    from drg_engine.payment import MISSING_FEN

    amount = settlement.surplus if basis == "insurance" else settlement.cost_surplus
    return np.where(amount == MISSING_FEN, 0, amount)


def _marks(settlement: Settlement, drg: DrgModel, transferred: Mask | None) -> dict[str, Mask]:
    from drg_engine.payment import KINDS

    cases = settlement.cases
    none = np.zeros(settlement.n, dtype=np.bool_)
    marks = {
        mark: np.isin(settlement.kind, [KINDS.index(kind) for kind in kinds if kind in KINDS])
        for mark, kinds in _KINDS.items()
    }
    names = cases.insurance.names
    own = np.array([*(name in drg.self_pay_insurances for name in names), False], dtype=np.bool_)
    marks["self_pay"] = own[cases.insurance.codes]
    region = cases.labels.get("region")
    marks["out_of_region"] = none
    if region is not None and drg.local_regions:
        local = tuple(drg.local_regions)
        away = np.array([*(not n.startswith(local) for n in region.names), False], dtype=np.bool_)
        marks["out_of_region"] = away[region.codes]
    marks["transferred"] = none if transferred is None else transferred
    return marks


def _cases(
    settlement: Settlement, surplus: npt.NDArray[np.int64], died: Mask | None
) -> pd.DataFrame:
    """The cases as columns of figures."""
    from drg_engine.payment import MISSING_FEN
    from drg_engine.surplus import exact_weights

    cases = settlement.cases
    label = cases.labels.get("department")
    grouped = cases.status == 0
    department: npt.NDArray[np.object_] = np.full(settlement.n, "", dtype=object)
    if label is not None:
        department = np.array([*label.names, ""], dtype=object)[label.codes]
    charges = np.where(cases.charges == MISSING_FEN, np.nan, cases.charges.astype(np.float64))
    return pd.DataFrame(
        {
            "department": department,
            "surplus_fen": surplus,
            "grouped": grouped,
            "drg": np.array([*cases.drg_codes, ""], dtype=object)[cases.drg],
            "rw_e8": np.where(grouped, exact_weights(cases.weight), 0),
            "charges": np.where(grouped, charges, np.nan),
            "los": np.where(grouped & (cases.los >= 0), cases.los.astype(np.float64), np.nan),
            "died": np.zeros(settlement.n, dtype=np.bool_) if died is None else died,
        }
    )


def _by_department(frame: pd.DataFrame, drg: DrgModel) -> pd.DataFrame:
    by = frame.groupby("department", sort=True)
    table = by[["surplus_fen", "rw_e8", "grouped"]].sum()
    grouped = frame[frame["grouped"]]
    result = pd.DataFrame(
        {
            "department": table.index.to_numpy(dtype=object),
            "surplus_fen": table["surplus_fen"].to_numpy(dtype=np.int64),
            "rw": table["rw_e8"].to_numpy(dtype=np.int64) / 1e8,
            "cases": table["grouped"].to_numpy(dtype=np.float64),
        }
    )
    counts = grouped.groupby("department")["drg"].nunique()
    result["drg_count"] = result["department"].map(counts).fillna(0).astype(np.float64)
    for name, column in (("cost_index", "charges"), ("time_index", "los")):
        result[name] = result["department"].map(_index(grouped, column)).astype(np.float64)
    low = grouped[grouped["drg"].isin(drg.low_risk_drgs)]
    rate = low.groupby("department")["died"].mean()
    result["low_risk_mortality"] = result["department"].map(rate).astype(np.float64)
    return result


def _index(grouped: pd.DataFrame, column: str) -> pd.Series:
    """Σ n·c/c* ÷ Σ n of each department; c* is the mean of the DRG over all departments."""
    known = grouped[grouped[column].notna()]
    mean = known.groupby("drg")[column].transform("mean")
    ratio = (known[column] / mean).where(mean > 0)
    return ratio.groupby(known["department"]).mean()
