"""Real months in the ledger: what a run records, corrections of locked months, the commands."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterable
from pathlib import Path

import openpyxl
import pandas as pd
import pyarrow.csv as pacsv
import pytest
from ledger_cases import LI, PERIOD, SETTINGS, WANG, ZHANG, book, clock, make_small

from drg_engine.cli import app
from drg_engine.compare import PERSON_CAUSES, UNIT_CAUSES, compare_runs
from drg_engine.compare_command import tables_of_run
from drg_engine.errors import DrgEngineError, InputError, LedgerError, WorkspaceError
from drg_engine.ledger_verify import verify_ledger
from drg_engine.month_run import record_month, run_month
from reports.compare import COMPARE_LAYOUT
from reports.layout import Layout
from reports.style import Style

NEXT = "2026-11"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small hospital with two months of inputs, the first of them run."""
    folder = make_small(tmp_path_factory.mktemp("made") / "医院", PERIOD, NEXT)
    record_month(folder, PERIOD, signature=WANG)
    return folder


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "医院"))


def command(*words: str) -> None:
    app([str(word) for word in words], prog_name="drg-engine", standalone_mode=False)


def approve_and_lock(folder: Path, period: str = PERIOD) -> None:
    with book(folder) as ledger:
        reasons = {str(f["rule"]): "已议定" for f in ledger.run(period).findings}
        ledger.move(period, "check", LI, clock=clock)
        ledger.move(period, "approve", ZHANG, reasons=reasons, clock=clock)
        ledger.move(period, "lock", ZHANG, clock=clock)


def hashes(folder: Path) -> dict[str, str]:
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(folder.iterdir())}


def pay_of(folder: Path, period: str) -> dict[str, int]:
    table = pacsv.read_csv(folder / "out" / period / f"人员发放-{period}.csv").to_pandas()
    return {str(k): round(v * 100) for k, v in zip(table["工号"], table["合计"], strict=True)}


# ---- what a run records


