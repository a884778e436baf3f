"""Writing settled cases: Parquet partitioned as the input was, or one file by its suffix."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa

from drg_engine.errors import Fault, InputError
from drg_engine.settle_output import shown_cases
from drg_engine.writers import TableWriter, open_writer

__all__ = ["CaseWriter", "check_out", "open_case_writer"]

CASES = "cases"


class CaseWriter(Protocol):
    """Takes settled cases (settle_output.case_table) in their order."""

    def write(self, table: pa.Table, place: Path) -> None:
        """Append cases of the input file whose results go to ``place``."""


def check_out(out: Path, *, overwrite: bool) -> None:
    """Raise InputError where the results would go over others that nobody said may go."""
    held = out / CASES
    if out.suffix or overwrite or not held.exists():
        return
    mend = "换一个文件夹，或加 --overwrite"
    raise InputError("不能写结果", [Fault(str(held), "已有结算结果", mend=mend)])


@contextmanager
def open_case_writer(out: Path) -> Iterator[CaseWriter]:
    """A writer for ``out``: a folder gets ``cases/`` with Parquet, a file is one by its suffix.

    The results stand under their name only when all are written; then they take the place of
    earlier ones.
    """
    if out.suffix:
        with open_writer(out, bom=True) as writer:
            yield _OneFile(writer, out)
        return
    target = out / CASES
    aside = out / f".{CASES}.{os.getpid()}.part"
    with _told(out):
        aside.mkdir(parents=True)
    partitions = _Partitions(aside)
    try:
        yield partitions
        partitions.close()
        with _told(out):
            if target.exists():
                shutil.rmtree(target)
            aside.replace(target)
    finally:
        partitions.close()
        shutil.rmtree(aside, ignore_errors=True)


class _OneFile:
    def __init__(self, writer: TableWriter, path: Path) -> None:
        self._writer = writer
        self._is_parquet = path.suffix.lower() == ".parquet"

    def write(self, table: pa.Table, place: Path) -> None:
        self._writer.write(table if self._is_parquet else shown_cases(table))


class _Partitions:
    """One Parquet file for each input file, at the same place; one is open at a time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._writer: Any = None
        self._place: Path | None = None

    def write(self, table: pa.Table, place: Path) -> None:
        import pyarrow.parquet as pq

        with _told(self._folder):
            if place != self._place:
                self.close()
                path = self._folder / place.with_suffix(".parquet")
                path.parent.mkdir(parents=True, exist_ok=True)
                text = [field.name for field in table.schema if pa.types.is_dictionary(field.type)]
                self._writer = pq.ParquetWriter(path, table.schema, use_dictionary=text)
                self._place = place
            self._writer.write_table(table)

    def close(self) -> None:
        """End the file that is open."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """Tell in words where the system does not let files be written."""
    try:
        yield
    except OSError as error:
        mend = "检查文件夹是否存在、可写，磁盘是否已满"
        fault = Fault(path.name, "系统不让写", found=error.strerror, mend=mend)
        raise InputError(f"写不进 {path}", [fault]) from error
