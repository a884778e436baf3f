"""The tables of a workspace: their columns, how these may be headed, defaults and bounds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from performance.columns import NO_DATE

__all__ = [
    "BLANK",
    "INCOME_CLASSES",
    "KINDS",
    "NO_NUMBER",
    "ORDERING",
    "ROLES",
    "SERIES",
    "SERIES_NAMES",
    "TABLES",
    "Column",
    "Table",
]

ROLES = ("doctor", "technician", "nurse")
SERIES: Mapping[str, str] = {
    "doctor": "医生",
    "technician": "医技",
    "nurse": "护理",
    "administration": "行政",
}
KINDS: Mapping[str, str] = {
    "外科": "surgery",
    "内科": "medicine",
    "重症": "icu",
    "医技": "technology",
    "门诊": "outpatient",
    "行政": "administration",
}
SERIES_NAMES = {**{label: name for name, label in SERIES.items()}, **{n: n for n in SERIES}}
SERIES_NAMES |= {"技师": "technician", "护士": "nurse", "医师": "doctor", "管理": "administration"}


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table file.

    kind: id (text, never blank), text, number (int64 ten-thousandths), money (int64 fen), date,
    choice (one of ``choices``, which gives each text of a file its canonical name).
    default: value of a blank cell or an absent column; None makes both faults.
    low and high bound a number inclusively, in its own unit (not in ten-thousandths).
    """

    name: str
    headings: tuple[str, ...]
    kind: str = "text"
    default: Any = None
    low: float | None = None
    high: float | None = None
    choices: Mapping[str, str] = field(default_factory=dict)

    @property
    def field(self) -> str:
        """Name of the column in the table read."""
        return self.name + {"number": "_e4", "money": "_fen"}.get(self.kind, "")


@dataclass(frozen=True, slots=True)
class Table:
    """A table file: its columns and the columns whose values must not repeat together."""

    title: str
    columns: tuple[Column, ...]
    key: tuple[str, ...] = ()


BLANK = -1
"""Stands for a number that is not given, where none below 0 is allowed."""

ORDERING = "开单科室"
"""As the unit a share goes to: the ordering unit of each line."""

_SESSIONS = {"手术": "procedure", "内镜": "endoscopy", "影像": "imaging"}
_WAYS = {"拆分": "split", "重复": "duplicate"}
_DAYS = {
    "调休上班": "makeup", "补班": "makeup", "调休": "makeup", "节假日": "holiday",
    "法定节假日": "holiday", "放假": "holiday", "周末": "weekend", "工作日": "workday",
}  # fmt: skip

NO_NUMBER = -(2**62)
"""Stands for a number that is not there."""

INCOME_CLASSES: Mapping[str, str] = {
    "医疗收入": "medical",
    "药品收入": "drugs",
    "卫生材料收入": "consumables",
    "剔除收入": "excluded",
    "承担成本": "cost",
}
_DEPARTMENT = Column("department", ("科室编码", "科室", "核算单元"), "id")
_FROM = Column("effective_from", ("生效日期",), "date", NO_DATE)
_TO = Column("effective_to", ("失效日期",), "date", NO_DATE)
_STAFF_ID = Column("staff_id", ("工号", "人员编号", "职工编号"), "id")

