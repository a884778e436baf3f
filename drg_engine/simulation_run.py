"""The commands of the policy analyst: run scenarios, write their tables, show what came out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from drg_engine.console import show_table, stages
from drg_engine.errors import Fault, PolicyError
from drg_engine.money import format_fen
from drg_engine.payment import MISSING_FEN
from drg_engine.scenario import STEPS, Scenario, Step, load_scenario, stack
from drg_engine.simulation_input import Loaded, load_months
from drg_engine.simulation_report import simulation_report
from drg_engine.writers import write_table
from reports.simulation import SimulationReport, table_columns, write_simulation_workbook
from reports.simulation_page import write_simulation_page

__all__ = [
    "load_scenarios",
    "simulate_and_show",
    "write_frame",
    "write_tables",
]

_STAGES = 6
_WORKBOOK = "情景模拟.xlsx"
_PAGE = "情景模拟.html"
_TABLES = {
    "comparison": "对比",
    "changes": "改动",
    "departments": "科室",
    "hospitals": "医院",
    "drgs": "病组",
    "doctors": "医生",
    "kinds": "病例类型",
    "insurances": "险种",
    "migration": "病组迁移",
    "attribution": "归因",
    "attribution_departments": "归因-科室",
    "attribution_drgs": "归因-病组",
}


def load_scenarios(paths: Sequence[Path], *, stacked: bool = False) -> list[Scenario]:
    """Read scenario files, all faults of all files at once; ``stacked`` makes them one."""
    found: list[Scenario] = []
    faults: list[Fault] = []
    for path in paths:
        try:
            found.append(load_scenario(path))
        except PolicyError as error:
            faults.extend(error.faults)
    if faults:
        raise PolicyError("情景文件有误", faults)
    return [stack(found)] if stacked and found else found


def simulate_and_show(
    folder: Path,
    periods: str,
    paths: Sequence[Path],
    out: Path,
    *,
    stacked: bool = False,
    order: str = "",
    unmask: bool = False,
) -> None:
    """Run scenarios over months of a workspace; write the workbook and the tables into ``out``."""
    scenarios = load_scenarios(paths, stacked=stacked)
    steps = _order(order)
    with stages(_STAGES) as begin:
        loaded = load_months(folder, periods, scenarios, begin)
        begin("运行情景")
        report = simulation_report(loaded, scenarios, order=steps, files=paths)
        begin("写报表")
        write_simulation_workbook(report, out / _WORKBOOK, show_case_ids=unmask)
        write_simulation_page(report, out / _PAGE, show_case_ids=unmask)
        write_tables(report, out)
    _show_comparison(loaded, report, out)


def write_tables(report: SimulationReport, out: Path) -> None:
    """The report's tables as CSV for Excel, in the columns and words of the workbook."""
    columns = table_columns()
    for source, name in _TABLES.items():
        frame = report.tables[source]
        if not frame.empty:
            shown = [c for c in columns[source] if c.key in frame.columns]
            headings = {column.key: column.heading for column in shown}
            write_frame(out / f"{name}.csv", frame, headings)


def write_frame(path: Path, frame: pd.DataFrame, headings: Mapping[str, str]) -> None:
    """Write columns of a frame under their headings: fen as exact yuan."""
    columns = [_column(frame[key]) for key in headings]
    write_table(path, pa.table(columns, names=list(headings.values())), bom=True)


def _column(column: pd.Series[Any]) -> pa.Array:
    """A column as it is shown: fen as exact yuan, missing as nothing."""
    if str(column.name).endswith("_fen"):
        return _yuan(column)
    if pd.api.types.is_bool_dtype(column.dtype):
        return pa.array(["是" if value else "" for value in column])
    return pa.Array.from_pandas(column)


def _yuan(column: pd.Series[Any]) -> pa.Array:
    """Fen as decimals with two places, digit for digit."""
    gone = column.isna().to_numpy()
    fen = column.where(~gone, 0).to_numpy(dtype=np.int64)
    gone = gone | (fen == MISSING_FEN)
    words = np.stack([fen, fen >> 63], axis=1)  # a decimal of 128 bits: low word, sign
    valid = pa.array(~gone).buffers()[1]
    return pa.Array.from_buffers(pa.decimal128(20, 2), fen.size, [valid, pa.py_buffer(words)])


def _order(text: str) -> tuple[Step, ...]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    found: list[Step] = [step for name in names for step in STEPS if step == name]
    if len(found) < len(names) or len(set(found)) < len(found):
        mend = f"从 {'、'.join(STEPS)} 中选，不重复，用逗号隔开"
        raise PolicyError("归因的次序有误", [Fault("--order", "读不懂", found=text, mend=mend)])
    return tuple(found)


def _show_comparison(loaded: Loaded, report: SimulationReport, out: Path) -> None:
    rows = [
        (
            row["scenario"],
            format_fen(row["paid_fen"]),
            format_fen(row["change_fen"]),
            format_fen(row["surplus_fen"]),
            f"{row['cmi']:.4f}",
            f"{row['low_cases']:,} / {row['high_cases']:,}",
        )
        for row in report.tables["comparison"].to_dict("records")
    ]
    title = f"{report.hospital} {report.title}（{loaded.simulation.base.columns.n:,} 例）"
    headings = ("情景", "支付（元）", "增减", "医保盈亏", "CMI", "低 / 高倍率")
    show_table(title, headings, rows)
    notes = report.tables["comparison"].get("notes", pd.Series(dtype=object)).fillna("")
    told = [
        (scenario, note)
        for scenario, note in zip(report.tables["comparison"]["scenario"], notes, strict=False)
        if note
    ]
    told += [("（名单）", note) for note in loaded.notices]
    if told:
        show_table("提示", ("情景", "内容"), told)
    show_table("结果", ("文件",), [(str(out / name),) for name in (_WORKBOOK, _PAGE)])
