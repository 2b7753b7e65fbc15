"""The claim's bytes: one encoding per claim, and any bytes at all give a claim or a reason."""

from __future__ import annotations

import random
from dataclasses import replace
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from circuits.errors import BadInput, InputReason, Reason, Rejected
from tests.accept.refusals import accepted, fresh
from tests.support import NOW_MS, STRANGER, SUPPLIER, World
from verifier.accept import accept
from verifier.claim import MAXIMUM_CHECKPOINTS, MAXIMUM_CLAIM_BYTES, decode_claim
from verifier.receipt import check_chain, decode_receipt
from verifier.signatures import SIGNATURE_BYTES, public_key


@pytest.mark.parametrize("name", ["first", "second", "third"])
def test_decoding_is_the_inverse_of_encoding(world: World, name: str) -> None:
    claim = getattr(world, name)
    data = claim.encode()
    assert decode_claim(data) == claim
    assert decode_claim(data).encode() == data


def _reason(data: bytes) -> Reason | None:
    try:
        decode_claim(data)
    except Rejected as rejected:
        return rejected.reason
    return None


DECODE_REASONS = {
    Reason.CLAIM_SIZE,
    Reason.CLAIM_MALFORMED,
    Reason.CLAIM_VERSION,
    Reason.CHECKPOINT_MALFORMED,
}


def test_every_truncation_is_refused(world: World) -> None:
    data = world.first.encode()
    lengths = [*range(900), *range(900, len(data), 997), len(data) - 1]
    assert {_reason(data[:length]) for length in lengths} == {Reason.CLAIM_MALFORMED}


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=2000))
def test_random_bytes_give_a_reason(data: bytes) -> None:
    assert _reason(data) in DECODE_REASONS


@settings(max_examples=300, deadline=None)
@given(data=st.binary(max_size=600))
def test_random_bytes_after_a_good_start_give_a_reason(world: World, data: bytes) -> None:
    assert _reason(world.first.encode()[:6] + data) in DECODE_REASONS


def test_what_decodes_encodes_back_to_the_same_bytes(world: World) -> None:
    original = world.first.encode()
    flips = random.Random(2)
    decoded = 0
    for _ in range(400):
        data = bytearray(original)
        data[flips.randrange(1200)] ^= 1 << flips.randrange(8)
        if _reason(bytes(data)) is None:
            decoded += 1
            assert decode_claim(bytes(data)).encode() == bytes(data)
    assert decoded > 100


def test_every_flipped_bit_is_refused(world: World) -> None:
    # every part of the claim is under somebody's signature
    original = world.first.encode()
    flips = random.Random(1)
    places = [*range(0, 1400, 7), *(flips.randrange(len(original)) for _ in range(60))]
    for place in places:
        data = bytearray(original)
        data[place] ^= 1 << flips.randrange(8)
        with pytest.raises(Rejected):
            accept(bytes(data), fresh(world), NOW_MS)


def test_the_statement_digest_leaves_seals_out(world: World) -> None:
    # signatures and proof are seals: another operator signature is the same statement
    data = bytearray(world.first.encode())
    data[-1] ^= 1
    assert decode_claim(bytes(data)).statement_digest == world.first.statement_digest


def test_as_many_checkpoints_as_a_claim_has_room_for(world: World) -> None:
    # the smallest claim of that many fits its size limit, one more does not
    one = len(world.second.first.encode()) + 2 + SIGNATURE_BYTES
    claim = replace(world.second, parameter_set="x", proof=b"")
    rest = len(claim.encode()) - one * len(claim.checkpoints)
    assert rest + one * MAXIMUM_CHECKPOINTS <= MAXIMUM_CLAIM_BYTES
    assert rest + one * (MAXIMUM_CHECKPOINTS + 1) > MAXIMUM_CLAIM_BYTES
    data = bytearray(world.first.encode())
    at = data.index(world.first.first.encode()) - 2 - 4
    data[at : at + 4] = (MAXIMUM_CHECKPOINTS + 1).to_bytes(4, "little")
    with pytest.raises(Rejected, match=r"CLAIM_MALFORMED: checkpoint count"):
        decode_claim(bytes(data))


# --- receipts


def _receipts(world: World) -> list[Any]:
    state, out = fresh(world), []
    for claim in (world.first, world.second):
        decision = accepted(claim, state)
        state = fresh(world, head=decision.head)
        out.append(decision.receipt.signed(SUPPLIER))
    return out


def test_receipts_encode_and_chain(world: World) -> None:
    receipts = _receipts(world)
    for receipt in receipts:
        assert decode_receipt(receipt.encode()) == receipt
    check_chain(receipts, public_key(SUPPLIER))


@pytest.mark.parametrize("damage", ["order", "missing", "signer", "altered"])
def test_a_damaged_chain_of_receipts(world: World, damage: str) -> None:
    first, second = _receipts(world)
    chains = {
        "order": [second, first],
        "missing": [second],
        "signer": [first.signed(STRANGER), second],
        "altered": [first, decode_receipt(_flip(second.encode(), 50))],
    }
    with pytest.raises(BadInput) as caught:
        check_chain(chains[damage], public_key(SUPPLIER))
    assert caught.value.reason is InputReason.RECEIPT


def _flip(data: bytes, place: int) -> bytes:
    return data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]


@settings(max_examples=200, deadline=None)
@given(cut=st.integers(0, 600), tail=st.binary(max_size=100))
def test_receipt_bytes_give_a_receipt_or_bad_input(world: World, cut: int, tail: bytes) -> None:
    data = _receipt_bytes(world)[:cut] + tail
    try:
        receipt = decode_receipt(data)
    except BadInput as caught:
        reason: InputReason | None = caught.reason
    else:
        reason = None
        assert receipt.encode() == data
    assert reason in (None, InputReason.RECEIPT)


@cache
def _receipt_bytes(world: World) -> bytes:
    encoded: bytes = _receipts(world)[0].encode()
    return encoded
