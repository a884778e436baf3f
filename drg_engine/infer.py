"""What a hospital is really paid by: a policy inferred from the bureau's returns.

Base rates, hospital coefficient, base list, low and high bounds with their modes, the cap: each
with the interval that the returns allow, and plainly what they do not determine.  The policy
found then settles the same cases; what differs from the returns are the residuals.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from drg_engine.errors import Fault, InputError, PolicyError
from drg_engine.infer_bounds import coefficient_of_low, find_bounds, find_off_list
from drg_engine.infer_prices import Prices, find_prices, rates_beside
from drg_engine.infer_returns import Finding, Returns, Settings
from drg_engine.payment import KIND_TITLES, MISSING_FEN, Settlement, settle
from drg_engine.policy import Policy, parse_policy
from drg_engine.toml_text import toml_text

__all__ = ["Finding", "Inference", "Returns", "Settings", "bare_policy", "infer_policy"]

RESIDUAL_TITLES = (
    "病案号", "病组", "险种", "医院", "权重", "总费用", "回款支付标准", "推算支付标准", "标准之差",
    "回款支付金额", "推算支付金额", "金额之差", "推算病例类型",
)  # fmt: skip

_BY_LOW = "低倍率病例按 基准点数 × 倍率 × 点值 支付，其中没有机构系数，由此分开费率与系数"


@dataclass(frozen=True, slots=True, eq=False)
class Inference:
    """The policy found, its text, the evidence, and how the returns compare with it.

    ``standard_hits`` of ``standard_cases`` rows have the standard that the policy gives, and
    ``paid_hits`` of ``paid_cases`` the payment.  ``residuals``: the other rows, by the size of what
    differs.
    """

    policy: Policy
    text: str
    findings: tuple[Finding, ...]
    settlement: Settlement
    residuals: pa.Table
    standard_hits: int
    standard_cases: int
    paid_hits: int
    paid_cases: int


def bare_policy(name: str, title: str, effective_from: Any) -> Policy:
    """A policy that says nothing but a rate of 1, to infer over where no other is given."""
    data = {
        "policy": {
            "name": name, "title": title, "effective_from": effective_from, "source": "反推",
        },
        "rates": {"0": 1.0},
    }  # fmt: skip
    return parse_policy(toml_text(data).encode(), file=f"{name}.toml")


def infer_policy(
    returns: Returns,
    base: Policy,
    info: Mapping[str, object],
    *,
    settings: Settings | None = None,
    known_rates: Mapping[str, float] | None = None,
    file: str = "inferred.toml",
) -> Inference:
    """Infer a policy; what the returns do not tell stays as in ``base``.

    info: keys of [policy] that replace the base's.  known_rates: published base rates by insurance
    type (of point-method bases: point value × scale), which part rate and coefficient.
    Raises InputError where no row has a standard and a weight, PolicyError for a base that pays by
    table.
    """
    settings = settings or Settings.of()
    if base.rules.standard.method == "table":
        fault = Fault(base.file, "直接查表法没有费率可反推", column="standard.method")
        raise PolicyError("不能反推", [fault])
    if not returns.priced.any():
        mend = "请核对“权重”“支付标准”“险种”各列"
        fault = Fault(returns.file, "没有一行同时有权重、险种和支付标准", mend=mend)
        raise InputError("不能反推", [fault])
    prices = find_prices(returns, settings, known_rates)
    h = coefficient_of_low(returns, prices, settings, base)
    if h is not None:
        rates = rates_beside(returns, settings, h)
        prices = find_prices(returns, settings, rates, _BY_LOW)
    bounds = find_bounds(returns, prices, settings, base)
    off_list, off_findings = find_off_list(returns, settings)
    findings = (*prices.findings, *bounds.findings, *off_findings, *_never_told())
    said = _written(returns, base, info, prices)
    why = f"由 {returns.file} 反推"
    found = {name for name in ("low", "high") if getattr(bounds, name)} | set(off_list)
    _set_sources(said, found | {"coefficient"}, why)
    said["low"] = {**said.get("low", {}), **bounds.low}
    said["high"] = {**_kept_high(said.get("high", {}), bounds.high), **bounds.high}
    said |= off_list
    if bounds.overall_mean is not None:
        said["standard"] = {**said.get("standard", {}), "overall_mean": bounds.overall_mean}
    heading = [
        f"由 {returns.file} 反推（{returns.n:,} 行）；未能确定的各项照 {base.name} 或默认值。",
        "不是公布的政策：使用前请与本地文件核对。",
    ]
    text = toml_text(said, heading=heading)
    policy = parse_policy(text.encode(), file=file)
    settled = settle(returns.columns(), policy)
    return _compared(returns, policy, text, findings, settled)


def _kept_high(old: dict[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """The base's [high] without the bounds that another way of taking them leaves idle."""
    if "by" not in new:
        return old
    return {
        name: value
        for name, value in old.items()
        if name not in ("bound", "levels", "tiers", "tier_inclusive")
    }


