"""A large hospital's month for the benchmark of the allocation: lines in Parquet, tables in memory.

Made with numpy: units use items of their own lists, as wards do, the common ones most.
"""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from performance import Inputs, Plan, check_plan, read_inputs

ITEMS, UNITS, STAFF, CASES = 40_000, 300, 3_000, 120_000
LIST = 1_500
"""Items that one unit orders in a month."""

CLASSES = ("药品", "卫生材料", "检查", "化验", "手术", "治疗", "护理")
_CLASS_SHARES = (0.25, 0.35, 0.06, 0.08, 0.1, 0.14, 0.02)
_LINE_SHARES = (0.32, 0.16, 0.05, 0.2, 0.01, 0.12, 0.14)
_CHUNK = 1 << 18
_OCTOBER = int(np.datetime64("2026-10-01").astype(int))

Ints = npt.NDArray[np.int64]


def _class_of_item() -> Ints:
    edges = np.round(np.cumsum(_CLASS_SHARES) * ITEMS).astype(np.int64)
    return np.searchsorted(edges, np.arange(ITEMS), side="right")


def _lists(rng: np.random.Generator) -> Ints:
    """Items of each unit by class, (units, classes, LIST / 7): the first are used most."""
    each = LIST // len(CLASSES)
    kind = _class_of_item()
    found = np.empty((UNITS, len(CLASSES), each), dtype=np.int64)
    for place in range(len(CLASSES)):
        pool = np.flatnonzero(kind == place)
        found[:, place] = pool[rng.integers(0, len(pool), (UNITS, each))]
    return found


def write_lines(path: Path, n: int, seed: int = 20261001) -> Path:
    """Write n charge lines to a Parquet file, in row groups of a quarter of a million."""
    rng = np.random.default_rng(seed)
    lists = _lists(rng)
    place_of_test = rng.integers(UNITS - 20, UNITS, ITEMS)
    texts = {
        "item": pa.array([f"{i:09d}" for i in range(ITEMS)]),
        "unit": pa.array([f"U{i:03d}" for i in range(UNITS)]),
        "person": pa.array([f"{100_000 + i}" for i in range(STAFF)]),
        "case": pa.array([f"00{i:08d}" for i in range(CASES)]),
    }
    price = 1 + rng.integers(0, 100_000, ITEMS)
    writer: Any = None
    for start in range(0, n, _CHUNK):
        size = min(_CHUNK, n - start)
        unit = (UNITS * rng.random(size) ** 1.3).astype(np.int64)
        kind = rng.choice(len(CLASSES), size, p=_LINE_SHARES)
        item = lists[unit, kind, (lists.shape[2] * rng.random(size) ** 2).astype(np.int64)]
        executing = np.where((kind == 2) | (kind == 3), place_of_test[item], unit)
        quantity = rng.integers(1, 6, size) * np.where(rng.random(size) < 0.002, -1, 1)
        columns = {
            "收费日期": pa.array((_OCTOBER + rng.integers(0, 31, size)).astype("datetime64[D]")),
            "病案号": texts["case"].take(pa.array(rng.integers(0, CASES, size))),
            "项目编码": texts["item"].take(pa.array(item)),
            "数量": pa.array(quantity.astype(np.float64)),
            "金额": _yuan(quantity * price[item]),
            "开单科室": texts["unit"].take(pa.array(unit)),
            "开单医生": texts["person"].take(pa.array(unit * 10 + rng.integers(0, 4, size))),
            "执行科室": texts["unit"].take(pa.array(executing)),
            "执行人": texts["person"].take(pa.array(executing * 10 + rng.integers(0, 10, size))),
        }
        table = pa.table(columns)
        writer = writer or pq.ParquetWriter(path, table.schema)
        writer.write_table(table)
    writer.close()
    return path


def _yuan(fen: Ints) -> pa.Array:
    halves = np.stack([fen, fen >> 63], axis=1).astype("<i8")
    buffers = [None, pa.py_buffer(halves.tobytes())]
    return pa.Array.from_buffers(pa.decimal128(18, 2), len(fen), buffers)


def write_tables(folder: Path) -> None:
    """Items, units, shares, staff and attendance as a workspace holds them, in CSV."""
    tables, month = folder / "tables", folder / "inputs"
    for place in (tables, month):
        place.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(7)
    kind = _class_of_item()
    goods = kind < 2
    points = np.where(goods, 0, rng.integers(1, 3_000, ITEMS) / 10)
    items = {
        "版本": "2026",
        "项目编码": [f"{i:09d}" for i in range(ITEMS)],
        "项目名称": [f"项目{i}" for i in range(ITEMS)],
        "类别": np.array(CLASSES)[kind],
        "点数": points,
        "开单系数": np.where(kind >= 4, 0.2, 0),
        "赋分理由": "",
    }
    _csv(tables / "items.csv", items)
    units = [f"U{i:03d}" for i in range(UNITS)]
    _csv(tables / "departments.csv", {"科室编码": units, "类型": "外科", "科室名称": units})
    shares = {"科室编码": "*", "项目类别": ["*"], "医生": 0.5, "医技": 0.1, "护理": 0.4}
    _csv(tables / "role_shares.csv", shares)
    people = np.arange(STAFF)
    series = np.array(["医生"] * 4 + ["护理"] * 5 + ["医技"])
    staff = [f"{100_000 + i}" for i in people]
    table = {"工号": staff, "科室编码": np.array(units)[people // 10], "系列": series[people % 10]}
    _csv(tables / "staff.csv", table)
    _csv(month / "attendance.csv", {"工号": staff, "应出勤天数": 22, "实际出勤天数": 21})
    _csv(month / "quality.csv", {"科室编码": units, "质量得分": 95})


def _csv(path: Path, columns: dict[str, Any]) -> None:
    pd.DataFrame(columns).to_csv(path, index=False, encoding="utf-8")


def month_of(folder: Path, lines: Path) -> Inputs:
    """The month's inputs: the tables of ``folder`` and the lines of a file, read when summed."""
    target = folder / "inputs" / "charges.parquet"
    target.unlink(missing_ok=True)
    target.hardlink_to(lines)
    return read_inputs(folder / "tables", folder / "inputs", "2026-10")


def month_plan(personal: str = "none") -> Plan:
    """A plan for three series; ``personal = "keep"`` keeps the points of persons as well."""
    shares = {"doctor": 0.6, "nurse": 0.3, "technician": 0.1}
    series = {
        name: {"basis": "points", "value": "budget", "pool": 30e6 * share}
        for name, share in shares.items()
    }
    head = {"name": "large", "title": "基准", "effective_from": dt.date(2026, 1, 1)}
    points = {
        "attribution": "split", "order_series": "doctor", "unknown": "withhold",
        "personal": personal,
    }  # fmt: skip
    quality = {"kind": "multiply", "deduction": "withhold", "missing": "refuse"}
    staff = {
        "coefficients": ["post", "title"], "combine": "product", "attendance": "ratio",
        "missing_attendance": "refuse",
    }  # fmt: skip
    return check_plan(
        {
            "plan": head,
            "points": points,
            "pool": {"source": "plan", "floor": "zero"},
            "series": series,
            "department_amounts": {"*": shares},
            "drg": {"kind": "none"},
            "single_items": {"funding": "within"},
            "quality": quality,
            "staff": staff,
        }
    )
