"""The charts of pages as Vega-Lite: each function takes rows and gives a Chart.

Amounts are ten thousand yuan (fen / 1e6), as the axes say.  Bars lie on their side: Chinese names
stay readable, on a phone too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isnan
from typing import Any

from reports.vega import Chart, Drill, ink
from reports.vega_parts import (
    BAR,
    PLAIN,
    SERIES,
    SIGNED,
    WAN,
    Rows,
    amounts,
    end_labels,
    gain_or_loss,
    names,
    tips,
    waterfall_rows,
)

__all__ = [
    "bars",
    "grouped_bars",
    "heat_map",
    "intervals",
    "pareto",
    "quadrant",
    "tornado",
    "trend",
    "waterfall",
    "waterfall_rows",
]


def tornado(
    name: str,
    title: str,
    rows: Rows,
    *,
    unit: str = WAN,
    who: str = "名称",
    drill: Drill | None = None,
    more: Sequence[tuple[str, str]] = (),
    wide: bool = False,
) -> Chart:
    """Changes to both sides of zero; rows: label, value, and ``more`` for the tooltip."""
    columns = [("label", who), *more, ("value", unit)]
    spec = {
        "width": "container",
        "height": {"step": BAR},
        "encoding": {"y": names(), "x": amounts("value", unit, padding=62)},
        "layer": [
            {
                "mark": {"type": "bar", "cornerRadius": 2, "height": {"band": 0.72}},
                "encoding": {"color": gain_or_loss(), "tooltip": tips(columns, SIGNED)},
            },
            {"mark": {"type": "rule", "aria": False}, "encoding": {"x": {"datum": 0}, "y": None}},
            *end_labels(SIGNED),
        ],
    }
    return Chart(name, title, spec, columns, rows, wide=wide, drill=drill)


def bars(
    name: str,
    title: str,
    rows: Rows,
    *,
    unit: str = WAN,
    who: str = "名称",
    colour: str = "blue",
    drill: Drill | None = None,
) -> Chart:
    """Amounts by name; rows: label, value."""
    columns = [("label", who), ("value", unit)]
    form = ",d" if unit == "例" else PLAIN
    spec = {
        "width": "container",
        "height": {"step": BAR},
        "encoding": {"y": names(), "x": amounts("value", unit, padding=62)},
        "layer": [
            {
                "mark": {"type": "bar", "cornerRadius": 2, "height": {"band": 0.72}},
                "encoding": {"color": {"value": ink(colour)}, "tooltip": tips(columns, form)},
            },
            *end_labels(form),
        ],
    }
    return Chart(name, title, spec, columns, rows, drill=drill)


def waterfall(name: str, title: str, rows: Rows, *, unit: str = WAN, who: str = "部分") -> Chart:
    """How a total comes about, from top to bottom; rows: waterfall_rows."""
    columns = [("label", who), ("value", unit)]
    spec = {
        "width": "container",
        "height": {"step": BAR + 4},
        "transform": [
            {"calculate": "max(datum.start, datum.end)", "as": "right"},
            {"calculate": "min(datum.start, datum.end)", "as": "left"},
        ],
        "encoding": {"y": names()},
        "layer": [
            {
                "mark": {"type": "bar", "cornerRadius": 2, "height": {"band": 0.7}},
                "encoding": {
                    "x": amounts("start", unit, padding=62),
                    "x2": {"field": "end"},
                    "color": gain_or_loss(whole=True),
                    "tooltip": tips(columns, SIGNED),
                },
            },
            {"mark": {"type": "rule", "aria": False}, "encoding": {"x": {"datum": 0}, "y": None}},
            *end_labels(SIGNED, "right", "left"),
        ],
    }
    return Chart(name, title, spec, columns, rows)


def grouped_bars(
    name: str,
    title: str,
    rows: Rows,
    series: Sequence[str],
    *,
    unit: str = WAN,
    who: str = "名称",
    drill: Drill | None = None,
) -> Chart:
    """Several amounts side by side for each name; rows: label, series, value."""
    columns = [("label", who), ("series", "口径"), ("value", unit)]
    form = ",d" if unit == "例" else PLAIN
    colours = {"domain": list(series), "range": [ink(SERIES[at % 6]) for at in range(len(series))]}
    spec = {
        "width": "container",
        "height": {"step": 17, "for": "offset"},
        "encoding": {
            "y": names(scale={"paddingInner": 0.3, "paddingOuter": 0.15}),
            "yOffset": {"field": "series", "sort": list(series)},
            "x": amounts("value", unit, padding=62),
        },
        "layer": [
            {
                "mark": {"type": "bar", "cornerRadius": 1},
                "encoding": {
                    "color": {"field": "series", "scale": colours, "sort": None},
                    "tooltip": tips(columns, form),
                },
            },
            *end_labels(form),
        ],
    }
    return Chart(name, title, spec, columns, rows, drill=drill)


def pareto(
    name: str,
    title: str,
    rows: Rows,
    *,
    unit: str = WAN,
    who: str = "病组",
    drill: Drill | None = None,
) -> Chart:
    """Losses in falling order and their running share; rows: label, value, share (0 to 1)."""
    columns = [("label", who), ("value", unit), ("share", "累计占比")]
    told = tips(columns, PLAIN)
    told[-1]["format"] = ".1%"
    x = names() | {"axis": {"title": None, "labelAngle": -45, "labelLimit": 90, "grid": False}}
    share_axis = {"title": None, "format": ".0%", "orient": "right", "grid": False}
    spec = {
        "width": "container",
        "height": 260,
        "encoding": {"x": x},
        "layer": [
            {
                "mark": {"type": "bar", "cornerRadius": 2, "width": {"band": 0.7}},
                "encoding": {
                    "y": amounts("value", unit),
                    "color": {"value": ink("loss")},
                    "tooltip": told,
                },
            },
            {
                "mark": {
                    "type": "line",
                    "color": ink("amber"),
                    "point": {"filled": True, "fill": ink("amber"), "size": 36},
                },
                "encoding": {
                    "y": {
                        "field": "share",
                        "type": "quantitative",
                        "scale": {"domain": [0, 1]},
                        "axis": share_axis,
                    },
                    "tooltip": told,
                },
            },
        ],
        "resolve": {"scale": {"y": "independent"}},
    }
    return Chart(name, title, spec, columns, rows, wide=True, drill=drill)


def trend(
    name: str,
    title: str,
    rows: Rows,
    series: Sequence[str],
    *,
    unit: str = WAN,
    who: str = "月份",
    numeric: bool = False,
) -> Chart:
    """Lines over periods, or over a parameter's values; rows: label, series, value.

    numeric: the labels are numbers, at their distance from each other.
    """
    columns = [("label", who), ("series", "口径"), ("value", unit)]
    colours = {
        "domain": list(series),
        "range": [ink(SERIES[(at + 1) % 6]) for at in range(len(series))],
    }
    x: dict[str, Any] = {"field": "label", "sort": None, "axis": {"title": who, "labelAngle": 0}}
    x |= {"type": "quantitative" if numeric else "ordinal"}
    if numeric:
        x["scale"] = {"zero": False, "padding": 12}
    y = amounts("value", unit, padding=10)
    y["scale"] = {"zero": False, "padding": 10}
    spec = {
        "width": "container",
        "height": 260,
        "mark": {"type": "line", "point": {"size": 36, "filled": True}, "strokeWidth": 2},
        "encoding": {
            "x": x,
            "y": y,
            "color": {"field": "series", "type": "nominal", "scale": colours, "sort": None},
            "tooltip": tips(columns, PLAIN),
        },
    }
    return Chart(name, title, spec, columns, rows, wide=True)


def quadrant(
    name: str,
    title: str,
    rows: Rows,
    groups: Mapping[str, str],
    cut: float,
    *,
    x_title: str,
    y_title: str = "例均盈亏（元）",
    who: str = "名称",
    drill: Drill | None = None,
) -> Chart:
    """Bubbles in four classes; rows: label, xv, yv, size, group, shown (the label or "").

    groups: class to colour.  cut: where the upright line stands, NaN for none; the other one stands
    on 0.
    """
    columns = [("label", who), ("xv", x_title), ("yv", y_title)]
    columns += [("size", "例数"), ("group", "象限")]
    told = tips(columns, PLAIN)
    told[1]["format"] = ".4f"
    told[3]["format"] = ",d"
    x = {"field": "xv", "type": "quantitative", "scale": {"zero": False, "padding": 24}}
    y = {"field": "yv", "type": "quantitative", "scale": {"padding": 24}}
    colours = {"domain": list(groups), "range": [ink(colour) for colour in groups.values()]}
    upright = {
        "mark": {"type": "rule", "aria": False},
        "encoding": {"x": {"datum": cut}, "y": None},
    }
    spec = {
        "width": "container",
        "height": 420,
        "encoding": {
            "x": x | {"axis": {"title": x_title, "grid": False, "tickCount": 8}},
            "y": y | {"axis": {"title": y_title, "format": ",~f", "grid": False}},
        },
        "layer": [
            *([] if isnan(cut) else [upright]),
            {"mark": {"type": "rule", "aria": False}, "encoding": {"y": {"datum": 0}, "x": None}},
            {
                "mark": {"type": "circle", "opacity": 0.65, "stroke": ink("paper")},
                "encoding": {
                    "size": {
                        "field": "size",
                        "type": "quantitative",
                        "scale": {"range": [40, 1600]},
                        "legend": None,
                    },
                    "color": {"field": "group", "type": "nominal", "scale": colours},
                    "tooltip": told,
                },
            },
            {
                "mark": {"type": "text", "dy": -16, "aria": False},
                "encoding": {"text": {"field": "shown", "type": "nominal"}},
            },
        ],
    }
    return Chart(name, title, spec, columns, rows, wide=True, drill=drill)


def heat_map(
    name: str,
    title: str,
    rows: Rows,
    *,
    x_title: str,
    y_title: str,
    unit: str,
    signed: bool = False,
    drill: Drill | None = None,
) -> Chart:
    """Two names against each other; rows: x, y, value.  The depth of colour is the size.

    signed: below 0 in the colour of loss.
    """
    columns = [("y", y_title), ("x", x_title), ("value", unit)]
    form = ",d" if unit == "例" else SIGNED if signed else PLAIN
    told = [
        {"field": "y", "title": y_title, "type": "nominal"},
        {"field": "x", "title": x_title, "type": "nominal"},
        {"field": "value", "title": unit, "type": "quantitative", "format": form},
    ]
    depth = {
        "field": "depth",
        "type": "quantitative",
        "scale": {"domain": [0, 1], "range": [0.1, 0.5]},  # the figures on it are ink
        "legend": None,
    }
    axis = {"grid": False, "domain": False}
    spec = {
        "width": "container",
        "height": {"step": 24},
        "transform": [
            {"calculate": "abs(datum.value)", "as": "size"},
            {"joinaggregate": [{"op": "max", "field": "size", "as": "most"}]},
            {"calculate": "datum.most > 0 ? datum.size / datum.most : 0", "as": "depth"},
        ],
        "encoding": {
            "x": {
                "field": "x",
                "type": "ordinal",
                "axis": axis
                | {"title": x_title, "labelAngle": -45, "labelLimit": 100, "orient": "top"},
            },
            "y": {"field": "y", "type": "ordinal", "axis": axis | {"title": y_title}},
        },
        "layer": [
            {
                "mark": {"type": "rect", "cornerRadius": 2, "stroke": ink("paper")},
                "encoding": {
                    "color": gain_or_loss() if signed else {"value": ink("blue")},
                    "fillOpacity": depth,
                    "tooltip": told,
                },
            },
            {
                "mark": {"type": "text", "aria": False, "fontSize": 10},
                "encoding": {"text": {"field": "value", "type": "quantitative", "format": form}},
            },
        ],
    }
    return Chart(name, title, spec, columns, rows, wide=True, drill=drill)


def intervals(
    name: str, title: str, rows: Rows, *, unit: str = WAN, who: str = "名称", words: str = "区间"
) -> Chart:
    """A value with its interval; rows: label, value, low, high."""
    columns = [("label", who), ("low", f"{words}下限"), ("value", "现值"), ("high", f"{words}上限")]
    told = tips(columns, SIGNED)
    spec = {
        "width": "container",
        "height": {"step": BAR},
        "encoding": {"y": names()},
        "layer": [
            {
                "mark": {"type": "bar", "height": 8, "cornerRadius": 4, "opacity": 0.45},
                "encoding": {
                    "x": amounts("low", unit),
                    "x2": {"field": "high"},
                    "color": {"value": ink("blue")},
                    "tooltip": told,
                },
            },
            {"mark": {"type": "rule", "aria": False}, "encoding": {"x": {"datum": 0}, "y": None}},
            {
                "mark": {"type": "circle", "size": 70, "opacity": 1},
                "encoding": {
                    "x": {"field": "value", "type": "quantitative"},
                    "color": gain_or_loss(),
                    "tooltip": told,
                },
            },
        ],
    }
    return Chart(name, title, spec, columns, rows, wide=True)
