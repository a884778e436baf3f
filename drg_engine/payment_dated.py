"""Settling by the policy in force: each case's discharge date chooses among several policies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pandas as pd

from drg_engine.errors import Fault, PolicyError
from drg_engine.payment import PaymentColumns, Settlement, settle
from drg_engine.payment_columns import categorical
from drg_engine.payment_result import empty_settlement
from drg_engine.policy import Policy

__all__ = ["DatedSettlement", "in_force", "settle_dated"]

Rows = npt.NDArray[np.intp]

_COLUMNS = (
    "kind",
    "mode",
    "basis",
    "standard",
    "ratio",
    "bound",
    "paid",
    "formula",
    "adjustment",
    "surplus",
    "cost_surplus",
)


@dataclass(frozen=True, slots=True, eq=False)
class DatedSettlement:
    """``whole``: all cases in their order, for frames and roll-ups (its ``policy`` is the latest).

    ``parts``: for each policy that applied, its row numbers and the settlement of those rows.
    """

    whole: Settlement
    parts: tuple[tuple[Rows, Settlement], ...]

    def locate(self, row: int) -> tuple[Settlement, int]:
        """The settlement that paid case ``row`` and its row there, for explain_payment."""
        for rows, part in self.parts:
            at = int(np.searchsorted(rows, row))
            if at < rows.size and rows[at] == row:
                return part, at
        raise IndexError(f"没有第 {row} 行")


def in_force(
    dates: npt.NDArray[np.datetime64], policies: Sequence[Policy]
) -> npt.NDArray[np.int64]:
    """Place of the policy in force on each date (from ≤ date < to), -1 where there is none.

    Raises PolicyError where two policies are in force on one day.
    """
    order = sorted(range(len(policies)), key=lambda i: _span(policies[i]))
    for one, two in pairwise(order):
        if _span(policies[one])[1] > _span(policies[two])[0]:
            found = f"{policies[one].name}、{policies[two].name}"
            fault = Fault(policies[two].file, "两项政策的有效期重叠", found=found)
            raise PolicyError("政策有效期有误", [fault])
    chosen = np.full(dates.size, -1, dtype=np.int64)
    for place, policy in enumerate(policies):
        start, stop = (np.datetime64(day, "D") for day in _span(policy))
        chosen[(dates >= start) & (dates < stop)] = place
    return chosen


def settle_dated(cases: PaymentColumns, policies: Sequence[Policy]) -> DatedSettlement:
    """Settle each case by the policy in force on its discharge date.

    The caps and found point values of a policy cover the cases of its time.  Raises PolicyError
    where a case has no discharge date or no policy is in force.
    """
    dates = cases.discharge_date
    if dates is None:
        raise PolicyError("病例没有出院日期，不能按日期选政策")
    chosen = in_force(dates, policies)
    _check_all(chosen, dates, policies)
    parts = []
    for place in np.unique(chosen):
        rows = np.flatnonzero(chosen == place)
        parts.append((rows, settle(cases.take(rows), policies[place])))
    latest = max(policies, key=lambda policy: policy.rules.policy.effective_from)
    whole = _joined(cases, latest, parts)
    return DatedSettlement(whole, tuple(parts))


def _joined(
    cases: PaymentColumns, policy: Policy, parts: list[tuple[Rows, Settlement]]
) -> Settlement:
    whole = empty_settlement(cases, policy)
    names = sorted({name for _, part in parts for name in part.parts})
    extra = {name: np.zeros(cases.n, dtype=np.int64) for name in names}
    said = np.full(cases.n, -1, dtype=np.int32)
    texts: dict[str, int] = {}
    notices: dict[str, None] = {}
    for rows, part in parts:
        for name in _COLUMNS:
            getattr(whole, name)[rows] = getattr(part, name)
        for name, amounts in part.parts.items():
            extra[name][rows] = amounts
        words: pd.Categorical = part.basis_words()
        places = [texts.setdefault(str(text), len(texts)) for text in words.categories]
        said[rows] = np.array(places, dtype=np.int32)[np.asarray(words.codes)]
        notices |= dict.fromkeys(part.notices)
    return replace(whole, parts=extra, notices=tuple(notices), words=categorical(said, list(texts)))


def _span(policy: Policy) -> tuple[date, date]:
    info = policy.rules.policy
    return info.effective_from, info.effective_to or date.max


def _check_all(
    chosen: npt.NDArray[np.int64], dates: npt.NDArray[np.datetime64], policies: Sequence[Policy]
) -> None:
    lacking = chosen < 0
    if not lacking.any():
        return
    days = dates[lacking]
    dated = days[~np.isnat(days)]
    names = "、".join(policy.name for policy in policies)
    faults = []
    if dated.size:
        found = f"{dated.min()} 至 {dated.max()}，{dated.size} 例"
        faults.append(Fault(names, "有病例出院时没有生效的政策", found=found))
    if dated.size < days.size:
        faults.append(Fault(names, "有病例缺出院日期", found=f"{days.size - dated.size} 例"))
    raise PolicyError("不能按日期选政策", faults)
