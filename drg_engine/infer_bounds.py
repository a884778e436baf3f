"""Low and high bounds, modes and the cap behind what a bureau paid.

A case paid its standard is normal; what is paid otherwise tells the mode, and where the two kinds
part on the scale of the ratio lies the bound.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np
import numpy.typing as npt

from drg_engine.infer_high import HighFormula, find_formula, grouped_bounds
from drg_engine.infer_numbers import Parting, best_overlap, inside, parting, plainest
from drg_engine.infer_prices import Prices
from drg_engine.infer_returns import Finding, Returns, Settings
from drg_engine.policy import Policy

__all__ = ["Bounds", "coefficient_of_low", "find_bounds", "find_off_list"]

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

_OFF_LIST = (("ungrouped", "未入组"), ("ambiguous", "歧义组"), ("no_weight", "无权重"))
_HAIR = 1e-9


@dataclass(frozen=True, slots=True)
class Bounds:
    """Sections of a policy that the returns tell, and the findings behind them."""

    low: dict[str, Any]
    high: dict[str, Any]
    overall_mean: float | None
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True, eq=False)
class _Seen:
    """Rows that can be judged, and how they were paid."""

    ratio: Floats
    standard: Bools
    charged: Bools
    other: Bools


def find_bounds(returns: Returns, prices: Prices, settings: Settings, base: Policy) -> Bounds:
    """Find [low] and [high] over what ``base`` says of the ratio and of the region's mean."""
    seen = _look(returns, base)
    low, mean, low_findings = _low(returns, prices, settings, base, seen)
    high, needed, high_findings = _high(returns, prices, settings, base, seen, mean)
    mean = needed if needed is not None else mean
    return Bounds(low, high, mean, (*low_findings, *high_findings))


def coefficient_of_low(
    returns: Returns, prices: Prices, settings: Settings, base: Policy
) -> float | None:
    """H where low cases are paid base points × ratio × PV: RW × C/S × BR tells BR without H.

    None where BR and H are parted already, where the ratio has another divisor than S, where the
    region's mean explains as many (C × control), or where the insurance types disagree.
    """
    seen = _look(returns, base)
    rows = np.flatnonzero(seen.other & (seen.ratio < 1))
    if base.rules.standard.ratio_of != "standard" or prices.parted or len(prices.coefficients) > 1:
        return None
    paid, half = returns.paid[rows] / 100.0, settings.half
    units, yuan = returns.weight[rows] * seen.ratio[rows], returns.charges[rows] / 100.0
    price, insurance = prices.price[rows], returns.insurance.codes[rows]
    by_mean = best_overlap(
        price * yuan / (paid + half), price * yuan / np.maximum(paid - half, _HAIR)
    )
    low, high, cases = 0.0, np.inf, 0
    for place in np.unique(insurance).tolist():
        here = insurance == place
        found = best_overlap((paid - half)[here] / units[here], (paid + half)[here] / units[here])
        if found is not None and found.cases >= settings.support:
            cases += found.cases
            product, off = float(price[here][0]), 1.0 + float(prices.slack[rows][here][0])
            low, high = max(low, product / off / found.high), min(high, product * off / found.low)
    if cases == 0 or by_mean is None or cases <= by_mean.cases or low > high:
        return None
    return plainest(low, high)


def find_off_list(returns: Returns, settings: Settings) -> tuple[dict[str, Any], list[Finding]]:
    """Sections [ungrouped], [ambiguous], [no_weight]: as charged, or the share paid."""
    grouped = returns.status == 0
    kinds = {
        "ungrouped": returns.status == 2,
        "ambiguous": returns.status == 1,
        "no_weight": grouped & ~(returns.weight > 0),
    }
    sections: dict[str, Any] = {}
    findings = []
    for name, title in _OFF_LIST:
        rows = np.flatnonzero(kinds[name] & returns.known)
        yuan, paid = returns.charges[rows] / 100.0, returns.paid[rows] / 100.0
        found = best_overlap((paid - settings.half) / yuan, (paid + settings.half) / yuan)
        if found is None or not 0 <= found.value <= 1:
            words = "回款表里没有这类病例，不能确定，照原政策"
            findings.append(_plain(f"{name}.mode", f"{title}病例", "（不能确定）", words))
            continue
        as_charged = found.value == 1.0
        sections[name] = {"mode": "as_charged"} if as_charged else _share(found.value)
        value = "据实支付" if as_charged else f"总费用的 {found.value:g}"
        findings.append(
            Finding(
                f"{name}.mode", f"{title}病例", value, found.low, found.high,
                found.cases, found.of, found.cases == found.of, "支付金额 ÷ 总费用",
            )
        )  # fmt: skip
    return sections, findings


