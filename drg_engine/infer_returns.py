"""A bureau's returns as columns, and what is found of the policy behind them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from drg_engine.fit_inputs import FitTable, fit_data, option_default
from drg_engine.payment_columns import MISSING_FEN, Coded, PaymentColumns

__all__ = ["Finding", "Returns", "Settings"]

Floats = npt.NDArray[np.float64]
Fen = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Settings:
    """How exact the returns are and what it takes to believe a rule; see data/fit.toml.

    money_unit: yuan that amounts are rounded to; weight_unit: 0 where weights are exact; support:
    cases that a rule must have; most_tiers: tiers of the high bound that are looked for.
    """

    money_unit: float
    weight_unit: float
    support: int
    most_tiers: int

    @classmethod
    def of(
        cls,
        money_unit: float | None = None,
        weight_unit: float | None = None,
        support: int | None = None,
        most_tiers: int | None = None,
    ) -> Settings:
        """Options given, checked; the stated defaults for the others."""
        options = fit_data()["options"]
        return cls(
            option_default("money_unit", money_unit, options),
            option_default("weight_unit", weight_unit, options),
            option_default("support", support, options),
            option_default("most_tiers", most_tiers, options),
        )

    @property
    def half(self) -> float:
        """Half a unit of money, in yuan."""
        return self.money_unit / 2.0


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing found, or said not to be found: the policy's key, its value and the evidence.

    ``low`` and ``high`` are the values that the returns allow (NaN where that is no interval);
    ``cases`` of ``of`` cases bear it out; ``sure`` is False where the returns do not determine it.
    """

    key: str
    title: str
    value: str
    low: float
    high: float
    cases: int
    of: int
    sure: bool
    words: str


@dataclass(frozen=True, eq=False)
class Returns:
    """Returns, n rows each: texts coded, weight float64 (NaN none), amounts fen (MISSING_FEN)."""

    file: str
    case_id: pa.Array
    drg: Coded
    insurance: Coded
    hospital: Coded
    level: npt.NDArray[np.int8]
    weight: Floats
    charges: Fen
    standard: Fen
    paid: Fen

    @classmethod
    def of(cls, table: FitTable) -> Returns:
        """Columns of the table ``returns`` of data/fit.toml; rows are named by their number."""
        ids = table.text("case_id")
        numbers = np.array([f"第 {row} 行" for row in table.rows.tolist()], dtype=object)
        names = np.array([*ids.names, ""], dtype=object)[ids.codes]
        return cls(
            file=table.file,
            case_id=pa.array(np.where(ids.codes >= 0, names, numbers), pa.string()),
            drg=table.text("drg"),
            insurance=table.text("insurance"),
            hospital=table.text("hospital"),
            level=table.level(),
            weight=table.numbers["weight"],
            charges=table.fen["total_charges"],
            standard=table.fen["standard"],
            paid=table.fen["paid"],
        )

    @property
    def n(self) -> int:
        """Number of rows."""
        return int(self.weight.size)

    @cached_property
    def status(self) -> npt.NDArray[np.int8]:
        """0 grouped, 1 ambiguous, 2 ungrouped, by the result codes of data/fit.toml."""
        said = fit_data()["values"]["result_codes"]
        by_name = [
            2 if name == said["ungrouped"] else int(name.endswith(said["ambiguous_suffix"]))
            for name in self.drg.names
        ]
        return np.array([*by_name, 2], dtype=np.int8)[self.drg.codes]

    @cached_property
    def known(self) -> Bools:
        """Rows with charges and a payment."""
        return np.asarray((self.charges > 0) & (self.paid != MISSING_FEN), dtype=np.bool_)

    @cached_property
    def priced(self) -> Bools:
        """Grouped rows with a weight, an insurance type and a standard."""
        by = (self.status == 0) & (self.weight > 0) & (self.insurance.codes >= 0)
        return np.asarray(by & (self.standard > 0), dtype=np.bool_)

    @cached_property
    def unit(self) -> Coded:
        """What a coefficient may hang on: the hospital where it is told, else the level."""
        if self.hospital.names:
            return self.hospital
        if np.unique(self.level).size > 1:
            return Coded((self.level - 1).astype(np.int32), ("1", "2", "3"))
        return Coded.same("", self.n)

    def columns(self) -> PaymentColumns:
        """The same as settling takes it."""
        nothing = np.full(self.n, MISSING_FEN, dtype=np.int64)
        return PaymentColumns(
            case_id=self.case_id,
            status=self.status,
            drg=self.drg.codes,
            drg_codes=self.drg.names,
            weight=np.where(self.status == 0, self.weight, np.nan),
            insurance=self.insurance,
            charges=self.charges,
            cost=nothing,
            los=np.full(self.n, -1, dtype=np.int32),
            principal=np.full(self.n, -1, dtype=np.int32),
            dx_names=(),
            hospital=self.hospital,
            level=self.level,
        )

    def texts(self, label: Coded, rows: npt.NDArray[np.intp]) -> pd.Categorical:
        """Texts of some rows."""
        return label.take(rows).categorical()
