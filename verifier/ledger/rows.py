"""Between values and rows: gathering a decision's state, and writing what it decided."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.orm import Session

from circuits.checkpoint import decode_checkpoint
from circuits.errors import BadInput, InputReason, Rejected
from verifier.accept import Accepted, Account, DeviceStatus, Entry, Head, Position
from verifier.claim import Claim, SignedCheckpoint
from verifier.commitments import NO_STATE, decode_commitment
from verifier.contract import SignedContract, Terms
from verifier.ledger import instructions
from verifier.ledger.models import (
    CheckpointRow,
    ClaimRow,
    ContractRow,
    DeviceRow,
    EntryRow,
    HeadRow,
    OutboxRow,
    ReceiptRow,
    TransactionRow,
    VoucherRow,
)
from verifier.receipt import Receipt, decode_receipt


@dataclass(frozen=True)
class Line:
    """One ledger line, for people and exports."""

    transaction: str
    kind: str
    reference: str
    created_ms: int
    account: Account
    currency: str
    nanos: int


def corrupt(what: str) -> BadInput:
    """The ledger's own rows contradict each other."""
    return BadInput(InputReason.STORE_CORRUPT, f"ledger: {what}")


def read_contract(row: ContractRow) -> SignedContract:
    """The contract of a row; STORE_CORRUPT when its text no longer has the digest it had."""
    try:
        terms = Terms.from_toml(row.toml)
    except BadInput:
        raise corrupt(f"contract {row.name!r} cannot be read") from None
    if terms.digest != row.terms_digest:
        raise corrupt(f"contract {row.name!r} was altered")
    return SignedContract(terms, row.toml, row.operator_signature, row.supplier_signature)


def read_receipt(encoded: bytes) -> Receipt:
    """A stored receipt; STORE_CORRUPT when it cannot be read."""
    try:
        return decode_receipt(encoded)
    except BadInput as error:
        raise corrupt(error.message) from None


def find_receipt(session: Session, statement_digest: bytes) -> Receipt | None:
    """The receipt of a statement, if it was ever accepted."""
    query = select(ReceiptRow.encoded).where(ReceiptRow.statement_digest == statement_digest)
    encoded = session.scalars(query).one_or_none()
    return None if encoded is None else read_receipt(encoded)


def read_head(session: Session, terms_digest: bytes) -> Head | None:
    """Where a contract stands: totals and state come from its last receipt, which the row names."""
    row = session.get(HeadRow, terms_digest)
    if row is None:
        return None
    stored = session.get(ReceiptRow, (terms_digest, row.sequence))
    if stored is None:
        raise corrupt(f"receipt {row.sequence} is missing")
    receipt = read_receipt(stored.encoded)
    try:
        checkpoint = decode_checkpoint(row.checkpoint)
    except Rejected:
        raise corrupt("the head's checkpoint cannot be read") from None
    if receipt.digest != row.receipt_digest or receipt.head != checkpoint.digest:
        raise corrupt(f"head and receipt {row.sequence} disagree")
    return Head(
        checkpoint=checkpoint,
        totals=receipt.totals_after,
        records=receipt.records_after,
        cumulative_nanos=receipt.cumulative_nanos,
        receipt_digest=receipt.digest,
        sequence=receipt.sequence,
        state=None if receipt.state == NO_STATE else decode_commitment(receipt.state),
    )


def read_lines(session: Session, terms_digest: bytes) -> list[Line]:
    """Every ledger line of a contract in the order it was written."""
    query = (
        select(TransactionRow, EntryRow)
        .join(EntryRow, EntryRow.transaction_key == TransactionRow.key)
        .where(EntryRow.terms_digest == terms_digest)
        .order_by(EntryRow.id)
    )
    return [
        Line(
            transaction.key,
            transaction.kind,
            transaction.reference,
            transaction.created_ms,
            Account(entry.account),
            entry.currency,
            entry.nanos,
        )
        for transaction, entry in session.execute(query)
    ]


def read_device(session: Session, device: bytes) -> DeviceStatus:
    """What is known against a device."""
    frozen = session.get(DeviceRow, device) is not None
    return DeviceStatus(instructions.revoked_from_ms(session, device), frozen)


