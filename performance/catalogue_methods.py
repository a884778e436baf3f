"""How a point catalogue gives values: one described, dated, range-checked TOML file."""

from __future__ import annotations

import datetime as dt
import tomllib
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from drg_engine.errors import Fault, PlanError
from drg_engine.toml_faults import toml_fault

__all__ = ["Methods", "Scale", "describe_methods", "load_methods"]

_FILE = "point_methods.toml"
Share = Annotated[float, Field(ge=0, le=1)]
Rate = Annotated[float, Field(gt=0, le=10_000)]
Weight = Annotated[float, Field(ge=0, le=100)]
Texts = Annotated[list[Annotated[str, Field(min_length=1)]], Field(min_length=1)]
Method = Literal["rvu", "relative_value", "work"]


def _key(description: str, *, unit: str = "", default: Any = ..., **bounds: Any) -> Any:
    extra: dict[str, Any] = {"unit": unit}
    return Field(default, description=description, json_schema_extra=extra, **bounds)


class _Section(BaseModel):
    model_config = ConfigDict(
        strict=True, extra="forbid", frozen=True, allow_inf_nan=False, hide_input_in_errors=True
    )


class Goods(_Section):
    """Classes that get no points (allocation.md §7, rule 1)."""

    drug_classes: Texts = _key("药品的类别名，一律不计点")
    consumable_classes: Texts = _key("卫生材料的类别名，一律不计点")


class RvuParts(_Section):
    """Which parts of an RVU make the points of one series."""

    work: Share = _key("工作 RVU 计入的份额", default=0.0)
    practice: Share = _key("执业成本 RVU 计入的份额", default=0.0)
    malpractice: Share = _key("医疗责任 RVU 计入的份额", default=0.0)


class RvuSeries(_Section):
    """Points by series from the parts of an RVU."""

    doctor: RvuParts | None = _key("医生点数由哪几部分组成", default=None)
    technician: RvuParts | None = _key("医技点数由哪几部分组成", default=None)
    nurse: RvuParts | None = _key("护理点数由哪几部分组成", default=None)


class Rvu(_Section):
    """Values from an RVU file (allocation.md §2, RBRVS values)."""

    setting: Literal["facility", "non_facility"] = _key("执业成本取院内还是诊室")
    points_per_rvu: Rate = _key("一个 RVU 折多少点", unit="点/RVU")
    indices: Annotated[list[Rate], Field(min_length=3, max_length=3)] = _key(
        "工作、执业成本、医疗责任三部分的地区指数", default=[1.0, 1.0, 1.0]
    )
    series: RvuSeries = _key("各系列的点数", default=RvuSeries())


class RelativeValue(_Section):
    """Values from the relative human-resource value of the 2023 specification."""

    points_per_unit: Rate = _key("一个人力资源消耗相对值折多少点", unit="点")
    by_staff: bool = _key("按人数 × 人员权重分到各系列", default=True)


class Scale(_Section):
    """A score turned into a factor along a straight line."""

    lowest: float = _key("最低分", ge=0, le=1_000)
    highest: float = _key("最高分", gt=0, le=1_000)
    low: float = _key("最低分的系数", gt=0, le=100)
    high: float = _key("最高分的系数", gt=0, le=100)

    @model_validator(mode="after")
    def _rises(self) -> Self:
        if self.highest <= self.lowest:
            raise ValueError("最高分须大于最低分")
        if self.high < self.low:
            raise ValueError("最高分的系数不得小于最低分的系数")
        return self


class Work(_Section):
    """Values from time × staff × difficulty × risk."""

    points_per_minute: Rate = _key("每分钟（权重为 1 的人员）多少点", unit="点/分钟")
    difficulty: Scale = _key("技术难度的分数换成系数")
    risk: Scale = _key("风险程度的分数换成系数")


class StaffWeights(_Section):
    """Weight of a minute by series."""

    doctor: Weight = _key("医生的权重")
    technician: Weight = _key("医技人员的权重")
    nurse: Weight = _key("护理人员的权重")


class StaffWords(_Section):
    """How the text of staff and time names the series."""

    doctor: Texts = _key("医生的写法")
    technician: Texts = _key("医技人员的写法")
    nurse: Texts = _key("护理人员的写法")


class Proposal(_Section):
    """Proposals for items without a value, from the nearest items of the same class."""

    name_weight: Share = _key("名称相似度的权重")
    price_weight: Share = _key("价格接近度的权重")
    price_ratio: float = _key("价格相差多少倍时接近度为 0", unit="倍", gt=1, le=1_000_000)
    no_price: Share = _key("有一方没有价格时的接近度")
    neighbours: int = _key("取最近的几个", unit="个", ge=1, le=20)
    disagreement: Share = _key("最近的几个点数不一致时可信度至多打去多少")
    least: Share = _key("低于此可信度的不提建议")

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if round(self.name_weight + self.price_weight, 9) != 1:
            raise ValueError("名称权重与价格权重之和须为 1")
        return self


class Commission(_Section):
    """When points look like a share of the price (allocation.md §7, rule 4)."""

    least_items: int = _key("一类至少有多少项目才看", unit="个", ge=2, le=10_000)
    least_variation: Share = _key("点数与单价之比的变异系数小于此的提示")


