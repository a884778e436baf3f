"""The demonstration hospital: same bytes for a seed, sums that close, and a month to believe in."""

from __future__ import annotations

import hashlib
import tomllib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from drg_engine import group, load_scheme, read_cases
from drg_engine.demo import write_demo_hospital
from drg_engine.demo.profile import load_profile

PERIOD = "2026-10"
FEES = {
    "药品费": {"药品"},
    "耗材费": {"卫生材料"},
    "检查化验费": {"检查", "化验"},
    "医疗服务费": {"手术", "麻醉", "护理", "床位", "诊查", "治疗"},
    "其他费": {"其他"},
}
FILES = {
    "hospital.toml",
    "plan.toml",
    "说明.txt",
    "tables/items.csv",
    "tables/departments.csv",
    "tables/role_shares.csv",
    "tables/staff.csv",
    "inputs/2026-10/cases.csv",
    "inputs/2026-10/charges.csv",
    "inputs/2026-10/attendance.csv",
    "inputs/2026-10/costs.csv",
    "inputs/2026-10/quality.csv",
    "inputs/2026-10/single_items.csv",
}


@dataclass(frozen=True)
class Hospital:
    folder: Path
    cases: pd.DataFrame
    lines: pd.DataFrame
    items: pd.DataFrame
    departments: pd.DataFrame
    staff: pd.DataFrame

    @property
    def once(self) -> pd.DataFrame:
        """Each case once: the planted duplicates left out."""
        return self.cases.drop_duplicates("病案号")


def _table(path: Path) -> pd.DataFrame:
    return pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig")


def _fen(texts: pd.Series) -> pd.Series:
    return (texts.astype(float) * 100).round().astype("int64")


@pytest.fixture(scope="module")
def hospital(tmp_path_factory: pytest.TempPathFactory) -> Hospital:
    folder = tmp_path_factory.mktemp("demo")
    write_demo_hospital(folder)
    inputs, tables = folder / "inputs" / PERIOD, folder / "tables"
    return Hospital(
        folder=folder,
        cases=_table(inputs / "cases.csv"),
        lines=_table(inputs / "charges.csv"),
        items=_table(tables / "items.csv"),
        departments=_table(tables / "departments.csv"),
        staff=_table(tables / "staff.csv"),
    )


