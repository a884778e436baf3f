"""Policy files: loading, faults told at once, descriptions, and that every key moves something."""

from __future__ import annotations

import hashlib
import re
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from drg_engine.errors import PolicyError
from drg_engine.indicators import header_figures
from drg_engine.payment import PaymentColumns, settle
from drg_engine.payment_fund import split_fund
from drg_engine.policy import (
    Policy,
    catalogue,
    list_policies,
    load_policy,
    parse_policy,
    policy_schema,
)
from drg_engine.policy_page import parameter_page, parameter_rows

DATA = Path(__file__).parent / "data" / "payment"
HEAD = """
[policy]
name = "t"
title = "试"
effective_from = 2024-01-01
source = "示例"
"""
RATES = "[rates]\n310 = 10000.0\n"


def parsed(text: str) -> Policy:
    return parse_policy(text.encode(), file="试.toml")


def test_presets_load_and_are_hashed() -> None:
    assert "harbin_2024" in list_policies()
    for name in list_policies():
        policy = load_policy(name)
        assert policy.name == name
        assert len(policy.hash) == 64
    text = HEAD + RATES
    assert parsed(text).hash == hashlib.sha256(text.encode()).hexdigest()


def test_policy_by_path_and_with_a_byte_order_mark(tmp_path: Path) -> None:
    path = tmp_path / "自己的.toml"
    path.write_text(HEAD + RATES, encoding="utf-8-sig")
    assert load_policy(path).rules.rates == {"310": 10000.0}
    assert load_policy(path).file == "自己的.toml"


def test_frozen() -> None:
    policy = parsed(HEAD + RATES)
    with pytest.raises(AttributeError):
        policy.hash = ""  # type: ignore[misc]
    with pytest.raises(ValueError, match="frozen"):
        policy.rules.low.bound = 0.1  # type: ignore[misc]


def test_harbin_marks_what_is_not_published() -> None:
    rows = {row.key: row for row in load_policy("harbin_2024").describe()}
    assert rows["rates.310"].value == "12252.7"
    assert "公布" in rows["rates.310"].source
    assert rows["rates.310"].unit == "元/1.0 RW"
    assert rows["rates.310"].effective_from == date(2024, 1, 1)
    for key, row in rows.items():
        published = key.startswith("rates.")
        assert row.source in ("默认值", "示例，非该市规定") or published, key
    assert rows["low.bound"].source == "示例，非该市规定"
    assert rows["low.bound"].range == "数字 ≥ 0 且 < 1"
    assert rows["points.scale"].source == "默认值"
    assert rows["scope[2].dx_prefixes"].value == "Z53."
    assert rows["high.tiers[0].bound"].title == "高倍率界值"


def test_parameter_page_shows_policies_side_by_side() -> None:
    policies = [load_policy(name) for name in list_policies()]
    heading, *rows = parameter_rows(policies)
    assert len(heading) == 6 + len(policies)
    by_key = {row[0]: row for row in rows}
    assert set(by_key) >= {key for key, info in catalogue().items() if info.pays}
    at = 6 + list_policies().index("harbin_2024")
    assert by_key["rates"][at] == "310 = 12252.7；390 = 9649.24"
    assert by_key["high.tiers[].bound"][at] == "3.0；2.5；2.0；1.5；1.3"
    assert by_key["points.scale"][at] == ""
    page = parameter_page(policies)
    assert page.startswith("# 支付政策参数一览")
    assert page.count("\n|") == len(rows) + 2


def test_nearest_source_wins() -> None:
    policy = parsed(HEAD + RATES + '[low]\nbound = 0.3\n[sources]\nlow = "甲"\n"low.bound" = "乙"')
    assert policy.source("low.bound") == "乙"
    assert policy.source("low.mode") == "默认值"
    assert policy.source("rates.310") == "示例"


def test_every_key_is_described() -> None:
    chinese = re.compile(r"[\u4e00-\u9fff]")
    for key, info in catalogue().items():
        assert chinese.search(info.title), key
        assert info.range, key
        assert info.description or not info.pays, key
    leaves = {row.key for name in list_policies() for row in load_policy(name).describe()}
    assert leaves


def test_schema_carries_titles() -> None:
    schema = policy_schema()
    assert schema["properties"]["rates"]["title"] == "费率"
    assert schema["$defs"]["Low"]["properties"]["bound"]["exclusiveMaximum"] == 1


