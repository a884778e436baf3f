"""The insurance office's page in a headless Chromium: its figures, its paths down, no net."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import replace
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import numpy as np
import pandas as pd
import pytest
from browser import Browser, browser
from desk_report import DEPARTMENTS, DOCTORS, FORMULA, HOSTILE, INSURANCES, desk_report

from drg_engine.decomposition import (
    by_unit,
    causes_of,
    decompose,
    frame_cells,
    gathered,
    hospital_reference,
)
from drg_engine.desk_frame import read_months
from drg_engine.desk_measures import measures
from drg_engine.desk_reference import desk_settings, own_reference
from drg_engine.desk_tables import LEVELS, desk_tables
from drg_engine.explanation import Explainer
from drg_engine.money import format_fen
from drg_engine.payment_explain import explain_payment
from drg_engine.workspace import open_workspace
from reports import desk_page
from reports.desk import DESK_LAYOUT, DeskReport
from reports.desk_page import write_desk_page
from reports.layout import Layout
from reports.style import Style
from reports.values import masked_ids

pytestmark = pytest.mark.program("chromium")

SHEETS = {
    "departments": "科室", "doctor_groups": "医疗组", "doctors": "医生", "drgs": "病组",
    "insurances": "险种与类型", "kinds": "险种与类型", "months": "指标",
}  # fmt: skip
TITLES = {"insurances": "险种", "kinds": "病例类型", "months": "按月"}
KINDS = Layout.load(DESK_LAYOUT, Style.load()).values["kind"]


@pytest.fixture(scope="module")
def report() -> DeskReport:
    return desk_report(11, 400)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory, report: DeskReport) -> Path:
    made = tmp_path_factory.mktemp("page") / "页.html"
    write_desk_page(report, made)
    return made


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browser(tmp_path_factory.mktemp("profile")) as started:
        yield started


@pytest.fixture
def tab(chromium: Browser, path: Path) -> Iterator[Browser]:
    """The page, freshly opened; it may not complain, nor ask for anything but itself."""
    yield from opened(chromium, path)


def opened(chromium: Browser, path: Path) -> Iterator[Browser]:
    chromium.media(prefers_color_scheme="light")
    chromium.open(path)
    yield chromium
    assert chromium.complaints == []
    assert [one.partition("#")[0] for one in chromium.requests] == [path.resolve().as_uri()]


def go(tab: Browser, **chosen: str) -> None:
    """Go where an address of the page leads."""
    tab.run(f"location.hash = {urlencode(chosen)!r}; void 0")
    tab.wait(f"decodeURIComponent(location.hash).length > {1 if chosen else -1}")
    tab.run("new Promise((then) => setTimeout(then, 20))")
    tab.wait("document.documentElement.dataset.drawn")


def table(tab: Browser, title: str = "") -> list[dict[str, str]]:
    """The rows of a table as they are shown, the sum too; headings of one name with their group."""
    found = tab.run(
        "(() => { const boxes = [...document.querySelectorAll('#sheet .table')];"
        f" const title = {title!r};"
        " const box = title ? boxes.find((one) =>"
        "   one.querySelector('h3') && one.querySelector('h3').textContent === title) : boxes[0];"
        " for (;;) { const more = [...box.querySelectorAll('.tools button')]"
        "   .find((one) => one.textContent === '再列一些'); if (more.hidden) break; more.click(); }"
        " const rows = [...box.querySelectorAll('thead tr')].map((row) => [...row.cells]);"
        " let heads = [];"
        " for (const cell of rows[0]) {"
        "   if (cell.scope !== 'colgroup') heads.push(cell.textContent);"
        "   else { const part = rows[1].splice(0, cell.colSpan).map((one) => one.textContent);"
        "     heads.push(...part.map((one) => `${cell.textContent}/${one}`)); } }"
        " return { heads, rows: [...box.querySelectorAll('tbody tr')].map((row) =>"
        "   [...row.cells].map((cell) => cell.textContent)) }; })()"
    )
    return [dict(zip(found["heads"], row, strict=True)) for row in found["rows"]]


def figure(value: Any, digits: int = 2, *, percent: bool = False) -> str:
    if pd.isna(value):
        return ""
    # The exact value, a tie away from zero, as spreadsheets show it.
    exact = Decimal(float(value * 100 if percent else value))
    words = f"{exact.quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP):,}"
    return f"{words}%" if percent else words


def agree(shown: dict[str, str], row: Any) -> None:
    """A row that is shown has the engine's figures."""
    expected = {
        "出院例数": f"{row['cases']:,}",
        "总费用": format_fen(row["charges_fen"]),
        "支付标准": format_fen(row["standard_fen"]),
        "应得支付": format_fen(row["paid_fen"]),
        "公式盈亏": format_fen(row["formula_fen"]),
        "调整": format_fen(row["adjustment_fen"]),
        "盈亏": format_fen(row["surplus_fen"]),
        "CMI": figure(row["cmi"], 4),
        "入组率": figure(row["grouping_rate"], percent=True),
        "盈亏率": figure(row["surplus_rate"], percent=True),
        "例均盈亏": figure(row["surplus_per_case"]),
        "平均住院日": figure(row["mean_los"], 1),
        "控费准确率": figure(row["control_accuracy"], percent=True),
        "每权重费用": figure(row["charges_per_rw"]),
        "药占比": figure(row["fee_drug_share"], percent=True),
        "DRG 组数": str(row["drg_count"]),
        "低倍率": str(row["low_cases"]),
        "费用消耗指数": figure(row.get("cost_index", np.nan), 4),
        "时间消耗指数": figure(row.get("time_index", np.nan), 4),
    }
    by_heading = {heading.rpartition("/")[2]: text for heading, text in shown.items()}
    told = {name: by_heading[name] for name in expected if name in by_heading}
    assert len(told) >= 5
    assert told == {name: expected[name] for name in told}


