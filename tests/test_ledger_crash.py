"""A run killed at any moment leaves ledger and outputs as they were, or as they are to be."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

__test__ = hasattr(os, "fork")  # the victims are forked

DRIVER = Path(__file__).with_name("ledger_crash.py")


def drive(*commands: list[str]) -> list[str]:
    """Run the drivers beside one another; what each said."""
    running = [
        subprocess.Popen(
            [sys.executable, str(DRIVER), *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            env={**os.environ, "PYTHONIOENCODING": "utf-8"},
        )
        for words in commands
    ]
    said = [process.communicate()[0] for process in running]
    assert [process.returncode for process in running] == [0] * len(running), "\n".join(said)
    return said


def test_killed_at_the_steps_of_recording(tmp_path: Path) -> None:
    assert "steps" in drive(["each", str(tmp_path)])[0]


def test_a_months_run_killed_at_twenty_random_moments(tmp_path: Path) -> None:
    places = [tmp_path / "one", tmp_path / "two"]
    said = drive(*(["month", str(place), "10", str(seed)] for seed, place in enumerate(places)))
    assert all("10 killed" in text for text in said)