def test_changes_are_checked_and_hashed() -> None:
    policy = parsed(HEAD + RATES)
    changed = policy.with_changes({"low.bound": 0.3, "rates.390": 9000.0})
    assert (changed.rules.low.bound, changed.rules.rates["390"]) == (0.3, 9000.0)
    assert policy.rules.low.bound == 0.4
    assert changed.hash != policy.hash
    assert changed.hash == policy.with_changes({"rates.390": 9000.0, "low.bound": 0.3}).hash
    with pytest.raises(PolicyError, match=r"low\.bond.*是否想写 low\.bound"):
        policy.with_changes({"low.bond": 0.3})


def test_all_faults_are_told_at_once() -> None:
    text = HEAD + '[rates]\n310 = -1\n[low]\nbund = 0.3\nmode = "free"\n[high]\nbound = 0.5\n'
    with pytest.raises(PolicyError) as caught:
        parsed(text)
    faults = {fault.column: fault for fault in caught.value.faults}
    assert set(faults) == {"rates.310", "low.bund", "low.mode", "high.bound"}
    assert faults["low.bund"].mend == "是否想写 low.bound？"
    assert faults["high.bound"].found == "0.5"
    assert "数字 > 1 且 ≤ 100" in str(faults["high.bound"])
    assert all(fault.file == "试.toml" for fault in caught.value.faults)


BROKEN = [
    ("", ["policy", "缺少必填项"]),
    (RATES, ["policy", "缺少必填项"]),
    (HEAD, ["rates", "支付标准算法需要此项"]),
    (HEAD + "[rates", ["不是正确的 TOML"]),
    (HEAD.replace('name = "t"', 'name = "1 t"') + RATES, ["policy.name", "写法不合要求"]),
    (HEAD.replace('title = "试"', 'title = ""') + RATES, ["policy.title", "不能为空"]),
    (HEAD.replace('source = "示例"', "") + RATES, ["policy.source", "默认来源"]),
    (HEAD.replace("2024-01-01", '"2024-01-01"') + RATES, ["effective_from", "应为日期"]),
    (HEAD + "effective_to = 2023-12-31\n" + RATES, ["effective_to", "晚于生效日期", "2023-12-31"]),
    (HEAD + RATES + '[polcy]\nname = "x"', ["polcy", "不认识的键", "policy"]),
    (HEAD + "[rates]\n310 = 0", ["rates.310", "太小", "元/1.0 RW"]),
    (HEAD + '[rates]\n310 = "12252.70"', ["rates.310", "应为数字"]),
    (HEAD + "[rates]\n310 = nan", ["rates.310", "有限"]),
    (HEAD + "rates = 3", ["rates"]),
    (HEAD + '[rates]\n"3 10" = 1.0', ["写法不合要求"]),
    (HEAD + RATES + '[standard]\nmethod = "weight"', ["standard.method", "rate、points、table"]),
    (HEAD + RATES + '[standard]\nratio_of = "mean"', ["overall_mean", "分母"]),
    (HEAD + '[standard]\nmethod = "points"', ["points.values"]),
    (HEAD + '[standard]\nmethod = "table"', ["standard.prices"]),
    (HEAD + RATES + "[points]\nscale = 0", ["points.scale", "太小"]),
    (HEAD + RATES + '[low]\nmode = "charged_times_control"', ["overall_mean", "调节系数"]),
    (HEAD + RATES + "[low]\nbound = 1.0", ["low.bound", "太大", "≥ 0 且 < 1"]),
    (HEAD + RATES + "[low]\ninclusive = 1", ["low.inclusive", "true 或 false"]),
    (HEAD + RATES + '[high]\nby = "level"', ["high.levels"]),
    (HEAD + RATES + "[high]\nlevels = {4 = 2.0}", ["high.levels"]),
    (HEAD + RATES + '[high]\nby = "weight"', ["high.tiers", "没有分档"]),
    (
        HEAD + RATES + '[high]\nby = "weight"\ntiers = [{bound = 3.0}, {bound = 2.0}]',
        ["high.tiers", "只有最后一档"],
    ),
    (
        HEAD
        + RATES
        + '[high]\nby = "weight"\n'
        + "tiers = [{upper = 2.0, bound = 3.0}, {upper = 1.0, bound = 2.5}, {bound = 2.0}]",
        ["high.tiers", "自小到大"],
    ),
    (HEAD + RATES + "[high]\ncap_share = 5", ["high.cap_share", "≤ 1"]),
    (HEAD + RATES + '[[scope]]\ncode = "a"\ntitle = "甲"', ["scope[0]", "没有任何条件"]),
    (
        HEAD + RATES + 2 * '[[scope]]\ncode = "a"\ntitle = "甲"\nlos_over = 60\n',
        ["scope", "规则代号重复"],
    ),
    (
        HEAD + RATES + '[[scope]]\ncode = "a"\ntitle = "甲"\nlos_ovr = 60\n',
        ["scope[0].los_ovr", "scope[].los_over"],
    ),
    (
        HEAD + RATES + '[[scope]]\ncode = "a"\ntitle = "甲"\nlos_over = 60.5\n',
        ["scope[0].los_over", "应为整数"],
    ),
    (HEAD + RATES + "[coefficient]\nminimum = 2.0\nmaximum = 1.0", ["下限大于上限"]),
    (HEAD + RATES + "[ungrouped]\nshare = 1.2", ["ungrouped.share", "太大"]),
    (HEAD + RATES + '[sources]\n"low.bund" = "x"', ["low.bund", "low.bound"]),
]


