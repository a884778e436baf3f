"""A million grouped cases of a region and a policy with every rule on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from drg_engine.payment import MISSING_FEN, Coded, PaymentColumns
from drg_engine.policy import Policy, load_policy
from grouper_tables import Scheme

SCHEME = "harbin_2024"
HOSPITALS = 40
DOCTORS = 4_000


def regional_cases(scheme: Scheme, n: int, seed: int = 20261122) -> PaymentColumns:
    """Cases of a year of many hospitals: some ungrouped, cheap, dear, re-admitted, decided."""
    random = np.random.default_rng(seed)
    known = np.flatnonzero(np.isfinite(scheme.weights))
    drg = known[random.zipf(1.35, n) % known.size].astype(np.int32)
    status = np.zeros(n, dtype=np.int8)
    status[random.random(n) < 0.02] = 2
    status[random.random(n) < 0.01] = 1
    weight = np.asarray(scheme.weights, dtype=np.float64)[drg]
    weight[status > 0] = np.nan
    usual = np.where(np.isnan(weight), 1.0, weight) * 10_500.0
    charges = np.round(usual * random.lognormal(-0.12, 0.55, n) * 100.0).astype(np.int64)
    los = random.integers(1, 40, n).astype(np.int32)
    los[random.random(n) < 0.004] = 75
    doctor = random.integers(0, DOCTORS, n).astype(np.int32)
    per_hospital = DOCTORS // HOSPITALS
    admitted = np.datetime64("2026-01-01") + random.integers(0, 360, n).astype("timedelta64[D]")
    persons = int(n * 0.7)

    def share(part: float, some: float = 1.0) -> np.ndarray[Any, Any]:
        found = (charges * part * random.random(n)).astype(np.int64)
        found[random.random(n) >= some] = MISSING_FEN
        return found

    return PaymentColumns(
        case_id=pa.array(np.char.add("C", np.arange(n).astype("U8"))),
        status=status,
        drg=drg,
        drg_codes=tuple(scheme.drg_codes),
        weight=weight,
        insurance=Coded(random.choice(3, n, p=[0.55, 0.42, 0.03]).astype(np.int32),
                        ("310", "390", "self")),
        charges=charges,
        cost=(charges * 0.93).astype(np.int64),
        los=los,
        principal=random.integers(0, 20_000, n).astype(np.int32),
        dx_names=tuple(f"{chr(65 + i % 26)}{i % 100:02d}.{i:05d}" for i in range(20_000)),
        hospital=Coded(doctor // per_hospital, tuple(f"H{i:02d}" for i in range(HOSPITALS))),
        level=(3 - (doctor // per_hospital) % 2).astype(np.int8),
        admission_date=admitted,
        discharge_date=admitted + los.astype("timedelta64[D]"),
        labels={
            "department": Coded(doctor // 10 % 30, tuple(f"D{i:02d}" for i in range(30))),
            "doctor": Coded(doctor, tuple(f"Z{i:04d}" for i in range(DOCTORS))),
            "person_id": Coded(random.integers(0, persons, n).astype(np.int32),
                               tuple(f"P{i}" for i in range(persons))),
        },
        amounts={
            "own_expense": share(0.1),
            "pre_expense": share(0.1),
            "deductible": np.minimum(charges, 80_000),
            "personal_pay": share(0.4),
            "other_fund": share(0.05, 0.2),
            "review_paid": share(1.2, 0.01),
            "extra_drug": share(1.0, 0.2),
            "fee_tcm": share(0.3),
        },
    )  # fmt: skip


def written(cases: PaymentColumns, path: Path) -> Path:
    """The same cases as a Parquet file of grouped cases, as `settle` and `simulate` start from."""

    def texts(label: Coded) -> pa.DictionaryArray:
        codes = pa.array(label.codes, mask=label.codes < 0)
        return pa.DictionaryArray.from_arrays(codes, pa.array(list(label.names)))

    def fen(amounts: np.ndarray[Any, Any]) -> pa.Array:
        return pa.array(amounts, mask=amounts == MISSING_FEN)

    drg = Coded(np.where(cases.status == 0, cases.drg, -1).astype(np.int32), cases.drg_codes)
    columns = {
        "case_id": cases.case_id,
        "drg": texts(drg).cast(pa.string()).fill_null("0000"),
        "weight": pa.array(cases.weight, from_pandas=True),
        "insurance": texts(cases.insurance),
        "hospital": texts(cases.hospital),
        "hospital_level": pa.array(cases.level),
        "los": pa.array(cases.los),
        "admission_date": pa.array(cases.admission_date),
        "discharge_date": pa.array(cases.discharge_date),
        **{name: texts(label) for name, label in cases.labels.items()},
        "total_charges_fen": fen(cases.charges),
        "cost_fen": fen(cases.cost),
        **{f"{name}_fen": fen(amounts) for name, amounts in cases.amounts.items()},
    }
    pq.write_table(pa.table(columns), path)
    return path


def every_rule(scheme: Scheme) -> Policy:
    """A policy with each rule of payment.md on: figures are examples."""
    known = [code for code, w in zip(scheme.drg_codes, scheme.weights, strict=True) if w > 0]
    changes: dict[str, Any] = {
        "standard.overall_mean": 10_500.0,
        "coefficient.by_level": {"3": 1.05, "2": 0.98},
        "coefficient.by_hospital": {"H03": 1.1, "H07": 0.95},
        "coefficient.by_drg": {code: {"3": 1.02} for code in known[10:30]},
        "coefficient.base_list": known[30:50],
        "ungrouped": {"mode": "share", "share": 0.9},
        "ambiguous": {"mode": "share", "share": 0.8},
        "low.mode": "ratio_standard",
        "high.mode": "excess_share",
        "high.share": 0.8,
        "high.cap_share": 0.05,
        "high.cap_of": "in_scope",
        "bed_day": [{"code": "b", "title": "床日", "dx_prefixes": ["F2"], "per_day": 350.0}],
        "review": {"column": "review_paid", "cap_share": 0.005},
        "readmission": {"days": 15, "factor": 0.5, "except_dx": ["Z51."]},
        "extra": [
            {"code": "drug", "title": "新药", "column": "extra_drug", "charges_over": 1.5,
             "share_over": 0.6, "means": dict.fromkeys(known, 900.0)},
        ],
        "tcm": {"drgs": known[50:90], "minimum": 0.1, "otherwise": 0.9},
        "fund": {"way": "proportional", "k": {"310": 0.85, "390": 0.7}, "retained": 0.05},
    }  # fmt: skip
    return load_policy(SCHEME).with_changes(changes)


def used_columns(cases: PaymentColumns) -> list[np.ndarray[Any, Any]]:
    """Every column that settling under :func:`every_rule` reads, case ids left out."""
    dates = [cases.admission_date, cases.discharge_date]
    return [
        cases.status, cases.drg, cases.weight, cases.insurance.codes, cases.charges, cases.cost,
        cases.los, cases.principal, cases.hospital.codes, cases.level,
        cases.labels["person_id"].codes,
        *(date.view(np.int64) for date in dates if date is not None), *cases.amounts.values(),
    ]  # fmt: skip
