"""What ``drg-engine compare`` shows and writes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from drg_engine.compare import PERSON_CAUSES, UNIT_CAUSES, Comparison, RunTables, compare_runs
from drg_engine.compare_paid import planned_against_paid, planned_by_department, read_paid
from drg_engine.console import say, show_table
from drg_engine.errors import Fault, InputError, LedgerError
from drg_engine.ledger import Ledger, StoredRun, open_ledger
from drg_engine.ledger_adjustments import run_tables
from drg_engine.money import format_fen
from drg_engine.workspace import open_workspace
from drg_engine.writers import check_suffix, write_table

__all__ = ["compare_and_show", "tables_of_run"]

_SHEETS: Mapping[str, str] = {
    "series": "系列",
    "units": "科室",
    "people": "人员",
    "paid": "应发与实发",
    "paid_departments": "应发与实发（科室）",
}
_SERIES: Mapping[str, str] = {
    "doctor": "医生",
    "technician": "医技",
    "nurse": "护理",
    "administration": "行政",
}


def tables_of_run(ledger: Ledger, run: StoredRun) -> RunTables:
    """What a recorded run is compared by.  Raises LedgerError for a run without allocation."""
    held = run_tables(ledger, run)
    if "people" not in held:
        fault = Fault(run.run_id, "这次运行没有做分配", mend="在 hospital.toml 写明 plan 后重跑")
        raise LedgerError("没有可比较的分配", [fault])
    corrections = pd.DataFrame(run.content.get("adjustments", []))
    return RunTables(str(run), held["units"], held["people"], held["series"], corrections)


def compare_and_show(
    folder: Path,
    first: str,
    second: str | None,
    paid: Path | None,
    out: Path | None,
    limit: int,
    url: str | None,
) -> None:
    """Compare two runs, or a run with what was paid; print the largest changes, write them all."""
    if (second is None) == (paid is None):
        mend = "compare 文件夹 运行 运行，或 compare 文件夹 运行 --paid 实发名单"
        raise InputError("与什么比较", [Fault("compare", "给出第二个运行，或 --paid", mend=mend)])
    if out is not None:
        check_suffix(out)
    workspace = open_workspace(folder)
    with open_ledger(workspace, url) as book:
        old = tables_of_run(book, book.run(first))
        new = None if second is None else tables_of_run(book, book.run(second))
    if new is not None:
        compared = compare_runs(old, new)
        tables = _show_runs(compared, limit)
        title = f"{compared.old} → {compared.new}"
    else:
        tables = _show_paid(old, Path(str(paid)), limit)
        title = f"{old.label} 与 {Path(str(paid)).name}"
    if out is not None:
        for path in _write(out, workspace.hospital.name, title, tables):
            say(str(path))


def _show_runs(compared: Comparison, limit: int) -> dict[str, pd.DataFrame]:
    say(f"原：{compared.old}　新：{compared.new}")
    rows = [
        (
            row["label"], format_fen(row["old_fen"]), format_fen(row["new_fen"]),
            format_fen(row["difference_fen"]), f"{row['weight_old']:,.4f}",
            f"{row['weight_new']:,.4f}", f"{row['value_old']:.8f}", f"{row['value_new']:.8f}",
        )
        for row in compared.series.to_dict("records")
    ]  # fmt: skip
    headings = ("系列", "原奖金池", "新奖金池", "差额", "原点数", "新点数", "原点值", "新点值")
    show_table("各系列", headings, rows)
    units, people = compared.units, compared.people
    _show_changes(
        "科室", ("科室", "系列"), [
            (f"{row['department']} {row['department_name']}".strip(),
             _SERIES.get(row["series"], row["series"]), row)
            for row in _largest(units, limit)
        ], units,
    )  # fmt: skip
    _show_changes(
        "人员", ("工号", "姓名"),
        [(row["staff_id"], row["name"], row) for row in _largest(people, limit)], people,
    )  # fmt: skip
    about = [
        ("原", compared.old),
        ("新", compared.new),
        ("科室各因", " → ".join(UNIT_CAUSES.values())),
        ("人员各因", " → ".join(PERSON_CAUSES.values())),
        ("算法", "各因依次计：前因已变、后因未变；逐步舍入到分，各因之和恰为差额。"),
    ]
    return {
        "about": pd.DataFrame(about, columns=["section", "content"]),
        "series": compared.series,
        "units": compared.units,
        "people": compared.people,
    }


def _largest(frame: pd.DataFrame, limit: int) -> list[dict[Any, Any]]:
    """Rows that changed, the largest first; all where the limit is 0."""
    changed = frame[frame["difference_fen"] != 0]
    order = changed["difference_fen"].abs().sort_values(ascending=False, kind="stable").index
    return changed.loc[order[: limit or None]].to_dict("records")


def _show_changes(
    what: str,
    headings: tuple[str, str],
    rows: list[tuple[str, str, dict[Any, Any]]],
    whole: pd.DataFrame,
) -> None:
    shown = [
        (
            one,
            two,
            *(format_fen(row[f"{n}_fen"]) for n in ("old", "new", "difference")),
            row["words"],
        )
        for one, two, row in rows
    ]
    sums = [format_fen(int(whole[f"{n}_fen"].sum())) for n in ("old", "new", "difference")]
    changed = int((whole["difference_fen"] != 0).sum())
    shown.append(("合计", f"{changed:,} / {len(whole):,} 有变", *sums, ""))
    show_table(
        f"{what}（差额最大的 {len(rows):,} 个）", (*headings, "原", "新", "差额", "为什么"), shown
    )


def _show_paid(planned: RunTables, paid: Path, limit: int) -> dict[str, pd.DataFrame]:
    table = planned_against_paid(planned.people, read_paid(paid))
    departments = planned_by_department(table)
    rows = [*_largest(table.iloc[:-1], limit), table.iloc[-1].to_dict()]
    shown = [
        (
            row["staff_id"], row["name"], row["department"], format_fen(row["planned_fen"]),
            format_fen(row["paid_fen"]), format_fen(row["difference_fen"]),
            "" if pd.isna(row["ratio"]) else f"{row['ratio']:.4%}", row["note"],
        )
        for row in rows
    ]  # fmt: skip
    headings = ("工号", "姓名", "科室", "应发", "实发", "差额", "应发 ÷ 实发", "说明")
    show_table(f"应发与实发：{planned.label} 与 {paid.name}", headings, shown)
    about = [("应发", planned.label), ("实发", paid.name), ("差额", "应发 − 实发"),
             ("比率", "应发 ÷ 实发；实发为 0 时空着")]  # fmt: skip
    return {
        "about": pd.DataFrame(about, columns=["section", "content"]),
        "paid": table,
        "paid_departments": departments,
    }


def _write(out: Path, hospital: str, title: str, tables: Mapping[str, pd.DataFrame]) -> list[Path]:
    """One workbook, or a file for each table beside the name given; returns what was written."""
    if out.suffix.lower() == ".xlsx":
        from reports.compare import write_compare_workbook

        write_compare_workbook(hospital, title, tables, out)
        return [out]
    written = []
    for name, frame in tables.items():
        if name in _SHEETS:
            path = out.with_name(f"{out.stem}-{_SHEETS[name]}{out.suffix}")
            write_table(path, _in_yuan(frame), bom=True)
            written.append(path)
    return written


def _in_yuan(frame: pd.DataFrame) -> pa.Table:
    """The table under the workbook's headings, amounts as exact yuan."""
    from reports.compare import COMPARE_LAYOUT
    from reports.layout import Layout
    from reports.style import Style

    known = Layout.load(COMPARE_LAYOUT, Style.load()).columns
    names, columns = [], []
    for key in frame.columns:
        if str(key) not in known:
            continue
        column = frame[key]
        if str(key).endswith("_fen"):
            columns.append(_yuan(column))
        else:
            columns.append(pa.Array.from_pandas(column))
        names.append(known[str(key)].heading)
    return pa.table(columns, names=names)


def _yuan(column: pd.Series[Any]) -> pa.Array:
    from decimal import Decimal

    return pa.array([Decimal(int(fen)).scaleb(-2) for fen in column], pa.decimal128(18, 2))
