"""Netting, handing over, learning the fate: whatever stops in between, money moves once."""

from __future__ import annotations

from pathlib import Path

import pytest

from circuits.errors import BadInput, InputReason
from tests.ledger.stores import funded, open_ledger
from tests.support import World
from verifier.accept import Account
from verifier.ledger import Batch, BatchState, Ledger
from verifier.settlement import EmbeddedGateway, Fate, Settlement, SignedPayment


class TestChain:
    """A gateway that behaves like a chain: it counts what it was sent and says what it is told."""

    __test__ = False
    name = "test chain"

    def __init__(self, *fates: BatchState | Exception) -> None:
        self.fates = list(fates)
        self.signed: list[int] = []
        self.sent: list[bytes] = []

    def sign(self, batch: Batch) -> SignedPayment:
        self.signed.append(batch.id)
        return SignedPayment(f"pay {batch.id}".encode(), bytes([batch.id] * 32), expiry=7)

    def send(self, batch: Batch) -> None:
        assert batch.payload is not None
        self.sent.append(batch.payload)

    def fate(self, batch: Batch) -> Fate:
        fate = self.fates.pop(0) if self.fates else batch.state
        if isinstance(fate, Exception):
            raise fate
        return Fate(fate, "said the chain")


def money(ledger: Ledger, world: World) -> tuple[int, int]:
    balances = ledger.balances(world.terms.digest)
    return balances[Account.PAYABLE], balances[Account.SETTLED]


def test_the_embedded_gateway_settles_at_once(world: World, tmp_path: Path) -> None:
    with funded(world, tmp_path) as ledger:
        last = [ledger.apply(c.encode()).receipt for c in (world.first, world.second)][-1]
        owed = world.first.amount_nanos + world.second.amount_nanos
        assert money(ledger, world) == (owed, 0)
        settlement = Settlement(ledger, EmbeddedGateway())
        (batch,) = settlement.run()
        assert (batch.state, batch.amount_nanos) == (BatchState.FINAL, owed)
        assert batch.memo == last.digest  # the chain of receipts up to here
        assert money(ledger, world) == (0, owed)
        assert settlement.run() == []
        assert money(ledger, world) == (0, owed)


def test_nothing_owed_nothing_settled(world: World, tmp_path: Path) -> None:
    with funded(world, tmp_path) as ledger:
        assert Settlement(ledger, EmbeddedGateway()).run() == []


def test_small_debts_wait(world: World, tmp_path: Path) -> None:
    with funded(world, tmp_path) as ledger:
        ledger.apply(world.first.encode())
        minimum = world.first.amount_nanos + 1
        settlement = Settlement(ledger, EmbeddedGateway(), minimum_nanos=minimum)
        assert settlement.run() == []
        ledger.apply(world.second.encode())
        (batch,) = settlement.run()
        assert batch.amount_nanos == world.first.amount_nanos + world.second.amount_nanos


def test_a_chain_takes_its_time(world: World, tmp_path: Path) -> None:
    chain = TestChain(
        BatchState.SIGNED, ConnectionError(), BatchState.EXECUTED, BatchState.EXECUTED
    )
    with funded(world, tmp_path) as ledger:
        ledger.apply(world.first.encode())
        settlement = Settlement(ledger, chain)
        states = [settlement.run()[0].state for _ in range(3)]
        assert states == [BatchState.SIGNED, BatchState.SIGNED, BatchState.EXECUTED]
        assert money(ledger, world)[1] == 0  # not before it is final
    with open_ledger(tmp_path) as ledger:  # another process goes on
        chain.fates = [BatchState.FINAL]
        ledger.apply(world.second.encode())
        (batch,) = Settlement(ledger, chain).run()
        assert batch.state is BatchState.FINAL
        assert money(ledger, world) == (world.second.amount_nanos, world.first.amount_nanos)
    assert chain.signed == [1]
    assert set(chain.sent) == {b"pay 1"}  # every retry sent the same bytes


def test_what_failed_is_owed_again(world: World, tmp_path: Path) -> None:
    chain = TestChain(BatchState.FAILED)
    with funded(world, tmp_path) as ledger:
        ledger.apply(world.first.encode())
        assert Settlement(ledger, chain).run()[0].state is BatchState.FAILED
        assert money(ledger, world) == (world.first.amount_nanos, 0)
        (batch,) = Settlement(ledger, EmbeddedGateway()).run()
        assert (batch.id, batch.state) == (2, BatchState.FINAL)
        assert money(ledger, world) == (0, world.first.amount_nanos)


@pytest.mark.parametrize("state", [BatchState.FINAL, BatchState.EXECUTED, BatchState.FAILED])
def test_a_batch_cannot_skip_states(world: World, tmp_path: Path, state: BatchState) -> None:
    with funded(world, tmp_path) as ledger:
        ledger.apply(world.first.encode())
        batch = ledger.outbox.net(world.terms.digest)
        assert batch is not None
        with pytest.raises(BadInput):
            ledger.outbox.moved(batch, state)
        assert money(ledger, world)[1] == 0


def test_a_stale_batch_moves_nothing(world: World, tmp_path: Path) -> None:
    # two settlers with the same batch in hand: only one of them books it
    with funded(world, tmp_path) as ledger:
        ledger.apply(world.first.encode())
        new = ledger.outbox.net(world.terms.digest)
        assert new is not None
        executed = ledger.outbox.moved(
            ledger.outbox.signed(new, b"bytes", bytes(32), None), BatchState.EXECUTED
        )
        ledger.outbox.moved(executed, BatchState.FINAL)
        with pytest.raises(BadInput) as caught:
            ledger.outbox.moved(executed, BatchState.FINAL)
        assert caught.value.reason is InputReason.SETTLEMENT_STATE
        assert money(ledger, world) == (0, world.first.amount_nanos)


def test_netting_twice_takes_nothing_twice(world: World, tmp_path: Path) -> None:
    with funded(world, tmp_path) as ledger:
        ledger.apply(world.first.encode())
        assert ledger.outbox.net(world.terms.digest) is not None
        assert ledger.outbox.net(world.terms.digest) is None
        assert ledger.outbox.owed() == []
