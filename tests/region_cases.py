"""A region's cases in Parquet partitions, and the same in memory, for the tests of streams."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from drg_engine.payment import PaymentColumns
from drg_engine.payment_columns import Coded
from drg_engine.policy import Policy, load_policy
from drg_engine.settle_files import CaseBatch, CaseSource
from drg_engine.simulation_input import joined_columns

DATA = Path(__file__).parent / "data" / "payment"
CODES = np.array(["AA11", "BB13", "CC15", "DD29", "0000"])
WEIGHTS = np.array([0.5, 1.0, 2.0, 3.3, np.nan])


def policy(name: str = "rate_example", changes: dict[str, Any] | None = None) -> Policy:
    loaded = load_policy(DATA / f"{name}.toml")
    return loaded.with_changes(changes) if changes else loaded


EVERY_RULE = {
    "rates.390": 7_777.0,
    "high.bound": 1.5,
    "high.cap_share": 0.03,
    "review.column": "review_paid",
    "review.cap_share": 0.02,
    "readmission.days": 30,
    "readmission.except_dx": ("Z51.",),
}
FOUND_POINTS = {
    "points.find": "total",
    "points.budgets": {"310": 2e6, "390": 1e6},
    "high.bound": 2.0,
    "high.cap_share": 0.02,
}


def _of(rng: np.random.Generator, words: list[str | None], n: int) -> pa.Array:
    return pa.array(words, pa.string()).take(pa.array(rng.integers(0, len(words), n)))


def part(number: int, n: int = 500) -> pa.Table:
    """Random cases with ties, missing values, repeated persons and one hospital without a name."""
    rng = np.random.default_rng(number)
    drg, stay = rng.integers(0, 5, n), rng.integers(0, 20, n)
    begun = rng.integers(20_000, 20_120, n)
    charges = (np.exp(rng.normal(9.0, 1.0, n)) * 100).astype(np.int64) // 50_000 * 50_000 + 1_000
    table = {
        "case_id": [f"C{number}-{row}" for row in range(n)],
        "hospital": _of(rng, ["甲", "乙", "丙", None], n),
        "hospital_level": pa.array(rng.integers(2, 4, n)),
        "department": _of(rng, ["D1", "D2", None], n),
        "doctor": _of(rng, [f"Z{at}" for at in range(9)], n),
        "drg": CODES[drg],
        "weight": pa.array(WEIGHTS[drg], from_pandas=True),
        "insurance": _of(rng, ["310", "390", "other"], n),
        "person_id": pa.array([f"P{at}" for at in rng.integers(0, n // 5, n)]),
        "admission_date": pa.array(begun.astype("datetime64[D]")),
        "discharge_date": pa.array((begun + stay).astype("datetime64[D]")),
        "principal_dx": _of(rng, ["A00.000", "Z51.100", "Z53.001"], n),
        "total_charges_fen": pa.array(charges, mask=rng.random(n) < 0.02),
        "cost_fen": pa.array(charges // 10 * 9, mask=rng.random(n) < 0.1),
        "personal_pay_fen": charges // 3,
        "review_paid_fen": pa.array(charges + 777, mask=rng.random(n) > 0.06),
    }
    return pa.table(table)


def write_region(folder: Path, parts: int = 3, rows: int = 500) -> Path:
    """Partitions ``month=2024-0N``; small row groups, so that batches cut across them."""
    for number in range(parts):
        place = folder / f"month=2024-0{number + 1}"
        place.mkdir(parents=True)
        pq.write_table(part(number, rows), place / "cases.parquet", row_group_size=170)
    return folder


def whole(source: CaseSource, batches: Iterable[CaseBatch] | None = None) -> PaymentColumns:
    """All cases of a source in memory, persons named."""
    found = []
    for batch in source.batches() if batches is None else batches:
        labels = dict(batch.columns.labels)
        if batch.person is not None:
            labels["person_id"] = Coded.of(batch.person.to_pylist())
        found.append(replace(batch.columns, labels=labels))
    codes = source.drgs.codes
    return joined_columns([replace(columns, drg_codes=codes) for columns in found])
