"""A made-up month for the tests of the reports: every table adds up, every name is invented."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from drg_engine.money import share_out, to_fen
from reports import MonthReport, ReportMeta

DEPARTMENTS = [
    *("心血管内科", "呼吸内科", "消化内科", "神经内科", "内分泌科", "肾内科", "血液内科", "感染科"),
    *("风湿免疫科", "肿瘤内科", "老年医学科", "全科医学科", "普外科一病区", "普外科二病区"),
    *("肝胆外科", "骨科一病区", "骨科二病区", "神经外科", "心胸外科", "泌尿外科", "烧伤整形科"),
    *("血管外科", "甲乳外科", "妇科", "产科", "儿科", "新生儿科", "眼科", "耳鼻喉科", "口腔科"),
    *("皮肤科", "康复科", "中医科", "重症医学科", "急诊科"),
]
_MALICIOUS = {30: '=HYPERLINK("http://x","皮肤科")', 32: "+中医科", 31: "@SUM(1+1)康复科"}
_MDC = "BCDEFGHIJKLMNOPQRSTUVWXZ"
_INSURANCES = ("310", "390", "340", "自费")
_INSURANCE_NAMES = ("职工医保", "居民医保", "离休干部", "全自费")
KINDS = ("normal", "low", "high", "ungrouped", "ambiguous", "no_weight", "out_of_scope", "unpriced")
_KIND_SHARES = (0.86, 0.05, 0.04, 0.015, 0.015, 0.005, 0.012, 0.003)


def demo_report(cases: int = 5_012, *, staff: int = 1_150, malicious: bool = False) -> MonthReport:
    """A month of a hospital of 35 departments; the same arguments give the same month."""
    rng = np.random.default_rng(20261001)
    names = [_MALICIOUS.get(i, n) if malicious else n for i, n in enumerate(DEPARTMENTS)]
    frame = _cases(rng, cases, names)
    drg_names = {
        code: f"{code[0]} 类第 {code[1:]} 组，伴或不伴合并症" for code in set(frame["drg"])
    }
    frame["drg_name"] = frame["drg"].map(drg_names)
    hospital = pd.concat([_rolled(frame, []), _earlier(_rolled(frame, []))], ignore_index=True)
    hospital.insert(0, "label", ["本月", "上月"])
    pools, pay = _pay(rng, names, staff, malicious)
    drgs = _rolled(frame, ["drg", "drg_name"])
    drgs["weight"] = drgs["cmi"]
    return MonthReport(
        meta=ReportMeta("松江示范医院（虚构）", "2026-10"),
        hospital=hospital,
        departments=_rolled(frame, ["department", "department_name"]),
        drgs=drgs,
        doctors=_rolled(frame, ["department", "department_name", "doctor", "doctor_name"]),
        insurances=_rolled(frame, ["insurance", "insurance_name"]),
        kinds=_rolled(frame, ["kind"]),
        cases=frame,
        department_pools=pools,
        staff_pay=pay,
        control_totals=pd.DataFrame(
            {
                "control": ["收费明细", "数量（执行）"],
                "unit": ["行", "次"],
                "decimals": [0, 4],
                "total_in": [602_311, 12_049_902_500],
                "placed": [601_889, 12_039_002_500],
                "unknown": [411, 10_900_000],
                "rejected": [11, 0],
                "difference": [0, 0],
                "note": ["", ""],
            }
        ),
        findings=pd.DataFrame(
            {
                "rule": [6],
                "severity": ["warning"],
                "subject": ["DRG 部分"],
                "message": ["DRG 盈亏分成没有质量门槛"],
                "source": ["allocation.md §7"],
                "rows": [0],
                "amount_fen": [0],
            }
        ),
        exceptions=_exceptions(frame),
        counts=pd.DataFrame(
            {
                "file": ["cases.csv", "charges.csv", "attendance.csv"],
                "read": [cases + 14, 602_311, staff],
                "accepted": [cases, 602_300, staff],
                "rejected": [14, 11, 0],
            }
        ),
        made_from=_made_from(),
        inputs=pd.DataFrame(
            {
                "file": ["inputs/2026-10/cases.csv", "inputs/2026-10/charges.csv"],
                "rows": [cases + 14, 602_311],
                "sha256": ["3f" * 32, "a7" * 32],
            }
        ),
    )


def _cases(rng: np.random.Generator, n: int, names: list[str]) -> pd.DataFrame:
    shares = rng.dirichlet(np.full(len(names), 5.0))
    department = rng.choice(len(names), size=n, p=shares)
    level = np.exp(rng.normal(0.0, 0.45, len(names)))
    group = rng.integers(0, 9, n)
    letters = np.array(list(_MDC))
    drg = np.char.add(
        letters[department % len(letters)],
        np.char.add(np.array(["R1", "B2", "C1", "E1", "S2", "T1", "U1", "V2", "W1"])[group], "3"),
    ).astype(object)
    weight = np.round(0.25 + level[department] * (0.4 + group * 0.22), 4)
    kind = rng.choice(len(KINDS), size=n, p=_KIND_SHARES)
    drg[kind == KINDS.index("ungrouped")] = "0000"
    grouped = ~np.isin(kind, [KINDS.index("ungrouped"), KINDS.index("ambiguous")])
    tilt = rng.normal(0.0, 0.10, len(names))[department]
    charges = to_fen(weight * 12_252.0 * np.exp(rng.normal(-0.02, 0.28, n) + tilt))
    standard = to_fen(weight * 12_252.0)
    paid = np.where(
        kind == 0, standard, np.where(kind == 2, standard + (charges - standard) // 3, charges)
    )
    doctor = rng.integers(0, 7, n)
    day = rng.integers(1, 32, n)
    los = rng.integers(1, 22, n)
    left = np.datetime64("2026-09-30") + day
    return pd.DataFrame(
        {
            "case_id": [f"ZY2026{i:06d}" for i in range(n)],
            "department": [f"D{101 + i}" for i in department],
            "department_name": [names[i] for i in department],
            "doctor": [f"{100_000 + 10 * i + j}" for i, j in zip(department, doctor, strict=True)],
            "doctor_name": [
                f"医生{10 * i + j:03d}" for i, j in zip(department, doctor, strict=True)
            ],
            "insurance": [_INSURANCES[i] for i in rng.choice(4, n, p=[0.5, 0.42, 0.03, 0.05])],
            "sex": rng.integers(1, 3, n).astype(np.int8),
            "age": rng.integers(0, 95, n).astype(np.int16),
            "admission_date": left - los,
            "discharge_date": left,
            "los": los,
            "principal_dx": [f"K{i:02d}.100" for i in rng.integers(0, 90, n)],
            "status": pd.Categorical(np.where(grouped, "grouped", "ungrouped")),
            "drg": drg,
            "severity": rng.integers(-1, 3, n).astype(np.int8),
            "weight": np.where(grouped, weight, np.nan),
            "kind": pd.Categorical.from_codes(kind, categories=list(KINDS)),
            "ratio": np.where(grouped, charges / standard, np.nan),
            "charges_fen": charges,
            "standard_fen": pd.Series(standard).where(grouped).astype("Int64"),
            "paid_fen": paid,
            "formula_fen": np.where(grouped, standard - charges, 0),
            "adjustment_fen": np.where(grouped, paid - standard, paid - charges),
            "surplus_fen": paid - charges,
            "cost_fen": to_fen(charges / 100.0 * 0.93),
            "basis_words": np.where(kind == 0, "正常病例，按支付标准支付", "据实支付"),
        }
    ).assign(
        insurance_name=lambda t: t["insurance"].map(
            dict(zip(_INSURANCES, _INSURANCE_NAMES, strict=True))
        ),
        cost_surplus_fen=lambda t: t["paid_fen"] - t["cost_fen"],
    )


def _rolled(frame: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """Sums of cases, in the columns of drg_engine.surplus."""
    grouped = frame["weight"].notna()
    held = frame.assign(
        cases=1,
        grouped=grouped.astype(np.int64),
        rw=frame["weight"].fillna(0.0),
        rw2=(frame["weight"] >= 2).astype(np.int64),
        days=frame["los"],
        group_code=frame["drg"].where(grouped),
        standard_fen=frame["standard_fen"].fillna(0).astype(np.int64),
        **{f"{kind}_cases": (frame["kind"] == kind).astype(np.int64) for kind in KINDS},
    )
    money = [c for c in held.columns if c.endswith("_fen")]
    sums = ["cases", "grouped", "rw", "rw2", "days", *money, *(f"{k}_cases" for k in KINDS)]
    if by:
        parts = held.groupby(by, sort=True, observed=True)
        out = parts[sums].sum().assign(drg_count=parts["group_code"].nunique()).reset_index()
    else:
        out = held[sums].sum().to_frame().T
        out = out.astype({c: np.int64 for c in sums if c != "rw"})
        out = out.assign(drg_count=held["group_code"].nunique())
    return out.assign(
        grouping_rate=out["grouped"] / out["cases"],
        cmi=(out["rw"] / out["grouped"].replace(0, np.nan)).astype(float),
        rw2_share=(out["rw2"] / out["grouped"].replace(0, np.nan)).astype(float),
        surplus_rate=out["surplus_fen"] / out["charges_fen"],
        mean_charges=out["charges_fen"] / 100.0 / out["cases"],
        mean_los=out["days"] / out["cases"],
    ).drop(columns="days")


def _earlier(row: pd.DataFrame) -> pd.DataFrame:
    """Last month: a little less of everything."""
    less = row.copy()
    for key in less.columns:
        scaled = less[key] * 0.97
        less[key] = scaled.round().astype(np.int64) if less[key].dtype == np.int64 else scaled
    return less


def _pay(
    rng: np.random.Generator, names: list[str], staff: int, malicious: bool
) -> tuple[pd.DataFrame, pd.DataFrame]:
    series = ("doctor", "nurse")
    pool_keys = [(d, s) for d in range(len(names)) for s in series]
    points_e6 = np.round(rng.uniform(8e9, 60e9, len(pool_keys))).astype(np.int64)
    value = 4.56789012
    pool = to_fen(points_e6 / 1e6 * value)
    member: npt.NDArray[np.int64] = np.arange(staff) % len(pool_keys)
    coefficient = np.round(rng.uniform(0.6, 1.8, staff), 4)
    ids = [f"{200_000 + i}" for i in range(staff)]
    pay = np.zeros(staff, dtype=np.int64)
    for index in range(len(pool_keys)):
        at = np.flatnonzero(member == index)
        if at.size:
            pay[at] = share_out(int(pool[index]), coefficient[at], [ids[i] for i in at])
        else:
            pool[index] = 0
    people = [f"员工{i:04d}" for i in range(staff)]
    if malicious and staff > 3:
        people[1], people[2], people[3] = "=1+1", "-2+3", "@cmd|' /C calc'!A0"
    pools = pd.DataFrame(
        {
            "department": [f"D{101 + d}" for d, _ in pool_keys],
            "department_name": [names[d] for d, _ in pool_keys],
            "kind": "medicine",
            "series": [s for _, s in pool_keys],
            "points_e6": points_e6,
            "coefficient": 1.0,
            "value": value,
            "points_fen": pool,
            "drg_fen": np.int64(0),
            "pool_fen": pool,
            "head_fund_fen": np.int64(0),
            "staff_fen": pool,
            "words": [
                f"点数 {p / 1e6:.2f} × 点值 {value:.8f} = {f / 100:,.2f}"
                for p, f in zip(points_e6, pool, strict=True)
            ],
        }
    )
    single = np.where(np.arange(staff) % 97 == 5, 50_000, 0).astype(np.int64)
    staff_pay = pd.DataFrame(
        {
            "staff_id": ids,
            "name": people,
            "department": [f"D{101 + pool_keys[i][0]}" for i in member],
            "series": [pool_keys[i][1] for i in member],
            "title": "主治医师",
            "post_coefficient_e4": np.int64(10_000),
            "coefficient": coefficient,
            "attendance": np.round(rng.uniform(0.7, 1.0, staff), 4),
            "average_fen": np.int64(0),
            "performance_fen": pay,
            "single_fen": single,
            "total_fen": pay + single,
            "words": [
                f"系数 {c:.4f}，得 {p / 100:,.2f}" for c, p in zip(coefficient, pay, strict=True)
            ],
        }
    )
    return pools, staff_pay


def _exceptions(frame: pd.DataFrame) -> pd.DataFrame:
    repeated = str(frame["case_id"].iloc[0]) if len(frame) else ""
    return pd.DataFrame(
        {
            "kind": ["病例剔除", "病例剔除", "目录外项目"],
            "file": ["cases.csv", "cases.csv", "charges.csv"],
            "row": pd.array([17, 301, None], dtype="Int64"),
            "column": ["年龄", "病案号", ""],
            "case_id": [repeated, repeated, None],
            "item_code": [None, None, "0102"],
            "found": ["三十", repeated, "0102"],
            "message": [
                "年龄不是数",
                "病案号重复，保留先出现的一行",
                "项目目录里没有这个项目，点数计入 UNKNOWN",
            ],
            "mend": ["请改成整数岁", "请核对两份病案", "请在 tables/items.csv 补上，或确认不计点"],
            "rows": [1, 1, 411],
            "amount_fen": pd.array([None, None, 1_234_567], dtype="Int64"),
        }
    )


def _made_from() -> pd.DataFrame:
    return pd.DataFrame(
        [
            ("程序", "drg-engine", "0.1.0"),
            (
                "分组方案",
                "名称",
                "harbin_2024　哈尔滨市 DRG 2024 版（以 CHS-DRG 1.1 为基础的差异）",
            ),
            ("分组方案", "哈希", "c4" * 32),
            (
                "分组方案",
                "可信程度",
                "组别与权重取自公开文件；诊断与手术目录为国家版，个别编码未经本地核对。"
                "结算以医保经办机构的分组结果为准，本程序的结果用于管理与核对。",
            ),
            ("支付政策", "名称", "harbin_2024，倍率界值为示例，不是该市的规定"),
            ("绩效方案", "名称", "plan.toml 示范方案"),
            ("选项", "病案号", "遮蔽"),
        ],
        columns=["section", "name", "content"],
    )
