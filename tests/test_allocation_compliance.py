"""What pay must not depend on (allocation.md §7)."""

from __future__ import annotations

import tomllib
from importlib import resources
from pathlib import Path

from test_allocation_hospital import SMALL, make_plan, run_small

from performance.compliance import check_plan_alone, explained, open_findings

ITEMS = (SMALL / "tables" / "items.csv").read_text(encoding="utf-8-sig")
CHARGES = (SMALL / "inputs" / "charges.csv").read_text(encoding="utf-8-sig")


def test_a_clean_month_has_no_findings(tmp_path: Path) -> None:
    assert len(run_small(tmp_path).findings) == 0


def test_rule_1_goods_with_points(tmp_path: Path) -> None:
    items = ITEMS.replace("头孢呋辛,支,药品,0", "头孢呋辛,支,药品,0.1")
    items = items.replace("输液器,个,卫生材料,0,0,0,,,,", "输液器,个,卫生材料,0,0,0,,,2,")
    found = run_small(tmp_path, items=items).findings
    assert found["rule"].tolist() == [1, 1]
    assert set(found["severity"]) == {"error"}
    assert found["subject"].tolist() == ["0301 头孢呋辛", "0401 输液器"]
    assert found["rows"].tolist() == [2, 1]
    assert found["amount_fen"].tolist() == [315_105, 9_000]


def test_rule_2_ordering_points_on_tests(tmp_path: Path) -> None:
    found = run_small(tmp_path, items=ITEMS.replace("判读工作量", "")).findings
    assert found[["rule", "severity", "subject"]].values.tolist() == [[2, "warning", "0202 胸部CT"]]


def test_a16_share_of_test_charges_is_refused(tmp_path: Path) -> None:
    """Ordering points of 3.49 % of the price on twenty tests, each with a reason."""
    items, charges = ITEMS, CHARGES
    for i in range(20):
        price = 100 * (i + 1)
        items += f"2026,T{i:02d},检验,次,化验,{price * 0.0349:.2f},1,1,,,,理由,,\n"
        charges += f"2026-10-09,C1,T{i:02d},2,{2 * price},D101,100001,D401,100009\n"
    found = run_small(tmp_path, items=items, charges=charges).findings
    errors = found[found["severity"] == "error"]
    assert errors[["rule", "subject"]].values.tolist() == [[2, "化验"]]
    assert errors["amount_fen"].tolist() == [4_200_000]


def test_rule_4_points_in_proportion_to_price(tmp_path: Path) -> None:
    """Twenty services whose points are 3.49 % of their price; nineteen are too few to tell."""
    items, charges = ITEMS, CHARGES
    for i in range(20):
        price = 37 * (i + 1)
        items += f"2026,S{i:02d},项目,次,治疗,{price * 0.0349:.4f},0,1,,,,,,\n"
        charges += f"2026-10-09,C1,S{i:02d},2,{2 * price},D101,100001,D101,100002\n"
    shares = (SMALL / "tables" / "role_shares.csv").read_text(encoding="utf-8-sig")
    shares += "*,治疗,1,0,0\n"
    found = run_small(tmp_path / "a", items=items, charges=charges, role_shares=shares).findings
    assert found[["rule", "severity", "subject"]].values.tolist() == [[4, "warning", "治疗"]]
    fewer = charges.rsplit("\n", 2)[0] + "\n"
    found = run_small(tmp_path / "b", items=items, charges=fewer, role_shares=shares).findings
    assert len(found) == 0


def test_rule_6_surplus_without_gate_and_cap(tmp_path: Path) -> None:
    changes = {"drg.quality_gate": None, "drg.shares.surgery": {"k": 0.11}}
    found = run_small(tmp_path, changes).findings
    assert found["rule"].tolist() == [6, 6]
    assert found["subject"].tolist() == ["DRG 部分", "DRG 部分 surgery"]


