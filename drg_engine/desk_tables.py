"""The tables of the insurance office's report, all of the same cases (insurance_office.md §1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from drg_engine.desk_frame import FEES
from drg_engine.desk_measures import looked_up, measures, summed, with_reference
from drg_engine.desk_reference import DeskSettings, Reference
from drg_engine.money import to_fen
from drg_engine.risk import GRADE_TITLES, GRADES, low_risk_mortality, risk_grades

__all__ = ["LEVELS", "Desk", "desk_tables", "drg_doctors", "per_case_fen", "previous_periods"]

LEVELS: Mapping[str, tuple[str, ...]] = {
    "departments": ("department",),
    "doctor_groups": ("department", "doctor_group"),
    "doctors": ("department", "doctor"),
    "drgs": ("drg",),
    "insurances": ("insurance",),
    "kinds": ("kind",),
    "months": ("period",),
}
"""Tables and what each is by; every one of them adds up to the hospital."""


@dataclass(frozen=True, slots=True, eq=False)
class Desk:
    """A report of some months.

    frame: the cases, one row each (desk_frame), with what they are compared with.
    tables: by name, as :func:`desk_tables` describes them.
    """

    frame: pd.DataFrame
    tables: Mapping[str, pd.DataFrame]
    reference: Reference
    cmi_cut: float
    settings: DeskSettings


def previous_periods(periods: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """The periods to compare with: as many months right before, and the same a year ago.

    Periods are ``2026-10``; keys ``last`` and ``year``.
    """
    numbers = [int(period[:4]) * 12 + int(period[5:7]) - 1 for period in periods]
    length = max(numbers) - min(numbers) + 1

    def back(by: int) -> tuple[str, ...]:
        moved = [number - by for number in numbers]
        return tuple(f"{number // 12:04d}-{number % 12 + 1:02d}" for number in moved)

    return {"last": back(length), "year": back(12)}


def desk_tables(
    frame: pd.DataFrame,
    reference: Reference,
    settings: DeskSettings,
    compared: Mapping[str, pd.DataFrame] | None = None,
) -> Desk:
    """Every table of a report.

    frame: cases of the report.  compared: cases to compare the header with, by label.
    Tables: ``header`` (label, the figures; the report's own row first), one for each of LEVELS,
    ``drgs`` with the reference, its share of the losses and its risk, ``drg_doctors`` (doctors
    inside one DRG), ``fees`` (class of charges by department) and ``cases``.
    """
    told = with_reference(frame, reference.table)
    rows = [measures(told).assign(label="本期")]
    rows += [
        measures(with_reference(cases, reference.table)).assign(label=label)
        for label, cases in (compared or {}).items()
        if len(cases)
    ]
    header = pd.concat(rows, ignore_index=True)
    held = summed(told)
    tables = {name: measures(told, by, held) for name, by in LEVELS.items()}
    tables["drgs"] = _drgs(tables["drgs"], told, reference, settings)
    header["low_risk_mortality"] = [
        _low_risk(tables["drgs"]) if place == 0 else np.nan for place in range(len(header))
    ]
    tables["header"] = header[["label", *(n for n in header.columns if n != "label")]]
    if (frame["doctor_group"] == "").all():
        tables["doctor_groups"] = tables["doctor_groups"].iloc[:0]
    for name in ("doctors", "doctor_groups"):
        few = tables[name]["cases"] < settings.small_cases
        tables[name] = tables[name].assign(few=few)
    tables["drg_doctors"] = drg_doctors(told, settings.small_cases)
    tables["fees"] = _fees(tables["departments"], settings.fees)
    tables["cases"] = told
    cut = settings.cmi_cut if settings.cmi_cut is not None else float(header["cmi"].iloc[0])
    return Desk(told, tables, reference, cut, settings)


def _drgs(
    table: pd.DataFrame, frame: pd.DataFrame, reference: Reference, settings: DeskSettings
) -> pd.DataFrame:
    """DRGs with reference means, their share of the losses, risk, and whether they are few."""
    known = reference.table.set_index("drg")
    mean = looked_up(table["drg"], known["charges_fen"]) / 100.0
    losses = (-table["surplus_fen"]).clip(lower=0)
    whole = int(losses.sum())
    found = table.assign(
        reference_charges=mean,
        over_reference=table["mean_charges"] / mean - 1.0,
        reference_days=looked_up(table["drg"], known["days"]),
        loss_share=losses / whole if whole else 0.0,
        few=table["cases"] < settings.small_cases,
    )
    for name in FEES:
        column = f"{name}_fen"
        if column in known.columns:
            own = looked_up(table["drg"], known[column]) / 100.0
            found[f"over_{name}"] = table[f"mean_{name}"] - own
    mortality = looked_up(table["drg"], known["mortality"])
    grades = risk_grades(mortality, sample=settings.sample_deviation)
    found["risk"] = [GRADES[grade] if grade >= 0 else "" for grade in grades]
    titles = dict(zip(GRADES, GRADE_TITLES, strict=True))
    found["risk_title"] = [titles.get(risk, "") for risk in found["risk"]]
    return found


def _low_risk(drgs: pd.DataFrame) -> float:
    grades = np.array([GRADES.index(risk) if risk else -1 for risk in drgs["risk"]], dtype=np.int8)
    cases = drgs["cases"].to_numpy(dtype=np.int64)
    return low_risk_mortality(grades, cases, drgs["died_cases"].to_numpy(dtype=np.int64))


def drg_doctors(frame: pd.DataFrame, small_cases: int) -> pd.DataFrame:
    """Doctors inside each DRG: the same disease, different charges, by class of charges.

    One row a DRG, department and doctor of grouped cases with charges: cases, mean_charges,
    mean_los, surplus_fen, mean_fee_*; ``drg_mean`` and ``over_mean`` (yuan per case) against the
    hospital's mean in the DRG, ``drg_cases`` it rests on; ``few`` where either number is small;
    ``rank`` by mean charges among those that are not (NA where few).  Only DRGs of two doctors or
    more are there.
    """
    kept = frame[frame["grouped"] & frame["priced"]]
    table = measures(kept, ("drg", "department", "doctor"))
    whole = measures(kept, ("drg",)).set_index("drg")
    doctors = table.groupby("drg")["doctor"].transform("size")
    table = table[doctors > 1].reset_index(drop=True)
    money = [f"mean_{name}" for name in FEES]
    found = table[["drg", "department", "doctor", "cases", "mean_charges", "mean_los"]].assign(
        surplus_fen=table["surplus_fen"],
        drg_cases=looked_up(table["drg"], whole["cases"]).astype(np.int64),
        drg_mean=looked_up(table["drg"], whole["mean_charges"]),
    )
    found["over_mean"] = found["mean_charges"] - found["drg_mean"]
    for name in money:
        found[name] = table[name]
        mean = looked_up(table["drg"], whole[name])
        found[f"over_{name.removeprefix('mean_')}"] = table[name] - mean
    found["few"] = (found["cases"] < small_cases) | (found["drg_cases"] < 2 * small_cases)
    ranked = found["mean_charges"].where(~found["few"])
    found["rank"] = ranked.groupby(found["drg"]).rank(method="min").astype("Int64")
    order = ["drg_cases", "drg", "cases", "department", "doctor"]
    return found.sort_values(
        order, ascending=[False, True, False, True, True], kind="stable", ignore_index=True
    )


def _fees(departments: pd.DataFrame, fees: Mapping[str, str]) -> pd.DataFrame:
    """Classes of charges by department: department, fee, title, fee_fen, share."""
    parts = []
    for name, title in fees.items():
        parts.append(
            pd.DataFrame(
                {
                    "department": departments["department"],
                    "fee": name,
                    "title": title,
                    "fee_fen": departments[f"{name}_fen"],
                    "share": departments[f"{name}_share"],
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def per_case_fen(table: pd.DataFrame) -> Any:
    """Surplus per case in fen, rounded once, for charts and quadrants."""
    return to_fen(table["surplus_per_case"].fillna(0.0).to_numpy(dtype=np.float64))
