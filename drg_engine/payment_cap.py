"""The cap on high cases: at most a share of discharges, the largest losses first."""

from __future__ import annotations

from decimal import ROUND_FLOOR, Decimal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["over_cap", "places"]

Rows = npt.NDArray[np.intp]


def places(share: float, discharges: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Whole cases in ``share`` of each count, rounded down in decimals (0.05 of 200 is 10)."""
    exact = Decimal(str(share))
    return np.array(
        [int((exact * int(n)).to_integral_value(ROUND_FLOOR)) for n in discharges], dtype=np.int64
    )


def over_cap(
    candidates: Rows,
    excess: npt.NDArray[np.int64],
    case_id: pa.Array,
    hospital: npt.NDArray[np.int32],
    allowed: npt.NDArray[np.int64],
) -> Rows:
    """Candidates for which no place is left (payment.md §3).

    candidates: row numbers (m,); excess: their C − S in fen (m,); case_id: of all rows; hospital:
    code of each candidate (m,), -1 reading the last entry of ``allowed`` (places by hospital).
    Largest excess first, ties by case id in the order of its bytes.
    """
    if candidates.size == 0:
        return candidates
    table = pa.table(
        {
            "hospital": hospital,
            "excess": excess,
            "id": case_id.take(pa.array(candidates)),
        }
    )
    keys = [("hospital", "ascending"), ("excess", "descending"), ("id", "ascending")]
    order = np.asarray(pc.sort_indices(table, sort_keys=keys))
    grouped = hospital[order]
    first = np.flatnonzero(np.r_[True, grouped[1:] != grouped[:-1]])
    sizes = np.diff(np.r_[first, grouped.size])
    rank = np.arange(grouped.size) - np.repeat(first, sizes)
    return np.sort(candidates[order[rank >= allowed[grouped]]])