def name_of(key: str, code: str) -> str:
    names = {"department": DEPARTMENTS, "doctor": DOCTORS, "insurance": INSURANCES, "kind": KINDS}
    return names.get(key, {}).get(code, code)


def test_every_table_has_the_engines_figures(tab: Browser, report: DeskReport) -> None:
    for source in SHEETS:
        same_table(tab, report, source)


def same_table(tab: Browser, report: DeskReport, source: str) -> None:
    go(tab, sheet=SHEETS[source])
    shown = table(tab, TITLES.get(source, ""))
    expected = report.desk.tables[source]
    last = LEVELS[source][-1]
    heading = {
        "department": "科室编码", "doctor": "医生工号", "doctor_group": "医疗组", "drg": "DRG 编码",
        "insurance": "险种编码", "kind": "病例类型", "period": "月份",
    }[last]  # fmt: skip
    rows = {row.get(heading, ""): row for row in shown[:-1]}
    if heading not in shown[0]:
        rows = {row[next(iter(row))]: row for row in shown[:-1]}
    assert len(rows) == len(expected)
    for row in expected.to_dict("records"):
        agree(rows[name_of(last, row[last]) if last == "kind" else row[last]], row)
    assert next(iter(shown[-1].values())) == "合计"
    agree(shown[-1], report.desk.tables["header"].iloc[0])


def test_indicators_stand_beside_those_of_before(tab: Browser, report: DeskReport) -> None:
    go(tab, sheet="指标")
    shown = {row["指标"]: row for row in table(tab)}
    now, then = report.desk.tables["header"].iloc[0], report.desk.tables["header"].iloc[1]
    assert shown["总费用"]["本期"] == format_fen(now["charges_fen"])
    assert shown["总费用"]["上期"] == format_fen(then["charges_fen"])
    change = int(now["charges_fen"]) - int(then["charges_fen"])
    assert shown["总费用"]["较上期"] == format_fen(change)
    agree({name: row["本期"] for name, row in shown.items()}, now)
    agree({name: row["上期"] for name, row in shown.items()}, then)
    tiles = tab.run(
        "Object.fromEntries([...document.querySelectorAll('.tile')]"
        ".map((one) => [one.dataset.key, one.querySelector('b').textContent]))"
    )
    assert tiles["surplus_fen"] == figure(now["surplus_fen"] / 1e6)
    assert tiles["cases"] == f"{now['cases']} 例"


