"""Whether a file is UTF-8, looked through in pieces that may cut a character in two."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from drg_engine import csv_files

LETTERS = ["a", '"', "\n", "é", "中", "𠮷"]
BYTES = [0x22, 0x41, 0x80, 0xAD, 0xB8, 0xBF, 0xC0, 0xC2, 0xE4, 0xED, 0xF0, 0xF8, 0xFF]

TEXT = st.lists(st.sampled_from(LETTERS), max_size=30).map(lambda parts: "".join(parts).encode())
CUT = st.builds(lambda text, end: text[: len(text) - end], TEXT, st.integers(1, 3))
NOISE = st.lists(st.sampled_from(BYTES), max_size=30).map(bytes)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.one_of(TEXT, CUT, NOISE), piece=st.integers(4, 16))
def test_as_the_decoder_of_python_has_it(
    data: bytes, piece: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "letters.csv"
    path.write_bytes(data)
    try:
        data.decode("utf-8")
        good = True
    except UnicodeDecodeError:
        good = False
    monkeypatch.setattr(csv_files, "_SURVEY_BYTES", piece)
    assert csv_files._utf8(path) == (good, data.count(b'"'))
