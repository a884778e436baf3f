"""Staff of the demonstration hospital, their attendance and single items."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from drg_engine.demo.profile import Profile, Stream, chosen

__all__ = ["Staff", "attendance", "make_staff", "single_items"]

Ints = npt.NDArray[np.int64]

SERIES = ("doctor", "nurse", "technician", "other")
_COLUMNS = ("doctors", "nurses", "technicians", "others")


@dataclass(frozen=True)
class Staff:
    """The staff table as written, and where each department's series stand in it.

    ``start`` and ``count`` int64 (departments, series of ``SERIES``).
    """

    table: pd.DataFrame
    start: Ints
    count: Ints

    def anyone(self, rng: Stream, department: Ints, series: Ints) -> Ints:
        """A person of the department's series for each row, -1 where it has none."""
        count = self.count[department, series]
        place = self.start[department, series] + (rng.random(len(department)) * count).astype(int)
        return np.where(count > 0, place, -1)


def make_staff(rng: Stream, profile: Profile) -> Staff:
    """Everyone with an invented name (label and number), title and coefficients."""
    departments = profile.departments
    count = departments[list(_COLUMNS)].to_numpy(np.int64)
    flat = count.ravel()
    start = (np.cumsum(flat) - flat).reshape(count.shape)
    department = np.repeat(np.repeat(np.arange(len(departments)), len(SERIES)), flat)
    series = np.repeat(np.tile(np.arange(len(SERIES)), len(departments)), flat)
    n = len(series)
    frame = pd.DataFrame(
        {
            "工号": [f"{100001 + i}" for i in range(n)],
            "姓名": "",
            "科室编码": departments["code"].to_numpy()[department],
            "系列": "",
            "职称": "",
            "岗位系数": 1.0,
            "职称系数": 1.0,
        }
    )
    head = np.isin(np.arange(n), start[count > 0])
    for place, name in enumerate(SERIES):
        settings = profile.settings["staff"][name]
        rows = np.flatnonzero(series == place)
        title = np.sort(chosen(rng, settings["shares"], len(rows)))
        title = title[np.argsort(rng.random(len(rows)), kind="stable")]
        label = settings["label"]
        frame.loc[rows, "姓名"] = [f"演示{label}{i + 1:03d}" for i in range(len(rows))]
        frame.loc[rows, "系列"] = settings.get("series", label)
        frame.loc[rows, "职称"] = np.array(settings["titles"], dtype=object)[title]
        frame.loc[rows, "职称系数"] = np.array(settings["coefficients"])[title]
        frame.loc[rows[head[rows]], "岗位系数"] = settings["head_coefficient"]
    return Staff(frame, start, count)


def attendance(rng: Stream, profile: Profile, staff: Staff) -> pd.DataFrame:
    """Days due and days present; most are there all the time."""
    settings = profile.settings["attendance"]
    n = len(staff.table)
    due = int(settings["due"])
    absent = np.floor(rng.exponential(2.5, n)).astype(int) + 1
    present = np.where(rng.random(n) < settings["full"], due, due - absent)
    return pd.DataFrame(
        {
            "工号": staff.table["工号"],
            "应出勤天数": due,
            "实际出勤天数": np.maximum(present, int(settings["least"])),
        }
    )


def single_items(rng: Stream, profile: Profile, staff: Staff) -> pd.DataFrame:
    """Rewards and deductions by person and by department, in tens of yuan."""
    settings = profile.settings["single_items"]
    rows: list[tuple[str, str, str, int]] = []
    table = staff.table
    clinical = np.flatnonzero(table["系列"].isin(["医生", "护理"]).to_numpy())
    for entry in settings["people"]:
        for place in np.sort(rng.choice(clinical, entry["count"], replace=False)):
            person = table.iloc[place]
            rows.append((person["科室编码"], person["工号"], entry["matter"], _tens(rng, entry)))
    wards = profile.wards["code"].to_numpy()
    for entry in settings["departments"]:
        for code in np.sort(rng.choice(wards, entry["count"], replace=False)):
            rows.append((code, "", entry["matter"], _tens(rng, entry)))
    frame = pd.DataFrame(rows, columns=["科室编码", "工号", "事项", "金额"])
    return frame.sort_values(["科室编码", "工号", "事项"], kind="stable", ignore_index=True)


def _tens(rng: Stream, entry: dict[str, list[int]]) -> int:
    low, high = entry["range"]
    return int(rng.integers(low, high + 1) // 10 * 10)