def click(tab: Browser, words: str) -> None:
    """Click on a name of the first table as a person would."""
    tab.run(
        "[...document.querySelectorAll('#sheet .table tbody button')]"
        f".find((one) => one.textContent === {words!r}).click()"
    )
    tab.run("new Promise((then) => setTimeout(then, 20))")
    tab.wait("document.documentElement.dataset.drawn")


def fen(text: str) -> int:
    return int(text.replace(",", "").replace(".", ""))


def test_clicks_lead_down_to_a_case_and_the_sums_agree(tab: Browser, report: DeskReport) -> None:
    frame = report.desk.frame
    own = frame[frame["department"] == "KD01"]
    click(tab, HOSTILE)
    assert tab.run("document.querySelector('#tabs [aria-selected=true]').textContent") == "医疗组"
    agree(
        table(tab)[-1] if len(table(tab)) > 1 else table(tab)[0],
        measures(own).to_dict("records")[0],
    )
    click(tab, own["doctor_group"].iloc[0])
    doctors = table(tab)
    sums = doctors[-1]
    for heading in ("费用与支付/总费用", "费用与支付/应得支付", "医保盈亏/盈亏"):
        assert fen(sums[heading]) == sum(fen(row[heading]) for row in doctors[:-1])
    assert fen(sums["医保盈亏/盈亏"]) == own["surplus_fen"].sum()
    click(tab, FORMULA)
    own = own[own["doctor"] == "YS003"]
    drgs = table(tab)
    assert fen(drgs[-1]["医保盈亏/盈亏"]) == own["surplus_fen"].sum()
    assert sum(fen(row["医保盈亏/盈亏"]) for row in drgs[:-1]) == own["surplus_fen"].sum()
    drg = drgs[0]["DRG 编码"]
    click(tab, drg)
    own = own[own["drg"] == drg]
    cases = table(tab)
    whole = cases[:-1] if len(own) > 1 else cases
    assert sorted(row["病案号"] for row in whole) == sorted(masked_ids(own["case_id"]))
    money = next(name for name in whole[0] if name.rpartition("/")[2] == "盈亏")
    assert sum(fen(row[money]) for row in whole if row[money]) == own["surplus_fen"].sum()
    worst = own.sort_values("surplus_fen", kind="stable").iloc[0]
    shown_id = masked_ids(pd.Series([worst["case_id"]]))[0]
    click(tab, shown_id)
    told = tab.run(
        "Object.fromEntries([...document.querySelectorAll('#case tbody tr')]"
        ".map((row) => [row.cells[0].textContent, row.cells[1].textContent]))"
    )
    assert told["应得支付"] == format_fen(worst["paid_fen"])
    assert told["药品"] == format_fen(worst["fee_drug_fen"])
    assert told["合计"] == told["总费用"] == format_fen(worst["charges_fen"])
    fees = [fen(told[name]) for name in ("药品", "耗材", "检查化验", "医疗服务", "其他", "未分类")]
    assert sum(fees) == worst["charges_fen"]
    # The focus is on the case, and going back leads back.
    assert shown_id in tab.run("document.activeElement.textContent")
    crumbs = tab.run("[...document.querySelectorAll('#crumbs li')].map((one) => one.textContent)")
    assert [words.split(" ")[0] for words in crumbs] == [
        "全院",
        "科室",
        "医疗组",
        "医生",
        "病组",
        "病例",
    ]
    tab.run("history.back()")
    tab.wait("document.getElementById('case').hidden")
    tab.run("document.querySelector('#crumbs button').click()")
    tab.wait("document.getElementById('scope').textContent.startsWith('400 例')")


def test_filters_leave_the_engines_figures(tab: Browser, report: DeskReport) -> None:
    frame = report.desk.frame
    for seed in range(4):
        draw = np.random.default_rng(seed)
        chosen = {
            name: str(draw.choice(sorted(set(frame[name]))))
            for name in draw.choice(["period", "insurance", "kind", "department"], 2, replace=False)
        }
        own = frame
        for name, word in chosen.items():
            tab.run(
                f"(() => {{ const list = document.getElementById('filter-{name}');"
                f" list.value = [...list.options].find((one) => one.textContent ==="
                f" {name_of(name, word)!r}).value;"
                " list.dispatchEvent(new Event('change')); })()"
            )
            own = own[own[name] == word]
        tab.wait("document.documentElement.dataset.drawn")
        go(tab, sheet="科室", **chosen)
        shown = {row["科室编码"]: row for row in table(tab)}
        expected = measures(own, ("department",))
        assert len(set(shown) - {"合计"}) == len(expected)
        for row in expected.to_dict("records"):
            agree(shown[row["department"]], row)
        words = f"{len(own):,} 例，盈亏 {format_fen(own['surplus_fen'].sum())} 元"
        assert tab.run("document.getElementById('scope').textContent") == words
        assert words in tab.run("document.getElementById('live').textContent")
        tab.run("document.getElementById('clear').click()")
        tab.wait("document.getElementById('scope').textContent.startsWith('400 例')")


