"""Files of a workspace that nobody reads, and which table each was probably meant to be."""

from __future__ import annotations

import difflib
import functools
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from performance.table_list import TABLES

__all__ = ["Stray", "stray_files"]

_READABLE = (".csv", ".xlsx", ".parquet")
_LISTS = (".csv", ".xlsx")
_DATA = (*_READABLE, ".xls", ".xlsm", ".xlsb", ".ods", ".et", ".tsv", ".txt", ".pq")
_OTHERS: Mapping[str, tuple[str, ...]] = {
    "cases": _READABLE,
    "review": _LISTS,
    "new_items": _LISTS,
    "out_of_scope": _LISTS,
    "adjustments": _LISTS,
}
"""What else a month's folder may hold, and the endings that are read."""
_WORDS: Mapping[str, tuple[str, ...]] = {
    "attendance": ("考勤", "出勤"),
    "costs": ("成本",),
    "quality": ("质量", "质量考核"),
    "single_items": ("单项", "奖惩"),
    "history": ("历史绩效",),
    "staff_scores": ("个人得分",),
    "income": ("收入",),
    "head_funds": ("科主任基金",),
    "operations": ("手术",),
    "charges": ("收费明细", "收费"),
    "cases": ("病例", "病案首页", "首页"),
    "items": ("点数",),
    "review": ("特例单议",),
    "new_items": ("除外支付",),
    "out_of_scope": ("不纳入支付",),
}
_NOISE = re.compile(r"副本|复制|copy|最终|终稿|新建|[0-9年月日()（）\s_\-.]", re.IGNORECASE)
_LIKE = 0.75


@dataclass(frozen=True, slots=True)
class Stray:
    """A file that nobody reads.

    folder: ``tables`` or ``inputs/2026-10``.  meant: the table it was probably meant to be, None
    where nothing is like it.  sure: its name says so outright.  mend: what to do, in Chinese.
    """

    folder: str
    file: str
    meant: str | None
    sure: bool
    mend: str

    def __str__(self) -> str:
        return f"{self.folder}/{self.file} 没有程序读。{self.mend}"


def stray_files(places: Iterable[tuple[str, Path, Iterable[str]]]) -> tuple[Stray, ...]:
    """Data files that are none of the known ones, in order of folder and name.

    places: what each folder is called, where it is, and its tables.  Other documents, hidden files
    and the systems' own are left aside.
    """
    known = []
    for title, folder, names in places:
        listed: dict[str, tuple[str, ...]] = dict.fromkeys(names, _READABLE)
        known.append((title, folder, {**listed, **(_OTHERS if "charges" in listed else {})}))
    homes = {name: title for title, _, names in known for name in names}
    held = {title: _files(folder) for title, folder, _ in known}
    found = []
    for title, _, own in known:
        read = {f"{name}{suffix}" for name, suffixes in own.items() for suffix in suffixes}
        for file in sorted(held[title] - read):
            stray = _stray(title, file, held, homes)
            if stray is not None:
                found.append(stray)
    return tuple(found)


def _files(folder: Path) -> set[str]:
    return {p.name for p in folder.iterdir() if p.is_file()} if folder.is_dir() else set()


def _stray(
    title: str, file: str, held: Mapping[str, set[str]], homes: Mapping[str, str]
) -> Stray | None:
    suffix = Path(file).suffix
    if file.startswith((".", "~$")) or suffix.lower() not in _DATA:
        return None
    meant, sure = _meant(Path(file).stem, homes)
    if meant is None:
        if suffix.lower() == ".txt":
            return None
        return Stray(title, file, None, False, "不用的请移走")
    readable = _OTHERS.get(meant, _READABLE)
    wanted = f"{meant}{suffix.lower()}" if suffix.lower() in readable else f"{meant}.xlsx"
    home = homes[meant]
    same = [f"{meant}{one}" for one in readable if f"{meant}{one}" in held[home]]
    if same:
        return Stray(title, file, meant, sure, f"读的是 {home}/{same[0]}；多余的请移走")
    if suffix.lower() not in readable:
        mend = f"这种格式不读：在 Excel 里打开，另存为 {wanted}（Excel 工作簿）或 {meant}.csv"
    else:
        mend = f"应为 {wanted} 吗？请改名" if not sure else f"请改名为 {wanted}"
    if home != title:
        mend = f"请移到 {home}" if file == wanted else f"{mend}，并移到 {home}"
    return Stray(title, file, meant, sure, mend)


def _meant(stem: str, homes: Mapping[str, str]) -> tuple[str | None, bool]:
    """The table that a name stands for or is like, and whether it stands for it outright."""
    words = {word: name for word, name in _words().items() if name in homes}
    plain = _plain(stem)
    if plain in words:
        return words[plain], True
    inside = [word for word in words if len(word) > 1 and not word.isascii() and word in plain]
    if inside:
        return words[max(inside, key=len)], False
    near = difflib.get_close_matches(plain, list(words), n=1, cutoff=_LIKE)
    return (words[near[0]], False) if near else (None, False)


def _plain(stem: str) -> str:
    return _NOISE.sub("", stem).lower().removesuffix("表")


@functools.cache
def _words() -> Mapping[str, str]:
    """Every word that a table may go by, English names and Chinese titles, without its noise."""
    words: dict[str, str] = {}
    for name in (*TABLES, *_OTHERS, "charges"):
        titles = (TABLES[name].title,) if name in TABLES else ()
        for word in (name, *titles, *_WORDS.get(name, ())):
            words.setdefault(_plain(word), name)
    return words
