"""Base rates from a budget, by hospital level (payment.md §7).

Predicted total charges = fund budget / actual reimbursement share; split by hospital level; each
level's part over its Σ n·RW is its rate, yuan per 1.0 RW.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from drg_engine.errors import Fault, InputError, PolicyError
from drg_engine.fit_inputs import FitTable, option_default
from drg_engine.payment_columns import MISSING_FEN
from drg_engine.policy import Policy, parse_policy
from drg_engine.surplus import exact_weights, sum_weights
from drg_engine.toml_text import toml_text

__all__ = ["LevelRate", "fit_rates", "level_rates", "rates_policy"]

Floats = npt.NDArray[np.float64]

_LEVELS = 4
_WHOLE = 1e-6


@dataclass(frozen=True, slots=True)
class LevelRate:
    """The rate of one insurance type at one hospital level; money in yuan, rate per 1.0 RW."""

    insurance: str
    level: int
    predicted: float
    split: float
    weight: float
    rate: float


def level_rates(
    fund: float, reimbursed: float, splits: Floats | list[float], weights: Floats | list[float]
) -> Floats:
    """Rates (levels,) in yuan per 1.0 RW, not rounded.

    fund: yuan; reimbursed: the actual reimbursement share, over 0 and at most 1; splits: each
    level's share of the predicted charges, 1 in all; weights: each level's Σ n·RW.
    Raises ValueError where one of them is out of range.
    """
    parts, rw = np.asarray(splits, np.float64), np.asarray(weights, np.float64)
    if not fund > 0 or not 0 < reimbursed <= 1:
        raise ValueError("基金预算须为正数，实际报销比例须大于 0 且不超过 1")
    if abs(float(parts.sum()) - 1.0) > _WHOLE or bool((parts <= 0).any()):
        raise ValueError(f"各级别费用占比须为正数，合计须为 1（现为 {float(parts.sum()):g}）")
    if not bool((rw > 0).all()):
        raise ValueError("各级别的 Σ n·RW 须为正数")
    return np.asarray(fund / reimbursed * parts / rw, dtype=np.float64)


def fit_rates(
    budget: FitTable,
    cases: FitTable | None = None,
    weights: Mapping[str, float] | None = None,
    *,
    decimals: int | None = None,
) -> tuple[LevelRate, ...]:
    """Rates by insurance type and level, highest level first.

    budget: a row for each (insurance, level): fund and reimbursed (the same in all rows of a type),
    split and total_weight where known.  What is not said comes from ``cases`` (insurance, level,
    total_charges, and weight or drg with ``weights`` by DRG): splits by their charges, Σ n·RW over
    those that have a weight.  Raises InputError with all faults.
    """
    digits = option_default("rate_decimals", decimals)
    counted = _count(cases, weights) if cases is not None else {}
    label = budget.text("insurance")
    level = budget.level()
    faults: list[Fault] = []
    found: list[LevelRate] = []
    for place, insurance in enumerate(label.names):
        rows = np.flatnonzero(label.codes == place)
        rows = rows[np.argsort(-level[rows], kind="stable")]
        if (level[rows] == 0).any() or np.unique(level[rows]).size < rows.size:
            faults.append(Fault(budget.file, "同一险种的级别缺失或重复", found=insurance))
            continue
        try:
            found += _insurance(budget, insurance, rows, counted, digits)
        except ValueError as error:
            faults.append(Fault(budget.file, str(error), found=insurance))
    if (label.codes < 0).any():
        faults.append(Fault(budget.file, "有的行没有险种", column="险种"))
    if faults or not found:
        faults = faults or [Fault(budget.file, "没有一行预算")]
        raise InputError("不能测算费率", faults)
    return tuple(found)


def rates_policy(
    rates: tuple[LevelRate, ...],
    base: Policy,
    info: Mapping[str, object],
    *,
    level: int | None = None,
    file: str = "rates.toml",
) -> tuple[str, Policy]:
    """The text of a policy with the rates over ``base``, and that policy, checked.

    info: keys of [policy] that replace the base's (name, title, effective_from ...).  Without
    ``level`` the policy serves every level: the rates are those of the highest one and the
    coefficient by level makes the others, which needs the levels to stand to each other alike in
    all insurance types; with ``level`` it serves hospitals of that level.  A base that pays by
    points gets point values.  The base list stays as it is.  Raises PolicyError.
    """
    said = base.rules.model_dump(exclude_unset=True)
    method = base.rules.standard.method
    if method == "table":
        fault = Fault(base.file, "直接查表法没有费率", column="standard.method")
        raise PolicyError("不能写入费率", [fault])
    top = max(rate.level for rate in rates) if level is None else level
    there = sorted({rate.level for rate in rates})
    if top not in there:
        raise PolicyError("不能写入费率", [Fault(file, "没有这个级别的费率", found=str(level))])
    price = {rate.insurance: rate.rate for rate in rates if rate.level == top}
    held = base.rules.coefficient
    coefficient: dict[str, object] = {"default": 1.0}
    if held.base_list:  # one price for every hospital, whatever its level
        coefficient["base_list"] = held.base_list
    if level is None and len(there) > 1:
        coefficient["by_level"] = _level_ratios(rates, price, file)
    said["policy"] = {**said["policy"], "notes": "", "document": "", **info}
    if method == "points":
        scale = base.rules.points.scale
        values = {name: rate / scale for name, rate in price.items()}
        said["points"] = {**said.get("points", {}), "find": "given", "values": values}
        where = "points.values"
    else:
        said["rates"] = price
        where = "rates"
    said["coefficient"] = coefficient
    why = "由基金预算测算：预测总费用 = 基金预算 ÷ 实际报销比例，按级别拆分，除以 Σ n·RW"
    sources = {
        key: text
        for key, text in said.get("sources", {}).items()
        if key.split(".")[0] not in ("rates", "points", "coefficient")
    }
    said["sources"] = {**sources, where: why, "coefficient": why}
    heading = [f"由 {base.name} 改费率而成；费率由预算测算，其余各项照 {base.name}。"]
    if held.by_hospital or held.by_drg:
        heading.append("原政策按医院、按病组的机构系数没有照搬：费率已按级别测算，请核对后再补。")
    text = toml_text(said, heading=heading)
    return text, parse_policy(text.encode(), file=file)


def _level_ratios(
    rates: tuple[LevelRate, ...], price: Mapping[str, float], file: str
) -> dict[str, float]:
    """Coefficient of each level over the highest; alike in all insurance types, or PolicyError.

    Alike before the rates are rounded, which makes the ratios differ in their last places.
    """
    ratios: dict[int, list[float]] = {}
    exact: dict[int, list[float]] = {}
    top = {r.insurance: _unrounded(r) for r in rates if r.level == max(one.level for one in rates)}
    for rate in rates:
        if rate.insurance not in price:
            mend = "请用 --level 分级别各写一份"
            raise PolicyError(
                "不能写入费率", [Fault(file, "有的险种缺最高级别", found=rate.insurance, mend=mend)]
            )
        ratios.setdefault(rate.level, []).append(rate.rate / price[rate.insurance])
        exact.setdefault(rate.level, []).append(_unrounded(rate) / top[rate.insurance])
    faults = [
        Fault(
            file,
            f"{level} 级与最高级的费率之比因险种而异，一份政策写不下",
            found="、".join(f"{ratio:.4f}" for ratio in many),
            mend="请用 --level 分级别各写一份",
        )
        for level, many in sorted(exact.items())
        if max(many) - min(many) > _WHOLE * max(many)
    ]
    if faults:
        raise PolicyError("不能写入费率", faults)
    return {str(level): many[0] for level, many in sorted(ratios.items(), reverse=True)}


def _unrounded(rate: LevelRate) -> float:
    return rate.predicted * rate.split / rate.weight


def _insurance(
    budget: FitTable,
    insurance: str,
    rows: npt.NDArray[np.intp],
    counted: Mapping[str, tuple[Floats, Floats]],
    digits: int,
) -> list[LevelRate]:
    """Rates of one insurance type; ValueError says what is wrong."""
    levels = budget.level()[rows]
    fund, reimbursed = (_one(budget.numbers[name][rows]) for name in ("fund", "reimbursed"))
    nothing = np.full(budget.n, np.nan)
    splits = budget.numbers.get("split", nothing)[rows]
    weights = budget.numbers.get("total_weight", nothing)[rows]
    if np.isnan(splits).any() or np.isnan(weights).any():
        if insurance not in counted:
            raise ValueError("预算表缺费用占比或总权重，又没有该险种的病例")
        charges, rw = counted[insurance]
        other = np.setdiff1d(np.flatnonzero((charges > 0) | (rw > 0)), levels)
        if other.size:
            words = "、".join(f"{level} 级" if level else "未知" for level in other.tolist())
            raise ValueError(f"预算表没有的级别有病例：{words}；请补预算行或补病例的医院级别")
        if np.isnan(splits).any():
            splits = charges[levels] / charges[levels].sum()
        weights = np.where(np.isnan(weights), rw[levels], weights)
    exact = level_rates(fund, reimbursed, splits, weights)
    predicted = fund / reimbursed
    return [
        LevelRate(insurance, int(at), predicted, float(split), float(weight), round(rate, digits))
        for at, split, weight, rate in zip(levels, splits, weights, exact.tolist(), strict=True)
    ]


def _one(values: Floats) -> float:
    if np.isnan(values).any() or np.unique(values).size != 1:
        raise ValueError("同一险种各行的基金预算和实际报销比例须都填写且相同")
    return float(values[0])


def _count(
    cases: FitTable, weights: Mapping[str, float] | None
) -> dict[str, tuple[Floats, Floats]]:
    """Charges (yuan) and Σ n·RW by level (4,) for each insurance type."""
    label, level = cases.text("insurance"), cases.level().astype(np.int64)
    charges = cases.fen["total_charges"]
    rw = _weights(cases, weights)
    there = label.codes >= 0
    priced = there & (charges != MISSING_FEN) & (charges > 0)
    weighted = there & (rw > 0)
    at = np.maximum(label.codes.astype(np.int64), 0) * _LEVELS + level
    size = len(label.names) * _LEVELS
    fen, units = np.zeros(size, dtype=np.int64), np.zeros(size, dtype=np.int64)
    np.add.at(fen, at[priced], charges[priced])
    np.add.at(units, at[weighted], exact_weights(rw[weighted]))
    yuan, total = (fen / 100.0).reshape(-1, _LEVELS), sum_weights(units).reshape(-1, _LEVELS)
    return {name: (yuan[place], total[place]) for place, name in enumerate(label.names)}


def _weights(cases: FitTable, weights: Mapping[str, float] | None) -> Floats:
    if "weight" in cases.numbers:
        return cases.numbers["weight"]
    if weights is None or not cases.has("drg"):
        mend = "病例表须有“权重”列，或有“病组”列并给出 --scheme"
        raise InputError("不能求 Σ n·RW", [Fault(cases.file, "没有权重", mend=mend)])
    label = cases.text("drg")
    known = np.array([*(weights.get(name, np.nan) for name in label.names), np.nan])
    return known[label.codes]
