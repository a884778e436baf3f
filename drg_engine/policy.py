"""Payment policies: one TOML file each, checked, described and hashed.

A policy is frozen, its tables too.  :func:`load_policy` tells all faults of a file, and of the
tables beside it, at once; :meth:`Policy.describe` lists every key with its value, unit, range,
default and source.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from drg_engine._policy_keys import KeyInfo, catalogue, key_of
from drg_engine._policy_load import checked, key_parts, shown
from drg_engine._policy_model import PolicyRules
from drg_engine.errors import Fault, PolicyError
from drg_engine.policy_files import FILE_KEYS, PolicyFile
from drg_engine.toml_faults import toml_fault

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
    """A checked policy: ``rules`` its values, ``hash`` the SHA-256 of the file's bytes.

    Where the policy names files beside it, ``rules`` holds their rows too (and not the names),
    ``said`` what the file itself says, ``tables`` the files read by key, and the hash covers them.
    ``folder`` is where the file stands, None where it came from elsewhere.
    """

    file: str
    hash: str
    rules: PolicyRules
    said: PolicyRules
    folder: Path | None = None
    tables: Mapping[str, PolicyFile] = field(default_factory=dict)

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
            if name in self.said.sources:
                return self.said.sources[name]
        return self.said.policy.source

    def was_written(self, key: str) -> bool:
        """Whether the file says ``key`` itself, rather than leaving it at its default."""
        return _was_written(self.said, key)

    def span(self) -> tuple[date, date | None]:
        """Days in force: from (included), to (not included, None for ever)."""
        return self.rules.policy.effective_from, self.rules.policy.effective_to

    def words(self) -> str:
        """Title, code and days in force, as people are told which policy paid a case."""
        begin, end = self.span()
        until = f"至 {end} 前" if end else "起"
        return f"{self.title}（{self.name}，{begin} {until}）"

    def located(self, faults: Iterable[Fault]) -> Iterator[Fault]:
        """The same faults; one of a code that stands in a file beside the policy names its row."""
        places = {
            (FILE_KEYS[key_of(key)][0], key.rpartition(".")[0].partition("[")[0]): table
            for key, table in self.tables.items()
        }
        for fault in faults:
            head, _, name = (fault.column or "").rpartition(".")
            table = places.get((name, head.removesuffix("[]")))
            row = None if table is None or fault.found is None else table.row_of(fault.found)
            if table is None or row is None:
                yield fault
            else:
                yield replace(fault, file=table.name, row=row)

    def with_changes(self, changes: Mapping[str, Any], *, file: str = "") -> Policy:
        """Return a policy in which the dotted keys of ``changes`` have new values.

        Values are as in TOML; a key of a table or list is replaced whole unless its entry is named
        (``rates.310``).  The hash covers the base's hash and the changes.  Raises PolicyError.
        """
        data = self.said.model_dump(exclude_unset=True)
        for key, value in changes.items():
            _put(data, key, value)
        text = json.dumps([self.hash, sorted(changes.items())], default=str, ensure_ascii=False)
        digest = hashlib.sha256(text.encode()).hexdigest()
        name = file or self.file.removesuffix(_CHANGED) + _CHANGED
        return _checked(data, name, digest, self.folder, self.tables)

    def _rows(self) -> Iterator[PolicyRow]:
        about = catalogue()
        info = self.said.policy
        for key, value in _leaves(self.said, ""):
            if key.startswith("sources") or ("[" in key and value in (None, ())):
                continue
            known = about[key_of(key)]
            yield PolicyRow(
                key=key,
                title=known.title,
                value=shown(value),
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
    return parse_policy(content, file=path.name, folder=path.parent)


def parse_policy(content: bytes, *, file: str, folder: Path | None = None) -> Policy:
    """Check the bytes of a policy file (UTF-8 TOML, a byte order mark is allowed).

    folder: where the files that the policy names stand; without one it may name none.
    """
    try:
        text = content.decode("utf-8-sig").replace("\r\n", "\n")
        data = tomllib.loads(text)
    except UnicodeDecodeError as error:
        fault = Fault(file, "不是 UTF-8 文本", mend="请另存为 UTF-8")
        raise PolicyError("政策文件有误", [fault]) from error
    except (ValueError, RecursionError) as error:
        raise PolicyError("政策文件不是正确的 TOML", [toml_fault(file, error, text)]) from error
    return _checked(data, file, hashlib.sha256(content).hexdigest(), folder, {})


def policy_schema() -> dict[str, Any]:
    """JSON schema of a policy file, for editors."""
    return PolicyRules.model_json_schema()


def _checked(
    data: dict[str, Any],
    file: str,
    digest: str,
    folder: Path | None,
    known: Mapping[str, PolicyFile],
) -> Policy:
    found = checked(data, file, digest, folder, known)
    return Policy(file, found.hash, found.rules, found.said, folder, found.tables)


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


def _upwards(key: str) -> Iterator[str]:
    """``a.b[0].c``, ``a.b[].c``, ``a.b``, ``a``: names under which a source may stand."""
    parts = key_parts(key)
    yield key
    for end in range(len(parts), 0, -1):
        yield ".".join(str(part) for part in parts[:end] if isinstance(part, str))


def _was_written(rules: BaseModel, key: str) -> bool:
    value: Any = rules
    for part in key_parts(key):
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


def _put(data: dict[str, Any], key: str, value: Any) -> None:
    place: Any = data
    parts = key_parts(key)
    for part, following in pairwise(parts):
        if isinstance(part, str):
            place = place.setdefault(part, [] if isinstance(following, int) else {})
        else:
            place = place[part]
        if isinstance(place, tuple):
            raise PolicyError("改动有误", [Fault(key, "列表须整体改写")])
    place[parts[-1]] = value
