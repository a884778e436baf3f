"""Grouping a file into a file: the work behind ``drg-engine group``, in bounded memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from drg_engine.ahead import ahead
from drg_engine.cases import CaseReader, Cases, ReadCounts
from drg_engine.columns import case_format, read_mapping
from drg_engine.door import REJECT_COLUMNS
from drg_engine.errors import Fault, InputError
from drg_engine.explanation import Explainer
from drg_engine.grouping import REASON_WORDS, REASONS, STATUS, CodeLookup, Grouping, group
from drg_engine.text_tables import TextTable
from drg_engine.writers import check_suffix, open_writer
from grouper_tables import Scheme

__all__ = ["GroupCounts", "group_file"]

GROUPING_COLUMNS = (
    "case_id", "sex", "age", "age_days", "birth_weight", "los", "discharge_mode", "diagnoses",
    "procedures", "icu_hours", "vent_hours", "flags",
)  # fmt: skip
_EXPLAIN_COLUMNS = ("case_id", "drg", "explanation")
_TITLES = {
    "case_id": "病案号", "status": "状态", "mdc": "MDC", "adrg": "ADRG", "drg": "病组",
    "severity": "严重程度", "reason": "原因", "explanation": "入组路径", "file": "文件",
    "row": "行", "column": "列", "value": "读到的值",
}  # fmt: skip
_WORDS = {
    "status": dict(zip(STATUS, ("已入组", "歧义组", "未入组", "不能分组"), strict=True)),
    "severity": {"none": "无", "cc": "CC", "mcc": "MCC"},
    "reason": dict(zip(REASONS, REASON_WORDS, strict=True)),
}


@dataclass
class GroupCounts:
    """What became of a file's rows; grouped + ambiguous + ungrouped + invalid + rejected = read."""

    read: int = 0
    rejected: int = 0
    notices: int = 0
    status: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    unknown_codes: Counter[str] = field(default_factory=Counter)

    @property
    def adds_up(self) -> bool:
        """Whether every row read is accounted for."""
        return self.read == self.rejected + sum(self.status.values())

    def add(self, grouping: Grouping) -> None:
        """Count one part."""
        for name, count in grouping.counts().items():
            self.status[name] += count
        found = np.bincount(grouping.reason, minlength=len(REASON_WORDS))
        for words, count in zip(REASON_WORDS, found.tolist(), strict=True):
            if words and count:
                self.reasons[words] += count

    def finish(self, counts: ReadCounts) -> None:
        """Take over what the reader counted."""
        self.read, self.rejected, self.notices = counts.read, counts.rejected, counts.notices


def group_file(
    source: Path,
    scheme: Scheme,
    out: Path,
    *,
    explain: Path | None = None,
    rejects: Path | None = None,
    mapping: Path | None = None,
    sheet: str | None = None,
    with_input: bool = False,
    on_part: Callable[[int], None] | None = None,
    opened: TextTable | None = None,
    chinese: bool = False,
) -> GroupCounts:
    """Group the cases of ``source`` and write the results to ``out``, in the order of the rows.

    Output columns: case_id, status, mdc, adrg, drg, severity, reason; then, if asked, what came in.
    explain: file for the path of each case.  rejects: file for the rows that stayed out.  on_part:
    called with the number of rows read so far.  opened: ``source``, where it is being read already.
    chinese: headings, statuses, severities and reasons of all outputs in Chinese, for Excel.
    Raises InputError; then no output stands.
    """
    targets = [path for path in (out, explain, rejects) if path is not None]
    _check_targets(source, targets)
    wanted = None if with_input else GROUPING_COLUMNS
    reader = CaseReader(
        opened or source,
        mapping=read_mapping(mapping) if mapping else None,
        sheet=sheet,
        wanted=wanted,
    )
    counts = GroupCounts()
    with ExitStack() as stack:
        writer, explain_writer, reject_writer = (
            stack.enter_context(open_writer(path, bom=bom)) if path is not None else None
            for path, bom in ((out, chinese), (explain, True), (rejects, True))
        )
        explainer = Explainer(scheme)
        lookup = CodeLookup(scheme)
        for cases in ahead(reader.parts()):
            grouping = group(cases, scheme, lookup=lookup)
            counts.add(grouping)
            counts.unknown_codes.update(lookup.unknown(cases))
            told = _in_chinese if chinese else _as_it_is
            if writer is not None:
                writer.write(told(_with_input(cases, _results(cases, grouping), with_input)))
            if explain_writer is not None:
                explain_writer.write(told(_explained(explainer, cases, grouping)))
            if reject_writer is not None:
                reject_writer.write(told(cases.rejects.lines.select(list(REJECT_COLUMNS))))
            if on_part is not None:
                on_part(reader.counts.read)
        counts.finish(reader.counts)
    return counts


