"""A PostgreSQL server for the tests: a private one on a socket of its own, or one that is named.

``DRG_ENGINE_TEST_POSTGRES`` holds the address of a server whose account may make databases.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from programs import find_program

NAMED = "DRG_ENGINE_TEST_POSTGRES"


@contextmanager
def postgres_server() -> Iterator[str]:
    """The address of a server: ``postgresql://…/postgres``, with the database's name at its end."""
    named = os.environ.get(NAMED)
    if named:
        yield named
        return
    initdb = find_program("postgres")
    assert initdb is not None
    # A socket's path must be short, so not below pytest's own folder.
    folder = Path(tempfile.mkdtemp(prefix="drg-pg-"))
    as_user = _as_user(folder)
    data = folder / "data"
    control = [*as_user, str(initdb.with_name("pg_ctl")), "-D", str(data), "-w"]
    _do([*as_user, str(initdb), "-D", str(data), "-A", "trust", "-U", "postgres", "-N",
         "-E", "UTF8", "--locale=C"], folder)  # fmt: skip
    options = f"-k {folder} -c listen_addresses= -c fsync=off -c max_connections=20"
    _do([*control, "-l", str(folder / "log"), "-o", options, "start"], folder)
    try:
        yield f"postgresql://postgres@/postgres?host={folder}"
    finally:
        _do([*control, "-m", "immediate", "stop"], folder)
        shutil.rmtree(folder, ignore_errors=True)


def _as_user(folder: Path) -> list[str]:
    """PostgreSQL does not run as root: then as the account that its package made."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        return []
    shutil.chown(folder, "postgres")
    return ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]


def _do(command: list[str], folder: Path) -> None:
    with tempfile.TemporaryFile() as said:  # a pipe would be held open by the server
        done = subprocess.run(
            command, cwd=folder, check=False, stdin=subprocess.DEVNULL, stdout=said, stderr=said
        )
        said.seek(0)
        assert done.returncode == 0, said.read().decode(errors="replace")


def new_database(server: str, name: str) -> str:
    """Make a database anew; returns its address."""
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f'DROP DATABASE IF EXISTS "{name}"'.encode())
        connection.execute(f'CREATE DATABASE "{name}"'.encode())
    start, _, rest = server.rpartition("/postgres")
    return f"{start}/{name}{rest}"
