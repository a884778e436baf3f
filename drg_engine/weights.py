"""Relative weights from a region's own charges (payment.md §7).

Trim each group, ``RW_g = trimmed mean of g / trimmed mean of all``, rescale after changes by hand
so that Σ n·RW stays, and judge what came out: CV, RIV, unstable groups.  Quantiles are linear
(type 7).  Charges are fen; results do not depend on the order of rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from drg_engine.fit_inputs import fit_data, option_default
from drg_engine.payment_columns import MISSING_FEN

__all__ = [
    "Choices",
    "GroupFit",
    "Judgement",
    "Trim",
    "changed_weights",
    "chosen_weights",
    "fit_weights",
    "judge",
    "rescaled",
    "riv",
]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

_FEN = 100.0


@dataclass(frozen=True, slots=True)
class Trim:
    """How charges are trimmed; None takes the default of data/fit.toml.

    method: ``iqr`` [Q1 − a·IQR, Q3 + b·IQR], ``lognormal`` exp(mean ± k·sd of logarithms),
    ``median`` [median_low, median_high] × median, ``none``; bounds belong to what is kept.
    outside: ``drop`` or ``winsorise``.  divisor of sd: ``population`` or ``sample``.
    """

    method: str
    a: float
    b: float
    k: float
    median_low: float
    median_high: float
    outside: str
    divisor: str

    @classmethod
    def of(
        cls,
        method: str | None = None,
        *,
        a: float | None = None,
        b: float | None = None,
        k: float | None = None,
        median_low: float | None = None,
        median_high: float | None = None,
        outside: str | None = None,
        divisor: str | None = None,
    ) -> Trim:
        """Options given, checked; the stated defaults for the others.  Raises InputError."""
        options = fit_data()["options"]
        return cls(
            method=option_default("trim", method, options),
            a=option_default("a", a, options),
            b=option_default("b", b, options),
            k=option_default("k", k, options),
            median_low=option_default("median_low", median_low, options),
            median_high=option_default("median_high", median_high, options),
            outside=option_default("outside", outside, options),
            divisor=option_default("divisor", divisor, options),
        )

    def words(self) -> str:
        """The method in Chinese, with its figures."""
        how = {
            "iqr": f"四分位距法 Q1 − {self.a:g}·IQR 至 Q3 + {self.b:g}·IQR",
            "lognormal": f"对数正态法 均值 ± {self.k:g} 个标准差",
            "median": f"中位数法 {self.median_low:g} 至 {self.median_high:g} 倍",
            "none": "不裁剪",
        }[self.method]
        if self.method == "none":
            return how
        return f"{how}，界外{'剔除' if self.outside == 'drop' else '缩尾'}"


@dataclass(frozen=True, slots=True, eq=False)
class GroupFit:
    """What the charges of each group say, one entry for each of ``size`` groups; yuan where money.

    ``n`` priced cases, ``kept`` those after trimming (all of them when winsorised), ``below`` and
    ``above`` those out of the bounds; ``mean``, ``sd``, ``cv`` after trimming, ``raw_mean``,
    ``raw_cv`` before; ``weight`` = mean / ``overall_mean``; NaN for groups without cases.
    ``riv`` and ``raw_riv`` over all cases after and before trimming; ``left_out`` cases without
    positive charges.
    """

    n: Ints
    kept: Ints
    below: Ints
    above: Ints
    q1: Floats
    median: Floats
    q3: Floats
    lower: Floats
    upper: Floats
    raw_mean: Floats
    raw_cv: Floats
    mean: Floats
    sd: Floats
    cv: Floats
    weight: Floats
    raw_overall_mean: float
    overall_mean: float
    raw_riv: float
    riv: float
    left_out: int


def fit_weights(
    group: npt.NDArray[np.integer[Any]], charges: Ints, size: int, trim: Trim
) -> GroupFit:
    """Weights of ``size`` groups.  group: place of each case's group (n,), charges: fen (n,).

    Cases with missing, zero or negative charges are left out and counted.
    """
    good = (charges != MISSING_FEN) & (charges > 0) & (group >= 0)
    cells = _Cells.of(np.asarray(group)[good].astype(np.int64), charges[good] / 1.0, size)
    q1, median, q3 = (cells.quantile(part) for part in (0.25, 0.5, 0.75))
    lower, upper = _bounds(cells, trim, q1, median, q3)
    low, high = lower[cells.group], upper[cells.group]
    below, above = cells.values < low, cells.values > high
    if trim.outside == "winsorise":
        trimmed = _Cells(cells.group, np.clip(cells.values, low, high), size)
    else:
        inside = ~(below | above)
        trimmed = _Cells(cells.group[inside], cells.values[inside], size)
    mean, sd = trimmed.mean(), trimmed.sd(trim.divisor)
    raw_mean, raw_sd = cells.mean(), cells.sd(trim.divisor)
    overall = trimmed.overall()
    return GroupFit(
        n=cells.counts(),
        kept=trimmed.counts(),
        below=cells.counts(below),
        above=cells.counts(above),
        q1=q1 / _FEN,
        median=median / _FEN,
        q3=q3 / _FEN,
        lower=lower / _FEN,
        upper=upper / _FEN,
        raw_mean=raw_mean / _FEN,
        raw_cv=raw_sd / raw_mean,
        mean=mean / _FEN,
        sd=sd / _FEN,
        cv=sd / mean,
        weight=mean / overall,
        raw_overall_mean=cells.overall() / _FEN,
        overall_mean=overall / _FEN,
        raw_riv=cells.riv(),
        riv=trimmed.riv(),
        left_out=int(group.size - good.sum()),
    )


def riv(group: npt.NDArray[np.integer[Any]], values: Floats, size: int) -> float:
    """Reduction in variance 1 − SSW / SST; NaN where nothing varies."""
    return _Cells.of(np.asarray(group).astype(np.int64), values, size).riv()


def rescaled(weights: Floats, changed: Floats, counts: Ints | Floats) -> Floats:
    """``changed`` weights times one factor, so that Σ counts·weight is that of ``weights``.

    Groups without a weight (NaN) count as 0.  Raises ValueError where nothing is left to scale.
    """
    n = np.asarray(counts, dtype=np.float64)
    before = float(np.nansum(n * weights))
    after = float(np.nansum(n * changed))
    if not after > 0:
        raise ValueError("调整后 Σ n·RW 不是正数，不能缩放")
    return np.asarray(changed * (before / after), dtype=np.float64)


def changed_weights(
    weights: Floats, new: Mapping[int, float], factors: Mapping[int, float], counts: Ints
) -> Floats:
    """Weights after changes by hand (a new weight, or a factor, by group place), rescaled."""
    changed = weights.copy()
    for place, weight in new.items():
        changed[place] = weight
    for place, factor in factors.items():
        changed[place] = weights[place] * factor
    return rescaled(weights, changed, counts) if new or factors else changed


@dataclass(frozen=True, slots=True)
class Judgement:
    """Bounds of what counts as stable (data/fit.toml states the defaults)."""

    min_cases: int
    cv_below: float
    riv_at_least: float

    @classmethod
    def of(
        cls,
        min_cases: int | None = None,
        cv_below: float | None = None,
        riv_at_least: float | None = None,
    ) -> Judgement:
        """Options given, checked; the stated defaults for the others."""
        options = fit_data()["options"]
        return cls(
            option_default("min_cases", min_cases, options),
            option_default("cv_below", cv_below, options),
            option_default("riv_at_least", riv_at_least, options),
        )


def judge(fit: GroupFit, judgement: Judgement) -> tuple[Bools, Bools]:
    """Which groups have too few cases after trimming, and which have CV at or over the bound.

    Groups without any case are neither.
    """
    there = fit.n > 0
    few = there & (fit.kept < judgement.min_cases)
    wide = there & (np.nan_to_num(fit.cv, nan=0.0) >= judgement.cv_below)
    return few, wide


@dataclass(frozen=True, slots=True)
class Choices:
    """What becomes of unstable and of absent groups (data/fit.toml states the defaults)."""

    unstable: str
    absent: str
    count: str

    @classmethod
    def of(
        cls, unstable: str | None = None, absent: str | None = None, count: str | None = None
    ) -> Choices:
        """Options given, checked; the stated defaults for the others."""
        options = fit_data()["options"]
        return cls(
            option_default("unstable", unstable, options),
            option_default("absent", absent, options),
            option_default("count", count, options),
        )


def chosen_weights(fit: GroupFit, stable: Bools, base: Floats, choices: Choices) -> Floats:
    """Weights with unstable and absent groups treated as chosen.

    ``base`` weights (NaN where none) are brought to the fit's level over the stable groups that
    have both, so that the two may stand side by side.
    """
    weights = fit.weight.copy()
    unstable = (fit.n > 0) & ~stable
    absent = fit.n == 0
    if choices.unstable != "keep":
        weights[unstable] = np.nan
    linked = _linked(fit, stable, base)
    if choices.unstable == "base":
        weights[unstable] = linked[unstable]
    if choices.absent == "base":
        weights[absent] = linked[absent]
    return weights


def _linked(fit: GroupFit, stable: Bools, base: Floats) -> Floats:
    both = stable & np.isfinite(fit.weight) & (base > 0)
    ours = float((fit.kept * fit.weight)[both].sum())
    theirs = float((fit.kept * base)[both].sum())
    return base * (ours / theirs if theirs > 0 else 1.0)


def _bounds(
    cells: _Cells, trim: Trim, q1: Floats, median: Floats, q3: Floats
) -> tuple[Floats, Floats]:
    """Lower and upper bound of each group, in the values' unit."""
    if trim.method == "iqr":
        spread = q3 - q1
        return q1 - trim.a * spread, q3 + trim.b * spread
    if trim.method == "median":
        return median * trim.median_low, median * trim.median_high
    if trim.method == "lognormal":
        logs = _Cells(cells.group, np.log(cells.values), cells.size)
        mean, sd = logs.mean(), np.nan_to_num(logs.sd(trim.divisor), nan=np.inf)
        slack = 1.0 + 1e-12  # charges all alike must not fall out by the last digit of exp(log C)
        with np.errstate(over="ignore"):
            return np.exp(mean - trim.k * sd) / slack, np.exp(mean + trim.k * sd) * slack
    nothing = np.full(cells.size, np.inf)
    return -nothing, nothing


