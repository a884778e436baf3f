"""The commands ``simulate``, ``sweep``, ``breakeven``, ``neutral`` and ``montecarlo``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["register"]

_Folder = Annotated[Path, typer.Argument(help="工作区文件夹。")]
_Periods = Annotated[
    str, typer.Argument(help="月份：2026-10、2026-01..2026-06、2026-Q3 或 2026，多个用逗号隔开。")
]
_Out = Annotated[
    Path | None,
    typer.Option(
        help="结果文件：.xlsx（表与图）、.html（网页，表与图）、.csv 或 .parquet（只有表）。"
    ),
]
_Over = Annotated[Path | None, typer.Option("--scenario", help="在这个情景之上。")]


def register(app: typer.Typer) -> None:
    """Add the commands of the policy analyst."""
    app.command("simulate")(simulate_command)
    app.command("sweep")(sweep_command)
    app.command("breakeven")(breakeven_command)
    app.command("neutral")(neutral_command)
    app.command("montecarlo")(montecarlo_command)


def simulate_command(
    folder: _Folder,
    periods: _Periods,
    scenarios: Annotated[list[Path], typer.Argument(help="情景文件，可以多个。")],
    out: Annotated[Path, typer.Option(help="结果文件夹。")],
    stacked: Annotated[bool, typer.Option("--stack", help="把各情景叠加为一个。")] = False,
    order: Annotated[
        str,
        typer.Option(help="归因次序：weights,rates,coefficient,outlier；不写依情景文件。"),
    ] = "",
    unmask: Annotated[bool, typer.Option(help="报表中显示完整病案号。")] = False,
) -> None:
    """模拟政策改动：与基准对比，科室、病组、医生得失，病组迁移，增减归因。"""
    from drg_engine.simulation_run import simulate_and_show

    simulate_and_show(folder, periods, scenarios, out, stacked=stacked, order=order, unmask=unmask)


def sweep_command(
    folder: _Folder,
    periods: _Periods,
    parameters: Annotated[
        list[str], typer.Argument(help="一个或两个参数：low.bound=0.3:0.5:0.05 或 键=值,值。")
    ],
    scenario: _Over = None,
    out: _Out = None,
) -> None:
    """让一个或两个参数取遍一组值，看支付与盈亏怎样变。"""
    from drg_engine.study_run import sweep_and_show

    sweep_and_show(folder, periods, parameters, scenario, out)


def breakeven_command(
    folder: _Folder, periods: _Periods, scenario: _Over = None, out: _Out = None
) -> None:
    """各病组在什么费用、什么倍率上由盈转亏。"""
    from drg_engine.study_run import breakeven_and_show

    breakeven_and_show(folder, periods, scenario, out)


def neutral_command(
    folder: _Folder,
    periods: _Periods,
    scenario: Annotated[Path, typer.Argument(help="情景文件。")],
    out: _Out = None,
) -> None:
    """情景下费率定为多少，支付总额与基准相同。"""
    from drg_engine.study_run import neutral_and_show

    neutral_and_show(folder, periods, scenario, out)


def montecarlo_command(
    folder: _Folder,
    periods: _Periods,
    scenario: Annotated[Path, typer.Argument(help="情景文件。")],
    seed: Annotated[int, typer.Option(help="随机种子；同一种子得到同样的结果。")],
    draws: Annotated[int, typer.Option(min=2, help="重抽次数。")] = 1_000,
    level: Annotated[float, typer.Option(min=0.5, max=0.999, help="区间的把握。")] = 0.95,
    resettle: Annotated[
        bool, typer.Option("--resettle", help="每次重抽都重新付费（高倍率占比重算），慢。")
    ] = False,
    out: _Out = None,
) -> None:
    """有放回地重抽病例，给出盈亏的区间。"""
    from drg_engine.study_run import montecarlo_and_show

    montecarlo_and_show(
        folder, periods, scenario, draws=draws, seed=seed, level=level, resettle=resettle, out=out
    )
