"""A supplier's store in a temporary directory, with the contract registered and funded."""

from __future__ import annotations

from pathlib import Path

import pytest

from circuits.errors import Reason, Rejected
from tests.support import NOW_MS, RICH, SUPPLIER, World
from verifier.ledger import Ledger


def open_ledger(directory: Path) -> Ledger:
    """The ledger in a directory, with the supplier's key and a fixed clock."""
    return Ledger.open(directory, SUPPLIER, create=True, clock=lambda: NOW_MS)


def funded(world: World, directory: Path, nanos: int = RICH) -> Ledger:
    """A ledger that knows the contract and holds an escrow."""
    ledger = open_ledger(directory)
    ledger.register(world.contract)
    ledger.deposit(world.terms.digest, nanos, "opening deposit")
    return ledger


def refusal(ledger: Ledger, claim_bytes: bytes) -> Reason:
    """Why the ledger refuses a claim."""
    with pytest.raises(Rejected) as caught:
        ledger.apply(claim_bytes)
    return caught.value.reason
