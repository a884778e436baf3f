"""The command ``settle``: what it reads, what it refuses, what it writes; rows reconcile."""

from __future__ import annotations

import csv
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest
from region_cases import DATA, EVERY_RULE, part, policy, whole, write_region
from typer.testing import CliRunner

from drg_engine.cli import app
from drg_engine.errors import InputError, PolicyError
from drg_engine.grouping import group
from drg_engine.payment import MISSING_FEN, PaymentColumns, settle
from drg_engine.payment_fund import split_fund
from drg_engine.settle_command import settle_files
from drg_engine.settle_files import CaseSource, find_case_files
from drg_engine.settle_output import CASE_COLUMNS
from grouper_tables import load_scheme

HERE = Path(__file__).parent
RATE = str(DATA / "rate_example.toml")
SCENARIO = """
[scenario]
title = "费率上调"
author = "测试"
source = "测算"

[factors]
rates.310 = 1.1
"""


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as stream:
        return list(csv.DictReader(stream))


def test_folders_name_columns(tmp_path: Path) -> None:
    place = tmp_path / "hospital=%E7%94%B2" / "month=2024-01"
    place.mkdir(parents=True)
    table = part(0, 40).drop_columns(["hospital"])
    pq.write_table(table, place / "a.parquet")
    pq.write_table(table, place / "_hidden.parquet")
    empty = tmp_path / "hospital=__HIVE_DEFAULT_PARTITION__"
    empty.mkdir()
    other = table.set_column(0, "case_id", pa.array([f"N{at}" for at in range(40)]))
    pq.write_table(other, empty / "b.parquet")
    found = [dict(file.fixed) for file in find_case_files([tmp_path])]
    assert {"hospital": "甲", "month": "2024-01"} in found
    assert {"hospital": ""} in found
    assert len(found) == 2
    columns = whole(CaseSource([tmp_path]))
    names = ["", *columns.hospital.names]
    told = [names[code + 1] for code in columns.hospital.codes]
    assert sorted(set(told)) == ["", "甲"]
    assert told.count("甲") == 40


@pytest.mark.parametrize(
    ("paths", "words"),
    [
        (["none"], "没有这个文件或文件夹"),
        (["empty"], "没有 Parquet 文件"),
        (["one/a.parquet", "two/a.parquet"], "结果同名"),
    ],
)
def test_what_cannot_be_found_is_told(paths: list[str], words: str, tmp_path: Path) -> None:
    for folder in ("empty", "one", "two"):
        (tmp_path / folder).mkdir()
    for folder in ("one", "two"):
        pq.write_table(part(0, 5), tmp_path / folder / "a.parquet")
    with pytest.raises(InputError, match=words):
        find_case_files([tmp_path / path for path in paths])


def test_a_damaged_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(b"PAR1 nothing")
    with pytest.raises(InputError, match="打不开"):
        list(CaseSource([tmp_path / "a.parquet"]).batches())


def test_required_columns_are_told(tmp_path: Path) -> None:
    pq.write_table(part(0, 5).drop_columns(["total_charges_fen"]), tmp_path / "a.parquet")
    with pytest.raises(InputError, match="缺少列“总费用”"):
        list(CaseSource([tmp_path]).batches())


def _table(**columns: Any) -> pa.Table:
    n = len(next(iter(columns.values())))
    base = {"case_id": [f"{at}" for at in range(n)], "drg": ["AA11"] * n}
    return pa.table({**base, "total_charges": [100] * n, **columns})


@pytest.mark.parametrize(
    "charges",
    [
        pa.array([Decimal("1234.56"), None, Decimal("-0.05")], pa.decimal128(18, 2)),
        pa.array([Decimal("1234.560"), None, Decimal("-0.050")], pa.decimal128(20, 3)),
        pa.array([1234.56, None, -0.05]),
        pa.array(["1,234.56", "", "-0.05"]),
        pa.array(["1234.56", None, "-.05"]).dictionary_encode(),
    ],
)
def test_money_of_any_type(charges: pa.Array, tmp_path: Path) -> None:
    pq.write_table(_table(total_charges=charges, cost_fen=[7, None, -9]), tmp_path / "a.parquet")
    columns = whole(CaseSource([tmp_path]))
    assert columns.charges.tolist() == [123_456, MISSING_FEN, -5]
    assert columns.cost.tolist() == [7, MISSING_FEN, -9]


