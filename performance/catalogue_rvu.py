"""The relative value file of the United States fee schedule (layout PPRRVU), as a hospital has it.

The file begins with a title and notices; its headings are stacked over several rows (``NON-FAC``
above ``PE RVU``), in some exports flat in one.  Codes and numbers are read, descriptions are not
kept: they belong to their owner.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from drg_engine.errors import Fault, InputError
from performance.catalogue_rows import number_column, raw_rows, repeated_keys
from performance.tables import Column

__all__ = ["read_rvu"]

_CODE = ("HCPCS", "HCPCS CODE", "CPT", "CPT/HCPCS", "CPT/HCPCS CODE")
_MODIFIER = ("MOD", "MODIFIER")
_PARTS = {
    "work": "WORK RVU",
    "non_facility": "NON-FAC PE RVU",
    "facility": "FACILITY PE RVU",
    "malpractice": "MP RVU",
}
_IN_ORDER = {"RVU": ("work", "malpractice"), "PE RVU": ("non_facility", "facility")}
_NOTHING = ("NA", "N/A", ".", "-")
_CAPTIONS = 4
_LONGEST_CAPTION = 24


def read_rvu(path: Path) -> pd.DataFrame:
    """Read an RVU file (CSV or Excel).

    Returns one row for each code and modifier, sorted: hcpcs, modifier, work_e4, non_facility_e4,
    facility_e4, malpractice_e4 (int64 ten-thousandths of an RVU), row.  Raises InputError with
    every fault: no heading row, a column missing or there twice, a cell that is no number.
    """
    rows = raw_rows(path)
    head = next((at for at, cells in enumerate(rows) if _upper(cells, _CODE)), None)
    if head is None:
        mend = "保留原文件的表头行（HCPCS、MOD、DESCRIPTION …）"
        fault = Fault(path.name, "找不到以 HCPCS 开头的表头行", mend=mend)
        raise InputError(f"{path.name} 不是 RVU 表", [fault])
    stacked = _stacked(rows, head)
    places = _places(path.name, stacked, head + 1)
    code_at = next(i for i, cell in enumerate(rows[head]) if cell.upper() in _CODE)
    modifier_at = next((i for i, cell in enumerate(rows[head]) if cell.upper() in _MODIFIER), None)
    kept = [(at + 1, r) for at, r in enumerate(rows) if at > head and _cell(r, code_at)]
    frame = pd.DataFrame(
        {
            "hcpcs": [_cell(r, code_at).upper() for _, r in kept],
            "modifier": ["" if modifier_at is None else _cell(r, modifier_at) for _, r in kept],
            "row": np.array([number for number, _ in kept], dtype=np.int64),
        }
    )
    faults: list[Fault] = []
    for name, place in places.items():
        frame[f"{name}_e4"] = _rvus(
            path.name, [(n, _cell(r, place)) for n, r in kept], name, faults
        )
    faults += repeated_keys(path.name, frame, ["hcpcs", "modifier"], {"hcpcs": "HCPCS"})
    if faults:
        raise InputError(f"RVU 表 {path.name} 有 {len(faults)} 处错误", faults)
    return frame.sort_values(["hcpcs", "modifier"], kind="stable", ignore_index=True)


def _cell(cells: Sequence[str], place: int) -> str:
    return cells[place].strip() if place < len(cells) else ""


def _upper(cells: Sequence[str], names: Sequence[str]) -> bool:
    return any(cell.upper() in names for cell in cells) and sum(map(bool, cells)) > 3


def _stacked(rows: Sequence[Sequence[str]], head: int) -> list[str]:
    """Each column's heading with the short captions above it."""
    above = range(max(0, head - _CAPTIONS), head)
    return [
        " ".join(
            part
            for at in (*above, head)
            if (part := _cell(rows[at], place).upper().replace("_", " "))
            and (at == head or len(part) <= _LONGEST_CAPTION)
        )
        for place in range(len(rows[head]))
    ]


def _part(heading: str) -> str | None:
    words = set(heading.replace("-", " ").split())
    if "RVU" not in words or words & {"TOTAL", "INDICATOR"}:
        return None
    if "WORK" in words:
        return "work"
    if words & {"MP", "MALPRACTICE"}:
        return "malpractice"
    if "PE" not in words:
        return None
    if words & {"NON", "NONFAC", "NONFACILITY"}:
        return "non_facility"
    return "facility" if words & {"FAC", "FACILITY"} else None


def _places(file: str, headings: Sequence[str], row: int) -> dict[str, int]:
    """Column of each part, by its captions, else by the known order of bare headings."""
    found: dict[str, list[int]] = {name: [] for name in _PARTS}
    for place, heading in enumerate(headings):
        name = _part(heading)
        if name is not None:
            found[name].append(place)
    for bare, names in _IN_ORDER.items():
        places = [at for at, heading in enumerate(headings) if heading == bare]
        if len(places) == len(names) and not any(found[name] for name in names):
            found.update({name: [at] for name, at in zip(names, places, strict=True)})
    faults = [
        Fault(file, f"缺少“{_PARTS[name]}”列", row, found="，".join(filter(None, headings))[:300],
              mend="保留原文件表头的各行，或把表头写成一行")
        for name, places in found.items() if not places
    ] + [
        Fault(file, f"有 {len(places)} 列都是“{_PARTS[name]}”", row,
              found="，".join(headings[at] for at in places), mend="只保留要用的一列")
        for name, places in found.items() if len(places) > 1
    ]  # fmt: skip
    if faults:
        raise InputError(f"RVU 表 {file} 的表头不对", faults)
    return {name: places[0] for name, places in found.items()}


def _rvus(
    file: str, cells: Sequence[tuple[int, str]], name: str, faults: list[Fault]
) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    texts = ["0" if text.upper() in _NOTHING else text for _, text in cells]
    column = Column(name, (_PARTS[name],), "number", 0, low=0, high=100_000)

    def tell(bad: np.ndarray[tuple[int], np.dtype[np.bool_]], message: str, mend: str) -> None:
        for at in np.flatnonzero(bad):
            row, found = cells[int(at)]
            faults.append(Fault(file, message, row, _PARTS[name], found[:80], mend))

    return number_column(pa.chunked_array([pa.array(texts, pa.string())]), column, tell)
