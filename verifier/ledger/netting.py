"""What a settlement batch covers, and the coins that it spends: within one open transaction."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from circuits.errors import BadInput, InputReason
from verifier.ledger import rows
from verifier.ledger.batches import OPEN, BatchState, Prepared
from verifier.ledger.models import BatchRow, LeaseRow, OutboxRow, ReceiptRow
from verifier.receipt import Receipt

LAST_SEQUENCE = 2**63 - 1


def receipt_of(session: Session, terms_digest: bytes, sequence: int) -> Receipt:
    """A receipt that must be there; else STORE_CORRUPT."""
    row = session.get(ReceiptRow, (terms_digest, sequence))
    if row is None:
        raise rows.corrupt(f"receipt {sequence} is missing")
    return rows.read_receipt(row.encoded)


def owed_up_to(
    session: Session, terms_digest: bytes, up_to: int = LAST_SEQUENCE
) -> Sequence[OutboxRow]:
    """What a contract owes for receipts up to a number, and no batch covers."""
    query = select(OutboxRow).where(
        OutboxRow.terms_digest == terms_digest,
        OutboxRow.batch.is_(None),
        OutboxRow.sequence <= up_to,
    )
    return session.scalars(query.order_by(OutboxRow.sequence)).all()


def cover(session: Session, row: BatchRow, obligations: Sequence[OutboxRow]) -> None:
    """Make a new batch, or one that is NEW, pay these obligations: the first that are owed."""
    first = settled_up_to(session, row.terms_digest, row.id) + 1
    last = receipt_of(session, row.terms_digest, obligations[-1].sequence)
    amount = sum(obligation.amount_nanos for obligation in obligations)
    before = receipt_of(session, row.terms_digest, first - 1).cumulative_nanos if first > 1 else 0
    if last.cumulative_nanos - before != amount:
        raise rows.corrupt(f"receipts {first} to {last.sequence} do not add up")
    row.amount_nanos, row.memo = amount, last.digest
    row.first_sequence, row.last_sequence = first, last.sequence
    session.add(row)
    session.flush()
    for obligation in obligations:
        obligation.batch = row.id


def give_payment(session: Session, row: BatchRow, prepared: Prepared) -> None:
    """Give a batch its payment, whose coins and digest no other one may have."""
    taken = select(LeaseRow.batch).where(LeaseRow.coin.in_(prepared.leases)).limit(1)
    same = select(BatchRow.id).where(BatchRow.digest == prepared.digest)
    other = session.scalars(taken).first() or session.scalars(same).first()
    if other is not None:
        raise BadInput(
            InputReason.SETTLEMENT_STATE, f"settlement batch {other} has the same coin or payment"
        )
    row.payload, row.digest = prepared.payload, prepared.digest
    row.expiry, row.plan = prepared.expiry, prepared.plan
    session.add_all(LeaseRow(coin=coin, batch=row.id) for coin in prepared.leases)


def let_go(session: Session, alive: BatchRow) -> None:
    """A contract's NEW batch fails, without a payment, where another one of it is alive."""
    row = open_batch(session, alive.terms_digest)
    if row is not None and row.state == BatchState.NEW.value:
        freed = update(OutboxRow).where(OutboxRow.batch == row.id).values(batch=None)
        session.execute(freed)
        row.state, row.detail = BatchState.FAILED.value, f"gave way to batch {alive.id}"
        session.flush()


def open_batch(session: Session, terms_digest: bytes) -> BatchRow | None:
    """The contract's batch that is neither FINAL nor FAILED."""
    states = [state.value for state in OPEN]
    query = select(BatchRow).where(
        BatchRow.terms_digest == terms_digest, BatchRow.state.in_(states)
    )
    return session.scalars(query.limit(1)).first()


def settled_up_to(session: Session, terms_digest: bytes, besides: int | None = None) -> int:
    """The last receipt that a batch covers, 0 for none; what FAILED covers nothing."""
    query = select(func.max(BatchRow.last_sequence)).where(
        BatchRow.terms_digest == terms_digest, BatchRow.state != BatchState.FAILED.value
    )
    if besides is not None:
        query = query.where(BatchRow.id != besides)
    return session.scalars(query).one() or 0
