"""What the suite does where a program is missing: leave out and name it; in CI, fail."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
SAMPLE = """
import pytest

@pytest.mark.program("no-such-program")
def test_with_it():
    raise AssertionError

def test_without():
    pass
"""
SKIPPING = """
import pytest

def test_skips():
    pytest.skip("not today")
"""


def run_suite(folder: Path, text: str, *options: str, ci: str) -> tuple[int, str]:
    for name in ("conftest.py", "programs.py", "commands.py"):
        shutil.copy(HERE / name, folder / name)
    (folder / "test_sample.py").write_text(text)
    (folder / "pytest.ini").write_text("[pytest]\nmarkers = program(name): needs it\n")
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST_", "CI"))}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options],
        cwd=folder,
        env={**kept, "CI": ci, "PYTHONIOENCODING": "utf-8"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        check=False,
    )
    return done.returncode, done.stdout


def test_a_missing_program_is_named(tmp_path):
    code, told = run_suite(tmp_path, SAMPLE, "-n", "2", ci="")
    assert code == 0, told
    assert "没有找到程序 no-such-program，略去 1 项测试" in told
    assert "1 passed" in told
    assert "skipped" not in told


@pytest.mark.parametrize(("text", "workers"), [(SAMPLE, "0"), (SAMPLE, "2"), (SKIPPING, "2")])
def test_in_ci_nothing_is_left_out(tmp_path, text, workers):
    code, told = run_suite(tmp_path, text, "-n", workers, ci="true")
    assert code == 1, told
    assert "nothing is left out in CI" in told
