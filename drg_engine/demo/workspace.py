"""Writing the demonstration hospital as the inputs of a workspace."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from drg_engine.demo.charges import charge_table, decimal_yuan
from drg_engine.demo.facts import read_facts
from drg_engine.demo.items import Catalogue, make_catalogue
from drg_engine.demo.month import Month, make_month
from drg_engine.demo.profile import Profile, Stream, load_profile, stream, truncated_normal
from drg_engine.demo.staff import SERIES, Staff, attendance, make_staff, single_items
from drg_engine.files import written_aside

__all__ = ["write_demo_hospital"]

_BOM = b"\xef\xbb\xbf"
_SEX = ("", "男", "女")


def write_demo_hospital(
    folder: Path, *, seed: int = 20261001, period: str = "2026-10", scale: float = 1.0
) -> None:
    """Write the inputs of an invented hospital's month into ``folder``.

    period: ``YYYY-MM``.  scale: share of the cases and charge lines (1.0 is about 5,000 discharges
    and 600,000 lines); tables, staff and costs are whole at any scale.  The same arguments give the
    same bytes.
    """
    profile = load_profile()
    facts = read_facts(profile.settings["hospital"]["scheme"])
    catalogue = make_catalogue(stream(seed, "items"), profile)
    staff = make_staff(stream(seed, "staff"), profile)
    month = make_month(seed, period, scale, profile, facts, catalogue)
    case_ids = [f"00{period[2:4]}{period[5:7]}{i + 1:05d}" for i in range(month.n)]
    inputs = folder / "inputs" / period
    lines = charge_table(
        stream(seed, "charges"), profile, catalogue, month, staff, case_ids, period, scale
    )
    _write(inputs / "charges.csv", lines)
    _write(inputs / "cases.csv", _case_table(profile, month, staff, case_ids))
    _write_frame(inputs / "attendance.csv", attendance(stream(seed, "attendance"), profile, staff))
    _write_frame(inputs / "costs.csv", _costs(stream(seed, "costs"), profile))
    _write_frame(inputs / "quality.csv", _quality(stream(seed, "quality"), profile))
    singles = single_items(stream(seed, "singles"), profile, staff)
    _write_frame(inputs / "single_items.csv", singles)
    _write_tables(folder / "tables", profile, catalogue, staff, period)
    _write_text(folder / "hospital.toml", _hospital_text(profile.settings["hospital"], seed))
    _write_text(folder / "说明.txt", _note(seed, period))
    plan = _demo_plan()
    if plan is not None:
        name = profile.settings["hospital"]["plan"]
        _write_text(folder / name, plan.read_text(encoding="utf-8"))


def _demo_plan() -> Path | None:
    """The plan that ships with the allocation package, found without importing it."""
    found = importlib.util.find_spec("performance")
    for place in (found.submodule_search_locations or ()) if found else ():
        path = Path(place) / "plans" / "demo_plan.toml"
        if path.is_file():
            return path
    return None


def _case_table(profile: Profile, month: Month, staff: Staff, case_ids: list[str]) -> pa.Table:
    """The discharged cases under Chinese headings, planted faults included."""
    people, stays, coding = month.people, month.stays, month.coding
    wards = profile.wards["code"].to_numpy()[people.department]
    first = staff.start[people.department, SERIES.index("doctor")]
    doctor = staff.table["工号"].to_numpy()[first + stays.doctor]
    age, days, los = people.age.copy(), people.age_days.copy(), stays.los.copy()
    days[month.rejected.newborn_without_days] = -1
    age[month.rejected.impossible_age] = 999
    los[month.rejected.negative_stay] = -3
    columns: dict[str, Any] = {
        "病案号": case_ids,
        "人员编号": [f"演示****{place + 1:06d}" for place in month.person],
        "性别": np.array(_SEX, dtype=object)[people.sex],
        "年龄": age,
        "日龄": _blank(days),
        "出生体重": _blank(people.birth_weight),
        "住院天数": los,
        "离院方式": stays.mode,
        "主要诊断编码": coding.principal,
    }
    for place in range(coding.others.shape[1]):
        columns[f"其他诊断编码{place + 1}"] = coding.others[:, place]
    for place in range(coding.procedures.shape[1]):
        name = "主要手术编码" if place == 0 else f"其他手术编码{place}"
        columns[name] = coding.procedures[:, place]
    columns |= {
        "入院日期": _dates(month.discharge - stays.los),
        "出院日期": _dates(month.discharge),
        "出院科室": wards,
        "主治医生": doctor,
        "险种": month.insurance,
        "总费用": decimal_yuan(month.charges),
    }
    titles = ("药品费", "耗材费", "检查化验费", "医疗服务费", "其他费")
    for title, fen in zip(titles, month.fees.values(), strict=True):
        columns[title] = decimal_yuan(fen)
    columns["成本"] = decimal_yuan(month.cost)
    table = pa.table({name: pa.array(values) for name, values in columns.items()})
    order = np.concatenate([np.arange(month.n), month.rejected.duplicated])
    return table.take(pa.array(order[np.argsort(month.discharge[order], kind="stable")]))


def _blank(numbers: npt.NDArray[np.int64]) -> pa.Array:
    return pa.array(numbers, mask=numbers < 0)


def _dates(days: npt.NDArray[np.int64]) -> pa.Array:
    return pa.array(days.astype("datetime64[D]"))


def _costs(rng: Stream, profile: Profile) -> pd.DataFrame:
    """Cost of each department by subject, in whole yuan."""
    settings = profile.settings["costs"]
    departments = profile.departments
    heads = departments[["doctors", "nurses", "technicians", "others"]].sum(axis=1).to_numpy(float)
    sizes = {
        "per_person": heads,
        "per_bed": departments["beds"].to_numpy(float),
        "per_department": np.ones(len(departments)),
    }
    parts = []
    for group, size in sizes.items():
        for subject, (low, high) in settings[group].items():
            yuan = np.round(size * rng.uniform(low, high, len(size))).astype(np.int64)
            parts.append(
                pd.DataFrame({"科室编码": departments["code"], "成本项目": subject, "金额": yuan})
            )
    frame = pd.concat(parts, ignore_index=True)
    frame = frame[frame["金额"] > 0]
    return frame.sort_values(["科室编码", "成本项目"], kind="stable", ignore_index=True)


def _quality(rng: Stream, profile: Profile) -> pd.DataFrame:
    settings = profile.settings["quality"]
    n = len(profile.departments)
    bounds = [np.full(n, float(settings[name])) for name in ("mean", "sd", "low", "high")]
    score = np.round(truncated_normal(rng, *bounds), 1)
    return pd.DataFrame({"科室编码": profile.departments["code"], "质量得分": score})


def _write_tables(
    folder: Path, profile: Profile, catalogue: Catalogue, staff: Staff, period: str
) -> None:
    """The tables that outlast the month: items, departments, role shares, staff."""
    items = catalogue.table
    columns: dict[str, Any] = {
        "版本": period[:4],
        "项目编码": items["code"],
        "项目名称": items["name"],
        "单位": items["unit"],
        "类别": items["class"],
        "点数": items["points"],
        "开单系数": items["order_coefficient"],
        "执行系数": 1,
        "医生点数": "",
        "医技点数": "",
        "护理点数": "",
        "赋分理由": items["reason"],
        "生效日期": f"{period[:4]}-01-01",
        "失效日期": "",
    }
    frame = pd.DataFrame(columns)
    table = pa.Table.from_pandas(frame, preserve_index=False)
    _write(folder / "items.csv", table.append_column("单价", decimal_yuan(catalogue.price)))
    names = {"code": "科室编码", "name": "科室名称", "kind": "类型"}
    names |= {"coefficient": "科室系数", "beds": "编制床位"}
    _write_frame(folder / "departments.csv", profile.departments[list(names)].rename(columns=names))
    names = {"department": "科室编码", "class": "项目类别"}
    names |= {"doctor": "医生", "technician": "医技", "nurse": "护理"}
    _write_frame(folder / "role_shares.csv", profile.role_shares.rename(columns=names))
    _write_frame(folder / "staff.csv", staff.table)


def _write_frame(path: Path, frame: pd.DataFrame) -> None:
    _write(path, pa.Table.from_pandas(frame, preserve_index=False))


def _write(path: Path, table: pa.Table) -> None:
    """Write a table for people: UTF-8 with BOM, no quotes (no cell needs any), blanks for nulls."""
    columns = [pc.fill_null(pc.cast(column, pa.string()), "") for column in table.columns]
    plain = pa.table(columns, names=table.column_names)
    options = csv.WriteOptions(include_header=False, quoting_style="none")
    with written_aside(path) as aside, aside.open("wb") as out:
        out.write(_BOM + ",".join(table.column_names).encode() + b"\n")
        csv.write_csv(plain, out, options)


def _write_text(path: Path, text: str) -> None:
    with written_aside(path) as aside:
        aside.write_bytes(text.encode())


def _hospital_text(settings: dict[str, Any], seed: int) -> str:
    return f"""# 示范医院：全部数据由种子 {seed} 生成，与真实的医院和个人无关。见“说明.txt”。

