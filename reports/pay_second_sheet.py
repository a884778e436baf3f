"""The sheet of the second allocation: amounts that a department head fills in, sums to meet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from openpyxl.formatting.rule import FormulaRule
from openpyxl.styles import Font, PatternFill, Protection
from openpyxl.worksheet.datavalidation import DataValidation
from openpyxl.worksheet.worksheet import Worksheet

from reports.grid import put
from reports.style import Painter

__all__ = ["SecondSheet", "draw_second"]

SERIES_WORDS = {"doctor": "医生", "nurse": "护理", "technician": "医技", "administration": "行政"}
_HEADINGS = (
    ("序号", 6), ("工号", 13), ("姓名", 14), ("系列", 9), ("职称", 15), ("个人系数", 11),
    ("出勤", 9), ("首次分配", 14), ("二次分配", 15), ("调整", 13), ("个人单项", 13),
    ("应发合计", 15), ("理由", 40),
)  # fmt: skip
_LETTERS = {name: chr(ord("A") + at) for at, (name, _) in enumerate(_HEADINGS)}
_MOST = 1e9
_STEPS = (
    "1. 只改着色的两列：“二次分配”（元，至多两位小数，不为负）和“理由”；其余已锁定（没有密码）。",
    "2. 每个系列的“二次分配”合计必须与“应分”分文不差，上方“结论”为“平”才能交回；系列之间不能调剂。",
    "3. 不发的写 0，不要删行、加行或改工号、姓名、系列；个人单项不在二次分配之内，另行发放。",
    "4. 存成 Excel 工作簿（.xlsx）交回财务；财务执行 drg-engine pay import 读入，有错逐格指出。",
    "5. 校验码对应这一次的首次分配；财务重跑后奖金有变，须用新发的工作簿重填。",
)


@dataclass(frozen=True, slots=True, eq=False)
class SecondSheet:
    """What the sheet holds.

    rows: one a post, in order: staff_id, name, series, title, coefficient, attendance, first_fen,
    second_fen (what stands there to begin with), single_fen, reason.
    """

    period: str
    department: str
    code: str
    rows: pd.DataFrame


def draw_second(second: SecondSheet, sheet: Worksheet, painter: Painter, top: int) -> int:
    """Fill the sheet from row ``top`` on; returns the next free row.

    Cells to fill in are coloured and unlocked, with a check of what is typed; all others are locked
    without a password.
    """
    series = list(dict.fromkeys(second.rows["series"]))
    for letter, (_, width) in zip(_LETTERS.values(), _HEADINGS, strict=True):
        sheet.column_dimensions[letter].width = width
    row = _labels(second, sheet, painter, top)
    row = _steps(sheet, painter, row)
    head = row + len(series) + 4
    first, last = head + 1, head + len(second.rows)
    _sums(sheet, painter, row, series, (first, last))
    _rows(second, sheet, painter, head)
    _checks(sheet, painter, first, last)
    sheet.print_title_rows = f"{head}:{head}"
    sheet.protection.sheet = True
    for allowed in ("formatColumns", "formatRows", "sort", "autoFilter"):
        setattr(sheet.protection, allowed, False)
    return last + 2


def _labels(second: SecondSheet, sheet: Worksheet, painter: Painter, top: int) -> int:
    pairs = (("月份", second.period), ("科室编码", second.department), ("校验码", second.code))
    column = 2
    for label, text in pairs:
        put(sheet, top, column, label, painter.look(fill="total", bold=True, align="center"))
        put(sheet, top, column + 1, text, painter.look("code", edge="below"))
        column += 2
    sheet.merge_cells(start_row=top, end_row=top, start_column=7, end_column=8)
    sheet.row_dimensions[top].height = 22
    return top + 2


def _steps(sheet: Worksheet, painter: Painter, row: int) -> int:
    put(sheet, row, 1, "怎样填写", painter.look(bold=True, ink="primary", align="left"))
    for at, text in enumerate(_STEPS, start=row + 1):
        put(sheet, at, 1, text, painter.look(align="left"))
    return row + len(_STEPS) + 2


def _sums(
    sheet: Worksheet,
    painter: Painter,
    row: int,
    series: Sequence[str],
    rows: tuple[int, int],
) -> None:
    """What each series must come to, what it comes to, and whether they agree."""
    put(sheet, row, 1, "合计核对", painter.look(bold=True, ink="primary", align="left"))
    head = painter.look(bold=True, ink="on_primary", fill="primary", align="center")
    for column, text in ((4, "系列"), (8, "应分"), (9, "已分"), (10, "差额"), (11, "结论")):
        put(sheet, row + 1, column, text, head)
    for column in (5, 6, 7):
        put(sheet, row + 1, column, None, head)
    first, last = rows
    names, given, own = (
        f"${_LETTERS[n]}${first}:${_LETTERS[n]}${last}" for n in ("系列", "首次分配", "二次分配")
    )
    text, money = painter.look("code", edge="below"), painter.look("yuan", edge="below")
    badge = painter.look("badge", edge="below", bold=True)
    for at, key in enumerate(series, start=row + 2):
        put(sheet, at, 4, SERIES_WORDS.get(key, key), text)
        for column in (5, 6, 7):
            put(sheet, at, column, None, text)
        formulas = (
            (8, f"=ROUND(SUMIF({names},D{at},{given}),2)", money),
            (9, f"=ROUND(SUMIF({names},D{at},{own}),2)", money),
            (10, f"=ROUND(H{at}-I{at},2)", money),
            (11, f'=IF(J{at}=0,"平","不平")', badge),
        )
        for column, formula, look in formulas:
            cell: Any = sheet.cell(at, column)
            cell._style = look
            cell.value = formula
    where = f"K{row + 2}:K{row + 1 + len(series)}"
    _badge_rule(sheet, painter, where, f'K{row + 2}="平"', ("gain_light", "gain"))
    _badge_rule(sheet, painter, where, f'K{row + 2}<>"平"', ("loss_light", "loss"))


def _badge_rule(
    sheet: Worksheet, painter: Painter, where: str, formula: str, colours: tuple[str, str]
) -> None:
    colour = painter.style.colour
    fill = PatternFill("solid", bgColor=colour[colours[0]])
    font = Font(color=colour[colours[1]], bold=True)
    rule: Any = FormulaRule(formula=[formula], fill=fill, font=font)  # type: ignore[no-untyped-call]
    sheet.conditional_formatting.add(where, rule)


def _rows(second: SecondSheet, sheet: Worksheet, painter: Painter, head: int) -> None:
    look = painter.look(bold=True, ink="on_primary", fill="primary", align="center", wrap=True)
    for column, (heading, _) in enumerate(_HEADINGS, start=1):
        put(sheet, head, column, heading, look)
    sheet.row_dimensions[head].height = 30
    code, text = painter.look("code", edge="below"), painter.look(edge="below")
    factor, money = painter.look("decimal4", edge="below"), painter.look("yuan", edge="below")
    number = painter.look("int", edge="below")
    typed = painter.look("yuan", edge="below", fill="amber_light")
    why = painter.look("wrap", edge="below", fill="amber_light", wrap=True)
    for at, row in enumerate(second.rows.to_dict("records"), start=head + 1):
        series = str(row["series"])
        values = (
            (at - head, number), (str(row["staff_id"]), code), (str(row["name"]), text),
            (SERIES_WORDS.get(series, series), code), (str(row["title"]), text),
            (float(row["coefficient"]), factor), (float(row["attendance"]), factor),
            (int(row["first_fen"]) / 100.0, money), (int(row["second_fen"]) / 100.0, typed),
            (None, money), (int(row["single_fen"]) / 100.0, money), (None, money),
            (str(row["reason"]) or None, why),
        )  # fmt: skip
        for column, (value, shown) in enumerate(values, start=1):
            put(sheet, at, column, value, shown)
        for column, formula in ((10, f"=ROUND(I{at}-H{at},2)"), (12, f"=ROUND(I{at}+K{at},2)")):
            cell: Any = sheet.cell(at, column)
            cell.value = formula
        for column in (9, 13):
            sheet.cell(at, column).protection = Protection(locked=False)


def _checks(sheet: Worksheet, painter: Painter, first: int, last: int) -> None:
    """What may be typed: an amount from 0 on, at most two decimals; changed rows stand out."""
    amounts, letter = f"I{first}:I{last}", f"I{first}"
    formula = f"AND(ISNUMBER({letter}),{letter}>=0,{letter}<{_MOST:.0f},ROUND({letter},2)={letter})"
    check = DataValidation(type="custom", formula1=formula, allow_blank=False)
    check.errorTitle, check.error = "二次分配", "请填不为负的金额（元），至多两位小数。"
    check.promptTitle, check.prompt = "二次分配", "元，至多两位小数；不发的写 0。"
    check.showErrorMessage = check.showInputMessage = True
    sheet.add_data_validation(check)
    check.add(amounts)
    _badge_rule(
        sheet, painter, f"J{first}:J{last}", f"ROUND(J{first},2)<>0", ("amber_light", "loss")
    )
