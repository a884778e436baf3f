"""The door: text columns become typed columns; a row with a value that cannot be read stays out.

Every row that stays out is told with file, row, case id, column, value and reason.  A value that
was let in but changed in meaning (an unreadable sex is unknown) is told as a notice.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from drg_engine._jit import run_together
from drg_engine._kernels_codes import LONGEST_CODE
from drg_engine._kernels_money import (
    AMOUNT_OK,
    NO_AMOUNT,
    NOT_A_NUMBER,
    TOO_FINE,
    fen_of_rows,
)
from drg_engine.codes import CodeBook, Encoded, text_buffers
from drg_engine.columns import CaseFormat, ColumnPlan
from drg_engine.id_set import IdSet
from drg_engine.text_tables import BadRow, TextPart, TextTable
from drg_engine.values import Reading, readers_of

__all__ = [
    "NEGATIVE",
    "REJECT_COLUMNS",
    "Door",
    "IdSet",
    "Ledger",
    "Rejects",
    "no_columns",
    "one_array",
    "read_column",
    "read_money",
]

REJECT_COLUMNS = ("file", "row", "case_id", "column", "value", "reason")
_SCHEMA = pa.schema(
    [(name, pa.int64() if name == "row" else pa.string()) for name in REJECT_COLUMNS]
)
_LONGEST_SHOWN = 60
NEGATIVE = "金额为负；病例的总费用、成本不能小于 0，退费应冲减在同一病例内"
"""Why an amount below zero stays out."""
_YEAR_DAYS = 366
_NEWBORN_DAYS = 28
Mask = npt.NDArray[np.bool_]


def _empty() -> pa.Table:
    return _SCHEMA.empty_table()


@dataclass(frozen=True)
class Rejects:
    """What stayed out (one line for each value at fault) and what was noticed."""

    lines: pa.Table = field(default_factory=_empty)
    notices: pa.Table = field(default_factory=_empty)
    row_count: int = 0

    @classmethod
    def joined(cls, many: Sequence[Rejects]) -> Rejects:
        """All of them in order."""
        return cls(
            pa.concat_tables([one.lines for one in many]),
            pa.concat_tables([one.notices for one in many]),
            sum(one.row_count for one in many),
        )


class Ledger:
    """Collects the lines told of one part's rows."""

    def __init__(self, file: str, part: TextPart, ids: pa.Array) -> None:
        self._file = file
        self._rows = part.rows
        self._ids = ids
        self.out: Mask = np.zeros(len(part.rows), dtype=np.bool_)
        self._lines: list[tuple[npt.NDArray[np.int64], pa.Table]] = []
        self._notices: list[tuple[npt.NDArray[np.int64], pa.Table]] = []

    def refuse(self, mask: Mask, title: str, values: pa.Array, reason: str | pa.Array) -> None:
        """Keep out the rows of ``mask``."""
        if mask.any():
            self.out |= mask
            self._lines.append(self._told(mask, title, values, reason))

    def notice(self, mask: Mask, title: str, values: pa.Array, reason: str | pa.Array) -> None:
        """Tell of rows that are let in."""
        if mask.any():
            self._notices.append(self._told(mask, title, values, reason))

    def _told(
        self, mask: Mask, title: str, values: pa.Array, reason: str | pa.Array
    ) -> tuple[npt.NDArray[np.int64], pa.Table]:
        places = np.flatnonzero(mask)
        at = pa.array(places)
        shown = pc.utf8_slice_codeunits(_plain_text(values.take(at)), 0, _LONGEST_SHOWN)
        count = len(places)
        reasons = pa.array([reason] * count) if isinstance(reason, str) else reason.take(at)
        table = pa.table(
            [
                pa.array([self._file] * count, pa.string()),
                pa.array(self._rows[places]),
                pc.utf8_slice_codeunits(_plain_text(self._ids.take(at)), 0, _LONGEST_SHOWN),
                pa.array([title] * count, pa.string()),
                shown,
                reasons.cast(pa.string()),
            ],
            schema=_SCHEMA,
        )
        return places, table

    def rejects(self, bad_rows: Sequence[BadRow]) -> Rejects:
        """All lines in the order of rows."""
        extra = pa.table(
            [
                [self._file] * len(bad_rows),
                [bad.row for bad in bad_rows],
                [""] * len(bad_rows),
                ["整行"] * len(bad_rows),
                [bad.found for bad in bad_rows],
                [bad.message for bad in bad_rows],
            ],
            schema=_SCHEMA,
        )
        lines = pa.concat_tables([extra, *(table for _, table in self._lines)])
        let_in = [table.filter(pa.array(~self.out[places])) for places, table in self._notices]
        notices = pa.concat_tables([_empty(), *let_in])
        count = int(self.out.sum()) + len(bad_rows)
        return Rejects(_by_row(lines), _by_row(notices), count)


