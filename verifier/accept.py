"""From proof to money: the pure decision on one claim, in the protocol's order.

``accept`` reads nothing but its arguments and changes nothing. The ledger gathers the state, calls
it, and applies the decision in one transaction if the state is still the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from fractions import Fraction
from itertools import pairwise

from circuits.checkpoint import MAX_TIME_MS, Checkpoint, Link
from circuits.errors import Reason, Rejected
from circuits.state import Commitment
from verifier.claim.checks import (
    check_active,
    check_amount,
    check_checkpoints,
    check_circuit,
    check_contract,
    check_flags,
    check_operator,
    check_proof,
    check_state,
    initial_state,
    require_state_before,
)
from verifier.claim.encoding import Claim, SignedCheckpoint, decode_claim
from verifier.commitments import encode_commitment
from verifier.contract import SignedContract, Start, Terms
from verifier.receipt import NO_RECEIPT, Attestation, Receipt

DEFAULT_CLOCK_SKEW_MS = 300_000
Position = tuple[bytes, int, int]  # device, epoch, index
ProofCheck = Callable[[Claim, Terms], None]


class Account(StrEnum):
    """The accounts of one contract. Every transaction over them sums to zero.

    OUTSIDE: where deposits come from (negative) and gas goes; ESCROW: funded, not yet earned;
    PAYABLE: earned, not yet settled; SETTLED: paid out.
    """

    OUTSIDE = "outside"
    ESCROW = "escrow"
    PAYABLE = "payable"
    SETTLED = "settled"


@dataclass(frozen=True)
class Entry:
    """One line of a double-entry transaction, in nanos of the contract's currency."""

    account: Account
    nanos: int


@dataclass(frozen=True)
class Head:
    """Where a contract stands after its last receipt; ``state`` is what that claim carried out."""

    checkpoint: Checkpoint
    totals: tuple[int, ...]
    records: int
    cumulative_nanos: int
    receipt_digest: bytes
    sequence: int
    state: Commitment | None = None


@dataclass(frozen=True)
class DeviceStatus:
    """Records after ``revoked_from_ms`` do not count; a ``frozen`` device contradicted itself."""

    revoked_from_ms: int | None = None
    frozen: bool = False


@dataclass(frozen=True)
class AcceptState:
    """Everything that a decision may depend on, besides the claim and the clock.

    ``receipts`` finds an earlier receipt by statement digest, ``seen`` an earlier checkpoint by
    position; both need to hold what concerns the claim at hand only. ``contract`` is None when
    the claim's terms are unknown. ``late_until_ms`` and ``flags_until_ms`` are the supplier's
    waivers: claims that arrive until then are not refused as CLAIM_LATE, or for DEVICE_FLAGS.
    """

    contract: SignedContract | None = field(compare=False)
    active: bool = True
    device: DeviceStatus = DeviceStatus()
    head: Head | None = None
    escrow_nanos: int = 0
    receipts: Mapping[bytes, Receipt] = field(default_factory=dict)
    seen: Mapping[Position, SignedCheckpoint] = field(default_factory=dict)
    clock_skew_ms: int = DEFAULT_CLOCK_SKEW_MS
    late_until_ms: int | None = None
    flags_until_ms: int | None = None


def as_signed(state: AcceptState, escrow_nanos: int) -> AcceptState:
    """The state in which a claim whose receipt was signed is decided again.

    The supplier's clock, its waivers, revocations and closing count no more: the signature does.
    ``escrow_nanos`` is all of the escrow: what is set aside for gas may be another than then.
    """
    return replace(
        state,
        active=True,
        device=DeviceStatus(),
        escrow_nanos=max(0, escrow_nanos),
        clock_skew_ms=MAX_TIME_MS,
        late_until_ms=MAX_TIME_MS,
        flags_until_ms=MAX_TIME_MS,
    )


@dataclass(frozen=True)
class Accepted:
    """Pay: the receipt still lacks the supplier's signature; the entries sum to zero."""

    claim: Claim
    outcomes: tuple[Fraction, ...]
    receipt: Receipt
    head: Head
    entries: tuple[Entry, ...]


@dataclass(frozen=True)
class Duplicate:
    """The statement was accepted before; its first receipt answers, nothing is paid."""

    claim: Claim
    receipt: Receipt


Decision = Accepted | Duplicate


class DeviceConflict(Rejected):
    """DEVICE_FROZEN with the evidence: two signed checkpoints for one position."""

    def __init__(self, earlier: SignedCheckpoint, later: SignedCheckpoint) -> None:
        position = f"{later.checkpoint.epoch}/{later.checkpoint.index}"
        super().__init__(Reason.DEVICE_FROZEN, f"two different checkpoints signed for {position}")
        self.earlier = earlier
        self.later = later


def accept(claim_bytes: bytes, state: AcceptState, now_ms: int) -> Decision:
    """Decide on a claim; a refusal is ``Rejected`` and nothing else is ever raised."""
    return decide(decode_claim(claim_bytes), state, now_ms)  # 1


