"""The keys of a plan that say how work becomes points (allocation.md §2)."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import model_validator

from performance.model_keys import SPEC, Factor, Section, key

__all__ = [
    "CalendarModel",
    "DateRule",
    "DatesModel",
    "NursingModel",
    "PointsModel",
    "RolesModel",
    "SessionsModel",
]

_SOURCE = f"{SPEC} §2"
DateName = Literal["charge", "execution", "payment"]
Switch = Literal["apply", "off"]
Counted = Literal["order", "execution", "operation"]


class PointsModel(Section):
    """How charge lines become points."""

    attribution: Literal["split", "duplicate"] = key(
        "执行点数怎样归各角色：split 按份额拆分（合计为 1，角色份额表注明“重复”的行除外）；"
        "duplicate 各角色重复计算",
        source=_SOURCE,
    )
    order_series: Literal["doctor", "technician", "nurse"] = key(
        "开单（判读）点数归哪个系列", source=_SOURCE
    )
    unknown: Literal["withhold", "exclude"] = key(
        "归不到已知科室的点数：withhold 参与计算点值、所得留存待查；exclude 不参与计算点值",
        source=_SOURCE,
    )
    out_of_period: Literal["unknown", "count"] = key(
        "计入日期不在本期的明细：unknown 归入未知，留存待查；count 照常计算",
        default="unknown",
        source=_SOURCE,
    )
    department_coefficient: Literal["apply", "ignore"] = key(
        "科室系数是否乘入点数", default="apply", source=f"{SPEC} §3"
    )
    personal: Literal["none", "keep"] = key(
        "个人点数：keep 按开单医生、执行人、手术角色和班次留存每人点数；none 不留",
        default="none",
        source=f"{SPEC} §6",
    )
    indices: list[Factor] = key(
        "项目点数按 RVU 计算时的地区指数：工作量、业务成本、责任险",
        unit="倍",
        default=[1.0, 1.0, 1.0],
        min_length=3,
        max_length=3,
        source=_SOURCE,
    )


class CalendarModel(Section):
    """Coefficients of the days of the calendar file; the first that fits counts."""

    makeup: Factor = key("调休上班日的系数（最先）", unit="倍", default=1.0, source=_SOURCE)
    holiday: Factor = key("法定节假日的系数（其次）", unit="倍", default=2.0, source=_SOURCE)
    weekend: Factor = key("周末的系数（再次）", unit="倍", default=2.0, source=_SOURCE)
    workday: Factor = key("工作日的系数（最后）", unit="倍", default=1.0, source=_SOURCE)
    applies_to: list[Counted] = key(
        "乘在哪些点数上：order 开单、execution 执行、operation 手术角色",
        default=["order", "execution", "operation"],
        source=_SOURCE,
    )
    item_classes: list[str] = key("只用于这些项目类别；空表示全部类别", default=[], source=_SOURCE)


class DateRule(Section):
    """The date that counts for the lines of one source and class."""

    source: str = key("收费明细的来源；'*' 表示任何来源", default="*", source=_SOURCE)
    item_class: str = key("项目类别；'*' 表示任何类别", default="*", source=_SOURCE)
    date: DateName = key("计入日期：charge 收费、execution 执行、payment 结算", source=_SOURCE)


class DatesModel(Section):
    """Which of a line's dates says what month it counts in; refunds count on their charge date."""

    default: DateName = key(
        "没有规则时的计入日期：charge 收费、execution 执行、payment 结算",
        default="charge",
        source=_SOURCE,
    )
    rules: list[DateRule] = key("按来源和类别的规则；先写的先用", default=[], source=_SOURCE)


class RolesModel(Section):
    """Points of the people in an operation, out of the month's operations file."""

    coefficients: dict[str, Factor] = key(
        "各角色的系数；键为手术记录里的角色名",
        unit="倍",
        default={"主刀": 1.0, "一助": 0.4, "二助": 0.15, "洗手护士": 0.2},
        source=_SOURCE,
    )
    titles: dict[str, Factor] = key(
        "职称系数；键为人员表的职称，'*' 表示其余；不写即为 1",
        unit="倍",
        default={},
        source=_SOURCE,
    )
    instead_of: list[str] = key(
        "这些项目类别的执行点数改由手术记录产生，收费明细不再计执行点数；空表示两者都计",
        default=[],
        source=_SOURCE,
    )

    @model_validator(mode="after")
    def _some(self) -> Self:
        if not self.coefficients:
            raise ValueError("至少写一个角色的系数")
        return self


class NursingModel(Section):
    """Points of the wards' nursing workload, out of the month's nursing file."""

    points: Factor = key("每床日（及半个出入院）的护理点数", unit="点", source=_SOURCE)
    grade: Switch = key(
        "护理等级点数 =（护理费 + 护理治疗费）× 时数 ÷（床日 × 岗位数）× 系数：apply 计；off 不计",
        default="apply",
        source=_SOURCE,
    )
    coefficient: Factor = key("护理等级点数的系数", unit="倍", default=1.0, source=_SOURCE)
    shifts: dict[str, Factor] = key(
        "班次系数；键为班次表的班次，个人份额 = Σ 次数 ×（岗位系数 + 班次系数）",
        unit="倍",
        default={},
        source=_SOURCE,
    )
    instead_of: list[str] = key(
        "这些项目类别的护理执行点数改由护理工作量产生；空表示两者都计",
        default=[],
        source=_SOURCE,
    )


class SessionsModel(Section):
    """Rules for several procedures of one person, day and unit."""

    procedures: Switch = key(
        "同次多项手术按点数从高到低折算：apply 用；off 不用", default="apply", source=_SOURCE
    )
    steps: list[Factor] = key(
        "第一、第二……项的比例；更多的按最后一个",
        unit="比例",
        default=[1.0, 0.5, 0.5, 0.5, 0.5],
        min_length=1,
        max_length=8,
        source=_SOURCE,
    )
    endoscopy: Switch = key(
        "同族内镜：最高者全额，其余减去基础点数：apply 用；off 不用",
        default="apply",
        source=_SOURCE,
    )
    imaging: Switch = key(
        "同次多部位影像：第二个起技术、专业部分打折：apply 用；off 不用",
        default="apply",
        source=_SOURCE,
    )
    technical: Factor = key("影像技术部分第二个起的比例", unit="比例", default=0.5, source=_SOURCE)
    professional: Factor = key(
        "影像专业部分第二个起的比例", unit="比例", default=0.95, source=_SOURCE
    )
    bilateral: Factor = key("双侧手术的倍数", unit="倍", default=1.5, source=_SOURCE)
    assistant: Factor = key("助手手术的比例", unit="比例", default=0.16, source=_SOURCE)
    two_surgeons: Factor = key("两位主刀各计的比例", unit="比例", default=0.625, source=_SOURCE)
    bilateral_marks: list[str] = key(
        "收费明细“修饰”列中表示双侧的文字", default=["双侧", "50"], source=_SOURCE
    )
    assistant_marks: list[str] = key(
        "“修饰”列中表示助手的文字", default=["助手", "80"], source=_SOURCE
    )
    two_surgeons_marks: list[str] = key(
        "“修饰”列中表示双主刀的文字", default=["双主刀", "62"], source=_SOURCE
    )

    @model_validator(mode="after")
    def _one_meaning(self) -> Self:
        marks = [*self.bilateral_marks, *self.assistant_marks, *self.two_surgeons_marks]
        if len(set(marks)) != len(marks) or "" in marks:
            raise ValueError("修饰文字不能为空，也不能有两种含义")
        return self
