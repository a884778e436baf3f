"""The workbook's quadrant: bounds that hold every bubble, however close they lie."""

from __future__ import annotations

import pytest
from openpyxl import Workbook

from reports.charts import ChartData
from reports.desk import DESK_LAYOUT
from reports.layout import Layout
from reports.quadrant import Bubble, quadrant_chart
from reports.style import Painter, Style


@pytest.mark.parametrize(
    ("places", "cut"),
    [
        # A department alone stands on its own mean; CMI of many digits.
        ([1.715567826086956], 1.715567826086956),
        ([1.7155678, 1.7155679], 1.71556785),
        ([123456.789], 123456.789),
        ([1e-9], 1e-9),
    ],
)
def test_bubbles_that_lie_close_have_room(places: list[float], cut: float) -> None:
    style = Style.load()
    layout = Layout.load(DESK_LAYOUT, style)
    workbook = Workbook()
    group = next(iter(layout.quadrant.colours()))
    bubbles = [Bubble(f"科{at}", x, -1097.07, 119.0, group) for at, x in enumerate(places)]
    data = ChartData(workbook.create_sheet(), Painter(workbook, style), layout.charts)
    chart = quadrant_chart(data, "象限", bubbles, layout.quadrant, cut, x_title="CMI")
    low, high = chart.x_axis.scaling.min, chart.x_axis.scaling.max
    assert low < min([*places, cut]) <= max([*places, cut]) < high


def test_weights_have_no_place_below_zero() -> None:
    style = Style.load()
    layout = Layout.load(DESK_LAYOUT, style)
    workbook = Workbook()
    group = next(iter(layout.quadrant.colours()))
    bubbles = [Bubble("轻", 0.2, 10.0, 5.0, group), Bubble("重", 33.0, -10.0, 9.0, group)]
    data = ChartData(workbook.create_sheet(), Painter(workbook, style), layout.charts)
    chart = quadrant_chart(data, "象限", bubbles, layout.quadrant, 1.2, x_title="RW")
    assert chart.x_axis.scaling.min == 0
    counts = {cell.value: cell.number_format for cell in data.sheet["D"] if cell.value in (5, 9)}
    assert {form.partition(";")[0] for form in counts.values()} == {"#,##0"}
    assert set(counts) == {5, 9}
