"""Reading ahead and writing behind: parts are made and written while others are worked on."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

__all__ = ["ahead", "begun", "behind"]

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


def begun(works: Iterable[Callable[[], T]]) -> Callable[[], list[T]]:
    """Begin pieces of work, each in a thread of its own; the function given waits for the results.

    It raises the first error among them.
    """
    listed = list(works)
    pool = ThreadPoolExecutor(max_workers=max(1, len(listed)))
    coming = [pool.submit(work) for work in listed]
    pool.shutdown(wait=False)
    return lambda: [future.result() for future in coming]


@contextmanager
def behind(work: Callable[..., None], depth: int = 1) -> Iterator[Callable[..., None]]:
    """Give a function that has ``work`` done in a thread of its own, in the order it is called.

    At most ``depth`` calls wait, so that memory stays bounded.  An exception in the work is raised
    at a later call, or at the end.
    """
    pool = ThreadPoolExecutor(max_workers=1)
    waiting: deque[Future[None]] = deque()

    def later(*given: Any) -> None:
        while len(waiting) > depth:
            waiting.popleft().result()
        waiting.append(pool.submit(work, *given))

    try:
        yield later
        while waiting:
            waiting.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
