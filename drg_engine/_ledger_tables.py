"""The ledger's tables in SQLite and PostgreSQL: how they are made, opened, read and written."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import exc

from drg_engine.errors import Fault, LedgerError

__all__ = [
    "ENTRY",
    "HEAD",
    "METADATA",
    "PERIOD",
    "RUN",
    "RUN_TABLE",
    "SETTING",
    "SQLITE_FILE",
    "Database",
]

METADATA = sa.MetaData()
SQLITE_FILE = "ledger.sqlite"
_FORMAT = "1"
_GENESIS = "0" * 64
_LOCK_WAIT = 20
_ADVISORY = 4_711_001
"""Held while the tables are made, so that two commands do not make them at once."""

SETTING = sa.Table(
    "setting",
    METADATA,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
)
ENTRY = sa.Table(
    "audit_entry",
    METADATA,
    sa.Column("seq", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("previous", sa.Text, nullable=False),
    sa.Column("content", sa.Text, nullable=False),
    sa.Column("hash", sa.Text, nullable=False),
)
HEAD = sa.Table(
    "audit_head",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("count", sa.Integer, nullable=False),
    sa.Column("hash", sa.Text, nullable=False),
)
PERIOD = sa.Table(
    "period",
    METADATA,
    sa.Column("period", sa.Text, primary_key=True),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("run_id", sa.Text),
    sa.Column("lease_token", sa.Text),
    sa.Column("lease_owner", sa.Text),
    sa.Column("lease_host", sa.Text),
    sa.Column("lease_pid", sa.Integer),
    sa.Column("lease_since", sa.Text),
    sa.Column("lease_until", sa.Float),
)
RUN = sa.Table(
    "run",
    METADATA,
    sa.Column("run_id", sa.Text, primary_key=True),
    sa.Column("period", sa.Text, nullable=False),
    sa.Column("number", sa.Integer, nullable=False),
    sa.Column("content", sa.Text, nullable=False),
    sa.Column("sha256", sa.Text, nullable=False),
    sa.UniqueConstraint("period", "number"),
)
RUN_TABLE = sa.Table(
    "run_table",
    METADATA,
    sa.Column("run_id", sa.Text, sa.ForeignKey("run.run_id"), primary_key=True),
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("content", sa.LargeBinary, nullable=False),
    sa.Column("sha256", sa.Text, nullable=False),
)


def _kept_by(name: str, dialect: str) -> tuple[str, ...]:
    """Statements that let the database itself refuse to change or delete rows of a table."""
    if dialect == "sqlite":
        return tuple(
            f"CREATE TRIGGER {name}_no_{action.lower()} BEFORE {action} ON {name} "
            f"BEGIN SELECT RAISE(ABORT, '{name}: rows are kept'); END"
            for action in ("UPDATE", "DELETE")
        )
    return (
        f"CREATE FUNCTION {name}_kept() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN RAISE EXCEPTION '{name}: rows are kept'; END $$",
        f"CREATE TRIGGER {name}_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON {name} "
        f"FOR EACH STATEMENT EXECUTE FUNCTION {name}_kept()",
    )


class Database:
    """A ledger's database: SQLite in a file, or PostgreSQL by its URL (never shown with secrets).

    Every write goes through :meth:`writing`, one at a time over all processes.
    """

    def __init__(self, url: str | None, folder: Path) -> None:
        """Take the URL, or where it is None the SQLite file of the workspace."""
        self._url = _parsed(url, folder)
        self.is_sqlite = self._url.get_backend_name() == "sqlite"
        self.shown = SQLITE_FILE if url is None else self._url.render_as_string(hide_password=True)
        self.shown = re.sub(r"(password=)[^&]*", r"\1***", self.shown)
        try:
            self._engine = _engine(self._url, sqlite=self.is_sqlite)
        except ImportError as error:
            mend = "安装：pip install 'drg-engine[postgres]'"
            fault = Fault(self.shown, f"没有安装 {error.name}", mend=mend)
            raise LedgerError("连不上账本", [fault]) from error

    @property
    def exists(self) -> bool:
        """Whether the ledger's tables are there."""
        if self.is_sqlite and not Path(str(self._url.database)).is_file():
            return False
        with self.reading() as connection:
            return bool(sa.inspect(connection).has_table(HEAD.name))

    def create(self, owner: str) -> None:
        """Make the tables where they are not there."""
        with self._told(), self._engine.begin() as connection:
            if not self.is_sqlite:
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_ADVISORY)))
            if sa.inspect(connection).has_table(HEAD.name):
                return
            METADATA.create_all(connection)
            for table in (ENTRY, RUN, RUN_TABLE):
                for statement in _kept_by(table.name, connection.dialect.name):
                    connection.exec_driver_sql(statement)
            connection.execute(HEAD.insert().values(id=1, count=0, hash=_GENESIS))
            for name, value in (("format", _FORMAT), ("owner", owner)):
                connection.execute(SETTING.insert().values(name=name, value=value))

    def check_owner(self, owner: str) -> None:
        """Refuse another hospital's ledger, or one that a later version made."""
        with self.reading() as connection:
            rows = connection.execute(sa.select(SETTING.c.name, SETTING.c.value))
            held = {str(name): str(value) for name, value in rows}
        if held.get("format") != _FORMAT:
            mend = "请用与账本相配的版本"
            found = held.get("format", "")
            raise LedgerError("账本的格式不同", [Fault(self.shown, "格式", found=found, mend=mend)])
        if held.get("owner") != owner:
            mend = "每家医院用自己的库；医院改了名，在 hospital.toml 写 [ledger] owner = 原名"
            fault = Fault(self.shown, "属于另一家医院", found=held.get("owner"), mend=mend)
            raise LedgerError("这不是本院的账本", [fault])

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """Give a connection that sees one moment of the ledger, whatever others write."""
        with self._told(), self._engine.connect() as connection:
            plain = connection.execution_options(drg_engine_reading=True)
            if not self.is_sqlite:
                plain = connection.execution_options(isolation_level="REPEATABLE READ")
            with plain.begin():
                yield plain

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """Give a connection whose changes stand all together or not at all.

        Writers wait for one another: SQLite's write lock, or the lock of the head's row.
        """
        with self._told(), self._engine.begin() as connection:
            if not self.is_sqlite:
                connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{_LOCK_WAIT}s'")
            connection.execute(sa.select(HEAD.c.id).with_for_update())
            yield connection

    def close(self) -> None:
        """Let go of the database."""
        self._engine.dispose()

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Tell the database's own failures in words, without secrets."""
        try:
            yield
        except exc.SQLAlchemyError as error:
            raise self._in_words(error) from None

    def _in_words(self, error: exc.SQLAlchemyError) -> LedgerError:
        original = getattr(error, "orig", None)
        text = self._without_secrets(str(original or error)).strip().partition("\n")[0]
        lowered = text.lower()
        if "rows are kept" in lowered:
            return LedgerError("账本的记录只能增加", [Fault(self.shown, "不许改动或删除已记的行")])
        if "locked" in lowered or "lock timeout" in lowered:
            mend = "等那一个命令结束后再试"
            return LedgerError("账本正被别人使用", [Fault(self.shown, "等不到写入", mend=mend)])
        if isinstance(original, sqlite3.Error):
            mend = "检查文件是否可写、是否完好；坏了用备份恢复"
        else:
            mend = "检查地址、账号、密码、库名和网络"
        return LedgerError(
            "账本用不了", [Fault(self.shown, "数据库不应答", found=text[:200], mend=mend)]
        )

    def _without_secrets(self, text: str) -> str:
        query = self._url.query
        held = [self._url.password, query.get("password")]
        for secret in held:
            if isinstance(secret, str) and secret:
                text = text.replace(secret, "***")
        return text