[hospital]
name = "{settings["name"]}"
level = {settings["level"]}
beds = {settings["beds"]}

[run]
scheme = "{settings["scheme"]}"
policy = "{settings["policy"]}"
plan = "{settings["plan"]}"
"""


def _note(seed: int, period: str) -> str:
    return f"""示范医院的数据是编造的

本文件夹由 drg-engine 用种子 {seed} 生成（期间 {period}），用来演示和试用。
同一种子、期间和规模，每次生成的文件逐字节相同。

编造的：医院、科室的规模、病人（人员编号带“演示****”）、员工（姓名都是“演示医生001”之类）、
收费项目的名称与价格、费用、成本、考勤、质量得分、奖惩。与任何真实的单位和个人无关。

不是编造的：诊断与手术编码、病组、权重和费率，取自所选分组方案的公开表格。

怎样生成：先按科室定病种，再取能入该病组的主要诊断和手术，按年龄加上合并症；
费用围绕“权重 × 每权重费用”对数正态波动，各科室、各医生系统性地略高或略低。
收费明细的金额是数量 × 单价，一个病例的明细之和等于它的总费用。
住院明细的收费日期为结算日（出院日）。
人为安排了少量差错：编码错误、性别矛盾、漏填、病案号重复、住院天数为负、新生儿缺日龄、
未知的项目、科室和人员、上月日期的明细、退费。它们应当出现在拒收和异常清单里。
"""
