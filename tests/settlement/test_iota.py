"""Settlement on IOTA against the test node: every batch is one transfer, decided by evidence."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from circuits.errors import BadInput, InputReason
from tests.iota_node.node import IotaNode
from tests.settlement.iota_rig import FUNDS, PAYEE, Rig, wallet
from verifier.iota import anchor
from verifier.iota.payment import MAXIMUM_U64, PaymentPlan, digest
from verifier.iota.wallet import Wallet
from verifier.ledger import BatchState
from verifier.receipt import decode_receipt
from verifier.settlement import EmbeddedGateway, Settlement, make_settlement
from verifier.settlement.settle import NO_GATEWAY

MakeRig = Callable[..., Rig]


def test_receipts_become_one_transfer(rig: Rig, node: IotaNode) -> None:
    owed = rig.claim("first", "second")
    batch = rig.pay()
    assert (batch.state, batch.amount_nanos) == (BatchState.FINAL, owed)
    assert (batch.first_sequence, batch.last_sequence) == (1, 2)
    assert rig.money() == (0, owed)
    rig.require_books_agree()
    (sent,) = node.transactions
    gas = sent.effects.as_v1().gas_cost_summary()
    assert gas.computation_cost + gas.storage_cost - gas.storage_rebate == 1_980_400
    assert node.balance(rig.escrow.address) == FUNDS - owed - 1_980_400
    assert rig.run() is None


def test_the_transaction_carries_the_root_of_its_receipts(rig: Rig, node: IotaNode) -> None:
    rig.claim("first", "second")
    batch = rig.pay()
    assert batch.plan is not None
    digests = [decode_receipt(r).digest for r in rig.ledger.outbox.receipts_of(batch)]
    assert len(digests) == 2
    root = PaymentPlan.from_json(batch.plan).anchor
    assert root == anchor.root(digests)
    assert root in node.transactions[0].transaction.to_bcs()


def test_a_contract_may_leave_the_anchor_out(rigs: MakeRig, node: IotaNode) -> None:
    rig = rigs(anchor=False)
    rig.claim("first")
    batch = rig.pay()
    assert batch.state is BatchState.FINAL
    assert batch.plan is not None
    assert PaymentPlan.from_json(batch.plan).anchor is None


def test_evidence_is_kept(rig: Rig, node: IotaNode) -> None:
    rig.claim("first")
    batch = rig.pay()
    evidence = rig.ledger.outbox.evidence(batch)
    (sent,) = node.transactions
    assert evidence[BatchState.EXECUTED] == sent.effects.to_bcs()
    final = json.loads(evidence[BatchState.FINAL])
    assert final["transaction"] == sent.digest
    assert sent.checkpoint is not None
    assert final["checkpoint"]["sequence"] == sent.checkpoint
    assert final["checkpoint"]["digest"] == node.checkpoints[sent.checkpoint].digest


def test_later_receipts_are_a_later_transfer(rig: Rig, node: IotaNode) -> None:
    rig.claim("first")
    rig.pay()
    rig.claim("second", "third")
    batch = rig.pay()
    assert (batch.first_sequence, batch.last_sequence) == (2, 3)
    rig.require_books_agree()
    assert len(node.transfers(PAYEE)) == 2


@pytest.mark.parametrize("sponsor", ["operator", "supplier"])
def test_a_sponsor_pays_gas(rigs: MakeRig, node: IotaNode, sponsor: str) -> None:
    rig = rigs(gas_owner=wallet(sponsor).address, funds=0)
    small = [node.faucet(rig.escrow.address, nanos) for nanos in (4_000_000, 6_000_000)]
    node.faucet(wallet(sponsor).address, 10**9)
    owed = rig.claim("first")
    assert owed > max(coin.balance for coin in small)  # it takes both
    batch = rig.pay()
    assert batch.state is BatchState.FINAL
    assert len(batch.signatures) == 2
    rig.require_books_agree()
    assert node.balance(rig.escrow.address) == 10_000_000 - owed
    assert node.balance(wallet(sponsor).address) < 10**9


def test_an_operator_and_an_arbiter_can_pay_without_us(rigs: MakeRig, node: IotaNode) -> None:
    rig = rigs(arbiter_key=wallet("arbiter").public_key)
    owed = rig.claim("first")
    batch = rig.run()
    assert batch is not None
    assert batch.payload is not None
    shares = [wallet(name).sign(batch.payload) for name in ("arbiter", "operator")]
    rig.client.execute(batch.payload, (rig.escrow.combine(batch.payload, shares),))
    after = rig.run()
    assert after is not None
    assert (after.state, after.signatures) == (BatchState.FINAL, ())
    assert rig.money() == (0, owed)
    rig.require_books_agree()


def test_an_arbiter_can_stand_in_for_the_operator(rigs: MakeRig, node: IotaNode) -> None:
    rig = rigs(arbiter_key=wallet("arbiter").public_key)
    rig.claim("first")
    rig.run()
    rig.cosign("arbiter")
    batch = rig.run()
    assert batch is not None
    assert batch.state is BatchState.FINAL
    rig.require_books_agree()


def test_without_funds_the_batch_waits(rigs: MakeRig, node: IotaNode) -> None:
    rig = rigs(funds=0)
    owed = rig.claim("first")
    waiting = rig.run()
    assert waiting is not None
    assert waiting.state is BatchState.NEW
    assert f"0 free nanos of {owed + rig.terms.maximum_gas_nanos}" in waiting.detail
    node.faucet(rig.escrow.address, FUNDS)
    assert rig.pay().state is BatchState.FINAL
    rig.require_books_agree()


def test_without_a_node_the_batch_waits(rig: Rig) -> None:
    rig.claim("first")
    (batch,) = make_settlement(rig.ledger).run()
    assert (batch.state, batch.detail) == (BatchState.NEW, NO_GATEWAY)
    assert rig.pay().state is BatchState.FINAL


def test_no_signature_of_ours_before_the_other_side_has_signed(rig: Rig) -> None:
    rig.claim("first")
    for _ in range(3):
        batch = rig.run()
        assert batch is not None
        assert (batch.state, batch.signatures) == (BatchState.PROPOSED, ())
    assert rig.gateway.sign(rig.only(), {}) is None


def test_a_foreign_share_is_never_used(rig: Rig) -> None:
    rig.claim("first")
    batch = rig.run()
    assert batch is not None
    assert batch.payload is not None
    other = wallet("supplier").sign(batch.payload)
    with pytest.raises(BadInput) as caught:  # our own signature under the operator's name
        rig.gateway.sign(batch, {wallet("operator").public_key: other})
    assert caught.value.reason is InputReason.IOTA_SIGNATURE


def test_a_failed_contract_stops_no_other(rigs: MakeRig, node: IotaNode) -> None:
    rig = rigs()
    other = replace(rig, world=rigs("another pump", network="00c0ffee", funds=0).world)
    rig.ledger.register(other.world.contract)
    rig.ledger.deposit(other.world.terms.digest, 10**12, "opening deposit")
    other.claim("first")
    rig.claim("first")
    with pytest.raises(BadInput):
        rig.run()
    (fine,) = rig.ledger.outbox.settlements(rig.world.terms.digest)
    assert fine.state is BatchState.PROPOSED


def test_two_contracts_share_an_escrow_and_no_coin(rigs: MakeRig, node: IotaNode) -> None:
    rig = rigs()
    node.faucet(rig.escrow.address, FUNDS)  # two equal coins
    other = replace(rig, world=rigs("another pump", funds=0).world)
    assert other.escrow.address == rig.escrow.address
    rig.ledger.register(other.world.contract)
    rig.ledger.deposit(other.world.terms.digest, 10**12, "opening deposit")
    owed = rig.claim("first") + other.claim("first")
    rig.run()
    plans = [PaymentPlan.from_json(b.plan or b"") for b in rig.ledger.outbox.batches()]
    assert len({ref.object_id for plan in plans for ref in plan.references}) == 2
    for one in (rig, other):
        one.cosign()
    rig.run()
    assert sum(t.nanos for t in node.transfers(PAYEE)) == owed
    rig_settled, other_settled = rig.money()[1], other.money()[1]
    assert rig_settled + other_settled == node.balance(PAYEE) == owed


def test_many_small_coins_are_merged(rigs: MakeRig, node: IotaNode) -> None:
    rig = rigs(funds=0)
    for _ in range(60):  # more than a page
        node.faucet(rig.escrow.address, 250_000)
    owed = rig.claim("first")
    batch = rig.pay()
    assert batch.plan is not None
    needed = -(-(owed + rig.terms.maximum_gas_nanos) // 250_000)
    assert len(PaymentPlan.from_json(batch.plan).gas_coins) == needed
    rig.require_books_agree()


def test_a_gas_price_beyond_the_contract_waits(rigs: MakeRig, node: IotaNode) -> None:
    rig = rigs()
    node.advance_epoch(reference_gas_price=6_000)
    rig.claim("first")
    waiting = rig.run()
    assert waiting is not None
    assert waiting.state is BatchState.NEW
    assert "gas price of 6000" in waiting.detail


def test_another_wallet_is_refused(rig: Rig) -> None:
    from verifier.settlement.iota import IotaGateway

    rig.claim("first")
    stranger = IotaGateway(rig.client, wallet("stranger"), rig.ledger)
    with pytest.raises(BadInput) as caught:
        Settlement(rig.ledger, EmbeddedGateway(), stranger).run()
    assert caught.value.reason is InputReason.WALLET


def test_bytes_that_the_plan_does_not_give_are_never_sent(rig: Rig) -> None:
    rig.claim("first")
    batch = rig.run()
    assert batch is not None
    assert batch.plan is not None
    changed = replace(PaymentPlan.from_json(batch.plan), amount_nanos=MAXIMUM_U64)
    for stored in (
        replace(batch, plan=changed.to_json()),
        replace(batch, amount_nanos=batch.amount_nanos + 1),
        replace(batch, digest=digest(b"others").data),
    ):
        with pytest.raises(BadInput) as caught:
            rig.gateway.sign(stored, rig.ledger.outbox.shares(batch))
        assert caught.value.reason is InputReason.STORE_CORRUPT


def test_a_node_and_a_wallet_go_together(rig: Rig, node: IotaNode, tmp_path: Path) -> None:
    file = tmp_path / "wallet"
    own = Wallet.create(file)
    for arguments in ((node.url, None), (None, file)):
        with pytest.raises(BadInput) as caught:
            make_settlement(rig.ledger, *arguments)
        assert caught.value.reason is InputReason.USAGE
    rig.claim("first")
    with pytest.raises(BadInput) as caught:  # a wallet, but not this supplier's
        make_settlement(rig.ledger, node.url, file).run()
    assert caught.value.reason is InputReason.WALLET
    assert own.public_key != rig.terms.supplier_key