def _by_row(table: pa.Table) -> pa.Table:
    return table.sort_by([("row", "ascending"), ("column", "ascending")]) if len(table) else table


def _plain_text(column: pa.Array) -> pa.Array:
    text = column.cast(pa.string())
    return pc.fill_null(text, "") if text.null_count else text


class Door:
    """Admits parts of one source; keeps its code books and the ids met so far."""

    def __init__(
        self, form: CaseFormat, plan: ColumnPlan, source: TextTable, wanted: Sequence[str] | None
    ) -> None:
        self._form = form
        self._plan = plan
        self._file = source.file
        self._wanted = wanted
        self._readers = readers_of(form.values, form.ranges)
        self._ids = IdSet.for_rows(source.most_rows)
        self._books = {"diagnoses": CodeBook(), "procedures": CodeBook()}

    def admit(self, part: TextPart, bad_rows: Sequence[BadRow]) -> tuple[dict[str, Any], Rejects]:
        """Typed columns of the rows let in, and what is told of the rest."""
        ids = self._case_ids(part.table)
        ledger = Ledger(self._file, part, ids)
        numbers = self._numbers(part.table, ledger)
        self._check_ages(part.table, numbers, ledger)
        encoded = self._codes(part.table, ledger)
        extra, computed_stay = self._extra(part.table, ledger)
        if computed_stay is not None:
            numbers["los"] = np.where(numbers["los"] < 0, computed_stay, numbers["los"])
        self._check_ids(ids, part, ledger)
        keep = ~ledger.out
        columns = self._kept(keep, ids, numbers, encoded, extra, part.table)
        columns["rows"] = part.rows if keep.all() else part.rows[keep]
        return columns, ledger.rejects(bad_rows)

    def _kept(
        self,
        keep: Mask,
        ids: pa.Array,
        numbers: dict[str, npt.NDArray[np.float64]],
        encoded: dict[str, Any],
        extra: dict[str, pa.Array],
        table: pa.Table,
    ) -> dict[str, Any]:
        everything = bool(keep.all())
        mask = None if everything else pa.array(keep)
        columns: dict[str, Any] = {"case_id": ids if everything else ids.filter(mask)}
        for name, dtype in _DTYPES.items():
            column = numbers[name].astype(dtype)
            columns[name] = column if everything or column.size == 0 else column[keep]
        for name, short in (("diagnoses", "dx"), ("procedures", "proc")):
            offsets, places = encoded[name].offsets, encoded[name].places
            if not everything:
                offsets, places = _kept_codes(keep, offsets, places)
            columns[f"{short}_offsets"], columns[short] = offsets, places
        flags = extra.pop("flags", None)
        others = table.select(list(self._plan.others)) if self._wanted is None else table.select([])
        kept_extra = pa.table(extra) if extra else no_columns(len(keep))
        columns.update(
            **self._books,
            flags=flags if flags is None or everything else flags.filter(mask),
            extra=kept_extra if everything else kept_extra.filter(mask),
            others=others if everything else others.filter(mask),
        )
        return columns

    def _heading(self, name: str) -> str:
        sources = self._plan.sources.get(name)
        return sources[0] if sources else self._form.title(name)

    def _source(self, table: pa.Table, name: str) -> pa.Array | None:
        sources = self._plan.sources.get(name)
        if not sources or (self._wanted is not None and name not in self._wanted):
            return None
        return one_array(table[sources[0]])

    def _case_ids(self, table: pa.Table) -> pa.Array:
        column = one_array(table[self._plan.sources["case_id"][0]])
        return pc.utf8_trim_whitespace(_plain_text(column))

    def _check_ids(self, ids: pa.Array, part: TextPart, ledger: Ledger) -> None:
        title = self._heading("case_id")
        empty = np.asarray(pc.equal(ids, ""))
        ledger.refuse(empty, title, ids, "不能为空")
        first = np.zeros(len(ids), dtype=np.int64)
        fresh = ~ledger.out
        told = ids if fresh.all() else ids.filter(pa.array(fresh))
        first[fresh] = self._ids.repeats(told, part.rows[fresh])
        again = first > 0
        if again.any():
            reasons = pc.binary_join_element_wise(
                "重复，第 ", pa.array(first).cast(pa.string()), " 行已有同一编号", ""
            )
            ledger.refuse(again, title, ids, reasons)

    def _numbers(self, table: pa.Table, ledger: Ledger) -> dict[str, npt.NDArray[np.float64]]:
        numbers: dict[str, npt.NDArray[np.float64]] = {}
        for name in _DTYPES:
            column = self._source(table, name)
            if column is None:
                empty = 0 if name in ("icu_hours", "vent_hours") else len(table)
                numbers[name] = np.full(empty, 0.0 if name in _ZERO_IS_MISSING else -1.0)
                continue
            reader = self._readers[str(self._form.columns[name]["kind"])]
            numbers[name] = read_column(column, reader, self._heading(name), ledger)
        return numbers

    def _check_ages(
        self, table: pa.Table, numbers: dict[str, npt.NDArray[np.float64]], ledger: Ledger
    ) -> None:
        """Age and age in days must agree; a case in its first year needs its days."""
        age, days, weight = numbers["age"], numbers["age_days"], numbers["birth_weight"]
        told = one_array(table[self._plan.sources["age"][0]])
        title = self._heading("age")
        from_days = (age < 0) & (days >= 0)
        age[from_days] = np.floor(days[from_days] / 365.25)
        unread = ledger.out
        ledger.refuse((age < 0) & ~unread, title, told, "缺少年龄")
        ledger.refuse(
            (age == 0) & (days < 0) & ~unread, title, told, "不满一岁的病例必须有日龄（天）"
        )
        ledger.refuse((age == 0) & (days >= _YEAR_DAYS), title, told, "年龄为 0 而日龄满一年")
        contradicts = (age > 0) & (days >= 0) & (days < _YEAR_DAYS - 1)
        days_source = self._source(table, "age_days")
        if days_source is not None:
            ledger.notice(
                contradicts & (days > 0),
                self._heading("age_days"),
                days_source,
                "年龄满一岁而日龄不足一年，日龄不用",
            )
        days[contradicts] = -1.0
        weight[weight == 0] = -1.0

    def _codes(self, table: pa.Table, ledger: Ledger) -> dict[str, Encoded]:
        """Number the codes of both kinds, each by a thread of its own: their books are apart."""
        columns = {name: self._code_column(table, name) for name in self._books}
        encoded = run_together(
            partial(book.encode, columns[name]) for name, book in self._books.items()
        )
        found = dict(zip(self._books, encoded, strict=True))
        for name, codes in found.items():
            reason = f"不是编码：超过 {LONGEST_CODE} 个字节，或中间有换行"
            ledger.refuse(codes.unfit, self._heading(name), columns[name], reason)
        return found

    def _code_column(self, table: pa.Table, name: str) -> pa.Array:
        """The codes of each row in one cell, the principal one first."""
        sources = self._plan.sources.get(name)
        if not sources:
            return pa.nulls(len(table), pa.string())
        if len(sources) == 1:
            return one_array(table[sources[0]])
        parts = [_plain_text(one_array(table[heading])) for heading in sources]
        return pc.binary_join_element_wise(*parts, "|")

    def _extra(
        self, table: pa.Table, ledger: Ledger
    ) -> tuple[dict[str, pa.Array], npt.NDArray[np.float64] | None]:
        extra: dict[str, pa.Array] = {}
        days: dict[str, npt.NDArray[np.float64]] = {}
        for name, spec in self._form.columns.items():
            kind = spec["kind"]
            if kind not in ("money", "date", "category", "flags"):
                continue
            column = self._source(table, name)
            if column is None:
                continue
            if kind == "money":
                most = self._form.ranges["money"][1]
                title, negative = self._heading(name), bool(spec.get("negative", True))
                extra[name] = read_money(column, title, ledger, most, negative=negative)
            elif kind == "date":
                days[name] = read_column(column, self._readers["date"], self._heading(name), ledger)
                extra[name] = _dates(days[name])
            else:
                extra[name] = _category(column)
        stay = None
        if {"admission_date", "discharge_date"} <= days.keys():
            stay = np.maximum(1.0, days["discharge_date"] - days["admission_date"])
            backwards = days["discharge_date"] < days["admission_date"]
            told = self._source(table, "discharge_date")
            if told is not None:
                title = self._heading("discharge_date")
                ledger.refuse(backwards, title, told, "出院日期早于入院日期")
            stay = np.where(np.isnan(stay), -1.0, stay)
        return extra, stay