def test_a_run_records_what_it_was_made_from(folder: Path) -> None:
    with book(folder) as ledger:
        run = ledger.run(PERIOD)
        assert verify_ledger(ledger, every_run=True).faults == ()
    made = run.content["identity"]
    inputs = {one["name"]: one["sha256"] for one in made["inputs"]}
    for name in (f"inputs/{PERIOD}/cases.csv", f"inputs/{PERIOD}/charges.csv", "tables/staff.csv"):
        assert inputs[name] == hashlib.sha256((folder / name).read_bytes()).hexdigest()
    assert len(made["plan"]["sha256"]) == len(made["program"]["code"]) == 64
    assert made["policies"][0]["name"] == "harbin_2024"
    assert len(made["scheme"]["sha256"]) == 64
    text = json.dumps(made, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    assert run.run_id == f"{PERIOD}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"
    assert str(folder) not in json.dumps(run.content), "no place, no clock, no person"
    assert WANG.actor not in json.dumps(run.content, ensure_ascii=False)
    files = {one["name"]: one["sha256"] for one in run.files}
    assert files == hashes(folder / "out" / PERIOD)
    assert files == hashes(folder / "runs" / PERIOD / run.run_id)
    assert sum(pay_of(folder, PERIOD).values()) == run.content["totals"]["staff_pay"]


def test_two_runs_of_a_month_are_equal_to_the_byte(folder: Path, tmp_path: Path) -> None:
    other = make_small(tmp_path / "另一处", PERIOD)
    ran = record_month(other, PERIOD, signature=ZHANG)
    assert hashes(other / "out" / PERIOD) == hashes(folder / "out" / PERIOD)
    again = record_month(folder, PERIOD, signature=LI)
    assert again.recorded.repeated
    assert again.recorded.run_id == ran.recorded.run_id
    with book(folder) as one, book(other) as two:
        assert one.run(PERIOD).sha256 == two.run(PERIOD).sha256
        assert len(one.runs()) == 1


def test_a_changed_input_is_another_run(folder: Path) -> None:
    attendance = folder / "inputs" / PERIOD / "attendance.csv"
    text = attendance.read_text(encoding="utf-8-sig")
    attendance.write_text(text.replace("100002,22,20", "100002,22,10"), encoding="utf-8-sig")
    ran = record_month(folder, PERIOD, signature=WANG)
    assert (ran.recorded.number, ran.recorded.repeated) == (2, False)
    with book(folder) as ledger:
        old, new = (tables_of_run(ledger, ledger.run(f"{PERIOD}#{n}")) for n in (1, 2))
    compared = compare_runs(old, new)
    assert not compared.units["difference_fen"].any()
    person = compared.people.set_index("staff_id").loc["100002"]
    assert person["attendance_fen"] < 0
    assert (
        person["difference_fen"]
        == person["attendance_fen"] + person["others_fen"] + person["rest_fen"]
    )
    assert abs(person["rest_fen"]) <= 2
    assert int(compared.people["difference_fen"].sum()) == 0, "the unit's money went to the others"


@pytest.mark.parametrize("name", ["attendance.csv", "../../tables/staff.csv"])
def test_inputs_changed_while_they_are_run_are_not_recorded(folder: Path, name: str) -> None:
    """Computed from the old file, hashed from the new: the ledger would tell what is not so."""
    path = folder / "inputs" / PERIOD / name

    def begin(stage: str) -> None:
        if stage == "分组":
            path.write_bytes(path.read_bytes() + b"\r\n")

    with pytest.raises(InputError, match="运行期间被改动") as error:
        run_month(folder, PERIOD, begin=begin)
    assert path.name in str(error.value)
    with book(folder) as ledger:
        assert len(ledger.runs()) == 1
    run_month(folder, PERIOD)


def test_a_month_that_is_not_there_leaves_no_trace(tmp_path: Path) -> None:
    folder = make_small(tmp_path / "医院")
    with pytest.raises(WorkspaceError):
        run_month(folder, "2027-01")
    assert not (folder / "ledger.sqlite").exists()


def test_a_failed_run_leaves_nothing_but_the_old(folder: Path) -> None:
    before = hashes(folder / "out" / PERIOD)
    (folder / "inputs" / PERIOD / "charges.csv").write_text("", encoding="utf-8")
    with pytest.raises(DrgEngineError):
        run_month(folder, PERIOD)
    assert hashes(folder / "out" / PERIOD) == before
    with book(folder) as ledger:
        assert ledger.period(PERIOD).lease is None
        assert ledger.receipt().count == 1
        assert len(list((folder / "runs" / PERIOD).iterdir())) == 1


# ---- corrections


def write_adjustments(folder: Path, period: str, *rows: str) -> None:
    text = "\n".join(["原月份,科室编码,工号,金额,事由,系列", *rows])
    (folder / "inputs" / period / "adjustments.csv").write_text(text, encoding="utf-8-sig")


def test_a_locked_month_is_corrected_in_an_open_one(folder: Path) -> None:
    approve_and_lock(folder)
    before = pay_of(folder, PERIOD)
    with pytest.raises(LedgerError, match="adjustments"):
        run_month(folder, PERIOD)
    plain = record_month(folder, NEXT, signature=WANG).month
    write_adjustments(
        folder, NEXT,
        f"{PERIOD},,100001,120.50,漏计手术,",
        f"{PERIOD},D201,,300.00,夜班漏报,医生",
        f"{PERIOD},,100001,-20.00,同上更正,",
    )  # fmt: skip
    ran = record_month(folder, NEXT, signature=WANG)
    corrected = ran.month.adjustments
    assert corrected is not None
    with book(folder) as ledger:
        locked = ledger.run(PERIOD)
        assert set(corrected["run_id"]) == {locked.run_id}
        held = ledger.run(NEXT)
        assert [row["amount_fen"] for row in held.content["adjustments"]] == [
            12_050,
            30_000,
            -2_000,
        ]
        assert held.content["identity"]["corrects"] == [locked.run_id]
    mine = corrected[corrected["staff_id"] == "100001"]
    start = before["100001"]
    assert mine["before_fen"].tolist() == [start, start + 12_050]
    assert mine["after_fen"].tolist() == [start + 12_050, start + 10_050]
    # paid as single items: the person's own, and the department's on top of what it had
    singles = [m.allocation.staff_pay.set_index("staff_id")["single_fen"]["100001"]
               for m in (ran.month, plain) if m.allocation is not None]  # fmt: skip
    assert singles[0] - singles[1] == 10_050
    pools = [m.allocation.department_pools.set_index(["department", "series"])["single_fen"]
             for m in (ran.month, plain) if m.allocation is not None]  # fmt: skip
    assert pools[0]["D201", "doctor"] - pools[1]["D201", "doctor"] == 30_000
    written = pacsv.read_csv(folder / "out" / NEXT / f"更正-{NEXT}.csv").to_pandas()
    assert [round(x * 100) for x in written["更正"]] == [12_050, 30_000, -2_000]
    assert written["原运行"].tolist() == [locked.run_id] * 3
    # told apart from other single items by the comparison
    with book(folder) as ledger:
        old, new = (tables_of_run(ledger, ledger.run(f"{NEXT}#{n}")) for n in (1, 2))
    people = compare_runs(old, new).people.set_index("staff_id")
    assert people.loc["100001", "correction_fen"] == 10_050
    assert people.loc["100001", "single_fen"] == 0
    # the month that was corrected stays as it is, and is not opened under the correction
    assert pay_of(folder, PERIOD) == before
    with book(folder) as ledger, pytest.raises(LedgerError, match="算重"):
        ledger.move(PERIOD, "unlock", ZHANG, reason="试", clock=clock)


def test_later_corrections_know_the_earlier(folder: Path) -> None:
    approve_and_lock(folder)
    write_adjustments(folder, NEXT, f"{PERIOD},,100001,50.00,一,")
    record_month(folder, NEXT, signature=WANG)
    approve_and_lock(folder, NEXT)
    last = folder / "inputs" / "2026-12"
    shutil.copytree(folder / "inputs" / NEXT, last)
    for path in last.iterdir():
        text = path.read_text(encoding="utf-8-sig").replace(NEXT, "2026-12")
        path.write_text(text, encoding="utf-8-sig")
    write_adjustments(folder, "2026-12", f"{PERIOD},,100001,7.00,二,")
    corrected = record_month(folder, "2026-12", signature=WANG).month.adjustments
    assert corrected is not None
    whole = pay_of(folder, PERIOD)["100001"] + 5_000
    assert corrected["before_fen"].tolist() == [whole]
    assert corrected["after_fen"].tolist() == [whole + 700]


def test_two_open_months_correct_the_same_person_and_can_both_be_run_again(folder: Path) -> None:
    """What the other month corrects meanwhile makes another run, not "another result"."""
    approve_and_lock(folder)
    write_adjustments(folder, NEXT, f"{PERIOD},,100001,50.00,一,")
    first = record_month(folder, NEXT, signature=WANG)
    last = folder / "inputs" / "2026-12"
    shutil.copytree(folder / "inputs" / NEXT, last)
    for path in last.iterdir():
        text = path.read_text(encoding="utf-8-sig").replace(NEXT, "2026-12")
        path.write_text(text, encoding="utf-8-sig")
    write_adjustments(folder, "2026-12", f"{PERIOD},,100001,7.00,二,")
    record_month(folder, "2026-12", signature=WANG)
    again = record_month(folder, NEXT, signature=WANG)
    assert again.recorded.run_id != first.recorded.run_id
    assert again.month.adjustments is not None
    start = pay_of(folder, PERIOD)["100001"]
    assert again.month.adjustments["before_fen"].tolist() == [start + 700]
    assert record_month(folder, NEXT, signature=WANG).recorded.repeated


def test_two_tables_of_corrections_are_refused(folder: Path) -> None:
    approve_and_lock(folder)
    write_adjustments(folder, NEXT, f"{PERIOD},,100001,1.00,一,")
    (folder / "inputs" / NEXT / "adjustments.xlsx").write_bytes(b"")
    with pytest.raises(InputError, match="只留一个"):
        run_month(folder, NEXT)


@pytest.mark.parametrize("row", [f"{PERIOD},,999999,1.00,已离院,", f"{PERIOD},D999,,1.00,撤科,"])
def test_a_correction_for_nobody_is_refused(folder: Path, row: str) -> None:
    """It would stand in the table of corrections as paid."""
    approve_and_lock(folder)
    write_adjustments(folder, NEXT, f"{PERIOD},,100001,1.00,一,", row)
    with pytest.raises(InputError, match="发不出去") as error:
        run_month(folder, NEXT)
    assert "第 3 行" in str(error.value)


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (f"{NEXT},,100001,1.00,本月,", "没有锁定"),
        ("2025-01,,100001,1.00,没有这个月,", "没有锁定"),
        (f"{PERIOD},,,1.00,没有对象,", "不能都为空"),
        (f"{PERIOD},,100001,一元,不是数,", "不是金额"),
        (f"{PERIOD},,100001,1.00,,", "不能为空"),
        (f"{PERIOD},D101,,1.00,系列不对,护土", "不认识的系列"),
    ],
)
def test_faulty_corrections_are_told(folder: Path, row: str, words: str) -> None:
    approve_and_lock(folder)
    write_adjustments(folder, NEXT, row)
    with pytest.raises(InputError, match=words) as error:
        run_month(folder, NEXT)
    assert "第 2 行" in str(error.value)


