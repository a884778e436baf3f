"""Summing charge lines into cells, part by part: look up, tell what is unknown, add."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from drg_engine.ahead import ahead
from drg_engine.errors import AllocationError
from performance.cell_table import CHUNK, MOST, CellTable, ordered
from performance.cells import Cells, Ground
from performance.columns import NO_DATE, Coded
from performance.day_classes import CountedDates, DayClasses
from performance.line_checks import Told
from performance.line_files import LineFile
from performance.lines import ChargeLines, taken
from performance.sessions import SessionRows, modified, netted

if TYPE_CHECKING:
    from performance.personal import PersonalPoints

__all__ = ["aggregate"]

Ints = npt.NDArray[np.int64]
Codes = npt.NDArray[np.int32]


def aggregate(
    lines: ChargeLines | LineFile, ground: Ground, personal: PersonalPoints | None = None
) -> Cells:
    """Sum charge lines into cells; a file is read ahead, part by part.

    personal: is given every line with its cell.  Unknown items, departments and persons become -1
    and a row of the exceptions, with the first row in the file.  Raises AllocationError where sums
    leave the range of int64, InputError where the file cannot be read.
    """
    summing = _Summing(lines.file, ground, personal)
    for part in ahead(lines.parts(), 2):
        summing.add(part)
    return summing.cells(lines.rejects)


@dataclass
class _Looked:
    """Chunk of lines looked up: what each column's texts are in the tables."""

    lines: ChargeLines
    day_class: Codes
    item: Ints
    order: Ints
    execution: Ints
    doctor: Codes
    executor: Codes


