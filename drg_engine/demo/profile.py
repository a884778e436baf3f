"""What the demonstration hospital is like, read from the data files beside this module."""

from __future__ import annotations

import tomllib
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

__all__ = [
    "Profile",
    "Stream",
    "chosen",
    "load_profile",
    "looked_up",
    "stream",
    "text_groups",
    "truncated_normal",
]

Stream = np.random.Generator
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

DATA = Path(__file__).resolve().parent / "data"


@dataclass(frozen=True)
class Profile:
    """The data files as tables; codes and names are text, the rest numbers."""

    settings: Mapping[str, Any]
    departments: pd.DataFrame
    mix: pd.DataFrame
    case_codes: pd.DataFrame
    people: pd.DataFrame
    comorbidities: pd.DataFrame
    items: pd.DataFrame
    role_shares: pd.DataFrame

    @property
    def wards(self) -> pd.DataFrame:
        """The departments that discharge patients."""
        frame = self.departments
        return frame[frame["discharges"] > 0].reset_index(drop=True)


_TEXT = (
    *("code", "name", "kind", "adrg", "role", "with_diagnosis", "department", "departments"),
    *("class", "stream", "family", "unit", "executing", "reason", "surgery_family", "sex"),
)


def _table(name: str) -> pd.DataFrame:
    path = DATA / f"{name}.csv"
    return pd.read_csv(path, dtype=dict.fromkeys(_TEXT, str), keep_default_na=False)


def load_profile() -> Profile:
    """Read the data files that ship with the generator."""
    return Profile(
        settings=tomllib.loads((DATA / "settings.toml").read_text(encoding="utf-8")),
        departments=_table("departments"),
        mix=_table("department_mix"),
        case_codes=_table("case_codes"),
        people=_table("adrg_people").set_index("adrg"),
        comorbidities=_table("comorbidities"),
        items=_table("items"),
        role_shares=_table("role_shares"),
    )


def stream(seed: int, name: str) -> Stream:
    """Random numbers of their own for each part, so that parts do not disturb one another."""
    return np.random.default_rng([seed, zlib.crc32(name.encode())])


def looked_up(texts: npt.NDArray[np.object_], look: Callable[[str], Any]) -> npt.NDArray[Any]:
    """What ``look`` says of each text; asked once for each distinct one."""
    names, codes = np.unique(texts.astype(str), return_inverse=True)
    return np.array([look(str(name)) for name in names])[codes]


def text_groups(texts: npt.NDArray[np.object_]) -> list[tuple[str, Ints]]:
    """Each distinct text, sorted, with its rows in order."""
    names, codes = np.unique(texts.astype(str), return_inverse=True)
    order = np.argsort(codes, kind="stable")
    edges = np.searchsorted(codes[order], np.arange(len(names) + 1))
    return [(str(name), order[edges[i] : edges[i + 1]]) for i, name in enumerate(names)]


def chosen(rng: Stream, weights: Sequence[float] | Floats, size: int) -> Ints:
    """``size`` places drawn with probability proportional to ``weights``."""
    edges = np.cumsum(np.asarray(weights, dtype=np.float64))
    places = np.searchsorted(edges, rng.random(size) * edges[-1], side="right")
    return np.asarray(np.minimum(places, len(edges) - 1), dtype=np.int64)


def truncated_normal(rng: Stream, mean: Floats, sd: Floats, low: Floats, high: Floats) -> Floats:
    """Normal draws within bounds: redrawn a few times, clipped at last."""
    values = rng.normal(mean, sd)
    for _ in range(6):
        outside = (values < low) | (values > high)
        values = np.where(outside, rng.normal(mean, sd), values)
    return np.clip(values, low, high)
