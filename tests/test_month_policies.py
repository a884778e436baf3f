"""A month through the commands: dated policies, who pays, lists beside the cases, one case told."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pandas as pd
import pytest
from policy_workspace import make_workspace
from typer.testing import CliRunner, Result

from drg_engine.cli import app
from drg_engine.errors import DrgEngineError, InputError, PolicyError
from drg_engine.policy_set import load_policies
from drg_engine.scenario import Scenario
from drg_engine.simulation_input import load_months


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    return make_workspace(tmp_path / "医院")


def run(*words: str | Path) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words], env={"COLUMNS": "400"})


def settled(folder: Path) -> pd.DataFrame:
    result = run("run", folder, "2026-07")
    assert result.exit_code == 0, result.exception
    frame = pd.read_parquet(folder / "out" / "2026-07" / "病例-2026-07.parquet")
    return frame.set_index("case_id").sort_index()


def test_a_change_in_july_settles_in_one_run(workspace: Path) -> None:
    """1.6413 × 10,000 and × 9,000; the June stay is halved by its own policy's rule."""
    frame = settled(workspace)
    assert frame["standard_fen"].tolist()[:3] == [1_641_300, 1_477_170, 382_500]
    assert frame["paid_fen"].tolist()[:3] == [820_650, 1_477_170, 382_500]
    assert frame["readmission_fen"].tolist()[:3] == [-820_650, 0, 0]
    assert frame["policy"].tolist()[:4] == ["spring", "summer", "spring", "summer"]
    assert (frame["formula_fen"] + frame["adjustment_fen"] == frame["surplus_fen"]).all()
    assert (frame["surplus_fen"] == frame["paid_fen"] - frame["charges_fen"]).all()
    record = json.loads((workspace / "out/2026-07/运行记录.json").read_text(encoding="utf-8"))
    assert [one["name"] for one in record["policies"]] == ["spring", "summer"]


def test_the_run_names_each_policy_with_its_dates(workspace: Path) -> None:
    words = run("run", workspace, "2026-07").output
    assert "上半年（spring，2026-01-01 至 2026-07-01 前），2 例" in words
    assert "下半年（summer，2026-07-01 起），4 例" in words


def test_the_date_of_settlement_may_choose(workspace: Path) -> None:
    for name in ("spring", "summer"):
        path = workspace / "policies" / f"{name}.toml"
        text = path.read_text(encoding="utf-8")
        path.write_text(
            text.replace('source = "示例"', 'source = "示例"\ndated_by = "settlement"'),
            encoding="utf-8",
        )
    assert settled(workspace)["policy"].tolist() == ["summer"] * 6


def test_policies_that_go_by_different_dates(workspace: Path) -> None:
    path = workspace / "policies" / "summer.toml"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace('"示例"', '"示例"\ndated_by = "settlement"', 1), encoding="utf-8")
    result = run("run", workspace, "2026-07")
    assert isinstance(result.exception, PolicyError)
    assert "各政策选用的日期不同" in str(result.exception)


def test_who_pays_comes_from_a_plain_csv(workspace: Path) -> None:
    """Share way: (8,206.50 − 1,000 − 500 − 800) × 0.5; over the limit counts with paid first."""
    frame = settled(workspace)
    assert frame["fund_fen"].tolist()[:2] == [295_325, (1_477_170 - 230_000) // 2]
    assert frame["patient_fen"].tolist()[:2] == [400_000, 400_000]
    assert frame["prepaid_fen"].tolist()[0] == 251_026
    assert frame["other_fen"].tolist()[4] == 10_000
    received = frame["fund_fen"] + frame["patient_fen"] + frame["other_fen"]
    assert (received - frame["paid_fen"] == frame["difference_fen"]).all()
    assert frame["basis_words"].tolist()[3] == "不纳入 DRG 支付，据实支付：异地就医"
    assert frame["fund_fen"].tolist()[3] == 300_000
    # 30,000 > 2 × 3,825 and 20,000 / 30,000 > 64 %: S 3,060 + 20,000 − 500
    assert frame["paid_fen"].tolist()[5] == 306_000 + 1_950_000


def test_lists_beside_the_cases(workspace: Path) -> None:
    inputs = workspace / "inputs" / "2026-07"
    (inputs / "review.csv").write_text("病案号,决定金额\nA00000005,3500\nB1,1\n", encoding="utf-8")
    (inputs / "new_items.csv").write_text("病案号,金额\nA00000006,25000\n", encoding="utf-8")
    (inputs / "out_of_scope.csv").write_text(
        "病案号,规则代号\nA00000002,bureau\n", encoding="utf-8"
    )
    frame = settled(workspace)
    assert frame["paid_fen"].tolist()[4] == 350_000
    assert frame["paid_fen"].tolist()[5] == 306_000 + 2_450_000
    assert frame["basis_words"].tolist()[1] == "不纳入 DRG 支付，据实支付：医保局剔除"
    assert frame["readmission_fen"].tolist()[0] == 0
    told = run("explain", workspace, "2026-07", "--case", "A00000005").output
    assert "特例单议名单 review.csv 有 1 例不在本月病例中（病案号末四位 B1），未执行" in told


def test_lists_reach_a_simulation(workspace: Path) -> None:
    inputs = workspace / "inputs" / "2026-07"
    (inputs / "review.csv").write_text("病案号,决定金额\nA00000005,3500\n", encoding="utf-8")
    baseline = "policies/summer.toml"
    scenario = Scenario(name="s", title="s", baseline=baseline)
    loaded = load_months(workspace, "2026-07", [scenario])
    paid = loaded.simulation.base.settlement.paid.tolist()
    assert paid[4] == 350_000
    assert paid[5] == 306_000 + 1_950_000
    assert loaded.files[-1].name == "review.csv"


def test_an_empty_list_says_nothing(workspace: Path) -> None:
    path = workspace / "inputs" / "2026-07" / "new_items.csv"
    path.write_text("病案号,费用列,金额\n", encoding="utf-8")
    words = run("explain", workspace, "2026-07", "--case", "A00000003").output
    assert "new_items.csv" not in words


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("review", "病案号,决定金额\nA00000005,3500\nA00000005,1\n", ["第 3 行", "写了两行"]),
        ("review", "病案号,决定金额\n,1\n", ["第 2 行 [病案号]", "不能为空"]),
        ("review", "病案号,钱\nA1,1\n", ["缺少列“金额”"]),
        ("out_of_scope", "病案号,规则代号\nA1,buro\n", ["第 2 行", "没有这条", "是否想写 bureau"]),
        ("new_items", "病案号,金额,费用列\nA1,1,extra_drg\n", ["是否想写 extra_drug"]),
    ],
)
def test_faulty_lists(workspace: Path, name: str, text: str, words: list[str]) -> None:
    (workspace / "inputs" / "2026-07" / f"{name}.csv").write_text(text, encoding="utf-8")
    result = run("run", workspace, "2026-07")
    assert isinstance(result.exception, InputError)
    for word in words:
        assert word in str(result.exception)
    assert not (workspace / "out" / "2026-07" / "运行记录.json").exists()


