"""How one case was paid, in Chinese words and figures."""

from __future__ import annotations

import numpy as np

from drg_engine.money import format_fen
from drg_engine.payment import (
    KIND_TITLES,
    KINDS,
    MISSING_FEN,
    MODES,
    PART_TITLES,
    PARTS,
    Settlement,
)
from drg_engine.payment_fund import split_fund
from drg_engine.payment_points import with_found_values
from drg_engine.payment_standard import Rows, compile_lookups

__all__ = ["explain_payment"]

_WAYS = {
    "residual": "余额法",
    "proportional": "比例法",
    "share": "政策比例法",
    "full": "标准即基金应付",
}
_PAID_WORDS = {
    "standard": "支付 = S = {paid}",
    "as_charged": "支付 = C = {paid}",
    "bed_day": "支付 = 床日标准 = {paid}",
    "decision": "支付 = 特例单议决定的金额 = {paid}",
    "share": "支付 = C {C} × 比例 {off_share:g} = {paid}",
    "charged_times_control": "支付 = C {C} × 调节系数 {control:.6g} = {paid}",
    "ratio_points": "支付 = RW {weight:g} × min(倍率, 1) {kept:.4f} × 单价 {price:,.2f} = {paid}",
    "ratio_standard": "支付 = S {S} × min(倍率, 1) {kept:.4f} = {paid}",
    "excess_share": "支付 = S {S} + {share:g} × (C {C} − K {bound:g} × S {S}) = {paid}",
    "linear_add": "支付 = A {A:,.2f} × Z {z:.6g} + (C {C} − K {bound:g} × A {A:,.2f})"
    " × 调节系数 {control:.6g} = {paid}",
    "deduct": "支付 = (C {C} ÷ 全部病例次均 {overall:,.2f} − (K {bound:g} − 1) × RW {weight:g}"
    " × H {h:g}) × 单价 {price:,.2f} = {paid}",
    "cap": "支付 = A {A:,.2f} × K {bound:g} × Z {z:.6g} = {paid}",
}


def explain_payment(settlement: Settlement, row: int) -> str:
    """Tell how case ``row`` was paid: standard, ratio and bound, mode, surplus, formulas filled in.

    Several lines of Chinese text without a line end.  Raises IndexError outside the rows.
    """
    if not 0 <= row < settlement.n:
        raise IndexError(f"没有第 {row} 行")
    facts = _facts(settlement, row)
    return "\n".join(_lines(settlement, row, facts))


def _lines(settlement: Settlement, row: int, facts: dict[str, object]) -> list[str]:
    cases = settlement.cases
    kind = KINDS[settlement.kind[row]]
    drg = cases.drg_codes[cases.drg[row]]
    lines = [f"病例 {cases.case_id[row].as_py()}：病组 {drg}，险种 {facts['insurance']}"]
    if settlement.standard[row] != MISSING_FEN:
        lines.append(_standard_words(settlement, facts))
    if np.isfinite(settlement.ratio[row]):
        lines.append(_ratio_words(settlement, facts))
    lines.append(f"病例类型：{KIND_TITLES[settlement.kind[row]]}")
    lines.append(f"依据：{settlement.basis_words()[row]}")
    if kind == "unpriced":
        return [*lines, "缺总费用，不能结算，请补录后重算"]
    lines.append(_PAID_WORDS[MODES[settlement.mode[row]]].format_map(facts))
    lines += _part_words(settlement, row, facts)
    lines.append(_surplus_words(settlement, row, facts))
    lines += _fund_words(settlement, row)
    if settlement.cost_surplus[row] != MISSING_FEN:
        cost = format_fen(cases.cost[row])
        lines.append(
            f"成本盈亏 = 支付 {facts['whole']} − 成本 {cost}"
            f" = {format_fen(settlement.cost_surplus[row])}"
        )
    return lines


def _standard_words(settlement: Settlement, facts: dict[str, object]) -> str:
    method = settlement.policy.rules.standard.method
    if method == "table":
        return f"支付标准 S = {facts['S']}（查支付标准表）"
    if method == "points":
        return (
            "支付标准 S = 基准点数 {base:g} × 机构系数 {h:g} × 点值 {value:,.4g} = {S}".format_map(
                facts
            )
        )
    return "支付标准 S = RW {weight:g} × 费率 {price:,.2f} × 机构系数 {h:g} = {S}".format_map(facts)


