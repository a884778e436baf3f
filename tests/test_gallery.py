"""The gallery shows every report there is, and its pictures are small."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import reports
from reports.gallery import GALLERY, pictures

REPORTS = Path(reports.__file__).parent
KEPT = REPORTS / "pictures" / "gallery"


def _layouts() -> set[str]:
    found = set()
    for path in REPORTS.glob("*.toml"):
        if "sheet" in tomllib.loads(path.read_text(encoding="utf-8")):
            found.add(path.name)
    return found


def _writers() -> set[str]:
    wanted = re.compile(r"^def (write_\w+_(?:workbook|page|strips))\(", re.MULTILINE)
    return {
        name
        for path in REPORTS.glob("*.py")
        for name in wanted.findall(path.read_text(encoding="utf-8"))
    }


def test_every_report_is_shown() -> None:
    assert len(_layouts()) > 8
    assert len(_writers()) > 8
    assert {name for picture in pictures() for name in picture.shows} == _layouts() | _writers()


def test_every_picture_is_kept_and_small() -> None:
    names = [picture.name for picture in pictures()]
    assert len(set(names)) == len(names)
    kept = {path.stem: path.stat().st_size for path in KEPT.glob("*.png")}
    assert set(kept) == set(names)
    assert max(kept.values()) < 150_000
    assert sum(kept.values()) < 2_000_000


def test_pages_have_a_size_and_inputs_a_use() -> None:
    for picture in pictures():
        assert (picture.height > 0) == picture.source.endswith(".html"), picture.name
        assert picture.look in ("light", "dark", "phone")
    listed = tomllib.loads(GALLERY.read_text(encoding="utf-8"))
    used = {word for run in listed["run"] for word in run["arguments"]}
    assert {file["name"] for file in listed["file"]} <= used