def _share(value: float) -> dict[str, Any]:
    return {"mode": "share", "share": value}


def _plain(key: str, title: str, value: str, words: str) -> Finding:
    return Finding(key, title, value, np.nan, np.nan, 0, 0, False, words)


def _look(returns: Returns, base: Policy) -> _Seen:
    usable = returns.priced & returns.known
    below = np.where(usable, returns.standard, 1)
    said = base.rules.standard
    if said.ratio_of == "mean" and said.overall_mean is not None:
        below = np.maximum(np.rint(np.nan_to_num(returns.weight) * said.overall_mean * 100), 1)
    ratio = np.where(usable, returns.charges / below, np.nan)
    standard = usable & (returns.paid == returns.standard)
    charged = usable & (returns.paid == returns.charges) & ~standard
    return _Seen(ratio, standard, charged, usable & ~standard & ~charged)


def _low(
    returns: Returns, prices: Prices, settings: Settings, base: Policy, seen: _Seen
) -> tuple[dict[str, Any], float | None, list[Finding]]:
    """Mode, bound and inclusiveness of low cases; the overall mean where the mode tells it."""
    mean = base.rules.standard.overall_mean
    mode, rows, found_mean = _low_mode(returns, prices, settings, seen, mean)
    normal = seen.ratio[seen.standard]
    if not rows.any():
        return _no_low(base, normal, mean)
    parted = parting(seen.ratio[rows], normal, 0.0, 1.0)
    supported = int((seen.ratio[rows] <= parted.value).sum())
    if not 0 < parted.value < 1 or not supported:
        return _no_low(base, normal, mean)
    titles = {
        "as_charged": "据实支付（或按倍率支付，二者金额相同）",
        "ratio_points": "基准点数 × 倍率 × 点值",
        "charged_times_control": "总费用 × 调节系数",
    }
    section = {"bound": parted.value, "inclusive": bool(parted.at_bound), "mode": mode}
    findings = [
        _bound_finding("low", "低倍率界值", parted, supported, "≤" if parted.at_bound else "<"),
        Finding(
            "low.mode", "低倍率支付方式", titles[mode], np.nan, np.nan,
            supported, supported, True, "由支付金额与总费用之比得出",
        ),
        _inclusive_finding("low", parted),
    ]  # fmt: skip
    if mode == "charged_times_control" and mean is None:
        words = "由低倍率病例的调节系数得出：费率 ÷ 调节系数"
        value = f"{found_mean:,.10g}"
        findings.append(
            Finding(
                "standard.overall_mean", "地区全部病例次均费用", value, np.nan, np.nan,
                supported, supported, True, words,
            )
        )  # fmt: skip
    return section, found_mean, findings


def _low_mode(
    returns: Returns, prices: Prices, settings: Settings, seen: _Seen, mean: float | None
) -> tuple[str, Bools, float | None]:
    """The mode that explains the most low cases, its rows, and the overall mean if it tells it."""
    small = seen.ratio < 1
    charged = seen.charged & small
    other = np.flatnonzero(seen.other & small)
    yuan, paid = returns.charges[other] / 100.0, returns.paid[other] / 100.0
    half = settings.half
    points = returns.weight[other] * seen.ratio[other] * prices.price[other]
    by_points = np.abs(points - paid) <= half * (1 + _HAIR)
    scaled = prices.price[other] * yuan
    low, high = scaled / (paid + half), scaled / np.maximum(paid - half, _HAIR)
    found = best_overlap(low, high)
    value = mean if mean is not None else found.value if found is not None else np.nan
    by_control = inside(low, high, value)
    counts = [int(charged.sum()), int(by_points.sum()), int(by_control.sum())]
    best = int(np.argmax(counts))
    rows = np.zeros(returns.n, dtype=np.bool_)
    if best == 0 or counts[best] < settings.support:
        return "as_charged", charged, mean
    rows[other[by_points if best == 1 else by_control]] = True
    return ("ratio_points", rows, mean) if best == 1 else ("charged_times_control", rows, value)