def test_whole_yuan_and_words(tmp_path: Path) -> None:
    table = _table(
        total_charges=[12, 13, 14],
        医院级别=["三级甲等", "2", "未定级"],
        入组状态=["入组", "歧义组", "未入组"],
        出院日期=["2024-03-05", "", "2024/3/7"],
        入院日期=["2024-03-01", "2024-03-01", "2024-03-07"],
        诊断编码=["a00.000 | B01.100", "", "Z51.100"],
    )
    pq.write_table(table, tmp_path / "a.parquet")
    columns = whole(CaseSource([tmp_path]))
    assert columns.charges.tolist() == [1_200, 1_300, 1_400]
    assert columns.level.tolist() == [3, 2, 0]
    assert columns.status.tolist() == [0, 1, 2]
    assert columns.los.tolist() == [4, -1, 1]
    names = ["", *columns.dx_names]
    assert [names[at + 1] for at in columns.principal] == ["A00.000", "", "Z51.100"]


def test_status_by_the_drg_where_none_is_said(tmp_path: Path) -> None:
    pq.write_table(_table(drg=["AA11", "AAQY", "0000", None]), tmp_path / "a.parquet")
    assert whole(CaseSource([tmp_path])).status.tolist() == [0, 1, 2, 2]


BAD = """病案号,病组,总费用,权重,险种,医院,入院日期,出院日期,医院级别,入组状态
1,AA11,100,1,310,甲,,,三级,入组
1,AA11,100,1,310,甲,,,三级,入组
1,AA11,100,1,310,乙,,,三级,入组
,AA11,100,1,310,甲,,,三级,入组
2,AA11,100.005,1,310,甲,,,三级,入组
3,AA11,abc,1,310,甲,,,三级,入组
4,AA11,100,-1,310,甲,,,三级,入组
5,AA11,100,x,310,甲,,,三级,入组
6,,100,1,310,甲,,,三级,入组
7,AA11,100,1,310,甲,2024-03-05,2024-03-01,三级,入组
8,AA11,100,1,310,甲,2024-13-05,,三级,入组
9,AA11,100,1,310,甲,,,特级,入组
10,AA11,100,1,310,甲,,,三级,不知道
11,AA11,100,1,310,甲,,,三级
12,0000,100,,310,甲,,,三级,未入组
"""
REASONS = {
    3: "重复，第 1 例已有同一编号",
    5: "不能为空",
    6: "金额多于两位小数",
    7: "不是金额（元）",
    8: "应在 0 到 1000 之间",
    9: "不是数字",
    10: "入组的病例没有病组编码",
    11: "出院日期早于入院日期",
    12: "没有这一天",
    13: "不认识的医院级别",
    14: "不认识的入组状态",
    15: "应有 10 列，实有 9 列",
}


def test_rejected_rows_are_told_and_reconcile(tmp_path: Path) -> None:
    path = tmp_path / "bad.csv"
    path.write_text(BAD, encoding="utf-8")
    out = tmp_path / "out.csv"
    source = CaseSource([path], policies=[policy()])
    counts, _, _ = settle_files(source, [policy()], out)
    assert (counts.read, counts.settled, counts.rejected) == (15, 3, 12)
    assert counts.adds_up
    told = rows_of(tmp_path / "out_汇总" / "拒收.csv")
    assert {int(row["行"]) for row in told} == set(REASONS)
    for row in told:
        assert REASONS[int(row["行"])] in row["原因"], row
    assert len(rows_of(out)) == 3


