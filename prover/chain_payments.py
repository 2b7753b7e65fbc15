"""What the network shows an escrow to have paid, in the operator's record of what it signed.

A payment that the record did not sign can come from the supplier and an arbiter, or from before the
record was lost. What it was for must be known before anything else is signed.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from prover.database import checked_rows, transaction
from verifier.iota.history import MAXIMUM_NANOS, History
from verifier.iota.payment import refuse

SCRIPT = """
CREATE TABLE chain_payments (
    digest BLOB NOT NULL, network TEXT NOT NULL, escrow TEXT NOT NULL, payee TEXT NOT NULL,
    nanos INTEGER NOT NULL, content BLOB NOT NULL, terms BLOB NOT NULL, before INTEGER NOT NULL,
    after INTEGER NOT NULL,
    PRIMARY KEY (digest, payee)
) STRICT;
CREATE TABLE looked (
    network TEXT NOT NULL, escrow TEXT NOT NULL, payee TEXT NOT NULL, checkpoint INTEGER NOT NULL,
    PRIMARY KEY (network, escrow, payee)
) STRICT;
CREATE TABLE others (
    digest BLOB NOT NULL, payee TEXT NOT NULL, terms BLOB NOT NULL,
    PRIMARY KEY (digest, payee, terms)
) STRICT;
CREATE TABLE silences (network TEXT NOT NULL PRIMARY KEY, epoch INTEGER NOT NULL) STRICT
"""
_PAYMENTS = """
SELECT digest, network, escrow, payee, nanos, content, terms, before, after FROM chain_payments
WHERE network = ? AND escrow = ? ORDER BY rowid
"""
_TYPES = (bytes, str, str, str, int, bytes, bytes, int, int)


@dataclass(frozen=True)
class Escrowed:
    """Whose payments to whom: a network, an escrow's address, a payee's."""

    network: str
    escrow: str
    payee: str


@dataclass(frozen=True)
class ChainPayment:
    """A transaction of the escrow that the record did not sign, and what it paid the payee.

    It counts for nanos (before, after] of what the vouchers of the contract ``terms_digest`` add up
    to; for none, and of no contract, while nobody said what it was for. ``content`` is the signed
    transaction in BCS.
    """

    digest: bytes
    network: str
    escrow: str
    payee: str
    nanos: int
    content: bytes
    terms_digest: bytes = b""
    before_nanos: int = 0
    after_nanos: int = 0


class ChainPayments:
    """This part of the open record; use ``SignedPlans.chain``."""

    def __init__(self, path: Path, opened: sqlite3.Connection) -> None:
        self._path = path
        self._db = opened

    def payments(self, network: str, escrow: str) -> list[ChainPayment]:
        """What an escrow paid without this record, to anybody who was asked about."""
        rows = self._db.execute(_PAYMENTS, (network, escrow))
        return [ChainPayment(*row) for row in checked_rows(self._path, rows, _TYPES)]

    def counted(self, terms_digest: bytes) -> list[tuple[int, int]]:
        """The nanos (before, after] of a contract's vouchers that such payments count for."""
        query = "SELECT before, after FROM chain_payments WHERE terms = ? AND before < after"
        rows = self._db.execute(query, (terms_digest,))
        return [(before, after) for before, after in checked_rows(self._path, rows, (int, int))]

    def is_other(self, payment: ChainPayment, terms_digest: bytes) -> bool:
        """Whether somebody said that a payment was for nothing that this contract owes."""
        query = "SELECT count(*) FROM others WHERE digest = ? AND payee = ? AND terms = ?"
        values = (payment.digest, payment.payee, terms_digest)
        return bool(self._db.execute(query, values).fetchone()[0])

    def is_decided(self, payment: ChainPayment, terms_digest: bytes) -> bool:
        """Whether it is known what a payment means for this contract."""
        return bool(payment.terms_digest) or self.is_other(payment, terms_digest)

    def looked_to(self, where: Escrowed) -> int | None:
        """The checkpoint up to which the network was asked; None for never."""
        query = "SELECT checkpoint FROM looked WHERE network = ? AND escrow = ? AND payee = ?"
        rows = self._db.execute(query, (where.network, where.escrow, where.payee))
        return max((row[0] for row in checked_rows(self._path, rows, (int,))), default=None)

    def saw(self, where: Escrowed, history: History, *, anew: bool = False) -> None:
        """Keep what the network shows; a plan of the record that is in it was executed for sure.

        ``anew``: how far it was looked is as far as this history goes, whatever was said before.
        """
        with transaction(self._db):
            for one in history.sent:
                # most are known from earlier rounds: nothing of them is written again
                self._db.execute(
                    "UPDATE plans SET fate = 'executed' WHERE digest = ? AND fate <> 'executed'",
                    (one.digest,),
                )
                ours = "SELECT count(*) FROM plans WHERE digest = ?"
                if self._db.execute(ours, (one.digest,)).fetchone()[0] or not one.received_nanos:
                    continue
                names = (one.digest, where.network, where.escrow, where.payee)
                self._db.execute(
                    "INSERT OR IGNORE INTO chain_payments VALUES (?, ?, ?, ?, ?, ?, x'', 0, 0)",
                    (*names, one.received_nanos, one.content),
                )
            before = 0 if anew else self.looked_to(where) or 0
            self._db.execute(
                "INSERT OR REPLACE INTO looked VALUES (?, ?, ?, ?)",
                (where.network, where.escrow, where.payee, max(before, history.latest)),
            )

    def count(self, payment: ChainPayment, terms_digest: bytes, span: tuple[int, int]) -> None:
        """Say which nanos (before, after], at least one, of a contract's vouchers it was for."""
        with transaction(self._db):
            self._db.execute(
                "UPDATE chain_payments SET terms = ?, before = ?, after = ?"
                " WHERE digest = ? AND payee = ?",
                (terms_digest, *span, payment.digest, payment.payee),
            )

    def set_aside(self, payment: ChainPayment, terms_digest: bytes) -> None:
        """Say that a payment was for nothing that this contract owes; of others it says nothing."""
        with transaction(self._db):
            self._db.execute(
                "INSERT OR IGNORE INTO others VALUES (?, ?, ?)",
                (payment.digest, payment.payee, terms_digest),
            )

    def be_silent(self, network: str, epoch: int) -> None:
        """Sign nothing on a network up to the end of an epoch."""
        with transaction(self._db):
            self._db.execute(
                "INSERT INTO silences VALUES (?, ?) ON CONFLICT DO UPDATE"
                " SET epoch = max(epoch, excluded.epoch)",
                (network, epoch),
            )

    def silent_to(self, network: str) -> int | None:
        """The last epoch in which nothing may be signed; None where nothing was lost."""
        query = "SELECT epoch FROM silences WHERE network = ?"
        rows = self._db.execute(query, (network,))
        return max((row[0] for row in checked_rows(self._path, rows, (int,))), default=None)


def first_gap(covered: Sequence[tuple[int, int]], nanos: int) -> tuple[int, int]:
    """The lowest nanos (before, before + nanos] that none of the sorted spans has."""
    before = 0
    for begin, end in covered:
        if begin - before >= nanos:
            break
        before = max(before, end)
    if before + nanos > MAXIMUM_NANOS:
        raise refuse("payments of more than 2^63-1 nanos")
    return before, before + nanos
