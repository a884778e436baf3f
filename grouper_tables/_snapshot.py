"""Compiled schemes as files: one container, the same bytes for the same tables.

Layout: magic line, length of the JSON head (8 bytes, little-endian), head, arrays each aligned
to 64 bytes, SHA-256 of all before it.  The head names the tables' hash, the names and each
array's dtype, shape and place.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np

from drg_engine.errors import TableError
from drg_engine.files import written_aside
from grouper_tables._arrays import Rules
from grouper_tables._compile import Compiled

__all__ = ["FORMAT", "read_snapshot", "snapshot_bytes", "write_snapshot"]

FORMAT = 1
_MAGIC = b"drg-engine scheme\n"
_ALIGN = 64


def snapshot_bytes(compiled: Compiled, key: str) -> bytes:
    """The container of a compiled scheme under the hash ``key`` of what it was made from."""
    arrays = {**compiled.rules._asdict(), "weights": compiled.weights}
    parts: list[bytes] = []
    places: dict[str, dict[str, Any]] = {}
    position = 0
    for name, array in arrays.items():
        content = np.ascontiguousarray(array).tobytes()
        padding = -position % _ALIGN
        parts += [b"\0" * padding, content]
        position += padding
        places[name] = {
            "dtype": array.dtype.newbyteorder("<").str,
            "shape": array.shape,
            "at": position,
        }
        position += len(content)
    head = {"format": FORMAT, "key": key, "names": dict(compiled.names), "arrays": places}
    text = json.dumps(head, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()
    text += b" " * (-(len(_MAGIC) + 8 + len(text)) % _ALIGN)
    body = b"".join([_MAGIC, len(text).to_bytes(8, "little"), text, *parts])
    return body + hashlib.sha256(body).digest()


def write_snapshot(path: Path, compiled: Compiled, key: str) -> None:
    """Write the container aside and rename it."""
    content = snapshot_bytes(compiled, key)
    with written_aside(path) as aside:
        aside.write_bytes(content)


def read_snapshot(path: Path, key: str) -> Compiled:
    """Read a container.  Raises TableError when it is damaged or made from other tables."""
    content = path.read_bytes()
    body, seal = content[:-32], content[-32:]
    if not content.startswith(_MAGIC) or hashlib.sha256(body).digest() != seal:
        raise TableError(f"编译缓存 {path.name} 已损坏")
    start = len(_MAGIC) + 8
    length = int.from_bytes(content[len(_MAGIC) : start], "little")
    head = json.loads(content[start : start + length])
    if head["format"] != FORMAT or head["key"] != key:
        raise TableError(f"编译缓存 {path.name} 与表格不符")
    arrays = {
        name: np.frombuffer(
            body,
            dtype=np.dtype(place["dtype"]),
            count=int(np.prod(place["shape"])),
            offset=start + length + place["at"],
        ).reshape(place["shape"])
        for name, place in head["arrays"].items()
    }
    weights = arrays.pop("weights")
    names = {name: tuple(values) for name, values in head["names"].items()}
    return Compiled(Rules(**arrays), names, weights)
