"""Scenario files: what they say, their faults all at once, stacking."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from simulation_cases import DRGS, policy, scenario

from drg_engine.errors import PolicyError
from drg_engine.scenario import (
    SchemeChange,
    WeightChange,
    changed_policy,
    load_scenario,
    parse_scenario,
    stack,
)
from drg_engine.scenario_weights import changed_weights

HEAD = '[scenario]\ntitle = "费率下调"\nauthor = "医保办"\nsource = "测算"\n'


def read(text: str, folder: Path = Path(), **more: object) -> object:
    return parse_scenario((HEAD + text).encode(), file="费率下调.toml", folder=folder, **more)  # type: ignore[arg-type]


def words_of(text: str, folder: Path = Path(), head: str = HEAD) -> str:
    with pytest.raises(PolicyError) as caught:
        parse_scenario((head + text).encode(), file="x.toml", folder=folder, policy=policy())
    return str(caught.value)


def test_a_whole_file(tmp_path: Path) -> None:
    (tmp_path / "权重.csv").write_text("\ufeff病组编码,权重\nAA11,0.55\nDD29,\n", encoding="utf-8")
    path = tmp_path / "下调.toml"
    path.write_text(
        HEAD
        + """
        baseline = "harbin_2024"
        [changes]
        low.bound = 0.35
        "rates.310" = 9500.0
        high.tiers = [{ upper = 2.0, bound = 3.0 }, { bound = 2.0 }]
        [factors]
        rates = 0.9
        [weights]
        file = "权重.csv"
        by_drg = { BB13 = 1.2 }
        factors = { CC15 = 0.9 }
        scale = 1.01
        rescale = true
        [cost]
        percent = -5.0
        [budget]
        point_value = "closed"
        [attribution]
        order = ["rates", "weights"]
        """,
        encoding="utf-8",
    )
    found = load_scenario(path, policy())
    assert (found.name, found.title, found.author) == ("下调", "费率下调", "医保办")
    assert found.baseline == "harbin_2024"
    assert found.weights[0].by_drg == {"AA11": 0.55, "BB13": 1.2}
    assert found.weights[0].factors == {"CC15": 0.9}
    assert found.cost_factor == 0.95
    assert found.order == ("rates", "weights", "coefficient", "outlier")
    changed = changed_policy(found, policy())
    assert changed.rules.low.bound == 0.35
    assert changed.rules.rates == pytest.approx({"310": 8550.0, "390": 7200.0})
    assert [tier.bound for tier in changed.rules.high.tiers] == [3.0, 2.0]


def test_nothing_changed_is_the_same_policy() -> None:
    base = policy()
    assert changed_policy(scenario(), base) is base


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[changes]\nlow.bond = 0.3", "[low.bond]：不认识的键"),
        ("[changes]\nlow.bound = 1.5", "[low.bound]：太大（读到“1.5”）"),
        ('[changes]\nlow.mode = "free"', "[low.mode]：不在可选值之中"),
        ("[factors]\nrates = -1", "[factors.rates]：倍数应为正数（读到“-1”）"),
        ("[factors]\nrates = true", "[factors.rates]：倍数应为正数"),
        ("[factors]\nlow.mode = 2", "[factors.low.mode]：这一项不是数，不能乘以倍数"),
        ("[factors]\nratse = 2", "[ratse]：不认识的键"),
        (
            "[weight]\nscale = 1.1",
            "[weight]：没有这一节（读到“scale = 1.1”）。是否想写 weights？",
        ),
        (
            '[limits]\n"low.bound" = 5\nhigh.inclusive = true',
            "[limits]：没有这一节（读到“low.bound = 5，high.inclusive = true”）。这里可写：",
        ),
        ('[limits]\n"low.bound" = 5', "要改政策的键，写在 [changes]（新值）或 [factors]（倍数）"),
        ("[weights]\nscal = 1.1", "[weights.scal]：不认识的键（读到“1.1”）。是否想写 scale？"),
        ("[weights]\nscale = 0.0", "[weights.scale]：太小（读到“0.0”）。“全部权重乘以”"),
        ('[weights]\nscale = "1"', "[weights.scale]：应为数字"),
        ('[weights]\nfile = "没有.csv"', "没有.csv：读不到权重文件"),
        ("[cost]\npercent = -100.0", "[cost.percent]：太小"),
        ("[cost]", "[cost.percent]：缺少必填项。“成本增减的百分数，如 -5.0”"),
        ('[budget]\npoint_value = "open"', "[budget.point_value]：不在可选值之中"),
        ('[attribution]\norder = ["rates", "rates"]', "归因的次序有重复（读到“rates、rates”）"),
        ('[attribution]\norder = ["price"]', "[attribution.order.0]：不在可选值之中"),
        (
            '[scheme]\nname = "chs_drg_2_0"\n[weights]\nby_drg = { BB13 = 1.0 }',
            "[weights.scheme]：换了分组方案，须写明权重是哪个方案的，并与新方案相同。"
            'weights.scheme = "chs_drg_2_0"',
        ),
    ],
)
def test_faults(text: str, words: str) -> None:
    assert words in words_of(text)


def test_all_faults_at_once(tmp_path: Path) -> None:
    text = "病组,权重\nAA11,很多\nBB13,1\nBB13,2\nCC15,-1\n"
    (tmp_path / "w.csv").write_text(text, encoding="utf-8")
    said = words_of(
        '[changes]\nlow.bond = 1\nhigh.share = 2.0\n[weights]\nfile = "w.csv"\nscale = 0\n'
        "[cost]\npercent = true\n",
        tmp_path,
        head='[scenario]\ntitle = ""\nauthor = "甲"\n',
    )
    for words in (
        "x.toml [scenario.title]：不能为空",
        "x.toml [scenario.source]：缺少必填项",
        "x.toml [low.bond]：不认识的键",
        "x.toml [high.share]：太大",
        "w.csv 第 2 行 [权重]：权重应为正数（读到“很多”）",
        "w.csv 第 4 行 [病组]：病组重复（读到“BB13”）",
        "w.csv 第 5 行 [权重]：权重应为正数（读到“-1”）",
        "x.toml [weights.scale]：",
        "x.toml [cost.percent]：应为数字",
    ):
        assert words in said


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    for content, words in ((b"\xff\xfe", "不是 UTF-8 文本"), (b"a = ", "不是正确的 TOML")):
        with pytest.raises(PolicyError, match=words):
            parse_scenario(content, file="x.toml")
    with pytest.raises(PolicyError, match="读不到情景文件"):
        load_scenario(tmp_path / "没有.toml")


def test_stacking() -> None:
    one = scenario("one", {"low.bound": 0.3, "rates.310": 1.0}, cost_factor=0.9)
    two = scenario("two", {"rates.310": 9_000.0}, cost_factor=0.5, point_value="closed")
    whole = stack([one, two])
    changed = changed_policy(whole, policy())
    assert (whole.name, whole.title) == ("one+two", "one + two")
    assert (changed.rules.low.bound, changed.rules.rates["310"]) == (0.3, 9_000.0)
    assert (whole.cost_factor, whole.point_value) == (0.45, "closed")
    weights, later = WeightChange(scale=2.0), WeightChange(scale=3.0)
    fresh = stack(
        [
            scenario("a", weights=(weights,)),
            scenario("b", scheme=SchemeChange("new"), weights=(later,)),
        ]
    )
    assert fresh.weights == (later,)
    assert stack([scenario("a", weights=(weights,)), scenario("b", weights=(later,))]).weights == (
        weights,
        later,
    )
    with pytest.raises(PolicyError, match="各情景的基准政策不同"):
        stack([scenario("a"), scenario("b", baseline="harbin_2024")])


def test_rescaled_weights_p11() -> None:
    """payment.md P11: C's weight − 10 %, then Σ n·RW is 160 again."""
    counts = np.array([100, 50, 10])
    change = WeightChange(factors={"C": 0.9}, rescale=True)
    weights = np.array([6_000.0, 12_000.0, 60_000.0]) / 11_250.0
    assert weights.round(4).tolist() == [0.5333, 1.0667, 5.3333]
    found = changed_weights(weights, ("A", "B", "C"), change, counts, scheme="")
    assert found.round(6).tolist() == [0.551724, 1.103448, 4.965517]
    assert (found * counts).sum() == pytest.approx(160.0, abs=1e-9)


def test_weights_of_unknown_groups_and_editions() -> None:
    weights = np.ones(len(DRGS))
    counts = np.zeros(len(DRGS), dtype=np.int64)
    change = WeightChange(file="w.toml", by_drg={"BB14": 1.0}, factors={"X": 2.0})
    with pytest.raises(PolicyError) as caught:
        changed_weights(weights, DRGS, change, counts, scheme="old")
    assert "没有这个病组（读到“BB14”）。是否想写 BB13？" in str(caught.value)
    assert "[weights.factors]" in str(caught.value)
    with pytest.raises(PolicyError, match="权重是另一个方案的"):
        changed_weights(weights, DRGS, WeightChange(scheme="new"), counts, scheme="old")