@dataclass(frozen=True, slots=True, eq=False)
class _Cells:
    """Values in the order of (group, value), so that sums never depend on the order of rows."""

    group: Ints
    values: Floats
    size: int

    @classmethod
    def of(cls, group: Ints, values: Floats, size: int) -> _Cells:
        order = np.lexsort((values, group))
        return cls(group[order], values[order], size)

    def counts(self, where: Bools | None = None) -> Ints:
        group = self.group if where is None else self.group[where]
        return np.bincount(group, minlength=self.size).astype(np.int64)

    def sums(self, values: Floats | None = None) -> Floats:
        held = self.values if values is None else values
        sums = np.bincount(self.group, weights=held, minlength=self.size)
        return np.asarray(sums, dtype=np.float64)

    def mean(self) -> Floats:
        return _over(self.sums(), self.counts())

    def overall(self) -> float:
        return float(self.values.sum() / self.values.size) if self.values.size else float("nan")

    def squares(self) -> Floats:
        """Σ (value − group mean)², by group."""
        return self.sums((self.values - self.mean()[self.group]) ** 2)

    def sd(self, divisor: str) -> Floats:
        return np.sqrt(_over(self.squares(), self.counts() - (divisor == "sample")))

    def riv(self) -> float:
        if not self.values.size:
            return float("nan")
        within = float(self.squares().sum())
        total = float(((self.values - self.overall()) ** 2).sum())
        return 1.0 - within / total if total > 0 else float("nan")

    def quantile(self, part: float) -> Floats:
        """Linear (type 7): the value at (n − 1)·part of the sorted values of each group."""
        counts = self.counts()
        starts = np.cumsum(counts) - counts
        place = np.maximum(counts - 1, 0) * part
        floor = np.floor(place).astype(np.int64)
        there = counts > 0
        at = np.where(there, starts + floor, 0)
        after = np.where(there, starts + np.minimum(floor + 1, counts - 1), 0)
        held = self.values if self.values.size else np.zeros(1)
        value = held[at] + (place - floor) * (held[after] - held[at])
        return np.where(there, value, np.nan)


def _over(above: Floats, below: Ints) -> Floats:
    found = np.full(above.shape, np.nan)
    np.divide(above, below, out=found, where=below > 0)
    return found
