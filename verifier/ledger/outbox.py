"""The settlement outbox: what receipts oblige to pay, netted into batches with a fixed life.

NEW -> SIGNED -> EXECUTED -> FINAL | FAILED. Every step is one transaction that compares the state
it leaves; FINAL books the payment, FAILED lets its obligations be netted again.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from circuits.errors import BadInput, InputReason
from verifier.accept import Account, Entry
from verifier.ledger import rows
from verifier.ledger.models import BatchRow, ContractRow, OutboxRow, ReceiptRow


class BatchState(StrEnum):
    """Where a batch is in its life."""

    NEW = "NEW"
    SIGNED = "SIGNED"
    EXECUTED = "EXECUTED"
    FINAL = "FINAL"
    FAILED = "FAILED"


FOLLOWERS: dict[BatchState, frozenset[BatchState]] = {
    BatchState.NEW: frozenset({BatchState.SIGNED}),
    BatchState.SIGNED: frozenset({BatchState.EXECUTED, BatchState.FAILED}),
    BatchState.EXECUTED: frozenset({BatchState.FINAL, BatchState.FAILED}),
    BatchState.FINAL: frozenset(),
    BatchState.FAILED: frozenset(),
}
OPEN = (BatchState.NEW, BatchState.SIGNED, BatchState.EXECUTED)


@dataclass(frozen=True)
class Batch:
    """One netted payment. ``memo`` is the digest of the last receipt it settles.

    ``payload``, ``digest`` and ``expiry`` are the gateway's, set when it has signed.
    """

    id: int
    terms_digest: bytes
    currency: str
    amount_nanos: int
    state: BatchState
    memo: bytes
    payload: bytes | None
    digest: bytes | None
    expiry: int | None
    detail: str


@dataclass(frozen=True)
class Owed:
    """What one contract's receipts oblige to pay and no batch covers yet."""

    terms_digest: bytes
    currency: str
    amount_nanos: int
    receipts: int


Opener = Callable[[], AbstractContextManager[Session]]


class Outbox:
    """The ledger's side of settlement."""

    def __init__(self, writing: Opener, reading: Opener, clock: Callable[[], int]) -> None:
        self._writing = writing
        self._reading = reading
        self._clock = clock

    def owed(self) -> list[Owed]:
        """What is owed and not yet netted, per contract."""
        query = (
            select(
                OutboxRow.terms_digest,
                OutboxRow.currency,
                func.sum(OutboxRow.amount_nanos),
                func.count(),
            )
            .where(OutboxRow.batch.is_(None))
            .group_by(OutboxRow.terms_digest, OutboxRow.currency)
        )
        with self._reading() as session:
            return [Owed(*row) for row in session.execute(query)]

    def net(self, terms_digest: bytes) -> Batch | None:
        """Put everything that a contract owes into one NEW batch; None when it owes nothing."""
        with self._writing() as session:
            due = select(OutboxRow).where(
                OutboxRow.terms_digest == terms_digest, OutboxRow.batch.is_(None)
            )
            obligations = session.scalars(due.order_by(OutboxRow.sequence)).all()
            if not obligations:
                return None
            last = session.get_one(ReceiptRow, (terms_digest, obligations[-1].sequence))
            now_ms = self._clock()
            row = BatchRow(
                terms_digest=terms_digest,
                currency=obligations[0].currency,
                amount_nanos=sum(o.amount_nanos for o in obligations),
                state=BatchState.NEW.value,
                memo=rows.read_receipt(last.encoded).digest,
                detail="",
                created_ms=now_ms,
                updated_ms=now_ms,
            )
            session.add(row)
            session.flush()
            for obligation in obligations:
                obligation.batch = row.id
            return _batch(row)

    def batches(self, states: tuple[BatchState, ...] = tuple(BatchState)) -> list[Batch]:
        """Batches in any of these states, oldest first."""
        query = select(BatchRow).where(BatchRow.state.in_([s.value for s in states]))
        with self._reading() as session:
            return [_batch(row) for row in session.scalars(query.order_by(BatchRow.id))]

    def signed(self, batch: Batch, payload: bytes, digest: bytes, expiry: int | None) -> Batch:
        """NEW to SIGNED: the gateway's bytes are on disk before anything is sent."""

        def store(row: BatchRow) -> None:
            row.payload, row.digest, row.expiry = payload, digest, expiry

        return self._move(batch, BatchState.SIGNED, "", store)

    def moved(self, batch: Batch, state: BatchState, detail: str = "") -> Batch:
        """To EXECUTED, FINAL (books payable to settled) or FAILED (owed again)."""
        return self._move(batch, state, detail, _unchanged)

    def _move(
        self, batch: Batch, state: BatchState, detail: str, change: Callable[[BatchRow], None]
    ) -> Batch:
        with self._writing() as session:
            row = session.get_one(BatchRow, batch.id)
            if row.state != batch.state.value or state not in FOLLOWERS[batch.state]:
                raise BadInput(
                    InputReason.SETTLEMENT_STATE,
                    f"settlement batch {batch.id} is {row.state}, not to become {state}",
                )
            row.state, row.detail, row.updated_ms = state.value, detail, self._clock()
            change(row)
            if state is BatchState.FINAL:
                contract = session.get_one(ContractRow, row.terms_digest)
                entries = (
                    Entry(Account.PAYABLE, -row.amount_nanos),
                    Entry(Account.SETTLED, row.amount_nanos),
                )
                rows.post(session, contract, "settlement", str(row.id), entries, self._clock())
            if state is BatchState.FAILED:
                freed = update(OutboxRow).where(OutboxRow.batch == row.id).values(batch=None)
                session.execute(freed)
            return _batch(row)


def _unchanged(_row: BatchRow) -> None:
    pass


def _batch(row: BatchRow) -> Batch:
    return Batch(
        id=row.id,
        terms_digest=row.terms_digest,
        currency=row.currency,
        amount_nanos=row.amount_nanos,
        state=BatchState(row.state),
        memo=row.memo,
        payload=row.payload,
        digest=row.digest,
        expiry=row.expiry,
        detail=row.detail,
    )
