"""A small sound case table, and files made of it to be spoilt."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq

HEAD = "病案号,性别,年龄,日龄,主要诊断编码,备注"
GOOD = "1,1,30,,K80.100,甲"


def workbook(path: Path, *rows: list[Any]) -> Path:
    book = openpyxl.Workbook()
    for row in rows:
        book.worksheets[0].append(row)
    book.save(path)
    return path


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def good_parquet(path: Path) -> Path:
    cells = [[cell] * 500 for cell in GOOD.split(",")]
    cells[0] = [str(i) for i in range(500)]
    pq.write_table(pa.table(cells, names=HEAD.split(",")), path)
    return path
