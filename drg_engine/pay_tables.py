"""The tables of a month's allocation as its workbook shows them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from drg_engine import __version__
from drg_engine.files import file_sha256
from drg_engine.money import format_fen, to_fen
from drg_engine.pay_month import PayMonth
from performance.plan_flow import flow_rows
from performance.words import item_words

__all__ = ["SOURCE_WORDS", "pay_figures", "pay_findings", "pay_tables", "with_names"]

SOURCE_WORDS = {
    "order": "开单",
    "execution": "执行",
    "operation": "手术角色",
    "nursing": "护理工作量",
}
_FUNDING = {
    "within": "盘内",
    "outside": "盘外",
    "department": "科室负担",
    "head_fund": "科主任基金",
}
_FINDING = {"blocks": "不得批准", "open": "待写理由", "explained": "已说明"}


def pay_tables(pay: PayMonth) -> dict[str, pd.DataFrame]:
    """Every table of the finance office's workbook, by the layout's sources."""
    allocation = pay.allocation
    posts = with_names(allocation.staff_pay, pay.names)
    return {
        "by_series": _summary(pay, ["series"]),
        "by_department": _summary(pay, ["department"]),
        "by_both": _summary(pay, ["department", "series"]),
        "item_points": _items(pay),
        "department_pools": allocation.department_pools,
        "staff_pay": posts,
        "person_pay": _people(pay),
        "single_items": _single_items(pay),
        "head_funds": allocation.head_funds,
        "second": _second(pay),
        "exceptions": allocation.exceptions,
        "findings": _findings(allocation.findings),
        "unit_changes": _changes(pay, "units"),
        "person_changes": _changes(pay, "people"),
        "flow": pd.DataFrame(flow_rows(pay.plan), columns=["stage", "box", "content", "leads_to"]),
        "series_totals": allocation.series_totals,
        "control_totals": _controls(allocation.control_totals),
        "checks": _checks(pay),
        "made_from": _made_from(pay),
        "inputs": _inputs(pay),
    }


def with_names(frame: pd.DataFrame, names: Any) -> pd.DataFrame:
    """The table with each department's name."""
    found = [names.get(str(code), str(code)) for code in frame["department"]]
    return frame.assign(department_name=pd.Series(found, index=frame.index, dtype=object))


def _summary(pay: PayMonth, keys: list[str]) -> pd.DataFrame:
    """People and money now and last month; per head; one row a key."""
    now = _sums(pay.allocation.department_pools, pay.allocation.staff_pay, keys)
    frame = now
    if pay.before is not None:
        then = _sums(pay.before.units, pay.before.people, keys)
        then = then.rename(columns={n: f"last_{n}" for n in then.columns if n not in keys})
        frame = now.merge(then, on=keys, how="outer")
        numbers = [name for name in frame.columns if name not in keys]
        frame[numbers] = frame[numbers].fillna(0).astype(np.int64)
        frame["difference_fen"] = frame["total_fen"] - frame["last_total_fen"]
        last = frame["last_total_fen"].to_numpy(dtype=np.float64)
        change = frame["difference_fen"].to_numpy(dtype=np.float64)
        frame["change_rate"] = np.divide(
            change, last, out=np.full(len(last), np.nan), where=last != 0
        )
    for prefix in ("", "last_") if pay.before is not None else ("",):
        frame[f"{prefix}per_head_fen"] = _per_head(
            frame[f"{prefix}total_fen"], frame[f"{prefix}people"]
        )
    if "department" in keys:
        frame = with_names(frame, pay.names)
    return frame.sort_values(keys, kind="stable", ignore_index=True)


