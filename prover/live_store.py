"""The store's other side door: epochs that grow checkpoint by checkpoint as a device sends them.

Sessions and raw frames are kept until the window that they belong to is verified, so that a gateway
that stops in the middle of a window goes on where it was. Whatever arrives twice changes nothing.
Data frames are not signed, so there is a limit to what is kept of them.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from circuits.errors import BadInput, InputReason
from prover.database import checked_rows, connection, transaction
from prover.log import WindowLog
from prover.store import GATEWAY_SCRIPT, SCRIPT, STORE_NAME, VERSION, Store, packed
from verifier.claim import SignedCheckpoint
from verifier.contract import Terms

HEADER_SEQUENCE = -1  # the window frame's place among the window's frames
# what windows that are not verified may take; one with as many records as a claim can hold takes 30
MAXIMUM_KEPT_BYTES = 256 << 20
_ROW_BYTES = 64  # that a frame takes beside its body

Frame = tuple[int, int, int, bytes]  # epoch, window, sequence, header or message


class LiveStore(Store):
    """The store of one contract's device, growing; use ``open_live_store``."""

    def __init__(self, path: Path, opened: sqlite3.Connection, terms: Terms) -> None:
        super().__init__(path, opened)
        self._terms = terms
        self._device = terms.parties.device
        self._kept_bytes = self._count_kept_bytes()  # or more: counted again before it matters

    def session(self, epoch: int) -> bytes | None:
        """The body of the epoch's latest session frame."""
        return self._cell(
            "SELECT body FROM sessions WHERE device = ? AND epoch = ?", (self._device, epoch)
        )

    def keep_session(self, epoch: int, body: bytes) -> None:
        """Make this the epoch's session.

        Frames stay: they may be this one's, and have come before it.
        """
        with transaction(self._db):
            self._db.execute(
                "INSERT OR REPLACE INTO sessions VALUES (?, ?, ?)", (self._device, epoch, body)
            )

    def keep_frames(self, frames: Iterable[Frame]) -> None:
        """Keep headers and messages of windows that are not there yet, in one transaction.

        A new header means that the window began anew: messages after the old one go.
        """
        with transaction(self._db):
            for epoch, number, sequence, body in frames:
                if self.has_window(epoch, number):
                    continue
                if sequence == HEADER_SEQUENCE:
                    self._drop_after_another_header(epoch, number, body)
                self._db.execute(
                    "INSERT OR REPLACE INTO frames VALUES (?, ?, ?, ?, ?)",
                    (self._device, epoch, number, sequence, body),
                )
                self._kept_bytes += len(body) + _ROW_BYTES

    def drop_excess_frames(self) -> list[tuple[int, int]]:
        """Keep to ``MAXIMUM_KEPT_BYTES``; returns epoch and number of windows that lost theirs.

        Those to which nothing was added for the longest time go first. A quarter of the limit is
        free then, so that frames that replace each other do not have all of them counted again and
        again.
        """
        dropped: list[tuple[int, int]] = []
        if self._kept_bytes <= MAXIMUM_KEPT_BYTES:
            return dropped
        with transaction(self._db):
            self._kept_bytes = self._count_kept_bytes()
            if self._kept_bytes <= MAXIMUM_KEPT_BYTES * 3 // 4:
                return dropped
            rows = self._db.execute(
                "SELECT epoch, number, sum(length(body) + ?) FROM frames"
                " WHERE device = ? GROUP BY epoch, number ORDER BY max(rowid)",
                (_ROW_BYTES, self._device),
            ).fetchall()
            for epoch, number, size in checked_rows(self.path, rows, (int, int, int)):
                if self._kept_bytes <= MAXIMUM_KEPT_BYTES * 3 // 4:
                    break
                self._drop_window_frames(epoch, number)
                self._kept_bytes -= size
                dropped.append((epoch, number))
        return dropped

    def _count_kept_bytes(self) -> int:
        row = self._db.execute(
            "SELECT coalesce(sum(length(body) + ?), 0) FROM frames WHERE device = ?",
            (_ROW_BYTES, self._device),
        ).fetchone()
        return int(row[0])

    def frames(self, epoch: int, number: int) -> dict[int, bytes]:
        """The kept frames of a window by sequence, its header under ``HEADER_SEQUENCE``."""
        rows = self._db.execute(
            "SELECT sequence, body FROM frames"
            " WHERE device = ? AND epoch = ? AND number = ? ORDER BY sequence",
            (self._device, epoch, number),
        )
        return dict(checked_rows(self.path, rows, (int, bytes)))

    def unfinished(self, epoch: int) -> list[int]:
        """Windows of an epoch of which there are frames."""
        rows = self._db.execute(
            "SELECT DISTINCT number FROM frames WHERE device = ? AND epoch = ? ORDER BY number",
            (self._device, epoch),
        )
        return [number for (number,) in checked_rows(self.path, rows, (int,))]

    def has_windows(self, epoch: int) -> bool:
        """Whether readings of the epoch are in the store."""
        row = self._db.execute(
            "SELECT 1 FROM windows WHERE device = ? AND epoch = ? LIMIT 1", (self._device, epoch)
        ).fetchone()
        return row is not None

    def checkpoint(self, epoch: int, number: int) -> SignedCheckpoint | None:
        """One checkpoint, if it is there."""
        found = self._present_checkpoints(self._device, epoch, number, number)
        return found[0] if found else None

    def last_checkpoint(self, epoch: int) -> SignedCheckpoint | None:
        """The epoch's last checkpoint that is there."""
        row = self._db.execute(
            "SELECT max(number) FROM checkpoints WHERE device = ? AND epoch = ?",
            (self._device, epoch),
        ).fetchone()
        return None if row[0] is None else self.checkpoint(epoch, row[0])

    def has_window(self, epoch: int, number: int) -> bool:
        """Whether a window's readings are in the store."""
        row = self._db.execute(
            "SELECT 1 FROM windows WHERE device = ? AND epoch = ? AND number = ?",
            (self._device, epoch, number),
        ).fetchone()
        return row is not None

    def append(self, signed: SignedCheckpoint, log: WindowLog | None) -> SignedCheckpoint | None:
        """Add a checkpoint, and with it the window that it closes if that was verified.

        Where another process that reads the same device was faster nothing is changed; returns the
        checkpoint that is there then.
        """
        checkpoint, schema = signed.checkpoint, self._terms.schema
        key = (self._device, checkpoint.epoch)
        with transaction(self._db):
            known = self.checkpoint(checkpoint.epoch, checkpoint.index)
            if known is not None:
                return known
            self._db.execute("INSERT OR IGNORE INTO received VALUES (?, ?)", key)
            self._db.execute(
                "INSERT OR IGNORE INTO epochs VALUES (?, ?, 0, ?, ?, ?, ?)",
                (*key, schema.digest(), schema.elements, self._terms.window_ms, self._terms.digest),
            )
            self._db.execute(
                "INSERT INTO checkpoints VALUES (?, ?, ?, ?, ?)",
                (*key, checkpoint.index, checkpoint.encode(), signed.signature),
            )
            if log is not None:
                self._add_window(checkpoint.epoch, checkpoint.index - 1, log)
            if checkpoint.link is not None:
                # windows that the device says were never closed
                self._drop_frames(checkpoint.epoch - 1, checkpoint.link.index)
        return None

    def add_window(self, epoch: int, number: int, log: WindowLog) -> None:
        """Add a window whose checkpoints are there already, unless it is there too."""
        with transaction(self._db):
            if not self.has_window(epoch, number):
                self._add_window(epoch, number, log)

    def _add_window(self, epoch: int, number: int, log: WindowLog) -> None:
        self._db.execute(
            "INSERT INTO windows VALUES (?, ?, ?, ?, ?, ?)",
            (self._device, epoch, number, *packed(log)),
        )
        self._drop_window_frames(epoch, number)

    def _drop_after_another_header(self, epoch: int, number: int, header: bytes) -> None:
        known = self._cell(
            "SELECT body FROM frames"
            " WHERE device = ? AND epoch = ? AND number = ? AND sequence = ?",
            (self._device, epoch, number, HEADER_SEQUENCE),
        )
        if known not in (None, header):
            self._drop_window_frames(epoch, number)

    def _drop_window_frames(self, epoch: int, number: int) -> None:
        self._db.execute(
            "DELETE FROM frames WHERE device = ? AND epoch = ? AND number = ?",
            (self._device, epoch, number),
        )

    def _drop_frames(self, epoch: int, first: int) -> None:
        self._db.execute(
            "DELETE FROM frames WHERE device = ? AND epoch = ? AND number >= ?",
            (self._device, epoch, first),
        )

    def _cell(self, query: str, key: tuple[object, ...]) -> bytes | None:
        for (body,) in checked_rows(self.path, self._db.execute(query, key), (bytes,)):
            return bytes(body)
        return None


@contextmanager
def open_live_store(directory: Path | str, terms: Terms) -> Iterator[LiveStore]:
    """Open the store for what the contract's device sends, made anew when absent.

    ``DEVICE_MISMATCH`` when an import of the same device was interrupted and is not settled yet.
    """
    path = Path(directory) / STORE_NAME
    with connection(path, VERSION, SCRIPT, create=True) as opened:
        opened.executescript(f"BEGIN IMMEDIATE; {GATEWAY_SCRIPT}; COMMIT;")  # an older store
        staged = opened.execute(
            "SELECT 1 FROM epochs WHERE device = ? AND staged = 1", (terms.parties.device,)
        ).fetchone()
        if staged is not None:
            raise BadInput(
                InputReason.DEVICE_MISMATCH,
                f"{path}: an interrupted import of this device is not settled; import again first",
            )
        yield LiveStore(path, opened, terms)
