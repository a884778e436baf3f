"""The layout of a workbook as data: which sheets, which columns, under which headings.

``month.toml`` (beside this module) says what is written there and why; a column is added there
and nowhere else.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from drg_engine.errors import DrgEngineError, Fault
from reports.style import Style

__all__ = [
    "MONTH_LAYOUT",
    "Charts",
    "Column",
    "Layout",
    "Quadrant",
    "Sheet",
    "Summary",
    "Table",
    "Tile",
]

MONTH_LAYOUT = Path(__file__).with_name("month.toml")

_TOTALS = ("", "sum", "hospital")
_VISUALS = ("", "scale", "bar")
_UNKNOWN = ("show", "omit")


@dataclass(frozen=True, slots=True)
class Column:
    """One column as people see it; ``width`` counts half-width characters.

    optional: left out where no row has anything but 0 in it.
    """

    key: str
    heading: str
    format: str
    width: float = 12
    group: str = ""
    total: str = ""
    visual: str = ""
    values: str = ""
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """One table of a sheet; ``source`` is a field of the report."""

    source: str
    columns: tuple[Column, ...]
    title: str = ""
    sort: tuple[str, ...] = ()
    unknown: str = "omit"
    max_rows: int = 1_000_000


@dataclass(frozen=True, slots=True)
class Sheet:
    """One sheet; ``freeze`` columns stay in sight when scrolling to the right."""

    name: str
    title: str
    note: str
    tables: tuple[Table, ...]
    tab: str = "primary"
    freeze: int = 0
    chart: str = ""


@dataclass(frozen=True, slots=True)
class Tile:
    """One figure of the first sheet, in large type."""

    key: str
    label: str
    format: str
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Summary:
    """The first sheet; ``left`` and ``right`` are the two columns of indicators."""

    name: str
    title: str
    note: str
    tiles: tuple[Tile, ...]
    left: tuple[Column, ...]
    right: tuple[Column, ...]


@dataclass(frozen=True, slots=True)
class Quadrant:
    """Names and colours of the four classes (insurance_office.md §1)."""

    high_gain: str
    high_loss: str
    low_gain: str
    low_loss: str
    unclassed: str
    colour: Mapping[str, str]

    def colours(self) -> dict[str, str]:
        """Class name to name of colour, in a fixed order."""
        keys = ("high_gain", "high_loss", "low_gain", "low_loss")
        return {getattr(self, key): self.colour[key] for key in keys}


@dataclass(frozen=True, slots=True)
class Charts:
    """Sizes of the charts' data."""

    data_sheet: str
    data_note: str
    pareto_bars: int
    ranking_bars: int
    label_limit: int


@dataclass(frozen=True, slots=True)
class Layout:
    """A whole workbook."""

    summary: Summary
    sheets: tuple[Sheet, ...]
    values: Mapping[str, Mapping[str, str]]
    quadrant: Quadrant
    charts: Charts
    columns: Mapping[str, Column] = field(repr=False)

    @classmethod
    def load(cls, path: Path, style: Style) -> Layout:
        """Read and check a layout file; ``extends`` names one beside it whose columns it uses.

        Raises DrgEngineError with all faults: a column that isn't described, an unknown format,
        total or visual, a key that means nothing.
        """
        raw = _with_base(path)
        reader = _Reader(path.name, style, raw.get("values", {}))
        columns = {key: reader.column(key, entry) for key, entry in raw["column"].items()}
        sheets = tuple(reader.sheet(entry, columns) for entry in raw["sheet"])
        summary = reader.summary(raw["summary"], columns)
        if reader.faults:
            raise DrgEngineError(f"版面文件 {path.name} 有误", reader.faults)
        return cls(
            summary=summary,
            sheets=sheets,
            values=raw.get("values", {}),
            quadrant=Quadrant(**raw["quadrant"]),
            charts=Charts(**raw["charts"]),
            columns=columns,
        )


def _with_base(path: Path) -> dict[str, Any]:
    """A layout file as parsed, over the one it extends: columns, values, quadrant and charts."""
    raw = tomllib.loads(path.read_text(encoding="utf-8"))
    if "extends" not in raw:
        return raw
    base = _with_base(path.with_name(raw["extends"]))
    shared = {name: base[name] for name in ("quadrant", "charts")}
    for name in ("values", "column"):
        shared[name] = base.get(name, {}) | raw.get(name, {})
    return {**shared, **{k: v for k, v in raw.items() if k not in ("values", "column")}}


class _Reader:
    """Turns the parsed file into dataclasses and collects what is wrong with it."""

    def __init__(self, file: str, style: Style, values: Mapping[str, Any]) -> None:
        self.file = file
        self.style = style
        self.values = values
        self.faults: list[Fault] = []

    def fault(self, place: str, message: str, found: object) -> None:
        self.faults.append(Fault(self.file, message, column=place, found=str(found)))

    def column(self, key: str, entry: Mapping[str, Any]) -> Column:
        try:
            column = Column(key=key, **entry)
        except TypeError as error:
            self.fault(f"column.{key}", "列的写法不对", error)
            return Column(key, key, "text")
        self.check(column)
        return column

    def check(self, column: Column) -> None:
        place = f"column.{column.key}"
        if column.format not in self.style.formats:
            self.fault(place, "style.toml 里没有这种格式", column.format)
        if column.total not in _TOTALS:
            self.fault(place, f"total 只能是 {' / '.join(_TOTALS[1:])}", column.total)
        if column.visual not in _VISUALS:
            self.fault(place, f"visual 只能是 {' / '.join(_VISUALS[1:])}", column.visual)
        if column.values and column.values not in self.values:
            self.fault(place, "没有这张编码对照", column.values)

    def named(self, place: str, keys: list[str], columns: Mapping[str, Column]) -> list[Column]:
        found = []
        for key in keys:
            if key == "":
                found.append(Column("", "", "text", width=0))
            elif key in columns:
                found.append(columns[key])
            else:
                self.fault(place, "没有 [column.*] 描述的列", key)
        return found

    def table(self, entry: Mapping[str, Any], columns: Mapping[str, Column]) -> Table:
        rest = dict(entry)
        place = f"sheet.table {rest.get('source', '?')}"
        override = rest.pop("override", {})
        chosen = self.named(place, rest.pop("columns", []), columns)
        for index, column in enumerate(chosen):
            if column.key in override:
                chosen[index] = replace(column, **override[column.key])
                self.check(chosen[index])
        rest["sort"] = tuple(rest.get("sort", ()))
        if rest.get("unknown", "omit") not in _UNKNOWN:
            self.fault(place, f"unknown 只能是 {' / '.join(_UNKNOWN)}", rest["unknown"])
        return Table(columns=tuple(chosen), **rest)

    def sheet(self, entry: Mapping[str, Any], columns: Mapping[str, Column]) -> Sheet:
        rest = dict(entry)
        tables = tuple(self.table(table, columns) for table in rest.pop("table"))
        return Sheet(tables=tables, **rest)

    def summary(self, entry: Mapping[str, Any], columns: Mapping[str, Column]) -> Summary:
        tiles = tuple(Tile(**tile) for tile in entry.get("tile", ()))
        for tile in tiles:
            if tile.format not in self.style.formats:
                self.fault("summary.tile", "style.toml 里没有这种格式", tile.format)
        indicators = entry.get("indicators", {"left": [], "right": []})
        return Summary(
            name=entry["name"],
            title=entry["title"],
            note=entry["note"],
            tiles=tiles,
            left=tuple(self.named("summary.indicators", indicators["left"], columns)),
            right=tuple(self.named("summary.indicators", indicators["right"], columns)),
        )
