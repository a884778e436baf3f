"""A point catalogue saved by another office program reads back the same."""

from __future__ import annotations

import datetime as dt
import subprocess
from pathlib import Path

import pandas as pd
import pytest
from catalogue_cases import fill_in, sample
from programs import find_program

from performance.catalogue_review import read_review

pytestmark = pytest.mark.program("soffice")


def test_saved_by_libreoffice(tmp_path: Path) -> None:
    path = sample(tmp_path)
    answer = {"复核结论": "同意", "决定人": "赵六", "决定日期": dt.date(2026, 11, 2)}
    fill_in(path, "待复核", {"0202": answer, "0103": {**answer, "定开单系数": 0.25}})
    program = find_program("soffice")
    assert program is not None
    out = tmp_path / "saved"
    result = subprocess.run(
        [
            *(str(program), f"-env:UserInstallation={(tmp_path / 'profile').as_uri()}"),
            *("--headless", "--norestore", "--convert-to", "xlsx"),
            *("--outdir", str(out), str(path)),
        ],
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    saved = out / path.name
    assert saved.is_file(), result.stdout + result.stderr
    before, after = read_review(path), read_review(saved)
    pd.testing.assert_frame_equal(after.items, before.items)
    pd.testing.assert_frame_equal(after.decisions, before.decisions)
    assert after.version == before.version == "2027-01"
