"""Pay slips of a month: strips to cut apart (xlsx), and a page a person (one HTML file).

A slip shows how the person's pay comes about, part by part, so that the parts add up to the total.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape
from pathlib import Path
from typing import Any

from openpyxl.worksheet.pagebreak import Break

from drg_engine.files import written_aside
from drg_engine.money import format_fen
from drg_engine.workbook_bytes import save_same_bytes
from reports import page
from reports.grid import put
from reports.style import Painter, Style, display_width
from reports.workbook import new_workbook

__all__ = ["Slip", "SlipLine", "write_slip_page", "write_slip_strips"]

_WIDTHS = (12, 12, 18, 9, 14, 14, 13, 15)
_HEADINGS = ("工号", "姓名", "科室", "系列", "平均部分", "绩效部分", "单项奖惩", "应发合计")
_WORDS_HOLD = sum(_WIDTHS) - 4.0
_PAGE_POINTS = 940.0
_LINE = 14.0
_TITLE, _HEAD, _VALUES, _GAP = 18.0, 18.0, 20.0, 11.0


@dataclass(frozen=True, slots=True)
class SlipLine:
    """One part of a person's pay: where, what, how it was worked out; int64 fen."""

    post: str
    part: str
    words: str
    amount_fen: int


@dataclass(frozen=True, slots=True)
class Slip:
    """One person's pay; the lines' amounts add up to ``total_fen``."""

    staff_id: str
    name: str
    department: str
    department_name: str
    series: str
    average_fen: int
    performance_fen: int
    single_fen: int
    total_fen: int
    lines: tuple[SlipLine, ...]


def write_slip_strips(hospital: str, period: str, slips: Sequence[Slip], path: Path) -> None:
    """Write strips (xlsx): whose and when, amounts, the calculation in words, a line to cut along.

    Printed on A4, upright; no strip is torn over two pages and every department begins a new one.
    The same slips give the same bytes.
    """
    workbook, painter = new_workbook(f"{hospital} {period} 工资条", Style.load())
    sheet: Any = workbook.active
    sheet.title = "工资条"
    for at, width in enumerate(_WIDTHS):
        sheet.column_dimensions[chr(ord("A") + at)].width = width
    sheet.sheet_view.showGridLines = False
    _strips(sheet, painter, slips, f"{hospital}　{period} 绩效工资条")
    page.set_up(sheet, hospital, f"{period} 绩效", "gain", painter, repeat=None)
    sheet.page_setup.orientation = "portrait"
    save_same_bytes(workbook, path, datetime.strptime(period, "%Y-%m"), painter.rows.entries())


