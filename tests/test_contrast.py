"""Small text in the colours of style.toml can be read: WCAG 2.1 AA, light and dark."""

from __future__ import annotations

import pytest

from reports.style import Style
from reports.vega_charts import heat_map
from reports.vega_parts import SERIES

STYLE = Style.load()
LIGHT = dict(STYLE.colour)
DARK = {**STYLE.colour, **STYLE.dark}
_WRITTEN = [
    ("ink", "paper"),
    ("ink", "total"),
    ("ink", "blue_light"),
    ("muted", "paper"),
    ("muted", "tile"),
    ("primary", "tile"),
    ("on_primary", "primary"),
    ("blue", "paper"),
    *(("loss_deep", ground) for ground in ("paper", "tile", "total", "blue_light")),
]


def _light(colour: str) -> float:
    """Relative luminance (WCAG 2.1)."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    red, green, blue = (p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _contrast(one: str, two: str) -> float:
    low, high = sorted((_light(one), _light(two)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("colours", [LIGHT, DARK], ids=["light", "dark"])
def test_small_text_stands_out_from_its_ground(colours: dict[str, str]) -> None:
    assert _contrast("000000", "FFFFFF") == pytest.approx(21)  # the formula itself
    pairs = {*_WRITTEN, *((ink, ground) for ground, ink in STYLE.badge.values())}
    weak = {
        (ink, ground): round(_contrast(colours[ink], colours[ground]), 2)
        for ink, ground in sorted(pairs)
        if _contrast(colours[ink], colours[ground]) < 4.5
    }
    assert weak == {}


@pytest.mark.parametrize("colours", [LIGHT, DARK], ids=["light", "dark"])
def test_series_of_a_chart_are_told_apart(colours: dict[str, str]) -> None:
    def apart(one: str, two: str) -> float:
        places = (0, 2, 4)
        return sum((int(one[p : p + 2], 16) - int(two[p : p + 2], 16)) ** 2 for p in places) ** 0.5

    shown = [colours[name] for name in SERIES]
    close = [
        (one, two)
        for at, one in enumerate(shown)
        for two in shown[at + 1 :]
        if apart(one, two) < 50
    ]
    assert close == []


@pytest.mark.parametrize("colours", [LIGHT, DARK], ids=["light", "dark"])
def test_figures_of_a_heat_map_stand_out_where_it_is_deepest(colours: dict[str, str]) -> None:
    made = heat_map("h", "图", {}, x_title="x", y_title="y", unit="万元", signed=True)
    share = made.spec["layer"][0]["encoding"]["fillOpacity"]["scale"]["range"][1]
    for name in ("gain", "loss", "blue"):
        mixed = "".join(
            f"{round(share * int(fill, 16) + (1 - share) * int(paper, 16)):02X}"
            for fill, paper in zip(_parts(colours[name]), _parts(colours["paper"]), strict=True)
        )
        assert _contrast(colours["ink"], mixed) >= 4.5, name


def _parts(colour: str) -> list[str]:
    return [colour[at : at + 2] for at in (0, 2, 4)]
