"""What the commands ``drg-engine policy …`` show."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path

import typer

from drg_engine import key_tables
from drg_engine.console import show_table
from drg_engine.errors import Fault, PolicyError
from drg_engine.files import written_aside
from drg_engine.payment_words import INSURANCE_TITLES
from drg_engine.policy import (
    KeyInfo,
    Policy,
    PolicyRow,
    catalogue,
    list_policies,
    load_policy,
    policy_schema,
)

__all__ = [
    "_value_words",
    "check",
    "explain",
    "show_list",
    "show_policy",
    "write_page",
    "write_schema",
]

_TABLES = ("一节", "若干节")


def show_list() -> None:
    """Print the policies that come with the engine."""
    heads = [(name, load_policy(name).rules.policy) for name in list_policies()]
    known = [(name, head, head.source) for name, head in heads]
    key_tables.show_known("支付政策", "默认来源", known, always="至今")


def show_policy(name_or_path: str, *, every: bool) -> None:
    """Print a policy's keys: those the file says, or every one."""
    policy = load_policy(name_or_path)
    info = policy.rules.policy
    typer.echo(f"{policy.title}")
    key_tables.show_dates(policy.file, info, policy.hash, always="今")
    _show_files(policy)
    if info.notes:
        typer.echo(info.notes)
    rows = [row for row in policy.describe() if every or policy.was_written(row.key)]
    rows = [row for row in rows if not row.key.startswith("policy.")]
    headings = ("键", "名称", "值", "单位", "来源")
    show_table("", headings, [(r.key, r.title, _value_words(r), r.unit, r.source) for r in rows])


def _value_words(row: PolicyRow) -> str:
    """A policy's value for reading: codes in words, what the file says in brackets behind."""
    from drg_engine._policy_keys import key_of

    key = key_of(row.key)
    if key.endswith(".insurances"):
        codes = [*INSURANCE_TITLES, *row.value.split("、")]
        return key_tables.choice_words(row.value, codes, "", INSURANCE_TITLES)
    info = catalogue().get(key)
    if info is None:
        return row.value
    return key_tables.choice_words(row.value, info.range.split("、"), info.description)


def _show_files(policy: Policy) -> None:
    for key, table in policy.tables.items():
        others = f"，另有 {table.other_times:,} 行不在有效期内" if table.other_times else ""
        typer.echo(f"{key}：{table.name}，{len(table.rows):,} 行{others}")


def check(path: Path, scheme: str | None) -> None:
    """Load a policy file, against a scheme if one is named; all faults are raised at once."""
    policy = load_policy(path)
    if scheme is not None:
        _check_codes(policy, scheme)
    rows = policy.describe()
    said = [row for row in rows if policy.was_written(row.key)]
    rules = [row for row in said if not row.key.startswith("policy.")]
    unproven = sorted({row.key for row in rules if "示例" in row.source})
    typer.echo(f"{policy.file}：没有错误。{policy.title}")
    typer.echo(f"写明 {len(rules)} 项，用默认值 {len(rows) - len(said)} 项，指纹 {policy.hash}")
    _show_files(policy)
    if scheme is not None:
        typer.echo(f"所列病组均在分组方案 {scheme} 中")
    if unproven:
        typer.echo(f"来源为“示例”的 {len(unproven)} 项，使用前请按文件核对：{'、'.join(unproven)}")


def explain(key: str, policy_name: str | None) -> None:
    """Print what a key, or every key of a section, means; and what a policy says of it."""
    found = _keys(key)
    policy = None if policy_name is None else load_policy(policy_name)
    if len(found) == 1:
        info = found[0]
        rows = [
            ("键", info.key), ("名称", info.title), ("说明", info.description),
            ("单位", info.unit), ("范围", info.range), ("默认", info.default),
            ("影响支付金额", "是" if info.pays else "否（只作标注）"),
        ]  # fmt: skip
        key_tables.show_key(rows)
    else:
        rows_of = [
            (i.key, i.title, i.unit, i.range, i.default, i.description)
            for i in found
            if i.range not in _TABLES
        ]
        show_table("", ("键", "名称", "单位", "范围", "默认", "说明"), rows_of)
    if policy is not None:
        _show_values(policy, key, found)


def write_schema(out: Path | None) -> None:
    """Print the JSON schema of policy files, or write it to a file."""
    key_tables.write_schema(policy_schema(), out)


def write_page(out: Path, names: Sequence[str]) -> None:
    """Write the page of all parameters, policies side by side: HTML, or Markdown by the suffix."""
    from drg_engine.policy_page import parameter_html, parameter_page

    forms = {".html": parameter_html, ".htm": parameter_html, ".md": parameter_page}
    form = forms.get(out.suffix.lower())
    if form is None:
        mend = f"可用：{'、'.join(forms)}"
        fault = Fault(out.name, "扩展名不能用", found=out.suffix or "没有", mend=mend)
        raise PolicyError("不能写出参数一览", [fault])
    policies = [load_policy(name) for name in names or list_policies()]
    with written_aside(out) as aside:
        aside.write_text(form(policies), encoding="utf-8", newline="\n")
    typer.echo(f"已写入 {out}：{len(policies)} 个政策")


def _keys(key: str) -> list[KeyInfo]:
    """The key itself, or all keys of the section it names; entries stand for their table."""
    from drg_engine._policy_keys import key_of

    known = catalogue()
    pattern = key_of(key)
    if pattern in known and known[pattern].range not in _TABLES:
        return [known[pattern]]
    plain = pattern.replace("[]", "")
    inner = [
        info
        for name, info in known.items()
        if info.range not in _TABLES and name.replace("[]", "").startswith(f"{plain}.")
    ]
    if inner:
        return inner
    same = [info for name, info in known.items() if name.replace("[]", "") == plain]
    if same:
        return same
    near = difflib.get_close_matches(pattern, list(known), 1, 0.4)
    like = near[0] if near else None
    fault = key_tables.unknown_key(key, "政策", like, "drg-engine policy show --all")
    raise PolicyError("没有这个键", [fault])


def _show_values(policy: Policy, key: str, found: list[KeyInfo]) -> None:
    from drg_engine._policy_keys import key_of

    wanted = {info.key for info in found}
    entry = key if key_of(key) != key else None
    rows: list[PolicyRow] = [
        row
        for row in policy.describe()
        if key_of(row.key) in wanted and (entry is None or row.key.startswith(entry))
    ]
    headings = ("键", "值", "单位", "来源")
    shown = [(row.key, _value_words(row), row.unit, row.source) for row in rows]
    if not shown:
        shown = [(key, "（无）", "", "")]
    show_table(f"{policy.title}", headings, shown)


def _check_codes(policy: Policy, scheme: str) -> None:
    """Raise PolicyError for DRGs that the scheme does not have, as settling would."""
    import pandas as pd

    from drg_engine.payment_columns import PaymentColumns
    from drg_engine.payment_standard import compile_lookups
    from grouper_tables import load_scheme

    empty = pd.DataFrame({"case_id": [], "drg": []}, dtype=object)
    compile_lookups(PaymentColumns.from_frame(empty, load_scheme(scheme).drg_codes), policy)
