"""Random bytes, damaged files and random cells: an error in words, or counts that add up."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from bad_files import GOOD, HEAD, good_parquet, workbook, written
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from drg_engine import DrgEngineError, read_cases
from drg_engine.cases import CaseReader
from drg_engine.errors import InputError
from drg_engine.readers import read_text_table

FUZZ = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def reconciled(source: Any) -> None:
    """Reading ends well with counts that add up, or with an error in words."""
    try:
        reader = CaseReader(source)
        rows = [(part.n, part.rejects.row_count) for part in reader.parts()]
    except DrgEngineError:
        return
    counts = reader.counts
    assert counts.read == counts.cases + counts.rejected
    assert (sum(n for n, _ in rows), sum(n for _, n in rows)) == (counts.cases, counts.rejected)


HEADED = st.binary(max_size=300).map(lambda tail: f"{HEAD}\n{GOOD}\n".encode() + tail)


@FUZZ
@given(content=st.one_of(st.binary(max_size=400), HEADED))
@example(content=b"\x1c")
@example(content=b"\x85\n")
@example(content=b'"')
@example(content=f"{HEAD}\n".encode() + b'"')
@example(content=f"{HEAD}\r{GOOD}\n{GOOD}".encode())
def test_random_bytes_as_csv(tmp_path: Path, content: bytes) -> None:
    path = written(tmp_path / "fuzz.csv", content)
    reconciled(path)
    try:
        table, opened = read_text_table(path)
    except InputError:
        return
    assert table.column_names == list(opened.headings)


@pytest.fixture(scope="module")
def sound_files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("sound")
    book = workbook(folder / "a.xlsx", HEAD.split(","), GOOD.split(","))
    return {".xlsx": book.read_bytes(), ".parquet": good_parquet(folder / "a.parquet").read_bytes()}


@FUZZ
@given(
    suffix=st.sampled_from([".xlsx", ".parquet"]),
    changes=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), max_size=6),
    keep=st.one_of(st.just(1.0), st.floats(0, 1)),
)
def test_damaged_workbooks_and_parquet(
    tmp_path: Path,
    sound_files: dict[str, bytes],
    suffix: str,
    changes: list[tuple[float, int]],
    keep: float,
) -> None:
    content = bytearray(sound_files[suffix])
    for place, value in changes:
        content[int(place * (len(content) - 1))] = value
    reconciled(written(tmp_path / f"fuzz{suffix}", bytes(content[: int(len(content) * keep)])))


@FUZZ
@given(content=st.binary(max_size=300), suffix=st.sampled_from([".xlsx", ".xls", ".ods", ".pq"]))
def test_random_bytes_as_other_files(tmp_path: Path, content: bytes, suffix: str) -> None:
    reconciled(written(tmp_path / f"fuzz{suffix}", content))


CELLS = st.one_of(
    st.none(),
    st.text(max_size=8),
    st.integers(-400, 400).map(str),
    st.sampled_from([
        "男", "2", "0", "30", "nan", "2026-10-01", "1/13/24", "K80.1", "|A1", "1,234.5", "=1+1",
        "\x00", "\"", "\n", "a\nb", "😀", "１２", " ", "-", "9" * 30,
    ]),
)  # fmt: skip
COLUMNS = (
    "case_id", "sex", "age", "age_days", "birth_weight", "los", "discharge_mode", "diagnoses",
    "procedures", "vent_hours", "admission_date", "discharge_date", "department", "total_charges",
    "fee_drug", "flags", "其他",
)  # fmt: skip


@FUZZ
@given(rows=st.lists(st.fixed_dictionaries(dict.fromkeys(COLUMNS, CELLS)), max_size=8))
def test_random_tables_of_cells(tmp_path: Path, rows: list[dict[str, str | None]]) -> None:
    columns = {name: [row[name] for row in rows] for name in COLUMNS}
    table = pa.table({name: pa.array(cells, pa.string()) for name, cells in columns.items()})
    reconciled(table)
    coded = pa.table([column.dictionary_encode() for column in table.columns], table.column_names)
    reconciled(coded)
    assert read_cases(table).n == read_cases(coded).n
    text = io.StringIO()
    writer = csv.writer(text, quoting=csv.QUOTE_ALL)
    writer.writerows([COLUMNS, *([row[name] or "" for name in COLUMNS] for row in rows)])
    reconciled(written(tmp_path / "fuzz.csv", text.getvalue().encode()))
