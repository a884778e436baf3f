"""What pay must not depend on (allocation.md §7)."""

from __future__ import annotations

from pathlib import Path

from test_allocation_hospital import SMALL, run_small

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
