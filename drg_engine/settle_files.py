"""The cases of a region from files: Parquet partitions, CSV or Excel, read in bounded batches.

A source can be gone through any number of times and gives the same batches in the same order.  The
first time tells which rows stay out, and why; a row that stays out stays out every time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from drg_engine.case_needs import month_needs, refuse_lacking
from drg_engine.cases import CaseReader, Cases
from drg_engine.columns import read_mapping
from drg_engine.door import IdSet, Rejects
from drg_engine.errors import Fault, InputError
from drg_engine.grouping import CodeLookup, group
from drg_engine.payment_columns import Coded, PaymentColumns
from drg_engine.policy import Policy
from drg_engine.readers import TextPart, open_table
from drg_engine.settle_columns import Admitted, admit
from drg_engine.settle_drgs import DrgIndex, named_drgs
from drg_engine.settle_plan import amount_names, plan_cases, settle_format
from drg_engine.text_tables import BadRow
from grouper_tables import Scheme

__all__ = ["BATCH_ROWS", "CaseBatch", "CaseFile", "CaseSource", "case_key", "find_case_files"]

Firsts = npt.NDArray[np.int64]

BATCH_ROWS = 1 << 18
"""Rows read at a time: some tens of MB of columns."""

_PARQUET = (".parquet", ".pq")
_NO_VALUE = "__HIVE_DEFAULT_PARTITION__"
_UNREADABLE = (OSError, ValueError, KeyError, RuntimeError, pa.ArrowException)


@dataclass(frozen=True, slots=True)
class CaseFile:
    """One file; ``place``: where its results go; ``fixed``: columns told by its folders' names."""

    path: Path
    place: Path
    fixed: Mapping[str, str]

    @property
    def is_parquet(self) -> bool:
        """Whether it is a Parquet file by its suffix."""
        return self.path.suffix.lower() in _PARQUET


@dataclass(frozen=True, slots=True, eq=False)
class CaseBatch:
    """Some cases of one file in their order.

    ``start``: number of the first case among all that were let in; ``person``: text (n,), None
    without such a column; ``rejects`` and ``read``: what stayed out, and the rows read.  ``raw``:
    what was grouped on the way, of which ``keep`` was let in.
    """

    file: int
    start: int
    columns: PaymentColumns
    person: pa.Array | None
    rejects: Rejects
    read: int
    raw: Cases | None = None
    keep: npt.NDArray[np.bool_] | None = None


def find_case_files(paths: Sequence[Path]) -> list[CaseFile]:
    """Files named, and the Parquet files of folders named (``key=value`` folders are columns).

    Sorted by path within a folder.  Raises InputError where a path is not there, a folder has no
    Parquet file, or two files' results would go to one place.
    """
    found: list[CaseFile] = []
    faults: list[Fault] = []
    for path in paths:
        if path.is_dir():
            inner = _in_folder(path, many=len(paths) > 1)
            if not inner:
                mend = "文件夹里应有 .parquet 文件"
                faults.append(Fault(str(path), "文件夹里没有 Parquet 文件", mend=mend))
            found += inner
        elif path.is_file():
            found.append(CaseFile(path, Path(path.name), {}))
        else:
            faults.append(Fault(str(path), "没有这个文件或文件夹", mend="检查路径"))
    seen: dict[Path, Path] = {}
    for file in found:
        place = file.place.with_suffix("")
        if place in seen:
            words = f"{seen[place]} 与 {file.path}"
            faults.append(Fault(str(place), "两个输入文件的结果同名", found=words))
        seen[place] = file.path
    if faults:
        raise InputError("找不到病例文件", faults)
    return found


def _in_folder(folder: Path, *, many: bool) -> list[CaseFile]:
    files = []
    for path in sorted(folder.rglob("*")):
        inner = path.relative_to(folder)
        hidden = any(part.startswith(("_", ".")) for part in inner.parts)
        if path.suffix.lower() in _PARQUET and not hidden and path.is_file():
            place = Path(folder.name) / inner if many else inner
            files.append(CaseFile(path, place, _fixed(inner)))
    return files


