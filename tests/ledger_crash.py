"""Kills runs with SIGKILL and looks at what is left; one process, its children are the victims.

``python ledger_crash.py each FOLDER`` kills a made-up run at the steps it takes outside itself
(files, folders, statements, commits); ``python ledger_crash.py month FOLDER COUNT SEED`` kills a
small month's real run at COUNT random moments.  Ends with an error at the first thing that is not
whole.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import os
import random
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

import sqlalchemy as sa
from ledger_cases import (
    LI,
    PERIOD,
    SETTINGS,
    WANG,
    book,
    clock,
    make_bare,
    make_small,
    parquet,
    record,
)

from drg_engine.ledger_recording import mend
from drg_engine.ledger_verify import verify_ledger
from drg_engine.month_run import run_month
from drg_engine.run_folders import left_aside, shown_run
from drg_engine.workspace import open_workspace

WATCHED = ("os.rename", "os.mkdir", "os.rmdir", "os.remove", "shutil.rmtree", "ctypes.dlopen")


def killed(work: Callable[[], object], *, after: float | None = None, step: int = 0) -> bool:
    """Do the work in a child that is killed after a time, or at its step-th step.

    Returns whether it was; a child that ends otherwise has to end well.
    """
    child = os.fork()
    if child == 0:
        code = 1
        try:
            if step:
                _die_at(step)
            work()
            code = 0
        except BaseException:  # noqa: BLE001  told here, since the child ends at once
            traceback.print_exc()
        finally:
            os._exit(code)
    if after is not None:
        time.sleep(after)
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL
        return True
    assert os.waitstatus_to_exitcode(status) == 0, "the child failed by itself"
    return False


def _die_at(step: int) -> None:
    left = [step]

    def one(*_: object) -> None:
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def watch(event: str, arguments: tuple[object, ...]) -> None:
        writing = event == "open" and isinstance(arguments[1], str) and arguments[1][:1] in "wxar"
        if event in WATCHED or (writing and "b" in str(arguments[1]) + "b"):
            one()

    sys.addaudithook(watch)
    for name in ("before_cursor_execute", "after_cursor_execute", "commit"):
        sa.event.listen(sa.Engine, name, one)


def digest(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def look(folder: Path, *, mended: bool) -> str:
    """Check that ledger and outputs are whole; returns the current run."""
    workspace = open_workspace(folder)
    with book(folder) as ledger:
        faults = verify_ledger(ledger).faults
        assert faults == (), faults
        known = {run.run_id: run for run in ledger.runs(PERIOD)}
        current = ledger.period(PERIOD).run_id
        visible = shown_run(workspace, PERIOD)
        assert visible in known, "what is visible is a recorded run"
        held = {file["name"]: file["sha256"] for file in known[visible].files}
        assert digest(folder / "out" / PERIOD) == held, "and all of it"
        if mended:
            assert visible == current
            assert left_aside(workspace, PERIOD) == []
            assert [p.name for p in sorted((folder / "out").iterdir())] == [PERIOD]
            assert verify_ledger(ledger, every_run=True).faults == ()
            names = sorted(p.name for p in (folder / "runs" / PERIOD).iterdir())
            assert names == sorted(known), "nothing is left over"
    assert current is not None
    return current


def each(folder: Path) -> None:
    """Kill a made-up run at every second step, which are all kinds of them."""
    template = make_bare(folder / "template")
    with book(template) as ledger:
        record(ledger)
    kept = parquet([{"staff_id": "1", "total_fen": 1}])  # before any child needs threads
    assert kept
    outcomes = set()
    step = -1
    while True:
        step += 2
        place = Path(shutil.copytree(template, folder / f"step{step}"))

        def work(place: Path = place) -> None:
            with book(place) as ledger:
                record(ledger, text="乙", signature=LI)

        if not killed(work, step=step):
            break
        before = look(place, mended=False)
        with book(place) as ledger:
            mend(ledger, WANG, clock)
        after = look(place, mended=True)
        assert after == before, "mending moves no month to another run"
        outcomes.add(after)
        if step % 16 == 1:  # and it can be run again
            work()
            look(place, mended=True)
            with book(place) as ledger:
                assert ledger.run(PERIOD).number == 2
        shutil.rmtree(place)
    assert step > 40, f"only {step} steps were seen"
    assert len(outcomes) == 2, "some kills came before the commit, some after"
    sys.stdout.write(f"{step} steps\n")


def month(folder: Path, count: int, seed: int) -> None:
    """Kill a small month's run at random moments."""
    place = make_small(folder / "month")
    if seed % 2:  # the insurance office's month, without an allocation
        (place / "hospital.toml").write_text(SETTINGS, encoding="utf-8")
    cases = place / "inputs" / PERIOD / "cases.csv"
    plain = cases.read_text(encoding="utf-8-sig")

    def work() -> None:
        run_month(place, PERIOD)

    def first() -> None:
        work()
        (folder / "modules").write_text("\n".join(sorted(sys.modules)), encoding="utf-8")

    assert not killed(first)
    for name in (folder / "modules").read_text(encoding="utf-8").splitlines():
        with contextlib.suppress(ImportError):  # so that no victim has to load them
            importlib.import_module(name)
    begun = time.monotonic()
    assert not killed(work)
    took = time.monotonic() - begun
    chance = random.Random(f"{seed}")
    stopped = 0
    for n in range(3 * count):
        cases.write_text(plain.replace("9000.50", f"{9000 + n}.50"), encoding="utf-8-sig")
        stopped += killed(work, after=chance.uniform(0.02, 0.95 * took))
        before = look(place, mended=False)
        with book(place) as ledger:
            mend(ledger, WANG)
        assert look(place, mended=True) == before
        if stopped == count:
            break
    assert stopped == count
    assert not killed(work)
    look(place, mended=True)
    sys.stdout.write(f"{stopped} killed\n")


if __name__ == "__main__":
    if sys.argv[1] == "each":
        each(Path(sys.argv[2]))
    else:
        month(Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
