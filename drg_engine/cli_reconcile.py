"""The commands ``drg-engine reconcile …``.  Heavy modules are loaded by what needs them."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Annotated

import typer

__all__ = ["reconcile_app"]

reconcile_app = typer.Typer(
    help="对账：与医保逐笔核对，三方按月核对，垫付与回款，入组与付费比较，结算清单恒等式。",
    no_args_is_help=True,
    rich_markup_mode=None,
)

_Out = Annotated[Path, typer.Option(help="结果文件夹：工作簿和各表的 CSV。")]
_Unmask = Annotated[bool, typer.Option(help="显示完整病案号、结算编号。")]


@reconcile_app.command("settlements")
def settlements(
    hospital: Annotated[Path, typer.Argument(help="医院端结算文件：CSV、Excel、Parquet、JSON。")],
    bureau: Annotated[Path, typer.Argument(help="医保端结算文件，或明细对账的文本包。")],
    out: _Out,
    tolerance: Annotated[str, typer.Option(help="每笔每项允许的差额，元。")] = "0",
    hospital_mapping: Annotated[Path | None, typer.Option(help="医院端列对照（TOML）。")] = None,
    bureau_mapping: Annotated[Path | None, typer.Option(help="医保端列对照（TOML）。")] = None,
    unmask: _Unmask = False,
) -> None:
    """两端结算逐笔核对：按险种、经办机构、清算类别平或不平，每笔差异的类别与处理办法。"""
    gc.disable()  # one pass over two files leaves no circles of objects worth looking for
    from drg_engine.settlement_files import begin_reading

    reading = begin_reading((hospital, bureau), (hospital_mapping, bureau_mapping))
    # Loaded while the files are being read.
    from drg_engine.reconcile_command import settlements_and_show

    settlements_and_show(reading, out, tolerance, unmask=unmask)


@reconcile_app.command("months")
def months(
    totals: Annotated[Path, typer.Argument(help="三方合计表：来源、月份、险种、各项金额。")],
    out: _Out,
) -> None:
    """收费处、医保办、财务三方按月核对。"""
    from drg_engine.reconcile_command import months_and_show

    months_and_show(totals, out)


@reconcile_app.command("receivables")
def receivables(
    advances: Annotated[Path, typer.Argument(help="垫付表：所属月份、险种、垫付金额。")],
    receipts: Annotated[Path, typer.Argument(help="回款表：回款日期、所属月份、险种、回款金额。")],
    day: Annotated[str, typer.Option(help="截至哪一天，如 2026-10-31。")],
    out: _Out,
) -> None:
    """垫付与回款：各月各险种还有多少未回，按账龄分段。"""
    from drg_engine.reconcile_command import receivables_and_show

    receivables_and_show(advances, receipts, day, out)


@reconcile_app.command("groups")
def groups(
    folder: Annotated[Path, typer.Argument(help="工作区文件夹。")],
    period: Annotated[str, typer.Argument(help="月份，如 2026-10。")],
    returns: Annotated[Path, typer.Argument(help="医保端返回：病案号、病组，以及支付金额。")],
    out: _Out,
    unmask: _Unmask = False,
) -> None:
    """我方入组与付费对医保端：一致率，分歧按类计数，每例分歧附我方入组路径。"""
    from drg_engine.reconcile_groups import groups_and_show

    groups_and_show(folder, period, returns, out, unmask=unmask)


@reconcile_app.command("identities")
def identities(
    lists: Annotated[Path, typer.Argument(help="结算清单：JSON、CSV、Excel 或 Parquet。")],
    out: _Out,
    unmask: _Unmask = False,
) -> None:
    """结算清单逐行核对恒等式：费用构成、支付构成、个人负担、项目合计。"""
    from drg_engine.reconcile_command import identities_and_show

    identities_and_show(lists, out, unmask=unmask)