@pytest.mark.parametrize(("text", "words"), BROKEN, ids=range(len(BROKEN)))
def test_broken_file(text: str, words: list[str]) -> None:
    with pytest.raises(PolicyError) as caught:
        parsed(text)
    for word in words:
        assert word in str(caught.value)


def test_not_utf8_and_not_there(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match="UTF-8"):
        parse_policy("名 = 1".encode("gb18030"), file="x.toml")
    with pytest.raises(PolicyError, match="harbin_2024"):
        load_policy("harbin_2042")
    with pytest.raises(PolicyError, match="无法打开"):
        load_policy(tmp_path / "没有.toml")


# --- every key moves an output ------------------------------------------------------------------

TIERS = [{"upper": 1.0, "bound": 3.0}, {"upper": 2.0, "bound": 2.5}, {"bound": 2.0}]
PRICES = [{"drg": "BB13", "level": "3", "insurance": "310", "yuan": 9000.0}]
SCOPE = {"code": "x", "title": "试"}
BY_WEIGHT = {"high.by": "weight", "high.tiers": TIERS}
TABLE = {"standard.method": "table", "standard.prices": [*PRICES, {"drg": "CC15", "yuan": 7.0}]}
MEAN = {"standard.overall_mean": 12_000.0}

BUDGET = {"points.budgets": {"310": 80_000.0}}
BED = {"code": "b", "title": "床日", "per_day": 300.0}
NEW = {"code": "n", "title": "新药", "column": "extra_drug", "means": {"BB13": 4_000.0}}
EXTRA = {"standard.overall_mean": 10_000.0, "extra": [NEW]}
TCM = {"tcm.drgs": ["BB13"], "tcm.minimum": 0.5, "tcm.otherwise": 0.5}

