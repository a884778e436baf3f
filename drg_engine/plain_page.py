"""HTML pages of tables that need nothing else: no file beside them, no network, no library."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from html import escape

__all__ = ["Cell", "PageTable", "page_html"]

_STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: #8882; --mark: #b45309; }
body { font: 14px/1.5 system-ui, "Microsoft YaHei", "PingFang SC", "Noto Sans CJK SC", sans-serif;
  margin: 2rem auto; max-width: 110rem; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.1rem; margin: 2rem 0 .5rem; }
.wide { overflow-x: auto; } table { border-collapse: collapse; min-width: 40%; }
.full table { width: 100%; } .full td:not(.number) { min-width: 6em; }
th, td { border-bottom: 1px solid var(--line); padding: .35rem .6rem; text-align: left;
  vertical-align: top; } th { background: var(--soft); white-space: nowrap; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; }
code { font-size: .92em; } td.mark { color: var(--mark); font-weight: 600; }
td small { display: block; opacity: .7; font-weight: 400; }
tr.hidden, div.hidden { display: none; }
input { font: inherit; padding: .3rem .6rem; width: 20rem; max-width: 100%; }
@media print { input { display: none; } }
"""
_SCRIPT = """
document.getElementById("find").addEventListener("input", event => {
  const word = event.target.value.trim().toLowerCase();
  for (const part of document.querySelectorAll("div.part")) {
    let any = false;
    for (const row of part.querySelectorAll("tbody tr")) {
      const hit = row.textContent.toLowerCase().includes(word);
      row.classList.toggle("hidden", !hit);
      any = any || hit;
    }
    part.classList.toggle("hidden", !any);
  }
});
"""


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell: its text, marked, as code, or with a small note under it."""

    text: str
    mark: bool = False
    code: bool = False
    note: str = ""


@dataclass(frozen=True, slots=True)
class PageTable:
    """A titled table; columns in ``numbers`` stand to the right, ``found`` ones can be searched."""

    title: str
    headings: Sequence[str]
    rows: Iterable[Sequence[Cell | str]]
    numbers: frozenset[int] = frozenset()
    found: bool = True
    code: str = ""


def page_html(title: str, words: Sequence[str], tables: Sequence[PageTable], find: str) -> str:
    """One page: title, paragraphs, tables that are not searched, a search box, the others.

    find: what the search box says it looks for.  All text is escaped.
    """
    plain = [table for table in tables if not table.found]
    listed = [table for table in tables if table.found]
    parts = [
        "<!DOCTYPE html>",
        '<html lang="zh-CN"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body>",
        f"<h1>{escape(title)}</h1>",
        *(f"<p>{escape(text)}</p>" for text in words),
        *(line for table in plain for line in _table(table)),
        f'<p><input id="find" type="search" placeholder="{escape(find)}"></p>',
        *(line for table in listed for line in _table(table)),
        f"<script>{_SCRIPT}</script></body></html>",
    ]
    return "\n".join(parts) + "\n"


def _table(table: PageTable) -> Iterator[str]:
    code = f" <code>{escape(table.code)}</code>" if table.code else ""
    yield '<div class="part">' if table.found else "<div>"
    if table.title:
        yield f"<h2>{escape(table.title)}{code}</h2>"
    head = "".join(
        f"<th{_look(at in table.numbers, False)}>{escape(text)}</th>"
        for at, text in enumerate(table.headings)
    )
    wide = '<div class="wide full">' if table.found else '<div class="wide">'
    yield f"{wide}<table><thead><tr>{head}</tr></thead><tbody>"
    for row in table.rows:
        yield f"<tr>{''.join(_cell(cell, at in table.numbers) for at, cell in enumerate(row))}</tr>"
    yield "</tbody></table></div></div>"


def _cell(cell: Cell | str, number: bool) -> str:
    held = Cell(cell) if isinstance(cell, str) else cell
    text = f"<code>{escape(held.text)}</code>" if held.code else escape(held.text)
    note = f"<small>{escape(held.note)}</small>" if held.note else ""
    return f"<td{_look(number, held.mark)}>{text}{note}</td>"


def _look(number: bool, mark: bool) -> str:
    names = [name for name, on in (("number", number), ("mark", mark)) if on]
    return f' class="{" ".join(names)}"' if names else ""
