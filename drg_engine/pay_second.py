"""Second allocations: what department heads hand back, and how a month's pay takes it over.

A department's amounts by its head stand in ``inputs/月份/second/科室.csv``; they are inputs of the
month as any other file, so that the ledger's run holds their hashes.  Each carries the check code
of the first allocation it was made from.  Where that has changed since, the file is not used and
that is told; the money of a department and series never changes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

import numpy as np
import pandas as pd
import pyarrow as pa

from drg_engine.errors import Fault
from drg_engine.files import file_sha256
from drg_engine.money import format_fen

if TYPE_CHECKING:
    from drg_engine.workspace import Workspace
    from performance import Allocation

__all__ = [
    "SECOND_COLUMNS",
    "Second",
    "SecondRows",
    "apply_second",
    "check_code",
    "first_shares",
    "second_file",
    "second_files",
    "store_second",
]

SECOND_COLUMNS: Mapping[str, str] = {
    "period": "月份",
    "department": "科室编码",
    "code": "校验码",
    "staff_id": "工号",
    "name": "姓名",
    "series": "系列",
    "first_fen": "首次分配",
    "second_fen": "二次分配",
    "reason": "理由",
}
"""The columns of a stored second allocation and their headings."""

_KEY = ["series", "staff_id"]
_CODE_LETTERS = 12


@dataclass(frozen=True)
class SecondRows:
    """One department's second allocation as read and checked.

    frame: staff_id, series, second_fen (int64 fen), reason; one row a post of the department.
    """

    department: str
    file: str
    frame: pd.DataFrame


@dataclass(frozen=True)
class Second:
    """The second allocations of a month.

    first: every post's first allocation: department, series, staff_id, name, first_fen.
    rows: the posts of the departments whose second allocation is used: department, series,
    staff_id, first_fen, second_fen, reason.
    told: one row a file: department, file, sha256, status (used, outdated), message.
    """

    first: pd.DataFrame
    rows: pd.DataFrame
    told: pd.DataFrame

    @property
    def used(self) -> tuple[str, ...]:
        """Departments whose second allocation is paid."""
        return tuple(self.told.loc[self.told["status"] == "used", "department"])

    def code_of(self, period: str, department: str) -> str:
        """The check code of a department's first allocation."""
        return check_code(period, department, self.first[self.first["department"] == department])


def second_file(workspace: Workspace, period: str, department: str) -> Path:
    """Where a department's second allocation is kept; any code gives a safe name."""
    name = department if _is_safe(department) else quote(department, safe="")
    return workspace.inputs(period) / "second" / f"{name}.csv"


def _is_safe(code: str) -> bool:
    return code.replace("-", "").replace("_", "").isalnum()


def second_files(workspace: Workspace, period: str) -> dict[str, Path]:
    """The stored second allocations of a month by department code, in order of their names.

    A file that ``pay import`` did not put there stands under its own name; it is told, not used.
    """
    folder = workspace.inputs(period) / "second"
    found = sorted(path for path in folder.glob("*") if path.is_file() and _is_ours(path))
    return {unquote(path.stem) if _is_stored(path) else path.name: path for path in found}


def _is_ours(path: Path) -> bool:
    """Whether it is no file aside, no lock of Excel and no system's file."""
    return not path.name.startswith((".", "~$")) and path.name.lower() not in _SYSTEM


_SYSTEM = ("thumbs.db", "desktop.ini")


def _is_stored(path: Path) -> bool:
    return path.suffix == ".csv"


def first_shares(pay: pd.DataFrame) -> pd.DataFrame:
    """What every post gets by the first allocation without single items, in fen.

    pay: ``Allocation.staff_pay``.  By department and series it sums to ``staff_fen`` of the pool.
    """
    columns = ["department", "series", "staff_id", "name"]
    return pay[columns].assign(first_fen=pay["average_fen"] + pay["performance_fen"])


def check_code(period: str, department: str, first: pd.DataFrame) -> str:
    """Code of a department's first allocation: who gets how much, by series; letters and digits."""
    rows = first.sort_values(_KEY, kind="stable")
    lines = [f"{period}\t{department}"]
    lines += [
        f"{series}\t{person}\t{int(fen)}"
        for series, person, fen in zip(
            rows["series"], rows["staff_id"], rows["first_fen"], strict=True
        )
    ]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:_CODE_LETTERS]


def store_second(
    workspace: Workspace, period: str, code: str, rows: SecondRows, first: pd.DataFrame
) -> Path:
    """Write a checked second allocation among the month's inputs; returns the file."""
    from decimal import Decimal

    from drg_engine.writers import write_table

    whole = rows.frame.merge(first[[*_KEY, "name", "first_fen"]], on=_KEY, validate="one_to_one")
    whole = whole.sort_values(_KEY, kind="stable", ignore_index=True)
    whole = whole.assign(period=period, department=rows.department, code=code)
    columns = []
    for name in SECOND_COLUMNS:
        if name.endswith("_fen"):
            yuan = [Decimal(int(fen)).scaleb(-2) for fen in whole[name]]
            columns.append(pa.array(yuan, pa.decimal128(18, 2)))
        else:
            columns.append(pa.array(whole[name].astype(str)))
    path = second_file(workspace, period, rows.department)
    write_table(path, pa.table(columns, names=list(SECOND_COLUMNS.values())), bom=True)
    return path


