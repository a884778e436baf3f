"""Single items: their types, signs and the money that they come from (allocation.md §6)."""

from __future__ import annotations

import numpy as np
import pandas as pd

from drg_engine.errors import AllocationError, Fault
from drg_engine.money import format_fen
from performance.columns import nearest
from performance.facts import Singles
from performance.inputs import Inputs
from performance.plan import Plan
from performance.plan_keys import fen
from performance.plan_model_staff import SingleType

__all__ = ["FUNDING", "placed_singles"]

_CORRECTION = "更正 "
"""Begins the matter of corrections of locked months, which are of no type of the plan."""

FUNDING = ("within", "outside", "department", "head_fund")


def placed_singles(plan: Plan, inputs: Inputs, posts: pd.DataFrame) -> tuple[pd.DataFrame, Singles]:
    """Every row of the single-items table with sign, funding and status; and those that are paid.

    A person's item goes with the person's main post.  A department's item whose type is funded by
    the department or its head's fund is funded as the plan funds the rest.  Items of persons,
    departments or series that nobody knows are not paid.  Raises AllocationError, with every fault,
    where a row is of no type of the plan, has the wrong sign or is above its type's limit.
    """
    rows = inputs.single_items
    types = {entry.name: entry for entry in plan.model.single_items.types}
    faults = [fault for row in rows.to_dict("records") for fault in _faults(row, types)]
    if faults:
        raise AllocationError("单项奖惩不合方案的类型", faults)
    place = pd.Index(inputs.departments["department"])
    series = pd.Index(plan.series)
    personal = (rows["staff_id"] != "").to_numpy(dtype=bool)
    main = posts[posts["main"]].set_index("staff_id")
    home_series = rows["staff_id"].map(main["series"])
    home = rows["staff_id"].map(main["department"])
    department = np.where(
        personal, place.get_indexer(pd.Index(home)), place.get_indexer(pd.Index(rows["department"]))
    )
    of_series = np.where(
        personal, series.get_indexer(pd.Index(home_series)),
        series.get_indexer(pd.Index(rows["series"])),
    )  # fmt: skip
    named = of_series >= 0
    paid = np.where(personal, named, (department >= 0) & (named | (rows["series"] == "")))
    matters = [str(matter) for matter in rows["matter"]]
    sign = [-1 if _type(types, m).direction == "deduct" else 1 for m in matters]
    funding = [
        _funding(plan, _type(types, m), bool(p)) for m, p in zip(matters, personal, strict=True)
    ]
    funding = _without_home(funding, personal, department)
    amount = rows["amount_fen"].to_numpy(np.int64) * np.array(sign, dtype=np.int64)
    table = rows[["row", "department", "staff_id", "matter"]].assign(
        amount_fen=amount,
        funding=[FUNDING[code] for code in funding],
        taxable=[_type(types, m).taxable for m in matters],
        status=np.where(paid, "paid", "unknown"),
    )
    ids = pd.Index(sorted({str(name) for name in inputs.staff["staff_id"]}))
    keep = np.flatnonzero(paid)
    person = np.where(personal, ids.get_indexer(pd.Index(rows["staff_id"])), -1)
    return table, Singles(
        amount_fen=amount[keep],
        person=np.asarray(person, dtype=np.int64)[keep],
        department=np.asarray(department, dtype=np.int64)[keep],
        series=np.asarray(of_series, dtype=np.int64)[keep],
        funding=np.array(funding, dtype=np.int64)[keep],
        taxable=table["taxable"].to_numpy(dtype=bool)[keep],
        matter=tuple(matters[i] for i in keep),
    )


_SIGNED = SingleType(name="（无类型）", direction="signed")


def _type(types: dict[str, SingleType], matter: str) -> SingleType:
    return types.get(matter, _SIGNED)


def _funding(plan: Plan, entry: SingleType, personal: bool) -> int:
    general = plan.model.single_items.funding
    chosen = entry.funding or general
    if not personal and chosen in ("department", "head_fund"):
        chosen = general
    return FUNDING.index(chosen)


def _without_home(funding: list[int], personal: object, department: object) -> list[int]:
    """A person whose department nobody knows has no department to bear the item."""
    return [
        0 if code >= 2 and place < 0 else code
        for code, place in zip(funding, np.asarray(department), strict=True)
    ]


def _faults(row: dict[object, object], types: dict[str, SingleType]) -> list[Fault]:
    if not types or str(row["matter"]).startswith(_CORRECTION):
        return []
    matter, amount, line = str(row["matter"]), int(str(row["amount_fen"])), int(str(row["row"]))
    entry = types.get(matter)
    if entry is None:
        near = nearest(matter, types)
        mend = "方案的类型：" + "、".join(types) + (f"；最接近“{near}”" if near else "")
        return [Fault("single_items", "方案没有这个单项类型", line, "事项", matter, mend)]
    faults = []
    if entry.direction != "signed" and amount < 0:
        mend = "奖励和扣减的类型都写正数，方向由类型定"
        faults.append(Fault("single_items", "金额应为正数", line, "金额", format_fen(amount), mend))
    if entry.limit is not None and abs(amount) > fen(entry.limit):
        mend = f"“{matter}”每笔不超过 {format_fen(fen(entry.limit))} 元"
        faults.append(Fault("single_items", "超过限额", line, "金额", format_fen(amount), mend))
    return faults
