"""The commands weights fit, rates fit and policy infer, from files to what loads at once."""

from __future__ import annotations

import tomllib
from datetime import date
from pathlib import Path

import numpy as np
import openpyxl
import pandas as pd
import pytest
from typer.testing import CliRunner, Result

from drg_engine.cli_fit import rates_app, weights_app
from drg_engine.cli_policy import policy_app
from drg_engine.errors import DrgEngineError, InputError
from drg_engine.money import format_fen, to_fen
from drg_engine.payment import PaymentColumns, settle
from drg_engine.policy import load_policy
from drg_engine.toml_text import toml_text
from grouper_tables import load_scheme

PAYMENT = Path(__file__).parent / "data" / "payment"
APPS = {"weights": weights_app, "rates": rates_app, "policy": policy_app}


def run(app: str, *words: str | Path) -> Result:
    said = [str(word) for word in words]
    return CliRunner().invoke(APPS[app], said, env={"COLUMNS": "400"})


def good(result: Result) -> str:
    assert result.exit_code == 0, result.exception
    return result.output


def told(result: Result) -> str:
    assert isinstance(result.exception, DrgEngineError), result.output
    return str(result.exception)


@pytest.fixture
def cases(tmp_path: Path) -> Path:
    rows = [("BR23", 6000)] * 5 + [("BR25", 3000)] * 5 + [("GD25", 12000)] * 2
    path = tmp_path / "病例.parquet"
    pd.DataFrame(rows, columns=["drg", "total_charges"]).to_parquet(path)
    return path


def test_weights_fit(tmp_path: Path, cases: Path) -> None:
    out = tmp_path / "测算方案"
    output = good(
        run("weights", "fit", cases, "--base", "harbin_2024", "--out", out, "--trim", "none",
            "--effective-from", "2027-01-01", "--title", "试算", "--unstable", "none")
    )  # fmt: skip
    scheme = load_scheme(out)
    assert scheme.title == "试算"
    assert scheme.manifest.effective_from == date(2027, 1, 1)
    assert scheme.weights[scheme.drg_codes.index("BR23")] == 1.0435
    assert np.isnan(scheme.weights[scheme.drg_codes.index("GD25")])
    for words in ("计价病例", "5,750.00 元", "GD25", "少于 5 例", "不裁剪"):
        assert words in output
    method = tomllib.loads((out / "scheme.toml").read_text(encoding="utf-8"))["provenance"]
    assert "不稳定病组不给权重" in method["method"]
    assert "病例.parquet" in method["source"]


def test_weights_fit_refuses_in_words(tmp_path: Path, cases: Path) -> None:
    more = ("--base", "harbin_2024", "--out", tmp_path / "x")
    day = ("--effective-from", "2027-01-01")
    assert "应如 2027-01-01" in told(
        run("weights", "fit", cases, *more, "--effective-from", "明年")
    )
    assert "裁剪方法不能这样写" in told(run("weights", "fit", cases, *more, *day, "--trim", "x"))
    assert "找不到文件" in told(run("weights", "fit", tmp_path / "无.csv", *more, *day))
    assert not (tmp_path / "x").exists()


def test_weights_options() -> None:
    output = good(run("weights", "options"))
    assert "四分位距下侧倍数" in output
    assert "payment.md §7" in output


