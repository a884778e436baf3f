"""Workspaces for the tests of the ledger: one with a small month, one whose runs are made up."""

from __future__ import annotations

import datetime as dt
import io
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from drg_engine.ledger import Ledger, open_ledger
from drg_engine.ledger_recording import Recorded, recording
from drg_engine.ledger_states import Signature
from drg_engine.workspace import open_workspace

SMALL = Path(__file__).parent / "data" / "allocation" / "small"
PERIOD = "2026-10"
SETTINGS = """[hospital]
name = "测试医院"
level = 3
[run]
scheme = "chs_drg_1_1"
policy = "harbin_2024"
"""
CASES = (
    "病案号,性别,年龄,主要诊断编码,主要手术编码,住院天数,出院日期,"
    "出院科室,主治医生,险种,总费用,成本\n"
    "A1,女,56,K80.100,51.2300,6,{month}-03,D101,100002,310,15000.00,14000.00\n"
    "A2,男,61,I63.900,,9,{month}-09,D201,100005,390,9000.50,8000.00\n"
)
WANG = Signature("王会计", "w@one", "2026-11-02T09:00:00+08:00")
LI = Signature("李复核", "l@two", "2026-11-02T10:00:00+08:00")
ZHANG = Signature("张主任", "z@three", "2026-11-03T08:30:00+08:00")


def clock() -> dt.datetime:
    """A clock that stands still."""
    return dt.datetime(2026, 11, 2, 1, 0, tzinfo=dt.UTC)


def make_small(folder: Path, *periods: str) -> Path:
    """The small hospital of the allocation's tests as a workspace; its months are alike."""
    folder.mkdir(parents=True)
    (folder / "hospital.toml").write_text(f'{SETTINGS}plan = "plan.toml"\n', encoding="utf-8")
    shutil.copy(SMALL / "plan.toml", folder / "plan.toml")
    shutil.copytree(SMALL / "tables", folder / "tables")
    for period in periods or (PERIOD,):
        inputs = folder / "inputs" / period
        shutil.copytree(SMALL / "inputs", inputs)
        charges = inputs / "charges.csv"
        text = charges.read_text(encoding="utf-8-sig").replace(PERIOD, period)
        charges.write_text(text, encoding="utf-8-sig")
        (inputs / "cases.csv").write_text(CASES.format(month=period), encoding="utf-8-sig")
    return folder


def make_bare(folder: Path, more: str = "") -> Path:
    """A workspace that is only opened; its runs are made up by :func:`record`."""
    folder.mkdir(parents=True)
    (folder / "hospital.toml").write_text(SETTINGS + more, encoding="utf-8")
    return folder


def book(folder: Path, url: str | None = None) -> Ledger:
    return open_ledger(open_workspace(folder), url, create=True)


def finding(rule: int, severity: str, subject: str = "发放总额") -> dict[str, Any]:
    return {
        "rule": rule, "severity": severity, "subject": subject, "message": "说明",
        "source": "allocation.md §7", "rows": 0, "amount_fen": 100,
    }  # fmt: skip


def parquet(rows: Sequence[Mapping[str, Any]]) -> bytes:
    stream = io.BytesIO()
    pq.write_table(pa.Table.from_pylist([dict(row) for row in rows]), stream)
    return stream.getvalue()


def record(
    ledger: Ledger,
    *,
    period: str = PERIOD,
    text: str = "甲",
    signature: Signature = WANG,
    findings: Sequence[Mapping[str, Any]] = (),
    adjustments: Sequence[Mapping[str, Any]] = (),
    name: str | None = None,
) -> Recorded:
    """Record a made-up run whose one result is ``text``."""
    run_id = name or f"{period}-{text.encode().hex():0<12.12}"
    with recording(ledger, period, signature, clock) as held:
        out = held.folder(run_id)
        (out / "结果.csv").write_text(f"工号,绩效\n100001,{text}\n", encoding="utf-8")
        (out / "运行记录.json").write_text(f'{{"run": "{run_id}"}}\n', encoding="utf-8")
        content = {"findings": list(findings), "adjustments": list(adjustments)}
        people = [{"staff_id": "100001", "name": "甲一", "department": "D101",
                   "series": "doctor", "total_fen": 100_00}]  # fmt: skip
        return held.record(run_id, out, content, {"people": parquet(people)})


def shown(folder: Path, period: str = PERIOD) -> str:
    """What the visible result says."""
    return (folder / "out" / period / "结果.csv").read_text(encoding="utf-8").split(",")[-1].strip()


def closed(ledger: Ledger, period: str = PERIOD) -> None:
    """Check, approve and lock a month."""
    for name in ("check", "approve", "lock"):
        ledger.move(period, name, ZHANG, clock=clock)
