"""Settling: what each case is paid under a policy (payment.md §§2, 3 and 5).

Decisions where the specification leaves room:

- A case without total charges cannot be settled: kind ``unpriced``, all amounts but the standard
  are MISSING_FEN, never zero; roll-ups count it and leave it out of the sums.
- An insurance type that the policy gives no price is out of scope, paid as charged, with its own
  basis (``out_of_scope_no_rate``); rules in [[scope]] go first and give a named reason.
- Status ``invalid`` is paid as ``ungrouped``.
- A case with no standard (ungrouped, ambiguous, no weight, no rate) has standard MISSING_FEN and
  formula 0; what it gains or loses is adjustment.
- The cap counts places by hospital over the cases settled together.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from drg_engine._jit import run_split
from drg_engine.money import to_fen
from drg_engine.payment_cap import over_cap, places
from drg_engine.payment_columns import MISSING_FEN, Coded, PaymentColumns, categorical
from drg_engine.payment_modes import Facts, formula_fen
from drg_engine.payment_standard import Lookups, Rows, compile_lookups
from drg_engine.payment_words import (
    BASES,
    BASIS_TITLES,
    KIND_TITLES,
    KINDS,
    MODE_TITLES,
    MODES,
    basis_of,
    kind_of,
    mode_of,
)
from drg_engine.policy import Policy

__all__ = [
    "BASES",
    "BASIS_TITLES",
    "KINDS",
    "KIND_TITLES",
    "MISSING_FEN",
    "MODES",
    "MODE_TITLES",
    "Coded",
    "PaymentColumns",
    "Settlement",
    "settle",
]

Fen = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Small = npt.NDArray[np.int8]

_BLOCK = 32_768
_GROUPED, _AMBIGUOUS = 0, 1
_SHARED = ("ungrouped", "ambiguous", "no_weight")
_WITH_STANDARD = ("normal", "low", "high")


@dataclass(frozen=True, slots=True, eq=False)
class Settlement:
    """What each case is paid, n rows as columns.

    ``kind``, ``mode``, ``basis`` index KINDS, MODES and BASES; ``rule`` the policy's scope rule, -1
    none; ``ratio`` r and ``bound`` K are NaN where they do not apply; amounts are fen, MISSING_FEN
    where there is none.  Always ``formula + adjustment == surplus == paid − charges``.
    """

    cases: PaymentColumns
    policy: Policy
    kind: Small
    mode: Small
    basis: Small
    rule: npt.NDArray[np.int16]
    standard: Fen
    ratio: Floats
    bound: Floats
    paid: Fen
    formula: Fen
    adjustment: Fen
    surplus: Fen
    cost_surplus: Fen

    @property
    def n(self) -> int:
        """Number of cases."""
        return self.cases.n

    def basis_words(self) -> pd.Categorical:
        """The basis of each case in Chinese; an out-of-scope rule adds its name."""
        scope = self.policy.rules.scope
        by_rule = basis_of("out_of_scope", "as_charged")
        words = [*BASIS_TITLES, *(f"{BASIS_TITLES[by_rule]}：{rule.title}" for rule in scope)]
        codes = np.where(self.rule >= 0, len(BASES) + self.rule.astype(np.int32), self.basis)
        texts = list(dict.fromkeys(words))
        places_of = np.array([texts.index(word) for word in words], dtype=np.int32)
        return categorical(places_of[codes], texts)

    def to_frame(self) -> pd.DataFrame:
        """One row per case: id, group, kind, mode, basis and all amounts (fen, Int64 with NA)."""
        cases = self.cases
        columns: dict[str, object] = {
            "case_id": cases.case_id.to_pandas(),
            "drg": cases.label("drg").categorical(),  # type: ignore[union-attr]
            "weight": cases.weight,
            "insurance": cases.insurance.categorical(),
            "kind": categorical(self.kind, KINDS),
            "mode": categorical(self.mode, MODES),
            "basis": categorical(self.basis, BASES),
            "basis_words": self.basis_words(),
            "ratio": self.ratio,
            "bound": self.bound,
            "charges_fen": _nullable(cases.charges),
            "cost_fen": _nullable(cases.cost),
            "standard_fen": _nullable(self.standard),
            "paid_fen": _nullable(self.paid),
            "formula_fen": _nullable(self.formula),
            "adjustment_fen": _nullable(self.adjustment),
            "surplus_fen": _nullable(self.surplus),
            "cost_surplus_fen": _nullable(self.cost_surplus),
        }
        return pd.DataFrame(columns)


def settle(cases: PaymentColumns, policy: Policy) -> Settlement:
    """Settle cases under a policy.

    Amounts are rounded once at the case (money.to_fen).  The order of rows does not matter.
    Raises PolicyError where the policy names DRGs the scheme does not have, or lacks the bound of a
    hospital level that occurs.
    """
    lookups = compile_lookups(cases, policy)
    result = _empty(cases, policy)

    def classify(start: int, stop: int) -> None:
        for at in _blocks(start, stop):
            _classify(result, Rows(cases, at, lookups, policy))

    def reconcile(start: int, stop: int) -> None:
        for at in _blocks(start, stop):
            _reconcile(result, at)

    run_split(classify, cases.n)
    _apply_cap(result)
    _pay(result, lookups)
    run_split(reconcile, cases.n)
    return result


def _empty(cases: PaymentColumns, policy: Policy) -> Settlement:
    n = cases.n
    fen = [np.empty(n, dtype=np.int64) for _ in range(6)]
    return Settlement(
        cases=cases,
        policy=policy,
        kind=np.empty(n, dtype=np.int8),
        mode=np.empty(n, dtype=np.int8),
        basis=np.empty(n, dtype=np.int8),
        rule=np.full(n, -1, dtype=np.int16),
        standard=fen[0],
        ratio=np.empty(n, dtype=np.float64),
        bound=np.empty(n, dtype=np.float64),
        paid=fen[1],
        formula=fen[2],
        adjustment=fen[3],
        surplus=fen[4],
        cost_surplus=fen[5],
    )


def _blocks(start: int, stop: int) -> list[slice]:
    """Rows in blocks that stay in the processor's cache, so that no column is copied whole."""
    return [slice(at, min(at + _BLOCK, stop)) for at in range(start, stop, _BLOCK)]


