"""Grouping, settling and scenarios on Spark, for cases that one machine does not hold.

The same functions as on one machine work on each part of the cases (:mod:`spark_tasks`) and are
equal to them to the fen.  What looks over all cases is brought together small: points as sums, the
cases that compete for a place of their hospital at the driver, the stays of a person in one part.

Cases need an id that occurs once in their hospital; nothing here looks for repeated ids.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from drg_engine.errors import Fault, InputError, PolicyError
from drg_engine.payment_points import PointSums, is_found
from drg_engine.policy import Policy, load_policy
from drg_engine.scenario import Scenario, Step
from drg_engine.scenario_states import CaseFacts, StreamState, with_changed
from drg_engine.scenario_stream import ScenarioSums, StateView, in_time, plus, run_with, weighing
from drg_engine.scenario_sums import StateSums
from drg_engine.scenario_weights import check_one_weight
from drg_engine.settle_drgs import named_drgs
from drg_engine.settle_output import case_schema
from drg_engine.settle_phases import Candidates, Limits, asks_for_stays, looks_around, priced
from drg_engine.settle_plan import amount_names, plan_cases, settle_format
from drg_engine.spark_tasks import (
    GROUPED,
    KEY,
    REJECT,
    Job,
    add_candidates,
    add_facts,
    add_points,
    add_state_sums,
    group_batches,
    settle_batches,
    summed,
    unpacked,
)

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

__all__ = ["group_frame", "scenario_totals", "settle_frame"]

Policies = str | Policy | Sequence[str | Policy]


def group_frame(
    cases: DataFrame, scheme: str, *, options: Mapping[str, Any] | None = None
) -> DataFrame:
    """The cases with the columns of a grouping, as ``drg-engine group --with-input`` gives them.

    cases: raw cases under headings that are recognised.  Adds status, mdc, adrg, drg, severity and
    reason as text, and ``reject``: why a row could not be grouped (null for the others).
    """
    _pyspark()
    work = partial(group_batches, scheme=scheme, options=dict(options or {}))
    kept = cases.drop(*GROUPED, REJECT)
    return _mapped(kept, work, _with_texts(kept, (*GROUPED, REJECT)))


def settle_frame(
    cases: DataFrame,
    policies: Policies,
    *,
    scheme: str | None = None,
    options: Mapping[str, Any] | None = None,
) -> DataFrame:
    """Grouped cases settled: the columns of settle_output.CASE_COLUMNS (fen), and ``reject``.

    Points and competing cases are found at once; the cases are settled when the frame is used.
    Raises PolicyError where a policy cannot be used for the scheme.
    """
    _pyspark()
    runner = _OnSpark.of(cases, _loaded(policies), scheme, options)
    sums = runner.base_points()
    values = tuple(priced(p, one) for p, one in zip(runner.job.dated, sums, strict=True))
    state = StreamState(values, (None,) * len(values))
    (limits,) = runner.limits([state])
    work = partial(settle_batches, job=runner.job, policies=values, limits=limits)
    return _mapped(runner.by_person([state]), work, _schema())


def scenario_totals(
    cases: DataFrame,
    policies: Policies,
    scenarios: Sequence[Scenario],
    *,
    scheme: str | None = None,
    options: Mapping[str, Any] | None = None,
    order: Sequence[Step] = (),
) -> tuple[StateSums, list[ScenarioSums]]:
    """Sums of the baseline and of every scenario over grouped cases.

    scenario_files.comparison_tables makes tables of them.  A scenario that brings another scheme
    cannot be run here: group the cases by it (group_frame) and settle both.
    Raises PolicyError where a scenario cannot be run.
    """
    _pyspark()
    changing = [scenario.name for scenario in scenarios if scenario.scheme is not None]
    if changing:
        mend = "先用 group_frame 按新方案分组，再分别结算"
        fault = Fault("、".join(changing), "在 Spark 上不能换分组方案", mend=mend)
        raise PolicyError("情景不能运行", [fault])
    runner = _OnSpark.of(cases, _loaded(policies), scheme, options, scenarios)
    return run_with(runner, runner.job.dated, scenarios, order=order)


@dataclass(slots=True)
class _OnSpark:
    """Goes through the cases with Spark; what is added up comes back to the driver."""

    cases: DataFrame
    job: Job

    @classmethod
    def of(
        cls,
        cases: DataFrame,
        policies: Sequence[Policy],
        scheme: str | None,
        options: Mapping[str, Any] | None,
        scenarios: Sequence[Scenario] = (),
    ) -> _OnSpark:
        """The cases and the job; raises InputError or PolicyError before anything is started."""
        dated = in_time(policies)
        kept = cases.drop(KEY)
        known = [name for name in kept.columns if name != REJECT]
        plan_cases(known, settle_format(), "Spark")
        asked = with_changed(dated, scenarios)
        told = dict(options or {}), tuple(named_drgs(asked)), amount_names(asked)
        return cls(kept, Job(dated, scheme, *told))

    def base_points(self) -> list[PointSums]:
        """The points of the policies as they are, where a point value is found."""
        policies = self.job.dated
        if not any(is_found(policy) for policy in policies):
            return [PointSums({}, {}) for _ in policies]
        return self.points([StreamState(policies, (None,) * len(policies))])[0]

    def facts(self, scenarios: Sequence[Scenario]) -> tuple[CaseFacts, list[PointSums]]:
        """As scenario_stream.Runner; also says for good which place each DRG has."""
        policies = self.job.dated
        add = partial(_add_facts, policies=policies, scenarios=tuple(scenarios))
        found = [one for part in self._summed(list, add) for one in part]
        index = self.job.index()
        index.places(sorted({code for codes, _, _, _ in found for code in codes}))
        codes = index.codes
        at = {code: place for place, code in enumerate(codes)}
        weights, counts = index.weights().copy(), [np.zeros(len(codes), np.int64) for _ in policies]
        whole = np.full((2, len(codes)), np.nan)
        for listed, held, numbers, _ in found:
            places = np.array([at[code] for code in listed], dtype=np.int64)
            whole[0, places] = np.fmin(whole[0, places], held[0])
            whole[1, places] = np.fmax(whole[1, places], held[1])
            for place, some in enumerate(numbers):
                more = np.zeros(len(codes), dtype=np.int64)
                more[places[: some.size]] = some
                counts[place] = plus(counts[place], more)
        if weighing(scenarios):
            check_one_weight(codes, whole)
        known = np.isfinite(whole[0])
        weights[known] = whole[0, known]
        if self.job.scheme is None:
            self.job = replace(self.job, drgs=codes[1:])
        points = [
            PointSums.merged([part[3][place] for part in found if part[3] is not None])
            for place in range(len(policies))
        ]
        names = {"": self.job.scheme or ""}
        return CaseFacts({"": codes}, {"": weights}, {"": counts}, names), points

    def points(self, states: Sequence[StreamState]) -> list[list[PointSums]]:
        """As scenario_stream.Runner."""
        if not states:
            return []
        views = self._views(states)
        begin = partial(_no_points, [len(view.policies) for view in views])
        found = self._summed(begin, partial(_add_points, views=views))
        return [
            [
                PointSums.merged([part[number][place] for part in found])
                for place in range(len(view.policies))
            ]
            for number, view in enumerate(views)
        ]

    def limits(self, states: Sequence[StreamState]) -> list[list[Limits]]:
        """The limits of each state by policy; nothing is read where no policy looks around."""
        asked = any(looks_around(policy) for state in states for policy in state.policies)
        if not asked:
            return [[Limits() for _ in state.policies] for state in states]
        views = self._views(states)
        add = partial(_add_candidates, views=views)
        found = self._summed(list, add)
        limits = []
        for number, view in enumerate(views):
            mine = []
            for place, policy in enumerate(view.policies):
                whole = Candidates(policy)
                for tables in (tables for part in found for tables in part):
                    whole.merge(*tables[number][place])
                mine.append(whole.decide()[0])
            limits.append(mine)
        return limits

    def settled(self, states: Sequence[StreamState]) -> list[StateSums]:
        """As scenario_stream.Runner."""
        views = self._views(states)
        add = partial(_add_sums, views=views, limits=self.limits(states))
        sums = [StateSums(None)]
        sums += [StateSums(sums[0]) for _ in states[1:]]
        for part in self._summed(list, add, self.by_person(states)):
            for held in part:
                for one, more in zip(sums, held, strict=True):
                    one.merge(more)
        return sums

    def by_person(self, states: Sequence[StreamState]) -> DataFrame:
        """The cases, all of a person in one part and together, where stays are looked at."""
        plan = plan_cases([c for c in self.cases.columns if c != REJECT], settle_format(), "Spark")
        person = plan.sources.get("person_id")
        asked = any(asks_for_stays(policy) for state in states for policy in state.policies)
        if not asked or person is None:
            return self.cases
        from pyspark.sql import functions as f

        ids = f.col(f"`{plan.sources['case_id']}`").cast("string")
        known = f.trim(f.col(f"`{person}`").cast("string"))
        key = f.when(known != "", f.concat(f.lit("p"), known)).otherwise(f.concat(f.lit("c"), ids))
        return self.cases.withColumn(KEY, key).repartition(KEY).sortWithinPartitions(KEY)

    def _views(self, states: Sequence[StreamState]) -> list[StateView]:
        return [StateView(state, self.job.dated, {}) for state in states]

    def _summed(
        self, begin: Callable[[], Any], add: Callable[..., Any], cases: DataFrame | None = None
    ) -> list[Any]:
        """What each part of the cases was added up to."""
        work = partial(summed, job=self.job, begin=begin, add=add)
        rows = _mapped(self.cases if cases is None else cases, work, "payload binary").collect()
        return [unpacked(bytes(row["payload"])) for row in rows]


def _mapped(cases: DataFrame, work: Callable[..., Any], schema: Any) -> DataFrame:
    """The frame that ``work`` makes of Arrow batches.

    PySpark warns of pandas 3 here, of which Arrow batches use nothing.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*fully support pandas", category=FutureWarning)
        return cases.mapInArrow(work, schema)


