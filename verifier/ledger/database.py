"""Opening the ledger's SQLite file: durable, one writer, migrated, failures as one line."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from sqlalchemy import Engine, create_engine, event, text
from sqlalchemy.exc import DatabaseError, IntegrityError, OperationalError
from sqlalchemy.orm import Session

from circuits.errors import BadInput, InputReason
from verifier.files import make_directory

FILE_NAME = "ledger.sqlite3"
BUSY_TIMEOUT_MS = 30_000
_MIGRATIONS = Path(__file__).parent / "migrations"


class Database:
    """A migrated ledger file. Readers see one snapshot; writers wait for each other."""

    def __init__(self, engine: Engine, path: Path) -> None:
        self._engine = engine
        self.path = path

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A session over one consistent snapshot; changes made in it are dropped."""
        with self._session("BEGIN") as session:
            try:
                yield session
            finally:
                session.rollback()

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """A session that holds the write lock from its start; commits if the block returns."""
        with self._session("BEGIN IMMEDIATE") as session:
            try:
                yield session
                session.commit()
            except BaseException:
                session.rollback()
                raise

    @contextmanager
    def _session(self, begin: str) -> Iterator[Session]:
        with _one_line(self.path):
            engine = self._engine.execution_options(begin=begin)
            with Session(engine, expire_on_commit=False) as session:
                yield session

    def close(self) -> None:
        """Release the file."""
        self._engine.dispose()


@contextmanager
def _one_line(path: Path) -> Iterator[None]:
    try:
        yield
    except IntegrityError:
        raise
    except DatabaseError as error:
        raise _bad_input(path, error) from None


def _bad_input(path: Path, error: DatabaseError) -> BadInput:
    words = str(error.orig)
    code = getattr(error.orig, "sqlite_errorcode", None)
    primary = code & 0xFF if isinstance(code, int) else None
    if primary in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_IOERR):
        return BadInput(InputReason.WRITE_FAILED, f"{path}: {words}")
    if primary in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return BadInput(InputReason.WRITE_FAILED, f"{path}: another process holds it")
    if primary in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM):
        return BadInput(InputReason.STORE_MISSING, f"{path}: {words}")
    return BadInput(InputReason.STORE_CORRUPT, f"{path}: {words}")


def _connect(connection: sqlite3.Connection, _record: Any) -> None:
    connection.isolation_level = None  # transactions begin where this module says
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.close()


def _begin(connection: Any) -> None:
    connection.exec_driver_sql(connection.get_execution_options().get("begin", "BEGIN"))


def open_database(directory: Path | str, *, create: bool) -> Database:
    """Open (and migrate) the ledger in ``directory``.

    ``BadInput``: STORE_MISSING when there is none and ``create`` is false, STORE_CORRUPT when what
    lies there is not a ledger of this version, WRITE_FAILED.
    """
    path = Path(directory) / FILE_NAME
    if not path.is_file() and not create:
        raise BadInput(InputReason.STORE_MISSING, f"{directory}: no ledger here")
    make_directory(path.parent)
    engine = create_engine(f"sqlite:///{path}")
    event.listen(engine, "connect", _connect)
    event.listen(engine, "begin", _begin)
    try:
        with _one_line(path):
            _check(engine, path)
            _migrate(engine, path)
    except BaseException:
        engine.dispose()
        raise
    return Database(engine, path)


def _check(engine: Engine, path: Path) -> None:
    with engine.connect() as connection:
        result = connection.execute(text("PRAGMA quick_check(1)")).scalar()
        if result != "ok":
            raise BadInput(InputReason.STORE_CORRUPT, f"{path}: {result}")


def _migrate(engine: Engine, path: Path) -> None:
    from alembic.script import ScriptDirectory
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    head = ScriptDirectory.from_config(config).get_current_head()
    with engine.connect() as connection:
        if _current_revision(connection) == head:
            return
    with engine.execution_options(begin="BEGIN IMMEDIATE").begin() as connection:
        config.attributes["connection"] = connection
        try:
            command.upgrade(config, "head")
        except CommandError:
            raise BadInput(
                InputReason.STORE_CORRUPT, f"{path}: written by an unknown version of zkmeter"
            ) from None
        except OperationalError as error:
            if "already exists" in str(error.orig):
                raise BadInput(InputReason.STORE_CORRUPT, f"{path}: not a ledger") from None
            raise


def _current_revision(connection: Any) -> str | None:
    from alembic.runtime.migration import MigrationContext

    return MigrationContext.configure(connection).get_current_revision()
