"""The commands that fit: ``weights fit``, ``rates fit`` and ``policy infer``.

Heavy modules are loaded by the command that needs them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["infer_command", "rates_app", "weights_app"]

weights_app = typer.Typer(
    help="由地区病例测算病组权重。", no_args_is_help=True, rich_markup_mode=None
)
rates_app = typer.Typer(help="由基金预算测算费率。", no_args_is_help=True, rich_markup_mode=None)

_DEFAULTS = "不写则用 drg-engine weights options 所列默认值。"


@weights_app.command("fit")
def weights_fit(
    cases: Annotated[
        list[Path],
        typer.Argument(help="已分组病例：CSV、Excel 或 Parquet，可写多个；列 病组、总费用。"),
    ],
    base: Annotated[str, typer.Option(help="分组方案名或文件夹，新方案只写与它的差别。")],
    out: Annotated[Path, typer.Option(help="新方案的文件夹（须为空或不存在）。")],
    effective_from: Annotated[str, typer.Option(help="生效日期，如 2027-01-01。")],
    title: Annotated[str | None, typer.Option(help="新方案的标题。")] = None,
    authority: Annotated[str, typer.Option(help="制定机构。")] = "",
    changes: Annotated[
        Path | None, typer.Option(help="人工调整表：列 病组，权重 或 调整系数；之后整体缩放。")
    ] = None,
    trim: Annotated[
        str | None, typer.Option(help="iqr、lognormal、median、none。" + _DEFAULTS)
    ] = None,
    a: Annotated[float | None, typer.Option("--a", help="四分位距下侧倍数。")] = None,
    b: Annotated[float | None, typer.Option("--b", help="四分位距上侧倍数。")] = None,
    k: Annotated[float | None, typer.Option("--k", help="对数标准差倍数。")] = None,
    median_low: Annotated[float | None, typer.Option(help="中位数下侧倍数。")] = None,
    median_high: Annotated[float | None, typer.Option(help="中位数上侧倍数。")] = None,
    outside: Annotated[
        str | None, typer.Option(help="界外病例：drop 剔除、winsorise 缩尾。")
    ] = None,
    divisor: Annotated[str | None, typer.Option(help="标准差：population、sample。")] = None,
    min_cases: Annotated[int | None, typer.Option(help="稳定病组的最少病例数。")] = None,
    cv_below: Annotated[float | None, typer.Option(help="稳定病组的 CV 上限（不含）。")] = None,
    riv_at_least: Annotated[float | None, typer.Option(help="总体 RIV 要求。")] = None,
    unstable: Annotated[str | None, typer.Option(help="不稳定病组：keep、none、base。")] = None,
    absent: Annotated[str | None, typer.Option(help="没有病例的病组：none、base。")] = None,
    count: Annotated[str | None, typer.Option(help="Σ n·RW 的病例数：all、kept。")] = None,
    decimals: Annotated[int | None, typer.Option(help="权重小数位。")] = None,
    sheet: Annotated[str | None, typer.Option(help="Excel 工作表名，默认第一张。")] = None,
) -> None:
    """测算权重，写成可直接使用的分组方案，附逐组质量表。"""
    from drg_engine.fit_command import fit_weights_and_show
    from drg_engine.weights import Choices, Judgement, Trim

    method = Trim.of(
        trim, a=a, b=b, k=k, median_low=median_low, median_high=median_high, outside=outside,
        divisor=divisor,
    )  # fmt: skip
    fit_weights_and_show(
        cases,
        base,
        out,
        effective_from=effective_from,
        title=title,
        authority=authority,
        changes=changes,
        trim=method,
        judgement=Judgement.of(min_cases, cv_below, riv_at_least),
        choices=Choices.of(unstable, absent, count),
        decimals=decimals,
        sheet=sheet,
    )


@weights_app.command("options")
def weights_options() -> None:
    """列出测算与反推的各选项：默认值、范围、来源。"""
    from drg_engine.fit_command import show_options

    show_options()


@rates_app.callback()
def _rates() -> None:
    """Keep ``fit`` a command of its own name while it is the only one."""


@rates_app.command("fit")
def rates_fit(
    budget: Annotated[
        Path,
        typer.Argument(
            help="预算表：险种、医院级别、基金预算、实际报销比例，费用占比、总权重 可由病例求。"
        ),
    ],
    out: Annotated[Path, typer.Option(help="写出的政策文件（.toml）。")],
    effective_from: Annotated[str, typer.Option(help="生效日期，如 2027-01-01。")],
    policy: Annotated[str, typer.Option(help="以此政策为底，只改费率和机构系数：名称或文件。")],
    title: Annotated[str | None, typer.Option(help="政策名称。")] = None,
    cases: Annotated[
        Path | None, typer.Option(help="病例：险种、医院级别、总费用，权重 或 病组。")
    ] = None,
    scheme: Annotated[str | None, typer.Option(help="病例只有病组时，取权重的方案。")] = None,
    level: Annotated[int | None, typer.Option(help="只写这一级医院的政策：3、2、1。")] = None,
    decimals: Annotated[int | None, typer.Option(help="费率小数位。")] = None,
    sheet: Annotated[str | None, typer.Option(help="预算表的 Excel 工作表名。")] = None,
) -> None:
    """由基金预算求各级别费率，写成可直接使用的政策。"""
    from drg_engine.fit_command import fit_rates_and_show

    fit_rates_and_show(
        budget,
        out,
        effective_from=effective_from,
        policy=policy,
        title=title,
        cases=cases,
        scheme=scheme,
        level=level,
        decimals=decimals,
        sheet=sheet,
    )


def infer_command(
    returns: Annotated[
        list[Path],
        typer.Argument(
            help="医保回款表，可写多个月：病组、险种、权重、总费用、支付标准、支付金额。"
        ),
    ],
    out: Annotated[Path, typer.Option(help="写出的政策文件（.toml）。")],
    effective_from: Annotated[str, typer.Option(help="生效日期，如 2026-01-01。")],
    policy: Annotated[
        str | None, typer.Option(help="以此政策为底：回款看不出的各项照它。名称或文件。")
    ] = None,
    title: Annotated[str | None, typer.Option(help="政策名称。")] = None,
    rate: Annotated[
        list[str] | None,
        typer.Option(help="已知费率，如 310=12252.70，用来分开费率与机构系数；可写多次。"),
    ] = None,
    residuals: Annotated[
        Path | None, typer.Option(help="不符的病例写入此文件：.csv、.xlsx、.parquet。")
    ] = None,
    money_unit: Annotated[float | None, typer.Option(help="表中金额的最小单位（元）。")] = None,
    weight_unit: Annotated[
        float | None, typer.Option(help="表中权重的最小单位，0 为准确数。")
    ] = None,
    support: Annotated[int | None, typer.Option(help="一个结论最少要有的病例数。")] = None,
    most_tiers: Annotated[int | None, typer.Option(help="高倍率界值最多分几档。")] = None,
    sheet: Annotated[str | None, typer.Option(help="Excel 工作表名，默认第一张。")] = None,
) -> None:
    """由医保回款反推费率、机构系数、界值和支付方式，并说明哪些不能确定。"""
    from drg_engine.fit_command import infer_and_show
    from drg_engine.infer import Settings

    infer_and_show(
        returns,
        out,
        effective_from=effective_from,
        policy=policy,
        title=title,
        rates=rate or [],
        residuals=residuals,
        settings=Settings.of(money_unit, weight_unit, support, most_tiers),
        sheet=sheet,
    )
