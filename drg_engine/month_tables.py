"""A month's tables as its report shows them: names joined on, exceptions gathered, what made it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from drg_engine import __version__
from drg_engine.files import file_sha256
from drg_engine.grouping import REASON_WORDS, SEVERITIES, STATUS
from drg_engine.money import MISSING_FEN
from drg_engine.month import Month
from drg_engine.payment_words import INSURANCE_TITLES
from grouper_tables.words import OPTION_WORDS
from reports import MonthReport, ReportMeta

__all__ = ["exceptions_by_kind", "month_exceptions", "month_report", "settled_cases"]

_SEX = ("", "男", "女")


def month_report(month: Month) -> MonthReport:
    """The month as the workbook's tables."""
    names = _Names(month)
    rollups = month.rollups
    allocation = month.allocation
    empty = pd.DataFrame()
    return MonthReport(
        meta=ReportMeta(hospital=month.workspace.hospital.name, period=month.period),
        hospital=rollups["hospital"].assign(label="本月"),
        departments=names.departments(rollups["departments"]),
        drgs=names.drgs(rollups["drgs"]),
        doctors=names.doctors(names.departments(rollups["doctors"])),
        insurances=names.insurances(rollups["insurances"]),
        kinds=rollups["kinds"],
        cases=settled_cases(month),
        department_pools=empty if allocation is None else allocation.department_pools,
        staff_pay=empty if allocation is None else allocation.staff_pay,
        series_totals=empty if allocation is None else allocation.series_totals,
        control_totals=empty if allocation is None else allocation.control_totals,
        findings=empty if allocation is None else allocation.findings,
        exceptions=month_exceptions(month),
        counts=_counts(month),
        made_from=_made_from(month),
        inputs=_inputs(month),
    )


class _Names:
    """Names of departments, staff and groups, joined to tables of their codes."""

    def __init__(self, month: Month) -> None:
        self._scheme = month.scheme
        self._departments: dict[str, str] = {}
        self._kinds: dict[str, str] = {}
        self._staff: dict[str, str] = {}
        if month.inputs is not None:
            held = month.inputs.departments
            self._departments = dict(zip(held["department"], held["department_name"], strict=True))
            self._kinds = dict(zip(held["department"], held["kind"], strict=True))
            staff = month.inputs.staff
            self._staff = dict(zip(staff["staff_id"], staff["name"], strict=True))

    def departments(self, frame: pd.DataFrame) -> pd.DataFrame:
        return frame.assign(
            department_name=_named(frame["department"], self._departments),
            department_kind=_named(frame["department"], self._kinds),
        )

    def doctors(self, frame: pd.DataFrame) -> pd.DataFrame:
        return frame.assign(doctor_name=_named(frame["doctor"], self._staff))

    def drgs(self, frame: pd.DataFrame) -> pd.DataFrame:
        codes = self._scheme.drg_codes
        titles = dict(zip(codes, self._scheme.drg_names, strict=True))
        weights = dict(zip(codes, self._scheme.weights.tolist(), strict=True))
        return frame.assign(
            drg_name=_named(frame["drg"], titles), weight=frame["drg"].astype(str).map(weights)
        )

    def insurances(self, frame: pd.DataFrame) -> pd.DataFrame:
        return frame.assign(insurance_name=_named(frame["insurance"], INSURANCE_TITLES))


def _named(codes: pd.Series[str], names: Mapping[str, str]) -> pd.Series[str]:
    """Name of each code, the code itself where it has none; empty where there is no code."""
    held = codes.astype("category").cat
    words = [names.get(str(code), str(code)) for code in held.categories]
    return pd.Series(np.array([*words, ""], dtype=object)[held.codes], index=codes.index)


