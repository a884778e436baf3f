"""Which columns of a case file the computation cannot do without, and which it only misses.

A heading that is missing or misspelled must not become an amount of 0 or a blank department.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence

import numpy as np
import pyarrow.compute as pc

from drg_engine.cases import CaseReader, Cases
from drg_engine.columns import CaseFormat, ColumnPlan
from drg_engine.errors import Fault, InputError
from drg_engine.money import MISSING_FEN
from drg_engine.policy import Policy

__all__ = ["asks_for_insurance", "month_needs", "refuse_blank", "refuse_lacking", "useful_lacking"]

_USEFUL = {"doctor": "按医生的汇总和各医生的盈亏都会归在空白一行"}
_NEAR = 0.49
_SHOWN = 200


def asks_for_insurance(policies: Iterable[Policy]) -> bool:
    """Whether some policy's rates, prices or rules tell cases apart by their insurance."""
    return any(
        policy.rules.standard.method in ("rate", "points")
        or any(row.insurance is not None for row in policy.rules.standard.prices)
        or any(rule.insurances for rule in policy.rules.scope)
        or bool(policy.rules.fund.k)
        for policy in policies
    )


def month_needs(policies: Sequence[Policy], *, department: bool = True) -> list[str]:
    """Canonical columns that settling by these policies needs, in the order of the format.

    The date is the one that several policies go by; one policy needs none.
    """
    needs = ["department"] if department else []
    if len(policies) > 1:
        by_discharge = any(one.rules.policy.dated_by == "discharge" for one in policies)
        needs.append("discharge_date" if by_discharge else "settlement_date")
    if asks_for_insurance(policies):
        needs.append("insurance")
    return [*needs, "total_charges"]


def refuse_lacking(reader: CaseReader, needs: Iterable[str], *, dated: bool = False) -> None:
    """Raise InputError with every needed column that no heading of the file stands for.

    dated: a date of discharge or of settlement is needed too, whichever there is.
    """
    lacking = [name for name in needs if name not in reader.plan.sources]
    dates = {"discharge_date", "settlement_date"}
    if dated and not dates & {*reader.plan.sources, *lacking}:
        lacking.append("discharge_date")
    if lacking:
        faults = [_fault(reader.file, name, reader.plan, reader.form) for name in lacking]
        raise InputError(f"{reader.file} 缺少计算要用的列", faults)


def _fault(file: str, name: str, plan: ColumnPlan, form: CaseFormat) -> Fault:
    title = form.title(name)
    shown = "，".join(plan.others)
    found = f"不认识的列 {shown[:_SHOWN]}" + ("…" if len(shown) > _SHOWN else "")
    near = _nearest(name, plan, form)
    also = [one for one in form.columns[name]["headings"] if one != title][:3]
    mend = f"是不是“{near}”？请改名为“{title}”" if near else f"请加上“{title}”列"
    if also:
        mend += f"（也认 {'、'.join(also)}）"
    return Fault(
        file, f"缺少“{title}”列", row=1, column=title, found=found if shown else None, mend=mend
    )


def _nearest(name: str, plan: ColumnPlan, form: CaseFormat) -> str | None:
    """The unclaimed heading most like one that the column may bear."""
    best: tuple[float, str] = (_NEAR, "")
    for known in form.columns[name]["headings"]:
        for other in plan.others:
            alike = difflib.SequenceMatcher(None, known, other.strip()).ratio()
            best = max(best, (alike, other), key=lambda one: one[0])
    return best[1] or None


def useful_lacking(reader: CaseReader) -> list[tuple[str, str]]:
    """Title and words of each column that is missed, though the month can do without."""
    found = []
    for name, loss in _USEFUL.items():
        if name in reader.plan.sources:
            continue
        title, near = reader.form.title(name), _nearest(name, reader.plan, reader.form)
        hint = f"；是不是“{near}”？请改名为“{title}”" if near else ""
        found.append((title, f"没有“{title}”列，{loss}{hint}"))
    return found


def refuse_blank(reader: CaseReader, cases: Cases, needs: Iterable[str]) -> None:
    """Raise InputError with every needed column that is there and has no value in any case."""
    if not cases.n:
        return
    blank = [name for name in needs if name in reader.plan.sources and _is_blank(cases, name)]
    faults = [
        Fault(
            reader.file, "整列都是空的", column=reader.plan.sources[name][0],
            mend=f"重新导出，或填入{reader.form.title(name)}",
        )
        for name in blank
    ]  # fmt: skip
    if faults:
        raise InputError(f"{reader.file} 缺少计算要用的内容", faults)


def _is_blank(cases: Cases, name: str) -> bool:
    amounts = cases.fen(name) if name == "total_charges" else None
    if amounts is not None:
        return bool(np.all(amounts == MISSING_FEN))
    return not pc.any(pc.is_valid(cases.extra[name])).as_py()