def test_rates_fit_from_a_workbook(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.append(["险种", "医院级别", "基金预算（元）", "实际报销比", "费用占比", "总权重"])
    for row in (("三级", 0.6, 40_000), ("二级", 0.3, 30_000), ("一级", 0.1, 16_000)):
        sheet.append(["310", row[0], 600_000_000, 0.75, row[1], row[2]])
    path, out = tmp_path / "预算.xlsx", tmp_path / "rates_2027.toml"
    book.save(path)
    output = good(
        run("rates", "fit", path, "--policy", "harbin_2024", "--out", out,
            "--effective-from", "2027-01-01")
    )  # fmt: skip
    for words in ("12,000", "8,000", "5,000", "800,000,000.00"):
        assert words in output
    policy = load_policy(out)
    assert policy.name == "rates_2027"
    assert policy.rules.rates == {"310": 12_000.0}
    assert policy.rules.coefficient.by_level["2"] == pytest.approx(2 / 3)
    assert policy.rules.policy.effective_to is None


def test_rates_fit_with_cases_and_a_scheme(tmp_path: Path) -> None:
    budget, cases = tmp_path / "预算.csv", tmp_path / "病例.csv"
    budget.write_text("险种,医院级别,基金预算,实际报销比例\n310,3,9000,75%\n", encoding="utf-8")
    cases.write_text("险种,医院级别,总费用,病组\n310,3,100,BR23\n310,3,50,BR25\n", encoding="utf-8")
    out = tmp_path / "r.toml"
    good(
        run("rates", "fit", budget, "--policy", "harbin_2024", "--out", out, "--cases", cases,
            "--scheme", "harbin_2024", "--effective-from", "2027-01-01", "--decimals", "0")
    )  # fmt: skip
    assert load_policy(out).rules.rates == {"310": round(12_000 / (0.7290 + 0.5765))}


@pytest.mark.parametrize("out", ["r.csv", "预算.toml"])
def test_output_names_are_checked(out: str, tmp_path: Path) -> None:
    budget = tmp_path / "预算.toml"
    budget.write_text("x", encoding="utf-8")
    result = run("rates", "fit", budget, "--policy", "harbin_2024", "--out", tmp_path / out,
                 "--effective-from", "2027-01-01")  # fmt: skip
    assert "输出文件名不能用" in told(result)
    assert budget.read_text(encoding="utf-8") == "x"


@pytest.fixture
def returns(tmp_path: Path) -> Path:
    """Settled by the published rates with H 1.05, low 0.4, high 3 with a share of 0.8."""
    policy = load_policy(PAYMENT / "rate_example.toml").with_changes(
        {"rates": {"310": 12_252.70, "390": 9_649.24}, "coefficient.default": 1.05, "scope": []}
    )
    random = np.random.default_rng(3)
    n, weight = 600, np.round(np.exp(random.normal(0, 0.7, 20)), 4)
    drg = random.integers(0, 20, n)
    frame = pd.DataFrame(
        {
            "case_id": [f"{place:04d}" for place in range(n)],
            "drg": [f"G{place:02d}" for place in drg],
            "weight": weight[drg],
            "insurance": np.where(random.random(n) < 0.5, "310", "390"),
            "charges": to_fen(weight[drg] * 11_000 * np.exp(random.normal(0, 0.7, n))),
        }
    )
    settled = settle(
        PaymentColumns.from_frame(frame, [f"G{place:02d}" for place in range(20)]), policy
    )
    paid = settled.paid.copy()
    paid[17] += 100_000
    told_ = {
        "病案号": frame["case_id"],
        "DRG编码": frame["drg"],
        "险种": frame["insurance"],
        "RW": frame["weight"],
        "医疗总费用": [format_fen(fen) for fen in frame["charges"]],
        "支付标准": [format_fen(fen) for fen in settled.standard],
        "支付金额": [format_fen(fen) for fen in paid],
    }
    path = tmp_path / "回款.csv"
    pd.DataFrame(told_).to_csv(path, index=False, encoding="gb18030")
    return path


def test_policy_infer(tmp_path: Path, returns: Path) -> None:
    out, left = tmp_path / "ours.toml", tmp_path / "不符.csv"
    output = good(
        run("policy", "infer", returns, "--out", out, "--effective-from", "2026-09-01",
            "--rate", "310=12252.70", "--residuals", left)
    )  # fmt: skip
    rules = load_policy(out).rules
    assert rules.rates == {"310": 12_252.70, "390": 9_649.24}
    assert rules.coefficient.default == 1.05
    assert (rules.low.bound, rules.high.bound, rules.high.share) == (0.4, 3.0, 0.8)
    assert "支付标准相符 600 / 600，支付金额相符 599 / 600" in output
    assert "由回款不能确定的" in output
    assert "再入院" in output
    assert "0017" not in output
    assert "＊＊＊7" in output
    page = pd.read_csv(left, dtype=str)
    assert page["病案号"].tolist() == ["0017"]
    assert page["金额之差"].tolist() == ["1000"]


def test_policy_infer_from_several_months(tmp_path: Path, returns: Path) -> None:
    text = returns.read_text(encoding="gb18030").splitlines()
    months = [tmp_path / "一月.csv", tmp_path / "二月.csv"]
    for path, rows in zip(months, (text[1:300], text[300:]), strict=True):
        path.write_text("\n".join([text[0], *rows]) + "\n", encoding="utf-8")
    one, two = tmp_path / "one.toml", tmp_path / "two.toml"
    good(run("policy", "infer", returns, "--out", one, "--effective-from", "2026-09-01"))
    output = good(run("policy", "infer", *months, "--out", two, "--effective-from", "2026-09-01"))
    assert "支付标准相符 600 / 600，支付金额相符 599 / 600" in output
    rules = load_policy(two).rules
    assert rules.model_copy(update={"policy": None, "sources": {}}) == load_policy(
        one
    ).rules.model_copy(update={"policy": None, "sources": {}})
    assert "一月.csv 等 2 个文件" in load_policy(two).title


def test_policy_infer_over_a_policy(tmp_path: Path, returns: Path) -> None:
    out = tmp_path / "9月.toml"
    good(run("policy", "infer", returns, "--out", out, "--effective-from", "2026-09-01",
             "--policy", "harbin_2024"))  # fmt: skip
    policy = load_policy(out)
    assert policy.name == "policy_9_"
    assert len(policy.rules.scope) == 5
    assert "未能由回款确定" in policy.source("scope")
    assert "反推" in policy.source("low.bound")


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--rate", "310"], "应如 310=12252.70"),
        (["--rate", "310=abc"], "应如 310=12252.70"),
        (["--money-unit", "0"], "应在 0.01 到 1000 之间"),
        (["--residuals", "x.doc"], "不能写成这种文件"),
        (["--policy", "harbin"], "没有这个政策"),
    ],
)
def test_policy_infer_refuses_in_words(
    more: list[str], words: str, tmp_path: Path, returns: Path
) -> None:
    out = tmp_path / "o.toml"
    result = run("policy", "infer", returns, "--out", out, "--effective-from", "2026-09-01", *more)
    assert words in told(result)
    assert not out.exists()


def test_policy_infer_never_overwrites_its_input(tmp_path: Path, returns: Path) -> None:
    result = run("policy", "infer", returns, "--out", tmp_path / "o.toml",
                 "--effective-from", "2026-09-01", "--residuals", returns)  # fmt: skip
    assert isinstance(result.exception, InputError)
    assert "覆盖" in str(result.exception)


def test_toml_reads_back_the_same() -> None:
    data = {
        "text": '引号 " 与 \\ 与\n换行\x7f', "whole": 3, "part": 0.1, "yes": True,
        "day": date(2027, 1, 1), "list": ["a", "b"], "none": None,
        "section": {"310": 1.5, "low.bound": "x", "inner": {"k": 1e-9}},
        "rows": [{"a": 1, "means": {"G": 2.0}}, {"a": 2}], "empty": [],
    }  # fmt: skip
    text = toml_text(data, heading=["说明"])
    assert text.startswith("# 说明\n")
    assert tomllib.loads(text) == {name: value for name, value in data.items() if name != "none"}
    with pytest.raises(TypeError, match="TOML 没有这种值"):
        toml_text({"x": object()})
