"""Netting, handing over, learning the fate: whatever stops in between, money moves once."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from circuits.errors import BadInput, InputReason
from tests.ledger.stores import funded, open_ledger
from tests.support import World
from verifier.accept import Account
from verifier.ledger import Batch, BatchState, Ledger, Prepared
from verifier.settlement import EmbeddedGateway, Fate, Settlement, Unready
from verifier.settlement.settle import NOT_REACHED, SIGNATURE_MISSING


class TestChain:
    """A gateway that behaves like a chain: it counts what it was sent and says what it is told.

    ``fates`` answer for a batch that was sent; before that nothing is known of it.
    """

    __test__ = False
    name = "test chain"

    def __init__(self, *fates: BatchState | Exception) -> None:
        self.fates = list(fates)
        self.prepared: list[int] = []
        self.sent: list[bytes] = []
        self.coin = b"coin 1"
        self.needs_share = False
        self.spent = True
        self.answers = True  # to what is sent

    def prepare(self, batch: Batch, taken: frozenset[bytes]) -> Prepared:
        if self.coin in taken:
            raise Unready("the only coin is in use")
        self.prepared.append(batch.id)
        return Prepared(f"pay {batch.id}".encode(), bytes([batch.id] * 32), 7, (self.coin,))

    def sign(self, batch: Batch, shares: Mapping[str, str]) -> tuple[str, ...] | None:
        if self.needs_share and not shares:
            return None
        return (*shares.values(), "ours")

    def send(self, batch: Batch) -> None:
        assert batch.payload is not None
        assert batch.signatures[-1] == "ours"
        self.sent.append(batch.payload)
        if not self.answers:
            raise ConnectionError

    def fate(self, batch: Batch) -> Fate:
        waits = batch.state is BatchState.PROPOSED or not self.fates
        fate = batch.state if waits else self.fates.pop(0)
        if isinstance(fate, Exception):
            raise fate
        return Fate(fate, "said the chain", b"evidence", spent=self.spent)

    def has_failed(self, evidence: bytes) -> bool:
        return False

    def leases(self, batch: Batch) -> tuple[bytes, ...]:
        return (self.coin,)


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


def test_a_chain_takes_its_time(world: World, tmp_path: Path) -> None:
    signed, executed = BatchState.SIGNED, BatchState.EXECUTED
    chain = TestChain(signed, ConnectionError(), executed, executed)
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
        assert ledger.outbox.evidence(batch) == {
            BatchState.EXECUTED: b"evidence",
            BatchState.FINAL: b"evidence",
        }
    assert chain.prepared == [1]
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


@pytest.mark.parametrize("state", [s for s in BatchState if s is not BatchState.PROPOSED])
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
        proposed = ledger.outbox.proposed(new, Prepared(b"bytes", bytes(32)))
        executed = ledger.outbox.moved(
            ledger.outbox.signed(proposed, ("signature",)), BatchState.EXECUTED
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


def test_a_payment_waits_for_the_other_side(world: World, tmp_path: Path) -> None:
    chain = TestChain(BatchState.EXECUTED, BatchState.FINAL)
    chain.needs_share = True
    with funded(world, tmp_path) as ledger:
        ledger.apply(world.first.encode())
        settlement = Settlement(ledger, chain)
        for _ in range(2):
            (batch,) = settlement.run()
            assert (batch.state, batch.detail) == (BatchState.PROPOSED, SIGNATURE_MISSING)
        assert chain.sent == []
        ledger.outbox.add_shares(batch.id, bytes([1] * 32), {"operator": "theirs"})
        (batch,) = settlement.run()
        assert (batch.state, batch.signatures) == (BatchState.FINAL, ("theirs", "ours"))


def test_a_lost_answer_is_asked_for(world: World, tmp_path: Path) -> None:
    chain = TestChain(BatchState.SIGNED, BatchState.EXECUTED, BatchState.FINAL)
    chain.answers = False
    with funded(world, tmp_path) as ledger:
        ledger.apply(world.first.encode())
        settlement = Settlement(ledger, chain)
        (batch,) = settlement.run()
        assert (batch.state, batch.detail) == (BatchState.SIGNED, NOT_REACHED)
        (batch,) = settlement.run()  # sent in vain once more, but the first one had arrived
        assert batch.state is BatchState.FINAL


@pytest.mark.parametrize("spent", [True, False])
def test_coins_of_a_failed_payment(world: World, tmp_path: Path, spent: bool) -> None:
    chain = TestChain(BatchState.FAILED)
    chain.spent = spent
    with funded(world, tmp_path) as ledger:
        ledger.apply(world.first.encode())
        settlement = Settlement(ledger, chain)
        assert settlement.run()[0].state is BatchState.FAILED
        (batch,) = settlement.run()
        if spent:
            assert (batch.state, batch.detail) == (BatchState.NEW, "the only coin is in use")
        else:
            assert batch.state is BatchState.SIGNED


def test_notes_are_short(world: World, tmp_path: Path) -> None:
    with funded(world, tmp_path) as ledger:
        ledger.apply(world.first.encode())
        batch = ledger.outbox.net(world.terms.digest)
        assert batch is not None
        assert len(ledger.outbox.noted(batch, "x" * 10_000).detail) == 500
