"""The calculation of a department's pool in words, step by step."""

from __future__ import annotations

from collections.abc import Hashable

import numpy as np

from drg_engine.money import format_fen
from performance.words import decimal_text, money_steps, number_text

__all__ = ["pool_words"]

_NUMBERS = (
    "staff_weight", "coefficient", "drg_factor", "value", "quality_score", "quality_factor",
)  # fmt: skip
_PARTS = {
    "formula": "公式其余部分",
    "drg": "DRG 部分",
    "cost": "承担成本",
    "quality": "质量调整",
    "quality_pool": "质量奖金",
    "floor": "补至零",
    "bounds": "保底封顶",
    "single": "科室单项",
}


def pool_words(row: dict[Hashable, object]) -> str:
    """The calculation of one row of the department pools, step by step."""
    text = {name: float(str(row[name])) for name in _NUMBERS}
    amount = {name: int(str(row[f"{name}_fen"])) for name in ("points", "pool", *_PARTS)}
    amount["cost"] = -amount["cost"]
    steps = [("点数部分", amount["points"])]
    steps += [(label, amount[name]) for name, label in _PARTS.items() if amount[name]]
    drg = str(row["drg_words"])
    drg += _own_share(row, "drg", amount["drg"]) if drg and amount["drg"] else ""
    cost = str(row["cost_words"])
    cost += _own_share(row, "cost", -amount["cost"]) if cost and amount["cost"] else ""
    quality = str(row["quality_words"])
    if amount["quality"] and not quality:
        quality = f"质量 {number_text(text['quality_score'])} 分"
        quality += f"，系数 {number_text(text['quality_factor'])}"
    last = money_steps(steps, ("科室奖金", amount["pool"])) if len(steps) > 1 else ""
    kept = [
        f"{label} {format_fen(int(str(row[name])))}"
        for name, label in (
            ("head_fund_fen", "科主任基金留存"),
            ("department_single_fen", "个人单项"),
        )
        if int(str(row[name]))
    ]
    pieces = (
        _first(row, text, amount["points"]),
        drg,
        cost,
        quality,
        last,
        *kept,
    )
    return "；".join(piece for piece in pieces if piece)


def _own_share(row: dict[Hashable, object], part: str, fen: int) -> str:
    """What of a whole department's amount is this series': `，本系列 × 0.6 = 600.00`."""
    share = float(str(row[f"{part}_share"]))
    if share == 1:
        return ""
    times = "" if np.isnan(share) else f" × {number_text(share, 6)} ="
    return f"，本系列{times} {format_fen(fen)}"


def _first(row: dict[Hashable, object], text: dict[str, float], points_fen: int) -> str:
    if row["formula_words"]:
        return f"{row['formula_words']}（点数部分 {format_fen(points_fen)}）"
    if row["basis"] == "points":
        first = f"点数 {decimal_text(int(str(row['points_e6'])), 6)}"
    else:
        first = f"人员系数 {number_text(text['staff_weight'], 6)}"
    if text["coefficient"] != 1:
        first += f" × 科室系数 {number_text(text['coefficient'])}"
    if text["drg_factor"] != 1 and row["basis"] == "points":
        first += f" × CMI 系数 {number_text(text['drg_factor'])}"
    return first + f" × 点值 {number_text(text['value'])} = {format_fen(points_fen)}"
