"""How one case was paid, in Chinese words and figures."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

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
from drg_engine.payment_fund import FundSplit, split_fund
from drg_engine.payment_points import with_found_values
from drg_engine.payment_standard import Rows, compile_lookups
from drg_engine.payment_tables import case_arrays, rule_arrays, with_fixed_rules

__all__ = ["PaymentExplainer", "explain_payment"]

_WAYS = {
    "residual": ("余额法", "支付 {whole} − 个人 {patient} − 其他 {other}"),
    "proportional": (
        "比例法",
        "[支付 {whole} × (1 − 全自费 {own} ÷ C {C} − 先行自付 {pre} ÷ C {C}) − 起付线 {ded}]"
        " × {k:g}",
    ),
    "share": (
        "政策比例法",
        "(支付 {whole} − 全自费 {own} − 先行自付 {pre} − 起付线 {ded}) × {k:g}",
    ),
    "full": ("标准即基金应付", "支付 {whole}"),
}
_PAID_WORDS = {
    "standard": "支付 = S = {paid}",
    "as_charged": "支付 = C = {paid}",
    "bed_day": "支付 = 床日标准 = {paid}",
    "decision": "支付 = 特例单议决定的金额 = {paid}",
    "share": "支付 = C {C} × 比例 {off_share:g} = {paid}",
    "charged_times_control": "支付 = C {C} × 调节系数 {control:.6g} = {paid}",
    "ratio_points": "支付 = RW {weight:.10g} × min(倍率, 1) {kept:.4f}"
    " × 单价 {price:,.2f} = {paid}",
    "ratio_standard": "支付 = S {S} × min(倍率, 1) {kept:.4f} = {paid}",
    "excess_share": "支付 = S {S} + {share:g} × (C {C} − K {bound:g} × S {S}) = {paid}",
    "linear_add": "支付 = A {A:,.2f} × Z {z:.6g} + (C {C} − K {bound:g} × A {A:,.2f})"
    " × 调节系数 {control:.6g} = {paid}",
    "deduct": "支付 = (C {C} ÷ 全部病例次均 {overall:,.2f} − (K {bound:g} − 1) × RW {weight:.10g}"
    " × H {h:.10g}) × 单价 {price:,.2f} = {paid}",
    "cap": "支付 = A {A:,.2f} × K {bound:g} × Z {z:.6g} = {paid}",
}


def explain_payment(settlement: Settlement, row: int, *, shown_id: str | None = None) -> str:
    """Tell how case ``row`` was paid: standard, ratio and bound, mode, surplus, formulas filled in.

    Several lines of Chinese text without a line end; ``shown_id`` stands for the case's own id.
    Raises IndexError outside the rows.
    """
    return "\n".join(PaymentExplainer(settlement).lines(row, shown_id))


@dataclass(frozen=True)
class PaymentExplainer:
    """Explains cases of one settlement; what all cases share is worked out once."""

    settlement: Settlement

    @cached_property
    def basis(self) -> npt.NDArray[np.object_]:
        """In words, by case, on what each was paid."""
        return np.asarray(self.settlement.basis_words(), dtype=object)

    @cached_property
    def split(self) -> FundSplit:
        """Who pays what, by case."""
        return split_fund(self.settlement)

    @cached_property
    def by_day(self) -> npt.NDArray[np.int64]:
        """Place of the bed-day rule that gives each case its standard, -1 where none does."""
        cases, policy = self.settlement.cases, self.settlement.policy
        lookups = with_found_values(cases, compile_lookups(cases, policy), policy)
        rules = rule_arrays(cases, lookups, policy)
        fixed = with_fixed_rules(case_arrays(cases, policy), rules).fixed.astype(np.int64)
        if fixed.size < cases.n:  # more rules than are kept
            paid_so = self.settlement.kind == KINDS.index("bed_day")
            return np.where(paid_so, self.settlement.rule - rules.scopes, -1).astype(np.int64)
        inside = ((fixed & 127) == 0) & lookups.has_rate[cases.insurance.codes]
        return np.where(inside, (fixed >> 7) - 1, -1)

    @cached_property
    def numbers(self) -> dict[str, npt.NDArray[np.float64]]:
        """The numbers that the formulas look up, by case (n,)."""
        cases, policy = self.settlement.cases, self.settlement.policy
        lookups = with_found_values(cases, compile_lookups(cases, policy), policy)
        at = Rows(cases, np.arange(self.settlement.n, dtype=np.intp), lookups, policy)
        return {
            "weight": at.weight(),
            "price": at.price(),
            "h": at.coefficient(),
            "control": at.control(),
            "mean": at.mean(),
        }

    def lines(self, row: int, shown_id: str | None = None) -> list[str]:
        """As :func:`explain_payment`, by line.  Raises IndexError outside the rows."""
        if not 0 <= row < self.settlement.n:
            raise IndexError(f"没有第 {row} 行")
        facts = _facts(self, row)
        name = self.settlement.cases.case_id[row].as_py() if shown_id is None else shown_id
        return _lines(self, row, facts, name)


def _lines(
    explainer: PaymentExplainer, row: int, facts: dict[str, object], shown_id: str
) -> list[str]:
    settlement, cases = explainer.settlement, explainer.settlement.cases
    kind = KINDS[settlement.kind[row]]
    drg = cases.drg_codes[cases.drg[row]]
    lines = [f"病例 {shown_id}：病组 {drg}，险种 {facts['insurance']}"]
    if settlement.standard[row] != MISSING_FEN:
        lines.append(_standard_words(explainer, row, facts))
    if np.isfinite(settlement.ratio[row]):
        lines.append(_ratio_words(settlement, facts))
    lines.append(f"病例类型：{KIND_TITLES[settlement.kind[row]]}")
    lines.append(f"依据：{explainer.basis[row]}")
    if kind == "unpriced":
        return [*lines, "缺总费用，不能结算，请补录后重算"]
    lines.append(_PAID_WORDS[MODES[settlement.mode[row]]].format_map(facts))
    lines += _part_words(settlement, row, facts)
    lines.append(_surplus_words(settlement, row, facts))
    lines += _fund_words(explainer, row, facts)
    if settlement.cost_surplus[row] != MISSING_FEN:
        cost = format_fen(cases.cost[row])
        lines.append(
            f"成本盈亏 = 支付 {facts['whole']} − 成本 {cost}"
            f" = {format_fen(settlement.cost_surplus[row])}"
        )
    return lines


def _standard_words(explainer: PaymentExplainer, row: int, facts: dict[str, object]) -> str:
    settlement, bed = explainer.settlement, int(explainer.by_day[row])
    rules = settlement.policy.rules
    method = rules.standard.method
    text = "支付标准 S = RW {weight:.10g} × 费率 {price:,.2f} × 机构系数 {h:.10g}{h_why} = {S}"
    if method == "table":
        text = "支付标准 S = {S}（查支付标准表）"
    if method == "points":
        text = "支付标准 S = 基准点数 {base:.10g} × 机构系数 {h:.10g}{h_why}"
        text += " × 点值 {value:,.10g} = {S}"
    if bed >= 0:
        rule = rules.bed_day[bed]
        unit = "点/天 × 点值 {value:,.10g}" if method == "points" else "元/天"
        text = f"床日标准 = {int(settlement.cases.los[row])} 天 × {rule.per_day:g} {unit} = {{S}}"
    return text.format_map(facts)


def _ratio_words(settlement: Settlement, facts: dict[str, object]) -> str:
    rules = settlement.policy.rules
    below = "S {S}" if rules.standard.ratio_of == "standard" else "A {A:,.2f}"
    low = f"{'≤' if rules.low.inclusive else '<'} {rules.low.bound:g}"
    high = f"{'≥' if rules.high.inclusive else '>'} {{bound:g}}"
    text = "倍率 = C {C} ÷ " + below + " = {ratio:.4f}；低倍率 " + low + "，高倍率 " + high
    return text.format_map(facts) + _bound_why(settlement, facts)


def _bound_why(settlement: Settlement, facts: dict[str, object]) -> str:
    """Which level or tier the high bound is of."""
    high = settlement.policy.rules.high
    if high.by == "single":
        return ""
    if high.by == "level":
        return f"（{facts['level']} 级医院）"
    value = float(str(facts["base"] if high.by == "points" else facts["weight"]))
    word = "基准点数" if high.by == "points" else "RW"
    for tier in high.tiers:
        at_upper = high.tier_inclusive and value == tier.upper
        if tier.upper is None or value < tier.upper or at_upper:
            sign = "≤" if high.tier_inclusive else "<"
            upper = f"{word} {sign} {tier.upper:g} 档" if tier.upper is not None else "最后一档"
            return f"（{word} {value:.10g}，{upper}）"
    return ""


def _part_words(settlement: Settlement, row: int, facts: dict[str, object]) -> list[str]:
    """What further rules added or took, each with its figures, and the sum."""
    there = [name for name in PARTS if name in settlement.parts and settlement.parts[name][row]]
    lines = [
        f"{PART_TITLES[PARTS.index(name)]}：{format_fen(settlement.parts[name][row])}"
        f"（{_part_why(settlement, row, name)}）"
        for name in there
    ]
    return [*lines, f"合计支付 = {facts['whole']}"] if there else []


def _part_why(settlement: Settlement, row: int, name: str) -> str:
    rules, cases = settlement.policy.rules, settlement.cases
    if name == "readmission":
        said = rules.readmission
        return f"同一人 {said.days} 天内再入同一病组，前次按 {said.factor:g} 支付"
    charges = cases.charges[row] / 100.0
    if name == "tcm":
        own = cases.amounts[rules.tcm.column][row]
        share = 0.0 if own == MISSING_FEN or not charges else own / 100.0 / charges
        least, kept = rules.tcm.minimum, rules.tcm.otherwise
        return f"中医费用占比 {share:.2%} 低于 {least:.4g}，按 {kept:g} 支付"
    first = len(rules.scope) + len(rules.bed_day)
    rule = rules.extra[int(settlement.rule[row]) - first]
    item = cases.amounts[rule.column][row]
    usual = rule.means[cases.drg_codes[cases.drg[row]]]
    return (
        f"{rule.title} {format_fen(item)} − 该类次均 {usual:,.2f}；"
        f"占总费用 {item / 100.0 / charges:.2%} 大于 {rule.share_over:g}，"
        f"总费用大于 A 的 {rule.charges_over:g} 倍"
    )


def _fund_words(explainer: PaymentExplainer, row: int, facts: dict[str, object]) -> list[str]:
    """The fund's, the patient's and other funds' parts, where the cases tell them."""
    settlement = explainer.settlement
    amounts, said = settlement.cases.amounts, settlement.policy.rules.fund
    if "personal_pay" not in amounts:
        return []
    split = explainer.split
    if split.fund[row] == MISSING_FEN:
        return ["基金支付：缺个人支付等金额，算不出"]
    fund, patient, received = (
        int(column[row]) for column in (split.fund, split.patient, split.received)
    )
    by_charges = MODES[settlement.mode[row]] == "as_charged"
    way, formula = _WAYS["residual" if by_charges else said.way]
    known = {
        name: _yuan(int(amounts[column][row])) if column in amounts else "无"
        for name, column in (
            ("own", "own_expense"),
            ("pre", "pre_expense"),
            ("ded", "deductible"),
        )
    }
    k = said.k.get(str(facts["insurance"]), said.default_k)
    told = {**facts, **known, "k": k, "patient": _yuan(patient)}
    told["other"] = _yuan(received - fund - patient)
    lines = [f"基金支付（{way}）= {formula.format_map(told)} = {_yuan(fund)}"]
    differs = int(split.difference[row])
    text = f"基金 {_yuan(fund)} + 个人 {_yuan(patient)} + 其他 {told['other']} = {_yuan(received)}"
    lines.append(text + (f"，与结算金额相差 {format_fen(differs)}" if differs else ""))
    for title, share, usual, column in (
        ("月度预付", said.prepaid, 1.0, split.prepaid),
        ("保证金留存", said.retained, 0.0, split.retained),
    ):
        if share != usual:
            lines.append(f"{title} = 基金 {_yuan(fund)} × {share:g} = {_yuan(int(column[row]))}")
    return lines