def _parsed(url: str | None, folder: Path) -> sa.URL:
    if url is None:
        return sa.URL.create("sqlite", database=str(folder / SQLITE_FILE))
    mend = "写作 postgresql+psycopg://账号@服务器/库名，或 sqlite:///文件名"
    try:
        parsed = sa.make_url(url)
        backend = parsed.get_backend_name()
    except exc.ArgumentError:
        raise LedgerError(
            "账本的地址写得不对", [Fault("[ledger] url", "读不懂", mend=mend)]
        ) from None
    if backend == "sqlite":
        name = parsed.database
        if not name or name == ":memory:":
            raise LedgerError(
                "账本的地址没有文件名", [Fault("[ledger] url", "缺文件名", mend=mend)]
            )
        return parsed.set(database=str(folder / name))
    if backend != "postgresql":
        fault = Fault("[ledger] url", "只用 SQLite 或 PostgreSQL", found=backend, mend=mend)
        raise LedgerError("账本的数据库不对", [fault])
    return parsed.set(drivername="postgresql+psycopg")


def _engine(url: sa.URL, *, sqlite: bool) -> sa.Engine:
    if not sqlite:
        # No prepared statements, so that it works behind a connection pooler too.
        waits: dict[str, Any] = {"connect_timeout": 10, "prepare_threshold": None}
        return sa.create_engine(
            url, poolclass=sa.NullPool, connect_args=waits, hide_parameters=True
        )
    engine = sa.create_engine(
        url, poolclass=sa.NullPool, connect_args={"timeout": _LOCK_WAIT}, hide_parameters=True
    )

    @sa.event.listens_for(engine, "connect")
    def _no_own_transactions(connection: Any, _record: Any) -> None:
        connection.isolation_level = None

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        reading = connection.get_execution_options().get("drg_engine_reading", False)
        connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")

    return engine
