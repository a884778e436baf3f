"""What a state of a simulation comes to, added up part by part; its tables beside a baseline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from drg_engine.attribution import PARTS
from drg_engine.group_sums import GroupSums, stacked
from drg_engine.payment import KINDS, MISSING_FEN, PaymentColumns, Settlement
from drg_engine.payment_fund import split_fund
from drg_engine.settle_totals import LEVELS as SETTLED_LEVELS
from drg_engine.settle_totals import group_keys
from drg_engine.surplus import exact_weights, sum_weights

__all__ = [
    "LEVELS",
    "StateSums",
    "attribution_table",
    "comparison_row",
    "kind_table",
    "level_table",
]

Ints = npt.NDArray[np.int64]

LEVELS: Mapping[str, tuple[str, ...]] = {
    name: by for name, by in SETTLED_LEVELS.items() if name != "kinds"
}
"""The tables of a comparison: a case is counted where it is in the baseline."""

_FINEST: Mapping[str, tuple[str, ...]] = {
    "people": ("hospital", "department", "doctor"),
    "groups": ("drg", "insurance"),
}
_COUNTED = ("cases", "settled", "grouped", "fund_cases")
_ADDED = (
    "units", "charges", "standard", "priced", "paid", "cost", "cost_surplus", "fund", "patient",
    "other",
)  # fmt: skip


class StateSums:
    """Sums of one state.  like: the baseline's sums, whose groups are numbered once for all.

    ``kinds``, ``kinds_paid`` int64 by KINDS; ``unweighted``: grouped cases without a weight;
    ``notices``: rules that could not be applied.
    """

    def __init__(self, like: StateSums | None) -> None:
        names = (*_COUNTED, *_ADDED)
        self._finest: dict[str, GroupSums] = {
            name: GroupSums(by, names, like=None if like is None else like._finest[name])
            for name, by in _FINEST.items()
        }
        self.kinds = np.zeros(len(KINDS), dtype=np.int64)
        self.kinds_paid = np.zeros(len(KINDS), dtype=np.int64)
        self.unweighted = 0
        self.notices: dict[str, None] = {}

    def groups(self, columns: PaymentColumns) -> dict[str, npt.NDArray[np.int32]]:
        """Groups of the cases as they came."""
        keys = group_keys(columns)
        return {name: sums.groups(keys, columns.n) for name, sums in self._finest.items()}

    def add(self, settled: Settlement, groups: Mapping[str, npt.NDArray[np.int32]]) -> None:
        """Add some cases by their groups."""
        counted, added = _measures(settled)
        flags = stacked(counted, settled.n, np.bool_)
        values = stacked(added, settled.n, np.int64)
        for name, sums in self._finest.items():
            sums.add(groups[name], flags, values)
        self.kinds += np.bincount(settled.kind, minlength=len(KINDS))
        np.add.at(self.kinds_paid, settled.kind, added["paid"])
        weighted = settled.cases.weight > 0
        self.unweighted += int(((settled.cases.status == 0) & ~weighted).sum())
        self.notices |= dict.fromkeys(settled.notices)

    def held(self) -> dict[str, Any]:
        """What has been added up as plain values, to be sent and merged."""
        return {
            "finest": {name: sums.held()[:2] for name, sums in self._finest.items()},
            "kinds": self.kinds,
            "kinds_paid": self.kinds_paid,
            "unweighted": self.unweighted,
            "notices": list(self.notices),
        }

    def merge(self, held: Mapping[str, Any]) -> None:
        """Take over what :meth:`held` gave elsewhere."""
        for name, (texts, sums) in held["finest"].items():
            none = np.zeros((len(texts), 0), dtype=np.uint8)
            self._finest[name].merge([tuple(text) for text in texts], sums, none)
        self.kinds += held["kinds"]
        self.kinds_paid += held["kinds_paid"]
        self.unweighted += held["unweighted"]
        self.notices |= dict.fromkeys(held["notices"])

    def level(self, name: str) -> tuple[pd.DataFrame, dict[str, Ints]]:
        """Keys of a level and the sums by name."""
        by = LEVELS[name]
        finest = "people" if set(by) <= set(_FINEST["people"]) else "groups"
        return self._finest[finest].rolled(by).table({})

    def totals(self) -> dict[str, int]:
        """Sums over all cases."""
        _, sums = self.level("total")
        return {name: int(values.sum()) for name, values in sums.items()}


def _measures(
    settled: Settlement,
) -> tuple[dict[str, npt.NDArray[np.bool_]], dict[str, Ints]]:
    cases = settled.cases
    charges, standard = cases.charges, settled.standard
    known, has_standard = charges != MISSING_FEN, standard != MISSING_FEN
    costed, fund = settled.cost_surplus != MISSING_FEN, split_fund(settled)
    split = fund.fund != MISSING_FEN
    grouped = cases.status == 0
    counted = {
        "cases": np.ones(settled.n, dtype=np.bool_),
        "settled": known,
        "grouped": grouped,
        "fund_cases": split,
    }
    added = {
        "units": np.where(grouped, exact_weights(cases.weight), 0),
        "charges": np.where(known, charges, 0),
        "standard": np.where(known & has_standard, standard, 0),
        "priced": np.where(known & has_standard, charges, 0),
        "paid": np.where(known & (settled.paid != MISSING_FEN), settled.paid, 0),
        "cost": np.where(costed, cases.cost, 0),
        "cost_surplus": np.where(costed, settled.cost_surplus, 0),
        "fund": np.where(split, fund.fund, 0),
        "patient": np.where(split, fund.patient, 0),
        "other": np.where(split, fund.other, 0),
    }
    return counted, added


def comparison_row(title: str, state: StateSums, base: StateSums) -> dict[str, Any]:
    """One row of the comparison: totals of a state, what it changes, cases by kind."""
    held, was = state.totals(), base.totals()
    rw = float(sum_weights(held["units"]))
    surplus = held["paid"] - held["charges"]
    row: dict[str, Any] = {
        "scenario": title,
        "cases": held["cases"],
        "grouped": held["grouped"],
        "rw": rw,
        "cmi": rw / held["grouped"] if held["grouped"] else np.nan,
        "charges_fen": held["charges"],
        "standard_fen": held["standard"],
        "paid_fen": held["paid"],
        "change_fen": held["paid"] - was["paid"],
        "change_rate": _rate(held["paid"] - was["paid"], was["paid"]),
        "surplus_fen": surplus,
        "surplus_rate": _rate(surplus, held["charges"]),
        "breakeven": _rate(held["standard"], held["priced"]),
        "cost_fen": held["cost"],
        "cost_surplus_fen": held["cost_surplus"],
        "fund_cases": held["fund_cases"],
        "fund_fen": held["fund"],
        "fund_change_fen": held["fund"] - was["fund"],
        "patient_fen": held["patient"],
        "other_fen": held["other"],
    }
    return row | {f"{kind}_cases": int(n) for kind, n in zip(KINDS, state.kinds, strict=True)}


def level_table(name: str, state: StateSums, base: StateSums) -> pd.DataFrame:
    """A level of LEVELS: keys, then the baseline's and the state's sums beside each other."""
    keys, before = base.level(name)
    _, after = state.level(name)
    old, new = before["paid"] - before["charges"], after["paid"] - after["charges"]
    turn = np.where((old < 0) & (new >= 0), "转盈", np.where((old >= 0) & (new < 0), "转亏", ""))
    change = after["paid"] - before["paid"]
    return keys.assign(
        cases=before["cases"],
        charges_fen=before["charges"],
        base_rw=sum_weights(before["units"]),
        rw=sum_weights(after["units"]),
        base_paid_fen=before["paid"],
        paid_fen=after["paid"],
        change_fen=change,
        change_rate=_rates(change, before["paid"]),
        base_surplus_fen=old,
        surplus_fen=new,
        base_cost_surplus_fen=before["cost_surplus"],
        cost_surplus_fen=after["cost_surplus"],
        base_fund_fen=before["fund"],
        fund_fen=after["fund"],
        breakeven=_rates(after["standard"], after["priced"]),
        turn=turn.astype(object),
    )


def kind_table(state: StateSums, base: StateSums) -> pd.DataFrame:
    """By kind of case: kind, base_cases, cases, base_paid_fen, paid_fen, change_fen."""
    frame = pd.DataFrame(
        {
            "kind": KINDS,
            "base_cases": base.kinds,
            "cases": state.kinds,
            "base_paid_fen": base.kinds_paid,
            "paid_fen": state.kinds_paid,
            "change_fen": state.kinds_paid - base.kinds_paid,
        }
    )
    return frame[(frame["base_cases"] > 0) | (frame["cases"] > 0)].reset_index(drop=True)


def attribution_table(
    name: str, names: Sequence[str], steps: Sequence[StateSums], base: StateSums, measure: str
) -> pd.DataFrame:
    """Parts of the difference by a level: ``<part>_fen`` of PARTS, then ``change_fen``.

    names, steps: the parts that change something and the states after each.  measure: ``surplus``
    (of what is paid, as charges stay) or ``cost_surplus``.
    """
    keys, before = base.level(name)
    column = "paid" if measure == "surplus" else "cost_surplus"
    last = before[column]
    parts = {part: np.zeros(len(keys), dtype=np.int64) for part in PARTS}
    for part, step in zip(names, steps, strict=True):
        now = step.level(name)[1][column]
        parts[part] = parts[part] + now - last
        last = now
    columns = {f"{part}_fen": values for part, values in parts.items()}
    return keys.assign(**columns, change_fen=last - before[column])


def _rates(above: Ints, below: Ints) -> npt.NDArray[np.float64]:
    out = np.full(above.shape, np.nan)
    return np.asarray(np.divide(above, below, out=out, where=below != 0), dtype=np.float64)


def _rate(above: int, below: int) -> float:
    return above / below if below else float("nan")
