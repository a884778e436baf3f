"""What the day of a charge line decides: item version, units, coefficient; which date counts.

Days (and sources) that decide alike are one *class*; class 0 is a day that does not count.  A class
is looked up once, not once a line.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from drg_engine.errors import Fault, InputError
from performance.calendar import PLAIN, DayFactors
from performance.columns import NO_DATE, Coded
from performance.dated import Segments, row_of_key
from performance.lines import HEADINGS, ChargeLines
from performance.points_model import DatesModel

__all__ = ["CountedDates", "DayClasses"]

Ints = npt.NDArray[np.int64]
Codes = npt.NDArray[np.int32]

_COLUMNS = {"charge": "date", "execution": "execution_date", "payment": "payment_date"}


class CountedDates:
    """Which of a line's dates counts, by source and class (allocation.md §2).

    A refund counts on its charge date, in the month of the refund.
    """

    def __init__(self, model: DatesModel, classes: Sequence[str]) -> None:
        self._model = model
        self._classes = list(classes)
        self.plain = model.default == "charge" and all(r.date == "charge" for r in model.rules)

    def of(self, lines: ChargeLines, item_class: Codes) -> Codes:
        """Day of each line (int32, n), NO_DATE where the date that counts is blank.

        item_class: place of each line's class, -1 unknown.  Raises InputError where the file lacks
        a column that the plan needs.
        """
        if self.plain:
            return lines.date
        source = lines.source or Coded.same("", lines.n)
        names = [self._names(text) for text in source.values]
        used = sorted({name for row in names for name in row})
        days = np.stack([self._column(lines, name) for name in used])
        table = np.array([[used.index(name) for name in row] for row in names], dtype=np.int64)
        choice = table[source.codes, item_class]
        choice = np.where(lines.quantity_e4 < 0, used.index("charge"), choice)
        return np.asarray(days[choice, np.arange(lines.n)], dtype=np.int32)

    def _names(self, source: str) -> list[str]:
        """Date that counts for each class of a source, the unknown class last."""
        found = []
        for item_class in [*self._classes, None]:
            rules = [
                rule.date
                for rule in self._model.rules
                if rule.source in ("*", source) and rule.item_class in ("*", item_class)
            ]
            found.append(rules[0] if rules else self._model.default)
        return [*found, "charge"]

    @staticmethod
    def _column(lines: ChargeLines, name: str) -> Codes:
        held: Codes | None = getattr(lines, _COLUMNS[name])
        if held is None:
            heading = HEADINGS[_COLUMNS[name]][0]
            mend = f"请加上“{heading}”列，或改方案的 [dates]"
            fault = Fault(lines.file, f"方案按{heading}计入，文件没有这一列", row=1, mend=mend)
            raise InputError(f"{lines.file} 缺少“{heading}”列", [fault])
        return held


class DayClasses:
    """Classes met so far, and per class what they decide.

    item_at: int64 (classes, codes + 1), row of the item version of each code, -1 where none holds;
    unit_at: int64 (classes, HIS codes + 1), row of the unit, -1 unknown.  The last column is for
    texts nobody knows.  segment, factor_e4, source: of each class.
    """

    def __init__(
        self,
        segments: Segments,
        factors: DayFactors,
        period: tuple[int, int] | None,
        items: pd.DataFrame,
        departments: pd.DataFrame,
        units: pd.DataFrame,
    ) -> None:
        self._segments, self._factors, self._period = segments, factors, period
        self._items, self._units = items, units
        self._departments = pd.Index(departments["department"].to_numpy(dtype=object))
        self.codes = list(dict.fromkeys(items["item_code"]))
        self.his_codes = list(dict.fromkeys([*units["his_code"], *self._departments]))
        self.mapped = set(units["his_code"])
        self.segment, self.factor_e4, self.source = [-1], [PLAIN], [""]
        self._known: dict[tuple[int, int, str], int] = {}
        self.item_at = np.full((1, len(self.codes) + 1), -1, dtype=np.int64)
        self.unit_at = np.full((1, len(self.his_codes) + 1), -1, dtype=np.int64)

    def of(self, days: Codes, source: Coded | None) -> Codes:
        """Class of each line (int32, n)."""
        dated = days != NO_DATE
        if not len(days) or not dated.any():
            return np.zeros(len(days), dtype=np.int32)
        inside = days if dated.all() else days[dated]
        first, last = int(inside.min()), int(inside.max())
        place = days - np.int32(first)
        if not dated.all():
            place = np.where(dated, place, 0).astype(np.int32)
        there = np.zeros(last - first + 1, dtype=bool)
        there[place] = True
        held = source or Coded.same("", 0)
        table = np.zeros((len(held.dictionary), len(there)), dtype=np.int32)
        for row, text in enumerate(held.values):
            for day in np.flatnonzero(there).tolist():
                table[row, day] = self._class(first + day, text)
        found = table[0][place] if source is None else table[held.codes, place]
        return found if dated.all() else np.where(dated, found, 0).astype(np.int32)

    def _class(self, day: int, source: str) -> int:
        if self._period is not None and not self._period[0] <= day < self._period[1]:
            return 0
        segment = int(self._segments.of([day])[0])
        key = (segment, self._factors.of_day(day), source)
        if key not in self._known:
            self._known[key] = len(self.segment)
            self._add(key)
        return self._known[key]

    def _add(self, key: tuple[int, int, str]) -> None:
        """A new class; what its segment decides is copied from a class of the same segment."""
        segment = key[0]
        if segment in self.segment:
            place = self.segment.index(segment)
            item, unit = self.item_at[place], self.unit_at[place]
        else:
            day = self._segments.day(segment)
            item = np.append(row_of_key(self._items, "item_code", self.codes, day), -1)
            unit = np.append(self._unit_rows(day), -1)
        self.item_at = np.vstack([self.item_at, item[None]])
        self.unit_at = np.vstack([self.unit_at, unit[None]])
        for column, value in zip((self.segment, self.factor_e4, self.source), key, strict=True):
            column.append(value)  # type: ignore[attr-defined]

    def _unit_rows(self, day: int) -> Ints:
        """Unit of each HIS code: as the mapping says; other codes are units themselves."""
        row = row_of_key(self._units, "his_code", self.his_codes, day)
        target = np.append(self._units["department"].to_numpy(dtype=object), "")[row]
        mapped = np.array([code in self.mapped for code in self.his_codes], dtype=bool)
        named = np.where(mapped, target, np.array(self.his_codes, dtype=object))
        return np.asarray(self._departments.get_indexer(pd.Index(named)), dtype=np.int64)