_DTYPES: dict[str, type[np.generic]] = {
    "sex": np.int8,
    "age": np.int16,
    "age_days": np.int32,
    "birth_weight": np.int32,
    "los": np.int32,
    "discharge_mode": np.int8,
    "icu_hours": np.float32,
    "vent_hours": np.float32,
}
_ZERO_IS_MISSING = frozenset({"sex", "discharge_mode"})


def one_array(column: pa.ChunkedArray | pa.Array) -> pa.Array:
    """A column as a single array."""
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    if isinstance(column, pa.ChunkedArray):
        column = pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)
    return column


def read_column(
    column: pa.Array, reader: Callable[[str], Reading], title: str, ledger: Ledger
) -> npt.NDArray[np.float64]:
    """Read each distinct value once; refusals and notices go to the ledger."""
    coded = _category(column)
    readings = [reader(text or "") for text in coded.dictionary.to_pylist()]
    readings.append(reader(""))
    places = coded.indices.fill_null(len(readings) - 1).to_numpy(zero_copy_only=False)
    for which, tell in ((1, ledger.refuse), (2, ledger.notice)):
        words = [reading[which] for reading in readings]
        if any(words):
            mask = np.array([bool(word) for word in words])[places]
            tell(mask, title, column, pa.array(words, pa.string()).take(pa.array(places)))
    values = np.array([reading[0] for reading in readings], dtype=np.float64)
    return np.asarray(values[places], dtype=np.float64)


