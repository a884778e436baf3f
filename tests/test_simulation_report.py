"""The analyst's commands over the demonstration hospital, and the workbook they write."""

from __future__ import annotations

import base64
import csv
import hashlib
import json
import math
import re
import shutil
import zipfile
from dataclasses import replace
from html.parser import HTMLParser
from importlib import resources
from pathlib import Path

import openpyxl
import pandas as pd
import pytest
import typer
from typer.testing import CliRunner

from drg_engine.cli_simulate import register
from drg_engine.errors import DrgEngineError, PolicyError, WorkspaceError
from drg_engine.month import compute_month
from drg_engine.scenario import load_scenario
from drg_engine.simulation_input import joined_columns, load_months, periods_of
from drg_engine.simulation_report import simulation_report
from drg_engine.simulation_tables import totals
from drg_engine.workspace import open_workspace
from grouper_tables import load_scheme
from reports.layout import Layout
from reports.simulation import (
    MASKED,
    SIMULATION_LAYOUT,
    SimulationReport,
    attribution_steps,
    table_columns,
    write_simulation_workbook,
)
from reports.simulation_page import simulation_page, write_simulation_page
from reports.style import Style

MONTH = "2026-10"
HEAD = '[scenario]\ntitle = "{title}"\nauthor = "医保办"\nsource = "测算"\n'
RATES = HEAD.format(title="=费率下调") + "[changes]\nlow.bound = 0.35\n[factors]\nrates = 0.95\n"
MANY = (
    HEAD.format(title="权重、系数、成本")
    + "[changes]\ncoefficient.default = 0.98\n[weights]\nscale = 1.03\n[cost]\npercent = -4.0\n"
)
SCHEME = (
    HEAD.format(title="换方案")
    + '[scheme]\nname = "chs_drg_1_1"\n[weights]\nfile = "权重.csv"\nscheme = "chs_drg_1_1"\n'
)


@pytest.fixture(scope="module")
def app() -> typer.Typer:
    made = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)
    register(made)
    return made


@pytest.fixture(scope="module")
def files(tmp_path_factory, demo_hospital: Path) -> list[Path]:
    folder = tmp_path_factory.mktemp("scenarios")
    scheme = load_scheme("harbin_2024")
    known = set(load_scheme("chs_drg_1_1").drg_codes)
    rows = [
        f"{code},{weight}"
        for code, weight in zip(scheme.drg_codes, scheme.weights.tolist(), strict=True)
        if code in known and math.isfinite(weight)
    ]
    (folder / "权重.csv").write_text("病组编码,权重\n" + "\n".join(rows), encoding="utf-8")
    made = []
    for name, text in (("费率", RATES), ("综合", MANY), ("方案", SCHEME)):
        path = folder / f"{name}.toml"
        path.write_text(text, encoding="utf-8")
        made.append(path)
    return made


@pytest.fixture(scope="module")
def out(tmp_path_factory, app: typer.Typer, demo_hospital: Path, files: list[Path]) -> Path:
    folder = tmp_path_factory.mktemp("out")
    arguments = ["simulate", str(demo_hospital), MONTH, *map(str, files), "--out", str(folder)]
    done = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return folder


@pytest.fixture(scope="module")
def report(demo_hospital: Path, files: list[Path]) -> SimulationReport:
    scenarios = [load_scenario(path) for path in files]
    return simulation_report(load_months(demo_hospital, MONTH, scenarios), scenarios)


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as stream:
        return list(csv.DictReader(stream))


def fen(text: str) -> int:
    return round(float(text) * 100)


def test_the_baseline_is_the_month(demo_hospital: Path, out: Path) -> None:
    month = compute_month(open_workspace(demo_hospital), MONTH, lambda _: None)
    hospital = month.rollups["hospital"].iloc[0]
    base = rows_of(out / "对比.csv")[0]
    assert base["情景"] == "基准"
    assert int(base["例数"]) == hospital["cases"]
    assert fen(base["支付"]) == hospital["paid_fen"]
    assert fen(base["医保盈亏"]) == hospital["surplus_fen"]
    assert fen(base["成本盈亏"]) == hospital["cost_surplus_fen"]
    assert float(base["CMI"]) == hospital["cmi"]


