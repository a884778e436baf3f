"""The exception tree.  Everything the engine raises on purpose is a :class:`DrgEngineError`.

Messages are for people in a hospital, so they are Chinese; each says which file, row and column,
what was found, what is expected and how to mend it.

    DrgEngineError
    ├── InputError          a case, charge or staff file cannot be read as what it should be
    ├── TableError          a scheme's tables contradict themselves
    ├── PolicyError         a payment policy file is faulty
    ├── PlanError           an allocation plan file is faulty or leaves a required choice open
    ├── AllocationError     the money cannot be shared out as the plan says
    ├── WorkspaceError      a workspace folder is not laid out as it should be
    └── LedgerError         the ledger refuses a change, cannot be reached, or does not prove
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

__all__ = [
    "AllocationError",
    "DrgEngineError",
    "Fault",
    "InputError",
    "LedgerError",
    "PlanError",
    "PolicyError",
    "TableError",
    "WorkspaceError",
]


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong with a file, in the words a clerk can act on."""

    file: str
    message: str
    row: int | None = None
    column: str | None = None
    found: str | None = None
    mend: str | None = None

    def __str__(self) -> str:
        place = self.file
        if self.row is not None:
            place += f" 第 {self.row} 行"
        if self.column is not None:
            place += f" [{self.column}]"
        text = f"{place}：{self.message}"
        if self.found is not None:
            text += f"（读到“{self.found}”）"
        if self.mend is not None:
            text += f"。{self.mend}"
        return text


class DrgEngineError(Exception):
    """Base of every error raised on purpose.

    ``faults`` holds each thing found wrong, so that all are told at once.
    """

    exit_code = 1

    def __init__(self, message: str, faults: Iterable[Fault] = ()) -> None:
        self.faults = tuple(faults)
        lines = [message, *(f"  - {fault}" for fault in self.faults)]
        super().__init__("\n".join(lines))


class InputError(DrgEngineError):
    """An input file cannot be read as what it should be."""

    exit_code = 3


class TableError(DrgEngineError):
    """A scheme's tables contradict themselves or miss something."""

    exit_code = 4


class PolicyError(DrgEngineError):
    """A payment policy file is faulty."""

    exit_code = 5


class PlanError(DrgEngineError):
    """An allocation plan is faulty or leaves a required choice open."""

    exit_code = 6


class AllocationError(DrgEngineError):
    """The money cannot be shared out as the plan says."""

    exit_code = 7


class WorkspaceError(DrgEngineError):
    """A workspace folder is not laid out as it should be."""

    exit_code = 8


class LedgerError(DrgEngineError):
    """The ledger of periods refuses a change, cannot be reached, or does not prove."""

    exit_code = 9
