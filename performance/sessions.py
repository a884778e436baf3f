"""Several procedures of one person, day and executing unit (allocation.md §2).

What a session does to a line is one of a plan's *modifiers*: a factor on the item's points, the
base of its endoscopy family taken off, or factors on its technical and professional parts.  A
line's quantity may be cut over several modifiers; its parts sum to it, so nothing is lost.

One procedure has one place in the order of value, whoever stands at the table: the lines of an
assistant, and of the second of two surgeons, are that person's own sequence, so that the assistant
of a single procedure has 16 % of it and each of two surgeons 62.5 %.  A bilateral procedure stands
in the order by what it is worth, 150 %.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt
import pandas as pd

from performance._kernels_points import session_steps
from performance.model_keys import e4
from performance.points_model import SessionsModel

__all__ = ["PLAIN_MODIFIER", "Modifier", "SessionRows", "Sessions", "modified", "netted"]

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Modifier:
    """What is done to the points of an item: ``factor`` x points, in ten-thousandths.

    less_base: the base of the item's family is taken off first.  technical, professional: factors
    of the item's two parts in place of its points, -1 where there are none.
    """

    factor: int = 10_000
    less_base: bool = False
    technical: int = -1
    professional: int = -1


PLAIN_MODIFIER = Modifier()

_MARKS = ("bilateral", "assistant", "two_surgeons")
_BILATERAL, _ASSISTANT, _TWO = (number for number, _ in enumerate(_MARKS, 1))
_KINDS = ("procedure", "endoscopy", "imaging")


class Sessions:
    """A plan's session rules: its modifiers, and which of its marks a text is.

    Modifier ``place(kind, step, mark)``: kinds as in the item table; step 0 is the first unit; mark
    0 is none.  Imaging has steps 0 to 3: technical reduced + 2 x professional reduced.
    """

    def __init__(self, model: SessionsModel | None) -> None:
        self.model = model
        self.modifiers: list[Modifier] = [PLAIN_MODIFIER]
        self.marks: dict[str, int] = {}
        self._at: dict[tuple[str, int, int], int] = {}
        if model is None:
            return
        factors = [10_000]
        for number, name in enumerate(_MARKS, 1):
            factors.append(e4(getattr(model, name)))
            self.marks |= dict.fromkeys(getattr(model, f"{name}_marks"), number)
        for mark, factor in enumerate(factors):
            for step, share in enumerate(model.steps):
                self._add("procedure", step, mark, Modifier(_times(e4(share), factor)))
            for step in range(2):
                self._add("endoscopy", step, mark, Modifier(factor, less_base=step > 0))
            for step in range(4):
                parts = [_imaging(model, step, part, factor) for part in range(2)]
                plain = Modifier(factor)
                found = Modifier(10_000, technical=parts[0], professional=parts[1])
                self._add("imaging", step, mark, found if step else plain)

    def _add(self, kind: str, step: int, mark: int, modifier: Modifier) -> None:
        if modifier not in self.modifiers:
            self.modifiers.append(modifier)
        self._at[kind, step, mark] = self.modifiers.index(modifier)

    def place(self, kind: str, steps: int) -> Ints:
        """Modifiers of a kind by (mark, step)."""
        marks = len(_MARKS) + 1
        return np.array(
            [[self._at[kind, step, mark] for step in range(steps)] for mark in range(marks)],
            dtype=np.int64,
        )

    def kinds(self, items: pd.DataFrame) -> Ints:
        """Session rule of each item, place in the kinds, -1 where none applies in this plan."""
        kind = np.full(len(items), -1, dtype=np.int64)
        if self.model is None:
            return kind
        switches = (self.model.procedures, self.model.endoscopy, self.model.imaging)
        given = items["session"].to_numpy(dtype=object)
        for number, (name, switch) in enumerate(zip(_KINDS, switches, strict=True)):
            if switch == "apply":
                kind[given == name] = number
        return kind


def _times(left: int, right: int) -> int:
    """Product of two factors in ten-thousandths, half up to four decimals."""
    return (left * right + 5_000) // 10_000


def _imaging(model: SessionsModel, step: int, part: int, factor: int) -> int:
    share = e4((model.technical, model.professional)[part])
    return _times(share, factor) if step >> part & 1 else factor


@dataclass(frozen=True)
class SessionRows:
    """Lines (n) that session rules look at, int64 columns.

    case: number of the person or case, -1 where it is blank.  day, execution: of the session.
    item, order, doctor, executor, day_class: as the lines have them.  mark: number of the mark.
    """

    case: Ints
    day: Ints
    execution: Ints
    item: Ints
    order: Ints
    doctor: Ints
    executor: Ints
    day_class: Ints
    mark: Ints
    quantity_e4: Ints


def netted(rows: SessionRows, amount_fen: Ints) -> tuple[SessionRows, Ints, Ints]:
    """Lines that differ only in quantity as one, so that a refund undoes what it refunds.

    Returns the rows, their amounts, and how many lines each stands for.
    """
    keys = [held.name for held in fields(rows) if held.name != "quantity_e4"]
    frame = pd.DataFrame({held.name: getattr(rows, held.name) for held in fields(rows)})
    frame = frame.assign(amount=amount_fen, lines=np.int64(1))
    summed = frame.groupby(keys, sort=True, as_index=False).sum()
    columns = {name: summed[name].to_numpy(dtype=np.int64) for name in summed.columns}
    amount, lines = columns.pop("amount"), columns.pop("lines")
    return SessionRows(**columns), amount, lines


def modified(rows: SessionRows, sessions: Sessions, items: pd.DataFrame) -> tuple[Ints, Ints, Ints]:
    """Cut the quantities of lines over modifiers: place of the line, modifier, quantity, (m,) each.

    The order of the lines does not matter.  Lines without a case are sessions of their own; a mark
    counts for every line that has it.
    """
    kind = sessions.kinds(items)[rows.item]
    chosen = np.where((rows.case < 0) | (rows.execution < 0), -1, kind)
    found = [_marked(rows, sessions, np.flatnonzero(chosen < 0))]
    family = pd.factorize(items["family"].to_numpy(dtype=object), sort=True)[0]
    model = sessions.model
    if model is not None:
        values = items["points_e4"].to_numpy(dtype=np.int64)
        steps = len(model.steps)
        lines = np.flatnonzero(chosen == 0)
        twice = e4(model.bilateral)
        none = np.zeros(len(lines), dtype=np.int64)
        parts = _steps(rows, lines, none, values, steps, twice)
        found.append(_spread(lines, parts, sessions.place("procedure", steps)[rows.mark[lines]]))
        lines = np.flatnonzero(chosen == 1)
        families = family[rows.item[lines]].astype(np.int64)
        parts = _steps(rows, lines, families, values, 2, twice)
        found.append(_spread(lines, parts, sessions.place("endoscopy", 2)[rows.mark[lines]]))
        lines = np.flatnonzero(chosen == 2)
        parts = _images(rows, lines, items, twice)
        found.append(_spread(lines, parts, sessions.place("imaging", 4)[rows.mark[lines]]))
    places, modifiers, quantities = (np.concatenate([one[i] for one in found]) for i in range(3))
    return places, modifiers, quantities


def _marked(rows: SessionRows, sessions: Sessions, lines: Ints) -> tuple[Ints, Ints, Ints]:
    """Lines on their own: in full, times their mark."""
    if sessions.model is None:
        return lines, np.zeros(len(lines), dtype=np.int64), rows.quantity_e4[lines]
    first = sessions.place("endoscopy", 1)[:, 0]
    return lines, first[rows.mark[lines]], rows.quantity_e4[lines]


def _own(rows: SessionRows, lines: Ints) -> Ints:
    """Number of the person whose sequence a line is in; 0 for the first surgeon's."""
    mark, executor = rows.mark[lines], rows.executor[lines]
    own = np.where(mark == _ASSISTANT, executor + 2, 0)
    two = np.flatnonzero(mark == _TWO)
    if len(two):
        keys = ["case", "day", "execution", "item"]
        frame = pd.DataFrame({key: getattr(rows, key)[lines[two]] for key in keys})
        first = frame.assign(one=executor[two]).groupby(keys)["one"].transform("min").to_numpy()
        own[two] = np.where(executor[two] == first, 0, executor[two] + 2)
    return own.astype(np.int64)


