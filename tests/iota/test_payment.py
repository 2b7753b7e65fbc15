"""Plans: one meaning per document, and every field of one is in the transaction's bytes."""

from __future__ import annotations

import json
import random
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import iota_sdk
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from circuits.errors import BadInput, InputReason
from tests.iota.samples import (
    COIN,
    LARGEST,
    OTHER,
    PAYEE,
    PLAN,
    SENDER,
    SPONSOR,
    SPONSORED,
    Group,
    coin,
)
from verifier.iota.payment import (
    MAXIMUM_COINS,
    PaymentPlan,
    build,
    digest,
    signing_digest,
)


@pytest.fixture(scope="module")
def group(tmp_path_factory: pytest.TempPathFactory) -> Group:
    return Group(tmp_path_factory.mktemp("wallets"))


def refused(call: Any, *arguments: Any, **options: Any) -> str:
    with pytest.raises(BadInput) as caught:
        call(*arguments, **options)
    assert caught.value.reason is InputReason.SETTLEMENT_PLAN
    return caught.value.message


def test_known_digests() -> None:
    """The official TypeScript SDK builds the same (test_typescript.py asks it about many more)."""
    assert digest(build(PLAN)).text == "hTueD1tb9oWrocmY2rZqm5H9bV4V4briwhWRbbMFgJE"
    assert digest(build(SPONSORED)).text == "Fo3KtsPP8qHAqgyUPHAa8uWThnQTEoQetFREDNjUNMs1"


def test_digests_are_the_sdks(group: Group) -> None:
    for seed in range(20):
        data = build(group.plan(seed, sponsor=group.operator.address if seed % 2 else None))
        transaction = iota_sdk.Transaction.from_bcs(data)
        found = digest(data)
        assert (found.text, found.data) == (
            transaction.digest().to_base58(), bytes(transaction.digest().to_bytes())
        )  # fmt: skip
        assert signing_digest(data) == bytes(transaction.signing_digest())


def test_commands() -> None:
    """The escrow's own gas pays; a sponsor's gas coin is never touched by a command."""
    for plan in (PLAN, SPONSORED):
        transaction = iota_sdk.Transaction.from_bcs(build(plan))
        document = json.loads(transaction.kind().to_json())["Programmable"]
        names = [next(iter(command)) for command in document["commands"]]
        text = json.dumps(document["commands"])
        assert names[-2:] == ["SplitCoins", "TransferObjects"]
        assert names[:-2] == (["MergeCoins"] if plan.sponsored else [])
        assert ('"Gas"' in text) is not plan.sponsored
        payment = transaction.gas_payment()
        assert payment.owner.to_hex() == plan.gas_owner
        assert [bytes(o.object_id.to_bytes()) for o in payment.objects] == [
            c.object_id for c in plan.gas_coins
        ]


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32), sponsored=st.booleans())
def test_documents_round_trip(group: Group, seed: int, sponsored: bool) -> None:
    plan = group.plan(seed, sponsor=group.supplier.address if sponsored else None)
    data = plan.to_json()
    again = PaymentPlan.from_json(data)
    assert again == plan
    assert build(again) == build(plan)
    document = json.loads(data)
    assert refused(PaymentPlan.from_json, json.dumps(document).encode())  # spaces
    for name in document:
        assert refused(PaymentPlan.from_json, changed(document, {name: None}))
        assert refused(PaymentPlan.from_json, changed(document, {name: 7}))
        rest = {key: value for key, value in document.items() if key != name}
        if name != "anchor":
            assert refused(PaymentPlan.from_json, encoded(rest))


def encoded(document: dict[str, Any]) -> bytes:
    return json.dumps(document, separators=(",", ":"), sort_keys=True).encode()


def changed(document: dict[str, Any], changes: dict[str, Any]) -> bytes:
    return encoded({**document, **changes})


@pytest.mark.parametrize(
    "changes",
    [
        {"extra": "1"}, {"format": "zkmeter-payment-2"}, {"gas_price": "01"}, {"gas_price": "+1"},
        {"gas_price": "1.0"}, {"gas_price": str(LARGEST + 1)}, {"amount_nanos": "0"},
        {"amount_nanos": "-1"}, {"gas_budget": "0"}, {"anchor": "00"}, {"anchor": "AA" * 32},
        {"network": "6364AAD5"}, {"network": "6364aad"}, {"payee": PAYEE.upper()},
        {"payee": PAYEE[2:]}, {"payee": SENDER}, {"sender": "0x12"}, {"gas_coins": []},
        {"gas_coins": {}}, {"gas_owner": SPONSOR}, {"expiry_epoch": "\u0661"},
        {"coins": [{"object_id": "00" * 32, "version": "1", "digest": "00" * 32}]},
        {"gas_coins": [{"object_id": "00" * 32, "version": 1, "digest": "00" * 32}]},
        {"gas_coins": [{"object_id": "00" * 32, "version": "1"}]},
        {"gas_coins": [{"object_id": "00" * 31, "version": "1", "digest": "00" * 32}]},
        {"gas_coins": [{"object_id": "00" * 32, "version": "1", "digest": "00" * 32}] * 2},
    ],
)  # fmt: skip
def test_documents_that_mean_nothing(changes: dict[str, Any]) -> None:
    document = json.loads(PLAN.to_json())
    assert PaymentPlan.from_json(encoded(document)) == PLAN
    assert refused(PaymentPlan.from_json, changed(document, changes))