def test_causes_add_up_and_follow_the_department(tab: Browser, report: DeskReport) -> None:
    go(tab, sheet="因何增减", department="KD02")
    rows = table(tab, "按病组")
    expected = by_unit(report.causes).set_index("unit").loc["KD02"]
    totals = {name.rpartition("/")[2]: text for name, text in rows[-1].items()}
    assert fen(totals["增减"]) == expected["change_fen"]
    assert fen(totals["盈亏"]) - fen(totals["参照盈亏"]) == expected["change_fen"]
    parts = causes_of(report.causes)
    for row in rows:
        amounts = [fen(text) for name, text in row.items() if "/" in name and "医保" not in name]
        money = {name.rpartition("/")[2]: text for name, text in row.items()}
        if len(amounts) == len(parts):
            assert sum(amounts) == fen(money["增减"])
    told = tab.run("document.querySelector('#first-charts svg').getAttribute('aria-label')")
    assert f"本期 {figure(expected['surplus_fen'] / 1e6)}" in told


def test_against_itself_the_hospital_has_no_causes(
    chromium: Browser, report: DeskReport, tmp_path: Path
) -> None:
    own = report.desk.frame
    kept = own[(own["department"] != "KD02") | ~own["drg"].isin(["X515", "X616"])]
    now = frame_cells(kept.reset_index(drop=True))
    names = {**report.names, "drg": {**report.names["drg"], "—": "本科室没有的病组"}}
    within = replace(
        report, within=True, against="全院（同样例数）", names=names,
        causes=gathered(decompose(now, hospital_reference(now))),
    )  # fmt: skip
    write_desk_page(within, tmp_path / "页.html")
    titles = "[...document.querySelectorAll('#sheet .table h3')].map((one) => one.textContent)"
    losing = by_unit(within.causes).sort_values("surplus_fen")["unit"].iloc[0]
    for tab in opened(chromium, tmp_path / "页.html"):
        go(tab, sheet="因何增减")
        assert tab.run(titles) == ["按科室"]
        rows = table(tab, "按科室")
        assert [next(iter(row.values())) for row in rows if "合计" in row.values()] == []
        assert {row["科室编码"] for row in rows} == set(DEPARTMENTS)
        heading = tab.run("document.querySelector('#first-charts h3').textContent")
        assert heading == f"盈亏因何增减：{name_of('department', losing)}"
        go(tab, sheet="因何增减", department="KD02")
        assert tab.run(titles) == ["按科室", "按病组"]
        rows = table(tab, "按病组")
        (idle,) = (row for row in rows if row["病组名称"] == "本科室没有的病组")
        assert idle["DRG 编码"] == "—"
        buttons = "[...document.querySelectorAll('#sheet tbody button')].map((b) => b.textContent)"
        assert "—" not in tab.run(buttons)


def test_doctors_of_few_cases_are_marked_and_have_no_rank(tab: Browser, report: DeskReport) -> None:
    go(tab, sheet="同病组医生")
    shown = table(tab)
    expected = report.desk.tables["drg_doctors"]
    assert [row["DRG 编码"] for row in shown] == expected["drg"].tolist()
    assert [row["医生工号"] for row in shown] == expected["doctor"].tolist()
    assert [row["提示"] for row in shown] == ["例数少" if few else "" for few in expected["few"]]
    rank = [next(text for name, text in row.items() if name.endswith("费用位次")) for row in shown]
    assert rank == ["" if pd.isna(place) else str(place) for place in expected["rank"]]
    assert expected["few"].any()


