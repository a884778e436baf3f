"""The demonstration hospital's month, from cases to pay: everything closes to the fen."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import openpyxl
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest

from drg_engine.month import LEVELS, Month, compute_month
from drg_engine.month_run import run_month
from drg_engine.workspace import open_workspace

PERIOD = "2026-10"


@pytest.fixture(scope="module")
def month(demo_hospital: Path) -> Month:
    return compute_month(open_workspace(demo_hospital), PERIOD, lambda _: None)


def out(folder: Path) -> Path:
    return folder / "out" / PERIOD


def hashes(folder: Path) -> dict[str, str]:
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(folder.iterdir())}


def test_every_row_read_is_accounted_for(month: Month) -> None:
    counts = month.grouping.counts()
    lines = month.inputs.lines
    assert month.counts.read == 5_002
    assert sum(counts.values()) + month.counts.rejected == month.counts.read
    assert lines.n + lines.rejects["row"].nunique() == 600_000


def test_it_is_a_believable_hospital(month: Month) -> None:
    hospital = month.rollups["hospital"].iloc[0]
    assert len(month.rollups["departments"]) == 35
    assert hospital["drg_count"] >= 300
    assert 0.93 < hospital["grouping_rate"] < 0.98
    assert (month.inputs.staff["series"] == "doctor").sum() == 250
    assert len(month.inputs.staff) == 250 + 900


@pytest.mark.parametrize("level", [name for name in LEVELS if name != "hospital"])
def test_every_level_is_the_sum_of_its_cases(month: Month, level: str) -> None:
    whole, parts = month.rollups["hospital"].iloc[0], month.rollups[level]
    for name in ("charges", "standard", "paid", "formula", "adjustment", "surplus"):
        assert int(parts[f"{name}_fen"].sum()) == int(whole[f"{name}_fen"]), name
    assert int(parts["cases"].sum()) == int(whole["cases"])


def test_surplus_is_formula_and_adjustment_in_every_case(month: Month) -> None:
    settled = month.settlement
    priced = settled.cases.charges != np.iinfo(np.int64).min
    assert np.array_equal((settled.formula + settled.adjustment)[priced], settled.surplus[priced])
    assert np.array_equal((settled.paid - settled.cases.charges)[priced], settled.surplus[priced])


def test_pools_and_pay_close_to_the_fen(month: Month) -> None:
    allocation = month.allocation
    assert (allocation.series_totals["difference_fen"] == 0).all()
    assert (allocation.control_totals["difference"] == 0).all()
    pools = allocation.department_pools
    pay = allocation.staff_pay.groupby(["department", "series"])["performance_fen"].sum()
    known = pools[pools["department"] != "UNKNOWN"].set_index(["department", "series"])
    for key, amount in known["staff_fen"].items():
        assert int(pay.get(key, 0)) == int(amount), key
    assert int(pay.sum()) == int(known["staff_fen"].sum())


def test_the_pools_are_the_plans(month: Month) -> None:
    stated = month.plan.model.series
    by_series = month.allocation.series_totals.set_index("series")["approved_fen"]
    for name, series in stated.items():
        assert int(by_series[name]) == round(series.pool * 100)


def test_the_record_says_what_was_paid(demo_hospital: Path, month: Month) -> None:
    record = json.loads((out(demo_hospital) / "运行记录.json").read_text(encoding="utf-8"))
    assert record["fen"]["staff_pay"] == month.allocation.paid_fen
    assert record["scheme"]["hash"] == month.scheme.tables_hash
    assert record["cases"]["read"] == 5_002


def test_the_pay_file_adds_up(demo_hospital: Path, month: Month) -> None:
    table = pacsv.read_csv(out(demo_hospital) / f"人员发放-{PERIOD}.csv")
    fen = [round(value * 100) for value in table["合计"].to_pylist()]
    assert sum(fen) == month.allocation.paid_fen
    assert table.column_names[0] == "工号"


def test_the_case_file_holds_every_case(demo_hospital: Path, month: Month) -> None:
    table = pq.read_table(out(demo_hospital) / f"病例-{PERIOD}.parquet")
    assert table.num_rows == month.counts.cases
    assert set(table["status"].to_pylist()) == {"grouped", "ambiguous", "ungrouped", "invalid"}


def test_the_workbook_shows_the_same_money(demo_hospital: Path, month: Month) -> None:
    book = openpyxl.load_workbook(out(demo_hospital) / f"月报-{PERIOD}.xlsx", read_only=True)
    numbers = {
        round(cell * 100)
        for row in book["科室盈亏"].iter_rows(values_only=True)
        for cell in row
        if isinstance(cell, float | int)
    }
    assert int(month.rollups["hospital"]["surplus_fen"].iloc[0]) in numbers
    ids = {str(value) for value in month.cases.case_id.to_pylist()}
    shown = {
        cell for row in book["病例"].iter_rows(values_only=True) for cell in row[:3] if cell in ids
    }
    assert not shown, "case ids must be masked unless asked for"


def test_running_again_gives_the_same_bytes(demo_hospital: Path, tmp_path: Path) -> None:
    folder = tmp_path / "again"
    for name in ("hospital.toml", "plan.toml", "tables", "inputs"):
        source = demo_hospital / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, _made(folder) / name)
    run_month(folder, PERIOD)
    assert hashes(out(folder)) == hashes(out(demo_hospital))


def _made(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    return folder
