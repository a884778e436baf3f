"""Every kind of chart of the pages, drawn in a headless Chromium; scripts that cannot escape."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from browser import Browser, browser

from reports.html_page import Page, page_table, write_page
from reports.layout import Column
from reports.style import Style
from reports.vega import Chart, Drill, chart_library, script_json, script_text
from reports.vega_charts import (
    bars,
    grouped_bars,
    heat_map,
    intervals,
    pareto,
    quadrant,
    tornado,
    trend,
    waterfall,
    waterfall_rows,
)

DEPARTMENTS = ["心血管内科", "骨科一病区", "</script>&\"'", "儿科"]
GROUPS = {"优势": "gain", "重点控费": "loss", "潜力": "blue", "调整": "amber"}


def charts() -> list[Chart]:
    drill = Drill("department", "label")
    values = [12.5, -3.25, 0.0, -40.75]
    rows = [{"label": n, "value": v} for n, v in zip(DEPARTMENTS, values, strict=True)]
    steps = [
        ("基准", 10.0, True),
        ("权重", -15.0, False),
        ("费率", 3.0, False),
        ("情景", -2.0, True),
    ]
    months = [
        {"label": f"2026-{month:02d}", "series": name, "value": month * scale}
        for month in range(1, 7)
        for name, scale in (("支付", 1.5), ("费用", 1.4))
    ]
    bubbles = [
        {"label": name, "xv": 0.8 + at * 0.2, "yv": 500.0 - 300.0 * at, "size": 10 * (at + 1),
         "group": group, "shown": name if at else ""}
        for at, (name, group) in enumerate(zip(DEPARTMENTS, GROUPS, strict=True))
    ]  # fmt: skip
    losses = [{"label": f"AA{n}1", "value": 9.0 - n, "share": min(1.0, 0.3 * n)} for n in (1, 2, 3)]
    moved = [{"y": "AA11", "x": "AB11", "value": 3}, {"y": "AA13", "x": "AB11", "value": 1}]
    ranges = [
        {"label": n, "low": v - 2, "value": v, "high": v + 3}
        for n, v in zip(DEPARTMENTS, values, strict=True)
    ]
    series = [
        {"label": name, "series": kind, "value": abs(value) + 1}
        for name, value in zip(DEPARTMENTS, values, strict=True)
        for kind in ("基准", "情景")
    ]
    return [
        tornado("tornado", "龙卷风", {"": rows}, drill=drill),
        bars("bars", "条形", {"": [row for row in rows if row["value"] >= 0]}, unit="例"),
        waterfall("waterfall", "瀑布", {"": waterfall_rows(steps)}),
        grouped_bars("grouped", "并列", {"": series}, ["基准", "情景"]),
        pareto("pareto", "帕累托", {"": losses}),
        trend("trend", "趋势", {"": months}, ["支付", "费用"]),
        trend(
            "numeric",
            "参数",
            {"": [m | {"label": i} for i, m in enumerate(months)]},
            ["支付", "费用"],
            numeric=True,
        ),
        quadrant("quadrant", "象限", {"": bubbles}, GROUPS, 1.0, x_title="CMI", drill=drill),
        heat_map("heat", "迁移", {"": moved}, x_title="新", y_title="旧", unit="例"),
        intervals("intervals", "区间", {"": ranges}),
    ]


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    frame = pd.DataFrame({"department": DEPARTMENTS, "surplus_fen": [1250, -325, 0, -(2**53) + 1]})
    columns = [Column("department", "科室", "text"), Column("surplus_fen", "盈亏", "yuan")]
    table = page_table(
        "科室", "说明", columns, frame, Style.load(), {},
        dimensions={"department": "department"}, links={"department": "department"},
    )  # fmt: skip
    made = tmp_path_factory.mktemp("gallery") / "图.html"
    page = Page(
        "医院 <甲>", "小标题", "说明", charts=charts(), tables=[table],
        dimensions={"department": "科室"},
    )  # fmt: skip
    write_page(page, made)
    return made


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browser(tmp_path_factory.mktemp("profile")) as started:
        yield started


def test_a_waterfall_begins_where_it_ended() -> None:
    rows = waterfall_rows([("甲", 10.0, True), ("乙", -15.0, False), ("丙", -5.0, True)])
    assert [(row["start"], row["end"]) for row in rows] == [(0.0, 10.0), (10.0, -5.0), (0.0, -5.0)]
    assert [row["kind"] for row in rows] == ["whole", "part", "whole"]


def test_data_cannot_end_its_script() -> None:
    evil = {"a": "</script><!-- \u2028 & \"'"}
    text = script_json(evil)
    assert not set("<>&\u2028") & set(text)
    assert json.loads(text) == evil
    assert script_text("x = '</script>'; y = '<!--'") == "x = '<\\/script>'; y = '<\\!--'"
    with pytest.raises(ValueError, match="JSON compliant"):
        script_json(float("nan"))


def test_the_library_asks_for_nothing() -> None:
    library = chart_library()
    assert len(library) < 1_500_000
    assert "</script" not in library
    assert "importScripts" not in library
    assert chart_library() == library


@pytest.mark.program("chromium")
@pytest.mark.parametrize("width", [1280, 390])
def test_every_kind_is_drawn(chromium: Browser, path: Path, width: int) -> None:
    chromium.open(path, width=width)
    assert chromium.complaints == []
    assert chromium.requests == [path.resolve().as_uri()]
    drawn = chromium.run(
        "[...document.querySelectorAll('figure')].map((one) => ({"
        " title: one.querySelector('h3').textContent,"
        " marks: one.querySelectorAll('svg .mark-rect path, svg .mark-symbol path').length,"
        " told: one.querySelector('svg').getAttribute('aria-label'),"
        " right: one.querySelector('svg').getBoundingClientRect().right,"
        " labels: one.querySelectorAll('svg .role-axis-label text').length }))"
    )
    assert [one["title"] for one in drawn] == [chart.title for chart in charts()]
    assert [one["title"] for one in drawn if one["marks"] < 2 or not one["labels"]] == []
    assert all(one["right"] <= width for one in drawn)
    assert all(one["told"].startswith(one["title"]) for one in drawn)


@pytest.mark.program("chromium")
def test_text_stays_text_and_amounts_are_exact(chromium: Browser, path: Path) -> None:
    chromium.open(path)
    rows = chromium.run(
        "[...document.querySelectorAll('.sheet tbody tr')]"
        ".map((row) => [...row.cells].map((cell) => cell.textContent))"
    )
    assert [row[0] for row in rows] == [*DEPARTMENTS, "合计"]
    assert [row[1] for row in rows[:4]] == ["12.50", "-3.25", "0.00", "-90,071,992,547,409.91"]
    chromium.run("document.querySelectorAll('.sheet tbody td button')[2].click()")
    assert (
        chromium.run("document.querySelector('.chip').textContent") == f"科室：{DEPARTMENTS[2]} ✕"
    )
    assert chromium.run("document.querySelectorAll('.sheet tbody tr').length") == 1


@pytest.mark.program("chromium")
def test_a_chart_can_be_saved_as_a_picture(chromium: Browser, path: Path) -> None:
    chromium.open(path)
    chromium.run(
        "(() => { window.saved = []; HTMLAnchorElement.prototype.click = function () {"
        " window.saved.push(this.download); }; })()"
    )
    chromium.run("document.querySelector('figure button').click()")
    assert chromium.wait("window.saved[0]") == "报表-龙卷风.png"
    chromium.run("[...document.querySelectorAll('.tools button')][0].click()")
    assert chromium.wait("window.saved[1]") == "报表-科室.csv"
    assert chromium.complaints == []
