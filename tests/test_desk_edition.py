"""A department's edition: nothing in it depends on what is another department's."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from desk_report import DEPARTMENTS, desk_frame, desk_report

from drg_engine.decomposition import decompose, frame_cells, gathered, hospital_reference
from drg_engine.desk_edition import OTHERS, UNCOMPARED, department_code, own_cut, own_means
from drg_engine.desk_measures import measures
from drg_engine.desk_reference import Reference, own_reference
from drg_engine.errors import DrgEngineError, InputError
from drg_engine.surplus_command import surplus_and_show
from reports.desk import DeskReport
from reports.desk_page import write_desk_page

MONTH = "2026-10"
OWN = "D115"
OTHER = ("D101", "D102", "D109", "D112")
Rows = list[dict[str, str]]


def _hospital(folder: Path, demo: Path, change: Callable[[Rows], Rows], cut: str) -> Path:
    """A small hospital of the demonstration's cases; ``change`` is done to other departments'."""
    inputs = folder / "inputs" / MONTH
    shutil.copytree(
        demo, folder, ignore=shutil.ignore_patterns("out", "runs", "charges.csv", "ledger*")
    )
    with (inputs / "cases.csv").open(encoding="utf-8-sig", newline="") as stream:
        rows = list(csv.DictReader(stream))
    own = [row for row in rows if row["出院科室"] == OWN][:120]
    others = [row for row in rows if row["出院科室"] in OTHER][:300]
    held = io.StringIO()
    writer = csv.DictWriter(held, list(rows[0]))
    writer.writeheader()
    writer.writerows([*change(others), *own])
    (inputs / "cases.csv").write_text(held.getvalue(), encoding="utf-8")
    (folder / "desk.toml").write_text(f"cmi_cut = {cut}\n", encoding="utf-8")
    return folder


def _as_they_are(rows: Rows) -> Rows:
    return rows


def _others_differ(rows: Rows) -> Rows:
    """Fewer cases of other departments, at other amounts, of other lengths."""
    return _at_other_amounts(rows[::3], 1.3)


def _others_are_cheaper(rows: Rows) -> Rows:
    """As many, none of which is paid as a dear one in the place of the department's own."""
    return _at_other_amounts(rows, 0.7)


def _at_other_amounts(rows: Rows, factor: float) -> Rows:
    kept = [dict(row) for row in rows]
    money = ("总费用", "药品费", "耗材费", "检查化验费", "医疗服务费", "其他费", "成本")
    for at, row in enumerate(kept):
        row["住院天数"] = str(int(row["住院天数"]) + 1 + at % 3)
        for name in money:
            row[name] = f"{float(row[name]) * (factor + 0.01 * (at % 7)):.2f}"
        row["总费用"] = f"{sum(float(row[name]) for name in money[1:6]):.2f}"
    return kept


def _parts(folder: Path) -> dict[str, str]:
    """Every file of an edition as text, part by part, without what is told of files."""
    found = {}
    for path in sorted(folder.iterdir()):
        if path.suffix == ".xlsx":
            with zipfile.ZipFile(path) as archive:
                for name in archive.namelist():
                    found[f"{path.name}/{name}"] = archive.read(name).decode("utf-8", "replace")
        else:
            found[path.name] = path.read_text(encoding="utf-8-sig")
    return {name: re.sub(r"\b[0-9a-f]{64}\b", "指纹", text) for name, text in found.items()}


def test_nothing_of_an_edition_depends_on_other_departments(
    tmp_path: Path, demo_hospital: Path
) -> None:
    """If other departments' figures could be worked back, other figures would give another file."""
    told = []
    for name, change in (("一", _as_they_are), ("二", _others_differ)):
        folder = _hospital(tmp_path / name, demo_hospital, change, "1.0")
        surplus_and_show(folder, MONTH, tmp_path / f"{name}果", department="儿科", unmask=True)
        told.append(_parts(tmp_path / f"{name}果"))
    one, two = told
    assert sorted(one) == sorted(two)
    assert [name for name in one if one[name] != two[name]] == []
    page = one["医保盈亏分析.html"]
    found = re.search(r'id="page-data">(.*?)</script>', page)
    assert found is not None
    data = json.loads(found.group(1))
    assert data["causes"] is None
    assert set(data["reference"]) == {"risk", "source", "own", "charges_fen", "days"}
    assert {*data["reference"]["charges_fen"], *data["reference"]["days"]} == {None}
    assert UNCOMPARED in "".join(one.values())
    # The whole hospital's report does depend on them.
    surplus_and_show(tmp_path / "一", MONTH, tmp_path / "一果")
    assert (tmp_path / "一果" / "科室病组因何.csv").exists()
    # An edition written into the same folder leaves nothing of the hospital's there.
    surplus_and_show(tmp_path / "一", MONTH, tmp_path / "一果", department=OWN, unmask=True)
    assert _parts(tmp_path / "一果") == one
    with pytest.raises(DrgEngineError, match="有误"):
        surplus_and_show(tmp_path / "一", MONTH, tmp_path / "x", department=OWN, against="hospital")


