"""The tables of a simulation's workbook: every scenario's, one under the other, with names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from drg_engine import __version__
from drg_engine.attribution import PARTS, attribute
from drg_engine.files import file_sha256
from drg_engine.payment import KINDS, MISSING_FEN
from drg_engine.policy import Policy
from drg_engine.scenario import PART_TITLES, Scenario, Step, in_order
from drg_engine.simulation import Outcome, check_names
from drg_engine.simulation_input import Loaded
from drg_engine.simulation_tables import (
    LEVELS,
    Compared,
    Comparer,
    kind_table,
    largest_changes,
    migration,
    totals_row,
)
from reports.simulation import SimulationReport

__all__ = ["BASELINE", "head_line", "made_from", "simulation_report"]

BASELINE = "基准"
_MOST_CASES = 500
_POINT_VALUES = {"as_policy": "依政策", "fixed": "用基准的点值", "closed": "总额不变，重新求点值"}


def simulation_report(
    loaded: Loaded,
    scenarios: Sequence[Scenario],
    *,
    order: Sequence[Step] = (),
    files: Sequence[Path] = (),
) -> SimulationReport:
    """Run the scenarios one by one and gather their tables; no settlement is kept.

    files: those of the scenarios, whose hashes the report tells.
    """
    check_names(scenarios, taken=BASELINE)
    comparer = Comparer(loaded.simulation)
    base = comparer.totals
    gathered: dict[str, list[pd.DataFrame]] = {name: [] for name in SimulationReport.TABLES}
    rows: list[dict[str, Any]] = [{"scenario": BASELINE} | totals_row(base, base)]
    for scenario in scenarios:
        outcome = loaded.simulation.run(scenario)
        compared = comparer.compare(outcome)
        notes = "；".join(outcome.notices)
        rows.append(
            {"scenario": scenario.title} | totals_row(compared.totals, base) | {"notes": notes}
        )
        for name, frame in _tables(outcome, comparer, compared, order).items():
            frame.insert(0, "scenario", scenario.title)
            gathered[name].append(frame)
    tables = {name: _stacked(frames) for name, frames in gathered.items()}
    tables["comparison"] = pd.DataFrame(rows)
    steps = " → ".join(PART_TITLES[name] for name in in_order(order)) if order else "依情景文件"
    more = [("程序", "随机种子", "不用随机数"), ("程序", "归因次序", steps)]
    tables["made_from"] = made_from(loaded, scenarios, files, more)
    return SimulationReport(
        hospital=loaded.workspace.hospital.name,
        periods=loaded.periods,
        tables={name: _named(frame, loaded) for name, frame in tables.items()},
        head=head_line(loaded),
    )


def _tables(
    outcome: Outcome, comparer: Comparer, compared: Compared, order: Sequence[Step]
) -> dict[str, pd.DataFrame]:
    found = dict(compared.tables)
    if len(found["hospitals"]) < 2:
        found["hospitals"] = found["hospitals"].iloc[:0]
    parts = attribute(outcome, comparer.cells, order=order)
    words = " → ".join(PART_TITLES[name] for name in parts.order)
    whole = []
    for measure, title in (("surplus", "医保盈亏"), ("cost_surplus", "成本盈亏")):
        table = parts.table(measure=measure).rename(columns={"cost_fen": "cost_part_fen"})
        whole.append(table.assign(measure=title, order=words))
    return found | {
        "kinds": kind_table(comparer.totals, compared.totals),
        "cases": _cases(outcome),
        "migration": migration(outcome),
        "attribution": pd.concat(whole, ignore_index=True),
        "attribution_departments": _moved(parts.table(LEVELS["departments"])),
        "attribution_drgs": _moved(parts.table(LEVELS["drgs"])),
        "changes": _changes(outcome),
    }


def _moved(frame: pd.DataFrame) -> pd.DataFrame:
    """Rows in which some part is not 0."""
    some = (frame[[f"{name}_fen" for name in PARTS]] != 0).any(axis=1)
    return frame[some].reset_index(drop=True)


def _cases(outcome: Outcome) -> pd.DataFrame:
    """The cases whose payment changes most."""
    rows = largest_changes(outcome, _MOST_CASES)
    old, new = outcome.base, outcome.after
    kinds = np.array(KINDS, dtype=object)

    def text(name: str) -> list[str]:
        label = old.columns.label(name)
        names = np.array(["", *(label.names if label else ())], dtype=object)
        return list(names[(label.codes[rows] if label else np.full(rows.size, -1)) + 1])

    paid = [state.paid[rows] for state in (old, new)]
    return pd.DataFrame(
        {
            "case_id": old.columns.case_id.take(rows).to_pylist(),
            "department": text("department"),
            "doctor": text("doctor"),
            "base_drg": text("drg"),
            "drg": np.array(new.columns.drg_codes, dtype=object)[new.columns.drg[rows]],
            "base_kind": kinds[old.kind[rows]],
            "kind": kinds[new.kind[rows]],
            "charges_fen": old.columns.charges[rows],
            "base_paid_fen": paid[0],
            "paid_fen": paid[1],
            "change_fen": paid[1] - paid[0],
        }
    )


def _changes(outcome: Outcome) -> pd.DataFrame:
    """What the scenario changes: policy, key, title, before, after, unit, source, author."""
    scenario = outcome.scenario
    policies = list(zip(outcome.base.policies, outcome.after.policies, strict=True))
    rows = []
    for one, two in policies:
        words = one.words() if len(policies) > 1 else ""
        rows += [(words, *row) for row in _differences(one, two)]
    if scenario.scheme is not None:
        rows.append(("", "scheme", "分组方案", outcome.base.scheme, outcome.after.scheme, ""))
    for weights in scenario.weights:
        listed = len({*weights.by_drg, *weights.factors})
        words = f"改动 {listed:,} 个病组，全部 × {weights.scale:g}"
        words += "，等比调整" if weights.rescale else ""
        rows.append(("", "weights", "权重", "（方案的权重）", words, ""))
    if scenario.cost_factor != 1.0:
        rows.append(("", "cost", "成本", "1", f"{scenario.cost_factor:.10g}", "倍"))
    if scenario.point_value != "as_policy":
        rows.append(
            ("", "budget.point_value", "点值（费率）", "", _POINT_VALUES[scenario.point_value], "")
        )
    frame = pd.DataFrame(rows, columns=["policy", "key", "title", "before", "after", "unit"])
    return frame.assign(source=scenario.source, author=scenario.author)


def _differences(one: Policy, two: Policy) -> Iterator[tuple[str, str, str, str, str]]:
    """Keys in which two policies differ: key, title, before, after, unit."""
    if one is two:
        return
    before, after = ({row.key: row for row in policy.describe()} for policy in (one, two))
    for key in dict.fromkeys([*before, *after]):
        old, new = before.get(key), after.get(key)
        known = new or old
        values = [row.value if row else "（无）" for row in (old, new)]
        if known is not None and values[0] != values[1]:
            yield key, known.title, values[0], values[1], known.unit


def _stacked(frames: list[pd.DataFrame]) -> pd.DataFrame:
    filled = [frame for frame in frames if not frame.empty]
    return pd.concat(filled, ignore_index=True) if filled else pd.DataFrame()


def _named(frame: pd.DataFrame, loaded: Loaded) -> pd.DataFrame:
    """The frame with the names of its codes, and amounts that are there."""
    new: dict[str, Any] = {}
    for key in ("department", "doctor", "drg", "base_drg"):
        if key in frame.columns:
            names = loaded.names.get(key.removeprefix("base_"), {})
            codes = frame[key].astype(object)
            new[f"{key}_name"] = codes.map(names).where(codes.isin(list(names)), codes)
    return frame.assign(**new)


def head_line(loaded: Loaded) -> str:
    """Scheme, policies, cases and version in one line."""
    policies = "、".join(policy.title for policy in _policies(loaded))
    cases = f"病例 {loaded.simulation.base.columns.n:,} 例"
    parts = (f"分组方案 {loaded.scheme.title}", f"基准政策 {policies}", cases)
    return "　·　".join([*parts, f"drg-engine {__version__}"])


def _policies(loaded: Loaded) -> Sequence[Policy]:
    """The policies of the baseline, in order of time."""
    return loaded.simulation.policies


def made_from(
    loaded: Loaded,
    scenarios: Sequence[Scenario],
    files: Sequence[Path] = (),
    more: Sequence[tuple[str, str, str]] = (),
) -> pd.DataFrame:
    """What a report was made from: section, name, content.

    files: those of the scenarios.  more: rows of the same form, such as the seed.
    """
    scheme = loaded.scheme
    unpriced = int((loaded.simulation.base.columns.charges == MISSING_FEN).sum())
    rows = [
        ("程序", "drg-engine", __version__),
        *more,
        ("分组方案", "名称", f"{scheme.title}（{scheme.name}）"),
        ("分组方案", "指纹", scheme.tables_hash),
        *(
            (f"基准政策{at}", *pair)
            for at, policy in _numbered(_policies(loaded))
            for pair in (("名称", f"{policy.title}（{policy.name}）"), ("指纹", policy.hash))
        ),
        ("病例", "读入 / 拒收", f"{loaded.read:,} / {loaded.rejected:,}"),
        ("病例", "无总费用，不计金额", f"{unpriced:,}"),
        *(
            ("输入文件", path.relative_to(loaded.workspace.folder).as_posix(), file_sha256(path))
            for path in loaded.files
        ),
        *(("情景文件", path.name, file_sha256(path)) for path in files),
        *(
            ("情景", scenario.title, f"{scenario.author}；{scenario.source}；{scenario.notes}")
            for scenario in scenarios
        ),
    ]
    return pd.DataFrame(rows, columns=["section", "name", "content"])


def _numbered(policies: Sequence[Policy]) -> list[tuple[str, Policy]]:
    """Each policy with its number, where there are several."""
    return [(f" {at}" if len(policies) > 1 else "", one) for at, one in enumerate(policies, 1)]
