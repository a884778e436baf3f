"""What a payment policy may say: every key with its Chinese title, unit, range and default.

The models are the one place where a key is described; :mod:`drg_engine.policy` reads the
descriptions for faults, listings and the JSON schema.  Numbers here are bounds and defaults only.
"""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from pydantic import Field

from drg_engine._policy_fields import (
    DAYS,
    PART,
    RATIO,
    YUAN,
    YUAN_POINT,
    YUAN_RW,
    Code,
    Codes,
    FileName,
    Level,
    Means,
    Name,
    Positive,
    Section,
    Share,
    Text,
    key,
)
from drg_engine._policy_frozen import FROZEN

__all__ = [
    "BedDay",
    "Coefficient",
    "Extra",
    "Fund",
    "High",
    "Indicators",
    "Info",
    "Low",
    "Named",
    "OffList",
    "Points",
    "PolicyRules",
    "Price",
    "Readmission",
    "Review",
    "ScopeRule",
    "Standard",
    "Tcm",
    "Tier",
]


class Info(Section):
    """[policy]: what the file is and when it is in force."""

    name: Name = key(title="政策代号", why="字母开头，可含数字、下划线、点、短横", pays=False)
    title: Text = key(title="政策名称", pays=False)
    authority: str = key("", title="制定机构", pays=False)
    document: str = key("", title="文号", pays=False)
    effective_from: date = key(title="生效日期", why="含当日", pays=False)
    effective_to: date | None = key(
        None, title="失效日期", why="不含当日；不写为至今有效", pays=False
    )
    dated_by: Literal["discharge", "settlement"] = key(
        "discharge",
        title="按哪个日期选用",
        why="discharge 出院日期；settlement 结算日期；一次结算用几份政策时各份须相同",
    )
    source: Text = key(title="默认来源", why="[sources] 未另注明的各项以此为来源", pays=False)
    notes: str = key("", title="说明", pays=False)


class Price(Section):
    """[[standard.prices]]: one row of the direct table."""

    drg: Code = key(title="病组", why="方案中的病组编码")
    level: Level | None = key(None, title="医院级别", why="3 三级、2 二级、1 一级；不写为各级")
    insurance: Code | None = key(None, title="险种", why="险种编码；不写为各险种")
    yuan: float = key(title="支付标准", unit=YUAN, gt=0, why="不再乘机构系数")


class Standard(Section):
    """[standard]: how the payment standard S comes about (payment.md §2)."""

    method: Literal["rate", "points", "table"] = key(
        "rate", title="支付标准算法", why="rate 费率法；points 点数法；table 直接查表"
    )
    ratio_of: Literal["standard", "mean"] = key(
        "standard", title="倍率的分母", why="standard 支付标准 S；mean 地区病组次均费用 A"
    )
    overall_mean: float | None = key(
        None,
        title="地区全部病例次均费用",
        unit=YUAN,
        gt=0,
        why="A = 权重 × 此数（病组另有次均费用者除外）；以均值为分母或需调节系数的支付方式必填",
    )
    means: Means = key(
        {}, title="病组次均费用", unit=YUAN, why="按病组编码；优先于 权重 × 全部病例次均费用"
    )
    means_file: FileName | None = key(
        None,
        title="病组次均费用文件",
        why="政策文件旁的 CSV 或 Excel，列 病组、次均费用；means 中的优先",
    )
    prices: tuple[Price, ...] = key((), title="支付标准表", why="直接查表法：病组、级别、险种各行")
    prices_file: FileName | None = key(
        None,
        title="支付标准表文件",
        why="政策文件旁的 CSV 或 Excel，列 病组、级别、险种、支付标准；可有 生效日期、失效日期；"
        "prices 中同一病组、级别、险种的行优先",
    )


class Points(Section):
    """[points]: the point method (payment.md §2)."""

    scale: float = key(100.0, title="基准点数", unit="点/1.0 RW", gt=0, why="常见 1、100、1000")
    find: Literal["given", "fund", "total"] = key(
        "given",
        title="点值的来历",
        why="given 给定；fund 基金预算 ÷ 总点数；total（基金预算 + 个人支付）÷ 总点数；"
        "后两者要求病例是全地区的",
    )
    values: Means = key({}, title="点值", unit=YUAN_POINT, why="按险种编码；给定时用")
    budgets: Means = key({}, title="基金预算", unit=YUAN, why="按险种编码；由预算求点值时用")
    pooled: bool = key(False, title="各险种合并求点值", why="否为各险种分别求")


