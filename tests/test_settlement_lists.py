"""Settlement lists in JSON become cases; their sums are checked row by row."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from drg_engine import read_cases
from drg_engine.errors import InputError
from drg_engine.identities import check_identities


def _uploaded(number: int = 1, **changes: Any) -> dict[str, Any]:
    """A message as a hospital uploads it (4101)."""
    info = {
        "mdtrt_id": f"M{number:03d}", "setl_id": f"S{number:03d}", "psn_no": "P1", "gend": "2",
        "age": "65.0", "nwb_age": "", "hi_type": "310", "adm_time": "2026-10-01 09:30:00",
        "dscg_time": "2026-10-08 10:00:00", "act_ipt_days": 7, "dscg_caty": "A03",
        "chfpdr_code": "D0001", "dscg_way": "1", "vent_used_dura": "1/13/24",
        "medfee_sumamt": 1000.50, "fulamt_ownpay_amt": 100.00, "overlmt_selfpay": 0,
        "preselfpay_amt": 50.5, "inscp_scp_amt": 850, "hifp_pay": 600, "fund_pay_sumamt": 600,
        "psn_part_amt": 400.5, "acct_pay": 300, "psn_cash_pay": 100.5,
    } | changes  # fmt: skip
    return {
        "infno": "4101",
        "input": {
            "setlinfo": info,
            "diseinfo": [
                {"diag_type": "1", "diag_code": "I10.x00", "maindiag_flag": "0"},
                {"diag_type": "1", "diag_code": "K80.100", "maindiag_flag": "1"},
                {"diag_type": "2", "diag_code": "A07.01.02", "maindiag_flag": "1"},
            ],
            "oprninfo": [
                {"oprn_oprt_type": "2", "oprn_oprt_code": "38.9300"},
                {"oprn_oprt_type": "1", "oprn_oprt_code": "51.2300"},
            ],
            "iteminfo": [
                {"med_chrgitm": "09", "amt": 400},
                {"med_chrgitm": "06", "amt": "500.50"},
                {"med_chrgitm": "4", "amt": 100},
            ],
        },
    }


def _returned(number: int) -> dict[str, Any]:
    """The same list as the other version of the interface gives it."""
    message = _uploaded(number)["input"]
    message["oprninfo"] = [
        {"main_oprn_flag": "0", "oprn_oprt_code": "38.9300"},
        {"main_oprn_flag": "1", "oprn_oprt_code": "51.2300"},
    ]
    message["iteminfo"] = [
        {"med_chrgitm_type": "09", "item_sumamt": "400"},
        {"med_chrgitm_type": "06", "item_sumamt": "500.50"},
        {"med_chrgitm_type": "04", "item_sumamt": "100"},
    ]
    return {"infno": "4101A", "output": message}


def _written(path: Path, data: Any) -> Path:
    path.write_text(json.dumps(data, ensure_ascii=False), encoding="utf-8")
    return path


@pytest.mark.parametrize("version", [_uploaded, _returned])
def test_a_list_becomes_a_case(tmp_path: Path, version: Any) -> None:
    cases = read_cases(_written(tmp_path / "清单.json", version(7)))
    assert cases.n == 1
    codes = [cases.diagnoses.strings[place] for place in cases.dx.tolist()]
    operations = [cases.procedures.strings[place] for place in cases.proc.tolist()]
    assert cases.case_id.to_pylist() == ["M007"]
    assert codes == ["K80.100", "I10.x00"]
    assert operations == ["51.2300", "38.9300"]
    assert (int(cases.sex[0]), int(cases.age[0]), int(cases.los[0])) == (2, 65, 7)
    assert float(cases.vent_hours[0]) == pytest.approx(37.4)
    money = {
        name: int(cases.fen(name)[0])
        for name in ("total_charges", "fee_drug", "fee_service", "fee_test", "pre_expense")
    }
    assert money == {
        "total_charges": 100050, "fee_drug": 40000, "fee_service": 50050, "fee_test": 10000,
        "pre_expense": 5050,
    }  # fmt: skip


def test_several_lists_in_one_file_and_one_a_line(tmp_path: Path) -> None:
    messages = [_uploaded(number) for number in range(5)]
    together = read_cases(_written(tmp_path / "甲.json", {"data": messages}))
    lines = tmp_path / "乙.jsonl"
    lines.write_text("\n".join(json.dumps(one) for one in messages), encoding="utf-8")
    apart = read_cases(lines)
    assert together.case_id.to_pylist() == apart.case_id.to_pylist()
    assert together.n == 5


def test_a_list_without_a_main_diagnosis_has_none(tmp_path: Path) -> None:
    message = _uploaded()
    for one in message["input"]["diseinfo"]:
        one["maindiag_flag"] = "0"
    cases = read_cases(_written(tmp_path / "清单.json", message))
    assert cases.principal_diagnoses().tolist() == [""]


def test_broken_identities_are_named_with_row_and_amount(tmp_path: Path) -> None:
    messages = [
        _uploaded(1),
        _uploaded(2, inscp_scp_amt=850.01),
        _uploaded(3, psn_cash_pay=100.4, hifp_pay=599),
        _uploaded(4, fund_pay_sumamt=601, hifp_pay=601),
        _uploaded(5, medfee_sumamt="千元"),
    ]
    found = check_identities(_written(tmp_path / "清单.json", messages))
    told = {
        (row["row"], row["name"]): row["difference_fen"] for row in found.broken.to_dict("records")
    }
    assert told == {
        (2, "费用构成"): -1,
        (3, "个人负担构成"): 10,
        (3, "基金支付构成"): 100,
        (4, "总费用与支付"): -100,
    }
    assert found.read == 5
    assert found.rejects.row_count == 1
    assert found.counts.set_index("name").loc["项目合计"].tolist() == [4, 4, 0]
    assert (found.counts["kept"] + found.counts["broken"] == found.counts["checked"]).all()


def test_identities_of_a_table_are_those_it_has_columns_for(tmp_path: Path) -> None:
    path = tmp_path / "结算.csv"
    path.write_text(
        "病案号,总费用,基金支付总额,个人负担,医院负担\n1,100.00,60,40,\n2,100.00,60,30,10\n3,100,60,39,\n",
        encoding="gb18030",
    )
    found = check_identities(path)
    checked = dict(zip(found.counts["name"], found.counts["checked"], strict=True))
    assert checked["总费用与支付"] == 3
    assert sum(checked.values()) == 3
    assert found.broken[["row", "case_id", "difference_fen"]].to_numpy().tolist() == [[4, "3", 100]]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{}", "没有找到结算清单"),
        ('{"setlinfo": [', "不是完整的 JSON"),
        ("[" * 50_000, "不是完整的 JSON"),
        ('{"a": 1}\n{"b": \n', "不是完整的 JSON"),
    ],
)
def test_json_that_is_no_list_is_refused_in_words(tmp_path: Path, content: str, words: str) -> None:
    path = tmp_path / "清单.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match=words):
        read_cases(path)


def test_values_of_any_kind_are_told_and_never_a_traceback(tmp_path: Path) -> None:
    message = _uploaded(1, age=[1, 2], gend={"x": 1}, medfee_sumamt=None)
    message["input"]["diseinfo"] = "K80.100"
    message["input"]["iteminfo"] = [{"med_chrgitm": "09", "amt": "?"}, 3]
    cases = read_cases(_written(tmp_path / "清单.json", [message, _uploaded(2)]))
    assert cases.n + cases.rejects.row_count == 2
    assert cases.case_id.to_pylist() == ["M002"]
