"""Charge lines to staff pay: a large hospital's month, against pyarrow reading the same Parquet."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from charge_lines import month_of, month_plan, write_lines, write_tables
from conftest import MILLION, best, measured

from performance import Allocation, allocate

LINES = 5 * MILLION
READS = 8
PEAK_MIB = 1500
SAME_PEAK = 1.25

_WHOLE = (
    "import json, resource, sys, time; from pathlib import Path;"
    "sys.path.insert(0, sys.argv[1]);"
    "from charge_lines import month_of, month_plan; from performance import allocate;"
    "folder = Path(sys.argv[2]); plan = month_plan(sys.argv[4]);"
    "began = time.perf_counter();"
    "result = allocate(plan, month_of(folder, Path(sys.argv[3])));"
    "seconds = time.perf_counter() - began;"
    "peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024;"
    "print(json.dumps([seconds, peak, result.paid_fen]))"
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("hospital")
    write_tables(place)
    return place


@pytest.fixture(scope="module")
def lines(folder: Path) -> Callable[[int], Path]:
    """Parquet files of n lines, each written once."""

    def write(n: int) -> Path:
        path = folder / f"lines_{n}.parquet"
        return path if path.exists() else write_lines(path, n)

    return write


def _process(folder: Path, path: Path, personal: str) -> tuple[float, float, int]:
    """Seconds of the allocation, peak memory (MiB) and fen paid, in a process of its own."""
    here = str(Path(__file__).resolve().parent)
    command = [sys.executable, "-c", _WHOLE, here, str(folder), str(path), personal]
    seconds, peak, paid = json.loads(measured(command).said.splitlines()[-1])
    return float(seconds), float(peak), int(paid)


def _closes(result: Allocation) -> None:
    assert (result.control_totals["difference"] == 0).all()
    assert len(result.staff_pay) == 3_000


def test_lines_to_pay(
    benchmark: Any, folder: Path, lines: Callable[[int], Path], show: Any
) -> None:
    path = lines(LINES)
    reading = best(lambda: pq.read_table(path), 5)
    plan = month_plan()
    _closes(allocate(plan, month_of(folder, path)))
    benchmark.pedantic(lambda: allocate(plan, month_of(folder, path)), rounds=4)
    seconds = benchmark.stats.stats.min
    show(
        "5,000,000 行收费明细（40,000 项、300 单元、3,000 人）到人员奖金，"
        "对 pyarrow 把同一 Parquet 读一遍",
        f"≤ {READS} 倍时间",
        f"{seconds / reading:.1f} 倍（{seconds:.2f} s 对 {reading:.2f} s）",
    )
    assert seconds / reading <= READS


def test_lines_to_pay_with_personal_points(
    benchmark: Any, folder: Path, lines: Callable[[int], Path], show: Any
) -> None:
    path = lines(LINES)
    reading = best(lambda: pq.read_table(path), 3)
    plan = month_plan("keep")
    result = allocate(plan, month_of(folder, path))
    _closes(result)
    people = result.personal_points.groupby(["department", "series"])["points_e6"].sum()
    units = result.department_points.set_index(["department", "series"])["points_e6"]
    assert people.to_dict() == units.to_dict()
    benchmark.pedantic(lambda: allocate(plan, month_of(folder, path)), rounds=3)
    seconds = benchmark.stats.stats.min
    show("同上，并留存每人点数", f"≤ {READS} 倍时间", f"{seconds / reading:.1f} 倍")
    assert seconds / reading <= READS


def test_ten_times_the_lines(
    benchmark: Any, folder: Path, lines: Callable[[int], Path], show: Any
) -> None:
    """50 million lines against 5 million, each in a process of its own."""
    few, many = lines(LINES), lines(10 * LINES)
    _process(folder, few, "none")
    runs = [_process(folder, few, "none") for _ in range(3)]
    long_runs: list[tuple[float, float, int]] = []
    benchmark.pedantic(lambda: long_runs.append(_process(folder, many, "none")), rounds=1)
    seconds, peak = min(run[0] for run in runs), max(run[1] for run in runs)
    long_seconds, long_peak, _ = long_runs[0]
    show("同上，整个进程的内存峰值", f"< {PEAK_MIB / 1000:.1f} GB", f"{peak:.0f} MiB")
    show(
        "50,000,000 行对 5,000,000 行，时间；内存峰值",
        f"≤ 11 倍；相同（≤ {SAME_PEAK} 倍）",
        f"{long_seconds / seconds:.1f} 倍（{long_seconds:.1f} s）；"
        f"{long_peak / peak:.2f} 倍（{long_peak:.0f} MiB）",
    )
    assert len({run[2] for run in runs}) == 1
    assert peak < PEAK_MIB
    assert long_peak < PEAK_MIB
    assert long_peak / peak <= SAME_PEAK
    assert long_seconds / seconds <= 11
