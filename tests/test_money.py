"""Money: the rounding rule, sharing out, and amounts in text to fen."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drg_engine._kernels_money import AMOUNT_OK, NO_AMOUNT, NOT_A_NUMBER, TOO_FINE, fen_of_rows
from drg_engine.codes import text_buffers
from drg_engine.money import fen_from_text, format_fen, share_out, to_fen, to_yuan

QUICK = settings(max_examples=100, deadline=None)


@pytest.mark.parametrize(
    ("yuan", "fen"),
    [
        (0.0, 0),
        (2.675, 268),
        (-2.675, -268),
        (1.005, 101),
        (0.125, 13),
        (0.124999, 12),
        (0.1 + 0.2, 30),
        (12252.70, 1225270),
        (99_999_999_999.99, 9_999_999_999_999),
    ],
)
def test_a_half_is_rounded_away_from_zero(yuan: float, fen: int) -> None:
    assert int(to_fen(yuan)) == fen


@QUICK
@given(st.integers(-(10**13), 10**13))
def test_fen_to_yuan_and_back(fen: int) -> None:
    assert int(to_fen(to_yuan(fen))) == fen
    assert fen_from_text(format_fen(fen)) == fen


@QUICK
@given(st.decimals(min_value=-(10**9), max_value=10**9, places=3))
def test_decimal_thousandths_round_as_decimals_do(yuan: Decimal) -> None:
    expected = int((yuan * 100).quantize(Decimal(1), ROUND_HALF_UP))
    assert int(to_fen(float(yuan))) == expected


READ = {
    "0": 0,
    "12": 1200,
    "12.5": 1250,
    "12.50": 1250,
    "-1,234.50": -123450,
    "+3": 300,
    "¥12.30": 1230,
    "￥1,000": 100000,
    "-¥5": -500,
    "¥-5": -500,
    "１，２３４．５０": 123450,
    "0.30000000000000004": 30,
    "1234.5599999999999": 123456,
    ".5": 50,
    "99999999999.99": 9_999_999_999_999,
    "  7.00\t": 700,
}
REFUSED = {
    "": NO_AMOUNT,
    "   ": NO_AMOUNT,
    "abc": NOT_A_NUMBER,
    "1.2.3": NOT_A_NUMBER,
    "nan": NOT_A_NUMBER,
    "inf": NOT_A_NUMBER,
    "1e5": NOT_A_NUMBER,
    "--5": NOT_A_NUMBER,
    "-": NOT_A_NUMBER,
    ",": NOT_A_NUMBER,
    ".": NOT_A_NUMBER,
    "2026-10-01": NOT_A_NUMBER,
    "12元": NOT_A_NUMBER,
    "1.234": TOO_FINE,
    "0.005": TOO_FINE,
    "😀": NOT_A_NUMBER,
}


def read_fen(texts: list[str]) -> tuple[list[int], list[int]]:
    offsets, content = text_buffers(pa.array(texts, pa.string()))
    fen = np.zeros(len(texts), np.int64)
    state = np.zeros(len(texts), np.int8)
    fen_of_rows(offsets, content, fen, state)
    return fen.tolist(), state.tolist()


def test_amounts_in_a_column() -> None:
    fen, state = read_fen([*READ, *REFUSED])
    assert dict(zip(READ, fen, strict=False)) == READ
    assert set(state[: len(READ)]) == {AMOUNT_OK}
    assert dict(zip(REFUSED, state[len(READ) :], strict=True)) == REFUSED


@pytest.mark.parametrize("digits", [17, 18, 19, 20, 25, 40, 5_000])
def test_huge_amounts_never_wrap_around(digits: int) -> None:
    texts = ["9" * digits, "-" + "9" * digits + ".99", "1" + "0" * digits]
    fen, _ = read_fen(texts)
    assert [abs(value) >= 10**16 for value in fen] == [True] * 3
    assert fen[1] < 0


@QUICK
@given(st.integers(-(10**13), 10**13), st.booleans(), st.sampled_from(["", "¥", "￥"]))
def test_a_column_reads_what_one_amount_reads(fen: int, commas: bool, sign: str) -> None:
    text = format_fen(fen)
    text = sign + (text if commas else text.replace(",", ""))
    assert read_fen([text]) == ([fen], [AMOUNT_OK])
    assert fen_from_text(text) == fen


@pytest.mark.parametrize(
    "text", ["", "abc", "1.234", "nan", "inf", "-Infinity", "1e400", "9" * 30, "1_000"]
)
def test_one_amount_that_is_none(text: str) -> None:
    with pytest.raises(ValueError, match="金额"):
        fen_from_text(text)


def test_sharing_out_by_the_largest_remainder() -> None:
    assert share_out(100, [1, 1, 1], ["c", "a", "b"]).tolist() == [33, 34, 33]
    assert share_out(-100, [1, 1, 1], ["c", "a", "b"]).tolist() == [-33, -34, -33]
    assert share_out(0, [0, 0], ["a", "b"]).tolist() == [0, 0]
    assert share_out(7, [0, 2.5], ["a", "b"]).tolist() == [0, 7]


@pytest.mark.parametrize(
    ("total", "weights"),
    [(5, []), (5, [0, 0]), (5, [1, -1]), (5, [1, np.nan]), (5, [1, np.inf])],
)
def test_what_cannot_be_shared(total: int, weights: list[float]) -> None:
    with pytest.raises(ValueError, match=r"份额|分配"):
        share_out(total, weights, list(range(len(weights))))


@QUICK
@given(
    st.integers(-(10**15), 10**15),
    st.lists(st.floats(0, 1e6), min_size=1, max_size=30).filter(lambda shares: sum(shares) > 0),
    st.randoms(use_true_random=False),
)
def test_parts_equal_the_whole_in_any_order(total: int, shares: list[float], mixer: object) -> None:
    parts = share_out(total, shares, list(range(len(shares))))
    assert int(parts.sum()) == total
    assert all(part * total >= 0 for part in parts.tolist())
    order = list(range(len(shares)))
    mixer.shuffle(order)  # type: ignore[attr-defined]
    mixed = share_out(total, [shares[i] for i in order], order)
    assert mixed.tolist() == [int(parts[i]) for i in order]
