"""Payment policies: one TOML file each, checked, described and hashed.

A policy is frozen.  :func:`load_policy` tells all faults of a file at once; :meth:`Policy.describe`
lists every key with its value, unit, range, default and source.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from drg_engine._policy_check import cross_faults
from drg_engine._policy_keys import KeyInfo, catalogue, key_of, range_words
from drg_engine._policy_model import PolicyRules
from drg_engine.errors import Fault, PolicyError

__all__ = [
    "KeyInfo",
    "Policy",
    "PolicyRow",
    "catalogue",
    "list_policies",
    "load_policy",
    "parse_policy",
    "policy_schema",
]

_PRESETS = Path(__file__).resolve().parent / "policies"
_DEFAULT_SOURCE = "默认值"
_CHANGED = " + 改动"


@dataclass(frozen=True, slots=True)
class PolicyRow:
    """One key of a policy in words: for listings and for the workbook."""

    key: str
    title: str
    value: str
    unit: str
    range: str
    default: str
    source: str
    effective_from: date
    effective_to: date | None
    description: str


@dataclass(frozen=True, slots=True)
class Policy:
    """A checked policy: ``rules`` its values, ``hash`` the SHA-256 of the file's bytes."""

    file: str
    hash: str
    rules: PolicyRules

    @property
    def name(self) -> str:
        """Code of the policy, for file names and workspaces."""
        return self.rules.policy.name

    @property
    def title(self) -> str:
        """Name of the policy for people."""
        return self.rules.policy.title

    def describe(self) -> tuple[PolicyRow, ...]:
        """Every key in the model's order; one row for each entry of a table or list."""
        return tuple(self._rows())

    def source(self, key: str) -> str:
        """Where the value of ``key`` (``low.bound``) comes from, the nearest note winning."""
        if not self.was_written(key):
            return _DEFAULT_SOURCE
        for name in _upwards(key):
            if name in self.rules.sources:
                return self.rules.sources[name]
        return self.rules.policy.source

    def was_written(self, key: str) -> bool:
        """Whether the file says ``key`` itself, rather than leaving it at its default."""
        return _was_written(self.rules, key)

    def with_changes(self, changes: Mapping[str, Any], *, file: str = "") -> Policy:
        """Return a policy in which the dotted keys of ``changes`` have new values.

        Values are as in TOML; a key of a table or list is replaced whole unless its entry is named
        (``rates.310``).  The hash covers the base's hash and the changes.  Raises PolicyError.
        """
        data = self.rules.model_dump(exclude_unset=True)
        for key, value in changes.items():
            _put(data, key, value)
        text = json.dumps([self.hash, sorted(changes.items())], default=str, ensure_ascii=False)
        digest = hashlib.sha256(text.encode()).hexdigest()
        return _checked(data, file or self.file.removesuffix(_CHANGED) + _CHANGED, digest)

    def _rows(self) -> Iterator[PolicyRow]:
        about = catalogue()
        info = self.rules.policy
        for key, value in _leaves(self.rules, ""):
            if key.startswith("sources") or ("[" in key and value in (None, ())):
                continue
            known = about[key_of(key)]
            yield PolicyRow(
                key=key,
                title=known.title,
                value=_shown(value),
                unit=known.unit,
                range=known.range,
                default=known.default,
                source=self.source(key),
                effective_from=info.effective_from,
                effective_to=info.effective_to,
                description=known.description,
            )


def list_policies() -> tuple[str, ...]:
    """Names of the policies that come with the engine, sorted."""
    return tuple(sorted(path.stem for path in _PRESETS.glob("*.toml")))


def load_policy(name_or_path: str | Path) -> Policy:
    """Read a policy by the name of a preset or by the path of a TOML file.

    Raises PolicyError with one Fault for each thing wrong (file, key, value, range, nearest name).
    """
    path = _find(name_or_path)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise PolicyError(
            "读不到政策文件", [Fault(str(name_or_path), f"无法打开：{error.strerror}")]
        ) from error
    return parse_policy(content, file=path.name)


