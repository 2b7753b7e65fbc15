"""The escrow's own gas: no claim is accepted that its coins could not settle, to the nano."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from circuits.errors import Reason, Rejected
from tests.iota_node.node import IotaNode
from tests.settlement.iota_rig import Rig, contract, wallet, world_of
from verifier.accept import Account
from verifier.iota.fate import Observed, Outcome
from verifier.iota.node import Node
from verifier.ledger import BatchState
from verifier.settlement.settle import SIGNATURE_MISSING

MakeRig = Callable[..., Rig]
BUDGET = 5_000_000  # the rig's maximum_gas_nanos
GAS = 1_980_400


def require_short(rig: Rig, name: str) -> None:
    with pytest.raises(Rejected) as caught:
        rig.claim(name)
    assert caught.value.reason is Reason.ESCROW_SHORT


def amounts(node: IotaNode, **fields: str) -> tuple[int, int]:
    world = world_of(contract(node.chain_id, **fields))
    return world.first.amount_nanos, world.second.amount_nanos


@pytest.mark.reason(Reason.ESCROW_SHORT)
def test_a_claim_that_leaves_no_gas_is_refused(rigs: MakeRig, node: IotaNode) -> None:
    first, _ = amounts(node)
    funds = first + BUDGET
    rig = rigs(funds=funds, deposit=funds - 1)
    require_short(rig, "first")
    rig.ledger.deposit(rig.world.terms.digest, 1, "one nano")
    rig.claim("first")
    assert rig.pay().state is BatchState.FINAL
    balances = rig.ledger.balances(rig.world.terms.digest)
    assert balances[Account.ESCROW] == node.balance(rig.escrow.address) == BUDGET - GAS
    assert balances[Account.OUTSIDE] == -(funds - GAS)
    assert sum(balances.values()) == 0
    rig.require_books_agree()


def test_an_open_settlement_takes_its_own_gas(rigs: MakeRig, node: IotaNode) -> None:
    first, second = amounts(node)
    funds = first + second + 2 * BUDGET
    rig = rigs(funds=funds, deposit=funds - 1)
    rig.claim("first")
    batch = rig.run()
    assert batch is not None
    assert (batch.state, batch.detail) == (BatchState.PROPOSED, SIGNATURE_MISSING)
    require_short(rig, "second")
    rig.ledger.deposit(rig.world.terms.digest, 1, "one nano")
    rig.claim("second")
    assert rig.push().state is BatchState.FINAL
    assert rig.pay().state is BatchState.FINAL
    held = rig.ledger.balances(rig.world.terms.digest)[Account.ESCROW]
    assert held == node.balance(rig.escrow.address) == 2 * BUDGET - 2 * GAS
    kinds = [line.kind for line in rig.ledger.lines(rig.world.terms.digest)]
    assert kinds.count("gas") == 4
    rig.require_books_agree()


def test_a_sponsored_escrow_needs_no_gas(rigs: MakeRig, node: IotaNode) -> None:
    sponsor = wallet("supplier").address
    first, _ = amounts(node, gas_owner=sponsor)
    rig = rigs(gas_owner=sponsor, funds=first, deposit=first)
    node.faucet(sponsor, 10 * BUDGET)
    rig.claim("first")
    assert rig.pay().state is BatchState.FINAL
    assert rig.ledger.balances(rig.world.terms.digest)[Account.ESCROW] == 0
    assert node.balance(rig.escrow.address) == 0
    assert "gas" not in [line.kind for line in rig.ledger.lines(rig.world.terms.digest)]


def test_what_a_wrong_answer_booked_is_put_right(
    rigs: MakeRig, node: IotaNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    # said to have failed at twice the price, and alive: in the end it cost what it cost
    first, _ = amounts(node)
    funds = first + BUDGET
    rig = rigs(funds=funds, deposit=funds)
    rig.claim("first")
    rig.run()
    rig.cosign()
    with monkeypatch.context() as lying:
        failed = Observed(Outcome.FAILED, document=b"{}", gas_nanos=2 * GAS)
        lying.setattr("verifier.settlement.iota.observer.observe", lambda *_: failed)
        batch = rig.run()
        assert batch is not None
        assert batch.state is BatchState.FAILED
    digest = rig.world.terms.digest
    assert rig.ledger.balances(digest)[Account.ESCROW] == BUDGET - 2 * GAS
    assert rig.push().state is BatchState.FINAL
    assert rig.ledger.balances(digest)[Account.ESCROW] == BUDGET - GAS
    assert node.balance(rig.escrow.address) == BUDGET - GAS


def test_a_payment_that_failed_cost_its_gas(
    rigs: MakeRig, node: IotaNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, _ = amounts(node)
    rig = rigs(funds=first + BUDGET, deposit=first + BUDGET)
    rig.claim("first")
    node.advance_epoch(reference_gas_price=4_500)  # enough to run, not for the new coin's deposit
    monkeypatch.setattr(Node, "rehearse", lambda *_: "")
    batch = rig.pay()
    assert (batch.state, batch.detail) == (BatchState.FAILED, "executed, and failed")
    held = rig.ledger.balances(rig.world.terms.digest)
    assert held[Account.ESCROW] + held[Account.PAYABLE] == node.balance(rig.escrow.address)
    assert held[Account.PAYABLE] == first
