"""The one numba seam: threads, errors, and the switch that leaves kernels plain."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from case_factory import CaseFactory
from oracle import Oracle, Row

from drg_engine import group, load_scheme, read_cases
from drg_engine._jit import JIT, kernel, run_split, run_together, thread_count

CASES = 4_000 if JIT else 300
LAYERS = ("default", "threadsafe", "forksafe", "safe", "omp", "tbb", "workqueue")
LAYERS_TRIED = LAYERS if JIT else LAYERS[:1]
COMPARE = """
import json, sys, threading
from drg_engine import group, load_scheme, read_cases
from drg_engine._jit import JIT
cases, scheme = read_cases(sys.argv[1]), load_scheme("chs_drg_2_0")
found = [None] * 4
def work(i):
    found[i] = group(cases, scheme, threads=2).table().to_pydict()
workers = [threading.Thread(target=work, args=(i,)) for i in range(4)]
for worker in workers: worker.start()
for worker in workers: worker.join()
assert all(one == found[0] for one in found)
print(json.dumps([JIT, found[0]]))
"""


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    return CaseFactory(Oracle("chs_drg_2_0"), 11).cases(2_500)[:CASES]


@pytest.fixture(scope="module")
def case_file(rows: list[Row], tmp_path_factory: pytest.TempPathFactory) -> Path:
    import csv

    path = tmp_path_factory.mktemp("jit") / "cases.csv"
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows[:400])
    return path


def in_a_process(path: Path, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", COMPARE, str(path)],
        env={**os.environ, **environment},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


def test_the_switch_changes_nothing_but_speed(case_file: Path) -> None:
    plain = in_a_process(case_file, DRG_ENGINE_NO_JIT="1")
    compiled = in_a_process(case_file, DRG_ENGINE_NO_JIT="0")
    assert plain.startswith("[false")
    assert compiled.startswith("[true")
    assert plain.removeprefix("[false") == compiled.removeprefix("[true")


@pytest.mark.parametrize("layer", LAYERS_TRIED)
def test_threads_agree_whatever_numba_threads_by(case_file: Path, layer: str) -> None:
    """numba's own thread layers are not used, so that none can be wrong or missing."""
    assert in_a_process(case_file, NUMBA_THREADING_LAYER=layer, DRG_ENGINE_THREADS="3")


def test_several_python_threads_group_at_once(rows: list[Row]) -> None:
    cases = read_cases(pa.Table.from_pylist(rows))
    scheme = load_scheme("chs_drg_2_0")
    alone = group(cases, scheme, threads=1)
    gate = threading.Barrier(4)

    def work(threads: int) -> bool:
        gate.wait()
        found = group(cases, scheme, threads=threads)
        names = ("status", "mdc", "adrg", "drg", "severity", "reason")
        return all(np.array_equal(getattr(found, n), getattr(alone, n)) for n in names)

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(work, (1, 2, 3, 4))) == [True] * 4


@pytest.mark.parametrize(("n", "threads"), [(0, 4), (1, 4), (7, 3), (100, 7), (5, 1)])
def test_parts_are_disjoint_and_whole(n: int, threads: int) -> None:
    seen = np.zeros(n, dtype=int)
    calls = []

    def work(start: int, stop: int) -> None:
        calls.append((start, stop))
        seen[start:stop] += 1

    run_split(work, n, threads=threads, least=1)
    assert seen.tolist() == [1] * n
    assert len(calls) == max(1, min(threads, n))


def test_few_rows_are_not_worth_a_thread() -> None:
    calls: list[tuple[int, int]] = []
    run_split(lambda a, b: calls.append((a, b)), 100, threads=8, least=60)
    assert calls == [(0, 100)]


@pytest.mark.parametrize("failing", [0, 1, 2])
def test_an_error_in_any_part_is_raised_after_all_have_ended(failing: int) -> None:
    ended: list[int] = []

    def work(start: int, stop: int) -> None:
        if start == failing * 10:
            raise ValueError(f"part {failing}")
        ended.append(start)

    with pytest.raises(ValueError, match=f"part {failing}"):
        run_split(work, 30, threads=3, least=1)
    assert sorted(ended) == sorted({0, 10, 20} - {failing * 10})


def test_works_side_by_side() -> None:
    gate = threading.Barrier(3)
    assert run_together([lambda i=i: (gate.wait(), i)[1] for i in range(3)]) == [0, 1, 2]  # type: ignore[misc]

    def fail() -> int:
        raise KeyError("one")

    with pytest.raises(KeyError):
        run_together([lambda: 1, fail])
    assert run_together([]) == []


def test_the_number_of_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRG_ENGINE_THREADS", "3")
    assert thread_count() == 3
    for nonsense in ("", "0", "-1", "many"):
        monkeypatch.setenv("DRG_ENGINE_THREADS", nonsense)
        assert thread_count() >= 1


def test_a_kernel_wraps_integers_silently_either_way() -> None:
    @kernel
    def product(a: np.ndarray) -> None:
        for i in range(a.size):
            a[i] = a[i] * a[i]

    numbers = np.array([np.uint64(2**63 + 1)], dtype=np.uint64)
    product(numbers)
    assert numbers.tolist() == [1]
