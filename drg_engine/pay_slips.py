"""Everybody's pay slip out of a month's allocation."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from drg_engine.money import format_fen
from drg_engine.pay_handed import SERIES_WORDS
from drg_engine.pay_month import PayMonth
from reports.slips import Slip, SlipLine

__all__ = ["slips_of"]


def slips_of(pay: PayMonth) -> list[Slip]:
    """One slip a person, in order of main department and id; parts add up to the total.

    Raises ArithmeticError where they do not (a fault of the program).
    """
    lines = _part_lines(pay)
    for person, line in _single_lines(pay):
        lines[person].append(line)
    allocation = pay.allocation
    main = allocation.staff_pay[allocation.staff_pay["main"]].set_index("staff_id")["department"]
    slips = []
    for row in allocation.person_pay.to_dict("records"):
        department = str(main.get(row["staff_id"], ""))
        slip = Slip(
            staff_id=str(row["staff_id"]),
            name=str(row["name"]),
            department=department,
            department_name=str(pay.names.get(department, department)),
            series=SERIES_WORDS.get(str(row["series"]), str(row["series"])),
            average_fen=int(row["average_fen"]),
            performance_fen=int(row["performance_fen"]),
            single_fen=int(row["single_fen"]),
            total_fen=int(row["total_fen"]),
            lines=tuple(lines[str(row["staff_id"])]),
        )
        if sum(line.amount_fen for line in slip.lines) != slip.total_fen:
            raise ArithmeticError(f"{slip.staff_id}：各部分之和与合计不等")
        slips.append(slip)
    return sorted(slips, key=lambda slip: (slip.department, slip.staff_id))


def _part_lines(pay: PayMonth) -> defaultdict[str, list[SlipLine]]:
    lines: defaultdict[str, list[SlipLine]] = defaultdict(list)
    for row in pay.allocation.staff_parts.to_dict("records"):
        lines[str(row["staff_id"])].append(
            SlipLine(_post(pay, row), str(row["part"]), str(row["words"]), int(row["amount_fen"]))
        )
    return lines


def _post(pay: PayMonth, row: dict[Any, Any]) -> str:
    department = str(row["department"])
    series = SERIES_WORDS.get(str(row["series"]), str(row["series"]))
    return f"{pay.names.get(department, department)}·{series}"


def _single_lines(pay: PayMonth) -> list[tuple[str, SlipLine]]:
    """Paid single items of persons, each with its matter."""
    items = pay.allocation.single_items
    if items.empty:
        return []
    chosen = items[(items["status"] == "paid") & (items["staff_id"] != "")]
    found = []
    for row in chosen.to_dict("records"):
        fen = int(row["amount_fen"])
        word = "奖励" if fen >= 0 else "扣罚"
        text = f"{row['matter']}（单项{word}，应税）" if row["taxable"] else str(row["matter"])
        line = SlipLine("", "单项奖惩", f"{text} {format_fen(fen)}", fen)
        found.append((str(row["staff_id"]), line))
    return found
