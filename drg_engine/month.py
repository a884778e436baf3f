"""One month of a hospital, computed: cases → groups → settlement → surplus → allocation.

Nothing is written here; :mod:`drg_engine.month_run` writes what this gives.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from drg_engine.cases import CaseReader, Cases, ReadCounts, joined
from drg_engine.grouping import CodeLookup, Grouping, group
from drg_engine.payment import PaymentColumns, Settlement, settle
from drg_engine.policy import Policy, load_policy
from drg_engine.surplus import rollup
from drg_engine.workspace import Workspace
from grouper_tables import Scheme, load_scheme

if TYPE_CHECKING:
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
    """Everything computed for one month."""

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


def compute_month(workspace: Workspace, period: str, begin: Callable[[str], None]) -> Month:
    """Compute a month; ``begin`` is told each stage as it begins.

    Raises the DrgEngineError of whatever is wrong with settings, tables, policy, plan or inputs.
    """
    begin("读取分组方案与政策")
    run = workspace.run
    scheme = load_scheme(
        workspace.named_or_file(run.scheme),
        options={"clinical_codes": True} if run.clinical_codes else {},
    )
    policy = load_policy(workspace.named_or_file(run.policy))
    begin("读取病例")
    source = workspace.cases_file(period)
    reader = CaseReader(source)
    cases = joined(list(reader.parts()))
    begin("分组")
    lookup = CodeLookup(scheme)
    grouping = group(cases, scheme, lookup=lookup)
    begin("付费与盈亏")
    hospital = workspace.hospital
    columns = PaymentColumns.from_cases(
        cases, grouping, hospital=hospital.name, level=hospital.level
    )
    settlement = settle(columns, policy)
    rollups = {name: rollup(settlement, by) for name, by in LEVELS.items()}
    begin("绩效分配")
    plan, inputs, allocation = _allocated(workspace, period, rollups["departments"])
    files = {"cases": source}
    if inputs is not None:
        from performance import input_files

        files.update(input_files(workspace.tables, workspace.inputs(period)))
    return Month(
        workspace, period, files, scheme, policy, cases, reader.counts, grouping,
        lookup.unknown(cases), settlement, rollups, plan, inputs, allocation,
    )  # fmt: skip


def _allocated(
    workspace: Workspace, period: str, departments: pd.DataFrame
) -> tuple[Plan | None, Inputs | None, Allocation | None]:
    """Plan, inputs and allocation; nothing where the settings name no plan."""
    if workspace.run.plan is None:
        return None, None, None
    from performance import DrgSurplus, allocate, load_plan, read_inputs

    plan = load_plan(workspace.folder / workspace.run.plan)
    inputs = read_inputs(workspace.tables, workspace.inputs(period), period)
    basis = plan.model.drg.surplus or "insurance"
    known = departments[departments["department"] != ""]
    return plan, inputs, allocate(plan, inputs, DrgSurplus.from_rollup(known, basis))