TABLES: Mapping[str, Table] = {
    "items": Table(
        "项目点数表",
        (
            Column("version", ("版本",), default=""),
            Column("item_code", ("项目编码", "收费项目编码"), "id"),
            Column("item_name", ("项目名称",), default=""),
            Column("unit", ("单位", "计价单位"), default=""),
            Column("item_class", ("类别", "项目类别"), "id"),
            Column("points", ("点数", "点值分"), "number", BLANK, low=0, high=100_000),
            Column("order_coefficient", ("开单系数", "判读系数"), "number", 0, low=0, high=10),
            Column("execution_coefficient", ("执行系数",), "number", 10_000, low=0, high=10),
            Column("points_doctor", ("医生点数",), "number", BLANK, low=0, high=100_000),
            Column("points_technician", ("医技点数",), "number", BLANK, low=0, high=100_000),
            Column("points_nurse", ("护理点数",), "number", BLANK, low=0, high=100_000),
            Column("reason", ("赋分理由",), default=""),
            _FROM,
            _TO,
            Column("work", ("工作量RVU", "工作量"), "number", BLANK, low=0, high=100_000),
            Column("practice", ("业务成本RVU", "业务成本"), "number", BLANK, low=0, high=100_000),
            Column("malpractice", ("责任险RVU", "责任险"), "number", BLANK, low=0, high=100_000),
            Column("session", ("同次规则",), "choice", "", choices=_SESSIONS),
            Column("family", ("内镜族", "内镜家族"), default=""),
            Column("base", ("基础点数",), "number", 0, low=0, high=100_000),
            Column("technical", ("技术点数",), "number", 0, low=0, high=100_000),
            Column("professional", ("专业点数",), "number", 0, low=0, high=100_000),
        ),
        ("item_code", "effective_from"),
    ),
    "departments": Table(
        "科室表",
        (
            _DEPARTMENT,
            Column("department_name", ("科室名称",), default=""),
            Column("kind", ("类型", "科室类型"), "id"),
            Column("coefficient", ("科室系数",), "number", 10_000, low=0, high=100),
            Column("beds", ("编制床位", "床位"), "number", 0, low=0, high=100_000),
        ),
        ("department",),
    ),
    "role_shares": Table(
        "角色份额表",
        (
            _DEPARTMENT,
            Column("item_class", ("项目类别", "类别"), default="*"),
            Column("item_code", ("项目编码",), default="*"),
            Column("doctor", ("医生",), "number", 0, low=0, high=1),
            Column("technician", ("医技",), "number", 0, low=0, high=1),
            Column("nurse", ("护理",), "number", 0, low=0, high=1),
            Column("to_unit", ("归属科室", "归属单元"), default=""),
            Column("way", ("方式", "归集方式"), "choice", "split", choices=_WAYS),
            _FROM,
            _TO,
        ),
        ("department", "item_class", "item_code", "to_unit", "effective_from"),
    ),
    "staff": Table(
        "人员表",
        (
            _STAFF_ID,
            Column("name", ("姓名",), default=""),
            _DEPARTMENT,
            Column("series", ("系列", "人员系列"), "id"),
            Column("title", ("职称",), default=""),
            Column("post_coefficient", ("岗位系数",), "number", 10_000, low=0, high=100),
            Column("title_coefficient", ("职称系数",), "number", 10_000, low=0, high=100),
        ),
        ("staff_id",),
    ),
    "attendance": Table(
        "考勤表",
        (
            _STAFF_ID,
            Column("days_due", ("应出勤天数", "应出勤"), "number", low=0.0001, high=366),
            Column("days_present", ("实际出勤天数", "实际出勤"), "number", low=0, high=366),
        ),
        ("staff_id",),
    ),
    "costs": Table(
        "科室成本表",
        (
            _DEPARTMENT,
            Column("cost_item", ("成本项目",), "id"),
            Column("amount", ("金额",), "money"),
        ),
    ),
    "quality": Table(
        "质量得分表",
        (_DEPARTMENT, Column("score", ("质量得分", "得分"), "number", low=0, high=200)),
        ("department",),
    ),
    "single_items": Table(
        "单项奖惩表",
        (
            Column("department", ("科室编码", "科室"), default=""),
            Column("staff_id", ("工号", "人员编号"), default=""),
            Column("matter", ("事项",), default=""),
            Column("amount", ("金额",), "money"),
            Column("series", ("系列",), default=""),
        ),
    ),
    "adjustments": Table(
        "更正表",
        (
            Column("for_period", ("原月份", "更正月份"), "id"),
            Column("department", ("科室编码", "科室"), default=""),
            Column("staff_id", ("工号", "人员编号"), default=""),
            Column("amount", ("金额", "更正金额"), "money"),
            Column("reason", ("事由", "原因"), "id"),
            Column("series", ("系列",), default=""),
        ),
    ),
    "paid": Table(
        "实发名单",
        (_STAFF_ID, Column("paid", ("实发", "实发金额", "实发绩效", "合计", "金额"), "money")),
        ("staff_id",),
    ),
    "pool": Table(
        "奖金池表",
        (Column("series", ("系列",), "id"), Column("amount", ("金额",), "money", low=0)),
        ("series",),
    ),
    "history": Table(
        "历史绩效表",
        (
            _DEPARTMENT,
            Column("series", ("系列",), "id"),
            Column("amount", ("金额",), "money", low=0),
        ),
        ("department", "series"),
    ),
    "posts": Table(
        "岗位表",
        (
            _STAFF_ID,
            _DEPARTMENT,
            Column("series", ("系列", "人员系列"), "id"),
            Column("share", ("岗位占比", "占比"), "number", 10_000, low=0, high=1),
            Column("post_coefficient", ("岗位系数",), "number", BLANK, low=0, high=100),
            Column("title_coefficient", ("职称系数",), "number", BLANK, low=0, high=100),
            Column("effective_from", ("生效日期", "任岗日期"), "date", NO_DATE),
            Column("effective_to", ("失效日期", "离岗日期"), "date", NO_DATE),
        ),
        ("staff_id", "department", "series", "effective_from"),
    ),
    "staff_scores": Table(
        "个人考核表",
        (
            _STAFF_ID,
            Column("score", ("个人得分", "得分"), "number", BLANK, low=0, high=200),
            Column("evaluation", ("考核系数",), "number", 10_000, low=0, high=10),
            Column("satisfaction", ("满意度系数", "满意度"), "number", 10_000, low=0, high=10),
            Column("points", ("个人点数", "工作量"), "number", 0, low=0, high=1e9),
        ),
        ("staff_id",),
    ),
    "indicators": Table(
        "指标表",
        (
            _DEPARTMENT,
            Column("indicator", ("指标", "指标名称"), "id"),
            Column("actual", ("实际值", "实际"), "number", NO_NUMBER),
            Column("reference", ("参照值", "目标值"), "number", NO_NUMBER),
        ),
        ("department", "indicator"),
    ),
    "income": Table(
        "收入成本表",
        (
            Column("income_class", ("类别",), "id"),
            Column("name", ("项目", "名称"), default=""),
            Column("amount", ("金额",), "money"),
        ),
    ),
    "head_funds": Table(
        "科主任基金余额表",
        (
            _DEPARTMENT,
            Column("series", ("系列",), "id"),
            Column("amount", ("上期余额", "余额"), "money", low=0),
        ),
        ("department", "series"),
    ),
    "units": Table(
        "科室对照表",
        (
            Column("his_code", ("HIS科室编码", "HIS科室", "原科室编码"), "id"),
            _DEPARTMENT,
            _FROM,
            _TO,
        ),
        ("his_code", "effective_from"),
    ),
    "calendar": Table(
        "日历表",
        (
            Column("date", ("日期",), "date"),
            Column("kind", ("类型", "日期类型"), "choice", choices=_DAYS),
        ),
        ("date", "kind"),
    ),
    "operations": Table(
        "手术记录表",
        (
            Column("date", ("日期", "手术日期"), "date"),
            Column("operation", ("手术编号", "手术单号", "明细编号"), default=""),
            Column("item_code", ("项目编码", "收费项目编码"), "id"),
            Column("role", ("角色", "手术角色"), "id"),
            _STAFF_ID,
            Column("department", ("科室编码", "科室", "核算单元"), default=""),
            Column("quantity", ("数量",), "number", 10_000, low=-1e6, high=1e6),
        ),
    ),
    "nursing": Table(
        "护理工作量表",
        (
            _DEPARTMENT,
            Column("bed_days", ("床日", "实际占用床日"), "number", low=0, high=1e6),
            Column("admissions", ("入院人次", "入院"), "number", 0, low=0, high=1e6),
            Column("discharges", ("出院人次", "出院"), "number", 0, low=0, high=1e6),
            Column("nursing_charges", ("护理费",), "money", 0),
            Column("treatment_charges", ("护理治疗费",), "money", 0),
            Column("hours", ("护理时数", "时数"), "number", 0, low=0, high=1e6),
            Column("posts", ("护理岗位数", "岗位数"), "number", 0, low=0, high=1e6),
        ),
        ("department",),
    ),
    "shifts": Table(
        "班次表",
        (
            _STAFF_ID,
            Column("department", ("科室编码", "科室"), default=""),
            Column("shift", ("班次",), "id"),
            Column("count", ("次数", "班数"), "number", low=0, high=1000),
        ),
        ("staff_id", "department", "shift"),
    ),
}
