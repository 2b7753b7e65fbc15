"""Settlements read back from a node's index: the plan that makes the bytes, or nothing."""

from __future__ import annotations

import base64
import random
from pathlib import Path

import iota_sdk
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.iota.samples import NETWORK, PLAN, SENDER, SPONSORED, Group
from verifier.iota.payment import PaymentPlan, build, digest
from verifier.iota.reading import read_plan, split_signed

PREFIX = b"\x01\0\0\0"


@pytest.fixture(scope="module")
def group(tmp_path_factory: pytest.TempPathFactory) -> Group:
    return Group(tmp_path_factory.mktemp("wallets"))


def signed_data(transaction: bytes, signatures: list[bytes]) -> bytes:
    """`SenderSignedData`; signatures shorter than 128 bytes."""
    vector = b"".join(bytes([len(one)]) + one for one in signatures)
    return PREFIX + transaction + bytes([len(signatures)]) + vector


def test_every_plan_comes_back(group: Group) -> None:
    plans = [PLAN, SPONSORED]
    plans += [group.plan(seed, sponsor=group.operator.address) for seed in range(10)]
    plans += [group.plan(seed) for seed in range(10, 20)]
    for plan in plans:
        assert read_plan(build(plan), plan.network) == plan


@settings(deadline=None)
@given(st.integers(0, 10**9), st.integers(1, 255))
def test_a_plan_makes_exactly_the_bytes_that_were_read(place: int, change: int) -> None:
    for plan in (PLAN, SPONSORED):
        data = bytearray(build(plan))
        data[place % len(data)] ^= change
        found = read_plan(bytes(data), NETWORK)
        assert found is None or (build(found) == bytes(data) and found != plan)


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_at_all(data: bytes) -> None:
    assert read_plan(data, NETWORK) is None
    assert split_signed(data, bytes(32)) is None


def transaction(commands: list[object], inputs: list[object]) -> bytes:
    own = iota_sdk.Transaction.from_bcs(build(PLAN))
    kind = iota_sdk.TransactionKind.new_programmable(
        iota_sdk.ProgrammableTransaction(inputs, commands)
    )
    sender = iota_sdk.Address.from_hex(SENDER)
    version = iota_sdk.TransactionV1(kind, sender, own.gas_payment(), own.expiration())
    return bytes(iota_sdk.Transaction.new_v1(version).to_bcs())


def test_other_transactions_are_no_settlements() -> None:
    pure = iota_sdk.Input.new_pure
    gas, first = iota_sdk.Argument.new_gas(), iota_sdk.Argument.new_input(0)
    gift = iota_sdk.Command.new_transfer_objects(iota_sdk.TransferObjects([gas], first))
    for commands, inputs in (
        ([], []),
        ([gift], [pure(bytes(32))]),
        ([gift], [pure(bytes(8)), pure(bytes(32))]),
        ([gift], [pure(bytes(8)), pure(bytes(32)), pure(bytes(32)), pure(bytes(32))]),
    ):
        data = transaction(commands, inputs)
        assert iota_sdk.Transaction.from_bcs(data)
        assert read_plan(data, NETWORK) is None


@pytest.mark.parametrize("plan", [PLAN, SPONSORED], ids=["own gas", "sponsored"])
def test_signatures_are_told_from_bytes(plan: PaymentPlan) -> None:
    data = build(plan)
    draw = random.Random(1)
    signatures = [draw.randbytes(97), draw.randbytes(97)]
    texts = tuple(base64.b64encode(one).decode() for one in signatures)
    content, named = signed_data(data, signatures), digest(data).data
    assert split_signed(content, named) == (data, texts)
    assert split_signed(content + b"\0", named) == (data, ())
    assert split_signed(content[:-1], named) == (data, ())
    assert split_signed(PREFIX + data, named) == (data, ())
    assert split_signed(PREFIX + data + b"\xff" * 9, named) == (data, ())
    assert split_signed(content[1:], named) is None
    assert split_signed(PREFIX + data[:-1], named) is None
    assert split_signed(content, digest(data + b"\0").data) is None


def test_long_signatures(tmp_path: Path) -> None:
    """An escrow's combined signature is longer than 127 bytes: a length of two bytes."""
    group = Group(tmp_path)
    data = build(group.plan(1))
    shares = [wallet.sign(data) for wallet in (group.operator, group.supplier)]
    combined = group.escrow.combine(data, shares)
    raw = base64.b64decode(combined)
    assert len(raw) > 0x7F
    length = bytes([len(raw) & 0x7F | 0x80, len(raw) >> 7])
    content = PREFIX + data + b"\x01" + length + raw
    assert split_signed(content, digest(data).data) == (data, (combined,))
