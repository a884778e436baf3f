"""The commands ``drg-engine policy …``.

Heavy modules are loaded by the command that needs them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from drg_engine.cli_fit import infer_command

__all__ = ["policy_app"]

policy_app = typer.Typer(
    help="支付政策：列出、查看、核对、解释，由回款反推。",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@policy_app.command("list")
def policy_list() -> None:
    """列出随软件提供的支付政策。"""
    from drg_engine.policy_command import show_list

    show_list()


@policy_app.command("show")
def policy_show(
    policy: Annotated[
        str | None, typer.Argument(help="政策名或 TOML 文件；不写则列出各政策。")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="连同用默认值的各项。")] = False,
) -> None:
    """列出随软件提供的政策，或查看一个政策的各项。"""
    from drg_engine.policy_command import show_list, show_policy

    if policy is None:
        show_list()
    else:
        show_policy(policy, every=every)


@policy_app.command("check")
def policy_check(
    policy: Annotated[Path, typer.Argument(help="政策文件（TOML）。")],
    scheme: Annotated[
        str | None, typer.Option(help="分组方案名或文件夹：一并核对政策所列病组。")
    ] = None,
) -> None:
    """核对政策文件：一次列出全部错误。"""
    from drg_engine.policy_command import check

    check(policy, scheme)


@policy_app.command("explain")
def policy_explain(
    key: Annotated[str, typer.Argument(help="键名，如 low.bound；或一节，如 low。")],
    policy: Annotated[str | None, typer.Option(help="政策名或文件：显示其中的值和来源。")] = None,
) -> None:
    """解释政策的一项：含义、单位、范围、默认值，以及某政策中的值。"""
    from drg_engine.policy_command import explain

    explain(key, policy)


@policy_app.command("schema")
def policy_schema_command(
    out: Annotated[Path | None, typer.Option(help="写入文件；不写则显示。")] = None,
) -> None:
    """政策文件的 JSON schema，供编辑器提示和检查。"""
    from drg_engine.policy_command import write_schema

    write_schema(out)


@policy_app.command("page")
def policy_page(
    out: Annotated[Path, typer.Option(help="写出的网页（.html）或文档（.md）。")],
    policies: Annotated[
        list[str] | None, typer.Argument(help="政策名或文件，并列显示；不写则为随附的各政策。")
    ] = None,
) -> None:
    """政策参数一览：每个参数的含义、单位、范围、默认值，各政策并列。"""
    from drg_engine.policy_command import write_page

    write_page(out, policies or [])


policy_app.command("infer")(infer_command)
