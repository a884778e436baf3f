"""The ledger of months: states and moves, what is refused in which words, the chained record."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import shutil
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ledger_cases import (
    LI,
    PERIOD,
    WANG,
    ZHANG,
    book,
    clock,
    closed,
    finding,
    make_bare,
    record,
    shown,
)

from drg_engine import ledger_recording
from drg_engine._ledger_chain import Receipt, append
from drg_engine._ledger_tables import PERIOD as PERIOD_TABLE
from drg_engine.errors import LedgerError
from drg_engine.ledger import Ledger, open_ledger
from drg_engine.ledger_recording import mend, recording, release
from drg_engine.ledger_states import MOVES, STATE_WORDS, sign
from drg_engine.ledger_verify import verify_ledger
from drg_engine.workspace import open_workspace


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_bare(tmp_path / "医院")


def state(ledger: Ledger, period: str = PERIOD) -> str:
    return ledger.period(period).state


# ---- states and moves


def test_a_month_goes_its_way_and_everything_is_told(folder: Path) -> None:
    with book(folder) as ledger:
        made = record(ledger)
        assert (made.number, made.repeated, made.state) == (1, False, ("draft", "draft"))
        steps = [("check", LI), ("approve", ZHANG), ("lock", ZHANG), ("pay", WANG)]
        for name, who in steps:
            ledger.move(PERIOD, name, who, clock=clock)
            assert state(ledger) == MOVES[name].target
        told = [entry.fields for entry in ledger.history(PERIOD)]
        assert [t["action"] for t in told] == ["run", "check", "approve", "lock", "pay"]
        assert [t["actor"] for t in told] == ["王会计", "李复核", "张主任", "张主任", "王会计"]
        assert told[1]["time"] == LI.time
        assert told[2]["state"] == ["checked", "approved"]
        assert {t["run"] for t in told} == {made.run_id}
        assert verify_ledger(ledger).faults == ()


# Written down here once more, apart from the table of moves in the code.
ALLOWED = {
    ("draft", "check"), ("checked", "approve"), ("checked", "return"), ("approved", "return"),
    ("approved", "lock"), ("locked", "pay"), ("locked", "unlock"),
}  # fmt: skip
WAY = {"draft": (), "checked": ("check",), "approved": ("check", "approve"),
       "locked": ("check", "approve", "lock"),
       "paid": ("check", "approve", "lock", "pay")}  # fmt: skip


@pytest.mark.parametrize("start", WAY)
def test_only_the_allowed_moves_are_made(folder: Path, start: str) -> None:
    with book(folder) as ledger:
        record(ledger)
        for name in WAY[start]:
            ledger.move(PERIOD, name, ZHANG, clock=clock)
        before = ledger.receipt()
        for name in MOVES:
            if (start, name) in ALLOWED:
                continue
            with pytest.raises(LedgerError, match=PERIOD):
                ledger.move(PERIOD, name, LI, reason="试", clock=clock)
            assert state(ledger) == start
        assert ledger.receipt() == before, "what is refused leaves no entry"


def test_the_second_of_two_is_told_who_was_first(folder: Path) -> None:
    with book(folder) as ledger:
        record(ledger)
        ledger.move(PERIOD, "check", LI, clock=clock)
        ledger.move(PERIOD, "approve", ZHANG, clock=clock)
        with pytest.raises(
            LedgerError, match=f"已由别人批准（张主任 于 {ZHANG.time[:13]}"
        ) as error:
            ledger.move(PERIOD, "approve", LI, clock=clock)
        assert "没有执行" in str(error.value)


def test_a_month_without_a_run_cannot_move(folder: Path) -> None:
    with book(folder) as ledger, pytest.raises(LedgerError, match="drg-engine run"):
        ledger.move(PERIOD, "check", LI, clock=clock)


@pytest.mark.parametrize("name", ["return", "unlock"])
def test_going_back_needs_a_reason(folder: Path, name: str) -> None:
    with book(folder) as ledger:
        record(ledger)
        ledger.move(PERIOD, "check", LI, clock=clock)
        if name == "unlock":
            for step in ("approve", "lock"):
                ledger.move(PERIOD, step, ZHANG, clock=clock)
        with pytest.raises(LedgerError, match="原因"):
            ledger.move(PERIOD, name, ZHANG, reason="  ", clock=clock)
        ledger.move(PERIOD, name, ZHANG, reason="漏了一笔", clock=clock)
        assert state(ledger) == "draft"
        assert ledger.history(PERIOD)[-1].fields["reason"] == "漏了一笔"


@pytest.mark.parametrize(
    ("way", "words"),
    [
        (("check", "approve"), "ledger return"),
        (("check", "approve", "lock"), "ledger unlock"),
        (("check", "approve", "lock", "pay"), "adjustments"),
    ],
)
def test_a_closed_month_is_not_run_again(folder: Path, way: tuple[str, ...], words: str) -> None:
    with book(folder) as ledger:
        record(ledger)
        for name in way:
            ledger.move(PERIOD, name, ZHANG, clock=clock)
        with pytest.raises(LedgerError, match=words):
            record(ledger, text="乙")
        assert shown(folder) == "甲"
        assert len(ledger.runs()) == 1


def test_unlocked_with_a_reason_it_is_run_again_and_both_are_kept(folder: Path) -> None:
    with book(folder) as ledger:
        record(ledger)
        closed(ledger)
        ledger.move(PERIOD, "unlock", ZHANG, reason="考勤有误", clock=clock)
        made = record(ledger, text="乙")
        assert made.number == 2
        assert [run.number for run in ledger.runs(PERIOD)] == [1, 2]
        actions = [entry.fields["action"] for entry in ledger.history(PERIOD)]
        assert actions[-2:] == ["unlock", "run"]
        assert shown(folder) == "乙"
        assert verify_ledger(ledger, every_run=True).files == 4


def test_another_result_makes_a_checked_month_a_draft(folder: Path) -> None:
    with book(folder) as ledger:
        record(ledger)
        ledger.move(PERIOD, "check", LI, clock=clock)
        again = record(ledger)
        assert again.repeated
        assert again.state == ("checked", "checked"), "the same result changes nothing"
        other = record(ledger, text="乙")
        assert other.state == ("checked", "draft")
        back = record(ledger)
        assert (back.number, back.repeated, back.state[1]) == (1, True, "draft")
        assert ledger.period(PERIOD).run_id == back.run_id
        assert shown(folder) == "甲"


def test_the_same_inputs_with_another_result_are_refused(folder: Path) -> None:
    with book(folder) as ledger:
        record(ledger, name="2026-10-aaaaaaaaaaaa")
        with pytest.raises(LedgerError, match="不同的结果") as error:
            record(ledger, text="乙", name="2026-10-aaaaaaaaaaaa")
        assert "结果.csv" in str(error.value)
        assert shown(folder) == "甲"
        assert ledger.period(PERIOD).lease is None


def test_approving_what_one_has_seen(folder: Path) -> None:
    """Somebody runs the month again while it is being read: what was read is not approved."""
    with book(folder) as ledger:
        first = record(ledger).run_id
        record(ledger, text="乙")
        with pytest.raises(LedgerError, match="运行已换"):
            ledger.move(PERIOD, "check", LI, run=first, clock=clock)
        ledger.move(PERIOD, "check", LI, run=ledger.run("2026-10#2").run_id, clock=clock)


def test_checked_and_approved_by_two_where_the_hospital_wants_it(tmp_path: Path) -> None:
    folder = make_bare(tmp_path / "二人", "[ledger]\nseparate_duties = true\n")
    with book(folder) as ledger:
        record(ledger)
        ledger.move(PERIOD, "check", LI, clock=clock)
        with pytest.raises(LedgerError, match="同一人"):
            ledger.move(PERIOD, "approve", LI, clock=clock)
        ledger.move(PERIOD, "approve", ZHANG, clock=clock)


# ---- compliance


def test_errors_block_and_warnings_need_a_reason(folder: Path) -> None:
    findings = [finding(7, "error"), finding(6, "warning"), finding(6, "warning", "DRG 部分")]
    with book(folder) as ledger:
        record(ledger, findings=findings)
        ledger.move(PERIOD, "check", LI, clock=clock)
        with pytest.raises(LedgerError, match="2 处未决") as error:
            ledger.move(PERIOD, "approve", ZHANG, clock=clock)
        assert "--reason 6=理由" in str(error.value)
        with pytest.raises(LedgerError, match="1 处未决"):
            ledger.move(PERIOD, "approve", ZHANG, reasons={"6": "院长会议定"}, clock=clock)
        assert state(ledger) == "checked"


def test_the_reasons_are_kept_with_the_approval(folder: Path) -> None:
    findings = [finding(6, "warning"), finding(4, "warning")]
    with book(folder) as ledger:
        record(ledger, findings=findings)
        ledger.move(PERIOD, "check", LI, clock=clock)
        reasons = {"6": "院长会议定", "4": "已逐项复核", "5": "无此提示"}
        with pytest.raises(LedgerError, match="没有这条提示"):
            ledger.move(PERIOD, "approve", ZHANG, reasons=reasons, clock=clock)
        del reasons["5"]
        ledger.move(PERIOD, "approve", ZHANG, reasons=reasons, clock=clock)
        told = ledger.history()[-1].fields["findings"]
        assert told["reasons"] == reasons
        assert told["count"] == 2
        assert ledger.run(PERIOD).findings == findings


def test_a_reason_of_the_plan_need_not_be_given_again(folder: Path) -> None:
    """compliance.reasons of the plan: for its subject only, and kept with the approval."""
    told = {"status": "explained", "reason": "方案第 6 条"}
    findings = [finding(6, "warning", "甲") | told, finding(6, "warning", "乙") | told]
    with book(folder) as ledger:
        record(ledger, findings=findings)
        ledger.move(PERIOD, "check", LI, clock=clock)
        ledger.move(PERIOD, "approve", ZHANG, clock=clock)
        assert ledger.history()[-1].fields["findings"]["reasons"] == {"6": "方案第 6 条"}
        ledger.move(PERIOD, "return", ZHANG, reason="改", clock=clock)
        record(ledger, text="乙", findings=[findings[0], finding(6, "warning", "乙")])
        ledger.move(PERIOD, "check", LI, clock=clock)
        with pytest.raises(LedgerError, match="规则 6 乙"):
            ledger.move(PERIOD, "approve", ZHANG, clock=clock)
        ledger.move(PERIOD, "approve", ZHANG, reasons={"6": "已议"}, clock=clock)
        assert ledger.history()[-1].fields["findings"]["reasons"] == {"6": "已议"}


# ---- leases


def test_a_month_being_run_is_left_alone(folder: Path) -> None:
    with book(folder) as ledger:
        record(ledger)
        with recording(ledger, PERIOD, WANG, clock), book(folder) as other:
            for attempt in (
                lambda: record(other, signature=LI),
                lambda: other.move(PERIOD, "check", LI, clock=clock),
            ):
                with pytest.raises(LedgerError, match="王会计") as error:
                    attempt()
                assert "正在运行" in str(error.value)
        ledger.move(PERIOD, "check", LI, clock=clock)


def test_a_month_taken_away_is_not_recorded(folder: Path) -> None:
    with book(folder) as ledger:
        record(ledger)
        with recording(ledger, PERIOD, WANG, clock) as held:
            with pytest.raises(LedgerError, match="原因"):
                release(ledger, PERIOD, LI, "")
            release(ledger, PERIOD, LI, "那台电脑坏了")
            out = held.folder("2026-10-bbbbbbbbbbbb")
            with pytest.raises(LedgerError, match="没有入账"):
                held.record("2026-10-bbbbbbbbbbbb", out, {})
            with pytest.raises(LedgerError, match="没有入账"):
                held.renew()
        assert len(ledger.runs()) == 1
        assert ledger.history()[-1].fields["action"] == "release"
        assert verify_ledger(ledger).faults == ()


def test_a_lease_ends_with_its_time(folder: Path) -> None:
    def later() -> dt.datetime:
        return clock() + dt.timedelta(hours=1)

    with book(folder) as ledger:
        record(ledger)
        with recording(ledger, PERIOD, WANG, clock), book(folder) as other:
            other.move(PERIOD, "check", LI, clock=later)


def late() -> dt.datetime:
    """After any lease."""
    return clock() + dt.timedelta(hours=1)


def test_a_run_that_comes_late_does_not_reopen_a_closed_month(folder: Path) -> None:
    """A computer that slept through its lease wakes up when the month is locked."""
    with book(folder) as ledger:
        first = record(ledger, text="旧").run_id
        with recording(ledger, PERIOD, WANG, clock) as held, book(folder) as other:
            out = held.folder("2026-10-aaaaaaaaaaaa")
            (out / "运行记录.json").write_text("{}", encoding="utf-8")
            for name in ("check", "approve", "lock"):
                other.move(PERIOD, name, ZHANG, clock=late)
            for attempt in (held.renew, lambda: held.record("2026-10-aaaaaaaaaaaa", out, {})):
                with pytest.raises(LedgerError, match="已锁定，不能再跑"):
                    attempt()
        assert (state(ledger), ledger.period(PERIOD).run_id) == ("locked", first)
        assert shown(folder) == "旧"
        assert verify_ledger(ledger, every_run=True).faults == ()


def test_nobody_mends_a_run_that_is_being_finished(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the commit and the last file another command leaves the month alone."""
    said: list[list[str]] = []
    settle = ledger_recording.settle

    def slow(*given: Any) -> None:
        with book(folder) as other:
            said.append(mend(other, LI, clock))
            proof = verify_ledger(other, every_run=True)
            assert proof.faults == ()
            assert "正在写入" in " ".join(proof.notes)
            with pytest.raises(LedgerError, match="正被使用"):
                other.move(PERIOD, "check", LI, clock=clock)
        settle(*given)

    monkeypatch.setattr(ledger_recording, "settle", slow)
    with book(folder) as ledger:
        record(ledger, text="新")
        assert (said, shown(folder)) == ([[]], "新")
        ledger.move(PERIOD, "check", LI, clock=clock)


