"""The page that lists every parameter of a policy, with several policies side by side."""

from __future__ import annotations

from collections.abc import Sequence

from drg_engine._policy_keys import KeyInfo, catalogue, key_of
from drg_engine.policy import Policy

__all__ = ["parameter_page", "parameter_rows"]

_HEADINGS = ("键", "名称", "单位", "范围", "默认", "说明")


def parameter_rows(policies: Sequence[Policy]) -> tuple[tuple[str, ...], ...]:
    """A heading row, then one row for each key: what it is, and its value in each policy.

    Entries of a table or list are told in one cell, parted by ``；``; an empty cell means that the
    policy leaves the key at its default.
    """
    values = [_values(policy) for policy in policies]
    rows = [(*_HEADINGS, *(policy.title for policy in policies))]
    for key, info in catalogue().items():
        if key != "sources" and info.range not in ("一节", "若干节"):
            rows.append((*_about(info), *(said.get(key, "") for said in values)))
    return tuple(rows)


def parameter_page(policies: Sequence[Policy]) -> str:
    """The same as a Markdown page in Chinese."""
    heading, *rows = (tuple(_cell(text) for text in row) for row in parameter_rows(policies))
    lines = [
        "# 支付政策参数一览",
        "",
        "由程序生成，请勿手改。空格表示该政策用默认值。",
        "",
        f"| {' | '.join(heading)} |",
        "|" + " --- |" * len(heading),
        *(f"| {' | '.join(row)} |" for row in rows),
    ]
    return "\n".join(lines) + "\n"


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


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
