"""Control totals of a month with every source of points: what goes in comes out, by source."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from points_month import HEAD, STANDING, TABLES, plan_of

from performance import Allocation, allocate, read_inputs

CHARGES = (
    HEAD.strip() + ",来源\n2026-10-12,C1,0102,200,1,S1,1,S1,2,住院\n"
    "2026-10-12,,0102,10,1,S2,4,Z9,,门诊\n2026-10-12,,9999,3,1,S2,4,S2,,门诊\n"
    "2026-09-12,,0102,7,1,S2,4,S2,,门诊\n"
)
MORE = {
    "charges": CHARGES,
    "operations": "日期,项目编码,角色,工号\n2026-10-12,0102,主刀,1\n2026-10-12,0102,主刀,99\n",
    "nursing": "科室编码,床日\nS1,100\nZ9,10\n",
    "role_shares": "科室编码,项目类别,医生,护理,方式\n*,*,0.6,0.4,\n",
}


def month(folder: Path, **texts: str) -> Allocation:
    for name, text in (TABLES | MORE | texts).items():
        place = folder / ("tables" if name in STANDING else "inputs")
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{name}.csv").write_text(text, encoding="utf-8")
    nobody = {"technician": {"basis": "points", "value": "budget", "pool": 0.0}}
    plan = plan_of(series=nobody, roles={}, nursing={"points": 1.0}, points={"unknown": "exclude"})
    return allocate(plan, read_inputs(folder / "tables", folder / "inputs", "2026-10"))


def _row(control: pd.DataFrame, name: str) -> list[int]:
    columns = ["total_in", "placed", "unknown", "rejected", "difference"]
    return [int(x) for x in control.set_index("control").loc[name, columns]]


def test_every_source_closes(tmp_path: Path) -> None:
    control = month(tmp_path).control_totals
    assert (control["difference"] == 0).all()
    assert _row(control, "数量（开单）") == [2_200_000, 2_100_000, 100_000, 0, 0]
    assert _row(control, "数量（执行）") == [2_200_000, 2_000_000, 200_000, 0, 0]
    assert _row(control, "其中来源 住院") == [2_000_000, 2_000_000, 0, 0, 0]
    assert _row(control, "其中来源 门诊") == [130_000, 0, 130_000, 0, 0]
    assert _row(control, "其中无来源或不在本期") == [70_000, 0, 70_000, 0, 0]
    assert _row(control, "执行点数") == [315_000_000, 300_000_000, 15_000_000, 0, 0]
    assert _row(control, "手术角色点数") == [3_000_000, 1_500_000, 1_500_000, 0, 0]
    assert _row(control, "护理工作量点数") == [110_000_000, 100_000_000, 10_000_000, 0, 0]
    notes = control.set_index("control")["note"]
    assert notes["执行点数"] == "拆分：每项只计一次时 315 点，为其 1 倍"


def test_duplicate_rows_are_stated(tmp_path: Path) -> None:
    """The theatre's doctors count half of the ward's operations beside it."""
    shares = (
        "科室编码,项目类别,医生,护理,方式,归属科室\n*,*,0.6,0.4,,\n"
        "S1,手术,0.6,0.4,,\nS1,手术,0.5,0,重复,T1\n"
    )
    staff = TABLES["staff"] + "6,己,T1,医生,主治医师,1\n"
    control = month(tmp_path, role_shares=shares, staff=staff).control_totals
    assert _row(control, "执行点数")[0] == 465_000_000
    note = control.set_index("control").loc["执行点数", "note"]
    assert "另有重复计入 150 点" in note
    assert "每项只计一次时 315 点" in note
