"""Money: whole fen in int64, one rounding rule, parts that equal the whole.

**The rounding rule.** A product of float64 factors becomes fen once, half up: its magnitude is
rounded to the nearest fen, a half goes away from zero (as Excel's ROUND does), the sign is kept.
Because a decimal half such as 2.675 has no exact float64, a magnitude within four units in the last
place below a half counts as the half.
"""

from __future__ import annotations

import math
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["MISSING_FEN", "fen_from_text", "format_fen", "share_out", "to_fen", "to_yuan"]

Fen = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

MISSING_FEN = int(np.iinfo(np.int64).min)
"""Stands for an amount that is not there, in columns of fen."""

_LAST_PLACES = 2.0**-50
_MOST_FEN = 10**16


def to_fen(yuan: npt.ArrayLike) -> Fen:
    """Round yuan (float64, any shape) to whole fen (int64) by the rounding rule."""
    fen = np.asarray(yuan, dtype=np.float64) * 100.0
    magnitude = np.abs(fen)
    rounded = np.floor(magnitude + magnitude * _LAST_PLACES + 0.5)
    return np.asarray(np.copysign(rounded, fen), dtype=np.int64)


def to_yuan(fen: npt.ArrayLike) -> Floats:
    """Fen (int64) as yuan (float64) for showing; never for adding up."""
    return np.asarray(np.asarray(fen, dtype=np.int64) / 100.0, dtype=np.float64)


def fen_from_text(text: str) -> int:
    """Read one amount in yuan (``1,234.50``) as fen.

    Raises ValueError where it is not a number, has more than two decimals that count, or is beyond
    a hundred trillion yuan.
    """
    plain = text.strip().replace(",", "").replace("，", "").replace("¥", "").replace("￥", "")
    try:
        fen = Decimal(plain).scaleb(2)
        whole = fen.to_integral_value(rounding=ROUND_HALF_UP)
    except InvalidOperation as error:
        raise ValueError(f"不是金额：{text!r}") from error
    if not fen.is_finite() or abs(fen) > _MOST_FEN or "_" in plain:
        raise ValueError(f"不是金额，或数字过大：{text!r}")
    if whole != fen:
        raise ValueError(f"金额多于两位小数：{text!r}")
    return int(whole)


def format_fen(fen: int) -> str:
    """Fen as yuan text with thousands separators and two decimals, exactly."""
    sign = "-" if fen < 0 else ""
    yuan, rest = divmod(abs(int(fen)), 100)
    return f"{sign}{yuan:,}.{rest:02d}"


def share_out(total: int, weights: npt.ArrayLike, ids: npt.ArrayLike | list[Any]) -> Fen:
    """Cut ``total`` fen in proportion to ``weights`` by the largest remainder.

    weights: float64 (n,), each >= 0, with a positive sum unless ``total`` is 0.  ids: (n,) can be
    sorted; equal remainders are served in the order of ids, so the order of rows does not matter.
    Returns int64 fen (n,) whose sum is ``total`` exactly; a negative total is shared as its mirror
    image.
    Raises ValueError on negative or non-finite weights, or on a sum of 0 with money to share.
    """
    shares = np.asarray(weights, dtype=np.float64)
    if not np.all(np.isfinite(shares)) or np.any(shares < 0):
        raise ValueError("份额必须是非负的有限数")
    whole = math.fsum(shares)
    if total == 0 or shares.size == 0:
        if total != 0:
            raise ValueError("没有可分配的对象")
        return np.zeros(shares.size, dtype=np.int64)
    if whole <= 0:
        raise ValueError("份额合计为 0，无法分配")
    exact = abs(total) * (shares / whole)
    parts = np.floor(exact).astype(np.int64)
    missing = abs(total) - int(parts.sum())
    order = np.lexsort((np.asarray(ids), -np.round(exact - parts, 9)))
    if missing > 0:
        parts[order[:missing]] += 1
    elif missing < 0:
        positive = order[::-1][parts[order[::-1]] > 0]
        parts[positive[:-missing]] -= 1
    return parts if total > 0 else -parts
