"""LibreOffice opens the month's workbook, prints it, and finds the same values in it."""

from __future__ import annotations

import subprocess
import warnings
import zipfile
from pathlib import Path

import openpyxl
import pytest
from defusedxml.ElementTree import fromstring
from programs import find_program
from reports_demo import demo_report

from reports import write_month_workbook

pytestmark = pytest.mark.program("soffice")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("office")
    write_month_workbook(demo_report(120, staff=80, malicious=True), folder / "month.xlsx")
    return folder


def convert(source: Path, target: str, out: Path) -> Path:
    """Convert with a profile of its own, so that a running LibreOffice isn't disturbed."""
    program = find_program("soffice")
    assert program is not None
    profile = (out / "profile").as_uri()
    result = subprocess.run(
        [
            *(str(program), f"-env:UserInstallation={profile}", "--headless", "--norestore"),
            *("--convert-to", target, "--outdir", str(out), str(source)),
        ],
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    made = out / f"{source.stem}.{target.partition(':')[0]}"
    assert made.is_file(), result.stdout + result.stderr
    return made


def values(path: Path) -> dict[tuple[str, str], object]:
    with warnings.catch_warnings():
        # LibreOffice writes data bars in an extension that openpyxl leaves out.
        warnings.filterwarnings("ignore", "(Unknown|Conditional Formatting) extension")
        book = openpyxl.load_workbook(path)
    return {
        (sheet.title, cell.coordinate): cell.value
        for sheet in book
        for row in sheet.iter_rows()
        for cell in row
        if cell.value is not None
    }


def test_it_prints(folder, tmp_path):
    printed = convert(folder / "month.xlsx", "pdf", tmp_path).read_bytes()
    assert printed.startswith(b"%PDF-")
    # As many pages as sheets at the least.
    assert printed.count(b"/Type/Page") >= 12


@pytest.fixture(scope="module")
def converted(folder, tmp_path_factory):
    return convert(folder / "month.xlsx", "xlsx", tmp_path_factory.mktemp("back"))


def test_values_survive(folder, converted):
    before = values(folder / "month.xlsx")
    after = values(converted)
    assert set(after) == set(before)
    for place, value in before.items():
        if isinstance(value, float):
            assert after[place] == pytest.approx(value, rel=1e-14, abs=0), place
        else:
            assert after[place] == value, place


def test_no_text_became_a_formula_and_charts_are_there(converted):
    with zipfile.ZipFile(converted) as archive:
        names = archive.namelist()
        charts = [name for name in names if name.startswith("xl/charts/chart")]
        for name in names:
            if name.startswith("xl/worksheets/sheet"):
                assert fromstring(archive.read(name)).find(".//{*}c/{*}f") is None
    assert len(charts) == 6
