"""The small language of formulas: parsed to a tree, shown back, checked, computed; never run."""

from __future__ import annotations

import math
import string
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from performance.formula_columns import degree_in
from performance.formula_eval import evaluate
from performance.formula_fields import fields_of, unit_of, unit_text
from performance.formula_parse import MOST_CHARACTERS, MOST_DEPTH, parse_formula
from performance.formula_show import show_formula
from performance.formula_sign import uses_of
from performance.formula_tree import (
    Binary,
    Call,
    Compare,
    Field,
    FormulaError,
    Ladder,
    Negative,
    Node,
    Number,
)
from performance.formula_units import check_formula

YUAN = unit_of("元")


def told(text: str, scope: str = "department", unit: str | None = "元") -> str:
    """What is said of a faulty formula."""
    with pytest.raises(FormulaError) as caught:
        check_formula(
            parse_formula(text, scope), scope, None if unit is None else unit_of(unit), text
        )
    return str(caught.value)


# ------------------------------------------------------------------ reading and showing


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("points*value + drg_part - cost", "点数 × 点值 + DRG部分 − 承担成本"),
        ("点数×点值＋（DRG部分－承担成本）÷2", "点数 × 点值 + （DRG部分 − 承担成本） ÷ 2"),
        ("a - (b - c)".replace("a", "成本.甲").replace("b", "成本.乙").replace("c", "成本.丙"),
         "成本.甲 − （成本.乙 − 成本.丙）"),
        ("-(点数 + 1)", "−（点数 + 1）"),
        ("2 * -3", "2 × −3"),
        ("18%", "0.18"),
        ("007.50", "7.5"),
        ("1000元 + 0.5元", "1000元 + 0.5元"),
        ('成本."水 电"', '成本."水 电"'),
        ("clip(DRG部分, -400, 600)", "限幅（DRG部分，−400，600）"),
        ("若(CMI ≥ 1.2， 1， 0)", "若（CMI ≥ 1.2，1，0）"),
        ("where(CMI = 1, 1, 0)", "若（CMI == 1，1，0）"),
        ("ladder(CMI; <0.9: 0.95; <1.1: 1; else: 2)", "阶梯（CMI；<0.9：0.95；<1.1：1；其余：2）"),
    ],
)  # fmt: skip
def test_shown_in_chinese(text: str, shown: str) -> None:
    tree = parse_formula(text)
    assert show_formula(tree) == shown
    assert parse_formula(shown) == tree


def names(scope: str) -> list[Field]:
    return [
        Field(name, "水 电" if info.keyed and name != "single_of" else "手术" * info.keyed)
        for name, info in fields_of(scope).items()
    ]


numbers = st.decimals(0, 10**6, places=4, allow_nan=False, allow_infinity=False).map(
    lambda value: Number(format(value, "f").rstrip("0").rstrip(".") or "0")
)
leaves = st.one_of(numbers, st.sampled_from(names("department")))


