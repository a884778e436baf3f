"""The charts of a simulation's page."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd

from reports.layout import Layout
from reports.simulation import attribution_steps
from reports.vega import Chart, Drill
from reports.vega_charts import grouped_bars, heat_map, tornado, waterfall, waterfall_rows

__all__ = ["simulation_charts"]

_WAN_FEN = 1e6
_NAME_HOLDS = 14
_MOST_DRGS = 24
_MOST_SCENARIOS = 30
_SPLIT = (("fund_fen", "基金支付"), ("patient_fen", "个人支付"), ("other_fen", "其他基金"))

_Rows = list[dict[str, Any]]


def simulation_charts(tables: Mapping[str, pd.DataFrame], layout: Layout) -> list[Chart]:
    """Waterfall, tornados, the split of payment and the migration, by scenario."""
    comparison = tables["comparison"]
    names = [str(name) for name in comparison["scenario"]]
    most = layout.charts.ranking_bars
    made = []
    if len(names) > 2:
        every = comparison.iloc[1:].assign(scenario="", code=comparison["scenario"])
        rows = _ranked(every, lambda row: str(row["code"]), "code", _MOST_SCENARIOS)
        drill = Drill("scenario", "code")
        title = "各情景的支付增减"
        made.append(tornado("scenarios", title, rows, who="情景", drill=drill, wide=True))
    steps = {
        name: waterfall_rows(
            [
                (step.label, step.value / 1e4, step.whole)
                for step in attribution_steps(tables, layout, name)
            ]
        )
        for name in names[1:]
    }
    made.append(waterfall("attribution", "增减归因", steps))
    kinds = layout.values.get("kind", {})
    made.append(
        tornado(
            "kinds",
            "各类病例的支付增减",
            _ranked(tables["kinds"], lambda row: kinds.get(row["kind"], row["kind"]), "kind", most),
            who="类型",
            more=[("before", "基准例数"), ("after", "情景例数")],
        )
    )
    for source, key, title, label in (
        ("departments", "department", "科室", lambda row: str(row["department_name"])),
        ("drgs", "drg", "病组", _drg_label),
        ("doctors", "doctor", "医生", _doctor_label),
    ):
        made.append(
            tornado(
                source,
                f"{title}的支付增减（最大的 {most} 个）",
                _ranked(tables[source], label, key, most),
                who=title,
                drill=Drill(key, "code"),
                more=[("after", "例数")],
            )
        )
    made += _fund(comparison, names)
    migration = tables["migration"]
    parts = migration.groupby("scenario", sort=False) if len(migration) else ()
    moved = {str(name): _migration(part) for name, part in parts}
    if moved:
        made.append(
            heat_map(
                "migration", f"病组迁移（例数最多的 {_MOST_DRGS} 个病组）", moved,
                x_title="情景下的病组", y_title="基准的病组", unit="例", drill=Drill("drg", "y"),
            )
        )  # fmt: skip
    return [chart for chart in made if any(chart.rows.values())]


def _ranked(
    frame: pd.DataFrame, label: Callable[[Mapping[str, Any]], str], code: str, most: int
) -> dict[str, _Rows]:
    """The largest changes of each scenario, the largest first."""
    if frame.empty:
        return {}
    moved = frame[frame["change_fen"] != 0]
    order = moved.assign(_size=moved["change_fen"].abs())
    order = order.sort_values(["_size", code], ascending=[False, True], kind="stable")
    top = order[order.groupby("scenario", sort=False).cumcount() < most]
    found: dict[str, _Rows] = {str(name): [] for name in frame["scenario"].unique()}
    records: list[Any] = top.to_dict("records")
    for row in records:
        rows = found[str(row["scenario"])]
        words = label(row)
        if any(held["label"] == words for held in rows):
            words = f"{words}（{row[code]}）"
        entry = {"label": words, "value": int(row["change_fen"]) / _WAN_FEN, "code": str(row[code])}
        if "base_cases" in row:
            entry["before"] = int(row["base_cases"])
        if "cases" in row:
            entry["after"] = int(row["cases"])
        rows.append(entry)
    return found


def _drg_label(row: Mapping[str, Any]) -> str:
    name = str(row["drg_name"])
    short = name if len(name) <= _NAME_HOLDS else name[: _NAME_HOLDS - 1] + "…"
    return f"{row['drg']} {short}"


def _doctor_label(row: Mapping[str, Any]) -> str:
    return f"{row['doctor_name']}（{row['department_name']}）"


def _fund(comparison: pd.DataFrame, names: list[str]) -> list[Chart]:
    """Who pays what, beside the baseline; nothing where the cases don't say."""
    if not comparison["fund_cases"].any():
        return []
    by_name = comparison.set_index("scenario")
    base = names[0]
    rows = {
        name: [
            {"label": words, "series": series, "value": int(by_name[key][who]) / _WAN_FEN}
            for key, words in _SPLIT
            if by_name[key].any()
            for series, who in ((base, base), ("情景", name))
        ]
        for name in names[1:]
    }
    return [grouped_bars("fund", "基金与个人分担", rows, [base, "情景"], who="承担")]


def _migration(frame: pd.DataFrame) -> _Rows:
    """Cases from DRG to DRG, among the DRGs that most cases leave or reach."""
    from_most = frame.groupby("base_drg")["cases"].sum().nlargest(_MOST_DRGS).index
    kept = frame[frame["base_drg"].isin(from_most)]
    to_most = kept.groupby("drg")["cases"].sum().nlargest(_MOST_DRGS).index
    kept = kept[kept["drg"].isin(to_most)].sort_values(["base_drg", "drg"], kind="stable")
    return [
        {"y": str(old), "x": str(new), "value": int(cases)}
        for old, new, cases in zip(kept["base_drg"], kept["drg"], kept["cases"], strict=True)
    ]
