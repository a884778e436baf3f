"""The figures of payment.md §9 and hand-made ones: one row of figures.csv is one case.

A person who knows payment can add rows: 改动 holds TOML lines (parted by ;) over the policy.
"""

from __future__ import annotations

import csv
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from drg_engine.money import fen_from_text
from drg_engine.payment import KIND_TITLES, MISSING_FEN, PaymentColumns, settle
from drg_engine.policy import Policy, load_policy
from grouper_tables import load_scheme

DATA = Path(__file__).parent / "data" / "payment"
with (DATA / "figures.csv").open(encoding="utf-8") as stream:
    FIGURES = list(csv.DictReader(stream))


def policy_of(name: str, changes: str = "") -> Policy:
    path = DATA / f"{name}.toml"
    policy = load_policy(path if path.exists() else name)
    flat: dict[str, Any] = {}
    for line in filter(None, changes.split(";")):
        ((head, value),) = tomllib.loads(line).items()
        while isinstance(value, dict) and len(value) == 1:
            ((inner, value),) = value.items()
            head = f"{head}.{inner}"
        flat[head] = value
    return policy.with_changes(flat) if flat else policy


@pytest.mark.parametrize(
    "row", FIGURES, ids=lambda row: f"{row['编号']} {row['病组']} {row['险种']}"
)
def test_figure(row: dict[str, str]) -> None:
    frame = pd.DataFrame(
        {
            "case_id": ["1"],
            "drg": [row["病组"]],
            "weight": [float(row["权重"]) if row["权重"] else np.nan],
            "insurance": [row["险种"]],
            "charges": [fen_from_text(row["总费用"])],
            "los": [5],
        }
    )
    cases = PaymentColumns.from_frame(frame, [row["病组"]])
    # One case alone would have no place under a cap.
    policy = policy_of(row["政策"], row["改动"]).with_changes({"high.cap_share": 1.0})
    settled = settle(cases, policy)

    standard = fen_from_text(row["支付标准"]) if row["支付标准"] else MISSING_FEN
    assert settled.standard.tolist() == [standard]
    assert KIND_TITLES[settled.kind[0]] == row["病例类型"]
    assert settled.paid.tolist() == [fen_from_text(row["支付"])]


def test_p1_weights_are_the_schemes() -> None:
    scheme = load_scheme("harbin_2024")
    for row in FIGURES:
        if row["编号"] == "P1":
            place = scheme.drg_codes.index(row["病组"])
            assert scheme.weights[place] == float(row["权重"])


def test_the_policys_rates_are_the_published_ones() -> None:
    policy = load_policy("harbin_2024")
    assert policy.rules.rates == {"310": 12252.70, "390": 9649.24}
    assert policy.rules.rates == dict(load_scheme("harbin_2024").rates)


def test_p7_cap_on_high_cases() -> None:
    """200 discharges, 14 above the bound, cap 5 %: the 10 with the largest C − S are high."""
    charges = np.full(200, 1_000_000, dtype=np.int64)
    charges[50:64] = 3_000_001 + np.arange(14) * 100
    frame = pd.DataFrame(
        {
            "case_id": [f"C{i:03d}" for i in range(200)],
            "drg": "示例组",
            "weight": 1.0,
            "insurance": "310",
            "charges": charges,
            "los": 5,
        }
    )
    policy = policy_of("rate_example").with_changes({"high.cap_share": 0.05})
    settled = settle(PaymentColumns.from_frame(frame, ["示例组"]), policy)
    high = np.flatnonzero(settled.kind == KIND_TITLES.index("高倍率"))
    assert high.tolist() == list(range(54, 64))
    assert settled.basis_words()[50] == "超过高倍率界值，但高倍率病例占比已满，按正常病例支付"
    assert settled.paid[50:54].tolist() == [1_000_000] * 4


def test_the_rates_of_2023() -> None:
    assert load_policy("harbin_2023").rules.rates == {"310": 12165.26, "390": 12099.85}
