"""Values of items and nursing: acceptance figures A1-A4, A11 and A12 of allocation.md §9."""

from __future__ import annotations

import pytest

from drg_engine.money import to_fen
from performance.nursing import Step, grade_points, ladder_factor, nurse_points, ward_points
from performance.rbrvs import (
    ASSISTANT_SURGEON,
    BILATERAL,
    TWO_SURGEONS,
    endoscopy_family,
    imaging_session,
    session_values,
    total_rvu,
)

FACTOR_2023 = 33.8872


def cents(rvu: float) -> int:
    return int(to_fen(rvu * FACTOR_2023))


def test_a1_office_visit() -> None:
    practice = [1.28, 0.55]
    total = total_rvu([1.30, 1.30], practice, [0.10, 0.10])
    assert [round(x, 4) for x in total] == [2.68, 1.95]
    assert [cents(x) for x in total] == [9_082, 6_608]


@pytest.mark.parametrize(
    ("work", "practice", "malpractice", "expected"),
    [
        (1.60, 1.56, 0.17, 11_284),
        (1.60, 0.68, 0.17, 8_302),
        (19.60, 14.82, 3.93, 129_957),
        (33.75, 13.26, 7.89, 186_041),
        (7.35, 8.09, 0.55, 54_186),
        (2.39, 8.66, 0.29, 38_428),
        (2.39, 1.38, 0.29, 13_758),
        (0.75, 0.32, 0.01, 3_660),
        (0.17, 0.24, 0.02, 1_457),
    ],
)
def test_a2_fee_schedule(work: float, practice: float, malpractice: float, expected: int) -> None:
    assert cents(float(total_rvu(work, practice, malpractice))) == expected


def test_a3_geographic_indices() -> None:
    assert round(float(total_rvu(0.97, 0.80, 0.05, (1.0, 1.0, 1.724))), 4) == 1.8562


def test_a4_sessions() -> None:
    knee = 19.60 + 14.82 + 3.93
    assert cents(session_values([13.20, knee]).sum()) == 152_323
    scopes = endoscopy_family([5.89, 7.45], 5.42).sum()
    assert (round(scopes, 4), cents(scopes)) == (7.92, 26_839)
    images = imaging_session([2.09, 6.94], [1.20, 2.58]).sum()
    assert (round(images, 4), cents(images)) == (11.705, 39_665)
    assert cents(knee * BILATERAL) == 194_936
    assert (ASSISTANT_SURGEON, TWO_SURGEONS) == (0.16, 0.625)


def test_session_steps_beyond_the_fifth() -> None:
    assert session_values([1.0] * 7).sum() == 4.0
    assert session_values([]).sum() == 0
    assert endoscopy_family([], 1.0).sum() == 0


def test_a11_ladders_multiply() -> None:
    steps = [Step(0.0, 0.9, 0.9), Step(0.9, 1.1, 1.0), Step(1.1, 9.0, 1.05)]
    factor, reason = ladder_factor(1.1, 1.0, steps)
    assert (factor, reason) == (1.05, "")
    assert int(to_fen(100_000 * 0.18 * factor * 1.10)) == 2_079_000


@pytest.mark.parametrize(
    ("actual", "reference", "reason"),
    [
        (None, 1.0, "没有实际值，不变"),
        (1.0, None, "没有参考值，不变"),
        (1.0, 0.0, "没有参考值，不变"),
        (9.0, 1.0, "没有对应的档，不变"),
    ],
)
def test_ladder_leaves_unchanged(
    actual: float | None, reference: float | None, reason: str
) -> None:
    assert ladder_factor(actual, reference, [Step(0.0, 9.0, 2.0)]) == (1.0, reason)


def test_a12_nursing() -> None:
    ward = ward_points(900, 120, 118, 2.5)
    grade = grade_points(90_000, 3.2, 900, 20, 1.1)
    assert ward == 2547.5
    assert round(grade, 6) == 17.6
    assert round(ward + grade, 6) == 2565.1
    assert round(nurse_points(ward + grade, 10.4, 208), 6) == 128.255


def test_nursing_refuses_nothing_to_divide_by() -> None:
    with pytest.raises(ValueError, match="床日"):
        grade_points(1, 1, 0, 1, 1)
    with pytest.raises(ValueError, match="班次"):
        nurse_points(1, 1, 0)
