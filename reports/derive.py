"""What a report adds to the engine's tables: classes, shares, checks, sentences.

Nothing here is paid out: amounts are only added up, compared and put into words.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from drg_engine.money import format_fen, to_fen
from reports.layout import Quadrant
from reports.values import column_total

__all__ = [
    "checked",
    "counts_with_verdict",
    "faults",
    "findings",
    "with_department_names",
    "with_derived",
]

_ADDITIVE = {
    "cases": "例数",
    "charges_fen": "总费用",
    "paid_fen": "应得支付",
    "surplus_fen": "盈亏",
}
_NAME_HOLDS = 14
_VERDICT = {True: "一致", False: "不一致"}


def with_derived(frame: pd.DataFrame, quadrant: Quadrant, cmi_cut: float) -> pd.DataFrame:
    """Add ``surplus_per_case_fen``, ``quadrant`` and ``loss_share`` where they can be had.

    frame: a roll-up with cases, surplus_fen and, for the quadrant, cmi.  Surplus per case is
    rounded once, half up.  A column that is already there stays as it is.
    """
    if frame.empty or not {"cases", "surplus_fen"} <= set(frame.columns):
        return frame
    new: dict[str, Any] = {}
    cases = frame["cases"].to_numpy(dtype=np.float64)
    surplus = frame["surplus_fen"].to_numpy(dtype=np.int64)
    mean = np.divide(surplus / 100.0, cases, out=np.zeros(len(frame)), where=cases > 0)
    per_case = to_fen(mean)
    if "surplus_per_case_fen" not in frame.columns:
        new["surplus_per_case_fen"] = per_case
    if "quadrant" not in frame.columns and "cmi" in frame.columns:
        new["quadrant"] = _quadrants(frame["cmi"].to_numpy(np.float64), per_case, quadrant, cmi_cut)
    if "loss_share" not in frame.columns:
        losses = np.where(surplus < 0, -surplus, 0)
        whole = int(losses.sum())
        new["loss_share"] = losses / whole if whole else np.zeros(len(frame))
    return frame.assign(**new)


def _quadrants(
    cmi: npt.NDArray[np.float64],
    per_case: npt.NDArray[np.int64],
    quadrant: Quadrant,
    cut: float,
) -> list[str]:
    """The class of each row (insurance_office.md §1); a row without weights has none."""
    high = cmi >= cut
    gain = per_case >= 0
    names = np.select(
        [~(cmi > 0), high & gain, high & ~gain, ~high & gain],
        [quadrant.unclassed, quadrant.high_gain, quadrant.high_loss, quadrant.low_gain],
        quadrant.low_loss,
    )
    return [str(name) for name in names]


def checked(
    whole: Mapping[str, Any],
    tables: Mapping[str, pd.DataFrame],
    pools: pd.DataFrame,
    pay: pd.DataFrame,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Compare each table's sum with the hospital, and what is paid with what was to be paid.

    tables: by their Chinese names.  Returns the checks of money (check, expected_fen, actual_fen,
    difference_fen, verdict) and those of counts (check, expected, actual, difference, verdict).
    """
    money: list[tuple[str, int, int]] = []
    counts: list[tuple[str, int, int]] = []
    for name, frame in tables.items():
        for key, label in _ADDITIVE.items():
            if key in frame.columns and key in whole:
                total = int(column_total(frame[key]))
                check = (f"{name}合计：{label}", int(whole[key]), total)
                (money if key.endswith("_fen") else counts).append(check)
    paid = _pay_checks(pools, pay)
    money += paid[:1]
    counts += paid[1:]
    return _compared(money, "_fen"), _compared(counts, "")


def _pay_checks(pools: pd.DataFrame, pay: pd.DataFrame) -> list[tuple[str, int, int]]:
    """What the pools give to staff against what staff get, in all and group by group."""
    shares = {"average_fen", "performance_fen"}
    if "staff_fen" not in pools.columns or not shares <= set(pay.columns):
        return []
    given = pools.groupby(["department", "series"])["staff_fen"].sum()
    got = pay["average_fen"] + pay["performance_fen"]
    got = got.groupby([pay["department"], pay["series"]]).sum()
    apart = given.sub(got, fill_value=0)
    return [
        ("人员分配合计 = 科室奖金池", int(given.sum()), int(got.sum())),
        ("人员分配与奖金池不等的科室、系列", 0, int((apart != 0).sum())),
    ]


def _compared(checks: list[tuple[str, int, int]], ending: str) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {
                "check": name,
                f"expected{ending}": expected,
                f"actual{ending}": actual,
                f"difference{ending}": actual - expected,
                "verdict": _VERDICT[actual == expected],
            }
            for name, expected, actual in checks
        ]
    )


