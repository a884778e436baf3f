"""Tables of a policy that nobody can change: a dict that reads, copies and pickles like any."""

from __future__ import annotations

from typing import Any, NoReturn, TypeVar

from pydantic import AfterValidator

__all__ = ["FROZEN", "FrozenDict"]

_K = TypeVar("_K")
_V = TypeVar("_V")


class FrozenDict(dict[_K, _V]):
    """A dict whose entries stay as they are; every way of changing it raises TypeError.

    A plain dict would let one caller change a policy under another's hands.  (A MappingProxyType
    would do as well, but is neither pickled for other processes nor dumped by pydantic.)
    """

    def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        raise TypeError("政策不可改动；请用 Policy.with_changes")

    __setitem__ = __delitem__ = __ior__ = _refuse
    clear = pop = popitem = setdefault = update = _refuse

    def __reduce__(self) -> tuple[Any, ...]:
        return FrozenDict, (dict(self),)

    def __copy__(self) -> FrozenDict[_K, _V]:
        return self


FROZEN = AfterValidator(FrozenDict)
"""For the fields of a model: the dict, once checked, is frozen."""
