"""Several people at once, in processes of their own, on SQLite and on PostgreSQL."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

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
    make_small,
    record,
)

from drg_engine.errors import LedgerError
from drg_engine.ledger import open_ledger
from drg_engine.ledger_adjustments import run_tables
from drg_engine.ledger_recording import recording
from drg_engine.ledger_verify import verify_ledger
from drg_engine.workspace import open_workspace

PROCESS = Path(__file__).with_name("ledger_process.py")
BOTH = [
    "sqlite",
    pytest.param("postgres", marks=pytest.mark.program("postgres")),
]


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    from postgres_server import postgres_server

    with postgres_server() as address:
        yield address


@pytest.fixture
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str | None:
    """The ledger's address: None for the workspace's own SQLite, or a new database's."""
    if request.param == "sqlite":
        return None
    from postgres_server import new_database

    return new_database(request.getfixturevalue("server"), f"t_{os.getpid()}_{tmp_path.name}")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_bare(tmp_path / "医院")


class Office:
    """Three processes, each doing what it is told, all begun at once."""

    def __init__(self) -> None:
        self._running = [
            subprocess.Popen(
                [sys.executable, str(PROCESS)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                encoding="utf-8",
                env={**os.environ, "PYTHONIOENCODING": "utf-8", "COLUMNS": "200"},
            )
            for _ in range(3)
        ]

    def at_once(self, commands: Sequence[Sequence[str]]) -> list[tuple[int, str]]:
        """One command for each process; exit codes and what they said."""
        chosen = self._running[: len(commands)]
        for process, words in zip(chosen, commands, strict=True):
            assert process.stdin is not None
            process.stdin.write(json.dumps(list(words)) + "\n")
        for process in chosen:
            assert process.stdin is not None
            process.stdin.flush()
        results = []
        for process in chosen:
            assert process.stdout is not None
            code, text = json.loads(process.stdout.readline())
            results.append((code, text))
        return results

    def close(self) -> None:
        for process in self._running:
            process.communicate(timeout=60)


@pytest.fixture(scope="module")
def office() -> Iterator[Office]:
    office = Office()
    assert [code for code, _ in office.at_once([["--version"]] * 3)] == [0, 0, 0]
    yield office
    office.close()


def words(folder: Path, address: str | None, name: str, who: str) -> list[str]:
    given = [] if address is None else ["--ledger", address]
    return ["ledger", name, str(folder), PERIOD, "--as", who, *given]


@pytest.mark.parametrize("address", BOTH, indirect=True)
def test_two_approve_and_lock_at_once(folder: Path, address: str | None, office: Office) -> None:
    """Three people: one approval and one lock stand, the others are told by whom."""
    with book(folder, address) as ledger:
        record(ledger)
        ledger.move(PERIOD, "check", LI, clock=clock)
    for name, done in (("approve", "批准"), ("lock", "锁定")):
        results = office.at_once([words(folder, address, name, who) for who in ("赵", "钱", "孙")])
        assert sorted(code for code, _ in results) == [0, 9, 9], results
        winner = next(who for who, (code, _) in zip("赵钱孙", results, strict=True) if code == 0)
        for code, text in results:
            if code:
                assert f"已由别人{done}（{winner} 于" in text, text
                assert f"你的{done}没有执行" in text
    with open_ledger(open_workspace(folder), address) as ledger:
        actions = [entry.fields["action"] for entry in ledger.history()]
        assert actions == ["run", "check", "approve", "lock"]
        assert verify_ledger(ledger).faults == ()


@pytest.mark.parametrize("address", BOTH, indirect=True)
def test_many_entries_at_once_make_one_chain(
    folder: Path, address: str | None, office: Office
) -> None:
    """Every process writes into the same chain: no entry is lost, none is linked twice."""
    with book(folder, address) as ledger:
        for month in ("01", "02", "03"):
            record(ledger, period=f"2026-{month}", text=f"月{month}")
    commands = []
    for month in ("01", "02", "03"):
        command = words(folder, address, "check", f"甲{month}")
        commands.append([text.replace(PERIOD, f"2026-{month}") for text in command])
    assert [code for code, _ in office.at_once(commands)] == [0, 0, 0]
    with open_ledger(open_workspace(folder), address) as ledger:
        assert [entry.seq for entry in ledger.history()] == [1, 2, 3, 4, 5, 6]
        assert verify_ledger(ledger).faults == ()


@pytest.mark.parametrize("address", BOTH, indirect=True)
def test_the_ledger_is_made_once(folder: Path, address: str | None) -> None:
    """Two open a new ledger at the same moment."""

    def opened(_: int) -> str:
        with book(folder, address) as ledger:
            return ledger.receipt().hash

    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(opened, range(4))) == {"0" * 64}


