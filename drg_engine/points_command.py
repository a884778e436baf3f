"""Building and keeping a point catalogue: the work behind ``drg-engine points``."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import typer

from drg_engine.console import counted_rows, show_table
from drg_engine.errors import Fault, InputError
from drg_engine.files import file_sha256
from drg_engine.money import MISSING_FEN, format_fen
from drg_engine.writers import write_table
from performance.catalogue import METHOD_WORDS, Catalogue, build_catalogue
from performance.catalogue_coverage import charged_coverage
from performance.catalogue_items import read_items
from performance.catalogue_methods import Methods, describe_methods, load_methods
from performance.catalogue_review import VERDICTS, is_review, read_decisions, read_review
from performance.catalogue_rules import carry_rules, latest_rows, without_rules
from performance.catalogue_values import NONE, read_value_table, rvu_values
from performance.catalogue_versions import (
    compare_versions,
    in_force,
    items_table,
    joined_versions,
    read_version,
)
from performance.columns import NO_DATE
from performance.line_files import LineFile
from performance.price_item_formats import load_formats, recognised
from performance.words import decimal_text

__all__ = [
    "BuildOptions",
    "build_workbook",
    "read_back",
    "show_coverage",
    "show_diff",
    "show_methods",
]

_EPOCH = dt.date(1970, 1, 1)


@dataclass(frozen=True, slots=True)
class BuildOptions:
    """What ``points build`` was asked for.  All files are given by their paths."""

    items: Path
    out: Path
    rvu: Path | None = None
    mapping: Path | None = None
    values: Path | None = None
    decisions: Path | None = None
    previous: Path | None = None
    methods: Path | None = None
    keep_previous: bool = False
    sheet: str | None = None
    values_sheet: str | None = None
    version: str = ""


@dataclass
class _Told:
    """What came up while building, for the command and for the workbook."""

    notices: list[str] = field(default_factory=list)
    made_from: list[tuple[str, str]] = field(default_factory=list)

    def file(self, label: str, path: Path | None) -> None:
        if path is not None:
            self.made_from.append((label, f"{path.name}　SHA-256 {file_sha256(path)}"))


def build_workbook(options: BuildOptions) -> Catalogue:
    """Build the catalogue, write its workbook and say how much is covered."""
    _check_options(options)
    told = _Told()
    methods = load_methods(options.methods)
    items, notices = read_items(options.items, options.sheet)
    told.notices += notices
    values, formats = _values(options, items, methods, told)
    decisions = [] if options.decisions is None else [read_decisions(options.decisions)]
    previous = None if options.previous is None else read_version(options.previous)
    _keep_decisions(options.out, [*decisions, *([previous.decisions] if previous else [])])
    with counted_rows("已比对") as tell:
        done = 0

        def count(rows: int) -> None:
            nonlocal done
            done += rows
            tell(done)

        built = build_catalogue(
            items,
            methods,
            values=values,
            decisions=decisions,
            previous=previous,
            keep_previous=options.keep_previous,
            formats=formats,
            version=options.version,
            tell=count,
        )
    told.notices += built.notices
    label = None if previous is None else f"{previous.label or '未注版本'}　内容指纹 "
    made_by = None if previous is None else f"{label}{previous.fingerprint}"
    _list_inputs(options, told, decisions, made_by)
    _write(built, options, methods, told)
    _say_built(built, options.out, told.notices)
    return built


def _keep_decisions(out: Path, given: Sequence[pd.DataFrame]) -> None:
    """Refuse to write over a catalogue with decisions that are not among those given."""
    if not is_review(out):
        return
    held = read_review(out).decisions
    known = set().union(*(table.itertuples(index=False, name=None) for table in given))
    lost = [row[0] for row in held.itertuples(index=False, name=None) if row not in known]
    if lost:
        shown = "、".join(lost[:5]) + (" 等" if len(lost) > 5 else "")
        mend = f"加上 --decisions {out.name}，或换一个 --out"
        fault = Fault(out.name, f"其中 {len(lost):,} 项人工决定会丢失", found=shown, mend=mend)
        raise InputError(f"{out.name} 已有人工决定，不能覆盖", [fault])


def _check_options(options: BuildOptions) -> None:
    if (options.rvu is None) != (options.mapping is None):
        mend = "--rvu 与 --mapping 一起给出：RVU 表和项目到 CPT/HCPCS 的对照"
        raise InputError("RVU 表要有对照才能用", [Fault("points build", "缺少其一", mend=mend)])
    if options.out.suffix.lower() != ".xlsx":
        fault = Fault(options.out.name, "点数目录写成 .xlsx", mend="换一个文件名")
        raise InputError(f"不能写成 {options.out.name}", [fault])


def _values(
    options: BuildOptions, items: pd.DataFrame, methods: Methods, told: _Told
) -> tuple[dict[str, pd.DataFrame], list[str]]:
    """Values by method, and what each item's code looks like."""
    values: dict[str, pd.DataFrame] = {}
    national = items["national_code"].where(items["national_code"].ne(""), items["item_code"])
    formats = recognised(national, load_formats())
    if options.rvu is not None and options.mapping is not None:
        values["rvu"], notices = rvu_values(items, options.rvu, options.mapping, methods)
        told.notices += notices
    if options.values is not None:
        table = read_value_table(options.values, methods, options.values_sheet)
        told.notices += table.notices
        for name in ("relative_value", "work"):
            values[name] = table.values(items, methods, name)
        held = table.holds(items)
        formats = [
            f"{text}（{table.file} 中有）".strip() if there else text
            for text, there in zip(formats, held.tolist(), strict=True)
        ]
    return values, formats


