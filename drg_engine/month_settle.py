"""The payment part of a month: its policies, its lists, each case settled by the one in force."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from drg_engine.case_lists import with_lists
from drg_engine.cases import Cases
from drg_engine.grouping import Grouping
from drg_engine.payment import PaymentColumns
from drg_engine.payment_dated import DatedSettlement, settle_policies
from drg_engine.policy import Policy
from drg_engine.policy_set import load_policies
from drg_engine.workspace import Workspace

__all__ = ["SettledMonth", "month_policies", "settle_month"]


@dataclass(frozen=True, slots=True, eq=False)
class SettledMonth:
    """A month settled; ``files`` are the lists that were joined to its cases, by name."""

    dated: DatedSettlement
    files: Mapping[str, Path]


def month_policies(workspace: Workspace) -> tuple[Policy, ...]:
    """The workspace's policies in order of time: one, several by commas, or a folder of them."""
    return load_policies(workspace.run.policy, workspace.folder)


def settle_month(
    workspace: Workspace,
    period: str,
    cases: Cases,
    grouping: Grouping,
    policies: tuple[Policy, ...],
) -> SettledMonth:
    """Settle a month's cases with its lists (review, new items, out of scope).

    Raises InputError for faulty lists, PolicyError where no policy can be used for some case.
    """
    hospital = workspace.hospital
    columns = PaymentColumns.from_cases(
        cases, grouping, hospital=hospital.name, level=hospital.level
    )
    listed = with_lists(columns, workspace.inputs(period), policies)
    dated = settle_policies(listed.columns, policies)
    whole = replace(dated.whole, notices=(*listed.notices, *dated.whole.notices))
    return SettledMonth(replace(dated, whole=whole), listed.files)
