"""The page that lists every parameter of a policy, with several policies side by side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from drg_engine._policy_keys import KeyInfo, catalogue, key_of
from drg_engine.plain_page import Cell, PageTable, page_html
from drg_engine.policy import Policy

__all__ = ["parameter_html", "parameter_page", "parameter_rows"]

_HEADINGS = ("键", "名称", "单位", "范围", "默认", "说明")
_SECTIONS = ("一节", "若干节")
_TITLE = "支付政策参数一览"
_MADE = "由 drg-engine policy page 生成，请勿手改。空格表示该政策用默认值。"


def parameter_rows(policies: Sequence[Policy]) -> tuple[tuple[str, ...], ...]:
    """A heading row, then one row for each key: what it is, and its value in each policy.

    Entries of a table or list are told in one cell, parted by ``；``; an empty cell means that the
    policy leaves the key at its default.
    """
    values = [_values(policy) for policy in policies]
    rows = [(*_HEADINGS, *(policy.title for policy in policies))]
    for key, info in catalogue().items():
        if key != "sources" and info.range not in _SECTIONS:
            rows.append((*_about(info), *(said.get(key, "") for said in values)))
    return tuple(rows)


def parameter_page(policies: Sequence[Policy]) -> str:
    """The same as a Markdown page in Chinese."""
    heading, *rows = (tuple(_cell(text) for text in row) for row in parameter_rows(policies))
    lines = [
        f"# {_TITLE}",
        "",
        _MADE,
        "",
        *(f"- {_cell(policy.words())}" for policy in policies),
        "",
        f"| {' | '.join(heading)} |",
        "|" + " --- |" * len(heading),
        *(f"| {' | '.join(row)} |" for row in rows),
    ]
    return "\n".join(lines) + "\n"


def parameter_html(policies: Sequence[Policy]) -> str:
    """The same as one HTML page that needs nothing else: a table for each section, a search box.

    Values in which the policies differ are marked; each value tells its source.
    """
    words = [f"{_MADE}不同的值用颜色标出。"]
    tables = [_policy_table(policies), *_sections(policies)]
    return page_html(_TITLE, words, tables, "查找：键、名称、说明或值")


def _policy_table(policies: Sequence[Policy]) -> PageTable:
    rows = [
        (
            f"{policy.title}（{policy.name}）",
            str(policy.span()[0]),
            str(policy.span()[1] or "至今"),
            policy.rules.policy.source,
        )
        for policy in policies
    ]
    return PageTable("", ("政策", "生效", "失效（不含）", "默认来源"), rows, found=False)


def _sections(policies: Sequence[Policy]) -> Iterator[PageTable]:
    """A table for each section of a policy file, in the model's order."""
    known = catalogue()
    values = [_values(policy) for policy in policies]
    sources = [_sources(policy) for policy in policies]
    keys = [key for key, info in known.items() if key != "sources" and info.range not in _SECTIONS]
    headings = (*_HEADINGS, *(policy.name for policy in policies))
    for section, listed in groupby(keys, lambda key: key.split(".")[0].removesuffix("[]")):
        rows: list[list[Cell | str]] = []
        for key in listed:
            told = [said.get(key, "") for said in values]
            differs = len(set(told)) > 1
            notes = [
                source.get(key, "") if text else ""
                for text, source in zip(told, sources, strict=True)
            ]
            name, *about = _about(known[key])
            cells = [
                Cell(text, mark=differs, note=note) for text, note in zip(told, notes, strict=True)
            ]
            rows.append([Cell(name, code=True), *about, *cells])
        yield PageTable(known[section].title, headings, rows, code=f"[{section}]")


def _about(info: KeyInfo) -> tuple[str, ...]:
    return info.key, info.title, info.unit, info.range, info.default, info.description


def _values(policy: Policy) -> dict[str, str]:
    """What the policy's file says of each key; entries are named by what their key has more."""
    found: dict[str, list[str]] = {}
    for row in policy.describe():
        if policy.was_written(row.key):
            key = key_of(row.key)
            entry = row.key.removeprefix(key).lstrip(".") if "[" not in row.key else ""
            found.setdefault(key, []).append(f"{entry} = {row.value}" if entry else row.value)
    return {key: "；".join(entries) for key, entries in found.items()}


def _sources(policy: Policy) -> dict[str, str]:
    """Where what the file says of each key comes from; several sources are parted by ``；``."""
    found: dict[str, dict[str, None]] = {}
    for row in policy.describe():
        if policy.was_written(row.key) and not row.key.startswith("policy."):
            found.setdefault(key_of(row.key), {})[row.source] = None
    return {key: "；".join(texts) for key, texts in found.items()}


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