def test_mending_leaves_a_month_that_somebody_just_began(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with book(folder) as ledger, book(folder) as other:
        record(ledger)
        months = other.periods()  # read before the run begins
        with recording(ledger, PERIOD, WANG, clock) as held:
            held.folder("2026-10-aaaaaaaaaaaa")
            monkeypatch.setattr(other, "periods", lambda: months)
            assert mend(other, LI, clock) == []


def test_what_fails_after_the_commit_keeps_the_run(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A receipt that cannot be written: the run is in the ledger, so its files must stay."""

    def full(*_: object) -> None:
        raise OSError("disk full")

    with book(folder) as ledger:
        record(ledger, text="旧")
        with monkeypatch.context() as patched, pytest.raises(OSError, match="disk full"):
            patched.setattr("drg_engine.ledger.keep_receipt", full)
            record(ledger, text="新")
        assert len(ledger.runs()) == 2
        assert shown(folder) == "新"
        assert verify_ledger(ledger, every_run=True).faults == ()


def test_a_correction_of_a_month_unlocked_meanwhile_is_not_recorded(folder: Path) -> None:
    with book(folder) as ledger, book(folder) as other:
        locked = record(ledger).run_id
        closed(ledger)
        corrections = [{"for_period": PERIOD, "run_id": locked, "amount_fen": 1}]
        with recording(ledger, "2026-11", WANG, clock) as held:
            out = held.folder("2026-11-aaaaaaaaaaaa")
            other.move(PERIOD, "unlock", LI, reason="重算", clock=clock)
            with pytest.raises(LedgerError, match="没有入账") as error:
                held.record("2026-11-aaaaaaaaaaaa", out, {"adjustments": corrections})
            assert f"等 {PERIOD} 重新锁定后再跑 2026-11" in str(error.value)
        assert [run.run_id for run in ledger.runs()] == [locked]


def test_proving_while_somebody_records(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One moment of the ledger is proved; what comes after it is no fault."""
    with book(folder) as ledger, book(folder) as other:
        record(ledger, text="旧")

        def between(chain: object, last: object, wanted: object) -> list[str]:
            record(other, text="又")
            return []

        monkeypatch.setattr("drg_engine.ledger_verify.chain_faults", between)
        assert verify_ledger(ledger, every_run=True).faults == ()


# ---- the chain


def damaged(folder: Path, *statements: str) -> None:
    """Change the database as somebody with a tool could, past its own triggers."""
    with sqlite3.connect(folder / "ledger.sqlite") as connection:
        triggers = connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")
        for (name,) in triggers.fetchall():
            connection.execute(f"DROP TRIGGER {name}")
        for statement in statements:
            assert connection.execute(statement).rowcount != 0, statement
    connection.close()


def faults(folder: Path, *receipts: Receipt) -> str:
    with book(folder) as ledger:
        return "\n".join(verify_ledger(ledger, receipts=receipts).faults)


@pytest.fixture(scope="module")
def filled_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five entries: run, check, approve, lock of one month, run of another."""
    folder = make_bare(tmp_path_factory.mktemp("filled") / "医院")
    with book(folder) as ledger:
        record(ledger)
        closed(ledger)
        record(ledger, period="2026-11", text="丙")
        assert ledger.receipt().count == 5
    assert faults(folder) == ""
    return folder


@pytest.fixture
def filled(filled_once: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(filled_once, tmp_path / "账"))


def test_the_chain_is_what_anybody_can_compute(filled: Path) -> None:
    """Hashes written out again from the description, not by the code."""
    with sqlite3.connect(filled / "ledger.sqlite") as connection:
        rows = connection.execute("SELECT seq, previous, content, hash FROM audit_entry ORDER BY 1")
        previous = "0" * 64
        for place, (seq, before, content, digest) in enumerate(rows.fetchall(), 1):
            assert (seq, before) == (place, previous)
            assert hashlib.sha256(f"{previous}\n{content}".encode()).hexdigest() == digest
            fields = json.loads(content)
            text = json.dumps(fields, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
            assert text == content
            previous = digest
    connection.close()
    kept = json.loads((filled / "ledger.receipt.json").read_text(encoding="utf-8"))
    assert kept == {"count": 5, "hash": previous}


def test_the_database_itself_keeps_its_rows(filled: Path) -> None:
    connection = sqlite3.connect(filled / "ledger.sqlite")
    for table in ("audit_entry", "run", "run_table"):
        for start, end in (("DELETE FROM", ""), ("UPDATE", "SET content = 'x'")):
            statement = f"{start} {table} {end}"
            with pytest.raises(sqlite3.IntegrityError, match="rows are kept"):
                connection.execute(statement)
    connection.close()


@pytest.mark.parametrize(
    ("statements", "words"),
    [
        (
            ["UPDATE audit_entry SET content = replace(content, '张主任', '李主任') WHERE seq = 3"],
            ["第 3 条的内容与指纹不符"],
        ),
        (["DELETE FROM audit_entry WHERE seq = 2"], ["第 2 条不见了"]),
        (["DELETE FROM audit_entry WHERE seq IN (2, 3)"], ["第 2 至 3 条不见了"]),
        (
            ["DELETE FROM audit_entry WHERE seq = 3",
             "UPDATE audit_entry SET seq = seq - 1 WHERE seq > 3",
             "UPDATE audit_head SET count = 4"],
            ["第 3 条与前一条接不上", "第 3 条记的序号是 4"],
        ),
        (
            ["UPDATE audit_entry SET seq = seq + 10 WHERE seq > 2",
             "UPDATE audit_entry SET seq = seq - 9 WHERE seq > 10",
             "INSERT INTO audit_entry SELECT 3, previous, content, hash FROM audit_entry"
             " WHERE seq = 2",
             "UPDATE audit_head SET count = 6"],
            ["第 3 条与前一条接不上", "第 4 条记的序号是 3"],
        ),
        (
            ["UPDATE audit_entry SET seq = 20 WHERE seq = 2",
             "UPDATE audit_entry SET seq = 2 WHERE seq = 3",
             "UPDATE audit_entry SET seq = 3 WHERE seq = 20"],
            ["第 2 条与前一条接不上", "第 2 条记的序号是 3"],
        ),
        (["DELETE FROM audit_entry WHERE seq = 5"], ["账本的头记有 5 条，实有 4 条：尾部被截去"]),
        (["UPDATE period SET state = 'draft' WHERE period = '2026-10'"],
         ["2026-10：账本写的是 草稿", "已锁定"]),
        (["UPDATE period SET run_id = NULL WHERE period = '2026-11'"], ["2026-11：账本写的是"]),
        (["DELETE FROM run_table WHERE run_id LIKE '2026-11%'",
          "DELETE FROM run WHERE period = '2026-11'"], ["审计链里有，账本里没有：被删去"]),
        (["INSERT INTO run SELECT 'x', period, 9, content, sha256 FROM run LIMIT 1"],
         ["运行 x：不在审计链上：被插入"]),
        (["UPDATE run SET content = replace(content, '\"bytes\":', '\"byte\":')"],
         ["内容与审计链的指纹不符"]),
        (["UPDATE run_table SET content = x'00'"], ["的存档 people 与指纹不符"]),
        (["INSERT INTO run_table SELECT 'x', name, content, sha256 FROM run_table LIMIT 1"],
         ["存档属于账本里没有的运行 x"]),
        (["UPDATE run SET number = 7 WHERE period = '2026-10'"], ["月份或次数与审计链不符"]),
        (["UPDATE run SET period = '2026-12' WHERE period = '2026-10'"],
         ["月份或次数与审计链不符"]),
    ],
)  # fmt: skip
def test_what_was_changed_is_found_and_placed(
    filled: Path, statements: list[str], words: list[str]
) -> None:
    damaged(filled, *statements)
    found = faults(filled)
    for word in words:
        assert word in found, found


def test_a_cut_tail_is_known_by_its_receipt(filled: Path) -> None:
    """Tail and head cut together: within the database all is well, the receipt says otherwise."""
    with book(filled) as ledger:
        receipt = ledger.receipt()
    damaged(
        filled,
        "DELETE FROM audit_entry WHERE seq = 5",
        "UPDATE audit_head SET count = 4, hash = (SELECT hash FROM audit_entry WHERE seq = 4)",
        "DELETE FROM run_table WHERE run_id LIKE '2026-11%'",
        "DELETE FROM run WHERE period = '2026-11'",
        "DELETE FROM period WHERE period = '2026-11'",
    )
    assert faults(filled) == "回执记有 5 条，账本只有 4 条：尾部被截去"
    with book(filled) as ledger, pytest.raises(LedgerError, match="与回执不符"):
        ledger.move(PERIOD, "pay", WANG, clock=clock)
    (filled / "ledger.receipt.json").unlink()
    assert faults(filled) == ""
    with book(filled) as ledger:
        assert "没有回执可核对" in " ".join(verify_ledger(ledger).notes)
    assert "尾部被截去" in faults(filled, Receipt(5, receipt.hash[:16]))


@pytest.mark.parametrize(
    ("action", "states", "run"),
    [
        ("pay", ["draft", "paid"], None),
        ("lock", ["checked", "locked"], None),
        ("check", ["draft", "approved"], None),
        ("check", ["draft", "checked"], "2026-11-ffffffffffff"),
        ("note", ["draft", "locked"], None),
    ],
)
def test_a_move_that_no_month_makes_is_found(
    folder: Path, action: str, states: list[str], run: str | None
) -> None:
    """Entries appended by the chain's own rule, hashes and head and all."""
    with book(folder) as ledger:
        made = record(ledger).run_id
        if states[0] == "checked":
            ledger.move(PERIOD, "check", LI, clock=clock)
        with ledger.changing() as connection:
            fields = {"action": action, "period": PERIOD, "state": states, "run": run or made}
            append(connection, fields)
            values = {"state": states[1], "run_id": run or made}
            connection.execute(PERIOD_TABLE.update().values(**values))
        (found,) = verify_ledger(ledger).faults
    assert f"由{STATE_WORDS[states[0]]}到{STATE_WORDS[states[1]]}" in found


def test_a_chain_written_anew_is_known_by_its_receipt(filled: Path, tmp_path: Path) -> None:
    other = make_bare(tmp_path / "另")
    with book(other) as ledger:
        record(ledger, text="丁")
        closed(ledger)
        record(ledger, period="2026-11", text="丙")
    shutil.copy(other / "ledger.sqlite", filled / "ledger.sqlite")
    assert "第 5 条的指纹与回执不符" in faults(filled)


def test_a_restored_backup_goes_on_with_a_reason(filled: Path) -> None:
    backup = filled / "ledger.sqlite"
    kept = backup.read_bytes()
    with book(filled) as ledger:
        with pytest.raises(LedgerError, match="不必接续"):
            ledger.resume(ZHANG, "试")
        ledger.move("2026-11", "check", LI, clock=clock)
    backup.write_bytes(kept)
    assert "尾部被截去" in faults(filled)
    with book(filled) as ledger:
        with pytest.raises(LedgerError, match="原因"):
            ledger.resume(ZHANG, "")
        ledger.resume(ZHANG, "硬盘损坏，恢复备份")
        assert ledger.history()[-1].fields["receipt"].startswith("6:")
        ledger.move("2026-11", "check", LI, clock=clock)
    assert faults(filled) == ""


def test_an_unreadable_receipt_is_told(filled: Path) -> None:
    (filled / "ledger.receipt.json").write_text("{", encoding="utf-8")
    assert "读不出来" in faults(filled)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda out: (out / "结果.csv").write_text("x", encoding="utf-8"), "被改动"),
        (lambda out: (out / "结果.csv").unlink(), "文件不见了"),
        (lambda out: (out / "多.csv").write_text("x", encoding="utf-8"), "入账时没有"),
        (shutil.rmtree, "文件夹不见了"),
    ],
)
def test_stored_results_of_locked_months_are_hashed_again(
    filled: Path, damage: Callable[[Path], object], words: str
) -> None:
    with book(filled) as ledger:
        locked, draft = (ledger.run(period).run_id for period in (PERIOD, "2026-11"))
    damage(filled / "runs" / "2026-11" / draft)
    assert faults(filled) == "", "of locked months alone, unless all are asked for"
    damage(filled / "runs" / PERIOD / locked)
    assert words in faults(filled)
    with book(filled) as ledger:
        assert len(verify_ledger(ledger, every_run=True).faults) == 2


