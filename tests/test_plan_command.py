"""The commands ``drg-engine plan …``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from test_allocation_hospital import SMALL
from typer.testing import CliRunner

from drg_engine.cli import app
from drg_engine.errors import DrgEngineError, PlanError

PLAN = str(SMALL / "plan.toml")
RUNNER = CliRunner()


def said(*words: str) -> str:
    result = RUNNER.invoke(app, ["plan", *words])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


def test_show() -> None:
    assert "demo_plan" in said("show")
    shown = said("show", PLAN)
    assert "series.doctor.pool" in shown
    assert "30000.0" in shown
    for words in (
        "由奖金池反推（budget）",
        "盈亏 × 份额（surplus_share）",
        "岗位系数（post）、职称系数（title）",
    ):
        assert words in shown
    assert "staff.missing_score" not in shown
    assert "staff.missing_score" in said("show", PLAN, "--all")


def test_show_gives_formulas_in_chinese(tmp_path: Path) -> None:
    text = (SMALL / "plan.toml").read_text(encoding="utf-8")
    text = text.replace("pool = 30000.00", 'pool = 30000.00\nformula = "points*value-cost"')
    path = tmp_path / "plan.toml"
    path.write_text(text, encoding="utf-8")
    assert "点数 × 点值 − 承担成本" in said("show", str(path))


def test_check() -> None:
    words = said("check", PLAN, "--period", "2026-10")
    assert "plan.toml：没有错误。示范医院绩效分配方案（示例）" in words
    assert "合规检查（方案本身）：没有发现" in words


def test_check_tells_the_wrong_month() -> None:
    with pytest.raises(PlanError, match="方案不在有效期内（读到“2025-12”）"):
        said("check", PLAN, "--period", "2025-12")
    with pytest.raises(DrgEngineError, match="期间应写作 2026-10"):
        said("check", PLAN, "--period", "2026-13")


def test_check_tells_all_faults(tmp_path: Path) -> None:
    text = (SMALL / "plan.toml").read_text(encoding="utf-8")
    text = text.replace("floor =", "flor =").replace('combine = "product"', 'combine = "times"')
    path = tmp_path / "plan.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(PlanError) as caught:
        said("check", str(path))
    assert len(caught.value.faults) == 3
    assert "最接近的键是 floor" in str(caught.value)


def test_check_tells_compliance(tmp_path: Path) -> None:
    text = (SMALL / "plan.toml").read_text(encoding="utf-8")
    path = tmp_path / "plan.toml"
    path.write_text(text.replace("quality_gate = 80", "# "), encoding="utf-8")
    words = said("check", str(path))
    assert "须写理由" in words
    assert "drg.quality_gate" in words
    share = 'pool = 30000.00\nformula = "点数 × 点值 + 开单收入 × 3%"'
    path.write_text(text.replace("pool = 30000.00", share), encoding="utf-8")
    with pytest.raises(PlanError, match="不能批准") as caught:
        said("check", str(path))
    assert "[series.doctor.formula]：收入“开单收入”进入发放公式" in str(caught.value)


def test_explain() -> None:
    one = said("explain", "staff.remainder", "--plan", PLAN)
    assert "largest 最大余数法" in one
    assert "allocation.md §6" in one
    section = said("explain", "bounds")
    assert "bounds.floor" in section
    assert "bounds.cap" in section
    entry = said("explain", "series.doctor.pool", "--plan", PLAN)
    assert "30000.0" in entry
    words = said("explain", "公式")
    assert "点值" in words
    assert "元/点" in words
    assert "阶梯(x; <0.9: 0.95; <1.1: 1; 其余: 1.05)" in words


def test_explain_tells_the_nearest_key() -> None:
    with pytest.raises(PlanError, match=r"是否想写 staff\.remainder？"):
        said("explain", "staff.remaindr")


def test_schema(tmp_path: Path) -> None:
    schema = json.loads(said("schema"))
    assert schema["title"] == "绩效分配方案"
    out = tmp_path / "plan.schema.json"
    assert "已写入" in said("schema", "--out", str(out))
    assert json.loads(out.read_text(encoding="utf-8")) == schema


def test_draw(tmp_path: Path) -> None:
    said("draw", PLAN, str(tmp_path / "a.svg"))
    said("draw", PLAN, str(tmp_path / "b.svg"))
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    said("draw", PLAN, str(tmp_path / "a.png"))
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(PlanError, match=r"只能写 \.svg 或 \.png"):
        said("draw", PLAN, str(tmp_path / "a.pdf"))
