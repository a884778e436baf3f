"""``drg-engine settle --scenario``: scenarios over a region's year, as tables for Excel."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import pyarrow as pa

from drg_engine.attribution import PARTS
from drg_engine.console import counted_rows, show_table
from drg_engine.errors import Fault, PolicyError
from drg_engine.money import format_fen
from drg_engine.payment import KIND_TITLES, KINDS
from drg_engine.policy import Policy
from drg_engine.scenario import PART_TITLES, Scenario, SchemeChange, changed_policy, load_scenario
from drg_engine.scenario_stream import ScenarioSums, run_scenarios
from drg_engine.scenario_sums import (
    LEVELS,
    StateSums,
    attribution_table,
    comparison_row,
    kind_table,
    level_table,
)
from drg_engine.settle_files import CaseSource
from drg_engine.settle_output import shown_table
from drg_engine.settle_totals import KEY_TITLES
from drg_engine.simulation import check_names
from drg_engine.writers import write_table
from grouper_tables import Scheme, load_scheme

__all__ = ["BASELINE", "compare_and_show", "comparison_tables", "load_listed"]

BASELINE = "基准"
_FOLDER = "情景"
_NAMES = {
    "comparison": "对比",
    "hospitals": "医院",
    "departments": "科室",
    "doctors": "医生",
    "drgs": "病组",
    "insurances": "险种",
    "kinds": "病例类型",
    "attribution": "归因",
    "attribution_hospitals": "归因-医院",
    "attribution_departments": "归因-科室",
    "attribution_drgs": "归因-病组",
}
_ATTRIBUTED = ("hospitals", "departments", "drgs")
_TITLES = {
    **KEY_TITLES,
    "scenario": "情景",
    "measure": "口径",
    "order": "次序",
    "cases": "病例数",
    "grouped": "入组病例数",
    "base_rw": "基准 ΣRW",
    "rw": "ΣRW",
    "cmi": "CMI",
    "charges_fen": "总费用",
    "standard_fen": "支付标准",
    "base_paid_fen": "基准支付",
    "paid_fen": "支付金额",
    "change_fen": "增减",
    "change_rate": "增减率",
    "base_surplus_fen": "基准医保盈亏",
    "surplus_fen": "医保盈亏",
    "surplus_rate": "盈亏率",
    "breakeven": "平衡倍率",
    "cost_fen": "成本",
    "base_cost_surplus_fen": "基准成本盈亏",
    "cost_surplus_fen": "成本盈亏",
    "fund_cases": "可分清基金支付的病例数",
    "base_fund_fen": "基准基金支付",
    "fund_fen": "基金支付",
    "fund_change_fen": "基金支付增减",
    "patient_fen": "个人负担",
    "other_fen": "其他基金支付",
    "turn": "转向",
    "base_cases": "基准病例数",
    "notes": "提示",
    **{f"{kind}_cases": f"{title}病例数" for kind, title in zip(KINDS, KIND_TITLES, strict=True)},
}


def load_listed(paths: Sequence[Path], policies: Sequence[Policy]) -> list[Scenario]:
    """Read scenario files and check their changes over the policies, all faults at once."""
    found: list[Scenario] = []
    faults: list[Fault] = []
    names = {name for policy in policies for name in (policy.name, Path(policy.file).stem)}
    for path in paths:
        try:
            scenario = load_scenario(path)
            if scenario.baseline and Path(scenario.baseline).stem not in names:
                mend = "请用 --policy 给出这份政策，或删去 baseline"
                told = scenario.baseline
                faults.append(Fault(path.name, "基准不是所给的政策", None, "baseline", told, mend))
            for policy in policies:
                changed_policy(scenario, policy)
            found.append(scenario)
        except PolicyError as error:
            faults.extend(error.faults)
    if faults:
        raise PolicyError("情景文件有误", faults)
    check_names(found, taken=BASELINE)
    return found


def comparison_tables(base: StateSums, outcomes: Sequence[ScenarioSums]) -> dict[str, pd.DataFrame]:
    """The tables of all scenarios, one under the other; money in fen."""
    rows = [comparison_row(BASELINE, base, base)]
    gathered: dict[str, list[pd.DataFrame]] = {name: [] for name in _NAMES}
    for outcome in outcomes:
        title = outcome.planned.scenario.title
        last = outcome.sums[-1] if outcome.sums else base
        row = comparison_row(title, last, base)
        rows.append(row | {"notes": "；".join(outcome.notices)})
        found = {name: level_table(name, last, base) for name in LEVELS if name != "total"}
        found["kinds"] = kind_table(last, base)
        names = [name for name, _ in outcome.planned.steps]
        words = " → ".join(PART_TITLES[name] for name in outcome.planned.order)
        parts = []
        for measure, said in (("surplus", "医保盈亏"), ("cost_surplus", "成本盈亏")):
            table = attribution_table("total", names, outcome.sums, base, measure)
            parts.append(table.assign(measure=said, order=words))
        found["attribution"] = pd.concat(parts, ignore_index=True)
        for name in _ATTRIBUTED:
            table = attribution_table(name, names, outcome.sums, base, "surplus")
            some = (table[[f"{part}_fen" for part in PARTS]] != 0).any(axis=1)
            found[f"attribution_{name}"] = table[some].reset_index(drop=True)
        for name, frame in found.items():
            frame.insert(0, "scenario", title)
            gathered[name].append(frame)
    tables = {
        name: pd.concat(frames, ignore_index=True) for name, frames in gathered.items() if frames
    }
    return {"comparison": pd.DataFrame(rows), **tables}


def compare_and_show(
    source: CaseSource,
    policies: Sequence[Policy],
    scenarios: Sequence[Scenario],
    folder: Path,
) -> None:
    """Run the scenarios, write their tables into ``folder``/情景, show the comparison."""
    raw = source.drgs.scheme is not None

    def load(change: SchemeChange) -> Scheme:
        return load_scheme(change.name, options=dict(change.options))

    with TemporaryDirectory(prefix="drg-engine-") as scratch, counted_rows("情景") as tell:
        base, outcomes = run_scenarios(
            source, policies, scenarios, Path(scratch), load=load if raw else None,
            tell=lambda stage, rows: tell(rows),
        )  # fmt: skip
    tables = comparison_tables(base, outcomes)
    for name, frame in tables.items():
        write_table(folder / _FOLDER / f"{_NAMES[name]}.csv", _shown(name, frame), bom=True)
    rows = [
        (
            row["scenario"],
            format_fen(int(row["paid_fen"])),
            format_fen(int(row["change_fen"])),
            format_fen(int(row["surplus_fen"])),
            format_fen(int(row["fund_fen"])),
            f"{row['low_cases']:,} / {row['high_cases']:,}",
        )
        for row in tables["comparison"].to_dict("records")
    ]
    headings = ("情景", "支付（元）", "增减", "医保盈亏", "基金支付", "低 / 高倍率")
    show_table(f"情景对比（{base.totals()['cases']:,} 例）", headings, rows)
    show_table("结果", ("文件",), [(str(folder / _FOLDER),)])


def _shown(name: str, frame: pd.DataFrame) -> pa.Table:
    titles = dict(_TITLES)
    if name.startswith("attribution"):
        titles |= {f"{part}_fen": PART_TITLES[part] for part in PARTS}
    filled = frame.copy()
    for key in frame.columns:
        if key in ("notes", "turn"):
            filled[key] = frame[key].where(frame[key].notna(), "").replace(np.nan, "")
    return shown_table(filled, titles)
