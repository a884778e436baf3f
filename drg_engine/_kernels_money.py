"""Amounts in text to whole fen."""

from __future__ import annotations

from typing import Any

import numpy as np

from drg_engine._jit import kernel

__all__ = ["AMOUNT_OK", "NOT_A_NUMBER", "NO_AMOUNT", "TOO_FINE", "fen_of_rows"]

AMOUNT_OK, NO_AMOUNT, NOT_A_NUMBER, TOO_FINE = range(4)
"""What became of a cell: read, empty, not a number, or with a fraction of a fen."""

_SPACE, _TAB, _PLUS, _MINUS, _COMMA, _POINT, _ZERO, _NINE = 32, 9, 43, 45, 44, 46, 48, 57
_YUAN_SIGN = (0xC2, 0xA5)
_MOST_FEN = 10**17
_NOISE = 1_000_000


@kernel
def fen_of_rows(offsets: Any, text: Any, fen: Any, state: Any) -> None:
    """Read yuan (``-1,234.50``, ``¥12``) of each row as fen, exactly.

    offsets int64 (n+1,), text uint8; writes fen int64 (n,) and state int8 (n,).  Decimals past the
    second must be the noise of binary fractions (0.30000000000000004), else the cell is too fine.
    Amounts past 10**17 fen stay there.
    """
    for i in range(offsets.size - 1):
        at, end = offsets[i], offsets[i + 1]
        while at < end and (text[at] == _SPACE or text[at] == _TAB):
            at += 1
        while end > at and (text[end - 1] == _SPACE or text[end - 1] == _TAB):
            end -= 1
        fen[i] = 0
        if at == end:
            state[i] = NO_AMOUNT
            continue
        negative = text[at] == _MINUS
        if negative or text[at] == _PLUS:
            at += 1
        if at + 1 < end and text[at] == _YUAN_SIGN[0] and text[at + 1] == _YUAN_SIGN[1]:
            at += 2
            if not negative and at < end and text[at] == _MINUS:
                negative = True
                at += 1
        whole: Any = 0
        digits = 0
        decimals = -1
        rest: Any = 0
        rest_digits = 0
        good = True
        while at < end:
            letter = np.int64(text[at])
            if _ZERO <= letter <= _NINE:
                digits += 1
                if decimals < 2:
                    whole = min(whole * 10 + (letter - _ZERO), _MOST_FEN)
                    if decimals >= 0:
                        decimals += 1
                elif rest_digits < 6:
                    rest = rest * 10 + (letter - _ZERO)
                    rest_digits += 1
            elif letter == _POINT and decimals < 0:
                decimals = 0
            elif letter != _COMMA or decimals >= 0:
                good = False
                break
            at += 1
        if not good or digits == 0:
            state[i] = NOT_A_NUMBER
            continue
        for _ in range(2 - max(decimals, 0)):
            whole = min(whole * 10, _MOST_FEN)
        for _ in range(6 - rest_digits):
            rest *= 10
        state[i] = AMOUNT_OK
        if rest >= _NOISE - 100:
            whole += 1
        elif rest > 100:
            state[i] = TOO_FINE
        fen[i] = -whole if negative else whole
