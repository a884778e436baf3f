"""What each department gets of a month's allocation: its own rows and nothing of the others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from drg_engine import __version__
from drg_engine.money import format_fen, to_fen
from drg_engine.pay_handed import SERIES_WORDS
from drg_engine.pay_month import PayMonth
from drg_engine.pool_parts import POOL_PARTS
from performance.points import UNKNOWN
from reports.pay import DepartmentPay
from reports.pay_second_sheet import SecondSheet

__all__ = ["department_pays"]

_SERIES = ("doctor", "technician", "nurse", "administration")


@dataclass(frozen=True)
class _Cut:
    """The month's tables cut by department."""

    pay: PayMonth
    parts: Mapping[str, Mapping[str, pd.DataFrame]]
    empty: Mapping[str, pd.DataFrame]

    def own(self, name: str, department: str) -> pd.DataFrame:
        return self.parts[name].get(department, self.empty[name])


def department_pays(pay: PayMonth, tables: Mapping[str, pd.DataFrame]) -> Iterator[DepartmentPay]:
    """One report a department that has money, points or staff, in order of code.

    tables: those of the finance office's workbook.  Columns that could name another department
    (the executing unit of an item, places people moved between) are left out.
    """
    people = _people(pay)
    frames = {
        "department_pools": tables["department_pools"],
        "item_points": tables["item_points"].drop(columns=["from_department"], errors="ignore"),
        "staff_pay": people,
        "single_items": _owned_singles(pay, tables["single_items"]),
        "head_funds": tables["head_funds"],
        "unit_changes": tables["unit_changes"],
        "exceptions": _owned_exceptions(pay, tables["exceptions"]),
    }
    cut = _Cut(
        pay,
        {
            name: {} if frame.empty else {str(k): v for k, v in frame.groupby("department")}
            for name, frame in frames.items()
        },
        {name: frame.iloc[:0] for name, frame in frames.items()},
    )
    held = {key for name in ("department_pools", "staff_pay") for key in cut.parts[name]}
    for department in sorted(held - {UNKNOWN, ""}):
        yield _report(cut, department)


def _people(pay: PayMonth) -> pd.DataFrame:
    """Posts with what the person got last month, told at the main post."""
    posts = pay.allocation.staff_pay
    if pay.before is None:
        return posts
    old = pay.before.people.groupby(["department", "staff_id"])["total_fen"].sum()
    keys = pd.MultiIndex.from_frame(posts[["department", "staff_id"]])
    last = old.reindex(keys).fillna(0).to_numpy(dtype=np.int64)
    first = ~posts.duplicated(["department", "staff_id"])
    return posts.assign(last_total_fen=np.where(first, last, 0))


def _owned_singles(pay: PayMonth, items: pd.DataFrame) -> pd.DataFrame:
    """Single items by the department that sees them: a person's main one, else their own."""
    if items.empty:
        return items
    posts = pay.allocation.staff_pay
    main = posts[posts["main"]].set_index("staff_id")["department"]
    owner = items["staff_id"].map(main)
    whose = owner.where(items["staff_id"] != "", items["department"]).fillna("")
    return items.assign(department=whose)


def _owned_exceptions(pay: PayMonth, exceptions: pd.DataFrame) -> pd.DataFrame:
    """Exceptions that name a department or one of its staff, and nobody else."""
    if exceptions.empty:
        return exceptions.assign(department="")
    posts = pay.allocation.staff_pay
    main = dict(
        zip(
            posts.loc[posts["main"], "staff_id"],
            posts.loc[posts["main"], "department"],
            strict=True,
        )
    )
    known = {**{code: code for code in pay.names if code != UNKNOWN}, **main}
    owners = []
    for found in exceptions["found"].fillna("").astype(str):
        named = {known[word] for word in found.split(" / ") if word in known}
        owners.append(named.pop() if len(named) == 1 else "")
    return exceptions.assign(department=owners)


def _report(cut: _Cut, department: str) -> DepartmentPay:
    pay = cut.pay
    tables = {
        name: cut.own(name, department).drop(
            columns=["department", "department_name"], errors="ignore"
        )
        for name in cut.parts
    }
    tables["made_from"] = _made_from(pay, department)
    posts, pools = cut.own("staff_pay", department), cut.own("department_pools", department)
    tables["pool_lines"] = _pool_lines(pools)
    tables["pool_words"] = _pool_words(pools)
    return DepartmentPay(
        pay.hospital,
        pay.period,
        department,
        str(pay.names.get(department, department)),
        tables,
        _figures(pay, department, pools, posts),
        _findings(pay, department, pools, posts),
        _second(pay, department, posts),
        pay.before is not None,
    )