def read_money(
    column: pa.Array, title: str, ledger: Ledger, most: float, *, negative: bool = True
) -> pa.Array:
    """Yuan in text, of magnitude up to ``most``, to int64 fen; null where empty.

    negative: whether an amount may be below zero.
    """
    offsets, text = text_buffers(column)
    fen = np.zeros(len(column), dtype=np.int64)
    state = np.zeros(len(column), dtype=np.int8)
    fen_of_rows(offsets, text, fen, state)
    _refuse_words(state == NOT_A_NUMBER, title, column, ledger)
    ledger.refuse(state == TOO_FINE, title, column, "金额多于两位小数")
    ledger.refuse(np.abs(fen) > round(most * 100), title, column, f"金额超过 {most:,.2f} 元")
    if not negative:
        ledger.refuse((fen < 0) & (state == AMOUNT_OK), title, column, NEGATIVE)
    return pa.array(fen, mask=state == NO_AMOUNT)


def _refuse_words(mask: Mask, title: str, column: pa.Array, ledger: Ledger) -> None:
    """Keep out texts that are no amount; what a spreadsheet writes for an error is told as that."""
    if mask.any():
        errors = pc.starts_with(_plain_text(column), "#")
        words = pc.if_else(errors, "这是 Excel 的错误值，应为金额（元）", "不是金额（元）")
        ledger.refuse(mask, title, column, words)


def _dates(days: npt.NDArray[np.float64]) -> pa.Array:
    missing = np.isnan(days)
    whole = np.where(missing, 0.0, days).astype(np.int32)
    return pa.array(whole, pa.int32(), mask=missing).cast(pa.date32())


def _category(column: pa.Array) -> pa.DictionaryArray:
    """Text as a dictionary of trimmed text, int32 places; empty text is null."""
    if not pa.types.is_dictionary(column.type):
        column = column.dictionary_encode()
    values = column.dictionary.cast(pa.string())
    trimmed = pc.utf8_trim_whitespace(values)
    if trimmed.equals(values) and not pc.any(pc.equal(values, "")).as_py():
        return pa.DictionaryArray.from_arrays(column.indices.cast(pa.int32()), values)
    distinct = trimmed.dictionary_encode()
    places = distinct.indices.take(column.indices)
    empty = pc.index(distinct.dictionary, "").as_py()
    if empty >= 0:
        places = pc.if_else(pc.equal(places, empty), pa.scalar(None, pa.int32()), places)
    return pa.DictionaryArray.from_arrays(places.cast(pa.int32()), distinct.dictionary)


def no_columns(rows: int) -> pa.Table:
    """A table of so many rows and no columns."""
    return pa.table({"_": pa.nulls(rows)}).select([])


def _kept_codes(
    keep: Mask, offsets: npt.NDArray[np.int64], places: npt.NDArray[np.int32]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int32]]:
    lengths = np.diff(offsets)
    kept = np.concatenate([[0], np.cumsum(lengths[keep])]).astype(np.int64)
    return kept, places[np.repeat(keep, lengths)]
