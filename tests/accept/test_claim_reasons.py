"""One mutation of a valid claim, one reason: everything that needs neither head nor clock."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest

from circuits.checkpoint import CHECKPOINT_BYTES, Link, Status
from circuits.errors import Reason
from tests.accept.refusals import fresh, reason_of_accept, require_refused
from tests.support import (
    OPERATOR,
    STRANGER,
    World,
    make_claim,
    record_epoch,
    resign,
    sign_as_device,
    signed,
    with_checkpoint,
    with_cumulative,
)
from verifier.claim import MAXIMUM_CLAIM_BYTES, check_claim, sign_claim, sign_voucher
from verifier.contract import SignedContract, sign_terms
from verifier.kernel.parameters import PARAMETER_SETS
from verifier.kernel.soundness import proven_bits
from verifier.signatures import public_key, sign_checkpoint


def changed_contract(world: World, **changes: Any) -> SignedContract:
    """Other terms, signed by both parties."""
    return signed(replace(world.terms, **changes))


def moved(world: World, contract: SignedContract, **changes: Any) -> bytes:
    """The first claim as if it had been made under ``contract`` (its proof is never reached)."""
    digest = contract.terms.digest
    voucher = sign_voucher(digest, world.first.voucher.cumulative_nanos, OPERATOR)
    return resign(world.first, terms_digest=digest, voucher=voucher, **changes).encode()


def test_the_unchanged_claim_is_good(world: World) -> None:
    checked = check_claim(world.first, world.contract)
    assert checked.outcomes == world.terms.outcome_values(world.first.totals)


# --- 1. decode


@pytest.mark.reason(Reason.CLAIM_SIZE)
def test_claim_size(world: World) -> None:
    # one byte more than the limit, whatever it says
    data = world.first.encode().ljust(MAXIMUM_CLAIM_BYTES + 1, b"\0")
    require_refused(Reason.CLAIM_SIZE, data, world)


@pytest.mark.reason(Reason.CLAIM_MALFORMED)
def test_claim_malformed(world: World) -> None:
    # a byte after the end would give one claim two encodings
    require_refused(Reason.CLAIM_MALFORMED, world.first.encode() + b"\0", world)


@pytest.mark.reason(Reason.CLAIM_VERSION)
def test_claim_version(world: World) -> None:
    # the version follows the magic
    data = bytearray(world.first.encode())
    data[4] += 1
    require_refused(Reason.CLAIM_VERSION, bytes(data), world)


@pytest.mark.reason(Reason.CHECKPOINT_MALFORMED)
def test_checkpoint_malformed(world: World) -> None:
    # an unknown status flag inside a checkpoint's own bytes
    data = bytearray(world.first.encode())
    at = data.index(world.first.first.encode()) + 6
    data[at] |= 64
    require_refused(Reason.CHECKPOINT_MALFORMED, bytes(data), world)


# --- 2. contract


@pytest.mark.reason(Reason.CONTRACT_UNKNOWN)
def test_contract_unknown(world: World) -> None:
    # a claim made for other terms: here, terms at another price
    dearer = replace(world.terms.outcomes[0], price=Fraction("0.004"))
    other = changed_contract(world, outcomes=(dearer,))
    require_refused(Reason.CONTRACT_UNKNOWN, moved(world, other), world)


@pytest.mark.reason(Reason.CONTRACT_UNKNOWN)
def test_contract_not_registered(world: World) -> None:
    # the store never heard of these terms
    state = fresh(world, contract=None)
    assert reason_of_accept(world.first, state) is Reason.CONTRACT_UNKNOWN


@pytest.mark.reason(Reason.CONTRACT_SIGNATURE)
@pytest.mark.parametrize("party", ["operator_signature", "supplier_signature"])
def test_contract_signature(world: World, party: str) -> None:
    # a stranger signed in a party's place
    forged = replace(world.contract, **{party: sign_terms(world.terms, STRANGER)})  # type: ignore[arg-type]
    require_refused(Reason.CONTRACT_SIGNATURE, world.first, world, forged)


@pytest.mark.reason(Reason.CONTRACT_SIGNATURE)
def test_contract_unsigned(world: World) -> None:
    # the supplier never signed
    require_refused(
        Reason.CONTRACT_SIGNATURE,
        world.first,
        world,
        replace(world.contract, supplier_signature=None),
    )


@pytest.mark.reason(Reason.CONTRACT_INACTIVE)
def test_contract_not_yet_active(world: World) -> None:
    # terms that start one millisecond into the first window
    start = world.first.checkpoints[1].checkpoint.start_ms
    contract = changed_contract(world, valid_from_ms=start + 1)
    require_refused(Reason.CONTRACT_INACTIVE, moved(world, contract), world, contract)


@pytest.mark.reason(Reason.CONTRACT_INACTIVE)
def test_contract_no_longer_active(world: World) -> None:
    # terms that end one millisecond before the last window does
    contract = changed_contract(world, valid_until_ms=world.first.last.end_ms - 1)
    require_refused(Reason.CONTRACT_INACTIVE, moved(world, contract), world, contract)


# --- 3. operator


@pytest.mark.reason(Reason.OPERATOR_SIGNATURE)
def test_operator_signature(world: World) -> None:
    # signed by somebody else
    require_refused(Reason.OPERATOR_SIGNATURE, sign_claim(world.first, STRANGER), world)


@pytest.mark.reason(Reason.OPERATOR_SIGNATURE)
def test_operator_signature_covers_the_proof(world: World) -> None:
    # a proof exchanged on the way, the statement untouched
    proof = world.second.proof
    require_refused(Reason.OPERATOR_SIGNATURE, replace(world.first, proof=proof), world)


@pytest.mark.reason(Reason.VOUCHER_SIGNATURE)
def test_voucher_signature(world: World) -> None:
    # the voucher is signed by somebody else, the claim around it by the operator
    voucher = sign_voucher(world.first.terms_digest, world.first.voucher.cumulative_nanos, STRANGER)
    require_refused(Reason.VOUCHER_SIGNATURE, resign(world.first, voucher=voucher), world)


# --- 4. device and checkpoints


@pytest.mark.reason(Reason.DEVICE_UNKNOWN)
def test_device_unknown(world: World) -> None:
    # the same records, signed by a device that the contract does not name
    checkpoints = []
    for original in world.first.checkpoints:
        foreign = replace(original.checkpoint, device=public_key(STRANGER))
        checkpoints.append(replace(original, checkpoint=foreign))
        checkpoints[-1] = replace(
            checkpoints[-1], signature=sign_checkpoint(STRANGER, checkpoints[-1].checkpoint)
        )
    claim = resign(world.first, checkpoints=tuple(checkpoints))
    require_refused(Reason.DEVICE_UNKNOWN, claim, world)


@pytest.mark.reason(Reason.CHECKPOINT_SCHEMA)
def test_checkpoint_schema(world: World) -> None:
    # the device recorded something else than the contract's channels
    claim = with_checkpoint(world.first, 1, schema=bytes(32))
    require_refused(Reason.CHECKPOINT_SCHEMA, claim, world)


@pytest.mark.reason(Reason.CLAIM_SPAN)
def test_claim_span(world: World) -> None:
    # the contract fixes one window per claim, this one has two
    contract = changed_contract(world, windows_per_claim=1)
    require_refused(Reason.CLAIM_SPAN, moved(world, contract), world, contract)


@pytest.mark.reason(Reason.CHECKPOINT_SEQUENCE)
def test_checkpoint_sequence_gap(world: World) -> None:
    # a checkpoint left out, and with it a window
    checkpoints = (world.first.checkpoints[0], world.first.checkpoints[2])
    claim = resign(world.first, checkpoints=checkpoints)
    require_refused(Reason.CHECKPOINT_SEQUENCE, claim, world)


@pytest.mark.reason(Reason.CHECKPOINT_SEQUENCE)
def test_checkpoint_sequence_epoch(world: World) -> None:
    # two epochs in one claim
    claim = with_checkpoint(world.first, 2, epoch=1)
    require_refused(Reason.CHECKPOINT_SEQUENCE, claim, world)


@pytest.mark.reason(Reason.CHECKPOINT_SEQUENCE)
def test_checkpoint_flags_stay_set(world: World) -> None:
    # a tamper flag that is gone at the next checkpoint
    claim = with_checkpoint(world.first, 1, flags=Status.TAMPER)
    require_refused(Reason.CHECKPOINT_SEQUENCE, claim, world)


@pytest.mark.reason(Reason.CHECKPOINT_COUNTS)
def test_checkpoint_counts(world: World) -> None:
    # a window that counts one record more than the epoch grew by
    count = world.first.checkpoints[2].checkpoint.records_in_window
    claim = with_checkpoint(world.first, 2, records_in_window=count + 1)
    require_refused(Reason.CHECKPOINT_COUNTS, claim, world)


@pytest.mark.reason(Reason.CHECKPOINT_TIMES)
def test_checkpoint_times(world: World) -> None:
    # a window that starts before the one before it ends
    start = world.first.checkpoints[2].checkpoint.start_ms
    claim = with_checkpoint(world.first, 2, start_ms=start - 1)
    require_refused(Reason.CHECKPOINT_TIMES, claim, world)


@pytest.mark.reason(Reason.CHECKPOINT_TIMES)
def test_window_longer_than_the_contracts(world: World) -> None:
    # a millisecond more than window_seconds
    end = world.first.last.end_ms
    require_refused(Reason.CHECKPOINT_TIMES, with_checkpoint(world.first, 2, end_ms=end + 1), world)


@pytest.mark.reason(Reason.CHECKPOINT_TIMES)
def test_opening_before_the_end_of_the_last_epoch(world: World) -> None:
    # an epoch that says the one before it ended after its own start
    link = world.third.first.link
    assert link is not None
    late = replace(link, end_ms=world.third.first.start_ms + 1)
    claim = with_checkpoint(world.third, 0, link=late)
    require_refused(Reason.CHECKPOINT_TIMES, claim, world)


@pytest.mark.reason(Reason.CHECKPOINT_GENESIS)
def test_checkpoint_genesis(world: World) -> None:
    # an opening chain value that does not follow from what the opening declares
    chain = world.first.first.chain
    claim = with_checkpoint(world.first, 0, chain=(chain[0] ^ 1, *chain[1:]))
    require_refused(Reason.CHECKPOINT_GENESIS, claim, world)


@pytest.mark.reason(Reason.EPOCH_LINK)
def test_first_epoch_with_a_link(world: World) -> None:
    # epoch 0 claims to continue something
    claim = with_checkpoint(world.first, 0, link=Link(0, 1, 0, world.first.first.chain))
    require_refused(Reason.EPOCH_LINK, claim, world)


@pytest.mark.reason(Reason.EPOCH_LINK)
def test_link_that_skips_an_epoch(world: World) -> None:
    # epoch 1 links to epoch 1 instead of epoch 0
    link = world.third.first.link
    assert link is not None
    claim = with_checkpoint(world.third, 0, link=replace(link, epoch=1))
    require_refused(Reason.EPOCH_LINK, claim, world)


@pytest.mark.reason(Reason.CHECKPOINT_SIGNATURE)
def test_checkpoint_signature(world: World) -> None:
    # one bit of one signature
    bad = bytearray(world.first.checkpoints[1].signature)
    bad[0] ^= 1
    broken = replace(world.first.checkpoints[1], signature=bytes(bad))
    claim = resign(
        world.first, checkpoints=(world.first.checkpoints[0], broken, world.first.checkpoints[2])
    )
    require_refused(Reason.CHECKPOINT_SIGNATURE, claim, world)


# --- 6. circuit and parameters


@pytest.mark.reason(Reason.CIRCUIT_MISMATCH)
def test_circuit_mismatch(world: World) -> None:
    # proved with another circuit than the contract compiles to
    require_refused(Reason.CIRCUIT_MISMATCH, resign(world.first, circuit_id=bytes(32)), world)


@pytest.mark.reason(Reason.CIRCUIT_MISMATCH)
def test_outcome_count(world: World) -> None:
    # an outcome that the contract does not have
    twice = {
        name: getattr(world.first, name) * 2 for name in ("totals", "totals_before", "totals_after")
    }
    require_refused(Reason.CIRCUIT_MISMATCH, resign(world.first, **twice), world)


@pytest.mark.reason(Reason.CIRCUIT_MISMATCH)
def test_pinned_circuit(world: World) -> None:
    # the contract pins a circuit that its outcomes do not compile to
    contract = changed_contract(world, circuit_id=bytes(32))
    require_refused(Reason.CIRCUIT_MISMATCH, moved(world, contract), world, contract)


@pytest.mark.reason(Reason.PARAMETER_SET)
def test_parameter_set(world: World) -> None:
    # parameters that nobody knows
    require_refused(Reason.PARAMETER_SET, resign(world.first, parameter_set="toy"), world)


@pytest.mark.reason(Reason.SOUNDNESS_FLOOR)
def test_soundness_floor(world: World) -> None:
    # a contract that asks for more bits than the parameters prove
    circuit = world.terms.circuit
    sizes = (circuit.column_count, circuit.constraint_count, circuit.max_degree)
    bits = proven_bits(PARAMETER_SETS["standard"], 8, *sizes)
    contract = changed_contract(world, minimum_proven_bits=int(bits) + 1)
    require_refused(Reason.SOUNDNESS_FLOOR, moved(world, contract), world, contract)


@pytest.mark.reason(Reason.TRACE_LENGTH)
def test_trace_length(world: World) -> None:
    # a window of more records than the longest trace holds
    claim = world.first
    grown = claim.last.records_in_epoch + 2**24
    last = replace(
        claim.last,
        records_in_epoch=grown,
        records_in_window=grown - claim.checkpoints[1].checkpoint.records_in_epoch,
    )
    checkpoints = (*claim.checkpoints[:-1], sign_as_device(last))
    require_refused(Reason.TRACE_LENGTH, resign(claim, checkpoints=checkpoints), world)


@pytest.mark.reason(Reason.OUTCOME_RANGE)
def test_outcome_range(world: World) -> None:
    # a total below what any readings can give
    totals = (world.terms.circuit.outcomes[0].minimum_total - 1,)
    require_refused(Reason.OUTCOME_RANGE, resign(world.first, totals=totals), world)


# --- 7. the proof binds totals and checkpoints (its own reasons are the kernel's tests)


@pytest.mark.reason(Reason.PROOF_CONSTRAINTS)
@pytest.mark.parametrize("difference", [-1, 1])
def test_an_untrue_total_is_not_proved(world: World, difference: int) -> None:
    totals = (world.first.totals[0] + difference,)
    claim = resign(world.first, totals=totals, totals_after=totals)
    require_refused(Reason.PROOF_CONSTRAINTS, claim, world)


def test_a_proof_for_other_readings_is_not_accepted(world: World) -> None:
    # the same checkpoints, but proved over a log with other readings and no salt in common
    other = record_epoch([7, 4], start_ms=world.first.first.start_ms - 1)
    claim = make_claim(world.terms, other, 0, 1)
    stolen = resign(world.first, proof=claim.proof)
    require_refused(Reason.PROOF_CONSTRAINTS, stolen, world)


# --- 8. money


@pytest.mark.reason(Reason.CUMULATIVE_MISMATCH)
def test_cumulative_records(world: World) -> None:
    # before plus this claim is not after
    claim = resign(world.first, records_after=world.first.records_after + 1)
    require_refused(Reason.CUMULATIVE_MISMATCH, claim, world)


@pytest.mark.reason(Reason.CUMULATIVE_MISMATCH)
def test_cumulative_totals(world: World) -> None:
    # before plus this claim is not after
    claim = resign(world.first, totals_after=(world.first.totals_after[0] - 1,))
    require_refused(Reason.CUMULATIVE_MISMATCH, claim, world)


@pytest.mark.reason(Reason.AMOUNT_MISMATCH)
def test_amount_mismatch(world: World) -> None:
    # one nano less than the outcomes are worth
    claim = resign(world.first, amount_nanos=world.first.amount_nanos - 1)
    require_refused(Reason.AMOUNT_MISMATCH, claim, world)


@pytest.mark.reason(Reason.VOUCHER_MISMATCH)
def test_voucher_mismatch(world: World) -> None:
    # the voucher promises one nano less than is owed in all
    claim = with_cumulative(world.first, world.first.voucher.cumulative_nanos - 1)
    require_refused(Reason.VOUCHER_MISMATCH, claim, world)


def test_checkpoint_size_is_what_the_mutations_assume() -> None:
    assert CHECKPOINT_BYTES == 140