_LINES = (
    *POOL_PARTS, ("= 科室奖金", "pool_fen", 1), ("− 主任基金", "head_fund_fen", -1),
    ("− 科室负担个人单项", "department_single_fen", -1), ("= 人员分配", "staff_fen", 1),
)  # fmt: skip


def _pool_lines(pools: pd.DataFrame) -> pd.DataFrame:
    """How the pool comes about as a statement: a line a part, a column a series, their sum."""
    rows = []
    for label, key, sign in _LINES:
        amounts = {
            f"{series}_fen": sign * int(pools.loc[pools["series"] == series, key].sum())
            for series in _SERIES
        }
        whole = sum(amounts.values())
        if any(amounts.values()) or label.startswith("="):
            rows.append({"line": label, **amounts, "whole_fen": whole})
    return pd.DataFrame(rows)


def _pool_words(pools: pd.DataFrame) -> pd.DataFrame:
    """The calculation of the pools, a step a line."""
    rows = [
        (SERIES_WORDS.get(str(series), str(series)) if at == 0 else "", step)
        for series, words in zip(pools["series"], pools["words"], strict=True)
        for at, step in enumerate(str(words).split("；"))
    ]
    return pd.DataFrame(rows, columns=["line", "sentence"])


def _made_from(pay: PayMonth, department: str) -> pd.DataFrame:
    rows = [
        ("程序", "drg-engine", __version__),
        ("运行", "编号", pay.run_id),
        ("运行", "账本", pay.standing),
        ("分配方案", "名称", pay.plan.model.plan.title),
        ("分配方案", "指纹", pay.plan.hash),
        ("二次分配", "校验码", pay.second.code_of(pay.period, department)),
    ]
    return pd.DataFrame(rows, columns=["section", "name", "content"])


def _figures(
    pay: PayMonth, department: str, pools: pd.DataFrame, posts: pd.DataFrame
) -> list[tuple[str, dict[str, Any]]]:
    def of(pools: pd.DataFrame, posts: pd.DataFrame) -> dict[str, Any]:
        people, total = int(posts["staff_id"].nunique()), int(posts["total_fen"].sum())
        each = int(to_fen(total / 100.0 / people)) if people else 0
        pool = int(pools["pool_fen"].sum())
        return {"pool_fen": pool, "total_fen": total, "people": people, "per_head_fen": each}

    figures = [("本月", of(pools, posts))]
    if pay.before is not None:
        units, people = pay.before.units, pay.before.people
        then = of(
            units[units["department"] == department], people[people["department"] == department]
        )
        if then["people"]:
            figures.append(("上月", then))
    return figures


def _findings(
    pay: PayMonth, department: str, pools: pd.DataFrame, posts: pd.DataFrame
) -> list[str]:
    pool, staff = int(pools["pool_fen"].sum()), int(pools["staff_fen"].sum())
    said = [f"科室奖金 {format_fen(pool)} 元，其中人员分配 {format_fen(staff)} 元。"]
    single = int(posts["single_fen"].sum())
    if single:
        said.append(f"另有个人单项 {format_fen(single)} 元，不在二次分配之内。")
    told = pay.second.told
    status = dict(zip(told["department"], told["status"], strict=True)).get(department)
    said.append(
        {
            "used": "本月按科室交回的二次分配发放。",
            "outdated": "交回的二次分配未采用（首次分配已变），请用本工作簿重填。",
        }.get(str(status), "还没有交回二次分配；不交回即按首次分配发放。")
    )
    return said


def _second(pay: PayMonth, department: str, posts: pd.DataFrame) -> SecondSheet:
    """The sheet to fill in, beginning with what is paid now."""
    keys = ["series", "staff_id"]
    first = pay.second.first[pay.second.first["department"] == department]
    chosen = pay.second.rows[pay.second.rows["department"] == department]
    columns = [*keys, "name", "title", "coefficient", "attendance", "single_fen"]
    rows = posts[columns].merge(first[[*keys, "first_fen"]], on=keys, validate="one_to_one")
    rows = rows.merge(chosen[[*keys, "second_fen", "reason"]], on=keys, how="left")
    rows["second_fen"] = rows["second_fen"].fillna(rows["first_fen"]).astype(np.int64)
    rows["reason"] = rows["reason"].fillna("")
    order = rows["series"].map({name: at for at, name in enumerate(_SERIES)})
    rows = rows.assign(order=order).sort_values(
        ["order", "staff_id"], kind="stable", ignore_index=True
    )
    code = pay.second.code_of(pay.period, department)
    return SecondSheet(pay.period, department, code, rows)