def _steps(
    rows: SessionRows, lines: Ints, group: Ints, values: Ints, steps: int, bilateral_e4: int
) -> Ints:
    """Quantities of lines over the steps of their sessions, int64 (n, steps)."""
    item, quantity = rows.item[lines], rows.quantity_e4[lines]
    keys = (rows.executor, rows.doctor, rows.order, rows.day_class)
    inner: Sequence[Ints] = [key[lines] for key in keys]
    session = [_own(rows, lines), group, rows.execution[lines], rows.day[lines], rows.case[lines]]
    worth = values[item] * np.where(rows.mark[lines] == _BILATERAL, bilateral_e4, 10_000)
    order = np.lexsort([-quantity, *inner, quantity <= 0, rows.mark[lines], item, -worth, *session])
    starts = np.zeros(len(lines), dtype=np.int64)
    for key in session:
        starts[1:] |= key[order][1:] != key[order][:-1]
    inside = item * 8 + rows.mark[lines]
    sorted_parts = np.zeros((len(lines), steps), dtype=np.int64)
    session_steps(np.cumsum(starts), inside[order], quantity[order], sorted_parts)
    parts = np.empty_like(sorted_parts)
    parts[order] = sorted_parts
    return parts


def _images(rows: SessionRows, lines: Ints, items: pd.DataFrame, bilateral_e4: int) -> Ints:
    """Quantities of images over technical reduced + 2 x professional reduced, int64 (n, 4)."""
    none = np.zeros(len(lines), dtype=np.int64)
    firsts = []
    for name in ("technical_e4", "professional_e4"):
        values = items[name].to_numpy(dtype=np.int64)
        firsts.append(_steps(rows, lines, none, values, 2, bilateral_e4)[:, 0])
    quantity = rows.quantity_e4[lines]
    sign = np.where(quantity < 0, -1, 1)
    technical, professional = (np.abs(first) for first in firsts)
    both = np.minimum(technical, professional)
    parts = [both, professional - both, technical - both]
    parts.append(np.abs(quantity) - both - parts[1] - parts[2])
    return np.stack(parts, axis=1) * sign[:, None]


def _spread(lines: Ints, parts: Ints, modifiers: Ints) -> tuple[Ints, Ints, Ints]:
    """The steps that a line has anything in; a line of nothing keeps its first."""
    some = parts != 0
    some[:, 0] |= ~some.any(axis=1)
    row, step = np.nonzero(some)
    return lines[row], modifiers[row, step], parts[row, step]
