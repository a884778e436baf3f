"""DRG parts, quality and point values of every kind, worked by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from plan_month import DRGS, settled
from test_allocation_figures import ALL_IN, NO_QUALITY, ONE_DOCTOR, charges_of, one_ward
from test_allocation_hospital import assert_closed, make_inputs, make_plan, pool_of

from drg_engine.errors import AllocationError, InputError, PlanError
from performance import Allocation, DrgSurplus, allocate
from performance.formula_tree import FormulaError
from performance.plan_keys import StepModel
from performance.quality import ladder_rate

WARDS = {
    "departments": "科室编码,类型,科室系数\nS1,外科,1\nS2,内科,1\n",
    "staff": "工号,科室编码,系列\n1,S1,医生\n2,S2,医生\n",
    "attendance": "工号,应出勤天数,实际出勤天数\n1,20,20\n2,20,20\n",
    "charges": charges_of(S1="60", S2="40"),
    "costs": "科室编码,成本项目,金额\n",
    "quality": "科室编码,质量得分\nS1,90\nS2,70\n",
    "single_items": "科室编码,工号,事项,金额\n",
} | ONE_DOCTOR
FIGURES = {
    "department": ["S1", "S2"],
    "surplus_fen": [0, 0],
    "rw": [30.0, 10.0],
    "cases": [20.0, 10.0],
    "drg_count": [10.0, 5.0],
    "cost_index": [0.9, 1.25],
    "time_index": [1.0, 0.8],
    "low_risk_mortality": [0.0, 0.02],
}


def wards(folder: Path, changes: dict[str, Any], **texts: str) -> Allocation:
    """Two wards with 60 and 40 points, CMI 1.5 and 1, 1,000 yuan."""
    doctor = {"basis": "points", "value": "budget", "pool": 1000.0}
    plan = make_plan({"series": {"doctor": doctor}} | NO_QUALITY | changes)
    inputs = make_inputs(folder, **(WARDS | texts))
    result = allocate(plan, inputs, DrgSurplus("insurance", pd.DataFrame(FIGURES)))
    assert_closed(result)
    return result


def pools(result: Allocation) -> list[int]:
    return result.department_pools["pool_fen"].tolist()


def drg(kind: str, **keys: Any) -> dict[str, Any]:
    return {"drg": {"kind": kind, "cases": ALL_IN} | keys}


STEPS = [{"upper": 1.0, "rate": 0.5}, {"lower": 1.0, "upper": 1.2, "rate": 1.0},
         {"lower": 1.2, "rate": 1.5}]  # fmt: skip


@pytest.mark.parametrize(
    ("keys", "parts"),
    [
        ({"cmi": "none"}, [30_000, 10_000]),
        ({"cmi": "ratio", "cmi_target": {"外科": 1.2, "*": 1.0}}, [37_500, 10_000]),
        ({"cmi": "ladder", "cmi_target": {"*": 1.25}, "cmi_steps": STEPS}, [45_000, 5_000]),
        ({"cmi": "none", "rw_cap": 200.0}, [20_000, 10_000]),
        ({"cmi": "none", "quality_gate": 80.0}, [30_000, 0]),
    ],
)
def test_rw_price(keys: dict[str, Any], parts: list[int], tmp_path: Path) -> None:
    """ΣRW × 10 yuan × f(CMI); within the pool, v falls by what the DRG part takes."""
    result = wards(tmp_path, drg("rw_price", rw_price=10.0, funding="within", **keys))
    assert result.department_pools["drg_fen"].tolist() == parts
    rest = 100_000 - sum(parts)
    assert pools(result) == [parts[0] + rest * 6 // 10, parts[1] + rest * 4 // 10]
    assert f"{result.series_totals['value'][0]:.8f}" == f"{rest / 10_000:.8f}"


def test_rw_price_from_outside(tmp_path: Path) -> None:
    changes = drg("rw_price", rw_price=10.0, funding="outside", cmi="none")
    result = wards(tmp_path, changes | {"pool.approved_total": 1400.0})
    assert pools(result) == [90_000, 50_000]
    assert result.series_totals["outside_fen"].tolist() == [40_000]


def test_cmi_factor_multiplies_points(tmp_path: Path) -> None:
    """60 × 1.5 and 40 × 1 by CMI over a target of 1: 90 and 40 of 130."""
    result = wards(tmp_path, drg("cmi_factor", cmi="ratio", cmi_target={"*": 1.0}))
    assert pools(result) == [69_231, 30_769]
    assert "点数 60 × CMI 系数 1.5 × 点值" in str(pool_of(result, "S1", "doctor")["words"])


def test_split_pools(tmp_path: Path) -> None:
    """40 % of 1,000 by RW 30 : 10, 60 % by points 60 : 40."""
    result = wards(tmp_path, drg("split_pools", inpatient_share={"doctor": 0.4}))
    assert result.department_pools["drg_fen"].tolist() == [30_000, 10_000]
    assert pools(result) == [66_000, 34_000]


def test_kpi_only_is_inside_the_score(tmp_path: Path) -> None:
    """S1: 90 × 0.7 + 20 × min(1, 1.5/2) + 10 × min(1, 0.9/0.9); S2: 49 + 20 × 0.5 + 10 × 0.72."""
    kpis = [
        {"indicator": "cmi", "weight": 20.0, "target": 2.0, "better": "higher"},
        {"indicator": "cost_index", "weight": 10.0, "target": 0.9, "better": "lower"},
    ]
    quality = {"quality": {"kind": "multiply", "deduction": "withhold", "missing": "refuse"}}
    result = wards(tmp_path, drg("kpi_only", kpis=kpis) | quality)
    scores = result.department_pools["quality_score"].tolist()
    assert [round(score, 6) for score in scores] == [88.0, 66.2]
    assert pools(result) == [52_800, 26_480]
    assert result.series_totals["withheld_fen"].tolist() == [20_720]


def test_quality_pool(tmp_path: Path) -> None:
    """20 % of 1,000 by score 90 : 70, the rest by points."""
    for by, parts in (("score", [11_250, 8_750]), ("score_points", [13_171, 6_829])):
        quality = {"kind": "pool", "missing": "refuse", "pool_share": 0.2, "pool_by": by}
        result = wards(tmp_path / by, {"quality": quality})
        assert result.department_pools["quality_pool_fen"].tolist() == parts
        assert pools(result) == [48_000 + parts[0], 32_000 + parts[1]]


def test_quality_formula(tmp_path: Path) -> None:
    """min(score / 90, 1): 1 and 7/9, redistributed: 60 and 31.11 of 91.11."""
    quality = {
        "kind": "formula", "formula": "最小(质量得分 / 90, 1)", "deduction": "redistribute",
        "missing": "refuse",
    }  # fmt: skip
    assert pools(wards(tmp_path, {"quality": quality})) == [65_854, 34_146]


@pytest.mark.parametrize(
    ("actual", "reference", "rate", "reason"),
    [
        (0.9, 1.0, 1.0, "系数 1"),
        (0.8999, 1.0, 0.95, "系数 0.95"),
        (1.1, 1.0, 1.05, "系数 1.05"),
        (1.1999, 1.0, 1.05, "系数 1.05"),
        (1.21, 1.1, 1.05, "系数 1.05"),  # 1.1 exactly, 1.0999999999999999 in float64
        (0.63, 0.7, 1.0, "系数 1"),
        (10.08, 8.4, 1.0, "无级可入，不变"),
        (1.2, 1.0, 1.0, "无级可入，不变"),
        (float("nan"), 1.0, 1.0, "没有实际值，不变"),
        (1.0, float("nan"), 1.0, "没有参照值，不变"),
        (1.0, 0.0, 1.0, "参照值为 0，不变"),
    ],
)
def test_ladder_steps(actual: float, reference: float, rate: float, reason: str) -> None:
    steps = [
        StepModel(lower=0.0, upper=0.9, rate=0.95),
        StepModel(lower=0.9, upper=1.1, rate=1.0),
        StepModel(lower=1.1, upper=1.2, rate=1.05),
    ]
    found, words = ladder_rate(actual, reference, steps)
    assert found == rate
    assert words.endswith(reason)


@pytest.mark.parametrize(
    ("steps", "words"),
    [
        (
            [{"upper": 0.9, "rate": 1.0}, {"lower": 1.0, "rate": 1.0}],
            "阶梯有空档：0.9 至 1",
        ),
        ([{"upper": 1.0, "rate": 1.0}, {"lower": 0.9, "rate": 1.0}], "阶梯重叠：0.9 至 1"),
        ([{"rate": 1.0}, {"lower": 0.9, "rate": 1.0}], "之间须写明界限"),
        ([{"lower": 1.0, "upper": 1.0, "rate": 1.0}], "第 1 级的上限不大于下限"),
    ],
)
def test_ladders_with_gaps_are_refused(steps: list[dict[str, float]], words: str) -> None:
    ladder = {"indicator": "住院日", "node": "total", "steps": steps}
    with pytest.raises(PlanError) as caught:
        make_plan({"quality": {"kind": "ladder", "deduction": "withhold", "ladders": [ladder]}})
    assert words in str(caught.value)


def test_ladders_say_why_they_do_nothing(tmp_path: Path) -> None:
    ladder = {"indicator": "住院日", "node": "total", "steps": [{"upper": 0.9, "rate": 0.5}]}
    quality = {"kind": "ladder", "deduction": "withhold", "ladders": [ladder]}
    rows = "科室编码,指标,实际值,参照值\nS1,住院日,6.3,7\nS2,住院日,,7\n"
    result = wards(tmp_path, {"quality": quality}, indicators=rows)
    assert pools(result) == [60_000, 40_000]
    assert "住院日 6.3 ÷ 7 = 0.9，无级可入，不变" in str(pool_of(result, "S1", "doctor")["words"])
    assert "住院日 没有实际值，不变" in str(pool_of(result, "S2", "doctor")["words"])


# ------------------------------------------------------------------ point values and pools


def test_baseline_is_a_percentage_of_a_base_value(tmp_path: Path) -> None:
    series = {"basis": "points", "value": "baseline", "base_value": 8.5, "base_percent": 92.5}
    changes = {"series": {"doctor": series}, "pool.approved_total": 1000.0}
    result = wards(tmp_path, changes)
    assert pools(result) == [47_175, 31_450]
    row = result.series_totals.iloc[0]
    shown = [f"{row[name]:.8f}" for name in ("base_value", "value", "value_ratio")]
    assert shown == ["8.50000000", "7.86250000", "0.92500000"]


def test_fixed_prices_by_department(tmp_path: Path) -> None:
    series = {"basis": "points", "value": "fixed", "price": 5.0, "prices": {"内科": 6.5}}
    changes = {"series": {"doctor": series}, "pool.approved_total": 1000.0}
    result = wards(tmp_path, changes)
    assert pools(result) == [30_000, 26_000]
    assert result.department_pools["value"].tolist() == [5.0, 6.5]


def test_names_that_the_month_does_not_have_are_told(tmp_path: Path) -> None:
    """A price for a unit and a ladder on an indicator that nobody has."""
    series = {"basis": "points", "value": "fixed", "price": 5.0, "prices": {"S11": 6.5}}
    ladder = {"indicator": "住院天", "node": "total", "steps": [{"rate": 0.5}]}
    changes = {
        "series": {"doctor": series},
        "pool.approved_total": 1000.0,
        "quality": {"kind": "ladder", "deduction": "withhold", "ladders": [ladder]},
        "department_amounts.sugrery": {"doctor": 1.0},
    }
    rows = "科室编码,指标,实际值,参照值\nS1,住院日,6.3,7\n"
    told = wards(tmp_path, changes, indicators=rows).exceptions
    told = told[told["message"].str.startswith("没有用到")]
    assert told[["kind", "found"]].to_numpy().tolist() == [
        ["方案的单价没有对应科室", "S11"],
        ["方案的指标本月没有数据", "住院天"],
        ["方案的科室类型没有对应科室", "sugrery"],
    ]
    assert told["message"].str.contains("最接近“(?:S1|住院日|surgery)”").all()


def test_shares_of_a_pool_that_is_not_there_are_refused() -> None:
    """They would do nothing, and nobody would know."""
    fixed = {"basis": "points", "value": "fixed", "price": 5.0}
    floating = {"series": {"doctor": fixed}, "pool.approved_total": 1000.0}
    split = drg("split_pools", inpatient_share={"doctor": 0.3})
    with pytest.raises(PlanError, match=r"inpatient_share\.doctor\].*没有可分出住院部分的奖金池"):
        make_plan(split | floating | NO_QUALITY)
    quality = {"kind": "pool", "pool_share": 0.1, "pool_by": "score", "missing": "full"}
    with pytest.raises(PlanError, match="没有系列有奖金池可分出质量奖金"):
        make_plan({"drg": {"kind": "none"}, "quality": quality} | floating)


def test_a_formula_that_cannot_be_computed_is_named(tmp_path: Path) -> None:
    """With its plan and key: a plan may have six formulas."""
    formula = {"kind": "formula", "formula": "质量得分 ÷ 出院病例数 × 1人", "deduction": "withhold",
               "missing": "full"}  # fmt: skip
    with pytest.raises(FormulaError, match=r"\[quality\.formula\]：第 6 个字符.*除以 0"):
        wards(tmp_path, {"drg": {"kind": "none"}, "quality": formula})


def test_kpis_need_a_score_to_go_into() -> None:
    kpi = {"indicator": "cmi", "weight": 100.0, "target": 1.5, "better": "higher"}
    with pytest.raises(PlanError, match="指标进入质量得分，而方案不用质量得分"):
        make_plan(drg("kpi_only", kpis=[kpi]) | NO_QUALITY)


def test_a_score_of_kpis_alone_needs_no_table(tmp_path: Path) -> None:
    """CMI 1.5 and 1 over 1.5: 100 and 66.67 points."""
    kpi = {"indicator": "cmi", "weight": 100.0, "target": 1.5, "better": "higher"}
    quality = {"quality": {"kind": "multiply", "deduction": "withhold", "missing": "refuse"}}
    result = wards(tmp_path, drg("kpi_only", kpis=[kpi]) | quality, quality="科室编码,质量得分\n")
    assert pools(result) == [60_000, 26_667]


def test_budget_against_a_base_value(tmp_path: Path) -> None:
    doctor = {"basis": "points", "value": "budget", "pool": 1000.0, "base_value": 8.0}
    result = wards(tmp_path, {"series": {"doctor": doctor}})
    assert result.series_totals["value_ratio"].tolist() == [1.25]


INCOME = {
    "pool.source": "income",
    "pool.income": {"share": 0.15, "reserve": 1000.0},
    "series": {
        "doctor": {"basis": "points", "value": "budget", "pool_share": 0.7},
        "nurse": {"basis": "staff", "value": "budget", "pool_share": 0.3},
    },
}
BOOKS = (
    "类别,项目,金额\n医疗收入,,80000\n药品收入,,20000\n卫生材料收入,,8000\n剔除收入,,2000\n"
    "承担成本,,{cost}\n"
)
NURSES = {
    "staff": WARDS["staff"] + "3,S1,护理\n",
    "attendance": WARDS["attendance"] + "3,20,20\n",
}


@pytest.mark.parametrize(("cost", "pool"), [("30000", 750_000), ("45000", 400_000)])
def test_the_pool_out_of_income(cost: str, pool: int, tmp_path: Path) -> None:
    """Effective income 50,000: min(× 15 % = 7,500, − cost − 1,000)."""
    result = wards(tmp_path, INCOME, income=BOOKS.format(cost=cost), **NURSES)
    assert result.series_totals["pool_fen"].tolist() == [pool * 7 // 10, pool * 3 // 10]


def test_a_negative_pool_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AllocationError, match="奖金池为负") as caught:
        wards(tmp_path / "a", INCOME, income=BOOKS.format(cost="49500"), **NURSES)
    assert "按份额 7,500.00 元，减成本和预留后 -500.00 元" in str(caught.value)
    with pytest.raises(InputError, match="缺少收入成本表"):
        wards(tmp_path / "b", INCOME, **NURSES)


def test_a_formula_with_the_point_value_closes_the_budget(tmp_path: Path) -> None:
    """v × (60 × 1 + 40 × 2) + 20 × 2 wards = 1,000."""
    doctor = {
        "basis": "points", "value": "budget", "pool": 1000.0,
        "formula": "点数 × 点值 × 若(CMI > 1.2, 1, 2) + 20元",
    }  # fmt: skip
    result = wards(tmp_path, {"series": {"doctor": doctor}} | drg(
        "rw_price", rw_price=0.0, cmi="none", funding="within"))  # fmt: skip
    value = 960 / 140
    assert result.series_totals["value"][0] == pytest.approx(value, abs=1e-8)
    assert pools(result) == [round(6000 * value + 2000), round(8000 * value + 2000)]
    assert result.department_pools["formula_fen"].tolist() == [2000, 2000]
    words = str(pool_of(result, "S1", "doctor")["words"])
    assert (
        "点数 × 点值 × 若（CMI > 1.2，1，2） + 20元：60 × 6.85714286 × 若（1.5 > 1.2，1，2）"
        in words
    )


@pytest.mark.parametrize(
    ("formula", "words"),
    [
        ("点数 × 点值 ÷ CMI", "除以 0：CMI"),
        ("点书 × 点值", "最接近的名称是“点数”"),
        ("点数 + DRG部分", "点与元不能相加"),
        ("最大(点数 × 点值, 100)", "公式不是点值的一次式"),
        ("DRG部分 + 100元", "公式中没有点值"),
        ("点数 × 点值 + 成本.水店", "本月和方案都没有这个名称（读到“成本.水店”）"),
        ("点数 × 点值 × (CMI − 3)", "公式中点值的系数为负：S1、S2"),
    ],
)
def test_faulty_formulas(formula: str, words: str, tmp_path: Path) -> None:
    doctor = {"basis": "points", "value": "budget", "pool": 1000.0, "formula": formula}
    changes = {"series": {"doctor": doctor}} | drg(
        "rw_price", rw_price=1.0, cmi="none", funding="within"
    )
    figures = FIGURES | {"rw": [0.0, 10.0]} if "÷" in formula else FIGURES
    with pytest.raises((AllocationError, PlanError)) as caught:
        plan = make_plan(changes | NO_QUALITY)
        surplus = DrgSurplus("insurance", pd.DataFrame(figures))
        allocate(plan, make_inputs(tmp_path, **WARDS), surplus)
    assert words in str(caught.value)


# ------------------------------------------------------------------ which cases count


def test_cases_in_and_out() -> None:
    """Against plain loops over the cases, each mark alone and all together."""
    settlement, transferred, died = settled()
    kinds = ["normal", "low", "high", "ungrouped", "ambiguous", "out_of_scope", "normal", "normal"]
    marks: dict[str, Any] = {
        "transferred": lambda i: i % 6 == 0,
        "self_pay": lambda i: i % 7 == 0,
        "out_of_region": lambda i: i % 4 == 0,
        **{
            kind: lambda i, kind=kind: kinds[i % 8] == kind
            for kind in ("ungrouped", "ambiguous", "low", "high", "out_of_scope")
        },
    }
    for out in [[], *([mark] for mark in marks), list(marks)]:
        scope = ALL_IN | dict.fromkeys(out, "out")
        keys = {
            "cases": scope,
            "local_regions": ["11"],
            "low_risk_drgs": [DRGS[0]],
            "kpis": [
                {"indicator": "low_risk_mortality", "weight": 1.0, "target": 1.0, "better": "lower"}
            ],
        }
        model = make_plan({"drg": {"kind": "kpi_only"} | keys}).model.drg
        found = DrgSurplus.from_settlement(
            settlement, model, transferred=transferred, died=died
        ).table.set_index("department")
        for department, start in (("D101", 0), ("D201", 1), ("D301", 2)):
            own = [i for i in range(start, 24, 3) if not any(marks[mark](i) for mark in out)]
            grouped = [i for i in own if kinds[i % 8] not in ("ungrouped", "ambiguous")]
            if not own:
                assert department not in found.index
                continue
            weight = [0.6, 1.1, 2.3]
            rw = sum(weight[i % 3 if i % 5 else 0] for i in grouped)
            row = found.loc[department]
            assert row["surplus_fen"] == sum(int(settlement.surplus[i]) for i in own)
            assert row["cases"] == len(grouped)
            assert row["rw"] == pytest.approx(rw)
            groups = {DRGS[i % 3 if i % 5 else 0] for i in grouped}
            assert row["drg_count"] == len(groups)
            low = [bool(died[i]) for i in grouped if (i % 3 if i % 5 else 0) == 0]
            expected = np.mean(low) if low else np.nan
            assert row["low_risk_mortality"] == pytest.approx(expected, nan_ok=True)


def test_cases_left_out_are_told(tmp_path: Path) -> None:
    settlement, transferred, died = settled()
    plan = make_plan({"drg.cases": ALL_IN | {"self_pay": "out", "low": "out"}})
    surplus = DrgSurplus.from_settlement(
        settlement, plan.model.drg, transferred=transferred, died=died
    )
    assert surplus.left_out["mark"].tolist() == ["自费病例", "低倍率病例"]
    assert surplus.left_out["cases"].sum() + surplus.table["cases"].sum() <= settlement.n
    result = allocate(plan, make_inputs(tmp_path), surplus)
    told = result.exceptions[result.exceptions["kind"] == "病例不计入 DRG 部分"]
    assert sorted(told["found"]) == ["低倍率病例", "自费病例"]
    everything = int(settlement.surplus.sum())
    assert surplus.table["surplus_fen"].sum() + told["amount_fen"].sum() == everything


def test_one_ward_needs_figures_for_weights(tmp_path: Path) -> None:
    with pytest.raises(AllocationError, match="请由结算结果给出"):
        one_ward(tmp_path, drg("split_pools", inpatient_share={"doctor": 1.0}) | NO_QUALITY, 5)
