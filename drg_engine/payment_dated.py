"""Settling by the policy in force: each case's date chooses among several policies.

The date is that of discharge or of settlement, as the policies say (``policy.dated_by``).  A stay
that is followed by another one under the next policy is cut by its own policy's readmission rule.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from datetime import date
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pandas as pd

from drg_engine.errors import Fault, PolicyError
from drg_engine.money import to_fen
from drg_engine.payment import PaymentColumns, Settlement, settle, settle_with_marks
from drg_engine.payment_columns import MISSING_FEN, categorical
from drg_engine.payment_fund import FundSplit, fund_totals, split_fund
from drg_engine.payment_result import empty_settlement
from drg_engine.payment_rules import Stays, readmitted, stays_of
from drg_engine.policy import Policy

__all__ = [
    "DatedSettlement",
    "chosen_policies",
    "in_force",
    "in_force_faults",
    "settle_dated",
    "settle_policies",
]

Rows = npt.NDArray[np.intp]
Fen = npt.NDArray[np.int64]

_NO_STAYS = Stays(
    rows=np.zeros(0, dtype=np.int32),
    group=np.zeros(0, dtype=np.int32),
    admitted=np.zeros(0, dtype=np.int64),
    left=np.zeros(0, dtype=np.int64),
)
"""Given in place of a part's own stays, which are looked for among all cases."""

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
    """``whole``: all cases in their order, for frames and roll-ups.

    Its ``policy`` is the latest of ``policies`` (in order of time), whose thresholds of indicators
    roll-ups use; ``chosen`` (n,) is the place in ``policies`` of the one that paid each case.
    ``parts``: for each policy that applied, its row numbers and the settlement of those rows.
    """

    whole: Settlement
    policies: tuple[Policy, ...]
    chosen: npt.NDArray[np.int64]
    parts: tuple[tuple[Rows, Settlement], ...]

    def locate(self, row: int) -> tuple[Settlement, int]:
        """The settlement that paid case ``row`` and its row there, for explain_payment."""
        for rows, part in self.parts:
            at = int(np.searchsorted(rows, row))
            if at < rows.size and rows[at] == row:
                return part, at
        raise IndexError(f"没有第 {row} 行")

    def policy_rows(self) -> list[tuple[str, str, int]]:
        """Each policy in words with its dates, its hash, and how many cases it paid."""
        counts = np.bincount(self.chosen, minlength=len(self.policies)).tolist()
        pairs = zip(self.policies, counts, strict=True)
        return [(policy.words(), policy.hash, count) for policy, count in pairs]

    def fund(self) -> FundSplit:
        """Who pays what of every case, by the way of the policy that paid it."""
        split = [(rows, split_fund(part)) for rows, part in self.parts]
        columns = {}
        for name in (one.name for one in fields(FundSplit)):
            columns[name] = np.full(self.whole.n, MISSING_FEN, dtype=np.int64)
            for rows, part in split:
                columns[name][rows] = getattr(part, name)
        return FundSplit(**columns)

    def fund_sums(self) -> dict[str, int]:
        """``cases`` whose split is known; fen that ``fund``, ``patient`` and ``other`` pay."""
        sums = [
            fund_totals(part.cases, part.policy, part.mode, part.paid) for _, part in self.parts
        ]
        names = ("cases", "fund", "patient", "other")
        return {name: sum(one[at] for one in sums) for at, name in enumerate(names)}


def in_force(
    dates: npt.NDArray[np.datetime64], policies: Sequence[Policy]
) -> npt.NDArray[np.int64]:
    """Place of the policy in force on each date (from ≤ date < to), -1 where there is none.

    Raises PolicyError where two policies are in force on one day.
    """
    faults = in_force_faults(policies)
    if faults:
        raise PolicyError("政策有效期有误", faults)
    chosen = np.full(dates.size, -1, dtype=np.int64)
    for place, policy in enumerate(policies):
        start, stop = (np.datetime64(day, "D") for day in _span(policy))
        chosen[(dates >= start) & (dates < stop)] = place
    return chosen


def in_force_faults(policies: Sequence[Policy]) -> list[Fault]:
    """A fault for each two policies, next to each other in time, that share days in force."""
    order = sorted(policies, key=_span)
    return [
        Fault(
            two.file,
            "两项政策的有效期重叠",
            column="policy.effective_from",
            found=f"{one.words()}、{two.words()}",
            mend="在前一份写 effective_to（不含当日），等于后一份的 effective_from",
        )
        for one, two in pairwise(order)
        if _span(one)[1] > _span(two)[0]
    ]


def settle_policies(cases: PaymentColumns, policies: Sequence[Policy]) -> DatedSettlement:
    """Settle by one policy, whatever the dates, or each case by the one of several in force.

    Cases that one policy settles outside its days in force are told in the notices.
    """
    if len(policies) > 1:
        return settle_dated(cases, policies)
    policy = policies[0]
    whole = settle(cases, policy)
    outside = _outside(cases, policy)
    whole = replace(whole, notices=(*whole.notices, *outside))
    every = np.arange(cases.n, dtype=np.intp)
    return DatedSettlement(whole, (policy,), np.zeros(cases.n, np.int64), ((every, whole),))


