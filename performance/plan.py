"""An allocation plan: one TOML file, checked whole, every fault told at once."""

from __future__ import annotations

import copy
import datetime as dt
import hashlib
import json
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import pandas as pd
from pydantic import ValidationError

from drg_engine.errors import Fault, PlanError
from drg_engine.toml_faults import toml_fault
from performance.formula_parse import parse_formula
from performance.formula_tree import Field, Node, nodes_of
from performance.plan_check import cross_faults
from performance.plan_describe import described_keys, validation_fault
from performance.plan_keys import fen
from performance.plan_model import PlanModel, SeriesModel
from performance.plan_model_drg import DrgKind
from performance.table_list import KINDS

__all__ = ["Plan", "check_plan", "describe_plan", "list_plans", "load_plan", "parse_plan"]

_MOST_BYTES = 1_000_000


@dataclass(frozen=True)
class Plan:
    """A checked plan.  ``hash`` is the SHA-256 of its content, whatever its comments and order."""

    model: PlanModel
    hash: str
    file: str

    @property
    def name(self) -> str:
        """The plan's short name."""
        return self.model.plan.name

    @property
    def series(self) -> tuple[str, ...]:
        """The series of the plan in the order of the file."""
        return tuple(self.model.series)

    def series_model(self, name: str) -> SeriesModel:
        """The section of one series of :attr:`series`."""
        return {str(key): model for key, model in self.model.series.items()}[name]

    def drg_kind(self, kind: str) -> DrgKind | None:
        """The DRG share of a kind of department; None where the plan names none."""
        return self.model.drg.shares.get(kind, self.model.drg.shares.get("*"))

    def amount_shares(self, kind: str) -> dict[str, float] | None:
        """How amounts of a whole department are split over the series; None if unnamed."""
        table = self.model.department_amounts
        found = table.get(kind, table.get("*"))
        return None if found is None else {str(name): share for name, share in found.items()}

    def approved_fen(self, pools: dict[str, int]) -> int:
        """The approved total in fen: as stated, else the sum of the pools."""
        stated = self.model.pool.approved_total
        return sum(pools.values()) if stated is None else fen(stated)

    def formula(self, text: str, scope: str) -> tuple[Node, str]:
        """The tree of one of the plan's formulas, and its text for telling faults."""
        return parse_formula(text, scope), text

    def formula_fields(self, text: str, scope: str) -> set[str]:
        """Ids of the fields that a formula names."""
        tree, _ = self.formula(text, scope)
        return {node.name for node in nodes_of(tree) if isinstance(node, Field)}

    def formulas(self) -> list[tuple[str, str, str]]:
        """Every formula of the plan: key, scope and text."""
        found = [
            (f"series.{name}.formula", "department", series.formula)
            for name, series in self.model.series.items()
            if series.formula is not None
        ]
        if self.model.quality.formula is not None:
            found.append(("quality.formula", "quality", self.model.quality.formula))
        found += [
            (f"staff.sub_pools[{i}].formula", "staff", pool.formula)
            for i, pool in enumerate(self.model.staff.sub_pools)
            if pool.formula is not None
        ]
        return found

    def kinds(self, names: list[str]) -> set[str]:
        """Canonical kinds of department (外科 is surgery)."""
        return {KINDS.get(name, name) for name in names}

    def prices(self, series: SeriesModel) -> dict[str, float]:
        """Fixed prices by department code or canonical kind."""
        return {KINDS.get(name, name): price for name, price in series.prices.items()}

    def holds_on(self, day: dt.date) -> bool:
        """Whether the plan is in force on a day: [effective_from, effective_to)."""
        head = self.model.plan
        return head.effective_from <= day and (head.effective_to is None or day < head.effective_to)


def load_plan(name_or_path: str | Path) -> Plan:
    """Read a plan file, or one of the example plans that come with the package by its name.

    Raises PlanError with every fault: file, key, what was found, what is expected, how to mend.
    """
    path = Path(name_or_path)
    if path.suffix != ".toml" and not path.exists():
        bundled = resources.files("performance") / "plans" / f"{name_or_path}.toml"
        if not bundled.is_file():
            mend = f"写文件名（.toml），或示例方案：{'、'.join(list_plans())}"
            fault = Fault(str(name_or_path), "没有这个方案", mend=mend)
            raise PlanError(f"没有名为 {name_or_path} 的分配方案", [fault])
        return parse_plan(bundled.read_bytes(), f"{name_or_path}.toml")
    try:
        return parse_plan(path.read_bytes(), path.name)
    except OSError as error:
        fault = Fault(path.name, "打不开文件", mend="请检查路径和权限")
        raise PlanError(f"读不到分配方案 {path.name}", [fault]) from error