def test_rule_7_pay_above_the_approved_total(tmp_path: Path) -> None:
    found = run_small(tmp_path, {"pool.approved_total": 66_999.99}).findings
    assert found[["rule", "severity", "amount_fen"]].values.tolist() == [[7, "error", 1]]
    assert "67,000.00" in found["message"][0]


# ------------------------------------------------------------------ how findings are told


def test_every_rule_has_a_title_and_a_source() -> None:
    text = resources.files("performance").joinpath("data/compliance.toml").read_text("utf-8")
    rules = tomllib.loads(text)["rules"]
    assert [rule["number"] for rule in rules] == [1, 2, 3, 4, 5, 6, 7]
    for rule in rules:
        assert rule["severity"] in ("error", "warning")
        assert rule["title"]
        assert rule["source"]


def test_findings_name_rule_source_rows_and_amount(tmp_path: Path) -> None:
    items = ITEMS.replace("头孢呋辛,支,药品,0", "头孢呋辛,支,药品,0.1")
    row = run_small(tmp_path, items=items).findings.iloc[0]
    assert row["title"] == "药品、卫生材料不得带点数"
    assert row["source"].startswith("《医疗机构工作人员廉洁从业九项准则》")
    assert row["places"] == "项目点数表第 8 行"
    assert (row["rows"], row["amount_fen"], row["status"]) == (2, 315_105, "blocks")


WITHOUT_GATE = {"drg.quality_gate": None, "drg.shares.surgery": {"k": 0.11}}


def test_warnings_need_a_reason(tmp_path: Path) -> None:
    reason = {"rule": 6, "subject": "DRG 部分", "reason": "院务会 12 号纪要"}
    found = run_small(tmp_path, WITHOUT_GATE | {"compliance.reasons": [reason]}).findings
    assert found["status"].tolist() == ["explained", "open"]
    assert found["reason"].tolist() == ["院务会 12 号纪要", ""]
    assert open_findings(found)["subject"].tolist() == ["DRG 部分 surgery"]
    at_approval = explained(found, {(6, "DRG 部分 surgery"): "另有封顶文件"})
    assert len(open_findings(at_approval)) == 0
    assert len(open_findings(explained(found, {(6, "DRG 部分 surgery"): "  "}))) == 1
    assert len(open_findings(explained(found, {(6, "*"): "试行"}))) == 0


def test_no_reason_lifts_an_error(tmp_path: Path) -> None:
    found = run_small(tmp_path, {"pool.approved_total": 66_999.99}).findings
    for reasons in ({(7, "*"): "特批"}, {(7, "发放总额"): "特批"}):
        assert explained(found, reasons)["status"].tolist() == ["blocks"]


def test_rule_5_income_targets_by_name(tmp_path: Path) -> None:
    items = "科室编码,工号,事项,金额\nD101,,超额创收奖,500\n,100001,新技术奖,100\n"
    found = run_small(tmp_path, single_items=items).findings
    assert found[["rule", "severity", "subject"]].values.tolist() == [[5, "error", "超额创收奖"]]
    pools = [{"name": "收入指标", "share": 1.0}]
    plan = make_plan({"staff.sub_pools": pools})
    assert check_plan_alone(plan)[["rule", "places"]].values.tolist() == [[5, "staff.sub_pools"]]


def test_an_amount_may_be_deducted(tmp_path: Path) -> None:
    """Consumables of the ward as a cost deduction are no finding; as a share of pay they are."""
    text = "点数 × 点值 − 耗材收入 × 20%"
    found = run_small(tmp_path / "a", {"series.doctor.formula": text}).findings
    assert len(found) == 0
    found = run_small(tmp_path / "b", {"series.doctor.formula": text.replace("−", "+")}).findings
    assert found["rule"].tolist() == [1, 3]
    assert found["amount_fen"].tolist() == [9_000, 9_000]
    assert set(found["places"]) == {"series.doctor.formula"}
