"""Units of a formula: 点 and 元 are not added, and the result is what the plan wants of it."""

from __future__ import annotations

from drg_engine.errors import Fault
from performance.formula_eval import constant_value
from performance.formula_fields import SCOPES, Unit, fields_of, unit_of, unit_text
from performance.formula_show import field_label
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
)

__all__ = ["check_formula"]

_NONE: Unit = (0, 0, 0, 0)
_WORDS = {"+": "相加", "-": "相减"}


def check_formula(tree: Node, scope: str, wanted: Unit | None, text: str = "") -> Unit | None:
    """Check fields, units and divisors of a tree; its unit, None where any unit fits.

    A bare number takes the unit of what it is added to or compared with.  Raises FormulaError with
    every fault: fields that the scope does not have, units that do not go together, a divisor that
    is always 0, a result of another unit than ``wanted``.
    """
    checker = _Checker(scope, text)
    unit = checker.unit(tree)
    if wanted is not None and unit is not None and unit != wanted and not checker.faults:
        message = f"公式的结果应为{unit_text(wanted)}，实际为{unit_text(unit)}"
        checker.tell(message, tree.at, "请核对各项的单位：点数 × 点值 是元，金额 ÷ 金额 是比例")
    if checker.faults:
        raise FormulaError(f"公式有 {len(checker.faults)} 处错误", checker.faults)
    return unit


class _Checker:
    def __init__(self, scope: str, text: str) -> None:
        self._scope = scope
        self._text = text
        self._known = fields_of(scope)
        self.faults: list[Fault] = []

    def tell(self, message: str, at: int, mend: str | None = None) -> None:
        self.faults.append(formula_fault(self._text, message, at, mend=mend))

    def unit(self, node: Node) -> Unit | None:
        match node:
            case Number():
                return unit_of(node.unit) if node.unit else None
            case Field():
                return self._field(node)
            case Negative():
                return self.unit(node.inner)
            case Binary():
                return self._binary(node)
            case Compare():
                self._same(node, node.left, node.right, what="比较")
                return _NONE
            case Call():
                if node.name == "where":
                    self.unit(node.parts[0])
                    return self._same(node, *node.parts[1:], what="作为同一结果")
                return self._same(node, *node.parts, what="比较")
            case Ladder():
                self.unit(node.x)
                return self._same(node, *node.values, what="作为同一结果")

    def _field(self, node: Field) -> Unit | None:
        info = self._known.get(node.name)
        if info is None:
            where = "、".join(SCOPES[s] for s in fields_of()[node.name].scopes)
            message = f"“{field_label(node)}”只能用在{where}公式里"
            self.tell(message, node.at, f"这里是{SCOPES[self._scope]}公式")
            return None
        if info.keyed and not node.key:
            self.tell(f"“{info.label}”后须写名称", node.at, f"写作 {info.label}.名称")
        if node.key and not info.keyed:
            self.tell(f"“{info.label}”后不能再写名称", node.at, "请去掉点号及其后")
        return info.unit

    def _binary(self, node: Binary) -> Unit | None:
        if node.sign in "+-":
            return self._same(node, node.left, node.right, what=_WORDS[node.sign])
        left, right = self.unit(node.left), self.unit(node.right)
        if node.sign == "/" and constant_value(node.right) == 0:
            self.tell("除数恒为 0", node.at, "请改正除数")
        if left is None and right is None:
            return None
        turn = 1 if node.sign == "*" else -1
        pairs = zip(left or _NONE, right or _NONE, strict=True)
        powers = [a + turn * b for a, b in pairs]
        return (powers[0], powers[1], powers[2], powers[3])

    def _same(self, node: Node, *parts: Node, what: str) -> Unit | None:
        units = [self.unit(part) for part in parts]
        known = [unit for unit in units if unit is not None]
        for unit in known[1:]:
            if unit != known[0]:
                message = f"{unit_text(known[0])}与{unit_text(unit)}不能{what}"
                self.tell(message, node.at, "请先换算成同一单位（如点数 × 点值）")
                return known[0]
        return known[0] if known else None
