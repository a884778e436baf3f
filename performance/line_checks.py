"""What charge lines hold that nobody knows, by distinct text: rows, quantity, amount, first row."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from performance.columns import Coded
from performance.lines import ChargeLines

__all__ = ["EXCEPTION_COLUMNS", "Told"]

EXCEPTION_COLUMNS = (
    "kind",
    "file",
    "found",
    "rows",
    "quantity_e4",
    "amount_fen",
    "first_row",
    "message",
)

_BLANK = "（空）"


class Told:
    """Exceptions gathered part by part; their sums do not depend on how the lines were cut."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._held: dict[tuple[str, str], list[int]] = {}
        self._messages: dict[str, str] = {}

    def add(
        self,
        kind: str,
        message: str,
        lines: ChargeLines,
        column: Coded,
        bad: npt.NDArray[np.bool_],
    ) -> None:
        """Lines where ``bad`` (bool, n) is true, by the text of a column."""
        where = np.flatnonzero(bad)
        if not len(where):
            return
        self._messages[kind] = message
        codes, group = np.unique(column.codes[where], return_inverse=True)
        sums = np.zeros((3, len(codes)), dtype=np.int64)
        np.add.at(sums[0], group, 1)
        np.add.at(sums[1], group, lines.quantity_e4[where])
        np.add.at(sums[2], group, lines.amount_fen[where])
        first = np.full(len(codes), np.iinfo(np.int64).max)
        np.minimum.at(first, group, lines.row[where])
        texts = column.dictionary.take(codes).to_pylist()
        for text, row, *more in zip(texts, first.tolist(), *sums.tolist(), strict=True):
            held = self._held.setdefault((kind, text or _BLANK), [0, 0, 0, row])
            for place in range(3):
                held[place] += more[place]
            held[3] = min(held[3], row)

    def unreadable(self, rejects: pd.DataFrame) -> None:
        """Rows set aside by the reader, with the amounts of those whose amount could be read."""
        if not len(rejects):
            return
        for keys, lines in rejects.groupby(["reason", "found", "column"], sort=True):
            reason, found, column = (str(key) for key in keys)
            self._messages["无法读取"] = "该行未计入"
            key = ("无法读取", f"{found or _BLANK}\x1f{reason}；该行未计入\x1f{column}")
            amount = int(lines["amount_fen"].sum())
            self._held[key] = [len(lines), 0, amount, int(lines["row"].min())]

    def frame(self) -> pd.DataFrame:
        """All that was told, in EXCEPTION_COLUMNS, by kind and text.

        With a further ``column`` where rows were set aside: the heading at fault.
        """
        rows = []
        for (kind, found), (count, quantity, amount, first) in sorted(self._held.items()):
            text, own, column = [*found.split("\x1f"), "", ""][:3]
            message = own or self._messages[kind]
            rows.append((kind, self._file, text, count, quantity, amount, first, message, column))
        frame = pd.DataFrame(rows, columns=[*EXCEPTION_COLUMNS, "column"])
        return frame if frame["column"].any() else frame.drop(columns="column")