def faults(checks: pd.DataFrame) -> int:
    """How many checks failed."""
    return int((checks["verdict"] == _VERDICT[False]).sum()) if "verdict" in checks else 0


def counts_with_verdict(counts: pd.DataFrame) -> pd.DataFrame:
    """Say of each file whether what was read is what was used and rejected together."""
    if counts.empty or not {"read", "accepted", "rejected"} <= set(counts.columns):
        return counts
    same = counts["read"] == counts["accepted"] + counts["rejected"]
    return counts.assign(verdict=[_VERDICT[bool(value)] for value in same])


def scaled_controls(totals: pd.DataFrame) -> pd.DataFrame:
    """Control totals of performance/control.py (counts of 10**-decimals) as numbers to show."""
    if "decimals" not in totals.columns:
        return totals
    unit = 10.0 ** totals["decimals"].to_numpy(dtype=np.float64)
    shown = {
        key: totals[key].to_numpy(dtype=np.int64) / unit
        for key in ("total_in", "placed", "unknown", "rejected", "difference")
        if key in totals.columns
    }
    verdict = [_VERDICT[bool(same)] for same in totals["difference"] == 0]
    return totals.assign(**shown, verdict=verdict)


def with_blank_rows(exceptions: pd.DataFrame) -> pd.DataFrame:
    """A first_row of 0 means no row of a file: nothing to show."""
    if "first_row" not in exceptions.columns:
        return exceptions
    rows = exceptions["first_row"].astype("Int64")
    return exceptions.assign(first_row=rows.where(rows != 0))


def with_department_names(pay: pd.DataFrame, pools: pd.DataFrame) -> pd.DataFrame:
    """Add department_name from the pools where the staff table has none."""
    if pay.empty or "department_name" in pay.columns or "department_name" not in pools.columns:
        return pay
    names = pools.drop_duplicates("department").set_index("department")["department_name"]
    return pay.assign(department_name=pay["department"].map(names))


def findings(
    whole: Mapping[str, Any],
    departments: pd.DataFrame,
    drgs: pd.DataFrame,
    pools: pd.DataFrame,
    pay: pd.DataFrame,
    failed: int,
) -> list[str]:
    """The month in a few sentences, each a fact from the tables."""
    lines = [
        _losers("科室", departments, "department_name", 3),
        _losers("病组", drgs, "drg_name", 3),
        _outliers(whole),
        _paid(pools, pay),
        f"核对：{failed} 项不一致，见“核对”表。" if failed else "核对：各表合计与全院一致。",
    ]
    return [line for line in lines if line]


def _losers(what: str, frame: pd.DataFrame, name: str, count: int) -> str:
    if frame.empty or not {"surplus_fen", name} <= set(frame.columns):
        return ""
    losing = frame[frame["surplus_fen"] < 0].sort_values("surplus_fen", kind="stable")
    gaining = int((frame["surplus_fen"] >= 0).sum())
    text = f"{what}：{gaining} 个盈余，{len(losing)} 个亏损"
    if losing.empty:
        return text + "。"
    total = int(losing["surplus_fen"].sum())
    top = losing.head(10)
    share = int(top["surplus_fen"].sum()) / total
    worst = "、".join(
        f"{_short(str(who))} {_wan(int(fen))}"
        for who, fen in zip(losing[name].head(count), losing["surplus_fen"], strict=False)
    )
    return (
        f"{text}，亏损合计 {_wan(total)}；最多的是 {worst}；前 {len(top)} 个占亏损的 {share:.1%}。"
    )


def _outliers(whole: Mapping[str, Any]) -> str:
    cases = int(whole.get("cases", 0))
    words = (
        ("high_cases", "高倍率"),
        ("low_cases", "低倍率"),
        ("ungrouped_cases", "未入组"),
        ("ambiguous_cases", "歧义组"),
        ("no_weight_cases", "无权重"),
        ("out_of_scope_cases", "不纳入支付"),
    )
    parts = [
        f"{label} {int(whole[key]):,} 例（{int(whole[key]) / cases:.1%}）"
        for key, label in words
        if cases and key in whole and int(whole[key])
    ]
    return "病例：" + "，".join(parts) + "。" if parts else ""


def _paid(pools: pd.DataFrame, pay: pd.DataFrame) -> str:
    if "pool_fen" not in pools.columns or "total_fen" not in pay.columns or pay.empty:
        return ""
    pool = format_fen(int(column_total(pools["pool_fen"])))
    paid = format_fen(int(column_total(pay["total_fen"])))
    return f"绩效：科室奖金 {pool} 元；应发 {len(pay):,} 人，{paid} 元（含个人单项）。"


def _short(name: str) -> str:
    return name if len(name) <= _NAME_HOLDS else name[: _NAME_HOLDS - 1] + "…"


def _wan(fen: int) -> str:
    return f"{fen / 1_000_000:,.2f} 万元"
