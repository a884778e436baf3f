"""What a department's pool is made of, in the order in which every report tells it."""

from __future__ import annotations

__all__ = ["POOL_PARTS"]

POOL_PARTS = (
    ("点数部分", "points_fen", 1), ("公式部分", "formula_fen", 1), ("DRG 部分", "drg_fen", 1),
    ("承担成本", "cost_fen", -1), ("质量增减", "quality_fen", 1),
    ("质量奖金", "quality_pool_fen", 1), ("补至零", "floor_fen", 1),
    ("保底封顶", "bounds_fen", 1), ("科室单项", "single_fen", 1),
)  # fmt: skip
"""Title, column (fen) of ``Allocation.department_pools`` and sign; they sum to ``pool_fen``."""
