"""Everything that people receive of a month, for the demonstration hospital of 60 departments."""

from __future__ import annotations

import re
import time
import zipfile
from pathlib import Path
from typing import Any

from drg_engine.demo import write_demo_hospital
from drg_engine.pay_command import write_pay

PERIOD = "2026-10"
SECONDS = 60.0


def words_of(path: Path) -> set[str]:
    """Every word in a workbook's texts: no addresses of cells, no amounts that look like an id."""
    with zipfile.ZipFile(path) as archive:
        text = "\n".join(archive.read(n).decode(errors="replace") for n in archive.namelist())
    return set(re.findall(r"[\w.]+", re.sub(r"<v>[^<]*</v>|<[^>]*>", " ", text)))


def test_all_workbooks_of_the_month(tmp_path: Path, show: Any) -> None:
    folder = tmp_path / "医院"
    write_demo_hospital(folder, seed=20261001, period=PERIOD)
    started = time.perf_counter()
    written = write_pay(folder, PERIOD, tmp_path / "out")
    took = time.perf_counter() - started
    books = [path for path in written.files if path.suffix == ".xlsx"]
    people = len(written.pay.allocation.person_pay)
    show(
        f"一个月发放的全部文件：{len(books)} 个工作簿，{people:,} 人的工资条和工资单（含算这个月）",
        f"{SECONDS:.0f} s 以内",
        f"{took:.1f} s",
    )
    assert len(books) == 62
    assert took < SECONDS
    _separate(written.files, written.pay.inputs, written.pay.month.cases.case_id.to_pylist())


def _separate(files: tuple[Path, ...], inputs: Any, cases: list[str]) -> None:
    """A department's file holds no other department's and no other person's identifier."""
    staff, departments = inputs.staff, inputs.departments
    by_code = {path.name.split("-")[1]: path for path in files if path.parent.name == "科室"}
    assert set(by_code) == set(departments["department"])
    for code, name in zip(departments["department"], departments["department_name"], strict=True):
        others = staff[staff["department"] != code]
        foreign = {
            *others["staff_id"], *others["name"], *cases,
            *departments.loc[departments["department"] != code, "department"],
            *(n for n in departments["department_name"] if n != name),
        }  # fmt: skip
        found = words_of(by_code[code])
        assert found.isdisjoint(foreign), sorted(found & foreign)[:5]
        assert set(staff.loc[staff["department"] == code, "staff_id"]) <= found
