"""Points of persons: who ordered, who carried out (allocation.md §6).

Kept while lines are summed, in bounded memory: a person's points in a unit are added exactly, in
10**-16 of a point, and rounded once.  What no known person of the series earned stays with nobody
(an empty staff id), so that persons and nobody sum to the unit's points.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from drg_engine.errors import AllocationError
from performance._kernels_points import add_persons
from performance.cells import Ground
from performance.measures import modified_points
from performance.points import Rules, day_applies, elsewhere_table, parts_with_unknown
from performance.products import rates_of
from performance.shares import TO_ORDER, TO_SELF
from performance.table_list import ROLES

__all__ = ["NOBODY", "PersonalPoints", "personal_table"]

Ints = npt.NDArray[np.int64]
Codes = npt.NDArray[np.int32]

NOBODY = ""
_ONE = 10_000
_HALF = 5 * 10**9
_WHOLE = 10**10
_COLUMNS = 1 + 2 * len(ROLES)


@dataclass(frozen=True)
class _ItemFacts:
    """What is asked of items (n,) for every chunk of lines."""

    order_coefficient_e4: Ints
    execution_coefficient_e4: Ints
    day_on_order: npt.NDArray[np.bool_]
    day_on_execution: npt.NDArray[np.bool_]
    elsewhere: npt.NDArray[np.bool_]

    @classmethod
    def of(cls, items: pd.DataFrame, rules: Rules) -> _ItemFacts:
        return cls(
            items["order_coefficient_e4"].to_numpy(dtype=np.int64),
            items["execution_coefficient_e4"].to_numpy(dtype=np.int64),
            day_applies(items, rules, "order"),
            day_applies(items, rules, "execution"),
            elsewhere_table(items, rules),
        )


class PersonalPoints:
    """Points by person and unit out of charge lines; give :meth:`add` to ``aggregate``."""

    def __init__(self, ground: Ground, rules: Rules) -> None:
        self._ground, self._rules = ground, rules
        staff = ground.staff
        series = pd.Index(ROLES).get_indexer(pd.Index(staff["series"]))
        units = pd.Index(ground.departments["department"])
        self._series = np.asarray(series, dtype=np.int64)
        self._home = np.asarray(units.get_indexer(pd.Index(staff["department"])), dtype=np.int64)
        self._facts = _ItemFacts.of(ground.items, rules)
        self._held = np.zeros((len(staff), len(units), 2), dtype=np.int64)
        self._used = 0
        self._rates = np.empty((0, _COLUMNS), dtype=np.int64)
        self._units = np.empty((0, 2), dtype=np.int64)

    def add(
        self, new: dict[str, Ints], slots: Codes, quantity: Ints, doctor: Codes, executor: Codes
    ) -> None:
        """Add lines with the cell of each; new: the columns of cells that were not there before.

        Raises AllocationError where a line's quantity leaves the exact range.
        """
        self._take(new)
        if int(np.abs(quantity).max(initial=0)) > 9 * 10**13:
            raise AllocationError("点数合计超出可精确计算的范围，请核对数量和点数")
        add_persons(
            slots, quantity, doctor, executor, self._rates, self._units, self._series, self._home,
            ROLES.index(self._rules.order_series), self._held,
        )  # fmt: skip

    def _take(self, new: dict[str, Ints]) -> None:
        count = len(new["item"])
        if self._used + count > len(self._rates):
            room = max(self._used + count, len(self._rates) * 3 // 2)
            rates = np.zeros((room, _COLUMNS), dtype=np.int64)
            units = np.full((room, 2), -1, dtype=np.int64)
            rates[: self._used] = self._rates[: self._used]
            units[: self._used] = self._units[: self._used]
            self._rates, self._units = rates, units
        place = slice(self._used, self._used + count)
        self._units[place] = np.stack([new["order"], new["execution"]], axis=1)
        self._rates[place] = 0
        known = np.flatnonzero(new["item"] >= 0)
        if len(known):
            self._rates[self._used + known] = self._rate({k: v[known] for k, v in new.items()})
        self._used += count

    def _rate(self, cells: dict[str, Ints]) -> Ints:
        """Points per unit (10**-12) of cells: ordering, executing to the one unit and the other."""
        items, rules, facts = self._ground.items, self._rules, self._facts
        item, modifiers = cells["item"], self._ground.sessions.modifiers
        series = (*ROLES, "")
        cut = modified_points(items, item, cells["modifier"], modifiers, series)
        factor_e4 = cells["factor_e4"]
        by_order = np.where(facts.day_on_order[item], factor_e4, _ONE)[cut.row]
        by_execution = np.where(facts.day_on_execution[item], factor_e4, _ONE)[cut.row]
        whole = np.zeros((len(cut.row), _COLUMNS), dtype=np.int64)
        order = facts.order_coefficient_e4[item[cut.row]]
        points = cut.points_e4[:, series.index(rules.order_series)]
        whole[:, 0] = rates_of(points, order * _ONE * by_order * cut.factor_e4)
        found = rules.shares.rules(cells["execution"], item, cells["segment"])[cut.row]
        start, role, to, share, _ = parts_with_unknown(rules.shares)
        coefficient = facts.execution_coefficient_e4[item[cut.row]]
        factor = coefficient * by_execution * cut.factor_e4
        rule = np.where(found < 0, len(start) - 2, found)
        for step in range(int(np.diff(start)[rule].max(initial=0))):
            there = np.flatnonzero(np.diff(start)[rule] > step)
            part = start[rule[there]] + step
            kept = (role[part] < len(ROLES)) & ((to[part] == TO_SELF) | (to[part] == TO_ORDER))
            there, part = there[kept], part[kept]
            lost = facts.elsewhere[item[cut.row[there]], role[part]]
            used = np.where(lost, 0, share[part])
            column = 1 + role[part] + len(ROLES) * (to[part] == TO_ORDER)
            worth = rates_of(cut.points_e4[there, role[part]], factor[there] * used)
            np.add.at(whole, (there, column), worth)
        summed = np.zeros((len(item), _COLUMNS), dtype=np.int64)
        np.add.at(summed, cut.row, whole)
        return summed

    def frame(self) -> pd.DataFrame:
        """Points of persons: department, series, staff_id, points_e6 (rounded half up once)."""
        person, unit = np.nonzero(self._held.any(axis=2))
        whole, left = self._held[person, unit, 0], self._held[person, unit, 1]
        total = whole + (left + _HALF) // _WHOLE
        staff = self._ground.staff
        return pd.DataFrame(
            {
                "department": self._ground.departments["department"].to_numpy(dtype=object)[unit],
                "series": staff["series"].to_numpy(dtype=object)[person],
                "staff_id": staff["staff_id"].to_numpy(dtype=object)[person],
                "points_e6": total.astype(np.int64),
            }
        )


def personal_table(by_department: pd.DataFrame, parts: list[pd.DataFrame]) -> pd.DataFrame:
    """Points of persons of all sources, and of nobody, that sum to each unit's and series' points.

    parts: tables of department, series, staff_id, points_e6.  Rows: as those, sorted; staff_id is
    empty for what nobody earned, which also takes the differences of rounding.
    """
    keys = ["department", "series", "staff_id"]
    filled = [part[[*keys, "points_e6"]] for part in parts if len(part)]
    total = by_department[["department", "series", "points_e6"]].assign(staff_id=NOBODY)
    for part in filled:
        total = pd.concat([total, part.assign(staff_id=NOBODY, points_e6=-part["points_e6"])])
    whole = pd.concat([*filled, total[[*keys, "points_e6"]]], ignore_index=True)
    summed = whole.groupby(keys, sort=True, as_index=False)[["points_e6"]].sum()
    summed = summed[(summed["points_e6"] != 0) | (summed["staff_id"] != NOBODY)]
    return summed.reset_index(drop=True)