def apply_second(
    allocation: Allocation, period: str, files: Mapping[str, Path]
) -> tuple[Allocation, Second]:
    """Pay by the second allocations; every department's and series' money stays what it was.

    files: by department, as :func:`second_files` gives them.  A file made from another first
    allocation, or faulty, is not used: the department keeps its first allocation, and the
    exceptions say so.
    """
    from drg_engine.pay_handed import read_second

    first = first_shares(allocation.staff_pay)
    told, used = [], []
    for department, path in files.items():
        own = first[first["department"] == department]
        rows: SecondRows | None
        if _is_stored(path):
            rows, faults = read_second(path, period, {department: own})
        else:
            mend = "用 drg-engine pay import 读入，再从这里移走"
            rows, faults = None, [Fault(path.name, "不是收下的二次分配", mend=mend)]
        if rows is not None and rows.department != department:
            faults = [Fault(path.name, "文件名与其中的科室不符", found=rows.department)]
            rows = None
        message = "；".join(str(fault) for fault in faults[:3])
        if len(faults) > 3:
            message += f"……共 {len(faults)} 处"
        told.append(
            {
                "department": department,
                "file": f"second/{path.name}",
                "sha256": file_sha256(path),
                "status": "outdated" if rows is None else "used",
                "message": message,
            }
        )
        if rows is not None:
            used.append(rows.frame.assign(department=department))
    second = _joined(first, used, told)
    if not told:
        return allocation, second
    return _paid(allocation, second), second


def _joined(first: pd.DataFrame, used: list[pd.DataFrame], told: list[dict[str, str]]) -> Second:
    columns = ["department", "file", "sha256", "status", "message"]
    whole = pd.concat(used, ignore_index=True) if used else _no_rows()
    keys = ["department", *_KEY]
    rows = first.merge(whole, on=keys, how="inner", validate="one_to_one")
    rows = rows[[*keys, "first_fen", "second_fen", "reason"]]
    return Second(first, rows.reset_index(drop=True), pd.DataFrame(told, columns=columns))


def _no_rows() -> pd.DataFrame:
    texts = {name: pd.Series([], dtype=object) for name in ("department", *_KEY, "reason")}
    return pd.DataFrame(texts | {"second_fen": pd.Series([], dtype=np.int64)})


def _paid(allocation: Allocation, second: Second) -> Allocation:
    from performance.pay_tables import person_pay

    pay = _paid_posts(allocation.staff_pay, second.rows)
    return replace(
        allocation,
        staff_pay=pay,
        staff_parts=_with_parts(allocation.staff_parts, second.rows),
        person_pay=person_pay(pay),
        exceptions=_with_exceptions(allocation.exceptions, second.told),
    )


def _paid_posts(pay: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame:
    """The posts with their heads' amounts: average + performance = second allocation."""
    if rows.empty:
        return pay
    keys = ["department", *_KEY]
    given = rows.set_index(keys)["second_fen"].to_dict()
    reasons = rows.set_index(keys)["reason"].to_dict()
    places = list(zip(*(pay[name] for name in keys), strict=True))
    first = (pay["average_fen"] + pay["performance_fen"]).to_numpy(dtype=np.int64)
    chosen = np.array([place in given for place in places], dtype=bool)
    second = np.array(
        [given.get(place, int(fen)) for place, fen in zip(places, first, strict=True)],
        dtype=np.int64,
    )
    average = np.where(chosen, np.minimum(pay["average_fen"], second), pay["average_fen"])
    change = second - first
    words = [
        f"{text}；二次分配：{second_words(int(was), int(now), reasons[place])}"
        if was != now
        else text
        for place, text, was, now in zip(places, pay["words"], first, second, strict=True)
    ]
    return pay.assign(
        average_fen=average,
        performance_fen=second - average,
        taxable_fen=pay["taxable_fen"] + change,
        total_fen=pay["total_fen"] + change,
        words=words,
    )


def second_words(first_fen: int, second_fen: int, reason: str) -> str:
    """A post's second allocation in words: `首次 100.00 + 调整 20.00 = 120.00（理由）`."""
    change = second_fen - first_fen
    sign = "−" if change < 0 else "+"
    why = f"（{reason}）" if reason else ""
    return (
        f"首次 {format_fen(first_fen)} {sign} 调整 {format_fen(abs(change))} = "
        f"{format_fen(second_fen)}{why}"
    )


def _with_parts(parts: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame:
    """The first allocation's parts, and what the head changed as one more."""
    changed = rows[rows["second_fen"] != rows["first_fen"]]
    if changed.empty:
        return parts
    last = int(parts["step"].max()) + 1 if len(parts) else 0
    more = pd.DataFrame(
        {
            "staff_id": changed["staff_id"],
            "department": changed["department"],
            "series": changed["series"],
            "step": last,
            "kind": "second",
            "part": "二次调整",
            "weight": 0.0,
            "amount_fen": changed["second_fen"] - changed["first_fen"],
            "words": [
                second_words(int(row["first_fen"]), int(row["second_fen"]), str(row["reason"]))
                for row in changed.to_dict("records")
            ],
        }
    )
    whole = pd.concat([parts, more], ignore_index=True) if len(parts) else more
    keys = ["department", "series", "staff_id", "step"]
    return whole.sort_values(keys, kind="stable", ignore_index=True)


def _with_exceptions(exceptions: pd.DataFrame, told: pd.DataFrame) -> pd.DataFrame:
    lost = told[told["status"] != "used"]
    if lost.empty:
        return exceptions
    more: dict[str, Any] = {
        "kind": "二次分配未采用",
        "file": lost["file"],
        "found": lost["department"],
        "rows": np.int64(1),
        "quantity_e4": np.int64(0),
        "amount_fen": np.int64(0),
        "first_row": np.int64(0),
        "message": "按首次分配发放：" + lost["message"],
    }
    return pd.concat([exceptions, pd.DataFrame(more)], ignore_index=True)