@pytest.mark.parametrize("data", [b"", b"[]", b"null", b"\xff", b"[" * 100_000, b" " * (1 << 19)])
def test_bytes_that_are_no_document(data: bytes) -> None:
    assert refused(PaymentPlan.from_json, data)


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_mutated_documents_are_refused_or_mean_what_they_say(data: st.DataObject) -> None:
    mutated = bytearray(data.draw(st.sampled_from([PLAN, SPONSORED])).to_json())
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(mutated)))
        mutated[start : start + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    reason = None
    try:
        plan = PaymentPlan.from_json(bytes(mutated))
    except BadInput as error:
        reason = error.reason
    if reason is None:
        assert plan.to_json() == bytes(mutated)
        assert len(build(plan)) > 0
    else:
        assert reason is InputReason.SETTLEMENT_PLAN


@pytest.mark.parametrize("plan", [PLAN, SPONSORED])
def test_every_field_changes_the_bytes(plan: PaymentPlan) -> None:
    changes: dict[str, list[Any]] = {
        "sender": ["0x" + "d" * 64],
        "gas_coins": [
            (replace(plan.gas_coins[0], object_id=bytes([9] * 32)),),
            (replace(plan.gas_coins[0], version=6),),
            (replace(plan.gas_coins[0], digest=bytes(32)),),
            (*plan.gas_coins, replace(COIN, object_id=bytes([9] * 32))),
        ],
        "gas_price": [999, LARGEST],
        "gas_budget": [1, LARGEST],
        "expiry_epoch": [0, LARGEST],
        "amount_nanos": [1, LARGEST],
        "payee": ["0x" + "d" * 64],
        "anchor": [None, bytes(32)],
    }
    if plan.sponsored:
        changes["gas_owner"] = ["0x" + "d" * 64]
        changes["coins"] = [(COIN,), (OTHER, COIN), (COIN, replace(OTHER, version=7))]
    seen = {build(plan)}
    for name, values in changes.items():
        for value in values:
            both = name == "sender" and not plan.sponsored
            other = replace(plan, **{name: value}, **({"gas_owner": value} if both else {}))
            seen.add(build(other))
            assert other.to_json() != plan.to_json()
    assert len(seen) == 1 + sum(map(len, changes.values()))
    not_in_bytes = {"network"} if plan.sponsored else {"network", "gas_owner", "coins"}
    assert set(changes) == {field.name for field in fields(PaymentPlan)} - not_in_bytes


@pytest.mark.parametrize(
    "changes",
    [
        {"amount_nanos": True}, {"amount_nanos": 1.5}, {"amount_nanos": "5"}, {"amount_nanos": 0},
        {"amount_nanos": -1}, {"amount_nanos": LARGEST + 1}, {"gas_budget": 0}, {"gas_price": 0},
        {"gas_budget": True}, {"expiry_epoch": -1}, {"expiry_epoch": None}, {"gas_coins": ()},
        {"anchor": b"short"}, {"anchor": "00" * 32}, {"payee": SENDER}, {"payee": None},
        {"coins": (OTHER,)}, {"gas_owner": SPONSOR}, {"gas_coins": (COIN, COIN)},
        {"gas_coins": (COIN, replace(COIN, version=6))}, {"network": "mainnet"},
        {"gas_owner": SPONSOR, "coins": (COIN,)},
    ],
)  # fmt: skip
@pytest.mark.reason(InputReason.SETTLEMENT_PLAN)
def test_plans_that_one_may_not_sign(changes: dict[str, Any]) -> None:
    assert refused(replace, PLAN, **changes)


@pytest.mark.parametrize(
    "changes",
    [{"object_id": b"short"}, {"digest": bytes(33)}, {"version": True}, {"version": -1},
     {"version": LARGEST + 1}, {"object_id": "00" * 16}],
)  # fmt: skip
def test_references_out_of_range(changes: dict[str, Any]) -> None:
    assert refused(replace, COIN, **changes)


def test_as_many_coins_as_the_network_takes() -> None:
    draw = random.Random(1)
    most = tuple(coin(draw) for _ in range(MAXIMUM_COINS))
    plan = replace(PLAN, gas_coins=most)
    assert PaymentPlan.from_json(plan.to_json()) == plan
    assert len(build(plan)) < 128 * 1024
    assert refused(replace, plan, gas_coins=(*most, coin(draw)))


def test_leases_name_a_coin_at_a_version() -> None:
    assert COIN.lease == bytes([1]) * 32 + (5).to_bytes(8, "big")
    assert COIN.lease != replace(COIN, version=6).lease
    assert SPONSORED.references == SPONSORED.coins + SPONSORED.gas_coins


def test_foreign_bytes_are_not_signed(group: Group, tmp_path: Path) -> None:
    for data in (b"", b"\x00", build(PLAN)[:-1], build(PLAN) + b"\x00"):
        assert refused(group.operator.sign, data)
