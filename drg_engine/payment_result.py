"""A settlement: what each case is paid, as columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd

from drg_engine._policy_model import Named
from drg_engine.payment_columns import MISSING_FEN, PaymentColumns, categorical
from drg_engine.payment_words import (
    BASES,
    BASIS_TITLES,
    KINDS,
    MODES,
    PART_TITLES,
    PARTS,
    basis_of,
)
from drg_engine.policy import Policy

__all__ = ["Settlement", "empty_settlement"]

Fen = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Small = npt.NDArray[np.int8]


@dataclass(frozen=True, slots=True, eq=False)
class Settlement:
    """What each case is paid, n rows as columns.

    ``kind``, ``mode``, ``basis`` index KINDS, MODES and BASES; ``rule`` numbers the policy's rules,
    counted on through scope, bed_day and extra, -1 none; ``ratio`` r and ``bound`` K are NaN where
    they do not apply; amounts are fen, MISSING_FEN where there is none.
    Always ``formula + adjustment == surplus == paid − charges``.
    ``parts`` names what of the adjustment each further rule made (PARTS, only rules that are on; 0
    where it did not apply); the rest of it comes from the kind of case.  ``notices`` tell which
    rules could not be applied for want of a column.  ``words`` is what :meth:`basis_words` gives
    where several policies made the settlement (payment_dated).
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
    parts: Mapping[str, Fen] = field(default_factory=dict)
    notices: tuple[str, ...] = ()
    words: pd.Categorical | None = None

    @property
    def n(self) -> int:
        """Number of cases."""
        return self.cases.n

    def basis_words(self) -> pd.Categorical:
        """The basis of each case in Chinese; a rule of the policy adds its name."""
        if self.words is not None:
            return self.words
        words = [*BASIS_TITLES, *self._rule_words()]
        codes = np.where(self.rule >= 0, len(BASES) + self.rule.astype(np.int64), self.basis)
        said = np.zeros(self.n, dtype=np.int64)
        for number, name in enumerate(PARTS):
            if name in self.parts and name != "extra":
                said += (self.parts[name] != 0).astype(np.int64) << number
        found, places = np.unique(codes + len(words) * said, return_inverse=True)
        texts = [self._with_parts(words[code % len(words)], code // len(words)) for code in found]
        names = list(dict.fromkeys(texts))
        at = np.array([names.index(text) for text in texts], dtype=np.int32)
        return categorical(at[places], names)

    def _rule_words(self) -> list[str]:
        """Words for each number that ``rule`` can have."""
        rules = self.policy.rules
        by: list[tuple[int, tuple[Named, ...]]] = [
            (basis_of("out_of_scope", "as_charged"), rules.scope),
            (basis_of("bed_day", "bed_day"), rules.bed_day),
            (basis_of("normal", "extra"), rules.extra),
        ]
        return [f"{BASIS_TITLES[basis]}：{rule.title}" for basis, listed in by for rule in listed]

    def _with_parts(self, text: str, said: int) -> str:
        """``text`` with the further rules of the bits of ``said``."""
        more = [title for number, title in enumerate(PART_TITLES) if said >> number & 1]
        return "；".join([text, *more])

    def to_frame(self) -> pd.DataFrame:
        """One row per case: id, group, labels, kind, basis and amounts (fen, Int64 with NA)."""
        cases = self.cases
        columns: dict[str, object] = {
            "case_id": cases.case_id.to_pandas(),
            "drg": cases.label("drg").categorical(),  # type: ignore[union-attr]
            "weight": cases.weight,
            "insurance": cases.insurance.categorical(),
            **{
                name: label.categorical()
                for name, label in cases.labels.items()
                if name != "person_id"
            },
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
            **{f"{name}_fen": _nullable(self.parts[name]) for name in PARTS if name in self.parts},
        }
        return pd.DataFrame(columns)


def empty_settlement(
    cases: PaymentColumns, policy: Policy, parts: Sequence[str] = (), notices: tuple[str, ...] = ()
) -> Settlement:
    """Columns for a settlement of ``cases``, to be filled; ``parts``: the further rules on."""
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
        parts={name: np.empty(n, dtype=np.int64) for name in parts},
        notices=notices,
    )


def _nullable(fen: Fen) -> pd.arrays.IntegerArray:
    return pd.arrays.IntegerArray(fen.copy(), fen == MISSING_FEN)
