"""The commands ``drg-engine pay``: what people receive, and second allocations handed back.

Heavy modules are loaded by the command that needs them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from drg_engine.cli_options import Folder, LedgerUrl, Period

__all__ = ["pay_app"]


class _WithDefault(TyperGroup):
    """``pay 文件夹 月份 …`` is ``pay write 文件夹 月份 …``: the one that is asked for most."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and not args[0].startswith("-") and args[0] not in self.commands:
            args = ["write", *args]
        return list(super().parse_args(ctx, args))


pay_app = typer.Typer(
    cls=_WithDefault,
    help="发放：工作簿、科室文件、工资条；收回二次分配。pay 文件夹 月份 --out 结果 即 pay write。",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@pay_app.command("write")
def write(
    folder: Folder,
    period: Period,
    out: Annotated[Path, typer.Option(help="结果文件夹：新的、空的，或上次发放的。")],
    ledger: LedgerUrl = None,
) -> None:
    """写出一个月的全部：绩效分配工作簿、每科室一份（含二次分配表）、工资条、工资单。"""
    from drg_engine.pay_command import write_and_show

    write_and_show(folder, period, out, ledger)


@pay_app.command("import")
def import_(
    folder: Folder,
    period: Period,
    files: Annotated[list[Path], typer.Argument(help="科室交回的工作簿（或 CSV），可以几个。")],
    ledger: LedgerUrl = None,
) -> None:
    """收回二次分配：逐行核对，无误的存入 inputs/月份/second，下次运行采用。"""
    from drg_engine.pay_command import hand_in_and_show

    hand_in_and_show(folder, period, files, ledger)


@pay_app.command("status")
def status(folder: Folder, period: Period, ledger: LedgerUrl = None) -> None:
    """哪些科室交回了二次分配，是否采用。"""
    from drg_engine.pay_command import status_and_show

    status_and_show(folder, period, ledger)
