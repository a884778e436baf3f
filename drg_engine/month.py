"""One month of a hospital, computed: cases → groups → settlement → surplus → allocation.

Nothing is written here; :mod:`drg_engine.month_run` writes what this gives.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from drg_engine.case_needs import month_needs, refuse_blank, refuse_lacking
from drg_engine.cases import CaseReader, Cases, ReadCounts, joined
from drg_engine.errors import Fault, InputError, WorkspaceError
from drg_engine.grouping import CodeLookup, Grouping, group
from drg_engine.month_checks import month_warnings, refuse_no_cases
from drg_engine.month_settle import month_policies, settle_month
from drg_engine.payment import Settlement
from drg_engine.payment_dated import DatedSettlement
from drg_engine.policy import Policy
from drg_engine.surplus import rollup
from drg_engine.workspace import Workspace
from grouper_tables import Scheme, load_scheme

if TYPE_CHECKING:
    from drg_engine.ledger_adjustments import Adjustments
    from drg_engine.pay_second import Second
    from performance import Allocation, Inputs, Plan

__all__ = ["Month", "compute_month"]

LEVELS: Mapping[str, tuple[str, ...]] = {
    "hospital": (),
    "departments": ("department",),
    "drgs": ("drg",),
    "doctors": ("department", "doctor"),
    "insurances": ("insurance",),
    "kinds": ("kind",),
}
"""The roll-ups of a month and what each is by."""


@dataclass(frozen=True)
class Month:
    """Everything computed for one month; ``warnings``: what its cases should be looked at for."""

    workspace: Workspace
    period: str
    files: Mapping[str, Path]
    scheme: Scheme
    policy: Policy
    cases: Cases
    counts: ReadCounts
    grouping: Grouping
    unknown_codes: Mapping[str, int]
    settlement: Settlement
    rollups: Mapping[str, pd.DataFrame]
    plan: Plan | None
    inputs: Inputs | None
    allocation: Allocation | None
    adjustments: pd.DataFrame | None = None
    dated: DatedSettlement | None = None
    second: Second | None = None
    warnings: pd.DataFrame = field(default_factory=pd.DataFrame)

    @property
    def policies(self) -> tuple[Policy, ...]:
        """Every policy that the month was settled by, in order of time; ``policy`` is the last."""
        return (self.policy,) if self.dated is None else self.dated.policies


def compute_month(
    workspace: Workspace,
    period: str,
    begin: Callable[[str], None],
    adjustments: Adjustments | None = None,
) -> Month:
    """Compute a month; ``begin`` is told each stage as it begins.

    adjustments: corrections of locked months, paid as single items of this one.
    Raises the DrgEngineError of whatever is wrong with settings, tables, policy, plan or inputs.
    """
    begin("读取分组方案与政策")
    run = workspace.run
    scheme = load_scheme(
        workspace.named_or_file(run.scheme),
        options={"clinical_codes": True} if run.clinical_codes else {},
    )
    policies = month_policies(workspace)
    begin("读取病例")
    source = workspace.cases_file(period)
    reader, cases = _read_cases(source, policies)
    begin("分组")
    lookup = CodeLookup(scheme)
    grouping = group(cases, scheme, lookup=lookup)
    begin("付费与盈亏")
    settled = settle_month(workspace, period, cases, grouping, policies)
    settlement = settled.dated.whole
    parts = [part for _, part in settled.dated.parts]
    warnings = month_warnings(reader, period, cases, settlement, parts)
    rollups = {name: rollup(settlement, by) for name, by in LEVELS.items()}
    begin("绩效分配")
    plan, inputs, allocation = _allocated(workspace, period, cases, settlement, adjustments)
    files = {"cases": source, **settled.files}
    if inputs is not None:
        from performance import input_files

        files.update(input_files(workspace.tables, workspace.inputs(period)))
    if adjustments is not None:
        files["adjustments"] = adjustments.file
    second: Second | None = None
    if allocation is not None:
        from drg_engine.pay_second import apply_second, second_files

        seconds = second_files(workspace, period)
        files.update({f"second/{department}": path for department, path in seconds.items()})
        allocation, second = apply_second(allocation, period, seconds)
    return Month(
        workspace, period, files, scheme, settlement.policy, cases, reader.counts, grouping,
        lookup.unknown(cases), settlement, rollups, plan, inputs, allocation,
        None if adjustments is None else adjustments.table, settled.dated, second, warnings,
    )  # fmt: skip


def _read_cases(source: Path, policies: Sequence[Policy]) -> tuple[CaseReader, Cases]:
    """The month's cases; refused where what must be paid by is not there, or no case is."""
    reader, needs = CaseReader(source), month_needs(policies)
    refuse_lacking(reader, needs, dated=True)
    cases = joined(list(reader.parts()))
    refuse_no_cases(reader, cases)
    refuse_blank(reader, cases, needs)
    return reader, cases


def _allocated(
    workspace: Workspace,
    period: str,
    cases: Cases,
    settlement: Settlement,
    adjustments: Adjustments | None,
) -> tuple[Plan | None, Inputs | None, Allocation | None]:
    """Plan, inputs and allocation; nothing where the settings name no plan."""
    if workspace.run.plan is None:
        if adjustments is not None and len(adjustments.table):
            fault = Fault(
                adjustments.file.name, "没有分配方案，更正无处支付", mend="写明 [run] plan"
            )
            raise WorkspaceError(f"{period} 有更正而不做分配", [fault])
        return None, None, None
    from performance import DrgSurplus, allocate, load_plan, read_inputs
    from performance.drg_facts import died_cases, transferred_cases

    plan = load_plan(workspace.folder / workspace.run.plan)
    inputs = read_inputs(workspace.tables, workspace.inputs(period), period)
    if adjustments is not None and len(adjustments.table):
        items = [inputs.single_items, adjustments.single_items()]
        filled = [frame for frame in items if len(frame)]
        inputs = replace(inputs, single_items=pd.concat(filled, ignore_index=True))
    surplus = DrgSurplus.from_settlement(
        settlement, plan.model.drg, transferred=transferred_cases(cases), died=died_cases(cases)
    )
    allocation = allocate(plan, inputs, surplus)
    if adjustments is not None:
        _refuse_unpaid(adjustments, allocation)
    return plan, inputs, allocation


def _refuse_unpaid(adjustments: Adjustments, allocation: Allocation) -> None:
    """A correction that reaches nobody must not be told as paid (somebody who has left, say)."""
    items = allocation.single_items
    lost = items[(items["status"] != "paid") & items["matter"].isin(adjustments.matters)]
    mend = "补入人员表（已离院的也要有一行，本月出勤 0），或改正编码"
    faults = [
        Fault(
            adjustments.file.name, "发不出去：人员表、科室表或方案的系列中没有", int(row["row"]),
            "工号" if row["staff_id"] else "科室编码", str(row["staff_id"] or row["department"]),
            mend,
        )
        for row in lost.to_dict("records")
    ]  # fmt: skip
    if faults:
        raise InputError(f"更正表 {adjustments.file.name} 有 {len(faults)} 处错误", faults)