def _fixed(inner: Path) -> dict[str, str]:
    """Columns told by folders named ``key=value``."""
    pairs = [part.partition("=") for part in inner.parts[:-1] if "=" in part]
    return {key: "" if value == _NO_VALUE else unquote(value) for key, _, value in pairs}


def case_key(ids: pa.Array, hospital: Coded) -> pa.Array:
    """What tells cases apart: hospital and id together (an id may occur in two hospitals)."""
    if not hospital.names:
        return ids
    names = pa.array([*hospital.names, ""], pa.string())
    codes = np.where(hospital.codes < 0, len(hospital.names), hospital.codes)
    return pc.binary_join_element_wise(names.take(pa.array(codes)), ids, "\x1f")


class CaseSource:
    """Cases to settle, grouped already, or grouped on the way by ``scheme``.

    A file with a column of DRGs is taken as grouped; with a scheme its DRGs must be the scheme's,
    and the scheme's weights stand in where the file has none.  ``read``, ``cases``, ``rejected``
    and ``notices`` count what the first going-through found.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        *,
        scheme: Scheme | None = None,
        policies: Iterable[Policy] = (),
        mapping: Path | None = None,
        sheet: str | None = None,
        batch_rows: int = BATCH_ROWS,
    ) -> None:
        self.files = find_case_files(paths)
        self.form = settle_format()
        listed = list(policies)
        self.drgs = DrgIndex(scheme, named_drgs(listed))
        self.read = self.cases = self.rejected = self.notices = 0
        self._amounts = amount_names(listed)
        self._needs = month_needs(listed, department=False) if listed else []
        self._mapping = read_mapping(mapping) if mapping else None
        self._sheet = sheet
        self._batch_rows = batch_rows
        self._firsts: list[Firsts | None] = []
        self._gone_through = False

    def batches(self) -> Iterator[CaseBatch]:
        """The cases, batch by batch.  Raises InputError where a file cannot be read on."""
        first_time, start, number, read = not self._gone_through, 0, 0, 0
        ids = IdSet.for_rows(sum(_most_rows(file) for file in self.files)) if first_time else None
        if first_time:
            self._firsts = []
        for place, file in enumerate(self.files):
            repeats = _Repeats(ids, self._firsts)
            for admitted, rows in self._admitted(file, repeats, number, read):
                columns = admitted.columns_with_person()
                batch = CaseBatch(
                    place,
                    start,
                    columns,
                    admitted.person,
                    admitted.rejects,
                    rows,
                    admitted.raw,
                    admitted.keep,
                )
                number, start, read = number + 1, start + batch.columns.n, read + rows
                if first_time:
                    self._count(batch)
                yield batch
        self._gone_through = True

    def _count(self, batch: CaseBatch) -> None:
        self.read += batch.read
        self.cases += batch.columns.n
        self.rejected += batch.rejects.row_count
        self.notices += batch.rejects.notices.num_rows

    def _admitted(
        self, file: CaseFile, repeats: _Repeats, number: int, read: int
    ) -> Iterator[tuple[Admitted, int]]:
        """Batches of one file with how many rows each was read from."""
        if file.is_parquet:
            headings, parts, bad = _open_parquet(file, self._batch_rows)
        else:
            table = open_table(file.path, sheet=self._sheet)
            headings, parts, bad = table.headings, table.parts, table.bad_rows
        given = _renamed(headings, self._mapping)
        known = {name: (name, *said["headings"]) for name, said in self.form.columns.items()}
        grouped = any(heading in known["drg"] for heading in (*given, *file.fixed))
        if not grouped and self.drgs.scheme is not None:
            yield from self._raw(file, repeats, number, read)
            return
        plan = plan_cases([*given, *file.fixed], self.form, file.path.name, self._amounts)
        told = 0
        for part in parts:
            fresh = [one for one in bad[told:] if one.row < int(part.rows[-1])]
            told += len(fresh)
            yield self._one(file, part, given, plan, fresh, repeats.at(number, read))
            number, read = number + 1, read + len(part.rows) + len(fresh)
        if bad[told:]:
            none = pa.table({name: pa.array([], pa.string()) for name in headings})
            empty = TextPart(none, np.zeros(0, dtype=np.int64))
            yield self._one(file, empty, given, plan, bad[told:], repeats.at(number, read))

    def _one(
        self,
        file: CaseFile,
        part: TextPart,
        given: Sequence[str],
        plan: Any,
        bad: Sequence[BadRow],
        repeats: Any,
    ) -> tuple[Admitted, int]:
        table = _with_fixed(part.table.rename_columns(list(given)), file.fixed)
        admitted = admit(
            table, part.rows, plan, self.form, self.drgs,
            file=str(file.place), bad_rows=bad, repeats=repeats,
        )  # fmt: skip
        return admitted, len(part.rows) + len(bad)

    def _raw(
        self, file: CaseFile, repeats: _Repeats, number: int, read: int
    ) -> Iterator[tuple[Admitted, int]]:
        """Batches of a file of raw cases, grouped on the way."""
        table = open_table(file.path, sheet=self._sheet)
        table.file = str(file.place)
        table.headings = (*table.headings, *file.fixed)
        table.parts = (_part_with(part, file.fixed) for part in table.parts)
        reader = CaseReader(table, mapping=self._mapping, wanted=[*self.form.columns, *_GROUPING])
        refuse_lacking(reader, self._needs)
        before = 0
        lookup = None if self.drgs.scheme is None else CodeLookup(self.drgs.scheme)
        for cases in reader.parts():
            rows, before = reader.counts.read - before, reader.counts.read
            yield self._grouped(cases, lookup, repeats.at(number, read)), rows
            number, read = number + 1, read + rows

    def _grouped(self, cases: Cases, lookup: CodeLookup | None, repeats: Any) -> Admitted:
        scheme = self.drgs.scheme
        assert scheme is not None  # noqa: S101 -- raw cases are read only where there is one
        columns = PaymentColumns.from_cases(cases, group(cases, scheme, lookup=lookup))
        labels = dict(columns.labels)
        person = labels.pop("person_id", None)
        columns = replace(columns, labels=labels, drg_codes=self.drgs.codes)
        names = None if person is None else _texts(person)
        keep = repeats(columns.case_id, columns.hospital) == 0
        if keep.all():
            return Admitted(columns, names, keep, cases.rejects, cases)
        at = np.flatnonzero(keep)
        told = _told_repeats(cases.rejects, columns.case_id, ~keep)
        kept = None if names is None else names.take(pa.array(at))
        return Admitted(columns.take(at), kept, keep, told, cases)


_GROUPING = (
    "sex", "age", "age_days", "birth_weight", "los", "discharge_mode", "procedures", "icu_hours",
    "vent_hours", "flags",
)  # fmt: skip


class _Repeats:
    """Tells which ids stood before: from the set of ids, or as the first time found it."""

    def __init__(self, ids: IdSet | None, firsts: list[Firsts | None]) -> None:
        self._ids = ids
        self._firsts = firsts

    def at(self, number: int, read: int) -> Any:
        """For batch ``number``, which begins after ``read`` rows: ids and hospitals to firsts."""

        def told(ids: pa.Array, hospital: Coded) -> Firsts:
            if self._ids is None:
                held = self._firsts[number]
                return np.zeros(len(ids), dtype=np.int64) if held is None else held
            rows = np.arange(read + 1, read + 1 + len(ids), dtype=np.int64)
            found = self._ids.repeats(case_key(ids, hospital), rows)
            while len(self._firsts) <= number:
                self._firsts.append(None)
            self._firsts[number] = found if found.any() else None
            return found

        return told


def _told_repeats(rejects: Rejects, ids: pa.Array, again: npt.NDArray[np.bool_]) -> Rejects:
    """The rejects of a part of raw cases with the ids that another file had already."""
    told = ids.filter(pa.array(again))
    n = len(told)
    columns = {
        "file": pa.array([""] * n, pa.string()),
        "row": pa.nulls(n, pa.int64()),
        "case_id": told.cast(pa.string()),
        "column": pa.array(["case_id"] * n, pa.string()),
        "value": told.cast(pa.string()),
        "reason": pa.array(["重复，前面的文件已有同一编号"] * n, pa.string()),
    }
    lines = pa.concat_tables([rejects.lines, pa.table(columns).cast(rejects.lines.schema)])
    return Rejects(lines, rejects.notices, rejects.row_count + n)


def _texts(label: Coded) -> pa.Array:
    names = pa.array(label.names, pa.string())
    return names.take(pa.array(label.codes, mask=label.codes < 0))


def _renamed(
    headings: Sequence[str], mapping: Mapping[str, str | list[str]] | None
) -> tuple[str, ...]:
    """Headings, those that the mapping names under their canonical names."""
    names = {said: name for name, said in (mapping or {}).items() if isinstance(said, str)}
    return tuple(names.get(heading, heading) for heading in headings)


def _with_fixed(table: pa.Table, fixed: Mapping[str, str]) -> pa.Table:
    for name, value in fixed.items():
        column = pa.DictionaryArray.from_arrays(
            pa.array(np.zeros(table.num_rows, dtype=np.int32)), pa.array([value], pa.string())
        )
        if name not in table.column_names:
            table = table.append_column(name, column)
    return table


def _part_with(part: TextPart, fixed: Mapping[str, str]) -> TextPart:
    return TextPart(_with_fixed(part.table, fixed), part.rows) if fixed else part


def _most_rows(file: CaseFile) -> int:
    if not file.is_parquet:
        return max(1, file.path.stat().st_size // 10)
    return int(_parquet(file.path).metadata.num_rows)


def _parquet(path: Path, dictionaries: Sequence[str] = ()) -> Any:
    import pyarrow.parquet as pq

    try:
        return pq.ParquetFile(path, read_dictionary=list(dictionaries))
    except _UNREADABLE as error:
        mend = "文件可能没有传完整，请重新导出"
        fault = Fault(path.name, "Parquet 文件读不出来", found=str(error)[:120], mend=mend)
        raise InputError(f"{path.name} 打不开", [fault]) from error


def _open_parquet(
    file: CaseFile, batch_rows: int
) -> tuple[tuple[str, ...], Iterator[TextPart], list[BadRow]]:
    """Headings and parts of a Parquet file; text comes as dictionaries where it was written so."""
    source = _parquet(file.path)
    schema = source.schema_arrow
    text = [
        field.name
        for field in schema
        if (pa.types.is_string(field.type) or pa.types.is_large_string(field.type))
        and _few_values(source, field.name)
    ]
    source = _parquet(file.path, text)
    return tuple(schema.names), _parquet_parts(file, source, batch_rows), []


def _few_values(source: Any, name: str) -> bool:
    """Whether a column was written with a dictionary that its first row group did not outgrow."""
    if source.metadata.num_row_groups == 0:
        return False
    place = source.schema_arrow.names.index(name)
    column = source.metadata.row_group(0).column(place)
    dictionary = column.dictionary_page_offset
    if column.path_in_schema != name or dictionary is None:
        return False
    return bool((column.data_page_offset - dictionary) * 8 < column.total_compressed_size)


def _parquet_parts(file: CaseFile, source: Any, batch_rows: int) -> Iterator[TextPart]:
    row = 2
    try:
        for batch in source.iter_batches(batch_size=batch_rows, use_threads=False):
            if batch.num_rows:
                rows = np.arange(row, row + batch.num_rows, dtype=np.int64)
                yield TextPart(pa.Table.from_batches([batch]), rows)
            row += batch.num_rows
    except _UNREADABLE as error:
        fault = Fault(file.path.name, "Parquet 文件已损坏", found=str(error)[:120])
        raise InputError(f"{file.path.name} 读不下去", [fault]) from error
