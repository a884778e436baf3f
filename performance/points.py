"""Charge lines to points of departments, exactly (allocation.md §2).

**Representation.**  Quantities are int64 ten-thousandths and are summed first, over all lines of
one item version and one pair of departments; that sum is exact whatever the order of rows.  Points
per unit are the product of item points, coefficient and role share, each ten-thousandths, so an
exact int64 of 10**-12.  Their product is rounded once, half up, to *millionths of a point*
(``points_e6``) at the cell (item version, department).  A cell of the execution side is cut into
its roles by the largest remainder, so its parts equal it.  All further sums are sums of int64.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from drg_engine.errors import AllocationError, Fault, InputError
from performance.cells import EXCEPTION_COLUMNS, Cells
from performance.tables import ROLES

__all__ = [
    "UNKNOWN",
    "Points",
    "department_points",
    "points_of",
    "rate_parts",
]

Ints = npt.NDArray[np.int64]

UNKNOWN = "UNKNOWN"
_RATE = 10**10  # quantity e-4 x rate e-12 -> e-16; millionths are 10**10 of those


@dataclass(frozen=True)
class Points:
    """Points of the items, by department, series and source.

    table columns: department, series, source (order | execution), item_code, item_version,
    item_name, item_class, quantity_e4, item_points_e4, coefficient_e4, share_e4, points_e6.
    cell_points_e6: the points of all cells before they were cut into roles, by source.
    plain_points_e6: the executing cells with each unit counted once, for the control total.
    """

    table: pd.DataFrame
    cell_points_e6: dict[str, int]
    plain_points_e6: int
    exceptions: pd.DataFrame


def _scaled(quantity_e4: Ints, rate_e12: Ints) -> tuple[Ints, Ints]:
    """|quantity| x rate in whole millionths and what is left, in 10**-10 of one; exact."""
    rate1, rate0 = np.divmod(rate_e12, _RATE)
    quantity1, quantity0 = np.divmod(np.abs(quantity_e4), 10**5)
    upper, middle = np.divmod(quantity1 * rate0, 10**5)
    carry, left = np.divmod(middle * 10**5 + quantity0 * rate0, _RATE)
    return np.abs(quantity_e4) * rate1 + upper + carry, left


def rate_parts(quantity_e4: Ints, rates_e12: Ints) -> Ints:
    """Points (millionths) of cells, cut into roles so that the parts equal the rounded whole.

    quantity_e4: (n,).  rates_e12: (n, roles), points per unit, each >= 0.  Returns int64
    (n, roles); the sum over roles is quantity x the sum of rates, rounded half up once.
    """
    reach = np.abs(quantity_e4.astype(np.float64))
    points = (reach[:, None] * rates_e12.astype(np.float64)).sum() / _RATE
    if points > 9e18 or reach.max(initial=0.0) > 9e13:
        raise AllocationError("点数合计超出可精确计算的范围，请核对数量和点数")
    whole, left = _scaled(quantity_e4[:, None], rates_e12)
    extra = (left.sum(axis=1) + _RATE // 2) // _RATE
    rank = np.argsort(np.argsort(-left, axis=1, kind="stable"), axis=1, kind="stable")
    whole = whole + (rank < extra[:, None])
    return np.asarray(np.where(quantity_e4[:, None] < 0, -whole, whole), dtype=np.int64)


def points_of(
    cells: Cells,
    items: pd.DataFrame,
    departments: pd.DataFrame,
    role_shares: pd.DataFrame,
    *,
    attribution: str,
    order_series: str,
) -> Points:
    """Points of the ordering and the executing units (allocation.md §2).

    Ordering: quantity x points(series) x order coefficient.  Executing: quantity x points(series) x
    execution coefficient x role share.  In ``split`` the shares of one row must sum to 1; in
    ``duplicate`` each role counts in full.  Cells of an executing unit that no share row covers go
    to the series UNKNOWN and to the exceptions.  Raises InputError where shares do not sum to 1.
    """
    if attribution == "split":
        _check_shares(role_shares)
    names = np.append(departments["department"].to_numpy(dtype=object), UNKNOWN)
    order, order_total = _order_side(cells, items, names, order_series)
    execution, execution_total, plain, uncovered = _execution_side(cells, items, names, role_shares)
    table = pd.concat([order, execution], ignore_index=True)
    keys = ["department", "series", "source", "item_code", "item_version"]
    table = table.sort_values(keys, kind="stable", ignore_index=True)
    totals = {"order": order_total, "execution": execution_total}
    return Points(table, totals, plain, uncovered)


def _check_shares(role_shares: pd.DataFrame) -> None:
    total = role_shares[[f"{role}_e4" for role in ROLES]].sum(axis=1)
    faults = [
        Fault(
            "role_shares",
            "拆分时医生、医技、护理份额合计须为 1",
            int(row),
            "医生",
            f"{sum_ / 1e4:g}",
        )
        for row, sum_ in zip(role_shares["row"], total, strict=True)
        if sum_ != 10_000
    ]
    if faults:
        raise InputError("角色份额表与方案的拆分方式不符", faults)


def _side(cells: Cells, department: Ints) -> tuple[Ints, Ints, Ints]:
    """Cells of known items summed over (item, department): item, department, quantity."""
    frame = pd.DataFrame({"item": cells.item, "department": department, "q": cells.quantity_e4})
    summed = frame[frame["item"] >= 0].groupby(["item", "department"], sort=True)["q"].sum()
    index = summed.index.to_frame()
    item = index["item"].to_numpy(dtype=np.int64)
    return item, index["department"].to_numpy(dtype=np.int64), summed.to_numpy(dtype=np.int64)


def _series_points(items: pd.DataFrame, role: str) -> Ints:
    own = items[f"points_{role}_e4"].to_numpy(dtype=np.int64)
    return np.where(own >= 0, own, items["points_e4"].to_numpy(dtype=np.int64))


def _rows(
    items: pd.DataFrame,
    item: Ints,
    department: npt.NDArray[np.object_],
    series: str,
    source: str,
    numbers: dict[str, Ints],
) -> pd.DataFrame:
    chosen = items.iloc[item]
    frame = pd.DataFrame(
        {
            "department": department,
            "series": series,
            "source": source,
            "item_code": chosen["item_code"].to_numpy(),
            "item_version": chosen["version"].to_numpy(),
            "item_name": chosen["item_name"].to_numpy(),
            "item_class": chosen["item_class"].to_numpy(),
            **numbers,
        }
    )
    worth = (frame["item_points_e4"] * frame["coefficient_e4"] * frame["share_e4"]) != 0
    return frame[worth].reset_index(drop=True)


def _order_side(
    cells: Cells, items: pd.DataFrame, names: npt.NDArray[np.object_], series: str
) -> tuple[pd.DataFrame, int]:
    item, department, quantity = _side(cells, cells.order)
    points = _series_points(items, series)[item]
    coefficient = items["order_coefficient_e4"].to_numpy(dtype=np.int64)[item]
    value = rate_parts(quantity, (points * coefficient * 10**4)[:, None])[:, 0]
    numbers = {
        "quantity_e4": quantity,
        "item_points_e4": points,
        "coefficient_e4": coefficient,
        "share_e4": np.full(len(item), 10_000, dtype=np.int64),
        "points_e6": value,
    }
    return _rows(items, item, names[department], series, "order", numbers), int(value.sum())


def _execution_side(
    cells: Cells, items: pd.DataFrame, names: npt.NDArray[np.object_], role_shares: pd.DataFrame
) -> tuple[pd.DataFrame, int, int, pd.DataFrame]:
    item, department, quantity = _side(cells, cells.execution)
    code = items["item_code"].to_numpy(dtype=object)[item]
    group = items["item_class"].to_numpy(dtype=object)[item]
    coefficient = items["execution_coefficient_e4"].to_numpy(dtype=np.int64)[item]
    general = items["points_e4"].to_numpy(dtype=np.int64)[item]
    rule = _share_rule(names[department], group, code, role_shares)
    shares = role_shares[[f"{role}_e4" for role in ROLES]].to_numpy(dtype=np.int64)
    shares = np.vstack([shares, np.zeros((1, len(ROLES)), dtype=np.int64)])[rule]
    points = np.stack([_series_points(items, role)[item] for role in ROLES], axis=1)
    columns = {role: (points[:, i], shares[:, i]) for i, role in enumerate(ROLES)}
    columns[UNKNOWN] = (general, np.where(rule < 0, 10_000, 0))
    rates = np.stack([p * coefficient * s for p, s in columns.values()], axis=1)
    value = rate_parts(quantity, rates)
    parts = []
    for i, (role, (role_points, share)) in enumerate(columns.items()):
        numbers = {
            "quantity_e4": quantity,
            "item_points_e4": role_points,
            "coefficient_e4": coefficient,
            "share_e4": share,
            "points_e6": value[:, i],
        }
        parts.append(_rows(items, item, names[department], role, "execution", numbers))
    plain = rate_parts(quantity, (general * coefficient * 10**4)[:, None])
    whole = pd.concat(parts, ignore_index=True)
    return whole, int(value.sum()), int(plain.sum()), _uncovered(parts[-1])


_SHARE_LEVELS = (
    (True, True, True),
    (True, False, True),
    (True, True, False),
    (True, False, False),
    (False, True, True),
    (False, False, True),
    (False, True, False),
    (False, False, False),
)


def _joined(columns: list[npt.NDArray[np.object_]]) -> npt.NDArray[np.object_]:
    """Text columns as one, by a mark that no id holds."""
    whole = columns[0]
    for column in columns[1:]:
        whole = whole + "\x1f" + column
    return whole


def _share_rule(
    department: npt.NDArray[np.object_],
    group: npt.NDArray[np.object_],
    code: npt.NDArray[np.object_],
    role_shares: pd.DataFrame,
) -> Ints:
    """Row of the role share that covers each cell, the most particular first; -1 where none does.

    Order: department and item, department and class, department alone, then the same for '*'.
    """
    names = ("department", "item_class", "item_code")
    given = [role_shares[name].to_numpy(dtype=object) for name in names]
    rule = np.full(len(code), -1, dtype=np.int64)
    for fixed in _SHARE_LEVELS:
        here = np.logical_and.reduce([(g != "*") == f for g, f in zip(given, fixed, strict=True)])
        rows = np.flatnonzero(here)
        if not len(rows):
            continue
        named = [i for i, f in enumerate(fixed) if f]
        if not named:
            rule[rule < 0] = rows[0]
            continue
        known = _joined([given[i][rows] for i in named])
        wanted = _joined([(department, group, code)[i] for i in named])
        found = pd.Index(known).get_indexer(pd.Index(wanted))
        rule = np.where((rule < 0) & (found >= 0), rows[found], rule)
    return rule


def _uncovered(rows: pd.DataFrame) -> pd.DataFrame:
    """Exceptions for executed items that no role share covers."""
    if not len(rows):
        return pd.DataFrame(columns=list(EXCEPTION_COLUMNS))
    grouped = rows.groupby(["department", "item_class"], sort=True)
    summed = grouped.agg(
        rows=("item_code", "size"), quantity_e4=("quantity_e4", "sum")
    ).reset_index()
    return pd.DataFrame(
        {
            "kind": "没有角色份额",
            "file": "role_shares",
            "found": summed["department"] + " / " + summed["item_class"],
            "rows": summed["rows"],
            "quantity_e4": summed["quantity_e4"],
            "amount_fen": np.int64(0),
            "first_row": np.int64(0),
            "message": "角色份额表没有覆盖；执行点数归入 UNKNOWN 系列（行数为项目数）",
        }
    )


def department_points(points: Points) -> pd.DataFrame:
    """Points by (department, series): order_e6, execution_e6, points_e6 (int64 millionths)."""
    table = points.table
    frame = pd.DataFrame(
        {
            "department": table["department"],
            "series": table["series"],
            "order_e6": table["points_e6"].where(table["source"] == "order", 0),
            "execution_e6": table["points_e6"].where(table["source"] == "execution", 0),
            "points_e6": table["points_e6"],
        }
    )
    return frame.groupby(["department", "series"], sort=True, as_index=False).sum()
