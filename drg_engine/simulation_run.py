"""The commands of the policy analyst: run scenarios, write their tables, show what came out."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from drg_engine.console import show_table, stages
from drg_engine.errors import Fault, InputError, PolicyError
from drg_engine.money import format_fen
from drg_engine.montecarlo import montecarlo
from drg_engine.payment import MISSING_FEN
from drg_engine.scenario import STEPS, Scenario, Step, load_scenario, stack
from drg_engine.simulation_input import Loaded, load_months
from drg_engine.simulation_report import simulation_report
from drg_engine.sweep import breakeven, neutral, parse_axis, sweep
from drg_engine.writers import write_table
from reports.simulation import SimulationReport, table_columns, write_simulation_workbook
from reports.simulation_page import write_simulation_page

__all__ = [
    "breakeven_and_show",
    "load_scenarios",
    "montecarlo_and_show",
    "neutral_and_show",
    "simulate_and_show",
    "sweep_and_show",
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
_SHOWN = 12
_SWEPT = {
    "paid_fen": "支付",
    "change_fen": "支付增减",
    "surplus_fen": "医保盈亏",
    "cost_surplus_fen": "成本盈亏",
    "fund_fen": "基金支付",
    "cmi": "CMI",
    "low_cases": "低倍率例数",
    "high_cases": "高倍率例数",
}
_ONLY_IN_FILES = (
    "drg_name",
    "cost_surplus_fen",
    "fund_fen",
    "cmi",
    "cost_turn_charges_fen",
    "cost_room",
    "bound",
    "beyond",
)
_TURNS = {
    "drg": "DRG 编码",
    "drg_name": "病组名称",
    "cases": "例数",
    "mean_charges_fen": "次均费用",
    "ratio": "现倍率",
    "turn_charges_fen": "平衡费用",
    "turn_ratio": "平衡倍率",
    "room": "费用余地",
    "cost_turn_charges_fen": "成本平衡费用",
    "cost_turn_ratio": "成本平衡倍率",
    "cost_room": "成本余地",
    "bound": "高倍率界值",
    "beyond": "平衡点超过界值",
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
        report = simulation_report(loaded, scenarios, order=steps)
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
            _write(out / f"{name}.csv", frame, headings)


def _write(path: Path, frame: pd.DataFrame, headings: dict[str, str]) -> None:
    columns = [_column(frame[key]) for key in headings]
    write_table(path, pa.table(columns, names=list(headings.values())), bom=True)


def _column(column: pd.Series[Any]) -> pa.Array:
    """A column as it is shown: fen as exact yuan, missing as nothing."""
    if str(column.name).endswith("_fen"):
        filled = [None if pd.isna(fen) or fen == MISSING_FEN else int(fen) for fen in column]
        yuan = [None if fen is None else Decimal(fen).scaleb(-2) for fen in filled]
        return pa.array(yuan, pa.decimal128(20, 2))
    if pd.api.types.is_bool_dtype(column.dtype):
        return pa.array(["是" if value else "" for value in column])
    return pa.Array.from_pandas(column)


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
    if told:
        show_table("提示", ("情景", "内容"), told)
    show_table("结果", ("文件",), [(str(out / name),) for name in (_WORKBOOK, _PAGE)])


def sweep_and_show(
    folder: Path,
    periods: str,
    texts: Sequence[str],
    scenario: Path | None,
    out: Path | None,
) -> None:
    """Vary one or two parameters over a grid and show what the cases come to."""
    axes = [parse_axis(text) for text in texts]
    scenarios = load_scenarios([scenario] if scenario else [])
    loaded = load_months(folder, periods, scenarios)
    found = sweep(loaded.simulation, axes, scenarios[0] if scenarios else None)
    _show(f"扫描（{len(found):,} 点）", found, {axis.key: axis.key for axis in axes} | _SWEPT, out)


def breakeven_and_show(folder: Path, periods: str, scenario: Path | None, out: Path | None) -> None:
    """Show where each DRG turns, under the policy or a scenario over it."""
    scenarios = load_scenarios([scenario] if scenario else [])
    loaded = load_months(folder, periods, scenarios)
    simulation = loaded.simulation
    state = simulation.run(scenarios[0]).after if scenarios else simulation.base
    found = breakeven(state)
    found["drg_name"] = found["drg"].map(loaded.names["drg"])
    _show("各病组的平衡点", found, _TURNS, out)


def neutral_and_show(folder: Path, periods: str, scenario: Path) -> None:
    """Show the rates under which a scenario spends what the baseline does."""
    scenarios = load_scenarios([scenario])
    loaded = load_months(folder, periods, scenarios)
    found = neutral(loaded.simulation, scenarios[0])
    rows = [
        (
            row["insurance"],
            f"{row['base_price']:,.4f}",
            f"{row['base_rw']:,.4f}",
            f"{row['rw']:,.4f}",
            f"{row['neutral_price']:,.4f}",
            f"{row['solved_price']:,.4f}",
        )
        for row in found.table.to_dict("records")
    ]
    headings = ("险种", "基准费率", "基准 ΣRW", "情景 ΣRW", "公式费率", "实际持平费率")
    show_table(f"持平费率：{scenarios[0].title}", headings, rows)
    words = f"情景费率 × {found.factor:.10g}，支付 {format_fen(found.paid_fen)} 元"
    show_table("各项规则都执行", ("结果",), [(f"{words}，与基准差 {format_fen(found.remaining)}",)])


def montecarlo_and_show(
    folder: Path,
    periods: str,
    scenario: Path,
    *,
    draws: int,
    seed: int,
    level: float,
    resettle: bool,
    out: Path | None,
) -> None:
    """Draw the cases again and show intervals of the surplus."""
    scenarios = load_scenarios([scenario])
    loaded = load_months(folder, periods, scenarios)
    drawn = montecarlo(
        loaded.simulation.run(scenarios[0]), draws=draws, seed=seed, resettle=resettle
    )
    words = {"base_surplus": "基准医保盈亏", "surplus": "情景医保盈亏", "change": "增减"}
    whole = drawn.intervals(level)
    whole["measure"] = whole["measure"].map(words)
    titles = {
        "value_fen": "现值",
        "low_fen": "下限",
        "high_fen": "上限",
        "loss_share": "小于 0 的比例",
    }
    title = f"{scenarios[0].title}：重抽 {draws:,} 次，种子 {seed}，{level:.0%} 区间"
    _show(title, whole, {"measure": "项目"} | titles, None)
    departments = drawn.department_intervals(level)
    names = departments["department"].map(loaded.names["department"])
    departments["department_name"] = names.fillna(departments["department"])
    _show("各科室的增减", departments, {"department_name": "科室"} | titles, out)


def _show(title: str, frame: pd.DataFrame, headings: dict[str, str], out: Path | None) -> None:
    """Show a table, or its head where it goes to a file too."""
    shown = frame if out is None else frame.head(_SHOWN)
    kept = {key: heading for key, heading in headings.items() if key not in _ONLY_IN_FILES}
    rows = [tuple(_text(row[key], key) for key in kept) for row in shown.to_dict("records")]
    show_table(title, tuple(kept.values()), rows)
    if out is not None:
        if out.suffix.lower() not in (".csv", ".xlsx", ".parquet"):
            mend = "可用 .csv、.xlsx、.parquet"
            raise InputError("不能写成这种文件", [Fault(out.name, "扩展名不对", mend=mend)])
        _write(out, frame, headings)
        show_table("结果", ("文件", "行"), [(str(out), len(frame))])


def _text(value: Any, key: str) -> str:
    if value is None or (isinstance(value, float) and pd.isna(value)):
        return ""
    if key.endswith("_fen"):
        return "" if value == MISSING_FEN else format_fen(int(value))
    if isinstance(value, bool):
        return "是" if value else ""
    return f"{value:.4f}" if isinstance(value, float) else str(value)