def test_a_repeated_id_in_another_file(tmp_path: Path) -> None:
    for name in ("a", "b"):
        pq.write_table(part(0, 30), tmp_path / f"{name}.parquet")
    source = CaseSource([tmp_path], batch_rows=7)
    assert sum(batch.columns.n for batch in source.batches()) == 30
    assert (source.read, source.cases, source.rejected) == (60, 30, 30)
    assert sum(batch.columns.n for batch in source.batches()) == 30  # the second time too
    assert (source.read, source.rejected) == (60, 30)


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Raw cases with hospital, charges and what patients paid."""
    text = (HERE / "data" / "acceptance" / "grouping_chs_drg_2_0.csv").read_text(encoding="utf-8")
    rows = list(csv.DictReader(text.splitlines()[:301]))
    kept = [name for name in rows[0] if not name.startswith("expected")]
    path = tmp_path_factory.mktemp("raw") / "raw.csv"
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow([*kept, "医院", "险种", "总费用", "个人负担"])
        for at, row in enumerate(rows):
            more = ["甲乙"[at % 2], ("310", "390")[at % 3 % 2], f"{3000 + 37 * at}.5", "900.25"]
            writer.writerow([*(row[name] for name in kept), *more])
    return path


def test_raw_cases_are_grouped_on_the_way(raw: Path, tmp_path: Path) -> None:
    from drg_engine.cases import read_cases

    scheme = load_scheme("chs_drg_2_0")
    used = policy(changes={"high.bound": 1.5})
    source = CaseSource([raw], scheme=scheme, policies=[used])
    counts, _, _ = settle_files(source, [used], tmp_path / "out.parquet")
    assert counts.adds_up
    cases = read_cases(raw)
    columns = PaymentColumns.from_cases(cases, group(cases, scheme))
    together = settle(columns, used)
    found = pq.read_table(tmp_path / "out.parquet")
    assert found["case_id"].to_pylist() == columns.case_id.to_pylist()
    assert found["drg"].to_pylist() == [scheme.drg_codes[at] for at in columns.drg]
    assert found["paid_fen"].to_pylist() == together.paid.tolist()
    assert found["fund_fen"].to_pylist() == split_fund(together).fund.tolist()
    # What was settled can be settled again as grouped cases.
    again = CaseSource([tmp_path / "out.parquet"], scheme=scheme, policies=[used])
    settle_files(again, [used], tmp_path / "again.parquet")
    assert pq.read_table(tmp_path / "again.parquet")["paid_fen"].equals(found["paid_fen"])


def test_an_unknown_drg_of_a_scheme_stays_out(tmp_path: Path) -> None:
    scheme = load_scheme("chs_drg_2_0")
    code = next(c for c in scheme.drg_codes if c.isalnum())
    pq.write_table(_table(drg=[code, "没有"]), tmp_path / "a.parquet")
    (batch,) = CaseSource([tmp_path], scheme=scheme).batches()
    assert batch.rejects.lines["reason"].to_pylist() == ["分组方案里没有这个病组"]


def invoke(*words: str) -> str:
    done = CliRunner().invoke(app, ["settle", *words], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def test_the_command_writes_partitions_and_tables(tmp_path: Path) -> None:
    region = write_region(tmp_path / "region", rows=200)
    scenario = tmp_path / "up.toml"
    scenario.write_text(SCENARIO, encoding="utf-8")
    out = tmp_path / "out"
    said = invoke(str(region), "--policy", RATE, "--out", str(out), "--scenario", str(scenario))
    assert "读入 600 = 结算 600 + 拒收 0" in said
    assert "基金支付（元）" in said
    assert "个人负担（元）" in said
    assert "费率上调" in said
    written = sorted(p.relative_to(out).as_posix() for p in out.rglob("*.parquet"))
    assert written == [f"cases/month=2024-0{n}/cases.parquet" for n in (1, 2, 3)]
    together = settle(whole(CaseSource([region])), policy())
    tables = [pq.read_table(out / name, partitioning=None) for name in written]
    cases = pa.concat_tables([table.unify_dictionaries() for table in tables])
    assert cases.column_names == [column.name for column in CASE_COLUMNS]
    known = together.paid != MISSING_FEN
    assert cases["paid_fen"].null_count == (~known).sum() > 0
    assert cases["paid_fen"].drop_null().to_pylist() == together.paid[known].tolist()
    assert cases.schema.field("paid_fen").metadata[b"title"].decode() == "支付金额"
    whole_paid = Decimal(int(together.paid[known].sum())).scaleb(-2)
    for name in ("合计", "医院", "科室", "医生", "病组", "险种", "病例类型"):
        rows = rows_of(out / f"{name}.csv")
        assert sum(Decimal(row["支付金额"]) for row in rows) == whole_paid, name
    compared = rows_of(out / "情景" / "对比.csv")
    assert [row["情景"] for row in compared] == ["基准", "费率上调"]
    assert Decimal(compared[0]["支付金额"]) == whole_paid
    change = Decimal(compared[1]["支付金额"]) - whole_paid
    assert Decimal(compared[1]["增减"]) == change != 0
    with pytest.raises(InputError, match="已有结算结果"):
        invoke(str(region), "--policy", RATE, "--out", str(out))
    invoke(str(region), "--policy", RATE, "--out", str(out), "--overwrite")
    assert [path.name for path in out.glob(".*")] == []


@pytest.mark.parametrize("suffix", [".csv", ".xlsx"])
def test_one_file_for_excel(suffix: str, tmp_path: Path) -> None:
    import python_calamine

    source = tmp_path / "cases.csv"
    table = part(0, 60).drop_columns(["principal_dx"])
    risky = table.set_column(3, "department", pa.array(["=1+1"] * 60))
    pacsv.write_csv(risky, source)
    out = tmp_path / f"settled{suffix}"
    invoke(str(source), "--policy", RATE, "--out", str(out), "--tables", str(tmp_path / "t"))
    if suffix == ".csv":
        rows = [list(row.values()) for row in rows_of(out)]
        headings = list(rows_of(out)[0])
    else:
        headings, *rows = (
            python_calamine.CalamineWorkbook.from_path(out).get_sheet_by_index(0).to_python()
        )
    assert headings == [column.title for column in CASE_COLUMNS]
    assert len(rows) == 60
    assert {str(row[headings.index("科室")]) for row in rows} == {
        "'=1+1" if suffix == ".csv" else "=1+1"
    }
    paid = [row[headings.index("支付金额")] for row in rows]
    together = settle(whole(CaseSource([source])), policy())
    sums = sum(Decimal(str(value)) for value in paid if value not in ("", None))
    assert sums == Decimal(int(together.paid[together.paid != MISSING_FEN].sum())).scaleb(-2)
    assert (tmp_path / "t" / "字段说明.csv").is_file()


def test_same_bytes_twice(tmp_path: Path) -> None:
    region = write_region(tmp_path / "region", rows=150)
    used = policy(changes=EVERY_RULE)
    for name in ("one", "two"):
        source = CaseSource([region], policies=[used], batch_rows=64)
        settle_files(source, [used], tmp_path / name)
    first = {p.relative_to(tmp_path / "one"): p for p in (tmp_path / "one").rglob("*.*")}
    assert len(first) > 10
    for place, path in first.items():
        if path.is_file():
            assert path.read_bytes() == (tmp_path / "two" / place).read_bytes(), place


def test_nothing_stands_after_an_error(tmp_path: Path) -> None:
    pq.write_table(part(0, 50), tmp_path / "a.parquet")
    broken = tmp_path / "b.parquet"
    broken.write_bytes((tmp_path / "a.parquet").read_bytes()[:-200])
    source = CaseSource([tmp_path], policies=[policy()])
    with pytest.raises(InputError):
        settle_files(source, [policy(changes={"high.cap_share": 1.0})], tmp_path / "out")
    assert [p for p in (tmp_path / "out").rglob("*") if p.is_file()] == []


def test_columns_and_groups_that_only_a_scenario_names(tmp_path: Path) -> None:
    """A new item of 900 beside 100 usual in BB13, on top of its standard; ZZ99 has no case."""
    cases = {
        "case_id": ["1"], "drg": ["BB13"], "weight": [1.0], "insurance": ["310"],
        "total_charges": [10_000.0], "ct_fee": [900.0],
    }  # fmt: skip
    pq.write_table(pa.table(cases), tmp_path / "a.parquet")
    rule = (
        '{code = "x", title = "新项目", column = "ct_fee", charges_over = 0.1, share_over = 0.01, '
        "means = {BB13 = 100.0, ZZ99 = 3.0}}"
    )
    text = SCENARIO.split("[factors]", maxsplit=1)[0]
    text += f"[changes]\nstandard.overall_mean = 8000.0\nextra = [{rule}]\n"
    scenario = tmp_path / "extra.toml"
    scenario.write_text(text, encoding="utf-8")
    out = tmp_path / "out"
    said = invoke(str(tmp_path / "a.parquet"), "--policy", RATE, "--out", str(out),
                  "--scenario", str(scenario))  # fmt: skip
    assert "医保盈亏（元）" in said
    assert "基金支付（元）" not in said  # no case states what persons pay
    assert "个人负担（元）" not in said
    (_, row) = rows_of(out / "情景" / "对比.csv")
    assert row["增减"] == "800.00"
    assert not row.get("提示")


def test_another_baseline_is_told(tmp_path: Path) -> None:
    pq.write_table(part(0, 20), tmp_path / "a.parquet")
    scenario = tmp_path / "up.toml"
    text = SCENARIO.replace('source = "测算"', 'source = "测算"\nbaseline = "elsewhere"')
    scenario.write_text(text, encoding="utf-8")
    words = [str(tmp_path / "a.parquet"), "--policy", RATE, "--out", str(tmp_path / "out")]
    with pytest.raises(PolicyError, match="基准不是所给的政策"):
        invoke(*words, "--scenario", str(scenario))
    with pytest.raises(InputError, match="--scheme"):
        raw = tmp_path / "raw.csv"
        raw.write_text("病案号,总费用\n1,100\n", encoding="utf-8")
        invoke(str(raw), "--policy", RATE, "--out", str(tmp_path / "raw"))


@pytest.mark.parametrize("body", ["", ",AA11,100\n1,AA11,x\n"])
def test_nothing_to_settle(body: str, tmp_path: Path) -> None:
    path = tmp_path / "none.csv"
    path.write_text("病案号,病组,总费用\n" + body, encoding="utf-8")
    rows = body.count("\n")
    said = invoke(str(path), "--policy", RATE, "--out", str(tmp_path / "out"))
    assert f"读入 {rows} = 结算 0 + 拒收 {rows}" in said
    assert len(rows_of(tmp_path / "out" / "拒收.csv")) == rows
