"""payment.md §9 as tables: a row of data/payment/*.csv is an example, and rows can be added there.

data/payment/说明.md says which table holds what.  figures.csv is read by test_payment_figures,
risk.csv by test_risk, data/fit by test_weights and test_rates.
"""

from __future__ import annotations

import csv
import itertools
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from drg_engine.attribution import attribute
from drg_engine.indicators import consumption_index, grouping_rate
from drg_engine.money import fen_from_text, format_fen
from drg_engine.payment import KINDS, MISSING_FEN, PaymentColumns, settle
from drg_engine.payment_fund import split_fund
from drg_engine.payment_points import annual_settlement, fund_of_points, point_value
from drg_engine.policy import Policy, load_policy
from drg_engine.scenario import Layer, Scenario, WeightChange
from drg_engine.simulation import Simulation
from drg_engine.simulation_cells import Cells

Row = dict[str, str]
DATA = Path(__file__).parent / "data"


def table(name: str) -> list[Row]:
    with (DATA / "payment" / f"{name}.csv").open(encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def grouped(name: str) -> list[tuple[str, list[Row]]]:
    rows = itertools.groupby(table(name), key=lambda row: row["编号"])
    return [(number, list(held)) for number, held in rows]


def named(rows: Iterable[Row]) -> Any:
    return pytest.mark.parametrize("row", rows, ids=lambda row: row["编号"])


def sets(name: str) -> Any:
    return pytest.mark.parametrize(("number", "rows"), grouped(name), ids=lambda x: str(x)[:20])


def fen(text: str) -> int:
    return MISSING_FEN if text == "" else fen_from_text(text)


def example(name: str = "rate", **changes: Any) -> Policy:
    dotted = {key.replace("__", "."): value for key, value in changes.items()}
    return load_policy(DATA / "payment" / f"{name}_example.toml").with_changes(dotted)


def columns(frame: pd.DataFrame, *amounts: str) -> PaymentColumns:
    whole = frame.assign(insurance="310", weight=frame.get("weight", 1.0))
    return PaymentColumns.from_frame(whole, ["A", "B"], amounts=amounts)


# ---- the tables are whole


def test_every_figure_of_the_specification_is_in_a_table() -> None:
    found: set[str] = set()
    for path in [*DATA.glob("payment/*.csv"), *DATA.glob("fit/*.csv")]:
        with path.open(encoding="utf-8") as stream:
            for row in csv.DictReader(stream):
                found |= set(re.findall(r"payment\.md §9 (P\d+)", row.get("出处") or ""))
    assert found == {f"P{number}" for number in range(1, 19)}


def test_every_row_says_where_it_comes_from() -> None:
    examples = [*DATA.glob("payment/*.csv"), *DATA.glob("fit/*.csv")]
    for path in examples:
        if not path.stem.endswith("_example"):
            with path.open(encoding="utf-8") as stream:
                assert all(row["编号"] and row["出处"] for row in csv.DictReader(stream)), path
    told = (DATA / "payment" / "说明.md").read_text(encoding="utf-8")
    for path in examples:
        assert path.stem.endswith("_example") or path.name in told


# ---- one test for each table


@named(table("fund"))
def test_fund(row: Row) -> None:
    names = {
        "own_expense": "全自费",
        "pre_expense": "先行自付",
        "deductible": "起付线",
        "personal_pay": "个人负担",
        "other_fund": "其他基金",
    }
    case = {"case_id": "1", "drg": "A", "charges": fen(row["总费用"])}
    case |= {name: fen(row[title]) for name, title in names.items()}
    rate = fen(row["支付标准"]) / 100
    k = float(row["支付比例"] or 1)
    asked = example(rates={"310": rate}, fund__way=row["算法"], fund__default_k=k)
    settled = settle(columns(pd.DataFrame([case]), *names), asked)
    split = split_fund(settled)
    assert settled.standard.tolist() == [fen(row["支付标准"])]
    assert split.fund.tolist() == [fen(row["基金支付"])]
    assert settled.surplus.tolist() == [fen(row["医保盈亏"])]
    assert split.difference.tolist() == [fen(row["与结算之差"])]


@named(table("cap"))
def test_cap_on_high_cases(row: Row) -> None:
    """Each case over the bound exceeds it by a yuan more: the last ones are high."""
    n, over = int(row["出院病例"]), int(row["超过界值"])
    charges = np.full(n, 1_000_000, dtype=np.int64)
    charges[:over] = 3_000_100 + np.arange(over) * 100
    frame = pd.DataFrame({"case_id": [f"{i:04d}" for i in range(n)], "drg": "A"})
    settled = settle(columns(frame.assign(charges=charges)),
                     example(high__cap_share=float(row["占比上限"])))  # fmt: skip
    high = np.flatnonzero(settled.kind == KINDS.index("high"))
    most = int(row["按高倍率"])
    assert high.tolist() == list(range(over - most, over))
    assert over - most == int(row["按正常"])
    assert (settled.paid[: over - most] == 1_000_000).all()


@sets("stays")
def test_stays(number: str, rows: list[Row]) -> None:
    frame = pd.DataFrame(
        {
            "case_id": [row["病例"] for row in rows],
            "person_id": [row["人员"] for row in rows],
            "drg": [row["病组"] for row in rows],
            "principal_dx": [row["主要诊断"] for row in rows],
            "admission_date": [row["入院日期"] for row in rows],
            "discharge_date": [row["出院日期"] for row in rows],
            "weight": [float(row["基准点数"]) / 100 for row in rows],
            "charges": 1_200_000,
        }
    )
    asked = example("points", coefficient__default=1.0, readmission__days=15,
                    readmission__except_dx=["Z51."])  # fmt: skip
    settled = settle(columns(frame), asked)
    assert settled.paid.tolist() == [round(float(row["应付点数"]) * 7_600) for row in rows]


@named(table("extra"))
def test_extra(row: Row) -> None:
    rule = {
        "code": "new",
        "title": "新项目",
        "column": "item",
        "means": {"A": float(row["该类次均"])},
    }
    asked = example(
        extra=[rule],
        standard__means={"A": float(row["病组次均"])},
        rates={"310": float(row["支付标准"])},
    )
    case = {"case_id": "1", "drg": "A", "charges": fen(row["总费用"]), "item": fen(row["新项目"])}
    assert settle(columns(pd.DataFrame([case]), "item"), asked).paid.tolist() == [fen(row["支付"])]


@sets("indices")
def test_consumption_index(number: str, rows: list[Row]) -> None:
    n, own, reference = (
        [float(row[name]) for row in rows] for name in ("病例数", "本院次均", "参照次均")
    )
    counts = [int(count) for count in n]
    index, ratio = float(rows[0]["费用消耗指数"]), float(rows[0]["合计之比"])
    assert round(consumption_index(counts, own, reference), 6) == index
    assert round(consumption_index(counts, own, reference, sums=True), 6) == ratio


@named(table("attribution"))
def test_attribution(row: Row) -> None:
    n = int(row["病例数"])
    before, after = float(row["原权重"]), float(row["新权重"])
    frame = pd.DataFrame({"case_id": [f"{i}" for i in range(n)], "drg": "A", "charges": 800_000})
    base = example(rates={"310": float(row["原费率"])}, coefficient__default=float(row["机构系数"]))
    run = Simulation(columns(frame.assign(weight=before)), base)
    change = Scenario(
        name="s",
        title="s",
        layers=(Layer("s.toml", {"rates.310": float(row["新费率"])}),),
        weights=(WeightChange(scale=after / before),) if after != before else (),
    )
    outcome = run.run(change)
    assert int(outcome.base.settlement.paid.sum()) == fen(row["原支付"])
    assert int(outcome.after.settlement.paid.sum()) == fen(row["新支付"])
    parts = attribute(outcome, Cells.made(outcome.base.columns)).table().iloc[0]
    assert parts["weights_fen"] == fen(row["归于权重"])
    assert parts["rates_fen"] == fen(row["归于费率"])


@named(table("point_values"))
def test_point_values(row: Row) -> None:
    basis = row["口径"]
    value = point_value(
        float(row["基金预算"]), float(row["总点数"]), personal=float(row["个人支付"]), basis=basis
    )
    assert value == float(row["点值"])
    own = fen(row["医院个人支付"])
    fund = fund_of_points(float(row["医院点数"]), value, personal_fen=own, basis=basis)
    assert fund == fen(row["医院应得基金"])


@named(table("annual"))
def test_annual_settlement(row: Row) -> None:
    due = annual_settlement(
        float(row["点数"]),
        float(row["点值"]),
        prepaid_fen=fen(row["已预付"]),
        deductions_fen=fen(row["扣款"]),
        assessment_fen=fen(row["考核"]),
    )
    assert due == fen(row["应补"])


@named(table("monthly"))
def test_monthly_report(row: Row) -> None:
    rate = grouping_rate(int(row["入组病例数"]), int(row["病例数"]))
    assert f"{rate:.2%}" == row["入组率"]
    paid = fund_of_points(float(row["点数"]), float(row["点值"]), basis="fund")
    assert paid == fen(row["结算"]), format_fen(paid)
    charges = fen(row["总费用"])
    assert f"{(paid - charges) / charges:.2%}" == row["结算与总费用之差"]
