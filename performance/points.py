"""Cells of charge lines to points of departments, exactly (allocation.md §2).

**Representation.**  Quantities are summed first, over all lines of one item version, unit, day
coefficient and modifier; that sum is exact whatever the order of rows.  It is multiplied with the
item's points and all factors exactly and rounded once, half up, to *millionths of a point*
(``points_e6``).  A cell of the execution side is cut into its roles by the largest remainder, so
its parts equal it.  All further sums are sums of int64.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pandas as pd

from performance.calendar import DayFactors
from performance.cells import Cells
from performance.line_checks import EXCEPTION_COLUMNS
from performance.measures import Grouped, item_points, modified_points
from performance.points_table import (
    SERIES_NAMES,
    SOURCES,
    UNKNOWN,
    SideRows,
    no_rows,
    points_table,
)
from performance.products import product_parts, rate_parts, refuse_large
from performance.shares import TO_ORDER, TO_SELF, Shares
from performance.table_list import ROLES

__all__ = [
    "UNKNOWN",
    "OtherPoints",
    "Points",
    "Rules",
    "day_applies",
    "elsewhere_table",
    "joined_points",
    "parts_with_unknown",
    "points_of",
    "rate_parts",
]

Ints = npt.NDArray[np.int64]

_ONE = 10_000


@dataclass(frozen=True)
class Rules:
    """What turns cells into points beside the item table.

    order_series: the series of ordering points.  instead: item classes whose executing points come
    from elsewhere, by series (``*`` for all).
    """

    shares: Shares
    factors: DayFactors
    order_series: str
    instead: dict[str, frozenset[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Points:
    """Points of the items, by department, series and source.

    cell_points_e6: the points of all cells before they were cut into roles, by source.
    plain_points_e6: the executing cells with each unit counted once, for the control total.
    duplicate_points_e6: what rows of way ``duplicate`` add.
    by_department: department, series, order_e6, execution_e6, operation_e6, nursing_e6, points_e6.
    """

    made_from: tuple[Cells, pd.DataFrame, pd.DataFrame, Rules] = field(repr=False)
    cell_points_e6: dict[str, int]
    plain_points_e6: int
    duplicate_points_e6: int
    exceptions: pd.DataFrame
    by_department: pd.DataFrame
    others: tuple[pd.DataFrame, ...] = ()

    @cached_property
    def table(self) -> pd.DataFrame:
        """Every product, made when it is first asked for: it may have millions of rows.

        Columns: department, series, source (order | execution | operation | nursing), item_code,
        item_version, item_name, item_class, quantity_e4, item_points_e4, coefficient_e4, share_e4,
        points_e6; base_e4 (taken off the points), calendar_e4, session_e4 (further factors), part
        (of the item, or the role), from_department (the executing unit, where it is another),
        formula (the calculation in words, where it is no product).
        """
        cells, items, departments, rules = self.made_from
        made = (_order_side, _execution_side)
        sides = [side(part, items, rules) for side in made for part in _parts(cells)]
        own = points_table(sides, items, _names(departments)) if sides else no_rows()
        if not any(len(other) for other in self.others):
            return own
        whole = pd.concat([own, *(other for other in self.others if len(other))])
        keys = ["department", "series", "source", "item_code", "item_version"]
        keys += [name for name in whole.columns if name not in keys]
        return whole.sort_values(keys, kind="stable", ignore_index=True)


def points_of(cells: Cells, items: pd.DataFrame, departments: pd.DataFrame, rules: Rules) -> Points:
    """Points of the ordering and the executing units (allocation.md §2).

    Ordering: quantity x points(series) x order coefficient.  Executing: quantity x points(series) x
    execution coefficient x role share; both x day coefficient x session factor.  Cells of an
    executing unit that no share row covers go to the series UNKNOWN and to the exceptions.
    """
    names = _names(departments)
    sums = np.zeros((len(SOURCES), len(names), len(SERIES_NAMES)), dtype=np.int64)
    totals, plain, doubled, lost = {"order": 0, "execution": 0}, 0, 0, []
    reach = 0.0
    for side in (_order_side, _execution_side):
        for part in _parts(cells):
            rows = side(part, items, rules)
            value = rows.columns["points_e6"]
            reach += float(np.abs(value, dtype=np.float64).sum())
            refuse_large(reach)
            np.add.at(
                sums[SOURCES.index(rows.source)], (rows.unit % len(names), rows.series), value
            )
            totals[rows.source] += int(value.sum())
            plain += rows.plain
            doubled += rows.doubled
            lost.append(_uncovered_rows(rows, items, names))
    filled = [rows for rows in lost if len(rows)]
    told = _uncovered(pd.concat(filled, ignore_index=True) if filled else pd.DataFrame())
    by_department = _by_department(sums, names)
    return Points((cells, items, departments, rules), totals, plain, doubled, told, by_department)


def _names(departments: pd.DataFrame) -> npt.NDArray[np.object_]:
    return np.append(departments["department"].to_numpy(dtype=object), UNKNOWN)


_CHUNK = 1 << 17


def _parts(cells: Cells) -> Iterator[Cells]:
    """Cells of known items in parts that no item is cut by, so that memory stays bounded."""
    known = int(np.searchsorted(cells.item, 0))
    changes = np.append(np.flatnonzero(np.diff(cells.item[known:])) + known + 1, len(cells.item))
    start = known
    while start < len(cells.item):
        stop = int(changes[np.searchsorted(changes, min(start + _CHUNK, len(cells.item)))])
        columns = {name: getattr(cells, name)[start:stop] for name in _CELL_COLUMNS}
        yield replace(cells, **columns)
        start = stop


_CELL_COLUMNS = (
    "item", "order", "execution", "segment", "factor_e4", "source", "modifier", "rows",
    "quantity_e4", "amount_fen",
)  # fmt: skip


def _day_factor(cells: Cells, items: pd.DataFrame, rules: Rules, what: str) -> Ints:
    """Coefficient of each cell's day, 1 where it does not apply."""
    applies = np.append(day_applies(items, rules, what), False)
    return np.where(applies[cells.item], cells.factor_e4, _ONE)


