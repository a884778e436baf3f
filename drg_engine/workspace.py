"""A workspace: a hospital's folder with its settings, tables, monthly inputs and outputs.

hospital.toml                 name, level, scheme, policy, plan
plan.toml                     the allocation plan
tables/                       items, departments, role shares, staff
inputs/2026-10/               cases, charges, attendance, costs, quality, single items, adjustments
inputs/2026-10/second/        second allocations handed back, a file a department (pay_second.py)
runs/2026-10/                 every run's files, written once (drg_engine/run_folders.py)
out/2026-10/                  the current run's files
ledger.sqlite                 the ledger of months (drg_engine/ledger.py)
"""

from __future__ import annotations

import csv
import re
import tomllib
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from drg_engine.errors import Fault, WorkspaceError
from drg_engine.files import written_aside
from drg_engine.toml_faults import read_toml

__all__ = ["Workspace", "init_workspace", "open_workspace"]

_SETTINGS = "hospital.toml"
_PERIOD = re.compile(r"\d{4}-(0[1-9]|1[0-2])")
_SUFFIXES = (".csv", ".xlsx", ".parquet")
_BOM = "\ufeff"


class _Hospital(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(min_length=1, description="医院名称")]
    level: Annotated[
        int, Field(ge=0, le=3, description="医院级别：3 三级，2 二级，1 一级，0 未定级")
    ]
    beds: Annotated[int | None, Field(default=None, ge=1, description="编制床位")] = None


