"""Calculations in words: `200 × 1.5 × 0.2 = 60`, from exact numbers."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from drg_engine.money import format_fen

__all__ = ["decimal_text", "item_words", "money_steps", "number_text"]


def decimal_text(count: int, decimals: int) -> str:
    """An int64 count of 10**-decimals as plain decimal text without idle zeros."""
    whole, part = divmod(abs(int(count)), 10**decimals)
    tail = str(part).rjust(decimals, "0").rstrip("0")
    return ("-" if count < 0 else "") + str(whole) + (f".{tail}" if tail else "")


def number_text(value: float, places: int = 8) -> str:
    """A float with at most ``places`` decimals, without idle zeros."""
    text = f"{value:.{places}f}".rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


def item_words(table: pd.DataFrame) -> list[str]:
    """The calculation of each row of ``Points.table``: quantity × points × factors.

    Factors of exactly 1 beyond quantity and points are left out; a base taken off the points is
    shown, ``1 × (5.89 − 5.42) = 0.47``.  Rows that are no product have their own formula.
    """
    rows = len(table)
    held = {name: table[name].tolist() for name in (*_NUMBERS, *_FACTORS) if name in table}
    for name, value in (("base_e4", 0), ("formula", "")):
        held[name] = table[name].tolist() if name in table else [value] * rows
    factors = [held[name] for name in _FACTORS if name in held]
    words = []
    for place in range(rows):
        result = decimal_text(held["points_e6"][place], 6)
        if held["formula"][place]:
            words.append(f"{held['formula'][place]} = {result}")
            continue
        worth = decimal_text(held["item_points_e4"][place], 4)
        if held["base_e4"][place]:
            worth = f"({worth} − {decimal_text(held['base_e4'][place], 4)})"
        pieces = [decimal_text(held["quantity_e4"][place], 4), worth]
        pieces += [decimal_text(f[place], 4) for f in factors if f[place] != 10_000]
        words.append(f"{' × '.join(pieces)} = {result}")
    return words


_NUMBERS = ("quantity_e4", "item_points_e4", "points_e6")
_FACTORS = ("coefficient_e4", "share_e4", "session_e4", "calendar_e4")


def money_steps(steps: Iterable[tuple[str, int]], result: tuple[str, int]) -> str:
    """Signed steps and their result: `点数 700.00 − 成本 50.00 = 应得 650.00`.  Amounts in fen."""
    text = ""
    for label, amount in steps:
        if not text:
            text = f"{label} {format_fen(amount)}"
        else:
            sign = "−" if amount < 0 else "+"
            text += f" {sign} {label} {format_fen(abs(amount))}"
    label, amount = result
    return f"{text} = {label} {format_fen(amount)}"
