"""Settlements that the operator signed, and the receipts they pay, in the operator's store.

Written before a signature leaves. Whoever loses it can no longer tell which receipts were paid: so
it belongs to the wallets that began it, each when it was new or with what the network shows of its
escrow (``prover.settlement_recovery``), and no other wallet signs beside it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from circuits.errors import BadInput, InputReason
from prover.chain_payments import SCRIPT as CHAIN_SCRIPT
from prover.chain_payments import ChainPayment, ChainPayments
from prover.database import checked_rows, connection, transaction
from verifier.iota.payment import PaymentPlan, digest_text, refuse
from verifier.receipt import Receipt, decode_receipt

MAXIMUM_LIVE = 32  # for the same receipts: nobody may fill the disk with ever new ones
SIGNED_PLANS_NAME = "settlements.sqlite3"
_VERSION = 2
_SCRIPT = f"""
CREATE TABLE receipts (
    terms BLOB NOT NULL, sequence INTEGER NOT NULL, encoded BLOB NOT NULL,
    PRIMARY KEY (terms, sequence)
) STRICT;
CREATE TABLE plans (
    digest BLOB NOT NULL PRIMARY KEY, terms BLOB NOT NULL, first INTEGER NOT NULL,
    last INTEGER NOT NULL, before INTEGER NOT NULL, after INTEGER NOT NULL, plan BLOB NOT NULL,
    fate TEXT NOT NULL
) STRICT;
CREATE TABLE wallets (public_key TEXT NOT NULL PRIMARY KEY, checkpoint INTEGER NOT NULL) STRICT;
{CHAIN_SCRIPT}
"""


class PlanFate(StrEnum):
    """What the operator's own node showed of a plan; all but LIVE stays, but what is paid is paid.

    EXPIRED: its last epoch is over, and a coin of it is still unspent, or a node that knows the
    network from its beginning does not know it. SUPERSEDED: another transaction spent a coin of it.
    """

    LIVE = "live"
    EXECUTED = "executed"
    FAILED = "failed"
    EXPIRED = "expired"
    SUPERSEDED = "superseded"


@dataclass(frozen=True)
class SignedPlan:
    """A payment that was signed: receipts first..last, nanos (before, after] of their sum.

    ``digest`` is the transaction's, 32 bytes.
    """

    digest: bytes
    terms_digest: bytes
    first: int
    last: int
    before_nanos: int
    after_nanos: int
    plan: PaymentPlan
    fate: PlanFate = PlanFate.LIVE

    def overlaps(self, other: SignedPlan) -> bool:
        """True when both would pay a nano of the same receipts."""
        if self.terms_digest != other.terms_digest:
            return False
        begin = max(self.before_nanos, other.before_nanos)
        return begin < min(self.after_nanos, other.after_nanos)

    def excludes(self, other: SignedPlan) -> bool:
        """True when they share a coin at one version: at most one of them can ever execute."""
        same_network = self.plan.network == other.plan.network
        return same_network and not self.coins.isdisjoint(other.coins)

    @property
    def pays(self) -> tuple[bytes, int, int]:
        """Contract and receipts."""
        return self.terms_digest, self.first, self.last

    @property
    def coins(self) -> frozenset[bytes]:
        """What the transaction spends, gas included: object and version of each coin."""
        return frozenset(coin.lease for coin in self.plan.references)


class SignedPlans:
    """The open record; use ``open_signed_plans``."""

    def __init__(self, path: Path, opened: sqlite3.Connection) -> None:
        self.path = path
        self._db = opened
        self.chain = ChainPayments(path, opened)

    def begin(self, public_key: str, checkpoint: int = 0) -> None:
        """From now on this is the record of the wallet with this key; again changes nothing.

        Up to this checkpoint there was no such wallet, so no escrow of its that could pay.
        """
        with transaction(self._db):
            self._db.execute(
                "INSERT OR IGNORE INTO wallets VALUES (?, ?)", (public_key, checkpoint)
            )

    def began_at(self, public_key: str) -> int:
        """Up to which checkpoint there was no such wallet; 0 where that is not known."""
        query = "SELECT checkpoint FROM wallets WHERE public_key = ?"
        rows = self._db.execute(query, (public_key,))
        return max((row[0] for row in checked_rows(self.path, rows, (int,))), default=0)

    def is_of(self, public_key: str) -> bool:
        """True where this is the wallet's record."""
        query = "SELECT count(*) FROM wallets WHERE public_key = ?"
        return bool(self._db.execute(query, (public_key,)).fetchone()[0])

    def receipts(self, terms_digest: bytes) -> list[Receipt]:
        """Every receipt that was checked, from the contract's first on; ``STORE_CORRUPT``."""
        rows = self._db.execute(
            "SELECT encoded FROM receipts WHERE terms = ? ORDER BY sequence", (terms_digest,)
        )
        try:
            found = [decode_receipt(row[0]) for row in checked_rows(self.path, rows, (bytes,))]
        except BadInput as error:
            raise self._corrupt(error.message) from None
        if [receipt.sequence for receipt in found] != list(range(1, len(found) + 1)):
            raise self._corrupt("a receipt is missing")
        return found

    def plans(self) -> list[SignedPlan]:
        """Everything that was ever signed, under any contract, oldest first."""
        rows = self._db.execute(
            "SELECT digest, terms, first, last, before, after, plan, fate FROM plans ORDER BY rowid"
        )
        types = (bytes, bytes, int, int, int, int, bytes, str)
        return [self._plan(row) for row in checked_rows(self.path, rows, types)]

    def record(self, signed: SignedPlan, receipts: Sequence[Receipt]) -> None:
        """Durably record a plan before it is signed, with the receipts not known before.

        Signing it again is fine. ``SETTLEMENT_PLAN`` where it would pay again what an earlier plan
        pays or may still pay, or what the network shows to be paid; or while the network shows a
        payment out of the escrow that nobody took into this record.
        """
        with transaction(self._db):
            for payment in self.chain.payments(signed.plan.network, signed.plan.sender):
                self._require_unpaid(signed, payment)
            known = self.plans()
            self._require_exclusive(signed, known)
            if any(earlier.digest == signed.digest for earlier in known):
                return
            self._require_owed(signed, receipts)
            self._db.executemany(
                "INSERT OR IGNORE INTO receipts VALUES (?, ?, ?)",
                ((signed.terms_digest, r.sequence, r.encode()) for r in receipts),
            )
            self._db.execute(
                "INSERT INTO plans VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    signed.digest, signed.terms_digest, signed.first, signed.last,
                    signed.before_nanos, signed.after_nanos, signed.plan.to_json(),
                    signed.fate.value,
                ),
            )  # fmt: skip

    def learned(self, digest: bytes, fate: PlanFate) -> None:
        """Keep what became of a live plan; what is known of others stays."""
        with transaction(self._db):
            self._db.execute(
                "UPDATE plans SET fate = ? WHERE digest = ? AND fate = ?",
                (fate.value, digest, PlanFate.LIVE.value),
            )

    @staticmethod
    def _require_exclusive(signed: SignedPlan, known: Sequence[SignedPlan]) -> None:
        live = 0
        for earlier in known:
            where = f"receipts {earlier.first}..{earlier.last}"
            if earlier.digest == signed.digest:
                if earlier.pays != signed.pays:
                    raise refuse(f"this transaction was signed for {where}")
                return  # whatever was signed since was checked against it
            if not earlier.overlaps(signed):
                continue
            if earlier.fate is PlanFate.EXECUTED:
                raise refuse(f"{where} were paid by transaction {earlier.digest.hex()}")
            if earlier.fate is PlanFate.LIVE:
                live += 1
                if not earlier.excludes(signed):
                    raise refuse(
                        f"{where} may still be paid by transaction {earlier.digest.hex()}, and"
                        " both could: no coin is in both"
                    )
        if live >= MAXIMUM_LIVE:
            raise refuse(f"{live} payments were signed for these receipts; none is settled or dead")

    def payable(self, terms_digest: bytes) -> list[tuple[int, int]]:
        """What of them may still be paid by a plan that was signed."""
        return [
            (plan.before_nanos, plan.after_nanos)
            for plan in self.plans()
            if plan.terms_digest == terms_digest and plan.fate is PlanFate.LIVE
        ]

    def paid(self, terms_digest: bytes) -> list[tuple[int, int]]:
        """What of a contract's vouchers was paid for sure: nanos (before, after] of their sum."""
        spans = [
            (plan.before_nanos, plan.after_nanos)
            for plan in self.plans()
            if plan.terms_digest == terms_digest and plan.fate is PlanFate.EXECUTED
        ]
        return sorted(spans + self.chain.counted(terms_digest))

    def _require_unpaid(self, signed: SignedPlan, payment: ChainPayment) -> None:
        if payment.payee != signed.plan.payee:
            return
        if not self.chain.is_decided(payment, signed.terms_digest):
            raise refuse(
                f"transaction {digest_text(payment.digest)} paid {payment.nanos} nanos out of the"
                " escrow and is not in the record of what was signed: zkmeter-prover settlement"
                " recover"
            )
        begin = max(payment.before_nanos, signed.before_nanos)
        if payment.terms_digest == signed.terms_digest and begin < min(
            payment.after_nanos, signed.after_nanos
        ):
            raise refuse(
                f"nanos {payment.before_nanos}..{payment.after_nanos} of what is owed were paid by"
                f" transaction {digest_text(payment.digest)}"
            )

    def _require_owed(self, signed: SignedPlan, receipts: Sequence[Receipt]) -> None:
        """Whatever was paid for which receipts: in sum never more than is owed."""
        known = [*self.receipts(signed.terms_digest)[-1:], *receipts[-1:]]
        owed = max([signed.after_nanos, *(receipt.cumulative_nanos for receipt in known)])
        paid = sum(after - before for before, after in self.paid(signed.terms_digest))
        if paid + signed.after_nanos - signed.before_nanos > owed:
            raise refuse(f"{paid} nanos were paid already, of {owed} that are owed in all")

    def _plan(self, row: tuple[object, ...]) -> SignedPlan:
        digest, terms, first, last, before, after, plan, fate = row
        try:
            return SignedPlan(
                digest, terms, first, last, before, after,  # type: ignore[arg-type]
                PaymentPlan.from_json(plan), PlanFate(fate),  # type: ignore[arg-type]
            )  # fmt: skip
        except (BadInput, ValueError):
            raise self._corrupt("a signed plan cannot be read") from None

    def _corrupt(self, what: str) -> BadInput:
        return BadInput(InputReason.STORE_CORRUPT, f"{self.path}: damaged ({what})")


@contextmanager
def open_signed_plans(store: Path | str) -> Iterator[SignedPlans]:
    """Open (or begin) the record in the operator's store."""
    path = Path(store) / SIGNED_PLANS_NAME
    with connection(path, _VERSION, _SCRIPT, create=True) as opened:
        yield SignedPlans(path, opened)