def test_tables_add_up(out: Path) -> None:
    compared = {row["情景"].lstrip("'"): row for row in rows_of(out / "对比.csv")}
    assert list(compared) == ["基准", "=费率下调", "权重、系数、成本", "换方案"]
    parts = ("分组方案", "权重", "费率与点值", "机构系数", "倍率与特殊病例规则")
    for name, whole in list(compared.items())[1:]:
        change = fen(whole["支付增减"])
        assert change == fen(whole["支付"]) - fen(compared["基准"]["支付"])
        for table in ("科室", "病组", "医生", "险种", "病例类型"):
            rows = [r for r in rows_of(out / f"{table}.csv") if r["情景"].lstrip("'") == name]
            assert sum(fen(row["支付增减"]) for row in rows) == change, table
        for table in ("归因-科室", "归因-病组"):
            rows = [r for r in rows_of(out / f"{table}.csv") if r["情景"].lstrip("'") == name]
            assert all(
                sum(fen(row[part]) for part in parts) == fen(row["支付增减"]) for row in rows
            )
            assert sum(fen(row["支付增减"]) for row in rows) == change, table
    costs = [r for r in rows_of(out / "归因.csv") if r["口径"] == "成本盈亏"]
    assert sum(fen(costs[1][part]) for part in (*parts, "成本")) == fen(costs[1]["支付增减"])
    moved = rows_of(out / "病组迁移.csv")
    assert {row["情景"] for row in moved} == {"换方案"}
    assert all(row["基准 DRG"] != row["DRG 编码"] for row in moved)


def test_the_workbook(out: Path) -> None:
    book = openpyxl.load_workbook(out / "情景模拟.xlsx")
    assert book.sheetnames == [
        *("概况", "对比", "改动", "科室", "病组", "医生", "病例类型", "病例", "病组迁移", "归因"),
        *("编制依据", "图表数据"),
    ]
    for sheet in book:
        for row in sheet.iter_rows():
            assert all(cell.data_type != "f" for cell in row)
    compared = book["对比"]
    names = [compared.cell(row, 1).value for row in range(5, 9)]
    assert names == ["基准", "=费率下调", "权重、系数、成本", "换方案"]
    ids = [cell.value for cell in book["病例"]["B"][3:] if cell.value]
    assert ids
    assert all(text.startswith("＊＊＊") for text in ids[1:])
    charts = [name for name in _entries(out / "情景模拟.xlsx") if "charts/chart" in name]
    assert len(charts) == 6  # waterfall and two tornados, then a waterfall for each scenario


def _entries(path: Path) -> list[str]:
    with zipfile.ZipFile(path) as archive:
        return archive.namelist()


def test_the_same_report_gives_the_same_bytes(tmp_path: Path, report: SimulationReport) -> None:
    write_simulation_workbook(report, tmp_path / "a.xlsx")
    write_simulation_workbook(report, tmp_path / "c.xlsx")
    assert (tmp_path / "a.xlsx").read_bytes() == (tmp_path / "c.xlsx").read_bytes()
    write_simulation_workbook(report, tmp_path / "b.xlsx", show_case_ids=True)
    shown = openpyxl.load_workbook(tmp_path / "b.xlsx")["病例"]
    assert not str(shown["B5"].value).startswith("＊")


