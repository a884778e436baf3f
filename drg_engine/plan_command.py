"""What the commands ``drg-engine plan …`` show."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from drg_engine import key_tables
from drg_engine.console import show_table
from drg_engine.errors import Fault, PlanError
from drg_engine.files import written_aside
from performance.columns import nearest
from performance.compliance import check_plan_alone
from performance.formula_fields import SCOPES, fields_of, unit_text
from performance.formula_show import show_formula
from performance.formula_tree import FUNCTIONS
from performance.inputs import period_days
from performance.plan import Plan, describe_plan, list_plans, load_plan
from performance.plan_describe import plan_schema
from performance.table_list import SERIES

__all__ = ["check", "draw", "explain", "show_list", "show_plan", "write_schema"]

_EPOCH_DAYS = 719_163
_ALWAYS = "长期"
_CHOICES = {**SERIES, "apply": "计", "ignore": "不计", "fixed": "固定部分", "average": "平均部分",
            "head_fund": "科主任基金", "sub_pools": "分项奖金"}  # fmt: skip


def show_list() -> None:
    """Print the plans that come with the engine."""
    heads = [(name, load_plan(name).model.plan) for name in list_plans()]
    known = [(name, head, head.document) for name, head in heads]
    key_tables.show_known("分配方案", "依据", known, always=_ALWAYS)


def show_plan(name_or_path: str, *, every: bool) -> None:
    """Print a plan's keys, those that the file states or every one, and its formulas."""
    plan = load_plan(name_or_path)
    head = plan.model.plan
    typer.echo(head.title)
    key_tables.show_dates(plan.file, head, plan.hash, always=_ALWAYS)
    known = describe_plan().set_index("key")
    rows = []
    for key, value in _stated(plan, every=every):
        pattern = _owner(key, list(known.index))
        unit, meaning, choices = ("", "", "")
        if pattern is not None:
            unit, meaning, choices = map(str, known.loc[pattern, ["unit", "description", "range"]])
        words = key_tables.choice_words(value, choices.split(" | "), meaning, _CHOICES)
        rows.append((key, words, unit, meaning))
    show_table("", ("键", "值", "单位", "含义"), rows)
    _show_formulas(plan)


def _show_formulas(plan: Plan) -> None:
    rows = [
        (key, SCOPES[scope], show_formula(plan.formula(text, scope)[0]))
        for key, scope, text in plan.formulas()
    ]
    if rows:
        show_table("公式", ("键", "用于", "公式"), rows)


def check(path: Path, period: str | None) -> None:
    """Load a plan file, for a month if one is named; then what §7 finds in the plan alone."""
    plan = load_plan(path)
    if period is not None:
        day = dt.date.fromordinal(_EPOCH_DAYS + period_days(period)[0])
        if not plan.holds_on(day):
            head = plan.model.plan
            fault = Fault(plan.file, "方案不在有效期内", found=period, mend="请换用当月有效的方案")
            raise PlanError(
                f"方案有效期为 {head.effective_from} 至 {head.effective_to or _ALWAYS}", [fault]
            )
    typer.echo(f"{plan.file}：没有错误。{plan.model.plan.title}")
    count = sum(1 for _ in _stated(plan, every=False))
    typer.echo(f"写明 {count} 项，公式 {len(plan.formulas())} 条，指纹 {plan.hash}")
    findings = check_plan_alone(plan)
    if not len(findings):
        typer.echo("合规检查（方案本身）：没有发现。项目点数和金额在跑月时检查。")
        return
    words = {"blocks": "阻止批准", "open": "须写理由", "explained": "已写理由"}
    rows = [
        (int(row["rule"]), words[row["status"]], row["subject"], row["message"], row["places"])
        for row in findings.to_dict("records")
    ]
    show_table("合规检查（方案本身）", ("规则", "处理", "对象", "发现", "所在"), rows)
    if (findings["status"] == "blocks").any():
        faults = [
            Fault(plan.file, str(row["message"]), column=str(row["places"]))
            for row in findings[findings["status"] == "blocks"].to_dict("records")
        ]
        raise PlanError("方案违反合规规则，不能批准", faults)


