"""The costs that docs/iota.md states are what the test node charges."""

from __future__ import annotations

import tomllib
from fractions import Fraction

import pytest

from tests.iota.costs import IOTA, NANOS_A_LITRE, PLOT, payment_gas, plot, table
from tests.iota.node_tools import ROOT
from tests.iota_node.client import BUDGET, Party, pay, pay_sponsored, send
from tests.iota_node.gas import GasUsed
from tests.iota_node.node import IotaNode
from verifier.iota.payment import MAXIMUM_COINS

PAYER, PAYEE, SPONSOR = Party.of(1), Party.of(2), Party.of(3)


def test_the_document_has_the_table_and_the_plot() -> None:
    document = (ROOT / "docs" / "iota.md").read_text(encoding="utf-8")
    assert table() in document, "make iota-costs"
    assert f"({PLOT.name})" in document
    assert PLOT.read_text(encoding="utf-8") == plot(), "make iota-costs"


def test_the_price_is_the_examples() -> None:
    text = (ROOT / "examples" / "contracts" / "pump.toml").read_text(encoding="utf-8")
    (outcome,) = tomllib.loads(text)["outcomes"]
    assert outcome["unit"] == "L"
    assert Fraction(outcome["price"]) * IOTA == NANOS_A_LITRE


@pytest.mark.parametrize("count", [1, 2, MAXIMUM_COINS])
def test_a_payment_by_the_escrow_costs_what_is_said(iota_node: IotaNode, count: int) -> None:
    coins = [iota_node.faucet(PAYER.address, BUDGET) for _ in range(count)]
    transaction = pay(PAYER.address, coins, PAYEE.address, 0)
    charged = send(iota_node, transaction, PAYER.sign(transaction)).gas_cost_summary()
    expected = payment_gas(count, sponsored=False)
    assert expected == GasUsed(
        charged.computation_cost, charged.storage_cost, charged.storage_rebate
    )
    assert iota_node.balance(PAYER.address) == count * BUDGET - expected.net
    assert expected.computation == 1_000_000


@pytest.mark.parametrize("count", [1, 3])
def test_a_sponsored_payment_costs_what_is_said(iota_node: IotaNode, count: int) -> None:
    coins = [iota_node.faucet(PAYER.address, 10) for _ in range(count)]
    gas = [iota_node.faucet(SPONSOR.address, BUDGET)]
    transaction = pay_sponsored(
        PAYER.address, coins, PAYEE.address, 5, sponsor=SPONSOR.address, gas=gas
    )
    signatures = PAYER.sign(transaction), SPONSOR.sign(transaction)
    assert send(iota_node, transaction, *signatures).status().is_SUCCESS()
    expected = payment_gas(count + 1, sponsored=True)
    assert iota_node.balance(SPONSOR.address) == BUDGET - expected.net
    assert count > 1 or expected.net == payment_gas(1, sponsored=False).net
