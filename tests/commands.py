"""Running the command whose words a test compares."""

from __future__ import annotations

import os
from pathlib import Path


def command_variables(scripts: Path) -> dict[str, str]:
    """Variables for a command whose words are compared: on the path, plain, of one width."""
    kept = {k: v for k, v in os.environ.items() if k not in ("FORCE_COLOR", "CLICOLOR_FORCE")}
    path = str(scripts) + os.pathsep + os.environ.get("PATH", "")
    plain = {"PATH": path, "NO_COLOR": "1", "TERM": "dumb", "COLUMNS": "100"}
    return {**kept, **plain, "PYTHONIOENCODING": "utf-8"}
