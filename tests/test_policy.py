"""Policy files: loading, faults told at once, descriptions, and that every key moves something."""

from __future__ import annotations

import hashlib
import re
from datetime import date
from pathlib import Path

import pytest

from drg_engine.errors import PolicyError
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


def test_not_utf8_and_not_there(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match="UTF-8"):
        parse_policy("名 = 1".encode("gb18030"), file="x.toml")
    with pytest.raises(PolicyError, match="harbin_2024"):
        load_policy("harbin_2042")
    with pytest.raises(PolicyError, match="无法打开"):
        load_policy(tmp_path / "没有.toml")
