"""The command ``drg-engine explain``: one thing of a month, told in words and figures.

Each thing that can be told is an option of its own; exactly one is asked for.  Heavy modules are
loaded by the one that needs them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

__all__ = ["register"]

Teller = Callable[..., list[Any]]


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("explain")(explain_command)


def explain_command(
    folder: Annotated[Path, typer.Argument(help="工作区文件夹。")],
    period: Annotated[str, typer.Argument(help="月份，如 2026-10。")],
    case: Annotated[
        str | None, typer.Option(help="病案号（或唯一的末四位以上）：分组路径、支付标准、盈亏。")
    ] = None,
    person: Annotated[
        str | None, typer.Option(help="工号（或唯一的姓名）：应发怎样得出，追到收费明细和病例。")
    ] = None,
    unit: Annotated[
        str | None, typer.Option(help="科室编码（或名称）：科室奖金怎样得出，追到明细和病例。")
    ] = None,
    item: Annotated[
        str | None, typer.Option(help="项目编码：点数归到哪些科室，有哪些收费明细。")
    ] = None,
    unmask: Annotated[bool, typer.Option(help="显示完整病案号。")] = False,
) -> None:
    """说明一例病例怎样分组、怎样付费；或一个人、科室、项目的绩效怎样得出，公式代入数字。"""
    asked = {"case": case, "person": person, "unit": unit, "item": item}
    thing, name = _one_of(asked)
    parts = _teller(thing)(folder, period, name, unmask=unmask)
    for number, part in enumerate(parts):
        if number:
            typer.echo("")
        typer.echo(f"【{part.title}】")
        for line in part.lines:
            typer.echo(line)


def _teller(thing: str) -> Teller:
    """What tells a thing: function of folder, period, name and ``unmask``, giving parts."""
    if thing == "case":
        from drg_engine.case_explain import explain_case

        return explain_case
    from drg_engine import explain_pay

    tellers: Mapping[str, Teller] = {
        "person": explain_pay.explain_person,
        "unit": explain_pay.explain_unit,
        "item": explain_pay.explain_item,
    }
    return tellers[thing]


def _one_of(asked: Mapping[str, str | None]) -> tuple[str, str]:
    """The one option that was given.  Raises InputError for none or several."""
    from drg_engine.errors import Fault, InputError

    given = {thing: name for thing, name in asked.items() if name is not None}
    if len(given) == 1:
        return next(iter(given.items()))
    options = "、".join(f"--{thing}" for thing in asked)
    message = "要说明什么，写且只写一项"
    fault = Fault("选项", message, found="、".join(f"--{one}" for one in given) or None,
                  mend=f"可用：{options}")  # fmt: skip
    raise InputError("选项有误", [fault])
