"""The frame of the command line's help in Chinese, in columns as wide as Chinese characters are."""

from __future__ import annotations

import re
import shutil
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, cast

import typer

__all__ = ["in_chinese"]

_HEADINGS = {"Arguments": "参数", "Options": "选项", "Commands": "命令"}
_WORDS = (
    (re.compile(r"<list\[(?:Path|path)\]>"), "<路径…>"),
    (re.compile(r"<list\[str\]>"), "<文字…>"),
    (re.compile(r"<(?:path|file|dir|PATH)>"), "<路径>"),
    (re.compile(r"<(?:str|text|TEXT)>"), "<文字>"),
    (re.compile(r"<(?:int|integer|INTEGER)( range)?>"), "<整数>"),
    (re.compile(r"<(?:float|FLOAT)( range)?>"), "<数>"),
    (re.compile(r"\[default: (.*); required\]"), r"［默认 \1；必填］"),
    (re.compile(r"\[default: ([^\]]*)\]"), r"［默认 \1］"),
    (re.compile(r"\[([^\]]*); required\]"), r"［\1；必填］"),
    (re.compile(r"\[required\]"), "［必填］"),
    (re.compile(r"Show this message and exit\."), "显示这份说明。"),
)
_WIDEST, _FIRST_MOST, _GAP, _LEAST = 100, 32, 2, 24
_NO_LINE_BEGINS = "，。；：、）》”！？］"


def in_chinese(command: Any) -> Any:
    """Give a command of the library, and every command below it, help in Chinese.

    Returns ``command``.
    """
    command.context_class = _Context
    command.options_metavar = "[选项]"
    if hasattr(command, "commands"):
        command.subcommand_metavar = "命令 …"
        for below in command.commands.values():
            in_chinese(below)
    return command


class _Help:
    """Writes help as the library asks; has the methods of its own formatter."""

    def __init__(self) -> None:
        self.width = min(shutil.get_terminal_size((_WIDEST, 24)).columns, _WIDEST) - 2
        self._indent = 0
        self._parts: list[str] = []

    def write(self, text: str) -> None:
        self._parts.append(text)

    def write_usage(self, prog: str, args: str = "", prefix: str | None = None) -> None:
        self.write(f"{prefix or '用法：'}{prog} {args}".rstrip() + "\n")

    def write_paragraph(self) -> None:
        if self._parts:
            self.write("\n")

    def write_text(self, text: str) -> None:
        for line in _folded(text, self.width - self._indent):
            self.write(" " * self._indent + line + "\n")

    def write_dl(self, rows: Sequence[tuple[str, str]]) -> None:
        told = [(_chinese(first), _chinese(second)) for first, second in rows]
        first_wide = min(max(map(_cells, (first for first, _ in told))), _FIRST_MOST) + _GAP
        for first, second in told:
            self.write(" " * self._indent + first)
            at = self._indent + first_wide
            room = first_wide - _cells(first)
            self.write(" " * room if room >= _GAP else "\n" + " " * at)
            lines = _folded(second, max(self.width - at, _LEAST)) or [""]
            self.write(("\n" + " " * at).join(lines) + "\n")

    @contextmanager
    def section(self, name: str) -> Iterator[None]:
        self.write_paragraph()
        self.write(f"{_HEADINGS.get(name, name)}：\n")
        with self.indentation():
            yield

    @contextmanager
    def indentation(self) -> Iterator[None]:
        self._indent += 2
        try:
            yield
        finally:
            self._indent -= 2

    def getvalue(self) -> str:
        return "".join(self._parts)


class _Context(typer.Context):
    def make_formatter(self) -> Any:
        return cast(Any, _Help())


def _chinese(text: str) -> str:
    for pattern, words in _WORDS:
        text = pattern.sub(words, text)
    return text


def _cells(text: str) -> int:
    """How many columns of a terminal a text takes."""
    return sum(2 if unicodedata.east_asian_width(sign) in "WF" else 1 for sign in text)


def _folded(text: str, width: int) -> list[str]:
    """A text in lines of at most ``width`` columns: words stay whole, no line begins with 。"""
    lines, line = [], ""
    for piece in re.findall(r"[!-~]+|\s+|.", text.strip()):
        if line and _cells(line + piece) > width and piece not in _NO_LINE_BEGINS:
            lines.append(line.rstrip())
            line = ""
        line += piece if line else piece.lstrip()
    return [*lines, line] if line else lines