class _Summing:
    def __init__(self, file: str, ground: Ground, personal: PersonalPoints | None) -> None:
        self._ground, self._personal = ground, personal
        self._days = DayClasses(
            ground.segments, ground.factors, ground.period, ground.items, ground.departments,
            ground.units,
        )  # fmt: skip
        groups, names = pd.factorize(ground.items["item_class"].to_numpy(dtype=object))
        first = pd.Series(groups).groupby(ground.items["item_code"].to_numpy(), sort=False).first()
        self._class_of_code = np.append(first.to_numpy(dtype=np.int32), -1).astype(np.int32)
        self._dates = CountedDates(ground.dates, [str(name) for name in names])
        self._known = {
            "item": pa.array(self._days.codes, pa.string()),
            "unit": pa.array(self._days.his_codes, pa.string()),
            "person": pa.array(ground.staff["staff_id"].to_numpy(dtype=object), pa.string()),
        }
        kinds = ground.sessions.kinds(ground.items)
        self._in_session = np.append(kinds >= 0, False)
        self._held: list[tuple[_Looked, pa.Array, Ints]] = []
        self._table = CellTable()
        self._told = Told(file)
        self._sizes = (
            len(ground.sessions.modifiers), len(ground.items) + 1, len(ground.departments) + 1,
            len(ground.departments) + 1,
        )  # fmt: skip
        self._read = [0, 0, 0]
        self._reach = [0.0, 0.0]

    def add(self, lines: ChargeLines) -> None:
        """Add one part of the lines."""
        self._count(lines)
        item_map, unit_maps, person_maps = self._maps(lines)
        item_class = self._class_of_code[item_map][lines.item.codes]
        days = self._dates.of(lines, item_class)
        day_class = self._days.of(days, lines.source)
        self._room()
        item = _looked_up(self._days.item_at, day_class, item_map[lines.item.codes])
        order, execution = (
            _looked_up(self._days.unit_at, day_class, places[column.codes])
            for places, column in zip(
                unit_maps, (lines.order_department, lines.execution_department), strict=True
            )
        )
        doctor, executor = (
            places[column.codes]
            for places, column in zip(
                person_maps, (lines.order_doctor, lines.executor), strict=True
            )
        )
        looked = _Looked(lines, day_class, item, order, execution, doctor, executor)
        self._tell(looked, days, item_map, unit_maps, person_maps)
        mark = self._marks(lines)
        held = self._in_session[item]
        if mark is not None:
            held |= (mark > 0) & (item >= 0)
        if held.any():
            self._hold(looked, days, mark, np.flatnonzero(held))
            looked = _kept(looked, ~held)
        self._sum(looked, np.zeros(looked.lines.n, dtype=np.int64), _NONE)

    def _count(self, lines: ChargeLines) -> None:
        columns = ((lines.quantity_e4, "数量"), (lines.amount_fen, "金额"))
        for place, (values, what) in enumerate(columns):
            self._reach[place] += float(np.abs(values, dtype=np.float64).sum())
            if self._reach[place] > MOST:
                raise AllocationError(f"{what}合计超出可精确计算的范围，请核对收费明细")
        self._read[0] += lines.n
        self._read[1] += int(lines.quantity_e4.sum())
        self._read[2] += int(lines.amount_fen.sum())

    def _maps(self, lines: ChargeLines) -> tuple[Codes, list[Codes], list[Codes]]:
        """Place of each text of the id columns in the tables; the last place is for the unknown."""
        item = _index_in(lines.item, self._known["item"], len(self._known["item"]))
        units = [
            _index_in(column, self._known["unit"], len(self._known["unit"]))
            for column in (lines.order_department, lines.execution_department)
        ]
        persons = [
            _index_in(column, self._known["person"], -1)
            for column in (lines.order_doctor, lines.executor)
        ]
        return item, units, persons

    def _marks(self, lines: ChargeLines) -> Ints | None:
        """Number of each line's mark; None where the plan or the file has no marks."""
        marks = self._ground.sessions.marks
        if lines.mark is None or not marks:
            return None
        numbers = np.array([marks.get(text, 0) for text in lines.mark.values], dtype=np.int64)
        unknown = np.array([bool(text) and text not in marks for text in lines.mark.values])
        message = "方案没有这种修饰；按没有修饰计"
        self._told.add("不认识的修饰", message, lines, lines.mark, unknown[lines.mark.codes])
        return numbers[lines.mark.codes]

    def _hold(self, looked: _Looked, days: Codes, mark: Ints | None, places: Ints) -> None:
        """Keep lines for the end, when their sessions are whole."""
        kept = _kept(looked, places)
        case = kept.lines.case or Coded.same("", len(places))
        texts = case.dictionary.take(pa.array(case.codes))
        if mark is None:
            mark = np.zeros(looked.lines.n, dtype=np.int64)
        more = np.stack([days[places].astype(np.int64), mark[places]])
        blank = np.asarray(pc.equal(texts, ""), dtype=bool) & self._in_session[kept.item]
        message = "没有病案号的明细不与其他明细合为一次；按原点数计"
        self._told.add("同次折算缺病案号", message, kept.lines, kept.lines.item, blank)
        self._held.append((kept, texts, more))

    def _sum(self, looked: _Looked, modifier: Ints, counts: Ints) -> None:
        """Add lines to their cells, chunk by chunk."""
        key = looked.day_class.astype(np.int64)
        columns = (modifier, looked.item + 1, looked.order + 1, looked.execution + 1)
        for size, column in zip(self._sizes, columns, strict=True):
            key *= size
            key += column
        lines = looked.lines
        for start in range(0, len(key), CHUNK):
            part = slice(start, start + CHUNK)
            before = self._table.used
            quantity = lines.quantity_e4[part]
            slots = self._table.add(key[part], quantity, lines.amount_fen[part], counts[part])
            if self._personal is not None:
                new = self._split(self._table.keys[before : self._table.used])
                self._personal.add(new, slots, quantity, looked.doctor[part], looked.executor[part])

    def _room(self) -> None:
        whole = len(self._days.segment)
        for size in self._sizes:
            whole *= size
        if whole > MOST:
            raise AllocationError("项目、科室与日期的组合过多，无法汇总，请核对点数表和科室表")

    def _split(self, keys: Ints) -> dict[str, Ints]:
        """Cells' columns out of their keys, with what their class of day says."""
        columns = []
        for size in reversed(self._sizes):
            keys, column = np.divmod(keys, size)
            columns.append(column)
        execution, order, item, modifier = columns
        segment = np.array(self._days.segment, dtype=np.int64)[keys]
        factor = np.array(self._days.factor_e4, dtype=np.int64)[keys]
        return {
            "item": item - 1, "order": order - 1, "execution": execution - 1, "segment": segment,
            "factor_e4": factor, "modifier": modifier, "day_class": keys,
        }  # fmt: skip

    def _tell(
        self,
        looked: _Looked,
        days: Codes,
        item_map: Codes,
        unit_maps: Sequence[Codes],
        person_maps: Sequence[Codes],
    ) -> None:
        """Gather what is unknown; costs little where all is known."""
        lines, inside = looked.lines, looked.day_class > 0
        last = len(self._known["item"])
        if (item_map == last).any():
            bad = (item_map == last)[lines.item.codes]
            message = "项目编码不在点数表；数量归入未知，留存待查"
            self._told.add("未知项目", message, lines, lines.item, bad)
        bad = inside & (looked.item < 0)
        if bad.any():
            bad &= (item_map < last)[lines.item.codes]
            message = "项目在计入日期没有有效版本；归入未知，留存待查"
            self._told.add("无有效版本", message, lines, lines.item, bad)
        sides = (
            ("开单", unit_maps[0], lines.order_department, looked.order),
            ("执行", unit_maps[1], lines.execution_department, looked.execution),
        )
        for side, places, column, unit in sides:
            self._tell_units(looked, side, places, column, unit)
        persons = (
            ("未知开单医生", person_maps[0], lines.order_doctor),
            ("未知执行人", person_maps[1], lines.executor),
        )
        for kind, places, column in persons:
            if (places < 0).any():
                named = np.asarray(pc.not_equal(column.dictionary, ""), dtype=bool)
                bad = ((places < 0) & named)[column.codes]
                self._told.add(kind, "人员不在人员表；点数仍归科室", lines, column, bad)
        self._tell_days(lines, days, inside)

    def _tell_units(
        self, looked: _Looked, side: str, places: Codes, column: Coded, unit: Ints
    ) -> None:
        last = len(self._known["unit"])
        if (places == last).any():
            bad = (places == last)[column.codes]
            message = "科室不在科室表；点数归入未知，留存待查"
            self._told.add(f"未知{side}科室", message, looked.lines, column, bad)
        bad = (looked.day_class > 0) & (unit < 0)
        if bad.any():
            bad &= (places < last)[column.codes]
            message = "HIS 科室在计入日期没有对照的核算单元；点数归入未知，留存待查"
            self._told.add(f"{side}科室无有效对照", message, looked.lines, column, bad)

    def _tell_days(self, lines: ChargeLines, days: Codes, inside: npt.NDArray[np.bool_]) -> None:
        if inside.all():
            return
        missing = days == NO_DATE
        if missing.any():
            message = "按方案计入的日期是空的（未执行或未结算）；归入未知，留存待查"
            self._told.add("没有计入日期", message, lines, lines.item, missing)
        bad = ~inside & ~missing
        months = days[bad].astype("datetime64[D]").astype("datetime64[M]")
        values, codes = np.unique(months, return_inverse=True)
        whole = np.zeros(lines.n, dtype=np.int32)
        whole[bad] = codes
        named = Coded(whole, pa.array([str(value) for value in values], pa.string()))
        self._told.add("日期不在本期", "计入日期不在本期；归入未知，留存待查", lines, named, bad)

    def _sessions(self) -> None:
        """Add the lines that were kept back, cut over their modifiers."""
        if not self._held:
            return
        texts = pa.chunked_array([held[1] for held in self._held]).combine_chunks()
        if isinstance(texts, pa.ChunkedArray):
            texts = pa.concat_arrays(texts.chunks)
        blank = np.asarray(pc.equal(texts, ""), dtype=bool)
        case = np.asarray(texts.dictionary_encode().indices, dtype=np.int64)
        looked = [held[0] for held in self._held]
        more = np.concatenate([held[2] for held in self._held], axis=1)
        columns = {
            name: np.concatenate([getattr(one, name) for one in looked]).astype(np.int64)
            for name in ("execution", "item", "order", "doctor", "executor", "day_class")
        }
        quantity = np.concatenate([one.lines.quantity_e4 for one in looked])
        amount = np.concatenate([one.lines.amount_fen for one in looked])
        rows = SessionRows(
            case=np.where(blank, -1, case), day=more[0], mark=more[1], quantity_e4=quantity,
            **columns,
        )  # fmt: skip
        self._held = []
        rows, amount, lines = netted(rows, amount)
        place, modifier, part = modified(rows, self._ground.sessions, self._ground.items)
        order = np.argsort(place, kind="stable")
        place, modifier, part = place[order], modifier[order], part[order]
        first = np.append(True, place[1:] != place[:-1])
        counts = np.where(first, lines[place], 0)
        whole = _stub(looked[0].lines, part, np.where(first, amount[place], 0))
        again = _Looked(
            whole, rows.day_class[place].astype(np.int32), rows.item[place], rows.order[place],
            rows.execution[place], rows.doctor[place].astype(np.int32),
            rows.executor[place].astype(np.int32),
        )  # fmt: skip
        self._sum(again, modifier, counts)

    def cells(self, rejects: pd.DataFrame) -> Cells:
        """The cells in the order of items, units, days and modifiers."""
        self._sessions()
        self._told.unreadable(rejects)
        keys, sums = self._table.taken()
        found = self._split(keys)
        sources = sorted(set(self._days.source))
        place = np.array([sources.index(text) for text in self._days.source], dtype=np.int64)
        found["source"] = place[found["day_class"]]
        names = ("item", "order", "execution", "segment", "factor_e4", "source", "modifier")
        order = ordered([found[name] for name in names])
        rejected = len(rejects)
        return Cells(
            **{name: found[name][order] for name in names},
            rows=sums[order, 0],
            quantity_e4=sums[order, 1],
            amount_fen=sums[order, 2],
            sources=tuple(sources),
            modifiers=tuple(self._ground.sessions.modifiers),
            exceptions=self._told.frame(),
            rows_read=self._read[0] + rejected,
            rows_rejected=rejected,
            quantity_read_e4=self._read[1],
            amount_read_fen=self._read[2],
        )


