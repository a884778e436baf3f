"""The month's workbook: what a hospital's month came to, on sheets that people work with.

``MonthReport`` holds everything as tables; ``month.toml`` says which columns are shown where.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import pandas as pd

from drg_engine.workbook_bytes import save_same_bytes
from reports.layout import MONTH_LAYOUT, Layout
from reports.sheets import write_sheets
from reports.style import Style
from reports.workbook import new_workbook

__all__ = ["TABLES", "MonthReport", "ReportMeta", "write_month_workbook"]

TABLES: Mapping[str, tuple[str, ...]] = {
    "hospital": ("cases", "charges_fen", "surplus_fen"),
    "departments": ("department", "cases", "surplus_fen"),
    "drgs": ("drg", "cases", "surplus_fen"),
    "doctors": ("doctor", "cases", "surplus_fen"),
    "insurances": ("insurance", "cases", "surplus_fen"),
    "kinds": ("kind", "cases", "surplus_fen"),
    "cases": ("case_id",),
    "department_pools": (),
    "staff_pay": (),
    "series_totals": (),
    "control_totals": (),
    "findings": (),
    "exceptions": (),
    "counts": (),
    "made_from": ("section", "name", "content"),
    "inputs": ("file",),
}
"""The tables of a report and the columns none of them can do without (unless it is empty)."""


@dataclass(frozen=True, slots=True)
class ReportMeta:
    """Whose month it is.

    period: ``2026-10``.  cmi_cut: where the quadrant is cut, the hospital's own CMI where None.
    """

    hospital: str
    period: str
    cmi_cut: float | None = None

    @property
    def title(self) -> str:
        """``2026 年 10 月``, or the period as it stands where it isn't a month."""
        year, _, month = self.period.partition("-")
        if year.isdecimal() and month.isdecimal():
            return f"{year} 年 {int(month)} 月"
        return self.period

    @property
    def stamp(self) -> datetime:
        """The moment written into the file, made from the period and not from the clock."""
        try:
            return datetime.strptime(self.period[:7], "%Y-%m")
        except ValueError:
            return datetime(2000, 1, 1)


@dataclass(frozen=True, slots=True, eq=False)
class MonthReport:
    """A month as tables.  Amounts: ``*_fen``, int64 (or Int64 with NA; int64's minimum is none).

    Roll-ups (drg_engine/surplus.py) carry its MEASURES after their keys:

    ================  ==========================================================================
    hospital          one row for the period (label ``本月``), then rows to compare with
                      (label ``上月``, ``去年同期``)
    departments       department, department_name, [department_kind]
    drgs              drg, drg_name, [weight]
    doctors           department, department_name, doctor, doctor_name
    insurances        insurance, insurance_name
    kinds             kind (code of drg_engine.payment.KINDS)
    ================  ==========================================================================

    Others, each column optional but those in ``TABLES``; headings and formats in month.toml:

    ================  ==========================================================================
    cases             case_id, department, department_name, doctor, doctor_name, insurance_name,
                      sex, age, admission_date, discharge_date, los, principal_dx, status, drg,
                      drg_name, severity, weight, kind, ratio, bound, charges_fen, standard_fen,
                      paid_fen, formula_fen, adjustment_fen, surplus_fen, cost_fen,
                      cost_surplus_fen, basis_words, reason
    department_pools  as performance.allocate.Allocation gives them; so are
    staff_pay         (department_name is taken from the pools where it is absent),
    series_totals,    control_totals and findings
    exceptions        kind, file, row (or first_row), column, case_id, department, staff_id,
                      item_code, found, message, mend, rows, quantity_e4, amount_fen
    counts            file, read, accepted, rejected (int64, rows)
    made_from         section, name, content (text): version, tables with edition, hash and
                      trust, policy, plan, options
    inputs            file, rows, sha256
    ================  ==========================================================================

    Derived here where absent: surplus_per_case_fen, quadrant, loss_share, checks, row numbers.
    A table that is empty gives a sheet that says so.
    """

    meta: ReportMeta
    hospital: pd.DataFrame
    departments: pd.DataFrame = field(default_factory=pd.DataFrame)
    drgs: pd.DataFrame = field(default_factory=pd.DataFrame)
    doctors: pd.DataFrame = field(default_factory=pd.DataFrame)
    insurances: pd.DataFrame = field(default_factory=pd.DataFrame)
    kinds: pd.DataFrame = field(default_factory=pd.DataFrame)
    cases: pd.DataFrame = field(default_factory=pd.DataFrame)
    department_pools: pd.DataFrame = field(default_factory=pd.DataFrame)
    staff_pay: pd.DataFrame = field(default_factory=pd.DataFrame)
    series_totals: pd.DataFrame = field(default_factory=pd.DataFrame)
    control_totals: pd.DataFrame = field(default_factory=pd.DataFrame)
    findings: pd.DataFrame = field(default_factory=pd.DataFrame)
    exceptions: pd.DataFrame = field(default_factory=pd.DataFrame)
    counts: pd.DataFrame = field(default_factory=pd.DataFrame)
    made_from: pd.DataFrame = field(default_factory=pd.DataFrame)
    inputs: pd.DataFrame = field(default_factory=pd.DataFrame)

    def __post_init__(self) -> None:
        """Refuse tables that lack their keys or hold amounts that aren't whole fen.

        Raises TypeError that names each table and column.
        """
        wrong: list[str] = []
        for name, needed in TABLES.items():
            frame: pd.DataFrame = getattr(self, name)
            if frame.empty and name != "hospital":
                continue
            wrong += [f"{name}.{key}: 缺少" for key in needed if key not in frame.columns]
            wrong += [
                f"{name}.{key}: 应为整数分，实为 {frame[key].dtype}"
                for key in frame.columns
                if str(key).endswith("_fen") and not pd.api.types.is_integer_dtype(frame[key].dtype)
            ]
        if self.hospital.empty:
            wrong.append("hospital: 没有行")
        if wrong:
            raise TypeError("MonthReport 的表不对：" + "；".join(wrong))

    def tables(self) -> dict[str, pd.DataFrame]:
        """All tables by name."""
        return {name: getattr(self, name) for name in TABLES}


def write_month_workbook(
    report: MonthReport,
    path: Path,
    *,
    show_case_ids: bool = False,
    layout_file: Path = MONTH_LAYOUT,
) -> None:
    """Write the month's workbook (xlsx) at ``path``; the same report gives the same bytes.

    Case ids are masked unless ``show_case_ids``.  The file is written aside and renamed.
    Raises DrgEngineError where the layout file is faulty, OSError where ``path`` can't be written.
    """
    style = Style.load()
    layout = Layout.load(layout_file, style)
    title = f"{report.meta.hospital} {report.meta.title} {layout.summary.title}"
    workbook, painter = new_workbook(title, style)
    write_sheets(
        workbook,
        report.meta.hospital,
        report.meta.title,
        report.tables(),
        layout,
        painter,
        cmi_cut=report.meta.cmi_cut,
        show_case_ids=show_case_ids,
    )
    save_same_bytes(workbook, path, report.meta.stamp, painter.rows.entries())
