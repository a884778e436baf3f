"""The commands ``drg-engine plan …``.

Heavy modules are loaded by the command that needs them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["plan_app"]

plan_app = typer.Typer(
    help="分配方案：列出、查看、核对、解释、画图。",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@plan_app.command("list")
def plan_list() -> None:
    """列出随软件提供的分配方案。"""
    from drg_engine.plan_command import show_list

    show_list()


@plan_app.command("show")
def plan_show(
    plan: Annotated[
        str | None, typer.Argument(help="方案名或 TOML 文件；不写则列出随软件提供的方案。")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="连同用默认值的各项。")] = False,
) -> None:
    """列出随软件提供的方案，或查看一个方案的各项和公式。"""
    from drg_engine.plan_command import show_list, show_plan

    if plan is None:
        show_list()
    else:
        show_plan(plan, every=every)


@plan_app.command("check")
def plan_check(
    plan: Annotated[Path, typer.Argument(help="方案文件（TOML）。")],
    period: Annotated[
        str | None, typer.Option(help="月份，如 2026-10：核对方案当月是否有效。")
    ] = None,
) -> None:
    """核对方案文件：一次列出全部错误，再按合规规则检查方案本身。"""
    from drg_engine.plan_command import check

    check(plan, period)


@plan_app.command("explain")
def plan_explain(
    key: Annotated[str, typer.Argument(help="键名，如 drg.kind；一节，如 staff；或“公式”。")],
    plan: Annotated[str | None, typer.Option(help="方案名或文件：显示其中的值。")] = None,
) -> None:
    """解释方案的一项：含义、单位、范围、默认值和出处；“公式”列出公式可用的名称。"""
    from drg_engine.plan_command import explain

    explain(key, plan)


@plan_app.command("schema")
def plan_schema_command(
    out: Annotated[Path | None, typer.Option(help="写入文件；不写则显示。")] = None,
) -> None:
    """方案文件的 JSON schema，供编辑器提示和检查。"""
    from drg_engine.plan_command import write_schema

    write_schema(out)


@plan_app.command("draw")
def plan_draw(
    plan: Annotated[str, typer.Argument(help="方案名或 TOML 文件。")],
    out: Annotated[Path, typer.Argument(help="图片文件（.svg 或 .png）。")],
) -> None:
    """把方案画成图：从数据表到个人发放。"""
    from drg_engine.plan_command import draw

    draw(plan, out)
