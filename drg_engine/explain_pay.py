"""A month's allocation told: a person, a unit or an item, from the amount to lines and cases."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd

from drg_engine.case_explain import Part
from drg_engine.errors import Fault, InputError
from drg_engine.explain_lines import Wanted, find_lines, line_words, month_of
from drg_engine.explain_pay_parts import (
    Told,
    case_part,
    item_part,
    lines_part,
    money,
    pool_part,
    staff_part,
    value_part,
)
from drg_engine.money import format_fen
from drg_engine.pay_month import open_month
from drg_engine.pay_tables import SOURCE_WORDS
from performance.columns import nearest
from performance.words import decimal_text, item_words

__all__ = ["explain_item", "explain_person", "explain_unit"]

_MOST_ITEM_ROWS = 60


def _told(
    folder: Path, period: str, unmask: bool, begin: Callable[[str], None] = lambda _: None
) -> Told:
    return Told(open_month(folder, period, begin), unmask)


def explain_person(folder: Path, period: str, name: str, *, unmask: bool = False) -> list[Part]:
    """Tell a person's pay: parts, department pools, value, points, charge lines, DRG cases.

    name: staff id, or a name that only one has.  Raises InputError where there is no such person.
    """
    told = _told(folder, period, unmask)
    posts = told.allocation.staff_pay
    person, chosen = _only("人员", name, posts, ("staff_id", "name"), period)
    own = chosen.sort_values(["main", "department"], ascending=[False, True], kind="stable")
    parts = [_person_part(told, own)]
    for row in own.to_dict("records"):
        parts += _unit_parts(told, str(row["department"]), str(row["series"]))
    parts.append(_own_lines(told, person))
    return parts


def _only(
    what: str, name: str, rows: pd.DataFrame, columns: tuple[str, str], period: str
) -> tuple[str, pd.DataFrame]:
    """The code that is meant, and its rows; by the code's column, else by the name's."""
    key, title = columns
    chosen = rows[rows[key] == name.strip()]
    if chosen.empty:
        chosen = rows[rows[title] == name.strip()]
    codes = sorted({str(code) for code in chosen[key]})
    if len(codes) != 1:
        raise _unknown(what, name, codes, [str(one) for one in rows[key]], period)
    return codes[0], chosen


def _person_part(told: Told, posts: pd.DataFrame) -> Part:
    allocation = told.allocation
    first = posts.iloc[0]
    person, lines, amounts = str(first["staff_id"]), [], []
    for row in posts.to_dict("records"):
        place = told.place(str(row["department"]), str(row["series"]))
        share = float(row["post_share"])
        lines.append(
            f"岗位 {place} {row['title']}：个人系数 {row['coefficient']:.4f}，出勤 "
            f"{row['attendance']:.4f}" + (f"，岗位占比 {share:.4f}" if share != 1 else "")
        )
    for row in allocation.staff_parts[allocation.staff_parts["staff_id"] == person].to_dict(
        "records"
    ):
        lines.append(f"{row['part']}：{row['words']}")
        amounts.append(int(row["amount_fen"]))
    items = allocation.single_items
    if len(items):
        for row in items[(items["staff_id"] == person) & (items["status"] == "paid")].to_dict(
            "records"
        ):
            lines.append(f"单项：{row['matter']} {money(row['amount_fen'])}")
            amounts.append(int(row["amount_fen"]))
    total = int(posts["total_fen"].sum())
    lines.append(f"应发：{told.sum_words(amounts, total)}")
    return Part(f"个人：{person} {first['name']}　应发 {format_fen(total)} 元", tuple(lines))


def _own_lines(told: Told, person: str) -> Part:
    """What the person ordered and did, as lines."""
    lines: list[str] = []
    month = month_of(told.inputs)
    for word, wanted in (
        ("开单", Wanted(doctor=[person], period=month)),
        ("执行", Wanted(executor=[person], period=month)),
    ):
        found = find_lines(told.inputs, wanted, 5)
        if found.rows:
            lines.append(f"{word}：")
            lines += [f"  {text}" for text in line_words(found, unmask=told.unmask)]
    return Part(f"本人开单、执行的明细：{person}", tuple(lines or ["收费明细中没有本人的工号"]))


def explain_unit(folder: Path, period: str, name: str, *, unmask: bool = False) -> list[Part]:
    """Tell a department's money: pools by series, points, lines, DRG cases, staff.

    name: code or name.  Raises InputError where there is no such department.
    """
    told = _told(folder, period, unmask)
    pools = told.allocation.department_pools
    code, chosen = _only("科室", name, pools, ("department", "department_name"), period)
    parts = [_unit_part(told, code, chosen)]
    for series in chosen["series"]:
        parts += _unit_parts(told, code, str(series), with_cases=False)
        parts.append(staff_part(told, code, str(series)))
    parts.append(case_part(told, code))
    return [part for part in parts if part.lines]


def _unit_part(told: Told, department: str, pools: pd.DataFrame) -> Part:
    amounts = [int(fen) for fen in pools["pool_fen"]]
    lines = [
        f"{told.series(str(row['series']))}：科室奖金 {money(row['pool_fen'])} = 人员分配 "
        f"{money(row['staff_fen'])} + 主任基金 {money(row['head_fund_fen'])} + 科室负担单项 "
        f"{money(row['department_single_fen'])}"
        for row in pools.to_dict("records")
    ]
    lines.append(f"合计：{told.sum_words(amounts, sum(amounts))}")
    items = told.allocation.single_items
    if len(items):
        own = items[(items["department"] == department) & (items["staff_id"] == "")]
        lines += [
            f"科室单项：{r['matter']} {money(r['amount_fen'])}" for r in own.to_dict("records")
        ]
    name = told.names.get(department, "")
    return Part(f"科室：{department} {name}　奖金 {money(sum(amounts))}", tuple(lines))


def _unit_parts(told: Told, department: str, series: str, *, with_cases: bool = True) -> list[Part]:
    parts = [
        pool_part(told, department, series),
        value_part(told, series),
        item_part(told, department, series),
        lines_part(told, department, series),
    ]
    if with_cases:
        parts.append(case_part(told, department))
    return [part for part in parts if part.lines]


def explain_item(folder: Path, period: str, name: str, *, unmask: bool = False) -> list[Part]:
    """Tell a charge item: its points, who got them, the lines.

    name: item code.  Raises InputError where neither the item table nor the points have it.
    """
    told = _told(folder, period, unmask)
    code = name.strip()
    items = told.inputs.items
    versions = items[items["item_code"] == code]
    points = told.allocation.item_points
    own = points[points["item_code"] == code].reset_index(drop=True)
    if versions.empty and own.empty:
        raise _unknown("项目", name, [], [str(one) for one in items["item_code"]], period)
    return [_item_head(versions, code), _item_points(told, own), _item_lines(told, code)]


def _item_head(versions: pd.DataFrame, code: str) -> Part:
    lines = []
    for row in versions.to_dict("records"):
        factors = "，".join(
            f"{word} {decimal_text(int(row[key]), 4)}"
            for key, word in (
                ("points_e4", "点数"), ("points_doctor_e4", "医生点数"),
                ("points_technician_e4", "医技点数"), ("points_nurse_e4", "护理点数"),
                ("order_coefficient_e4", "开单系数"), ("execution_coefficient_e4", "执行系数"),
            )
            if key in row and int(row[key]) >= 0
        )  # fmt: skip
        why = f"；{row['reason']}" if row.get("reason") else ""
        lines.append(
            f"版本 {row['version']}：{row['item_name']}（{row['item_class']}），{factors}{why}"
        )
    return Part(f"项目：{code}", tuple(lines))


def _item_points(told: Told, own: pd.DataFrame) -> Part:
    """Points by department, series and source, largest first, summed exactly."""
    whole = int(own["points_e6"].sum())
    ranked = own.assign(words=item_words(own), size=own["points_e6"].abs()).sort_values(
        ["size", "department", "series", "source"],
        ascending=[False, True, True, True],
        kind="stable",
    )
    shown = ranked.head(_MOST_ITEM_ROWS)
    lines = [
        f"{told.place(str(r['department']), str(r['series']))} "
        f"{SOURCE_WORDS.get(str(r['source']), r['source'])}：{r['words']}"
        for r in shown.to_dict("records")
    ]
    rest = ranked.iloc[_MOST_ITEM_ROWS:]
    if len(rest):
        lines.append(f"其余 {len(rest):,} 行：{decimal_text(int(rest['points_e6'].sum()), 6)} 点")
    lines.append(f"合计 {len(own):,} 行：{decimal_text(whole, 6)} 点")
    return Part("点数归到哪里", tuple(lines))


def _item_lines(told: Told, code: str) -> Part:
    found = find_lines(told.inputs, Wanted(items=[code]))
    return Part("收费明细", tuple(line_words(found, unmask=told.unmask)))


def _unknown(what: str, name: str, found: list[str], known: list[str], period: str) -> InputError:
    if len(found) > 1:
        fault = Fault(
            what, f"有 {len(found)} 个同名", found=name, mend=f"写编号：{'、'.join(found)}"
        )
        return InputError(f"不能确定是哪一个{what}", [fault])
    near = nearest(name.strip(), sorted(set(known)))
    mend = f"最接近 {near}" if near else "核对编号和月份"
    return InputError(f"{period} 没有这个{what}", [Fault(what, "找不到", found=name, mend=mend)])