def _classify(result: Settlement, rows: Rows) -> None:
    """Standard, ratio, bound and kind of some rows, in the order of payment.md §3 from its end."""
    cases, at, rules = rows.cases, rows.at, rows.policy.rules
    status, charges = cases.status[at], cases.charges[at]
    standard = rows.standard()
    priced = np.isfinite(standard) & (status == _GROUPED)
    result.standard[at] = np.where(priced, to_fen(np.where(priced, standard, 0.0)), MISSING_FEN)

    settled = priced & (charges != MISSING_FEN)
    below = rows.mean() if rules.standard.ratio_of == "mean" else standard
    settled_by = settled & np.isfinite(below) & (below > 0)
    fen = to_fen(np.where(settled_by, below, 1.0))
    ratio = np.where(settled_by, charges / np.maximum(fen, 1), np.nan)
    bound = np.where(settled_by, rows.high_bound(), np.nan)
    low, high = rules.low, rules.high
    is_low = ratio <= low.bound if low.inclusive and low.bound > 0 else ratio < low.bound
    is_high = ratio >= bound if high.inclusive else ratio > bound

    kind = np.full(status.size, kind_of("normal"), dtype=np.int8)
    basis = np.full(status.size, basis_of("normal", "standard"), dtype=np.int8)
    mode = np.full(status.size, mode_of("standard"), dtype=np.int8)

    def decide(where: npt.NDArray[np.bool_], name: str, paid_by: str, why: str = "") -> None:
        kind[where] = kind_of(name)
        mode[where] = mode_of(paid_by)
        basis[where] = basis_of(name, why or paid_by)

    decide(settled & ~settled_by, "normal", "standard", "no_mean")
    decide(is_high, "high", high.mode)
    decide(is_low, "low", low.mode)
    decide((status == _GROUPED) & ~priced, "no_weight", rules.no_weight.mode)
    decide(status == _AMBIGUOUS, "ambiguous", rules.ambiguous.mode)
    decide(status > _AMBIGUOUS, "ungrouped", rules.ungrouped.mode)
    no_rate = ~rows.lookups.has_rate[cases.insurance.codes[at]]
    decide(no_rate, "out_of_scope", "as_charged", "no_rate")
    for number in range(len(rows.lookups.scope) - 1, -1, -1):
        hit = rows.in_rule(rows.lookups.scope[number])
        decide(hit, "out_of_scope", "as_charged")
        result.rule[at][hit] = number
    unpriced = charges == MISSING_FEN
    decide(unpriced, "unpriced", "none")
    result.rule[at][unpriced] = -1

    in_scope = np.isin(kind, [kind_of(name) for name in _WITH_STANDARD])
    result.ratio[at] = np.where(in_scope, ratio, np.nan)
    result.bound[at] = np.where(in_scope, bound, np.nan)
    result.kind[at], result.mode[at], result.basis[at] = kind, mode, basis


