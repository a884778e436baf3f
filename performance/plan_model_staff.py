"""The keys of a plan for single items, staff and compliance (allocation.md §§6-7)."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from performance.plan_keys import SPEC, Section, SeriesName, Share, Yuan, key

__all__ = ["ComplianceModel", "FixedModel", "MeanModel", "ReasonModel", "SingleModel",
           "SingleType", "StaffModel", "SubPoolModel"]  # fmt: skip

_STAFF = f"{SPEC} §6"
_RULES = f"{SPEC} §7"
Coefficient = Literal[
    "post", "title", "attendance", "score", "evaluation", "satisfaction", "points"
]
_Text = Annotated[str, Field(min_length=1)]


class SingleType(Section):
    """One type of single item."""

    name: str = key("类型名，与单项奖惩表的“事项”一致", min_length=1, source=_STAFF)
    direction: Literal["add", "deduct", "signed"] = key(
        "方向：add 奖励（表中写正数，加）；deduct 扣减（表中写正数，减）；signed 按表中正负号",
        source=_STAFF,
    )
    taxable: bool = key("是否计入应税收入", default=True, source=_STAFF)
    funding: Literal["within", "outside", "department", "head_fund"] | None = key(
        "资金：within 盘内；outside 盘外；department 个人单项从其科室奖金中出；"
        "head_fund 个人单项从科主任基金中出；不写按 single_items.funding",
        default=None,
        source=_STAFF,
    )
    limit: Yuan | None = key("每笔金额不超过；不写为不限", unit="元", default=None, source=_STAFF)


class SingleModel(Section):
    """Single items: rewards and deductions decided one by one."""

    funding: Literal["within", "outside"] = key(
        "单项奖惩：within 盘内（先从奖金池扣出）；outside 盘外（另加）", source=f"{SPEC} §3"
    )
    types: list[SingleType] = key(
        "单项的类型；写了类型，表中的事项就必须是其中之一", default=[], source=_STAFF
    )

    @model_validator(mode="after")
    def _once(self) -> Self:
        names = [entry.name for entry in self.types]
        again = sorted({name for name in names if names.count(name) > 1})
        if again:
            raise ValueError(f"单项类型重名：{'、'.join(again)}")
        return self


class MeanModel(Section):
    """Pay by the mean of a stated group: administration after the clinics."""

    of_series: list[SeriesName] = key("均值取自哪些系列", min_length=1, source=_STAFF)
    of_kinds: list[str] = key("均值取自哪些科室类型；不写为全部", default=[], source=_STAFF)
    per: Literal["head", "attendance"] = key(
        "均值的分母：head 有绩效的人数；attendance 折合出勤人数", source=_STAFF
    )
    share: float = key("均值的多少（0.8 为实践示例）", unit="比例", ge=0, le=5, source=_STAFF)
    evaluation: Literal["apply", "ignore"] = key("是否乘考核系数", source=_STAFF)
    satisfaction: Literal["apply", "ignore"] = key("是否乘满意度系数", source=_STAFF)
    attendance: Literal["apply", "ignore"] = key("是否乘出勤率", source=_STAFF)


class FixedModel(Section):
    """A fixed amount or share that goes to named people before the rest is shared."""

    name: str = key("名称", min_length=1, source=_STAFF)
    amount: Yuan | None = key("每人金额", unit="元", default=None, source=_STAFF)
    share: Share | None = key(
        "占此时余额的份额，由这些人平分", unit="比例", default=None, source=_STAFF
    )
    titles: list[str] = key("职称；不写为本科室本系列全体", default=[], source=_STAFF)
    attendance: Literal["apply", "ignore"] = key(
        "金额是否乘出勤率（出勤为 0 者总是除外）", default="ignore", source=_STAFF
    )

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.amount is None) == (self.share is None):
            raise ValueError("amount 和 share 二者取一")
        return self


class SubPoolModel(Section):
    """A part of the department's money shared by points of its own."""

    name: str = key("名称", min_length=1, source=_STAFF)
    share: Share = key("占各分池的份额，合计 1", unit="比例", source=_STAFF)
    coefficients: list[Coefficient] | None = key(
        "个人系数的组成；不写按 staff.coefficients", default=None, source=_STAFF
    )
    combine: Literal["product", "sum"] | None = key(
        "个人系数怎样合成；不写按 staff.combine", default=None, source=_STAFF
    )
    attendance: Literal["ratio", "days", "ignore"] | None = key(
        "出勤；不写按 staff.attendance", default=None, source=_STAFF
    )
    formula: str | None = key("个人点数的公式，代替系数与出勤", default=None, source=_STAFF)

    @model_validator(mode="after")
    def _one(self) -> Self:
        if self.formula and (self.coefficients or self.combine or self.attendance):
            raise ValueError("写了 formula 就不能再写 coefficients、combine、attendance")
        return self