class Coefficient(Section):
    """[coefficient]: the hospital coefficient H; the most specific entry wins."""

    default: float = key(
        1.0, title="机构系数", unit="系数", gt=0, le=10, why="没有更具体的系数时用"
    )
    by_level: Annotated[dict[Level, Positive], FROZEN] = key(
        {}, title="机构系数（按级别）", unit="系数", why="3 三级、2 二级、1 一级"
    )
    by_hospital: Means = key({}, title="机构系数（按医院）", unit="系数", why="优先于按级别")
    by_hospital_file: FileName | None = key(
        None,
        title="机构系数（按医院）文件",
        why="政策文件旁的 CSV 或 Excel，列 医院、机构系数；by_hospital 中的优先",
    )
    by_drg: Annotated[dict[Code, Annotated[dict[Level, Positive], FROZEN]], FROZEN] = key(
        {}, title="机构系数（按病组和级别）", unit="系数", why="优先于按医院"
    )
    by_drg_file: FileName | None = key(
        None,
        title="机构系数（按病组和级别）文件",
        why="政策文件旁的 CSV 或 Excel，列 病组、级别、机构系数；级别不写为各级；by_drg 中的优先",
    )
    base_list: Codes = key((), title="基层病组", why="同病同价，机构系数固定为 1")
    base_list_file: FileName | None = key(
        None, title="基层病组文件", why="政策文件旁的 CSV 或 Excel，列 病组；与 base_list 合并"
    )
    minimum: float = key(0.0, title="机构系数下限", unit="系数", ge=0, le=10, why="低于此数按此数")
    maximum: float = key(10.0, title="机构系数上限", unit="系数", gt=0, le=10, why="高于此数按此数")


class Named(Section):
    """One rule of a list."""

    code: Name = key(title="规则代号", pays=False)
    title: Text = key(title="规则名称", why="用于依据说明", pays=False)


class ScopeRule(Named):
    """[[scope]]: cases outside DRG payment; all conditions of a rule must hold."""

    los_over: int | None = key(
        None, title="住院天数大于", unit=DAYS, ge=0, le=3650, why="不含本数；天数缺失不满足"
    )
    los_at_most: int | None = key(
        None, title="住院天数不超过", unit=DAYS, ge=0, le=3650, why="含本数；天数缺失不满足"
    )
    charges_below: float | None = key(
        None, title="总费用低于", unit=YUAN, gt=0, le=10_000_000, why="不含本数"
    )
    dx_prefixes: Codes = key((), title="主要诊断编码开头", why="如 Z53.；末尾的 * 可写可不写")
    insurances: Codes = key((), title="险种", why="险种编码")
    drgs: Codes = key((), title="病组", why="方案中的病组编码")
    regions_outside: Codes = key(
        (), title="参保地不在", why="本地参保地的写法；参保地缺失不满足；用于异地就医"
    )
    listed: bool = key(
        False,
        title="在名单中",
        why="病例的“不纳入规则”列或当月 out_of_scope.csv 写有本规则的代号",
    )
    dx_file: FileName | None = key(
        None,
        title="主要诊断文件",
        why="政策文件旁的 CSV 或 Excel，列 诊断编码；与 dx_prefixes 合并",
    )
    drgs_file: FileName | None = key(
        None, title="病组文件", why="政策文件旁的 CSV 或 Excel，列 病组；与 drgs 合并"
    )


class OffList(Section):
    """[ungrouped], [ambiguous], [no_weight]: cases without a payment standard."""

    mode: Literal["as_charged", "share"] = key(
        "as_charged", title="支付方式", why="as_charged 据实；share 总费用的一定比例"
    )
    share: float = key(1.0, title="支付比例", unit=PART, ge=0, le=1, why="方式为 share 时用")


class Low(Section):
    """[low]: cases far below the standard."""

    bound: float = key(0.4, title="低倍率界值", unit=RATIO, ge=0, lt=1, why="0 为不设低倍率")
    inclusive: bool = key(False, title="等于界值算低倍率", why="否：倍率 < 界值；是：倍率 ≤ 界值")
    mode: Literal[
        "as_charged", "standard", "charged_times_control", "ratio_points", "ratio_standard"
    ] = key(
        "as_charged",
        title="低倍率支付方式",
        why="as_charged 据实；standard 按支付标准；charged_times_control 总费用 × 调节系数；"
        "ratio_points 基准点数 × 倍率 × 点值，不超过基准点数；"
        "ratio_standard 支付标准 × 倍率，不超过标准",
    )


