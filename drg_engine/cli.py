"""The command ``drg-engine``.  Heavy modules are loaded by the command that needs them."""

from __future__ import annotations

import gc
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from drg_engine import __version__
from drg_engine.cli_annual import register as register_annual
from drg_engine.cli_explain import register as register_explain
from drg_engine.cli_fit import rates_app, weights_app
from drg_engine.cli_help import in_chinese
from drg_engine.cli_ledger import compare_command, ledger_app
from drg_engine.cli_pay import pay_app
from drg_engine.cli_plan import plan_app
from drg_engine.cli_points import points_app
from drg_engine.cli_policy import policy_app
from drg_engine.cli_reconcile import reconcile_app
from drg_engine.cli_settle import register as register_settle
from drg_engine.cli_simulate import register
from drg_engine.cli_surplus import register as register_surplus
from drg_engine.errors import DrgEngineError

if TYPE_CHECKING:
    from drg_engine.group_files import GroupCounts

__all__ = ["app", "main", "run"]

_INTERRUPTED = 130
# What the library raises where a command is typed wrong: BadParameter, NoSuchOption and the rest.
_UsageFault: Any = typer.BadParameter.__mro__[2]

app = typer.Typer(
    name="drg-engine",
    help="医院 DRG 月度分析与绩效：分组、付费、盈亏、分配。",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
tables_app = typer.Typer(help="分组方案的表格：列出、查看、核对、比较。", no_args_is_help=True,
                         rich_markup_mode=None)  # fmt: skip
app.add_typer(tables_app, name="tables")
app.add_typer(policy_app, name="policy")
app.add_typer(plan_app, name="plan")
app.add_typer(points_app, name="points")
app.add_typer(ledger_app, name="ledger")
app.add_typer(pay_app, name="pay")
app.add_typer(weights_app, name="weights")
app.add_typer(rates_app, name="rates")
app.add_typer(reconcile_app, name="reconcile")


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"drg-engine {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="显示版本。")
    ] = False,
) -> None:
    """Options of the command as a whole."""


@app.command("group")
def group_command(
    cases: Annotated[Path, typer.Argument(help="病例文件：CSV、Excel 或 Parquet。")],
    scheme: Annotated[str, typer.Option(help="分组方案名，或方案文件夹。")],
    out: Annotated[Path, typer.Option(help="结果文件：.csv、.xlsx 或 .parquet。")],
    explain: Annotated[Path | None, typer.Option(help="入组路径文件（中文说明）。")] = None,
    rejects: Annotated[Path | None, typer.Option(help="拒收行文件。")] = None,
    mapping: Annotated[Path | None, typer.Option(help="列对照文件（TOML）。")] = None,
    sheet: Annotated[str | None, typer.Option(help="Excel 工作表名，默认第一张。")] = None,
    with_input: Annotated[bool, typer.Option(help="结果后附上读入的各列。")] = False,
    clinical_codes: Annotated[bool, typer.Option(help="编码为临床版，按对照表转换。")] = False,
    chinese: Annotated[
        bool, typer.Option("--chinese", help="表头、状态和原因写成中文，供 Excel 打开。")
    ] = False,
) -> None:
    """把病例文件分组：输出状态、MDC、ADRG、DRG、严重程度和原因。"""
    gc.disable()  # one pass over a file leaves no circles of objects worth looking for
    from drg_engine.ahead import ahead
    from drg_engine.arrow import give_memory_back, spare_pandas

    give_memory_back()
    spare_pandas()
    from drg_engine.readers import open_table

    opened = open_table(cases, sheet=sheet)
    opened.parts = ahead(opened.parts, depth=5)  # read while the rest is loaded
    from drg_engine.console import counted_rows
    from drg_engine.group_files import group_file
    from grouper_tables import load_scheme

    options = {"clinical_codes": True} if clinical_codes else {}
    loaded = load_scheme(scheme, options=options)
    with counted_rows("已分组") as tell:
        counts = group_file(
            cases, loaded, out, explain=explain, rejects=rejects, mapping=mapping, sheet=sheet,
            with_input=with_input, on_part=tell, opened=opened, chinese=chinese,
        )  # fmt: skip
    _show_counts(counts, loaded.title, out, rejects)


def _show_counts(counts: GroupCounts, title: str, out: Path, rejects: Path | None) -> None:
    words = {"grouped": "入组", "ambiguous": "歧义组", "ungrouped": "未入组", "invalid": "不能分组"}
    parts = [f"{word} {counts.status[name]:,}" for name, word in words.items()]
    sign = "=" if counts.adds_up else "≠"
    typer.echo(f"{title}", err=True)
    typer.echo(
        f"{' + '.join(parts)} + 拒收 {counts.rejected:,} {sign} 读入 {counts.read:,}", err=True
    )
    for reason, count in counts.reasons.most_common():
        typer.echo(f"  {reason}：{count:,}", err=True)
    if counts.unknown_codes:
        shown = "、".join(f"{code}×{n}" for code, n in counts.unknown_codes.most_common(5))
        typer.echo(f"  不认识的编码 {len(counts.unknown_codes):,} 种：{shown}", err=True)
    if counts.notices:
        typer.echo(f"  按未知处理的值 {counts.notices:,} 处", err=True)
    if counts.rejected and rejects is None:
        typer.echo("  拒收的行及原因：加 --rejects 文件名 可写出", err=True)
    typer.echo(f"结果：{out}", err=True)


