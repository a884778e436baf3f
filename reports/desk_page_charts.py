"""The charts of the insurance office's page; its script fills them with rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from reports.layout import Quadrant
from reports.vega import Chart, Drill, ink
from reports.vega_charts import grouped_bars, pareto, quadrant, trend, waterfall
from reports.vega_parts import BAR, PLAIN, SERIES, amounts, names, tips

__all__ = ["desk_charts"]


def desk_charts(
    words: Quadrant, cmi_cut: float, fees: Mapping[str, str], *, months: int, caused: bool
) -> list[Chart]:
    """Every chart of the page, without rows.

    words: names and colours of the classes.  fees: names of the classes of charges.
    months: how many the page is about; one has no trend.  caused: whether there is something to
    compare with.
    """
    colours = words.colours()
    made = [waterfall("causes", "盈亏因何增减", {}, who="原因")] if caused else []
    made += [
        pareto("losses", "亏损病组及累计占比", {}, unit="万元", drill=Drill("drg", "code")),
        quadrant(
            "departments", "科室象限", {}, colours, cmi_cut,
            x_title="CMI", who="科室", drill=Drill("department", "code"),
        ),
        quadrant(
            "drgs", "病组象限", {}, colours, cmi_cut,
            x_title="权重 RW", who="病组", drill=Drill("drg", "code"),
        ),
        _stacked("doctors", "同一病组内各医生的例均费用", [*fees.values(), "未分类"]),
        grouped_bars(
            "fees", "例均各类费用与参考", {}, ["参考", "本期"], unit="元", who="费用类别"
        ),
    ]  # fmt: skip
    if months > 1:
        made += [
            trend("months", "各月总费用、应得支付与盈亏", {}, ["总费用", "应得支付", "盈亏"]),
            trend("months_cmi", "各月 CMI", {}, ["CMI"], unit="CMI"),
        ]
    return [_named(_faded(replace(chart, wide=False))) for chart in made]


def _faded(chart: Chart) -> Chart:
    """Bubbles that aren't chosen step back."""
    if not {"group", "size"} <= dict(chart.columns).keys():
        return chart
    fade = {"condition": {"test": "datum.faded", "value": 0.18}, "value": 0.65}
    layers = [
        layer | {"encoding": layer["encoding"] | {"opacity": fade}}
        if "size" in layer["encoding"]
        else layer
        for layer in chart.spec["layer"]
    ]
    return replace(chart, spec={**chart.spec, "layer": layers})


def _named(chart: Chart) -> Chart:
    """Names of bubbles stand where the page finds room: rows have lx and ly too."""
    if not {"group", "size"} <= dict(chart.columns).keys():
        return chart
    places = {
        axis: {name: word for name, word in chart.spec["encoding"][axis].items() if name != "scale"}
        | {"field": f"l{axis}"}
        for axis in ("x", "y")
    }
    layers = [
        layer
        | {
            "mark": {"type": "text", "baseline": "middle", "aria": False},
            "encoding": layer["encoding"] | places,
        }
        if "text" in layer["encoding"]
        else layer
        for layer in chart.spec["layer"]
    ]
    return replace(chart, spec={**chart.spec, "layer": layers})


def _stacked(name: str, title: str, series: Sequence[str]) -> Chart:
    """What a case costs with each doctor, by class of charges; few cases: faded.

    Rows: label, series, value, place, few, end (their sum) and words at the bar's end.
    """
    columns = [("label", "医生"), ("series", "费用类别"), ("cases", "例数"), ("value", "元／例")]
    told = tips(columns, PLAIN)
    told[2]["format"], told[3]["format"] = ",d", PLAIN
    colours = {
        "domain": list(series),
        "range": [ink(SERIES[(at + 1) % len(SERIES)]) for at in range(len(series))],
    }
    x = amounts("value", "元／例", padding=92)
    fade: dict[str, Any] = {"condition": {"test": "datum.few", "value": 0.4}, "value": 1}
    spec = {
        "width": "container",
        "height": {"step": BAR},
        "encoding": {"y": names()},
        "layer": [
            {
                "mark": {"type": "bar", "height": {"band": 0.72}},
                "encoding": {
                    "x": x | {"stack": "zero"},
                    "color": {"field": "series", "scale": colours, "sort": None},
                    "order": {"field": "place"},
                    "opacity": fade,
                    "tooltip": told,
                },
            },
            {
                "mark": {"type": "text", "align": "left", "dx": 4, "aria": False},
                "encoding": {
                    "x": {"field": "end", "type": "quantitative"},
                    "text": {"field": "words", "type": "nominal"},
                },
            },
        ],
    }
    return Chart(name, title, spec, columns, {}, drill=Drill("doctor", "code"))
