"""Random months of work: in = out, the order and cut of lines irrelevant, sessions idempotent."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from points_month import plan_of

from performance import Inputs
from performance.columns import NO_DATE
from performance.line_files import LineFile
from performance.lines import ChargeLines, lines_from_table, taken
from performance.products import FACTOR, product_parts, rates_of
from performance.tables import complete
from performance.work import Work, work_points

SLOW = settings(
    max_examples=8,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
    phases=[Phase.explicit, Phase.generate],
)
UNITS = ["D0", "D1", "D2"]
DAY = int(np.datetime64("2026-10-01").astype(int))

plans = st.fixed_dictionaries(
    {
        "points": st.fixed_dictionaries(
            {
                "attribution": st.sampled_from(["split", "duplicate"]),
                "order_series": st.sampled_from(["doctor", "nurse"]),
                "out_of_period": st.sampled_from(["unknown", "count"]),
            }
        ),
        "sessions": st.fixed_dictionaries(
            {
                "procedures": st.sampled_from(["apply", "off"]),
                "steps": st.sampled_from([[1.0, 0.5], [1.0, 0.3333, 0.1234]]),
            }
        ),
        "calendar": st.fixed_dictionaries({"weekend": st.sampled_from([1.0, 1.7301])}),
        "roles": st.just({}),
        "nursing": st.just({"points": 1.2345, "shifts": {"夜": 0.3}}),
    }
)


class Parts:
    """Lines in memory, given in several parts."""

    def __init__(self, lines: ChargeLines, cuts: list[int]) -> None:
        self._lines, self._edges = lines, [0, *sorted(cut % (lines.n + 1) for cut in cuts), lines.n]
        self.file, self.rejects = lines.file, lines.rejects

    def parts(self) -> Iterator[ChargeLines]:
        for start, stop in zip(self._edges, self._edges[1:], strict=False):
            yield taken(self._lines, np.arange(start, stop))


def random_month(seed: int) -> Inputs:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 60))

    def pick(values: list[str]) -> list[str]:
        return [values[i] for i in rng.integers(0, len(values), n)]

    lines = pa.table(
        {
            "date": pick(["2026-10-02", "2026-10-03", "2026-10-20", "2026-09-30"]),
            "case_id": pick(["A", "B", ""]),
            "item_code": pick(["01", "02", "03", "04", "05", "?"]),
            "quantity": [f"{x / 10_000:.4f}" for x in rng.integers(-9_999, 40_000, n)],
            "amount": [f"{x / 100:.2f}" for x in rng.integers(-1_000, 90_000, n)],
            "order_department": pick(["H0", *UNITS, "?"]),
            "execution_department": pick(["H0", *UNITS, "?"]),
            "order_doctor": pick(["1", "2", "?", ""]),
            "executor": pick(["1", "2", "3", "?", ""]),
            "source": pick(["门诊", "住院"]),
            "mark": pick(["", "", "双侧", "怪"]),
        }
    )
    items = pd.DataFrame(
        {
            "row": range(2, 8),
            "version": ["1", "1", "2", "1", "1", "1"],
            "item_code": ["01", "02", "02", "03", "04", "05"],
            "item_name": "",
            "unit": "",
            "item_class": ["手术", "手术", "手术", "检查", "检查", "药品"],
            "points_e4": [*rng.integers(0, 500_000, 4), 30_000, 0],
            "order_coefficient_e4": rng.integers(0, 10_000, 6),
            "execution_coefficient_e4": rng.integers(1, 20_000, 6),
            "points_doctor_e4": -1,
            "points_technician_e4": -1,
            "points_nurse_e4": [-1, int(rng.integers(0, 90_000)), -1, -1, -1, -1],
            "reason": "",
            "effective_from": [NO_DATE, NO_DATE, DAY + 9, NO_DATE, NO_DATE, NO_DATE],
            "effective_to": [NO_DATE, DAY + 9, NO_DATE, NO_DATE, NO_DATE, NO_DATE],
            "session": ["procedure", "procedure", "procedure", "endoscopy", "imaging", ""],
            "family": ["", "", "", "F", "", ""],
            "base_e4": [0, 0, 0, int(rng.integers(0, 300_000)), 0, 0],
            "technical_e4": [0, 0, 0, 0, 20_000, 0],
            "professional_e4": [0, 0, 0, 0, 10_000, 0],
        }
    )
    doctor = int(rng.integers(0, 10_001))
    shares = pd.DataFrame(
        {
            "row": [2, 3, 4],
            "department": ["*", "D1", "D1"],
            "item_class": "*",
            "item_code": ["*", "01", "01"],
            "doctor_e4": [doctor, 3_333, 0],
            "technician_e4": [0, 0, 3_333],
            "nurse_e4": [10_000 - doctor, 0, 3_334],
            "to_unit": ["", "", "开单科室"],
        }
    )
    units = {"row": [2], "his_code": ["H0"], "department": ["D2"]}
    dated = {"effective_from": [NO_DATE], "effective_to": [DAY + 9]}
    staff = {"row": [2, 3, 4], "staff_id": ["1", "2", "3"], "department": ["D0", "D1", "D2"]}
    staff |= {"series": ["doctor", "nurse", "technician"], "title": "", "name": ""}
    staff |= {"post_coefficient_e4": 10_000, "title_coefficient_e4": 10_000}
    operations = {
        "row": [2, 3], "date": [DAY, DAY + 1], "operation": "", "item_code": ["01", "02"],
        "role": ["主刀", "洗手护士"], "staff_id": ["1", "?"], "department": ["", "D1"],
        "quantity_e4": rng.integers(-9_999, 90_000, 2),
    }  # fmt: skip
    nursing = {"row": [2], "department": ["D1"], "bed_days_e4": [int(rng.integers(0, 10**7))]}
    shifts = {
        "row": [2],
        "staff_id": ["2"],
        "department": [""],
        "shift": ["夜"],
        "count_e4": [10_000],
    }
    return Inputs(
        items=items,
        departments=pd.DataFrame({"row": [2, 3, 4], "department": UNITS}),
        role_shares=complete(shares, "role_shares"),
        staff=pd.DataFrame(staff),
        lines=lines_from_table(lines),
        units=complete(pd.DataFrame(units | dated), "units"),
        calendar=pd.DataFrame({"row": [2], "date": [DAY + 2], "kind": ["weekend"]}),
        operations=pd.DataFrame(operations),
        nursing=complete(pd.DataFrame(nursing), "nursing"),
        shifts=pd.DataFrame(shifts),
        period="2026-10",
    )


def same(first: Work, second: Work) -> None:
    for name in ("by_department", "personal"):
        pd.testing.assert_frame_equal(getattr(first, name), getattr(second, name), check_exact=True)
    pd.testing.assert_frame_equal(first.points.table, second.points.table, check_exact=True)
    assert first.points.cell_points_e6 == second.points.cell_points_e6
    assert first.points.plain_points_e6 == second.points.plain_points_e6


@SLOW
@given(st.integers(0, 2**32), plans)
def test_what_goes_in_comes_out(seed: int, sections: dict[str, Any]) -> None:
    inputs = random_month(seed)
    lines = inputs.lines
    assert isinstance(lines, ChargeLines)
    work = work_points(plan_of(**sections), inputs)
    cells, table = work.cells, work.points.table
    assert cells.quantity_e4.sum() == lines.quantity_e4.sum() == cells.quantity_read_e4
    assert cells.amount_fen.sum() == lines.amount_fen.sum() == cells.amount_read_fen
    assert cells.rows.sum() == lines.n == cells.rows_read
    for place, name in enumerate(cells.sources):
        if name:
            own = lines.source.texts() == name if lines.source else []
            counted = (own) & np.isin(lines.date, [DAY + 1, DAY + 2, DAY + 19])
            held = cells.source == place
            outside = sections["points"]["out_of_period"] == "count"
            wanted = lines.quantity_e4[own if outside else counted].sum()
            assert cells.quantity_e4[held].sum() == wanted
    for source in ("order", "execution", "operation", "nursing"):
        total = int(table.loc[table["source"] == source, "points_e6"].sum())
        assert total == work.points.cell_points_e6[source]
        assert total == int(work.by_department[f"{source}_e6"].sum())
    both = work.by_department.set_index(["department", "series"])["points_e6"]
    people = work.personal.groupby(["department", "series"])["points_e6"].sum()
    pd.testing.assert_series_equal(people[people != 0], both[both != 0], check_index_type=False)


@SLOW
@given(
    st.integers(0, 2**32), st.integers(0, 2**32), st.lists(st.integers(0, 99), max_size=4), plans
)
def test_order_and_cut_of_lines_are_irrelevant(
    seed: int, order: int, cuts: list[int], sections: dict[str, Any]
) -> None:
    inputs, plan = random_month(seed), plan_of(**sections)
    lines = inputs.lines
    assert isinstance(lines, ChargeLines)
    rng = np.random.default_rng(order)
    mixed = taken(lines, rng.permutation(lines.n))
    parts: Any = Parts(mixed, cuts)
    changed = replace(
        inputs,
        lines=parts,
        operations=inputs.operations[::-1].reset_index(drop=True),
        role_shares=inputs.role_shares,
    )
    first, second = work_points(plan, inputs), work_points(plan, changed)
    same(first, second)
    pd.testing.assert_frame_equal(first.cells.exceptions, second.cells.exceptions)


@SLOW
@given(st.integers(0, 2**32), plans)
def test_sessions_are_idempotent(seed: int, sections: dict[str, Any]) -> None:
    """A line and its two parts give the same; so does a line charged, refunded and charged."""
    inputs, plan = random_month(seed), plan_of(**sections)
    lines = inputs.lines
    assert isinstance(lines, ChargeLines)
    twice = np.repeat(np.arange(lines.n), 2)
    again = taken(lines, twice)
    part = lines.quantity_e4 // 3
    quantity = np.stack([part, lines.quantity_e4 - part], axis=1).ravel()
    halved = replace(again, quantity_e4=quantity, amount_fen=again.amount_fen // 2)
    same(work_points(plan, inputs), work_points(plan, replace(inputs, lines=halved)))
    thrice = taken(lines, np.repeat(np.arange(lines.n), 3))
    sign = np.tile([1, -1, 1], lines.n)
    refunded = replace(thrice, quantity_e4=thrice.quantity_e4 * sign)
    same(work_points(plan, inputs), work_points(plan, replace(inputs, lines=refunded)))


@given(
    st.integers(-(10**11), 10**11),
    st.lists(
        st.tuples(st.integers(0, 10**7), st.integers(0, 10**13).map(lambda x: x * 977)),
        min_size=1,
        max_size=5,
    ),
)
def test_products_are_exact(quantity: int, parts: list[tuple[int, int]]) -> None:
    """Against fractions: half up at the cell; each part within a millionth; parts equal it."""
    points = np.array([[p for p, _ in parts]], dtype=np.int64)
    factors = np.array([[f for _, f in parts]], dtype=np.int64)
    found = product_parts(np.array([quantity]), points, factors)[0]
    exact = [Fraction(abs(quantity) * p * f, 10**18) for p, f in parts]
    whole = int(sum(exact) + Fraction(1, 2))
    assert abs(int(found.sum())) == whole
    for part, wanted in zip(found.tolist(), exact, strict=True):
        assert abs(abs(part) - wanted) <= 1
    rates = rates_of(points, factors)[0]
    for rate, (p, f) in zip(rates.tolist(), parts, strict=True):
        assert rate == int(Fraction(p * f, FACTOR // 10**8) + Fraction(1, 2))


def test_a_file_can_be_read_again(tmp_path: Any) -> None:
    path = tmp_path / "charges.csv"
    path.write_text(
        "收费日期,项目编码,数量,金额,开单科室,执行科室\n2026-10-01,1,1,1,a,b\n,1,1,1,a,b\n"
    )
    source = LineFile(path)
    assert (source.n, source.rejects["row"].tolist()) == (1, [3])
    assert [part.n for part in source.parts()] == [1]