def parse_policy(content: bytes, *, file: str) -> Policy:
    """Check the bytes of a policy file (UTF-8 TOML, a byte order mark is allowed)."""
    try:
        data = tomllib.loads(content.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        fault = Fault(file, "不是 UTF-8 文本", mend="请另存为 UTF-8")
        raise PolicyError("政策文件有误", [fault]) from error
    except tomllib.TOMLDecodeError as error:
        fault = Fault(file, f"不是正确的 TOML：{error}", mend="请检查引号、括号和等号")
        raise PolicyError("政策文件有误", [fault]) from error
    return _checked(data, file, hashlib.sha256(content).hexdigest())


def policy_schema() -> dict[str, Any]:
    """JSON schema of a policy file, for editors."""
    return PolicyRules.model_json_schema()


def _find(name_or_path: str | Path) -> Path:
    path = Path(name_or_path)
    if path.suffix == ".toml" or path.is_file():
        return path
    preset = _PRESETS / f"{path.name}.toml"
    if path.parent == Path() and preset.is_file():
        return preset
    near = difflib.get_close_matches(str(name_or_path), list_policies(), 1)
    mend = f"是否想写 {near[0]}？" if near else f"现有：{'、'.join(list_policies())}"
    raise PolicyError(
        "没有这个政策", [Fault(str(name_or_path), "不是政策名，也不是文件", mend=mend)]
    )


def _checked(data: dict[str, Any], file: str, digest: str) -> Policy:
    try:
        rules = PolicyRules.model_validate(_tuples(data))
    except ValidationError as error:
        faults = [_fault(file, dict(item)) for item in error.errors(include_url=False)]
        raise PolicyError("政策文件有误", faults) from error
    crossed = list(cross_faults(rules, file))
    if crossed:
        raise PolicyError("政策文件有误", crossed)
    return Policy(file, digest, rules)


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
    found = None if item["type"] == "missing" else _shown(item["input"])
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


def _parts(key: str) -> list[str | int]:
    parts: list[str | int] = []
    for piece in key.split("."):
        name, *places = piece.split("[")
        parts.append(name)
        parts.extend(int(place.rstrip("]")) for place in places)
    return parts


def _upwards(key: str) -> Iterator[str]:
    """``a.b[0].c``, ``a.b[].c``, ``a.b``, ``a``: names under which a source may stand."""
    parts = _parts(key)
    yield key
    for end in range(len(parts), 0, -1):
        yield ".".join(str(part) for part in parts[:end] if isinstance(part, str))


def _was_written(rules: BaseModel, key: str) -> bool:
    value: Any = rules
    for part in _parts(key):
        if isinstance(value, BaseModel):
            if part not in value.model_fields_set:
                return False
            value = getattr(value, str(part))
        else:
            value = value[part]
    return True


def _leaves(value: Any, key: str) -> Iterator[tuple[str, Any]]:
    """Every value that is not itself a section, with its dotted key."""
    if isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from _leaves(getattr(value, name), f"{key}.{name}" if key else name)
    elif isinstance(value, dict) and value:
        for name, entry in value.items():
            yield from _leaves(entry, f"{key}.{name}")
    elif isinstance(value, tuple) and value and isinstance(value[0], BaseModel):
        for index, entry in enumerate(value):
            yield from _leaves(entry, f"{key}[{index}]")
    else:
        yield key, value


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "是" if value else "否"
    if value is None or value in ((), {}):
        return "（无）"
    if isinstance(value, tuple | list):
        return "、".join(_shown(entry) for entry in value)
    if isinstance(value, dict | BaseModel):
        return "（一节）"
    return str(value)


def _put(data: dict[str, Any], key: str, value: Any) -> None:
    place: Any = data
    parts = _parts(key)
    for part, following in pairwise(parts):
        if isinstance(part, str):
            place = place.setdefault(part, [] if isinstance(following, int) else {})
        else:
            place = place[part]
        if isinstance(place, tuple):
            raise PolicyError("改动有误", [Fault(key, "列表须整体改写")])
    place[parts[-1]] = value
