"""Fixtures of a test network; a conftest that wants them imports them by name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import pytest

from tests.iota_node.node import IotaNode
from tests.iota_node.schema import SchemaUnavailable


class MakeNode(Protocol):
    """Starts a node, with the arguments of `IotaNode`; the test's end stops it."""

    def __call__(
        self, *, automatic: bool = True, unused_pure: bool = True, checkpoint_bcs: bool = False
    ) -> IotaNode: ...


@pytest.fixture
def make_iota_node() -> Iterator[MakeNode]:
    """Makes nodes; skips where the official schema is missing."""
    started: list[IotaNode] = []

    def make(
        *, automatic: bool = True, unused_pure: bool = True, checkpoint_bcs: bool = False
    ) -> IotaNode:
        try:
            node = IotaNode(
                automatic=automatic, unused_pure=unused_pure, checkpoint_bcs=checkpoint_bcs
            )
        except SchemaUnavailable as error:
            pytest.skip(str(error))
        node.start()
        started.append(node)
        return node

    yield make
    for node in started:
        node.stop()


@pytest.fixture
def iota_node(make_iota_node: MakeNode) -> IotaNode:
    """A node of its own for each test, with a checkpoint after every transaction."""
    return make_iota_node()
