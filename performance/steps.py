"""Which step of a ladder a figure is in: lower <= x < upper (allocation.md §5)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["step_of"]

_LAST_PLACES = 2.0**-50


def step_of(x: npt.ArrayLike, bounds: npt.ArrayLike) -> npt.NDArray[np.intp]:
    """Number of bounds (ascending, float64 (b,)) that are <= x, for each x (float64, any shape).

    A quotient such as 1.21 / 1.1 has no exact float64 and may come out just below the bound 1.1
    that it is equal to; a magnitude within four units in the last place of a bound counts as the
    bound, as in the rounding rule of :mod:`drg_engine.money`.
    """
    figures = np.asarray(x, dtype=np.float64)
    lifted = figures + np.abs(figures) * _LAST_PLACES
    return np.asarray(np.searchsorted(np.asarray(bounds, dtype=np.float64), lifted, side="right"))
