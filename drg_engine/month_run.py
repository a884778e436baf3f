"""Running a month: compute it, write and record its run, show what came out."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa

from drg_engine import __version__
from drg_engine.console import say, show_table, stages
from drg_engine.ledger_adjustments import Adjustments, adjustment_rows, read_adjustments
from drg_engine.ledger_states import STATE_WORDS, Signature, sign
from drg_engine.money import format_fen
from drg_engine.month import Month, compute_month
from drg_engine.month_tables import (
    exceptions_by_kind,
    month_exceptions,
    month_report,
    settled_cases,
)
from drg_engine.run_identity import input_stamps, refuse_changed, run_id, run_identity
from drg_engine.workspace import open_workspace, refuse_used
from drg_engine.writers import write_table
from performance import Allocation
from reports import write_month_workbook

if TYPE_CHECKING:
    from drg_engine.ledger import Ledger
    from drg_engine.ledger_recording import Recorded, Recording

__all__ = ["Ran", "demo_and_show", "record_month", "run_and_show", "run_month"]

_STAGES = 8
_RENEW_AFTER = 60.0
_KINDS_SHOWN = 6
_REJECT_HEADINGS = ("文件", "行", "病案号", "列", "读到", "原因")
_PAY_HEADINGS = {
    "staff_id": "工号",
    "name": "姓名",
    "department": "科室编码",
    "performance_fen": "绩效",
    "single_fen": "单项奖惩",
    "total_fen": "合计",
}
_ADJUSTMENT_HEADINGS = {
    "for_period": "原月份",
    "run_id": "原运行",
    "department": "科室编码",
    "staff_id": "工号",
    "reason": "事由",
    "before_fen": "更正前",
    "amount_fen": "更正",
    "after_fen": "更正后",
}


@dataclass(frozen=True)
class Ran:
    """A month as computed, the run that the ledger recorded of it, and what to look at again."""

    month: Month
    recorded: Recorded
    notes: tuple[str, ...] = ()


def run_month(
    folder: Path, period: str, *, unmask: bool = False, begin: Callable[[str], None] | None = None
) -> Month:
    """Compute a month, record its run and show it in ``out/period``, all of it or nothing.

    unmask: show whole case ids in the workbook.  begin: told each stage as it begins.  The same
    inputs give the same bytes.  Raises the DrgEngineError of whatever is wrong.
    """
    return record_month(folder, period, unmask=unmask, begin=begin).month


def record_month(
    folder: Path,
    period: str,
    *,
    unmask: bool = False,
    begin: Callable[[str], None] | None = None,
    signature: Signature | None = None,
    ledger: str | None = None,
) -> Ran:
    """As :func:`run_month`, telling the run too.

    signature: who and when, taken from the account and the clock where None.  ledger: the address
    of its database instead of the workspace's.  Raises LedgerError where the month is locked.
    """
    tell = begin or (lambda _: None)
    workspace = open_workspace(folder)
    workspace.inputs(period)  # a month that is not there leaves no trace in the ledger
    tell("打开账本")
    from drg_engine.ledger import open_ledger
    from drg_engine.ledger_recording import recording

    with (
        open_ledger(workspace, ledger, create=True) as book,
        recording(book, period, signature or sign()) as held,
    ):
        stamps = input_stamps(workspace, period)
        adjustments = read_adjustments(book, period)

        def stage(name: str) -> None:
            held.renew(after=_RENEW_AFTER)
            tell(name)

        month = compute_month(workspace, period, stage, adjustments)
        identity = run_identity(month, {"unmask": unmask})
        refuse_changed(month, stamps)
        recorded = _record_run(month, held, stage, adjustments, identity, unmask=unmask)
        return Ran(month, recorded, _notes(book, month))


def _notes(book: Ledger, month: Month) -> tuple[str, ...]:
    from drg_engine.month_notes import input_notes

    notes = input_notes(month)
    if month.allocation is not None:
        from drg_engine.head_fund_notes import head_fund_notes

        notes += head_fund_notes(book, month.period, month.allocation.head_funds)
    return tuple(notes)


def _record_run(
    month: Month,
    held: Recording,
    begin: Callable[[str], None],
    adjustments: Adjustments | None,
    identity: dict[str, Any],
    *,
    unmask: bool,
) -> Recorded:
    name = run_id(identity)
    out = held.folder(name)
    begin("写报表")
    write_month_workbook(
        month_report(month), out / f"月报-{month.period}.xlsx", show_case_ids=unmask
    )
    begin("写明细")
    _write_tables(month, out, month.period)
    record = {**_record(month), "run": name}
    text = json.dumps(record, ensure_ascii=False, indent=2, sort_keys=True)
    (out / "运行记录.json").write_text(text + "\n", encoding="utf-8")
    content = {
        "identity": identity,
        "totals": record["fen"],
        "findings": _findings(month),
        "adjustments": adjustment_rows(adjustments),
    }
    return held.record(name, out, content, _kept_tables(month))


def _findings(month: Month) -> list[dict[str, Any]]:
    """Compliance findings as they are kept with the run."""
    if month.allocation is None:
        return []
    return [
        {str(key): value if isinstance(value, int) else str(value) for key, value in row.items()}
        for row in month.allocation.findings.to_dict("records")
    ]


def _kept_tables(month: Month) -> dict[str, bytes]:
    """What later runs are compared with: units, people and series, as Parquet."""
    if month.allocation is None:
        return {}
    import pyarrow.parquet as pq

    allocation, kept = month.allocation, {}
    for name, frame in (
        ("units", allocation.department_pools),
        ("people", allocation.staff_pay),
        ("series", allocation.series_totals),
        ("head_funds", allocation.head_funds),
    ):
        table = pa.Table.from_pandas(frame, preserve_index=False).replace_schema_metadata(None)
        stream = io.BytesIO()
        pq.write_table(table, stream, compression="zstd")
        kept[name] = stream.getvalue()
    return kept


def _write_tables(month: Month, out: Path, period: str) -> None:
    """Rejected rows and pay as CSV for Excel and the payroll; the cases as Parquet for later runs.

    The Parquet file holds whole case ids: it is the hospital's own data, not a report.
    """
    rejects = pa.concat_tables(_reject_lines(month)).rename_columns(list(_REJECT_HEADINGS))
    write_table(out / f"拒收-{period}.csv", rejects, bom=True)
    cases = pa.Table.from_pandas(settled_cases(month), preserve_index=False)
    write_table(out / f"病例-{period}.parquet", cases.replace_schema_metadata(None))
    if month.allocation is not None:
        pay = month.allocation.staff_pay
        columns = [_column(pay[name]) for name in _PAY_HEADINGS]
        table = pa.table(columns, names=list(_PAY_HEADINGS.values()))
        write_table(out / f"人员发放-{period}.csv", table, bom=True)
    if month.adjustments is not None and len(month.adjustments):
        columns = [_column(month.adjustments[name]) for name in _ADJUSTMENT_HEADINGS]
        table = pa.table(columns, names=list(_ADJUSTMENT_HEADINGS.values()))
        write_table(out / f"更正-{period}.csv", table, bom=True)


def _reject_lines(month: Month) -> list[pa.Table]:
    """Lines told of rejected cases, then of charge lines set aside, in one schema."""
    cases = month.cases.rejects.lines
    if month.inputs is None or not len(month.inputs.lines.rejects):
        return [cases]
    lines = month.inputs.lines
    frame = lines.rejects.rename(columns={"found": "value"}).assign(file=lines.file, case_id="")
    columns = [pa.array(frame[name].tolist(), cases.schema.field(name).type)
               for name in cases.schema.names]  # fmt: skip
    return [cases, pa.table(columns, schema=cases.schema)]


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
        "policies": [
            {"name": policy.name, "hash": policy.hash, "from": str(policy.span()[0])}
            for policy in month.policies
        ],
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


def run_and_show(
    folder: Path,
    period: str,
    *,
    unmask: bool = False,
    ledger: str | None = None,
    actor: str | None = None,
) -> None:
    """Run a month with a progress display, then print its summary."""
    signature = sign(actor)
    with stages(_STAGES) as begin:
        ran = record_month(
            folder, period, unmask=unmask, begin=begin, signature=signature, ledger=ledger
        )
    _summary(ran)


def demo_and_show(folder: Path, period: str, seed: int) -> None:
    """Make the demonstration hospital in a new folder, run its month and print the summary."""
    from drg_engine.demo import write_demo_hospital

    refuse_used(folder)
    with stages(_STAGES + 1) as begin:
        begin("生成示范医院（全部虚构）")
        write_demo_hospital(folder, seed=seed, period=period)
        ran = record_month(folder, period, begin=begin)
    _summary(ran)


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
    people = ("发放人数", f"{len(allocation.person_pay):,}")
    return [*((name, format_fen(fen)) for name, fen in rows), people]


def _fund_rows(month: Month) -> list[tuple[str, str]]:
    """Who pays what in sum, where the cases tell what patients pay."""
    if month.dated is None or "personal_pay" not in month.settlement.cases.amounts:
        return []
    totals = month.dated.fund_sums()
    titles = {"fund": "基金支付（元）", "patient": "个人负担（元）", "other": "其他基金（元）"}
    rows = [(title, format_fen(totals[name])) for name, title in titles.items()]
    lacking = month.settlement.n - totals["cases"]
    return [*rows, *([("算不出基金支付的病例", f"{lacking:,}")] if lacking else [])]


def _summary(ran: Ran) -> None:
    month, recorded = ran.month, ran.recorded
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
        *_fund_rows(month),
    ]
    if len(month.policies) > 1 and month.dated is not None:
        rows += [
            ("支付政策", f"{words}，{count:,} 例") for words, _, count in month.dated.policy_rows()
        ]
    if month.allocation is not None:
        rows += _pay_rows(month.allocation)
    title = f"{month.workspace.hospital.name} {month.period}"
    show_table(title, ("项目", "结果"), rows)
    again = "，与前次相同" if recorded.repeated else ""
    state = " → ".join(dict.fromkeys(STATE_WORDS[name] for name in recorded.state))
    say(f"运行 {recorded.run_id}（第 {recorded.number} 次{again}），{state}")
    say(f"账本回执 {recorded.receipt.count}:{recorded.receipt.hash[:16]}")
    for note in ran.notes:
        say(f"提示：{note}")
    for warning in month.warnings.get("message", ()):
        say(f"请核对：{warning}")
    _say_exceptions(month)
    out = month.workspace.folder / "out" / month.period
    show_table("结果文件", (str(out),), [(path.name,) for path in sorted(out.iterdir())])


def _say_exceptions(month: Month) -> None:
    kinds = exceptions_by_kind(month_exceptions(month))
    if kinds:
        shown = "、".join(f"{kind} {count:,}" for kind, count in kinds[:_KINDS_SHOWN])
        more = " …" if len(kinds) > _KINDS_SHOWN else ""
        total = sum(count for _, count in kinds)
        say(f"异常 {total:,} 行（{shown}{more}），见异常表")
