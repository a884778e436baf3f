"""Programs beside Python that some tests need (mark ``program``), and how to find them."""

from __future__ import annotations

import shutil
from pathlib import Path

# Names to look for on the path, and where installers put the program without adding it there.
_NAMES: dict[str, tuple[str, ...]] = {
    "soffice": ("soffice", "libreoffice"),
}
_PLACES: dict[str, tuple[str, ...]] = {
    "soffice": (
        "/usr/lib/libreoffice/program/soffice",
        "/opt/libreoffice/program/soffice",
        "/Applications/LibreOffice.app/Contents/MacOS/soffice",
        "C:/Program Files/LibreOffice/program/soffice.exe",
    ),
}


def find_program(name: str) -> Path | None:
    """The program's path, or None where it isn't installed."""
    for candidate in _NAMES.get(name, (name,)):
        found = shutil.which(candidate)
        if found:
            return Path(found)
    return next((Path(place) for place in _PLACES.get(name, ()) if Path(place).is_file()), None)