def settled_cases(month: Month) -> pd.DataFrame:
    """One row a case: who, when, group, how it was paid and why."""
    cases, grouping, scheme = month.cases, month.grouping, month.scheme
    names = _Names(month)
    frame = month.settlement.to_frame()
    for column in ("department", "doctor"):
        if column not in frame:
            frame[column] = ""
    frame = names.doctors(names.departments(names.insurances(frame)))
    severities = np.array([*SEVERITIES, ""], dtype=object)
    extra: dict[str, Any] = {
        "sex": np.array(_SEX, dtype=object)[cases.sex],
        "age": cases.age.astype(np.int64),
        "los": pd.Series(cases.los, dtype="Int64").mask(cases.los < 0),
        "principal_dx": cases.principal_diagnoses(),
        "status": np.array(STATUS, dtype=object)[grouping.status],
        "severity": severities[grouping.severity],
        "reason": np.array(REASON_WORDS, dtype=object)[grouping.reason],
        "drg_name": np.array(scheme.drg_names, dtype=object)[grouping.drg],
    }
    extra |= _policy_and_fund(month)
    for name in ("admission_date", "discharge_date", "settlement_date"):
        if name in cases.extra.column_names:
            extra[name] = cases.extra[name].to_pandas()
    return frame.assign(**extra)


def _policy_and_fund(month: Month) -> dict[str, Any]:
    """Which policy paid each case, where there are several; who pays what, where cases tell it."""
    dated = month.dated
    if dated is None:
        return {}
    found: dict[str, Any] = {}
    if len(dated.policies) > 1:
        names = np.array([policy.name for policy in dated.policies], dtype=object)
        found["policy"] = pd.Categorical(names[dated.chosen])
    if "personal_pay" in month.settlement.cases.amounts:
        split = dated.fund()
        for name in ("fund", "patient", "other", "prepaid", "retained", "difference"):
            fen = getattr(split, name)
            found[f"{name}_fen"] = pd.Series(fen, dtype="Int64").mask(fen == MISSING_FEN)
    return found


def month_exceptions(month: Month) -> pd.DataFrame:
    """Rejected rows, values read as unknown, cases without a group, unknown codes, lines."""
    rejected = month.cases.rejects
    parts = [
        month.warnings,
        _told(rejected.lines.to_pandas(), "病例拒收"),
        _told(rejected.notices.to_pandas(), "病例提示"),
        _without_group(month),
        _unknown(month),
    ]
    if month.settlement.notices:
        parts.append(pd.DataFrame({"kind": "政策提示", "message": list(month.settlement.notices)}))
    if month.allocation is not None:
        parts.append(month.allocation.exceptions)
    filled = [_nullable(part) for part in parts if not part.empty]
    return pd.concat(filled, ignore_index=True) if filled else pd.DataFrame()


def _nullable(part: pd.DataFrame) -> pd.DataFrame:
    """Whole numbers as Int64: beside a part without the column they would become floats."""
    whole = [name for name in part if pd.api.types.is_integer_dtype(part[name].dtype)]
    return part.astype(dict.fromkeys(whole, "Int64"))


def exceptions_by_kind(exceptions: pd.DataFrame) -> list[tuple[str, int]]:
    """Rows of the exceptions by kind, what touches the pay first, then the more numerous first."""
    if exceptions.empty:
        return []
    counts = Counter(exceptions["kind"].astype(str))
    ranks = {kind: rank for rank, kinds in enumerate(_LIGHT, 2) for kind in kinds}
    ranks |= dict.fromkeys(_HEAVY, 0)
    order = sorted(counts, key=lambda kind: (ranks.get(kind, 1), -counts[kind], kind))
    return [(kind, counts[kind]) for kind in order]


_HEAVY = ("缺少表", "险种没有费率", "不在本月的病例", "无法读取")
_LIGHT = (
    ("病例拒收",),
    ("不能分组", "未入组", "歧义组"),
    ("费率没有病例", "缺少列", "政策提示", "病例不计入 DRG 部分"),
    ("病例提示", "不认识的编码"),
)
"""Kinds that weigh more, and those that weigh less than the rest, the lightest last."""


def _told(lines: pd.DataFrame, kind: str) -> pd.DataFrame:
    renamed = lines.rename(columns={"value": "found", "reason": "message"})
    return renamed.assign(kind=kind, rows=1)


