"""A settlement batch as a value: its states, what a gateway prepared for it, and its row."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from verifier.ledger.models import BatchRow


class BatchState(StrEnum):
    """Where a batch is in its life.

    PROPOSED: the unsigned payment is on disk and its coins are leased; signatures are gathered.
    SIGNED: all signatures are on disk too; from here on the payment may be sent.
    """

    NEW = "NEW"
    PROPOSED = "PROPOSED"
    SIGNED = "SIGNED"
    EXECUTED = "EXECUTED"
    FINAL = "FINAL"
    FAILED = "FAILED"


# A proposed payment can execute without us: the operator and an arbiter suffice in a 2-of-3.
FOLLOWERS: dict[BatchState, frozenset[BatchState]] = {
    BatchState.NEW: frozenset({BatchState.PROPOSED}),
    BatchState.PROPOSED: frozenset({BatchState.SIGNED, BatchState.EXECUTED, BatchState.FAILED}),
    BatchState.SIGNED: frozenset({BatchState.EXECUTED, BatchState.FAILED}),
    BatchState.EXECUTED: frozenset({BatchState.FINAL, BatchState.FAILED}),
    BatchState.FINAL: frozenset(),
    BatchState.FAILED: frozenset(),
}
OPEN = (BatchState.NEW, BatchState.PROPOSED, BatchState.SIGNED, BatchState.EXECUTED)
_BETWEEN_SIGNATURES = "\n"


@dataclass(frozen=True)
class Prepared:
    """An unsigned payment: its bytes, the digest that names it, and when it expires.

    ``expiry`` is in the gateway's own unit; None means that it stays valid. ``leases`` are the
    coin versions that it spends, ``plan`` what the gateway builds the bytes from again.
    """

    payload: bytes
    digest: bytes
    expiry: int | None = None
    leases: tuple[bytes, ...] = ()
    plan: bytes = b""


@dataclass(frozen=True)
class Batch:
    """One netted payment of the receipts ``first_sequence`` to ``last_sequence``.

    ``memo`` is the digest of the last of them. ``payload``, ``digest``, ``expiry`` and ``plan`` are
    the gateway's (see ``Prepared``), ``signatures`` are all that go with the payload.
    """

    id: int
    terms_digest: bytes
    currency: str
    amount_nanos: int
    first_sequence: int
    last_sequence: int
    state: BatchState
    memo: bytes
    payload: bytes | None
    digest: bytes | None
    expiry: int | None
    plan: bytes | None
    signatures: tuple[str, ...]
    detail: str
    created_ms: int


def read_batch(row: BatchRow) -> Batch:
    """The value of a row."""
    signatures = row.signatures.split(_BETWEEN_SIGNATURES) if row.signatures else ()
    return Batch(
        id=row.id,
        terms_digest=row.terms_digest,
        currency=row.currency,
        amount_nanos=row.amount_nanos,
        first_sequence=row.first_sequence,
        last_sequence=row.last_sequence,
        state=BatchState(row.state),
        memo=row.memo,
        payload=row.payload,
        digest=row.digest,
        expiry=row.expiry,
        plan=row.plan,
        signatures=tuple(signatures),
        detail=row.detail,
        created_ms=row.created_ms,
    )


def write_signatures(signatures: tuple[str, ...]) -> str:
    """How a row keeps signatures, which are base64 texts."""
    return _BETWEEN_SIGNATURES.join(signatures)
