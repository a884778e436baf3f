"""The lease on a month: one process at a time runs it, and others are told who.

A lease is free again when its process ends in any way on the same computer, or when its time is
over; the process renews it while it works.
"""

from __future__ import annotations

import os
import socket
import sys
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from drg_engine._ledger_tables import PERIOD
from drg_engine.errors import Fault, LedgerError

__all__ = ["LEASE_SECONDS", "Lease", "MonthBusyError", "lease_of", "refuse_busy", "take_lease"]

LEASE_SECONDS = 1_800
_FREE = {f"lease_{name}": None for name in ("token", "owner", "host", "pid", "since", "until")}


class MonthBusyError(LedgerError):
    """Somebody is running the month."""


@dataclass(frozen=True, slots=True)
class Lease:
    """Who is running a month; ``until`` is seconds since 1970."""

    token: str
    owner: str
    host: str
    pid: int
    since: str
    until: float

    def is_live(self, moment: float) -> bool:
        """Whether it still holds: in time, and its process not known to have ended."""
        if moment >= self.until:
            return False
        return self.host != socket.gethostname() or _alive(self.pid)


def lease_of(row: sa.Row[Any]) -> Lease | None:
    """The lease in a row of the table of periods."""
    if row.lease_token is None:
        return None
    return Lease(
        str(row.lease_token), str(row.lease_owner), str(row.lease_host), int(row.lease_pid),
        str(row.lease_since), float(row.lease_until),
    )  # fmt: skip


def _alive(pid: int) -> bool:
    """Whether a process of this computer is running."""
    if sys.platform == "win32":
        import ctypes

        windows = ctypes.windll.kernel32
        handle = windows.OpenProcess(0x1000, False, pid)  # may only ask about it
        if not handle:
            return False
        code = ctypes.c_ulong()
        windows.GetExitCodeProcess(handle, ctypes.byref(code))
        windows.CloseHandle(handle)
        return code.value == 259  # still active
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:  # somebody else's process
        return True
    return True


def refuse_busy(period: str, lease: Lease | None, moment: float) -> None:
    """Raise MonthBusyError where somebody is running the month."""
    if lease is None or not lease.is_live(moment):
        return
    who = f"{lease.owner}（{lease.host}，{lease.since} 起）正在运行"
    mend = "等它结束再试；那台电脑已停的，用 drg-engine ledger release 写明原因"
    raise MonthBusyError(f"{period} 正被使用", [Fault(period, who, mend=mend)])


def take_lease(
    connection: sa.Connection, period: str, token: str | None, owner: str, since: str, moment: float
) -> None:
    """Write the lease of a month into its row, or with token None take it out."""
    values: dict[str, Any] = dict(_FREE)
    if token is not None:
        values = {
            "lease_token": token,
            "lease_owner": owner,
            "lease_host": socket.gethostname(),
            "lease_pid": os.getpid(),
            "lease_since": since,
            "lease_until": moment + LEASE_SECONDS,
        }
    connection.execute(PERIOD.update().where(PERIOD.c.period == period).values(**values))
