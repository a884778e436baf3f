"""The insurance office's page as a file: what it holds, and what it doesn't."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from desk_report import DEPARTMENTS, DOCTORS, HOSTILE, SETTINGS, desk_report

from drg_engine.desk_frame import DeskMonth, read_months
from drg_engine.desk_reference import desk_settings, own_reference
from drg_engine.desk_tables import desk_tables
from drg_engine.errors import InputError
from drg_engine.explanation import Explainer
from drg_engine.payment_explain import explain_payment
from drg_engine.workspace import open_workspace
from reports import desk_page
from reports.desk import DeskReport
from reports.desk_page import department_edition, write_desk_page
from reports.desk_page_data import FLAGS, MONEY
from reports.desk_page_paths import coded_paths, whole_path

LIBRARY = re.compile(r"<script>.*?</script>", re.DOTALL)


@pytest.fixture(scope="module")
def report() -> DeskReport:
    return desk_report()


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory, report: DeskReport) -> str:
    path = tmp_path_factory.mktemp("page") / "页.html"
    write_desk_page(report, path)
    return path.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def month(demo_hospital: Path) -> DeskMonth:
    return read_months(open_workspace(demo_hospital), ["2026-10"], (5,))[0]


def data_of(page: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="page-data">(.*?)</script>', page)
    assert found is not None
    return dict(json.loads(found.group(1)))


def column_of(column: Any, n: int) -> Any:
    if column == 0:
        return np.zeros(n, dtype=np.int64)
    if isinstance(column, dict) and "where" in column:
        found = np.zeros(n, dtype=np.int64)
        found[column["where"]] = column["is"]
        return found
    if isinstance(column, dict):
        return np.array(column["of"], dtype=np.int64)[column["at"]]
    return np.array(column, dtype=np.int64)


def written(report: DeskReport, path: Path, **options: Any) -> str:
    write_desk_page(report, path, **options)
    return path.read_text(encoding="utf-8")


def test_its_columns_are_the_cases_to_the_fen(page: str, report: DeskReport) -> None:
    data, frame = data_of(page), report.desk.frame
    assert data["cases"] == len(frame)
    for name in ("units", "los", *(f"{name}_fen" for name in MONEY)):
        np.testing.assert_array_equal(column_of(data["numbers"][name], len(frame)), frame[name])
    bits = column_of(data["flags"], len(frame))
    for place, name in enumerate(FLAGS):
        np.testing.assert_array_equal((bits >> place) & 1, frame[name].astype(int))
    for name in ("period", "department", "doctor", "drg", "insurance", "kind"):
        words = np.array(data["texts"][name]["words"], dtype=object)
        assert words[data["texts"][name]["codes"]].tolist() == frame[name].tolist()
    causes = data["causes"]
    for name in ("surplus_fen", "reference_fen", "change_fen", *causes["parts"]):
        told = column_of(causes[name], causes["rows"]).tolist()
        assert told == report.causes[name].tolist(), name


def test_nothing_is_fetched_and_only_its_own_scripts_run(page: str) -> None:
    found = re.search(r'Content-Security-Policy" content="([^"]*)"', page)
    assert found is not None
    policy = html.unescape(found.group(1))
    assert "default-src 'none'" in policy
    assert "unsafe-eval" not in policy
    scripts = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    assert len(scripts) == 2
    for script in scripts:
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in policy
    around = LIBRARY.sub("", page)
    assert re.findall(r"https?://", around) == []
    assert re.findall(r"\b(?:src|href)=\"(?!#)", around) == []


def test_names_cannot_leave_their_place(page: str) -> None:
    around = LIBRARY.sub("", page)
    assert around.count("<script") == around.count("</script") == 1  # that of the data
    assert "<img" not in around
    assert "<b>" not in around
    assert data_of(page)["names"]["department"]["KD01"] == HOSTILE


def test_same_report_same_bytes(tmp_path: Path, page: str, report: DeskReport) -> None:
    assert written(report, tmp_path / "1.html") == page
    assert written(desk_report(), tmp_path / "2.html") == page


def test_ids_are_masked_unless_asked_for(tmp_path: Path, page: str, report: DeskReport) -> None:
    ids = report.desk.frame["case_id"].tolist()
    assert [one for one in ids if one in page] == []
    assert data_of(page)["ids"][0] == f"＊＊＊{ids[0][-4:]}"
    whole = written(report, tmp_path / "全.html", show_ids=True)
    assert data_of(whole)["ids"] == ids


@pytest.mark.parametrize("department", [*DEPARTMENTS])
def test_an_edition_holds_its_own_department_only(
    tmp_path: Path, report: DeskReport, department: str
) -> None:
    page = written(report, tmp_path / "科.html", department=department, show_ids=True)
    frame = report.desk.frame
    own = frame[frame["department"] == department]
    others = frame[frame["department"] != department]
    around = LIBRARY.sub("", page)
    data = data_of(page)
    assert data["ids"] == own["case_id"].tolist()
    foreign = {*others["case_id"], *(set(others["doctor"]) - set(own["doctor"]))}
    foreign |= {code for code in DEPARTMENTS if code != department}
    foreign |= {name for code, name in DEPARTMENTS.items() if code in foreign}
    foreign |= {name for code, name in DOCTORS.items() if code in foreign}
    foreign |= {f"{sign}组" for sign in "一二三"} - set(own["doctor_group"])
    held = json.dumps(data, ensure_ascii=False)
    assert sorted(word for word in foreign if word in around or word in held) == []
    assert data["compared"][1:] == []
    assert column_of(data["numbers"]["surplus_fen"], len(own)).sum() == own["surplus_fen"].sum()
    assert set(data["causes"]["department"]["words"]) == {department}
    assert "全院" not in held
    assert data["whole"] == DEPARTMENTS[department]
    assert data["title"].startswith(DEPARTMENTS[department])


def test_an_edition_of_nobody_is_refused(report: DeskReport) -> None:
    with pytest.raises(InputError, match="科室"):
        department_edition(report, "KD99")


def test_a_report_without_comparison_has_no_causes(tmp_path: Path, report: DeskReport) -> None:
    page = written(replace(report, causes=report.causes.iloc[:0], against=""), tmp_path / "无.html")
    data = data_of(page)
    assert data["causes"] is None
    assert [chart["name"] for chart in data["charts"]][:2] == ["losses", "departments"]
    sources = [table["source"] for sheet in data["sheets"] for table in sheet["tables"]]
    assert [source for source in sources if source.startswith("causes")] == []


def test_nothing_grouped_and_no_department_is_a_page_too(
    tmp_path: Path, report: DeskReport
) -> None:
    frame = report.desk.frame.assign(
        grouped=False, surgical=False, heavy=False, standing=False, near=False, units=0,
        drg="0000", kind="ungrouped", department="", doctor="", standard_fen=0,
    )  # fmt: skip
    desk = desk_tables(
        frame.drop(columns=["cost_ratio", "time_ratio"]), report.desk.reference, SETTINGS
    )
    data = data_of(written(replace(report, desk=desk), tmp_path / "空.html"))
    assert data["cut"] is None
    assert (data["whole"], data["edition"]) == ("全院", False)
    drawn = {
        chart["name"]: chart["spec"]["layer"]
        for chart in data["charts"]
        if "layer" in chart["spec"]
    }
    upright = [one for one in drawn["drgs"] if "datum" in (one["encoding"].get("x") or {})]
    assert upright == []


def test_the_sheets_are_the_workbooks(page: str) -> None:
    data = data_of(page)
    sources = [table["source"] for sheet in data["sheets"] for table in sheet["tables"]]
    assert set(sources) >= {
        "header", "months", "departments", "causes_departments", "causes_drgs", "causes", "drgs",
        "doctor_groups", "doctors", "drg_doctors", "insurances", "kinds", "fees", "cases",
    }  # fmt: skip
    assert "{" not in "".join(sheet["note"] for sheet in data["sheets"])


def test_paths_are_the_explanations_to_the_letter(month: DeskMonth) -> None:
    frame = month.frame
    rows = frame.groupby("kind", sort=True).head(12)
    # A sample of its own order: the page's rows are not the month's.
    sample = rows.iloc[::-1].reset_index(drop=True)
    paths = coded_paths(sample, [month])
    explainer = Explainer(month.scheme)
    for row in range(len(sample)):
        place = int(sample["place"].iloc[row])
        settlement, at = month.dated.locate(place)
        told = whole_path(paths, sample, row)
        grouped = explainer.lines(month.cases, month.grouping, place)
        assert told[: len(grouped)] == grouped
        policy, *paid = told[len(grouped) :]
        assert policy == f"支付政策：{settlement.policy.words()}"
        assert paid == explain_payment(settlement, at).split("\n")


def test_a_month_of_five_thousand_is_small(
    tmp_path: Path, month: DeskMonth, demo_hospital: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = _month_report(month, demo_hospital)
    path = tmp_path / "月.html"
    write_desk_page(report, path)
    assert len(month.frame) > 4_900
    assert path.stat().st_size < 5_000_000
    data = data_of(path.read_text(encoding="utf-8"))
    assert len(data["paths"]["grouped"]) == len(data["paths"]["paid"]) == len(month.frame)
    ids = set(month.frame["case_id"])
    assert ids & set(re.findall(r"\w+", path.read_text(encoding="utf-8"))) == set()
    monkeypatch.setattr(desk_page, "MOST_PATHS", 100)
    assert data_of(written(report, path))["paths"] == {}


def _month_report(month: DeskMonth, folder: Path) -> DeskReport:
    settings = desk_settings(folder)
    desk = desk_tables(month.frame, own_reference(month.frame), settings)
    empty = pd.DataFrame(columns=["section", "name", "content"])
    return DeskReport(
        "示范医院", "2026年10月", pd.Timestamp(2026, 11, 1).to_pydatetime(), desk,
        pd.DataFrame(), "", {}, empty, [month],
    )  # fmt: skip
