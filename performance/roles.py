"""Points of the people in an operation: item points x role x title x day (allocation.md §2)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from performance.cells import Cells, Ground
from performance.dated import row_of_key
from performance.line_checks import EXCEPTION_COLUMNS
from performance.model_keys import e4
from performance.points import UNKNOWN, OtherPoints
from performance.points_model import RolesModel
from performance.points_table import table_like
from performance.products import product_parts

__all__ = ["OperationPoints", "operation_points"]

Ints = npt.NDArray[np.int64]

_ONE = 10_000


@dataclass(frozen=True)
class OperationPoints:
    """Points of a month's operations, of units and of persons; rows and quantities read.

    placed_e4: quantity of records whose item, role, person and unit are known.
    """

    points: OtherPoints
    personal: pd.DataFrame
    rows: int
    quantity_e4: int
    placed_rows: int
    placed_e4: int


def operation_points(
    model: RolesModel, operations: pd.DataFrame, ground: Ground, cells: Cells
) -> OperationPoints:
    """Points of the operations table (date, item_code, role, staff_id, department, quantity_e4).

    Each record gives quantity x item points x role coefficient x title coefficient x day
    coefficient to the person's series in the record's unit, or in the person's own where it names
    none.  Records with an unknown item or role give no points and are told; an unknown person or
    unit is UNKNOWN.  Items of the classes that get their points only from operations are told where
    they were charged and not recorded.
    """
    frame = operations.reset_index(drop=True)
    item, factor, inside = _dated(frame, ground)
    staff = pd.Index(ground.staff["staff_id"].to_numpy(dtype=object))
    person = np.asarray(staff.get_indexer(pd.Index(frame["staff_id"])), dtype=np.int64)
    units = pd.Index(ground.departments["department"].to_numpy(dtype=object))
    home = np.append(ground.staff["department"].to_numpy(dtype=object), UNKNOWN)[person]
    named = frame["department"].to_numpy(dtype=object)
    wanted = np.where(named == "", home, named)
    unit = np.asarray(units.get_indexer(pd.Index(wanted)), dtype=np.int64)
    roles = {name: e4(value) for name, value in model.coefficients.items()}
    role = frame["role"].map(roles).fillna(-1).to_numpy(dtype=np.int64)
    title = _titles(model, ground.staff)[person]
    told = [
        ("手术项目未知", frame["item_code"], inside & (item < 0), "没有有效的点数版本；没有计点"),
        ("手术角色未知", frame["role"], role < 0, "方案没有这个角色的系数；没有计点"),
        ("手术人员未知", frame["staff_id"], person < 0, "人员不在人员表；点数归入未知，留存待查"),
        ("手术科室未知", frame["department"], unit < 0, "科室不在科室表；点数归入未知，留存待查"),
        ("手术日期不在本期", frame["date"], ~inside, "没有计点"),
        ("职称没有系数", frame["staff_id"], (title < 0) & (person >= 0), "职称系数按 1 计"),
    ]
    title = np.where(title < 0, _ONE, title)
    exceptions = [_told(frame, *one) for one in told]
    exceptions.append(_unrecorded(model, frame, ground, cells))
    counts = inside & (item >= 0) & (role >= 0)
    series = np.append(ground.staff["series"].to_numpy(dtype=object), UNKNOWN)[person]
    department = np.append(units.to_numpy(dtype=object), UNKNOWN)[unit]
    rows = pd.DataFrame(
        {
            "department": department,
            "series": series,
            "item": item,
            "part": frame["role"].to_numpy(dtype=object),
            "coefficient_e4": role,
            "share_e4": title,
            "calendar_e4": factor,
            "staff_id": np.where(person >= 0, frame["staff_id"], ""),
            "quantity_e4": frame["quantity_e4"].to_numpy(dtype=np.int64),
        }
    )[counts]
    placed = counts & (person >= 0) & (unit >= 0)
    points, personal = _points(rows, ground.items)
    quantity = frame["quantity_e4"].to_numpy(dtype=np.int64)
    exceptions = [one for one in exceptions if len(one)]
    whole = pd.concat(exceptions, ignore_index=True) if exceptions else _no_exceptions()
    return OperationPoints(
        OtherPoints("operation", points, whole),
        personal,
        len(frame),
        int(quantity.sum()),
        int(placed.sum()),
        int(quantity[placed].sum()),
    )


def _no_exceptions() -> pd.DataFrame:
    return pd.DataFrame(columns=list(EXCEPTION_COLUMNS))


def _dated(frame: pd.DataFrame, ground: Ground) -> tuple[Ints, Ints, npt.NDArray[np.bool_]]:
    """Item row, day coefficient and whether the day counts, of each record."""
    days = frame["date"].to_numpy(dtype=np.int64)
    item = np.full(len(frame), -1, dtype=np.int64)
    factor = np.full(len(frame), _ONE, dtype=np.int64)
    inside = np.ones(len(frame), dtype=bool)
    if ground.period is not None:
        inside = (days >= ground.period[0]) & (days < ground.period[1])
    codes = frame["item_code"].to_numpy(dtype=object)
    classes = ground.items["item_class"].to_numpy(dtype=object)
    for day in np.unique(days[inside]).tolist():
        rows = np.flatnonzero(inside & (days == day))
        item[rows] = row_of_key(ground.items, "item_code", codes[rows].tolist(), day)
        known = rows[item[rows] >= 0]
        counts = [ground.factors.counts("operation", name) for name in classes[item[known]]]
        factor[known] = np.where(np.array(counts, dtype=bool), ground.factors.of_day(day), _ONE)
    return item, factor, inside


def _titles(model: RolesModel, staff: pd.DataFrame) -> Ints:
    """Title coefficient of each person, and of nobody; -1 where the plan has none for the title."""
    if not model.titles:
        return np.full(len(staff) + 1, _ONE, dtype=np.int64)
    known = {name: e4(value) for name, value in model.titles.items()}
    other = known.get("*", -1)
    return np.array([*(known.get(title, other) for title in staff["title"]), _ONE], dtype=np.int64)


def _points(rows: pd.DataFrame, items: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rows of the points table, and points by person that sum to them."""
    keys = ["department", "series", "item", "part", "coefficient_e4", "share_e4", "calendar_e4"]
    own = rows.groupby([*keys, "staff_id"], sort=True, as_index=False)["quantity_e4"].sum()
    item = own["item"].to_numpy(dtype=np.int64)
    points = items["points_e4"].to_numpy(dtype=np.int64)[item]
    numbers = [own[name].to_numpy(dtype=np.int64) for name in keys[4:]]
    factor = numbers[0] * numbers[1] * numbers[2] * _ONE
    quantity = own["quantity_e4"].to_numpy(dtype=np.int64)
    value = product_parts(quantity, points[:, None], factor[:, None])[:, 0]
    own = own.assign(points_e6=value, item_points_e4=points)
    known = own[own["staff_id"] != ""]
    personal = known.groupby(["department", "series", "staff_id"], as_index=False)[
        "points_e6"
    ].sum()
    chosen = own.groupby([*keys, "item_points_e4"], sort=True, as_index=False)
    summed = chosen[["quantity_e4", "points_e6"]].sum()
    return table_like(summed.assign(source="operation"), items), personal