def _no_points(sizes: Sequence[int]) -> list[list[PointSums]]:
    return [[PointSums({}, {})] * size for size in sizes]


def _add_points(batch: Any, held: Any, views: Sequence[StateView]) -> None:
    add_points(batch, views, held)


def _add_facts(
    batch: Any, held: list[Any], policies: tuple[Policy, ...], scenarios: Sequence[Scenario]
) -> None:
    held.append(add_facts(batch, policies, scenarios))


def _add_candidates(batch: Any, held: list[Any], views: Sequence[StateView]) -> None:
    gathered = [[Candidates(policy) for policy in view.policies] for view in views]
    add_candidates(batch, views, gathered)
    held.append([[one.tables() for one in listed] for listed in gathered])


def _add_sums(
    batch: Any, held: list[Any], views: Sequence[StateView], limits: Sequence[Sequence[Limits]]
) -> None:
    sums = [StateSums(None)]
    sums += [StateSums(sums[0]) for _ in views[1:]]
    add_state_sums(batch, views, limits, sums)
    held.append([one.held() for one in sums])


def _loaded(policies: Policies) -> list[Policy]:
    listed = [policies] if isinstance(policies, str | Policy) else list(policies)
    return [load_policy(one) if isinstance(one, str) else one for one in listed]


def _schema() -> Any:
    """The table of cases as Spark's types."""
    from pyspark.sql.pandas.types import from_arrow_schema

    return from_arrow_schema(case_schema().append(pa.field(REJECT, pa.string())))


def _with_texts(cases: DataFrame, names: Sequence[str]) -> Any:
    from pyspark.sql.types import StringType, StructField, StructType

    added = [StructField(name, StringType()) for name in names]
    return StructType([*cases.schema.fields, *added])


def _pyspark() -> None:
    """Raise InputError in words where there is no pyspark."""
    try:
        import pyspark  # noqa: F401
    except ImportError as error:
        mend = "pip install 'drg-engine[spark]'，并安装 Java 17 或以后的 JRE"
        fault = Fault("pyspark", "没有安装", mend=mend)
        raise InputError("这一功能需要 Spark", [fault]) from error
