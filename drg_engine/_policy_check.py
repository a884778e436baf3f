"""What one key of a policy demands of another."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import pairwise

from drg_engine._policy_keys import catalogue
from drg_engine._policy_model import Named, PolicyRules
from drg_engine.errors import Fault

__all__ = ["cross_faults", "unknown_codes"]

_NEED_MEAN = ("charged_times_control", "linear_add", "deduct", "cap")
_CONDITIONS = (
    "los_over",
    "los_at_most",
    "charges_below",
    "dx_prefixes",
    "insurances",
    "drgs",
    "regions_outside",
)


def cross_faults(rules: PolicyRules, file: str) -> Iterator[Fault]:
    """Every contradiction between keys that are each well-formed."""
    yield from _standard_faults(rules, file)
    yield from _bound_faults(rules, file)
    yield from _scope_faults(rules, file)
    yield from _other_faults(rules, file)


def unknown_codes(
    key: str, codes: Iterable[str], known: Iterable[str], file: str
) -> Iterator[Fault]:
    """Codes that the policy names and the scheme does not have, with the nearest one."""
    there = set(known)
    for code in codes:
        if code not in there:
            near = difflib.get_close_matches(code, sorted(there), 1)
            mend = f"是否想写 {near[0]}？" if near else "请核对分组方案"
            yield Fault(file, "分组方案里没有这个病组", column=key, found=code, mend=mend)


def _standard_faults(rules: PolicyRules, file: str) -> Iterator[Fault]:
    method = rules.standard.method
    given = rules.points.find == "given"
    points = ("values", rules.points.values) if given else ("budgets", rules.points.budgets)
    needed = {"rate": ("rates", rules.rates), "points": (f"points.{points[0]}", points[1])}
    if method in needed and not needed[method][1]:
        yield Fault(file, "支付标准算法需要此项，却没有", column=needed[method][0])
    if method == "table" and not rules.standard.prices:
        mend = "写 standard.prices_file（政策文件旁的表）或 standard.prices"
        yield Fault(file, "直接查表法需要支付标准表", column="standard.prices", mend=mend)
    if rules.standard.overall_mean is not None:
        return
    if rules.extra and not rules.standard.means:
        yield Fault(file, "除外支付要与地区次均费用比，须填写此项", column="standard.overall_mean")
    why = None
    if rules.standard.ratio_of == "mean" and not rules.standard.means:
        why = "倍率以地区次均费用为分母"
    for mode in (rules.low.mode, rules.high.mode):
        if mode in _NEED_MEAN:
            why = f"支付方式 {mode} 要用调节系数"
    if why:
        yield Fault(file, f"{why}，须填写此项", column="standard.overall_mean", mend="单位 元")


def _bound_faults(rules: PolicyRules, file: str) -> Iterator[Fault]:
    high = rules.high
    if high.by == "level" and not high.levels:
        yield Fault(file, "按级别取界值，却没有各级界值", column="high.levels")
    if high.by in ("weight", "points"):
        yield from _tier_faults(rules, file)
    if rules.standard.method != "table":
        return
    for key, mode in (("low.mode", rules.low.mode), ("high.mode", high.mode)):
        if mode in (*_NEED_MEAN, "ratio_points"):
            yield Fault(file, "直接查表法没有费率或点值，不能用此支付方式", column=key, found=mode)


def _tier_faults(rules: PolicyRules, file: str) -> Iterator[Fault]:
    tiers = rules.high.tiers
    if not tiers:
        yield Fault(file, "分档取界值，却没有分档", column="high.tiers")
        return
    uppers = [tier.upper for tier in tiers[:-1]]
    if tiers[-1].upper is not None or None in uppers:
        yield Fault(file, "只有最后一档不写上限", column="high.tiers", mend="前面各档都要写 upper")
        return
    known = [upper for upper in uppers if upper is not None]
    if any(low >= up for low, up in pairwise(known)):
        yield Fault(file, "各档上限须自小到大", column="high.tiers", found=str(known))


def _scope_faults(rules: PolicyRules, file: str) -> Iterator[Fault]:
    for index, rule in enumerate(rules.scope):
        if not rule.listed and all(getattr(rule, name) in (None, ()) for name in _CONDITIONS):
            words = "、".join((*_CONDITIONS, "listed"))
            yield Fault(
                file, "规则没有任何条件", column=f"scope[{index}]", mend=f"至少写一项：{words}"
            )
    for index, bed in enumerate(rules.bed_day):
        if not bed.drgs and not bed.dx_prefixes and bed.los_over is None:
            words = "drgs、dx_prefixes、los_over"
            yield Fault(
                file, "规则没有任何条件", column=f"bed_day[{index}]", mend=f"至少写一项：{words}"
            )
    for index, extra in enumerate(rules.extra):
        if not extra.means:
            key = f"extra[{index}].means"
            mend = "写 means，或用 means_file 指明政策文件旁的表"
            yield Fault(file, "除外支付需要病组该类次均费用", column=key, mend=mend)
    named: dict[str, tuple[Named, ...]] = {
        "scope": rules.scope,
        "bed_day": rules.bed_day,
        "extra": rules.extra,
    }
    for key, listed in named.items():
        for code, count in Counter(rule.code for rule in listed).items():
            if count > 1:
                yield Fault(file, "规则代号重复", column=key, found=code)


def _other_faults(rules: PolicyRules, file: str) -> Iterator[Fault]:
    info = rules.policy
    if info.effective_to is not None and info.effective_to <= info.effective_from:
        yield Fault(
            file,
            "失效日期须晚于生效日期",
            column="policy.effective_to",
            found=str(info.effective_to),
        )
    if rules.coefficient.minimum > rules.coefficient.maximum:
        yield Fault(file, "机构系数下限大于上限", column="coefficient.minimum")
    known = catalogue()
    for key in rules.sources:
        plain = key.replace("[]", "")
        if not any(plain == k.replace("[]", "") for k in known) and not _entry(plain, rules):
            near = difflib.get_close_matches(key, list(known), 1)
            mend = f"是否想写 {near[0]}？" if near else None
            yield Fault(file, "来源所指的键不存在", column="sources", found=key, mend=mend)


def _entry(key: str, rules: PolicyRules) -> bool:
    """Whether ``key`` is an entry of a table that is there, as ``rates.310``."""
    value: object = rules
    for part in key.split("."):
        if isinstance(value, dict):
            if part not in value:
                return False
            value = value[part]
        elif hasattr(value, part):
            value = getattr(value, part)
        else:
            return False
    return True
