"""Tables and lists in files beside a policy: direct table, means, coefficients, lists of codes."""

from __future__ import annotations

import copy
import pickle
from datetime import date
from pathlib import Path

import pandas as pd
import pytest
from openpyxl import Workbook

from drg_engine.errors import PolicyError
from drg_engine.payment import MISSING_FEN, PaymentColumns, settle
from drg_engine.policy import Policy, load_policy, parse_policy

HEAD = '[policy]\nname = "t"\ntitle = "试"\neffective_from = 2024-01-01\nsource = "示例"\n'
TABLE = HEAD + '[standard]\nmethod = "table"\nprices_file = "价.csv"\n'
PRICES = (
    "病组,级别,险种,支付标准,生效日期,失效日期\n"
    "BB13,三级,310,9500.00,2024-01-01,\n"
    "BB13,2,310,8500.00,,\n"
    "BB13,,390,7000.00,,\n"
    "CC15,,,15000,2024-01-01,\n"
    "CC15,,,14000,2022-01-01,2024-01-01\n"
)


def written(folder: Path, text: str = TABLE, **files: str) -> Policy:
    (folder / "价.csv").write_text(PRICES, encoding="utf-8-sig")
    for name, content in files.items():
        (folder / f"{name}.csv").write_text(content, encoding="utf-8")
    path = folder / "政策.toml"
    path.write_text(text, encoding="utf-8")
    return load_policy(path)


def standards(policy: Policy) -> list[int]:
    frame = pd.DataFrame(
        {
            "case_id": list("abcdef"),
            "drg": ["BB13", "BB13", "BB13", "BB13", "CC15", "AA11"],
            "level": [3, 2, 1, 1, 3, 3],
            "insurance": ["310", "310", "310", "390", "self", "310"],
            "charges": 900_000,
            "weight": 1.0,
            "hospital": "甲",
        }
    )
    cases = PaymentColumns.from_frame(frame, ["AA11", "BB13", "CC15"])
    return settle(cases, policy).standard.tolist()


def test_direct_table_from_a_file(tmp_path: Path) -> None:
    expected = [950_000, 850_000, MISSING_FEN, 700_000, 1_500_000, MISSING_FEN]
    assert standards(written(tmp_path)) == expected


def test_direct_table_from_a_workbook(tmp_path: Path) -> None:
    book = Workbook()
    sheet = book.active
    assert sheet is not None
    for row in (("病组", "医院级别", "险种", "支付标准"), ("BB13", 3, "310", 9500.5)):
        sheet.append(row)
    book.save(tmp_path / "价.xlsx")
    policy = written(tmp_path, TABLE.replace("价.csv", "价.xlsx"))
    assert standards(policy)[0] == 950_050


def test_rows_of_the_policy_go_before_those_of_the_file(tmp_path: Path) -> None:
    inline = 'prices = [{ drg = "BB13", level = "3", insurance = "310", yuan = 1.0 }]\n'
    policy = written(tmp_path, TABLE + inline)
    assert standards(policy)[:2] == [100, 850_000]


def test_only_rows_in_force_count(tmp_path: Path) -> None:
    later = TABLE.replace("2024-01-01", "2023-01-01\neffective_to = 2024-01-01")
    assert standards(written(tmp_path, later))[4] == 1_400_000
    table = written(tmp_path).tables["standard.prices_file"]
    assert (len(table.rows), table.other_times) == (4, 1)


def test_the_hash_covers_the_files(tmp_path: Path) -> None:
    one = written(tmp_path)
    assert written(tmp_path).hash == one.hash
    (tmp_path / "价.csv").write_text(PRICES.replace("15000", "15001"), encoding="utf-8-sig")
    assert load_policy(tmp_path / "政策.toml").hash != one.hash


def test_changes_keep_the_files_and_may_name_others(tmp_path: Path) -> None:
    policy = written(tmp_path, other="病组,支付标准\nBB13,1\n")
    assert standards(policy.with_changes({"low.bound": 0.3})) == standards(policy)
    other = policy.with_changes({"standard.prices_file": "other.csv"})
    assert standards(other)[:2] == [100, 100]
    one = {"drg": "BB13", "level": "3", "insurance": "310", "yuan": 2.0}
    assert standards(policy.with_changes({"standard.prices": [one]}))[:2] == [200, 850_000]
    with pytest.raises(PolicyError, match="没有这个文件"):
        policy.with_changes({"standard.prices_file": "nothing.csv"})
    ended = policy.with_changes({"policy.effective_to": date(2025, 1, 1)})
    assert standards(ended) == standards(policy)


def test_what_a_policy_shows_is_what_its_file_says(tmp_path: Path) -> None:
    policy = written(tmp_path)
    rows = {row.key: row.value for row in policy.describe()}
    assert rows["standard.prices_file"] == "价.csv"
    assert rows["standard.prices"] == "（无）"
    assert policy.was_written("standard.prices_file")
    assert len(policy.rules.standard.prices) == 4


def test_every_other_list_and_table(tmp_path: Path) -> None:
    text = (
        HEAD
        + '[rates]\n310 = 10000.0\n[coefficient]\nby_hospital_file = "h.csv"\n'
        + 'by_drg_file = "d.csv"\nbase_list_file = "b.csv"\n'
    )
    policy = written(
        tmp_path,
        text,
        h="医院编码,机构系数\n甲,1.2\n乙,1.1\n",
        d="病组,级别,机构系数\nBB13,,1.5\nBB13,2,1.4\n",
        b="病组\nCC15\n",
    )
    rules = policy.rules.coefficient
    assert rules.by_hospital == {"甲": 1.2, "乙": 1.1}
    assert rules.by_drg == {"BB13": {"1": 1.5, "2": 1.4, "3": 1.5}}
    assert rules.base_list == ("CC15",)
    assert standards(policy)[:3] == [1_500_000, 1_400_000, 1_500_000]


def test_a_policy_from_elsewhere_may_name_no_file() -> None:
    with pytest.raises(PolicyError, match="旁边没有表"):
        parse_policy(TABLE.encode(), file="x.toml")


def test_nothing_of_a_policy_can_be_changed(tmp_path: Path) -> None:
    text = HEAD + "[rates]\n310 = 1.0\n[coefficient.by_drg]\nBB13 = { 3 = 1.5 }\n"
    policy = written(tmp_path, text)
    changes = [
        lambda: policy.rules.rates.update({"310": 2.0}),
        lambda: policy.rules.rates.__setitem__("310", 2.0),
        lambda: policy.rules.rates.pop("310"),
        lambda: policy.rules.coefficient.by_drg["BB13"].__setitem__("3", 2.0),
        lambda: policy.rules.fund.k.setdefault("310", 1.0),
        policy.rules.points.values.clear,
    ]
    for change in changes:
        with pytest.raises(TypeError, match="不可改动"):
            change()  # type: ignore[no-untyped-call]
    assert policy.rules.rates == {"310": 1.0}


def test_a_policy_goes_to_other_processes(tmp_path: Path) -> None:
    policy = written(tmp_path)
    again = pickle.loads(pickle.dumps(policy))  # noqa: S301 -- our own bytes
    assert again == policy
    assert copy.deepcopy(policy).rules == policy.rules
    with pytest.raises(TypeError):
        again.rules.rates["310"] = 1.0
