"""What a day counts: the calendar's coefficient, the first kind that fits (allocation.md §2)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from performance.model_keys import e4
from performance.points_model import CalendarModel

__all__ = ["KINDS_OF_DAY", "PLAIN", "DayFactors", "day_factors"]

KINDS_OF_DAY = ("makeup", "holiday", "weekend", "workday")
"""In the order in which they are tried."""

PLAIN = 10_000
"""The coefficient 1 in ten-thousandths."""

_SATURDAY = 5
_EPOCH_WEEKDAY = 3  # 1970-01-01 was a Thursday; Monday is 0


@dataclass(frozen=True)
class DayFactors:
    """Coefficients (ten-thousandths) of days; 1 throughout where a plan has no calendar.

    listed: day since 1970-01-01 -> kind, the first of :data:`KINDS_OF_DAY` that the file gives it.
    coefficients: by kind, empty without a calendar.
    """

    listed: dict[int, str]
    coefficients: dict[str, int]
    applies_to: frozenset[str] = frozenset()
    item_classes: frozenset[str] = frozenset()

    def kind(self, day: int) -> str:
        """Kind of a day: as the file has it, else by its weekday."""
        found = self.listed.get(day)
        if found is not None:
            return found
        return "weekend" if (day + _EPOCH_WEEKDAY) % 7 >= _SATURDAY else "workday"

    def of_day(self, day: int) -> int:
        """Coefficient of a day."""
        return self.coefficients[self.kind(day)] if self.coefficients else PLAIN

    def counts(self, what: str, item_class: str) -> bool:
        """Whether the coefficient applies to ``order``, ``execution`` or ``operation`` points."""
        if what not in self.applies_to:
            return False
        return not self.item_classes or item_class in self.item_classes


def day_factors(model: CalendarModel | None, calendar: pd.DataFrame) -> DayFactors:
    """Coefficients of a plan's calendar section and the calendar table (date, kind).

    A day that the table gives several kinds has the first: make-up workday, holiday, weekend,
    workday.  Days that are not in the table go by their weekday.
    """
    if model is None:
        return DayFactors({}, {})
    listed: dict[int, str] = {}
    for kind in reversed(KINDS_OF_DAY):
        days = calendar["date"].to_numpy(dtype=np.int64)[(calendar["kind"] == kind).to_numpy()]
        listed |= dict.fromkeys(days.tolist(), kind)
    return DayFactors(
        listed,
        {kind: e4(getattr(model, kind)) for kind in KINDS_OF_DAY},
        frozenset(model.applies_to),
        frozenset(model.item_classes),
    )
