"""What a run was made from: inputs, tables, policy, plan, options and the program itself, hashed.

The run's id is made from this alone, so the same inputs give the same run wherever and whenever.
"""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Iterable, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from drg_engine import __version__
from drg_engine.errors import Fault, InputError
from drg_engine.files import file_sha256
from drg_engine.month import Month
from drg_engine.workspace import Workspace

__all__ = ["code_hash", "input_stamps", "refuse_changed", "run_id", "run_identity"]

_PACKAGES = ("drg_engine", "grouper_tables", "performance", "reports")
_SUFFIXES = (".py", ".toml", ".csv", ".html", ".css", ".js")
_APART = "schemes"
"""Schemes' tables are hashed as such, one scheme by one."""
_LIBRARIES = ("numba", "numpy", "openpyxl", "pandas", "pyarrow")


def code_hash() -> str:
    """SHA-256 over the program's own files: names and contents, in order of name."""
    root = Path(__file__).resolve().parent.parent
    whole = hashlib.sha256()
    for name, path in sorted(_code_files(root)):
        digest = hashlib.sha256(path.read_bytes().replace(b"\r\n", b"\n")).hexdigest()
        whole.update(f"{name}\n{digest}\n".encode())
    return whole.hexdigest()


def _code_files(root: Path) -> Iterable[tuple[str, Path]]:
    for package in _PACKAGES:
        for path in (root / package).rglob("*"):
            name = path.relative_to(root)
            if path.suffix in _SUFFIXES and _APART not in name.parts:
                yield name.as_posix(), path


def input_stamps(workspace: Workspace, period: str) -> dict[Path, tuple[int, int]]:
    """Size and time of change of every file in a workspace's tables and a month's inputs."""
    folders = (workspace.tables, workspace.inputs(period))
    return {path: _stamp(path) for folder in folders for path in folder.rglob("*")}


def _stamp(path: Path) -> tuple[int, int]:
    try:
        found = path.stat()
    except FileNotFoundError:
        return (-1, -1)
    return (found.st_size, found.st_mtime_ns)


def refuse_changed(month: Month, before: Mapping[Path, tuple[int, int]]) -> None:
    """Raise InputError where a file is not as it was when the run began: its hash would be wrong.

    before: :func:`input_stamps` of that moment.
    """
    workspace = month.workspace
    folders = (workspace.tables, workspace.inputs(month.period))
    read = [p for p in sorted(set(month.files.values())) if any(f in p.parents for f in folders)]
    faults = [
        Fault(
            path.relative_to(workspace.folder).as_posix(),
            "运行期间被改动",
            mend="存好、关闭这个文件，再跑一次",
        )
        for path in read
        if before.get(path) != _stamp(path)
    ]
    if faults:
        raise InputError(f"{month.period} 的输入在运行期间变了，没有入账", faults)


def run_identity(month: Month, options: Mapping[str, Any]) -> dict[str, Any]:
    """Everything the month was made from, without clock, person or place.

    options: what was asked for besides.  Input files are read again for their hashes.
    """
    hospital = month.workspace.hospital
    files = [
        {
            "name": path.relative_to(month.workspace.folder).as_posix(),
            "bytes": path.stat().st_size,
            "sha256": file_sha256(path),
        }
        for path in sorted(set(month.files.values()))
    ]
    identity: dict[str, Any] = {
        "period": month.period,
        "hospital": hospital.model_dump(),
        "program": {
            "version": __version__,
            "code": code_hash(),
            "python": platform.python_version(),
            "libraries": {name: metadata.version(name) for name in _LIBRARIES},
        },
        "scheme": {
            "name": month.scheme.name,
            "sha256": month.scheme.tables_hash,
            "options": {name: str(value) for name, value in month.scheme.options.items()},
        },
        "policies": [{"name": one.name, "sha256": one.hash} for one in month.policies],
        "inputs": files,
        "options": {name: str(value) for name, value in options.items()},
    }
    if month.plan is not None:
        identity["plan"] = {"file": month.plan.file, "sha256": month.plan.hash}
    if month.adjustments is not None and len(month.adjustments):
        identity["corrects"] = sorted(set(month.adjustments["run_id"]))
        # What other open months correct of the same money, as it was when this run was made.
        identity["corrects_from_fen"] = [int(fen) for fen in month.adjustments["before_fen"]]
    return identity


def run_id(identity: Mapping[str, Any]) -> str:
    """The run's id: its month and the beginning of the SHA-256 of its identity."""
    text = json.dumps(identity, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return f"{identity['period']}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"
