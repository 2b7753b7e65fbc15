"""The ledger's tables. Amounts are integer nanos, times milliseconds since 1970 UTC.

Balances are never stored: they are sums of entries. What is append-only refuses UPDATE and DELETE
by trigger (see the first migration; of the audit log, only what must be kept for ever does so for
DELETE); exact totals beyond 64 bits live inside encoded receipts.
"""

from __future__ import annotations

from typing import ClassVar

from sqlalchemy import (
    BigInteger,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    """Common base; SQLite integers are 64-bit, bytes are BLOBs."""

    type_annotation_map: ClassVar = {int: BigInteger, bytes: LargeBinary, str: Text}


class ContractRow(Base):
    """A contract that both parties signed."""

    __tablename__ = "contracts"
    terms_digest: Mapped[bytes] = mapped_column(primary_key=True)
    name: Mapped[str]
    currency: Mapped[str]
    toml: Mapped[str]
    operator_signature: Mapped[bytes]
    supplier_signature: Mapped[bytes]
    registered_ms: Mapped[int]


class DeviceRow(Base):
    """A device that contradicted itself, with the evidence."""

    __tablename__ = "devices"
    device: Mapped[bytes] = mapped_column(primary_key=True)
    frozen_ms: Mapped[int]
    earlier_checkpoint: Mapped[bytes]
    earlier_signature: Mapped[bytes]
    later_checkpoint: Mapped[bytes]
    later_signature: Mapped[bytes]


class InstructionRow(Base):
    """What somebody at the supplier decided: see ``verifier.ledger.instructions``."""

    __tablename__ = "instructions"
    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    time_ms: Mapped[int]
    author: Mapped[str]
    kind: Mapped[str]
    terms_digest: Mapped[bytes | None] = mapped_column(
        ForeignKey("contracts.terms_digest"), index=True
    )
    device: Mapped[bytes | None] = mapped_column(index=True)
    moment_ms: Mapped[int | None]


class HeadRow(Base):
    """Where a contract stands: compare-and-swapped with each receipt."""

    __tablename__ = "heads"
    terms_digest: Mapped[bytes] = mapped_column(
        ForeignKey("contracts.terms_digest"), primary_key=True
    )
    sequence: Mapped[int]
    checkpoint: Mapped[bytes]
    receipt_digest: Mapped[bytes]


class ReceiptRow(Base):
    """An accepted claim's receipt; the unique positions are the last guard against paying twice."""

    __tablename__ = "receipts"
    __table_args__ = (UniqueConstraint("terms_digest", "device", "epoch", "first_window"),)
    terms_digest: Mapped[bytes] = mapped_column(
        ForeignKey("contracts.terms_digest"), primary_key=True
    )
    sequence: Mapped[int] = mapped_column(primary_key=True)
    statement_digest: Mapped[bytes] = mapped_column(unique=True)
    device: Mapped[bytes]
    epoch: Mapped[int]
    first_window: Mapped[int]
    encoded: Mapped[bytes]


class ClaimRow(Base):
    """The accepted claim itself, so that any payment can be checked again years later."""

    __tablename__ = "claims"
    statement_digest: Mapped[bytes] = mapped_column(
        ForeignKey("receipts.statement_digest"), primary_key=True
    )
    encoded: Mapped[bytes]


class VoucherRow(Base):
    """The operator's signed cumulative promise that came with a claim."""

    __tablename__ = "vouchers"
    terms_digest: Mapped[bytes] = mapped_column(
        ForeignKey("contracts.terms_digest"), primary_key=True
    )
    sequence: Mapped[int] = mapped_column(primary_key=True)
    cumulative_nanos: Mapped[int]
    signature: Mapped[bytes]


class CheckpointRow(Base):
    """A checkpoint of an accepted claim: another one for its position freezes the device."""

    __tablename__ = "checkpoints"
    device: Mapped[bytes] = mapped_column(primary_key=True)
    epoch: Mapped[int] = mapped_column(primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    encoded: Mapped[bytes]
    signature: Mapped[bytes]


class TransactionRow(Base):
    """One movement of money; its key comes from the event that caused it."""

    __tablename__ = "transactions"
    key: Mapped[str] = mapped_column(primary_key=True)
    terms_digest: Mapped[bytes] = mapped_column(ForeignKey("contracts.terms_digest"))
    kind: Mapped[str]
    reference: Mapped[str]
    created_ms: Mapped[int]


class EntryRow(Base):
    """One line of a transaction, written before it; per currency the lines sum to zero."""

    __tablename__ = "entries"
    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    transaction_key: Mapped[str] = mapped_column(
        ForeignKey("transactions.key", deferrable=True, initially="DEFERRED"), index=True
    )
    terms_digest: Mapped[bytes] = mapped_column(ForeignKey("contracts.terms_digest"), index=True)
    account: Mapped[str]
    currency: Mapped[str]
    nanos: Mapped[int]


class AuditRow(Base):
    """A refusal, with its reason: see ``verifier.ledger.audit`` for what is kept."""

    __tablename__ = "audit"
    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    time_ms: Mapped[int]
    reason: Mapped[str] = mapped_column(index=True)
    detail: Mapped[str]
    terms_digest: Mapped[bytes | None]
    statement_digest: Mapped[bytes | None]


class BatchRow(Base):
    """Obligations netted into one payment: see ``verifier.ledger.batches`` for its life.

    ``payload`` is what a gateway prepared, kept so that a retry sends the same bytes; ``digest``
    names it where the money moves; ``expiry`` is the gateway's own clock. Rows are kept for ever.
    """

    __tablename__ = "batches"
    __table_args__ = (
        Index(
            "batches_one_open",
            "terms_digest",
            unique=True,
            sqlite_where=text("state NOT IN ('FINAL', 'FAILED')"),
        ),
    )
    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    terms_digest: Mapped[bytes] = mapped_column(ForeignKey("contracts.terms_digest"))
    currency: Mapped[str]
    amount_nanos: Mapped[int]
    first_sequence: Mapped[int]
    last_sequence: Mapped[int]
    state: Mapped[str]
    memo: Mapped[bytes]
    payload: Mapped[bytes | None]
    digest: Mapped[bytes | None] = mapped_column(unique=True)
    expiry: Mapped[int | None]
    plan: Mapped[bytes | None]
    signatures: Mapped[str | None]
    detail: Mapped[str]
    created_ms: Mapped[int]
    updated_ms: Mapped[int]


class LeaseRow(Base):
    """A coin version that a batch spends; no second batch may while this row stands."""

    __tablename__ = "leases"
    coin: Mapped[bytes] = mapped_column(primary_key=True)
    batch: Mapped[int] = mapped_column(Integer, ForeignKey("batches.id"), index=True)


class ShareRow(Base):
    """Another party's signature of a batch's payment; ``signer`` is its public key as text."""

    __tablename__ = "shares"
    batch: Mapped[int] = mapped_column(Integer, ForeignKey("batches.id"), primary_key=True)
    signer: Mapped[str] = mapped_column(primary_key=True)
    signature: Mapped[str]


class EvidenceRow(Base):
    """What showed that a batch reached a state, in the gateway's own format."""

    __tablename__ = "evidence"
    batch: Mapped[int] = mapped_column(Integer, ForeignKey("batches.id"), primary_key=True)
    state: Mapped[str] = mapped_column(primary_key=True)
    document: Mapped[bytes]


class OutboxRow(Base):
    """What one receipt obliges to pay; ``batch`` is None until it is netted."""

    __tablename__ = "outbox"
    terms_digest: Mapped[bytes] = mapped_column(
        ForeignKey("contracts.terms_digest"), primary_key=True
    )
    sequence: Mapped[int] = mapped_column(primary_key=True)
    currency: Mapped[str]
    amount_nanos: Mapped[int]
    batch: Mapped[int | None] = mapped_column(Integer, ForeignKey("batches.id"), index=True)
