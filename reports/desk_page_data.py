"""What the insurance office's page holds: the cases by column, names, references, causes.

The page's script adds everything up again from these columns, so that a figure and what it is made
of can never differ.  Amounts are whole fen, texts are numbered, the ids of cases are masked before
they get here.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from drg_engine.decomposition import causes_of
from drg_engine.desk_frame import FEES
from drg_engine.desk_tables import Desk
from drg_engine.money import MISSING_FEN
from reports.desk_page_paths import coded_paths
from reports.html_page import page_heading
from reports.layout import Layout, Table
from reports.style import Style

__all__ = ["FLAGS", "MONEY", "coded", "desk_data", "tables_of"]

FLAGS = (
    "grouped", "surgical", "heavy", "priced", "standing", "near", "died", "costed", "stayed",
)  # fmt: skip
"""What a case is or isn't, in the order of their bits."""

MONEY = (
    "charges", "standard", "paid", "formula", "adjustment", "surplus", "cost", "cost_surplus",
    "personal", "review", *FEES,
)  # fmt: skip
_TEXTS = (
    "period", "department", "doctor_group", "doctor", "insurance", "drg", "kind", "basis_words",
    "principal_dx",
)  # fmt: skip
_LINKS = {
    "department_name": "department",
    "doctor_group": "doctor_group",
    "doctor_name": "doctor",
    "drg": "drg",
    "insurance_name": "insurance",
    "kind": "kind",
    "period": "period",
    "case_id": "case",
}
_WHOLE = "全院"
_HIDDEN_SOURCES = ("made_from",)
# A column of fewer distinct values than this share of its rows is numbered.
_FEW_DISTINCT = 0.2
_FEW_FILLED = 0.4


def desk_data(
    report: Any, layout: Layout, ids: Sequence[str], *, most_paths: int
) -> dict[str, Any]:
    """Everything about the cases, ready for JSON.

    report: a DeskReport.  ids: what may be shown of each case's id.  most_paths: with more cases
    than that their paths are left out.
    """
    desk: Desk = report.desk
    frame = desk.frame
    texts = {name: coded(frame[name]) for name in _TEXTS}
    kept = len(frame) <= most_paths
    return {
        "cases": len(frame),
        "ids": list(ids),
        "texts": texts,
        "flags": _small(_flags(frame)),
        "numbers": {
            name: _small(frame[name].to_numpy(dtype=np.int64))
            for name in ("units", "los", *(f"{name}_fen" for name in MONEY))
        },
        "names": _names(report.names, texts, layout, report.causes),
        "fees": dict(desk.settings.fees),
        "reference": _reference(desk, texts["drg"]["words"]),
        "few": desk.settings.small_cases,
        "cut": _number(desk.cmi_cut),
        "quadrant": _quadrant(layout),
        "compared": _compared(desk.tables["header"]),
        "causes": _causes(report.causes, layout, report.within),
        "paths": coded_paths(frame, report.months) if kept else {},
    }


def tables_of(
    layout: Layout,
    style: Style,
    there: Sequence[str],
    words: Mapping[str, str],
    whole: str,
    aside: Collection[str] = (),
) -> list[dict[str, Any]]:
    """The sheets of the workbook as the page's tables: title, note, columns by source.

    there: sources that have rows.  words: what stands for ``{name}`` in notes.
    whole: what a report of all its cases is called.  aside: columns that are left out.
    """
    sheets = []
    for sheet in layout.sheets:
        tables = [
            {
                "source": table.source,
                "title": table.title,
                "columns": [_column(column, style, whole) for column in _shown(table, aside)],
            }
            for table in sheet.tables
            if table.source in there and table.source not in _HIDDEN_SOURCES
        ]
        note = sheet.note.replace(_WHOLE, whole)
        for name, text in words.items():
            note = note.replace("{" + name + "}", text)
        if tables:
            sheets.append(
                {"name": sheet.name, "title": sheet.title, "note": note, "tables": tables}
            )
    return sheets


def _shown(table: Table, aside: Collection[str]) -> list[Any]:
    return [one for one in table.columns if one.key != "cost_fen" and one.key not in aside]


def _column(column: Any, style: Style, whole: str) -> dict[str, Any]:
    found = page_heading(column, style, _LINKS)
    found["heading"] = column.heading.replace(_WHOLE, whole)
    return found | {"group": column.group, "optional": column.optional}


