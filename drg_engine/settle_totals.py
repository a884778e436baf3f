"""A settlement rolled up part by part: the tables of a region, each a sum of cases to the fen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from drg_engine.group_sums import GroupSums, stacked
from drg_engine.payment import KINDS, MISSING_FEN, Coded, PaymentColumns, Settlement
from drg_engine.payment_fund import FundSplit
from drg_engine.surplus import MEASURES, case_measures, derived_measures

__all__ = ["FUND_TITLES", "KEY_TITLES", "LEVELS", "RegionTotals", "group_keys"]

LEVELS: Mapping[str, tuple[str, ...]] = {
    "total": (),
    "hospitals": ("hospital",),
    "departments": ("hospital", "department"),
    "doctors": ("hospital", "department", "doctor"),
    "drgs": ("drg",),
    "insurances": ("insurance",),
    "kinds": ("kind",),
}
"""The tables and what each is by: a department is one of its hospital, a doctor of both."""

_FINEST: Mapping[str, tuple[str, ...]] = {
    "people": ("hospital", "department", "doctor"),
    "groups": ("drg", "insurance", "kind"),
}
"""What cases are added up by; each table is rolled up from the one that has its keys."""

KEY_TITLES = {
    "hospital": "医院",
    "department": "科室",
    "doctor": "医生",
    "drg": "DRG 编码",
    "insurance": "险种",
    "kind": "病例类型",
}

FUND_TITLES = {
    "fund_cases": "可分清基金支付的病例数",
    "fund_fen": "基金支付",
    "patient_fen": "个人负担",
    "other_fen": "其他基金支付",
    "received_fen": "医院实收",
    "prepaid_fen": "月度预付",
    "retained_fen": "质量保证金",
}
"""Sums over the cases whose split between fund, patient and others is known."""

_FUND = ("fund", "patient", "other", "received", "prepaid", "retained")


class RegionTotals:
    """The tables of LEVELS, added up part by part; DRGs must have the same places in all parts."""

    def __init__(self) -> None:
        self._finest: dict[str, GroupSums] = {}

    def add(self, settlement: Settlement, fund: FundSplit) -> None:
        """Add a part; its policy's threshold of heavy cases counts."""
        counted, added = case_measures(settlement)
        known = fund.fund != MISSING_FEN
        counted["fund_cases"] = known
        for name in _FUND:
            added[f"{name}_fen"] = np.where(known, getattr(fund, name), 0)
        n, cases = settlement.n, settlement.cases
        flags, values = stacked(counted, n, np.bool_), stacked(added, n, np.int64)
        keys = group_keys(cases, settlement.kind)
        drg = (cases.drg, counted["grouped"], len(cases.drg_codes))
        for name in _FINEST:
            sums = self._sums(name, [*counted, *added])
            sums.add(sums.groups(keys, n), flags, values, drg)

    def tables(self) -> dict[str, pd.DataFrame]:
        """Keys, then MEASURES as in surplus.rollup, then FUND_TITLES; sorted by key."""
        found = {}
        for name, by in LEVELS.items():
            finest = "people" if set(by) <= set(_FINEST["people"]) else "groups"
            if finest in self._finest:
                found[name] = _table(self._finest[finest].rolled(by))
        return found

    def _sums(self, name: str, columns: Sequence[str]) -> GroupSums:
        if name not in self._finest:
            self._finest[name] = GroupSums(_FINEST[name], columns, with_drgs=True)
        return self._finest[name]


def group_keys(cases: PaymentColumns, kind: npt.NDArray[np.int8] | None = None) -> dict[str, Coded]:
    """The texts that tables are by; missing ones all missing."""
    names = ("hospital", "department", "doctor", "drg", "insurance")
    keys = {name: cases.label(name) or Coded.same("", cases.n) for name in names}
    if kind is not None:
        keys["kind"] = Coded(kind.astype(np.int32), KINDS)
    return keys


def _table(sums: GroupSums) -> pd.DataFrame:
    frame, held = sums.table({"kind": KINDS})
    made: dict[str, Any] = {name: frame[name] for name in frame.columns}
    made |= {name: values for name, values in derived_measures(held).items() if name in MEASURES}
    made |= {name: held[name] for name in FUND_TITLES}
    return pd.DataFrame(made, index=frame.index)
