"""Computing a tree over columns.

Numbers are float64 throughout; an amount is rounded once, at the very end, by the one rule of
:mod:`drg_engine.money` (or cut by the largest remainder), never inside a formula.  Only the rows
that a branch of ``where`` or a step of ``ladder`` applies to are computed in it, so
``where(x > 0, y / x, 0)`` divides nowhere by zero.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt

from drg_engine.errors import Fault
from performance.columns import nearest
from performance.formula_show import field_label, show_formula
from performance.formula_tree import (
    Binary,
    Call,
    Compare,
    Field,
    FormulaError,
    Ladder,
    Negative,
    Node,
    Number,
    formula_fault,
    nodes_of,
)
from performance.steps import step_of

__all__ = ["MOST", "Columns", "constant_value", "evaluate", "formula_of"]

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.intp]
Columns = Mapping[tuple[str, str], npt.NDArray[np.float64]]
"""Columns of figures (float64, n) by field id and key; NaN where a figure is missing."""

MOST = 1e13
"""A result is at most this (ten trillion yuan), so that it is whole in int64 fen."""

_NAMED = 8
_TOO_LARGE = "请核对公式里的数字和这些行的数据"
_NO_ZERO = "写作 若（除数 ≠ 0，…… ÷ 除数，0），或补上数据"
_GUARD = "请补上数据，或用 若（条件，算法，0）只在有数时计算"


def evaluate(tree: Node, columns: Columns, names: Sequence[str], text: str = "") -> Floats:
    """The formula's value in each of the rows ``names`` (float64, n).

    Raises FormulaError naming the rows: a divisor of 0, a missing figure, a step that is beyond any
    number or a result above :data:`MOST`; and a key (``成本.水电``) that the month and the plan do
    not have.
    """
    values = _Computer(columns, names, text).value(tree, np.arange(len(names)))
    bad = np.flatnonzero(~(np.abs(values) <= MOST))
    if len(bad):
        raise _refused(text, tree, "结果太大", bad, names, _TOO_LARGE)
    return values


@contextmanager
def formula_of(file: str, key: str) -> Iterator[None]:
    """Say of which plan and key a formula is that cannot be computed."""
    try:
        yield
    except FormulaError as error:
        faults = [
            Fault(file, f"{f.file}：{f.message}", None, key, f.found, f.mend) for f in error.faults
        ]
        raise FormulaError("公式无法计算", faults) from error


def constant_value(tree: Node) -> float | None:
    """The value of a tree without fields; None where it has fields or no value."""
    if any(isinstance(node, Field) for node in nodes_of(tree)):
        return None
    try:
        return float(evaluate(tree, {}, ["常数"])[0])
    except FormulaError:
        return None


def _refused(
    text: str, node: Node, message: str, rows: Rows, names: Sequence[str], mend: str
) -> FormulaError:
    shown = "、".join(str(names[i]) for i in rows[:_NAMED])
    more = f" 等 {len(rows)} 行" if len(rows) > _NAMED else ""
    fault = formula_fault(text, message, node.at, found=f"{shown}{more}", mend=mend)
    return FormulaError("公式无法计算", [fault])


class _Computer:
    def __init__(self, columns: Columns, names: Sequence[str], text: str) -> None:
        self._columns = columns
        self._names = names
        self._text = text

    def value(self, node: Node, rows: Rows) -> Floats:
        match node:
            case Number():
                return np.full(len(rows), float(node.text))
            case Field():
                return self._field(node, rows)
            case Negative():
                return np.asarray(-self.value(node.inner, rows))
            case Binary():
                return self._binary(node, rows)
            case Call():
                return self._call(node, rows)
            case Ladder():
                return self._ladder(node, rows)
            case Compare():
                return self._holds(node, rows).astype(np.float64)

    def _field(self, node: Field, rows: Rows) -> Floats:
        column = self._columns.get((node.name, node.key))
        if column is None:
            keys = [key for name, key in self._columns if name == node.name and key]
            near = nearest(node.key, keys)
            mend = f"最接近“{near}”" if near else "请核对名称，或在方案中列出"
            fault = formula_fault(
                self._text, "本月和方案都没有这个名称", node.at, found=field_label(node), mend=mend
            )
            raise FormulaError("公式无法计算", [fault])
        values = column[rows]
        missing = np.isnan(values)
        if missing.any():
            raise self._bad(node, f"“{field_label(node)}”没有数", rows[missing], _GUARD)
        return values

    def _binary(self, node: Binary, rows: Rows) -> Floats:
        left, right = self.value(node.left, rows), self.value(node.right, rows)
        with np.errstate(all="ignore"):
            if node.sign == "+":
                result = np.asarray(left + right)
            elif node.sign == "-":
                result = np.asarray(left - right)
            elif node.sign == "*":
                result = np.asarray(left * right)
            else:
                self._refuse_zero(node, right, rows)
                result = np.asarray(left / right)
        beyond = ~np.isfinite(result)
        if beyond.any():  # inside min, where or ladder it would be lost
            raise self._bad(node, "中间结果太大", rows[beyond], _TOO_LARGE)
        return result

    def _refuse_zero(self, node: Binary, right: Floats, rows: Rows) -> None:
        zero = right == 0.0
        if zero.any():
            what = show_formula(node.right)
            raise self._bad(node, f"除以 0：{what}", rows[zero], _NO_ZERO)

    def _bad(self, node: Node, message: str, rows: Rows, mend: str) -> FormulaError:
        return _refused(self._text, node, message, rows, self._names, mend)

    def _holds(self, node: Compare, rows: Rows) -> npt.NDArray[np.bool_]:
        left, right = self.value(node.left, rows), self.value(node.right, rows)
        found = {
            "<": np.less, "<=": np.less_equal, ">": np.greater, ">=": np.greater_equal,
            "==": np.equal, "!=": np.not_equal,
        }[node.sign](left, right)  # fmt: skip
        return np.asarray(found, dtype=np.bool_)

    def _call(self, node: Call, rows: Rows) -> Floats:
        if node.name == "where":
            condition = node.parts[0]
            holds = self.value(condition, rows) != 0.0
            result = np.empty(len(rows))
            result[holds] = self.value(node.parts[1], rows[holds])
            result[~holds] = self.value(node.parts[2], rows[~holds])
            return result
        parts = [self.value(part, rows) for part in node.parts]
        if node.name == "clip":
            crossed = parts[1] > parts[2]
            if crossed.any():
                mend = "请对调，写作 限幅（数，下限，上限）"
                raise self._bad(node, "限幅的下限大于上限", rows[crossed], mend)
            return np.asarray(np.minimum(np.maximum(parts[0], parts[1]), parts[2]))
        function = np.minimum if node.name == "min" else np.maximum
        whole = parts[0]
        for part in parts[1:]:
            whole = np.asarray(function(whole, part))
        return whole

    def _ladder(self, node: Ladder, rows: Rows) -> Floats:
        x = self.value(node.x, rows)
        step = step_of(x, [float(bound) for bound in node.bounds])
        result = np.empty(len(rows))
        for i, value in enumerate(node.values):
            here = step == i
            if here.any():
                result[here] = self.value(value, rows[here])
        return result
