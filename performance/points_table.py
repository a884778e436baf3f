"""The table of every product behind a month's points: departments, items, factors, points."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from performance.measures import ranks
from performance.shares import TO_SELF
from performance.table_list import ROLES

__all__ = [
    "SERIES_NAMES",
    "SOURCES",
    "UNKNOWN",
    "SideRows",
    "no_rows",
    "points_table",
    "table_like",
]

Ints = npt.NDArray[np.int64]

UNKNOWN = "UNKNOWN"
SOURCES = ("execution", "nursing", "operation", "order")
SERIES_NAMES = (*ROLES, UNKNOWN)
_ONE = 10_000


@dataclass(frozen=True)
class SideRows:
    """Rows of one side: int64 columns (m,); the points with each unit counted once, and doubled."""

    source: str
    unit: Ints
    series: Ints
    item: Ints
    part: Ints
    from_unit: Ints
    columns: dict[str, Ints]
    plain: int = 0
    doubled: int = 0


def points_table(
    sides: Sequence[SideRows], items: pd.DataFrame, names: npt.NDArray[np.object_]
) -> pd.DataFrame:
    """All rows with points, sorted by department, series, source, item code and version.

    Rows alike in these follow their other columns, so that the order of lines does not matter.
    """
    unit_rank, item_rank = ranks([names]), ranks([items["item_code"], items["version"]])
    source = np.concatenate([np.full(len(s.unit), SOURCES.index(s.source)) for s in sides])
    unit, series, item, part, other = (
        np.concatenate([getattr(side, name) for side in sides])
        for name in ("unit", "series", "item", "part", "from_unit")
    )
    series_rank = ranks([np.array(SERIES_NAMES, dtype=object)])
    key = unit_rank[unit] * len(SERIES_NAMES) + series_rank[series]
    key = (key * len(SOURCES) + source) * max(len(items), 1) + item_rank[item]
    held = {
        name: np.concatenate([side.columns[name] for side in sides]) for name in sides[0].columns
    }
    order = np.lexsort((*reversed(held.values()), other, part, key))
    unit, series, item, source = unit[order], series[order], item[order], source[order]
    numbers = {name: column[order] for name, column in held.items()}
    texts = {
        "item_code": "item_code", "item_version": "version", "item_name": "item_name",
        "item_class": "item_class",
    }  # fmt: skip
    others = np.concatenate([names, ["", ""]]).astype(object)
    series_names, sources = (np.array(told, dtype=object) for told in (SERIES_NAMES, SOURCES))
    return pd.DataFrame(
        {
            "department": _taken(names, unit),
            "series": _taken(series_names, series),
            "source": _taken(sources, source),
            **{name: _taken(items[own].to_numpy(object), item) for name, own in texts.items()},
            **numbers,
            "part": _taken(np.array(PARTS, dtype=object), part[order]),
            "from_department": _taken(others, _from(other[order], len(names))),
            "formula": _taken(np.array([""], dtype=object), np.zeros(len(unit), dtype=np.int64)),
        }
    )


def _taken(texts: npt.NDArray[np.object_], place: Ints) -> pd.Series[str]:
    """Texts by place, as a column; places below 0 count from the end."""
    held = pa.array(texts, pa.string())
    column: pd.Series[str] = held.take(pa.array(place % len(texts))).to_pandas()
    return column


PARTS = ("", "技术", "专业")


def _from(place: Ints, names: int) -> Ints:
    """Place among the names: TO_SELF is UNKNOWN, the last of them; anything below is no name."""
    return np.where(place < TO_SELF, names, np.where(place == TO_SELF, names - 1, place))


_NUMBERS = (
    "quantity_e4", "item_points_e4", "coefficient_e4", "share_e4", "points_e6", "base_e4",
    "calendar_e4", "session_e4",
)  # fmt: skip


def no_rows() -> pd.DataFrame:
    """The table without rows."""
    texts = ("department", "series", "source", "item_code", "item_version", "item_name")
    more = ("item_class", "part", "from_department", "formula")
    columns = {name: pd.Series([], dtype=object) for name in (*texts, *more)}
    return pd.DataFrame(columns | {name: pd.Series([], dtype=np.int64) for name in _NUMBERS})


def table_like(rows: pd.DataFrame, items: pd.DataFrame) -> pd.DataFrame:
    """Rows of another source as rows of ``Points.table``; a factor they lack is 1.

    rows: department, series, source, points_e6; ``item``, the item's row, where there is one.
    """
    blank = pd.Series("", index=rows.index, dtype=object)
    columns: dict[str, object] = {n: rows[n] for n in ("department", "series", "source")}
    for name in ("item_code", "version", "item_name", "item_class"):
        own = items[name].to_numpy(dtype=object)
        found = (
            own[rows["item"].to_numpy(dtype=np.int64)] if "item" in rows else rows.get(name, blank)
        )
        columns["item_version" if name == "version" else name] = found
    defaults = {"points_e6": 0, "base_e4": 0, "quantity_e4": _ONE, "item_points_e4": 0}
    for name in _NUMBERS:
        columns[name] = rows[name] if name in rows else np.int64(defaults.get(name, _ONE))
    for name in ("part", "from_department", "formula"):
        columns[name] = rows.get(name, blank)
    return pd.DataFrame(columns, index=rows.index).reset_index(drop=True)
