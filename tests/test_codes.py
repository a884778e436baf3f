"""Codes as numbers: the normal form, and a code book against a plain dictionary."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from drg_engine._jit import JIT
from drg_engine.codes import CodeBook, Encoded, normal_code

MANY = 100_000 if JIT else 9_000
QUICK = settings(max_examples=60, deadline=None)


@pytest.mark.parametrize(
    ("typed", "normal"),
    [
        ("k80.1", "K80.1"),
        ("  K80.100 ", "K80.100"),
        ("Ｋ８０．１００", "K80.100"),
        ("\u3000k80.100\t", "K80.100"),
        ("K80.100\r\n", "K80.100"),
        ("A01.000X005+J17.0*", "A01.000x005+J17.0*"),
        ("a01.000x005＋j17.0*", "A01.000x005+J17.0*"),
        ("x44.000X001", "X44.000x001"),
        ("A18.000+X44.000X002", "A18.000+X44.000x002"),
        ("33.6X00", "33.6x00"),
        ("00.1", "00.1"),
        ("", ""),
        ("-", ""),
        (" -- ", ""),
        ("-1", "-1"),
    ],
)
def test_the_normal_form(typed: str, normal: str) -> None:
    assert normal_code(typed) == normal
    assert normal_code(normal) == normal
    assert rows_of(CodeBook(), [typed]) == [[normal] if normal else []]


def rows_of(book: CodeBook, texts: Sequence[str | None]) -> list[list[str]]:
    return told(book, book.encode(pa.array(texts, pa.string())))


def told(book: CodeBook, encoded: Encoded) -> list[list[str]]:
    edges = encoded.offsets.tolist()
    codes = [book.strings[place] for place in encoded.places.tolist()]
    return [codes[edges[i] : edges[i + 1]] for i in range(len(edges) - 1)]


def test_joined_codes_empty_places_and_nulls() -> None:
    book = CodeBook()
    texts = ["A1|b2| |C3", None, "", "|", "|A1", " | |A1", "A1,B2;C3", "a1|A1", "-|B2", "A1|-|--"]
    assert rows_of(book, texts) == [
        ["A1", "B2", "C3"],
        [],
        [],
        [],
        ["", "A1"],
        ["", "A1"],
        ["A1", "B2", "C3"],
        ["A1", "A1"],
        ["", "B2"],
        ["A1"],
    ]
    assert sorted(book.strings) == ["", "A1", "B2", "C3"]
    assert len(book) == 4


def test_places_once_given_stay() -> None:
    book = CodeBook()
    first = book.encode(pa.array(["A1|B2"]))
    book.encode(pa.array([f"C{i}" for i in range(5_000)]))
    again = book.encode(pa.array(["b2|a1"]))
    assert again.places.tolist() == first.places.tolist()[::-1]


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string()])
def test_dictionary_columns_equal_plain_ones(kind: pa.DataType) -> None:
    texts = ["A1|B2", None, "", "|C3", "A1|B2", None, "d4"] * 40
    column = pa.array(texts, kind)
    plain, coded = CodeBook(), CodeBook()
    expected = plain.encode(column)
    got = coded.encode(column.dictionary_encode())
    assert told(coded, got) == told(plain, expected)
    assert got.unfit.tolist() == expected.unfit.tolist()


def test_a_dictionary_with_nothing_in_it() -> None:
    column = pa.DictionaryArray.from_arrays(pa.nulls(3, pa.int32()), pa.array([], pa.string()))
    assert told(CodeBook(), CodeBook().encode(column)) == [[], [], []]


def test_slices_are_read_from_their_own_place() -> None:
    column = pa.array(["A1", "B2|C3", None, "D4", "E5"])
    for part in (column.slice(1, 3), column.dictionary_encode().slice(1, 3)):
        book = CodeBook()
        assert told(book, book.encode(part)) == [["B2", "C3"], [], ["D4"]]


def test_overlong_and_broken_codes_are_marked() -> None:
    book = CodeBook()
    longest = "A" * 64
    texts = [longest, longest + "B", f"K1|{'x' * 1_000_000}", "K1\nK2", "K1\r\n", "K1\tK2", "K1 K2"]
    encoded = book.encode(pa.array(texts))
    assert encoded.unfit.tolist() == [False, True, True, True, False, False, False]
    assert longest in book.strings
    assert all(len(code) <= 64 for code in book.strings)


def test_many_codes_are_numbered_as_first_met() -> None:
    """Far past the first sizes of slots, hashes and bytes, in parts and in one go."""
    rng = np.random.default_rng(7)
    codes = [f"K{i:05d}.X{i % 97}" for i in rng.permutation(MANY).tolist()]
    rows = ["|".join(codes[i : i + 5]) for i in range(0, len(codes), 5)]
    normal = [normal_code(code) for code in codes]
    whole = CodeBook()
    encoded = whole.encode(pa.array(rows))
    assert whole.strings == normal
    assert encoded.places.tolist() == list(range(MANY))
    parts = CodeBook()
    for start in range(0, len(rows), 1_111):
        parts.encode(pa.array(rows[start : start + 1_111]))
    assert parts.strings == normal
    again = parts.encode(pa.array(rows[::-1]))
    assert len(parts) == MANY
    assert sorted(again.places.tolist()) == list(range(MANY))


def test_a_book_of_given_codes() -> None:
    book = CodeBook.of(["k80.1", "I10", "K80.1", "i10", "A01"])
    assert book.strings == ["K80.1", "I10", "A01"]


CHARACTERS = st.sampled_from(list("aAkKxXzZ019.+*-| ,;\tＡｘ＋｜１é中\u3000/"))
TEXTS = st.one_of(
    st.text(CHARACTERS, max_size=14),
    st.lists(st.sampled_from(["K80.1", "k80.1", "A01.000x005+J17.0*", "", " "]), max_size=6).map(
        "|".join
    ),
)


def model(texts: Sequence[str | None]) -> tuple[list[list[str]], list[str]]:
    """Rows of normal codes and the distinct ones as first met, in plain Python."""
    rows: list[list[str]] = []
    met: dict[str, None] = {}
    for text in texts:
        cells = (text or "").translate(str.maketrans("｜,;", "|||")).split("|")
        principal, *others = (normal_code(cell) for cell in cells)
        others = [code for code in others if code]
        met.setdefault(principal, None)
        met.update(dict.fromkeys(others))
        rows.append([principal, *others] if principal or others else [])
    return rows, list(met)


@QUICK
@given(st.lists(st.one_of(st.none(), TEXTS), max_size=40))
@example(["x", "+x", "+ x", "ax", "Ｘx"])
@example([None, "", "|", "||A"])
def test_a_code_book_equals_a_dictionary(texts: list[str | None]) -> None:
    book = CodeBook()
    rows, distinct = model(texts)
    assert rows_of(book, texts) == rows
    assert book.strings == distinct


@QUICK
@given(st.text(st.characters(codec="utf-8", max_codepoint=0x2FFF), max_size=12))
def test_the_kernel_normalises_as_the_function_does(text: str) -> None:
    normal = normal_code(text)
    lines = {"\n", "\r"} & set(normal)
    several = {"|", ",", ";"} & set(normal)
    if several or lines or len(normal.encode()) > 64:
        return
    assert rows_of(CodeBook(), [text]) == [[normal] if normal else []]
