"""Parts of telling a month's allocation: pools, values, points, lines, cases, staff."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from drg_engine.case_explain import Part
from drg_engine.explain_lines import Wanted, find_lines, his_codes, line_words, month_of
from drg_engine.money import MISSING_FEN, format_fen
from drg_engine.month import Month
from drg_engine.pay_handed import SERIES_WORDS
from drg_engine.pay_tables import SOURCE_WORDS
from drg_engine.pool_parts import POOL_PARTS
from performance import Allocation, Inputs
from performance.drg_facts import left_out_of, transferred_cases
from performance.words import decimal_text, item_words, money_steps, number_text
from reports.values import masked_ids

__all__ = [
    "Told",
    "case_part",
    "item_part",
    "lines_part",
    "money",
    "pool_part",
    "staff_part",
    "value_part",
]

_ITEMS, _LINE_ITEMS, _LINES, _CASES = 12, 3, 5, 10
_FEWEST_POSTS = 2


def money(fen: int) -> str:
    """An amount in words: `1,234.50 元`."""
    return f"{format_fen(int(fen))} 元"


@dataclass(frozen=True)
class Told:
    """A computed month and how its ids are shown."""

    month: Month
    unmask: bool

    @property
    def allocation(self) -> Allocation:
        """The month's allocation."""
        assert self.month.allocation is not None  # noqa: S101 -- commands refuse a month without
        return self.month.allocation

    @property
    def inputs(self) -> Inputs:
        """What the allocation was made from."""
        assert self.month.inputs is not None  # noqa: S101
        return self.month.inputs

    @cached_property
    def names(self) -> Mapping[str, str]:
        """Names of departments by code."""
        pools = self.allocation.department_pools
        found = dict(zip(pools["department"], pools["department_name"], strict=True))
        held = self.inputs.departments
        return found | dict(zip(held["department"], held["department_name"], strict=True))

    def series(self, series: str) -> str:
        """A series in words."""
        return SERIES_WORDS.get(series, series)

    def place(self, department: str, series: str) -> str:
        """A department and series in words."""
        return f"{department} {self.names.get(department, '')}·{self.series(series)}"

    @staticmethod
    def sum_words(amounts: Sequence[int], total: int) -> str:
        """The amounts added up; says where they do not come to the total."""
        kept = [fen for fen in amounts if fen] or [0]
        text = format_fen(kept[0])
        for fen in kept[1:]:
            text += f" {'−' if fen < 0 else '+'} {format_fen(abs(fen))}"
        even = "" if sum(amounts) == total else f"（不等于 {format_fen(total)}）"
        return f"{text} = {format_fen(sum(amounts))} 元{even}"

    def pool(self, department: str, series: str) -> pd.DataFrame:
        """The row of the department pools, or none."""
        pools = self.allocation.department_pools
        return pools[(pools["department"] == department) & (pools["series"] == series)]


def pool_part(told: Told, department: str, series: str) -> Part:
    """How the department's money came about, and what of it went to its staff."""
    title = f"科室奖金：{told.place(department, series)}"
    rows = told.pool(department, series)
    if rows.empty:
        return Part(title, ("本月没有这个系列的奖金池",))
    row = rows.iloc[0]
    lines = str(row["words"]).split("；")
    steps = [(label, sign * int(row[key])) for label, key, sign in POOL_PARTS if int(row[key])]
    pool = int(row["pool_fen"])
    if not lines[-1].endswith(f"科室奖金 {format_fen(pool)}"):
        lines.append(money_steps(steps or [("点数部分", 0)], ("科室奖金", pool)))
    posts = told.allocation.staff_pay
    own = posts[(posts["department"] == department) & (posts["series"] == series)]
    lines += _weight_lines(own)
    out = [("科室奖金", pool), ("主任基金", -int(row["head_fund_fen"])),
           ("科室负担单项", -int(row["department_single_fen"]))]  # fmt: skip
    kept = [step for at, step in enumerate(out) if at == 0 or step[1]]
    lines.append(money_steps(kept, ("人员分配", int(row["staff_fen"]))))
    paid = int((own["average_fen"] + own["performance_fen"]).sum())
    sign = "=" if paid == int(row["staff_fen"]) else "≠"
    lines.append(
        f"{len(own):,} 个岗位的平均与绩效部分合计 {money(paid)} {sign} 人员分配 "
        f"{money(row['staff_fen'])}"
    )
    return Part(title, tuple(dict.fromkeys(lines)))


def _weight_lines(posts: pd.DataFrame) -> list[str]:
    """The weights that the staff's money is divided by, alike ones together, and their sum."""
    if len(posts) < _FEWEST_POSTS:
        return []
    counted: dict[str, int] = {}
    for row in posts.sort_values("coefficient", ascending=False, kind="stable").to_dict("records"):
        numbers = [float(row[key]) for key in ("coefficient", "attendance", "post_share")]
        if numbers[2] == 1:
            numbers.pop()
        word = " × ".join(number_text(number, 6) for number in numbers)
        counted[word] = counted.get(word, 0) + 1
    words = [word if count == 1 else f"{word} × {count} 人" for word, count in counted.items()]
    weights = posts["coefficient"] * posts["attendance"] * posts["post_share"]
    return [f"系数 × 出勤合计：{' + '.join(words)} = {number_text(float(weights.sum()), 6)}"]


