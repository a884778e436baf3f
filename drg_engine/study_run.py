"""The commands ``sweep``, ``breakeven``, ``neutral`` and ``montecarlo``: show, and write a report.

``--out``: .xlsx a workbook with native charts, .html a page with charts, .csv and .parquet the
first table.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from drg_engine.console import show_table, stages
from drg_engine.errors import Fault, InputError
from drg_engine.money import format_fen
from drg_engine.montecarlo import montecarlo
from drg_engine.payment import MISSING_FEN
from drg_engine.scenario import Scenario
from drg_engine.simulation_input import Loaded, load_months
from drg_engine.simulation_run import load_scenarios, write_frame
from drg_engine.studies import breakeven_study, montecarlo_study, neutral_study, sweep_study
from drg_engine.sweep import breakeven, neutral, parse_axis, sweep
from reports.study import Study, write_study_page, write_study_workbook

__all__ = [
    "breakeven_and_show",
    "montecarlo_and_show",
    "neutral_and_show",
    "sweep_and_show",
]

_STAGES = 6
_SHOWN = 12
_SUFFIXES = (".csv", ".xlsx", ".parquet", ".html")
_SWEPT = {
    "paid_fen": "支付",
    "change_fen": "支付增减",
    "surplus_fen": "医保盈亏",
    "low_cases": "低倍率例数",
    "high_cases": "高倍率例数",
}
_TURNS = {
    "drg": "DRG 编码",
    "cases": "例数",
    "mean_charges_fen": "次均费用",
    "ratio": "现倍率",
    "turn_charges_fen": "平衡费用",
    "turn_ratio": "平衡倍率",
    "room": "费用余地",
    "cost_turn_ratio": "成本平衡倍率",
}
_INTERVAL = {
    "value_fen": "现值",
    "low_fen": "下限",
    "high_fen": "上限",
    "loss_share": "小于 0 的比例",
}
_MEASURES = {"base_surplus": "基准医保盈亏", "surplus": "情景医保盈亏", "change": "增减"}


def sweep_and_show(
    folder: Path,
    periods: str,
    texts: Sequence[str],
    scenario: Path | None,
    out: Path | None,
) -> None:
    """Vary one or two parameters over a grid and show what the cases come to."""
    _check(out)
    axes = [parse_axis(text) for text in texts]
    with stages(_STAGES) as begin:
        loaded, scenarios = _loaded(folder, periods, scenario, begin)
        begin("逐点计算")
        found = sweep(loaded.simulation, axes, scenarios[0] if scenarios else None)
        begin("写报表")
        study = sweep_study(loaded, found, axes, scenarios) if out else None
        _write(study, out)
    _show(f"扫描（{len(found):,} 点）", found, {axis.key: axis.key for axis in axes} | _SWEPT, out)
    _told(out, len(found))


def breakeven_and_show(folder: Path, periods: str, scenario: Path | None, out: Path | None) -> None:
    """Show where each DRG turns, under the policy or a scenario over it."""
    _check(out)
    with stages(_STAGES) as begin:
        loaded, scenarios = _loaded(folder, periods, scenario, begin)
        begin("求平衡点")
        simulation = loaded.simulation
        state = simulation.run(scenarios[0]).after if scenarios else simulation.base
        found = breakeven(state)
        found["drg_name"] = found["drg"].map(loaded.names["drg"])
        begin("写报表")
        _write(breakeven_study(loaded, found, scenarios) if out else None, out)
    _show("各病组的平衡点", found, _TURNS, out)
    _told(out, len(found))


def neutral_and_show(folder: Path, periods: str, scenario: Path, out: Path | None) -> None:
    """Show the rates under which a scenario spends what the baseline does."""
    _check(out)
    with stages(_STAGES) as begin:
        loaded, scenarios = _loaded(folder, periods, scenario, begin)
        begin("求持平费率")
        found = neutral(loaded.simulation, scenarios[0])
        begin("写报表")
        _write(neutral_study(loaded, found, scenarios) if out else None, out)
    keys = ("base_price", "base_rw", "rw", "neutral_price", "solved_price")
    rows = [
        (row["insurance"], *(f"{row[key]:,.4f}" for key in keys))
        for row in found.table.to_dict("records")
    ]
    headings = ("险种", "基准费率", "基准 ΣRW", "情景 ΣRW", "公式费率", "实际持平费率")
    show_table(f"持平费率：{scenarios[0].title}", headings, rows)
    words = f"情景费率 × {found.factor:.10g}，支付 {format_fen(found.paid_fen)} 元"
    show_table("各项规则都执行", ("结果",), [(f"{words}，与基准差 {format_fen(found.remaining)}",)])
    _told(out, len(found.table))


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
    _check(out)
    with stages(_STAGES) as begin:
        loaded, scenarios = _loaded(folder, periods, scenario, begin)
        begin("重抽")
        outcome = loaded.simulation.run(scenarios[0])
        drawn = montecarlo(outcome, draws=draws, seed=seed, resettle=resettle)
        whole = drawn.intervals(level)
        whole["measure"] = whole["measure"].map(_MEASURES)
        departments = drawn.department_intervals(level)
        names = departments["department"].map(loaded.names["department"])
        departments["department_name"] = names.fillna(departments["department"])
        begin("写报表")
        settings = {
            "随机种子": str(seed),
            "重抽次数": f"{draws:,}",
            "区间": f"{level:.4g}",
            "每次重新付费": "是" if resettle else "否",
        }
        study = (
            montecarlo_study(loaded, drawn, (whole, departments), scenarios, settings)
            if out
            else None
        )
        _write(study, out)
    title = f"{scenarios[0].title}：重抽 {draws:,} 次，种子 {seed}，{level:.0%} 区间"
    _show(title, whole, {"measure": "项目"} | _INTERVAL, None)
    _show("各科室的增减", departments, {"department_name": "科室"} | _INTERVAL, out)
    _told(out, len(departments))


def _loaded(
    folder: Path, periods: str, scenario: Path | None, begin: Any
) -> tuple[Loaded, list[Scenario]]:
    scenarios = load_scenarios([scenario] if scenario else [])
    return load_months(folder, periods, scenarios, begin), scenarios


def _check(out: Path | None) -> None:
    """Raise InputError where the file's ending isn't one that can be written, before any work."""
    if out is not None and out.suffix.lower() not in _SUFFIXES:
        mend = f"可用 {'、'.join(_SUFFIXES)}"
        raise InputError("不能写成这种文件", [Fault(out.name, "扩展名不对", mend=mend)])


def _write(study: Study | None, out: Path | None) -> None:
    if study is None or out is None:
        return
    suffix = out.suffix.lower()
    if suffix == ".xlsx":
        write_study_workbook(study, out)
    elif suffix == ".html":
        write_study_page(study, out)
    else:
        table = study.tables[0]
        shown = [column for column in table.columns if column.key in table.frame.columns]
        write_frame(out, table.frame, {column.key: column.heading for column in shown})


def _told(out: Path | None, rows: int) -> None:
    if out is not None:
        show_table("结果", ("文件", "行"), [(str(out), rows)])


def _show(title: str, frame: pd.DataFrame, headings: Mapping[str, str], out: Path | None) -> None:
    """Show a table, or its head where it goes to a file too."""
    shown = frame if out is None else frame.head(_SHOWN)
    rows = [tuple(_text(row[key], key) for key in headings) for row in shown.to_dict("records")]
    show_table(title, tuple(headings.values()), rows)


def _text(value: Any, key: str) -> str:
    if value is None or (isinstance(value, float) and pd.isna(value)):
        return ""
    if key.endswith("_fen"):
        return "" if value == MISSING_FEN else format_fen(int(value))
    if isinstance(value, bool):
        return "是" if value else ""
    return f"{value:.4f}" if isinstance(value, float) else str(value)
