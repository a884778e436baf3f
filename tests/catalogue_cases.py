"""Small catalogues for tests: built from short texts, read as the command reads them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import openpyxl
import pandas as pd

from drg_engine.money import MISSING_FEN
from drg_engine.points_command import BuildOptions, build_workbook, read_back
from performance.catalogue import Catalogue, build_catalogue
from performance.catalogue_methods import load_methods
from performance.catalogue_values import NONE, VALUES

DATA = Path(__file__).parent / "data" / "catalogue"
METHODS = load_methods()


def item_frame(rows: Sequence[tuple[str, str, str, float, int]]) -> pd.DataFrame:
    """Items from code, name, class, price and quantity."""
    frame = pd.DataFrame(rows, columns=["item_code", "item_name", "item_class", "yuan", "quantity"])
    price = (frame["yuan"] * 100).round().astype("int64")
    return pd.DataFrame(
        {
            "row": range(2, len(frame) + 2),
            "item_code": frame["item_code"],
            "item_name": frame["item_name"],
            "unit": "次",
            "item_class": frame["item_class"],
            "price_fen": price.where(price >= 0, MISSING_FEN),
            "quantity_e4": frame["quantity"].astype("int64") * 10_000,
            "amount_fen": price * frame["quantity"].astype("int64"),
            "national_code": "",
        }
    )


def value_frame(points: Mapping[str, float], reason: str = "表") -> pd.DataFrame:
    """Values of one method from points by code."""
    frame = pd.DataFrame({"item_code": list(points)})
    frame[VALUES[0]] = [round(value * 10_000) for value in points.values()]
    for name in VALUES[1:]:
        frame[name] = NONE
    return frame.assign(reason=reason)


def decision_frame(rows: Sequence[tuple[str, str, float]]) -> pd.DataFrame:
    """Decisions from code, verdict and points."""
    frame = pd.DataFrame(rows, columns=["item_code", "verdict", "points"])
    out = frame[["item_code", "verdict"]].copy()
    out["points_e4"] = (frame["points"] * 10_000).round().astype("int64")
    for name in (*VALUES[1:], "order_e4", "execution_e4"):
        out[name] = NONE
    return out.assign(why="讨论", who="张三", when=20_000)


def built(rows: Sequence[tuple[str, str, str, float, int]], **how: Any) -> Catalogue:
    """A catalogue of such items."""
    values = how.pop("values", {})
    return build_catalogue(item_frame(rows), METHODS, values=values, **how)


def sample(folder: Path, name: str = "点数目录.xlsx", **how: Any) -> Path:
    """The workbook of the sample hospital's items with all its tables."""
    given: dict[str, Any] = {
        "items": DATA / "items.csv",
        "rvu": DATA / "rvu.csv",
        "mapping": DATA / "mapping.csv",
        "values": DATA / "values.csv",
        "decisions": DATA / "decisions.csv",
        "version": "2027-01",
        "out": folder / name,
    }
    build_workbook(BuildOptions(**{**given, **how}))
    return Path(given["out"])


def read_out(workbook: Path, out: Path, **how: Any) -> pd.DataFrame:
    """The items table that ``points read`` writes, as text."""
    given: dict[str, Any] = {
        "accept": None, "zero": False, "version": None, "dates": (None, None), "keep_old": False,
    }  # fmt: skip
    read_back(workbook, out, **{**given, **how})
    return pd.read_csv(out, dtype=str, keep_default_na=False, encoding="utf-8-sig")


def fill_in(path: Path, sheet: str, rows: Mapping[str, Mapping[str, Any]]) -> None:
    """Type into a workbook as a person does: code -> heading -> value."""
    book = openpyxl.load_workbook(path)
    page = book[sheet]
    places = {cell.value: cell.column for cell in page[1]}
    numbers = {page.cell(row, 1).value: row for row in range(2, page.max_row + 1)}
    for code, cells in rows.items():
        for heading, value in cells.items():
            page.cell(numbers[code], places[heading]).value = value
    book.save(path)
