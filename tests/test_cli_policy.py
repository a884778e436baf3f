"""The commands drg-engine policy show, check, explain, schema."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from drg_engine.cli_policy import policy_app
from drg_engine.errors import PolicyError
from drg_engine.policy import catalogue, list_policies, load_policy
from drg_engine.policy_page import parameter_page

PAYMENT = Path(__file__).parent / "data" / "payment"
HEAD = '[policy]\nname = "t"\ntitle = "试"\neffective_from = 2024-01-01\nsource = "示例"\n'


def run(*words: str | Path) -> Result:
    return CliRunner().invoke(policy_app, [str(word) for word in words], env={"COLUMNS": "400"})


def told(result: Result) -> str:
    assert isinstance(result.exception, PolicyError), result.output
    return str(result.exception)


def test_show_lists_the_presets() -> None:
    result = run("show")
    assert result.exit_code == 0
    assert "harbin_2023" in result.output
    assert "harbin_2024" in result.output
    assert "2024-01-01" in result.output


def test_show_a_policy() -> None:
    output = run("show", "harbin_2024").output
    assert "rates.310" in output
    assert "12252.7" in output
    assert "公布费率" in output
    for words in ("据实（as_charged）", "按权重分档（weight）", "离休（340）"):
        assert words in output
    assert not re.search(r" (as_charged|excess_share|discharges|standard) ", output)
    assert "points.scale" not in output
    every = run("show", PAYMENT / "rate_example.toml", "--all").output
    assert "points.scale" in every
    assert "默认值" in every


def test_show_an_unknown_name_tells_the_nearest() -> None:
    assert "是否想写 harbin_2024？" in told(run("show", "harbin2024"))


def test_check_a_good_file(tmp_path: Path) -> None:
    result = run("check", PAYMENT / "rate_example.toml", "--scheme", "harbin_2024")
    assert result.exit_code == 0
    assert "没有错误" in result.output
    assert "所列病组均在分组方案 harbin_2024 中" in result.output
    assert "来源为“示例”" in result.output


def test_check_tells_all_faults(tmp_path: Path) -> None:
    path = tmp_path / "坏.toml"
    path.write_text(
        HEAD + "[rates]\n310 = -5.0\n[low]\nbund = 0.4\nbound = 2.0\n", encoding="utf-8"
    )
    words = told(run("check", path))
    for part in ("坏.toml [rates.310]", "太小", "是否想写 low.bound", "[low.bound]：太大"):
        assert part in words


def test_check_against_a_scheme(tmp_path: Path) -> None:
    path = tmp_path / "组.toml"
    text = HEAD + '[rates]\n310 = 5.0\n[coefficient]\nbase_list = ["BR23", "BR24X"]\n'
    path.write_text(text, encoding="utf-8")
    assert run("check", path).exit_code == 0
    words = told(run("check", path, "--scheme", "harbin_2024"))
    assert "BR24X" in words
    assert "是否想写 BR2" in words


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("low.bound", ["低倍率界值", "数字 ≥ 0 且 < 1", "0.4", "倍"]),
        ("rates", ["费率", "元/1.0 RW", "键值表"]),
        ("rates.310", ["费率", "元/1.0 RW"]),
        ("scope[0].los_over", ["住院天数大于", "天"]),
        ("policy.title", ["否（只作标注）"]),
        ("low", ["low.bound", "low.mode", "low.inclusive"]),
        ("high.tiers", ["high.tiers[].upper", "high.tiers[].bound"]),
        ("scope", ["scope[].dx_prefixes", "scope[].drgs"]),
    ],
)
def test_explain(key: str, words: list[str]) -> None:
    result = run("explain", key)
    assert result.exit_code == 0
    for part in words:
        assert part in result.output


def test_explain_with_a_policy() -> None:
    output = run("explain", "rates.390", "--policy", "harbin_2024").output
    assert "9649.24" in output
    assert "12252.7" not in output
    assert "公布费率" in output
    tiers = run("explain", "high.tiers", "--policy", "harbin_2024").output
    assert "high.tiers[4].bound" in tiers
    none = run("explain", "rates.999", "--policy", "harbin_2024").output
    assert "（无）" in none


def test_explain_an_unknown_key_tells_the_nearest() -> None:
    assert "是否想写 low.bound？" in told(run("explain", "lo.bund"))
    assert "policy show --all" in told(run("explain", "9"))


def test_schema(tmp_path: Path) -> None:
    schema = json.loads(run("schema").output)
    assert schema["properties"]["rates"]["title"] == "费率"
    path = tmp_path / "schema.json"
    assert run("schema", "--out", path).exit_code == 0
    assert json.loads(path.read_text(encoding="utf-8")) == schema


def test_page_of_all_parameters(tmp_path: Path) -> None:
    page = tmp_path / "参数.html"
    assert run("page", "--out", page).exit_code == 0
    text = page.read_text(encoding="utf-8")
    for part in ("支付政策参数一览", "harbin_2023", "harbin_2024", "12252.7", "低倍率界值"):
        assert part in text
    assert "src=" not in text
    assert "http" not in text
    for key, info in catalogue().items():
        if key != "sources" and info.range not in ("一节", "若干节"):
            assert f"<code>{key}</code>" in text


def test_page_escapes_what_a_policy_says(tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    path.write_text(HEAD.replace("试", "<b>&") + "[rates]\n310 = 5.0\n", encoding="utf-8")
    page = tmp_path / "x.html"
    assert run("page", path, "--out", page).exit_code == 0
    text = page.read_text(encoding="utf-8")
    assert "&lt;b&gt;&amp;" in text
    assert "<b>&" not in text


def test_page_of_another_kind(tmp_path: Path) -> None:
    assert "扩展名不能用" in told(run("page", "--out", tmp_path / "x.pdf"))


def test_the_committed_page_is_current() -> None:
    """Made by: drg-engine policy page --out drg_engine/policies/parameters.md."""
    kept = Path(__file__).parents[1] / "drg_engine" / "policies" / "parameters.md"
    made = parameter_page([load_policy(name) for name in list_policies()])
    assert kept.read_text(encoding="utf-8") == made


def test_show_and_check_tell_the_files_beside(tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text("病组,支付标准\nBR23,9000\nBR25,8000\n", encoding="utf-8")
    path = tmp_path / "表.toml"
    table = '[standard]\nmethod = "table"\nprices_file = "p.csv"\n'
    path.write_text(HEAD + table, encoding="utf-8")
    assert "standard.prices_file：p.csv，2 行" in run("show", path).output
    assert "standard.prices_file：p.csv，2 行" in run("check", path).output
    (tmp_path / "p.csv").write_text("病组,支付标准\nBR23,9000\nBR24X,8\n", encoding="utf-8")
    words = told(run("check", path, "--scheme", "harbin_2024"))
    assert "p.csv 第 3 行" in words
