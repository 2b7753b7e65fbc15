"""A supplier's recovery beside lying nodes, other processes, and batches in odd states."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from circuits.errors import BadInput, InputReason
from tests.iota_node.node import IotaNode
from tests.settlement.copied import Copied
from tests.settlement.iota_rig import FUNDS, PAYEE, Rig, wallet
from tests.settlement.test_revival import lie_once
from tests.support import RICH
from verifier.iota import fate as fate_module
from verifier.iota.fate import observe
from verifier.iota.sdk import load
from verifier.ledger import Batch, BatchState
from verifier.settlement.iota import observer as observer_module
from verifier.settlement.iota.observer import IotaObserver
from verifier.settlement.iota.recovery import CONTRADICTION, IN_THE_WAY
from verifier.settlement.port import Fate

MakeRig = Callable[..., Rig]
Copy = Callable[[Rig], Copied]


def test_called_dead_and_netted_again(
    rig: Rig, copy: Copy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The NEW batch of the same receipts must not pay them a second time."""
    rig.claim("first")
    rig.run()
    rig.cosign()
    transaction, signatures = lie_once(rig, monkeypatch)
    rig.ledger.outbox.net(rig.world.terms.digest)
    stores = copy(rig)
    rig.client.execute(transaction, signatures)
    (found,) = stores.recover()
    assert found.batch is not None
    assert found.batch.state is BatchState.FINAL
    alive, new = stores.old.ledger.outbox.batches()
    assert (alive.state, new.state) == (BatchState.FINAL, BatchState.FAILED)
    for _ in range(2):
        stores.old.run()
        stores.old.cosign()
    assert len(rig.node.transfers(PAYEE)) == 1
    # and the batch that had no payment stops nothing that comes later
    owed = stores.old.claim("second")
    batch = stores.old.pay()
    assert (batch.state, batch.amount_nanos) == (BatchState.FINAL, owed)
    stores.old.require_books_agree()


def test_a_batch_that_has_gas_set_aside(rigs: MakeRig, node: IotaNode, copy: Copy) -> None:
    """Claims that were accepted are taken back, whatever is set aside for gas now."""
    probe = rigs("probe", funds=0)
    rig = rigs(deposit=probe.claim("first", "second") + 5_000_000)
    rig.claim("first")
    rig.ledger.outbox.net(rig.world.terms.digest)
    stores = copy(rig)
    rig.run()
    for _ in range(2):
        node.advance_epoch()
    dead = rig.settlement()._push(rig.ledger.outbox.batches()[0])
    assert dead.state is BatchState.FAILED
    rig.claim("second")
    rig.pay()
    stores.recover_claims("second")
    (found,) = stores.recover()
    assert found.batch is not None
    assert stores.old.money() == rig.money()


