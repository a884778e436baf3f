"""What somebody must look at again before a month's pay is believed, in words for the console."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from performance.inputs import unread_files

if TYPE_CHECKING:
    import pandas as pd

    from drg_engine.month import Month
    from performance.stray_files import Stray

__all__ = ["input_notes"]

_SHOWN = 5
_COUNTED = (
    "没有考勤",
    "质量得分高于 100",
    "未知科室的得分",
    "未知科室的成本",
    "未知对象的单项",
)
_COUNTED_ENDS = ("的工号未知", "的科室未知")
_MISSING = "缺少表"
_ABSENT = "没有考勤"


def input_notes(month: Month) -> list[str]:
    """Tables that are missing or not read, and how many rows of small tables found nobody.

    A table of single items is missed only where another month of the workspace has one.
    """
    folder = month.workspace.inputs(month.period)
    notes = _unread(unread_files(month.workspace.tables, folder))
    if month.allocation is None:
        return notes
    exceptions = month.allocation.exceptions
    lacking = exceptions[exceptions["kind"] == _MISSING]
    for row in lacking.to_dict("records"):
        quiet = str(row["file"]).startswith("single_items")
        if not quiet or any(folder.parent.glob("*-*/single_items.*")):
            notes.append(f"缺少{row['found']} {row['file']}：{row['message']}")
    if "attendance.csv" in set(lacking["file"]):  # which says of all what each row says again
        exceptions = exceptions[exceptions["kind"] != _ABSENT]
    return [*notes, *_counts(exceptions)]


def _unread(strays: Sequence[Stray]) -> list[str]:
    """Files that were probably meant to be a table one by one, the others in one line."""
    notes = [str(stray) for stray in strays if stray.meant is not None]
    if len(notes) > _SHOWN:
        notes = [*notes[:_SHOWN], f"另有 {len(notes) - _SHOWN} 个这样的文件"]
    others = [f"{stray.folder}/{stray.file}" for stray in strays if stray.meant is None]
    if others:
        more = f" 等 {len(others)} 个" if len(others) > _SHOWN else ""
        notes.append(f"没有程序读：{'、'.join(others[:_SHOWN])}{more}；名称要与表名相同")
    return notes


def _counts(exceptions: pd.DataFrame) -> Iterable[str]:
    kinds = exceptions["kind"].astype(str)
    for kind in sorted(set(kinds)):
        if kind in _COUNTED or kind.endswith(_COUNTED_ENDS):
            own = exceptions[kinds == kind]
            names = "、".join(str(name) for name in own["found"][:_SHOWN])
            more = " 等" if len(own) > _SHOWN else ""
            yield f"{kind}：{len(own):,} 处（{names}{more}），{_message(own)}"


def _message(rows: pd.DataFrame) -> str:
    """The message of one row whole, of several up to where they differ."""
    message = str(rows["message"].iloc[0])
    return message if len(rows) == 1 else message.partition("；")[0]
