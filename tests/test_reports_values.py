"""From typed columns to cells: amounts, absent values, text, masks."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from drg_engine.errors import DrgEngineError
from reports.layout import MONTH_LAYOUT, Layout
from reports.style import Style, display_width
from reports.values import as_cells, column_total, guessed_column, masked_ids, sorted_rows

STYLE = Style.load()
YUAN, INT, TEXT = STYLE.formats["yuan"], STYLE.formats["int"], STYLE.formats["text"]


def test_fen_become_yuan_that_read_back_exactly():
    fen = np.array([0, 1, -1, 10, 99, 100, 123_456_789_012_34, -987_654_321_09], dtype=np.int64)
    cells = as_cells(pd.Series(fen), YUAN, {})
    assert [repr(cell) for cell in cells] == [
        *("0.0", "0.01", "-0.01", "0.1", "0.99", "1.0", "123456789012.34", "-987654321.09")
    ]


def test_every_amount_up_to_a_thousand_yuan_prints_as_its_decimal():
    fen = np.arange(100_000, dtype=np.int64)
    cells = as_cells(pd.Series(fen), YUAN, {})
    assert [f"{cell:.2f}" for cell in cells] == [f"{f // 100}.{f % 100:02d}" for f in fen.tolist()]


@pytest.mark.parametrize(
    "column",
    [
        pd.Series([100, np.iinfo(np.int64).min], dtype=np.int64),
        pd.Series([100, None], dtype="Int64"),
    ],
)
def test_absent_amounts_are_empty_and_not_added(column):
    assert as_cells(column, YUAN, {}) == [1.0, None]
    assert column_total(column) == 100


def test_numbers_that_are_not_finite_are_empty():
    ratio = STYLE.formats["decimal2"]
    assert as_cells(pd.Series([1.5, np.nan, np.inf, -np.inf]), ratio, {}) == [1.5, None, None, None]


def test_scaled_counts():
    assert as_cells(pd.Series([1_234_567]), STYLE.formats["points"], {}) == [1.234567]
    assert as_cells(pd.Series([12_345]), STYLE.formats["e4"], {}) == [1.2345]
    assert as_cells(pd.Series([123_456_789]), STYLE.formats["wan"], {}) == [123.456789]


def test_text_is_named_cleaned_and_kept():
    column = pd.Series(["low", "=1+1", "a\x00b\x1f", None, "x" * 40_000], dtype=object)
    cells = as_cells(column, TEXT, {"low": "低倍率"})
    assert cells[:4] == ["低倍率", "=1+1", "a�b�", None]
    assert len(cells[4]) == 32_767


def test_categories_codes_and_dates():
    kinds = pd.Series(pd.Categorical.from_codes([1, 0, -1], categories=["normal", "high"]))
    assert as_cells(kinds, TEXT, {"high": "高倍率"}) == ["高倍率", "normal", None]
    sexes = pd.Series(np.array([1, 2, 0], dtype=np.int8))
    assert as_cells(sexes, TEXT, {"1": "男", "2": "女", "0": ""}) == ["男", "女", None]
    days = pd.Series(np.array(["2026-10-31", "NaT"], dtype="datetime64[D]"))
    assert [str(day) for day in as_cells(days, STYLE.formats["date"], {})] == ["2026-10-31", "None"]


def test_masked_ids():
    ids = pd.Series(["ZY2026000123", "123456789", "12345678", "7", None], dtype=object)
    shown = masked_ids(ids).tolist()
    assert shown == ["＊＊＊0123", "＊＊＊6789", "＊＊＊8", "＊＊＊7", None]


@pytest.mark.parametrize(
    ("key", "values", "expected"),
    [
        ("bonus_fen", [1], "yuan"),
        ("x_e6", [1], "points"),
        ("x_e4", [1], "quantity"),
        ("x_rate", [0.5], "percent"),
        ("n", [1], "int"),
        ("x", [0.5], "general"),
        ("flag", [True], "text"),
        ("name", ["a"], "text"),
    ],
)
def test_columns_that_the_layout_does_not_know(key, values, expected):
    assert guessed_column(key, pd.Series(values)).format == expected


def test_rows_are_sorted_stably_and_unknown_keys_ignored():
    frame = pd.DataFrame({"a": [1, 2, 2, 1], "b": [1, 2, 3, 4]})
    assert sorted_rows(frame, ("-a", "nothing"))["b"].tolist() == [2, 3, 1, 4]


def test_width_counts_chinese_twice():
    assert display_width("CMI") == 3
    assert display_width("科室（一）") == 10
    assert display_width("") == 0


def test_layout_faults_are_told_at_once(tmp_path):
    text = MONTH_LAYOUT.read_text(encoding="utf-8")
    broken = text.replace(
        'key = "cmi"\nlabel = "CMI"\nformat = "decimal4"',
        'key = "cmi"\nlabel = "CMI"\nformat = "romanum"',
    )
    broken = broken.replace(
        '"adjustment_fen", "surplus_fen", "surplus_rate"', '"no_such", "surplus_rate"', 1
    )
    broken = broken.replace(
        'heading = "出院例数"\nformat = "int"', 'heading = "出院例数"\nformat = "intt"'
    )
    path = tmp_path / "broken.toml"
    path.write_text(broken, encoding="utf-8")
    with pytest.raises(DrgEngineError) as caught:
        Layout.load(path, STYLE)
    found = {fault.found for fault in caught.value.faults}
    assert found == {"romanum", "no_such", "intt"}


def test_every_format_a_layout_may_name_is_described():
    layout = Layout.load(MONTH_LAYOUT, STYLE)
    assert len({sheet.name for sheet in layout.sheets}) == len(layout.sheets) == 10
    assert all(len(sheet.name) <= 31 for sheet in layout.sheets)
