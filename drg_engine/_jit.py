"""The one numba seam: compilation, threads and the no-jit switch.

No other module imports numba.  Kernels live in modules named ``_kernels*.py`` and are decorated
with :func:`kernel`; they run without the GIL and without numba's own thread layers, so any number
of Python threads may call them at once whichever layer is installed.  :func:`run_split` is the
only place that starts threads.

``DRG_ENGINE_NO_JIT=1`` leaves every kernel plain Python (slow, debuggable, same results).
``DRG_ENGINE_THREADS`` bounds the number of threads.
"""

from __future__ import annotations

import functools
import hashlib
import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from platformdirs import user_cache_path

__all__ = [
    "JIT",
    "kernel",
    "kernel_bare",
    "kernel_part",
    "run_split",
    "run_together",
    "thread_count",
]

JIT = os.environ.get("DRG_ENGINE_NO_JIT", "") in ("", "0")

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])


def _kernel_cache() -> Path:
    """Folder for compiled kernels, one per state of the kernels' sources.

    numba checks only the file of the kernel it loads, not the kernels that one calls; a folder
    named by the hash of all their sources cannot serve a stale one.
    """
    root = Path(__file__).resolve().parent.parent
    digest = hashlib.sha256()
    for package in ("drg_engine", "grouper_tables", "performance"):
        for source in sorted((root / package).glob("_kernels*.py")):
            digest.update(source.read_bytes())
    return user_cache_path("drg-engine", appauthor=False) / "kernels" / digest.hexdigest()[:16]


def _compile(function: F, **options: Any) -> F:
    import numba

    before = numba.config.CACHE_DIR
    numba.config.CACHE_DIR = str(_cache_dir())
    try:
        compiled: F = numba.njit(function, nogil=True, cache=True, error_model="numpy", **options)
    finally:
        numba.config.CACHE_DIR = before
    return compiled


@functools.cache
def _cache_dir() -> Path:
    return _kernel_cache()


def kernel(function: F) -> F:
    """Compile ``function`` for columns, or leave it plain under the no-jit switch.

    Plain kernels run with overflow ignored, as compiled integers wrap silently.
    """
    return _compile(function) if JIT else _plain(function)


def kernel_bare(function: F) -> F:
    """Like :func:`kernel`, for code that makes no array.

    Arrays are handed on without counting their users, which would cost more than a small function
    that is given tuples of many arrays.
    """
    return _compile(function, _nrt=False) if JIT else _plain(function)


def kernel_part(function: F) -> F:
    """A piece of a :func:`kernel_bare`, written out wherever one calls it."""
    return _compile(function, _nrt=False, inline="always") if JIT else _plain(function)


def _plain(function: F) -> F:
    @functools.wraps(function)
    def plain(*args: Any) -> Any:
        with np.errstate(all="ignore"):
            return function(*args)

    return plain  # type: ignore[return-value]


def thread_count() -> int:
    """Threads to use: ``DRG_ENGINE_THREADS``, else the processors this process may run on."""
    asked = os.environ.get("DRG_ENGINE_THREADS", "")
    if asked.isdigit() and int(asked) > 0:
        return int(asked)
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def run_together(works: Iterable[Callable[[], T]]) -> list[T]:
    """Results of several pieces of work, each in a thread of its own; the first error is raised."""
    listed = list(works)
    with ThreadPoolExecutor(max_workers=max(1, len(listed))) as pool:
        return [future.result() for future in [pool.submit(work) for work in listed]]


def run_split(
    work: Callable[[int, int], None], n: int, *, threads: int | None = None, least: int = 20_000
) -> None:
    """Call ``work(start, stop)`` over ``range(n)`` cut into one part for each thread.

    Parts are contiguous and disjoint.  Below ``least`` rows a part is not worth a thread.  An
    exception in any part is raised here after all parts have ended.
    """
    count = thread_count() if threads is None else threads
    parts = max(1, min(count, n // least if least else count))
    if parts == 1:
        work(0, n)
        return
    edges = [n * i // parts for i in range(parts + 1)]
    with ThreadPoolExecutor(max_workers=parts - 1) as pool:
        futures = [pool.submit(work, edges[i], edges[i + 1]) for i in range(parts - 1)]
        work(edges[-2], edges[-1])
        for future in futures:
            future.result()
