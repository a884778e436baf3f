"""Whole processes: grouping files, the command's help, the demonstration hospital."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as pacsv
from conftest import COLUMNS, MILLION, SCHEME, best, measured

TEN = 10
SAME_PEAK = 1.1


_READ = (
    "import sys, pyarrow as pa, pyarrow.csv as c;"
    "c.read_csv(sys.argv[1], convert_options=c.ConvertOptions("
    "column_types={n: pa.string() for n in sys.argv[2].split(',')}))"
)


def _process(arguments: Sequence[str]) -> tuple[float, float]:
    """Seconds and peak memory (MiB) of one Python process; it must succeed."""
    found = measured([sys.executable, *arguments])
    return found.seconds, found.peak


def _run(arguments: Sequence[str]) -> tuple[float, float]:
    return _process(["-m", "drg_engine.cli", *arguments])


def _group(source: Path, out: Path) -> tuple[float, float]:
    return _run(["group", str(source), "--scheme", SCHEME, "--out", str(out)])


def _read_as_text(path: Path) -> int:
    types = {name: pa.string() for name in COLUMNS}
    options = pacsv.ConvertOptions(column_types=types)
    return int(pacsv.read_csv(path, convert_options=options).num_rows)


def test_group_a_file(
    benchmark: Any, big_file: Callable[[int], Path], tmp_path: Path, show: Any
) -> None:
    """Both processes start, load pyarrow, read the file; ours also loads numba, groups, writes.

    Against reading alone, without starting, see the second line: there starting is most of ours.
    """
    million = big_file(MILLION)
    out = tmp_path / "out.csv"
    _group(million, out)
    reader = ["-c", _READ, str(million), ",".join(COLUMNS)]
    reading = min(_process(reader)[0] for _ in range(7))
    inside = best(lambda: _read_as_text(million), 7)
    runs = [_group(million, out) for _ in range(6)]
    benchmark.pedantic(lambda: runs.append(_group(million, out)), rounds=1)
    seconds, peak = min(run[0] for run in runs), max(run[1] for run in runs)
    show(
        "`drg-engine group` 1,000,000 例 CSV 到 CSV，对 pyarrow 按文本读它，都算整个进程",
        "≤ 10 倍时间",
        f"{seconds / reading:.1f} 倍（{seconds:.2f} s 对 {reading:.2f} s）",
    )
    show(
        "同上，对进程内只读一遍的时间（不含启动）",
        "≤ 10 倍时间",
        _told(seconds, inside),
    )
    show("同上，内存峰值", "< 1.5 GB", f"{peak:.0f} MiB")
    assert peak < 1500
    assert seconds / reading <= 10


def _told(seconds: float, inside: float) -> str:
    met = "" if seconds / inside <= 10 else "，未达到"
    return f"{seconds / inside:.1f} 倍（{seconds:.2f} s 对 {inside:.3f} s{met}）"


def test_group_ten_times_the_cases(
    benchmark: Any, big_file: Callable[[int], Path], tmp_path: Path, show: Any
) -> None:
    million, ten_million = big_file(MILLION), big_file(TEN * MILLION)
    out = tmp_path / "out.csv"
    _group(million, out)
    runs = [_group(million, out) for _ in range(3)]
    seconds, peak = min(run[0] for run in runs), max(run[1] for run in runs)
    long_runs: list[tuple[float, float]] = []
    benchmark.pedantic(lambda: long_runs.append(_group(ten_million, out)), rounds=1)
    long_seconds, long_peak = long_runs[0]
    inside = best(lambda: _read_as_text(ten_million), 2)
    show("10,000,000 例对 1,000,000 例，时间", "≤ 11 倍", f"{long_seconds / seconds:.1f} 倍")
    show(
        "10,000,000 例对 1,000,000 例，内存峰值",
        f"相同（≤ {SAME_PEAK} 倍）",
        f"{long_peak / peak:.2f} 倍（{long_peak:.0f} MiB 对 {peak:.0f} MiB）",
    )
    show(
        "10,000,000 例，整个进程，对进程内只读一遍的时间",
        "≤ 10 倍时间",
        _told(long_seconds, inside),
    )
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
