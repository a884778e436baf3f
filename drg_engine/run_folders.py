"""Where runs keep their files: ``runs/月份/运行号``, written once; ``out/月份`` shows the current.

A run is written aside under a name that ends in ``.part``; the ledger's commit makes it one of the
runs.  Whatever is then left undone by a process that was killed, the next command finishes (the run
is in the ledger) or takes away (it is not).
"""

from __future__ import annotations

import ctypes
import json
import os
import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from shutil import copyfile, rmtree
from typing import Any

from drg_engine.errors import Fault, WorkspaceError
from drg_engine.files import file_sha256
from drg_engine.workspace import Workspace

__all__ = [
    "RECORD_FILE",
    "aside_folder",
    "file_faults",
    "file_list",
    "left_aside",
    "leftovers",
    "publish",
    "run_folder",
    "settle",
    "shown_faults",
    "shown_run",
]

RECORD_FILE = "运行记录.json"
_PART = ".part"
_HERE = -100
_EXCHANGE = 2


def run_folder(workspace: Workspace, period: str, run_id: str) -> Path:
    """The folder of a run's files."""
    return workspace.folder / "runs" / period / run_id


def aside_folder(workspace: Workspace, period: str, run_id: str) -> Path:
    """An empty folder to write a run to."""
    aside = run_folder(workspace, period, run_id).with_name(f".{run_id}{_PART}")
    rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    return aside


def left_aside(workspace: Workspace, period: str) -> list[tuple[str, Path]]:
    """Runs still under their name aside: run id and folder."""
    folder = workspace.folder / "runs" / period
    found = sorted(folder.glob(f".*{_PART}")) if folder.is_dir() else []
    return [(path.name[1 : -len(_PART)], path) for path in found]


def leftovers(workspace: Workspace, period: str) -> list[Path]:
    """Folders aside of a month's output and runs that no run is any more."""
    out, runs = (workspace.folder / name for name in ("out", "runs"))
    found = [out / f".{period}{_PART}", out / f".{period}.old"]
    found += sorted((runs / period).glob(".*.old"))
    return [path for path in found if path.exists()]


def file_list(folder: Path) -> list[dict[str, Any]]:
    """Every file of a run in order of name: name, bytes, sha256; all brought to the disk."""
    found = []
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        with path.open("rb+") as stream:
            os.fsync(stream.fileno())
        name = path.relative_to(folder).as_posix()
        found.append({"name": name, "bytes": path.stat().st_size, "sha256": file_sha256(path)})
    return sorted(found, key=lambda one: str(one["name"]))


def file_faults(
    workspace: Workspace, period: str, run_id: str, files: Iterable[Mapping[str, Any]]
) -> list[tuple[str, str]]:
    """Files of a run that are not as the ledger has them: name and what is wrong."""
    return _faults(run_folder(workspace, period, run_id), f"runs/{period}/{run_id}", files)


def shown_faults(
    workspace: Workspace, period: str, files: Iterable[Mapping[str, Any]]
) -> list[tuple[str, str]]:
    """As :func:`file_faults`, of the copy that ``out/月份`` shows."""
    return _faults(workspace.folder / "out" / period, f"out/{period}", files)


def _faults(folder: Path, place: str, files: Iterable[Mapping[str, Any]]) -> list[tuple[str, str]]:
    if not folder.is_dir():
        return [(place, "文件夹不见了")]
    faults, known = [], set()
    for file in files:
        name = str(file["name"])
        known.add(name)
        path = folder / name
        if not path.is_file():
            faults.append((f"{place}/{name}", "文件不见了"))
        elif file_sha256(path) != file["sha256"]:
            faults.append((f"{place}/{name}", "内容与入账时的指纹不符：被改动"))
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        name = path.relative_to(folder).as_posix()
        if name not in known:
            faults.append((f"{place}/{name}", "入账时没有这个文件"))
    return faults


def settle(workspace: Workspace, period: str, run_id: str, aside: Path) -> None:
    """Give a run that the ledger has its own name, in place of a folder of the same run."""
    target = run_folder(workspace, period, run_id)
    _replace(aside, target, target.with_name(f".{run_id}.old"))


def shown_run(workspace: Workspace, period: str) -> str | None:
    """The run that ``out/月份`` shows; None where it shows none."""
    try:
        text = (workspace.folder / "out" / period / RECORD_FILE).read_text(encoding="utf-8")
        found = json.loads(text)["run"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return str(found)


def publish(workspace: Workspace, period: str, run_id: str) -> None:
    """Let ``out/月份`` show a run: copied aside, then put in place of the old in one step.

    Raises WorkspaceError where the old cannot be replaced (a report open in Excel).
    """
    target = workspace.folder / "out" / period
    aside = target.with_name(f".{period}{_PART}")
    rmtree(aside, ignore_errors=True)
    source = run_folder(workspace, period, run_id)
    for path in sorted(p for p in source.rglob("*") if p.is_file()):
        copy = aside / path.relative_to(source)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copyfile(path, copy)
    try:
        _replace(aside, target, target.with_name(f".{period}.old"))
    except OSError as error:
        mend = f"关闭打开着的报表，再执行 drg-engine ledger status；结果在 runs/{period}/{run_id}"
        raise WorkspaceError(
            f"已入账，但 out/{period} 换不上新结果",
            [Fault(f"out/{period}", "文件正被占用", mend=mend)],
        ) from error


def _replace(aside: Path, target: Path, old: Path) -> None:
    """Put a folder in place of another, so that at any moment the one or the other is there.

    Where the system cannot exchange two folders in one step, the old one stands under its name
    aside for a moment; :func:`publish` and :func:`settle` mend what a kill leaves then.
    """
    if target.exists():
        rmtree(old, ignore_errors=True)
        if _exchanged(aside, target):
            aside.replace(old)
        else:
            target.replace(old)
            try:
                aside.replace(target)
            except BaseException:
                with suppress(OSError):
                    old.replace(target)
                raise
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        aside.replace(target)
    rmtree(old, ignore_errors=True)


def _exchanged(first: Path, second: Path) -> bool:
    """Exchange two folders in one step, where the system can (Linux)."""
    if sys.platform != "linux":
        return False
    try:
        rename = ctypes.CDLL(None).renameat2
    except (OSError, AttributeError):
        return False
    done = rename(_HERE, os.fsencode(first), _HERE, os.fsencode(second), _EXCHANGE)
    return int(done) == 0
