"""A process that does the command it is given on a line: three of them are three people at once.

Each line read is a JSON list of words for ``drg-engine``; each line written is its exit code and
what it said.
"""

from __future__ import annotations

import contextlib
import io
import json
import sys

import drg_engine.ledger_command
import drg_engine.ledger_recording  # noqa: F401
from drg_engine.cli import app
from drg_engine.errors import DrgEngineError


def done(words: list[str]) -> tuple[int, str]:
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        try:
            app(words, prog_name="drg-engine", standalone_mode=False)
        except DrgEngineError as error:
            return error.exit_code, str(error)
    return 0, said.getvalue()


if __name__ == "__main__":
    for line in sys.stdin:
        sys.stdout.write(json.dumps(done(json.loads(line))) + "\n")
        sys.stdout.flush()
