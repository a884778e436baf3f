"""The insurance office's page: making it, its size, opening it in Chromium."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from browser import Browser, browser
from desk_report import SETTINGS, desk_report

from drg_engine.desk_reference import own_reference
from drg_engine.desk_tables import desk_tables
from reports.desk import DeskReport, write_desk_workbook
from reports.desk_page import write_desk_page

pytestmark = pytest.mark.program("chromium")

MONTH, YEAR = 5_000, 60_000
OPENS = 2.0
TOGETHER = 40.0
LARGEST = 5_000_000
_DRGS, _DOCTORS, _DEPARTMENTS = 600, 400, 40


def made(cases: int) -> DeskReport:
    """A report with as many departments, doctors and DRGs as a large hospital has."""
    report = desk_report(3, 400, groups=False)
    draw = np.random.default_rng(cases)
    frame = report.desk.frame.sample(cases, replace=True, random_state=cases, ignore_index=True)
    drg = draw.integers(0, _DRGS, cases)
    doctor = draw.integers(0, _DOCTORS, cases)
    charges = frame["charges_fen"] + draw.integers(0, 100_000, cases) * frame["priced"]
    changed = frame.drop(columns=["cost_ratio", "time_ratio"]).assign(
        place=np.arange(cases),
        case_id=[f"ZY{at:09d}" for at in range(cases)],
        drg=np.where(frame["grouped"], np.array([f"A{at:03d}" for at in range(_DRGS)])[drg], "0"),
        doctor=np.array([f"Y{at:04d}" for at in range(_DOCTORS)], dtype=object)[doctor],
        department=np.array([f"K{at:02d}" for at in range(_DEPARTMENTS)], dtype=object)[
            doctor % _DEPARTMENTS
        ],
        period=[f"2026-{1 + at * 12 // cases:02d}" for at in range(cases)],
        charges_fen=charges,
        surplus_fen=frame["paid_fen"] - charges,
        adjustment_fen=frame["paid_fen"] - charges - frame["formula_fen"],
    )
    desk = desk_tables(changed, own_reference(changed), SETTINGS)
    return replace(report, desk=desk, causes=pd.DataFrame())


def opened(tab: Browser, path: Path) -> tuple[float, float]:
    """Seconds until the figures are there, and until all charts are drawn; best of three."""
    shown, drawn = [], []
    for _ in range(3):
        tab.open(path)
        told = tab.run(
            "[performance.getEntriesByType('navigation')[0].loadEventEnd,"
            " performance.getEntriesByName('drawn')[0].startTime]"
        )
        shown.append(told[0] / 1e3)
        drawn.append(told[1] / 1e3)
    return min(shown), min(drawn)


@pytest.mark.parametrize("cases", [MONTH, YEAR])
def test_a_page(cases: int, tmp_path: Path, show: Callable[[str, str, str], None]) -> None:
    report = made(cases)
    path = tmp_path / "页.html"
    started = time.perf_counter()
    write_desk_page(report, path)
    page_seconds = time.perf_counter() - started
    started = time.perf_counter()
    write_desk_workbook(report, tmp_path / "簿.xlsx")
    book_seconds = time.perf_counter() - started
    with browser(tmp_path / "profile") as tab:
        shown, drawn = opened(tab, path)
    size = path.stat().st_size
    bar = f"< {LARGEST / 1e6:.0f} MB" if cases == MONTH else "（无）"
    show(f"医保盈亏网页，{cases:,} 例：文件大小（不含分组付费经过）", bar, f"{size / 1e6:.1f} MB")
    show(
        f"医保盈亏网页与工作簿，{cases:,} 例：写出",
        f"合计 < {TOGETHER:.0f} s",
        f"{page_seconds:.1f} s + {book_seconds:.1f} s",
    )
    show(
        f"Chromium 打开 {cases:,} 例的网页：到图全部画完（到表与数可见）",
        f"< {OPENS:.0f} s",
        f"{drawn:.2f} s（{shown:.2f} s）",
    )
    assert cases != MONTH or size < LARGEST
    assert page_seconds + book_seconds < TOGETHER
    assert drawn < OPENS