def test_corrections_need_a_plan_that_pays_them(folder: Path) -> None:
    approve_and_lock(folder)
    write_adjustments(folder, NEXT, f"{PERIOD},,100001,1.00,甲,")
    (folder / "hospital.toml").write_text(SETTINGS, encoding="utf-8")
    with pytest.raises(WorkspaceError, match="无处支付"):
        run_month(folder, NEXT)


def test_an_empty_table_of_corrections_is_none(folder: Path) -> None:
    write_adjustments(folder, PERIOD)
    ran = record_month(folder, PERIOD, signature=WANG)
    assert not (folder / "out" / PERIOD / f"更正-{PERIOD}.csv").exists()
    assert ran.recorded.number == 2


def test_a_heads_fund_that_is_not_carried_on_is_told(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What a fund held at the end of a month is not lost by a table that nobody put there."""
    plan = folder / "plan.toml"
    text = plan.read_text(encoding="utf-8")
    text = "\n".join(line for line in text.split("\n") if not line.startswith("head_fund_share"))
    plan.write_text(text.replace("[staff]", "[staff]\nhead_fund_share = 0.1"), encoding="utf-8")
    first = record_month(folder, PERIOD, signature=WANG)
    assert first.notes == ()
    (note,) = record_month(folder, NEXT, signature=WANG).notes
    assert f"{PERIOD} 结余" in note
    assert "本月期初 0.00" in note
    command("run", str(folder), NEXT)
    assert "科主任基金没有接上" in capsys.readouterr().out.replace("\n", "")
    assert first.month.allocation is not None
    funds = first.month.allocation.head_funds
    rows = ["科室编码,系列,上期余额", *(
        f"{row.department},{row.series},{row.closing_fen / 100:.2f}"
        for row in funds.itertuples()
    )]  # fmt: skip
    table = folder / "inputs" / NEXT / "head_funds.csv"
    table.write_text("\n".join(rows), encoding="utf-8-sig")
    assert record_month(folder, NEXT, signature=WANG).notes == ()


# ---- the commands


def test_the_commands_from_check_to_paid(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with book(folder) as ledger:
        rules = sorted({str(f["rule"]) for f in ledger.run(PERIOD).findings})
        run_id = ledger.run(PERIOD).run_id
    reasons = [word for rule in rules for word in ("--reason", f"{rule}=会议定")]
    where = (str(folder), PERIOD)
    command("ledger", "check", *where, "--as", "李复核", "--run", f"{PERIOD}#1")
    command("ledger", "approve", *where, "--as", "张主任", *reasons)
    command("ledger", "lock", *where)
    with pytest.raises(LedgerError, match="已锁定"):
        command("run", *where)
    pay = pacsv.read_csv(folder / "out" / PERIOD / f"人员发放-{PERIOD}.csv").to_pandas()
    paid = tmp_path / "实发.csv"
    text = "\n".join(f"{row.工号},{row.合计:.2f}" for row in pay.iloc[1:].itertuples())
    paid.write_text(f"工号,实发\n{text}\n", encoding="utf-8-sig")
    command("ledger", "pay", *where, "--paid", str(paid))
    capsys.readouterr()
    command("ledger", "status", str(folder))
    said = capsys.readouterr().out
    assert "已发放" in said
    assert run_id in said
    command("ledger", "history", str(folder))
    said = capsys.readouterr().out
    missing = f"{pay['合计'].iloc[0]:,.2f}"
    assert f"与应发差 {missing}" in said.replace("\n", "")
    command("ledger", "runs", str(folder))
    assert f"{PERIOD}#1" in capsys.readouterr().out
    command("ledger", "verify", str(folder), "--all")
    said = capsys.readouterr().out
    assert "账本完好" in said
    receipt = said.split("账本回执：")[1].split("（")[0]
    command("ledger", "verify", str(folder), "--receipt", receipt)
    with pytest.raises(LedgerError, match="回执"):
        command("ledger", "verify", str(folder), "--receipt", "3:" + "0" * 16)
    with pytest.raises(InputError, match="写作"):
        command("ledger", "verify", str(folder), "--receipt", "3")
    with pytest.raises(InputError, match="这条规则写了两次"):
        command("ledger", "approve", *where, "--reason", "6=甲", "--reason", "6=乙")
    with pytest.raises(InputError, match="写作 6=理由"):
        command("ledger", "approve", *where, "--reason", "因为")
    for name in ("审计.jsonl", "审计.xlsx", "审计.csv"):
        command("ledger", "export", str(folder), "--out", str(tmp_path / name))
    lines = (tmp_path / "审计.jsonl").read_text(encoding="utf-8").splitlines()
    previous = "0" * 64
    for line in lines:  # provable without the ledger
        entry = json.loads(line)
        assert entry["previous"] == previous
        previous = hashlib.sha256(f"{previous}\n{entry['content']}".encode()).hexdigest()
        assert entry["hash"] == previous
    sheet = openpyxl.load_workbook(tmp_path / "审计.xlsx").worksheets[0]
    assert sheet.max_row == len(lines) + 1 == 6


def test_the_command_compare(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = folder / "plan.toml"
    text = plan.read_text(encoding="utf-8")
    assert "pool = 30000.00" in text
    plan.write_text(text.replace("pool = 30000.00", "pool = 36000.00"), encoding="utf-8")
    record_month(folder, PERIOD, signature=WANG)
    command("compare", str(folder), f"{PERIOD}#1", PERIOD, "--out", str(tmp_path / "比较.xlsx"))
    said = capsys.readouterr().out
    assert "点值" in said
    assert "6,000.00" in said
    names = openpyxl.load_workbook(tmp_path / "比较.xlsx").sheetnames
    assert names == ["说明", "系列", "科室", "人员"]
    command("compare", str(folder), f"{PERIOD}#1", PERIOD, "--out", str(tmp_path / "比较.csv"))
    for name, causes in (("科室", UNIT_CAUSES), ("人员", PERSON_CAUSES)):
        table = pd.read_csv(tmp_path / f"比较-{name}.csv", dtype={"工号": str})
        fen = (table[["差额", *headings(causes)]] * 100).round().astype("int64")
        assert (fen.drop(columns="差额").sum(axis=1) == fen["差额"]).all()
        assert fen["差额"].any()
    paid = tmp_path / "实发.csv"
    paid.write_text("工号,实发\n100001,1.00\n", encoding="utf-8-sig")
    command("compare", str(folder), PERIOD, "--paid", str(paid), "--out", str(tmp_path / "付.xlsx"))
    said = capsys.readouterr().out
    assert "不在实发名单" in said
    sheets = openpyxl.load_workbook(tmp_path / "付.xlsx").sheetnames
    assert sheets == ["说明", "应发与实发", "应发与实发（科室）"]
    for words in (("2026-10#9",), ("x",), (NEXT,)):
        with pytest.raises(LedgerError, match="没有这次运行"):
            command("compare", str(folder), PERIOD, *words)
    with pytest.raises(InputError, match="--paid"):
        command("compare", str(folder), PERIOD)


def headings(causes: Iterable[str]) -> list[str]:
    """The headings under which causes are written."""
    known = Layout.load(COMPARE_LAYOUT, Style.load()).columns
    return [known[f"{name}_fen"].heading for name in causes]
