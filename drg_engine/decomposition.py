"""Why a surplus is not what it was: a change cut into causes that add up to the fen.

insurance_office.md §1.  Everything is worked out by *cell*, one unit (department, doctor ...) and
one DRG, and rounded there once, so that the causes of a unit, of a DRG and of the hospital are sums
of the same whole fen.

For the cases paid by a standard, with n cases, mean standard s and mean charges c of a cell
(0 reference, 1 now) and N the unit's cases::

    volume   (N1 / N0 − 1) · n0 · (s0 − c0)         a unit without reference cases: all of it
    mix      (n1 − n0 · N1 / N0) · (s0 − c0)        a DRG without reference cases: all of it
    weight   n1 · (w1 − w0) / w0 · s0               the DRG's own weight changed
    price    n1 · (s1 − s0) − weight                what is paid for 1.0 RW changed
    charges  − n1 · (c1 − c0)                       by fee class, and what no fee class holds

What is paid beside the standard (payment.md §5, adjustment) changes by kind of case: low, high,
without a group, out of scope, other rules.  ``mix`` closes each cell to the whole fen.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from drg_engine.money import MISSING_FEN
from drg_engine.payment import KINDS, Coded, Settlement
from drg_engine.surplus import exact_weights

__all__ = [
    "ADJUSTED",
    "UNTREATED",
    "by_drg",
    "by_unit",
    "causes_of",
    "cells",
    "decompose",
    "frame_cells",
    "gathered",
    "hospital_reference",
    "means_reference",
]

ADJUSTED = {
    "low": ("low",),
    "high": ("high",),
    "ungrouped": ("ungrouped", "ambiguous", "no_weight"),
    "scope": ("out_of_scope", "bed_day"),
    "rules": ("normal", "review"),
}
"""Kinds of case whose adjustment is one cause each; ``rules`` is readmission, review, new items."""

UNTREATED = "—"
"""Stands for the DRGs that a unit has no cases of (:func:`gathered`)."""

_KEYS = ["unit", "drg"]
Floats = npt.NDArray[np.float64]


def cells(settlement: Settlement, by: str = "department") -> pd.DataFrame:
    """Sums of settled cases by unit and DRG, as :func:`frame_cells` gives them.

    Raises KeyError where the cases have no such label.
    """
    columns = settlement.cases
    unit = columns.label(by)
    if unit is None:
        raise KeyError(f"没有可汇总的列：{by}")
    priced = columns.charges != MISSING_FEN
    standing = priced & (settlement.standard != MISSING_FEN)
    held = {
        by: _texts(unit),
        "drg": _texts(Coded(columns.drg, columns.drg_codes)),
        "kind": np.array(KINDS, dtype=object)[settlement.kind],
        "priced": priced,
        "standing": standing,
        "units": exact_weights(columns.weight),
        "standard_fen": settlement.standard,
        "charges_fen": columns.charges,
        "surplus_fen": settlement.surplus,
        "adjustment_fen": settlement.adjustment,
    }
    for name in sorted(n for n in columns.amounts if n.startswith("fee_")):
        fen = columns.amounts[name]
        held[f"{name}_fen"] = np.where(fen == MISSING_FEN, 0, fen)
    return frame_cells(pd.DataFrame(held), by)


def frame_cells(frame: pd.DataFrame, by: str = "department") -> pd.DataFrame:
    """Sums of cases by unit and DRG, sorted; all int64.

    frame: one row a case (desk_frame).  Columns: unit, drg (text), cases (with charges), n (of them
    paid by a standard), units (their weights, exact_weights), standard_fen, charges_fen, fee_*_fen
    (their fee classes), surplus_fen (of all), and <cause>_fen and <cause>_cases for each of
    ADJUSTED.  Cases without charges are left out.
    """
    rows = frame[frame["priced"]]
    standing = rows["standing"].to_numpy(dtype=np.int64)
    held: dict[str, Any] = {"cases": np.ones(len(rows), dtype=np.int64), "n": standing}
    for name in ("units", "standard_fen", "charges_fen", *_fees(frame)):
        held[name] = np.where(standing == 1, rows[name], 0)
    held["surplus_fen"] = rows["surplus_fen"].to_numpy(dtype=np.int64)
    for cause, kinds in ADJUSTED.items():
        own = rows["kind"].isin(list(kinds)).to_numpy()
        held[f"{cause}_fen"] = np.where(own, rows["adjustment_fen"], 0)
        held[f"{cause}_cases"] = own.astype(np.int64)
    keys = [rows[by].to_numpy(dtype=object), rows["drg"].to_numpy(dtype=object)]
    sums: pd.DataFrame = pd.DataFrame(held).astype(np.int64).groupby(keys, sort=True).sum()
    return sums.rename_axis(_KEYS).reset_index()


def _texts(label: Coded) -> npt.NDArray[np.object_]:
    return np.array([*label.names, ""], dtype=object)[label.codes]


def hospital_reference(now: pd.DataFrame) -> pd.DataFrame:
    """The whole hospital's cells as a reference for each unit, scaled to the unit's cases.

    Against it a unit's volume is none; its mix and its charges are its own.  Sums are float64 where
    they are scaled.
    """
    whole = now.drop(columns="unit").groupby("drg", sort=True).sum().reset_index()
    total = int(whole["n"].sum())
    parts = []
    for unit, rows in now.groupby("unit", sort=True):
        share = int(rows["n"].sum()) / total if total else 0.0
        numbers = whole.drop(columns="drg") * share
        parts.append(pd.concat([whole["drg"], numbers], axis=1).assign(unit=unit))
    return pd.concat(parts, ignore_index=True)[list(now.columns)] if parts else now


def means_reference(now: pd.DataFrame, means: pd.DataFrame) -> pd.DataFrame:
    """The unit's own cases at the mean charges of elsewhere (the region, say).

    means: drg, ``charges`` and any ``fee_*`` in yuan per case.  DRGs without a mean keep their own
    charges; fee classes without one move with the charges.
    """
    table = means.set_index("drg")
    found = now.copy()
    known = now["drg"].isin(table.index[table["charges"] > 0])
    mean = now["drg"].map(table["charges"])
    found["charges_fen"] = (mean * now["n"] * 100.0).where(known, now["charges_fen"])
    growth = (found["charges_fen"] / now["charges_fen"]).where(now["charges_fen"] != 0, 1.0)
    for name in _fees(now):
        fee = name.removesuffix("_fen")
        moved = now[name] * growth
        if fee in table.columns:
            told = now["drg"].map(table[fee])
            moved = (told * now["n"] * 100.0).where(known & told.notna(), moved)
        found[name] = moved.where(known, now[name])
    change = np.rint(found["charges_fen"]) - now["charges_fen"]
    found["surplus_fen"] = now["surplus_fen"] - change
    return found


def _fees(frame: pd.DataFrame) -> list[str]:
    return [n for n in frame.columns if n.startswith("fee_") and n.endswith("_fen")]


def causes_of(frame: pd.DataFrame) -> list[str]:
    """Columns of :func:`decompose` that add up to ``change_fen``, in their order."""
    fees = [n for n in frame.columns if n.startswith("charges_fee_")]
    head = ["volume_fen", "mix_fen", "weight_fen", "price_fen"]
    return [*head, *fees, "charges_rest_fen", *(f"{cause}_fen" for cause in ADJUSTED)]


def decompose(now: pd.DataFrame, reference: pd.DataFrame) -> pd.DataFrame:
    """The change of each cell's surplus against a reference, cut into causes.

    Both as :func:`cells` gives them (the reference may be scaled).  Returns one row a cell of
    either: unit, drg, cases and reference_cases, surplus_fen, reference_fen, change_fen, then the
    causes; all money int64 fen, and the causes of a row add up to ``change_fen`` exactly.
    """
    fees = sorted({*_fees(now), *_fees(reference)})
    sides = [side.set_index(_KEYS) for side in (now, reference)]
    index = sides[0].index.union(sides[1].index).sort_values()
    names = [*now.columns, *fees]
    one, old = (_side(side.reindex(index), names) for side in sides)
    unit = index.get_level_values("unit")
    more = _growth(one["n"], old["n"], unit)
    n1, n0 = one["n"], old["n"]
    s0, s1 = _over(old["standard_fen"], n0), _over(one["standard_fen"], n1)
    w0, w1 = _over(old["units"], n0), _over(one["units"], n1)
    kept = (n0 > 0) & (n1 > 0)
    weight = np.where(kept & (w0 > 0), n1 * (w1 - w0) / np.where(w0 > 0, w0, 1.0) * s0, 0.0)
    price = np.where(kept, n1 * (s1 - s0) - weight, 0.0)
    parts: dict[str, Floats] = {"weight_fen": weight, "price_fen": price}
    rest = np.zeros(len(index))
    for name in fees:
        part = np.where(kept, -n1 * (_over(one[name], n1) - _over(old[name], n0)), 0.0)
        parts[f"charges_{name}"] = part
        rest -= part
    c0, c1 = _over(old["charges_fen"], n0), _over(one["charges_fen"], n1)
    parts["charges_rest_fen"] = np.where(kept, -n1 * (c1 - c0), 0.0) + np.where(kept, rest, 0.0)
    formula1, formula0 = (
        np.rint(side["standard_fen"] - side["charges_fen"]).astype(np.int64) for side in (one, old)
    )
    fresh = np.isinf(more)
    volume = np.where(fresh, formula1, np.where(fresh, 0.0, more) * formula0)
    whole = {"volume_fen": np.rint(volume).astype(np.int64)}
    whole |= {name: np.rint(part).astype(np.int64) for name, part in parts.items()}
    adjusted = {
        f"{cause}_fen": np.rint(one[f"{cause}_fen"]).astype(np.int64)
        - np.rint(old[f"{cause}_fen"]).astype(np.int64)
        for cause in ADJUSTED
    }
    whole["mix_fen"] = formula1 - formula0 - np.sum(list(whole.values()), axis=0)
    change = formula1 - formula0 + np.sum(list(adjusted.values()), axis=0)
    surplus = np.rint(one["surplus_fen"]).astype(np.int64)
    frame = pd.DataFrame(
        {
            "unit": unit,
            "drg": index.get_level_values("drg"),
            "cases": one["cases"].astype(np.int64),
            "reference_cases": old["cases"],
            "surplus_fen": surplus,
            "reference_fen": surplus - change,
            "change_fen": change,
            **whole,
            **adjusted,
        }
    )
    head = [name for name in frame.columns if not name.endswith("_fen")]
    money = ["surplus_fen", "reference_fen", "change_fen", *causes_of(frame)]
    return frame[[*head, *money]]


def _side(frame: pd.DataFrame, names: Sequence[str]) -> dict[str, Floats]:
    """A side's columns as float64, 0 where it has no such cell or fee class."""
    found: dict[str, Floats] = {}
    for name in names:
        if name not in _KEYS:
            column = frame[name] if name in frame.columns else pd.Series(0.0, index=frame.index)
            found[name] = np.asarray(column.fillna(0), dtype=np.float64)
    return found