def decide(
    claim: Claim, state: AcceptState, now_ms: int, proof_check: ProofCheck = check_proof
) -> Decision:
    """``accept`` after decoding; ``proof_check`` is ``check_proof``, wherever it is computed."""
    contract = _known_contract(claim, state)  # 2
    terms = contract.terms
    check_contract(claim, contract)
    check_operator(claim, terms)  # 3
    # A repeat is answered before whatever may have changed since: status, clock, device, head.
    repeat = state.receipts.get(claim.statement_digest)
    if repeat is not None:
        return Duplicate(claim, repeat)
    check_active(claim, terms)  # 2, at the windows' times
    _check_status(state)
    check_checkpoints(claim, terms)  # 4
    _check_device_status(claim, state)
    _check_conflicts(claim, state)
    if not _waived(state.flags_until_ms, now_ms):
        check_flags(claim, terms)
    _check_clock(claim, terms, state, now_ms)
    _check_head(claim, terms, state.head)  # 5
    _check_state(claim, terms, state.head)
    check_circuit(claim, terms)  # 6
    proof_check(claim, terms)  # 6 (floor) and 7
    check_amount(claim, terms)  # 8
    _check_continuation(claim, state.head)
    _check_escrow(claim, state)
    return _accepted(claim, terms, state, now_ms)


def _known_contract(claim: Claim, state: AcceptState) -> SignedContract:
    if state.contract is None:
        raise Rejected(
            Reason.CONTRACT_UNKNOWN, "no contract with these terms", got=claim.terms_digest.hex()
        )
    return state.contract


def _check_status(state: AcceptState) -> None:
    if not state.active:
        raise Rejected(Reason.CONTRACT_INACTIVE, "the contract was closed")


def _check_device_status(claim: Claim, state: AcceptState) -> None:
    if state.device.frozen:
        raise Rejected(Reason.DEVICE_FROZEN, "the device contradicted itself earlier")
    revoked_from_ms = state.device.revoked_from_ms
    if revoked_from_ms is not None and claim.last.end_ms > revoked_from_ms:
        raise Rejected(
            Reason.DEVICE_REVOKED, "end", expected=f"<= {revoked_from_ms}", got=claim.last.end_ms
        )


def _check_conflicts(claim: Claim, state: AcceptState) -> None:
    for signed in claim.checkpoints:
        checkpoint = signed.checkpoint
        earlier = state.seen.get((checkpoint.device, checkpoint.epoch, checkpoint.index))
        if earlier is not None and earlier.checkpoint != checkpoint:
            raise DeviceConflict(earlier, signed)


def _check_clock(claim: Claim, terms: Terms, state: AcceptState, now_ms: int) -> None:
    latest = now_ms + state.clock_skew_ms
    if claim.last.end_ms > latest:
        raise Rejected(
            Reason.CHECKPOINT_FUTURE, "end", expected=f"<= {latest}", got=claim.last.end_ms
        )
    if terms.claim_deadline_seconds is not None and not _waived(state.late_until_ms, now_ms):
        deadline = claim.checkpoints[1].checkpoint.end_ms + terms.claim_deadline_seconds * 1000
        if now_ms > deadline:
            raise Rejected(Reason.CLAIM_LATE, "first window", expected=f"<= {deadline}", got=now_ms)


def _waived(until_ms: int | None, now_ms: int) -> bool:
    return until_ms is not None and now_ms <= until_ms


def _check_head(claim: Claim, terms: Terms, head: Head | None) -> None:
    """The claim continues exactly where the last receipt ended, or at the contract's start."""
    first = claim.first
    if head is None:
        _check_start(first, terms)
        return
    accepted = head.checkpoint
    if first == accepted:
        return
    if (first.epoch, first.index) < (accepted.epoch, accepted.index):
        if (claim.last.epoch, claim.last.index) <= _start_position(terms):
            raise _head_mismatch(accepted, first)  # before the contract: never accepted
        raise Rejected(
            Reason.EQUIVOCATION,
            "another statement about windows that were accepted",
            expected=f">= {accepted.epoch}/{accepted.index}",
            got=f"{first.epoch}/{first.index}",
        )
    if (first.epoch, first.index) != (accepted.epoch + 1, 0) or first.link is None:
        raise _head_mismatch(accepted, first)
    end = Link(accepted.epoch, accepted.index, accepted.end_ms, accepted.chain)
    _check_link(first.link, end)


def _check_link(link: Link, end: Link) -> None:
    if link != end:
        raise Rejected(
            Reason.EPOCH_LINK,
            "the epoch does not continue where counting stands",
            expected=f"{end.epoch}/{end.index}",
            got=f"{link.epoch}/{link.index}",
        )


