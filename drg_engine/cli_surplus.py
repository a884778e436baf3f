"""The command ``drg-engine surplus``.  Heavy modules are loaded by the command."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command of the insurance office."""
    app.command("surplus")(surplus_command)


def surplus_command(
    folder: Annotated[Path, typer.Argument(help="工作区文件夹。")],
    periods: Annotated[
        str, typer.Argument(help="月份：2026-10、2026-07..2026-09 或 2026，多个用逗号隔开。")
    ],
    out: Annotated[Path, typer.Option(help="结果文件夹。")],
    against: Annotated[
        str,
        typer.Option(
            help="因何增减对什么比：last 上期，year 去年同期，hospital 全院，"
            "reference 参考表，auto 有上期用上期、否则用全院。"
        ),
    ] = "auto",
    reference: Annotated[
        Path | None,
        typer.Option(help="参考均值表（CSV、Excel）；不写则用 tables/参考均值.csv，没有则用本院。"),
    ] = None,
    department: Annotated[
        str | None,
        typer.Option(
            help="只出一个科室（编码或名称）的版本，没有别的科室的任何数据，也不与全院比。"
        ),
    ] = None,
    unmask: Annotated[bool, typer.Option(help="显示完整病案号。")] = False,
) -> None:
    """医保盈亏分析：科室、医生、病组盈亏，因何增减，工作簿与网页。"""
    from drg_engine.surplus_command import surplus_and_show

    surplus_and_show(
        folder, periods, out, against=against, reference=reference, department=department,
        unmask=unmask,
    )  # fmt: skip
