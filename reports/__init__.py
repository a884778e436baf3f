"""Reports: what the engine found, as workbooks that an office can work with."""

from __future__ import annotations

from reports.month import MonthReport, ReportMeta, write_month_workbook

__all__ = ["MonthReport", "ReportMeta", "write_month_workbook"]
