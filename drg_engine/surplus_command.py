"""What ``drg-engine surplus`` does: months read, compared, written as workbook, page and tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import pandas as pd

from drg_engine import __version__
from drg_engine.console import show_table, stages
from drg_engine.decomposition import (
    UNTREATED,
    decompose,
    frame_cells,
    gathered,
    hospital_reference,
    means_reference,
)
from drg_engine.desk_edition import UNCOMPARED, department_code, own_cut, own_means, own_names
from drg_engine.desk_frame import FEES, DeskMonth, read_months
from drg_engine.desk_measures import measures
from drg_engine.desk_reference import (
    DeskSettings,
    Reference,
    desk_settings,
    own_reference,
    read_reference,
)
from drg_engine.desk_tables import Desk, desk_tables, previous_periods
from drg_engine.errors import Fault, InputError
from drg_engine.files import file_sha256
from drg_engine.money import format_fen
from drg_engine.payment_words import INSURANCE_TITLES
from drg_engine.report_tables import drop_csvs, write_csvs
from drg_engine.simulation_input import periods_of
from drg_engine.workspace import Workspace, open_workspace
from reports.desk import DESK_LAYOUT, DeskReport, desk_book_tables, write_desk_workbook
from reports.layout import Layout
from reports.style import Style

__all__ = ["AGAINST", "desk_report", "surplus_and_show", "write_page"]

AGAINST = ("auto", "last", "year", "hospital", "reference")
_REFERENCE = "参考均值.csv"
_WORKBOOK = "医保盈亏分析.xlsx"
_PAGE = "医保盈亏分析.html"
_LABELS = {"last": "上期", "year": "去年同期"}
_SHOWN = 12
_UNTREATED = "本科室没有的病组"


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What is asked for, checked."""

    workspace: Workspace
    periods: tuple[str, ...]
    settings: DeskSettings
    against: str
    reference: Path | None


def surplus_and_show(
    folder: Path,
    periods: str,
    out: Path,
    *,
    against: str = "auto",
    reference: Path | None = None,
    department: str | None = None,
    unmask: bool = False,
) -> None:
    """Analyse months of a workspace into ``out``.

    Raises the DrgEngineError of whatever is wrong; then nothing is written.
    """
    workspace = open_workspace(folder)
    wanted = _Wanted(
        workspace,
        periods_of(workspace, periods),
        desk_settings(workspace.folder),
        _checked(against),
        reference,
    )
    with stages(_stages(wanted)) as begin:
        report = desk_report(wanted, begin, department)
        begin("写工作簿")
        out.mkdir(parents=True, exist_ok=True)
        write_desk_workbook(report, out / _WORKBOOK, show_ids=unmask)
        begin("写网页")
        write_page(report, out / _PAGE, unmask=unmask)
        begin("写各表")
        layout = Layout.load(DESK_LAYOUT, Style.load())
        tables = desk_book_tables(report, layout)
        if not unmask:
            tables.pop("cases")
        write_csvs(DESK_LAYOUT, tables, out)
        # What an earlier, wider report wrote here is none of this one.
        drop_csvs(DESK_LAYOUT, tables, out)
    _show(report, out)


def write_page(report: DeskReport, path: Path, *, unmask: bool) -> None:
    """The page of the same report."""
    from reports.desk_page import write_desk_page

    write_desk_page(report, path, show_ids=unmask)


def _checked(against: str) -> str:
    if against not in AGAINST:
        fault = Fault(
            "--against", "没有这种参照", found=against, mend=f"可用：{'、'.join(AGAINST)}"
        )
        raise InputError("选项有误", [fault])
    return against


def _others(wanted: _Wanted) -> dict[str, tuple[str, ...]]:
    """Periods to compare with that the workspace has in full."""
    there = wanted.workspace.folder / "inputs"
    found = previous_periods(wanted.periods)
    return {
        name: months
        for name, months in found.items()
        if all((there / month).is_dir() for month in months)
        and not set(months) & set(wanted.periods)
    }