def explain(key: str, plan_name: str | None) -> None:
    """Print what a key, or every key of a section, means; and what a plan says of it."""
    if key in ("公式", "formula"):
        _explain_formulas()
        return
    keys = describe_plan()
    pattern = _pattern(key, list(keys["key"]))
    plain = pattern or key
    found = keys[(keys["key"] == plain) | keys["key"].str.startswith(f"{plain}.")]
    if not len(found):
        near = nearest(key, list(keys["key"]))
        fault = key_tables.unknown_key(key, "方案", near, "drg-engine plan schema")
        raise PlanError("没有这个键", [fault])
    if len(found) == 1:
        row = found.iloc[0]
        words = (
            ("键", row["key"]), ("含义", row["description"]), ("单位", row["unit"]),
            ("范围", row["range"]), ("默认", row["default"]), ("出处", row["source"]),
        )  # fmt: skip
        key_tables.show_key(words)
    else:
        columns = ["key", "unit", "range", "default", "description"]
        show_table("", ("键", "单位", "范围", "默认", "含义"), found[columns].to_numpy().tolist())
    if plan_name is not None:
        plan = load_plan(plan_name)
        names, start = list(keys["key"]), key.split("*", maxsplit=1)[0]
        wanted = set(found["key"])
        rows = [
            (name, value)
            for name, value in _stated(plan, every=True)
            if _owner(name, names) in wanted and name.startswith(start)
        ]
        show_table(plan.model.plan.title, ("键", "值"), rows or [(key, "（无）")])


def _explain_formulas() -> None:
    rows = [
        (
            info.label + (".名称" if info.keyed else ""),
            unit_text(info.unit),
            "、".join(SCOPES[scope] for scope in info.scopes),
            info.description,
        )
        for info in fields_of().values()
    ]
    show_table("公式可用的名称", ("名称", "单位", "用于", "含义"), rows)
    examples = {
        "min": "最小(a, b)", "max": "最大(a, b)", "clip": "限幅(x, 下限, 上限)",
        "where": "若(a >= b, 甲, 乙)", "ladder": "阶梯(x; <0.9: 0.95; <1.1: 1; 其余: 1.05)",
    }  # fmt: skip
    named = [(f"{label}（{name}）", examples[name]) for name, label in FUNCTIONS.items()]
    show_table("函数", ("名称", "写法"), named)
    typer.echo("运算：+ − × ÷（或 + - * /）、括号；数字可带 % 或单位（1000元、10点、2人、20天）。")


def write_schema(out: Path | None) -> None:
    """Print the JSON schema of plan files, or write it to a file."""
    key_tables.write_schema(plan_schema(), out)


def draw(name_or_path: str, out: Path) -> None:
    """Write the picture of a plan as SVG or PNG, by the ending of the file's name."""
    from performance.plan_flow import plan_flow
    from performance.plan_svg import flow_png, flow_svg

    if out.suffix.lower() not in (".svg", ".png"):
        fault = Fault(out.name, "只能写 .svg 或 .png", mend="请改文件名")
        raise PlanError("不认识的图片格式", [fault])
    flow = plan_flow(load_plan(name_or_path))
    png = out.suffix.lower() == ".png"
    data = flow_png(flow) if png else flow_svg(flow).encode("utf-8")
    with written_aside(out) as aside:
        aside.write_bytes(data)
    typer.echo(f"已写入 {out}")


def _stated(plan: Plan, *, every: bool) -> Iterator[tuple[str, str]]:
    """Keys and values of a plan as texts; without ``every`` those that its file states."""
    yield from _walk(plan.model.model_dump(exclude_unset=not every, mode="json"), "")


def _walk(value: Any, key: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict) and value:
        for name, inner in value.items():
            yield from _walk(inner, f"{key}.{name}" if key else str(name))
    elif isinstance(value, list) and value and isinstance(value[0], dict):
        for i, inner in enumerate(value):
            yield from _walk(inner, f"{key}[{i}]")
    else:
        yield key, _text(value)


def _text(value: Any) -> str:
    if value is None or value in ({}, []):
        return "（无）"
    if isinstance(value, bool):
        return "是" if value else "否"
    if isinstance(value, list):
        return "、".join(map(str, value))
    return str(value)


def _pattern(key: str, known: list[str]) -> str | None:
    """The described key that a key of a plan is an instance of (series.doctor.pool, …[0].name)."""
    plain = re.sub(r"\[\d+\]", "", key)
    if plain in known:
        return plain
    parts = plain.split(".")
    for i in range(1, len(parts)):
        star = ".".join([*parts[:i], "*", *parts[i + 1 :]])
        if star in known:
            return star
    return None


def _owner(key: str, known: list[str]) -> str | None:
    """The described key whose table an entry of a plan belongs to (costs.borne.水电)."""
    found = _pattern(key, known)
    parts = key.split(".")
    while found is None and len(parts) > 1:
        parts.pop()
        found = _pattern(".".join(parts), known)
    return found
