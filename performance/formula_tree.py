"""The tree of a formula: a handful of nodes, compared by value, and the errors of formulas."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from drg_engine.errors import Fault, PlanError

__all__ = [
    "FUNCTIONS",
    "Binary",
    "Call",
    "Compare",
    "Field",
    "FormulaError",
    "Ladder",
    "Negative",
    "Node",
    "Number",
    "formula_fault",
    "nodes_of",
]

FUNCTIONS = {"min": "最小", "max": "最大", "clip": "限幅", "where": "若", "ladder": "阶梯"}
"""Functions and their Chinese names."""


class FormulaError(PlanError):
    """A formula that cannot be read, checked or computed."""


def formula_fault(
    text: str, message: str, position: int, *, found: str | None = None, mend: str | None = None
) -> Fault:
    """A fault of a formula at a position (0-based character of its text)."""
    around = text[max(0, position - 12) : position + 12].replace("\n", " ")
    place = f"第 {position + 1} 个字符，“{around}”处" if text else "公式"
    return Fault(place, message, found=found, mend=mend)


@dataclass(frozen=True, slots=True)
class Number:
    """A constant: canonical decimal text and its unit (元, 点, 人, 天; empty fits any)."""

    text: str
    unit: str = ""
    at: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Field:
    """A field by its id; ``key`` names one of several (``成本.水电``)."""

    name: str
    key: str = ""
    at: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Negative:
    """The negative of a node."""

    inner: Node
    at: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Binary:
    """``+ - * /`` of two nodes."""

    sign: str
    left: Node
    right: Node
    at: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Compare:
    """A comparison (``< <= > >= == !=``), the condition of ``where``."""

    sign: str
    left: Node
    right: Node
    at: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Call:
    """``min``, ``max``, ``clip(x, low, high)`` or ``where(condition, a, b)``."""

    name: str
    parts: tuple[Node, ...]
    at: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Ladder:
    """Steps by ``x``: values[i] where bounds[i-1] <= x < bounds[i]; one more value than bounds."""

    x: Node
    bounds: tuple[str, ...]
    values: tuple[Node, ...]
    at: int = field(default=0, compare=False)


Node = Number | Field | Negative | Binary | Compare | Call | Ladder


def inner_nodes(node: Node) -> tuple[Node, ...]:
    """The nodes directly inside a node, from left to right."""
    match node:
        case Negative():
            return (node.inner,)
        case Binary() | Compare():
            return (node.left, node.right)
        case Call():
            return node.parts
        case Ladder():
            return (node.x, *node.values)
        case _:
            return ()


def nodes_of(tree: Node) -> Iterator[Node]:
    """Every node of a tree, the outer before the inner."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        waiting.extend(reversed(inner_nodes(node)))