def settle_dated(cases: PaymentColumns, policies: Sequence[Policy]) -> DatedSettlement:
    """Settle each case by the policy in force on its date of discharge, or of settlement.

    The caps and found point values of a policy cover the cases of its time.  Raises PolicyError
    where a case has no date, no policy is in force, or the policies go by different dates.
    """
    policies, chosen = chosen_policies(cases, policies)
    parts = []
    for place in np.unique(chosen):
        rows = np.flatnonzero(chosen == place)
        alone, _ = settle_with_marks(cases.take(rows), policies[place], None, _NO_STAYS)
        parts.append((rows, alone))
    parts = _with_later_stays(cases, parts)
    whole = _joined(cases, policies[-1], parts)
    return DatedSettlement(whole, policies, chosen, tuple(parts))


def chosen_policies(
    cases: PaymentColumns, policies: Sequence[Policy]
) -> tuple[tuple[Policy, ...], npt.NDArray[np.int64]]:
    """The policies in order of time, and for each case the place of the one in force.

    Raises PolicyError as :func:`settle_dated`.
    """
    ordered = tuple(sorted(policies, key=_span))
    dates, named = _dates(cases, ordered)
    chosen = in_force(dates, ordered)
    _check_all(chosen, dates, ordered, named)
    return ordered, chosen


def _dates(
    cases: PaymentColumns, policies: Sequence[Policy]
) -> tuple[npt.NDArray[np.datetime64], str]:
    """The dates that choose among the policies, and their name."""
    by = {policy.rules.policy.dated_by for policy in policies}
    if len(by) > 1:
        found = "、".join(f"{one.name} {one.rules.policy.dated_by}" for one in policies)
        fault = Fault(policies[0].file, "各政策选用的日期不同", None, "policy.dated_by", found)
        raise PolicyError("不能按日期选政策", [fault])
    named = {"discharge": "出院日期", "settlement": "结算日期"}[by.pop()]
    dates = cases.discharge_date if named == "出院日期" else cases.settlement_date
    if dates is None:
        raise PolicyError(f"病例没有{named}，不能按日期选政策")
    return dates, named


def _outside(cases: PaymentColumns, policy: Policy) -> tuple[str, ...]:
    """A notice where the one policy was not in force on some cases' dates."""
    by_discharge = policy.rules.policy.dated_by == "discharge"
    dates = cases.discharge_date if by_discharge else cases.settlement_date
    if dates is None:
        return ()
    outside = int(((in_force(dates, [policy]) < 0) & ~np.isnat(dates)).sum())
    word = "出院" if by_discharge else "结算"
    words = f"{outside:,} 例的{word}日期不在政策有效期内，仍按此政策结算：{policy.words()}"
    return (words,) if outside else ()


def _with_later_stays(
    cases: PaymentColumns, parts: list[tuple[Rows, Settlement]]
) -> list[tuple[Rows, Settlement]]:
    """Cut stays that are followed by another, under whichever policy that one falls."""
    if all("readmission" not in part.parts for _, part in parts):
        return parts
    kind = np.zeros(cases.n, dtype=np.int8)
    for rows, part in parts:
        kind[rows] = part.kind
    stays = stays_of(cases)
    found = []
    for rows, part in parts:
        cut = part
        if "readmission" in part.parts:
            again = np.isin(rows, readmitted(cases, part.policy, stays, kind))
            cut = _cut(part, np.flatnonzero(again))
        found.append((rows, cut))
    return found


def _cut(part: Settlement, rows: Rows) -> Settlement:
    """The settlement with the stays ``rows`` paid as stays followed by another are."""
    paid = part.paid[rows]
    less = to_fen(paid / 100.0 * part.policy.rules.readmission.factor) - paid
    costed = part.cost_surplus[rows] != MISSING_FEN
    return replace(
        part,
        paid=_plus(part.paid, rows, less),
        adjustment=_plus(part.adjustment, rows, less),
        surplus=_plus(part.surplus, rows, less),
        cost_surplus=_plus(part.cost_surplus, rows[costed], less[costed]),
        parts={**part.parts, "readmission": _plus(part.parts["readmission"], rows, less)},
    )


def _plus(column: Fen, rows: Rows, more: Fen) -> Fen:
    found = column.copy()
    found[rows] += more
    return found


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
    chosen: npt.NDArray[np.int64],
    dates: npt.NDArray[np.datetime64],
    policies: Sequence[Policy],
    named: str,
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
        faults.append(Fault(names, f"有病例在{named}没有生效的政策", found=found))
    if dated.size < days.size:
        faults.append(Fault(names, f"有病例缺{named}", found=f"{days.size - dated.size} 例"))
    raise PolicyError("不能按日期选政策", faults)
