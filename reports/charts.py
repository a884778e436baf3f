"""Native charts: quadrant of bubbles, Pareto of losses, waterfall, ranking.

Every chart draws from cells of the data sheet, so it stays right when a table is sorted or
filtered, and whoever doubts a chart can read its figures.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from openpyxl.chart import BarChart, LineChart, Reference
from openpyxl.chart.marker import DataPoint, Marker
from openpyxl.chart.series import Series
from openpyxl.chart.series_factory import SeriesFactory
from openpyxl.worksheet.worksheet import Worksheet

from reports import ink
from reports.grid import put
from reports.layout import Charts
from reports.style import Painter

__all__ = ["ChartData", "Step", "columns", "lines", "pareto", "ranges", "ranking", "waterfall"]

_FIRST_ROW = 4
_SIDE_BY_SIDE = ("grey", "blue", "primary", "amber")
_ALONG = ("blue", "primary", "amber", "gain", "loss", "grey")


@dataclass(frozen=True, slots=True)
class Step:
    """One bar of a waterfall, in yuan; a ``whole`` bar stands on zero."""

    label: str
    value: float
    whole: bool = False


class ChartData:
    """Writes the figures of the charts, block under block, into one sheet."""

    def __init__(self, sheet: Worksheet, painter: Painter, charts: Charts) -> None:
        self.sheet = sheet
        self.charts = charts
        self.painter = painter
        self.row = _FIRST_ROW

    def block(
        self, title: str, headings: Sequence[str], rows: Sequence[Sequence[Any]]
    ) -> tuple[int, int]:
        """Write a block; returns the row of its headings and its last row.

        Whole numbers (``int``) are counts and shown without decimals.
        """
        look = self.painter.look
        put(self.sheet, self.row, 1, title, look(bold=True, ink="primary"))
        head = self.row + 1
        for index, heading in enumerate(headings, start=1):
            put(self.sheet, head, index, heading, look(bold=True, fill="total", align="center"))
        text, number, count = look(), look("decimal4"), look("int")
        for offset, row in enumerate(rows, start=1):
            for index, value in enumerate(row, start=1):
                whole = count if isinstance(value, int) else number
                shown = text if isinstance(value, str) else whole
                put(self.sheet, head + offset, index, value, shown)
        last = head + len(rows)
        self.row = last + 2
        return head, last

    def reference(self, column: int, first: int, last: int) -> Reference:
        """Cells of one column of the data sheet."""
        return Reference(self.sheet, min_col=column, min_row=first, max_row=last)


def _bar_series(data: ChartData, column: int, head: int, last: int, colour: str) -> Series:
    series: Series = SeriesFactory(data.reference(column, head + 1, last), title_from_data=False)
    series.tx = ink.name_from(data.sheet, head, column)
    series.graphicalProperties = ink.filled(colour)
    series.invertIfNegative = False
    return series


def waterfall(data: ChartData, title: str, steps: Sequence[Step]) -> BarChart:
    """How a total comes about, in ten thousand yuan, from stacked bars.

    Three stacked parts make each bar: an invisible one up to where the bar begins, and the bar's
    parts above and below zero (only a bar that crosses zero has both).
    """
    rows: list[list[Any]] = []
    colours, level = [], 0.0
    for step in steps:
        low, high = sorted(
            (0.0 if step.whole else level, step.value + (0 if step.whole else level))
        )
        level = step.value if step.whole else level + step.value
        tenths = [part / 1e4 for part in (*_parts(low, high), high, step.value)]
        rows.append([step.label, *tenths])
        rising = "gain" if step.value >= 0 else "loss"
        colours.append("primary" if step.whole else rising)
    head, last = data.block(
        f"{title}（万元）", ["项目", "垫底", "零以上", "零以下", "顶端", "数值"], rows
    )
    chart = _stacked(data, head, last, colours)
    chart += _value_labels(data, head, last, [float(row[5]) for row in rows])
    chart.legend = None
    ink.dress(chart, title, y_title="万元", y_format="#,##0")
    chart.x_axis.tickLblPos = "low"
    return chart


def _parts(low: float, high: float) -> tuple[float, float, float]:
    """A bar from low to high as unseen base, part above zero, part below."""
    base = max(low, 0.0) + min(high, 0.0)
    return base, max(high, 0.0) - max(low, 0.0), min(low, 0.0) - min(high, 0.0)


def _stacked(data: ChartData, head: int, last: int, colours: Sequence[str]) -> BarChart:
    """Bars from the three parts in columns 2 to 4, each in its colour."""
    chart = BarChart()
    chart.type, chart.grouping, chart.overlap, chart.gapWidth = "col", "stacked", 100, 45
    for column in (2, 3, 4):
        series = _bar_series(data, column, head, last, "primary")
        if column == 2:
            series.graphicalProperties = ink.nothing()
        else:
            series.dPt = [_point(index, colour) for index, colour in enumerate(colours)]
        chart.series.append(series)
    chart.set_categories(data.reference(1, head + 1, last))
    return chart


def _value_labels(data: ChartData, head: int, last: int, values: Sequence[float]) -> LineChart:
    """An unseen line over the bars that carries their values."""
    line = LineChart()
    series = _bar_series(data, 5, head, last, "grey")
    series.graphicalProperties = ink.nothing()
    series.marker = Marker(symbol="none")
    series.smooth = False
    series.dLbls = ink.texts(
        [ink.label(index, f"{value:,.2f}", "t", size=9) for index, value in enumerate(values)]
    )
    line.series.append(series)
    return line


def _point(index: int, colour: str) -> DataPoint:
    point = DataPoint(idx=index, invertIfNegative=False)
    point.graphicalProperties = ink.filled(colour)
    return point


def pareto(data: ChartData, title: str, rows: Sequence[tuple[str, float, float]]) -> BarChart:
    """Losses in falling order as bars (ten thousand yuan) and their running share as a line.

    rows: label, loss in yuan (positive), running share of all losses.
    """
    head, last = data.block(
        f"{title}（亏损为万元）",
        ["病组", "亏损", "累计占比"],
        [[label, loss / 1e4, share] for label, loss, share in rows],
    )
    bars = BarChart()
    bars.type, bars.gapWidth = "col", 40
    bars.series.append(_bar_series(data, 2, head, last, "loss"))
    bars.set_categories(data.reference(1, head + 1, last))
    line = LineChart()
    running = _bar_series(data, 3, head, last, "amber")
    running.graphicalProperties = ink.drawn("amber", 2.25)
    running.marker = ink.marker("amber")
    running.smooth = False
    line.series.append(running)
    line.y_axis.axId = 200
    line.y_axis.crosses = "max"
    line.y_axis.scaling.min, line.y_axis.scaling.max = 0.0, 1.0
    ink.dress_axis(line.y_axis, "累计占全部亏损", "0%")
    line.y_axis.majorGridlines = None
    bars += line
    bars.legend = ink.legend("t")
    ink.dress(bars, title, y_title="亏损（万元）", y_format="#,##0")
    return bars


def columns(
    data: ChartData,
    title: str,
    names: Sequence[str],
    rows: Sequence[tuple[str, Sequence[float]]],
    unit: str = "万元",
) -> BarChart:
    """Several amounts side by side for each row, in ten thousand yuan (or in yuan)."""
    divisor = 1e4 if unit == "万元" else 1.0
    head, last = data.block(
        f"{title}（{unit}）",
        ["名称", *names],
        [[label, *(amount / divisor for amount in amounts)] for label, amounts in rows],
    )
    chart = BarChart()
    chart.type, chart.grouping, chart.gapWidth, chart.overlap = "col", "clustered", 60, -5
    for index, _ in enumerate(names):
        colour = _SIDE_BY_SIDE[index % len(_SIDE_BY_SIDE)]
        chart.series.append(_bar_series(data, index + 2, head, last, colour))
    chart.set_categories(data.reference(1, head + 1, last))
    chart.legend = ink.legend("t")
    ink.dress(chart, title, y_title=unit, y_format="#,##0")
    return chart


def lines(
    data: ChartData,
    title: str,
    names: Sequence[str],
    rows: Sequence[tuple[str, Sequence[float]]],
    *,
    x_title: str = "",
) -> LineChart:
    """Several amounts along a row of values or periods, in ten thousand yuan."""
    head, last = data.block(
        f"{title}（万元）",
        ["名称", *names],
        [[label, *(amount / 1e4 for amount in amounts)] for label, amounts in rows],
    )
    chart = LineChart()
    for index, _ in enumerate(names):
        colour = _ALONG[index % len(_ALONG)]
        series = _bar_series(data, index + 2, head, last, colour)
        series.graphicalProperties = ink.drawn(colour, 2.25)
        series.marker = ink.marker(colour)
        series.smooth = False
        chart.series.append(series)
    chart.set_categories(data.reference(1, head + 1, last))
    chart.legend = ink.legend("t")
    ink.dress(chart, title, x_title=x_title, y_title="万元", y_format="#,##0.00")
    chart.x_axis.tickLblPos = "low"
    return chart


def ranges(
    data: ChartData, title: str, rows: Sequence[tuple[str, float, float, float]]
) -> BarChart:
    """Values with their intervals, in ten thousand yuan; rows: name, low, value, high in yuan.

    Bars from low to high in the parts of a waterfall, points on an unseen line over them.
    """
    figures = [
        [name, *(part / 1e4 for part in (*_parts(low, high), value, low, high))]
        for name, low, value, high in rows
    ]
    head, last = data.block(
        f"{title}（万元）",
        ["名称", "垫底", "零以上", "零以下", "现值", "下限", "上限"],
        figures,
    )
    chart = _stacked(data, head, last, ["blue"] * len(rows))
    line = LineChart()
    series = _bar_series(data, 5, head, last, "primary")
    series.graphicalProperties = ink.nothing()
    series.marker = ink.marker("amber")
    series.smooth = False
    line.series.append(series)
    chart += line
    chart.gapWidth = 180
    chart.legend = None
    ink.dress(chart, title, y_title="万元", y_format="#,##0.00")
    chart.x_axis.tickLblPos = "low"
    chart.x_axis.txPr = ink.default_text(8)
    return chart


def ranking(
    data: ChartData,
    title: str,
    rows: Sequence[tuple[str, float]],
    signs: tuple[str, str] = ("盈余", "亏损"),
    unit: str = "万元",
) -> BarChart:
    """Gains and losses by name as horizontal bars, ten thousand yuan; the first row is on top.

    signs: what is above and below 0 is called.  unit: another one, for values shown as they are.
    """
    divisor = 1e4 if unit == "万元" else 1.0
    head, last = data.block(
        f"{title}（{unit}）",
        ["名称", *signs],
        [[name, max(value, 0.0) / divisor, min(value, 0.0) / divisor] for name, value in rows],
    )
    chart = BarChart()
    chart.type, chart.grouping, chart.overlap, chart.gapWidth = "bar", "clustered", 100, 35
    chart.series.append(_bar_series(data, 2, head, last, "gain"))
    chart.series.append(_bar_series(data, 3, head, last, "loss"))
    chart.set_categories(data.reference(1, head + 1, last))
    chart.legend = None
    ink.dress(chart, title, y_title=unit, y_format="#,##0")
    chart.x_axis.scaling.orientation = "maxMin"
    chart.x_axis.tickLblPos = "low"
    chart.x_axis.tickLblSkip = 1
    chart.x_axis.txPr = ink.default_text(8)
    chart.y_axis.crosses = "max"
    return chart
