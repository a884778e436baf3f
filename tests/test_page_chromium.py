"""The analyst's page in a headless Chromium: figures, drawings, choices, keys, no net."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from browser import Browser, browser

from drg_engine.money import format_fen
from drg_engine.scenario import Layer, Scenario, SchemeChange, WeightChange
from drg_engine.simulation_input import load_months
from drg_engine.simulation_report import simulation_report
from reports.simulation import SimulationReport
from reports.simulation_page import write_simulation_page
from reports.values import masked_ids

pytestmark = pytest.mark.program("chromium")

RATES, MANY, SCHEME = "=费率下调", "系数 <0.98>、成本", "换方案"


@pytest.fixture(scope="module")
def report(demo_hospital: Path) -> SimulationReport:
    weights = WeightChange(
        file="x", scheme="chs_drg_1_1", by_drg={"FM19": 2.5, "OB19": 1.0, "RC19": 0.7}
    )
    scenarios = [
        Scenario("a", RATES, layers=(Layer("a", {"low.bound": 0.35}, {"rates": 0.95}),)),
        Scenario("b", MANY, layers=(Layer("b", {"coefficient.default": 0.98}),), cost_factor=0.96),
        Scenario("c", SCHEME, scheme=SchemeChange("chs_drg_1_1"), weights=(weights,)),
    ]
    return simulation_report(load_months(demo_hospital, "2026-10", scenarios), scenarios)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory, report: SimulationReport) -> Path:
    made = tmp_path_factory.mktemp("page") / "页.html"
    write_simulation_page(report, made)
    return made


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browser(tmp_path_factory.mktemp("profile")) as started:
        yield started


@pytest.fixture
def tab(chromium: Browser, path: Path) -> Iterator[Browser]:
    """The page, freshly opened; it may not complain, nor ask for anything but itself."""
    chromium.media(prefers_color_scheme="light")
    chromium.open(path)
    yield chromium
    assert chromium.complaints == []
    assert chromium.requests == [path.resolve().as_uri()]


def choose(tab: Browser, name: str) -> None:
    tab.run(
        "(() => { const list = document.getElementById('chooser');"
        f" list.value = {name!r}; list.dispatchEvent(new Event('change')); }})()"
    )
    tab.wait(f"document.documentElement.dataset.drawn === {name!r}")


def table(tab: Browser, title: str) -> list[dict[str, str]]:
    """The rows of a table as they are shown, the sum too."""
    found = tab.run(
        "(() => { const box = [...document.querySelectorAll('.sheet')]"
        f".find((one) => one.querySelector('h2').textContent === {title!r});"
        " const words = (cells) => [...cells].map((cell) => cell.textContent);"
        " return { heads: words(box.querySelectorAll('thead th')),"
        " rows: [...box.querySelectorAll('tbody tr')].map((row) => words(row.cells)) }; })()"
    )
    return [dict(zip(found["heads"], row, strict=True)) for row in found["rows"]]


def yuan(fen: int) -> str:
    return format_fen(int(fen))


def test_figures_are_the_engines(tab: Browser, report: SimulationReport) -> None:
    compared = report.tables["comparison"]
    shown = table(tab, "情景对比")
    assert [row["情景"] for row in shown] == ["基准", RATES, MANY, SCHEME]
    for heading, key in (
        ("支付", "paid_fen"),
        ("支付增减", "change_fen"),
        ("成本盈亏", "cost_surplus_fen"),
    ):
        assert [row[heading] for row in shown] == [yuan(fen) for fen in compared[key]], key
    assert [row["CMI"] for row in shown] == [f"{cmi:.4f}" for cmi in compared["cmi"]]
    for name in (RATES, MANY, SCHEME):
        choose(tab, name)
        rows = {row["科室编码"]: row for row in table(tab, "各科室的得失")}
        frame = report.tables["departments"]
        frame = frame[frame["scenario"] == name]
        for code, paid, change in zip(
            frame["department"], frame["paid_fen"], frame["change_fen"], strict=True
        ):
            assert (rows[code]["支付"], rows[code]["支付增减"]) == (yuan(paid), yuan(change))
        whole = compared.set_index("scenario").loc[name]
        assert rows["合计"]["支付"] == yuan(whole["paid_fen"])
        tiles = tab.run("[...document.querySelectorAll('.tile b')].map((one) => one.textContent)")
        assert tiles[0] == f"{whole['paid_fen'] / 1e6:,.2f}"


def test_charts_are_drawn_and_told(tab: Browser, report: SimulationReport) -> None:
    choose(tab, SCHEME)
    drawn = tab.run(
        "[...document.querySelectorAll('figure')].filter((one) => !one.hidden).map((one) => ({"
        " title: one.querySelector('h3').textContent,"
        " marks: one.querySelectorAll('svg .mark-rect path').length,"
        " told: one.querySelector('svg').getAttribute('aria-label'),"
        " wide: one.querySelector('svg').getBoundingClientRect().width,"
        " box: one.querySelector('.chart').clientWidth }))"
    )
    titles = [one["title"] for one in drawn]
    assert titles[:2] == ["各情景的支付增减", f"增减归因：{SCHEME}"]
    assert any(title.startswith("病组迁移") for title in titles)
    assert [one for one in drawn if not one["marks"] or one["wide"] > one["box"] + 1] == []
    moved = report.tables["comparison"].set_index("scenario").loc[SCHEME]
    assert (
        f"基准医保盈亏 {report.tables['comparison']['surplus_fen'][0] / 1e6:,.2f}"
        in drawn[1]["told"]
    )
    assert f"情景医保盈亏 {moved['surplus_fen'] / 1e6:,.2f}" in drawn[1]["told"]
    # The figures of a chart stand beside it.
    tab.run("document.querySelectorAll('figure details')[1].open = true")
    cells = tab.wait(
        "[...document.querySelectorAll('figure')][1].querySelector('td.n').textContent"
    )
    assert cells == f"{report.tables['comparison']['surplus_fen'][0] / 1e6:,.2f}"


def test_a_click_on_a_bar_drills(tab: Browser, report: SimulationReport) -> None:
    choose(tab, RATES)
    frame = report.tables["departments"]
    frame = frame[frame["scenario"] == RATES]
    top = frame.loc[frame["change_fen"].abs().idxmax()]
    place = tab.run(
        "(() => { const one = [...document.querySelectorAll('figure')]"
        ".find((box) => box.querySelector('h3').textContent.startsWith('科室'));"
        " one.scrollIntoView(); const bar = one.querySelector('.mark-rect path')"
        ".getBoundingClientRect(); return [bar.x + bar.width / 2, bar.y + bar.height / 2]; })()"
    )
    tab.click(*place)
    chip = tab.wait("document.querySelector('.chip').textContent")
    assert chip == f"科室：{top['department_name']} ✕"
    assert [row["科室编码"] for row in table(tab, "各科室的得失")] == [top["department"]]
    doctors = table(tab, "各医生的得失")
    assert {row["科室编码"] for row in doctors[:-1]} == {top["department"]}
    assert doctors[-1]["支付增减"] == yuan(top["change_fen"])
    tab.run("document.querySelector('.chip').click()")
    assert len(table(tab, "各科室的得失")) == len(frame) + 1


def test_keys_are_enough(tab: Browser) -> None:
    tab.run("document.querySelector('.sheet thead button').focus()")
    tab.press("Enter", text="\r")
    heads = "[...document.querySelector('.sheet thead').querySelectorAll('th')]"
    assert tab.run(f"{heads}.map((one) => one.getAttribute('aria-sort'))[0]") == "descending"
    assert tab.run("document.activeElement.getAttribute('aria-label')") == "按情景排序"
    tab.run("document.querySelectorAll('.sheet tbody td button')[0].focus()")
    tab.press("Enter", text="\r")
    chosen = tab.run("document.getElementById('chooser').value")
    tab.wait(f"document.documentElement.dataset.drawn === {chosen!r}")
    assert tab.run("document.querySelector('tr.chosen td').textContent") == chosen
    assert tab.run("document.getElementById('live').textContent") == f"现在看：{chosen}"
    # What was clicked is drawn anew: the focus stays in its table, after a chip on the page.
    inside = "document.activeElement.closest('.sheet') !== null"
    assert tab.run(inside)
    tab.run("document.querySelectorAll('.sheet')[2].querySelector('tbody td button').focus()")
    tab.press("Enter", text="\r")
    assert tab.run(f"document.querySelector('.chip') !== null && {inside}")
    tab.run("document.querySelector('.chip').focus()")
    tab.press("Enter", text="\r")
    assert tab.run("document.activeElement.id") == "main"
    names = "[...document.querySelectorAll('figcaption button')].map((one) => one.ariaLabel)"
    assert len(set(tab.run(names))) == tab.run(f"{names}.length") > 1


def test_search_and_more(tab: Browser, report: SimulationReport) -> None:
    frame = report.tables["drgs"]
    frame = frame[frame["scenario"] == RATES]
    code = str(frame["drg"].iloc[7])
    box = (
        "[...document.querySelectorAll('.sheet')].find((one) =>"
        " one.querySelector('h2').textContent === '各病组的得失')"
    )
    assert len(table(tab, "各病组的得失")) == 50 + 1
    tab.run(f"{box}.querySelector('.tools .quiet:nth-of-type(2)').click()")
    assert len(table(tab, "各病组的得失")) == 250 + 1
    tab.run(
        f"(() => {{ const input = {box}.querySelector('input'); input.value = {code!r};"
        " input.dispatchEvent(new Event('input')); })()"
    )
    assert [row["DRG 编码"] for row in table(tab, "各病组的得失")] == [code]


def test_what_is_not_known_is_a_dash(
    chromium: Browser, report: SimulationReport, tmp_path: Path
) -> None:
    compared = report.tables["comparison"].assign(cmi=float("nan"))
    made = tmp_path / "无.html"
    write_simulation_page(replace(report, tables={**report.tables, "comparison": compared}), made)
    chromium.open(made)
    tiles = chromium.run(
        "Object.fromEntries([...document.querySelectorAll('.tile')].map((one) =>"
        " [one.querySelector('span').textContent, one.querySelector('b').textContent]))"
    )
    assert tiles["CMI"] == "—"
    assert chromium.complaints == []


def test_case_ids_are_masked(tab: Browser, report: SimulationReport) -> None:
    choose(tab, RATES)
    frame = report.tables["cases"]
    ids = masked_ids(frame[frame["scenario"] == RATES]["case_id"]).tolist()
    assert [row["病案号"] for row in table(tab, "支付增减最大的病例")[:50]] == ids[:50]


def test_dark_phone_and_paper(tab: Browser, path: Path) -> None:
    ground = "getComputedStyle(document.body).backgroundColor"
    bar = "getComputedStyle(document.querySelector('.mark-rect path')).fill"
    light = tab.run(ground), tab.run(bar)
    tab.media(prefers_color_scheme="dark")
    dark = tab.run(ground), tab.run(bar)
    assert light[0] != dark[0] and light[1] != dark[1]
    tab.media(medium="print", prefers_color_scheme="dark")
    assert (tab.run(ground), tab.run(bar)) == light
    tab.media(prefers_color_scheme="light")
    tab.run("document.getElementById('theme').click()")
    assert (tab.run(ground), tab.run(bar)) == dark
    assert tab.printed().startswith(b"%PDF")
    tab.open(path, width=390, height=844)
    assert tab.run("document.documentElement.scrollWidth") == 390
    assert tab.run(
        "[...document.querySelectorAll('.chart svg')]"
        ".every((one) => one.getBoundingClientRect().right <= 390)"
    )