def _without_group(month: Month) -> pd.DataFrame:
    grouping, cases = month.grouping, month.cases
    rows = np.flatnonzero(grouping.status != 0)
    words = ("", "歧义组", "未入组", "不能分组")
    charges = month.settlement.cases.charges
    amounts = pd.array(charges[rows], dtype="Int64")
    amounts[charges[rows] == MISSING_FEN] = pd.NA
    return pd.DataFrame(
        {
            "kind": np.array(words, dtype=object)[grouping.status[rows]],
            "file": month.files["cases"].name,
            "row": None if cases.rows is None else cases.rows[rows],
            "case_id": cases.case_id.take(rows).to_pylist(),
            "column": "主要诊断编码",
            "found": cases.principal_diagnoses()[rows],
            "message": np.array(REASON_WORDS, dtype=object)[grouping.reason[rows]],
            "rows": 1,
            "amount_fen": amounts,
        }
    )


def _unknown(month: Month) -> pd.DataFrame:
    codes = sorted(month.unknown_codes)
    return pd.DataFrame(
        {
            "kind": "不认识的编码",
            "file": month.files["cases"].name,
            "found": codes,
            "message": "不在编码清单和方案各表内；作其他诊断或其他手术时不起作用",
            "rows": [month.unknown_codes[code] for code in codes],
        }
    )


def _counts(month: Month) -> pd.DataFrame:
    rows = [(month.files["cases"].name, month.counts.read, month.counts.cases)]
    if month.inputs is not None:
        lines = month.inputs.lines
        rejected = lines.rejects["row"].nunique()
        rows.append((lines.file, lines.n + rejected, lines.n))
    frame = pd.DataFrame(rows, columns=["file", "read", "accepted"])
    return frame.assign(rejected=frame["read"] - frame["accepted"])


def _made_from(month: Month) -> pd.DataFrame:
    manifest = month.scheme.manifest
    changed = "（表格与说明文件中的指纹不符，已被改动）" if month.scheme.tables_changed else ""
    rows = [
        ("程序", "drg-engine", __version__),
        ("分组方案", "名称", f"{manifest.title}（{manifest.name}）{changed}"),
        ("分组方案", "版本", manifest.edition),
        ("分组方案", "依据", f"{manifest.authority} {manifest.document}"),
        ("分组方案", "指纹", month.scheme.tables_hash),
        ("分组方案", "来源", manifest.provenance.get("source", "")),
        ("分组方案", "可信程度", manifest.provenance.get("trust", "")),
        *_option_rows(month),
        *_policy_rows(month),
    ]
    if month.plan is not None:
        rows += [("分配方案", "文件", month.plan.file), ("分配方案", "指纹", month.plan.hash)]
    return pd.DataFrame(rows, columns=["section", "name", "content"])


def _option_rows(month: Month) -> Iterator[tuple[str, str, str]]:
    for name, value in sorted(month.scheme.options.items()):
        title, told = OPTION_WORDS.get(name, (name, {}))
        yield "分组选项", f"{title}（{name}）", str(told.get(value, value))


def _policy_rows(month: Month) -> list[tuple[str, str, str]]:
    """Each policy with its dates and hash; with several, how many cases each of them paid."""
    if month.dated is None:
        return [("支付政策", "名称", month.policy.words()), ("支付政策", "指纹", month.policy.hash)]
    rows = []
    for words, digest, count in month.dated.policy_rows():
        cases = f"，{count:,} 例" if len(month.policies) > 1 else ""
        rows += [("支付政策", "名称", words + cases), ("支付政策", "指纹", digest)]
    return rows


def _inputs(month: Month) -> pd.DataFrame:
    read = {"cases": month.counts.read}
    if month.inputs is not None:
        for name in month.files:
            held = getattr(month.inputs, name, None)
            if held is not None:
                read[name] = len(held)
        read["charges"] = month.inputs.lines.n
    if month.adjustments is not None:
        read["adjustments"] = len(month.adjustments)
    rows = [
        (path.relative_to(month.workspace.folder).as_posix(), read.get(name), file_sha256(path))
        for name, path in sorted(month.files.items())
    ]
    frame = pd.DataFrame(rows, columns=["file", "rows", "sha256"])
    return frame.astype({"rows": "Int64"})
