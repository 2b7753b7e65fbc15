"""One statement per window, kept beside the operator's keys.

A supplier could reject a claim and ask again with shifted thresholds until it knew a reading. So
before a claim leaves, the operator's directory durably records which statement was made over each
window, and another statement over a recorded window is refused. What the contract counts up to the
end of a claim is kept with it, so that the next claim need not measure the log from its beginning.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from circuits.errors import BadInput, InputReason
from prover.database import checked_rows, connection, transaction

STATEMENTS_NAME = "statements.sqlite3"
_VERSION = 2
_SCRIPT = """
CREATE TABLE statements (
    terms BLOB NOT NULL, device BLOB NOT NULL, epoch INTEGER NOT NULL, number INTEGER NOT NULL,
    first INTEGER NOT NULL, last INTEGER NOT NULL, digest BLOB NOT NULL,
    PRIMARY KEY (terms, device, epoch, number)
) STRICT;
CREATE TABLE standings (
    terms BLOB NOT NULL, checkpoint BLOB NOT NULL, counted TEXT NOT NULL,
    PRIMARY KEY (terms, checkpoint)
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


@dataclass(frozen=True)
class Counted:
    """What a contract counts up to a checkpoint: totals, records, carried values by name."""

    totals: tuple[int, ...]
    records: int
    carried: Mapping[str, int]

    def encode(self) -> str:
        """JSON text; integers may be of any size."""
        return json.dumps([list(self.totals), self.records, dict(self.carried)])

    @classmethod
    def decode(cls, text: str, path: Path) -> Counted:
        """The inverse; ``STORE_CORRUPT`` on anything else."""
        try:
            totals, records, carried = json.loads(text)
            counted = cls(tuple(totals), records, dict(carried))
        except (ValueError, TypeError, RecursionError):
            raise BadInput(InputReason.STORE_CORRUPT, f"{path}: damaged (standings)") from None
        numbers = (*counted.totals, counted.records, *counted.carried.values())
        if not all(type(number) is int for number in numbers):
            raise BadInput(InputReason.STORE_CORRUPT, f"{path}: damaged (standings)")
        return counted


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

    def counted_at(self, terms_digest: bytes, checkpoint_digest: bytes) -> Counted | None:
        """What was counted up to a checkpoint where a recorded claim ended."""
        rows = self._db.execute(
            "SELECT counted FROM standings WHERE terms = ? AND checkpoint = ?",
            (terms_digest, checkpoint_digest),
        )
        for (text,) in checked_rows(self.path, rows, (str,)):
            return Counted.decode(text, self.path)
        return None

    def record(
        self, span: Span, statement_digest: bytes, checkpoint_digest: bytes, after: Counted
    ) -> None:
        """Durably record a statement (32-byte digest); the same one again is fine.

        ``after`` is what is counted up to the claim's last checkpoint.
        """
        with transaction(self._db):
            self._db.execute(
                "INSERT OR REPLACE INTO standings VALUES (?, ?, ?)",
                (span.terms_digest, checkpoint_digest, after.encode()),
            )
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