def _check_targets(source: Path, targets: list[Path]) -> None:
    faults = []
    for path in targets:
        check_suffix(path)
        if path.resolve() == source.resolve():
            faults.append(Fault(path.name, "输出会覆盖输入文件", mend="换一个文件名"))
    if len({path.resolve() for path in targets}) != len(targets):
        faults.append(Fault("输出", "几个输出用了同一个文件名", mend="分别命名"))
    if faults:
        raise InputError("输出文件名不能用", faults)


def _as_it_is(table: pa.Table) -> pa.Table:
    return table


def _in_chinese(table: pa.Table) -> pa.Table:
    """The table with Chinese headings, and its codes in words."""
    form = case_format()
    columns, titles = [], []
    for name in table.column_names:
        title = _TITLES.get(name) or form.title(name.removeprefix("input_"))
        titles.append(f"读入_{title}" if title in titles else title)
        column = table[name].combine_chunks()
        if name in _WORDS and pa.types.is_dictionary(column.type):
            words = [_WORDS[name].get(word, word) for word in column.dictionary.to_pylist()]
            column = pa.DictionaryArray.from_arrays(column.indices, pa.array(words, pa.string()))
        columns.append(column)
    return pa.Table.from_arrays(columns, names=titles)


def _results(cases: Cases, grouping: Grouping) -> pa.Table:
    results = grouping.table()
    return pa.Table.from_arrays(
        [cases.case_id, *results.columns], names=["case_id", *results.column_names]
    )


def _with_input(cases: Cases, table: pa.Table, with_input: bool) -> pa.Table:
    if with_input:
        for name, column in _inputs(cases):
            taken = name in table.column_names
            table = table.append_column(f"input_{name}" if taken else name, column)
    return table


def _inputs(cases: Cases) -> Iterator[tuple[str, pa.Array]]:
    """The case columns as they were understood, then those of no known heading."""
    for name in ("sex", "age", "age_days", "birth_weight", "los", "discharge_mode"):
        values = getattr(cases, name)
        yield name, pa.array(values, mask=values < 0)
    for name, offsets, places, book in (
        ("diagnoses", cases.dx_offsets, cases.dx, cases.diagnoses),
        ("procedures", cases.proc_offsets, cases.proc, cases.procedures),
    ):
        codes = pa.array(book.strings, pa.string()).take(pa.array(places))
        lists = pa.LargeListArray.from_arrays(pa.array(offsets), codes)
        yield name, pc.binary_join(lists.cast(pa.list_(pa.string())), "|")
    for name in cases.extra.column_names:
        column = cases.extra[name]
        if pa.types.is_integer(column.type):
            column = pc.multiply(column.cast(pa.decimal128(19, 0)), pa.scalar(Decimal("0.01")))
        yield name, column
    yield from zip(cases.others.column_names, cases.others.columns, strict=True)


def _explained(explainer: Explainer, cases: Cases, grouping: Grouping) -> pa.Table:
    lines = ["\n".join(explainer.lines(cases, grouping, row)) for row in range(cases.n)]
    drg = grouping.table()["drg"]
    return pa.table(
        [cases.case_id, drg, pa.array(lines, pa.string())], names=list(_EXPLAIN_COLUMNS)
    )
