"""What ``drg-engine ledger …`` does and shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from drg_engine._ledger_chain import Entry, Receipt, canonical
from drg_engine.console import say, show_table
from drg_engine.errors import Fault, InputError, LedgerError
from drg_engine.files import file_sha256, written_aside
from drg_engine.ledger import Ledger, StoredRun, open_ledger
from drg_engine.ledger_recording import mend, release
from drg_engine.ledger_states import MOVES, STATE_WORDS, Signature, now, sign
from drg_engine.ledger_verify import verify_ledger
from drg_engine.money import format_fen
from drg_engine.workspace import open_workspace

__all__ = [
    "export_history",
    "move_and_show",
    "release_and_show",
    "resume_and_show",
    "show_history",
    "show_runs",
    "show_status",
    "verify_and_show",
]

_ACTIONS: Mapping[str, str] = {
    "run": "运行",
    **{name: move.word for name, move in MOVES.items()},
    "release": "释放",
    "resume": "接续",
}
_HEADINGS = ("序号", "时间", "操作人", "账户", "动作", "月份", "运行", "说明", "指纹")
_SHORT = 16


def _opened(folder: Path, url: str | None) -> Ledger:
    return open_ledger(open_workspace(folder), url)


def _mended(book: Ledger, signature: Signature) -> None:
    """Finish what a killed run left, and say so."""
    for words in mend(book, signature):
        say(f"已补办：{words}")


def show_status(folder: Path, url: str | None) -> None:
    """Every month: its state, its run, who moved it last, what it pays, what is open."""
    with _opened(folder, url) as book:
        _mended(book, sign())
        runs = {run.run_id: run for run in book.runs()}
        last = {str(e.fields.get("period")): e for e in book.history()}
        rows = []
        for held in book.periods():
            run = runs.get(held.run_id or "")
            entry = last.get(held.period)
            by = ("", "") if entry is None else (entry.fields["actor"], entry.fields["time"])
            if held.lease is not None and held.lease.is_live(now().timestamp()):
                by = (f"{held.lease.owner}（正在运行）", held.lease.since)
            pay, findings = _pay_and_findings(run)
            shown = "" if run is None else f"{run.run_id}（第 {run.number} 次）"
            rows.append((held.period, STATE_WORDS[held.state], shown, *by, pay, findings))
        headings = ("月份", "状态", "当前运行", "最近操作人", "时间", "发放到人（元）", "合规")
        show_table(f"账本 {book.database.shown}", headings, rows)
        _say_receipt(book.receipt())


def _pay_and_findings(run: StoredRun | None) -> tuple[str, str]:
    if run is None:
        return "", ""
    pay = run.content.get("totals", {}).get("staff_pay")
    errors = sum(1 for f in run.findings if f["severity"] == "error")
    counts = f"错误 {errors}，提示 {len(run.findings) - errors}"
    return ("" if pay is None else format_fen(pay)), counts


def _say_receipt(receipt: Receipt) -> None:
    say(f"账本回执：{receipt.count}:{receipt.hash[:_SHORT]}（抄存后可用 verify --receipt 核对）")


def show_runs(folder: Path, period: str | None, url: str | None) -> None:
    """The recorded runs and what they were made from."""
    with _opened(folder, url) as book:
        current = {held.run_id for held in book.periods()}
        rows = []
        for run in book.runs(period):
            made = run.content.get("identity", {})
            rows.append(
                (
                    f"{run.period}#{run.number}",
                    run.run_id,
                    "当前" if run.run_id in current else "",
                    _pay_and_findings(run)[0],
                    str(made.get("plan", {}).get("sha256", ""))[:8],
                    " ".join(str(p["sha256"])[:8] for p in made.get("policies", [])),
                    str(made.get("scheme", {}).get("sha256", ""))[:8],
                    str(made.get("program", {}).get("code", ""))[:8],
                    run.sha256[:_SHORT],
                )
            )
        headings = ("次", "运行", "", "发放到人（元）", "方案", "政策", "分组表", "程序", "指纹")
        show_table("运行", headings, rows)


def move_and_show(
    folder: Path,
    period: str,
    name: str,
    *,
    url: str | None = None,
    actor: str | None = None,
    reason: str = "",
    reasons: Sequence[str] = (),
    run: str | None = None,
    paid: Path | None = None,
) -> None:
    """Make a move with a month and say what it is now.

    paid: the list that was actually paid, whose hash and total the ledger keeps.
    """
    signature = sign(actor)
    with _opened(folder, url) as book:
        _mended(book, signature)
        chosen = None if run is None else book.run(run).run_id
        facts = {} if paid is None else _paid_facts(book, period, paid)
        if paid is not None:  # what the list was compared with is what is told as paid
            chosen = str(facts["paid"]["run"])
        receipt = book.move(
            period, name, signature, reason=reason, reasons=_by_rule(reasons), run=chosen,
            facts=facts,
        )  # fmt: skip
        held = book.period(period)
    say(f"{period} {MOVES[name].word}：现在是{STATE_WORDS[held.state]}（运行 {held.run_id}）")
    _say_receipt(receipt)


def _paid_facts(book: Ledger, period: str, paid: Path) -> dict[str, Any]:
    from drg_engine.compare_paid import planned_against_paid, read_paid
    from drg_engine.ledger_adjustments import run_tables

    run = book.run(period)
    people = run_tables(book, run).get("people")
    if people is None:
        fault = Fault(period, "这个月没有做分配", mend="不写 --paid")
        raise LedgerError(f"{period} 没有可对照的发放", [fault])
    table = planned_against_paid(people, read_paid(paid))
    whole = table.iloc[-1]
    say(
        f"应发 {format_fen(whole['planned_fen'])}，实发 {format_fen(whole['paid_fen'])}，"
        f"差 {format_fen(whole['difference_fen'])}"
    )
    found = {
        "run": run.run_id,
        "file": paid.name,
        "sha256": file_sha256(paid),
        "people": len(table) - 1,
    }
    money = {name: int(whole[name]) for name in ("planned_fen", "paid_fen", "difference_fen")}
    return {"paid": {**found, **money}}


def _by_rule(reasons: Sequence[str]) -> dict[str, str]:
    """``规则=理由`` as a mapping.  Raises InputError for anything else."""
    found: dict[str, str] = {}
    faults = []
    for text in reasons:
        rule, sign_, why = text.partition("=")
        if not sign_ or not rule.strip() or not why.strip():
            faults.append(Fault("--reason", "写法不对", found=text, mend="写作 6=理由"))
        elif rule.strip() in found:
            mend = "每条规则写一次，几个理由并作一句"
            faults.append(Fault("--reason", "这条规则写了两次", found=text, mend=mend))
        found[rule.strip()] = why.strip()
    if faults:
        raise InputError("理由写得不对", faults)
    return found


def show_history(folder: Path, period: str | None, url: str | None) -> None:
    """The audit record."""
    with _opened(folder, url) as book:
        rows = [_history_row(entry) for entry in book.history(period)]
        show_table("审计记录", _HEADINGS, [(*row[:-1], row[-1][:_SHORT]) for row in rows])
        _say_receipt(book.receipt())


def _history_row(entry: Entry) -> tuple[Any, ...]:
    fields = entry.fields
    return (
        entry.seq,
        str(fields.get("time", "")),
        str(fields.get("actor", "")),
        str(fields.get("account", "")),
        _ACTIONS.get(str(fields.get("action")), str(fields.get("action", ""))),
        str(fields.get("period", "")),
        str(fields.get("run", "")),
        _told(fields),
        entry.hash,
    )


def _told(fields: Mapping[str, Any]) -> str:
    """What an entry says besides who, when and what."""
    words = []
    moved = fields.get("state")
    if isinstance(moved, list) and len(moved) == 2:
        before, after = (STATE_WORDS.get(str(s), str(s)) for s in moved)
        words.append(after if before == after else f"{before} → {after}")
    if fields.get("repeated"):
        words.append("结果与前次相同")
    if fields.get("reason"):
        words.append(f"原因：{fields['reason']}")
    reasons = fields.get("findings", {}).get("reasons", {}) if "findings" in fields else {}
    words += [f"规则 {rule}：{why}" for rule, why in reasons.items()]
    if "paid" in fields:
        paid = fields["paid"]
        words.append(
            f"实发 {format_fen(paid['paid_fen'])}，与应发差 {format_fen(paid['difference_fen'])}"
        )
    if "receipt" in fields:
        words.append(f"原回执 {fields['receipt'][:24]}")
    return "；".join(words)


def verify_and_show(
    folder: Path, url: str | None, receipts: Sequence[str], *, every_run: bool
) -> None:
    """Prove the ledger.  Raises LedgerError with everything that does not hold."""
    wanted = [_receipt(text) for text in receipts]
    with _opened(folder, url) as book:
        with suppress(LedgerError):  # what hinders the mending is told by the proof
            _mended(book, sign())
        proof = verify_ledger(book, receipts=wanted, every_run=every_run)
        shown = book.database.shown
    if proof.faults:
        faults = [Fault(shown, words) for words in proof.faults]
        raise LedgerError(f"账本验不过：{len(faults)} 处", faults)
    say(
        f"账本完好：审计记录 {proof.receipt.count} 条首尾相接，运行 {proof.runs} 次与记录相符，"
        f"重算结果文件 {proof.files} 个的指纹，一致。"
    )
    for words in proof.notes:
        why = "（入账的原件在 runs，未动）" if words.startswith("out/") else ""
        say(f"提示：{words}{why}")
    _say_receipt(proof.receipt)


def _receipt(text: str) -> Receipt:
    count, colon, digest = text.strip().partition(":")
    if not colon or not count.isdecimal() or len(digest) < 12:
        fault = Fault("--receipt", "写法不对", found=text, mend="写作 17:0123456789abcdef")
        raise InputError("回执写得不对", [fault])
    return Receipt(int(count), digest.lower())


def export_history(folder: Path, url: str | None, out: Path) -> None:
    """Write the audit record: ``.jsonl`` as it is hashed, or a table to read."""
    with _opened(folder, url) as book:
        found = book.history()
    if out.suffix.lower() == ".jsonl":
        lines = [
            canonical({"seq": e.seq, "previous": e.previous, "content": e.content, "hash": e.hash})
            for e in found
        ]
        with written_aside(out) as aside:
            aside.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    else:
        import pyarrow as pa

        from drg_engine.writers import write_table

        rows = [_history_row(entry) for entry in found]
        columns = [pa.array([row[i] for row in rows]) for i in range(len(_HEADINGS))]
        write_table(out, pa.table(columns, names=list(_HEADINGS)), bom=True)
    say(f"{out}：{len(found)} 条")


def release_and_show(
    folder: Path, period: str, url: str | None, actor: str | None, reason: str
) -> None:
    """Take a month away from a computer that is gone."""
    with _opened(folder, url) as book:
        receipt = release(book, period, sign(actor), reason)
    say(f"{period} 已释放")
    _say_receipt(receipt)


def resume_and_show(folder: Path, url: str | None, actor: str | None, reason: str) -> None:
    """Go on with a restored backup of the ledger."""
    with _opened(folder, url) as book:
        receipt = book.resume(sign(actor), reason)
    say("已接续；原回执和原因记入审计记录")
    _say_receipt(receipt)
