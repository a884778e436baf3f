"""A simulation as one page of HTML that needs nothing but a browser, on line or off.

The charts are SVG drawn here, so that no script and no library has to be carried along.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from drg_engine.files import written_aside
from reports.charts import Step
from reports.layout import Column, Layout
from reports.simulation import (
    SIMULATION_LAYOUT,
    SimulationReport,
    attribution_steps,
    prepared_tables,
)
from reports.style import Format, Style
from reports.values import as_cells

__all__ = ["write_simulation_page"]

_TEMPLATE = "simulation.html.j2"
_MOST_ROWS = 60
_MOST_CHARTS = 12
_WIDTH, _HEIGHT, _BAR = 620.0, 300.0, 24.0
_LABELS, _FIGURES = 190.0, 90.0


@dataclass(frozen=True, slots=True)
class _Bar:
    """One bar of a chart, in pixels; ``sign`` is its class: gain, loss or whole."""

    label: str
    figure: str
    x: float
    y: float
    width: float
    height: float
    sign: str


@dataclass(frozen=True, slots=True)
class _Chart:
    title: str
    bars: list[_Bar]
    zero: float
    width: float
    height: float
    upright: bool


@dataclass(frozen=True, slots=True)
class _Table:
    title: str
    note: str
    headings: list[tuple[str, bool]]
    rows: list[list[tuple[str, str]]]


def write_simulation_page(
    report: SimulationReport, path: Path, *, show_case_ids: bool = False
) -> None:
    """Write the page at ``path``; the same report gives the same bytes.

    Long tables show the rows that change most; the workbook has them all.  Case ids are masked
    unless ``show_case_ids``.  The file is written aside and renamed.
    """
    style = Style.load()
    layout = Layout.load(SIMULATION_LAYOUT, style)
    tables = prepared_tables(report, show_case_ids=show_case_ids)
    names = [str(name) for name in tables["comparison"]["scenario"].tolist()]
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).with_name("templates")),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    text = environment.get_template(_TEMPLATE).render(
        title=f"{report.hospital}　{report.title}　{layout.summary.title}",
        note=layout.summary.note,
        colour=style.colour,
        font=style.font,
        charts=_charts(tables, layout, names),
        tables=_tables(tables, layout, style),
    )
    with written_aside(path) as aside:
        aside.write_bytes(text.encode("utf-8"))


def _charts(
    tables: Mapping[str, pd.DataFrame], layout: Layout, names: Sequence[str]
) -> list[_Chart]:
    made = []
    comparison = tables["comparison"]
    if len(names) > 2:
        made.append(_tornado("各情景的支付增减", comparison.iloc[1:], "scenario", layout))
    for name in names[1 : 1 + _MOST_CHARTS]:
        steps = attribution_steps(tables, layout, name)
        if steps:
            made.append(_waterfall(f"增减归因：{name}", steps))
        for source, key, title in (
            ("departments", "department_name", "科室"),
            ("drgs", "drg", "病组"),
        ):
            frame = tables[source]
            rows = frame[(frame["scenario"] == name) & (frame["change_fen"] != 0)]
            if len(rows):
                made.append(_tornado(f"{title}支付增减：{name}", rows, key, layout))
    return made


def _tornado(title: str, frame: pd.DataFrame, key: str, layout: Layout) -> _Chart:
    """Horizontal bars around zero, the largest change on top, in ten thousand yuan."""
    order = frame.assign(_size=frame["change_fen"].abs())
    top = order.sort_values(["_size", key], ascending=[False, True], kind="stable")
    top = top.head(layout.charts.ranking_bars)
    values = [int(fen) / 1e6 for fen in top["change_fen"]]
    low, high = min(0.0, *values), max(0.0, *values)
    unit = (_WIDTH - _LABELS - _FIGURES) / ((high - low) or 1.0)
    zero = _LABELS - low * unit
    bars = [
        _Bar(
            label=str(name),
            figure=f"{value:+,.2f}",
            x=round(zero + min(value, 0.0) * unit, 1),
            y=at * _BAR,
            width=round(max(abs(value) * unit, 0.5), 1),
            height=_BAR - 6,
            sign="gain" if value >= 0 else "loss",
        )
        for at, (name, value) in enumerate(zip(top[key], values, strict=True))
    ]
    return _Chart(title, bars, round(zero, 1), _WIDTH, len(bars) * _BAR, upright=False)


def _waterfall(title: str, steps: Sequence[Step]) -> _Chart:
    """Upright bars, each beginning where the one before ended; the whole stands on zero."""
    spans, level = [], 0.0
    for step in steps:
        start = 0.0 if step.whole else level
        level = step.value if step.whole else level + step.value
        spans.append((min(start, level), max(start, level)))
    low, high = min(0.0, *(a for a, _ in spans)), max(0.0, *(b for _, b in spans))
    room = _HEIGHT - 60
    unit = room / ((high - low) or 1.0)
    slot = _WIDTH / len(steps)
    bars = [
        _Bar(
            label=step.label,
            figure=f"{step.value / 1e4:+,.2f}",
            x=round(at * slot + slot * 0.2, 1),
            y=round(20 + (high - top) * unit, 1),
            width=round(slot * 0.6, 1),
            height=round(max((top - bottom) * unit, 0.5), 1),
            sign="whole" if step.whole else "gain" if step.value >= 0 else "loss",
        )
        for at, (step, (bottom, top)) in enumerate(zip(steps, spans, strict=True))
    ]
    return _Chart(title, bars, round(20 + high * unit, 1), _WIDTH, _HEIGHT, upright=True)


def _tables(tables: Mapping[str, pd.DataFrame], layout: Layout, style: Style) -> list[_Table]:
    made = []
    for sheet in layout.sheets:
        for table in sheet.tables:
            frame = tables[table.source]
            if frame.empty:
                continue
            shown = frame
            note = sheet.note.replace("{masking}", "")
            if len(frame) > _MOST_ROWS:
                if "change_fen" in frame.columns:
                    order = np.argsort(-frame["change_fen"].abs().to_numpy(), kind="stable")
                    shown = frame.iloc[np.sort(order[:_MOST_ROWS])]
                shown = shown.head(_MOST_ROWS)
                note += f"共 {len(frame):,} 行，此处列增减最大的 {len(shown)} 行，全部见工作簿。"
            columns = [c for c in table.columns if c.key in frame.columns]
            title = f"{sheet.title}：{table.title}" if table.title else sheet.title
            made.append(_table(title, note, columns, shown, layout, style))
    return made


def _table(
    title: str, note: str, columns: list[Column], frame: pd.DataFrame, layout: Layout, style: Style
) -> _Table:
    cells: list[list[tuple[str, str]]] = []
    for column in columns:
        shown = style.formats[column.format]
        names = layout.values.get(column.values, {})
        cells.append([_cell(value, shown) for value in as_cells(frame[column.key], shown, names)])
    headings = [(c.heading, style.formats[c.format].kind != "text") for c in columns]
    return _Table(title, note, headings, [list(row) for row in zip(*cells, strict=True)])


def _cell(value: Any, shown: Format) -> tuple[str, str]:
    """Text of a cell and its class."""
    if value is None:
        return "", ""
    if shown.kind == "text":
        return str(value), ""
    if shown.code.startswith("0.00%"):
        text = f"{value:.2%}"
    else:
        decimals = shown.code.partition(";")[0].partition(".")[2]
        text = f"{value:,.{len(decimals)}f}"
    return text, "n loss" if value < 0 else "n"
