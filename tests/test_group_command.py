"""The command ``drg-engine group``: outputs by suffix, the same bytes, options, counts, help."""

from __future__ import annotations

import csv
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import openpyxl
import pyarrow.parquet as pq
import pytest
from oracle import Oracle, read_csv

from drg_engine import cli
from drg_engine._jit import JIT

ACCEPTANCE = Path(__file__).parent / "data" / "acceptance" / "grouping_chs_drg_2_0.csv"
ROWS = 1_500 if JIT else 200
HEAD = ["case_id", "status", "mdc", "adrg", "drg", "severity", "reason"]
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("cases") / "cases.csv"
    path.write_text("".join(ACCEPTANCE.read_text().splitlines(keepends=True)[: ROWS + 1]))
    return path


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    def run_command(*arguments: str | Path) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["drg-engine", *map(str, arguments)])
        code = 0
        try:
            cli.main()
        except SystemExit as end:
            code = int(end.code or 0)
        told = capsys.readouterr()
        return code, told.out, told.err

    return run_command


def base(source: Path, out: Path) -> list[str | Path]:
    return ["group", source, "--scheme", "chs_drg_2_0", "--out", out]


def test_every_suffix_says_the_same(tmp_path: Path, source: Path, run: Run) -> None:
    expected = [
        [row["case_id"], *result]
        for row, result in zip(
            read_csv(source), Oracle("chs_drg_2_0").group_rows(read_csv(source)), strict=True
        )
    ]
    for suffix in (".csv", ".parquet", ".xlsx"):
        assert run(*base(source, tmp_path / f"out{suffix}"))[0] == 0
    with (tmp_path / "out.csv").open(encoding="utf-8", newline="") as stream:
        assert list(csv.reader(stream)) == [HEAD, *expected]
    table = pq.read_table(tmp_path / "out.parquet")
    assert table.column_names == HEAD
    assert [list(row.values()) for row in table.to_pylist()] == expected
    sheet = openpyxl.load_workbook(tmp_path / "out.xlsx").worksheets[0]
    shown = [[value or "" for value in row] for row in sheet.iter_rows(values_only=True)]
    assert shown == [HEAD, *expected]


def test_the_counts_that_are_told(tmp_path: Path, source: Path, run: Run) -> None:
    code, out, err = run(*base(source, tmp_path / "o.csv"), "--rejects", tmp_path / "r.csv")
    assert (code, out) == (0, "")
    assert f"= 读入 {ROWS:,}" in err
    assert "拒收 0" in err
    assert f"结果：{tmp_path / 'o.csv'}" in err
    head = (tmp_path / "r.csv").read_bytes()
    assert (
        head.decode("utf-8-sig").strip().replace('"', "") == "file,row,case_id,column,value,reason"
    )


