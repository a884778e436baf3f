"""Whole processes: grouping files, the command's help, the demonstration hospital."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as pacsv
from conftest import COLUMNS, MILLION, SCHEME, best

TEN = 10
SAME_PEAK = 1.1


def _run(arguments: Sequence[str]) -> tuple[float, float]:
    """Seconds and peak memory (MiB) of one ``drg-engine`` process; it must succeed."""
    command = [sys.executable, "-m", "drg_engine.cli", *arguments]
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, command
    return seconds, usage.ru_maxrss / 1024


def _group(source: Path, out: Path) -> tuple[float, float]:
    return _run(["group", str(source), "--scheme", SCHEME, "--out", str(out)])


def _read_as_text(path: Path) -> int:
    types = {name: pa.string() for name in COLUMNS}
    return int(
        pacsv.read_csv(path, convert_options=pacsv.ConvertOptions(column_types=types)).num_rows
    )


def test_group_a_file(
    benchmark: Any, big_file: Callable[[int], Path], tmp_path: Path, show: Any
) -> None:
    million, ten_million = big_file(MILLION), big_file(TEN * MILLION)
    out = tmp_path / "out.csv"
    _group(million, out)
    reading = best(lambda: _read_as_text(million), 7)
    runs = [_group(million, out) for _ in range(4)]
    benchmark.pedantic(lambda: runs.append(_group(million, out)), rounds=1)
    seconds, peak = min(run[0] for run in runs), max(run[1] for run in runs)
    ratio = seconds / reading
    long_seconds, long_peak = _group(ten_million, out)
    show(
        "`drg-engine group` 1,000,000 例 CSV 到 CSV，整个进程，对 pyarrow 按文本读同一文件",
        "≤ 10 倍时间",
        f"{ratio:.1f} 倍（{seconds:.2f} s 对 {reading:.3f} s）",
    )
    show("同上，内存峰值", "< 1.5 GB", f"{peak:.0f} MiB")
    show("10,000,000 例对 1,000,000 例，时间", "≤ 11 倍", f"{long_seconds / seconds:.1f} 倍")
    show(
        "10,000,000 例对 1,000,000 例，内存峰值",
        f"相同（≤ {SAME_PEAK} 倍）",
        f"{long_peak / peak:.2f} 倍（{long_peak:.0f} MiB）",
    )
    assert peak < 1500
    assert ratio <= 10
    assert long_seconds / seconds <= 11
    assert long_peak / peak <= SAME_PEAK


def test_help(benchmark: Any, show: Any) -> None:
    benchmark.pedantic(lambda: _run(["--help"]), rounds=7, warmup_rounds=2)
    seconds = benchmark.stats.stats.min
    show("`drg-engine --help`", "< 0.4 s", f"{seconds:.2f} s")
    assert seconds < 0.4


def test_demo(benchmark: Any, tmp_path: Path, show: Any) -> None:
    places = iter(range(10))
    _run(["demo", str(tmp_path / "warm")])
    benchmark.pedantic(lambda: _run(["demo", str(tmp_path / str(next(places)))]), rounds=2)
    seconds = benchmark.stats.stats.min
    show("`drg-engine demo`：生成医院、跑一个月、出报表", "< 30 s", f"{seconds:.1f} s")
    assert seconds < 30
