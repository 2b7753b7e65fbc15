"""The checks of a claim that need neither head nor clock, one function per step of the protocol."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

from circuits.checkpoint import Checkpoint, Link
from circuits.errors import Reason, Rejected
from circuits.state import Commitment, chain_before, commit_state, initial_opening
from verifier.claim.encoding import Claim
from verifier.commitments import encode_commitment
from verifier.contract import SignedContract, Terms, verify_terms
from verifier.kernel.parameters import PARAMETER_SETS
from verifier.kernel.verify import verify
from verifier.signatures import (
    STATEMENT_TAG,
    VOUCHER_TAG,
    require_checkpoint_signature,
    require_signature,
)


@dataclass(frozen=True)
class CheckedClaim:
    """A claim that passed every check that needs no head, with its exact outcomes."""

    claim: Claim
    outcomes: tuple[Fraction, ...]


def check_contract(claim: Claim, contract: SignedContract) -> None:
    """Step 2: the claim names this contract, and both parties signed it."""
    if claim.terms_digest != contract.terms.digest:
        raise Rejected(
            Reason.CONTRACT_UNKNOWN,
            "the claim was made for other terms",
            expected=contract.terms.digest.hex(),
            got=claim.terms_digest.hex(),
        )
    if contract.operator_signature is None or contract.supplier_signature is None:
        raise Rejected(Reason.CONTRACT_SIGNATURE, "not signed by both parties")
    verify_terms(contract.terms, contract.operator_signature, contract.supplier_signature)


def check_active(claim: Claim, terms: Terms) -> None:
    """Step 2: the contract was active at the windows' times."""
    start, end = claim.checkpoints[1].checkpoint.start_ms, claim.last.end_ms
    if terms.valid_from_ms is not None and start < terms.valid_from_ms:
        raise Rejected(
            Reason.CONTRACT_INACTIVE, "start", expected=f">= {terms.valid_from_ms}", got=start
        )
    if terms.valid_until_ms is not None and end > terms.valid_until_ms:
        raise Rejected(
            Reason.CONTRACT_INACTIVE, "end", expected=f"<= {terms.valid_until_ms}", got=end
        )


def check_operator(claim: Claim, terms: Terms) -> None:
    """Step 3: the operator signed the claim and the cumulative voucher in it."""
    operator, voucher = terms.parties.operator, claim.voucher
    require_signature(
        operator, STATEMENT_TAG, claim.message(), claim.signature, Reason.OPERATOR_SIGNATURE
    )
    require_signature(
        operator, VOUCHER_TAG, voucher.message(), voucher.signature, Reason.VOUCHER_SIGNATURE
    )


def check_device(claim: Claim, terms: Terms) -> None:
    """Step 4: every checkpoint is the contract's device's, recording the contract's schema."""
    schema = terms.schema.digest()
    for signed in claim.checkpoints:
        if signed.checkpoint.device != terms.parties.device:
            raise Rejected(Reason.DEVICE_UNKNOWN, "a checkpoint of another device")
        if signed.checkpoint.schema != schema:
            raise Rejected(
                Reason.CHECKPOINT_SCHEMA, expected=schema.hex(), got=signed.checkpoint.schema.hex()
            )


def check_span(first: Checkpoint, windows: int, terms: Terms) -> None:
    """Step 4: where the contract fixes spans, ``windows`` windows after ``first`` are one.

    They begin at a multiple of ``windows_per_claim``, counted from the contract's start in that
    epoch, and are at most as many. So a shorter claim leaves no place for another in its epoch.
    """
    fixed = terms.windows_per_claim
    if fixed is None:
        return
    if windows > fixed:
        raise Rejected(Reason.CLAIM_SPAN, "windows", expected=f"<= {fixed}", got=windows)
    start = terms.start
    origin = start.index if start is not None and start.epoch == first.epoch else 0
    if (first.index - origin) % fixed:
        expected = f"{origin} + a multiple of {fixed}"
        raise Rejected(Reason.CLAIM_SPAN, "first window", expected=expected, got=first.index)