class Tier(Section):
    """[[high.tiers]]: one tier of the high bound."""

    upper: float | None = key(None, title="档上限", gt=0, why="权重或基准点数；最后一档不写")
    bound: float = key(title="高倍率界值", unit=RATIO, gt=1, le=100, why="本档的界值")


class High(Section):
    """[high]: cases far above the standard, and the cap on their number."""

    by: Literal["single", "level", "weight", "points"] = key(
        "single",
        title="高倍率界值的取法",
        why="single 一个数；level 按医院级别；weight 按权重分档；points 按基准点数分档",
    )
    bound: float = key(3.0, title="高倍率界值", unit=RATIO, gt=1, le=100, why="取法为 single 时用")
    levels: Annotated[dict[Level, Annotated[float, Field(gt=1, le=100)]], FROZEN] = key(
        {}, title="高倍率界值（按级别）", unit=RATIO, why="取法为 level 时用"
    )
    tiers: tuple[Tier, ...] = key((), title="高倍率界值（分档）", why="自小到大；最后一档不写上限")
    tier_inclusive: bool = key(
        False, title="等于档上限归入该档", why="否：数值 < 档上限；是：数值 ≤ 档上限"
    )
    inclusive: bool = key(False, title="等于界值算高倍率", why="否：倍率 > 界值；是：倍率 ≥ 界值")
    mode: Literal["as_charged", "standard", "excess_share", "linear_add", "deduct", "cap"] = key(
        "excess_share",
        title="高倍率支付方式",
        why="as_charged 据实；standard 按支付标准；excess_share S + 比例 × (C − K·S)；"
        "linear_add A·Z + (C − K·A) × 调节系数；deduct 扣除法；cap A·K·Z 封顶",
    )
    share: float = key(
        1.0, title="超界部分支付比例", unit=PART, ge=0, le=1, why="excess_share 方式用"
    )
    cap_share: float = key(
        0.05,
        title="高倍率病例占比上限",
        unit=PART,
        ge=0,
        le=1,
        why="超出的按正常病例支付；1 为不设上限；按医院分别计",
    )
    cap_of: Literal["discharges", "in_scope"] = key(
        "discharges",
        title="占比上限的基数",
        why="discharges 全部出院病例；in_scope 范围内有标准的病例",
    )


class BedDay(Named):
    """[[bed_day]]: cases paid by the day (床日)."""

    drgs: Codes = key((), title="病组", why="方案中的病组编码")
    drgs_file: FileName | None = key(
        None, title="病组文件", why="政策文件旁的 CSV 或 Excel，列 病组；与 drgs 合并"
    )
    dx_prefixes: Codes = key((), title="主要诊断编码开头", why="如 F20.")
    los_over: int | None = key(None, title="住院天数大于", unit=DAYS, ge=0, le=3650, why="不含本数")
    per_day: float = key(title="床日标准", unit="元/天，点数法为 点/天", gt=0, why="乘住院天数")


class Review(Section):
    """[review]: cases paid by decision (特例单议), listed in the cases' column."""

    column: str = key(
        "",
        title="特例单议金额列",
        why="如 review_paid；病例表的列或当月 review.csv；不写为不执行",
    )
    cap_share: float = key(
        0.05, title="特例单议占比上限", unit=PART, ge=0, le=1, why="占出院病例；超出的按一般规则"
    )


class Readmission(Section):
    """[readmission]: the earlier of two close stays in one DRG is cut."""

    days: int | None = key(
        None, title="再入院天数", unit=DAYS, ge=0, le=365, why="出院后几天内（含）；不写为不执行"
    )
    factor: float = key(
        0.5, title="前次住院支付比例", unit=PART, ge=0, le=1, why="乘在前次应付金额上"
    )
    except_dx: Codes = key(
        (), title="不计再入院的主要诊断", why="编码开头，如放化疗；前后两次任一符合即不计"
    )
    except_file: FileName | None = key(
        None,
        title="不计再入院的主要诊断文件",
        why="政策文件旁的 CSV 或 Excel，列 诊断编码；与 except_dx 合并",
    )


