"""Bits and classes: where each alternative stands, and which codes stand in the same sets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from grouper_tables._arrays import Ints, Words
from grouper_tables.rules import Alternative

__all__ = ["Findings", "Layout", "Membership", "Slot", "allowed_classes"]


@dataclass(slots=True)
class Slot:
    """An alternative and its place: word, bit, and the index of its owner."""

    alternative: Alternative
    owner: int
    word: int
    bit: int


class Layout:
    """Gives alternatives their bits; each owner block starts at a fresh word."""

    def __init__(self) -> None:
        self.slots: list[Slot | None] = []

    @property
    def words(self) -> int:
        return len(self.slots) // 64

    def block(self, owned: Iterable[tuple[int, Alternative]]) -> tuple[int, int]:
        """Place alternatives in their order of trial; returns first and past-last word."""
        first = self.words
        for owner, alternative in owned:
            place = len(self.slots)
            self.slots.append(Slot(alternative, owner, place // 64, place % 64))
        self.slots.extend([None] * (-len(self.slots) % 64))
        return first, self.words

    def placed(self) -> list[tuple[int, Slot]]:
        """Index and slot of every alternative."""
        return [(i, slot) for i, slot in enumerate(self.slots) if slot is not None]


class Membership:
    """Which of the wanted sets each code stands in, as classes of codes that stand in the same."""

    def __init__(self, codes: Mapping[str, int]) -> None:
        self._codes = codes
        self.sets: dict[str, int] = {}
        self._of_code: list[list[int]] = [[] for _ in range(len(codes) + 1)]

    def want(self, key: str, members: Iterable[str]) -> int:
        """Number of the set ``key``, with its members noted when first asked for."""
        if key not in self.sets:
            number = len(self.sets)
            self.sets[key] = number
            for code in dict.fromkeys(members):
                place = self._codes.get(code)
                if place is not None:
                    self._of_code[place].append(number)
        return self.sets[key]

    def classes(self) -> tuple[Ints, npt.NDArray[np.bool_]]:
        """Class of each code (class 0: in none), and for each class which sets hold it."""
        numbers: dict[tuple[int, ...], int] = {(): 0}
        of_code = np.zeros(len(self._of_code), dtype=np.int32)
        for place, found in enumerate(self._of_code):
            if found:
                of_code[place] = numbers.setdefault(tuple(found), len(numbers))
        holds = np.zeros((len(numbers), max(1, len(self.sets))), dtype=np.bool_)
        for found_sets, number in numbers.items():
            holds[number, list(found_sets)] = True
        return of_code, holds


def allowed_classes(holds: npt.NDArray[np.bool_], wanted: list[tuple[int, bool]]) -> Words:
    """1 for each class that satisfies all of ``wanted``, as uint64."""
    allowed = np.ones(len(holds), dtype=np.bool_)
    for number, negated in wanted:
        allowed &= holds[:, number] != negated
    return np.asarray(allowed, dtype=np.uint64)


class Findings:
    """Bits for the sets looked for anywhere in a case: (any, other or proc; number of the set)."""

    def __init__(self) -> None:
        self._bits: dict[tuple[str, int], int] = {}

    def bit(self, kind: str, number: int) -> int:
        """Bit of a finding, given when first asked for."""
        return self._bits.setdefault((kind, number), len(self._bits))

    @property
    def width(self) -> int:
        """Words that hold all bits."""
        return max(1, -(-len(self._bits) // 64))

    def words(self, holds: npt.NDArray[np.bool_], kinds: tuple[str, ...]) -> Words:
        """Findings (n, width) that codes of each class make, of the given kinds."""
        words = np.zeros((len(holds), self.width), dtype=np.uint64)
        for (kind, number), bit in self._bits.items():
            if kind in kinds:
                words[:, bit // 64] |= holds[:, number].astype(np.uint64) << np.uint64(bit % 64)
        return words
