"""The receipt: the supplier's signed answer to an accepted claim, hash-chained per contract.

Layout, little-endian: magic 4, version 2, terms digest 32, sequence 8, previous receipt's digest 32
(zeros for the first), statement digest 32, device key 32, epoch 4, first window 4, last window 4,
start ms 8, end ms 8, records 8, records after 8, outcome count 2, totals 16 each (signed), totals
after 16 each, amount 8, cumulative 8 (nanos), digest of the new head checkpoint 32, attestation 1,
status flags 2, unmetered ms 8, accepted ms 8, commitment to the state carried out 32 (zeros where
nothing is carried), supplier's signature 64.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import TYPE_CHECKING

from circuits.checkpoint import Status
from circuits.errors import BadInput, InputReason, Reason, Rejected
from verifier.commitments import NO_STATE, decode_commitment
from verifier.signatures import RECEIPT_TAG, SIGNATURE_BYTES, require_signature, sign

if TYPE_CHECKING:
    from nacl.signing import SigningKey

MAGIC = b"ZKMq"
VERSION = 1
NO_RECEIPT = bytes(32)
_HEAD = struct.Struct("<4sH32sQ32s32s32sIIIQQQQH")
_TAIL = struct.Struct("<QQ32sBHQQ32s")
_HEAD_FIELDS = (
    "terms_digest",
    "sequence",
    "previous",
    "statement_digest",
    "device",
    "epoch",
    "first_window",
    "last_window",
    "start_ms",
    "end_ms",
    "records",
    "records_after",
)
_TOTAL_BYTES = 16


class Attestation(IntEnum):
    """Who committed to the readings: the sensor's own firmware, or a gateway on ingest."""

    DEVICE = 1
    GATEWAY = 2


@dataclass(frozen=True)
class Receipt:
    """One accepted claim. Totals are exact integers; times are milliseconds since 1970 UTC.

    ``flags`` is what the device reported in its epoch up to the claim's end. ``unmetered_ms`` is
    all time in no window: between windows, and from the checkpoint before the first one (when the
    claim opens an epoch, from the end of the epoch before). ``state`` is the commitment to what the
    contract carries on, 32 bytes.
    """

    terms_digest: bytes
    sequence: int
    previous: bytes
    statement_digest: bytes
    device: bytes
    epoch: int
    first_window: int
    last_window: int
    start_ms: int
    end_ms: int
    records: int
    records_after: int
    totals: tuple[int, ...]
    totals_after: tuple[int, ...]
    amount_nanos: int
    cumulative_nanos: int
    head: bytes
    attestation: Attestation
    flags: Status
    unmetered_ms: int
    accepted_ms: int
    state: bytes = NO_STATE
    signature: bytes = b""

    def body(self) -> bytes:
        """What the supplier signs, after the receipt tag."""
        head = _HEAD.pack(
            MAGIC,
            VERSION,
            *(getattr(self, name) for name in _HEAD_FIELDS),
            len(self.totals),
        )
        tail = _TAIL.pack(
            self.amount_nanos,
            self.cumulative_nanos,
            self.head,
            int(self.attestation),
            int(self.flags),
            self.unmetered_ms,
            self.accepted_ms,
            self.state,
        )
        return head + _pack_totals(self.totals) + _pack_totals(self.totals_after) + tail

    @property
    def digest(self) -> bytes:
        """BLAKE2s-256 of the body: what the next receipt of the contract names."""
        return hashlib.blake2s(self.body(), person=b"zkm:rcpt").digest()

    def encode(self) -> bytes:
        """The canonical bytes, signature included; ``decode_receipt`` is the inverse."""
        return self.body() + self.signature

    def signed(self, supplier_key: SigningKey) -> Receipt:
        """This receipt with the supplier's signature."""
        return replace(self, signature=sign(supplier_key, RECEIPT_TAG, self.body()))

    def require_signature(self, supplier: bytes) -> None:
        """``BadInput`` RECEIPT unless ``supplier`` signed this receipt."""
        try:
            require_signature(
                supplier, RECEIPT_TAG, self.body(), self.signature, Reason.CONTRACT_SIGNATURE
            )
        except Rejected:
            raise BadInput(
                InputReason.RECEIPT, f"receipt {self.sequence}: not signed by the supplier"
            ) from None


def _pack_totals(totals: Sequence[int]) -> bytes:
    return b"".join(total.to_bytes(_TOTAL_BYTES, "little", signed=True) for total in totals)


def _unpack_totals(data: bytes) -> tuple[int, ...]:
    return tuple(
        int.from_bytes(data[at : at + _TOTAL_BYTES], "little", signed=True)
        for at in range(0, len(data), _TOTAL_BYTES)
    )


def decode_receipt(data: bytes) -> Receipt:
    """Parse a receipt; anything not exactly canonical is ``BadInput`` RECEIPT."""
    if len(data) < _HEAD.size:
        raise BadInput(InputReason.RECEIPT, "the receipt ends early")
    magic, version, *fields, count = _HEAD.unpack_from(data)
    if magic != MAGIC or version != VERSION:
        raise BadInput(InputReason.RECEIPT, "not a receipt of this version")
    middle = _HEAD.size + count * _TOTAL_BYTES
    tail_at = middle + count * _TOTAL_BYTES
    if len(data) != tail_at + _TAIL.size + SIGNATURE_BYTES:
        raise BadInput(InputReason.RECEIPT, f"receipt of {len(data)} bytes")
    amount, cumulative, head, attestation, flags, unmetered, accepted, state = _TAIL.unpack_from(
        data, tail_at
    )
    if attestation not in list(Attestation) or flags not in range(64):
        raise BadInput(InputReason.RECEIPT, "unknown attestation or status flag")
    try:
        decode_commitment(state)
    except ValueError as error:
        raise BadInput(InputReason.RECEIPT, str(error)) from None
    known = dict(zip(_HEAD_FIELDS, fields, strict=True))
    return Receipt(
        **known,
        totals=_unpack_totals(data[_HEAD.size : middle]),
        totals_after=_unpack_totals(data[middle:tail_at]),
        amount_nanos=amount,
        cumulative_nanos=cumulative,
        head=head,
        attestation=Attestation(attestation),
        flags=Status(flags),
        unmetered_ms=unmetered,
        accepted_ms=accepted,
        state=state,
        signature=data[-SIGNATURE_BYTES:],
    )


def check_chain(receipts: Sequence[Receipt], supplier: bytes) -> None:
    """``BadInput`` RECEIPT unless these are a contract's first receipts, each naming the last."""
    previous, cumulative = NO_RECEIPT, 0
    for sequence, receipt in enumerate(receipts, start=1):
        receipt.require_signature(supplier)
        if receipt.sequence != sequence or receipt.previous != previous:
            raise BadInput(InputReason.RECEIPT, f"receipt {sequence}: the chain is broken")
        cumulative += receipt.amount_nanos
        if receipt.cumulative_nanos != cumulative:
            raise BadInput(InputReason.RECEIPT, f"receipt {sequence}: amounts do not add up")
        previous = receipt.digest
