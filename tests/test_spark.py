"""Spark with two local workers gives what one machine gives, to the fen."""

from __future__ import annotations

import csv
import os
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from region_cases import EVERY_RULE, FOUND_POINTS, policy, write_region

from drg_engine.cases import read_cases
from drg_engine.errors import InputError, PolicyError
from drg_engine.grouping import group
from drg_engine.scenario import Layer, Scenario, SchemeChange, WeightChange
from drg_engine.scenario_files import comparison_tables
from drg_engine.scenario_stream import run_scenarios
from drg_engine.settle_command import settle_files
from drg_engine.settle_files import CaseSource
from drg_engine.spark import group_frame, scenario_totals, settle_frame
from drg_engine.spark_tasks import GROUPED, REJECT
from grouper_tables import load_scheme

HERE = Path(__file__).parent
pytestmark = pytest.mark.program("spark")

FACTORS = WeightChange(factors={"BB13": 0.9, "CC15": 1.2}, rescale=True)
SCENARIOS = [
    Scenario("a", "rates", layers=(Layer("a", {"coefficient.default": 1.1, "high.bound": 1.7}),)),
    Scenario("b", "closed", weights=(FACTORS,), point_value="closed", cost_factor=0.9),
]
POLICIES = {"every rule": ("rate_example", EVERY_RULE), "points": ("points_example", FOUND_POINTS)}


@pytest.fixture(scope="module")
def session() -> Iterator[Any]:
    """Two workers with little memory; whatever Spark leaves open is its own affair."""
    from pyspark.sql import SparkSession

    held = {name: os.environ.get(name) for name in ("PYSPARK_PYTHON", "SPARK_LOCAL_IP")}
    os.environ["PYSPARK_PYTHON"] = sys.executable
    os.environ["SPARK_LOCAL_IP"] = "127.0.0.1"
    builder = SparkSession.builder.master("local[2]").appName("drg-engine tests")
    options = {
        "spark.driver.memory": "1g",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.sql.shuffle.partitions": "2",
        "spark.sql.execution.arrow.maxRecordsPerBatch": "200",
    }
    for key, value in options.items():
        builder = builder.config(key, value)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        made = builder.getOrCreate()
        made.sparkContext.setLogLevel("ERROR")
        yield made
        made.stop()
    for name, value in held.items():
        os.environ.pop(name)
        if value is not None:
            os.environ[name] = value


def collected(frame: Any, session: Any) -> pd.DataFrame:
    """The rows of a frame; rows by way of plain Python, as pandas 3 is too new for PySpark."""
    rows = [row.asDict() for row in frame.collect()]
    return pd.DataFrame(rows, columns=frame.columns).sort_values("case_id", ignore_index=True)


@pytest.mark.parametrize("name", POLICIES)
def test_settled_the_same(name: str, session: Any, tmp_path: Path) -> None:
    region, used = write_region(tmp_path / "region", rows=250), policy(*POLICIES[name])
    source = CaseSource([region], policies=[used])
    settle_files(source, [used], tmp_path / "out")
    files = sorted((tmp_path / "out").rglob("*.parquet"))
    expected = pa.concat_tables(
        [pq.read_table(path, partitioning=None).unify_dictionaries() for path in files]
    )
    frame = session.read.parquet(str(region)).repartition(2)
    found = collected(settle_frame(frame, used), session)
    assert found.pop(REJECT).isna().all()
    wanted = expected.to_pandas().sort_values("case_id", ignore_index=True)
    for column in wanted.columns:
        mine, theirs = found[column].tolist(), wanted[column].tolist()
        blank = [pd.isna(one) for one in mine]
        assert blank == [pd.isna(one) for one in theirs], column
        kept = [one for one, empty in zip(mine, blank, strict=True) if not empty]
        assert kept == [one for one in theirs if not pd.isna(one)], column

    if name == "points":
        return  # the scenarios below find prices again
    base, outcomes = scenario_totals(frame, used, SCENARIOS)
    before, local = run_scenarios(source, [used], SCENARIOS, tmp_path / "stays")
    tables, wanted_tables = comparison_tables(base, outcomes), comparison_tables(before, local)
    assert set(tables) == set(wanted_tables)
    for key, table in tables.items():
        pd.testing.assert_frame_equal(table, wanted_tables[key])
    assert (tables["comparison"]["change_fen"] != 0).sum() >= 1


def test_grouped_the_same(session: Any) -> None:
    path = HERE / "data" / "acceptance" / "grouping_chs_drg_2_0.csv"
    with path.open(encoding="utf-8", newline="") as stream:
        rows = [row for _, row in zip(range(60), csv.DictReader(stream), strict=False)]
    kept = [name for name in rows[0] if not name.startswith("expected")]
    rows[7]["age"] = "很老"
    table = [tuple(row[name] for name in kept) for row in rows]
    frame = session.createDataFrame(table, schema=", ".join(f"`{name}` string" for name in kept))
    cases = read_cases(pa.table({name: [row[name] for row in rows] for name in kept}))
    made = group(cases, load_scheme("chs_drg_2_0")).table()
    expected = {
        case: tuple(values[name] for name in GROUPED)
        for case, values in zip(cases.case_id.to_pylist(), made.to_pylist(), strict=True)
    }
    found = group_frame(frame, "chs_drg_2_0").collect()
    assert len(found) == 60
    for row in found:
        if row["case_id"] == rows[7]["case_id"]:
            assert row["drg"] is None and "不是数字" in row[REJECT]
        else:
            assert tuple(row[name] for name in GROUPED) == expected[row["case_id"]]
            assert row[REJECT] is None


def test_rejected_rows_are_kept_with_their_reason(session: Any) -> None:
    rows = [("1", "BB13", "100.00"), ("2", "BB13", "abc"), ("", "BB13", "100.00")]
    frame = session.createDataFrame(rows, "case_id string, drg string, total_charges string")
    found = {row["case_id"]: row[REJECT] for row in settle_frame(frame, policy()).collect()}
    assert found["1"] is None
    assert "不是金额" in found["2"]
    assert "不能为空" in found[""]


def test_what_cannot_be_done_is_told(session: Any) -> None:
    frame = session.createDataFrame([("1", "BB13")], "case_id string, drg string")
    with pytest.raises(InputError, match="缺少列“总费用”"):
        settle_frame(frame, policy())
    other = Scenario("other", "other", scheme=SchemeChange("chs_drg_1_1"))
    with pytest.raises(PolicyError, match="不能换分组方案"):
        scenario_totals(frame, policy(), [other])