class _Page(HTMLParser):
    """Checks that tags close, and gathers the data, the scripts and what the page asks for."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.asked: list[str] = []
        self.scripts: list[tuple[str, str]] = []
        self.policy = ""
        self.words: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.asked += [str(found[name]) for name in ("src", "href") if name in found]
        if found.get("http-equiv") == "Content-Security-Policy":
            self.policy = str(found["content"])
        if tag == "script":
            self.scripts.append((found.get("type") or "", ""))
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "script":
            kind, text = self.scripts[-1]
            self.scripts[-1] = (kind, text + data)
        else:
            self.words.append(data)


def page_of(path: Path) -> _Page:
    page = _Page()
    page.feed(path.read_text(encoding="utf-8"))
    assert page.open == []
    return page


def test_the_page(tmp_path: Path, report: SimulationReport, out: Path) -> None:
    path = out / "情景模拟.html"
    assert path.stat().st_size < 5_000_000
    page = page_of(path)
    assert page.asked == ["#main"]
    (kind, text), *code = page.scripts
    assert kind == "application/json"
    data = json.loads(text)
    assert data["chooser"]["values"] == ["基准", "=费率下调", "权重、系数、成本", "换方案"]
    compared = data["tables"][0]["data"]
    assert compared["paid_fen"] == report.tables["comparison"]["paid_fen"].tolist()
    names = [chart["name"] for chart in data["charts"]]
    assert {"scenarios", "attribution", "departments", "drgs", "doctors", "migration"} <= set(names)
    case_id = report.tables["cases"]["case_id"].iloc[0]
    assert case_id not in text
    # The browser runs these two scripts and no other, and asks nobody for anything.
    hashes = [
        base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for _, script in code
    ]
    assert len(hashes) == 2
    assert "default-src 'none'" in page.policy
    assert f"script-src 'sha256-{hashes[0]}' 'sha256-{hashes[1]}';" in page.policy
    write_simulation_page(report, tmp_path / "b.html", show_case_ids=True)
    whole = (tmp_path / "b.html").read_text(encoding="utf-8")
    assert case_id in whole
    assert MASKED in text
    assert MASKED not in whole


def test_the_same_report_gives_the_same_page(tmp_path: Path, report: SimulationReport) -> None:
    write_simulation_page(report, tmp_path / "a.html")
    write_simulation_page(report, tmp_path / "b.html")
    assert (tmp_path / "a.html").read_bytes() == (tmp_path / "b.html").read_bytes()


def test_a_waterfall_leads_from_the_baseline_to_the_scenario(report: SimulationReport) -> None:
    layout = Layout.load(SIMULATION_LAYOUT, Style.load())
    compared = report.tables["comparison"].set_index("scenario")["surplus_fen"]
    for name in compared.index[1:]:
        first, *parts, last = attribution_steps(report.tables, layout, name)
        assert (first.whole, last.whole) == (True, True)
        assert round(first.value * 100) == compared["基准"]
        assert round(last.value * 100) == compared[name]
        assert parts
        moved = sum(round(step.value * 100) for step in parts)
        assert compared["基准"] + moved == compared[name]


def test_a_page_of_many_scenarios_holds_the_largest_changes(
    report: SimulationReport, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reports.simulation_page._MOST_ROWS", 2_000)

    def many(frame: pd.DataFrame) -> pd.DataFrame:
        if "scenario" not in frame.columns:
            return frame
        base = frame[frame["scenario"] == "基准"]
        rest = frame[frame["scenario"] != "基准"]
        copies = [rest.assign(scenario=rest["scenario"] + str(at)) for at in range(8)]
        return pd.concat([base, *copies], ignore_index=True)

    crowd = replace(report, tables={name: many(frame) for name, frame in report.tables.items()})
    tables = {table.data["title"]: table.data for table in simulation_page(crowd).tables}
    assert sum(table["rows"] for table in tables.values()) < 2_500
    assert tables["情景对比"]["rows"] == 1 + 3 * 8
    drgs = tables["各病组的得失"]
    assert "各情景只列增减最大的" in drgs["note"]
    assert not drgs["whole"]
    words, codes = drgs["data"]["scenario"]["words"], drgs["data"]["scenario"]["codes"]
    kept = [
        abs(change)
        for change, code in zip(drgs["data"]["change_fen"], codes, strict=True)
        if words[code] == "换方案7"
    ]
    rows = report.tables["drgs"]
    sizes = rows[rows["scenario"] == "换方案"]["change_fen"].abs().nlargest(len(kept))
    assert sorted(kept, reverse=True) == sizes.tolist()


def test_a_page_is_safe_from_what_it_shows(tmp_path: Path, report: SimulationReport) -> None:
    evil = "</script><script>alert(1)</script><!--"
    tables = {
        name: frame.replace({"scenario": {"换方案": evil}}) if "scenario" in frame else frame
        for name, frame in report.tables.items()
    }
    write_simulation_page(replace(report, tables=tables), tmp_path / "a.html")
    page = page_of(tmp_path / "a.html")
    assert len(page.scripts) == 3
    assert json.loads(page.scripts[0][1])["chooser"]["values"][-1] == evil


def test_every_table_has_its_columns(report: SimulationReport) -> None:
    """A column of the layout that no table has would never be shown."""
    for source, columns in table_columns().items():
        frame = report.tables[source]
        if not frame.empty:
            missing = [
                column.key for column in columns if column.key and column.key not in frame.columns
            ]
            assert missing == [], source
    assert set(table_columns()) == set(SimulationReport.TABLES)


def test_stacked_with_another_order(
    tmp_path: Path, app: typer.Typer, demo_hospital: Path, files: list[Path]
) -> None:
    arguments = ["simulate", str(demo_hospital), MONTH, str(files[0]), str(files[1])]
    options = ["--stack", "--order", "rates,weights", "--out", str(tmp_path)]
    done = CliRunner().invoke(app, [*arguments, *options], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    assert [row["情景"].lstrip("'") for row in rows_of(tmp_path / "对比.csv")] == [
        "基准",
        "=费率下调 + 权重、系数、成本",
    ]
    order = rows_of(tmp_path / "归因.csv")[0]["次序"]
    assert order.startswith("分组方案 → 费率与点值 → 权重 → 机构系数")
    with pytest.raises(PolicyError, match="归因的次序有误"):
        CliRunner().invoke(
            app, [*arguments, "--order", "price", "--out", str(tmp_path)], catch_exceptions=False
        )


def without_times(shown: str) -> str:
    """What a command showed but for how long its stages took."""
    return re.sub(r"\d+:\d\d:\d\d", "", shown)


def test_the_other_commands(
    tmp_path: Path, app: typer.Typer, demo_hospital: Path, files: list[Path]
) -> None:
    start = [str(demo_hospital), "2026"]

    def said(*arguments: str) -> str:
        done = CliRunner().invoke(app, [*arguments], catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return done.output

    table = tmp_path / "扫描.csv"
    swept = said("sweep", *start, "low.bound=0.3:0.5:0.1", "--out", str(table))
    assert "扫描（3 点）" in swept
    assert [row["low.bound"] for row in rows_of(table)] == ["0.3", "0.4", "0.5"]
    turns = tmp_path / "平衡点.csv"
    assert "各病组的平衡点" in said("breakeven", *start, "--out", str(turns))
    first = rows_of(turns)[0]
    assert float(first["平衡倍率"]) == 1.0
    assert first["病组名称"]
    assert "各项规则都执行" in said("neutral", *start, str(files[1]))
    drawn = said("montecarlo", *start, str(files[0]), "--seed", "1", "--draws", "20")
    assert "重抽 20 次，种子 1，95% 区间" in drawn
    again = said("montecarlo", *start, str(files[0]), "--seed", "1", "--draws", "20")
    assert without_times(drawn) == without_times(again)


def test_months(tmp_path: Path, demo_hospital: Path) -> None:
    workspace = open_workspace(demo_hospital)
    assert periods_of(workspace, "2026-11..2027-02") == (
        *("2026-11", "2026-12", "2027-01", "2027-02"),
    )
    assert periods_of(workspace, "2026-10, 2026-01") == ("2026-01", "2026-10")
    assert periods_of(workspace, "2026") == (MONTH,)
    assert periods_of(workspace, "2026-Q3") == ("2026-07", "2026-08", "2026-09")
    assert periods_of(workspace, "2026q1,2026-02") == ("2026-01", "2026-02", "2026-03")
    for text in ("2026-13", "十月", "", "2027-02..2026-11", "2026-Q5"):
        with pytest.raises(WorkspaceError, match="月份写法不对"):
            periods_of(workspace, text)
    with pytest.raises(WorkspaceError, match="没有这一年的输入"):
        periods_of(workspace, "2020")


def test_months_joined_are_their_sum(tmp_path: Path, demo_hospital: Path) -> None:
    """Two months with different code books; the cap is off, so months don't touch each other."""
    folder = tmp_path / "两月"
    lines = (demo_hospital / "inputs" / MONTH / "cases.csv").read_text("utf-8-sig").splitlines()
    for month, kept in (("2026-09", lines[1:400]), (MONTH, lines[400:900])):
        place = folder / "inputs" / month
        place.mkdir(parents=True)
        text = "\n".join([lines[0], *kept]) + "\n"
        (place / "cases.csv").write_text(text, encoding="utf-8")
    (folder / "hospital.toml").write_text(
        (demo_hospital / "hospital.toml").read_text(encoding="utf-8"), encoding="utf-8"
    )
    path = tmp_path / "不设上限.toml"
    path.write_text(HEAD.format(title="不设上限") + "[changes]\nhigh.cap_share = 1.0\n", "utf-8")
    scenario = load_scenario(path)
    found = []
    for periods in ("2026-09", MONTH, "2026"):
        loaded = load_months(folder, periods, [scenario])
        found.append(totals(loaded.simulation.run(scenario).after))
    for name in ("cases", "grouped", "charges_fen", "paid_fen", "standard_fen", "cost_surplus_fen"):
        one, two, both = (getattr(each, name) for each in found)
        assert one + two == both, name
    assert both == found[2].cost_surplus_fen


