"""Base rates from a budget by hospital level; data/fit/levels.csv holds the figures."""

from __future__ import annotations

import csv
import datetime as dt
import itertools
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drg_engine.errors import InputError, PolicyError
from drg_engine.fit_inputs import read_fit_table
from drg_engine.payment import PaymentColumns, settle
from drg_engine.policy import load_policy
from drg_engine.rates import LevelRate, fit_rates, level_rates, rates_policy

DATA = Path(__file__).parent / "data"
INFO = {"name": "fitted", "title": "测算", "effective_from": dt.date(2027, 1, 1)}

with (DATA / "fit" / "levels.csv").open(encoding="utf-8") as stream:
    FIGURES = {
        name: list(rows)
        for name, rows in itertools.groupby(csv.DictReader(stream), key=lambda row: row["编号"])
    }


def budget(folder: Path, rows: list[str], heading: str = "") -> Path:
    path = folder / "预算.csv"
    heading = heading or "险种,医院级别,基金预算,实际报销比例,费用占比,总权重"
    path.write_text("\n".join([heading, *rows]) + "\n", encoding="utf-8-sig")
    return path


def rates_of(folder: Path, rows: list[str]) -> tuple[LevelRate, ...]:
    return fit_rates(read_fit_table(budget(folder, rows), "budget"))


def p17(insurance: str = "310", times: float = 1.0) -> list[str]:
    return [
        f"{insurance},{row['级别']},{float(row['基金预算']) * times:.0f},{row['实际报销比例']},"
        f"{row['费用占比']},{row['总权重']}"
        for row in FIGURES["P17"]
    ]


@pytest.mark.parametrize("name", FIGURES)
def test_p17_level_rates(name: str, tmp_path: Path) -> None:
    rows = FIGURES[name]
    expected = [float(row["费率"]) for row in rows]
    pure = level_rates(
        float(rows[0]["基金预算"]),
        float(rows[0]["实际报销比例"]),
        [float(row["费用占比"].rstrip("%")) / 100 for row in rows],
        [float(row["总权重"]) for row in rows],
    )
    assert pure == pytest.approx(expected)
    text = [f"310,{r['级别']},{r['基金预算']},{r['实际报销比例']},{r['费用占比']},{r['总权重']}"
            for r in rows]  # fmt: skip
    assert [rate.rate for rate in rates_of(tmp_path, text)] == expected


def test_order_of_rows_does_not_matter(tmp_path: Path) -> None:
    rows = p17() + p17("390", 0.5)
    assert rates_of(tmp_path, rows) == rates_of(tmp_path, rows[::-1])


@settings(max_examples=50, deadline=None)
@given(
    st.floats(1e5, 1e10),
    st.floats(0.1, 1.0),
    st.lists(st.tuples(st.integers(1, 100), st.floats(1.0, 1e6)), min_size=1, max_size=3),
)
def test_the_budget_is_spent(
    fund: float, reimbursed: float, levels: list[tuple[int, float]]
) -> None:
    parts = np.array([part for part, _ in levels], dtype=np.float64)
    weights = np.array([weight for _, weight in levels])
    rates = level_rates(fund, reimbursed, parts / parts.sum(), weights)
    assert float((rates * weights).sum()) * reimbursed == pytest.approx(fund)


def test_rates_from_cases(tmp_path: Path) -> None:
    """Charges 60 : 40; Σ RW 3.0 and 2.0 (a case without a weight adds charges only)."""
    cases = tmp_path / "病例.csv"
    cases.write_text(
        "险种,级别,总费用,病组\n310,3,30000,A\n310,三级,20000,A\n310,3,10000,X\n310,2,40000,B\n"
        "310,2,,0000\n390,3,5,A\n,3,5,A\n",
        encoding="utf-8",
    )
    path = budget(tmp_path, ["310,3,50000,0.5", "310,2,50000,0.5"],
                  "险种,医院级别,基金预算,实际报销比例")  # fmt: skip
    counted = read_fit_table(cases, "weighted_cases")
    table = read_fit_table(path, "budget")
    top, low = fit_rates(table, counted, {"A": 1.5, "B": 2.0})
    assert (top.split, top.weight, top.rate) == (0.6, 3.0, 20_000.0)
    assert (low.split, low.weight, low.rate) == (0.4, 2.0, 20_000.0)
    with pytest.raises(InputError, match="没有权重"):
        fit_rates(table, counted)
    with pytest.raises(InputError, match="又没有该险种的病例"):
        fit_rates(table)


@pytest.mark.parametrize(("level", "words"), [("1", "1 级"), ("", "未知")])
def test_charges_of_a_level_without_a_budget_are_not_left_out(
    level: str, words: str, tmp_path: Path
) -> None:
    cases = tmp_path / "病例.csv"
    text = f"险种,级别,总费用,权重\n310,3,30000,1.5\n310,2,20000,1\n310,{level},500,1\n"
    cases.write_text(text, encoding="utf-8")
    rows = ["310,3,50000,0.5", "310,2,50000,0.5"]
    path = budget(tmp_path, rows, "险种,医院级别,基金预算,实际报销比例")
    counted = read_fit_table(cases, "weighted_cases")
    with pytest.raises(InputError, match=f"预算表没有的级别有病例：{words}"):
        fit_rates(read_fit_table(path, "budget"), counted)