def _stages(wanted: _Wanted) -> int:
    return 5 + len(wanted.periods) + sum(len(months) for months in _others(wanted).values())


def desk_report(
    wanted: _Wanted, begin: Callable[[str], None], department: str | None = None
) -> DeskReport:
    """Read, compute and compare the months asked for.

    department: code or name; only its own cases, and nothing of any other one (desk_edition).
    """
    workspace, deaths = wanted.workspace, wanted.settings.death_modes
    months = read_months(workspace, wanted.periods, deaths, begin)
    compared = {
        name: _joined(read_months(workspace, periods, deaths, begin))
        for name, periods in _others(wanted).items()
    }
    begin("汇总")
    frame = _joined(months)
    if frame.empty:
        files = "、".join(month.file.name for month in months)
        fault = Fault(files, "一例可用的病例也没有", mend="核对月份和病例文件，被拒收的行逐行改正")
        raise InputError("没有病例，不能分析", [fault])
    reference = _reference(wanted, frame)
    names = _names(workspace, months[0])
    cut = wanted.settings.cmi_cut
    if department is None:
        cut = float(measures(frame)["cmi"].iloc[0]) if cut is None else cut
    else:
        department = department_code(frame, names["department"], department)
        cut = own_cut(frame, department, cut)
        frame, *rest = (_of(cases, department) for cases in (frame, *compared.values()))
        compared = dict(zip(compared, rest, strict=True))
        reference = own_means(reference, [frame, *rest])
        names = own_names(names, [frame, *rest])
    causes = _causes(wanted, frame, compared, reference, alone=department is not None)
    desk = desk_tables(
        frame,
        reference,
        wanted.settings,
        {_LABELS[name]: cases for name, cases in compared.items()},
    )
    begin("因何增减")
    return DeskReport(
        hospital=workspace.hospital.name,
        period=_period_words(wanted.periods),
        stamp=datetime.strptime(wanted.periods[-1], "%Y-%m"),
        desk=replace(desk, cmi_cut=cut),
        causes=causes.table,
        against=causes.against,
        names=names | {"drg": {**names["drg"], UNTREATED: _UNTREATED}} if causes.within else names,
        made_from=_made_from(months, reference, causes.against, counted=department is None),
        months=months,
        within=causes.within,
    )


def _of(frame: pd.DataFrame, department: str) -> pd.DataFrame:
    return frame[frame["department"] == department].reset_index(drop=True)


def _joined(months: Sequence[DeskMonth]) -> pd.DataFrame:
    return pd.concat([month.frame for month in months], ignore_index=True)


def _reference(wanted: _Wanted, frame: pd.DataFrame) -> Reference:
    given = wanted.reference
    usual = wanted.workspace.tables / _REFERENCE
    if given is None and usual.is_file():
        given = usual
    if given is not None:
        return read_reference(given)
    if wanted.against == "reference":
        fault = Fault(
            f"tables/{_REFERENCE}", "没有参考表", mend="放入参考表，或用 --reference 指明"
        )
        raise InputError("没有可参照的均值", [fault])
    return own_reference(frame)


@dataclass(frozen=True, slots=True, eq=False)
class _Causes:
    """What the surplus is compared with, in words, and the causes by department and DRG.

    within: it is the hospital itself.
    """

    against: str
    table: pd.DataFrame
    within: bool = False