# key: (policy, what is set before, the key's new value)
MOVES: dict[str, tuple[str, dict[str, Any], Any]] = {
    "standard.method": ("rate", {"points.values": {"310": 99.0}}, "points"),
    "standard.ratio_of": ("rate", MEAN, "mean"),
    "standard.overall_mean": ("points", {}, 9_000.0),
    "standard.means": ("points", {}, {"BB13": 20_000.0}),
    "standard.prices[].drg": ("rate", TABLE, [{**PRICES[0], "drg": "AA11"}]),
    "standard.prices[].level": ("rate", TABLE, [{**PRICES[0], "level": "2"}]),
    "standard.prices[].insurance": ("rate", TABLE, [{**PRICES[0], "insurance": "390"}]),
    "standard.prices[].yuan": ("rate", TABLE, [{**PRICES[0], "yuan": 9_001.0}]),
    "rates": ("rate", {}, {"310": 10_001.0}),
    "points.scale": ("points", {}, 10.0),
    "points.values": ("points", {}, {"310": 77.0}),
    "coefficient.default": ("rate", {}, 1.1),
    "coefficient.by_level": ("rate", {}, {"3": 1.1}),
    "coefficient.by_hospital": ("rate", {}, {"甲": 1.1}),
    "coefficient.by_drg": ("rate", {}, {"BB13": {"3": 1.1}}),
    "coefficient.base_list": ("rate", {"coefficient.default": 1.1}, ["BB13"]),
    "coefficient.minimum": ("rate", {}, 1.1),
    "coefficient.maximum": ("rate", {}, 0.9),
    "scope[].los_over": ("rate", {}, [SCOPE | {"los_over": 19}]),
    "scope[].los_at_most": ("rate", {}, [SCOPE | {"los_at_most": 1}]),
    "scope[].charges_below": ("rate", {}, [SCOPE | {"charges_below": 900.0}]),
    "scope[].dx_prefixes": ("rate", {}, [SCOPE | {"dx_prefixes": ["A0"]}]),
    "scope[].insurances": ("rate", {}, [SCOPE | {"insurances": ["390"]}]),
    "scope[].drgs": ("rate", {}, [SCOPE | {"drgs": ["CC15"]}]),
    "ungrouped.mode": ("rate", {"ungrouped.share": 0.5}, "share"),
    "ungrouped.share": ("rate", {"ungrouped.mode": "share"}, 0.5),
    "ambiguous.mode": ("rate", {"ambiguous.share": 0.5}, "share"),
    "ambiguous.share": ("rate", {"ambiguous.mode": "share"}, 0.5),
    "no_weight.mode": ("rate", {"no_weight.share": 0.5}, "share"),
    "no_weight.share": ("rate", {"no_weight.mode": "share"}, 0.5),
    "low.bound": ("rate", {}, 0.3),
    "low.inclusive": ("rate", {}, True),
    "low.mode": ("rate", {}, "standard"),
    "high.by": ("rate", {"high.tiers": TIERS}, "weight"),
    "high.bound": ("rate", {}, 2.0),
    "high.levels": ("rate", {"high.by": "level", "high.levels": {"3": 3.0}}, {"3": 2.0}),
    "high.tiers[].upper": ("rate", BY_WEIGHT, [{"upper": 1.5, "bound": 3.0}, {"bound": 2.0}]),
    "high.tiers[].bound": ("rate", BY_WEIGHT, [{"bound": 2.0}]),
    "high.tier_inclusive": ("rate", BY_WEIGHT, True),
    "high.inclusive": ("rate", {}, True),
    "high.mode": ("rate", {}, "standard"),
    "high.share": ("rate", {}, 0.5),
    "high.cap_share": ("rate", {}, 0.05),
    "high.cap_of": ("rate", {"high.cap_share": 0.1}, "in_scope"),
    "points.find": ("points", BUDGET, "fund"),
    "points.budgets": ("points", BUDGET | {"points.find": "fund"}, {"310": 90_000.0}),
    "points.pooled": (
        "points",
        {"points.find": "fund", "points.budgets": {"310": 80_000.0, "390": 70_000.0}},
        True,
    ),
    "bed_day[].drgs": ("rate", {}, [BED | {"drgs": ["BB13"]}]),
    "bed_day[].dx_prefixes": ("rate", {}, [BED | {"dx_prefixes": ["A0"]}]),
    "bed_day[].los_over": ("rate", {}, [BED | {"los_over": 10}]),
    "bed_day[].per_day": ("rate", {"bed_day": [BED | {"los_over": 9}]}, [BED | {"los_over": 10}]),
    "review.column": ("rate", {}, "review_paid"),
    "review.cap_share": ("rate", {"review.column": "review_paid"}, 0.0),
    "readmission.days": ("rate", {}, 15),
    "readmission.factor": ("rate", {"readmission.days": 15}, 0.4),
    "readmission.except_dx": ("rate", {"readmission.days": 15}, ["K80"]),
    "extra[].column": ("rate", EXTRA, [NEW | {"column": "fee_tcm"}]),
    "extra[].charges_over": ("rate", EXTRA, [NEW | {"charges_over": 3.5}]),
    "extra[].share_over": ("rate", EXTRA, [NEW | {"share_over": 0.9}]),
    "extra[].means": ("rate", EXTRA, [NEW | {"means": {"BB13": 1.0}}]),
    "tcm.drgs": ("rate", {"tcm.minimum": 0.5, "tcm.otherwise": 0.5}, ["BB13"]),
    "tcm.column": ("rate", TCM, "extra_drug"),
    "tcm.minimum": ("rate", TCM, 0.001),
    "tcm.otherwise": ("rate", TCM, 0.6),
    "fund.way": ("rate", {}, "share"),
    "fund.k": ("rate", {"fund.way": "share"}, {"310": 0.8}),
    "fund.default_k": ("rate", {"fund.way": "proportional"}, 0.8),
    "fund.prepaid": ("rate", {}, 0.85),
    "fund.retained": ("rate", {}, 0.05),
    "indicators.heavy_weight": ("rate", {}, 1.0),
    "indicators.accuracy_above": ("rate", {}, 0.8),
    "indicators.accuracy_below": ("rate", {}, 1.3),
}