def _inner(nodes: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
    bounds = st.lists(st.integers(-9, 9), min_size=1, max_size=3, unique=True).map(
        lambda found: tuple(str(bound) for bound in sorted(found))
    )
    compare = st.builds(Compare, st.sampled_from(["<", "<=", ">", ">=", "==", "!="]), nodes, nodes)
    return st.one_of(
        st.builds(Negative, nodes),
        st.builds(Binary, st.sampled_from("+-*/"), nodes, nodes),
        st.builds(Call, st.sampled_from(["min", "max"]), st.tuples(nodes, nodes)),
        st.builds(Call, st.just("clip"), st.tuples(nodes, nodes, nodes)),
        st.builds(Call, st.just("where"), st.tuples(compare, nodes, nodes)),
        bounds.flatmap(
            lambda found: st.builds(
                Ladder,
                nodes,
                st.just(found),
                st.tuples(*[nodes] * (len(found) + 1)),
            )
        ),
    )


trees = st.recursive(leaves, _inner, max_leaves=14)


@settings(max_examples=400)
@given(trees)
def test_a_shown_tree_parses_to_itself(tree: Node) -> None:
    assert parse_formula(show_formula(tree), "department") == tree


# ------------------------------------------------------------------ computing, against plain Python


class RefusedError(Exception):
    """The oracle's own refusal: a division by zero, a crossed clip, no finite number."""


def oracle(tree: Node, row: Callable[[Field], float]) -> float:
    """A formula's value for one row, by the plainest recursion."""
    match tree:
        case Number():
            return float(tree.text)
        case Field():
            return row(tree)
        case Negative():
            return -oracle(tree.inner, row)
        case Binary():
            left, right = oracle(tree.left, row), oracle(tree.right, row)
            if tree.sign == "/" and right == 0:
                raise RefusedError
            try:
                return {
                    "+": left + right, "-": left - right, "*": left * right,
                    "/": left / right if right else 0.0,
                }[tree.sign]  # fmt: skip
            except OverflowError as error:
                raise RefusedError from error
        case Ladder():
            x = oracle(tree.x, row)
            x += abs(x) * 2.0**-50  # what is equal to a bound but for the last places, is
            below = [i for i, bound in enumerate(tree.bounds) if x < float(bound)]
            return oracle(tree.values[below[0] if below else -1], row)
        case Call():
            return _called(tree, row)
        case Compare():
            raise AssertionError("a comparison stands in where only")


def _called(tree: Call, row: Callable[[Field], float]) -> float:
    if tree.name == "where":
        condition = tree.parts[0]
        assert isinstance(condition, Compare)
        left, right = oracle(condition.left, row), oracle(condition.right, row)
        holds = {
            "<": left < right, "<=": left <= right, ">": left > right, ">=": left >= right,
            "==": left == right, "!=": left != right,
        }[condition.sign]  # fmt: skip
        return oracle(tree.parts[1 if holds else 2], row)
    parts = [oracle(part, row) for part in tree.parts]
    if tree.name == "clip":
        if parts[1] > parts[2]:
            raise RefusedError
        return min(max(parts[0], parts[1]), parts[2])
    return min(parts) if tree.name == "min" else max(parts)


@settings(max_examples=400)
@given(trees, st.integers(0, 2**32))
def test_values_equal_a_slow_oracle(tree: Node, seed: int) -> None:
    rng = np.random.default_rng(seed)
    count = 4
    columns = {
        (field.name, field.key): rng.integers(-3, 4, count).astype(np.float64)
        for field in names("department")
    }
    rows = [f"第{i}行" for i in range(count)]
    expected: list[float] = []
    try:
        for i in range(count):
            value = oracle(tree, lambda field, i=i: float(columns[field.name, field.key][i]))
            if not math.isfinite(value):
                raise RefusedError
            expected.append(value)
    except RefusedError:
        with pytest.raises(FormulaError):
            evaluate(tree, columns, rows)
        return
    assert evaluate(tree, columns, rows).tolist() == expected


def test_division_by_zero_names_the_rows() -> None:
    tree = parse_formula("DRG部分 / (CMI - 1)")
    columns = {("drg_part", ""): np.ones(3), ("cmi", ""): np.array([1.0, 2.0, 1.0])}
    with pytest.raises(FormulaError, match=r"除以 0：CMI − 1（读到“普外科、骨科”）"):
        evaluate(tree, columns, ["普外科", "儿科", "骨科"])
    with pytest.raises(FormulaError, match="写作 若（除数 ≠ 0"):
        evaluate(tree, columns, ["普外科", "儿科", "骨科"])
    safe = parse_formula("where(CMI == 1, 0, DRG部分 / (CMI - 1))")
    assert evaluate(safe, columns, ["a", "b", "c"]).tolist() == [0, 1, 0]


def test_missing_figures_are_told() -> None:
    tree = parse_formula("质量得分 / 100")
    with pytest.raises(FormulaError, match="“质量得分”没有数（读到“儿科”）"):
        evaluate(tree, {("score", ""): np.array([90.0, np.nan])}, ["骨科", "儿科"])
    with pytest.raises(FormulaError, match=r"本月和方案都没有这个名称.*最接近“水电”"):
        evaluate(parse_formula("成本.水店"), {("cost_of", "水电"): np.ones(1)}, ["骨科"])


def test_a_quotient_equal_to_a_bound_is_in_the_upper_step() -> None:
    """lower <= x < upper: 1.21 / 1.1 is 1.1, though float64 has it below."""
    tree = parse_formula("阶梯(CMI ÷ 1.1；<1.1：1；其余：2)")
    found = evaluate(tree, {("cmi", ""): np.array([1.2099, 1.21])}, ["骨科", "儿科"])
    assert found.tolist() == [1.0, 2.0]


_HUGE = "×".join(["999999999999999"] * 30)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (f"最小({_HUGE}，5)", "中间结果太大（读到“骨科”）"),
        (f"若({_HUGE} − {_HUGE} > 0，1，2)", "中间结果太大"),
        (f"阶梯({_HUGE}；<1：1；其余：2)", "中间结果太大"),
        ("999999999999 × 999999999999", "结果太大（读到“骨科”）。请核对"),
    ],
)
def test_a_figure_beyond_any_money_is_not_lost_on_its_way(text: str, words: str) -> None:
    """min, where and ladder would hide what overflowed; int64 fen would wrap."""
    with pytest.raises(FormulaError) as caught:
        evaluate(parse_formula(text), {}, ["骨科"])
    assert words in str(caught.value)


