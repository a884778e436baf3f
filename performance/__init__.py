"""From work to pay: charge lines → points → department pools → staff pay, exact to the fen."""

from __future__ import annotations

from performance.allocate import Allocation, allocate
from performance.drg_facts import DrgSurplus
from performance.inputs import Inputs, input_files, read_inputs
from performance.lines import ChargeLines, read_lines
from performance.plan import Plan, check_plan, describe_plan, load_plan, parse_plan
from performance.tables import read_table
from performance.words import item_words

__all__ = [
    "Allocation",
    "ChargeLines",
    "DrgSurplus",
    "Inputs",
    "Plan",
    "allocate",
    "check_plan",
    "describe_plan",
    "input_files",
    "item_words",
    "load_plan",
    "parse_plan",
    "read_inputs",
    "read_lines",
    "read_table",
]
