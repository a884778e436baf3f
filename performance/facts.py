"""What a month's allocation computes from, as plain arrays: n departments, s series, m posts.

Everything is in a fixed order (departments by code, posts by department, series and person), so
nothing depends on the order of any file's rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["DrgFacts", "Facts", "Posts", "Singles"]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Posts:
    """Posts (m), sorted by department, series and person.

    person: place among ``ids``.  department, series: places, -1 where unknown to tables or plan.
    share: part of the month that the post takes (1 for a whole one).  attendance: days present /
    days due, NaN without attendance.  score NaN where there is none.  points: personal points.
    main: where the person's own single items stand (one post of each person).
    """

    ids: tuple[str, ...]
    person: Ints
    department: Ints
    series: Ints
    titles: tuple[str, ...]
    share: Floats
    post: Floats
    title: Floats
    attendance: Floats
    days_present: Floats
    days_due: Floats
    score: Floats
    evaluation: Floats
    satisfaction: Floats
    points: Floats
    income: Floats
    main: Mask

    @property
    def m(self) -> int:
        """Number of posts."""
        return len(self.person)


@dataclass(frozen=True)
class Singles:
    """Single items (r) that reach someone: signed fen, whose, and out of which money.

    person: place among the posts' ids, -1 for a department's item.  department: place (of the
    person's main post).  series: place, -1 where a whole department's item is cut over its series.
    funding: 0 within, 1 outside, 2 department, 3 head's fund.
    """

    amount_fen: Ints
    person: Ints
    department: Ints
    series: Ints
    funding: Ints
    taxable: Mask
    matter: tuple[str, ...]


@dataclass(frozen=True)
class DrgFacts:
    """DRG figures of the departments (n): the cases that the plan counts.

    surplus_fen int64; rw, cases, drg_count, cost_index, time_index, low_risk_mortality float64,
    NaN where there is nothing to divide by.
    """

    surplus_fen: Ints
    rw: Floats
    cases: Floats
    drg_count: Floats
    cost_index: Floats
    time_index: Floats
    low_risk_mortality: Floats

    @classmethod
    def nothing(cls, n: int) -> DrgFacts:
        """No cases at all."""
        none, nan = np.zeros(n), np.full(n, np.nan)
        return cls(np.zeros(n, dtype=np.int64), none, none, none, nan, nan, nan)

    @property
    def cmi(self) -> Floats:
        """ΣRW / cases, NaN without cases."""
        with np.errstate(all="ignore"):
            return np.asarray(np.where(self.cases > 0, self.rw / self.cases, np.nan))


@dataclass(frozen=True)
class Facts:
    """A whole month.  points_e6, order_e6, execution_e6 are int64 (s, n + 1), UNKNOWN last.

    costs: amounts by cost subject (n); indicators: actual and reference (n) by name, NaN missing;
    incomes: amounts in fen (n) by field of the formulas.  pools: fen (s), 0 for floating series.
    past_fen, has_past: history (s, n).  opening_fen: head's funds (s, n).
    """

    departments: tuple[str, ...]
    kinds: tuple[str, ...]
    coefficient: Floats
    points_e6: Ints
    order_e6: Ints
    execution_e6: Ints
    score: Floats
    costs: Mapping[str, Ints]
    indicators: Mapping[str, tuple[Floats, Floats]]
    incomes: Mapping[str, Floats]
    drg: DrgFacts
    pools: Ints
    past_fen: Ints
    has_past: Mask
    opening_fen: Ints
    posts: Posts
    singles: Singles

    @property
    def n(self) -> int:
        """Number of departments."""
        return len(self.departments)
