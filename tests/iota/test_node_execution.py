"""What the test node executes, and what fails when it does; driven by the real SDK."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import iota_sdk as sdk
import pytest

from tests.iota_node.client import (
    BUDGET,
    FAILURES,
    Party,
    amount,
    ask,
    destination,
    owned,
    pay,
    pay_sponsored,
    program,
    send,
)
from tests.iota_node.fixtures import MakeNode
from tests.iota_node.gas import COIN_DEPOSIT
from tests.iota_node.node import IotaNode

IOTA = 10**9
COMPUTATION = 1_000_000
PAYER, PAYEE = Party.of(1), Party.of(2)


def test_gas_cannot_be_split_below_the_budget(iota_node: IotaNode) -> None:
    coin = iota_node.faucet(PAYER.address, IOTA)
    most = IOTA - BUDGET
    over = pay(PAYER.address, [coin], PAYEE.address, most + 1)
    effects = send(iota_node, over, PAYER.sign(over))
    status = effects.status()
    assert status.is_FAILURE()
    assert status.error.is_INSUFFICIENT_COIN_BALANCE()
    assert status.command == 0
    (after,) = iota_node.coins(PAYER.address)
    assert (after.version, after.balance) == (coin.version + 1, IOTA - COMPUTATION)
    assert (iota_node.balance(PAYEE.address), iota_node.supply().conserved) == (0, True)
    exact = pay(PAYER.address, [after], PAYEE.address, most - COMPUTATION)
    assert send(iota_node, exact, PAYER.sign(exact)).status().is_SUCCESS()


@pytest.mark.parametrize("budget", [COMPUTATION, COMPUTATION + COIN_DEPOSIT - 1])
def test_a_budget_that_does_not_suffice_fails_and_is_charged(
    iota_node: IotaNode, budget: int
) -> None:
    coin = iota_node.faucet(PAYER.address, IOTA)
    transaction = pay(PAYER.address, [coin], PAYEE.address, 5, budget=budget)
    effects = send(iota_node, transaction, PAYER.sign(transaction))
    assert effects.status().error.is_INSUFFICIENT_GAS()
    assert iota_node.balance(PAYER.address) == IOTA - COMPUTATION
    assert iota_node.supply().conserved


def test_a_failure_still_smashes_gas(iota_node: IotaNode) -> None:
    coins = [iota_node.faucet(PAYER.address, IOTA) for _ in range(3)]
    transaction = pay(PAYER.address, coins, PAYEE.address, 4 * IOTA)
    assert send(iota_node, transaction, PAYER.sign(transaction)).status().is_FAILURE()
    (left,) = iota_node.coins(PAYER.address)
    assert left.balance == 3 * IOTA - COMPUTATION + 2 * COIN_DEPOSIT
    assert iota_node.supply().conserved


def _gas(*arguments: Any) -> Any:
    return sdk.Command.new_split_coins(sdk.SplitCoins(sdk.Argument.new_gas(), list(arguments)))


def _send(*arguments: Any) -> Any:
    to = sdk.Argument.new_input(1)
    return sdk.Command.new_transfer_objects(sdk.TransferObjects(list(arguments), to))


def _merge(target: Any, *arguments: Any) -> Any:
    return sdk.Command.new_merge_coins(sdk.MergeCoins(target, list(arguments)))


def _input(index: int) -> Any:
    return sdk.Argument.new_input(index)


@pytest.mark.parametrize(
    ("commands", "kind"),
    [
        (lambda: [_gas(_input(0))], "UNUSED_VALUE_WITHOUT_DROP"),
        (lambda: [_gas(_input(1))], "INVALID_BCS_BYTES"),
        (lambda: [_gas(_input(2))], "TYPE_MISMATCH"),
        (lambda: [_gas(_input(9))], "INDEX_OUT_OF_BOUNDS"),
        (lambda: [_send(_input(0))], "INVALID_USAGE_OF_PURE_ARGUMENT"),
        (lambda: [_send(_input(2)), _send(_input(2))], "INVALID_VALUE_USAGE"),
        (lambda: [_merge(_input(2), sdk.Argument.new_gas())], "INVALID_GAS_COIN_USAGE"),
        (lambda: [_send(sdk.Argument.new_result(0))], "INDEX_OUT_OF_BOUNDS"),
        (
            lambda: [_gas(_input(0), _input(0)), _send(sdk.Argument.new_result(0))],
            "INVALID_RESULT_ARITY",
        ),
        (
            lambda: [_gas(_input(0)), _send(sdk.Argument.new_nested_result(0, 1))],
            "SECONDARY_INDEX_OUT_OF_BOUNDS",
        ),
    ],
)
def test_commands_that_make_no_sense_fail(
    iota_node: IotaNode, commands: Callable[[], list[Any]], kind: str
) -> None:
    gas, other = (iota_node.faucet(PAYER.address, IOTA) for _ in range(2))
    inputs = [amount(5), destination(PAYEE.address), owned(other)]
    transaction = program(PAYER.address, inputs, commands(), [gas.reference])
    status = send(iota_node, transaction, PAYER.sign(transaction)).status()
    assert status.is_FAILURE()
    error = status.error.kind if status.error.is_COMMAND_ARGUMENT() else status.error
    assert type(error).__name__.rpartition(".")[2] == kind
    versions = {coin.version for coin in iota_node.coins(PAYER.address)}
    assert versions == {gas.version + 1}  # every input moved on
    assert (iota_node.balance(PAYEE.address), iota_node.supply().conserved) == (0, True)


def test_whole_coins_the_gas_coin_too_can_be_given_away(iota_node: IotaNode) -> None:
    gas, other = (iota_node.faucet(PAYER.address, IOTA) for _ in range(2))
    inputs = [amount(5), destination(PAYEE.address), owned(other)]
    everything = [_send(_input(2), sdk.Argument.new_gas())]
    transaction = program(PAYER.address, inputs, everything, [gas.reference])
    assert send(iota_node, transaction, PAYER.sign(transaction)).status().is_SUCCESS()
    assert iota_node.coins(PAYER.address) == []
    assert iota_node.balance(PAYEE.address) == 2 * IOTA - COMPUTATION
    assert {one.nanos for one in iota_node.transfers(PAYEE.address)} == {IOTA, IOTA - COMPUTATION}


def test_an_anchor_rides_as_an_unused_input(iota_node: IotaNode, make_iota_node: MakeNode) -> None:
    anchor = sdk.Input.new_pure(bytes(range(32)))
    strict = make_iota_node(unused_pure=False)
    for node in (iota_node, strict):
        coin = node.faucet(PAYER.address, IOTA)
        transaction = pay(PAYER.address, [coin], PAYEE.address, 5, extra=[anchor])
        if node is strict:
            with pytest.raises(FAILURES, match="unused pure input"):
                send(node, transaction, PAYER.sign(transaction))
        else:
            send(node, transaction, PAYER.sign(transaction))
    assert (iota_node.balance(PAYEE.address), strict.balance(PAYEE.address)) == (5, 0)


def test_a_dry_run_says_what_execution_does_and_does_nothing(iota_node: IotaNode) -> None:
    coin = iota_node.faucet(PAYER.address, IOTA)
    for nanos in (5, IOTA):
        transaction = pay(PAYER.address, [coin], PAYEE.address, nanos)
        supply = iota_node.supply()
        tried = ask(iota_node, "dry_run_transaction", transaction)
        assert iota_node.supply() == supply
        sent = send(iota_node, transaction, PAYER.sign(transaction))
        assert tried.effects.as_v1().gas_cost_summary() == sent.gas_cost_summary()
        assert (tried.error is None) == sent.status().is_SUCCESS()
        (coin,) = iota_node.coins(PAYER.address)


@pytest.mark.parametrize("seed", range(6))
def test_money_is_conserved_whatever_happens(iota_node: IotaNode, seed: int) -> None:
    draw = random.Random(seed)
    parties = [Party.of(10 + index) for index in range(3)]
    for party in parties:
        for _ in range(3):
            iota_node.faucet(party.address, draw.randrange(10 * BUDGET, IOTA))
    for _ in range(12):
        sender, payee, sponsor = (draw.choice(parties) for _ in range(3))
        coins = iota_node.coins(sender.address)
        if not coins:
            continue
        nanos = draw.randrange(0, IOTA)
        if sponsor is sender:
            transaction = pay(sender.address, coins, payee.address, nanos)
            signatures = [sender.sign(transaction)]
        else:
            gas = iota_node.coins(sponsor.address)
            transaction = pay_sponsored(
                sender.address, coins, payee.address, nanos, sponsor=sponsor.address, gas=gas
            )
            signatures = [sponsor.sign(transaction), sender.sign(transaction)]
        try:
            send(iota_node, transaction, *signatures)
        except FAILURES:
            continue  # a party without gas
        assert iota_node.supply().conserved
    assert any(one.succeeded for one in iota_node.transactions)