def test_a_policy_for_every_level(tmp_path: Path) -> None:
    """P17's rates settle: RW 1.0 at each level is paid 12,000, 8,000 and 5,000."""
    rates = rates_of(tmp_path, p17() + p17("390", 0.5))
    text, policy = rates_policy(rates, load_policy("harbin_2024"), INFO)
    path = tmp_path / "fitted.toml"
    path.write_text(text, encoding="utf-8")
    assert load_policy(path).rules == policy.rules
    assert policy.name == "fitted"
    assert policy.rules.high == load_policy("harbin_2024").rules.high
    assert "基金预算" in policy.source("rates.310")
    frame = pd.DataFrame(
        {"case_id": list("abcd"), "drg": "G", "weight": 1.0, "insurance": ["310"] * 3 + ["390"],
         "charges": 900_000, "level": [3, 2, 1, 1]}
    )  # fmt: skip
    settled = settle(PaymentColumns.from_frame(frame, ["G"]), policy)
    assert settled.standard.tolist() == [1_200_000, 800_000, 500_000, 250_000]


def test_rounded_rates_of_alike_levels_make_one_policy(tmp_path: Path) -> None:
    """7 : 10 in both types; 2,706.37 / 3,866.25 and 4,707.73 / 6,725.32 differ by rounding."""
    rows = [
        f"{name},{level},{fund},0.7,{split},{weight}"
        for name, fund in (("310", 6_901.25), ("390", 12_004.70))
        for level, split, weight in ((3, 10 / 17, 1.5), (2, 7 / 17, 1.5))
    ]
    rates = rates_of(tmp_path, rows)
    low, high = ([rate.rate for rate in rates if rate.level == level] for level in (2, 3))
    ratios = [one / two for one, two in zip(low, high, strict=True)]
    assert max(ratios) - min(ratios) > 1e-6
    _, policy = rates_policy(rates, load_policy("harbin_2024"), INFO)
    assert policy.rules.coefficient.by_level["2"] == pytest.approx(0.7, abs=1e-5)


def test_the_base_list_stays_at_one_price(tmp_path: Path) -> None:
    """payment.md §2: a DRG on the region's base list has one price for every hospital."""
    changes = {"coefficient.base_list": ["G"], "coefficient.by_hospital": {"甲": 1.2}}
    base = load_policy("harbin_2024").with_changes(changes)
    text, policy = rates_policy(rates_of(tmp_path, p17()), base, INFO)
    frame = pd.DataFrame(
        {"case_id": list("abc"), "drg": list("GGH"), "weight": 1.0, "insurance": "310",
         "charges": 900_000, "level": [3, 1, 1], "hospital": "甲"}
    )  # fmt: skip
    settled = settle(PaymentColumns.from_frame(frame, ["G", "H"]), policy)
    assert settled.standard.tolist() == [1_200_000, 1_200_000, 500_000]
    assert "机构系数没有照搬" in text


def test_a_policy_for_one_level(tmp_path: Path) -> None:
    _, policy = rates_policy(rates_of(tmp_path, p17()), load_policy("harbin_2024"), INFO, level=2)
    assert policy.rules.rates == {"310": 8000.0}
    assert policy.rules.coefficient.default == 1.0
    assert not policy.rules.coefficient.by_level


def test_point_values_over_a_point_policy(tmp_path: Path) -> None:
    base = load_policy(DATA / "payment" / "points_example.toml")
    _, policy = rates_policy(rates_of(tmp_path, p17()), base, INFO, level=3)
    assert policy.rules.points.values == {"310": 120.0}
    assert "基金预算" in policy.source("points.values")


def test_levels_that_differ_by_insurance_need_one_policy_each(tmp_path: Path) -> None:
    rows = [*p17(), "390,3,1000,0.5,0.5,1", "390,2,1000,0.5,0.5,2"]
    rates = rates_of(tmp_path, rows)
    base = load_policy("harbin_2024")
    with pytest.raises(PolicyError, match="分级别各写一份"):
        rates_policy(rates, base, INFO)
    _, policy = rates_policy(rates, base, INFO, level=2)
    assert policy.rules.rates == {"310": 8000.0, "390": 500.0}
    with pytest.raises(PolicyError, match="没有这个级别"):
        rates_policy(rates_of(tmp_path, rows[3:]), base, INFO, level=1)
    with pytest.raises(PolicyError, match="缺最高级别"):
        rates_policy(rates_of(tmp_path, [*p17(), "390,2,1000,0.5,1,2"]), base, INFO)


def test_a_table_policy_has_no_rates(tmp_path: Path) -> None:
    base = load_policy("harbin_2024").with_changes(
        {"standard.method": "table", "standard.prices": [{"drg": "BR23", "yuan": 9000.0}]}
    )
    with pytest.raises(PolicyError, match="直接查表法没有费率"):
        rates_policy(rates_of(tmp_path, p17()), base, INFO)


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (["310,3,100,0.5,60%,10", "310,2,100,0.5,30%,10"], "合计须为 1（现为 0.9）"),
        (["310,3,100,0.5,60%,10", "310,2,200,0.5,40%,10"], "须都填写且相同"),
        (["310,3,100,0.5,60%,10", "310,3,100,0.5,40%,10"], "级别缺失或重复"),
        (["310,,100,0.5,1,10"], "级别缺失或重复"),
        (["310,3,100,0.5,1,0"], "Σ n·RW 须为正数"),
        (["310,3,0,0.5,1,1"], "基金预算须为正数"),
        (["310,3,1,0,1,1"], "实际报销比例须大于 0"),
        ([",3,100,0.5,1,10"], "没有险种"),
        (["310,四级,100,0.5,1,10"], "医院级别应为 3、2、1"),
        (["310,3,100,75,1,10"], "比例应在 0 到 1 之间"),
        (["310,3,一亿,0.75,1,10"], "不是数字"),
        (["310,3,-5,0.75,1,10"], "不能是负数"),
        ([], "没有一行预算"),
    ],
)
def test_bad_budgets(rows: list[str], words: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as told:
        rates_of(tmp_path, rows)
    assert words in str(told.value)
