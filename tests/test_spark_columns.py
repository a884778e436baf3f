"""What Spark's workers read of the cases; needs no Spark."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
from region_cases import policy

from drg_engine.scenario import Layer, Scenario
from drg_engine.spark import _OnSpark
from drg_engine.spark_tasks import read_part

CASES = pa.table(
    {
        "case_id": ["1"],
        "drg": ["BB13"],
        "weight": [1.0],
        "insurance": ["310"],
        "total_charges": [10_000.0],
        "ct_fee": [900.0],
    }
)


class Frame:
    """Stands for a DataFrame that is never gone through."""

    columns = CASES.column_names

    def drop(self, *_: str) -> Any:
        return self


def test_columns_and_groups_that_only_a_scenario_names() -> None:
    rule = {"code": "x", "title": "新", "column": "ct_fee", "means": {"BB13": 1.0, "ZZ99": 3.0}}
    changes = {"standard.overall_mean": 8_000.0, "extra": [rule]}
    scenario = Scenario("extra", "除外", layers=(Layer("extra", changes),))
    runner = _OnSpark.of(Frame(), [policy()], None, None, [scenario])  # type: ignore[arg-type]
    (batch,) = read_part(iter(CASES.to_batches()), runner.job)
    assert batch.columns.amounts["ct_fee"].tolist() == [900_00]
    assert "ZZ99" in batch.columns.drg_codes
    without = _OnSpark.of(Frame(), [policy()], None, None)  # type: ignore[arg-type]
    (batch,) = read_part(iter(CASES.to_batches()), without.job)
    assert "ct_fee" not in batch.columns.amounts