# ------------------------------------------------------------------ units


def test_points_are_not_added_to_yuan() -> None:
    words = told("点数 × 点值 + 点数")
    assert "第 9 个字符" in words
    assert "元与点不能相加" in words
    assert "请先换算成同一单位" in words


def test_a_price_is_not_points() -> None:
    """A price for points: yuan per point where points are wanted."""
    assert "公式的结果应为元，实际为元/点" in told("点值 × 科室系数")
    assert "公式的结果应为元，实际为点" in told("点数")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("最大(DRG部分, 点数)", "元与点不能比较"),
        ("若(DRG部分 > 点数, 1元, 2元)", "元与点不能比较"),
        ("若(CMI > 1, DRG部分, 点数)", "元与点不能作为同一结果"),
        ("阶梯(CMI; <1: 1元; 其余: 2点)", "元与点不能作为同一结果"),
        ("DRG部分 / (2 − 1 − 1)", "除数恒为 0"),
        ("DRG部分 + 岗位系数 × 1元", "“岗位系数”只能用在个人公式里"),
        ("成本 + DRG部分", "“成本”后须写名称"),
        ("DRG部分.甲 + 1", "“DRG部分”后不能再写名称"),
    ],
)
def test_units_and_places_are_checked(text: str, words: str) -> None:
    assert words in told(text)


def test_all_faults_of_a_formula_are_told_at_once() -> None:
    words = told("点数 + DRG部分 + 岗位系数 + 成本")
    assert "公式有 4 处错误" in words


def test_bare_numbers_take_the_unit_beside_them() -> None:
    for text in ("DRG部分 + 100", "限幅(DRG部分, −400, 600)", "若(DRG部分 > 0, DRG部分, 0)", "5"):
        check_formula(parse_formula(text), "department", YUAN, text)


@pytest.mark.parametrize("text", ["元/点", "比例", "元·天/人", "1/天", "点"])
def test_units_as_text(text: str) -> None:
    assert unit_text(unit_of(text)) == text


def test_every_field_is_described() -> None:
    for info in fields_of().values():
        assert info.label
        assert info.description
        assert info.scopes
        assert info.kind in {"work", "money", "cost", "income", "price", "drg", "quality", "person"}


# ------------------------------------------------------------------ faulty and hostile texts


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "这里应为数字、名称或括号（读到“公式的末尾”）"),
        ("点书 × 2", "不认识的名称（读到“点书”）。最接近的名称是“点数”"),
        ("DRG部", "最接近的名称是“DRG部分”"),
        ("sqrt(点数)", "不认识的函数（读到“sqrt”）。可用：最小（min）"),
        ("点数 点值", "公式到这里应已结束（读到“点值”）"),
        ("(点数", "这里应为“)”（读到“公式的末尾”）"),
        ("点数 ** 2", "这里应为数字、名称或括号（读到“*”）"),
        ("1e5", "数字后只可写单位"),
        ("1.2.3", "公式到这里应已结束"),
        ("max(1)", "最大 应有至少 2 项（读到“1 项”）"),
        ("clip(1, 2)", "限幅 应有3 项（读到“2 项”）"),
        ("where(点数, 1, 2)", "这里应为比较"),
        ("点数 < 1", "公式到这里应已结束（读到“<”）"),
        ("ladder(CMI; <1: 1; <1: 2; else: 3)", "不能重叠或留空档"),
        ("ladder(CMI; <2: 1; <1: 2; else: 3)", "阶梯的界限应自小到大"),
        ("ladder(CMI; <1: 1)", "这里应为“;”"),
        ("ladder(点数; <100元: 1; else: 2)", "阶梯的界限不写单位（读到“元”）。界限只写数字"),
        ("ladder(CMI; else: 1)", "阶梯至少要有一级"),
        ("点数 + 'a'", "不认识的字符（读到“'”）"),
        ("点数; import os", "公式到这里应已结束（读到“;”）"),
        ("__class__", "不认识的名称"),
        ("点数.__class__.__mro__", "公式到这里应已结束（读到“.”）"),
        ("lambda: 0", "不认识的名称（读到“lambda”）"),
        ("9" * 16, "数字不得超过 15 位"),
    ],
)
def test_faulty_texts(text: str, words: str) -> None:
    assert words in told(text)


