"""An allocation plan: one TOML file, checked whole, every fault told at once."""

from __future__ import annotations

import copy
import datetime as dt
import hashlib
import json
import tomllib
import types
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import pandas as pd
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from drg_engine.errors import Fault, PlanError
from performance.columns import nearest
from performance.plan_model import DrgKind, PlanModel, SeriesModel, fen
from performance.tables import KINDS

__all__ = ["Plan", "check_plan", "describe_plan", "load_plan", "parse_plan"]


@dataclass(frozen=True)
class Plan:
    """A checked plan.  ``hash`` is the SHA-256 of its content, whatever its comments and order."""

    model: PlanModel
    hash: str
    file: str

    @property
    def name(self) -> str:
        """The plan's short name."""
        return self.model.plan.name

    @property
    def series(self) -> tuple[str, ...]:
        """The series of the plan in the order of the file."""
        return tuple(self.model.series)

    def series_model(self, name: str) -> SeriesModel:
        """The section of one series of :attr:`series`."""
        return {str(key): model for key, model in self.model.series.items()}[name]

    def drg_kind(self, kind: str) -> DrgKind | None:
        """The DRG share of a kind of department; None where the plan names none."""
        return self.model.drg.shares.get(kind, self.model.drg.shares.get("*"))

    def amount_shares(self, kind: str) -> dict[str, float] | None:
        """How amounts of a whole department are split over the series; None if unnamed."""
        table = self.model.department_amounts
        found = table.get(kind, table.get("*"))
        return None if found is None else {str(name): share for name, share in found.items()}

    def approved_fen(self, pools: dict[str, int]) -> int:
        """The approved total in fen: as stated, else the sum of the pools."""
        stated = self.model.pool.approved_total
        return sum(pools.values()) if stated is None else fen(stated)

    def holds_on(self, day: dt.date) -> bool:
        """Whether the plan is in force on a day: [effective_from, effective_to)."""
        head = self.model.plan
        return head.effective_from <= day and (head.effective_to is None or day < head.effective_to)


def load_plan(name_or_path: str | Path) -> Plan:
    """Read a plan file, or one of the example plans that come with the package by its name.

    Raises PlanError with every fault: file, key, what was found, what is expected, how to mend.
    """
    path = Path(name_or_path)
    if path.suffix != ".toml" and not path.exists():
        bundled = resources.files("performance") / "plans" / f"{name_or_path}.toml"
        if not bundled.is_file():
            raise PlanError(f"没有名为 {name_or_path} 的分配方案")
        return parse_plan(bundled.read_bytes(), f"{name_or_path}.toml")
    try:
        return parse_plan(path.read_bytes(), path.name)
    except OSError as error:
        fault = Fault(path.name, "打不开文件", mend="请检查路径和权限")
        raise PlanError(f"读不到分配方案 {path.name}", [fault]) from error


def parse_plan(data: bytes, file: str = "plan.toml") -> Plan:
    """Check the bytes of a plan file (UTF-8 TOML).  Raises PlanError with every fault."""
    try:
        raw = tomllib.loads(data.decode("utf-8-sig").replace("\r\n", "\n"))
    except UnicodeDecodeError as error:
        raise PlanError(f"{file} 不是 UTF-8 编码", [Fault(file, "请另存为 UTF-8")]) from error
    except tomllib.TOMLDecodeError as error:
        raise PlanError(f"{file} 不是合法的 TOML", [Fault(file, str(error))]) from error
    return check_plan(raw, file)


def check_plan(raw: Mapping[str, Any], file: str = "plan.toml") -> Plan:
    """Check the keys of a plan, as its TOML file gives them.  Raises PlanError with every fault."""
    try:
        model = PlanModel.model_validate(_canonical_kinds(copy.deepcopy(dict(raw))))
    except ValidationError as error:
        faults = [_fault(file, dict(item)) for item in error.errors(include_url=False)]
        raise PlanError(f"分配方案 {file} 有 {len(faults)} 处错误", faults) from error
    faults = list(_cross_faults(model, file))
    if faults:
        raise PlanError(f"分配方案 {file} 有 {len(faults)} 处错误", faults)
    return Plan(model, _content_hash(model), file)


