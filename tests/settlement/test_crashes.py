"""Whatever stops wherever, each debt is one transfer: a settler that dies at every boundary."""

from __future__ import annotations

import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from circuits.errors import BadInput
from tests.iota_node.faults import Fault
from tests.iota_node.node import IotaNode
from tests.ledger.stores import open_ledger
from tests.settlement.crashing import Boundaries, Crash, finish, restart, settler, start
from tests.settlement.iota_rig import Rig

EXPECTED_BOUNDARIES = 28
QUICK = (
    Fault.DROP_BEFORE,
    Fault.DROP_AFTER,
    Fault.DUPLICATE,
    Fault.UNAVAILABLE_BEFORE,
    Fault.UNAVAILABLE_AFTER,
    Fault.GARBAGE,
    Fault.GRAPHQL_ERROR,
    Fault.NULL_AND_ERROR,
    Fault.LOCK_AND_DROP,
)


@pytest.fixture(scope="session")
def templates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the ledgers lie that each run copies."""
    return tmp_path_factory.mktemp("templates")


def crash_once(rig: Rig, at: int) -> tuple[Rig, list[str]]:
    """Settle with a co-signing operator, die at one boundary, go on in a new process."""
    boundaries = Boundaries(at)
    try:
        settler(rig, boundaries).run()
        rig.cosign()
        settler(rig, boundaries).run()
    except Crash:
        rig = restart(rig)
    return rig, boundaries.passed


@pytest.mark.parametrize("at", range(1, EXPECTED_BOUNDARIES + 1))
def test_a_settler_may_die_at_any_boundary(
    node: IotaNode, templates: Path, tmp_path: Path, at: int
) -> None:
    rig = start(node, templates, tmp_path / "store", sponsored=at % 2 == 0, coins=2)
    rig, passed = crash_once(rig, at)
    assert len(passed) == at
    finish(rig)
    assert len(node.transactions) == 1
    rig.close()


def test_every_boundary_is_tried(node: IotaNode, templates: Path, tmp_path: Path) -> None:
    rig = start(node, templates, tmp_path / "store", sponsored=False)
    rig, passed = crash_once(rig, 0)
    assert len(passed) == EXPECTED_BOUNDARIES
    steps = {"net", "prepare", "proposed", "sign", "signed", "send", "fate", "moved", "noted"}
    assert {name.split()[1] for name in passed} == steps
    finish(rig)
    rig.close()


@pytest.mark.parametrize("seed", range(24))
def test_anything_may_go_wrong_at_once(
    node: IotaNode, templates: Path, tmp_path: Path, seed: int
) -> None:
    Trouble(node, templates, tmp_path, seed).run()


@pytest.mark.long
@pytest.mark.parametrize("seed", range(24, 424))
def test_anything_may_go_wrong_often(
    node: IotaNode, templates: Path, tmp_path: Path, seed: int
) -> None:
    Trouble(node, templates, tmp_path, seed).run()


class Trouble:
    """A supplier's bad day: crashes, faults, lag, new claims, epochs and two settlers at once."""

    def __init__(self, node: IotaNode, templates: Path, directory: Path, seed: int) -> None:
        self.random = random.Random(seed)
        self.node = node
        sponsored, coins = self.random.random() < 0.5, self.random.choice([1, 1, 2, 5])
        self.rig = start(node, templates, directory / "store", sponsored=sponsored, coins=coins)
        self.claims = ["second", "third"]
        node.automatic = self.random.random() < 0.7

    def run(self) -> None:
        """Some events in any order; then the sun comes out."""
        events: list[tuple[Callable[[], None], float]] = [
            (self.settle, 10), (self.settle_twice_at_once, 3), (self.rig_cosigns, 6),
            (self.storm, 2), (self.calm, 2), (self.lag, 2), (self.checkpoint, 4),
            (self.advance_epoch, 1), (self.claim, 2),
        ]  # fmt: skip
        calls, weights = zip(*events, strict=True)
        for call in self.random.choices(calls, weights, k=self.random.randint(8, 20)):
            call()
        self.node.faults.clear()
        while self.claims:
            self.claim()
        finish(self.rig)
        self.rig.close()

    def settle(self) -> None:
        """A round of settling that may die."""
        at = self.random.choice([0, self.random.randint(1, EXPECTED_BOUNDARIES)])
        if not survives(self.rig, at):
            self.rig = restart(self.rig)

    def settle_twice_at_once(self) -> None:
        """Two settlers over one store, each of which may die."""
        other = Rig(self.node, self.rig.directory, open_ledger(self.rig.directory), self.rig.world)
        ends = [self.random.choice([0, self.random.randint(1, EXPECTED_BOUNDARIES)]) for _ in "ab"]
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(survives, [self.rig, other], ends))
        other.close()

    def rig_cosigns(self) -> None:
        """The operator signs what waits."""
        self.rig.cosign()

    def storm(self) -> None:
        """Requests fail now and then, whatever they ask."""
        self.node.faults.storm(self.random.choice([0.1, 0.4]), self.random, QUICK)

    def calm(self) -> None:
        """No more faults, and no lag."""
        self.node.faults.clear()

    def lag(self) -> None:
        """The index is behind."""
        self.node.faults.indexer_lag = self.random.randint(0, 4)

    def checkpoint(self) -> None:
        """What was executed gets its checkpoint."""
        self.node.make_checkpoint()

    def advance_epoch(self) -> None:
        """Enough epochs for what was planned to expire, or nearly."""
        for _ in range(self.random.randint(1, 3)):
            self.node.advance_epoch()

    def claim(self) -> None:
        """The operator delivers more, while it has more."""
        if self.claims:
            self.rig.claim(self.claims.pop(0))


def survives(rig: Rig, at: int) -> bool:
    """One round that dies at a boundary (0: never); a node that talks nonsense is no crash."""
    try:
        settler(rig, Boundaries(at)).run()
    except Crash:
        return False
    except BadInput:
        return True
    return True
