"""Sums by group over parts: each part is added into what is held, exactly in whole numbers.

A group is what cases have in common (hospital and department, say), known by its texts, so that
parts with codes and names of their own come together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from drg_engine._kernels_rollup import add_rows, mark_rows
from drg_engine.payment_columns import Coded

__all__ = ["GroupSums", "stacked"]

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Texts = tuple[str, ...]


def stacked(columns: Mapping[str, npt.NDArray[Any]], n: int, dtype: type) -> npt.NDArray[Any]:
    """Columns of n rows as the rows of one array."""
    made: npt.NDArray[Any] = np.empty((len(columns), n), dtype=dtype)
    for place, column in enumerate(columns.values()):
        made[place] = column
    return made


class GroupSums:
    """Sums by some keys: ``names`` are the columns counted, then those added.

    with_drgs: also marks which DRGs the grouped cases of each group have.  like: numbers the groups
    as those sums do, so that groups looked up there serve here.
    """

    def __init__(
        self,
        by: Sequence[str],
        names: Sequence[str],
        *,
        with_drgs: bool = False,
        like: GroupSums | None = None,
    ) -> None:
        self.by = tuple(by)
        self.names = tuple(names)
        self._at: dict[Texts, int] = {} if like is None else like._at
        self._sums = np.zeros((0, len(self.names)), dtype=np.int64)
        self._bits = np.zeros((0, 0), dtype=np.uint8)
        self._with_drgs = with_drgs

    def add(
        self,
        group: npt.NDArray[np.int32],
        counted: Bools,
        added: Ints,
        drg: tuple[npt.NDArray[np.int32], Bools, int] | None = None,
    ) -> None:
        """Add rows by their groups: counted bool (k, n), added int64 (m, n).

        drg: places of the DRGs (the same in all parts), which rows count, how many there are.
        """
        self._grow(0 if drg is None else drg[2])
        add_rows(group, counted, added, self._sums)
        if drg is not None and self._with_drgs:
            mark_rows(group, drg[0], drg[1], self._bits)

    def merge(self, texts: Sequence[Texts], sums: Ints, bits: npt.NDArray[np.uint8]) -> None:
        """Take over sums by group (groups, columns) made elsewhere, and their DRGs' bits."""
        at = np.array([self._at.setdefault(text, len(self._at)) for text in texts], dtype=np.int64)
        self._grow(bits.shape[1] * 8)
        np.add.at(self._sums, at, sums)
        if bits.size:
            np.bitwise_or.at(self._bits, (at[:, None], np.arange(bits.shape[1])[None, :]), bits)

    def rolled(self, by: Sequence[str]) -> GroupSums:
        """The same sums by some of the keys."""
        whole = GroupSums(by, self.names, with_drgs=self._with_drgs)
        places = [self.by.index(name) for name in whole.by]
        texts, sums, bits = self.held()
        whole.merge([tuple(text[at] for at in places) for text in texts], sums, bits)
        return whole

    def held(self) -> tuple[list[Texts], Ints, npt.NDArray[np.uint8]]:
        """Groups in the order they came, their sums and their DRGs' bits."""
        self._grow(0)
        size = len(self._at)
        return list(self._at), self._sums[:size], self._bits[:size]

    def table(self, orders: Mapping[str, Sequence[str]]) -> tuple[pd.DataFrame, dict[str, Ints]]:
        """Keys of the groups, sorted by text (a missing one last), and their sums by name.

        orders: for some keys, the texts in the order they stand in.  With DRGs ``drg_count`` too.
        """
        ranks = {
            name: {text: place for place, text in enumerate(texts)}
            for name, texts in orders.items()
            if name in self.by
        }

        def rank(texts: Texts) -> list[tuple[bool, int, str]]:
            return [
                (not text, ranks[name].get(text, 0) if name in ranks else 0, text)
                for name, text in zip(self.by, texts, strict=True)
            ]

        self._grow(0)
        listed = sorted(self._at, key=rank)
        at = np.array([self._at[texts] for texts in listed], dtype=np.int64)
        frame = pd.DataFrame(
            {name: [texts[place] for texts in listed] for place, name in enumerate(self.by)},
            index=range(len(listed)),
        )
        sums = {name: self._sums[at, place] for place, name in enumerate(self.names)}
        if self._with_drgs:
            marked = np.unpackbits(self._bits[at], axis=1)
            sums["drg_count"] = marked.sum(axis=1, dtype=np.int64)
        return frame, sums

    def groups(self, keys: Mapping[str, Coded], n: int) -> npt.NDArray[np.int32]:
        """Group (int32 (n,)) of each row; new groups are numbered on."""
        labels = [keys[name] for name in self.by]
        if not labels:
            self._at.setdefault((), 0)
            return np.zeros(n, dtype=np.int32)
        local = labels[0].codes.astype(np.int64) + 1
        for label in labels[1:]:
            local = local * (len(label.names) + 1) + (label.codes + 1)
        places, found = pd.factorize(local)
        left = np.asarray(found, dtype=np.int64)
        columns = []
        for label in reversed(labels):
            left, code = np.divmod(left, len(label.names) + 1)
            names = ("", *label.names)
            columns.append([names[at] for at in code.tolist()])
        texts = zip(*reversed(columns), strict=True)
        at = [self._at.setdefault(text, len(self._at)) for text in texts]
        return np.array(at, dtype=np.int32)[places]

    def _grow(self, drgs: int) -> None:
        """Make room for the groups and the DRGs."""
        rows, width = self._sums.shape[0], self._bits.shape[1]
        if len(self._at) > rows:
            rows = max(2 * rows, len(self._at))
            self._sums = _grown(self._sums, (rows, len(self.names)))
        width = max(width, (drgs + 7) // 8) if self._with_drgs else 0
        if self._bits.shape != (rows, width):
            self._bits = _grown(self._bits, (rows, width))


def _grown(array: npt.NDArray[Any], shape: tuple[int, int]) -> npt.NDArray[Any]:
    made = np.zeros(shape, dtype=array.dtype)
    made[: array.shape[0], : array.shape[1]] = array
    return made
