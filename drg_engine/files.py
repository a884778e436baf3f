"""Writing files safely: aside and then renamed, hashed, with text that is never a formula."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["file_sha256", "plain_text", "written_aside"]

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


@contextmanager
def written_aside(target: Path) -> Iterator[Path]:
    """Give a path beside ``target`` to write to; rename it over ``target`` when all went well.

    Nothing half-written is ever seen under the target's name; on an error the file aside is
    removed.  Missing parent folders are made.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    aside = target.with_name(f".{target.stem}.{os.getpid()}.part{target.suffix}")
    try:
        yield aside
        aside.replace(target)
    finally:
        aside.unlink(missing_ok=True)


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def plain_text(text: str) -> str:
    """Text that a spreadsheet shows as it stands instead of reading it as a formula.

    Text that begins with ``= + - @``, a tab or a carriage return gets an apostrophe before it.
    """
    return f"'{text}" if text.startswith(_FORMULA_STARTS) else text