class _Run(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    scheme: Annotated[str, Field(description="分组方案名，或方案文件夹")]
    policy: Annotated[
        str, Field(description="支付政策名、政策文件或其文件夹；几份用逗号隔开，按日期选用")
    ]
    plan: Annotated[str | None, Field(default=None, description="分配方案文件；不写则不做分配")] = (
        None
    )
    clinical_codes: Annotated[bool, Field(default=False, description="病例编码为临床版")] = False


class _LedgerSettings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    url: Annotated[
        str | None,
        Field(default=None, description="账本的数据库地址；不写则用本文件夹的 ledger.sqlite"),
    ] = None
    owner: Annotated[
        str | None, Field(default=None, description="账本属于谁；不写则为医院名称")
    ] = None
    separate_duties: Annotated[bool, Field(default=False, description="核对与批准须由不同的人")] = (
        False
    )


class _Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    hospital: _Hospital
    run: _Run
    ledger: _LedgerSettings = _LedgerSettings()


@dataclass(frozen=True, slots=True)
class Workspace:
    """An opened workspace."""

    folder: Path
    hospital: _Hospital
    run: _Run
    ledger: _LedgerSettings

    @property
    def tables(self) -> Path:
        """Folder of the standing tables."""
        return self.folder / "tables"

    def inputs(self, period: str) -> Path:
        """Folder of a month's inputs.  Raises WorkspaceError where it is not there."""
        if _PERIOD.fullmatch(period) is None:
            raise WorkspaceError(f"月份应写作 2026-10，读到“{period}”")
        folder = self.folder / "inputs" / period
        if not folder.is_dir():
            root = self.folder / "inputs"
            months = sorted(p.name for p in root.iterdir() if p.is_dir()) if root.is_dir() else []
            there = "、".join(months) or "没有任何月份"
            mend = f"建立 inputs/{period} 并放入 cases.csv 等文件"
            raise WorkspaceError(
                f"没有 {period} 的输入", [Fault(f"inputs/{period}", f"现有：{there}", mend=mend)]
            )
        return folder

    def cases_file(self, period: str) -> Path:
        """The month's case file.  Raises WorkspaceError where there is none, or more than one."""
        folder = self.inputs(period)
        found = [folder / f"cases{suffix}" for suffix in _SUFFIXES]
        found = [path for path in found if path.is_file()]
        if len(found) == 1:
            return found[0]
        message = "同时有几个病例文件" if found else "没有病例文件"
        mend = "只留一个" if found else "放入 cases.csv、cases.xlsx 或 cases.parquet"
        names = "、".join(path.name for path in found) or None
        raise WorkspaceError(
            f"{period} 的病例文件有误", [Fault(f"inputs/{period}", message, found=names, mend=mend)]
        )

    def named_or_file(self, name: str) -> str:
        """A path inside the workspace where there is such a file or folder, else the name."""
        place = self.folder / name
        return str(place) if place.exists() else name

    def department_names(self) -> dict[str, str]:
        """Departments' names by code; none where there is no such table."""
        return _names(self.tables / "departments.csv", "科室编码", "科室名称")

    def staff_names(self) -> dict[str, str]:
        """Names by staff id; none where there is no such table."""
        return _names(self.tables / "staff.csv", "工号", "姓名")


def _names(path: Path, code: str, name: str) -> dict[str, str]:
    if not path.is_file():
        return {}
    with path.open(encoding="utf-8-sig", newline="") as stream:
        rows = list(csv.DictReader(stream))
    return {row[code]: row[name] for row in rows if row.get(code) and row.get(name)}


def open_workspace(folder: Path) -> Workspace:
    """Open a workspace.  Raises WorkspaceError with every fault of its settings."""
    path = folder / _SETTINGS
    if not path.is_file():
        mend = f"先建立：drg-engine init {folder}"
        raise WorkspaceError(f"{folder} 不是工作区", [Fault(_SETTINGS, "没有这个文件", mend=mend)])
    data = read_toml(path, WorkspaceError, f"{_SETTINGS} 读不出来")
    try:
        settings = _Settings.model_validate(data)
    except ValidationError as error:
        raise WorkspaceError(
            f"{_SETTINGS} 有误", [_settings_fault(one) for one in error.errors()]
        ) from error
    return Workspace(folder, settings.hospital, settings.run, settings.ledger)


def _settings_fault(error: Any) -> Fault:
    key = ".".join(str(part) for part in error["loc"])
    words = {
        "missing": "缺少这一项",
        "extra_forbidden": "没有这一项",
        "string_type": "应为文字，加引号",
        "int_type": "应为整数",
        "int_parsing": "应为整数",
        "bool_type": "应为 true 或 false",
        "bool_parsing": "应为 true 或 false",
    }
    message = words.get(error["type"], "取值不对")
    told = error["type"] != "missing" and key != "ledger.url"  # an address may hold a password
    found = str(error["input"])[:60] if told else None
    return Fault(_SETTINGS, message, column=key, found=found, mend=_meaning(key))


def _meaning(key: str) -> str | None:
    """What a setting means, in its own description."""
    section, _, name = key.partition(".")
    models: dict[str, type[BaseModel]] = {
        "hospital": _Hospital,
        "run": _Run,
        "ledger": _LedgerSettings,
    }
    known = models[section].model_fields if section in models else {}
    if name in known:
        return known[name].description
    listed = "、".join(known) if known else "[hospital]、[run]、[ledger]"
    return f"可用：{listed}"


def init_workspace(folder: Path) -> list[Path]:
    """Make an empty workspace: settings, an example plan, and each table's heading.

    Returns the files made.  Raises WorkspaceError where the folder holds something already.
    """
    refuse_used(folder)
    template = resources.files("drg_engine") / "data"
    made: list[Path] = []
    for name in (_SETTINGS,):
        made.append(_write(folder / name, (template / name).read_text(encoding="utf-8")))
    plan = resources.files("performance") / "plans" / "demo_plan.toml"
    made.append(_write(folder / "plan.toml", plan.read_text(encoding="utf-8")))
    listed = tomllib.loads((template / "workspace_tables.toml").read_text(encoding="utf-8"))
    for name, headings in listed.items():
        path = folder / f"{name}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", encoding="utf-8", newline="") as stream:
            stream.write(_BOM)
            csv.writer(stream, lineterminator="\r\n").writerow(headings)
        made.append(path)
    return made


def refuse_used(folder: Path) -> None:
    """Raise WorkspaceError unless the folder is new or empty."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        mend = "换一个文件夹名"
        raise WorkspaceError(
            f"{folder} 里已有内容", [Fault(folder.name, "只能建在新的或空的文件夹", mend=mend)]
        )


def _write(path: Path, text: str) -> Path:
    with written_aside(path) as aside:
        aside.write_text(text, encoding="utf-8")
    return path