def test_the_same_input_gives_the_same_bytes(
    tmp_path: Path, source: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "broken.csv"
    lines = source.read_text().splitlines()
    broken.write_text("\n".join([*lines[:50], "x", *lines[50:90], "y,y", *lines[50:60]]) + "\n")
    names = ("o.csv", "e.csv", "r.csv", "p.parquet")
    contents = []
    for folder, block, threads in (("a", 1 << 24, "1"), ("b", 1 << 24, "2"), ("c", 2_000, "2")):
        monkeypatch.setattr("drg_engine.csv_files.BLOCK_BYTES", block)
        monkeypatch.setenv("DRG_ENGINE_THREADS", threads)
        out = tmp_path / folder
        options = ["--explain", out / "e.csv", "--rejects", out / "r.csv", "--with-input"]
        assert run(*base(broken, out / "o.csv"), *options)[0] == 0
        assert run(*base(broken, out / "p.parquet"))[0] == 0
        contents.append({name: (out / name).read_bytes() for name in names})
        if block < 1 << 24:
            contents[-1].pop("p.parquet")  # its row groups follow the parts
    assert contents[0] == contents[1]
    assert contents[2].items() <= contents[0].items()
    assert b"y,y" in contents[0]["r.csv"]


def test_explanations_are_written_for_every_case(tmp_path: Path, source: Path, run: Run) -> None:
    small = tmp_path / "few.csv"
    small.write_text("".join(source.read_text().splitlines(keepends=True)[:101]))
    assert run(*base(small, tmp_path / "o.csv"), "--explain", tmp_path / "e.csv")[0] == 0
    explained, results = read_csv(tmp_path / "e.csv"), read_csv(tmp_path / "o.csv")
    assert [row["case_id"] for row in explained] == [row["case_id"] for row in results]
    assert [row["drg"] for row in explained] == [row["drg"] for row in results]
    assert all(row["explanation"].startswith(f"病例 {row['case_id']}：") for row in explained)


def test_what_came_in_follows_if_asked(tmp_path: Path, run: Run) -> None:
    path = tmp_path / "a.csv"
    path.write_text(
        "病案号,性别,年龄,主要诊断编码,其他诊断编码1,出院科室,总费用,入院日期,drg,备注\n"
        '1,男,30,k80.100,,普外,"1,234.5",2026-10-01,old,甲\n2,,31,|,I10.x00,,,,,\n'
    )
    assert run(*base(path, tmp_path / "o.csv"), "--with-input")[0] == 0
    first, second = read_csv(tmp_path / "o.csv")
    assert list(first)[:7] == HEAD
    assert first["diagnoses"] == "K80.100"
    assert (first["sex"], first["age"], first["department"]) == ("1", "30", "普外")
    assert (first["total_charges"], first["admission_date"]) == ("1234.50", "2026-10-01")
    assert (first["input_drg"], first["备注"]) == ("old", "甲")
    assert second["diagnoses"] == "|I10.x00"
    assert (second["total_charges"], second["admission_date"]) == ("", "")


def test_a_mapping_file_and_a_sheet(tmp_path: Path, run: Run) -> None:
    book = openpyxl.Workbook()
    sheet = book.create_sheet("病例")
    for row in (["编号", "sx", "岁", "zd"], ["A1", "女", 30, "K80.101"]):
        sheet.append(row)
    book.save(tmp_path / "a.xlsx")
    mapping = tmp_path / "m.toml"
    mapping.write_text('case_id = "编号"\nsex = "sx"\nage = "岁"\ndiagnoses = "zd"\n')
    options = ["--mapping", mapping, "--sheet", "病例"]
    assert run(*base(tmp_path / "a.xlsx", tmp_path / "o.csv"), *options)[0] == 0
    (row,) = read_csv(tmp_path / "o.csv")
    assert (row["case_id"], row["status"]) == ("A1", "grouped")
    code, _, err = run(*base(tmp_path / "a.xlsx", tmp_path / "o.csv"), "--sheet", "没有")
    assert (code, "没有工作表" in err) == (3, True)


def test_clinical_codes(tmp_path: Path, run: Run) -> None:
    path = tmp_path / "a.csv"
    path.write_text("病案号,性别,年龄,主要诊断编码\n1,1,30,A01.000x002\n")
    assert run(*base(path, tmp_path / "o.csv"))[0] == 0
    assert read_csv(tmp_path / "o.csv")[0]["reason"] == "unknown_principal_dx"
    assert run(*base(path, tmp_path / "o.csv"), "--clinical-codes")[0] == 0
    assert read_csv(tmp_path / "o.csv")[0]["status"] == "grouped"


def test_what_is_asked_for_wrongly(tmp_path: Path, source: Path, run: Run) -> None:
    assert run("group")[0] == 2
    assert run("group", source, "--scheme", "chs_drg_2_0")[0] == 2
    assert run(*base(source, tmp_path / "o.csv"), "--colour", "red")[0] == 2
    code, _, err = run("group", source, "--scheme", "nowhere", "--out", tmp_path / "o.csv")
    assert code == 4
    assert "没有名为“nowhere”的分组方案" in err
    assert not (tmp_path / "o.csv").exists()


def test_help_and_version(run: Run) -> None:
    code, out, _ = run("--help")
    assert code == 0
    assert "group" in out
    code, out, _ = run("group", "--help")
    for option in ("--scheme", "--out", "--explain", "--rejects", "--mapping", "--with-input"):
        assert option in out
    assert run("--version")[1].startswith("drg-engine ")


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys; sys.argv = ['drg-engine', '--help']\n"
        "from drg_engine import cli\n"
        "try: cli.main()\n"
        "except SystemExit: pass\n"
        "heavy = {'numpy', 'numba', 'pandas', 'pyarrow', 'openpyxl'} & set(sys.modules)\n"
        "sys.exit(f'{heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()


def test_headings_and_codes_in_chinese_if_asked(tmp_path: Path, source: Path, run: Run) -> None:
    small = tmp_path / "few.csv"
    small.write_text("".join(source.read_text().splitlines(keepends=True)[:301]) + "x\n")
    plain, told = tmp_path / "o.csv", tmp_path / "中文.csv"
    assert run(*base(small, plain))[0] == 0
    more = ["--explain", tmp_path / "e.csv", "--rejects", tmp_path / "r.csv", "--with-input"]
    assert run(*base(small, told), *more, "--chinese")[0] == 0
    assert told.read_bytes().startswith(b"\xef\xbb\xbf")  # else Excel misreads it
    rows, expected = read_csv(told), read_csv(plain)
    assert list(rows[0])[:9] == [
        "病案号", "状态", "MDC", "ADRG", "病组", "严重程度", "原因", "性别", "年龄",
    ]  # fmt: skip
    assert [row["病组"] for row in rows] == [row["drg"] for row in expected]
    status = {
        "grouped": "已入组",
        "ambiguous": "歧义组",
        "ungrouped": "未入组",
        "invalid": "不能分组",
    }
    assert [row["状态"] for row in rows] == [status[row["status"]] for row in expected]
    assert not [row for row in rows if row["原因"].isascii() and row["原因"]]
    assert list(read_csv(tmp_path / "e.csv")[0]) == ["病案号", "病组", "入组路径"]
    assert list(read_csv(tmp_path / "r.csv")[0]) == [
        "文件",
        "行",
        "病案号",
        "列",
        "读到的值",
        "原因",
    ]