def test_what_is_exported_is_what_is_listed(tab: Browser, report: DeskReport) -> None:
    go(tab, sheet="医生")
    tab.run(
        "window.saved = [];"
        " URL.createObjectURL = (blob) => { window.saved.push(blob); return '#'; };"
        " HTMLAnchorElement.prototype.click = function () { window.fileName = this.download; };"
        " [...document.querySelectorAll('#sheet .tools button')]"
        ".find((one) => one.textContent.startsWith('导出')).click(); void 0"
    )
    held = tab.run("window.saved[0].arrayBuffer().then((all) => [...new Uint8Array(all)])")
    raw = bytes(held)
    assert raw.startswith(b"\xef\xbb\xbf")
    rows = list(csv.DictReader(io.StringIO(raw.decode("utf-8-sig"), newline="")))
    doctors = report.desk.tables["doctors"]
    assert len(rows) == len(doctors)
    assert {row["医生"] for row in rows} == {*DOCTORS.values(), f"'{FORMULA}"} - {FORMULA}
    by_code = {row["医生工号"]: row for row in rows}
    for row in doctors.to_dict("records"):
        assert by_code[row["doctor"]]["总费用"].replace(".", "") == str(row["charges_fen"])


def test_it_can_be_used_by_keyboard_and_read_aloud(tab: Browser) -> None:
    for _ in range(40):
        tab.press("Tab")
        if tab.run("document.activeElement.getAttribute('role')") == "tab":
            break
    assert tab.run("document.activeElement.textContent") == "科室"
    tab.press("ArrowRight")
    tab.wait("document.activeElement.textContent === '因何增减'")
    tab.wait("document.documentElement.dataset.drawn")
    heads = "[...document.querySelectorAll('#sheet thead th')]"
    sort = f"{heads}.find((one) => one.querySelector('button'))"
    tab.run(f"{sort}.querySelector('button').focus()")
    tab.press("Enter", text="\r")
    assert tab.run(f"{sort}.getAttribute('aria-sort')") == "ascending"
    tab.run("document.querySelector('figure details').open = true; void 0")
    tab.wait("document.querySelector('figure details[open] .scroll') !== null")
    nameless = tab.run(
        "[...document.querySelectorAll('button, select, input, figure svg, [tabindex=\"0\"]')]"
        ".filter((one) => !((one.tagName !== 'DIV' && one.textContent.trim())"
        " || one.getAttribute('aria-label')"
        " || one.labels?.length)).length"
    )
    assert nameless == 0
    assert tab.run("[...document.querySelectorAll('th')].filter((one) => !one.scope).length") == 0
    assert (
        tab.run("[...document.querySelectorAll('table')].filter((one) => !one.caption).length") == 0
    )
    assert tab.run(
        "[...document.querySelectorAll('figure')].filter((one) => !one.hidden)"
        ".every((one) => one.querySelector('svg[role=img][aria-label]')"
        " && one.querySelector('details'))"
    )


def test_charts_lead_down_too(tab: Browser) -> None:
    tab.run(
        "(() => { const figure = [...document.querySelectorAll('figure')]"
        ".find((one) => one.textContent.includes('科室象限'));"
        " const told = figure.querySelector('details'); told.open = true; })()"
    )
    tab.wait("document.querySelector('figure details[open] tbody button') !== null")
    tab.run("document.querySelector('figure details[open] tbody button').click()")
    tab.wait("document.querySelectorAll('#crumbs li').length === 2")
    tab.wait("document.documentElement.dataset.drawn")
    # A mark of a drawing too: the first bar of the losses.
    place = tab.run(
        "(() => { const bar = document.querySelector('#first-charts figure:nth-child(2)"
        " .mark-rect path'); bar.scrollIntoView({ block: 'center' });"
        " const box = bar.getBoundingClientRect();"
        " return [box.x + box.width / 2, box.y + box.height / 2]; })()"
    )
    tab.click(*place)
    tab.wait("document.querySelectorAll('#crumbs li').length === 3")
    tab.wait("document.documentElement.dataset.drawn")