class Extra(Named):
    """[[extra]]: extra items (除外支付)."""

    column: Text = key(title="新项目费用列", why="如 extra_drug；病例表的列或当月 new_items.csv")
    charges_over: float = key(
        2.0, title="总费用大于病组次均的", unit=RATIO, ge=0, le=100, why="不含本数"
    )
    share_over: float = key(0.64, title="新项目占总费用大于", unit=PART, ge=0, le=1, why="不含本数")
    means: Annotated[dict[Code, Annotated[float, Field(ge=0)]], FROZEN] = key(
        {}, title="病组该类次均费用", unit=YUAN, why="按病组编码；未列的病组不适用"
    )
    means_file: FileName | None = key(
        None,
        title="病组该类次均费用文件",
        why="政策文件旁的 CSV 或 Excel，列 病组、次均费用；means 中的优先",
    )


class Tcm(Section):
    """[tcm]: TCM groups ask for a minimum share of TCM charges."""

    drgs: Codes = key((), title="中医病组", why="方案中的病组编码")
    drgs_file: FileName | None = key(
        None, title="中医病组文件", why="政策文件旁的 CSV 或 Excel，列 病组；与 drgs 合并"
    )
    column: Text = key("fee_tcm", title="中医费用列", why="病例中的金额列")
    minimum: float = key(0.0, title="中医费用占比下限", unit=PART, ge=0, le=1, why="等于下限算达到")
    otherwise: float = key(
        1.0, title="未达到时的支付比例", unit=PART, ge=0, le=1, why="乘在该病例应付金额上"
    )


class Fund(Section):
    """[fund]: how much of a case the fund pays, and when (payment.md §4)."""

    way: Literal["residual", "proportional", "share", "full"] = key(
        "residual",
        title="基金支付算法",
        why="residual S − 个人 − 其他；proportional [S×(1 − 自费/C − 先行自付/C) − 起付线]×k；"
        "share (S − 自费 − 先行自付 − 起付线)×k；full 支付标准即基金应付（点值按基金预算求得时用）",
    )
    k: Annotated[dict[Code, Share], FROZEN] = key(
        {}, title="政策范围内支付比例", unit=PART, why="按险种编码"
    )
    default_k: float = key(
        1.0, title="政策范围内支付比例（其他险种）", unit=PART, ge=0, le=1, why="未列险种"
    )
    prepaid: float = key(1.0, title="月度预付比例", unit=PART, ge=0, le=1, why="占基金应付金额")
    retained: float = key(
        0.0, title="质量保证金比例", unit=PART, ge=0, le=1, why="占基金应付金额，年终清算"
    )


class Indicators(Section):
    """[indicators]: thresholds of the report's figures (payment.md §6)."""

    heavy_weight: float = key(2.0, title="疑难重症权重", gt=0, le=100, why="RW 达到此数即计入")
    accuracy_above: float = key(
        0.9, title="控费准确率下界", unit=RATIO, ge=0, le=1, why="总费用 / 标准须大于此数"
    )
    accuracy_below: float = key(
        1.1, title="控费准确率上界", unit=RATIO, ge=1, le=10, why="总费用 / 标准须小于此数"
    )


class PolicyRules(Section):
    """One policy file."""

    policy: Info = key(title="政策")
    standard: Standard = key(Standard(), title="支付标准")
    rates: Means = key(
        {}, title="费率", unit=YUAN_RW, why="费率法：按险种编码；未列的险种不在支付范围内"
    )
    points: Points = key(Points(), title="点数法")
    coefficient: Coefficient = key(Coefficient(), title="机构系数")
    scope: tuple[ScopeRule, ...] = key((), title="不纳入 DRG 支付的病例", why="按顺序，先中先用")
    ungrouped: OffList = key(OffList(), title="未入组病例")
    ambiguous: OffList = key(OffList(), title="歧义组病例")
    no_weight: OffList = key(OffList(), title="无权重病组病例")
    low: Low = key(Low(), title="低倍率")
    high: High = key(High(), title="高倍率")
    bed_day: tuple[BedDay, ...] = key((), title="床日病例", why="按顺序，先中先用")
    review: Review = key(Review(), title="特例单议")
    readmission: Readmission = key(Readmission(), title="再入院")
    extra: tuple[Extra, ...] = key((), title="除外支付", why="按顺序，先中先用")
    tcm: Tcm = key(Tcm(), title="中医病组")
    fund: Fund = key(Fund(), title="基金支付")
    indicators: Indicators = key(Indicators(), title="指标")
    sources: Annotated[dict[str, Text], FROZEN] = key(
        {}, title="来源", why="键名（如 low 或 low.bound）→ 文号、公布文件或“示例”", pays=False
    )