def _canonical_kinds(raw: dict[str, Any]) -> dict[str, Any]:
    """Chinese kinds of department (外科) under their canonical names."""
    for table in (raw.get("department_amounts"), _section(raw, "drg").get("shares")):
        if isinstance(table, dict):
            for name in [name for name in table if name in KINDS]:
                table.setdefault(KINDS[name], table.pop(name))
    return raw


def _section(raw: dict[str, Any], name: str) -> dict[str, Any]:
    found = raw.get(name)
    return found if isinstance(found, dict) else {}


def _content_hash(model: PlanModel) -> str:
    content = json.dumps(model.model_dump(mode="json"), sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(content.encode()).hexdigest()


def _cross_faults(model: PlanModel, file: str) -> Iterator[Fault]:
    """What no section can see alone."""
    if not model.series:
        yield Fault(file, "至少要有一个系列", column="series", mend="请加 [series.doctor]")
    for name, series in model.series.items():
        key = f"series.{name}"
        budget = series.value == "budget"
        if budget and model.pool.source == "plan" and series.pool is None:
            yield Fault(file, "未写奖金池", column=f"{key}.pool", mend="请写金额（元）")
        if model.pool.source == "inputs" and series.pool is not None:
            mend = "pool.source = inputs 时请删去"
            yield Fault(file, "奖金池已取自本期表", column=f"{key}.pool", mend=mend)
        if name == "administration" and series.basis == "points":
            yield Fault(file, "行政没有工作点数", column=f"{key}.basis", mend="请改为 staff")
        if not budget and (model.quality.deduction == "redistribute"):
            mend = "固定单价的系列请用 withhold"
            yield Fault(file, "没有可再分的奖金池", column="quality.deduction", mend=mend)
        if not budget and model.bounds is not None:
            yield Fault(
                file, "固定单价没有可保底封顶的总额", column="bounds", mend="请删去 [bounds]"
            )
    yield from _funding_faults(model, file)
    yield from _share_faults(model, file)


def _funding_faults(model: PlanModel, file: str) -> Iterator[Fault]:
    outside = [
        name
        for name, section in (
            ("drg", model.drg),
            ("single_items", model.single_items),
        )
        if section.funding == "outside"
    ]
    fixed = [str(name) for name, series in model.series.items() if series.value == "fixed"]
    if (outside or fixed) and model.pool.approved_total is None:
        yield Fault(
            file,
            "有盘外资金或固定单价，总额不封闭",
            column="pool.approved_total",
            found="、".join(outside + fixed),
            mend="请写批准的发放总额（元）",
        )


def _share_faults(model: PlanModel, file: str) -> Iterator[Fault]:
    for kind, shares in model.department_amounts.items():
        key = f"department_amounts.{kind}"
        if abs(sum(shares.values()) - 1) > 1e-9:
            found = f"{sum(shares.values()):g}"
            yield Fault(file, "份额合计不是 1", column=key, found=found, mend="请改为合计 1")
        for name in shares:
            if name not in model.series:
                near = nearest(name, model.series)
                mend = f"请加 [series.{name}]" + (f"，或改为 {near}" if near else "")
                yield Fault(file, "方案没有这个系列", column=key, found=name, mend=mend)


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
    "finite_number": ("不是有限的数", "请改为普通数字"),
}
_BOUNDS = {
    "greater_than_equal": ("小于允许的最小值", "ge"),
    "less_than_equal": ("大于允许的最大值", "le"),
}


def _fault(file: str, error: dict[str, Any]) -> Fault:
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
    """The section model that a key path leads into; names of series and kinds are passed over."""
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


def describe_plan() -> pd.DataFrame:
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
    if field.default == {}:
        return "空"
    return str(field.default).replace("'", '"')


def _range(field: FieldInfo) -> str:
    metadata = list(field.metadata)
    choices, bounds, dates = _annotation(field.annotation)
    metadata += bounds
    low = next((m.ge for m in metadata if getattr(m, "ge", None) is not None), None)
    high = next((m.le for m in metadata if getattr(m, "le", None) is not None), None)
    if choices:
        return " | ".join(choices)
    if dates:
        return "日期"
    return "" if low is None and high is None else f"{low:g} 至 {high:g}"


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