def _check_state(claim: Claim, terms: Terms, head: Head | None) -> None:
    """The claim carries on what the last one carried out, or what every contract begins with."""
    check_state(claim, terms)
    if claim.state is not None:
        before = initial_state(claim.first, terms) if head is None else head.state
        require_state_before(claim, before)


def _check_start(first: Checkpoint, terms: Terms) -> None:
    """The starting checkpoint, or the next epoch's opening that names it."""
    start, link = terms.start, first.link
    if start is not None and link is not None and first.epoch == start.epoch + 1:
        # the terms do not say when the starting checkpoint ended
        _check_link(link, Link(start.epoch, start.index, link.end_ms, start.chain))
        return
    epoch, index = _start_position(terms)
    if (first.epoch, first.index) != (epoch, index):
        raise Rejected(
            Reason.HEAD_MISMATCH,
            "the contract starts elsewhere",
            expected=f"{epoch}/{index}",
            got=f"{first.epoch}/{first.index}",
        )
    if start is not None and first.chain != start.chain:
        got = Start(first.epoch, first.index, first.chain)
        raise Rejected(
            Reason.HEAD_MISMATCH,
            "the contract names another starting checkpoint",
            expected=start.text,
            got=got.text,
        )


def _start_position(terms: Terms) -> tuple[int, int]:
    start = terms.start
    return (0, 0) if start is None else (start.epoch, start.index)


def _head_mismatch(accepted: Checkpoint, first: Checkpoint) -> Rejected:
    return Rejected(
        Reason.HEAD_MISMATCH,
        "the claim does not continue the accepted head",
        expected=f"{accepted.epoch}/{accepted.index}",
        got=f"{first.epoch}/{first.index}",
    )


def _check_continuation(claim: Claim, head: Head | None) -> None:
    records = 0 if head is None else head.records
    totals = (0,) * len(claim.totals) if head is None else head.totals
    if claim.records_before != records:
        raise Rejected(
            Reason.CUMULATIVE_MISMATCH,
            "records before",
            expected=records,
            got=claim.records_before,
        )
    if claim.totals_before != totals:
        raise Rejected(
            Reason.CUMULATIVE_MISMATCH,
            "totals before",
            expected=list(totals),
            got=list(claim.totals_before),
        )
    cumulative = (0 if head is None else head.cumulative_nanos) + claim.amount_nanos
    if claim.voucher.cumulative_nanos != cumulative:
        raise Rejected(
            Reason.VOUCHER_MISMATCH, expected=cumulative, got=claim.voucher.cumulative_nanos
        )


def _check_escrow(claim: Claim, state: AcceptState) -> None:
    if claim.amount_nanos > state.escrow_nanos:
        raise Rejected(
            Reason.ESCROW_SHORT, "nanos", expected=claim.amount_nanos, got=state.escrow_nanos
        )


def _unmetered_ms(claim: Claim) -> int:
    """Time in no window, from where the claim continues to its last window."""
    first = claim.first
    gaps = sum(
        after.checkpoint.start_ms - before.checkpoint.end_ms
        for before, after in pairwise(claim.checkpoints)
    )
    if first.link is not None and first.epoch > 0:
        gaps += first.start_ms - first.link.end_ms
    return gaps


def _accepted(claim: Claim, terms: Terms, state: AcceptState, now_ms: int) -> Accepted:
    head, first, last = state.head, claim.first, claim.last
    after = None if claim.state is None else claim.state.after
    receipt = Receipt(
        terms_digest=claim.terms_digest,
        sequence=1 if head is None else head.sequence + 1,
        previous=NO_RECEIPT if head is None else head.receipt_digest,
        statement_digest=claim.statement_digest,
        device=last.device,
        epoch=last.epoch,
        first_window=first.index,
        last_window=last.index - 1,
        start_ms=claim.checkpoints[1].checkpoint.start_ms,
        end_ms=last.end_ms,
        records=claim.records,
        records_after=claim.records_after,
        totals=claim.totals,
        totals_after=claim.totals_after,
        amount_nanos=claim.amount_nanos,
        cumulative_nanos=claim.voucher.cumulative_nanos,
        head=last.digest,
        attestation=Attestation.DEVICE,
        flags=last.flags,
        unmetered_ms=_unmetered_ms(claim),
        accepted_ms=now_ms,
        state=encode_commitment(after),
    )
    new_head = Head(
        checkpoint=last,
        totals=claim.totals_after,
        records=claim.records_after,
        cumulative_nanos=claim.voucher.cumulative_nanos,
        receipt_digest=receipt.digest,
        sequence=receipt.sequence,
        state=after,
    )
    entries = (
        Entry(Account.ESCROW, -claim.amount_nanos),
        Entry(Account.PAYABLE, claim.amount_nanos),
    )
    return Accepted(
        claim=claim,
        outcomes=terms.outcome_values(claim.totals),
        receipt=receipt,
        head=new_head,
        entries=entries if claim.amount_nanos else (),
    )
