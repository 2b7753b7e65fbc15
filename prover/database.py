"""SQLite files of the operator: one way to open them, one line when something is wrong."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from circuits.errors import BadInput, InputReason
from verifier.files import PRIVATE_MODE, make_directory

_ENVIRONMENT_CODES = {
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_PERM,
}
_BUSY_SECONDS = 20.0


@contextmanager
def guarded(path: Path) -> Iterator[None]:
    """Turn SQLite's errors into ``WRITE_FAILED`` (disk, lock) or ``STORE_CORRUPT``."""
    try:
        yield
    except UnicodeDecodeError:  # SQLite's own error text quotes damaged bytes
        raise BadInput(InputReason.STORE_CORRUPT, f"{path}: damaged") from None
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", None)
        if code is not None and (code & 0xFF) in _ENVIRONMENT_CODES:
            raise BadInput(InputReason.WRITE_FAILED, f"{path}: {error}") from None
        raise BadInput(InputReason.STORE_CORRUPT, f"{path}: damaged ({error})") from None


@contextmanager
def connection(
    path: Path, version: int, script: str, *, create: bool
) -> Iterator[sqlite3.Connection]:
    """A connection to a database of this format, made anew when ``create`` and absent.

    ``STORE_MISSING`` when absent otherwise, ``STORE_CORRUPT`` when it is something else. The file
    is readable by its owner only; every commit is flushed to disk,
    the directory too: a journal that came back would undo it.
    """
    if create:
        make_directory(path.parent, mode=0o700)
    elif not path.exists():
        raise BadInput(InputReason.STORE_MISSING, f"{path}: no such store")
    with guarded(path):
        opened = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None)
        with closing(opened):
            opened.execute("PRAGMA synchronous = EXTRA")
            opened.execute("PRAGMA foreign_keys = ON")
            found = opened.execute("PRAGMA user_version").fetchone()[0]
            if found == 0 and create:
                path.chmod(PRIVATE_MODE)
                opened.executescript(
                    f"BEGIN IMMEDIATE; {script}; PRAGMA user_version = {version}; COMMIT;"
                )
            elif found != version:
                raise BadInput(
                    InputReason.STORE_CORRUPT, f"{path}: format {found}, expected {version}"
                )
            yield opened


def checked_rows(
    path: Path, rows: Iterable[tuple[Any, ...]], types: tuple[type, ...]
) -> Iterator[tuple[Any, ...]]:
    """Rows whose cells have exactly these types; in a damaged file they may not (STORE_CORRUPT)."""
    for row in rows:
        if tuple(type(cell) for cell in row) != types:
            raise BadInput(InputReason.STORE_CORRUPT, f"{path}: damaged (cell types)")
        yield row


@contextmanager
def transaction(opened: sqlite3.Connection) -> Iterator[None]:
    """All or nothing: one writer at a time, committed at the end, undone on any exception."""
    opened.execute("BEGIN IMMEDIATE")
    try:
        yield
        opened.execute("COMMIT")
    except BaseException:
        if opened.in_transaction:
            opened.execute("ROLLBACK")
        raise