def day_applies(items: pd.DataFrame, rules: Rules, what: str) -> npt.NDArray[np.bool_]:
    """Items (n,) whose ``order`` or ``execution`` points the day's coefficient changes."""
    known = {name: rules.factors.counts(what, name) for name in items["item_class"].unique()}
    return np.asarray(items["item_class"].map(known).to_numpy(dtype=bool))


def _order_side(cells: Cells, items: pd.DataFrame, rules: Rules) -> SideRows:
    coefficient = items["order_coefficient_e4"].to_numpy(dtype=np.int64)
    worth = item_points(items, rules.order_series) * coefficient != 0
    keep = np.append(worth, False)[cells.item]
    day = _day_factor(cells, items, rules, "order")
    columns = [cells.item, cells.order, day, cells.modifier]
    grouped = Grouped([column[keep] for column in columns], cells.quantity_e4[keep])
    return _ordered(grouped, cells, items, rules)


def _ordered(grouped: Grouped, cells: Cells, items: pd.DataFrame, rules: Rules) -> SideRows:
    coefficient = items["order_coefficient_e4"].to_numpy(dtype=np.int64)
    item, unit, day, modifier = grouped.columns
    cut = modified_points(items, item, modifier, cells.modifiers, (rules.order_series,))
    row = cut.row
    factor = coefficient[item[row]] * _ONE * day[row] * cut.factor_e4
    quantity = grouped.quantity[row]
    value = product_parts(quantity, cut.points_e4, factor[:, None])[:, 0]
    series = np.full(len(row), SERIES_NAMES.index(rules.order_series), dtype=np.int64)
    numbers = {
        "quantity_e4": quantity,
        "item_points_e4": cut.points_e4[:, 0] + cut.base_e4,
        "coefficient_e4": coefficient[item[row]],
        "share_e4": np.full(len(row), _ONE, dtype=np.int64),
        "points_e6": value,
        "base_e4": cut.base_e4,
        "calendar_e4": day[row],
        "session_e4": cut.factor_e4,
    }
    none = np.full(len(row), TO_SELF - 1, dtype=np.int64)
    return SideRows("order", unit[row], series, item[row], cut.part, none, numbers)


