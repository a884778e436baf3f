"""The commands ``drg-engine ledger …`` and ``drg-engine compare``.

Heavy modules are loaded by the command that needs them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from drg_engine.cli_options import Folder, LedgerUrl, Period

__all__ = ["compare_command", "ledger_app"]

ledger_app = typer.Typer(
    help="账本：月份的状态（草稿、已核对、已批准、已锁定、已发放），谁在何时做了什么。",
    no_args_is_help=True,
    rich_markup_mode=None,
)

_Actor = Annotated[
    str | None, typer.Option("--as", help="操作人；不写依 DRG_ENGINE_USER 或系统账户。")
]
_Run = Annotated[str | None, typer.Option(help="只在当前运行是这一次时才办。")]
_Reason = Annotated[str, typer.Option(help="原因，记入审计记录。")]
_AnyPeriod = Annotated[str | None, typer.Argument(help="月份；不写为全部。")]


def _moves_run(move: str, told: str) -> None:
    """Add a command that moves a month on and may name the run that is meant."""

    def command(
        folder: Folder,
        period: Period,
        run: _Run = None,
        actor: _Actor = None,
        ledger: LedgerUrl = None,
    ) -> None:
        from drg_engine.ledger_command import move_and_show

        move_and_show(folder, period, move, url=ledger, actor=actor, run=run)

    ledger_app.command(move, help=told)(command)


def _moves_back(move: str, told: str) -> None:
    """Add a command that moves a month back to draft, with a reason."""

    def command(
        folder: Folder,
        period: Period,
        reason: _Reason = "",
        actor: _Actor = None,
        ledger: LedgerUrl = None,
    ) -> None:
        from drg_engine.ledger_command import move_and_show

        move_and_show(folder, period, move, url=ledger, actor=actor, reason=reason)

    ledger_app.command(move, help=told)(command)


@ledger_app.command("status")
def status(folder: Folder, ledger: LedgerUrl = None) -> None:
    """各月状态、当前运行、最近操作人、发放金额、合规提示。"""
    from drg_engine.ledger_command import show_status

    show_status(folder, ledger)


@ledger_app.command("runs")
def runs(folder: Folder, period: _AnyPeriod = None, ledger: LedgerUrl = None) -> None:
    """列出入账的运行：结果和所用方案、政策、分组表、程序的指纹。"""
    from drg_engine.ledger_command import show_runs

    show_runs(folder, period, ledger)


_moves_run("check", "核对：草稿 → 已核对。")


@ledger_app.command("approve")
def approve(
    folder: Folder,
    period: Period,
    reason: Annotated[
        list[str] | None, typer.Option(help="合规提示的理由，写作 规则=理由；每条规则一次。")
    ] = None,
    run: _Run = None,
    actor: _Actor = None,
    ledger: LedgerUrl = None,
) -> None:
    """批准：已核对 → 已批准；合规错误不得批准，提示须写理由。"""
    from drg_engine.ledger_command import move_and_show

    move_and_show(folder, period, "approve", url=ledger, actor=actor, reasons=reason or (), run=run)


_moves_run("lock", "锁定：已批准 → 已锁定；此后不能再跑。")


@ledger_app.command("pay")
def pay(
    folder: Folder,
    period: Period,
    paid: Annotated[
        Path | None, typer.Option(help="实发名单（工号、实发）：核对差额，指纹入账。")
    ] = None,
    actor: _Actor = None,
    ledger: LedgerUrl = None,
) -> None:
    """发放：已锁定 → 已发放。"""
    from drg_engine.ledger_command import move_and_show

    move_and_show(folder, period, "pay", url=ledger, actor=actor, paid=paid)


_moves_back("return", "退回：已核对或已批准 → 草稿；须写原因。")
_moves_back("unlock", "解锁：已锁定 → 草稿，以便重跑；须写原因。")


@ledger_app.command("history")
def history(folder: Folder, period: _AnyPeriod = None, ledger: LedgerUrl = None) -> None:
    """审计记录：谁在何时做了什么。"""
    from drg_engine.ledger_command import show_history

    show_history(folder, period, ledger)


@ledger_app.command("verify")
def verify(
    folder: Folder,
    receipt: Annotated[
        list[str] | None, typer.Option(help="抄存的回执，如 17:0123456789abcdef。")
    ] = None,
    every_run: Annotated[
        bool, typer.Option("--all", help="重算全部运行的文件指纹，不只已锁定和已发放的月份。")
    ] = False,
    ledger: LedgerUrl = None,
) -> None:
    """验证：审计链首尾相接，状态和运行与之相符，已锁定月份的结果文件未动。"""
    from drg_engine.ledger_command import verify_and_show

    verify_and_show(folder, ledger, receipt or (), every_run=every_run)


@ledger_app.command("export")
def export(
    folder: Folder,
    out: Annotated[Path, typer.Option(help="结果文件：.jsonl（原样）、.csv、.xlsx。")],
    ledger: LedgerUrl = None,
) -> None:
    """导出审计记录。"""
    from drg_engine.ledger_command import export_history

    export_history(folder, ledger, out)


@ledger_app.command("release")
def release(
    folder: Folder,
    period: Period,
    reason: _Reason = "",
    actor: _Actor = None,
    ledger: LedgerUrl = None,
) -> None:
    """释放一个月份：正在运行它的电脑已停机时用；须写原因。"""
    from drg_engine.ledger_command import release_and_show

    release_and_show(folder, period, ledger, actor, reason)


@ledger_app.command("resume")
def resume(
    folder: Folder, reason: _Reason = "", actor: _Actor = None, ledger: LedgerUrl = None
) -> None:
    """接续：账本从旧备份恢复、与回执不符时，写明原因后继续记。"""
    from drg_engine.ledger_command import resume_and_show

    resume_and_show(folder, ledger, actor, reason)


def compare_command(
    folder: Folder,
    first: Annotated[str, typer.Argument(help="运行或月份：2026-09、2026-10#1 或运行号。")],
    second: Annotated[str | None, typer.Argument(help="与之比较的运行或月份。")] = None,
    paid: Annotated[
        Path | None, typer.Option(help="改与实发名单比较：CSV、Excel 或 Parquet，工号、实发。")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="结果文件：.xlsx；.csv 和 .parquet 每表一个文件。")
    ] = None,
    limit: Annotated[int, typer.Option(help="屏幕上每表最多几行，0 为全部。")] = 15,
    ledger: LedgerUrl = None,
) -> None:
    """比较两次运行，或应发与实发：科室、人员各变多少、为什么，各因相加恰为差额。"""
    from drg_engine.compare_command import compare_and_show

    compare_and_show(folder, first, second, paid, out, limit, ledger)