def require_sequence(before: Checkpoint, after: Checkpoint) -> None:
    """Two checkpoints in a row: one epoch, consecutive, flags that stay set, counts that add up."""
    if (after.epoch, after.index) != (before.epoch, before.index + 1):
        raise Rejected(
            Reason.CHECKPOINT_SEQUENCE,
            expected=f"{before.epoch}/{before.index + 1}",
            got=f"{after.epoch}/{after.index}",
        )
    if before.flags & ~after.flags:
        raise Rejected(Reason.CHECKPOINT_SEQUENCE, f"flags cleared at {after.index}")
    records = before.records_in_epoch + after.records_in_window
    if after.records_in_epoch != records:
        raise Rejected(
            Reason.CHECKPOINT_COUNTS,
            f"checkpoint {after.index}",
            expected=records,
            got=after.records_in_epoch,
        )


def require_times(before: Checkpoint, after: Checkpoint, window_ms: int) -> None:
    """Two checkpoints in a row: time does not go back, the window is at most so many ms long."""
    if after.start_ms < before.end_ms:
        raise Rejected(
            Reason.CHECKPOINT_TIMES,
            f"checkpoint {after.index}",
            expected=f">= {before.end_ms}",
            got=after.start_ms,
        )
    if after.end_ms - after.start_ms > window_ms:
        raise Rejected(
            Reason.CHECKPOINT_TIMES,
            f"length of window {before.index}",
            expected=f"<= {window_ms}",
            got=after.end_ms - after.start_ms,
        )


def check_sequence(claim: Claim) -> None:
    """Step 4: one epoch, consecutive indices, flags that stay set, counts that add up."""
    for before, after in pairwise(signed.checkpoint for signed in claim.checkpoints):
        require_sequence(before, after)


def check_times(claim: Claim, terms: Terms) -> None:
    """Step 4: times do not go back, and no window is longer than the contract's."""
    for before, after in pairwise(signed.checkpoint for signed in claim.checkpoints):
        require_times(before, after, terms.window_ms)


def check_opening(opening: Checkpoint) -> None:
    """Step 4: an epoch's checkpoint 0 is well linked, and its chain value is recomputed.

    A later first checkpoint has nothing to check here.
    """
    link = opening.link
    if link is None:
        return
    if opening.epoch == 0 and link != Link():
        raise Rejected(Reason.EPOCH_LINK, "epoch 0 has no epoch before it")
    if opening.epoch > 0 and link.epoch != opening.epoch - 1:
        raise Rejected(Reason.EPOCH_LINK, "epoch", expected=opening.epoch - 1, got=link.epoch)
    if opening.start_ms != opening.end_ms or link.end_ms > opening.start_ms:
        raise Rejected(
            Reason.CHECKPOINT_TIMES, "opening", expected=f">= {link.end_ms}", got=opening.start_ms
        )
    if opening.chain != opening.genesis_chain():
        raise Rejected(Reason.CHECKPOINT_GENESIS, "opening chain value")


def check_checkpoint_signatures(claim: Claim) -> None:
    """Step 4: the device signed every checkpoint."""
    for signed in claim.checkpoints:
        require_checkpoint_signature(signed.checkpoint, signed.signature)


def check_flags(claim: Claim, terms: Terms) -> None:
    """Step 4: in the claim's windows the device reported nothing that the contract refuses."""
    for signed in claim.checkpoints[1:]:
        refused = signed.checkpoint.flags & terms.refuse_flags
        if refused:
            raise Rejected(
                Reason.DEVICE_FLAGS,
                f"window {signed.checkpoint.index - 1}",
                expected="none of " + ", ".join(terms.refuse_flags.words),
                got=", ".join(refused.words),
            )


def check_checkpoints(claim: Claim, terms: Terms) -> None:
    """Step 4 as far as it needs no state, flags apart: shape first, signatures last."""
    check_device(claim, terms)
    check_span(claim.first, claim.windows, terms)
    check_sequence(claim)
    check_times(claim, terms)
    check_opening(claim.first)
    check_checkpoint_signatures(claim)


def check_state(claim: Claim, terms: Terms) -> None:
    """Step 5: the claim names commitments exactly where the contract carries state."""
    carries = bool(terms.circuit.state)
    if (claim.state is not None) != carries:
        words = {True: "two commitments", False: "none"}
        raise Rejected(
            Reason.STATE_MISMATCH,
            "carried state",
            expected=words[carries],
            got=words[not carries],
        )


