"""Base rates and the hospital coefficient behind a bureau's payment standards.

``S = RW × BR × H`` rounded: each case bounds ``BR × H`` to a narrow interval, and where most of
them overlap is the price.  BR and H part only where something has ``H = 1`` (the base list) or one
of the two is known.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from drg_engine.infer_numbers import Found, best_overlap, inside, plainest
from drg_engine.infer_returns import Finding, Returns, Settings

__all__ = ["Prices", "find_prices", "rates_beside"]

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

_LARGEST_H = 10.0


@dataclass(frozen=True, slots=True, eq=False)
class Prices:
    """Rates by insurance type (yuan per 1.0 RW), coefficient by unit (hospital or level).

    ``price`` and ``coefficient`` (n,) are each row's BR and H, NaN where not found; ``base_list``
    are DRGs that show H = 1; ``parted`` whether BR and H are known apart.
    ``slack`` (n,) is how far each row's BR × H may be off, as a share of it.
    """

    rates: dict[str, float]
    coefficients: dict[str, float]
    base_list: tuple[str, ...]
    parted: bool
    price: Floats
    coefficient: Floats
    slack: Floats
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True, eq=False)
class _Evidence:
    """Bounds of BR × H for each row, and the product found in each (insurance, unit) cell."""

    low: Floats
    high: Floats
    cell: npt.NDArray[np.int64]
    product: dict[tuple[int, int], Found]
    hit: Bools


def find_prices(
    returns: Returns,
    settings: Settings,
    known_rates: Mapping[str, float] | None = None,
    why: str = "按给定的费率，不是反推的",
) -> Prices:
    """Find rates and coefficients.

    ``known_rates`` (by insurance type) part BR and H; ``why`` says where they are from.
    """
    seen = _evidence(returns, settings)
    units = sorted({unit for _, unit in seen.product})
    bases, listed = _base_list(returns, settings, seen)
    anchors = dict(bases)
    for place, name in enumerate(returns.insurance.names):
        if known_rates and name in known_rates:
            value = float(known_rates[name])
            anchors[place] = Found(value, value, value, 0, 0)
    parted = bool(anchors)
    reference = _busiest(seen, units)
    rates = _rates(seen, anchors, reference)
    spans = {unit: _span(seen, rates, unit) for unit in units}
    if not parted and reference is not None:
        spans[reference] = (1.0, 1.0, True)
    coefficients = {unit: plainest(low, high) for unit, (low, high, _) in spans.items()}
    _fill(seen, rates, coefficients)
    findings = [
        *_rate_findings(returns, seen, anchors, rates, parted, known_rates or {}, why),
        *_coefficient_findings(returns, seen, spans, coefficients, parted),
    ]
    if listed.any():
        findings.append(_list_finding(returns, listed))
    return _prices(returns, seen, rates, coefficients, listed, parted, tuple(findings))


def rates_beside(returns: Returns, settings: Settings, h: float) -> dict[str, float]:
    """BR of each insurance type where H is ``h`` for every case, the plainest that fits."""
    seen = _evidence(returns, settings)
    return {
        returns.insurance.names[insurance]: plainest(found.low / h, found.high / h)
        for (insurance, _), found in sorted(seen.product.items())
    }


def _evidence(returns: Returns, settings: Settings) -> _Evidence:
    yuan, half, rough = returns.standard / 100.0, settings.half, settings.weight_unit / 2.0
    weight = np.where(returns.priced, returns.weight, np.nan)
    low = (yuan - half) / (weight + rough)
    high = (yuan + half) / np.maximum(weight - rough, np.nextafter(0.0, 1.0))
    width = len(returns.unit.names) + 1
    at = np.where(returns.unit.codes < 0, width - 1, returns.unit.codes)
    cell = returns.insurance.codes.astype(np.int64) * width + at
    product: dict[tuple[int, int], Found] = {}
    hit = np.zeros(returns.n, dtype=np.bool_)
    for number in np.unique(cell[returns.priced]).tolist():
        rows = np.flatnonzero(returns.priced & (cell == number))
        found = best_overlap(low[rows], high[rows])
        if found is not None:
            product[divmod(number, width)] = found
            hit[rows] = inside(low[rows], high[rows], found.value)
    return _Evidence(low, high, cell, product, hit)


def _base_list(
    returns: Returns, settings: Settings, seen: _Evidence
) -> tuple[dict[int, Found], Bools]:
    """Second price of each insurance type, and the DRGs (names,) all of whose cases have it.

    It counts as BR with H = 1 where enough cases of whole DRGs show it and the ratio of the two
    prices is alike in all insurance types of a unit.
    """
    drg = returns.drg.codes
    listed = np.zeros(len(returns.drg.names), dtype=np.bool_)
    off = returns.priced & ~seen.hit
    second: dict[int, Found] = {}
    fits = np.zeros(returns.n, dtype=np.bool_)
    for place in np.unique(returns.insurance.codes[off]).tolist():
        rows = np.flatnonzero(off & (returns.insurance.codes == place))
        found = best_overlap(seen.low[rows], seen.high[rows])
        if found is not None and found.cases >= settings.support:
            second[place] = found
            of_type = returns.priced & (returns.insurance.codes == place)
            fits |= of_type & inside(seen.low, seen.high, found.value)
    if not second:
        return {}, listed
    every = np.bincount(drg[returns.priced], minlength=listed.size)
    fitting = np.bincount(drg[fits], minlength=listed.size)
    moved = np.bincount(drg[fits & off], minlength=listed.size)
    listed = (every == fitting) & (moved > 0)
    if moved[listed].sum() < settings.support or not _alike(seen, second):
        return {}, np.zeros_like(listed)
    return second, listed


def _alike(seen: _Evidence, second: Mapping[int, Found]) -> bool:
    """Whether one H for each unit explains both prices of all insurance types."""
    spans: dict[int, list[tuple[float, float]]] = {}
    for (insurance, unit), found in seen.product.items():
        if insurance in second:
            base = second[insurance]
            spans.setdefault(unit, []).append((found.low / base.high, found.high / base.low))
    return all(
        max(low for low, _ in many) <= min(high for _, high in many) < _LARGEST_H
        for many in spans.values()
    )


def _busiest(seen: _Evidence, units: list[int]) -> int | None:
    counts = {u: sum(f.cases for (_, unit), f in seen.product.items() if unit == u) for u in units}
    return max(units, key=lambda unit: (counts[unit], -unit)) if units else None


def _rates(
    seen: _Evidence, anchors: Mapping[int, Found], reference: int | None
) -> dict[int, float]:
    """BR of each insurance type that an anchor or the reference unit tells."""
    rates = {insurance: found.value for insurance, found in anchors.items()}
    if anchors:
        return rates
    for (insurance, unit), found in sorted(seen.product.items()):
        if unit == reference:
            rates[insurance] = found.value
    return rates


def _span(seen: _Evidence, rates: Mapping[int, float], unit: int) -> tuple[float, float, bool]:
    """What H of a unit may be by the rates known, and whether the insurance types agree."""
    spans = [
        (found.cases, found.low / rates[insurance], found.high / rates[insurance])
        for (insurance, at), found in sorted(seen.product.items())
        if at == unit and insurance in rates
    ]
    if not spans:
        return 1.0, 1.0, False
    low, high = max(span[1] for span in spans), min(span[2] for span in spans)
    if low <= high:
        return low, high, True
    _, low, high = max(spans)
    return low, high, False


def _fill(seen: _Evidence, rates: dict[int, float], coefficients: Mapping[int, float]) -> None:
    """Rates of insurance types that only other units have: the product over that unit's H."""
    for (insurance, unit), found in sorted(seen.product.items(), key=lambda item: -item[1].cases):
        if insurance not in rates:
            h = coefficients[unit]
            rates[insurance] = plainest(found.low / h, found.high / h)