def _execution_side(cells: Cells, items: pd.DataFrame, rules: Rules) -> SideRows:
    coefficient = items["execution_coefficient_e4"].to_numpy(dtype=np.int64)
    most = np.max([item_points(items, name) for name in (*ROLES, UNKNOWN)], axis=0)
    keep = np.append(most * coefficient != 0, False)[cells.item]
    day = _day_factor(cells, items, rules, "execution")[keep]
    found = rules.shares.rules(cells.execution[keep], cells.item[keep], cells.segment[keep])
    start, _, to, _, _ = parts_with_unknown(rules.shares)
    by_order = np.append(np.maximum.reduceat(np.append(to == TO_ORDER, 0), start[:-1]) > 0, False)
    by_order &= np.append(np.diff(start) > 0, True)
    order = np.where(by_order[found], cells.order[keep], TO_ORDER)
    columns = [cells.item[keep], cells.execution[keep], order, day, cells.modifier[keep], found]
    grouped = Grouped(columns, cells.quantity_e4[keep])
    return _executed(grouped, cells, items, rules)


def _executed(grouped: Grouped, cells: Cells, items: pd.DataFrame, rules: Rules) -> SideRows:
    coefficient = items["execution_coefficient_e4"].to_numpy(dtype=np.int64)
    start, role, to, share, duplicate = parts_with_unknown(rules.shares)
    item, unit, order, day, modifier, found = grouped.columns
    cut = modified_points(items, item, modifier, cells.modifiers, (*ROLES, UNKNOWN))
    row = cut.row
    rule = np.where(found < 0, len(start) - 2, found)[row]
    count = np.diff(start)[rule]
    width = int(count.max(initial=1))
    place = start[rule][:, None] + np.arange(width)
    there = np.arange(width) < count[:, None]
    place = np.where(there, place, 0)
    own = cut.points_e4[np.arange(len(row))[:, None], role[place]]
    used = np.where(there, share[place], 0)
    used[elsewhere_table(items, rules)[item[row][:, None], role[place]]] = 0
    single = coefficient[item[row]] * day[row] * cut.factor_e4
    factor = single[:, None] * used
    quantity = grouped.quantity[row]
    value = product_parts(quantity, own, factor)
    plain = product_parts(quantity, cut.points_e4[:, -1:], (single * _ONE)[:, None])
    line, column = np.nonzero((own != 0) & (factor != 0))
    target = to[place][line, column]
    executing = unit[row][line]
    going = np.where(target == TO_SELF, executing, target)
    going = np.where(target == TO_ORDER, order[row][line], going)
    whole = row[line]
    numbers = {
        "quantity_e4": quantity[line],
        "item_points_e4": own[line, column] + cut.base_e4[line],
        "coefficient_e4": coefficient[item[whole]],
        "share_e4": used[line, column],
        "points_e6": value[line, column],
        "base_e4": cut.base_e4[line],
        "calendar_e4": day[whole],
        "session_e4": cut.factor_e4[line],
    }
    elsewhere = np.where(target == TO_SELF, TO_SELF - 1, executing)
    doubled = int(value[line, column][duplicate[place][line, column] != 0].sum())
    return SideRows(
        "execution", going, role[place][line, column], item[whole], cut.part[line], elsewhere,
        numbers, int(plain.sum()), doubled,
    )  # fmt: skip


def parts_with_unknown(shares: Shares) -> tuple[Ints, Ints, Ints, Ints, Ints]:
    """Parts of all rules; a last rule gives all to the series UNKNOWN."""
    start, role, to, share, duplicate = shares.parts()
    more = (len(ROLES), TO_SELF, _ONE, 0)
    held = zip((role, to, share, duplicate), more, strict=True)
    columns: list[Ints] = [np.append(column, value).astype(np.int64) for column, value in held]
    return np.append(start, start[-1] + 1), columns[0], columns[1], columns[2], columns[3]