def value_part(told: Told, series: str) -> Part:
    """How the point value of the series came about."""
    totals = told.allocation.series_totals
    rows = totals[totals["series"] == series]
    if rows.empty:
        return Part(f"点值：{told.series(series)}", ())
    row = rows.iloc[0]
    plan = told.month.plan
    model = None if plan is None else plan.series_model(series)
    if model is not None and model.mean is not None:
        word = f"按均值 {number_text(float(row['value']))} 元计"
        return Part(f"均值：{told.series(series)}系列", (word,))
    fen = {str(key): int(row[key]) for key in totals.columns if str(key).endswith("_fen")}
    weight, value = number_text(float(row["weight"]), 6), number_text(float(row["value"]))
    points = money(fen["department_points_fen"])
    if model is None or model.value == "budget":
        lines = [*_to_points(fen), f"点数部分合计 {points} ÷ 权重合计 {weight} = 点值 {value} 元"]
    else:
        lines = [f"权重合计 {weight} × 点值 {value} 元 = 点数部分合计 {points}（逐科室取整到分）"]
    return Part(f"点值：{told.series(series)}系列", (*lines, *_to_staff(fen)))


_TOTALS = (
    ("公式部分合计", "department_formula_fen", 1), ("DRG 部分合计", "department_drg_fen", 1),
    ("承担成本合计", "department_cost_fen", -1), ("质量奖金合计", "department_quality_pool_fen", 1),
    ("补至零合计", "department_floor_fen", 1), ("保底封顶合计", "department_bounds_fen", 1),
    ("科室单项合计", "department_single_fen", 1),
)  # fmt: skip


def _to_points(fen: Mapping[str, int]) -> list[str]:
    """From what was approved to what the points share: the budget solved for it."""
    whole = fen["department_pool_fen"]
    borne = whole - fen["staff_fen"] - fen["department_head_fund_fen"] - fen["unknown_fen"]
    free = fen["approved_fen"] + fen["fund_used_fen"] - fen["reserve_fen"]
    free += borne - fen["personal_single_fen"]
    steps = [
        ("批准", fen["approved_fen"]), ("动用基金", fen["fund_used_fen"]),
        ("预留", -fen["reserve_fen"]), ("个人单项", borne - fen["personal_single_fen"]),
    ]  # fmt: skip
    lines = [_steps(steps, ("可分", free))]
    quality = fen["department_quality_fen"] + fen["withheld_fen"]
    taken = [(label, -sign * fen[key]) for label, key, sign in _TOTALS]
    taken.append(("质量调整合计", -quality))
    lines.append(_steps([("可分", free), *taken], ("点数部分合计", fen["department_points_fen"])))
    return lines


def _to_staff(fen: Mapping[str, int]) -> list[str]:
    """From the points' share to the departments' pools, and to their staff."""
    whole = fen["department_pool_fen"]
    steps = [("点数部分合计", fen["department_points_fen"])]
    steps += [(label, sign * fen[key]) for label, key, sign in _TOTALS]
    steps.append(("质量调整合计", fen["department_quality_fen"]))
    fund, lost = fen["department_head_fund_fen"], fen["unknown_fen"]
    borne = whole - fen["staff_fen"] - fund - lost
    out = [("科室奖金合计", whole), ("未知科室留存", -lost), ("主任基金", -fund),
           ("科室负担个人单项", -borne)]  # fmt: skip
    return [
        _steps(steps, ("科室奖金合计", whole)),
        _steps(out, ("人员分配合计", fen["staff_fen"])),
    ]


def _steps(steps: Sequence[tuple[str, int]], result: tuple[str, int]) -> str:
    """The first step and those of the others that are not nothing."""
    return money_steps([step for at, step in enumerate(steps) if at == 0 or step[1]], result)


def _items(told: Told, department: str, series: str) -> pd.DataFrame:
    points = told.allocation.item_points
    own = points[(points["department"] == department) & (points["series"] == series)]
    own = own.reset_index(drop=True)
    return own.assign(size=own["points_e6"].abs()).sort_values(
        ["size", "source", "item_code"], ascending=[False, True, True], kind="stable"
    )


def _source(source: object) -> str:
    return SOURCE_WORDS.get(str(source), str(source))


