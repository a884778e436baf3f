"""One month's money by series: what departments bring, and how a series is shared (§§3-5)."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from drg_engine.errors import AllocationError, Fault
from drg_engine.money import format_fen, share_out, to_fen
from performance.drg_part import DrgPart, over_series
from performance.facts import Facts
from performance.formula_columns import department_columns, single_keys, with_keys
from performance.formula_eval import Columns, evaluate, formula_of
from performance.plan import Plan
from performance.plan_keys import fen
from performance.plan_model import SeriesModel
from performance.pools import SeriesInput, SeriesResult, share_series
from performance.quality import Quality
from performance.staff import Weights
from performance.table_list import SERIES

__all__ = ["MonthMoney", "SeriesCore", "spread_posts"]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

WITHIN, OUTSIDE, DEPARTMENT, HEAD_FUND = range(4)


@dataclass(frozen=True)
class SeriesCore:
    """One series: what went in, how it was shared, and its line of the totals (fen).

    rows: places of the departments that take part, n for UNKNOWN; given and result are in their
    order.  mean: yuan, where the series is paid by a mean.
    """

    rows: npt.NDArray[np.intp]
    given: SeriesInput
    result: SeriesResult
    pool_fen: int
    outside_fen: int
    reserve_fen: int
    personal_fen: int
    fund_used_fen: int
    quality_pool_fen: int
    mean: float | None = None


def spread_posts(facts: Facts, values: Floats, s: int) -> Floats:
    """Sums of a column of the posts by series and department: (s, n)."""
    posts, n = facts.posts, facts.n
    known = (posts.series >= 0) & (posts.department >= 0)
    group = (posts.series * n + posts.department)[known]
    sums = np.bincount(group, weights=values[known], minlength=s * n)
    return np.asarray(sums, dtype=np.float64).reshape(s, n)


class MonthMoney:
    """What the series share while the month is computed."""

    def __init__(
        self,
        plan: Plan,
        facts: Facts,
        weights: Weights,
        heads: Floats,
        quality: Quality,
        drg: DrgPart,
    ) -> None:
        self.plan, self.facts, self.weights = plan, facts, weights
        self.heads, self.quality, self.drg = heads, quality, drg
        s, n = len(plan.series), facts.n
        none = np.zeros((s, n), dtype=np.int64)
        self.drg_fen = self.cost_fen = none
        self.within, self.outside = none.copy(), none.copy()
        self.borne_fen, self.fund_fen = none.copy(), none.copy()
        self.personal = np.zeros((4, s), dtype=np.int64)
        self.by_matter: dict[str, Ints] = {}

    def place_singles(self, present: Mask) -> None:
        """Put single items where their money comes from: by series and department."""
        facts, plan = self.facts, self.plan
        singles = facts.singles
        mine = singles.person >= 0
        np.add.at(self.personal, (singles.funding[mine], singles.series[mine]),
                  singles.amount_fen[mine])  # fmt: skip
        for code, target in ((DEPARTMENT, self.borne_fen), (HEAD_FUND, self.fund_fen)):
            rows = mine & (singles.funding == code)
            np.add.at(target, (singles.series[rows], singles.department[rows]),
                      singles.amount_fen[rows])  # fmt: skip
        named = self._named_matters()
        matters = np.array([m if m in named else "" for m in singles.matter], dtype=object)
        for code, target in ((WITHIN, self.within), (OUTSIDE, self.outside)):
            rows = ~mine & (singles.funding == code)
            for matter in sorted(set(matters[rows])):
                cut = self._cut_singles(rows & (matters == matter), present)
                target[:] = target + cut
                if matter:
                    self.by_matter[matter] = self.by_matter.get(matter, 0) + cut
        _refuse_funds(plan, facts, self.fund_fen)

    def _named_matters(self) -> set[str]:
        """Matters of single items that formulas of the plan take up."""
        found: set[str] = set()
        for _, scope, text in self.plan.formulas():
            found |= single_keys(self.plan.formula(text, scope)[0])
        return found

    def _cut_singles(self, rows: Mask, present: Mask) -> Ints:
        """Departments' items by series and department: whole departments' are cut over series."""
        facts, singles = self.facts, self.facts.singles
        whole = np.zeros(facts.n, dtype=np.int64)
        open_rows = rows & (singles.series < 0)
        np.add.at(whole, singles.department[open_rows], singles.amount_fen[open_rows])
        cut = over_series(self.plan, facts, present, whole, "科室单项")
        direct = rows & (singles.series >= 0)
        place = (singles.series[direct], singles.department[direct])
        np.add.at(cut, place, singles.amount_fen[direct])
        return cut

    def share(self, s: int) -> SeriesCore:
        """Share one series' money over its departments."""
        plan, facts = self.plan, self.facts
        model = plan.series_model(plan.series[s])
        formula = self._formula(s, model)
        rows, given = self._given(s, model, formula)
        pool = int(facts.pools[s])
        reserve = _reserve(model, pool)
        outside, stage = self._stage(s, model, given, pool - reserve)
        quality_pool = 0
        if stage is not None and plan.model.quality.kind == "pool":
            quality_pool = int(to_fen(stage / 100.0 * float(plan.model.quality.pool_share or 0.0)))
            stage -= quality_pool
        if stage is not None:
            given = self._with_inpatients(s, rows, given, stage)
        result = share_series(
            given,
            stage_fen=stage,
            quality_pool_fen=quality_pool,
            price=None if stage is not None else self._price(model, rows),
            floor=plan.model.pool.floor,
            redistribute=plan.model.quality.deduction == "redistribute",
            bounded=plan.model.bounds is not None,
        )
        if stage is None:
            pool = int(result.pool_fen.sum()) + int(self.personal[:DEPARTMENT, s].sum())
            result = replace(result, withheld_fen=0)
        return SeriesCore(
            rows, given, result, pool, outside, reserve, int(self.personal[:, s].sum()),
            int(self.fund_fen[s].sum()), quality_pool,
        )  # fmt: skip

    def by_mean(self, s: int, mean: float, amount_fen: Ints) -> SeriesCore:
        """A series whose departments have what their posts are paid by the mean."""
        rows = np.flatnonzero(amount_fen)
        own, none = amount_fen[rows], np.zeros(len(rows), dtype=np.int64)
        one = np.ones(len(rows))
        label = SERIES[self.plan.series[s]]
        names = tuple(self.facts.departments[i] for i in rows)
        given = SeriesInput(
            label, names, self.heads[s][rows], none, none, none, none, one, one, one, one, one
        )
        result = SeriesResult(one * mean, own, none, none, none, none, own, 0, 1.0)
        personal = int(self.personal[:, s].sum())
        pool = int(own.sum()) + int(self.personal[:DEPARTMENT, s].sum())
        used = int(self.fund_fen[s].sum())
        return SeriesCore(rows, given, result, pool, 0, 0, personal, used, 0, mean)

    def _formula(self, s: int, model: SeriesModel) -> tuple[Floats, Floats] | None:
        """Slope (per yuan of v) and addend (yuan) of the plan's formula, each (n,)."""
        if model.formula is None:
            return None
        plan, facts = self.plan, self.facts
        tree, text = plan.formula(model.formula, "department")
        columns = self._columns(s, model)
        names, key = facts.departments, f"series.{plan.series[s]}.formula"
        with formula_of(plan.file, key):
            if model.value != "budget":
                full = {**columns, ("value", ""): self._price(model, np.arange(facts.n))}
                return np.zeros(facts.n), evaluate(tree, full, names, text)
            addend, above = (
                evaluate(tree, {**columns, ("value", ""): np.full(facts.n, v)}, names, text)
                for v in (0.0, 1.0)
            )
        slope = above - addend
        if (slope < 0).any():
            bad = "、".join(names[i] for i in np.flatnonzero(slope < 0)[:8])
            mend = "请改公式：点值每增 1，科室应得不能减少"
            fault = Fault(plan.file, "点值的系数为负", None, key, bad, mend)
            raise AllocationError(f"公式中点值的系数为负：{bad}", [fault])
        return slope, addend

    def _columns(self, s: int, model: SeriesModel) -> Columns:
        facts, plan = self.facts, self.plan
        columns = department_columns(facts, s)
        columns["drg_factor", ""] = self.drg.factor
        columns["drg_part", ""] = self.drg_fen[s] / 100.0
        columns["cost", ""] = self.cost_fen[s] / 100.0
        columns["score", ""] = self.quality.score
        columns["staff_weight", ""] = self.heads[s]
        posts = facts.posts
        share = np.where(posts.series == s, posts.share * self.weights.ratio, 0.0)
        columns["headcount", ""] = spread_posts(facts, share, len(plan.series))[s]
        for matter, amount in self.by_matter.items():
            columns["single_of", matter] = amount[s] / 100.0
        subjects = set(plan.model.costs.borne) if plan.model.costs is not None else set()
        types = {entry.name for entry in plan.model.single_items.types}
        columns = with_keys(columns, "cost_of", subjects - {"*"}, facts.n)
        return with_keys(columns, "single_of", types, facts.n)

    def _given(
        self, s: int, model: SeriesModel, formula: tuple[Floats, Floats] | None
    ) -> tuple[npt.NDArray[np.intp], SeriesInput]:
        """The departments that take part, and what they bring."""
        plan, facts = self.plan, self.facts
        n = facts.n
        by_staff = model.basis == "staff"
        points = facts.points_e6[s]
        single = self.within[s] + self.outside[s]
        if model.formula is not None:
            single = single - self._in_formula(s, model.formula)
        active = points != 0
        active[:n] |= (self.drg_fen[s] != 0) | (self.cost_fen[s] != 0) | (single != 0)
        if by_staff:
            active[:n] |= self.heads[s] > 0
        if plan.model.drg.kind == "split_pools" and plan.model.drg.inpatient_share:
            active[:n] |= self._inpatient_share(s) * facts.drg.rw > 0
        weights = np.maximum(points, 0) / 1e6 * facts.coefficient
        if by_staff:
            weights = np.append(self.heads[s], 0.0) * facts.coefficient
        else:
            weights[:n] *= self.drg.factor
        added = np.zeros(n + 1, dtype=np.int64)
        drg, cost = self.drg_fen[s], self.cost_fen[s]
        if formula is not None:
            weights[:n], added[:n] = formula[0], to_fen(formula[1])
            active[:n] |= (weights[:n] != 0) | (added[:n] != 0)
            drg = cost = np.zeros(n, dtype=np.int64)
        active[n] &= plan.model.points.unknown == "withhold" and not by_staff
        rows = np.flatnonzero(active)
        low, high = self._bounds(s)
        one, scores = np.ones(1), self._pool_weights(weights[:n], s)
        given = SeriesInput(
            SERIES[plan.series[s]],
            tuple([*facts.departments, "UNKNOWN"][i] for i in rows),
            weights[rows],
            added[rows],
            np.append(drg, 0)[rows],
            np.append(cost, 0)[rows],
            np.append(single, 0)[rows],
            np.append(self.quality.on_points, one)[rows],
            np.append(self.quality.on_total, one)[rows],
            np.append(scores, 0.0)[rows],
            low[rows],
            high[rows],
        )
        return rows, given

    def _in_formula(self, s: int, formula: str) -> Ints:
        """Department single items that the formula takes up itself."""
        tree, _ = self.plan.formula(formula, "department")
        none = np.zeros(self.facts.n, dtype=np.int64)
        taken = [self.by_matter[key][s] for key in single_keys(tree) if key in self.by_matter]
        return np.asarray(sum(taken, none), dtype=np.int64)

    def _bounds(self, s: int) -> tuple[Floats, Floats]:
        """Floor and cap in whole fen against history; without history a department has neither."""
        bounds, facts = self.plan.model.bounds, self.facts
        if bounds is None:
            return np.zeros(facts.n + 1), np.full(facts.n + 1, np.inf)
        past = facts.past_fen[s]
        low = np.ceil(past * bounds.floor - 1e-6)
        high = np.maximum(np.floor(past * bounds.cap + 1e-6), low)
        low = np.where(facts.has_past[s], low, 0.0)
        high = np.where(facts.has_past[s], high, np.inf)
        return np.append(low, 0.0), np.append(high, np.inf)

    def _pool_weights(self, weights: Floats, s: int) -> Floats:
        chosen = self.plan.model.quality
        if chosen.kind != "pool":
            return np.zeros(self.facts.n)
        score = np.where(np.isnan(self.quality.score), 100.0, self.quality.score)
        if chosen.pool_by == "score_points":
            return score * weights
        there = self.heads[s] if chosen.pool_by == "score_staff" else (weights > 0).astype(float)
        return np.asarray(score * there)

    def _stage(
        self, s: int, model: SeriesModel, given: SeriesInput, free: int
    ) -> tuple[int, int | None]:
        """Money from outside the pool, and the stage total (None where it floats), in fen.

        Single items that a formula takes up are in its addend, so only those beside it leave here.
        """
        if model.value != "budget":
            return 0, None
        plan = self.plan.model
        added = int(self.outside[s].sum())
        outside = int(self.personal[OUTSIDE, s]) + added
        stage = free - int(self.personal[WITHIN, s]) + added - int(given.single_fen.sum())
        if plan.drg.funding == "outside":
            drg = int(self.drg_fen[s].sum())
            outside, stage = outside + drg, stage + drg
        if plan.costs is not None and plan.costs.funding == "outside":
            cost = int(self.cost_fen[s].sum())
            outside, stage = outside - cost, stage - cost
        return outside, stage

    def _price(self, model: SeriesModel, rows: npt.NDArray[np.intp]) -> Floats:
        """Yuan per point of the departments in ``rows`` (UNKNOWN has the general price)."""
        if model.value == "baseline":
            whole = float(model.base_value or 0.0) * float(model.base_percent or 0.0) / 100.0
            return np.full(len(rows), whole)
        general = float(model.price or 0.0)
        prices = self.plan.prices(model)
        facts = self.facts
        own = [
            prices.get(facts.departments[i], prices.get(facts.kinds[i], general))
            if i < facts.n
            else general
            for i in rows
        ]
        return np.array(own, dtype=np.float64)

    def _inpatient_share(self, s: int) -> float:
        shares = {str(k): v for k, v in self.plan.model.drg.inpatient_share.items()}
        return shares.get(self.plan.series[s], 0.0)

    def _with_inpatients(
        self, s: int, rows: npt.NDArray[np.intp], given: SeriesInput, stage: int
    ) -> SeriesInput:
        """``split_pools``: the in-patient part of the stage goes out by RW, as the DRG part."""
        if self.plan.model.drg.kind != "split_pools" or not self._inpatient_share(s):
            return given
        rw = np.append(self.facts.drg.rw, 0.0)[rows]
        part = int(to_fen(max(stage, 0) / 100.0 * self._inpatient_share(s)))
        if part and not rw.sum() > 0:
            what = f"住院部分 {format_fen(part)} 元，而 RW 合计为 0，无法分配"
            mend = "请核对 drg.cases（哪些病例计入），或删去这个系列的 drg.inpatient_share"
            raise AllocationError(f"{given.label}：{what}", [Fault(given.label, what, mend=mend)])
        own = share_out(part, rw, list(given.departments))
        return replace(given, drg_fen=own)


def _reserve(model: SeriesModel, pool: int) -> int:
    return fen(model.reserve) + int(to_fen(pool / 100.0 * model.reserve_share))


def _refuse_funds(plan: Plan, facts: Facts, used: Ints) -> None:
    """Nothing is paid out of a head's fund that it did not hold at the month's beginning."""
    faults = [
        Fault(
            f"{facts.departments[i]} / {plan.series[s]}", "科主任基金余额不足",
            found=f"余额 {format_fen(int(facts.opening_fen[s, i]))} 元，"
            f"要付 {format_fen(int(used[s, i]))} 元",
            mend="请核对上期余额表，或改由其他资金支付",
        )
        for s, i in zip(*np.nonzero(used > facts.opening_fen), strict=True)
    ]  # fmt: skip
    if faults:
        raise AllocationError("科主任基金透支", faults)
