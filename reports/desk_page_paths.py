"""Why each case grouped and was paid so, as small as a page can hold it.

The lines of :class:`Explainer` and :class:`PaymentExplainer` repeat themselves: a line is kept
once, a formula once without its figures, and a figure that a column of the case holds is left to
the page.  What the page puts together again is the explanation to the letter.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from drg_engine.desk_frame import DeskMonth
from drg_engine.explanation import Explainer
from drg_engine.money import format_fen
from drg_engine.payment_explain import PaymentExplainer

__all__ = ["FIGURES", "coded_paths", "whole_path"]

FIGURES = ("charges", "standard", "paid", "surplus", "formula", "adjustment", "cost_surplus")
"""Columns whose figures a formula leaves to the page, in the order of their signs."""

# Signs of the private use area, which no text of a scheme or policy has.
_ID, _DRG, _NUMBER, _FIRST = "\ue000", "\ue001", "\ue002", "\ue010"
_AMOUNT = re.compile(r"(?<![\d.,])-?\d[\d,]*\.\d+")


def coded_paths(frame: pd.DataFrame, months: Sequence[DeskMonth]) -> dict[str, Any]:
    """The paths of the frame's cases, in its order.

    ``lines``: distinct lines; ``grouped``: the numbers of each case's lines; ``formulas`` and
    ``paid``: the same for payments, where each case has the number of its formula and then the
    numbers of what fills it, in ``figures``.  Empty where the months are not there.
    """
    if not months:
        return {}
    lines, formulas, figures = _Numbered(), _Numbered(), _Numbered()
    grouped: list[list[int]] = [[] for _ in range(len(frame))]
    paid: list[list[int]] = [[] for _ in range(len(frame))]
    amounts = [frame[f"{name}_fen"].to_numpy(dtype=np.int64).tolist() for name in FIGURES]
    drgs = frame["drg"].tolist()
    by_period = {month.period: month for month in months}
    for period, rows in _rows_by_period(frame).items():
        month = by_period[period]
        explainer = Explainer(month.scheme)
        payments: dict[int, PaymentExplainer] = {}
        places = frame["place"].to_numpy(dtype=np.int64)[rows].tolist()
        for row, place in zip(rows.tolist(), places, strict=True):
            told = explainer.lines(month.cases, month.grouping, place)
            own = str(month.cases.case_id[place].as_py())
            told[0] = told[0].replace(f"病例 {own}：", f"病例 {_ID}：", 1)
            grouped[row] = [lines.of(line) for line in told]
            settlement, at = month.dated.locate(place)
            payment = payments.setdefault(id(settlement), PaymentExplainer(settlement))
            text = "\n".join([f"支付政策：{settlement.policy.words()}", *payment.lines(at, _ID)])
            known = {format_fen(column[row]): sign for sign, column in _signed(amounts)}
            formula, rest = _without_figures(text, drgs[row], known)
            paid[row] = [formulas.of(formula), *(figures.of(word) for word in rest)]
    return {
        "lines": lines.words,
        "grouped": grouped,
        "formulas": formulas.words,
        "figures": figures.words,
        "paid": paid,
    }


class _Numbered:
    """Distinct texts in the order in which they came."""

    def __init__(self) -> None:
        self._places: dict[str, int] = {}

    def of(self, text: str) -> int:
        return self._places.setdefault(text, len(self._places))

    @property
    def words(self) -> list[str]:
        return list(self._places)


def _rows_by_period(frame: pd.DataFrame) -> dict[str, Any]:
    codes, periods = pd.factorize(frame["period"])
    return {str(period): np.flatnonzero(codes == at) for at, period in enumerate(periods)}


def _signed(amounts: Sequence[Sequence[int]]) -> list[tuple[str, Sequence[int]]]:
    # The first of two that are the same is used, so that formulas differ less.
    return [(chr(ord(_FIRST) + at), amounts[at]) for at in reversed(range(len(amounts)))]


def _without_figures(text: str, drg: str, known: Mapping[str, str]) -> tuple[str, list[str]]:
    rest: list[str] = []

    def sign(found: re.Match[str]) -> str:
        word = found.group()
        if word in known:
            return known[word]
        rest.append(word)
        return _NUMBER

    text = text.replace(f"病组 {drg}，", f"病组 {_DRG}，", 1) if drg else text
    return _AMOUNT.sub(sign, text), rest


def whole_path(paths: Mapping[str, Any], frame: pd.DataFrame, row: int) -> list[str]:
    """The lines of a row as the page puts them together (desk_case.js does the same)."""
    case_id, drg = str(frame["case_id"].iloc[row]), str(frame["drg"].iloc[row])
    grouped = [paths["lines"][place] for place in paths["grouped"][row]]
    formula, *rest = paths["paid"][row]
    words = iter(paths["figures"][place] for place in rest)
    text = "".join(next(words) if sign == _NUMBER else sign for sign in paths["formulas"][formula])
    for at, name in enumerate(FIGURES):
        text = text.replace(chr(ord(_FIRST) + at), format_fen(int(frame[f"{name}_fen"].iloc[row])))
    return [line.replace(_ID, case_id).replace(_DRG, drg) for line in [*grouped, *text.split("\n")]]
