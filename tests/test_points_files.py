"""Charge lines from files of every kind: the same lines give the same points."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from points_month import work_of

from drg_engine.errors import InputError
from performance.columns import NO_DATE, dates, fixed
from performance.line_files import LineFile
from performance.work import Work

HEADINGS = ["收费日期", "项目编码", "数量", "金额", "开单科室", "开单医生", "执行科室", "执行人"]
ROWS = [
    ("2026-10-12", "0102", "200", "10.5", "S1", "1", "S1", "2"),
    ("2026-10-13", "0102", "-1.25", "-3", "S1", "", "S2", "4"),
    ("2026-10-13", "9999", "3", "7.01", "S1", "1", "T1", ""),
]


def text_table() -> pa.Table:
    columns = [pa.array(list(column), pa.string()) for column in zip(*ROWS, strict=True)]
    return pa.table(columns, names=HEADINGS)


def typed_table() -> pa.Table:
    table = text_table()
    days = [dt.date.fromisoformat(row[0]) for row in ROWS]
    typed = {
        "收费日期": pa.array(days),
        "数量": pa.array([float(row[2]) for row in ROWS]),
        "金额": pa.array([Decimal(row[3]) for row in ROWS], pa.decimal128(18, 4)),
        "执行人": pa.array([row[7] or None for row in ROWS]).dictionary_encode(),
    }
    for name, column in typed.items():
        table = table.set_column(HEADINGS.index(name), name, column)
    return table


def work_from(folder: Path, name: str, table: pa.Table) -> Work:
    place = folder / "inputs"
    place.mkdir(parents=True)
    work_of(folder)
    (place / "charges.csv").unlink()
    if name == "xlsx":
        table.to_pandas().to_excel(place / "charges.xlsx", index=False)
    else:
        pq.write_table(table, place / "charges.parquet", row_group_size=2)
    from points_month import plan_of

    from performance import read_inputs
    from performance.work import work_points

    inputs = read_inputs(folder / "tables", place, "2026-10")
    return work_points(plan_of(), inputs)


def csv_text() -> str:
    return "\n".join(",".join(row) for row in [tuple(HEADINGS), *ROWS]) + "\n"


@pytest.mark.parametrize("kind", ["xlsx", "text", "typed"])
def test_every_kind_of_file(tmp_path: Path, kind: str) -> None:
    expected = work_of(tmp_path / "csv", charges=csv_text())
    table = typed_table() if kind == "typed" else text_table()
    work = work_from(tmp_path / kind, kind, table)
    pd.testing.assert_frame_equal(work.points.table, expected.points.table)
    pd.testing.assert_frame_equal(work.personal, expected.personal)
    told = ["kind", "found", "rows", "quantity_e4", "amount_fen", "first_row"]
    pd.testing.assert_frame_equal(
        work.cells.exceptions[told], expected.cells.exceptions[told], check_dtype=False
    )
    assert work.cells.amount_read_fen == 1_451


def test_unreadable_cells_of_typed_columns(tmp_path: Path) -> None:
    table = typed_table()
    days = pa.array([dt.date(2026, 10, 12), None, dt.date(2026, 10, 13)])
    table = table.set_column(0, "收费日期", days)
    table = table.set_column(2, "数量", pa.array([0.1 + 0.2, 1.0, 2.0]))
    path = tmp_path / "charges.parquet"
    pq.write_table(table, path)
    lines = LineFile(path)
    assert lines.n == 1
    assert lines.rejects["row"].tolist() == [2, 3]
    assert lines.rejects["column"].tolist() == ["数量", "收费日期"]


def test_a_damaged_parquet_file_is_told(tmp_path: Path) -> None:
    path = tmp_path / "charges.parquet"
    pq.write_table(typed_table(), path)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(InputError, match="Parquet 文件读不出来"):
        LineFile(path)
    path.write_bytes(data[:4] + bytes(len(data) // 3) + data[4 + len(data) // 3 :])
    with pytest.raises(InputError):
        _ = LineFile(path).n


def test_headings_are_checked_at_once(tmp_path: Path) -> None:
    path = tmp_path / "charges.parquet"
    pq.write_table(text_table().drop_columns(["数量"]), path)
    with pytest.raises(InputError, match="缺少“数量”列"):
        LineFile(path)


@pytest.mark.parametrize(
    ("column", "values", "good"),
    [
        (pa.array([1, -2, None]), [10_000, -20_000, 0], [True, True, False]),
        (pa.array([1.5, 0.1, 0.30000000000000004]), [15_000, 1_000, 0], [True, True, False]),
        (pa.array([float("inf"), float("nan"), 1e300]), [0, 0, 0], [False, False, False]),
        (
            pa.array([Decimal("1.25"), Decimal("-0.01"), None], pa.decimal128(10, 2)),
            [12_500, -100, 0],
            [True, True, False],
        ),
        (
            pa.array([Decimal("1.250000"), Decimal("0.000001")], pa.decimal128(30, 6)),
            [12_500, 0],
            [True, False],
        ),
        (pa.array([Decimal(10) ** 25], pa.decimal128(30, 0)), [0], [False]),
        (pa.array([10**14], pa.int64()), [0], [False]),
        (pa.array(["1.5", None, "x"]).dictionary_encode(), [15_000, 0, 0], [True, False, False]),
    ],
)
def test_typed_numbers_are_exact(column: pa.Array, values: list[int], good: list[bool]) -> None:
    found, fine, _ = fixed(column, 4)
    assert found.tolist() == values
    assert fine.tolist() == good
    sliced, _, _ = fixed(column.slice(1), 4)
    assert sliced.tolist() == values[1:]


def test_typed_dates() -> None:
    days, good, blank = dates(pa.array([dt.date(1970, 1, 2), None]))
    assert (days.tolist(), good.tolist(), blank.tolist()) == (
        [1, NO_DATE],
        [True, False],
        [False, True],
    )
    moments = pa.array([np.datetime64("1970-01-03T23:59:59")])
    assert dates(moments)[0].tolist() == [2]
