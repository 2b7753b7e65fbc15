"""The test node and a supplier that settles on it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.iota_node.node import IotaNode
from tests.iota_node.schema import SchemaUnavailable
from tests.ledger.stores import open_ledger
from tests.settlement.copied import Copied
from tests.settlement.iota_rig import FUNDS, Rig, contract, make_rig
from tests.support import RICH


@pytest.fixture
def node() -> Iterator[IotaNode]:
    """A test node, serving; skips where the official schema cannot be had."""
    try:
        served = IotaNode()
    except SchemaUnavailable as error:
        pytest.skip(str(error))
    with served:
        yield served


@pytest.fixture
def rigs(node: IotaNode, tmp_path: Path) -> Iterator[Callable[..., Rig]]:
    """Makes suppliers on the node; the arguments are fields of the contract's settlement table."""
    with ExitStack() as stack:

        def make(
            name: str = "test pump", *, funds: int = FUNDS, deposit: int = RICH, **fields: Any
        ) -> Rig:
            agreed = contract(node.chain_id, name, **fields)
            rig = make_rig(node, tmp_path / name, agreed, funds=funds, deposit=deposit)
            stack.callback(rig.close)
            return rig

        yield make


@pytest.fixture
def rig(rigs: Callable[..., Rig]) -> Rig:
    """A supplier whose 2-of-2 escrow pays its own gas and holds one coin; no claims yet."""
    return rigs()


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
