"""The operator's store: signed checkpoints, raw records and salts, in one SQLite file.

An imported epoch arrives in three steps so that neither side is ever ahead for good: ``stage``
(the data are on disk, not yet visible), then the device persists its own state, then ``publish``.
What an interruption leaves staged is settled by the next import, which has the device's state.

A received epoch grows checkpoint by checkpoint (``prover.live_store``). What did not come through
is simply absent from it, and nothing over a gap can be read (``WINDOWS``); in an imported epoch
anything absent is damage.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from circuits.chain import CHAIN_ELEMENTS
from circuits.checkpoint import Checkpoint, decode_checkpoint
from circuits.errors import BadInput, InputReason, Rejected
from prover.database import checked_rows, connection, transaction
from prover.device import DeviceState, SignedEpoch
from prover.log import WindowLog
from verifier.claim import SignedCheckpoint
from verifier.contract import Start, Terms
from verifier.signatures import require_checkpoint_signature

STORE_NAME = "store.sqlite3"
VERSION = 1
_IMPORT_SCRIPT = """
CREATE TABLE epochs (
    device BLOB NOT NULL, epoch INTEGER NOT NULL, staged INTEGER NOT NULL, schema BLOB NOT NULL,
    elements INTEGER NOT NULL, window_ms INTEGER NOT NULL, terms BLOB NOT NULL,
    PRIMARY KEY (device, epoch)
) STRICT;
CREATE TABLE checkpoints (
    device BLOB NOT NULL, epoch INTEGER NOT NULL, number INTEGER NOT NULL, encoded BLOB NOT NULL,
    signature BLOB NOT NULL,
    PRIMARY KEY (device, epoch, number),
    FOREIGN KEY (device, epoch) REFERENCES epochs ON DELETE CASCADE
) STRICT;
CREATE TABLE windows (
    device BLOB NOT NULL, epoch INTEGER NOT NULL, number INTEGER NOT NULL, records BLOB NOT NULL,
    salt BLOB NOT NULL, digest BLOB NOT NULL,
    PRIMARY KEY (device, epoch, number),
    FOREIGN KEY (device, epoch) REFERENCES epochs ON DELETE CASCADE
) STRICT;
"""
GATEWAY_SCRIPT = """
CREATE TABLE IF NOT EXISTS received (
    device BLOB NOT NULL, epoch INTEGER NOT NULL, PRIMARY KEY (device, epoch)
) STRICT;
CREATE TABLE IF NOT EXISTS sessions (
    device BLOB NOT NULL, epoch INTEGER NOT NULL, body BLOB NOT NULL, PRIMARY KEY (device, epoch)
) STRICT;
CREATE TABLE IF NOT EXISTS frames (
    device BLOB NOT NULL, epoch INTEGER NOT NULL, number INTEGER NOT NULL,
    sequence INTEGER NOT NULL, body BLOB NOT NULL,
    PRIMARY KEY (device, epoch, number, sequence)
) STRICT
"""
SCRIPT = _IMPORT_SCRIPT + GATEWAY_SCRIPT
_WORD = np.dtype("<u4")


@dataclass(frozen=True)
class StoredEpoch:
    """One epoch in the store: its device, number, record layout, window length and window count.

    Windows of a received epoch that were lost count, also those that only the next one's opening
    tells of.
    """

    device: bytes
    epoch: int
    schema: bytes
    elements: int
    window_ms: int
    windows: int


@dataclass(frozen=True)
class WindowEntry:
    """One line of the windows listing; times in ms since 1970 UTC, end exclusive.

    ``checkpoint`` is the one that closes the window, as a contract's ``start`` would name it.
    ``lost`` says that the gateway could not verify the window's readings.
    """

    device: bytes
    epoch: int
    index: int
    records: int
    start_ms: int
    end_ms: int
    checkpoint: str
    signed: bool
    lost: bool = False


class Store:
    """An open store; use ``open_store``."""

    def __init__(self, path: Path, opened: sqlite3.Connection) -> None:
        self.path = path
        self._db = opened

    def settle(self, device: bytes, state: DeviceState) -> int | None:
        """Publish or drop what an interrupted import left staged; the epoch published, if any."""
        published = None
        rows = self._db.execute(
            "SELECT epoch FROM epochs WHERE device = ? AND staged = 1", (device,)
        ).fetchall()
        for (epoch,) in rows:
            if self._last_chain(device, epoch) == state.chain and epoch == state.epoch:
                self.publish(device, epoch)
                published = int(epoch)
            else:
                self.discard(device, epoch)
        return published

    def stage(self, terms: Terms, made: SignedEpoch) -> None:
        """Put an epoch on disk, invisible until ``publish``."""
        device = made.checkpoints[0].checkpoint.device
        key = (device, made.epoch)
        schema = terms.schema
        with transaction(self._db):
            self._require_new(device, made.epoch)
            self._db.execute(
                "INSERT INTO epochs VALUES (?, ?, 1, ?, ?, ?, ?)",
                (*key, schema.digest(), schema.elements, terms.window_ms, terms.digest),
            )
            self._db.executemany(
                "INSERT INTO checkpoints VALUES (?, ?, ?, ?, ?)",
                (
                    (*key, s.checkpoint.index, s.checkpoint.encode(), s.signature)
                    for s in made.checkpoints
                ),
            )
            self._db.executemany(
                "INSERT INTO windows VALUES (?, ?, ?, ?, ?, ?)",
                ((*key, number, *packed(log)) for number, log in enumerate(made.windows)),
            )

    def publish(self, device: bytes, epoch: int) -> None:
        """Make a staged epoch visible."""
        with transaction(self._db):
            self._db.execute(
                "UPDATE epochs SET staged = 0 WHERE device = ? AND epoch = ?", (device, epoch)
            )

    def discard(self, device: bytes, epoch: int) -> None:
        """Drop a staged epoch that its device never signed for."""
        with transaction(self._db):
            self._db.execute(
                "DELETE FROM epochs WHERE device = ? AND epoch = ? AND staged = 1", (device, epoch)
            )

    def epochs(self, device: bytes | None = None) -> list[StoredEpoch]:
        """All published epochs (of one device), in order."""
        rows = self._db.execute(
            "SELECT device, epoch, schema, elements, window_ms, max("
            " ifnull((SELECT max(number) FROM checkpoints c"
            "  WHERE c.device = e.device AND c.epoch = e.epoch), 0),"
            " ifnull((SELECT max(number) + 1 FROM windows w"
            "  WHERE w.device = e.device AND w.epoch = e.epoch), 0))"
            " FROM epochs e WHERE staged = 0 AND (?1 IS NULL OR device = ?1)"
            " ORDER BY device, epoch",
            (device,),
        )
        types = (bytes, int, bytes, int, int, int)
        found = [StoredEpoch(*row) for row in checked_rows(self.path, rows, types)]
        return [replace(e, windows=max(e.windows, self._linked_windows(e))) for e in found]

    def windows(self) -> list[WindowEntry]:
        """Every published window, by device, epoch and index."""
        return [entry for epoch in self.epochs() for entry in self._entries(epoch)]

    def checkpoints(
        self, device: bytes, epoch: int, first: int, last: int
    ) -> list[SignedCheckpoint]:
        """Signed checkpoints first..last of an epoch, signatures checked; ``STORE_CORRUPT``."""
        found = self._read_checkpoints(device, epoch, first, last)
        for signed in found:
            try:
                require_checkpoint_signature(signed.checkpoint, signed.signature)
            except Rejected as rejected:
                raise self._corrupt(rejected.detail) from None
        return found

    def load_windows(self, stored: StoredEpoch, first: int, last: int) -> list[WindowLog]:
        """Windows first..last of an epoch; ``STORE_CORRUPT`` when a byte of them has changed."""
        return list(self.iterate_windows(stored, first, last))

    def iterate_windows(self, stored: StoredEpoch, first: int, last: int) -> Iterator[WindowLog]:
        """The same one by one, for long histories."""
        rows = self._db.execute(
            "SELECT number, records, salt, digest FROM windows"
            " WHERE device = ? AND epoch = ? AND number BETWEEN ? AND ? ORDER BY number",
            (stored.device, stored.epoch, first, last),
        )
        expected = first
        types = (int, bytes, bytes, bytes)
        for number, records, salt, digest in checked_rows(self.path, rows, types):
            where = f"epoch {stored.epoch} window {number}"
            if number != expected:
                raise self._absent(stored.device, stored.epoch, f"window {expected}")
            if _digest(records, salt) != digest:
                raise self._corrupt(where)
            if len(records) % (4 * stored.elements) or len(salt) != 4 * CHAIN_ELEMENTS:
                raise self._corrupt(where)
            yield WindowLog(
                np.frombuffer(records, _WORD).astype(np.uint64).reshape(-1, stored.elements),
                np.frombuffer(salt, _WORD).astype(np.uint64),
            )
            expected += 1
        if expected != last + 1:
            raise self._absent(stored.device, stored.epoch, f"window {expected}")

    def _entries(self, stored: StoredEpoch) -> Iterator[WindowEntry]:
        if self._is_received(stored.device, stored.epoch):
            found = self._present_checkpoints(stored.device, stored.epoch, 1, stored.windows)
        else:
            found = self._read_checkpoints(stored.device, stored.epoch, 1, stored.windows)
        rows = self._db.execute(
            "SELECT number FROM windows WHERE device = ? AND epoch = ?",
            (stored.device, stored.epoch),
        )
        held = {number for (number,) in checked_rows(self.path, rows, (int,))}
        for signed in found:
            checkpoint = signed.checkpoint
            yield WindowEntry(
                stored.device,
                stored.epoch,
                checkpoint.index - 1,
                checkpoint.records_in_window,
                checkpoint.start_ms,
                checkpoint.end_ms,
                Start(checkpoint.epoch, checkpoint.index, checkpoint.chain).text,
                _is_signed(signed),
                checkpoint.index - 1 not in held,
            )

    def _read_checkpoints(
        self, device: bytes, epoch: int, first: int, last: int
    ) -> list[SignedCheckpoint]:
        found = self._present_checkpoints(device, epoch, first, last)
        if len(found) != last - first + 1:
            raise self._absent(device, epoch, f"one of the checkpoints {first}..{last}")
        return found

    def _present_checkpoints(
        self, device: bytes, epoch: int, first: int, last: int
    ) -> list[SignedCheckpoint]:
        """Those of checkpoints first..last that are there, each at its own place."""
        rows = self._db.execute(
            "SELECT number, encoded, signature FROM checkpoints"
            " WHERE device = ? AND epoch = ? AND number BETWEEN ? AND ? ORDER BY number",
            (device, epoch, first, last),
        )
        found = []
        for number, encoded, signature in checked_rows(self.path, rows, (int, bytes, bytes)):
            checkpoint = self._decode(encoded)
            if (checkpoint.device, checkpoint.epoch, checkpoint.index) != (device, epoch, number):
                raise self._corrupt(f"checkpoint {number} of epoch {epoch} is another's")
            found.append(SignedCheckpoint(checkpoint, signature))
        return found

    def _linked_windows(self, stored: StoredEpoch) -> int:
        """How many windows the next epoch's opening says that this one has, 0 without it."""
        found = self._present_checkpoints(stored.device, stored.epoch + 1, 0, 0)
        link = found[0].checkpoint.link if found else None
        return 0 if link is None else link.index

    def _is_received(self, device: bytes, epoch: int) -> bool:
        row = self._db.execute(
            "SELECT 1 FROM received WHERE device = ? AND epoch = ?", (device, epoch)
        ).fetchone()
        return row is not None

    def _absent(self, device: bytes, epoch: int, what: str) -> BadInput:
        if self._is_received(device, epoch):
            return BadInput(
                InputReason.WINDOWS,
                f"{self.path}: {what} of epoch {epoch} did not come through the gateway",
            )
        return self._corrupt(f"{what} of epoch {epoch} is missing")

    def _decode(self, encoded: bytes) -> Checkpoint:
        try:
            return decode_checkpoint(encoded)
        except Rejected as rejected:
            raise self._corrupt(rejected.detail) from None

    def _last_chain(self, device: bytes, epoch: int) -> tuple[int, ...]:
        rows = self._db.execute(
            "SELECT encoded FROM checkpoints WHERE device = ? AND epoch = ?"
            " ORDER BY number DESC LIMIT 1",
            (device, epoch),
        )
        chains = [self._decode(row[0]).chain for row in checked_rows(self.path, rows, (bytes,))]
        return chains[0] if chains else ()

    def _require_new(self, device: bytes, epoch: int) -> None:
        row = self._db.execute(
            "SELECT 1 FROM epochs WHERE device = ? AND epoch = ?", (device, epoch)
        ).fetchone()
        if row is not None:
            raise BadInput(
                InputReason.DEVICE_MISMATCH,
                f"{self.path}: already holds epoch {epoch} of this device (was the device's"
                " directory restored from a copy?)",
            )

    def _corrupt(self, what: str) -> BadInput:
        return BadInput(InputReason.STORE_CORRUPT, f"{self.path}: damaged ({what})")


def packed(log: WindowLog) -> tuple[bytes, bytes, bytes]:
    """A window as the store holds it: records, salt, and a digest of both."""
    records = log.records.astype(_WORD).tobytes()
    salt = log.salt.astype(_WORD).tobytes()
    return records, salt, _digest(records, salt)


def _digest(records: bytes, salt: bytes) -> bytes:
    return hashlib.blake2s(salt + records, person=b"zkm:wlog").digest()


def _is_signed(signed: SignedCheckpoint) -> bool:
    try:
        require_checkpoint_signature(signed.checkpoint, signed.signature)
    except Rejected:
        return False
    return True


@contextmanager
def open_store(directory: Path | str, *, create: bool = False) -> Iterator[Store]:
    """Open the store in ``directory``; ``STORE_MISSING`` unless there or ``create``."""
    path = Path(directory) / STORE_NAME
    with connection(path, VERSION, SCRIPT, create=create) as opened:
        yield Store(path, opened)