def _written(
    returns: Returns,
    base: Policy,
    info: Mapping[str, object],
    prices: Prices,
) -> dict[str, Any]:
    """The base's keys with rates and coefficients replaced."""
    said = base.rules.model_dump(exclude_unset=True)
    said["policy"] = {**said["policy"], "notes": "", "document": "", **info}
    if base.rules.standard.method == "points":
        scale = base.rules.points.scale
        values = {name: rate / scale for name, rate in prices.rates.items()}
        said["points"] = {**said.get("points", {}), "find": "given", "values": values}
    else:
        said["rates"] = dict(prices.rates)
    coefficient: dict[str, Any] = {"base_list": prices.base_list} if prices.base_list else {}
    many = prices.coefficients
    if len(many) == 1 and "" in many:
        coefficient["default"] = many[""]
    elif len(many) == 1:
        coefficient["default"] = next(iter(many.values()))
    else:
        by = "by_hospital" if returns.hospital.names else "by_level"
        coefficient[by] = {name: value for name, value in many.items() if name}
        coefficient["default"] = many.get("", 1.0)
    said["coefficient"] = coefficient
    return said


def _set_sources(said: dict[str, Any], sections: set[str], why: str) -> None:
    """Say of the sections that were found, and of the prices, where they come from."""
    price = "points.values" if "values" in said.get("points", {}) else "rates"
    replaced = sections | {"rates"}
    sources = {
        key: text
        for key, text in said.get("sources", {}).items()
        if key.split(".")[0] not in replaced and key != "points.values"
    }
    said["sources"] = {**sources, **dict.fromkeys(sorted({*sections, price}), why)}


def _never_told() -> tuple[Finding, ...]:
    """What no return with these columns can tell."""
    words = (
        (
            "standard.ratio_of",
            "倍率的分母",
            "只按原政策所说的分母判断；若病例所示不合，请换分母再试",
        ),
        ("scope", "不纳入支付的规则（住院天数、诊断等）", "回款表没有住院天数和诊断，照原政策"),
        ("readmission.days", "再入院", "回款表没有人员和日期，照原政策"),
        ("review.column", "特例单议", "只能在不符的病例中看到，照原政策"),
        ("fund.way", "基金与个人的分担", "回款表只有合计支付，照原政策"),
    )
    return tuple(
        Finding(key, title, "（不能确定）", np.nan, np.nan, 0, 0, False, why)
        for key, title, why in words
    )


def _compared(
    returns: Returns,
    policy: Policy,
    text: str,
    findings: tuple[Finding, ...],
    settled: Settlement,
) -> Inference:
    has_standard = (returns.standard != MISSING_FEN) & (returns.status == 0)
    has_paid = returns.paid != MISSING_FEN
    same_standard = settled.standard == returns.standard
    same_paid = settled.paid == returns.paid
    off = (has_standard & ~same_standard) | (has_paid & ~same_paid)
    return Inference(
        policy=policy,
        text=text,
        findings=findings,
        settlement=settled,
        residuals=_residuals(returns, settled, off),
        standard_hits=int((has_standard & same_standard).sum()),
        standard_cases=int(has_standard.sum()),
        paid_hits=int((has_paid & same_paid).sum()),
        paid_cases=int(has_paid.sum()),
    )


def _residuals(returns: Returns, settled: Settlement, off: np.ndarray[Any, Any]) -> pa.Table:
    """Rows that differ, the largest difference first, ties by case id; yuan as decimals."""
    rows = np.flatnonzero(off)
    ids = np.array(returns.case_id.take(pa.array(rows)).to_pylist(), dtype=np.str_)
    apart = _apart(returns.paid[rows], settled.paid[rows])
    beside = _apart(returns.standard[rows], settled.standard[rows])
    size = np.maximum(_size(apart), _size(beside))
    order = np.lexsort((ids, -size))
    rows, apart, beside = rows[order], apart[order], beside[order]
    kinds = np.array(KIND_TITLES, dtype=object)[settled.kind[rows]]
    texts = [
        pa.array(returns.texts(label, rows).astype(object), pa.string(), from_pandas=True)
        for label in (returns.drg, returns.insurance, returns.hospital)
    ]
    columns = [
        returns.case_id.take(pa.array(rows)), *texts,
        pa.array(returns.weight[rows], from_pandas=True),
        *(_yuan(fen) for fen in (
            returns.charges[rows], returns.standard[rows], settled.standard[rows], beside,
            returns.paid[rows], settled.paid[rows], apart)),
        pa.array(kinds, pa.string()),
    ]  # fmt: skip
    return pa.table(columns, names=list(RESIDUAL_TITLES))


def _apart(told: np.ndarray[Any, Any], made: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    both = (told != MISSING_FEN) & (made != MISSING_FEN)
    return np.where(both, told - np.where(both, made, 0), MISSING_FEN)


def _size(fen: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return np.abs(np.where(fen == MISSING_FEN, 0, fen))


def _yuan(fen: np.ndarray[Any, Any]) -> pa.Array:
    return pa.array(fen / 100.0, mask=fen == MISSING_FEN)
