"""Programs beside Python that some tests need (mark ``program``), and how to find them."""

from __future__ import annotations

import importlib.util
import os
import shutil
from pathlib import Path

# Names to look for on the path, and where installers put the program without adding it there.
_NAMES: dict[str, tuple[str, ...]] = {
    "soffice": ("soffice", "libreoffice"),
    "chromium": ("chromium", "chromium-browser", "google-chrome", "chrome"),
    "postgres": ("initdb",),
    "spark": ("java",),
}
# Libraries of Python that a program is used through.
_LIBRARIES: dict[str, str] = {"postgres": "psycopg", "spark": "pyspark"}
_PLACES: dict[str, tuple[str, ...]] = {
    "soffice": (
        "/usr/lib/libreoffice/program/soffice",
        "/opt/libreoffice/program/soffice",
        "/Applications/LibreOffice.app/Contents/MacOS/soffice",
        "C:/Program Files/LibreOffice/program/soffice.exe",
    ),
    "postgres": (
        "/usr/lib/postgresql/*/bin/initdb",
        "/opt/homebrew/opt/postgresql*/bin/initdb",
        "C:/Program Files/PostgreSQL/*/bin/initdb.exe",
    ),
}


def find_program(name: str) -> Path | None:
    """The program's path, or None where it isn't installed."""
    library = _LIBRARIES.get(name)
    if library is not None and importlib.util.find_spec(library) is None:
        return None
    if name == "postgres" and os.environ.get("DRG_ENGINE_TEST_POSTGRES"):
        return Path(name)  # one that runs elsewhere
    for candidate in _NAMES.get(name, (name,)):
        found = shutil.which(candidate)
        if found:
            return Path(found)
    places = (path for place in _PLACES.get(name, ()) for path in _matching(Path(place)))
    return next((path for path in places if path.is_file()), None)


def _matching(place: Path) -> list[Path]:
    """The path itself, or where it has stars what matches them, the last version first."""
    if "*" not in str(place):
        return [place]
    root = Path(place.anchor)
    return sorted(root.glob(str(place.relative_to(root))), reverse=True) if place.anchor else []
