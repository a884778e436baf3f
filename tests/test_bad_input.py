"""Bad input, through the library and the command: words or a rejected row, never a traceback.

Never a row lost: what is read is grouped or rejected.  Never a half-written file: after an error
the output is absent or what it was before.
"""

from __future__ import annotations

import csv
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from bad_files import GOOD, HEAD, good_parquet, workbook, written

from drg_engine import cli, load_scheme, read_cases
from drg_engine.errors import InputError
from drg_engine.group_files import group_file

OLD = "what stood here before\n"


@dataclass
class Told:
    """What a run of the command did."""

    code: int
    text: str
    out: list[dict[str, str]] | None
    rejects: list[dict[str, str]] | None

    @property
    def counts(self) -> tuple[int, int, int]:
        """Grouped in any way, rejected, read, as the command says."""
        line = next(line for line in self.text.splitlines() if "读入" in line)
        *grouped, rejected, read = (int(n.replace(",", "")) for n in re.findall(r"[\d,]+", line))
        assert "≠" not in line
        return sum(grouped), rejected, read


Command = Callable[..., Told]


@pytest.fixture
def command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Command:
    """Run ``drg-engine group`` on a file in this process."""

    def run(source: Path, *options: str, out: Path | None = None) -> Told:
        target = out or tmp_path / "result" / "out.csv"
        rejects = tmp_path / "result" / "rejects.csv"
        if not target.is_dir() and out is None:
            target.parent.mkdir(exist_ok=True)
            target.write_text(OLD)
        arguments = ["group", str(source), "--scheme", "chs_drg_2_0", "--out", str(target)]
        arguments += ["--rejects", str(rejects), *options]
        monkeypatch.setattr(sys, "argv", ["drg-engine", *arguments])
        code = 0
        try:
            cli.main()
        except SystemExit as end:
            code = int(end.code or 0)
        text = capsys.readouterr().err
        assert "Traceback" not in text
        if code == 0:
            return Told(code, text, rows_of(target), rows_of(rejects))
        if out is None:
            assert target.read_text() == OLD
            assert [path.name for path in target.parent.iterdir()] == [target.name]
        return Told(code, text, None, None)

    return run


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as stream:
        return list(csv.DictReader(stream))


def write(path: Path, *lines: str, encoding: str = "utf-8") -> Path:
    path.write_bytes("".join(f"{line}\n" for line in lines).encode(encoding))
    return path


# --- whole files that cannot be read --------------------------------------------------------------


def zip_bomb(path: Path) -> Path:
    """A workbook of under 200 KB with an entry of 100 MB."""
    workbook(path, HEAD.split(","), GOOD.split(","))
    with zipfile.ZipFile(path) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
        with archive.open("xl/worksheets/sheet2.xml", "w") as entry:
            for _ in range(100):
                entry.write(bytes(1 << 20))
    return path


def far_cell(path: Path) -> Path:
    """A sheet with one stray cell at its far corner."""
    book = openpyxl.Workbook()
    book.worksheets[0].append(HEAD.split(","))
    book.worksheets[0]["XFD1048576"] = "x"
    book.save(path)
    return path


def truncated(path: Path, share: float) -> Path:
    content = path.read_bytes()
    return written(path, content[: int(len(content) * share)])


def mixed(first: str, second: str) -> bytes:
    names = ("出血性疾病", "高血压病", "女", "男")
    lines = [HEAD, *(f"{i},1,30,,K80.1,{name}" for i, name in enumerate(names))]
    half = len(lines) // 2
    return "\n".join(lines[:half]).encode(first) + b"\n" + "\n".join(lines[half:]).encode(second)


