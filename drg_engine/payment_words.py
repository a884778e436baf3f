"""The enumerations of a settlement and their Chinese words: kinds, modes, bases, insurances."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

__all__ = [
    "BASES",
    "BASIS_TITLES",
    "INSURANCE_TITLES",
    "KINDS",
    "KIND_TITLES",
    "MODES",
    "MODE_TITLES",
    "PARTS",
    "PART_TITLES",
    "UNRATED",
    "basis_of",
    "kind_of",
    "mode_of",
]

_KINDS = (
    ("normal", "正常"),
    ("low", "低倍率"),
    ("high", "高倍率"),
    ("ungrouped", "未入组"),
    ("ambiguous", "歧义组"),
    ("no_weight", "无权重"),
    ("out_of_scope", "不纳入支付"),
    ("unpriced", "无总费用"),
    ("bed_day", "床日"),
    ("review", "特例单议"),
)
_MODES = (
    ("standard", "按支付标准"),
    ("as_charged", "据实支付"),
    ("share", "按总费用的比例"),
    ("charged_times_control", "总费用 × 调节系数"),
    ("ratio_points", "基准点数 × 倍率 × 点值"),
    ("excess_share", "标准加超界部分的比例"),
    ("linear_add", "线性加成"),
    ("deduct", "扣除法"),
    ("cap", "封顶"),
    ("none", "不能结算"),
    ("ratio_standard", "支付标准 × 倍率"),
    ("bed_day", "按床日标准"),
    ("decision", "按特例单议决定"),
)
_BASES = (
    ("normal_standard", "正常病例，按支付标准支付"),
    ("low_as_charged", "低倍率病例，据实支付"),
    ("low_standard", "低倍率病例，按支付标准支付"),
    ("low_charged_times_control", "低倍率病例，按总费用乘调节系数支付"),
    ("low_ratio_standard", "低倍率病例，按支付标准乘倍率支付"),
    ("low_ratio_points", "低倍率病例，按基准点数乘倍率支付"),
    ("high_as_charged", "高倍率病例，据实支付"),
    ("high_standard", "高倍率病例，按支付标准支付"),
    ("high_excess_share", "高倍率病例，支付标准加超界部分的比例"),
    ("high_linear_add", "高倍率病例，线性加成"),
    ("high_deduct", "高倍率病例，扣除法"),
    ("high_cap", "高倍率病例，封顶支付"),
    ("normal_over_cap", "超过高倍率界值，但高倍率病例占比已满，按正常病例支付"),
    ("normal_no_mean", "病组的地区次均费用未知，不判倍率，按支付标准支付"),
    ("ungrouped_as_charged", "未入组病例，据实支付"),
    ("ungrouped_share", "未入组病例，按总费用的比例支付"),
    ("ambiguous_as_charged", "歧义组病例，据实支付"),
    ("ambiguous_share", "歧义组病例，按总费用的比例支付"),
    ("no_weight_as_charged", "病组无支付标准（无权重），据实支付"),
    ("no_weight_share", "病组无支付标准（无权重），按总费用的比例支付"),
    ("out_of_scope_as_charged", "不纳入 DRG 支付，据实支付"),
    ("out_of_scope_no_rate", "该险种没有支付标准，不纳入 DRG 支付，据实支付"),
    ("unpriced_none", "缺总费用，不能结算"),
    ("bed_day_bed_day", "床日病例，按床日标准支付"),
    ("review_decision", "特例单议，按决定的金额支付"),
    ("normal_extra", "除外支付病例，按支付标准加新项目费用支付"),
)

_PARTS = (
    ("extra", "除外支付"),
    ("tcm", "中医费用占比未达到"),
    ("readmission", "短期再入院"),
)

KINDS = tuple(code for code, _ in _KINDS)
KIND_TITLES = tuple(title for _, title in _KINDS)
MODES = tuple(code for code, _ in _MODES)
MODE_TITLES = tuple(title for _, title in _MODES)
BASES = tuple(code for code, _ in _BASES)
BASIS_TITLES = tuple(title for _, title in _BASES)
PARTS = tuple(code for code, _ in _PARTS)
PART_TITLES = tuple(title for _, title in _PARTS)
INSURANCE_TITLES: Mapping[str, str] = MappingProxyType(
    {"310": "职工", "390": "居民", "340": "离休", "other": "其他", "self": "自费"}
)
"""Names of insurances by their codes in the national catalogue; ``self`` pays all alone,
``other`` is insured elsewhere."""
UNRATED = frozenset({"other", "self"})
"""Insurances that a region's policy has no rate for by their nature."""


def kind_of(code: str) -> int:
    """Number of a kind of case."""
    return KINDS.index(code)


def mode_of(code: str) -> int:
    """Number of a mode of payment."""
    return MODES.index(code)


def basis_of(kind: str, detail: str) -> int:
    """Number of the basis for a kind of case and its mode (or special reason)."""
    return BASES.index(f"{kind}_{detail}")