def test_joining_one_month_is_that_month(demo_hospital: Path) -> None:
    base = load_months(demo_hospital, MONTH, []).simulation.base.columns
    assert joined_columns([base]) is base
    twice = joined_columns([base, base])
    for name in ("hospital", "insurance", "department", "doctor"):
        one, two = base.label(name), twice.label(name)
        assert one is not None
        assert two is not None
        texts = [one.names[code] if code >= 0 else None for code in one.codes[:50]]
        assert [two.names[code] if code >= 0 else None for code in two.codes[:50]] == texts
    assert [twice.dx_names[at] for at in twice.principal[base.n : base.n + 50]] == [
        base.dx_names[at] for at in base.principal[:50]
    ]


def test_two_policies_by_date_are_one_baseline(
    tmp_path: Path, app: typer.Typer, demo_hospital: Path
) -> None:
    """A month in which the policy changes: the baseline is the month, the scenario moves both."""
    folder = tmp_path / "两份政策"
    place = folder / "inputs" / MONTH
    place.mkdir(parents=True)
    shutil.copy(demo_hospital / "inputs" / MONTH / "cases.csv", place)
    text = (resources.files("drg_engine") / "policies" / "harbin_2024.toml").read_text("utf-8")
    (folder / "policies").mkdir()
    for name, begin, end, rate in (
        ("early", "2024-01-01", "effective_to = 2026-10-16", "12252.70"),
        ("late", "2026-10-16", "", "11000.00"),
    ):
        made = text.replace('name = "harbin_2024"', f'name = "{name}"')
        made = made.replace("effective_from = 2024-01-01", f"effective_from = {begin}\n{end}")
        (folder / "policies" / f"{name}.toml").write_text(made.replace("12252.70", rate), "utf-8")
    settings = (demo_hospital / "hospital.toml").read_text(encoding="utf-8")
    settings = settings.replace('policy = "harbin_2024"', 'policy = "policies"')
    (folder / "hospital.toml").write_text(settings.replace('plan = "plan.toml"', ""), "utf-8")
    path = tmp_path / "费率.toml"
    path.write_text(HEAD.format(title="费率 × 0.9") + "[factors]\nrates = 0.9\n", "utf-8")
    scenario = load_scenario(path)
    report = simulation_report(load_months(folder, MONTH, [scenario]), [scenario], files=[path])
    month = compute_month(open_workspace(folder), MONTH, lambda _: None)
    compared = report.tables["comparison"]
    assert compared["paid_fen"][0] == month.rollups["hospital"]["paid_fen"].iloc[0]
    assert compared["paid_fen"][1] < compared["paid_fen"][0]
    changes = report.tables["changes"]
    rates = changes[changes["key"] == "rates.310"]
    assert [
        name in words for name, words in zip(("early", "late"), rates["policy"], strict=True)
    ] == [True] * 2
    assert rates["before"].tolist() == ["12252.7", "11000.0"]
    made = report.tables["made_from"]
    assert {"基准政策 1", "基准政策 2"} <= set(made["section"])
    assert made[made["section"] == "情景文件"]["name"].tolist() == ["费率.toml"]
    assert report.head.count("哈尔滨市 2024 年 DRG 支付") == 2
    parts = report.tables["attribution"].iloc[0]
    assert parts["rates_fen"] == parts["change_fen"] == compared["change_fen"][1]


