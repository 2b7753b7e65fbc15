"""When a contract's debt is settled: at an amount or at an age, as the contract says."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.settlement.iota_rig import contract, world_of
from tests.support import NOW_MS, RICH, SUPPLIER, World
from verifier.ledger import Batch, BatchState, Ledger
from verifier.settlement import EmbeddedGateway, Settlement

NETWORK = "6364aad5"
AGE_SECONDS = 3600


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now_ms = NOW_MS

    def __call__(self) -> int:
        return self.now_ms


class Supplier:
    """A ledger under a contract's policy, where what is due settles at once."""

    def __init__(self, directory: Path, **fields: str | int) -> None:
        self.world: World = world_of(contract(NETWORK, **fields))
        self.clock = Clock()
        self.ledger = Ledger.open(directory, SUPPLIER, create=True, clock=self.clock)
        self.ledger.register(self.world.contract)
        self.ledger.deposit(self.world.terms.digest, RICH, "opening deposit")

    def claim(self, name: str) -> int:
        claim = getattr(self.world, name)
        return self.ledger.apply(claim.encode()).receipt.amount_nanos

    def run(self) -> list[Batch]:
        gateway = EmbeddedGateway()
        return Settlement(self.ledger, gateway, gateway, clock=self.clock).run()


def test_every_debt_is_due_unless_the_contract_says_otherwise(tmp_path: Path) -> None:
    supplier = Supplier(tmp_path)
    owed = supplier.claim("first")
    assert [b.amount_nanos for b in supplier.run()] == [owed]


def test_small_debts_wait_for_the_amount(tmp_path: Path, world: World) -> None:
    minimum = world.first.amount_nanos + 1
    supplier = Supplier(tmp_path, minimum_nanos=str(minimum))
    owed = supplier.claim("first")
    supplier.clock.now_ms += 10**12  # no age was agreed
    assert supplier.run() == []
    owed += supplier.claim("second")
    assert owed >= minimum
    (batch,) = supplier.run()
    assert (batch.state, batch.amount_nanos) == (BatchState.FINAL, owed)
    assert supplier.run() == []


def test_the_amount_itself_is_enough(tmp_path: Path, world: World) -> None:
    supplier = Supplier(tmp_path, minimum_nanos=str(world.first.amount_nanos))
    assert supplier.claim("first") == world.first.amount_nanos
    assert len(supplier.run()) == 1


def test_old_debts_do_not_wait(tmp_path: Path) -> None:
    supplier = Supplier(tmp_path, minimum_nanos=str(10**18), maximum_age_seconds=AGE_SECONDS)
    owed = supplier.claim("first")
    supplier.clock.now_ms += AGE_SECONDS * 500
    owed += supplier.claim("second")
    supplier.clock.now_ms += AGE_SECONDS * 500
    assert supplier.run() == []  # the first is as old as it may be
    supplier.clock.now_ms += 1
    (batch,) = supplier.run()
    assert batch.amount_nanos == owed  # and the younger one goes with it
    owed = supplier.claim("third")
    assert supplier.run() == []  # the age begins anew with the first receipt that is not settled
    supplier.clock.now_ms += AGE_SECONDS * 1000 + 1
    assert [b.amount_nanos for b in supplier.run()] == [owed]


def test_each_contract_has_its_own_policy(tmp_path: Path) -> None:
    patient = Supplier(tmp_path, minimum_nanos=str(10**18))
    hasty = world_of(contract(NETWORK, "hasty pump", minimum_nanos="1"))
    patient.ledger.register(hasty.contract)
    patient.ledger.deposit(hasty.terms.digest, RICH, "opening deposit")
    patient.claim("first")
    assert patient.run() == []
    amount = patient.ledger.apply(hasty.first.encode()).receipt.amount_nanos
    (batch,) = patient.run()
    assert (batch.terms_digest, batch.amount_nanos) == (hasty.terms.digest, amount)


@pytest.mark.parametrize("open_state", [BatchState.NEW, BatchState.PROPOSED])
def test_a_contract_has_one_open_batch(tmp_path: Path, open_state: BatchState) -> None:
    supplier = Supplier(tmp_path)
    outbox = supplier.ledger.outbox
    supplier.claim("first")
    batch = outbox.net(supplier.world.terms.digest)
    assert batch is not None
    if open_state is BatchState.PROPOSED:
        outbox.proposed(batch, EmbeddedGateway().prepare(batch, frozenset()))
    second = supplier.claim("second")
    assert outbox.net(supplier.world.terms.digest) is None
    (settled,) = supplier.run()
    assert (settled.first_sequence, settled.last_sequence) == (1, 1)
    (later,) = supplier.run()
    assert (later.first_sequence, later.last_sequence, later.amount_nanos) == (2, 2, second)
