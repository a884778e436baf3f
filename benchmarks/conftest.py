"""Data for the benchmarks, the registry of what they showed, and the page made from it."""

from __future__ import annotations

import dataclasses
import json
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
import pytest

from drg_engine import load_scheme, read_cases
from drg_engine.cases import Cases
from grouper_tables import Scheme

HERE = Path(__file__).resolve().parent
TESTS = HERE.parent / "tests"
sys.path.insert(0, str(TESTS))

SCHEME = "chs_drg_2_0"
MILLION = 1_000_000
COLUMNS = (
    "case_id", "sex", "age", "age_days", "birth_weight", "los", "discharge_mode", "diagnoses",
    "procedures",
)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Shown:
    """One line of the page: what was asked and what was measured."""

    what: str
    bar: str
    measured: str
    test: str


@dataclasses.dataclass(frozen=True)
class Drawn:
    """A drawn million: the cases encoded, and which sample row each one is."""

    cases: Cases
    rows: np.ndarray[Any, Any]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--write-page", action="store_true", help="write benchmarks/README.md")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[SHOWN] = []


SHOWN: pytest.StashKey[list[Shown]] = pytest.StashKey()


_LAUNCH = """
import json, os, subprocess, sys, time
begun = time.perf_counter()
process = subprocess.Popen(sys.argv[2:])
_, status, usage = os.wait4(process.pid, 0)
seconds, used = time.perf_counter() - begun, usage.ru_utime + usage.ru_stime
ended = os.waitstatus_to_exitcode(status)
json.dump([seconds, used, usage.ru_maxrss / 1024, ended], open(sys.argv[1], "w"))
"""


class Measured(NamedTuple):
    """What a process took: seconds, processor seconds, peak memory (MiB), and what it said."""

    seconds: float
    processor: float
    peak: float
    said: str


def measured(command: Sequence[str]) -> Measured:
    """Run a command, which must succeed, as the child of a small process of its own.

    A process's peak memory counts that of the process it came from, up to its beginning; this one
    may be large by what was measured before.
    """
    with tempfile.TemporaryDirectory() as folder:
        note = Path(folder) / "measured.json"
        done = subprocess.run(
            [sys.executable, "-S", "-c", _LAUNCH, str(note), *command],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            check=True,
        )
        seconds, processor, peak, ended = json.loads(note.read_text())
    assert ended == 0, done.stdout
    return Measured(seconds, processor, peak, done.stdout)


@pytest.fixture
def show(request: pytest.FixtureRequest) -> Callable[[str, str, str], None]:
    """Note a measured figure beside its bar."""

    def note(what: str, bar: str, measured: str) -> None:
        shown = Shown(what, bar, measured, request.node.name)
        request.config.stash[SHOWN].append(shown)

    return note


def best(work: Callable[[], Any], times: int) -> float:
    """Shortest of several runs, in seconds: what the machine can do when left alone."""
    shortest = float("inf")
    for _ in range(times):
        started = time.perf_counter()
        work()
        shortest = min(shortest, time.perf_counter() - started)
    return shortest


@pytest.fixture(scope="session")
def scheme() -> Scheme:
    return load_scheme(SCHEME)


@pytest.fixture(scope="session")
def sample_file() -> Path:
    return TESTS / "data" / "acceptance" / f"grouping_{SCHEME}.csv"


@pytest.fixture(scope="session")
def sample(sample_file: Path) -> pa.Table:
    """5,000 random cases as text, expected groups left out."""
    text = {name: pa.string() for name in COLUMNS}
    options = pacsv.ConvertOptions(include_columns=list(COLUMNS), column_types=text)
    return pacsv.read_csv(sample_file, convert_options=options)


@pytest.fixture(scope="session")
def drawn(sample: pa.Table) -> Drawn:
    """A million cases drawn from the sample with replacement, encoded; 4.9 codes on average."""
    cases = read_cases(sample)
    rows = np.random.default_rng(20261001).integers(0, cases.n, MILLION)
    columns: dict[str, Any] = {
        name: getattr(cases, name)[rows]
        for name in ("sex", "age", "age_days", "birth_weight", "los", "discharge_mode")
    }
    for codes, offsets in (("dx", "dx_offsets"), ("proc", "proc_offsets")):
        edges = getattr(cases, offsets)
        lengths = np.diff(edges)[rows]
        ends = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        at = np.repeat(edges[:-1][rows] - ends[:-1], lengths) + np.arange(ends[-1])
        columns[offsets], columns[codes] = ends, getattr(cases, codes)[at]
    none = pa.nulls(MILLION, pa.string())
    extra = pa.table({"_": none}).select([])
    made = dataclasses.replace(cases, case_id=none, extra=extra, others=extra, **columns)
    return Drawn(made, rows)