def test_an_edition_against_last_month_has_the_groups_of_its_own_two_months(
    tmp_path: Path, demo_hospital: Path
) -> None:
    told = []
    for name, change in (("一", _as_they_are), ("二", _others_are_cheaper)):
        folder = _hospital(tmp_path / name, demo_hospital, change, "1.0")
        last = folder / "inputs" / "2026-09"
        shutil.copytree(folder / "inputs" / MONTH, last)
        text = (last / "cases.csv").read_text(encoding="utf-8").splitlines(keepends=True)
        (last / "cases.csv").write_text("".join(text[:-30]), encoding="utf-8")
        surplus_and_show(folder, MONTH, tmp_path / f"{name}果", department=OWN, unmask=True)
        told.append(_parts(tmp_path / f"{name}果"))
    assert told[0] == told[1]
    causes = pd.read_csv(io.StringIO(told[0]["科室病组因何.csv"]))
    assert len(causes) > 2
    assert ((causes["工作量·出院例数"] > 0) | (causes["参照例数"] > 0)).all()
    assert (causes["病组名称"] != causes["DRG 编码"]).all()


def _edition(report: DeskReport, path: Path, department: str) -> str:
    write_desk_page(report, path, department=department)
    return path.read_text(encoding="utf-8")


@pytest.mark.parametrize("within", [True, False])
def test_a_page_of_one_department_depends_on_its_own_cases_only(
    tmp_path: Path, within: bool
) -> None:
    """Also where the means and the comparison are the hospital's own."""
    pages = []
    for factor in (1, 3):
        base = desk_report()
        told = _with_others(base, factor, within)
        pages.append(_edition(told, tmp_path / f"{factor}.html", "KD02"))
    assert pages[0] == pages[1]


def _with_others(base: DeskReport, factor: int, within: bool) -> DeskReport:
    """The report after other departments' amounts were multiplied; means are the hospital's."""
    from drg_engine.desk_tables import desk_tables

    def changed(frame: pd.DataFrame) -> pd.DataFrame:
        frame = frame.copy()
        money = [name for name in frame.columns if name.endswith("_fen")]
        other = frame["department"] != "KD02"
        frame.loc[other, money] = frame.loc[other, money] * factor
        return frame.drop(columns=["cost_ratio", "time_ratio"], errors="ignore")

    frame, before = changed(base.desk.frame), changed(desk_frame(8))
    now = frame_cells(frame)
    then = hospital_reference(now) if within else frame_cells(before)
    desk = desk_tables(frame, own_reference(frame), base.desk.settings)
    return replace(base, desk=desk, causes=decompose(now, then), within=within)


def test_the_hospitals_cmi_cuts_where_it_is_nobodys_own() -> None:
    frame = desk_frame(3)  # three departments
    assert own_cut(frame, "KD01", None) == 1.0
    assert own_cut(frame, "KD01", 0.8) == 0.8
    more = pd.concat([frame, frame.assign(department="KD04")], ignore_index=True)
    assert len(DEPARTMENTS) == OTHERS
    assert own_cut(more, "KD01", None) == measures(more)["cmi"].iloc[0]


def test_a_table_from_outside_stays_for_the_departments_groups() -> None:
    frame = pd.DataFrame({"drg": ["A", "B"]})
    outside = Reference(
        pd.DataFrame({"drg": ["A", "C"], "charges_fen": [1.0, 2.0], "days": [1.0, 2.0]}),
        "表",
        False,
    )
    assert own_means(outside, [frame]).table["drg"].tolist() == ["A"]
    own = Reference(outside.table.assign(mortality=np.nan), "本院", own=True)
    assert own_means(own, [frame]).table.empty


def test_groups_without_cases_are_one_row_and_the_sums_stay() -> None:
    frame = desk_frame(5)
    mine = frame[(frame["department"] != "KD02") | frame["drg"].isin(["X010", "X111"])]
    now = frame_cells(mine)
    whole = decompose(now, hospital_reference(now))
    table = gathered(whole)
    for unit, rows in table.groupby("unit"):
        before = whole[whole["unit"] == unit]
        numbers = [name for name in whole.columns if name.endswith("_fen")]
        assert rows[numbers].sum().tolist() == before[numbers].sum().tolist()
        assert (
            rows["drg"].iloc[:-1].tolist()
            == sorted(before.loc[before["cases"] > 0, "drg"])[: len(rows) - 1]
        )
    treated = table[table["unit"] == "KD02"]
    assert treated["drg"].tolist() == ["X010", "X111", "—"]
    assert treated["cases"].tolist()[-1] == 0
    untreated = whole[(whole["unit"] == "KD02") & (whole["cases"] == 0)]
    assert len(untreated) > 2
    assert treated["change_fen"].iloc[-1] == untreated["change_fen"].sum()


def test_a_department_is_told_by_code_or_name() -> None:
    frame = pd.DataFrame({"department": ["D1", "D2", "D3", ""]})
    names = {"D1": "儿科", "D2": "骨科", "D3": "骨科", "D9": "产科"}
    assert department_code(frame, names, "D2") == "D2"
    assert department_code(frame, names, " 儿科 ") == "D1"
    for asked, words in (
        ("骨科", "D2、D3"),
        ("小儿科", "最接近 D1 儿科"),
        ("产科", "D1 儿科、D2 骨科、D3 骨科"),
    ):
        with pytest.raises(InputError) as caught:
            department_code(frame, names, asked)
        assert words in str(caught.value.faults[0].mend)


def test_one_department_is_not_both_ends(tmp_path: Path, demo_hospital: Path) -> None:
    folder = _hospital(tmp_path / "院", demo_hospital, _as_they_are, "1.0")
    surplus_and_show(folder, MONTH, tmp_path / "果", department=OWN)
    whole = "".join(_parts(tmp_path / "果").values())
    assert "亏损 " in whole
    assert "盈余最多 儿科" not in whole
