"""National formats of medical-service price item codes, recognised by their form as a proposal.

``data/price_item_formats.toml`` describes the formats with their sources and how far each was
verified.  A form never proves a code: only a table that holds the code does (allocation.md §2).
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any

from drg_engine.errors import Fault, TableError

__all__ = ["ItemFormat", "load_formats", "recognised"]

_FILE = "price_item_formats.toml"
_TRUST: Mapping[str, str] = {
    "primary": "原文核对过",
    "secondary": "公开程序或汇编转述",
    "sample": "只见到个别编码",
    "unverified": "未能核实",
}
_KEYS = {"key", "title", "full_title", "pattern", "chapter", "source", "trust", "note"}


@dataclass(frozen=True, slots=True)
class ItemFormat:
    """One format: what a whole code looks like, and where its chapter stands in it.

    chapter: (first, end) places of the chapter's code; chapters: its names, perhaps none.
    """

    key: str
    title: str
    full_title: str
    pattern: re.Pattern[str]
    length: int | None
    chapter: tuple[int, int]
    chapters: Mapping[str, str]
    source: str
    trust: str
    note: str

    @property
    def trust_words(self) -> str:
        """How far the format was verified, in words."""
        return _TRUST[self.trust]

    def chapter_of(self, code: str) -> str | None:
        """Chapter (code and name) of a code of this form, its code alone where unnamed.

        None where the form doesn't fit, or the named chapters don't have the chapter.
        """
        if self.pattern.fullmatch(code) is None or self.length not in (None, len(code)):
            return None
        chapter = code[slice(*self.chapter)]
        if not self.chapters:
            return chapter
        name = self.chapters.get(chapter)
        return None if name is None else f"{chapter} {name}"


def load_formats() -> tuple[ItemFormat, ...]:
    """The formats of the package's data file.  Raises TableError with every fault of it."""
    data = (resources.files("performance") / "data" / _FILE).read_bytes()
    raw = tomllib.loads(data.decode("utf-8"))
    named = {str(entry.get("key")): entry.get("chapters", {}) for entry in raw["format"]}
    faults: list[Fault] = []
    formats = [_format(entry, named, faults) for entry in raw["format"]]
    if faults:
        raise TableError(f"{_FILE} 有 {len(faults)} 处错误", faults)
    return tuple(one for one in formats if one is not None)


def _format(
    entry: Mapping[str, Any], named: Mapping[str, Mapping[str, str]], faults: list[Fault]
) -> ItemFormat | None:
    key = str(entry.get("key", "?"))
    missing = sorted(_KEYS - set(entry))
    if missing or entry["trust"] not in _TRUST:
        faults.append(Fault(_FILE, "缺少键或 trust 不对", column=key, found="、".join(missing)))
        return None
    try:
        pattern = re.compile(entry["pattern"])
    except re.error as error:
        faults.append(Fault(_FILE, "pattern 写得不对", column=key, found=str(error)))
        return None
    first, end = entry["chapter"]
    return ItemFormat(
        key=key,
        title=entry["title"],
        full_title=entry["full_title"],
        pattern=pattern,
        length=entry.get("length"),
        chapter=(int(first), int(end)),
        chapters=entry.get("chapters", named.get(entry.get("chapters_of", ""), {})),
        source=entry["source"],
        trust=entry["trust"],
        note=entry["note"],
    )


def recognised(codes: Iterable[str], formats: Sequence[ItemFormat]) -> list[str]:
    """What each code looks like: ``2001年版 33 手术治疗``; several are joined by 或; '' unknown.

    Letters may be small and blanks may stand in a code; nothing else is mended.
    """
    listed = list(codes)
    known = {code: _looks_like(code, formats) for code in set(listed)}
    return [known[code] for code in listed]


def _looks_like(code: str, formats: Sequence[ItemFormat]) -> str:
    plain = code.replace(" ", "").upper()
    found = []
    for one in formats:
        chapter = one.chapter_of(plain)
        if chapter is not None:
            found.append(f"{one.title} {chapter}".strip())
    return " 或 ".join(found)
