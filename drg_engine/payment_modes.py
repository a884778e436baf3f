"""What low and high cases are paid: the formulas of payment.md §3, in yuan, not rounded.

``C`` charges, ``S`` standard, ``r`` ratio, ``K`` bound, ``A`` the region's mean of the DRG, ``H``
hospital coefficient, ``price`` yuan per 1.0 RW (point value × scale), ``control`` = price / overall
mean.  Each function takes the rows with their float64 columns and gives float64 yuan.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from drg_engine.money import to_fen
from drg_engine.payment_standard import Rows

__all__ = ["FORMULAS", "Facts", "formula_fen"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Facts:
    """Some rows and what is known of them: yuan (n,), ratio and bound (n,)."""

    rows: Rows
    charges: Floats
    standard: Floats
    ratio: Floats
    bound: Floats


def charged_times_control(facts: Facts) -> Floats:
    """C × (PV / standard PV)."""
    return facts.charges * facts.rows.control()


def ratio_points(facts: Facts) -> Floats:
    """Base points × r × PV, at most the base points."""
    return facts.rows.weight() * np.minimum(facts.ratio, 1.0) * facts.rows.price()


def ratio_standard(facts: Facts) -> Floats:
    """S × r, at most S: an incomplete stay is paid its part of the standard."""
    return facts.standard * np.minimum(facts.ratio, 1.0)


def excess_share(facts: Facts) -> Floats:
    """S + share × (C − K·S)."""
    share = facts.rows.policy.rules.high.share
    return facts.standard + share * (facts.charges - facts.bound * facts.standard)


def linear_add(facts: Facts) -> Floats:
    """A·Z + (C − K·A) × control, Z = H × control."""
    mean, control = facts.rows.mean(), facts.rows.control()
    z = facts.rows.coefficient() * control
    return mean * z + (facts.charges - facts.bound * mean) * control


def deduct(facts: Facts) -> Floats:
    """(C / overall mean − (K − 1)·RW·H) × scale × PV."""
    overall = facts.rows.policy.rules.standard.overall_mean
    units = facts.charges / (np.nan if overall is None else overall)
    less = (facts.bound - 1.0) * facts.rows.weight() * facts.rows.coefficient()
    return (units - less) * facts.rows.price()


def cap(facts: Facts) -> Floats:
    """A·K·Z."""
    z = facts.rows.coefficient() * facts.rows.control()
    return facts.rows.mean() * facts.bound * z


FORMULAS: Mapping[str, Callable[[Facts], Floats]] = {
    "charged_times_control": charged_times_control,
    "ratio_points": ratio_points,
    "ratio_standard": ratio_standard,
    "excess_share": excess_share,
    "linear_add": linear_add,
    "deduct": deduct,
    "cap": cap,
}


def formula_fen(mode: str, facts: Facts) -> npt.NDArray[np.int64]:
    """Paid fen (int64) by the formula of ``mode``, rounded once."""
    return to_fen(FORMULAS[mode](facts))