def _surplus_words(settlement: Settlement, row: int, facts: dict[str, object]) -> str:
    formula, adjustment = settlement.formula[row], settlement.adjustment[row]
    first = "S − C" if settlement.standard[row] != MISSING_FEN else "无支付标准"
    return (
        f"医保盈亏 = 支付 {facts['whole']} − C {facts['C']} = {format_fen(settlement.surplus[row])}"
        f"（公式盈亏 {first} {format_fen(formula)}，调整 {format_fen(adjustment)}）"
    )


def _facts(explainer: PaymentExplainer, row: int) -> dict[str, object]:
    """Everything a formula in words may name."""
    settlement = explainer.settlement
    cases, rules = settlement.cases, settlement.policy.rules
    weight, price, h, control, mean = (
        float(explainer.numbers[name][row]) for name in ("weight", "price", "h", "control", "mean")
    )
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
        "A": mean,
        "paid": _yuan(int(settlement.paid[row]) - parts if charged else MISSING_FEN),
        "whole": _yuan(int(settlement.paid[row])),
        "weight": weight,
        "base": round(weight * rules.points.scale, 6),
        "price": price,
        "value": price / rules.points.scale,
        "h": h,
        "h_why": _coefficient_why(settlement, row),
        "level": int(cases.level[row]),
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


def _coefficient_why(settlement: Settlement, row: int) -> str:
    """Which entry of [coefficient] gave H, where it is not the default."""
    said, cases = settlement.policy.rules.coefficient, settlement.cases
    drg, level = cases.drg_codes[cases.drg[row]], str(int(cases.level[row]))
    hospital = int(cases.hospital.codes[row])
    if drg in said.base_list:
        return "（基层病组）"
    if level in said.by_drg.get(drg, {}):
        return "（按病组和级别）"
    if hospital >= 0 and cases.hospital.names[hospital] in said.by_hospital:
        return "（按医院）"
    return "（按级别）" if level in said.by_level else ""


def _yuan(fen: int) -> str:
    return "无" if fen == MISSING_FEN else format_fen(fen)
