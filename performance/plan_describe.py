"""Describing a plan's keys, and telling a plan's faults in Chinese, out of its model."""

from __future__ import annotations

import datetime as dt
import types
from collections.abc import Iterable, Iterator
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import pandas as pd
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from drg_engine.errors import Fault
from performance.columns import nearest
from performance.plan_model import PlanModel

__all__ = ["described_keys", "plan_schema", "validation_fault"]

_WORDS = {
    "missing": ("必填的键没有写", "引擎不替医院作这个选择，请写明"),
    "extra_forbidden": ("不认识的键", "请删去或改名"),
    "float_type": ("应为数字", "不要加引号"),
    "string_type": ("应为文字", "请加引号"),
    "list_type": ("应为列表", '写作 ["post", "title"]'),
    "date_type": ("应为日期", "写作 2026-10-01，不加引号"),
    "model_type": ("应为一节", "写作 [节名] 及其下的键"),
    "dict_type": ("应为一节", "写作 [节名] 及其下的键"),
    "string_pattern_mismatch": ("写法不对", "只用英文字母、数字和下划线"),
    "string_too_short": ("不能为空", "请填写"),
    "too_short": ("至少要有一项", "请填写"),
    "int_type": ("应为整数", "不要加引号，不写小数点"),
    "bool_type": ("应为 true 或 false", "不要加引号"),
    "tuple_type": ("应为列表", '写作 ["外科"]'),
    "finite_number": ("不是有限的数", "请改为普通数字"),
}
_BOUNDS = {
    "greater_than_equal": ("小于允许的最小值", "ge"),
    "greater_than": ("应大于最小值", "gt"),
    "less_than_equal": ("大于允许的最大值", "le"),
}


def validation_fault(file: str, error: dict[str, Any]) -> Fault:
    """One fault of the model's validation in Chinese."""
    kind, place = str(error["type"]), [str(part) for part in error["loc"]]
    found = None if isinstance(error["input"], dict) else str(error["input"])[:80]
    key = ".".join(part for part in place if part != "[key]")
    message, mend = _WORDS.get(kind, ("写法不对", str(error["msg"])))
    if kind == "missing":
        found = None
        mend = "；".join(filter(None, [_described(place), mend]))
    elif kind == "extra_forbidden":
        near = nearest(place[-1], _known_names(place[:-1]))
        found, mend = place[-1], f"最接近的键是 {near}" if near else mend
    elif kind == "literal_error":
        expected = str(error["ctx"]["expected"]).replace(" or ", "、").replace("'", "")
        near = nearest(str(error["input"]), expected.replace("、", ",").split(","))
        message, mend = (
            "不在可选值之内",
            f"可用：{expected}" + (f"；最接近 {near.strip()}" if near else ""),
        )
    elif kind in _BOUNDS:
        message, bound = _BOUNDS[kind]
        mend = f"界限 {error['ctx'][bound]:g}"
    elif kind == "value_error":
        message, found, mend = str(error["ctx"]["error"]), None, "请改正"
    return Fault(file, message, column=key, found=found, mend=mend)


def _models(annotation: Any) -> Iterable[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in _models(part)]


def _model_at(place: list[str]) -> type[BaseModel] | None:
    """The section model that a key path leads into; names and places in lists are passed over."""
    model: type[BaseModel] | None = PlanModel
    for part in place:
        field = model.model_fields.get(part) if model is not None else None
        if field is not None:
            model = next(iter(_models(field.annotation)), None)
    return model


def _known_names(place: list[str]) -> list[str]:
    model = _model_at(place)
    return [] if model is None else list(model.model_fields)


def _described(place: list[str]) -> str:
    model = _model_at(place[:-1])
    field = None if model is None else model.model_fields.get(place[-1])
    return "" if field is None else str(field.description)


def described_keys() -> pd.DataFrame:
    """Every key a plan may hold.

    Returns columns key, description, unit, range, default, source (text, Chinese).
    """
    rows = list(_keys(PlanModel, ""))
    return pd.DataFrame(rows, columns=["key", "description", "unit", "range", "default", "source"])


def _keys(model: type[BaseModel], prefix: str) -> Iterator[tuple[str, ...]]:
    for name, field in model.model_fields.items():
        extra = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
        key = f"{prefix}{name}"
        inner = next(iter(_models(field.annotation)), None)
        yield (
            key,
            str(field.description),
            str(extra.get("unit", "")),
            _range(field),
            _default(field),
            str(extra.get("source", "")),
        )
        if inner is not None:
            star = ".*" if get_origin(field.annotation) is dict else ""
            yield from _keys(inner, f"{key}{star}.")


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "必填"
    if field.default is None or isinstance(field.default, BaseModel):
        return "不写"
    if field.default in ({}, []):
        return "空"
    return str(field.default).replace("'", '"')


def _range(field: FieldInfo) -> str:
    metadata = list(field.metadata)
    choices, bounds, dates = _annotation(field.annotation)
    metadata += bounds
    low = _bound(metadata, "ge", "gt")
    high = _bound(metadata, "le", "lt")
    if choices:
        return " | ".join(choices)
    if dates:
        return "日期"
    if low is not None and high is not None:
        return f"{low:g} 至 {high:g}"
    return "" if low is None and high is None else (f"≥ {low:g}" if high is None else f"≤ {high:g}")


def _bound(metadata: list[Any], *names: str) -> float | None:
    for entry in metadata:
        for name in names:
            value = getattr(entry, name, None)
            if value is not None:
                return float(value)
    return None


def _annotation(annotation: Any) -> tuple[list[str], list[Any], bool]:
    """Choices, bounds and whether it is a date, out of a type annotation."""
    origin = get_origin(annotation)
    if origin is Literal:
        return [str(choice) for choice in get_args(annotation)], [], False
    if annotation is dt.date:
        return [], [], True
    choices: list[str] = []
    bounds: list[Any] = []
    is_date = False
    if origin is Annotated:
        for part in annotation.__metadata__:
            bounds += part.metadata if isinstance(part, FieldInfo) else []
    if origin in (Union, types.UnionType, list, dict, Annotated):
        parts = get_args(annotation)
        for part in parts[1:] if origin is dict else parts:
            more = _annotation(part)
            choices, bounds, is_date = choices + more[0], bounds + more[1], is_date or more[2]
    return choices, bounds, is_date


def plan_schema() -> dict[str, Any]:
    """The JSON schema of plan files, for editors."""
    schema = PlanModel.model_json_schema()
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "绩效分配方案"
    return schema
