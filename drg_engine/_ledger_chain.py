"""The audit record as a chain: each entry holds the SHA-256 of the one before and of itself.

hash of an entry = SHA-256(previous hash + newline + content), content in canonical JSON.  A chain
proves that nothing in its middle was changed; that its tail is whole is proved by a receipt (count
and hash of the last entry) kept elsewhere.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from drg_engine._ledger_tables import ENTRY, HEAD
from drg_engine.files import written_aside

__all__ = [
    "GENESIS",
    "RECEIPT_FILE",
    "Entry",
    "Receipt",
    "append",
    "canonical",
    "chain_faults",
    "entries",
    "head",
    "keep_receipt",
    "kept_receipt",
    "text_hash",
]

GENESIS = "0" * 64
RECEIPT_FILE = "ledger.receipt.json"
_UNREADABLE = "?"
_LEAST_HEX = 12


@dataclass(frozen=True, slots=True)
class Receipt:
    """How many entries there were, and the hash of the last."""

    count: int
    hash: str

    def __str__(self) -> str:
        return f"{self.count}:{self.hash}"


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry as it is stored."""

    seq: int
    previous: str
    content: str
    hash: str

    @property
    def fields(self) -> dict[str, Any]:
        """The content as a mapping; empty where it is no longer JSON."""
        try:
            found = json.loads(self.content)
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}


def canonical(content: Mapping[str, Any]) -> str:
    """Canonical JSON: keys sorted, no idle space, no floats (ValueError).

    What a command line of another encoding left in a text and is no character becomes ``?``.
    """
    _refuse_floats(content)
    text = json.dumps(
        content, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False
    )
    return text.encode("utf-8", "replace").decode("utf-8")


def _refuse_floats(value: Any) -> None:
    if isinstance(value, float):
        raise ValueError("a float has no canonical text")
    inner = value.values() if isinstance(value, Mapping) else value
    if isinstance(value, Mapping | list | tuple):
        for one in inner:
            _refuse_floats(one)


def text_hash(text: str) -> str:
    """SHA-256 of a text in UTF-8, in hexadecimal."""
    return hashlib.sha256(text.encode()).hexdigest()


def _entry_hash(previous: str, content: str) -> str:
    return text_hash(f"{previous}\n{content}")


def head(connection: sa.Connection) -> Receipt:
    """Count and hash of the last entry, as the ledger's head has them."""
    count, digest = connection.execute(sa.select(HEAD.c["count"], HEAD.c.hash)).one()
    return Receipt(int(count), str(digest))


def append(connection: sa.Connection, content: Mapping[str, Any]) -> Receipt:
    """Add an entry to the chain, within the caller's transaction of writing."""
    last = head(connection)
    seq = last.count + 1
    text = canonical({**content, "seq": seq})
    digest = _entry_hash(last.hash, text)
    connection.execute(
        ENTRY.insert().values(seq=seq, previous=last.hash, content=text, hash=digest)
    )
    connection.execute(HEAD.update().values(count=seq, hash=digest))
    return Receipt(seq, digest)


def entries(connection: sa.Connection) -> list[Entry]:
    """All entries in their order."""
    columns = (ENTRY.c.seq, ENTRY.c.previous, ENTRY.c.content, ENTRY.c.hash)
    rows = connection.execute(sa.select(*columns).order_by(ENTRY.c.seq))
    return [Entry(int(s), str(p), str(c), str(h)) for s, p, c, h in rows]


def chain_faults(chain: Iterable[Entry], last: Receipt, receipts: Iterable[Receipt]) -> list[str]:
    """Where a chain breaks, in words; empty where it is whole.

    last: the ledger's head.  receipts: kept elsewhere; each must be found in the chain, by the
    beginning of its hash.
    """
    faults: list[str] = []
    previous, expected = GENESIS, 1
    hashes = {0: GENESIS}
    for entry in chain:
        faults += _entry_faults(entry, previous, expected)
        previous, expected = entry.hash, entry.seq + 1
        hashes[entry.seq] = entry.hash
    count = expected - 1
    if last != Receipt(count, previous):
        what = "尾部被截去" if count < last.count else "头与末条不符"
        faults.append(f"账本的头记有 {last.count} 条，实有 {count} 条：{what}")
    for receipt in receipts:
        if receipt.hash == _UNREADABLE:
            faults.append(f"回执 {RECEIPT_FILE} 读不出来：被改动或损坏")
        elif receipt.count > count:
            faults.append(f"回执记有 {receipt.count} 条，账本只有 {count} 条：尾部被截去")
        elif not _begins(hashes.get(receipt.count, ""), receipt.hash):
            faults.append(f"第 {receipt.count} 条的指纹与回执不符：这一条或它之前被改写")
    return faults


def _begins(digest: str, start: str) -> bool:
    """Whether a hash begins as a receipt on paper says (12 digits at least)."""
    return len(start) >= _LEAST_HEX and digest.startswith(start)


def _entry_faults(entry: Entry, previous: str, expected: int) -> list[str]:
    faults = []
    if entry.seq != expected:
        missing = f"第 {expected} 条" if entry.seq == expected + 1 else (
            f"第 {expected} 至 {entry.seq - 1} 条"
        )  # fmt: skip
        faults.append(f"{missing}不见了：被删去")
    elif entry.previous != previous:
        faults.append(f"第 {entry.seq} 条与前一条接不上：此处被删去、插入或调换")
    if _entry_hash(entry.previous, entry.content) != entry.hash:
        faults.append(f"第 {entry.seq} 条的内容与指纹不符：被改动")
    elif entry.fields.get("seq") != entry.seq:
        was = entry.fields.get("seq")
        faults.append(f"第 {entry.seq} 条记的序号是 {was}：次序被调换")
    return faults


def keep_receipt(folder: Path, receipt: Receipt) -> None:
    """Keep the receipt beside the ledger, unless a later one is there."""
    held = kept_receipt(folder)
    if held is not None and held.count >= receipt.count:
        return
    text = canonical({"count": receipt.count, "hash": receipt.hash})
    with written_aside(folder / RECEIPT_FILE) as aside:
        aside.write_text(text + "\n", encoding="utf-8")


def kept_receipt(folder: Path) -> Receipt | None:
    """The receipt kept beside the ledger; None where there is none.

    One that is there but cannot be read is told as such by :func:`chain_faults`.
    """
    try:
        text = (folder / RECEIPT_FILE).read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError):
        return Receipt(0, _UNREADABLE)
    try:
        held = json.loads(text)
        return Receipt(int(held["count"]), str(held["hash"]))
    except (ValueError, KeyError, TypeError):
        return Receipt(0, _UNREADABLE)
