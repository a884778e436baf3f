"""What somebody must look at again before a month's pay is believed, in words for the console."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from performance.inputs import unread_files

if TYPE_CHECKING:
    import pandas as pd

    from drg_engine.month import Month

__all__ = ["input_notes"]

_SHOWN = 5
_COUNTED = (
    "没有考勤",
    "没有质量得分",
    "质量得分高于 100",
    "未知科室的得分",
    "未知科室的成本",
    "未知对象的单项",
)
_COUNTED_ENDS = ("的工号未知", "的科室未知")
_MISSING = "缺少表"
_OF_TABLE = {"attendance": "没有考勤", "quality": "没有质量得分"}
"""What each row of these says, the missing table says once."""


def input_notes(month: Month) -> list[str]:
    """Tables that are missing or not read, and how many rows of small tables found nobody.

    A table of single items is missed only where another month of the workspace has one.
    """
    folder = month.workspace.inputs(month.period)
    notes = [str(stray) for stray in unread_files(month.workspace.tables, folder)]
    if len(notes) > _SHOWN:
        notes = [*notes[:_SHOWN], f"另有 {len(notes) - _SHOWN} 个文件没有程序读"]
    if month.allocation is None:
        return notes
    exceptions = month.allocation.exceptions
    lacking = exceptions[exceptions["kind"] == _MISSING]
    for row in lacking.to_dict("records"):
        quiet = str(row["file"]).startswith("single_items")
        if not quiet or any(folder.parent.glob("*-*/single_items.*")):
            notes.append(f"缺少{row['found']} {row['file']}：{row['message']}")
    absent = {_OF_TABLE.get(str(file).partition(".")[0]) for file in lacking["file"]}
    return [*notes, *_counts(exceptions[~exceptions["kind"].isin(absent)])]


def _counts(exceptions: pd.DataFrame) -> Iterable[str]:
    kinds = exceptions["kind"].astype(str)
    for kind in sorted(set(kinds)):
        if kind in _COUNTED or kind.endswith(_COUNTED_ENDS):
            own = exceptions[kinds == kind]
            names = "、".join(str(name) for name in own["found"][:_SHOWN])
            more = " 等" if len(own) > _SHOWN else ""
            yield f"{kind}：{len(own):,} 处（{names}{more}），{_message(own)}"


def _message(rows: pd.DataFrame) -> str:
    """The rows' message up to where they differ."""
    return str(rows["message"].iloc[0]).partition("；")[0]
