"""Grouped cases as a bureau has them: columns of any type become what settling reads.

Headings, words and ranges are data (data/settle.toml).  Columns that are typed already (Parquet)
are taken over without a way through text; text is read as people type it.  A row with a value that
cannot be read stays out and is told; nothing is guessed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from drg_engine._kernels_codes import ROW_MASK
from drg_engine.cases import Cases
from drg_engine.code_form import normal_code
from drg_engine.door import Ledger, Rejects, one_array, read_column, read_money
from drg_engine.money import MISSING_FEN
from drg_engine.payment_columns import Coded, PaymentColumns, with_over_limit
from drg_engine.readers import text_column
from drg_engine.settle_drgs import DrgIndex
from drg_engine.settle_plan import CasePlan, SettleFormat
from drg_engine.text_tables import BadRow, TextPart
from drg_engine.values import date, whole_number

__all__ = ["Admitted", "admit", "coded", "number_column"]

Fen = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

_OFF = 1e-6
_WIDE = 38


@dataclass(frozen=True, slots=True, eq=False)
class Admitted:
    """The rows let in of one part, and what is told of the rest.

    ``person``: text (n,), null where missing, None where there is no such column; it stays out of
    ``columns``, which would name every person once more.  ``keep``: which rows of the part, or of
    ``raw``, the cases it was grouped from.
    """

    columns: PaymentColumns
    person: pa.Array | None
    keep: Bools
    rejects: Rejects
    raw: Cases | None = None

    def columns_with_person(self) -> PaymentColumns:
        """The columns, saying whether there is one of persons, without naming every person."""
        columns = self.columns
        if self.person is None:
            return columns
        return replace(columns, labels={**columns.labels, "person_id": Coded.same("", columns.n)})


def admit(
    table: pa.Table | pa.RecordBatch,
    rows: npt.NDArray[np.int64],
    plan: CasePlan,
    form: SettleFormat,
    drgs: DrgIndex,
    *,
    file: str,
    bad_rows: Sequence[BadRow] = (),
    repeats: Callable[[pa.Array, Coded], Fen] | None = None,
) -> Admitted:
    """Typed columns of the rows that can be read.

    repeats: told the ids and hospitals, gives the row where each id stood before, 0 where new.
    """
    n = table.num_rows
    columns = {name: one_array(table.column(heading)) for name, heading in plan.sources.items()}
    ids = pc.utf8_trim_whitespace(pc.fill_null(_text(columns["case_id"]), ""))
    ledger = Ledger(file, TextPart(pa.table({}), rows), ids)
    reading = _Reading(columns, plan, form, ledger, n)
    drg = coded(columns["drg"])
    status = _status(reading, drg)
    places = _places(reading, drg, status, drgs)
    money = {name: reading.money(name) for name, kind in plan.kinds.items() if kind == "money"}
    admitted, left = reading.days("admission_date"), reading.days("discharge_date")
    hospital = reading.coded("hospital")
    principal = _principal(reading)
    ledger.refuse(np.asarray(pc.equal(ids, "")), reading.title("case_id"), ids, "不能为空")
    if repeats is not None:
        _refuse_repeats(repeats, ids, hospital, reading)
    made = PaymentColumns(
        case_id=ids,
        status=status,
        drg=places,
        drg_codes=drgs.codes,
        weight=_weights(reading, places, drgs),
        insurance=reading.coded("insurance"),
        charges=money["total_charges"],
        cost=money.get("cost", np.full(n, MISSING_FEN, dtype=np.int64)),
        los=_los(reading, admitted, left),
        principal=principal.codes,
        dx_names=principal.names,
        hospital=hospital,
        level=_levels(reading),
        admission_date=admitted,
        discharge_date=left,
        settlement_date=reading.days("settlement_date"),
        labels={name: reading.coded(name) for name in plan.labels()},
        amounts=with_over_limit({name: money[name] for name in plan.amounts()}),
    )
    keep = ~ledger.out
    person = _person(columns.get("person_id"))
    rejects = ledger.rejects(bad_rows)
    if keep.all():
        return Admitted(made, person, keep, rejects)
    at = np.flatnonzero(keep)
    kept = None if person is None else person.take(pa.array(at))
    return Admitted(made.take(at), kept, keep, rejects)


def coded(column: pa.Array) -> Coded:
    """A column of repeated text as codes into distinct trimmed names, empty text missing."""
    array = column
    if not pa.types.is_dictionary(array.type):
        array = _text(array).dictionary_encode()
    values = array.dictionary.cast(pa.string())
    trimmed = pc.utf8_trim_whitespace(values)
    plain = trimmed.equals(values) and not values.null_count
    if plain and not pc.any(pc.equal(values, "")).as_py() and _distinct(values):
        codes = array.indices.fill_null(-1).to_numpy(zero_copy_only=False)
        return Coded(codes.astype(np.int32), tuple(values.to_pylist()))
    texts = [text or "" for text in trimmed.to_pylist()]
    names = [text for text in dict.fromkeys(texts) if text]
    place = {text: at for at, text in enumerate(names)}
    to = np.array([*(place.get(text, -1) for text in texts), -1], dtype=np.int32)
    codes = array.indices.fill_null(len(texts)).to_numpy(zero_copy_only=False)
    return Coded(to[codes], tuple(names))


def _distinct(values: pa.Array) -> bool:
    return bool(pc.count_distinct(values).as_py() == len(values))


def number_column(column: pa.Array, title: str, ledger: Ledger, most: float) -> Any:
    """Float64 (n,), NaN where empty; what is no number from 0 to ``most`` is refused."""
    if pa.types.is_floating(column.type) or pa.types.is_integer(column.type):
        values = np.asarray(
            column.cast(pa.float64()).fill_null(np.nan).to_numpy(zero_copy_only=False)
        )
    elif pa.types.is_decimal(column.type):
        values = np.asarray(column.cast(pa.float64()).fill_null(np.nan).to_numpy())
    else:
        return read_column(_text(column), _number_reader(most), title, ledger)
    with np.errstate(invalid="ignore"):
        wrong = ~np.isnan(values) & ~((values >= 0) & (values <= most))
    ledger.refuse(wrong, title, column, f"应在 0 到 {most:g} 之间")
    return np.where(wrong, np.nan, values)


def _number_reader(most: float) -> Callable[[str], tuple[float, str, str]]:
    def read(text: str) -> tuple[float, str, str]:
        word = text.strip()
        if word in ("", "-", "--"):
            return np.nan, "", ""
        try:
            value = float(word)
        except ValueError:
            return np.nan, "不是数字", ""
        if not 0 <= value <= most:
            return np.nan, f"应在 0 到 {most:g} 之间", ""
        return value, "", ""

    return read


@dataclass(frozen=True, slots=True, eq=False)
class _Reading:
    """One part's columns and where its faults are told."""

    columns: Mapping[str, pa.Array]
    plan: CasePlan
    form: SettleFormat
    ledger: Ledger
    n: int

    def title(self, name: str) -> str:
        return self.plan.sources.get(name, name)

    def coded(self, name: str) -> Coded:
        column = self.columns.get(name)
        return Coded.same("", self.n) if column is None else coded(column)

    def numbered(
        self, name: str, number: Callable[[str], int], reason: str
    ) -> npt.NDArray[np.int8]:
        """A column of known words as numbers (int8); words numbered below 0 are refused."""
        column = self.columns[name]
        label = coded(column)
        found = np.array([number(text) for text in (*label.names, "")], dtype=np.int8)
        numbers = found[label.codes]
        self.ledger.refuse(numbers < 0, self.title(name), column, reason)
        return np.asarray(np.maximum(numbers, 0), dtype=np.int8)

    def money(self, name: str) -> Fen:
        """An amount in fen, MISSING_FEN where empty."""
        column, title = self.columns[name], self.title(name)
        most = self.form.ranges["money"]
        if name in self.plan.fen or pa.types.is_decimal(column.type):
            typed = _whole_fen(column, as_fen=name in self.plan.fen)
            if typed is not None:
                return self._within(typed, column, title, most)
        if pa.types.is_integer(column.type) or pa.types.is_floating(column.type):
            yuan = column.cast(pa.float64()).fill_null(np.nan).to_numpy(zero_copy_only=False)
            return self._from_yuan(np.asarray(yuan), column, title, most)
        fen = read_money(_text(column), title, self.ledger, most)
        return np.asarray(fen.fill_null(MISSING_FEN).to_numpy(zero_copy_only=False))

    def _within(self, fen: Fen, column: pa.Array, title: str, most: float) -> Fen:
        wrong = (fen != MISSING_FEN) & (np.abs(fen) > round(most * 100))
        self.ledger.refuse(wrong, title, column, f"金额超过 {most:,.2f} 元")
        return np.where(wrong, MISSING_FEN, fen)

    def _from_yuan(
        self, yuan: npt.NDArray[np.float64], column: pa.Array, title: str, most: float
    ) -> Fen:
        missing = np.isnan(yuan)
        with np.errstate(invalid="ignore", over="ignore"):
            exact = np.where(missing, 0.0, yuan) * 100.0
            far = ~(np.abs(exact) <= most * 100.0)
            exact = np.where(far, 0.0, exact)
            whole = np.rint(exact)
            fine = np.abs(exact - whole) > _OFF + np.abs(exact) * 2.0**-50
        self.ledger.refuse(far, title, column, f"金额超过 {most:,.2f} 元")
        self.ledger.refuse(fine, title, column, "金额多于两位小数")
        return np.where(missing, MISSING_FEN, whole.astype(np.int64))

    def days(self, name: str) -> npt.NDArray[np.datetime64] | None:
        """Dates as datetime64[D], NaT where empty; None where there is no such column."""
        column = self.columns.get(name)
        if column is None:
            return None
        if pa.types.is_date(column.type) or pa.types.is_timestamp(column.type):
            typed = column.cast(pa.date32(), safe=False)
            return np.asarray(typed.to_numpy(zero_copy_only=False)).astype("datetime64[D]")
        found = read_column(_text(column), date, self.title(name), self.ledger)
        whole = np.where(np.isnan(found), 0.0, found).astype(np.int64).astype("datetime64[D]")
        return np.where(np.isnan(found), np.datetime64("NaT", "D"), whole)