def test_a_changed_copy_is_a_note_and_no_fault(filled: Path) -> None:
    """What people open and save under ``out`` is a copy; the recorded files prove the month."""
    (filled / "out" / PERIOD / "结果.csv").write_text("改", encoding="utf-8")
    with book(filled) as ledger:
        proof = verify_ledger(ledger)
    assert proof.faults == ()
    assert proof.notes == (f"out/{PERIOD}/结果.csv：内容与入账时的指纹不符：被改动",)


def test_a_month_whose_files_were_changed_is_not_approved(folder: Path) -> None:
    with book(folder) as ledger:
        made = record(ledger)
        (folder / "runs" / PERIOD / made.run_id / "结果.csv").write_text("改", encoding="utf-8")
        with pytest.raises(LedgerError, match="与入账时不同"):
            ledger.move(PERIOD, "check", LI, clock=clock)
        record(ledger)  # the same run again puts it right
        ledger.move(PERIOD, "check", LI, clock=clock)
        ledger.move(PERIOD, "approve", ZHANG, clock=clock)
        ledger.move(PERIOD, "lock", ZHANG, clock=clock)
        (folder / "runs" / PERIOD / made.run_id / "结果.csv").unlink()
        with pytest.raises(LedgerError, match="没有发放") as error:
            ledger.move(PERIOD, "pay", WANG, clock=clock)
        assert f"从备份取回 runs/{PERIOD}/{made.run_id}" in str(error.value)
        assert f"ledger unlock 文件夹 {PERIOD}" in str(error.value)