def _apply_cap(result: Settlement) -> None:
    """Pay as normal the high cases for which the cap leaves no place."""
    cases, high = result.cases, result.policy.rules.high
    if high.cap_share >= 1:
        return
    codes = cases.hospital.codes
    counted = codes
    if high.cap_of == "in_scope":
        counted = codes[np.isin(result.kind, [kind_of(name) for name in _WITH_STANDARD])]
    known = len(cases.hospital.names)
    discharges = np.bincount(np.where(counted < 0, known, counted), minlength=known + 1)
    found = np.flatnonzero(result.kind == kind_of("high"))
    excess = cases.charges[found] - result.standard[found]
    allowed = places(high.cap_share, discharges)
    over = over_cap(found, excess, cases.case_id, codes[found], allowed)
    result.kind[over] = kind_of("normal")
    result.mode[over] = mode_of("standard")
    result.basis[over] = basis_of("normal", "over_cap")


def _pay(result: Settlement, lookups: Lookups) -> None:
    """Fill ``paid``: the standard, the charges, or a formula over the rows that need one."""
    cases, rules = result.cases, result.policy.rules
    by_standard = result.mode == mode_of("standard")
    np.copyto(result.paid, np.where(by_standard, result.standard, cases.charges))
    for name in _SHARED:
        rows = np.flatnonzero((result.kind == kind_of(name)) & (result.mode == mode_of("share")))
        share = getattr(rules, name).share
        result.paid[rows] = to_fen(cases.charges[rows] / 100.0 * share)
    plain = ("standard", "as_charged", "share", "none")
    formulas = np.flatnonzero(~np.isin(result.mode, [mode_of(name) for name in plain]))
    for mode in np.unique(result.mode[formulas]):
        rows = formulas[result.mode[formulas] == mode]
        facts = Facts(
            Rows(cases, rows, lookups, result.policy),
            charges=cases.charges[rows] / 100.0,
            standard=result.standard[rows] / 100.0,
            ratio=result.ratio[rows],
            bound=result.bound[rows],
        )
        result.paid[rows] = formula_fen(MODES[mode], facts)


def _reconcile(result: Settlement, at: slice) -> None:
    """Split the surplus: formula = S − C where there is a standard, adjustment the rest."""
    charges, cost = result.cases.charges[at], result.cases.cost[at]
    paid, standard = result.paid[at], result.standard[at]
    known = charges != MISSING_FEN
    has_standard = standard != MISSING_FEN
    formula = np.where(has_standard, standard - charges, 0)
    surplus = paid - charges
    result.formula[at] = np.where(known, formula, MISSING_FEN)
    result.surplus[at] = np.where(known, surplus, MISSING_FEN)
    result.adjustment[at] = np.where(known, surplus - formula, MISSING_FEN)
    costed = known & (cost != MISSING_FEN)
    result.cost_surplus[at] = np.where(costed, paid - cost, MISSING_FEN)


def _nullable(fen: Fen) -> pd.arrays.IntegerArray:
    return pd.arrays.IntegerArray(fen.copy(), fen == MISSING_FEN)
