"""The kernel against a slow oracle: random cases under random policies with every rule."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from payment_oracle import Case, Oracle

from drg_engine import _kernels_payment_rules as kernels
from drg_engine import payment_words as words
from drg_engine._jit import JIT
from drg_engine.payment import KINDS, MISSING_FEN, MODES, PaymentColumns, settle
from drg_engine.payment_fund import fund_totals, split_fund
from drg_engine.policy import Policy, load_policy

DATA = Path(__file__).parent / "data" / "payment"
DRGS = ("AA11", "BB13", "CC15", "DD29", "AQY", "0000")
WEIGHTS = {"AA11": 0.5, "BB13": 1.0, "CC15": 2.0}
AMOUNTS = (
    "review_paid", "new_drug", "new_item", "fee_tcm", "own_expense", "pre_expense", "deductible",
    "personal_pay", "other_fund",
)  # fmt: skip
BED = {"code": "b", "title": "床日", "dx_prefixes": ["F2"], "per_day": 33.5}
SCOPE = [
    {"code": "long", "title": "长", "los_over": 60},
    {"code": "z", "title": "取消", "dx_prefixes": ["Z53.*"], "los_at_most": 2},
    {"code": "s", "title": "自费", "insurances": ["self"]},
    {"code": "t", "title": "小额", "charges_below": 5.0},
]
ROUNDS, CASES = (64, 150) if JIT else (12, 60)


def random_cases(random: np.random.Generator, n: int) -> list[Case]:
    made = []
    for i in range(n):
        drg = str(random.choice(DRGS, p=[0.2, 0.3, 0.25, 0.1, 0.05, 0.1]))
        status = {"AQY": 1, "0000": int(random.choice([2, 3]))}.get(drg, 0)
        usual = WEIGHTS.get(drg, 1.0) * 10_000
        times = float(random.choice([0.3, 0.4, 0.5, 1, 2, 3, 6, 0.0003, 1.7]))
        times *= float(random.choice([1.0, 1.0, random.uniform(0.5, 1.5)]))
        charges = round(usual * times * 100)
        admitted = date(2026, 1, 1) + timedelta(days=int(random.integers(0, 60)))
        los = int(random.choice([1, 2, 5, 9, 61]))

        def some(value: Any, missing: float = 0.1) -> Any:
            return None if random.random() < missing else value

        made.append(
            Case(
                case_id=f"C{random.integers(0, 10**6)}-{i}",
                drg=drg,
                status=status,
                weight=WEIGHTS.get(drg),
                insurance=some(str(random.choice(["310", "390", "340", "self"])), 0.03),
                charges=some(charges, 0.03),
                cost=some(round(charges * 0.9), 0.2),
                los=some(los, 0.05),
                dx=some(str(random.choice(["A00.000", "Z53.900", "F20.100", "Z51.100"])), 0.05),
                hospital=some(str(random.choice(["甲", "乙", "丙"])), 0.05),
                level=int(random.choice([1, 2, 3])),
                person=some(f"P{random.integers(0, n // 3)}"),
                admitted=some(admitted, 0.03),
                left=some(admitted + timedelta(days=los), 0.03),
                amounts={
                    name: some(int(charges * random.choice([0, 0.2, 0.65, 1.1])), 0.4)
                    for name in AMOUNTS
                },
            )
        )
    return made


def columns_of(cases: list[Case], names: tuple[str, ...] = AMOUNTS) -> PaymentColumns:
    rows = [
        {
            "case_id": case.case_id, "drg": case.drg, "status": case.status,
            "weight": np.nan if case.weight is None else case.weight, "insurance": case.insurance,
            "charges": case.charges, "cost": case.cost, "los": case.los, "principal_dx": case.dx,
            "hospital": case.hospital, "level": case.level, "person_id": case.person,
            "admission_date": case.admitted, "discharge_date": case.left, **case.amounts,
        }
        for case in cases
    ]  # fmt: skip
    return PaymentColumns.from_frame(pd.DataFrame(rows, dtype=object), DRGS, amounts=names)


def random_policy(random: np.random.Generator) -> Policy:
    def one(*values: Any) -> Any:
        return values[int(random.integers(0, len(values)))]

    method = one("rate", "rate", "points", "points", "table")
    overall = 8_000.0
    changes: dict[str, Any] = {
        "standard.method": method,
        "standard.overall_mean": overall,
        "standard.ratio_of": one("standard", "mean"),
        "standard.means": one({}, {"BB13": 9_100.0}),
        "points.scale": one(100.0, 1.0, 1_000.0),
        "points.find": one("given", "fund", "total"),
        "points.budgets": one({"310": 900_000.0, "390": 400_000.5}, {"310": 700_000.0}),
        "points.pooled": one(True, False),
        "coefficient.default": one(1.0, 1.07),
        "coefficient.by_level": one({}, {"3": 1.1, "2": 0.93}),
        "coefficient.by_hospital": one({}, {"甲": 1.21}),
        "coefficient.by_drg": one({}, {"CC15": {"3": 1.31, "1": 0.8}}),
        "coefficient.base_list": one([], ["AA11"]),
        "coefficient.maximum": one(10.0, 1.15),
        "ungrouped": one({"mode": "as_charged"}, {"mode": "share", "share": 0.87}),
        "ambiguous": one({"mode": "as_charged"}, {"mode": "share", "share": 0.333}),
        "no_weight": one({"mode": "as_charged"}, {"mode": "share", "share": 0.5}),
        "low.bound": one(0.0, 0.3, 0.4, 0.5),
        "low.inclusive": one(True, False),
        "low.mode": one("as_charged", "standard", "ratio_standard",
                        *([] if method == "table" else ["charged_times_control", "ratio_points"])),
        "high.by": one("single", "level", "weight", "points"),
        "high.bound": one(1.5, 2.0, 3.0),
        "high.levels": {"1": 1.4, "2": 2.0, "3": 3.0},
        "high.tiers": [{"upper": one(1.0, 100.0), "bound": 3.0}, {"bound": 1.6}],
        "high.tier_inclusive": one(True, False),
        "high.inclusive": one(True, False),
        "high.mode": one("as_charged", "standard", "excess_share",
                         *([] if method == "table" else ["linear_add", "deduct", "cap"])),
        "high.share": one(0.0, 0.8, 1.0),
        "high.cap_share": one(0.0, 0.03, 0.1, 1.0),
        "high.cap_of": one("discharges", "in_scope"),
        "bed_day": one([], [BED]),
        "review": one({}, {"column": "review_paid", "cap_share": one(0.02, 0.1)}),
        "readmission": one({}, {"days": one(0, 7, 30), "factor": 0.5,
                                "except_dx": one([], ["Z51."])}),
        "tcm": one({}, {"drgs": ["BB13", "CC15"], "minimum": 0.25, "otherwise": 0.77}),
        "extra": one([], [
            {"code": "a", "title": "甲", "column": "new_drug", "charges_over": 1.5,
             "share_over": 0.6, "means": {"BB13": 321.455, "CC15": 0.0}},
            {"code": "b", "title": "乙", "column": "new_item", "charges_over": 1.0,
             "share_over": 0.1, "means": {"AA11": 10.0, "BB13": 99.99}},
        ]),
        "fund": {"way": one("residual", "proportional", "share", "full"),
                 "k": {"310": 0.85}, "default_k": 0.61, "retained": 0.05},
    }  # fmt: skip
    base = load_policy(
        DATA / ("points_example.toml" if method == "points" else "rate_example.toml")
    )
    if method == "table":
        changes["standard.prices"] = [
            {"drg": "BB13", "yuan": 7_000.005},
            {"drg": "BB13", "level": "3", "yuan": 9_000.0},
            {"drg": "CC15", "insurance": "310", "yuan": 18_111.11},
            {"drg": "AA11", "level": "2", "insurance": "390", "yuan": 4_000.0},
        ]
    changes["scope"] = SCOPE[: one(2, 4)]
    return base.with_changes(changes)


def test_to_the_fen() -> None:
    random = np.random.default_rng(20261122)
    kinds: set[str] = set()
    modes: set[str] = set()
    for _ in range(ROUNDS):
        cases, policy = random_cases(random, CASES), random_policy(random)
        expected = Oracle(policy.rules).settle(cases)
        columns = columns_of(cases)
        settled = settle(columns, policy)
        fund = split_fund(settled)
        for i, told in enumerate(expected):
            found = (KINDS[settled.kind[i]], MODES[settled.mode[i]], _fen(settled.standard[i]),
                     _fen(settled.paid[i]), _fen(fund.fund[i]))  # fmt: skip
            assert found == (told.kind, told.mode, told.standard, told.paid, told.fund), cases[i]
        kinds |= {told.kind for told in expected}
        modes |= {told.mode for told in expected}
        known = [told.fund for told in expected if told.fund is not None]
        assert fund_totals(columns, policy, settled.mode, settled.paid)[:2] == (
            len(known), sum(known),
        )  # fmt: skip
    assert kinds == set(KINDS)
    if JIT:
        assert modes == set(MODES)


def _fen(amount: int) -> int | None:
    return None if amount == MISSING_FEN else int(amount)


def test_stays_of_one_person_without_end() -> None:
    """Hundreds of stays of one person: sorted otherwise than a few are."""
    random = np.random.default_rng(8)
    cases = random_cases(random, 300)
    for case in cases:
        case.person, case.drg, case.status, case.weight = "P", "BB13", 0, 1.0
    policy = load_policy(DATA / "rate_example.toml").with_changes({"readmission": {"days": 9}})
    expected = [told.paid for told in Oracle(policy.rules).settle(cases)]
    assert [_fen(paid) for paid in settle(columns_of(cases), policy).paid] == expected


def test_numbers_of_the_kernel_are_those_of_the_words() -> None:
    for place, kind in enumerate(words.KINDS):
        assert getattr(kernels, kind.upper()) == place
    names = {"standard": "BY_STANDARD", "bed_day": "BY_DAY"}
    for place, mode in enumerate(words.MODES):
        assert getattr(kernels, names.get(mode, mode.upper())) == place
    bases = {
        "B_NORMAL": ("normal", "standard"), "B_OVER_CAP": ("normal", "over_cap"),
        "B_NO_MEAN": ("normal", "no_mean"), "B_OUT_OF_SCOPE": ("out_of_scope", "as_charged"),
        "B_NO_RATE": ("out_of_scope", "no_rate"), "B_UNPRICED": ("unpriced", "none"),
        "B_BED_DAY": ("bed_day", "bed_day"), "B_REVIEW": ("review", "decision"),
        "B_EXTRA": ("normal", "extra"),
    }  # fmt: skip
    for name, (kind, why) in bases.items():
        assert getattr(kernels, name) == words.basis_of(kind, why)
