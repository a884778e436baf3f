"""The catalogue of policy keys, read from the models: titles, units, ranges, defaults."""

from __future__ import annotations

import functools
import re
import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from types import MappingProxyType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, StringConstraints
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from drg_engine._policy_model import PolicyRules

__all__ = ["KeyInfo", "catalogue", "key_of", "range_words"]

_REQUIRED = "必填"
_SIGNS = (("ge", "≥"), ("gt", ">"), ("le", "≤"), ("lt", "<"))
_KINDS: dict[type, str] = {
    bool: "true 或 false",
    int: "整数",
    float: "数字",
    str: "文本",
    date: "日期（如 2024-01-01）",
}
_TYPE_WORDS = {
    "float_type": "应为数字",
    "int_type": "应为整数",
    "bool_type": "应为 true 或 false",
    "string_type": "应为文本，请加引号",
    "date_type": "应为日期，不加引号，如 2024-01-01",
    "dict_type": "应为一节键值",
    "tuple_type": "应为列表，用方括号",
    "model_type": "应为一节键值",
    "finite_number": "应为有限的数",
    "string_too_short": "不能为空",
    "string_pattern_mismatch": "写法不合要求",
    "literal_error": "不在可选值之中",
    "greater_than": "太小",
    "greater_than_equal": "太小",
    "less_than": "太大",
    "less_than_equal": "太大",
}


@dataclass(frozen=True, slots=True)
class KeyInfo:
    """One key as the model describes it.  ``key`` has ``[]`` for lists and ``*`` for tables."""

    key: str
    title: str
    unit: str
    range: str
    default: str
    description: str
    pays: bool


@functools.cache
def catalogue() -> Mapping[str, KeyInfo]:
    """Every key of a policy by its pattern, in the model's order."""
    return MappingProxyType({info.key: info for info in _walk(PolicyRules, "", True)})


def key_of(key: str) -> str:
    """Pattern of a key: ``scope[2].drgs`` → ``scope[].drgs``, ``rates.310`` → ``rates``."""
    pattern = re.sub(r"\[\d+\]", "[]", key)
    for table in _tables():
        if pattern.startswith(f"{table}."):
            return table
    return re.sub(r"\[\]$", "", pattern)


def range_words(item: dict[str, Any]) -> str:
    """What a pydantic error says, in Chinese."""
    return _TYPE_WORDS.get(str(item["type"]), "")


@functools.cache
def _tables() -> tuple[str, ...]:
    return tuple(key for key, field, _ in _fields(PolicyRules, "", True) if _is_table(field))


def _walk(model: type[BaseModel], head: str, pays: bool) -> Iterator[KeyInfo]:
    for key, field, moves in _fields(model, head, pays):
        extra = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
        yield KeyInfo(
            key=key,
            title=field.title or key,
            unit=str(extra.get("unit", "")),
            range=_range(field),
            default=_default(field),
            description=field.description or "",
            pays=moves and bool(extra.get("pays", True)),
        )


def _fields(model: type[BaseModel], head: str, pays: bool) -> Iterator[tuple[str, FieldInfo, bool]]:
    """Fields that hold values; sections and lists of sections also stand for themselves."""
    for name, field in model.model_fields.items():
        key = f"{head}.{name}" if head else name
        inner = _section(field.annotation)
        if inner is None:
            yield key, field, pays
            continue
        listed = get_origin(field.annotation) is tuple
        yield key, field, False
        yield from _fields(inner, f"{key}[]" if listed else key, pays)


def _section(annotation: Any) -> type[BaseModel] | None:
    """The model of a section, or of the rows of a list of sections."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if get_origin(annotation) is tuple:
        return _section(get_args(annotation)[0])
    return None


def _is_table(field: FieldInfo) -> bool:
    return get_origin(field.annotation) is dict


def _default(field: FieldInfo) -> str:
    value = field.default
    if value is PydanticUndefined:
        return _REQUIRED
    if isinstance(value, bool):
        return "是" if value else "否"
    if value is None or value in ((), {}):
        return "（无）"
    return "（各项默认）" if isinstance(value, BaseModel) else str(value)


def _range(field: FieldInfo) -> str:
    bounds = _bounds(field.metadata)
    words = _type_words(field.annotation)
    return f"{words} {bounds}".strip() if bounds else words


def _bounds(metadata: list[Any]) -> str:
    found = [
        f"{sign} {getattr(entry, name):,.10g}"
        for name, sign in _SIGNS
        for entry in metadata
        if getattr(entry, name, None) is not None
    ]
    return " 且 ".join(found)


def _type_words(annotation: Any) -> str:
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return "、".join(str(entry) for entry in inner)
    if origin in (Union, types.UnionType):
        return _type_words(next(entry for entry in inner if entry is not type(None)))
    if origin is Annotated:
        patterns = [e.pattern for e in inner[1:] if isinstance(e, StringConstraints) and e.pattern]
        words = "1、2 或 3" if "^[123]$" in patterns else _type_words(inner[0])
        bounds = _bounds([m for e in inner[1:] for m in getattr(e, "metadata", [])])
        return f"{words} {bounds}".strip()
    if origin is dict:
        return f"键值表，值为{_type_words(inner[1])}"
    if origin is tuple:
        return "若干节" if _section(annotation) else f"列表，每项为{_type_words(inner[0])}"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "一节"
    return _KINDS.get(annotation, str(annotation))
