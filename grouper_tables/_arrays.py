"""The flat arrays a compiled scheme consists of, as the grouping kernel reads them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

__all__ = [
    "AGES",
    "ANY_MODE",
    "COUNTED",
    "GREY",
    "KNOWN",
    "LEVEL_CC",
    "LEVEL_MCC",
    "MOST_SITES",
    "Ints",
    "Rules",
    "Words",
]

Words = npt.NDArray[np.uint64]
Ints = npt.NDArray[np.int32]

KNOWN, GREY, COUNTED = 1, 2, 4
"""Flags of a code; COUNTED marks a procedure that counts."""
LEVEL_CC, LEVEL_MCC = 1, 2
MOST_SITES = 999
ANY_MODE = 0xFFFFFFFF
AGES = 152
"""Rows of ``age_words``: missing, then 0 to 150; older is 150."""


class Rules(NamedTuple):
    """Flat arrays that the kernel reads.  A is alternatives, W their words, F words of findings.

    A finding is a set looked for anywhere in a case: among any diagnosis, the other diagnoses or
    the procedures.
    """

    dx_first: Words  # (dx+1,) class << 40 | row of ``counting`` << 16 | flags; last row: unknown
    dx_other: npt.NDArray[np.uint32]  # (dx+1,) row of ``as_other`` << 18 | level << 16 | exclusion
    proc_first: Words  # (proc+1,) class << 40 | flags
    proc_other: Ints  # (proc+1,) row of ``as_procedure``
    dx_words: Words  # (classes, W) alternatives the principal diagnosis allows
    proc_words: Words  # (classes, W) alternatives the principal procedure allows
    sex_words: Words  # (3, W)
    age_words: Words  # (AGES, W)
    simple: Words  # (W,) alternatives decided by the words alone
    seeking: Words  # (W,) alternatives that need some finding of the first word
    sought: Words  # (W,) first word of findings that those alternatives need, together
    as_principal: Words  # (rows, F) findings a diagnosis makes as the principal one
    as_other: Words  # (rows, F)
    as_procedure: Words  # (rows, F)
    counting: npt.NDArray[np.uint8]  # (rows, exclusion numbers + 1) 3 counts, 0 excluded
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
    need: Words  # (A, F) findings wanted
    ban: Words  # (A, F) findings banned
    rest: npt.NDArray[np.uint8]  # (A,) more is asked: sites, marks or bounds
    sites: Words  # (A, F) findings that are body sites
    site_range: Ints  # (A, 2) least and most sites
    marks: Words  # (A, 3) flags wanted, flags banned, bit d: discharge mode d allowed
    bound_rows: Ints  # (A, 2) rows of ``bounds``
    bounds: npt.NDArray[np.float64]  # (bounds, 4) field, least, most, negated
    options: npt.NDArray[np.int64]  # ambiguous groups, reject grey codes, group of ungrouped cases
