"""A supplier's store from an old copy books what the network shows that its escrow has paid."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from circuits.errors import BadInput, InputReason
from tests.iota_node.node import IotaNode
from tests.settlement.copied import Copied
from tests.settlement.iota_rig import PAYEE, Rig, contract, wallet
from tests.settlement.test_revival import lie_once
from verifier.iota import anchor
from verifier.iota.history import History, sent_by
from verifier.iota.payment import PaymentPlan, build
from verifier.ledger import Batch, BatchState
from verifier.ledger.outbox import Outbox
from verifier.settlement.iota import recovery
from verifier.settlement.iota.recovery import (
    IN_THE_WAY,
    NO_ROOT,
    NOT_NEXT,
    OTHER_TOOLS,
    recover_settlements,
)

MakeRig = Callable[..., Rig]


def test_every_settlement_comes_back(rig: Rig, copy: Callable[[Rig], Copied]) -> None:
    stores = copy(rig)
    rig.claim("first")
    rig.pay()
    rig.claim("second", "third")
    rig.pay()
    stores.recover_claims("first", "second", "third")
    found = stores.recover()
    assert [(one.batch.state, one.nanos) for one in found if one.batch is not None] == [
        (BatchState.FINAL, batch.amount_nanos) for batch in rig.ledger.outbox.batches()
    ]
    stores.require_same()
    stores.old.require_books_agree()
    assert stores.old.run() is None
    assert stores.recover() == []
    assert len(rig.node.transfers(PAYEE)) == 2


def test_without_it_the_receipts_are_owed_again(rig: Rig, copy: Callable[[Rig], Copied]) -> None:
    stores = copy(rig)
    rig.claim("first")
    rig.pay()
    stores.recover_claims("first")
    proposed = stores.old.run()
    assert proposed is not None
    assert proposed.state is BatchState.PROPOSED
    # and then it is in the way, until it is dead
    (found,) = stores.recover()
    assert (found.batch, found.why) == (None, IN_THE_WAY)
    assert stores.old.only().state is BatchState.PROPOSED
    for _ in range(3):
        rig.node.advance_epoch()
    dead, found = stores.recover()
    assert dead.batch is not None
    assert dead.batch.state is BatchState.FAILED
    assert found.batch is not None
    stores.require_same()
    stores.require_proven("first")


def test_a_payment_waits_for_its_claims(rig: Rig, copy: Callable[[Rig], Copied]) -> None:
    rig.claim("first")
    stores = copy(rig)
    rig.pay()
    rig.claim("second")
    rig.pay()
    one, two = stores.recover()
    assert one.batch is not None
    assert two.batch is None
    stores.recover_claims("second")
    (two,) = stores.recover()
    assert two.batch is not None
    stores.require_same()


def test_a_payment_of_some_receipts_leaves_the_others_owed(
    rig: Rig, copy: Callable[[Rig], Copied]
) -> None:
    stores = copy(rig)
    rig.claim("first")
    rig.pay()
    owed = rig.claim("second", "third")
    stores.recover_claims("first", "second", "third")
    (found,) = stores.recover()
    assert found.batch is not None
    assert (found.batch.first_sequence, found.batch.last_sequence) == (1, 1)
    assert stores.old.money() == (owed, found.nanos)
    batch = stores.old.pay()
    assert (batch.state, batch.amount_nanos) == (BatchState.FINAL, owed)
    stores.old.require_books_agree()


def test_a_settlement_that_was_open_when_the_copy_was_made(
    rig: Rig, copy: Callable[[Rig], Copied]
) -> None:
    rig.claim("first")
    rig.run()
    stores = copy(rig)
    rig.push()
    rig.claim("second")
    rig.pay()
    stores.recover_claims("second")
    first, second = stores.recover()
    for found, numbers in ((first, (1, 1)), (second, (2, 2))):
        assert found.batch is not None
        assert (found.batch.first_sequence, found.batch.last_sequence) == numbers
        assert found.batch.state is BatchState.FINAL
    stores.require_same()
    stores.require_proven("first", "second")
    assert stores.old.run() is None


def test_a_batch_that_nobody_has_seen_gives_way(
    rigs: MakeRig, node: IotaNode, copy: Callable[[Rig], Copied]
) -> None:
    """Whatever is in it, and though the escrow is too poor now to pay it."""
    owed = rigs("probe", funds=0).claim("first", "second")
    rig = rigs(funds=owed + 6_000_000)
    rig.claim("first")
    rig.ledger.outbox.net(rig.world.terms.digest)
    stores = copy(rig)
    rig.run()
    for _ in range(2):
        node.advance_epoch()
    rig.run()
    rig.claim("second")
    rig.pay()
    assert rig.ledger.outbox.batches()[-1].last_sequence == 2
    (waiting,) = stores.recover()
    assert (waiting.batch, waiting.why) == (None, NOT_NEXT)
    stores.recover_claims("second")
    (found,) = stores.recover()
    assert found.batch is not None
    assert (found.batch.first_sequence, found.batch.last_sequence) == (1, 2)
    stores.require_same()


def test_settled_before_it_was_recovered(rigs: MakeRig, copy: Callable[[Rig], Copied]) -> None:
    owed = rigs("probe", funds=0).claim("first")
    rig = rigs(funds=owed + 6_000_000)
    stores = copy(rig)
    rig.claim("first")
    rig.pay()
    rig.claim("second")
    stores.recover_claims("first", "second")
    waiting = stores.old.run()
    assert waiting is not None
    assert (waiting.state, waiting.last_sequence) == (BatchState.NEW, 2)
    (found,) = stores.recover()
    assert found.batch is not None
    assert (found.batch.id, found.batch.last_sequence) == (waiting.id, 1)
    assert stores.old.money() == rig.money()
    (owed_still,) = stores.old.ledger.outbox.owed()
    assert owed_still.receipts == 1


def test_called_dead_in_the_copy_and_alive_since(
    rig: Rig, copy: Callable[[Rig], Copied], monkeypatch: pytest.MonkeyPatch
) -> None:
    rig.claim("first")
    rig.run()
    rig.cosign()
    transaction, signatures = lie_once(rig, monkeypatch)
    stores = copy(rig)
    assert stores.old.only().state is BatchState.FAILED
    rig.client.execute(transaction, signatures)
    rig.run()
    rig.claim("second")
    rig.pay()
    stores.recover_claims("second")
    found = stores.recover()
    assert [one.batch.state for one in found if one.batch] == [BatchState.FINAL] * 2
    assert stores.old.money() == rig.money()
    stores.require_proven("first", "second")


@pytest.mark.parametrize("step", ["net", "adopt", "moved"])
def test_stopping_anywhere(
    rig: Rig, copy: Callable[[Rig], Copied], monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    stores = copy(rig)
    rig.claim("first")
    rig.pay()
    stores.recover_claims("first")

    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(type(stores.old.ledger.outbox), step, stop)
        with pytest.raises(KeyboardInterrupt):
            stores.recover()
    if step == "moved":
        assert stores.old.only().state is BatchState.SIGNED
        stores.old.run()
    stores.recover()
    assert stores.recover() == []
    stores.require_same()
    stores.require_proven("first")
    assert len(rig.node.transfers(PAYEE)) == 1


def test_a_settler_that_is_faster(
    rig: Rig, copy: Callable[[Rig], Copied], monkeypatch: pytest.MonkeyPatch
) -> None:
    stores = copy(rig)
    rig.claim("first")
    rig.pay()
    stores.recover_claims("first")
    outbox = type(stores.old.ledger.outbox)
    net = outbox.net

    def raced(self: Outbox, terms_digest: bytes) -> Batch | None:
        made = net(self, terms_digest)
        monkeypatch.setattr(outbox, "net", net)
        stores.old.run()
        return made

    monkeypatch.setattr(outbox, "net", raced)
    (found,) = stores.recover()
    assert (found.batch, found.why) == (None, IN_THE_WAY)


def test_contracts_of_another_network_are_left_alone(
    rig: Rig, copy: Callable[[Rig], Copied]
) -> None:
    stores = copy(rig)
    stores.old.ledger.register(contract("deadbeef", "another"))
    rig.claim("first")
    rig.pay()
    stores.recover_claims("first")
    (found,) = stores.recover()
    assert found.batch is not None
    rig.node.faults.wrong_chain = "12345678"
    with pytest.raises(BadInput) as refused:
        stores.recover()
    assert refused.value.reason is InputReason.IOTA_NODE
    rig.node.faults.wrong_chain = None


def paid_otherwise(rig: Rig, expiry_epoch: int) -> None:
    """Operator and arbiter pay the first receipt, as its settlement would."""
    receipts = rig.ledger.receipts(rig.world.terms.digest)
    ((coin_id, _),) = rig.client.balances(rig.escrow.address)
    coin = rig.client.coin(coin_id, rig.escrow.address)
    assert coin is not None
    plan = PaymentPlan(
        network=rig.node.chain_id,
        sender=rig.escrow.address,
        coins=(),
        gas_coins=(coin.reference,),
        gas_owner=rig.escrow.address,
        gas_price=1000,
        gas_budget=5_000_000,
        expiry_epoch=expiry_epoch,
        amount_nanos=sum(receipt.amount_nanos for receipt in receipts),
        payee=PAYEE,
        anchor=anchor.root([receipt.digest for receipt in receipts]),
    )
    data = build(plan)
    shares = [wallet(name).sign(data) for name in ("operator", "arbiter")]
    rig.client.execute(data, (rig.escrow.combine(data, shares),))


@pytest.mark.parametrize("expiry_epoch", [1, 2**63])
def test_a_payment_by_operator_and_arbiter(
    rigs: MakeRig, copy: Callable[[Rig], Copied], expiry_epoch: int
) -> None:
    """It pays what it says, unless it is more than a ledger can hold."""
    rig = rigs(arbiter_key=wallet("arbiter").public_key)
    stores = copy(rig)
    rig.claim("first")
    stores.recover_claims("first")
    paid_otherwise(rig, expiry_epoch)
    (found,) = stores.recover()
    if expiry_epoch == 1:
        assert found.batch is not None
        assert stores.old.money()[0] == 0
        stores.old.require_books_agree()
    else:
        assert (found.batch, found.why) == (None, OTHER_TOOLS)
        assert stores.old.ledger.outbox.batches() == []


def test_a_node_that_has_forgotten(rig: Rig, copy: Callable[[Rig], Copied]) -> None:
    stores = copy(rig)
    rig.claim("first")
    rig.pay()
    stores.recover_claims("first")
    for _ in range(2):
        rig.node.make_checkpoint()
    rig.node.faults.pruned_below = len(rig.node.checkpoints) - 1
    found = recover_settlements(stores.old.ledger, stores.old.client)
    assert (found.payments, found.forgotten) == ((), (rig.world.terms.name,))
    rig.node.faults.pruned_below = 0
    found = recover_settlements(stores.old.ledger, stores.old.client)
    assert len(found.payments) == 1
    assert not found.forgotten


def test_a_sponsored_payment(rigs: MakeRig, node: IotaNode, copy: Callable[[Rig], Copied]) -> None:
    rig = rigs(gas_owner=wallet("operator").address, funds=0)
    for nanos in (4_000_000, 6_000_000):
        node.faucet(rig.escrow.address, nanos)
    node.faucet(wallet("operator").address, 10**9)
    stores = copy(rig)
    rig.claim("first")
    rig.pay()
    stores.recover_claims("first")
    (found,) = stores.recover()
    assert found.batch is not None
    assert len(found.batch.signatures) == 2
    stores.require_same()


def test_two_contracts_with_one_escrow(rigs: MakeRig, copy: Callable[[Rig], Copied]) -> None:
    rig, other = rigs("one"), rigs("two", funds=0)
    assert rig.escrow.address == other.escrow.address
    stores = copy(rig)
    for each in (other, rig):
        each.claim("first")
        each.pay()
    stores.recover_claims("first")
    unknown, known = stores.recover()
    assert unknown.batch is None
    assert known.batch is not None
    # the other contract's store had been the same one
    stores.old.ledger.register(other.world.contract)
    stores.old.ledger.deposit(other.world.terms.digest, 10**9, "opening deposit")
    receipt = other.ledger.receipt(other.world.first.statement_digest)
    assert receipt is not None
    assert stores.old.ledger.recover(other.world.first.encode(), receipt)
    (found,) = stores.recover()
    assert found.batch is not None
    assert found.contract == "two"
    assert stores.recover() == []


def test_what_carries_no_root_is_for_a_person(rigs: MakeRig, copy: Callable[[Rig], Copied]) -> None:
    rig = rigs(anchor=False)
    stores = copy(rig)
    rig.claim("first")
    rig.pay()
    stores.recover_claims("first")
    before = stores.old.money()
    (found,) = stores.recover()
    assert (found.batch, found.why) == (None, NO_ROOT)
    assert stores.old.money() == before


@pytest.mark.parametrize("lie", ["cut", "no signature", "forged", "digest", "nanos", "prefix"])
def test_a_node_that_shows_something_else(
    rig: Rig, copy: Callable[[Rig], Copied], monkeypatch: pytest.MonkeyPatch, lie: str
) -> None:
    """It is not booked, whatever it is."""
    stores = copy(rig)
    rig.claim("first")
    rig.pay()
    stores.recover_claims("first")
    before = stores.old.money()

    def lying(*arguments: object) -> History:
        history: History = sent_by(*arguments)  # type: ignore[arg-type]
        (sent,) = history.sent
        batch = rig.only()
        assert batch.payload is not None
        bare = b"\x01\0\0\0" + batch.payload
        changed = {
            "cut": replace(sent, content=sent.content[:-1]),
            "no signature": replace(sent, content=bare + b"\0"),
            "forged": replace(sent, content=bare + b"\x01\x05hello"),
            "digest": replace(sent, digest=bytes(32)),
            "nanos": replace(sent, received_nanos=sent.received_nanos - 1),
            "prefix": replace(sent, content=b"\x02" + sent.content[1:]),
        }[lie]
        return replace(history, sent=(changed,))

    monkeypatch.setattr(recovery, "sent_by", lying)
    (found,) = stores.recover()
    assert found.why == OTHER_TOOLS
    assert found.batch is None
    assert stores.old.money() == before
    assert stores.old.ledger.outbox.batches() == []
