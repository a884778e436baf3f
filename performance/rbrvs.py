"""Values of the resource-based relative value scale, and the rules for one session's procedures.

Sources: allocation.md §2 and §9 A1-A4; the United States physician fee schedule publishes the
relative value units.  Factors are given by the caller, so that a plan can state its own.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

__all__ = [
    "ASSISTANT_SURGEON",
    "BILATERAL",
    "SESSION_STEPS",
    "TWO_SURGEONS",
    "endoscopy_family",
    "imaging_session",
    "session_values",
    "total_rvu",
]

Floats = npt.NDArray[np.float64]

SESSION_STEPS = (1.0, 0.5, 0.5, 0.5, 0.5)
"""Share of the first, second … procedure of one session, in order of value."""

BILATERAL = 1.5
ASSISTANT_SURGEON = 0.16
TWO_SURGEONS = 0.625


def total_rvu(
    work: npt.ArrayLike,
    practice: npt.ArrayLike,
    malpractice: npt.ArrayLike,
    indices: Sequence[float] = (1.0, 1.0, 1.0),
) -> Floats:
    """Total RVU: each part × its geographic index (work, practice expense, malpractice).

    Arrays of any one shape, RVU >= 0; returns float64 of that shape.  The value in money is the
    total × a conversion factor, rounded once.
    """
    parts = [np.asarray(part, dtype=np.float64) for part in (work, practice, malpractice)]
    total = sum(part * index for part, index in zip(parts, indices, strict=True))
    return np.asarray(total, dtype=np.float64)


def session_values(values: npt.ArrayLike, steps: Sequence[float] = SESSION_STEPS) -> Floats:
    """Values (float64, n) of several procedures in one session after the reduction by rank.

    The highest counts in full, the next by ``steps``; procedures beyond the last step by the last.
    Equal values keep their order, so the sum does not depend on it.
    """
    whole = np.asarray(values, dtype=np.float64)
    rank = np.empty(len(whole), dtype=np.int64)
    rank[np.argsort(-whole, kind="stable")] = np.arange(len(whole))
    share = np.asarray(steps, dtype=np.float64)[np.minimum(rank, len(steps) - 1)]
    return np.asarray(whole * share, dtype=np.float64)


def endoscopy_family(values: npt.ArrayLike, base: float) -> Floats:
    """Values (float64, n) of endoscopies of one family: the highest in full, others less the base.

    None falls below 0.
    """
    whole = np.asarray(values, dtype=np.float64)
    reduced = np.maximum(whole - base, 0.0)
    if len(whole):
        first = int(np.argmax(whole))
        reduced[first] = whole[first]
    return np.asarray(reduced, dtype=np.float64)


def imaging_session(
    technical: npt.ArrayLike,
    professional: npt.ArrayLike,
    technical_share: float = 0.5,
    professional_share: float = 0.95,
) -> Floats:
    """Values (float64, n) of several images in one session.

    From the second on, in order of each part's value, the technical part counts by its share (50 %)
    and the professional part by its own (95 %).
    """
    parts = session_values(technical, (1.0, technical_share))
    return np.asarray(
        parts + session_values(professional, (1.0, professional_share)), dtype=np.float64
    )
