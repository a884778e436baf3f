"""What the cases are compared with: reference means by DRG, and settings of the desk."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from drg_engine.desk_frame import FEES
from drg_engine.errors import Fault, InputError, WorkspaceError
from drg_engine.money_tables import read_money_table
from drg_engine.toml_faults import read_toml

__all__ = ["DeskSettings", "Reference", "desk_settings", "own_reference", "read_reference"]

_NAME = "desk.toml"
_OPEN = ("small_cases", "death_modes", "cmi_cut", "risk_deviation")
_DEVIATIONS = ("population", "sample")


@dataclass(frozen=True, slots=True)
class DeskSettings:
    """Thresholds of the desk (data/desk.toml, and the workspace's own desk.toml over it)."""

    small_cases: int
    death_modes: tuple[int, ...]
    cmi_cut: float | None
    sample_deviation: bool
    fees: Mapping[str, str]


@dataclass(frozen=True, slots=True, eq=False)
class Reference:
    """Means by DRG: drg, charges_fen, days, mortality, fee_*_fen per case (NaN unknown).

    source: in words, where they come from.  own: whether they are the hospital's own.
    """

    table: pd.DataFrame
    source: str
    own: bool
    file: Path | None = None


def _data() -> dict[str, Any]:
    text = files("drg_engine").joinpath("data/desk.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


def desk_settings(folder: Path) -> DeskSettings:
    """Settings of a workspace.

    Raises WorkspaceError for a key that is none, or a value out of its range, all at once.
    """
    data = _data()
    path = folder / _NAME
    if path.is_file():
        own = read_toml(path, WorkspaceError, f"{_NAME} 读不出来")
        faults = [
            Fault(_NAME, "没有这一项", column=name, mend=f"可用：{'、'.join(_OPEN)}")
            for name in own
            if name not in _OPEN
        ]
        data |= own
        faults += _faults(data)
        if faults:
            raise WorkspaceError(f"{_NAME} 有误", faults)
    cut = data["cmi_cut"]
    return DeskSettings(
        small_cases=int(data["small_cases"]),
        death_modes=tuple(int(mode) for mode in data["death_modes"]),
        cmi_cut=None if cut == "hospital" else float(cut),
        sample_deviation=data["risk_deviation"] == "sample",
        fees=data["fees"],
    )


def _faults(data: Mapping[str, Any]) -> list[Fault]:
    small, modes, cut = data["small_cases"], data["death_modes"], data["cmi_cut"]
    number = isinstance(cut, int | float) and not isinstance(cut, bool)
    checks = (
        ("small_cases", isinstance(small, int) and 1 <= small <= 1000, "应为 1 至 1000 的整数"),
        (
            "death_modes",
            isinstance(modes, list) and all(isinstance(mode, int) for mode in modes),
            "应为离院方式代码的清单，如 [5]",
        ),
        ("cmi_cut", cut == "hospital" or (number and 0 < cut <= 20), '应为 "hospital" 或 0 至 20'),
        ("risk_deviation", data["risk_deviation"] in _DEVIATIONS, "应为 population 或 sample"),
    )
    return [
        Fault(_NAME, words, column=name, found=str(data[name])[:60])
        for name, good, words in checks
        if not good
    ]


def read_reference(path: Path) -> Reference:
    """Read reference means (CSV, Excel): DRG, mean charges, mean stay, mortality, fee classes.

    Raises InputError where the file cannot be read, a row is faulty, or a DRG stands twice.
    """
    table = read_money_table(path, _data()["reference"])
    faults = [
        Fault(path.name, line["reason"], line["row"], line["column"], line["value"])
        for line in table.rejects.lines.to_pylist()
    ]
    again = table.frame[table.frame["drg"].duplicated()]
    faults += [
        Fault(path.name, "病组重复", int(row), found=str(drg), mend="每个病组一行")
        for row, drg in zip(again["row"], again["drg"], strict=True)
    ]
    if faults:
        raise InputError(f"{path.name} 不能作参考", faults)
    frame = table.frame.drop(columns="row")
    money = [name for name in frame.columns if name.endswith("_fen")]
    for name in money:
        frame[name] = frame[name].astype(np.float64).replace(0.0, np.nan)
    for name in ("days", "mortality"):
        if name not in frame.columns:
            frame[name] = np.nan
    return Reference(frame, f"参考表 {path.name}", own=False, file=path)


def own_reference(frame: pd.DataFrame) -> Reference:
    """The hospital's own means over the cases at hand, where no reference is given."""
    kept = frame[frame["grouped"] & frame["priced"]]
    money = ["charges_fen", *(f"{name}_fen" for name in FEES)]
    means = kept.groupby("drg", sort=True)[money].mean()
    days = frame[frame["grouped"] & frame["stayed"]].groupby("drg", sort=True)["los"].mean()
    table = means.join(days.rename("days"), how="outer")
    table["mortality"] = np.nan
    return Reference(table.reset_index(), "本院同期各病组均值", own=True)