_STEPS = Literal["fixed", "head_fund", "average", "sub_pools"]


class StaffModel(Section):
    """From a department's pool to its staff."""

    coefficients: list[Coefficient] = key(
        "个人系数的组成：post 岗位系数、title 职称系数、attendance 出勤率、score 个人得分/100、"
        "evaluation 考核系数、satisfaction 满意度系数、points 个人点数",
        source=_STAFF,
    )
    combine: Literal["product", "sum"] = key(
        "个人系数怎样合成：product 相乘；sum 相加", source=_STAFF
    )
    attendance: Literal["ratio", "days", "ignore"] = key(
        "出勤：ratio 乘以实际/应出勤；days 乘以实际出勤天数；ignore 不计", source=_STAFF
    )
    missing_attendance: Literal["refuse", "full", "zero"] = key(
        "没有考勤的人员：refuse 停止并指出；full 按全勤并列入异常；zero 按 0 并列入异常",
        source=_STAFF,
    )
    above_full: Literal["refuse", "cap", "allow"] = key(
        "实际出勤多于应出勤：refuse 停止并指出；cap 按全勤；allow 照算",
        default="refuse",
        source=_STAFF,
    )
    missing_score: Literal["refuse", "full"] = key(
        "用到个人得分而没有得分的人员：refuse 停止并指出；full 按 100 分",
        default="refuse",
        source=_STAFF,
    )
    posts: Literal["days", "share"] = key(
        "一人多岗怎样折算：days 岗位占比 × 任岗天数/当月天数；share 只按岗位占比",
        default="days",
        source=_STAFF,
    )
    posts_above_one: Literal["refuse", "allow"] = key(
        "一人各岗折合超过 1：refuse 停止并指出；allow 照算", default="refuse", source=_STAFF
    )
    remainder: Literal["largest", "first"] = key(
        "分到分的尾差：largest 最大余数法；first 归工号最前者",
        default="largest",
        source=_STAFF,
    )
    order: list[_STEPS] = key(
        "科室奖金到人的次序，份额都以此时的余额计；sub_pools 须在最后",
        default=["fixed", "head_fund", "average", "sub_pools"],
        source=_STAFF,
    )
    fixed: list[FixedModel] = key("固定份额", default=[], source=_STAFF)
    average_share: Share = key(
        "平均分配（按人头，出勤为 0 者除外）的份额", unit="比例", default=0.0, source=_STAFF
    )
    head_fund_share: Share = key(
        "科主任基金：留存的份额，余额逐月结转", unit="比例", default=0.0, source=_STAFF
    )
    sub_pools: list[SubPoolModel] = key(
        "分池；不写为一个，按 staff 的系数分", default=[], source=_STAFF
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if len(set(self.order)) != len(self.order) or self.order[-1:] != ["sub_pools"]:
            raise ValueError("order 中各步至多一次，最后一步须为 sub_pools")
        uses = {
            "fixed": self.fixed,
            "head_fund": self.head_fund_share,
            "average": self.average_share,
        }
        for name, used in uses.items():
            if used and name not in self.order:
                raise ValueError(f"设有 {name}，而 order 中没有这一步")
        if self.sub_pools and abs(sum(pool.share for pool in self.sub_pools) - 1) > 1e-9:
            raise ValueError("各分池份额合计不是 1")
        names = [entry.name for entry in self.fixed] + [pool.name for pool in self.sub_pools]
        if len(set(names)) != len(names):
            raise ValueError("固定份额和分池的名称不能重复")
        for given, attendance in [
            (self.coefficients, self.attendance),
            *((p.coefficients, p.attendance or self.attendance) for p in self.sub_pools),
        ]:
            if given and "attendance" in given and attendance != "ignore":
                raise ValueError("出勤已在 coefficients 中，attendance 应为 ignore")
        return self


class ReasonModel(Section):
    """A reason given beforehand for a warning."""

    rule: int = key("规则号", ge=1, le=7, source=_RULES)
    subject: str = key("所涉对象，与检查结果一致；'*' 表示该规则全部", min_length=1, source=_RULES)
    reason: str = key("理由", min_length=1, source=_RULES)


class ComplianceModel(Section):
    """Which item classes the rules of conduct look at, and reasons for warnings."""

    drug_classes: list[_Text] = key("药品类别名", default=["药品"], source=_RULES)
    consumable_classes: list[_Text] = key("卫生材料类别名", default=["卫生材料"], source=_RULES)
    test_classes: list[_Text] = key("检查化验类别名", default=["检查", "化验"], source=_RULES)
    reasons: list[ReasonModel] = key("对警告事先写明的理由", default=[], source=_RULES)
