"""The year's settlement: what the fund still owes after its monthly prepayments (payment.md §2).

``due = Σ fund − Σ prepaid − deductions ± assessment``, by insurance type; under the point method Σ
fund is Σ points × PV less what is not the fund's to pay.  The year's cases are settled together, so
that caps and found point values are those of the year.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from drg_engine.errors import Fault, InputError
from drg_engine.fit_inputs import FitTable
from drg_engine.payment import MISSING_FEN, Settlement
from drg_engine.payment_dated import DatedSettlement
from drg_engine.payment_fund import FundSplit
from drg_engine.payment_points import find_point_values, is_found, sum_points
from drg_engine.payment_standard import compile_lookups

__all__ = ["DETAIL_TITLES", "DUE_TITLES", "Adjusted", "adjustments", "annual_detail", "annual_due"]

Fen = npt.NDArray[np.int64]

DETAIL_TITLES = {
    "policy": "支付政策",
    "insurance": "险种",
    "cases": "病例数",
    "unknown": "算不出基金支付的病例",
    "points": "总点数",
    "value": "点值（元/点）",
    "charges_fen": "总费用",
    "paid_fen": "结算金额",
    "fund_fen": "基金应付",
    "patient_fen": "个人负担",
    "other_fen": "其他基金",
    "prepaid_fen": "月度预付",
    "retained_fen": "保证金留存",
}
DUE_TITLES = {
    "insurance": "险种",
    "fund_fen": "基金应付",
    "prepaid_fen": "已预付",
    "deductions_fen": "扣款",
    "assessment_fen": "考核",
    "due_fen": "年终应补（负为应退）",
    "prepaid_from": "已预付的来历",
}
_SUMS = ("fund", "patient", "other", "prepaid", "retained")
_TOTAL = "合计"


@dataclass(frozen=True, slots=True)
class Adjusted:
    """What the bureau says of an insurance type, fen; ``prepaid`` None to take the policy's."""

    prepaid: int | None = None
    deductions: int = 0
    assessment: int = 0


def adjustments(table: FitTable) -> dict[str, Adjusted]:
    """Adjustments by insurance type.  Raises InputError for a type told twice or left out."""
    label, faults = table.text("insurance"), []
    found: dict[str, Adjusted] = {}
    for place, row in enumerate(table.rows.tolist()):
        name = label.names[label.codes[place]] if label.codes[place] >= 0 else ""
        if not name or name in found:
            words = "同一险种写了两行" if name else "不能为空"
            faults.append(Fault(table.file, words, row, "险种", name or None))
            continue
        amounts = {
            column: int(fen[place])
            for column, fen in table.fen.items()
            if fen[place] != MISSING_FEN
        }
        found[name] = Adjusted(**amounts)
    if faults:
        raise InputError(f"{table.file} 有误", faults)
    return found


def annual_detail(dated: DatedSettlement) -> pd.DataFrame:
    """A row for each policy and insurance type, columns DETAIL_TITLES; fen int64.

    ``points`` and ``value`` are NaN where the policy does not pay by points.
    """
    split = dated.fund()
    frames = [_part(settlement, _taken(split, rows)) for rows, settlement in dated.parts]
    filled = [frame for frame in frames if len(frame)]
    whole = (
        pd.concat(filled, ignore_index=True) if filled else pd.DataFrame(columns=[*DETAIL_TITLES])
    )
    return whole[[*DETAIL_TITLES]]


def annual_due(detail: pd.DataFrame, said: Mapping[str, Adjusted]) -> pd.DataFrame:
    """A row for each insurance type and one for all, columns DUE_TITLES; fen int64.

    Raises InputError where ``said`` names an insurance type without cases.
    """
    names = sorted(set(detail["insurance"]))
    strange = sorted(set(said) - set(names))
    if strange:
        fault = Fault("年终清算调整表", "这一年没有这个险种的病例", found="、".join(strange),
                      mend=f"有：{'、'.join(names)}")  # fmt: skip
        raise InputError("年终清算调整表有误", [fault])
    rows = []
    for name in names:
        own, adjusted = detail[detail["insurance"] == name], said.get(name, Adjusted())
        told = adjusted.prepaid is not None
        prepaid = adjusted.prepaid if told else int(own["prepaid_fen"].sum())
        fund = int(own["fund_fen"].sum())
        due = fund - int(prepaid or 0) - adjusted.deductions + adjusted.assessment
        rows.append((name, fund, prepaid, adjusted.deductions, adjusted.assessment, due,
                     "调整表" if told else "政策的预付比例"))  # fmt: skip
    frame = pd.DataFrame(rows, columns=[*DUE_TITLES])
    sums = frame.select_dtypes("number").sum()
    total: dict[str, Any] = dict.fromkeys(DUE_TITLES, "")
    total |= {str(name): int(value) for name, value in sums.items()} | {"insurance": _TOTAL}
    return pd.concat([frame, pd.DataFrame([total])], ignore_index=True)[[*DUE_TITLES]]


def _taken(split: FundSplit, rows: npt.NDArray[np.intp]) -> dict[str, Fen]:
    return {name: getattr(split, name)[rows] for name in _SUMS}


def _part(settlement: Settlement, split: Mapping[str, Fen]) -> pd.DataFrame:
    """The rows of one policy, by insurance type."""
    cases, policy = settlement.cases, settlement.policy
    codes = cases.insurance.codes
    points, values = _points(settlement)
    known = split["fund"] != MISSING_FEN
    rows = []
    names = {code: cases.insurance.names[code] for code in np.unique(codes[codes >= 0]).tolist()}
    if (codes < 0).any():
        names[-1] = "（缺）"
    for code, name in sorted(names.items(), key=lambda item: item[1]):
        own = codes == code
        rows.append(
            {
                "policy": policy.words(),
                "insurance": name,
                "cases": int(own.sum()),
                "unknown": int((own & ~known).sum()),
                "points": points.get(name, np.nan),
                "value": values.get(name, np.nan),
                "charges_fen": _sum(cases.charges, own),
                "paid_fen": _sum(settlement.paid, own),
                **{f"{one}_fen": _sum(split[one], own & known) for one in _SUMS},
            }
        )
    return pd.DataFrame(rows)


def _points(settlement: Settlement) -> tuple[Mapping[str, float], Mapping[str, float]]:
    """Points and point value of each insurance type, where the policy pays by points."""
    cases, policy = settlement.cases, settlement.policy
    if policy.rules.standard.method != "points":
        return {}, {}
    lookups = compile_lookups(cases, policy)
    points = sum_points(cases, lookups, policy).points()
    if is_found(policy):
        return points, find_point_values(cases, lookups, policy)
    return points, policy.rules.points.values


def _sum(column: Fen, rows: npt.NDArray[np.bool_]) -> int:
    return int(column[rows & (column != MISSING_FEN)].sum())
