"""Formula text to tree: a small hand-written parser that runs nothing.

    sum      = product (("+" | "-") product)*
    product  = signed (("*" | "/") signed)*
    signed   = "-" signed | factor
    factor   = number | field | function "(" … ")" | "(" sum ")"
    where    = where(sum compare sum, sum, sum)
    ladder   = ladder(sum; <bound: sum; … ; else: sum)

``× ÷ −``, full-width signs and the Chinese names of functions and fields mean the same.  Text,
depth and size are bounded, so that no text can exhaust the machine.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from performance.formula_fields import BASES, field_names, near_field
from performance.formula_tree import (
    FUNCTIONS,
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

__all__ = ["MOST_CHARACTERS", "MOST_DEPTH", "parse_formula"]

MOST_CHARACTERS = 4_000
MOST_DEPTH = 60
_MOST_TOKENS = 400
_MOST_DIGITS = 15

_SAME = str.maketrans("（）；，：＜＞＝＋－−×＊÷／！．％　“”", '();,:<>=+--**//!.% ""')
_TOKEN = re.compile(
    r"""(?P<blank>[ \t\r\n]+)
    |(?P<number>[0-9]+(?:\.[0-9]+)?(?P<percent>%)?)
    |(?P<name>[A-Za-z_\u4e00-\u9fff\u03a3][A-Za-z0-9_\u4e00-\u9fff\u03a3]*)
    |(?P<quoted>"[^"\n]*")
    |(?P<sign><=|>=|==|!=|[-+*/(),;:<>=.])""",
    re.VERBOSE,
)
_SIGNS = {"≤": "<=", "≥": ">=", "≠": "!=", "=": "=="}
_COMPARE = ("<", "<=", ">", ">=", "==", "!=")
_CALLS = {**{name: name for name in FUNCTIONS}, **{label: n for n, label in FUNCTIONS.items()}}
_ELSE = ("else", "其余")


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    at: int


def parse_formula(text: str, scope: str | None = None) -> Node:
    """The tree of a formula's text; ``scope`` bounds the fields it may name.

    Raises FormulaError with the position of what is wrong and how to mend it.
    """
    if len(text) > MOST_CHARACTERS:
        what, found = f"公式不得超过 {MOST_CHARACTERS:,} 个字符", f"{len(text):,} 个字符"
        fault = formula_fault("", what, 0, found=found, mend="请缩短，或拆成几条")
        raise FormulaError("公式太长", [fault])
    parser = _Parser(text, _tokens(text), scope)
    return parser.whole()


def _refused(text: str, message: str, at: int, found: str = "", mend: str = "") -> FormulaError:
    return FormulaError(
        "公式写法不对", [formula_fault(text, message, at, found=found or None, mend=mend or None)]
    )


def _tokens(text: str) -> list[_Token]:
    plain = text.translate(_SAME)
    found: list[_Token] = []
    place = 0
    while place < len(plain):
        if plain[place] in _SIGNS and plain[place : place + 2] != "==":
            found.append(_Token("sign", _SIGNS[plain[place]], place))
            place += 1
            continue
        hit = _TOKEN.match(plain, place)
        if hit is None:
            raise _refused(text, "不认识的字符", place, plain[place], "只用名称、数字和运算符号")
        kind = str(hit.lastgroup if hit.lastgroup != "percent" else "number")
        if kind != "blank":
            found.append(_Token(kind, hit.group(), place))
        if len(found) > _MOST_TOKENS:
            raise _refused(text, "公式太复杂", place, mend="请拆成几条")
        place = hit.end()
    found.append(_Token("end", "", len(text)))
    return found


class _Parser:
    """Reads tokens from left to right; never runs what it reads."""

    def __init__(self, text: str, tokens: list[_Token], scope: str | None) -> None:
        self._text = text
        self._tokens = tokens
        self._scope = scope
        self._place = 0
        self._depth = 0

    def whole(self) -> Node:
        tree = self._sum()
        if self._now.kind != "end":
            raise self._unexpected("公式到这里应已结束")
        return tree

    @property
    def _now(self) -> _Token:
        return self._tokens[self._place]

    def _next(self) -> _Token:
        token = self._now
        self._place += 1
        return token

    def _is(self, *signs: str) -> bool:
        return self._now.kind == "sign" and self._now.text in signs

    def _take(self, sign: str) -> _Token:
        if not self._is(sign):
            raise self._unexpected(f"这里应为“{sign}”")
        return self._next()

    def _unexpected(self, message: str, mend: str = "") -> FormulaError:
        token = self._now
        found = token.text if token.kind != "end" else "公式的末尾"
        return _refused(self._text, message, token.at, found[:40], mend)

    def _deeper(self) -> None:
        self._depth += 1
        if self._depth > MOST_DEPTH:
            raise _refused(
                self._text, f"括号或负号嵌套超过 {MOST_DEPTH} 层", self._now.at, mend="请拆成几条"
            )

    def _sum(self) -> Node:
        self._deeper()
        left = self._product()
        while self._is("+", "-"):
            sign = self._next()
            left = Binary(sign.text, left, self._product(), sign.at)
        self._depth -= 1
        return left

    def _product(self) -> Node:
        left = self._signed()
        while self._is("*", "/"):
            sign = self._next()
            left = Binary(sign.text, left, self._signed(), sign.at)
        return left

    def _signed(self) -> Node:
        if not self._is("-"):
            return self._factor()
        self._deeper()
        sign = self._next()
        inner = self._signed()
        self._depth -= 1
        return Negative(inner, sign.at)

    def _factor(self) -> Node:
        token = self._now
        if token.kind == "number":
            return self._number()
        if token.kind == "name":
            after = self._tokens[self._place + 1]
            if after.kind == "sign" and after.text == "(":
                return self._call()
            return self._field()
        if self._is("("):
            self._next()
            inner = self._sum()
            self._take(")")
            return inner
        raise self._unexpected("这里应为数字、名称或括号")

    def _number(self) -> Number:
        token = self._next()
        if len(token.text.replace(".", "").rstrip("%")) > _MOST_DIGITS:
            raise _refused(
                self._text, f"数字不得超过 {_MOST_DIGITS} 位", token.at, token.text[:40], "请缩短"
            )
        unit = ""
        after = self._now
        if after.kind == "name" and after.at == token.at + len(token.text):
            if after.text not in BASES:
                mend = f"数字后只可写单位 {'、'.join(BASES)}；相乘请写 ×"
                raise self._unexpected("数字后面不认识", mend)
            unit = self._next().text
        return Number(_canonical(token.text), unit, token.at)

    def _field(self) -> Field:
        token = self._next()
        name = field_names().get(token.text)
        if name is None or token.text.startswith("__"):
            near = near_field(token.text, self._scope)
            mend = f"最接近的名称是“{near}”" if near else "用 drg-engine plan explain 公式 看全部"
            raise _refused(self._text, "不认识的名称", token.at, token.text[:40], mend)
        if not self._is("."):
            return Field(name, "", token.at)
        self._next()
        key = self._now
        if key.kind not in ("name", "quoted"):
            raise self._unexpected("点号后应为名称", '如 成本.水电，或 成本."水 电"')
        self._next()
        return Field(name, key.text.strip('"'), token.at)

    def _call(self) -> Node:
        token = self._next()
        name = _CALLS.get(token.text)
        if name is None:
            raise _refused(
                self._text, "不认识的函数", token.at, token.text[:40],
                "可用：" + "、".join(f"{label}（{n}）" for n, label in FUNCTIONS.items()),
            )  # fmt: skip
        self._take("(")
        if name == "ladder":
            return self._ladder(token.at)
        parts: list[Node] = [self._condition() if name == "where" else self._sum()]
        while self._is(","):
            self._next()
            parts.append(self._sum())
        self._take(")")
        self._count(name, len(parts), token)
        return Call(name, tuple(parts), token.at)

    def _count(self, name: str, count: int, token: _Token) -> None:
        least, most = {"min": (2, 50), "max": (2, 50)}.get(name, (3, 3))
        if not least <= count <= most:
            wanted = "3 项" if most == 3 else "至少 2 项"
            raise _refused(self._text, f"{FUNCTIONS[name]} 应有{wanted}", token.at, f"{count} 项")

    def _condition(self) -> Node:
        left = self._sum()
        if self._now.kind != "sign" or self._now.text not in _COMPARE:
            raise self._unexpected("这里应为比较（< <= > >= == !=）")
        sign = self._next()
        return Compare(sign.text, left, self._sum(), sign.at)

    def _ladder(self, at: int) -> Node:
        x = self._sum()
        bounds: list[str] = []
        values: list[Node] = []
        while True:
            self._take(";")
            if self._now.kind == "name" and self._now.text in _ELSE:
                self._next()
                self._take(":")
                values.append(self._sum())
                self._take(")")
                break
            self._take("<")
            bounds.append(self._bound(bounds))
            self._take(":")
            values.append(self._sum())
        if not bounds:
            raise _refused(self._text, "阶梯至少要有一级", at, mend="阶梯(x; <1: 0.9; 其余: 1)")
        return Ladder(x, tuple(bounds), tuple(values), at)

    def _bound(self, before: list[str]) -> str:
        negative = self._is("-")
        if negative:
            self._next()
        token = self._now
        if token.kind != "number":
            raise self._unexpected("阶梯的界限应为数字")
        number = self._number()
        if number.unit:
            mend = "界限只写数字，它的单位就是所分级的那个量的单位"
            raise _refused(self._text, "阶梯的界限不写单位", token.at, number.unit, mend)
        text = ("-" if negative else "") + number.text
        text = "0" if text == "-0" else text
        if before and float(text) <= float(before[-1]):
            raise _refused(
                self._text, "阶梯的界限应自小到大，不能重叠或留空档", token.at, text, "请改正界限"
            )
        return text


def _canonical(text: str) -> str:
    """Decimal text without idle zeros; a percentage as its part of one."""
    if text.endswith("%"):
        whole, _, part = text[:-1].partition(".")
        whole = whole.rjust(3, "0")
        text = f"{whole[:-2]}.{whole[-2:]}{part}"
    whole, _, part = text.partition(".")
    part = part.rstrip("0")
    return (whole.lstrip("0") or "0") + (f".{part}" if part else "")
