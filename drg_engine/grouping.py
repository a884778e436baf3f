"""Grouping: cases and a scheme to MDC, ADRG, DRG, severity and reason (specs/grouping.md)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from drg_engine._jit import run_split
from drg_engine._kernels_grouping import KNOWN, NO_CODE, CaseColumns, ResultColumns, group_rows
from drg_engine.cases import Cases
from drg_engine.codes import normal_code
from grouper_tables import Scheme

__all__ = [
    "REASONS",
    "REASON_WORDS",
    "SEVERITIES",
    "STATUS",
    "CaseResult",
    "CodeLookup",
    "Grouping",
    "group",
    "group_one",
]  # fmt: skip

STATUS = ("grouped", "ambiguous", "ungrouped", "invalid")
"""What became of a case; a status column indexes it."""

SEVERITIES = ("none", "cc", "mcc")
"""Severity by number; -1 where a case has no group of its own."""

REASONS = (
    "",
    "ambiguous",
    "no_principal_dx",
    "unknown_principal_dx",
    "grey_principal_dx",
    "grey_principal_proc",
    "no_mdc",
    "no_adrg",
    "no_group",
)
"""Why a case has no ordinary group; a reason column indexes it."""

REASON_WORDS = (
    "",
    "主要手术与主要诊断无关，入歧义组",
    "没有主要诊断",
    "主要诊断不是已知编码",
    "主要诊断是灰码，不能作主要诊断",
    "主要手术是灰码，且不在任何 ADRG 的手术表内",
    "按性别、年龄和主要诊断，不属于任何 MDC",
    "进入了 MDC，但不符合其中任何 ADRG",
    "ADRG 没有适合这一严重程度或条件的病组",
)
"""REASONS in words."""

_OLDEST, _MODES = 150, 32
Words = npt.NDArray[np.uint64]
_NO_FLAGS = np.zeros(0, dtype=np.uint64)


@dataclass(frozen=True)
class Grouping:
    """Results of n cases as columns.

    status int8 (STATUS), mdc int8, adrg int16 and drg int32 (places in the scheme's codes; -1 where
    there is no MDC or ADRG; drg always stands), severity int8 (SEVERITIES or -1), reason int8
    (REASONS).
    """

    scheme: Scheme
    status: npt.NDArray[np.int8]
    mdc: npt.NDArray[np.int8]
    adrg: npt.NDArray[np.int16]
    drg: npt.NDArray[np.int32]
    severity: npt.NDArray[np.int8]
    reason: npt.NDArray[np.int8]

    def table(self) -> pa.Table:
        """The results as text: status, mdc, adrg, drg, severity, reason.

        Each column is a dictionary (int32 places of its words).
        """
        scheme = self.scheme
        words = {
            "status": STATUS,
            "mdc": (*scheme.mdc_codes, ""),
            "adrg": (*scheme.adrg_codes, ""),
            "drg": scheme.drg_codes,
            "severity": (*SEVERITIES, ""),
            "reason": REASONS,
        }
        columns = [_worded(getattr(self, name), word) for name, word in words.items()]
        return pa.Table.from_arrays(columns, names=list(words))

    def counts(self) -> dict[str, int]:
        """Number of cases by status."""
        found = np.bincount(self.status, minlength=len(STATUS))
        return {name: int(count) for name, count in zip(STATUS, found, strict=True)}


class CaseResult(NamedTuple):
    """Result of one case, as text."""

    status: str
    mdc: str
    adrg: str
    drg: str
    severity: str
    reason: str


def _worded(places: npt.NDArray[np.signedinteger], words: Sequence[str]) -> pa.DictionaryArray:
    """Text by number; -1 is the last word."""
    at = places.astype(np.int32)
    at[at < 0] = len(words) - 1
    return pa.DictionaryArray.from_arrays(pa.array(at), pa.array(words, pa.string()))


class CodeLookup:
    """What a scheme says of the codes of a growing pair of code books, each asked for once.

    It serves files read in parts, whose parts share their books.
    """

    def __init__(self, scheme: Scheme) -> None:
        self._scheme = scheme
        self._seen = (0, 0)
        self._columns = _looked_up([], [], scheme)

    def columns(self, cases: Cases) -> CodeColumns:
        """By place in the cases' books: the scheme's ``dx_first``, ``dx_other`` and so on."""
        dx, proc = cases.diagnoses.strings, cases.procedures.strings
        if (len(dx), len(proc)) != self._seen:
            fresh = _looked_up(dx[self._seen[0] :], proc[self._seen[1] :], self._scheme)
            held: Any = zip(self._columns, fresh, strict=True)
            self._columns = CodeColumns(*(np.concatenate(pair) for pair in held))
            self._seen = (len(dx), len(proc))
        return self._columns

    def unknown(self, cases: Cases) -> dict[str, int]:
        """How often each code that the scheme does not know stands in the cases."""
        columns = self.columns(cases)
        counts: dict[str, int] = {}
        for book, places, first in (
            (cases.diagnoses, cases.dx, columns.dx_first),
            (cases.procedures, cases.proc, columns.proc_first),
        ):
            strange = np.flatnonzero((first & np.uint64(KNOWN)) == 0)
            if not strange.size:
                continue
            often = np.bincount(places, minlength=len(first))
            for at in strange[often[strange] > 0].tolist():
                if book.strings[at]:
                    counts[book.strings[at]] = int(often[at])
        return counts


def group(
    cases: Cases, scheme: Scheme, *, threads: int | None = None, lookup: CodeLookup | None = None
) -> Grouping:
    """Group every case.

    threads: how many at most, all processors by default.  lookup: the scheme's look-up of codes,
    where the cases are one part of several.
    """
    n = cases.n
    result = empty_results(n)
    columns = case_columns(cases, lookup or CodeLookup(scheme), scheme)
    rules = scheme.rules
    run_split(lambda start, stop: group_rows(rules, columns, result, start, stop), n,
              threads=threads)  # fmt: skip
    return Grouping(scheme, *result)


def empty_results(n: int) -> ResultColumns:
    return ResultColumns(
        np.empty(n, np.int8),
        np.empty(n, np.int8),
        np.empty(n, np.int16),
        np.empty(n, np.int32),
        np.empty(n, np.int8),
        np.empty(n, np.int8),
    )


def case_columns(cases: Cases, lookup: CodeLookup, scheme: Scheme) -> CaseColumns:
    """The kernel's view of cases: each distinct code looked up in the scheme once."""
    return CaseColumns(
        cases.sex,
        cases.age,
        cases.age_days,
        cases.birth_weight,
        cases.los,
        cases.discharge_mode,
        cases.icu_hours,
        cases.vent_hours,
        _flag_bits(cases, scheme),
        cases.dx_offsets,
        cases.dx,
        cases.proc_offsets,
        cases.proc,
        *lookup.columns(cases),
    )