_NONE = np.empty(0, dtype=np.int64)


def _index_in(column: Coded, known: pa.Array, missing: int) -> Codes:
    """Place of each text of a column in the known ones, ``missing`` where it is not there."""
    found = pc.index_in(column.dictionary, value_set=known)
    return np.asarray(pc.fill_null(found, missing).to_numpy(zero_copy_only=False), dtype=np.int32)


def _looked_up(table: Ints, day_class: Codes, place: Codes) -> Ints:
    """``table[day_class, place]`` (int64, n)."""
    flat = day_class.astype(np.int64)
    flat *= table.shape[1]
    flat += place
    return np.asarray(table.ravel()[flat])


def _kept(looked: _Looked, keep: npt.NDArray[np.bool_] | Ints) -> _Looked:
    return _Looked(
        taken(looked.lines, keep), looked.day_class[keep], looked.item[keep], looked.order[keep],
        looked.execution[keep], looked.doctor[keep], looked.executor[keep],
    )  # fmt: skip


def _stub(like: ChargeLines, quantity: Ints, amount: Ints) -> ChargeLines:
    """Lines of which only quantity and amount are asked."""
    none = Coded.same("", 0)
    empty = np.empty(0, dtype=np.int32)
    return ChargeLines(
        like.file, np.arange(len(quantity)), empty, none, none, none, none, none, quantity, amount,
        like.rejects,
    )  # fmt: skip
