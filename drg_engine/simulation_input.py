"""What a simulation starts from: the cases of a workspace's months, grouped once per scheme."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from drg_engine.case_lists import with_lists
from drg_engine.cases import CaseReader, Cases, joined
from drg_engine.errors import Fault, PolicyError, WorkspaceError
from drg_engine.grouping import group
from drg_engine.payment import MISSING_FEN, Coded, PaymentColumns
from drg_engine.policy import Policy
from drg_engine.policy_set import load_policies
from drg_engine.scenario import Scenario, SchemeChange, changed_policy
from drg_engine.simulation import Regrouped, Simulation
from drg_engine.workspace import Workspace, open_workspace
from grouper_tables import Scheme, load_scheme

__all__ = ["Loaded", "joined_columns", "load_months", "periods_of", "repeated_cases"]

_MONTH = re.compile(r"\d{4}-(?:0[1-9]|1[0-2])")
_QUARTER = re.compile(r"(\d{4})-?[Qq]([1-4])")
_SPAN = re.compile(rf"({_MONTH.pattern})\.\.({_MONTH.pattern})")
_TOLD = 5


@dataclass(frozen=True, slots=True, eq=False)
class Loaded:
    """Months of a workspace, read and grouped.

    ``names``: for departments, doctors and DRGs, code to name.  ``notices``: of the months' lists.
    """

    workspace: Workspace
    periods: tuple[str, ...]
    files: tuple[Path, ...]
    scheme: Scheme
    simulation: Simulation
    read: int
    rejected: int
    names: Mapping[str, dict[str, str]] = field(default_factory=dict)
    notices: tuple[str, ...] = ()


def load_months(
    folder: Path,
    periods: str,
    scenarios: Sequence[Scenario],
    begin: Callable[[str], None] = lambda _: None,
) -> Loaded:
    """Read and group the cases of ``periods`` under the scenarios' baseline.

    The baseline is the policy (or policies, by date) that the scenarios name, else the workspace's;
    all must name the same.
    Raises the DrgEngineError of whatever is wrong with workspace, policy, tables or cases.
    """
    workspace = open_workspace(folder)
    wanted = periods_of(workspace, periods)
    begin("读取分组方案与政策")
    policies = _baseline(workspace, scenarios)
    changed = _changed(policies, scenarios)
    options = {"clinical_codes": True} if workspace.run.clinical_codes else {}
    scheme = load_scheme(workspace.named_or_file(workspace.run.scheme), options=options)
    begin("读取病例")
    files = tuple(workspace.cases_file(period) for period in wanted)
    readers = [CaseReader(path) for path in files]
    parts = [joined(list(reader.parts())) for reader in readers]
    begin("分组")
    drg_names = dict(zip(scheme.drg_codes, scheme.drg_names, strict=True))

    def regroup(change: SchemeChange) -> Regrouped:
        again = load_scheme(
            workspace.named_or_file(change.name), options=options | dict(change.options)
        )
        for code, name in zip(again.drg_codes, again.drg_names, strict=True):
            drg_names.setdefault(code, name)
        return _regrouped(parts, again)

    hospital = workspace.hospital
    listed = [
        with_lists(
            PaymentColumns.from_cases(
                cases, group(cases, scheme), hospital=hospital.name, level=hospital.level
            ),
            workspace.inputs(period),
            [*policies, *changed],
        )
        for period, cases in zip(wanted, parts, strict=True)
    ]
    columns = joined_columns([one.columns for one in listed])
    files += tuple(path for one in listed for path in one.files.values())
    begin("基准付费")
    simulation = Simulation(
        columns, policies, scheme=workspace.run.scheme, weights=scheme.weights, regroup=regroup
    )
    names = {
        "department": workspace.department_names(),
        "doctor": workspace.staff_names(),
        "drg": drg_names,
    }
    read = sum(reader.counts.read for reader in readers)
    rejected = sum(reader.counts.rejected for reader in readers)
    told = tuple(dict.fromkeys(note for one in listed for note in one.notices))
    told += repeated_cases(columns)
    return Loaded(workspace, wanted, files, scheme, simulation, read, rejected, names, told)


def periods_of(workspace: Workspace, text: str) -> tuple[str, ...]:
    """Months in order: ``2026-10``, ``2026-01..2026-06``, ``2026-Q3``, ``2026``, by commas.

    Of a year those that there are; of the others every month must be there.

    Raises WorkspaceError where a text is none of these, or a year has no month.
    """
    found: list[str] = []
    for part in (piece.strip() for piece in text.split(",")):
        span, quarter = _SPAN.fullmatch(part), _QUARTER.fullmatch(part)
        if quarter is not None:
            year, last = quarter[1], 3 * int(quarter[2])
            found += _between(f"{year}-{last - 2:02d}", f"{year}-{last:02d}")
        elif span is not None:
            found += _between(*span.groups())
        elif re.fullmatch(r"\d{4}", part):
            found += _months_of(workspace, part)
        else:
            found.append(part)
    wrong = [part for part in found if _MONTH.fullmatch(part) is None]
    if wrong or not found:
        mend = "写作 2026-10、2026-01..2026-06、2026-Q3 或 2026，多个用逗号隔开"
        raise WorkspaceError("月份写法不对", [Fault(text, "读不懂", mend=mend)])
    return tuple(sorted(set(found)))


def _between(first: str, last: str) -> list[str]:
    start, stop = (int(month[:4]) * 12 + int(month[5:]) - 1 for month in (first, last))
    return [f"{at // 12:04d}-{at % 12 + 1:02d}" for at in range(start, stop + 1)]


def _months_of(workspace: Workspace, year: str) -> list[str]:
    root = workspace.folder / "inputs"
    months = [path.name for path in root.glob(f"{year}-*") if _MONTH.fullmatch(path.name)]
    if not months:
        raise WorkspaceError("没有这一年的输入", [Fault(f"inputs/{year}-*", "没有任何月份")])
    return months


def _baseline(workspace: Workspace, scenarios: Sequence[Scenario]) -> tuple[Policy, ...]:
    """The policies that the scenarios stand on, in order of time."""
    named = sorted({scenario.baseline for scenario in scenarios}) or [""]
    if len(named) > 1:
        found = "、".join(name or "（工作区的政策）" for name in named)
        fault = Fault("baseline", "各情景的基准政策不同", found=found, mend="请分开运行")
        raise PolicyError("情景不能一起运行", [fault])
    return load_policies(named[0] or workspace.run.policy, workspace.folder)


def _changed(policies: Sequence[Policy], scenarios: Sequence[Scenario]) -> list[Policy]:
    """Every policy under every scenario; their faults are told before the cases are read."""
    found: list[Policy] = []
    faults: list[Fault] = []
    for scenario in scenarios:
        for policy in policies:
            try:
                found.append(changed_policy(scenario, policy))
            except PolicyError as error:
                faults.extend(fault for fault in error.faults if fault not in faults)
    if faults:
        raise PolicyError("情景的改动有误", faults)
    return found


def _regrouped(parts: Sequence[Cases], scheme: Scheme) -> Regrouped:
    found = [group(cases, scheme) for cases in parts]
    return Regrouped(
        status=np.concatenate([one.status for one in found]),
        drg=np.concatenate([one.drg for one in found]).astype(np.int32),
        drg_codes=tuple(scheme.drg_codes),
        drg_names=tuple(scheme.drg_names),
        weights=np.asarray(scheme.weights, dtype=np.float64),
    )


def joined_columns(parts: Sequence[PaymentColumns]) -> PaymentColumns:
    """Columns of several months grouped by one scheme, one after the other."""
    if len(parts) == 1:
        return parts[0]
    dx_names, principal = _joined_texts(
        [Coded(part.principal, tuple(part.dx_names)) for part in parts]
    )
    labels = sorted({name for part in parts for name in part.labels})
    amounts = sorted({name for part in parts for name in part.amounts})
    return replace(
        parts[0],
        case_id=pa.concat_arrays([_plain(part.case_id) for part in parts]),
        status=np.concatenate([part.status for part in parts]),
        drg=np.concatenate([part.drg for part in parts]),
        weight=np.concatenate([part.weight for part in parts]),
        insurance=_joined([part.insurance for part in parts]),
        charges=np.concatenate([part.charges for part in parts]),
        cost=np.concatenate([part.cost for part in parts]),
        los=np.concatenate([part.los for part in parts]),
        principal=principal,
        dx_names=dx_names,
        hospital=_joined([part.hospital for part in parts]),
        level=np.concatenate([part.level for part in parts]),
        admission_date=_dates([(part.admission_date, part.n) for part in parts]),
        discharge_date=_dates([(part.discharge_date, part.n) for part in parts]),
        settlement_date=_dates([(part.settlement_date, part.n) for part in parts]),
        labels={
            name: _joined([part.labels.get(name, Coded.same("", part.n)) for part in parts])
            for name in labels
        },
        amounts={
            name: np.concatenate(
                [part.amounts.get(name, np.full(part.n, MISSING_FEN)) for part in parts]
            )
            for name in amounts
        },
    )


def repeated_cases(columns: PaymentColumns) -> tuple[str, ...]:
    """A notice where a case stands in several months: one id with one day of discharge."""
    keys = {"id": _plain(columns.case_id).cast(pa.string())}
    if columns.discharge_date is not None:
        keys["left"] = pa.array(columns.discharge_date)
    counted = pa.table(keys).group_by(list(keys)).aggregate([([], "count_all")])
    again = counted.filter(pc.greater(counted["count_all"], 1))
    more = int(pc.sum(again["count_all"]).as_py() or 0) - again.num_rows
    if not more:
        return ()
    ids = sorted(again["id"].to_pylist())
    told = "、".join(name[-4:] for name in ids[:_TOLD]) + (" 等" if len(ids) > _TOLD else "")
    words = f"{more} 例与另一个月的病例同病案号、同出院日期（末四位 {told}），计了两次，请核对输入"
    return (words,)


def _plain(texts: pa.Array) -> pa.Array:
    return texts.combine_chunks() if isinstance(texts, pa.ChunkedArray) else texts


def _joined(parts: Sequence[Coded]) -> Coded:
    names, codes = _joined_texts(parts)
    return Coded(codes, names)


def _joined_texts(parts: Sequence[Coded]) -> tuple[tuple[str, ...], npt.NDArray[np.int32]]:
    """Codes into the names of all parts, sorted; missing stays −1."""
    names = tuple(sorted({name for part in parts for name in part.names}))
    place = {name: at for at, name in enumerate(names)}
    codes = []
    for part in parts:
        at = np.array([*(place[name] for name in part.names), -1], dtype=np.int32)
        codes.append(at[part.codes])
    return names, np.concatenate(codes)


def _dates(
    parts: Sequence[tuple[npt.NDArray[np.datetime64] | None, int]],
) -> npt.NDArray[np.datetime64] | None:
    if all(dates is None for dates, _ in parts):
        return None
    none = np.datetime64("NaT", "D")
    return np.concatenate([np.full(n, none) if dates is None else dates for dates, n in parts])
