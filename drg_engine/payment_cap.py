"""Places under a cap: at most a share of discharges, the largest losses first."""

from __future__ import annotations

from decimal import ROUND_FLOOR, Decimal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from drg_engine._kernels_payment_cap import count_cases, rank_cases
from drg_engine.payment_columns import Coded
from drg_engine.payment_tables import read_only

__all__ = ["discharges", "over_cap", "places", "without_place"]

Rows = npt.NDArray[np.int64]


def places(share: float, discharges: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Whole cases in ``share`` of each count, rounded down in decimals (0.05 of 200 is 10)."""
    exact = Decimal(str(share))
    return np.array(
        [int((exact * int(n)).to_integral_value(ROUND_FLOOR)) for n in discharges], dtype=np.int64
    )


def discharges(hospital: Coded, kind: npt.NDArray[np.int8] | None = None) -> npt.NDArray[np.int64]:
    """Cases by hospital (known + 1,), the last place for those without one.

    kind int8 (n,): count only cases paid by DRG (normal, low, high).
    """
    counts = np.zeros(len(hospital.names) + 1, dtype=np.int64)
    kinds = np.zeros(0, dtype=np.int8) if kind is None else kind
    count_cases(read_only(hospital.codes, np.int32), read_only(kinds, np.int8), counts)
    return counts


def over_cap(
    candidates: Rows,
    excess: npt.NDArray[np.int64],
    case_id: pa.Array,
    hospital: npt.NDArray[np.int32],
    allowed: npt.NDArray[np.int64],
) -> Rows:
    """Candidates for which no place is left, sorted; see :func:`without_place`."""
    return np.sort(candidates[without_place(candidates, excess, case_id, hospital, allowed)])


def without_place(
    candidates: Rows,
    excess: npt.NDArray[np.int64],
    case_id: pa.Array,
    hospital: npt.NDArray[np.int32],
    allowed: npt.NDArray[np.int64],
) -> npt.NDArray[np.bool_]:
    """Which candidates have no place (payment.md §3): bool (m,).

    candidates: row numbers (m,); excess: their C − S in fen (m,); case_id: of all rows; hospital:
    code of each candidate (m,), -1 reading the last entry of ``allowed`` (places by hospital).
    Largest excess first, ties by case id in the order of its bytes; ids are looked at only where
    they decide.
    """
    over = np.zeros(candidates.size, dtype=np.bool_)
    least, free = np.zeros((2, allowed.size), dtype=np.int64)
    room = np.empty(candidates.size, dtype=np.int64)
    starts = np.zeros(allowed.size + 1, dtype=np.int64)
    codes, amounts = read_only(hospital, np.int32), read_only(excess, np.int64)
    if rank_cases(codes, amounts, allowed, room, starts, least, free, over) == 0:
        return over
    tied = np.flatnonzero(excess == least[hospital])
    order = np.lexsort((_ranks(case_id.take(pa.array(candidates[tied]))), hospital[tied]))
    tied = tied[order]
    groups = np.where(hospital[tied] < 0, allowed.size - 1, hospital[tied])
    first = np.flatnonzero(np.r_[True, groups[1:] != groups[:-1]])
    rank = np.arange(tied.size) - np.repeat(first, np.diff(np.r_[first, tied.size]))
    over[tied[rank >= free[groups]]] = True
    return over


def _ranks(ids: pa.Array) -> Rows:
    """Place of each id in the order of their bytes."""
    ranks = np.empty(len(ids), dtype=np.int64)
    ranks[np.asarray(pc.sort_indices(pa.array(ids)))] = np.arange(len(ids))
    return ranks
