"""Writing files: aside and renamed, by suffix, with text that is never a formula."""

from __future__ import annotations

import csv
import hashlib
import os
import zipfile
from pathlib import Path

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from drg_engine.errors import InputError
from drg_engine.files import file_sha256, plain_text, written_aside
from drg_engine.writers import open_writer, write_table

RISKY = ["=cmd|'/C calc'!A0", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "plain", "", None, "中文"]
SUFFIXES = (".csv", ".xlsx", ".parquet")


def test_written_aside_replaces_only_when_all_went_well(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "file.txt"
    with written_aside(target) as aside:
        aside.write_text("first")
        assert not target.exists()
    assert target.read_text() == "first"
    with pytest.raises(RuntimeError), written_aside(target) as aside:
        aside.write_text("half")
        raise RuntimeError
    assert target.read_text() == "first"
    assert os.listdir(target.parent) == ["file.txt"]  # noqa: PTH208


def test_hash_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"drg" * 1000)
    assert file_sha256(path) == hashlib.sha256(b"drg" * 1000).hexdigest()


def test_plain_text() -> None:
    shown = [plain_text(text) for text in RISKY if text is not None]
    assert shown == [f"'{RISKY[i]}" for i in range(6)] + ["plain", "", "中文"]


@pytest.mark.parametrize("kind", ["string", "large", "dictionary", "slice"])
def test_a_formula_in_a_csv_is_marked(tmp_path: Path, kind: str) -> None:
    column: pa.Array = pa.array(RISKY)
    if kind == "large":
        column = column.cast(pa.large_string())
    elif kind == "dictionary":
        column = column.dictionary_encode()
    elif kind == "slice":
        column = pa.array(["=x", *RISKY, "=y"]).slice(1, len(RISKY))
    path = tmp_path / "a.csv"
    write_table(path, pa.table([column, pa.array(range(10))], names=["=name", "n"]))
    with path.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.reader(stream))
    assert rows[0] == ["'=name", "n"]
    assert [row[0] for row in rows[1:]] == [plain_text(text or "") for text in RISKY]


def test_a_formula_in_a_workbook_is_text(tmp_path: Path) -> None:
    path = tmp_path / "a.xlsx"
    bad = ["\x00\x01a\x0b", "x\ufffe\uffffy", "😀"]
    write_table(path, pa.table({"=name": [*RISKY, *bad], "n": list(range(13))}))
    sheet = openpyxl.load_workbook(path).worksheets[0]
    cells = [row[0] for row in sheet.iter_rows()]
    assert all(cell.data_type in ("s", "inlineStr", "n") for cell in cells)
    assert all(cell.data_type != "n" or cell.value is None for cell in cells)
    values = [cell.value for cell in cells]
    assert values[0] == "=name"
    assert values[1:5] == RISKY[:4]
    assert values[11:] == ["a", "xy", "😀"]
    with zipfile.ZipFile(path) as archive:
        assert b"<f>" not in archive.read("xl/worksheets/sheet1.xml")


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_parts_are_appended_and_nothing_half_written_is_left(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"out{suffix}"
    table = pa.table({"a": ["x", "y"], "n": [1, 2]})
    with open_writer(path) as writer:
        writer.write(table)
        writer.write(table)
        assert not path.exists()
    before = path.read_bytes()
    assert count_rows(path) == 4
    with pytest.raises(RuntimeError), open_writer(path) as writer:
        writer.write(table)
        raise RuntimeError
    assert path.read_bytes() == before
    assert [item.name for item in tmp_path.iterdir()] == [path.name]


def count_rows(path: Path) -> int:
    if path.suffix == ".parquet":
        return int(pq.read_table(path).num_rows)
    if path.suffix == ".xlsx":
        return int(openpyxl.load_workbook(path).worksheets[0].max_row) - 1
    return len(path.read_text().splitlines()) - 1


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_place_that_cannot_be_written_is_told(tmp_path: Path, suffix: str) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError, match="写不进"), open_writer(tmp_path / "file" / f"o{suffix}"):
        pass
    folder = tmp_path / f"folder{suffix}"
    folder.mkdir()
    with pytest.raises(InputError, match="文件夹"), open_writer(folder):
        pass


def test_an_unknown_suffix_is_told(tmp_path: Path) -> None:
    for name in ("out.doc", "out"):
        with pytest.raises(InputError, match=r"可用 \.csv"):
            write_table(tmp_path / name, pa.table({"a": [1]}))
    assert list(tmp_path.iterdir()) == []


def test_a_csv_for_people_begins_with_a_mark(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    write_table(path, pa.table({"列": ["a,b", 'q"q', "l\nl"]}), bom=True)
    assert path.read_bytes().startswith(b"\xef\xbb\xbf")
    with path.open(encoding="utf-8-sig", newline="") as stream:
        assert list(csv.reader(stream)) == [["列"], ["a,b"], ['q"q'], ["l\nl"]]


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_the_same_table_gives_the_same_bytes(tmp_path: Path, suffix: str) -> None:
    contents = []
    for name in ("a", "b"):
        path = tmp_path / f"{name}{suffix}"
        write_table(path, pa.table({"a": ["x", "y"], "n": [1, 2]}))
        contents.append(path.read_bytes())
    assert contents[0] == contents[1]


def test_a_sheet_has_room_for_so_many_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("drg_engine.writers._SHEET_ROWS", 4)
    write_table(tmp_path / "fits.xlsx", pa.table({"a": [1, 2, 3]}))
    with pytest.raises(InputError, match="行数上限"):
        write_table(tmp_path / "long.xlsx", pa.table({"a": [1, 2, 3, 4]}))
    assert not (tmp_path / "long.xlsx").exists()
