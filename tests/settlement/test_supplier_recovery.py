"""A supplier's store from an old copy books what the network shows that its escrow has paid."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from circuits.errors import BadInput, InputReason
from tests.iota_node.node import IotaNode
from tests.ledger.stores import open_ledger
from tests.settlement.iota_rig import PAYEE, Rig, wallet
from verifier.iota.history import History, Sent, sent_by
from verifier.ledger import Batch, BatchState
from verifier.settlement import Settlement
from verifier.settlement.iota import recovery
from verifier.settlement.iota.recovery import Recovered, recover_settlements

MakeRig = Callable[..., Rig]


@dataclass
class Copied:
    """A rig, and a copy of its store as it was at one moment."""

    whole: Rig
    old: Rig

    def recover_claims(self, *names: str) -> None:
        """What `recover` does with the operator's files."""
        for name in names:
            claim = getattr(self.whole.world, name)
            receipt = self.whole.ledger.receipt(claim.statement_digest)
            assert receipt is not None
            self.old.ledger.recover(claim.encode(), receipt)

    def recover(self) -> list[Recovered]:
        """What `recover --node` does then."""
        return recover_settlements(self.old.ledger, self.old.client, wallet("supplier"))

    def require_same(self) -> None:
        """Batches, money and evidence, but for the time."""
        old, whole = (
            [_without_time(batch) for batch in rig.ledger.outbox.batches((BatchState.FINAL,))]
            for rig in (self.old, self.whole)
        )
        assert old == whole
        assert self.old.money() == self.whole.money()
        digest = self.whole.world.terms.digest
        assert self.old.ledger.balances(digest) == self.whole.ledger.balances(digest)
        for mine, theirs in zip(
            self.old.ledger.outbox.batches((BatchState.FINAL,)),
            self.whole.ledger.outbox.batches((BatchState.FINAL,)),
            strict=True,
        ):
            kept = [
                rig.ledger.outbox.evidence(batch)
                for rig, batch in ((self.old, mine), (self.whole, theirs))
            ]
            assert kept[0] == kept[1]


def _without_time(batch: Batch) -> Batch:
    return replace(batch, id=0, created_ms=0)


@pytest.fixture
def copy(tmp_path: Path) -> Callable[[Rig], Copied]:
    def made(rig: Rig) -> Copied:
        rig.ledger.close()
        where = tmp_path / "old"
        shutil.copytree(rig.directory, where)
        rig.ledger = open_ledger(rig.directory)
        rig.__post_init__()
        return Copied(rig, Rig(rig.node, where, open_ledger(where), rig.world))

    return made


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
    with pytest.raises(BadInput) as refused:
        stores.recover()
    assert refused.value.reason is InputReason.SETTLEMENT_STATE
    for _ in range(3):
        rig.node.advance_epoch()
    (found,) = stores.recover()
    assert found.batch is not None
    stores.require_same()


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
    (found,) = stores.recover()
    assert found.batch is not None
    assert (found.batch.first_sequence, found.batch.last_sequence) == (2, 2)
    assert stores.old.money() == rig.money()
    assert stores.old.run() is None


@pytest.mark.parametrize("fits", [True, False])
def test_a_batch_that_was_netted_only(rig: Rig, copy: Callable[[Rig], Copied], fits: bool) -> None:
    stores = copy(rig)
    rig.claim("first")
    rig.pay()
    if not fits:
        rig.claim("second")
        stores.recover_claims("first", "second")
    stores.recover_claims("first")
    assert stores.old.ledger.outbox.net(rig.world.terms.digest) is not None
    if fits:
        (found,) = stores.recover()
        assert found.batch is not None
        stores.require_same()
        return
    with pytest.raises(BadInput) as refused:
        stores.recover()
    assert refused.value.reason is InputReason.SETTLEMENT_STATE


@pytest.mark.parametrize("step", ["proposed", "signed", "follow"])
def test_stopping_anywhere(
    rig: Rig, copy: Callable[[Rig], Copied], monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    stores = copy(rig)
    rig.claim("first")
    rig.pay()
    stores.recover_claims("first")

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        owner = Settlement if step == "follow" else type(stores.old.ledger.outbox)
        patch.setattr(owner, step, stop)
        with pytest.raises(KeyboardInterrupt):
            stores.recover()
    if step == "proposed":
        stores.recover()
    else:
        stores.old.run()
    assert stores.recover() == []
    assert stores.old.money() == rig.money()
    assert len(rig.node.transfers(PAYEE)) == 1


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


def test_two_contracts_with_one_escrow(
    rigs: MakeRig, copy: Callable[[Rig], Copied], tmp_path: Path
) -> None:
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
    assert found.batch is None
    assert stores.old.money() == before


@pytest.mark.parametrize("lie", ["content", "digest", "nanos", "other bytes"])
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
        changed = {
            "content": Sent(sent.digest, sent.content[:-80], sent.received_nanos),
            "digest": replace(sent, digest=bytes(32)),
            "nanos": replace(sent, received_nanos=sent.received_nanos - 1),
            "other bytes": replace(sent, content=b"\x02" + sent.content[1:]),
        }[lie]
        return replace(history, sent=(changed,))

    monkeypatch.setattr(recovery, "sent_by", lying)
    (found,) = stores.recover()
    if lie == "content":  # its signatures alone are lost
        assert found.batch is not None
        assert (found.batch.state, found.batch.signatures) == (BatchState.FINAL, ())
        return
    assert found.batch is None
    assert stores.old.money() == before
    assert stores.old.ledger.outbox.batches() == []