AMOUNTS = (
    "review_paid",
    "fee_tcm",
    "extra_drug",
    "personal_pay",
    "own_expense",
    "pre_expense",
    "deductible",
)


def telling_cases() -> PaymentColumns:
    """Cases at and around every bound of the example policies."""
    charges = [2_500, 3_500, 35_000, 4_000, 9_000, 8_500, 12_000, 26_000, 30_000, 40_000, 800]
    rows = [
        {"drg": "BB13", "weight": 1.0, "insurance": "310", "charges": yuan * 100, "los": 5 + i}
        for i, yuan in enumerate(charges)
    ]
    rows += [
        {"drg": "CC15", "weight": 2.0, "insurance": "310", "charges": 5_000_000, "los": 1},
        {"drg": "BB13", "weight": 1.0, "insurance": "390", "charges": 750_000, "los": 20},
        {"drg": "0000", "status": 2, "insurance": "310", "charges": 500_000, "los": 5},
        {"drg": "AQY", "status": 1, "insurance": "310", "charges": 500_000, "los": 5},
        {"drg": "DD29", "insurance": "310", "charges": 500_000, "los": 5},
        *({"drg": "BB13", "weight": 1.0, "insurance": "self", "charges": 1, "los": 5},) * 10,
    ]
    frame = pd.DataFrame(rows).assign(level=3, hospital="甲", principal_dx="K80.100")
    frame.loc[5, "principal_dx"] = "A00.000"
    frame["person_id"] = [f"人{i // 2}" for i in range(len(frame))]
    frame["admission_date"] = np.datetime64("2026-10-01") + np.arange(len(frame)) * 10
    frame["discharge_date"] = np.datetime64("2026-10-06") + np.arange(len(frame)) * 10
    frame["review_paid"] = None
    frame.loc[2, "review_paid"] = 3_300_000
    frame["fee_tcm"] = 5_000
    frame["extra_drug"] = frame["charges"] // 10 * 8
    frame["personal_pay"] = 100_000
    frame["own_expense"], frame["pre_expense"], frame["deductible"] = 10_000, 5_000, 80_000
    frame["case_id"] = [f"{i:03d}" for i in range(len(frame))]
    drgs = ["AA11", "BB13", "CC15", "DD29", "AQY", "0000"]
    return PaymentColumns.from_frame(frame, drgs, amounts=AMOUNTS)


def outcome(policy: Policy) -> tuple[Any, ...]:
    settled = settle(telling_cases(), policy)
    figures = header_figures(settled)
    split = split_fund(settled)
    return (
        settled.kind.tolist(),
        settled.paid.tolist(),
        settled.standard.tolist(),
        split.fund.tolist(),
        split.prepaid.tolist(),
        split.retained.tolist(),
        figures.rw2_share,
        figures.control_accuracy,
    )


def test_the_list_of_moves_is_complete() -> None:
    assert set(MOVES) == {key for key, info in catalogue().items() if info.pays}


@pytest.mark.parametrize("key", MOVES)
def test_key_moves_an_output(key: str) -> None:
    name, before, value = MOVES[key]
    base = load_policy(DATA / f"{name}_example.toml").with_changes(before)
    changed = base.with_changes({key.partition("[]")[0]: value})
    assert outcome(base) != outcome(changed)


def test_nothing_moves_by_itself() -> None:
    policy = load_policy(DATA / "rate_example.toml")
    assert outcome(policy) == outcome(policy)
    assert np.isfinite(outcome(policy)[-1])
