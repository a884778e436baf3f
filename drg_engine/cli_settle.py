"""The command ``settle``: a region's cases by a policy, in bounded memory."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("settle")(settle_command)


def settle_command(
    cases: Annotated[
        list[Path],
        typer.Argument(help="病例：Parquet、CSV、Excel 文件，或 Parquet 分区的文件夹；可以多个。"),
    ],
    policy: Annotated[
        list[str], typer.Option(help="政策名、政策文件或其文件夹；可多个，按日期各用各的。")
    ],
    out: Annotated[
        Path, typer.Option(help="结果：文件夹（Parquet，分区同输入），或 .csv、.xlsx、.parquet。")
    ],
    scheme: Annotated[
        str | None, typer.Option(help="分组方案名或文件夹；病例没有病组列时先分组。")
    ] = None,
    tables: Annotated[Path | None, typer.Option(help="汇总表的文件夹；不写在结果旁。")] = None,
    scenario: Annotated[
        list[Path] | None, typer.Option(help="情景文件；可以多个，与基准对比。")
    ] = None,
    mapping: Annotated[Path | None, typer.Option(help="列对照文件（TOML）。")] = None,
    sheet: Annotated[str | None, typer.Option(help="Excel 工作表名，默认第一张。")] = None,
    clinical_codes: Annotated[bool, typer.Option(help="编码为临床版，按对照表转换。")] = False,
    cases_too: Annotated[
        bool, typer.Option("--cases/--no-cases", help="是否写出逐例结果。")
    ] = True,
    overwrite: Annotated[bool, typer.Option(help="结果文件夹里已有的逐例结果可以换掉。")] = False,
) -> None:
    """按政策结算一年的病例：逐例支付、基金与个人、盈亏，各级汇总；可对比情景。"""
    from drg_engine.settle_command import settle_and_show

    settle_and_show(
        cases, policy, out, scheme=scheme, clinical_codes=clinical_codes, mapping=mapping,
        sheet=sheet, tables=tables, scenarios=scenario or [], with_cases=cases_too,
        overwrite=overwrite,
    )  # fmt: skip
