"""Three offices month by month, and what is still open of what was advanced."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from drg_engine.money_tables import MoneyTable, read_money_table, read_month
from drg_engine.monthly_settlements import (
    ageing,
    month_end,
    month_text,
    receivables,
    three_way,
    told_sources,
)
from drg_engine.settlement_files import settlement_words

WORDS = settlement_words()
SOURCES = WORDS["three_way"]["sources"]


def _table(path: Path, kind: str, text: str) -> MoneyTable:
    path.write_text(text, encoding="utf-8-sig")
    return read_money_table(path, WORDS[kind])


def test_three_offices_are_even_only_where_all_three_say_the_same(tmp_path: Path) -> None:
    table = _table(
        tmp_path / "三方.csv",
        "monthly",
        "来源,月份,险种,医疗费总额,基金支付总额,个人账户支付\n"
        "收费处,2026-09,310,100.00,60.00,10.00\n"
        "收费处,2026-09,310,50.00,20.00,0\n"
        "医保办,2026年9月,310,150.00,80.00,10.00\n"
        "财务,202609,310,150.00,79.99,10.00\n"
        "收费处,2026-10,390,1.00,1.00,\n"
        "医保办,2026-10,390,1.00,1.00,\n"
        "总务,2026-10,390,1.00,1.00,\n",
    )
    assert (table.read, table.rejects.row_count) == (7, 0)
    found = three_way(table.frame, SOURCES)
    told = {
        (month_text(row["month"]), row["insurance"], row["field"]): (row["spread"], row["even"])
        for row in found.to_dict("records")
    }
    assert told[("2026-09", "310", "charges_fen")] == (0, True)
    assert told[("2026-09", "310", "fund_fen")] == (1, False)
    assert told[("2026-10", "390", "charges_fen")] == (0, False)
    assert told_sources(table.frame, SOURCES) == {"总务": 1}


def test_what_is_open_is_aged_from_the_end_of_its_month(tmp_path: Path) -> None:
    advances = _table(
        tmp_path / "垫付.csv",
        "advances",
        "所属月份,险种,垫付金额\n2026-01,310,1000.00\n2026-06,310,500.00\n2026-09,310,300.00\n"
        "2026-09,390,80.00\n",
    )
    receipts = _table(
        tmp_path / "回款.csv",
        "receipts",
        "回款日期,所属月份,险种,回款金额\n2026-03-05,2026-01,310,900.00\n"
        "2026-10-08,2026-09,390,90.00\n2026-12-01,2026-06,310,500.00\n",
    )
    limits, titles = WORDS["ageing"]["days"], WORDS["ageing"]["titles"]
    found = receivables(advances.frame, receipts.frame, dt.date(2026, 10, 30), limits)
    rows = {(month_text(row["month"]), row["insurance"]): row for row in found.to_dict("records")}
    first = rows[("2026-01", "310")]
    assert (first["open_fen"], first["age_days"], titles[first["bucket"]]) == (
        10000, 272, "181–365 天",
    )  # fmt: skip
    assert rows[("2026-06", "310")]["open_fen"] == 50000
    assert rows[("2026-06", "310")]["age_days"] == 122
    assert rows[("2026-09", "310")]["age_days"] == 30
    assert titles[rows[("2026-09", "310")]["bucket"]] == "30 天以内"
    assert rows[("2026-09", "390")]["open_fen"] == -1000
    table = ageing(found, titles).set_index("insurance")
    assert table.loc["310"].tolist() == [30000, 0, 50000, 10000, 0, 90000]
    assert table.loc["合计", "open_fen"] == 89000 == found["open_fen"].sum()


@pytest.mark.parametrize(
    ("text", "month"),
    [
        ("2026-10", "2026-10"),
        ("202601", "2026-01"),
        ("2026年9月", "2026-09"),
        ("2026/2/1", "2026-02"),
    ],
)
def test_months_are_read_as_people_write_them(text: str, month: str) -> None:
    value, refusal, _ = read_month(text)
    assert not refusal
    assert month_text(int(value)) == month


def test_the_last_day_of_a_month() -> None:
    months = [int(read_month(text)[0]) for text in ("2026-12", "2028-02", "2026-04")]
    assert [month_end(month) for month in months] == [
        dt.date(2026, 12, 31), dt.date(2028, 2, 29), dt.date(2026, 4, 30),
    ]  # fmt: skip


def test_rows_that_cannot_be_read_are_told(tmp_path: Path) -> None:
    table = _table(
        tmp_path / "垫付.csv",
        "advances",
        "所属月份,险种,垫付金额\n2026-13,310,1\n,310,2\n2026-01,310,三元\n2026-01,310,4\n",
    )
    assert table.frame["amount_fen"].tolist() == [400]
    told = [(line["row"], line["reason"]) for line in table.rejects.lines.to_pylist()]
    assert told == [(2, "应为月份，如 2026-10"), (3, "不能为空"), (4, "不是金额（元）")]
    assert table.read == 4 == len(table.frame) + table.rejects.row_count