class CodeColumns(NamedTuple):
    """The scheme's arrays of codes, by place in a code book."""

    dx_first: Words
    dx_other: npt.NDArray[np.uint32]
    proc_first: Words
    proc_other: npt.NDArray[np.int32]


def _looked_up(diagnoses: Sequence[str], procedures: Sequence[str], scheme: Scheme) -> CodeColumns:
    """What the scheme says of each code as the principal and as another one, once per code.

    The scheme's last row stands for an unknown code; an empty one is marked as no code.
    """
    rules = scheme.rules
    dx_index, proc_index = scheme.diagnosis_index, scheme.procedure_index
    dx_at = np.array([dx_index.get(code, -1) for code in diagnoses], dtype=np.int64)
    proc_at = np.array([proc_index.get(code, -1) for code in procedures], dtype=np.int64)
    dx_first = rules.dx_first[dx_at]
    if "" in diagnoses:
        dx_first[diagnoses.index("")] |= np.uint64(NO_CODE)
    return CodeColumns(
        dx_first, rules.dx_other[dx_at], rules.proc_first[proc_at], rules.proc_other[proc_at]
    )


def _flag_bits(cases: Cases, scheme: Scheme) -> npt.NDArray[np.uint64]:
    if cases.flags is None or not scheme.flags:
        return _NO_FLAGS
    bit = {name: 1 << place for place, name in enumerate(scheme.flags)}
    masks = [
        sum(bit.get(word.strip(), 0) for word in set((text or "").split("|")))
        for text in cases.flags.dictionary.to_pylist()
    ]
    places = cases.flags.indices.fill_null(len(masks)).to_numpy(zero_copy_only=False)
    return np.asarray(np.array([*masks, 0], dtype=np.uint64)[places])


def group_one(
    scheme: Scheme,
    diagnoses: Sequence[str],
    procedures: Sequence[str] = (),
    *,
    sex: int = 0,
    age: int = -1,
    age_days: int = -1,
    birth_weight: int = -1,
    los: int = -1,
    discharge_mode: int = 0,
) -> CaseResult:
    """Group one case given as plain values; the first code of each kind is the principal one.

    sex 1 male, 2 female; age in years, age_days in days, birth_weight in grams, los in days; -1
    missing.  Codes are put in normal form.
    """
    dx = [normal_code(code) for code in diagnoses]
    proc = [normal_code(code) for code in procedures]
    none = np.zeros(0, dtype=np.float32)
    columns = CaseColumns(
        np.array([sex if sex in (1, 2) else 0], np.int8),
        np.array([max(-1, min(age, _OLDEST))], np.int16),
        np.array([age_days], np.int32),
        np.array([birth_weight], np.int32),
        np.array([los], np.int32),
        np.array([discharge_mode if 0 <= discharge_mode < _MODES else 0], np.int8),
        none,
        none,
        _NO_FLAGS,
        np.array([0, len(dx)], np.int64),
        np.arange(len(dx), dtype=np.int32),
        np.array([0, len(proc)], np.int64),
        np.arange(len(proc), dtype=np.int32),
        *_looked_up(dx, proc, scheme),
    )
    result = empty_results(1)
    group_rows(scheme.rules, columns, result, 0, 1)
    return CaseResult(
        STATUS[result.status[0]],
        scheme.mdc_codes[result.mdc[0]] if result.mdc[0] >= 0 else "",
        scheme.adrg_codes[result.adrg[0]] if result.adrg[0] >= 0 else "",
        scheme.drg_codes[result.drg[0]],
        SEVERITIES[result.severity[0]] if result.severity[0] >= 0 else "",
        REASONS[result.reason[0]],
    )