def test_a_phone_is_wide_enough_and_paper_is_light(tab: Browser) -> None:
    tab.resize(390, 844)
    go(tab, sheet="病例", case="3")
    assert tab.run("document.documentElement.scrollWidth") == 390
    tab.media(medium="print", prefers_color_scheme="dark")
    assert tab.run("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert tab.printed().startswith(b"%PDF")
    tab.media()


def test_the_demonstration_month_tells_why(
    chromium: Browser, demo_hospital: Path, tmp_path: Path
) -> None:
    month = read_months(open_workspace(demo_hospital), ["2026-10"], (5,))[0]
    desk = desk_tables(month.frame, own_reference(month.frame), desk_settings(demo_hospital))
    empty = pd.DataFrame(columns=["section", "name", "content"])
    report = DeskReport(
        "示范医院", "2026年10月", pd.Timestamp(2026, 11, 1).to_pydatetime(), desk,
        pd.DataFrame(), "", {}, empty, [month],
    )  # fmt: skip
    made = tmp_path / "月.html"
    write_desk_page(report, made)
    for tab in opened(chromium, made):
        for kind in ("high", "low", "ungrouped"):
            row = int(np.flatnonzero(month.frame["kind"] == kind)[0])
            go(tab, sheet="病例", case=str(row))
            told = tab.run(
                "[...document.querySelectorAll('#case .path li')].map((one) => one.textContent)"
            )
            own = str(month.frame["case_id"][row])
            hidden = masked_ids(pd.Series([own]))[0]
            lines = Explainer(month.scheme).lines(month.cases, month.grouping, row)
            settlement, at = month.dated.locate(row)
            paid = explain_payment(settlement, at).split("\n")
            expected = [*lines, f"支付政策：{settlement.policy.words()}", *paid]
            assert told == [line.replace(own, hidden) for line in expected]


LONG = "W" * 180
RARE = "病" * 10 + "😀𠮷外科"
"""Cut after eleven units of a string it would end with half a character."""


@pytest.fixture(scope="module")
def rough(tmp_path_factory: pytest.TempPathFactory, report: DeskReport) -> Path:
    """A page of names as long and odd as they come, two doctors of one name among them."""
    names = {
        **report.names,
        "department": {**DEPARTMENTS, "KD02": LONG, "KD03": RARE},
        "doctor": {**DOCTORS, "YS008": "同名", "YS009": "同名"},
    }
    made = tmp_path_factory.mktemp("page") / "名.html"
    write_desk_page(replace(report, hospital="医院" + LONG, names=names), made)
    return made


def test_long_names_leave_a_phone_its_width(chromium: Browser, rough: Path) -> None:
    for tab in opened(chromium, rough):
        tab.resize(360, 740)
        for chosen in ({"sheet": "科室"}, {"department": "KD02", "case": "1", "sheet": "病例"}):
            go(tab, **chosen)
            assert tab.run("document.documentElement.scrollWidth") == 360
            assert tab.run(
                "[...document.querySelectorAll('tbody button')]"
                ".every((one) => one.getBoundingClientRect().width <= 360)"
            )
        # Every key of a drawing is seen.
        cut = tab.run(
            "[...document.querySelectorAll('figure:not([hidden]) .chart')].flatMap((one) =>"
            " [...one.querySelectorAll('.role-legend text')].filter((text) =>"
            " text.getBoundingClientRect().right > one.getBoundingClientRect().right + 1)"
            ".map((text) => text.textContent))"
        )
        assert cut == []


def test_a_rare_character_is_not_cut_in_two(chromium: Browser, rough: Path) -> None:
    for tab in opened(chromium, rough):
        figure_of = (
            "[...document.querySelectorAll('figure')]"
            ".find((one) => one.querySelector('h3').textContent.startsWith('科室象限'))"
        )
        drawn = tab.run(
            f"[...{figure_of}.querySelectorAll('.role-mark text')].map((one) => one.textContent)"
        )
        assert f"{RARE[:11]}…" in drawn
        tab.run(
            "HTMLAnchorElement.prototype.click = function () { window.saved = this.download; };"
            # Half a character, as a drawing may shorten a label itself.
            f" {figure_of}.querySelector('.role-mark text').textContent = '外\\ud83d';"
            f" {figure_of}.querySelector('figcaption button').click(); void 0"
        )
        assert tab.wait("window.saved").endswith("科室象限：全院.png")


def test_doctors_of_one_name_are_two_bars(
    chromium: Browser, rough: Path, report: DeskReport
) -> None:
    few = report.desk.tables["drg_doctors"].set_index(["doctor", "drg"])["few"].unstack("drg")
    drg = next(drg for drg in few.columns if few.loc["YS008", drg] == few.loc["YS009", drg])
    for tab in opened(chromium, rough):
        go(tab, department="KD03", drg=str(drg))
        told = tab.run(
            "[...document.querySelectorAll('figure')].find((one) => one.querySelector('h3')"
            ".textContent.startsWith('同一病组内')).querySelector('svg').ariaLabel"
        )
        assert "YS008 同名" in told
        assert "YS009 同名" in told


def test_a_row_of_two_leads_to_both(tab: Browser, report: DeskReport) -> None:
    frame = report.desk.frame
    go(tab, sheet="科室病组因何")
    shown = table(tab)[0]
    click(tab, shown["DRG 编码"])
    held = tab.run("Object.fromEntries(new URLSearchParams(location.hash.slice(1)))")
    assert (held["drg"], held["sheet"]) == (shown["DRG 编码"], "病例")
    own = frame[(frame["department"] == held["department"]) & (frame["drg"] == held["drg"])]
    money = next(text for name, text in shown.items() if name.endswith("/盈亏"))
    assert fen(money) == own["surplus_fen"].sum()
    assert name_of("department", held["department"]) in shown.values()
    go(tab, sheet="同病组医生")
    shown = next(row for row in table(tab) if row["医生"] != FORMULA)
    click(tab, shown["医生"])
    held = tab.run("Object.fromEntries(new URLSearchParams(location.hash.slice(1)))")
    assert (held["drg"], held["doctor"]) == (shown["DRG 编码"], shown["医生工号"])


def test_the_focus_is_never_lost(tab: Browser) -> None:
    for chosen, clicked in (
        ({"department": "KD02"}, "#crumbs button"),
        ({"department": "KD02"}, "#clear"),
        ({"case": "3"}, "#case .tools button:last-child"),
    ):
        go(tab, **chosen)
        tab.run(f"document.querySelector({clicked!r}).focus()")
        tab.press("Enter", text="\r")
        tab.run("new Promise((then) => setTimeout(then, 20))")
        tab.wait("document.documentElement.dataset.drawn")
        assert tab.run("document.activeElement.id") == "sheet", clicked


def test_an_address_of_no_case_opens_none(tab: Browser) -> None:
    for case in ("1.5", "", "1e1", "-1", "400", "x"):
        go(tab, sheet="病例", case=case)
        assert tab.run("document.getElementById('case').hidden"), case


def test_causes_are_headed_by_what_they_are_of(tab: Browser) -> None:
    go(tab, department="KD02", doctor="YS004")
    heading = tab.run("document.querySelector('#first-charts h3').textContent")
    assert heading == f"盈亏因何增减：{DEPARTMENTS['KD02']}"


def test_where_nothing_changed_no_department_is_blamed(
    chromium: Browser, report: DeskReport, tmp_path: Path
) -> None:
    parts = [*causes_of(report.causes), "change_fen"]
    same = report.causes.assign(
        reference_fen=report.causes["surplus_fen"], **dict.fromkeys(parts, 0)
    )
    made = tmp_path / "同.html"
    write_desk_page(replace(report, causes=same), made)
    for tab in opened(chromium, made):
        heading = tab.run("document.querySelector('#first-charts h3').textContent")
        assert heading == "盈亏因何增减：全院"


def test_numbers_are_exported_as_numbers_and_text_as_text(tab: Browser) -> None:
    words = (Path(desk_page.__file__).with_name("templates") / "words.js").read_text("utf-8")
    given = ["-1.8e-12", "-5.25", "1e+21", "=1+1", "+1", "-1+1", "@A", "\t=1", '"', "a,b"]
    told = tab.run(f"(() => {{ {words}; return {given!r}.map(field) }})()")
    assert told == [
        *("-1.8e-12", "-5.25", "1e+21", "'=1+1", "'+1", "'-1+1", "'@A", "'\t=1"),
        *('""""', '"a,b"'),
    ]