def _sums(units: pd.DataFrame, people: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    columns = ["pool_fen", "staff_fen"]
    pools = units.assign(**{n: units.get(n, units["pool_fen"]) for n in columns})
    money = pools.groupby(keys, sort=True)[columns].sum()
    pay = people.groupby(keys, sort=True)[["single_fen", "total_fen"]].sum()
    heads = people.groupby(keys, sort=True)["staff_id"].nunique().rename("people")
    whole = pd.concat([money, pay, heads], axis=1).fillna(0).astype(np.int64)
    return whole.reset_index()


def _per_head(total: pd.Series[Any], people: pd.Series[Any]) -> pd.Series[Any]:
    count = people.to_numpy(dtype=np.float64)
    yuan = total.to_numpy(dtype=np.float64) / 100.0
    mean = np.divide(yuan, count, out=np.zeros(len(count)), where=count > 0)
    found = pd.Series(to_fen(mean), index=total.index, dtype="Int64")
    return found.mask(pd.Series(count == 0, index=total.index))


def _items(pay: PayMonth) -> pd.DataFrame:
    """The first allocation's detail: points by department, item and source, in words."""
    items = pay.allocation.item_points
    named = with_names(items, pay.names)
    return named.assign(
        source=items["source"].map(SOURCE_WORDS).astype(object),
        words=item_words(items),
        item_version=items["item_version"].astype(object),
    )


def _people(pay: PayMonth) -> pd.DataFrame:
    people = pay.allocation.person_pay
    if pay.compared is None:
        return people
    last = pay.compared.people.set_index("staff_id")["old_fen"]
    old = last.reindex(people["staff_id"]).fillna(0).to_numpy(dtype=np.int64)
    return people.assign(last_total_fen=old, difference_fen=people["total_fen"] - old)


def _single_items(pay: PayMonth) -> pd.DataFrame:
    items = pay.allocation.single_items
    if items.empty:
        return items
    people = pay.inputs.staff.drop_duplicates("staff_id").set_index("staff_id")["name"]
    return with_names(items, {**pay.names, "": ""}).assign(
        name=items["staff_id"].map(people).fillna(""),
        funding=items["funding"].map(_FUNDING).fillna(items["funding"]),
        taxable=np.where(items["taxable"].astype(bool), "是", "否"),
        status=np.where(items["status"] == "paid", "已列支", "找不到对象"),
    )


def _second(pay: PayMonth) -> pd.DataFrame:
    """One row a department with staff: whether its second allocation is paid."""
    first = pay.second.first
    told = pay.second.told.set_index("department")
    words = told["status"].map({"used": "已采用", "outdated": "未采用"})
    posts = first.groupby("department", sort=True)
    frame = pd.DataFrame(
        {"posts": posts["staff_id"].size(), "staff_fen": posts["first_fen"].sum()}
    ).reset_index()
    rows = pay.second.rows
    moved = (rows["second_fen"] - rows["first_fen"]).clip(lower=0).groupby(rows["department"]).sum()
    files = told["file"].reindex(frame["department"]).fillna("").to_numpy()
    messages = told["message"].reindex(frame["department"]).fillna("").to_numpy()
    return with_names(frame, pay.names).assign(
        status=words.reindex(frame["department"]).fillna("未报").to_numpy(),
        moved_fen=moved.reindex(frame["department"]).fillna(0).to_numpy(dtype=np.int64),
        file=files,
        message=messages,
    )


def _findings(findings: pd.DataFrame) -> pd.DataFrame:
    if findings.empty:
        return findings
    return findings.assign(status=findings["status"].map(_FINDING).fillna(findings["status"]))


def _changes(pay: PayMonth, name: str) -> pd.DataFrame:
    if pay.compared is None:
        return pd.DataFrame()
    frame: pd.DataFrame = getattr(pay.compared, name)
    frame = frame[(frame["old_fen"] != 0) | (frame["new_fen"] != 0)]
    return with_names(frame, pay.names).reset_index(drop=True)


def _controls(controls: pd.DataFrame) -> pd.DataFrame:
    """Counts of 10**-decimals as numbers, with a verdict."""
    scale = 10.0 ** controls["decimals"].to_numpy(dtype=np.float64)
    names = ("total_in", "placed", "unknown", "rejected", "difference")
    even = controls["difference"].to_numpy(dtype=np.int64) == 0
    numbers = {name: controls[name].to_numpy(dtype=np.float64) / scale for name in names}
    return controls.assign(**numbers, verdict=np.where(even, "一致", "不一致"))


def _checks(pay: PayMonth) -> pd.DataFrame:
    """Sums that must agree to the fen."""
    allocation = pay.allocation
    pools, posts = allocation.department_pools, allocation.staff_pay
    average, performance, single = (
        int(posts[f"{name}_fen"].sum()) for name in ("average", "performance", "single")
    )
    parts = int(allocation.staff_parts["amount_fen"].sum())
    total, people = int(posts["total_fen"].sum()), int(allocation.person_pay["total_fen"].sum())
    second = pay.second.rows
    before, after = (int(second[f"{name}_fen"].sum()) for name in ("first", "second"))
    staff = int(pools["staff_fen"].sum())
    rows = [
        ("科室奖金池的人员分配 = 到人（不含单项）", staff, average + performance),
        ("到人合计 = 平均 + 绩效 + 单项", total, average + performance + single),
        ("各部分之和 = 平均 + 绩效", average + performance, parts),
        ("个人合计 = 岗位合计", total, people),
        ("个人单项 = 单项奖惩表中已列支到人的", single, _paid_singles(pay)),
        ("二次分配前后合计相等", before, after),
    ]
    frame = pd.DataFrame(rows, columns=["check", "expected_fen", "actual_fen"])
    frame["difference_fen"] = frame["actual_fen"] - frame["expected_fen"]
    return frame.assign(verdict=np.where(frame["difference_fen"] == 0, "一致", "不一致"))


def _paid_singles(pay: PayMonth) -> int:
    items = pay.allocation.single_items
    if items.empty:
        return 0
    chosen = (items["status"] == "paid") & (items["staff_id"] != "")
    return int(items.loc[chosen, "amount_fen"].sum())


def _made_from(pay: PayMonth) -> pd.DataFrame:
    month, head = pay.month, pay.plan.model.plan
    rows = [
        ("程序", "drg-engine", __version__),
        ("运行", "编号", pay.run_id),
        ("运行", "账本", pay.standing),
        ("分配方案", "名称", head.title),
        ("分配方案", "文件", pay.plan.file),
        ("分配方案", "依据", head.document),
        ("分配方案", "指纹", pay.plan.hash),
        ("分组方案", "指纹", month.scheme.tables_hash),
        *(("支付政策", "名称", policy.words()) for policy in month.policies),
        ("上月", "比较的运行", "无" if pay.before is None else pay.before.label),
    ]
    return pd.DataFrame(rows, columns=["section", "name", "content"])


def _inputs(pay: PayMonth) -> pd.DataFrame:
    folder = pay.month.workspace.folder
    rows = [
        (path.relative_to(folder).as_posix(), file_sha256(path))
        for _, path in sorted(pay.month.files.items())
    ]
    return pd.DataFrame(rows, columns=["file", "sha256"])


def pay_figures(pay: PayMonth) -> list[tuple[str, dict[str, Any]]]:
    """The tiles' figures: this month's, then last month's."""
    allocation, totals = pay.allocation, pay.allocation.series_totals
    people = int(allocation.person_pay["staff_id"].nunique())
    figures = [
        (
            "本月",
            {
                "approved_fen": int(totals["approved_fen"].sum()),
                "total_fen": allocation.paid_fen,
                "people": people,
                "per_head_fen": int(to_fen(allocation.paid_fen / 100.0 / max(people, 1))),
            },
        )
    ]
    if pay.before is not None:
        paid = int(pay.before.people["total_fen"].sum())
        count = int(pay.before.people["staff_id"].nunique())
        approved = int(pay.before.series["approved_fen"].sum())
        each = int(to_fen(paid / 100.0 / max(count, 1)))
        then = {"approved_fen": approved, "total_fen": paid, "people": count, "per_head_fen": each}
        figures.append(("上月", then))
    return figures


def pay_findings(pay: PayMonth) -> list[str]:
    """The month in sentences: where the money went, what changed most, what is open."""
    allocation, totals = pay.allocation, pay.allocation.series_totals
    kept = {
        "预留": int(totals["reserve_fen"].sum()),
        "质量扣留": int(totals["withheld_fen"].sum()),
        "科主任基金": int(totals["department_head_fund_fen"].sum()),
        "未知科室留存": int(totals["unknown_fen"].sum()),
    }
    parts = "，".join(f"{label} {format_fen(fen)} 元" for label, fen in kept.items() if fen)
    said = [
        f"批准 {format_fen(int(totals['approved_fen'].sum()))} 元，发放到人 "
        f"{format_fen(allocation.paid_fen)} 元" + (f"；{parts}。" if parts else "。")
    ]
    if pay.compared is not None:
        said.append(_largest_changes(pay))
    status = list(pay.second.told["status"])
    said.append(
        f"二次分配：{len(_second(pay))} 个科室，已采用 {status.count('used')} 个，"
        f"交回而未采用 {status.count('outdated')} 个；没有交回的按首次分配发放。"
    )
    findings = allocation.findings
    if len(findings):
        count = findings["status"].value_counts()
        words = "，".join(
            f"{word} {int(count[key])} 项" for key, word in _FINDING.items() if key in count
        )
        said.append(f"合规检查：{words}。")
    else:
        said.append("合规检查：没有发现问题。")
    said.append(f"运行 {pay.run_id}：{pay.standing}。")
    return said


def _largest_changes(pay: PayMonth) -> str:
    table = _summary(pay, ["department"]).sort_values("difference_fen", kind="stable")
    ends = [table.iloc[-1], table.iloc[0]] if len(table) else []
    told: Sequence[str] = [
        f"{word} {row['department_name']} {format_fen(int(row['difference_fen']))} 元"
        for word, row in zip(("增加最多", "减少最多"), ends, strict=False)
        if int(row["difference_fen"])
    ]
    whole = int(table["difference_fen"].sum())
    return (
        f"比上月 {'+' if whole > 0 else ''}{format_fen(whole)} 元"
        + "".join(f"；{text}" for text in told)
        + "。"
    )
