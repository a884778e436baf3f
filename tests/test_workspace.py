"""Workspaces: made, opened, refused in words; a failed run leaves the old output as it was."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from drg_engine.errors import DrgEngineError, InputError, WorkspaceError
from drg_engine.month_run import run_month
from drg_engine.workspace import init_workspace, open_workspace

PERIOD = "2026-10"
CASES = (
    "病案号,性别,年龄,主要诊断编码,主要手术编码,住院天数,出院日期,"
    "出院科室,主治医生,险种,总费用,成本\n"
    "A1,女,56,K80.100,51.2300,6,2026-10-03,D101,100002,310,15000.00,14000.00\n"
    "A2,男,61,I63.900,,9,2026-10-09,D102,100003,390,9000.50,8000.00\n"
    "A3,男,,J18.900,,9,2026-10-09,D102,100003,390,9000.50,8000.00\n"
)


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A workspace for the insurance office alone: no plan, three cases, one of them unreadable."""
    folder = tmp_path / "医院"
    init_workspace(folder)
    settings = (folder / "hospital.toml").read_text(encoding="utf-8")
    kept = [line for line in settings.splitlines() if not line.startswith("plan")]
    (folder / "hospital.toml").write_text("\n".join(kept), encoding="utf-8")
    inputs = folder / "inputs" / PERIOD
    inputs.mkdir()
    (inputs / "cases.csv").write_text(CASES, encoding="utf-8-sig")
    return folder


def test_init_makes_a_workspace_that_opens(tmp_path: Path) -> None:
    made = init_workspace(tmp_path / "w")
    workspace = open_workspace(tmp_path / "w")
    assert workspace.hospital.level == 3
    assert (tmp_path / "w" / "inputs" / "示例" / "cases.csv") in made
    heading = (tmp_path / "w" / "inputs" / "示例" / "cases.csv").read_bytes()
    assert heading.startswith(b"\xef\xbb\xbf")


def test_init_refuses_a_folder_with_something_in_it(tmp_path: Path) -> None:
    (tmp_path / "note.txt").write_text("x")
    with pytest.raises(WorkspaceError, match="已有内容"):
        init_workspace(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["note.txt"]


def test_a_month_runs_without_a_plan(small: Path) -> None:
    month = run_month(small, PERIOD)
    assert month.allocation is None
    assert month.counts.read == 3
    assert month.counts.rejected == 1
    names = sorted(p.name for p in (small / "out" / PERIOD).iterdir())
    assert names == [
        "拒收-2026-10.csv",
        "月报-2026-10.xlsx",
        "病例-2026-10.parquet",
        "运行记录.json",
    ]


@pytest.mark.parametrize(
    ("period", "words"),
    [
        ("2026-11", ["没有 2026-11 的输入", "现有：2026-10、示例"]),
        ("2026-13", ["2026-10", "2026-13"]),
        ("../2026-10", ["月份应写作"]),
        ("10月", ["月份应写作"]),
    ],
)
def test_a_wrong_month_is_told(small: Path, period: str, words: list[str]) -> None:
    with pytest.raises(WorkspaceError) as error:
        run_month(small, period)
    assert all(word in str(error.value) for word in words), error.value


def test_all_faults_of_the_settings_are_told_at_once(small: Path) -> None:
    (small / "hospital.toml").write_text(
        '[hospital]\nname = "甲"\nlevel = 7\nbed = 3\n[run]\npolicy = 1\n', encoding="utf-8"
    )
    with pytest.raises(WorkspaceError) as error:
        open_workspace(small)
    text = str(error.value)
    for word in ("hospital.level", "hospital.bed", "run.scheme", "run.policy", "可用", "7"):
        assert word in text, word


def test_not_a_workspace(tmp_path: Path) -> None:
    with pytest.raises(WorkspaceError, match="drg-engine init"):
        open_workspace(tmp_path)


def test_two_case_files_are_refused(small: Path) -> None:
    inputs = small / "inputs" / PERIOD
    shutil.copy(inputs / "cases.csv", inputs / "cases.xlsx")
    with pytest.raises(WorkspaceError, match="同时有几个病例文件"):
        run_month(small, PERIOD)


def test_a_failed_run_leaves_the_old_output(small: Path) -> None:
    run_month(small, PERIOD)
    before = {p.name: p.read_bytes() for p in (small / "out" / PERIOD).iterdir()}
    (small / "inputs" / PERIOD / "cases.csv").write_text("", encoding="utf-8")
    with pytest.raises(InputError):
        run_month(small, PERIOD)
    after = {p.name: p.read_bytes() for p in (small / "out" / PERIOD).iterdir()}
    assert after == before
    assert [p.name for p in (small / "out").iterdir()] == [PERIOD]


def test_unknown_scheme_and_policy_are_told_with_what_there_is(small: Path) -> None:
    settings = small / "hospital.toml"
    text = settings.read_text(encoding="utf-8")
    settings.write_text(text.replace("chs_drg_1_1", "chs_drg_9"), encoding="utf-8")
    with pytest.raises(DrgEngineError, match="chs_drg_2_0"):
        run_month(small, PERIOD)
    settings.write_text(text.replace('"harbin_2024"', '"harbin_2042"'), encoding="utf-8")
    with pytest.raises(DrgEngineError, match="harbin_2024"):
        run_month(small, PERIOD)