def _no_low(
    base: Policy, normal: Floats, mean: float | None
) -> tuple[dict[str, Any], float | None, list[Finding]]:
    smallest = float(normal.min()) if normal.size else np.nan
    said = base.rules.low
    keeps = base.was_written("low.bound") and not smallest < said.bound
    words = f"没有见到低倍率病例；按支付标准支付的最小倍率为 {smallest:.4f}"
    words += "，界值不高于此数，不能再确定" + ("，照原政策" if keeps else "，暂记为不设")
    value = f"{said.bound:g}" if keeps else "（不设）"
    section = {} if keeps else {"bound": 0.0}
    finding = Finding("low.bound", "低倍率界值", value, 0.0, smallest, 0, normal.size, False, words)
    return section, mean, [finding]


def _bound_finding(key: str, title: str, parted: Parting, cases: int, sign: str) -> Finding:
    words = f"倍率 {sign} 界值；界值可在此区间内取任何数而结果不变"
    if parted.errors:
        words += f"；另有 {parted.errors} 例不合（可能是不纳入支付等其他规则）"
    value = f"{parted.value:g}"
    return Finding(
        f"{key}.bound", title, value, parted.low, parted.high, cases, cases + parted.errors,
        True, words,
    )  # fmt: skip


def _inclusive_finding(key: str, parted: Parting) -> Finding:
    known = parted.at_bound is not None
    value = "是" if parted.at_bound else "否"
    words = "有病例的倍率恰为界值" if known else "没有病例的倍率恰为界值，不能确定，暂记为否"
    title = "等于界值算低倍率" if key == "low" else "等于界值算高倍率"
    return Finding(f"{key}.inclusive", title, value, np.nan, np.nan, 0, 0, known, words)


def _high(
    returns: Returns,
    prices: Prices,
    settings: Settings,
    base: Policy,
    seen: _Seen,
    mean: float | None,
) -> tuple[dict[str, Any], float | None, list[Finding]]:
    """[high], the overall mean that its mode needs, and the findings."""
    charged = seen.charged & (seen.ratio > 1)
    other = seen.other & (seen.ratio > 1)
    formula = find_formula(returns, prices, settings, seen.ratio, seen.standard, other, mean)
    if formula is not None and formula.rows.sum() >= max(int(charged.sum()), 1):
        section, findings = _with_cap(returns, seen, formula)
        return section, formula.overall_mean, findings
    if not charged.any():
        section, findings = _no_high(base, seen)
    else:
        section, findings = _as_charged(returns, settings, base, seen, charged)
    return section, None, findings


def _no_high(base: Policy, seen: _Seen) -> tuple[dict[str, Any], list[Finding]]:
    normal = seen.ratio[seen.standard]
    largest = float(normal.max()) if normal.size else np.nan
    words = f"没有见到高倍率病例；按支付标准支付的最大倍率为 {largest:.4f}，界值不低于此数，"
    said = base.rules.high
    by = {"single": [said.bound], "level": list(said.levels.values())}
    bounds = by.get(said.by, [tier.bound for tier in said.tiers])
    kept = base.was_written("high") and min(bounds, default=0.0) >= largest
    words += "不能再确定" + ("，照原政策" if kept else "，暂记为超界仍按支付标准")
    section = {} if kept else {"mode": "standard"}
    finding = Finding(
        "high.bound", "高倍率界值", "（不能确定）", largest, np.inf, 0, normal.size, False, words
    )
    return section, [finding]


def _with_cap(
    returns: Returns, seen: _Seen, formula: HighFormula
) -> tuple[dict[str, Any], list[Finding]]:
    """A formula tells the bound of each case; normal cases over it are over the cap."""
    bound = formula.bound_of(returns)
    at = np.abs(seen.ratio - bound) <= _HAIR
    inclusive = bool((at & formula.rows).any())
    over = seen.standard & ((seen.ratio >= bound) if inclusive else (seen.ratio > bound))
    known = inclusive or bool((at & seen.standard).any())
    parted = Parting(np.nan, np.nan, np.nan, 0, inclusive if known else None)
    share, finding = _cap_share(returns, formula.rows, over)
    section = {**formula.section, "inclusive": inclusive, "cap_share": share}
    return section, [*formula.findings, _inclusive_finding("high", parted), finding]