def _fingerprint(table: pd.DataFrame) -> str:
    return hashlib.sha256(table.to_csv(index=False).encode()).hexdigest()


def _list_inputs(
    options: BuildOptions, told: _Told, decisions: Sequence[pd.DataFrame], previous: str | None
) -> None:
    told.file("价格项目", options.items)
    told.file("RVU 表", options.rvu)
    told.file("项目到 CPT/HCPCS 的对照", options.mapping)
    told.file("赋分依据表", options.values)
    told.file("赋分方法", options.methods)
    for table in decisions:
        told.made_from.append(("人工决定", f"{len(table):,} 项　内容指纹 {_fingerprint(table)}"))
    if previous is not None:
        told.made_from.append(("上版", previous))
        kept = "上版点数优先于各表" if options.keep_previous else "各表优先于上版点数"
        told.made_from.append(("上版与各表的先后", kept))


def _write(built: Catalogue, options: BuildOptions, methods: Methods, told: _Told) -> None:
    from reports.catalogue import CatalogueReport, write_catalogue_workbook

    items = built.items.assign(version=built.version)
    pending = items["in_verdict"].eq("待定")
    review = built.to_review
    tables = {
        "review": _blanked(review, review["in_verdict"].ne("待定")),
        "items": _blanked(items, pending),
        "sources": built.sources,
        "classes": built.classes,
        "changes": built.changes,
        "made_from": _made_from(built, methods, told),
    }
    nothing = {} if built.compared else {"changes": "没有给出上版（--previous），无可比较。"}
    report = CatalogueReport(built.version, tables, VERDICTS, nothing)
    write_catalogue_workbook(report, options.out)


def _blanked(frame: pd.DataFrame, rows: pd.Series[bool]) -> pd.DataFrame:
    """The table with blank inputs in some rows."""
    out = frame.copy()
    for name in out.columns:
        if name.startswith("in_"):
            text = not pd.api.types.is_numeric_dtype(out[name])
            out.loc[rows, name] = "" if text else NO_DATE if name == "in_when" else NONE
    return out


