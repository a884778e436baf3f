"""A small report of two random months for the insurance office's page, with hostile names."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd

from drg_engine.decomposition import decompose, frame_cells
from drg_engine.desk_frame import FEES
from drg_engine.desk_reference import DeskSettings, Reference, own_reference
from drg_engine.desk_tables import desk_tables
from reports.desk import DeskReport

HOSTILE = "</script><img src=x onerror=alert(1)>&\u2028"
FORMULA = "=HYPERLINK(1)"
DEPARTMENTS = {"KD01": HOSTILE, "KD02": "内二科", "KD03": "外一科"}
DOCTORS = {f"YS{at:03d}": f"医生{at:03d}号" for at in range(12)} | {"YS003": FORMULA}
DRGS = {f"X{at}1{at}": f"病组{at}，伴合并症" for at in range(7)}
INSURANCES = {"310": "职工医保", "390": "居民医保"}
SETTINGS = DeskSettings(
    small_cases=4,
    death_modes=(5,),
    cmi_cut=None,
    sample_deviation=False,
    fees=dict(zip(FEES, ("药品", "耗材", "检查化验", "医疗服务", "其他"), strict=True)),
)
_KINDS = np.array(["normal", "low", "high", "ungrouped", "out_of_scope", "unpriced"], dtype=object)


def desk_frame(seed: int, n: int = 240, groups: bool = True) -> pd.DataFrame:
    """Random cases as drg_engine.desk_frame gives them; every identifier is recognisable."""
    draw = np.random.default_rng(seed)
    department = draw.integers(0, 3, n)
    doctor = department * 4 + draw.integers(0, 4, n)
    kind = _KINDS[draw.choice(6, n, p=[0.7, 0.08, 0.08, 0.06, 0.05, 0.03])]
    priced, grouped = kind != "unpriced", kind != "ungrouped"
    drg = draw.integers(0, 7, n)
    weight = 0.4 + 0.35 * drg
    standing = priced & grouped & (kind != "out_of_scope")
    standard = np.where(standing, np.rint(weight * 1_000_000).astype(np.int64) + 7, 0)
    charges = np.where(priced, draw.integers(100_000, 4_000_000, n), 0)
    paid = np.where(kind == "normal", standard, charges - draw.integers(0, 9_999, n))
    paid = np.where(priced, paid, 0)
    formula = np.where(standing, standard - charges, 0)
    shares = draw.dirichlet(np.ones(6), n)
    held: dict[str, Any] = {
        "period": np.where(np.arange(n) < n // 2, "2026-09", "2026-10").astype(object),
        "place": np.arange(n, dtype=np.int64),
        "case_id": [f"BA{seed:03d}{at:07d}" for at in range(n)],
        "department": np.array([*DEPARTMENTS], dtype=object)[department],
        "doctor_group": [f"{'一二三'[at]}组" if groups else "" for at in department],
        "doctor": np.array([*DOCTORS], dtype=object)[doctor],
        "insurance": np.array([*INSURANCES], dtype=object)[draw.integers(0, 2, n)],
        "drg": np.where(grouped, np.array([*DRGS], dtype=object)[drg], "0000"),
        "adrg": "",
        "kind": kind,
        "basis_words": "正常病例，按支付标准支付",
        "principal_dx": [f"I{at % 40:02d}.x00" for at in range(n)],
        "grouped": grouped,
        "surgical": grouped & (drg % 3 == 0),
        "heavy": grouped & (weight >= 2),
        "priced": priced,
        "standing": standing,
        "near": standing & (abs(charges - standard) * 10 < standard),
        "costed": priced & (draw.random(n) < 0.9),
        "died": draw.random(n) < 0.02,
        "stayed": draw.random(n) < 0.98,
        "units": np.where(grouped, np.rint(weight * 1e8).astype(np.int64), 0),
        "los": draw.integers(1, 30, n),
        "charges_fen": charges,
        "standard_fen": standard,
        "paid_fen": paid,
        "formula_fen": formula,
        "adjustment_fen": paid - charges - formula,
        "surplus_fen": paid - charges,
    }
    held["los"] = np.where(held["stayed"], held["los"], 0)
    held["cost_fen"] = np.where(held["costed"], charges // 10 * 9, 0)
    held["cost_surplus_fen"] = np.where(held["costed"], paid - held["cost_fen"], 0)
    held["personal_fen"] = charges // 4
    held["review_fen"] = np.zeros(n, dtype=np.int64)
    for place, name in enumerate(FEES):
        held[f"{name}_fen"] = np.floor(charges * shares[:, place]).astype(np.int64)
    return pd.DataFrame(held)


def desk_report(seed: int = 7, n: int = 240, *, groups: bool = True) -> DeskReport:
    """The report, with last month to compare with; its reference knows all DRGs but one."""
    frame, before = desk_frame(seed, n, groups), desk_frame(seed + 1, n, groups)
    own = own_reference(before)
    known = own.table[own.table["drg"] != "X313"].reset_index(drop=True)
    reference = Reference(known, "参考表 参考均值.csv", own=False)
    desk = desk_tables(frame, reference, SETTINGS, {"上期": before})
    return DeskReport(
        hospital="示范医院",
        period="2026年9月至10月",
        stamp=datetime(2026, 11, 1),
        desk=desk,
        causes=decompose(frame_cells(frame), frame_cells(before)),
        against="上期",
        names={
            "department": DEPARTMENTS,
            "doctor": DOCTORS,
            "drg": DRGS,
            "insurance": INSURANCES,
        },
        made_from=pd.DataFrame(
            [("程序", "drg-engine", "0"), ("方案", "名称", "<b>方案</b>")],
            columns=["section", "name", "content"],
        ),
    )
