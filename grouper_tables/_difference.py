"""One difference between two schemes, and how things are compared to find it."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

__all__ = [
    "KINDS",
    "Difference",
    "compared_order",
    "compared_titles",
    "compared_values",
    "moved_codes",
]

KINDS: Mapping[str, str] = {
    "option": "选项与费率",
    "mdc": "MDC",
    "mdc_code": "MDC 诊断表的编码",
    "adrg": "ADRG",
    "adrg_name": "ADRG 改名",
    "order": "ADRG 的先后",
    "condition": "入组条件",
    "adrg_code": "ADRG 编码集的编码",
    "group": "病组",
    "group_name": "病组改名",
    "weight": "权重",
    "level": "CC/MCC 清单的编码",
    "exclusion": "CC/MCC 排除表",
    "counted": "计入手术清单的编码",
}
"""What is compared, in the order it is told, with its heading."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference.  ``first`` or ``second`` is '' where the thing stands only in the other.

    codes: the codes it is about, sorted, where it is about codes.
    """

    kind: str
    what: str
    first: str
    second: str
    codes: tuple[str, ...] = ()


def compared_values(
    kind: str, first: Mapping[str, str], second: Mapping[str, str]
) -> Iterator[Difference]:
    """A difference for each key whose value differs or is in one only."""
    for key in dict.fromkeys([*first, *second]):
        one, other = first.get(key, ""), second.get(key, "")
        if _same_text(one) != _same_text(other):
            yield Difference(kind, key, one, other)


def _same_text(text: str) -> str:
    """Text without the difference of full and half width."""
    return unicodedata.normalize("NFKC", text)


def compared_titles(
    kind: str, first: Mapping[str, tuple[str, str]], second: Mapping[str, tuple[str, str]]
) -> Iterator[Difference]:
    """Things with a name and a place: new, gone or placed otherwise; then those only renamed."""

    def shown(title: tuple[str, str] | None) -> str:
        return f"{title[0]}（{title[1]}）" if title else ""

    renamed: list[Difference] = []
    for key in dict.fromkeys([*first, *second]):
        one, other = first.get(key), second.get(key)
        if one is None or other is None or one[1] != other[1]:
            yield Difference(kind, key, shown(one), shown(other))
        elif _same_text(one[0]) != _same_text(other[0]):
            renamed.append(Difference(f"{kind}_name", key, one[0], other[0]))
    yield from renamed


def moved_codes(
    kind: str,
    what: str,
    first: Mapping[str, frozenset[str]],
    second: Mapping[str, frozenset[str]],
) -> Iterator[Difference]:
    """Codes that stand elsewhere, those of the same move together, largest moves first."""
    moves: dict[tuple[str, str], list[str]] = {}
    none: frozenset[str] = frozenset()
    for code in sorted(first.keys() | second.keys()):
        one, other = first.get(code, none), second.get(code, none)
        if one != other:
            move = ("、".join(sorted(one - other)), "、".join(sorted(other - one)))
            moves.setdefault(move, []).append(code)
    for (left, entered), codes in sorted(moves.items(), key=lambda m: (-len(m[1]), m[0])):
        yield Difference(kind, what, left, entered, tuple(codes))


def compared_order(
    kind: str, where: str, first: Sequence[str], second: Sequence[str]
) -> Iterator[Difference]:
    """Members common to both that stand in another order, each with its neighbours before."""
    ones = [member for member in first if member in second]
    others = [member for member in second if member in first]
    matcher = SequenceMatcher(None, ones, others, autojunk=False)
    kept = {ones[block.a + i] for block in matcher.get_matching_blocks() for i in range(block.size)}
    for member in ones:
        if member not in kept:
            yield Difference(
                kind, f"{where} 内的 {member}", _after(ones, member), _after(others, member)
            )


def _after(order: Sequence[str], member: str) -> str:
    place = order.index(member)
    return f"排在 {order[place - 1]} 之后" if place else "排在最前"