def _whole_fen(column: pa.Array, *, as_fen: bool) -> Fen | None:
    """Fen of a typed column without rounding; None where the type does not tell them."""
    kind = column.type
    if as_fen and pa.types.is_integer(kind):
        return np.asarray(column.cast(pa.int64()).fill_null(MISSING_FEN).to_numpy())
    if not pa.types.is_decimal(kind) or as_fen or kind.scale > 2:
        return None
    wide = column.cast(pa.decimal128(_WIDE, 2))
    words = np.frombuffer(wide.buffers()[1], dtype=np.int64)
    low, high = (words[2 * wide.offset + part :][: 2 * len(wide) : 2] for part in (0, 1))
    if np.any(high != low >> 63):
        return None
    missing = np.asarray(wide.is_null().to_numpy(zero_copy_only=False))
    return np.where(missing, MISSING_FEN, low)


def _status(reading: _Reading, drg: Coded) -> npt.NDArray[np.int8]:
    """Status as said, or as the DRG's code tells it."""
    if "status" in reading.columns:
        known = reading.form.statuses
        return reading.numbered("status", lambda text: known.get(text, -1), "不认识的入组状态")
    told = [reading.form.told("status_of_drg", name, 0) for name in (*drg.names, "")]
    return np.array(told, dtype=np.int8)[drg.codes]


