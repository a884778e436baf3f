"""The quadrant chart: CMI against surplus per case, a bubble for the number of cases.

insurance_office.md §1: x is cut at the hospital's mean CMI (or 1), y at 0; four classes, four
colours, their names in the corners.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from openpyxl.chart import BubbleChart
from openpyxl.chart.series_factory import SeriesFactory

from reports import ink
from reports.charts import ChartData
from reports.layout import Quadrant
from reports.style import display_width

__all__ = ["Bubble", "quadrant_chart"]

_PLOT = (0.075, 0.11, 0.90, 0.76)
_POINT_SIZE = 8
# One half-width character and one line of 8-point type, in cm.
_CHARACTER, _LINE = 0.145, 0.36
# The largest bubble against what a spreadsheet would draw, for few and for many.  The unseen
# bubbles in the corners are larger by this, so that the scale holds also in programs that pay no
# heed to bubbleScale.
_FEW, _LARGEST_OF_FEW, _LARGEST_OF_MANY = 60, 0.42, 0.26
_PLACES = ("r", "l", "t", "b")


@dataclass(frozen=True, slots=True)
class Bubble:
    """One department or DRG: CMI or weight, surplus per case in yuan, number of cases, class."""

    name: str
    x: float
    y: float
    size: float
    group: str


@dataclass(frozen=True, slots=True)
class _Box:
    left: float
    bottom: float
    right: float
    top: float

    def meets(self, other: _Box) -> bool:
        return (
            self.left < other.right
            and other.left < self.right
            and self.bottom < other.top
            and other.bottom < self.top
        )


@dataclass(frozen=True, slots=True)
class _Frame:
    """The plot's axes and its size in cm."""

    x: tuple[float, float]
    y: tuple[float, float]
    width: float
    height: float
    largest: float
    scale: float

    def at(self, bubble: Bubble) -> tuple[float, float]:
        """Centre of a bubble in cm from the plot's lower left corner."""
        return (
            (bubble.x - self.x[0]) / (self.x[1] - self.x[0]) * self.width,
            (bubble.y - self.y[0]) / (self.y[1] - self.y[0]) * self.height,
        )

    def radius(self, bubble: Bubble) -> float:
        """A spreadsheet draws the largest bubble a quarter of the plot's shorter side wide."""
        whole = min(self.width, self.height) * 0.25 * self.scale
        return whole / 2 * math.sqrt(bubble.size / self.largest)


def quadrant_chart(
    data: ChartData,
    title: str,
    bubbles: Sequence[Bubble],
    quadrant: Quadrant,
    cut: float,
    *,
    x_title: str,
    size_cm: tuple[float, float] = (29.0, 16.0),
) -> BubbleChart:
    """Draw the chart; labels are left out where they would cover one another."""
    frame = _frame(bubbles, cut, size_cm)
    placed = _placed(bubbles, frame, cut, data.charts.label_limit)
    chart = BubbleChart()
    chart.bubbleScale = 100
    chart.sizeRepresents = "area"
    chart.style = 2
    _add_corners(chart, data, title, quadrant, frame)
    for group, colour in quadrant.colours().items():
        members = [bubble for bubble in bubbles if bubble.group == group]
        if members:
            _add_series(chart, data, f"{title}：{group}", group, members, placed, colour)
    ink.dress(
        chart, title, x_title=x_title, x_format="0.0", y_title="例均盈亏（元）", y_format="#,##0"
    )
    for axis, bounds in ((chart.x_axis, frame.x), (chart.y_axis, frame.y)):
        axis.scaling.min, axis.scaling.max = bounds
        axis.tickLblPos = "low"
        axis.crosses = None
        axis.majorGridlines = None
        axis.spPr = ink.drawn("muted", 1.25)
    chart.x_axis.majorUnit = _step(frame.x, 10)
    chart.y_axis.majorUnit = _step(frame.y, 8)
    # Each axis says where on the other one it stands.
    chart.x_axis.crossesAt = 0
    chart.y_axis.crossesAt = cut
    chart.layout = ink.plot_box(*_PLOT)
    chart.legend = None
    return chart


def _frame(bubbles: Sequence[Bubble], cut: float, size_cm: tuple[float, float]) -> _Frame:
    xs = [bubble.x for bubble in bubbles] + [cut]
    ys = [bubble.y for bubble in bubbles] + [0.0]
    left, right = _bounds(min(xs), max(xs), 10)
    return _Frame(
        # Nobody has a weight below 0.
        x=(max(left, 0.0), right) if min(xs) >= 0 else (left, right),
        y=_bounds(min(ys), max(ys), 8),
        width=size_cm[0] * _PLOT[2],
        height=size_cm[1] * _PLOT[3],
        largest=max((bubble.size for bubble in bubbles), default=1.0) or 1.0,
        scale=_LARGEST_OF_FEW if len(bubbles) <= _FEW else _LARGEST_OF_MANY,
    )


def _step(bounds: tuple[float, float], parts: int) -> float:
    """A round step (1, 2 or 5 times a power of ten) that cuts the range into about ``parts``."""
    raw = max(bounds[1] - bounds[0], 1e-9) / parts
    power = 10.0 ** math.floor(math.log10(raw))
    return next(float(f"{m * power:.6g}") for m in (1, 2, 5, 10) if m * power >= raw * 0.999)


