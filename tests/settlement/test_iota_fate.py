"""What became of a payment is decided by evidence: nothing else makes it FAILED or FINAL."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import pytest

from circuits.errors import BadInput, InputReason
from tests.iota_node.faults import EXECUTE, Fault
from tests.iota_node.node import IotaNode
from tests.settlement.iota_rig import PAYEE, Rig
from verifier.iota.node import Node
from verifier.ledger import BatchState
from verifier.settlement.settle import NOT_REACHED, SIGNATURE_MISSING

MakeRig = Callable[..., Rig]


def test_an_unsigned_proposal_expires_and_is_made_again(rig: Rig, node: IotaNode) -> None:
    owed = rig.claim("first")
    old = rig.run()
    assert old is not None
    node.advance_epoch()
    assert rig.run() == replace(old, detail=SIGNATURE_MISSING)  # valid in this epoch, too
    node.advance_epoch()
    expired = rig.run()
    assert expired is not None
    assert (expired.state, expired.detail) == (BatchState.FAILED, "expired")
    assert json.loads(rig.ledger.outbox.evidence(expired)[BatchState.FAILED])["epoch"] == 2
    assert rig.ledger.outbox.leases() == frozenset()
    batch = rig.pay()
    assert (batch.id, batch.state, batch.amount_nanos) == (2, BatchState.FINAL, owed)
    assert rig.money() == (0, owed)
    rig.require_books_agree()


def test_a_late_share_is_refused(rig: Rig, node: IotaNode) -> None:
    rig.claim("first")
    old = rig.run()
    assert old is not None
    assert old.digest is not None
    node.advance_epoch()
    node.advance_epoch()
    rig.run()
    with pytest.raises(BadInput) as caught:
        rig.ledger.outbox.add_shares(old.id, old.digest, {"key": "signature"})
    assert caught.value.reason is InputReason.SETTLEMENT_STATE


def test_no_error_text_decides(rig: Rig, node: IotaNode) -> None:
    # what the node answers looks like a refusal; the transaction is as valid as before
    rig.claim("first")
    rig.run()
    rig.cosign()
    node.faults.arm(Fault.GRAPHQL_ERROR, on=EXECUTE, times=4)
    for _ in range(4):
        batch = rig.run()
        assert batch is not None
        assert (batch.state, batch.detail) == (BatchState.SIGNED, NOT_REACHED)
    done = rig.run()
    assert done is not None
    assert done.state is BatchState.FINAL
    rig.require_books_agree()


@pytest.mark.parametrize("fault", [Fault.DROP_AFTER, Fault.GARBAGE, Fault.UNAVAILABLE_AFTER])
def test_a_lost_answer_pays_once(rig: Rig, node: IotaNode, fault: Fault) -> None:
    rig.claim("first")
    rig.run()
    rig.cosign()
    node.faults.arm(fault, on=EXECUTE)
    batch = rig.run()
    assert batch is not None
    assert batch.state is BatchState.FINAL
    rig.require_books_agree()


def test_executed_is_not_final(rig: Rig, node: IotaNode) -> None:
    node.automatic = False
    owed = rig.claim("first")
    rig.run()
    batch = rig.push()
    assert batch.state is BatchState.EXECUTED
    assert rig.money() == (owed, 0)
    node.make_checkpoint()
    after = rig.run()
    assert after is not None
    assert after.state is BatchState.FINAL
    assert rig.money() == (0, owed)


def test_what_executes_and_fails_is_owed_again(
    rigs: MakeRig, node: IotaNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = rigs(maximum_gas_nanos="1980400")
    node.advance_epoch(reference_gas_price=1_500)  # enough to run, not for the new coin's deposit
    owed = rig.claim("first")
    waiting = rig.run()
    assert waiting is not None
    assert waiting.state is BatchState.NEW
    assert "would fail" in waiting.detail
    assert node.transactions == []
    monkeypatch.setattr(Node, "rehearse", lambda *_: "")
    batch = rig.pay()
    assert (batch.state, batch.detail) == (BatchState.FAILED, "executed, and failed")
    assert rig.money() == (owed, 0)
    assert node.transfers(PAYEE) == []
    (sent,) = node.transactions
    assert not sent.succeeded
    assert json.loads(rig.ledger.outbox.evidence(batch)[BatchState.FAILED])["transaction"] == (
        sent.digest
    )
    assert [o.amount_nanos for o in rig.ledger.outbox.owed()] == [owed]
    assert len(rig.ledger.outbox.leases()) == 1  # the coin is at a later version now


def test_a_lagging_index_offers_no_spent_coin(rig: Rig, node: IotaNode) -> None:
    rig.claim("first")
    rig.pay()
    node.faults.indexer_lag = 1  # as before the payment
    rig.claim("second")
    waiting = rig.run()
    assert waiting is not None
    assert waiting.state is BatchState.NEW
    assert "more are in use" in waiting.detail
    node.faults.indexer_lag = 0
    assert rig.pay().state is BatchState.FINAL
    rig.require_books_agree()


def test_a_lagging_index_delays_the_verdict(rig: Rig, node: IotaNode) -> None:
    rig.claim("first")
    rig.run()
    rig.cosign()
    node.faults.indexer_lag = 2
    batch = rig.run()
    assert batch is not None
    assert batch.state is BatchState.SIGNED
    for _ in range(3):
        node.advance_epoch()
    node.faults.indexer_lag = 8  # an old view of an expired payment: nothing follows from it
    batch = rig.run()
    assert batch is not None
    assert batch.state is BatchState.SIGNED
    node.faults.indexer_lag = 0
    batch = rig.run()
    assert batch is not None
    assert batch.state is BatchState.FINAL
    rig.require_books_agree()


def test_pruned_history_proves_nothing(rig: Rig, node: IotaNode) -> None:
    rig.claim("first")
    rig.run()
    rig.cosign()
    node.faults.indexer_lag = 2  # it is executed, and the supplier stops before it is told
    batch = rig.run()
    assert batch is not None
    assert batch.state is BatchState.SIGNED
    for _ in range(4):
        node.advance_epoch()
    node.faults.indexer_lag = 0
    node.faults.pruned_below = len(node.checkpoints) - 1
    batch = rig.run()
    assert batch is not None
    assert batch.state is BatchState.SIGNED  # it is expired and unknown, and was paid
    node.faults.pruned_below = 0
    batch = rig.run()
    assert batch is not None
    assert batch.state is BatchState.FINAL
    rig.require_books_agree()


def test_a_field_that_failed_proves_nothing(
    rig: Rig, node: IotaNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    # a server that fails to read one field answers with null and an error that the SDK drops
    rig.claim("first")
    rig.run()
    rig.cosign()
    node.faults.indexer_lag = 2  # it is executed, and the supplier stops before it is told
    rig.run()
    node.faults.indexer_lag = 0
    for _ in range(4):
        node.advance_epoch()
    query = Node._query

    def without_transaction(client: Node, document: str, variables: dict[str, str]) -> object:
        data = query(client, document, variables)
        return data | {"transactionBlock": None} if "transactionBlock" in data else data

    with monkeypatch.context() as patched:
        patched.setattr(Node, "_query", without_transaction)
        batch = rig.run()
        assert batch is not None
        assert batch.state is BatchState.SIGNED
    batch = rig.run()
    assert batch is not None
    assert batch.state is BatchState.FINAL
    rig.require_books_agree()


def test_an_unspent_coin_shows_expiry_on_a_pruned_node(rig: Rig, node: IotaNode) -> None:
    rig.claim("first")
    rig.run()
    for _ in range(4):
        node.advance_epoch()
    node.faults.pruned_below = len(node.checkpoints) - 1
    batch = rig.run()
    assert batch is not None
    assert (batch.state, batch.detail) == (BatchState.FAILED, "expired")


def test_another_network_decides_nothing(rig: Rig, node: IotaNode) -> None:
    rig.claim("first")
    batch = rig.run()
    for _ in range(3):
        node.advance_epoch()
    node.faults.wrong_chain = "00c0ffee"
    with pytest.raises(BadInput) as caught:
        rig.run()
    assert caught.value.reason is InputReason.IOTA_NODE
    assert batch is not None
    stored = rig.only()
    assert (stored.state, stored.plan) == (BatchState.PROPOSED, batch.plan)
    assert "00c0ffee" in stored.detail


@pytest.mark.reason(InputReason.IOTA_NODE)
def test_another_network_gets_no_proposal(rig: Rig, node: IotaNode) -> None:
    rig.claim("first")
    node.faults.wrong_chain = "00c0ffee"
    with pytest.raises(BadInput) as caught:
        rig.run()
    assert caught.value.reason is InputReason.IOTA_NODE
    assert rig.only().state is BatchState.NEW


def test_a_node_that_is_away_changes_nothing(rig: Rig, node: IotaNode) -> None:
    rig.claim("first")
    node.stop()
    batch = rig.run()
    assert batch is not None
    assert (batch.state, batch.detail) == (BatchState.NEW, NOT_REACHED)