def _levels(reading: _Reading) -> npt.NDArray[np.int8]:
    """Hospital levels 1 to 3, 0 where not said."""
    if "hospital_level" not in reading.columns:
        return np.zeros(reading.n, dtype=np.int8)
    reason = "不认识的医院级别，应为 3、2、1 或 三级、二级、一级"
    return reading.numbered(
        "hospital_level", lambda text: reading.form.told("level", text, -1), reason
    )


def _places(
    reading: _Reading, drg: Coded, status: npt.NDArray[np.int8], drgs: DrgIndex
) -> npt.NDArray[np.int32]:
    """Place of each DRG among the known ones; a grouped case must have one that is known."""
    places = np.array([*drgs.places(drg.names), drgs.nothing], dtype=np.int32)[drg.codes]
    column, title = reading.columns["drg"], reading.title("drg")
    grouped = status == 0
    reading.ledger.refuse(grouped & (drg.codes < 0), title, column, "入组的病例没有病组编码")
    strange = (drg.codes >= 0) & (places < 0)
    reading.ledger.refuse(strange & grouped, title, column, "分组方案里没有这个病组")
    return np.where(places < 0, drgs.nothing, places).astype(np.int32)


def _weights(
    reading: _Reading, places: npt.NDArray[np.int32], drgs: DrgIndex
) -> npt.NDArray[np.float64]:
    column = reading.columns.get("weight")
    if column is None:
        return drgs.weights()[places]
    most = reading.form.ranges["weight"]
    found = number_column(column, reading.title("weight"), reading.ledger, most)
    return np.asarray(found, dtype=np.float64)


