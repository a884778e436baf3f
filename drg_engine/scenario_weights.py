"""Weights as a scenario changes them: files, factors, scale, rescaling (payment.md §7)."""

from __future__ import annotations

import csv
import difflib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import numpy as np
import numpy.typing as npt

from drg_engine.errors import Fault, PolicyError

__all__ = [
    "WeightChange",
    "changed_weights",
    "check_one_weight",
    "held_weights",
    "read_weights",
    "widened",
]

Floats = npt.NDArray[np.float64]

_DRG = ("drg", "病组", "病组编码", "DRG", "DRG编码", "DRG 编码")
_SHOWN = 5
_WEIGHT = ("weight", "权重", "RW", "权重RW", "权重 RW")


@dataclass(frozen=True, slots=True)
class WeightChange:
    """One change of weights: ``by_drg`` sets, then ``factors`` and ``scale`` multiply.

    ``scheme`` is the edition the weights are for, None for the one in use.  ``rescale`` brings
    Σ n·RW back to what it was before this change.  ``start``, ``stop``: as in scenario.Layer.
    """

    file: str = ""
    scheme: str | None = None
    by_drg: Mapping[str, float] = field(default_factory=dict)
    factors: Mapping[str, float] = field(default_factory=dict)
    scale: float = 1.0
    rescale: bool = False
    start: date | None = None
    stop: date | None = None


def held_weights(
    drg: npt.NDArray[np.integer], weight: Floats, grouped: npt.NDArray[np.bool_], size: int
) -> Floats:
    """Least and largest weight (2, size) that grouped cases carry by DRG, NaN where none does.

    drg, weight, grouped (n,): of the cases; a case without a weight tells nothing.
    """
    told = grouped & (weight > 0) & np.isfinite(weight)
    found = np.stack([np.full(size, np.inf), np.full(size, -np.inf)])
    np.minimum.at(found[0], drg[told], weight[told])
    np.maximum.at(found[1], drg[told], weight[told])
    return np.where(np.isfinite(found), found, np.nan)


def widened(one: Floats, two: Floats) -> Floats:
    """What :func:`held_weights` gives of two parts together; later ones may know more DRGs."""
    whole = np.full((2, max(one.shape[1], two.shape[1])), np.nan)
    whole[:, : one.shape[1]] = one
    part = whole[:, : two.shape[1]]
    part[0], part[1] = np.fmin(part[0], two[0]), np.fmax(part[1], two[1])
    return whole


def check_one_weight(codes: Sequence[str], held: Floats) -> None:
    """Raise PolicyError where cases of one DRG carry several weights, of which none is the one."""
    several = np.flatnonzero(held[0] < held[1]).tolist()
    if not several:
        return
    mend = "病例的权重须一组一个：分开结算，或去掉权重列、用 --scheme 的权重"
    faults = [
        Fault(
            "病例",
            f"病组 {codes[at]} 有几个权重",
            column="weight",
            found=f"{held[0][at]:g}、{held[1][at]:g}",
            mend=mend,
        )
        for at in several[:_SHOWN]
    ]
    raise PolicyError(f"情景要改权重，但有 {len(several)} 个病组的病例权重不止一个", faults)


def changed_weights(
    weights: Floats,
    codes: Sequence[str],
    change: WeightChange,
    counts: npt.NDArray[np.int64],
    *,
    scheme: str,
) -> Floats:
    """Weights (by DRG, aligned with ``codes``; NaN where none) after a change.

    counts: grouped cases by DRG, for rescaling: afterwards Σ n·RW is what it was (payment.md §7).
    Raises PolicyError for DRGs the scheme does not have, and for weights of another edition.
    """
    if change.scheme is not None and change.scheme != scheme:
        fault = Fault(
            change.file,
            f"权重是另一个方案的，病例按 {scheme} 分组",
            column="weights.scheme",
            found=change.scheme,
            mend="请换用同一方案的权重",
        )
        raise PolicyError("权重与分组方案不符", [fault])
    places = {code: at for at, code in enumerate(codes)}
    _check_codes(change, places)
    found = weights.copy()
    for code, value in change.by_drg.items():
        found[places[code]] = value
    for code, factor in change.factors.items():
        found[places[code]] *= factor
    found *= change.scale
    if not change.rescale:
        return found
    before, after = _total(weights, counts), _total(found, counts)
    return found * (before / after) if after > 0 else found


def _total(weights: Floats, counts: npt.NDArray[np.int64]) -> float:
    there = np.isfinite(weights)
    return math.fsum((weights[there] * counts[there]).tolist())


def _check_codes(change: WeightChange, places: Mapping[str, int]) -> None:
    faults = []
    for key, listed in (("weights.by_drg", change.by_drg), ("weights.factors", change.factors)):
        for code in listed:
            if code not in places:
                near = difflib.get_close_matches(code, sorted(places), 1)
                mend = f"是否想写 {near[0]}？" if near else "请核对分组方案"
                faults.append(
                    Fault(change.file, "分组方案里没有这个病组", column=key, found=code, mend=mend)
                )
    if faults:
        raise PolicyError("权重与分组方案不符", faults)


def read_weights(path: Path, faults: list[Fault]) -> dict[str, float]:
    """Weights by DRG from a CSV file (UTF-8); rows with an empty weight are left out.

    What is wrong goes to ``faults``: no such file or column, not a positive number, a DRG twice.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            rows = list(csv.reader(stream))
    except (OSError, UnicodeDecodeError) as error:
        words = "不是 UTF-8 文本" if isinstance(error, UnicodeDecodeError) else "读不到权重文件"
        faults.append(Fault(path.name, words, mend="请核对 weights.file"))
        return {}
    headings = [text.strip() for text in rows[0]] if rows else []
    at = [next((i for i, h in enumerate(headings) if h in known), -1) for known in (_DRG, _WEIGHT)]
    if -1 in at:
        mend = "需要“病组编码”和“权重”两列"
        faults.append(Fault(path.name, "缺少列", row=1, found="、".join(headings), mend=mend))
        return {}
    found: dict[str, float] = {}
    for number, row in enumerate(rows[1:], start=2):
        code, text = (row[place].strip() if place < len(row) else "" for place in at)
        if not code or not text:
            continue
        value = _number(text)
        if value is None:
            faults.append(Fault(path.name, "权重应为正数", number, headings[at[1]], text))
        elif code in found:
            faults.append(Fault(path.name, "病组重复", number, headings[at[0]], code))
        else:
            found[code] = value
    return found


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and 0 < value <= 1_000 else None
