"""``drg-engine settle``: a year of cases from files to files, and what is shown of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from drg_engine.ahead import behind
from drg_engine.console import counted_rows, show_table
from drg_engine.door import REJECT_COLUMNS
from drg_engine.money import format_fen
from drg_engine.payment import KIND_TITLES
from drg_engine.payment_fund import split_fund
from drg_engine.policy import Policy
from drg_engine.policy_set import load_policies
from drg_engine.settle_files import CaseSource
from drg_engine.settle_output import case_table, described, shown_table
from drg_engine.settle_stream import Prepared, SettledPart, outside_days, prepare, settle_batches
from drg_engine.settle_totals import RegionTotals
from drg_engine.settle_writing import check_out, open_case_writer
from drg_engine.writers import check_suffix, open_writer, write_table

if TYPE_CHECKING:
    from drg_engine.scenario import Scenario

__all__ = ["SettleCounts", "settle_and_show", "settle_files"]

_TABLES = {
    "total": "合计",
    "hospitals": "医院",
    "departments": "科室",
    "doctors": "医生",
    "drgs": "病组",
    "insurances": "险种",
    "kinds": "病例类型",
}
_REJECTS = "拒收.csv"
_ABOUT = "结算说明.csv"
_COLUMNS = "字段说明.csv"
_REJECT_TITLES = ("文件", "行", "病案号", "列", "读到", "原因")


@dataclass
class SettleCounts:
    """What became of the rows; ``read == settled + rejected``."""

    read: int = 0
    settled: int = 0
    rejected: int = 0
    noticed: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    notices: dict[str, None] = field(default_factory=dict)
    outside: Counter[str] = field(default_factory=Counter)
    policies: tuple[Policy, ...] = ()

    @property
    def adds_up(self) -> bool:
        """Whether every row read is accounted for, and every case settled has its kind."""
        return self.read == self.settled + self.rejected and self.settled == self.kinds.total()

    def add(self, part: SettledPart) -> None:
        """Count a part."""
        settlement = part.settlement
        self.settled += settlement.n
        self.notices |= dict.fromkeys(settlement.notices)
        found = np.bincount(settlement.kind, minlength=len(KIND_TITLES)).tolist()
        self.kinds.update(dict(zip(KIND_TITLES, found, strict=True)))

    def rows(self) -> list[tuple[str, str]]:
        """The account of the run: item and content."""
        sign = "=" if self.adds_up else "≠"
        account = f"读入 {self.read:,} {sign} 结算 {self.settled:,} + 拒收 {self.rejected:,}"
        rows = [("病例", account)]
        rows += [(kind, f"{count:,} 例") for kind, count in self.kinds.items() if count]
        if self.noticed:
            rows.append(("按未知处理的值", f"{self.noticed:,} 处"))
        for policy in self.policies:
            rows.append(("政策", f"{policy.words()}，{policy.file}，指纹 {policy.hash[:16]}"))
        for name, count in self.outside.items():
            words = f"{count:,} 例的日期不在政策有效期内，仍按此政策结算：{name}"
            rows.append(("提示", words))
        rows += [("提示", words) for words in self.notices]
        return rows


def settle_files(
    source: CaseSource,
    policies: Sequence[Policy],
    out: Path,
    *,
    tables: Path | None = None,
    with_cases: bool = True,
    overwrite: bool = False,
    tell: Callable[[str, int], None] = lambda _, __: None,
) -> tuple[SettleCounts, RegionTotals, Prepared]:
    """Settle a source and write the cases and the tables.

    out: a folder (``cases/`` partitioned as the input, and the tables), or a file by its suffix,
    whose tables go to the folder ``tables`` (by default ``<name>_汇总`` beside it).
    Raises InputError or PolicyError; then no case file stands under its name.
    """
    if out.suffix:
        check_suffix(out)
    if with_cases:
        check_out(out, overwrite=overwrite)
    folder = tables or (out.with_name(f"{out.stem}_汇总") if out.suffix else out)
    counts, totals = SettleCounts(), RegionTotals()
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(TemporaryDirectory(prefix="drg-engine-")))
        prepared = prepare(source, policies, scratch / "stays", tell)
        write = None
        if with_cases:
            writer = stack.enter_context(open_case_writer(out))
            write = stack.enter_context(behind(writer.write))
        rejects = stack.enter_context(open_writer(folder / _REJECTS, bom=True))
        rejects.write(_rejected(pa.table({name: [] for name in REJECT_COLUMNS})))
        for batch, parts in settle_batches(source, prepared, tell):
            if batch.rejects.row_count:
                rejects.write(_rejected(batch.rejects.lines))
            written = []
            for part in parts:
                counts.add(part)
                counts.outside.update(_outside(part, policies))
                fund = split_fund(part.settlement)
                totals.add(part.settlement, fund)
                if write is not None:
                    written.append(case_table(part.settlement, fund))
            if write is not None and batch.columns.n:
                write(_in_order(written, parts), source.files[batch.file].place)
    counts.read, counts.rejected = source.read, source.rejected
    counts.noticed, counts.policies = source.notices, prepared.policies
    if source.drgs.scheme is None:
        counts.notices["没有给出分组方案，政策里的病组编码未与方案核对"] = None
    _write_tables(folder, counts, totals)
    return counts, totals, prepared


def settle_and_show(
    paths: Sequence[Path],
    policies: Sequence[str],
    out: Path,
    *,
    scheme: str | None = None,
    clinical_codes: bool = False,
    mapping: Path | None = None,
    sheet: str | None = None,
    tables: Path | None = None,
    scenarios: Sequence[Path] = (),
    with_cases: bool = True,
    overwrite: bool = False,
) -> None:
    """The command: load what is named, settle, run the scenarios, show what came out."""
    from grouper_tables import load_scheme

    loaded = load_policies(policies)
    listed: Sequence[Scenario] = ()
    asked: Sequence[Policy] = loaded
    if scenarios:
        from drg_engine.scenario_files import compare_and_show, load_listed
        from drg_engine.scenario_states import with_changed

        listed = load_listed(scenarios, loaded)
        asked = with_changed(loaded, listed)
    options = {"clinical_codes": True} if clinical_codes else {}
    known = None if scheme is None else load_scheme(scheme, options=options)
    source = CaseSource(paths, scheme=known, policies=asked, mapping=mapping, sheet=sheet)
    with counted_rows("结算") as tell:
        counts, totals, _ = settle_files(
            source, loaded, out, tables=tables, with_cases=with_cases, overwrite=overwrite,
            tell=lambda stage, rows: tell(rows),
        )  # fmt: skip
    folder = tables or (out.with_name(f"{out.stem}_汇总") if out.suffix else out)
    _show(counts, totals, out, folder)
    if listed:
        compare_and_show(source, loaded, listed, folder)


def _in_order(tables: Sequence[pa.Table], parts: Sequence[SettledPart]) -> pa.Table:
    """The cases of a batch in the order of its rows."""
    if len(tables) == 1:
        return tables[0]
    rows = np.concatenate([part.rows for part in parts])
    whole = pa.concat_tables(tables).unify_dictionaries().combine_chunks()
    return whole.take(pa.array(np.argsort(rows, kind="stable")))


def _outside(part: SettledPart, policies: Sequence[Policy]) -> dict[str, int]:
    if len(policies) > 1:
        return {}
    found = outside_days(part.settlement.cases, part.settlement.policy)
    return {part.settlement.policy.title: found} if found else {}


def _rejected(lines: pa.Table) -> pa.Table:
    kinds = [pa.int64() if name == "row" else pa.string() for name in REJECT_COLUMNS]
    columns = [lines[name].cast(kind) for name, kind in zip(REJECT_COLUMNS, kinds, strict=True)]
    return pa.table(columns, names=list(_REJECT_TITLES))


def _write_tables(folder: Path, counts: SettleCounts, totals: RegionTotals) -> None:
    for name, frame in totals.tables().items():
        write_table(folder / f"{_TABLES[name]}.csv", shown_table(frame), bom=True)
    rows = counts.rows()
    about = {"项目": [row[0] for row in rows], "内容": [row[1] for row in rows]}
    write_table(folder / _ABOUT, pa.table(about), bom=True)
    write_table(folder / _COLUMNS, described(), bom=True)


def _show(counts: SettleCounts, totals: RegionTotals, out: Path, folder: Path) -> None:
    held = totals.tables().get("total")
    rows: list[tuple[str, str]] = counts.rows()
    if held is not None and len(held):
        row = held.iloc[0]
        words = {"charges_fen": "总费用", "paid_fen": "支付", "surplus_fen": "医保盈亏"}
        if int(row["fund_cases"]):  # else no case states what its split takes
            words |= {"fund_fen": "基金支付", "patient_fen": "个人负担"}
        rows += [(f"{title}（元）", format_fen(int(row[key]))) for key, title in words.items()]
    show_table("结算", ("项目", "内容"), rows)
    show_table("结果", ("文件",), [(str(path),) for path in dict.fromkeys((out, folder))])
