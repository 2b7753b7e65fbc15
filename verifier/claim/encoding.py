"""The claim: what an operator submits, and its one canonical encoding.

A claim covers the windows between its first and its last checkpoint. Layout, little-endian:

    magic 4, version 2
    body:   terms digest 32, circuit id 32, parameter set (length 1, ASCII), outcome count 2,
            checkpoint count 4, checkpoints (length 2, bytes) each, totals 16 each (signed),
            carried state 1 (0 or 1) and with it two commitments 32 each, records before 8, totals
            before 16 each, records after 8, totals after 16 each, amount 8, voucher 8 (nanos)
    seals:  checkpoint signatures 64 each, voucher signature 64, proof (length 4, bytes),
            operator signature 64

The statement digest covers magic, version and body, so that a repeat is recognised whatever its
seals. The operator signs that digest together with a hash of the proof.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from circuits.checkpoint import CHECKPOINT_BYTES, Checkpoint, decode_checkpoint
from circuits.errors import Reason, Rejected
from circuits.state import Commitment
from circuits.statement import StateLink, Statement
from verifier.commitments import COMMITMENT_BYTES, decode_commitment, encode_commitment
from verifier.signatures import SIGNATURE_BYTES

MAGIC = b"ZKMb"
VERSION = 1
MAXIMUM_CLAIM_BYTES = 4 * 2**20
MAXIMUM_OUTCOMES = 256
MAXIMUM_NANOS = 2**63 - 1  # amounts and record counts are signed 64-bit integers in the ledger
TOTAL_BYTES = 16
# what is there besides checkpoints: a name of one letter, one outcome, no proof
_LEAST_REST = 4 + 2 + 2 * 32 + 2 + 2 + 4 + 3 * TOTAL_BYTES + 1 + 4 * 8 + 2 * SIGNATURE_BYTES + 4
MAXIMUM_CHECKPOINTS = (MAXIMUM_CLAIM_BYTES - _LEAST_REST) // (
    2 + CHECKPOINT_BYTES + SIGNATURE_BYTES
)


@dataclass(frozen=True)
class SignedCheckpoint:
    """A checkpoint with the device's Ed25519 signature (64 bytes) over its encoding."""

    checkpoint: Checkpoint
    signature: bytes


@dataclass(frozen=True)
class Voucher:
    """The operator's word that it owes ``cumulative_nanos`` in all under these terms."""

    terms_digest: bytes
    cumulative_nanos: int
    signature: bytes

    def message(self) -> bytes:
        """What the operator signs, after the voucher tag."""
        return self.terms_digest + self.cumulative_nanos.to_bytes(8, "little")


@dataclass(frozen=True)
class Claim:
    """One claim; totals are exact integers, one per outcome in the contract's order.

    ``voucher.terms_digest`` is the claim's own: the encoding holds it once. ``state`` are the
    commitments to what the contract carries from claim to claim, None where it carries nothing.
    """

    terms_digest: bytes
    circuit_id: bytes
    parameter_set: str
    checkpoints: tuple[SignedCheckpoint, ...]
    totals: tuple[int, ...]
    records_before: int
    totals_before: tuple[int, ...]
    records_after: int
    totals_after: tuple[int, ...]
    amount_nanos: int
    voucher: Voucher
    proof: bytes
    signature: bytes
    state: StateLink | None = None

    @cached_property
    def body(self) -> bytes:
        """Magic, version and everything that the statement digest covers."""
        name = self.parameter_set.encode("ascii")
        parts = [
            MAGIC,
            struct.pack("<H", VERSION),
            self.terms_digest,
            self.circuit_id,
            struct.pack("<B", len(name)),
            name,
            struct.pack("<HI", len(self.totals), len(self.checkpoints)),
        ]
        for signed in self.checkpoints:
            encoded = signed.checkpoint.encode()
            parts += [struct.pack("<H", len(encoded)), encoded]
        parts += _encode_totals(self.totals)
        parts.append(_encode_state(self.state))
        parts += [struct.pack("<Q", self.records_before), *_encode_totals(self.totals_before)]
        parts += [struct.pack("<Q", self.records_after), *_encode_totals(self.totals_after)]
        parts.append(struct.pack("<QQ", self.amount_nanos, self.voucher.cumulative_nanos))
        return b"".join(parts)

    @cached_property
    def statement_digest(self) -> bytes:
        """BLAKE2s-256 of the body: equal for every repeat of the same statement."""
        return hashlib.blake2s(self.body, person=b"zkm:stmt").digest()

    def message(self) -> bytes:
        """What the operator signs, after the statement tag: statement and proof digests."""
        proof_digest = hashlib.blake2s(self.proof, person=b"zkm:prof").digest()
        return self.statement_digest + proof_digest

    def encode(self) -> bytes:
        """The canonical bytes; ``decode_claim`` is the inverse."""
        parts = [self.body]
        parts += [signed.signature for signed in self.checkpoints]
        parts += [self.voucher.signature, struct.pack("<I", len(self.proof)), self.proof]
        parts.append(self.signature)
        return b"".join(parts)

    @property
    def first(self) -> Checkpoint:
        """The checkpoint before the first window."""
        return self.checkpoints[0].checkpoint

    @property
    def last(self) -> Checkpoint:
        """The checkpoint that closes the last window."""
        return self.checkpoints[-1].checkpoint

    @property
    def windows(self) -> int:
        """How many windows the claim covers."""
        return len(self.checkpoints) - 1

    @property
    def records(self) -> int:
        """Records in the claim's windows."""
        return sum(signed.checkpoint.records_in_window for signed in self.checkpoints[1:])

    @property
    def statement(self) -> Statement:
        """What the proof is about."""
        checkpoints = tuple(signed.checkpoint for signed in self.checkpoints)
        return Statement(self.terms_digest, checkpoints, self.totals, self.state)


