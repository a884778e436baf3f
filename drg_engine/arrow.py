"""How pyarrow is loaded, and where it takes memory from."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from types import ModuleType

import pyarrow as pa

__all__ = ["give_memory_back", "spare_pandas"]


def spare_pandas() -> None:
    """Keep pyarrow from loading pandas in this process, where nothing needs it.

    pyarrow loads pandas when it first makes a scalar or an array, if only to ask whether it was
    given one of its columns; that costs a quarter of a second.  It is told here that there is no
    pandas.  Where pandas is loaded already, nothing is done.
    """
    if "pandas" in sys.modules:
        return
    sys.meta_path.insert(0, _NoPandas)
    try:
        pa.scalar("")
    finally:
        sys.meta_path.remove(_NoPandas)


def give_memory_back() -> None:
    """Let pyarrow take memory from jemalloc, where it was built with it.

    Over a long file it gives back what it no longer uses; the usual allocator keeps some of it,
    so that its peak grows with the file.
    """
    if "jemalloc" in pa.supported_memory_backends():
        pa.set_memory_pool(pa.jemalloc_memory_pool())


class _NoPandas:
    """A finder that says there is no pandas."""

    @staticmethod
    def find_spec(
        name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> None:
        """Leave every other module to the finders that follow."""
        if name == "pandas":
            raise ModuleNotFoundError(name=name)
