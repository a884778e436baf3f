"""Running the command whose words a test compares."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest


def command_variables(scripts: Path) -> dict[str, str]:
    """Variables for a command whose words are compared: on the path, plain, of one width."""
    kept = {k: v for k, v in os.environ.items() if k not in ("FORCE_COLOR", "CLICOLOR_FORCE")}
    path = str(scripts) + os.pathsep + os.environ.get("PATH", "")
    plain = {"PATH": path, "NO_COLOR": "1", "TERM": "dumb", "COLUMNS": "100"}
    return {**kept, **plain, "PYTHONIOENCODING": "utf-8"}


def tables_exit(monkeypatch: pytest.MonkeyPatch, *words: str) -> int | str | None:
    """The exit code of ``drg-engine tables`` with these words."""
    from drg_engine.cli import main

    monkeypatch.setattr(sys, "argv", ["drg-engine", "tables", *words])
    with pytest.raises(SystemExit) as caught:
        main()
    return caught.value.code
