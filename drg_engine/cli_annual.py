"""The command ``drg-engine annual``.  Heavy modules are loaded when it runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("annual")(annual_command)


def annual_command(
    folder: Annotated[Path, typer.Argument(help="工作区文件夹。")],
    year: Annotated[str, typer.Argument(help="年份，如 2026；也可写 2026-01..2026-06。")],
    out: Annotated[Path | None, typer.Option(help="写出清算表和明细的文件夹。")] = None,
    adjust: Annotated[
        Path | None,
        typer.Option(help="调整表：险种，已预付、扣款、考核（元）；不写的照政策的预付比例。"),
    ] = None,
) -> None:
    """年终清算：全年一起结算，基金应付减已预付、扣款，加考核，还应补多少。"""
    from drg_engine.annual_command import annual_and_show

    annual_and_show(folder, year, out, adjust)
