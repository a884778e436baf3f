"""What is wrong with a command as it was typed, told in Chinese with the nearest name.

The library that reads the command line speaks English; its findings are told again here.
"""

from __future__ import annotations

import re
from typing import Any

__all__ = ["usage_words"]

_WORDS = (
    (r"Missing command\.", "没有写命令"),
    (r"Missing argument '?(.*?)'?\..*", r"缺少参数 \1"),
    (r"Missing option '?(.*?)'?\..*", r"缺少选项 \1"),
    (r"No such command '(.*?)'.*", r"没有命令“\1”"),
    (r"No such option:? ([^ .]+).*", r"没有选项 \1"),
    (r"Option '(.*)' requires an argument\.", r"选项 \1 后面要写值"),
    (r"Option '(.*)' requires (\d+) arguments\.", r"选项 \1 后面要写 \2 个值"),
    (r"Option '(.*)' does not take a value\.", r"选项 \1 后面不写值"),
    (r"Got unexpected extra arguments?(?:\(s\))? \((.*)\)", r"多写了“\1”"),
)
_VALUE = re.compile(r"Invalid value(?: for '?(.*?)'?)?: (.*)", flags=re.DOTALL)
_VALUES = (
    (r"Input should be a valid integer.*|.*is not a valid int(eger)?( range)?\.", "应为整数"),
    (r"Input should be a valid number.*|.*is not a valid float( range)?\.", "应为数"),
    (r"Input should be greater than or equal to (.*)", r"应不小于 \1"),
    (r"Input should be less than or equal to (.*)", r"应不大于 \1"),
    (r"Input should be a valid boolean.*", "应为 true 或 false"),
    (r".*is not in the range (.*)\.", r"应在 \1 之内"),
    (r".*is not one of (.*)\.", r"可用 \1"),
    (r"Input should be (.*)", r"应为 \1"),
)


def usage_words(error: Any) -> str:
    """What is wrong, how the command is written, and where to read more; or the help asked for.

    error: what the library raises in the mode that leaves telling to the caller (has
    ``format_message()`` and mostly ``ctx``).
    """
    context, message = getattr(error, "ctx", None), str(error.format_message())
    if context is None:
        return f"错误：{_told(message)}"
    if type(error).__name__ == "NoArgsIsHelpError":
        return message
    told = f"错误：{_told(message)}{_meaning(error)}{_near(message, context)}"
    return f"{told}\n{context.get_usage()}\n说明：{context.command_path} --help"


def _told(message: str) -> str:
    value = _VALUE.fullmatch(message)
    if value is not None:
        return f"{value[1] or ''} 的值不对：{_first(_VALUES, value[2])}".lstrip()
    return _first(_WORDS, message)


def _first(words: tuple[tuple[str, str], ...], message: str) -> str:
    """The words of the first pattern that is the whole message; else the message."""
    for pattern, told in words:
        found = re.fullmatch(pattern, message, flags=re.DOTALL)
        if found is not None:
            return found.expand(told)
    return message


def _meaning(error: Any) -> str:
    """What the argument or option should say, from its own help."""
    told = str(getattr(getattr(error, "param", None), "help", None) or "")
    return f"（{told.rstrip('。')}）" if told else ""


def _near(message: str, context: Any) -> str:
    """The nearest command or option, where a name is not known."""
    command = re.match(r"No such command '(.*?)'", message)
    if command is not None:
        known = list(context.command.commands)
        near = _nearest(command[1], known)
        return f"，最接近 {near}" if near else f"，可用：{'、'.join(known)}"
    option = re.match(r"No such option:? ([^ .]+)", message)
    if option is None:
        return ""
    params = context.command.get_params(context)
    known = [name for one in params for name in one.opts if name.startswith("-")]
    near = _nearest(option[1], known)
    return f"，最接近 {near}" if near else f"，可用：{'、'.join(known)}"


def _nearest(name: str, known: list[str]) -> str:
    from difflib import get_close_matches

    return "".join(get_close_matches(name, known, n=1))
