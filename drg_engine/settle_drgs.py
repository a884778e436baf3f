"""The DRGs of cases read part by part: their places stay the same from part to part."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from drg_engine.policy import Policy
from grouper_tables import Scheme

__all__ = ["DrgIndex", "named_drgs"]

_NOTHING = ""


class DrgIndex:
    """Places of DRG codes: those of a scheme, or those met, numbered as they come.

    ``nothing`` is the place of a case without a DRG; it is the last one of a scheme's codes, or the
    first one of those met.
    """

    def __init__(self, scheme: Scheme | None = None, named: Iterable[str] = ()) -> None:
        self.scheme = scheme
        self._codes = [_NOTHING, *named] if scheme is None else [*scheme.drg_codes, _NOTHING]
        self._at = {code: place for place, code in enumerate(self._codes)}
        self._held: tuple[str, ...] = tuple(self._codes)
        self._weights = np.full(len(self._codes), np.nan)
        if scheme is not None:
            self._weights[:-1] = np.asarray(scheme.weights, dtype=np.float64)
        self.nothing = self._at[_NOTHING]

    @property
    def codes(self) -> tuple[str, ...]:
        """Every code, by its place."""
        if len(self._held) < len(self._codes):
            self._held = tuple(self._codes)
        return self._held

    def places(self, codes: Sequence[str]) -> list[int]:
        """Place of each code; -1 for one that the scheme does not have."""
        if self.scheme is None:
            for code in codes:
                if code not in self._at:
                    self._at[code] = len(self._codes)
                    self._codes.append(code)
        return [self._at.get(code, -1) for code in codes]

    def weights(self) -> npt.NDArray[np.float64]:
        """The scheme's weight of each DRG; NaN where there is none."""
        lacking = len(self._codes) - self._weights.size
        if lacking > 0:
            self._weights = np.append(self._weights, np.full(lacking, np.nan))
        return self._weights


def named_drgs(policies: Iterable[Policy]) -> list[str]:
    """DRGs that policies name: known without a scheme, so that the policies can be used."""
    found: dict[str, None] = {}
    for policy in policies:
        rules = policy.rules
        listed = [
            *rules.standard.means,
            *(row.drg for row in rules.standard.prices),
            *rules.coefficient.by_drg,
            *rules.coefficient.base_list,
            *(code for rule in rules.scope for code in rule.drgs),
            *(code for bed in rules.bed_day for code in bed.drgs),
            *(code for extra in rules.extra for code in extra.means),
            *rules.tcm.drgs,
        ]
        found |= dict.fromkeys(listed)
    return list(found)