def item_part(told: Told, department: str, series: str) -> Part:
    """The largest items of the department's points, and the rest; equal to the points paid."""
    own = _items(told, department, series)
    title = f"点数：{told.place(department, series)}"
    if own.empty:
        return Part(title, ())
    shown = own.head(_ITEMS)
    lines = [
        f"{r['item_code']} {r['item_name']}（{_source(r['source'])}）：{w}"
        for r, w in zip(shown.to_dict("records"), item_words(shown), strict=True)
    ]
    rest = own.iloc[_ITEMS:]
    if len(rest):
        lines.append(f"其余 {len(rest):,} 项：{decimal_text(int(rest['points_e6'].sum()), 6)} 点")
    whole = int(own["points_e6"].sum())
    pool = told.pool(department, series)
    counted = whole if pool.empty else int(pool["points_e6"].iloc[0])
    sign = "=" if counted == whole else "≠"
    lines.append(
        f"合计 {len(own):,} 项：{decimal_text(whole, 6)} 点 {sign} 科室点数 "
        f"{decimal_text(counted, 6)} 点"
    )
    return Part(title, tuple(lines))


def lines_part(told: Told, department: str, series: str) -> Part:
    """The first charge lines of the department's largest items."""
    own = _items(told, department, series)
    own = own[own["source"].isin(["order", "execution"])]
    lines: list[str] = []
    codes = his_codes(told.inputs, department)
    inside = told.month.plan is not None and (
        told.month.plan.model.points.out_of_period == "unknown"
    )
    month = month_of(told.inputs) if inside else None
    for row in own.drop_duplicates(["item_code", "source"]).head(_LINE_ITEMS).to_dict("records"):
        sides = {"order" if row["source"] == "order" else "execution": codes}
        wanted = Wanted(items=[str(row["item_code"])], period=month, **sides)
        found = find_lines(told.inputs, wanted, _LINES)
        word = SOURCE_WORDS[str(row["source"])]
        lines.append(f"{row['item_code']} {row['item_name']}（{word}）：")
        lines += [f"  {text}" for text in line_words(found, unmask=told.unmask)]
    return Part(f"收费明细：{told.place(department, series)} 点数最多的项目", tuple(lines))


def case_part(told: Told, department: str) -> Part:
    """The DRG cases behind the department's DRG part: those that the plan counts, and the rest."""
    plan = told.month.plan
    if plan is None or plan.model.drg.kind == "none":
        return Part("", ())
    settlement = told.month.settlement
    frame = settlement.to_frame()
    if "department" not in frame:
        return Part("", ())
    reasons = left_out_of(settlement, plan.model.drg, transferred_cases(told.month.cases))
    column = "cost_surplus_fen" if plan.model.drg.surplus == "cost" else "surplus_fen"
    frame = frame.assign(reason=reasons, amount=frame[column].fillna(0).replace(MISSING_FEN, 0))
    own = frame[frame["department"].astype(str) == department]
    counted = own[own["reason"] == ""]
    title = f"DRG 部分的病例：{department} {told.names.get(department, '')}"
    if own.empty:
        return Part(title, ("本月没有病例",))
    return Part(title, tuple(_case_lines(told, department, own, counted)))


def _case_lines(told: Told, department: str, own: pd.DataFrame, counted: pd.DataFrame) -> list[str]:
    sizes = counted["amount"].abs().to_numpy(dtype=np.int64)
    ranked = counted.iloc[np.argsort(-sizes, kind="stable")]
    shown = ranked.head(_CASES)
    ids = shown["case_id"] if told.unmask else masked_ids(shown["case_id"])
    lines = [
        f"病案 {case} {row['drg']}：{row['basis_words']}，盈亏 {money(row['amount'])}"
        for case, row in zip(ids, shown.to_dict("records"), strict=True)
    ]
    rest = ranked.iloc[_CASES:]
    if len(rest):
        lines.append(f"其余 {len(rest):,} 例：盈亏 {money(int(rest['amount'].sum()))}")
    whole = int(counted["amount"].sum())
    pools = told.allocation.department_pools
    held = pools.loc[pools["department"] == department, "surplus_fen"]
    used = int(held.iloc[0]) if len(held) else whole
    sign = "=" if used == whole else "≠"
    lines.append(
        f"计入 {len(counted):,} 例：盈亏合计 {money(whole)} {sign} 奖金池所用的 {money(used)}"
    )
    for reason, part in own[own["reason"] != ""].groupby("reason", sort=True):
        lines.append(f"不计入（{reason}）{len(part):,} 例：盈亏 {money(int(part['amount'].sum()))}")
    return lines


def staff_part(told: Told, department: str, series: str) -> Part:
    """The posts of a department and series; their amounts add up to its staff's money."""
    posts = told.allocation.staff_pay
    own = posts[(posts["department"] == department) & (posts["series"] == series)]
    lines = [
        f"{row['staff_id']} {row['name']}：{row['words'] or '0.00'}"
        for row in own.to_dict("records")
    ]
    if lines:
        amounts = own["average_fen"] + own["performance_fen"]
        lines.append(f"合计 {len(own):,} 个岗位：{money(int(amounts.sum()))}（不含单项）")
    return Part(f"人员：{told.place(department, series)}", tuple(lines))