def _causes(
    wanted: _Wanted,
    frame: pd.DataFrame,
    compared: Mapping[str, pd.DataFrame],
    reference: Reference,
    *,
    alone: bool,
) -> _Causes:
    """Compare as asked; alone: the frame is one department's, never compared with the hospital."""
    chosen = wanted.against
    if chosen == "auto":
        chosen = "last" if "last" in compared else "hospital"
    now = frame_cells(frame)
    if chosen in _LABELS:
        if chosen not in compared:
            months = "、".join(previous_periods(wanted.periods)[chosen])
            fault = Fault("inputs", f"没有{_LABELS[chosen]}的月份", found=months)
            raise InputError("没有可参照的期间", [fault])
        return _Causes(_LABELS[chosen], decompose(now, frame_cells(compared[chosen])))
    if chosen == "hospital" and alone:
        if wanted.against == "hospital":
            fault = Fault(
                "--against", UNCOMPARED, found="hospital", mend="用 last、year、reference 或不写"
            )
            raise InputError("选项有误", [fault])
        return _Causes("", decompose(now.iloc[:0], now.iloc[:0]))
    if chosen == "hospital":
        table = gathered(decompose(now, hospital_reference(now)))
        return _Causes("全院（同样例数）", table, within=True)
    columns = {f"{name}_fen": name for name in ("charges", *FEES)}
    means = reference.table.rename(columns=columns)
    kept = ["drg", *(name for name in columns.values() if name in means.columns)]
    means = means[kept].copy()
    for name in kept[1:]:
        means[name] = means[name] / 100.0
    return _Causes(reference.source, decompose(now, means_reference(now, means)))


def _names(workspace: Workspace, month: DeskMonth) -> dict[str, dict[str, str]]:
    scheme = month.scheme
    return {
        "department": workspace.department_names(),
        "doctor": workspace.staff_names(),
        "drg": dict(zip(scheme.drg_codes, scheme.drg_names, strict=True)),
        "insurance": dict(INSURANCE_TITLES),
    }


def _period_words(periods: Sequence[str]) -> str:
    first, last = periods[0], periods[-1]
    return first if len(periods) == 1 else f"{first} 至 {last}（{len(periods)} 个月）"


def _made_from(
    months: Sequence[DeskMonth], reference: Reference, against: str, *, counted: bool
) -> pd.DataFrame:
    """counted: whether the number of the files' rows is told."""
    scheme = months[0].scheme
    rows = [
        ("程序", "drg-engine", __version__),
        ("分组方案", "名称", f"{scheme.title}（{scheme.name}）"),
        ("分组方案", "指纹", scheme.tables_hash),
    ]
    policies = dict.fromkeys(pair for month in months for pair in month.policies)
    for words, digest in policies:
        rows += [("支付政策", "名称", words), ("支付政策", "指纹", digest)]
    rows += [
        (
            "输入",
            f"{month.period} {month.file.name}",
            (f"读入 {month.read:,} 行，拒收 {month.rejected:,} 行　" if counted else "")
            + file_sha256(month.file),
        )
        for month in months
    ]
    rows += [("参照", "因何增减", against or "无"), ("参照", "病组均值", reference.source)]
    if reference.file is not None:
        rows.append(("参照", "指纹", file_sha256(reference.file)))
    return pd.DataFrame(rows, columns=["section", "name", "content"])


def _show(report: DeskReport, out: Path) -> None:
    desk: Desk = report.desk
    whole = desk.tables["header"].iloc[0]
    title = (
        f"{report.hospital} {report.period}：{whole['cases']:,} 例，CMI {whole['cmi']:.4f}，"
        f"盈亏 {format_fen(whole['surplus_fen'])} 元"
    )
    names = report.names["department"]
    table = desk.tables["departments"].sort_values("surplus_fen", kind="stable")
    rows = [
        (
            names.get(row["department"], row["department"]),
            int(row["cases"]),
            f"{row['cmi']:.4f}",
            format_fen(row["charges_fen"]),
            format_fen(row["paid_fen"]),
            format_fen(row["surplus_fen"]),
            f"{row['surplus_rate']:.2%}",
        )
        for row in table.head(_SHOWN).to_dict("records")
    ]
    headings = ("科室", "例数", "CMI", "总费用", "应得支付", "盈亏", "盈亏率")
    show_table(f"{title}（列亏损最多的 {len(rows)} 个科室）", headings, rows)
    show_table("结果", ("文件",), [(str(out / name),) for name in (_WORKBOOK, _PAGE)])
