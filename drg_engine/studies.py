"""The analyst's studies as files: their tables with columns, charts, and what they were made from.

Sweep, break-even, neutral rate and resampling each answer one question; the report (a workbook or
a page) shows the answer with its chart.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from drg_engine.montecarlo import Drawn
from drg_engine.payment import MISSING_FEN
from drg_engine.scenario import Scenario
from drg_engine.simulation_input import Loaded
from drg_engine.simulation_report import head_line, made_from
from drg_engine.sweep import Axis, Neutral
from reports.charts import columns, lines, ranges, ranking
from reports.layout import Column, Layout
from reports.simulation import SIMULATION_LAYOUT, months_in_words
from reports.study import NativeChart, Study, StudyTable
from reports.style import Style
from reports.vega import Chart
from reports.vega_charts import bars, grouped_bars, heat_map, intervals, tornado, trend

__all__ = ["breakeven_study", "montecarlo_study", "neutral_study", "sweep_study"]

_WAN_FEN = 1e6
_SWEPT = (
    *("paid_fen", "change_fen", "change_rate", "surplus_fen", "surplus_rate", "cost_surplus_fen"),
    *("fund_fen", "patient_fen", "other_fen", "cmi", "breakeven", "low_cases", "high_cases"),
)
_TURNS = (
    *("drg", "drg_name", "cases", "mean_charges_fen", "ratio", "turn_charges_fen", "turn_ratio"),
    *("room", "cost_turn_charges_fen", "cost_turn_ratio", "cost_room", "bound", "beyond"),
)
_PRICES = ("base_price", "price", "neutral_price", "solved_price")
_INTERVAL = ("value_fen", "mean_fen", "low_fen", "high_fen", "loss_share")
_SERIES = {"change_fen": "支付增减", "surplus_fen": "医保盈亏"}
_MOST = 20
_BINS = 24


def sweep_study(
    loaded: Loaded, found: pd.DataFrame, axes: Sequence[Axis], scenarios: Sequence[Scenario]
) -> Study:
    """A sweep with its line (one parameter) or heat map (two)."""
    by_key = _columns()
    own = [Column(axis.key, axis.key, _axis_format(axis), 16) for axis in axes]
    shown = [*own, *(by_key[key] for key in _SWEPT)]
    table = StudyTable("扫描", "参数扫描", _over(scenarios), shown, found, freeze=len(axes))
    tables, charts, native = [table], [], []
    if len(axes) == 2:
        tables.append(_crossed(found, axes))
        charts.append(_heat(found, axes))
    elif _numeric(axes[0]):
        charts.append(_line(found, axes[0]))
        native.append(_native_line(found, axes[0]))
    else:
        charts.append(_sides(found, axes[0]))
        native.append(_native_sides(found, axes[0]))
    words = "、".join(axis.key for axis in axes)
    return _study(loaded, f"参数扫描：{words}", tables, scenarios, charts, native)


def breakeven_study(loaded: Loaded, found: pd.DataFrame, scenarios: Sequence[Scenario]) -> Study:
    """Where each DRG turns; the chart shows the DRGs with the most charges."""
    by_key = _columns()
    beyond = np.where(found["beyond"], "是", "")
    frame = found.assign(beyond=beyond)
    note = "费用余地：次均费用升多少（降多少），公式盈亏为零；成本余地以成本计。"
    table = StudyTable("平衡点", "各病组的平衡点", note, [by_key[key] for key in _TURNS], frame, 2)
    order = (frame["cases"] * frame["mean_charges_fen"]).sort_values(ascending=False, kind="stable")
    top = frame.loc[order.index].head(_MOST)
    title = f"费用余地：费用最多的 {len(top)} 个病组"
    values = [
        (f"{drg} {str(name)[:12]}", float(room) * 100.0)
        for drg, name, room in zip(top["drg"], top["drg_name"], top["room"], strict=True)
    ]
    rows = [{"label": label, "value": value} for label, value in values]
    charts = [tornado("room", title, {"": rows}, unit="%", who="病组", wide=True)]
    native = [partial(ranking, title=title, rows=values, signs=("余地", "超出"), unit="%")]
    return _study(loaded, "各病组的平衡点", [table], scenarios, charts, native)


def neutral_study(loaded: Loaded, found: Neutral, scenarios: Sequence[Scenario]) -> Study:
    """The rates that spend the same, beside those of now."""
    by_key = _columns()
    keys = ("insurance", "base_rw", "rw", *_PRICES)
    note = (
        f"公式：费率 × ΣRW0 ÷ ΣRW1；实际：各项规则都执行后支付与基准最接近的费率，"
        f"为情景费率 × {found.factor:.10g}，与基准差 {found.remaining / 100:,.2f} 元。"
    )
    table = StudyTable("持平费率", "持平费率", note, [by_key[key] for key in keys], found.table)
    names = [by_key[key].heading for key in _PRICES]
    rows = [
        {"label": row["insurance"], "series": name, "value": row[key]}
        for row in found.table.to_dict("records")
        for key, name in zip(_PRICES, names, strict=True)
    ]
    charts = [grouped_bars("prices", "费率（点值）", {"": rows}, names, unit="元", who="险种")]
    series = [
        (str(row["insurance"]), [float(row[key]) for key in _PRICES])
        for row in found.table.to_dict("records")
    ]
    native = [partial(columns, title="费率（点值）", names=names, rows=series, unit="元")]
    title = f"持平费率：{scenarios[0].title}"
    return _study(loaded, title, [table], scenarios, charts, native)


def montecarlo_study(
    loaded: Loaded,
    drawn: Drawn,
    tables: tuple[pd.DataFrame, pd.DataFrame],
    scenarios: Sequence[Scenario],
    settings: Mapping[str, str],
) -> Study:
    """Intervals of the whole and by department, and how the draws are spread.

    tables: the whole's intervals (measure in words) and those by department (department_name).
    settings: seed, draws, level in words, for what the study was made from.
    """
    by_key = _columns()
    shown = [by_key[key] for key in _INTERVAL]
    whole, departments = tables
    spread = _spread(drawn)
    note = "有放回地重抽病例；" + "，".join(f"{name} {value}" for name, value in settings.items())
    listed = [
        StudyTable("区间", "盈亏的区间", note, [by_key["measure"], *shown], whole),
        StudyTable(
            "科室", "各科室增减的区间", note,
            [by_key["department"], by_key["department_name"], *shown], departments, 2,
        ),
        StudyTable(
            "分布", "重抽的增减怎样分布", note,
            [by_key[key] for key in ("draw_low_fen", "draw_high_fen", "draws")], spread, 0,
        ),
    ]  # fmt: skip
    size = departments["value_fen"].abs().sort_values(ascending=False, kind="stable")
    top = departments.loc[size.index].head(_MOST)
    rows = [_interval(str(row["department_name"]), row) for row in top.to_dict("records")]
    all_rows = [_interval(str(row["measure"]), row) for row in whole.to_dict("records")]
    counts = [
        {"label": f"{low / _WAN_FEN:,.2f}", "value": int(count)}
        for low, count in zip(spread["draw_low_fen"], spread["draws"], strict=True)
    ]
    words = f"{settings['区间']} 区间"
    charts = [
        intervals("whole", "盈亏与增减的区间", {"": all_rows}, who="项目", words=words),
        intervals("departments", "科室增减的区间", {"": rows}, who="科室", words=words),
        bars("spread", "重抽的增减怎样分布（自此数起，万元）", {"": counts}, unit="例", who="自"),
    ]
    native = [
        partial(ranges, title=title, rows=_bounds(entries))
        for title, entries in (("盈亏与增减的区间", all_rows), ("科室增减的区间", rows))
    ]
    title = f"重抽：{scenarios[0].title}"
    return _study(loaded, title, listed, scenarios, charts, native, settings)


def _study(
    loaded: Loaded,
    title: str,
    tables: Sequence[StudyTable],
    scenarios: Sequence[Scenario],
    charts: Sequence[Chart],
    native: Sequence[NativeChart],
    settings: Mapping[str, str] | None = None,
) -> Study:
    more = [("程序", name, value) for name, value in (settings or {"种子": "不用随机数"}).items()]
    return Study(
        title=title,
        hospital=loaded.workspace.hospital.name,
        period=months_in_words(loaded.periods),
        head=head_line(loaded),
        note=_over(scenarios),
        tables=[_telling(table) for table in tables],
        made_from=made_from(loaded, scenarios, more=more),
        stamp=datetime.strptime(loaded.periods[-1], "%Y-%m"),
        charts=charts,
        native=native,
    )


def _telling(table: StudyTable) -> StudyTable:
    """Without the optional columns that say nothing."""
    kept = [
        column
        for column in table.columns
        if not (column.optional and table.frame[column.key].isin([0, MISSING_FEN]).all())
    ]
    return replace(table, columns=kept)


def _over(scenarios: Sequence[Scenario]) -> str:
    told = "、".join(scenario.title for scenario in scenarios)
    return f"金额单位：元。在情景“{told}”之上。" if told else "金额单位：元。在基准政策之上。"


def _columns() -> Mapping[str, Column]:
    return Layout.load(SIMULATION_LAYOUT, Style.load()).columns


def _numeric(axis: Axis) -> bool:
    return all(isinstance(v, int | float) and not isinstance(v, bool) for v in axis.values)


def _axis_format(axis: Axis) -> str:
    return "general" if _numeric(axis) else "text"


def _line(found: pd.DataFrame, axis: Axis) -> Chart:
    rows = [
        {"label": value, "series": words, "value": int(fen) / _WAN_FEN}
        for key, words in _SERIES.items()
        for value, fen in zip(found[axis.key], found[key], strict=True)
    ]
    names = list(_SERIES.values())
    title = f"{axis.key} 取各值时"
    return trend("sweep", title, {"": rows}, names, who=axis.key, numeric=True)


def _native_line(found: pd.DataFrame, axis: Axis) -> NativeChart:
    rows = [
        (f"{value:g}", [int(fen) / 100.0 for fen in amounts])
        for value, *amounts in zip(found[axis.key], *(found[key] for key in _SERIES), strict=True)
    ]
    title = f"{axis.key} 取各值时"
    return partial(lines, title=title, names=list(_SERIES.values()), rows=rows, x_title=axis.key)


def _sides(found: pd.DataFrame, axis: Axis) -> Chart:
    rows = [
        {"label": str(value), "value": int(fen) / _WAN_FEN}
        for value, fen in zip(found[axis.key], found["change_fen"], strict=True)
    ]
    return tornado("sweep", f"{axis.key}：支付增减", {"": rows}, who=axis.key, wide=True)


def _native_sides(found: pd.DataFrame, axis: Axis) -> NativeChart:
    rows = [
        (str(value), int(fen) / 100.0)
        for value, fen in zip(found[axis.key], found["change_fen"], strict=True)
    ]
    return partial(ranking, title=f"{axis.key}：支付增减", rows=rows, signs=("增加", "减少"))


def _heat(found: pd.DataFrame, axes: Sequence[Axis]) -> Chart:
    down, across = (axis.key for axis in axes)
    rows = [
        {"y": one, "x": two, "value": int(fen) / _WAN_FEN}
        for one, two, fen in zip(found[down], found[across], found["change_fen"], strict=True)
    ]
    return heat_map(
        "sweep", "支付增减", {"": rows}, x_title=across, y_title=down, unit="万元", signed=True
    )


def _crossed(found: pd.DataFrame, axes: Sequence[Axis]) -> StudyTable:
    """The change by both parameters, the second one across."""
    down, across = axes
    grid = found["change_fen"].to_numpy().reshape(len(down.values), len(across.values))
    keys = [f"at_{at}_fen" for at in range(len(across.values))]
    frame = pd.DataFrame(grid, columns=keys)
    frame.insert(0, down.key, list(down.values))
    first = Column(down.key, f"{down.key} ＼ {across.key}", _axis_format(down), 26)
    shown = [
        Column(key, f"{value}", "yuan", 16, visual="scale")
        for key, value in zip(keys, across.values, strict=True)
    ]
    title = "支付增减"
    note = f"金额单位：元。纵：{down.key}；横：{across.key}。"
    return StudyTable("支付增减", title, note, [first, *shown], frame)


def _spread(drawn: Drawn) -> pd.DataFrame:
    """How often the change of a draw falls between bounds: draw_low_fen, draw_high_fen, draws."""
    counts, edges = np.histogram(drawn.sums[:, 2], bins=_BINS)
    bounds = np.rint(edges).astype(np.int64)
    return pd.DataFrame({"draw_low_fen": bounds[:-1], "draw_high_fen": bounds[1:], "draws": counts})


def _interval(label: str, row: Mapping[Any, Any]) -> dict[str, Any]:
    parts = (("low", "low_fen"), ("value", "value_fen"), ("high", "high_fen"))
    return {"label": label} | {name: int(row[key]) / _WAN_FEN for name, key in parts}


def _bounds(rows: Sequence[Mapping[str, Any]]) -> list[tuple[str, float, float, float]]:
    """Name, low, value and high in yuan, for a native chart."""
    return [
        (str(row["label"]), row["low"] * 1e4, row["value"] * 1e4, row["high"] * 1e4) for row in rows
    ]
