"""A settler that dies at a chosen boundary, and what must hold whenever it did."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from tests.iota_node.node import IotaNode
from tests.ledger.stores import open_ledger
from tests.settlement.iota_rig import PAYEE, Rig, contract, make_rig, wallet, world_of
from tests.support import RICH
from verifier.contract import SignedContract
from verifier.iota.payment import PaymentPlan
from verifier.ledger import BatchState
from verifier.ledger.batches import OPEN
from verifier.settlement import EmbeddedGateway, Settlement

OUTBOX_STEPS = frozenset({"net", "proposed", "signed", "moved", "noted"})
GATEWAY_STEPS = frozenset({"prepare", "sign", "send", "fate"})
ROUNDS = 40


class Crash(BaseException):
    """The process ends here. Nothing catches it but the test."""


@dataclass
class Boundaries:
    """Counts what a settler passes, and lets it die at one of them (0: never)."""

    at: int = 0
    passed: list[str] = field(default_factory=list)

    def cross(self, name: str) -> None:
        """Pass one boundary, or die."""
        self.passed.append(name)
        if len(self.passed) == self.at:
            raise Crash(name)


class Crashing:
    """Stands before an object: each of its ``steps`` has a boundary before and one after it."""

    def __init__(self, target: Any, steps: frozenset[str], boundaries: Boundaries) -> None:
        self._target, self._steps, self._boundaries = target, steps, boundaries

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._target, name)
        if name == "outbox":
            return Crashing(found, OUTBOX_STEPS, self._boundaries)
        return self._guarded(name, found) if name in self._steps else found

    def _guarded(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def step(*arguments: Any, **named: Any) -> Any:
            self._boundaries.cross(f"before {name}")
            result = call(*arguments, **named)
            self._boundaries.cross(f"after {name}")
            return result

        return step


def settler(rig: Rig, boundaries: Boundaries) -> Settlement:
    """A settler over the rig's ledger that dies where ``boundaries`` say."""
    ledger: Any = Crashing(rig.ledger, frozenset(), boundaries)
    gateway: Any = Crashing(rig.gateway, GATEWAY_STEPS, boundaries)
    return Settlement(ledger, EmbeddedGateway(), gateway, clock=rig.clock)


def agreed_on(node: IotaNode, *, sponsored: bool) -> SignedContract:
    """The contract of these tests."""
    fields = {"gas_owner": wallet("operator").address} if sponsored else {}
    return contract(node.chain_id, **fields)


@cache
def _template(directory: Path, agreed: SignedContract) -> Path:
    """A closed ledger with one receipt to settle; copying it is quicker than a proof."""
    path = directory / agreed.terms.digest.hex()
    with open_ledger(path) as ledger:
        ledger.register(agreed)
        ledger.deposit(agreed.terms.digest, RICH, "opening deposit")
        ledger.apply(world_of(agreed).first.encode())
    return path


def start(
    node: IotaNode, templates: Path, directory: Path, *, sponsored: bool, coins: int = 1
) -> Rig:
    """A supplier with one receipt to settle; its escrow holds equal ``coins``."""
    agreed = agreed_on(node, sponsored=sponsored)
    shutil.copytree(_template(templates, agreed), directory)
    rig = make_rig(node, directory, agreed, funds=0)
    for _ in range(coins):
        node.faucet(rig.escrow.address, 10**9)
        if sponsored:
            node.faucet(wallet("operator").address, 10**9)
    return rig


def restart(rig: Rig) -> Rig:
    """What a new process has of it: the files and the node."""
    rig.close()
    return Rig(rig.node, rig.directory, open_ledger(rig.directory), rig.world)


def finish(rig: Rig) -> None:
    """With a sound node and an operator that signs, everything that is owed gets paid."""
    rig.node.faults.clear()
    for turn in range(ROUNDS):
        rig.cosign()
        rig.settlement().run()
        rig.node.make_checkpoint()
        if not rig.ledger.outbox.batches(OPEN) and not rig.ledger.outbox.owed():
            break
        if turn >= ROUNDS // 2:
            rig.node.advance_epoch()  # a coin that somebody locked is free in the next epoch
    require_paid_once(rig)


def require_paid_once(rig: Rig) -> None:
    """Each receipt is in one FINAL batch, and each of these is one transfer to the payee."""
    digest = rig.world.terms.digest
    receipts = rig.ledger.receipts(digest)
    batches = rig.ledger.outbox.settlements(digest)
    final = [b for b in batches if b.state is BatchState.FINAL]
    assert {b.state for b in batches} <= {BatchState.FINAL, BatchState.FAILED}
    covered = [n for b in final for n in range(b.first_sequence, b.last_sequence + 1)]
    assert covered == [receipt.sequence for receipt in receipts]
    assert rig.money() == (0, sum(receipt.amount_nanos for receipt in receipts))
    rig.require_books_agree()
    plans = [PaymentPlan.from_json(b.plan) for b in final if b.plan is not None]
    spent = [coin.lease for plan in plans for coin in plan.references]
    assert len(set(spent)) == len(spent)
    digests = [t.digest for t in rig.node.transfers(PAYEE)]
    assert len(set(digests)) == len(final)
    supply = rig.node.supply()
    assert supply.coins + supply.deposits + supply.burned == supply.minted
