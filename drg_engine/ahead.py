"""Reading ahead: the next parts are made while the last one is worked on."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

__all__ = ["ahead"]

T = TypeVar("T")


def ahead(parts: Iterator[T], depth: int = 1) -> Iterator[T]:
    """The same parts in the same order; the first are begun at once, in a thread of their own.

    At most ``depth`` parts are made ahead, so that memory stays bounded.  An exception in the
    making is raised where the part would have been given.
    """
    pool = ThreadPoolExecutor(max_workers=1)
    coming: deque[Future[T | None]] = deque(pool.submit(next, parts, None) for _ in range(depth))

    def given() -> Iterator[T]:
        try:
            while (part := coming.popleft().result()) is not None:
                coming.append(pool.submit(next, parts, None))
                yield part
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    return given()