def require_state_before(claim: Claim, expected: Commitment | None) -> None:
    """Step 5: what the claim carries in is what the contract carried out of the claim before."""
    if claim.state is not None and claim.state.before != expected:
        raise Rejected(
            Reason.STATE_MISMATCH,
            "the claim does not carry on the accepted state",
            expected=encode_commitment(expected).hex(),
            got=encode_commitment(claim.state.before).hex(),
        )


def initial_state(first: Checkpoint, terms: Terms) -> Commitment:
    """The public commitment with which a contract that starts at ``first`` begins."""
    return commit_state(terms.circuit.state, initial_opening(), chain_before(first))


def starts_contract(first: Checkpoint, terms: Terms) -> bool:
    """Whether a claim that begins at this checkpoint must be the contract's first one."""
    start, link = terms.start, first.link
    if start is None:
        return (first.epoch, first.index) == (0, 0)
    if link is not None and first.epoch == start.epoch + 1:
        return (link.epoch, link.index, link.chain) == (start.epoch, start.index, start.chain)
    return (first.epoch, first.index, first.chain) == (start.epoch, start.index, start.chain)


def check_circuit(claim: Claim, terms: Terms) -> None:
    """Step 6: the contract's circuit and parameter set, totals that a claim can reach."""
    circuit = terms.circuit
    for identifier in (claim.circuit_id, terms.circuit_id):  # the terms may pin one
        if identifier is not None and identifier != circuit.identifier:
            raise Rejected(
                Reason.CIRCUIT_MISMATCH, expected=circuit.identifier.hex(), got=identifier.hex()
            )
    if len(claim.totals) != len(circuit.outcomes):
        raise Rejected(
            Reason.CIRCUIT_MISMATCH,
            "outcomes",
            expected=len(circuit.outcomes),
            got=len(claim.totals),
        )
    if claim.parameter_set != terms.parameter_set or claim.parameter_set not in PARAMETER_SETS:
        raise Rejected(Reason.PARAMETER_SET, expected=terms.parameter_set, got=claim.parameter_set)
    for outcome, total in zip(circuit.outcomes, claim.totals, strict=True):
        outcome.check_total(total)


def check_proof(claim: Claim, terms: Terms) -> None:
    """Steps 6 and 7: the contract's floor, and the proof itself."""
    verify(
        terms.circuit,
        PARAMETER_SETS[claim.parameter_set],
        claim.statement,
        claim.proof,
        terms.minimum_proven_bits,
    )


def check_amount(claim: Claim, terms: Terms) -> None:
    """Step 8 as far as it needs no head: before + this claim = after, amount, voucher."""
    if claim.records_after != claim.records_before + claim.records:
        raise Rejected(
            Reason.CUMULATIVE_MISMATCH,
            "records",
            expected=claim.records_before + claim.records,
            got=claim.records_after,
        )
    for before, total, after in zip(
        claim.totals_before, claim.totals, claim.totals_after, strict=True
    ):
        if after != before + total:
            raise Rejected(Reason.CUMULATIVE_MISMATCH, "totals", expected=before + total, got=after)
    amount = terms.amount_nanos(claim.totals_before, claim.totals_after)
    if claim.amount_nanos != amount:
        raise Rejected(Reason.AMOUNT_MISMATCH, expected=amount, got=claim.amount_nanos)
    cumulative = terms.cumulative_nanos(claim.totals_after)
    if claim.voucher.cumulative_nanos != cumulative:
        raise Rejected(
            Reason.VOUCHER_MISMATCH, expected=cumulative, got=claim.voucher.cumulative_nanos
        )


def check_claim(
    claim: Claim, contract: SignedContract, *, flags_waived: bool = False
) -> CheckedClaim:
    """Every step that needs neither head nor clock; raises ``Rejected`` only.

    ``flags_waived`` leaves the device's status flags to whoever knows the supplier's waivers.
    """
    terms = contract.terms
    check_contract(claim, contract)
    check_active(claim, terms)
    check_operator(claim, terms)
    check_checkpoints(claim, terms)
    if not flags_waived:
        check_flags(claim, terms)
    check_state(claim, terms)
    if starts_contract(claim.first, terms):
        require_state_before(claim, initial_state(claim.first, terms))
    check_circuit(claim, terms)
    check_proof(claim, terms)
    check_amount(claim, terms)
    return CheckedClaim(claim, terms.outcome_values(claim.totals))
