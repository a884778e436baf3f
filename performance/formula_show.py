"""A tree back as Chinese text that parses to the same tree, and its calculation in words."""

from __future__ import annotations

import re
from collections.abc import Callable

from performance.formula_fields import fields_of
from performance.formula_tree import (
    FUNCTIONS,
    Binary,
    Call,
    Compare,
    Field,
    Ladder,
    Negative,
    Node,
    Number,
)

__all__ = ["field_label", "show_formula"]

_SIGNS = {"+": "+", "-": "−", "*": "×", "/": "÷"}
_COMPARE = {"<": "<", "<=": "≤", ">": ">", ">=": "≥", "==": "==", "!=": "≠"}
_PLAIN = re.compile(r"[A-Za-z_\u4e00-\u9fff\u03a3][A-Za-z0-9_\u4e00-\u9fff\u03a3]*")
_SUM, _PRODUCT, _SIGNED, _FACTOR = range(4)
_LEVEL = {"+": _SUM, "-": _SUM, "*": _PRODUCT, "/": _PRODUCT}


def field_label(node: Field) -> str:
    """A field's Chinese name, with its key."""
    info = fields_of().get(node.name)
    label = node.name if info is None else info.label
    if not node.key:
        return label
    return f"{label}.{node.key}" if _PLAIN.fullmatch(node.key) else f'{label}."{node.key}"'


def show_formula(tree: Node, value: Callable[[Field], str] | None = None) -> str:
    """The formula in Chinese, with as few brackets as its tree needs.

    value: what to write in place of a field (its figure, say); then the text is for people only.
    """
    return _Writer(value or field_label).write(tree, _SUM)


class _Writer:
    def __init__(self, leaf: Callable[[Field], str]) -> None:
        self._leaf = leaf

    def write(self, node: Node, least: int) -> str:
        """A node's text, in brackets where it binds less than ``least``."""
        match node:
            case Number():
                return node.text + node.unit
            case Field():
                return self._leaf(node)
            case Negative():
                return self._held(f"−{self.write(node.inner, _SIGNED)}", _SIGNED, least)
            case Binary():
                level = _LEVEL[node.sign]
                left, right = self.write(node.left, level), self.write(node.right, level + 1)
                return self._held(f"{left} {_SIGNS[node.sign]} {right}", level, least)
            case Compare():
                left, right = self.write(node.left, _SUM), self.write(node.right, _SUM)
                return f"{left} {_COMPARE[node.sign]} {right}"
            case Call():
                parts = "，".join(self.write(part, _SUM) for part in node.parts)
                return f"{FUNCTIONS[node.name]}（{parts}）"
            case Ladder():
                return self._ladder(node)

    def _held(self, text: str, level: int, least: int) -> str:
        return f"（{text}）" if level < least else text

    def _ladder(self, node: Ladder) -> str:
        steps = [
            f"<{bound}：{self.write(value, _SUM)}"
            for bound, value in zip(node.bounds, node.values, strict=False)
        ]
        steps.append(f"其余：{self.write(node.values[-1], _SUM)}")
        return f"阶梯（{'；'.join([self.write(node.x, _SUM), *steps])}）"
