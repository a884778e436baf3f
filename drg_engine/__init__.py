"""The core of drg-engine: cases, grouping, payment, surplus, simulation, command line.

The names below are loaded when first used, so that importing the package, or asking the command for
help, costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from drg_engine.cases import Cases, read_cases
    from drg_engine.errors import DrgEngineError
    from drg_engine.explanation import explain
    from drg_engine.grouping import CaseResult, Grouping, group, group_one
    from grouper_tables import Scheme, load_scheme

__version__ = "0.1.0"

__all__ = [
    "CaseResult",
    "Cases",
    "DrgEngineError",
    "Grouping",
    "Scheme",
    "__version__",
    "explain",
    "group",
    "group_one",
    "load_scheme",
    "read_cases",
]

_HOMES = {
    "CaseResult": "drg_engine.grouping",
    "Cases": "drg_engine.cases",
    "DrgEngineError": "drg_engine.errors",
    "Grouping": "drg_engine.grouping",
    "Scheme": "grouper_tables",
    "explain": "drg_engine.explanation",
    "group": "drg_engine.grouping",
    "group_one": "drg_engine.grouping",
    "load_scheme": "grouper_tables",
    "read_cases": "drg_engine.cases",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return list(__all__)