def _rate_findings(
    returns: Returns,
    seen: _Evidence,
    anchors: Mapping[int, Found],
    rates: Mapping[int, float],
    parted: bool,
    known: Mapping[str, float],
    why: str,
) -> list[Finding]:
    rows = []
    for place, rate in sorted(rates.items()):
        name = returns.insurance.names[place]
        cells = [found for (insurance, _), found in seen.product.items() if insurance == place]
        cases, of = sum(found.cases for found in cells), sum(found.of for found in cells)
        shown = anchors.get(place) or (cells[0] if cells else Found(rate, rate, rate, 0, 0))
        words = "由支付标准 ÷ 权重得出"
        if name in known:
            words = why
        elif place in anchors:
            words = "由基层病组（系数为 1）的支付标准 ÷ 权重得出"
        elif not parted:
            words += "；只能求得 费率 × 机构系数，分不开，暂按系数 1 记"
        rows.append(
            Finding(
                f"rates.{name}", f"费率（{name}）", f"{rate:,.10g}", shown.low, shown.high,
                cases, of, parted, words,
            )
        )  # fmt: skip
    return rows


def _coefficient_findings(
    returns: Returns,
    seen: _Evidence,
    spans: Mapping[int, tuple[float, float, bool]],
    values: Mapping[int, float],
    parted: bool,
) -> list[Finding]:
    rows = []
    names = (*returns.unit.names, "")
    for unit, (low, high, alike) in spans.items():
        cells = [found for (_, at), found in seen.product.items() if at == unit]
        words = "由 费率 × 系数 ÷ 费率 得出" if parted else "费率与系数分不开，只是相对数"
        if not parted and len(spans) > 1:
            words += "：以病例最多的一家为 1"
        if not parted:
            words += "。要分开，请用 --rate 给出公布的费率"
        if not alike:
            words += "；各险种的比值不一致，按病例最多的险种记"
        where = f"（{names[unit]}）" if names[unit] else ""
        rows.append(
            Finding(
                "coefficient", f"机构系数{where}", f"{values[unit]:.10g}", low, high,
                sum(found.cases for found in cells), sum(found.of for found in cells),
                parted and alike, words,
            )
        )  # fmt: skip
    return rows


