"""What the commands tell alike of files made of described keys: plans and policies."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any, Protocol

import typer

from drg_engine.console import show_table
from drg_engine.errors import Fault
from drg_engine.files import written_aside

__all__ = [
    "Head",
    "choice_words",
    "show_dates",
    "show_key",
    "show_known",
    "unknown_key",
    "write_schema",
]


class Head(Protocol):
    """The section of a file that says what it is and when it holds."""

    @property
    def title(self) -> str:
        """What people call it."""

    @property
    def effective_from(self) -> date:
        """The first day."""

    @property
    def effective_to(self) -> date | None:
        """The day after the last; None for ever."""


def show_known(
    title: str, source: str, known: Iterable[tuple[str, Head, str]], *, always: str
) -> None:
    """Print the files that come with the engine: name, head and what each rests on.

    source: the heading of what they rest on.  always: the word for a file that has no end.
    """
    rows = [
        (name, head.title, str(head.effective_from), str(head.effective_to or always), rests)
        for name, head, rests in known
    ]
    show_table(title, ("名称", "标题", "生效", "失效（不含）", source), rows)


def show_dates(file: str, head: Head, digest: str, *, always: str) -> None:
    """Print a file's name, when it holds, and the beginning of its hash."""
    until = f"{head.effective_to} 前" if head.effective_to else always
    typer.echo(f"文件 {file}，生效 {head.effective_from} 至 {until}，指纹 {digest[:16]}")


def choice_words(
    value: str, choices: Sequence[str], description: str, known: Mapping[str, str] | None = None
) -> str:
    """A value for reading: a choice in the words that the key's description has for it.

    What the file says stands in brackets behind: ``据实（as_charged）``.  Several are parted by 、.
    known: words of choices that the description does not tell.
    """
    parts = value.split("、")
    if not set(parts) <= set(choices):
        return value
    some = "|".join(map(re.escape, choices))
    told = []
    for part in parts:
        own = rf"(?:^|[：；、]){re.escape(part)}(?![A-Za-z_])\s*(.+?)(?=；|，|（|、(?:{some})|$)"
        found = re.search(own, description)
        words = found[1] if found is not None else (known or {}).get(part, "")
        told.append(f"{words}（{part}）" if words else part)
    return "、".join(told)


def show_key(words: Sequence[tuple[str, str]]) -> None:
    """Print what is said of one key, line by line; what is empty is left out."""
    show_table("", ("项目", "内容"), [line for line in words if line[1]])


def unknown_key(key: str, what: str, near: str | None, look_up: str) -> Fault:
    """The fault of a key that ``what`` (方案, 政策) does not have.

    near: a key like it, if there is one; else ``look_up`` is the command that lists the keys.
    """
    mend = f"是否想写 {near}？" if near else f"用 {look_up} 查看各键"
    return Fault(key, f"{what}里没有这个键", mend=mend)


def write_schema(schema: Mapping[str, Any], out: Path | None) -> None:
    """Print a JSON schema, or write it to a file."""
    text = json.dumps(schema, ensure_ascii=False, indent=2) + "\n"
    if out is None:
        typer.echo(text, nl=False)
        return
    with written_aside(out) as aside:
        aside.write_text(text, encoding="utf-8", newline="\n")
    typer.echo(f"已写入 {out}")
