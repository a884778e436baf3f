"""A region's year settled part by part: memory and time of whole processes."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import MILLION, measured

PARTS = 10
FEW = 3
DRGS, HOSPITALS, DEPARTMENTS, PERSONS = 600, 150, 25, 8_000_000
POLICY = """
[policy]
name = "benchmark"
title = "规模测试（示例）"
effective_from = 2024-01-01
source = "示例"

[rates]
310 = 9000.0
390 = 7500.0

[high]
by = "single"
bound = 2.5
mode = "excess_share"
cap_share = 0.05

[readmission]
days = 15
"""


def _words(codes: Any, words: list[str]) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(pa.array(codes.astype(np.int32)), pa.array(words))


def _part(number: int) -> pa.Table:
    """A million grouped cases of a region: hospitals, doctors, persons with several stays."""
    rng = np.random.default_rng([20261122, number])
    n = MILLION
    weights = np.append(np.round(np.exp(np.linspace(-1.2, 2.2, DRGS)), 4), np.nan)
    drg = np.where(rng.random(n) < 0.03, DRGS, rng.integers(0, DRGS, n))
    hospital, department = rng.integers(0, HOSPITALS, n), rng.integers(0, DEPARTMENTS, n)
    doctor = (hospital * DEPARTMENTS + department) * 4 + rng.integers(0, 4, n)
    begun = rng.integers(19_723, 20_060, n)
    usual = np.where(drg == DRGS, 1.0, weights[drg]) * 900_000
    charges = (usual * np.exp(rng.normal(0.0, 0.6, n))).astype(np.int64)
    doctors = HOSPITALS * DEPARTMENTS * 4
    columns = {
        "case_id": pa.array(np.arange(number * n, (number + 1) * n)).cast(pa.string()),
        "hospital": _words(hospital, [f"H{at:03d}" for at in range(HOSPITALS)]),
        "hospital_level": pa.array((hospital % 2 + 2).astype(np.int8)),
        "department": _words(department, [f"K{at:02d}" for at in range(DEPARTMENTS)]),
        "doctor": _words(doctor, [f"Z{at:05d}" for at in range(doctors)]),
        "drg": _words(drg, [*(f"D{at:03d}" for at in range(DRGS)), "0000"]),
        "weight": pa.array(weights[drg], from_pandas=True),
        "insurance": _words(rng.integers(0, 2, n), ["310", "390"]),
        "person_id": pa.array(rng.integers(0, PERSONS, n)).cast(pa.string()),
        "admission_date": pa.array(begun.astype("datetime64[D]")),
        "discharge_date": pa.array((begun + rng.integers(1, 30, n)).astype("datetime64[D]")),
        "total_charges_fen": charges,
        "cost_fen": charges // 10 * 9,
        "personal_pay_fen": charges // 10 * 3,
    }
    return pa.table(columns)


@pytest.fixture(scope="module")
def region(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("region")
    for number in range(PARTS):
        pq.write_table(_part(number), folder / f"{number}.parquet", compression="lz4")
    (folder / "policy.toml").write_text(POLICY, encoding="utf-8")
    return folder


def _settle(region: Path, parts: int, out: Path) -> tuple[float, float]:
    """Processor seconds and peak memory (MiB) of ``drg-engine settle`` over the first parts."""
    files = [str(region / f"{number}.parquet") for number in range(parts)]
    policy, target = str(region / "policy.toml"), str(out / f"{parts}")
    command = [sys.executable, "-m", "drg_engine.cli", "settle", *files]
    found = measured([*command, "--policy", policy, "--out", target])
    count = f"{parts * MILLION:,}"
    assert f"读入 {count} = 结算 {count} + 拒收 0" in found.said
    return found.processor, found.peak


def test_settle_ten_million(
    region: Path, tmp_path: Path, show: Callable[[str, str, str], None]
) -> None:
    """10,000,000 cases with cap and readmissions, from Parquet to Parquet and tables.

    Linear within 10 %: ten million take at most 1.1 times ten times a million.  Shown beside it,
    with the start of the program left out: the time of each case from the 1st to the 10th million,
    (t10 − t1) / 9, against that from the 1st to the 3rd, (t3 − t1) / 2.  Processor time, so that
    whoever else is on the machine does not count; the least of several runs of each.
    """
    one = min(_settle(region, 1, tmp_path / f"one{at}")[0] for at in range(4))
    few, few_peak = min(_settle(region, FEW, tmp_path / f"few{at}") for at in range(3))
    ten, peak = min(_settle(region, PARTS, tmp_path / f"ten{at}") for at in range(2))
    ratio = ((ten - one) / (PARTS - 1)) / ((few - one) / (FEW - 1))
    each = (ten - one) / (PARTS - 1)
    met = "" if ratio <= 1.1 else "，未达到"
    show("10,000,000 例 Parquet 逐批结算（高倍率占比、再入院都开），内存峰值", "< 2 GB",
         f"{peak:,.0f} MiB（{FEW},000,000 例 {few_peak:,.0f} MiB）")  # fmt: skip
    show("同上，每例处理器时间，第 2–10 百万例对第 2–3 百万例", "≤ 1.1 倍",
         f"{ratio:.2f} 倍（每百万例 {each:.2f} s，共 {ten:.0f} s{met}）")  # fmt: skip
    whole = ten / (PARTS * one)
    show("同上，处理器时间，10,000,000 例对 10 × 1,000,000 例", "≤ 1.1 倍", f"{whole:.2f} 倍")
    assert peak < 2_000
    assert whole <= 1.1