@pytest.mark.parametrize(
    "text",
    [
        "(" * 10**5,
        "-" * 3_000 + "1",
        "点数+" * 10**6,
        "1+" * 1_900 + "1",
        "min(" * 900,
        "若(" * 300,
        "点数.点数" * 400,
        "\x00",
        "点数\u202e",
        "\ud800",
        "𝟙 + 𝟙",
        "点数" + "\u0301" * 100,
        "9" * 4_000,
        "＿＿import＿＿",
    ],
)
def test_hostile_texts_are_refused(text: str) -> None:
    with pytest.raises(FormulaError):
        parse_formula(text)


def test_the_bounds_are_the_bounds() -> None:
    deep = "(" * (MOST_DEPTH - 1) + "1" + ")" * (MOST_DEPTH - 1)
    assert parse_formula(deep) == Number("1")
    with pytest.raises(FormulaError, match=f"超过 {MOST_DEPTH} 层"):
        parse_formula(f"({deep})")
    padded = "1" + " " * (MOST_CHARACTERS - 1)
    assert parse_formula(padded) == Number("1")
    with pytest.raises(FormulaError, match="公式太长"):
        parse_formula(padded + " ")


_CHINESE = "点数值元科室系数（）；，：×÷−<>=≤≥≠若阶梯其余“”"


def test_the_longest_formulas_are_computed() -> None:
    tree = parse_formula("+".join(["1"] * 200))
    assert evaluate(tree, {}, ["一"]).tolist() == [200.0]
    assert parse_formula(show_formula(tree)) == tree
    check_formula(tree, "department", YUAN)


@settings(max_examples=300)
@given(
    st.text(
        alphabet=string.printable + "点数值元科室系数（）；，：×÷−<>=≤≥≠若阶梯其余“”", max_size=60
    )
)
def test_any_text_gives_a_tree_or_an_error(text: str) -> None:
    try:
        tree = parse_formula(text)
    except FormulaError as error:
        assert str(error)
        return
    assert parse_formula(show_formula(tree)) == tree


# ------------------------------------------------------------------ what depends on what


@pytest.mark.parametrize(
    ("text", "degree"),
    [
        ("DRG部分", 0),
        ("点数 × 点值 + DRG部分", 1),
        ("若(CMI > 1, 点数 × 点值, 点数 × 点值 × 0.9)", 1),
        ("阶梯(CMI; <1: 点数 × 点值; 其余: 0)", 1),
        ("点数 × 点值 ÷ 3", 1),
        ("点数 × 点值 × 点值", 2),
        ("最大(点数 × 点值, 0)", 9),
        ("点数 ÷ 点值", 9),
        ("若(点值 > 1, 1, 2)", 9),
        ("阶梯(点值; <1: 1; 其余: 2)", 9),
    ],
)
def test_degree_in_the_point_value(text: str, degree: int) -> None:
    assert degree_in(parse_formula(text), "value") == degree


@pytest.mark.parametrize(
    ("text", "sign", "decides"),
    [
        ("点数 + 开单收入", 1, False),
        ("点数 − 开单收入", -1, False),
        ("点数 − (1 − 开单收入)", 1, False),
        ("−(开单收入 × 3%)", -1, False),
        ("点数 × (1 − 3) × 开单收入", -1, False),
        ("点数 ÷ 开单收入", -1, False),
        ("DRG部分 × 开单收入", 0, False),
        ("最大(0, 点数 − 开单收入)", -1, False),
        ("若(开单收入 > 1, 1, 0)", 0, True),
        ("阶梯(开单收入; <1: 1; 其余: 2)", 0, True),
    ],
)
def test_which_way_a_field_moves_the_result(text: str, sign: int, decides: bool) -> None:
    uses = [use for use in uses_of(parse_formula(text)) if use.field.name == "order_income"]
    assert [(use.sign, use.decides) for use in uses] == [(sign, decides)]