UNREADABLE: dict[str, tuple[str, Callable[[Path], Path], str]] = {
    "an empty file": ("a.csv", lambda p: written(p, b""), "空文件"),
    "spaces": ("a.csv", lambda p: written(p, b" \n\t\r\n"), "空文件"),
    "only a mark": ("a.csv", lambda p: written(p, b"\xef\xbb\xbf"), "空文件"),
    "a mark and lines": ("a.csv", lambda p: written(p, b"\xef\xbb\xbf\r\n\r\n"), "空文件"),
    "an empty workbook": ("a.xlsx", lambda p: written(p, b""), "空文件"),
    "a workbook without cells": ("a.xlsx", workbook, "工作表是空的"),
    "an empty parquet": ("a.parquet", lambda p: written(p, b""), "读不出来"),
    "no header": ("a.csv", lambda p: write(p, GOOD, GOOD), "缺少列"),
    "no header in a workbook": ("a.xlsx", lambda p: workbook(p, GOOD.split(",")), "缺少列"),
    "bars for commas": ("a.csv", lambda p: write(p, HEAD.replace(",", "|")), "请检查分隔符"),
    "colons for commas": ("a.csv", lambda p: write(p, HEAD.replace(",", ":")), "请检查分隔符"),
    "utf-16": ("a.csv", lambda p: write(p, HEAD, GOOD, encoding="utf-16"), "UTF-16"),
    "utf-16 unmarked": ("a.csv", lambda p: write(p, HEAD, encoding="utf-16-le"), "不是文本文件"),
    "binary": ("a.csv", lambda p: written(p, bytes(range(256)) * 40), "不是文本文件"),
    "bytes of no encoding": ("a.csv", lambda p: written(p, b"\xff\xfe\xfd,1\n"), "UTF-16"),
    "broken bytes": ("a.csv", lambda p: written(p, b"a,b\n\x81\xff\xff\n"), "既不是 UTF-8"),
    "utf-8, then gb": ("a.csv", lambda p: written(p, mixed("utf-8", "gb18030")), "编码"),
    "gb, then utf-8": ("a.csv", lambda p: written(p, mixed("gb18030", "utf-8")), "编码"),
    "a workbook named csv": (
        "a.csv",
        lambda p: workbook(p.with_suffix(".xlsx"), HEAD.split(",")).rename(p),
        "改为 .xlsx",
    ),
    "a csv named xlsx": ("a.xlsx", lambda p: write(p, HEAD, GOOD), "改为 .csv"),
    "a csv named xls": ("a.xls", lambda p: write(p, HEAD, GOOD), "读不出来"),
    "a csv named parquet": ("a.parquet", lambda p: write(p, HEAD, GOOD), "读不出来"),
    "half a workbook": (
        "a.xlsx",
        lambda p: truncated(workbook(p, HEAD.split(","), GOOD.split(",")), 0.5),
        "截断",
    ),
    "nearly a workbook": (
        "a.xlsx",
        lambda p: truncated(workbook(p, HEAD.split(","), GOOD.split(",")), 0.99),
        "截断",
    ),
    "half a parquet": ("a.parquet", lambda p: truncated(good_parquet(p), 0.5), "读不出来"),
    "nearly a parquet": ("a.parquet", lambda p: truncated(good_parquet(p), 0.99), "读不出来"),
    "a zip bomb": ("a.xlsx", zip_bomb, "展开后过大"),
    "a stray cell far out": ("a.xlsx", far_cell, "XFD1048576"),
    "a quote left open": ("a.csv", lambda p: write(p, HEAD, '1,1,"30,,K80.1,a', GOOD), "第 2 行"),
    "a last quote left open": (
        "a.csv",
        lambda p: write(p, HEAD, GOOD, '2,1,30,,K80.1,"a', GOOD, "3,1,30,,I10,b"),
        "第 3 行：引号没有配对",
    ),
    "two quotes left open": (
        "a.csv",
        lambda p: write(p, HEAD, GOOD, '2,1,30,,K80.1,"a', GOOD, '3,1,30,,I10,b"'),
        "第 3 行：引号没有配对",
    ),
    "a quote amid quoted cells": (
        "a.csv",
        lambda p: write(p, HEAD, '"1","1","30","","I10","a', *['"2","1","30","","I10","b"'] * 3),
        "引号没有配对",
    ),
    "a quote in the heading": ("a.csv", lambda p: write(p, '"' + HEAD, GOOD), "引号没有配对"),
    "an endless heading": ("a.csv", lambda p: written(p, b"a" * 200_000 + b"\n1\n"), "表头超过"),
    "a repeated heading": ("a.csv", lambda p: write(p, HEAD + ",性别", GOOD), "表头重复"),
    "others without a principal": (
        "a.csv",
        lambda p: write(p, "病案号,性别,年龄,其他诊断编码1", "1,1,3,I10"),
        "却没有主要诊断编码",
    ),
    "an unknown suffix": ("a.docx", lambda p: write(p, HEAD, GOOD), "不认识这种文件"),
    "no suffix": ("cases", lambda p: write(p, HEAD, GOOD), "不认识这种文件"),
    "no such file": ("a.csv", lambda p: p, "没有这个文件"),
    "a folder": ("a.csv", lambda p: (p.mkdir(), p)[1], "这是文件夹"),
    "a name far too long": ("a.csv", lambda p: p.with_name("a" * 300 + ".csv"), "打不开"),
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_a_file_that_cannot_be_read(name: str, tmp_path: Path, command: Command) -> None:
    file, make, words = UNREADABLE[name]
    path = make(tmp_path / file)
    with pytest.raises(InputError) as error:
        read_cases(path)
    assert words in str(error.value)
    assert len(str(error.value)) < 6_000
    told = command(path)
    assert told.code == InputError.exit_code
    assert words.replace(" ", "") in told.text.replace("\n", "").replace(" ", "")


def test_the_zip_bomb_is_one(tmp_path: Path) -> None:
    path = zip_bomb(tmp_path / "bomb.xlsx")
    assert path.stat().st_size < 200_000
    with zipfile.ZipFile(path) as archive:
        assert sum(entry.file_size for entry in archive.infolist()) > 100 << 20


# --- rows ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class BadRow:
    line: str
    reason: str
    column: str = "整行"


BAD_ROWS: dict[str, BadRow] = {
    "age 0 without days": BadRow("1,1,0,,P07.300,a", "必须有日龄", "年龄"),
    "negative days": BadRow("1,1,0,-3,P07.300,a", "应在 0 到", "日龄"),
    "negative age": BadRow("1,1,-1,,K80.100,a", "应在 0 到 150", "年龄"),
    "a huge number": BadRow("1,1,99999999999999999999,,K80.100,a", "不是数字", "年龄"),
    "not a number": BadRow("1,1,nan,,K80.100,a", "不是数字", "年龄"),
    "infinite": BadRow("1,1,inf,,K80.100,a", "不是数字", "年龄"),
    "a date for a number": BadRow("1,1,2026-10-01,,K80.100,a", "这是日期", "年龄"),
    "no id": BadRow(",1,30,,K80.100,a", "不能为空", "病案号"),
    "too few cells": BadRow("1,1,30", "应有 6 列，实有 3 列"),
    "too many cells": BadRow("1,1,30,,K80.100,a,b", "应有 6 列，实有 7 列"),
    "a million characters": BadRow(
        f"1,1,30,,{'K' * 1_000_000},a", "超过 64 个字节", "主要诊断编码"
    ),
    "a line's end in a code": BadRow('1,1,30,,"K80\n.100",a', "换行", "主要诊断编码"),
}


@pytest.mark.parametrize("name", BAD_ROWS)
def test_a_row_that_stays_out(name: str, tmp_path: Path, command: Command) -> None:
    row = BAD_ROWS[name]
    path = write(tmp_path / "a.csv", HEAD, "7,2,40,,I10.x00,a", row.line, "8,2,41,,I10.x00,b")
    told = command(path)
    assert told.code == 0
    assert told.counts == (2, 1, 3)
    assert told.out is not None
    assert [line["case_id"] for line in told.out] == ["7", "8"]
    assert told.rejects is not None
    (line,) = told.rejects
    assert (line["file"], line["row"], line["column"]) == ("a.csv", "3", row.column)
    assert row.reason in line["reason"]
    assert len(line["value"]) <= 81


def test_duplicate_ids(tmp_path: Path, command: Command) -> None:
    path = write(tmp_path / "a.csv", HEAD, GOOD, "2,1,30,,I10.x00,b", GOOD, "１,1,30,,I10.x00,c")
    told = command(path)
    assert told.counts == (2, 2, 4)
    assert told.rejects is not None
    assert [(line["row"], line["reason"]) for line in told.rejects] == [
        ("4", "重复，第 2 行已有同一编号"),
        ("5", "重复，第 2 行已有同一编号"),
    ]


def test_what_is_let_in_and_told(tmp_path: Path, command: Command) -> None:
    """A missing sex, codes of another edition, a huge id, and odd signs do not keep a row out."""
    rows = [
        "1,,30,,K80.100,no sex",
        "2,1,30,,K80.10099,another edition's code",
        f"3{'9' * 100_000},1,30,,K80.100,{'y' * 1_000_000}",
        "4😀,1,30,,K80.100,😀",
        "5\x01\x7f,1,30,,K80.100,\x02",
        '6,1,30,,K80.100,"several\nlines, of text"',
        "7,1,30,,😀,no code",
    ]
    told = command(write(tmp_path / "a.csv", HEAD, *rows))
    assert told.counts == (7, 0, 7)
    assert told.out is not None
    reasons = [line["reason"] for line in told.out]
    assert [reasons[i] for i in (1, 6)] == ["unknown_principal_dx"] * 2
    assert reasons[0] == reasons[2] == reasons[3] == reasons[5]
    assert "按未知处理" in told.text
    assert "不认识的编码" in told.text


def test_a_nul_in_text_is_told_or_read(tmp_path: Path, command: Command) -> None:
    early = command(written(tmp_path / "a.csv", f"{HEAD}\n1,1,30,,K80\0.1,a\n".encode()))
    assert "不是文本文件" in early.text
    rows = "".join(f"{i},1,30,,K80.100,{'x' * 50}\n" for i in range(2_000))
    late = command(written(tmp_path / "b.csv", f"{HEAD}\n{rows}x\0,1,30,,K80\0.1,a\n".encode()))
    assert late.counts == (2_001, 0, 2_001)


def test_only_a_heading(tmp_path: Path, command: Command) -> None:
    for ending in ("\n", "", "\r\n\r\n"):
        told = command(written(tmp_path / "a.csv", (HEAD + ending).encode()))
        assert (told.code, told.counts, told.out) == (0, (0, 0, 0), [])
    book = workbook(tmp_path / "a.xlsx", HEAD.split(","))
    assert command(book).counts == (0, 0, 0)
    pq.write_table(pa.table({name: pa.array([], pa.string()) for name in HEAD.split(",")}),
                   tmp_path / "a.parquet")  # fmt: skip
    assert command(tmp_path / "a.parquet").counts == (0, 0, 0)


def test_all_rows_rejected(tmp_path: Path, command: Command) -> None:
    told = command(write(tmp_path / "a.csv", HEAD, "1,1,x,,K80.100,a", "2,1"))
    assert told.counts == (0, 2, 2)
    assert told.out == []


def test_tabs_and_semicolons_are_recognised(tmp_path: Path, command: Command) -> None:
    for sign in "\t;":
        path = write(tmp_path / "a.csv", HEAD.replace(",", sign), GOOD.replace(",", sign))
        assert command(path).counts == (1, 0, 1)


def test_a_row_longer_than_a_block(
    tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("drg_engine.csv_files.BLOCK_BYTES", 1 << 16)
    path = write(tmp_path / "a.csv", HEAD, GOOD, f'2,1,30,,I10.x00,"{"y" * 300_000}"')
    told = command(path)
    assert told.code == InputError.exit_code
    assert "有一行超过" in told.text


@pytest.mark.parametrize("suffix", [".csv", ".xlsx"])
def test_a_formula_in_a_name_stays_text(tmp_path: Path, command: Command, suffix: str) -> None:
    formulas = ["=cmd|'/C calc'!A0", "+1", "-1", "@SUM(A1)"]
    rows = [f"{formula},1,30,,K80.100,{formula}" for formula in formulas]
    rows += [f"{formula}b,1,x,,K80.100,a" for formula in formulas]
    path = write(tmp_path / "a.csv", HEAD.replace("备注", "=备注"), *rows)
    out = tmp_path / f"out{suffix}"
    told = command(path, "--with-input", out=out) if suffix == ".csv" else None
    if told is not None:
        assert told.out is not None
        assert told.rejects is not None
        assert [line["case_id"] for line in told.out] == [f"'{text}" for text in formulas]
        assert [line["'=备注"] for line in told.out] == [f"'{text}" for text in formulas]
        assert [line["case_id"] for line in told.rejects] == [f"'{text}b" for text in formulas]
        return
    group_file(path, load_scheme("chs_drg_2_0"), out, with_input=True)
    sheet = openpyxl.load_workbook(out).worksheets[0]
    cells = [cell for row in sheet.iter_rows() for cell in row]
    assert not [cell for cell in cells if cell.data_type == "f"]
    assert [row[0].value for row in sheet.iter_rows(min_row=2)] == formulas


# --- numbers and dates in typed files -------------------------------------------------------------


def test_typed_cells_of_a_workbook(tmp_path: Path, command: Command) -> None:
    import datetime as dt

    head = ["病案号", "性别", "年龄", "主要诊断编码", "出院日期", "总费用"]
    day = dt.datetime(2026, 10, 1)
    rows: list[list[Any]] = [
        [1, 1, 30, "K80.100", day, 12.5],
        [2, 1, day, "K80.100", day, 12.5],
        [3, 1, 30, "K80.100", 45_000, 12.5],
        [4, 1, 30, "K80.100", day, day],
        [5, True, 30, "K80.100", day, 1e300],
        [6, 1, 30.5, "K80.100", day, None],
        [7.5, 1, 30, 80.1, day, 0.1 + 0.2],
    ]
    path = workbook(tmp_path / "a.xlsx", head, *rows)
    cases = read_cases(path)
    assert cases.case_id.to_pylist() == ["1", "7.5"]
    assert cases.fen("total_charges") is not None
    assert [(line["row"], line["column"]) for line in cases.rejects.lines.to_pylist()] == [
        (3, "年龄"), (4, "出院日期"), (5, "总费用"), (6, "总费用"), (7, "年龄"),
    ]  # fmt: skip
    assert command(path).counts == (5, 2, 7)  # grouping reads neither dates nor amounts


def test_in_memory_columns_that_are_no_text() -> None:
    base = {"case_id": ["1"], "sex": ["1"], "age": ["30"], "diagnoses": ["I10"]}
    nested = {**base, "age": pa.array([[1]])}
    with pytest.raises(InputError, match="不能当作文本"):
        read_cases(pa.table(nested))
    with pytest.raises(InputError, match="不能当作文本"):
        read_cases(pa.table({**base, "x": pa.array([b"\xff"])}))
    floats = pa.array([float("nan"), 1e300, float("inf"), 3.0])
    cases = read_cases(
        pa.table(
            {
                "case_id": ["1", "2", "3", "4"],
                "sex": ["1"] * 4,
                "age": floats,
                "diagnoses": ["I10"] * 4,
            }
        )
    )
    assert cases.case_id.to_pylist() == ["4"]
    assert cases.rejects.row_count == 3


# --- outputs -------------------------------------------------------------------------------------


def test_outputs_that_cannot_be_written(tmp_path: Path, command: Command) -> None:
    source = write(tmp_path / "a.csv", HEAD, GOOD)
    before = source.read_bytes()
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "file").write_text("x")
    (tmp_path / "link.csv").symlink_to(source)
    for out, words in (
        (source, "覆盖输入文件"),
        (tmp_path / "x" / ".." / "a.csv", "覆盖输入文件"),
        (tmp_path / "link.csv", "覆盖输入文件"),
        (tmp_path / "folder.csv", "文件夹"),
        (tmp_path / "file" / "out.csv", "写不进"),
        (tmp_path / "out.doc", "不能写成"),
        (tmp_path / "out", "不能写成"),
        (tmp_path / "result" / "rejects.csv", "同一个文件名"),
    ):
        told = command(source, out=out)
        assert told.code == InputError.exit_code, out
        assert words in told.text
    assert source.read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir() if path.name != "result") == [
        "a.csv",
        "file",
        "folder.csv",
        "link.csv",
    ]


