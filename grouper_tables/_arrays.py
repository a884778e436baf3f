"""The flat arrays a compiled scheme consists of, as the grouping kernel reads them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

__all__ = ["COUNTED", "GREY", "KNOWN", "LEVEL_CC", "LEVEL_MCC", "Ints", "Rules", "Words"]

Words = npt.NDArray[np.uint64]
Ints = npt.NDArray[np.int32]

KNOWN, GREY, COUNTED = 1, 2, 4
"""Bits of ``dx_flags`` and ``proc_flags``; COUNTED marks a procedure that counts."""
LEVEL_CC, LEVEL_MCC = 1, 2


class Rules(NamedTuple):
    """Flat arrays that the kernel reads.  A is alternatives, W words, B bit sets' words."""

    dx_class: Ints  # (dx+1,) class as principal diagnosis; the last row stands for unknown codes
    dx_flags: npt.NDArray[np.uint8]  # (dx+1,)
    dx_other: npt.NDArray[np.uint32]  # (dx+1,) set class << 18 | level << 16 | exclusion
    dx_exclusion: Ints  # (dx+1,) row of ``excluded``
    proc_class: Ints  # (proc+1,)
    proc_flags: npt.NDArray[np.uint8]  # (proc+1,)
    proc_sets: Ints  # (proc+1,) row of ``proc_bits``
    dx_words: Words  # (classes, W) alternatives the principal diagnosis allows
    proc_words: Words  # (classes, W) alternatives the principal procedure allows
    sex_words: Words  # (3, W)
    simple: Words  # (W,) alternatives decided by the words alone
    dx_bits: Words  # (set classes, B) sets for other_dx and any_dx
    proc_bits: Words  # (set classes, B)
    excluded: npt.NDArray[np.uint8]  # (rows, exclusion numbers + 1)
    dx_in_mdc: Words  # (classes,) bit m: the diagnosis stands in the table of MDC m
    owner: Ints  # (A,) MDC of an entry, ADRG of a rule, group of a group rule
    by_dx: npt.NDArray[np.uint8]  # (A,) the alternative looks for a diagnosis
    entry_words: Ints  # (2,) first and past-last word of the MDC entries
    mdc_words: Ints  # (MDCs, 2)
    adrg_medical: npt.NDArray[np.uint8]  # (ADRGs,)
    plain_group: Ints  # (ADRGs, 3) group by severity none, cc, mcc; -1 none; -2 look at the ladder
    ladder: Ints  # (ADRGs, 2) rows of ``rungs``
    rungs: Ints  # (rungs, 4) least severity, group, first and past-last word of its conditions
    children: Ints  # (groups, 2) rows of ``rungs`` for sub-groups
    ambiguous_group: Ints  # (MDCs,) result of an ambiguous case
    x_any_need: Words  # (A, B)
    x_any_ban: Words
    x_other_need: Words
    x_other_ban: Words
    x_proc_need: Words
    x_proc_ban: Words
    x_sites: Words  # (A, B) sets that are body sites
    x_sites_range: npt.NDArray[np.int16]  # (A, 2)
    x_counted: npt.NDArray[np.int8]  # (A,) 0 no matter, 1 must count, 2 must not
    x_modes: npt.NDArray[np.uint32]  # (A,) bit d: discharge mode d allowed
    x_flags_need: Words  # (A,)
    x_flags_ban: Words  # (A,)
    bound_rows: Ints  # (A, 2) rows of the bounds
    bound_field: npt.NDArray[np.int8]
    bound_range: npt.NDArray[np.float64]  # (bounds, 2) inclusive
    bound_negated: npt.NDArray[np.uint8]
    options: npt.NDArray[np.int64]  # ambiguous groups, reject grey codes, group of ungrouped cases
