"""The figures that a month gives to the fields of formulas, as columns of float64."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from performance.facts import Facts, Posts
from performance.formula_tree import (
    Binary,
    Call,
    Compare,
    Field,
    Ladder,
    Negative,
    Node,
    inner_nodes,
    nodes_of,
)

__all__ = [
    "degree_in",
    "department_columns",
    "quality_columns",
    "single_keys",
    "staff_columns",
    "with_keys",
]

Floats = npt.NDArray[np.float64]
Columns = dict[tuple[str, str], Floats]

INCOMES = (
    "order_income", "execution_income", "drug_income", "consumable_income", "test_income",
    "mean_price",
)  # fmt: skip


def department_columns(facts: Facts, series: int) -> Columns:
    """Fields of the departments (n) in one series that come straight from the month's tables.

    Yuan, points, ratios; what the sharing computes (点值, DRG部分, 承担成本 …) is added by it.
    """
    n = facts.n
    columns: Columns = {
        ("points", ""): np.maximum(facts.points_e6[series, :n], 0) / 1e6,
        ("order_points", ""): facts.order_e6[series, :n] / 1e6,
        ("execution_points", ""): facts.execution_e6[series, :n] / 1e6,
        ("coefficient", ""): facts.coefficient[:n],
        ("drg_surplus", ""): facts.drg.surplus_fen / 100.0,
        ("rw", ""): facts.drg.rw,
        ("cmi", ""): facts.drg.cmi,
        ("cases", ""): facts.drg.cases,
    }
    for subject, amount in facts.costs.items():
        columns["cost_of", subject] = amount / 100.0
    for name in INCOMES:
        columns[name, ""] = facts.incomes.get(name, np.zeros(n)) / 100.0
    return columns


def quality_columns(facts: Facts, score: Floats) -> Columns:
    """Fields of the departments (n) for a quality formula."""
    columns: Columns = {
        ("score", ""): score,
        ("rw", ""): facts.drg.rw,
        ("cmi", ""): facts.drg.cmi,
        ("cases", ""): facts.drg.cases,
    }
    for name, (actual, reference) in facts.indicators.items():
        with np.errstate(all="ignore"):
            ratio = np.where(reference != 0, actual / reference, np.nan)
        columns["indicator_of", name] = ratio
        columns["actual_of", name] = actual
        columns["reference_of", name] = reference
    return columns


def staff_columns(
    posts: Posts, attendance: Floats, days: tuple[Floats, Floats], score: Floats
) -> Columns:
    """Fields of the posts (m); attendance, days (present, due) and score as the plan takes them."""
    return {
        ("post", ""): posts.post,
        ("title", ""): posts.title,
        ("attendance", ""): attendance,
        ("days_present", ""): days[0],
        ("days_due", ""): days[1],
        ("post_share", ""): posts.share,
        ("personal_points", ""): posts.points,
        ("personal_score", ""): score,
        ("evaluation", ""): posts.evaluation,
        ("satisfaction", ""): posts.satisfaction,
        ("personal_income", ""): posts.income,
    }


def single_keys(tree: Node) -> set[str]:
    """The single items (单项.手术) that a formula takes up itself."""
    return {
        node.key for node in nodes_of(tree) if isinstance(node, Field) and node.name == "single_of"
    }


def with_keys(columns: Columns, name: str, keys: set[str], n: int) -> Columns:
    """The columns with zeros for keys that the plan lists and the month does not have."""
    more: Columns = {(name, key): np.zeros(n) for key in keys if (name, key) not in columns}
    return columns | more


def degree_in(tree: Node, name: str) -> int:
    """Degree of a formula in one field: 0 without it, 1 where linear; 9 where it is no polynomial.

    A field inside a divisor, a condition, min, max, clip or the argument of a ladder makes it 9.
    """
    match tree:
        case Field():
            return int(tree.name == name)
        case Negative():
            return degree_in(tree.inner, name)
        case Binary():
            left, right = degree_in(tree.left, name), degree_in(tree.right, name)
            if tree.sign == "*":
                return min(9, left + right)
            if tree.sign == "/":
                return 9 if right else left
            return max(left, right)
        case Call() | Compare():
            parts = [degree_in(part, name) for part in inner_nodes(tree)]
            if isinstance(tree, Call) and tree.name == "where":
                return 9 if parts[0] else max(parts[1:])
            return 9 if any(parts) else 0
        case Ladder():
            if degree_in(tree.x, name):
                return 9
            return max(degree_in(value, name) for value in tree.values)
        case _:
            return 0
