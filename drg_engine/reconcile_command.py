"""What ``drg-engine reconcile …`` does: read, compare, write the workbook and CSVs, show."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from drg_engine import __version__
from drg_engine.console import show_table, stages
from drg_engine.door import Rejects
from drg_engine.errors import Fault, InputError
from drg_engine.files import file_sha256
from drg_engine.identities import check_identities
from drg_engine.money import fen_from_text, format_fen
from drg_engine.money_tables import MoneyTable, read_money_table
from drg_engine.monthly_settlements import (
    ageing,
    month_text,
    receivables,
    three_way,
    told_sources,
)
from drg_engine.reconcile import CAUSES, Reconciliation, reconcile
from drg_engine.report_tables import write_csvs
from drg_engine.settlement_files import Side, settlement_words
from drg_engine.values import date as read_date
from reports import book as books

__all__ = [
    "identities_and_show",
    "made_from",
    "months_and_show",
    "receivables_and_show",
    "reject_lines",
    "settlements_and_show",
    "tell_results",
    "write_results",
]

_LAYOUTS = Path(books.__file__).parent
_STAMP = dt.datetime(2000, 1, 1)
_EPOCH = dt.date(1970, 1, 1)


def settlements_and_show(
    reading: Callable[[], Sequence[Side]], out: Path, tolerance: str, *, unmask: bool = False
) -> None:
    """Reconcile two files of settlements into ``out``; raises InputError where one is unreadable.

    reading: gives the hospital's and the bureau's side.  tolerance: yuan.
    """
    allowed = _tolerance(tolerance)
    with stages(3) as begin:
        begin("读取两端结算")
        files = dict(zip(("医院端", "医保端"), reading(), strict=True))
        sides = [side.settlements for side in files.values()]
        begin("逐笔核对")
        found = reconcile(sides[0], sides[1], tolerance_fen=allowed)
        begin("写结果")
        notes = [("允许差额", f"{tolerance} 元")]
        notes += [
            (f"{title}：冲正而金额为正的行", f"{side.turned:,} 行，已按负数计")
            for title, side in zip(files, sides, strict=True)
            if side.turned
        ]
        tables = _reconciliation_tables(found) | {
            "rejects": reject_lines([side.rejects for side in sides]),
            "made_from": _made_from(
                {title: (side.path.name, side.sha256) for title, side in files.items()}, notes
            ),
        }
        figures = {
            "cases": int(found.cause.size),
            "wrong": len(found.differences),
            "fund_fen_difference": int(found.summary["fund_fen_difference"].sum()),
            "rejected": sum(side.rejects.row_count for side in sides),
        }
        write_results(out, "对账", _LAYOUTS / "reconcile.toml", tables, figures, unmask=unmask)
    _show_reconciliation(found)
    _show_counts([(side.file, side.read, side.n, side.rejects.row_count) for side in sides])
    tell_results(out, "对账.xlsx")


def _tolerance(text: str) -> int:
    try:
        fen = fen_from_text(text)
    except ValueError as error:
        fault = Fault("--tolerance", "应为金额（元），至多两位小数", found=text)
        raise InputError("允许差额写得不对", [fault]) from error
    if fen < 0:
        fault = Fault("--tolerance", "不能为负", found=text)
        raise InputError("允许差额写得不对", [fault])
    return fen


def _reconciliation_tables(found: Reconciliation) -> dict[str, pd.DataFrame]:
    words = settlement_words()["causes"]
    titles = {name: str(spec["title"]) for name, spec in words.items()}
    counted = found.summary[list(CAUSES[1:])].to_dict("records")
    why = [
        "；".join(f"{titles[name]} {count:,}" for name, count in row.items() if count)
        for row in counted
    ]
    differences = found.differences.assign(
        cause_title=found.differences["cause"].map(titles), where=_where(found.differences)
    )
    money = [f"{name}_fen_difference" for name in found.fields]
    by_cause = differences.groupby("cause", sort=False)[money].sum()
    counts = differences.groupby("cause", sort=False).size().rename("count").to_frame()
    causes = counts.join(by_cause).reindex([n for n in CAUSES if n in counts.index]).reset_index()
    causes["cause_title"] = causes["cause"].map(titles)
    causes["mend"] = causes["cause"].map({n: str(spec["mend"]) for n, spec in words.items()})
    summary = found.summary.assign(why=why, even=found.summary["even"].astype(str))
    return {"summary": summary, "causes": causes, "differences": differences}


def _where(differences: pd.DataFrame) -> list[str]:
    """The category in words; both of them where the sides differ in it."""
    sides = [
        [" / ".join(str(one) for one in row) for row in
         differences[[f"{n}_{side}" for n in ("insurance", "agency", "clearing")]].to_numpy()]
        for side in ("hospital", "bureau")
    ]  # fmt: skip
    empty = " / ".join([""] * 3)
    return [
        mine if theirs in (mine, empty) else theirs if mine == empty
        else f"{mine} → {theirs}"
        for mine, theirs in zip(*sides, strict=True)
    ]  # fmt: skip


def _show_reconciliation(found: Reconciliation) -> None:
    rows = [
        (
            row["insurance"], row["agency"], row["clearing"],
            *(format_fen(row[f"{field}_fen_{side}"])
              for field in ("charges", "fund") for side in ("hospital", "bureau")),
            f"{row['cases_hospital']:,} / {row['cases_bureau']:,}",
            "平" if row["even"] else "不平",
        )
        for row in found.summary.to_dict("records")
    ]  # fmt: skip
    headings = ("险种", "经办机构", "清算类别", "费用·医院", "费用·医保", "基金·医院", "基金·医保",
                "笔数", "结果")  # fmt: skip
    show_table("对账汇总（元）", headings, rows)
    words = settlement_words()["causes"]
    told = [
        (str(words[name]["title"]), count, str(words[name]["mend"]))
        for name, count in found.counts.items()
        if count and name != "equal"
    ]
    if told:
        show_table("差异", ("类别", "笔数", "怎样处理"), told)


def months_and_show(totals: Path, out: Path) -> None:
    """Compare the totals of the three offices by month into ``out``."""
    words = settlement_words()
    sources = list(words["three_way"]["sources"])
    table = read_money_table(totals, words["monthly"])
    found = three_way(table.frame, sources)
    shown = found.assign(
        month=[month_text(month) for month in found["month"]], even=found["even"].astype(str)
    )
    places = dict(zip(sources, ("first_fen", "second_fen", "third_fen"), strict=True))
    shown = shown.rename(columns={**places, "spread": "spread_fen"})
    others = told_sources(table.frame, sources)
    notes = [
        (f"来源“{name}”", f"{count} 行不在三方之内，没有计入") for name, count in others.items()
    ]
    tables = {
        "months": shown,
        "rejects": reject_lines([table.rejects]),
        "made_from": made_from({"三方合计": totals}, notes),
    }
    wrong = int((~found["even"]).sum())
    figures = {"cases": len(found), "wrong": wrong, "rejected": table.rejects.row_count}
    write_results(out, "三方核对", _LAYOUTS / "reconcile_months.toml", tables, figures)
    rows = [
        (
            row["month"], row["insurance"], row["field"],
            *("—" if pd.isna(row[name]) else format_fen(row[name]) for name in places.values()),
            "平" if row["even"] == "True" else "不平",
        )
        for row in shown.replace({"field": _FIELDS}).to_dict("records")
    ]  # fmt: skip
    show_table("三方核对（元）", ("月份", "险种", "项目", *sources, "结果"), rows)
    _show_counts([_counted(table)])
    tell_results(out, "三方核对.xlsx")


_FIELDS = {"charges_fen": "医疗费总额", "fund_fen": "基金支付总额", "account_fen": "个人账户支付"}


def receivables_and_show(advances: Path, receipts: Path, day: str, out: Path) -> None:
    """What was advanced and has come back by ``day``, into ``out``."""
    today = _day(day)
    words = settlement_words()
    owed = read_money_table(advances, words["advances"])
    paid = read_money_table(receipts, words["receipts"])
    limits, titles = list(words["ageing"]["days"]), list(words["ageing"]["titles"])
    found = receivables(owed.frame, paid.frame, today, limits)
    aged = ageing(found, titles)
    shown = found.assign(
        month=[month_text(month) for month in found["month"]],
        bucket_title=[titles[at] for at in found["bucket"]],
        last_receipt=pd.to_datetime(found["last_receipt"], unit="D").dt.date,
    )
    amounts = {f"{title}": "yuan" for title in titles}
    yuan = aged.rename(columns={name: f"{name}_fen" for name in amounts})
    tables = {
        "ageing": yuan,
        "months": shown,
        "rejects": reject_lines([owed.rejects, paid.rejects]),
        "made_from": made_from({"垫付": advances, "回款": receipts}, [("截至", day)]),
    }
    sums = found[["advanced_fen", "received_fen", "open_fen"]].sum()
    figures = {str(name): int(fen) for name, fen in sums.items()}
    figures["rejected"] = owed.rejects.row_count + paid.rejects.row_count
    write_results(out, "垫付与回款", _LAYOUTS / "receivables.toml", tables, figures)
    rows = [
        (row["insurance"], *(format_fen(row[name]) for name in (*titles, "open_fen")))
        for row in aged.to_dict("records")
    ]
    show_table(f"未回款（元），截至 {day}", ("险种", *titles, "合计"), rows)
    _show_counts([_counted(owed), _counted(paid)])
    tell_results(out, "垫付与回款.xlsx")


def _day(text: str) -> dt.date:
    days, refusal, _ = read_date(text)
    if refusal or np.isnan(days):
        fault = Fault("--day", refusal or "不能为空", found=text)
        raise InputError("截止日期写得不对", [fault])
    return _EPOCH + dt.timedelta(days=int(days))


def identities_and_show(lists: Path, out: Path, *, unmask: bool = False) -> None:
    """Check the identities of settlement lists into ``out``."""
    with stages(2) as begin:
        begin("核对恒等式")
        found = check_identities(lists)
        begin("写结果")
        tables = {
            "identities": found.counts.rename(columns={"name": "identity"}),
            "broken": found.broken.rename(columns={"name": "identity"}),
            "rejects": reject_lines([found.rejects]),
            "made_from": made_from({"结算清单": lists}, []),
        }
        figures = {
            "cases": found.read,
            "wrong": len(found.broken),
            "rejected": found.rejects.row_count,
        }
        write_results(
            out, "恒等式核对", _LAYOUTS / "identities.toml", tables, figures, unmask=unmask
        )
    rows = [tuple(row) for row in found.counts.itertuples(index=False)]
    show_table("恒等式", ("等式", "核对行数", "相符", "不符"), rows)
    tell_results(out, "恒等式核对.xlsx")


def write_results(
    out: Path,
    name: str,
    layout: Path,
    tables: Mapping[str, pd.DataFrame],
    figures: Mapping[str, Any],
    *,
    unmask: bool = False,
) -> None:
    """Write the workbook ``name`` and each table as CSV into ``out``."""
    out.mkdir(parents=True, exist_ok=True)
    report = books.Book("", "", _STAMP, tables, [("本次", figures)])
    books.write_book(layout, report, out / f"{name}.xlsx", show_ids=unmask)
    write_csvs(layout, tables, out)


def reject_lines(many: Sequence[Rejects]) -> pd.DataFrame:
    """Rows that stayed out, under the report's names."""
    lines: pd.DataFrame = pa.concat_tables([one.lines for one in many]).to_pandas()
    return lines.rename(columns={"value": "found", "reason": "message"})


def made_from(files: Mapping[str, Path], notes: Sequence[tuple[str, str]]) -> pd.DataFrame:
    """What made a report: version, input files with their hashes, options."""
    return _made_from({k: (path.name, file_sha256(path)) for k, path in files.items()}, notes)


def _made_from(
    files: Mapping[str, tuple[str, str]], notes: Sequence[tuple[str, str]]
) -> pd.DataFrame:
    rows = [("程序", "drg-engine", __version__)]
    rows += [("输入", title, f"{name}　{sha256}") for title, (name, sha256) in files.items()]
    rows += [("选项", name, text) for name, text in notes]
    return pd.DataFrame(rows, columns=["section", "name", "content"])


def _counted(table: MoneyTable) -> tuple[str, int, int, int]:
    return (table.file, table.read, len(table.frame), table.rejects.row_count)


def _show_counts(rows: Sequence[tuple[str, int, int, int]]) -> None:
    show_table("读入", ("文件", "行", "可用", "读不懂"), rows)


def tell_results(out: Path, workbook: str) -> None:
    """Where the results are."""
    show_table("结果", ("文件",), [(str(out / workbook),)])