def test_an_unknown_scheme_or_mapping(tmp_path: Path, command: Command) -> None:
    source = write(tmp_path / "a.csv", HEAD, GOOD)
    assert "没有名为“nowhere”的分组方案" in command(source, "--scheme", "nowhere").text
    assert "列对照文件" in command(source, "--mapping", str(tmp_path / "none.toml")).text


def test_an_error_late_in_the_file_leaves_nothing(
    tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("drg_engine.csv_files.BLOCK_BYTES", 4_096)
    rows = [f"{i},1,30,,K80.100,a" for i in range(2_000)]
    rows += ['x,1,30,,K80.100,"a', *[f"y{i},1,30,,K80.100,a" for i in range(10)], 'z,1,3,,I10,a"']
    told = command(write(tmp_path / "a.csv", HEAD, *rows))
    assert told.code == InputError.exit_code
    assert "第 2002 行" in told.text


def test_the_real_command_as_a_process(tmp_path: Path) -> None:
    source = write(tmp_path / "a.csv", HEAD, GOOD, "2,1,x,,K80.100,a")
    base = [sys.executable, "-m", "drg_engine.cli", "group", str(source), "--scheme", "harbin_2024"]
    good = subprocess.run(
        [*base, "--out", str(tmp_path / "o.csv")], capture_output=True, check=False
    )
    assert good.returncode == 0, good.stderr.decode()
    assert len(rows_of(tmp_path / "o.csv")) == 1
    bad = subprocess.run([*base, "--out", str(source)], capture_output=True, check=False)
    assert bad.returncode == InputError.exit_code
    text = bad.stderr.decode()
    assert "覆盖输入文件" in text
    assert "Traceback" not in text