def parse_plan(data: bytes, file: str = "plan.toml") -> Plan:
    """Check the bytes of a plan file (UTF-8 TOML).  Raises PlanError with every fault."""
    if len(data) > _MOST_BYTES:
        fault = Fault(file, "文件太大", found=f"{len(data):,} 字节", mend="这不像是分配方案")
        raise PlanError(f"{file} 不是分配方案", [fault])
    try:
        text = data.decode("utf-8-sig").replace("\r\n", "\n")
        raw = tomllib.loads(text)
    except UnicodeDecodeError as error:
        mend = "在编辑器里另存为 UTF-8"
        raise PlanError(f"{file} 不是 UTF-8 编码", [Fault(file, "编码不对", mend=mend)]) from error
    except (ValueError, RecursionError) as error:
        raise PlanError(f"{file} 不是合法的 TOML", [toml_fault(file, error, text)]) from error
    return check_plan(raw, file)


def check_plan(raw: Mapping[str, Any], file: str = "plan.toml") -> Plan:
    """Check the keys of a plan, as its TOML file gives them.  Raises PlanError with every fault."""
    twice = list(_doubled_kinds(raw, file))
    try:
        model = PlanModel.model_validate(_canonical_kinds(copy.deepcopy(dict(raw))))
    except ValidationError as error:
        faults = [validation_fault(file, dict(item)) for item in error.errors(include_url=False)]
        faults = [*twice, *faults]
        raise PlanError(f"分配方案 {file} 有 {len(faults)} 处错误", faults) from error
    faults = [*twice, *cross_faults(model, file)]
    if faults:
        raise PlanError(f"分配方案 {file} 有 {len(faults)} 处错误", faults)
    return Plan(model, _content_hash(model), file)


def _canonical_kinds(raw: dict[str, Any]) -> dict[str, Any]:
    """Chinese kinds of department (外科) under their canonical names."""
    for _, table in _kind_tables(raw):
        for name in [name for name in table if name in KINDS]:
            table.setdefault(KINDS[name], table.pop(name))
    return raw


def _kind_tables(raw: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Tables whose keys are kinds of department, and their own keys."""
    drg = _section(raw, "drg")
    for key, table in (
        ("department_amounts", raw.get("department_amounts")),
        ("drg.shares", drg.get("shares")),
        ("drg.cmi_target", drg.get("cmi_target")),
    ):
        if isinstance(table, dict):
            yield key, table


def _doubled_kinds(raw: Mapping[str, Any], file: str) -> Iterator[Fault]:
    """A kind of department under its Chinese name and its own: nobody knows which counts."""
    tables = list(_kind_tables(raw))
    for name, series in _section(raw, "series").items():
        prices = _section(series, "prices") if isinstance(series, dict) else {}
        tables.append((f"series.{name}.prices", prices))
    for key, table in tables:
        for kind in [kind for kind in table if kind in KINDS and KINDS[kind] in table]:
            mend = f"{kind}就是 {KINDS[kind]}，只留一个"
            yield Fault(file, "同一科室类型写了两次", column=f"{key}.{kind}", mend=mend)


def _section(raw: Mapping[str, Any], name: str) -> dict[str, Any]:
    found = raw.get(name)
    return found if isinstance(found, dict) else {}


def _content_hash(model: PlanModel) -> str:
    content = json.dumps(model.model_dump(mode="json"), sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(content.encode()).hexdigest()


def describe_plan() -> pd.DataFrame:
    """Every key a plan may hold.

    Returns columns key, description, unit, range, default, source (text, Chinese).
    """
    return described_keys()


def list_plans() -> list[str]:
    """Names of the example plans that come with the package, sorted."""
    folder = resources.files("performance") / "plans"
    return sorted(
        p.name.removesuffix(".toml") for p in folder.iterdir() if p.name.endswith(".toml")
    )
