"""What the command line says of itself: help and mistyped commands, in Chinese."""

from __future__ import annotations

import re
import sys

import pytest
import typer

from drg_engine.cli import app, main
from drg_engine.cli_help import in_chinese


def said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: str
) -> tuple[int | str | None, str]:
    """The exit code and everything printed."""
    monkeypatch.setattr(sys, "argv", ["drg-engine", *words])
    with pytest.raises(SystemExit) as caught:
        main()
    out, err = capsys.readouterr()
    return caught.value.code, out + err


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("runn a b", "没有命令“runn”，最接近 run"),
        ("tables lst", "没有命令“lst”，最接近 list"),
        ("plan 画", "没有命令“画”，可用：list、show、check、explain、schema、draw"),
        ("run", "缺少参数 folder（工作区文件夹）"),
        ("settle x", "缺少选项 --policy（政策名、"),
        ("run a b --unmsk", "没有选项 --unmsk，最接近 --unmask"),
        ("tables diff a b --limit", "选项 --limit 后面要写值"),
        ("tables diff a b --limit 很多", "--limit 的值不对：应为整数（每类最多"),
        ("montecarlo a b c --out o --draws 1", "--draws 的值不对：应不小于 2"),
        ("run a b --unmask=3", "选项 --unmask 后面不写值"),
        ("tables diff a b c", "多写了“c”"),
    ],
)
def test_mistyped(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    typed: str,
    expected: str,
) -> None:
    code, text = said(monkeypatch, capsys, *typed.split())
    assert code == 2
    assert text.startswith(f"错误：{expected}")
    assert not re.search("Usage|Try |Error|Missing|No such|Invalid|OPTIONS|COMMAND", text)


def test_group_without_command_shows_its_help(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, text = said(monkeypatch, capsys, "tables")
    assert code == 2
    assert text.startswith("用法：drg-engine tables [选项] 命令 …\n")
    assert "\n命令：\n  list    列出随软件提供的分组方案。\n" in text


def test_every_help_is_chinese() -> None:
    def walk(command: object, above: typer.Context | None, name: str) -> int:
        context = command.make_context(name, [], parent=above, resilient_parsing=True)  # type: ignore[attr-defined]
        text = command.get_help(context)  # type: ignore[attr-defined]
        assert text.startswith("用法：drg-engine"), name
        english = "Usage|Options:|Arguments|Commands|required|default|Show this|<str|<path|<int"
        assert not re.search(english, text), text
        below = getattr(command, "commands", {})
        return 1 + sum(walk(one, context, own) for own, one in below.items())

    assert walk(in_chinese(typer.main.get_command(app)), None, "drg-engine") > 50


@pytest.mark.parametrize(("group", "known"), [("plan", "demo_plan"), ("policy", "harbin_2024")])
def test_list(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], group: str, known: str
) -> None:
    code, text = said(monkeypatch, capsys, group, "list")
    assert code == 0
    assert known in text
