"""The commands ``drg-engine points …``.

Heavy modules are loaded by the command that needs them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["points_app"]

points_app = typer.Typer(
    help="点数目录：由价格项目建立、复核读回、比较、覆盖率。",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@points_app.command("build")
def points_build(
    items: Annotated[Path, typer.Option(help="医院的价格项目：CSV、Excel 或 Parquet。")],
    out: Annotated[Path, typer.Option(help="点数目录工作簿。")] = Path("点数目录.xlsx"),
    rvu: Annotated[Path | None, typer.Option(help="RVU 表（美国费率表 PPRRVU 的版式）。")] = None,
    mapping: Annotated[
        Path | None, typer.Option(help="项目编码到 CPT/HCPCS 的对照；与 --rvu 一起用。")
    ] = None,
    values: Annotated[
        Path | None,
        typer.Option(help="赋分依据：人力资源消耗相对值，或耗时、人数、技术难度、风险程度。"),
    ] = None,
    decisions: Annotated[
        Path | None, typer.Option(help="人工决定：复核过的点数目录，或决定表。")
    ] = None,
    previous: Annotated[
        Path | None, typer.Option(help="上版：点数目录，或工作区的项目点数表。")
    ] = None,
    keep_previous: Annotated[bool, typer.Option(help="上版的点数优先于各表。")] = False,
    methods: Annotated[Path | None, typer.Option(help="赋分方法（TOML），默认用自带的。")] = None,
    version: Annotated[str, typer.Option(help="本版的版本号，如 2027-01。")] = "",
    sheet: Annotated[str | None, typer.Option(help="价格项目的工作表名，默认第一张。")] = None,
    values_sheet: Annotated[str | None, typer.Option(help="赋分依据的工作表名。")] = None,
) -> None:
    """由价格项目建立点数目录，写成一个供复核的工作簿。"""
    from drg_engine.points_command import BuildOptions, build_workbook

    build_workbook(
        BuildOptions(
            items=items,
            out=out,
            rvu=rvu,
            mapping=mapping,
            values=values,
            decisions=decisions,
            previous=previous,
            methods=methods,
            keep_previous=keep_previous,
            sheet=sheet,
            values_sheet=values_sheet,
            version=version,
        )
    )


@points_app.command("read")
def points_read(
    workbook: Annotated[Path, typer.Argument(help="复核过的点数目录。")],
    out: Annotated[Path, typer.Option(help="工作区的项目点数表，如 tables/items.csv。")],
    accept: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="没有复核的建议，可信度不低于此的直接采用。"),
    ] = None,
    zero: Annotated[bool, typer.Option("--zero", help="没有点数的项目写 0 点。")] = False,
    version: Annotated[str | None, typer.Option(help="版本号，默认用目录里的。")] = None,
    start: Annotated[str | None, typer.Option("--from", help="生效日期，如 2027-01-01。")] = None,
    end: Annotated[str | None, typer.Option("--to", help="失效日期（不含当日）。")] = None,
    keep_old: Annotated[
        bool, typer.Option("--keep-old", help="保留表中原有的版本，自生效日期起失效。")
    ] = False,
    rules: Annotated[
        Path | None,
        typer.Option(help="项目点数表：同次规则、RVU 等其他列由此带过来，默认用 --out 原有的。"),
    ] = None,
) -> None:
    """读回复核过的点数目录，写成项目点数表；填错的逐行列出。"""
    from drg_engine.points_command import read_back

    read_back(workbook, out, accept=accept, zero=zero, version=version, dates=(start, end),
              keep_old=keep_old, rules=rules)  # fmt: skip


@points_app.command("diff")
def points_diff(
    first: Annotated[Path, typer.Argument(help="点数目录或项目点数表（原）。")],
    second: Annotated[Path, typer.Argument(help="点数目录或项目点数表（新）。")],
    limit: Annotated[int, typer.Option(min=0, help="最多显示多少行，0 为全部。")] = 20,
    out: Annotated[Path | None, typer.Option(help="把全部变化写入文件。")] = None,
) -> None:
    """比较两版点数：新增、取消、变化及理由。"""
    from drg_engine.points_command import show_diff

    show_diff(first, second, limit, out)


@points_app.command("coverage")
def points_coverage(
    items: Annotated[Path, typer.Argument(help="点数目录或项目点数表。")],
    charges: Annotated[Path, typer.Argument(help="一个月的收费明细。")],
    limit: Annotated[int, typer.Option(min=0, help="没有点数的项目最多显示多少行。")] = 20,
) -> None:
    """一个月的收费有多少有点数：按项目数、数量、金额。"""
    from drg_engine.points_command import show_coverage

    show_coverage(items, charges, limit)


@points_app.command("methods")
def points_methods(
    methods: Annotated[Path | None, typer.Argument(help="赋分方法（TOML），默认看自带的。")] = None,
) -> None:
    """查看赋分方法的每一项：值、含义、单位。"""
    from drg_engine.points_command import show_methods

    show_methods(methods)
