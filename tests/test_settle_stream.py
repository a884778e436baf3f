"""Settling part by part is settling all together, to the fen; the spec's figures over parts."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from region_cases import EVERY_RULE, FOUND_POINTS, policy, whole, write_region

from drg_engine.attribution import attribute
from drg_engine.errors import PolicyError
from drg_engine.payment import KINDS, MISSING_FEN, settle
from drg_engine.payment_dated import settle_dated
from drg_engine.payment_fund import split_fund
from drg_engine.policy import Policy
from drg_engine.scenario import Layer, Scenario, WeightChange
from drg_engine.scenario_files import comparison_tables
from drg_engine.scenario_stream import run_scenarios
from drg_engine.scenario_sums import attribution_table, level_table
from drg_engine.settle_files import CaseSource
from drg_engine.settle_stream import prepare, settle_batches
from drg_engine.settle_totals import LEVELS, RegionTotals
from drg_engine.simulation import Simulation
from drg_engine.simulation_tables import Comparer
from drg_engine.surplus import MEASURES, rollup

COLUMNS = (
    "kind", "mode", "basis", "rule", "standard", "paid", "formula", "adjustment", "surplus",
    "cost_surplus",
)  # fmt: skip
POLICIES = {
    "every rule": ("rate_example", EVERY_RULE),
    "cap of cases in scope": ("rate_example", {**EVERY_RULE, "high.cap_of": "in_scope"}),
    "no place at all": ("rate_example", {**EVERY_RULE, "high.cap_share": 0.0}),
    "nothing looks around": ("rate_example", {"high.cap_share": 1.0}),
    "points found": ("points_example", FOUND_POINTS),
    "points pooled": ("points_example", {**FOUND_POINTS, "points.pooled": True}),
    "points by fund": ("points_example", {**FOUND_POINTS, "points.find": "fund"}),
}


@pytest.fixture(scope="module")
def region(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_region(tmp_path_factory.mktemp("region"))


def streamed(
    source: CaseSource, policies: list[Policy], scratch: Path
) -> tuple[dict[str, Any], RegionTotals]:
    """Columns of all cases in their order, and the totals."""
    prepared = prepare(source, policies, scratch)
    totals, found = RegionTotals(), []
    for batch, parts in settle_batches(source, prepared):
        columns = {name: np.zeros(batch.columns.n, dtype=np.int64) for name in COLUMNS}
        for one in parts:
            totals.add(one.settlement, split_fund(one.settlement))
            for name in COLUMNS:
                columns[name][one.rows] = getattr(one.settlement, name)
        found.append(columns)
    return {name: np.concatenate([one[name] for one in found]) for name in COLUMNS}, totals


@pytest.mark.parametrize("name", POLICIES)
@pytest.mark.parametrize("rows", [97, 100_000])
def test_same_as_in_memory(name: str, rows: int, region: Path, tmp_path: Path) -> None:
    base, changes = POLICIES[name]
    used = policy(base, changes)
    source = CaseSource([region], policies=[used], batch_rows=rows)
    found, totals = streamed(source, [used], tmp_path / "stays")
    together = settle(whole(source), used)
    for column in COLUMNS:
        expected = np.asarray(getattr(together, column), dtype=np.int64)
        assert np.array_equal(found[column], expected), column
    fund = split_fund(together)
    known = fund.fund != MISSING_FEN
    tables = totals.tables()
    for level, by in LEVELS.items():
        table, expected_table = tables[level], rollup(together, by)
        for key in (*by, *MEASURES):
            np.testing.assert_array_equal(
                table[key].to_numpy(), expected_table[key].to_numpy(), key
            )
        assert table["fund_fen"].sum() == fund.fund[known].sum()
        assert table["fund_cases"].sum() == known.sum()


def test_rules_do_something(region: Path) -> None:
    """The cases make every rule act, so that the comparison says something."""
    source = CaseSource([region], policies=[policy(changes=EVERY_RULE)])
    together = settle(whole(source), policy(changes=EVERY_RULE))
    counts = dict(zip(KINDS, np.bincount(together.kind, minlength=len(KINDS)), strict=True))
    assert min(counts[kind] for kind in ("normal", "low", "high", "review", "unpriced")) > 5
    assert (together.parts["readmission"] != 0).sum() > 20
    assert "normal_over_cap" in {str(basis) for basis in together.to_frame()["basis"]}


def test_two_policies_by_date(region: Path, tmp_path: Path) -> None:
    change = date(2024, 11, 1)
    first = policy(changes={**EVERY_RULE, "policy.effective_to": change})
    later = {"policy.effective_from": change, "policy.name": "later", "rates.310": 9_999.0}
    second = policy(changes={**EVERY_RULE, **later, "readmission.factor": 0.7})
    both = [second, first]
    source = CaseSource([region], policies=both, batch_rows=130)
    found, _ = streamed(source, both, tmp_path / "stays")
    together = settle_dated(whole(source), both).whole
    for column in set(COLUMNS) - {"rule"}:
        assert np.array_equal(found[column], getattr(together, column)), column
    never = second.with_changes({"policy.effective_from": date(2030, 1, 1)})
    with pytest.raises(PolicyError, match="没有生效的政策"):
        streamed(source, [first, never], tmp_path / "none")


def _write(folder: Path, parts: list[dict[str, Any]]) -> Path:
    for number, columns in enumerate(parts):
        folder.mkdir(exist_ok=True)
        pq.write_table(pa.table(columns), folder / f"{number}.parquet")
    return folder


def test_p7_cap_over_partitions(tmp_path: Path) -> None:
    """200 discharges, 14 above the bound, cap 5 %: the 10 with the largest C − S are high."""
    charges = np.full(200, 8_000.0)
    above = np.arange(14) * 14
    charges[above] = 40_000.0 + np.arange(14)
    ids = np.array([f"{at:03d}" for at in range(200)])
    parts = [
        {
            "case_id": ids[at],
            "drg": ["BB13"] * 50,
            "weight": [1.0] * 50,
            "insurance": ["310"] * 50,
            "hospital": ["甲"] * 50,
            "total_charges": charges[at],
        }
        for at in np.array_split(np.arange(200), 4)
    ]
    used = policy(changes={"high.cap_share": 0.05, "high.bound": 2.0})
    source = CaseSource([_write(tmp_path / "cases", parts)], policies=[used])
    found, _ = streamed(source, [used], tmp_path / "stays")
    high = np.flatnonzero(found["kind"] == KINDS.index("high"))
    assert high.tolist() == above[4:].tolist()
    assert (found["kind"][above[:4]] == KINDS.index("normal")).all()


def test_p8_readmission_over_partitions(tmp_path: Path) -> None:
    """Readmission of the same person in the same DRG within 15 days halves the earlier stay."""

    def stay(case: str, begin: date, end: date) -> dict[str, Any]:
        return {
            "case_id": [case],
            "person_id": ["P1"],
            "drg": ["BB13"],
            "weight": [1.5],
            "insurance": ["310"],
            "hospital": [case],
            "admission_date": [begin],
            "discharge_date": [end],
            "total_charges": [12_000],
        }

    parts = [
        stay("later", date(2024, 3, 20), date(2024, 3, 25)),
        stay("earlier", date(2024, 3, 1), date(2024, 3, 5)),
        stay("long after", date(2024, 4, 10), date(2024, 4, 11)),
    ]
    used = policy("points_example", {"readmission.days": 15, "coefficient.default": 1.0})
    source = CaseSource([_write(tmp_path / "cases", parts)], policies=[used])
    found, _ = streamed(source, [used], tmp_path / "stays")
    points = found["paid"] / 100 / 76.0
    assert points.tolist() == [150.0, 75.0, 150.0]


@pytest.mark.parametrize(("find", "value"), [("fund", 70.0), ("total", 100.0)])
def test_p16_point_value_over_partitions(find: str, value: float, tmp_path: Path) -> None:
    """Budget 70 M, personal 30 M, 1,000,000 points: PV 70 or 100."""
    parts = [
        {
            "case_id": [f"{number}-{row}" for row in range(250)],
            "drg": ["BB13"] * 250,
            "weight": [10.0] * 250,
            "insurance": ["310"] * 250,
            "total_charges": [100_000] * 250,
            "personal_pay": [30_000] * 250,
        }
        for number in range(4)
    ]
    changes = {"points.find": find, "points.budgets": {"310": 70e6}, "coefficient.default": 1.0}
    used = policy("points_example", changes)
    source = CaseSource([_write(tmp_path / "cases", parts)], policies=[used])
    prepared = prepare(source, [used], tmp_path / "stays")
    assert prepared.policies[0].rules.points.values == {"310": value}


def _scenario(name: str, changes: dict[str, Any] | None = None, **more: Any) -> Scenario:
    layers = (Layer(name, changes),) if changes else ()
    return Scenario(name=name, title=name, layers=layers, **more)


FACTORS = WeightChange(factors={"BB13": 0.9, "CC15": 1.2}, rescale=True)
RATES = {"rates.310": 9_000.0, "coefficient.default": 1.1, "high.bound": 1.7}
SCENARIOS = {
    "every rule": [
        _scenario("rates and bounds", {**RATES, "readmission.factor": 0.7}),
        _scenario("closed", weights=(FACTORS,), point_value="closed"),
        _scenario(
            "costs", {"coefficient.by_hospital.甲": 1.2}, weights=(FACTORS,), cost_factor=0.9
        ),
        _scenario("nothing"),
    ],
    "points found": [
        _scenario("coefficient", {"coefficient.default": 1.0}),
        _scenario("fixed", weights=(FACTORS,), point_value="fixed"),
        _scenario("closed", {"coefficient.by_hospital.乙": 1.3}, point_value="closed"),
    ],
}


@pytest.mark.parametrize("name", SCENARIOS)
def test_scenarios_same_as_simulation(name: str, region: Path, tmp_path: Path) -> None:
    base, changes = POLICIES[name]
    used, scenarios = policy(base, changes), SCENARIOS[name]
    source = CaseSource([region], policies=[used], batch_rows=250)
    before, outcomes = run_scenarios(source, [used], scenarios, tmp_path)
    simulation = Simulation(whole(source), used)
    comparer = Comparer(simulation)
    for scenario, found in zip(scenarios, outcomes, strict=True):
        outcome = simulation.run(scenario)
        compared, last = comparer.compare(outcome), found.sums[-1] if found.sums else before
        held = last.totals()
        for key in ("charges", "standard", "paid", "cost", "cost_surplus", "fund", "patient"):
            assert held[key] == getattr(compared.totals, f"{key}_fen"), key
        assert tuple(last.kinds.tolist()) == compared.totals.kinds
        for level, key in (("hospitals", "hospital"), ("drgs", "drg"), ("insurances", "insurance")):
            mine = level_table(level, last, before).set_index(key).sort_index()
            theirs = compared.tables[level].set_index(key).sort_index()
            for column in ("cases", "base_paid_fen", "paid_fen", "surplus_fen", "rw"):
                assert mine[column].tolist() == theirs[column].tolist(), (level, column)
        parts = attribute(outcome, comparer.cells)
        names = [part for part, _ in found.planned.steps]
        for measure in ("surplus", "cost_surplus"):
            mine = attribution_table("total", names, found.sums, before, measure)
            assert mine.iloc[0].to_dict() == parts.table(measure=measure).iloc[0].to_dict()
    tables = comparison_tables(before, outcomes)
    assert tables["comparison"]["scenario"].tolist() == ["基准", *(s.title for s in scenarios)]
    whole_change = tables["attribution_hospitals"].groupby("scenario")["change_fen"].sum()
    for row in tables["comparison"].to_dict("records"):
        assert whole_change.get(row["scenario"], 0) == row["change_fen"]


@pytest.mark.parametrize("rows", [1, 1_000])
def test_weights_by_drg_are_those_of_grouped_cases(rows: int, tmp_path: Path) -> None:
    """A case out of its group tells no weight; two weights of one DRG cannot be changed as one."""

    def cases(weights: list[float | None], status: list[str]) -> dict[str, Any]:
        n = len(weights)
        same = {"drg": "BB13", "insurance": "310", "hospital": "甲", "total_charges": 9_000.0}
        columns = {name: [value] * n for name, value in same.items()}
        ids = {"case_id": [str(at) for at in range(n)]}
        return {**ids, **columns, "weight": pa.array(weights, pa.float64()), "status": status}

    half = _scenario("half", weights=(WeightChange(factors={"BB13": 0.5}),))
    used = policy(changes={"low.bound": 0.0, "high.bound": 90.0})
    off = cases([1.0, 1.0, None], ["grouped", "grouped", "ungrouped"])
    source = CaseSource([_write(tmp_path / "a", [off])], policies=[used], batch_rows=rows)
    _, (found,) = run_scenarios(source, [used], [half], tmp_path / "s")
    assert found.sums[-1].totals()["paid"] == 5_000_00 + 5_000_00 + 9_000_00
    assert Simulation(whole(source), used).run(half).after.paid.tolist() == [500_000] * 2 + [
        900_000
    ]
    two = cases([1.0, 1.2, 1.0], ["grouped"] * 3)
    source = CaseSource([_write(tmp_path / "b", [two])], policies=[used], batch_rows=rows)
    with pytest.raises(PolicyError, match="BB13 有几个权重"):
        run_scenarios(source, [used], [half], tmp_path / "t")
    with pytest.raises(PolicyError, match="BB13 有几个权重"):
        Simulation(whole(source), used).run(half)
    rate = _scenario("rate", {"rates.310": 11_000.0})
    _, (found,) = run_scenarios(source, [used], [rate], tmp_path / "u")
    assert found.sums[-1].totals()["paid"] == 11_000_00 + 13_200_00 + 11_000_00


def test_a_scheme_needs_raw_cases(region: Path, tmp_path: Path) -> None:
    from drg_engine.scenario import SchemeChange

    used = policy()
    source = CaseSource([region], policies=[used])
    with pytest.raises(PolicyError, match="没有原始病例"):
        other = _scenario("other", scheme=SchemeChange("chs_drg_2_0"))
        run_scenarios(source, [used], [other], tmp_path)