def _los(
    reading: _Reading,
    admitted: npt.NDArray[np.datetime64] | None,
    left: npt.NDArray[np.datetime64] | None,
) -> npt.NDArray[np.int32]:
    """Days as said, else by the dates, at least 1; -1 where neither tells."""
    stay = np.full(reading.n, -1, dtype=np.int32)
    if admitted is not None and left is not None:
        known = ~np.isnat(admitted) & ~np.isnat(left)
        span = np.where(known, left - admitted, np.timedelta64(0, "D")).astype(np.int64)
        backwards = known & (span < 0)
        column = reading.columns["discharge_date"]
        title = reading.title("discharge_date")
        reading.ledger.refuse(backwards, title, column, "出院日期早于入院日期")
        stay = np.where(known, np.maximum(span, 1), -1).astype(np.int32)
    column = reading.columns.get("los")
    if column is None:
        return stay
    most, title = reading.form.ranges["los"], reading.title("los")
    if pa.types.is_integer(column.type):
        said = np.asarray(column.cast(pa.int64()).fill_null(-1).to_numpy(zero_copy_only=False))
        wrong = (said < -1) | (said > most)
        reading.ledger.refuse(wrong, title, column, f"应在 0 到 {most:g} 天之间")
        said = np.where(wrong, -1, said)
    else:
        said = read_column(_text(column), whole_number(0, most, "天"), title, reading.ledger)
    return np.where(said >= 0, said, stay).astype(np.int32)


def _principal(reading: _Reading) -> Coded:
    """Principal diagnosis in normal form; the first of a joined list where only that is there."""
    column = reading.columns.get("principal_dx")
    listed = reading.columns.get("diagnoses")
    if column is None and listed is None:
        return Coded.same("", reading.n)
    raw = coded(column if column is not None else listed)
    first = [re.split(r"[|,;]", name, maxsplit=1)[0] for name in raw.names]
    normal = [normal_code(text) for text in first]
    names = [text for text in dict.fromkeys(normal) if text]
    place = {text: at for at, text in enumerate(names)}
    to = np.array([*(place.get(text, -1) for text in normal), -1], dtype=np.int32)
    return Coded(to[raw.codes], tuple(names))


def _person(column: pa.Array | None) -> pa.Array | None:
    if column is None:
        return None
    text = pc.utf8_trim_whitespace(_text(column))
    return pc.if_else(pc.equal(text, ""), pa.scalar(None, pa.string()), text)


def _refuse_repeats(
    repeats: Callable[[pa.Array, Coded], Fen], ids: pa.Array, hospital: Coded, reading: _Reading
) -> None:
    """Refuse ids that stood before in a row that was let in."""
    fresh = np.flatnonzero(~reading.ledger.out)
    whole = fresh.size == reading.n
    told = ids if whole else ids.take(pa.array(fresh))
    first = np.zeros(reading.n, dtype=np.int64)
    first[fresh] = repeats(told, hospital if whole else hospital.take(fresh))
    again = first > 0
    if again.any():
        words = np.array([f"重复，第 {row:,} 例已有同一编号" for row in first[again].tolist()])
        reasons = np.full(reading.n, "", dtype=object)
        reasons[again] = np.where(first[again] < ROW_MASK, words, "重复，前面已有同一编号")
        told = pa.array(reasons, pa.string())
        reading.ledger.refuse(again, reading.title("case_id"), ids, told)


def _text(column: pa.Array) -> pa.Array:
    """A column as plain text."""
    return text_column(column).cast(pa.string())