def _strips(sheet: Any, painter: Painter, slips: Sequence[Slip], title: str) -> None:
    top = painter.look(bold=True, align="left")
    head = painter.look(bold=True, fill="total", align="center", size="note")
    code, money = painter.look("code"), painter.look("yuan")
    total = painter.look("yuan", bold=True)
    small = painter.look("wrap", size="note", ink="muted", wrap=True)
    cut = painter.look(size="note", ink="grey", align="left")
    row, used, before = 1, 0.0, ""
    for slip in slips:
        told = slip_words(slip)
        lines = sum(-(-display_width(text) // int(_WORDS_HOLD * 1.08)) or 1 for text in told)
        height = _LINE * max(lines, 1) + 4.0
        need = _TITLE + _HEAD + _VALUES + height + _GAP
        if row > 1 and (slip.department != before or used + need > _PAGE_POINTS):
            sheet.row_breaks.append(Break(id=row - 1))
            used = 0.0
        before = slip.department
        values = (
            (slip.staff_id, code), (slip.name, code), (slip.department_name, code),
            (slip.series, code), (slip.average_fen / 100.0, money),
            (slip.performance_fen / 100.0, money), (slip.single_fen / 100.0, money),
            (slip.total_fen / 100.0, total),
        )  # fmt: skip
        put(sheet, row, 1, title, top)
        for column, heading in enumerate(_HEADINGS, start=1):
            put(sheet, row + 1, column, heading, head)
        for column, (value, look) in enumerate(values, start=1):
            put(sheet, row + 2, column, value, look)
        put(sheet, row + 3, 1, "\n".join(told), small)
        put(sheet, row + 4, 1, "✂ " + "- " * 110, cut)
        for at in (row, row + 3, row + 4):  # merge_cells takes 2 ms a strip
            sheet.merged_cells.add(f"A{at}:H{at}")
        for at, points in enumerate((_TITLE, _HEAD, _VALUES, height, _GAP), start=row):
            sheet.row_dimensions[at].height = points
        row, used = row + 5, used + need


def slip_words(slip: Slip) -> list[str]:
    """The calculation of a slip, a line a part, and the sum where there are several."""
    posts = _several_posts(slip)
    told = []
    for line in slip.lines:
        where = f"{line.post} " if posts else ""
        told.append(f"{where}{line.part}：{line.words}")
    if len(slip.lines) > 1:
        text = ""
        for line in slip.lines:
            sign = ("− " if line.amount_fen < 0 else "+ ") if text else ""
            if not text and line.amount_fen < 0:
                sign = "−"
            text += f"{' ' if text else ''}{sign}{format_fen(abs(line.amount_fen))}"
        told.append(f"合计：{text} = {format_fen(slip.total_fen)}")
    return told or ["本月没有应发金额"]


def _several_posts(slip: Slip) -> bool:
    return len({line.post for line in slip.lines if line.post}) > 1


_STYLE = """
:root { --ink:#262F3D; --muted:#6B7686; --line:#D5DBE3; --head:#1F4E79; --soft:#F3F6FA; }
* { box-sizing: border-box; }
body { margin: 0; color: var(--ink); background: #E9EDF2;
  font: 13px/1.6 "微软雅黑", "Microsoft YaHei", "PingFang SC", "Noto Sans CJK SC", sans-serif; }
header { position: sticky; top: 0; background: #fff; border-bottom: 1px solid var(--line);
  padding: 10px 24px; display: flex; gap: 16px; align-items: center; }
header input { font: inherit; padding: 4px 10px; width: 18rem; }
section { background: #fff; width: 186mm; margin: 16px auto; padding: 12mm;
  border: 1px solid var(--line); }
h2 { font-size: 18px; margin: 0 0 2px; color: var(--head); }
.who { display: flex; flex-wrap: wrap; gap: 4px 28px; padding: 8px 0 10px;
  border-bottom: 2px solid var(--head); margin-bottom: 12px; }
.who b { font-weight: 600; } .who span { color: var(--muted); margin-right: 6px; }
table { width: 100%; border-collapse: collapse; }
th { background: var(--soft); text-align: left; color: var(--head); font-weight: 600; }
th, td { padding: 6px 8px; border-bottom: 1px solid var(--line); vertical-align: top; }
td.n, th.n { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
td.p { white-space: nowrap; } td.w { color: #44505F; overflow-wrap: anywhere; }
tfoot td { font-weight: 700; border-top: 2px solid var(--head); border-bottom: 0; font-size: 15px; }
.bad { color: #C8443C; } footer { margin-top: 14px; color: var(--muted); font-size: 11px; }
.hidden { display: none; }
@page { size: A4; margin: 12mm; }
@media print { body { background: #fff; } header { display: none; }
  section { border: 0; margin: 0; padding: 0; width: auto; break-after: page; }
  section:last-of-type { break-after: auto; } tr { break-inside: avoid; } }
"""
_SCRIPT = """
document.getElementById("find").addEventListener("input", event => {
  const word = event.target.value.trim().toLowerCase();
  for (const one of document.querySelectorAll("section"))
    one.classList.toggle("hidden", !one.dataset.who.toLowerCase().includes(word));
});
"""


def write_slip_page(hospital: str, period: str, slips: Sequence[Slip], path: Path) -> None:
    """Write all slips as one HTML page that needs nothing else; printed, each person has a page.

    Whoever is typed into the search box is shown (and printed) alone.  Written aside and renamed.
    """
    title = f"{hospital} {period} 绩效工资单"
    parts = [
        "<!DOCTYPE html>",
        '<html lang="zh-CN"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body>",
        f"<header><b>{escape(title)}</b>"
        '<input id="find" type="search" placeholder="姓名、工号或科室">'
        f"<span>{len(slips):,} 人；打印时一人一页</span></header>",
        *(text for slip in slips for text in _section(hospital, period, slip)),
        f"<script>{_SCRIPT}</script></body></html>",
    ]
    with written_aside(path) as aside:
        aside.write_text("\n".join(parts) + "\n", encoding="utf-8")


def _section(hospital: str, period: str, slip: Slip) -> Iterator[str]:
    who = (
        ("工号", slip.staff_id), ("姓名", slip.name), ("科室", slip.department_name),
        ("系列", slip.series),
    )  # fmt: skip
    several = _several_posts(slip)
    yield f'<section data-who="{escape(" ".join(text for _, text in who))}">'
    yield f"<h2>{escape(hospital)}　{escape(period)} 绩效工资单</h2>"
    cells = "".join(f"<div><span>{label}</span><b>{escape(text)}</b></div>" for label, text in who)
    yield f'<div class="who">{cells}</div>'
    post = "<th>岗位</th>" if several else ""
    yield f"<table><thead><tr>{post}<th>项目</th><th>怎样算出</th>"
    yield '<th class="n">金额（元）</th></tr></thead><tbody>'
    for line in slip.lines:
        post = f'<td class="p">{escape(line.post)}</td>' if several else ""
        yield (
            f'<tr>{post}<td class="p">{escape(line.part)}</td><td class="w">{escape(line.words)}'
            f"</td>{_money(line.amount_fen)}</tr>"
        )
    span = 3 if several else 2
    yield f'</tbody><tfoot><tr><td colspan="{span}">应发合计</td>{_money(slip.total_fen)}</tr>'
    yield "</tfoot></table><footer>算式：分配额 × 个人系数 × 出勤 ÷ 同科室同系列合计；"
    yield "其余各项按分配方案。有疑问请凭工号向财务查询，可追到收费明细和病例。"
    yield "</footer></section>"


def _money(fen: int) -> str:
    bad = " bad" if fen < 0 else ""
    return f'<td class="n{bad}">{format_fen(fen)}</td>'
