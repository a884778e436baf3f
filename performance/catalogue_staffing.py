"""Reading “基本人力消耗及耗时”: numbers of staff and minutes from text such as 医1，护2，30分钟."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from performance.catalogue_methods import StaffWords
from performance.tables import ROLES

__all__ = ["Staffing", "staffing"]

_NUMBER = r"(\d+(?:\.\d+)?)(?:\s*[-~～—至]\s*(\d+(?:\.\d+)?))?"
_UNITS = {"分钟": 1.0, "分": 1.0, "min": 1.0, "小时": 60.0, "h": 60.0}
_MINUTES = re.compile(_NUMBER + r"\s*(分钟|分|min|小时|h)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Staffing:
    """Per row, int64 ten-thousandths: minutes, doctor, technician, nurse; -1 where not said.

    unread: distinct texts that name neither staff nor time, sorted.
    """

    values: Mapping[str, npt.NDArray[np.int64]]
    unread: tuple[str, ...]


def staffing(texts: pd.Series[str], words: StaffWords) -> Staffing:
    """Read a column of texts (n); a range such as 30-60 counts as its middle."""
    patterns = {role: _pattern(getattr(words, role)) for role in ROLES}
    codes, distinct = pd.factorize(texts)
    read = [_read(str(text), patterns) for text in distinct]
    names = ("minutes", *ROLES)
    table = np.array(read, dtype=np.int64).reshape(len(read), len(names))
    unread = sorted(
        str(text) for text, row in zip(distinct, read, strict=True) if text and max(row) < 0
    )
    values = {name: table[codes, at] for at, name in enumerate(names)}
    return Staffing(values, tuple(unread))


def _pattern(names: Sequence[str]) -> re.Pattern[str]:
    longest = sorted(names, key=lambda name: (-len(name), name))
    return re.compile(f"(?:{'|'.join(map(re.escape, longest))})" + r"\s*[:：]?\s*" + _NUMBER)


def _read(text: str, patterns: Mapping[str, re.Pattern[str]]) -> tuple[int, ...]:
    time = _MINUTES.search(text)
    minutes = -1
    if time is not None:
        minutes = _middle(time[1], time[2], _UNITS[time[3].lower()])
        text = text[: time.start()] + text[time.end() :]
    found = [pattern.search(text) for pattern in patterns.values()]
    return (minutes, *(-1 if one is None else _middle(one[1], one[2], 1.0) for one in found))


def _middle(first: str, last: str | None, unit: float) -> int:
    low = float(first)
    high = low if last is None else float(last)
    return round((low + high) / 2 * unit * 10_000)