def _made_from(built: Catalogue, methods: Methods, told: _Told) -> pd.DataFrame:
    from reports.catalogue import workbook_guide

    rows = [("版本", built.version or "未注"), *workbook_guide(), *told.made_from]
    rows += [("提示", notice) for notice in told.notices]
    rows += [(f"方法：{meaning}", f"{value}　（方法文件的键 {key}）") for key, value, meaning in
             describe_methods(methods)]  # fmt: skip
    for one in load_formats():
        words = f"{one.full_title}。依据：{one.source}。核实程度：{one.trust_words}。{one.note}"
        rows.append((f"国家格式：{one.title}", words))
    return pd.DataFrame(rows, columns=["label", "value"])


def _say_built(built: Catalogue, out: Path, notices: Sequence[str]) -> None:
    rows = [
        (row["source"], int(row["items"]), f"{row['items_share']:.2%}",
         f"{row['quantity_share']:.2%}", f"{row['amount_share']:.2%}")
        for row in built.sources.to_dict("records")
    ]  # fmt: skip
    show_table("点数目录", ("来源", "项目数", "占项目", "占数量", "占金额"), rows)
    whole = built.classes.iloc[-1]
    typer.echo(
        "覆盖率（不含药品、卫生材料）："
        f"项目 {_rate(whole['items_rate'])}，数量 {_rate(whole['quantity_rate'])}，"
        f"金额 {_rate(whole['amount_rate'])}"
    )
    if built.compared:
        counts = built.changes["change"].value_counts(sort=False).sort_index()
        said = "、".join(f"{name} {n:,}" for name, n in counts.items()) or "没有变化"
        typer.echo(f"与上版比较：{said}")
    for notice in notices:
        typer.echo(f"提示：{notice}", err=True)
    typer.echo(f"待复核 {int(built.items['review'].sum()):,} 项；点数目录：{out}")


def _rate(value: float) -> str:
    return "—" if np.isnan(value) else f"{value:.2%}"


def read_back(
    path: Path,
    out: Path,
    *,
    accept: float | None,
    zero: bool,
    version: str | None,
    dates: tuple[str | None, str | None],
    keep_old: bool,
    rules: Path | None = None,
) -> None:
    """Read a reviewed workbook and write the items table of a workspace.

    rules: an items table whose other columns (session rules, RVU parts) are carried over; that
    which stands at ``out`` where none is given.
    """
    first, last = (_day(text, name) for text, name in zip(dates, ("--from", "--to"), strict=True))
    if last is not None and first is not None and last <= first:
        fault = Fault("points read", "失效日期不晚于生效日期", column="--to", mend="改正日期")
        raise InputError("日期不对", [fault])
    if keep_old and first is None:
        mend = "--keep-old 要有 --from：旧版自该日起失效"
        raise InputError("没有生效日期", [Fault("points read", "缺少 --from", mend=mend)])
    review = read_review(path)
    least = None if accept is None else round(accept * 10_000)
    points = in_force(review, least, zero)
    taken = points[points["points_e4"] >= 0].reset_index(drop=True)
    frame = taken.assign(
        version=review.version if version is None else version,
        effective_from=NO_DATE if first is None else first,
        effective_to=NO_DATE if last is None else last,
    )
    told: list[str] = []
    if rules is None and out.is_file():
        rules = out
    if rules is None:
        frame = without_rules(frame)
    else:
        frame, told = carry_rules(frame, latest_rows(rules))
    if keep_old and out.is_file() and first is not None:
        frame = joined_versions(out, frame, first)
    write_table(out, items_table(frame), bom=True)
    decided = int(review.decisions["verdict"].ne("待定").sum())
    typer.echo(f"写入 {len(taken):,} 个项目，其中人工决定 {decided:,} 个：{out}")
    for notice in told:
        typer.echo(f"提示：{notice}", err=True)
    left = review.items[~review.items["item_code"].isin(taken["item_code"])]
    if len(left):
        amount = left["amount_fen"].where(left["amount_fen"].ne(MISSING_FEN), 0).sum()
        typer.echo(
            f"未写入 {len(left):,} 个没有点数的项目，金额 {format_fen(int(amount))} 元；"
            "其收费行将归入未知，留存待查",
            err=True,
        )


