"""Weights from charges: trimming, quality, rescaling; a row of data/fit/*.csv is one example."""

from __future__ import annotations

import csv
import datetime as dt
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drg_engine.errors import InputError
from drg_engine.fit_inputs import fit_data, option_rows, read_fit_table
from drg_engine.payment_columns import MISSING_FEN
from drg_engine.weight_files import fit_scheme, group_rows, summary_rows, write_scheme
from drg_engine.weights import (
    Choices,
    GroupFit,
    Judgement,
    Trim,
    changed_weights,
    chosen_weights,
    fit_weights,
    judge,
    rescaled,
    riv,
)
from grouper_tables import Scheme, load_scheme

DATA = Path(__file__).parent / "data" / "fit"
DAY = dt.date(2027, 1, 1)


def table(name: str) -> list[dict[str, str]]:
    with (DATA / f"{name}.csv").open(encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def fen(yuan: str) -> npt.NDArray[np.int64]:
    return np.array([round(float(value) * 100) for value in yuan.split()], dtype=np.int64)


def trim_of(row: dict[str, str], divisor: str = "population") -> Trim:
    figures: dict[str, Any] = {
        name: float(value) for name, value in (part.split("=") for part in row["参数"].split())
    }
    return Trim.of(row["方法"], outside=row["界外"], divisor=divisor, **figures)


def one_group(charges: npt.NDArray[np.int64], trim: Trim) -> GroupFit:
    return fit_weights(np.zeros(charges.size, dtype=np.int64), charges, 1, trim)


@pytest.mark.parametrize("row", table("trim"), ids=lambda row: row["编号"])
def test_trim_figure(row: dict[str, str]) -> None:
    charges = fen(row["总费用"])
    fit = one_group(charges, trim_of(row))
    if row["下界"]:
        assert fit.lower[0] == pytest.approx(float(row["下界"]), abs=0.005)
        assert fit.upper[0] == pytest.approx(float(row["上界"]), abs=0.005)
    assert fit.kept[0] == int(row["裁剪后病例数"])
    assert fit.mean[0] == pytest.approx(float(row["均值"]), abs=0.005)
    assert fit.cv[0] == pytest.approx(float(row["CV总体"]), abs=0.00005)
    if row["CV样本"] and row["方法"] != "lognormal":
        sample = one_group(charges, trim_of(row, "sample"))
        assert sample.cv[0] == pytest.approx(float(row["CV样本"]), abs=0.00005)


def test_the_sample_divisor_widens_logarithmic_bounds() -> None:
    """ln 100, ln 10,000, ln 1,000,000: sample sd is ln 100, so the bounds are the outer cases."""
    charges = fen("100 10000 1000000")
    fit = one_group(charges, Trim.of("lognormal", k=1.0, divisor="sample"))
    assert fit.lower[0] == pytest.approx(100.0)
    assert fit.upper[0] == pytest.approx(1_000_000.0)
    assert fit.kept[0] == 3


def test_one_case_has_no_sample_sd_and_is_kept() -> None:
    fit = one_group(fen("5000"), Trim.of("lognormal", divisor="sample"))
    assert (fit.kept[0], fit.mean[0]) == (1, 5000.0)
    assert np.isnan(fit.cv[0])


def test_p11_weights_and_rescaling() -> None:
    rows = table("weights")
    n = np.array([int(row["病例数"]) for row in rows])
    each = fen(" ".join(row["均值"] for row in rows))
    group = np.repeat(np.arange(3), n)
    fit = fit_weights(group, np.repeat(each, n), 3, Trim.of())
    assert fit.weight == pytest.approx([float(row["权重"]) for row in rows], abs=0.00005)
    factors = {i: float(row["调整系数"]) for i, row in enumerate(rows) if row["调整系数"]}
    after = changed_weights(fit.weight, {}, factors, n)
    assert after == pytest.approx([float(row["调整后权重"]) for row in rows], abs=5e-7)
    assert float((n * after).sum()) == pytest.approx(160.0)
    by_weight = changed_weights(fit.weight, {2: fit.weight[2] * 0.9}, {}, n)
    assert by_weight == pytest.approx(after)


@pytest.mark.parametrize("row", table("riv"), ids=lambda row: row["编号"])
def test_p12_riv(row: dict[str, str]) -> None:
    groups = [[float(value) for value in part.split()] for part in row["各组"].split("/")]
    group = np.repeat(np.arange(len(groups)), [len(values) for values in groups])
    values = np.concatenate([np.array(part) for part in groups])
    assert riv(group, values, len(groups)) == pytest.approx(float(row["RIV"]), abs=5e-7)


def test_riv_is_unknown_where_nothing_varies() -> None:
    assert np.isnan(riv(np.array([0, 1]), np.array([5.0, 5.0]), 2))
    assert np.isnan(riv(np.zeros(0, np.int64), np.zeros(0), 2))


def test_cases_without_positive_charges_are_left_out_and_counted() -> None:
    charges = np.array([100_00, 0, -5_00, MISSING_FEN, 300_00, 900_00], dtype=np.int64)
    fit = fit_weights(np.array([0, 0, 0, 0, 0, -1]), charges, 2, Trim.of("none"))
    assert fit.left_out == 4
    assert fit.n.tolist() == [2, 0]
    assert fit.mean[0] == 200.0
    assert np.isnan(fit.weight[1])


def test_unstable_groups_are_few_or_wide() -> None:
    """Group 0 has 4 cases, group 1 CV 1 exactly (10 and 0.00...), group 2 none, group 3 is fine."""
    group = np.array([0] * 4 + [1] * 6 + [3] * 5)
    wide = "1 1 1 1 1 1000"
    charges = np.concatenate([fen("5 5 5 5"), fen(wide), fen("7 7 7 7 8")])
    fit = fit_weights(group, charges, 4, Trim.of("none"))
    few, broad = judge(fit, Judgement.of())
    assert few.tolist() == [True, False, False, False]
    assert broad.tolist() == [False, True, False, False]
    few, broad = judge(fit, Judgement.of(min_cases=4, cv_below=3.0))
    assert not few.any()
    assert not broad.any()


def test_choices_for_unstable_and_absent_groups() -> None:
    """The base's weights are twice the fit's on the stable group, so they are halved."""
    group = np.array([0] * 5 + [1])
    fit = fit_weights(group, fen("10 10 10 10 10 10"), 3, Trim.of("none"))
    stable = np.array([True, False, False])
    base = np.array([2.0, 3.0, 5.0])
    kept = chosen_weights(fit, stable, base, Choices.of())
    assert kept[:2].tolist() == [1.0, 1.0]
    assert np.isnan(kept[2])
    none = chosen_weights(fit, stable, base, Choices.of(unstable="none"))
    assert np.isnan(none[1:]).all()
    both = chosen_weights(fit, stable, base, Choices.of(unstable="base", absent="base"))
    assert both.tolist() == [1.0, 1.5, 2.5]


CASES = st.lists(st.tuples(st.integers(0, 4), st.integers(1, 10_000_000)), min_size=1, max_size=60)
METHODS = st.sampled_from(["iqr", "lognormal", "median", "none"])
OUTSIDE = st.sampled_from(["drop", "winsorise"])


@settings(max_examples=60, deadline=None)
@given(CASES, METHODS, OUTSIDE, st.randoms(use_true_random=False))
def test_order_of_rows_does_not_matter(
    cases: list[tuple[int, int]], method: str, outside: str, random: Any
) -> None:
    shuffled = random.sample(cases, len(cases))
    one, two = (
        fit_weights(
            np.array([group for group, _ in rows]),
            np.array([charge for _, charge in rows], dtype=np.int64),
            5,
            Trim.of(method, outside=outside),
        )
        for rows in (cases, shuffled)
    )
    for name in GroupFit.__slots__:
        assert np.array_equal(getattr(one, name), getattr(two, name), equal_nan=True), name


@settings(max_examples=60, deadline=None)
@given(CASES)
def test_quantiles_are_numpys_linear_ones(cases: list[tuple[int, int]]) -> None:
    group = np.array([place for place, _ in cases])
    charges = np.array([charge for _, charge in cases], dtype=np.int64)
    fit = fit_weights(group, charges, 5, Trim.of())
    for place in np.unique(group):
        values = charges[group == place] / 100
        expected = np.quantile(values, [0.25, 0.5, 0.75], method="linear")
        assert [fit.q1[place], fit.median[place], fit.q3[place]] == pytest.approx(expected)


@settings(max_examples=60, deadline=None)
@given(CASES, METHODS, OUTSIDE)
def test_weights_average_to_one_over_what_was_kept(
    cases: list[tuple[int, int]], method: str, outside: str
) -> None:
    group = np.array([place for place, _ in cases])
    charges = np.array([charge for _, charge in cases], dtype=np.int64)
    fit = fit_weights(group, charges, 5, Trim.of(method, outside=outside))
    total = float(np.nansum(fit.kept * fit.weight))
    assert total == pytest.approx(int(fit.kept.sum()))
    outside_cases = 0 if outside == "winsorise" else int((fit.below + fit.above).sum())
    assert int(fit.kept.sum()) + outside_cases == len(cases)


WEIGHT = st.one_of(st.just(float("nan")), st.floats(0.01, 50))


@settings(max_examples=80, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(1, 10_000), st.floats(0.01, 50), st.floats(0.1, 10)),
        min_size=1,
        max_size=30,
    )
)
def test_rescaling_keeps_the_sum(rows: list[tuple[int, float, float]]) -> None:
    n = np.array([row[0] for row in rows])
    weights = np.array([row[1] for row in rows])
    changed = weights * np.array([row[2] for row in rows])
    after = rescaled(weights, changed, n)
    assert float((n * after).sum()) == pytest.approx(float((n * weights).sum()))
    assert after / changed == pytest.approx(np.full(n.size, after[0] / changed[0]))