# ---- opening


def test_no_ledger_is_told(folder: Path) -> None:
    with pytest.raises(LedgerError, match="还没有账本"):
        open_ledger(open_workspace(folder))
    assert not (folder / "ledger.sqlite").exists()


def test_a_lost_ledger_is_told(filled: Path) -> None:
    (filled / "ledger.sqlite").unlink()
    with pytest.raises(LedgerError, match="回执记有 5 条"):
        open_ledger(open_workspace(filled))


def test_a_new_ledger_in_place_of_a_lost_one_is_not_begun_silently(filled: Path) -> None:
    (filled / "ledger.sqlite").unlink()
    with book(filled) as ledger:
        with pytest.raises(LedgerError, match="ledger resume"):
            record(ledger, period="2026-12")
        ledger.resume(ZHANG, "原库随服务器报废")
        record(ledger, period="2026-12")
        assert ledger.history()[0].fields["receipt"].startswith("5:")


def test_another_hospitals_ledger_is_refused(filled: Path, tmp_path: Path) -> None:
    other = make_bare(tmp_path / "乙院")
    settings = other / "hospital.toml"
    text = settings.read_text(encoding="utf-8").replace("测试医院", "乙医院")
    settings.write_text(text, encoding="utf-8")
    url = f"sqlite:///{filled / 'ledger.sqlite'}"
    with pytest.raises(LedgerError, match="不是本院的账本"):
        open_ledger(open_workspace(other), url)
    settings.write_text(f'{text}[ledger]\nowner = "测试医院"\n', encoding="utf-8")
    open_ledger(open_workspace(other), url).database.close()


