"""A policy inferred from returns: what settling made is found again, and what is not is said."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drg_engine.errors import InputError, PolicyError
from drg_engine.infer import Inference, Returns, Settings, bare_policy, infer_policy
from drg_engine.infer_numbers import best_overlap, parting, plainest
from drg_engine.money import to_fen
from drg_engine.payment import MISSING_FEN, PaymentColumns, Settlement, settle
from drg_engine.policy import Policy, load_policy, parse_policy
from grouper_tables import load_scheme

PAYMENT = Path(__file__).parent / "data" / "payment"
INFO = {"name": "found", "title": "反推"}
GROUPS = 30


def example(**changes: Any) -> Policy:
    """Rates 10,000 and 8,000, low 0.4, high 3.0 with a share of 0.8, no cap; changes over it."""
    policy = load_policy(PAYMENT / "rate_example.toml")
    dotted = {"scope": [], **{name.replace("__", "."): value for name, value in changes.items()}}
    return policy.with_changes(dotted)


def nothing_known() -> Policy:
    return bare_policy("bare", "空", dt.date(2026, 1, 1))


def some_cases(
    n: int = 1500,
    seed: int = 1,
    hospitals: Sequence[str] = ("甲",),
    levels: Sequence[int] = (3,),
    spread: float = 0.7,
) -> PaymentColumns:
    """Cases of 30 DRGs with RW about 0.2 to 5, charges about the standard."""
    random = np.random.default_rng(seed)
    drgs = [f"G{place:02d}" for place in range(GROUPS)]
    weight = np.round(np.exp(random.normal(0, 0.8, GROUPS)) + 0.1, 4)
    drg, at = random.integers(0, GROUPS, n), random.integers(0, len(hospitals), n)
    insurance = np.where(random.random(n) < 0.6, "310", "390")
    price = np.where(insurance == "310", 10_000, 8_000)
    charges = weight[drg] * price * np.exp(random.normal(-0.1, spread, n))
    frame = pd.DataFrame(
        {
            "case_id": [f"C{place:05d}" for place in range(n)],
            "drg": [drgs[place] for place in drg],
            "weight": weight[drg],
            "insurance": insurance,
            "charges": to_fen(charges),
            "hospital": [hospitals[place] for place in at],
            "level": [levels[place] for place in at],
        }
    )
    return PaymentColumns.from_frame(frame, drgs)


def returns_of(settled: Settlement, **changes: Any) -> Returns:
    cases = settled.cases
    label = cases.label("drg")
    assert label is not None
    columns: dict[str, Any] = {
        "file": "回款.csv",
        "case_id": cases.case_id,
        "drg": label,
        "insurance": cases.insurance,
        "hospital": cases.hospital,
        "level": cases.level,
        "weight": cases.weight,
        "charges": cases.charges,
        "standard": settled.standard,
        "paid": settled.paid,
    }
    return Returns(**{**columns, **changes})


def inferred(policy: Policy, cases: PaymentColumns | None = None, **known: Any) -> Inference:
    settled = settle(some_cases() if cases is None else cases, policy)
    return infer_policy(returns_of(settled), known.pop("base", nothing_known()), INFO, **known)


def words_of(found: Inference, key: str) -> str:
    return "\n".join(f"{f.value} {f.words}" for f in found.findings if f.key == key)


def sure(found: Inference, key: str) -> bool:
    told = [finding.sure for finding in found.findings if finding.key == key]
    assert told, key
    return all(told)


def assert_explains_all(found: Inference) -> None:
    assert found.residuals.num_rows == 0
    assert found.paid_hits == found.paid_cases
    assert found.standard_hits == found.standard_cases


# ---- numbers ----


@pytest.mark.parametrize(
    ("low", "high", "value"),
    [
        (12_252.6998, 12_252.7004, 12_252.7),
        (0.39, 0.41, 0.4),
        (2.4, 3.6, 3.0),
        (0.3333, 0.3334, 0.3333),
        (-0.2, 0.2, 0.0),
        (1.05, 1.05, 1.05),
    ],
)
def test_the_plainest_number(low: float, high: float, value: float) -> None:
    assert plainest(low, high) == value


def test_overlap_ignores_what_follows_another_rule() -> None:
    """Three intervals share 9 to 10; two others lie elsewhere, one is none at all."""
    low, high = np.array([8, 9, 7, 1, 20, np.nan]), np.array([10, 11, 10, 2, 30, 3.0])
    found = best_overlap(low, high)
    assert found is not None
    assert (found.cases, found.of) == (3, 5)
    assert (found.low, found.high) == pytest.approx((9.0, 10.0))
    assert best_overlap(np.array([np.nan]), np.array([1.0])) is None


def test_parting_two_kinds() -> None:
    low, high = np.array([0.1, 0.2, 0.38]), np.array([0.42, 0.5, 0.9])
    found = parting(low, high, 0.0, 1.0)
    assert (found.value, found.low, found.high, found.errors) == (0.4, 0.38, 0.42, 0)
    assert found.at_bound is None
    stray = parting(np.append(low, 0.7), high, 0.0, 1.0)
    assert (stray.value, stray.errors) == (0.4, 1)
    at = parting(np.append(low, 0.4), np.append(high, 0.4000001), 0.0, 1.0)
    assert (at.value, at.at_bound) == (0.4, True)
    above = parting(low, np.append(high, 0.4), 0.0, 1.0)
    assert above.low <= 0.4 <= above.high


# ---- what settling made is found again ----


KNOWN = {"coefficient__default": 1.1, "coefficient__base_list": ["G03", "G07", "G11"]}
MODES: list[dict[str, Any]] = [
    {"high__share": 1.0},
    {"high__share": 0.65},
    {"high__mode": "as_charged"},
    {"high__mode": "as_charged", "high__bound": 2.2},
    {"high__mode": "cap", "standard__overall_mean": 9_000.0},
    {"high__mode": "linear_add", "standard__overall_mean": 9_000.0, **KNOWN},
    {"high__mode": "deduct", "standard__overall_mean": 9_000.0, "high__bound": 2.5, **KNOWN},
    {"high__mode": "standard"},
    {"high__cap_share": 0.02},
    {"high__cap_share": 0.02, "high__mode": "as_charged"},
    {"low__mode": "standard"},
    {"low__bound": 0.5, "low__mode": "ratio_standard"},
    {"low__mode": "ratio_points", "coefficient__default": 1.1},
    {"low__mode": "charged_times_control", "standard__overall_mean": 9_500.0},
    {"low__bound": 0.0},
    {"coefficient__default": 1.06},
    {"coefficient__default": 1.06, "coefficient__base_list": ["G03", "G07", "G11"]},
    {"rates": {"310": 12_252.70, "390": 9_649.24}},
]


@pytest.mark.parametrize("changes", MODES, ids=lambda c: " ".join(f"{k}={v}" for k, v in c.items()))
def test_every_mode_is_found_again(changes: dict[str, Any]) -> None:
    policy = example(**changes)
    found = inferred(policy)
    assert_explains_all(found)
    rules, true = found.policy.rules, policy.rules
    for insurance, rate in true.rates.items():
        product = rules.rates[insurance] * rules.coefficient.default
        assert product == pytest.approx(rate * true.coefficient.default, rel=1e-6)
    assert rules.coefficient.base_list == true.coefficient.base_list
    if true.high.mode != "standard":
        assert rules.high.mode == true.high.mode
        assert rules.high.bound == pytest.approx(true.high.bound, abs=0.05)
        if true.high.mode == "excess_share":
            assert rules.high.share == true.high.share
            assert rules.high.bound == true.high.bound
        assert rules.high.cap_share == true.high.cap_share
    if true.low.bound and true.low.mode != "standard":
        assert rules.low.bound == pytest.approx(true.low.bound, abs=0.01)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(
    rate=st.integers(700_000, 1_600_000),
    h=st.sampled_from([0.85, 0.97, 1.0, 1.05, 1.213]),
    low=st.sampled_from([0.3, 0.35, 0.4, 0.5]),
    low_mode=st.sampled_from(["as_charged", "ratio_points"]),
    bound=st.sampled_from([1.8, 2.0, 2.5, 3.0]),
    share=st.sampled_from([0.5, 0.7, 0.8, 0.95, 1.0]),
    mode=st.sampled_from(["excess_share", "as_charged", "cap"]),
    cap=st.sampled_from([0.01, 0.05, 1.0]),
    inclusive=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_random_policies_are_found_again(
    rate: int, h: float, low: float, low_mode: str, bound: float, share: float, mode: str,
    cap: float, inclusive: bool, seed: int,
) -> None:  # fmt: skip
    """The policy found settles the same cases; rate × H and K lie where it says.

    Large payments show more digits of the price than the standards do, so that by some formulas a
    payment may be off by a fen or two.
    """
    policy = example(
        rates={"310": rate / 100, "390": 8_000.0},
        coefficient__default=h,
        low={"bound": low, "mode": low_mode, "inclusive": inclusive},
        high={"bound": bound, "share": share, "mode": mode, "cap_share": cap},
        standard__overall_mean=9_000.0,
    )
    found = inferred(policy, some_cases(800, seed))
    assert found.standard_hits == found.standard_cases
    apart = np.abs(found.settlement.paid - settle(some_cases(800, seed), policy).paid)
    assert apart.max() <= 5
    assert found.paid_hits >= 0.97 * found.paid_cases
    told = {f.key: f for f in found.findings}
    price = told["rates.310"]
    if told["coefficient"].sure:
        assert price.low == pytest.approx(rate / 100, rel=1e-6)
    else:
        assert price.low <= rate / 100 * h <= price.high
    assert told["low.bound"].low <= low <= told["low.bound"].high
    if "high.mode" in told and mode == "as_charged" and cap == 1.0:
        assert told["high.bound"].low <= bound <= told["high.bound"].high


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 1000))
def test_order_of_rows_does_not_matter(seed: int) -> None:
    cases = some_cases(400, 7)
    order = np.random.default_rng(seed).permutation(cases.n)
    policy = example(high__cap_share=0.02, coefficient__base_list=["G03", "G05"],
                     coefficient__default=1.1)  # fmt: skip
    one, two = inferred(policy, cases), inferred(policy, cases.take(order))
    assert one.text == two.text
    assert one.residuals.equals(two.residuals)


def test_tiers_of_weight_are_found() -> None:
    tiers = [{"upper": 1.0, "bound": 3.0}, {"upper": 2.0, "bound": 2.5}, {"bound": 1.5}]
    found = inferred(example(high__by="weight", high__tiers=tiers))
    assert_explains_all(found)
    high = found.policy.rules.high
    assert high.by == "weight"
    assert [tier.bound for tier in high.tiers] == [3.0, 2.5, 1.5]
    one, two = (tier.upper for tier in high.tiers[:2])
    assert one == pytest.approx(1.0, abs=0.2)
    assert two == pytest.approx(2.0, abs=0.3)
    assert "档上限可在" in "".join(f.title for f in found.findings)


def test_bounds_by_level_are_found() -> None:
    cases = some_cases(hospitals=("甲", "乙"), levels=(3, 2))
    for mode in ("excess_share", "as_charged"):
        policy = example(high={"by": "level", "levels": {"3": 3.0, "2": 2.0}, "mode": mode,
                               "cap_share": 1.0})  # fmt: skip
        found = inferred(policy, cases)
        assert_explains_all(found)
        assert found.policy.rules.high.by == "level"
        assert found.policy.rules.high.levels == pytest.approx({"3": 3.0, "2": 2.0}, abs=0.05)


def test_tiers_of_the_base_are_used_where_high_cases_are_paid_as_charged() -> None:
    tiers = [{"upper": 1.0, "bound": 3.0}, {"upper": 2.0, "bound": 2.5}, {"bound": 1.5}]
    policy = example(high__by="weight", high__tiers=tiers, high__mode="as_charged")
    guess = [{**tier, "bound": 9.0} for tier in tiers]
    found = inferred(policy, base=example(high__by="weight", high__tiers=guess))
    assert_explains_all(found)
    assert [tier.bound for tier in found.policy.rules.high.tiers] == pytest.approx(
        [3.0, 2.5, 1.5], abs=0.1
    )


# ---- rate and coefficient ----


def test_rate_and_coefficient_cannot_be_parted_alone() -> None:
    found = inferred(example(coefficient__default=1.05))
    assert found.policy.rules.rates == {"310": 10_500.0, "390": 8_400.0}
    assert not sure(found, "rates.310")
    assert "只能求得 费率 × 机构系数，分不开" in words_of(found, "rates.310")


def test_a_published_rate_parts_them() -> None:
    found = inferred(example(coefficient__default=1.05), known_rates={"310": 10_000.0})
    assert found.policy.rules.rates == {"310": 10_000.0, "390": 8_000.0}
    assert found.policy.rules.coefficient.default == 1.05
    assert sure(found, "coefficient")
    assert "按给定的费率" in words_of(found, "rates.310")
    assert_explains_all(found)


def test_the_base_list_parts_them() -> None:
    found = inferred(example(coefficient__default=1.05, coefficient__base_list=["G03", "G09"]))
    assert found.policy.rules.rates == {"310": 10_000.0, "390": 8_000.0}
    assert found.policy.rules.coefficient.default == 1.05
    assert sure(found, "rates.310")


def test_low_cases_paid_by_points_part_them() -> None:
    """C / H alike in two insurance types can only be H: the rates follow."""
    found = inferred(example(low__mode="ratio_points", coefficient__default=1.1))
    assert found.policy.rules.rates == {"310": 10_000.0, "390": 8_000.0}
    assert found.policy.rules.coefficient.default == 1.1
    assert "由此分开费率与系数" in words_of(found, "rates.310")


def test_linear_add_and_deduct_are_the_same_where_h_is_1() -> None:
    mean = {"standard__overall_mean": 9_000.0}
    for mode in ("linear_add", "deduct"):
        found = inferred(example(high__mode=mode, **mean))
        assert not sure(found, "high.mode")
        assert "不能区分" in words_of(found, "high.mode")
        assert_explains_all(found)


def test_hospitals_stand_to_each_other() -> None:
    cases = some_cases(hospitals=("甲", "乙", "丙"), levels=(3, 3, 2))
    policy = example(coefficient__by_hospital={"甲": 1.0, "乙": 1.1, "丙": 0.9})
    found = inferred(policy, cases, known_rates={"310": 10_000.0})
    assert found.policy.rules.coefficient.by_hospital == {"甲": 1.0, "乙": 1.1, "丙": 0.9}
    assert_explains_all(found)
    relative = inferred(policy, cases)
    assert "以病例最多的一家为 1" in words_of(relative, "coefficient")
    assert_explains_all(relative)


def test_levels_stand_to_each_other_where_no_hospital_is_told() -> None:
    cases = some_cases(hospitals=("",), levels=(3,))
    level = np.where(np.arange(cases.n) % 2 == 0, 3, 2).astype(np.int8)
    unnamed = {"level": level, "hospital": cases.hospital.same("", cases.n)}
    cases = PaymentColumns(
        **{name: getattr(cases, name) for name in PaymentColumns.__slots__} | unnamed
    )
    found = inferred(
        example(coefficient__by_level={"3": 1.0, "2": 0.8}), cases, known_rates={"310": 10_000.0}
    )
    assert found.policy.rules.coefficient.by_level == {"3": 1.0, "2": 0.8}
    assert_explains_all(found)


def test_point_values_over_a_point_policy() -> None:
    base = load_policy(PAYMENT / "points_example.toml")
    policy = base.with_changes({"points.values": {"310": 76.0, "390": 61.5}, "high.cap_share": 1.0})
    found = inferred(policy, base=base, known_rates={"310": 7_600.0})
    assert found.policy.rules.points.values == {"310": 76.0, "390": 61.5}
    assert found.policy.rules.coefficient.default == 1.1
    assert found.policy.rules.high.mode == "linear_add"
    assert found.policy.rules.high.bound == 2.5
    assert_explains_all(found)


def test_amounts_rounded_to_the_yuan() -> None:
    settled = settle(some_cases(), example())
    rough = {name: (getattr(settled, name) + 50) // 100 * 100 for name in ("standard", "paid")}
    found = infer_policy(
        returns_of(settled, **rough), nothing_known(), INFO, settings=Settings.of(money_unit=1.0)
    )
    told = {f.key: f for f in found.findings}
    rate = told["rates.310"]
    assert rate.low <= 10_000 <= rate.high
    assert found.policy.rules.rates["310"] == 10_000.0
    assert rate.cases == rate.of
    assert found.policy.rules.high.share == 0.8
    assert found.policy.rules.high.bound == 3.0


def test_weights_shown_shorter_than_they_are() -> None:
    settled = settle(some_cases(), example())
    short = np.round(settled.cases.weight, 2)
    found = infer_policy(
        returns_of(settled, weight=short), nothing_known(), INFO,
        settings=Settings.of(weight_unit=0.01),
    )  # fmt: skip
    rate = {f.key: f for f in found.findings}["rates.310"]
    assert rate.low <= 10_000 <= rate.high
    assert rate.cases == rate.of


# ---- what is not explained, and what cannot be known ----


def test_cases_of_other_rules_are_listed_and_disturb_nothing() -> None:
    """Long stays paid as charged at any ratio, and ten amounts from nowhere."""
    settled = settle(some_cases(), example())
    paid, standard = settled.paid.copy(), settled.standard.copy()
    paid[::60] = settled.cases.charges[::60]
    paid[5:15] += 12_345
    standard[20:30] += 99_900
    found = infer_policy(returns_of(settled, paid=paid, standard=standard), nothing_known(), INFO)
    rules = found.policy.rules
    assert rules.rates == {"310": 10_000.0, "390": 8_000.0}
    assert (rules.low.bound, rules.high.bound, rules.high.share) == (0.4, 3.0, 0.8)
    off = (paid != settled.paid) | (standard != settled.standard)
    listed = set(found.residuals["病案号"].to_pylist())
    assert listed == set(np.array(settled.cases.case_id.to_pylist())[off])
    sizes = np.abs(found.residuals["金额之差"].to_numpy())
    assert sizes[0] == sizes.max()
    assert found.standard_hits == found.standard_cases - 10


def test_shares_of_cases_without_a_standard() -> None:
    cases = some_cases(300)
    drgs = ("G00", "AQY", "0000", "G01")
    status = np.array([0, 1, 2, 0] * 75, dtype=np.int8)
    weight = np.where(np.arange(300) % 4 == 3, np.nan, 1.2)
    changed: dict[str, npt.NDArray[Any]] = {
        "status": status, "weight": weight, "drg": np.arange(300, dtype=np.int32) % 4,
    }  # fmt: skip
    cases = PaymentColumns(
        **{name: getattr(cases, name) for name in PaymentColumns.__slots__}
        | changed | {"drg_codes": drgs}
    )  # fmt: skip
    policy = example(
        ungrouped={"mode": "share", "share": 0.7}, ambiguous={"mode": "share", "share": 0.9}
    )
    found = inferred(policy, cases)
    assert found.policy.rules.ungrouped.share == 0.7
    assert found.policy.rules.ambiguous.share == 0.9
    assert found.policy.rules.no_weight.mode == "as_charged"
    assert_explains_all(found)


def test_what_cannot_be_determined_is_said() -> None:
    """Nothing is far from the standard: no low, no high, no case outside the list."""
    found = inferred(example(), some_cases(spread=0.05))
    assert not sure(found, "low.bound")
    assert "没有见到低倍率病例" in words_of(found, "low.bound")
    assert "没有见到高倍率病例" in words_of(found, "high.bound")
    assert "照原政策" in words_of(found, "ungrouped.mode")
    for key in ("scope", "readmission.days", "review.column", "fund.way", "standard.ratio_of"):
        assert not sure(found, key)
    assert found.policy.rules.low.bound == 0.0
    assert_explains_all(found)


def test_what_the_returns_do_not_tell_stays_as_in_the_base() -> None:
    base = load_policy("harbin_2024")
    found = inferred(example(), some_cases(spread=0.05), base=base)
    assert found.policy.rules.low == base.rules.low
    assert found.policy.rules.scope == base.rules.scope
    assert found.policy.rules.high == base.rules.high
    assert found.policy.source("low.bound") == base.source("low.bound")
    assert "反推" in found.policy.source("rates.310")


def test_a_base_that_the_returns_contradict_is_not_kept() -> None:
    """Cases up to about 1.2 are paid their standard, which tiers down to 1.05 would not."""
    tiers = [{"upper": 1.0, "bound": 3.0}, {"bound": 1.05}]
    base = example(high__by="weight", high__tiers=tiers, low__bound=0.9)
    found = inferred(example(), some_cases(spread=0.05), base=base)
    assert found.policy.rules.high.mode == "standard"
    assert found.policy.rules.low.bound == 0.0
    assert_explains_all(found)


def test_inclusive_is_known_only_from_a_case_at_the_bound() -> None:
    cases = some_cases(300)
    settled = settle(cases, example())
    charges = cases.charges.copy()
    at = int(np.flatnonzero(settled.standard % 5 == 0)[0])
    charges[at] = settled.standard[at] * 2 // 5
    cases = PaymentColumns(
        **{name: getattr(cases, name) for name in PaymentColumns.__slots__} | {"charges": charges}
    )
    for inclusive in (True, False):
        found = inferred(example(low__inclusive=inclusive), cases)
        assert found.policy.rules.low.inclusive is inclusive
        assert sure(found, "low.inclusive")
        assert_explains_all(found)


def test_one_high_case_does_not_tell_the_share() -> None:
    cases = some_cases(200, spread=0.1)
    charges = cases.charges.copy()
    charges[0] *= 9
    cases = PaymentColumns(
        **{name: getattr(cases, name) for name in PaymentColumns.__slots__} | {"charges": charges}
    )
    found = inferred(example(), cases)
    assert not sure(found, "high.share")
    assert "求不出斜率" in words_of(found, "high.share")
    assert_explains_all(found)


def test_published_figures() -> None:
    """P1 of payment.md: seven DRGs of Harbin under both rates give the published rates back."""
    scheme = load_scheme("harbin_2024")
    figures = {
        "BR23": (893_222, 703_430),
        "BR25": (706_368, 556_279),
        "GD25": (1_020_895, 803_975),
        "IC29": (5_396_212, 4_249_622),
        "FM15": (4_040_083, 3_181_644),
        "OB15": (913_561, 719_447),
        "AA19": (22_405_042, 17_644_407),
    }
    rows = [
        {"drg": drg, "insurance": insurance, "standard": fen}
        for drg, both in figures.items()
        for insurance, fen in zip(("310", "390"), both, strict=True)
    ]
    frame = pd.DataFrame(rows).assign(
        case_id=[str(place) for place in range(len(rows))],
        weight=[float(scheme.weights[scheme.drg_codes.index(row["drg"])]) for row in rows],
        charges=[row["standard"] for row in rows],
    )
    cases = PaymentColumns.from_frame(frame, scheme.drg_codes)
    standard = frame["standard"].to_numpy(dtype=np.int64)
    settled = settle(cases, load_policy("harbin_2024"))
    found = infer_policy(
        returns_of(settled, standard=standard, paid=standard), nothing_known(), INFO
    )
    assert found.policy.rules.rates == {"310": 12_252.70, "390": 9_649.24}


# ---- the policy made, and refusals ----


def test_the_text_is_a_policy_that_loads(tmp_path: Path) -> None:
    found = inferred(example(coefficient__default=1.05, coefficient__base_list=["G03", "G07"]))
    path = tmp_path / "found.toml"
    path.write_text(found.text, encoding="utf-8")
    assert load_policy(path).rules == found.policy.rules
    assert parse_policy(found.text.encode(), file="x.toml").hash == found.policy.hash
    assert found.text.startswith("# 由 回款.csv 反推（1,500 行）")


def test_no_usable_row() -> None:
    settled = settle(some_cases(20), example())
    nothing = np.full(20, MISSING_FEN, dtype=np.int64)
    with pytest.raises(InputError, match="没有一行同时有权重、险种和支付标准"):
        infer_policy(returns_of(settled, standard=nothing), nothing_known(), INFO)


def test_a_table_policy_has_no_rate_to_infer() -> None:
    base = example(standard__method="table", standard__prices=[{"drg": "G00", "yuan": 9000.0}])
    settled = settle(some_cases(20), example())
    with pytest.raises(PolicyError, match="直接查表法"):
        infer_policy(returns_of(settled), base, INFO)


def test_rows_without_a_payment_say_nothing() -> None:
    settled = settle(some_cases(), example())
    paid = settled.paid.copy()
    paid[::3] = MISSING_FEN
    found = infer_policy(returns_of(settled, paid=paid), nothing_known(), INFO)
    assert found.residuals.num_rows == 0
    assert found.paid_cases == int((paid != MISSING_FEN).sum())
    assert isinstance(found.residuals, pa.Table)


def test_largest_losses_paid_the_standard_are_no_cap() -> None:
    """A cap pays the largest losses first, so these three follow another rule."""
    settled = settle(some_cases(), example())
    high = np.flatnonzero(settled.ratio > 3.0)
    most = high[np.argsort(settled.standard[high] - settled.cases.charges[high])[:3]]
    paid = settled.paid.copy()
    paid[most] = settled.standard[most]
    found = infer_policy(returns_of(settled, paid=paid), nothing_known(), INFO)
    assert found.policy.rules.high.cap_share == 1.0
    assert "不像占比上限所致" in words_of(found, "high.cap_share")
    assert not sure(found, "high.cap_share")
    assert found.residuals.num_rows == 3


def test_normal_cases_tell_how_far_a_tier_reaches() -> None:
    """No high case has RW from 1.3 to 2, but normal ones there are over the last tier's 1.3."""
    tiers = [{"upper": 1.0, "bound": 3.0}, {"upper": 2.0, "bound": 2.0}, {"bound": 1.3}]
    policy = example(high__by="weight", high__tiers=tiers)
    every = settle(some_cases(), policy)
    far = (every.cases.weight >= 1.3) & (every.cases.weight < 2.0)
    kept = np.flatnonzero(~(far & (every.ratio > every.bound)))
    found = inferred(policy, every.cases.take(kept))
    beyond = far[kept] & (every.ratio[kept] > 1.3)
    edge = found.policy.rules.high.tiers[1].upper
    assert beyond.sum() > 5
    assert edge is not None
    assert every.cases.weight[kept][beyond].max() < edge <= 2.0296
    assert found.policy.rules.high.cap_share == 1.0
    assert_explains_all(found)