@pytest.fixture(scope="session")
def big_file(sample: pa.Table, tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], Path]:
    """Write the sample over and over, each case under an id of its own, to a CSV of n rows."""
    folder = tmp_path_factory.mktemp("big")

    def write(rows: int) -> Path:
        path = folder / f"cases_{rows}.csv"
        if path.exists():
            return path
        body = sample.drop_columns(["case_id"])
        with path.open("wb") as sink:
            head = ",".join(COLUMNS) + "\n"
            sink.write(head.encode())
            options = pacsv.WriteOptions(include_header=False, quoting_style="needed")
            for start in range(0, rows, body.num_rows):
                count = min(body.num_rows, rows - start)
                ids = pa.array([f"C{i}" for i in range(start, start + count)])
                part = body.slice(0, count).add_column(0, "case_id", ids)
                pacsv.write_csv(part, sink, options)
        return path

    return write


def pytest_sessionfinish(session: pytest.Session) -> None:
    if session.config.getoption("--write-page") and session.config.stash[SHOWN]:
        write_page(session.config.stash[SHOWN])


def _kept_lines(shown: list[Shown]) -> list[str]:
    """The lines of this run; those of tests that it left out stay as they were, in their places."""
    fresh: dict[str, list[str]] = {}
    for one in shown:
        line = f"| {one.what} | {one.bar} | {one.measured} | `{one.test}` |"
        fresh.setdefault(one.test, []).append(line)
    page = HERE / "README.md"
    old = page.read_text(encoding="utf-8").splitlines() if page.is_file() else []
    kept: list[str] = []
    for line in (line for line in old if line.endswith("` |")):
        test = line.rsplit("`", 2)[1]
        kept += fresh.pop(test, []) if test in fresh else [line] * (test not in kept_tests(shown))
    return kept + [line for lines in fresh.values() for line in lines]


def kept_tests(shown: list[Shown]) -> set[str]:
    """Tests that this run measured."""
    return {one.test for one in shown}


def write_page(shown: list[Shown]) -> None:
    """Write benchmarks/README.md from what was shown."""
    import numba
    import pyarrow

    versions = (
        f"Python {platform.python_version()}, numpy {np.__version__}, numba {numba.__version__}, "
        f"pyarrow {pyarrow.__version__}"
    )
    lines = [
        "# 基准 Benchmarks",
        "",
        "本页由程序生成，不要手改。Generated; do not edit by hand:",
        "",
        "```",
        "python -m pytest benchmarks --write-page",
        "```",
        "",
        "每一项的要求都在测试里断言（写明“未达到”的除外）；同一次运行里的两个时间相比，机器快慢不影响结论。",
        "Every bar is asserted in the test named beside it, save those 未达到 (not met); a ratio",
        "within one run where it can be.  One item: `python -m pytest benchmarks -k NAME`.",
        "",
        f"机器 Machine: {cpu()}，{versions}.",
        "",
        "| 测什么 what | 要求 bar | 实测 measured | 测试 test |",
        "|---|---|---|---|",
        *_kept_lines(shown),
        "",
    ]
    (HERE / "README.md").write_text("\n".join(lines), encoding="utf-8")


def cpu() -> str:
    """Processor name and count, without the name of the machine."""
    import os

    name = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.is_file():
        models = [line for line in info.read_text().splitlines() if line.startswith("model name")]
        name = models[0].partition(":")[2].strip() if models else name
    return f"{name} × {os.cpu_count()}"


@pytest.fixture(scope="session")
def oracle_seconds(sample_file: Path) -> Iterator[float]:
    """Seconds the slow oracle takes for one encoded case: the sample grouped once, best of three.

    Reading the case into the oracle's own form is not counted.
    """
    import csv

    from oracle import Case, Oracle

    import grouper_tables

    with sample_file.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    schemes = Path(grouper_tables.__file__).parent / "schemes"
    oracle = Oracle(schemes / SCHEME)
    made = [Case.from_row(row) for row in rows]
    yield best(lambda: [oracle.group(case) for case in made], 3) / len(made)
