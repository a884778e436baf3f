"""What ``drg-engine annual`` does: read the year's months, settle them together, show and write."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pyarrow as pa
import typer

from drg_engine.annual import DETAIL_TITLES, DUE_TITLES, adjustments, annual_detail, annual_due
from drg_engine.case_lists import with_lists
from drg_engine.cases import CaseReader, joined
from drg_engine.console import show_table, stages
from drg_engine.errors import Fault, InputError
from drg_engine.fit_inputs import read_fit_table
from drg_engine.grouping import group
from drg_engine.money import format_fen
from drg_engine.month_settle import month_policies
from drg_engine.payment import PaymentColumns
from drg_engine.payment_dated import DatedSettlement, settle_policies
from drg_engine.simulation_input import joined_columns, periods_of, repeated_cases
from drg_engine.workspace import Workspace, open_workspace
from drg_engine.writers import write_table
from grouper_tables import load_scheme

__all__ = ["annual_and_show", "settle_year"]


def settle_year(
    workspace: Workspace, periods: tuple[str, ...], begin: Callable[[str], None]
) -> DatedSettlement:
    """Settle the cases of several months together, with each month's lists."""
    begin("读取分组方案与政策")
    options = {"clinical_codes": True} if workspace.run.clinical_codes else {}
    scheme = load_scheme(workspace.named_or_file(workspace.run.scheme), options=options)
    policies = month_policies(workspace)
    parts: list[PaymentColumns] = []
    notices: list[str] = []
    begin("读取病例、分组")
    for period in periods:
        cases = joined(list(CaseReader(workspace.cases_file(period)).parts()))
        columns = PaymentColumns.from_cases(
            cases,
            group(cases, scheme),
            hospital=workspace.hospital.name,
            level=workspace.hospital.level,
        )
        listed = with_lists(columns, workspace.inputs(period), policies)
        parts.append(listed.columns)
        notices += [f"{period}：{words}" for words in listed.notices]
    begin("全年结算")
    year = joined_columns(parts)
    notices += repeated_cases(year)
    dated = settle_policies(year, policies)
    whole = replace(dated.whole, notices=(*notices, *dated.whole.notices))
    return replace(dated, whole=whole)


def annual_and_show(folder: Path, year: str, out: Path | None, adjust: Path | None) -> None:
    """Settle a year, show what is due, write both tables where ``out`` names a folder."""
    workspace = open_workspace(folder)
    periods = periods_of(workspace, year)
    said = {} if adjust is None else adjustments(read_fit_table(adjust, "annual"))
    with stages(3) as begin:
        dated = settle_year(workspace, periods, begin)
    if "personal_pay" not in dated.whole.cases.amounts:
        mend = "病例表须有“个人负担”列，才知道基金应付多少"
        raise InputError("不能做年终清算", [Fault("病例", "没有个人负担", mend=mend)])
    detail = annual_detail(dated)
    due = annual_due(detail, said)
    for words, _, count in dated.policy_rows():
        typer.echo(f"{words}：{count:,} 例")
    for notice in dated.whole.notices:
        typer.echo(notice)
    show_table(f"{workspace.hospital.name} {year} 年终清算（{periods[0]} 至 {periods[-1]}）",
               tuple(DUE_TITLES.values()), _shown(due))  # fmt: skip
    lacking = int(detail["unknown"].sum())
    if lacking:
        typer.echo(f"有 {lacking:,} 例算不出基金支付（缺个人负担等金额），未计入，请补录后重算")
    if out is not None:
        for name, frame, titles in (
            ("年终清算", due, DUE_TITLES),
            ("年终清算-明细", detail, DETAIL_TITLES),
        ):
            path = out / f"{name}-{year}.csv"
            write_table(path, _table(frame).rename_columns(list(titles.values())), bom=True)
            typer.echo(f"已写入 {path}")


def _shown(frame: pd.DataFrame) -> list[tuple[str, ...]]:
    return [
        tuple(
            format_fen(int(value)) if str(name).endswith("_fen") else str(value)
            for name, value in row.items()
        )
        for row in frame.to_dict("records")
    ]


def _table(frame: pd.DataFrame) -> pa.Table:
    """The frame for a file: fen as exact yuan."""
    columns = {}
    for name, column in frame.items():
        if str(name).endswith("_fen"):
            yuan = [Decimal(int(fen)).scaleb(-2) for fen in column]
            columns[str(name)] = pa.array(yuan, pa.decimal128(18, 2))
        else:
            columns[str(name)] = pa.array(column, from_pandas=True)
    return pa.table(columns)
