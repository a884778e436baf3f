"""Reading the tables that fitting works on: typed columns under recognised headings.

Headings, kinds and which columns a table needs are data (data/fit.toml).
"""

from __future__ import annotations

import difflib
import re
import tomllib
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from drg_engine._kernels_money import NO_AMOUNT, NOT_A_NUMBER, TOO_FINE, fen_of_rows
from drg_engine.codes import text_buffers
from drg_engine.errors import Fault, InputError
from drg_engine.payment_columns import MISSING_FEN, Coded
from drg_engine.readers import TextPart, open_table
from drg_engine.values import date

__all__ = [
    "FitTable",
    "fit_data",
    "option_default",
    "option_rows",
    "read_fit_table",
    "read_fit_tables",
]

Floats = npt.NDArray[np.float64]
Fen = npt.NDArray[np.int64]

_TOLD = 20
_PERCENT = 100.0


def fit_data() -> dict[str, Any]:
    """Headings, tables and options as they stand in data/fit.toml."""
    text = files("drg_engine").joinpath("data/fit.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


def option_default(name: str, given: Any = None, options: Mapping[str, Any] | None = None) -> Any:
    """``given`` checked against the option's values or range, or the stated default.

    options: those of data/fit.toml, where the caller has read them.  Raises InputError in words
    where it is neither of the values nor within the range.
    """
    said = (fit_data()["options"] if options is None else options)[name]
    if given is None:
        return said["default"]
    if "values" in said and given not in said["values"]:
        mend = f"可选：{'、'.join(said['values'])}"
    elif "range" in said and not said["range"][0] <= given <= said["range"][1]:
        mend = f"应在 {said['range'][0]:g} 到 {said['range'][1]:g} 之间"
    else:
        return given
    fault = Fault("选项", f"{said['title']}不能这样写", None, name, str(given), mend)
    raise InputError("选项有误", [fault])


def option_rows(names: Sequence[str] | None = None) -> list[tuple[str, ...]]:
    """Each option: name, title, default, values or range, what it does, source."""
    options = fit_data()["options"]
    rows: list[tuple[str, ...]] = []
    for name in names or options:
        said = options[name]
        span = said.get("values") or [f"{bound:g}" for bound in said["range"]]
        words = ("、" if "values" in said else " 至 ").join(span)
        rows.append((name, said["title"], str(said["default"]), words, said["why"], said["source"]))
    return rows


@dataclass(frozen=True, slots=True, eq=False)
class FitTable:
    """Typed columns of one file, n rows each; ``rows`` are row numbers in the file.

    ``texts`` Coded with sorted names; ``fen`` int64 with MISSING_FEN; ``numbers`` float64 with NaN
    (levels 0 where not said, dates as days since 1970-01-01).
    """

    file: str
    n: int
    rows: npt.NDArray[np.int64]
    texts: Mapping[str, Coded]
    fen: Mapping[str, Fen]
    numbers: Mapping[str, Floats]

    def has(self, name: str) -> bool:
        """Whether the file has the column."""
        return name in self.texts or name in self.fen or name in self.numbers

    def text(self, name: str) -> Coded:
        """A text column; all missing where the file has none."""
        return self.texts.get(name) or Coded.same("", self.n)

    def level(self) -> npt.NDArray[np.int8]:
        """Hospital level 1 to 3, 0 where not known."""
        found = self.numbers.get("level", np.zeros(self.n))
        return np.nan_to_num(found).astype(np.int8)


def read_fit_table(path: Path, table: str, *, sheet: str | None = None) -> FitTable:
    """Read the file as the table named in data/fit.toml (``cases``, ``returns`` ...).

    Raises InputError with every fault: missing columns, cells that are not what they should be.
    """
    data = fit_data()
    said, columns = data["tables"][table], data["columns"]
    source = open_table(path, sheet=sheet)
    found = _found(source.headings, [*said["required"], *said["optional"]], columns)
    lacking = [name for name in said["required"] if name not in found]
    if lacking:
        raise _lacking(path.name, said["title"], lacking, source.headings, columns)
    faults = _Faults(path.name)
    parts: dict[str, list[Any]] = {name: [] for name in found}
    rows = [np.zeros(0, dtype=np.int64)]
    for part in source.parts:
        rows.append(part.rows)
        for name, heading in found.items():
            kind = columns[name]["kind"]
            if _plain(heading) in map(_plain, columns[name].get("fen", ())):
                kind = "fen"
            parts[name].append(_typed(part, heading, kind, faults, data))
    for bad in source.bad_rows:
        faults.add(Fault(path.name, bad.message, row=bad.row, found=bad.found))
    faults.raise_any(f"{path.name} 不能用作{said['title']}")
    return _joined(path.name, np.concatenate(rows), parts, columns)


def read_fit_tables(paths: Sequence[Path], table: str, *, sheet: str | None = None) -> FitTable:
    """Several files of one kind (a year's months) one after the other, as one table.

    A column that a file has not is missing there.  Raises InputError with the faults of all files.
    """
    if len(paths) == 1:
        return read_fit_table(paths[0], table, sheet=sheet)
    read: list[FitTable] = []
    faults: list[Fault] = []
    for path in paths:
        try:
            read.append(read_fit_table(path, table, sheet=sheet))
        except InputError as error:
            faults += error.faults
    if faults:
        raise InputError("表格有误", faults)
    texts = {name: None for one in read for name in one.texts}
    fen = {name: None for one in read for name in one.fen}
    numbers = {name: None for one in read for name in one.numbers}
    nothing = [np.full(one.n, np.nan) for one in read]
    return FitTable(
        file=f"{read[0].file} 等 {len(read)} 个文件",
        n=sum(one.n for one in read),
        rows=np.concatenate([one.rows for one in read]),
        texts={name: _together([one.text(name) for one in read]) for name in texts},
        fen={
            name: np.concatenate([one.fen.get(name, np.full(one.n, MISSING_FEN)) for one in read])
            for name in fen
        },
        numbers={
            name: np.concatenate(
                [one.numbers.get(name, none) for one, none in zip(read, nothing, strict=True)]
            )
            for name in numbers
        },
    )


def _together(labels: Sequence[Coded]) -> Coded:
    names = tuple(sorted({name for label in labels for name in label.names}))
    place = {name: at for at, name in enumerate(names)}
    codes = [
        np.array([*(place[name] for name in label.names), -1], dtype=np.int32)[label.codes]
        for label in labels
    ]
    return Coded(np.concatenate(codes), names)


def _plain(heading: str) -> str:
    text = unicodedata.normalize("NFKC", heading).strip().lower()
    return re.sub(r"\(.*?\)|[\s_]", "", text)


def _found(
    headings: Sequence[str], names: Sequence[str], columns: Mapping[str, Any]
) -> dict[str, str]:
    """Heading of each column that is there; the canonical name goes first."""
    seen: dict[str, str] = {}
    for heading in headings:
        seen.setdefault(_plain(heading), heading)
    found = {}
    for name in names:
        for wanted in (name, *columns[name]["headings"], *columns[name].get("fen", ())):
            if _plain(wanted) in seen:
                found[name] = seen[_plain(wanted)]
                break
    return found


def _lacking(
    file: str, title: str, names: Sequence[str], headings: Sequence[str], columns: Mapping[str, Any]
) -> InputError:
    faults = [
        Fault(
            file,
            f"缺少列“{columns[name]['title']}”",
            row=1,
            found="，".join(headings[:12]),
            mend=f"可用的表头：{'、'.join(columns[name]['headings'])}",
        )
        for name in names
    ]
    return InputError(f"{file} 不能用作{title}", faults)


class _Faults:
    """Collects faults; past the first few only their number is told."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._held: list[Fault] = []
        self._count = 0

    def add(self, fault: Fault) -> None:
        self._count += 1
        if len(self._held) < _TOLD:
            self._held.append(fault)

    def cells(
        self,
        bad: npt.NDArray[np.bool_],
        part: TextPart,
        heading: str,
        expected: str,
        known: Iterable[str] = (),
    ) -> None:
        """One fault for each cell marked; ``known`` are texts of which the nearest is told."""
        places = np.flatnonzero(bad)
        self._count += places.size
        for place in places[: _TOLD - len(self._held)].tolist():
            found = str(part.table[heading][place].as_py())[:40]
            row = int(part.rows[place])
            near = difflib.get_close_matches(found, list(known), 1, 0.5)
            mend = f"是否想写 {near[0]}？" if near else None
            fault = Fault(self._file, expected, row, heading, found, mend)
            self._held.append(fault)

    def raise_any(self, message: str) -> None:
        if self._count > len(self._held):
            self._held.append(Fault(self._file, f"共 {self._count:,} 处，以上只列前几处"))
        if self._count:
            raise InputError(message, self._held)


def _typed(
    part: TextPart, heading: str, kind: str, faults: _Faults, data: Mapping[str, Any]
) -> Any:
    column = part.table[heading]
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if isinstance(array, pa.ChunkedArray):
        array = pa.concat_arrays(array.chunks)
    if pa.types.is_dictionary(array.type):
        array = array.cast(pa.string())
    if kind == "text":
        return pc.utf8_trim_whitespace(array.cast(pa.string())).dictionary_encode()
    if kind == "money":
        return _money(array, part, heading, faults)
    if kind == "fen":
        return _whole_fen(array, part, heading, faults)
    if kind == "date":
        return _days(array, part, heading, faults)
    if kind == "level":
        return _levels(array, part, heading, faults, data["values"]["level"])
    return _numbers(array, part, heading, faults, share=kind == "share")


def _money(array: pa.Array, part: TextPart, heading: str, faults: _Faults) -> Fen:
    offsets, text = text_buffers(array.fill_null(""))
    fen = np.zeros(len(array), dtype=np.int64)
    state = np.zeros(len(array), dtype=np.int8)
    fen_of_rows(offsets, text, fen, state)
    faults.cells(state == NOT_A_NUMBER, part, heading, "不是金额（元）")
    faults.cells(state == TOO_FINE, part, heading, "金额多于两位小数")
    fen[state == NO_AMOUNT] = MISSING_FEN
    return fen


def _whole_fen(array: pa.Array, part: TextPart, heading: str, faults: _Faults) -> Fen:
    """Whole fen, as the engine's own Parquet files have them."""
    text = pc.utf8_trim_whitespace(array.cast(pa.string()).fill_null(""))
    empty = np.asarray(pc.equal(text, "").to_numpy(zero_copy_only=False), dtype=np.bool_)
    good = np.asarray(
        pc.match_substring_regex(text, r"^-?[0-9]{1,15}$").to_numpy(zero_copy_only=False), np.bool_
    )
    faults.cells(~good & ~empty, part, heading, "不是整数（分）")
    whole = pc.if_else(pa.array(good), text, "0").cast(pa.int64())
    return np.where(good, np.asarray(whole), MISSING_FEN)


def _numbers(
    array: pa.Array, part: TextPart, heading: str, faults: _Faults, *, share: bool
) -> Floats:
    text = pc.utf8_trim_whitespace(array.cast(pa.string()).fill_null(""))
    text = pc.replace_substring_regex(text, "[,，]", "")
    percent = np.asarray(pc.ends_with(text, "%").to_numpy(zero_copy_only=False), dtype=np.bool_)
    bare = pc.replace_substring(text, "%", "") if share else text
    empty = np.asarray(pc.equal(bare, "").to_numpy(zero_copy_only=False), dtype=np.bool_)
    numbers = pd.to_numeric(bare.to_pandas(), errors="coerce")
    values: Floats = numbers.to_numpy(dtype=np.float64, copy=True)
    faults.cells(~np.isfinite(values) & ~empty, part, heading, "不是数字")
    if share:
        values[percent] /= _PERCENT
        faults.cells((values < 0) | (values > 1), part, heading, "比例应在 0 到 1 之间，或写百分数")
    faults.cells(values < 0, part, heading, "不能是负数")
    return values


def _levels(
    array: pa.Array, part: TextPart, heading: str, faults: _Faults, words: Mapping[str, int]
) -> Floats:
    encoded = pc.utf8_trim_whitespace(array.cast(pa.string()).fill_null("")).dictionary_encode()
    known = [float(words.get(text, np.nan)) for text in encoded.dictionary.to_pylist()]
    found: Floats = np.array([*known, np.nan])[np.asarray(encoded.indices)]
    faults.cells(np.isnan(found), part, heading, "医院级别应为 3、2、1 或 三级、二级、一级",
                 [word for word in words if len(word) > 1])  # fmt: skip
    return found


def _days(array: pa.Array, part: TextPart, heading: str, faults: _Faults) -> Floats:
    encoded = array.cast(pa.string()).fill_null("").dictionary_encode()
    read = [date(text) for text in encoded.dictionary.to_pylist()]
    places = np.asarray(encoded.indices)
    bad = np.array([*(bool(refusal) for _, refusal, _ in read), False])[places]
    faults.cells(bad, part, heading, "应为日期，如 2026-10-01")
    days: Floats = np.array([*(value for value, _, _ in read), np.nan])[places]
    return days


def _joined(
    file: str,
    rows: npt.NDArray[np.int64],
    parts: Mapping[str, list[Any]],
    columns: Mapping[str, Any],
) -> FitTable:
    texts: dict[str, Coded] = {}
    fen: dict[str, Fen] = {}
    numbers: dict[str, Floats] = {}
    for name, pieces in parts.items():
        kind = columns[name]["kind"]
        if kind == "text":
            texts[name] = _coded(pieces)
        elif kind == "money":
            fen[name] = np.concatenate([np.zeros(0, dtype=np.int64), *pieces])
        else:
            numbers[name] = np.concatenate([np.zeros(0), *pieces])
    return FitTable(file, rows.size, rows, texts, fen, numbers)


def _coded(pieces: list[pa.DictionaryArray]) -> Coded:
    """Texts as codes into sorted names, empty text missing."""
    if not pieces:
        return Coded.same("", 0)
    whole = pa.chunked_array(pieces).unify_dictionaries().combine_chunks()
    if isinstance(whole, pa.ChunkedArray):
        whole = whole.chunk(0)
    texts = whole.dictionary.to_pylist()
    names = sorted({text for text in texts if text})
    place = {text: index for index, text in enumerate(names)}
    to = np.array([*(place.get(text, -1) for text in texts), -1], dtype=np.int32)
    return Coded(to[np.asarray(whole.indices.fill_null(-1))], tuple(names))