def coded(column: pd.Series[Any]) -> dict[str, Any]:
    """A text column as its distinct words, sorted, and their numbers."""
    words = column.astype(object).where(column.notna(), "").astype(str)
    codes, distinct = pd.factorize(words, sort=True)
    return {"words": [str(word) for word in distinct], "codes": codes.tolist()}


def _flags(frame: pd.DataFrame) -> Any:
    bits = np.zeros(len(frame), dtype=np.int64)
    for place, name in enumerate(FLAGS):
        bits |= frame[name].to_numpy(dtype=np.int64) << place
    return bits


def _small(column: Any) -> Any:
    """A column of integers: itself, or the least of it that it can be made from again.

    0 where all are; where most are 0 the others and their places; where few differ, the distinct
    values and their numbers.
    """
    places = np.flatnonzero(column)
    if not places.size:
        return 0
    if places.size < _FEW_FILLED * len(column):
        return {"where": places.tolist(), "is": column[places].tolist()}
    codes, distinct = pd.factorize(column, sort=True)
    if len(distinct) < _FEW_DISTINCT * len(column):
        return {"of": distinct.tolist(), "at": codes.tolist()}
    return column.tolist()


def _names(
    names: Mapping[str, Mapping[str, str]],
    texts: Mapping[str, Any],
    layout: Layout,
    causes: pd.DataFrame,
) -> dict[str, dict[str, str]]:
    """Names of the codes that occur in the cases or the causes, and no others."""
    caused: Mapping[str, str] = {} if causes.empty else {"department": "unit", "drg": "drg"}
    found = {}
    for name in ("department", "doctor", "drg", "insurance"):
        known = names.get(name, {})
        codes = {*texts[name]["words"], *(causes[caused[name]] if name in caused else ())}
        found[name] = {c: str(known[c]) for c in sorted(codes) if c in known}
    return found | {
        "kind": {c: layout.values["kind"].get(c, c) for c in texts["kind"]["words"]},
    }


def _reference(desk: Desk, drgs: Sequence[str]) -> dict[str, Any]:
    """Means of elsewhere, in the order of the DRGs; None where unknown."""
    table = desk.reference.table.set_index("drg").reindex(list(drgs))
    names = ["charges_fen", "days", *(f"{name}_fen" for name in FEES)]
    found: dict[str, Any] = {
        name: [_number(value) for value in table[name].tolist()]
        for name in names
        if name in table.columns
    }
    risks = desk.tables["drgs"].set_index("drg")["risk_title"]
    found["risk"] = [str(risks.get(drg, "")) for drg in drgs]
    return found | {"source": desk.reference.source, "own": desk.reference.own}


def _quadrant(layout: Layout) -> dict[str, str]:
    words = layout.quadrant
    keys = ("high_gain", "high_loss", "low_gain", "low_loss", "unclassed")
    return {key: getattr(words, key) for key in keys}


def _compared(header: pd.DataFrame) -> list[dict[str, Any]]:
    """The figures of the other periods, and of this one what only the whole hospital has."""
    rows: list[Any] = header.to_dict("records")
    return [{str(key): _number(value) for key, value in row.items()} for row in rows]


def _causes(causes: pd.DataFrame, layout: Layout, within: bool) -> dict[str, Any] | None:
    if causes.empty:
        return None
    parts = causes_of(causes)
    sums = ["surplus_fen", "reference_fen", "change_fen", *parts]
    titles = {name: layout.columns[name] for name in parts if name in layout.columns}
    return {
        "rows": len(causes),
        "within": within,
        "parts": parts,
        "titles": [titles[name].heading if name in titles else name for name in parts],
        "department": coded(causes["unit"]),
        "drg": coded(causes["drg"]),
        "cases": causes["cases"].astype(np.int64).tolist(),
        "reference_cases": [_number(value) for value in causes["reference_cases"].tolist()],
        **{name: _small(causes[name].to_numpy(dtype=np.int64)) for name in sums},
    }


def _number(value: Any) -> Any:
    """Python's own value; None for what is not there."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        return value if np.isfinite(value) else None
    if isinstance(value, str):
        return value
    return None if value is None or value == MISSING_FEN else int(value)
