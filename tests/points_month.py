"""Small months for the tests of points: one surgical ward, one theatre, a few people."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from performance import Plan, check_plan, read_inputs
from performance.work import Work, work_points

STANDING = ("items", "departments", "role_shares", "staff", "units", "calendar")
HEAD = "收费日期,病案号,项目编码,数量,金额,开单科室,开单医生,执行科室,执行人\n"

TABLES = {
    "departments": "科室编码,科室名称,类型\nS1,外科,外科\nS2,二外科,外科\nT1,手术室,医技\n",
    "items": "项目编码,类别,点数,开单系数\n0102,手术,1.5,0.2\n",
    "role_shares": "科室编码,项目类别,医生,医技,护理\n*,*,0.6,0,0.4\n",
    "staff": (
        "工号,姓名,科室编码,系列,职称,岗位系数\n"
        "1,甲,S1,医生,主任医师,1.5\n2,乙,S1,护理,护师,1\n3,丙,T1,护理,护士,1\n"
        "4,丁,S2,医生,主治医师,1.2\n5,戊,S1,护理,护士,1\n"
    ),
    "charges": HEAD + "2026-10-12,C1,0102,200,1,S1,1,S1,2\n",
}

PLAN: dict[str, Any] = {
    "plan": {"name": "p", "title": "点数", "effective_from": "2026-01-01"},
    "points": {
        "attribution": "split",
        "order_series": "doctor",
        "unknown": "withhold",
        "personal": "keep",
    },
    "pool": {"source": "plan", "floor": "zero"},
    "series": {
        name: {"basis": "points", "value": "budget", "pool": 10_000.0}
        for name in ("doctor", "technician", "nurse")
    },
    "department_amounts": {"*": {"doctor": 1.0}},
    "drg": {"kind": "none"},
    "single_items": {"funding": "within"},
    "quality": {"kind": "none"},
    "staff": {
        "coefficients": ["post"],
        "combine": "product",
        "attendance": "ignore",
        "missing_attendance": "full",
    },
}


def plan_of(**sections: Any) -> Plan:
    """The plan with sections added or merged."""
    import datetime as dt

    raw = {name: dict(section) for name, section in PLAN.items()}
    raw["plan"]["effective_from"] = dt.date(2026, 1, 1)
    for name, section in sections.items():
        raw[name] = {**raw.get(name, {}), **section}
    return check_plan(raw)


def work_of(folder: Path, plan: Plan | None = None, **texts: str) -> Work:
    """Points of October 2026 from files; ``texts`` are CSV texts in place of the usual ones."""
    for place in ("tables", "inputs"):
        (folder / place).mkdir(parents=True, exist_ok=True)
    for name, text in (TABLES | texts).items():
        place = folder / ("tables" if name in STANDING else "inputs")
        (place / f"{name}.csv").write_text(text, encoding="utf-8")
    inputs = read_inputs(folder / "tables", folder / "inputs", "2026-10")
    return work_points(plan or plan_of(), inputs)


def points(work: Work, source: str = "points") -> dict[tuple[str, str], float]:
    """Points by (department, series)."""
    frame = work.by_department
    column = frame["points_e6" if source == "points" else f"{source}_e6"]
    pairs = zip(frame["department"], frame["series"], strict=True)
    return {pair: value / 1e6 for pair, value in zip(pairs, column, strict=True) if value}


def persons(work: Work) -> dict[tuple[str, str, str], float]:
    """Points by (department, series, staff id)."""
    frame = work.personal
    keys = zip(frame["department"], frame["series"], frame["staff_id"], strict=True)
    return {key: value / 1e6 for key, value in zip(keys, frame["points_e6"], strict=True)}


def told(work: Work) -> pd.DataFrame:
    """All exceptions of the lines and the points, by kind."""
    parts = [work.cells.exceptions, work.points.exceptions]
    whole = pd.concat([part for part in parts if len(part)] or [parts[0]], ignore_index=True)
    return whole.set_index("kind")