def test_who_pays_is_drawn_where_it_is_known(report: SimulationReport) -> None:
    names = {chart.name for chart in simulation_page(report).charts}
    assert "fund" not in names  # the demonstration's cases don't say what patients paid
    compared = report.tables["comparison"].assign(
        fund_cases=9, fund_fen=[900, 800, 700, 600], patient_fen=[100, 100, 50, 10], other_fen=0
    )
    known = replace(report, tables={**report.tables, "comparison": compared})
    chart = next(one for one in simulation_page(known).charts if one.name == "fund")
    assert chart.rows["换方案"] == [
        {"label": "基金支付", "series": "基准", "value": 0.0009},
        {"label": "基金支付", "series": "情景", "value": 0.0006},
        {"label": "个人支付", "series": "基准", "value": 0.0001},
        {"label": "个人支付", "series": "情景", "value": 0.00001},
    ]


def test_faults_of_scenarios_are_told_together(
    tmp_path: Path, app: typer.Typer, demo_hospital: Path
) -> None:
    paths = []
    for number in (1, 2):
        path = tmp_path / f"坏{number}.toml"
        path.write_text("[scenario]\n", encoding="utf-8")
        paths.append(str(path))
    arguments = ["simulate", str(demo_hospital), MONTH, *paths, "--out", str(tmp_path)]
    with pytest.raises(DrgEngineError) as caught:
        CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert "坏1.toml [scenario.title]" in str(caught.value)
    assert "坏2.toml [scenario.title]" in str(caught.value)
    for path in map(Path, paths):
        path.write_text(HEAD.format(title=path.stem) + "[changes]\nlow.bond = 1\n", "utf-8")
    with pytest.raises(PolicyError) as caught:
        CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert "坏1.toml [low.bond]" in str(caught.value)
    assert "坏2.toml [low.bond]" in str(caught.value)
    bases = [HEAD.format(title=base) + f'baseline = "{base}"\n' for base in ("harbin_2023", "")]
    for path, text in zip(map(Path, paths), bases, strict=True):
        path.write_text(text.replace('title = ""', 'title = "无"'), "utf-8")
    with pytest.raises(PolicyError, match="各情景的基准政策不同"):
        CliRunner().invoke(app, arguments, catch_exceptions=False)
