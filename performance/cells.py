"""Charge lines summed into cells, streamed and exact (allocation.md §2).

A cell is one item version, ordering and executing unit, class of day (see day_classes.py) and
modifier (see sessions.py).  Quantities are int64 ten-thousandths and amounts int64 fen, so sums do
not depend on the order of rows or on how a month is cut into parts.  Nothing is dropped: what is
not known is -1 and is told.  Memory is bounded by the number of cells, not of lines.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from performance.calendar import DayFactors
from performance.dated import Segments
from performance.points_model import DatesModel
from performance.sessions import Modifier, Sessions

if TYPE_CHECKING:
    pass

__all__ = ["Cells", "Ground"]

Ints = npt.NDArray[np.int64]
Codes = npt.NDArray[np.int32]

_CHUNK = 1 << 16
_FILL = 0.5
_MOST = 9e18


@dataclass(frozen=True)
class Ground:
    """What lines are looked up in: tables whose rows other tables and cells refer to by place.

    period: days [from, to) outside which a line is UNKNOWN; None counts every date.
    """

    items: pd.DataFrame
    departments: pd.DataFrame
    staff: pd.DataFrame
    units: pd.DataFrame
    segments: Segments
    factors: DayFactors = field(default_factory=lambda: DayFactors({}, {}))
    dates: DatesModel = field(default_factory=DatesModel)
    sessions: Sessions = field(default_factory=lambda: Sessions(None))
    period: tuple[int, int] | None = None


@dataclass(frozen=True)
class Cells:
    """Lines summed over (item version, ordering unit, executing unit, class of day, modifier).

    item: row of the item table, -1 unknown.  order, execution: row of the department table, -1
    unknown.  segment: of the dated tables, -1 where the day does not count.  factor_e4:
    coefficient of the day.  source: place in ``sources``.  modifier: place in ``modifiers``.  rows,
    quantity_e4, amount_fen: int64 sums.  exceptions: what was not known, with rows and sums.
    rows_read, quantity_read_e4, amount_read_fen: of all lines read.
    """

    item: Ints
    order: Ints
    execution: Ints
    segment: Ints
    factor_e4: Ints
    source: Ints
    modifier: Ints
    rows: Ints
    quantity_e4: Ints
    amount_fen: Ints
    sources: tuple[str, ...]
    modifiers: tuple[Modifier, ...]
    exceptions: pd.DataFrame
    rows_read: int
    rows_rejected: int
    quantity_read_e4: int
    amount_read_fen: int