def elsewhere_table(items: pd.DataFrame, rules: Rules) -> npt.NDArray[np.bool_]:
    """Items (n, series) whose points come from operations or nursing workload instead."""
    names = items["item_class"].to_numpy(dtype=object)
    table = np.zeros((len(items), len(SERIES_NAMES)), dtype=bool)
    for series, classes in rules.instead.items():
        chosen = np.isin(names, list(classes))
        columns = slice(0, len(ROLES)) if series == "*" else SERIES_NAMES.index(series)
        table[chosen, columns] = True
    return table


def _uncovered_rows(
    rows: SideRows, items: pd.DataFrame, names: npt.NDArray[np.object_]
) -> pd.DataFrame:
    """Rows of the series UNKNOWN: where, of what class, how much."""
    lost = np.flatnonzero(rows.series == len(ROLES))
    classes = items["item_class"].to_numpy(dtype=object)
    return pd.DataFrame(
        {
            "found": [
                f"{a} / {b}"
                for a, b in zip(names[rows.unit[lost]], classes[rows.item[lost]], strict=True)
            ],
            "quantity_e4": rows.columns["quantity_e4"][lost],
        }
    )


def _uncovered(rows: pd.DataFrame) -> pd.DataFrame:
    """Exceptions for executed items that no role share covers."""
    if not len(rows):
        return pd.DataFrame(columns=list(EXCEPTION_COLUMNS))
    grouped = rows.groupby("found", sort=True)["quantity_e4"]
    summed = grouped.agg(["size", "sum"]).reset_index()
    return pd.DataFrame(
        {
            "kind": "没有角色份额",
            "file": "role_shares",
            "found": summed["found"],
            "rows": summed["size"],
            "quantity_e4": summed["sum"],
            "amount_fen": np.int64(0),
            "first_row": np.int64(0),
            "message": "角色份额表没有覆盖；执行点数归入未知系列（行数为项目数）",
        }
    )


def _by_department(sums: Ints, names: npt.NDArray[np.object_]) -> pd.DataFrame:
    """Points by (department, series) that have any, one column a source and their sum."""
    unit, series = np.nonzero((sums != 0).any(axis=0))
    columns = {f"{name}_e6": sums[SOURCES.index(name), unit, series] for name in _ORDERED}
    frame = pd.DataFrame(
        {
            "department": names[unit].astype(object),
            "series": np.array(SERIES_NAMES, dtype=object)[series],
            **columns,
        }
    )
    return _summed(frame)


_ORDERED = ("order", "execution", "operation", "nursing")


def _summed(frame: pd.DataFrame) -> pd.DataFrame:
    names = [f"{name}_e6" for name in _ORDERED]
    frame = frame.groupby(["department", "series"], sort=True, as_index=False)[names].sum()
    return frame.assign(points_e6=frame[names].sum(axis=1).astype(np.int64))


@dataclass(frozen=True)
class OtherPoints:
    """Points of another source: rows as those of ``Points.table``, and what was not known."""

    source: str
    table: pd.DataFrame
    exceptions: pd.DataFrame


def joined_points(points: Points, more: Sequence[OtherPoints]) -> Points:
    """Points of several sources as one."""
    if not more:
        return points
    frames = [points.by_department]
    for other in more:
        own = other.table[["department", "series"]]
        frames.append(own.assign(**{f"{other.source}_e6": other.table["points_e6"]}))
    by_department = pd.concat(frames, ignore_index=True).fillna({f"{n}_e6": 0 for n in _ORDERED})
    for name in _ORDERED:
        by_department[f"{name}_e6"] = by_department[f"{name}_e6"].astype(np.int64)
    told = [points.exceptions, *(other.exceptions for other in more)]
    told = [one for one in told if len(one)]
    totals = {other.source: int(other.table["points_e6"].sum()) for other in more}
    return replace(
        points,
        cell_points_e6=points.cell_points_e6 | totals,
        exceptions=pd.concat(told, ignore_index=True) if told else points.exceptions,
        by_department=_summed(by_department),
        others=(*points.others, *(other.table for other in more)),
    )
