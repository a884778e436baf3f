"""What all tests share: programs beside Python, Hypothesis, and the demonstration hospital.

The user's cache folder is left as it is, so that kernels are compiled once and not in every run.
"""

from __future__ import annotations

import os
import subprocess
import sysconfig
import time
from pathlib import Path
from typing import Any

import pytest
from commands import command_variables
from hypothesis import settings
from programs import find_program

# What a command run in this process writes for; a worker process of pytest-xdist has 80 columns.
os.environ["COLUMNS"] = "200"

IN_CI = os.environ.get("CI", "").lower() in ("1", "true", "yes")

settings.register_profile("drg-engine", deadline=None, print_blob=True)
settings.register_profile("drg-engine-ci", deadline=None, derandomize=True, database=None)
settings.load_profile("drg-engine-ci" if IN_CI else "drg-engine")

# ---- programs beside Python: tests are left out and named; in CI that, or any skip, is a failure

_LEFT_OUT = pytest.StashKey[dict[str, list[str]]]()
_SKIPPED = pytest.StashKey[list[str]]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_LEFT_OUT] = {}
    config.stash[_SKIPPED] = []
    config.pluginmanager.register(_Skips(config), "drg-engine-skips")


class _Skips:
    """Remembers tests that were skipped (this suite has none)."""

    def __init__(self, config: pytest.Config) -> None:
        self._skipped = config.stash[_SKIPPED]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.skipped and not hasattr(report, "wasxfail"):
            self._skipped.append(report.nodeid)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.skipped:
            self._skipped.append(report.nodeid)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    kept, left_out = [], []
    for item in items:
        needed = [mark.args[0] for mark in item.iter_markers("program")]
        missing = [name for name in needed if find_program(name) is None]
        (left_out if missing else kept).append(item)
        for name in missing:
            config.stash[_LEFT_OUT].setdefault(name, []).append(item.nodeid)
    if left_out:
        items[:] = kept
        config.hook.pytest_deselected(items=left_out)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object) -> None:
    """Take over from a worker process of pytest-xdist what it left out."""
    for name, tests in getattr(node, "workeroutput", {}).get("left_out", {}).items():
        known = node.config.stash[_LEFT_OUT].setdefault(name, [])
        known.extend(test for test in tests if test not in known)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    config = session.config
    if hasattr(config, "workeroutput"):
        config.workeroutput["left_out"] = config.stash[_LEFT_OUT]
    elif IN_CI and (config.stash[_LEFT_OUT] or config.stash[_SKIPPED]):
        session.exitstatus = session.exitstatus or pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    for name, tests in sorted(config.stash[_LEFT_OUT].items()):
        files = sorted({test.partition("::")[0] for test in tests})
        terminalreporter.write_line(
            f"没有找到程序 {name}，略去 {len(tests)} 项测试"
            f" (left out, {name} isn't installed): {', '.join(files)}",
            yellow=True,
        )
    if IN_CI and (config.stash[_LEFT_OUT] or config.stash[_SKIPPED]):
        for test in config.stash[_SKIPPED]:
            terminalreporter.write_line(f"跳过 (skipped): {test}", red=True)
        terminalreporter.write_line(
            "CI 中不允许略去或跳过测试 (nothing is left out in CI)", red=True
        )


# ---- the command and the demonstration hospital


@pytest.fixture(scope="session")
def drg_engine_command() -> Path:
    """The installed command ``drg-engine`` of the Python that runs the tests."""
    name = "drg-engine.exe" if os.name == "nt" else "drg-engine"
    path = Path(sysconfig.get_path("scripts")) / name
    assert path.is_file(), f"{path}: not installed"
    return path


def _make_demo(folder: Path, command: Path) -> None:
    done = subprocess.run(
        [str(command), "demo", str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=command_variables(command.parent),
        check=False,
    )
    folder.with_suffix(".code").write_text(str(done.returncode))
    folder.with_suffix(".txt").write_bytes(done.stdout)


@pytest.fixture(scope="session")
def demo_hospital(tmp_path_factory: pytest.TempPathFactory, drg_engine_command: Path) -> Path:
    """The folder that ``drg-engine demo FOLDER`` made: one for all worker processes; don't write.

    What the command said is beside it, as ``FOLDER.txt``.
    """
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base) / "demo-hospital"
    said, ended = folder.with_suffix(".txt"), folder.with_suffix(".end")
    try:
        folder.with_suffix(".begun").mkdir()  # one process can
    except FileExistsError:
        _wait_for(ended)
    else:
        try:
            _make_demo(folder, drg_engine_command)
        finally:
            ended.touch()
    words = said.read_text(encoding="utf-8", errors="replace") if said.is_file() else "(nothing)"
    code = folder.with_suffix(".code")
    assert code.is_file() and code.read_text() == "0", f"drg-engine demo failed:\n{words}"
    return folder


def _wait_for(path: Path, seconds: float = 900) -> None:
    limit = time.monotonic() + seconds
    while not path.exists():
        assert time.monotonic() < limit, f"{path}: another process didn't finish"
        time.sleep(0.2)
