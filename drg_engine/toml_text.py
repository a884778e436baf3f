"""Writing TOML: what a policy or a manifest holds, as text that reads back the same."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Any

__all__ = ["toml_text"]

_BARE = re.compile(r"[A-Za-z0-9_\-]+")


def toml_text(data: Mapping[str, Any], *, heading: Sequence[str] = ()) -> str:
    """Give a mapping as TOML: values, then sections and lists of sections, in their order.

    ``heading``: comment lines to begin with.  None is left out.  Numbers keep every digit that
    counts.  Raises TypeError for a value that TOML does not know.
    """
    lines = [f"# {line}" for line in heading]
    lines += _section((), data)
    return "\n".join(lines).strip("\n") + "\n"


def _section(path: tuple[str, ...], data: Mapping[str, Any]) -> Iterator[str]:
    inner = {name: value for name, value in data.items() if _is_section(value)}
    for name, value in data.items():
        if name not in inner and value is not None:
            yield f"{_name(name)} = {_value(value)}"
    for name, value in inner.items():
        below = (*path, name)
        dotted = ".".join(_name(part) for part in below)
        for entry in [value] if isinstance(value, Mapping) else value:
            yield ""
            yield f"[{dotted}]" if isinstance(value, Mapping) else f"[[{dotted}]]"
            yield from _section(below, entry)


def _is_section(value: Any) -> bool:
    if isinstance(value, Mapping):
        return True
    return isinstance(value, list | tuple) and bool(value) and isinstance(value[0], Mapping)


def _name(name: str) -> str:
    return name if _BARE.fullmatch(name) else _value(name)


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007F")
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return repr(float(value))
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, list | tuple):
        return f"[{', '.join(_value(entry) for entry in value)}]"
    raise TypeError(f"TOML 没有这种值：{value!r}")
