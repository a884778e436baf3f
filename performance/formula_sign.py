"""Whether a field of a formula raises its result, lowers it, or decides about it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from performance.formula_eval import constant_value
from performance.formula_tree import Binary, Call, Compare, Field, Ladder, Negative, Node

__all__ = ["Use", "uses_of"]


@dataclass(frozen=True, slots=True)
class Use:
    """One occurrence of a field.

    sign: 1 where a larger figure raises the result, -1 where it lowers it, 0 where neither is
    certain.  decides: it stands in a condition, or in the argument of a ladder.
    """

    field: Field
    sign: int
    decides: bool


def uses_of(tree: Node, sign: int = 1, *, decides: bool = False) -> Iterator[Use]:
    """Every occurrence of a field, the signs taken through the tree.

    Fields are taken to be >= 0 (amounts, points, shares); a factor that is no field and no constant
    is taken to be >= 0 only where nothing in it is subtracted.
    """
    match tree:
        case Field():
            yield Use(tree, sign, decides)
        case Negative():
            yield from uses_of(tree.inner, -sign, decides=decides)
        case Binary():
            yield from _binary(tree, sign, decides)
        case Compare():
            for part in (tree.left, tree.right):
                yield from uses_of(part, 0, decides=True)
        case Call():
            yield from _call(tree, sign, decides)
        case Ladder():
            yield from uses_of(tree.x, 0, decides=True)
            for value in tree.values:
                yield from uses_of(value, sign, decides=decides)


def _binary(tree: Binary, sign: int, decides: bool) -> Iterator[Use]:
    left, right = sign, sign
    if tree.sign == "-":
        right = -sign
    elif tree.sign == "*":
        left, right = sign * _direction(tree.right), sign * _direction(tree.left)
    elif tree.sign == "/":
        left, right = sign * _direction(tree.right), -sign * _direction(tree.left)
    yield from uses_of(tree.left, left, decides=decides)
    yield from uses_of(tree.right, right, decides=decides)


def _call(tree: Call, sign: int, decides: bool) -> Iterator[Use]:
    if tree.name == "where":
        yield from uses_of(tree.parts[0], 0, decides=True)
        parts: tuple[Node, ...] = tree.parts[1:]
    else:
        parts = tree.parts
    for part in parts:
        yield from uses_of(part, sign, decides=decides)


def _direction(node: Node) -> int:
    """1 where a node is never below 0, -1 where never above, 0 where it may be either."""
    value = constant_value(node)
    if value is not None:
        return 1 if value >= 0 else -1
    match node:
        case Field():
            return 0 if node.name in ("drg_surplus", "drg_part") else 1
        case Negative():
            return -_direction(node.inner)
        case Binary():
            left, right = _direction(node.left), _direction(node.right)
            if node.sign in "*/":
                return left * right
            right = -right if node.sign == "-" else right
            return left if left == right else 0
        case Call():
            parts = {_direction(p) for p in node.parts if not isinstance(p, Compare)}
            return parts.pop() if len(parts) == 1 else 0
        case Ladder():
            parts = {_direction(value) for value in node.values}
            return parts.pop() if len(parts) == 1 else 0
        case _:
            return 0
