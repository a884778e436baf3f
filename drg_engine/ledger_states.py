"""What a month in finance goes through (allocation.md §8): states, moves, and who made them."""

from __future__ import annotations

import getpass
import os
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType

__all__ = [
    "CLOSED_STATES",
    "MOVES",
    "OPEN_STATES",
    "STATE_WORDS",
    "Clock",
    "Move",
    "Signature",
    "now",
    "sign",
]

Clock = Callable[[], datetime]
"""Gives the time, with its zone."""

STATE_WORDS: Mapping[str, str] = MappingProxyType(
    {
        "draft": "草稿",
        "checked": "已核对",
        "approved": "已批准",
        "locked": "已锁定",
        "paid": "已发放",
    }
)
"""The states in their order and their words."""

OPEN_STATES = ("draft", "checked")
"""States in which a month may be run again."""

CLOSED_STATES = ("locked", "paid")
"""States in which a month is corrected by another month only."""


@dataclass(frozen=True, slots=True)
class Move:
    """A move of a month from one state to another; some must be given a reason."""

    word: str
    sources: tuple[str, ...]
    target: str
    needs_reason: bool = False


MOVES: Mapping[str, Move] = MappingProxyType(
    {
        "check": Move("核对", ("draft",), "checked"),
        "approve": Move("批准", ("checked",), "approved"),
        "lock": Move("锁定", ("approved",), "locked"),
        "pay": Move("发放", ("locked",), "paid"),
        "return": Move("退回", ("checked", "approved"), "draft", needs_reason=True),
        "unlock": Move("解锁", ("locked",), "draft", needs_reason=True),
    }
)
"""The allowed moves; there is no other way from state to state but a run, which makes a draft."""


@dataclass(frozen=True, slots=True)
class Signature:
    """Who did something and when.

    actor: the name given.  account: the system's account and computer.  time: ISO 8601, with zone.
    """

    actor: str
    account: str
    time: str


def now() -> datetime:
    """The clock, in universal time."""
    return datetime.now(UTC)


def sign(actor: str | None = None, clock: Clock = now) -> Signature:
    """Who and when, for a command: the name given, ``DRG_ENGINE_USER``, or the account's name.

    The only place where a command's time is taken.
    """
    try:
        login = getpass.getuser()
    except (KeyError, OSError, ImportError):  # an account without a name
        login = str(os.getuid()) if hasattr(os, "getuid") else "unknown"
    name = (actor or os.environ.get("DRG_ENGINE_USER", "")).strip() or login
    name = name.encode("utf-8", "replace").decode("utf-8")  # as the ledger keeps it
    time = clock().astimezone().isoformat(timespec="seconds")
    return Signature(name, f"{login}@{socket.gethostname()}", time)
