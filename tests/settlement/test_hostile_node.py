"""A node that lies in good form: the supplier waits, and nothing breaks or is paid twice."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.iota_node.node import IotaNode
from tests.settlement.iota_rig import Rig
from verifier.iota.node import Present
from verifier.ledger import BatchState
from verifier.settlement.settle import NOT_REACHED, SIGNATURE_MISSING

LARGEST = 2**53 - 1  # of a whole number in the service's JSON


def lie(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, field: str, change: Callable[[Any], Any]
) -> None:
    """From now on one root field of every answer that has it is changed."""
    sound = rig.client._query

    def query(document: str, variables: dict[str, str]) -> Any:
        data = sound(document, variables)
        return data | {field: change(data[field])} if field in data else data

    monkeypatch.setattr(rig.client, "_query", query)


@pytest.mark.parametrize("epoch", [LARGEST + 1, 2**63 - 1, 2**64])
def test_an_epoch_that_no_network_reaches(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, epoch: int
) -> None:
    rig.claim("first")
    lie(rig, monkeypatch, "epoch", lambda data: data | {"epochId": epoch})
    batch = rig.run()
    assert batch is not None
    assert (batch.state, batch.detail) == (BatchState.NEW, NOT_REACHED)


@pytest.mark.parametrize("effects", ["!", "AAAA", ""])
def test_effects_that_are_none(rig: Rig, monkeypatch: pytest.MonkeyPatch, effects: str) -> None:
    rig.claim("first")
    rig.run()
    block = {"effects": {"status": "SUCCESS", "bcs": effects, "checkpoint": None}}
    lie(rig, monkeypatch, "transactionBlock", lambda _: block)
    batch = rig.run()
    assert batch is not None
    assert (batch.state, batch.detail) == (BatchState.PROPOSED, NOT_REACHED)
    monkeypatch.undo()
    assert rig.push().state is BatchState.FINAL
    rig.require_books_agree()


@pytest.mark.parametrize(
    "mark",
    [
        {"sequenceNumber": LARGEST + 1},
        {"epoch": {"epochId": LARGEST + 1}},
        {"digest": "\x1b[2J"},
        {"timestamp": "\x1b]0;all is well\x07"},
    ],
)
def test_a_checkpoint_that_is_none(
    rig: Rig, node: IotaNode, monkeypatch: pytest.MonkeyPatch, mark: dict[str, Any]
) -> None:
    rig.claim("first")
    rig.run()
    for _ in range(2):
        node.advance_epoch()
    lie(rig, monkeypatch, "checkpoint", lambda data: data | mark)
    batch = rig.run()
    assert batch is not None
    assert (batch.state, batch.detail) == (BatchState.PROPOSED, NOT_REACHED)


def test_the_same_coin_listed_twice(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    rig.claim("first")
    sound = rig.client.balances
    monkeypatch.setattr(rig.client, "balances", lambda address: sound(address) * 2)
    batch = rig.run()
    assert batch is not None
    assert (batch.state, batch.detail) == (BatchState.PROPOSED, SIGNATURE_MISSING)
    assert rig.push().state is BatchState.FINAL
    rig.require_books_agree()


def test_an_epoch_that_goes_back(rig: Rig, node: IotaNode, monkeypatch: pytest.MonkeyPatch) -> None:
    # expired by one replica, planned anew by one that is far behind: the very same bytes
    rig.claim("first")
    rig.run()
    for _ in range(2):
        node.advance_epoch()
    old = rig.run()
    assert old is not None
    assert old.state is BatchState.FAILED
    present = rig.client.present()
    behind = Present(present.network, 0, present.gas_price)
    monkeypatch.setattr(rig.client, "present", lambda: behind)
    waiting = rig.run()
    assert waiting is not None
    assert (waiting.state, waiting.payload) == (BatchState.NEW, None)
    monkeypatch.undo()
    assert rig.pay().state is BatchState.FINAL
    rig.require_books_agree()
