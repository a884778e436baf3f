"""``drg-engine explain`` of a person, a unit, an item: from the amount to lines and cases."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pay_cases import PERIOD, two_months

from drg_engine.case_explain import Part
from drg_engine.cli import app
from drg_engine.errors import InputError
from drg_engine.explain_pay import explain_item, explain_person, explain_unit


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return two_months(tmp_path_factory, "explain")[0]


@pytest.fixture(scope="module")
def person(folder: Path) -> list[Part]:
    return explain_person(folder, PERIOD, "100001")


def part(parts: list[Part], title: str) -> tuple[str, ...]:
    (found,) = [one.lines for one in parts if one.title.startswith(title)]
    return found


def test_a_person_from_the_amount_down(person: list[Part]) -> None:
    assert person[0].title == "个人：100001 甲一　应发 12,547.53 元"
    own = part(person, "个人")
    assert "绩效：16,939.98 × 1.8 × 1 ÷ 2.890909 = 10,547.53" in own
    assert "单项：新技术奖 2,000.00 元" in own
    assert own[-1] == "应发：10,547.53 + 2,000.00 = 12,547.53 元"
    pool = part(person, "科室奖金：D101")
    assert pool[0] == "点数 357.3 × 科室系数 1.1 × 点值 46.49652446 = 18,274.53"
    assert pool[-2:] == (
        "科室奖金 16,939.98 = 人员分配 16,939.98",
        "2 个岗位的平均与绩效部分合计 16,939.98 元 = 人员分配 16,939.98 元",
    )
    assert part(person, "点值：医生")[2].endswith("= 点值 46.49652446 元")
    points = part(person, "点数：D101")
    assert points[-1].endswith("357.3 点 = 科室点数 357.3 点")


def test_points_lead_to_charge_lines(person: list[Part], folder: Path) -> None:
    lines = part(person, "收费明细：D101")
    row = next(line for line in lines if line.strip().startswith("第 "))
    number = int(row.split()[1])
    text = (folder / "inputs" / PERIOD / "charges.csv").read_text(encoding="utf-8-sig")
    cells = text.splitlines()[number - 1].split(",")
    heads = text.splitlines()[0].split(",")
    line = dict(zip(heads, cells, strict=True))
    assert f"{line['项目编码']} × {line['数量']} = " in row
    assert f"开单 {line['开单科室']}，执行 {line['执行科室']}" in row
    assert lines[-1].startswith("  合计 ")


def test_the_drg_part_leads_to_cases(person: list[Part]) -> None:
    cases = part(person, "DRG 部分的病例：D101")
    assert cases[0].startswith("病案 ＊＊＊0001 ")
    assert cases[-1].startswith("计入 1 例：盈亏合计 ")
    left, _, right = cases[-1].removeprefix("计入 1 例：盈亏合计 ").partition(" = 奖金池所用的 ")
    assert left == right
    assert not any("ZY20260001" in line for one in person for line in one.lines)


def test_whole_ids_where_asked(folder: Path) -> None:
    shown = part(explain_person(folder, PERIOD, "甲一", unmask=True), "DRG 部分的病例")
    assert shown[0].startswith("病案 ZY20260001 ")


def test_a_unit(folder: Path) -> None:
    parts = explain_unit(folder, PERIOD, "普外科")
    head = part(parts, "科室：D101")
    assert head[0].startswith("医生：科室奖金 16,939.98 元 = 人员分配 16,939.98 元")
    assert "合计：16,939.98 + 11,576.80 = 28,516.78 元" in head
    staff = part(parts, "人员：D101 普外科·护理")
    assert staff[-1] == "合计 2 个岗位：11,576.80 元（不含单项）"
    assert [line.split()[0] for line in staff[:-1]] == ["100003", "100004"]
    assert explain_unit(folder, PERIOD, "D101") == parts


def test_an_item(folder: Path) -> None:
    from performance import read_inputs

    inputs = read_inputs(folder / "tables", folder / "inputs" / PERIOD, PERIOD)
    code = str(inputs.items["item_code"].iloc[0])
    parts = explain_item(folder, PERIOD, code)
    assert [one.title for one in parts] == [f"项目：{code}", "点数归到哪里", "收费明细"]
    text = (folder / "inputs" / PERIOD / "charges.csv").read_text(encoding="utf-8-sig")
    rows = [line for line in text.splitlines()[1:] if f",{code}," in line]
    assert parts[2].lines[-1].startswith(f"合计 {len(rows)} 行：")


@pytest.mark.parametrize(
    ("option", "name", "words"),
    [
        ("--person", "100000", "没有这个人员"),
        ("--unit", "D10", "最接近 D101"),
        ("--item", "x", "没有这个项目"),
    ],
)
def test_nobody_of_that_name(folder: Path, option: str, name: str, words: str) -> None:
    with pytest.raises(InputError) as caught:
        app(["explain", str(folder), PERIOD, option, name], standalone_mode=False)
    assert words in str(caught.value)


def test_the_command(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    app(["explain", str(folder), PERIOD, "--person", "100001"], standalone_mode=False)
    said = capsys.readouterr().out
    assert said.startswith("【个人：100001 甲一　应发 12,547.53 元】\n")
    with pytest.raises(InputError, match="写且只写一项"):
        app(["explain", str(folder), PERIOD, "--person", "1", "--unit", "2"], standalone_mode=False)


def calculated(text: str, before: float) -> float:
    """A printed calculation by hand: labels dropped, left to right, × and ÷ first."""
    plain = re.sub(
        r"\d+ 个岗位|[^\d.,+×÷−-]", "", text.rpartition("：")[2].replace(" -", " 0-")
    ).replace(",", "")
    if plain.startswith("×"):
        plain = f"{before}{plain}"
    total = 0.0
    for sign, product in re.findall(r"([+−]?)((?:-?[\d.]+[×÷]?)+)", plain):
        factors = re.findall(r"([×÷]?)(-?[\d.]+)", product)
        value = 1.0
        for times, number in factors:
            value = value / float(number) if times == "÷" else value * float(number)
        total += -value if sign == "−" else value
    return total


def test_every_printed_line_holds_by_calculator(folder: Path) -> None:
    checked = []
    for one in explain_unit(folder, PERIOD, "D101"):
        if not one.title.startswith(("科室奖金", "点值", "均值")):
            continue
        for line in one.lines:
            before = 0.0
            for piece in re.split("[；，](?=[^0-9])", line):
                left, sign, right = piece.partition(" = ")
                if not sign:
                    continue
                got, told = calculated(left, before), calculated(right.partition(" = ")[0], 0.0)
                assert got == pytest.approx(told, abs=0.02, rel=2e-7), line
                checked.append(left)
                before = told
    words = " ".join(checked)
    for wanted in ("点值", "承担成本", "本系列 ×", "承担成本合计", "可分"):
        assert wanted in words, wanted
