"""Speed of the grouping kernel and of the library, each as a ratio within one run."""

from __future__ import annotations

import time
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
from conftest import MILLION, Drawn, best

from drg_engine import group, group_one, read_cases
from drg_engine._jit import run_split
from drg_engine._kernels_grouping import group_rows
from drg_engine.grouping import CodeLookup, case_columns, empty_results
from grouper_tables import Scheme

ROUNDS = 15
ATTEMPTS = 14


def _kernel_inputs(drawn: Drawn, scheme: Scheme) -> tuple[Any, Any]:
    return case_columns(drawn.cases, CodeLookup(scheme), scheme), empty_results(MILLION)


def _numpy_pass(drawn: Drawn) -> list[Any]:
    cases = drawn.cases
    columns = (
        cases.sex, cases.age, cases.age_days, cases.birth_weight, cases.los, cases.discharge_mode,
        cases.dx_offsets, cases.dx, cases.proc_offsets, cases.proc,
    )  # fmt: skip
    return [column.sum() for column in columns]


def test_kernel_on_one_thread(
    benchmark: Any, drawn: Drawn, scheme: Scheme, oracle_seconds: float, show: Any
) -> None:
    columns, result = _kernel_inputs(drawn, scheme)
    codes = (drawn.cases.dx.size + drawn.cases.proc.size) / MILLION

    def kernel() -> None:
        group_rows(scheme.rules, columns, result, 0, MILLION)

    kernel()
    benchmark.pedantic(kernel, rounds=ROUNDS)
    ours = benchmark.stats.stats.min
    summing = best(lambda: _numpy_pass(drawn), ROUNDS)
    times_oracle = oracle_seconds * MILLION / ours
    times_numpy = ours / summing
    show(
        f"内核，1,000,000 例（平均 {codes:.1f} 个编码），单线程，对慢速参照实现",
        "≥ 300 倍快",
        f"{times_oracle:.0f} 倍（{ours * 1e9 / MILLION:.0f} ns 对 {oracle_seconds * 1e6:.1f} µs）",
    )
    show("同上，对 numpy 把同样各列求和一遍", "≤ 15 倍时间", f"{times_numpy:.1f} 倍")
    assert times_oracle >= 300
    assert times_numpy <= 15


def test_kernel_on_two_threads(benchmark: Any, drawn: Drawn, scheme: Scheme, show: Any) -> None:
    """One and two threads in turn, the best of each; again where the second processor was busy."""
    columns, result = _kernel_inputs(drawn, scheme)

    def kernel(threads: int) -> None:
        def part(start: int, stop: int) -> None:
            group_rows(scheme.rules, columns, result, start, stop)

        run_split(part, MILLION, threads=threads)

    kernel(2)
    shortest = {1: float("inf"), 2: float("inf")}
    for attempt in range(ATTEMPTS):
        time.sleep(attempt)  # whoever else is on the machine may be gone by then
        for _ in range(ROUNDS):
            for threads in (1, 2):
                shortest[threads] = min(shortest[threads], best(partial(kernel, threads), 1))
        if shortest[1] / shortest[2] >= 1.7:
            break
    benchmark.pedantic(lambda: kernel(2), rounds=ROUNDS)
    gain = shortest[1] / shortest[2]
    show("两个处理器对一个", "≥ 1.7 倍快", f"{gain:.2f} 倍")
    assert gain >= 1.7


def test_text_to_groups(
    benchmark: Any, sample: pa.Table, scheme: Scheme, oracle_seconds: float, show: Any
) -> None:
    rows = 200_000
    table = pa.concat_tables([sample] * (rows // sample.num_rows)).combine_chunks()
    ids = pa.array([f"C{i}" for i in range(table.num_rows)])
    plain = table.set_column(0, "case_id", ids)
    coded = plain
    for name in ("sex", "diagnoses", "procedures"):
        place = coded.column_names.index(name)
        coded = coded.set_column(place, name, coded[name].combine_chunks().dictionary_encode())

    def whole(source: pa.Table) -> np.ndarray[Any, Any]:
        return group(read_cases(source), scheme).drg

    assert np.array_equal(whole(plain), whole(coded))
    benchmark.pedantic(lambda: whole(plain), rounds=5)
    of_text = oracle_seconds * rows / benchmark.stats.stats.min
    of_categories = oracle_seconds * rows / best(lambda: whole(coded), 5)
    show("内存中的 Arrow 文本到分组，对慢速参照实现", "≥ 30 倍快", f"{of_text:.0f} 倍")
    show("内存中的类别文本到分组，对慢速参照实现", "≥ 30 倍快", f"{of_categories:.0f} 倍")
    assert of_text >= 30
    assert of_categories >= 30


def test_one_case(benchmark: Any, scheme: Scheme, show: Any) -> None:
    codes = ["K80.101", "I10.x00x002", "E11.900", "J18.900"]

    def one() -> Any:
        return group_one(scheme, codes, ["51.2300"], sex=2, age=56)

    assert one().drg != "0000"
    benchmark.pedantic(one, rounds=20, iterations=500)
    seconds = benchmark.stats.stats.min
    show("方案已载入，库里分一例", "< 100 µs", f"{seconds * 1e6:.0f} µs")
    assert seconds < 100e-6