def _day(text: str | None, name: str) -> int | None:
    if text is None:
        return None
    try:
        return (dt.date.fromisoformat(text) - _EPOCH).days
    except ValueError as error:
        fault = Fault("points read", "不是日期", column=name, found=text, mend="写作 2026-10-01")
        raise InputError("日期不对", [fault]) from error


def show_diff(first: Path, second: Path, limit: int, out: Path | None) -> None:
    """Show what moved between two versions; optionally write all of it."""
    old, new = read_version(first), read_version(second)
    changes = compare_versions(old.points, new.points)
    counts = changes["change"].value_counts(sort=False).sort_index()
    said = "、".join(f"{name} {n:,}" for name, n in counts.items()) or "没有变化"
    typer.echo(f"{first.name} → {second.name}：{said}")
    rows = [
        (row["change"], row["item_code"], row["item_name"], _points(row["old_e4"]),
         _points(row["new_e4"]), row["detail"], row["new_reason"])
        for row in changes.head(limit or len(changes)).to_dict("records")
    ]  # fmt: skip
    if rows:
        headings = ("变化", "项目编码", "项目名称", "原点数", "新点数", "其他变化", "理由")
        show_table("", headings, rows)
    if limit and len(changes) > limit:
        typer.echo(f"共 {len(changes):,} 项，此处列出前 {limit} 项；--limit 0 全部列出")
    if out is not None:
        import pyarrow as pa

        names = {
            "change": "变化", "item_code": "项目编码", "item_name": "项目名称",
            "item_class": "类别", "old_e4": "原点数", "new_e4": "新点数", "detail": "其他变化",
            "old_reason": "原理由", "new_reason": "新理由",
        }  # fmt: skip
        data: Mapping[str, list[str]] = {
            label: [_points(v) if name.endswith("_e4") else str(v) for v in changes[name]]
            for name, label in names.items()
        }
        write_table(out, pa.table({k: pa.array(v, pa.string()) for k, v in data.items()}), bom=True)
        typer.echo(f"全部变化：{out}")


def _points(count: Any) -> str:
    return "" if int(count) < 0 else decimal_text(int(count), 4)


def show_coverage(items: Path, charges: Path, limit: int) -> None:
    """Show how much of a month's charge lines an items table covers."""
    with counted_rows("已汇总") as tell:
        lines = LineFile(charges)
        found, open_ = charged_coverage(items, lines)
        tell(lines.n)
    rows = [
        (row["status"], int(row["items"]), f"{row['items_share']:.2%}",
         decimal_text(int(row["quantity_e4"]), 4), f"{row['quantity_share']:.2%}",
         format_fen(int(row["amount_fen"])), f"{row['amount_share']:.2%}")
        for row in found.to_dict("records")
    ]  # fmt: skip
    show_table("覆盖率", ("状态", "项目数", "占项目", "数量", "占数量", "金额", "占金额"), rows)
    if len(open_):
        shown = [
            (row["item_code"], row["item_name"], row["status"], int(row["rows"]),
             decimal_text(int(row["quantity_e4"]), 4), format_fen(int(row["amount_fen"])))
            for row in open_.head(limit or len(open_)).to_dict("records")
        ]  # fmt: skip
        headings = ("项目编码", "项目名称", "状态", "收费行", "数量", "金额")
        show_table(f"没有点数的项目 {len(open_):,} 个，金额大的在前", headings, shown)


def show_methods(path: Path | None) -> None:
    """Show every key of a methods file with its value and meaning."""
    methods = load_methods(path)
    rows = [(key, value, meaning) for key, value, meaning in describe_methods(methods)]
    show_table(f"{methods.title}（{methods.valid_from} 起，依据：{methods.source}）",
               ("键", "值", "含义"), rows)  # fmt: skip
    order = " → ".join(METHOD_WORDS[name] for name in methods.order)
    typer.echo(f"先后：{order}")