def _as_charged(
    returns: Returns, settings: Settings, base: Policy, seen: _Seen, charged: Bools
) -> tuple[dict[str, Any], list[Finding]]:
    """High cases paid as charged: only the ratios tell the bound, tier by tier."""
    section, bound, parts = grouped_bounds(returns, settings, base, seen.ratio, charged,
                                           seen.standard)  # fmt: skip
    excess = returns.charges - returns.standard
    over = seen.standard & (seen.ratio > bound)
    if sum(part.errors for _, part in parts):
        floor = int(excess[charged].min())
        evidence = seen.standard & (excess >= floor)
        capped, by_cap, again = grouped_bounds(
            returns, settings, base, seen.ratio, charged, evidence
        )
        fewer = sum(p.errors for _, p in again) < sum(p.errors for _, p in parts)
        if fewer:
            section, bound, parts = capped, by_cap, again
            over = seen.standard & (seen.ratio > bound)
    high = charged & (seen.ratio >= bound)
    inclusive = all(part.at_bound is False for _, part in parts)
    known = [part.at_bound for _, part in parts if part.at_bound is not None]
    findings = [
        _bound_finding("high", f"高倍率界值{where}", part, int(high.sum()), ">")
        for where, part in parts
    ]
    flag = Parting(np.nan, np.nan, np.nan, 0, (not known[0]) if known else None)
    share, finding = _cap_share(returns, high, over)
    mode = Finding("high.mode", "高倍率支付方式", "据实支付", np.nan, np.nan, int(high.sum()),
                   int(high.sum()), True, "支付金额等于总费用")  # fmt: skip
    section = {**section, "inclusive": inclusive, "mode": "as_charged", "cap_share": share}
    return section, [*findings, mode, _inclusive_finding("high", flag), finding]


def _cap_share(returns: Returns, high: Bools, over: Bools) -> tuple[float, Finding]:
    """The share that leaves places for as many high cases as there are, by hospital."""
    codes = np.where(returns.hospital.codes < 0, len(returns.hospital.names),
                     returns.hospital.codes)  # fmt: skip
    size = len(returns.hospital.names) + 1
    n, used, left = (np.bincount(codes[rows], minlength=size)
                     for rows in (np.ones(returns.n, np.bool_), high, over))  # fmt: skip
    title = "高倍率病例占比上限"
    full = left > 0
    if not full.any():
        most = float((used / np.maximum(n, 1)).max())
        words = f"没有病例因占比已满而按正常支付；上限不低于 {most:.4%}，不能再确定，暂记为不设上限"
        return 1.0, Finding("high.cap_share", title, "1", most, 1.0, 0, 0, False, words)
    excess = returns.charges - returns.standard
    if not _by_excess(codes, excess, high, over):
        words = (
            f"{int(over.sum())} 例超过界值而按支付标准支付，但其中有的差额大于按高倍率支付的病例，"
            "不像占比上限所致（或为档位、审核等其他规则），列为不符的病例；暂记为不设上限"
        )
        return 1.0, Finding("high.cap_share", title, "1", np.nan, np.nan, 0, 0, False, words)
    low = float((used[full] / n[full]).max())
    high_end = float(((used[full] + 1) / n[full]).min())
    value = _floor_share(low, high_end, used[full], n[full])
    words = "有超界病例按正常支付；要求回款表包含全部出院病例"
    finding = Finding("high.cap_share", title, f"{value:g}", low, high_end, int(used[full].sum()),
                      int((used + left)[full].sum()), low < high_end, words)  # fmt: skip
    return value, finding


def _by_excess(
    codes: npt.NDArray[np.int64], excess: npt.NDArray[np.int64], high: Bools, over: Bools
) -> bool:
    """Whether in each hospital the cases over the cap lost less than every high case."""
    return all(
        int(excess[over & (codes == code)].max()) <= int(excess[high & (codes == code)].min())
        for code in np.unique(codes[over]).tolist()
        if (high & (codes == code)).any()
    )


def _floor_share(
    low: float, high: float, used: npt.NDArray[np.int64], n: npt.NDArray[np.int64]
) -> float:
    """Find the plainest share that rounds down to the places used; the least one otherwise."""
    value = plainest(low, min(high, 1.0))
    places = zip(used.tolist(), n.tolist(), strict=True)
    if all(int(Decimal(str(value)) * count) == taken for taken, count in places):
        return value
    return min(low + _HAIR, 1.0)
