"""Conditions, severities and options in Chinese words, as a coder reads them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from grouper_tables.rules import NUMERIC_FIELDS, Alternative, Condition

__all__ = [
    "LEVEL_WORDS",
    "OPTION_WORDS",
    "PARTITION_WORDS",
    "alternative_words",
    "condition_words",
    "option_words",
    "severity_words",
    "where_words",
]

PARTITION_WORDS: Mapping[str, str] = {
    "surgical": "外科手术",
    "procedure": "非手术室操作",
    "medical": "内科诊断",
}
LEVEL_WORDS: Mapping[str, str] = {"mcc": "MCC", "cc": "CC", "": "不是 CC/MCC"}
OPTION_WORDS: Mapping[str, tuple[str, Mapping[Any, str]]] = {
    "newborn_entry": (
        "P 类（新生儿）入口",
        {"age": "年龄为 0", "principal_dx": "年龄为 0，且主要诊断在表内或有 P07. 诊断"},
    ),
    "hiv_entry": (
        "Y 类（HIV）入口",
        {"any": "任一诊断在表内", "principal": "仅看主要诊断"},
    ),
    "delivery_entry": (
        "O 类（妊娠分娩）入口",
        {"any_z37": "主要诊断在表内，或有 Z37. 诊断", "principal_dx": "仅看主要诊断"},
    ),
    "ambiguous_groups": (
        "歧义组",
        {True: "手术与主要诊断无关时入歧义组", False: "不设歧义组"},
    ),
    "gray_codes": ("灰码", {"reject": "作主要诊断不入组", "ignore": "照常入组"}),
    "clinical_codes": (
        "病例编码",
        {False: "按医保版编码", True: "按临床版编码，用对照表转换"},
    ),
}

_LOOKED_AT = {
    "principal_dx": ("主要诊断属于", "主要诊断不属于"),
    "other_dx": ("有其他诊断属于", "没有其他诊断属于"),
    "any_dx": ("有任一诊断属于", "没有任何诊断属于"),
    "principal_proc": ("主要手术属于", "主要手术不属于"),
    "any_proc": ("有任一手术属于", "没有任何手术属于"),
}
_FIELDS = {
    "age": ("年龄", "岁"),
    "age_days": ("日龄", "天"),
    "birth_weight": ("出生体重", "克"),
    "los": ("住院天数", "天"),
    "icu_hours": ("重症监护时间", "小时"),
    "vent_hours": ("呼吸机时间", "小时"),
}
_MODES = {
    "1": "医嘱离院",
    "2": "医嘱转院",
    "3": "医嘱转社区",
    "4": "非医嘱离院",
    "5": "死亡",
    "9": "其他",
}


def severity_words(severity: str, beside: Collection[str]) -> str:
    """Which cases of an ADRG a group takes, given the severities of the groups beside it."""
    if severity == "all":
        return "不分严重程度"
    if severity == "mcc":
        return "有 MCC"
    if severity == "cc":
        return "有 CC" if "mcc" in beside else "有 CC 或 MCC"
    if "cc" in beside:
        return "无 CC、MCC"
    return "无 MCC" if "mcc" in beside else "其余"


def where_words(condition: Condition, owner: str) -> str:
    """The codes a condition looks for: a named set or another form, in words."""
    form, colon, rest = condition.value.partition(":")
    if condition.value == "@mdc":
        return f"MDC {owner} 诊断表"
    if colon and form == "prefix":
        return f"以 {rest} 开头的编码"
    if colon and form == "code":
        return f"编码 {rest}"
    if colon and form == "adrg":
        return f"ADRG {rest} 的手术"
    return f"编码集 {condition.value}"


def condition_words(condition: Condition, owner: str = "") -> str:
    """One condition in words; ``owner`` is the MDC, ADRG or group it leads to."""
    kind, value, negated = condition.kind, condition.value, condition.negated
    no = "不" if negated else ""
    if condition.on_codes:
        where = where_words(condition, owner)
        space = " " if where[0].isascii() else ""
        return f"{_LOOKED_AT[kind][negated]}{space}{where}"
    if kind == "always":
        return "所有病例"
    if kind == "has_or_procedure":
        return f"主要手术{'不' if (value == 'no') != negated else ''}在计入手术清单内"
    if kind == "sex":
        return f"性别{no}为{'男' if value == '1' else '女'}"
    if kind == "flag":
        return f"病例{'不' if negated else ''}带有标志“{value}”"
    if kind == "discharge_mode":
        modes = "或".join(f"{_MODES.get(mode, '')}（{mode}）" for mode in value.split("|"))
        return f"离院方式{no}为{modes}"
    if kind == "sites_min":
        return f"各诊断涉及的部位{'不足' if negated else '至少'} {value} 处"
    return _bound_words(kind, value, negated=negated)


def _bound_words(kind: str, value: str, *, negated: bool) -> str:
    field, _, end = kind.rpartition("_")
    if field not in NUMERIC_FIELDS:
        return f"{'不满足 ' if negated else ''}{kind} {value}"
    name, unit = _FIELDS[field]
    if negated:
        return f"{name} {'<' if end == 'min' else '>'} {value} {unit}，或未填"
    if end == "max" and float(value) == 0:
        return f"{name}为 0 {unit}"
    return f"{name} {'≥' if end == 'min' else '≤'} {value} {unit}"


def alternative_words(alternative: Alternative) -> str:
    """All conditions of an alternative, joined."""
    return "，且".join(condition_words(c, alternative.owner) for c in alternative.conditions)


def option_words(options: Mapping[str, Any]) -> Sequence[tuple[str, str, str]]:
    """Name, meaning and value in words of each option, in the options' own order."""
    rows: list[tuple[str, str, str]] = []
    for name, value in options.items():
        title, meanings = OPTION_WORDS.get(name, (name, {}))
        rows.append((f"{name} = {str(value).lower()}", title, meanings.get(value, str(value))))
    return rows
