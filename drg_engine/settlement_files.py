"""Reading a side's settlements: tables, the interface's JSON and its tab-separated packets.

``data/settlements.toml`` says which heading is which column (insurance_office.md §§3 and 6).
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from drg_engine.ahead import begun
from drg_engine.columns import CaseFormat, find_columns, read_mapping
from drg_engine.csv_files import open_csv
from drg_engine.door import Ledger, Rejects, one_array, read_column, read_money
from drg_engine.errors import Fault, InputError
from drg_engine.files import file_sha256
from drg_engine.readers import open_table
from drg_engine.text_tables import TextPart, TextTable
from drg_engine.values import date as read_date

__all__ = [
    "AMOUNTS",
    "NO_DAY",
    "TEXTS",
    "Settlements",
    "Side",
    "begin_reading",
    "read_settlements",
    "settlement_words",
]

AMOUNTS = ("charges", "fund", "account", "personal", "cash", "paid")
"""Amounts a settlement may have; the first three always."""

TEXTS = ("insurance", "agency", "clearing", "drg")
NO_DAY = int(np.iinfo(np.int32).min)

_MOST_JSON = 1 << 29
_MOST_YUAN = 1e9
_PACKET_SUFFIXES = (".txt", ".tsv")
Mask = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Settlements:
    """One side's settlements, n of them, in the order of its file.

    ids: text (n,), the settlement each row is or undoes.  rows: int64 (n,), rows of the file.
    amounts: int64 fen (n,) by name, negative for what is undone.  texts: dictionary text (n,) by
    name.  days: int32 (n,) since 1970-01-01 or NO_DAY.  back: bool (n,), the reversals.
    turned: how many reversals stood there as positive amounts.  read: rows of the file.
    """

    file: str
    ids: pa.Array
    rows: Ints
    amounts: Mapping[str, Ints]
    texts: Mapping[str, pa.DictionaryArray]
    days: npt.NDArray[np.int32]
    back: Mask
    turned: int
    read: int
    rejects: Rejects

    @property
    def n(self) -> int:
        """Settlements that could be read."""
        return len(self.rows)


@dataclass(frozen=True, slots=True, eq=False)
class Side:
    """A side's file, its hash and what stands in it."""

    path: Path
    sha256: str
    settlements: Settlements


def begin_reading(
    paths: Sequence[Path], mappings: Sequence[Path | None]
) -> Callable[[], list[Side]]:
    """Begin to read files of settlements, each in a thread of its own; call it for the sides.

    What else a command needs may be loaded meanwhile.  The call raises InputError where a file is
    unreadable.
    """

    def side(path: Path, mapping: Path | None) -> Side:
        own = read_mapping(mapping) if mapping else None
        settlements = read_settlements(path, mapping=own)
        return Side(path, file_sha256(path), settlements)

    return begun(partial(side, *pair) for pair in zip(paths, mappings, strict=True))


