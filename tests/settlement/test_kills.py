"""A settler's process is killed with SIGKILL, again and again; each debt is one transfer."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.iota_node.faults import EXECUTE, Fault
from tests.iota_node.node import IotaNode
from tests.settlement.crashing import finish, start
from tests.settlement.iota_rig import Rig
from verifier.ledger import BatchState

REPOSITORY = Path(__file__).resolve().parents[2]
PATIENCE_SECONDS = 120  # until something is called hanging; nothing is measured


@pytest.fixture
def supplier(
    node: IotaNode, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Rig]:
    """A supplier with one receipt to settle, and the operator's share given as soon as wanted."""
    rig = start(node, tmp_path_factory.mktemp("template"), tmp_path / "store", sponsored=False)
    yield rig
    rig.close()


@contextmanager
def settling(rig: Rig) -> Iterator[None]:
    """A settler's process; the end of the block kills it."""
    command = [
        sys.executable, "-m", "tests.settlement.settler_process", str(rig.directory), rig.node.url,
    ]  # fmt: skip
    with subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "settling\n"
            yield
        finally:
            process.kill()


def wait_until(reached: Callable[[], bool]) -> None:
    """Look again and again."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not reached():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def state(rig: Rig) -> BatchState | None:
    """The state of the newest batch on disk."""
    batches = rig.ledger.outbox.batches()
    return batches[-1].state if batches else None


@pytest.mark.parametrize("reached", [BatchState.NEW, BatchState.PROPOSED])
def test_killed_as_soon_as_a_state_is_on_disk(supplier: Rig, reached: BatchState) -> None:
    with settling(supplier):
        wait_until(lambda: state(supplier) not in (None, *_before(reached)))
    finish(supplier)
    assert len(supplier.node.transactions) == 1


@pytest.mark.parametrize("fault", [Fault.SLOW_AFTER, Fault.SLOW_BEFORE])
def test_killed_while_the_node_executes(supplier: Rig, fault: Fault) -> None:
    node = supplier.node
    supplier.run()
    supplier.cosign()
    node.faults.slow_seconds = 0.5
    node.faults.arm(fault, on=EXECUTE)
    with settling(supplier):
        wait_until(lambda: state(supplier) is BatchState.SIGNED)
        if fault is Fault.SLOW_AFTER:
            wait_until(lambda: len(node.transactions) == 1)
    assert state(supplier) is BatchState.SIGNED
    finish(supplier)
    assert len(node.transactions) == 1


def test_killed_between_execution_and_checkpoint(supplier: Rig) -> None:
    supplier.node.automatic = False
    supplier.run()
    supplier.cosign()
    with settling(supplier):
        wait_until(lambda: state(supplier) is BatchState.EXECUTED)
    assert supplier.money()[1] == 0
    finish(supplier)
    assert len(supplier.node.transactions) == 1


@pytest.mark.parametrize("seed", range(2))
def test_two_settlers_killed_at_any_time(supplier: Rig, seed: int) -> None:
    kill_often(supplier, random.Random(seed), kills=2)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(2, 14))
def test_two_settlers_killed_often(supplier: Rig, seed: int) -> None:
    kill_often(supplier, random.Random(seed), kills=4)


def kill_often(rig: Rig, generator: random.Random, kills: int) -> None:
    claims = ["second", "third"]
    rig.node.faults.storm(0.05, generator, (Fault.DROP_AFTER, Fault.DUPLICATE, Fault.DROP_BEFORE))
    for _ in range(kills):
        with settling(rig), settling(rig):
            until = time.monotonic() + generator.uniform(0, 0.6)
            while time.monotonic() < until:
                rig.cosign()
                if claims and generator.random() < 0.05:
                    rig.claim(claims.pop(0))
    finish(rig)


def _before(reached: BatchState) -> tuple[BatchState, ...]:
    states = tuple(BatchState)
    return states[: states.index(reached)]
