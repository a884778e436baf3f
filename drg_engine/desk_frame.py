"""The insurance office's view of months: one row a case, everything a report adds up.

Each month is settled by itself, as ``run`` settles it, so that a quarter or a year is the sum of
its months and every figure of it can be followed to the cases of a month.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from drg_engine.case_needs import month_needs, refuse_blank, refuse_lacking
from drg_engine.cases import CaseReader, Cases, joined
from drg_engine.grouping import Grouping, group
from drg_engine.money import MISSING_FEN
from drg_engine.month_settle import month_policies, settle_month
from drg_engine.payment import KINDS, Settlement
from drg_engine.payment_dated import DatedSettlement
from drg_engine.surplus import exact_weights
from drg_engine.workspace import Workspace
from grouper_tables import Scheme, load_scheme

__all__ = ["FEES", "DeskMonth", "case_frame", "read_months"]

FEES = ("fee_drug", "fee_consumable", "fee_test", "fee_service", "fee_other")
"""Classes of charges, in the order of reports."""

_AMOUNTS = ("standard", "paid", "formula", "adjustment", "surplus", "cost_surplus")
_LABELS = ("department", "doctor_group", "doctor", "insurance")
_GROUPED = 0
Fen = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class DeskMonth:
    """A month read, grouped and settled; ``frame`` is what reports are made of.

    settlement: all its cases; dated: the same by the policy that paid each case.
    """

    period: str
    file: Path
    scheme: Scheme
    cases: Cases
    grouping: Grouping
    settlement: Settlement
    dated: DatedSettlement
    policies: Sequence[tuple[str, str]]
    read: int
    rejected: int
    frame: pd.DataFrame = field(repr=False)


def read_months(
    workspace: Workspace,
    periods: Sequence[str],
    deaths: Sequence[int],
    begin: Callable[[str], None] = lambda _: None,
) -> list[DeskMonth]:
    """Read, group and settle months, each by itself, in the order of ``periods``.

    deaths: discharge modes that are deaths.  begin: told each month as it begins.
    Raises the DrgEngineError of whatever is wrong with workspace, tables, policies or cases.
    """
    run = workspace.run
    options = {"clinical_codes": True} if run.clinical_codes else {}
    scheme = load_scheme(workspace.named_or_file(run.scheme), options=options)
    policies = month_policies(workspace)
    needs = month_needs(policies)
    found = []
    for period in periods:
        begin(f"{period} 分组与付费")
        file = workspace.cases_file(period)
        reader = CaseReader(file)
        refuse_lacking(reader, needs)
        cases = joined(list(reader.parts()))
        refuse_blank(reader, cases, needs)
        grouping = group(cases, scheme)
        dated = settle_month(workspace, period, cases, grouping, policies).dated
        frame = case_frame(period, cases, grouping, dated.whole, deaths)
        found.append(
            DeskMonth(
                period, file, scheme, cases, grouping, dated.whole, dated,
                [(words, digest) for words, digest, _ in dated.policy_rows()],
                reader.counts.read, reader.counts.rejected, frame,
            )
        )  # fmt: skip
    return found


def case_frame(
    period: str,
    cases: Cases,
    grouping: Grouping,
    settlement: Settlement,
    deaths: Sequence[int] = (),
) -> pd.DataFrame:
    """One row a case, in the order of the cases.

    Texts: period, case_id, department, doctor_group, doctor, insurance, drg, adrg, kind,
    basis_words, principal_dx.  bool: grouped, surgical (its ADRG is surgical), heavy (weight at the
    policy's threshold or above), priced (has charges), standing (has charges and a standard),
    near (charges near the standard, as the policy says), costed, died.  int64: units
    (exact_weights of grouped cases), los (0 where ``stayed`` is false), fen columns (0 where
    missing): charges, standard, paid, formula, adjustment, surplus, cost, cost_surplus, personal,
    review (what special review added), the classes of charges, and ``place``, the row in the month.
    """
    scheme, columns = grouping.scheme, settlement.cases
    priced = columns.charges != MISSING_FEN
    grouped = grouping.status == _GROUPED
    said = settlement.policy.rules.indicators
    standing = priced & (settlement.standard != MISSING_FEN) & (settlement.standard > 0)
    ratio = np.where(standing, columns.charges / np.where(standing, settlement.standard, 1), 0.0)
    kinds = np.array(KINDS, dtype=object)
    review = settlement.kind == KINDS.index("review")
    held: dict[str, Any] = {
        "period": period,
        "place": np.arange(cases.n, dtype=np.int64),
        "case_id": cases.case_id.to_pandas(),
        **{name: _texts(settlement, name, cases.n) for name in _LABELS},
        "drg": np.array(scheme.drg_codes, dtype=object)[grouping.drg],
        "adrg": np.array([*scheme.adrg_codes, ""], dtype=object)[grouping.adrg],
        "kind": kinds[settlement.kind],
        "basis_words": np.asarray(settlement.basis_words(), dtype=object),
        "principal_dx": cases.principal_diagnoses(),
        "grouped": grouped,
        "surgical": grouped & _surgical(scheme)[grouping.adrg],
        "heavy": grouped & (columns.weight >= said.heavy_weight),
        "priced": priced,
        "standing": standing,
        "near": standing & (ratio > said.accuracy_above) & (ratio < said.accuracy_below),
        "costed": settlement.cost_surplus != MISSING_FEN,
        "died": np.isin(cases.discharge_mode, list(deaths)),
        "stayed": cases.los >= 0,
        "units": np.where(grouped, exact_weights(columns.weight), 0),
        "los": np.maximum(cases.los, 0).astype(np.int64),
        "charges_fen": np.where(priced, columns.charges, 0),
    }
    for name in _AMOUNTS:
        held[f"{name}_fen"] = _known(getattr(settlement, name), priced)
    held["cost_fen"] = np.where(held["costed"], columns.cost, 0)
    held["personal_fen"] = _amount(columns.amounts, "personal_pay", priced)
    held["review_fen"] = np.where(review, held["adjustment_fen"], 0)
    for name in FEES:
        held[f"{name}_fen"] = _amount(columns.amounts, name, priced)
    return pd.DataFrame(held)


def _texts(settlement: Settlement, name: str, n: int) -> Any:
    label = settlement.cases.label(name)
    if label is None:
        return np.full(n, "", dtype=object)
    return np.array([*label.names, ""], dtype=object)[label.codes]


def _surgical(scheme: Scheme) -> npt.NDArray[np.bool_]:
    """Whether each ADRG (and, last, none) is of the surgical partition."""
    rows = scheme.source.tables["adrg"].pick("adrg", "partition")
    told = {str(adrg): str(partition) for adrg, partition in rows}
    return np.array([*(told.get(code) == "surgical" for code in scheme.adrg_codes), False])


def _known(fen: Fen, priced: npt.NDArray[np.bool_]) -> Fen:
    return np.where(priced & (fen != MISSING_FEN), fen, 0)


def _amount(amounts: Mapping[str, Fen], name: str, priced: npt.NDArray[np.bool_]) -> Fen:
    fen = amounts.get(name)
    return np.zeros(priced.size, dtype=np.int64) if fen is None else _known(fen, priced)
