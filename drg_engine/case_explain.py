"""One case of a month, told: how it was grouped, priced and paid, and who pays."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from drg_engine.cases import CaseReader, Cases, joined
from drg_engine.errors import Fault, InputError
from drg_engine.explanation import Explainer
from drg_engine.grouping import group
from drg_engine.month_settle import month_policies, settle_month
from drg_engine.payment_explain import explain_payment
from drg_engine.workspace import Workspace, open_workspace
from grouper_tables import load_scheme
from reports.values import masked_ids

__all__ = ["Part", "explain_case"]

_LEAST_DIGITS = 4


@dataclass(frozen=True, slots=True)
class Part:
    """A part of an explanation: its title and its lines."""

    title: str
    lines: tuple[str, ...]


def explain_case(
    folder: Path,
    period: str,
    case_id: str,
    *,
    unmask: bool = False,
    begin: Callable[[str], None] = lambda _: None,
) -> list[Part]:
    """Tell how a case of a month was grouped and paid.

    case_id: whole, or at least its last four characters where these are one case's.  The id is
    shown masked unless ``unmask``.  The month is settled as a whole, since caps and readmissions
    look at other cases.  Raises InputError where there is no such case, with the reason where its
    row was rejected, and the DrgEngineError of whatever else is wrong.
    """
    workspace = open_workspace(folder)
    begin("读取分组方案与政策")
    run = workspace.run
    options = {"clinical_codes": True} if run.clinical_codes else {}
    scheme = load_scheme(workspace.named_or_file(run.scheme), options=options)
    policies = month_policies(workspace)
    begin("读取病例")
    cases = joined(list(CaseReader(workspace.cases_file(period)).parts()))
    row = _row_of(cases, case_id, period)
    begin("分组与付费")
    grouping = group(cases, scheme)
    dated = settle_month(workspace, period, cases, grouping, policies).dated
    own = cases.case_id[row].as_py()
    shown = own if unmask else str(masked_ids(pd.Series([own]))[0])
    grouped = Explainer(scheme).lines(cases, grouping, row)
    grouped[0] = grouped[0].replace(f"病例 {own}：", f"病例 {shown}：", 1)
    settlement, at = dated.locate(row)
    paid = explain_payment(settlement, at, shown_id=shown).splitlines()
    notices = tuple(dated.whole.notices)
    return [
        Part("病例", (_about(workspace, cases, row),)),
        Part("分组", tuple(grouped)),
        Part("付费", (f"支付政策：{settlement.policy.words()}", *paid)),
        *([Part("政策提示", notices)] if notices else []),
    ]


def _row_of(cases: Cases, wanted: str, period: str) -> int:
    ids = cases.case_id.cast(pa.string())
    wanted = wanted.strip()
    found = np.flatnonzero(np.asarray(pc.equal(ids, wanted)))
    if found.size == 0 and len(wanted) >= _LEAST_DIGITS:
        found = np.flatnonzero(np.asarray(pc.ends_with(ids, wanted)))
    if found.size == 1:
        return int(found[0])
    if found.size > 1:
        fault = Fault(
            "病例", f"有 {found.size} 例的病案号以此结尾", found=wanted, mend="写全病案号"
        )
        raise InputError("不能确定是哪一例", [fault])
    lines = cases.rejects.lines
    told = [line for line in lines.to_pylist() if line["case_id"] == wanted]
    faults = [
        Fault(line["file"], f"该行被拒收：{line['reason']}", line["row"], line["column"])
        for line in told
    ]
    short = len(wanted) < _LEAST_DIGITS
    mend = f"写病案号末 {_LEAST_DIGITS} 位或更多" if short else "核对病案号和月份"
    faults = faults or [Fault(f"inputs/{period}", "病例文件中没有这个病案号", mend=mend)]
    raise InputError("没有这一例", faults)


def _about(workspace: Workspace, cases: Cases, row: int) -> str:
    """What the month's file says of the case that is no identity."""
    texts = [workspace.hospital.name]
    department = cases.text("department")
    if department is not None and not _missing(department[row]):
        texts.append(f"科室 {department[row]}")
    for name, title in (("admission_date", "入院"), ("discharge_date", "出院")):
        if name in cases.extra.column_names and cases.extra[name][row].as_py() is not None:
            texts.append(f"{title} {cases.extra[name][row].as_py()}")
    texts.append(f"住院 {int(cases.los[row])} 天" if cases.los[row] >= 0 else "住院天数缺")
    return "，".join(texts)


def _missing(value: object) -> bool:
    return value is None or value != value  # noqa: PLR0124 -- NaN