def _growth(n1: Floats, n0: Floats, unit: pd.Index) -> Floats:
    """N1 / N0 − 1 of each row's unit; infinite where it has no reference cases."""
    table = pd.DataFrame({"n1": n1, "n0": n0}).groupby(np.asarray(unit))[["n1", "n0"]]
    sums = table.transform("sum")
    now, then = sums["n1"].to_numpy(), sums["n0"].to_numpy()
    return np.where(then > 0, now / np.where(then > 0, then, 1.0) - 1.0, np.inf)


def _over(above: Floats, below: Floats) -> Floats:
    return np.where(below > 0, above / np.where(below > 0, below, 1.0), 0.0)


def by_unit(frame: pd.DataFrame) -> pd.DataFrame:
    """The decomposition summed by unit, sorted by unit; causes still add up."""
    return _summed(frame, "unit")


def by_drg(frame: pd.DataFrame) -> pd.DataFrame:
    """The decomposition summed by DRG, sorted by DRG; causes still add up."""
    return _summed(frame, "drg")


def gathered(frame: pd.DataFrame) -> pd.DataFrame:
    """The decomposition with one row a unit for the DRGs it has no cases of.

    Against the whole hospital most rows are of such DRGs.  Their rows are added up as
    ``UNTREATED``, the last of the unit; every sum stays what it was to the fen.
    """
    drg = frame["drg"].where(frame["cases"] > 0, UNTREATED)
    numbers = [name for name in frame.columns if name not in _KEYS]
    keys = [frame["unit"], drg != UNTREATED, drg]
    sums = frame[numbers].groupby(keys, sort=True).sum().rename_axis([_KEYS[0], "own", _KEYS[1]])
    found = sums.reset_index().sort_values(
        ["unit", "own", "drg"], ascending=[True, False, True], kind="stable", ignore_index=True
    )
    return found[list(frame.columns)]


def _summed(frame: pd.DataFrame, key: str) -> pd.DataFrame:
    numbers = [name for name in frame.columns if name not in _KEYS]
    return frame.groupby(key, sort=True)[numbers].sum().reset_index()
