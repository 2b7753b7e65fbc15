"""The test node, driven by the real SDK: money, gas, signatures and what it refuses."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import iota_sdk as sdk
import pytest

from tests.iota_node.client import (
    FAILURES,
    Group,
    Party,
    ask,
    owned,
    pay,
    pay_sponsored,
    send,
)
from tests.iota_node.gas import COIN_DEPOSIT
from tests.iota_node.node import IotaNode
from tests.iota_node.state import Coin

IOTA = 10**9
COMPUTATION = 1_000_000  # measured: docs of the design, and gas.py's sources
PAYER, PAYEE, SPONSOR, ARBITER = (Party.of(seed) for seed in (1, 2, 3, 4))
ESCROW = Group((PAYER, PAYEE))
ESCROW_OF_THREE = Group((PAYER, PAYEE, ARBITER))
Change = Callable[[Coin], dict[str, Any]]


def named(reference: Any) -> tuple[str, int, str]:
    """Id, version and digest of an object reference."""
    return (
        reference.object_id.to_hex(),
        reference.version.as_u64(),
        reference.digest.to_base58(),
    )


def test_a_deposit_is_what_a_new_coin_costs_on_the_live_network() -> None:
    assert COIN_DEPOSIT == 980_400


def test_the_faucet_funds_and_coins_come_in_pages(iota_node: IotaNode) -> None:
    given = {iota_node.faucet(PAYER.address, 1_000 + index).object_id for index in range(25)}
    iota_node.faucet(PAYEE.address, 7)
    owner = sdk.Address.from_hex(PAYER.address)
    seen: list[str] = []
    cursor = None
    for expected in (10, 10, 5):
        page = sdk.PaginationFilter(direction=sdk.Direction.FORWARD, cursor=cursor, limit=10)
        answer = ask(iota_node, "gas_coins", owner, page)
        assert len(answer.data) == expected
        assert answer.page_info.has_next_page == (expected == 10)
        seen += [coin.id().to_hex() for coin in answer.data]
        cursor = answer.page_info.end_cursor
    assert set(seen) == given
    assert len(seen) == len(given)
    assert ask(iota_node, "balance", owner) == iota_node.balance(PAYER.address)
    assert len(ask(iota_node, "coins", owner).data) == len(given)


def test_a_payment_moves_money_and_charges_what_the_network_charges(iota_node: IotaNode) -> None:
    coin = iota_node.faucet(PAYER.address, IOTA)
    transaction = pay(PAYER.address, [coin], PAYEE.address, 12_345)
    effects = send(iota_node, transaction, PAYER.sign(transaction))
    gas = effects.gas_cost_summary()
    assert effects.status().is_SUCCESS()
    assert (gas.computation_cost, gas.storage_cost) == (COMPUTATION, 2 * COIN_DEPOSIT)
    assert gas.storage_rebate == COIN_DEPOSIT
    assert iota_node.balance(PAYEE.address) == 12_345
    assert iota_node.balance(PAYER.address) == IOTA - 12_345 - COMPUTATION - COIN_DEPOSIT
    (transfer,) = iota_node.transfers(PAYEE.address)
    assert (transfer.nanos, transfer.digest) == (12_345, transaction.digest().to_base58())
    assert iota_node.supply().conserved


def test_effects_name_what_the_objects_are(iota_node: IotaNode) -> None:
    coin = iota_node.faucet(PAYER.address, IOTA)
    transaction = pay(PAYER.address, [coin], PAYEE.address, 1)
    effects = send(iota_node, transaction, PAYER.sign(transaction))
    (created,), (mutated,) = effects.created(), effects.mutated()
    assert created.owner.as_address().to_hex() == PAYEE.address
    assert named(effects.gas_object().reference) == named(mutated.reference)
    assert effects.lamport_version().as_u64() == coin.version + 1
    assert [one.to_base58() for one in effects.dependencies()] == [coin.previous_transaction]
    for reference in (created.reference, mutated.reference):
        found = ask(iota_node, "object", reference.object_id)
        assert named(found.object_ref()) == named(reference)
        assert found.previous_transaction().to_base58() == transaction.digest().to_base58()
        assert found.storage_rebate() == COIN_DEPOSIT
    before = ask(iota_node, "object", mutated.reference.object_id, sdk.Version.from_u64(1))
    assert named(before.object_ref()) == named(coin.reference)


def test_what_a_node_keeps_reads_back_byte_for_byte(iota_node: IotaNode) -> None:
    coin = iota_node.faucet(PAYER.address, IOTA)
    transaction = pay(PAYER.address, [coin], PAYEE.address, 1)
    signature = PAYER.sign(transaction)
    sent = ask(iota_node, "execute_transaction", [signature], transaction)
    digest = transaction.digest()
    assert sdk.TransactionEffects.from_bcs(sent.to_bcs()).to_bcs() == sent.to_bcs()
    assert ask(iota_node, "transaction_effects", digest).to_bcs() == sent.to_bcs()
    both = ask(iota_node, "transaction_data_effects", digest)
    assert both.effects.to_bcs() == sent.to_bcs()
    assert both.signed_transaction.transaction.to_bcs() == transaction.to_bcs()
    assert [one.to_base64() for one in both.signed_transaction.signatures] == [
        signature.to_base64()
    ]
    assert len(ask(iota_node, "transactions_effects").data) == 1


def test_gas_coins_are_smashed_and_their_deposits_come_back(iota_node: IotaNode) -> None:
    coins = [iota_node.faucet(PAYER.address, IOTA) for _ in range(4)]
    transaction = pay(PAYER.address, coins, PAYEE.address, 3 * IOTA)
    effects = send(iota_node, transaction, PAYER.sign(transaction))
    assert effects.status().is_SUCCESS()
    deleted = {one.object_id.to_hex() for one in effects.deleted()}
    assert deleted == {coin.object_id for coin in coins[1:]}
    (left,) = iota_node.coins(PAYER.address)
    assert left.balance == IOTA - COMPUTATION + 2 * COIN_DEPOSIT
    assert iota_node.supply().conserved


@pytest.mark.parametrize("signers", [(PAYER, PAYEE), (PAYER, ARBITER), (PAYEE, ARBITER)])
def test_two_of_three_pay(iota_node: IotaNode, signers: tuple[Party, ...]) -> None:
    coin = iota_node.faucet(ESCROW_OF_THREE.address, IOTA)
    transaction = pay(ESCROW_OF_THREE.address, [coin], PAYEE.address, 5)
    send(iota_node, transaction, ESCROW_OF_THREE.sign(transaction, *signers))
    assert iota_node.balance(PAYEE.address) == 5


def test_an_escrow_needs_both_members_in_the_committees_order(iota_node: IotaNode) -> None:
    coin = iota_node.faucet(ESCROW.address, IOTA)
    transaction = pay(ESCROW.address, [coin], PAYEE.address, 5)
    swapped = Group((PAYEE, PAYER))
    assert swapped.address != ESCROW.address
    for signature in (
        ESCROW.sign(transaction, PAYER),
        ESCROW.sign(transaction, PAYEE),
        swapped.sign(transaction, PAYEE, PAYER),
        PAYER.sign(transaction),
        ESCROW.sign(pay(ESCROW.address, [coin], PAYEE.address, 6), PAYER, PAYEE),
    ):
        with pytest.raises(FAILURES):
            send(iota_node, transaction, signature)
    assert iota_node.transactions == []
    send(iota_node, transaction, ESCROW.sign(transaction, PAYER, PAYEE))
    assert iota_node.balance(PAYEE.address) == 5


def test_a_sponsor_pays_the_gas_and_both_sign(iota_node: IotaNode) -> None:
    coins = [iota_node.faucet(ESCROW.address, 60), iota_node.faucet(ESCROW.address, 50)]
    gas = iota_node.faucet(SPONSOR.address, IOTA)
    transaction = pay_sponsored(
        ESCROW.address, coins, PAYEE.address, 100, sponsor=SPONSOR.address, gas=[gas]
    )
    escrow, sponsor = ESCROW.sign(transaction, PAYER, PAYEE), SPONSOR.sign(transaction)
    for signatures in ([escrow], [sponsor], [escrow, sponsor, PAYER.sign(transaction)],
                       [escrow, escrow], [escrow, PAYER.sign(transaction)]):  # fmt: skip
        with pytest.raises(FAILURES):
            send(iota_node, transaction, *signatures)
    assert iota_node.transactions == []
    effects = send(iota_node, transaction, sponsor, escrow)
    assert effects.status().is_SUCCESS()
    assert iota_node.balance(PAYEE.address) == 100
    assert iota_node.balance(ESCROW.address) == 10
    # Two coins were there before, two after: no deposit changes hands, only computation is paid.
    assert iota_node.balance(SPONSOR.address) == IOTA - COMPUTATION
    assert iota_node.supply().conserved


REFUSALS: dict[str, Change] = {
    "GasPriceUnderRGP": lambda coin: {"price": 999},
    "GasPriceTooHigh": lambda coin: {"price": 100_001},
    "GasBudgetTooLow": lambda coin: {"budget": 999_999},
    "GasBudgetTooHigh": lambda coin: {"budget": 50_000_000_001},
    "GasBalanceTooLow": lambda coin: {"budget": IOTA + 1},
    "MutableObjectUsedMoreThanOnce": lambda coin: {"extra": [owned(coin)]},
    "DuplicateObjectRefInput": lambda coin: {"extra": [owned(coin), owned(coin)]},
    "MissingGasPayment": lambda coin: {"coins": []},
    "ObjectVersionUnavailableForConsumption": lambda coin: {"coins": [replace(coin, version=2)]},
    "InvalidObjectDigest": lambda coin: {"coins": [replace(coin, balance=IOTA + 1)]},
    "ObjectNotFound": lambda coin: {"coins": [replace(coin, object_id="0x" + "ab" * 32)]},
    "SizeLimitExceeded": lambda coin: {"extra": [sdk.Input.new_pure(bytes(16 * 1024 + 1))]},
}


@pytest.mark.parametrize("name", REFUSALS)
def test_a_refused_transaction_leaves_no_trace(iota_node: IotaNode, name: str) -> None:
    coin = iota_node.faucet(PAYER.address, IOTA)
    supply = iota_node.supply()
    changes = {"coins": [coin]} | REFUSALS[name](coin)
    transaction = pay(PAYER.address, changes.pop("coins"), PAYEE.address, 5, **changes)
    with pytest.raises(FAILURES, match=name):
        send(iota_node, transaction, PAYER.sign(transaction))
    assert (iota_node.transactions, iota_node.supply()) == ([], supply)
    good = pay(PAYER.address, [coin], PAYEE.address, 5)  # and no lock
    assert send(iota_node, good, PAYER.sign(good)).status().is_SUCCESS()


def test_a_foreign_coin_is_refused(iota_node: IotaNode) -> None:
    coin = iota_node.faucet(PAYER.address, IOTA)
    transaction = pay(PAYEE.address, [coin], PAYEE.address, 5)
    with pytest.raises(FAILURES, match="IncorrectUserSignature"):
        send(iota_node, transaction, PAYEE.sign(transaction))


def test_a_spent_version_is_refused(iota_node: IotaNode) -> None:
    coin = iota_node.faucet(PAYER.address, IOTA)
    first = pay(PAYER.address, [coin], PAYEE.address, 5)
    second = pay(PAYER.address, [coin], PAYEE.address, 6)
    send(iota_node, first, PAYER.sign(first))
    with pytest.raises(FAILURES, match="ObjectVersionUnavailableForConsumption"):
        send(iota_node, second, PAYER.sign(second))
    assert [one.nanos for one in iota_node.transfers(PAYEE.address)] == [5]


def test_a_transaction_executes_once_however_often_it_comes(iota_node: IotaNode) -> None:
    coin = iota_node.faucet(PAYER.address, IOTA)
    transaction = pay(PAYER.address, [coin], PAYEE.address, 5)
    signature = PAYER.sign(transaction)
    with ThreadPoolExecutor(8) as pool:
        sent = list(pool.map(lambda _: send(iota_node, transaction, signature), range(24)))
    assert len({effects.to_bcs() for effects in sent}) == 1
    assert iota_node.balance(PAYEE.address) == 5


def test_of_many_transactions_over_one_coin_one_executes(iota_node: IotaNode) -> None:
    coin = iota_node.faucet(PAYER.address, IOTA)
    rivals = [pay(PAYER.address, [coin], PAYEE.address, nanos) for nanos in range(1, 17)]

    def attempt(transaction: Any) -> bool:
        try:
            send(iota_node, transaction, PAYER.sign(transaction))
        except FAILURES:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(attempt, rivals)) == 1
    assert len(iota_node.transfers(PAYEE.address)) == 1
