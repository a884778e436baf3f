"""From a policy's data to checked rules: keys, files beside it, and what keys demand of each other.

What is wrong is left out for looking on, so that all faults are told at once.
"""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from drg_engine._policy_check import cross_faults
from drg_engine._policy_keys import KeyInfo, catalogue, key_of, range_words
from drg_engine._policy_model import PolicyRules
from drg_engine.errors import Fault, InputError, PolicyError
from drg_engine.policy_files import PolicyFile, merged, named_files, read_policy_file

__all__ = ["Checked", "checked", "key_parts", "shown"]

_FOLLOWS = {"standard": {"rates", "points", "low", "high", "extra"}}
"""Sections whose faults may come from another section in which something was left out."""


@dataclass(frozen=True, slots=True)
class Checked:
    """Rules whole and as the file says them, the files read by key, and the hash over all."""

    rules: PolicyRules
    said: PolicyRules
    tables: Mapping[str, PolicyFile]
    hash: str


def checked(
    data: dict[str, Any],
    file: str,
    digest: str,
    folder: Path | None,
    known: Mapping[str, PolicyFile],
) -> Checked:
    """Check the data of a policy; ``known`` are files read before, by key.  Raises PolicyError."""
    faults: list[Fault] = []
    said, left_out = _validated(_tuples(data), file, faults)
    if said is None:
        raise PolicyError("政策文件有误", faults)
    tables = _read_files(said, folder, known, faults)
    there = said.model_dump(exclude_unset=True)
    left_out |= {_section(key) for key, _, _ in named_files(there) if key not in tables}
    whole: PolicyRules | None = said
    if tables:
        whole, _ = _validated(_tuples(merged(_without_files(there, tables), tables)), file, faults)
    if whole is not None:
        idle = left_out.union(*(_FOLLOWS.get(name, set()) for name in left_out))
        faults += [one for one in cross_faults(whole, file) if _section(one.column) not in idle]
    if faults or whole is None:
        raise PolicyError("政策文件有误", faults)
    if tables:
        hashes = [digest, *(f"{key} {tables[key].content_hash}" for key in sorted(tables))]
        digest = hashlib.sha256("\n".join(hashes).encode()).hexdigest()
    return Checked(whole, said, tables, digest)


def _section(key: str | None) -> str:
    return key_of(key or "").partition(".")[0].removesuffix("[]")


def _validated(
    data: dict[str, Any], file: str, faults: list[Fault]
) -> tuple[PolicyRules | None, set[str]]:
    """The rules, without what is faulty; and the sections something was left out of."""
    left_out: set[str] = set()
    for _ in range(2):
        try:
            return PolicyRules.model_validate(data), left_out
        except ValidationError as error:
            items: list[dict[str, Any]] = [dict(one) for one in error.errors(include_url=False)]
            if not left_out:
                faults += [_fault(file, item) for item in items]
            for item in items:
                left_out.add(str(item["loc"][0]))
                data = _without(data, item["loc"])
    return None, left_out


def _without(value: Any, place: tuple[int | str, ...]) -> Any:
    """``value`` without the key or the list at ``place`` (a row of a list takes the list along)."""
    if not isinstance(value, dict) or not place or place[0] not in value:
        return value
    inner = value[place[0]]
    if len(place) > 1 and isinstance(inner, dict) and place[1] in inner:
        return {**value, place[0]: _without(inner, place[1:])}
    return {name: entry for name, entry in value.items() if name != place[0]}


def _read_files(
    said: PolicyRules,
    folder: Path | None,
    known: Mapping[str, PolicyFile],
    faults: list[Fault],
) -> dict[str, PolicyFile]:
    """Files that the policy names, read unless they are ``known``; what is wrong joins faults."""
    found: dict[str, PolicyFile] = {}
    info = said.policy
    span = (info.effective_from, info.effective_to)
    for key, pattern, name in named_files(said.model_dump(exclude_unset=True)):
        held = known.get(key)
        if held is not None and (held.name, held.span) == (name, span):
            found[key] = held
            continue
        try:
            found[key] = read_policy_file(folder, key, pattern, name, span)
        except InputError as error:
            faults += error.faults
    return found


def _without_files(data: dict[str, Any], tables: Mapping[str, PolicyFile]) -> dict[str, Any]:
    """The data without the names of files that could not be read."""
    for key, _, _ in list(named_files(data)):
        if key not in tables:
            data = _without(data, tuple(key_parts(key)))
    return data


def _tuples(value: Any) -> Any:
    """Lists as tuples all the way down: the models are frozen and strict."""
    if isinstance(value, dict):
        return {name: _tuples(entry) for name, entry in value.items()}
    if isinstance(value, list | tuple):
        return tuple(_tuples(entry) for entry in value)
    return value


def _fault(file: str, item: dict[str, Any]) -> Fault:
    """One pydantic error in Chinese, with the range and the nearest known name."""
    place = tuple(part for part in item["loc"] if part != "[key]")
    key = _dotted(place)
    known = catalogue().get(key_of(key))
    found = None if item["type"] == "missing" else shown(item["input"])
    if item["type"] == "missing":
        return Fault(file, "缺少必填项", column=key, mend=_should_be(known))
    if item["type"] == "extra_forbidden":
        return Fault(file, "不认识的键", column=key, found=found, mend=_nearest(key))
    message = range_words(item) or "写法不对"
    return Fault(file, message, column=key, found=found, mend=_should_be(known))


def _should_be(known: KeyInfo | None) -> str | None:
    if known is None:
        return None
    unit = f"，单位 {known.unit}" if known.unit else ""
    return f"“{known.title}”应为 {known.range}{unit}"


def _nearest(key: str) -> str:
    """The known key most like ``key`` among its neighbours, then among all."""
    head, _, last = key_of(key).rpartition(".")
    names = list(catalogue())
    beside = {name.rpartition(".")[2]: name for name in names if name.rpartition(".")[0] == head}
    near = difflib.get_close_matches(last, list(beside), 1, 0.5)
    if near:
        return f"是否想写 {beside[near[0]]}？"
    anywhere = difflib.get_close_matches(key_of(key), names, 1, 0.5)
    if anywhere:
        return f"是否想写 {anywhere[0]}？"
    return f"这里可写：{'、'.join(beside)}" if beside else "请删去"


def _dotted(place: tuple[int | str, ...]) -> str:
    text = ""
    for part in place:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def key_parts(key: str) -> list[str | int]:
    """Names and places of a dotted key: ``scope[2].drgs`` → scope, 2, drgs."""
    parts: list[str | int] = []
    for piece in key.split("."):
        name, *places = piece.split("[")
        parts.append(name)
        parts.extend(int(place.rstrip("]")) for place in places)
    return parts


def shown(value: Any) -> str:
    """A value in words."""
    if isinstance(value, bool):
        return "是" if value else "否"
    if value is None or value in ((), {}):
        return "（无）"
    if isinstance(value, tuple | list):
        return "、".join(shown(entry) for entry in value)
    if isinstance(value, dict | BaseModel):
        return "（一节）"
    return str(value)