class Methods(_Section):
    """A whole methods file."""

    title: str = _key("名称", min_length=1)
    valid_from: dt.date = _key("自何日起采用")
    source: str = _key("依据", min_length=1)
    order: Annotated[list[Method], Field(min_length=1)] = _key("几种来源都有时的先后")
    decimals: int = _key("点数保留几位小数", unit="位", ge=0, le=4)
    goods: Goods = _key("不计点的类别")
    rvu: Rvu = _key("RVU 表")
    relative_value: RelativeValue = _key("人力资源消耗相对值")
    work: Work = _key("耗时 × 人员 × 难度 × 风险")
    staff_weights: StaffWeights = _key("人员权重")
    staff_words: StaffWords = _key("人力消耗一格的写法")
    proposal: Proposal = _key("建议")
    commission: Commission = _key("点数与单价成比例")

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        if len(set(self.order)) != len(self.order):
            raise ValueError("order 里不能重复")
        return self

    @property
    def goods_classes(self) -> dict[str, str]:
        """Class name -> what it is (药品 or 卫生材料)."""
        goods = dict.fromkeys(self.goods.drug_classes, "药品")
        return goods | dict.fromkeys(self.goods.consumable_classes, "卫生材料")


def load_methods(path: Path | None = None) -> Methods:
    """Read a methods file; None for the one that comes with the package.

    Raises PlanError with every fault: file, key, what is wrong.
    """
    if path is None:
        file, data = _FILE, (resources.files("performance") / "data" / _FILE).read_bytes()
    else:
        file = path.name
        try:
            data = path.read_bytes()
        except OSError as error:
            fault = Fault(file, "打不开文件", mend="请检查路径和权限")
            raise PlanError(f"读不到赋分方法 {file}", [fault]) from error
    try:
        text = data.decode("utf-8-sig").replace("\r\n", "\n")
        raw = tomllib.loads(text)
    except UnicodeDecodeError as error:
        raise PlanError(f"{file} 不是 UTF-8 编码", [Fault(file, "请另存为 UTF-8")]) from error
    except (ValueError, RecursionError) as error:
        raise PlanError(f"{file} 不是合法的 TOML", [toml_fault(file, error, text)]) from error
    try:
        return Methods.model_validate(raw)
    except ValidationError as error:
        faults = [_fault(file, dict(item)) for item in error.errors(include_url=False)]
        raise PlanError(f"赋分方法 {file} 有 {len(faults)} 处错误", faults) from error


_MESSAGES = {
    "missing": "缺少这一项",
    "extra_forbidden": "不认识的键",
    "less_than_equal": "超出范围，应不大于 {le:g}",
    "less_than": "超出范围，应小于 {lt:g}",
    "greater_than_equal": "超出范围，应不小于 {ge:g}",
    "greater_than": "超出范围，应大于 {gt:g}",
    "literal_error": "只能是 {expected}",
    "too_short": "项数不足，至少 {min_length} 项",
    "too_long": "项数过多，至多 {max_length} 项",
    "string_too_short": "不能为空",
    "string_type": "应为文字",
    "float_type": "应为数字",
    "int_type": "应为整数",
    "bool_type": "应为 true 或 false",
    "date_type": "应为日期，写作 2026-10-01（不加引号）",
}


def _fault(file: str, item: dict[str, Any]) -> Fault:
    key = ".".join(str(part) for part in item["loc"]) or "（文件）"
    message = _MESSAGES.get(item["type"])
    if message is not None:
        return Fault(file, message.format(**item.get("ctx", {})), column=key)
    if item["type"] == "value_error":
        return Fault(file, str(item["ctx"]["error"]), column=key)
    return Fault(file, f"写法不对：{item['msg']}", column=key)


_VALUE_WORDS = {
    "rvu": "RVU 表", "relative_value": "人力资源消耗相对值", "work": "耗时 × 人员 × 难度 × 风险",
    "facility": "院内", "non_facility": "诊室",
}  # fmt: skip


def describe_methods(methods: Methods) -> list[tuple[str, str, str]]:
    """Every key with its value and its meaning (with the unit), in the order of the file."""
    return list(_described((), methods))


def _described(path: tuple[str, ...], section: BaseModel) -> Iterator[tuple[str, str, str]]:
    for name, info in type(section).model_fields.items():
        value = getattr(section, name)
        if isinstance(value, BaseModel):
            inner = _described((*path, name), value)
            above = f"{info.description}：" if path else ""
            yield from ((key, shown, above + meaning) for key, shown, meaning in inner)
        elif value is not None:
            extra = info.json_schema_extra
            unit = str(extra.get("unit", "")) if isinstance(extra, dict) else ""
            meaning = f"{info.description}（{unit}）" if unit else str(info.description)
            yield ".".join((*path, name)), _shown(value), meaning


def _shown(value: object) -> str:
    if isinstance(value, str) and value in _VALUE_WORDS:
        return f"{_VALUE_WORDS[value]}（{value}）"
    if isinstance(value, bool):
        return "是" if value else "否"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, list):
        return "、".join(_shown(one) for one in value)
    return str(value)