def _list_finding(returns: Returns, listed: Bools) -> Finding:
    names = [returns.drg.names[place] for place in np.flatnonzero(listed)]
    rows = int((returns.priced & np.append(listed, False)[returns.drg.codes]).sum())
    words = "这些病组的价格与其他病组不同，且各险种比值一致，按基层病组（系数为 1）解释"
    return Finding(
        "coefficient.base_list", "基层病组", "、".join(names), np.nan, np.nan, rows, rows, True,
        words + "；若本地另有病组专门系数，也会有同样的表现",
    )  # fmt: skip


def _prices(
    returns: Returns,
    seen: _Evidence,
    rates: Mapping[int, float],
    coefficients: Mapping[int, float],
    listed: Bools,
    parted: bool,
    findings: tuple[Finding, ...],
) -> Prices:
    price = np.array([*(rates.get(i, np.nan) for i in range(len(returns.insurance.names))), np.nan])
    last = len(returns.unit.names)
    h = np.array([coefficients.get(unit, np.nan) for unit in range(last + 1)])
    on_list = np.append(listed, False)[returns.drg.codes]
    made = Prices(
        rates={returns.insurance.names[place]: rate for place, rate in sorted(rates.items())},
        coefficients={
            (*returns.unit.names, "")[unit]: value for unit, value in sorted(coefficients.items())
        },
        base_list=tuple(returns.drg.names[place] for place in np.flatnonzero(listed)),
        parted=parted,
        price=price[returns.insurance.codes],
        coefficient=h[returns.unit.codes],
        slack=_slack(returns, seen),
        findings=findings,
    )
    return replace(made, coefficient=np.where(on_list, 1.0, made.coefficient))


def _slack(returns: Returns, seen: _Evidence) -> Floats:
    width = len(returns.unit.names) + 1
    by_cell = np.zeros((len(returns.insurance.names) + 1) * width)
    for (insurance, unit), found in seen.product.items():
        by_cell[insurance * width + unit] = (found.high - found.low) / found.value
    return by_cell[seen.cell]