@pytest.mark.parametrize("address", BOTH, indirect=True)
def test_a_month_being_run_is_not_moved(folder: Path, address: str | None, office: Office) -> None:
    with book(folder, address) as ledger:
        record(ledger)
        with recording(ledger, PERIOD, WANG):
            results = office.at_once(
                [words(folder, address, name, "赵") for name in ("check", "approve")]
            )
        for code, text in results:
            assert code == 9
            assert "王会计" in text
            assert "正在运行" in text
    assert office.at_once([words(folder, address, "check", "赵")])[0][0] == 0


@pytest.mark.parametrize("address", BOTH, indirect=True)
def test_the_whole_way(folder: Path, address: str | None) -> None:
    """Runs, tables, findings, states and the proof are the same in both databases."""
    with book(folder, address) as ledger:
        record(ledger, text="乙", findings=[finding(6, "warning")])
        with pytest.raises(LedgerError, match="不同的结果"):
            record(ledger, text="乙")
        made = record(ledger)
        ledger.move(PERIOD, "check", LI, clock=clock)
        with pytest.raises(LedgerError, match="批准"):
            ledger.move(PERIOD, "lock", ZHANG, clock=clock)
        ledger.move(PERIOD, "return", ZHANG, reason="核对有误", clock=clock)
        closed(ledger)
        assert ledger.run(PERIOD).run_id == made.run_id
        assert run_tables(ledger, ledger.run(PERIOD))["people"]["total_fen"].tolist() == [100_00]
        proof = verify_ledger(ledger, every_run=True)
        assert (proof.faults, proof.runs) == ((), 2)


@pytest.mark.program("postgres")
def test_postgres_keeps_its_rows(folder: Path, server: str, tmp_path: Path) -> None:
    import psycopg
    from postgres_server import new_database

    address = new_database(server, f"kept_{os.getpid()}")
    with book(folder, address) as ledger:
        record(ledger)
    for statement in (
        "DELETE FROM audit_entry",
        "UPDATE run SET content = 'x'",
        "TRUNCATE run_table",
    ):
        with psycopg.connect(address) as connection, pytest.raises(psycopg.errors.RaiseException):
            connection.execute(statement.encode())
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute(b"ALTER TABLE audit_entry DISABLE TRIGGER ALL")
        connection.execute(b"UPDATE audit_entry SET content = replace(content, 'run', 'run ')")
    with book(folder, address) as ledger:
        assert "第 1 条的内容与指纹不符" in "\n".join(verify_ledger(ledger).faults)


@pytest.mark.program("postgres")
def test_a_month_is_run_into_postgres(tmp_path: Path, server: str, office: Office) -> None:
    """Two people run the same month at once: one makes it, the other is told or repeats it."""
    from postgres_server import new_database

    address = new_database(server, f"month_{os.getpid()}")
    place = make_small(tmp_path / "医院")
    run = ["run", str(place), PERIOD, "--ledger", address]
    results = office.at_once([[*run, "--as", "赵"], [*run, "--as", "钱"]])
    assert sorted({code for code, _ in results}) in ([0], [0, 9]), results
    for code, text in results:
        assert code == 0 or "正在运行" in text
    with open_ledger(open_workspace(place), address) as ledger:
        assert len(ledger.runs()) == 1
        assert verify_ledger(ledger, every_run=True).faults == ()
    assert not (place / "ledger.sqlite").exists()


@pytest.mark.program("postgres")
def test_a_server_that_does_not_answer(folder: Path) -> None:
    with pytest.raises(LedgerError, match="数据库不应答") as error:
        open_ledger(open_workspace(folder), "postgresql://nobody@127.0.0.1:1/nothing")
    assert "检查地址" in str(error.value)


@pytest.mark.program("postgres")
def test_the_address_of_the_settings_and_of_the_variable(
    tmp_path: Path, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from postgres_server import new_database

    address = new_database(server, f"named_{os.getpid()}")
    folder = make_bare(tmp_path / "设", f'[ledger]\nurl = "{address}"\n')
    with book(folder) as ledger:
        record(ledger)
        assert not ledger.database.is_sqlite
    assert not (folder / "ledger.sqlite").exists()
    monkeypatch.setenv("DRG_ENGINE_LEDGER", "sqlite:///other.sqlite")
    with book(folder) as ledger:
        assert ledger.database.is_sqlite
    assert (folder / "other.sqlite").exists()