def _bounds(low: float, high: float, parts: int) -> tuple[float, float]:
    """Bounds on round figures, with a margin so that no bubble is cut off."""
    # A single bubble on the cut has a range of none: then the margin is of its own size.
    margin = max((high - low) * 0.07, max(abs(low), abs(high)) * 1e-3, 1e-6)
    step = _step((low - margin, high + margin), parts)
    return (
        float(f"{math.floor((low - margin) / step) * step:.6g}"),
        float(f"{math.ceil((high + margin) / step) * step:.6g}"),
    )


def _placed(bubbles: Sequence[Bubble], frame: _Frame, cut: float, limit: int) -> dict[str, str]:
    """Name to the side where its label stands; who has no free side gets none.

    The bubbles that matter most (surplus per case times cases) choose first.
    """
    order = sorted(bubbles, key=lambda bubble: (-abs(bubble.y * bubble.size), bubble.name))
    x, y = frame.at(Bubble("", cut, 0.0, 0.0, ""))
    cuts = [_Box(x, 0.0, x, frame.height), _Box(0.0, y, frame.width, y)]
    taken: list[_Box] = []
    for bubble in order:
        x, y = frame.at(bubble)
        half = frame.radius(bubble) * 0.7
        taken.append(_Box(x - half, y - half, x + half, y + half))
    sides: dict[str, str] = {}
    for index, bubble in enumerate(order[:limit]):
        others = taken[:index] + taken[index + 1 :]
        # A label on a cut line is worse than one on another side, and better than none.
        for obstacles in (others + cuts, others):
            side = _free_side(bubble, frame, obstacles)
            if side:
                sides[bubble.name] = side
                taken.append(_label_box(bubble, frame, side))
                break
    return sides


def _free_side(bubble: Bubble, frame: _Frame, obstacles: Sequence[_Box]) -> str:
    """The first side where the label meets nothing, or none."""
    for side in _PLACES:
        box = _label_box(bubble, frame, side)
        inside = box.left >= 0 and box.right <= frame.width
        if inside and not any(box.meets(other) for other in obstacles):
            return side
    return ""


def _label_box(bubble: Bubble, frame: _Frame, side: str) -> _Box:
    x, y = frame.at(bubble)
    radius = frame.radius(bubble)
    width = display_width(bubble.name) * _CHARACTER + 0.1
    if side == "r":
        return _Box(x + radius, y - _LINE / 2, x + radius + width, y + _LINE / 2)
    if side == "l":
        return _Box(x - radius - width, y - _LINE / 2, x - radius, y + _LINE / 2)
    bottom = y + radius if side == "t" else y - radius - _LINE
    return _Box(x - width / 2, bottom, x + width / 2, bottom + _LINE)


def _add_series(
    chart: BubbleChart,
    data: ChartData,
    block: str,
    group: str,
    members: Sequence[Bubble],
    placed: dict[str, str],
    colour: str,
) -> None:
    head, last = data.block(
        block,
        ["名称", "横轴", group, "例数"],
        [[bubble.name, bubble.x, bubble.y, int(bubble.size)] for bubble in members],
    )
    series = SeriesFactory(
        data.reference(3, head + 1, last),
        xvalues=data.reference(2, head + 1, last),
        zvalues=data.reference(4, head + 1, last),
    )
    series.tx = ink.name_from(data.sheet, head, 3)
    series.graphicalProperties = ink.filled(colour, alpha=65_000, outline="white")
    series.invertIfNegative = False
    labels = [
        ink.label(index, bubble.name, placed[bubble.name], _POINT_SIZE)
        for index, bubble in enumerate(members)
        if bubble.name in placed
    ]
    series.dLbls = ink.texts(labels)
    chart.series.append(series)


def _add_corners(
    chart: BubbleChart,
    data: ChartData,
    title: str,
    quadrant: Quadrant,
    frame: _Frame,
) -> None:
    """Write each class's name into its corner, by an unseen series."""
    (left, right), (low, high) = frame.x, frame.y
    inset_x, inset_y = (right - left) * 0.035, (high - low) * 0.03
    corners = (
        (quadrant.low_gain, left + inset_x, high - inset_y, "low_gain"),
        (quadrant.high_gain, right - inset_x, high - inset_y, "high_gain"),
        (quadrant.low_loss, left + inset_x, low + inset_y, "low_loss"),
        (quadrant.high_loss, right - inset_x, low + inset_y, "high_loss"),
    )
    size = frame.largest / frame.scale**2
    head, last = data.block(
        f"{title}：四角文字",
        ["名称", "横轴", "纵轴", "大小"],
        [[name, x, y, size] for name, x, y, _ in corners],
    )
    series = SeriesFactory(
        data.reference(3, head + 1, last),
        xvalues=data.reference(2, head + 1, last),
        zvalues=data.reference(4, head + 1, last),
    )
    series.tx = ink.name_from(data.sheet, head, 1)
    series.graphicalProperties = ink.nothing()
    series.dLbls = ink.texts(
        [
            ink.label(index, name, "ctr", 13, bold=True, name=quadrant.colour[key])
            for index, (name, _, _, key) in enumerate(corners)
        ]
    )
    chart.series.append(series)
