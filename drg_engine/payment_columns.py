"""What settling needs to know of the cases, as plain columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from drg_engine.money import MISSING_FEN

if TYPE_CHECKING:
    from drg_engine.cases import Cases
    from drg_engine.grouping import Grouping

__all__ = ["MISSING_FEN", "Coded", "PaymentColumns", "categorical", "with_over_limit"]


Ints = npt.NDArray[np.int32]
Fen = npt.NDArray[np.int64]
Days = npt.NDArray[np.datetime64]

_LABELS = ("department", "doctor_group", "doctor", "person_id", "scope_list", "region")
_OWN_AMOUNTS = ("total_charges", "cost")
_LEVEL_WORDS = {"1": 1, "2": 2, "3": 3, "一": 1, "二": 2, "三": 3}


@dataclass(frozen=True, slots=True, eq=False)
class Coded:
    """Text as codes: ``codes`` int32 (n,), -1 where missing, into ``names``."""

    codes: Ints
    names: tuple[str, ...]

    @classmethod
    def of(cls, texts: Sequence[str | None] | pd.Categorical) -> Coded:
        """Encode texts, None being missing; names are sorted."""
        values = texts if isinstance(texts, pd.Categorical) else pd.Categorical(list(texts))
        names = tuple(str(name) for name in values.categories)
        return cls(np.asarray(values.codes, dtype=np.int32), names)

    @classmethod
    def same(cls, name: str, n: int) -> Coded:
        """One text for all ``n`` rows; the empty text stands for missing."""
        return cls(np.full(n, 0 if name else -1, dtype=np.int32), (name,) if name else ())

    def categorical(self) -> pd.Categorical:
        """The same as a pandas categorical."""
        return categorical(self.codes, self.names)

    def take(self, rows: npt.NDArray[np.intp]) -> Coded:
        """The given rows, in that order."""
        return Coded(self.codes[rows], self.names)


@dataclass(frozen=True, slots=True, eq=False)
class PaymentColumns:
    """The columns that :func:`drg_engine.payment.settle` reads, n rows each.

    ``status`` as in Grouping (0 grouped, 1 ambiguous, 2 ungrouped, 3 invalid); ``drg`` indexes
    ``drg_codes``; ``weight`` is RW, NaN where there is none; ``charges`` and ``cost`` are fen with
    MISSING_FEN; ``los`` days, -1 missing; ``principal`` indexes ``dx_names``, -1 without one;
    ``level`` is the hospital's level 1 to 3, 0 unknown.  ``labels`` are further texts to roll up
    by (department, doctor ...), ``amounts`` further amounts in fen by column name: fee classes,
    what the patient paid (see payment_fund), decisions and new items that a policy names.
    Dates are datetime64[D] with NaT.
    """

    case_id: pa.Array
    status: npt.NDArray[np.int8]
    drg: Ints
    drg_codes: tuple[str, ...]
    weight: npt.NDArray[np.float64]
    insurance: Coded
    charges: Fen
    cost: Fen
    los: Ints
    principal: Ints
    dx_names: Sequence[str]
    hospital: Coded
    level: npt.NDArray[np.int8]
    admission_date: Days | None = None
    discharge_date: Days | None = None
    settlement_date: Days | None = None
    labels: Mapping[str, Coded] = field(default_factory=dict)
    amounts: Mapping[str, Fen] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("drg", "weight", "charges", "cost", "los", "principal", "level"):
            if len(getattr(self, name)) != self.n:
                raise ValueError(f"列长不一致：{name}")
        if self.n and not 0 <= int(self.level.min()) <= int(self.level.max()) <= 3:
            raise ValueError("医院级别只能是 1、2、3，未知为 0")
        if len(self.case_id) != self.n:
            raise ValueError("列长不一致：case_id")

    @property
    def n(self) -> int:
        """Number of cases."""
        return len(self.status)

    @classmethod
    def from_cases(
        cls, cases: Cases, grouping: Grouping, *, hospital: str = "", level: int = 0
    ) -> PaymentColumns:
        """Columns of cases and their groups; ``hospital`` and ``level`` where one sent them all.

        Columns ``hospital`` and ``hospital_level`` of the cases go before the arguments.  What is
        over a price limit (``over_limit``) counts with what the patient pays first.
        """
        n = cases.n
        scheme = grouping.scheme
        own = cases.text("hospital")
        labels = {name: cases.text(name) for name in _LABELS}
        amounts = {
            field.name: cases.fen(field.name)
            for field in cases.extra.schema
            if pa.types.is_int64(field.type) and field.name not in _OWN_AMOUNTS
        }
        return cls(
            case_id=cases.case_id,
            status=grouping.status,
            drg=np.asarray(grouping.drg, dtype=np.int32),
            drg_codes=tuple(scheme.drg_codes),
            weight=np.asarray(scheme.weights, dtype=np.float64)[grouping.drg],
            insurance=_coded(cases.text("insurance"), n),
            charges=_fen(cases.fen("total_charges"), n),
            cost=_fen(cases.fen("cost"), n),
            los=np.asarray(cases.los, dtype=np.int32),
            principal=_principal(cases),
            dx_names=cases.diagnoses.strings,
            hospital=Coded.same(hospital, n) if own is None else _coded(own, n),
            level=_levels(cases.text("hospital_level"), n, level),
            admission_date=_days(cases, "admission_date"),
            discharge_date=_days(cases, "discharge_date"),
            settlement_date=_days(cases, "settlement_date"),
            labels={name: Coded.of(text) for name, text in labels.items() if text is not None},
            amounts=with_over_limit({k: fen for k, fen in amounts.items() if fen is not None}),
        )

    @classmethod
    def from_frame(
        cls, frame: pd.DataFrame, drg_codes: Sequence[str], *, amounts: Sequence[str] = ()
    ) -> PaymentColumns:
        """Columns of a small table, for tests, examples and other programs.

        Needs case_id and drg (code); reads status (0), weight (NaN), insurance, charges and cost
        (fen), los (-1), principal_dx, hospital, level (0), the labels (department, doctor ...), the
        dates and ``amounts`` (fen) where present.
        """
        codes = tuple(drg_codes)
        diagnoses = _text_column(frame, "principal_dx")
        labels = {name: _text_column(frame, name) for name in _LABELS if name in frame}
        return cls(
            case_id=pa.array([str(value) for value in frame["case_id"]], pa.string()),
            status=_numbers(frame, "status", 0).astype(np.int8),
            drg=pd.Index(codes).get_indexer(pd.Index(frame["drg"])).astype(np.int32),
            drg_codes=codes,
            weight=_numbers(frame, "weight", np.nan).astype(np.float64),
            insurance=_text_column(frame, "insurance"),
            charges=_numbers(frame, "charges", MISSING_FEN).astype(np.int64),
            cost=_numbers(frame, "cost", MISSING_FEN).astype(np.int64),
            los=_numbers(frame, "los", -1).astype(np.int32),
            principal=diagnoses.codes,
            dx_names=diagnoses.names,
            hospital=_text_column(frame, "hospital"),
            level=_numbers(frame, "level", 0).astype(np.int8),
            admission_date=_day_column(frame, "admission_date"),
            discharge_date=_day_column(frame, "discharge_date"),
            settlement_date=_day_column(frame, "settlement_date"),
            labels=labels,
            amounts={name: _numbers(frame, name, MISSING_FEN).astype(np.int64) for name in amounts},
        )

    def take(self, rows: npt.NDArray[np.intp]) -> PaymentColumns:
        """The given rows, in that order; names are shared, not copied."""
        admitted, left, billed = self.admission_date, self.discharge_date, self.settlement_date
        return replace(
            self,
            case_id=self.case_id.take(pa.array(rows)),
            status=self.status[rows],
            drg=self.drg[rows],
            weight=self.weight[rows],
            insurance=self.insurance.take(rows),
            charges=self.charges[rows],
            cost=self.cost[rows],
            los=self.los[rows],
            principal=self.principal[rows],
            hospital=self.hospital.take(rows),
            level=self.level[rows],
            admission_date=None if admitted is None else admitted[rows],
            discharge_date=None if left is None else left[rows],
            settlement_date=None if billed is None else billed[rows],
            labels={name: label.take(rows) for name, label in self.labels.items()},
            amounts={name: fen[rows] for name, fen in self.amounts.items()},
        )

    def label(self, name: str) -> Coded | None:
        """Text column by name: hospital, insurance, drg, or one of ``labels``."""
        known: dict[str, Coded] = {
            "hospital": self.hospital,
            "insurance": self.insurance,
            "drg": Coded(self.drg, self.drg_codes),
        }
        return known.get(name) or self.labels.get(name)


def categorical(codes: npt.NDArray[np.integer[Any]], names: Sequence[str]) -> pd.Categorical:
    """Codes (-1 missing) into names as a pandas categorical."""
    categories = pd.Index(list(names), dtype="str")
    made: pd.Categorical = pd.Categorical.from_codes(codes, categories=categories)
    return made


def _principal(cases: Cases) -> Ints:
    """First diagnosis of each case, -1 where there is none."""
    offsets = np.asarray(cases.dx_offsets)
    found = np.full(cases.n, -1, dtype=np.int32)
    some = offsets[1:] > offsets[:-1]
    found[some] = cases.dx[offsets[:-1][some]]
    return found


def _coded(text: pd.Categorical | None, n: int) -> Coded:
    return Coded.same("", n) if text is None else Coded.of(text)


def _fen(amounts: Fen | None, n: int) -> Fen:
    return np.full(n, MISSING_FEN, dtype=np.int64) if amounts is None else amounts


def _levels(texts: pd.Categorical | None, n: int, otherwise: int) -> npt.NDArray[np.int8]:
    """Hospital levels told in words or figures; ``otherwise`` where a case tells none."""
    if texts is None:
        return np.full(n, otherwise, dtype=np.int8)
    first = [_LEVEL_WORDS.get(str(name).strip()[:1], otherwise) for name in texts.categories]
    return np.array([*first, otherwise], dtype=np.int8)[np.asarray(texts.codes)]


def with_over_limit(amounts: dict[str, Fen]) -> dict[str, Fen]:
    """``pre_expense`` with ``over_limit`` in it; a missing part counts as none."""
    over = amounts.pop("over_limit", None)
    if over is None:
        return amounts
    pre = amounts.get("pre_expense", np.full(over.size, MISSING_FEN))
    parts = [np.where(part == MISSING_FEN, 0, part) for part in (pre, over)]
    missing = (pre == MISSING_FEN) & (over == MISSING_FEN)
    return {**amounts, "pre_expense": np.where(missing, MISSING_FEN, parts[0] + parts[1])}


def _days(cases: Cases, name: str) -> Days | None:
    if name not in cases.extra.column_names:
        return None
    column = cases.extra.column(name).cast(pa.date32())
    return np.asarray(column.to_numpy(zero_copy_only=False)).astype("datetime64[D]")


def _text_column(frame: pd.DataFrame, name: str) -> Coded:
    if name not in frame:
        return Coded.same("", len(frame))
    return Coded.of([None if pd.isna(value) else str(value) for value in frame[name]])


def _day_column(frame: pd.DataFrame, name: str) -> Days | None:
    if name not in frame:
        return None
    return np.array([np.datetime64(value, "D") for value in frame[name]], dtype="datetime64[D]")


def _numbers(frame: pd.DataFrame, name: str, missing: Any) -> npt.NDArray[Any]:
    if name not in frame:
        return np.full(len(frame), missing)
    return np.asarray([missing if pd.isna(value) else value for value in frame[name]])