@pytest.mark.parametrize(
    "url",
    [
        "postgresql+psycopg://u:geheim77@127.0.0.1:1/x",
        "postgresql://u@127.0.0.1:1/x?password=geheim77",
        "mysql://u:geheim77@h/x",
        "nonsense geheim77",
    ],
)
@pytest.mark.program("postgres")
def test_no_password_is_shown(folder: Path, url: str) -> None:
    with pytest.raises(LedgerError) as error:
        open_ledger(open_workspace(folder), url)
    assert "geheim77" not in str(error.value)
    assert error.value.__cause__ is None or "geheim77" not in repr(error.value.__cause__)


def test_no_password_of_the_settings_is_shown(tmp_path: Path) -> None:
    folder = make_bare(tmp_path / "密", '[ledger]\nurl = ["geheim77"]\n')
    with pytest.raises(Exception, match=r"ledger\.url") as error:
        open_workspace(folder)
    assert "geheim77" not in str(error.value)


def test_not_a_database(folder: Path) -> None:
    (folder / "ledger.sqlite").write_bytes(b"no database at all, just text" * 100)
    with pytest.raises(LedgerError, match="账本用不了"):
        open_ledger(open_workspace(folder))


def test_who_is_the_name_given_or_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRG_ENGINE_USER", "李复核")
    assert sign(clock=clock).actor == "李复核"
    made = sign("张主任", clock)
    assert made.actor == "张主任"
    assert made.time == clock().astimezone().isoformat(timespec="seconds")
    assert "@" in made.account


def test_a_name_of_another_encoding_is_no_crash(folder: Path) -> None:
    """A command line in GBK reaches Python as lone surrogates, which no UTF-8 can hold."""
    with book(folder) as ledger:
        record(ledger)
        who = replace(LI, actor="\udcc0\udcee李")
        ledger.move(PERIOD, "check", who, clock=clock)
        assert ledger.history()[-1].fields["actor"] == "??李"
        assert verify_ledger(ledger).faults == ()
