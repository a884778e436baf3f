"""The formula and the bound of high cases, from what they were paid over their standard."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from drg_engine.fit_inputs import fit_data
from drg_engine.infer_numbers import Found, Parting, best_overlap, inside, parting, plainest
from drg_engine.infer_prices import Prices
from drg_engine.infer_returns import Finding, Returns, Settings
from drg_engine.policy import Policy

__all__ = ["HighFormula", "find_formula", "grouped_bounds"]

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Rows = npt.NDArray[np.intp]

_TITLES = {
    "excess_share": "支付标准 + 比例 × (总费用 − K × 支付标准)",
    "linear_add": "A·Z + (C − K·A) × 调节系数",
    "deduct": "扣除法",
    "cap": "A·K·Z 封顶",
}
_LARGEST_BOUND = 100.0
_LEAST_BOUND = float(np.nextafter(1.0, 2.0))
_LEAST_SHARE = 1e-6
_FEN = 0.01


@dataclass(frozen=True, slots=True, eq=False)
class HighFormula:
    """A mode with its bounds: ``rows`` (n,) bears it out, ``section`` is the policy's [high].

    ``overall_mean`` is the region's mean that the mode needs, None where it needs none.
    """

    rows: Bools
    section: dict[str, Any]
    overall_mean: float | None
    findings: tuple[Finding, ...]

    def bound_of(self, returns: Returns) -> Floats:
        """K of each row."""
        said = self.section
        if said["by"] == "single":
            return np.full(returns.n, said["bound"])
        if said["by"] == "level":
            levels = [said["levels"].get(str(level), np.nan) for level in range(4)]
            return np.array(levels)[returns.level]
        uppers = [tier["upper"] for tier in said["tiers"][:-1]]
        bounds = np.array([tier["bound"] for tier in said["tiers"]])
        return bounds[np.searchsorted(np.array(uppers), returns.weight, side="right")]


@dataclass(frozen=True, slots=True, eq=False)
class _Try:
    """One formula tried: the interval of K that each row allows."""

    mode: str
    share: Found | None
    mean: Found | None
    low: Floats
    high: Floats
    hits: int


def find_formula(
    returns: Returns,
    prices: Prices,
    settings: Settings,
    ratio: Floats,
    normal: Bools,
    high: Bools,
    mean: float | None,
) -> HighFormula | None:
    """Find the formula that explains the rows of ``high`` (n,), None where there are none."""
    rows = np.flatnonzero(high)
    if not rows.size:
        return None
    tries = list(_tries(returns, prices, settings, rows, mean))
    if not tries:
        return None
    steady = ratio[normal]
    best = max(tries, key=lambda one: (one.hits, -_misplaced(one, ratio[rows], steady)))
    beside = (returns.weight[normal], steady)
    section, explained, findings = _bounds(returns, settings, rows, best, beside)
    hit = np.zeros(returns.n, dtype=np.bool_)
    hit[rows[explained]] = True
    section["mode"] = best.mode
    words, alike = "由支付金额、标准、总费用得出", False
    if best.mode in ("linear_add", "deduct") and bool((prices.coefficient[rows] == 1.0).all()):
        words, alike = "机构系数为 1 时线性加成与扣除法金额相同，不能区分", True
    told = [
        Finding(
            "high.mode", "高倍率支付方式", _TITLES[best.mode], np.nan, np.nan,
            int(explained.sum()), rows.size, bool(explained.any()) and not alike, words,
        )
    ]  # fmt: skip
    if best.share is not None:
        section["share"] = best.share.value
        sure = best.share.cases > 0
        words = "同一病组两例之间，支付之差 ÷ 总费用之差"
        if not sure:
            words = "同一病组没有两例高倍率病例，求不出斜率；取能使界值最一致的常见比例"
        told.append(
            Finding(
                "high.share", "超界部分支付比例", f"{best.share.value:.10g}", best.share.low,
                best.share.high, best.share.cases, best.share.of, sure, words,
            )
        )  # fmt: skip
    if best.mean is not None:
        told.append(_mean_finding(best, prices, mean))
    value = None if best.mean is None else best.mean.value
    return HighFormula(hit, section, value, (*told, *findings))


def _mean_finding(best: _Try, prices: Prices, given: float | None) -> Finding:
    found = best.mean or Found(np.nan, np.nan, np.nan, 0, 0)
    words = "由 费率 × 总费用之差 ÷ 支付之差 得出" if found.cases else "照原政策"
    if best.mode == "cap" and given is None:
        words = "封顶支付里约去了此数，不影响金额，暂记为一个费率"
    return Finding(
        "standard.overall_mean", "地区全部病例次均费用", f"{found.value:,.10g}", found.low,
        found.high, found.cases, found.of, bool(found.cases), words,
    )  # fmt: skip


def _tries(
    returns: Returns, prices: Prices, settings: Settings, rows: Rows, mean: float | None
) -> Iterator[_Try]:
    charges, paid = returns.charges[rows] / 100.0, returns.paid[rows] / 100.0
    standard, half = returns.standard[rows] / 100.0, settings.half
    share = _slope(returns, settings, rows) or _likely_share(charges, paid, standard, half)
    if share.value > _LEAST_SHARE:
        middle = (charges - (paid - standard) / share.value) / standard
        rough = half if settings.money_unit > _FEN else 0.0
        wide = half / share.value + np.abs(1.0 / share.value - middle) * rough
        yield _try("excess_share", middle, wide / standard, share=share)
    rw, price = returns.weight[rows], prices.price[rows]
    unit = rw * price * prices.coefficient[rows]
    anything = float(np.nanmin(price)) if mean is None else mean
    known = Found(anything, np.nan, np.nan, 0, 0)
    off = prices.slack[rows] * paid
    yield _try("cap", paid / unit, (half + off) / unit, mean=known)
    found = known if mean is not None else _mean_of_slopes(returns, prices, settings, rows)
    if found is not None:
        control = price / found.value
        each = rw * found.value * control
        added = (charges * control - paid + unit) / each
        yield _try("linear_add", added, (half + off) / each, mean=found)
        deducted = 1.0 + (charges * control - paid) / unit
        yield _try("deduct", deducted, (half + off) / unit, mean=found)


def _try(
    mode: str, middle: Floats, half: Floats, share: Found | None = None, mean: Found | None = None
) -> _Try:
    proper = (middle > 1) & (middle <= _LARGEST_BOUND)
    low = np.where(proper, middle - half, np.nan)
    high = np.where(proper, middle + half, np.nan)
    found = best_overlap(low, high)
    return _Try(mode, share, mean, low, high, 0 if found is None else found.cases)


def _misplaced(one: _Try, ratio: Floats, normal: Floats) -> int:
    """Cases on the wrong side of the bound that the formula gives."""
    found = best_overlap(one.low, one.high)
    if found is None:
        return int(ratio.size + normal.size)
    return int((ratio < found.low).sum() + (normal > found.high).sum())


def _slope(returns: Returns, settings: Settings, rows: Rows) -> Found | None:
    """Δ paid / Δ charges between neighbours of one DRG, price and standard."""
    more, gained, _ = _neighbours(returns, rows)
    unit = settings.money_unit
    found = best_overlap((gained - unit) / more, (gained + unit) / more)
    if found is None or found.high < 0 or found.low > 1:
        return None
    value = plainest(max(found.low, 0.0), min(found.high, 1.0))
    return Found(value, found.low, found.high, found.cases, found.of)


def _mean_of_slopes(
    returns: Returns, prices: Prices, settings: Settings, rows: Rows
) -> Found | None:
    """Overall mean from modes that pay the excess at price / mean: BR × Δ charges / Δ paid."""
    more, gained, first = _neighbours(returns, rows)
    unit = settings.money_unit
    up = gained > unit
    scaled = (prices.price[first] * more)[up]
    return best_overlap(scaled / (gained[up] + unit), scaled / (gained[up] - unit))


def _neighbours(returns: Returns, rows: Rows) -> tuple[Floats, Floats, Rows]:
    """Δ charges > 0 and Δ paid (yuan) of neighbours by charges in one DRG, and the first row."""
    keys: list[npt.NDArray[Any]] = [
        returns.drg.codes[rows], returns.insurance.codes[rows], returns.unit.codes[rows],
        returns.standard[rows],
    ]  # fmt: skip
    order = np.lexsort((returns.charges[rows], *keys))
    same = np.logical_and.reduce([key[order][1:] == key[order][:-1] for key in keys])
    more = np.diff(returns.charges[rows][order]) / 100.0
    gained = np.diff(returns.paid[rows][order]) / 100.0
    apart = same & (more > 0)
    return more[apart], gained[apart], rows[order][:-1][apart]


def _likely_share(charges: Floats, paid: Floats, standard: Floats, half: float) -> Found:
    """Without two cases of one DRG: the usual share under which the bounds agree the most."""
    best, most = 1.0, 0
    for share in fit_data()["values"]["shares"]["tried"]:
        middle = (charges - (paid - standard) / share) / standard
        found = best_overlap(middle - half / share / standard, middle + half / share / standard)
        if found is not None and found.cases > most and 1 < found.value <= _LARGEST_BOUND:
            best, most = float(share), found.cases
    return Found(best, 0.0, 1.0, 0, charges.size)


def _bounds(
    returns: Returns, settings: Settings, rows: Rows, one: _Try, normal: tuple[Floats, Floats]
) -> tuple[dict[str, Any], Bools, list[Finding]]:
    """One bound, or by level, or tiers of RW: the simplest that explains as many cases.

    normal: RW and ratio of the cases paid their standard, which tell how far a tier may reach.
    """
    whole = best_overlap(one.low, one.high)
    if whole is None:
        finding = Finding("high.bound", "高倍率界值", "（不能确定）", np.nan, np.nan, 0, rows.size,
                          False, "没有一个界值能解释这些病例")  # fmt: skip
        return {"by": "single", "bound": 3.0}, np.zeros(rows.size, np.bool_), [finding]
    single = inside(one.low, one.high, whole.value)
    if single.all():
        return {"by": "single", "bound": whole.value}, single, [_found("", whole)]
    by_level, hit_level = _by_level(returns, rows, one)
    tiers, hit_tier = _by_weight(returns, settings, rows, one, normal)
    most = max(int(hit.sum()) for hit in (single, hit_level, hit_tier))
    if single.sum() == most:
        return {"by": "single", "bound": whole.value}, single, [_found("", whole)]
    if hit_level.sum() == most:
        levels = {str(level): found.value for level, found in by_level.items()}
        told = [_found(f"（{level} 级）", found) for level, found in by_level.items()]
        return {"by": "level", "levels": levels}, hit_level, told
    section = [
        {"upper": upper, "bound": found.value} if upper is not None else {"bound": found.value}
        for upper, _, found in tiers
    ]
    told = [_found(f"（RW {words}）", found) for _, words, found in tiers]
    return {"by": "weight", "tiers": tuple(section)}, hit_tier, told


def _found(where: str, found: Found) -> Finding:
    words = "由高倍率病例的支付金额倒算"
    return Finding(
        "high.bound", f"高倍率界值{where}", f"{found.value:.10g}", found.low, found.high,
        found.cases, found.of, True, words,
    )  # fmt: skip


def _by_level(returns: Returns, rows: Rows, one: _Try) -> tuple[dict[int, Found], Bools]:
    hit = np.zeros(rows.size, dtype=np.bool_)
    level = returns.level[rows]
    bounds: dict[int, Found] = {}
    if np.unique(level).size < 2 or (level == 0).any():
        return bounds, hit
    for number in np.unique(level)[::-1].tolist():
        found = best_overlap(one.low[level == number], one.high[level == number])
        if found is not None:
            bounds[number] = found
            hit |= (level == number) & inside(one.low, one.high, found.value)
    return bounds, hit


def _by_weight(
    returns: Returns, settings: Settings, rows: Rows, one: _Try, normal: tuple[Floats, Floats]
) -> tuple[list[tuple[float | None, str, Found]], Bools]:
    """Tiers of RW: bounds are peeled off one after the other, then laid along RW."""
    weight = returns.weight[rows]
    left = np.isfinite(one.low)
    hit = np.zeros(rows.size, dtype=np.bool_)
    peeled: list[tuple[float, float, Found]] = []
    while left.any() and len(peeled) < settings.most_tiers:
        found = best_overlap(np.where(left, one.low, np.nan), np.where(left, one.high, np.nan))
        if found is None or (peeled and found.cases < settings.support):
            break
        those = left & inside(one.low, one.high, found.value)
        left &= ~those
        hit |= those
        peeled.append((float(weight[those].min()), float(weight[those].max()), found))
    peeled.sort(key=lambda tier: tier[0])
    apart = all(before[1] < after[0] for before, after in pairwise(peeled))
    if not apart or len(peeled) < 2:
        return [], np.zeros(rows.size, dtype=np.bool_)
    return list(_laid(peeled, *normal)), hit


def _laid(
    peeled: Sequence[tuple[float, float, Found]], weight: Floats, ratio: Floats
) -> Iterator[tuple[float | None, str, Found]]:
    """Tiers along RW.  A normal case over the next tier's bound, but not over this one's, is here.

    weight, ratio: of the cases paid their standard.
    """
    for place, (_, top, found) in enumerate(peeled):
        if place + 1 == len(peeled):
            yield None, "以上各档之外", found
            return
        following, _, after = peeled[place + 1]
        here = (weight > top) & (weight < following)
        here &= (ratio > after.high) & (ratio <= found.high)
        least = float(weight[here].max(initial=top))
        upper = plainest(float(np.nextafter(least, np.inf)), following)
        yield upper, f"< {upper:g}，档上限可在 {least:g} 至 {following:g} 之间", found


def grouped_bounds(
    returns: Returns, settings: Settings, base: Policy, ratio: Floats, high: Bools, normal: Bools
) -> tuple[dict[str, Any], Floats, list[tuple[str, Parting]]]:
    """Bounds by parting high from normal ratios: one, by level, or by the tiers that base has.

    Gives [high] as far as it goes, K of each row, and the parting of each group with its name.
    """
    best: tuple[dict[str, Any], Floats, list[tuple[str, Parting]]] | None = None
    for section, groups in _groupings(returns, base):
        bound = np.full(returns.n, np.nan)
        parts = []
        for where, rows in groups:
            part = parting(ratio[normal & rows], ratio[high & rows], _LEAST_BOUND, _LARGEST_BOUND)
            bound[rows] = part.value
            parts.append((where, part))
        errors = sum(part.errors for _, part in parts)
        if best is None or errors < sum(part.errors for _, part in best[2]):
            best = (_section(section, [part.value for _, part in parts]), bound, parts)
    if best is None:
        raise ValueError("没有可分的组")
    return best


def _groupings(
    returns: Returns, base: Policy
) -> Iterator[tuple[dict[str, Any], list[tuple[str, Bools]]]]:
    yield {"by": "single"}, [("", np.ones(returns.n, dtype=np.bool_))]
    there = [level for level in (3, 2, 1) if (returns.level == level).any()]
    if len(there) > 1:
        yield (
            {"by": "level", "names": there},
            [(f"（{level} 级）", returns.level == level) for level in there],
        )
    said = base.rules.high
    if said.by == "weight":
        uppers = [tier.upper for tier in said.tiers if tier.upper is not None]
        side = "left" if said.tier_inclusive else "right"
        tier = np.searchsorted(np.array(uppers), returns.weight, side=side)  # type: ignore[call-overload]
        names = [*(f"（RW 至 {upper:g}）" for upper in uppers), "（RW 更大）"]
        yield (
            {"by": "weight", "uppers": [*uppers, None], "tier_inclusive": said.tier_inclusive},
            [(name, tier == place) for place, name in enumerate(names)],
        )


def _section(section: dict[str, Any], bounds: list[float]) -> dict[str, Any]:
    if section["by"] == "single":
        return {"by": "single", "bound": bounds[0]}
    if section["by"] == "level":
        levels = zip(section["names"], bounds, strict=True)
        return {"by": "level", "levels": {str(level): bound for level, bound in levels}}
    tiers = [
        {"bound": bound} if upper is None else {"upper": upper, "bound": bound}
        for upper, bound in zip(section["uppers"], bounds, strict=True)
    ]
    return {"by": "weight", "tiers": tuple(tiers), "tier_inclusive": section["tier_inclusive"]}