def _hashes(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_same_seed_same_bytes_other_seed_others(tmp_path: Path) -> None:
    for name, seed in (("one", 7), ("two", 7), ("three", 8)):
        write_demo_hospital(tmp_path / name, seed=seed, scale=0.02)
    one, two, three = (_hashes(tmp_path / name) for name in ("one", "two", "three"))
    assert set(one) == FILES
    assert one == two
    assert one["inputs/2026-10/cases.csv"] != three["inputs/2026-10/cases.csv"]
    assert one["inputs/2026-10/charges.csv"] != three["inputs/2026-10/charges.csv"]


@pytest.mark.parametrize(("period", "scale"), [("2027-02", 0.01), ("2026-12", 0.001)])
def test_other_months_and_sizes(tmp_path: Path, period: str, scale: float) -> None:
    write_demo_hospital(tmp_path, period=period, scale=scale)
    cases = _table(tmp_path / "inputs" / period / "cases.csv").drop_duplicates("病案号")
    assert len(cases) == round(5000 * scale)
    assert cases["出院日期"].str.startswith(period).all()


def test_every_file_is_for_people(hospital: Hospital) -> None:
    for path in hospital.folder.rglob("*.csv"):
        head = path.read_bytes()[:4000]
        assert head.startswith(b"\xef\xbb\xbf"), path.name
        heading = head.decode("utf-8-sig", errors="ignore").splitlines()[0]
        assert not heading.isascii(), path.name
    settings = tomllib.loads((hospital.folder / "hospital.toml").read_text(encoding="utf-8"))
    assert settings["run"] == {
        "scheme": "harbin_2024",
        "policy": "harbin_2024",
        "plan": "plan.toml",
    }
    assert settings["hospital"]["beds"] == 900


def test_no_cell_can_become_a_formula(hospital: Hospital) -> None:
    for frame in (hospital.cases, hospital.items, hospital.departments, hospital.staff):
        for name in frame.columns:
            distinct = pd.Series(frame[name].unique())
            assert not distinct.str.contains(r"^[=+@\t\r]|^-(?!\d+(?:\.\d+)?$)").any(), name
    for name in ("病案号", "项目编码", "开单科室", "开单医生", "执行科室", "执行人"):
        assert not pd.Series(hospital.lines[name].unique()).str.contains(r"^[=+\-@]").any(), name


def test_size_of_the_hospital(hospital: Hospital) -> None:
    assert len(hospital.once) == 5000
    assert hospital.once["出院科室"].nunique() == 35
    assert len(hospital.lines) == 600_000
    series = hospital.staff["系列"].value_counts()
    assert series.to_dict() == {"护理": 600, "医生": 250, "医技": 150, "行政": 150}
    assert hospital.departments["编制床位"].astype(int).sum() == 900
    assert 1400 <= len(hospital.items) <= 1700
    inside = hospital.lines["病案号"] != ""
    assert 90 <= inside.sum() / 5000 <= 110


def test_bed_days_fit_the_beds(hospital: Hospital) -> None:
    days = hospital.once["住院天数"].astype(int).clip(0, 31)
    by_ward = days.groupby(hospital.once["出院科室"]).sum()
    beds = hospital.departments.set_index("科室编码")["编制床位"].astype(int)
    assert 0.8 <= by_ward.sum() / (900 * 31) <= 1.0
    assert (by_ward / (beds[by_ward.index] * 31)).between(0.6, 1.2).all()


def test_ids_are_unique_but_for_the_planted_duplicates(hospital: Hospital) -> None:
    assert len(hospital.cases) - len(hospital.once) == 2
    assert hospital.cases["病案号"].str.fullmatch(r"00\d{9}").all()
    for frame, key in (
        (hospital.staff, "工号"),
        (hospital.items, "项目编码"),
        (hospital.departments, "科室编码"),
    ):
        assert frame[key].is_unique
    assert set(hospital.lines["病案号"]) - {""} == set(hospital.cases["病案号"])
    assert set(hospital.cases["主治医生"]) <= set(hospital.staff["工号"])
    assert set(hospital.cases["出院科室"]) <= set(hospital.departments["科室编码"])


def test_names_are_plainly_invented(hospital: Hospital) -> None:
    assert hospital.staff["姓名"].str.fullmatch(r"演示(医生|护士|医技|行政)\d{3}").all()
    assert hospital.staff["姓名"].is_unique
    assert hospital.cases["人员编号"].str.fullmatch(r"演示\*{4}\d{6}").all()
    person = hospital.once["人员编号"].value_counts()
    assert 50 <= (person > 1).sum() <= 200
    assert "编造" in (hospital.folder / "说明.txt").read_text(encoding="utf-8")


def test_fee_classes_and_lines_sum_to_the_charges(hospital: Hospital) -> None:
    cases = hospital.once.set_index("病案号")
    total = _fen(cases["总费用"])
    assert (sum(_fen(cases[name]) for name in FEES) == total).all()
    inside = hospital.lines[hospital.lines["病案号"] != ""]
    by_case = _fen(inside["金额"]).groupby(inside["病案号"]).sum()
    assert (by_case == total[by_case.index]).all()
    assert len(by_case) == len(total)
    classes = hospital.items.set_index("项目编码")["类别"]
    known = inside[inside["项目编码"].isin(classes.index)]
    whole = set(by_case.index) - set(inside.loc[~inside.index.isin(known.index), "病案号"])
    known = known[known["病案号"].isin(whole)]
    for name, members in FEES.items():
        mine = known[known["项目编码"].map(classes).isin(members)]
        fees = _fen(mine["金额"]).groupby(mine["病案号"]).sum()
        expected = _fen(cases.loc[sorted(whole), name])
        assert (fees.reindex(expected.index, fill_value=0) == expected).all(), name


def test_amounts_are_quantity_times_price(hospital: Hospital) -> None:
    price = _fen(hospital.items.set_index("项目编码")["单价"])
    known = hospital.lines[hospital.lines["项目编码"].isin(price.index)]
    expected = known["项目编码"].map(price) * known["数量"].astype("int64")
    assert (expected == _fen(known["金额"])).all()


def test_only_work_carries_points(hospital: Hospital) -> None:
    points = hospital.items["点数"].astype(float)
    idle = hospital.items["类别"].isin(["药品", "卫生材料", "其他"])
    assert (points[idle] == 0).all()
    assert (points[~idle] > 0).all()
    tests = hospital.items["类别"].isin(["检查", "化验"])
    assert (hospital.items.loc[tests, "开单系数"].astype(float) == 0).all()


def test_slips_are_there_and_few(hospital: Hospital) -> None:
    lines, n = hospital.lines, len(hospital.lines)
    unknown = ~lines["项目编码"].isin(hospital.items["项目编码"])
    nobody = ~lines["执行人"].isin(hospital.staff["工号"]) & (lines["执行人"] != "")
    nowhere = ~lines["执行科室"].isin(hospital.departments["科室编码"])
    refunds = lines["数量"].str.startswith("-")
    late = ~lines["收费日期"].str.startswith(PERIOD)
    for slips in (unknown, nobody, nowhere, refunds, late):
        assert 0 < slips.sum() < 0.01 * n
    assert lines.loc[refunds, "金额"].str.startswith("-").all()
    assert lines["收费日期"].is_monotonic_increasing


def test_the_month_groups_as_a_real_one_would(hospital: Hospital) -> None:
    cases = read_cases(hospital.folder / "inputs" / PERIOD / "cases.csv")
    grouping = group(cases, load_scheme("harbin_2024"))
    assert cases.n == len(hospital.cases) - 11
    grouped = grouping.status == 0
    assert 0.95 <= grouped.mean() <= 0.97
    assert len(np.unique(grouping.drg[grouped])) >= 300
    assert 0.005 <= (grouping.status == 1).mean() <= 0.03
    assert (grouping.status == 2).any()
    assert (grouping.status == 3).any()
    weights = grouping.scheme.weights[grouping.drg[grouped]]
    assert 1.0 <= weights.mean() <= 1.5
    charges = cases.fen("total_charges")
    assert charges is not None
    yuan_per_weight = charges[grouped] / 100 / weights
    assert 8_000 <= np.median(yuan_per_weight) <= 12_000
    assert (yuan_per_weight < 4_000).mean() >= 0.005
    assert (yuan_per_weight > 25_000).mean() >= 0.005
    assert (cases.los > 60).any()


def test_patients_fit_their_wards(hospital: Hospital) -> None:
    cases = hospital.once
    age = cases["年龄"].astype(int)
    born = cases[cases["主要手术编码"].str.startswith("74.")]
    women = born["性别"] == "女"
    assert women.mean() > 0.97
    assert age[born.index].between(18, 50).all()
    newborn = cases[cases["出生体重"] != ""]
    assert (age[newborn.index] == 0).all()
    assert newborn["出生体重"].astype(int).between(800, 4500).all()
    assert (newborn["日龄"] == "").sum() <= 4
    died = (cases["离院方式"] == "5").mean()
    assert 0.002 <= died <= 0.015
    insured = cases["险种"].value_counts(normalize=True)
    assert set(insured.index) == {"310", "390", "340", "self", "other"}
    assert insured["310"] > insured["390"] > 0.3
    assert age[cases["险种"] == "340"].min() >= 75


def test_the_data_files_agree_with_one_another() -> None:
    profile = load_profile()
    wards = profile.wards["code"]
    assert profile.departments["code"].tolist()[: len(wards)] == wards.tolist()
    assert set(profile.mix["department"]) == set(wards)
    principal = profile.case_codes[profile.case_codes["role"] == "主要诊断"]
    assert set(profile.mix["adrg"]) == set(principal["adrg"])
    fees = [name for name in profile.departments.columns if name.startswith("fee_")]
    assert np.allclose(profile.wards[fees].sum(axis=1), 1.0)
    known = {*profile.departments["code"], "WARD", "CLINIC"}
    assert set(profile.items["executing"]) <= known