def read_seen(session: Session, claim: Claim) -> dict[Position, SignedCheckpoint]:
    """The accepted checkpoints at the positions that a claim covers."""
    query = select(CheckpointRow).where(
        CheckpointRow.device == claim.first.device,
        CheckpointRow.epoch == claim.first.epoch,
        CheckpointRow.position.between(claim.first.index, claim.last.index),
    )
    seen: dict[Position, SignedCheckpoint] = {}
    for row in session.scalars(query):
        try:
            checkpoint = decode_checkpoint(row.encoded)
        except Rejected:
            raise corrupt(f"checkpoint {row.epoch}/{row.position} cannot be read") from None
        seen[row.device, row.epoch, row.position] = SignedCheckpoint(checkpoint, row.signature)
    return seen


def read_balances(session: Session, terms_digest: bytes) -> dict[Account, int]:
    """The balance of every account of a contract, derived from its entries."""
    query = (
        select(EntryRow.account, func.sum(EntryRow.nanos))
        .where(EntryRow.terms_digest == terms_digest)
        .group_by(EntryRow.account)
    )
    found = {account: nanos for account, nanos in session.execute(query)}  # noqa: C416
    return {account: int(found.get(account.value, 0)) for account in Account}


def post(
    session: Session,
    contract: ContractRow,
    kind: str,
    reference: str,
    entries: Sequence[Entry],
    now_ms: int,
) -> None:
    """Write one balanced transaction, its lines first; its key is ``kind:contract:reference``."""
    key = transaction_key(contract.terms_digest, kind, reference)
    for entry in entries:
        session.add(
            EntryRow(
                transaction_key=key,
                terms_digest=contract.terms_digest,
                account=entry.account.value,
                currency=contract.currency,
                nanos=entry.nanos,
            )
        )
    session.flush()
    session.add(
        TransactionRow(
            key=key,
            terms_digest=contract.terms_digest,
            kind=kind,
            reference=reference,
            created_ms=now_ms,
        )
    )
    session.flush()


def transaction_key(terms_digest: bytes, kind: str, reference: str) -> str:
    """The idempotency key of an event."""
    return f"{kind}:{terms_digest.hex()}:{reference}"


def record(session: Session, contract: ContractRow, accepted: Accepted, claim_bytes: bytes) -> None:
    """Write an accepted claim: receipt, claim, voucher, checkpoints, head, entries, outbox.

    ``accepted.receipt`` carries the supplier's signature.
    """
    claim, receipt = accepted.claim, accepted.receipt
    digest, sequence = receipt.terms_digest, receipt.sequence
    session.add(
        ReceiptRow(
            terms_digest=digest,
            sequence=sequence,
            statement_digest=receipt.statement_digest,
            device=receipt.device,
            epoch=receipt.epoch,
            first_window=receipt.first_window,
            encoded=receipt.encode(),
        )
    )
    session.flush()
    session.add(ClaimRow(statement_digest=receipt.statement_digest, encoded=claim_bytes))
    session.add(
        VoucherRow(
            terms_digest=digest,
            sequence=sequence,
            cumulative_nanos=claim.voucher.cumulative_nanos,
            signature=claim.voucher.signature,
        )
    )
    _record_checkpoints(session, claim)
    _move_head(session, accepted)
    if accepted.entries:
        post(session, contract, "claim", str(sequence), accepted.entries, receipt.accepted_ms)
        session.add(
            OutboxRow(
                terms_digest=digest,
                sequence=sequence,
                currency=contract.currency,
                amount_nanos=receipt.amount_nanos,
                batch=None,
            )
        )
    session.flush()


def _record_checkpoints(session: Session, claim: Claim) -> None:
    rows = [
        {
            "device": signed.checkpoint.device,
            "epoch": signed.checkpoint.epoch,
            "position": signed.checkpoint.index,
            "encoded": signed.checkpoint.encode(),
            "signature": signed.signature,
        }
        for signed in claim.checkpoints
    ]
    # the first one usually is the head, known already; a different one never gets here
    session.execute(insert(CheckpointRow).on_conflict_do_nothing(), rows)


def _move_head(session: Session, accepted: Accepted) -> None:
    head = accepted.head
    row = session.get(HeadRow, accepted.receipt.terms_digest)
    if row is None:
        row = HeadRow(terms_digest=accepted.receipt.terms_digest)
        session.add(row)
    row.sequence = head.sequence
    row.checkpoint = head.checkpoint.encode()
    row.receipt_digest = head.receipt_digest
