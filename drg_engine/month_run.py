"""Running a month: compute it, write its output folder, show what came out."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from drg_engine import __version__
from drg_engine.console import show_table, stages
from drg_engine.money import format_fen
from drg_engine.month import Month, compute_month
from drg_engine.month_tables import month_report, settled_cases
from drg_engine.workspace import open_workspace, refuse_used
from drg_engine.writers import write_table
from performance import Allocation
from reports import write_month_workbook

__all__ = ["demo_and_show", "run_and_show", "run_month"]

_STAGES = 7
_REJECT_HEADINGS = ("文件", "行", "病案号", "列", "读到", "原因")
_PAY_HEADINGS = {
    "staff_id": "工号",
    "name": "姓名",
    "department": "科室编码",
    "performance_fen": "绩效",
    "single_fen": "单项奖惩",
    "total_fen": "合计",
}


def run_month(
    folder: Path, period: str, *, unmask: bool = False, begin: Callable[[str], None] | None = None
) -> Month:
    """Compute a month and put its output in ``out/period``, all of it or nothing.

    unmask: show whole case ids in the workbook.  begin: told each stage as it begins.  The same
    inputs give the same bytes.  Raises the DrgEngineError of whatever is wrong.
    """
    tell = begin or (lambda _: None)
    workspace = open_workspace(folder)
    month = compute_month(workspace, period, tell)
    tell("写报表")
    report = month_report(month)
    with workspace.output(period) as out:
        write_month_workbook(report, out / f"月报-{period}.xlsx", show_case_ids=unmask)
        tell("写明细")
        _write_tables(month, out, period)
        text = json.dumps(_record(month), ensure_ascii=False, indent=2, sort_keys=True)
        (out / "运行记录.json").write_text(text + "\n", encoding="utf-8")
    return month


def _write_tables(month: Month, out: Path, period: str) -> None:
    """Rejected rows and pay as CSV for Excel and the payroll; the cases as Parquet for later runs.

    The Parquet file holds whole case ids: it is the hospital's own data, not a report.
    """
    rejects = month.cases.rejects.lines.rename_columns(list(_REJECT_HEADINGS))
    write_table(out / f"拒收-{period}.csv", rejects, bom=True)
    cases = pa.Table.from_pandas(settled_cases(month), preserve_index=False)
    write_table(out / f"病例-{period}.parquet", cases.replace_schema_metadata(None))
    if month.allocation is not None:
        pay = month.allocation.staff_pay
        columns = [_column(pay[name]) for name in _PAY_HEADINGS]
        table = pa.table(columns, names=list(_PAY_HEADINGS.values()))
        write_table(out / f"人员发放-{period}.csv", table, bom=True)


def _column(column: pd.Series[Any]) -> pa.Array:
    """A column as it is shown: fen as exact yuan."""
    if not str(column.name).endswith("_fen"):
        return pa.array(column.astype(str))
    return pa.array([Decimal(int(fen)).scaleb(-2) for fen in column], pa.decimal128(18, 2))


def _record(month: Month) -> dict[str, Any]:
    """What was run and what came out, for scripts and for repeating it."""
    hospital = month.rollups["hospital"].iloc[0]
    record: dict[str, Any] = {
        "version": __version__,
        "period": month.period,
        "scheme": {"name": month.scheme.name, "hash": month.scheme.tables_hash},
        "policy": {"name": month.policy.name, "hash": month.policy.hash},
        "cases": {
            "read": month.counts.read,
            "rejected": month.counts.rejected,
            **month.grouping.counts(),
        },
        "fen": {
            name: int(hospital[f"{name}_fen"])
            for name in ("charges", "standard", "paid", "formula", "adjustment", "surplus")
        },
    }
    if month.allocation is not None and month.plan is not None:
        record["plan"] = {"file": month.plan.file, "hash": month.plan.hash}
        record["fen"]["staff_pay"] = month.allocation.paid_fen
        record["fen"]["pools"] = int(month.allocation.series_totals["pool_fen"].sum())
    return record


def run_and_show(folder: Path, period: str, *, unmask: bool = False) -> None:
    """Run a month with a progress display, then print its summary."""
    with stages(_STAGES) as begin:
        month = run_month(folder, period, unmask=unmask, begin=begin)
    _summary(month)


def demo_and_show(folder: Path, period: str, seed: int) -> None:
    """Make the demonstration hospital in a new folder, run its month and print the summary."""
    from drg_engine.demo import write_demo_hospital

    refuse_used(folder)
    with stages(_STAGES + 1) as begin:
        begin("生成演示医院（全部虚构）")
        write_demo_hospital(folder, seed=seed, period=period)
        month = run_month(folder, period, begin=begin)
    _summary(month)


def _pay_rows(allocation: Allocation) -> list[tuple[str, str]]:
    """What was approved and where it went; the parts sum to the whole."""
    totals = allocation.series_totals
    parts = {
        "发放到人（元）": allocation.paid_fen,
        "预留（元）": int(totals["reserve_fen"].sum()),
        "质量扣减留存（元）": int(totals["withheld_fen"].sum()),
    }
    approved = int(totals["approved_fen"].sum())
    rest = approved - sum(parts.values())
    if rest:
        parts["科主任基金与待查（元）"] = rest
    rows = [("批准的奖金（元）", approved), *parts.items()]
    people = ("发放人数", f"{len(allocation.staff_pay):,}")
    return [*((name, format_fen(fen)) for name, fen in rows), people]


def _summary(month: Month) -> None:
    hospital = month.rollups["hospital"].iloc[0]
    counts = month.grouping.counts()
    rows: list[tuple[str, str]] = [
        ("读入病例", f"{month.counts.read:,}（拒收 {month.counts.rejected:,}）"),
        ("入组", f"{counts['grouped']:,}（{hospital['grouping_rate']:.2%}）"),
        (
            "歧义 / 未入组 / 不能分组",
            f"{counts['ambiguous']:,} / {counts['ungrouped']:,} / {counts['invalid']:,}",
        ),
        ("DRG 组数", f"{int(hospital['drg_count']):,}"),
        ("CMI", f"{hospital['cmi']:.4f}"),
        ("总费用（元）", format_fen(int(hospital["charges_fen"]))),
        ("医保支付（元）", format_fen(int(hospital["paid_fen"]))),
        ("医保盈亏（元）", format_fen(int(hospital["surplus_fen"]))),
        ("成本盈亏（元）", format_fen(int(hospital["cost_surplus_fen"]))),
    ]
    if month.allocation is not None:
        rows += _pay_rows(month.allocation)
    title = f"{month.workspace.hospital.name} {month.period}"
    show_table(title, ("项目", "结果"), rows)
    out = month.workspace.folder / "out" / month.period
    show_table("结果文件", (str(out),), [(path.name,) for path in sorted(out.iterdir())])