def settlement_words() -> dict[str, Any]:
    """Columns, flags, packets and causes as data/settlements.toml has them."""
    text = files("drg_engine").joinpath("data/settlements.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


def read_settlements(
    path: Path,
    *,
    sheet: str | None = None,
    mapping: Mapping[str, str | list[str]] | None = None,
) -> Settlements:
    """Read a settlement file: CSV, Excel, Parquet, JSON, or a tab-separated packet.

    A blank amount is nothing paid (0), but for the charges.  Rows that cannot be read are in
    ``rejects``.  Raises InputError where the file is none of these or lacks a column.
    """
    words = settlement_words()
    source = _opened(path, sheet, words)
    form = CaseFormat(words["columns"], {}, {})
    headings = find_columns(source.headings, form, path.name, mapping)
    read, parts = 0, []
    for part in source.parts:
        read += len(part.rows)
        parts.append(_part(path.name, part, headings, words))
    refused = Ledger(path.name, _nothing(), pa.array([], pa.string())).rejects(source.bad_rows)
    return _joined(path.name, parts, read + len(source.bad_rows), refused)


@dataclass(frozen=True, slots=True, eq=False)
class _Part:
    ids: pa.Array
    rows: Ints
    amounts: dict[str, Ints]
    texts: dict[str, pa.DictionaryArray]
    days: npt.NDArray[np.int32]
    back: Mask
    turned: int
    rejects: Rejects


def _part(
    file: str, part: TextPart, headings: Mapping[str, str], words: Mapping[str, Any]
) -> _Part:
    table = part.table
    own = _text(table, headings["setl_id"])
    ledger = Ledger(file, part, own)
    ledger.refuse(np.asarray(pc.equal(own, "")), headings["setl_id"], own, "不能为空")
    amounts = {
        name: _amount(table, headings[name], ledger, required=name == "charges")
        for name in AMOUNTS
        if name in headings
    }
    days = np.full(table.num_rows, NO_DAY, dtype=np.int32)
    if "date" in headings:
        found = read_column(one_array(table[headings["date"]]), read_date, headings["date"], ledger)
        known = ~np.isnan(found)
        days[known] = found[known].astype(np.int32)
    back, turned = _reversals(table, headings, amounts, words["flags"], ledger)
    for values in amounts.values():
        values[turned] *= -1
    ids = own
    if "original_id" in headings:
        original = _text(table, headings["original_id"])
        undone = pa.array(back & np.asarray(pc.not_equal(original, "")))
        ids = pc.if_else(undone, original, own)
    texts = {name: _category(table, headings[name]) for name in TEXTS if name in headings}
    whole = _Part(
        ids, part.rows, amounts, texts, days, back, int((turned & ~ledger.out).sum()),
        ledger.rejects(()),
    )  # fmt: skip
    return _kept(whole, ~ledger.out) if ledger.out.any() else whole


def _kept(part: _Part, keep: Mask) -> _Part:
    """The rows that stay in."""
    mask = pa.array(keep)
    return replace(
        part,
        ids=part.ids.filter(mask),
        rows=part.rows[keep],
        amounts={name: values[keep] for name, values in part.amounts.items()},
        texts={name: text.filter(mask) for name, text in part.texts.items()},
        days=part.days[keep],
        back=part.back[keep],
    )


def _category(table: pa.Table, heading: str) -> pa.DictionaryArray:
    """A column of few texts as a dictionary; each distinct text is trimmed once."""
    coded = one_array(table[heading]).cast(pa.string()).fill_null("").dictionary_encode()
    trimmed = pc.utf8_trim_whitespace(coded.dictionary)
    if trimmed.equals(coded.dictionary):
        return coded
    return trimmed.take(coded.indices).dictionary_encode()


def _text(table: pa.Table, heading: str) -> pa.Array:
    column = one_array(table[heading]).cast(pa.string())
    return pc.utf8_trim_whitespace(pc.fill_null(column, ""))


def _amount(table: pa.Table, heading: str, ledger: Ledger, *, required: bool) -> Ints:
    column = one_array(table[heading])
    fen = read_money(column, heading, ledger, _MOST_YUAN)
    if required:
        ledger.refuse(np.asarray(fen.is_null()), heading, column, "不能为空")
    return np.array(pc.fill_null(fen, 0), dtype=np.int64)


def _reversals(
    table: pa.Table,
    headings: Mapping[str, str],
    amounts: Mapping[str, Ints],
    flags: Mapping[str, Sequence[str]],
    ledger: Ledger,
) -> tuple[Mask, Mask]:
    """Rows that undo a settlement, and those of them given as positive amounts."""
    back = amounts["charges"] < 0
    if "reversed" not in headings:
        return back, np.zeros(len(back), dtype=np.bool_)
    flag = _text(table, headings["reversed"])
    marked = np.asarray(pc.is_in(flag, pa.array(flags["yes"])))
    unread = ~marked & ~np.asarray(pc.is_in(flag, pa.array(flags["no"])))
    ledger.refuse(unread, headings["reversed"], flag, "不认识的标志，应为 0 或 1（是、否）")
    return back | marked, marked & ~back


def _joined(file: str, parts: Sequence[_Part], read: int, refused: Rejects) -> Settlements:
    if not parts:
        parts = [_empty_part()]
    first = parts[0]
    ids = pa.concat_arrays([part.ids.cast(pa.string()) for part in parts])
    return Settlements(
        file=file,
        ids=ids,
        rows=np.concatenate([part.rows for part in parts]),
        amounts={
            name: np.concatenate([part.amounts[name] for part in parts]) for name in first.amounts
        },
        texts={name: _one_dictionary([part.texts[name] for part in parts]) for name in first.texts},
        days=np.concatenate([part.days for part in parts]),
        back=np.concatenate([part.back for part in parts]),
        turned=sum(part.turned for part in parts),
        read=read,
        rejects=Rejects.joined([refused, *(part.rejects for part in parts)]),
    )


def _one_dictionary(arrays: Sequence[pa.DictionaryArray]) -> pa.DictionaryArray:
    whole = pa.chunked_array(arrays).unify_dictionaries()
    return one_array(whole)


def _nothing() -> TextPart:
    return TextPart(pa.table({}), np.zeros(0, dtype=np.int64))


def _empty_part() -> _Part:
    none = np.zeros(0, dtype=np.int64)
    text = pa.array([], pa.string())
    return _Part(
        text, none, dict.fromkeys(AMOUNTS[:3], none), {},
        none.astype(np.int32), none.astype(np.bool_), 0, Rejects(),
    )  # fmt: skip


def _opened(path: Path, sheet: str | None, words: Mapping[str, Any]) -> TextTable:
    suffix = path.suffix.lower()
    if suffix == ".json" and path.is_file():
        return _opened_json(path, words)
    if suffix in _PACKET_SUFFIXES and path.is_file():
        columns = _packet_columns(path, words)
        if columns is not None:
            return open_csv(path, columns)
    return open_table(path, sheet=sheet)


def _packet_columns(path: Path, words: Mapping[str, Any]) -> tuple[str, ...] | None:
    """Columns of a packet without headings; None where the first line is one of headings."""
    with path.open("rb") as stream:
        line = stream.readline(1 << 16)
    cells = [cell.strip() for cell in line.decode("gb18030", errors="replace").split("\t")]
    known = {name for spec in words["columns"].values() for name in spec["headings"]}
    if any(cell.lstrip("\ufeff") in known for cell in cells):
        return None
    for packet in words["packets"].values():
        if len(packet["columns"]) == len(cells):
            return tuple(packet["columns"])
    return None


def _opened_json(path: Path, words: Mapping[str, Any]) -> TextTable:
    if path.stat().st_size > _MOST_JSON:
        mend = "请按日或按月分开导出"
        fault = Fault(path.name, f"JSON 超过 {_MOST_JSON >> 20} MB", mend=mend)
        raise InputError(f"{path.name} 太大", [fault])
    try:
        data = json.loads(path.read_bytes(), parse_float=str, parse_int=str)
    except (ValueError, RecursionError) as error:
        fault = Fault(path.name, "不是完整的 JSON", found=str(error)[:120], mend="请重新导出")
        raise InputError(f"{path.name} 读不出来", [fault]) from error
    names = words["columns"]["setl_id"]["headings"]
    found = next(_lists(data, frozenset(names)), None)
    if found is None:
        mend = "应有一个清单，每一项带 setl_id"
        raise InputError(f"{path.name} 不能用", [Fault(path.name, "没有找到结算清单", mend=mend)])
    headings = tuple(dict.fromkeys(str(key) for record in found for key in record))
    columns = [pa.array([_cell(r.get(name)) for r in found], pa.string()) for name in headings]
    rows = np.arange(1, len(found) + 1, dtype=np.int64)
    part = TextPart(pa.table(columns, names=list(headings)), rows)
    return TextTable(path.name, headings, iter([part]), most_rows=len(found))


def _cell(value: Any) -> str:
    return "" if value is None else str(value)


def _lists(data: Any, names: frozenset[str]) -> Iterator[list[dict[str, Any]]]:
    """Lists of records that have a settlement id, wherever in the message they stand."""
    waiting = [data]
    while waiting:
        one = waiting.pop(0)
        if isinstance(one, dict):
            waiting.extend(one.values())
        elif isinstance(one, list) and one:
            records = [record for record in one if isinstance(record, dict)]
            if len(records) == len(one) and any(names & record.keys() for record in records):
                yield records
            else:
                waiting.extend(one)