def test_rescaling_needs_something_to_scale() -> None:
    with pytest.raises(ValueError, match="不能缩放"):
        rescaled(np.array([1.0]), np.array([0.0]), np.array([3]))


def test_every_option_states_its_default_and_source() -> None:
    rows = option_rows()
    assert len(rows) == len(fit_data()["options"])
    assert all(all(cell for cell in row) for row in rows)


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ({"method": "mean"}, "可选：iqr、lognormal、median、none"),
        ({"a": -1.0}, "应在 0 到 10 之间"),
        ({"outside": "keep"}, "drop、winsorise"),
        ({"k": 99.0}, "0.1 到 10"),
    ],
)
def test_options_are_checked(option: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        Trim.of(**option)


# ---- from a file to a scheme ----


@pytest.fixture(scope="module")
def base() -> Scheme:
    return load_scheme("harbin_2024")


def case_file(folder: Path, *extra: str) -> Path:
    """BR23 5 cases at 6,000; BR25 at 3,000; GD25 2 at 12,000; and what the engine must pass by."""
    rows = ["BR23,6000.00"] * 5 + ["BR25,3000.00"] * 5 + ["GD25,12000.00"] * 2
    rows += ["0000,99999.00", "BQY,500.00", "BR23,", *extra]
    path = folder / "病例.csv"
    path.write_text("病组,总费用\n" + "\n".join(rows) + "\n", encoding="utf-8-sig")
    return path


def weight_of(scheme: Scheme, drg: str) -> float:
    return float(scheme.weights[scheme.drg_codes.index(drg)])


def test_a_scheme_from_cases(tmp_path: Path, base: Scheme) -> None:
    """Overall mean 69,000 / 12 = 5,750."""
    path = case_file(tmp_path)
    found = fit_scheme(read_fit_table(path, "cases"), base, Trim.of("none"))
    assert (found.cases, found.unknown) == (15, 2)
    assert found.fit.overall_mean == 5_750.0
    made = write_scheme(
        tmp_path / "我的方案", base, found, title="测算", effective_from=DAY, source=path
    )
    assert made.manifest.base == "harbin_2024"
    assert weight_of(made, "BR23") == 1.0435
    assert weight_of(made, "BR25") == 0.5217
    assert weight_of(made, "GD25") == 2.087
    assert np.isnan(weight_of(made, "FM15"))
    assert made.drg_codes == base.drg_codes
    assert not made.rates, "公布的费率不属于新权重"
    again = load_scheme(tmp_path / "我的方案")
    assert again.tables_hash == made.tables_hash
    page = (tmp_path / "我的方案" / "report" / "groups.csv").read_text(encoding="utf-8-sig")
    assert "GD25" in page
    assert "裁剪后少于 5 例" in page
    whole = dict(summary_rows(found))
    assert whole["不属于方案病组（未入组、歧义组等）"] == "2"
    assert whole["总费用缺失或不为正"] == "1"
    assert whole["计价病例"] == "12"


def test_the_quality_page_lists_unstable_groups(tmp_path: Path, base: Scheme) -> None:
    found = fit_scheme(read_fit_table(case_file(tmp_path), "cases"), base, Trim.of())
    unstable = group_rows(found, unstable_only=True)
    assert unstable["病组"].to_pylist() == ["GD25"]
    assert unstable["是否稳定"].to_pylist() == ["不稳定"]
    every = group_rows(found)
    assert every.num_rows == len(base.source.tables["groups"].rows)
    assert every["原方案权重"].to_pylist()[0] == 18.2858


def test_changes_by_hand_are_rescaled(tmp_path: Path, base: Scheme) -> None:
    path = case_file(tmp_path)
    changes = tmp_path / "调整.csv"
    changes.write_text("病组,权重,调整系数\nBR25,,0.5\nGD25,3.0,\n", encoding="utf-8")
    found = fit_scheme(read_fit_table(path, "cases"), base, Trim.of("none"), changes=changes)
    place = {code: index for index, code in enumerate(found.codes)}
    a, b, c = (found.exact[place[code]] for code in ("BR23", "BR25", "GD25"))
    assert 5 * a + 5 * b + 2 * c == pytest.approx(12.0)
    assert c / a == pytest.approx(3.0 / (6000 / 5750))
    assert b / a == pytest.approx(0.25)
    assert found.changed.sum() == 2


def test_faulty_changes_are_told_at_once(tmp_path: Path, base: Scheme) -> None:
    changes = tmp_path / "调整.csv"
    text = "病组,权重,调整系数\nXX99,1,\nBR25,1,2\nBR23,,\nGD25,0,\nFM15,,0.9\nBR25,1,\nBR25,1,\n"
    changes.write_text(text, encoding="utf-8")
    table_ = read_fit_table(case_file(tmp_path), "cases")
    with pytest.raises(InputError) as told:
        fit_scheme(table_, base, Trim.of(), changes=changes)
    words = str(told.value)
    assert len(told.value.faults) == 6
    for part in ("没有这个病组", "写且只写一个", "不能乘系数", "写了两行", "第 2 行", "第 6 行"):
        assert part in words


def test_bad_cells_are_told_with_their_rows(tmp_path: Path) -> None:
    path = case_file(tmp_path, "BR23,壹仟", "BR23,1.234")
    with pytest.raises(InputError) as told:
        read_fit_table(path, "cases")
    words = str(told.value)
    assert "第 17 行 [总费用]：不是金额（元）（读到“壹仟”）" in words
    assert "第 18 行 [总费用]：金额多于两位小数" in words


def test_only_the_first_faults_are_listed(tmp_path: Path) -> None:
    path = case_file(tmp_path, *["BR23,x"] * 100)
    with pytest.raises(InputError, match="共 100 处"):
        read_fit_table(path, "cases")


def test_a_missing_column_is_told_with_its_headings(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("病组,钱\nBR23,1\n", encoding="utf-8")
    with pytest.raises(InputError, match="缺少列“总费用”"):
        read_fit_table(path, "cases")


def test_no_usable_case(tmp_path: Path, base: Scheme) -> None:
    path = tmp_path / "x.csv"
    path.write_text("病组,总费用\n0000,100\n", encoding="utf-8")
    with pytest.raises(InputError, match="没有一例可以用来测算"):
        fit_scheme(read_fit_table(path, "cases"), base, Trim.of())


def test_an_output_folder_with_files_is_not_touched(tmp_path: Path, base: Scheme) -> None:
    path = case_file(tmp_path)
    found = fit_scheme(read_fit_table(path, "cases"), base, Trim.of())
    with pytest.raises(InputError, match="不为空"):
        write_scheme(tmp_path, base, found, title="x", effective_from=DAY, source=path)
    shipped = tmp_path / "harbin_2024"
    with pytest.raises(InputError, match="同名"):
        write_scheme(shipped, base, found, title="x", effective_from=DAY, source=path)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["病例.csv"]


def test_same_cases_same_bytes_and_a_base_beside(tmp_path: Path, base: Scheme) -> None:
    path = case_file(tmp_path)
    found = fit_scheme(read_fit_table(path, "cases"), base, Trim.of())
    for name in ("一", "二"):
        write_scheme(
            tmp_path / name / "方案", base, found, title="测", effective_from=DAY, source=path
        )
    one, two = (
        {
            file.relative_to(tmp_path / name): file.read_bytes()
            for file in sorted((tmp_path / name).rglob("*.*"))
        }
        for name in ("一", "二")
    )
    assert one == two
    first = load_scheme(tmp_path / "一" / "方案")
    found = fit_scheme(read_fit_table(path, "cases"), first, Trim.of(), decimals=6)
    made = write_scheme(
        tmp_path / "三", first, found, title="再测", effective_from=DAY, source=path
    )
    assert made.manifest.base == "一/方案"
    assert weight_of(made, "BR23") == 1.043478


def test_the_quality_page_is_written_beside_the_tables(tmp_path: Path, base: Scheme) -> None:
    path = case_file(tmp_path)
    found = fit_scheme(read_fit_table(path, "cases"), base, Trim.of())
    write_scheme(tmp_path / "方案", base, found, title="<测>", effective_from=DAY, source=path)
    page = (tmp_path / "方案" / "report" / "quality.html").read_text(encoding="utf-8")
    assert "&lt;测&gt;" in page
    assert "不稳定病组（1 个）" in page
    assert page.index("<td>GD25</td>") < page.index("<td>BR23</td>")
    assert '<td class="mark">裁剪后少于 5 例</td>' in page
    assert "http" not in page


def test_the_engines_own_files_are_read_in_fen(tmp_path: Path) -> None:
    path = tmp_path / "病例.csv"
    path.write_text("drg,charges_fen\nBR23,600000\nBR23,\n", encoding="utf-8")
    assert read_fit_table(path, "cases").fen["total_charges"].tolist() == [600_000, MISSING_FEN]
    path.write_text("drg,charges_fen\nBR23,6000.00\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"第 2 行 \[charges_fen\]：不是整数（分）"):
        read_fit_table(path, "cases")