def _encode_totals(totals: Iterable[int]) -> list[bytes]:
    return [total.to_bytes(TOTAL_BYTES, "little", signed=True) for total in totals]


def _encode_state(state: StateLink | None) -> bytes:
    if state is None:
        return b"\0"
    return b"\1" + encode_commitment(state.before) + encode_commitment(state.after)


class _Reader:
    """Takes bytes off the front; running out is CLAIM_MALFORMED."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def take(self, count: int) -> bytes:
        end = self._at + count
        if end > len(self._data):
            raise Rejected(Reason.CLAIM_MALFORMED, "the claim ends early")
        taken = self._data[self._at : end]
        self._at = end
        return taken

    def integer(self, size: int) -> int:
        return int.from_bytes(self.take(size), "little")

    def bounded(self, name: str, size: int, low: int, high: int) -> int:
        value = self.integer(size)
        if not low <= value <= high:
            raise Rejected(Reason.CLAIM_MALFORMED, name, expected=f"{low}..{high}", got=value)
        return value

    def totals(self, count: int) -> tuple[int, ...]:
        return tuple(
            int.from_bytes(self.take(TOTAL_BYTES), "little", signed=True) for _ in range(count)
        )

    def commitment(self) -> Commitment:
        try:
            return decode_commitment(self.take(COMMITMENT_BYTES))
        except ValueError as error:
            raise Rejected(Reason.CLAIM_MALFORMED, str(error)) from None

    def state(self) -> StateLink | None:
        if not self.bounded("carried state", 1, 0, 1):
            return None
        before = self.commitment()
        return StateLink(before, self.commitment())

    def finish(self) -> None:
        if self._at != len(self._data):
            raise Rejected(Reason.CLAIM_MALFORMED, "bytes after the claim's end")


def _read_parameter_set(reader: _Reader) -> str:
    name = reader.take(reader.bounded("parameter set name", 1, 1, 32))
    if not all(0x61 <= byte <= 0x7A or byte in b"-0123456789" for byte in name):
        raise Rejected(Reason.CLAIM_MALFORMED, "parameter set name")
    return name.decode("ascii")


def _read_checkpoints(reader: _Reader, count: int) -> list[Checkpoint]:
    return [decode_checkpoint(reader.take(reader.integer(2))) for _ in range(count)]


def decode_claim(data: bytes) -> Claim:
    """Parse a claim. Any bytes give a claim or ``Rejected``, in time linear in their length.

    Reasons: CLAIM_SIZE, CLAIM_VERSION, CLAIM_MALFORMED, CHECKPOINT_MALFORMED.
    """
    if len(data) > MAXIMUM_CLAIM_BYTES:
        raise Rejected(
            Reason.CLAIM_SIZE, "bytes", expected=f"<= {MAXIMUM_CLAIM_BYTES}", got=len(data)
        )
    reader = _Reader(data)
    if reader.take(len(MAGIC)) != MAGIC:
        raise Rejected(Reason.CLAIM_MALFORMED, "this is not a claim")
    version = reader.integer(2)
    if version != VERSION:
        raise Rejected(Reason.CLAIM_VERSION, expected=VERSION, got=version)
    terms_digest, circuit_id = reader.take(32), reader.take(32)
    parameter_set = _read_parameter_set(reader)
    outcome_count = reader.bounded("outcome count", 2, 1, MAXIMUM_OUTCOMES)
    count = reader.bounded("checkpoint count", 4, 2, MAXIMUM_CHECKPOINTS)
    checkpoints = _read_checkpoints(reader, count)
    totals = reader.totals(outcome_count)
    state = reader.state()
    records_before = reader.bounded("records before", 8, 0, MAXIMUM_NANOS)
    totals_before = reader.totals(outcome_count)
    records_after = reader.bounded("records after", 8, 0, MAXIMUM_NANOS)
    totals_after = reader.totals(outcome_count)
    amount = reader.bounded("amount", 8, 0, MAXIMUM_NANOS)
    cumulative = reader.bounded("voucher", 8, 0, MAXIMUM_NANOS)
    signed = tuple(SignedCheckpoint(c, reader.take(SIGNATURE_BYTES)) for c in checkpoints)
    voucher = Voucher(terms_digest, cumulative, reader.take(SIGNATURE_BYTES))
    proof = reader.take(reader.integer(4))
    signature = reader.take(SIGNATURE_BYTES)
    reader.finish()
    return Claim(
        terms_digest=terms_digest,
        circuit_id=circuit_id,
        parameter_set=parameter_set,
        checkpoints=signed,
        totals=totals,
        records_before=records_before,
        totals_before=totals_before,
        records_after=records_after,
        totals_after=totals_after,
        amount_nanos=amount,
        voucher=voucher,
        proof=proof,
        signature=signature,
        state=state,
    )
