"""Reading one value at the door: text in, number out, or the reason why not.

Each function takes text as a person typed it and returns ``(value, refusal, notice)``; a refusal
rejects the row, a notice lets it in and is told.
"""

from __future__ import annotations

import datetime as dt
import re
import unicodedata
from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["Reading", "readers_of"]

Reading = tuple[float, str, str]
_LOOKS_LIKE_DATE = re.compile(r"\d{4}[-/年.]\d{1,2}[-/月.]\d{1,2}")
_DATE = re.compile(
    r"(\d{4})[-/年.](\d{1,2})[-/月.](\d{1,2})日?"
    r"(?:[T ]\d{1,2}:\d{1,2}(?::\d{1,2}(?:\.\d+)?)?(?:Z|[+-]\d{2}:?\d{2})?)?"
)
_COMPACT_DATE = re.compile(r"(\d{4})(\d{2})(\d{2})(?:\d{6})?")
_DURATION = re.compile(r"(\d{1,5})/(\d{1,2})/(\d{1,2})")
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?")
_EPOCH = dt.date(1970, 1, 1)
MISSING = -1.0


def _plain(text: str) -> str:
    return unicodedata.normalize("NFKC", text).strip()


def _number(text: str) -> float | None:
    if not _NUMBER.fullmatch(text):
        return None
    value = float(text)
    return value if abs(value) < 1e15 else None


def whole_number(low: float, high: float, unit: str) -> Callable[[str], Reading]:
    """Reader of whole numbers within bounds; empty is missing."""

    def read(text: str) -> Reading:
        word = _plain(text)
        if word in ("", "-", "--"):
            return MISSING, "", ""
        value = _number(word.removesuffix(unit).rstrip())
        if value is None:
            looks_like_date = _LOOKS_LIKE_DATE.match(word)
            reason = "这是日期，应为数字" if looks_like_date else f"不是数字，应为整数（{unit}）"
            return MISSING, reason, ""
        if not value.is_integer():
            return MISSING, f"应为整数（{unit}）", ""
        if not low <= value <= high:
            return MISSING, f"应在 {low:g} 到 {high:g} {unit}之间", ""
        return value, "", ""

    return read


def hours(low: float, high: float) -> Callable[[str], Reading]:
    """Reader of durations: hours, or ``days/hours/minutes`` of the settlement list."""

    def read(text: str) -> Reading:
        word = _plain(text)
        if word in ("", "-", "--"):
            return MISSING, "", ""
        match = _DURATION.fullmatch(word)
        if match:
            days, whole, minutes = (int(part) for part in match.groups())
            value: float | None = days * 24 + whole + minutes / 60
        else:
            value = _number(word)
        if value is None or not low <= value <= high:
            return MISSING, "应为小时数，或 天/小时/分钟", ""
        return value, "", ""

    return read


def sex(words: Mapping[str, int], unknown: frozenset[str]) -> Callable[[str], Reading]:
    """Reader of sex: 1 male, 2 female, anything else 0 and noticed (specs/grouping.md)."""

    def read(text: str) -> Reading:
        word = _plain(text).upper().removesuffix(".0")
        if word in words:
            return float(words[word]), "", ""
        notice = "未填性别，按未知处理" if word in unknown else "不认识的性别，按未知处理"
        return 0.0, "", notice

    return read


def mode(words: Mapping[str, int]) -> Callable[[str], Reading]:
    """Reader of the discharge mode by the known words."""

    def read(text: str) -> Reading:
        word = _plain(text).upper().removesuffix(".0")
        if word in words:
            return float(words[word]), "", ""
        return 0.0, "不认识的离院方式，应为 1、2、3、4、5、9", ""

    return read


def date(text: str) -> Reading:
    """Days since 1970-01-01; empty is missing."""
    word = _plain(text)
    if word in ("", "-", "--"):
        return float("nan"), "", ""
    match = _DATE.fullmatch(word) or _COMPACT_DATE.fullmatch(word)
    if match:
        try:
            day = dt.date(*(int(part) for part in match.groups()[:3]))
        except ValueError:
            return float("nan"), "没有这一天", ""
        return float((day - _EPOCH).days), "", ""
    return float("nan"), "应为日期，如 2026-10-01", ""


def readers_of(
    values: Mapping[str, Mapping[str, Any]], ranges: Mapping[str, tuple[float, float]]
) -> dict[str, Callable[[str], Reading]]:
    """Reader for each kind of column (data/columns.toml)."""
    unknown = frozenset(str(word).upper() for word in values["sex_unknown"]["words"])
    return {
        "sex": sex({k.upper(): int(v) for k, v in values["sex"].items()}, unknown),
        "mode": mode({k.upper(): int(v) for k, v in values["mode"].items()}),
        "age": whole_number(*ranges["age"], "岁"),
        "days": whole_number(0, 100_000, "天"),
        "grams": whole_number(0, ranges["birth_weight"][1], "克"),
        "stay": whole_number(*ranges["los"], "天"),
        "hours": hours(*ranges["hours"]),
        "date": date,
    }