def _ratio_words(settlement: Settlement, facts: dict[str, object]) -> str:
    rules = settlement.policy.rules
    below = "S {S}" if rules.standard.ratio_of == "standard" else "A {A:,.2f}"
    low = f"{'≤' if rules.low.inclusive else '<'} {rules.low.bound:g}"
    high = f"{'≥' if rules.high.inclusive else '>'} {{bound:g}}"
    text = "倍率 = C {C} ÷ " + below + " = {ratio:.4f}；低倍率 " + low + "，高倍率 " + high
    return text.format_map(facts)


def _part_words(settlement: Settlement, row: int, facts: dict[str, object]) -> list[str]:
    """What further rules added or took, and the sum."""
    there = [name for name in PARTS if name in settlement.parts and settlement.parts[name][row]]
    lines = [
        f"{PART_TITLES[PARTS.index(name)]}：{format_fen(settlement.parts[name][row])}"
        for name in there
    ]
    return [*lines, f"合计支付 = {facts['whole']}"] if there else []


def _fund_words(settlement: Settlement, row: int) -> list[str]:
    """The fund's, the patient's and other funds' parts, where the cases tell them."""
    if "personal_pay" not in settlement.cases.amounts:
        return []
    split = split_fund(settlement)
    if split.fund[row] == MISSING_FEN:
        return ["基金支付：缺个人支付等金额，算不出"]
    other = int(split.received[row] - split.fund[row] - split.patient[row])
    way = _WAYS[settlement.policy.rules.fund.way]
    text = (
        f"基金支付 {_yuan(int(split.fund[row]))}（{way}），个人 {_yuan(int(split.patient[row]))}，"
        f"其他 {_yuan(other)}，合计 {_yuan(int(split.received[row]))}"
    )
    differs = int(split.difference[row])
    return [text + (f"，与结算金额相差 {format_fen(differs)}" if differs else "")]


def _surplus_words(settlement: Settlement, row: int, facts: dict[str, object]) -> str:
    formula, adjustment = settlement.formula[row], settlement.adjustment[row]
    first = "S − C" if settlement.standard[row] != MISSING_FEN else "无支付标准"
    return (
        f"医保盈亏 = 支付 {facts['whole']} − C {facts['C']} = {format_fen(settlement.surplus[row])}"
        f"（公式盈亏 {first} {format_fen(formula)}，调整 {format_fen(adjustment)}）"
    )


def _facts(settlement: Settlement, row: int) -> dict[str, object]:
    """Everything a formula in words may name."""
    cases, rules = settlement.cases, settlement.policy.rules
    lookups = compile_lookups(cases, settlement.policy)
    lookups = with_found_values(cases, lookups, settlement.policy)
    at = Rows(cases, np.array([row], dtype=np.intp), lookups, settlement.policy)
    weight, price = float(at.weight()[0]), float(at.price()[0])
    h, control = float(at.coefficient()[0]), float(at.control()[0])
    kind = KINDS[settlement.kind[row]]
    off_list = (
        getattr(rules, kind, None) if kind in ("ungrouped", "ambiguous", "no_weight") else None
    )
    code = int(cases.insurance.codes[row])
    charged = settlement.paid[row] != MISSING_FEN
    parts = sum(int(part[row]) for part in settlement.parts.values())
    return {
        "C": _yuan(int(cases.charges[row])),
        "S": _yuan(int(settlement.standard[row])),
        "A": float(at.mean()[0]),
        "paid": _yuan(int(settlement.paid[row]) - parts if charged else MISSING_FEN),
        "whole": _yuan(int(settlement.paid[row])),
        "weight": weight,
        "base": weight * rules.points.scale,
        "price": price,
        "value": price / rules.points.scale,
        "h": h,
        "control": control,
        "z": h * control,
        "overall": rules.standard.overall_mean or float("nan"),
        "ratio": float(settlement.ratio[row]),
        "kept": min(float(settlement.ratio[row]), 1.0),
        "bound": float(settlement.bound[row]),
        "share": rules.high.share,
        "off_share": 1.0 if off_list is None else off_list.share,
        "insurance": cases.insurance.names[code] if code >= 0 else "缺",
    }


def _yuan(fen: int) -> str:
    return "无" if fen == MISSING_FEN else format_fen(fen)