def test_explain_one_case(workspace: Path) -> None:
    words = run("explain", workspace, "2026-07", "--case", "A00000001").output
    for part in (
        "【分组】",
        "病组 HC25",
        "支付政策：上半年（spring，2026-01-01 至 2026-07-01 前）",
        "支付标准 S = RW 1.6413 × 费率 10,000.00 × 机构系数 1 = 16,413.00",
        "短期再入院：-8,206.50（同一人 15 天内再入同一病组，前次按 0.5 支付）",
        "合计支付 = 8,206.50",
        "医保盈亏 = 支付 8,206.50 − C 15,000.00 = -6,793.50"
        "（公式盈亏 S − C 1,413.00，调整 -8,206.50）",
        "基金支付（政策比例法）= (支付 8,206.50 − 全自费 1,000.00 − 先行自付 500.00"
        " − 起付线 800.00)"
        " × 0.5 = 2,953.25",
        "月度预付 = 基金 2,953.25 × 0.85 = 2,510.26",
    ):
        assert part in words
    assert "A00000001" not in words
    assert "病例 ＊＊＊0001" in words
    assert "A00000001" in run("explain", workspace, "2026-07", "--case", "0001", "--unmask").output


@pytest.mark.parametrize(
    ("case", "words"),
    [
        ("0000", "没有这个病案号"),
        ("00000", "没有这个病案号"),
        ("B7", "没有这个病案号"),
        ("5", "写病案号末 4 位或更多"),
        (None, "写且只写一项"),
    ],
)
def test_explain_of_no_case(workspace: Path, case: str | None, words: str) -> None:
    asked = [] if case is None else ["--case", case]
    result = run("explain", workspace, "2026-07", *asked)
    assert isinstance(result.exception, DrgEngineError)
    assert words in str(result.exception)


def test_explain_of_a_rejected_row(workspace: Path) -> None:
    path = workspace / "inputs" / "2026-07" / "cases.csv"
    text = path.read_text(encoding="utf-8-sig").replace("A00000003,乙,女,33", "A00000003,乙,女,333")
    path.write_text(text, encoding="utf-8-sig")
    result = run("explain", workspace, "2026-07", "--case", "A00000003")
    assert "该行被拒收" in str(result.exception)


def test_one_policy_out_of_its_time_is_told(workspace: Path) -> None:
    settings = workspace / "hospital.toml"
    text = settings.read_text(encoding="utf-8").replace('"policies"', '"policies/spring.toml"')
    settings.write_text(text, encoding="utf-8")
    words = run("explain", workspace, "2026-07", "--case", "A00000003").output
    assert "4 例的出院日期不在政策有效期内，仍按此政策结算：上半年（spring" in words


def test_policies_by_name_file_and_folder(workspace: Path) -> None:
    names = [policy.name for policy in load_policies("policies", workspace)]
    assert names == ["spring", "summer"]
    both = "policies/summer.toml，policies/spring.toml"
    assert [policy.name for policy in load_policies(both, workspace)] == names
    assert [policy.name for policy in load_policies("harbin_2024, harbin_2023")] == [
        "harbin_2023",
        "harbin_2024",
    ]
    with pytest.raises(PolicyError, match="重叠"):
        load_policies(["policies", "harbin_2024"], workspace)
    with pytest.raises(PolicyError, match=r"没有 \.toml"):
        load_policies("inputs", workspace)
    with pytest.raises(PolicyError, match="为空"):
        load_policies(" ")


def test_faults_of_all_policies_are_told(workspace: Path) -> None:
    for name in ("spring", "summer"):
        path = workspace / "policies" / f"{name}.toml"
        text = path.read_text(encoding="utf-8").replace("bound = 0.4", "bound = 4.0")
        path.write_text(text, encoding="utf-8")
    with pytest.raises(PolicyError) as caught:
        load_policies("policies", workspace)
    assert [fault.file for fault in caught.value.faults] == ["spring.toml", "summer.toml"]
    assert tomllib.loads((workspace / "hospital.toml").read_text())["run"]["policy"] == "policies"