@tables_app.command("list")
def tables_list() -> None:
    """列出随软件提供的分组方案。"""
    from drg_engine.tables_command import show_list

    show_list()


@tables_app.command("show")
def tables_show(
    scheme: Annotated[str, typer.Argument(help="方案名或文件夹。")],
    what: Annotated[str | None, typer.Argument(help="MDC、ADRG、DRG 或编码。")] = None,
    everything: Annotated[bool, typer.Option("--all", help="编码全部列出。")] = False,
) -> None:
    """查看方案，或其中一个 MDC、ADRG、DRG、编码。"""
    from drg_engine.tables_command import show_scheme

    show_scheme(scheme, what, everything=everything)


@tables_app.command("verify")
def tables_verify(
    scheme: Annotated[str, typer.Argument(help="方案名或文件夹。")],
    accept: Annotated[bool, typer.Option(help="把当前表格的指纹写入说明文件。")] = False,
    everything: Annotated[bool, typer.Option("--all", help="提示全部列出。")] = False,
) -> None:
    """核对方案表格：结构、规则、编码和指纹。"""
    from drg_engine.tables_command import verify

    verify(scheme, accept=accept, everything=everything)


@tables_app.command("diff")
def tables_diff(
    first: Annotated[str, typer.Argument(help="方案甲。")],
    second: Annotated[str, typer.Argument(help="方案乙。")],
    limit: Annotated[int, typer.Option(help="每类最多显示多少行，0 为全部。")] = 20,
) -> None:
    """比较两个方案：病组、条件、编码、权重。"""
    from drg_engine.tables_command import show_diff

    show_diff(first, second, limit)


@app.command("init")
def init_command(
    folder: Annotated[Path, typer.Argument(help="新工作区的文件夹。")],
) -> None:
    """建立一个空的工作区：设置文件和各表的表头。"""
    from drg_engine.workspace import init_workspace

    for path in init_workspace(folder):
        typer.echo(str(path))


@app.command("run")
def run_command(
    folder: Annotated[Path, typer.Argument(help="工作区文件夹。")],
    period: Annotated[str, typer.Argument(help="月份，如 2026-10。")],
    unmask: Annotated[bool, typer.Option(help="报表中显示完整病案号。")] = False,
    actor: Annotated[
        str | None, typer.Option("--as", help="操作人；不写依 DRG_ENGINE_USER 或系统账户。")
    ] = None,
    ledger: Annotated[str | None, typer.Option(help="账本的数据库地址。")] = None,
) -> None:
    """跑一个月：分组、付费、盈亏、分配、报表；运行入账。"""
    from drg_engine.month_run import run_and_show

    run_and_show(folder, period, unmask=unmask, ledger=ledger, actor=actor)


@app.command("demo")
def demo_command(
    folder: Annotated[Path, typer.Argument(help="示范医院的文件夹（须为空或不存在）。")],
    period: Annotated[str, typer.Option(help="月份。")] = "2026-10",
    seed: Annotated[int, typer.Option(help="随机种子；同一种子得到同样的医院。")] = 20261001,
) -> None:
    """生成示范医院并跑一个月。"""
    from drg_engine.month_run import demo_and_show

    demo_and_show(folder, period, seed)


app.command("compare")(compare_command)
register(app)
register_explain(app)
register_annual(app)
register_settle(app)
register_surplus(app)


def main() -> None:
    """Run the command; a fault the engine knows is told in words, with its own exit code."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="replace")
    try:
        command = in_chinese(typer.main.get_command(app))
        code = command.main(prog_name="drg-engine", standalone_mode=False)
    except DrgEngineError as error:
        from drg_engine.console import fail

        sys.exit(fail(error))
    except _UsageFault as error:
        from drg_engine.cli_words import usage_words

        typer.echo(usage_words(error), err=True)
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, typer.Abort):
        code = _INTERRUPTED
    if code == _INTERRUPTED:
        typer.echo("已中断，没有留下半成品。", err=True)
    sys.exit(code if isinstance(code, int) else 0)


def run() -> None:
    """Run the command as a process of its own, which ends with it.

    It leaves without taking down the compiler and the libraries one by one, which would take longer
    than many a command.
    """
    code: str | int | None = 0
    try:
        main()
    except SystemExit as leaving:
        code = leaving.code
    if isinstance(code, str):
        sys.stderr.write(code + "\n")
        code = 1
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(code or 0)


if __name__ == "__main__":
    run()
