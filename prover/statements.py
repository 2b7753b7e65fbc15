"""One statement per window, kept beside the operator's keys.

A supplier could reject a claim and ask again with shifted thresholds until it knew a reading. So
before a claim leaves, the operator's directory durably records which statement was made over each
window, and another statement over a recorded window is refused.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from circuits.errors import BadInput, InputReason
from prover.database import checked_rows, connection, transaction

STATEMENTS_NAME = "statements.sqlite3"
_VERSION = 1
_SCRIPT = """
CREATE TABLE statements (
    terms BLOB NOT NULL, device BLOB NOT NULL, epoch INTEGER NOT NULL, number INTEGER NOT NULL,
    first INTEGER NOT NULL, last INTEGER NOT NULL, digest BLOB NOT NULL,
    PRIMARY KEY (terms, device, epoch, number)
) STRICT
"""


@dataclass(frozen=True)
class Span:
    """Windows first..last (inclusive) of one epoch of one device, under one contract."""

    terms_digest: bytes
    device: bytes
    epoch: int
    first: int
    last: int

    @property
    def key(self) -> tuple[bytes, bytes, int]:
        """What the record is kept under."""
        return self.terms_digest, self.device, self.epoch


class Statements:
    """The open record; use ``open_statements``."""

    def __init__(self, path: Path, opened: sqlite3.Connection) -> None:
        self.path = path
        self._db = opened

    def require_free(self, span: Span) -> None:
        """``STATEMENT_CONFLICT`` when a window of the span is recorded under another span.

        Cheap, asked before proving; ``record`` decides.
        """
        for number, first, last, _ in self._recorded(span):
            if (first, last) != (span.first, span.last):
                raise self._conflict(span, number, first, last)

    def record(self, span: Span, statement_digest: bytes) -> None:
        """Durably record a statement (32-byte digest); the same one again is fine."""
        with transaction(self._db):
            found = self._recorded(span)
            for number, first, last, digest in found:
                if (first, last, digest) != (span.first, span.last, statement_digest):
                    raise self._conflict(span, number, first, last)
            if not found:
                self._db.executemany(
                    "INSERT INTO statements VALUES (?, ?, ?, ?, ?, ?, ?)",
                    (
                        (*span.key, number, span.first, span.last, statement_digest)
                        for number in range(span.first, span.last + 1)
                    ),
                )

    def _recorded(self, span: Span) -> list[tuple[int, int, int, bytes]]:
        rows = self._db.execute(
            "SELECT number, first, last, digest FROM statements WHERE terms = ? AND device = ?"
            " AND epoch = ? AND number BETWEEN ? AND ? ORDER BY number",
            (*span.key, span.first, span.last),
        )
        return [
            (number, first, last, digest)
            for number, first, last, digest in checked_rows(self.path, rows, (int, int, int, bytes))
        ]

    @staticmethod
    def _conflict(span: Span, number: int, first: int, last: int) -> BadInput:
        return BadInput(
            InputReason.STATEMENT_CONFLICT,
            f"window {number} of epoch {span.epoch} already has a statement (windows"
            f" {first}..{last}); another one is never made",
        )


@contextmanager
def open_statements(keys_directory: Path | str) -> Iterator[Statements]:
    """Open (or begin) the record in the operator's key directory."""
    path = Path(keys_directory) / STATEMENTS_NAME
    with connection(path, _VERSION, _SCRIPT, create=True) as opened:
        yield Statements(path, opened)
