"""What the charts of pages share: axes, colours of gain and loss, figures, tooltips."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from reports.vega import ink

__all__ = [
    "BAR",
    "PLAIN",
    "SERIES",
    "SIGNED",
    "WAN",
    "Rows",
    "amounts",
    "end_labels",
    "gain_or_loss",
    "names",
    "tips",
    "waterfall_rows",
]

Rows = Mapping[str, Sequence[Mapping[str, Any]]]
"""Rows by the page's choice, or under "" for all."""

WAN = "万元"
SIGNED, PLAIN = "+,.2f", ",.2f"
SERIES = ("grey", "blue", "second", "amber", "gain", "loss")
BAR = 26


def names(title: str | None = None, **more: Any) -> dict[str, Any]:
    """The axis of names, in the order of the rows."""
    axis = {"title": title, "grid": False, "domain": False}
    return {"field": "label", "type": "nominal", "sort": None, "axis": axis} | more


def amounts(field: str, title: str, *, padding: float = 0, **more: Any) -> dict[str, Any]:
    """An axis of amounts; ``padding`` pixels leave room for the figures at the bars' ends."""
    scale = {"padding": padding, "nice": not padding, "zero": True}
    axis = {"title": title, "format": "~s" if title == "例" else ",~f", "tickCount": 5}
    return {"field": field, "type": "quantitative", "scale": scale, "axis": axis} | more


def gain_or_loss(field: str = "value", whole: bool = False) -> dict[str, Any]:
    """The colour of gain or loss."""
    conditions = [{"test": "datum.kind === 'whole'", "value": ink("primary")}] if whole else []
    conditions.append({"test": f"datum['{field}'] < 0", "value": ink("loss")})
    return {"condition": conditions, "value": ink("gain")}


def tips(columns: Sequence[tuple[str, str]], form: str) -> list[dict[str, Any]]:
    """What a mark tells: names as they are, counts of cases whole, the rest in the format."""
    return [
        {"field": key, "title": heading, "type": "nominal"}
        if key in ("label", "series", "x", "y_name", "name", "group", "x_name")
        else {
            "field": key,
            "title": heading,
            "type": "quantitative",
            "format": ",d" if "例" in heading else form,
        }
        for key, heading in columns
    ]


def end_labels(form: str, right: str = "value", left: str = "value") -> list[dict[str, Any]]:
    """Figures at the ends of lying bars, outside of them: ``left`` for those below zero."""
    made = []
    for test, align, offset, end in (
        ("datum.value >= 0", "left", 4, right),
        ("datum.value < 0", "right", -4, left),
    ):
        # Not filtered: a layer without rows would leave its scale without bounds.
        words = {"condition": {"test": test} | _figure("value", form), "value": ""}
        made.append(
            {
                "mark": {"type": "text", "align": align, "dx": offset, "aria": False},
                "encoding": {"x": {"field": end, "type": "quantitative"}, "text": words},
            }
        )
    return made


def _figure(field: str, form: str) -> dict[str, Any]:
    return {"field": field, "type": "quantitative", "format": form}


def waterfall_rows(steps: Sequence[tuple[str, float, bool]]) -> list[dict[str, Any]]:
    """Rows of a waterfall from (label, amount, whole): each bar begins where the last one ended."""
    rows, level = [], 0.0
    for label, value, whole in steps:
        start = 0.0 if whole else level
        level = value if whole else level + value
        kind = "whole" if whole else "part"
        rows.append({"label": label, "value": value, "start": start, "end": level, "kind": kind})
    return rows