def _told(
    frame: pd.DataFrame, kind: str, column: pd.Series, bad: npt.NDArray[np.bool_], message: str
) -> pd.DataFrame:
    """Exceptions by distinct text."""
    if not bad.any():
        return _no_exceptions()
    chosen = frame[bad]
    texts = column[bad].astype(str)
    if column.name == "date":
        texts = pd.Series(
            column[bad].to_numpy(dtype="datetime64[D]").astype(str), index=texts.index
        )
    grouped = chosen.groupby(texts.replace("", "（空）"), sort=True)
    summed = grouped.agg(rows=("row", "size"), q=("quantity_e4", "sum"), first=("row", "min"))
    return pd.DataFrame(
        {
            "kind": kind,
            "file": "operations",
            "found": summed.index.to_numpy(dtype=object),
            "rows": summed["rows"].to_numpy(),
            "quantity_e4": summed["q"].to_numpy(),
            "amount_fen": np.int64(0),
            "first_row": summed["first"].to_numpy(),
            "message": message,
        }
    )


def _unrecorded(
    model: RolesModel, frame: pd.DataFrame, ground: Ground, cells: Cells
) -> pd.DataFrame:
    """Items charged whose points come from operations only, and that no operation names."""
    items = ground.items
    chosen = items["item_class"].isin(model.instead_of) & ~items["item_code"].isin(
        frame["item_code"]
    )
    rows = np.flatnonzero(np.append(chosen.to_numpy(dtype=bool), False)[cells.item])
    if not len(rows):
        return _no_exceptions()
    held = pd.DataFrame(
        {
            "found": items["item_code"].to_numpy(dtype=object)[cells.item[rows]],
            "rows": cells.rows[rows],
            "quantity_e4": cells.quantity_e4[rows],
            "amount_fen": cells.amount_fen[rows],
        }
    )
    summed = held.groupby("found", sort=True, as_index=False).sum()
    message = "有收费而手术记录没有这个项目；没有执行点数"
    return summed.assign(kind="有收费无手术记录", file="operations", first_row=0, message=message)[
        list(EXCEPTION_COLUMNS)
    ]
