"""What ``drg-engine pay`` does: writes what people receive, takes second allocations back."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from shutil import rmtree
from typing import TYPE_CHECKING

from drg_engine.console import say, show_table, stages
from drg_engine.errors import Fault, InputError, LedgerError, WorkspaceError
from drg_engine.money import format_fen

if TYPE_CHECKING:
    from drg_engine.month import Month
    from drg_engine.pay_month import PayMonth
    from drg_engine.pay_second import Second, SecondRows

__all__ = ["Written", "hand_in_and_show", "status_and_show", "write_and_show", "write_pay"]

_STAGES = 9
_READ_STAGES = 6
_MARK = "发放说明.txt"
_UNSAFE = re.compile(r'[\\/:*?"<>|\x00-\x1f]')
_STATUS = {
    "used": "已采用",
    "waiting": "已收下，待重跑采用",
    "outdated": "未采用：首次分配已变或文件有误",
}


@dataclass(frozen=True)
class Written:
    """What was written: every file, and of which month."""

    pay: PayMonth
    files: tuple[Path, ...]


def write_pay(
    folder: Path,
    period: str,
    out: Path,
    *,
    begin: Callable[[str], None] = lambda _: None,
    ledger: str | None = None,
) -> Written:
    """Write all workbooks and slips of a month to ``out``; the same month gives the same bytes.

    ``out`` must be new, empty, or written by this command before; then it is replaced as a whole.
    Raises the DrgEngineError of whatever is wrong.
    """
    from drg_engine.pay_month import load_pay_month

    out = out.resolve()
    _refuse_strange(out)
    pay = load_pay_month(folder, period, begin, ledger)
    aside = out.with_name(f".{out.name}.part")
    rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    try:
        names = _write_all(pay, aside, begin)
        _put_in_place(aside, out)
    finally:
        rmtree(aside, ignore_errors=True)
    return Written(pay, tuple(out / name for name in names))


def _refuse_strange(out: Path) -> None:
    """Never overwrite a folder that holds anything else."""
    if not out.exists():
        return
    if not out.is_dir() or (any(out.iterdir()) and not (out / _MARK).is_file()):
        mend = "换一个新的文件夹名"
        raise WorkspaceError(
            f"{out} 里已有别的内容",
            [Fault(out.name, "只写到新的、空的或上次发放的文件夹", mend=mend)],
        )


def _put_in_place(aside: Path, out: Path) -> None:
    old = out.with_name(f".{out.name}.old")
    rmtree(old, ignore_errors=True)
    try:
        if out.exists():
            out.replace(old)
        aside.replace(out)
    except OSError as error:
        if old.exists() and not out.exists():
            old.replace(out)
        fault = Fault(out.name, "文件正被占用", mend="关闭打开着的工作簿再试")
        raise WorkspaceError(f"{out} 换不上新结果", [fault]) from error
    rmtree(old, ignore_errors=True)


def _write_all(pay: PayMonth, out: Path, begin: Callable[[str], None]) -> list[str]:
    """Write everything; returns the names in order."""
    from drg_engine.pay_departments import department_pays
    from drg_engine.pay_slips import slips_of
    from drg_engine.pay_tables import pay_figures, pay_findings, pay_tables
    from performance.plan_flow import plan_flow
    from performance.plan_svg import flow_png
    from reports.pay import PayReport, write_department_workbook, write_pay_workbook
    from reports.slips import write_slip_page, write_slip_strips

    period = pay.period
    begin("写绩效分配工作簿")
    tables = pay_tables(pay)
    report = PayReport(
        pay.hospital, period, tables, pay_figures(pay), pay_findings(pay),
        flow_png(plan_flow(pay.plan)), pay.before is not None,
    )  # fmt: skip
    names = [f"绩效分配-{period}.xlsx"]
    write_pay_workbook(report, out / names[0])
    begin("写各科室工作簿")
    for one in department_pays(pay, tables):
        name = _new_name(f"科室/科室-{_file_name(one.department)}-{_file_name(one.name)}", names)
        names.append(name)
        write_department_workbook(one, out / name)
    begin("写工资条")
    slips = slips_of(pay)
    names += [f"工资条-{period}.xlsx", f"工资单-{period}.html"]
    write_slip_strips(pay.hospital, period, slips, out / names[-2])
    write_slip_page(pay.hospital, period, slips, out / names[-1])
    names.append(_MARK)
    (out / _MARK).write_text(_about(pay), encoding="utf-8")
    return names


def _file_name(text: str) -> str:
    return _UNSAFE.sub("_", text).strip(" .") or "_"


def _new_name(stem: str, names: Sequence[str]) -> str:
    """A file of its own for departments whose codes differ only in what no file name can hold."""
    taken, number = {name.casefold() for name in names}, 1
    name = f"{stem}.xlsx"
    while name.casefold() in taken:
        number += 1
        name = f"{stem}-{number}.xlsx"
    return name


def _about(pay: PayMonth) -> str:
    return (
        f"{pay.hospital} {pay.period} 绩效发放\n运行 {pay.run_id}：{pay.standing}\n\n"
        f"绩效分配-{pay.period}.xlsx　财务用：汇总、明细、名单、合规、核对、编制依据\n"
        "科室/　　　　　　　　　每科室一份，只有本科室的行；“二次分配”表填好交回\n"
        f"工资条-{pay.period}.xlsx　　每人一条，裁开发放，按科室分页\n"
        f"工资单-{pay.period}.html　　每人一页，可查找、打印\n\n"
        "含个人收入，请妥善保管。重新执行 drg-engine pay 时整个文件夹被替换。\n"
    )


def write_and_show(folder: Path, period: str, out: Path, ledger: str | None) -> None:
    """Write everything with a progress display, then say what was written."""
    with stages(_STAGES) as begin:
        written = write_pay(folder, period, out, begin=begin, ledger=ledger)
    pay = written.pay
    departments = sum(path.parent.name == "科室" for path in written.files)
    rows = [
        ("发放到人（元）", format_fen(pay.allocation.paid_fen)),
        ("人数", f"{len(pay.allocation.person_pay):,}"),
        ("科室工作簿", f"{departments:,}"),
        ("二次分配", f"已采用 {len(pay.second.used)} 个科室"),
        ("运行", f"{pay.run_id}（{pay.standing}）"),
    ]
    show_table(f"{pay.hospital} {period} 绩效发放", ("项目", "结果"), rows)
    say(f"结果文件：{out}")


def _closed(folder: Path, period: str, ledger: str | None) -> None:
    """Refuse to change the inputs of a month that is approved, locked or paid."""
    from drg_engine.ledger_states import OPEN_STATES, STATE_WORDS
    from drg_engine.pay_month import month_state
    from drg_engine.workspace import open_workspace

    state = month_state(open_workspace(folder), period, ledger)
    if state and state not in OPEN_STATES:
        word = STATE_WORDS[state]
        mend = "先退回或解锁；已锁定、已发放的用更正（adjustments）"
        raise LedgerError(f"{period} {word}，不再收二次分配", [Fault(period, word, mend=mend)])


def hand_in_and_show(folder: Path, period: str, files: Sequence[Path], ledger: str | None) -> None:
    """Take second allocations back: store the sound ones, then tell every fault of the others.

    Raises InputError with the faults of all files at once.
    """
    from drg_engine.pay_handed import read_second
    from drg_engine.pay_month import open_month
    from drg_engine.pay_second import store_second

    _closed(folder, period, ledger)
    with stages(_READ_STAGES) as begin:
        month = open_month(folder, period, begin, ledger)
    second = _second_of(month)
    known = {str(name): frame for name, frame in second.first.groupby("department")}
    taken: dict[str, tuple[Path, SecondRows]] = {}
    faults: list[Fault] = []
    for path in files:
        rows, wrong = read_second(path, period, known)
        faults += wrong
        if rows is None:
            continue
        if rows.department in taken:
            other = taken[rows.department][0].name
            faults.append(Fault(path.name, f"与 {other} 是同一科室", found=rows.department))
            continue
        taken[rows.department] = (path, rows)
    stored = []
    for department, (path, rows) in sorted(taken.items()):
        first, code = known[department], second.code_of(period, department)
        place = store_second(month.workspace, period, code, rows, first)
        changed = rows.frame.merge(first[["series", "staff_id", "first_fen"]])
        count = int((changed["second_fen"] != changed["first_fen"]).sum())
        whole = format_fen(int(rows.frame["second_fen"].sum()))
        shown = place.relative_to(folder).as_posix()
        stored.append((department, path.name, f"{len(rows.frame):,}", f"{count:,}", whole, shown))
    if stored:
        headings = ("科室", "文件", "岗位", "调整", "合计（元）", "存为")
        show_table("收下的二次分配", headings, stored)
        say(f"下一步：drg-engine run {folder} {period}，再 drg-engine pay")
    if faults:
        count = len({fault.file for fault in faults})
        raise InputError(f"{count} 个文件没有收下，共 {len(faults)} 处错误", faults)


def status_and_show(folder: Path, period: str, ledger: str | None) -> None:
    """Show which departments have handed in their second allocation, and what became of it."""
    from drg_engine.pay_month import open_month, run_inputs

    with stages(_READ_STAGES) as begin:
        month = open_month(folder, period, begin, ledger)
    second = _second_of(month)
    ran = run_inputs(month.workspace, period, ledger)
    told = {str(row["department"]): row for row in second.told.to_dict("records")}
    for one in told.values():
        if one["status"] == "used" and one["sha256"] not in ran:
            one["status"] = "waiting"
    status = [str(one["status"]) for one in told.values()]
    assert month.inputs is not None  # noqa: S101 -- there is an allocation
    known = month.inputs.departments
    names = dict(zip(known["department"], known["department_name"], strict=True))
    rows = []
    for department, posts in second.first.groupby("department", sort=True):
        row = told.pop(str(department), None)
        rows.append(
            (
                f"{department} {names.get(department, '')}".strip(),
                f"{len(posts):,}",
                format_fen(int(posts["first_fen"].sum())),
                "未报" if row is None else _STATUS[str(row["status"])],
                "" if row is None else str(row["sha256"])[:12],
                "" if row is None else str(row["message"]),
            )
        )
    for department, row in told.items():
        rows.append(
            (department, "0", "0.00", "未采用", str(row["sha256"])[:12], str(row["message"]))
        )
    headings = ("科室", "岗位", "首次分配（元）", "二次分配", "指纹", "说明")
    show_table(f"{month.workspace.hospital.name} {period} 二次分配", headings, rows)
    used, waiting = status.count("used"), status.count("waiting")
    lost = len(status) - used - waiting
    held = f"，已收下待重跑 {waiting} 个" if waiting else ""
    say(f"已采用 {used} 个科室{held}，交回而未采用 {lost} 个，共 {len(rows)} 个科室")
    if waiting:
        say(f"下一步：drg-engine run {folder} {period}")


def _second_of(month: Month) -> Second:
    assert month.second is not None  # noqa: S101 -- a month without a plan was refused
    return month.second
