"""A month of the small hospital with every optional table, and settled cases of every kind."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from test_allocation_hospital import REMOVED, make_inputs

from drg_engine.payment import KINDS, PaymentColumns, Settlement, settle
from drg_engine.policy import load_policy
from performance import Inputs

PAYMENT = Path(__file__).parent / "data" / "payment"
DRGS = ["AA1", "BB1", "CC1"]
IN = dict.fromkeys(
    (
        "transferred", "self_pay", "out_of_region", "ungrouped", "ambiguous", "low", "high",
        "out_of_scope",
    ),
    "in",
)  # fmt: skip

TEXTS = {
    "posts": "工号,科室编码,系列,岗位占比,生效日期,失效日期\n"
    "100002,D101,医生,0.5,2026-01-01,\n100002,D201,医生,0.5,2026-10-11,\n",
    "staff_scores": "工号,个人得分,考核系数,满意度系数,个人点数\n"
    + "".join(
        f"1000{i:02d},{80 + i},{1 + i / 100:.2f},{1 - i / 200:.3f},{40 + 7 * i}\n"
        for i in range(1, 15)
        if i != 12
    ),
    "indicators": "科室编码,指标,实际值,参照值\nD101,住院日,6.2,7\nD201,住院日,9,7\n"
    "D301,住院日,7.1,7\nD401,住院日,5,\nD101,药占比,0.3,0.28\nD201,药占比,0.2,0.28\n",
    "income": "类别,项目,金额\n医疗收入,门诊,300000\n医疗收入,住院,500000\n药品收入,,200000\n"
    "卫生材料收入,,80000\n剔除收入,体检,20000\n承担成本,水电,420000\n",
    "head_funds": "科室编码,系列,上期余额\nD101,医生,5000\nD201,医生,800\n",
    "history": "科室编码,系列,金额\nD101,医生,9000\nD201,医生,5000\nD301,医生,9000\n"
    "D402,医生,9000\n",
}
BASE: dict[str, Any] = {"pool.approved_total": 200_000.0}


def rich_inputs(folder: Path, **texts: str) -> Inputs:
    """The month with all optional tables."""
    from test_allocation_hospital import SMALL

    folder.mkdir(parents=True, exist_ok=True)
    given = TEXTS | texts
    (folder / "tables").mkdir(exist_ok=True)
    posts = given.pop("posts")
    made = make_inputs(folder, **given)
    assert SMALL.is_dir()
    (folder / "tables" / "posts.csv").write_text(posts, encoding="utf-8")
    from performance import read_inputs

    return read_inputs(folder / "tables", folder / "inputs", made.period)


def settled() -> tuple[Settlement, Any, Any]:
    """Cases of three departments, of every kind; which were transferred, and who died."""
    kinds = ["normal", "low", "high", "ungrouped", "ambiguous", "out_of_scope", "normal", "normal"]
    rows = []
    for i, department in enumerate(["D101", "D201", "D301"] * len(kinds)):
        kind = kinds[i % len(kinds)]
        rows.append(
            {
                "case_id": str(i),
                "drg": DRGS[i % 3 if i % 5 else 0],
                "status": {"ungrouped": 2, "ambiguous": 1}.get(kind, 0),
                "weight": [0.6, 1.1, 2.3][i % 3 if i % 5 else 0],
                "insurance": "self" if i % 7 == 0 else "310",
                "charges": 900_000 + 13_300 * i,
                "cost": 800_000 + 9_100 * i,
                "los": 4 + i % 9,
                "department": department,
                "region": "110000" if i % 4 else "320000",
            }
        )
    columns = PaymentColumns.from_frame(pd.DataFrame(rows), DRGS)
    given = settle(columns, load_policy(PAYMENT / "rate_example.toml"))
    codes = [KINDS.index(kinds[i % len(kinds)]) for i in range(len(rows))]
    surplus = np.array([(i * 7919) % 40_000_00 - 15_000_00 for i in range(len(rows))])
    given = replace(given, kind=np.array(codes, dtype=np.int8), surplus=surplus)
    transferred = np.arange(len(rows)) % 6 == 0
    return given, transferred, np.arange(len(rows)) % 8 == 1


DRG_NONE = {"drg": {"kind": "none"}}
RW_PRICE = {
    "drg": {
        "kind": "rw_price", "rw_price": 90.0, "cmi": "ratio", "cmi_target": {"*": 1.1},
        "funding": "within", "cases": IN, "rw_cap": 100_000.0,
    }
}  # fmt: skip
STEPS = [
    {"upper": 0.95, "rate": 0.9},
    {"lower": 0.95, "upper": 1.05, "rate": 1.0},
    {"lower": 1.05, "rate": 1.2},
]
CMI_LADDER = {
    "drg": {
        "kind": "cmi_factor", "cmi": "ladder", "cmi_target": {"*": 1.1}, "cmi_steps": STEPS,
        "cases": IN,
    }
}  # fmt: skip
KPI = {
    "drg": {
        "kind": "kpi_only", "cases": IN,
        "kpis": [
            {"indicator": "cmi", "weight": 20.0, "target": 1.3, "better": "higher"},
            {"indicator": "time_index", "weight": 10.0, "target": 0.9, "better": "lower"},
        ],
    }
}  # fmt: skip
LADDERS = {
    "quality": {
        "kind": "ladder", "deduction": "withhold",
        "ladders": [{"indicator": "住院日", "node": "total", "steps": [
            {"upper": 0.95, "rate": 1.0}, {"lower": 0.95, "upper": 1.02, "rate": 0.97},
            {"lower": 1.02, "rate": 0.9},
        ]}],
    }
}  # fmt: skip
MEAN = {
    "series.administration": {
        "basis": "staff", "value": "mean",
        "mean": {
            "of_series": ["doctor"], "of_kinds": [], "per": "head", "share": 0.8,
            "evaluation": "apply", "satisfaction": "apply", "attendance": "apply",
        },
    }
}  # fmt: skip
INCOME = {
    "pool.source": "income",
    "pool.income": {"share": 0.15, "reserve": 1000.0},
    **{f"series.{name}.pool": REMOVED for name in ("doctor", "nurse", "technician")},
    "series.administration.pool": REMOVED,
    **{
        f"series.{name}.pool_share": share
        for name, share in (
            ("doctor", 0.5), ("nurse", 0.3), ("technician", 0.15), ("administration", 0.05),
        )
    },
}  # fmt: skip
TYPES = [
    {"name": "新技术奖", "direction": "add"},
    {"name": "病历缺陷扣款", "direction": "signed"},
    {"name": "夜班补贴", "direction": "add", "taxable": False},
]
FIXED = [{"name": "主任津贴", "amount": 100.0, "titles": ["主任医师"]}]
POOLS = [
    {"name": "工作量", "share": 0.6},
    {"name": "考核", "share": 0.4, "coefficients": ["score", "title"]},
]