def test_a_node_that_contradicts_itself(
    rig: Rig, copy: Copy, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig.claim("first")
    rig.run()
    rig.cosign()
    transaction, signatures = lie_once(rig, monkeypatch)
    stores = copy(rig)
    rig.client.execute(transaction, signatures)

    def expired(_self: IotaObserver, _batch: Batch) -> Fate:
        return Fate(BatchState.FAILED, "expired", b'{"format":"zkmeter-expired-1"}', spent=False)

    with monkeypatch.context() as patch:
        patch.setattr(IotaObserver, "fate", expired)
        (found,) = stores.recover()
    assert (found.batch, found.why) == (None, CONTRADICTION)
    (found,) = stores.recover()
    assert found.is_decided


@pytest.mark.parametrize("figure", ["computation_cost", "storage_cost", "storage_rebate"])
def test_gas_beyond_all_there_is(
    rig: Rig, copy: Copy, monkeypatch: pytest.MonkeyPatch, figure: str
) -> None:
    stores = copy(rig)
    rig.claim("first")
    rig.pay()
    stores.recover_claims("first")
    real = load()

    class Effects:
        """The SDK's reading of effects, one figure of them changed."""

        @staticmethod
        def from_bcs(encoded: bytes) -> Any:
            version = real.TransactionEffects.from_bcs(encoded).as_v1()
            used = version.gas_cost_summary()
            setattr(used, figure, 2**63 + 2**62)

            class Changed:
                def __getattr__(self, name: str) -> Any:
                    return (lambda: used) if name == "gas_cost_summary" else getattr(version, name)

            class Versioned:
                @staticmethod
                def as_v1() -> Any:
                    return Changed()

            return Versioned()

    class Sdk:
        TransactionEffects = Effects

        def __getattr__(self, name: str) -> Any:
            return getattr(real, name)

    with monkeypatch.context() as patch:
        patch.setattr(fate_module, "load", Sdk)
        (found,) = stores.recover()
    assert found.batch is None
    assert "more gas than there is" in found.why
    stores.recover()
    stores.require_same()


def both(rigs: MakeRig, node: IotaNode) -> tuple[Rig, Rig]:
    """One store with two contracts that share an escrow."""
    rig, other = rigs("one"), rigs("two", funds=0)
    node.faucet(rig.escrow.address, FUNDS)
    rig.ledger.register(other.world.contract)
    rig.ledger.deposit(other.world.terms.digest, RICH, "opening deposit")
    return rig, other


def pay_both(rig: Rig, other: Rig) -> None:
    rig.settlement().run()
    for contract in (rig, other):
        for batch in rig.ledger.outbox.proposals(contract.world.terms.digest):
            assert batch.payload is not None
            assert batch.digest is not None
            operator = wallet("operator")
            shares = {operator.public_key: operator.sign(batch.payload)}
            rig.ledger.outbox.add_shares(batch.id, batch.digest, shares)
    rig.settlement().run()


def test_what_stops_one_contract_stops_no_other(
    rigs: MakeRig, node: IotaNode, copy: Copy, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig, other = both(rigs, node)
    stores = copy(rig)
    rig.claim("first")
    receipt = rig.ledger.apply(other.world.first.encode()).receipt
    pay_both(rig, other)
    stores.recover_claims("first")
    stores.old.ledger.recover(other.world.first.encode(), receipt)
    asked = []

    def once(*arguments: Any) -> Any:
        asked.append(arguments)
        if len(asked) == 1:
            raise BadInput(InputReason.IOTA_NODE, "the node shows nonsense")
        return observe(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(observer_module, "observe", once)
        found = stores.recover()
    assert sorted(one.why for one in found) == ["", "the node shows nonsense"]
    stores.recover()
    assert stores.old.ledger.outbox.owed() == []
    assert {b.state for b in stores.old.ledger.outbox.batches()} == {BatchState.FINAL}


def test_a_settler_that_hears_first(rig: Rig, copy: Copy, monkeypatch: pytest.MonkeyPatch) -> None:
    stores = copy(rig)
    rig.claim("first")
    rig.pay()
    stores.recover_claims("first")
    fate = IotaObserver.fate
    done: list[Batch] = []

    def raced(self: IotaObserver, batch: Batch) -> Fate:
        seen = fate(self, batch)
        if not done:
            done.append(batch)
            stores.old.run()
        return seen

    monkeypatch.setattr(IotaObserver, "fate", raced)
    (found,) = stores.recover()
    assert (found.batch, found.why) == (None, IN_THE_WAY)
    assert stores.recover() == []
    stores.require_same()


def test_dead_coins_of_another_contract(rigs: MakeRig, node: IotaNode, copy: Copy) -> None:
    """What was open is asked about for all contracts before anything is booked."""
    rig, other = both(rigs, node)
    rig.ledger.apply(other.world.first.encode())
    rig.settlement().run()
    stores = copy(rig)
    for _ in range(2):
        node.advance_epoch()
    dead = rig.settlement()._push(rig.ledger.outbox.batches()[0])
    assert dead.state is BatchState.FAILED
    rig.claim("first")
    new = rig.ledger.outbox.net(rig.world.terms.digest)
    assert new is not None
    for _ in range(2):
        batch = rig.settlement()._push(rig.ledger.outbox.batch(new.id))
        rig.cosign()
    assert batch.state is BatchState.FINAL
    stores.recover_claims("first")
    found = {one.digest: one for one in stores.recover()}
    states = sorted(one.batch.state.value for one in found.values() if one.batch)
    assert states == ["FAILED", "FINAL"]
    assert replace(batch, id=0, created_ms=0) in [
        replace(one, id=0, created_ms=0) for one in stores.old.ledger.outbox.batches()
    ]
