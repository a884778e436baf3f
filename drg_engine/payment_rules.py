"""The further rules of payment.md §3: special review, extra items, TCM share, readmission.

Each works on whole columns and only where the policy turns it on.  A rule whose column the cases
do not have is told in the settlement's notices and pays nothing.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from drg_engine.money import to_fen
from drg_engine.payment_cap import over_cap, places
from drg_engine.payment_columns import MISSING_FEN, PaymentColumns
from drg_engine.payment_result import Settlement
from drg_engine.payment_standard import Lookups, Rows, by_name, prefixed
from drg_engine.payment_words import basis_of, kind_of, mode_of
from drg_engine.policy import Policy

__all__ = [
    "apply_extra",
    "apply_review",
    "cut_readmissions",
    "cut_tcm",
    "discharges",
    "new_parts",
    "notices",
]

Fen = npt.NDArray[np.int64]

_BY_DRG = tuple(kind_of(name) for name in ("normal", "low", "high"))
_NOT_REVIEWED = tuple(kind_of(name) for name in ("out_of_scope", "unpriced"))


def notices(cases: PaymentColumns, policy: Policy) -> tuple[str, ...]:
    """Rules that are on and cannot be applied, in Chinese."""
    rules = policy.rules
    found = []
    if rules.review.column and rules.review.column not in cases.amounts:
        found.append(f"政策有特例单议，但病例没有“{rules.review.column}”列，未执行")
    lacking = [rule for rule in rules.extra if rule.column not in cases.amounts]
    found += [f"除外支付“{rule.title}”：病例没有“{rule.column}”列，未执行" for rule in lacking]
    if rules.tcm.drgs and rules.tcm.column not in cases.amounts:
        found.append(f"政策有中医费用占比，但病例没有“{rules.tcm.column}”列，未执行")
    if rules.readmission.days is not None and not _has_stays(cases):
        found.append("政策有再入院规则，但病例没有人员编号或入院、出院日期，未执行")
    return tuple(found)


def discharges(codes: npt.NDArray[np.int32], known: int) -> npt.NDArray[np.int64]:
    """Cases by hospital (known + 1,), the last place for those without one."""
    counted = np.bincount(np.where(codes < 0, known, codes), minlength=known + 1)
    return counted.astype(np.int64)


def apply_review(result: Settlement) -> None:
    """Pay listed cases by decision, at most a share of discharges, the largest C − S first."""
    cases, said = result.cases, result.policy.rules.review
    decided = cases.amounts.get(said.column)
    if not said.column or decided is None:
        return
    found = np.flatnonzero((decided != MISSING_FEN) & ~np.isin(result.kind, _NOT_REVIEWED))
    codes = cases.hospital.codes
    allowed = places(said.cap_share, discharges(codes, len(cases.hospital.names)))
    standard = np.where(result.standard[found] == MISSING_FEN, 0, result.standard[found])
    over = over_cap(found, cases.charges[found] - standard, cases.case_id, codes[found], allowed)
    chosen = np.setdiff1d(found, over)
    _set(result, chosen, "review", "decision", "decision")


def apply_extra(result: Settlement, lookups: Lookups) -> None:
    """Pay S plus the new item's charges over the DRG's mean, in place of the high rule.

    Eligible: charges over a multiple of A and the item's share of charges over a bound, both
    strict, and the DRG's mean for the class stated.  The first rule that fits counts.
    """
    rules = result.policy.rules
    if "extra" not in result.parts:
        return
    part = result.parts["extra"]
    first = len(rules.scope) + len(rules.bed_day)
    for number in range(len(rules.extra) - 1, -1, -1):
        rule = rules.extra[number]
        item = result.cases.amounts.get(rule.column)
        if item is None:
            continue
        kinds = [kind_of("normal"), kind_of("high")]
        found = np.flatnonzero((item != MISSING_FEN) & np.isin(result.kind, kinds))
        charges = result.cases.charges[found]
        mean = Rows(result.cases, found, lookups, result.policy).mean()
        usual = by_name(result.cases.drg_codes, rule.means)[result.cases.drg[found]]
        share = np.divide(item[found], charges, out=np.zeros(found.size), where=charges > 0)
        fits = (charges > rule.charges_over * (mean * 100.0)) & (share > rule.share_over)
        fits &= np.isfinite(usual)
        rows = found[fits]
        part[rows] = np.maximum(item[rows] - to_fen(usual[fits]), 0)
        _set(result, rows, "normal", "standard", "extra")
        result.rule[rows] = first + number


def cut_tcm(result: Settlement) -> None:
    """Pay only a share of a TCM group's case whose TCM charges fall short."""
    cases, said = result.cases, result.policy.rules.tcm
    own = cases.amounts.get(said.column)
    if "tcm" not in result.parts or own is None:
        return
    listed = np.isin(np.array(cases.drg_codes), np.array(said.drgs))
    found = np.flatnonzero(listed[cases.drg] & np.isin(result.kind, _BY_DRG))
    charges = cases.charges[found]
    counted = np.where(own[found] == MISSING_FEN, 0, own[found])
    share = np.divide(counted, charges, out=np.zeros(found.size), where=charges > 0)
    rows = found[share < said.minimum]
    _cut(result, "tcm", rows, said.otherwise)


def cut_readmissions(result: Settlement) -> None:
    """Pay only a share of a stay that the same person follows by another in the same DRG."""
    cases, said = result.cases, result.policy.rules.readmission
    if "readmission" not in result.parts or not _has_stays(cases):
        return
    assert said.days is not None  # noqa: S101 -- the part is there only when the rule is on
    person = cases.labels["person_id"].codes
    admitted, left = cases.admission_date, cases.discharge_date
    assert admitted is not None and left is not None  # noqa: S101 -- see _has_stays
    known = (person >= 0) & ~np.isnat(admitted) & ~np.isnat(left)
    found = np.flatnonzero(known & np.isin(result.kind, _BY_DRG))
    order = found[np.lexsort((left[found], admitted[found], cases.drg[found], person[found]))]
    earlier, later = order[:-1], order[1:]
    gap = (admitted[later] - left[earlier]).astype(np.int64)
    close = (person[earlier] == person[later]) & (cases.drg[earlier] == cases.drg[later])
    close &= (gap >= 0) & (gap <= said.days)
    if said.except_dx:
        spared = prefixed(cases.dx_names, said.except_dx)[cases.principal]
        close &= ~(spared[earlier] | spared[later])
    _cut(result, "readmission", earlier[close], said.factor)


def new_parts(cases: PaymentColumns, policy: Policy) -> Mapping[str, Fen]:
    """Columns of 0 fen for the further rules that are on."""
    rules = policy.rules
    on = {
        "extra": bool(rules.extra),
        "tcm": bool(rules.tcm.drgs),
        "readmission": rules.readmission.days is not None,
    }
    return {name: np.zeros(cases.n, dtype=np.int64) for name, used in on.items() if used}


def _cut(result: Settlement, name: str, rows: npt.NDArray[np.intp], share: float) -> None:
    kept = to_fen(result.paid[rows] / 100.0 * share)
    result.parts[name][rows] = kept - result.paid[rows]
    result.paid[rows] = kept


def _set(result: Settlement, rows: npt.NDArray[np.intp], kind: str, mode: str, why: str) -> None:
    result.rule[rows] = -1
    result.kind[rows] = kind_of(kind)
    result.mode[rows] = mode_of(mode)
    result.basis[rows] = basis_of(kind, why)


def _has_stays(cases: PaymentColumns) -> bool:
    dated = cases.admission_date is not None and cases.discharge_date is not None
    return dated and "person_id" in cases.labels
